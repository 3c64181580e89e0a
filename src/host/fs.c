/* The file system of a folder: its type by mount table, room, and by trying whether files can share their
 * bytes. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/str.h>

#include "internal.h"

#define MOUNTINFO_MAX ((size_t)4 << 20)
#define PROBE_BYTES   4096

bool mlo_host_is_network_fs(const char *type)
{
    static const char *const names[] = {"nfs",  "nfs4",      "cifs",   "smb2", "smb3", "ceph",  "lustre",
                                        "gpfs", "glusterfs", "beegfs", "afs",  "9p",   "ncpfs", "virtiofs"};
    for (size_t i = 0; i < MLO_COUNT(names); i++)
        if (strcmp(names[i], type) == 0)
            return true;
    /* fuse.sshfs, fuse.s3fs, fuse.mfs (network volumes of RunPod): nearly every file system in user space is
     * one */
    return strncmp(type, "fuse.", 5) == 0 || strcmp(type, "fuse") == 0;
}

bool mlo_host_mount_type(const char *text, unsigned dev_major, unsigned dev_minor, char *ret, size_t size)
{
    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\n");
        unsigned a, b;
        const char *dash = memmem(line, len, " - ", 3);
        if (dash && sscanf(line, "%*u %*u %u:%u ", &a, &b) == 2 && a == dev_major && b == dev_minor) {
            const char *type = dash + 3;
            snprintf(ret, size, "%.*s", (int)strcspn(type, " \n"), type);
            return true;
        }
        line += len + (line[len] == '\n');
    }
    return false;
}

/* For devices that the mount table does not list: subvolumes of btrfs have numbers of their own. */
static void type_by_magic(long magic, char *ret, size_t size)
{
    static const struct {
        long magic;
        const char *name;
    } known[] = {{0xEF53, "ext4"},        {0x58465342, "xfs"}, {0x9123683E, "btrfs"}, {0x01021994, "tmpfs"},
                 {0x794C7630, "overlay"}, {0x6969, "nfs"},     {0x65735546, "fuse"},  {0x2FC12FC1, "zfs"},
                 {0xFF534D42, "cifs"},    {0xFE534D42, "smb3"}};
    for (size_t i = 0; i < MLO_COUNT(known); i++)
        if (known[i].magic == magic) {
            snprintf(ret, size, "%s", known[i].name);
            return;
        }
    snprintf(ret, size, "0x%lx", (unsigned long)magic);
}

/* A file that has no name any more; -1 when the folder takes none. */
static int nameless_file(const char *folder)
{
    MLO_AUTOSTR struct mlo_str path;
    struct mlo_err err = MLO_ERR_INIT;
    mlo_str_init(&path, MLO_PATH_MAX);
    mlo_str_addf(&path, "%s/" MLO_TMP_PREFIX "XXXXXX", folder);
    int fd = mlo_str_check(&path, &err) < 0 ? -1 : mkostemp(path.ptr, O_CLOEXEC);
    if (fd >= 0)
        unlink(path.ptr);
    return fd;
}

static bool try_reflink(const char *folder)
{
    static const char bytes[PROBE_BYTES] = {1};
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOCLOSE int from = nameless_file(folder);
    MLO_AUTOCLOSE int to = from < 0 ? -1 : nameless_file(folder);
    return to >= 0 && mlo_write_all(from, bytes, sizeof bytes, &err) == 0 && mlo_reflink(to, from, &err) == 0;
}

int mlo_host_fs(const char *folder, struct mlo_host_fs *ret, struct mlo_err *err)
{
    struct statfs fs;
    struct stat st;
    if (stat(folder, &st) != 0 || statfs(folder, &fs) != 0)
        return mlo_fail_errno(err, "'%s'", folder);
    struct mlo_host_fs found = {.free_bytes = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize,
                                .total_bytes = (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize};
    MLO_AUTOFREE char *mounts = mlo_host_read("/proc/self/mountinfo", MOUNTINFO_MAX);
    if (!mounts ||
        !mlo_host_mount_type(mounts, major(st.st_dev), minor(st.st_dev), found.type, sizeof found.type))
        type_by_magic((long)fs.f_type, found.type, sizeof found.type);
    found.network = mlo_host_is_network_fs(found.type);
    found.reflink = try_reflink(folder);
    *ret = found;
    return 0;
}

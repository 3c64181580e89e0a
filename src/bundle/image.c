/*
 * A container image as files. Layers are archives of people nobody knows, and links are part of them, so each
 * name is looked up the way the container will: the kernel resolves it inside the new root (openat2,
 * RESOLVE_IN_ROOT), and the last part is never followed. What a layer takes away ("whiteouts") goes before
 * what it brings, because it hides lower layers alone.
 */
#include <mlopsctl/bundle.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <mlopsctl/base/text.h>

#include "oci.h"
#include "untar.h"

#define WHITEOUT   ".wh."
#define OPAQUE     ".wh..wh..opq"
#define ROOTFS     "rootfs"
#define LAYOUT     "layout"
#define INDEX_MAX  ((size_t)4 << 20)
#define NESTED_MAX 4    /* indexes in indexes */
#define TRIES_MAX  1000 /* of a look-up that others' renaming disturbed */

struct image {
    int layout, folder, root;
    size_t layer; /* number of the one at work, from 1 */
};

static int fail_entry(const char *path, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    return mlo_wrap(err, "'%s'", mlo_shown(path, strlen(path), shown));
}

/* ---- inside the root ---- */

static int open_inside(int root, const char *path)
{
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    int fd = -1;
    errno = EAGAIN; /* as it is when any folder was renamed while ".." in a link was followed */
    for (int i = 0; i < TRIES_MAX && fd < 0 && errno == EAGAIN; i++)
        fd = (int)syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof how);
    return fd;
}

static int open_folder(int root, char *path, bool make, int *ret, struct mlo_err *err);

/* The last part of path is made in the folder of the others. */
static int make_folder(int root, char *path, int *ret, struct mlo_err *err)
{
    MLO_AUTOCLOSE int parent = -1;
    char *slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
    int rc = slash ? open_folder(root, path, true, &parent, err) : 0;
    if (slash)
        *slash = '/';
    if (rc == 0 && mkdirat(slash ? parent : root, slash ? slash + 1 : path, 0755) != 0)
        rc = errno == EEXIST
                 ? mlo_fail(err, MLO_EINVALID, "its folder is a link to what the image does not have")
                 : mlo_fail_errno(err, "cannot make folder");
    if (rc == 0 && (*ret = open_inside(root, path)) < 0)
        rc = mlo_fail_errno(err, "cannot open folder");
    return rc;
}

/* path is scratch, and as it was afterwards. */
static int open_folder(int root, char *path, bool make, int *ret, struct mlo_err *err)
{
    int fd = open_inside(root, path);
    if (fd >= 0) {
        *ret = fd;
        return 0;
    }
    if (errno == ENOSYS || errno == EPERM)
        return mlo_fail(err, MLO_EUNAVAIL, "this kernel cannot look up names inside a folder (openat2)");
    return errno == ENOENT && make ? make_folder(root, path, ret, err)
                                   : mlo_fail_errno(err, "cannot open the folder it is in");
}

/* The folder of path and its last part. Owner of *ret_parts, to which *ret_name points: the caller. */
static int open_parent(const struct image *im, const char *path, bool make, int *ret, char **ret_parts,
                       const char **ret_name, struct mlo_err *err)
{
    char *parts = *ret_parts = mlo_strdup(path, err), *slash = parts ? strrchr(parts, '/') : NULL;
    static char here[] = "";
    if (!parts)
        return err->code;
    if (slash)
        *slash = '\0';
    *ret_name = slash ? slash + 1 : parts;
    return open_folder(im->root, slash ? parts : here, make, ret, err);
}

static bool is_folder(int dirfd, const char *name)
{
    struct stat st;
    return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* Whatever has this name. */
static int clear_name(int dirfd, const char *name, struct mlo_err *err)
{
    if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
        return 0;
    return errno == EISDIR || errno == EPERM ? mlo_purge_tree_at(dirfd, name, err)
                                             : mlo_fail_errno(err, "cannot remove what was there");
}

/* ---- what a layer takes away ---- */

static int clear_folder(int dirfd, struct mlo_err *err)
{
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return mlo_fail_errno(err, "cannot read folder");
    }
    for (struct dirent *e = readdir(dir); e && rc == 0; e = readdir(dir))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            rc = clear_name(dirfd, e->d_name, err);
    closedir(dir);
    return rc;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool is_whiteout(const char *path)
{
    return strncmp(base_name(path), WHITEOUT, strlen(WHITEOUT)) == 0;
}

static int hide(int parent, const char *name, struct mlo_err *err)
{
    if (strcmp(name, OPAQUE) == 0)
        return clear_folder(parent, err);
    if (name[strlen(WHITEOUT)] == '\0')
        return mlo_fail(err, MLO_EINVALID, "takes away nothing");
    if (strcmp(name, WHITEOUT ".") == 0 || strcmp(name, WHITEOUT "..") == 0)
        return mlo_fail(err, MLO_EINVALID, "takes away a folder's own name");
    return clear_name(parent, name + strlen(WHITEOUT), err);
}

/* A folder that the layer brings instead of a link or a file hides that first: what the layer takes away
 * below it is not what the link led to. */
static int take_away(void *ctx, struct mlo_untar *u, const struct mlo_untar_entry *e, struct mlo_err *err)
{
    const struct image *im = ctx;
    MLO_AUTOCLOSE int parent = -1;
    MLO_AUTOFREE char *parts = NULL;
    const char *name;
    (void)u;
    if (!is_whiteout(e->path) && !e->folder)
        return 0;
    int rc = open_parent(im, e->path, false, &parent, &parts, &name, err);
    if (rc == MLO_ENOTFOUND || (rc == MLO_EIO && (err->sys_errno == ENOTDIR || err->sys_errno == ELOOP))) {
        *err = MLO_ERR_INIT; /* there is nothing to hide */
        return 0;
    }
    if (rc == 0 && is_whiteout(e->path))
        rc = hide(parent, name, err);
    else if (rc == 0 && !is_folder(parent, name))
        rc = clear_name(parent, name, err);
    return rc == 0 ? 0 : fail_entry(e->path, err);
}

/* ---- what a layer brings ---- */

static int to_fd(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    return mlo_write_all(*(const int *)ctx, p, n, err);
}

static int put_file(int parent, const char *name, struct mlo_untar *u, struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? mlo_fail_errno(err, "cannot make") : mlo_untar_copy(u, to_fd, &fd, err);
}

static int put_link(const struct image *im, int parent, const char *name, const char *to, struct mlo_err *err)
{
    MLO_AUTOCLOSE int target = -1;
    MLO_AUTOFREE char *parts = NULL;
    const char *last;
    while (*to == '/' || (to[0] == '.' && to[1] == '/'))
        to++;
    int rc = open_parent(im, to, false, &target, &parts, &last, err);
    if (rc == 0 && linkat(target, last, parent, name, 0) != 0)
        rc = mlo_fail_errno(err, "cannot link");
    return rc;
}

/* Owners where this process may set them; then permissions, which a change of owner may clear. */
static int dress(int parent, const char *name, const struct mlo_untar_entry *e, struct mlo_err *err)
{
    if (geteuid() == 0 && fchownat(parent, name, (uid_t)e->uid, (gid_t)e->gid, AT_SYMLINK_NOFOLLOW) != 0)
        return mlo_fail_errno(err, "cannot set its owner");
    mode_t mode = e->folder ? e->mode | 0700 : e->mode;
    if (!e->symlink && fchmodat(parent, name, mode, 0) != 0)
        return mlo_fail_errno(err, "cannot set its permissions");
    return 0;
}

static int put_entry(const struct image *im, int parent, const char *name, struct mlo_untar *u,
                     const struct mlo_untar_entry *e, struct mlo_err *err)
{
    bool stays = e->folder && is_folder(parent, name);
    int rc = stays ? 0 : clear_name(parent, name, err);
    if (rc == 0 && e->hardlink)
        return put_link(im, parent, name, e->hardlink, err); /* what it is linked to is dressed */
    if (rc == 0 && e->symlink)
        rc = symlinkat(e->symlink, parent, name) == 0 ? 0 : mlo_fail_errno(err, "cannot make link");
    else if (rc == 0 && e->folder && !stays)
        rc = mkdirat(parent, name, 0700) == 0 ? 0 : mlo_fail_errno(err, "cannot make folder");
    else if (rc == 0 && !e->folder)
        rc = put_file(parent, name, u, err);
    return rc == 0 ? dress(parent, name, e, err) : rc;
}

static int bring(void *ctx, struct mlo_untar *u, const struct mlo_untar_entry *e, struct mlo_err *err)
{
    const struct image *im = ctx;
    MLO_AUTOCLOSE int parent = -1;
    MLO_AUTOFREE char *parts = NULL;
    const char *name;
    if (is_whiteout(e->path) || e->special)
        return 0;
    int rc = open_parent(im, e->path, true, &parent, &parts, &name, err);
    if (rc == 0)
        rc = put_entry(im, parent, name, u, e, err);
    return rc == 0 ? 0 : fail_entry(e->path, err);
}

static int unpack_layer(struct image *im, const struct mlo_descriptor *d, struct mlo_err *err)
{
    char path[MLO_BLOB_PATH_SIZE];
    MLO_AUTOCLOSE int fd = -1;
    struct mlo_digest got;
    struct stat st;
    int rc = mlo_open_beneath(im->layout, mlo_blob_path(&d->digest, path), O_RDONLY | O_NONBLOCK, 0, &fd,
                              err);
    if (rc == 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)))
        rc = mlo_fail(err, MLO_EINVALID, "'%s' is not a regular file", path);
    if (rc == 0 && im->layer > 1)
        rc = mlo_untar_image(fd, take_away, im, NULL, err);
    if (rc == 0 && lseek(fd, 0, SEEK_SET) != 0)
        rc = mlo_fail_errno(err, "cannot read again");
    if (rc == 0)
        rc = mlo_untar_image(fd, bring, im, &got, err);
    if (rc == 0 && !mlo_digest_eq(&got, &d->digest))
        rc = mlo_fail(err, MLO_EINVALID, "its bytes have another digest");
    return rc == 0 ? 0 : mlo_wrap(err, "layer %zu", im->layer);
}

/* ---- the layout ---- */

static int read_blob(const struct image *im, const struct mlo_descriptor *d, cJSON **ret, struct mlo_err *err)
{
    char path[MLO_BLOB_PATH_SIZE];
    MLO_AUTOFREE char *text = NULL;
    struct mlo_digest got;
    size_t n = 0;
    int rc = mlo_slurp_at(im->layout, mlo_blob_path(&d->digest, path), MLO_MANIFEST_MAX, &text, &n, err);
    if (rc == 0)
        rc = mlo_sha256(text, n, &got, err);
    if (rc == 0 && !mlo_digest_eq(&got, &d->digest))
        rc = mlo_fail(err, MLO_EINVALID, "'%s' has other bytes than its name says", path);
    return rc == 0 ? mlo_json_parse(text, n, MLO_MANIFEST_MAX, ret, err) : rc;
}

static bool is_of_tag(const cJSON *entry, const char *tag)
{
    const char *name = mlo_json_text(cJSON_GetObjectItemCaseSensitive(entry, "annotations"),
                                     MLO_REF_NAME_KEY);
    return name && strcmp(name, tag) == 0;
}

static bool is_of_this_machine(const cJSON *entry)
{
    const cJSON *platform = cJSON_GetObjectItemCaseSensitive(entry, "platform");
    const char *os = mlo_json_text(platform, "os"), *cpu = mlo_json_text(platform, "architecture");
    struct utsname here;
    if (!cpu || uname(&here) != 0)
        return true;
    const char *ours = strcmp(here.machine, "x86_64") == 0    ? "amd64"
                       : strcmp(here.machine, "aarch64") == 0 ? "arm64"
                                                              : here.machine;
    return strcmp(cpu, ours) == 0 && (!os || strcmp(os, "linux") == 0);
}

/* The entry of an index that is meant; tag NULL: any name. */
static int choose(const cJSON *index, const char *tag, struct mlo_descriptor *ret, struct mlo_err *err)
{
    const cJSON *entry, *chosen = NULL;
    size_t n = 0;
    cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(index, "manifests"))
    {
        bool fits = (!tag || is_of_tag(entry, tag)) && is_of_this_machine(entry);
        chosen = fits ? entry : chosen;
        n += fits;
    }
    if (n == 1)
        return mlo_descriptor_read(chosen, ret, err);
    if (n > 1)
        mlo_fail(err, MLO_EUSAGE, "it has %zu images", n);
    else if (tag)
        mlo_fail(err, MLO_ENOTFOUND, "it has no image '%s' for this machine", tag);
    else
        mlo_fail(err, MLO_ENOTFOUND, "it has no image for this machine");
    return mlo_hint(err, n > 1 ? "say which: PATH:TAG" : "`skopeo inspect` shows what there is");
}

static int hint_forms(struct mlo_err *err)
{
    return mlo_hint(err,
                    "an image is an OCI layout (a folder, or a tar of one) or a runtime's bundle (a folder "
                    "with config.json)");
}

static int find_manifest(const struct image *im, const char *tag, cJSON **ret, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    MLO_AUTOJSON cJSON *doc = NULL;
    struct mlo_descriptor d;
    size_t n = 0;
    int rc = mlo_slurp_at(im->layout, MLO_INDEX_FILE, INDEX_MAX, &text, &n, err);
    if (rc != 0)
        return hint_forms(err);
    rc = mlo_json_parse(text, n, INDEX_MAX, &doc, err);
    for (int depth = 0; rc == 0; depth++) {
        cJSON *next = NULL;
        if (!cJSON_GetObjectItemCaseSensitive(doc, "manifests")) {
            *ret = mlo_steal(&doc);
            return 0;
        }
        if (depth == NESTED_MAX)
            return mlo_fail(err, MLO_EINVALID, "indexes are nested deeper than %d", NESTED_MAX);
        rc = choose(doc, depth == 0 ? tag : NULL, &d, err);
        if (rc == 0)
            rc = read_blob(im, &d, &next, err);
        cJSON_Delete(doc);
        doc = next;
    }
    return rc;
}

struct parts {
    struct image *im;
    cJSON **config;
};

static int take_part(void *ctx, const struct mlo_descriptor *d, struct mlo_err *err)
{
    struct parts *p = ctx;
    if (!*p->config)
        return read_blob(p->im, d, p->config, err);
    p->im->layer++;
    return unpack_layer(p->im, d, err);
}

/* A file of a layout in a tar: its digest is checked when it is read. */
static int take_layout(void *ctx, struct mlo_untar *u, const struct mlo_untar_entry *e, struct mlo_err *err)
{
    const int *layout = ctx;
    MLO_AUTOCLOSE int fd = -1;
    if (e->folder)
        return mlo_mkdirs_at(*layout, e->path, 0700, err);
    const char *slash = strrchr(e->path, '/');
    MLO_AUTOFREE char *parent = slash ? mlo_memdup0(e->path, (size_t)(slash - e->path), err) : NULL;
    int rc = slash && !parent ? err->code : parent ? mlo_mkdirs_at(*layout, parent, 0700, err) : 0;
    if (rc == 0)
        rc = mlo_open_beneath(*layout, e->path, O_WRONLY | O_CREAT | O_EXCL, 0600, &fd, err);
    return rc == 0 ? mlo_untar_copy(u, to_fd, &fd, err) : rc;
}

static int open_layout(struct image *im, const char *layout, struct mlo_err *err)
{
    struct stat st;
    MLO_AUTOCLOSE int fd = open(layout, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        mlo_fail_errno(err, "cannot open");
        return mlo_hint(
            err, "images are read from disk: `skopeo copy docker://NAME oci-archive:FILE.tar` fetches one");
    }
    if (S_ISDIR(st.st_mode)) {
        im->layout = mlo_steal_fd(&fd);
        return 0;
    }
    int rc = mkdirat(im->folder, LAYOUT, 0700) == 0 ? 0 : mlo_fail_errno(err, "cannot make folder");
    if (rc == 0)
        rc = mlo_open_beneath(im->folder, LAYOUT, O_RDONLY | O_DIRECTORY, 0, &im->layout, err);
    if (rc != 0)
        return rc;
    rc = mlo_untar(fd, false, take_layout, &im->layout, NULL, err);
    return rc == MLO_EINVALID && !*err->hint ? hint_forms(err) : rc;
}

static int unpack(struct image *im, const char *layout, const char *tag, cJSON **config, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *manifest = NULL;
    struct parts parts = {im, config};
    int rc = open_layout(im, layout, err);
    if (rc == 0 && mkdirat(im->folder, ROOTFS, 0755) != 0)
        rc = mlo_fail_errno(err, "cannot make folder");
    if (rc == 0)
        rc = mlo_open_beneath(im->folder, ROOTFS, O_RDONLY | O_DIRECTORY, 0, &im->root, err);
    if (rc == 0)
        rc = find_manifest(im, tag, &manifest, err);
    return rc == 0 ? mlo_manifest_each(manifest, take_part, &parts, err) : rc;
}

int mlo_image_unpack(const char *layout, const char *tag, const char *folder, cJSON **ret_config,
                     struct mlo_err *err)
{
    struct image im = {-1, -1, -1, 0};
    MLO_AUTOJSON cJSON *config = NULL;
    im.folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = im.folder < 0 ? mlo_fail_errno(err, "cannot open '%s'", folder)
                           : unpack(&im, layout, tag, &config, err);
    if (im.folder >= 0 && mlo_remove_tree_at(im.folder, LAYOUT, &(struct mlo_err){0}) != 0)
        rc = rc == 0 ? mlo_fail(err, MLO_EIO, "cannot remove the archive's files") : rc;
    mlo_cleanup_close(&im.root);
    mlo_cleanup_close(&im.layout);
    mlo_cleanup_close(&im.folder);
    if (rc == 0)
        *ret_config = mlo_steal(&config);
    return rc;
}

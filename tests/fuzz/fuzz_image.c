/*
 * Any bytes as the upper layer of a container image, above one whose links lead out by full path, by ".." and
 * in a circle: unpacked or refused, and the folder beside the root is as it was.
 */
#include <dirent.h>
#include <errno.h>

#include <mlopsctl/bundle.h>

#include "../unit/image_help.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char base[256], outside[300], layout[300], folder[300];
static struct layer layers[2];

static void trap_unless(bool ok)
{
    if (!ok)
        __builtin_trap();
}

static void remove_base(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    (void)!mlo_purge_tree_at(AT_FDCWD, base, &err);
}

static void begin(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(base, sizeof base, "%s/mlo-fuzz-image-XXXXXX", tmp ? tmp : "/tmp");
    image_must(mkdtemp(base) != NULL, "no temporary folder");
    atexit(remove_base);
    snprintf(outside, sizeof outside, "%s/outside", base);
    snprintf(layout, sizeof layout, "%s/layout", base);
    snprintf(folder, sizeof folder, "%s/folder", base);
    mkdir(outside, 0700);
    image_write(outside, "kept", "mine", 4);
    layer_add(&layers[0], "out", '2', 0777, outside);
    layer_add(&layers[0], "up", '2', 0777, "../..");
    layer_add(&layers[0], "side", '2', 0777, "../../outside");
    layer_add(&layers[0], "loop", '2', 0777, "loop");
    layer_add(&layers[0], "a/b/c", '0', 0644, "c");
    layer_add(&layers[0], "f", '0', 0644, "f");
    layer_add(&layers[0], "in", '2', 0777, "a/b");
}

static size_t count(const char *path)
{
    size_t n = 0;
    DIR *dir = opendir(path);
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n;
}

static void check_outside(void)
{
    struct stat st;
    char path[400], text[8] = "";
    snprintf(path, sizeof path, "%s/kept", outside);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    trap_unless(fd >= 0 && read(fd, text, sizeof text) == 4 && memcmp(text, "mine", 4) == 0);
    trap_unless(fstat(fd, &st) == 0 && st.st_nlink == 1 && (st.st_mode & 07777) == 0600 &&
                st.st_uid == geteuid());
    close(fd);
    trap_unless(stat(outside, &st) == 0 && (st.st_mode & 07777) == 0700 && st.st_uid == geteuid());
    trap_unless(count(outside) == 3 && count(base) == 5); /* with "." and ".." */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOJSON cJSON *config = NULL;
    if (!*base)
        begin();
    if (size > LAYER_MAX)
        return 0;
    memcpy(layers[1].p, data, size);
    layers[1].n = size;
    mkdir(folder, 0700);
    image_make(layout, "{}", layers, MLO_COUNT(layers));
    int rc = mlo_image_unpack(layout, NULL, folder, &config, &err);
    trap_unless(rc == 0 || rc == MLO_EINVALID || rc == MLO_EIO || rc == MLO_ENOTFOUND);
    check_outside();
    trap_unless(count(folder) == 3); /* the root alone */
    err = MLO_ERR_INIT;
    trap_unless(mlo_purge_tree_at(AT_FDCWD, folder, &err) == 0 &&
                mlo_purge_tree_at(AT_FDCWD, layout, &err) == 0);
    return 0;
}

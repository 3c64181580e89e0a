/* Container images as files: layer over layer, what they take away, and that nothing leads out of their root.
 */
#include <errno.h>

#include <mlopsctl/bundle.h>

#include "image_help.h"
#include "tap.h"

static struct mlo_err err;
static char base[256], outside[300], layout[300], folder[300];
static struct layer layers[2];

static const char *in_root(const char *name)
{
    static char path[1400];
    snprintf(path, sizeof path, "%s/rootfs/%s", folder, name);
    return path;
}

/* Everything anew: a folder outside with one file, which the test looks at afterwards. */
static void begin(void)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    snprintf(base, sizeof base, "%s", tap_tmpdir());
    snprintf(outside, sizeof outside, "%s/outside", base);
    snprintf(layout, sizeof layout, "%s/layout", base);
    snprintf(folder, sizeof folder, "%s/folder", base);
    check_ok(mlo_purge_tree_at(AT_FDCWD, layout, &ignored), &ignored);
    check_ok(mlo_purge_tree_at(AT_FDCWD, folder, &ignored), &ignored);
    mkdir(outside, 0700);
    mkdir(folder, 0700);
    image_write(outside, "kept", "mine", 4);
    for (size_t i = 0; i < MLO_COUNT(layers); i++)
        layers[i].n = 0;
    err = MLO_ERR_INIT;
}

static int unpack(size_t n)
{
    MLO_AUTOJSON cJSON *config = NULL;
    image_make(layout, "{\"config\":{}}", layers, n);
    return mlo_image_unpack(layout, NULL, folder, &config, &err);
}

static bool outside_is_whole(void)
{
    char path[400], text[8] = "";
    struct stat st, dir;
    snprintf(path, sizeof path, "%s/kept", outside);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool same = fd >= 0 && read(fd, text, sizeof text) == 4 && memcmp(text, "mine", 4) == 0 &&
                fstat(fd, &st) == 0 && st.st_nlink == 1 && (st.st_mode & 07777) == 0600 &&
                stat(outside, &dir) == 0 && (dir.st_mode & 07777) == 0700;
    if (fd >= 0)
        close(fd);
    return same;
}

static bool has_text(const char *name, const char *want)
{
    char text[64] = "";
    int fd = open(in_root(name), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    return n >= 0 && strcmp(text, want) == 0;
}

static bool is_gone(const char *name)
{
    struct stat st;
    return lstat(in_root(name), &st) != 0 && errno == ENOENT;
}

static mode_t mode_of(const char *name)
{
    struct stat st;
    return lstat(in_root(name), &st) == 0 ? st.st_mode : 0;
}

/* ---- layers ---- */

static void a_later_layer_hides_and_replaces(void)
{
    begin();
    layer_add(&layers[0], "a/one", '0', 0644, "1");
    layer_add(&layers[0], "a/two", '0', 0644, "2");
    layer_add(&layers[0], "b/three", '0', 0644, "3");
    layer_add(&layers[0], "file", '0', 0644, "f");
    layer_add(&layers[0], "tree/x/y", '0', 0644, "y");
    layer_add(&layers[1], "a/.wh.one", '0', 0, NULL);
    layer_add(&layers[1], "b/new", '0', 0755, "n");
    layer_add(&layers[1], "b/.wh..wh..opq", '0', 0, NULL);
    layer_add(&layers[1], ".wh.tree", '0', 0, NULL);
    layer_add(&layers[1], "file/", '5', 0755, NULL);
    layer_add(&layers[1], "file/inside", '0', 0644, "i");
    check_ok(unpack(2), &err);
    check(is_gone("a/one") && has_text("a/two", "2"));
    check(is_gone("b/three") && has_text("b/new", "n"), "what the layer brings itself is not hidden");
    check(is_gone("tree") && has_text("file/inside", "i"));
    check(is_gone(".wh.tree") && is_gone("b/.wh..wh..opq"));
    check((mode_of("b/new") & 07777) == 0755);
}

static void the_last_entry_of_a_name_counts(void)
{
    begin();
    layer_add(&layers[0], "x", '0', 0644, "first");
    layer_add(&layers[0], "x", '5', 0755, NULL);
    layer_add(&layers[0], "x/in", '0', 0644, "in");
    layer_add(&layers[0], "./x", '0', 0600, "last");
    check_ok(unpack(1), &err);
    check(has_text("x", "last"));
}

static void an_opaque_folder_in_place_of_a_file_or_a_link(void)
{
    begin();
    layer_add(&layers[0], "file", '0', 0644, "f");
    layer_add(&layers[0], "usr/lib/needed", '0', 0644, "n");
    layer_add(&layers[0], "lib", '2', 0777, "usr/lib");
    layer_add(&layers[0], "loop", '2', 0777, "loop");
    layer_add(&layers[1], "file/", '5', 0755, NULL);
    layer_add(&layers[1], "file/.wh..wh..opq", '0', 0, NULL);
    layer_add(&layers[1], "lib/", '5', 0755, NULL);
    layer_add(&layers[1], "lib/.wh..wh..opq", '0', 0, NULL);
    layer_add(&layers[1], "lib/own", '0', 0644, "o");
    layer_add(&layers[1], "loop/.wh.x", '0', 0, NULL);
    check_ok(unpack(2), &err);
    check(has_text("usr/lib/needed", "n"), "what the link led to is not what is hidden");
    check(S_ISDIR(mode_of("lib")) && has_text("lib/own", "o") && S_ISDIR(mode_of("file")));
}

static void whiteouts_without_a_name_are_refused(void)
{
    static const char *const names[] = {".wh...", ".wh..", "a/.wh...", ".wh."};
    for (size_t i = 0; i < MLO_COUNT(names); i++) {
        begin();
        layer_add(&layers[0], "a/x", '0', 0644, "x");
        layer_add(&layers[1], names[i], '0', 0, NULL);
        check_err(unpack(2), MLO_EINVALID, &err, "takes away");
        check(outside_is_whole());
        check(strstr(err.msg, "layer 2: ") != NULL, "%s", err.msg);
    }
}

/* ---- out of the root ---- */

static void names_that_leave_are_refused(void)
{
    static const char *const names[] = {"../outside/kept", "a/../../outside/kept", "..", "a/.."};
    for (size_t i = 0; i < MLO_COUNT(names); i++) {
        begin();
        layer_add(&layers[0], names[i], '0', 0644, "theirs");
        check_err(unpack(1), MLO_EINVALID, &err, "leaves the image");
        check(outside_is_whole());
    }
}

/* A link of one layer to outside, by full path or by "..", and what the next layer puts, hides or links
 * there. */
static void links_lead_inside(void)
{
    static const struct {
        char type;
        const char *path, *to;
    } cases[] = {{'0', "out/kept", "theirs"},
                 {'0', "out/.wh.kept", NULL},
                 {'0', "out/.wh..wh..opq", NULL},
                 {'0', "up/outside/kept", "theirs"},
                 {'0', "up/outside/.wh.kept", NULL},
                 {'0', "up/.wh.outside", NULL},
                 {'1', "stolen", "out/kept"},
                 {'1', "stolen", "up/outside/kept"},
                 {'1', "stolen", "../outside/kept"},
                 {'1', "stolen", "/../../outside/kept"},
                 {'1', "stolen", ".."},
                 {'5', "out/", NULL},
                 {'5', "up/outside/", NULL},
                 {'2', "out/kept", "x"}};
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        begin();
        layer_add(&layers[0], "out", '2', 0777, outside);
        layer_add(&layers[0], "up", '2', 0777, "../..");
        layer_add(&layers[1], cases[i].path, cases[i].type, 0777, cases[i].to);
        int rc = unpack(2); /* most are refused, and some are harmless */
        check(rc == 0 || rc == MLO_EINVALID || rc == MLO_ENOTFOUND || rc == MLO_EIO, "%s: %d %s",
              cases[i].path, rc, err.msg);
        check(outside_is_whole(), "%s", cases[i].path);
        check(cases[i].type != '1' || rc != 0, "'%s' was linked", cases[i].to);
    }
}

static void a_hard_link_to_a_link_is_that_link(void)
{
    struct stat st;
    begin();
    layer_add(&layers[0], "out", '2', 0777, outside);
    layer_add(&layers[0], "same", '1', 0777, "/out");
    layer_add(&layers[0], "f", '0', 0644, "f");
    layer_add(&layers[0], "g", '1', 0000, "./f");
    check_ok(unpack(1), &err);
    check(S_ISLNK(mode_of("same")) && outside_is_whole());
    check(stat(in_root("g"), &st) == 0 && st.st_nlink == 2 && (st.st_mode & 07777) == 0644);
}

static void devices_and_set_user_id_are_left_out(void)
{
    begin();
    layer_add(&layers[0], "dev/null", '3', 0666, NULL);
    layer_add(&layers[0], "pipe", '6', 0666, NULL);
    layer_add(&layers[0], "su", '0', 06755, "s");
    layer_add(&layers[0], "shut", '5', 0, NULL);
    check_ok(unpack(1), &err);
    check(is_gone("dev/null") && is_gone("pipe") && (mode_of("su") & 07777) == 0755);
    check((mode_of("shut") & 0700) == 0700, "its owner can remove it");
}

/* ---- layouts ---- */

static void bytes_of_another_digest_are_refused(void)
{
    begin();
    char text[512], path[800];
    layer_add(&layers[0], "x", '0', 0644, "x");
    image_make(layout, "{}", layers, 1);
    image_blob(layout, "", layers[0].p, layers[0].n, text, sizeof text);
    const char *hex = strstr(text, "sha256:") + 7;
    snprintf(path, sizeof path, "blobs/sha256/%.64s", hex);
    layers[0].p[512] = 'z';
    image_write(layout, path, layers[0].p, layers[0].n);
    MLO_AUTOJSON cJSON *config = NULL;
    check_err(mlo_image_unpack(layout, NULL, folder, &config, &err), MLO_EINVALID, &err,
              "layer 1: its bytes have another digest");
    check(!config);
}

static void a_layer_that_is_a_pipe_is_refused(void)
{
    begin();
    char text[512], path[800];
    layer_add(&layers[0], "x", '0', 0644, "x");
    image_make(layout, "{}", layers, 1);
    image_blob(layout, "", layers[0].p, layers[0].n, text, sizeof text);
    snprintf(path, sizeof path, "%s/blobs/sha256/%.64s", layout, strstr(text, "sha256:") + 7);
    check(unlink(path) == 0 && mkfifo(path, 0600) == 0);
    MLO_AUTOJSON cJSON *config = NULL;
    check_err(mlo_image_unpack(layout, NULL, folder, &config, &err), MLO_EINVALID, &err,
              "not a regular file");
}

static void indexes_end(void)
{
    begin();
    char one[512], text[600];
    layer_add(&layers[0], "x", '0', 0644, "x");
    image_make(layout, "{}", layers, 1);
    snprintf(text, sizeof text, "{\"manifests\":[]}");
    for (int depth = 0; depth < 8; depth++) {
        image_blob(layout, "application/vnd.oci.image.index.v1+json", text, strlen(text), one, sizeof one);
        snprintf(text, sizeof text, "{\"manifests\":[%s]}", one);
    }
    image_write(layout, "index.json", text, strlen(text));
    MLO_AUTOJSON cJSON *config = NULL;
    check_err(mlo_image_unpack(layout, NULL, folder, &config, &err), MLO_EINVALID, &err, "nested deeper");
}

static int whole(void)
{
    MLO_AUTOJSON cJSON *config = NULL;
    struct mlo_err e = MLO_ERR_INIT;
    (void)!mlo_purge_tree_at(AT_FDCWD, folder, &e);
    mkdir(folder, 0700);
    return mlo_image_unpack(layout, NULL, folder, &config, &e);
}

static void survives_lack_of_memory(void)
{
    begin();
    layer_add(&layers[0], "a/b/x", '0', 0644, "x");
    layer_add(&layers[1], "a/.wh.b", '0', 0, NULL);
    layer_add(&layers[1], "y", '2', 0, "a");
    image_make(layout, "{}", layers, 2);
    check(each_alloc_failure(whole) > 10);
}

/* ---- removing what foreign programs wrote ---- */

static void trees_are_purged_however_deep_and_shut(void)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    begin();
    int top = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = dup(top);
    check(symlinkat(outside, top, "out") == 0);
    for (int i = 0; i < 1000; i++) {
        check(mkdirat(fd, "deep-0", 0700) == 0);
        int next = openat(fd, "deep-0", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (i % 7 == 0)
            fchmod(fd, 0);
        close(fd);
        fd = next;
    }
    close(fd);
    check(mlo_remove_tree_at(AT_FDCWD, folder, &ignored) != 0, "the careful way gives up");
    check_ok(mlo_purge_tree_at(AT_FDCWD, folder, &err), &err);
    check(access(folder, F_OK) != 0 && outside_is_whole());
    check_ok(mlo_purge_tree_at(AT_FDCWD, folder, &err), &err);
    check(symlink(outside, folder) == 0);
    check(mlo_purge_tree_at(AT_FDCWD, folder, &err) != 0 && outside_is_whole(), "a link is no tree");
    check(unlink(folder) == 0);
    close(top);
}

int main(void)
{
    run(a_later_layer_hides_and_replaces);
    run(the_last_entry_of_a_name_counts);
    run(an_opaque_folder_in_place_of_a_file_or_a_link);
    run(whiteouts_without_a_name_are_refused);
    run(names_that_leave_are_refused);
    run(links_lead_inside);
    run(a_hard_link_to_a_link_is_that_link);
    run(devices_and_set_user_id_are_left_out);
    run(bytes_of_another_digest_are_refused);
    run(a_layer_that_is_a_pipe_is_refused);
    run(indexes_end);
    run(survives_lack_of_memory);
    run(trees_are_purged_however_deep_and_shut);
    return done_testing();
}

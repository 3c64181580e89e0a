/* Bundles back as files. */
#include "bench.h"

#include <dirent.h>

static int unpack(struct bench *b, const struct mlo_digest *d, const char *name,
                  const struct mlo_unpack_opts *o, size_t *ret_files, struct mlo_err *err)
{
    char folder[700];
    uint64_t bytes = 0;
    size_t files = 0;
    snprintf(folder, sizeof folder, "%s/%s", b->root, name);
    int rc = mlo_bundle_unpack(b->store, d, folder, o, &bytes, &files, err);
    if (ret_files)
        *ret_files = files;
    return rc;
}

static bool same_file(const struct bench *b, const char *out, const char *name)
{
    char folder[700];
    size_t n = 0, m = 0;
    snprintf(folder, sizeof folder, "%s/%s", b->root, out);
    MLO_AUTOFREE char *got = bench_slurp(folder, name, &n);
    MLO_AUTOFREE char *want = bench_slurp(b->tree, name, &m);
    return got && want && n == m && memcmp(got, want, n) == 0;
}

static bool is_there(const struct bench *b, const char *name)
{
    char path[1400];
    snprintf(path, sizeof path, "%s/%s", b->root, name);
    return access(path, F_OK) == 0;
}

/* Files and folders in the bench's root: whatever fails must leave nothing behind. */
static size_t count_root(const struct bench *b)
{
    size_t n = 0;
    DIR *dir = opendir(b->root);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static void model(struct bench *b, struct mlo_digest *d)
{
    bench_up(b);
    bench_tiny(b->tree, "model.safetensors");
    bench_text(b->tree, "config.json", "{\"model_type\":\"tiny\"}");
    bench_text(b->tree, "README.md", "# tiny\n");
    bench_text(b->tree, "src/deep/train.py", "print(1)\n");
    bench_text(b->tree, "src/run.sh", "#!/bin/sh\n");
    char path[1400];
    snprintf(path, sizeof path, "%s/src/run.sh", b->tree);
    chmod(path, 0755);
    check(bench_pack(b, d), "packed");
}

static void files_come_back_bit_for_bit(void)
{
    struct bench b;
    struct mlo_digest d;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_unpack_opts o = {.threads = 2};
    struct stat st;
    size_t files = 0;
    char path[1400];
    model(&b, &d);
    check_ok(unpack(&b, &d, "out", &o, &files, &err), &err);
    check_int(files, 5);
    static const char *const names[] = {"model.safetensors", "config.json", "README.md", "src/deep/train.py",
                                        "src/run.sh"};
    for (size_t i = 0; i < MLO_COUNT(names); i++)
        check(same_file(&b, "out", names[i]), "%s", names[i]);
    check(!is_there(&b, "out/mlopsctl.json"), "the bundle's own record is no file of the model");
    snprintf(path, sizeof path, "%s/out/src/run.sh", b.root);
    check(stat(path, &st) == 0 && (st.st_mode & 0100), "executable stays executable");
    snprintf(path, sizeof path, "%s/out/model.safetensors", b.root);
    check(stat(path, &st) == 0 && st.st_nlink == 1, "no hard link into the store");
    check((st.st_mode & 0200), "can be written");
    bench_down(&b);
}

static void a_full_folder_is_refused_without_force(void)
{
    struct bench b;
    struct mlo_digest d;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_unpack_opts o = {.threads = 1};
    char out[700];
    model(&b, &d);
    snprintf(out, sizeof out, "%s/out", b.root);
    bench_text(out, "mine.txt", "mine");
    bench_text(out, "config.json", "old");
    check_err(unpack(&b, &d, "out", &o, NULL, &err), MLO_ECONFLICT, &err, "not empty");
    o.force = true;
    check_ok(unpack(&b, &d, "out", &o, NULL, &err), &err);
    check(same_file(&b, "out", "config.json"), "replaced");
    check(is_there(&b, "out/mine.txt"), "others stay");
    bench_text(b.root, "file", "x");
    check_err(unpack(&b, &d, "file", &o, NULL, &err), MLO_ECONFLICT, &err, "no folder");
    bench_down(&b);
}

static void an_empty_folder_is_filled(void)
{
    struct bench b;
    struct mlo_digest d;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_unpack_opts o = {.threads = 1};
    char out[700];
    model(&b, &d);
    snprintf(out, sizeof out, "%s/out", b.root);
    check(mkdir(out, 0755) == 0, "folder made");
    check_ok(unpack(&b, &d, "out", &o, NULL, &err), &err);
    check(same_file(&b, "out", "src/deep/train.py"), "filled");
    check_err(unpack(&b, &d, "no/such/out", &o, NULL, &err), MLO_ENOTFOUND, &err, NULL);
    bench_down(&b);
}

static void patterns_select_files(void)
{
    struct bench b;
    struct mlo_digest d;
    struct mlo_err err = MLO_ERR_INIT;
    const char *by_glob[] = {"*.json", "src"}, *no_hit[] = {"*.json", "nothing*"};
    struct mlo_unpack_opts o = {.threads = 1, .select = by_glob, .n_select = 2};
    size_t files = 0;
    model(&b, &d);
    check_ok(unpack(&b, &d, "some", &o, &files, &err), &err);
    check_int(files, 3);
    check(is_there(&b, "some/src/run.sh") && !is_there(&b, "some/README.md"), "only what was asked for");
    o.select = no_hit;
    check_err(unpack(&b, &d, "none", &o, NULL, &err), MLO_ENOTFOUND, &err, "nothing*");
    check(!is_there(&b, "none"), "no folder when it fails");
    bench_down(&b);
}

static void damage_is_found_and_leaves_nothing(void)
{
    struct bench b;
    struct mlo_digest d, tiny;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_unpack_opts o = {.threads = 2};
    model(&b, &d);
    check_ok(mlo_digest_from_hex(TINY_SHA, MLO_DIGEST_HEX, &tiny, &err), &err);
    bench_damage(&b, &tiny, 70);
    size_t before = count_root(&b);
    check_err(unpack(&b, &d, "out", &o, NULL, &err), MLO_EINVALID, &err, NULL);
    check_int(count_root(&b), before);
    bench_down(&b);
}

static void damage_in_an_archive_is_found(void)
{
    struct bench b;
    struct mlo_digest d;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_bundle bundle;
    struct mlo_unpack_opts o = {.threads = 2};
    size_t damaged = 0;
    model(&b, &d);
    check_ok(mlo_bundle_load(b.store, &d, &bundle, &err), &err);
    for (size_t i = 0; i < bundle.n_layers && !damaged; i++) {
        if (bundle.layers[i].packing == MLO_PACKING_RAW)
            continue;
        bench_damage(&b, &bundle.layers[i].digest, (off_t)bundle.layers[i].size - 1); /* in the padding */
        damaged++;
    }
    mlo_bundle_release(&bundle);
    check_int(damaged, 1);
    size_t before = count_root(&b);
    check_err(unpack(&b, &d, "out", &o, NULL, &err), MLO_EINVALID, &err, "damaged");
    check_int(count_root(&b), before);
    bench_down(&b);
}

static void links_in_the_target_are_not_followed(void)
{
    struct bench b;
    struct mlo_digest d;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_unpack_opts o = {.threads = 1, .force = true};
    char out[700], away[700], link[800];
    model(&b, &d);
    snprintf(out, sizeof out, "%s/out", b.root);
    snprintf(away, sizeof away, "%s/away", b.root);
    snprintf(link, sizeof link, "%s/src", out);
    check(mkdir(out, 0755) == 0 && mkdir(away, 0755) == 0 && symlink(away, link) == 0, "link made");
    check(unpack(&b, &d, "out", &o, NULL, &err) != 0, "refused");
    check(!is_there(&b, "away/run.sh"), "nothing written behind the link");
    bench_down(&b);
}

static int read_one(struct bench *b, const struct mlo_digest *d, const char *path, size_t max, char **ret,
                    size_t *ret_n, struct mlo_err *err)
{
    struct mlo_bundle bundle;
    int rc = mlo_bundle_load(b->store, d, &bundle, err);
    if (rc == 0) {
        rc = mlo_bundle_read(b->store, &bundle, path, max, ret, ret_n, err);
        mlo_bundle_release(&bundle);
    }
    return rc;
}

static void one_file_is_read_by_its_path(void)
{
    struct bench b;
    struct mlo_digest d;
    struct mlo_err err = MLO_ERR_INIT;
    static const char *const names[] = {"model.safetensors", "config.json", "src/deep/train.py"};
    model(&b, &d);
    for (size_t i = 0; i < MLO_COUNT(names); i++) {
        size_t n = 0, m = 0;
        MLO_AUTOFREE char *got = NULL, *want = bench_slurp(b.tree, names[i], &m);
        check_ok(read_one(&b, &d, names[i], 1 << 20, &got, &n, &err), &err);
        check(got && n == m && memcmp(got, want, n) == 0 && got[n] == '\0', "%s", names[i]);
    }
    char *none = NULL;
    size_t n = 0;
    check_err(read_one(&b, &d, "src/deep", 100, &none, &n, &err), MLO_ENOTFOUND, &err, "no file 'src/deep'");
    check_err(read_one(&b, &d, "config.json", 5, &none, &n, &err), MLO_EINVALID, &err, "more than 5 bytes");
    check(none == NULL && n == 0);
    bench_down(&b);
}

int main(void)
{
    umask(022);
    run(files_come_back_bit_for_bit);
    run(one_file_is_read_by_its_path);
    run(a_full_folder_is_refused_without_force);
    run(an_empty_folder_is_filled);
    run(patterns_select_files);
    run(damage_is_found_and_leaves_nothing);
    run(damage_in_an_archive_is_found);
    run(links_in_the_target_are_not_followed);
    return done_testing();
}

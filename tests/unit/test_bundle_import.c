/* Foreign layouts in: whole ones whatever their order, hostile ones not at all. */
#include "bench.h"

#include "../../src/bundle/tar.h"

static const char layout_text[] = "{\"imageLayoutVersion\":\"1.0.0\"}";

/* ---- a layout that can be bent ---- */

struct member {
    const char *path;
    char *text;
    size_t n;
};
struct layout {
    struct member list[16];
    size_t n;
};

static void add(struct layout *l, const char *path, const char *text, size_t n)
{
    struct mlo_err err = MLO_ERR_INIT;
    l->list[l->n++] = (struct member){strdup(path), mlo_memdup0(text, n, &err), n};
}

static char *blob_path(const char *text, size_t n)
{
    static char path[100];
    struct mlo_digest d;
    struct mlo_err err = MLO_ERR_INIT;
    char hex[MLO_DIGEST_HEX + 1];
    check_ok(mlo_sha256(text, n, &d, &err), &err);
    snprintf(path, sizeof path, "blobs/sha256/%s", mlo_digest_hex(&d, hex));
    return path;
}

static const char *add_blob(struct layout *l, const char *text, size_t n)
{
    add(l, blob_path(text, n), text, n);
    return l->list[l->n - 1].path + strlen("blobs/sha256/");
}

static void layout_free(struct layout *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free((char *)(uintptr_t)l->list[i].path);
        free(l->list[i].text);
    }
}

/* A model of one file in the names of either ModelPack generation. */
static struct layout make(bool old)
{
    struct layout l = {0};
    char config[512], manifest[1024], index[1024];
    const char *era = old ? "cnai" : "cncf", *ids = old ? "diff_ids" : "diffIds";
    const char *file = add_blob(&l, "weights", 7);
    snprintf(config, sizeof config,
             "{\"descriptor\":{\"name\":\"m\"},\"config\":{},\"modelfs\":{\"type\":\"layers\",\"%s\":["
             "\"sha256:%s\"]}}",
             ids, file);
    const char *conf = add_blob(&l, config, strlen(config));
    snprintf(
        manifest, sizeof manifest,
        "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"artifactType\":"
        "\"application/vnd.%s.model.manifest.v1+json\",\"config\":{\"mediaType\":\"application/vnd.%s.model."
        "config.v1+json\",\"digest\":\"sha256:%s\",\"size\":%zu},\"layers\":[{\"mediaType\":\"application/"
        "vnd.%s.model.weight.v1.raw\",\"digest\":\"sha256:%s\",\"size\":7,\"annotations\":{\"org.%s.model."
        "filepath\":\"w.bin\"}}]}",
        era, era, conf, strlen(config), era, file, era);
    const char *top = add_blob(&l, manifest, strlen(manifest));
    snprintf(index, sizeof index,
             "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"application/"
             "vnd.oci.image.manifest.v1+json\",\"digest\":"
             "\"sha256:%s\",\"size\":%zu,\"annotations\":{\"org.opencontainers.image.ref.name\":\"m:1\"}}]}",
             top, strlen(manifest));
    add(&l, "index.json", index, strlen(index));
    add(&l, "oci-layout", layout_text, strlen(layout_text));
    return l;
}

static int to_fd(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    return mlo_write_all(*(int *)ctx, p, n, err);
}

static void write_tar(const struct bench *b, const struct layout *l, const char *name, bool backwards,
                      const char *prefix)
{
    char path[700];
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_tar *t = NULL;
    snprintf(path, sizeof path, "%s/%s", b->root, name);
    int fd = open(path, O_CREAT | O_TRUNC | O_RDWR, 0644);
    check_ok(mlo_tar_new(to_fd, &fd, &t, &err), &err);
    for (size_t i = 0; i < l->n; i++) {
        const struct member *m = &l->list[backwards ? l->n - 1 - i : i];
        char full[200];
        snprintf(full, sizeof full, "%s%s", prefix, m->path);
        check_ok(mlo_tar_entry(t, full, m->n, 0644, 0, &err), &err);
        check_ok(mlo_tar_write(t, m->text, m->n, &err), &err);
    }
    check_ok(mlo_tar_finish(t, &err), &err);
    close(fd);
}

static void write_folder(const struct bench *b, const struct layout *l, const char *name)
{
    char folder[700];
    snprintf(folder, sizeof folder, "%s/%s", b->root, name);
    for (size_t i = 0; i < l->n; i++)
        bench_put(folder, l->list[i].path, l->list[i].text, l->list[i].n);
}

static int import(struct bench *b, const char *name, struct mlo_imported *ret, struct mlo_err *err)
{
    char path[700];
    struct mlo_imported *list = NULL;
    size_t n = 0;
    snprintf(path, sizeof path, "%s/%s", b->root, name);
    int rc = mlo_bundle_import(b->store, path, &list, &n, err);
    if (rc == 0 && check_int(n, 1) && ret)
        *ret = list[0];
    free(list);
    return rc;
}

static void replace(struct layout *l, const char *path, const char *text)
{
    struct mlo_err err = MLO_ERR_INIT;
    for (size_t i = 0; i < l->n; i++) {
        if (strcmp(l->list[i].path, path) != 0)
            continue;
        free(l->list[i].text);
        l->list[i].text = mlo_memdup0(text, strlen(text), &err);
        l->list[i].n = strlen(text);
    }
}

/* ---- tests ---- */

static void tars_come_in_whatever_their_order(void)
{
    static const struct {
        bool old, backwards;
        const char *prefix;
    } cases[] = {{false, false, ""}, {false, true, ""}, {true, true, ""}, {true, false, ""}};
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        struct bench b;
        struct mlo_err err = MLO_ERR_INIT;
        struct mlo_imported got = {0};
        struct mlo_bundle bundle;
        struct layout l = make(cases[i].old);
        bench_up(&b);
        write_tar(&b, &l, "x.tar", cases[i].backwards, cases[i].prefix);
        if (check_ok(import(&b, "x.tar", &got, &err), &err)) {
            check_str(got.ref, "m:1");
            check(!got.is_referrer, "a model");
            check_ok(mlo_bundle_load(b.store, &got.manifest, &bundle, &err), &err);
            check_int(bundle.n_files, 1);
            check(bundle.old_generation == cases[i].old, "generation");
            mlo_bundle_release(&bundle);
        }
        layout_free(&l);
        bench_down(&b);
    }
}

static void folders_come_in_too(void)
{
    struct bench b;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_imported got = {0};
    struct layout l = make(false);
    bench_up(&b);
    add(&l, "blobs/sha256/not-a-digest", "junk", 4); /* nobody names it */
    write_folder(&b, &l, "layout");
    check_ok(import(&b, "layout", &got, &err), &err);
    check_str(got.ref, "m:1");
    layout_free(&l);
    bench_down(&b);
}

static void what_export_wrote_comes_in_again(void)
{
    struct bench a, b;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_imported got = {0};
    struct mlo_digest d;
    char path[1300];
    bench_up(&a);
    bench_up(&b);
    bench_tiny(a.tree, "model.safetensors");
    bench_text(a.tree, "h\xc3\xa9llo.md", "# hi\n");
    check(bench_pack(&a, &d), "packed");
    snprintf(path, sizeof path, "%s/x.tar", b.root);
    int fd = open(path, O_CREAT | O_WRONLY, 0644);
    check_ok(mlo_bundle_export(a.store, &d, &(struct mlo_export_opts){.ref = "m:2"}, fd, &err), &err);
    close(fd);
    check_ok(import(&b, "x.tar", &got, &err), &err);
    check_str(got.ref, "m:2");
    check(mlo_digest_eq(&got.manifest, &d), "same bundle");
    check_ok(import(&b, "x.tar", &got, &err), &err);
    bench_down(&a);
    bench_down(&b);
}

static void what_is_missing_or_wrong_is_named(void)
{
    static const struct {
        const char *path, *text, *why;
    } cases[] = {
        {"oci-layout", "{\"imageLayoutVersion\":\"2.0.0\"}", "version"},
        {"oci-layout", "{", "oci-layout"},
        {"index.json", "{}", "no manifests"},
        {"index.json", "[1,2", "index.json"},
        {"index.json", "{\"manifests\":[]}", "no model"},
        {"index.json", "{\"manifests\":[{\"mediaType\":\"x\",\"digest\":\"sha256:12\",\"size\":1}]}",
         "descriptor"},
        {"index.json", "{\"manifests\":[{\"digest\":1}]}", "digest"},
        {"index.json", "{\"manifests\":[],\"manifests\":[]}", "index.json"},
    };
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        struct bench b;
        struct mlo_err err = MLO_ERR_INIT;
        struct layout l = make(false);
        bench_up(&b);
        replace(&l, cases[i].path, cases[i].text);
        write_tar(&b, &l, "x.tar", false, "");
        check_err(import(&b, "x.tar", NULL, &err), MLO_EINVALID, &err, cases[i].why);
        write_folder(&b, &l, "layout");
        check_err(import(&b, "layout", NULL, &err), MLO_EINVALID, &err, cases[i].why);
        layout_free(&l);
        bench_down(&b);
    }
}

static void every_member_is_needed(void)
{
    for (size_t drop = 0; drop < 5; drop++) {
        struct bench b;
        struct mlo_err err = MLO_ERR_INIT;
        struct layout l = make(false), part = l;
        bench_up(&b);
        memmove(&part.list[drop], &part.list[drop + 1], (part.n - drop - 1) * sizeof *part.list);
        part.n--;
        write_tar(&b, &part, "x.tar", false, "");
        check_err(import(&b, "x.tar", NULL, &err), MLO_EINVALID, &err, NULL);
        write_folder(&b, &part, "layout");
        check_err(import(&b, "layout", NULL, &err), MLO_EINVALID, &err, NULL);
        layout_free(&l);
        bench_down(&b);
    }
}

static void bytes_must_be_their_name(void)
{
    struct bench b;
    struct mlo_err err = MLO_ERR_INIT;
    struct layout l = make(false);
    bench_up(&b);
    l.list[0].text[0] ^= 1;
    write_tar(&b, &l, "x.tar", false, "");
    check_err(import(&b, "x.tar", NULL, &err), MLO_EINVALID, &err, NULL);
    write_folder(&b, &l, "layout");
    check_err(import(&b, "layout", NULL, &err), MLO_EINVALID, &err, NULL);
    layout_free(&l);
    bench_down(&b);
}

static void a_tar_cut_anywhere_is_refused(void)
{
    struct bench b;
    struct layout l = make(false);
    size_t n = 0;
    bench_up(&b);
    write_tar(&b, &l, "x.tar", false, "");
    MLO_AUTOFREE char *tar = bench_slurp(b.root, "x.tar", &n);
    for (size_t cut = 0; tar && cut < n - 1024; cut += 97) {
        struct bench fresh;
        struct mlo_err err = MLO_ERR_INIT;
        bench_up(&fresh);
        bench_put(fresh.root, "cut.tar", tar, cut);
        check_err(import(&fresh, "cut.tar", NULL, &err), MLO_EINVALID, &err, NULL);
        bench_down(&fresh);
    }
    layout_free(&l);
    bench_down(&b);
}

static void odd_things_are_refused(void)
{
    struct bench b;
    struct mlo_err err = MLO_ERR_INIT;
    bench_up(&b);
    bench_text(b.root, "empty", "");
    bench_text(b.root, "text",
               "this is no archive at all, but long enough to look like something that might be one\n");
    check_err(import(&b, "empty", NULL, &err), MLO_EINVALID, &err, NULL);
    check_err(import(&b, "text", NULL, &err), MLO_EINVALID, &err, NULL);
    check_err(import(&b, "missing", NULL, &err), MLO_ENOTFOUND, &err, NULL);
    bench_down(&b);
}

static void links_in_a_layout_folder_are_not_followed(void)
{
    struct bench b;
    struct mlo_err err = MLO_ERR_INIT;
    struct layout l = make(false);
    char folder[700], path[900], away[900];
    bench_up(&b);
    write_folder(&b, &l, "layout");
    snprintf(folder, sizeof folder, "%s/layout", b.root);
    snprintf(path, sizeof path, "%s/%s", folder, l.list[0].path);
    snprintf(away, sizeof away, "%s/weights", b.root);
    check(rename(path, away) == 0 && symlink(away, path) == 0, "blob replaced by a link");
    check_err(import(&b, "layout", NULL, &err), MLO_EINVALID, &err, "symbolic link");
    layout_free(&l);
    bench_down(&b);
}

int main(void)
{
    run(tars_come_in_whatever_their_order);
    run(folders_come_in_too);
    run(what_export_wrote_comes_in_again);
    run(what_is_missing_or_wrong_is_named);
    run(every_member_is_needed);
    run(bytes_must_be_their_name);
    run(a_tar_cut_anywhere_is_refused);
    run(odd_things_are_refused);
    run(links_in_a_layout_folder_are_not_followed);
    return done_testing();
}

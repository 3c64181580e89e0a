/* One tar of a bundle, always the same. */
#include "bench.h"

static struct mlo_digest example(struct bench *b)
{
    struct mlo_digest d = {0};
    bench_up(b);
    bench_tiny(b->tree, "model.safetensors");
    check(bench_pack_opts(b, &(struct mlo_pack_opts){.name = "tiny", .bare = true}, &d), "packed");
    return d;
}

/* Exports to a file of the bench and reads it back. */
static char *exported(struct bench *b, const struct mlo_digest *d, const struct mlo_export_opts *o,
                      const char *name, size_t *ret_n)
{
    char path[700];
    struct mlo_err err = MLO_ERR_INIT;
    snprintf(path, sizeof path, "%s/%s", b->root, name);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644);
    bool ok = check_ok(mlo_bundle_export(b->store, d, o, fd, &err), &err);
    close(fd);
    return ok ? bench_slurp(b->root, name, ret_n) : NULL;
}

static const char *hex_of(const void *p, size_t n)
{
    static char hex[MLO_DIGEST_HEX + 1];
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_digest d;
    check_ok(mlo_sha256(p, n, &d, &err), &err);
    return mlo_digest_hex(&d, hex);
}

static void the_index_is_the_worked_example(void)
{
    struct bench b;
    struct mlo_digest d = example(&b);
    size_t n = 0;
    MLO_AUTOFREE char *tar = exported(&b, &d, &(struct mlo_export_opts){.ref = "v1"}, "x.tar", &n);
    if (check(tar && n > 2048, "written")) {
        check(memcmp(tar, "oci-layout", 11) == 0, "oci-layout first");
        check(memcmp(tar + 1024, "index.json", 11) == 0, "index.json second");
        check_str(hex_of(tar + 1536, 358),
                  "26ae91c1f28f7153f945b56942fde411ff1fb141675b455232294eaa6b80cf1f");
    }
    bench_down(&b);
}

static void two_exports_are_the_same_file(void)
{
    struct bench a, b;
    struct mlo_digest da = example(&a), db = example(&b), told = {0};
    struct mlo_export_opts o = {.ref = "tiny:1"}, oo = o;
    uint64_t size = 0;
    size_t n = 0, m = 0;
    oo.ret_digest = &told;
    oo.ret_size = &size;
    MLO_AUTOFREE char *x = exported(&a, &da, &o, "x.tar", &n);
    MLO_AUTOFREE char *y = exported(&b, &db, &oo, "y.tar", &m);
    char hex[MLO_DIGEST_HEX + 1];
    check(x && y && n == m && memcmp(x, y, n) == 0, "same bytes from two stores");
    check_int(size, m);
    check_str(mlo_digest_hex(&told, hex), hex_of(y, m));
    bench_down(&a);
    bench_down(&b);
}

static void a_pipe_gets_the_same_bytes_as_a_file(void)
{
    struct bench b;
    struct mlo_digest d = example(&b);
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_export_opts o = {.ref = "tiny:1"};
    size_t n = 0, m = 0;
    int fds[2];
    char got[65536]; /* a pipe's buffer: nobody has to read meanwhile */
    MLO_AUTOFREE char *want = exported(&b, &d, &o, "x.tar", &n);
    check(pipe(fds) == 0 && n < sizeof got, "pipe");
    check_ok(mlo_bundle_export(b.store, &d, &o, fds[1], &err), &err);
    close(fds[1]);
    check_ok(mlo_read(fds[0], got, sizeof got, &m, &err), &err);
    close(fds[0]);
    check(m == n && memcmp(got, want, n) == 0, "same bytes");
    bench_down(&b);
}

static void damage_is_not_exported(void)
{
    struct bench b;
    struct mlo_digest d = example(&b), tiny;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_export_opts o = {0};
    check_ok(mlo_digest_from_hex(TINY_SHA, MLO_DIGEST_HEX, &tiny, &err), &err);
    bench_damage(&b, &tiny, 71);
    int fd = open("/dev/null", O_WRONLY);
    check_err(mlo_bundle_export(b.store, &d, &o, fd, &err), MLO_EINVALID, &err, "damaged");
    close(fd);
    bench_down(&b);
}

static void a_full_disk_is_said(void)
{
    struct bench b;
    struct mlo_digest d = example(&b);
    struct mlo_err err = MLO_ERR_INIT;
    int fd = open("/dev/full", O_WRONLY);
    check_err(mlo_bundle_export(b.store, &d, &(struct mlo_export_opts){0}, fd, &err), MLO_EIO, &err,
              "No space");
    close(fd);
    bench_down(&b);
}

int main(void)
{
    run(the_index_is_the_worked_example);
    run(two_exports_are_the_same_file);
    run(a_pipe_gets_the_same_bytes_as_a_file);
    run(damage_is_not_exported);
    run(a_full_disk_is_said);
    return done_testing();
}

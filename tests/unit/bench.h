/* A store in a fresh folder and small models to pack into it; for tests of the bundle and remote modules. */
#ifndef TESTS_UNIT_BENCH_H
#define TESTS_UNIT_BENCH_H

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/bundle.h>

#include "tap.h"

#define BENCH_UNUSED  __attribute__((unused))
#define TINY_SHA      "9c54a301d1883c1238adad7212e1c8b7a0ee5a828aa7b9a5fc5c4b58af05fe54"
#define TINY_MANIFEST "c6bb9b4270ade1ef9cdf9260044225c9e126ad4f6ff97a463ce911b332063b39"

struct bench {
    char root[512], home[600], tree[600];
    struct mlo_store *store;
};

BENCH_UNUSED static void bench_put(const char *folder, const char *name, const void *data, size_t n)
{
    char path[1400];
    struct mlo_err err = MLO_ERR_INIT;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    check_ok(mlo_mkdirs_at(AT_FDCWD, path, 0755, &err), &err);
    *slash = '/';
    check_ok(mlo_write_file_at(AT_FDCWD, path, data, n, 0644, &err), &err);
}

BENCH_UNUSED static void bench_text(const char *folder, const char *name, const char *text)
{
    bench_put(folder, name, text, strlen(text));
}

BENCH_UNUSED static void bench_up(struct bench *b)
{
    static int serial;
    struct mlo_err err = MLO_ERR_INIT;
    snprintf(b->root, sizeof b->root, "%s/bench-%d", tap_tmpdir(), serial++);
    snprintf(b->home, sizeof b->home, "%s/.mlops", b->root);
    snprintf(b->tree, sizeof b->tree, "%s/tree", b->root);
    check_ok(mlo_mkdirs_at(AT_FDCWD, b->home, 0700, &err), &err);
    check_ok(mlo_mkdirs_at(AT_FDCWD, b->tree, 0755, &err), &err);
    check_ok(mlo_store_open(b->home, true, &b->store, &err), &err);
    mlo_store_set_tmp(b->store, b->home);
}

BENCH_UNUSED static void bench_down(struct bench *b)
{
    mlo_store_close(b->store);
}

/* The 72-byte safetensors w = F32 [1.0, -2.0]. */
BENCH_UNUSED static void bench_tiny(const char *folder, const char *name)
{
    static const char head[] = "{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}  ";
    static const unsigned char values[] = {0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0};
    unsigned char data[72] = {0x38};
    memcpy(data + 8, head, 56);
    memcpy(data + 64, values, 8);
    bench_put(folder, name, data, sizeof data);
}

/* n float32 tensors "t00", "t01", ... of `elements` values; tensor i is filled from seeds[i]. */
BENCH_UNUSED static void bench_model(const char *folder, const char *name, const unsigned *seeds, size_t n,
                                     size_t elements)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOSTR struct mlo_str file;
    MLO_AUTOFREE size_t *order = calloc(n, sizeof *order);
    MLO_AUTOFREE struct mlo_st_tensor *t = calloc(n, sizeof *t);
    MLO_AUTOFREE char *names = calloc(n, 16);
    MLO_AUTOFREE float *values = calloc(elements, sizeof *values);
    uint64_t shape[1] = {elements};
    mlo_str_init(&file, MLO_STR_MAX);
    for (size_t i = 0; i < n; i++) {
        snprintf(names + 16 * i, 16, "t%02zu", i);
        t[i] = (struct mlo_st_tensor){.name = names + 16 * i, .dtype = MLO_DT_F32, .shape = shape, .rank = 1};
    }
    check_ok(mlo_safetensors_header(t, n, NULL, 0, &file, order, &err), &err);
    for (size_t i = 0; i < n; i++) {
        uint64_t x = seeds[order[i]] + 1;
        for (size_t j = 0; j < elements; j++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            values[j] = (float)(x >> 40) / 65536.0f;
        }
        mlo_str_addn(&file, values, elements * sizeof *values);
    }
    check_ok(mlo_str_check(&file, &err), &err);
    bench_put(folder, name, file.ptr, file.len);
}

BENCH_UNUSED static bool bench_pack_opts(struct bench *b, const struct mlo_pack_opts *more,
                                         struct mlo_digest *ret)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_pack_result r = {0};
    const char *paths[] = {b->tree};
    struct mlo_pack_opts o = *more;
    o.paths = paths;
    o.n_paths = 1;
    o.threads = 2;
    o.home = b->home;
    if (!check_ok(mlo_pack(b->store, &o, &r, &err), &err))
        return false;
    *ret = r.manifest;
    mlo_pack_result_release(&r);
    return true;
}

/* The tree as a bundle named "m". */
BENCH_UNUSED static bool bench_pack(struct bench *b, struct mlo_digest *ret)
{
    return bench_pack_opts(b, &(struct mlo_pack_opts){.name = "m"}, ret);
}

BENCH_UNUSED static char *bench_slurp(const char *folder, const char *name, size_t *ret_n)
{
    char path[1400];
    char *text = NULL;
    size_t n = 0;
    struct mlo_err err = MLO_ERR_INIT;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    check_ok(mlo_slurp_at(AT_FDCWD, path, MLO_STR_MAX, &text, &n, &err), &err);
    if (ret_n)
        *ret_n = n;
    return text;
}

/* One byte of a blob in the store flipped, as a bad disk would. */
BENCH_UNUSED static void bench_damage(struct bench *b, const struct mlo_digest *d, off_t at)
{
    char path[1400], hex[MLO_DIGEST_HEX + 1];
    unsigned char c = 0;
    snprintf(path, sizeof path, "%s/store/blobs/sha256/%s", b->home, mlo_digest_hex(d, hex));
    chmod(path, 0600);
    int fd = open(path, O_RDWR);
    check(fd >= 0 && pread(fd, &c, 1, at) == 1, "blob can be read");
    c ^= 1;
    check(pwrite(fd, &c, 1, at) == 1, "blob can be damaged");
    close(fd);
}

#endif

/* A folder with a store and a tree to pack, for the tests of packing and of what comes after it. */
#ifndef TESTS_UNIT_BUNDLE_BENCH_H
#define TESTS_UNIT_BUNDLE_BENCH_H

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/bundle.h>

#include "tap.h"

#define WEIGHTS_DIGEST "9c54a301d1883c1238adad7212e1c8b7a0ee5a828aa7b9a5fc5c4b58af05fe54"
#define UNUSED         __attribute__((unused))

static const char tiny[72] =
    "8\0\0\0\0\0\0\0{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}  \0\0\x80?\0\0\0";
static const char tiny_last = '\xc0';

struct bench { /* a fresh folder with a store in it */
    char root[512], home[600], tree[600];
    struct mlo_store *store;
};

UNUSED static void put(const char *folder, const char *name, const void *data, size_t n)
{
    char path[1200];
    struct mlo_err err = MLO_ERR_INIT;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    check_ok(mlo_mkdirs_at(AT_FDCWD, path, 0755, &err), &err);
    *slash = '/';
    check_ok(mlo_write_file_at(AT_FDCWD, path, data, n, 0644, &err), &err);
}

UNUSED static void put_text(const char *folder, const char *name, const char *text)
{
    put(folder, name, text, strlen(text));
}

UNUSED static void put_tiny(const char *folder, const char *name)
{
    char data[sizeof(tiny)];
    memcpy(data, tiny, sizeof(tiny));
    data[sizeof(data) - 1] = tiny_last;
    put(folder, name, data, sizeof(data));
}

UNUSED static void set_up(struct bench *b)
{
    static int serial;
    struct mlo_err err = MLO_ERR_INIT;
    snprintf(b->root, sizeof(b->root), "%s/bench-%d", tap_tmpdir(), serial++);
    snprintf(b->home, sizeof(b->home), "%s/.mlops", b->root);
    snprintf(b->tree, sizeof(b->tree), "%s/tree", b->root);
    check_ok(mlo_mkdirs_at(AT_FDCWD, b->home, 0700, &err), &err);
    check_ok(mlo_mkdirs_at(AT_FDCWD, b->tree, 0755, &err), &err);
    check_ok(mlo_store_open(b->home, true, &b->store, &err), &err);
    mlo_store_set_tmp(b->store, b->home);
}

UNUSED static void tear_down(struct bench *b)
{
    mlo_store_close(b->store);
}

UNUSED static struct mlo_pack_opts options(const struct bench *b, const char *const *paths, size_t n)
{
    return (struct mlo_pack_opts){
        .paths = paths, .n_paths = n, .name = "tiny", .threads = 2, .home = b->home};
}

UNUSED static const char *hex(const struct mlo_digest *d)
{
    static char buf[2][MLO_DIGEST_HEX + 1];
    static int turn;
    turn = !turn;
    return mlo_digest_hex(d, buf[turn]);
}

UNUSED static void put_model(const char *tree)
{
    put_tiny(tree, "model.safetensors");
    put_text(tree, "config.json", "{\"model_type\":\"tiny\"}");
    put_text(tree, "README.md", "# tiny\n");
    put_text(tree, "src/train.py", "print(1)\n");
    put_text(tree, "data/ref.csv", "a,b\n1,2\n");
}

#endif

/* What the checkpoint tests share: byte strings that grow, reading them as a checkpoint, and walking all
 * mutations of one. */
#ifndef TESTS_UNIT_CHECKPOINT_HELP_H
#define TESTS_UNIT_CHECKPOINT_HELP_H

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/base/io.h>

#include "../../src/checkpoint/internal.h"
#include "tap.h"

#define GOLDEN "tests/golden/checkpoints/"

struct blob {
    uint8_t *p;
    size_t n;
};

/* n more bytes at the end, not set. */
static inline uint8_t *blob_more(struct blob *b, size_t n)
{
    b->p = realloc(b->p, b->n + n + 1);
    b->n += n;
    return b->p + b->n - n;
}
static inline void blob_put(struct blob *b, const void *p, size_t n)
{
    memcpy(blob_more(b, n), p, n);
}
static inline void blob_text(struct blob *b, const char *s)
{
    blob_put(b, s, strlen(s));
}
static inline void blob_le(struct blob *b, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++, v >>= 8)
        blob_put(b, (uint8_t[]){(uint8_t)v}, 1);
}
static inline void blob_fill(struct blob *b, uint8_t c, size_t n)
{
    memset(blob_more(b, n), c, n);
}
static inline void blob_free(struct blob *b)
{
    free(b->p);
    *b = (struct blob){0};
}
static inline struct blob blob_file(const char *path)
{
    struct blob b = {0};
    struct mlo_err err = {0};
    char *text = NULL;
    size_t n = 0;
    check_ok(mlo_slurp_at(AT_FDCWD, path, 1 << 24, &text, &n, &err), &err);
    blob_put(&b, text ? text : "", n);
    free(text);
    return b;
}

static inline void check_sha(const void *p, size_t n, const char *hex)
{
    struct mlo_digest d;
    struct mlo_err err = {0};
    char got[MLO_DIGEST_HEX + 1];
    check_ok(mlo_sha256(p, n, &d, &err), &err);
    check_str(mlo_digest_hex(&d, got), hex);
}

/* Reads exactly these bytes, in a buffer of their size, so that AddressSanitizer sees any step outside. */
static inline int read_bytes(const void *p, size_t n, struct mlo_checkpoint *cp, struct mlo_err *err)
{
    uint8_t *copy = malloc(n ? n : 1);
    if (!copy)
        return mlo_fail_nomem(err);
    memcpy(copy, p, n);
    struct mlo_mem mem = {copy};
    struct mlo_source src = mlo_source_mem(&mem, n);
    int rc = mlo_checkpoint_read(&src, cp, err);
    free(copy);
    return rc;
}

/* The bytes must be refused with MLO_EINVALID and a message that contains `text`. */
static inline void check_refused(const struct blob *b, const char *text)
{
    struct mlo_checkpoint cp;
    struct mlo_err err = {0};
    check_err(read_bytes(b->p, b->n, &cp, &err), MLO_EINVALID, &err, text);
    mlo_checkpoint_release(&cp);
}

static inline const struct mlo_tensor *find_tensor(const struct mlo_checkpoint *cp, const char *name)
{
    for (size_t i = 0; i < cp->n_tensors; i++)
        if (strcmp(cp->tensors[i].name, name) == 0)
            return &cp->tensors[i];
    return NULL;
}

static inline const char *find_meta(const struct mlo_checkpoint *cp, const char *key)
{
    for (size_t i = 0; i < cp->n_meta; i++)
        if (strcmp(cp->meta[i].key, key) == 0)
            return cp->meta[i].value;
    return NULL;
}

static inline int blob_sink(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    (void)err;
    blob_put(ctx, p, n);
    return 0;
}

static inline int count_sink(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    (void)p, (void)err;
    *(uint64_t *)ctx += n;
    return 0;
}

/* Whatever is accepted must also be readable to the last byte, or say why not. */
static inline void read_whatever(const uint8_t *p, size_t n)
{
    struct mlo_checkpoint cp;
    struct mlo_err err = {0};
    struct mlo_mem mem = {p};
    struct mlo_source src = mlo_source_mem(&mem, n);
    int rc = mlo_checkpoint_read(&src, &cp, &err);
    check(rc == 0 || rc == MLO_EINVALID, "code %d: %s", rc, err.msg);
    for (size_t i = 0; rc == 0 && i < cp.n_tensors; i++) {
        uint64_t total = 0;
        if (cp.tensors[i].store != MLO_TS_EXTERNAL &&
            mlo_tensor_read(&src, &cp.tensors[i], count_sink, &total, &err) == 0)
            check(total == cp.tensors[i].bytes, "tensor bytes");
    }
    mlo_checkpoint_release(&cp);
}

/* Every prefix, every byte flipped in three ways. Returns how many prefixes were accepted. */
static inline size_t mutate(const struct blob *b)
{
    size_t accepted = 0;
    struct mlo_checkpoint cp;
    struct mlo_err err;
    for (size_t n = 0; n < b->n; n++) {
        int rc = read_bytes(b->p, n, &cp, &err);
        check(rc == 0 || rc == MLO_EINVALID, "prefix %zu: code %d", n, rc);
        accepted += rc == 0 && cp.format != MLO_FMT_UNKNOWN;
        mlo_checkpoint_release(&cp);
    }
    uint8_t *copy = malloc(b->n);
    for (size_t i = 0; i < b->n; i++) {
        static const uint8_t flips[] = {0x01, 0x80, 0xFF};
        for (size_t k = 0; k < MLO_COUNT(flips); k++) {
            memcpy(copy, b->p, b->n);
            copy[i] ^= flips[k];
            read_whatever(copy, b->n);
        }
    }
    free(copy);
    return accepted;
}

#endif

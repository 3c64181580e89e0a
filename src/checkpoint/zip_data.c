/* The data of a zip's entries: stored or deflated, in pieces, with CRC and size checked at the end. */
#include <string.h>
#include <zlib.h>

#include "internal.h"

typedef int piece_fn(void *ctx, const void *p, size_t n, struct mlo_err *err);

/* Gives out pieces, counting and summing them. */
struct flow {
    const struct mlo_zip_entry *e;
    uint64_t given, max;
    uint32_t crc;
    piece_fn *fn;
    void *ctx;
};

static int give(struct flow *f, const void *p, size_t n, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    if (n > f->max - f->given)
        return mlo_fail(err, MLO_EINVALID, "member \"%s\" unpacks to more than %llu bytes",
                        mlo_shown(f->e->name, f->e->name_len, shown), (unsigned long long)f->max);
    f->crc = (uint32_t)crc32(f->crc, p, (uInt)n);
    f->given += n;
    return f->fn(f->ctx, p, n, err);
}

static int stream_stored(const struct mlo_source *src, struct flow *f, struct mlo_err *err)
{
    MLO_AUTOWIN struct mlo_win w;
    mlo_win_init(&w, src, f->e->data, f->e->data + f->e->packed);
    while (mlo_win_left(&w)) {
        const uint8_t *p;
        size_t n;
        int rc = mlo_win_some(&w, &p, &n, err);
        if (rc == 0)
            rc = give(f, p, n, err);
        if (rc < 0)
            return rc;
        w.pos += n;
    }
    return 0;
}

/* Stops where the promised size is passed: what a loader would not read is not worth the time. */
static int stream_deflated(const struct mlo_source *src, struct flow *f, struct mlo_inflate *z, unsigned *odd,
                           struct mlo_err *err)
{
    MLO_AUTOFREE char *buf = mlo_calloc(1, MLO_WINDOW, err);
    if (!buf)
        return err->code;
    int rc = mlo_inflate_begin(z, src, f->e->data, f->e->packed, err);
    while (rc == 0 && f->given <= f->e->size) {
        struct mlo_err broken;
        size_t n = 0;
        rc = mlo_inflate_some(z, buf, MLO_WINDOW, &n, &broken);
        if (rc == MLO_EINVALID) {
            *odd |= MLO_ZIP_STREAM;
            return 0;
        }
        if (rc < 0)
            *err = broken;
        if (rc < 0 || n == 0)
            break;
        rc = give(f, buf, n, err);
    }
    if (rc == 0 && (!z->done || mlo_win_left(&z->in)))
        *odd |= MLO_ZIP_STREAM;
    return rc;
}

static bool readable(const struct mlo_zip_entry *e)
{
    return !(e->odd & (MLO_ZIP_NO_HEADER | MLO_ZIP_METHOD));
}

int mlo_zip_stream(const struct mlo_source *src, const struct mlo_zip_entry *e, uint64_t max, piece_fn *fn,
                   void *ctx, unsigned *ret_odd, struct mlo_err *err)
{
    struct flow f = {.e = e, .max = max, .crc = (uint32_t)crc32(0, NULL, 0), .fn = fn, .ctx = ctx};
    unsigned odd = e->odd;
    int rc = 0;
    if (!readable(e)) {
        *ret_odd = odd;
        return 0;
    }
    if (e->method == 0) {
        rc = stream_stored(src, &f, err);
    } else {
        struct mlo_inflate z = {0};
        rc = stream_deflated(src, &f, &z, &odd, err);
        mlo_inflate_end(&z);
    }
    if (rc < 0)
        return rc;
    if (f.given != e->size)
        odd |= MLO_ZIP_STREAM;
    if (f.crc != e->crc)
        odd |= MLO_ZIP_CRC;
    *ret_odd = odd;
    return 0;
}

static int append(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    mlo_str_addn(ctx, p, n);
    return mlo_str_check(ctx, err);
}

int mlo_zip_load(const struct mlo_source *src, const struct mlo_zip_entry *e, size_t max, char **ret,
                 size_t *ret_len, unsigned *ret_odd, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, max);
    int rc = mlo_zip_stream(src, e, max, append, &text, ret_odd, err);
    if (rc == 0)
        rc = mlo_str_check(&text, err);
    if (rc < 0)
        return rc;
    char *p = mlo_str_detach(&text, ret_len);
    if (!p)
        return mlo_fail_nomem(err);
    *ret = p;
    return 0;
}

int mlo_zip_head(const struct mlo_source *src, const struct mlo_zip_entry *e, void *buf, size_t n,
                 size_t *ret_n, struct mlo_err *err)
{
    size_t got = 0, step;
    int rc = 0;
    if (!readable(e)) {
        *ret_n = 0;
        return 0;
    }
    if (e->method == 0) {
        *ret_n = e->packed < n ? (size_t)e->packed : n;
        return mlo_source_read(src, buf, *ret_n, e->data, err);
    }
    struct mlo_inflate z = {0};
    rc = mlo_inflate_begin(&z, src, e->data, e->packed, err);
    while (rc == 0 && got < n) {
        rc = mlo_inflate_some(&z, (char *)buf + got, n - got, &step, err);
        if (rc < 0 || step == 0)
            break;
        got += step;
    }
    mlo_inflate_end(&z);
    if (rc == MLO_EINVALID)
        rc = 0;
    if (rc == 0)
        *ret_n = got;
    return rc;
}

/* gzip (any number of members) and zstd, as streams. */
#include <string.h>

#include <zlib.h>

#include "internal.h"
#include "libcodecs.h"

#define COMPRESSED_BYTES ((size_t)256 << 10) /* read at a time */

struct compressed { /* bytes that wait to be decoded */
    char *bytes;
    size_t at, n;
};

/* More compressed bytes. c->n 0 at the end. */
static int refill(struct mlo_input *in, struct compressed *c, struct mlo_err *err)
{
    c->at = 0;
    return mlo_input_raw(in, c->bytes, COMPRESSED_BYTES, &c->n, err);
}

static int damaged(const struct mlo_input *in, const char *what, struct mlo_err *err)
{
    return mlo_fail(err, MLO_EINVALID, "'%s' is no whole %s file: %s", in->name, in->how->name, what);
}

/* ---- gzip ---- */

struct gzip {
    struct compressed in;
    z_stream z;
    bool between; /* members */
};

static void gzip_close(void *codec)
{
    struct gzip *g = codec;
    inflateEnd(&g->z);
    free(g->in.bytes);
    free(g);
}

static int gzip_open(struct mlo_input *in, void **ret, struct mlo_err *err)
{
    struct gzip *g = mlo_calloc(1, sizeof *g, err);
    (void)in;
    if (!g)
        return MLO_EIO;
    g->in.bytes = mlo_calloc(1, COMPRESSED_BYTES, err);
    if (!g->in.bytes || inflateInit2(&g->z, 15 + 16) != Z_OK) {
        free(g->in.bytes);
        free(g);
        return mlo_fail_nomem(err);
    }
    *ret = g;
    return 0;
}

static int gzip_step(struct mlo_input *in, struct gzip *g, bool ended, struct mlo_err *err)
{
    int z = inflate(&g->z, Z_NO_FLUSH);
    g->in.at = g->in.n - g->z.avail_in;
    if (z == Z_STREAM_END) {
        g->between = true;
        return inflateReset(&g->z) == Z_OK ? 0 : mlo_fail(err, MLO_EINTERNAL, "zlib refuses to start again");
    }
    if (z == Z_BUF_ERROR && ended)
        return damaged(in, "it ends in the middle", err);
    if (z == Z_MEM_ERROR)
        return mlo_fail_nomem(err);
    if (z != Z_OK && z != Z_BUF_ERROR)
        return damaged(in, g->z.msg ? g->z.msg : "its bytes make no sense", err);
    g->between = false;
    return 0;
}

static int gzip_read(struct mlo_input *in, void *codec, void *buf, size_t n, size_t *ret_n,
                     struct mlo_err *err)
{
    struct gzip *g = codec;
    size_t want = n < UINT32_MAX ? n : UINT32_MAX;
    g->z.next_out = buf;
    g->z.avail_out = (uInt)want;
    while (g->z.avail_out == want) {
        bool ended = false;
        if (g->in.at == g->in.n) {
            int rc = refill(in, &g->in, err);
            if (rc != 0)
                return rc;
            ended = g->in.n == 0;
        }
        if (ended && g->between)
            break;
        g->z.next_in = (Bytef *)g->in.bytes + g->in.at;
        g->z.avail_in = (uInt)(g->in.n - g->in.at);
        int rc = gzip_step(in, g, ended, err);
        if (rc != 0)
            return rc;
    }
    *ret_n = want - g->z.avail_out;
    return 0;
}

const struct mlo_codec mlo_codec_gzip = {
    .name = "gzip", .open = gzip_open, .read = gzip_read, .close = gzip_close};

/* ---- zstd ---- */

struct zstd {
    const struct libzstd *lib;
    struct compressed in;
    ZSTD_DStream *stream;
    bool between; /* frames */
};

static void zstd_close(void *codec)
{
    struct zstd *z = codec;
    z->lib->ZSTD_freeDStream(z->stream);
    free(z->in.bytes);
    free(z);
}

static int zstd_open(struct mlo_input *in, void **ret, struct mlo_err *err)
{
    const struct libzstd *lib = NULL;
    (void)in;
    int rc = mlo_libzstd(&lib, err);
    if (rc != 0)
        return rc;
    struct zstd *z = mlo_calloc(1, sizeof *z, err);
    if (!z)
        return MLO_EIO;
    z->lib = lib;
    z->stream = lib->ZSTD_createDStream();
    z->in.bytes = mlo_calloc(1, COMPRESSED_BYTES, err);
    if (!z->stream || !z->in.bytes) {
        zstd_close(z);
        return mlo_fail_nomem(err);
    }
    z->between = true;
    *ret = z;
    return 0;
}

static int zstd_read(struct mlo_input *in, void *codec, void *buf, size_t n, size_t *ret_n,
                     struct mlo_err *err)
{
    struct zstd *z = codec;
    ZSTD_outBuffer out = {.dst = buf, .size = n};
    while (out.pos == 0) {
        if (z->in.at == z->in.n) {
            int rc = refill(in, &z->in, err);
            if (rc != 0)
                return rc;
            if (z->in.n == 0 && z->between)
                break;
            if (z->in.n == 0)
                return damaged(in, "it ends in the middle", err);
        }
        ZSTD_inBuffer from = {.src = z->in.bytes, .size = z->in.n, .pos = z->in.at};
        size_t left = z->lib->ZSTD_decompressStream(z->stream, &out, &from);
        if (z->lib->ZSTD_isError(left))
            return damaged(in, z->lib->ZSTD_getErrorName(left), err);
        z->in.at = from.pos;
        z->between = left == 0;
    }
    *ret_n = out.pos;
    return 0;
}

const struct mlo_codec mlo_codec_zstd = {
    .name = "zstd", .open = zstd_open, .read = zstd_read, .close = zstd_close};

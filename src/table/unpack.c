#include "unpack.h"

#include <limits.h>
#include <string.h>

#include <zlib.h>

#include <mlopsctl/base/mem.h>

#include "libcodecs.h"

static int wrong_size(size_t n_dst, struct mlo_err *err)
{
    return mlo_fail(err, MLO_EINVALID, "decompresses to another size than the %zu bytes announced", n_dst);
}

/* ---- each library ---- */

static int unpack_snappy(const void *src, size_t n, void *dst, size_t n_dst, struct mlo_err *err)
{
    const struct libsnappy *lib = NULL;
    int rc = mlo_libsnappy(&lib, err);
    size_t size;
    if (rc != 0)
        return rc;
    if (lib->snappy_uncompressed_length(src, n, &size) != SNAPPY_OK)
        return mlo_fail(err, MLO_EINVALID, "is no snappy block");
    if (size != n_dst)
        return wrong_size(n_dst, err);
    if (lib->snappy_uncompress(src, n, dst, &size) != SNAPPY_OK)
        return mlo_fail(err, MLO_EINVALID, "is a damaged snappy block");
    return 0;
}

/* Member after member. */
static int inflate_members(z_stream *z, size_t n_dst, struct mlo_err *err)
{
    for (;;) {
        int r = inflate(z, Z_FINISH);
        if (r == Z_MEM_ERROR)
            return mlo_fail_nomem(err);
        if (r == Z_BUF_ERROR && z->avail_out == 0)
            return wrong_size(n_dst, err);
        if (r != Z_STREAM_END)
            return mlo_fail(err, MLO_EINVALID, "is damaged gzip data: %s", z->msg ? z->msg : "it ends early");
        if (z->avail_in == 0)
            return z->avail_out == 0 ? 0 : wrong_size(n_dst, err);
        if (inflateReset(z) != Z_OK)
            return mlo_fail(err, MLO_EINTERNAL, "zlib refuses to start again");
    }
}

static int unpack_gzip(const void *src, size_t n, void *dst, size_t n_dst, struct mlo_err *err)
{
    unsigned char none;
    z_stream z = {0};
    if (n > UINT_MAX || n_dst > UINT_MAX)
        return mlo_fail(err, MLO_EINVALID, "is too long");
    if (inflateInit2(&z, 15 + 32) != Z_OK) /* gzip or zlib: some writers take the other */
        return mlo_fail_nomem(err);
    memcpy(&z.next_in, &src, sizeof src);
    z.avail_in = (uInt)n;
    z.next_out = n_dst > 0 ? dst : &none;
    z.avail_out = (uInt)n_dst;
    int rc = inflate_members(&z, n_dst, err);
    inflateEnd(&z);
    return rc;
}

static int unpack_zstd(struct mlo_unpacker *u, const void *src, size_t n, void *dst, size_t n_dst,
                       struct mlo_err *err)
{
    const struct libzstd *lib = NULL;
    int rc = mlo_libzstd(&lib, err);
    if (rc == 0 && !u->zstd)
        u->zstd = lib->ZSTD_createDCtx();
    if (rc != 0)
        return rc;
    if (!u->zstd)
        return mlo_fail_nomem(err);
    size_t got = lib->ZSTD_decompressDCtx(u->zstd, dst, n_dst, src, n);
    if (lib->ZSTD_isError(got))
        return mlo_fail(err, MLO_EINVALID, "is damaged zstd data: %s", lib->ZSTD_getErrorName(got));
    return got == n_dst ? 0 : wrong_size(n_dst, err);
}

static int unpack_lz4(const void *src, size_t n, void *dst, size_t n_dst, struct mlo_err *err)
{
    const struct liblz4 *lib = NULL;
    int rc = mlo_liblz4(&lib, err);
    if (rc != 0)
        return rc;
    if (n > INT_MAX || n_dst > INT_MAX)
        return mlo_fail(err, MLO_EINVALID, "is too long");
    int got = lib->LZ4_decompress_safe(src, dst, (int)n, (int)n_dst);
    if (got < 0)
        return mlo_fail(err, MLO_EINVALID, "is a damaged LZ4 block");
    return (size_t)got == n_dst ? 0 : wrong_size(n_dst, err);
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Hadoop's framing: before each block its size afterwards and its size, both from the highest byte. */
static int unpack_lz4_framed(const uint8_t *src, size_t n, uint8_t *dst, size_t n_dst, struct mlo_err *err)
{
    while (n >= 8) {
        size_t after = be32(src), before = be32(src + 4);
        if (before > n - 8 || after > n_dst)
            return wrong_size(n_dst, err);
        int rc = unpack_lz4(src + 8, before, dst, after, err);
        if (rc != 0)
            return rc;
        src += 8 + before;
        n -= 8 + before;
        dst += after;
        n_dst -= after;
    }
    return n == 0 && n_dst == 0 ? 0 : wrong_size(n_dst, err);
}

static int unpack_lz4_hadoop(const void *src, size_t n, void *dst, size_t n_dst, struct mlo_err *err)
{
    int rc = unpack_lz4_framed(src, n, dst, n_dst, err);
    return rc == MLO_EINVALID ? unpack_lz4(src, n, dst, n_dst, err) : rc;
}

static int lz4_frame(const struct liblz4 *lib, LZ4F_dctx *ctx, const char *src, size_t n, char *dst,
                     size_t n_dst, struct mlo_err *err)
{
    size_t left = 1, got = 0;
    while (left > 0) {
        size_t in = n, out = n_dst - got;
        left = lib->LZ4F_decompress(ctx, dst + got, &out, src, &in, NULL);
        if (lib->LZ4F_isError(left))
            return mlo_fail(err, MLO_EINVALID, "is a damaged LZ4 frame: %s", lib->LZ4F_getErrorName(left));
        if (left > 0 && in == 0 && out == 0)
            return n == 0 ? mlo_fail(err, MLO_EINVALID, "is an LZ4 frame that ends early")
                          : wrong_size(n_dst, err);
        src += in;
        n -= in;
        got += out;
    }
    return got == n_dst && n == 0 ? 0 : wrong_size(n_dst, err);
}

int mlo_unpack_lz4_frame(const void *src, size_t n, void *dst, size_t n_dst, struct mlo_err *err)
{
    const struct liblz4 *lib = NULL;
    LZ4F_dctx *ctx = NULL;
    int rc = mlo_liblz4(&lib, err);
    if (rc != 0)
        return rc;
    if (lib->LZ4F_isError(lib->LZ4F_createDecompressionContext(&ctx, LZ4F_VERSION)))
        return mlo_fail_nomem(err);
    rc = lz4_frame(lib, ctx, src, n, dst, n_dst, err);
    lib->LZ4F_freeDecompressionContext(ctx);
    return rc;
}

/* ---- any ---- */

int mlo_unpack_check(int packing, struct mlo_err *err)
{
    switch (packing) {
    case MLO_PACKED_NOT:
    case MLO_PACKED_SNAPPY:
    case MLO_PACKED_GZIP:
    case MLO_PACKED_LZ4_HADOOP:
    case MLO_PACKED_ZSTD:
    case MLO_PACKED_LZ4:
        return 0;
    case MLO_PACKED_LZO:
    case MLO_PACKED_BROTLI:
        mlo_fail(err, MLO_EUNAVAIL, "%s compression is not read",
                 packing == MLO_PACKED_LZO ? "LZO" : "Brotli");
        return mlo_hint(err, "write the file with zstd, snappy, gzip or LZ4");
    default:
        return mlo_fail(err, MLO_EINVALID, "codec %d does not exist", packing);
    }
}

size_t mlo_unpack_bound(enum mlo_packing packing, size_t n)
{
    enum { SLACK = 1 << 17 };
    size_t times = 1, slack = SLACK;
    switch (packing) {
    case MLO_PACKED_SNAPPY: /* a copy of 64 bytes takes 3 */
        times = 32;
        break;
    case MLO_PACKED_GZIP: /* 258 bytes from 2 bits */
        times = 1032;
        break;
    case MLO_PACKED_LZ4_HADOOP:
    case MLO_PACKED_LZ4: /* each further byte of a length adds 255 */
        times = 256;
        break;
    case MLO_PACKED_ZSTD: /* 128 KiB from a block of 4 bytes */
        times = 1 << 15;
        break;
    case MLO_PACKED_NOT:
    case MLO_PACKED_LZO:
    case MLO_PACKED_BROTLI:
        slack = 0;
    }
    return n > (SIZE_MAX - slack) / times ? SIZE_MAX : n * times + slack;
}

int mlo_unpack(struct mlo_unpacker *u, enum mlo_packing packing, const void *src, size_t n, void *dst,
               size_t n_dst, struct mlo_err *err)
{
    int rc = mlo_unpack_check(packing, err);
    if (rc != 0)
        return rc;
    switch (packing) {
    case MLO_PACKED_SNAPPY:
        return unpack_snappy(src, n, dst, n_dst, err);
    case MLO_PACKED_GZIP:
        return unpack_gzip(src, n, dst, n_dst, err);
    case MLO_PACKED_LZ4_HADOOP:
        return unpack_lz4_hadoop(src, n, dst, n_dst, err);
    case MLO_PACKED_ZSTD:
        return unpack_zstd(u, src, n, dst, n_dst, err);
    case MLO_PACKED_LZ4:
        return unpack_lz4(src, n, dst, n_dst, err);
    case MLO_PACKED_NOT:
    case MLO_PACKED_LZO:
    case MLO_PACKED_BROTLI:
        break;
    }
    if (n != n_dst)
        return mlo_fail(err, MLO_EINVALID, "holds %zu bytes where %zu are announced", n, n_dst);
    memcpy(dst, src, n);
    return 0;
}

void mlo_unpacker_release(struct mlo_unpacker *u)
{
    const struct libzstd *lib = NULL;
    struct mlo_err ignored = MLO_ERR_INIT;
    if (u->zstd && mlo_libzstd(&lib, &ignored) == 0)
        lib->ZSTD_freeDCtx(u->zstd);
    u->zstd = NULL;
}

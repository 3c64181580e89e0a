/* Compression libraries behind tables of functions: each is opened at first use, so commands that meet no
 * such data start without it. */
#ifndef MLOPSCTL_TABLE_LIBCODECS_H
#define MLOPSCTL_TABLE_LIBCODECS_H

#include <lz4.h>
#include <lz4frame.h>
#include <snappy-c.h>
#include <zstd.h>

#include <mlopsctl/base/err.h>

#define LIBZSTD_FUNCTIONS(X)                                                                                 \
    X(ZSTD_createDStream)                                                                                    \
    X(ZSTD_freeDStream)                                                                                      \
    X(ZSTD_decompressStream)                                                                                 \
    X(ZSTD_createDCtx)                                                                                       \
    X(ZSTD_freeDCtx)                                                                                         \
    X(ZSTD_decompressDCtx)                                                                                   \
    X(ZSTD_createCCtx)                                                                                       \
    X(ZSTD_freeCCtx)                                                                                         \
    X(ZSTD_compressCCtx)                                                                                     \
    X(ZSTD_compressBound)                                                                                    \
    X(ZSTD_isError)                                                                                          \
    X(ZSTD_getErrorName)
#define LIBSNAPPY_FUNCTIONS(X)                                                                               \
    X(snappy_uncompressed_length)                                                                            \
    X(snappy_uncompress)
#define LIBLZ4_FUNCTIONS(X)                                                                                  \
    X(LZ4_decompress_safe)                                                                                   \
    X(LZ4F_createDecompressionContext)                                                                       \
    X(LZ4F_freeDecompressionContext)                                                                         \
    X(LZ4F_decompress)                                                                                       \
    X(LZ4F_isError)                                                                                          \
    X(LZ4F_getErrorName)

#define X(fn) __typeof__(&fn) fn;
struct libzstd {
    LIBZSTD_FUNCTIONS(X)
};
struct libsnappy {
    LIBSNAPPY_FUNCTIONS(X)
};
struct liblz4 {
    LIBLZ4_FUNCTIONS(X)
};
#undef X

/* MLO_EUNAVAIL when the library is not installed. */
int mlo_libzstd(const struct libzstd **ret, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_libsnappy(const struct libsnappy **ret, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_liblz4(const struct liblz4 **ret, struct mlo_err *err) MLO_MUST_CHECK;

#endif

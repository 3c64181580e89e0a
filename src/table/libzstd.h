/* zstd behind a table of functions: opened at first use, so commands that meet no such file start without it.
 */
#ifndef MLOPSCTL_TABLE_LIBZSTD_H
#define MLOPSCTL_TABLE_LIBZSTD_H

#include <zstd.h>

#include <mlopsctl/base/err.h>

#define LIBZSTD_FUNCTIONS(X)                                                                                 \
    X(ZSTD_createDStream)                                                                                    \
    X(ZSTD_freeDStream)                                                                                      \
    X(ZSTD_decompressStream)                                                                                 \
    X(ZSTD_isError)                                                                                          \
    X(ZSTD_getErrorName)

struct libzstd {
#define X(fn) __typeof__(&fn) fn;
    LIBZSTD_FUNCTIONS(X)
#undef X
};

/* MLO_EUNAVAIL when the library is not installed. */
int mlo_libzstd(const struct libzstd **ret, struct mlo_err *err) MLO_MUST_CHECK;

#endif

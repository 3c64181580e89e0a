#include "libcodecs.h"

#include <pthread.h>

#include <mlopsctl/base/library.h>
#include <mlopsctl/base/mem.h>

/* mlo_NAME(): the table of NAME, filled once. */
#define LIBRARY(name, soname, package, FUNCTIONS)                                                            \
    static struct name name##_table;                                                                         \
    static struct mlo_err name##_err;                                                                        \
    static void name##_open(void)                                                                            \
    {                                                                                                        \
        typedef struct name table;                                                                           \
        static const struct mlo_library_function functions[] = {FUNCTIONS(FUNCTION)};                        \
        static const struct mlo_library lib = {#name, soname, package, functions, MLO_COUNT(functions)};     \
        if (mlo_library_open(&lib, &name##_table, &name##_err) != 0)                                         \
            return; /* the error tells */                                                                    \
    }                                                                                                        \
    int mlo_##name(const struct name **ret, struct mlo_err *err)                                             \
    {                                                                                                        \
        static pthread_once_t once = PTHREAD_ONCE_INIT;                                                      \
        pthread_once(&once, name##_open);                                                                    \
        if (name##_err.code) {                                                                               \
            *err = name##_err;                                                                               \
            return err->code;                                                                                \
        }                                                                                                    \
        *ret = &name##_table;                                                                                \
        return 0;                                                                                            \
    }
#define FUNCTION(fn) {#fn, offsetof(table, fn)},

LIBRARY(libzstd, "libzstd.so.1", "libzstd1", LIBZSTD_FUNCTIONS)
LIBRARY(libsnappy, "libsnappy.so.1", "libsnappy1v5", LIBSNAPPY_FUNCTIONS)
LIBRARY(liblz4, "liblz4.so.1", "liblz4-1", LIBLZ4_FUNCTIONS)

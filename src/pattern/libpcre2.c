#include "libpcre2.h"

#include <pthread.h>

#include <mlopsctl/base/library.h>
#include <mlopsctl/base/mem.h>

static struct libpcre2 table;
static struct mlo_err open_err;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_library(void)
{
    static const struct mlo_library_function functions[] = {
#define X(fn) {#fn, offsetof(struct libpcre2, fn)},
        LIBPCRE2_FUNCTIONS(X)
#undef X
    };
    static const struct mlo_library lib = {"libpcre2", "libpcre2-8.so.0", "libpcre2-8-0", functions,
                                           MLO_COUNT(functions)};
    if (mlo_library_open(&lib, &table, &open_err) != 0)
        return; /* open_err tells */
}

int mlo_libpcre2(const struct libpcre2 **ret, struct mlo_err *err)
{
    pthread_once(&once, open_library);
    if (open_err.code) {
        *err = open_err;
        return err->code;
    }
    *ret = &table;
    return 0;
}

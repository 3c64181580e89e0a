#include "libzstd.h"

#include <pthread.h>

#include <mlopsctl/base/library.h>
#include <mlopsctl/base/mem.h>

static struct libzstd table;
static struct mlo_err open_err;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_library(void)
{
    static const struct mlo_library_function functions[] = {
#define X(fn) {#fn, offsetof(struct libzstd, fn)},
        LIBZSTD_FUNCTIONS(X)
#undef X
    };
    static const struct mlo_library lib = {"libzstd", "libzstd.so.1", "libzstd1", functions,
                                           MLO_COUNT(functions)};
    if (mlo_library_open(&lib, &table, &open_err) != 0)
        return; /* open_err tells */
}

int mlo_libzstd(const struct libzstd **ret, struct mlo_err *err)
{
    pthread_once(&once, open_library);
    if (open_err.code) {
        *err = open_err;
        return err->code;
    }
    *ret = &table;
    return 0;
}

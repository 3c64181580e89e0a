#include "libcurl.h"

#include <pthread.h>

#include <mlopsctl/base/library.h>
#include <mlopsctl/base/mem.h>

static struct libcurl table;
static struct mlo_err open_err;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_library(void)
{
    static const struct mlo_library_function functions[] = {
#define X(fn) {#fn, offsetof(struct libcurl, fn)},
        LIBCURL_FUNCTIONS(X)
#undef X
    };
    static const struct mlo_library lib = {"libcurl", "libcurl.so.4", "libcurl4", functions,
                                           MLO_COUNT(functions)};
    if (mlo_library_open(&lib, &table, &open_err) == 0 &&
        table.curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        mlo_fail(&open_err, MLO_EUNAVAIL, "libcurl cannot be initialised");
}

int mlo_libcurl(const struct libcurl **ret, struct mlo_err *err)
{
    pthread_once(&once, open_library);
    if (open_err.code) {
        *err = open_err;
        return err->code;
    }
    *ret = &table;
    return 0;
}

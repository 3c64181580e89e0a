#include "libcurl.h"

#include <pthread.h>

#include <mlopsctl/base/library.h>
#include <mlopsctl/base/mem.h>

#define LIBCURL_OLDEST 0x075700 /* 7.87: CURLOPT_QUICK_EXIT */

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
    if (mlo_library_open(&lib, &table, &open_err))
        return;
    const curl_version_info_data *v = table.curl_version_info(CURLVERSION_NOW);
    if (v->version_num < LIBCURL_OLDEST) {
        mlo_fail(&open_err, MLO_EUNAVAIL, "libcurl %s is too old", v->version);
        mlo_hint(&open_err, "install libcurl 7.87 or later");
    } else if (table.curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
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

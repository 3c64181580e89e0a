#include "libcurl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#define LIBCURL_SONAME "libcurl.so.4"

static struct libcurl table;
static struct mlo_err open_err;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_library(void)
{
    static const struct {
        const char *name;
        size_t offset;
    } functions[] = {
#define X(fn) {#fn, offsetof(struct libcurl, fn)},
        LIBCURL_FUNCTIONS(X)
#undef X
    };
    void *lib = dlopen(LIBCURL_SONAME, RTLD_NOW | RTLD_LOCAL);
    if (!lib) {
        mlo_fail(&open_err, MLO_EUNAVAIL, "libcurl cannot be opened: %s", dlerror());
        mlo_hint(&open_err, "install the package libcurl4");
        return;
    }
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        void *sym = dlsym(lib, functions[i].name);
        if (!sym) {
            mlo_fail(&open_err, MLO_EUNAVAIL, "libcurl lacks '%s'", functions[i].name);
            return;
        }
        memcpy((char *)&table + functions[i].offset, &sym, sizeof sym);
    }
    if (table.curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
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

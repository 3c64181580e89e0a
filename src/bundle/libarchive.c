/* The table of libarchive's functions; see libarchive.h. */
#include "libarchive.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

static struct {
    pthread_once_t once;
    struct mlo_libarchive table;
    locale_t utf8;
    char why[256]; /* "" when the table is good */
} lib = {.once = PTHREAD_ONCE_INIT};

static bool bind(void *handle, const char *symbol, void *slot)
{
    void *fn = dlsym(handle, symbol);
    if (!fn) {
        snprintf(lib.why, sizeof lib.why, "%s has no %s", MLO_LIBARCHIVE_SONAME, symbol);
        return false;
    }
    memcpy(slot, &fn, sizeof fn); /* ISO C has no cast from object to function pointer */
    return true;
}

static void load(void)
{
    void *handle = dlopen(MLO_LIBARCHIVE_SONAME, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        snprintf(lib.why, sizeof lib.why, "%s", dlerror());
        return;
    }
#define BIND(name)                                                                                           \
    if (!bind(handle, "archive_" #name, &lib.table.name))                                                    \
        return;
    MLO_LIBARCHIVE_FUNCTIONS(BIND)
#undef BIND
    lib.utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

int mlo_libarchive(const struct mlo_libarchive **ret, struct mlo_err *err)
{
    pthread_once(&lib.once, load);
    if (*lib.why) {
        mlo_fail(err, MLO_EUNAVAIL, "cannot open libarchive: %s", lib.why);
        return mlo_hint(err, "install the package libarchive13");
    }
    *ret = &lib.table;
    return 0;
}

locale_t mlo_utf8_enter(void)
{
    pthread_once(&lib.once, load);
    return uselocale(lib.utf8); /* without that locale: as before */
}

void mlo_utf8_leave(locale_t *before)
{
    uselocale(*before);
}

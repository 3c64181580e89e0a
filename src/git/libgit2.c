#include "libgit2.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#define LIBGIT2_SONAME "libgit2.so.1.5"

static struct libgit2 table;
static struct mlo_err open_err;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_library(void)
{
    static const struct {
        const char *name;
        size_t offset;
    } functions[] = {
#define X(fn) {#fn, offsetof(struct libgit2, fn)},
        LIBGIT2_FUNCTIONS(X)
#undef X
    };
    void *lib = dlopen(LIBGIT2_SONAME, RTLD_NOW | RTLD_LOCAL);
    if (!lib) {
        mlo_fail(&open_err, MLO_EUNAVAIL, "libgit2 cannot be opened: %s", dlerror());
        mlo_hint(&open_err, "install the package libgit2-1.5");
        return;
    }
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        void *sym = dlsym(lib, functions[i].name);
        if (!sym) {
            mlo_fail(&open_err, MLO_EUNAVAIL, "libgit2 lacks '%s'", functions[i].name);
            return;
        }
        memcpy((char *)&table + functions[i].offset, &sym, sizeof sym);
    }
    if (table.git_libgit2_init() < 0) {
        mlo_fail(&open_err, MLO_EUNAVAIL, "libgit2 cannot be initialised");
        return;
    }
    /* A repository of another user is only read here; nothing in it is run. */
    table.git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
}

int mlo_libgit2(const struct libgit2 **ret, struct mlo_err *err)
{
    pthread_once(&once, open_library);
    if (open_err.code) {
        *err = open_err;
        return err->code;
    }
    *ret = &table;
    return 0;
}

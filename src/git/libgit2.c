#include "libgit2.h"

#include <pthread.h>

#include <mlopsctl/base/library.h>
#include <mlopsctl/base/mem.h>

static struct libgit2 table;
static struct mlo_err open_err;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_library(void)
{
    static const struct mlo_library_function functions[] = {
#define X(fn) {#fn, offsetof(struct libgit2, fn)},
        LIBGIT2_FUNCTIONS(X)
#undef X
    };
    static const struct mlo_library lib = {"libgit2", "libgit2.so.1.5", "libgit2-1.5", functions,
                                           MLO_COUNT(functions)};
    if (mlo_library_open(&lib, &table, &open_err) != 0)
        return;
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

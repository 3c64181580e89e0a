/* The table of libarchive's functions; see libarchive.h. */
#include "libarchive.h"

#include <pthread.h>

#include <mlopsctl/base/library.h>

static struct {
    pthread_once_t once;
    struct mlo_libarchive table;
    locale_t utf8;
    struct mlo_err err;
} lib = {.once = PTHREAD_ONCE_INIT};

static void load(void)
{
    static const struct mlo_library_function functions[] = {
#define X(name) {"archive_" #name, offsetof(struct mlo_libarchive, name)},
        MLO_LIBARCHIVE_FUNCTIONS(X)
#undef X
    };
    static const struct mlo_library libarchive = {"libarchive", "libarchive.so.13", "libarchive13", functions,
                                                  MLO_COUNT(functions)};
    if (mlo_library_open(&libarchive, &lib.table, &lib.err) == 0)
        lib.utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

int mlo_libarchive(const struct mlo_libarchive **ret, struct mlo_err *err)
{
    pthread_once(&lib.once, load);
    if (lib.err.code) {
        *err = lib.err;
        return err->code;
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

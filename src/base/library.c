#include <mlopsctl/base/library.h>

#include <dlfcn.h>
#include <string.h>

int mlo_library_open(const struct mlo_library *lib, void *table, struct mlo_err *err)
{
    void *handle = dlopen(lib->soname, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        mlo_fail(err, MLO_EUNAVAIL, "%s cannot be opened: %s", lib->name, dlerror());
        return mlo_hint(err, "install the package %s", lib->package);
    }
    for (size_t i = 0; i < lib->n; i++) {
        void *fn = dlsym(handle, lib->functions[i].symbol);
        if (!fn)
            return mlo_fail(err, MLO_EUNAVAIL, "%s lacks '%s'", lib->soname, lib->functions[i].symbol);
        /* ISO C has no cast from object to function pointer */
        memcpy((char *)table + lib->functions[i].offset, &fn, sizeof fn);
    }
    return 0;
}

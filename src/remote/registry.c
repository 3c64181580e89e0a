#include "internal.h"

int mlo_registry_open(const char *url, const struct mlo_remote_opts *o, struct mlo_remote **ret,
                      struct mlo_err *err)
{
    (void)url;
    (void)o;
    (void)ret;
    return mlo_fail(err, MLO_EUNAVAIL, "this kind of remote is not built yet");
}

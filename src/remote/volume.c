#include "internal.h"

int mlo_volume_open(const char *url, const struct mlo_remote_opts *o, struct mlo_transport *ret,
                    void **ret_self, char **ret_url, struct mlo_err *err)
{
    (void)url;
    (void)o;
    (void)ret;
    (void)ret_self;
    (void)ret_url;
    return mlo_fail(err, MLO_EUNAVAIL, "this kind of remote is not built yet");
}

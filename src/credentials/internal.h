/* What the files of this folder share. */
#ifndef MLO_CREDENTIALS_INTERNAL_H
#define MLO_CREDENTIALS_INTERNAL_H

#include <mlopsctl/base/text.h>
#include <mlopsctl/credentials.h>

struct mlo_credentials {
    struct mlo_credentials_sources from;
};

#endif

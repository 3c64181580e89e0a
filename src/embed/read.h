/* Reading JSON settings: what a member must be, and refusing by name what is not known. */
#ifndef MLO_EMBED_READ_H
#define MLO_EMBED_READ_H

#include "internal.h"

/* MLO_EUNAVAIL for a member that is not in keys, which ends with NULL. */
int mlo_embed_known(const cJSON *obj, const char *const *keys, const char *what,
                    struct mlo_err *err) MLO_MUST_CHECK;
/* An object whose "type" is `type` (absent is taken where `absent`); MLO_EUNAVAIL names any other. */
int mlo_embed_type(const cJSON *obj, const char *type, bool absent, const char *what,
                   struct mlo_err *err) MLO_MUST_CHECK;
/* Absent or null: `otherwise`. MLO_EINVALID for another type. */
int mlo_embed_bool(const cJSON *obj, const char *key, bool otherwise, bool *ret,
                   struct mlo_err *err) MLO_MUST_CHECK;
int mlo_embed_u64(const cJSON *obj, const char *key, uint64_t max, uint64_t otherwise, uint64_t *ret,
                  struct mlo_err *err) MLO_MUST_CHECK;
/* One of `names`, which ends with NULL; MLO_EUNAVAIL for another. */
int mlo_embed_choice(const cJSON *obj, const char *key, const char *const *names, size_t otherwise,
                     size_t *ret, struct mlo_err *err) MLO_MUST_CHECK;

#endif

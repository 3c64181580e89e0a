/* Pieces of the profile's file that its parts share. */
#ifndef MLO_DRIFT_TEXT_H
#define MLO_DRIFT_TEXT_H

#include <mlopsctl/base/json.h>

#include "internal.h"

#define MLO_PROFILE_COUNT_MAX 9007199254740992.0 /* 2^53: what a JSON number holds exactly */

void mlo_profile_put_double(struct mlo_str *out, double v);
void mlo_profile_put_text(struct mlo_str *out, const char *s, size_t n);
void mlo_profile_put_sum(struct mlo_str *out, const struct mlo_exact_sum *sum);
/* The members of a column of texts, with a comma before. */
int mlo_profile_put_categories(struct mlo_str *out, const struct mlo_categories *c,
                               struct mlo_err *err) MLO_MUST_CHECK;
int mlo_profile_get_sum(const cJSON *o, const char *key, struct mlo_exact_sum *ret,
                        struct mlo_err *err) MLO_MUST_CHECK;
int mlo_profile_sum_of(const char *text, const char *key, struct mlo_exact_sum *ret,
                       struct mlo_err *err) MLO_MUST_CHECK;
int mlo_profile_get_double(const cJSON *o, const char *key, double missing, double *ret,
                           struct mlo_err *err) MLO_MUST_CHECK;
int mlo_profile_get_categories(const cJSON *o, struct mlo_categories *k, struct mlo_err *err) MLO_MUST_CHECK;

#endif

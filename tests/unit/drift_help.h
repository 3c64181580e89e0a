/* What the tests of drift share: files of this test, numbers like normal ones, profiles of tables. */
#ifndef MLO_TEST_DRIFT_HELP_H
#define MLO_TEST_DRIFT_HELP_H

#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/drift.h>

#include "tap.h"

static struct mlo_err err;

/* Of this name in the folder of the test; good for the next seven calls. */
static inline const char *path(const char *name)
{
    static char buf[8][MLO_PATH_MAX];
    static int at;
    char *p = buf[at++ % 8];
    snprintf(p, sizeof buf[0], "%s/%s", tap_tmpdir(), name);
    return p;
}

static inline double normal(uint64_t *seed)
{
    double x = -6;
    for (int i = 0; i < 12; i++)
        x += mlo_random_unit(seed);
    return x;
}

/* With `like` its types are the table's. */
static inline struct mlo_profile *profile_with(const char *file, const struct mlo_profile_opts *how,
                                               unsigned threads)
{
    struct mlo_table_opts to = {.threads = threads};
    struct mlo_table *t = NULL;
    struct mlo_profile *p = NULL;
    MLO_AUTOFREE struct mlo_table_column *types = NULL;
    if (how->like) {
        check_ok(mlo_profile_columns(how->like, &types, &to.n_types, &err), &err);
        to.types = types;
    }
    check_ok(mlo_table_open(&file, 1, &to, &t, &err), &err);
    check_ok(mlo_profile_table(t, how, &p, &err), &err);
    mlo_table_close(t);
    return p;
}

static inline char *text_of(const struct mlo_profile *p)
{
    struct mlo_str s;
    mlo_str_init(&s, MLO_STR_MAX);
    check_ok(mlo_profile_write(p, &s, &err), &err);
    return mlo_str_detach(&s, NULL);
}

#endif

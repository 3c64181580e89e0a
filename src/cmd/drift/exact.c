/* drift --exact and --tests: what was asked for, and the table of statistics that come from the values. */
#include <math.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#include "drift.h"

/* ---- --tests ---- */

static const struct {
    const char *word;
    unsigned bit;
} tests[] = {
    {"cvm", MLO_DRIFT_TEST_CRAMER_VON_MISES},
    {"ad", MLO_DRIFT_TEST_ANDERSON_DARLING},
    {"es", MLO_DRIFT_TEST_EPPS_SINGLETON},
    {"all",
     MLO_DRIFT_TEST_CRAMER_VON_MISES | MLO_DRIFT_TEST_ANDERSON_DARLING | MLO_DRIFT_TEST_EPPS_SINGLETON},
};

static unsigned bit_of(const char *word, size_t n)
{
    for (size_t i = 0; i < MLO_COUNT(tests); i++)
        if (strlen(tests[i].word) == n && strncmp(tests[i].word, word, n) == 0)
            return tests[i].bit;
    return 0;
}

int mlo_drift_exact_choose(const struct mlo_drift_args *o, struct mlo_drift_opts *ret, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    ret->exact = o->exact || o->tests;
    ret->threads = (unsigned)o->threads;
    for (const char *word = o->tests; word && *word;) {
        size_t n = strcspn(word, ",");
        unsigned bit = bit_of(word, n);
        if (!bit) {
            mlo_fail(err, MLO_EUSAGE, "there is no test '%s'", mlo_shown(word, n, shown));
            return mlo_hint(err, "cvm, ad, es or all, with commas between");
        }
        ret->tests |= bit;
        word += n + (word[n] == ',');
    }
    return 0;
}

/* ---- the table ---- */

static const struct mlo_column columns[] = {
    {"column", "COLUMN", MLO_CELL_TEXT},
    {"ks", "KS", MLO_CELL_DOUBLE},
    {"ks_p", "P", MLO_CELL_DOUBLE},
    {"ks_at", "AT", MLO_CELL_DOUBLE},
    {"wasserstein", "W1/SD", MLO_CELL_DOUBLE},
    {"energy", "ENERGY", MLO_CELL_DOUBLE},
    {"cramer_von_mises", "CVM", MLO_CELL_DOUBLE},
    {"cramer_von_mises_p", "P", MLO_CELL_DOUBLE},
    {"anderson_darling", "AD", MLO_CELL_DOUBLE},
    {"anderson_darling_p", "P", MLO_CELL_DOUBLE},
    {"epps_singleton", "ES", MLO_CELL_DOUBLE},
    {"epps_singleton_p", "P", MLO_CELL_DOUBLE},
};
#define ALWAYS ((size_t)6) /* of them; the others come with --tests */

static void put_test(struct mlo_report *r, const struct mlo_test *t, bool wanted, bool json)
{
    bool there = wanted && t->why == MLO_STAT_OK;
    mlo_drift_put(r, t->statistic, there, json);
    mlo_drift_put(r, t->p, there, json);
}

static void put_row(struct mlo_report *r, const struct mlo_drift_column *c, unsigned wanted, bool json)
{
    mlo_cell_text(r, c->name);
    mlo_drift_put(r, c->ks.statistic, true, json);
    mlo_drift_put(r, c->ks.p, true, json);
    mlo_drift_put(r, c->ks.at, true, json);
    mlo_drift_put(r, c->wasserstein, isfinite(c->wasserstein), json);
    mlo_drift_put(r, c->energy, true, json);
    if (wanted) {
        put_test(r, &c->cramer_von_mises, wanted & MLO_DRIFT_TEST_CRAMER_VON_MISES, json);
        put_test(r, &c->anderson_darling, wanted & MLO_DRIFT_TEST_ANDERSON_DARLING, json);
        put_test(r, &c->epps_singleton, wanted & MLO_DRIFT_TEST_EPPS_SINGLETON, json);
    }
}

void mlo_drift_exact_show(struct mlo_ctx *ctx, const struct mlo_drift_opts *o,
                          const struct mlo_drift_report *d)
{
    if (!o->exact)
        return;
    mlo_report_table(ctx->report, "exact", "statistics of the values, without bins", columns,
                     o->tests ? MLO_COUNT(columns) : ALWAYS, "no column of numbers was compared");
    for (size_t i = 0; i < d->n_columns; i++)
        if (d->columns[i].exact)
            put_row(ctx->report, &d->columns[i], o->tests, ctx->json);
}

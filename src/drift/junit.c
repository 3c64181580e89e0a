/*
 * The report as JUnit XML: one test case for the table, one for each column and fact. What changed while the
 * table as a whole stands is skipped, so that the file and the exit status say the same.
 */
#include <mlopsctl/base/ci.h>

#include "internal.h"

static enum mlo_ci_outcome outcome_of(const struct mlo_drift_report *r, bool alarm, bool counts,
                                      enum mlo_verdict v)
{
    if (alarm)
        return counts && r->verdict == MLO_VERDICT_DRIFT ? MLO_CI_FAILED : MLO_CI_SKIPPED;
    return v == MLO_VERDICT_IGNORED || v == MLO_VERDICT_NEW ? MLO_CI_SKIPPED : MLO_CI_PASSED;
}

int mlo_drift_junit(const struct mlo_drift_report *r, struct mlo_str *out, struct mlo_err *err)
{
    size_t n = 0;
    MLO_AUTOFREE struct mlo_ci_case *cases = mlo_calloc(1 + r->n_columns + r->n_facts, sizeof *cases, err);
    MLO_AUTOFREE char *titles = mlo_calloc(r->n_facts + 1, MLO_FACT_TITLE_MAX, err);
    if (!cases || !titles)
        return MLO_EIO;
    cases[n++] = (struct mlo_ci_case){"table", "the whole table",
                                      outcome_of(r, r->verdict == MLO_VERDICT_DRIFT, true, r->verdict),
                                      "drift", r->sentence};
    for (size_t i = 0; i < r->n_columns; i++) {
        const struct mlo_drift_column *c = &r->columns[i];
        cases[n++] = (struct mlo_ci_case){
            "column", c->name,
            outcome_of(r, mlo_drift_is_alarm(c), mlo_drift_column_counts(r, c), c->verdict),
            mlo_verdict_word(c->verdict), c->why};
    }
    for (size_t i = 0; i < r->n_facts; i++) {
        const struct mlo_drift_fact *f = &r->facts[i];
        cases[n++] = (struct mlo_ci_case){
            f->kind, mlo_fact_title(f, titles + i * MLO_FACT_TITLE_MAX),
            outcome_of(r, f->verdict == MLO_VERDICT_DRIFT, mlo_drift_fact_counts(r, f), f->verdict),
            mlo_verdict_word(f->verdict), f->why};
    }
    mlo_ci_junit(out, "drift", cases, n);
    return mlo_str_check(out, err);
}

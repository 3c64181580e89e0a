/* The report as annotations of GitHub Actions. A step keeps ten annotations of a kind, so the sentence comes
 * first and the worst columns follow. */
#include <mlopsctl/base/ci.h>

#include "internal.h"

#define SHOWN_MAX 9 /* the tenth is the sentence */

static void put(struct mlo_str *out, const char *level, const char *of, const char *text)
{
    mlo_ci_github(out, &(struct mlo_ci_note){.level = level, .title = "drift", .of = of, .text = text});
}

static const char *level(bool counts)
{
    return counts ? "error" : "warning";
}

int mlo_drift_github(const struct mlo_drift_report *r, struct mlo_str *out, struct mlo_err *err)
{
    bool drift = r->verdict == MLO_VERDICT_DRIFT;
    char title[MLO_FACT_TITLE_MAX];
    size_t shown = 0;
    put(out, drift ? "error" : "notice", NULL, r->sentence);
    for (size_t i = 0; i < r->n_facts && shown < SHOWN_MAX; i++)
        if (r->facts[i].verdict == MLO_VERDICT_DRIFT) {
            put(out, level(drift && mlo_drift_fact_counts(r, &r->facts[i])),
                mlo_fact_title(&r->facts[i], title), r->facts[i].why);
            shown++;
        }
    for (size_t i = 0; i < r->n_columns && shown < SHOWN_MAX; i++)
        if (mlo_drift_is_alarm(&r->columns[i])) {
            put(out, level(drift && mlo_drift_column_counts(r, &r->columns[i])), r->columns[i].name,
                r->columns[i].why);
            shown++;
        }
    return mlo_str_check(out, err);
}

/*
 * The report as workflow commands of GitHub Actions, which shows them as annotations
 * (docs.github.com, "Workflow commands for GitHub Actions": data escapes % CR LF, properties also : and ,).
 * A step keeps ten annotations of a kind, so the sentence comes first and the worst columns follow.
 */
#include <string.h>

#include "internal.h"
#include "spell.h"

#define SHOWN_MAX 9 /* the tenth is the sentence */

static const struct mlo_spelling data[] = {{'%', "%25"}, {'\r', "%0D"}, {'\n', "%0A"}, {0}};
static const struct mlo_spelling property[] = {{'%', "%25"}, {'\r', "%0D"}, {'\n', "%0A"},
                                               {':', "%3A"}, {',', "%2C"},  {0}};

static void put(struct mlo_str *out, const char *level, const char *of, const char *text)
{
    mlo_str_addf(out, "::%s title=drift", level);
    if (of) {
        mlo_str_add(out, " in ");
        mlo_spell(out, of, strlen(of), property);
    }
    mlo_str_add(out, "::");
    mlo_spell(out, text, strlen(text), data);
    mlo_str_addc(out, '\n');
}

int mlo_drift_github(const struct mlo_drift_report *r, struct mlo_str *out, struct mlo_err *err)
{
    const char *level = r->verdict == MLO_VERDICT_DRIFT ? "error" : "warning";
    size_t shown = 0;
    put(out, r->verdict == MLO_VERDICT_DRIFT ? "error" : "notice", NULL, r->sentence);
    for (size_t i = 0; i < r->n_facts && shown < SHOWN_MAX; i++)
        if (r->facts[i].verdict == MLO_VERDICT_DRIFT) {
            put(out, level, r->facts[i].name, r->facts[i].why);
            shown++;
        }
    for (size_t i = 0; i < r->n_columns && shown < SHOWN_MAX; i++)
        if (mlo_drift_is_alarm(&r->columns[i])) {
            put(out, level, r->columns[i].name, r->columns[i].why);
            shown++;
        }
    return mlo_str_check(out, err);
}

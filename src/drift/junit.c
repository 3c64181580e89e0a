/*
 * The report as JUnit XML, as CI systems read it: one test case for the table, one for each column and fact.
 * The form: https://github.com/testmoapp/junitxml. What changed while the table as a whole stands is skipped,
 * so that the file and the exit status say the same.
 */
#include <string.h>

#include "internal.h"
#include "spell.h"

enum outcome { PASSED, FAILED, SKIPPED };

struct totals {
    size_t cases, failed, skipped;
};

static enum outcome outcome_of(const struct mlo_drift_report *r, bool alarm, enum mlo_verdict v)
{
    if (alarm)
        return r->verdict == MLO_VERDICT_DRIFT ? FAILED : SKIPPED;
    return v == MLO_VERDICT_IGNORED || v == MLO_VERDICT_NEW ? SKIPPED : PASSED;
}

static enum outcome column_outcome(const struct mlo_drift_report *r, size_t i)
{
    return outcome_of(r, mlo_drift_is_alarm(&r->columns[i]), r->columns[i].verdict);
}

static enum outcome fact_outcome(const struct mlo_drift_report *r, size_t i)
{
    return outcome_of(r, r->facts[i].verdict == MLO_VERDICT_DRIFT, r->facts[i].verdict);
}

static void count(struct totals *t, enum outcome o)
{
    t->cases++;
    t->failed += o == FAILED;
    t->skipped += o == SKIPPED;
}

static void put_attribute(struct mlo_str *out, const char *name, const char *value)
{
    mlo_str_addf(out, " %s=\"", name);
    mlo_spell_markup(out, value);
    mlo_str_addc(out, '"');
}

static void put_case(struct mlo_str *out, const char *group, const char *name, enum outcome o,
                     const char *verdict, const char *why)
{
    mlo_str_addf(out, "    <testcase classname=\"drift.%s\"", group);
    put_attribute(out, "name", name);
    if (o == PASSED) {
        mlo_str_add(out, "/>\n");
        return;
    }
    mlo_str_addf(out, ">\n      <%s", o == FAILED ? "failure" : "skipped");
    if (o == FAILED)
        put_attribute(out, "type", verdict);
    put_attribute(out, "message", why);
    mlo_str_add(out, "/>\n    </testcase>\n");
}

static struct totals totals_of(const struct mlo_drift_report *r)
{
    struct totals t = {0};
    count(&t, r->verdict == MLO_VERDICT_DRIFT ? FAILED : PASSED);
    for (size_t i = 0; i < r->n_columns; i++)
        count(&t, column_outcome(r, i));
    for (size_t i = 0; i < r->n_facts; i++)
        count(&t, fact_outcome(r, i));
    return t;
}

int mlo_drift_junit(const struct mlo_drift_report *r, struct mlo_str *out, struct mlo_err *err)
{
    struct totals t = totals_of(r);
    mlo_str_add(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"mlopsctl drift\">\n");
    mlo_str_addf(out,
                 "  <testsuite name=\"drift\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"%zu\">\n",
                 t.cases, t.failed, t.skipped);
    put_case(out, "table", "the whole table", r->verdict == MLO_VERDICT_DRIFT ? FAILED : PASSED, "drift",
             r->sentence);
    for (size_t i = 0; i < r->n_columns; i++) {
        const struct mlo_drift_column *c = &r->columns[i];
        put_case(out, "column", c->name, column_outcome(r, i), mlo_verdict_word(c->verdict), c->why);
    }
    for (size_t i = 0; i < r->n_facts; i++) {
        const struct mlo_drift_fact *f = &r->facts[i];
        put_case(out, f->kind, f->name, fact_outcome(r, i), mlo_verdict_word(f->verdict), f->why);
    }
    mlo_str_add(out, "  </testsuite>\n</testsuites>\n");
    return mlo_str_check(out, err);
}

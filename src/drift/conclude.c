/*
 * The verdict of the whole. Features count together: drift when their share that changed reaches the limit.
 * Everything else (predictions, labels, facts) is drift by itself. Of either only the kinds that the user
 * wants to fail on.
 */
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#include "internal.h"

/* ---- kinds ---- */

static const struct {
    const char *word;
    enum mlo_drift_kind kind;
} kinds[] = {{"feature", MLO_DRIFT_FEATURE},     {"prediction", MLO_DRIFT_PREDICTION},
             {"concept", MLO_DRIFT_CONCEPT},     {"quality", MLO_DRIFT_QUALITY},
             {"operation", MLO_DRIFT_OPERATION}, {"performance", MLO_DRIFT_PERFORMANCE}};

static unsigned kind_named(const char *word, size_t n)
{
    for (size_t i = 0; i < MLO_COUNT(kinds); i++)
        if (strlen(kinds[i].word) == n && memcmp(kinds[i].word, word, n) == 0)
            return kinds[i].kind;
    return 0;
}

const char *mlo_drift_kinds_words(unsigned mask, char buf[MLO_DRIFT_KINDS_MAX])
{
    size_t n = 0;
    buf[0] = '\0';
    for (size_t i = 0; i < MLO_COUNT(kinds); i++)
        if (mask & kinds[i].kind)
            n += (size_t)snprintf(buf + n, MLO_DRIFT_KINDS_MAX - n, "%s%s", n ? ", " : "", kinds[i].word);
    return buf;
}

int mlo_drift_kinds_parse(const char *list, unsigned *ret, struct mlo_err *err)
{
    static const char between[] = ", ";
    unsigned found = 0;
    char shown[MLO_SHOWN];
    for (list += strspn(list, between); *list; list += strspn(list, between)) {
        size_t n = strcspn(list, between);
        unsigned kind = kind_named(list, n);
        if (!kind) {
            mlo_fail(err, MLO_EUSAGE, "there is no kind of drift called '%s'", mlo_shown(list, n, shown));
            return mlo_hint(err,
                            "feature, prediction, concept, performance, quality and operation are the kinds");
        }
        found |= kind;
        list += n;
    }
    if (!found)
        return mlo_fail(err, MLO_EUSAGE, "no kind of drift is named");
    *ret = found;
    return 0;
}

enum mlo_drift_kind mlo_drift_column_kind(const struct mlo_drift_column *c)
{
    if (c->verdict != MLO_VERDICT_DRIFT || mlo_drift_missing_jumped(c))
        return MLO_DRIFT_QUALITY;
    /* Labels move with the inputs too: by themselves they are no sign that the concept moved. */
    return c->role == MLO_ROLE_FEATURE ? MLO_DRIFT_FEATURE : MLO_DRIFT_PREDICTION;
}

/* ---- what counts ---- */

static bool counts_kind(const struct mlo_drift_report *r, unsigned kind)
{
    return ((r->fail_on ? r->fail_on : MLO_DRIFT_ALL) & kind) != 0;
}

bool mlo_drift_is_alarm(const struct mlo_drift_column *c)
{
    return c->role != MLO_ROLE_IGNORE &&
           (c->verdict == MLO_VERDICT_DRIFT || c->verdict == MLO_VERDICT_VANISHED ||
            c->verdict == MLO_VERDICT_TYPE || (c->verdict == MLO_VERDICT_EMPTY && c->n_reference > 0));
}

bool mlo_drift_column_counts(const struct mlo_drift_report *r, const struct mlo_drift_column *c)
{
    return mlo_drift_is_alarm(c) && counts_kind(r, mlo_drift_column_kind(c));
}

bool mlo_drift_fact_counts(const struct mlo_drift_report *r, const struct mlo_drift_fact *f)
{
    return f->verdict == MLO_VERDICT_DRIFT && counts_kind(r, kind_named(f->kind, strlen(f->kind)));
}

struct tally {
    double weight, drifted;                         /* of features */
    size_t features, others, facts;                 /* alarms that count */
    size_t columns, alarms;                         /* compared, changed */
    const struct mlo_drift_column *column;          /* the worst of all that changed */
    const struct mlo_drift_column *feature, *other; /* the worst that count */
    const struct mlo_drift_fact *fact;              /* the first that counts */
};

static void count_column(struct tally *t, const struct mlo_drift_report *r, const struct mlo_drift_column *c)
{
    bool alarm = mlo_drift_is_alarm(c), counts = mlo_drift_column_counts(r, c);
    double weight = c->importance > 0 ? c->importance : 1;
    if (!alarm && !c->counts_reference)
        return;
    t->columns++;
    t->alarms += alarm;
    t->column = alarm && !t->column ? c : t->column;
    if (c->role == MLO_ROLE_FEATURE) {
        t->weight += weight;
        t->drifted += counts ? weight : 0;
        t->features += counts;
        t->feature = counts && !t->feature ? c : t->feature;
    } else {
        t->others += counts;
        t->other = counts && !t->other ? c : t->other;
    }
}

static void count_facts(struct tally *t, const struct mlo_drift_report *r)
{
    for (size_t i = 0; i < r->n_facts; i++) {
        bool counts = mlo_drift_fact_counts(r, &r->facts[i]);
        if (counts && !t->fact)
            t->fact = &r->facts[i];
        t->facts += counts;
    }
}

/* ---- the sentence ---- */

/* At most so many bytes of a text, whole characters only. */
static int length_within(const char *text, size_t max)
{
    size_t n = strlen(text);
    return (int)(n > max ? mlo_utf8_cut(text, max) : n);
}

static void say_columns(const struct tally *t, char *to, size_t size)
{
    if (t->alarms == 0)
        snprintf(to, size, "none of %zu columns changed beyond its limits", t->columns);
    else
        snprintf(to, size, "%zu of %zu columns changed, most of all %.*s (%.80s)", t->alarms, t->columns,
                 length_within(t->column->name, 80), t->column->name, t->column->why);
}

static void say(const struct tally *t, struct mlo_drift_report *r)
{
    char columns[sizeof r->sentence];
    say_columns(t, columns, sizeof columns);
    if (!t->fact)
        snprintf(r->sentence, sizeof r->sentence, "%s: %.240s",
                 r->verdict == MLO_VERDICT_DRIFT ? "drift" : "no drift", columns);
    else
        snprintf(r->sentence, sizeof r->sentence, "drift: %.40s (%.90s); %.*s", t->fact->name, t->fact->why,
                 length_within(columns, 100), columns);
}

static bool features_drifted(const struct tally *t, const struct mlo_drift_report *r)
{
    return t->features > 0 && t->drifted / t->weight >= r->share_limit;
}

enum mlo_verdict mlo_drift_weigh(const struct mlo_drift_report *r, const struct mlo_drift_column *columns,
                                 size_t n, double *ret_share)
{
    struct tally t = {0};
    for (size_t i = 0; i < n; i++)
        count_column(&t, r, &columns[i]);
    *ret_share = t.weight > 0 ? t.drifted / t.weight : 0;
    return features_drifted(&t, r) || t.others > 0 ? MLO_VERDICT_DRIFT : MLO_VERDICT_STABLE;
}

void mlo_drift_conclude(struct mlo_drift_report *r)
{
    struct tally t = {0};
    for (size_t i = 0; i < r->n_columns; i++)
        count_column(&t, r, &r->columns[i]);
    count_facts(&t, r);
    r->share_drifted = t.weight > 0 ? t.drifted / t.weight : 0;
    bool features = features_drifted(&t, r);
    r->verdict = features || t.others + t.facts > 0 ? MLO_VERDICT_DRIFT : MLO_VERDICT_STABLE;
    if (features || t.other) /* name what made the table drift */
        t.column = features && (!t.other || t.feature < t.other) ? t.feature : t.other;
    say(&t, r);
}

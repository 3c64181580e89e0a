/*
 * The report in Prometheus' text exposition format 0.0.4, for the textfile collector of node_exporter. The
 * format asks that all samples of a metric stand together, so the columns are walked once for each metric.
 */
#include <math.h>
#include <string.h>

#include <mlopsctl/html.h>

#include "internal.h"

static const struct mlo_spelling label_value[] = {{'\\', "\\\\"}, {'"', "\\\""}, {'\n', "\\n"}, {0}};

static void put_label(struct mlo_str *out, const char *name, const char *value)
{
    mlo_str_addf(out, "%s=\"", name);
    mlo_spell(out, value, strlen(value), label_value);
    mlo_str_addc(out, '"');
}

static void put_value(struct mlo_str *out, double v)
{
    if (isfinite(v))
        mlo_str_addf(out, " %.10g\n", v);
    else
        mlo_str_add(out, isnan(v) ? " NaN\n" : v > 0 ? " +Inf\n" : " -Inf\n");
}

static void begin(struct mlo_str *out, const char *name, const char *help)
{
    mlo_str_addf(out, "# HELP mlopsctl_drift%s %s\n# TYPE mlopsctl_drift%s gauge\n", name, help, name);
}

static void put_whole(struct mlo_str *out, const char *name, const char *help, double v)
{
    begin(out, name, help);
    mlo_str_addf(out, "mlopsctl_drift%s", name);
    put_value(out, v);
}

/* ---- columns ---- */

static bool is_compared(const struct mlo_drift_column *c)
{
    return c->counts_reference != NULL;
}

static bool is_number(const struct mlo_drift_column *c)
{
    return is_compared(c) && c->type != MLO_COLUMN_TEXT;
}

static bool is_any(const struct mlo_drift_column *c)
{
    return c->name != NULL;
}

static double alarm_of(const struct mlo_drift_column *c)
{
    return mlo_drift_is_alarm(c);
}

static double psi_of(const struct mlo_drift_column *c)
{
    return c->psi;
}

static double noise_of(const struct mlo_drift_column *c)
{
    return c->psi_noise.level95;
}

static double limit_of(const struct mlo_drift_column *c)
{
    return c->limits.psi;
}

static double p_of(const struct mlo_drift_column *c)
{
    return c->p_adjusted;
}

static double ks_of(const struct mlo_drift_column *c)
{
    return c->ks.statistic;
}

static double wasserstein_of(const struct mlo_drift_column *c)
{
    return c->wasserstein;
}

static double missing_of(const struct mlo_drift_column *c)
{
    return c->missing_current;
}

static double missing_change_of(const struct mlo_drift_column *c)
{
    return c->missing_current - c->missing_reference;
}

static double new_of(const struct mlo_drift_column *c)
{
    return (double)c->n_new;
}

static const struct metric {
    const char *name, *help;
    bool (*has)(const struct mlo_drift_column *c);
    double (*value)(const struct mlo_drift_column *c);
} metrics[] = {
    {"_column", "1 when the column counts as changed.", is_any, alarm_of},
    {"_column_psi", "Population stability index of the column.", is_compared, psi_of},
    {"_column_psi_limit", "The PSI above which the column has drifted.", is_compared, limit_of},
    {"_column_psi_noise", "The PSI that 95 of 100 samples without drift stay below.", is_compared, noise_of},
    {"_column_p_value", "p-value of the column, adjusted over all columns.", is_compared, p_of},
    {"_column_ks", "Kolmogorov-Smirnov statistic of the column.", is_number, ks_of},
    {"_column_wasserstein", "Wasserstein distance in standard deviations of the reference.", is_number,
     wasserstein_of},
    {"_column_missing_ratio", "Share of missing values in the current data.", is_compared, missing_of},
    {"_column_missing_change", "Missing share now less that of the reference.", is_compared,
     missing_change_of},
    {"_column_new_categories", "Categories that the reference does not have.", is_compared, new_of},
};

static void put_columns(struct mlo_str *out, const struct mlo_drift_report *r, const struct metric *m)
{
    begin(out, m->name, m->help);
    for (size_t i = 0; i < r->n_columns; i++)
        if (m->has(&r->columns[i])) {
            mlo_str_addf(out, "mlopsctl_drift%s{", m->name);
            put_label(out, "column", r->columns[i].name);
            mlo_str_addc(out, '}');
            put_value(out, m->value(&r->columns[i]));
        }
}

/* ---- facts ---- */

static void put_fact(struct mlo_str *out, const struct mlo_drift_fact *f, const char *side, double v)
{
    mlo_str_add(out, "mlopsctl_drift_fact{");
    put_label(out, "name", f->name);
    mlo_str_addc(out, ',');
    put_label(out, "kind", f->kind);
    mlo_str_addc(out, ',');
    put_label(out, "column", f->column ? f->column : "");
    mlo_str_addf(out, ",estimate=\"%d\",data=\"%s\"}", f->estimate, side);
    put_value(out, v);
}

static void put_facts(struct mlo_str *out, const struct mlo_drift_report *r)
{
    if (r->n_facts == 0)
        return;
    begin(out, "_fact", "What is not of one column: accuracy, latency and the like.");
    for (size_t i = 0; i < r->n_facts; i++) {
        if (isnan(r->facts[i].current))
            continue;
        if (!isnan(r->facts[i].reference))
            put_fact(out, &r->facts[i], "reference", r->facts[i].reference);
        put_fact(out, &r->facts[i], "current", r->facts[i].current);
    }
}

/* ---- the last window ---- */

static void put_last_window(struct mlo_str *out, const struct mlo_drift_report *r)
{
    if (r->n_windows == 0)
        return;
    const struct mlo_drift_window *w = &r->windows[r->n_windows - 1];
    put_whole(out, "_window", "1 when the last window has drifted.", w->verdict == MLO_VERDICT_DRIFT);
    put_whole(out, "_window_rows", "Rows of the last window.", (double)w->rows);
    put_whole(out, "_window_share", "Share of features that changed in the last window.", w->share_drifted);
    if (w->to_ns)
        put_whole(out, "_window_end_seconds", "When the last window ends, since 1970.",
                  (double)w->to_ns / 1e9);
    begin(out, "_window_psi", "Population stability index of the column in the last window.");
    for (size_t i = 0; w->psi && i < r->n_columns; i++)
        if (!isnan(w->psi[i])) {
            mlo_str_add(out, "mlopsctl_drift_window_psi{");
            put_label(out, "column", r->columns[i].name);
            mlo_str_addc(out, '}');
            put_value(out, w->psi[i]);
        }
}

int mlo_drift_prometheus(const struct mlo_drift_report *r, struct mlo_str *out, struct mlo_err *err)
{
    put_whole(out, "", "1 when the current data has drifted.", r->verdict == MLO_VERDICT_DRIFT);
    put_whole(out, "_share", "Share of features that changed.", r->share_drifted);
    begin(out, "_rows", "Rows that were compared.");
    mlo_str_add(out, "mlopsctl_drift_rows{data=\"reference\"}");
    put_value(out, (double)r->rows_reference);
    mlo_str_add(out, "mlopsctl_drift_rows{data=\"current\"}");
    put_value(out, (double)r->rows_current);
    for (size_t i = 0; i < MLO_COUNT(metrics); i++)
        put_columns(out, r, &metrics[i]);
    put_facts(out, r);
    put_last_window(out, r);
    return mlo_str_check(out, err);
}

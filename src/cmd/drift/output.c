/* What mlopsctl drift found: the table of columns on the terminal or as JSON, and the report in its other
 * forms. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>

#include "drift.h"

#define SHOWN_STABLE ((size_t)10) /* columns without drift in the text, unless --all */

/* ---- the table ---- */

static const struct mlo_column short_columns[] = {
    /* what fits a terminal */
    {"column", "COLUMN", MLO_CELL_TEXT},
    {"verdict", "VERDICT", MLO_CELL_TEXT},
    {"psi", "PSI", MLO_CELL_DOUBLE},
    {"psi_noise", "NOISE 95%", MLO_CELL_DOUBLE},
    {"p", "ADJUSTED P", MLO_CELL_DOUBLE},
    {"ks", "KS", MLO_CELL_DOUBLE},
    {"wasserstein", "W1/SD", MLO_CELL_DOUBLE},
    {"missing_reference", "MISSING", MLO_CELL_DOUBLE},
    {"missing_current", "NOW", MLO_CELL_DOUBLE},
    {"why", "WHY", MLO_CELL_TEXT},
};
static const struct mlo_column columns[] = {
    {"column", "", MLO_CELL_TEXT},
    {"type", "", MLO_CELL_TEXT},
    {"role", "", MLO_CELL_TEXT},
    {"verdict", "", MLO_CELL_TEXT},
    {"psi", "", MLO_CELL_DOUBLE},
    {"psi_limit", "", MLO_CELL_DOUBLE},
    {"psi_noise", "", MLO_CELL_DOUBLE},
    {"p", "", MLO_CELL_DOUBLE},
    {"js", "", MLO_CELL_DOUBLE},
    {"ks", "", MLO_CELL_DOUBLE},
    {"wasserstein", "", MLO_CELL_DOUBLE},
    {"missing_reference", "", MLO_CELL_DOUBLE},
    {"missing_current", "", MLO_CELL_DOUBLE},
    {"missing_p", "", MLO_CELL_DOUBLE},
    {"outside", "", MLO_CELL_DOUBLE},
    {"new", "", MLO_CELL_U64},
    {"vanished", "", MLO_CELL_U64},
    {"importance", "", MLO_CELL_DOUBLE},
    {"why", "", MLO_CELL_TEXT},
};

static double rounded(double v, bool json)
{
    char text[32];
    if (json || !isfinite(v))
        return v;
    snprintf(text, sizeof text, "%.3g", v);
    return strtod(text, NULL);
}

void mlo_drift_put(struct mlo_report *r, double v, bool there, bool json)
{
    if (there)
        mlo_cell_double(r, rounded(v, json));
    else
        mlo_cell_none(r);
}

static void put_short_row(struct mlo_report *r, const struct mlo_drift_column *c)
{
    bool compared = c->counts_reference != NULL, number = compared && c->type != MLO_COLUMN_TEXT;
    mlo_cell_text(r, c->name);
    mlo_cell_text(r, mlo_verdict_word(c->verdict));
    mlo_drift_put(r, c->psi, compared, false);
    mlo_drift_put(r, c->psi_noise.level95, compared, false);
    mlo_drift_put(r, c->p_adjusted, compared, false);
    mlo_drift_put(r, c->ks.statistic, number, false);
    mlo_drift_put(r, c->wasserstein, number, false);
    mlo_drift_put(r, c->missing_reference, compared, false);
    mlo_drift_put(r, c->missing_current, compared, false);
    mlo_cell_text(r, c->why);
}

static void put_categories(struct mlo_report *r, uint64_t n, bool there)
{
    if (there)
        mlo_cell_u64(r, n);
    else
        mlo_cell_none(r);
}

static void put_row(struct mlo_report *r, const struct mlo_drift_column *c)
{
    bool compared = c->counts_reference != NULL, text = compared && c->type == MLO_COLUMN_TEXT;
    mlo_cell_text(r, c->name);
    mlo_cell_text(r, mlo_column_type_words[c->type]);
    mlo_cell_text(r, mlo_role_word(c->role));
    mlo_cell_text(r, mlo_verdict_word(c->verdict));
    mlo_drift_put(r, c->psi, compared, true);
    mlo_drift_put(r, c->limits.psi, compared, true);
    mlo_drift_put(r, c->psi_noise.level95, compared, true);
    mlo_drift_put(r, c->p_adjusted, compared, true);
    mlo_drift_put(r, c->js, compared, true);
    mlo_drift_put(r, c->ks.statistic, compared && !text, true);
    mlo_drift_put(r, c->wasserstein, compared && !text, true);
    mlo_drift_put(r, c->missing_reference, compared, true);
    mlo_drift_put(r, c->missing_current, compared, true);
    mlo_drift_put(r, c->missing_p_adjusted, compared, true);
    mlo_drift_put(r, c->outside, compared && !text, true);
    put_categories(r, c->n_new, text);
    put_categories(r, c->n_vanished, text);
    mlo_drift_put(r, c->importance, c->importance > 0, true);
    mlo_cell_text(r, c->why);
}

static bool is_quiet(const struct mlo_drift_column *c)
{
    return c->verdict == MLO_VERDICT_STABLE || c->verdict == MLO_VERDICT_CONSTANT ||
           c->verdict == MLO_VERDICT_IGNORED;
}

static void put_columns(struct mlo_ctx *ctx, const struct mlo_drift_report *d, bool all)
{
    size_t quiet = 0, left_out = 0;
    if (ctx->json)
        mlo_report_table(ctx->report, "columns", NULL, columns, MLO_COUNT(columns), "no columns");
    else
        mlo_report_table(ctx->report, "columns", NULL, short_columns, MLO_COUNT(short_columns), "no columns");
    for (size_t i = 0; i < d->n_columns; i++) {
        const struct mlo_drift_column *c = &d->columns[i];
        quiet += is_quiet(c);
        if (!ctx->json && !all && is_quiet(c) && quiet > SHOWN_STABLE)
            left_out++;
        else
            (ctx->json ? put_row : put_short_row)(ctx->report, c);
    }
    if (left_out)
        mlo_report_note(ctx->report, "%zu more columns without drift: --all shows them", left_out);
}

/* ---- facts ---- */

static const struct mlo_column fact_columns[] = {
    {"name", "FACT", MLO_CELL_TEXT},
    {"kind", "KIND", MLO_CELL_TEXT},
    {"column", "COLUMN", MLO_CELL_TEXT},
    {"estimate", "ESTIMATE", MLO_CELL_BOOL},
    {"verdict", "VERDICT", MLO_CELL_TEXT},
    {"reference", "REFERENCE", MLO_CELL_DOUBLE},
    {"current", "NOW", MLO_CELL_DOUBLE},
    {"change_low", "CHANGE FROM", MLO_CELL_DOUBLE},
    {"change_high", "TO", MLO_CELL_DOUBLE},
    {"limit", "LIMIT", MLO_CELL_DOUBLE},
    {"p", "P", MLO_CELL_DOUBLE},
    {"why", "WHY", MLO_CELL_TEXT},
};
static const struct mlo_column short_fact_columns[] = {
    {"name", "FACT", MLO_CELL_TEXT},       {"kind", "KIND", MLO_CELL_TEXT},
    {"verdict", "VERDICT", MLO_CELL_TEXT}, {"reference", "REFERENCE", MLO_CELL_DOUBLE},
    {"current", "NOW", MLO_CELL_DOUBLE},   {"p", "P", MLO_CELL_DOUBLE},
    {"why", "WHY", MLO_CELL_TEXT},
};

static void put_finite(struct mlo_report *r, double v, bool json)
{
    mlo_drift_put(r, v, isfinite(v), json);
}

static void put_fact(struct mlo_report *r, const struct mlo_drift_fact *f)
{
    mlo_cell_text(r, f->name);
    mlo_cell_text(r, f->kind);
    if (f->column)
        mlo_cell_text(r, f->column);
    else
        mlo_cell_none(r);
    mlo_cell_u64(r, f->estimate);
    mlo_cell_text(r, mlo_verdict_word(f->verdict));
    put_finite(r, f->reference, true);
    put_finite(r, f->current, true);
    put_finite(r, f->interval.low, true);
    put_finite(r, f->interval.high, true);
    put_finite(r, f->limit, true);
    put_finite(r, f->p, true);
    mlo_cell_text(r, f->why);
}

static void put_short_fact(struct mlo_report *r, const struct mlo_drift_fact *f)
{
    mlo_cell_text(r, f->name);
    mlo_cell_text(r, f->kind);
    mlo_cell_text(r, mlo_verdict_word(f->verdict));
    put_finite(r, f->reference, false);
    put_finite(r, f->current, false);
    put_finite(r, f->p, false);
    mlo_cell_text(r, f->why);
}

static void put_facts(struct mlo_ctx *ctx, const struct mlo_drift_report *d)
{
    struct mlo_report *r = ctx->report;
    if (ctx->json)
        mlo_report_table(r, "facts", NULL, fact_columns, MLO_COUNT(fact_columns), "no facts");
    else if (d->n_facts > 0)
        mlo_report_table(r, "facts", NULL, short_fact_columns, MLO_COUNT(short_fact_columns), "no facts");
    for (size_t i = 0; i < d->n_facts; i++)
        (ctx->json ? put_fact : put_short_fact)(r, &d->facts[i]);
}

void mlo_drift_show(struct mlo_ctx *ctx, const struct mlo_drift_args *o, const struct mlo_drift_report *d)
{
    struct mlo_report *r = ctx->report;
    if (ctx->json) {
        mlo_report_bool(r, "drift", "drift", d->verdict == MLO_VERDICT_DRIFT);
        mlo_report_text(r, "verdict", "verdict", d->sentence);
        mlo_report_u64(r, "rows_reference", "reference rows", d->rows_reference);
        mlo_report_u64(r, "rows_current", "current rows", d->rows_current);
        mlo_report_u64(r, "ragged_reference", "reference lines that are no rows", d->ragged_reference);
        mlo_report_u64(r, "ragged_current", "current lines that are no rows", d->ragged_current);
        mlo_report_double(r, "share_drifted", "share drifted", d->share_drifted);
        mlo_report_double(r, "share_limit", "drift from", d->share_limit);
    } else {
        mlo_report_say(r, "%s", d->sentence);
    }
    put_facts(ctx, d);
    put_columns(ctx, d, o->all);
    if (d->n_windows > 0)
        mlo_drift_show_windows(ctx, d, o->all);
}

/* ---- other forms ---- */

static int write_form(const struct mlo_drift_report *d,
                      int (*form)(const struct mlo_drift_report *, struct mlo_str *, struct mlo_err *),
                      const char *path, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    int rc = path ? form(d, &text, err) : 0;
    return rc == 0 && path ? mlo_result_write(path, &text, err) : rc;
}

static int annotate(const struct mlo_drift_report *d, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    int rc = mlo_drift_github(d, &text, err);
    return rc == 0 ? mlo_write_all(STDERR_FILENO, text.ptr, text.len, err) : rc;
}

int mlo_drift_write(const struct mlo_drift_args *o, const struct mlo_drift_report *d, struct mlo_err *err)
{
    int rc = write_form(d, mlo_drift_html, o->html, err);
    if (rc == 0)
        rc = write_form(d, mlo_drift_junit, o->junit, err);
    if (rc == 0)
        rc = write_form(d, mlo_drift_prometheus, o->prometheus, err);
    return rc == 0 && o->github ? annotate(d, err) : rc;
}

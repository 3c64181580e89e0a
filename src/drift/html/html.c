/*
 * The report as one page: no network, no script needed to read it, the same bytes for the same report. The
 * verdict comes first, then what was compared, one table, and the columns in full.
 */
#include <string.h>

#include "html.h"

/* Columns in full, worst first, while there is room; the others are rows of the table. So a page of 50
 * columns stays below 150 KB. */
#define DETAILS_ROOM_EACH ((size_t)2350)
#define DETAILS_ROOM_MIN  ((size_t)50 * DETAILS_ROOM_EACH)
#define DETAILS_MAX       ((size_t)100)
#define OPEN_MAX          ((size_t)5) /* of them open at once */

/* ---- verdict and facts ---- */

static void put_verdict(struct mlo_str *out, const struct mlo_drift_report *r)
{
    bool drift = r->verdict == MLO_VERDICT_DRIFT;
    mlo_html_verdict_begin(out, drift ? "a" : "s", drift ? "\u25b2" : "\u2713", r->sentence);
    mlo_str_addf(out, "<p>Exit status %d.</p>", drift ? 1 : 0);
    mlo_html_verdict_end(out);
}

static void put_side(struct mlo_str *out, const char *title, const char *name, uint64_t rows, uint64_t ragged)
{
    mlo_str_addf(out, "<div><dt>%s</dt><dd>", title);
    if (name) {
        mlo_spell_markup(out, name);
        mlo_str_add(out, "<br/>");
    }
    mlo_spell_count(out, rows);
    mlo_str_add(out, " rows");
    if (ragged) {
        mlo_str_add(out, ", ");
        mlo_spell_count(out, ragged);
        mlo_str_add(out, " lines that are no rows left out");
    }
    mlo_str_add(out, "</dd></div>");
}

static size_t with_verdict(const struct mlo_drift_report *r, enum mlo_verdict v)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n_columns; i++)
        n += r->columns[i].verdict == v;
    return n;
}

static void put_count(struct mlo_str *out, const struct mlo_drift_report *r, enum mlo_verdict v)
{
    size_t n = with_verdict(r, v);
    if (n)
        mlo_str_addf(out, " \u00b7 %zu %s", n, mlo_verdict_word(v));
}

static void put_facts(struct mlo_str *out, const struct mlo_drift_report *r)
{
    mlo_str_add(out, "<dl class=\"facts\">");
    put_side(out, "Reference", r->name_reference, r->rows_reference, r->ragged_reference);
    put_side(out, "Current", r->name_current, r->rows_current, r->ragged_current);
    mlo_str_addf(out, "<div><dt>Columns</dt><dd>%zu in all", r->n_columns);
    for (int v = MLO_VERDICT_STABLE; v <= MLO_VERDICT_IGNORED; v++)
        put_count(out, r, (enum mlo_verdict)v);
    mlo_str_add(out, "</dd></div><div><dt>Share that changed</dt><dd>");
    mlo_spell_percent(out, r->share_drifted);
    if (r->share_limit > 0) {
        mlo_str_add(out, ", drift from ");
        mlo_spell_percent(out, r->share_limit);
    } else {
        mlo_str_add(out, ", any one is drift");
    }
    mlo_str_add(out, "</dd></div></dl>\n");
}

/* ---- the table ---- */

static const char *const types[] = {[MLO_COLUMN_NUMBER] = "number",
                                    [MLO_COLUMN_TEXT] = "text",
                                    [MLO_COLUMN_BOOL] = "truth",
                                    [MLO_COLUMN_TIME] = "time"};

static void put_missing(struct mlo_str *out, const struct mlo_drift_column *c)
{
    if (c->missing_reference + c->missing_current <= 0) {
        mlo_str_add(out, "<td>0 %</td>");
        return;
    }
    mlo_str_addf(out, "<td data-v=\"%.4g\">", c->missing_current - c->missing_reference);
    mlo_spell_percent(out, c->missing_reference);
    mlo_str_add(out, " \u2192 ");
    mlo_spell_percent(out, c->missing_current);
    mlo_str_add(out, "</td>");
}

static void put_measures(struct mlo_str *out, const struct mlo_drift_column *c)
{
    mlo_str_addf(out, "<td>%.3f ", c->psi);
    mlo_svg_bar(out, c->psi, c->limits.psi, c->psi_noise.level95);
    mlo_str_addf(out, "</td><td>%.3f</td><td>", c->psi_noise.level95);
    mlo_spell_p(out, c->p_adjusted);
    mlo_str_add(out, "</td>");
    if (mlo_is_compared_number(c)) {
        mlo_str_addf(out, "<td>%.3f</td><td>%.3f</td>", c->ks.statistic, c->wasserstein);
    } else {
        mlo_str_add(out, "<td></td><td></td>");
    }
    put_missing(out, c);
    mlo_str_add(out, "<td>");
    if (c->type == MLO_COLUMN_TEXT)
        mlo_spell_count(out, c->n_new);
    mlo_str_add(out, "</td>");
}

/* Nothing that does not stand in the row already. */
static bool says_psi_alone(const struct mlo_drift_column *c)
{
    return c->verdict == MLO_VERDICT_STABLE && c->psi <= c->limits.psi;
}

static void put_row(struct mlo_str *out, const struct mlo_drift_column *c, size_t id, bool detail,
                    bool importance)
{
    struct mlo_look look = mlo_look_of_column(c);
    mlo_str_addf(out, "<tr class=\"%s\"><th scope=\"row\">", look.hue);
    if (detail)
        mlo_str_addf(out, "<a href=\"#c%zu\">", id);
    mlo_spell_short(out, c->name, strlen(c->name));
    mlo_str_add(out, detail ? "</a></th>" : "</th>");
    mlo_html_verdict(out, look);
    if (mlo_is_compared(c))
        put_measures(out, c);
    else
        mlo_str_add(out, "<td></td><td></td><td></td><td></td><td></td><td></td><td></td>");
    if (importance)
        mlo_str_addf(out, "<td>%.3g</td>", c->importance);
    mlo_str_addf(out, "<td>%s</td><td>", types[c->type]);
    if (!says_psi_alone(c))
        mlo_spell_markup(out, c->why);
    mlo_str_add(out, "</td></tr>\n");
}

static bool has_importance(const struct mlo_drift_report *r)
{
    for (size_t i = 0; i < r->n_columns; i++)
        if (r->columns[i].importance > 0)
            return true;
    return false;
}

/* full: how many of the columns, from the first, are shown in full below. */
static void put_table(struct mlo_str *out, const struct mlo_drift_report *r, size_t full)
{
    static const struct mlo_html_head with[] = {{"Column", false}, {"Verdict", false}, {"PSI", true},
                                                {"Noise", true},   {"Adj. p", true},   {"KS", true},
                                                {"W1/sd", true},   {"Missing", true},  {"New", true},
                                                {"Weight", true},  {"Type", false},    {"Why", false}};
    static const struct mlo_html_head without[] = {
        {"Column", false}, {"Verdict", false}, {"PSI", true}, {"Noise", true}, {"Adj. p", true}, {"KS", true},
        {"W1/sd", true},   {"Missing", true},  {"New", true}, {"Type", false}, {"Why", false}};
    bool importance = has_importance(r);
    mlo_str_add(out,
                "<section><h2>Columns</h2><table id=\"t\" class=\"sort\"><caption>Worst first. Bars: PSI, "
                "with its limit "
                "(solid line) and noise (dotted line), which 95 of 100 samples without drift stay below; "
                "length is the square root, full at 1.</caption>");
    mlo_html_thead(out, importance ? with : without, importance ? MLO_COUNT(with) : MLO_COUNT(without));
    for (size_t i = 0; i < r->n_columns; i++)
        put_row(out, &r->columns[i], i, i < full && mlo_is_compared(&r->columns[i]), importance);
    mlo_str_add(out, "</tbody></table></section>\n");
}

/* Returns how many of the columns, from the first, went in. */
static size_t put_columns(struct mlo_str *out, const struct mlo_drift_report *r)
{
    size_t room = DETAILS_ROOM_EACH * r->n_columns, shown = 0, open = 0, i = 0;
    if (room < DETAILS_ROOM_MIN)
        room = DETAILS_ROOM_MIN;
    for (; i < r->n_columns && shown < DETAILS_MAX && out->len < room; i++) {
        bool alarm = mlo_drift_is_alarm(&r->columns[i]);
        if (!mlo_is_compared(&r->columns[i]))
            continue;
        mlo_html_detail(out, &r->columns[i], i, alarm && open < OPEN_MAX);
        open += alarm;
        shown++;
    }
    return i;
}

static size_t compared_from(const struct mlo_drift_report *r, size_t i)
{
    size_t n = 0;
    for (; i < r->n_columns; i++)
        n += mlo_is_compared(&r->columns[i]);
    return n;
}

static void put_details(struct mlo_str *out, const struct mlo_drift_report *r, const struct mlo_str *columns,
                        size_t full)
{
    size_t others = compared_from(r, full);
    mlo_str_add(
        out, "<section id=\"d\"><h2>Columns in full</h2><p class=\"legend\"><svg class=\"g\" viewBox=\"0 0 "
             "12 12\" aria-hidden=\"true\"><path class=\"r\" d=\"M0 1h12v10H0z\"/></svg> reference: filled, "
             "dashed <svg class=\"g\" viewBox=\"0 0 12 12\" aria-hidden=\"true\"><path class=\"c\" d=\"M1 "
             "11V1h10v10\"/></svg> now: outlined, solid</p>\n");
    mlo_str_addn(out, columns->ptr, columns->len);
    if (others > 0)
        mlo_str_addf(out, "<p>%zu more columns are rows of the table only.</p>", others);
    mlo_str_add(out, "</section>\n");
}

int mlo_drift_html(const struct mlo_drift_report *r, struct mlo_str *out, struct mlo_err *err)
{
    static const struct mlo_html_page page = {"Drift report", mlo_drift_style, mlo_drift_script, true};
    MLO_AUTOSTR struct mlo_str columns;
    mlo_str_init(&columns, out->max);
    size_t full = put_columns(&columns, r);
    int rc = mlo_str_check(&columns, err);
    if (rc == 0)
        rc = mlo_html_begin(out, &page, err);
    if (rc != 0)
        return rc;
    put_verdict(out, r);
    put_facts(out, r);
    mlo_html_facts(out, r);
    mlo_html_windows(out, r);
    put_table(out, r, full);
    put_details(out, r, &columns, full);
    mlo_html_method(out, r);
    mlo_html_end(out, &page);
    return mlo_str_check(out, err);
}

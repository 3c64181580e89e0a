/* The parts of the report's page. Every one appends to a string whose failure sticks; the page checks once.
 */
#ifndef MLO_DRIFT_HTML_H
#define MLO_DRIFT_HTML_H

#include <mlopsctl/html.h>

#include "drift/internal.h"

/* ---- assets.c: neither holds '<' or '&', so that the page is well-formed XML too ---- */

extern const char mlo_drift_style[], mlo_drift_script[];

/* ---- look.c: state in a word, a symbol and a hue ---- */

struct mlo_look {
    const char *hue; /* class: "a" alarm, "s" stable, "n" neither */
    const char *symbol, *word;
};
struct mlo_look mlo_look_of(enum mlo_verdict v, bool alarm);
static inline struct mlo_look mlo_look_of_column(const struct mlo_drift_column *c)
{
    return mlo_look_of(c->verdict, mlo_drift_is_alarm(c));
}
/* <td class="a">symbol word</td> */
void mlo_html_verdict(struct mlo_str *out, struct mlo_look look);
static inline bool mlo_is_compared(const struct mlo_drift_column *c)
{
    return c->counts_reference != NULL;
}
static inline bool mlo_is_compared_number(const struct mlo_drift_column *c)
{
    return mlo_is_compared(c) && c->type != MLO_COLUMN_TEXT;
}

/* ---- detail.c: one column, in full; id: its place in the report ---- */

void mlo_html_detail(struct mlo_str *out, const struct mlo_drift_column *c, size_t id, bool open);

/* ---- more.c: sections that stand only where the report has something for them ---- */

void mlo_html_facts(struct mlo_str *out, const struct mlo_drift_report *r);
void mlo_html_method(struct mlo_str *out, const struct mlo_drift_report *r);

/* ---- time.c: drift over time, where there are windows ---- */

void mlo_html_windows(struct mlo_str *out, const struct mlo_drift_report *r);

/* ---- svg.c: coordinates are whole numbers ---- */

/* PSI as a bar with its limit (line) and its noise (dotted); below 0: not drawn. */
void mlo_svg_bar(struct mlo_str *out, double psi, double limit, double noise);
/* Two shares as bars, the longest of the list being `longest`. */
void mlo_svg_pair(struct mlo_str *out, double reference, double current, double longest);
void mlo_svg_histogram(struct mlo_str *out, const struct mlo_drift_column *c);
void mlo_svg_ecdf(struct mlo_str *out, const struct mlo_drift_column *c);
/* Worst PSI of each window, with limit and noise of the column that has it. */
void mlo_svg_windows(struct mlo_str *out, const struct mlo_drift_report *r);
/* The PSI of one column in each window, with its limit. */
void mlo_svg_series(struct mlo_str *out, const struct mlo_drift_report *r, size_t column);

#endif

/* The parts of the pages of benchmarks. */
#ifndef MLO_BENCH_PAGE_H
#define MLO_BENCH_PAGE_H

#include <mlopsctl/html.h>

#include "internal.h"

/* ---- page_parts.c ---- */

extern const struct mlo_html_page mlo_page_of_bench, mlo_page_of_history;

/* "12 ms", "1.24 us". */
void mlo_page_time(struct mlo_str *out, double ns);
/* <td> of it, which is sorted by its nanoseconds. */
void mlo_page_time_cell(struct mlo_str *out, double ns);
/* "12.3": three digits. */
void mlo_page_figure(struct mlo_str *out, double v);

/* From a value to a coordinate. */
struct mlo_scale {
    double from, to;
    int first, last; /* coordinates of these */
    bool log;        /* from > 0 */
};
int mlo_scale_at(const struct mlo_scale *s, double v);

/* Class of what a limit binds: "b0" and so on. */
void mlo_page_bound(struct mlo_str *out, enum mlo_bound b);

/* ---- page_charts.c ---- */

/* With the limits of the page that are of its machine. */
void mlo_page_roofline(struct mlo_str *out, const struct mlo_explained *e, const struct mlo_bench_page *p);
/* Time of the steps, in their order, as bars. */
void mlo_page_steps(struct mlo_str *out, const struct mlo_explained *e);
void mlo_page_times(struct mlo_str *out, const struct mlo_page_case *c);

#endif

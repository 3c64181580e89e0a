/* Other tools' numbers: what their methods share (compat.c), and one file for each tool. */
#ifndef MLO_DRIFT_COMPAT_H
#define MLO_DRIFT_COMPAT_H

#include "drift/internal.h"

/* ---- frame.c: a table in memory, in order of its rows ---- */

#define MLO_FRAME_VALUES_MAX ((size_t)1 << 28) /* of a table: 2 GB */

struct mlo_words; /* texts as numbers, the same for both sides */
int mlo_words_new(struct mlo_words **ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_words_free(struct mlo_words *w);

struct mlo_frame_column {
    char *name;
    enum mlo_column_type type;
    bool integral;         /* whole numbers, none missing: what pandas calls an integer */
    double *values;        /* of each row; texts as numbers; NaN: missing */
    size_t n_there, n_bad; /* bad: not of the column's type */
};
struct mlo_frame {
    struct mlo_frame_column *columns;
    size_t n_columns, rows, cap;
};
/* t must have been opened for one thread. */
int mlo_frame_read(struct mlo_table *t, struct mlo_words *words, struct mlo_frame *ret,
                   struct mlo_err *err) MLO_MUST_CHECK;
/* When both sides are read: the numbers of texts in their order. */
int mlo_frames_rank(const struct mlo_words *words, struct mlo_frame *a, struct mlo_frame *b,
                    struct mlo_err *err) MLO_MUST_CHECK;
void mlo_frame_release(struct mlo_frame *f);

/* ---- compat.c ---- */

struct mlo_compat_values { /* those that are there, sorted; owned */
    double *x;
    size_t n;
};
int mlo_compat_values(const double *values, size_t rows, struct mlo_compat_values *ret,
                      struct mlo_err *err) MLO_MUST_CHECK;
void mlo_compat_values_release(struct mlo_compat_values *v);
size_t mlo_compat_distinct(const struct mlo_compat_values *v);

struct mlo_counts { /* of both sides; owned */
    double *keys;   /* the values that are counted; NULL for bins */
    uint64_t *a, *b;
    size_t n;
};
void mlo_counts_release(struct mlo_counts *c);
/* Every value that either side has. */
int mlo_counts_of_values(const struct mlo_compat_values *x, const struct mlo_compat_values *y,
                         struct mlo_counts *ret, struct mlo_err *err) MLO_MUST_CHECK;

struct mlo_edges { /* as numpy makes and reads them: the last bin holds its upper edge; owned */
    double *at;
    size_t bins;
};
void mlo_edges_release(struct mlo_edges *e);
int mlo_edges_even(double low, double high, size_t bins, struct mlo_edges *ret,
                   struct mlo_err *err) MLO_MUST_CHECK;
/* width 0: one bin. */
int mlo_edges_of_width(double low, double high, double width, struct mlo_edges *ret,
                       struct mlo_err *err) MLO_MUST_CHECK;
/* counts: bins of them. */
void mlo_edges_count(const struct mlo_edges *e, const struct mlo_compat_values *v, uint64_t *counts);

struct mlo_compat_column { /* what a tool looks at */
    const struct mlo_frame_column *reference, *current;
    size_t rows_reference, rows_current;
    struct mlo_compat_values x, y;
    const char *method;                     /* NULL: the tool's default */
    struct mlo_drift_compat_report *report; /* rows are added here */
};
/* A row with all but the column's name and kind. */
int mlo_compat_add(struct mlo_compat_column *c, const struct mlo_drift_compat_row *row,
                   struct mlo_err *err) MLO_MUST_CHECK;

/* One column each; MLO_EUSAGE: no such method. */
int mlo_compat_evidently(struct mlo_compat_column *c, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_compat_nannyml(struct mlo_compat_column *c, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_compat_deepchecks(struct mlo_compat_column *c, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_compat_scipy(struct mlo_compat_column *c, struct mlo_err *err) MLO_MUST_CHECK;

#endif

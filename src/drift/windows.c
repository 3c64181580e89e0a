/*
 * Counts by time, in the same pass as the profile. A window keeps about ten counts a column, not a profile:
 * the bins of PSI for numbers, the most frequent texts of the reference, what is missing. So a thousand
 * windows fit into memory, and every worker has its own until the end.
 */
#include "internal.h"

#include <string.h>

#include <mlopsctl/base/text.h>

int mlo_windows_new(const struct mlo_window_span *span, struct mlo_windows **ret, struct mlo_err *err)
{
    struct mlo_windows *w = mlo_calloc(1, sizeof *w, err);
    if (!w)
        return MLO_EIO;
    w->span = *span;
    *ret = w;
    return 0;
}

static void release_set(struct mlo_window_set *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->list[i].counts);
    free(s->list);
    *s = (struct mlo_window_set){0};
}

void mlo_windows_free(struct mlo_windows *w)
{
    if (!w)
        return;
    for (size_t i = 0; w->columns && i < w->n_columns; i++)
        free(w->columns[i].bin_of);
    for (unsigned k = 0; k < w->workers; k++) {
        release_set(&w->sets[k]);
        free(w->scratch[k].counts);
    }
    free(w->columns);
    free(w->reference);
    free(w->sets);
    free(w->scratch);
    free(w);
}

/* ---- bins ---- */

static int text_bins(struct mlo_window_column *c, struct mlo_err *err)
{
    const struct mlo_categories *k = &c->reference->categories;
    MLO_AUTOFREE const struct mlo_category **list = NULL;
    int rc = mlo_categories_sorted(k, &list, err);
    c->bin_of = rc == 0 ? mlo_calloc(k->cap + 1, sizeof *c->bin_of, err) : NULL;
    if (!c->bin_of)
        return MLO_EIO;
    size_t n = k->count < MLO_WINDOW_TEXTS ? k->count : MLO_WINDOW_TEXTS;
    memset(c->bin_of, (int)n, k->cap + 1);
    for (size_t i = 0; i < n; i++)
        c->bin_of[list[i] - k->slots] = (uint8_t)i;
    c->bins = n + 2; /* others, missing */
    return 0;
}

static void number_bins(struct mlo_window_column *c)
{
    size_t fine[MLO_COARSE_EDGES];
    c->n_edges = mlo_coarse_edges(c->reference, fine);
    for (size_t i = 0; i < c->n_edges; i++)
        c->edges[i] = c->reference->bins.edges[fine[i] - 1];
    c->bins = c->n_edges + 2;
}

static size_t number_bin(const struct mlo_window_column *c, double v)
{
    size_t bin = 0;
    for (size_t i = 0; i < c->n_edges; i++)
        bin += v >= c->edges[i];
    return bin;
}

static size_t text_bin(const struct mlo_window_column *c, struct mlo_slice s)
{
    const struct mlo_categories *k = &c->reference->categories;
    const struct mlo_category *found = mlo_categories_find(k, s.ptr, s.len);
    return found ? c->bin_of[found - k->slots] : c->bins - 2;
}

/* ---- the reference in the same bins ---- */

static void count_reference(const struct mlo_window_column *c, uint64_t *counts)
{
    const struct mlo_profile_column *r = c->reference;
    counts[c->bins - 1] = r->missing + r->nan + r->bad;
    if (r->type != MLO_COLUMN_TEXT) {
        for (size_t i = 0; i <= r->bins.n_edges; i++) /* fine bins never cross a coarse edge */
            counts[i == 0 ? 0 : number_bin(c, r->bins.edges[i - 1])] += r->counts[i];
        return;
    }
    for (size_t i = 0; i < r->categories.cap; i++)
        if (r->categories.slots[i].text)
            counts[c->bin_of[i]] += r->categories.slots[i].count;
    counts[c->bins - 2] += r->categories.left_out;
}

static bool is_counted(const struct mlo_profile_column *r, const struct mlo_table_column *c)
{
    return r && r->type == c->type && r->type != MLO_COLUMN_TIME && r->role != MLO_ROLE_IGNORE &&
           !mlo_role_is_operation(r->role) && r->role != MLO_ROLE_TIME && r->n > 0;
}

static int make_columns(struct mlo_windows *w, const struct mlo_table_column *columns,
                        const struct mlo_profile *like, struct mlo_err *err)
{
    for (size_t i = 0; i < w->n_columns; i++) {
        struct mlo_window_column *c = &w->columns[i];
        const struct mlo_profile_column *r = mlo_profile_find(like, columns[i].name);
        int rc = 0;
        if (!is_counted(r, &columns[i]))
            continue;
        c->reference = r;
        if (r->type == MLO_COLUMN_TEXT)
            rc = text_bins(c, err);
        else
            number_bins(c);
        if (rc != 0)
            return rc;
        c->at = w->width;
        w->width += c->bins;
    }
    w->reference = mlo_calloc(w->width + 1, sizeof *w->reference, err);
    for (size_t i = 0; w->reference && i < w->n_columns; i++)
        if (w->columns[i].reference)
            count_reference(&w->columns[i], w->reference + w->columns[i].at);
    return w->reference ? 0 : MLO_EIO;
}

static int begin(struct mlo_windows *w, struct mlo_table *t, const struct mlo_profile_opts *opts,
                 struct mlo_err *err)
{
    const struct mlo_table_column *columns = mlo_table_columns(t, &w->n_columns);
    if (!opts->like || mlo_table_workers(t) > mlo_profile_threads(opts, mlo_table_workers(t)))
        return mlo_fail(err, MLO_EINTERNAL,
                        "windows without a reference, or rows in order on several threads");
    int rc = w->span.unit == MLO_WINDOW_ROWS ? 0 : mlo_table_time(t, opts->time_column, &w->time, err);
    if (rc != 0)
        return rc;
    w->columns = mlo_calloc(w->n_columns + 1, sizeof *w->columns, err);
    w->sets = mlo_calloc(mlo_table_workers(t), sizeof *w->sets, err);
    w->scratch = mlo_calloc(mlo_table_workers(t), sizeof *w->scratch, err);
    if (!w->columns || !w->sets || !w->scratch)
        return MLO_EIO;
    w->workers = mlo_table_workers(t);
    return make_columns(w, columns, opts->like, err);
}

/* ---- the windows of one worker ---- */

static int too_many(const struct mlo_windows *w, struct mlo_err *err)
{
    mlo_fail(err, MLO_EUSAGE, "more than %zu windows", MLO_WINDOWS_MAX);
    return mlo_hint(err, w->span.unit == MLO_WINDOW_ROWS
                             ? "take more rows to a window"
                             : "take a longer --window, or a shorter time with --from");
}

/* Where in the set a window that begins at `from` is, or belongs. */
static size_t place_of(const struct mlo_window_set *s, int64_t from)
{
    size_t low = 0, high = s->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->list[middle].time.from_ns < from)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int window_at(const struct mlo_windows *w, struct mlo_window_set *s, struct mlo_span time,
                     struct mlo_window **ret, struct mlo_err *err)
{
    size_t at = place_of(s, time.from_ns);
    if (at == s->n || s->list[at].time.from_ns != time.from_ns) {
        if (s->n == MLO_WINDOWS_MAX)
            return too_many(w, err);
        int rc = mlo_grow(&s->list, &s->cap, s->n + 1, sizeof *s->list, err);
        uint64_t *counts = rc == 0 ? mlo_calloc(w->width + 1, sizeof *counts, err) : NULL;
        if (!counts)
            return MLO_EIO;
        memmove(&s->list[at + 1], &s->list[at], (s->n - at) * sizeof *s->list);
        s->list[at] = (struct mlo_window){.time = time, .counts = counts};
        s->n++;
    }
    s->last = at;
    *ret = &s->list[at];
    return 0;
}

/* The window of a row; rows of one time often stand together. */
static int window_of(struct mlo_windows *w, struct mlo_window_set *s, int64_t t, struct mlo_window **ret,
                     struct mlo_err *err)
{
    if (s->n > 0 && s->list[s->last].time.from_ns <= t && t < s->list[s->last].time.to_ns) {
        *ret = &s->list[s->last];
        return 0;
    }
    return window_at(w, s, mlo_window_around(w->span.unit, t), ret, err);
}

static int window_of_rows(struct mlo_windows *w, struct mlo_window_set *s, struct mlo_window **ret,
                          struct mlo_err *err)
{
    int64_t number = (int64_t)(w->next_row++ / w->span.rows);
    if (s->n > 0 && s->list[s->last].time.from_ns == number) {
        *ret = &s->list[s->last];
        return 0;
    }
    return window_at(w, s, (struct mlo_span){number, number + 1}, ret, err);
}

/* counts[r]: of the window that row r is in; NULL when it tells no time. */
static int assign(struct mlo_windows *w, unsigned worker, const struct mlo_batch *b, uint64_t **counts,
                  struct mlo_err *err)
{
    struct mlo_window_set *s = &w->sets[worker];
    int rc = 0;
    for (size_t r = 0; rc == 0 && r < b->n_rows; r++) {
        struct mlo_window *in = NULL;
        int64_t t = 0;
        if (w->span.unit == MLO_WINDOW_ROWS)
            rc = window_of_rows(w, s, &in, err);
        else if (mlo_batch_time(&b->columns[w->time], r, &t))
            rc = window_of(w, s, t, &in, err);
        else
            w->scratch[worker].undated++;
        counts[r] = in ? in->counts : NULL;
        if (in)
            in->rows++;
    }
    return rc;
}

/* ---- counting ---- */

static size_t bin_of(const struct mlo_window_column *c, const struct mlo_batch_column *b, size_t row)
{
    if (b->cell && b->cell[row] != MLO_CELL_OK)
        return c->bins - 1;
    if (!c->bin_of)
        return number_bin(c, b->numbers[row]);
    return text_bin(c, b->codes ? b->dictionary[b->codes[row]] : b->texts[row]);
}

static void count_column(const struct mlo_window_column *c, const struct mlo_batch_column *b, size_t rows,
                         uint64_t *const *counts)
{
    for (size_t r = 0; r < rows; r++)
        if (counts[r])
            counts[r][c->at + bin_of(c, b, r)]++;
}

static int count_batch(struct mlo_windows *w, unsigned worker, const struct mlo_batch *b, struct mlo_err *err)
{
    uint64_t ***counts = &w->scratch[worker].counts;
    int rc = mlo_grow(counts, &w->scratch[worker].cap, b->n_rows, sizeof **counts, err);
    if (rc == 0)
        rc = assign(w, worker, b, *counts, err);
    for (size_t i = 0; rc == 0 && i < w->n_columns; i++)
        if (w->columns[i].reference)
            count_column(&w->columns[i], &b->columns[i], b->n_rows, *counts);
    return rc;
}

static int merge(struct mlo_windows *w, struct mlo_err *err)
{
    for (unsigned k = 1; k < w->workers; k++) {
        for (size_t i = 0; i < w->sets[k].n; i++) {
            const struct mlo_window *from = &w->sets[k].list[i];
            struct mlo_window *to = NULL;
            int rc = window_at(w, &w->sets[0], from->time, &to, err);
            if (rc != 0)
                return rc;
            to->rows += from->rows;
            for (size_t at = 0; at < w->width; at++)
                to->counts[at] += from->counts[at];
        }
        release_set(&w->sets[k]);
    }
    return 0;
}

/* ---- the scan ---- */

unsigned mlo_profile_threads(const struct mlo_profile_opts *opts, unsigned wanted)
{
    return opts->windows && opts->windows->span.unit == MLO_WINDOW_ROWS ? 1 : wanted;
}

struct scan {
    struct mlo_windows *windows;
    mlo_batch_fn fn;
    void *ctx;
};

static int on_batch(void *ctx, unsigned worker, const struct mlo_batch *b, struct mlo_err *err)
{
    struct scan *s = ctx;
    int rc = count_batch(s->windows, worker, b, err);
    return rc == 0 ? s->fn(s->ctx, worker, b, err) : rc;
}

static int check_times(const struct mlo_scan_result *st, const char *column, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    if (st->rows == 0 || st->undated < st->rows)
        return 0;
    mlo_fail(err, MLO_EUSAGE, "column '%s' holds no time that can be read",
             mlo_shown(column, strlen(column), shown));
    return mlo_hint(err, "times look like 2026-11-21T09:30:00Z, or are seconds since 1970");
}

int mlo_windows_scan(struct mlo_windows *w, struct mlo_table *t, const struct mlo_profile_opts *opts,
                     mlo_batch_fn fn, void *ctx, struct mlo_scan_result *ret, struct mlo_err *err)
{
    struct scan s = {w, fn, ctx};
    struct mlo_scan_result st = {0};
    int rc = begin(w, t, opts, err);
    if (rc == 0)
        rc = mlo_table_scan(t, on_batch, &s, &st, err);
    for (unsigned k = 0; k < w->workers; k++)
        st.undated += w->scratch[k].undated;
    if (rc == 0)
        rc = check_times(&st, mlo_table_columns(t, &w->n_columns)[w->time].name, err);
    if (rc == 0)
        rc = merge(w, err);
    if (rc == 0)
        *ret = st;
    return rc;
}

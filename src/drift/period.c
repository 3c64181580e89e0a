/* Rows by when they came about: those of a period alone, the others counted and left out. */
#include "internal.h"

#include <math.h>
#include <string.h>

#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>

/* ---- the time of a row ---- */

/* Numbers since 1970: seconds up to the year 5138, larger ones in thousandths and so on. */
static bool time_from_number(double v, int64_t *ret_ns)
{
    double size = fabs(v);
    double unit = size < 1e11 ? 1e9 : size < 1e14 ? 1e6 : size < 1e17 ? 1e3 : 1;
    if (!(size * unit < 9.2e18))
        return false;
    double whole = floor(v); /* seconds as such keep their digits */
    *ret_ns = (int64_t)whole * (int64_t)unit + (int64_t)((v - whole) * unit);
    return true;
}

/* Nanoseconds since 1970 have more digits than a double keeps: a column of such numbers is text. */
static bool time_from_digits(struct mlo_slice s, int64_t *ret_ns)
{
    enum { NS_DIGITS = 19 };
    uint64_t v = 0;
    if (s.len != NS_DIGITS)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        v = v * 10 + (uint64_t)(s.ptr[i] - '0');
    }
    *ret_ns = (int64_t)v;
    return v <= INT64_MAX;
}

static bool time_from_text(struct mlo_slice s, int64_t *ret_ns)
{
    return mlo_cell_time(s.ptr, s.len, ret_ns) || time_from_digits(s, ret_ns);
}

bool mlo_time_of(const struct mlo_batch_column *c, size_t row, int64_t *ret_ns)
{
    if (c->cell && c->cell[row] != MLO_CELL_OK)
        return false;
    if (c->times) {
        *ret_ns = c->times[row];
        return true;
    }
    if (c->numbers)
        return time_from_number(c->numbers[row], ret_ns);
    return time_from_text(c->codes ? c->dictionary[c->codes[row]] : c->texts[row], ret_ns);
}

static const char *given_column(const struct mlo_profile_opts *o)
{
    const char *name = o->time_column;
    for (size_t i = 0; !name && i < o->n_roles; i++)
        if (o->roles[i].role == MLO_ROLE_TIME)
            name = o->roles[i].name;
    return name || !o->like ? name : mlo_profile_column_of(o->like, MLO_ROLE_TIME);
}

static int only_column(const struct mlo_table_column *columns, size_t n, size_t *ret, struct mlo_err *err)
{
    size_t found = n;
    for (size_t i = 0; i < n; i++) {
        if (columns[i].type != MLO_COLUMN_TIME)
            continue;
        if (found < n) {
            mlo_fail(err, MLO_EUSAGE, "columns '%s' and '%s' both hold times", columns[found].name,
                     columns[i].name);
            return mlo_hint(err, "say with --time which of them tells when a row came about");
        }
        found = i;
    }
    if (found == n) {
        mlo_fail(err, MLO_EUSAGE, "no column holds times");
        return mlo_hint(err, "--time names the column that tells when a row came about");
    }
    *ret = found;
    return 0;
}

static int find_time(const struct mlo_profile_opts *o, struct mlo_table *t, size_t *ret, struct mlo_err *err)
{
    size_t n, at = 0;
    const struct mlo_table_column *columns = mlo_table_columns(t, &n);
    const char *name = given_column(o);
    char shown[MLO_SHOWN];
    for (size_t i = 0; !name && i < n; i++) /* a request log says which */
        if (columns[i].origin == MLO_ORIGIN_REQUEST && columns[i].type == MLO_COLUMN_TIME)
            name = columns[i].name;
    if (!name)
        return only_column(columns, n, ret, err);
    while (at < n && strcmp(columns[at].name, name) != 0)
        at++;
    if (at == n)
        return mlo_fail(err, MLO_ENOTFOUND, "no column '%s', which is to tell the time",
                        mlo_shown(name, strlen(name), shown));
    *ret = at;
    return 0;
}

static int check_times(const struct mlo_scan_result *st, uint64_t timeless, const char *column,
                       struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    if (st->rows == 0 || timeless < st->rows)
        return 0;
    mlo_fail(err, MLO_EUSAGE, "column '%s' holds no time that can be read",
             mlo_shown(column, strlen(column), shown));
    return mlo_hint(err, "times look like 2026-11-21T09:30:00Z, or are seconds since 1970");
}

/* ---- the rows of a period ---- */

struct picked { /* rows of one column: of each array that the batch has, those that stay */
    void *arrays[5];
    size_t caps[5];
};
struct chooser { /* of one worker */
    struct picked *columns;
    struct mlo_batch_column *views;
    uint32_t *rows;
    size_t cap_rows;
    uint64_t kept, outside, timeless;
};
struct choice {
    const struct mlo_profile_opts *opts;
    mlo_batch_fn fn;
    void *ctx;
    struct chooser *choosers;
    unsigned workers;
    size_t time, n_columns;
    uint64_t sequence; /* of one worker: batches that hold something are numbered anew */
};

unsigned mlo_profile_threads(const struct mlo_profile_opts *opts, unsigned wanted)
{
    bool in_order = (opts->windows && opts->windows->span.unit == MLO_WINDOW_ROWS) ||
                    (opts->period && !opts->like); /* whose first rows make the edges */
    return in_order ? 1 : wanted;
}

static int choose_rows(const struct choice *c, struct chooser *to, const struct mlo_batch *b, size_t *ret,
                       struct mlo_err *err)
{
    const struct mlo_period *p = c->opts->period;
    size_t n = 0;
    int64_t t = 0;
    int rc = mlo_grow(&to->rows, &to->cap_rows, b->n_rows, sizeof *to->rows, err);
    for (size_t r = 0; rc == 0 && r < b->n_rows; r++) {
        if (!mlo_time_of(&b->columns[c->time], r, &t))
            to->timeless++;
        else if (t < p->from_ns || t >= p->to_ns)
            to->outside++;
        else
            to->rows[n++] = (uint32_t)r;
    }
    to->kept += n;
    *ret = n;
    return rc;
}

/* *array: the batch's, or the copy from now on. */
static int pick(struct picked *to, size_t which, const void *from, size_t size, const uint32_t *rows,
                size_t n, const void **array, struct mlo_err *err)
{
    *array = NULL;
    if (!from)
        return 0;
    int rc = mlo_grow(&to->arrays[which], &to->caps[which], n, size, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        memcpy((char *)to->arrays[which] + i * size, (const char *)from + rows[i] * size, size);
    *array = to->arrays[which];
    return rc;
}

static int pick_column(struct picked *to, const struct mlo_batch_column *from, const uint32_t *rows, size_t n,
                       struct mlo_batch_column *view, struct mlo_err *err)
{
    const void *cell, *numbers, *times, *texts, *codes;
    int rc = pick(to, 0, from->cell, sizeof *from->cell, rows, n, &cell, err);
    if (rc == 0)
        rc = pick(to, 1, from->numbers, sizeof *from->numbers, rows, n, &numbers, err);
    if (rc == 0)
        rc = pick(to, 2, from->times, sizeof *from->times, rows, n, &times, err);
    if (rc == 0)
        rc = pick(to, 3, from->texts, sizeof *from->texts, rows, n, &texts, err);
    if (rc == 0)
        rc = pick(to, 4, from->codes, sizeof *from->codes, rows, n, &codes, err);
    if (rc != 0)
        return rc;
    *view = *from;
    view->cell = cell;
    view->numbers = numbers;
    view->times = times;
    view->texts = texts;
    view->codes = codes;
    return 0;
}

static int pass_on(struct choice *c, unsigned worker, const struct mlo_batch *b, struct mlo_err *err)
{
    struct mlo_windows *w = c->opts->windows;
    int rc = w ? mlo_windows_count(w, worker, b, &c->choosers[worker].timeless, err) : 0;
    return rc == 0 ? c->fn(c->ctx, worker, b, err) : rc;
}

static int choose_batch(void *ctx, unsigned worker, const struct mlo_batch *b, struct mlo_err *err)
{
    struct choice *c = ctx;
    struct chooser *to = &c->choosers[worker];
    struct mlo_batch some = *b;
    if (!c->opts->period)
        return pass_on(c, worker, b, err);
    int rc = choose_rows(c, to, b, &some.n_rows, err);
    if (rc != 0 || some.n_rows == 0)
        return rc;
    if (c->workers == 1)
        some.sequence = c->sequence++;
    if (some.n_rows == b->n_rows)
        return pass_on(c, worker, &some, err);
    for (size_t i = 0; rc == 0 && i < c->n_columns; i++)
        rc = pick_column(&to->columns[i], &b->columns[i], to->rows, some.n_rows, &to->views[i], err);
    some.columns = to->views;
    some.lines = NULL; /* nobody asks for lines of a row that was picked */
    return rc == 0 ? pass_on(c, worker, &some, err) : rc;
}

static int make_choosers(struct choice *c, struct mlo_err *err)
{
    c->choosers = mlo_calloc(c->workers, sizeof *c->choosers, err);
    for (unsigned w = 0; c->choosers && w < c->workers; w++) {
        struct chooser *to = &c->choosers[w];
        to->columns = mlo_calloc(c->n_columns + 1, sizeof *to->columns, err);
        to->views = to->columns ? mlo_calloc(c->n_columns + 1, sizeof *to->views, err) : NULL;
        if (!to->views)
            return MLO_EIO;
    }
    return c->choosers ? 0 : MLO_EIO;
}

static void release_choosers(struct choice *c)
{
    for (unsigned w = 0; c->choosers && w < c->workers; w++) {
        struct chooser *to = &c->choosers[w];
        for (size_t i = 0; to->columns && i < c->n_columns; i++)
            for (size_t k = 0; k < MLO_COUNT(to->columns[i].arrays); k++)
                free(to->columns[i].arrays[k]);
        free(to->columns);
        free(to->views);
        free(to->rows);
    }
    free(c->choosers);
}

static int scan_chosen(struct choice *c, struct mlo_table *t, struct mlo_scan_result *ret,
                       struct mlo_profile *into, struct mlo_err *err)
{
    struct mlo_windows *w = c->opts->windows;
    struct mlo_scan_result st = {0};
    int rc = make_choosers(c, err);
    if (rc == 0 && w)
        rc = mlo_windows_begin(w, t, c->opts->like, c->time, err);
    if (rc == 0)
        rc = mlo_table_scan(t, choose_batch, c, &st, err);
    for (unsigned k = 0; rc == 0 && k < c->workers; k++) {
        into->outside += c->choosers[k].outside;
        into->timeless += c->choosers[k].timeless;
    }
    if (rc == 0)
        rc = check_times(&st, into->timeless, mlo_table_columns(t, &c->n_columns)[c->time].name, err);
    if (rc == 0 && w)
        rc = mlo_windows_end(w, err);
    if (rc != 0)
        return rc;
    st.rows -= c->opts->period ? into->outside + into->timeless : 0;
    *ret = st;
    return 0;
}

int mlo_scan_rows(struct mlo_table *t, const struct mlo_profile_opts *opts, mlo_batch_fn fn, void *ctx,
                  struct mlo_scan_result *ret, struct mlo_profile *into, struct mlo_err *err)
{
    struct choice c = {.opts = opts, .fn = fn, .ctx = ctx, .workers = mlo_table_workers(t)};
    bool by_time = opts->period || (opts->windows && opts->windows->span.unit != MLO_WINDOW_ROWS);
    if (!opts->period && !opts->windows)
        return mlo_table_scan(t, fn, ctx, ret, err);
    mlo_table_columns(t, &c.n_columns);
    if (c.workers > mlo_profile_threads(opts, c.workers))
        return mlo_fail(err, MLO_EINTERNAL, "rows in order, on several threads");
    int rc = by_time ? find_time(opts, t, &c.time, err) : 0;
    if (rc == 0)
        rc = scan_chosen(&c, t, ret, into, err);
    release_choosers(&c);
    return rc;
}

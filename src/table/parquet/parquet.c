/*
 * Parquet as a form of table. Each row group is cut into spans that begin where a page of its largest column
 * begins, so that as few pages as possible are decompressed twice; each thread takes the next span and gives
 * its rows in batches. Spans and batches depend on the file and the columns alone, never on the threads.
 *
 * By columns, a thread reads one column of the whole file before the next, so that a few pages and one
 * dictionary are all the memory it needs, and they stay in its cache.
 */
#include "parquet.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>

#define SPAN_ROWS   ((uint64_t)1 << 15) /* at least */
#define COLUMNS_FEW ((size_t)128)
#define SAMPLE_ROWS ((uint64_t)640)     /* of one place that is looked at ahead */
#define PLACE_ROWS  ((uint64_t)1 << 19) /* of the file for each group of such places */
#define PLACES_MIN  ((uint64_t)4)
#define CELLS       ((size_t)2048) /* given at a time, by columns: in the first cache */

struct span {
    size_t group;
    uint64_t from, to;
    uint64_t sequence; /* of its first batch */
};
struct alone { /* one column at a time, whichever it is */
    struct mlo_parquet_cursor cursor;
    struct mlo_rows rows, given;
    uint32_t codes[CELLS];
    size_t column; /* of those wanted; SIZE_MAX: none */
    struct span span;
    size_t next_group;
    bool telling; /* counts, before it goes on */
    size_t told;
    struct mlo_column_cells cells;
};
struct parquet_worker {
    struct mlo_parquet_scratch scratch;
    struct alone alone;
    struct mlo_parquet_cursor *cursors; /* of each wanted column */
    struct mlo_rows rows;               /* cells as the file has them */
    struct mlo_rows given;              /* columns that the caller wants as another type */
    uint32_t **codes;
    struct mlo_batch_column *columns;
    struct span span; /* what is left of it */
    struct mlo_batch batch;
    uint64_t counted; /* bytes, already in the sum of all */
};
struct parquet {
    struct mlo_input in; /* owned */
    struct mlo_parquet_file file;
    const size_t *want; /* borrowed */
    const struct mlo_table_column *as;
    size_t n_want;
    struct mlo_table_column *read_as; /* owned: names borrowed; types of the cells that are made */
    bool any_given;                   /* some are then read as another type, from text */
    struct parquet_worker *workers;
    unsigned n_workers;
    pthread_mutex_t lock; /* all below */
    size_t next_group;
    size_t group; /* being cut: starts[at] is where the next span begins */
    uint64_t *starts;
    size_t n_starts, at;
    uint64_t sequence;
    struct mlo_scan_result counted;
};

/* ---- spans ---- */

static const struct mlo_parquet_leaf *leaf_of(const struct parquet *t, size_t c)
{
    return &t->file.leaves[t->file.leaf_of[t->want[c]]];
}

/* The wanted column with the most bytes in the group. */
static size_t largest_leaf(const struct parquet *t, size_t group)
{
    size_t best = t->file.leaf_of[t->want[0]];
    const struct mlo_parquet_chunk *chunks = &t->file.chunks[group * t->file.n_leaves];
    for (size_t c = 1; c < t->n_want; c++) {
        size_t leaf = t->file.leaf_of[t->want[c]];
        if (chunks[leaf].end - chunks[leaf].start > chunks[best].end - chunks[best].start)
            best = leaf;
    }
    return best;
}

static int cut_group(struct parquet *t, size_t group, struct mlo_err *err)
{
    free(t->starts);
    t->starts = NULL;
    t->n_starts = t->at = 0;
    t->group = group;
    if (t->n_want > 0) {
        int rc = mlo_parquet_page_starts(&t->file, group, largest_leaf(t, group), SPAN_ROWS, &t->starts,
                                         &t->n_starts, err);
        if (rc != 0 || t->n_starts > 0)
            return rc;
    }
    t->starts = mlo_calloc(1, sizeof *t->starts, err); /* the whole */
    t->n_starts = t->starts ? 1 : 0;
    return t->starts ? 0 : MLO_EIO;
}

/* Many rows, so that a column's dictionary is used well while it is in the cache; few where columns are many,
 * whose cells all wait in memory. */
static size_t batch_rows(const struct parquet *t)
{
    return t->n_want <= COLUMNS_FEW ? MLO_PARQUET_BATCH : MLO_PARQUET_BATCH / 4;
}

static int take_span(struct parquet *t, struct span *ret, struct mlo_err *err)
{
    while (t->at == t->n_starts) {
        if (t->next_group == t->file.n_groups) {
            *ret = (struct span){0};
            return 0;
        }
        size_t group = t->next_group++;
        int rc = t->file.groups[group].rows > 0 ? cut_group(t, group, err) : 0;
        if (rc != 0)
            return rc;
    }
    uint64_t to = t->at + 1 < t->n_starts ? t->starts[t->at + 1] : t->file.groups[t->group].rows;
    *ret = (struct span){t->group, t->starts[t->at++], to, t->sequence};
    size_t most = batch_rows(t);
    t->sequence += (ret->to - ret->from + most - 1) / most;
    return 0;
}

/* ---- a batch ---- */

struct place { /* where cells of a column are made */
    size_t column;
    struct mlo_parquet_cursor *cursor;
    struct mlo_rows *rows, *given;
    size_t at; /* which column of these it is */
    uint32_t *codes;
};

static void convert(const struct parquet *t, const struct place *p, size_t n)
{
    const struct mlo_slice *texts = p->rows->texts[p->at];
    const uint8_t *cell = p->rows->cell[p->at];
    for (size_t r = 0; r < n; r++) {
        const struct mlo_slice s = cell[r] == MLO_CELL_OK ? texts[r] : (struct mlo_slice){"", 0};
        mlo_rows_text(p->given, t->as[p->column].type, p->at, r, s.ptr, s.len);
    }
}

static bool is_given(const struct parquet *t, size_t c)
{
    return mlo_parquet_is_given(t->read_as[c].type, t->as[c].type);
}

static int read_cells(const struct parquet *t, struct mlo_parquet_scratch *s, const struct place *p,
                      size_t group, uint64_t from, size_t n, struct mlo_batch_column *ret,
                      struct mlo_err *err)
{
    const struct mlo_parquet_dictionary *d = &p->cursor->dictionary;
    struct mlo_parquet_out out = {p->rows->cell[p->at],
                                  p->rows->numbers[p->at],
                                  p->rows->times[p->at],
                                  p->rows->texts[p->at],
                                  p->codes,
                                  false};
    int rc = mlo_parquet_read(p->cursor, s, group, from, n, &out, err);
    if (rc != 0)
        return rc;
    *ret = p->rows->columns[p->at];
    for (size_t r = 0; out.coded && is_given(t, p->column) && r < n; r++)
        out.texts[r] = out.cell[r] == MLO_CELL_OK ? d->texts[out.codes[r]] : (struct mlo_slice){0};
    if (is_given(t, p->column)) {
        convert(t, p, n);
        *ret = p->given->columns[p->at];
        return 0;
    }
    if (out.coded) {
        ret->texts = NULL;
        ret->codes = out.codes;
        ret->dictionary = d->texts;
        ret->n_dictionary = d->n;
    }
    bool all_ok = !memchr(out.cell, MLO_CELL_MISSING, n) && !memchr(out.cell, MLO_CELL_NAN, n) &&
                  !memchr(out.cell, MLO_CELL_BAD, n);
    ret->cell = all_ok ? NULL : out.cell;
    return 0;
}

/* What the worker has decompressed counts against the limit of the whole. */
static int count(struct parquet *t, struct parquet_worker *w, size_t rows, struct mlo_err *err)
{
    if (rows == 0 && w->scratch.bytes == w->counted)
        return 0;
    pthread_mutex_lock(&t->lock);
    t->counted.rows += rows;
    t->counted.bytes += w->scratch.bytes - w->counted;
    bool too_much = t->counted.bytes > t->in.max;
    pthread_mutex_unlock(&t->lock);
    w->counted = w->scratch.bytes;
    if (!too_much)
        return 0;
    mlo_fail(err, MLO_EINVALID, "'%s' holds more than %llu bytes", t->in.name, (unsigned long long)t->in.max);
    return mlo_hint(err, "it may be a decompression bomb");
}

static int read_batch(struct parquet *t, struct parquet_worker *w, size_t group, uint64_t from, size_t n,
                      struct mlo_err *err)
{
    int rc = mlo_rows_reserve(&w->rows, t->read_as, t->n_want, n, err);
    if (rc == 0 && t->any_given)
        rc = mlo_rows_reserve(&w->given, t->as, t->n_want, n, err);
    mlo_hold_clear(&w->scratch.hold);
    for (size_t c = 0; rc == 0 && c < t->n_want; c++) {
        const struct place p = {c, &w->cursors[c], &w->rows, &w->given, c, w->codes[c]};
        rc = read_cells(t, &w->scratch, &p, group, from, n, &w->columns[c], err);
    }
    uint64_t row = t->file.groups[group].first_row + from;
    w->batch = (struct mlo_batch){
        .first_row = row, .first_line = row + 1, .n_rows = n, .n_columns = t->n_want, .columns = w->columns};
    return rc;
}

static int parquet_next(void *self, unsigned worker, const struct mlo_batch **ret, struct mlo_err *err)
{
    struct parquet *t = self;
    struct parquet_worker *w = &t->workers[worker];
    struct span *span = &w->span;
    *ret = NULL;
    if (span->from == span->to) {
        pthread_mutex_lock(&t->lock);
        int rc = take_span(t, span, err);
        pthread_mutex_unlock(&t->lock);
        if (rc != 0 || span->from == span->to)
            return rc;
    }
    size_t most = batch_rows(t), n = span->to - span->from < most ? (size_t)(span->to - span->from) : most;
    int rc = read_batch(t, w, span->group, span->from, n, err);
    if (rc == 0)
        rc = count(t, w, n, err);
    if (rc != 0)
        return rc;
    w->batch.sequence = span->sequence++;
    span->from += n;
    *ret = &w->batch;
    return 0;
}

/*
 * Looking ahead decompresses whole pages, so places lie together in a few groups: those of group k stand one
 * behind the other from the middle of the k-th part of the file.
 */
static uint64_t place_row(const struct parquet *t, size_t part, size_t parts)
{
    uint64_t groups = t->file.rows / PLACE_ROWS > PLACES_MIN ? t->file.rows / PLACE_ROWS : PLACES_MIN;
    groups = groups < parts ? groups : parts;
    uint64_t each = (parts + groups - 1) / groups, group = part / each;
    uint64_t length = t->file.rows / groups;
    return group * length + (length - each * SAMPLE_ROWS) / 2 + part % each * SAMPLE_ROWS;
}

/* Which row group holds the row. */
static size_t group_of(const struct parquet *t, uint64_t row)
{
    size_t low = 0, high = t->file.n_groups;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (t->file.groups[middle].first_row <= row)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* No rows: the first batches of the file are the whole. */
static struct span place_of(const struct parquet *t, size_t part, size_t parts)
{
    if (t->file.rows < 2 * parts * SAMPLE_ROWS)
        return (struct span){0};
    uint64_t row = place_row(t, part, parts);
    size_t group = group_of(t, row);
    const struct mlo_parquet_group *g = &t->file.groups[group];
    uint64_t from = row - g->first_row, left = g->rows - from;
    return (struct span){
        .group = group, .from = from, .to = from + (left < SAMPLE_ROWS ? left : SAMPLE_ROWS)};
}

static int parquet_sample(void *self, unsigned worker, size_t part, size_t parts,
                          const struct mlo_batch **ret, struct mlo_err *err)
{
    struct parquet *t = self;
    struct parquet_worker *w = &t->workers[worker];
    const struct span place = place_of(t, part, parts);
    *ret = NULL;
    if (place.from == place.to)
        return 0;
    int rc = read_batch(t, w, place.group, place.from, (size_t)(place.to - place.from), err);
    w->counted = w->scratch.bytes; /* the scan reads them again */
    if (rc == 0)
        *ret = &w->batch;
    return rc;
}

/* ---- by columns ---- */

static void turn_to(const struct parquet *t, struct alone *a, size_t c)
{
    if (a->cursor.cells != t->read_as[c].type)
        mlo_rows_release(&a->rows); /* they are of another type */
    mlo_rows_release(&a->given);    /* seldom there */
    a->column = c;
    a->cursor.leaf = leaf_of(t, c);
    a->cursor.column = t->file.columns[t->want[c]].name;
    a->cursor.cells = t->read_as[c].type;
    mlo_parquet_turn(&a->cursor); /* its pages and dictionary are another column's */
    a->next_group = 0;
    a->span = (struct span){0};
    a->telling = false;
}

static int read_alone(struct parquet *t, struct parquet_worker *w, const struct span *s, size_t n,
                      struct mlo_err *err)
{
    struct alone *a = &w->alone;
    const struct place p = {a->column, &a->cursor, &a->rows, &a->given, 0, a->codes};
    a->cells = (struct mlo_column_cells){.column = a->column, .n = n};
    int rc = mlo_rows_reserve(&a->rows, &t->read_as[a->column], 1, n, err);
    if (rc == 0 && is_given(t, a->column))
        rc = mlo_rows_reserve(&a->given, &t->as[a->column], 1, n, err);
    mlo_hold_clear(&w->scratch.hold);
    return rc == 0 ? read_cells(t, &w->scratch, &p, s->group, s->from, n, &a->cells.cells, err) : rc;
}

/* The next rows of the span; none when they were counted. */
static int go_on(struct parquet *t, struct parquet_worker *w, struct span *s, bool *ret_read,
                 struct mlo_err *err)
{
    struct alone *a = &w->alone;
    uint64_t n = 0;
    int rc = 0;
    if (!is_given(t, a->column))
        rc = mlo_parquet_count(&a->cursor, &w->scratch, s->group, s->from, s->to - s->from, &n, err);
    *ret_read = n == 0;
    a->telling = n > 0;
    a->told = 0;
    if (rc == 0 && n == 0) {
        n = s->to - s->from < CELLS ? s->to - s->from : CELLS;
        rc = read_alone(t, w, s, (size_t)n, err);
    }
    s->from += n;
    return rc == 0 ? count(t, w, 0, err) : rc;
}

/* The next row group; none is left: the rows of the file were given in this column, too. */
static bool next_group(struct parquet *t, struct alone *a)
{
    if (a->next_group == t->file.n_groups)
        return false;
    a->span = (struct span){.group = a->next_group, .to = t->file.groups[a->next_group].rows};
    a->next_group++;
    return true;
}

static void end_column(struct parquet *t, struct alone *a)
{
    pthread_mutex_lock(&t->lock);
    t->counted.rows += a->column == 0 ? t->file.rows : 0;
    pthread_mutex_unlock(&t->lock);
    a->column = SIZE_MAX;
}

static int parquet_next_cells(void *self, unsigned worker, size_t column, const struct mlo_column_cells **ret,
                              struct mlo_err *err)
{
    struct parquet *t = self;
    struct parquet_worker *w = &t->workers[worker];
    struct alone *a = &w->alone;
    bool read = false;
    int rc = 0;
    *ret = NULL;
    if (a->column != column)
        turn_to(t, a, column);
    a->cells.column = column;
    while (rc == 0 && !read) {
        if (a->telling && mlo_parquet_counted(&a->cursor, &w->scratch, &a->told, &a->cells))
            break;
        a->telling = false;
        if (a->span.from < a->span.to) {
            rc = go_on(t, w, &a->span, &read, err);
        } else if (!next_group(t, a)) {
            end_column(t, a);
            return 0;
        }
    }
    *ret = rc == 0 ? &a->cells : NULL;
    return rc;
}

static int parquet_sample_cells(void *self, unsigned worker, size_t column, size_t part, size_t parts,
                                const struct mlo_column_cells **ret, struct mlo_err *err)
{
    struct parquet *t = self;
    struct parquet_worker *w = &t->workers[worker];
    const struct span place = place_of(t, part, parts);
    *ret = NULL;
    if (place.from == place.to)
        return 0;
    if (w->alone.column != column)
        turn_to(t, &w->alone, column);
    w->alone.cursor.keeps = true;
    int rc = read_alone(t, w, &place, (size_t)(place.to - place.from), err);
    w->alone.cursor.keeps = false;
    w->counted = w->scratch.bytes; /* the scan reads them again */
    if (rc == 0)
        *ret = &w->alone.cells;
    return rc;
}

/* ---- the form ---- */

static void release_worker(struct parquet *t, struct parquet_worker *w)
{
    for (size_t c = 0; c < t->n_want; c++) {
        if (w->cursors)
            mlo_parquet_cursor_release(&w->cursors[c]);
        free(w->codes ? w->codes[c] : NULL);
    }
    mlo_parquet_cursor_release(&w->alone.cursor);
    mlo_rows_release(&w->alone.rows);
    mlo_rows_release(&w->alone.given);
    mlo_parquet_scratch_release(&w->scratch);
    mlo_rows_release(&w->rows);
    mlo_rows_release(&w->given);
    free(w->cursors);
    free(w->codes);
    free(w->columns);
}

static void parquet_close(void *self, struct mlo_scan_result *st)
{
    struct parquet *t = self;
    if (st)
        mlo_scan_result_add(st, &t->counted);
    for (unsigned i = 0; i < t->n_workers; i++)
        release_worker(t, &t->workers[i]);
    mlo_parquet_release(&t->file);
    mlo_input_close(&t->in);
    pthread_mutex_destroy(&t->lock);
    free(t->workers);
    free(t->read_as);
    free(t->starts);
    free(t);
}

static int make_worker(struct parquet *t, struct parquet_worker *w, struct mlo_err *err)
{
    w->cursors = mlo_calloc(t->n_want + 1, sizeof *w->cursors, err);
    w->codes = mlo_calloc(t->n_want + 1, sizeof *w->codes, err);
    w->columns = mlo_calloc(t->n_want + 1, sizeof *w->columns, err);
    w->alone.column = SIZE_MAX;
    w->alone.cursor.file = &t->file;
    if (!w->cursors || !w->codes || !w->columns)
        return MLO_EIO;
    for (size_t c = 0; c < t->n_want; c++) {
        w->cursors[c] = (struct mlo_parquet_cursor){.file = &t->file,
                                                    .leaf = leaf_of(t, c),
                                                    .column = t->file.columns[t->want[c]].name,
                                                    .cells = t->read_as[c].type,
                                                    .group = SIZE_MAX};
        if (t->read_as[c].type != MLO_COLUMN_TEXT)
            continue;
        w->codes[c] = mlo_calloc(MLO_PARQUET_BATCH, sizeof *w->codes[c], err);
        if (!w->codes[c])
            return MLO_EIO;
    }
    return 0;
}

/* Cells are read as they are stored, or as text out of which the type that is wanted is read. */
static int choose_types(struct parquet *t, struct mlo_err *err)
{
    t->read_as = mlo_calloc(t->n_want + 1, sizeof *t->read_as, err);
    if (!t->read_as)
        return MLO_EIO;
    for (size_t c = 0; c < t->n_want; c++) {
        t->read_as[c].type = mlo_parquet_read_as(leaf_of(t, c), t->as[c].type);
        t->any_given = t->any_given || is_given(t, c);
    }
    return 0;
}

static int parquet_want(void *self, const size_t *columns, const struct mlo_table_column *as, size_t n,
                        unsigned workers, struct mlo_err *err)
{
    struct parquet *t = self;
    t->want = columns;
    t->as = as;
    t->n_want = n;
    if (t->file.rows > t->in.max || (n > 0 && t->file.rows > t->in.max / n)) {
        mlo_fail(err, MLO_EINVALID, "'%s' says that it has %llu rows: with its columns more than %llu bytes",
                 t->in.name, (unsigned long long)t->file.rows, (unsigned long long)t->in.max);
        return mlo_hint(err, "it may be a decompression bomb");
    }
    int rc = choose_types(t, err);
    t->workers = rc == 0 ? mlo_calloc(workers, sizeof *t->workers, err) : NULL;
    if (!t->workers)
        return MLO_EIO;
    t->n_workers = workers;
    for (unsigned i = 0; rc == 0 && i < workers; i++)
        rc = make_worker(t, &t->workers[i], err);
    return rc;
}

static int open_file(struct parquet *t, struct mlo_err *err)
{
    t->file.name = t->in.name;
    int rc = mlo_input_spool(&t->in, &t->file.fd, &t->file.size, err); /* the footer is at the end */
    return rc != 0 ? rc : mlo_parquet_open(&t->file, err);
}

static int parquet_open(struct mlo_input *in, const struct mlo_table_opts *o, struct mlo_form_file *ret,
                        struct mlo_err *err)
{
    struct parquet *t = mlo_calloc(1, sizeof *t, err);
    (void)o;
    if (!t) {
        mlo_input_close(in);
        return MLO_EIO;
    }
    t->in = *in;
    t->file.fd = -1;
    pthread_mutex_init(&t->lock, NULL);
    int rc = open_file(t, err);
    if (rc != 0) {
        parquet_close(t, NULL);
        return rc;
    }
    *ret = (struct mlo_form_file){.form = &mlo_form_parquet,
                                  .self = t,
                                  .columns = t->file.columns,
                                  .n_columns = t->file.n_columns,
                                  .left_out = t->file.left_out,
                                  .n_left_out = t->file.n_left_out};
    return 0;
}

static bool parquet_sniff(const char *head, size_t n)
{
    return n >= 4 && (memcmp(head, "PAR1", 4) == 0 || memcmp(head, "PARE", 4) == 0);
}

const struct mlo_form mlo_form_parquet = {.name = "parquet",
                                          .extensions = ".parquet .parq .pq",
                                          .sniff = parquet_sniff,
                                          .certain = true,
                                          .open = parquet_open,
                                          .want = parquet_want,
                                          .next = parquet_next,
                                          .sample = parquet_sample,
                                          .next_cells = parquet_next_cells,
                                          .sample_cells = parquet_sample_cells,
                                          .close = parquet_close};

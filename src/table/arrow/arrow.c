/*
 * Arrow IPC as a form of table. One thread at a time takes the next batch of records, with the dictionaries
 * as they are by then; decompressing its columns and making cells of them goes on side by side. A batch of
 * records is given in pieces, so that cells take little memory.
 */
#include "arrow.h"

#include <string.h>

#define DELTAS_MAX 4096 /* additions to dictionaries: each copies what was there */

struct arrow_worker {
    struct mlo_arrow_message message;
    struct mlo_arrow_batch records;
    struct mlo_arrow_place *places; /* of each column of the schema */
    struct mlo_arrow_array *arrays; /* of each wanted column */
    struct mlo_arrow_dictionary **dictionaries;
    uint32_t **codes;
    struct mlo_arrow_unpacking unpacking;
    struct mlo_arrow_scratch scratch;
    struct mlo_rows rows, given; /* cells as the file has them; of the type that the caller wants */
    struct mlo_batch_column *columns;
    uint64_t at, sequence, first_row; /* of the next piece */
    struct mlo_batch batch;
};
struct arrow {
    struct mlo_arrow_schema schema;
    const size_t *want; /* borrowed */
    const struct mlo_table_column *as;
    size_t n_want;
    struct mlo_table_column *read_as; /* owned: names borrowed; types of the cells that are made */
    bool any_given;                   /* some are then read as another type, from text */
    struct arrow_worker *workers;
    unsigned n_workers;
    pthread_mutex_t lock; /* all below */
    struct mlo_arrow_source source;
    struct mlo_arrow_dictionary **dictionaries; /* of each wanted column, as they are now */
    unsigned deltas;
    bool ended;
    uint64_t sequence;
    struct mlo_scan_result counted;
};

static const struct mlo_arrow_field *field_of(const struct arrow *t, size_t c)
{
    return &t->schema.fields[t->want[c]];
}

/* Errors of the format do not say yet of which file. */
static int named(const struct arrow *t, int rc, struct mlo_err *err)
{
    return rc != 0 && err->msg[0] != '\'' ? mlo_wrap(err, "'%s'", t->source.in.name) : rc;
}

/* ---- dictionaries ---- */

/* New values for one column. */
static int renew(struct arrow *t, struct arrow_worker *w, size_t c, bool is_delta,
                 const struct mlo_arrow_batch *b, struct mlo_err *err)
{
    const struct mlo_arrow_field *f = field_of(t, c);
    const struct mlo_arrow_place place = {.layout = f->type.layout, .width = f->type.width};
    struct mlo_arrow_dictionary *before = is_delta ? t->dictionaries[c] : NULL, *now = NULL;
    struct mlo_arrow_array *a = &w->arrays[c];
    int rc = mlo_arrow_load(&t->source, &w->message, b, &place, &w->unpacking, a, err);
    if (rc == 0)
        rc = mlo_arrow_dictionary_new(before, f->dictionary, &f->type, t->read_as[c].type, a, &w->scratch,
                                      &now, err);
    if (rc != 0)
        return rc;
    mlo_arrow_dictionary_drop(t->dictionaries[c]);
    t->dictionaries[c] = now;
    return 0;
}

static int take_dictionary(struct arrow *t, struct arrow_worker *w, struct mlo_err *err)
{
    const struct mlo_flat_table *header = &w->message.header;
    int64_t id = (int64_t)mlo_flat_number(header, 0, 8, 0);
    struct mlo_flat_table data = mlo_flat_child(header, 1);
    bool is_delta = mlo_flat_number(header, 2, 1, 0) != 0;
    struct mlo_arrow_batch b;
    int rc = mlo_arrow_batch_read(&data, &b, err);
    t->deltas += is_delta;
    if (rc == 0 && t->deltas > DELTAS_MAX)
        rc = mlo_fail(err, MLO_EINVALID, "has dictionaries in more than %d pieces", DELTAS_MAX);
    for (size_t c = 0; rc == 0 && c < t->n_want; c++)
        if (field_of(t, c)->coded && field_of(t, c)->dictionary == id)
            rc = renew(t, w, c, is_delta, &b, err);
    return rc;
}

/* ---- batches of records ---- */

static int count(struct arrow *t, const struct arrow_worker *w, struct mlo_err *err)
{
    struct mlo_scan_result *st = &t->counted;
    st->rows += w->records.rows;
    st->bytes += w->message.n_body;
    uint64_t max = t->source.in.max;
    if (st->bytes <= max && (t->n_want == 0 || st->rows <= max / t->n_want))
        return 0;
    mlo_fail(err, MLO_EINVALID, "holds more than %llu bytes", (unsigned long long)max);
    return mlo_hint(err, "it may be a decompression bomb");
}

static void hold_dictionaries(struct arrow *t, struct arrow_worker *w)
{
    for (size_t c = 0; c < t->n_want; c++) {
        mlo_arrow_dictionary_drop(w->dictionaries[c]);
        w->dictionaries[c] = mlo_arrow_dictionary_hold(t->dictionaries[c]);
    }
}

/* The next batch that has rows, into the worker; rows 0 at the end. */
static int take_records(struct arrow *t, struct arrow_worker *w, struct mlo_err *err)
{
    int rc = 0;
    w->at = 0;
    w->records.rows = 0;
    while (rc == 0 && !t->ended && w->records.rows == 0) {
        rc = mlo_arrow_next(&t->source, &w->message, err);
        t->ended = rc != 0 || w->message.kind == MLO_ARROW_END;
        if (rc == 0 && w->message.kind == MLO_ARROW_DICTIONARY)
            rc = take_dictionary(t, w, err);
        else if (rc == 0 && w->message.kind == MLO_ARROW_RECORDS)
            rc = mlo_arrow_batch_read(&w->message.header, &w->records, err);
    }
    if (rc != 0 || w->records.rows == 0)
        return rc;
    w->sequence = t->sequence;
    w->first_row = t->counted.rows;
    t->sequence += (w->records.rows + MLO_PARQUET_BATCH - 1) / MLO_PARQUET_BATCH;
    hold_dictionaries(t, w);
    return count(t, w, err);
}

static int load_columns(struct arrow *t, struct arrow_worker *w, struct mlo_err *err)
{
    int rc = mlo_arrow_places(&t->schema, &w->records, w->places, err);
    for (size_t c = 0; rc == 0 && c < t->n_want; c++)
        rc = mlo_arrow_load(&t->source, &w->message, &w->records, &w->places[t->want[c]], &w->unpacking,
                            &w->arrays[c], err);
    return rc;
}

/* ---- a piece ---- */

static bool is_given(const struct arrow *t, size_t c)
{
    return mlo_parquet_is_given(t->read_as[c].type, t->as[c].type);
}

static void convert_column(struct arrow *t, struct arrow_worker *w, size_t c, size_t n)
{
    const struct mlo_arrow_dictionary *d = field_of(t, c)->coded ? w->dictionaries[c] : NULL;
    for (size_t r = 0; r < n; r++) {
        struct mlo_slice s = {"", 0};
        if (w->rows.cell[c][r] == MLO_CELL_OK)
            s = d ? d->texts[w->codes[c][r]] : w->rows.texts[c][r];
        mlo_rows_text(&w->given, t->as[c].type, c, r, s.ptr, s.len);
    }
    w->columns[c] = w->given.columns[c];
}

static int read_column(struct arrow *t, struct arrow_worker *w, size_t c, size_t n, struct mlo_err *err)
{
    const struct mlo_arrow_field *f = field_of(t, c);
    const struct mlo_arrow_cells out = {w->rows.cell[c], w->rows.numbers[c], w->rows.times[c],
                                        w->rows.texts[c], w->codes[c]};
    const struct mlo_arrow_dictionary *d = w->dictionaries[c];
    int rc = f->coded ? mlo_arrow_coded(f, &w->arrays[c], w->at, n, d, &out, err)
                      : mlo_arrow_cells(&f->type, &w->arrays[c], w->at, n, t->read_as[c].type, &w->scratch,
                                        &w->scratch.hold, &out, err);
    if (rc != 0)
        return rc;
    w->columns[c] = w->rows.columns[c];
    if (is_given(t, c)) {
        convert_column(t, w, c, n);
    } else if (f->coded && d && t->read_as[c].type == MLO_COLUMN_TEXT) {
        w->columns[c].texts = NULL;
        w->columns[c].codes = out.codes;
        w->columns[c].dictionary = d->texts;
        w->columns[c].n_dictionary = d->n;
    }
    return 0;
}

static int read_piece(struct arrow *t, struct arrow_worker *w, struct mlo_err *err)
{
    uint64_t left = w->records.rows - w->at;
    size_t n = left < MLO_PARQUET_BATCH ? (size_t)left : MLO_PARQUET_BATCH;
    int rc = mlo_rows_reserve(&w->rows, t->read_as, t->n_want, n, err);
    if (rc == 0 && t->any_given)
        rc = mlo_rows_reserve(&w->given, t->as, t->n_want, n, err);
    mlo_hold_clear(&w->scratch.hold);
    for (size_t c = 0; rc == 0 && c < t->n_want; c++)
        rc = read_column(t, w, c, n, err);
    uint64_t row = w->first_row + w->at;
    w->batch = (struct mlo_batch){.sequence = w->sequence++,
                                  .first_row = row,
                                  .first_line = row + 1,
                                  .n_rows = n,
                                  .n_columns = t->n_want,
                                  .columns = w->columns};
    w->at += n;
    return rc;
}

static int arrow_next(void *self, unsigned worker, const struct mlo_batch **ret, struct mlo_err *err)
{
    struct arrow *t = self;
    struct arrow_worker *w = &t->workers[worker];
    int rc = 0;
    *ret = NULL;
    if (w->at == w->records.rows) {
        pthread_mutex_lock(&t->lock);
        rc = take_records(t, w, err);
        pthread_mutex_unlock(&t->lock);
        if (rc == 0 && w->records.rows > 0)
            rc = load_columns(t, w, err);
    }
    if (rc == 0 && w->records.rows > 0)
        rc = read_piece(t, w, err);
    if (rc == 0 && w->records.rows > 0)
        *ret = &w->batch;
    return named(t, rc, err);
}

/* ---- the form ---- */

static void release_worker(struct arrow *t, struct arrow_worker *w)
{
    for (size_t c = 0; c < t->n_want; c++) {
        if (w->arrays)
            mlo_arrow_array_release(&w->arrays[c]);
        if (w->dictionaries)
            mlo_arrow_dictionary_drop(w->dictionaries[c]);
        free(w->codes ? w->codes[c] : NULL);
    }
    mlo_arrow_message_release(&w->message);
    mlo_unpacker_release(&w->unpacking.unpacker);
    mlo_hold_release(&w->scratch.hold);
    mlo_rows_release(&w->rows);
    mlo_rows_release(&w->given);
    free(w->arrays);
    free(w->dictionaries);
    free(w->codes);
    free(w->columns);
    free(w->places);
}

static void arrow_close(void *self, struct mlo_scan_result *st)
{
    struct arrow *t = self;
    if (st)
        mlo_scan_result_add(st, &t->counted);
    for (unsigned i = 0; i < t->n_workers; i++)
        release_worker(t, &t->workers[i]);
    for (size_t c = 0; t->dictionaries && c < t->n_want; c++)
        mlo_arrow_dictionary_drop(t->dictionaries[c]);
    mlo_arrow_schema_release(&t->schema);
    mlo_arrow_source_release(&t->source);
    pthread_mutex_destroy(&t->lock);
    free(t->dictionaries);
    free(t->workers);
    free(t->read_as);
    free(t);
}

static int make_worker(struct arrow *t, struct arrow_worker *w, struct mlo_err *err)
{
    w->unpacking.max = t->source.in.max;
    w->places = mlo_calloc(t->schema.n_columns + 1, sizeof *w->places, err);
    w->arrays = mlo_calloc(t->n_want + 1, sizeof *w->arrays, err);
    w->dictionaries = mlo_calloc(t->n_want + 1, sizeof(struct mlo_arrow_dictionary *), err);
    w->codes = mlo_calloc(t->n_want + 1, sizeof *w->codes, err);
    w->columns = mlo_calloc(t->n_want + 1, sizeof *w->columns, err);
    if (!w->places || !w->arrays || !w->dictionaries || !w->codes || !w->columns)
        return MLO_EIO;
    for (size_t c = 0; c < t->n_want; c++) {
        w->codes[c] = field_of(t, c)->coded ? mlo_calloc(MLO_PARQUET_BATCH, sizeof *w->codes[c], err) : NULL;
        if (field_of(t, c)->coded && !w->codes[c])
            return MLO_EIO;
    }
    return 0;
}

/* Cells are read as they are stored, or as text out of which the type that is wanted is read. */
static int choose_types(struct arrow *t, struct mlo_err *err)
{
    t->read_as = mlo_calloc(t->n_want + 1, sizeof *t->read_as, err);
    t->dictionaries = mlo_calloc(t->n_want + 1, sizeof(struct mlo_arrow_dictionary *), err);
    if (!t->read_as || !t->dictionaries)
        return MLO_EIO;
    for (size_t c = 0; c < t->n_want; c++) {
        t->read_as[c].type = mlo_parquet_read_as(&field_of(t, c)->type.leaf, t->as[c].type);
        t->any_given = t->any_given || is_given(t, c);
    }
    return 0;
}

static int arrow_want(void *self, const size_t *columns, const struct mlo_table_column *as, size_t n,
                      unsigned workers, struct mlo_err *err)
{
    struct arrow *t = self;
    t->want = columns;
    t->as = as;
    t->n_want = n;
    int rc = choose_types(t, err);
    t->workers = rc == 0 ? mlo_calloc(workers, sizeof *t->workers, err) : NULL;
    if (!t->workers)
        return MLO_EIO;
    t->n_workers = workers;
    for (unsigned i = 0; rc == 0 && i < workers; i++)
        rc = make_worker(t, &t->workers[i], err);
    return rc;
}

static int arrow_open(struct mlo_input *in, const struct mlo_table_opts *o, struct mlo_form_file *ret,
                      struct mlo_err *err)
{
    struct arrow *t = mlo_calloc(1, sizeof *t, err);
    struct mlo_arrow_message first = {0};
    (void)o;
    if (!t) {
        mlo_input_close(in);
        return MLO_EIO;
    }
    t->source = (struct mlo_arrow_source){.in = *in, .fd = -1};
    pthread_mutex_init(&t->lock, NULL);
    int rc = named(t, mlo_arrow_open(&t->source, &first, &t->schema, err), err);
    mlo_arrow_message_release(&first);
    if (rc != 0) {
        arrow_close(t, NULL);
        return rc;
    }
    *ret = (struct mlo_form_file){.form = &mlo_form_arrow,
                                  .self = t,
                                  .columns = t->schema.columns,
                                  .n_columns = t->schema.n_columns,
                                  .left_out = t->schema.left_out,
                                  .n_left_out = t->schema.n_left_out};
    return 0;
}

/* A file, Feather of version 1 (which open refuses), or a stream that begins with a message of usual size. */
static bool arrow_sniff(const char *head, size_t n)
{
    return (n >= 6 && memcmp(head, "ARROW1", 6) == 0) || (n >= 4 && memcmp(head, "FEA1", 4) == 0) ||
           (n >= 8 && memcmp(head, "\xff\xff\xff\xff", 4) == 0 && head[4] % 8 == 0 && head[7] == 0);
}

const struct mlo_form mlo_form_arrow = {.name = "arrow",
                                        .extensions = ".arrow .arrows .feather .ipc",
                                        .sniff = arrow_sniff,
                                        .certain = true,
                                        .open = arrow_open,
                                        .want = arrow_want,
                                        .next = arrow_next,
                                        .close = arrow_close};

/* A table in memory, as the tools that `drift --compat` speaks for hold theirs. */
#include "drift/compat/compat.h"

#include <math.h>
#include <string.h>

/* ---- texts as numbers: in order of appearance ---- */

struct word {
    char *text; /* owned; NULL: free */
    size_t length;
    uint64_t hash;
    double number;
};
struct mlo_words {
    struct word *slots;
    size_t cap, count;
};

int mlo_words_new(struct mlo_words **ret, struct mlo_err *err)
{
    *ret = mlo_calloc(1, sizeof **ret, err);
    return *ret ? 0 : MLO_EIO;
}

void mlo_words_free(struct mlo_words *w)
{
    for (size_t i = 0; w && i < w->cap; i++)
        free(w->slots[i].text);
    if (w)
        free(w->slots);
    free(w);
}

static struct word *find(struct word *slots, size_t cap, uint64_t hash, const char *text, size_t n)
{
    size_t i = hash & (cap - 1);
    while (slots[i].text &&
           (slots[i].hash != hash || slots[i].length != n || memcmp(slots[i].text, text, n) != 0))
        i = (i + 1) & (cap - 1);
    return &slots[i];
}

static int make_room(struct mlo_words *w, struct mlo_err *err)
{
    size_t cap = w->cap ? 2 * w->cap : 1024;
    if (2 * w->count < w->cap)
        return 0;
    struct word *slots = mlo_calloc(cap, sizeof *slots, err);
    if (!slots)
        return MLO_EIO;
    for (size_t i = 0; i < w->cap; i++) {
        const struct word *k = &w->slots[i];
        if (k->text)
            *find(slots, cap, k->hash, k->text, k->length) = *k;
    }
    free(w->slots);
    w->slots = slots;
    w->cap = cap;
    return 0;
}

static int number_of(struct mlo_words *w, struct mlo_slice s, double *ret, struct mlo_err *err)
{
    uint64_t hash = mlo_category_hash(s.ptr, s.len);
    int rc = make_room(w, err);
    if (rc != 0)
        return rc;
    struct word *k = find(w->slots, w->cap, hash, s.ptr, s.len);
    if (!k->text) {
        char *text = mlo_memdup0(s.ptr, s.len, err);
        if (!text)
            return MLO_EIO;
        *k = (struct word){.text = text, .length = s.len, .hash = hash, .number = (double)w->count++};
    }
    *ret = k->number;
    return 0;
}

static int by_text(const void *a, const void *b)
{
    const struct word *x = *(const struct word *const *)a, *y = *(const struct word *const *)b;
    int order = memcmp(x->text, y->text, x->length < y->length ? x->length : y->length);
    return order ? order : (x->length > y->length) - (x->length < y->length);
}

static void renumber(struct mlo_frame *f, const double *ranks)
{
    for (size_t i = 0; i < f->n_columns; i++)
        for (size_t row = 0; f->columns[i].type == MLO_COLUMN_TEXT && row < f->rows; row++)
            if (!isnan(f->columns[i].values[row]))
                f->columns[i].values[row] = ranks[(size_t)f->columns[i].values[row]];
}

int mlo_frames_rank(const struct mlo_words *words, struct mlo_frame *a, struct mlo_frame *b,
                    struct mlo_err *err)
{
    MLO_AUTOFREE const struct word **sorted = mlo_calloc(words->count + 1, sizeof *sorted, err);
    MLO_AUTOFREE double *ranks = sorted ? mlo_calloc(words->count + 1, sizeof *ranks, err) : NULL;
    size_t n = 0;
    if (!ranks)
        return MLO_EIO;
    for (size_t i = 0; i < words->cap; i++)
        if (words->slots[i].text)
            sorted[n++] = &words->slots[i];
    qsort(sorted, n, sizeof *sorted, by_text);
    for (size_t i = 0; i < n; i++)
        ranks[(size_t)sorted[i]->number] = (double)i;
    renumber(a, ranks);
    renumber(b, ranks);
    return 0;
}

/* ---- reading ---- */

struct reader {
    struct mlo_frame *frame;
    struct mlo_words *words;
};

static int value_of(struct reader *r, const struct mlo_frame_column *c, const struct mlo_batch_column *b,
                    size_t row, double *ret, struct mlo_err *err)
{
    if (c->type == MLO_COLUMN_TEXT)
        return number_of(r->words, b->codes ? b->dictionary[b->codes[row]] : b->texts[row], ret, err);
    *ret = b->numbers ? b->numbers[row] : (double)b->times[row];
    return 0;
}

static int add_column(struct reader *r, struct mlo_frame_column *c, const struct mlo_batch_column *b,
                      size_t rows, struct mlo_err *err)
{
    int rc = 0;
    double *to = c->values + r->frame->rows;
    for (size_t i = 0; rc == 0 && i < rows; i++) {
        uint8_t cell = b->cell ? b->cell[i] : MLO_CELL_OK;
        to[i] = NAN;
        c->n_bad += cell == MLO_CELL_BAD;
        if (cell != MLO_CELL_OK)
            continue;
        rc = value_of(r, c, b, i, &to[i], err);
        c->n_there++;
        c->integral = c->integral && to[i] == floor(to[i]);
    }
    return rc;
}

static int grow(struct mlo_frame *f, size_t need, struct mlo_err *err)
{
    size_t cap = need + need / 2;
    if (need <= f->cap)
        return 0;
    if (need > MLO_FRAME_VALUES_MAX / (f->n_columns + 1)) {
        mlo_fail(err, MLO_EUNAVAIL, "the table has too many values for --compat, which holds it in memory");
        return mlo_hint(err, "compare a part of its rows or columns, or use the report without --compat");
    }
    for (size_t i = 0; i < f->n_columns; i++) {
        size_t own = f->cap;
        int rc = mlo_grow(&f->columns[i].values, &own, cap, sizeof(double), err);
        if (rc != 0)
            return rc;
    }
    f->cap = cap;
    return 0;
}

static int add_batch(void *ctx, unsigned worker, const struct mlo_batch *b, struct mlo_err *err)
{
    struct reader *r = ctx;
    int rc = grow(r->frame, r->frame->rows + b->n_rows, err);
    (void)worker;
    for (size_t i = 0; rc == 0 && i < r->frame->n_columns; i++)
        rc = add_column(r, &r->frame->columns[i], &b->columns[i], b->n_rows, err);
    if (rc == 0)
        r->frame->rows += b->n_rows;
    return rc;
}

static int make_columns(const struct mlo_table *t, struct mlo_frame *f, struct mlo_err *err)
{
    size_t n;
    const struct mlo_table_column *columns = mlo_table_columns(t, &n);
    f->columns = mlo_calloc(n + 1, sizeof *f->columns, err);
    if (!f->columns)
        return MLO_EIO;
    for (; f->n_columns < n; f->n_columns++) {
        struct mlo_frame_column *c = &f->columns[f->n_columns];
        c->type = columns[f->n_columns].type;
        c->integral = columns[f->n_columns].integral;
        c->name = mlo_strdup(columns[f->n_columns].name, err);
        if (!c->name)
            return MLO_EIO;
    }
    return 0;
}

int mlo_frame_read(struct mlo_table *t, struct mlo_words *words, struct mlo_frame *ret, struct mlo_err *err)
{
    struct mlo_frame f = {0};
    struct reader r = {&f, words};
    struct mlo_scan_result st = {0};
    if (mlo_table_workers(t) != 1)
        return mlo_fail(err, MLO_EINTERNAL, "a frame is read in order, by one thread");
    int rc = make_columns(t, &f, err);
    if (rc == 0)
        rc = mlo_table_scan(t, add_batch, &r, &st, err);
    if (rc != 0) {
        mlo_frame_release(&f);
        return rc;
    }
    for (size_t i = 0; i < f.n_columns; i++)
        f.columns[i].integral = f.columns[i].integral && f.columns[i].n_there == f.rows;
    *ret = f;
    return 0;
}

void mlo_frame_release(struct mlo_frame *f)
{
    for (size_t i = 0; i < f->n_columns; i++) {
        free(f->columns[i].name);
        free(f->columns[i].values);
    }
    free(f->columns);
    *f = (struct mlo_frame){0};
}

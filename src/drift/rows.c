/* See rows.h. */
#include "rows.h"

#include <math.h>
#include <string.h>

int mlo_rows_new(size_t width, struct mlo_rows **ret, struct mlo_err *err)
{
    struct mlo_rows *r = mlo_calloc(1, sizeof *r, err);
    if (!r)
        return MLO_EIO;
    r->width = width;
    r->max = width > 0 && MLO_CELLS_MAX / width < MLO_ROWS_MAX ? MLO_CELLS_MAX / width : MLO_ROWS_MAX;
    r->threshold = UINT64_MAX;
    *ret = r;
    return 0;
}

void mlo_rows_free(struct mlo_rows *r)
{
    if (!r)
        return;
    free(r->keys);
    free(r->cells);
    free(r);
}

/* Room for one more row; its cells. */
static double *append(struct mlo_rows *r, uint64_t key, struct mlo_err *err)
{
    size_t cap = r->cap;
    if (r->n == r->cap) {
        if (mlo_grow(&r->keys, &cap, r->n + 1, sizeof *r->keys, err) != 0)
            return NULL;
        double *cells = mlo_calloc(cap * r->width + 1, sizeof *cells, err);
        if (!cells)
            return NULL;
        if (r->n > 0)
            memcpy(cells, r->cells, r->n * r->width * sizeof *cells);
        free(r->cells);
        r->cells = cells;
        r->cap = cap;
    }
    r->keys[r->n] = key;
    return r->cells + r->n++ * r->width;
}

static double cell_of(const struct mlo_profile_column *c, const struct mlo_batch_column *b, size_t row)
{
    if (c->role != MLO_ROLE_FEATURE || c->type == MLO_COLUMN_TIME || (b->cell && b->cell[row] != MLO_CELL_OK))
        return NAN;
    if (c->type != MLO_COLUMN_TEXT)
        return b->numbers[row];
    struct mlo_slice s = b->codes ? b->dictionary[b->codes[row]] : b->texts[row];
    return (double)(mlo_category_hash(s.ptr, s.len) >> 11);
}

int mlo_rows_offer(struct mlo_rows *r, const struct mlo_profile *p, const struct mlo_batch *b,
                   struct mlo_err *err)
{
    for (size_t row = 0; row < b->n_rows; row++) {
        uint64_t place = b->sequence << 24 ^ row, key = mlo_random_next(&place);
        if (key > r->threshold)
            continue;
        double *cells = append(r, key, err);
        if (!cells)
            return MLO_EIO;
        for (size_t i = 0; i < r->width; i++)
            cells[i] = cell_of(&p->columns[i], &b->columns[i], row);
        int rc = r->n >= 2 * r->max ? mlo_rows_settle(r, err) : 0;
        if (rc != 0)
            return rc;
    }
    return 0;
}

struct placed {
    uint64_t key;
    size_t at;
};

static int by_key(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    return x->key != y->key ? (x->key > y->key ? 1 : -1) : (x->at > y->at) - (x->at < y->at);
}

int mlo_rows_settle(struct mlo_rows *r, struct mlo_err *err)
{
    size_t n = r->n < r->max ? r->n : r->max;
    MLO_AUTOFREE struct placed *order = mlo_calloc(r->n + 1, sizeof *order, err);
    double *cells = order ? mlo_calloc(r->cap * r->width + 1, sizeof *cells, err) : NULL;
    if (!cells)
        return MLO_EIO;
    for (size_t i = 0; i < r->n; i++)
        order[i] = (struct placed){r->keys[i], i};
    qsort(order, r->n, sizeof *order, by_key);
    for (size_t i = 0; i < n; i++) {
        r->keys[i] = order[i].key;
        memcpy(cells + i * r->width, r->cells + order[i].at * r->width, r->width * sizeof *cells);
    }
    if (r->n >= r->max && n > 0)
        r->threshold = r->keys[n - 1];
    free(r->cells);
    r->cells = cells;
    r->n = n;
    return 0;
}

int mlo_rows_merge(struct mlo_rows *into, const struct mlo_rows *from, struct mlo_err *err)
{
    for (size_t i = 0; i < from->n; i++) {
        double *cells = append(into, from->keys[i], err);
        if (!cells)
            return MLO_EIO;
        memcpy(cells, from->cells + i * from->width, into->width * sizeof *cells);
    }
    return mlo_rows_settle(into, err);
}

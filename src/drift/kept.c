/*
 * Batches of the sample, kept until the edges that they decide are known: then their rows can be judged. Of
 * each only what judging reads is copied.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "outcome.h"

struct mlo_kept_batch {
    struct mlo_batch batch; /* its columns point into what follows */
    struct mlo_batch_column *columns;
    char **owned; /* memory of the columns */
    size_t n_owned;
};

static void release(struct mlo_kept_batch *k)
{
    for (size_t i = 0; i < k->n_owned; i++)
        free(k->owned[i]);
    free(k->owned);
    free(k->columns);
}

void mlo_kept_release(struct mlo_kept *k)
{
    for (size_t i = 0; i < k->n; i++)
        release(&k->batches[i]);
    free(k->batches);
    *k = (struct mlo_kept){0};
}

static void *own(struct mlo_kept_batch *k, size_t n, struct mlo_err *err)
{
    void *p = mlo_calloc(n + 1, 1, err);
    if (p)
        k->owned[k->n_owned++] = p;
    return p;
}

static void *copy(struct mlo_kept_batch *k, const void *from, size_t n, struct mlo_err *err)
{
    void *p = own(k, n, err);
    if (p)
        memcpy(p, from, n);
    return p;
}

/* One slice a row, its bytes in one piece. */
static int copy_texts(struct mlo_kept_batch *k, const struct mlo_batch_column *from, size_t rows,
                      struct mlo_batch_column *to, struct mlo_err *err)
{
    size_t total = 0;
    struct mlo_slice *texts = own(k, rows * sizeof *texts, err);
    for (size_t r = 0; texts && r < rows; r++) {
        bool there = !from->cell || from->cell[r] == MLO_CELL_OK;
        texts[r] = !there        ? (struct mlo_slice){"", 0}
                   : from->codes ? from->dictionary[from->codes[r]]
                                 : from->texts[r];
        total += texts[r].len;
    }
    char *bytes = texts ? own(k, total, err) : NULL;
    if (!bytes)
        return MLO_EIO;
    for (size_t r = 0; r < rows; r++) {
        if (texts[r].len > 0)
            memcpy(bytes, texts[r].ptr, texts[r].len);
        texts[r].ptr = bytes;
        bytes += texts[r].len;
    }
    to->texts = texts;
    return 0;
}

static int copy_column(struct mlo_kept_batch *k, const struct mlo_profile_column *c,
                       const struct mlo_batch_column *from, size_t rows, struct mlo_batch_column *to,
                       struct mlo_err *err)
{
    if (c->role == MLO_ROLE_IGNORE || c->type == MLO_COLUMN_TIME)
        return 0;
    if (from->cell && !(to->cell = copy(k, from->cell, rows, err)))
        return MLO_EIO;
    if (c->type == MLO_COLUMN_TEXT)
        return copy_texts(k, from, rows, to, err);
    to->numbers = copy(k, from->numbers, rows * sizeof *from->numbers, err);
    return to->numbers ? 0 : MLO_EIO;
}

int mlo_kept_add(struct mlo_kept *k, const struct mlo_profile *p, const struct mlo_batch *b,
                 struct mlo_err *err)
{
    enum { PIECES = 3 }; /* of a column at most */
    int rc = mlo_grow(&k->batches, &k->cap, k->n + 1, sizeof *k->batches, err);
    if (rc != 0)
        return rc;
    struct mlo_kept_batch *to = &k->batches[k->n++];
    *to = (struct mlo_kept_batch){.batch = {.n_rows = b->n_rows, .n_columns = b->n_columns}};
    to->owned = mlo_calloc(PIECES * b->n_columns + 1, sizeof *to->owned, err);
    to->columns = mlo_calloc(b->n_columns + 1, sizeof *to->columns, err);
    to->batch.columns = to->columns;
    if (!to->owned || !to->columns)
        return MLO_EIO;
    for (size_t i = 0; rc == 0 && i < b->n_columns; i++)
        rc = copy_column(to, &p->columns[i], &b->columns[i], b->n_rows, &to->columns[i], err);
    return rc;
}

/* An error above nine tenths of the sample's is a large one. */
static int find_large(const struct mlo_kept *k, struct mlo_outcome *o, struct mlo_err *err)
{
    MLO_AUTOFREE double *errors = NULL;
    size_t n = 0, cap = 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < k->n; i++)
        rc = mlo_outcome_errors(o, &k->batches[i].batch, &errors, &n, &cap, err);
    MLO_AUTOFREE double *scratch = rc == 0 ? mlo_calloc(n + 1, sizeof *scratch, err) : NULL;
    if (!scratch)
        return MLO_EIO;
    if (n > 0) {
        mlo_sort_doubles(errors, n, scratch);
        o->large = fmin(mlo_quantile_sorted(errors, n, MLO_OUTCOME_LARGE), DBL_MAX);
    }
    return 0;
}

int mlo_kept_judge(const struct mlo_kept *k, struct mlo_profile *p, const char *positive, bool count,
                   struct mlo_err *err)
{
    int rc = mlo_outcome_new(p, NULL, positive, &p->outcome, err);
    if (rc == 0 && p->outcome && p->outcome->kind == MLO_OUTCOME_NUMBERS)
        rc = find_large(k, p->outcome, err);
    for (size_t i = 0; rc == 0 && count && p->outcome && i < k->n; i++)
        rc = mlo_outcome_count(p->outcome, p, &k->batches[i].batch, err);
    return rc;
}

/* Rows of different lengths become rectangles: ids, mask and types, padded as the tokenizer's file says. */
#include "internal.h"

void mlo_token_batch_release(struct mlo_token_batch *b)
{
    free(b->ids);
    free(b->mask);
    free(b->types);
    *b = (struct mlo_token_batch){0};
}

static int reserve(struct mlo_token_batch *b, size_t n, struct mlo_err *err)
{
    int rc = mlo_grow(&b->ids, &b->ids_cap, n, sizeof *b->ids, err);
    if (rc == 0)
        rc = mlo_grow(&b->mask, &b->mask_cap, n, sizeof *b->mask, err);
    return rc == 0 ? mlo_grow(&b->types, &b->types_cap, n, sizeof *b->types, err) : rc;
}

static size_t width_of(const struct mlo_tokenizer *t, const struct mlo_encoding *const *rows, size_t n,
                       bool longest)
{
    size_t most = 0, width;
    for (size_t i = 0; i < n; i++)
        most = rows[i]->n > most ? rows[i]->n : most;
    width = longest || t->pad_to < most ? most : t->pad_to;
    return !longest && t->pad_multiple && width % t->pad_multiple
               ? width + t->pad_multiple - width % t->pad_multiple
               : width;
}

static void fill_row(const struct mlo_tokenizer *t, const struct mlo_encoding *e, struct mlo_token_batch *b,
                     size_t row)
{
    size_t begin = row * b->width, first = begin + (t->pad_left ? b->width - e->n : 0);
    for (size_t i = begin; i < begin + b->width; i++) {
        bool there = i >= first && i < first + e->n;
        b->ids[i] = there ? e->ids[i - first] : t->pad_id;
        b->types[i] = there ? e->types[i - first] : t->pad_type;
        b->mask[i] = there;
    }
}

int mlo_token_batch(const struct mlo_tokenizer *t, const struct mlo_encoding *const *rows, size_t n,
                    bool longest, struct mlo_token_batch *ret, struct mlo_err *err)
{
    uint64_t cells;
    size_t width = width_of(t, rows, n, longest);
    if (!mlo_mul_u64(n, width, &cells) || cells > SIZE_MAX / sizeof(int64_t))
        return mlo_fail(err, MLO_EINVALID, "a batch of %zu texts and %zu tokens is too large", n, width);
    if (reserve(ret, cells, err) != 0)
        return err->code;
    ret->rows = n;
    ret->width = width;
    for (size_t i = 0; i < n; i++)
        fill_row(t, rows[i], ret, i);
    return 0;
}

int mlo_token_row(const struct mlo_encoding *const *rows, size_t n, struct mlo_token_batch *ret,
                  struct mlo_err *err)
{
    size_t width = 0, at = 0;
    for (size_t i = 0; i < n; i++)
        width += rows[i]->n;
    if (reserve(ret, width, err) != 0)
        return err->code;
    ret->rows = 1;
    ret->width = width;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < rows[i]->n; k++, at++) {
            ret->ids[at] = rows[i]->ids[k];
            ret->types[at] = rows[i]->types[k];
            ret->mask[at] = 1;
        }
    return 0;
}

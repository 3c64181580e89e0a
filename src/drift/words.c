/* Texts: categories of both sides side by side, those too rare for chi-square together. */
#include "internal.h"

#include <string.h>

#define SHOWN_MAX ((size_t)50)

struct both {
    struct mlo_slice text;
    uint64_t a, b;
};

static int by_total(const void *x, const void *y)
{
    const struct both *p = x, *q = y;
    uint64_t m = p->a + p->b, n = q->a + q->b;
    if (m != n)
        return m < n ? 1 : -1;
    size_t least = p->text.len < q->text.len ? p->text.len : q->text.len;
    int order = memcmp(p->text.ptr, q->text.ptr, least);
    return order ? order : (p->text.len > q->text.len) - (p->text.len < q->text.len);
}

/* Every category of either side. Owner of the list: the caller. */
static int join(const struct mlo_categories *a, const struct mlo_categories *b, struct both **ret,
                size_t *ret_n, struct mlo_err *err)
{
    struct both *list = mlo_calloc(a->count + b->count + 1, sizeof *list, err);
    size_t n = 0;
    if (!list)
        return MLO_EIO;
    for (size_t i = 0; i < a->cap; i++)
        if (a->slots[i].text) {
            const struct mlo_category *k = &a->slots[i], *other = mlo_categories_same(b, k);
            list[n++] = (struct both){{k->text, strlen(k->text)}, k->count, other ? other->count : 0};
        }
    for (size_t i = 0; i < b->cap; i++)
        if (b->slots[i].text && !mlo_categories_same(a, &b->slots[i]))
            list[n++] = (struct both){{b->slots[i].text, strlen(b->slots[i].text)}, 0, b->slots[i].count};
    qsort(list, n, sizeof *list, by_total);
    *ret = list;
    *ret_n = n;
    return 0;
}

static void name_changes(const struct both *list, size_t n, const struct mlo_pair *p,
                         struct mlo_drift_column *ret)
{
    for (size_t i = 0; i < n; i++) {
        const struct both *k = &list[i];
        /* What a side left out may be there all the same. */
        if (k->a == 0 && !p->reference->categories.overflowed) {
            if (ret->n_new < MLO_COUNT(ret->new_categories))
                ret->new_categories[ret->n_new] = k->text;
            ret->n_new++;
        } else if (k->b == 0 && !p->current->categories.overflowed) {
            if (ret->n_vanished < MLO_COUNT(ret->vanished_categories))
                ret->vanished_categories[ret->n_vanished] = k->text;
            ret->n_vanished++;
        }
    }
}

/* How many of the list stand alone: enough rows, and no more than people look at. */
static size_t alone(const struct both *list, size_t n, double rows_a, double rows_b)
{
    double smaller = rows_a < rows_b ? rows_a : rows_b, share = smaller / (rows_a + rows_b);
    size_t k = 0;
    while (k < n && k < SHOWN_MAX && (double)(list[k].a + list[k].b) * share >= MLO_EXPECTED_MIN)
        k++;
    return k;
}

static int fill(const struct both *list, size_t n, const struct mlo_pair *p, struct mlo_drift_column *ret,
                struct mlo_err *err)
{
    static const char other[] = "(other)", missing[] = "(missing)";
    const struct mlo_profile_column *a = p->reference, *b = p->current;
    size_t k = alone(list, n, (double)a->n, (double)b->n);
    struct mlo_slice *labels = mlo_calloc(k + 2, sizeof *labels, err);
    uint64_t *ca = mlo_calloc(k + 2, sizeof *ca, err), *cb = mlo_calloc(k + 2, sizeof *cb, err);
    ret->labels = labels;
    ret->counts_reference = ca;
    ret->counts_current = cb;
    ret->bins = k + 2;
    if (!labels || !ca || !cb)
        return MLO_EIO;
    for (size_t i = 0; i < n; i++) {
        size_t to = i < k ? i : k;
        labels[to] = i < k ? list[i].text : (struct mlo_slice){other, sizeof other - 1};
        ca[to] += list[i].a;
        cb[to] += list[i].b;
    }
    labels[k] = (struct mlo_slice){other, sizeof other - 1};
    ca[k] += a->categories.left_out;
    cb[k] += b->categories.left_out;
    labels[k + 1] = (struct mlo_slice){missing, sizeof missing - 1};
    ca[k + 1] = a->missing + a->nan + a->bad;
    cb[k + 1] = b->missing + b->nan + b->bad;
    return 0;
}

int mlo_compare_texts(const struct mlo_pair *p, struct mlo_drift_column *ret, struct mlo_err *err)
{
    MLO_AUTOFREE struct both *list = NULL;
    size_t n = 0;
    int rc = join(&p->reference->categories, &p->current->categories, &list, &n, err);
    if (rc == 0)
        rc = fill(list, n, p, ret, err);
    if (rc != 0)
        return rc;
    name_changes(list, n, p, ret);
    mlo_compare_counts(ret);
    return 0;
}

/*
 * Two bundles tensor by tensor. Tensors are paired by name, wherever they lie: a model that was sharded
 * otherwise has not changed. What differs is told from the recorded digests alone; numbers are read only to
 * say how far apart changed tensors are.
 */
#include <mlopsctl/bundle.h>

#include <math.h>
#include <string.h>

#include <mlopsctl/base/thread.h>

#include "tensorio.h"

#define DIFF_PIECE ((size_t)49152) /* a whole number of elements of every width from 2 to 128 bits */

struct side {
    struct mlo_bundle_tensor *t; /* sorted by name, then file */
    size_t n, cap;
    struct mlo_weights *weights;
};

struct differ {
    struct side a, b;
    struct mlo_tensor_change *changes;
    size_t n, cap, same;
};

/* ---- pairing ---- */

static int add_tensor(void *ctx, const struct mlo_bundle_tensor *t, struct mlo_err *err)
{
    struct side *side = ctx;
    int rc = mlo_grow(&side->t, &side->cap, side->n + 1, sizeof *side->t, err);
    if (rc == 0)
        side->t[side->n++] = *t;
    return rc;
}

static int tensor_cmp(const void *a, const void *b)
{
    const struct mlo_bundle_tensor *x = a, *y = b;
    int c = strcmp(x->name, y->name);
    return c != 0 ? c : strcmp(x->file, y->file);
}

static int side_load(struct side *side, struct mlo_store *s, const struct mlo_bundle *b, struct mlo_err *err)
{
    int rc = mlo_bundle_tensor_each(b, add_tensor, side, err);
    if (rc != 0)
        return rc;
    if (side->n > 1)
        qsort(side->t, side->n, sizeof *side->t, tensor_cmp);
    return mlo_weights_new(s, b, &side->weights, err);
}

static void side_release(struct side *side)
{
    mlo_weights_free(side->weights);
    free(side->t);
}

static bool same_form(const struct mlo_bundle_tensor *a, const struct mlo_bundle_tensor *b)
{
    return strcmp(a->type_name, b->type_name) == 0 && a->rank == b->rank &&
           memcmp(a->shape, b->shape, a->rank * sizeof *a->shape) == 0;
}

static int add_change(struct differ *d, const struct mlo_bundle_tensor *a, const struct mlo_bundle_tensor *b,
                      struct mlo_err *err)
{
    if (a && b && same_form(a, b) && a->has_digest && b->has_digest &&
        mlo_digest_eq(&a->digest, &b->digest)) {
        d->same++;
        return 0;
    }
    int rc = mlo_grow(&d->changes, &d->cap, d->n + 1, sizeof *d->changes, err);
    if (rc == 0)
        d->changes[d->n++] = (struct mlo_tensor_change){.change = !a   ? MLO_ADDED
                                                                  : !b ? MLO_REMOVED
                                                                       : MLO_CHANGED,
                                                        .a = a,
                                                        .b = b};
    return rc;
}

/* How many tensors from i on have the same name. */
static size_t group(const struct side *s, size_t i)
{
    size_t n = 0;
    while (i + n < s->n && strcmp(s->t[i].name, s->t[i + n].name) == 0)
        n++;
    return n;
}

static int pair_all(struct differ *d, struct mlo_err *err)
{
    size_t i = 0, j = 0;
    int rc = 0;
    while (rc == 0 && (i < d->a.n || j < d->b.n)) {
        const struct mlo_bundle_tensor *a = i < d->a.n ? &d->a.t[i] : NULL;
        const struct mlo_bundle_tensor *b = j < d->b.n ? &d->b.t[j] : NULL;
        int c = !a ? 1 : !b ? -1 : strcmp(a->name, b->name);
        if (c == 0 && (group(&d->a, i) > 1 || group(&d->b, j) > 1))
            c = strcmp(a->file, b->file); /* one name in several files: the file decides */
        rc = add_change(d, c <= 0 ? a : NULL, c >= 0 ? b : NULL, err);
        i += c <= 0;
        j += c >= 0;
    }
    return rc;
}

/* ---- numbers ---- */

/* Two values' distance; a number against a NaN is infinitely far. */
static double distance(double x, double y)
{
    if (x == y || (isnan(x) && isnan(y)))
        return 0;
    double d = fabs(x - y);
    return isnan(d) ? INFINITY : d;
}

static void add_piece(struct mlo_tensor_change *c, const void *a, const void *b, size_t n, double *sum)
{
    for (size_t i = 0; i < n; i++) {
        double x = 0, y = 0;
        mlo_dtype_to_double(c->a->dtype, a, i, &x);
        mlo_dtype_to_double(c->a->dtype, b, i, &y);
        double d = distance(x, y);
        if (d == 0)
            continue;
        c->n_differ++;
        *sum += d;
        c->max_abs = d > c->max_abs ? d : c->max_abs;
    }
}

static int compare_streams(struct mlo_tensor_change *c, struct mlo_tensor_stream *a,
                           struct mlo_tensor_stream *b, struct mlo_err *err)
{
    MLO_AUTOFREE char *buf = malloc(2 * DIFF_PIECE);
    unsigned bits = mlo_dtype_bits(c->a->dtype);
    uint64_t left = 1;
    double sum = 0, elements;
    if (!buf)
        return mlo_fail_nomem(err);
    for (uint32_t i = 0; i < c->a->rank; i++)
        left *= c->a->shape[i]; /* checked when the bundle was read */
    elements = (double)left;
    for (;;) {
        size_t na = 0, nb = 0;
        int rc = mlo_tensor_stream_read(a, buf, DIFF_PIECE, &na, err);
        if (rc == 0)
            rc = mlo_tensor_stream_read(b, buf + DIFF_PIECE, DIFF_PIECE, &nb, err);
        if (rc == 0 && na != nb)
            rc = mlo_fail(err, MLO_EINVALID, "tensors of one type and shape have different sizes");
        if (rc != 0)
            return rc;
        if (na == 0)
            break;
        uint64_t n = (uint64_t)na * 8 / bits;
        n = n < left ? n : left;
        left -= n;
        if (memcmp(buf, buf + DIFF_PIECE, na) != 0)
            add_piece(c, buf, buf + DIFF_PIECE, (size_t)n, &sum);
    }
    c->mean_abs = elements > 0 ? sum / elements : 0;
    c->has_stats = true;
    return 0;
}

static bool has_numbers(const struct mlo_tensor_change *c)
{
    static const uint64_t zero[4];
    double ignored;
    return c->change == MLO_CHANGED && same_form(c->a, c->b) && mlo_dtype_bits(c->a->dtype) > 0 &&
           mlo_dtype_to_double(c->a->dtype, zero, 0, &ignored);
}

static int measure(void *ctx, size_t i, struct mlo_err *err)
{
    struct differ *d = ctx;
    struct mlo_tensor_change *c = &d->changes[i];
    struct mlo_tensor_stream *a = NULL, *b = NULL;
    if (!has_numbers(c))
        return 0;
    int rc = mlo_tensor_stream_open(d->a.weights, c->a, &a, err);
    if (rc == 0)
        rc = mlo_tensor_stream_open(d->b.weights, c->b, &b, err);
    if (rc == 0)
        rc = compare_streams(c, a, b, err);
    mlo_tensor_stream_close(a);
    mlo_tensor_stream_close(b);
    return rc == MLO_EUNAVAIL ? 0 : rc; /* no bytes to be had: no numbers */
}

/* ---- the whole ---- */

/* Without digests only the numbers can tell that nothing changed. */
static bool proved_same(const struct mlo_tensor_change *c)
{
    return c->has_stats && c->n_differ == 0 && !(c->a->has_digest && c->b->has_digest);
}

static int report(struct differ *d,
                  int (*fn)(void *ctx, const struct mlo_tensor_change *c, struct mlo_err *err), void *ctx,
                  struct mlo_err *err)
{
    for (size_t i = 0; i < d->n; i++) {
        if (proved_same(&d->changes[i])) {
            d->same++;
            continue;
        }
        int rc = fn(ctx, &d->changes[i], err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int mlo_diff_tensors(struct mlo_store *s, const struct mlo_bundle *a, const struct mlo_bundle *b, bool stats,
                     unsigned threads,
                     int (*fn)(void *ctx, const struct mlo_tensor_change *c, struct mlo_err *err), void *ctx,
                     size_t *ret_same, struct mlo_err *err)
{
    struct differ d = {0};
    int rc = side_load(&d.a, s, a, err);
    if (rc == 0)
        rc = side_load(&d.b, s, b, err);
    if (rc == 0)
        rc = pair_all(&d, err);
    if (rc == 0 && stats)
        rc = mlo_parallel(d.n, threads, measure, &d, err);
    if (rc == 0)
        rc = report(&d, fn, ctx, err);
    if (rc == 0)
        *ret_same = d.same;
    side_release(&d.a);
    side_release(&d.b);
    free(d.changes);
    return rc;
}

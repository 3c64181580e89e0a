/*
 * Operators along axes: sums, extremes, positions, running sums, the best of a row, softmax. Real numbers are
 * summed as doubles; whole numbers as 64-bit ones.
 */
#include <math.h>
#include <string.h>

#include <mlopsctl/backend.h>

#include "op.h"

/* ---- Reduce ---- */

enum reduce { SUM, MEAN, PRODUCT, LEAST, GREATEST, ABS_SUM, ROOT_OF_SQUARES, SQUARES, LOG_SUM, LOG_SUM_EXP };
static const enum reduce reduces[] = {SUM,     MEAN,    PRODUCT,    LEAST, GREATEST, ABS_SUM, ROOT_OF_SQUARES,
                                      SQUARES, LOG_SUM, LOG_SUM_EXP};

/* The axes that go: all when none is named, unless the node says that then nothing is to be done. */
static int read_axes(const struct mlo_op_call *c, const struct mlo_array *a, bool gone[MLO_RANK_MAX],
                     bool *ret_noop, struct mlo_err *err)
{
    int64_t given[MLO_SMALL_LIST];
    size_t n;
    const int64_t *list = mlo_attr_ints(c->node, "axes", &n);
    int rc = list ? 0 : mlo_in_ints(c, 1, given, &n, err);
    *ret_noop = n == 0 && mlo_attr_int(c->node, "noop_with_empty_axes", 0) != 0;
    for (unsigned d = 0; d < MLO_RANK_MAX; d++)
        gone[d] = n == 0 && !*ret_noop;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        unsigned axis;
        rc = mlo_axis(list ? list[i] : given[i], a->rank, &axis, err);
        if (rc == 0)
            gone[axis] = true;
    }
    return rc;
}

static double start_of(enum reduce how)
{
    return how == PRODUCT                          ? 1
           : how == LEAST                          ? INFINITY
           : how == GREATEST || how == LOG_SUM_EXP ? -INFINITY
                                                   : 0;
}

static double join(enum reduce how, double so_far, double v)
{
    switch (how) {
    case SUM:
    case MEAN:
    case LOG_SUM:
        return so_far + v;
    case PRODUCT:
        return so_far * v;
    case LEAST:
        return isnan(so_far) || so_far < v ? so_far : v;
    case GREATEST:
    case LOG_SUM_EXP: /* the greatest first, then the sum of what is left of each */
        return isnan(so_far) || so_far > v ? so_far : v;
    case ABS_SUM:
        return so_far + fabs(v);
    case ROOT_OF_SQUARES:
    case SQUARES:
        return so_far + v * v;
    }
    return so_far;
}

struct reducing {
    enum reduce how;
    bool gone[MLO_RANK_MAX];
    size_t strides[MLO_RANK_MAX]; /* of the result, 0 along what goes */
    size_t per;                   /* elements that make one */
};

/* Where the next element of a goes, after the one at `index` that went to `at`. */
static size_t next_place(const struct reducing *r, const struct mlo_array *a, int64_t *index, size_t at)
{
    for (unsigned d = a->rank; d-- > 0;) {
        at += r->strides[d];
        if (++index[d] < a->dims[d])
            break;
        at -= r->strides[d] * (size_t)a->dims[d];
        index[d] = 0;
    }
    return at;
}

static void each_place(const struct reducing *r, const struct mlo_array *a, const double *v, double *out,
                       double (*fn)(enum reduce how, double so_far, double v))
{
    int64_t index[MLO_RANK_MAX] = {0};
    size_t at = 0;
    for (size_t i = 0; i < a->n; i++) {
        out[at] = fn(r->how, out[at], v[i]);
        at = next_place(r, a, index, at);
    }
}

static void finish(const struct reducing *r, double *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = r->how == MEAN              ? out[i] / (double)r->per
                 : r->how == ROOT_OF_SQUARES ? sqrt(out[i])
                 : r->how == LOG_SUM         ? log(out[i])
                                             : out[i];
}

/* log(sum e^x) = m + log(sum e^(x - m)) with the greatest m of each place. */
static int log_sum_exp(struct mlo_op_call *c, const struct reducing *r, const struct mlo_array *a,
                       const double *v, double *out, size_t n, struct mlo_err *err)
{
    int64_t index[MLO_RANK_MAX] = {0};
    void *memory;
    size_t at = 0;
    int rc = mlo_scratch(c, n, sizeof(double), &memory, err);
    if (rc != 0)
        return rc;
    double *sums = memory;
    memset(sums, 0, n * sizeof *sums);
    for (size_t i = 0; i < a->n; i++) {
        sums[at] += isinf(out[at]) ? (v[i] == out[at]) : exp(v[i] - out[at]);
        at = next_place(r, a, index, at);
    }
    for (size_t i = 0; i < n; i++)
        out[i] = isinf(out[i]) ? out[i] : out[i] + log(sums[i]);
    return 0;
}

/* 64-bit whole numbers do not pass through doubles. */
static void reduce_whole(const struct reducing *r, const struct mlo_array *a, int64_t *out)
{
    int64_t index[MLO_RANK_MAX] = {0};
    const int64_t *v = a->data;
    size_t at = 0;
    for (size_t i = 0; i < a->n; i++) {
        uint64_t x = (uint64_t)out[at], y = (uint64_t)v[i];
        out[at] = r->how == PRODUCT    ? (int64_t)(x * y)
                  : r->how == LEAST    ? (v[i] < out[at] ? v[i] : out[at])
                  : r->how == GREATEST ? (v[i] > out[at] ? v[i] : out[at])
                  : r->how == ABS_SUM  ? (int64_t)(x + (v[i] < 0 ? -y : y))
                  : r->how == SQUARES  ? (int64_t)(x + y * y)
                                       : (int64_t)(x + y);
        at = next_place(r, a, index, at);
    }
}

static bool is_exact(enum reduce how)
{
    return how != MEAN && how != ROOT_OF_SQUARES && how != LOG_SUM && how != LOG_SUM_EXP;
}

static int reduce(struct mlo_op_call *c, const struct reducing *r, const struct mlo_array *a,
                  struct mlo_array *out, struct mlo_err *err)
{
    double *v, *result;
    void *memory;
    if (a->dtype == MLO_DT_I64 && is_exact(r->how)) {
        int64_t start = r->how == PRODUCT    ? 1
                        : r->how == LEAST    ? INT64_MAX
                        : r->how == GREATEST ? INT64_MIN
                                             : 0;
        for (size_t i = 0; i < out->n; i++)
            ((int64_t *)out->data)[i] = start;
        reduce_whole(r, a, out->data);
        return 0;
    }
    int rc = mlo_as_doubles(c, a, &v, err);
    if (rc == 0)
        rc = mlo_scratch(c, out->n, sizeof(double), &memory, err);
    if (rc != 0)
        return rc;
    result = memory;
    for (size_t i = 0; i < out->n; i++)
        result[i] = start_of(r->how);
    each_place(r, a, v, result, join);
    if (r->how == LOG_SUM_EXP)
        rc = log_sum_exp(c, r, a, v, result, out->n, err);
    finish(r, result, out->n);
    return rc == 0 ? mlo_from_doubles(result, out, err) : rc;
}

static int run_reduce(struct mlo_op_call *c, struct mlo_err *err)
{
    struct reducing r = {.how = *(const enum reduce *)c->how, .per = 1};
    bool keep = mlo_attr_int(c->node, "keepdims", 1) != 0, noop;
    int64_t dims[MLO_RANK_MAX];
    const struct mlo_array *a;
    struct mlo_array *out;
    unsigned rank = 0;
    size_t stride = 1;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = read_axes(c, a, r.gone, &noop, err);
    if (rc != 0)
        return rc;
    if (noop && (r.how == SUM || r.how == MEAN || r.how == PRODUCT || r.how == LEAST || r.how == GREATEST)) {
        mlo_out_same(c, 0, c->in[0]);
        return 0;
    }
    for (unsigned d = 0; d < a->rank; d++) {
        r.per *= r.gone[d] ? (size_t)a->dims[d] : 1;
        if (!r.gone[d] || keep)
            dims[rank++] = r.gone[d] ? 1 : a->dims[d];
    }
    for (unsigned d = a->rank; d-- > 0;) {
        r.strides[d] = r.gone[d] ? 0 : stride;
        stride *= r.gone[d] ? 1 : (size_t)a->dims[d];
    }
    rc = mlo_out_new(c, 0, a->dtype, dims, rank, &out, err);
    return rc == 0 && out ? reduce(c, &r, a, out, err) : rc;
}

/* ---- rows along one axis ---- */

struct row_work { /* element i of the row (outer, inner) is at (outer * n + i) * inner_n + inner */
    const struct mlo_array *a;
    size_t outer, n, inner;
    unsigned axis;
};

static int begin_rows(struct row_work *w, const struct mlo_op_call *c, int64_t axis, struct mlo_err *err)
{
    int rc = mlo_in_array(c, 0, &w->a, err);
    if (rc == 0)
        rc = mlo_axis(axis, w->a->rank, &w->axis, err);
    if (rc == 0)
        mlo_around(w->a, w->axis, &w->outer, &w->inner);
    if (rc == 0 && w->a->n == 0)
        w->outer = 0; /* the others may be large */
    w->n = rc == 0 ? (size_t)w->a->dims[w->axis] : 0;
    return rc;
}

/* ---- ArgMax, ArgMin ---- */

static const bool arg_least = false, arg_greatest = true;

static int run_arg(struct mlo_op_call *c, struct mlo_err *err)
{
    bool greatest = *(const bool *)c->how, last = mlo_attr_int(c->node, "select_last_index", 0) != 0;
    bool keep = mlo_attr_int(c->node, "keepdims", 1) != 0;
    int64_t dims[MLO_RANK_MAX];
    struct row_work w = {0};
    struct mlo_array *out;
    unsigned rank = 0;
    double *v;
    int rc = begin_rows(&w, c, mlo_attr_int(c->node, "axis", 0), err);
    if (rc == 0 && w.n == 0)
        rc = mlo_op_refuse(c, err, "nothing along the axis");
    for (unsigned d = 0; rc == 0 && d < w.a->rank; d++)
        if (d != w.axis || keep)
            dims[rank++] = d == w.axis ? 1 : w.a->dims[d];
    if (rc == 0)
        rc = mlo_as_doubles(c, w.a, &v, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, MLO_DT_I64, dims, rank, &out, err);
    for (size_t k = 0; rc == 0 && out && k < out->n; k++) {
        const double *row = v + k / w.inner * w.n * w.inner + k % w.inner;
        size_t best = 0;
        for (size_t i = 1; i < w.n; i++) {
            double x = row[i * w.inner], b = row[best * w.inner];
            if ((greatest ? x > b : x < b) || (last && x == b))
                best = i;
        }
        ((int64_t *)out->data)[k] = (int64_t)best;
    }
    return rc;
}

/* ---- CumSum, CumProd ---- */

static const bool by_sum = false, by_product = true;

static int run_cumulate(struct mlo_op_call *c, struct mlo_err *err)
{
    bool product = *(const bool *)c->how, exclusive = mlo_attr_int(c->node, "exclusive", 0) != 0;
    bool reverse = mlo_attr_int(c->node, "reverse", 0) != 0;
    struct row_work w = {0};
    struct mlo_array *out;
    double axis, *v;
    int rc = mlo_in_double(c, 1, 0, &axis, err);
    if (rc == 0)
        rc = begin_rows(&w, c, (int64_t)axis, err);
    if (rc == 0)
        rc = mlo_as_doubles(c, w.a, &v, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, w.a->dtype, w.a->dims, w.a->rank, &out, err);
    if (rc != 0 || !out)
        return rc;
    for (size_t k = 0; k < w.outer * w.inner; k++) {
        double *row = v + k / w.inner * w.n * w.inner + k % w.inner, so_far = product;
        for (size_t j = 0; j < w.n; j++) {
            double *at = row + (reverse ? w.n - 1 - j : j) * w.inner,
                   next = product ? so_far * *at : so_far + *at;
            *at = exclusive ? so_far : next;
            so_far = next;
        }
    }
    return mlo_from_doubles(v, out, err);
}

/* ---- TopK ---- */

struct ranked {
    double v;
    size_t at;
};

/* NaN counts as the greatest, as NumPy sorts it; equal ones in their order. */
static bool before(const struct ranked *a, const struct ranked *b, bool largest)
{
    bool x = isnan(a->v), y = isnan(b->v);
    if (x || y)
        return x != y ? x == largest : a->at < b->at;
    if (a->v != b->v)
        return largest ? a->v > b->v : a->v < b->v;
    return a->at < b->at;
}

static void sink(struct ranked *heap, size_t n, size_t i, bool largest)
{
    for (;;) {
        size_t worst = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++)
            if (before(&heap[worst], &heap[child], largest))
                worst = child;
        if (worst == i)
            return;
        struct ranked t = heap[i];
        heap[i] = heap[worst];
        heap[worst] = t;
        i = worst;
    }
}

/* The k best of the row in heap[0..k), best first: a heap whose root is the worst that is kept. */
static void best_of(const double *row, size_t step, size_t n, struct ranked *heap, size_t k, bool largest)
{
    for (size_t i = 0; i < k; i++)
        heap[i] = (struct ranked){row[i * step], i};
    for (size_t i = k / 2; i-- > 0;)
        sink(heap, k, i, largest);
    for (size_t i = k; i < n && k > 0; i++) {
        struct ranked r = {row[i * step], i};
        if (before(&r, &heap[0], largest)) {
            heap[0] = r;
            sink(heap, k, 0, largest);
        }
    }
    for (size_t left = k; left > 1;) {
        struct ranked t = heap[--left];
        heap[left] = heap[0];
        heap[0] = t;
        sink(heap, left, 0, largest);
    }
}

static int run_top_k(struct mlo_op_call *c, struct mlo_err *err)
{
    bool largest = mlo_attr_int(c->node, "largest", 1) != 0;
    int64_t dims[MLO_RANK_MAX];
    struct row_work w = {0};
    struct mlo_array *values, *places;
    void *heap;
    double k = 0, *v;
    int rc = begin_rows(&w, c, mlo_attr_int(c->node, "axis", -1), err);
    if (rc == 0)
        rc = mlo_in_double(c, 1, (double)mlo_attr_int(c->node, "k", 0), &k, err);
    if (rc == 0 && !(k >= 0 && k <= (double)w.n))
        rc = mlo_op_refuse(c, err, "%g of %zu", k, w.n);
    if (rc != 0)
        return rc;
    memcpy(dims, w.a->dims, sizeof dims);
    dims[w.axis] = (int64_t)k;
    size_t keep = (size_t)k, size = mlo_element_size(w.a->dtype);
    rc = mlo_as_doubles(c, w.a, &v, err);
    if (rc == 0)
        rc = mlo_scratch(c, keep + 1, sizeof(struct ranked), &heap, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, w.a->dtype, dims, w.a->rank, &values, err);
    if (rc == 0)
        rc = mlo_out_new(c, 1, MLO_DT_I64, dims, w.a->rank, &places, err);
    for (size_t r = 0; rc == 0 && r < w.outer * w.inner; r++) {
        size_t from = r / w.inner * w.n * w.inner + r % w.inner,
               to = r / w.inner * keep * w.inner + r % w.inner;
        const struct ranked *best = heap;
        best_of(v + from, w.inner, w.n, heap, keep, largest);
        for (size_t i = 0; i < keep; i++) {
            if (values)
                memcpy((char *)values->data + (to + i * w.inner) * size,
                       (const char *)w.a->data + (from + best[i].at * w.inner) * size, size);
            if (places)
                ((int64_t *)places->data)[to + i * w.inner] = (int64_t)best[i].at;
        }
    }
    return rc;
}

/* ---- Softmax, LogSoftmax, Hardmax ---- */

enum soft { SOFT, LOG_SOFT, HARD };
static const enum soft softs[] = {SOFT, LOG_SOFT, HARD};

static void soften(double *row, size_t step, size_t n, enum soft how)
{
    double most = -INFINITY, sum = 0;
    size_t best = 0;
    for (size_t i = 0; i < n; i++)
        if (row[i * step] > most || isnan(row[i * step])) {
            most = row[i * step];
            best = i;
        }
    for (size_t i = 0; i < n && how != HARD; i++)
        sum += exp(row[i * step] - most);
    for (size_t i = 0; i < n; i++) {
        double *v = &row[i * step];
        *v = how == HARD ? i == best : how == SOFT ? exp(*v - most) / sum : *v - most - log(sum);
    }
}

/* Rows that are dense, of floats. */
static int soften_floats(struct mlo_op_call *c, const struct row_work *w, struct mlo_array *out,
                         struct mlo_err *err)
{
    const void *x;
    float *y;
    int rc = mlo_as_type(c, w->a, MLO_DT_F32, &x, err);
    if (rc == 0)
        rc = mlo_out_floats(c, out, &y, err);
    if (rc != 0)
        return rc;
    mlo_softmax_f32(x, y, w->outer, w->n);
    return mlo_from_floats(y, out, err);
}

/* Before version 13 all dimensions from the axis on are one row. */
static int run_softmax(struct mlo_op_call *c, struct mlo_err *err)
{
    bool flat = c->node->version < 13 && !*c->node->domain;
    enum soft how = *(const enum soft *)c->how;
    struct row_work w = {0};
    struct mlo_array *out;
    double *v;
    int rc = begin_rows(&w, c, mlo_attr_int(c->node, "axis", flat ? 1 : -1), err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, w.a->dtype, w.a->dims, w.a->rank, &out, err);
    if (rc != 0 || !out)
        return rc;
    if (flat) {
        w.n *= w.inner;
        w.inner = 1;
    }
    if (how == SOFT && w.inner == 1 && mlo_computed_as_float(w.a->dtype))
        return soften_floats(c, &w, out, err);
    rc = mlo_as_doubles(c, w.a, &v, err);
    for (size_t k = 0; rc == 0 && k < w.outer * w.inner; k++)
        soften(v + k / w.inner * w.n * w.inner + k % w.inner, w.inner, w.n, how);
    return rc == 0 ? mlo_from_doubles(v, out, err) : rc;
}

#define REDUCE(op_name, which)                                                                               \
    {                                                                                                        \
        .name = op_name, .since = 1, .run = run_reduce, .how = &reduces[which]                               \
    }
static const struct mlo_op ops[] = {
    REDUCE("ReduceSum", SUM),
    REDUCE("ReduceMean", MEAN),
    REDUCE("ReduceProd", PRODUCT),
    REDUCE("ReduceMin", LEAST),
    REDUCE("ReduceMax", GREATEST),
    REDUCE("ReduceL1", ABS_SUM),
    REDUCE("ReduceL2", ROOT_OF_SQUARES),
    REDUCE("ReduceSumSquare", SQUARES),
    REDUCE("ReduceLogSum", LOG_SUM),
    REDUCE("ReduceLogSumExp", LOG_SUM_EXP),
    {.name = "ArgMax", .since = 1, .run = run_arg, .how = &arg_greatest},
    {.name = "ArgMin", .since = 1, .run = run_arg, .how = &arg_least},
    {.name = "CumSum", .since = 11, .run = run_cumulate, .how = &by_sum},
    {.name = "CumProd", .since = 26, .run = run_cumulate, .how = &by_product},
    {.name = "TopK", .since = 1, .run = run_top_k},
    {.name = "Softmax", .since = 1, .run = run_softmax, .how = &softs[SOFT]},
    {.name = "LogSoftmax", .since = 1, .run = run_softmax, .how = &softs[LOG_SOFT]},
    {.name = "Hardmax", .since = 1, .run = run_softmax, .how = &softs[HARD]},
};
const struct mlo_op_family mlo_ops_reduce = {"", ops, MLO_COUNT(ops)};

/*
 * Normalisation: rows, channels or groups to mean 0 and variance 1, vectors to length 1; Clip and Dropout.
 * Computed in doubles, but rows of floats by a kernel.
 */
#include <math.h>
#include <string.h>

#include <mlopsctl/backend.h>

#include "op.h"

/* ---- parts ---- */

struct moments { /* of one row each; NULL: not wanted */
    double *mean, *inverse;
};

/* Each row of n to mean 0 and variance 1; without `centred` only divided by the root of its mean square. */
static void normalize_rows(double *v, size_t rows, size_t n, double epsilon, bool centred,
                           const struct moments *m)
{
    for (size_t r = 0; r < rows; r++, v += n) {
        double mean = 0, squares = 0;
        for (size_t i = 0; centred && i < n; i++)
            mean += v[i];
        mean = n ? mean / (double)n : 0;
        for (size_t i = 0; i < n; i++)
            squares += (v[i] - mean) * (v[i] - mean);
        double inverse = 1 / sqrt((n ? squares / (double)n : 0) + epsilon);
        for (size_t i = 0; i < n; i++)
            v[i] = (v[i] - mean) * inverse;
        if (m) {
            m->mean[r] = mean;
            m->inverse[r] = inverse;
        }
    }
}

/* Input i as doubles, one for each of n channels. */
static int per_channel(struct mlo_op_call *c, size_t i, size_t n, double **ret, struct mlo_err *err)
{
    const struct mlo_array *a;
    int rc = mlo_in_array(c, i, &a, err);
    if (rc == 0 && (a->rank != 1 || a->n != n))
        rc = mlo_op_refuse(c, err, "input %zu has not one number for each of %zu", i, n);
    return rc == 0 ? mlo_as_doubles(c, a, ret, err) : rc;
}

struct channels { /* images, rows or series with channels in dimension 1 */
    const struct mlo_array *a;
    size_t batch, n, inner;
};

static int take_channels(const struct mlo_op_call *c, struct channels *w, struct mlo_err *err)
{
    int rc = mlo_in_array(c, 0, &w->a, err);
    if (rc == 0 && w->a->rank < 2)
        rc = mlo_op_refuse(c, err, "no channels");
    if (rc != 0)
        return rc;
    mlo_around(w->a, 1, &w->batch, &w->inner);
    w->batch = w->a->n ? w->batch : 0; /* the others may be large */
    w->n = (size_t)w->a->dims[1];
    return 0;
}

/* v * scale + bias; `each` channels in a row share one of them. */
static void scale_channels(const struct channels *w, double *v, const double *scale, const double *bias,
                           size_t each)
{
    for (size_t b = 0; b < w->batch; b++)
        for (size_t ch = 0; ch < w->n; ch++)
            for (size_t i = 0; i < w->inner; i++, v++)
                *v = *v * scale[ch / each] + bias[ch / each];
}

static int give_like(struct mlo_op_call *c, const struct mlo_array *a, double *v, struct mlo_err *err)
{
    struct mlo_array *out;
    int rc = mlo_out_new(c, 0, a->dtype, a->dims, a->rank, &out, err);
    return rc == 0 && out ? mlo_from_doubles(v, out, err) : rc;
}

/* ---- LayerNormalization, RMSNormalization ---- */

static const bool by_size = false, by_variance = true;

static int scale_elements(struct mlo_op_call *c, const struct mlo_array *a, double *v, struct mlo_err *err)
{
    const struct mlo_array *scale, *bias = mlo_in(c, 2);
    double *by, *plus = NULL;
    int rc = mlo_in_array(c, 1, &scale, err);
    if (rc == 0)
        rc = mlo_spread_doubles(c, scale, a, &by, err);
    if (rc == 0 && bias)
        rc = mlo_spread_doubles(c, bias, a, &plus, err);
    for (size_t i = 0; rc == 0 && i < a->n; i++)
        v[i] = v[i] * by[i] + (plus ? plus[i] : 0);
    return rc;
}

/* Mean and 1 / deviation, in the type that the node says it computes in. */
static int give_moments(struct mlo_op_call *c, const struct mlo_array *a, unsigned axis,
                        const struct moments *m, struct mlo_err *err)
{
    enum mlo_dtype t = mlo_onnx_type_of((uint64_t)mlo_attr_int(c->node, "stash_type", 1));
    double *values[] = {m->mean, m->inverse};
    int64_t dims[MLO_RANK_MAX];
    int rc = 0;
    for (unsigned d = 0; d < a->rank; d++)
        dims[d] = d < axis ? a->dims[d] : 1;
    for (size_t i = 0; rc == 0 && i < MLO_COUNT(values); i++) {
        struct mlo_array *out;
        rc = mlo_out_new(c, i + 1, t, dims, a->rank, &out, err);
        if (rc == 0 && out)
            rc = mlo_from_doubles(values[i], out, err);
    }
    return rc;
}

struct layer {
    const struct mlo_array *a, *scale, *bias; /* bias NULL: none */
    unsigned axis;
    size_t rows, n;
    float epsilon;
    bool centred;
};

static int read_layer(const struct mlo_op_call *c, struct layer *l, struct mlo_err *err)
{
    *l = (struct layer){.bias = mlo_in(c, 2),
                        .rows = 1,
                        .epsilon = mlo_attr_float(c->node, "epsilon", 1e-5F),
                        .centred = *(const bool *)c->how};
    int rc = mlo_in_array(c, 0, &l->a, err);
    if (rc == 0)
        rc = mlo_in_array(c, 1, &l->scale, err);
    if (rc == 0)
        rc = mlo_axis(mlo_attr_int(c->node, "axis", -1), l->a->rank, &l->axis, err);
    for (unsigned d = 0; rc == 0 && d < l->axis; d++)
        l->rows *= (size_t)l->a->dims[d];
    l->n = rc == 0 && l->a->n ? l->a->n / l->rows : 0;
    return rc;
}

/* Is it one number for each of a row's? */
static bool is_row(const struct layer *l, const struct mlo_array *p)
{
    const struct mlo_array *a = l->a;
    if (p->rank > a->rank - l->axis || p->n != l->n)
        return false;
    for (unsigned d = 1; d <= p->rank; d++)
        if (p->dims[p->rank - d] != a->dims[a->rank - d])
            return false;
    return true;
}

static bool is_for_floats(const struct mlo_op_call *c, const struct layer *l)
{
    return mlo_computed_as_float(l->a->dtype) && is_row(l, l->scale) && (!l->bias || is_row(l, l->bias)) &&
           (c->n_out < 2 || (!c->out[1] && (c->n_out < 3 || !c->out[2])));
}

static int layer_floats(struct mlo_op_call *c, const struct layer *l, struct mlo_err *err)
{
    const void *x, *scale, *bias = NULL;
    struct mlo_array *out;
    float *y;
    int rc = mlo_out_new(c, 0, l->a->dtype, l->a->dims, l->a->rank, &out, err);
    if (rc != 0 || !out)
        return rc;
    rc = mlo_as_type(c, l->a, MLO_DT_F32, &x, err);
    if (rc == 0)
        rc = mlo_as_type(c, l->scale, MLO_DT_F32, &scale, err);
    if (rc == 0 && l->bias)
        rc = mlo_as_type(c, l->bias, MLO_DT_F32, &bias, err);
    if (rc == 0)
        rc = mlo_out_floats(c, out, &y, err);
    if (rc != 0)
        return rc;
    mlo_normalize_f32(&(const struct mlo_normalize){.rows = l->rows,
                                                    .n = l->n,
                                                    .x = x,
                                                    .scale = scale,
                                                    .bias = bias,
                                                    .epsilon = l->epsilon,
                                                    .centred = l->centred,
                                                    .y = y});
    return mlo_from_floats(y, out, err);
}

static int layer_doubles(struct mlo_op_call *c, const struct layer *l, struct mlo_err *err)
{
    struct moments m = {0};
    double *v;
    int rc = mlo_as_doubles(c, l->a, &v, err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, l->rows, &m.mean, err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, l->rows, &m.inverse, err);
    if (rc != 0)
        return rc;
    normalize_rows(v, l->rows, l->n, (double)l->epsilon, l->centred, &m);
    rc = scale_elements(c, l->a, v, err);
    if (rc == 0)
        rc = give_like(c, l->a, v, err);
    return rc == 0 && l->centred ? give_moments(c, l->a, l->axis, &m, err) : rc;
}

static int run_layer(struct mlo_op_call *c, struct mlo_err *err)
{
    struct layer l;
    int rc = read_layer(c, &l, err);
    if (rc != 0)
        return rc;
    return is_for_floats(c, &l) ? layer_floats(c, &l, err) : layer_doubles(c, &l, err);
}

/* ---- InstanceNormalization, GroupNormalization ---- */

static int run_instance(struct mlo_op_call *c, struct mlo_err *err)
{
    double epsilon = (double)mlo_attr_float(c->node, "epsilon", 1e-5F), *v, *scale, *bias;
    struct channels w;
    int rc = take_channels(c, &w, err);
    if (rc == 0)
        rc = per_channel(c, 1, w.n, &scale, err);
    if (rc == 0)
        rc = per_channel(c, 2, w.n, &bias, err);
    if (rc == 0)
        rc = mlo_as_doubles(c, w.a, &v, err);
    if (rc != 0)
        return rc;
    normalize_rows(v, w.batch * w.n, w.inner, epsilon, true, NULL);
    scale_channels(&w, v, scale, bias, 1);
    return give_like(c, w.a, v, err);
}

/* Up to version 20 a group has one scale, from 21 each channel. */
static int run_group(struct mlo_op_call *c, struct mlo_err *err)
{
    double epsilon = (double)mlo_attr_float(c->node, "epsilon", 1e-5F), *v, *scale, *bias;
    int64_t groups = mlo_attr_int(c->node, "num_groups", 0);
    bool by_group = c->node->version < 21;
    struct channels w;
    int rc = take_channels(c, &w, err);
    if (rc == 0 && (groups <= 0 || w.n == 0 || w.n % (size_t)groups != 0))
        rc = mlo_op_refuse(c, err, "%lld groups", (long long)groups);
    if (rc != 0)
        return rc;
    size_t n = (size_t)groups, each = w.n / n, scales = by_group ? n : w.n;
    rc = per_channel(c, 1, scales, &scale, err);
    if (rc == 0)
        rc = per_channel(c, 2, scales, &bias, err);
    if (rc == 0)
        rc = mlo_as_doubles(c, w.a, &v, err);
    if (rc != 0)
        return rc;
    normalize_rows(v, w.batch * n, each * w.inner, epsilon, true, NULL);
    scale_channels(&w, v, scale, bias, by_group ? each : 1);
    return give_like(c, w.a, v, err);
}

/* ---- BatchNormalization ---- */

/* Mean and variance of each channel over the batch. */
static void batch_moments(const struct channels *w, const double *v, double *mean, double *variance)
{
    double n = (double)(w->batch * w->inner);
    for (size_t ch = 0; ch < w->n; ch++) {
        double sum = 0, squares = 0;
        for (size_t b = 0; b < w->batch; b++)
            for (size_t i = 0; i < w->inner; i++)
                sum += v[(b * w->n + ch) * w->inner + i];
        for (size_t b = 0; b < w->batch; b++)
            for (size_t i = 0; i < w->inner; i++) {
                double d = v[(b * w->n + ch) * w->inner + i] - sum / n;
                squares += d * d;
            }
        mean[ch] = sum / n;
        variance[ch] = squares / n;
    }
}

/* The batch's own moments take the place of the running ones, which go on as outputs 1 and 2. */
static int train_batch(struct mlo_op_call *c, const struct channels *w, const double *v, double *moments[2],
                       struct mlo_err *err)
{
    double keep = (double)mlo_attr_float(c->node, "momentum", 0.9F), *own[2];
    int rc = mlo_scratch_doubles(c, w->n, &own[0], err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, w->n, &own[1], err);
    if (rc == 0)
        batch_moments(w, v, own[0], own[1]);
    for (size_t k = 0; rc == 0 && k < 2; k++) {
        const struct mlo_array *running = mlo_in(c, 3 + k);
        struct mlo_array *out;
        for (size_t i = 0; i < w->n; i++)
            moments[k][i] = moments[k][i] * keep + own[k][i] * (1 - keep);
        rc = mlo_out_new(c, 1 + k, running->dtype, running->dims, 1, &out, err);
        if (rc == 0 && out)
            rc = mlo_from_doubles(moments[k], out, err);
        moments[k] = own[k];
    }
    return rc;
}

static int read_batch(struct mlo_op_call *c, struct channels *w, double *ret[4], struct mlo_err *err)
{
    int rc = take_channels(c, w, err);
    if (rc == 0 && c->node->version < 9 && mlo_attr_int(c->node, "spatial", 1) == 0)
        rc = mlo_fail(err, MLO_EUNAVAIL, "spatial 0 is not supported");
    if (rc == 0 && c->node->version < 14 && c->n_out > 1 && c->out[1])
        rc = mlo_fail(err, MLO_EUNAVAIL, "training before version 14 is not supported");
    for (size_t i = 0; rc == 0 && i < 4; i++)
        rc = per_channel(c, i + 1, w->n, &ret[i], err);
    return rc;
}

static int run_batch(struct mlo_op_call *c, struct mlo_err *err)
{
    double epsilon = (double)mlo_attr_float(c->node, "epsilon", 1e-5F), *v, *p[4];
    struct channels w;
    int rc = read_batch(c, &w, p, err);
    if (rc == 0)
        rc = mlo_as_doubles(c, w.a, &v, err);
    if (rc == 0 && mlo_attr_int(c->node, "training_mode", 0) != 0)
        rc = train_batch(c, &w, v, &p[2], err);
    for (size_t i = 0; rc == 0 && i < w.n; i++) {
        p[0][i] /= sqrt(p[3][i] + epsilon);
        p[1][i] -= p[2][i] * p[0][i];
    }
    if (rc != 0)
        return rc;
    scale_channels(&w, v, p[0], p[1], 1);
    return give_like(c, w.a, v, err);
}

/* ---- LpNormalization, MeanVarianceNormalization, LRN ---- */

static int run_lp(struct mlo_op_call *c, struct mlo_err *err)
{
    int64_t p = mlo_attr_int(c->node, "p", 2);
    const struct mlo_array *a;
    size_t outer, inner;
    unsigned axis;
    double *v;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = mlo_axis(mlo_attr_int(c->node, "axis", -1), a->rank, &axis, err);
    if (rc == 0 && p != 1 && p != 2)
        rc = mlo_op_refuse(c, err, "p is %lld", (long long)p);
    if (rc == 0)
        rc = mlo_as_doubles(c, a, &v, err);
    if (rc != 0)
        return rc;
    mlo_around(a, axis, &outer, &inner);
    size_t n = (size_t)a->dims[axis];
    for (size_t r = 0; n > 0 && r < outer * inner; r++) {
        double *row = v + r / inner * n * inner + r % inner, sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += p == 1 ? fabs(row[i * inner]) : row[i * inner] * row[i * inner];
        sum = p == 1 ? sum : sqrt(sum);
        for (size_t i = 0; i < n; i++)
            row[i * inner] = sum == 0 ? 0 : row[i * inner] / sum;
    }
    return give_like(c, a, v, err);
}

#define MVN_EPSILON 1e-9 /* added to the deviation, as the definition has it */

/* Where the sums of element i are: its place among the dimensions that stay. */
static void sum_places(const struct mlo_array *a, const bool gone[MLO_RANK_MAX], size_t *ret)
{
    for (size_t i = 0; i < a->n; i++) {
        size_t left = i, at = 0, step = 1;
        for (unsigned d = a->rank; d-- > 0; left /= (size_t)a->dims[d])
            if (!gone[d]) {
                at += left % (size_t)a->dims[d] * step;
                step *= (size_t)a->dims[d];
            }
        ret[i] = at;
    }
}

static void normalize_places(double *v, size_t n, const size_t *place, size_t n_places, double *mean,
                             double *variance)
{
    double per = n_places ? (double)(n / n_places) : 1;
    memset(mean, 0, n_places * sizeof *mean);
    memset(variance, 0, n_places * sizeof *variance);
    for (size_t i = 0; i < n; i++)
        mean[place[i]] += v[i] / per;
    for (size_t i = 0; i < n; i++)
        variance[place[i]] += (v[i] - mean[place[i]]) * (v[i] - mean[place[i]]) / per;
    for (size_t i = 0; i < n; i++)
        v[i] = (v[i] - mean[place[i]]) / (sqrt(variance[place[i]]) + MVN_EPSILON);
}

static int run_mean_variance(struct mlo_op_call *c, struct mlo_err *err)
{
    static const int64_t usual[] = {0, 2, 3};
    bool gone[MLO_RANK_MAX] = {0};
    size_t n, places = 1;
    const int64_t *axes = mlo_attr_ints(c->node, "axes", &n);
    const struct mlo_array *a;
    double *v, *mean, *variance;
    void *place;
    int rc = mlo_in_array(c, 0, &a, err);
    n = axes ? n : MLO_COUNT(usual);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        unsigned axis;
        rc = mlo_axis(axes ? axes[i] : usual[i], a->rank, &axis, err);
        if (rc == 0)
            gone[axis] = true;
    }
    for (unsigned d = 0; rc == 0 && d < a->rank; d++)
        places *= gone[d] ? 1 : (size_t)a->dims[d];
    if (rc == 0)
        rc = mlo_as_doubles(c, a, &v, err);
    if (rc == 0)
        rc = mlo_scratch(c, a->n, sizeof(size_t), &place, err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, places, &mean, err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, places, &variance, err);
    if (rc != 0)
        return rc;
    sum_places(a, gone, place);
    normalize_places(v, a->n, place, places, mean, variance);
    return give_like(c, a, v, err);
}

/* Each value is divided by a power of the squares of the channels around its own. */
static int run_response(struct mlo_op_call *c, struct mlo_err *err)
{
    double alpha = (double)mlo_attr_float(c->node, "alpha", 1e-4F),
           beta = (double)mlo_attr_float(c->node, "beta", 0.75F),
           bias = (double)mlo_attr_float(c->node, "bias", 1), *v, *to;
    int64_t size = mlo_attr_int(c->node, "size", 0);
    struct channels w;
    int rc = take_channels(c, &w, err);
    if (rc == 0 && size < 1)
        rc = mlo_op_refuse(c, err, "size is %lld", (long long)size);
    if (rc == 0)
        rc = mlo_as_doubles(c, w.a, &v, err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, w.a->n, &to, err);
    if (rc != 0)
        return rc;
    size_t before = (size_t)(size - 1) / 2, behind = (size_t)size - 1 - before;
    for (size_t i = 0; i < w.a->n; i++) {
        size_t ch = i / w.inner % w.n, first = ch > before ? ch - before : 0,
               last = behind < w.n - 1 - ch ? ch + behind : w.n - 1;
        double squares = 0;
        for (size_t k = first; k <= last; k++) {
            double x = v[i - ch * w.inner + k * w.inner];
            squares += x * x;
        }
        to[i] = v[i] / pow(bias + alpha / (double)size * squares, beta);
    }
    return give_like(c, w.a, to, err);
}

/* ---- Clip ---- */

/* Is element i of a less than the first of b? They are of one type. */
static bool is_less(const struct mlo_array *a, size_t i, const struct mlo_array *b, size_t k)
{
    double x = 0, y = 0;
    if (a->dtype == MLO_DT_I64)
        return ((const int64_t *)a->data)[i] < ((const int64_t *)b->data)[k];
    if (a->dtype == MLO_DT_U64)
        return ((const uint64_t *)a->data)[i] < ((const uint64_t *)b->data)[k];
    mlo_dtype_to_double(a->dtype, a->data, i, &x);
    mlo_dtype_to_double(b->dtype, b->data, k, &y);
    return x < y;
}

static void clip(const struct mlo_array *a, const struct mlo_array *least, const struct mlo_array *most,
                 struct mlo_array *out)
{
    size_t size = mlo_element_size(a->dtype);
    for (size_t i = 0; i < a->n; i++) {
        const char *from = (const char *)a->data + i * size;
        if (least && is_less(a, i, least, 0))
            from = least->data;
        const struct mlo_array *chosen = from == (const char *)a->data + i * size ? a : least;
        if (most && is_less(most, 0, chosen, chosen == a ? i : 0))
            from = most->data;
        memcpy((char *)out->data + i * size, from, size);
    }
}

static int take_bound(const struct mlo_op_call *c, size_t i, enum mlo_dtype t, const struct mlo_array **ret,
                      struct mlo_err *err)
{
    *ret = NULL;
    if (!mlo_in(c, i))
        return 0;
    int rc = mlo_in_typed(c, i, t, ret, err);
    return rc == 0 && (*ret)->n != 1 ? mlo_op_refuse(c, err, "input %zu is not one number", i) : rc;
}

/* Before version 11 the bounds are attributes and the numbers real. */
static int run_clip_attr(struct mlo_op_call *c, struct mlo_err *err)
{
    double least = (double)mlo_attr_float(c->node, "min", -INFINITY),
           most = (double)mlo_attr_float(c->node, "max", INFINITY), *v;
    const struct mlo_array *a;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = mlo_as_doubles(c, a, &v, err);
    for (size_t i = 0; rc == 0 && i < a->n; i++) {
        v[i] = v[i] < least ? least : v[i];
        v[i] = v[i] > most ? most : v[i];
    }
    return rc == 0 ? give_like(c, a, v, err) : rc;
}

static int run_clip(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_array *a, *least, *most;
    struct mlo_array *out;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0 && (a->dtype == MLO_DT_BOOL || mlo_element_size(a->dtype) == 0 || a->dtype > MLO_DT_F64))
        rc = mlo_fail(err, MLO_EUNAVAIL, "not for %s", mlo_dtype_name(a->dtype));
    if (rc == 0)
        rc = take_bound(c, 1, a->dtype, &least, err);
    if (rc == 0)
        rc = take_bound(c, 2, a->dtype, &most, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, a->dtype, a->dims, a->rank, &out, err);
    if (rc == 0 && out)
        clip(a, least, most, out);
    return rc;
}

/* ---- Dropout ---- */

/* Nothing is dropped but in training; the mask was of the input's type before version 10. */
static int run_dropout(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_array *a;
    struct mlo_array *mask;
    double training, ratio;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = mlo_in_double(c, 1, 0.5, &ratio, err);
    if (rc == 0)
        rc = mlo_in_double(c, 2, 0, &training, err);
    if (rc == 0 && training != 0 && ratio != 0)
        rc = mlo_fail(err, MLO_EUNAVAIL, "dropping at random, as in training, is not supported");
    if (rc != 0)
        return rc;
    if (c->n_out > 1 && c->out[1] && c->node->version < 10)
        return mlo_fail(err, MLO_EUNAVAIL, "the mask before version 10 is not supported");
    mlo_out_same(c, 0, c->in[0]);
    rc = mlo_out_new(c, 1, MLO_DT_BOOL, a->dims, a->rank, &mask, err);
    if (rc == 0 && mask)
        memset(mask->data, 1, mask->n);
    return rc;
}

static const struct mlo_op ops[] = {
    {.name = "LayerNormalization", .since = 17, .run = run_layer, .how = &by_variance},
    {.name = "RMSNormalization", .since = 23, .run = run_layer, .how = &by_size},
    {.name = "BatchNormalization", .since = 7, .run = run_batch},
    {.name = "InstanceNormalization", .since = 6, .run = run_instance},
    {.name = "GroupNormalization", .since = 18, .run = run_group},
    {.name = "LpNormalization", .since = 1, .run = run_lp},
    {.name = "MeanVarianceNormalization", .since = 9, .run = run_mean_variance},
    {.name = "LRN", .since = 1, .run = run_response},
    {.name = "Clip", .since = 6, .run = run_clip_attr},
    {.name = "Clip", .since = 11, .run = run_clip},
    {.name = "Dropout", .since = 7, .run = run_dropout},
};
const struct mlo_op_family mlo_ops_norm = {"", ops, MLO_COUNT(ops)};

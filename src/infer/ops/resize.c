/*
 * Resize and Upsample. An output position along an axis is a weighted sum of input positions along it, so the
 * axes are worked through one after the other, in doubles. Positions are computed as floats, as ONNX Runtime
 * does, so that ties fall the same way.
 */
#include <math.h>
#include <string.h>

#include "op.h"

enum method { NEAREST, LINEAR, CUBIC };
enum place { HALF_PIXEL, SYMMETRIC, PYTORCH, ALIGN_CORNERS, ASYMMETRIC, CROP, HALF_FOR_NEAREST };
enum rounding { PREFER_FLOOR, PREFER_CEIL, FLOOR, CEIL, OUTWARD };

struct form { /* which inputs an operator has: -1 none */
    int roi, scales, sizes;
    enum place place;
    enum rounding rounding;
};

struct resize {
    const struct mlo_array *a;
    enum method method;
    enum place place;
    enum rounding rounding;
    bool antialias, exclude;
    double cubic_a, beyond; /* beyond: what stands outside a crop */
    int64_t out[MLO_RANK_MAX];
    /* length: of the output before it was made whole */
    float scale[MLO_RANK_MAX], length[MLO_RANK_MAX], start[MLO_RANK_MAX], end[MLO_RANK_MAX];
    bool chosen[MLO_RANK_MAX]; /* axes that are resized */
};

/* Along one axis: output i is the sum of weights[i * taps + t] * input[first[i] + t], kept inside. */
struct taps {
    size_t n_in, n_out, taps;
    int64_t *first;
    double *weights;
    bool *beyond; /* of each output position */
};

/* ---- attributes and inputs ---- */

static int word_of(const struct mlo_op_call *c, const char *name, const char *const *words, size_t n,
                   int usual, int *ret, struct mlo_err *err)
{
    *ret = usual;
    if (!mlo_node_attr(c->node, name))
        return 0;
    for (size_t i = 0; i < n; i++)
        if (mlo_attr_is(c->node, name, words[i])) {
            *ret = (int)i;
            return 0;
        }
    return mlo_op_refuse(c, err, "%s is not known", name);
}

static int read_words(struct mlo_op_call *c, struct resize *r, struct mlo_err *err)
{
    static const char *const methods[] = {"nearest", "linear", "cubic"},
                             *const places[] = {"half_pixel",          "half_pixel_symmetric",
                                                "pytorch_half_pixel",  "align_corners",
                                                "asymmetric",          "tf_crop_and_resize",
                                                "tf_half_pixel_for_nn"},
                             *const roundings[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
                                                   "ceil"};
    const struct form *form = c->how;
    int method, place, rounding;
    int rc = word_of(c, "mode", methods, MLO_COUNT(methods), NEAREST, &method, err);
    if (rc == 0)
        rc = word_of(c, "coordinate_transformation_mode", places, MLO_COUNT(places), (int)form->place, &place,
                     err);
    if (rc == 0)
        rc = word_of(c, "nearest_mode", roundings, MLO_COUNT(roundings), (int)form->rounding, &rounding, err);
    if (rc != 0)
        return rc;
    r->method = (enum method)method;
    r->place = (enum place)place;
    r->rounding = (enum rounding)rounding;
    r->antialias = mlo_attr_int(c->node, "antialias", 0) != 0;
    r->exclude = mlo_attr_int(c->node, "exclude_outside", 0) != 0;
    r->cubic_a = (double)mlo_attr_float(c->node, "cubic_coeff_a", -0.75F);
    r->beyond = (double)mlo_attr_float(c->node, "extrapolation_value", 0);
    return 0;
}

static int read_axes(struct mlo_op_call *c, struct resize *r, unsigned axes[MLO_RANK_MAX], size_t *ret_n,
                     struct mlo_err *err)
{
    size_t n;
    const int64_t *list = mlo_attr_ints(c->node, "axes", &n);
    int rc = 0;
    n = list ? n : r->a->rank;
    if (n > r->a->rank)
        return mlo_op_refuse(c, err, "%zu axes", n);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = mlo_axis(list ? list[i] : (int64_t)i, r->a->rank, &axes[i], err);
        if (rc == 0 && r->chosen[axes[i]])
            rc = mlo_op_refuse(c, err, "axis %u is named twice", axes[i]);
        if (rc == 0)
            r->chosen[axes[i]] = true;
    }
    *ret_n = n;
    return rc;
}

/* Input i as n floats, or nothing. */
static int read_floats(struct mlo_op_call *c, int i, size_t n, const float **ret, struct mlo_err *err)
{
    const struct mlo_array *a = i >= 0 ? mlo_in(c, (size_t)i) : NULL;
    const void *data = NULL;
    *ret = NULL;
    if (!a || a->n == 0)
        return 0;
    if (a->n != n)
        return mlo_op_refuse(c, err, "input %d has %zu numbers, not %zu", i, a->n, n);
    int rc = mlo_as_type(c, a, MLO_DT_F32, &data, err);
    *ret = data;
    return rc;
}

static int use_scales(const struct mlo_op_call *c, struct resize *r, const unsigned *axes, size_t n,
                      const float *scales, struct mlo_err *err)
{
    for (size_t i = 0; i < n; i++) {
        float size = scales[i] * (float)r->a->dims[axes[i]];
        if (!(scales[i] > 0) || !(size < 0x1p31F))
            return mlo_op_refuse(c, err, "a scale of %g", (double)scales[i]);
        r->scale[axes[i]] = scales[i];
        r->length[axes[i]] = size;
        r->out[axes[i]] = (int64_t)size;
    }
    return 0;
}

static int use_sizes(const struct mlo_op_call *c, struct resize *r, const unsigned *axes, size_t n,
                     const int64_t *sizes, struct mlo_err *err)
{
    bool larger = mlo_attr_is(c->node, "keep_aspect_ratio_policy", "not_smaller"),
         smaller = mlo_attr_is(c->node, "keep_aspect_ratio_policy", "not_larger");
    float common = larger ? 0 : INFINITY;
    for (size_t i = 0; i < n; i++) {
        int64_t from = r->a->dims[axes[i]];
        if (sizes[i] < 0 || sizes[i] > INT32_MAX || (from == 0 && sizes[i] != 0))
            return mlo_op_refuse(c, err, "a size of %lld", (long long)sizes[i]);
        r->out[axes[i]] = sizes[i];
        r->length[axes[i]] = (float)sizes[i];
        r->scale[axes[i]] = from ? (float)sizes[i] / (float)from : 1;
        common = larger ? fmaxf(common, r->scale[axes[i]]) : fminf(common, r->scale[axes[i]]);
    }
    for (size_t i = 0; (larger || smaller) && i < n; i++) {
        float length = common * (float)r->a->dims[axes[i]], size = roundf(length);
        if (!(size < 0x1p31F))
            return mlo_op_refuse(c, err, "a size of %g", (double)size);
        r->scale[axes[i]] = common;
        r->length[axes[i]] = length;
        r->out[axes[i]] = (int64_t)size;
    }
    return 0;
}

static int read_resize(struct mlo_op_call *c, struct resize *r, struct mlo_err *err)
{
    const struct form *form = c->how;
    int64_t sizes[MLO_SMALL_LIST];
    unsigned axes[MLO_RANK_MAX];
    const float *roi = NULL, *scales = NULL;
    size_t n = 0, n_sizes = 0, n_given;
    int rc = mlo_in_array(c, 0, &r->a, err);
    if (rc == 0)
        rc = read_words(c, r, err);
    if (rc == 0)
        rc = read_axes(c, r, axes, &n, err);
    if (rc == 0 && r->place == CROP)
        rc = read_floats(c, form->roi, 2 * n, &roi, err);
    if (rc == 0)
        rc = read_floats(c, form->scales, n, &scales, err);
    if (rc == 0 && form->sizes >= 0)
        rc = mlo_in_ints(c, (size_t)form->sizes, sizes, &n_sizes, err);
    if (rc != 0)
        return rc;
    if (form->scales < 0) {
        scales = mlo_attr_floats(c->node, "scales", &n_given);
        scales = n_given == n ? scales : NULL;
    }
    for (unsigned d = 0; d < r->a->rank; d++) {
        r->out[d] = r->a->dims[d];
        r->length[d] = (float)r->out[d];
        r->scale[d] = r->end[d] = 1;
    }
    for (size_t i = 0; roi && i < n; i++) {
        r->start[axes[i]] = roi[i];
        r->end[axes[i]] = roi[n + i];
    }
    if (r->place == CROP && !roi && n > 0)
        return mlo_op_refuse(c, err, "tf_crop_and_resize without roi");
    if (scales)
        return use_scales(c, r, axes, n, scales, err);
    return n_sizes == n ? use_sizes(c, r, axes, n, sizes, err)
                        : mlo_op_refuse(c, err, "neither scales nor sizes that fit");
}

/* ---- positions ---- */

/* Where output position i of the axis lies in the input. */
static float position(const struct resize *r, unsigned axis, int64_t i)
{
    float x = (float)i, n_in = (float)r->a->dims[axis], length = r->length[axis], scale = r->scale[axis],
          start = r->start[axis], end = r->end[axis];
    switch (r->place) {
    case HALF_PIXEL:
        return (x + 0.5F) / scale - 0.5F;
    case SYMMETRIC:
        return n_in / 2 * (1 - (float)r->out[axis] / (scale * n_in)) + (x + 0.5F) / scale - 0.5F;
    case PYTORCH:
        return length > 1 ? (x + 0.5F) / scale - 0.5F : 0;
    case ALIGN_CORNERS:
        return length > 1 ? x * (n_in - 1) / (length - 1) : 0;
    case ASYMMETRIC:
        return x / scale;
    case CROP:
        return length > 1 ? start * (n_in - 1) + x * (end - start) * (n_in - 1) / (length - 1)
                          : 0.5F * (start + end) * (n_in - 1);
    case HALF_FOR_NEAREST:
        return (x + 0.5F) / scale;
    }
    return 0;
}

static int64_t inside(double at, size_t n)
{
    return at >= 1 ? (at < (double)n ? (int64_t)at : (int64_t)n - 1) : 0;
}

static int64_t nearest(const struct resize *r, unsigned axis, double x)
{
    bool up = r->rounding == CEIL || (r->rounding == OUTWARD && r->scale[axis] < 1);
    double at = r->rounding == PREFER_FLOOR  ? ceil(x - 0.5)
                : r->rounding == PREFER_CEIL ? floor(x + 0.5)
                                             : (up ? ceil(x) : floor(x));
    return inside(at, (size_t)r->a->dims[axis]);
}

/* Convolution kernels at distance x: a triangle; the cubic of Keys (doi:10.1109/TASSP.1981.1163711). */
static double kernel(const struct resize *r, double x)
{
    double a = r->cubic_a;
    x = fabs(x);
    if (r->method == LINEAR)
        return x < 1 ? 1 - x : 0;
    return x <= 1  ? ((a + 2) * x - (a + 3)) * x * x + 1
           : x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
                   : 0;
}

/* Weights of one output position: what lies outside counts for the edge, or not at all. */
static void weigh(const struct resize *r, const struct taps *t, double x, double stretch, size_t i)
{
    double *w = t->weights + i * t->taps, sum = 0;
    for (size_t k = 0; k < t->taps; k++) {
        int64_t at = t->first[i] + (int64_t)k;
        bool outside = at < 0 || (size_t)at >= t->n_in;
        w[k] = outside && r->exclude ? 0 : kernel(r, ((double)at - x) * stretch);
        sum += w[k];
    }
    bool whole = stretch == 1 && !r->exclude; /* they make 1 already */
    for (size_t k = 0; !whole && sum != 0 && k < t->taps; k++)
        w[k] /= sum;
}

static int make_taps(struct mlo_op_call *c, const struct resize *r, unsigned axis, struct taps *t,
                     struct mlo_err *err)
{
    double stretch = r->antialias && r->scale[axis] < 1 ? (double)r->scale[axis] : 1;
    double reach = (r->method == CUBIC ? 2 : 1) / stretch;
    void *first, *beyond;
    size_t n;
    t->n_in = (size_t)r->a->dims[axis];
    t->n_out = (size_t)r->out[axis];
    if (!(reach < 0x1p31))
        return mlo_op_refuse(c, err, "a scale of %g", (double)r->scale[axis]);
    t->taps = r->method == NEAREST ? 1 : (size_t)ceil(2 * reach) + 1;
    if (__builtin_mul_overflow(t->n_out, t->taps, &n))
        return mlo_fail_nomem(err);
    int rc = mlo_scratch(c, t->n_out, sizeof *t->first, &first, err);
    if (rc == 0)
        rc = mlo_scratch(c, t->n_out, sizeof *t->beyond, &beyond, err);
    if (rc == 0 && r->method != NEAREST)
        rc = mlo_scratch_doubles(c, n, &t->weights, err);
    if (rc != 0)
        return rc;
    t->first = first;
    t->beyond = beyond;
    for (size_t i = 0; i < t->n_out; i++) {
        double x = (double)position(r, axis, (int64_t)i);
        t->beyond[i] = r->place == CROP && !(x >= 0 && x <= (double)(t->n_in - 1));
        x = x > -0x1p40 && x < 0x1p40 ? x : 0; /* a crop of NaN or infinity lies outside */
        t->first[i] = r->method == NEAREST ? nearest(r, axis, x) : (int64_t)floor(x - reach) + 1;
        if (r->method != NEAREST)
            weigh(r, t, x, stretch, i);
    }
    return 0;
}

/* ---- values ---- */

/* [outer][n_in][inner] to [outer][n_out][inner] */
static void apply(const struct taps *t, const double *from, double *to, size_t outer, size_t inner,
                  double beyond)
{
    for (size_t o = 0; o < outer; o++, from += t->n_in * inner)
        for (size_t i = 0; i < t->n_out; i++, to += inner) {
            for (size_t k = 0; k < inner; k++)
                to[k] = t->beyond[i] ? beyond : 0;
            for (size_t tap = 0; !t->beyond[i] && tap < t->taps; tap++) {
                double w = t->weights[i * t->taps + tap];
                const double *row = from +
                                    (size_t)inside((double)(t->first[i] + (int64_t)tap), t->n_in) * inner;
                for (size_t k = 0; w != 0 && k < inner; k++)
                    to[k] += w * row[k];
            }
        }
}

static bool unchanged(const struct resize *r, unsigned d)
{
    return !r->chosen[d] || (r->out[d] == r->a->dims[d] && r->scale[d] == 1 &&
                             (r->place != CROP || (r->start[d] == 0 && r->end[d] == 1)));
}

static int interpolate(struct mlo_op_call *c, const struct resize *r, struct mlo_array *out,
                       struct mlo_err *err)
{
    struct mlo_array now = *r->a;
    double *v;
    int rc = mlo_as_doubles(c, r->a, &v, err);
    for (unsigned d = 0; rc == 0 && d < now.rank; d++) {
        struct taps t = {0};
        double *next = NULL;
        size_t outer, inner;
        if (unchanged(r, d))
            continue;
        rc = make_taps(c, r, d, &t, err);
        mlo_around(&now, d, &outer, &inner);
        now.dims[d] = r->out[d];
        if (rc == 0)
            rc = mlo_array_count(now.dims, now.rank, &now.n, err);
        if (rc == 0)
            rc = mlo_scratch_doubles(c, now.n, &next, err);
        if (rc == 0)
            apply(&t, v, next, outer, inner, r->beyond);
        v = next;
    }
    double least, most;
    bool whole = mlo_whole_range(out->dtype, &least, &most);
    for (size_t i = 0; rc == 0 && whole && i < out->n; i++)
        v[i] = (double)(float)v[i]; /* 23.99999999 is 24 before it is cut off */
    return rc == 0 ? mlo_from_doubles(v, out, err) : rc;
}

/* Elements of any type: as they are. */
static int choose(struct mlo_op_call *c, const struct resize *r, struct mlo_array *out, struct mlo_err *err)
{
    struct taps t[MLO_RANK_MAX] = {0};
    int64_t index[MLO_RANK_MAX] = {0};
    size_t size = mlo_element_size(out->dtype);
    struct mlo_array beyond = {.dtype = out->dtype, .n = 1, .data = &(char[16]){0}};
    double value = r->beyond;
    int rc = size ? 0 : mlo_fail(err, MLO_EUNAVAIL, "%s is not resized", mlo_dtype_name(out->dtype));
    if (rc == 0 && r->place == CROP)
        rc = mlo_from_doubles(&value, &beyond, err);
    for (unsigned d = 0; rc == 0 && d < out->rank; d++)
        rc = make_taps(c, r, d, &t[d], err);
    for (size_t i = 0; rc == 0 && i < out->n; i++) {
        size_t from = 0;
        bool cut = false;
        for (unsigned d = 0; d < out->rank; d++) {
            from = from * t[d].n_in + (size_t)(r->chosen[d] ? t[d].first[index[d]] : index[d]);
            cut = cut || t[d].beyond[index[d]];
        }
        memcpy((char *)out->data + i * size,
               cut ? (const char *)beyond.data : (const char *)r->a->data + from * size, size);
        for (unsigned d = out->rank; d-- > 0; index[d] = 0)
            if (++index[d] < out->dims[d])
                break;
    }
    return rc;
}

static int run_resize(struct mlo_op_call *c, struct mlo_err *err)
{
    struct resize r = {0};
    struct mlo_array *out;
    int rc = read_resize(c, &r, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, r.a->dtype, r.out, r.a->rank, &out, err);
    if (rc != 0 || !out || out->n == 0)
        return rc;
    if (r.a->n == 0)
        return mlo_op_refuse(c, err, "nothing to take values from");
    return r.method == NEAREST ? choose(c, &r, out, err) : interpolate(c, &r, out, err);
}

static const struct form upsample_7 = {-1, -1, -1, ASYMMETRIC, FLOOR},
                         upsample_9 = {-1, 1, -1, ASYMMETRIC, FLOOR},
                         resize_10 = {-1, 1, -1, ASYMMETRIC, OUTWARD},
                         resize_11 = {1, 2, 3, HALF_PIXEL, PREFER_FLOOR};
static const struct mlo_op ops[] = {
    {.name = "Upsample", .since = 7, .run = run_resize, .how = &upsample_7},
    {.name = "Upsample", .since = 9, .run = run_resize, .how = &upsample_9},
    {.name = "Resize", .since = 10, .run = run_resize, .how = &resize_10},
    {.name = "Resize", .since = 11, .run = run_resize, .how = &resize_11},
};
const struct mlo_op_family mlo_ops_resize = {"", ops, MLO_COUNT(ops)};

/*
 * Windows that move over an input: convolutions as matrix products, and pools. For each window and each of
 * its taps a table tells which element of a channel is meant; all channels share it.
 */
#include <math.h>
#include <string.h>

#include <mlopsctl/backend.h>

#include "conv.h"

#define EXTENT_MAX  INT32_MAX         /* of a kernel, a step, a padding, an input's dimension */
#define TABLE_MAX   ((size_t)1 << 28) /* taps of all windows */
#define SPATIAL_MAX (MLO_RANK_MAX - 2)

enum { PADDING = -1, BEYOND = -2 }; /* entries of the table: in the padding, behind it */

struct window { /* by spatial dimension */
    unsigned rank;
    int64_t in[SPATIAL_MAX], out[SPATIAL_MAX], kernel[SPATIAL_MAX], step[SPATIAL_MAX], spread[SPATIAL_MAX],
        before[SPATIAL_MAX], behind[SPATIAL_MAX];
    size_t n_in, n_out, n_taps; /* elements of a channel, windows, taps of a window */
    int32_t *table;             /* [tap][window] */
};

/* ---- what a window is ---- */

static int read_extents(const struct mlo_op_call *c, const char *name, unsigned n, int64_t least,
                        int64_t usual, int64_t *ret, struct mlo_err *err)
{
    size_t have;
    const int64_t *list = mlo_attr_ints(c->node, name, &have);
    if (list && have != n)
        return mlo_op_refuse(c, err, "%s has %zu numbers, not %u", name, have, n);
    for (unsigned i = 0; i < n; i++) {
        ret[i] = list ? list[i] : usual;
        if (ret[i] < least || ret[i] > EXTENT_MAX)
            return mlo_op_refuse(c, err, "%s of %lld", name, (long long)ret[i]);
    }
    return 0;
}

/* Dimensions from the third on, the kernel, steps, dilations; kernel NULL: said by the node. */
static int begin_window(const struct mlo_op_call *c, const struct mlo_array *a, const int64_t *kernel,
                        struct window *w, struct mlo_err *err)
{
    if (a->rank < 3 || !a->n)
        return mlo_op_refuse(c, err, "not an input with channels and positions");
    w->rank = a->rank - 2;
    for (unsigned d = 0; d < w->rank; d++) {
        w->in[d] = a->dims[d + 2];
        w->kernel[d] = kernel ? kernel[d] : 0;
        if (w->in[d] > EXTENT_MAX || (kernel && (kernel[d] < 1 || kernel[d] > EXTENT_MAX)))
            return mlo_op_refuse(c, err, "a kernel or input that does not fit");
    }
    int rc = kernel ? 0 : read_extents(c, "kernel_shape", w->rank, 1, 0, w->kernel, err);
    if (rc == 0)
        rc = read_extents(c, "strides", w->rank, 1, 1, w->step, err);
    if (rc == 0)
        rc = read_extents(c, "dilations", w->rank, 1, 1, w->spread, err);
    return rc;
}

static int read_pads(const struct mlo_op_call *c, struct window *w, struct mlo_err *err)
{
    int64_t pads[2 * SPATIAL_MAX];
    int rc = read_extents(c, "pads", 2 * w->rank, 0, 0, pads, err);
    for (unsigned d = 0; rc == 0 && d < w->rank; d++) {
        w->before[d] = pads[d];
        w->behind[d] = pads[d + w->rank];
    }
    return rc;
}

enum auto_pad { NOT_SET, VALID, SAME_UPPER, SAME_LOWER };

static int read_auto_pad(const struct mlo_op_call *c, enum auto_pad *ret, struct mlo_err *err)
{
    static const char *const words[] = {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"};
    *ret = NOT_SET;
    if (mlo_attr_is(c->node, "auto_pad", ""))
        return 0;
    for (size_t i = 0; i < MLO_COUNT(words); i++)
        if (mlo_attr_is(c->node, "auto_pad", words[i])) {
            *ret = (enum auto_pad)i;
            return 0;
        }
    return mlo_op_refuse(c, err, "auto_pad is not known");
}

/* The odd one of a padding is behind for SAME_UPPER, else in front. */
static void share_padding(struct window *w, unsigned d, int64_t all, bool upper)
{
    all = all > 0 ? all : 0;
    w->before[d] = upper ? all / 2 : all - all / 2;
    w->behind[d] = all - w->before[d];
}

static int64_t reach(const struct window *w, unsigned d)
{
    return (w->kernel[d] - 1) * w->spread[d] + 1;
}

/* A last window that would start in the padding behind is left out. */
static int64_t windows(const struct window *w, unsigned d, bool ceil_mode)
{
    int64_t room = w->in[d] + w->before[d] + w->behind[d] - reach(w, d);
    if (room < 0)
        return 0;
    int64_t n = (room + (ceil_mode ? w->step[d] - 1 : 0)) / w->step[d] + 1;
    return ceil_mode && (n - 1) * w->step[d] >= w->in[d] + w->before[d] ? n - 1 : n;
}

static int place_windows(const struct mlo_op_call *c, struct window *w, struct mlo_err *err)
{
    bool ceil_mode = mlo_attr_int(c->node, "ceil_mode", 0) != 0;
    enum auto_pad how;
    int rc = read_auto_pad(c, &how, err);
    if (rc == 0 && how == NOT_SET)
        rc = read_pads(c, w, err);
    for (unsigned d = 0; rc == 0 && d < w->rank; d++) {
        if (how == SAME_UPPER || how == SAME_LOWER) {
            w->out[d] = (w->in[d] - 1) / w->step[d] + 1;
            share_padding(w, d, (w->out[d] - 1) * w->step[d] + reach(w, d) - w->in[d], how == SAME_UPPER);
        } else {
            w->out[d] = windows(w, d, ceil_mode);
        }
        if (w->out[d] < 1)
            rc = mlo_op_refuse(c, err, "the kernel is larger than the input");
    }
    return rc;
}

/* ---- the table ---- */

static int32_t entry(const struct window *w, const int64_t *tap, const int64_t *at)
{
    int64_t place = 0;
    bool inside = true;
    for (unsigned d = 0; d < w->rank; d++) {
        int64_t x = at[d] * w->step[d] + tap[d] * w->spread[d] - w->before[d];
        if (x >= w->in[d] + w->behind[d])
            return BEYOND;
        inside = inside && x >= 0 && x < w->in[d];
        place = inside ? place * w->in[d] + x : 0;
    }
    return inside ? (int32_t)place : PADDING;
}

static void next_index(int64_t *index, const int64_t *dims, unsigned rank)
{
    for (unsigned d = rank; d-- > 0; index[d] = 0)
        if (++index[d] < dims[d])
            return;
}

static int count(const int64_t *dims, unsigned rank, size_t *ret, struct mlo_err *err)
{
    int rc = mlo_array_count(dims, rank, ret, err);
    return rc == 0 && *ret > EXTENT_MAX ? mlo_fail(err, MLO_EUNAVAIL, "too many positions") : rc;
}

static int make_table(struct mlo_op_call *c, struct window *w, struct mlo_err *err)
{
    int64_t tap[SPATIAL_MAX] = {0}, at[SPATIAL_MAX] = {0};
    void *memory;
    int rc = count(w->in, w->rank, &w->n_in, err);
    if (rc == 0)
        rc = count(w->out, w->rank, &w->n_out, err);
    if (rc == 0)
        rc = count(w->kernel, w->rank, &w->n_taps, err);
    if (rc == 0 && w->n_out * w->n_taps > TABLE_MAX)
        rc = mlo_fail(err, MLO_EUNAVAIL, "%zu windows of %zu are too many", w->n_out, w->n_taps);
    if (rc == 0)
        rc = mlo_scratch(c, w->n_out * w->n_taps, sizeof *w->table, &memory, err);
    if (rc != 0)
        return rc;
    w->table = memory;
    for (size_t t = 0; t < w->n_taps; t++, next_index(tap, w->kernel, w->rank))
        for (size_t i = 0; i < w->n_out; i++, next_index(at, w->out, w->rank))
            w->table[t * w->n_out + i] = entry(w, tap, at);
    return 0;
}

/* ---- Conv, ConvTranspose ---- */

struct conv {
    struct window w;
    struct mlo_array x, k; /* input and kernels: shapes, and the type float32 or float64 */
    const void *x_data, *k_data;
    size_t groups, batch, in_each, out_each; /* channels of a group */
    void *columns;                           /* [channel of the group and tap][window] */
    double *bias;                            /* NULL: none */
};

static int begin_conv(struct mlo_op_call *c, struct conv *v, bool transposed, struct mlo_err *err)
{
    int64_t groups = mlo_attr_int(c->node, "group", 1);
    const struct mlo_array *x = &v->x, *k = &v->k;
    if (x->rank < 3 || k->rank != x->rank || !x->n || !k->n || groups < 1 || k->dims[0] % groups != 0 ||
        x->dims[1] % groups != 0)
        return mlo_op_refuse(c, err, "a kernel that does not fit");
    if (transposed ? k->dims[0] != x->dims[1] : k->dims[1] != x->dims[1] / groups)
        return mlo_op_refuse(c, err, "a kernel for other channels");
    v->groups = (size_t)groups;
    v->batch = (size_t)x->dims[0];
    v->in_each = (size_t)(x->dims[1] / groups);
    v->out_each = (size_t)(transposed ? k->dims[1] : k->dims[0] / groups);
    size_t n;
    const int64_t *said = mlo_attr_ints(c->node, "kernel_shape", &n);
    if (said && (n != k->rank - 2 || memcmp(said, &k->dims[2], n * sizeof *said) != 0))
        return mlo_op_refuse(c, err, "kernel_shape is not the kernel's");
    return begin_window(c, x, &k->dims[2], &v->w, err);
}

static int make_columns(struct mlo_op_call *c, struct conv *v, size_t channels, struct mlo_err *err)
{
    size_t n;
    if (__builtin_mul_overflow(channels, v->w.n_taps * v->w.n_out, &n))
        return mlo_fail_nomem(err);
    return mlo_scratch(c, n, mlo_element_size(v->x.dtype), &v->columns, err);
}

static void fill_columns(const struct conv *v, size_t from)
{
    size_t per = v->w.n_taps * v->w.n_out;
    for (size_t ch = 0; ch < v->in_each; ch++, from += v->w.n_in)
        for (size_t i = 0; i < per; i++) {
            int32_t place = v->w.table[i];
            if (v->x.dtype == MLO_DT_F32)
                ((float *)v->columns)[ch * per + i] = place < 0 ? 0
                                                                : ((const float *)v->x_data)[from + place];
            else
                ((double *)v->columns)[ch * per + i] = place < 0 ? 0
                                                                 : ((const double *)v->x_data)[from + place];
        }
}

static const void *element(enum mlo_dtype t, const void *p, size_t i)
{
    return (const char *)p + i * mlo_element_size(t);
}

static void multiply(enum mlo_dtype t, const struct mlo_matmul *p)
{
    if (t == MLO_DT_F32)
        mlo_matmul_f32(p);
    else
        mlo_matmul_f64(p);
}

/* y: [batch][channel][window], of the type of x. */
static void convolve(const struct conv *v, void *y)
{
    enum mlo_dtype t = v->x.dtype;
    size_t k = v->in_each * v->w.n_taps;
    for (size_t g = 0; g < v->batch * v->groups; g++) {
        fill_columns(v, g * v->in_each * v->w.n_in);
        struct mlo_matmul p = {.m = v->out_each,
                               .n = v->w.n_out,
                               .k = k,
                               .a = element(t, v->k_data, g % v->groups * v->out_each * k),
                               .b = v->columns,
                               .c = (char *)y + g * v->out_each * v->w.n_out * mlo_element_size(t),
                               .a_row = k,
                               .a_col = 1,
                               .b_row = v->w.n_out,
                               .b_col = 1,
                               .c_row = v->w.n_out};
        multiply(t, &p);
    }
}

static void spill_columns(const struct conv *v, void *y, size_t to)
{
    size_t per = v->w.n_taps * v->w.n_out;
    for (size_t ch = 0; ch < v->out_each; ch++, to += v->w.n_in)
        for (size_t i = 0; i < per; i++) {
            int32_t place = v->w.table[i];
            if (place >= 0 && v->x.dtype == MLO_DT_F32)
                ((float *)y)[to + place] += ((const float *)v->columns)[ch * per + i];
            else if (place >= 0)
                ((double *)y)[to + place] += ((const double *)v->columns)[ch * per + i];
        }
}

/* The other way round: windows are the input's positions, and their taps add up in y. */
static void deconvolve(const struct conv *v, void *y)
{
    enum mlo_dtype t = v->x.dtype;
    size_t m = v->out_each * v->w.n_taps;
    memset(y, 0, v->batch * v->groups * v->out_each * v->w.n_in * mlo_element_size(t));
    for (size_t g = 0; g < v->batch * v->groups; g++) {
        struct mlo_matmul p = {.m = m,
                               .n = v->w.n_out,
                               .k = v->in_each,
                               .a = element(t, v->k_data, g % v->groups * v->in_each * m),
                               .b = element(t, v->x_data, g * v->in_each * v->w.n_out),
                               .c = v->columns,
                               .a_row = 1,
                               .a_col = m,
                               .b_row = v->w.n_out,
                               .b_col = 1,
                               .c_row = v->w.n_out};
        multiply(t, &p);
        spill_columns(v, y, g * v->out_each * v->w.n_in);
    }
}

static int read_bias(struct mlo_op_call *c, struct conv *v, struct mlo_err *err)
{
    const struct mlo_array *bias = mlo_in(c, 2);
    if (!bias)
        return 0;
    if (bias->n != v->groups * v->out_each)
        return mlo_op_refuse(c, err, "the bias does not fit");
    return mlo_as_doubles(c, bias, &v->bias, err);
}

static void add_bias(const struct conv *v, struct mlo_array *y, size_t positions)
{
    for (size_t i = 0; v->bias && i < y->n; i++) {
        double plus = v->bias[i / positions % (v->groups * v->out_each)];
        if (y->dtype == MLO_DT_F32)
            ((float *)y->data)[i] += (float)plus;
        else
            ((double *)y->data)[i] += plus;
    }
}

static int read_real(struct mlo_op_call *c, struct conv *v, struct mlo_err *err)
{
    const struct mlo_array *x, *k;
    int rc = mlo_in_array(c, 0, &x, err);
    if (rc == 0)
        rc = mlo_in_typed(c, 1, x->dtype, &k, err);
    if (rc != 0)
        return rc;
    v->x = *x;
    v->k = *k;
    v->x.dtype = v->k.dtype = x->dtype == MLO_DT_F64 ? MLO_DT_F64 : MLO_DT_F32;
    rc = mlo_as_type(c, x, v->x.dtype, &v->x_data, err);
    if (rc == 0)
        rc = mlo_as_type(c, k, v->x.dtype, &v->k_data, err);
    return rc;
}

static void channel_dims(const struct conv *v, const int64_t *spatial, int64_t dims[MLO_RANK_MAX])
{
    dims[0] = (int64_t)v->batch;
    dims[1] = (int64_t)(v->groups * v->out_each);
    memcpy(dims + 2, spatial, v->w.rank * sizeof *spatial);
}

/* [batch][channels][spatial] as output 0, from memory of the type of the computation. */
static int give_channels(struct mlo_op_call *c, struct conv *v, const int64_t *spatial, size_t positions,
                         void (*fill)(const struct conv *v, void *y), enum mlo_dtype t, struct mlo_err *err)
{
    int64_t dims[MLO_RANK_MAX];
    struct mlo_array *out, y;
    channel_dims(v, spatial, dims);
    int rc = mlo_out_new(c, 0, t, dims, v->w.rank + 2, &out, err);
    if (rc != 0 || !out)
        return rc;
    y = *out;
    y.dtype = v->x.dtype;
    if (y.dtype != t)
        rc = mlo_scratch(c, y.n, mlo_element_size(y.dtype), &y.data, err);
    if (rc != 0)
        return rc;
    fill(v, y.data);
    add_bias(v, &y, positions);
    return y.dtype == t ? 0 : mlo_cast_numbers(&y, out, err);
}

static int prepare_convolution(struct mlo_op_call *c, struct conv *v, struct mlo_err *err)
{
    int rc = place_windows(c, &v->w, err);
    if (rc == 0)
        rc = make_table(c, &v->w, err);
    return rc == 0 ? make_columns(c, v, v->in_each, err) : rc;
}

static int convolution(struct mlo_op_call *c, struct conv *v, enum mlo_dtype t, struct mlo_err *err)
{
    int rc = prepare_convolution(c, v, err);
    return rc == 0 ? give_channels(c, v, v->w.out, v->w.n_out, convolve, t, err) : rc;
}

int mlo_conv_windows(struct mlo_op_call *c, const struct mlo_array *x, const struct mlo_array *k,
                     struct mlo_windows *ret, struct mlo_err *err)
{
    struct conv v = {.x = *x, .k = *k};
    int rc = begin_conv(c, &v, false, err);
    if (rc == 0)
        rc = place_windows(c, &v.w, err);
    if (rc == 0)
        rc = make_table(c, &v.w, err);
    if (rc != 0)
        return rc;
    *ret = (struct mlo_windows){v.batch,   v.groups,   v.in_each, v.out_each, v.w.n_in,
                                v.w.n_out, v.w.n_taps, v.w.table, {0}};
    channel_dims(&v, v.w.out, ret->dims);
    return 0;
}

static int run_conv(struct mlo_op_call *c, struct mlo_err *err)
{
    struct conv v = {0};
    int rc = read_real(c, &v, err);
    if (rc == 0)
        rc = begin_conv(c, &v, false, err);
    if (rc == 0)
        rc = read_bias(c, &v, err);
    return rc == 0 ? convolution(c, &v, mlo_in(c, 0)->dtype, err) : rc;
}

/* ---- of bytes: ConvInteger, QLinearConv. Sums of products are exact in doubles. ---- */

/* Input i as doubles, one for each kernel: a single one is repeated. */
static int per_kernel(struct mlo_op_call *c, size_t i, size_t n, double **ret, struct mlo_err *err)
{
    const struct mlo_array *a;
    double *v, *all;
    int rc = mlo_in_array(c, i, &a, err);
    if (rc == 0 && a->n != 1 && a->n != n)
        rc = mlo_op_refuse(c, err, "input %zu has not one number for each of %zu kernels", i, n);
    if (rc == 0)
        rc = mlo_as_doubles(c, a, &v, err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, n, &all, err);
    for (size_t k = 0; rc == 0 && k < n; k++)
        all[k] = v[a->n == 1 ? 0 : k];
    if (rc == 0)
        *ret = all;
    return rc;
}

/* Kernels without their zero points. */
static int read_centred_kernels(struct mlo_op_call *c, size_t i, size_t zero_i, struct conv *v,
                                struct mlo_err *err)
{
    const struct mlo_array *k;
    double *numbers, *zeros = NULL;
    int rc = mlo_in_array(c, i, &k, err);
    if (rc == 0 && k->n == 0)
        rc = mlo_op_refuse(c, err, "no kernels");
    size_t kernels = rc == 0 && k->rank ? (size_t)k->dims[0] : 1;
    if (rc == 0)
        rc = mlo_as_doubles(c, k, &numbers, err);
    if (rc == 0 && mlo_in(c, zero_i))
        rc = per_kernel(c, zero_i, kernels, &zeros, err);
    if (rc != 0)
        return rc;
    for (size_t j = 0; zeros && j < k->n; j++)
        numbers[j] -= zeros[j / (k->n / kernels)];
    v->k = *k;
    v->k.dtype = MLO_DT_F64;
    v->k_data = numbers;
    return 0;
}

static int run_conv_integer(struct mlo_op_call *c, struct mlo_err *err)
{
    struct conv v = {0};
    int rc = mlo_in_centred(c, 0, 2, false, &v.x, err);
    if (rc == 0)
        rc = read_centred_kernels(c, 1, 3, &v, err);
    v.x_data = v.x.data;
    if (rc == 0)
        rc = begin_conv(c, &v, false, err);
    return rc == 0 ? convolution(c, &v, MLO_DT_I32, err) : rc;
}

/* Sums to small numbers: scaled as floats, rounded, the zero point added, as ONNX Runtime does. */
static int requantize(struct mlo_op_call *c, const struct conv *v, double *sums, struct mlo_array *out,
                      struct mlo_err *err)
{
    size_t kernels = v->groups * v->out_each;
    double x_scale, y_scale, y_zero, least, most, *scales;
    int rc = mlo_in_double(c, 1, 1, &x_scale, err);
    if (rc == 0)
        rc = mlo_in_double(c, 6, 1, &y_scale, err);
    if (rc == 0)
        rc = mlo_in_double(c, 7, 0, &y_zero, err);
    if (rc == 0)
        rc = per_kernel(c, 4, kernels, &scales, err);
    if (rc == 0 && !mlo_whole_range(out->dtype, &least, &most))
        rc = mlo_op_refuse(c, err, "not to %s", mlo_dtype_name(out->dtype));
    for (size_t i = 0; rc == 0 && i < out->n; i++) {
        float scale = (float)x_scale * (float)scales[i / v->w.n_out % kernels] / (float)y_scale;
        sums[i] = fmin(fmax((double)rintf((float)sums[i] * scale) + y_zero, least), most);
    }
    return rc == 0 ? mlo_from_doubles(sums, out, err) : rc;
}

static int run_qlinear_conv(struct mlo_op_call *c, struct mlo_err *err)
{
    struct conv v = {0};
    const struct mlo_array *bias = mlo_in(c, 8), *zero;
    int64_t dims[MLO_RANK_MAX];
    struct mlo_array *out;
    double *sums;
    int rc = mlo_in_centred(c, 0, 2, false, &v.x, err);
    if (rc == 0)
        rc = read_centred_kernels(c, 3, 5, &v, err);
    v.x_data = v.x.data;
    if (rc == 0)
        rc = mlo_in_array(c, 7, &zero, err);
    if (rc == 0)
        rc = begin_conv(c, &v, false, err);
    if (rc == 0 && bias)
        rc = bias->n == v.groups * v.out_each ? mlo_as_doubles(c, bias, &v.bias, err)
                                              : mlo_op_refuse(c, err, "the bias does not fit");
    if (rc == 0)
        rc = prepare_convolution(c, &v, err);
    if (rc == 0) {
        channel_dims(&v, v.w.out, dims);
        rc = mlo_out_new(c, 0, zero->dtype, dims, v.w.rank + 2, &out, err);
    }
    if (rc == 0)
        rc = mlo_scratch_doubles(c, out ? out->n : 0, &sums, err);
    if (rc != 0 || !out)
        return rc;
    struct mlo_array y = *out;
    y.dtype = MLO_DT_F64;
    y.data = sums;
    convolve(&v, sums);
    add_bias(&v, &y, v.w.n_out);
    return requantize(c, &v, sums, out, err);
}

/* ---- ConvTranspose ---- */

/* How large the output is, and what is cut off around it. */
static int place_output(const struct mlo_op_call *c, struct window *w, struct mlo_err *err)
{
    int64_t more[SPATIAL_MAX], said[SPATIAL_MAX];
    enum auto_pad how;
    int rc = read_auto_pad(c, &how, err);
    if (rc == 0)
        rc = read_extents(c, "output_padding", w->rank, 0, 0, more, err);
    if (rc == 0)
        rc = read_extents(c, "output_shape", w->rank, 0, 0, said, err);
    if (rc == 0)
        rc = read_pads(c, w, err);
    for (unsigned d = 0; rc == 0 && d < w->rank; d++) {
        int64_t full = w->step[d] * (w->in[d] - 1) + more[d] + reach(w, d);
        bool same = how == SAME_UPPER || how == SAME_LOWER;
        w->out[d] = w->in[d]; /* windows are the input's positions */
        int64_t size = said[d] ? said[d] : same ? w->in[d] * w->step[d] : 0;
        if (size)
            share_padding(w, d, full - size, how == SAME_UPPER);
        w->in[d] = size ? size : full - w->before[d] - w->behind[d];
        if (w->in[d] < 1 || w->in[d] > EXTENT_MAX)
            rc = mlo_op_refuse(c, err, "no output is left");
    }
    return rc;
}

static int run_conv_transpose(struct mlo_op_call *c, struct mlo_err *err)
{
    struct conv v = {0};
    int rc = read_real(c, &v, err);
    if (rc == 0)
        rc = begin_conv(c, &v, true, err);
    if (rc == 0)
        rc = read_bias(c, &v, err);
    if (rc == 0)
        rc = place_output(c, &v.w, err);
    if (rc == 0)
        rc = make_table(c, &v.w, err);
    if (rc == 0)
        rc = make_columns(c, &v, v.out_each, err);
    return rc == 0 ? give_channels(c, &v, v.w.in, v.w.n_in, deconvolve, mlo_in(c, 0)->dtype, err) : rc;
}

/* ---- pools ---- */

enum pool { GREATEST, MEAN, POWER };
static const enum pool pools[] = {GREATEST, MEAN, POWER};

struct pooling {
    struct window w;
    enum pool how;
    double p;          /* POWER */
    bool with_padding; /* MEAN: it counts */
};

/* One window of one channel; *ret_best: the place of the greatest. */
static double pool(const struct pooling *q, const double *v, size_t window, int32_t *ret_best)
{
    double sum = 0, greatest = -INFINITY;
    size_t n = 0;
    *ret_best = PADDING;
    for (size_t t = 0; t < q->w.n_taps; t++) {
        int32_t place = q->w.table[t * q->w.n_out + window];
        n += place >= 0 || (place == PADDING && q->with_padding);
        if (place < 0)
            continue;
        if (v[place] > greatest || *ret_best < 0 || (isnan(v[place]) && !isnan(greatest))) {
            greatest = v[place];
            *ret_best = place;
        }
        sum += q->how == POWER ? pow(fabs(v[place]), q->p) : v[place];
    }
    return q->how == GREATEST ? greatest : q->how == POWER ? pow(sum, 1 / q->p) : sum / (double)n;
}

/* Places count along rows, or along columns. */
static int64_t place_number(const struct window *w, int32_t place, bool by_columns)
{
    int64_t left = place, at = 0, index[SPATIAL_MAX];
    if (!by_columns || place < 0)
        return place;
    for (unsigned d = w->rank; d-- > 0; left /= w->in[d])
        index[d] = left % w->in[d];
    for (unsigned d = w->rank; d-- > 0;)
        at = at * w->in[d] + index[d];
    return at;
}

static int pool_all(struct mlo_op_call *c, const struct pooling *q, const struct mlo_array *a,
                    struct mlo_err *err)
{
    bool by_columns = mlo_attr_int(c->node, "storage_order", 0) != 0;
    struct mlo_array *out, *places = NULL;
    int64_t dims[MLO_RANK_MAX] = {a->dims[0], a->dims[1]};
    double *v, *to;
    memcpy(dims + 2, q->w.out, q->w.rank * sizeof *dims);
    int rc = mlo_as_doubles(c, a, &v, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, a->dtype, dims, a->rank, &out, err);
    if (rc == 0 && q->how == GREATEST)
        rc = mlo_out_new(c, 1, MLO_DT_I64, dims, a->rank, &places, err);
    size_t n = 0;
    if (rc == 0)
        rc = mlo_array_count(dims, a->rank, &n, err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, n, &to, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        size_t from = i / q->w.n_out * q->w.n_in;
        int32_t best;
        to[i] = pool(q, v + from, i % q->w.n_out, &best);
        if (places)
            ((int64_t *)places->data)[i] = (int64_t)from + place_number(&q->w, best, by_columns);
    }
    return rc == 0 && out ? mlo_from_doubles(to, out, err) : rc;
}

static int run_pool(struct mlo_op_call *c, struct mlo_err *err)
{
    struct pooling q = {.how = *(const enum pool *)c->how,
                        .p = (double)mlo_attr_int(c->node, "p", 2),
                        .with_padding = mlo_attr_int(c->node, "count_include_pad", 0) != 0};
    const struct mlo_array *a;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = begin_window(c, a, NULL, &q.w, err);
    if (rc == 0)
        rc = place_windows(c, &q.w, err);
    if (rc == 0)
        rc = make_table(c, &q.w, err);
    return rc == 0 ? pool_all(c, &q, a, err) : rc;
}

/* One window over the whole channel. */
static int run_global(struct mlo_op_call *c, struct mlo_err *err)
{
    struct pooling q = {.how = *(const enum pool *)c->how, .p = (double)mlo_attr_int(c->node, "p", 2)};
    const struct mlo_array *a;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = begin_window(c, a, a->rank > 2 ? &a->dims[2] : NULL, &q.w, err);
    for (unsigned d = 0; d < q.w.rank; d++)
        q.w.out[d] = 1;
    if (rc == 0)
        rc = make_table(c, &q.w, err);
    return rc == 0 ? pool_all(c, &q, a, err) : rc;
}

/* ---- MaxUnpool: what MaxPool chose, back to its place ---- */

/* The places are those of the shape that kernel, steps and pads give; output_shape only makes room behind it.
 */
static int run_unpool(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_array *a, *places;
    struct mlo_array inner = {0}, *out;
    struct window w = {0};
    int64_t dims[MLO_SMALL_LIST];
    size_t n_dims = 0;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = mlo_in_typed(c, 1, MLO_DT_I64, &places, err);
    if (rc == 0 && !mlo_array_same_shape(a, places))
        rc = mlo_op_refuse(c, err, "not a place for each");
    if (rc == 0)
        rc = begin_window(c, a, NULL, &w, err);
    if (rc == 0)
        rc = read_pads(c, &w, err);
    if (rc == 0)
        rc = mlo_in_ints(c, 2, dims, &n_dims, err);
    if (rc != 0)
        return rc;
    inner.rank = a->rank;
    memcpy(inner.dims, a->dims, sizeof inner.dims);
    for (unsigned d = 0; d < w.rank; d++)
        inner.dims[d + 2] = (w.in[d] - 1) * w.step[d] - w.before[d] - w.behind[d] + w.kernel[d];
    rc = mlo_array_count(inner.dims, inner.rank, &inner.n, err);
    for (unsigned d = 0; rc == 0 && n_dims && d < a->rank; d++)
        if (n_dims != a->rank || dims[d] < inner.dims[d])
            rc = mlo_op_refuse(c, err, "output_shape does not fit");
    if (rc == 0)
        rc = mlo_out_new(c, 0, a->dtype, n_dims ? dims : inner.dims, a->rank, &out, err);
    if (rc != 0 || !out)
        return rc;
    size_t size = mlo_element_size(a->dtype);
    memset(out->data, 0, out->n * size);
    for (size_t i = 0; i < a->n; i++) {
        int64_t from = ((const int64_t *)places->data)[i], index[MLO_RANK_MAX];
        if (from < 0 || (size_t)from >= inner.n)
            return mlo_op_refuse(c, err, "place %lld of %zu", (long long)from, inner.n);
        for (unsigned d = a->rank; d-- > 0; from /= inner.dims[d])
            index[d] = from % inner.dims[d];
        size_t to = 0;
        for (unsigned d = 0; d < a->rank; d++)
            to = to * (size_t)out->dims[d] + (size_t)index[d];
        memcpy((char *)out->data + to * size, (const char *)a->data + i * size, size);
    }
    return 0;
}

/* ---- Col2Im: blocks added up to an image, as ConvTranspose does ---- */

static int image_window(struct mlo_op_call *c, struct window *w, struct mlo_err *err)
{
    int64_t image[MLO_SMALL_LIST], block[MLO_SMALL_LIST];
    size_t n, n_block;
    int rc = mlo_in_ints(c, 1, image, &n, err);
    if (rc == 0)
        rc = mlo_in_ints(c, 2, block, &n_block, err);
    if (rc == 0 && (n < 1 || n != n_block || n > SPATIAL_MAX))
        rc = mlo_op_refuse(c, err, "an image of %zu dimensions", n);
    if (rc != 0)
        return rc;
    w->rank = (unsigned)n;
    rc = read_extents(c, "strides", w->rank, 1, 1, w->step, err);
    if (rc == 0)
        rc = read_extents(c, "dilations", w->rank, 1, 1, w->spread, err);
    if (rc == 0)
        rc = read_pads(c, w, err);
    for (unsigned d = 0; rc == 0 && d < w->rank; d++) {
        if (image[d] < 1 || image[d] > EXTENT_MAX || block[d] < 1 || block[d] > EXTENT_MAX)
            return mlo_op_refuse(c, err, "an image or a block that does not fit");
        w->in[d] = image[d];
        w->kernel[d] = block[d];
        w->out[d] = windows(w, d, false);
        if (w->out[d] < 1)
            rc = mlo_op_refuse(c, err, "the block is larger than the image");
    }
    return rc == 0 ? make_table(c, w, err) : rc;
}

static int run_col2im(struct mlo_op_call *c, struct mlo_err *err)
{
    struct conv v = {.groups = 1};
    const struct mlo_array *a;
    struct mlo_array *out;
    int64_t dims[MLO_RANK_MAX];
    double *columns, *y;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = image_window(c, &v.w, err);
    if (rc == 0 && (a->rank != 3 || (size_t)a->dims[1] % v.w.n_taps != 0 || (size_t)a->dims[2] != v.w.n_out))
        rc = mlo_op_refuse(c, err, "blocks that do not fit the image");
    if (rc == 0)
        rc = mlo_as_doubles(c, a, &columns, err);
    if (rc != 0)
        return rc;
    v.x.dtype = MLO_DT_F64;
    v.batch = (size_t)a->dims[0];
    v.out_each = (size_t)a->dims[1] / v.w.n_taps;
    channel_dims(&v, v.w.in, dims);
    rc = mlo_out_new(c, 0, a->dtype, dims, v.w.rank + 2, &out, err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, out ? out->n : 0, &y, err);
    if (rc != 0 || !out)
        return rc;
    memset(y, 0, out->n * sizeof *y);
    for (size_t b = 0; b < v.batch; b++) {
        v.columns = columns + b * v.out_each * v.w.n_taps * v.w.n_out;
        spill_columns(&v, y, b * v.out_each * v.w.n_in);
    }
    return mlo_from_doubles(y, out, err);
}

static const struct mlo_op ops[] = {
    {.name = "Conv", .since = 1, .run = run_conv},
    {.name = "ConvInteger", .since = 10, .run = run_conv_integer},
    {.name = "QLinearConv", .since = 10, .run = run_qlinear_conv},
    {.name = "ConvTranspose", .since = 1, .run = run_conv_transpose},
    {.name = "MaxPool", .since = 1, .run = run_pool, .how = &pools[GREATEST]},
    {.name = "AveragePool", .since = 1, .run = run_pool, .how = &pools[MEAN]},
    {.name = "LpPool", .since = 2, .run = run_pool, .how = &pools[POWER]},
    {.name = "GlobalMaxPool", .since = 1, .run = run_global, .how = &pools[GREATEST]},
    {.name = "GlobalAveragePool", .since = 1, .run = run_global, .how = &pools[MEAN]},
    {.name = "MaxUnpool", .since = 9, .run = run_unpool},
    {.name = "Col2Im", .since = 18, .run = run_col2im},
    {.name = "GlobalLpPool", .since = 2, .run = run_global, .how = &pools[POWER]},
};
const struct mlo_op_family mlo_ops_conv = {"", ops, MLO_COUNT(ops)};

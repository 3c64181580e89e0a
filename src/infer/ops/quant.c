/*
 * Numbers as small whole ones (or floats of 8 and 4 bits) with a scale and a zero point, and products of
 * them. Quotients and scaled sums are rounded as floats, as ONNX Runtime does, so that ties fall the same
 * way; sums of products are exact.
 */
#include <math.h>
#include <string.h>

#include <mlopsctl/backend.h>

#include "int8.h"
#include "infer/internal.h"

/* ---- which scale is an element's ---- */

enum per { PER_ARRAY, PER_AXIS, PER_BLOCK };
struct grid {
    enum per per;
    size_t n, inner;        /* of the array along the axis, and behind it */
    size_t block, n_blocks; /* PER_BLOCK */
};

static size_t scale_of(const struct grid *g, size_t i)
{
    if (g->per == PER_ARRAY)
        return 0;
    size_t along = i / g->inner % g->n;
    if (g->per == PER_AXIS)
        return along;
    return (i / g->inner / g->n * g->n_blocks + along / g->block) * g->inner + i % g->inner;
}

static bool fits_blocks(const struct mlo_array *a, const struct mlo_array *scale, unsigned axis,
                        int64_t block)
{
    if (scale->rank != a->rank || a->dims[axis] == 0)
        return false;
    for (unsigned d = 0; d < a->rank; d++)
        if (scale->dims[d] != (d == axis ? (a->dims[d] - 1) / block + 1 : a->dims[d]))
            return false;
    return true;
}

static int make_grid(const struct mlo_op_call *c, const struct mlo_array *a, const struct mlo_array *scale,
                     struct grid *g, struct mlo_err *err)
{
    int64_t block = mlo_attr_int(c->node, "block_size", 0);
    unsigned axis = 0;
    size_t outer;
    *g = (struct grid){.per = PER_ARRAY};
    if (block == 0 && scale->n == 1 && scale->rank <= 1)
        return 0;
    int rc = mlo_axis(mlo_attr_int(c->node, "axis", 1), a->rank, &axis, err);
    if (rc != 0)
        return rc;
    mlo_around(a, axis, &outer, &g->inner);
    g->n = (size_t)a->dims[axis];
    g->per = block ? PER_BLOCK : PER_AXIS;
    if (block > 0 && fits_blocks(a, scale, axis, block)) {
        g->block = (size_t)block;
        g->n_blocks = (size_t)scale->dims[axis];
        return 0;
    }
    if (block == 0 && scale->rank == 1 && scale->n == g->n)
        return 0;
    return mlo_op_refuse(c, err, "a scale that does not fit");
}

/* Floats to bytes (or back) with one scale and one zero point: what the kernels have. */
static bool is_plain(const struct mlo_array *bytes, const struct mlo_array *scale,
                     const struct mlo_array *zero, int64_t block)
{
    return (bytes->dtype == MLO_DT_U8 || bytes->dtype == MLO_DT_I8) && scale->dtype == MLO_DT_F32 &&
           scale->n == 1 && scale->rank <= 1 && block == 0 &&
           (!zero || (zero->n == 1 && zero->dtype == bytes->dtype));
}

static int32_t zero_of(const struct mlo_array *zero)
{
    return !zero ? 0 : zero->dtype == MLO_DT_I8 ? *(const int8_t *)zero->data : *(const uint8_t *)zero->data;
}

struct quantizing {                           /* inputs 0 to 2, which all quantising operators have */
    const struct mlo_array *a, *scale, *zero; /* zero NULL: not given */
    struct grid grid;
    double *v, *scales, *zeros; /* zeros NULL: all 0 */
};

static int read_quantizing(struct mlo_op_call *c, struct quantizing *q, struct mlo_err *err)
{
    int rc = mlo_in_array(c, 0, &q->a, err);
    if (rc == 0)
        rc = mlo_in_array(c, 1, &q->scale, err);
    if (rc == 0)
        rc = make_grid(c, q->a, q->scale, &q->grid, err);
    q->zero = mlo_in(c, 2);
    if (rc == 0 && q->zero && q->zero->n != q->scale->n)
        rc = mlo_op_refuse(c, err, "a zero point for each scale is needed");
    if (rc == 0)
        rc = mlo_as_doubles(c, q->a, &q->v, err);
    if (rc == 0)
        rc = mlo_as_doubles(c, q->scale, &q->scales, err);
    if (rc == 0 && q->zero)
        rc = mlo_as_doubles(c, q->zero, &q->zeros, err);
    return rc;
}

/* ---- QuantizeLinear ---- */

static double into_range(double v, double least, double most)
{
    return v < least ? least : v > most ? most : v;
}

static int quantized_type(const struct mlo_op_call *c, const struct mlo_array *zero, enum mlo_dtype *ret,
                          struct mlo_err *err)
{
    int64_t said = mlo_attr_int(c->node, "output_dtype", 0),
            precision = mlo_attr_int(c->node, "precision", 0);
    *ret = zero ? zero->dtype : said ? mlo_onnx_type_of((uint64_t)said) : MLO_DT_U8;
    if (zero && said && mlo_onnx_type_of((uint64_t)said) != zero->dtype)
        return mlo_op_refuse(c, err, "output_dtype is not the type of the zero point");
    if (precision && mlo_onnx_type_of((uint64_t)precision) != MLO_DT_F32)
        return mlo_fail(err, MLO_EUNAVAIL, "precision other than float32 is not supported");
    return 0;
}

/* Runs of elements with one scale, or with one for each that stand in a row: what the kernel takes. */
static void quantize_runs(const struct mlo_array *a, const struct grid *g, struct mlo_quantize p)
{
    const float *scales = p.scales, *zeros = p.zeros;
    uint8_t *y = p.y;
    bool rows = g->per != PER_ARRAY && g->inner == 1; /* scales along the last axis */
    size_t step = g->per == PER_ARRAY ? a->n : rows ? g->per == PER_AXIS ? g->n : g->block : g->inner;
    p.each = rows ? g->per == PER_AXIS : g->per == PER_BLOCK;
    for (size_t i = 0; i < a->n; i += p.n) {
        size_t left = rows ? g->n - i % g->n : step, at = scale_of(g, i);
        p.n = left < step ? left : step;
        p.x = (const float *)a->data + i;
        p.y = y + i;
        p.scales = scales + at;
        p.zeros = zeros + at;
        mlo_quantize_f32(&p);
    }
}

/* Two numbers of four bits a byte, the first below. */
static void pack_nibbles(const uint8_t *from, size_t n, uint8_t *to)
{
    for (size_t i = 0; i + 1 < n; i += 2)
        to[i / 2] = (uint8_t)((from[i] & 15) | from[i + 1] << 4);
    if (n % 2)
        to[n / 2] = from[n - 1] & 15;
}

/* Numbers of whole elements as floats: what kernels take. */
static int as_floats(struct mlo_op_call *c, const struct mlo_array *a, const float **ret, struct mlo_err *err)
{
    const void *v;
    int rc = mlo_as_type(c, a, MLO_DT_F32, &v, err);
    if (rc == 0)
        *ret = v;
    return rc;
}

/* Floats to bytes or half bytes. */
static int quantize_floats(struct mlo_op_call *c, const struct mlo_array *a, const struct mlo_array *scale,
                           enum mlo_dtype t, struct mlo_err *err)
{
    const struct mlo_array *zero = mlo_in(c, 2);
    struct mlo_quantize p = {.scales = scale->data};
    struct mlo_array *out;
    struct grid grid;
    double low = 0, high = 0;
    void *memory = NULL;
    bool halves = mlo_element_size(t) == 0;
    int rc = make_grid(c, a, scale, &grid, err);
    if (rc == 0 && zero && zero->n != scale->n)
        rc = mlo_op_refuse(c, err, "a zero point for each scale is needed");
    if (rc == 0 && zero)
        rc = as_floats(c, zero, &p.zeros, err);
    if (rc == 0 && !zero)
        rc = mlo_scratch(c, scale->n, sizeof(float), &memory, err);
    if (rc == 0 && !zero)
        p.zeros = memset(memory, 0, scale->n * sizeof(float));
    if (rc == 0)
        rc = mlo_out_new(c, 0, t, a->dims, a->rank, &out, err);
    if (rc == 0 && out && halves)
        rc = mlo_scratch(c, a->n, 1, &memory, err);
    if (rc != 0 || !out || a->n == 0)
        return rc;
    (void)mlo_whole_range(t, &low, &high);
    p.low = (float)low;
    p.high = (float)high;
    p.y = halves ? memory : out->data;
    quantize_runs(a, &grid, p);
    if (halves)
        pack_nibbles(memory, a->n, out->data);
    return 0;
}

static int quantize_any(struct mlo_op_call *c, enum mlo_dtype t, struct mlo_err *err)
{
    struct quantizing q = {0};
    struct mlo_array *out, from;
    double least = 0, most = 0;
    int rc = read_quantizing(c, &q, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, t, q.a->dims, q.a->rank, &out, err);
    if (rc != 0 || !out)
        return rc;
    bool whole = mlo_whole_range(t, &least, &most);
    for (size_t i = 0; i < q.a->n; i++) {
        size_t at = scale_of(&q.grid, i);
        double v = (double)((float)q.v[i] / (float)q.scales[at]), zero = q.zeros ? q.zeros[at] : 0;
        q.v[i] = whole ? into_range(rint(v) + zero, least, most) : v + zero;
    }
    from = *q.a;
    from.dtype = MLO_DT_F64;
    from.data = q.v;
    return mlo_cast_small(&from, out, mlo_attr_int(c->node, "saturate", 1) != 0, err);
}

static int run_quantize(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_array *a, *scale, *zero = mlo_in(c, 2);
    enum mlo_dtype t = MLO_DT_UNKNOWN;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = mlo_in_array(c, 1, &scale, err);
    if (rc == 0)
        rc = quantized_type(c, zero, &t, err);
    if (rc != 0)
        return rc;
    bool small = t == MLO_DT_U8 || t == MLO_DT_I8 || t == MLO_DT_U4 || t == MLO_DT_I4;
    return small && a->dtype == MLO_DT_F32 && scale->dtype == MLO_DT_F32
               ? quantize_floats(c, a, scale, t, err)
               : quantize_any(c, t, err);
}

/* ---- DequantizeLinear ---- */

static void dequantize_bytes(const struct mlo_array *a, float scale, int32_t zero, float *y)
{
    const uint8_t *u = a->data;
    const int8_t *s = a->data;
    if (a->dtype == MLO_DT_U8)
        for (size_t i = 0; i < a->n; i++)
            y[i] = (float)(u[i] - zero) * scale;
    else
        for (size_t i = 0; i < a->n; i++)
            y[i] = (float)(s[i] - zero) * scale;
}

static int dequantize_any(struct mlo_op_call *c, struct mlo_err *err)
{
    int64_t said = mlo_attr_int(c->node, "output_dtype", 0);
    struct quantizing q = {0};
    struct mlo_array *out;
    int rc = read_quantizing(c, &q, err);
    if (rc == 0 && q.zero && q.zero->dtype != q.a->dtype)
        rc = mlo_op_refuse(c, err, "a zero point of another type");
    if (rc == 0)
        rc = mlo_out_new(c, 0, said ? mlo_onnx_type_of((uint64_t)said) : q.scale->dtype, q.a->dims, q.a->rank,
                         &out, err);
    if (rc != 0 || !out)
        return rc;
    for (size_t i = 0; i < q.a->n; i++) {
        size_t at = scale_of(&q.grid, i);
        q.v[i] = (q.v[i] - (q.zeros ? q.zeros[at] : 0)) * q.scales[at];
    }
    return mlo_from_doubles(q.v, out, err);
}

static int run_dequantize(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_array *a, *scale, *zero = mlo_in(c, 2);
    int64_t said = mlo_attr_int(c->node, "output_dtype", 0);
    struct mlo_array *out;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = mlo_in_array(c, 1, &scale, err);
    if (rc != 0)
        return rc;
    if (!is_plain(a, scale, zero, mlo_attr_int(c->node, "block_size", 0)) ||
        (said && mlo_onnx_type_of((uint64_t)said) != MLO_DT_F32))
        return dequantize_any(c, err);
    rc = mlo_out_new(c, 0, MLO_DT_F32, a->dims, a->rank, &out, err);
    if (rc == 0 && out)
        dequantize_bytes(a, *(const float *)scale->data, zero_of(zero), out->data);
    return rc;
}

/* ---- DynamicQuantizeLinear ---- */

struct range {
    float least, most; /* 0 among them */
};
struct scale {
    float scale, zero;
};

/* All rows have one scale, or, packed, those of each sequence. */
struct dynamic {
    const float *x;
    size_t rows, columns, n; /* n: scales */
    const struct mlo_packed *packed;
    size_t parts;
    struct range *ranges; /* of each part, for each scale */
    struct scale *found;
    uint8_t *y; /* NULL: nobody wants it, nor these */
    float *scales;
    uint8_t *zeros;
};

/* Rows of the part that have scale i: *ret_from, and how many. */
static size_t rows_of(const struct dynamic *q, size_t i, size_t part, size_t parts, size_t *ret_from)
{
    size_t from = mlo_part_begin(q->rows, part, parts), to = mlo_part_begin(q->rows, part + 1, parts);
    size_t begin = q->packed ? q->packed->first[i] : 0, end = q->packed ? q->packed->first[i + 1] : q->rows;
    from = from < begin ? begin : from;
    to = to < end ? to : end;
    *ret_from = from;
    return from < to ? to - from : 0;
}

static void find_ranges(void *ctx, size_t part, size_t parts)
{
    const struct dynamic *q = ctx;
    for (size_t i = 0; i < q->n; i++) {
        struct range *r = &q->ranges[part * q->n + i];
        size_t from, n = rows_of(q, i, part, parts, &from);
        mlo_extremes_f32(q->x + from * q->columns, n * q->columns, &r->least, &r->most);
        if (parts < q->parts) /* one does all */
            for (size_t other = 1; other < q->parts; other++)
                q->ranges[other * q->n + i] = *r;
    }
}

/* Scale and zero point so that uint8 spans all values and 0 is one of its numbers. */
static void find_scales(void *ctx, size_t part, size_t parts)
{
    const struct dynamic *q = ctx;
    (void)part;
    (void)parts;
    for (size_t i = 0; i < q->n; i++) {
        struct range all = q->ranges[i];
        for (size_t other = 1; other < q->parts; other++) {
            const struct range *r = &q->ranges[other * q->n + i];
            all.least = r->least < all.least ? r->least : all.least;
            all.most = r->most > all.most ? r->most : all.most;
        }
        float scale = (all.most - all.least) / 255;
        struct scale *s = &q->found[i];
        s->scale = scale == 0 ? 1 : scale;
        s->zero = rintf((float)into_range((double)(-all.least / s->scale), 0, 255));
        if (q->scales)
            q->scales[i] = s->scale;
        if (q->zeros)
            q->zeros[i] = (uint8_t)s->zero;
    }
}

static void quantize_part(void *ctx, size_t part, size_t parts)
{
    const struct dynamic *q = ctx;
    for (size_t i = 0; q->y && i < q->n; i++) {
        const struct scale *s = &q->found[i];
        size_t from, n = rows_of(q, i, part, parts, &from) * q->columns;
        from *= q->columns;
        mlo_quantize_f32(
            &(const struct mlo_quantize){q->x + from, q->y + from, n, &s->scale, &s->zero, false, 0, 255});
    }
}

#define RANGE_FLOPS    2 /* of a number */
#define QUANTIZE_FLOPS 4

static int share_quantizing(struct mlo_op_call *c, struct dynamic *q, struct mlo_err *err)
{
    uint64_t n = (uint64_t)q->rows * q->columns;
    void *ranges, *found;
    q->parts = mlo_op_threads(c);
    int rc = mlo_scratch(c, q->parts * q->n, sizeof *q->ranges, &ranges, err);
    if (rc == 0)
        rc = mlo_scratch(c, q->n, sizeof *q->found, &found, err);
    if (rc != 0)
        return rc;
    q->ranges = ranges;
    q->found = found;
    const struct mlo_share steps[] = {
        {.fn = find_ranges, .flops = RANGE_FLOPS * n, .rows = q->rows},
        {.fn = find_scales},
        {.fn = quantize_part, .flops = QUANTIZE_FLOPS * n, .rows = q->rows},
    };
    for (size_t i = 0; i < MLO_COUNT(steps); i++)
        mlo_op_share(c, &steps[i], q, sizeof *q);
    return 0;
}

static int run_dynamic(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_packed *packed = c->session->packed;
    const struct mlo_array *a;
    struct mlo_array *out[3];
    const int64_t n = packed ? (int64_t)packed->n : 1;
    int rc = mlo_in_typed(c, 0, MLO_DT_F32, &a, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, MLO_DT_U8, a->dims, a->rank, &out[0], err);
    if (rc == 0)
        rc = mlo_out_new(c, 1, MLO_DT_F32, &n, packed != NULL, &out[1], err);
    if (rc == 0)
        rc = mlo_out_new(c, 2, MLO_DT_U8, &n, packed != NULL, &out[2], err);
    if (rc != 0)
        return rc;
    size_t rows = packed                ? packed->first[packed->n]
                  : a->rank && a->n > 0 ? a->n / (size_t)a->dims[a->rank - 1]
                                        : 1;
    struct dynamic q = {.x = a->data,
                        .rows = rows,
                        .columns = a->n / rows,
                        .n = (size_t)n,
                        .packed = packed,
                        .y = out[0] ? out[0]->data : NULL,
                        .scales = out[1] ? out[1]->data : NULL,
                        .zeros = out[2] ? out[2]->data : NULL};
    return share_quantizing(c, &q, err);
}

/* ---- products ---- */

/* One number for each row of a matrix: a column of them. */
static struct mlo_array by_rows(const struct mlo_array *a, unsigned rank)
{
    struct mlo_array column = *a;
    if (a->rank == 1 && a->n > 1 && rank > 1) {
        column.rank = 2;
        column.dims[1] = 1;
    }
    return column;
}

int mlo_in_centred(struct mlo_op_call *c, size_t i, size_t zero_i, bool rows, struct mlo_array *ret,
                   struct mlo_err *err)
{
    const struct mlo_array *a, *zero = mlo_in(c, zero_i);
    double *v, *zeros = NULL;
    int rc = mlo_in_array(c, i, &a, err);
    if (rc == 0 && zero && zero->dtype != a->dtype)
        rc = mlo_op_refuse(c, err, "a zero point of another type");
    if (rc == 0)
        rc = mlo_as_doubles(c, a, &v, err);
    if (rc == 0 && zero) {
        struct mlo_array placed = rows ? by_rows(zero, a->rank) : *zero;
        rc = mlo_spread_doubles(c, &placed, a, &zeros, err);
    }
    if (rc != 0)
        return rc;
    for (size_t k = 0; zeros && k < a->n; k++)
        v[k] -= zeros[k];
    *ret = *a;
    ret->dtype = MLO_DT_F64;
    ret->data = v;
    return 0;
}

/* Doubles hold sums of products of bytes exactly. */
static int exact_product(struct mlo_op_call *c, const struct mlo_array *a, const struct mlo_array *b,
                         struct mlo_array *ret, struct mlo_err *err)
{
    double *v;
    int rc = mlo_product_shape(c, a, b, ret, err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, ret->n, &v, err);
    if (rc != 0)
        return rc;
    ret->data = v;
    return mlo_product(c, a, b, ret, err);
}

static int exact_matmul_integer(struct mlo_op_call *c, struct mlo_err *err)
{
    struct mlo_array a, b, product, *out;
    int rc = mlo_in_centred(c, 0, 2, true, &a, err);
    if (rc == 0)
        rc = mlo_in_centred(c, 1, 3, false, &b, err);
    if (rc == 0)
        rc = exact_product(c, &a, &b, &product, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, MLO_DT_I32, product.dims, product.rank, &out, err);
    return rc == 0 && out ? mlo_from_doubles(product.data, out, err) : rc;
}

/* Constant weights are packed for the kernels, unless their zero point is made while running. */
static int prepare_matmul_integer(const struct mlo_op_prepare *p, void **ret, struct mlo_err *err)
{
    const struct mlo_array *w = p->constant[1], *zero = p->n_in > 3 ? p->constant[3] : NULL;
    struct mlo_int8_weights *made = NULL;
    int rc = mlo_int8_fits(w, zero, false) && (p->n_in < 4 || zero || p->node->inputs[3] == MLO_NO_VALUE)
                 ? mlo_int8_weights_new(w, zero, false, p->memory, &made, err)
                 : 0;
    *ret = made;
    return rc;
}

static int run_matmul_integer(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_int8_weights *w = c->state;
    struct mlo_int8_left left;
    struct mlo_array *out;
    bool good = false;
    int rc = w ? mlo_int8_take_left(c, 0, 2, w->k, &left, &good, err) : 0;
    if (rc != 0 || !good)
        return rc != 0 ? rc : exact_matmul_integer(c, err);
    left.dims[left.rank - 1] = (int64_t)w->n;
    rc = mlo_out_new(c, 0, MLO_DT_I32, left.dims, left.rank, &out, err);
    if (rc != 0 || !out)
        return rc;
    struct mlo_int8_product p = mlo_int8_product_of(w, &left);
    p.c = out->data;
    mlo_int8_run(c, &p);
    return 0;
}

static int in_spread(struct mlo_op_call *c, size_t i, bool rows, const struct mlo_array *like, double **ret,
                     struct mlo_err *err)
{
    const struct mlo_array *a;
    int rc = mlo_in_array(c, i, &a, err);
    if (rc != 0)
        return rc;
    struct mlo_array placed = rows ? by_rows(a, like->rank) : *a;
    return mlo_spread_doubles(c, &placed, like, ret, err);
}

static int out_requantized(struct mlo_op_call *c, const struct mlo_array *sums, const double *a_scale,
                           const double *b_scale, const double *y_scale, const double *y_zero,
                           enum mlo_dtype t, struct mlo_err *err)
{
    double least, most, *v = sums->data;
    struct mlo_array *out;
    if (!mlo_whole_range(t, &least, &most))
        return mlo_op_refuse(c, err, "not to %s", mlo_dtype_name(t));
    int rc = mlo_out_new(c, 0, t, sums->dims, sums->rank, &out, err);
    if (rc != 0 || !out)
        return rc;
    for (size_t i = 0; i < sums->n; i++) {
        float scale = (float)a_scale[i] * (float)b_scale[i] / (float)y_scale[i];
        v[i] = into_range((double)rintf((float)v[i] * scale) + y_zero[i], least, most);
    }
    return mlo_from_doubles(v, out, err);
}

static int exact_qlinear_matmul(struct mlo_op_call *c, struct mlo_err *err)
{
    double *a_scale, *b_scale, *y_scale, *y_zero;
    struct mlo_array a, b, product;
    int rc = mlo_in_centred(c, 0, 2, true, &a, err);
    if (rc == 0)
        rc = mlo_in_centred(c, 3, 5, false, &b, err);
    if (rc == 0)
        rc = exact_product(c, &a, &b, &product, err);
    if (rc == 0)
        rc = in_spread(c, 1, true, &product, &a_scale, err);
    if (rc == 0)
        rc = in_spread(c, 4, false, &product, &b_scale, err);
    if (rc == 0)
        rc = in_spread(c, 6, true, &product, &y_scale, err);
    if (rc == 0)
        rc = in_spread(c, 7, true, &product, &y_zero, err);
    return rc == 0 ? out_requantized(c, &product, a_scale, b_scale, y_scale, y_zero, mlo_in(c, 7)->dtype, err)
                   : rc;
}

/* Weights and their scales, when all of these are constant: the others are looked at in each run. */
static int prepare_qlinear_matmul(const struct mlo_op_prepare *p, void **ret, struct mlo_err *err)
{
    const struct mlo_array *w = p->n_in > 7 ? p->constant[3] : NULL, *scale = w ? p->constant[4] : NULL,
                           *zero = scale ? p->constant[5] : NULL;
    struct mlo_int8_weights *made = NULL;
    if (!zero || !mlo_int8_fits(w, zero, false) || scale->dtype != MLO_DT_F32 || scale->rank > 1 ||
        (scale->n != 1 && scale->n != (size_t)w->dims[1]))
        return 0;
    int rc = mlo_int8_weights_new(w, zero, false, p->memory, &made, err);
    if (rc == 0)
        made->scales = mlo_calloc(made->n, sizeof *made->scales, err);
    if (rc == 0 && !made->scales)
        rc = err->code;
    for (size_t i = 0; rc == 0 && i < made->n; i++)
        made->scales[i] = ((const float *)scale->data)[scale->n > 1 ? i : 0];
    if (rc != 0)
        mlo_int8_weights_free(made);
    else
        *ret = made;
    return rc;
}

/* Numbers that are rounded to the nearest whole one, halves to the even one, below 2^22. */
#define ROUNDER 0x1.8p23F
#define BEYOND  1024.0F /* no byte and zero point reach it */

/* A row of sums to bytes, as out_requantized does: they are scaled as floats. to: 128 more for signed ones.
 */
static void requantize_row(const int32_t *sums, const float *scales, size_t n, int32_t zero, uint8_t *to)
{
    for (size_t i = 0; i < n; i++) {
        float v = (float)sums[i] * scales[i];
        v = v > -BEYOND ? v : -BEYOND;
        v = v < BEYOND ? v : BEYOND;
        int32_t whole = (int32_t)(v + ROUNDER - ROUNDER) + zero;
        to[i] = (uint8_t)(whole < 0 ? 0 : whole > 255 ? 255 : whole);
    }
}

static bool is_one(const struct mlo_array *a, enum mlo_dtype t)
{
    return a && a->n == 1 && a->dtype == t;
}

/* What the kernels cannot take is computed as exactly, in doubles. */
static int run_qlinear_matmul(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_int8_weights *w = c->state;
    const struct mlo_array *a_scale = mlo_in(c, 1), *y_scale = mlo_in(c, 6), *y_zero = mlo_in(c, 7);
    struct mlo_int8_left left;
    struct mlo_array *out;
    bool good = w && is_one(a_scale, MLO_DT_F32) && is_one(y_scale, MLO_DT_F32) &&
                (is_one(y_zero, MLO_DT_U8) || is_one(y_zero, MLO_DT_I8));
    void *sums = NULL, *scales = NULL;
    int rc = good ? mlo_int8_take_left(c, 0, 2, w->k, &left, &good, err) : 0;
    if (rc != 0 || !good)
        return rc != 0 ? rc : exact_qlinear_matmul(c, err);
    left.dims[left.rank - 1] = (int64_t)w->n;
    rc = mlo_scratch(c, left.m * w->n, sizeof(int32_t), &sums, err);
    if (rc == 0)
        rc = mlo_scratch(c, w->n, sizeof(float), &scales, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, y_zero->dtype, left.dims, left.rank, &out, err);
    if (rc != 0 || !out)
        return rc;
    struct mlo_int8_product p = mlo_int8_product_of(w, &left);
    p.c = sums;
    mlo_int8_run(c, &p);
    uint8_t *y = out->data, flip = y_zero->dtype == MLO_DT_I8 ? 0x80 : 0;
    for (size_t j = 0; j < w->n; j++)
        ((float *)scales)[j] = *(const float *)a_scale->data * w->scales[j] / *(const float *)y_scale->data;
    for (size_t i = 0; i < left.m; i++)
        requantize_row((const int32_t *)sums + i * w->n, scales, w->n, zero_of(y_zero) + flip, y + i * w->n);
    for (size_t i = 0; flip && i < out->n; i++)
        y[i] ^= flip;
    return 0;
}

static const struct mlo_op ops[] = {
    {.name = "QuantizeLinear", .since = 10, .run = run_quantize},
    {.name = "DequantizeLinear", .since = 10, .run = run_dequantize},
    {.name = "DynamicQuantizeLinear", .since = 11, .run = run_dynamic, .puts_off = true},
    {.name = "MatMulInteger",
     .since = 10,
     .run = run_matmul_integer,
     .prepare = prepare_matmul_integer,
     .release = mlo_int8_weights_free},
    {.name = "QLinearMatMul",
     .since = 10,
     .run = run_qlinear_matmul,
     .prepare = prepare_qlinear_matmul,
     .release = mlo_int8_weights_free},
};
const struct mlo_op_family mlo_ops_quant = {"", ops, MLO_COUNT(ops)};

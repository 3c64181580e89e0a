/*
 * Values between the positions of an image: GridSample, AffineGrid (which makes its grids), RoiAlign and
 * DeformConv. A point becomes a few taps along each spatial axis, the same for all channels. Values are
 * summed as doubles; GridSample's coordinates are floats, as in ONNX Runtime, so that ties fall the same way.
 */
#include <math.h>
#include <string.h>

#include <mlopsctl/backend.h>

#include "op.h"

#define SPATIAL_MAX 3         /* axes besides batch and channels */
#define TAPS_MAX    4         /* of a cubic */
#define BIN_MAX     (1 << 12) /* points of a bin of RoiAlign along one axis */

enum outside { ZEROS, BORDER, REFLECTION };
enum method { LINEAR, NEAREST, CUBIC };

/* Where a point takes its value from: taps along each axis, -1 where there is nothing. */
struct point {
    unsigned rank, taps;
    int64_t at[SPATIAL_MAX][TAPS_MAX];
    double weight[SPATIAL_MAX][TAPS_MAX];
};

static double value_at(const struct point *p, const int64_t *dims, const double *channel)
{
    unsigned tap[SPATIAL_MAX] = {0};
    double sum = 0;
    for (;;) {
        double weight = 1;
        int64_t place = 0;
        for (unsigned d = 0; d < p->rank; d++) {
            int64_t at = p->at[d][tap[d]];
            weight = at < 0 ? 0 : weight * p->weight[d][tap[d]];
            place = place * dims[d] + (at < 0 ? 0 : at);
        }
        sum += weight != 0 ? weight * channel[place] : 0;
        unsigned d = p->rank;
        while (d > 0 && ++tap[d - 1] == p->taps)
            tap[--d] = 0;
        if (d == 0)
            return sum;
    }
}

/* Two taps around each coordinate; nothing outside. */
static void linear_point(struct point *p, const double *x, const int64_t *dims, unsigned rank)
{
    *p = (struct point){.rank = rank, .taps = 2};
    for (unsigned d = 0; d < rank; d++) {
        double low = floor(x[d]);
        for (unsigned k = 0; k < 2; k++) {
            double at = low + k;
            p->at[d][k] = at >= 0 && at < (double)dims[d] ? (int64_t)at : -1;
            p->weight[d][k] = k ? x[d] - low : 1 - (x[d] - low);
        }
    }
}

/* ---- GridSample ---- */

struct grid_sample {
    const struct mlo_array *a, *grid;
    unsigned rank; /* spatial axes */
    size_t batch, channels, n_in, points;
    const float *coordinates;
    double *v;
    enum method method;
    enum outside outside;
    bool corners;
};

static int read_grid_words(const struct mlo_op_call *c, struct grid_sample *s, struct mlo_err *err)
{
    static const struct {
        const char *word;
        enum method method;
    } modes[] = {{"", LINEAR},         {"linear", LINEAR}, {"bilinear", LINEAR},
                 {"nearest", NEAREST}, {"cubic", CUBIC},   {"bicubic", CUBIC}};
    static const char *const paddings[] = {"zeros", "border", "reflection"};
    size_t i = 0, k = 0;
    while (i < MLO_COUNT(modes) && !mlo_attr_is(c->node, "mode", modes[i].word))
        i++;
    while (k < MLO_COUNT(paddings) && !mlo_attr_is(c->node, "padding_mode", paddings[k]))
        k++;
    if (k == MLO_COUNT(paddings) && mlo_attr_is(c->node, "padding_mode", ""))
        k = ZEROS;
    if (i == MLO_COUNT(modes) || k == MLO_COUNT(paddings))
        return mlo_op_refuse(c, err, "mode or padding_mode is not known");
    s->method = modes[i].method;
    s->outside = (enum outside)k;
    s->corners = mlo_attr_int(c->node, "align_corners", 0) != 0;
    return 0;
}

static int read_grid(struct mlo_op_call *c, struct grid_sample *s, struct mlo_err *err)
{
    const void *coordinates = NULL;
    int rc = mlo_in_array(c, 0, &s->a, err);
    if (rc == 0)
        rc = mlo_in_array(c, 1, &s->grid, err);
    if (rc == 0)
        rc = read_grid_words(c, s, err);
    if (rc != 0)
        return rc;
    const struct mlo_array *a = s->a, *g = s->grid;
    if (a->rank < 3 || a->rank != g->rank || a->dims[0] != g->dims[0] || g->dims[g->rank - 1] + 2 != a->rank)
        return mlo_op_refuse(c, err, "a grid that does not fit");
    s->rank = a->rank - 2;
    if (s->rank > SPATIAL_MAX)
        return mlo_fail(err, MLO_EUNAVAIL, "%u spatial axes are not supported", s->rank);
    s->batch = (size_t)a->dims[0];
    s->channels = (size_t)a->dims[1];
    s->n_in = a->n ? a->n / s->batch / s->channels : 0;
    s->points = g->n ? g->n / s->batch / s->rank : 0;
    rc = mlo_as_type(c, g, MLO_DT_F32, &coordinates, err);
    s->coordinates = coordinates;
    return rc == 0 ? mlo_as_doubles(c, a, &s->v, err) : rc;
}

/* -1 and 1 are the outer pixels' centres (corners), or the image's edges. */
static float pixel(const struct grid_sample *s, float x, float n)
{
    return s->corners ? (x + 1) / 2 * (n - 1) : ((x + 1) * n - 1) / 2;
}

/* Thrown back at both ends till it lies between them. */
static float reflected(const struct grid_sample *s, float x, float n)
{
    float least = s->corners ? 0 : -0.5F, range = s->corners ? n - 1 : n;
    if (range <= 0)
        return 0;
    float over = fmodf(fabsf(x - least), 2 * range);
    return least + (over > range ? 2 * range - over : over);
}

static float settled(const struct grid_sample *s, float x, float n)
{
    float least = s->corners ? 0 : -0.5F, most = s->corners ? n - 1 : n - 0.5F;
    if (s->method == NEAREST)
        x = rintf(x);
    if (isnan(x) || (x >= least && x <= most) || s->outside == ZEROS ||
        (s->outside == BORDER && s->method == CUBIC))
        return x;
    return s->outside == BORDER ? fminf(fmaxf(x, 0), n - 1) : isinf(x) ? 0 : reflected(s, x, n);
}

/* The tap at a whole position, which may lie outside. */
static int64_t tap_at(const struct grid_sample *s, double x, int64_t n)
{
    if (x >= 0 && x < (double)n)
        return (int64_t)x;
    if (s->outside == ZEROS || isnan(x))
        return -1;
    float at = s->outside == BORDER ? (x < 0 ? 0 : (float)(n - 1)) : reflected(s, (float)x, (float)n);
    return at <= 0 ? 0 : at >= (float)n ? n - 1 : (int64_t)at;
}

/* Weights of the four positions around a point that lies t behind the second (Keys, a = -0.75). */
static void cubic_weights(double t, double w[TAPS_MAX])
{
    const double a = -0.75, u = 1 - t;
    w[0] = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a;
    w[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
    w[2] = ((a + 2) * u - (a + 3)) * u * u + 1;
    w[3] = ((a * (u + 1) - 5 * a) * (u + 1) + 8 * a) * (u + 1) - 4 * a;
}

/* The grid names the last axis first. */
static void grid_point(const struct grid_sample *s, const float *coordinates, struct point *p)
{
    *p = (struct point){.rank = s->rank, .taps = s->method == CUBIC ? 4 : s->method == LINEAR ? 2 : 1};
    for (unsigned d = 0; d < s->rank; d++) {
        int64_t n = s->a->dims[d + 2];
        double x = (double)settled(s, pixel(s, coordinates[s->rank - 1 - d], (float)n), (float)n);
        double low = floor(x), rest = x - low;
        for (unsigned k = 0; k < p->taps; k++)
            p->at[d][k] = tap_at(s, low + k - (s->method == CUBIC), n);
        if (s->method == CUBIC)
            cubic_weights(rest, p->weight[d]);
        else
            p->weight[d][0] = s->method == LINEAR ? 1 - rest : 1;
        if (s->method == LINEAR)
            p->weight[d][1] = rest;
    }
}

static int run_grid_sample(struct mlo_op_call *c, struct mlo_err *err)
{
    struct grid_sample s = {0};
    int64_t dims[MLO_RANK_MAX];
    struct mlo_array *out;
    double *y;
    int rc = read_grid(c, &s, err);
    if (rc != 0)
        return rc;
    memcpy(dims, s.grid->dims, sizeof dims);
    memmove(dims + 2, s.grid->dims + 1, s.rank * sizeof *dims);
    dims[1] = s.a->dims[1];
    rc = mlo_out_new(c, 0, s.a->dtype, dims, s.a->rank, &out, err);
    if (rc != 0 || !out || out->n == 0)
        return rc;
    if (s.n_in == 0)
        return mlo_op_refuse(c, err, "nothing to take values from");
    rc = mlo_scratch_doubles(c, out->n, &y, err);
    for (size_t i = 0; rc == 0 && i < s.batch * s.points; i++) {
        struct point p;
        size_t batch = i / s.points;
        grid_point(&s, s.coordinates + i * s.rank, &p);
        for (size_t ch = batch * s.channels; ch < (batch + 1) * s.channels; ch++)
            y[ch * s.points + i % s.points] = value_at(&p, &s.a->dims[2], s.v + ch * s.n_in);
    }
    return rc == 0 ? mlo_from_doubles(y, out, err) : rc;
}

/* ---- AffineGrid ---- */

/* Position i of n between -1 and 1: centres of the outer pixels (corners), or edges of the image. */
static double spot(int64_t i, int64_t n, bool corners)
{
    if (!corners)
        return (double)(2 * i + 1) / (double)n - 1;
    return n > 1 ? -1 + 2 * (double)i / (double)(n - 1) : 0;
}

static int run_affine_grid(struct mlo_op_call *c, struct mlo_err *err)
{
    bool corners = mlo_attr_int(c->node, "align_corners", 0) != 0;
    const struct mlo_array *theta;
    int64_t size[MLO_SMALL_LIST], dims[SPATIAL_MAX + 2];
    struct mlo_array *out;
    double *t, *y;
    size_t n;
    int rc = mlo_in_array(c, 0, &theta, err);
    if (rc == 0)
        rc = mlo_in_ints(c, 1, size, &n, err);
    if (rc != 0)
        return rc;
    unsigned rank = n == 5 ? 3 : 2;
    if ((n != 4 && n != 5) || theta->rank != 3 || theta->dims[0] != size[0] || theta->dims[1] != rank ||
        theta->dims[2] != rank + 1)
        return mlo_op_refuse(c, err, "theta and size do not fit");
    dims[0] = size[0];
    memcpy(dims + 1, size + 2, rank * sizeof *dims);
    dims[rank + 1] = rank;
    rc = mlo_out_new(c, 0, theta->dtype, dims, rank + 2, &out, err);
    if (rc == 0)
        rc = mlo_as_doubles(c, theta, &t, err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, out ? out->n : 0, &y, err);
    if (rc != 0 || !out || out->n == 0)
        return rc;
    for (size_t i = 0; i < out->n; i++) {
        size_t left = i / rank; /* the point; its first coordinate is that of the last axis */
        double at[SPATIAL_MAX + 1];
        for (unsigned d = 0; d < rank; left /= (size_t)dims[rank - d], d++)
            at[d] = spot((int64_t)(left % (size_t)dims[rank - d]), dims[rank - d], corners);
        const double *row = t + (left * rank + i % rank) * (rank + 1);
        y[i] = row[rank];
        for (unsigned d = 0; d < rank; d++)
            y[i] += row[d] * at[d];
    }
    return mlo_from_doubles(y, out, err);
}

/* ---- RoiAlign ---- */

struct roi_align {
    const struct mlo_array *a;
    size_t n, channels;
    int64_t height, width; /* of the output */
    double *v, *rois;
    const int64_t *batch;
    double scale, half;
    int64_t ratio;
    bool greatest;
};
struct bins { /* of one region along one axis */
    double start, size;
    int64_t points;
};

static int read_rois(struct mlo_op_call *c, struct roi_align *r, struct mlo_err *err)
{
    const struct mlo_array *rois, *batch;
    const void *list = NULL;
    bool half = mlo_attr_is(c->node, "coordinate_transformation_mode", "half_pixel"),
         usual = mlo_attr_is(c->node, "coordinate_transformation_mode", "");
    int rc = mlo_in_array(c, 0, &r->a, err);
    if (rc == 0)
        rc = mlo_in_array(c, 1, &rois, err);
    if (rc == 0)
        rc = mlo_in_array(c, 2, &batch, err);
    if (rc != 0)
        return rc;
    r->height = mlo_attr_int(c->node, "output_height", 1);
    r->width = mlo_attr_int(c->node, "output_width", 1);
    r->ratio = mlo_attr_int(c->node, "sampling_ratio", 0);
    r->scale = (double)mlo_attr_float(c->node, "spatial_scale", 1);
    r->half = half || (usual && c->node->version >= 16) ? 0.5 : 0;
    r->greatest = mlo_attr_is(c->node, "mode", "max");
    if (r->a->rank != 4 || rois->rank != 2 || rois->dims[1] != 4 || batch->n != (size_t)rois->dims[0] ||
        r->a->n == 0 || r->height < 1 || r->width < 1 || r->ratio < 0 || r->ratio > BIN_MAX)
        return mlo_op_refuse(c, err, "regions that do not fit");
    r->n = batch->n;
    r->channels = (size_t)r->a->dims[1];
    rc = mlo_as_doubles(c, r->a, &r->v, err);
    if (rc == 0)
        rc = mlo_as_doubles(c, rois, &r->rois, err);
    if (rc == 0)
        rc = mlo_as_type(c, batch, MLO_DT_I64, &list, err);
    r->batch = list;
    for (size_t i = 0; rc == 0 && i < r->n; i++)
        if (r->batch[i] < 0 || r->batch[i] >= r->a->dims[0])
            rc = mlo_op_refuse(c, err, "region %zu of no image", i);
    return rc;
}

static int read_bins(const struct mlo_op_call *c, const struct roi_align *r, size_t roi, unsigned axis,
                     struct bins *b, struct mlo_err *err)
{
    const double *corner = r->rois + roi * 4; /* x, y, x, y */
    double from = corner[1 - axis] * r->scale - r->half, to = corner[3 - axis] * r->scale - r->half;
    int64_t n = axis == 0 ? r->height : r->width;
    double length = r->half > 0 ? to - from : fmax(to - from, 1); /* before half pixels: at least one */
    double points = r->ratio > 0 ? (double)r->ratio : ceil(length / (double)n);
    if (!(fabs(from) < 0x1p31) || !(points <= BIN_MAX))
        return mlo_op_refuse(c, err, "region %zu is too large", roi);
    *b = (struct bins){from, length / (double)n, points > 0 ? (int64_t)points : 0};
    return 0;
}

/* Inside up to one pixel beyond the image, where the edge counts; else nothing. */
static bool roi_point(const struct roi_align *r, const struct bins b[2], const int64_t bin[2],
                      const int64_t sub[2], struct point *p)
{
    double x[2];
    for (unsigned d = 0; d < 2; d++) {
        double most = (double)r->a->dims[d + 2];
        x[d] = b[d].start + ((double)bin[d] + ((double)sub[d] + 0.5) / (double)b[d].points) * b[d].size;
        if (!(x[d] >= -1 && x[d] <= most))
            return false;
        x[d] = fmin(fmax(x[d], 0), most - 1);
    }
    linear_point(p, x, &r->a->dims[2], 2);
    return true;
}

/* The greatest of the four weighted pixels, not of their sum: as the reference and ONNX Runtime have it. */
static double greatest_tap(const struct point *p, const int64_t *dims, const double *channel)
{
    double most = -INFINITY;
    for (unsigned k = 0; k < 4; k++) {
        int64_t row = p->at[0][k / 2], column = p->at[1][k % 2];
        double w = p->weight[0][k / 2] * p->weight[1][k % 2];
        most = fmax(most, row < 0 || column < 0 ? 0 : w * channel[row * dims[1] + column]);
    }
    return most;
}

static double bin_value(const struct roi_align *r, const struct bins b[2], const int64_t bin[2],
                        const double *channel)
{
    double sum = 0, most = 0;
    bool any = false;
    for (int64_t y = 0; y < b[0].points; y++)
        for (int64_t x = 0; x < b[1].points; x++) {
            struct point p;
            bool there = roi_point(r, b, bin, (const int64_t[2]){y, x}, &p);
            double v = !there        ? 0
                       : r->greatest ? greatest_tap(&p, &r->a->dims[2], channel)
                                     : value_at(&p, &r->a->dims[2], channel);
            most = any ? fmax(most, v) : v;
            sum += v;
            any = true;
        }
    return r->greatest ? most : any ? sum / (double)(b[0].points * b[1].points) : 0;
}

static int run_roi_align(struct mlo_op_call *c, struct mlo_err *err)
{
    struct roi_align r = {0};
    struct mlo_array *out;
    double *y;
    int rc = read_rois(c, &r, err);
    if (rc != 0)
        return rc;
    const int64_t dims[4] = {(int64_t)r.n, r.a->dims[1], r.height, r.width};
    size_t size = (size_t)(r.a->dims[2] * r.a->dims[3]), each = (size_t)(r.height * r.width);
    rc = mlo_out_new(c, 0, r.a->dtype, dims, 4, &out, err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, out ? out->n : 0, &y, err);
    for (size_t i = 0; rc == 0 && out && i < r.n; i++) {
        struct bins b[2];
        rc = read_bins(c, &r, i, 0, &b[0], err);
        if (rc == 0)
            rc = read_bins(c, &r, i, 1, &b[1], err);
        for (size_t k = 0; rc == 0 && k < r.channels * each; k++) {
            const int64_t at = (int64_t)(k % each), bin[2] = {at / r.width, at % r.width};
            y[i * r.channels * each + k] = bin_value(
                &r, b, bin, r.v + ((size_t)r.batch[i] * r.channels + k / each) * size);
        }
    }
    return rc == 0 && out ? mlo_from_doubles(y, out, err) : rc;
}

/* ---- DeformConv: a convolution whose taps are moved by an input ---- */

struct deform {
    const struct mlo_array *x, *k, *offset;
    unsigned rank;
    size_t batch, groups, in_each, out_each, shift_groups, taps, positions, n_in;
    int64_t step[SPATIAL_MAX], spread[SPATIAL_MAX], before[SPATIAL_MAX];
    double *v, *weights, *shifts, *mask, *bias; /* mask, bias: NULL: none */
    double *columns;                            /* [channel of the group and tap][position] */
};

static int read_steps(const struct mlo_op_call *c, struct deform *f, struct mlo_err *err)
{
    size_t n_steps, n_spreads, n_pads;
    const int64_t *steps = mlo_attr_ints(c->node, "strides", &n_steps),
                  *spreads = mlo_attr_ints(c->node, "dilations", &n_spreads),
                  *pads = mlo_attr_ints(c->node, "pads", &n_pads);
    if ((steps && n_steps != f->rank) || (spreads && n_spreads != f->rank) || (pads && n_pads != 2 * f->rank))
        return mlo_op_refuse(c, err, "strides, dilations or pads do not fit");
    for (unsigned d = 0; d < f->rank; d++) {
        f->step[d] = steps ? steps[d] : 1;
        f->spread[d] = spreads ? spreads[d] : 1;
        f->before[d] = pads ? pads[d] : 0;
        if (f->step[d] < 1 || f->spread[d] < 1 || f->before[d] < 0 || f->step[d] > INT32_MAX ||
            f->spread[d] > INT32_MAX || f->before[d] > INT32_MAX)
            return mlo_op_refuse(c, err, "a stride, dilation or pad out of range");
    }
    return 0;
}

static int deform_sizes(const struct mlo_op_call *c, struct deform *f, struct mlo_err *err)
{
    const struct mlo_array *x = f->x, *k = f->k, *o = f->offset;
    int64_t groups = mlo_attr_int(c->node, "group", 1), shifts = mlo_attr_int(c->node, "offset_group", 1);
    if (x->rank < 3 || x->rank > SPATIAL_MAX + 2 || k->rank != x->rank || o->rank != x->rank || !x->n ||
        !k->n || !o->n || groups < 1 || shifts < 1 || k->dims[0] % groups != 0 || x->dims[1] % shifts != 0 ||
        x->dims[1] % groups != 0 || k->dims[1] != x->dims[1] / groups || o->dims[0] != x->dims[0])
        return mlo_op_refuse(c, err, "a kernel or offset that does not fit");
    f->rank = x->rank - 2;
    f->batch = (size_t)x->dims[0];
    f->groups = (size_t)groups;
    f->in_each = (size_t)k->dims[1];
    f->out_each = (size_t)(k->dims[0] / groups);
    f->shift_groups = (size_t)shifts;
    f->taps = k->n / (size_t)k->dims[0] / f->in_each;
    f->positions = o->n / f->batch / (size_t)o->dims[1];
    f->n_in = x->n / f->batch / (size_t)x->dims[1];
    if ((size_t)o->dims[1] != f->shift_groups * f->taps * f->rank)
        return mlo_op_refuse(c, err, "an offset for other taps");
    return read_steps(c, f, err);
}

static int read_deform(struct mlo_op_call *c, struct deform *f, struct mlo_err *err)
{
    const struct mlo_array *bias = mlo_in(c, 3), *mask = mlo_in(c, 4);
    size_t n;
    int rc = mlo_in_array(c, 0, &f->x, err);
    if (rc == 0)
        rc = mlo_in_array(c, 1, &f->k, err);
    if (rc == 0)
        rc = mlo_in_array(c, 2, &f->offset, err);
    if (rc == 0)
        rc = deform_sizes(c, f, err);
    if (rc == 0 &&
        ((bias && bias->n != f->groups * f->out_each) || (mask && mask->n * f->rank != f->offset->n)))
        rc = mlo_op_refuse(c, err, "a bias or mask that does not fit");
    if (rc == 0)
        rc = mlo_as_doubles(c, f->x, &f->v, err);
    if (rc == 0)
        rc = mlo_as_doubles(c, f->k, &f->weights, err);
    if (rc == 0)
        rc = mlo_as_doubles(c, f->offset, &f->shifts, err);
    if (rc == 0 && bias)
        rc = mlo_as_doubles(c, bias, &f->bias, err);
    if (rc == 0 && mask)
        rc = mlo_as_doubles(c, mask, &f->mask, err);
    if (rc == 0 && __builtin_mul_overflow(f->in_each * f->taps, f->positions, &n))
        return mlo_fail_nomem(err);
    return rc == 0 ? mlo_scratch_doubles(c, n, &f->columns, err) : rc;
}

/* Index i of a shape by its axes. */
static void unfold(size_t i, const int64_t *dims, unsigned rank, int64_t *ret)
{
    for (unsigned d = rank; d-- > 0; i /= (size_t)dims[d])
        ret[d] = (int64_t)(i % (size_t)dims[d]);
}

/* One tap at one position, of all channels of a group that share the shift. */
static double moved(const struct deform *f, size_t image, size_t channel, size_t tap, size_t position)
{
    size_t shared = f->groups * f->in_each / f->shift_groups;
    size_t shift = (image * f->shift_groups + channel / shared) * f->taps + tap;
    int64_t at[SPATIAL_MAX], k[SPATIAL_MAX];
    double x[SPATIAL_MAX];
    struct point p;
    unfold(position, &f->offset->dims[2], f->rank, at);
    unfold(tap, &f->k->dims[2], f->rank, k);
    for (unsigned d = 0; d < f->rank; d++) {
        x[d] = (double)(at[d] * f->step[d] + k[d] * f->spread[d] - f->before[d]) +
               f->shifts[(shift * f->rank + d) * f->positions + position];
        if (!(x[d] > -1 && x[d] < (double)f->x->dims[d + 2]))
            return 0;
    }
    linear_point(&p, x, &f->x->dims[2], f->rank);
    const double *from = f->v + (image * f->groups * f->in_each + channel) * f->n_in;
    return value_at(&p, &f->x->dims[2], from) * (f->mask ? f->mask[shift * f->positions + position] : 1);
}

static int run_deform_conv(struct mlo_op_call *c, struct mlo_err *err)
{
    struct deform f = {0};
    int64_t dims[MLO_RANK_MAX];
    struct mlo_array *out;
    double *y;
    int rc = read_deform(c, &f, err);
    if (rc != 0)
        return rc;
    memcpy(dims, f.offset->dims, sizeof dims);
    dims[1] = f.k->dims[0];
    rc = mlo_out_new(c, 0, f.x->dtype, dims, f.x->rank, &out, err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, out ? out->n : 0, &y, err);
    if (rc != 0 || !out)
        return rc;
    size_t k = f.in_each * f.taps, each = f.out_each * f.positions;
    for (size_t g = 0; g < f.batch * f.groups; g++) {
        for (size_t i = 0; i < k * f.positions; i++)
            f.columns[i] = moved(&f, g / f.groups, g % f.groups * f.in_each + i / f.positions / f.taps,
                                 i / f.positions % f.taps, i % f.positions);
        struct mlo_matmul p = {.m = f.out_each,
                               .n = f.positions,
                               .k = k,
                               .a = f.weights + g % f.groups * f.out_each * k,
                               .b = f.columns,
                               .c = y + g * each,
                               .a_row = k,
                               .a_col = 1,
                               .b_row = f.positions,
                               .b_col = 1,
                               .c_row = f.positions};
        mlo_matmul_f64(&p);
        for (size_t i = 0; f.bias && i < each; i++)
            y[g * each + i] += f.bias[g % f.groups * f.out_each + i / f.positions];
    }
    return mlo_from_doubles(y, out, err);
}

static const struct mlo_op ops[] = {
    {.name = "GridSample", .since = 16, .run = run_grid_sample},
    {.name = "AffineGrid", .since = 20, .run = run_affine_grid},
    {.name = "RoiAlign", .since = 10, .run = run_roi_align},
    {.name = "DeformConv", .since = 19, .run = run_deform_conv},
};
const struct mlo_op_family mlo_ops_sample = {"", ops, MLO_COUNT(ops)};

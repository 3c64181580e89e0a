/*
 * Signals: DFT, STFT, windows, MelWeightMatrix; in doubles. The transform splits a length by its prime
 * factors (Cooley and Tukey, doi:10.1090/S0025-5718-1965-0178586-1), so a prime length costs its square.
 */
#include <complex.h>
#include <math.h>
#include <string.h>

#include "op.h"

#define LENGTH_MAX ((int64_t)1 << 26) /* of a transform */

/* ---- the transform ---- */

/* C11's CMPLX, which clang's headers lack: a sum with I would make NaN of infinity. */
static double complex complex_of(double re, double im)
{
    const double parts[2] = {re, im};
    double complex v;
    memcpy(&v, parts, sizeof v);
    return v;
}

struct transform {
    size_t n;
    const double complex *roots; /* e^(-2 pi i k / n), of the whole; the other way round for the inverse */
    double complex *part;        /* [n], scratch */
};

static size_t least_factor(size_t n)
{
    for (size_t p = 2; p * p <= n; p++)
        if (n % p == 0)
            return p;
    return n;
}

/* to[n] from n elements of `from`, `step` apart. */
static void transform(const struct transform *t, const double complex *from, size_t step, size_t n,
                      double complex *to)
{
    if (n == 1) {
        to[0] = from[0];
        return;
    }
    size_t p = least_factor(n), m = n / p;
    for (size_t r = 0; r < p; r++)
        transform(t, from + r * step, step * p, m, to + r * m);
    for (size_t k = 0; k < n; k++) {
        t->part[k] = 0;
        for (size_t r = 0; r < p; r++)
            t->part[k] += to[r * m + k % m] * t->roots[r * k % n * (t->n / n)];
    }
    memcpy(to, t->part, n * sizeof *to);
}

static int make_transform(struct mlo_op_call *c, int64_t n, bool inverse, struct transform *t,
                          struct mlo_err *err)
{
    void *roots, *part;
    if (n < 1 || n > LENGTH_MAX)
        return mlo_op_refuse(c, err, "a transform of length %lld", (long long)n);
    int rc = mlo_scratch(c, (size_t)n, sizeof *t->roots, &roots, err);
    if (rc == 0)
        rc = mlo_scratch(c, (size_t)n, sizeof *t->part, &part, err);
    if (rc != 0)
        return rc;
    *t = (struct transform){(size_t)n, roots, part};
    for (size_t k = 0; k < (size_t)n; k++) {
        double angle = 2 * M_PI * (double)k / (double)n;
        ((double complex *)roots)[k] = complex_of(cos(angle), inverse ? sin(angle) : -sin(angle));
    }
    return 0;
}

static int two_rows(struct mlo_op_call *c, size_t n, double complex **ret_in, double complex **ret_out,
                    struct mlo_err *err)
{
    void *in, *out;
    int rc = mlo_scratch(c, n, sizeof **ret_in, &in, err);
    if (rc == 0)
        rc = mlo_scratch(c, n, sizeof **ret_out, &out, err);
    if (rc != 0)
        return rc;
    *ret_in = in;
    *ret_out = out;
    return 0;
}

/* ---- DFT ---- */

struct dft {
    const struct mlo_array *a;
    unsigned axis;
    size_t parts, out_parts; /* 1: real numbers, 2: complex ones */
    size_t n, kept;          /* length of the transform; numbers of it in the output */
    bool inverse, onesided;
    double *v, *y;
};

/* The axis is an attribute before version 20, then an input. */
static int read_dft(struct mlo_op_call *c, struct dft *f, struct mlo_err *err)
{
    double axis, length;
    bool given = mlo_in(c, 1) != NULL;
    int rc = mlo_in_array(c, 0, &f->a, err);
    if (rc == 0)
        rc = mlo_in_double(c, 1, 0, &length, err);
    if (rc == 0)
        rc = mlo_in_double(c, 2, -2, &axis, err);
    if (rc == 0 && c->node->version < 20)
        axis = (double)mlo_attr_int(c->node, "axis", 1);
    if (rc == 0)
        rc = mlo_axis(axis > -1e6 && axis < 1e6 ? (int64_t)axis : INT64_MAX / 2, f->a->rank, &f->axis, err);
    if (rc != 0)
        return rc;
    int64_t last = f->a->dims[f->a->rank - 1];
    f->inverse = mlo_attr_int(c->node, "inverse", 0) != 0;
    f->onesided = mlo_attr_int(c->node, "onesided", 0) != 0;
    if (f->axis + 1 == f->a->rank || (last != 1 && last != 2) || (f->onesided && !f->inverse && last != 1))
        return mlo_op_refuse(c, err, "no real or complex numbers along an axis");
    int64_t whole = f->a->dims[f->axis];
    length = given ? length : (double)(f->inverse && f->onesided ? 2 * (whole - 1) : whole);
    if (!(length >= 1 && length <= (double)LENGTH_MAX))
        return mlo_op_refuse(c, err, "a transform of length %g", length);
    f->n = (size_t)length;
    f->parts = (size_t)last;
    f->out_parts = f->inverse && f->onesided ? 1 : 2;
    f->kept = f->onesided && !f->inverse ? f->n / 2 + 1 : f->n;
    return mlo_as_doubles(c, f->a, &f->v, err);
}

/* Element i along the axis of one row, 0 behind its end; half a spectrum is completed by its mirror image. */
static double complex element(const struct dft *f, const double *row, size_t inner, size_t i)
{
    size_t have = (size_t)f->a->dims[f->axis];
    bool mirrored = f->inverse && f->onesided && i > f->n / 2;
    size_t at = mirrored ? f->n - i : i;
    if (at >= have)
        return 0;
    double re = row[at * inner * f->parts], im = f->parts == 2 ? row[at * inner * f->parts + 1] : 0;
    bool real = f->inverse && f->onesided && (i == 0 || 2 * i == f->n);
    return complex_of(re, real ? 0 : mirrored ? -im : im);
}

static void transform_row(const struct dft *f, const struct transform *t, size_t row, size_t inner,
                          double complex *in, double complex *out)
{
    size_t have = (size_t)f->a->dims[f->axis], o = row / inner, k = row % inner;
    const double *from = f->v + (o * have * inner + k) * f->parts;
    double *to = f->y + (o * f->kept * inner + k) * f->out_parts, scale = f->inverse ? 1 / (double)f->n : 1;
    for (size_t i = 0; i < f->n; i++)
        in[i] = element(f, from, inner, i);
    transform(t, in, 1, f->n, out);
    for (size_t i = 0; i < f->kept; i++) {
        to[i * inner * f->out_parts] = creal(out[i]) * scale;
        if (f->out_parts == 2)
            to[i * inner * 2 + 1] = cimag(out[i]) * scale;
    }
}

static int run_dft(struct mlo_op_call *c, struct mlo_err *err)
{
    struct dft f = {0};
    struct transform t;
    struct mlo_array shape, *out;
    double complex *in = NULL, *row = NULL;
    size_t outer, inner;
    int rc = read_dft(c, &f, err);
    if (rc != 0)
        return rc;
    shape = *f.a;
    shape.dims[f.axis] = (int64_t)f.kept;
    shape.dims[shape.rank - 1] = (int64_t)f.out_parts;
    rc = mlo_out_new(c, 0, f.a->dtype, shape.dims, shape.rank, &out, err);
    if (rc == 0)
        rc = make_transform(c, (int64_t)f.n, f.inverse, &t, err);
    if (rc == 0)
        rc = two_rows(c, f.n, &in, &row, err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, out ? out->n : 0, &f.y, err);
    if (rc != 0 || !out || out->n == 0)
        return rc;
    mlo_around(f.a, f.axis, &outer, &inner);
    inner /= f.parts;
    for (size_t i = 0; i < outer * inner; i++)
        transform_row(&f, &t, i, inner, in, row);
    return mlo_from_doubles(f.y, out, err);
}

/* ---- STFT ---- */

struct stft {
    const struct mlo_array *a;
    size_t batch, length, parts, step, frame, frames, kept;
    double *v, *window; /* window NULL: all 1 */
};

static int read_stft(struct mlo_op_call *c, struct stft *f, struct mlo_err *err)
{
    const struct mlo_array *window = mlo_in(c, 2);
    double step, frame;
    bool onesided = mlo_attr_int(c->node, "onesided", 1) != 0;
    int rc = mlo_in_array(c, 0, &f->a, err);
    if (rc == 0)
        rc = mlo_in_double(c, 1, 0, &step, err);
    if (rc != 0)
        return rc;
    int64_t parts = f->a->rank == 3 ? f->a->dims[2] : f->a->rank == 2 ? 1 : 0;
    if ((parts != 1 && parts != 2) || (onesided && parts == 2) || !(step >= 1 && step <= (double)LENGTH_MAX))
        return mlo_op_refuse(c, err, "not a batch of signals, or no step");
    f->batch = (size_t)f->a->dims[0];
    f->length = (size_t)f->a->dims[1];
    f->parts = (size_t)parts;
    f->step = (size_t)step;
    rc = mlo_in_double(c, 3, window ? (double)window->n : (double)f->length, &frame, err);
    if (rc == 0 && (!(frame >= 1 && frame <= (double)f->length) || (window && (double)window->n != frame)))
        rc = mlo_op_refuse(c, err, "frames that do not fit the window or the signal");
    if (rc != 0)
        return rc;
    f->frame = (size_t)frame;
    f->frames = 1 + (f->length - f->frame) / f->step;
    f->kept = onesided ? f->frame / 2 + 1 : f->frame;
    rc = mlo_as_doubles(c, f->a, &f->v, err);
    return rc == 0 && window ? mlo_as_doubles(c, window, &f->window, err) : rc;
}

static int run_stft(struct mlo_op_call *c, struct mlo_err *err)
{
    struct stft f = {0};
    struct transform t;
    struct mlo_array *out;
    double complex *in = NULL, *row = NULL;
    double *y;
    int rc = read_stft(c, &f, err);
    if (rc == 0)
        rc = make_transform(c, (int64_t)f.frame, false, &t, err);
    if (rc == 0)
        rc = two_rows(c, f.frame, &in, &row, err);
    const int64_t dims[4] = {(int64_t)f.batch, (int64_t)f.frames, (int64_t)f.kept, 2};
    if (rc == 0)
        rc = mlo_out_new(c, 0, f.a->dtype, dims, 4, &out, err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, out ? out->n : 0, &y, err);
    if (rc != 0 || !out)
        return rc;
    for (size_t k = 0; k < f.batch * f.frames; k++) {
        const double *from = f.v + (k / f.frames * f.length + k % f.frames * f.step) * f.parts;
        for (size_t i = 0; i < f.frame; i++)
            in[i] = (f.window ? f.window[i] : 1) *
                    complex_of(from[i * f.parts], f.parts == 2 ? from[i * f.parts + 1] : 0);
        transform(&t, in, 1, f.frame, row);
        for (size_t i = 0; i < f.kept; i++) {
            y[(k * f.kept + i) * 2] = creal(row[i]);
            y[(k * f.kept + i) * 2 + 1] = cimag(row[i]);
        }
    }
    return mlo_from_doubles(y, out, err);
}

/* ---- windows: a - b cos(x) + c cos(2x) ---- */

struct window {
    double a, b, c;
};
static const struct window hann = {0.5, 0.5, 0}, hamming = {25.0 / 46, 21.0 / 46, 0},
                           blackman = {0.42, 0.5, 0.08};

static int run_window(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct window *w = c->how;
    bool periodic = mlo_attr_int(c->node, "periodic", 1) != 0;
    enum mlo_dtype t = mlo_onnx_type_of((uint64_t)mlo_attr_int(c->node, "output_datatype", 1));
    struct mlo_array *out;
    double size, *v;
    int rc = mlo_in_double(c, 0, -1, &size, err);
    if (rc == 0 && !(size >= 0 && size <= (double)LENGTH_MAX))
        rc = mlo_op_refuse(c, err, "a window of %g", size);
    if (rc == 0)
        rc = mlo_out_new(c, 0, t, &(const int64_t){(int64_t)size}, 1, &out, err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, out ? out->n : 0, &v, err);
    if (rc != 0 || !out)
        return rc;
    for (size_t i = 0; i < out->n; i++) {
        double x = 2 * M_PI * (double)i / (periodic ? size : size - 1);
        v[i] = w->a - w->b * cos(x) + w->c * cos(2 * x);
    }
    return mlo_from_doubles(v, out, err);
}

/* ---- MelWeightMatrix ---- */

struct mel {
    double bands, length, rate, low, high; /* inputs 0 to 4 */
    size_t n, spectrum;
};

static int read_mel(struct mlo_op_call *c, struct mel *m, struct mlo_err *err)
{
    double *const values[] = {&m->bands, &m->length, &m->rate, &m->low, &m->high};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < MLO_COUNT(values); i++)
        rc = mlo_in_double(c, i, -1, values[i], err);
    if (rc == 0 && !(m->bands >= 1 && m->bands <= 65536 && m->length >= 1 &&
                     m->length <= (double)LENGTH_MAX && m->rate >= 1 && m->low >= 0 && m->high >= m->low))
        rc = mlo_op_refuse(c, err, "bands that do not fit");
    m->n = rc == 0 ? (size_t)m->bands : 0;
    m->spectrum = rc == 0 ? (size_t)m->length / 2 + 1 : 0;
    return rc;
}

/* Corner i of the bands, equally far apart in mel (2595 log10(1 + f / 700)), as a place in the spectrum. */
static double corner(const struct mel *m, size_t i)
{
    double low = 2595 * log10(1 + m->low / 700), high = 2595 * log10(1 + m->high / 700);
    double mel = low + (double)i * (high - low) / (double)(m->n + 2);
    return floor((m->length + 1) * (700 * (pow(10, mel / 2595) - 1)) / m->rate);
}

/* Triangles from one corner to the next but one. */
static int run_mel(struct mlo_op_call *c, struct mlo_err *err)
{
    enum mlo_dtype t = mlo_onnx_type_of((uint64_t)mlo_attr_int(c->node, "output_datatype", 1));
    struct mel m;
    struct mlo_array *out;
    double *y;
    int rc = read_mel(c, &m, err);
    const int64_t dims[2] = {(int64_t)m.spectrum, (int64_t)m.n};
    if (rc == 0 && !(corner(&m, m.n + 1) <= (double)m.spectrum))
        rc = mlo_op_refuse(c, err, "bands beyond the spectrum");
    if (rc == 0)
        rc = mlo_out_new(c, 0, t, dims, 2, &out, err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, out ? out->n : 0, &y, err);
    if (rc != 0 || !out)
        return rc;
    for (size_t i = 0; i < out->n; i++) {
        size_t band = i % m.n;
        double at = (double)(i / m.n), left = corner(&m, band), top = corner(&m, band + 1),
               right = corner(&m, band + 2);
        y[i] = at < left || at > right ? 0
               : at < top              ? (at - left) / (top - left)
               : at == top             ? 1
                                       : (right - at) / (right - top);
    }
    return mlo_from_doubles(y, out, err);
}

static const struct mlo_op ops[] = {
    {.name = "DFT", .since = 17, .run = run_dft},
    {.name = "STFT", .since = 17, .run = run_stft},
    {.name = "HannWindow", .since = 17, .run = run_window, .how = &hann},
    {.name = "HammingWindow", .since = 17, .run = run_window, .how = &hamming},
    {.name = "BlackmanWindow", .since = 17, .run = run_window, .how = &blackman},
    {.name = "MelWeightMatrix", .since = 17, .run = run_mel},
};
const struct mlo_op_family mlo_ops_signal = {"", ops, MLO_COUNT(ops)};

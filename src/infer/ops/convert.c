/*
 * Numbers from one type to another. Real to whole: toward zero, what does not fit becomes the nearest that
 * does and NaN becomes 0 (the standard leaves both open). Wide whole to narrow: the low bits, as C and NumPy
 * do.
 */
#include <math.h>

#include <mlopsctl/base/bytes.h>

#include "op.h"

static uint64_t whole_at(enum mlo_dtype t, const void *p, size_t i)
{
    double v = 0;
    if (t == MLO_DT_I64 || t == MLO_DT_U64)
        return ((const uint64_t *)p)[i];
    mlo_dtype_to_double(t, p, i, &v);
    return (uint64_t)(int64_t)v;
}

static uint64_t saturated(double v, double least, double most)
{
    if (isnan(v))
        return 0;
    if (v <= least)
        return least < 0 ? (uint64_t)(int64_t)least : 0;
    if (v >= most)
        return most >= 0x1p63 ? (most >= 0x1p64 ? UINT64_MAX : INT64_MAX) : (uint64_t)most;
    return v < 0 ? (uint64_t)(int64_t)v : (uint64_t)v;
}

struct whole_type {
    double least, most;
    unsigned bits;
};
static const struct whole_type whole_types[] = {
    [MLO_DT_U8] = {0, 255, 8},
    [MLO_DT_I8] = {-128, 127, 8},
    [MLO_DT_U16] = {0, 65535, 16},
    [MLO_DT_I16] = {-32768, 32767, 16},
    [MLO_DT_U32] = {0, 4294967295, 32},
    [MLO_DT_I32] = {-2147483648.0, 2147483647, 32},
    [MLO_DT_U64] = {0, 0x1p64, 64},
    [MLO_DT_I64] = {-0x1p63, 0x1p63, 64},
    [MLO_DT_U4] = {0, 15, 4},
    [MLO_DT_I4] = {-8, 7, 4},
    [MLO_DT_U2] = {0, 3, 2},
    [MLO_DT_I2] = {-2, 1, 2},
};

bool mlo_whole_range(enum mlo_dtype t, double *ret_least, double *ret_most)
{
    if ((size_t)t >= MLO_COUNT(whole_types) || !whole_types[t].bits)
        return false;
    *ret_least = whole_types[t].least;
    *ret_most = whole_types[t].most;
    return true;
}

/* Packed elements of one byte come one after the other. */
static void put_whole(void *to, unsigned bits, size_t i, uint64_t v)
{
    uint8_t *p = to;
    if (bits < 8) {
        unsigned per = 8 / bits, shift = (unsigned)(i % per) * bits, mask = (1U << bits) - 1;
        p[i / per] = (uint8_t)((i % per ? p[i / per] & ~(mask << shift) : 0) | ((unsigned)v & mask) << shift);
        return;
    }
    for (unsigned k = 0; k < bits / 8; k++)
        p[i * (bits / 8) + k] = (uint8_t)(v >> 8 * k);
}

static void to_whole(const struct mlo_array *from, struct mlo_array *to)
{
    const struct whole_type *w = &whole_types[to->dtype];
    bool real = mlo_dtype_is_float(from->dtype);
    for (size_t i = 0; i < from->n; i++) {
        double v = 0;
        if (real)
            mlo_dtype_to_double(from->dtype, from->data, i, &v);
        bool wraps = w->bits < 8; /* the low bits of the number, as the onnx project has it */
        double least = wraps ? -0x1p63 : w->least, most = wraps ? 0x1p63 : w->most;
        put_whole(to->data, w->bits, i,
                  real ? saturated(v, least, most) : whole_at(from->dtype, from->data, i));
    }
}

static void to_bool(const struct mlo_array *from, struct mlo_array *to)
{
    for (size_t i = 0; i < from->n; i++) {
        double v = 0;
        mlo_dtype_to_double(from->dtype, from->data, i, &v);
        ((uint8_t *)to->data)[i] = v != 0; /* NaN is true */
    }
}

/* From 64-bit whole numbers straight to float: by way of double it would be rounded twice. */
static float float_at(const struct mlo_array *a, size_t i)
{
    double v = 0;
    if (a->dtype == MLO_DT_I64)
        return (float)((const int64_t *)a->data)[i];
    if (a->dtype == MLO_DT_U64)
        return (float)((const uint64_t *)a->data)[i];
    mlo_dtype_to_double(a->dtype, a->data, i, &v);
    return (float)v;
}

static void floats_to_doubles(const float *from, double *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (double)from[i];
}

static void to_real(const struct mlo_array *from, struct mlo_array *to)
{
    if (from->dtype == MLO_DT_F32 && to->dtype == MLO_DT_F64) {
        floats_to_doubles(from->data, to->data, from->n);
        return;
    }
    for (size_t i = 0; i < from->n; i++) {
        if (to->dtype == MLO_DT_F64) {
            mlo_dtype_to_double(from->dtype, from->data, i, &((double *)to->data)[i]);
            continue;
        }
        float f = float_at(from, i);
        if (to->dtype == MLO_DT_F32)
            ((float *)to->data)[i] = f;
        else
            mlo_floats_to_halves(to->dtype, &f, &((uint16_t *)to->data)[i], 1);
    }
}

static bool is_small(enum mlo_dtype t)
{
    return (t >= MLO_DT_F8_E4M3 && t <= MLO_DT_F8_E5M2FNUZ) || t == MLO_DT_F4;
}

static void to_small(const struct mlo_array *from, struct mlo_array *to, bool saturate)
{
    for (size_t i = 0; i < from->n; i++)
        put_whole(to->data, mlo_dtype_bits(to->dtype), i,
                  mlo_dtype_from_float(to->dtype, float_at(from, i), saturate));
}

int mlo_cast_small(const struct mlo_array *from, struct mlo_array *to, bool saturate, struct mlo_err *err)
{
    if (!is_small(to->dtype) || from->dtype == MLO_DT_STRING)
        return mlo_cast_numbers(from, to, err);
    to_small(from, to, saturate);
    return 0;
}

int mlo_cast_numbers(const struct mlo_array *from, struct mlo_array *to, struct mlo_err *err)
{
    double v;
    enum mlo_dtype t = to->dtype;
    if (from->n > 0 && !mlo_dtype_to_double(from->dtype, from->data, 0, &v))
        return mlo_fail(err, MLO_EUNAVAIL, "%s is not turned into numbers", mlo_dtype_name(from->dtype));
    if (t == MLO_DT_BOOL)
        to_bool(from, to);
    else if ((size_t)t < MLO_COUNT(whole_types) && whole_types[t].bits)
        to_whole(from, to);
    else if (t == MLO_DT_F32 || t == MLO_DT_F64 || t == MLO_DT_F16 || t == MLO_DT_BF16)
        to_real(from, to);
    else if (is_small(t))
        to_small(from, to, true);
    else
        return mlo_fail(err, MLO_EUNAVAIL, "numbers are not turned into %s", mlo_dtype_name(t));
    return 0;
}

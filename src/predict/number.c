/* Elements of arrays as numbers and text. */
#include <math.h>
#include <string.h>

#include <mlopsctl/base/number.h>

#include "internal.h"

#define EXACT_WHOLE 9007199254740992.0 /* 2^53: beyond it a double skips some */

static bool put_whole(double v, double least, double most, int64_t *ret)
{
    if (!(v >= least && v <= most) || v != floor(v) || fabs(v) > EXACT_WHOLE)
        return false;
    *ret = (int64_t)v;
    return true;
}

static bool put_integer(enum mlo_dtype t, char *to, double v)
{
    unsigned bits = mlo_dtype_bits(t);
    bool is_signed = t == MLO_DT_I8 || t == MLO_DT_I16 || t == MLO_DT_I32 || t == MLO_DT_I64;
    double most = ldexp(1, (int)(bits - is_signed)), least = is_signed ? -most : 0;
    int64_t whole;
    if (!put_whole(v, least, most - 1, &whole))
        return false;
    memcpy(to, &whole, bits / 8);
    return true;
}

static void put_half(enum mlo_dtype t, char *to, float v)
{
    uint16_t half;
    mlo_floats_to_halves(t, &v, &half, 1);
    memcpy(to, &half, sizeof half);
}

bool mlo_element_put(enum mlo_dtype t, void *data, size_t at, double v)
{
    char *to = (char *)data + at * mlo_dtype_bits(t) / 8;
    switch ((int)t) {
    case MLO_DT_F32:
        ((float *)data)[at] = (float)v;
        return true;
    case MLO_DT_F64:
        ((double *)data)[at] = v;
        return true;
    case MLO_DT_F16:
    case MLO_DT_BF16:
        put_half(t, to, (float)v);
        return true;
    case MLO_DT_BOOL:
        *to = v != 0;
        return !isnan(v);
    default:
        return put_integer(t, to, v);
    }
}

bool mlo_element_is_number(enum mlo_dtype t)
{
    switch ((int)t) {
    case MLO_DT_F32:
    case MLO_DT_F64:
    case MLO_DT_F16:
    case MLO_DT_BF16:
    case MLO_DT_BOOL:
    case MLO_DT_I8:
    case MLO_DT_I16:
    case MLO_DT_I32:
    case MLO_DT_I64:
    case MLO_DT_U8:
    case MLO_DT_U16:
    case MLO_DT_U32:
    case MLO_DT_U64:
        return true;
    default:
        return false;
    }
}

static float half_at(enum mlo_dtype t, const void *data, size_t at)
{
    float v;
    mlo_halves_to_floats(t, (const uint16_t *)data + at, &v, 1);
    return v;
}

static double double_at(enum mlo_dtype t, const void *data, size_t at)
{
    double v = 0;
    (void)mlo_dtype_to_double(t, data, at, &v);
    return v;
}

bool mlo_element_is_inexact(enum mlo_dtype t)
{
    return mlo_dtype_is_float(t) && mlo_dtype_bits(t) >= 16;
}

bool mlo_element_is_finite(enum mlo_dtype t, const void *data, size_t at)
{
    return t == MLO_DT_F32 ? isfinite(((const float *)data)[at]) : isfinite(double_at(t, data, at));
}

unsigned mlo_element_digits(enum mlo_dtype t, const void *data, size_t at, char *to)
{
    switch ((int)t) {
    case MLO_DT_F32:
        return mlo_float_digits(((const float *)data)[at], to);
    case MLO_DT_F64:
        return mlo_double_digits(((const double *)data)[at], to);
    case MLO_DT_F16:
    case MLO_DT_BF16:
        return mlo_float_digits(half_at(t, data, at), to);
    case MLO_DT_I64:
        return mlo_i64_digits(((const int64_t *)data)[at], to);
    case MLO_DT_U64:
        return mlo_u64_digits(((const uint64_t *)data)[at], to);
    default: /* narrower: a double holds them all */
        return mlo_i64_digits((int64_t)double_at(t, data, at), to);
    }
}

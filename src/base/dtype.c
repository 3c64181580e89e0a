/* Element types: names, sizes, and the value of one element. */
#include <math.h>
#include <string.h>

#include <mlopsctl/base/bytes.h>
#include <mlopsctl/base/dtype.h>
#include <mlopsctl/base/mem.h>

static const struct {
    const char *name;
    unsigned bits;
} dtypes[] = {
    [MLO_DT_UNKNOWN] = {"unknown", 0},
    [MLO_DT_BOOL] = {"bool", 8},
    [MLO_DT_U8] = {"uint8", 8},
    [MLO_DT_I8] = {"int8", 8},
    [MLO_DT_U16] = {"uint16", 16},
    [MLO_DT_I16] = {"int16", 16},
    [MLO_DT_U32] = {"uint32", 32},
    [MLO_DT_I32] = {"int32", 32},
    [MLO_DT_U64] = {"uint64", 64},
    [MLO_DT_I64] = {"int64", 64},
    [MLO_DT_F16] = {"float16", 16},
    [MLO_DT_BF16] = {"bfloat16", 16},
    [MLO_DT_F32] = {"float32", 32},
    [MLO_DT_F64] = {"float64", 64},
    [MLO_DT_C64] = {"complex64", 64},
    [MLO_DT_C128] = {"complex128", 128},
    [MLO_DT_F8_E4M3] = {"float8_e4m3fn", 8},
    [MLO_DT_F8_E4M3FNUZ] = {"float8_e4m3fnuz", 8},
    [MLO_DT_F8_E5M2] = {"float8_e5m2", 8},
    [MLO_DT_F8_E5M2FNUZ] = {"float8_e5m2fnuz", 8},
    [MLO_DT_F8_E8M0] = {"float8_e8m0fnu", 8},
    [MLO_DT_F4] = {"float4_e2m1fn", 4},
    [MLO_DT_F6_E2M3] = {"float6_e2m3fn", 6},
    [MLO_DT_F6_E3M2] = {"float6_e3m2fn", 6},
    [MLO_DT_U4] = {"uint4", 4},
    [MLO_DT_I4] = {"int4", 4},
    [MLO_DT_U2] = {"uint2", 2},
    [MLO_DT_I2] = {"int2", 2},
    [MLO_DT_F128] = {"float128", 128},
    [MLO_DT_STRING] = {"string", 0},
    [MLO_DT_DATETIME] = {"datetime", 64},
    [MLO_DT_RAW] = {"raw", 0},
    [MLO_DT_OBJECT] = {"object", 0},
    [MLO_DT_GGML] = {"ggml", 0},
};

static bool known(enum mlo_dtype t)
{
    return (size_t)t < MLO_COUNT(dtypes);
}

const char *mlo_dtype_name(enum mlo_dtype t)
{
    return dtypes[known(t) ? t : MLO_DT_UNKNOWN].name;
}

unsigned mlo_dtype_bits(enum mlo_dtype t)
{
    return known(t) ? dtypes[t].bits : 0;
}

bool mlo_dtype_is_float(enum mlo_dtype t)
{
    return t == MLO_DT_F16 || t == MLO_DT_BF16 || t == MLO_DT_F32 || t == MLO_DT_F64 ||
           (t >= MLO_DT_F8_E4M3 && t <= MLO_DT_F6_E3M2);
}

/* ---- values ---- */

enum small_kind {
    SMALL_FINITE, /* every pattern is a number */
    SMALL_IEEE,   /* all-ones exponent: infinity and NaN */
    SMALL_FN,     /* only all-ones exponent and mantissa is NaN, no infinity */
    SMALL_FNUZ,   /* no infinity, no negative zero: its pattern is NaN */
};

static const struct small {
    uint8_t ebits, mbits, bias;
    enum small_kind kind;
} small_floats[] = {
    [MLO_DT_F16] = {5, 10, 15, SMALL_IEEE},        [MLO_DT_F8_E4M3] = {4, 3, 7, SMALL_FN},
    [MLO_DT_F8_E4M3FNUZ] = {4, 3, 8, SMALL_FNUZ},  [MLO_DT_F8_E5M2] = {5, 2, 15, SMALL_IEEE},
    [MLO_DT_F8_E5M2FNUZ] = {5, 2, 16, SMALL_FNUZ}, [MLO_DT_F4] = {2, 1, 1, SMALL_FINITE},
    [MLO_DT_F6_E2M3] = {2, 3, 1, SMALL_FINITE},    [MLO_DT_F6_E3M2] = {3, 2, 3, SMALL_FINITE},
};

/* A sign bit, ebits of exponent, mbits of mantissa. */
static double small_float(unsigned v, enum mlo_dtype t)
{
    const struct small *s = &small_floats[t];
    unsigned top = 1U << s->mbits, m = v & (top - 1), emax = (1U << s->ebits) - 1, e = v >> s->mbits & emax;
    bool negative = v >> (s->ebits + s->mbits) & 1;
    double sign = negative ? -1.0 : 1.0;
    if (s->kind == SMALL_IEEE && e == emax)
        return m ? NAN : sign * INFINITY;
    if (s->kind == SMALL_FN && e == emax && m == top - 1)
        return NAN;
    if (s->kind == SMALL_FNUZ && negative && e == 0 && m == 0)
        return NAN;
    if (e == 0)
        return sign * ldexp(m, 1 - s->bias - s->mbits);
    return sign * ldexp(m + top, (int)e - s->bias - s->mbits);
}

/* The largest finite pattern without its sign. */
static unsigned largest(const struct small *s)
{
    unsigned all = (1U << (s->ebits + s->mbits)) - 1;
    return s->kind == SMALL_IEEE ? all - (1U << s->mbits) : s->kind == SMALL_FN ? all - 1 : all;
}

/* Without a sign: exponent and mantissa, rounded to nearest, ties to even. May be beyond the largest. */
static unsigned rounded(const struct small *s, double v)
{
    int e, least = 1 - s->bias;
    if (v == 0)
        return 0;
    (void)frexp(v, &e);
    e = e - 1 < least ? least : e - 1;
    double steps = rint(ldexp(v, s->mbits - e)); /* of the last bit of the mantissa */
    double code = ldexp(e - least, s->mbits) + steps;
    return code > 65535 ? 65535 : (unsigned)code;
}

/* What stands for NaN; where there is none, negative zero. */
static unsigned not_a_number(const struct small *s)
{
    unsigned top = 1U << (s->ebits + s->mbits);
    if (s->kind == SMALL_FNUZ || s->kind == SMALL_FINITE)
        return top;
    return s->kind == SMALL_IEEE ? top - (1U << (s->mbits - 1)) : top - 1;
}

unsigned mlo_dtype_from_float(enum mlo_dtype t, float f, bool saturate)
{
    const struct small *s = &small_floats[t];
    unsigned sign = signbit(f) ? 1U << (s->ebits + s->mbits) : 0;
    if (isnan(f))
        return not_a_number(s) | (s->kind == SMALL_IEEE || s->kind == SMALL_FN ? sign : 0);
    unsigned code = isinf(f) ? 65535 : rounded(s, fabs((double)f));
    if (code > largest(s) && !saturate && s->kind != SMALL_FINITE)
        return s->kind == SMALL_IEEE ? sign | (largest(s) + 1)
               : s->kind == SMALL_FN ? sign | not_a_number(s)
                                     : not_a_number(s);
    code = code > largest(s) ? largest(s) : code;
    return s->kind == SMALL_FNUZ && code == 0 ? 0 : sign | code;
}

/* Element `index` of elements of `bits` < 8 bits, packed from the low bit up. */
static unsigned packed(const uint8_t *p, unsigned bits, size_t index)
{
    size_t group = index / 8, first = index % 8 * bits; /* 8 elements fill `bits` whole bytes */
    const uint8_t *q = p + group * bits + first / 8;
    unsigned shift = first % 8, v = *q;
    if (shift + bits > 8)
        v |= (unsigned)q[1] << 8;
    return v >> shift & ((1U << bits) - 1);
}

static double sign_extended(unsigned v, unsigned bits)
{
    return v >> (bits - 1) ? (double)v - (1U << bits) : v;
}

static double f32_value(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static double f64_value(uint64_t bits)
{
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

bool mlo_dtype_to_double(enum mlo_dtype t, const void *data, size_t index, double *ret)
{
    const uint8_t *base = data, *p = base + index * (mlo_dtype_bits(t) / 8);
    switch (t) {
    case MLO_DT_BOOL:
        *ret = *p != 0;
        return true;
    case MLO_DT_U8:
        *ret = *p;
        return true;
    case MLO_DT_I8:
        *ret = (int8_t)*p;
        return true;
    case MLO_DT_U16:
        *ret = mlo_le16(p);
        return true;
    case MLO_DT_I16:
        *ret = (int16_t)mlo_le16(p);
        return true;
    case MLO_DT_U32:
        *ret = mlo_le32(p);
        return true;
    case MLO_DT_I32:
        *ret = (int32_t)mlo_le32(p);
        return true;
    case MLO_DT_U64:
        *ret = (double)mlo_le64(p);
        return true;
    case MLO_DT_I64:
        *ret = (double)(int64_t)mlo_le64(p);
        return true;
    case MLO_DT_F16:
        *ret = small_float(mlo_le16(p), t);
        return true;
    case MLO_DT_BF16:
        *ret = f32_value((uint32_t)mlo_le16(p) << 16);
        return true;
    case MLO_DT_F32:
        *ret = f32_value(mlo_le32(p));
        return true;
    case MLO_DT_F64:
        *ret = f64_value(mlo_le64(p));
        return true;
    case MLO_DT_F8_E4M3:
    case MLO_DT_F8_E4M3FNUZ:
    case MLO_DT_F8_E5M2:
    case MLO_DT_F8_E5M2FNUZ:
        *ret = small_float(*p, t);
        return true;
    case MLO_DT_F8_E8M0:
        *ret = *p == 0xFF ? NAN : ldexp(1.0, *p - 127);
        return true;
    case MLO_DT_F4:
    case MLO_DT_F6_E2M3:
    case MLO_DT_F6_E3M2:
        *ret = small_float(packed(base, mlo_dtype_bits(t), index), t);
        return true;
    case MLO_DT_U4:
    case MLO_DT_U2:
        *ret = packed(base, mlo_dtype_bits(t), index);
        return true;
    case MLO_DT_I4:
    case MLO_DT_I2:
        *ret = sign_extended(packed(base, mlo_dtype_bits(t), index), mlo_dtype_bits(t));
        return true;
    case MLO_DT_UNKNOWN:
    case MLO_DT_C64:
    case MLO_DT_C128:
    case MLO_DT_F128: /* x87 or IEEE quadruple: the file does not say */
    case MLO_DT_STRING:
    case MLO_DT_DATETIME:
    case MLO_DT_RAW:
    case MLO_DT_OBJECT:
    case MLO_DT_GGML:
        return false;
    }
    return false;
}

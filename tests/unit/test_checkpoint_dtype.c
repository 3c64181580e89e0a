/* Element types: names and sizes, and values of every numeric type against tables and arithmetic. */
#include "checkpoint_help.h"

#include <math.h>

static double value(enum mlo_dtype t, const void *p, size_t index)
{
    double d = -12345;
    check(mlo_dtype_to_double(t, p, index, &d), "type %d", (int)t);
    return d;
}

static double byte_value(enum mlo_dtype t, uint8_t b)
{
    return value(t, &b, 0);
}

static double half_value(enum mlo_dtype t, uint16_t v)
{
    uint8_t b[2] = {(uint8_t)v, (uint8_t)(v >> 8)};
    return value(t, b, 0);
}

static void is(double got, double want)
{
    check((isnan(got) && isnan(want)) || (got == want && signbit(got) == signbit(want)), "got %g, want %g",
          got, want);
}

static void integers_of_all_widths(void)
{
    static const uint8_t ff[16] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0, 0, 0, 0, 0x80};
    is(value(MLO_DT_BOOL, ff, 8), 1);
    is(value(MLO_DT_BOOL, ff, 9), 0);
    is(value(MLO_DT_U8, ff, 0), 255);
    is(value(MLO_DT_I8, ff, 0), -1);
    is(value(MLO_DT_U16, ff, 4), 1);
    is(value(MLO_DT_U16, ff, 0), 65535);
    is(value(MLO_DT_I16, ff, 0), -1);
    is(value(MLO_DT_U32, ff, 0), 4294967295.0);
    is(value(MLO_DT_I32, ff, 0), -1);
    is(value(MLO_DT_U64, ff, 1), 9223372036854775809.0);
    is(value(MLO_DT_I64, ff, 0), -1);
    is(value(MLO_DT_I64, ff, 1), -9223372036854775807.0);
}

static void sub_byte_integers_lie_low_bits_first(void)
{
    static const uint8_t p[] = {0xF1, 0x87};
    static const int u4[] = {1, 15, 7, 8}, i4[] = {1, -1, 7, -8}, u2[] = {1, 0, 3, 3, 3, 1, 0, 2},
                     i2[] = {1, 0, -1, -1, -1, 1, 0, -2};
    for (size_t i = 0; i < 4; i++) {
        is(value(MLO_DT_U4, p, i), u4[i]);
        is(value(MLO_DT_I4, p, i), i4[i]);
    }
    for (size_t i = 0; i < 8; i++) {
        is(value(MLO_DT_U2, p, i), u2[i]);
        is(value(MLO_DT_I2, p, i), i2[i]);
    }
}

static void f16_and_bf16(void)
{
    is(half_value(MLO_DT_F16, 0x3C00), 1);
    is(half_value(MLO_DT_F16, 0xC000), -2);
    is(half_value(MLO_DT_F16, 0x7BFF), 65504);
    is(half_value(MLO_DT_F16, 0x0001), ldexp(1, -24));
    is(half_value(MLO_DT_F16, 0x0400), ldexp(1, -14));
    is(half_value(MLO_DT_F16, 0x8000), -0.0);
    is(half_value(MLO_DT_F16, 0x7C00), INFINITY);
    is(half_value(MLO_DT_F16, 0xFC00), -INFINITY);
    is(half_value(MLO_DT_F16, 0x7E00), NAN);
    is(half_value(MLO_DT_BF16, 0x3F80), 1);
    is(half_value(MLO_DT_BF16, 0xC000), -2);
    is(half_value(MLO_DT_BF16, 0x7F80), INFINITY);
    is(half_value(MLO_DT_BF16, 0x7FC0), NAN);
    is(half_value(MLO_DT_BF16, 0x0001), ldexp(1, -133));
}

static void f32_and_f64_need_no_alignment(void)
{
    float f[2] = {1.5f, -0.0f};
    double d[2] = {3.25, -1e300};
    uint8_t shifted[17];
    memcpy(shifted + 1, f, sizeof f);
    is(value(MLO_DT_F32, shifted + 1, 0), 1.5);
    is(value(MLO_DT_F32, shifted + 1, 1), -0.0);
    memcpy(shifted + 1, d, sizeof d);
    is(value(MLO_DT_F64, shifted + 1, 1), -1e300);
}

/* Maxima, minima and special values of the published fp8 tables. */
static void f8_of_five_kinds(void)
{
    is(byte_value(MLO_DT_F8_E4M3, 0x38), 1);
    is(byte_value(MLO_DT_F8_E4M3, 0x7E), 448);
    is(byte_value(MLO_DT_F8_E4M3, 0x7F), NAN);
    is(byte_value(MLO_DT_F8_E4M3, 0xFF), NAN);
    is(byte_value(MLO_DT_F8_E4M3, 0x80), -0.0);
    is(byte_value(MLO_DT_F8_E4M3, 0x01), ldexp(1, -9));
    is(byte_value(MLO_DT_F8_E4M3, 0x08), ldexp(1, -6));
    is(byte_value(MLO_DT_F8_E4M3FNUZ, 0x40), 1);
    is(byte_value(MLO_DT_F8_E4M3FNUZ, 0x7F), 240);
    is(byte_value(MLO_DT_F8_E4M3FNUZ, 0x80), NAN);
    is(byte_value(MLO_DT_F8_E4M3FNUZ, 0x01), ldexp(1, -10));
    is(byte_value(MLO_DT_F8_E5M2, 0x3C), 1);
    is(byte_value(MLO_DT_F8_E5M2, 0x7B), 57344);
    is(byte_value(MLO_DT_F8_E5M2, 0x7C), INFINITY);
    is(byte_value(MLO_DT_F8_E5M2, 0xFC), -INFINITY);
    is(byte_value(MLO_DT_F8_E5M2, 0x7D), NAN);
    is(byte_value(MLO_DT_F8_E5M2, 0x01), ldexp(1, -16));
    is(byte_value(MLO_DT_F8_E5M2FNUZ, 0x40), 1);
    is(byte_value(MLO_DT_F8_E5M2FNUZ, 0x7F), 57344);
    is(byte_value(MLO_DT_F8_E5M2FNUZ, 0x80), NAN);
    is(byte_value(MLO_DT_F8_E5M2FNUZ, 0x01), ldexp(1, -17));
    is(byte_value(MLO_DT_F8_E8M0, 127), 1);
    is(byte_value(MLO_DT_F8_E8M0, 0), ldexp(1, -127));
    is(byte_value(MLO_DT_F8_E8M0, 254), ldexp(1, 127));
    is(byte_value(MLO_DT_F8_E8M0, 255), NAN);
}

static void f4_and_f6_in_full(void)
{
    static const double f4[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
    for (uint8_t v = 0; v < 8; v++) {
        uint8_t both = (uint8_t)(v | (v | 8) << 4);
        is(value(MLO_DT_F4, &both, 0), f4[v]);
        is(value(MLO_DT_F4, &both, 1), -f4[v]);
    }
    /* Four 6-bit values in three bytes: 0x1F, 0x3F, 0x01, 0x20. */
    uint32_t bits = 0x1F | 0x3F << 6 | 0x01 << 12 | 0x20 << 18;
    uint8_t p[] = {(uint8_t)bits, (uint8_t)(bits >> 8), (uint8_t)(bits >> 16), 0x08, 0, 0};
    is(value(MLO_DT_F6_E2M3, p, 0), 7.5);
    is(value(MLO_DT_F6_E2M3, p, 1), -7.5);
    is(value(MLO_DT_F6_E2M3, p, 2), 0.125);
    is(value(MLO_DT_F6_E2M3, p, 3), -0.0);
    is(value(MLO_DT_F6_E2M3, p, 4), 1);
    is(value(MLO_DT_F6_E3M2, p, 0), 28);
    is(value(MLO_DT_F6_E3M2, p, 1), -28);
    is(value(MLO_DT_F6_E3M2, p, 2), 0.0625);
    is(value(MLO_DT_F6_E3M2, p, 4), 0.5);
}

static void types_without_numbers_say_so(void)
{
    static const enum mlo_dtype none[] = {MLO_DT_UNKNOWN, MLO_DT_C64,         MLO_DT_C128, MLO_DT_F128,
                                          MLO_DT_STRING,  MLO_DT_DATETIME,    MLO_DT_RAW,  MLO_DT_OBJECT,
                                          MLO_DT_GGML,    (enum mlo_dtype)999};
    uint8_t p[16] = {0};
    double d = 7;
    for (size_t i = 0; i < MLO_COUNT(none); i++)
        check(!mlo_dtype_to_double(none[i], p, 0, &d) && d == 7, "type %d", (int)none[i]);
}

static void names_are_distinct_and_sizes_known(void)
{
    for (int i = 0; i <= MLO_DT_GGML; i++)
        for (int k = 0; k < i; k++)
            check(strcmp(mlo_dtype_name((enum mlo_dtype)i), mlo_dtype_name((enum mlo_dtype)k)) != 0, "%d %d",
                  i, k);
    check_str(mlo_dtype_name(MLO_DT_F32), "float32");
    check_str(mlo_dtype_name(MLO_DT_BF16), "bfloat16");
    check_str(mlo_dtype_name((enum mlo_dtype)999), "unknown");
    check_int(mlo_dtype_bits(MLO_DT_F6_E2M3), 6);
    check_int(mlo_dtype_bits(MLO_DT_C128), 128);
    check_int(mlo_dtype_bits(MLO_DT_STRING), 0);
    check_int(mlo_dtype_bits((enum mlo_dtype) - 1), 0);
}

static void safetensors_names_go_both_ways(void)
{
    static const char *const names[] = {"BOOL",    "F4",      "F6_E2M3", "F6_E3M2",     "U8",          "I8",
                                        "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "I16",
                                        "U16",     "F16",     "BF16",    "I32",         "U32",         "F32",
                                        "C64",     "F64",     "I64",     "U64"};
    for (size_t i = 0; i < MLO_COUNT(names); i++) {
        enum mlo_dtype t = mlo_dtype_from_safetensors(names[i], strlen(names[i]));
        check(t != MLO_DT_UNKNOWN, "%s", names[i]);
        check_str(mlo_dtype_to_safetensors(t), names[i]);
        check_int(mlo_dtype_safetensors_rank(t), i);
    }
    check_int(mlo_dtype_from_safetensors("f32", 3), MLO_DT_UNKNOWN);
    check_int(mlo_dtype_from_safetensors("F3", 2), MLO_DT_UNKNOWN);
    check(mlo_dtype_to_safetensors(MLO_DT_C128) == NULL);
}

int main(void)
{
    run(integers_of_all_widths);
    run(sub_byte_integers_lie_low_bits_first);
    run(f16_and_bf16);
    run(f32_and_f64_need_no_alignment);
    run(f8_of_five_kinds);
    run(f4_and_f6_in_full);
    run(types_without_numbers_say_so);
    run(names_are_distinct_and_sizes_known);
    run(safetensors_names_go_both_ways);
    return done_testing();
}

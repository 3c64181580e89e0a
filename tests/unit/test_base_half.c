/* 16-bit and smaller floats: every pattern goes there and back, roundings at the ties. */
#include <math.h>
#include <string.h>

#include <mlopsctl/base/dtype.h>

#include "tap.h"

static uint16_t half(enum mlo_dtype t, float f)
{
    uint16_t h;
    mlo_floats_to_halves(t, &f, &h, 1);
    return h;
}

static float wide(enum mlo_dtype t, uint16_t h)
{
    float f;
    mlo_halves_to_floats(t, &h, &f, 1);
    return f;
}

static void every_pattern_there_and_back(void)
{
    for (enum mlo_dtype t = MLO_DT_F16; t <= MLO_DT_BF16; t++)
        for (unsigned h = 0; h <= 0xFFFF; h++) {
            double want;
            float f = wide(t, (uint16_t)h);
            if (!mlo_dtype_to_double(t, &(uint16_t){(uint16_t)h}, 0, &want) || isnan(want) != (isnan(f) != 0))
                check(false, "%s %04x", mlo_dtype_name(t), h);
            if (!isnan(f) && ((double)f != want || half(t, f) != h))
                check(false, "%s %04x: %g, %04x", mlo_dtype_name(t), h, (double)f, half(t, f));
        }
    check(isnan(wide(MLO_DT_F16, half(MLO_DT_F16, NAN))), "NaN stays NaN");
    check(isnan(wide(MLO_DT_BF16, half(MLO_DT_BF16, -NAN))), "NaN stays NaN");
}

static void halves_round_to_even(void)
{
    check_int(half(MLO_DT_F16, 1 + 0x1p-11F), 0x3C00);            /* a tie: down to even */
    check_int(half(MLO_DT_F16, 1 + 0x3p-11F), 0x3C02);            /* a tie: up to even */
    check_int(half(MLO_DT_F16, 1 + 0x1p-11F + 0x1p-23F), 0x3C01); /* above the tie */
    check_int(half(MLO_DT_F16, 65519.996F), 0x7BFF);              /* the largest that stays finite */
    check_int(half(MLO_DT_F16, 65520), 0x7C00);                   /* infinity */
    check_int(half(MLO_DT_F16, 0x1p-25F), 0);                     /* half of the least: to even */
    check_int(half(MLO_DT_F16, 0x1.000002p-25F), 1);
    check_int(half(MLO_DT_F16, -0.0F), 0x8000);
    check_int(half(MLO_DT_BF16, 1 + 0x1p-8F), 0x3F80);
    check_int(half(MLO_DT_BF16, 1 + 0x3p-8F), 0x3F82);
}

static void small_floats_there_and_back(void)
{
    static const enum mlo_dtype types[] = {MLO_DT_F8_E4M3, MLO_DT_F8_E4M3FNUZ, MLO_DT_F8_E5M2,
                                           MLO_DT_F8_E5M2FNUZ, MLO_DT_F4};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        for (unsigned v = 0; v < 1U << mlo_dtype_bits(types[i]); v++) {
            uint8_t byte = (uint8_t)v;
            double want;
            check(mlo_dtype_to_double(types[i], &byte, 0, &want), "%s", mlo_dtype_name(types[i]));
            if (!isnan(want) && mlo_dtype_from_float(types[i], (float)want, false) != v)
                check(false, "%s %02x: %02x", mlo_dtype_name(types[i]), v,
                      mlo_dtype_from_float(types[i], (float)want, false));
        }
}

static void small_floats_beyond_the_largest(void)
{
    check_int(mlo_dtype_from_float(MLO_DT_F8_E4M3, 1e9F, true), 0x7E);
    check_int(mlo_dtype_from_float(MLO_DT_F8_E4M3, -1e9F, false), 0xFF); /* there is no infinity: NaN */
    check_int(mlo_dtype_from_float(MLO_DT_F8_E5M2, 1e9F, false), 0x7C);
    check_int(mlo_dtype_from_float(MLO_DT_F8_E5M2, INFINITY, true), 0x7B);
    check_int(mlo_dtype_from_float(MLO_DT_F8_E4M3FNUZ, INFINITY, false), 0x80);
    check_int(mlo_dtype_from_float(MLO_DT_F8_E4M3FNUZ, -0.0F, true), 0);
    check_int(mlo_dtype_from_float(MLO_DT_F4, 100, false), 7);
    check_int(mlo_dtype_from_float(MLO_DT_F4, -2.5F, true), 0xC); /* a tie: to even */
}

int main(void)
{
    run(every_pattern_there_and_back);
    run(halves_round_to_even);
    run(small_floats_there_and_back);
    run(small_floats_beyond_the_largest);
    return done_testing();
}

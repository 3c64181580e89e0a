/* 16-bit floats: IEEE binary16 and bfloat16. */
#include <string.h>

#include <mlopsctl/base/dtype.h>

static uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static float float_of(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static float from_binary16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = h & 0x7FFF;
    if (rest >= 0x7C00) /* infinity, NaN */
        return float_of(sign | 0x7F800000 | (rest & 0x3FF) << 13);
    if (rest < 0x400) /* subnormal: counts of 2^-24 */
        return float_of(sign | bits_of((float)rest * 0x1p-24F));
    return float_of(sign | ((rest << 13) + ((127U - 15U) << 23)));
}

static uint16_t to_binary16(float f)
{
    uint32_t u = bits_of(f), sign = u >> 16 & 0x8000, rest = u & 0x7FFFFFFF;
    if (rest > 0x7F800000)
        return (uint16_t)(sign | 0x7E00);
    if (rest >= 0x477FF000) /* rounds to 65536 or more */
        return (uint16_t)(sign | 0x7C00);
    if (rest < 0x38800000) /* below 2^-14: adding 1/2 leaves counts of 2^-24, rounded, in the low bits */
        return (uint16_t)(sign | (bits_of(float_of(rest) + 0.5F) - 0x3F000000));
    rest += 0xFFF + (rest >> 13 & 1);
    return (uint16_t)(sign | (rest - ((127U - 15U) << 23)) >> 13);
}

static uint16_t to_bfloat16(float f)
{
    uint32_t u = bits_of(f);
    if ((u & 0x7FFFFFFF) > 0x7F800000)
        return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7FFF + (u >> 16 & 1)) >> 16);
}

void mlo_halves_to_floats(enum mlo_dtype t, const uint16_t *from, float *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = t == MLO_DT_F16 ? from_binary16(from[i]) : float_of((uint32_t)from[i] << 16);
}

void mlo_floats_to_halves(enum mlo_dtype t, const float *from, uint16_t *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = t == MLO_DT_F16 ? to_binary16(from[i]) : to_bfloat16(from[i]);
}

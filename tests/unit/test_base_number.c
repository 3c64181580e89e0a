/* Numbers as the shortest text that reads back the same. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/base/mem.h>
#include <mlopsctl/base/number.h>

#include "tap.h"

static void doubles_are_spelt_as_printf_would(void)
{
    static const struct {
        double v;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0, "-0"},
        {0.1, "0.1"},
        {100, "100"},
        {0.0001, "0.0001"},
        {0.00001, "1e-05"},
        {123456.789, "123456.789"},
        {1e14, "100000000000000"},
        {1e15, "1e+15"},
        {1234567890123456, "1234567890123456"},
        {12345678901234568, "12345678901234568"},
        {1e100, "1e+100"},
        {(double)9007199254740993, "9007199254740992"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {INFINITY, "inf"},
        {-INFINITY, "-inf"},
        {(double)NAN, "nan"},
    };
    char text[MLO_DOUBLE_TEXT];
    for (size_t i = 0; i < MLO_COUNT(cases); i++)
        check_str(mlo_double_text(cases[i].v, text), cases[i].text);
}

static void floats_take_fewer_digits(void)
{
    static const struct {
        float v;
        const char *text;
    } cases[] = {{0.1f, "0.1"},
                 {1.0f / 3, "0.33333334"},
                 {16777216, "16777216"},
                 {-1e10f, "-10000000000"},
                 {3.4028235e38f, "3.4028235e+38"},
                 {1e-45f, "1e-45"},
                 {1.1754944e-38f, "1.1754944e-38"},
                 {8388608, "8388608"},
                 {0.3f, "0.3"}};
    char text[MLO_FLOAT_TEXT];
    for (size_t i = 0; i < MLO_COUNT(cases); i++)
        check_str(mlo_float_text(cases[i].v, text), cases[i].text);
}

/* A walk over all exponents, with every kind of fraction. */
static void every_number_reads_back(void)
{
    uint64_t bits = 1;
    for (int i = 0; i < 200000; i++) {
        char text[MLO_DOUBLE_TEXT];
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        uint64_t b = i % 3 ? bits : bits & ~(uint64_t)0xffffffffff;
        uint32_t w = (uint32_t)(bits >> 32);
        double d;
        float f;
        memcpy(&d, &b, sizeof d);
        memcpy(&f, &w, sizeof f);
        if (isfinite(d) && strtod(mlo_double_text(d, text), NULL) < d)
            check(false, "%a becomes %s", d, text);
        if (isfinite(d) && strtod(text, NULL) > d)
            check(false, "%a becomes %s", d, text);
        if (isfinite(f) && memcmp(&f, &(float){strtof(mlo_float_text(f, text), NULL)}, sizeof f) != 0)
            check(false, "%a becomes %s", (double)f, text);
    }
}

static void whole_numbers(void)
{
    char text[MLO_DOUBLE_TEXT];
    text[mlo_i64_digits(INT64_MIN, text)] = '\0';
    check_str(text, "-9223372036854775808");
    text[mlo_i64_digits(INT64_MAX, text)] = '\0';
    check_str(text, "9223372036854775807");
    text[mlo_u64_digits(UINT64_MAX, text)] = '\0';
    check_str(text, "18446744073709551615");
    text[mlo_i64_digits(0, text)] = '\0';
    check_str(text, "0");
    text[mlo_i64_digits(-7, text)] = '\0';
    check_str(text, "-7");
}

int main(void)
{
    run(doubles_are_spelt_as_printf_would);
    run(floats_take_fewer_digits);
    run(every_number_reads_back);
    run(whole_numbers);
    return done_testing();
}

/*
 * The loops over bytes and numbers: every variant that this machine can run against the plain way. With a
 * number as argument, that many random cases of each kind instead of some thousand.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/stats.h>

#include <mlopsctl/base/decimal.h>
#include "../../src/table/delimit.h"
#include "tap.h"

static long rounds = 20000;
static uint64_t state = 20260;

static uint64_t random_below(uint64_t n)
{
    return mlo_random_next(&state) % n;
}

static bool same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

/* ---- decimal numbers ---- */

static void is_rounded_right(uint64_t mantissa, int exponent, long *undecided)
{
    char text[64];
    double got, want;
    snprintf(text, sizeof text, "%llue%d", (unsigned long long)mantissa, exponent);
    want = strtod(text, NULL);
    if (!mlo_decimal(mantissa, exponent, &got))
        ++*undecided;
    else if (!same_bits(got, want))
        check(false, "%s: %.17g, not %.17g", text, got, want);
}

static void decimals_are_rounded_as_strtod_does(void)
{
    long undecided = 0;
    for (long i = 0; i < rounds; i++) {
        uint64_t m = mlo_random_next(&state);
        is_rounded_right(m >> random_below(64), (int)random_below(129) - 64, &undecided);
        is_rounded_right(m >> random_below(12), -(int)random_below(20), &undecided);
    }
    /* Multiples of 5 over 10: exact, which cut-off powers cannot tell. */
    check(undecided < rounds / 50, "%ld of %ld undecided", undecided, 2 * rounds);
}

/* Odd numbers of 54 bits, and those over 2, 4, 8, 16, lie in the middle between two doubles; so nearly do
 * their neighbours. */
static void middles_go_to_even(void)
{
    long undecided = 0;
    for (long i = 0; i < rounds; i++) {
        uint64_t middle = mlo_random_next(&state) >> 10 | 1 | (uint64_t)1 << 53, times = 1;
        for (int k = 0; k <= 4; k++, times *= 5) {
            is_rounded_right(middle * times, -k, &undecided);
            is_rounded_right(middle * times + 1, -k, &undecided);
            is_rounded_right(middle * times - 1, -k, &undecided);
        }
    }
    check(undecided < 15 * rounds);
}

static void exponents_beyond_are_left_alone(void)
{
    double v = 7;
    check(!mlo_decimal(123456789012345678, 65, &v) && !mlo_decimal(UINT64_MAX, -65, &v) && v == 7);
    check(mlo_decimal(0, 400, &v) && same_bits(v, 0.0));
}

/* ---- numbers ---- */

static size_t random_number(char *to, size_t cap)
{
    double x = ldexp(mlo_random_unit(&state) - 0.5, (int)random_below(40) - 10);
    uint64_t whole = mlo_random_next(&state) >> random_below(64);
    switch (random_below(8)) {
    case 0:
        return (size_t)snprintf(to, cap, "%.17g", x);
    case 1:
        return (size_t)snprintf(to, cap, "%llu", (unsigned long long)whole);
    case 2:
        return (size_t)snprintf(to, cap, "%.*f", (int)random_below(25), x);
    case 3:
        return (size_t)snprintf(to, cap, "-%llu.", (unsigned long long)whole);
    case 4:
        return (size_t)snprintf(to, cap, ".%llu", (unsigned long long)whole);
    case 5:
        return (size_t)snprintf(to, cap, "%0*llu", (int)random_below(36), (unsigned long long)whole);
    default:
        return (size_t)snprintf(to, cap, "%.*g", (int)random_below(9) + 1, x);
    }
}

static size_t random_field(char *to, size_t cap)
{
    static const char *const odd[] = {"",      "-",     ".",   "-.",  "--1",  "1-",  "1.2.3",
                                      "1e5",   "1e999", "nan", "inf", "-inf", "abc", "\"1\"",
                                      "1,5\r", "0x10",  "1 2", "/",   ":",    "-0"};
    if (random_below(5) > 0)
        return random_number(to, cap);
    return (size_t)snprintf(to, cap, "%s", odd[random_below(MLO_COUNT(odd))]);
}

/* [-] digits [. digits]: what must be read by the fast way when it has few enough of them. */
static bool is_plain(const char *s, size_t n)
{
    size_t sign = n > 0 && s[0] == '-', digits = 0, points = 0;
    for (size_t i = sign; i < n; i++) {
        digits += s[i] >= '0' && s[i] <= '9';
        points += s[i] == '.';
    }
    return digits > 0 && points <= 1 && sign + digits + points == n;
}

static void check_field(const char *kernel, const char *text, size_t n, bool read, double got)
{
    char copy[64];
    memcpy(copy, text, n);
    copy[n] = '\0';
    if (read && !same_bits(got, strtod(copy, NULL)))
        check(false, "%s: '%s' is %.17g", kernel, copy, got);
    if (!read && n <= 16 && is_plain(copy, n) && fabs(strtod(copy, NULL)) < 1e15)
        check(false, "%s: '%s' was not read", kernel, copy);
}

static void check_fields(const struct mlo_kernels *k, const char *text, const uint32_t *bounds)
{
    double v[1][MLO_NUMBERS_STEP] = {0};
    uint8_t read[1];
    k->numbers(text, bounds, 0, 1, v, read);
    for (size_t i = 0; i < MLO_NUMBERS_STEP; i++)
        check_field(k->name, text + (uint32_t)(bounds[i] + 1), bounds[i + 1] - bounds[i] - 1,
                    read[0] >> i & 1, v[0][i]);
}

static void numbers_are_read_as_strtod_does(void)
{
    char text[MLO_NUMBERS_BEFORE + 64 * MLO_NUMBERS_STEP];
    uint32_t bounds[MLO_NUMBERS_STEP + 1];
    for (long i = 0; i < rounds; i++) {
        size_t at = MLO_NUMBERS_BEFORE;
        memset(text, '7', at); /* digits of the field before must not count */
        bounds[0] = (uint32_t)at;
        text[at++] = ',';
        for (size_t f = 0; f < MLO_NUMBERS_STEP; f++) {
            at += random_field(text + at, 48);
            bounds[f + 1] = (uint32_t)at;
            text[at++] = ',';
        }
        for (size_t k = 0; mlo_kernels[k]; k++)
            if (mlo_kernels[k]->usable())
                check_fields(mlo_kernels[k], text, bounds);
    }
}

/* ---- stops ---- */

#define TEXT_MAX ((size_t)400)

static size_t random_text(char *to, bool quotes)
{
    static const char bytes[] = "ab,,,\n\r\"\"\xff";
    size_t n = (size_t)random_below(TEXT_MAX);
    for (size_t i = 0; i < n; i++)
        do
            to[i] = bytes[random_below(sizeof bytes - 1)];
        while (to[i] == '"' && !quotes);
    memset(to + n, random_below(2) ? '"' : ',', MLO_STOPS_STEP); /* what lies behind must not count */
    return n;
}

static void variants_find_the_same_stops(void)
{
    char text[TEXT_MAX + MLO_STOPS_STEP];
    uint32_t want_at[TEXT_MAX + MLO_STOPS_STEP], got_at[TEXT_MAX + MLO_STOPS_STEP];
    size_t plain = 0;
    while (mlo_kernels[plain + 1])
        plain++;
    for (long i = 0; i < rounds; i++) {
        size_t n = random_text(text, i % 2);
        struct mlo_stops want = {.at = want_at, .before = 1};
        mlo_kernels[plain]->stops(&want, text, n, ',');
        for (size_t k = 0; k < plain; k++) {
            struct mlo_stops got = {.at = got_at, .before = 1};
            if (!mlo_kernels[k]->usable())
                continue;
            mlo_kernels[k]->stops(&got, text, n, ',');
            check(got.n == want.n && got.newlines == want.newlines && got.odd == want.odd &&
                      got.inside == want.inside && memcmp(got_at, want_at, want.n * sizeof *want_at) == 0,
                  "%s, %zu bytes", mlo_kernels[k]->name, n);
        }
    }
}

/* ---- fields: the regular way against the way for any text ---- */

static void find_nothing(struct mlo_stops *s, const char *text, size_t n, char separator)
{
    (void)text;
    (void)n;
    (void)separator;
    s->odd = true;
}

static void ignore(void *ctx, uint64_t line, size_t fields)
{
    (void)line;
    (void)fields;
    ++*(size_t *)ctx;
}

/* Rows of three fields, quoted here and there; now and then one that is ragged, blank or has an odd quote. */
static size_t random_rows(char *to, size_t rows, bool odd)
{
    static const char *const fields[] = {"",     "a",        "12.5", "\"q\"", "\"a,b\"", "\"say \"\"x\"\"\"",
                                         "\"\"", "long text"};
    static const char *const oddities[] = {
        "\n", "a\n", "1,2\n", "a\"b,c,d\n", "\"x\ny\",2,3\n", "1,2,3,4\n", "\"a\"b\"c\",2,3\n"};
    size_t at = 0;
    for (size_t r = 0; r < rows; r++) {
        if (odd && random_below(10) == 0)
            at += (size_t)sprintf(to + at, "%s", oddities[random_below(MLO_COUNT(oddities))]);
        for (size_t f = 0; f < 3; f++)
            at += (size_t)sprintf(to + at, "%s%s", fields[random_below(MLO_COUNT(fields))],
                                  f < 2             ? ","
                                  : random_below(2) ? "\n"
                                                    : "\r\n");
    }
    return at;
}

static void check_same_fields(const struct mlo_fields *a, const struct mlo_fields *b, const char *name)
{
    bool same = a->n_rows == b->n_rows;
    for (size_t r = 0; same && r < a->n_rows; r++) {
        same = a->lines[r] == b->lines[r];
        for (size_t f = 0; same && f < 3; f++)
            same = mlo_field_start(a, r, f) == mlo_field_start(b, r, f) &&
                   mlo_field_end(a, r, f) == mlo_field_end(b, r, f);
    }
    check(same, "%s", name);
}

static void regular_and_any_text_have_the_same_fields(void)
{
    const struct mlo_kernels never = {.name = "never regular", .stops = find_nothing};
    char text[20 * 128 + MLO_STOPS_STEP];
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_fields want = {0}, got = {0};
    size_t ragged[2], regular = 0;
    for (long i = 0; i < rounds; i++) {
        size_t n = random_rows(text, 1 + (size_t)random_below(20), i % 3 == 0);
        ragged[0] = ragged[1] = 0;
        check_ok(mlo_fields_find(&want, &never, text, n, ',', 3, ignore, &ragged[0], &err), &err);
        for (size_t k = 0; mlo_kernels[k]; k++) {
            if (!mlo_kernels[k]->usable())
                continue;
            ragged[1] = 0;
            check_ok(mlo_fields_find(&got, mlo_kernels[k], text, n, ',', 3, ignore, &ragged[1], &err), &err);
            check_same_fields(&got, &want, mlo_kernels[k]->name);
            check_int(ragged[1], ragged[0]);
            regular += got.stride == 3;
        }
    }
    check(regular > 0);
    mlo_fields_release(&want);
    mlo_fields_release(&got);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        rounds = atol(argv[1]);
    run(decimals_are_rounded_as_strtod_does);
    run(middles_go_to_even);
    run(exponents_beyond_are_left_alone);
    run(numbers_are_read_as_strtod_does);
    run(variants_find_the_same_stops);
    run(regular_and_any_text_have_the_same_fields);
    return done_testing();
}

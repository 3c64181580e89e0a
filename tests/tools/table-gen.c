/*
 * Writes a CSV file for the benchmarks: ROWS rows of NUMBERS number and TEXTS category columns, from SEED.
 * Numbers are written as Python and pandas write them: mostly 4 to 9 digits, one column of ten with all 16
 * or 17.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/stats.h>

#define KINDS 10

static double normal(uint64_t *state)
{
    double u = 1 - mlo_random_unit(state), v = mlo_random_unit(state);
    return sqrt(-2 * log(u)) * cos(2 * acos(-1.0) * v);
}

/* The shortest text that reads back as the same number. */
static void put_whole(double x)
{
    char text[32];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x)
            break;
    }
    fputs(text, stdout);
}

static void put_rounded(double x, int places)
{
    char text[64];
    int n = snprintf(text, sizeof text, "%.*f", places, x);
    while (n > 2 && text[n - 1] == '0' && text[n - 2] != '.')
        n--;
    fwrite(text, 1, (size_t)n, stdout);
}

static void put_number(uint64_t *state, unsigned column)
{
    switch (column % KINDS) {
    case 0:
        put_whole(normal(state));
        break;
    case 1:
        put_rounded(floor(exp(normal(state)) * 1000), 1); /* a count in a column of floats */
        break;
    case 2:
    case 3:
        put_rounded(exp(normal(state)) * 300, 2); /* an amount */
        break;
    case 4:
        put_rounded(mlo_random_unit(state), 6); /* a share */
        break;
    case 5:
        if (mlo_random_unit(state) < 0.98) /* else missing */
            put_rounded(normal(state), 4);
        break;
    default:
        put_rounded(normal(state) * 20 + 5 * (column % KINDS), 4);
    }
}

static void put_text(uint64_t *state, unsigned column)
{
    double u = mlo_random_unit(state);
    unsigned sizes[] = {2, 5, 12, 50, 300};
    printf("%c-%03u", (int)('a' + column % 26), (unsigned)(u * u * sizes[column % 5]));
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fputs("usage: table-gen ROWS NUMBERS TEXTS SEED\n", stderr);
        return 2;
    }
    long rows = atol(argv[1]);
    unsigned numbers = (unsigned)atoi(argv[2]), columns = numbers + (unsigned)atoi(argv[3]);
    uint64_t state = (uint64_t)atoll(argv[4]);
    for (unsigned c = 0; c < columns; c++)
        printf("%s%c%u", c ? "," : "", c < numbers ? 'x' : 'c', c);
    putchar('\n');
    for (long r = 0; r < rows; r++)
        for (unsigned c = 0; c < columns; c++) {
            if (c < numbers)
                put_number(&state, c);
            else
                put_text(&state, c - numbers);
            putchar(c + 1 < columns ? ',' : '\n');
        }
    return fflush(stdout) != 0 || ferror(stdout);
}

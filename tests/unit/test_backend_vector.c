/* Functions of many floats: beside long double over all magnitudes, special values, every length of tail. */
#include "tap.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/backend/cpu/vector.h"

#define STEP  4099u /* between the bit patterns that are tried */
#define CHUNK 1021  /* not a multiple of any vector */

typedef void map_fn(const float *x, float *y, size_t n);

static float from_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

/* |got - want| in units of the last place of want as a float. */
static double ulps(float got, long double want)
{
    if (isnan(want) || isinf((float)want) || isinf(got))
        return isnan(want)                                       ? !isnan(got)
               : got == (float)want                              ? 0
               : fabsl(want) > (long double)FLT_MAX * 0.9999999L ? 0
                                                                 : 1e9;
    int e;
    frexpl(want, &e);
    e = want == 0 || e < -125 ? -125 : e;
    return (double)(fabsl((long double)got - want) / ldexpl(1, e - 24));
}

static long double sigmoid_true(long double x)
{
    return 1 / (1 + expl(-x));
}

struct accuracy {
    const char *name;
    long double (*truth)(long double x);
    double bound; /* ulp */
};

static map_fn *map_of(const struct mlo_vector *v, unsigned i)
{
    map_fn *const maps[] = {v->exp, v->erf, v->tanh, v->sigmoid};
    return maps[i];
}

static const struct accuracy functions[] = {
    {"exp", expl, 1}, {"erf", erfl, 1.2}, {"tanh", tanhl, 1.4}, {"sigmoid", sigmoid_true, 2.9}};

static void compare(const struct accuracy *f, unsigned i, const float *x, const long double *want, size_t n,
                    double worst[MLO_VECTOR_KINDS])
{
    float y[CHUNK];
    for (int k = 0; k < MLO_VECTOR_KINDS; k++) {
        const struct mlo_vector *v = mlo_vector_of((enum mlo_vector_kind)k);
        if (!v)
            continue;
        map_of(v, i)(x, y, n);
        for (size_t j = 0; j < n; j++) {
            double u = ulps(y[j], want[j]);
            if (u > f->bound && worst[k] <= f->bound)
                check(false, "%s kind %d of %a is %a, not %La (%g ulp)", f->name, k, (double)x[j],
                      (double)y[j], want[j], u);
            worst[k] = u > worst[k] ? u : worst[k];
        }
    }
}

/* Bit patterns in steps when `spread` is 0, else numbers within +-spread. */
static void sweep(unsigned i, float spread, double worst[MLO_VECTOR_KINDS])
{
    const struct accuracy *f = &functions[i];
    float x[CHUNK];
    long double want[CHUNK];
    size_t n = 0;
    for (uint64_t u = 0; u <= UINT32_MAX; u += STEP) {
        x[n] = spread > 0 ? spread * ((float)u / 0x1p31F - 1) : from_bits((uint32_t)u);
        want[n] = f->truth((long double)x[n]);
        if (++n == CHUNK) {
            compare(f, i, x, want, n, worst);
            n = 0;
        }
    }
    compare(f, i, x, want, n, worst);
}

static void functions_are_near_the_truth(void)
{
    for (unsigned i = 0; i < sizeof functions / sizeof *functions; i++) {
        double worst[MLO_VECTOR_KINDS] = {0};
        sweep(i, 0, worst);
        sweep(i, 110, worst);
        sweep(i, 4, worst);
        printf("# %s: plain %.3f, AVX2 %.3f, AVX-512 %.3f ulp\n", functions[i].name, worst[0], worst[1],
               worst[2]);
    }
}

static long double gelu_true(long double x)
{
    return x / 2 * erfcl(-x * sqrtl(0.5L));
}

static long double gelu_tanh_true(long double x)
{
    return x / (1 + expl(-2 * sqrtl(2 / acosl(-1)) * (x + 0.044715L * x * x * x)));
}

static void gelu_errs_by_little_of_its_input(void)
{
    for (int k = 0; k < MLO_VECTOR_KINDS; k++) {
        const struct mlo_vector *v = mlo_vector_of((enum mlo_vector_kind)k);
        double worst[2] = {0};
        for (float x = -20; v && x < 20; x += 0x1.2p-12F) {
            float y[2];
            v->gelu(&x, &y[0], 1);
            v->gelu_tanh(&x, &y[1], 1);
            double off[2] = {fabs((double)((long double)y[0] - gelu_true((long double)x))),
                             fabs((double)((long double)y[1] - gelu_tanh_true((long double)x)))};
            for (unsigned i = 0; i < 2; i++)
                worst[i] = fmax(worst[i], x == 0 ? 0 : off[i] / fabs((double)x));
        }
        printf("# kind %d: %.3g and %.3g of |x|\n", k, worst[0], worst[1]);
        check(worst[0] <= 1.3e-7 && worst[1] <= 1.3e-7, "kind %d: %g and %g of |x|", k, worst[0], worst[1]);
    }
}

static bool same(float a, float b)
{
    return isnan(a) ? isnan(b) : memcmp(&a, &b, sizeof a) == 0;
}

static void special_values_keep_their_meaning(void)
{
    const float inf = INFINITY, x[] = {NAN, inf, -inf, 0, -0.0F, 200, -200, 0x1p-149F, -0x1p-149F};
    const float want[4][9] = {{NAN, inf, 0, 1, 1, inf, 0, 1, 1},
                              {NAN, 1, -1, 0, -0.0F, 1, -1, 0x1p-149F, -0x1p-149F},
                              {NAN, 1, -1, 0, -0.0F, 1, -1, 0x1p-149F, -0x1p-149F},
                              {NAN, 1, 0, 0.5F, 0.5F, 1, 0, 0.5F, 0.5F}};
    for (int k = 0; k < MLO_VECTOR_KINDS; k++)
        for (unsigned i = 0; mlo_vector_of((enum mlo_vector_kind)k) && i < 4; i++) {
            float y[9];
            map_of(mlo_vector_of((enum mlo_vector_kind)k), i)(x, y, 9);
            for (unsigned j = 0; j < 9; j++)
                check(same(y[j], want[i][j]), "%s kind %d of %g is %g", functions[i].name, k, (double)x[j],
                      (double)y[j]);
        }
}

#define MOST 200

/* Of each length: nothing is written behind the row. */
static void softmax_of_every_length(void)
{
    for (int k = 0; k < MLO_VECTOR_KINDS; k++)
        for (size_t n = 1; mlo_vector_of((enum mlo_vector_kind)k) && n < MOST; n++) {
            float x[MOST], y[MOST + 1];
            double sum = 0, worst = 0;
            for (size_t i = 0; i < n; i++) {
                x[i] = (float)((double)(i * 37 % 101) / 7 - 5);
                sum += exp((double)x[i]);
            }
            y[n] = 42;
            mlo_vector_of((enum mlo_vector_kind)k)->softmax(x, y, n);
            for (size_t i = 0; i < n; i++) {
                double want = exp((double)x[i]) / sum;
                worst = fmax(worst, fabs((double)y[i] - want) / want);
            }
            check(worst < 1e-6 && y[n] == 42, "kind %d, %zu long: %g", k, n, worst);
        }
}

static void softmax_of_nothing_is_nan(void)
{
    const float rows[3][3] = {{1, NAN, 2}, {-INFINITY, -INFINITY, -INFINITY}, {-INFINITY, 3, -INFINITY}};
    for (int k = 0; k < MLO_VECTOR_KINDS; k++) {
        const struct mlo_vector *v = mlo_vector_of((enum mlo_vector_kind)k);
        float y[3];
        for (unsigned r = 0; v && r < 3; r++) {
            v->softmax(rows[r], y, 3);
            check(r < 2 ? isnan(y[0]) && isnan(y[2]) : y[0] == 0 && y[1] == 1 && y[2] == 0, "row %u", r);
        }
    }
}

static double off_normal(const struct mlo_normalize *p, const float *x, const float *y)
{
    double mean = 0, squares = 0, worst = 0;
    for (size_t i = 0; i < p->n; i++)
        mean += p->centred ? (double)x[i] / (double)p->n : 0;
    for (size_t i = 0; i < p->n; i++)
        squares += ((double)x[i] - mean) * ((double)x[i] - mean) / (double)p->n;
    for (size_t i = 0; i < p->n; i++) {
        double want = ((double)x[i] - mean) / sqrt(squares + (double)p->epsilon);
        want = want * (p->scale ? (double)p->scale[i] : 1) + (p->bias ? (double)p->bias[i] : 0);
        worst = fmax(worst, fabs((double)y[i] - want));
    }
    return worst;
}

static void rows_are_normalized(void)
{
    enum { N = 2100 };
    static float x[2 * N], plus[2 * N], sum[2 * N], y[2 * N], scale[N], bias[N];
    for (size_t i = 0; i < 2 * N; i++) {
        x[i] = (float)(100 + (double)(i * 7919 % 1009) / 100);
        plus[i] = (float)((double)(i * 31 % 97) / 10);
        scale[i % N] = (float)(1 + (double)(i % 5));
        bias[i % N] = (float)(i % 3);
    }
    for (unsigned how = 0; how < 8 * MLO_VECTOR_KINDS; how++) {
        const struct mlo_vector *v = mlo_vector_of((enum mlo_vector_kind)(how / 8));
        for (size_t n = 1; v && n < N; n = n < 40 ? n + 1 : n * 3 - 1) {
            struct mlo_normalize p = {.rows = 2,
                                      .n = n,
                                      .x = x,
                                      .plus = how & 1 ? plus : NULL,
                                      .scale = how & 2 ? scale : NULL,
                                      .bias = how & 2 ? bias : NULL,
                                      .epsilon = 1e-5F,
                                      .centred = how & 4,
                                      .y = y,
                                      .sum = how & 1 ? sum : NULL};
            v->normalize(&p);
            const float *from = how & 1 ? sum : x;
            double off = fmax(off_normal(&p, from, y), off_normal(&p, from + n, y + n));
            check(off < 1e-4, "how %u, %zu long: %g", how, n, off);
        }
    }
}

static void bytes_are_rounded_to_even(void)
{
    const float x[] = {0,         0.25F, 0.75F, 1.25F, -0.25F, -0.75F, 1e30F, -1e30F, INFINITY,
                       -INFINITY, NAN,   127,   -63,   62.74F, 5,      5.2F,  9};
    enum { N = sizeof x / sizeof *x };
    const uint8_t want[2][N] = {{128, 128, 130, 130, 128, 126, 255, 0, 255, 0, 0, 255, 2, 253, 138, 138, 146},
                                {1, 1, 3, 3, 1, 255, 7, 248, 7, 248, 0, 7, 248, 7, 7, 7, 7}};
    const float zeros[2] = {128, 1}, low[2] = {0, -8}, high[2] = {255, 7}; /* bytes; half bytes with a sign */
    float scales[N], each[N];
    for (int k = 0; k < 4 * MLO_VECTOR_KINDS; k++) {
        const struct mlo_vector *v = mlo_vector_of((enum mlo_vector_kind)(k / 4));
        unsigned form = k % 2;
        uint8_t y[N + 1] = {[N] = 42};
        for (unsigned i = 0; i < N; i++) {
            scales[i] = 0.5F;
            each[i] = zeros[form];
        }
        if (!v)
            continue;
        v->quantize(&(const struct mlo_quantize){x, y, N, scales, each, k % 4 >= 2, low[form], high[form]});
        for (unsigned i = 0; i < N; i++)
            check(y[i] == want[form][i], "case %d of %g is %u", k, (double)x[i], y[i]);
        check_int(y[N], 42);
    }
}

static void extremes_are_found(void)
{
    const float x[] = {NAN, 127, -63, 62.74F, 5, 5.2F, 9};
    for (int k = 0; k < MLO_VECTOR_KINDS; k++) {
        const struct mlo_vector *v = mlo_vector_of((enum mlo_vector_kind)k);
        float least, most;
        if (!v)
            continue;
        v->extremes(x, 7, &least, &most);
        check(least == -63 && most == 127, "extremes %g and %g", (double)least, (double)most);
        v->extremes(x + 4, 3, &least, &most);
        check(least == 0 && most == 9, "with 0: %g and %g", (double)least, (double)most);
    }
}

int main(void)
{
    run(functions_are_near_the_truth);
    run(gelu_errs_by_little_of_its_input);
    run(special_values_keep_their_meaning);
    run(softmax_of_every_length);
    run(softmax_of_nothing_is_nan);
    run(rows_are_normalized);
    run(bytes_are_rounded_to_even);
    run(extremes_are_found);
    return done_testing();
}

/* Dense layers of every kind of machine against sums in double precision: odd sizes, strides, zeros, NaN. */
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/base/mem.h>

#include "../../src/backend/cpu/dense.h"

#define MOST ((size_t)400 * 130)

static float x[MOST], w[MOST], bias[400], y[MOST];
static unsigned state = 1;

static unsigned draw(unsigned n)
{
    state = state * 1103515245U + 12345U;
    return (state >> 16) % n;
}

static void fill(float *v, size_t n, unsigned zeros)
{
    for (size_t i = 0; i < n; i++)
        v[i] = draw(8) < zeros ? 0 : ((float)draw(2001) - 1000) / 500;
}

static double bent(const struct mlo_activation *a, double v)
{
    switch (a->kind) {
    case MLO_ACTIVATION_RELU:
        return v < 0 ? 0 : v;
    case MLO_ACTIVATION_LEAKY_RELU:
        return v < 0 ? (double)a->a * v : v;
    case MLO_ACTIVATION_CLIP:
        return v < (double)a->a ? (double)a->a : v > (double)a->b ? (double)a->b : v;
    case MLO_ACTIVATION_SIGMOID:
        return 1 / (1 + exp(-v));
    case MLO_ACTIVATION_TANH:
        return tanh(v);
    case MLO_ACTIVATION_GELU:
        return v / 2 * (1 + erf(v * M_SQRT1_2));
    case MLO_ACTIVATION_GELU_TANH:
        return v / 2 * (1 + tanh(M_2_SQRTPI * M_SQRT1_2 * (v + 0.044715 * v * v * v)));
    case MLO_ACTIVATION_NONE:
        break;
    }
    return v;
}

/* The bound of a sum of k products of floats, and some units in the last place of the activation. */
static void compare(const struct mlo_dense_weights *f, size_t m)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < f->n; j++) {
            double sum = f->bias ? (double)f->beta * (double)f->bias[j * f->bias_step] : 0, size = fabs(sum);
            for (size_t k = 0; k < f->k; k++) {
                double p = (double)f->alpha * (double)x[i * f->k + k] *
                           (double)f->w[k * f->w_row + j * f->w_col];
                sum += p;
                size += fabs(p);
            }
            double want = bent(&f->activation, sum), got = (double)y[i * f->n + j];
            double most = 1e-6 * fabs(want) + (double)(f->k + 4) * 0x1p-23 * size;
            if (!check(fabs(got - want) <= most, "%zu x %zu x %zu, %zu %zu: %g, not %g", m, f->k, f->n, i, j,
                       got, want))
                return;
        }
}

/* What is unpacked is what was packed, turned, with alpha and beta in it. */
static void try_unpacking(const struct mlo_dense *d, const struct mlo_dense_weights *f)
{
    static float own_w[MOST], own_bias[400];
    mlo_dense_unpack(d, own_w, own_bias);
    for (size_t j = 0; j < f->n; j++) {
        bool same = own_bias[j] == (f->bias ? f->beta * f->bias[j * f->bias_step] : 0);
        for (size_t k = 0; k < f->k; k++)
            same = same && own_w[j * f->k + k] == f->alpha * f->w[k * f->w_row + j * f->w_col];
        if (!check(same, "column %zu of %zu x %zu", j, f->k, f->n))
            return;
    }
}

/* Groups of columns one by one make the same numbers, bit by bit. */
static void try_columns(const struct mlo_dense *d, size_t m, size_t n)
{
    static float parts[sizeof y / sizeof *y];
    size_t groups = mlo_dense_columns(d);
    for (size_t i = groups; i-- > 0;)
        mlo_dense_run_columns(d, x, m, parts, i, i + 1);
    check(memcmp(parts, y, m * n * sizeof *y) == 0, "%zu groups of %zu x %zu", groups, m, n);
}

static void try_one(const struct mlo_dense_kernels *kernels, struct mlo_dense_weights f, size_t m)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_dense *d = NULL;
    check_ok(mlo_dense_make(&f, kernels, &d, &err), &err);
    y[m * f.n] = 7;
    mlo_dense_run(d, x, m, y);
    check(y[m * f.n] == 7, "written behind the end");
    compare(&f, m);
    try_columns(d, m, f.n);
    try_unpacking(d, &f);
    mlo_dense_free(d);
}

static struct mlo_dense_weights weights(size_t k, size_t n)
{
    bool flip = draw(2);
    fill(w, k * n, 0);
    fill(bias, n, 0);
    return (struct mlo_dense_weights){.k = k,
                                      .n = n,
                                      .w = w,
                                      .w_row = flip ? 1 : n,
                                      .w_col = flip ? k : 1,
                                      .alpha = draw(2) ? 1 : 0.5F,
                                      .bias = draw(4) ? bias : NULL,
                                      .bias_step = draw(2),
                                      .beta = 2,
                                      .activation = {(enum mlo_activation_kind)draw(8), -0.25F, 0.5F}};
}

static void each_kind(void (*fn)(const struct mlo_dense_kernels *kernels))
{
    for (int kind = 0; kind < MLO_VECTOR_KINDS; kind++) {
        const struct mlo_dense_kernels *kernels = mlo_dense_kernels_of((enum mlo_vector_kind)kind);
        if (kernels)
            fn(kernels);
    }
}

static void try_sizes(const struct mlo_dense_kernels *kernels)
{
    static const size_t ks[] = {1, 2, 3, 5, 15, 16, 17, 31, 64, 129},
                        ns[] = {1,  2,  3,  4,  5,  7,  8,  9,  15, 16, 17,
                                31, 32, 33, 47, 48, 63, 64, 65, 96, 97, 130};
    for (size_t a = 0; a < MLO_COUNT(ks); a++)
        for (size_t b = 0; b < MLO_COUNT(ns); b++)
            for (unsigned zeros = 0; zeros <= 8; zeros += 4) {
                size_t m = 1 + draw(3) * draw(14);
                fill(x, m * ks[a], zeros);
                try_one(kernels, weights(ks[a], ns[b]), m);
            }
}

static void odd_sizes_are_right(void)
{
    each_kind(try_sizes);
}

/* More rows than stay in the second cache, and each height of a tile. */
static void try_rows(const struct mlo_dense_kernels *kernels)
{
    for (size_t m = 1; m <= 26; m++) {
        fill(x, m * 33, 0);
        try_one(kernels, weights(33, 37), m);
    }
    fill(x, 350 * 130, 2);
    try_one(kernels, weights(130, 50), 350);
}

static void any_number_of_rows(void)
{
    each_kind(try_rows);
}

/* 0 times infinity is NaN: zeros of a row count when the weights are not finite. */
static void try_infinite(const struct mlo_dense_kernels *kernels)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_dense *d = NULL;
    for (size_t n = 1; n <= 70; n += 23) {
        memset(x, 0, 40 * sizeof *x);
        fill(w, 40 * n, 0);
        w[20 * n] = INFINITY;
        struct mlo_dense_weights f = {.k = 40, .n = n, .w = w, .w_row = n, .w_col = 1, .alpha = 1};
        check_ok(mlo_dense_make(&f, kernels, &d, &err), &err);
        mlo_dense_run(d, x, 1, y);
        check(isnan(y[0]), "%zu columns: %g", n, (double)y[0]);
        mlo_dense_free(d);
        w[20 * n] = 1;
        x[3] = NAN;
        check_ok(mlo_dense_make(&f, kernels, &d, &err), &err);
        mlo_dense_run(d, x, 1, y);
        check(isnan(y[0]) && isnan(y[n - 1]), "%zu columns: NaN goes through", n);
        mlo_dense_free(d);
    }
}

static void infinite_weights_and_nan(void)
{
    each_kind(try_infinite);
}

/* b of any strides, results in wider rows. */
static void try_products(const struct mlo_dense_kernels *kernels)
{
    for (unsigned round = 0; round < 150; round++) {
        size_t m = 1 + draw(60), n = 1 + draw(80), k = 1 + draw(draw(2) ? 40 : 600), c_row = n + draw(3);
        struct mlo_dense_weights f = {.k = k, .n = n, .w = w, .alpha = 1};
        bool flip = draw(2);
        f.w_row = flip ? 1 : n;
        f.w_col = flip ? k : 1;
        fill(x, m * k, 1);
        fill(w, k * n, 0);
        for (size_t i = 0; i < m * c_row; i++)
            y[i] = 7;
        struct mlo_matmul p = {m, n, k, x, w, y, k, 1, f.w_row, f.w_col, c_row};
        mlo_matmul_panels(kernels, &p);
        for (size_t i = 0; i < m; i++) {
            for (size_t j = n; j < c_row; j++)
                check(y[i * c_row + j] == 7, "written behind the end of a row");
            memmove(y + i * n, y + i * c_row, n * sizeof *y);
        }
        compare(&f, m);
    }
}

static void products_of_any_matrices(void)
{
    each_kind(try_products);
}

static int make_one(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_dense *d = NULL;
    struct mlo_dense_weights f = weights(5, 7);
    int rc = mlo_dense_new(&f, &d, &err);
    mlo_dense_free(d);
    return rc;
}

static void memory_failures_are_errors(void)
{
    each_alloc_failure(make_one);
}

int main(void)
{
    run(odd_sizes_are_right);
    run(any_number_of_rows);
    run(infinite_weights_and_nan);
    run(products_of_any_matrices);
    run(memory_failures_are_errors);
    return done_testing();
}

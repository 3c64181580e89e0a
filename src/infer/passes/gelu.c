/*
 * GELU as exporters take it apart: x/2 (1 + erf(x / sqrt 2)), its factors in any order, and the form with
 * x/2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).
 */
#include "infer/ops/block.h"
#include "fuse.h"

#include <math.h>

struct gelu {
    struct mlo_gelu_params p;
    size_t steps[9], n;
    size_t x; /* its value */
};

static void take(struct gelu *g, size_t at)
{
    g->steps[g->n++] = at;
}

/* The step is this operator, one of its inputs is that constant; *ret: the other input. */
static bool with_number(const struct mlo_fuse *f, size_t at, const char *op, double number, size_t *ret)
{
    float v;
    if (!mlo_fuse_is(f, at, op))
        return false;
    for (size_t i = 0; i < 2; i++)
        if (mlo_fuse_float(f, at, i, &v) && fabs((double)v - number) <= 1e-6 * number) {
            *ret = mlo_fuse_input(f, at, 1 - i);
            return true;
        }
    return false;
}

static bool is_root(const struct mlo_fuse *f, size_t at, size_t *ret)
{
    float v;
    if (mlo_fuse_is(f, at, "Div") && mlo_fuse_float(f, at, 1, &v) && fabs((double)v - M_SQRT2) <= 1e-6) {
        *ret = mlo_fuse_input(f, at, 0);
        return true;
    }
    return with_number(f, at, "Mul", M_SQRT1_2, ret);
}

/* Erf(x / sqrt 2) */
static bool begin_erf(const struct mlo_fuse *f, size_t at, struct gelu *g)
{
    size_t inner = mlo_fuse_maker(f, at, 0);
    if (!mlo_fuse_is(f, at, "Erf") || !is_root(f, inner, &g->x))
        return false;
    take(g, inner);
    take(g, at);
    return true;
}

/* Tanh(c (x + 0.044715 Pow(x, 3))) */
static bool begin_tanh(const struct mlo_fuse *f, size_t at, struct gelu *g)
{
    size_t times = mlo_fuse_maker(f, at, 0), sum, cube, power;
    float three;
    if (!mlo_fuse_is(f, at, "Tanh") || !with_number(f, times, "Mul", M_2_SQRTPI * M_SQRT1_2, &sum))
        return false;
    size_t add = f->maker[sum];
    for (size_t i = 0; i < 2; i++) {
        size_t term = mlo_fuse_is(f, add, "Add") ? mlo_fuse_maker(f, add, i) : MLO_NO_STEP;
        if (!with_number(f, term, "Mul", 0.044715, &cube))
            continue;
        power = f->maker[cube];
        g->x = mlo_fuse_input(f, add, 1 - i);
        if (!mlo_fuse_is(f, power, "Pow") || mlo_fuse_input(f, power, 0) != g->x ||
            !mlo_fuse_float(f, power, 1, &three) || three != 3)
            continue;
        const size_t all[] = {power, term, add, times, at};
        for (size_t k = 0; k < MLO_COUNT(all); k++)
            take(g, all[k]);
        g->p.tanh = true;
        return true;
    }
    return false;
}

/* From 1 + erf(...), made by `plus`: times x and 1/2, in any order. *ret: the last step. */
static bool end(const struct mlo_fuse *f, size_t plus, struct gelu *g, size_t *ret)
{
    size_t sum = f->g->steps[plus].out[0], first = mlo_fuse_only_user(f, plus), rest;
    if (!mlo_fuse_is(f, first, "Mul"))
        return false;
    size_t other = mlo_fuse_other(f, first, sum);
    take(g, first);
    *ret = first;
    if (other == MLO_NO_VALUE)
        return false;
    if (with_number(f, f->maker[other], "Mul", 0.5, &rest) && rest == g->x) { /* (x/2) (1 + erf) */
        take(g, f->maker[other]);
        return true;
    }
    size_t last = *ret = mlo_fuse_only_user(f, first), product = f->g->steps[first].out[0];
    if (!mlo_fuse_is(f, last, "Mul"))
        return false;
    take(g, last);
    if (other == g->x) /* (x (1 + erf)) / 2 */
        return with_number(f, last, "Mul", 0.5, &rest) && rest == product;
    return with_number(f, first, "Mul", 0.5, &rest) && mlo_fuse_other(f, last, product) == g->x;
}

int mlo_fuse_gelu(struct mlo_fuse *f, size_t at, struct mlo_err *err)
{
    struct gelu g = {.n = 0};
    size_t rest, last;
    bool done;
    if (!begin_erf(f, at, &g) && !begin_tanh(f, at, &g))
        return 0;
    size_t plus = mlo_fuse_only_user(f, at);
    if (!with_number(f, plus, "Add", 1, &rest))
        return 0;
    take(&g, plus);
    if (!end(f, plus, &g, &last))
        return 0;
    struct mlo_fused with = {&mlo_op_gelu, &g.x, f->g->steps[last].out, 1, 1, &g.p, sizeof g.p};
    return mlo_fuse_replace(f, g.steps, g.n, &with, &done, err);
}

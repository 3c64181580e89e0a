/*
 * Change points of a history: E-divisive's energy statistic (Matteson and James 2014) finds where to cut,
 * Student's t says whether the cut holds, as in Fleming et al. 2023 ("Hunter"), so that the same history
 * always gives the same points.
 */
#include "internal.h"

#include <math.h>

#define LOOSER 10 /* candidates may have so much larger a p; merging is strict */

/* Sums of |x - y| between parts of the window, grown as the cut moves. */
struct cut {
    size_t at;
    double q;
};

static double energy(double between, double left, double right, double n, double m)
{
    double within_left = n > 1 ? left / (n * (n - 1) / 2) : 0;
    double within_right = m > 1 ? right / (m * (m - 1) / 2) : 0;
    return n * m / (n + m) * (2 * between / (n * m) - within_left - within_right);
}

static double sum_to(const double *x, size_t from, size_t to, double v)
{
    double sum = 0;
    for (size_t i = from; i < to; i++)
        sum += fabs(x[i] - v);
    return sum;
}

/* The best cut of x[from..to): maximal over the cut and over where the second part ends. */
static struct cut best_cut(const double *x, size_t from, size_t to)
{
    struct cut best = {0, -INFINITY};
    double left = 0;
    for (size_t at = from + 1; at < to; at++) {
        left += sum_to(x, from, at - 1, x[at - 1]);
        double between = 0, right = 0;
        for (size_t end = at + 1; end <= to; end++) {
            between += sum_to(x, from, at, x[end - 1]);
            right += sum_to(x, at, end - 1, x[end - 1]);
            double q = energy(between, left, right, (double)(at - from), (double)(end - at));
            if (q > best.q)
                best = (struct cut){at, q};
        }
    }
    return best;
}

struct points {
    const double *x;
    size_t *at; /* ascending, with 0 first and n last */
    size_t n;
};

static void test_cut(const double *x, size_t from, size_t at, size_t to, struct mlo_change_point *ret)
{
    struct mlo_moments before, after;
    struct mlo_test t;
    mlo_moments(x + from, at - from, &before);
    mlo_moments(x + at, to - at, &after);
    mlo_student_t(&before, &after, false, &t);
    bool flat = before.variance == 0 && after.variance == 0; /* t is not defined; what differs, differs */
    *ret = (struct mlo_change_point){at, before.mean, after.mean, flat ? before.mean == after.mean : t.p};
}

static bool holds(const struct mlo_change_point *c, double p_most, double least)
{
    return c->p < p_most && fabs(c->after - c->before) >= least * fabs(c->before);
}

static void insert(struct points *p, size_t at)
{
    size_t i = p->n++;
    for (; i > 0 && p->at[i - 1] > at; i--)
        p->at[i] = p->at[i - 1];
    p->at[i] = at;
}

/* Cuts x[from..to) and then its parts. */
static void split(struct points *p, size_t from, size_t to, double p_most)
{
    struct mlo_change_point c;
    if (to - from < 4)
        return;
    struct cut best = best_cut(p->x, from, to);
    if (best.at < from + 2 || best.at + 2 > to)
        return;
    test_cut(p->x, from, best.at, to, &c);
    if (c.p >= p_most)
        return;
    for (size_t i = 0; i < p->n; i++)
        if (p->at[i] == best.at)
            return;
    insert(p, best.at);
    split(p, from, best.at, p_most);
    split(p, best.at, to, p_most);
}

/* Takes the weakest point away until all hold. */
static void merge(struct points *p, const struct mlo_change_opts *o)
{
    for (;;) {
        size_t weakest = 0;
        double worst = -1;
        for (size_t i = 1; i + 1 < p->n; i++) {
            struct mlo_change_point c;
            test_cut(p->x, p->at[i - 1], p->at[i], p->at[i + 1], &c);
            double weak = holds(&c, o->p, o->least) ? -1 : c.p;
            if (weak > worst) {
                worst = weak;
                weakest = i;
            }
        }
        if (weakest == 0)
            return;
        memmove(&p->at[weakest], &p->at[weakest + 1], (--p->n - weakest) * sizeof *p->at);
    }
}

int mlo_change_points(const double *x, size_t n, const struct mlo_change_opts *o,
                      struct mlo_change_point *ret, size_t *ret_n, struct mlo_err *err)
{
    struct points p = {.x = x};
    MLO_AUTOFREE size_t *at = mlo_calloc(n + 2, sizeof *at, err);
    if (!at)
        return err->code;
    p.at = at;
    insert(&p, 0);
    if (n > 0)
        insert(&p, n);
    size_t step = o->window / 2 ? o->window / 2 : 1;
    for (size_t from = 0; from < n; from += step) {
        split(&p, from, from + o->window < n ? from + o->window : n, o->p * LOOSER);
        if (from + o->window >= n)
            break;
    }
    merge(&p, o);
    *ret_n = p.n > 2 ? p.n - 2 : 0;
    for (size_t i = 0; i < *ret_n; i++)
        test_cut(x, at[i], at[i + 1], at[i + 2], &ret[i]);
    return 0;
}

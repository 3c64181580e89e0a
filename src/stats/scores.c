/*
 * Two samples counted in the same ordered bins: did they move, did they spread? Each row has the normal score
 * of its midrank in both samples together, so that an outlier weighs no more than any largest value does.
 */
#include <math.h>

#include "internal.h"

#define SPREAD_WEIGHT 0.5 /* of the squared score of spread beside that of location */
#define ANGLES        128
#define APART_MIN     10.0 /* rows of the smaller sample outside the fullest bin */

struct binned {
    const uint64_t *a, *b;
    size_t bins;
    double n, m;
};

static double rows(const struct binned *s, size_t i)
{
    return (double)s->a[i] + (double)s->b[i];
}

/* Sum over all rows of f g; g NULL: of f. */
static double product(const struct binned *s, const double *f, const double *g)
{
    double sum = 0;
    for (size_t i = 0; i < s->bins; i++)
        sum += rows(s, i) * f[i] * (g ? g[i] : 1);
    return sum;
}

static void centre(const struct binned *s, double *f)
{
    double mean = product(s, f, NULL) / (s->n + s->m);
    for (size_t i = 0; i < s->bins; i++)
        f[i] -= mean;
}

static void location_scores(const struct binned *s, double *ret)
{
    double before = 0;
    for (size_t i = 0; i < s->bins; i++) {
        double here = rows(s, i);
        ret[i] = here > 0 ? mlo_normal_isf(1 - (before + here / 2) / (s->n + s->m)) : 0;
        before += here;
    }
}

/* Squares (Klotz 1962), less what location explains of them: without drift the two are uncorrelated. */
static void spread_scores(const struct binned *s, const double *location, double *ret)
{
    for (size_t i = 0; i < s->bins; i++)
        ret[i] = location[i] * location[i];
    centre(s, ret);
    double slope = product(s, ret, location) / product(s, location, location);
    for (size_t i = 0; i < s->bins; i++)
        ret[i] -= slope * location[i];
}

/* The squared difference of the means, in units of its variance over all ways to split the rows. */
static double chi2_of(const struct binned *s, const double *scores)
{
    double a = 0, b = 0, variance = product(s, scores, scores) / (s->n + s->m - 1);
    for (size_t i = 0; i < s->bins; i++) {
        a += (double)s->a[i] * scores[i];
        b += (double)s->b[i] * scores[i];
    }
    double gap = a / s->n - b / s->m;
    return variance > 1e-12 ? gap * gap / (variance * (1 / s->n + 1 / s->m)) : 0;
}

/* P(x^2 + w y^2 > t) of two independent normal variables: the mean of exp(-t / 2 (cos^2 + w sin^2)) over the
 * circle, by the midpoint rule, which is exact to rounding for periodic functions as smooth as this one. */
static double weighted_sf(double t)
{
    double sum = 0;
    for (int i = 0; i < ANGLES; i++) {
        double c = cos((i + 0.5) / ANGLES * M_PI_2);
        sum += exp(-t / (2 * (c * c + SPREAD_WEIGHT * (1 - c * c))));
    }
    return sum / ANGLES;
}

static bool is_testable(const struct binned *s)
{
    double fullest = 0, all = s->n + s->m;
    size_t used = 0;
    for (size_t i = 0; i < s->bins; i++) {
        used += rows(s, i) > 0;
        fullest = fmax(fullest, rows(s, i));
    }
    return used > 2 && s->n > 1 && s->m > 1 && (all - fullest) * fmin(s->n, s->m) / all >= APART_MIN;
}

int mlo_normal_scores(const uint64_t *a, const uint64_t *b, size_t bins, struct mlo_test *ret,
                      struct mlo_err *err)
{
    struct binned s = {.a = a, .b = b, .bins = bins};
    MLO_AUTOFREE double *scores = mlo_calloc(2 * bins + 1, sizeof *scores, err);
    if (!scores)
        return MLO_EIO;
    for (size_t i = 0; i < bins; i++) {
        s.n += (double)a[i];
        s.m += (double)b[i];
    }
    *ret = MLO_TEST_NONE;
    if (!is_testable(&s))
        return 0;
    double *location = scores, *spread = scores + bins;
    location_scores(&s, location);
    centre(&s, location);
    spread_scores(&s, location, spread);
    double t = chi2_of(&s, location) + SPREAD_WEIGHT * chi2_of(&s, spread);
    *ret = (struct mlo_test){.statistic = t, .df = 2, .p = weighted_sf(t)};
    return 0;
}

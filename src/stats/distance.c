/* Distances between two histograms of the same bins, and the noise that PSI has without any drift. */
#include <math.h>

#include "internal.h"

static double total(const uint64_t *c, size_t bins)
{
    uint64_t n = 0;
    for (size_t i = 0; i < bins; i++)
        n += c[i];
    return (double)n;
}

/* ---- what stands for a share of 0 ---- */

struct shares { /* of one side */
    const uint64_t *count;
    double n, floor, add;
};

/* Evidently 0.7: 1e-4, unless the smallest share that is not 0 is no larger; then a millionth of that. */
static double evidently_floor(const uint64_t *c, double n, size_t bins)
{
    double smallest = 1;
    for (size_t i = 0; i < bins; i++)
        if (c[i] > 0 && (double)c[i] / n < smallest)
            smallest = (double)c[i] / n;
    return smallest <= 1e-4 ? smallest / 1e6 : 1e-4;
}

static struct shares shares_of(const uint64_t *c, size_t bins, enum mlo_zero_rule rule)
{
    struct shares s = {.count = c, .n = total(c, bins)};
    switch (rule) {
    case MLO_ZERO_HALF:
        s.add = 0.5;
        s.n += 0.5 * (double)bins;
        break;
    case MLO_ZERO_EVIDENTLY:
        s.floor = evidently_floor(c, s.n, bins);
        break;
    case MLO_ZERO_SODA:
        s.floor = 1e-5;
        break;
    case MLO_ZERO_FLOOR_1PC:
    case MLO_ZERO_NONE:
        break;
    }
    return s;
}

static double share(const struct shares *s, size_t i, enum mlo_zero_rule rule)
{
    double p = ((double)s->count[i] + s->add) / s->n;
    if (rule == MLO_ZERO_FLOOR_1PC)
        return p < 0.01 ? 0.01 : p;
    return s->count[i] == 0 && s->floor > 0 ? s->floor : p;
}

double mlo_psi(const uint64_t *a, const uint64_t *b, size_t bins, enum mlo_zero_rule rule)
{
    struct shares p = shares_of(a, bins, rule), q = shares_of(b, bins, rule);
    double sum = 0;
    for (size_t i = 0; i < bins; i++) {
        double x = share(&p, i, rule), y = share(&q, i, rule);
        if (x != y)
            sum += (x - y) * log(x / y);
    }
    return sum;
}

double mlo_kl(const uint64_t *a, const uint64_t *b, size_t bins, enum mlo_zero_rule rule)
{
    struct shares p = shares_of(a, bins, rule), q = shares_of(b, bins, rule);
    double sp = 0, sq = 0, sum = 0;
    for (size_t i = 0; i < bins; i++) { /* scipy.stats.entropy makes both sum to 1 */
        sp += share(&p, i, rule);
        sq += share(&q, i, rule);
    }
    for (size_t i = 0; i < bins; i++) {
        double x = share(&p, i, rule) / sp, y = share(&q, i, rule) / sq;
        if (x > 0)
            sum += x * log(x / y);
    }
    return sum;
}

double mlo_js_divergence(const uint64_t *a, const uint64_t *b, size_t bins)
{
    double n = total(a, bins), m = total(b, bins), sum = 0;
    for (size_t i = 0; i < bins; i++) {
        double x = (double)a[i] / n, y = (double)b[i] / m, mid = (x + y) / 2;
        if (x > 0)
            sum += x * log(x / mid);
        if (y > 0)
            sum += y * log(y / mid);
    }
    return sum > 0 ? sum / 2 : 0;
}

double mlo_hellinger(const uint64_t *a, const uint64_t *b, size_t bins)
{
    double n = total(a, bins), m = total(b, bins), sum = 0;
    for (size_t i = 0; i < bins; i++) {
        double d = sqrt((double)a[i] / n) - sqrt((double)b[i] / m);
        sum += d * d;
    }
    return sqrt(sum / 2);
}

double mlo_total_variation(const uint64_t *a, const uint64_t *b, size_t bins)
{
    double n = total(a, bins), m = total(b, bins), sum = 0;
    for (size_t i = 0; i < bins; i++)
        sum += fabs((double)a[i] / n - (double)b[i] / m);
    return sum / 2;
}

double mlo_linf(const uint64_t *a, const uint64_t *b, size_t bins, size_t *ret_bin)
{
    double n = total(a, bins), m = total(b, bins), worst = -1;
    for (size_t i = 0; i < bins; i++) {
        double d = fabs((double)a[i] / n - (double)b[i] / m);
        if (d > worst) {
            worst = d;
            if (ret_bin)
                *ret_bin = i;
        }
    }
    return worst < 0 ? 0 : worst;
}

void mlo_psi_noise(double value, uint64_t n, uint64_t m, size_t bins, struct mlo_noise *ret)
{
    double c = 1 / (double)n + 1 / (double)m, df = bins > 1 ? (double)(bins - 1) : 0;
    *ret = (struct mlo_noise){.p = 1};
    if (df > 0)
        *ret = (struct mlo_noise){
            .mean = df * c, .level95 = mlo_chi2_isf(0.05, df) * c, .p = mlo_chi2_sf(value / c, df)};
}

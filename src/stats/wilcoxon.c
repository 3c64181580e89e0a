/* Wilcoxon's signed ranks: have pairs moved? scipy.stats.wilcoxon, two-sided; exact without ties as well. */
#include "internal.h"

#include <math.h>

#define EXACT_MAX 50

struct moved { /* pairs that differ, by how much, ascending */
    double *by;
    bool *up;
    size_t n;
};
struct ranks {
    double up, down, ties; /* sums of ranks; sum of t^3 - t */
};

static void sort_moved(struct moved *m) /* insertion: some dozens, at most thousands, of pairs */
{
    for (size_t i = 1; i < m->n; i++) {
        double by = m->by[i];
        bool up = m->up[i];
        size_t k = i;
        for (; k > 0 && m->by[k - 1] > by; k--) {
            m->by[k] = m->by[k - 1];
            m->up[k] = m->up[k - 1];
        }
        m->by[k] = by;
        m->up[k] = up;
    }
}

static struct ranks rank_moved(const struct moved *m)
{
    struct ranks r = {0};
    for (size_t i = 0, end; i < m->n; i = end) {
        for (end = i; end < m->n && m->by[end] == m->by[i]; end++)
            ;
        double t = (double)(end - i), rank = (double)i + (t + 1) / 2;
        for (size_t k = i; k < end; k++)
            *(m->up[k] ? &r.up : &r.down) += rank;
        r.ties += t * t * t - t;
    }
    return r;
}

/* P[sum of the ranks of one sign <= w], of 2^n ways, one rank at a time. */
static double exact_cdf(size_t n, double w)
{
    double ways[EXACT_MAX * (EXACT_MAX + 1) / 2 + 1] = {1}, all = 0, tail = 0;
    size_t most = n * (n + 1) / 2;
    for (size_t rank = 1; rank <= n; rank++)
        for (size_t k = most + 1; k-- > rank;)
            ways[k] += ways[k - rank];
    for (size_t k = 0; k <= most; k++) {
        all += ways[k];
        tail += (double)k <= w ? ways[k] : 0;
    }
    return tail / all;
}

static void decide(const struct moved *m, size_t zeros, struct mlo_test *ret)
{
    struct ranks r = rank_moved(m);
    double n = (double)m->n, variance = n * (n + 1) * (2 * n + 1) / 24 - r.ties / 48;
    *ret = (struct mlo_test){.statistic = fmin(r.up, r.down), .p = 1};
    if (m->n == 0) {
        ret->why = MLO_STAT_NONE;
    } else if (m->n <= EXACT_MAX && zeros == 0 && r.ties == 0) {
        ret->p = fmin(1, 2 * exact_cdf(m->n, ret->statistic));
        ret->exact = true;
    } else {
        ret->p = fmin(1, 2 * mlo_normal_sf((n * (n + 1) / 4 - ret->statistic) / sqrt(variance)));
    }
}

int mlo_wilcoxon(const double *x, const double *y, size_t n, struct mlo_test *ret, struct mlo_err *err)
{
    MLO_AUTOFREE double *by = mlo_calloc(n, sizeof *by, err);
    MLO_AUTOFREE bool *up = by ? mlo_calloc(n, sizeof *up, err) : NULL;
    if (!up)
        return err->code;
    struct moved m = {by, up, 0};
    for (size_t i = 0; i < n; i++)
        if (x[i] != y[i]) {
            by[m.n] = fabs(x[i] - y[i]);
            up[m.n++] = x[i] > y[i];
        }
    sort_moved(&m);
    decide(&m, n - m.n, ret);
    return 0;
}

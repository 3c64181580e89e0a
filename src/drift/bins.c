#include "internal.h"

#include <math.h>
#include <string.h>

#define FINE_BINS ((size_t)256) /* of a column with more values: no KS gap can hide in more than 1/256 */

void mlo_bins_release(struct mlo_bins *b)
{
    free(b->edges);
    free(b->cells);
    *b = (struct mlo_bins){0};
}

/* Where each cell's search begins. The cell of a value never decreases with the value, so an edge of an
 * earlier cell is never above a value of a later one. */
static int index_cells(struct mlo_bins *b, struct mlo_err *err)
{
    b->cells = mlo_calloc(MLO_BINS_CELLS, sizeof *b->cells, err);
    if (!b->cells)
        return MLO_EIO;
    if (b->n_edges > 1) {
        double width = b->edges[b->n_edges - 1] - b->edges[0];
        b->low = b->edges[0];
        b->scale = isfinite(width) && width > 0 ? MLO_BINS_CELLS / width : 0;
        if (!isfinite(b->scale))
            b->scale = 0;
    }
    size_t at = 0;
    for (size_t cell = 0; cell < MLO_BINS_CELLS; cell++) {
        while (at < b->n_edges && mlo_bins_cell(b, b->edges[at]) < cell)
            at++;
        b->cells[cell] = (uint16_t)at;
    }
    return 0;
}

static size_t most_edges(const struct mlo_bins *b)
{
    size_t most = 0;
    for (size_t cell = 0; cell < MLO_BINS_CELLS; cell++) {
        size_t end = cell + 1 < MLO_BINS_CELLS ? b->cells[cell + 1] : b->n_edges;
        most = end - b->cells[cell] > most ? end - b->cells[cell] : most;
    }
    return most;
}

static int pad_edges(struct mlo_bins *b, struct mlo_err *err)
{
    size_t most = most_edges(b), cap = 0;
    for (size_t step = 1; step <= most; step *= 2)
        b->reach = step;
    double *edges = NULL;
    int rc = mlo_grow(&edges, &cap, b->n_edges + 2 * b->reach + 1, sizeof *edges, err);
    if (rc != 0)
        return rc;
    if (b->n_edges > 0)
        memcpy(edges, b->edges, b->n_edges * sizeof *edges);
    for (size_t i = b->n_edges; i < cap; i++)
        edges[i] = INFINITY;
    free(b->edges);
    b->edges = edges;
    return 0;
}

int mlo_bins_from_edges(const double *edges, size_t n, bool each_value, struct mlo_bins *ret,
                        struct mlo_err *err)
{
    struct mlo_bins b = {.n_edges = n, .each_value = each_value};
    b.edges = mlo_calloc(n + 1, sizeof *b.edges, err);
    if (!b.edges)
        return MLO_EIO;
    if (n > 0)
        memcpy(b.edges, edges, n * sizeof *edges);
    int rc = index_cells(&b, err);
    if (rc == 0)
        rc = pad_edges(&b, err);
    if (rc != 0) {
        mlo_bins_release(&b);
        return rc;
    }
    *ret = b;
    return 0;
}

/* The different values of a sorted sample, when they are at most `max`; else 0. */
static size_t different_values(const double *sorted, size_t n, double *ret, size_t max)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && sorted[i] == sorted[i - 1])
            continue;
        if (found == max)
            return 0;
        ret[found++] = sorted[i];
    }
    return found;
}

static size_t quantile_edges(const double *sorted, size_t n, double *ret)
{
    size_t found = 0;
    for (size_t i = 0; i < FINE_BINS; i++) {
        double e = mlo_quantile_sorted(sorted, n, (double)i / FINE_BINS);
        if (found == 0 || e > ret[found - 1])
            ret[found++] = e;
    }
    return found;
}

int mlo_bins_from_sample(double *sample, size_t n, struct mlo_bins *ret, struct mlo_err *err)
{
    double edges[FINE_BINS + 1];
    MLO_AUTOFREE double *scratch = mlo_calloc(n + 1, sizeof *scratch, err);
    if (!scratch)
        return MLO_EIO;
    mlo_sort_doubles(sample, n, scratch);
    size_t found = different_values(sample, n, edges, FINE_BINS);
    bool each_value = found > 0 || n == 0;
    if (!each_value)
        found = quantile_edges(sample, n, edges);
    if (n > 0)
        edges[found++] = nextafter(sample[n - 1], INFINITY); /* beyond: more than was seen */
    return mlo_bins_from_edges(edges, found, each_value, ret, err);
}

/* ---- bins of a role ---- */

#define LATENCY_PARTS  32   /* of a power of two */
#define LATENCY_LOWEST (-7) /* 2^-7 ms: 8 microseconds */
#define LATENCY_POWERS 31   /* up to 2^24 ms: 4 hours */
#define STATUS_EDGES   6

static size_t latency_edges(double *ret)
{
    size_t n = 0;
    for (int power = 0; power < LATENCY_POWERS; power++)
        for (int part = 0; part < LATENCY_PARTS; part++)
            ret[n++] = ldexp(1 + (double)part / LATENCY_PARTS, LATENCY_LOWEST + power);
    return n;
}

static size_t status_edges(double *ret)
{
    for (size_t i = 0; i < STATUS_EDGES; i++)
        ret[i] = 100 * (double)(i + 1);
    return STATUS_EDGES;
}

int mlo_bins_of_role(enum mlo_column_role role, struct mlo_bins *ret, struct mlo_err *err)
{
    double edges[LATENCY_PARTS * LATENCY_POWERS];
    size_t n = role == MLO_ROLE_LATENCY  ? latency_edges(edges)
               : role == MLO_ROLE_STATUS ? status_edges(edges)
                                         : 0;
    return n > 0 ? mlo_bins_from_edges(edges, n, false, ret, err) : 0;
}

bool mlo_bins_equal(const struct mlo_bins *a, const struct mlo_bins *b)
{
    return a->n_edges == b->n_edges && a->each_value == b->each_value &&
           (a->n_edges == 0 || memcmp(a->edges, b->edges, a->n_edges * sizeof *a->edges) == 0);
}

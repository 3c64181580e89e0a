/* See crossover.h. */
#include "crossover.h"

#define ROUNDS 3 /* of each side at each size; the best counts */

static const size_t sizes[] = {1, 8, 64, 512, 4096};
_Static_assert(MLO_COUNT(sizes) <= MLO_CROSSOVER_SIZES, "there is room for all of them");

static int measure_side(const struct mlo_crossover_sides *s, int (*side)(void *, size_t, struct mlo_err *),
                        size_t rows, int64_t *ret, struct mlo_err *err)
{
    int rc = side(s->ctx, rows, err); /* the first one makes what the others use */
    *ret = INT64_MAX;
    for (int i = 0; rc == 0 && i < ROUNDS; i++) {
        int64_t from = s->now(s->ctx);
        rc = side(s->ctx, rows, err);
        int64_t took = s->now(s->ctx) - from;
        *ret = took < *ret ? took : *ret;
    }
    return rc;
}

int mlo_crossover_measure(const struct mlo_crossover_sides *s, struct mlo_crossover *ret, struct mlo_err *err)
{
    *ret = (struct mlo_crossover){0};
    for (size_t i = 0; i < MLO_COUNT(sizes); i++) {
        struct mlo_crossover_size *at = &ret->sizes[ret->n];
        struct mlo_err why = MLO_ERR_INIT;
        at->rows = sizes[i];
        int rc = measure_side(s, s->cpu, at->rows, &at->cpu_ns, err);
        if (rc != 0)
            return rc;
        rc = measure_side(s, s->device, at->rows, &at->device_ns, &why);
        if (rc != 0 && rc != MLO_EUNAVAIL) {
            *err = why;
            return rc;
        }
        at->device_ns = rc == 0 ? at->device_ns : INT64_MAX;
        ret->n++;
        bool is_slow = rc == 0 && at->device_ns > MLO_CROSSOVER_NS;
        if (at->cpu_ns > MLO_CROSSOVER_NS || is_slow)
            break;
    }
    return 0;
}

bool mlo_crossover_choose(const struct mlo_crossover *c, size_t rows)
{
    size_t i = 0;
    while (i + 1 < c->n && c->sizes[i + 1].rows <= rows)
        i++;
    return c->n == 0 || c->sizes[i].device_ns < c->sizes[i].cpu_ns;
}

size_t mlo_crossover_from(const struct mlo_crossover *c)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->sizes[i].device_ns < c->sizes[i].cpu_ns)
            return c->sizes[i].rows;
    return 0;
}

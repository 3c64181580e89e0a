/* See crossover.h. */
#include "crossover.h"

#include <string.h>

#include "offload_program.h"

#define ROUNDS 3 /* of each side at each size; the best counts */

static const size_t sizes[] = {1, 8, 64, 512, 4096};
_Static_assert(MLO_COUNT(sizes) <= MLO_CROSSOVER_SIZES, "there is room for all of them");

/* ---- measuring ---- */

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

/* The new size stands at `at`, those from there on move. */
static int measure_size(const struct mlo_crossover_sides *s, size_t rows, size_t at, struct mlo_crossover *c,
                        struct mlo_err *err)
{
    struct mlo_crossover_size one = {.rows = rows};
    struct mlo_err why = MLO_ERR_INIT;
    int rc = measure_side(s, s->cpu, rows, &one.cpu_ns, err);
    if (rc != 0)
        return rc;
    rc = measure_side(s, s->device, rows, &one.device_ns, &why);
    if (rc != 0 && rc != MLO_EUNAVAIL) {
        *err = why;
        return rc;
    }
    one.device_ns = rc == 0 ? one.device_ns : INT64_MAX;
    memmove(&c->sizes[at + 1], &c->sizes[at], (c->n - at) * sizeof *c->sizes);
    c->sizes[at] = one;
    c->n++;
    return 0;
}

static bool is_slow(const struct mlo_crossover_size *s)
{
    return s->cpu_ns > MLO_CROSSOVER_NS || (s->device_ns > MLO_CROSSOVER_NS && s->device_ns != INT64_MAX);
}

static bool is_devices(const struct mlo_crossover_size *s)
{
    return s->device_ns < s->cpu_ns;
}

/* The size of a program about in the middle of two; `from` when there is none. */
static size_t between(size_t from, size_t to)
{
    size_t middle = from;
    while (middle * middle < from * to && mlo_program_rows(middle + 1) < to)
        middle = mlo_program_rows(middle + 1);
    return middle;
}

/* Where the winner changes from size `at` to the next, the place is looked for among the sizes of programs.
 */
static int refine(const struct mlo_crossover_sides *s, size_t at, struct mlo_crossover *c,
                  struct mlo_err *err)
{
    int rc = 0;
    while (rc == 0 && at + 1 < c->n && c->n < MLO_CROSSOVER_SIZES) {
        size_t rows = between(c->sizes[at].rows, c->sizes[at + 1].rows);
        if (rows == c->sizes[at].rows)
            break;
        bool was = is_devices(&c->sizes[at]);
        rc = measure_size(s, rows, at + 1, c, err);
        at += rc == 0 && is_devices(&c->sizes[at + 1]) == was;
    }
    return rc;
}

int mlo_crossover_measure(const struct mlo_crossover_sides *s, struct mlo_crossover *ret, struct mlo_err *err)
{
    int rc = 0;
    *ret = (struct mlo_crossover){0};
    for (size_t i = 0; rc == 0 && i < MLO_COUNT(sizes); i++) {
        rc = measure_size(s, sizes[i], ret->n, ret, err);
        if (rc == 0 && is_slow(&ret->sizes[ret->n - 1]))
            break;
    }
    for (size_t i = ret->n; rc == 0 && i-- > 1;)
        if (is_devices(&ret->sizes[i - 1]) != is_devices(&ret->sizes[i]))
            rc = refine(s, i - 1, ret, err);
    return rc;
}

/* ---- choosing ---- */

/* On the line through two points. */
static double on_line(size_t rows, const struct mlo_crossover_size *a, const struct mlo_crossover_size *b,
                      int64_t a_ns, int64_t b_ns)
{
    double part = ((double)rows - (double)a->rows) / ((double)b->rows - (double)a->rows);
    return (double)a_ns + part * ((double)b_ns - (double)a_ns);
}

/* The two sizes that rows are between, or the last two. */
static size_t before(const struct mlo_crossover *c, size_t rows)
{
    size_t i = 0;
    while (i + 2 < c->n && c->sizes[i + 1].rows < rows)
        i++;
    return i;
}

/* A device runs the program that has room for the rows: it takes what that takes. */
bool mlo_crossover_choose(const struct mlo_crossover *c, size_t rows)
{
    if (c->n < 2)
        return c->n == 0 || is_devices(&c->sizes[0]);
    size_t room = mlo_program_rows(rows), i = before(c, rows), k = before(c, room);
    const struct mlo_crossover_size *a = &c->sizes[i], *x = &c->sizes[k];
    if (x[0].device_ns == INT64_MAX || (x[1].device_ns == INT64_MAX && room > x[0].rows))
        return false;
    return on_line(room, x, x + 1, x[0].device_ns, x[1].device_ns) <
           on_line(rows, a, a + 1, a[0].cpu_ns, a[1].cpu_ns);
}

size_t mlo_crossover_from(const struct mlo_crossover *c)
{
    for (size_t i = 0; i < c->n; i++)
        if (is_devices(&c->sizes[i]))
            return c->sizes[i].rows;
    return 0;
}

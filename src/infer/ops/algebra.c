/* Einsum and Det, in doubles. */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "op.h"

/* ---- Einsum ---- */

#define LETTERS_MAX  (52 + MLO_RANK_MAX) /* letters, and dimensions of "..." */
#define OPERANDS_MAX 64
#define UNSEEN       (-1)

/* A factor: its numbers, and what each of its dimensions is called. "..." has names of its own, from 52 on.
 */
struct factor {
    double *v;
    unsigned rank;
    uint8_t names[LETTERS_MAX];
    int64_t dims[LETTERS_MAX];
};
struct einsum {
    struct factor in[OPERANDS_MAX];
    size_t n;
    int64_t sizes[LETTERS_MAX]; /* of each name, or UNSEEN; 1 may be repeated */
    uint8_t result[LETTERS_MAX];
    unsigned result_rank, dots; /* dots: the most dimensions that a "..." stands for */
};

static uint8_t name_of(char letter)
{
    return (uint8_t)(letter >= 'a' ? letter - 'a' : letter - 'A' + 26);
}

/* One term of the equation to names; `dots` dimensions stand for "...", counted from the last. */
static int read_term(const struct mlo_op_call *c, const char *term, size_t n, unsigned dots, uint8_t *names,
                     unsigned *ret_rank, struct mlo_err *err)
{
    unsigned rank = 0;
    bool seen = false;
    for (size_t i = 0; i < n; i++) {
        bool ellipsis = n - i >= 3 && memcmp(term + i, "...", 3) == 0;
        if (term[i] == ' ')
            continue;
        if (rank + (ellipsis ? dots : 1) > MLO_RANK_MAX || (ellipsis && seen) ||
            (!ellipsis && !isalpha((unsigned char)term[i])))
            return mlo_op_refuse(c, err, "an equation that cannot be read");
        for (unsigned d = 0; ellipsis && d < dots; d++)
            names[rank++] = (uint8_t)(52 + MLO_RANK_MAX - dots + d);
        if (!ellipsis)
            names[rank++] = name_of(term[i]);
        i += ellipsis ? 2 : 0;
        seen = seen || ellipsis;
    }
    *ret_rank = rank;
    return 0;
}

static unsigned letters_in(const char *term, size_t n)
{
    unsigned letters = 0;
    for (size_t i = 0; i < n; i++)
        letters += isalpha((unsigned char)term[i]) != 0;
    return letters;
}

static int read_factor(struct mlo_op_call *c, struct einsum *e, size_t i, const char *term, size_t n,
                       struct mlo_err *err)
{
    struct factor *f = &e->in[i];
    const struct mlo_array *a;
    unsigned letters = letters_in(term, n);
    int rc = mlo_in_array(c, i, &a, err);
    if (rc == 0 && (a->rank < letters || (a->rank > letters && !memmem(term, n, "...", 3))))
        rc = mlo_op_refuse(c, err, "term %zu has %u letters", i, letters);
    if (rc != 0)
        return rc;
    unsigned dots = a->rank - letters;
    e->dots = dots > e->dots ? dots : e->dots;
    rc = read_term(c, term, n, dots, f->names, &f->rank, err);
    for (unsigned d = 0; rc == 0 && d < f->rank; d++) {
        int64_t *size = &e->sizes[f->names[d]];
        f->dims[d] = a->dims[d];
        if (*size == UNSEEN || *size == 1)
            *size = a->dims[d];
        else if (a->dims[d] != *size && a->dims[d] != 1)
            rc = mlo_op_refuse(c, err, "term %zu does not fit the others", i);
    }
    return rc == 0 ? mlo_as_doubles(c, a, &f->v, err) : rc;
}

/* Without "->": the dimensions of "...", then the letters that are there once, in the order of the alphabet.
 */
static void usual_result(struct einsum *e)
{
    unsigned times[LETTERS_MAX] = {0};
    static const char order[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for (size_t i = 0; i < e->n; i++)
        for (unsigned d = 0; d < e->in[i].rank; d++)
            times[e->in[i].names[d]]++;
    for (unsigned d = 0; d < e->dots; d++)
        e->result[e->result_rank++] = (uint8_t)(52 + MLO_RANK_MAX - e->dots + d);
    for (const char *p = order; *p && e->result_rank < MLO_RANK_MAX; p++)
        if (times[name_of(*p)] == 1)
            e->result[e->result_rank++] = name_of(*p);
}

static int read_equation(struct mlo_op_call *c, struct einsum *e, struct mlo_err *err)
{
    const struct mlo_attr *a = mlo_node_attr(c->node, "equation");
    struct mlo_slice s = a && a->kind == MLO_ATTR_STRING ? a->s : (struct mlo_slice){"", 0};
    const char *p = s.ptr, *end = p + s.len, *arrow = s.len ? memmem(p, s.len, "->", 2) : NULL;
    const char *terms = arrow ? arrow : end;
    int rc = 0;
    if (c->n_in == 0 || c->n_in > OPERANDS_MAX)
        return mlo_op_refuse(c, err, "%zu factors", c->n_in);
    for (e->n = 0; rc == 0 && e->n < c->n_in; e->n++) {
        const char *comma = p < terms ? memchr(p, ',', (size_t)(terms - p)) : NULL;
        const char *stop = comma ? comma : terms;
        if ((comma != NULL) != (e->n + 1 < c->n_in))
            return mlo_op_refuse(c, err, "an equation for another number of factors");
        rc = read_factor(c, e, e->n, p, (size_t)(stop - p), err);
        p = comma ? comma + 1 : stop;
    }
    if (rc == 0 && !arrow)
        usual_result(e);
    else if (rc == 0)
        rc = read_term(c, arrow + 2, (size_t)(end - arrow - 2), e->dots, e->result, &e->result_rank, err);
    for (unsigned d = 0; rc == 0 && d < e->result_rank; d++)
        if (e->sizes[e->result[d]] == UNSEEN || memchr(e->result, e->result[d], d))
            rc = mlo_op_refuse(c, err, "a result that does not fit");
    return rc;
}

/* Names of the product of a and b (NULL: none) that are asked for later. */
static void remaining(const struct einsum *e, size_t next, const struct factor *a, const struct factor *b,
                      struct factor *ret)
{
    bool wanted[LETTERS_MAX] = {0}, there[LETTERS_MAX] = {0};
    for (unsigned d = 0; d < e->result_rank; d++)
        wanted[e->result[d]] = true;
    for (size_t i = next; i < e->n; i++)
        for (unsigned d = 0; d < e->in[i].rank; d++)
            wanted[e->in[i].names[d]] = true;
    for (unsigned d = 0; d < a->rank; d++)
        there[a->names[d]] = true;
    for (unsigned d = 0; b && d < b->rank; d++)
        there[b->names[d]] = true;
    ret->rank = 0;
    for (unsigned i = 0; i < LETTERS_MAX; i++)
        if (wanted[i] && there[i])
            ret->names[ret->rank++] = (uint8_t)i;
}

/* Elements to step for one step of a name: a name that is there twice means the diagonal. */
static void steps_of(const struct factor *f, size_t steps[LETTERS_MAX])
{
    size_t step = 1;
    memset(steps, 0, LETTERS_MAX * sizeof *steps);
    for (unsigned d = f->rank; d-- > 0; step *= (size_t)f->dims[d])
        if (f->dims[d] != 1)
            steps[f->names[d]] += step;
}

/* One number for each combination of the names in `to`, summed over all others of a and b. */
static void contract(const struct einsum *e, const struct factor *a, const struct factor *b,
                     struct factor *to, size_t n)
{
    size_t a_steps[LETTERS_MAX], b_steps[LETTERS_MAX] = {0}, x = 0, y = 0;
    bool kept[LETTERS_MAX] = {0}, there[LETTERS_MAX] = {0};
    uint8_t order[LETTERS_MAX]; /* kept names, then those that are summed */
    int64_t index[LETTERS_MAX] = {0};
    unsigned all = to->rank;
    steps_of(a, a_steps);
    if (b)
        steps_of(b, b_steps);
    memcpy(order, to->names, to->rank);
    for (unsigned d = 0; d < to->rank; d++)
        kept[to->names[d]] = true;
    for (unsigned d = 0; d < a->rank; d++)
        there[a->names[d]] = true;
    for (unsigned d = 0; b && d < b->rank; d++)
        there[b->names[d]] = true;
    size_t terms = 1;
    for (unsigned i = 0; i < LETTERS_MAX; i++)
        if (there[i] && !kept[i]) {
            order[all++] = (uint8_t)i;
            terms *= (size_t)e->sizes[i];
        }
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t k = 0; k < (terms ? terms : 1); k++) {
            sum += terms == 0 ? 0 : a->v[x] * (b ? b->v[y] : 1);
            for (unsigned d = all; d-- > 0;) {
                unsigned name = order[d];
                x += a_steps[name];
                y += b_steps[name];
                if (++index[d] < e->sizes[name])
                    break;
                x -= a_steps[name] * (size_t)index[d];
                y -= b_steps[name] * (size_t)index[d];
                index[d] = 0;
            }
        }
        to->v[i] = sum;
    }
}

static int product(struct mlo_op_call *c, const struct einsum *e, size_t next, const struct factor *a,
                   const struct factor *b, struct factor *to, struct mlo_err *err)
{
    size_t n = 0;
    struct factor result = {0};
    remaining(e, next, a, b, &result);
    if (next == e->n) { /* the last: in the order of the result */
        result.rank = e->result_rank;
        memcpy(result.names, e->result, e->result_rank);
    }
    if (result.rank > MLO_RANK_MAX)
        return mlo_fail(err, MLO_EUNAVAIL, "more than %d dimensions", MLO_RANK_MAX);
    for (unsigned d = 0; d < result.rank; d++)
        result.dims[d] = e->sizes[result.names[d]];
    int rc = mlo_array_count(result.dims, result.rank, &n, err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, n, &result.v, err);
    if (rc != 0)
        return rc;
    contract(e, a, b, &result, n);
    *to = result;
    return 0;
}

/* Two factors at a time, from the left: what nobody asks for later is summed at once. */
static int run_einsum(struct mlo_op_call *c, struct mlo_err *err)
{
    struct einsum *e;
    struct factor *so_far;
    struct mlo_array *out;
    void *memory;
    int rc = mlo_scratch(c, 1, sizeof *e, &memory, err);
    if (rc != 0)
        return rc;
    e = memory;
    memset(e, 0, sizeof *e);
    for (unsigned i = 0; i < LETTERS_MAX; i++)
        e->sizes[i] = UNSEEN;
    rc = read_equation(c, e, err);
    so_far = &e->in[0];
    if (rc == 0 && e->n == 1)
        rc = product(c, e, 1, so_far, NULL, so_far, err);
    for (size_t i = 1; rc == 0 && i < e->n; i++)
        rc = product(c, e, i + 1, so_far, &e->in[i], so_far, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, mlo_in(c, 0)->dtype, so_far->dims, so_far->rank, &out, err);
    return rc == 0 && out ? mlo_from_doubles(so_far->v, out, err) : rc;
}

/* ---- Det ---- */

/* By elimination with the greatest pivot of a column; m is written over. */
static double determinant(double *m, size_t n)
{
    double product = 1;
    for (size_t k = 0; k < n; k++) {
        size_t best = k;
        for (size_t i = k + 1; i < n; i++)
            best = fabs(m[i * n + k]) > fabs(m[best * n + k]) ? i : best;
        for (size_t j = 0; best != k && j < n; j++) {
            double swap = m[k * n + j];
            m[k * n + j] = m[best * n + j];
            m[best * n + j] = swap;
        }
        product *= best != k ? -m[k * n + k] : m[k * n + k];
        if (m[k * n + k] == 0)
            return 0;
        for (size_t i = k + 1; i < n; i++)
            for (size_t j = n; j-- > k;)
                m[i * n + j] -= m[i * n + k] / m[k * n + k] * m[k * n + j];
    }
    return product;
}

static int run_det(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_array *a;
    struct mlo_array *out;
    double *v;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0 && (a->rank < 2 || a->dims[a->rank - 1] != a->dims[a->rank - 2]))
        rc = mlo_op_refuse(c, err, "no square matrices");
    if (rc == 0)
        rc = mlo_as_doubles(c, a, &v, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, a->dtype, a->dims, a->rank - 2, &out, err);
    if (rc != 0 || !out)
        return rc;
    size_t n = (size_t)a->dims[a->rank - 1];
    for (size_t i = 0; i < out->n; i++) /* results take the place of matrices that are done */
        v[i] = determinant(v + i * n * n, n);
    return mlo_from_doubles(v, out, err);
}

static const struct mlo_op ops[] = {
    {.name = "Einsum", .since = 12, .run = run_einsum},
    {.name = "Det", .since = 11, .run = run_det},
};
const struct mlo_op_family mlo_ops_algebra = {"", ops, MLO_COUNT(ops)};

/*
 * RNN, GRU, LSTM: rows of a sequence one after the other through the same weights. Computed in doubles.
 * Gates are in the order of the weights: RNN i; GRU z r h; LSTM i o f c.
 */
#include <math.h>
#include <string.h>

#include "op.h"

/* ---- activations ---- */

enum activation { SIGMOID, TANH, RELU };

static double activate(enum activation a, double x)
{
    return a == SIGMOID ? 1 / (1 + exp(-x)) : a == TANH ? tanh(x) : x > 0 ? x : 0;
}

enum cell { RNN, GRU, LSTM };
static const enum cell cells[] = {RNN, GRU, LSTM};
static const size_t n_gates[] = {1, 3, 4};
#define ACTIVATIONS 3 /* of one direction, at most */
static const size_t n_activations[] = {1, 2, 3};
static const enum activation usual[][ACTIVATIONS] = {{TANH}, {SIGMOID, TANH}, {SIGMOID, TANH, TANH}};

struct recurrent {
    enum cell cell;
    size_t steps, batch, inputs, hidden, directions, gates;
    bool by_batch; /* layout 1: the batch comes first */
    bool backward; /* the only direction */
    bool reset_after;
    double clip; /* 0: none */
    enum activation act[2][ACTIVATIONS];
    double *x, *w, *r, *b, *h, *c, *p; /* b, p: NULL when not given */
    double *lengths;                   /* NULL: all steps of each sequence */
    double *y;                         /* [steps][directions][batch][hidden] */
    double *gate, *again;              /* of one row: gates, and what comes from the state (GRU) */
};

/* ---- reading ---- */

static int read_activations(const struct mlo_op_call *c, struct recurrent *q, struct mlo_err *err)
{
    static const char *const words[] = {"Sigmoid", "Tanh", "Relu"};
    size_t n, each = n_activations[q->cell];
    const struct mlo_slice *given = mlo_attr_texts(c->node, "activations", &n);
    if (given && n != each * q->directions)
        return mlo_op_refuse(c, err, "%zu activations, not %zu", n, each * q->directions);
    for (size_t i = 0; i < each * q->directions; i++) {
        size_t k = 0;
        while (given && k < MLO_COUNT(words) &&
               (given[i].len != strlen(words[k]) || memcmp(given[i].ptr, words[k], given[i].len) != 0))
            k++;
        if (k == MLO_COUNT(words))
            return mlo_fail(err, MLO_EUNAVAIL,
                            "activations other than Sigmoid, Tanh, Relu are not supported");
        q->act[i / each][i % each] = given ? (enum activation)k : usual[q->cell][i % each];
    }
    return 0;
}

static int read_how(const struct mlo_op_call *c, struct recurrent *q, struct mlo_err *err)
{
    bool both = mlo_attr_is(c->node, "direction", "bidirectional");
    q->cell = *(const enum cell *)c->how;
    q->gates = n_gates[q->cell];
    q->backward = mlo_attr_is(c->node, "direction", "reverse");
    q->directions = both ? 2 : 1;
    q->by_batch = mlo_attr_int(c->node, "layout", 0) != 0;
    q->reset_after = mlo_attr_int(c->node, "linear_before_reset", 0) != 0;
    q->clip = (double)mlo_attr_float(c->node, "clip", 0);
    if (!both && !q->backward && !mlo_attr_is(c->node, "direction", "forward") &&
        !mlo_attr_is(c->node, "direction", ""))
        return mlo_op_refuse(c, err, "direction is not known");
    if (mlo_attr_int(c->node, "input_forget", 0) != 0)
        return mlo_fail(err, MLO_EUNAVAIL, "input_forget is not supported");
    return read_activations(c, q, err);
}

/* Input i as doubles, of this shape; NULL when it is not given. */
static int read_shaped(struct mlo_op_call *c, size_t i, const size_t *dims, unsigned rank, double **ret,
                       struct mlo_err *err)
{
    const struct mlo_array *a = mlo_in(c, i);
    if (!a)
        return 0;
    bool fits = a->rank == rank;
    for (unsigned d = 0; fits && d < rank; d++)
        fits = (uint64_t)a->dims[d] == dims[d];
    return fits ? mlo_as_doubles(c, a, ret, err) : mlo_op_refuse(c, err, "input %zu does not fit", i);
}

static int read_sizes(struct mlo_op_call *c, struct recurrent *q, struct mlo_err *err)
{
    const struct mlo_array *x, *r;
    int rc = mlo_in_array(c, 0, &x, err);
    if (rc == 0)
        rc = mlo_in_array(c, 2, &r, err);
    if (rc == 0 && (x->rank != 3 || r->rank != 3 || !x->n || !r->n))
        rc = mlo_op_refuse(c, err, "not a sequence and weights");
    if (rc != 0)
        return rc;
    q->steps = (size_t)x->dims[q->by_batch];
    q->batch = (size_t)x->dims[!q->by_batch];
    q->inputs = (size_t)x->dims[2];
    q->hidden = (size_t)r->dims[2];
    return mlo_attr_int(c->node, "hidden_size", r->dims[2]) == r->dims[2]
               ? 0
               : mlo_op_refuse(c, err, "hidden_size is not that of the weights");
}

static int read_weights(struct mlo_op_call *c, struct recurrent *q, struct mlo_err *err)
{
    size_t rows = q->gates * q->hidden;
    const size_t w[] = {q->directions, rows, q->inputs}, r[] = {q->directions, rows, q->hidden},
                 b[] = {q->directions, 2 * rows}, p[] = {q->directions, 3 * q->hidden};
    const struct mlo_array *need;
    int rc = mlo_in_array(c, 1, &need, err);
    if (rc == 0)
        rc = mlo_as_doubles(c, mlo_in(c, 0), &q->x, err);
    if (rc == 0)
        rc = read_shaped(c, 1, w, 3, &q->w, err);
    if (rc == 0)
        rc = read_shaped(c, 2, r, 3, &q->r, err);
    if (rc == 0)
        rc = read_shaped(c, 3, b, 2, &q->b, err);
    return rc == 0 && q->cell == LSTM ? read_shaped(c, 7, p, 2, &q->p, err) : rc;
}

/* [directions][batch][hidden], from [batch][directions][hidden] where the batch comes first; zeros when not
 * given. */
static int read_state(struct mlo_op_call *c, size_t i, const struct recurrent *q, double **ret,
                      struct mlo_err *err)
{
    const size_t dims[] = {q->by_batch ? q->batch : q->directions, q->by_batch ? q->directions : q->batch,
                           q->hidden};
    size_t n = q->directions * q->batch * q->hidden;
    double *given = NULL;
    int rc = read_shaped(c, i, dims, 3, &given, err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, n, ret, err);
    for (size_t k = 0; rc == 0 && k < n; k++) {
        size_t unit = k % q->hidden, b = k / q->hidden % q->batch, d = k / q->hidden / q->batch;
        (*ret)[k] = !given ? 0 : q->by_batch ? given[(b * q->directions + d) * q->hidden + unit] : given[k];
    }
    return rc;
}

static int read_all(struct mlo_op_call *c, struct recurrent *q, struct mlo_err *err)
{
    size_t n;
    int rc = read_how(c, q, err);
    if (rc == 0)
        rc = read_sizes(c, q, err);
    if (rc == 0)
        rc = read_weights(c, q, err);
    if (rc == 0)
        rc = read_shaped(c, 4, &q->batch, 1, &q->lengths, err);
    if (rc == 0)
        rc = read_state(c, 5, q, &q->h, err);
    if (rc == 0 && q->cell == LSTM)
        rc = read_state(c, 6, q, &q->c, err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, q->gates * q->hidden, &q->gate, err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, q->gates * q->hidden, &q->again, err);
    if (rc == 0 && __builtin_mul_overflow(q->steps, q->directions * q->batch * q->hidden, &n))
        return mlo_fail_nomem(err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, n, &q->y, err);
    if (rc == 0)
        memset(q->y, 0, n * sizeof *q->y);
    return rc;
}

/* ---- one row of one step ---- */

struct row {
    size_t direction;
    const double *x;
    double *h, *c; /* the state, changed in place */
};

/* to[i] += matrix[i] . v */
static void add_product(double *to, const double *matrix, const double *v, size_t rows, size_t n)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < n; k++)
            to[i] += matrix[i * n + k] * v[k];
}

static double clipped(const struct recurrent *q, double v)
{
    return q->clip <= 0 ? v : v > q->clip ? q->clip : v < -q->clip ? -q->clip : v;
}

/* gate = W x + Wb, again = R h + Rb */
static void sum_up(const struct recurrent *q, const struct row *r)
{
    size_t rows = q->gates * q->hidden;
    const double *bias = q->b ? q->b + r->direction * 2 * rows : NULL;
    for (size_t i = 0; i < rows; i++) {
        q->gate[i] = bias ? bias[i] : 0;
        q->again[i] = bias ? bias[rows + i] : 0;
    }
    add_product(q->gate, q->w + r->direction * rows * q->inputs, r->x, rows, q->inputs);
    add_product(q->again, q->r + r->direction * rows * q->hidden, r->h, rows, q->hidden);
}

static void step_rnn(const struct recurrent *q, const struct row *r)
{
    sum_up(q, r);
    for (size_t i = 0; i < q->hidden; i++)
        r->h[i] = activate(q->act[r->direction][0], clipped(q, q->gate[i] + q->again[i]));
}

/* The new state's part from the old one: reset after the product, or before it. */
static void reset_state(const struct recurrent *q, const struct row *r)
{
    size_t n = q->hidden;
    double *part = q->again + 2 * n, *reset = q->again + n;
    if (q->reset_after) {
        for (size_t i = 0; i < n; i++)
            part[i] *= reset[i];
        return;
    }
    for (size_t i = 0; i < n; i++) {
        part[i] = q->b ? q->b[r->direction * 6 * n + 5 * n + i] : 0;
        reset[i] *= r->h[i];
    }
    add_product(part, q->r + (r->direction * 3 + 2) * n * n, reset, n, n);
}

static void step_gru(const struct recurrent *q, const struct row *r)
{
    const enum activation *f = q->act[r->direction];
    size_t n = q->hidden;
    sum_up(q, r);
    for (size_t i = 0; i < 2 * n; i++)
        q->again[i] = activate(f[0], clipped(q, q->gate[i] + q->again[i]));
    reset_state(q, r);
    for (size_t i = 0; i < n; i++) {
        double update = q->again[i],
               next = activate(f[1], clipped(q, q->gate[2 * n + i] + q->again[2 * n + i]));
        r->h[i] = (1 - update) * next + update * r->h[i];
    }
}

static void step_lstm(const struct recurrent *q, const struct row *r)
{
    const enum activation *f = q->act[r->direction];
    size_t n = q->hidden;
    const double *p = q->p ? q->p + r->direction * 3 * n : NULL;
    sum_up(q, r);
    for (size_t i = 0; i < n; i++) {
        double v[4], old = r->c[i];
        for (size_t k = 0; k < 4; k++)
            v[k] = q->gate[k * n + i] + q->again[k * n + i];
        double in = activate(f[0], clipped(q, v[0] + (p ? p[i] * old : 0)));
        double forget = activate(f[0], clipped(q, v[2] + (p ? p[2 * n + i] * old : 0)));
        r->c[i] = forget * old + in * activate(f[1], clipped(q, v[3]));
        double out = activate(f[0], clipped(q, v[1] + (p ? p[n + i] * r->c[i] : 0)));
        r->h[i] = out * activate(f[2], r->c[i]);
    }
}

/* ---- a sequence ---- */

static void run_sequence(const struct recurrent *q, size_t direction, size_t b)
{
    static void (*const step[])(const struct recurrent *, const struct row *) = {step_rnn, step_gru,
                                                                                 step_lstm};
    size_t length = q->lengths ? (size_t)q->lengths[b] : q->steps,
           state = (direction * q->batch + b) * q->hidden;
    struct row r = {direction, NULL, q->h + state, q->c ? q->c + state : NULL};
    for (size_t i = 0; i < length; i++) {
        size_t t = q->backward || direction == 1 ? length - 1 - i : i;
        r.x = q->x + (q->by_batch ? b * q->steps + t : t * q->batch + b) * q->inputs;
        step[q->cell](q, &r);
        memcpy(q->y + ((t * q->directions + direction) * q->batch + b) * q->hidden, r.h,
               q->hidden * sizeof *r.h);
    }
}

/* [outer][directions][batch][hidden] as output i; with the batch in front where the layout says so. */
static int give(struct mlo_op_call *c, size_t i, const struct recurrent *q, double *v, bool with_steps,
                struct mlo_err *err)
{
    int64_t s = (int64_t)q->steps, d = (int64_t)q->directions, b = (int64_t)q->batch, h = (int64_t)q->hidden;
    int64_t plain[] = {s, d, b, h}, turned[] = {b, s, d, h}, state[] = {b, d, h};
    const int64_t *dims = !q->by_batch ? plain + !with_steps : with_steps ? turned : state;
    struct mlo_array *out;
    double *to = v;
    int rc = mlo_out_new(c, i, mlo_in(c, 0)->dtype, dims, with_steps ? 4 : 3, &out, err);
    if (rc != 0 || !out)
        return rc;
    if (q->by_batch)
        rc = mlo_scratch_doubles(c, out->n, &to, err);
    size_t outer = with_steps ? q->steps * q->directions : q->directions;
    for (size_t k = 0; rc == 0 && q->by_batch && k < out->n; k++) {
        size_t unit = k % q->hidden, row = k / q->hidden % q->batch, o = k / q->hidden / q->batch;
        to[(row * outer + o) * q->hidden + unit] = v[k];
    }
    return rc == 0 ? mlo_from_doubles(to, out, err) : rc;
}

static int run_recurrent(struct mlo_op_call *c, struct mlo_err *err)
{
    struct recurrent q = {0};
    int rc = read_all(c, &q, err);
    for (size_t b = 0; rc == 0 && q.lengths && b < q.batch; b++)
        if (!(q.lengths[b] >= 0 && q.lengths[b] <= (double)q.steps))
            rc = mlo_op_refuse(c, err, "a sequence of %g of %zu steps", q.lengths[b], q.steps);
    for (size_t i = 0; rc == 0 && i < q.directions * q.batch; i++)
        run_sequence(&q, i / q.batch, i % q.batch);
    if (rc == 0)
        rc = give(c, 0, &q, q.y, true, err);
    if (rc == 0)
        rc = give(c, 1, &q, q.h, false, err);
    return rc == 0 && q.cell == LSTM ? give(c, 2, &q, q.c, false, err) : rc;
}

static const struct mlo_op ops[] = {
    {.name = "RNN", .since = 7, .run = run_recurrent, .how = &cells[RNN]},
    {.name = "GRU", .since = 7, .run = run_recurrent, .how = &cells[GRU]},
    {.name = "LSTM", .since = 7, .run = run_recurrent, .how = &cells[LSTM]},
};
const struct mlo_op_family mlo_ops_recurrent = {"", ops, MLO_COUNT(ops)};

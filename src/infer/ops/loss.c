/* Losses as exported training graphs carry them: NegativeLogLikelihoodLoss, SoftmaxCrossEntropyLoss. In
 * doubles. */
#include <math.h>

#include "op.h"

struct loss { /* scores: [batch][class][position] */
    const struct mlo_array *scores, *labels;
    size_t batch, classes, positions;
    double *v;         /* logarithms of probabilities */
    const int64_t *of; /* class of each [batch][position] */
    double *weights;   /* of each class; NULL: all 1 */
    bool ignores;
    int64_t ignored;
};

static bool fits(const struct loss *l)
{
    const struct mlo_array *s = l->scores, *t = l->labels;
    if (s->rank < 2 || t->rank + 1 != s->rank || s->dims[0] != t->dims[0])
        return false;
    for (unsigned d = 2; d < s->rank; d++)
        if (s->dims[d] != t->dims[d - 1])
            return false;
    return true;
}

static int read_loss(struct mlo_op_call *c, struct loss *l, struct mlo_err *err)
{
    const struct mlo_array *weights = mlo_in(c, 2);
    const void *of = NULL;
    int rc = mlo_in_array(c, 0, &l->scores, err);
    if (rc == 0)
        rc = mlo_in_array(c, 1, &l->labels, err);
    if (rc == 0 && !fits(l))
        rc = mlo_op_refuse(c, err, "labels that do not fit");
    if (rc != 0)
        return rc;
    mlo_around(l->scores, 1, &l->batch, &l->positions);
    l->classes = (size_t)l->scores->dims[1];
    l->ignores = mlo_node_attr(c->node, "ignore_index") != NULL;
    l->ignored = mlo_attr_int(c->node, "ignore_index", 0);
    if (weights && (weights->rank != 1 || weights->n != l->classes))
        return mlo_op_refuse(c, err, "not a weight for each of %zu classes", l->classes);
    rc = mlo_as_doubles(c, l->scores, &l->v, err);
    if (rc == 0)
        rc = mlo_as_type(c, l->labels, MLO_DT_I64, &of, err);
    if (rc == 0 && weights)
        rc = mlo_as_doubles(c, weights, &l->weights, err);
    l->of = of;
    return rc;
}

/* Element i of the labels: what it costs, and how much it counts. */
static int cost_of(const struct mlo_op_call *c, const struct loss *l, size_t i, double *ret,
                   double *ret_weight, struct mlo_err *err)
{
    int64_t class = l->of[i];
    *ret = *ret_weight = 0;
    if (l->ignores && class == l->ignored)
        return 0;
    if (class < 0 || (size_t) class >= l->classes)
        return mlo_op_refuse(c, err, "label %lld of %zu classes", (long long)class, l->classes);
    size_t row = i / l->positions, position = i % l->positions;
    *ret_weight = l->weights ? l->weights[class] : 1;
    *ret = -l->v[(row * l->classes + (size_t) class) * l->positions + position] * *ret_weight;
    return 0;
}

/* One number for each label, or their sum or weighted mean. */
static int give_loss(struct mlo_op_call *c, const struct loss *l, struct mlo_err *err)
{
    bool each = mlo_attr_is(c->node, "reduction", "none"), sum = mlo_attr_is(c->node, "reduction", "sum");
    double *costs, total = 0, weights = 0;
    struct mlo_array *out;
    int rc = mlo_scratch_doubles(c, l->labels->n + 1, &costs, err);
    for (size_t i = 0; rc == 0 && i < l->labels->n; i++) {
        double weight;
        rc = cost_of(c, l, i, &costs[i], &weight, err);
        total += costs[i];
        weights += weight;
    }
    if (rc == 0 && !each)
        costs[0] = sum ? total : total / weights;
    if (rc == 0)
        rc = mlo_out_new(c, 0, l->scores->dtype, l->labels->dims, each ? l->labels->rank : 0, &out, err);
    return rc == 0 && out ? mlo_from_doubles(costs, out, err) : rc;
}

static int run_likelihood(struct mlo_op_call *c, struct mlo_err *err)
{
    struct loss l = {0};
    int rc = read_loss(c, &l, err);
    return rc == 0 ? give_loss(c, &l, err) : rc;
}

/* One position's scores to logarithms of probabilities. */
static void log_softmax(double *v, size_t classes, size_t step)
{
    double most = -INFINITY, sum = 0;
    for (size_t k = 0; k < classes; k++)
        most = v[k * step] > most ? v[k * step] : most;
    for (size_t k = 0; k < classes; k++)
        sum += exp(v[k * step] - most);
    for (size_t k = 0; k < classes; k++)
        v[k * step] -= most + log(sum);
}

static int run_cross_entropy(struct mlo_op_call *c, struct mlo_err *err)
{
    struct loss l = {0};
    struct mlo_array *out;
    int rc = read_loss(c, &l, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < l.labels->n; i++)
        log_softmax(l.v + i / l.positions * l.classes * l.positions + i % l.positions, l.classes,
                    l.positions);
    rc = give_loss(c, &l, err);
    if (rc == 0)
        rc = mlo_out_new(c, 1, l.scores->dtype, l.scores->dims, l.scores->rank, &out, err);
    return rc == 0 && out ? mlo_from_doubles(l.v, out, err) : rc;
}

static const struct mlo_op ops[] = {
    {.name = "NegativeLogLikelihoodLoss", .since = 12, .run = run_likelihood},
    {.name = "SoftmaxCrossEntropyLoss", .since = 12, .run = run_cross_entropy},
};
const struct mlo_op_family mlo_ops_loss = {"", ops, MLO_COUNT(ops)};

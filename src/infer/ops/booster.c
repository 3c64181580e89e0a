/*
 * Boosters as their trainers run them. XGBoost: floats, the base first, then tree after tree; a linear model
 * feature after feature, missing ones left out. LightGBM: the same in doubles. So scores are the trainer's
 * own bits; exp is this machine's, so what is made of them may differ in the last place.
 */
#include <math.h>
#include <string.h>

#include "infer/trees/booster.h"
#include "infer/internal.h"

#define BLOCK ((size_t)256) /* rows */

struct run {
    const struct mlo_booster *b;
    const struct mlo_trees *trees;
    size_t n, width;
    const struct mlo_array *x;
    struct mlo_array *label, *result, *margin;
    const struct mlo_vote *votes; /* of each leaf; LightGBM */
    uint32_t *leaves;             /* of a block of rows; likewise */
    void *room;                   /* the kernel's */
    const void *sums;             /* by a device, of the type of scores; NULL */
};

/* ---- XGBoost: floats ---- */

static void add_linear(const struct run *r, const float *x, float *scores)
{
    size_t n = r->b->n_outputs;
    for (size_t k = 0; k < r->width; k++)
        for (size_t t = 0; t < n && !isnan(x[k]); t++)
            scores[t] += x[k] * (float)r->b->weights[k * n + t];
}

static void score_block(const struct run *r, size_t first, size_t n)
{
    size_t outputs = r->b->n_outputs;
    const float *x = (const float *)r->x->data + first * r->width;
    float *scores = (float *)r->margin->data + first * outputs;
    if (r->sums) {
        memcpy(scores, (const float *)r->sums + first * outputs, n * outputs * sizeof *scores);
        return;
    }
    for (size_t i = 0; i < n * outputs; i++)
        scores[i] = (float)r->b->base[i % outputs];
    if (r->trees->n > 0)
        mlo_trees_sum_f32(r->trees, x, n, r->width, r->room, scores);
    for (size_t i = 0; i < n && r->b->weights; i++)
        add_linear(r, x + i * r->width, scores + i * outputs);
}

static void softmax_f32(float *v, size_t n)
{
    float most = v[0];
    double sum = 0;
    for (size_t i = 1; i < n; i++)
        most = fmaxf(most, v[i]);
    for (size_t i = 0; i < n; i++)
        sum += (double)(v[i] = expf(v[i] - most));
    for (size_t i = 0; i < n; i++)
        v[i] /= (float)sum;
}

#define EXP_MAX_F32 88.7F /* exp of more is no float */

static float link_f32(enum mlo_link link, float s)
{
    if (link == MLO_LINK_LOGISTIC)
        return 1.0F / (expf(fminf(-s, EXP_MAX_F32)) + 1.0F);
    if (link == MLO_LINK_EXP)
        return expf(s);
    return link == MLO_LINK_HINGE ? (float)(s > 0.0F) : s;
}

static void finish_f32(const struct run *r, size_t row, const float *scores)
{
    size_t n = r->b->n_outputs;
    bool pair = r->b->classes && n == 1;
    float *out = (float *)r->result->data + row * (pair ? 2 : n) + pair;
    for (size_t k = 0; k < n; k++)
        out[k] = link_f32(r->b->link, scores[k]);
    if (r->b->link == MLO_LINK_SOFTMAX)
        softmax_f32(out, n);
    if (pair)
        out[-1] = 1.0F - out[0];
    size_t best = pair && out[0] > 0.5F;
    for (size_t k = 1; k < n; k++)
        best = out[k] > out[best] ? k : best;
    if (r->label)
        ((int64_t *)r->label->data)[row] = (int64_t)best;
}

static void run_f32(const struct run *r)
{
    for (size_t first = 0; first < r->n; first += BLOCK)
        score_block(r, first, r->n - first < BLOCK ? r->n - first : BLOCK);
    for (size_t i = 0; i < r->n; i++)
        finish_f32(r, i, (const float *)r->margin->data + i * r->b->n_outputs);
}

/* ---- LightGBM: doubles ---- */

/* A leaf's value, or that of its linear model unless a term of it is missing. */
static double leaf_value(const struct run *r, const double *x, size_t leaf)
{
    const struct mlo_booster_line *line = &r->b->lines[leaf];
    double sum = line->constant;
    for (size_t i = line->first; i < line->first + line->n; i++) {
        double v = x[r->b->terms[i].feature];
        if (isnan(v))
            return r->votes[leaf].weight;
        sum += r->b->terms[i].weight * (fabs(v) > MLO_BOOSTER_NEAR_ZERO ? v : 0);
    }
    return sum;
}

/* leaves: one of each tree, each with one vote. */
static void score_f64(const struct run *r, const double *x, const uint32_t *leaves, double *scores)
{
    for (size_t k = 0; k < r->b->n_outputs; k++)
        scores[k] = r->b->base[k];
    for (size_t k = 0; k < r->trees->n; k++) {
        const struct mlo_vote *v = &r->votes[leaves[k]];
        scores[v->target] += r->b->lines ? leaf_value(r, x, leaves[k]) : v->weight;
    }
}

static void softmax_f64(double *v, size_t n)
{
    double most = v[0], sum = 0;
    for (size_t i = 1; i < n; i++)
        most = fmax(most, v[i]);
    for (size_t i = 0; i < n; i++)
        sum += v[i] = exp(v[i] - most);
    for (size_t i = 0; i < n; i++)
        v[i] /= sum;
}

static double link_f64(const struct mlo_booster *b, double s)
{
    if (b->link == MLO_LINK_LOGISTIC)
        return 1.0 / (1.0 + exp(-b->slope * s));
    if (b->link == MLO_LINK_EXP)
        return exp(s);
    if (b->link == MLO_LINK_LOG1P)
        return log1p(exp(s));
    return b->link == MLO_LINK_SQUARE ? s * fabs(s) : s;
}

static void finish_f64(const struct run *r, size_t row, const double *scores)
{
    const struct mlo_booster *b = r->b;
    size_t n = b->n_outputs;
    bool pair = b->classes && n == 1;
    double *out = (double *)r->result->data + row * (pair ? 2 : n) + pair;
    for (size_t k = 0; k < n; k++)
        out[k] = link_f64(b, b->average && b->rounds ? scores[k] / (double)b->rounds : scores[k]);
    if (b->link == MLO_LINK_SOFTMAX)
        softmax_f64(out, n);
    if (pair)
        out[-1] = 1.0 - out[0];
    size_t best = pair && out[0] > out[-1];
    for (size_t k = 1; k < n; k++)
        best = out[k] > out[best] ? k : best;
    if (r->label)
        ((int64_t *)r->label->data)[row] = (int64_t)best;
}

static void finish_sums_f64(const struct run *r)
{
    double *scores = r->margin->data;
    memcpy(scores, r->sums, r->n * r->b->n_outputs * sizeof *scores);
    for (size_t i = 0; i < r->n; i++)
        finish_f64(r, i, scores + i * r->b->n_outputs);
}

static void run_f64(const struct run *r)
{
    double *scores = r->margin->data;
    if (r->sums) {
        finish_sums_f64(r);
        return;
    }
    for (size_t first = 0; first < r->n; first += BLOCK) {
        size_t n = r->n - first < BLOCK ? r->n - first : BLOCK;
        const double *x = (const double *)r->x->data + first * r->width;
        mlo_trees_find_f64(r->trees, x, n, r->width, r->room, r->leaves);
        for (size_t i = 0; i < n; i++, scores += r->b->n_outputs) {
            score_f64(r, x + i * r->width, r->leaves + i * r->trees->n, scores);
            finish_f64(r, first + i, scores);
        }
    }
}

/* ---- the operator ---- */

static int open_run(struct mlo_op_call *c, struct run *r, struct mlo_err *err)
{
    const struct mlo_booster_params *p = c->params;
    *r = (struct run){.b = p->booster, .trees = &p->forest.trees, .votes = p->forest.votes, .sums = c->sums};
    bool wide = r->b->trainer == MLO_TRAINER_LIGHTGBM;
    void *leaves = NULL;
    int rc = mlo_in_typed(c, 0, wide ? MLO_DT_F64 : MLO_DT_F32, &r->x, err);
    if (rc != 0)
        return rc;
    if (r->x->rank != 2 || (size_t)r->x->dims[1] != r->b->n_features)
        return mlo_op_refuse(c, err, "not rows of %zu features", r->b->n_features);
    r->n = (size_t)r->x->dims[0];
    r->width = r->b->n_features;
    size_t block = r->n < BLOCK ? r->n : BLOCK;
    rc = mlo_scratch(c, mlo_trees_room(r->trees, block), 1, &r->room, err);
    if (rc == 0 && wide)
        rc = mlo_scratch(c, block * r->trees->n, sizeof *r->leaves, &leaves, err);
    r->leaves = leaves;
    return rc;
}

static int open_outputs(struct mlo_op_call *c, struct run *r, struct mlo_err *err)
{
    int64_t dims[2] = {(int64_t)r->n, (int64_t)r->b->n_outputs};
    size_t i = 0;
    int rc = r->b->classes ? mlo_out_new(c, i++, MLO_DT_I64, dims, 1, &r->label, err) : 0;
    if (rc == 0 && i + 1 < c->n_out)
        rc = mlo_out_new(c, i + 1, r->x->dtype, dims, 2, &r->margin, err);
    dims[1] = r->b->classes && dims[1] == 1 ? 2 : dims[1];
    if (rc == 0)
        rc = mlo_out_new(c, i, r->x->dtype, dims, 2, &r->result, err);
    if (!r->margin)
        r->margin = r->result;
    return rc;
}

static int run_booster(struct mlo_op_call *c, struct mlo_err *err)
{
    struct run r;
    int rc = open_run(c, &r, err);
    if (rc == 0)
        rc = open_outputs(c, &r, err);
    if (rc != 0)
        return rc;
    if (r.b->trainer == MLO_TRAINER_XGBOOST)
        run_f32(&r);
    else
        run_f64(&r);
    return 0;
}

const struct mlo_op mlo_op_booster = {.name = "Booster", .since = 1, .run = run_booster};

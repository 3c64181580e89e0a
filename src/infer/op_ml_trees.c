/*
 * ai.onnx.ml: TreeEnsembleRegressor, TreeEnsembleClassifier and TreeEnsemble. The model's tables become a
 * forest (ensemble.h, forest.h) once; what is done with the votes follows ONNX Runtime, in its order of
 * additions.
 */
#include <math.h>
#include <string.h>

#include "ensemble.h"

static void free_ensemble(void *state)
{
    struct mlo_ensemble *e = state;
    mlo_forest_release(&e->forest);
    free(e->base);
    free(e);
}

/* ---- preparing ---- */

#define TARGETS_MAX ((int64_t)1 << 24)

static int read_targets(const struct mlo_node *n, size_t *ret, struct mlo_err *err)
{
    int64_t targets = mlo_attr_int(n, "n_targets", 1);
    if (targets < 1 || targets > TARGETS_MAX)
        return mlo_fail(err, MLO_EINVALID, "%lld targets", (long long)targets);
    *ret = (size_t)targets;
    return 0;
}

static int read_aggregate(const struct mlo_node *n, enum mlo_aggregate *ret, struct mlo_err *err)
{
    static const char *const words[] = {"AVERAGE", "SUM", "MIN", "MAX"};
    *ret = MLO_AGGREGATE_SUM;
    if (mlo_attr_is(n, "aggregate_function", ""))
        return 0;
    for (size_t i = 0; i < MLO_COUNT(words); i++)
        if (mlo_attr_is(n, "aggregate_function", words[i])) {
            *ret = (enum mlo_aggregate)i;
            return 0;
        }
    return mlo_fail(err, MLO_EUNAVAIL, "an unknown aggregate_function");
}

static int new_ensemble(void **ret_state, struct mlo_ensemble **ret, struct mlo_err *err)
{
    *ret_state = *ret = mlo_calloc(1, sizeof **ret, err);
    return *ret ? 0 : err->code;
}

/* None, one for each score, or one where two classes may share a score. */
static int read_base(const struct mlo_node *node, size_t n, struct mlo_ensemble *e, struct mlo_err *err)
{
    int rc = mlo_ensemble_numbers(node, "base_values", &e->base, &e->n_base, err);
    bool shared = e->labels.list.n == 2 && e->n_base == 1;
    if (rc == 0 && e->n_base != 0 && e->n_base != n && !shared)
        rc = mlo_fail(err, MLO_EINVALID, "%zu base values for %zu scores", e->n_base, n);
    return rc;
}

static int prepare_regressor(const struct mlo_op_prepare *p, void **ret_state, struct mlo_err *err)
{
    struct mlo_ensemble *e;
    struct mlo_ensemble_tables t = {0};
    size_t n = 0;
    int rc = new_ensemble(ret_state, &e, err);
    if (rc == 0)
        rc = read_targets(p->node, &n, err);
    if (rc == 0)
        rc = read_aggregate(p->node, &e->aggregate, err);
    if (rc == 0)
        rc = mlo_post_read(p->node, &e->post, err);
    if (rc == 0)
        rc = read_base(p->node, n, e, err);
    if (rc == 0)
        rc = mlo_ensemble_read(p->node, "target", n, &t, err);
    if (rc == 0)
        rc = mlo_forest_build(&t.source, &e->forest, err);
    mlo_ensemble_tables_free(&t);
    return rc;
}

static int prepare_wide(const struct mlo_op_prepare *p, void **ret_state, struct mlo_err *err)
{
    /* The standard says 1 for SOFTMAX and 2 for LOGISTIC; ONNX Runtime (1.31) takes them the other way round.
     */
    static const enum mlo_post posts[] = {MLO_POST_NONE, MLO_POST_LOGISTIC, MLO_POST_SOFTMAX,
                                          MLO_POST_SOFTMAX_ZERO, MLO_POST_PROBIT};
    int64_t aggregate = mlo_attr_int(p->node, "aggregate_function", MLO_AGGREGATE_SUM);
    int64_t post = mlo_attr_int(p->node, "post_transform", MLO_POST_NONE);
    struct mlo_ensemble *e;
    struct mlo_ensemble_tables t = {0};
    size_t n = 0;
    int rc = new_ensemble(ret_state, &e, err);
    if (rc == 0)
        rc = read_targets(p->node, &n, err);
    if (rc == 0 && (aggregate < 0 || aggregate > MLO_AGGREGATE_MAX || post < 0 || post > MLO_POST_PROBIT))
        rc = mlo_fail(err, MLO_EUNAVAIL, "aggregate_function %lld, post_transform %lld", (long long)aggregate,
                      (long long)post);
    if (rc != 0)
        return rc;
    e->aggregate = (enum mlo_aggregate)aggregate;
    e->post = posts[post];
    rc = mlo_ensemble_read_wide(p->node, n, &t, err);
    if (rc == 0)
        rc = mlo_forest_build(&t.source, &e->forest, err);
    mlo_ensemble_tables_free(&t);
    return rc;
}

/* ONNX Runtime looks at all votes, also those of nodes that are no leaves. */
static void look_at_votes(struct mlo_ensemble *e, const struct mlo_forest_source *s)
{
    size_t n = s->first_vote[s->n_leaves];
    e->one_class = e->all_positive = true;
    for (size_t i = 0; i < n; i++) {
        e->one_class = e->one_class && s->votes[i].target == s->votes[0].target;
        e->all_positive = e->all_positive && s->votes[i].weight >= 0;
    }
}

static int prepare_classifier(const struct mlo_op_prepare *p, void **ret_state, struct mlo_err *err)
{
    struct mlo_ensemble *e;
    struct mlo_ensemble_tables t = {0};
    int rc = new_ensemble(ret_state, &e, err);
    if (rc != 0)
        return rc;
    e->aggregate = MLO_AGGREGATE_SUM;
    rc = mlo_post_read(p->node, &e->post, err);
    if (rc == 0)
        rc = mlo_ml_labels_read(p->node, "classlabels_int64s", "classlabels_strings", &e->labels, err);
    if (rc == 0)
        rc = read_base(p->node, e->labels.list.n, e, err);
    if (rc == 0)
        rc = mlo_ensemble_read(p->node, "class", e->labels.list.n, &t, err);
    if (rc == 0)
        rc = mlo_forest_build(&t.source, &e->forest, err);
    if (rc == 0)
        look_at_votes(e, &t.source);
    mlo_ensemble_tables_free(&t);
    return rc;
}

/* ---- scores of a row ---- */

/* Sums are made in the type of the rows; a float's sum is rounded at each step. */
struct scorer {
    const struct mlo_ensemble *e;
    bool wide; /* rows of doubles */
    const void *x;
    size_t n, width;
    double *scores; /* of one row */
    unsigned char *voted;
    float *sums; /* of a block of rows, where the kernel adds */
    void *rows;  /* a block with its negated half; NULL: not needed */
    uint32_t *leaves;
};
#define BLOCK ((size_t)256) /* rows */

static double rounded(const struct scorer *s, double v)
{
    return s->wide ? v : (double)(float)v;
}

static int prepare_rows(struct mlo_op_call *c, struct scorer *s, struct mlo_err *err)
{
    const struct mlo_array *a;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = mlo_ml_rows_shape(a, &s->n, &s->width, err);
    if (rc == 0 && s->width < s->e->forest.n_features)
        rc = mlo_op_refuse(c, err, "not the %zu columns that trees ask for", s->e->forest.n_features);
    if (rc != 0)
        return rc;
    s->wide = a->dtype == MLO_DT_F64;
    s->x = a->data;
    if (s->wide)
        return 0;
    struct mlo_ml_rows rows = {0};
    rc = mlo_ml_rows_in(c, 0, &rows, err);
    s->x = rows.at;
    return rc;
}

static int scorer_init(struct mlo_op_call *c, struct scorer *s, struct mlo_err *err)
{
    const struct mlo_forest *f = &((const struct mlo_ensemble *)c->state)->forest;
    void *memory[5] = {0};
    *s = (struct scorer){.e = c->state};
    int rc = prepare_rows(c, s, err);
    size_t block = s->n < BLOCK ? s->n : BLOCK;
    if (rc == 0)
        rc = mlo_scratch(c, f->n_targets, sizeof *s->scores, &memory[0], err);
    if (rc == 0)
        rc = mlo_scratch(c, f->n_targets, 1, &memory[1], err);
    if (rc == 0)
        rc = mlo_scratch(c, f->trees.n, sizeof *s->leaves, &memory[2], err);
    if (rc == 0)
        rc = mlo_scratch(c, block * f->n_targets, sizeof(float), &memory[3], err);
    if (rc == 0 && f->negated)
        rc = mlo_scratch(c, block * 2 * f->n_features, s->wide ? sizeof(double) : sizeof(float), &memory[4],
                         err);
    s->scores = memory[0];
    s->voted = memory[1];
    s->leaves = memory[2];
    s->sums = memory[3];
    s->rows = memory[4];
    return rc;
}

/* Rows [first, first + n) as the forest wants them: *ret_stride apart. */
static const float *rows_f32(const struct scorer *s, size_t first, size_t n, size_t *ret_stride)
{
    const float *x = (const float *)s->x + first * s->width;
    size_t half = s->e->forest.n_features;
    float *to = s->rows;
    *ret_stride = s->width;
    if (!to)
        return x;
    *ret_stride = 2 * half;
    for (size_t i = 0; i < n; i++, to += 2 * half, x += s->width)
        for (size_t k = 0; k < half; k++) {
            to[k] = x[k];
            to[half + k] = -x[k];
        }
    return s->rows;
}

static const double *row_f64(const struct scorer *s, size_t i)
{
    const double *x = (const double *)s->x + i * s->width;
    size_t half = s->e->forest.n_features;
    double *to = s->rows;
    for (size_t k = 0; to && k < half; k++) {
        to[k] = x[k];
        to[half + k] = -x[k];
    }
    return to ? to : x;
}

static void take_vote(const struct scorer *s, const struct mlo_vote *v)
{
    double weight = rounded(s, v->weight), *score = &s->scores[v->target];
    bool first = !s->voted[v->target];
    s->voted[v->target] = 1;
    if (s->e->aggregate == MLO_AGGREGATE_MIN)
        *score = first || weight < *score ? weight : *score;
    else if (s->e->aggregate == MLO_AGGREGATE_MAX)
        *score = first || weight > *score ? weight : *score;
    else
        *score = rounded(s, *score + weight);
}

static void score_row(const struct scorer *s, size_t i)
{
    const struct mlo_forest *f = &s->e->forest;
    size_t stride;
    if (s->wide)
        mlo_trees_find_f64(&f->trees, row_f64(s, i), s->leaves);
    else
        mlo_trees_find_f32(&f->trees, rows_f32(s, i, 1, &stride), s->leaves);
    memset(s->scores, 0, f->n_targets * sizeof *s->scores);
    memset(s->voted, 0, f->n_targets);
    for (size_t k = 0; k < f->trees.n; k++) {
        size_t leaf = f->leaf[s->leaves[k]];
        for (size_t v = f->first_vote[leaf]; v < f->first_vote[leaf + 1]; v++)
            take_vote(s, &f->votes[v]);
    }
}

typedef void finish_fn(const struct scorer *s, size_t row, void *ctx);

static void score_block(const struct scorer *s, size_t first, size_t n, finish_fn *finish, void *ctx)
{
    const struct mlo_forest *f = &s->e->forest;
    size_t stride, targets = f->n_targets;
    const float *x = rows_f32(s, first, n, &stride);
    memset(s->sums, 0, n * targets * sizeof *s->sums);
    memset(s->voted, 0, targets);
    for (size_t k = 0; k < f->trees.n; k++)
        s->voted[f->targets[k]] = 1;
    mlo_trees_sum_f32(&f->trees, x, n, stride, s->leaves, s->sums);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < targets; k++)
            s->scores[k] = (double)s->sums[i * targets + k];
        finish(s, first + i, ctx);
    }
}

static void score_rows(const struct scorer *s, finish_fn *finish, void *ctx)
{
    bool sums = s->e->aggregate == MLO_AGGREGATE_SUM || s->e->aggregate == MLO_AGGREGATE_AVERAGE;
    bool plain = s->e->forest.plain && !s->wide && sums;
    for (size_t i = 0; i < s->n && plain; i += BLOCK)
        score_block(s, i, s->n - i < BLOCK ? s->n - i : BLOCK, finish, ctx);
    for (size_t i = 0; i < s->n && !plain; i++) {
        score_row(s, i);
        finish(s, i, ctx);
    }
}

/* ---- regression ---- */

/* As in ONNX Runtime, of several targets one that nothing voted for gets 0, not its base value. */

struct regression {
    struct mlo_array *out;
    float *row;
};

static void finish_regression(const struct scorer *s, size_t row, void *ctx)
{
    const struct mlo_ensemble *e = s->e;
    const struct regression *r = ctx;
    size_t n = e->forest.n_targets;
    for (size_t k = 0; k < n; k++) {
        double base = e->n_base == n ? e->base[k] : 0;
        double v = s->scores[k];
        if (e->aggregate == MLO_AGGREGATE_AVERAGE)
            v = rounded(s, v / (double)e->forest.trees.n);
        s->scores[k] = rounded(s, v + rounded(s, base));
    }
    for (size_t k = 0; k < n && n > 1; k++)
        s->scores[k] = s->voted[k] ? s->scores[k] : 0;
    for (size_t k = 0; k < n; k++)
        r->row[k] = (float)s->scores[k];
    if (n == 1)
        r->row[0] = mlo_post_one(e->post, r->row[0]);
    else
        mlo_post_row(e->post, r->row, n);
    for (size_t k = 0; k < n; k++)
        if (r->out->dtype == MLO_DT_F64)
            ((double *)r->out->data)[row * n + k] = e->post == MLO_POST_NONE ? s->scores[k]
                                                                             : (double)r->row[k];
        else
            ((float *)r->out->data)[row * n + k] = r->row[k];
}

static int regress(struct mlo_op_call *c, enum mlo_dtype t, struct mlo_err *err)
{
    const struct mlo_ensemble *e = c->state;
    int64_t dims[2] = {0, (int64_t)e->forest.n_targets};
    struct regression r;
    struct scorer s;
    void *row;
    int rc = scorer_init(c, &s, err);
    dims[0] = (int64_t)s.n;
    if (rc == 0)
        rc = mlo_scratch(c, e->forest.n_targets, sizeof(float), &row, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, t == MLO_DT_F64 ? t : MLO_DT_F32, dims, 2, &r.out, err);
    if (rc != 0 || !r.out)
        return rc;
    r.row = row;
    score_rows(&s, finish_regression, &r);
    return 0;
}

static int run_regressor(struct mlo_op_call *c, struct mlo_err *err)
{
    return regress(c, MLO_DT_F32, err);
}

/* The output is of the input's type. */
static int run_wide(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_array *a = mlo_in(c, 0);
    if (a && a->dtype != MLO_DT_F32 && a->dtype != MLO_DT_F64)
        return mlo_fail(err, MLO_EUNAVAIL, "trees on %s are not supported", mlo_dtype_name(a->dtype));
    return regress(c, a ? a->dtype : MLO_DT_F32, err);
}

/* ---- classification ---- */

struct classification {
    struct mlo_array *labels, *out;
    float *row;
};

static size_t greatest_voted(const struct scorer *s)
{
    size_t best = SIZE_MAX;
    for (size_t k = 0; k < s->e->forest.n_targets; k++)
        if (s->voted[k] && (best == SIZE_MAX || s->scores[k] > s->scores[best]))
            best = k;
    return best == SIZE_MAX ? 0 : best;
}

static void put_label(const struct classification *c, const struct mlo_ensemble *e, size_t row, size_t which)
{
    if (c->labels)
        mlo_ml_label_put(&e->labels, which, c->labels, row);
}

static void finish_many(const struct scorer *s, size_t row, const struct classification *c)
{
    const struct mlo_ensemble *e = s->e;
    size_t n = e->forest.n_targets;
    for (size_t k = 0; k < e->n_base; k++) {
        s->scores[k] = rounded(s, s->scores[k] + rounded(s, e->base[k]));
        s->voted[k] = 1;
    }
    put_label(c, e, row, greatest_voted(s));
    for (size_t k = 0; k < n; k++)
        c->row[k] = (float)s->scores[k];
    mlo_post_row(e->post, c->row, n);
}

/* Base values of two classes; *ret_pair false: there is but the first score. */
static void add_two_bases(const struct scorer *s, bool *ret_pair)
{
    const struct mlo_ensemble *e = s->e;
    double *v = s->scores;
    *ret_pair = e->n_base == 2 || s->voted[1];
    if (e->n_base == 1)
        v[0] = rounded(s, v[0] + rounded(s, e->base[0]));
    if (e->n_base == 2 && s->voted[1]) {
        v[1] = rounded(s, rounded(s, e->base[1]) + v[0]);
        v[0] = -v[1];
    } else if (e->n_base == 2) {
        v[0] = s->voted[0] ? rounded(s, v[0] + rounded(s, e->base[0])) : 0;
        v[1] = 0; /* nothing voted for it: ONNX Runtime forgets the base value */
    }
}

/* Where votes are for both classes the label is the number 1 or 0 itself, as in ONNX Runtime. */
static void put_two_label(const struct scorer *s, size_t row, const struct classification *c, double score)
{
    const struct mlo_ensemble *e = s->e;
    bool second = e->one_class && e->all_positive ? score > 0.5 : score > 0;
    if (e->one_class || e->labels.list.dtype == MLO_DT_STRING)
        put_label(c, e, row, second && e->labels.list.n > 1);
    else if (c->labels)
        mlo_ml_label_put_number(&e->labels, second, c->labels, row);
}

static void finish_two(const struct scorer *s, size_t row, const struct classification *c)
{
    const struct mlo_ensemble *e = s->e;
    bool pair;
    add_two_bases(s, &pair);
    put_two_label(s, row, c, s->voted[1] ? s->scores[1] : s->voted[0] ? s->scores[0] : 0);
    c->row[0] = (float)s->scores[0];
    c->row[1] = (float)s->scores[1];
    if (pair)
        mlo_post_row(e->post, c->row, 2);
    else if (e->post == MLO_POST_PROBIT)
        c->row[0] = mlo_probit(c->row[0]);
    else
        mlo_post_pair(e->post, !(e->one_class && e->all_positive), c->row[0], c->row);
}

static void finish_one(const struct scorer *s, size_t row, const struct classification *c)
{
    const struct mlo_ensemble *e = s->e;
    double v = e->n_base == 1 ? rounded(s, s->scores[0] + rounded(s, e->base[0])) : s->scores[0];
    if (e->labels.list.dtype == MLO_DT_STRING)
        put_label(c, e, row, 0);
    else if (c->labels)
        mlo_ml_label_put_number(&e->labels, v > 0, c->labels, row);
    c->row[0] = mlo_post_one(e->post, (float)v);
}

static void finish_classification(const struct scorer *s, size_t row, void *ctx)
{
    struct classification *c = ctx;
    size_t n = s->e->forest.n_targets;
    if (n > 2)
        finish_many(s, row, c);
    else if (n == 2)
        finish_two(s, row, c);
    else
        finish_one(s, row, c);
    if (c->out)
        memcpy((float *)c->out->data + row * n, c->row, n * sizeof(float));
}

static int run_classifier(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_ensemble *e = c->state;
    struct classification k = {0};
    struct scorer s;
    void *row = NULL;
    int rc = scorer_init(c, &s, err);
    size_t n = e->forest.n_targets;
    if (rc == 0)
        rc = mlo_scratch(c, n + 1, sizeof(float), &row, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, e->labels.list.dtype, (int64_t[]){(int64_t)s.n}, 1, &k.labels, err);
    if (rc == 0)
        rc = mlo_out_new(c, 1, MLO_DT_F32, (int64_t[]){(int64_t)s.n, (int64_t)n}, 2, &k.out, err);
    if (rc != 0)
        return rc;
    k.row = row;
    score_rows(&s, finish_classification, &k);
    return 0;
}

static const struct mlo_op ops[] = {
    {.name = "TreeEnsembleRegressor",
     .since = 1,
     .run = run_regressor,
     .prepare = prepare_regressor,
     .release = free_ensemble},
    {.name = "TreeEnsembleClassifier",
     .since = 1,
     .run = run_classifier,
     .prepare = prepare_classifier,
     .release = free_ensemble},
    {.name = "TreeEnsemble", .since = 5, .run = run_wide, .prepare = prepare_wide, .release = free_ensemble},
};
const struct mlo_op_family mlo_ops_ml_trees = {"ai.onnx.ml", ops, MLO_COUNT(ops)};

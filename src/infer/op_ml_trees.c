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
    free(e->voted);
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

/* Where the kernel adds up, each row has votes for the same targets. */
static int build(const struct mlo_ensemble_tables *t, struct mlo_ensemble *e, struct mlo_err *err)
{
    const struct mlo_forest *f = &e->forest;
    int rc = mlo_forest_build(&t->source, &e->forest, err);
    if (rc != 0 || !f->plain)
        return rc;
    e->voted = mlo_calloc(f->n_targets, 1, err);
    if (!e->voted)
        return err->code;
    for (size_t i = 0; i < f->trees.n * f->trees.n_votes; i++)
        e->voted[f->targets[i]] = 1;
    return 0;
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
        rc = build(&t, e, err);
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
        rc = build(&t, e, err);
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
        rc = build(&t, e, err);
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
    float *sums;      /* of a block of rows, where the kernel adds; else NULL */
    uint32_t *leaves; /* of a block of rows, where it does not */
    void *room;       /* the kernel's */
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

static size_t lines(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

/* One piece of memory for all. */
static int prepare_memory(struct mlo_op_call *c, struct scorer *s, struct mlo_err *err)
{
    const struct mlo_forest *f = &s->e->forest;
    size_t block = s->n < BLOCK ? s->n : BLOCK, targets = f->n_targets,
           row = lines(targets * sizeof *s->scores);
    bool sums = f->plain && !s->wide &&
                (s->e->aggregate == MLO_AGGREGATE_SUM || s->e->aggregate == MLO_AGGREGATE_AVERAGE);
    size_t found, room = mlo_trees_room(&f->trees, block);
    void *memory = NULL;
    if (__builtin_mul_overflow(block * sizeof(float), sums ? targets : f->trees.n, &found) ||
        found > SIZE_MAX / 4)
        return mlo_fail_nomem(err);
    int rc = mlo_scratch(c, row + lines(targets) + room + found, 1, &memory, err);
    if (rc != 0)
        return rc;
    s->scores = memory;
    s->voted = (unsigned char *)memory + row;
    s->room = s->voted + lines(targets);
    s->sums = sums ? (float *)(void *)((char *)s->room + room) : NULL;
    s->leaves = (uint32_t *)(void *)((char *)s->room + room);
    if (s->e->voted)
        memcpy(s->voted, s->e->voted, targets);
    return 0;
}

static int scorer_init(struct mlo_op_call *c, struct scorer *s, struct mlo_err *err)
{
    *s = (struct scorer){.e = c->state};
    int rc = prepare_rows(c, s, err);
    return rc == 0 ? prepare_memory(c, s, err) : rc;
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

/* leaves: one of each tree. */
static void count_votes(const struct scorer *s, const uint32_t *leaves)
{
    const struct mlo_forest *f = &s->e->forest;
    memset(s->scores, 0, f->n_targets * sizeof *s->scores);
    memset(s->voted, 0, f->n_targets);
    for (size_t k = 0; k < f->trees.n; k++)
        for (size_t v = f->first_vote[leaves[k]]; v < f->first_vote[leaves[k] + 1]; v++)
            take_vote(s, &f->votes[v]);
}

typedef void finish_fn(const struct scorer *s, size_t row, void *ctx);

static void sum_rows(const struct scorer *s, size_t first, size_t n, finish_fn *finish, void *ctx)
{
    size_t targets = s->e->forest.n_targets;
    memset(s->sums, 0, n * targets * sizeof *s->sums);
    mlo_trees_sum_f32(&s->e->forest.trees, (const float *)s->x + first * s->width, n, s->width, s->room,
                      s->sums);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < targets; k++)
            s->scores[k] = (double)s->sums[i * targets + k];
        finish(s, first + i, ctx);
    }
}

static void count_rows(const struct scorer *s, size_t first, size_t n, finish_fn *finish, void *ctx)
{
    const struct mlo_trees *t = &s->e->forest.trees;
    size_t at = first * s->width;
    if (s->wide)
        mlo_trees_find_f64(t, (const double *)s->x + at, n, s->width, s->room, s->leaves);
    else
        mlo_trees_find_f32(t, (const float *)s->x + at, n, s->width, s->room, s->leaves);
    for (size_t i = 0; i < n; i++) {
        count_votes(s, s->leaves + i * t->n);
        finish(s, first + i, ctx);
    }
}

static void score_rows(const struct scorer *s, finish_fn *finish, void *ctx)
{
    for (size_t i = 0; i < s->n; i += BLOCK)
        (s->sums ? sum_rows : count_rows)(s, i, s->n - i < BLOCK ? s->n - i : BLOCK, finish, ctx);
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

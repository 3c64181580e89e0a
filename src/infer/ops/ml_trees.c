/*
 * ai.onnx.ml: TreeEnsembleRegressor, TreeEnsembleClassifier and TreeEnsemble. The model's tables become a
 * forest (ensemble.h, forest.h) once; what is done with the votes follows ONNX Runtime, in its order of
 * additions.
 */
#include <math.h>
#include <string.h>

#include "infer/trees/ensemble.h"

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

/* Memory of one of the parts that rows are cut into; the scorer's pointers are those of the first. */
struct share {
    size_t scores, row, voted, room, found, bytes;
};

/* Sums are made in the type of the rows; a float's sum is rounded at each step. */
struct scorer {
    const struct mlo_ensemble *e;
    bool wide; /* rows of doubles */
    const void *x;
    size_t n, width;
    double *scores; /* of one row */
    float *row;     /* the same, to be finished */
    unsigned char *voted;
    bool adds;          /* the kernel does */
    float *sums;        /* of a block of rows, where it adds */
    const float *given; /* of all rows, by a device; NULL */
    uint32_t *leaves;   /* of a block of rows, where it does not */
    void *room;         /* the kernel's */
    struct share share;
    char *memory;
};
#define BLOCK      ((size_t)256) /* rows */
#define SHARES_MAX ((size_t)32)

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

static size_t shares_of(const struct scorer *s)
{
    size_t n = s->n / BLOCK;
    return n < 1 ? 1 : n < SHARES_MAX ? n : SHARES_MAX;
}

static int lay_share(const struct scorer *s, struct share *ret, struct mlo_err *err)
{
    const struct mlo_forest *f = &s->e->forest;
    size_t block = s->n < BLOCK ? s->n : BLOCK, targets = f->n_targets, found;
    if (__builtin_mul_overflow(block * sizeof(float), s->adds ? targets : f->trees.n, &found) ||
        found > SIZE_MAX / (2 * SHARES_MAX))
        return mlo_fail_nomem(err);
    struct share m = {0};
    m.row = m.scores + lines(targets * sizeof *s->scores);
    m.voted = m.row + lines((targets + 1) * sizeof *s->row);
    m.room = m.voted + lines(targets);
    m.found = m.room + mlo_trees_room(&f->trees, block);
    m.bytes = m.found + lines(found);
    *ret = m;
    return 0;
}

static void take_share(struct scorer *s, char *memory)
{
    const struct share *m = &s->share;
    s->memory = memory;
    s->scores = (double *)(void *)(memory + m->scores);
    s->row = (float *)(void *)(memory + m->row);
    s->voted = (unsigned char *)memory + m->voted;
    s->room = memory + m->room;
    s->sums = (float *)(void *)(memory + m->found);
    s->leaves = (uint32_t *)(void *)(memory + m->found);
    if (s->e->voted)
        memcpy(s->voted, s->e->voted, s->e->forest.n_targets);
}

static int prepare_memory(struct mlo_op_call *c, struct scorer *s, struct mlo_err *err)
{
    void *memory = NULL;
    s->adds = s->e->forest.plain && !s->wide &&
              (s->e->aggregate == MLO_AGGREGATE_SUM || s->e->aggregate == MLO_AGGREGATE_AVERAGE);
    int rc = lay_share(s, &s->share, err);
    if (rc == 0)
        rc = mlo_scratch(c, shares_of(s), s->share.bytes, &memory, err);
    if (rc == 0)
        take_share(s, memory);
    return rc;
}

static int scorer_init(struct mlo_op_call *c, struct scorer *s, struct mlo_err *err)
{
    *s = (struct scorer){.e = c->state, .given = c->sums};
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

static void finish_rows(const struct scorer *s, const float *sums, size_t first, size_t n, finish_fn *finish,
                        void *ctx)
{
    size_t targets = s->e->forest.n_targets;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < targets; k++)
            s->scores[k] = (double)sums[i * targets + k];
        finish(s, first + i, ctx);
    }
}

static void sum_rows(const struct scorer *s, size_t first, size_t n, finish_fn *finish, void *ctx)
{
    size_t targets = s->e->forest.n_targets;
    memset(s->sums, 0, n * targets * sizeof *s->sums);
    mlo_trees_sum_f32(&s->e->forest.trees, (const float *)s->x + first * s->width, n, s->width, s->room,
                      s->sums);
    finish_rows(s, s->sums, first, n, finish, ctx);
}

static void given_rows(const struct scorer *s, size_t first, size_t n, finish_fn *finish, void *ctx)
{
    finish_rows(s, s->given + first * s->e->forest.n_targets, first, n, finish, ctx);
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

/* Rows cut into parts, for several threads. */
struct work {
    const struct scorer *s;
    finish_fn *finish;
    void *ctx;
};

static void score_part(void *ctx, size_t part, size_t parts)
{
    const struct work *w = ctx;
    struct scorer s = *w->s;
    size_t blocks = (s.n + BLOCK - 1) / BLOCK, first = blocks * part / parts * BLOCK;
    size_t end = blocks * (part + 1) / parts * BLOCK;
    end = end < s.n ? end : s.n;
    if (part > 0)
        take_share(&s, s.memory + part * s.share.bytes);
    void (*rows)(const struct scorer *, size_t, size_t, finish_fn *, void *) = s.given  ? given_rows
                                                                               : s.adds ? sum_rows
                                                                                        : count_rows;
    for (size_t i = first; i < end; i += BLOCK)
        rows(&s, i, end - i < BLOCK ? end - i : BLOCK, w->finish, w->ctx);
}

#define TREE_FLOPS 64 /* what a tree and row take, in operations of dense layers */

static void score_rows(struct mlo_op_call *c, const struct scorer *s, finish_fn *finish, void *ctx)
{
    struct work w = {s, finish, ctx};
    mlo_op_split(c, (uint64_t)s->n * s->e->forest.trees.n * TREE_FLOPS, shares_of(s), score_part, &w);
}

/* ---- regression ---- */

/* As in ONNX Runtime, of several targets one that nothing voted for gets 0, not its base value. */

static void put_scores(const struct scorer *s, struct mlo_array *out, size_t row)
{
    size_t n = s->e->forest.n_targets;
    if (out->dtype == MLO_DT_F32)
        memcpy((float *)out->data + row * n, s->row, n * sizeof *s->row);
    else if (out->dtype == MLO_DT_F16)
        mlo_floats_to_halves(MLO_DT_F16, s->row, (uint16_t *)out->data + row * n, n);
    for (size_t k = 0; k < n && out->dtype == MLO_DT_F64; k++)
        ((double *)out->data)[row * n + k] = s->e->post == MLO_POST_NONE ? s->scores[k] : (double)s->row[k];
}

static void finish_regression(const struct scorer *s, size_t row, void *ctx)
{
    const struct mlo_ensemble *e = s->e;
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
        s->row[k] = (float)s->scores[k];
    if (n == 1)
        s->row[0] = mlo_post_one(e->post, s->row[0]);
    else
        mlo_post_row(e->post, s->row, n);
    put_scores(s, ctx, row);
}

static int regress(struct mlo_op_call *c, enum mlo_dtype t, struct mlo_err *err)
{
    const struct mlo_ensemble *e = c->state;
    int64_t dims[2] = {0, (int64_t)e->forest.n_targets};
    struct mlo_array *out;
    struct scorer s;
    int rc = scorer_init(c, &s, err);
    dims[0] = (int64_t)s.n;
    if (rc == 0)
        rc = mlo_out_new(c, 0, t, dims, 2, &out, err);
    if (rc != 0 || !out)
        return rc;
    score_rows(c, &s, finish_regression, out);
    return 0;
}

static int run_regressor(struct mlo_op_call *c, struct mlo_err *err)
{
    return regress(c, MLO_DT_F32, err);
}

/* The output is of the input's type. Halves are asked and added as floats, and rounded once. */
static int run_wide(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_array *a = mlo_in(c, 0);
    if (a && a->dtype != MLO_DT_F32 && a->dtype != MLO_DT_F64 && a->dtype != MLO_DT_F16)
        return mlo_fail(err, MLO_EUNAVAIL, "trees on %s are not supported", mlo_dtype_name(a->dtype));
    return regress(c, a ? a->dtype : MLO_DT_F32, err);
}

/* ---- classification ---- */

struct classification {
    struct mlo_array *labels, *out;
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
        s->row[k] = (float)s->scores[k];
    mlo_post_row(e->post, s->row, n);
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
    s->row[0] = (float)s->scores[0];
    s->row[1] = (float)s->scores[1];
    if (pair)
        mlo_post_row(e->post, s->row, 2);
    else if (e->post == MLO_POST_PROBIT)
        s->row[0] = mlo_probit(s->row[0]);
    else
        mlo_post_pair(e->post, !(e->one_class && e->all_positive), s->row[0], s->row);
}

static void finish_one(const struct scorer *s, size_t row, const struct classification *c)
{
    const struct mlo_ensemble *e = s->e;
    double v = e->n_base == 1 ? rounded(s, s->scores[0] + rounded(s, e->base[0])) : s->scores[0];
    if (e->labels.list.dtype == MLO_DT_STRING)
        put_label(c, e, row, 0);
    else if (c->labels)
        mlo_ml_label_put_number(&e->labels, v > 0, c->labels, row);
    s->row[0] = mlo_post_one(e->post, (float)v);
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
        memcpy((float *)c->out->data + row * n, s->row, n * sizeof(float));
}

static int run_classifier(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_ensemble *e = c->state;
    struct classification k = {0};
    struct scorer s;
    int rc = scorer_init(c, &s, err);
    size_t n = e->forest.n_targets;
    if (rc == 0)
        rc = mlo_out_new(c, 0, e->labels.list.dtype, (int64_t[]){(int64_t)s.n}, 1, &k.labels, err);
    if (rc == 0)
        rc = mlo_out_new(c, 1, MLO_DT_F32, (int64_t[]){(int64_t)s.n, (int64_t)n}, 2, &k.out, err);
    if (rc != 0)
        return rc;
    score_rows(c, &s, finish_classification, &k);
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

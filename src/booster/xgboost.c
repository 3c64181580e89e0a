/*
 * XGBoost's models. Lists of numbers make a tree; what it means needs parts of the document that come after
 * the trees (how many classes, whose weight), so the whole is read first and put together then.
 *
 * A category is right of a node that lists it; whole numbers from 0 to 2^24 are categories, a fraction counts
 * as the number it is above, anything else is left, like a number that is less.
 */
#include "internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/decimal.h>
#include <mlopsctl/base/text.h>

#define CATEGORIES_MAX 16777216
#define PARALLEL_MAX   ((size_t)1 << 20)
#define VERSION_MAX    ((size_t)1000000)

/* A tree's lists, used again for the next. */
enum {
    LEFT,
    RIGHT,
    FEATURE,
    LIMIT,
    DEFAULT_LEFT,
    SPLIT_TYPE,
    CATEGORIES,
    CATEGORY_NODES,
    CATEGORY_FIRST,
    CATEGORY_COUNT,
    LEAF_WEIGHTS,
    LISTS
};
struct reader {
    struct mlo_booster *b;
    const struct mlo_booster_opts *opts;
    struct mlo_numbers lists[LISTS];
    struct mlo_numbers groups, first_trees, drops, weights, version; /* of the model */
    struct mlo_document base_weights;                                /* where those of the tree begin */
    bool has_base_weights;
    size_t leaf_size; /* of the tree */
    size_t trees;     /* read */
    size_t parallel, n_classes, n_targets;
    bool has_best;
    size_t best;
    const char *base_score, *booster, **names;
    size_t n_names, names_cap;
    int64_t *numbers; /* categories of a node */
    size_t numbers_cap;
    struct mlo_numbers name_starts, name_values; /* of a feature's categories */
    bool named_by_text;
    char *name;
    size_t name_cap;
};

/* ---- a tree ---- */

#define LIST(name, which, floats)                                                                            \
    static int read_##name(void *ctx, struct mlo_document *d, struct mlo_err *err)                           \
    {                                                                                                        \
        return mlo_document_numbers(d, floats, &((struct reader *)ctx)->lists[which], err);                  \
    }
LIST(left, LEFT, false)
LIST(right, RIGHT, false)
LIST(feature, FEATURE, false)
LIST(limit, LIMIT, true)
LIST(default_left, DEFAULT_LEFT, false)
LIST(split_type, SPLIT_TYPE, false)
LIST(categories, CATEGORIES, false)
LIST(category_nodes, CATEGORY_NODES, false)
LIST(category_first, CATEGORY_FIRST, false)
LIST(category_count, CATEGORY_COUNT, false)
LIST(leaf_weights, LEAF_WEIGHTS, true)

/* Needed by trees of several targets of versions before 3.1 alone: looked at again when that is known. */
static int read_base_weights(void *ctx, struct mlo_document *d, struct mlo_err *err)
{
    struct reader *r = ctx;
    r->base_weights = *d;
    r->has_base_weights = true;
    return mlo_document_skip(d, err);
}

static int read_leaf_size(void *ctx, struct mlo_document *d, struct mlo_err *err)
{
    return mlo_document_size(d, MLO_BOOSTER_OUTPUTS_MAX, &((struct reader *)ctx)->leaf_size, err);
}

static int read_tree_param(void *ctx, struct mlo_document *d, struct mlo_err *err)
{
    static const struct mlo_document_field fields[] = {{"size_leaf_vector", read_leaf_size}};
    return mlo_document_object(d, fields, MLO_COUNT(fields), ctx, err);
}

static const struct mlo_document_field tree_fields[] = {
    {"left_children", read_left},
    {"right_children", read_right},
    {"split_indices", read_feature},
    {"split_conditions", read_limit},
    {"default_left", read_default_left},
    {"split_type", read_split_type},
    {"categories", read_categories},
    {"categories_nodes", read_category_nodes},
    {"categories_segments", read_category_first},
    {"categories_sizes", read_category_count},
    {"leaf_weights", read_leaf_weights},
    {"base_weights", read_base_weights},
    {"tree_param", read_tree_param},
};

static int check_lists(const struct reader *r, struct mlo_err *err)
{
    static const int same[] = {RIGHT, FEATURE, LIMIT, DEFAULT_LEFT};
    static const char *const names[] = {"right_children", "split_indices", "split_conditions",
                                        "default_left"};
    size_t n = r->lists[LEFT].n;
    if (n == 0)
        return mlo_fail(err, MLO_EINVALID, "tree %zu: no nodes", r->trees);
    for (size_t i = 0; i < MLO_COUNT(same); i++)
        if (r->lists[same[i]].n != n)
            return mlo_fail(err, MLO_EINVALID, "tree %zu: '%s' has %zu entries, not %zu", r->trees, names[i],
                            r->lists[same[i]].n, n);
    if (r->lists[SPLIT_TYPE].n > 0 && r->lists[SPLIT_TYPE].n != n)
        return mlo_fail(err, MLO_EINVALID, "tree %zu: 'split_type' has %zu entries, not %zu", r->trees,
                        r->lists[SPLIT_TYPE].n, n);
    if (r->lists[CATEGORY_FIRST].n != r->lists[CATEGORY_NODES].n ||
        r->lists[CATEGORY_COUNT].n != r->lists[CATEGORY_NODES].n)
        return mlo_fail(err, MLO_EINVALID, "tree %zu: lists of categories of different lengths", r->trees);
    return 0;
}

static int find_categories(const struct reader *r, size_t node, size_t *ret_first, size_t *ret_n,
                           struct mlo_err *err)
{
    const struct mlo_numbers *nodes = &r->lists[CATEGORY_NODES];
    size_t total = r->lists[CATEGORIES].n, low = 0, high = nodes->n;
    while (low < high) { /* they are written in the order of nodes */
        size_t middle = low + (high - low) / 2;
        if (nodes->at[middle] < (double)node)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == nodes->n || nodes->at[low] != (double)node)
        return mlo_booster_bad(r->trees, node, err, "a split by category, but no list of them");
    *ret_first = mlo_index_of(r->lists[CATEGORY_FIRST].at[low], total + 1);
    *ret_n = mlo_index_of(r->lists[CATEGORY_COUNT].at[low], total + 1);
    if (*ret_first == SIZE_MAX || *ret_n == SIZE_MAX || *ret_n > total - *ret_first)
        return mlo_booster_bad(r->trees, node, err, "categories beyond the %zu of the tree", total);
    return 0;
}

static int read_set(struct reader *r, size_t node, struct mlo_booster_node *n, struct mlo_err *err)
{
    size_t first = 0, count = 0, kept = 0;
    int rc = find_categories(r, node, &first, &count, err);
    if (rc == 0)
        rc = mlo_grow(&r->numbers, &r->numbers_cap, count, sizeof *r->numbers, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        double v = r->lists[CATEGORIES].at[first + i];
        if (!(v >= 0 && v <= INT32_MAX && v == floor(v)))
            rc = mlo_booster_bad(r->trees, node, err, "a category that is no whole number from 0");
        else if (v < CATEGORIES_MAX)
            r->numbers[kept++] = (int64_t)v;
    }
    if (rc != 0)
        return rc;
    if (kept == 0) { /* nothing is in it */
        n->split = MLO_SPLIT_LESS;
        n->limit = -HUGE_VAL;
        return 0;
    }
    n->split = MLO_SPLIT_WITHIN;
    return mlo_booster_add_ranges(r->b, n, r->numbers, kept, err);
}

static int read_split(struct reader *r, size_t root, size_t i, struct mlo_booster_node *n,
                      struct mlo_err *err)
{
    size_t count = r->lists[LEFT].n;
    size_t left = mlo_index_of(r->lists[LEFT].at[i], count),
           right = mlo_index_of(r->lists[RIGHT].at[i], count);
    size_t feature = mlo_index_of(r->lists[FEATURE].at[i], MLO_BOOSTER_FEATURES_MAX);
    bool missing_left = r->lists[DEFAULT_LEFT].at[i] != 0;
    if (left == SIZE_MAX || right == SIZE_MAX)
        return mlo_booster_bad(r->trees, i, err, "child %g of %zu nodes",
                               r->lists[left == SIZE_MAX ? LEFT : RIGHT].at[i], count);
    if (feature == SIZE_MAX)
        return mlo_booster_bad(r->trees, i, err, "feature %g", r->lists[FEATURE].at[i]);
    *n = (struct mlo_booster_node){.split = MLO_SPLIT_LESS,
                                   .missing_is_yes = missing_left,
                                   .feature = (uint32_t)feature,
                                   .yes = (uint32_t)(root + left),
                                   .no = (uint32_t)(root + right),
                                   .limit = r->lists[LIMIT].at[i]};
    if (r->lists[SPLIT_TYPE].n == 0 || r->lists[SPLIT_TYPE].at[i] == 0)
        return 0;
    n->yes = (uint32_t)(root + right);
    n->no = (uint32_t)(root + left);
    n->missing_is_yes = !missing_left;
    return read_set(r, i, n, err);
}

/* What a leaf votes: its limit, or a row of the tree's own list of weights. */
static int read_leaf(struct reader *r, size_t i, struct mlo_booster_node *n, struct mlo_err *err)
{
    const struct mlo_numbers *w = &r->lists[LEAF_WEIGHTS];
    const double *values = &r->lists[LIMIT].at[i];
    *n = (struct mlo_booster_node){.split = MLO_SPLIT_LEAF, .yes = (uint32_t)r->b->n_leaves};
    if (r->leaf_size > 1) {
        size_t row = r->has_base_weights ? i : mlo_index_of(r->lists[RIGHT].at[i], w->n);
        if (row >= w->n / r->leaf_size)
            return mlo_booster_bad(r->trees, i, err, "no weights of a leaf");
        values = w->at + row * r->leaf_size;
    }
    return mlo_booster_add_leaf(r->b, values, err);
}

/* Weights of leaves of several targets: a list of their own, else those of all nodes. */
static int settle_leaf_size(struct reader *r, struct mlo_err *err)
{
    int rc = 0;
    r->leaf_size = r->leaf_size ? r->leaf_size : 1;
    if (r->trees == 0)
        r->b->leaf_size = r->leaf_size;
    if (r->leaf_size != r->b->leaf_size)
        return mlo_fail(err, MLO_EUNAVAIL, "tree %zu: leaves of %zu values among others of %zu", r->trees,
                        r->leaf_size, r->b->leaf_size);
    r->has_base_weights = r->has_base_weights && r->leaf_size > 1 && r->lists[LEAF_WEIGHTS].n == 0;
    if (r->has_base_weights)
        rc = mlo_document_numbers(&r->base_weights, true, &r->lists[LEAF_WEIGHTS], err);
    return rc;
}

static int read_tree(void *ctx, struct mlo_document *d, size_t i, struct mlo_err *err)
{
    struct reader *r = ctx;
    size_t root = 0;
    for (size_t k = 0; k < LISTS; k++)
        r->lists[k].n = 0;
    r->leaf_size = 0;
    r->has_base_weights = false;
    r->trees = i;
    int rc = mlo_document_object(d, tree_fields, MLO_COUNT(tree_fields), r, err);
    if (rc != 0)
        return mlo_wrap(err, "tree %zu", i);
    rc = check_lists(r, err);
    if (rc == 0)
        rc = settle_leaf_size(r, err);
    if (rc == 0)
        rc = mlo_booster_add_nodes(r->b, r->lists[LEFT].n, &root, err);
    for (size_t k = 0; rc == 0 && k < r->lists[LEFT].n; k++) {
        struct mlo_booster_node *n = &r->b->nodes[root + k];
        rc = r->lists[LEFT].at[k] == -1 ? read_leaf(r, k, n, err) : read_split(r, root, k, n, err);
    }
    return rc == 0 ? mlo_booster_add_tree(r->b, root, 0, err) : rc;
}

/* ---- the booster ---- */

static int read_trees(void *ctx, struct mlo_document *d, struct mlo_err *err)
{
    return mlo_document_array(d, read_tree, ctx, err);
}

#define MODEL_LIST(name, which, floats)                                                                      \
    static int read_##name(void *ctx, struct mlo_document *d, struct mlo_err *err)                           \
    {                                                                                                        \
        return mlo_document_numbers(d, floats, &((struct reader *)ctx)->which, err);                         \
    }
MODEL_LIST(groups, groups, false)
MODEL_LIST(first_trees, first_trees, false)
MODEL_LIST(drops, drops, true)
MODEL_LIST(weights, weights, true)
MODEL_LIST(version, version, false)

#define SIZE(name, which, max)                                                                               \
    static int read_##name(void *ctx, struct mlo_document *d, struct mlo_err *err)                           \
    {                                                                                                        \
        return mlo_document_size(d, max, &((struct reader *)ctx)->which, err);                               \
    }
SIZE(parallel, parallel, PARALLEL_MAX)
SIZE(n_classes, n_classes, MLO_BOOSTER_OUTPUTS_MAX)
SIZE(n_targets, n_targets, MLO_BOOSTER_OUTPUTS_MAX)
SIZE(n_features, b->n_features, MLO_BOOSTER_FEATURES_MAX)

#define TEXT(name, which)                                                                                    \
    static int read_##name(void *ctx, struct mlo_document *d, struct mlo_err *err)                           \
    {                                                                                                        \
        struct reader *r = ctx;                                                                              \
        return mlo_document_text(d, &r->b->arena, &r->which, err);                                           \
    }
TEXT(base_score, base_score)
TEXT(booster, booster)
TEXT(objective_name, b->objective)

static int read_gbtree_param(void *ctx, struct mlo_document *d, struct mlo_err *err)
{
    static const struct mlo_document_field fields[] = {{"num_parallel_tree", read_parallel}};
    return mlo_document_object(d, fields, MLO_COUNT(fields), ctx, err);
}

/* ---- names of categories, since 3.1 ---- */

static int read_name_starts(void *ctx, struct mlo_document *d, struct mlo_err *err)
{
    struct reader *r = ctx;
    r->named_by_text = true;
    return mlo_document_numbers(d, false, &r->name_starts, err);
}

static int read_name_values(void *ctx, struct mlo_document *d, struct mlo_err *err)
{
    return mlo_document_numbers(d, false, &((struct reader *)ctx)->name_values, err);
}

/* Bytes [from, to) of the values. */
static int add_text(struct reader *r, size_t feature, size_t from, size_t to, struct mlo_err *err)
{
    if (to == SIZE_MAX || from > to)
        return mlo_fail(err, MLO_EINVALID, "names of categories of feature %zu: bad offsets", feature);
    int rc = mlo_grow(&r->name, &r->name_cap, to - from + 1, 1, err);
    for (size_t i = from; rc == 0 && i < to; i++)
        r->name[i - from] = (char)r->name_values.at[i];
    const struct mlo_slice text = {r->name, to - from};
    return rc == 0 ? mlo_booster_add_category(r->b, feature, &text, 0, err) : rc;
}

/* Of names beyond ASCII trainers up to 3.2 count characters where bytes are meant, so that all of them are
 * wrong: the feature's names are left out. */
static int read_feature_names(void *ctx, struct mlo_document *d, size_t i, struct mlo_err *err)
{
    static const struct mlo_document_field fields[] = {{"offsets", read_name_starts},
                                                       {"values", read_name_values}};
    struct reader *r = ctx;
    r->named_by_text = false;
    r->name_starts.n = r->name_values.n = 0;
    int rc = mlo_document_object(d, fields, MLO_COUNT(fields), r, err);
    size_t n = r->name_values.n;
    for (size_t k = 0; r->named_by_text && k < n; k++)
        if (!(r->name_values.at[k] >= 0 && r->name_values.at[k] <= 127))
            return rc;
    for (size_t k = 0; rc == 0 && r->named_by_text && k + 1 < r->name_starts.n; k++)
        rc = add_text(r, i, mlo_index_of(r->name_starts.at[k], n + 1),
                      mlo_index_of(r->name_starts.at[k + 1], n + 1), err);
    for (size_t k = 0; rc == 0 && !r->named_by_text && k < n; k++)
        rc = mlo_booster_add_category(r->b, i, NULL, r->name_values.at[k], err);
    return rc;
}

static int read_all_names(void *ctx, struct mlo_document *d, struct mlo_err *err)
{
    return mlo_document_array(d, read_feature_names, ctx, err);
}

static int read_category_names(void *ctx, struct mlo_document *d, struct mlo_err *err)
{
    static const struct mlo_document_field fields[] = {{"enc", read_all_names}};
    return mlo_document_object(d, fields, MLO_COUNT(fields), ctx, err);
}

static int read_model(void *ctx, struct mlo_document *d, struct mlo_err *err)
{
    static const struct mlo_document_field fields[] = {
        {"cats", read_category_names},
        {"gbtree_model_param", read_gbtree_param},
        {"iteration_indptr", read_first_trees},
        {"tree_info", read_groups},
        {"trees", read_trees},
        {"weights", read_weights},
    };
    return mlo_document_object(d, fields, MLO_COUNT(fields), ctx, err);
}

static int read_gbtree(void *ctx, struct mlo_document *d, struct mlo_err *err)
{
    static const struct mlo_document_field fields[] = {{"model", read_model}};
    return mlo_document_object(d, fields, MLO_COUNT(fields), ctx, err);
}

static int read_booster_part(void *ctx, struct mlo_document *d, struct mlo_err *err)
{
    static const struct mlo_document_field fields[] = {
        {"name", read_booster},
        {"model", read_model},
        {"gbtree", read_gbtree},
        {"weight_drop", read_drops},
    };
    return mlo_document_object(d, fields, MLO_COUNT(fields), ctx, err);
}

static int read_model_param(void *ctx, struct mlo_document *d, struct mlo_err *err)
{
    static const struct mlo_document_field fields[] = {
        {"base_score", read_base_score},
        {"num_class", read_n_classes},
        {"num_feature", read_n_features},
        {"num_target", read_n_targets},
    };
    return mlo_document_object(d, fields, MLO_COUNT(fields), ctx, err);
}

static int read_objective(void *ctx, struct mlo_document *d, struct mlo_err *err)
{
    static const struct mlo_document_field fields[] = {{"name", read_objective_name}};
    return mlo_document_object(d, fields, MLO_COUNT(fields), ctx, err);
}

static int read_best(void *ctx, struct mlo_document *d, struct mlo_err *err)
{
    struct reader *r = ctx;
    r->has_best = true;
    return mlo_document_size(d, INT32_MAX, &r->best, err);
}

static int read_attributes(void *ctx, struct mlo_document *d, struct mlo_err *err)
{
    static const struct mlo_document_field fields[] = {{"best_iteration", read_best}};
    return mlo_document_object(d, fields, MLO_COUNT(fields), ctx, err);
}

static int read_name(void *ctx, struct mlo_document *d, size_t i, struct mlo_err *err)
{
    struct reader *r = ctx;
    if (i >= MLO_BOOSTER_FEATURES_MAX)
        return mlo_fail(err, MLO_EINVALID, "more than %zu", MLO_BOOSTER_FEATURES_MAX);
    int rc = mlo_grow(&r->names, &r->names_cap, i + 1, sizeof *r->names, err);
    if (rc == 0)
        rc = mlo_document_text(d, &r->b->arena, &r->names[i], err);
    r->n_names = rc == 0 ? i + 1 : r->n_names;
    return rc;
}

static int read_names(void *ctx, struct mlo_document *d, struct mlo_err *err)
{
    return mlo_document_array(d, read_name, ctx, err);
}

static int read_learner(void *ctx, struct mlo_document *d, struct mlo_err *err)
{
    static const struct mlo_document_field fields[] = {
        {"attributes", read_attributes},         {"feature_names", read_names},
        {"gradient_booster", read_booster_part}, {"learner_model_param", read_model_param},
        {"objective", read_objective},
    };
    return mlo_document_object(d, fields, MLO_COUNT(fields), ctx, err);
}

/* ---- put together ---- */

static const struct objective {
    const char *name;
    enum mlo_link link;
    bool classes;
} objectives[] = {
    {"reg:squarederror", MLO_LINK_NONE, false},
    {"reg:linear", MLO_LINK_NONE, false}, /* its name before 1.0 */
    {"reg:squaredlogerror", MLO_LINK_NONE, false},
    {"reg:absoluteerror", MLO_LINK_NONE, false},
    {"reg:pseudohubererror", MLO_LINK_NONE, false},
    {"reg:quantileerror", MLO_LINK_NONE, false},
    {"reg:expectileerror", MLO_LINK_NONE, false},
    {"reg:logistic", MLO_LINK_LOGISTIC, false},
    {"reg:gamma", MLO_LINK_EXP, false},
    {"reg:tweedie", MLO_LINK_EXP, false},
    {"count:poisson", MLO_LINK_EXP, false},
    {"survival:cox", MLO_LINK_EXP, false},
    {"survival:aft", MLO_LINK_EXP, false},
    {"binary:logistic", MLO_LINK_LOGISTIC, true},
    {"binary:logitraw", MLO_LINK_NONE, false},
    {"binary:hinge", MLO_LINK_HINGE, false},
    {"multi:softprob", MLO_LINK_SOFTMAX, true},
    {"multi:softmax", MLO_LINK_SOFTMAX, true},
    {"rank:pairwise", MLO_LINK_NONE, false},
    {"rank:ndcg", MLO_LINK_NONE, false},
    {"rank:map", MLO_LINK_NONE, false},
};

static int settle_objective(struct reader *r, struct mlo_err *err)
{
    struct mlo_booster *b = r->b;
    char shown[MLO_SHOWN];
    const struct objective *o = NULL;
    for (size_t i = 0; i < MLO_COUNT(objectives) && !o; i++)
        if (strcmp(objectives[i].name, b->objective) == 0)
            o = &objectives[i];
    if (!o)
        return mlo_fail(err, MLO_EUNAVAIL, "the objective '%s' is not known",
                        mlo_shown(b->objective, strlen(b->objective), shown));
    size_t classes = r->n_classes ? r->n_classes : 1, targets = r->n_targets ? r->n_targets : 1;
    if (classes > 1 && targets > 1)
        return mlo_fail(err, MLO_EUNAVAIL, "%zu classes and %zu targets", classes, targets);
    b->n_outputs = classes > targets ? classes : targets;
    b->link = o->link;
    b->classes = o->classes && (o->link == MLO_LINK_SOFTMAX || b->n_outputs == 1);
    if (b->classes && o->link == MLO_LINK_SOFTMAX && b->n_outputs < 2)
        return mlo_fail(err, MLO_EINVALID, "%s of %zu classes", o->name, b->n_outputs);
    return 0;
}

/* The base score is said as a prediction; rows begin with the score that gives it. Certainty has none: the
 * trainer keeps away from it by this much. */
#define UNCERTAIN 1e-6F

static float score_of(const struct mlo_booster *b, float prediction)
{
    float p = fminf(fmaxf(prediction, UNCERTAIN), 1.0F - UNCERTAIN);
    if (b->link == MLO_LINK_LOGISTIC)
        return -logf(1.0F / p - 1.0F);
    return b->link == MLO_LINK_EXP ? logf(prediction) : prediction;
}

/* "5E-1", since 3.1 "[5E-1]" or one for each output. */
static int settle_base(struct reader *r, struct mlo_err *err)
{
    struct mlo_booster *b = r->b;
    const char *p = r->base_score, *end = p + strlen(p);
    char shown[MLO_SHOWN];
    size_t n = 0;
    bool list = *p == '[';
    b->base = mlo_calloc(b->n_outputs, sizeof *b->base, err);
    if (!b->base)
        return err->code;
    for (p += list; p; p++) {
        float v = 0;
        p = n < b->n_outputs ? mlo_decimal_read_float(p, end, &v) : NULL;
        if (p)
            b->base[n++] = (double)score_of(b, v);
        if (!p || *p != ',')
            break;
    }
    bool whole = p && (list ? *p == ']' && p[1] == '\0' : *p == '\0');
    if (!whole || (n != 1 && n != b->n_outputs))
        return mlo_fail(err, MLO_EINVALID, "base_score '%s' for %zu outputs",
                        mlo_shown(r->base_score, strlen(r->base_score), shown), b->n_outputs);
    for (; n < b->n_outputs; n++)
        b->base[n] = b->base[0];
    for (n = 0; n < b->n_outputs; n++)
        if (isnan(b->base[n]))
            return mlo_fail(err, MLO_EINVALID, "base_score '%s' is no prediction of %s",
                            mlo_shown(r->base_score, strlen(r->base_score), shown), b->objective);
    return 0;
}

static int settle_names(struct reader *r, struct mlo_err *err)
{
    struct mlo_booster *b = r->b;
    const char **names;
    if (r->n_names == 0)
        return 0;
    if (r->n_names != b->n_features)
        return mlo_fail(err, MLO_EINVALID, "%zu names of %zu features", r->n_names, b->n_features);
    b->features = names = mlo_arena_alloc(&b->arena, r->n_names, sizeof *names, err);
    if (!names)
        return err->code;
    memcpy(names, r->names, r->n_names * sizeof *names);
    return 0;
}

/* Which tree adds to which score, and its weight when it was dropped now and then. */
static int settle_trees(struct reader *r, struct mlo_err *err)
{
    struct mlo_booster *b = r->b;
    bool dart = strcmp(r->booster, "dart") == 0;
    if (b->leaf_size > 1 && b->leaf_size != b->n_outputs)
        return mlo_fail(err, MLO_EINVALID, "leaves of %zu values for %zu outputs", b->leaf_size,
                        b->n_outputs);
    if (r->groups.n != b->n_trees || (dart && r->drops.n != b->n_trees))
        return mlo_fail(err, MLO_EINVALID, "%zu trees, but tree_info has %zu entries and weight_drop %zu",
                        b->n_trees, r->groups.n, r->drops.n);
    for (size_t i = 0; i < b->n_trees; i++) {
        size_t group = mlo_index_of(r->groups.at[i], b->n_outputs);
        if (group == SIZE_MAX)
            return mlo_fail(err, MLO_EINVALID, "tree %zu is of output %g of %zu", i, r->groups.at[i],
                            b->n_outputs);
        b->targets[i] = (uint32_t)group;
    }
    for (size_t i = 0; i < b->n_trees && dart; i++) {
        size_t end = i + 1 < b->n_trees ? b->roots[i + 1] : b->n_nodes;
        for (size_t k = b->roots[i]; k < end; k++)
            for (size_t v = 0; v < b->leaf_size && b->nodes[k].split == MLO_SPLIT_LEAF; v++) {
                double *value = &b->values[b->nodes[k].yes * b->leaf_size + v];
                *value = (double)((float)*value * (float)r->drops.at[i]);
            }
    }
    return 0;
}

static int check_features(const struct mlo_booster *b, struct mlo_err *err)
{
    for (size_t i = 0; i < b->n_trees; i++) {
        size_t end = i + 1 < b->n_trees ? b->roots[i + 1] : b->n_nodes;
        for (size_t k = b->roots[i]; k < end; k++)
            if (b->nodes[k].split != MLO_SPLIT_LEAF && b->nodes[k].feature >= b->n_features)
                return mlo_booster_bad(i, k - b->roots[i], err, "feature %u of %zu", b->nodes[k].feature,
                                       b->n_features);
    }
    return 0;
}

/* The file's own index of rounds, which has to rise; *ret NULL: there is none. Owner: the caller. */
static int read_round_starts(const struct reader *r, size_t **ret, struct mlo_err *err)
{
    const struct mlo_numbers *given = &r->first_trees;
    size_t n_trees = r->b->n_trees, before = 0;
    MLO_AUTOFREE size_t *starts = given->n ? mlo_calloc(given->n, sizeof *starts, err) : NULL;
    if (given->n && !starts)
        return err->code;
    for (size_t i = 0; i < given->n; i++) {
        starts[i] = mlo_index_of(given->at[i], n_trees + 1);
        if (starts[i] == SIZE_MAX || starts[i] < before)
            return mlo_fail(err, MLO_EINVALID, "iteration_indptr names tree %g of %zu", given->at[i],
                            n_trees);
        before = starts[i];
    }
    *ret = mlo_steal(&starts);
    return 0;
}

/* As a rule those that XGBClassifier and XGBRegressor predict with: none behind the best one. */
static int settle_rounds(struct reader *r, struct mlo_err *err)
{
    struct mlo_booster *b = r->b;
    struct mlo_booster_opts o = *r->opts;
    size_t each = (r->parallel ? r->parallel : 1) * (b->leaf_size > 1 ? 1 : b->n_outputs);
    MLO_AUTOFREE size_t *starts = NULL;
    b->rounds = b->file_rounds = r->first_trees.n ? r->first_trees.n - 1 : b->n_trees / each;
    if (!o.ranged && r->has_best && r->best + 1 < b->file_rounds) {
        o = (struct mlo_booster_opts){.ranged = true, .end = r->best + 1};
        b->best_only = true;
    }
    int rc = o.ranged ? read_round_starts(r, &starts, err) : 0;
    return rc == 0 && o.ranged ? mlo_booster_keep_rounds(b, &o, starts, err) : rc;
}

static int settle_weights(struct reader *r, struct mlo_err *err)
{
    struct mlo_booster *b = r->b;
    size_t n = b->n_outputs, rows = b->n_features;
    if (r->weights.n != (rows + 1) * n)
        return mlo_fail(err, MLO_EINVALID, "%zu weights, not %zu of %zu features and a bias for %zu outputs",
                        r->weights.n, (rows + 1) * n, rows, n);
    float base = (float)b->base[0]; /* of all outputs, as the trainer has it */
    for (size_t i = 0; i < n; i++)
        b->base[i] = (double)((float)r->weights.at[rows * n + i] + base);
    b->weights = mlo_steal(&r->weights.at);
    return 0;
}

static int settle_version(struct reader *r, struct mlo_err *err)
{
    char text[64];
    size_t part[3] = {0};
    for (size_t i = 0; i < 3 && r->version.n == 3; i++)
        part[i] = mlo_index_of(r->version.at[i], VERSION_MAX);
    if (r->version.n != 3 || part[0] == SIZE_MAX || part[1] == SIZE_MAX || part[2] == SIZE_MAX)
        return mlo_fail(err, MLO_EINVALID, "'version' is not three numbers");
    snprintf(text, sizeof text, "%zu.%zu.%zu", part[0], part[1], part[2]);
    r->b->version = mlo_arena_strndup(&r->b->arena, text, strlen(text), err);
    return r->b->version ? 0 : err->code;
}

static int settle(struct reader *r, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    bool linear = strcmp(r->booster, "gblinear") == 0;
    if (!linear && strcmp(r->booster, "gbtree") != 0 && strcmp(r->booster, "dart") != 0)
        return mlo_fail(err, MLO_EUNAVAIL, "the booster '%s' is not known",
                        mlo_shown(r->booster, strlen(r->booster), shown));
    int rc = settle_version(r, err);
    if (rc == 0)
        rc = settle_objective(r, err);
    if (rc == 0)
        rc = settle_base(r, err);
    if (rc == 0)
        rc = settle_names(r, err);
    if (rc == 0)
        rc = mlo_booster_end_categories(r->b, err);
    if (rc == 0 && linear && r->opts->ranged)
        return mlo_fail(err, MLO_EUSAGE, "a linear model has no rounds of trees to choose from");
    if (rc == 0 && linear)
        return settle_weights(r, err);
    if (rc == 0)
        rc = settle_trees(r, err);
    if (rc == 0)
        rc = check_features(r->b, err);
    return rc == 0 ? settle_rounds(r, err) : rc;
}

static int read_document(struct reader *r, const void *bytes, size_t n, struct mlo_err *err)
{
    static const struct mlo_document_field fields[] = {{"learner", read_learner}, {"version", read_version}};
    struct mlo_document d;
    enum mlo_jtok token;
    mlo_document_init(&d, bytes, n);
    int rc = mlo_document_object(&d, fields, MLO_COUNT(fields), r, err);
    return rc == 0 ? mlo_document_next(&d, &token, err) : rc; /* there is nothing behind it */
}

int mlo_xgboost_read(const void *bytes, size_t n, const struct mlo_booster_opts *opts,
                     struct mlo_booster **ret, struct mlo_err *err)
{
    static const struct mlo_booster_opts usual;
    struct reader r = {.opts = opts ? opts : &usual, .base_score = "5E-1", .booster = ""};
    if (n > MLO_BOOSTER_BYTES_MAX)
        return mlo_fail(err, MLO_EINVALID, "larger than any model");
    r.b = mlo_booster_new(MLO_TRAINER_XGBOOST, n, err);
    if (!r.b)
        return err->code;
    int rc = read_document(&r, bytes, n, err);
    if (rc == 0)
        rc = settle(&r, err);
    for (size_t i = 0; i < LISTS; i++)
        free(r.lists[i].at);
    free(r.groups.at);
    free(r.first_trees.at);
    free(r.drops.at);
    free(r.weights.at);
    free(r.version.at);
    free(r.names);
    free(r.numbers);
    free(r.name_starts.at);
    free(r.name_values.at);
    free(r.name);
    if (rc != 0)
        mlo_booster_free(r.b);
    else
        *ret = r.b;
    return rc;
}

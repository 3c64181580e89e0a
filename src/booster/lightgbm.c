/*
 * LightGBM's models: lines "key=value", first of the model, then of each tree, up to "end of trees".
 *
 * The trainer compares doubles, and its predict takes what is near 0 for 0. What it does with a missing value
 * stands in the bits of decision_type: it is 0, or goes the default way, alone or together with everything
 * near 0; of a category (a whole number, a fraction cut off towards 0) missing is no member.
 */
#include "internal.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/decimal.h>
#include <mlopsctl/base/text.h>

#define LEAVES_MAX ((size_t)1 << 24) /* of a tree */
#define NEAR_ZERO  MLO_BOOSTER_NEAR_ZERO

enum { IS_CATEGORY = 1, DEFAULT_LEFT = 2, MISSING_SHIFT = 2, MISSING_MASK = 3 };
enum missing { MISSING_NONE, MISSING_ZERO, MISSING_NAN };

enum { /* lists of a tree */
       FEATURE,
       LIMIT,
       DECISION,
       LEFT,
       RIGHT,
       VALUE,
       SET_FIRST,
       SET_BITS,
       LINE_CONSTANT,
       LINE_LENGTH,
       LINE_FEATURE,
       LINE_WEIGHT,
       LISTS
};
static const char *const list_names[LISTS] = {
    "split_feature",  "threshold",     "decision_type", "left_child",   "right_child",   "leaf_value",
    "cat_boundaries", "cat_threshold", "leaf_const",    "num_features", "leaf_features", "leaf_coeff"};

struct text { /* what is left */
    const char *p, *end;
};
struct line {
    struct mlo_slice key, value; /* key: all of it when there is no "=" */
};
struct reader {
    struct mlo_booster *b;
    struct text text;
    struct mlo_numbers lists[LISTS];
    size_t n_leaves; /* of the tree */
    size_t is_linear;
    size_t n_per_round, n_classes;
    struct mlo_slice objective, names, infos;
    int64_t *numbers; /* categories of a node */
    size_t numbers_cap;
};

/* ---- lines ---- */

static bool next_line(struct text *t, struct line *ret)
{
    if (t->p == t->end)
        return false;
    const char *end = memchr(t->p, '\n', (size_t)(t->end - t->p));
    const char *stop = end ? end : t->end;
    if (stop > t->p && stop[-1] == '\r')
        stop--;
    size_t n = (size_t)(stop - t->p);
    const char *equals = n ? memchr(t->p, '=', n) : NULL;
    ret->key = (struct mlo_slice){t->p, equals ? (size_t)(equals - t->p) : n};
    ret->value = equals ? (struct mlo_slice){equals + 1, (size_t)(stop - equals - 1)}
                        : (struct mlo_slice){stop, 0};
    t->p = end ? end + 1 : t->end;
    return true;
}

static bool same(struct mlo_slice s, const char *word)
{
    return s.len == strlen(word) && memcmp(s.ptr, word, s.len) == 0;
}

/* The next word of what is left, and past it. */
static bool next_word(struct mlo_slice *s, struct mlo_slice *ret)
{
    while (s->len && *s->ptr == ' ') {
        s->ptr++;
        s->len--;
    }
    const char *space = s->len ? memchr(s->ptr, ' ', s->len) : NULL;
    *ret = (struct mlo_slice){s->ptr, space ? (size_t)(space - s->ptr) : s->len};
    s->ptr += ret->len;
    s->len -= ret->len;
    return ret->len > 0;
}

static bool read_number(struct mlo_slice w, double *ret)
{
    bool minus = w.len && *w.ptr == '-';
    struct mlo_slice word = {w.ptr + minus, w.len - minus};
    if (mlo_decimal_read(w.ptr, w.ptr + w.len, ret) == w.ptr + w.len)
        return true;
    if (same(word, "nan"))
        *ret = (double)NAN;
    else if (same(word, "inf"))
        *ret = minus ? -HUGE_VAL : HUGE_VAL;
    else
        return false;
    return true;
}

static int bad_value(const struct line *l, struct mlo_slice word, struct mlo_err *err)
{
    char key[MLO_SHOWN], shown[MLO_SHOWN];
    return mlo_fail(err, MLO_EINVALID, "'%s' holds '%s'", mlo_shown(l->key.ptr, l->key.len, key),
                    mlo_shown(word.ptr, word.len, shown));
}

static int read_size(const struct line *l, size_t max, size_t *ret, struct mlo_err *err)
{
    double v;
    if (!read_number(l->value, &v) || !(v >= 0 && v <= (double)max && v == floor(v)))
        return bad_value(l, l->value, err);
    *ret = (size_t)v;
    return 0;
}

static int read_list(const struct line *l, struct mlo_numbers *ret, struct mlo_err *err)
{
    struct mlo_slice rest = l->value, word;
    int rc = 0;
    if (ret->n > 0)
        return mlo_fail(err, MLO_EINVALID, "a list stands twice");
    while (rc == 0 && next_word(&rest, &word)) {
        rc = mlo_grow(&ret->at, &ret->cap, ret->n + 1, sizeof *ret->at, err);
        if (rc == 0 && !read_number(word, &ret->at[ret->n]))
            rc = bad_value(l, word, err);
        ret->n += rc == 0;
    }
    return rc;
}

/* ---- a node ---- */

static int add_bounds(struct mlo_booster *b, struct mlo_booster_node *n, const double *bounds, uint32_t count,
                      struct mlo_err *err)
{
    int rc = 0;
    n->split = MLO_SPLIT_WITHIN;
    n->first_bound = b->n_bounds;
    n->n_bounds = count;
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = mlo_booster_add_bound(b, bounds[i], err);
    return rc;
}

/* The limit that asks of every number what `limit` asks when those near 0 are 0. */
static double past_zero(double limit)
{
    if (limit < -NEAR_ZERO || limit > NEAR_ZERO)
        return limit;
    return limit < 0 ? nextafter(-NEAR_ZERO, -HUGE_VAL) : NEAR_ZERO;
}

/* x <= limit, but what is near 0 goes the default way, as a missing value does. */
static int split_near_zero(struct mlo_booster *b, struct mlo_booster_node *n, struct mlo_err *err)
{
    const double above = nextafter(NEAR_ZERO, HUGE_VAL), over = nextafter(n->limit, HUGE_VAL);
    bool yes = n->missing_is_yes;
    if (yes && n->limit < -NEAR_ZERO && over < -NEAR_ZERO)
        return add_bounds(b, n, (double[]){-HUGE_VAL, over, -NEAR_ZERO, above}, 4, err);
    if (yes && n->limit <= NEAR_ZERO)
        return add_bounds(b, n, (double[]){-HUGE_VAL, above}, 2, err);
    if (!yes && n->limit > NEAR_ZERO && n->limit < HUGE_VAL)
        return add_bounds(b, n, (double[]){-HUGE_VAL, -NEAR_ZERO, above, over}, 4, err);
    if (!yes && n->limit > NEAR_ZERO)
        return add_bounds(b, n, (double[]){-HUGE_VAL, -NEAR_ZERO, above}, 3, err);
    if (!yes && n->limit >= -NEAR_ZERO)
        return add_bounds(b, n, (double[]){-HUGE_VAL, -NEAR_ZERO}, 2, err);
    return 0; /* what is near 0 goes there anyway */
}

static int split_by_order(struct reader *r, size_t tree, size_t i, unsigned decision,
                          struct mlo_booster_node *n, struct mlo_err *err)
{
    unsigned missing = decision >> MISSING_SHIFT & MISSING_MASK;
    n->split = MLO_SPLIT_AT_MOST;
    n->limit = past_zero(r->lists[LIMIT].at[i]);
    n->missing_is_yes = missing == MISSING_NONE ? 0 <= n->limit : decision & DEFAULT_LEFT;
    if (missing > MISSING_NAN)
        return mlo_booster_bad(tree, i, err, "decision_type %u", decision);
    if (isnan(n->limit))
        return mlo_booster_bad(tree, i, err, "a limit that is no number");
    return missing == MISSING_ZERO ? split_near_zero(r->b, n, err) : 0;
}

/* The numbers whose bits are set in words [first, last). */
static int set_numbers(struct reader *r, size_t first, size_t last, size_t *ret_n, struct mlo_err *err)
{
    size_t n = 0;
    for (size_t k = first; k < last; k++) {
        double word = r->lists[SET_BITS].at[k];
        if (!(word >= 0 && word <= UINT32_MAX && word == floor(word)))
            return mlo_fail(err, MLO_EINVALID, "'cat_threshold' holds %g", word);
        int rc = mlo_grow(&r->numbers, &r->numbers_cap, n + 32, sizeof *r->numbers, err);
        if (rc != 0)
            return rc;
        for (unsigned bit = 0; bit < 32; bit++)
            if ((uint32_t)word >> bit & 1)
                r->numbers[n++] = (int64_t)(k - first) * 32 + bit;
    }
    *ret_n = n;
    return 0;
}

static int split_by_set(struct reader *r, size_t tree, size_t i, struct mlo_booster_node *n,
                        struct mlo_err *err)
{
    const struct mlo_numbers *firsts = &r->lists[SET_FIRST];
    size_t words = r->lists[SET_BITS].n, count = 0;
    size_t set = firsts->n ? mlo_index_of(r->lists[LIMIT].at[i], firsts->n - 1) : SIZE_MAX;
    if (set == SIZE_MAX)
        return mlo_booster_bad(tree, i, err, "set %g of %zu", r->lists[LIMIT].at[i],
                               firsts->n ? firsts->n - 1 : 0);
    size_t first = mlo_index_of(firsts->at[set], words + 1),
           last = mlo_index_of(firsts->at[set + 1], words + 1);
    if (first == SIZE_MAX || last == SIZE_MAX || first > last || last - first > INT32_MAX / 32)
        return mlo_booster_bad(tree, i, err, "a set beyond the %zu words of 'cat_threshold'", words);
    int rc = set_numbers(r, first, last, &count, err);
    if (rc != 0)
        return rc;
    n->missing_is_yes = false;
    n->split = count ? MLO_SPLIT_WITHIN : MLO_SPLIT_LESS;
    n->limit = -HUGE_VAL;
    rc = mlo_booster_add_ranges(r->b, n, r->numbers, count, err);
    if (rc == 0 && count && r->numbers[0] == 0) /* -0.5 is cut to 0 */
        r->b->bounds[n->first_bound] = nextafter(-1, 0);
    return rc;
}

/* Children: nodes from 0, leaves from -1 down. */
static uint32_t child(const struct reader *r, size_t root, double v)
{
    size_t inner = r->n_leaves - 1, node = mlo_index_of(v, inner), leaf = mlo_index_of(-1 - v, r->n_leaves);
    if (node == SIZE_MAX && leaf == SIZE_MAX)
        return UINT32_MAX;
    return (uint32_t)(root + (node != SIZE_MAX ? node : inner + leaf));
}

static int read_node(struct reader *r, size_t tree, size_t root, size_t i, struct mlo_err *err)
{
    struct mlo_booster_node *n = &r->b->nodes[root + i];
    size_t feature = mlo_index_of(r->lists[FEATURE].at[i], r->b->n_features);
    size_t decision = mlo_index_of(r->lists[DECISION].at[i], 256);
    *n = (struct mlo_booster_node){.feature = (uint32_t)feature,
                                   .yes = child(r, root, r->lists[LEFT].at[i]),
                                   .no = child(r, root, r->lists[RIGHT].at[i])};
    if (feature == SIZE_MAX)
        return mlo_booster_bad(tree, i, err, "feature %g of %zu", r->lists[FEATURE].at[i], r->b->n_features);
    if (decision == SIZE_MAX)
        return mlo_booster_bad(tree, i, err, "decision_type %g", r->lists[DECISION].at[i]);
    if (n->yes == UINT32_MAX || n->no == UINT32_MAX)
        return mlo_booster_bad(tree, i, err, "child %g of %zu leaves",
                               r->lists[n->yes == UINT32_MAX ? LEFT : RIGHT].at[i], r->n_leaves);
    return decision & IS_CATEGORY ? split_by_set(r, tree, i, n, err)
                                  : split_by_order(r, tree, i, (unsigned)decision, n, err);
}

/* ---- a tree ---- */

static int check_lists(const struct reader *r, size_t tree, struct mlo_err *err)
{
    if (r->n_leaves == 0)
        return mlo_fail(err, MLO_EINVALID, "tree %zu: no leaves", tree);
    for (size_t i = FEATURE; i <= VALUE; i++) {
        size_t want = i == VALUE ? r->n_leaves : r->n_leaves - 1;
        if (r->lists[i].n != want && (want > 0 || i == VALUE))
            return mlo_fail(err, MLO_EINVALID, "tree %zu: '%s' has %zu entries, not %zu", tree, list_names[i],
                            r->lists[i].n, want);
    }
    return 0;
}

static int add_term(struct mlo_booster *b, double feature, double weight, size_t tree, size_t leaf,
                    struct mlo_err *err)
{
    size_t at = mlo_index_of(feature, b->n_features);
    if (at == SIZE_MAX)
        return mlo_fail(err, MLO_EINVALID, "tree %zu, leaf %zu: feature %g of %zu", tree, leaf, feature,
                        b->n_features);
    int rc = mlo_grow(&b->terms, &b->room.terms, b->n_terms + 1, sizeof *b->terms, err);
    if (rc == 0)
        b->terms[b->n_terms++] = (struct mlo_booster_term){(uint32_t)at, weight};
    return rc;
}

/* The linear models of the tree's leaves. */
static int read_lines(struct reader *r, size_t tree, struct mlo_err *err)
{
    struct mlo_booster *b = r->b;
    size_t used = 0, first_leaf = b->n_leaves - r->n_leaves;
    if (r->lists[LINE_CONSTANT].n != r->n_leaves || r->lists[LINE_LENGTH].n != r->n_leaves ||
        r->lists[LINE_FEATURE].n != r->lists[LINE_WEIGHT].n)
        return mlo_fail(err, MLO_EINVALID, "tree %zu: lists of linear models do not fit", tree);
    int rc = mlo_grow(&b->lines, &b->room.lines, b->n_leaves, sizeof *b->lines, err);
    for (size_t i = 0; rc == 0 && i < r->n_leaves; i++) {
        size_t n = mlo_index_of(r->lists[LINE_LENGTH].at[i], r->lists[LINE_FEATURE].n - used + 1);
        if (n == SIZE_MAX)
            return mlo_fail(err, MLO_EINVALID, "tree %zu, leaf %zu: %g features", tree, i,
                            r->lists[LINE_LENGTH].at[i]);
        b->lines[first_leaf + i] = (struct mlo_booster_line){r->lists[LINE_CONSTANT].at[i], b->n_terms, n};
        for (; rc == 0 && n > 0; n--, used++)
            rc = add_term(b, r->lists[LINE_FEATURE].at[used], r->lists[LINE_WEIGHT].at[used], tree, i, err);
    }
    return rc;
}

static int add_leaves(struct reader *r, size_t root, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < r->n_leaves; i++) {
        r->b->nodes[root + r->n_leaves - 1 + i] = (struct mlo_booster_node){.split = MLO_SPLIT_LEAF,
                                                                            .yes = (uint32_t)r->b->n_leaves};
        rc = mlo_booster_add_leaf(r->b, &r->lists[VALUE].at[i], err);
    }
    return rc;
}

static int add_tree(struct reader *r, struct mlo_err *err)
{
    struct mlo_booster *b = r->b;
    size_t root = 0, tree = b->n_trees;
    int rc = check_lists(r, tree, err);
    if (rc == 0 && (tree > 0 && r->is_linear != (b->lines != NULL)))
        rc = mlo_fail(err, MLO_EUNAVAIL, "tree %zu: linear leaves in some trees alone", tree);
    if (rc == 0)
        rc = mlo_booster_add_nodes(b, 2 * r->n_leaves - 1, &root, err);
    for (size_t i = 0; rc == 0 && i + 1 < r->n_leaves; i++)
        rc = read_node(r, tree, root, i, err);
    if (rc == 0)
        rc = add_leaves(r, root, err);
    if (rc == 0 && r->is_linear)
        rc = read_lines(r, tree, err);
    return rc == 0 ? mlo_booster_add_tree(b, root, (uint32_t)(tree % r->n_per_round), err) : rc;
}

static int read_tree_line(struct reader *r, const struct line *l, struct mlo_err *err)
{
    if (same(l->key, "num_leaves"))
        return read_size(l, LEAVES_MAX, &r->n_leaves, err);
    if (same(l->key, "is_linear"))
        return read_size(l, 1, &r->is_linear, err);
    for (size_t i = 0; i < LISTS; i++)
        if (same(l->key, list_names[i]))
            return read_list(l, &r->lists[i], err);
    return 0;
}

/* From the line after "Tree=" to the next tree or the end. */
static int read_tree(struct reader *r, struct line *l, bool *ret_more, struct mlo_err *err)
{
    int rc = 0;
    bool more;
    for (size_t i = 0; i < LISTS; i++)
        r->lists[i].n = 0;
    r->n_leaves = r->is_linear = 0;
    while (rc == 0 && (more = next_line(&r->text, l)) && !same(l->key, "Tree") &&
           !same(l->key, "end of trees"))
        rc = read_tree_line(r, l, err);
    if (rc != 0)
        return mlo_wrap(err, "tree %zu", r->b->n_trees);
    if (!more)
        return mlo_fail(err, MLO_EINVALID, "tree %zu: the file ends before 'end of trees'", r->b->n_trees);
    *ret_more = same(l->key, "Tree");
    return add_tree(r, err);
}

/* ---- the model ---- */

static const struct objective {
    const char *name;
    enum mlo_link link;
    bool classes;
} objectives[] = {
    {"regression", MLO_LINK_NONE, false},
    {"regression_l1", MLO_LINK_NONE, false},
    {"huber", MLO_LINK_NONE, false},
    {"fair", MLO_LINK_NONE, false},
    {"quantile", MLO_LINK_NONE, false},
    {"mape", MLO_LINK_NONE, false},
    {"poisson", MLO_LINK_EXP, false},
    {"gamma", MLO_LINK_EXP, false},
    {"tweedie", MLO_LINK_EXP, false},
    {"binary", MLO_LINK_LOGISTIC, true},
    {"multiclass", MLO_LINK_SOFTMAX, true},
    {"multiclassova", MLO_LINK_LOGISTIC, true},
    {"cross_entropy", MLO_LINK_LOGISTIC, false},
    {"cross_entropy_lambda", MLO_LINK_LOG1P, false},
    {"lambdarank", MLO_LINK_NONE, false},
    {"rank_xendcg", MLO_LINK_NONE, false},
    {"none", MLO_LINK_NONE, false},
    {"custom", MLO_LINK_NONE, false},
};

/* "binary sigmoid:1": a name, and what it needs at prediction. */
static int settle_objective(struct reader *r, struct mlo_err *err)
{
    struct mlo_booster *b = r->b;
    struct mlo_slice rest = r->objective, word;
    const struct objective *o = NULL;
    char shown[MLO_SHOWN];
    if (!next_word(&rest, &word)) /* the trainer's own function: scores are what it gives */
        word = (struct mlo_slice){"custom", strlen("custom")};
    for (size_t i = 0; i < MLO_COUNT(objectives) && !o; i++)
        if (same(word, objectives[i].name))
            o = &objectives[i];
    if (!o)
        return mlo_fail(err, MLO_EUNAVAIL, "the objective '%s' is not known",
                        mlo_shown(word.ptr, word.len, shown));
    b->objective = o->name;
    b->link = o->link;
    b->classes = o->classes;
    while (next_word(&rest, &word)) {
        if (same(word, "sqrt"))
            b->link = MLO_LINK_SQUARE;
        if (word.len > 8 && memcmp(word.ptr, "sigmoid:", 8) == 0 &&
            (!read_number((struct mlo_slice){word.ptr + 8, word.len - 8}, &b->slope) || !(b->slope > 0)))
            return mlo_fail(err, MLO_EINVALID, "the objective's '%s'", mlo_shown(word.ptr, word.len, shown));
    }
    bool one = strcmp(o->name, "multiclass") != 0 && strcmp(o->name, "multiclassova") != 0;
    if (b->classes && (one ? b->n_outputs != 1 : b->n_outputs < 2))
        return mlo_fail(err, MLO_EINVALID, "%s with %zu trees a round", o->name, b->n_outputs);
    return 0;
}

/* The trainer calls columns without names so. */
static bool is_number_name(struct mlo_slice word, size_t i)
{
    char usual[64];
    snprintf(usual, sizeof usual, "Column_%zu", i);
    return same(word, usual);
}

static int read_names(struct reader *r, struct mlo_err *err)
{
    struct mlo_booster *b = r->b;
    struct mlo_slice rest = r->names, word;
    const char **names;
    size_t n = 0;
    if (!mlo_utf8_valid(rest.ptr, rest.len) || memchr(rest.ptr, 0, rest.len))
        return mlo_fail(err, MLO_EINVALID, "'feature_names' is not UTF-8");
    bool named = false;
    for (; next_word(&rest, &word); n++)
        named = named || !is_number_name(word, n);
    if (n != b->n_features)
        return mlo_fail(err, MLO_EINVALID, "%zu names of %zu features", n, b->n_features);
    if (!named)
        return 0;
    b->features = names = mlo_arena_alloc(&b->arena, n, sizeof *names, err);
    rest = r->names;
    for (n = 0; names && next_word(&rest, &word); n++)
        if (!(names[n] = mlo_arena_strndup(&b->arena, word.ptr, word.len, err)))
            return err->code;
    return names ? 0 : err->code;
}

static int read_model_line(struct reader *r, const struct line *l, struct mlo_err *err)
{
    struct mlo_booster *b = r->b;
    if (same(l->key, "version"))
        return (b->version = mlo_arena_strndup(&b->arena, l->value.ptr, l->value.len, err)) ? 0 : err->code;
    if (same(l->key, "num_class"))
        return read_size(l, MLO_BOOSTER_OUTPUTS_MAX, &r->n_classes, err);
    if (same(l->key, "num_tree_per_iteration"))
        return read_size(l, MLO_BOOSTER_OUTPUTS_MAX, &r->n_per_round, err);
    if (same(l->key, "max_feature_idx")) {
        int rc = read_size(l, MLO_BOOSTER_FEATURES_MAX - 1, &b->n_features, err);
        b->n_features += rc == 0;
        return rc;
    }
    if (same(l->key, "objective"))
        r->objective = l->value;
    if (same(l->key, "average_output"))
        b->average = true;
    if (same(l->key, "feature_names"))
        r->names = l->value;
    if (same(l->key, "feature_infos"))
        r->infos = l->value;
    return 0;
}

/* Up to the first tree. */
static int read_head(struct reader *r, bool *ret_more, struct mlo_err *err)
{
    struct mlo_booster *b = r->b;
    struct line l;
    int rc = 0;
    bool more;
    if (!next_line(&r->text, &l) || !same(l.key, "tree"))
        return mlo_fail(err, MLO_EINVALID, "the first line is not 'tree'");
    while (rc == 0 && (more = next_line(&r->text, &l)) && !same(l.key, "Tree") &&
           !same(l.key, "end of trees"))
        rc = read_model_line(r, &l, err);
    if (rc != 0)
        return rc;
    if (!more || b->n_features == 0 || !r->names.ptr)
        return mlo_fail(err, MLO_EINVALID,
                        "the lines 'max_feature_idx' and 'feature_names' are not all there");
    *ret_more = same(l.key, "Tree");
    r->n_per_round = r->n_per_round ? r->n_per_round : r->n_classes;
    b->n_outputs = r->n_per_round = r->n_per_round ? r->n_per_round : 1;
    rc = settle_objective(r, err);
    return rc == 0 ? read_names(r, err) : rc;
}

/* ---- names of categories ---- */

#define PANDAS "\npandas_categorical:"

static int add_names(struct reader *r, size_t feature, const cJSON *list, struct mlo_err *err)
{
    int rc = 0;
    for (const cJSON *o = list->child; rc == 0 && o; o = o->next) {
        const struct mlo_slice text = {o->valuestring, o->valuestring ? strlen(o->valuestring) : 0};
        double number = cJSON_IsNumber(o) ? o->valuedouble : cJSON_IsTrue(o);
        rc = mlo_booster_add_category(r->b, feature, cJSON_IsString(o) ? &text : NULL, number, err);
    }
    return rc;
}

/* Has the training seen this feature as categories ("0:2:1")? One that was not used is "none" in any case. */
static bool is_category(struct mlo_slice info, bool unused_too)
{
    bool unused = info.len == 4 && memcmp(info.ptr, "none", 4) == 0;
    return unused ? unused_too : info.len && info.ptr[0] != '[';
}

static size_t count_categories(const struct reader *r, bool unused_too)
{
    struct mlo_slice rest = r->infos, word;
    size_t n = 0;
    while (next_word(&rest, &word))
        n += is_category(word, unused_too);
    return n;
}

/* One list for each column of categories, in their order. Which these are is not said: where more than one
 * answer is possible, none is taken. */
static int place_names(struct reader *r, const cJSON *lists, struct mlo_err *err)
{
    size_t n = cJSON_IsArray(lists) ? (size_t)cJSON_GetArraySize(lists) : 0, feature = 0;
    bool unused_too = count_categories(r, false) != n;
    struct mlo_slice rest = r->infos, word;
    int rc = 0;
    if (n == 0 || (unused_too && count_categories(r, true) != n))
        return 0;
    const cJSON *list = lists->child;
    for (; rc == 0 && list && next_word(&rest, &word); feature++)
        if (is_category(word, unused_too)) {
            rc = cJSON_IsArray(list) ? add_names(r, feature, list, err) : 0;
            list = list->next;
        }
    return rc == 0 ? mlo_booster_end_categories(r->b, err) : rc;
}

static int read_category_names(struct reader *r, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *lists = NULL;
    size_t n = (size_t)(r->text.end - r->text.p);
    const char *at = n ? memmem(r->text.p, n, PANDAS, sizeof PANDAS - 1) : NULL;
    if (!at)
        return 0;
    at += sizeof PANDAS - 1;
    n = (size_t)(r->text.end - at);
    const char *end = memchr(at, '\n', n);
    int rc = mlo_json_parse(at, end ? (size_t)(end - at) : n, n, &lists, err);
    return rc == 0 ? place_names(r, lists, err) : mlo_wrap(err, "pandas_categorical");
}

static int read_model(struct reader *r, const struct mlo_booster_opts *opts, struct mlo_err *err)
{
    struct mlo_booster *b = r->b;
    struct line l;
    bool more = false;
    int rc = read_head(r, &more, err);
    while (rc == 0 && more)
        rc = read_tree(r, &l, &more, err);
    if (rc == 0 && b->n_trees % b->n_outputs != 0)
        rc = mlo_fail(err, MLO_EINVALID, "%zu trees, but %zu a round", b->n_trees, b->n_outputs);
    b->rounds = b->file_rounds = b->n_outputs ? b->n_trees / b->n_outputs : 0;
    if (rc == 0 && !(b->base = mlo_calloc(b->n_outputs, sizeof *b->base, err)))
        rc = err->code;
    if (rc == 0)
        rc = read_category_names(r, err);
    return rc == 0 && opts && opts->ranged ? mlo_booster_keep_rounds(b, opts, NULL, err) : rc;
}

int mlo_lightgbm_read(const void *bytes, size_t n, const struct mlo_booster_opts *opts,
                      struct mlo_booster **ret, struct mlo_err *err)
{
    struct reader r = {.text = {bytes, (const char *)bytes + n}, .objective = {"", 0}};
    if (n > MLO_BOOSTER_BYTES_MAX)
        return mlo_fail(err, MLO_EINVALID, "larger than any model");
    r.b = mlo_booster_new(MLO_TRAINER_LIGHTGBM, n, err);
    if (!r.b)
        return err->code;
    int rc = read_model(&r, opts, err);
    for (size_t i = 0; i < LISTS; i++)
        free(r.lists[i].at);
    free(r.numbers);
    if (rc != 0)
        mlo_booster_free(r.b);
    else
        *ret = r.b;
    return rc;
}

/* Shapes of ai.onnx.ml: rows of a table to rows of numbers and labels. */
#include <string.h>

#include "shapes.h"

static size_t length_of(const struct mlo_node *n, const char *attr)
{
    const struct mlo_attr *a = mlo_node_attr(n, attr);
    return a && (a->kind == MLO_ATTR_FLOATS || a->kind == MLO_ATTR_INTS || a->kind == MLO_ATTR_STRINGS) ? a->n
                                                                                                        : 0;
}

/* Rows of a matrix; a list is one row to some operators and many to others. */
static struct mlo_extent rows_of(const struct mlo_rule_call *c)
{
    const struct mlo_shape *x = mlo_rule_in(c, 0);
    return x->ranked && x->rank == 2 ? x->dims[0] : mlo_extent_open();
}

static int need_columns(struct mlo_rule_call *c, size_t n, struct mlo_err *err)
{
    const struct mlo_shape *x = mlo_rule_in(c, 0);
    struct mlo_extent ignored;
    return n && x->ranked && x->rank == 2
               ? mlo_rule_unify(c, x->dims[1], mlo_extent_of((int64_t)n), "columns", &ignored, err)
               : 0;
}

static int give_rows(struct mlo_rule_call *c, size_t out, enum mlo_dtype t, int64_t columns,
                     struct mlo_err *err)
{
    const struct mlo_extent dims[] = {rows_of(c), columns > 0 ? mlo_extent_of(columns) : mlo_extent_open()};
    return mlo_rule_array(c, out, t, dims, 2, err);
}

/* ---- models ---- */

static int run_regressor(struct mlo_rule_call *c, struct mlo_err *err)
{
    int64_t targets = mlo_attr_int(c->node, c->how, 1);
    size_t n = length_of(c->node, "coefficients");
    int rc = strcmp(c->how, "targets") == 0 && targets > 0 && n % (size_t)targets == 0
                 ? need_columns(c, n / (size_t)targets, err)
                 : 0;
    return rc == 0 ? give_rows(c, 0, MLO_DT_F32, targets, err) : rc;
}

static int run_tree_ensemble(struct mlo_rule_call *c, struct mlo_err *err)
{
    return give_rows(c, 0, mlo_rule_in(c, 0)->dtype, mlo_attr_int(c->node, "n_targets", 1), err);
}

/* how: the names of the attributes with labels of text and of numbers. A pair of classes may come from one
 * score, and one label stand for two. */
static int run_classifier(struct mlo_rule_call *c, struct mlo_err *err)
{
    const char *const *names = c->how;
    size_t texts = length_of(c->node, names[0]), n = texts ? texts : length_of(c->node, names[1]);
    struct mlo_extent rows = rows_of(c);
    bool by_votes = strcmp(c->node->op, "SVMClassifier") == 0;
    int rc = mlo_rule_array(c, 0, texts ? MLO_DT_STRING : MLO_DT_I64, &rows, 1, err);
    return rc == 0 ? give_rows(c, 1, MLO_DT_F32, n > 1 && !by_votes ? (int64_t)n : 0, err) : rc;
}

static int run_svm_regressor(struct mlo_rule_call *c, struct mlo_err *err)
{
    return give_rows(c, 0, MLO_DT_F32, 1, err);
}

/* ---- columns ---- */

static enum mlo_dtype type_of_values(const struct mlo_rule_call *c)
{
    static const struct {
        const char *attr;
        enum mlo_dtype dtype;
    } types[] = {
        {"values_strings", MLO_DT_STRING}, {"values_int64s", MLO_DT_I64}, {"values_floats", MLO_DT_F32}};
    const struct mlo_attr *tensor = mlo_node_attr(c->node, "values_tensor");
    for (size_t i = 0; i < MLO_COUNT(types); i++)
        if (mlo_node_attr(c->node, types[i].attr))
            return types[i].dtype;
    if (tensor && tensor->kind == MLO_ATTR_TENSOR)
        return tensor->tensors->dtype;
    enum mlo_dtype t = mlo_rule_in(c, 0)->dtype; /* classes: names to numbers, or the other way round */
    return t == MLO_DT_STRING ? MLO_DT_I64 : t == MLO_DT_UNKNOWN ? t : MLO_DT_STRING;
}

static int run_mapped(struct mlo_rule_call *c, struct mlo_err *err)
{
    (void)err;
    mlo_rule_like(c, 0, type_of_values(c), mlo_rule_in(c, 0));
    return 0;
}

static int run_one_hot(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *x = mlo_rule_in(c, 0);
    struct mlo_extent dims[MLO_RANK_MAX + 1];
    size_t texts = length_of(c->node, "cats_strings"), n = texts ? texts : length_of(c->node, "cats_int64s");
    mlo_rule_type(c, 0, MLO_DT_F32);
    if (!x->ranked)
        return 0;
    if (x->rank)
        memcpy(dims, x->dims, x->rank * sizeof *dims);
    dims[x->rank] = mlo_extent_of((int64_t)n);
    return mlo_rule_array(c, 0, MLO_DT_F32, dims, x->rank + 1, err);
}

static int run_extractor(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *x = mlo_rule_in(c, 0), *at = mlo_rule_in(c, 1);
    struct mlo_extent dims[MLO_RANK_MAX];
    mlo_rule_type(c, 0, x->dtype);
    if (!x->ranked || x->rank == 0)
        return 0;
    unsigned rank = x->rank == 1 ? 2 : x->rank;
    memcpy(dims, x->dims, x->rank * sizeof *dims);
    if (x->rank == 1)
        dims[0] = mlo_extent_of(1);
    dims[rank - 1] = mlo_shape_count(c->s, at);
    return mlo_rule_array(c, 0, x->dtype, dims, rank, err);
}

static int run_vectorizer(struct mlo_rule_call *c, struct mlo_err *err)
{
    size_t n;
    const int64_t *widths = mlo_attr_ints(c->node, "inputdimensions", &n);
    int64_t all = 0;
    for (size_t i = 0; widths && i < n; i++)
        if (widths[i] < 0 || __builtin_add_overflow(all, widths[i], &all))
            return 0;
    return give_rows(c, 0, MLO_DT_F32, all, err);
}

static int run_zip_map(struct mlo_rule_call *c, struct mlo_err *err)
{
    (void)err;
    *mlo_rule_out(c, 0) = (struct mlo_shape){.kind = MLO_KIND_SEQUENCE};
    return 0;
}

static const struct mlo_rule_how same = {.b = 0}, floats = {.dtype = MLO_DT_F32};
static const char *const of_trees[] = {"classlabels_strings", "classlabels_int64s"},
                         *const of_lines[] = {"classlabels_strings", "classlabels_ints"};
static const struct mlo_rule rules[] = {
    {"Scaler", mlo_rule_same, &floats},
    {"Normalizer", mlo_rule_same, &floats},
    {"Imputer", mlo_rule_same, &same},
    {"Binarizer", mlo_rule_same, &same},
    {"LabelEncoder", run_mapped, NULL},
    {"CategoryMapper", run_mapped, NULL},
    {"OneHotEncoder", run_one_hot, NULL},
    {"ArrayFeatureExtractor", run_extractor, NULL},
    {"FeatureVectorizer", run_vectorizer, NULL},
    {"ZipMap", run_zip_map, NULL},
    {"LinearRegressor", run_regressor, "targets"},
    {"TreeEnsembleRegressor", run_regressor, "n_targets"},
    {"TreeEnsemble", run_tree_ensemble, NULL},
    {"SVMRegressor", run_svm_regressor, NULL},
    {"LinearClassifier", run_classifier, of_lines},
    {"TreeEnsembleClassifier", run_classifier, of_trees},
    {"SVMClassifier", run_classifier, of_lines},
};
const struct mlo_rule_family mlo_rules_ml = {"ai.onnx.ml", rules, MLO_COUNT(rules)};

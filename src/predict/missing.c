/*
 * What becomes of a missing cell: followed through the graph from the input to the first operator that
 * decides on it. A guess where a graph is unusual; it only informs.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/number.h>

#include "internal.h"

#define VALUES_MAX 256 /* followed at once */

struct place { /* where the cell is */
    size_t value;
    size_t column; /* of the value; SIZE_MAX: not known any more */
};
struct walk {
    const struct mlo_graph *g;
    struct place list[VALUES_MAX];
    size_t n;
    char *to;
};

static bool is(const struct mlo_node *n, const char *op)
{
    return strcmp(n->op, op) == 0;
}

static void say(struct walk *w, const char *text)
{
    snprintf(w->to, MLO_MISSING_TEXT, "%s", text);
}

/* ---- operators that decide ---- */

static bool say_imputed(struct walk *w, const struct mlo_node *n, size_t column)
{
    const struct mlo_attr *floats = mlo_node_attr(n, "imputed_value_floats");
    const struct mlo_attr *ints = mlo_node_attr(n, "imputed_value_int64s");
    const struct mlo_attr *gap = mlo_node_attr(n, "replaced_value_float");
    char text[MLO_DOUBLE_TEXT];
    size_t at = floats && floats->n == 1 ? 0 : column;
    if (ints || (gap && gap->kind == MLO_ATTR_FLOAT && !isnan(gap->f)))
        return false; /* it looks for another value than NaN */
    if (floats && floats->kind == MLO_ATTR_FLOATS && at < floats->n)
        snprintf(w->to, MLO_MISSING_TEXT, "is replaced by %s", mlo_float_text(floats->floats[at], text));
    else
        say(w, "is replaced");
    return true;
}

static bool has_tracks(const struct mlo_node *n)
{
    const struct mlo_attr *a = mlo_node_attr(n, "nodes_missing_value_tracks_true");
    for (size_t i = 0; a && a->kind == MLO_ATTR_INTS && i < a->n; i++)
        if (a->ints[i])
            return true;
    return false;
}

static bool say_node(struct walk *w, const struct mlo_node *n, size_t column)
{
    static const struct {
        const char *op, *text;
    } ends[] = {
        {"TreeBooster", "goes the way that each tree has for missing values"},
        {"OneHotEncoder", "is of no category: all its columns are 0"},
        {"LabelEncoder", "becomes what the encoder has for unknown values"},
        {"CategoryMapper", "becomes what the mapper has for unknown values"},
        {"IsNaN", "is told apart by the model (IsNaN)"},
        {"Binarizer", "becomes 0"},
        {"LinearRegressor", "makes the answer NaN"},
        {"LinearClassifier", "makes the scores NaN"},
        {"SVMRegressor", "makes the answer NaN"},
        {"SVMClassifier", "makes the scores NaN"},
        {"MatMul", "makes the product NaN (MatMul)"},
        {"Gemm", "makes the product NaN (Gemm)"},
    };
    if (is(n, "Imputer"))
        return say_imputed(w, n, column);
    if (strncmp(n->op, "TreeEnsemble", strlen("TreeEnsemble")) == 0) {
        say(w, has_tracks(n) ? "goes the way that each tree has for missing values"
                             : "fails every comparison of the trees");
        return true;
    }
    for (size_t i = 0; i < MLO_COUNT(ends); i++)
        if (is(n, ends[i].op)) {
            say(w, ends[i].text);
            return true;
        }
    return false;
}

/* ---- the way there ---- */

static void follow(struct walk *w, size_t value, size_t column)
{
    for (size_t i = 0; i < w->n; i++)
        if (w->list[i].value == value)
            return;
    if (w->n < VALUES_MAX && value != MLO_NO_VALUE)
        w->list[w->n++] = (struct place){value, column};
}

/* Where column `column` of input k stands in what is put side by side; SIZE_MAX: not known. */
static size_t concat_column(const struct walk *w, const struct mlo_node *n, size_t k, size_t column)
{
    const struct mlo_attr *axis = mlo_node_attr(n, "axis");
    if (!axis || axis->kind != MLO_ATTR_INT || (axis->i != 1 && axis->i != -1) || column == SIZE_MAX)
        return SIZE_MAX;
    for (size_t i = 0; i < k; i++) {
        const struct mlo_graph_value *v = &w->g->values[n->inputs[i]];
        if (n->inputs[i] == MLO_NO_VALUE || !v->has_shape || v->rank != 2 || v->dims[1].size < 0)
            return SIZE_MAX;
        column += (size_t)v->dims[1].size;
    }
    return column;
}

/* The node takes the value: true when it decides. */
static bool visit(struct walk *w, const struct mlo_node *n, const struct place *p)
{
    bool same_columns = is(n, "Scaler") || is(n, "Cast") || is(n, "Identity") || is(n, "Imputer");
    for (size_t k = 0; k < n->n_inputs; k++) {
        if (n->inputs[k] != p->value)
            continue;
        if (say_node(w, n, p->column))
            return true;
        size_t column = same_columns      ? p->column
                        : is(n, "Concat") ? concat_column(w, n, k, p->column)
                                          : SIZE_MAX;
        for (size_t o = 0; o < n->n_outputs; o++)
            follow(w, n->outputs[o], column);
    }
    return false;
}

char *mlo_missing_text(const struct mlo_features *f, size_t feature, char buf[MLO_MISSING_TEXT])
{
    const struct mlo_feature *one = &f->list[feature];
    const struct mlo_onnx_model *m = mlo_plan_model(f->plan);
    struct walk w = {.g = m ? m->graph : NULL, .to = buf};
    say(&w, one->dtype == MLO_DT_STRING ? "is an empty text to the model" : "is NaN to the model");
    if (one->dtype != MLO_DT_STRING && one->dtype != MLO_DT_F32 && one->dtype != MLO_DT_F64 &&
        one->dtype != MLO_DT_F16 && one->dtype != MLO_DT_BF16) {
        say(&w, "is refused: the model takes whole numbers");
        return buf;
    }
    if (w.g && one->input < w.g->n_inputs)
        follow(&w, w.g->inputs[one->input], one->at);
    for (size_t i = 0; i < w.n; i++)
        for (size_t k = 0; k < w.g->n_nodes; k++)
            if (visit(&w, &w.g->nodes[k], &(struct place){w.list[i].value, w.list[i].column}))
                return buf;
    return buf;
}

/* The names of classes out of a graph: converters write them into the node that gives the scores, or take the
 * label out of a list by the place of the highest score. */
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/number.h>

#include "internal.h"

struct finder {
    const struct mlo_graph *graph;
    size_t n;
    struct mlo_arena *arena;
    const char **names;
};

static int take_text(struct finder *f, size_t i, const char *text, size_t len, struct mlo_err *err)
{
    f->names[i] = mlo_arena_strndup(f->arena, text, len, err);
    return f->names[i] ? 0 : err->code;
}

static int make_room(struct finder *f, struct mlo_err *err)
{
    f->names = mlo_arena_alloc(f->arena, f->n, sizeof *f->names, err);
    return f->names ? 0 : err->code;
}

static int take_number(struct finder *f, size_t i, int64_t v, struct mlo_err *err)
{
    char text[MLO_DOUBLE_TEXT];
    return take_text(f, i, text, mlo_i64_digits(v, text), err);
}

/* ---- attributes: classlabels_strings, classlabels_int64s, classlabels_ints ---- */

static int take_attr(struct finder *f, const struct mlo_attr *a, struct mlo_err *err)
{
    int rc = make_room(f, err);
    for (size_t i = 0; rc == 0 && i < f->n; i++)
        rc = a->kind == MLO_ATTR_INTS ? take_number(f, i, a->ints[i], err)
                                      : take_text(f, i, a->strings[i].ptr, a->strings[i].len, err);
    return rc;
}

static int look_at_node(struct finder *f, const struct mlo_node *n, struct mlo_err *err)
{
    static const char *const lists[] = {"classlabels_strings", "classlabels_int64s", "classlabels_ints"};
    for (size_t i = 0; i < MLO_COUNT(lists); i++) {
        const struct mlo_attr *a = mlo_node_attr(n, lists[i]);
        bool is_list = a && (a->kind == MLO_ATTR_INTS || a->kind == MLO_ATTR_STRINGS);
        if (is_list && a->n == f->n)
            return take_attr(f, a, err);
    }
    return 0;
}

/* ---- a constant: ArrayFeatureExtractor(classes, ArgMax(scores)) ---- */

static int take_array(struct finder *f, const struct mlo_array *a, struct mlo_err *err)
{
    const struct mlo_slice *texts = a->data;
    int rc = make_room(f, err);
    for (size_t i = 0; rc == 0 && i < f->n; i++)
        rc = a->dtype == MLO_DT_STRING ? take_text(f, i, texts[i].ptr, texts[i].len, err)
             : a->dtype == MLO_DT_I64  ? take_number(f, i, ((const int64_t *)a->data)[i], err)
                                       : take_number(f, i, ((const int32_t *)a->data)[i], err);
    return rc;
}

static int look_at_list(struct finder *f, const struct mlo_node *n, struct mlo_err *err)
{
    bool picks = strcmp(n->op, "ArrayFeatureExtractor") == 0 || strcmp(n->op, "Gather") == 0;
    if (!picks || n->n_inputs < 1 || n->inputs[0] == MLO_NO_VALUE)
        return 0;
    const struct mlo_array *a = f->graph->values[n->inputs[0]].constant;
    bool is_list = a && a->n == f->n &&
                   (a->dtype == MLO_DT_STRING || a->dtype == MLO_DT_I64 || a->dtype == MLO_DT_I32);
    return is_list ? take_array(f, a, err) : 0;
}

int mlo_classes_find(const struct mlo_graph *g, size_t n, struct mlo_arena *arena, const char *const **ret,
                     struct mlo_err *err)
{
    static int (*const ways[])(struct finder * f, const struct mlo_node *n,
                               struct mlo_err *err) = {look_at_node, look_at_list};
    struct finder f = {.graph = g, .n = n, .arena = arena};
    int rc = 0;
    for (size_t w = 0; w < MLO_COUNT(ways); w++)
        for (size_t i = g->n_nodes; rc == 0 && !f.names && i-- > 0;) /* the last one decides */
            rc = ways[w](&f, &g->nodes[i], err);
    *ret = f.names;
    return rc;
}

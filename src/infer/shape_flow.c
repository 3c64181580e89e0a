/*
 * Shapes through branches: both are walked, and what they agree on is known. A branch that cannot run says
 * nothing, since it may never be taken. Of loops nothing is known: what goes round may change its shape.
 */
#include <string.h>

#include "shapes.h"

static int walk_branch(struct mlo_rule_call *c, const char *name, const struct mlo_graph **ret_graph,
                       struct mlo_shape **ret, struct mlo_err *err)
{
    const struct mlo_attr *a = mlo_node_attr(c->node, name);
    struct mlo_err inside = MLO_ERR_INIT;
    *ret = NULL;
    if (!a || a->kind != MLO_ATTR_GRAPH)
        return 0;
    const struct mlo_graph *g = *ret_graph = a->graph;
    struct mlo_shape *values = mlo_arena_alloc(&c->s->memory, g->n_values + 1, sizeof *values, err);
    int rc = values ? 0 : err->code;
    for (size_t i = 0; rc == 0 && i < g->n_values; i++)
        if (g->values[i].constant)
            rc = mlo_shape_constant(c->s, g->values[i].constant, &values[i], err);
    for (size_t i = 0; rc == 0 && i < g->n_captures; i++)
        values[g->captures[i].inner] = c->values[g->captures[i].outer];
    if (rc == 0)
        rc = mlo_shapes_walk(c->s, g, values, &inside);
    if (rc == 0)
        *ret = values;
    if (rc == MLO_EINVALID || rc == MLO_EUNAVAIL)
        return 0;
    if (rc != 0 && inside.code)
        *err = inside;
    return rc;
}

static int agree(struct mlo_rule_call *c, size_t out, const struct mlo_shape *a, const struct mlo_shape *b,
                 struct mlo_err *err)
{
    struct mlo_extent dims[MLO_RANK_MAX];
    if (a->kind != b->kind || a->dtype != b->dtype)
        return 0;
    *mlo_rule_out(c, out) = (struct mlo_shape){.kind = a->kind, .dtype = a->dtype};
    if (!a->ranked || !b->ranked || a->rank != b->rank)
        return 0;
    for (unsigned d = 0; d < a->rank; d++)
        dims[d] = mlo_extent_same(a->dims[d], b->dims[d]) ? a->dims[d] : mlo_extent_open();
    return mlo_rule_array(c, out, a->dtype, dims, a->rank, err);
}

static int run_if(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_graph *yes = NULL, *no = NULL;
    struct mlo_shape *of_yes, *of_no;
    int rc = walk_branch(c, "then_branch", &yes, &of_yes, err);
    if (rc == 0)
        rc = walk_branch(c, "else_branch", &no, &of_no, err);
    for (size_t i = 0; rc == 0 && of_yes && of_no && i < c->node->n_outputs; i++)
        if (i < yes->n_outputs && i < no->n_outputs)
            rc = agree(c, i, &of_yes[yes->outputs[i]], &of_no[no->outputs[i]], err);
    return rc;
}

static const struct mlo_rule rules[] = {{"If", run_if, NULL}};
const struct mlo_rule_family mlo_rules_flow = {"", rules, MLO_COUNT(rules)};

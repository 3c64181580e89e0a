/* The list of all operators, family by family, and how one is found. */
#include "infer/internal.h"

#include <string.h>

/* clang-format off: one family a line */
#define FAMILIES(X)                                                                                          \
    X(shape)                                                                                                 \
    X(element)                                                                                               \
    X(unary)                                                                                                 \
    X(cast)                                                                                                  \
    X(move)                                                                                                  \
    X(gather)                                                                                                \
    X(reduce)                                                                                                \
    X(linear)                                                                                                \
    X(norm)                                                                                                  \
    X(quant)                                                                                                 \
    X(flow)                                                                                                  \
    X(sequence)                                                                                              \
    X(conv)                                                                                                  \
    X(pad)                                                                                                   \
    X(recurrent)                                                                                             \
    X(attention)                                                                                             \
    X(flex)                                                                                                  \
    X(loss)                                                                                                  \
    X(state)                                                                                                 \
    X(resize)                                                                                                \
    X(sample)                                                                                                \
    X(text)                                                                                                  \
    X(tfidf)                                                                                                 \
    X(signal)                                                                                                \
    X(algebra)                                                                                               \
    X(unique)                                                                                                \
    X(boxes)                                                                                                 \
    X(contrib)                                                                                               \
    X(contrib_quant)                                                                                         \
    X(contrib_attention)                                                                                     \
    X(ml_scale)                                                                                              \
    X(ml_encode)                                                                                             \
    X(ml_map)                                                                                                \
    X(ml_linear)                                                                                             \
    X(ml_trees)                                                                                              \
    X(ml_svm)
/* clang-format on */

#define DECLARE(name) extern const struct mlo_op_family mlo_ops_##name;
FAMILIES(DECLARE)

#define ENTRY(name) &mlo_ops_##name,
static const struct mlo_op_family *const families[] = {FAMILIES(ENTRY)};

const struct mlo_op *mlo_op_find(const char *domain, const char *name, int64_t version)
{
    const struct mlo_op *best = NULL;
    for (size_t i = 0; i < MLO_COUNT(families); i++) {
        if (strcmp(families[i]->domain, domain) != 0)
            continue;
        for (size_t k = 0; k < families[i]->n; k++) {
            const struct mlo_op *op = &families[i]->ops[k];
            if (op->since <= version && strcmp(op->name, name) == 0 && (!best || op->since > best->since))
                best = op;
        }
    }
    return best;
}

/* ---- what a model needs ---- */

struct uses {
    struct mlo_operator_use *list;
    size_t n, cap;
};

/* What a reader of another form made has its parameters and no door in a file: it is always known. */
static int note(struct uses *u, const struct mlo_node *node, struct mlo_err *err)
{
    for (size_t i = 0; i < u->n; i++)
        if (strcmp(u->list[i].op, node->op) == 0 && strcmp(u->list[i].domain, node->domain) == 0) {
            u->list[i].n++;
            return 0;
        }
    int rc = mlo_grow(&u->list, &u->cap, u->n + 1, sizeof *u->list, err);
    if (rc == 0)
        u->list[u->n++] = (struct mlo_operator_use){node->domain, node->op, node->version, 1,
                                                    node->params ||
                                                        mlo_op_find(node->domain, node->op, node->version)};
    return rc;
}

static int look(struct uses *u, const struct mlo_graph *g, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < g->n_nodes; i++) {
        const struct mlo_node *n = &g->nodes[i];
        rc = note(u, n, err);
        for (size_t k = 0; rc == 0 && k < n->n_attrs; k++)
            if (n->attrs[k].kind == MLO_ATTR_GRAPH)
                rc = look(u, n->attrs[k].graph, err);
    }
    return rc;
}

int mlo_model_operators(const struct mlo_onnx_model *m, struct mlo_operator_use **ret, size_t *ret_n,
                        struct mlo_err *err)
{
    struct uses u = {0};
    int rc = look(&u, m->graph, err);
    if (rc != 0) {
        free(u.list);
        return rc;
    }
    *ret = u.list;
    *ret_n = u.n;
    return 0;
}

/* The list of all operators, family by family, and how one is found. */
#include "internal.h"

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

bool mlo_op_known(const char *domain, const char *op, int64_t version)
{
    return mlo_op_find(domain, op, version) != NULL;
}

/* ---- what a model needs and we lack ---- */

struct lacking {
    struct mlo_unsupported *list;
    size_t n, cap;
};

static int note(struct lacking *l, const struct mlo_node *node, struct mlo_err *err)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->list[i].op, node->op) == 0 && strcmp(l->list[i].domain, node->domain) == 0) {
            l->list[i].n++;
            return 0;
        }
    int rc = mlo_grow(&l->list, &l->cap, l->n + 1, sizeof *l->list, err);
    if (rc == 0)
        l->list[l->n++] = (struct mlo_unsupported){node->domain, node->op, node->name, node->version, 1};
    return rc;
}

static int look(struct lacking *l, const struct mlo_graph *g, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < g->n_nodes; i++) {
        const struct mlo_node *n = &g->nodes[i];
        if (!n->params && !mlo_op_known(n->domain, n->op, n->version))
            rc = note(l, n, err);
        for (size_t k = 0; rc == 0 && k < n->n_attrs; k++)
            if (n->attrs[k].kind == MLO_ATTR_GRAPH)
                rc = look(l, n->attrs[k].graph, err);
    }
    return rc;
}

int mlo_unsupported_list(const struct mlo_onnx_model *m, struct mlo_unsupported **ret, size_t *ret_n,
                         struct mlo_err *err)
{
    struct lacking l = {0};
    int rc = look(&l, m->graph, err);
    if (rc != 0) {
        free(l.list);
        return rc;
    }
    *ret = l.list;
    *ret_n = l.n;
    return 0;
}

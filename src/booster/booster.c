/* What both readers build: nodes, leaves and trees, checked. */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ARENA_LEAST ((size_t)1 << 20)

struct mlo_booster *mlo_booster_new(enum mlo_trainer trainer, size_t file_bytes, struct mlo_err *err)
{
    struct mlo_booster *b = mlo_calloc(1, sizeof *b, err);
    if (!b)
        return NULL;
    mlo_arena_init(&b->arena, ARENA_LEAST + file_bytes * 16); /* a name of one letter takes 16 bytes */
    b->trainer = trainer;
    b->version = b->objective = "";
    b->slope = 1;
    b->leaf_size = 1;
    return b;
}

static void drop(void *pp)
{
    free(*(void **)pp);
    *(void **)pp = NULL;
}

void mlo_booster_drop_trees(struct mlo_booster *b)
{
    drop(&b->nodes);
    drop(&b->bounds);
    drop(&b->roots);
    drop(&b->targets);
    drop(&b->values);
    b->room.nodes = b->room.bounds = b->room.roots = b->room.targets = b->room.values = 0;
    b->n_nodes = b->n_bounds = b->n_leaves = 0;
}

void mlo_booster_free(struct mlo_booster *b)
{
    if (!b)
        return;
    mlo_booster_drop_trees(b);
    free(b->base);
    free(b->lines);
    free(b->terms);
    free(b->weights);
    mlo_booster_free_categories(b);
    mlo_arena_release(&b->arena);
    free(b);
}

int mlo_booster_bad(size_t tree, size_t node, struct mlo_err *err, const char *fmt, ...)
{
    char what[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return mlo_fail(err, MLO_EINVALID, "tree %zu, node %zu: %s", tree, node, what);
}

int mlo_booster_add_nodes(struct mlo_booster *b, size_t n, size_t *ret, struct mlo_err *err)
{
    if (n > MLO_BOOSTER_NODES_MAX - b->n_nodes)
        return mlo_fail(err, MLO_EINVALID, "more than %zu nodes", MLO_BOOSTER_NODES_MAX);
    int rc = mlo_grow(&b->nodes, &b->room.nodes, b->n_nodes + n, sizeof *b->nodes, err);
    if (rc == 0) {
        *ret = b->n_nodes;
        b->n_nodes += n;
    }
    return rc;
}

int mlo_booster_add_bound(struct mlo_booster *b, double bound, struct mlo_err *err)
{
    int rc = mlo_grow(&b->bounds, &b->room.bounds, b->n_bounds + 1, sizeof *b->bounds, err);
    if (rc == 0)
        b->bounds[b->n_bounds++] = bound;
    return rc;
}

int mlo_booster_add_leaf(struct mlo_booster *b, const double *values, struct mlo_err *err)
{
    size_t at = b->n_leaves * b->leaf_size;
    int rc = mlo_grow(&b->values, &b->room.values, at + b->leaf_size, sizeof *b->values, err);
    if (rc == 0) {
        memcpy(b->values + at, values, b->leaf_size * sizeof *values);
        b->n_leaves++;
    }
    return rc;
}

/* ---- trees ---- */

/* Every node is reached once at most: no cycles, no node below two. */
static int check_walks(const struct mlo_booster *b, size_t root, unsigned char *seen, uint32_t *todo,
                       struct mlo_err *err)
{
    size_t n_todo = 1;
    todo[0] = (uint32_t)root;
    seen[0] = 1;
    while (n_todo > 0) {
        uint32_t at = todo[--n_todo];
        const struct mlo_booster_node *n = &b->nodes[at];
        uint32_t next[2] = {n->yes, n->no};
        for (unsigned i = 0; i < 2 && n->split != MLO_SPLIT_LEAF; i++) {
            if (seen[next[i] - root]++)
                return mlo_booster_bad(b->n_trees, at - root, err, "its child %zu is another's already",
                                       next[i] - root);
            todo[n_todo++] = next[i];
        }
    }
    return 0;
}

int mlo_booster_add_tree(struct mlo_booster *b, size_t root, uint32_t target, struct mlo_err *err)
{
    size_t n = b->n_nodes - root;
    MLO_AUTOFREE unsigned char *seen = mlo_calloc(n + 1, 1, err);
    MLO_AUTOFREE uint32_t *todo = seen ? mlo_calloc(n + 2, sizeof *todo, err) : NULL;
    if (!todo)
        return err->code;
    int rc = check_walks(b, root, seen, todo, err);
    if (rc == 0)
        rc = mlo_grow(&b->roots, &b->room.roots, b->n_trees + 1, sizeof *b->roots, err);
    if (rc == 0)
        rc = mlo_grow(&b->targets, &b->room.targets, b->n_trees + 1, sizeof *b->targets, err);
    if (rc == 0) {
        b->roots[b->n_trees] = (uint32_t)root;
        b->targets[b->n_trees++] = target;
    }
    return rc;
}

/* ---- rounds ---- */

int mlo_booster_keep_rounds(struct mlo_booster *b, const struct mlo_booster_opts *opts,
                            const size_t *round_starts, struct mlo_err *err)
{
    size_t n = b->file_rounds, each = n ? b->n_trees / n : 0;
    uint64_t end = opts->end == MLO_BOOSTER_ROUNDS_ALL ? n : opts->end;
    if (end > n || opts->first >= end) {
        mlo_fail(err, MLO_EUSAGE, "the model has %zu rounds: %llu:%llu are not among them", n,
                 (unsigned long long)opts->first, (unsigned long long)end);
        return mlo_hint(
            err, "FIRST:END takes the rounds from FIRST, counted from 0, on below END: all are 0:%zu", n);
    }
    size_t from = round_starts ? round_starts[opts->first] : (size_t)opts->first * each;
    size_t to = round_starts ? round_starts[end] : (size_t)end * each;
    memmove(b->roots, b->roots + from, (to - from) * sizeof *b->roots);
    memmove(b->targets, b->targets + from, (to - from) * sizeof *b->targets);
    b->n_trees = to - from;
    b->rounds = (size_t)(end - opts->first);
    return 0;
}

/* ---- categories ---- */

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int mlo_booster_add_ranges(struct mlo_booster *b, struct mlo_booster_node *node, int64_t *numbers, size_t n,
                           struct mlo_err *err)
{
    int rc = 0;
    if (n > 0)
        qsort(numbers, n, sizeof *numbers, by_number);
    node->first_bound = b->n_bounds;
    for (size_t i = 0; rc == 0 && i < n;) {
        size_t end = i + 1;
        while (end < n && numbers[end] - numbers[end - 1] <= 1)
            end++;
        rc = mlo_booster_add_bound(b, (double)numbers[i], err);
        if (rc == 0)
            rc = mlo_booster_add_bound(b, (double)numbers[end - 1] + 1, err);
        i = end;
    }
    node->n_bounds = (uint32_t)(b->n_bounds - node->first_bound);
    return rc;
}

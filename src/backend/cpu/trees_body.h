/*
 * Leaves of a block of rows, for any width of vectors. Whoever includes this has defined VEC (bytes, one a
 * row), TARGET (attributes of functions), LOAD(p), STORE(p, v), BYTES(below) (a question's), ONE(byte),
 * CHOOSE(rank, below, yes, no): of each byte yes when rank < below, else no; and below16(limits, x): how many
 * of MLO_RANK_STEP limits are less than x.
 */
#include "trees.h"

#define WITHIN TARGET __attribute__((always_inline)) static inline

/* ---- trees filled up to one depth: every question is asked, answers are chosen from the leaves up ---- */

WITHIN VEC ask0(const struct mlo_tree_question *q, unsigned leaf, const uint8_t *ranks)
{
    (void)q;
    (void)ranks;
    return ONE(leaf);
}
#define ASK(depth, under)                                                                                    \
    WITHIN VEC ask##depth(const struct mlo_tree_question *q, unsigned leaf, const uint8_t *ranks)            \
    {                                                                                                        \
        VEC yes = ask##under(q + 1, leaf, ranks);                                                            \
        VEC no = ask##under(q + (1 << under), leaf + (1 << under), ranks);                                   \
        return CHOOSE(LOAD(ranks + q->column), BYTES(q->below), yes, no);                                    \
    }                                                                                                        \
    TARGET static void filled##depth(const struct mlo_tree_question *q, const uint8_t *ranks, uint8_t *ret)  \
    {                                                                                                        \
        for (size_t i = 0; i < MLO_RANK_ROWS; i += sizeof(VEC))                                              \
            STORE(ret + i, ask##depth(q, 0, ranks + i));                                                     \
    }
ASK(1, 0)
ASK(2, 1)
ASK(3, 2)
ASK(4, 3)
ASK(5, 4)
ASK(6, 5)

/* ---- trees of any shape ---- */

TARGET static void steps(const struct mlo_tree_step *s, const struct mlo_tree_step *end, const uint8_t *ranks,
                         uint8_t *slots, uint8_t *ret)
{
    VEC v = ONE(0);
    for (; s < end; s++) {
        const struct mlo_tree_question *q = &s->question;
        v = CHOOSE(LOAD(ranks + q->column), BYTES(q->below), LOAD(slots + s->yes * MLO_RANK_ROWS),
                   LOAD(slots + s->no * MLO_RANK_ROWS));
        STORE(slots + s->out * MLO_RANK_ROWS, v);
    }
    STORE(ret, v);
}

static void leaves(const struct mlo_tree_group *g, size_t k, const uint8_t *ranks, uint8_t *slots,
                   uint8_t *ret)
{
    static void (*const filled[])(const struct mlo_tree_question *q, const uint8_t *ranks,
                                  uint8_t *ret) = {filled1, filled2, filled3, filled4, filled5, filled6};
    if (g->depth > 0) {
        filled[g->depth - 1](g->questions + k * (((size_t)1 << g->depth) - 1), ranks, ret);
        return;
    }
    for (size_t i = 0; i < MLO_RANK_ROWS; i += sizeof(VEC))
        steps(g->steps + g->first_step[k], g->steps + g->first_step[k + 1], ranks + i, slots + i, ret + i);
}

/* ---- ranks of a row ---- */

TARGET static void rank(const struct mlo_tree_group *g, const float *x, uint8_t *ret_ranks, size_t stride)
{
    for (size_t k = 0; k < g->n_columns; k++) {
        const struct mlo_tree_column *c = &g->columns[k];
        float v = c->negated ? -x[c->feature] : x[c->feature];
        size_t from = MLO_RANK_STEP * below16(c->f32, v);
        size_t n = from + below16(c->f32 + MLO_RANK_STEP + from, v);
        ret_ranks[k * stride] = (uint8_t)(v != v ? c->n_limits : n);
    }
}

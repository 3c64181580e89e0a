/* Attention of heads beside plain loops in doubles: sizes that fill no vector, masks of every reach, steps of
 * 0. */
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/backend/cpu/vector.h"

#define BATCH 3
#define HEADS 2
#define MOST  70 /* rows, keys, size */
#define TABLE ((size_t)BATCH * HEADS * MOST * MOST)

static float q[TABLE], k[TABLE], v[TABLE], mask[TABLE], y[TABLE], scratch[128 * 128];

static void fill(float *to, unsigned seed)
{
    for (size_t i = 0; i < TABLE; i++) {
        seed = seed * 1664525 + 1013904223;
        to[i] = (float)(int32_t)seed * 0x1p-31F;
    }
}

static size_t at(const struct mlo_attention_step *s, size_t b, size_t h, size_t row)
{
    return b * s->batch + h * s->head + row * s->row;
}

static double truth(const struct mlo_attention *p, size_t b, size_t h, size_t row, size_t d)
{
    double sum = 0, mixed = 0;
    for (size_t j = 0; j < p->keys; j++) {
        double score = 0;
        for (size_t i = 0; i < p->size; i++)
            score += (double)p->q[at(&p->q_step, b, h, row) + i] * (double)p->k[at(&p->k_step, b, h, j) + i];
        score *= (double)p->scale;
        if (p->mask)
            score += (double)p->mask[at(&p->mask_step, b, h, row) + j * p->mask_key];
        sum += exp(score);
        mixed += exp(score) * (double)p->v[at(&p->v_step, b, h, j) + d];
    }
    return mixed / sum;
}

static double worst_of(const struct mlo_attention *p)
{
    double worst = 0;
    for (size_t b = 0; b < p->batch; b++)
        for (size_t h = 0; h < p->heads; h++)
            for (size_t row = 0; row < p->rows; row++)
                for (size_t d = 0; d < p->v_size; d++)
                    worst = fmax(worst,
                                 fabs((double)p->y[at(&p->y_step, b, h, row) + d] - truth(p, b, h, row, d)));
    return worst;
}

static struct mlo_attention_step steps(size_t rows, size_t size, bool rows_first)
{
    return rows_first ? (struct mlo_attention_step){HEADS * rows * size, size, HEADS * size}
                      : (struct mlo_attention_step){HEADS * rows * size, rows * size, size};
}

static void take_mask(struct mlo_attention *p, unsigned kind)
{
    static const struct mlo_attention_step kinds[] = {
        {0, 0, 0}, {MOST, 0, 0}, {0, 0, MOST}, {HEADS * MOST, MOST, 0}};
    p->mask = kind < 4 ? mask : NULL;
    p->mask_step = kinds[kind % 4];
    p->mask_key = 1;
}

static void try_size(const struct mlo_vector *kernel, size_t rows, size_t keys, size_t size, size_t v_size)
{
    for (unsigned how = 0; how < 10; how++) {
        size_t room;
        struct mlo_attention p = {.batch = BATCH,
                                  .heads = HEADS,
                                  .rows = rows,
                                  .keys = keys,
                                  .size = size,
                                  .v_size = v_size,
                                  .q = q,
                                  .k = k,
                                  .v = v,
                                  .scale = 0.7F,
                                  .y = y,
                                  .scratch = scratch};
        p.q_step = steps(rows, size, how & 1);
        p.k_step = steps(keys, size, how & 1);
        p.v_step = steps(keys, v_size, how & 1);
        p.y_step = steps(rows, v_size, true);
        take_mask(&p, how / 2);
        check(mlo_attention_scratch(&p, &room) && room < sizeof scratch / sizeof *scratch, "room");
        scratch[room] = 77;
        kernel->attend(&p);
        check(scratch[room] == 77, "%zu rows, %zu keys of %zu: no more scratch is used", rows, keys, size);
        double worst = worst_of(&p);
        if (!check(worst < 2e-6, "%zu rows, %zu keys of %zu, values of %zu, how %u: %g", rows, keys, size,
                   v_size, how, worst))
            return;
    }
}

static void heads_are_right(void)
{
    static const size_t sizes[][4] = {{1, 1, 1, 1},        {5, 7, 3, 2},    {4, 32, 16, 16}, {9, 33, 32, 17},
                                      {MOST, MOST, 8, 40}, {2, 65, 64, 64}, {8, 64, 8, 8}};
    fill(q, 1);
    fill(k, 2);
    fill(v, 3);
    fill(mask, 4);
    for (int kind = 0; kind < MLO_VECTOR_KINDS; kind++)
        for (size_t i = 0; mlo_vector_of((enum mlo_vector_kind)kind) && i < sizeof sizes / sizeof *sizes; i++)
            try_size(mlo_vector_of((enum mlo_vector_kind)kind), sizes[i][0], sizes[i][1], sizes[i][2],
                     sizes[i][3]);
}

/* Of the first batch all keys are masked (as if none were), of the others all but some in front. */
static void masked_keys_weigh_nothing(void)
{
    static const size_t left[BATCH] = {9, 2, 7};
    fill(v, 3);
    for (unsigned b = 0; b < BATCH; b++)
        for (unsigned j = 0; j < 9; j++)
            mask[b * 9 + j] = b == 0 || j >= left[b] ? -3.4e38F : 0;
    for (int kind = 0; kind < MLO_VECTOR_KINDS; kind++) {
        const struct mlo_vector *kernel = mlo_vector_of((enum mlo_vector_kind)kind);
        struct mlo_attention p = {.batch = BATCH,
                                  .heads = 1,
                                  .rows = 1,
                                  .keys = 9,
                                  .size = 1,
                                  .v_size = 1,
                                  .q = q,
                                  .k = k,
                                  .v = v,
                                  .mask = mask,
                                  .k_step = {0, 0, 0},
                                  .v_step = {0, 0, 1},
                                  .mask_step = {9, 0, 0},
                                  .y_step = {1, 0, 0},
                                  .mask_key = 1,
                                  .scale = 1,
                                  .y = y,
                                  .scratch = scratch};
        if (!kernel)
            continue;
        kernel->attend(&p);
        for (unsigned b = 0; b < BATCH; b++) {
            double want = 0;
            for (size_t j = 0; j < left[b]; j++)
                want += (double)v[j] / (double)left[b];
            check(fabs(want - (double)y[b]) < 1e-6, "batch %u: %g, not %g", b, (double)y[b], want);
        }
    }
}

int main(void)
{
    run(heads_are_right);
    run(masked_keys_weigh_nothing);
    return done_testing();
}

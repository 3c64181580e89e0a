/* Steps become kernels: one function for each operator, which knows the grid. at: the address of each buffer
 * of the step, NULL where it is missing; type: of its floats. */
#ifndef MLO_BACKEND_CUDA_STEPS_H
#define MLO_BACKEND_CUDA_STEPS_H

#include "attention_tensor.h"
#include "elements.h"
#include "product.h"
#include "product_bytes.h"
#include "program.h"
#include "ranked_trees.h"
#include "rows.h"
#include "tabular.h"
#include "trees.h"

enum gpu_made { GPU_MADE_NOTHING, GPU_MADE_SUMS, GPU_MADE_ALL };
struct gpu_machine {
    gpu_queue queue;
    /* A dense layer by a library: false leaves it to the kernels here. What of the activation is left to be
     * done stays in *p. NULL: none. */
    bool (*product)(void *ctx, struct gpu_dense *p);
    /* Of bytes: all but what of the activation stays in *p, or the sums alone, into p->room. NULL: none. */
    enum gpu_made (*product_bytes)(void *ctx, struct gpu_dense_bytes *p);
    void *ctx;
};

static inline unsigned gpu_parts(size_t n, size_t each)
{
    return (unsigned)((n + each - 1) / each);
}

static inline unsigned gpu_element_blocks(size_t n)
{
    unsigned blocks = gpu_parts(n, ELEMENT_THREADS);
    return blocks < ELEMENT_BLOCKS ? blocks : ELEMENT_BLOCKS;
}

/* An int as GPU_LAUNCH. */
static inline int gpu_move(gpu_queue queue, const void *from, void *to, size_t bytes)
{
    struct gpu_bytes_moved p = {from, to, bytes};
    return GPU_LAUNCH(queue, gpu_move_kernel, gpu_element_blocks(gpu_parts(bytes, sizeof(float4))), 1, 1,
                      ELEMENT_THREADS, 0, p);
}

static int launch_activate(const struct gpu_machine *m, const struct mlo_device_step *s, void *const *at,
                           unsigned type)
{
    struct gpu_elements p = {at[0], NULL, NULL, at[1], s->size[0], 1, s->activation, type};
    return GPU_LAUNCH_TYPED(type, m->queue, gpu_activate_all, gpu_element_blocks(p.n), 1, 1, ELEMENT_THREADS,
                            0, p);
}

static int launch_scale(const struct gpu_machine *m, const struct mlo_device_step *s, void *const *at,
                        unsigned type)
{
    struct gpu_elements p = {at[0],
                             at[1],
                             (const float *)at[2],
                             at[3],
                             (size_t)s->size[0] * s->size[1],
                             s->size[1],
                             MLO_DEVICE_LINEAR,
                             type};
    return GPU_LAUNCH(m->queue, gpu_scale_kernel, gpu_element_blocks(p.n), 1, 1, ELEMENT_THREADS, 0, p);
}

static int launch_add(const struct gpu_machine *m, const struct mlo_device_step *s, void *const *at,
                      unsigned type)
{
    struct gpu_elements p = {
        at[0], at[1], NULL, at[2], (size_t)s->size[0] * s->size[1], s->size[1], MLO_DEVICE_LINEAR, type};
    return GPU_LAUNCH_TYPED(type, m->queue, gpu_add_all, gpu_element_blocks(p.n), 1, 1, ELEMENT_THREADS, 0,
                            p);
}

static int launch_convert(const struct gpu_machine *m, const struct mlo_device_step *s, void *const *at,
                          unsigned type)
{
    struct gpu_elements p = {at[0], NULL, NULL, at[1], s->size[0], 1, MLO_DEVICE_LINEAR, s->activation};
    return GPU_LAUNCH_TYPED(type, m->queue, gpu_convert_all, gpu_element_blocks(p.n), 1, 1, ELEMENT_THREADS,
                            0, p);
}

static int launch_few_rows(const struct gpu_machine *m, const struct gpu_dense *p)
{
    unsigned blocks = gpu_parts(p->n, FEW_WARPS);
    if (p->k % 4 != 0)
        return GPU_LAUNCH_TYPED(p->type, m->queue, gpu_odd_rows, blocks, 1, 1, FEW_THREADS, 0, *p);
    if (p->m == 1)
        return GPU_LAUNCH_TYPED(p->type, m->queue, gpu_one_row, blocks, 1, 1, FEW_THREADS, 0, *p);
    return GPU_LAUNCH_TYPED(p->type, m->queue, gpu_few_rows, blocks, 1, 1, FEW_THREADS, 0, *p);
}

/* What a library has left of an activation. */
static int launch_rest(const struct gpu_machine *m, void *y, size_t n, unsigned activation, unsigned type)
{
    struct gpu_elements p = {y, NULL, NULL, y, n, 1, activation, type};
    if (activation == MLO_DEVICE_LINEAR)
        return 0;
    return GPU_LAUNCH_TYPED(type, m->queue, gpu_activate_all, gpu_element_blocks(n), 1, 1, ELEMENT_THREADS, 0,
                            p);
}

static int launch_dense(const struct gpu_machine *m, const struct mlo_device_step *s, void *const *at,
                        unsigned type)
{
    struct gpu_dense p = {at[0],      at[1],      at[2],         at[3], s->size[0],
                          s->size[1], s->size[2], s->activation, type};
    if (p.m <= FEW_ROWS)
        return launch_few_rows(m, &p);
    if (!m->product || !m->product(m->ctx, &p))
        return GPU_LAUNCH_TYPED(type, m->queue, gpu_tiles, gpu_parts(p.m, TILE), gpu_parts(p.n, TILE), 1,
                                TILE_THREADS, 0, p);
    return launch_rest(m, p.y, (size_t)p.m * p.n, p.activation, type);
}

static int launch_norm(const struct gpu_machine *m, const struct mlo_device_step *s, void *const *at,
                       unsigned type)
{
    struct gpu_norm p = {at[0],      at[1],    (const float *)at[2], (const float *)at[3], at[4],
                         s->size[1], s->number};
    return GPU_LAUNCH_TYPED(type, m->queue, gpu_norm_rows, s->size[0], 1, 1, ROW_THREADS, p.n * sizeof(float),
                            p);
}

static int launch_embed(const struct gpu_machine *m, const struct mlo_device_step *s, void *const *at,
                        unsigned type)
{
    struct gpu_embed p = {
        (const int32_t *)at[0],
        (const int32_t *)at[1],
        (const int32_t *)at[2],
        at[3],
        at[4],
        at[5],
        s->size[2],
        s->size[3],
        s->size[4],
        {NULL, NULL, (const float *)at[6], (const float *)at[7], at[8], s->size[1], s->number}};
    return GPU_LAUNCH_TYPED(type, m->queue, gpu_embed_rows, s->size[0], 1, 1, ROW_THREADS,
                            p.norm.n * sizeof(float), p);
}

static int launch_gather(const struct gpu_machine *m, const struct mlo_device_step *s, void *const *at,
                         unsigned type)
{
    struct gpu_gather p = {at[0], at[1], at[2], s->size[1], s->size[2], s->activation};
    return GPU_LAUNCH_TYPED(type, m->queue, gpu_gather_rows, s->size[0], 1, 1, ROW_THREADS, 0, p);
}

static int launch_softmax(const struct gpu_machine *m, const struct mlo_device_step *s, void *const *at,
                          unsigned type)
{
    struct gpu_softmax p = {at[0], at[1], s->size[0], s->size[1]};
    return GPU_LAUNCH_TYPED(type, m->queue, gpu_softmax_rows, gpu_parts(p.rows, ROW_WARPS), 1, 1, ROW_THREADS,
                            0, p);
}

static int launch_pool(const struct gpu_machine *m, const struct mlo_device_step *s, void *const *at,
                       unsigned type)
{
    struct gpu_pool p = {at[0],      (const int32_t *)at[1], (float *)at[2], s->size[1], s->size[2],
                         s->size[3], s->number != 0};
    (void)type;
    return GPU_LAUNCH_TYPED(s->activation, m->queue, gpu_pool_rows, s->size[0], 1, 1, ROW_THREADS,
                            p.n * sizeof(float), p);
}

/* ---- attention ---- */

#define TENSOR(wide)                                                                                         \
    (type == MLO_DEVICE_F16 ? GPU_LAUNCH(m->queue, gpu_tensor_##wide##_f16, blocks, p->heads, sequences,     \
                                         TENSOR_THREADS, TENSOR_ROOM(wide) * sizeof(uint16_t), *p)           \
                            : GPU_LAUNCH(m->queue, gpu_tensor_##wide##_bf16, blocks, p->heads, sequences,    \
                                         TENSOR_THREADS, TENSOR_ROOM(wide) * sizeof(uint16_t), *p))

static int launch_tensor(const struct gpu_machine *m, const struct gpu_attention *p, unsigned longest,
                         unsigned sequences, unsigned type)
{
    unsigned blocks = gpu_parts(longest, TENSOR_QUERIES);
    return p->size <= 32 ? TENSOR(32) : p->size <= 64 ? TENSOR(64) : TENSOR(128);
}

static int launch_parts(const struct gpu_machine *m, const struct mlo_device_step *s, unsigned type,
                        struct gpu_attention p)
{
    unsigned sequences = s->size[0], longest = p.first ? s->size[4] : p.each;
    unsigned blocks = gpu_parts(longest, ATTEND_QUERIES);
    size_t bytes = ATTEND_ROOM((size_t)p.size) * sizeof(float);
    if (type != MLO_DEVICE_F32)
        return launch_tensor(m, &p, longest, sequences, type);
    if (p.size <= 32)
        return GPU_LAUNCH(m->queue, gpu_attend_32_kernel, blocks, p.heads, sequences, ATTEND_THREADS, bytes,
                          p);
    if (p.size <= 64)
        return GPU_LAUNCH(m->queue, gpu_attend_64_kernel, blocks, p.heads, sequences, ATTEND_THREADS, bytes,
                          p);
    return GPU_LAUNCH(m->queue, gpu_attend_128_kernel, blocks, p.heads, sequences, ATTEND_THREADS, bytes, p);
}

static int launch_attention(const struct gpu_machine *m, const struct mlo_device_step *s, void *const *at,
                            unsigned type)
{
    const char *qkv = (const char *)at[1];
    unsigned row = s->size[2] * s->size[3];
    size_t part = row * program_type_bytes(type);
    struct gpu_attention p = {(const int32_t *)at[0],
                              {qkv, qkv + part, qkv + 2 * part},
                              (const float *)at[2],
                              at[3],
                              s->size[1] / s->size[0],
                              s->size[1],
                              s->size[2],
                              s->size[3],
                              3 * row,
                              s->number,
                              s->size[5] != 0};
    return launch_parts(m, s, type, p);
}

static int launch_attention_apart(const struct gpu_machine *m, const struct mlo_device_step *s,
                                  void *const *at, unsigned type)
{
    struct gpu_attention p = {(const int32_t *)at[0],
                              {at[1], at[2], at[3]},
                              (const float *)at[4],
                              at[5],
                              s->size[1] / s->size[0],
                              s->size[1],
                              s->size[2],
                              s->size[3],
                              s->size[2] * s->size[3],
                              s->number,
                              s->size[5] != 0};
    return launch_parts(m, s, type, p);
}

static int launch_trees(const struct gpu_machine *m, const struct mlo_device_step *s, void *const *at,
                        unsigned type)
{
    struct gpu_trees p = {(const float *)at[0],
                          (const float *)at[3],
                          (const struct mlo_device_node *)at[1],
                          (const int32_t *)at[2],
                          (const int32_t *)at[4],
                          (const float *)at[5],
                          (float *)at[6],
                          s->size[0],
                          s->size[1],
                          s->size[2],
                          s->size[3],
                          s->size[4]};
    (void)type;
    return GPU_LAUNCH(m->queue, gpu_trees_kernel, gpu_parts(p.rows, TREE_ROWS), 1, 1, TREE_ROWS, GPU_ROOM, p);
}

static int launch_rank(const struct gpu_machine *m, const struct mlo_device_step *s, void *const *at,
                       unsigned type)
{
    struct gpu_rank p = {at[0],
                         at[1],
                         (const int32_t *)at[2],
                         (const int32_t *)at[3],
                         (uint16_t *)at[4],
                         s->size[0],
                         s->size[1],
                         s->size[2],
                         s->size[3]};
    unsigned rows = gpu_parts(p.rows, RANK_TILE_ROWS), columns = gpu_parts(p.columns, RANK_TILE_COLUMNS);
    return type == MLO_DEVICE_F64
               ? GPU_LAUNCH(m->queue, gpu_rank_f64, rows, columns, 1, RANK_THREADS, RANK_ROOM(double), p)
               : GPU_LAUNCH(m->queue, gpu_rank_f32, rows, columns, 1, RANK_THREADS, RANK_ROOM(float), p);
}

static int launch_ranked_trees(const struct gpu_machine *m, const struct mlo_device_step *s, void *const *at,
                               unsigned type)
{
    struct gpu_ranked p = {(const uint32_t *)at[0],
                           (const uint64_t *)at[1],
                           (const int32_t *)at[2],
                           (const int32_t *)at[3],
                           (const int32_t *)at[5],
                           at[4],
                           at[6],
                           at[7],
                           s->size[0],
                           s->size[1],
                           s->size[2],
                           s->size[3],
                           s->size[4],
                           s->size[5],
                           s->size[6],
                           s->size[0] >= RANKED_MANY ? RANKED_ROWS_MOST : RANKED_ROWS_LEAST};
    unsigned blocks = gpu_parts(p.rows, p.group);
    return type == MLO_DEVICE_F64
               ? GPU_LAUNCH(m->queue, gpu_ranked_f64, blocks, 1, 1, RANKED_THREADS, GPU_ROOM, p)
               : GPU_LAUNCH(m->queue, gpu_ranked_f32, blocks, 1, 1, RANKED_THREADS, GPU_ROOM, p);
}

/* ---- bytes ---- */

static int launch_extremes(const struct gpu_machine *m, const struct mlo_device_step *s, void *const *at,
                           unsigned type)
{
    struct gpu_quantize p = {at[0], (float *)at[1], NULL, 0, s->size[1], 0, 1, NULL};
    (void)type;
    return GPU_LAUNCH_TYPED(s->activation, m->queue, gpu_extremes_rows, s->size[0], 1, 1, ROW_THREADS, 0, p);
}

static int launch_span(const struct gpu_machine *m, const struct mlo_device_step *s, void *const *at,
                       unsigned type)
{
    struct gpu_quantize p = {at[0],      (float *)at[2],        NULL, s->size[1], 0, 0,
                             s->size[2], (const int32_t *)at[1]};
    (void)type;
    return GPU_LAUNCH(m->queue, gpu_span_kernel, p.first ? s->size[0] : 1, 1, 1, ROW_THREADS, 0, p);
}

static int launch_quantize(const struct gpu_machine *m, const struct mlo_device_step *s, void *const *at,
                           unsigned type)
{
    struct gpu_quantize p = {at[0],      (float *)at[1], at[2],      (size_t)s->size[0] * s->size[1],
                             s->size[1], type,           s->size[2], NULL};
    return GPU_LAUNCH_TYPED(s->activation, m->queue, gpu_quantize_all, gpu_element_blocks(p.n), 1, 1,
                            ELEMENT_THREADS, 0, p);
}

static int launch_quantize_rows(const struct gpu_machine *m, const struct mlo_device_step *s, void *const *at,
                                unsigned type)
{
    struct gpu_quantize p = {at[0], (float *)at[1], at[2], 0, s->size[1], type, s->size[0], NULL};
    return GPU_LAUNCH_TYPED(s->activation, m->queue, gpu_quantize_rows, s->size[0], 1, 1, ROW_THREADS, 0, p);
}

static int launch_dequantize(const struct gpu_machine *m, const struct mlo_device_step *s, void *const *at,
                             unsigned type)
{
    struct gpu_quantize p = {at[0],      (float *)at[1], at[2],      (size_t)s->size[0] * s->size[1],
                             s->size[1], s->activation,  s->size[2], NULL};
    return GPU_LAUNCH_TYPED(type, m->queue, gpu_dequantize_all, gpu_element_blocks(p.n), 1, 1,
                            ELEMENT_THREADS, 0, p);
}

#define BYTES_KERNEL(kind, x, y, threads)                                                                    \
    (p->bytes_type == MLO_DEVICE_I8 ? GPU_LAUNCH(m->queue, kind##_i8, x, y, 1, threads, 0, *p)               \
                                    : GPU_LAUNCH(m->queue, kind##_e4m3, x, y, 1, threads, 0, *p))

static int launch_few_bytes(const struct gpu_machine *m, const struct gpu_dense_bytes *p)
{
    unsigned blocks = gpu_parts(p->n, FEW_WARPS);
    if (p->k % 4 != 0)
        return BYTES_KERNEL(gpu_odd_rows, blocks, 1, FEW_THREADS);
    if (p->m == 1)
        return BYTES_KERNEL(gpu_one_row, blocks, 1, FEW_THREADS);
    return BYTES_KERNEL(gpu_few_rows, blocks, 1, FEW_THREADS);
}

static int launch_many_bytes(const struct gpu_machine *m, struct gpu_dense_bytes *p)
{
    enum gpu_made made = m->product_bytes && !p->w_zeros ? m->product_bytes(m->ctx, p) : GPU_MADE_NOTHING;
    if (made == GPU_MADE_ALL)
        return launch_rest(m, p->y, (size_t)p->m * p->n, p->activation, p->type);
    if (made == GPU_MADE_SUMS)
        return GPU_LAUNCH(m->queue, gpu_finish_sums, gpu_element_blocks((size_t)p->m * p->n), 1, 1,
                          ELEMENT_THREADS, 0, *p);
    return BYTES_KERNEL(gpu_tiles, gpu_parts(p->m, BYTES_TILE), gpu_parts(p->n, BYTES_TILE), BYTES_THREADS);
}

static int launch_dense_bytes(const struct gpu_machine *m, const struct mlo_device_step *s, void *const *at,
                              unsigned type)
{
    struct gpu_dense_bytes p = {.x = at[0],
                                .w = at[2],
                                .how = (const float *)at[1],
                                .scales = (const float *)at[3],
                                .bias = at[6],
                                .w_sums = (const int32_t *)at[4],
                                .w_zeros = (const int32_t *)at[5],
                                .room = at[7],
                                .y = at[8],
                                .m = s->size[0],
                                .n = s->size[1],
                                .k = s->size[2],
                                .activation = s->activation,
                                .bytes_type = s->size[4],
                                .type = type,
                                .hows = s->size[3]};
    return p.m <= FEW_ROWS ? launch_few_bytes(m, &p) : launch_many_bytes(m, &p);
}

static int launch_replace(const struct gpu_machine *m, const struct mlo_device_step *s, void *const *at,
                          unsigned type)
{
    size_t n = (size_t)s->size[0] * s->size[1];
    struct gpu_columns p = {at[0], (const float *)at[1], NULL, at[2], n, s->size[1], type, 0, 0, s->number};
    return GPU_LAUNCH(m->queue, gpu_replace, gpu_element_blocks(n), 1, 1, ELEMENT_THREADS, 0, p);
}

static int launch_one_hot(const struct gpu_machine *m, const struct mlo_device_step *s, void *const *at,
                          unsigned type)
{
    size_t n = (size_t)s->size[0] * s->size[1];
    struct gpu_columns p = {at[0], (const float *)at[1], NULL, at[2], n, s->size[1], s->activation, 0, 0, 0};
    (void)type;
    return GPU_LAUNCH(m->queue, gpu_one_hot, gpu_element_blocks(n), 1, 1, ELEMENT_THREADS, 0, p);
}

static int launch_look_up(const struct gpu_machine *m, const struct mlo_device_step *s, void *const *at,
                          unsigned type)
{
    struct gpu_columns p = {
        at[0],    (const float *)at[1], (const float *)at[2], at[3], s->size[0], s->size[1], type, 0, 0,
        s->number};
    return GPU_LAUNCH(m->queue, gpu_look_up, gpu_element_blocks(p.n), 1, 1, ELEMENT_THREADS, 0, p);
}

static int launch_unit(const struct gpu_machine *m, const struct mlo_device_step *s, void *const *at,
                       unsigned type)
{
    struct gpu_unit p = {(const float *)at[0], (float *)at[1], s->size[0], s->size[1], (unsigned)s->number};
    (void)type;
    return GPU_LAUNCH(m->queue, gpu_unit_rows, gpu_parts(p.rows, ROW_WARPS), 1, 1, ROW_THREADS, 0, p);
}

static int launch_place(const struct gpu_machine *m, const struct mlo_device_step *s, void *const *at,
                        unsigned type)
{
    size_t n = (size_t)s->size[0] * s->size[1];
    struct gpu_columns p = {at[0], NULL, NULL, at[1], n, s->size[1], type, s->size[2], s->size[3], 0};
    return GPU_LAUNCH_TYPED(type, m->queue, gpu_place_all, gpu_element_blocks(n), 1, 1, ELEMENT_THREADS, 0,
                            p);
}

static int launch_mask(const struct gpu_machine *m, const struct mlo_device_step *s, void *const *at,
                       unsigned type)
{
    struct gpu_mask p = {at[0],      (float *)at[1], s->size[1],    s->size[2],
                         s->size[3], s->size[4],     s->activation, s->number};
    (void)type;
    return GPU_LAUNCH(m->queue, gpu_mask_rows, s->size[0], 1, 1, ROW_THREADS, 0, p);
}

static int launch_swap(const struct gpu_machine *m, const struct mlo_device_step *s, void *const *at,
                       unsigned type)
{
    struct gpu_swap p = {at[0],      at[1],      (size_t)s->size[0] * s->size[1] * s->size[2] * s->size[3],
                         s->size[1], s->size[2], s->size[3]};
    return GPU_LAUNCH_TYPED(type, m->queue, gpu_swap_all, gpu_element_blocks(p.n), 1, 1, ELEMENT_THREADS, 0,
                            p);
}

typedef int gpu_launch_fn(const struct gpu_machine *m, const struct mlo_device_step *s, void *const *at,
                          unsigned type);
static gpu_launch_fn *const gpu_launches[MLO_DEVICE_OPS] = {
    /* DENSE      */ launch_dense,
    /* NORM       */ launch_norm,
    /* EMBED      */ launch_embed,
    /* ATTENTION  */ launch_attention,
    /* APART      */ launch_attention_apart,
    /* ACTIVATE   */ launch_activate,
    /* SOFTMAX    */ launch_softmax,
    /* POOL       */ launch_pool,
    /* SCALE      */ launch_scale,
    /* TREES      */ launch_trees,
    /* ADD        */ launch_add,
    /* GATHER     */ launch_gather,
    /* CONVERT    */ launch_convert,
    /* RANK       */ launch_rank,
    /* RANKED     */ launch_ranked_trees,
    /* EXTREMES   */ launch_extremes,
    /* SPAN       */ launch_span,
    /* QUANTIZE   */ launch_quantize,
    /* ..._ROWS   */ launch_quantize_rows,
    /* DEQUANTIZE */ launch_dequantize,
    /* .. BYTES   */ launch_dense_bytes,
    /* REPLACE    */ launch_replace,
    /* ONE_HOT    */ launch_one_hot,
    /* LOOKUP     */ launch_look_up,
    /* UNIT       */ launch_unit,
    /* PLACE      */ launch_place,
    /* MASK       */ launch_mask,
    /* SWAP       */ launch_swap,
};

/* Kernels of two types are told that of what they read: in the place of an activation, or of a last size. */
static inline void gpu_tell_type(struct mlo_device_step *s, const struct mlo_device_program *p)
{
    const char *first = program_ops[s->op].buffers[0];
    if (s->op == MLO_DEVICE_DENSE_BYTES)
        s->size[4] = p->buffers[s->buffer[0]].type;
    else if (strchr("vqmnjk", *first))
        s->activation = p->buffers[s->buffer[0]].type;
}

/* Step i of a sound program; weights: the address of each. An int as GPU_LAUNCH. */
static inline int gpu_launch_step(const struct gpu_machine *m, const struct mlo_device_program *p, uint32_t i,
                                  const struct program_layout *layout, char *memory, void *const *weights)
{
    struct mlo_device_step s = p->steps[i];
    void *at[MLO_DEVICE_STEP_BUFFERS] = {NULL};
    for (unsigned j = 0; j < program_ops[s.op].n_buffers; j++) {
        uint32_t b = s.buffer[j];
        if (b != MLO_DEVICE_NO_BUFFER)
            at[j] = p->buffers[b].role == MLO_DEVICE_WEIGHT ? weights[p->buffers[b].weight]
                                                            : memory + layout->offset[b];
    }
    gpu_tell_type(&s, p);
    return gpu_launches[s.op](m, &s, at, program_floats(p, &s));
}

static inline int gpu_launch_all(const struct gpu_machine *m, const struct mlo_device_program *p,
                                 const struct program_layout *layout, char *memory, void *const *weights)
{
    int rc = 0;
    for (uint32_t i = 0; i < p->n_steps && rc == 0; i++)
        rc = gpu_launch_step(m, p, i, layout, memory, weights);
    return rc;
}

#endif

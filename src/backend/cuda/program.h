/*
 * A program before it runs: is it sound, and where does each buffer lie? Plain C, without anything of a GPU.
 */
#ifndef MLO_BACKEND_CUDA_PROGRAM_H
#define MLO_BACKEND_CUDA_PROGRAM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/device.h>

#define PROGRAM_ALIGN       256u         /* of buffers: as the device's own allocator */
#define PROGRAM_ELEMENTS    (1ull << 38) /* most of a buffer */
#define PROGRAM_BUFFERS_MAX (1u << 16)
#define PROGRAM_GRID_MAX    65535u /* of a grid's second and third side */

/*
 * What an operator takes. A buffer is `?` when it may be missing and `>` when it is written, as the last one
 * is; then a mark of its type: `i` int32, `l` int64, `t` nodes of trees, `u` uint16, `x` float32, `n` float32
 * or int64, `k` float32, int32 or int64, `j` int32 or int64, `m` any numbers, `v` any floats, `w` float32 or
 * float64, whichever is the step's, `q` bytes, which are all of one type; no mark: floats of the step's type.
 * Then the product of its letters: a to g are the sizes in order, 2 and 3 themselves, + adds one to the
 * letter before, * is any number of them. Nothing: any number of elements.
 */
struct program_op {
    const char *name;
    const char *buffers[MLO_DEVICE_STEP_BUFFERS];
    unsigned n_buffers, n_sizes;
    unsigned in_place; /* so many of the first buffers may be the last one, too */
};
static const struct program_op program_ops[MLO_DEVICE_OPS] = {
    /* DENSE      */ {"dense", {"ac", "bc", "?b", "ab"}, 4, 3, 0},
    /* NORM       */ {"norm", {"ab", "?ab", "xb", "xb", "ab"}, 5, 2, 2},
    /* EMBED      */ {"embed", {"ia", "ia", "?ia", "cb", "db", "?eb", "xb", "xb", "ab"}, 9, 5, 0},
    /* ATTENTION  */ {"attention", {"?ia+", "3bcd", "?xb", "bcd"}, 4, 5, 0},
    /* APART      */ {"attention of parts", {"?ia+", "bcd", "bcd", "bcd", "?xb", "bcd"}, 6, 5, 0},
    /* ACTIVATE   */ {"activate", {"a", "a"}, 2, 1, 1},
    /* SOFTMAX    */ {"softmax", {"ab", "ab"}, 2, 2, 1},
    /* POOL       */ {"pool", {"vbc", "ia+", "xac"}, 3, 4, 0},
    /* SCALE      */ {"scale", {"xab", "xb", "xb", "xab"}, 4, 2, 1},
    /* TREES      */ {"trees", {"xab", "t", "ic+", "?xd", "ice", "?xe*", "xad"}, 7, 5, 0},
    /* ADD        */ {"add", {"ab", "b", "ab"}, 3, 2, 1},
    /* GATHER     */ {"gather", {"ja", "cb", "ab"}, 3, 3, 0},
    /* CONVERT    */ {"convert", {"ma", "a"}, 2, 1, 0},
    /* RANK       */ {"rank", {"wab", "w*", "ic+", "ic", "ucd"}, 5, 4, 0},
    /* RANKED     */
    {"ranked trees", {"ubf", "l*", "i3c+", "ig+", "?wd", "ice", "we*", "wad"}, 8, 7, 0},
    /* EXTREMES   */ {"extremes", {"vab", "xa2"}, 2, 2, 0},
    /* SPAN       */ {"span", {"xb2", "?ia+", "x2c"}, 3, 3, 0},
    /* QUANTIZE   */ {"quantize", {"vab", "x2c", "qab"}, 3, 3, 0},
    /* ..._ROWS   */ {"quantize rows", {"vab", ">x2a", "qab"}, 3, 2, 0},
    /* DEQUANTIZE */ {"dequantize", {"qab", "x2c", "ab"}, 3, 3, 0},
    /* .. BYTES   */
    {"dense of bytes", {"qac", "x2d", "qbc", "xb", "?ib", "?ib", "?b", "?>iab", "ab"}, 9, 4, 0},
    /* REPLACE    */ {"replace", {"xab", "xb", "xab"}, 3, 2, 1},
    /* ONE_HOT    */ {"one hot", {"na", "xb", "xab"}, 3, 2, 0},
    /* LOOKUP     */ {"look up", {"xa", "xb", "xb", "xa"}, 4, 2, 0},
    /* UNIT       */ {"unit", {"xab", "xab"}, 2, 2, 1},
    /* PLACE      */ {"place", {"ab", "ac"}, 2, 4, 0},
    /* MASK       */ {"mask", {"kab", "xadc"}, 2, 5, 0},
    /* SWAP       */ {"swap", {"abcd", "abcd"}, 2, 4, 0},
};

static inline bool program_refuse(char *reason, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(reason, MLO_DEVICE_REASON, fmt, ap);
    va_end(ap);
    return false;
}

static inline bool program_is_byte(uint32_t type)
{
    return type == MLO_DEVICE_I8 || type == MLO_DEVICE_E4M3;
}

static inline uint64_t program_type_bytes(uint32_t type)
{
    bool is_short = type == MLO_DEVICE_F16 || type == MLO_DEVICE_BF16 || type == MLO_DEVICE_U16;
    bool is_long = type == MLO_DEVICE_I64 || type == MLO_DEVICE_F64;
    return type == MLO_DEVICE_NODE ? sizeof(struct mlo_device_node)
           : is_long               ? 8
           : is_short              ? 2
           : program_is_byte(type) ? 1
                                   : 4;
}

/* The elements of a buffer as its text says; no factor is above 2^30, so that a product above the most of a
 * buffer is seen before it can wrap. */
static inline uint64_t program_elements(const char *text, const uint32_t *size)
{
    uint64_t n = 1;
    for (; *text && n <= PROGRAM_ELEMENTS; text++) {
        if (*text >= 'a' && *text <= 'g')
            n *= (uint64_t)size[*text - 'a'] + (text[1] == '+');
        else if (*text == '2' || *text == '3')
            n *= (uint64_t)(*text - '0');
    }
    return n;
}

static inline bool program_is_float(uint32_t type)
{
    return type == MLO_DEVICE_F32 || type == MLO_DEVICE_F16 || type == MLO_DEVICE_BF16;
}

/* What a buffer's type is said by. */
static inline const char *program_mark(const char *text)
{
    text += *text == '?';
    return text + (*text == '>');
}

static inline bool program_is_written(const char *text)
{
    const char *mark = program_mark(text);
    return mark > text && mark[-1] == '>';
}

/* floats: the type of the step's. */
static inline uint32_t program_type_of(const char *text, uint32_t floats)
{
    static const struct {
        char mark;
        uint32_t type;
    } marks[] = {{'i', MLO_DEVICE_I32},
                 {'l', MLO_DEVICE_I64},
                 {'t', MLO_DEVICE_NODE},
                 {'u', MLO_DEVICE_U16},
                 {'x', MLO_DEVICE_F32}};
    text = program_mark(text);
    for (unsigned i = 0; i < sizeof marks / sizeof *marks; i++)
        if (marks[i].mark == *text)
            return marks[i].type;
    return floats;
}

/* May they be the step's? */
static inline bool program_floats_ok(const char *text, uint32_t type)
{
    if (*text == 'q')
        return program_is_byte(type);
    return *text == 'w' ? type == MLO_DEVICE_F32 || type == MLO_DEVICE_F64 : program_is_float(type);
}

static inline bool program_type_ok(const char *text, uint32_t type, uint32_t floats)
{
    if (*text == 'm')
        return program_is_float(type) || type == MLO_DEVICE_I64 || type == MLO_DEVICE_F64;
    if (*text == 'n')
        return type == MLO_DEVICE_F32 || type == MLO_DEVICE_I64;
    if (*text == 'j' || *text == 'k')
        return type == MLO_DEVICE_I32 || type == MLO_DEVICE_I64 || (*text == 'k' && type == MLO_DEVICE_F32);
    return *text == 'v'   ? program_is_float(type)
           : *text == 'q' ? program_is_byte(type)
                          : type == program_type_of(text, floats);
}

/* Which buffer's type is that of the step's floats: what it writes, or its first when those are no floats. */
static inline unsigned program_typed(const struct program_op *op)
{
    return *op->buffers[op->n_buffers - 1] == 'u' ? 0 : op->n_buffers - 1;
}

static inline uint32_t program_floats(const struct mlo_device_program *p, const struct mlo_device_step *s)
{
    return p->buffers[s->buffer[program_typed(&program_ops[s->op])]].type;
}

static inline bool program_count_ok(const char *text, const uint32_t *size, uint64_t n)
{
    uint64_t want = program_elements(text, size);
    return *text == 't' || (text[strlen(text) - 1] == '*' ? n % want == 0 : n == want);
}

static inline uint32_t program_padded(const struct mlo_device_step *s)
{
    return s->size[s->op == MLO_DEVICE_RANK ? 3 : 5];
}

static inline bool program_ranks_ok(const struct mlo_device_step *s)
{
    bool has_ranks = s->op == MLO_DEVICE_RANK || s->op == MLO_DEVICE_RANKED_TREES;
    uint32_t columns = s->size[s->op == MLO_DEVICE_RANK ? 2 : 1];
    return !has_ranks || (columns <= MLO_DEVICE_RANK_COLUMNS && program_padded(s) >= s->size[0] &&
                          program_padded(s) % MLO_DEVICE_RANK_ROWS == 0);
}

static inline bool program_mask_ok(const struct mlo_device_step *s)
{
    uint32_t n = s->size[1], keys = s->size[2], seen = s->size[4];
    return seen == MLO_DEVICE_SEEN_ADDED   ? n % keys == 0
           : seen == MLO_DEVICE_SEEN_FIRST ? n == 1
                                           : seen < MLO_DEVICE_SEEN_END && n == keys;
}

static inline bool program_sizes_ok(const struct program_op *op, const struct mlo_device_step *s, unsigned at,
                                    char *reason)
{
    for (unsigned i = 0; i < op->n_sizes; i++)
        if (s->size[i] == 0 || s->size[i] > MLO_DEVICE_SIZE_MAX)
            return program_refuse(reason, "step %u (%s): size %u is %u", at, op->name, i, s->size[i]);
    bool is_norm = s->op == MLO_DEVICE_NORM || s->op == MLO_DEVICE_EMBED;
    if (is_norm && s->size[1] > MLO_DEVICE_NORM_MAX)
        return program_refuse(reason, "step %u (%s): rows of %u, at most %u", at, op->name, s->size[1],
                              MLO_DEVICE_NORM_MAX);
    bool is_pool = s->op == MLO_DEVICE_POOL;
    if (is_pool && (s->size[2] > MLO_DEVICE_NORM_MAX || s->size[3] >= MLO_DEVICE_POOL_END))
        return program_refuse(reason, "step %u (%s): rows of %u, at most %u, or no way %u", at, op->name,
                              s->size[2], MLO_DEVICE_NORM_MAX, s->size[3]);
    bool is_attention = s->op == MLO_DEVICE_ATTENTION || s->op == MLO_DEVICE_ATTENTION_APART;
    if (is_attention &&
        (s->size[3] > MLO_DEVICE_HEAD_MAX || s->size[0] > PROGRAM_GRID_MAX || s->size[2] > PROGRAM_GRID_MAX))
        return program_refuse(reason, "step %u (%s): %u sequences, %u heads of %u are too many", at, op->name,
                              s->size[0], s->size[2], s->size[3]);
    if (is_attention && s->buffer[0] == MLO_DEVICE_NO_BUFFER && s->size[1] % s->size[0] != 0)
        return program_refuse(reason, "step %u (%s): %u rows of %u equal sequences", at, op->name, s->size[1],
                              s->size[0]);
    if (s->op == MLO_DEVICE_PLACE && (s->size[3] < s->size[1] || s->size[3] > s->size[2]))
        return program_refuse(reason, "step %u (%s): %u columns up to %u of %u", at, op->name, s->size[1],
                              s->size[3], s->size[2]);
    if (s->op == MLO_DEVICE_MASK && !program_mask_ok(s))
        return program_refuse(reason, "step %u (%s): %u numbers of %u keys, by way %u", at, op->name,
                              s->size[1], s->size[2], s->size[4]);
    if (!program_ranks_ok(s))
        return program_refuse(reason, "step %u (%s): %u rows of ranks for %u, or too many columns", at,
                              op->name, program_padded(s), s->size[0]);
    bool is_span = s->op == MLO_DEVICE_SPAN, is_one = s->buffer[1] == MLO_DEVICE_NO_BUFFER;
    if (is_span && s->size[2] != (is_one ? 1 : s->size[1]))
        return program_refuse(reason, "step %u (%s): %u scales of %u rows", at, op->name, s->size[2],
                              s->size[1]);
    uint32_t hows = op->n_sizes < 3 ? 0 : s->size[op->n_sizes - 1];
    bool has_hows = s->op == MLO_DEVICE_QUANTIZE || s->op == MLO_DEVICE_DEQUANTIZE ||
                    s->op == MLO_DEVICE_DENSE_BYTES;
    if (has_hows && hows != 1 && hows != s->size[0])
        return program_refuse(reason, "step %u (%s): %u scales of %u rows", at, op->name, hows, s->size[0]);
    if (s->activation >= MLO_DEVICE_ACTIVATIONS)
        return program_refuse(reason, "step %u (%s): no activation %u", at, op->name, s->activation);
    return true;
}

/* is_written: of each buffer, by the steps before. */
static inline bool program_buffer_ok(const struct mlo_device_program *p, unsigned at, unsigned i,
                                     const bool *is_written, char *reason)
{
    const struct mlo_device_step *s = &p->steps[at];
    const struct program_op *op = &program_ops[s->op];
    const char *text = op->buffers[i];
    uint32_t number = s->buffer[i];
    bool is_last = i + 1 == op->n_buffers, is_to = is_last || program_is_written(text);
    if (number == MLO_DEVICE_NO_BUFFER && *text == '?')
        return true;
    if (number >= p->n_buffers)
        return program_refuse(reason, "step %u (%s): there is no buffer %u", at, op->name, number);
    const struct mlo_device_buffer *b = &p->buffers[number];
    if (!program_type_ok(text, b->type, program_floats(p, s)))
        return program_refuse(reason, "step %u (%s): buffer %u is of another type", at, op->name, number);
    if (!program_count_ok(text, s->size, b->n))
        return program_refuse(reason, "step %u (%s): buffer %u has %llu elements, not %llu", at, op->name,
                              number, (unsigned long long)b->n,
                              (unsigned long long)program_elements(text, s->size));
    if (is_to && (b->role == MLO_DEVICE_INPUT || b->role == MLO_DEVICE_WEIGHT))
        return program_refuse(reason, "step %u (%s): buffer %u cannot be written", at, op->name, number);
    if (!is_to && b->role != MLO_DEVICE_INPUT && b->role != MLO_DEVICE_WEIGHT && !is_written[number])
        return program_refuse(reason, "step %u (%s): buffer %u is read before it is written", at, op->name,
                              number);
    for (unsigned j = 0; j < op->n_buffers; j++)
        if (j != i && number == s->buffer[j] && (is_last ? j >= op->in_place : program_is_written(text)))
            return program_refuse(reason, "step %u (%s): buffer %u is read and written", at, op->name,
                                  number);
    return true;
}

static inline bool program_step_ok(const struct mlo_device_program *p, unsigned at, bool *is_written,
                                   char *reason)
{
    const struct mlo_device_step *s = &p->steps[at];
    if (s->op >= MLO_DEVICE_OPS)
        return program_refuse(reason, "step %u: no operator %u", at, s->op);
    const struct program_op *op = &program_ops[s->op];
    if (!program_sizes_ok(op, s, at, reason))
        return false;
    unsigned typed = program_typed(op);
    if (s->buffer[typed] >= p->n_buffers)
        return program_refuse(reason, "step %u (%s): there is no buffer %u", at, op->name, s->buffer[typed]);
    if (!program_floats_ok(op->buffers[typed], program_floats(p, s)))
        return program_refuse(reason, "step %u (%s): buffer %u is of another type", at, op->name,
                              s->buffer[typed]);
    for (unsigned i = 0; i < op->n_buffers; i++)
        if (!program_buffer_ok(p, at, i, is_written, reason))
            return false;
    if (s->op == MLO_DEVICE_EMBED &&
        (s->buffer[2] == MLO_DEVICE_NO_BUFFER) != (s->buffer[5] == MLO_DEVICE_NO_BUFFER))
        return program_refuse(reason, "step %u (%s): types without a table of them, or the reverse", at,
                              op->name);
    if (s->op == MLO_DEVICE_TREES && s->size[4] > 1 && s->buffer[5] == MLO_DEVICE_NO_BUFFER)
        return program_refuse(reason, "step %u (%s): %u votes without a table of them", at, op->name,
                              s->size[4]);
    if (s->op == MLO_DEVICE_DENSE_BYTES && p->buffers[s->buffer[0]].type != p->buffers[s->buffer[2]].type)
        return program_refuse(reason, "step %u (%s): bytes of two types", at, op->name);
    for (unsigned i = 0; i < op->n_buffers; i++)
        if (s->buffer[i] != MLO_DEVICE_NO_BUFFER &&
            (i + 1 == op->n_buffers || program_is_written(op->buffers[i])))
            is_written[s->buffer[i]] = true;
    return true;
}

static inline bool program_buffers_ok(const struct mlo_device_program *p,
                                      const struct mlo_device_weight *weights, uint32_t n_weights,
                                      char *reason)
{
    if (p->n_buffers > PROGRAM_BUFFERS_MAX)
        return program_refuse(reason, "%u buffers, at most %u", p->n_buffers, PROGRAM_BUFFERS_MAX);
    for (uint32_t i = 0; i < p->n_buffers; i++) {
        const struct mlo_device_buffer *b = &p->buffers[i];
        if (b->role > MLO_DEVICE_TEMPORARY || b->type >= MLO_DEVICE_TYPES || b->n == 0 ||
            b->n > PROGRAM_ELEMENTS)
            return program_refuse(reason, "buffer %u: role %u, type %u, %llu elements", i, b->role, b->type,
                                  (unsigned long long)b->n);
        if (b->role != MLO_DEVICE_WEIGHT)
            continue;
        if (b->weight >= n_weights || weights[b->weight].type != b->type || weights[b->weight].n < b->n)
            return program_refuse(reason, "buffer %u: weight %u is not there or another", i, b->weight);
    }
    return true;
}

/* Where buffers lie in the memory of a program: inputs, outputs, temporaries; those of weights have none. */
struct program_layout {
    uint64_t *offset; /* of each buffer; owned */
    uint64_t in_bytes, out_bytes, bytes;
};

struct program_life { /* of a temporary: the steps that write it first and use it last */
    uint32_t first, last;
};

static inline uint64_t program_bytes(const struct mlo_device_buffer *b)
{
    return (b->n * program_type_bytes(b->type) + PROGRAM_ALIGN - 1) / PROGRAM_ALIGN * PROGRAM_ALIGN;
}

static inline void program_lives(const struct mlo_device_program *p, struct program_life *life)
{
    for (uint32_t i = 0; i < p->n_buffers; i++)
        life[i].first = UINT32_MAX;
    for (uint32_t s = 0; s < p->n_steps; s++) {
        const struct mlo_device_step *step = &p->steps[s];
        for (unsigned i = 0; i < program_ops[step->op].n_buffers; i++) {
            if (step->buffer[i] == MLO_DEVICE_NO_BUFFER)
                continue;
            struct program_life *l = &life[step->buffer[i]];
            l->first = l->first == UINT32_MAX ? s : l->first;
            l->last = s;
        }
    }
}

/* The lowest place from `base` on that no temporary before number `i` has while this one lives. */
static inline uint64_t program_place(const struct mlo_device_program *p, const struct program_life *life,
                                     uint32_t i, uint64_t base, const uint64_t *offset)
{
    uint64_t at = base, size = program_bytes(&p->buffers[i]);
    for (uint32_t j = 0; j < i;) {
        const struct mlo_device_buffer *b = &p->buffers[j];
        bool meets = b->role == MLO_DEVICE_TEMPORARY && life[j].first <= life[i].last &&
                     life[i].first <= life[j].last && offset[j] < at + size &&
                     at < offset[j] + program_bytes(b);
        at = meets ? offset[j] + program_bytes(b) : at;
        j = meets ? 0 : j + 1;
    }
    return at;
}

static inline uint64_t program_place_role(const struct mlo_device_program *p, uint32_t role, uint64_t at,
                                          uint64_t *offset)
{
    for (uint32_t i = 0; i < p->n_buffers; i++) {
        if (p->buffers[i].role != role)
            continue;
        offset[i] = at;
        at += program_bytes(&p->buffers[i]);
    }
    return at;
}

/* Of a sound program. False: no memory. */
static inline bool program_lay_out(const struct mlo_device_program *p, struct program_layout *ret)
{
    uint64_t *offset = (uint64_t *)calloc(p->n_buffers + 1, sizeof *offset);
    struct program_life *life = (struct program_life *)calloc(p->n_buffers + 1, sizeof *life);
    if (!offset || !life) {
        free(offset);
        free(life);
        return false;
    }
    uint64_t inputs = program_place_role(p, MLO_DEVICE_INPUT, 0, offset);
    uint64_t base = program_place_role(p, MLO_DEVICE_OUTPUT, inputs, offset), end = base;
    program_lives(p, life);
    for (uint32_t i = 0; i < p->n_buffers; i++) {
        if (p->buffers[i].role != MLO_DEVICE_TEMPORARY || life[i].first == UINT32_MAX)
            continue;
        offset[i] = program_place(p, life, i, base, offset);
        uint64_t to = offset[i] + program_bytes(&p->buffers[i]);
        end = to > end ? to : end;
    }
    free(life);
    ret->offset = offset;
    ret->in_bytes = inputs;
    ret->out_bytes = base - inputs;
    ret->bytes = end;
    return true;
}

/* MLO_DEVICE_OK, or why it cannot run. */
static inline int program_check(const struct mlo_device_program *p, const struct mlo_device_weight *weights,
                                uint32_t n_weights, char *reason)
{
    if (!program_buffers_ok(p, weights, n_weights, reason))
        return MLO_DEVICE_UNSUPPORTED;
    bool *is_written = (bool *)calloc(p->n_buffers + 1, sizeof *is_written), is_ok = true;
    if (!is_written) {
        program_refuse(reason, "no memory");
        return MLO_DEVICE_FAILED;
    }
    for (uint32_t s = 0; s < p->n_steps && is_ok; s++)
        is_ok = program_step_ok(p, s, is_written, reason);
    for (uint32_t i = 0; i < p->n_buffers && is_ok; i++)
        if (p->buffers[i].role == MLO_DEVICE_OUTPUT && !is_written[i])
            is_ok = program_refuse(reason, "output %u is never written", i);
    free(is_written);
    return is_ok ? MLO_DEVICE_OK : MLO_DEVICE_UNSUPPORTED;
}

#endif

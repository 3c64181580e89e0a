/*
 * The kernels of the GPU plugin, run by the CPU: beside the CPU's own, with threads in both orders, in place,
 * and as a whole program in one piece of memory. What only a device can show, how it orders memory and how
 * fast it is, this cannot.
 */
#include "tap.h"

#include "gpu_on_cpu.h"

#include "../../src/backend/cuda/steps.h"
#include "gpu_cases.h"

static const struct gpu_machine machine = {0};

static int launch(const struct gpu_data *d, void *const *at)
{
    struct mlo_device_buffer first = {.type = gpu_stored_type(d, 0)};
    struct mlo_device_step step = d->step;
    step.buffer[0] = 0;
    gpu_tell_type(&step, &(struct mlo_device_program){.buffers = &first});
    return gpu_launches[step.op](&machine, &step, at, d->type.type);
}

/* The result of the step; the input that it may overwrite is a copy. Owner: the caller. */
static float *result_of(const struct gpu_data *d, bool turned, unsigned in_place)
{
    void *at[MLO_DEVICE_STEP_BUFFERS];
    unsigned last = d->n_buffers - 1;
    size_t bytes = d->n[last] * program_type_bytes(gpu_stored_type(d, last));
    memcpy(at, d->stored, sizeof at);
    at[last] = malloc(bytes);
    memset(at[last], 0xff, bytes);
    if (in_place) {
        memcpy(at[last], d->stored[in_place - 1], bytes);
        at[in_place - 1] = at[last];
    }
    gpu_block.turned = turned;
    check_int(launch(d, at), 0);
    float *y = gpu_widened(d, at[last]);
    free(at[last]);
    return y;
}

static void try_case(const struct gpu_case *c, const struct gpu_type *type)
{
    struct gpu_data d;
    double worst;
    gpu_data_new(c, type, &d);
    float *got = result_of(&d, false, 0), *turned = result_of(&d, true, 0);
    uint64_t wrong = gpu_data_wrong(c, &d, got, &worst);
    check(wrong == 0, "%s, %s, %s: %llu wrong, by up to %g", program_ops[c->op].name, c->name, type->name,
          (unsigned long long)wrong, worst);
    check(memcmp(got, turned, d.n[d.n_buffers - 1] * sizeof *got) == 0,
          "%s, %s, %s: the order of threads matters", program_ops[c->op].name, c->name, type->name);
    free(got);
    free(turned);
    gpu_data_free(&d);
}

static void steps_are_those_of_the_cpu(void)
{
    for (size_t i = 0; i < sizeof gpu_cases / sizeof *gpu_cases; i++)
        for (size_t t = 0; t < GPU_TYPES; t++)
            if (gpu_case_has(&gpu_cases[i], &gpu_types[t]))
                try_case(&gpu_cases[i], &gpu_types[t]);
}

static void try_in_place(const struct gpu_case *c, const struct gpu_type *type, unsigned which)
{
    struct gpu_data d;
    gpu_data_new(c, type, &d);
    if (d.buffer[which - 1]) {
        float *apart = result_of(&d, false, 0), *in_place = result_of(&d, true, which);
        check(memcmp(apart, in_place, d.n[d.n_buffers - 1] * sizeof *apart) == 0, "%s, %s, %s",
              program_ops[c->op].name, c->name, type->name);
        free(apart);
        free(in_place);
    }
    gpu_data_free(&d);
}

static void a_step_may_overwrite_what_it_reads(void)
{
    for (size_t i = 0; i < sizeof gpu_cases / sizeof *gpu_cases; i++)
        for (unsigned j = 1; j <= program_ops[gpu_cases[i].op].in_place; j++)
            for (size_t t = 0; t < GPU_TYPES; t++)
                if (gpu_case_has(&gpu_cases[i], &gpu_types[t]))
                    try_in_place(&gpu_cases[i], &gpu_types[t], j);
}

/* What the shim and the engine make of each half is the same, and they round alike. */
static void halves_of_the_shim_are_those_of_the_engine(void)
{
    for (uint32_t v = 0; v < 65536; v++) {
        uint16_t half = (uint16_t)v, again;
        float a, b;
        mlo_halves_to_floats(MLO_DT_F16, &half, &a, 1);
        mlo_halves_to_floats(MLO_DT_BF16, &half, &b, 1);
        check(isnan(a) ? isnan(gpu_of_half(half)) : a == gpu_of_half(half), "%u", v);
        check(isnan(b) ? isnan(gpu_of_bfloat(half)) : b == gpu_of_bfloat(half), "%u", v);
        if (isnan(a) || isinf(a))
            continue;
        float next = nextafterf(a * 1.0002F, 0); /* between two of them */
        mlo_floats_to_halves(MLO_DT_F16, &next, &again, 1);
        check(again == gpu_to_half(next), "%g", (double)next);
        mlo_floats_to_halves(MLO_DT_BF16, &next, &again, 1);
        check(again == gpu_to_bfloat(next), "%g", (double)next);
    }
}

static void floats_of_8_bits_of_the_shim_are_those_of_their_definition(void)
{
    for (unsigned v = 0; v < 256; v++) {
        float is = gpu_of_e4m3((uint8_t)v);
        if ((v & 0x7f) == 0x7f) {
            check(isnan(is) && isnan(gpu_of_half((uint16_t)gpu_halves_of_e4m3((uint16_t)v))), "%u", v);
            continue;
        }
        check(is == gpu_e4m3(v) && gpu_to_e4m3(is) == v, "%u", v);
        check(gpu_of_half((uint16_t)(gpu_halves_of_e4m3((uint16_t)(v << 8)) >> 16)) == is, "%u", v);
        for (unsigned i = 1; i < 8; i++) { /* between two of them, and exactly in the middle */
            float next = (v & 0x7f) < 0x7e ? gpu_e4m3(v + 1) : 2 * is;
            float x = is + (next - is) * (float)i / 8;
            check_int(gpu_to_e4m3(x), gpu_nearest_e4m3(x));
        }
    }
    check(gpu_to_e4m3(NAN) == 0x7f && gpu_to_e4m3(INFINITY) == 0x7e && gpu_to_e4m3(-1e9F) == 0xfe);
}

/* Bytes times their scale are what they were made of; what is no number shows, in its row alone. */
static void rows_of_bytes_stand_for_what_they_were(void)
{
    enum { ROWS_OF = 6, WIDE = 40 };
    static const uint32_t types[] = {MLO_DEVICE_I8, MLO_DEVICE_E4M3};
    for (unsigned t = 0; t < 2; t++) {
        float x[ROWS_OF * WIDE], how[2 * ROWS_OF], y[ROWS_OF * WIDE];
        uint8_t bytes[ROWS_OF * WIDE];
        struct gpu_data d = {.seed = 5};
        for (unsigned i = 0; i < ROWS_OF * WIDE; i++)
            x[i] = gpu_uniform(&d) * (float)(1 + i / WIDE);
        memset(x + 2 * WIDE, 0, WIDE * sizeof *x);
        x[3 * WIDE + 7] = NAN;
        x[4 * WIDE + 39] = -INFINITY;
        for (unsigned i = 0; i < WIDE; i++)
            x[5 * WIDE + i] *= 1e-44F;
        struct mlo_device_step to = {.size = {ROWS_OF, WIDE}, .activation = MLO_DEVICE_F32},
                               back = {.size = {ROWS_OF, WIDE, ROWS_OF}, .activation = types[t]};
        check_int(launch_quantize_rows(&machine, &to, (void *[]){x, how, bytes}, types[t]), 0);
        check_int(launch_dequantize(&machine, &back, (void *[]){bytes, how, y}, MLO_DEVICE_F32), 0);
        for (unsigned i = 0; i < 3 * WIDE; i++) {
            float most = i < 2 * WIDE ? (float)(1 + i / WIDE) : 0;
            check(fabsf(y[i] - x[i]) <= most * (t ? 0.04F : 0.004F), "%u: %g, not %g", i, (double)y[i],
                  (double)x[i]);
        }
        check(isnan(y[3 * WIDE]) && !isfinite(y[4 * WIDE + 39]) && isnan(how[3]) && isinf(how[4]));
        check(!isnan(y[5 * WIDE]) && how[5] > 0 && how[ROWS_OF + 1] == 0 && how[2] == 1);
    }
}

static void numbers_outside_their_table_show(void)
{
    const struct gpu_case c = EMBED("", 0, 4, 40, 50);
    for (unsigned which = 0; which < 3; which++)
        for (int32_t bad = -1; bad <= 50; bad += 51) {
            struct gpu_data d;
            gpu_data_new(&c, &gpu_types[0], &d);
            ((int32_t *)d.buffer[which])[2] = bad;
            float *y = result_of(&d, false, 0);
            check(!isnan(y[1 * 40]) && isnan(y[2 * 40]) && isnan(y[2 * 40 + 39]) && !isnan(y[3 * 40]));
            free(y);
            gpu_data_free(&d);
        }
}

static void softmax_of_what_is_no_number(void)
{
    const struct gpu_case c = SOFTMAX("", 3, 70);
    struct gpu_data d;
    gpu_data_new(&c, &gpu_types[0], &d);
    float *x = d.buffer[0];
    x[5] = NAN;
    x[70 + 33] = INFINITY;
    for (unsigned i = 0; i < 70; i++)
        x[140 + i] = i == 3 ? 2 : -INFINITY;
    float *y = result_of(&d, false, 0);
    check(isnan(y[0]) && isnan(y[69]) && isnan(y[70]) && isnan(y[139]));
    check(y[143] == 1 && y[140] == 0 && y[209] == 0);
    free(y);
    gpu_data_free(&d);
}

/* ---- programs ---- */

#define WIDTH 12u
#define ROWS  11u
#define INNER 20u
#define NONE  MLO_DEVICE_NO_BUFFER
enum {
    FIRST,
    X,
    QKV_W,
    QKV,
    MIXED,
    OUT_W,
    OUT,
    SCALE_W,
    BIAS_W,
    NORMED,
    UP_W,
    UP,
    DOWN_W,
    DOWN,
    AGAIN,
    POOLED,
    BUFFERS
};

static struct mlo_device_buffer layer_buffers[BUFFERS] = {
    [FIRST] = {MLO_DEVICE_INPUT, MLO_DEVICE_I32, 3, 0},
    [X] = {MLO_DEVICE_INPUT, MLO_DEVICE_F32, ROWS *WIDTH, 0},
    [QKV_W] = {MLO_DEVICE_WEIGHT, MLO_DEVICE_F32, 3 * WIDTH *WIDTH, 0},
    [QKV] = {MLO_DEVICE_TEMPORARY, MLO_DEVICE_F32, ROWS * 3 * WIDTH, 0},
    [MIXED] = {MLO_DEVICE_TEMPORARY, MLO_DEVICE_F32, ROWS *WIDTH, 0},
    [OUT_W] = {MLO_DEVICE_WEIGHT, MLO_DEVICE_F32, WIDTH *WIDTH, 1},
    [OUT] = {MLO_DEVICE_TEMPORARY, MLO_DEVICE_F32, ROWS *WIDTH, 0},
    [SCALE_W] = {MLO_DEVICE_WEIGHT, MLO_DEVICE_F32, WIDTH, 2},
    [BIAS_W] = {MLO_DEVICE_WEIGHT, MLO_DEVICE_F32, WIDTH, 3},
    [NORMED] = {MLO_DEVICE_TEMPORARY, MLO_DEVICE_F32, ROWS *WIDTH, 0},
    [UP_W] = {MLO_DEVICE_WEIGHT, MLO_DEVICE_F32, INNER *WIDTH, 4},
    [UP] = {MLO_DEVICE_TEMPORARY, MLO_DEVICE_F32, ROWS *INNER, 0},
    [DOWN_W] = {MLO_DEVICE_WEIGHT, MLO_DEVICE_F32, INNER *WIDTH, 5},
    [DOWN] = {MLO_DEVICE_TEMPORARY, MLO_DEVICE_F32, ROWS *WIDTH, 0},
    [AGAIN] = {MLO_DEVICE_TEMPORARY, MLO_DEVICE_F32, ROWS *WIDTH, 0},
    [POOLED] = {MLO_DEVICE_OUTPUT, MLO_DEVICE_F32, 2 * WIDTH, 0},
};
static struct mlo_device_step layer_steps[] = {
    {MLO_DEVICE_DENSE, 0, {X, QKV_W, NONE, QKV}, {ROWS, 3 * WIDTH, WIDTH}, 0},
    {MLO_DEVICE_ATTENTION, 0, {FIRST, QKV, NONE, MIXED}, {2, ROWS, 3, 4, ROWS}, 0.5F},
    {MLO_DEVICE_DENSE, 0, {MIXED, OUT_W, NONE, OUT}, {ROWS, WIDTH, WIDTH}, 0},
    {MLO_DEVICE_NORM, 0, {OUT, X, SCALE_W, BIAS_W, NORMED}, {ROWS, WIDTH}, 1e-5F},
    {MLO_DEVICE_DENSE, MLO_DEVICE_GELU, {NORMED, UP_W, NONE, UP}, {ROWS, INNER, WIDTH}, 0},
    {MLO_DEVICE_DENSE, 0, {UP, DOWN_W, NONE, DOWN}, {ROWS, WIDTH, INNER}, 0},
    {MLO_DEVICE_NORM, 0, {DOWN, NORMED, SCALE_W, BIAS_W, AGAIN}, {ROWS, WIDTH}, 1e-5F},
    {MLO_DEVICE_POOL, 0, {AGAIN, FIRST, POOLED}, {2, ROWS, WIDTH, MLO_DEVICE_POOL_MEAN}, 0},
};
#define STEPS (sizeof layer_steps / sizeof *layer_steps)
static const struct mlo_device_program layer = {layer_buffers, layer_steps, BUFFERS, STEPS, 0};

static float weight_data[6][3 * WIDTH * WIDTH], layer_x[ROWS * WIDTH];
static const int32_t layer_first[] = {0, 4, ROWS};
static struct mlo_device_weight layer_weights[6];

static void fill_layer(void)
{
    struct gpu_data d = {.seed = 7};
    for (unsigned i = 0; i < ROWS * WIDTH; i++)
        layer_x[i] = gpu_uniform(&d);
    for (unsigned i = 0; i < 6; i++)
        for (unsigned j = 0; j < 3 * WIDTH * WIDTH; j++)
            weight_data[i][j] = gpu_uniform(&d);
    for (unsigned i = 0; i < BUFFERS; i++)
        if (layer_buffers[i].role == MLO_DEVICE_WEIGHT && layer_buffers[i].weight < 6)
            layer_weights[layer_buffers[i].weight] = (struct mlo_device_weight){layer_buffers[i].type,
                                                                                layer_buffers[i].n, NULL};
}

static void run_layer(const struct program_layout *l, float pooled[2 * WIDTH])
{
    void *weights[6];
    char *memory = aligned_alloc(PROGRAM_ALIGN, l->bytes);
    memset(memory, 0xff, l->bytes);
    for (unsigned i = 0; i < 6; i++)
        weights[i] = weight_data[i];
    memcpy(memory + l->offset[FIRST], layer_first, sizeof layer_first);
    memcpy(memory + l->offset[X], layer_x, sizeof layer_x);
    check_int(gpu_launch_all(&machine, &layer, l, memory, weights), 0);
    memcpy(pooled, memory + l->offset[POOLED], 2 * WIDTH * sizeof *pooled);
    free(memory);
}

/* Does a step from number `from` on read it? */
static bool is_read_later(uint32_t buffer, size_t from)
{
    for (size_t s = from; s < STEPS; s++)
        for (unsigned i = 0; i + 1 < program_ops[layer_steps[s].op].n_buffers; i++)
            if (layer_steps[s].buffer[i] == buffer)
                return true;
    return false;
}

/* What a step writes lies on nothing that it or a later one reads, except what they write before. */
static void check_layout(const struct program_layout *l)
{
    bool is_written[BUFFERS] = {false};
    for (size_t s = 0; s < STEPS; s++) {
        uint32_t to = layer_steps[s].buffer[program_ops[layer_steps[s].op].n_buffers - 1];
        uint64_t from = l->offset[to], end = from + program_bytes(&layer_buffers[to]);
        for (uint32_t b = 0; b < BUFFERS; b++) {
            bool is_full = layer_buffers[b].role == MLO_DEVICE_INPUT || is_written[b];
            bool meets = l->offset[b] < end && from < l->offset[b] + program_bytes(&layer_buffers[b]);
            check(b == to || !is_full || !meets || !is_read_later(b, s), "step %zu overwrites buffer %u", s,
                  b);
        }
        is_written[to] = true;
    }
}

static void temporaries_share_memory_and_nothing_else_changes(void)
{
    struct program_layout shared = {0}, apart = {0};
    float one[2 * WIDTH], two[2 * WIDTH];
    char reason[MLO_DEVICE_REASON] = "";
    fill_layer();
    check_int(program_check(&layer, layer_weights, 6, reason), MLO_DEVICE_OK);
    check_str(reason, "");
    check(program_lay_out(&layer, &shared) && program_lay_out(&layer, &apart));
    for (unsigned i = 0; i < BUFFERS; i++)
        if (layer_buffers[i].role == MLO_DEVICE_TEMPORARY) {
            apart.offset[i] = apart.bytes;
            apart.bytes += program_bytes(&layer_buffers[i]);
        }
    check_layout(&shared);
    check_layout(&apart);
    run_layer(&shared, one);
    run_layer(&apart, two);
    check(memcmp(one, two, sizeof one) == 0 && !isnan(one[0]) && one[0] != 0);
    check(shared.in_bytes == program_bytes(&layer_buffers[FIRST]) + program_bytes(&layer_buffers[X]));
    check(shared.out_bytes == program_bytes(&layer_buffers[POOLED]));
    uint64_t temporaries = shared.bytes - shared.in_bytes - shared.out_bytes;
    check(temporaries < 5 * program_bytes(&layer_buffers[X]), "%llu bytes", (unsigned long long)temporaries);
    free(shared.offset);
    free(apart.offset);
}

static void refuse(const char *why)
{
    char reason[MLO_DEVICE_REASON] = "";
    fill_layer();
    check_int(program_check(&layer, layer_weights, 6, reason), MLO_DEVICE_UNSUPPORTED);
    check(strstr(reason, why) != NULL, "%s, not %s", reason, why);
}

/* `place` holds `value` while the program is checked. */
#define REFUSED(place, value, why)                                                                           \
    do {                                                                                                     \
        uint32_t kept_ = (uint32_t)(place);                                                                  \
        (place) = (value);                                                                                   \
        refuse(why);                                                                                         \
        (place) = kept_;                                                                                     \
    } while (0)

static void unsound_programs_are_refused(void)
{
    REFUSED(layer_steps[0].op, MLO_DEVICE_OPS, "no operator");
    REFUSED(layer_steps[0].activation, 99, "no activation 99");
    REFUSED(layer_steps[0].size[2], 0, "size 2 is 0");
    REFUSED(layer_steps[0].size[2], MLO_DEVICE_SIZE_MAX + 1, "step 0 (dense): size 2 is 1073741825");
    REFUSED(layer_steps[0].size[0], ROWS + 1, "buffer 1 has 132 elements, not 144");
    REFUSED(layer_steps[0].buffer[0], BUFFERS, "there is no buffer 16");
    REFUSED(layer_steps[0].buffer[1], NONE, "there is no buffer");
    REFUSED(layer_steps[0].buffer[0], FIRST, "another type");
    REFUSED(layer_steps[0].buffer[0], MIXED, "read before it is written");
    REFUSED(layer_steps[2].buffer[3], X, "cannot be written");
    REFUSED(layer_steps[2].buffer[3], MIXED, "buffer 4 is read and written");
    REFUSED(layer_steps[1].size[3], MLO_DEVICE_HEAD_MAX + 1, "too many");
    REFUSED(layer_steps[1].size[0], 65536, "too many");
    REFUSED(layer_steps[3].size[1], MLO_DEVICE_NORM_MAX + 1, "at most 8192");
    REFUSED(layer_buffers[X].role, 9, "role 9");
    REFUSED(layer_buffers[X].n, 0, "0 elements");
    REFUSED(layer_buffers[QKV_W].weight, 6, "weight 6");
}

/* Bytes of a row, and how they do, which the same step writes; then a layer of them. */
enum { BX, BHOW, BYTES, BW, BSCALE, BROOM, BY, BYTES_BUFFERS };
static struct mlo_device_buffer bytes_buffers[BYTES_BUFFERS] = {
    [BX] = {MLO_DEVICE_INPUT, MLO_DEVICE_F32, ROWS *WIDTH, 0},
    [BHOW] = {MLO_DEVICE_TEMPORARY, MLO_DEVICE_F32, 2 * ROWS, 0},
    [BYTES] = {MLO_DEVICE_TEMPORARY, MLO_DEVICE_I8, ROWS *WIDTH, 0},
    [BW] = {MLO_DEVICE_WEIGHT, MLO_DEVICE_I8, WIDTH *WIDTH, 0},
    [BSCALE] = {MLO_DEVICE_WEIGHT, MLO_DEVICE_F32, WIDTH, 1},
    [BROOM] = {MLO_DEVICE_TEMPORARY, MLO_DEVICE_I32, ROWS *WIDTH, 0},
    [BY] = {MLO_DEVICE_OUTPUT, MLO_DEVICE_F32, ROWS *WIDTH, 0},
};
static struct mlo_device_step bytes_steps[] = {
    {MLO_DEVICE_QUANTIZE_ROWS, 0, {BX, BHOW, BYTES}, {ROWS, WIDTH}, 0},
    {MLO_DEVICE_DENSE_BYTES,
     0,
     {BYTES, BHOW, BW, BSCALE, NONE, NONE, NONE, BROOM, BY},
     {ROWS, WIDTH, WIDTH, ROWS},
     0},
};
static const struct mlo_device_program bytes_program = {bytes_buffers, bytes_steps, BYTES_BUFFERS, 2, 0};

static void say_of_bytes(int want, const char *why)
{
    const struct mlo_device_weight weights[] = {{MLO_DEVICE_I8, WIDTH * WIDTH, NULL},
                                                {MLO_DEVICE_F32, WIDTH, NULL}};
    char reason[MLO_DEVICE_REASON] = "";
    check_int(program_check(&bytes_program, weights, 2, reason), want);
    check(strstr(reason, why) != NULL, "%s, not %s", reason, why);
}

#define BYTES_REFUSED(place, value, why)                                                                     \
    do {                                                                                                     \
        uint32_t kept_ = (uint32_t)(place);                                                                  \
        (place) = (value);                                                                                   \
        say_of_bytes(MLO_DEVICE_UNSUPPORTED, why);                                                           \
        (place) = kept_;                                                                                     \
    } while (0)

static void programs_of_bytes_are_checked(void)
{
    say_of_bytes(MLO_DEVICE_OK, "");
    BYTES_REFUSED(bytes_steps[1].size[3], 2, "step 1 (dense of bytes): 2 scales of 11 rows");
    BYTES_REFUSED(bytes_buffers[BYTES].type, MLO_DEVICE_F32, "buffer 2 is of another type");
    BYTES_REFUSED(bytes_buffers[BYTES].type, MLO_DEVICE_E4M3, "bytes of two types");
    BYTES_REFUSED(bytes_buffers[BHOW].role, MLO_DEVICE_INPUT, "buffer 1 cannot be written");
    BYTES_REFUSED(bytes_buffers[BROOM].n, 5, "buffer 5 has 5 elements, not 132");
    BYTES_REFUSED(bytes_steps[1].buffer[7], BSCALE, "another type");
    BYTES_REFUSED(bytes_steps[0].buffer[1], BY, "has 132 elements, not 22");
    BYTES_REFUSED(bytes_steps[1].buffer[1], BSCALE, "has 12 elements, not 22");
    bytes_steps[0].op = MLO_DEVICE_QUANTIZE; /* which does not write how */
    bytes_steps[0].size[2] = ROWS;
    say_of_bytes(MLO_DEVICE_UNSUPPORTED, "buffer 1 is read before it is written");
    bytes_steps[0].op = MLO_DEVICE_QUANTIZE_ROWS;
}

static void an_output_has_to_be_written(void)
{
    struct mlo_device_buffer b = {MLO_DEVICE_OUTPUT, MLO_DEVICE_F32, 4, 0};
    struct mlo_device_program p = {&b, NULL, 1, 0, 0};
    char reason[MLO_DEVICE_REASON] = "";
    check_int(program_check(&p, NULL, 0, reason), MLO_DEVICE_UNSUPPORTED);
    check_str(reason, "output 0 is never written");
}

static int without_memory(void)
{
    struct program_layout l = {0};
    char reason[MLO_DEVICE_REASON];
    bool ok = program_check(&layer, layer_weights, 6, reason) == MLO_DEVICE_OK && program_lay_out(&layer, &l);
    free(l.offset);
    return ok ? 0 : MLO_EIO;
}

static void memory_may_be_missing(void)
{
    fill_layer();
    check_int(each_alloc_failure(without_memory), 3);
}

int main(void)
{
    run(steps_are_those_of_the_cpu);
    run(a_step_may_overwrite_what_it_reads);
    run(halves_of_the_shim_are_those_of_the_engine);
    run(floats_of_8_bits_of_the_shim_are_those_of_their_definition);
    run(rows_of_bytes_stand_for_what_they_were);
    run(numbers_outside_their_table_show);
    run(softmax_of_what_is_no_number);
    run(temporaries_share_memory_and_nothing_else_changes);
    run(unsound_programs_are_refused);
    run(programs_of_bytes_are_checked);
    run(an_output_has_to_be_written);
    run(memory_may_be_missing);
    return done_testing();
}

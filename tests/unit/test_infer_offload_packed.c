/*
 * Sequences without padding on a device that is this CPU (tests/fakes/device.c): each gets what it gets
 * alone, of other lengths than the program was made for, too; pooled rows are the CPU's; what cannot be
 * packed there, and what goes wrong.
 */
#define MODEL_BYTES 16384
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/infer.h>

#include "model_help.h"
#include "tap.h"

#define ENCODERS   "tests/golden/onnx/encoders/"
#define TORCH      ENCODERS "torch/model.onnx"
#define LAYER      ENCODERS "layer/model.onnx"
#define ROWS_MAX   200
#define LENGTH_MAX 9 /* of a sequence: as many positions as all of the models have */
#define IDS        19
#define MANY       70

const struct mlo_device_api *mlo_device_plugin(uint32_t abi);

/* Quantised ones: where a number lies between two bytes, the last digit of a float chooses. */
static const struct {
    const char *path;
    double most; /* how far from the CPU */
} models[] = {{TORCH, 1e-5},
              {LAYER, 1e-5},
              {"tests/golden/embed/tiny/model.onnx", 1e-5},
              {ENCODERS "torch-int8/model.onnx", 2e-3},
              {ENCODERS "layer-int8/model.onnx", 2e-3}};

/* ---- requests ---- */

struct request {
    int64_t data[3][ROWS_MAX];
    struct mlo_value in[3];
    size_t first[MANY + 1];
    struct mlo_packed packed;
};

static struct mlo_value row_of(int64_t *data, size_t n)
{
    return (struct mlo_value){
        .kind = MLO_KIND_ARRAY,
        .array = {.dtype = MLO_DT_I64, .rank = 2, .dims = {1, (int64_t)n}, .n = n, .data = data}};
}

/* Inputs in the order of the plan's; another seed: other tokens. */
static void request_of(const struct mlo_plan *p, const size_t *lengths, size_t n, size_t seed,
                       struct request *r)
{
    size_t n_in;
    const struct mlo_port_type *ports = mlo_plan_inputs(p, &n_in);
    r->first[0] = 0;
    for (size_t i = 0; i < n; i++)
        r->first[i + 1] = r->first[i] + lengths[i];
    for (size_t i = 0; i < n_in; i++) {
        bool is_ids = strcmp(ports[i].name, "input_ids") == 0,
             is_mask = strcmp(ports[i].name, "attention_mask") == 0;
        for (size_t k = 0; k < r->first[n]; k++)
            r->data[i][k] = is_mask ? 1 : is_ids ? (int64_t)((k * 7 + seed) % IDS) : (int64_t)(k / 3 % 2);
        r->in[i] = row_of(r->data[i], r->first[n]);
    }
    r->packed = (struct mlo_packed){.n = n, .first = r->first};
}

struct both {
    struct mlo_plan *cpu, *device;
    struct mlo_session *on_cpu, *on_device;
    size_t n_in;
};

static int both_new(const char *path, const struct mlo_offload_opts *opts, struct both *b,
                    struct mlo_err *err)
{
    *b = (struct both){0};
    int rc = mlo_plan_open(path, NULL, &b->cpu, err);
    if (rc == 0)
        rc = mlo_plan_open(path, NULL, &b->device, err);
    if (rc == 0)
        rc = mlo_plan_offload(b->device, opts, err);
    if (rc == 0)
        rc = mlo_session_new(b->cpu, &b->on_cpu, err);
    if (rc == 0)
        rc = mlo_session_new(b->device, &b->on_device, err);
    if (rc == 0)
        (void)mlo_plan_inputs(b->cpu, &b->n_in);
    return rc;
}

static void both_free(struct both *b)
{
    mlo_session_free(b->on_cpu);
    mlo_session_free(b->on_device);
    mlo_plan_free(b->cpu);
    mlo_plan_free(b->device);
}

/* on: NULL, the CPU alone. */
static int plan_of(const struct bytes *m, const struct mlo_offload_opts *on, struct mlo_plan **ret,
                   struct mlo_err *err)
{
    struct mlo_onnx_model *model = NULL;
    int rc = mlo_onnx_parse(m->b, m->n, -1, &model, err);
    if (rc == 0)
        rc = mlo_plan_new(model, NULL, ret, err);
    return rc == 0 && on ? mlo_plan_offload(*ret, on, err) : rc;
}

static struct mlo_offload_opts device(bool must)
{
    return (struct mlo_offload_opts){.api = mlo_device_plugin(MLO_DEVICE_ABI), .must = must};
}

static double distance(const float *a, const float *b, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        most = d > most || isnan(d) ? d : most;
    }
    return most;
}

static struct mlo_offload_state state_of(const struct both *b)
{
    struct mlo_offload_state s;
    check(mlo_plan_offloaded(b->device, &s));
    return s;
}

/* ---- rows ---- */

/* Lengths of sequences, up to a 0; 99: an empty one. */
#define EMPTY 99
static const size_t mixes[][8] = {{1},
                                  {1, 1, 1},
                                  {4, 4, 4, 4},
                                  {9, 1, 7, 3},
                                  {2, 9, 1, 5}, /* the program of the one before, of fewer rows */
                                  {5, EMPTY, 2, EMPTY},
                                  {9, 9, 9, 9, 9, 9, 9}};

static size_t lengths_of(size_t mix, size_t lengths[MANY])
{
    size_t n = 0;
    if (mix < MLO_COUNT(mixes))
        for (; n < 8 && mixes[mix][n]; n++)
            lengths[n] = mixes[mix][n] == EMPTY ? 0 : mixes[mix][n];
    else
        for (; n < MANY; n++) /* more sequences than a bucket, or a row of threads */
            lengths[n] = n % 11 == 5 ? 4 : n % 3 + 1;
    return n;
}

/* Each sequence of the request alone, by the CPU, without any packing. */
static void check_rows(struct both *b, struct request *r, const struct mlo_value *got, double most,
                       const char *name)
{
    size_t width = got->array.n / r->first[r->packed.n];
    check(got->array.rank == 3 && got->array.dims[0] == 1 &&
          got->array.dims[1] == (int64_t)r->first[r->packed.n]);
    for (size_t i = 0; i < r->packed.n; i++) {
        struct mlo_err err = MLO_ERR_INIT;
        struct mlo_value in[3];
        const struct mlo_value *out;
        size_t at = r->first[i], n = r->first[i + 1] - at;
        for (size_t k = 0; k < b->n_in; k++)
            in[k] = row_of(r->data[k] + at, n);
        if (n == 0 || !check_ok(mlo_session_run(b->on_cpu, in, b->n_in, &out, &err), &err))
            continue;
        double off = distance((const float *)got->array.data + at * width, out[0].array.data, n * width);
        check(off <= most, "%s, sequence %zu of %zu: off by %g", name, i, r->packed.n, off);
    }
}

static void sequences_get_what_they_get_alone(void)
{
    for (size_t m = 0; m < MLO_COUNT(models); m++) {
        const struct mlo_offload_opts on = device(true);
        struct mlo_err err = MLO_ERR_INIT;
        struct request r;
        struct both b;
        if (check_ok(both_new(models[m].path, &on, &b, &err), &err) && check(mlo_plan_packs(b.device, 0)))
            for (size_t mix = 0; mix < MLO_COUNT(mixes) + (m == 0); mix++) {
                size_t lengths[MANY], n = lengths_of(mix, lengths);
                const struct mlo_value *out = NULL;
                request_of(b.cpu, lengths, n, mix, &r);
                if (check_ok(mlo_session_run_packed(b.on_device, r.in, b.n_in, &r.packed, &out, &err), &err))
                    check_rows(&b, &r, &out[0], models[m].most, models[m].path);
            }
        check(state_of(&b).runs == MLO_COUNT(mixes) + (m == 0) && state_of(&b).cpu_runs == 0, "%s",
              state_of(&b).why);
        both_free(&b);
    }
}

static void halves_are_near(void)
{
    static const struct {
        enum mlo_offload_precision precision;
        double most;
    } all[] = {{MLO_OFFLOAD_F16, 2e-2}, {MLO_OFFLOAD_BF16, 8e-2}};
    for (size_t i = 0; i < MLO_COUNT(all); i++)
        for (int pooled = 0; pooled < 2; pooled++) {
            struct mlo_offload_opts on = device(true);
            struct mlo_err err = MLO_ERR_INIT;
            struct request r;
            struct both b;
            size_t lengths[MANY], n = lengths_of(3, lengths);
            const struct mlo_value *out = NULL, *want = NULL;
            on.precision = all[i].precision;
            if (check_ok(both_new(TORCH, &on, &b, &err), &err)) {
                request_of(b.cpu, lengths, n, 3, &r);
                r.packed.pooling = pooled ? MLO_POOL_MEAN : MLO_POOL_NONE;
                r.packed.normalize = pooled;
                if (check_ok(mlo_session_run_packed(b.on_device, r.in, b.n_in, &r.packed, &out, &err),
                             &err) &&
                    check_ok(mlo_session_run_packed(b.on_cpu, r.in, b.n_in, &r.packed, &want, &err), &err)) {
                    double off = distance(out[0].array.data, want[0].array.data, want[0].array.n);
                    check(off > 0 && off <= all[i].most, "off by %g", off);
                }
            }
            both_free(&b);
        }
}

/* ---- one row a sequence ---- */

static void pooled_rows_are_those_of_the_cpu(void)
{
    static const enum mlo_pooling ways[] = {MLO_POOL_MEAN, MLO_POOL_CLS, MLO_POOL_MAX};
    const struct mlo_offload_opts on = device(true);
    struct mlo_err err = MLO_ERR_INIT;
    struct request r;
    struct both b;
    if (!check_ok(both_new(TORCH, &on, &b, &err), &err))
        return;
    for (size_t k = 0; k < 2 * MLO_COUNT(ways); k++)
        for (size_t mix = 3; mix < MLO_COUNT(mixes); mix += 2) {
            size_t lengths[MANY], n = lengths_of(mix, lengths);
            const struct mlo_value *out = NULL, *rows = NULL;
            request_of(b.cpu, lengths, n, mix, &r);
            if (!check_ok(mlo_session_run_packed(b.on_cpu, r.in, b.n_in, &r.packed, &rows, &err), &err))
                continue;
            r.packed.pooling = ways[k / 2];
            r.packed.normalize = k % 2;
            if (!check_ok(mlo_session_run_packed(b.on_device, r.in, b.n_in, &r.packed, &out, &err), &err))
                continue;
            size_t width = rows[0].array.n / r.first[n];
            const struct mlo_array *a = &out[0].array;
            check(a->rank == 2 && a->dims[0] == (int64_t)n && a->dims[1] == (int64_t)width);
            for (size_t i = 0; i < n; i++) {
                float want[64];
                mlo_pool(ways[k / 2], (const float *)rows[0].array.data + r.first[i] * width, NULL,
                         lengths[i], width, want);
                if (k % 2)
                    mlo_normalize(want, width);
                double off = distance((const float *)a->data + i * width, want, width);
                check(off <= 1e-5, "way %zu, mix %zu, sequence %zu: off by %g", k, mix, i, off);
            }
        }
    check(state_of(&b).cpu_runs == 0, "%s", state_of(&b).why);
    both_free(&b);
}

/* Programs and runs since the last time. */
static void count_log(const char *path, unsigned *ret_programs, unsigned *ret_runs)
{
    char line[4096];
    FILE *f = fopen(path, "r");
    *ret_programs = *ret_runs = 0;
    while (f && fgets(line, sizeof line, f)) {
        *ret_programs += strncmp(line, "program", 7) == 0;
        *ret_runs += strcmp(line, "run\n") == 0;
    }
    if (f)
        fclose(f);
    unlink(path);
}

static void programs_are_of_rounded_numbers_and_give_back_what_was_pooled(void)
{
    static const size_t lengths[][4] = {{9, 1, 7, 3}, {8, 2, 8}, {3, 4, 6, 4}};
    const struct mlo_offload_opts on = device(true);
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_device_cost cost = {0};
    struct request r;
    struct both b;
    unsigned programs, runs;
    char log[512];
    snprintf(log, sizeof log, "%s/log", tap_tmpdir());
    setenv("FAKE_DEVICE_LOG", log, 1);
    if (check_ok(both_new(TORCH, &on, &b, &err), &err)) {
        const struct mlo_value *out = NULL;
        for (size_t i = 0; i < MLO_COUNT(lengths); i++) {
            request_of(b.cpu, lengths[i], i == 1 ? 3 : 4, i, &r);
            check_ok(mlo_session_run_packed(b.on_device, r.in, b.n_in, &r.packed, &out, &err), &err);
        }
        size_t width = out[0].array.n / 17;
        count_log(log, &programs, &runs); /* the first of a program is compared before */
        check(programs == 1 && runs == 4, "%u programs, %u runs", programs, runs);
        check_ok(mlo_session_device_cost(b.on_device, &cost, &err), &err);
        check_int(cost.out, 32 * width * sizeof(float)); /* 17 to 20 rows */
        r.packed.pooling = MLO_POOL_MEAN;
        check_ok(mlo_session_run_packed(b.on_device, r.in, b.n_in, &r.packed, &out, &err), &err);
        check_ok(mlo_session_device_cost(b.on_device, &cost, &err), &err);
        check_int(cost.out, 4 * width * sizeof(float));
        count_log(log, &programs, &runs);
        check(programs == 1 && runs == 2, "%u programs, %u runs", programs, runs);
    }
    unsetenv("FAKE_DEVICE_LOG");
    both_free(&b);
}

/* ---- others ---- */

static void padded_rows_are_left_out(void)
{
    enum { BATCH = 3, WIDTH = 6 };
    static const size_t lengths[BATCH] = {2, 6, 3};
    const struct mlo_offload_opts on = device(true);
    struct mlo_err err = MLO_ERR_INIT;
    struct request r;
    struct both b;
    const struct mlo_value *want = NULL, *got = NULL;
    if (check_ok(both_new(LAYER, &on, &b, &err), &err)) {
        request_of(b.cpu, (const size_t[]){BATCH * WIDTH}, 1, 5, &r);
        for (size_t i = 0; i < 3; i++) {
            r.in[i].array.dims[0] = BATCH;
            r.in[i].array.dims[1] = WIDTH;
        }
        for (size_t i = 0; i < BATCH * WIDTH; i++)
            r.data[1][i] = i % WIDTH < lengths[i / WIDTH];
        for (int again = 0; again < 2; again++)
            if (check_ok(mlo_session_run_unpadded(b.on_cpu, r.in, 3, &want, &err), &err) &&
                check_ok(mlo_session_run_unpadded(b.on_device, r.in, 3, &got, &err), &err)) {
                check(mlo_array_same_shape(&want[0].array, &got[0].array));
                check(distance(want[0].array.data, got[0].array.data, want[0].array.n) <= 1e-5);
            }
        check(state_of(&b).runs == 2 && state_of(&b).cpu_runs == 0, "%s", state_of(&b).why);
    }
    both_free(&b);
}

/* Words and positions, the length of which comes from the shape of the ids, or of their rows. */
static struct bytes words_of(const char *shape_of)
{
    enum { WIDTH = 4 };
    static float table[IDS * WIDTH];
    struct bytes g = {.n = 0}, range = node("Range", "zero", "places");
    for (size_t i = 0; i < MLO_COUNT(table); i++)
        table[i] = (float)(i * 37 % 101) / 50;
    put_open_port(&g, GRAPH_INPUT, "input_ids", 7, 2);
    put_floats(&g, "table", table, (const int64_t[]){IDS, WIDTH}, 2);
    put_whole_number(&g, "zero", 0);
    put_whole_number(&g, "one", 1);
    put_node_of_two(&g, "Gather", "table", "input_ids", "words");
    put_node(&g, "Shape", shape_of, "shape");
    put_node_of_two(&g, "Gather", "shape", "one", "length");
    put_input(&range, "length");
    put_input(&range, "one");
    put(&g, GRAPH_NODE, &range);
    put_node_of_two(&g, "Gather", "table", "places", "at");
    put_node_of_two(&g, "Add", "words", "at", "y");
    put_open_port(&g, GRAPH_OUTPUT, "y", 1, 3);
    return model_of(&g, 13);
}

/* What depends on the shape of what is there is a part of a program, and not the same for all requests. */
static void positions_by_a_shape_on_the_device_stay_padded(void)
{
    static const size_t lengths[] = {4, 1, 3};
    for (int fine = 0; fine < 2; fine++) {
        const struct mlo_offload_opts on = device(true);
        struct mlo_err err = MLO_ERR_INIT;
        struct bytes m = words_of(fine ? "input_ids" : "words");
        struct request r;
        struct both b = {.n_in = 1};
        const struct mlo_value *out = NULL;
        if (check_ok(plan_of(&m, NULL, &b.cpu, &err), &err) &&
            check_ok(plan_of(&m, &on, &b.device, &err), &err) &&
            check_ok(mlo_session_new(b.cpu, &b.on_cpu, &err), &err) &&
            check_ok(mlo_session_new(b.device, &b.on_device, &err), &err)) {
            check(mlo_plan_packs(b.cpu, 0) && mlo_plan_packs(b.device, 0) == fine);
            check_int(mlo_plan_packed_rows(b.device), fine ? MLO_PACKED_ROWS_DEVICE : MLO_PACKED_ROWS);
            request_of(b.cpu, lengths, 3, 1, &r);
            int rc = mlo_session_run_packed(b.on_device, r.in, 1, &r.packed, &out, &err);
            if (!fine)
                check_err(rc, MLO_EUNAVAIL, &err, "does not work on rows one by one");
            else if (check_ok(rc, &err))
                check_rows(&b, &r, &out[0], 0, "words");
            err = (struct mlo_err)MLO_ERR_INIT;
            check_ok(mlo_session_run(b.on_device, r.in, 1, &out, &err), &err);
        }
        both_free(&b);
    }
}

static void requests_are_checked(void)
{
    static const size_t long_one[] = {150};
    const struct mlo_offload_opts on = device(true);
    struct mlo_err err = MLO_ERR_INIT;
    struct request r;
    struct both b;
    const struct mlo_value *out = NULL;
    if (check_ok(both_new(LAYER, &on, &b, &err), &err)) {
        request_of(b.cpu, long_one, 1, 0, &r);
        check_err(mlo_session_run_packed(b.on_device, r.in, 2, &r.packed, &out, &err), MLO_EUSAGE, &err,
                  "2 inputs, but the model has 3");
        r.packed.first = (const size_t[]){0, 149};
        check_err(mlo_session_run_packed(b.on_device, r.in, 3, &r.packed, &out, &err), MLO_EUSAGE, &err,
                  "not the rows of 1 sequences");
    }
    both_free(&b);
}

/* ---- what goes wrong, and who is faster ---- */

/* variable: of the fake device, after its first run. */
static void fails(const char *variable, const char *value, const char *why)
{
    for (int must = 0; must < 2; must++) {
        const struct mlo_offload_opts on = device(must);
        struct mlo_err err = MLO_ERR_INIT;
        struct request r;
        struct both b;
        const struct mlo_value *out = NULL, *want = NULL;
        if (check_ok(both_new(TORCH, &on, &b, &err), &err)) {
            request_of(b.cpu, mixes[3], 4, 0, &r);
            r.packed.pooling = MLO_POOL_MEAN;
            if (!must) /* else the CPU, which is faster, is chosen before it fails */
                setenv(variable, value, 1);
            check_ok(mlo_session_run_packed(b.on_device, r.in, b.n_in, &r.packed, &out, &err), &err);
            setenv(variable, value, 1);
            request_of(b.cpu, mixes[2], 3, 0, &r); /* another program */
            r.packed.pooling = MLO_POOL_MEAN;
            check_int(mlo_session_run_packed(b.on_device, r.in, b.n_in, &r.packed, &out, &err),
                      must ? MLO_EUNAVAIL : 0);
            check(strstr(state_of(&b).why, why) != NULL, "%s, not %s", state_of(&b).why, why);
            if (!must &&
                check_ok(mlo_session_run_packed(b.on_cpu, r.in, b.n_in, &r.packed, &want, &err), &err))
                check(distance(out[0].array.data, want[0].array.data, want[0].array.n) == 0);
        }
        unsetenv(variable);
        both_free(&b);
    }
}

static void a_device_that_fails_leaves_rows_to_the_cpu(void)
{
    fails("FAKE_DEVICE_LOST", "0", "the device is lost");
    fails("FAKE_DEVICE_FULL", "10", "memory is full");
    fails("FAKE_DEVICE_WRONG", "1", "what the device answers is not what the CPU does");
}

/* cost: microseconds that each run of the device takes longer. */
static void measured_with(const char *cost, bool is_cpus)
{
    const struct mlo_offload_opts on = device(false);
    struct mlo_err err = MLO_ERR_INIT;
    struct request r;
    struct both b;
    const struct mlo_value *out = NULL, *want = NULL;
    setenv("FAKE_DEVICE_COST", cost, 1);
    if (check_ok(both_new(LAYER, &on, &b, &err), &err)) {
        check_int(mlo_plan_packed_rows(b.device), MLO_PACKED_ROWS_DEVICE);
        for (int again = 0; again < 2; again++) {
            request_of(b.cpu, (const size_t[]){3, 0, 5}, 3, 2, &r);
            r.packed.pooling = MLO_POOL_CLS;
            check_ok(mlo_session_run_packed(b.on_device, r.in, b.n_in, &r.packed, &out, &err), &err);
            check_ok(mlo_session_run_packed(b.on_cpu, r.in, b.n_in, &r.packed, &want, &err), &err);
            check(distance(out[0].array.data, want[0].array.data, want[0].array.n) <= 1e-5);
        }
        struct mlo_offload_state s = state_of(&b);
        check(s.packed.n > 0 && s.packed.sizes[0].rows == 1 && s.crossover.n == 0);
        check(!is_cpus || s.chosen == 2, "%llu", (unsigned long long)s.chosen);
        check(!is_cpus || mlo_plan_packed_rows(b.device) == MLO_PACKED_ROWS);
    }
    unsetenv("FAKE_DEVICE_COST");
    both_free(&b);
}

static void who_is_faster_is_measured_by_rows_of_sequences(void)
{
    measured_with("30000", true);
    measured_with("0", false);
}

static int use_packed(void)
{
    const struct mlo_offload_opts on = device(true);
    struct mlo_err err = MLO_ERR_INIT;
    struct request r;
    struct mlo_plan *p = NULL;
    struct mlo_session *session = NULL;
    const struct mlo_value *out = NULL;
    int rc = mlo_plan_open(LAYER, NULL, &p, &err);
    if (rc == 0)
        rc = mlo_plan_offload(p, &on, &err);
    if (rc == 0)
        rc = mlo_session_new(p, &session, &err);
    if (rc == 0) {
        request_of(p, (const size_t[]){1, 2}, 2, 0, &r);
        r.packed.pooling = MLO_POOL_MEAN;
        rc = mlo_session_run_packed(session, r.in, 3, &r.packed, &out, &err);
    }
    mlo_session_free(session);
    mlo_plan_free(p);
    return rc == MLO_EUNAVAIL ? MLO_EIO : rc; /* memory that the device is missing */
}

static void memory_may_be_missing(void)
{
    check(each_alloc_failure(use_packed) > 50);
}

int main(void)
{
    run(sequences_get_what_they_get_alone);
    run(halves_are_near);
    run(pooled_rows_are_those_of_the_cpu);
    run(programs_are_of_rounded_numbers_and_give_back_what_was_pooled);
    run(padded_rows_are_left_out);
    run(positions_by_a_shape_on_the_device_stay_padded);
    run(requests_are_checked);
    run(a_device_that_fails_leaves_rows_to_the_cpu);
    run(who_is_faster_is_measured_by_rows_of_sequences);
    run(memory_may_be_missing);
    return done_testing();
}

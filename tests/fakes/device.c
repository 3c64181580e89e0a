/*
 * A plugin whose device is this CPU: it checks programs, lays them out and runs the kernels of the real one
 * through tests/unit/gpu_on_cpu.h. What goes wrong is said by variables: FAKE_DEVICE_LOST (runs until the
 * device is lost), FAKE_DEVICE_FULL (bytes of a program that it has no memory for), FAKE_DEVICE_NO_WEIGHTS,
 * FAKE_DEVICE_WRONG (what is added to each output), FAKE_DEVICE_COST (microseconds that each run takes
 * longer), FAKE_DEVICE_TUNES (it has a library, whose version this is, with one algorithm for each dense
 * layer), FAKE_DEVICE_NO_LIMITS and FAKE_DEVICE_NO_TIMES (it cannot be measured), FAKE_DEVICE_MAJOR (of the
 * compute capability), FAKE_DEVICE_LOG (a file: each program's operators and rows of the first output, each
 * run).
 */
#include <pthread.h>
#include <unistd.h>

#include "../unit/gpu_on_cpu.h"

#include "../../src/backend/cuda/steps.h"

struct mlo_device_weights {
    uint32_t n;
    struct mlo_device_weight *facts;
    void **at;
};
struct mlo_device_run {
    struct mlo_device_program program;
    struct mlo_device_buffer *buffers;
    struct mlo_device_step *steps;
    struct program_layout layout;
    const struct mlo_device_weights *weights;
    char *memory, *waiting; /* waiting: inputs of two runs */
    unsigned begun, ended;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long runs;

static long number(const char *name, long usual)
{
    const char *v = getenv(name);
    return v ? strtol(v, NULL, 10) : usual;
}

static void note(const char *fmt, ...)
{
    const char *path = getenv("FAKE_DEVICE_LOG");
    FILE *f = path ? fopen(path, "a") : NULL;
    va_list ap;
    va_start(ap, fmt);
    if (f) {
        vfprintf(f, fmt, ap);
        fclose(f);
    }
    va_end(ap);
}

static int count(uint32_t *ret, char *reason)
{
    (void)reason;
    *ret = 1;
    return MLO_DEVICE_OK;
}

static int info(uint32_t device, struct mlo_device_info *ret, char *reason)
{
    (void)device;
    (void)reason;
    *ret = (struct mlo_device_info){.name = "This CPU", .processors = 1, .memory = 1u << 30};
    ret->major = (uint32_t)number("FAKE_DEVICE_MAJOR", 9);
    return MLO_DEVICE_OK;
}

static int no_memory(char *reason)
{
    snprintf(reason, MLO_DEVICE_REASON, "no memory");
    return MLO_DEVICE_FAILED;
}

static void weights_free(struct mlo_device_weights *w)
{
    for (uint32_t i = 0; w && i < w->n; i++)
        free(w->at[i]);
    if (w) {
        free(w->at);
        free(w->facts);
    }
    free(w);
}

static int weights_new(uint32_t device, const struct mlo_device_weight *from, uint32_t n,
                       struct mlo_device_weights **ret, char *reason)
{
    (void)device;
    if (number("FAKE_DEVICE_NO_WEIGHTS", 0)) {
        snprintf(reason, MLO_DEVICE_REASON, "out of memory");
        return MLO_DEVICE_MEMORY;
    }
    struct mlo_device_weights *w = calloc(1, sizeof *w);
    if (!w)
        return no_memory(reason);
    w->facts = calloc(n + 1, sizeof *w->facts);
    w->at = calloc(n + 1, sizeof *w->at);
    for (uint32_t i = 0; w->facts && w->at && i < n; i++) {
        size_t bytes = from[i].n * program_type_bytes(from[i].type);
        w->facts[i] = from[i];
        w->at[i] = aligned_alloc(64, (bytes + 63) / 64 * 64);
        if (!w->at[i])
            break;
        memcpy(w->at[i], from[i].data, bytes);
        w->n++;
    }
    if (w->n < n || !w->facts || !w->at) {
        weights_free(w);
        return no_memory(reason);
    }
    *ret = w;
    return MLO_DEVICE_OK;
}

static void choose_algorithms(const struct mlo_device_program *from);

static void program_free(struct mlo_device_run *p)
{
    if (!p)
        return;
    free(p->layout.offset);
    free(p->buffers);
    free(p->steps);
    free(p->memory);
    free(p->waiting);
    free(p);
}

static int program_new(const struct mlo_device_program *from, const struct mlo_device_weights *weights,
                       struct mlo_device_run **ret, char *reason)
{
    int rc = program_check(from, weights->facts, weights->n, reason);
    if (rc != MLO_DEVICE_OK)
        return rc;
    struct mlo_device_run *p = calloc(1, sizeof *p);
    if (!p)
        return no_memory(reason);
    p->buffers = malloc((from->n_buffers + 1) * sizeof *p->buffers);
    p->steps = malloc((from->n_steps + 1) * sizeof *p->steps);
    if (!p->buffers || !p->steps || !program_lay_out(from, &p->layout)) {
        program_free(p);
        return no_memory(reason);
    }
    memcpy(p->buffers, from->buffers, from->n_buffers * sizeof *p->buffers);
    memcpy(p->steps, from->steps, from->n_steps * sizeof *p->steps);
    p->program = *from;
    p->program.buffers = p->buffers;
    p->program.steps = p->steps;
    p->weights = weights;
    if ((long)p->layout.bytes > number("FAKE_DEVICE_FULL", 1L << 40)) {
        snprintf(reason, MLO_DEVICE_REASON, "%llu bytes are not there", (unsigned long long)p->layout.bytes);
        program_free(p);
        return MLO_DEVICE_MEMORY;
    }
    p->memory = aligned_alloc(PROGRAM_ALIGN, p->layout.bytes + PROGRAM_ALIGN);
    if (!p->memory) {
        program_free(p);
        return no_memory(reason);
    }
    memset(p->memory, 0, p->layout.bytes);
    p->waiting = calloc(MLO_DEVICE_DEPTH_MAX, p->layout.in_bytes + 1);
    if (!p->waiting) {
        program_free(p);
        return no_memory(reason);
    }
    choose_algorithms(from);
    note(from->depth > 1 ? "deep program" : "program");
    for (uint32_t i = 0; i < from->n_steps; i++)
        note(" %s", program_ops[from->steps[i].op].name);
    note("\n");
    *ret = p;
    return MLO_DEVICE_OK;
}

static size_t part_bytes(const struct mlo_device_buffer *b, uint64_t n)
{
    return (n < b->n ? n : b->n) * program_type_bytes(b->type);
}

static void give_back(struct mlo_device_run *p, const struct mlo_device_out *out)
{
    long wrong = number("FAKE_DEVICE_WRONG", 0);
    for (uint32_t i = 0; i < p->program.n_buffers; i++) {
        if (p->buffers[i].role != MLO_DEVICE_OUTPUT)
            continue;
        memcpy(out->data, p->memory + p->layout.offset[i], part_bytes(&p->buffers[i], out->n));
        for (uint64_t k = 0; wrong && k < out->n; k++)
            ((float *)out->data)[k] += (float)wrong;
        out++;
    }
}

static int program_begin(struct mlo_device_run *p, const struct mlo_device_in *in, char *reason)
{
    unsigned depth = p->program.depth > 1 ? MLO_DEVICE_DEPTH_MAX : 1;
    if (p->begun - p->ended == depth) {
        snprintf(reason, MLO_DEVICE_REASON, "too many runs have begun");
        return MLO_DEVICE_FAILED;
    }
    char *to = p->waiting + p->begun++ % depth * p->layout.in_bytes;
    for (uint32_t i = 0; i < p->program.n_buffers; i++)
        if (p->buffers[i].role == MLO_DEVICE_INPUT) {
            memcpy(to + p->layout.offset[i], in->data, part_bytes(&p->buffers[i], in->n));
            in++;
        }
    if (depth > 1)
        note("begin\n");
    return MLO_DEVICE_OK;
}

static int program_end(struct mlo_device_run *p, const struct mlo_device_out *out, char *reason)
{
    const struct gpu_machine machine = {0};
    unsigned depth = p->program.depth > 1 ? MLO_DEVICE_DEPTH_MAX : 1;
    pthread_mutex_lock(&lock);
    bool is_lost = runs++ >= number("FAKE_DEVICE_LOST", 1L << 40);
    note(is_lost ? "lost\n" : "run\n");
    usleep((useconds_t)number("FAKE_DEVICE_COST", 0));
    memcpy(p->memory, p->waiting + p->ended++ % depth * p->layout.in_bytes, p->layout.in_bytes);
    int rc = is_lost ? 0 : gpu_launch_all(&machine, &p->program, &p->layout, p->memory, p->weights->at);
    if (!is_lost && rc == 0)
        give_back(p, out);
    pthread_mutex_unlock(&lock);
    if (rc != 0)
        return no_memory(reason);
    if (is_lost)
        snprintf(reason, MLO_DEVICE_REASON, "it fell off the bus");
    return is_lost ? MLO_DEVICE_LOST : MLO_DEVICE_OK;
}

static int program_run(struct mlo_device_run *p, const struct mlo_device_in *in,
                       const struct mlo_device_out *out, char *reason)
{
    int rc = program_begin(p, in, reason);
    return rc == MLO_DEVICE_OK ? program_end(p, out, reason) : rc;
}

static void products(char *ret)
{
    snprintf(ret, MLO_DEVICE_REASON, "own kernels");
}

/* ---- what it can do ---- */

static int what_it_can(struct mlo_device_limits *ret, char *reason)
{
    if (number("FAKE_DEVICE_NO_LIMITS", 0)) {
        snprintf(reason, MLO_DEVICE_REASON, "it does not hold still");
        return MLO_DEVICE_FAILED;
    }
    *ret = (struct mlo_device_limits){.copy = 4e12,
                                      .in = 50e9,
                                      .out = 40e9,
                                      .graph_ns = 6000,
                                      .kernel_ns = 1200,
                                      .copied_ns = 14000,
                                      .mapped_ns = 9000,
                                      .tf32 = 400e12,
                                      .flops = {[MLO_DEVICE_F32] = 50e12, [MLO_DEVICE_BF16] = 800e12}};
    return MLO_DEVICE_OK;
}

static int limits(uint32_t device, struct mlo_device_limits *ret, char *reason)
{
    (void)device;
    note("limits\n");
    return what_it_can(ret, reason);
}

static int product_ns(uint32_t device, uint32_t type, uint32_t how, const uint32_t mnk[3], double *ret,
                      char *reason)
{
    struct mlo_device_limits l = {0};
    int rc = what_it_can(&l, reason);
    (void)device;
    double rate = how & MLO_DEVICE_TF32 ? l.tf32 : l.flops[type];
    if (rc == MLO_DEVICE_OK && rate == 0) {
        snprintf(reason, MLO_DEVICE_REASON, "no such product");
        return MLO_DEVICE_UNSUPPORTED;
    }
    *ret = 2000 + 2e9 * mnk[0] * mnk[1] * mnk[2] / (rate > 0 ? rate : 1);
    return rc;
}

static struct mlo_device_algorithm known[MLO_DEVICE_ALGORITHMS_MAX];
static uint32_t n_known;

static int algorithms_of(uint32_t device, char *ret, char *reason)
{
    (void)device;
    const char *version = getenv("FAKE_DEVICE_TUNES");
    snprintf(version ? ret : reason, MLO_DEVICE_REASON,
             version ? "This CPU, library %s" : "there is no library", version);
    return version ? MLO_DEVICE_OK : MLO_DEVICE_UNSUPPORTED;
}

static void add_algorithm(const struct mlo_device_algorithm *a, const char *what)
{
    for (uint32_t i = 0; i < n_known; i++)
        if (known[i].m == a->m && known[i].n == a->n && known[i].k == a->k)
            return;
    if (n_known < MLO_DEVICE_ALGORITHMS_MAX)
        known[n_known++] = *a;
    note("%s %u %u %u\n", what, a->m, a->n, a->k);
}

static void choose_algorithms(const struct mlo_device_program *from)
{
    for (uint32_t i = 0; getenv("FAKE_DEVICE_TUNES") && i < from->n_steps; i++) {
        const struct mlo_device_step *s = &from->steps[i];
        struct mlo_device_algorithm a = {.m = s->size[0], .n = s->size[1], .k = s->size[2], .us = 1.5F};
        if (s->op == MLO_DEVICE_DENSE)
            add_algorithm(&a, "timed");
    }
}

static void algorithms_put(uint32_t device, const struct mlo_device_algorithm *list, uint32_t n)
{
    (void)device;
    for (uint32_t i = 0; i < n; i++)
        add_algorithm(&list[i], "kept");
}

static uint32_t algorithms_get(uint32_t device, struct mlo_device_algorithm *list, uint32_t room)
{
    (void)device;
    memcpy(list, known, (n_known < room ? n_known : room) * sizeof *list);
    return n_known;
}

/* Two microseconds a step and its number tenths more, and half a microsecond for each event. */
static int program_times(struct mlo_device_run *p, struct mlo_device_times *ret, char *reason)
{
    const double event = 500;
    note("times\n");
    if (number("FAKE_DEVICE_NO_TIMES", 0)) {
        snprintf(reason, MLO_DEVICE_REASON, "its clock stands still");
        return MLO_DEVICE_FAILED;
    }
    *ret = (struct mlo_device_times){
        .all = 5000, .in = 3000 + event, .out = 2000 + event, .steps = ret->steps};
    for (uint32_t i = 0; i < p->program.n_steps; i++) {
        ret->steps[i] = 2000 + 100 * i + event;
        ret->all += 2000 + 100 * i;
    }
    return MLO_DEVICE_OK;
}

static const char *op_name(uint32_t op)
{
    return program_ops[op].name;
}

__attribute__((visibility("default"))) const struct mlo_device_api *mlo_device_plugin(uint32_t abi);

const struct mlo_device_api *mlo_device_plugin(uint32_t abi)
{
    static const struct mlo_device_api api = {.abi = MLO_DEVICE_ABI,
                                              .size = sizeof api,
                                              .name = "cuda",
                                              .count = count,
                                              .info = info,
                                              .weights_new = weights_new,
                                              .weights_free = weights_free,
                                              .program_new = program_new,
                                              .program_run = program_run,
                                              .program_free = program_free,
                                              .products = products,
                                              .program_begin = program_begin,
                                              .program_end = program_end,
                                              .limits = limits,
                                              .product_ns = product_ns,
                                              .algorithms_of = algorithms_of,
                                              .algorithms_put = algorithms_put,
                                              .algorithms_get = algorithms_get,
                                              .program_times = program_times,
                                              .op_name = op_name};
    return abi == MLO_DEVICE_ABI ? &api : NULL;
}

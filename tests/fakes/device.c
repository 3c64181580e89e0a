/*
 * A plugin whose device is this CPU: it checks programs, lays them out and runs the kernels of the real one
 * through tests/unit/gpu_on_cpu.h. What goes wrong is said by variables: FAKE_DEVICE_LOST (runs until the
 * device is lost), FAKE_DEVICE_FULL (bytes of a program that it has no memory for), FAKE_DEVICE_NO_WEIGHTS,
 * FAKE_DEVICE_WRONG (what is added to each output), FAKE_DEVICE_COST (microseconds that each run takes
 * longer), FAKE_DEVICE_MAJOR (of the compute capability), FAKE_DEVICE_LOG (a file: each program's operators
 * and rows of the first output, each run).
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
    char *memory;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

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

static void program_free(struct mlo_device_run *p)
{
    if (!p)
        return;
    free(p->layout.offset);
    free(p->buffers);
    free(p->steps);
    free(p->memory);
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
    note("program");
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

static int program_run(struct mlo_device_run *p, const struct mlo_device_in *in,
                       const struct mlo_device_out *out, char *reason)
{
    static long runs;
    const struct gpu_machine machine = {0};
    pthread_mutex_lock(&lock);
    bool is_lost = runs++ >= number("FAKE_DEVICE_LOST", 1L << 40);
    note(is_lost ? "lost\n" : "run\n");
    usleep((useconds_t)number("FAKE_DEVICE_COST", 0));
    for (uint32_t i = 0; i < p->program.n_buffers && !is_lost; i++)
        if (p->buffers[i].role == MLO_DEVICE_INPUT) {
            memcpy(p->memory + p->layout.offset[i], in->data, part_bytes(&p->buffers[i], in->n));
            in++;
        }
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

static void products(char *ret)
{
    snprintf(ret, MLO_DEVICE_REASON, "own kernels");
}

__attribute__((visibility("default"))) const struct mlo_device_api *mlo_device_plugin(uint32_t abi);

const struct mlo_device_api *mlo_device_plugin(uint32_t abi)
{
    static const struct mlo_device_api api = {MLO_DEVICE_ABI, sizeof api,   "cuda",       count,
                                              info,           weights_new,  weights_free, program_new,
                                              program_run,    program_free, products};
    return abi == MLO_DEVICE_ABI ? &api : NULL;
}

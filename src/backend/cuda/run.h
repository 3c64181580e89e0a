/*
 * Programs of a device. A program becomes a CUDA graph when it is made. Small inputs and outputs stay in
 * pinned memory of the host, which the first and last kernels of the graph read and write: a run is one
 * launch and one wait. Else the graph begins with a copy of all inputs and ends with one of all outputs. Of a
 * program where one run begins before the last has ended, copies are not in the graph but in a stream of
 * their own, and there are two of all that a run has alone: pinned memory, inputs and outputs on the device,
 * a graph. Temporaries share memory when they do not live at the same time.
 */
#ifndef MLO_BACKEND_CUDA_RUN_H
#define MLO_BACKEND_CUDA_RUN_H

#include <stdlib.h>
#include <string.h>

#include "status.h"
#include "steps.h"
#include "tune.h"
#include "weights.h"

struct run_slot {                 /* what a run has alone */
    struct program_layout layout; /* slot 0: the program's */
    uint64_t at;                  /* of its inputs, then outputs, on the device */
    char *staging, *mapped;       /* pinned: inputs, then outputs; mapped: as the device sees it, NULL: not */
    cudaGraphExec_t graph;
    cudaEvent_t copied, computed; /* NULL: copies are in the graph */
    bool begun;
};
struct run_watch {                 /* the program with events between its steps (times.h) */
    cudaGraphExec_t plain, looked; /* with events at both ends alone; with one between any two steps, too */
    cudaEvent_t *at; /* owned: before and after copying in, then after each step, and at the end */
};
struct mlo_device_run {
    int device;
    struct mlo_device_buffer *buffers;
    uint32_t n_buffers, n_steps;
    struct mlo_device_step *steps;
    void *const *weights; /* borrowed */
    struct run_watch watch;
    struct run_slot slots[MLO_DEVICE_DEPTH_MAX];
    unsigned depth, next, oldest; /* next: slot of the run that begins next */
    char *memory;
    struct lt lt;
    cudaStream_t stream, copies; /* copies NULL: they are in the graph */
};

static void slot_free(struct run_slot *s)
{
    if (s->graph)
        cudaGraphExecDestroy(s->graph);
    if (s->copied)
        cudaEventDestroy(s->copied);
    if (s->computed)
        cudaEventDestroy(s->computed);
    cudaFreeHost(s->staging);
}

static void free_library(struct lt *lt)
{
    if (lt->from)
        cudaEventDestroy(lt->from);
    if (lt->to)
        cudaEventDestroy(lt->to);
    if (lt->handle)
        lt->api->destroy(lt->handle);
    cudaFree(lt->workspace);
}

static uint32_t watch_events(const struct mlo_device_run *p)
{
    return p->n_steps + 3;
}

static void watch_free(struct mlo_device_run *p)
{
    struct run_watch *w = &p->watch;
    if (w->plain)
        cudaGraphExecDestroy(w->plain);
    if (w->looked)
        cudaGraphExecDestroy(w->looked);
    for (uint32_t i = 0; w->at && i < watch_events(p); i++)
        if (w->at[i])
            cudaEventDestroy(w->at[i]);
}

static void program_free(struct mlo_device_run *p)
{
    if (!p)
        return;
    if (cudaSetDevice(p->device) == cudaSuccess) {
        if (p->copies) /* a run that has begun may not have ended */
            cudaStreamSynchronize(p->copies);
        if (p->stream)
            cudaStreamSynchronize(p->stream);
        for (unsigned i = 0; i < MLO_DEVICE_DEPTH_MAX; i++)
            slot_free(&p->slots[i]);
        watch_free(p);
        free_library(&p->lt);
        if (p->copies)
            cudaStreamDestroy(p->copies);
        if (p->stream)
            cudaStreamDestroy(p->stream);
        cudaFree(p->memory);
    }
    for (unsigned i = 0; i < MLO_DEVICE_DEPTH_MAX; i++)
        free(p->slots[i].layout.offset);
    free(p->watch.at);
    free(p->steps);
    free(p->buffers);
    free(p);
}

/* ---- making one ---- */

static bool has_products(const struct mlo_device_program *from)
{
    for (uint32_t i = 0; i < from->n_steps; i++) {
        bool is_product = from->steps[i].op == MLO_DEVICE_DENSE ||
                          from->steps[i].op == MLO_DEVICE_DENSE_BYTES;
        if (is_product && from->steps[i].size[0] > FEW_ROWS)
            return true;
    }
    return false;
}

/* Without the library, or without room for it, the plugin's own kernels do the work. */
static cudaError_t take_library(struct lt *lt, int device, bool tf32, cudaStream_t stream)
{
    lt->api = lt_open();
    if (!lt->api || lt->api->create(&lt->handle) != 0)
        lt->handle = NULL;
    lt->tf32 = tf32;
    lt->device = device;
    lt->queue = stream;
    lt->tune_ms = TUNE_MS;
    if (!lt->handle)
        return cudaSuccess;
    cudaError_t e = cudaEventCreate(&lt->from);
    if (e == cudaSuccess)
        e = cudaEventCreate(&lt->to);
    return e == cudaSuccess ? cudaMalloc(&lt->workspace, LT_WORKSPACE) : e;
}

static cudaError_t take_staging(struct mlo_device_run *p, struct run_slot *s)
{
    size_t in = s->layout.in_bytes, out = s->layout.out_bytes, staged = in + out;
    bool small = in <= MLO_DEVICE_MAPPED_MAX && out <= MLO_DEVICE_MAPPED_MAX && p->depth == 1;
    cudaError_t e = cudaHostAlloc((void **)&s->staging, staged ? staged : 1,
                                  small ? cudaHostAllocMapped : cudaHostAllocDefault);
    if (e == cudaSuccess) /* a run may give less than all of an input */
        memset(s->staging, 0, staged);
    if (e == cudaSuccess && small)
        e = cudaHostGetDevicePointer((void **)&s->mapped, s->staging, 0);
    if (e == cudaSuccess && p->copies)
        e = cudaEventCreateWithFlags(&s->copied, cudaEventDisableTiming);
    if (e == cudaSuccess && p->copies)
        e = cudaEventCreateWithFlags(&s->computed, cudaEventDisableTiming);
    return e;
}

static cudaError_t take_memory(struct mlo_device_run *p, const struct mlo_device_program *from)
{
    const struct program_layout *l = &p->slots[0].layout;
    size_t own = l->in_bytes + l->out_bytes, all = l->bytes + (p->depth - 1) * own;
    cudaError_t e = cudaSetDevice(p->device);
    if (e == cudaSuccess)
        e = cudaStreamCreateWithFlags(&p->stream, cudaStreamNonBlocking);
    if (e == cudaSuccess && p->depth > 1)
        e = cudaStreamCreateWithFlags(&p->copies, cudaStreamNonBlocking);
    if (e == cudaSuccess)
        e = cudaMalloc((void **)&p->memory, all ? all : 1);
    if (e == cudaSuccess) /* the first run of the steps, before any input is there */
        e = cudaMemsetAsync(p->memory, 0, all, p->stream);
    for (unsigned i = 0; i < p->depth && e == cudaSuccess; i++)
        e = take_staging(p, &p->slots[i]);
    if (e == cudaSuccess && has_products(from))
        e = take_library(&p->lt, p->device, from->tf32 != 0, p->stream);
    return e;
}

/* Inputs and outputs of a second slot lie behind all that the first has. */
static bool lay_out_slots(struct mlo_device_run *p, const struct mlo_device_program *from)
{
    struct program_layout *first = &p->slots[0].layout;
    if (!program_lay_out(from, first))
        return false;
    for (unsigned i = 1; i < p->depth; i++) {
        struct run_slot *s = &p->slots[i];
        s->layout = *first;
        s->at = first->bytes + (i - 1) * (first->in_bytes + first->out_bytes);
        s->layout.offset = (uint64_t *)malloc((from->n_buffers + 1) * sizeof *s->layout.offset);
        if (!s->layout.offset)
            return false;
        for (uint32_t b = 0; b < from->n_buffers; b++) {
            bool is_own = from->buffers[b].role == MLO_DEVICE_INPUT ||
                          from->buffers[b].role == MLO_DEVICE_OUTPUT;
            s->layout.offset[b] = first->offset[b] + (is_own ? s->at : 0);
        }
    }
    return true;
}

static cudaError_t copy_between(struct mlo_device_run *p, struct run_slot *s, bool in, cudaStream_t stream)
{
    size_t from = in ? 0 : s->layout.in_bytes, bytes = in ? s->layout.in_bytes : s->layout.out_bytes;
    char *host = (s->mapped ? s->mapped : s->staging) + from, *device = p->memory + s->at + from;
    if (bytes == 0)
        return cudaSuccess;
    if (s->mapped)
        return (cudaError_t)gpu_move(stream, in ? host : device, in ? device : host, bytes);
    return cudaMemcpyAsync(in ? device : host, in ? host : device, bytes,
                           in ? cudaMemcpyHostToDevice : cudaMemcpyDeviceToHost, stream);
}

static struct gpu_machine machine_of(struct mlo_device_run *p)
{
    bool has = p->lt.handle != NULL;
    struct gpu_machine m = {p->stream, has ? lt_dense : NULL, has ? lt_dense_bytes : NULL, &p->lt};
    return m;
}

static cudaError_t launch_steps(struct mlo_device_run *p, struct run_slot *s,
                                const struct mlo_device_program *from, void *const *weights)
{
    struct gpu_machine m = machine_of(p);
    return (cudaError_t)gpu_launch_all(&m, from, &s->layout, p->memory, weights);
}

/* Everything that a run does, in the order of the stream; without copies that have a stream of their own. */
static cudaError_t enqueue(struct mlo_device_run *p, struct run_slot *s,
                           const struct mlo_device_program *from, void *const *weights)
{
    cudaError_t e = p->copies ? cudaSuccess : copy_between(p, s, true, p->stream);
    if (e == cudaSuccess)
        e = launch_steps(p, s, from, weights);
    return e == cudaSuccess && !p->copies ? copy_between(p, s, false, p->stream) : e;
}

/* What is captured since the stream began to be; queued: what that came to. */
static cudaError_t end_capture(struct mlo_device_run *p, cudaError_t queued, cudaGraphExec_t *ret)
{
    cudaGraph_t graph = NULL;
    cudaError_t ended = cudaStreamEndCapture(p->stream, &graph), e = queued != cudaSuccess ? queued : ended;
    if (e == cudaSuccess)
        e = cudaGraphInstantiate(ret, graph, 0);
    if (e == cudaSuccess)
        e = cudaGraphUpload(*ret, p->stream);
    if (e == cudaSuccess)
        e = cudaStreamSynchronize(p->stream);
    if (graph)
        cudaGraphDestroy(graph);
    return e;
}

static cudaError_t record(struct mlo_device_run *p, struct run_slot *s, const struct mlo_device_program *from,
                          void *const *weights)
{
    cudaError_t e = cudaStreamBeginCapture(p->stream, cudaStreamCaptureModeThreadLocal);
    return e == cudaSuccess ? end_capture(p, enqueue(p, s, from, weights), &s->graph) : e;
}

/* The steps are done once on zeros, so that algorithms of products are known when they are recorded. */
static cudaError_t rehearse(struct mlo_device_run *p, const struct mlo_device_program *from,
                            void *const *weights)
{
    if (!p->lt.handle)
        return cudaSuccess;
    p->lt.tunes = true;
    cudaError_t e = launch_steps(p, &p->slots[0], from, weights);
    p->lt.tunes = false;
    return e == cudaSuccess ? cudaStreamSynchronize(p->stream) : e;
}

static int build(struct mlo_device_run *p, const struct mlo_device_program *from, void *const *weights,
                 char *reason)
{
    p->depth = from->depth > 1 ? MLO_DEVICE_DEPTH_MAX : 1;
    p->buffers = (struct mlo_device_buffer *)malloc((from->n_buffers + 1) * sizeof *p->buffers);
    p->steps = (struct mlo_device_step *)malloc((from->n_steps + 1) * sizeof *p->steps);
    if (!p->buffers || !p->steps || !lay_out_slots(p, from))
        return no_memory(reason);
    memcpy(p->buffers, from->buffers, from->n_buffers * sizeof *p->buffers);
    memcpy(p->steps, from->steps, from->n_steps * sizeof *p->steps);
    p->n_buffers = from->n_buffers;
    p->n_steps = from->n_steps;
    p->weights = weights;
    int rc = tell(take_memory(p, from), "cannot take the memory of a program", reason);
    if (rc != MLO_DEVICE_OK)
        return rc;
    cudaError_t e = rehearse(p, from, weights);
    for (unsigned i = 0; i < p->depth && e == cudaSuccess; i++)
        e = record(p, &p->slots[i], from, weights);
    return tell(e, "cannot record a program", reason);
}

/* Floats of 8 bits are not of every device. */
static int check_types(const struct mlo_device_program *from, int device, char *reason)
{
    bool has_e4m3 = false;
    int major = 0, minor = 0;
    for (uint32_t i = 0; i < from->n_buffers; i++)
        has_e4m3 |= from->buffers[i].type == MLO_DEVICE_E4M3;
    if (!has_e4m3)
        return MLO_DEVICE_OK;
    cudaError_t e = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
    if (e == cudaSuccess)
        e = cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device);
    if (e != cudaSuccess || major >= (int)MLO_DEVICE_E4M3_MAJOR)
        return tell(e, "cannot use the device", reason);
    snprintf(reason, MLO_DEVICE_REASON,
             "floats of 8 bits need compute capability %u.0, this device has %d.%d", MLO_DEVICE_E4M3_MAJOR,
             major, minor);
    return MLO_DEVICE_UNSUPPORTED;
}

static int program_new(const struct mlo_device_program *from, const struct mlo_device_weights *weights,
                       struct mlo_device_run **ret, char *reason)
{
    int rc = program_check(from, weights->facts, weights->n, reason);
    if (rc == MLO_DEVICE_OK)
        rc = check_types(from, weights->device, reason);
    if (rc != MLO_DEVICE_OK)
        return rc;
    struct mlo_device_run *p = (struct mlo_device_run *)calloc(1, sizeof *p);
    if (!p)
        return no_memory(reason);
    p->device = weights->device;
    rc = build(p, from, weights->at, reason);
    if (rc != MLO_DEVICE_OK)
        program_free(p);
    else
        *ret = p;
    return rc;
}

/* ---- running it ---- */

/* What a caller has of a buffer, no more than it holds. */
static size_t part_bytes(const struct mlo_device_buffer *b, uint64_t n)
{
    return (n < b->n ? n : b->n) * program_type_bytes(b->type);
}

static cudaError_t begin_copied(struct mlo_device_run *p, struct run_slot *s)
{
    cudaError_t e = copy_between(p, s, true, p->copies);
    if (e == cudaSuccess)
        e = cudaEventRecord(s->copied, p->copies);
    if (e == cudaSuccess)
        e = cudaStreamWaitEvent(p->stream, s->copied, 0);
    if (e == cudaSuccess)
        e = cudaGraphLaunch(s->graph, p->stream);
    return e == cudaSuccess ? cudaEventRecord(s->computed, p->stream) : e;
}

static int program_begin(struct mlo_device_run *p, const struct mlo_device_in *in, char *reason)
{
    struct run_slot *s = &p->slots[p->next];
    if (s->begun) {
        snprintf(reason, MLO_DEVICE_REASON, "%u runs have begun already", p->depth);
        return MLO_DEVICE_FAILED;
    }
    cudaError_t e = cudaSetDevice(p->device);
    for (uint32_t i = 0; i < p->n_buffers; i++)
        if (p->buffers[i].role == MLO_DEVICE_INPUT) {
            memcpy(s->staging + p->slots[0].layout.offset[i], in->data, part_bytes(&p->buffers[i], in->n));
            in++;
        }
    if (e == cudaSuccess)
        e = p->copies ? begin_copied(p, s) : cudaGraphLaunch(s->graph, p->stream);
    s->begun = e == cudaSuccess;
    p->next = (p->next + s->begun) % p->depth;
    return tell(e, "the run failed", reason);
}

/* The copy back waits for what was begun after it to be copied in, not to be computed. */
static cudaError_t wait_for(struct mlo_device_run *p, struct run_slot *s)
{
    if (!p->copies)
        return cudaStreamSynchronize(p->stream);
    cudaError_t e = cudaStreamWaitEvent(p->copies, s->computed, 0);
    if (e == cudaSuccess)
        e = copy_between(p, s, false, p->copies);
    return e == cudaSuccess ? cudaStreamSynchronize(p->copies) : e;
}

static int program_end(struct mlo_device_run *p, const struct mlo_device_out *out, char *reason)
{
    struct run_slot *s = &p->slots[p->oldest];
    if (!s->begun) {
        snprintf(reason, MLO_DEVICE_REASON, "no run has begun");
        return MLO_DEVICE_FAILED;
    }
    cudaError_t e = cudaSetDevice(p->device);
    if (e == cudaSuccess)
        e = wait_for(p, s);
    s->begun = false;
    p->oldest = (p->oldest + 1) % p->depth;
    if (e != cudaSuccess)
        return tell(e, "the run failed", reason);
    for (uint32_t i = 0; i < p->n_buffers; i++)
        if (p->buffers[i].role == MLO_DEVICE_OUTPUT) {
            memcpy(out->data, s->staging + p->slots[0].layout.offset[i], part_bytes(&p->buffers[i], out->n));
            out++;
        }
    return MLO_DEVICE_OK;
}

static int program_run(struct mlo_device_run *p, const struct mlo_device_in *in,
                       const struct mlo_device_out *out, char *reason)
{
    int rc = program_begin(p, in, reason);
    return rc == MLO_DEVICE_OK ? program_end(p, out, reason) : rc;
}

#endif

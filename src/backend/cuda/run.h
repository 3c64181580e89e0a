/*
 * Programs of a device. A program becomes a CUDA graph when it is made: one copy of all inputs from pinned
 * memory, the steps, one copy of all outputs back. A run then is a copy of the inputs, one launch, one wait.
 * Temporaries share memory when they do not live at the same time.
 */
#ifndef MLO_BACKEND_CUDA_RUN_H
#define MLO_BACKEND_CUDA_RUN_H

#include <stdlib.h>
#include <string.h>

#include "cublaslt.h"
#include "status.h"
#include "steps.h"
#include "weights.h"

struct mlo_device_run {
    int device;
    struct mlo_device_buffer *buffers;
    uint32_t n_buffers;
    struct program_layout layout;
    char *memory, *staging; /* on the device; pinned: inputs, then outputs */
    struct lt lt;
    cudaStream_t stream;
    cudaGraphExec_t graph;
};

static void program_free(struct mlo_device_run *p)
{
    if (!p)
        return;
    if (cudaSetDevice(p->device) == cudaSuccess) {
        if (p->graph)
            cudaGraphExecDestroy(p->graph);
        if (p->lt.handle)
            p->lt.api->destroy(p->lt.handle);
        if (p->stream)
            cudaStreamDestroy(p->stream);
        cudaFreeHost(p->staging);
        cudaFree(p->lt.workspace);
        cudaFree(p->memory);
    }
    free(p->layout.offset);
    free(p->buffers);
    free(p);
}

static bool has_products(const struct mlo_device_program *from)
{
    for (uint32_t i = 0; i < from->n_steps; i++)
        if (from->steps[i].op == MLO_DEVICE_DENSE && from->steps[i].size[0] > FEW_ROWS)
            return true;
    return false;
}

/* Without the library, or without room for it, the plugin's own kernels do the work. */
static cudaError_t take_library(struct mlo_device_run *p, bool tf32)
{
    p->lt.api = lt_open();
    if (!p->lt.api || p->lt.api->create(&p->lt.handle) != 0)
        p->lt.handle = NULL;
    p->lt.tf32 = tf32;
    p->lt.queue = p->stream;
    return p->lt.handle ? cudaMalloc(&p->lt.workspace, LT_WORKSPACE) : cudaSuccess;
}

static cudaError_t take_memory(struct mlo_device_run *p, const struct mlo_device_program *from)
{
    size_t staged = p->layout.in_bytes + p->layout.out_bytes;
    cudaError_t e = cudaSetDevice(p->device);
    if (e == cudaSuccess)
        e = cudaStreamCreateWithFlags(&p->stream, cudaStreamNonBlocking);
    if (e == cudaSuccess)
        e = cudaMalloc((void **)&p->memory, p->layout.bytes ? p->layout.bytes : 1);
    if (e == cudaSuccess)
        e = cudaHostAlloc((void **)&p->staging, staged ? staged : 1, cudaHostAllocDefault);
    if (e == cudaSuccess) /* a run may give less than all of an input */
        memset(p->staging, 0, staged);
    if (e == cudaSuccess && has_products(from))
        e = take_library(p, from->tf32 != 0);
    return e;
}

/* Everything that a run does, in the order of the stream. */
static cudaError_t enqueue(struct mlo_device_run *p, const struct mlo_device_program *from,
                           void *const *weights)
{
    size_t in = p->layout.in_bytes, out = p->layout.out_bytes;
    struct gpu_machine m = {p->stream, p->lt.handle ? lt_dense : NULL, NULL, &p->lt};
    cudaError_t e = cudaSuccess;
    if (in)
        e = cudaMemcpyAsync(p->memory, p->staging, in, cudaMemcpyHostToDevice, p->stream);
    if (e == cudaSuccess)
        e = (cudaError_t)gpu_launch_all(&m, from, &p->layout, p->memory, weights);
    if (e == cudaSuccess && out)
        e = cudaMemcpyAsync(p->staging + in, p->memory + in, out, cudaMemcpyDeviceToHost, p->stream);
    return e;
}

static cudaError_t record(struct mlo_device_run *p, const struct mlo_device_program *from,
                          void *const *weights)
{
    cudaGraph_t graph = NULL;
    cudaError_t e = cudaStreamBeginCapture(p->stream, cudaStreamCaptureModeThreadLocal);
    if (e != cudaSuccess)
        return e;
    cudaError_t queued = enqueue(p, from, weights), ended = cudaStreamEndCapture(p->stream, &graph);
    e = queued != cudaSuccess ? queued : ended;
    if (e == cudaSuccess)
        e = cudaGraphInstantiate(&p->graph, graph, 0);
    if (e == cudaSuccess)
        e = cudaGraphUpload(p->graph, p->stream);
    if (e == cudaSuccess)
        e = cudaStreamSynchronize(p->stream);
    if (graph)
        cudaGraphDestroy(graph);
    return e;
}

static int build(struct mlo_device_run *p, const struct mlo_device_program *from, void *const *weights,
                 char *reason)
{
    p->buffers = (struct mlo_device_buffer *)malloc((from->n_buffers + 1) * sizeof *p->buffers);
    if (!p->buffers || !program_lay_out(from, &p->layout))
        return no_memory(reason);
    memcpy(p->buffers, from->buffers, from->n_buffers * sizeof *p->buffers);
    p->n_buffers = from->n_buffers;
    int rc = tell(take_memory(p, from), "cannot take the memory of a program", reason);
    return rc != MLO_DEVICE_OK ? rc : tell(record(p, from, weights), "cannot record a program", reason);
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

/* What a caller has of a buffer, no more than it holds. */
static size_t part_bytes(const struct mlo_device_buffer *b, uint64_t n)
{
    return (n < b->n ? n : b->n) * program_type_bytes(b->type);
}

static int program_run(struct mlo_device_run *p, const struct mlo_device_in *in,
                       const struct mlo_device_out *out, char *reason)
{
    cudaError_t e = cudaSetDevice(p->device);
    for (uint32_t i = 0; i < p->n_buffers; i++)
        if (p->buffers[i].role == MLO_DEVICE_INPUT) {
            memcpy(p->staging + p->layout.offset[i], in->data, part_bytes(&p->buffers[i], in->n));
            in++;
        }
    if (e == cudaSuccess)
        e = cudaGraphLaunch(p->graph, p->stream);
    if (e == cudaSuccess)
        e = cudaStreamSynchronize(p->stream);
    if (e != cudaSuccess)
        return tell(e, "the run failed", reason);
    for (uint32_t i = 0; i < p->n_buffers; i++)
        if (p->buffers[i].role == MLO_DEVICE_OUTPUT) {
            memcpy(out->data, p->staging + p->layout.offset[i], part_bytes(&p->buffers[i], out->n));
            out++;
        }
    return MLO_DEVICE_OK;
}

#endif

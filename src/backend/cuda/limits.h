/* What the device can do: copies, launches, products. Each figure is the best of some tries. */
#ifndef MLO_BACKEND_CUDA_LIMITS_H
#define MLO_BACKEND_CUDA_LIMITS_H

#include <time.h>

#include "run.h"

#define LIMIT_TRIES       5
#define LIMIT_BYTES       ((size_t)256 << 20) /* of a copy: more than any cache holds */
#define LIMIT_LARGE       8192                /* rows, columns and k of a large product */
#define LIMIT_KERNELS     64                  /* of the longer one of two graphs */
#define LIMIT_PRODUCTS_MS 20.0                /* that products are repeated for, to time them together */

struct limits_work {
    cudaStream_t stream;
    cudaEvent_t from, to;
    char *device, *pinned; /* LIMIT_BYTES each; device: two of them */
};

static void limits_work_free(struct limits_work *w)
{
    if (w->stream)
        cudaStreamSynchronize(w->stream);
    if (w->from)
        cudaEventDestroy(w->from);
    if (w->to)
        cudaEventDestroy(w->to);
    if (w->stream)
        cudaStreamDestroy(w->stream);
    cudaFreeHost(w->pinned);
    cudaFree(w->device);
}

static cudaError_t limits_work_new(uint32_t device, struct limits_work *w)
{
    cudaError_t e = cudaSetDevice((int)device);
    if (e == cudaSuccess)
        e = cudaStreamCreateWithFlags(&w->stream, cudaStreamNonBlocking);
    if (e == cudaSuccess)
        e = cudaEventCreate(&w->from);
    if (e == cudaSuccess)
        e = cudaEventCreate(&w->to);
    if (e == cudaSuccess)
        e = cudaMalloc((void **)&w->device, 2 * LIMIT_BYTES);
    if (e == cudaSuccess)
        e = cudaHostAlloc((void **)&w->pinned, LIMIT_BYTES, cudaHostAllocMapped);
    if (e == cudaSuccess)
        memset(w->pinned, 1, LIMIT_BYTES);
    return e;
}

static cudaError_t limits_elapsed(const struct limits_work *w, float *ret_ms)
{
    cudaError_t e = cudaEventRecord(w->to, w->stream);
    if (e == cudaSuccess)
        e = cudaEventSynchronize(w->to);
    return e == cudaSuccess ? cudaEventElapsedTime(ret_ms, w->from, w->to) : e;
}

/* Bytes a second. */
static cudaError_t limits_copy(const struct limits_work *w, void *to, const void *from, double *ret)
{
    cudaError_t e = cudaSuccess;
    float best = 0, ms;
    for (int i = 0; i < LIMIT_TRIES && e == cudaSuccess; i++) {
        e = cudaEventRecord(w->from, w->stream);
        if (e == cudaSuccess)
            e = cudaMemcpyAsync(to, from, LIMIT_BYTES, cudaMemcpyDefault, w->stream);
        if (e == cudaSuccess)
            e = limits_elapsed(w, &ms);
        best = i == 0 || ms < best ? ms : best;
    }
    if (e == cudaSuccess && best > 0)
        *ret = (double)LIMIT_BYTES / best * 1000;
    return e;
}

/* ---- launches ---- */

static double limits_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

enum limits_way { LIMITS_NO_COPY, LIMITS_COPIED, LIMITS_MAPPED };

/* Small kernels one behind the other, with bytes in before and out behind them. */
static cudaError_t limits_queue(const struct limits_work *w, int kernels, enum limits_way way)
{
    size_t bytes = MLO_DEVICE_MAPPED_MAX;
    cudaError_t e = cudaSuccess;
    if (way == LIMITS_COPIED)
        e = cudaMemcpyAsync(w->device, w->pinned, bytes, cudaMemcpyHostToDevice, w->stream);
    else if (way == LIMITS_MAPPED)
        e = (cudaError_t)gpu_move(w->stream, w->pinned, w->device, bytes);
    for (int i = 0; i < kernels && e == cudaSuccess; i++)
        e = (cudaError_t)gpu_move(w->stream, w->device, w->device + LIMIT_BYTES, sizeof(float4));
    if (e == cudaSuccess && way == LIMITS_COPIED)
        e = cudaMemcpyAsync(w->pinned + bytes, w->device, bytes, cudaMemcpyDeviceToHost, w->stream);
    else if (e == cudaSuccess && way == LIMITS_MAPPED)
        e = (cudaError_t)gpu_move(w->stream, w->device, w->pinned + bytes, bytes);
    return e;
}

static cudaError_t limits_record(const struct limits_work *w, int kernels, enum limits_way way,
                                 cudaGraphExec_t *ret)
{
    cudaGraph_t graph = NULL;
    cudaError_t e = cudaStreamBeginCapture(w->stream, cudaStreamCaptureModeThreadLocal);
    if (e != cudaSuccess)
        return e;
    cudaError_t queued = limits_queue(w, kernels, way), ended = cudaStreamEndCapture(w->stream, &graph);
    e = queued != cudaSuccess ? queued : ended;
    if (e == cudaSuccess)
        e = cudaGraphInstantiate(ret, graph, 0);
    if (graph)
        cudaGraphDestroy(graph);
    return e;
}

/* Nanoseconds from launching the graph until its end is known. */
static cudaError_t limits_launch(const struct limits_work *w, int kernels, enum limits_way way, double *ret)
{
    cudaGraphExec_t graph = NULL;
    cudaError_t e = limits_record(w, kernels, way, &graph);
    double best = 0;
    for (int i = 0; i < 20 * LIMIT_TRIES && e == cudaSuccess; i++) {
        double from = limits_now();
        e = cudaGraphLaunch(graph, w->stream);
        if (e == cudaSuccess)
            e = cudaStreamSynchronize(w->stream);
        double ns = limits_now() - from;
        best = i == 0 || ns < best ? ns : best;
    }
    if (graph)
        cudaGraphExecDestroy(graph);
    if (e == cudaSuccess)
        *ret = best;
    return e;
}

static cudaError_t limits_launches(const struct limits_work *w, struct mlo_device_limits *ret)
{
    double many = 0;
    cudaError_t e = limits_launch(w, 1, LIMITS_NO_COPY, &ret->graph_ns);
    if (e == cudaSuccess)
        e = limits_launch(w, LIMIT_KERNELS, LIMITS_NO_COPY, &many);
    if (e == cudaSuccess)
        e = limits_launch(w, 1, LIMITS_COPIED, &ret->copied_ns);
    if (e == cudaSuccess)
        e = limits_launch(w, 1, LIMITS_MAPPED, &ret->mapped_ns);
    ret->kernel_ns = many > ret->graph_ns ? (many - ret->graph_ns) / (LIMIT_KERNELS - 1) : 0;
    return e;
}

/* ---- products ---- */

/* Numbers that are not all alike: a device does zeros with less power, and so faster. */
GPU_KERNEL(gpu_scatter_kernel, gpu_bytes_moved, ELEMENT_THREADS)
{
    for (size_t i = gpu_first_element(); i < p->bytes / sizeof(uint16_t); i += gpu_element_step()) {
        uint32_t v = (uint32_t)i * 2654435761u;
        ((uint16_t *)p->to)[i] = (uint16_t)(0x2c00 | (v >> 16 & 0x83bf)); /* of no type NaN */
    }
}

struct limits_product {
    void *x, *w, *y;
};

static cudaError_t limits_take(const struct limits_work *w, const uint32_t mnk[3], unsigned type,
                               struct limits_product *p)
{
    size_t m = mnk[0], n = mnk[1], k = mnk[2], size = program_type_bytes(type);
    struct gpu_bytes_moved x = {NULL, NULL, m * k * size}, v = {NULL, NULL, n * k * size};
    cudaError_t e = cudaMalloc(&p->x, x.bytes + sizeof(float4));
    if (e == cudaSuccess)
        e = cudaMalloc(&p->w, v.bytes + sizeof(float4));
    if (e == cudaSuccess)
        e = cudaMalloc(&p->y, m * n * sizeof(float));
    x.to = p->x;
    v.to = p->w;
    if (e == cudaSuccess)
        e = (cudaError_t)GPU_LAUNCH(w->stream, gpu_scatter_kernel, ELEMENT_BLOCKS, 1, 1, ELEMENT_THREADS, 0,
                                    x);
    if (e == cudaSuccess)
        e = (cudaError_t)GPU_LAUNCH(w->stream, gpu_scatter_kernel, ELEMENT_BLOCKS, 1, 1, ELEMENT_THREADS, 0,
                                    v);
    return e;
}

static cudaError_t limits_repeat(struct lt *lt, const struct lt_job *job, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        if (!lt_run(lt, job))
            return cudaErrorNotSupported;
    return cudaSuccess;
}

/* So many as take some milliseconds. */
static cudaError_t limits_times(const struct limits_work *w, struct lt *lt, const struct lt_job *job,
                                unsigned *ret)
{
    float ms = 0;
    cudaError_t e = limits_repeat(lt, job, 1); /* chooses an algorithm */
    if (e == cudaSuccess)
        e = cudaEventRecord(w->from, w->stream);
    if (e == cudaSuccess)
        e = limits_repeat(lt, job, 1);
    if (e == cudaSuccess)
        e = limits_elapsed(w, &ms);
    if (e == cudaSuccess)
        *ret = ms > LIMIT_PRODUCTS_MS ? 1 : 1 + (unsigned)(LIMIT_PRODUCTS_MS / (ms > 0.05F ? ms : 0.05F));
    return e;
}

/* In a graph: the host is slower than small products. */
static cudaError_t limits_time_products(const struct limits_work *w, struct lt *lt, const struct lt_job *job,
                                        double *ret_ns)
{
    cudaGraph_t graph = NULL;
    cudaGraphExec_t ready = NULL;
    unsigned times = 1;
    float ms = 0, best = 0;
    cudaError_t e = limits_times(w, lt, job, &times);
    lt->tunes = false;
    if (e == cudaSuccess)
        e = cudaStreamBeginCapture(w->stream, cudaStreamCaptureModeThreadLocal);
    if (e != cudaSuccess)
        return e;
    cudaError_t queued = limits_repeat(lt, job, times), ended = cudaStreamEndCapture(w->stream, &graph);
    e = queued != cudaSuccess ? queued : ended;
    if (e == cudaSuccess)
        e = cudaGraphInstantiate(&ready, graph, 0);
    for (int i = 0; i < LIMIT_TRIES && e == cudaSuccess; i++) {
        e = cudaEventRecord(w->from, w->stream);
        if (e == cudaSuccess)
            e = cudaGraphLaunch(ready, w->stream);
        if (e == cudaSuccess)
            e = limits_elapsed(w, &ms);
        best = i == 0 || ms < best ? ms : best;
    }
    if (ready)
        cudaGraphExecDestroy(ready);
    if (graph)
        cudaGraphDestroy(graph);
    if (e == cudaSuccess)
        *ret_ns = (double)best * 1e6 / times;
    return e;
}

static cudaError_t limits_multiply(uint32_t device, const struct limits_work *w, uint32_t type, uint32_t how,
                                   const uint32_t mnk[3], double *ret_ns)
{
    struct limits_product p = {};
    struct lt lt = {};
    struct lt_job job = {};
    cudaError_t e = take_library(&lt, (int)device, (how & MLO_DEVICE_TF32) != 0, w->stream);
    lt.tunes = true;
    if (e == cudaSuccess && !lt.handle)
        e = cudaErrorNotSupported;
    if (e == cudaSuccess)
        e = limits_take(w, mnk, type, &p);
    job.x = p.x;
    job.w = p.w;
    job.y = p.y;
    job.m = mnk[0];
    job.n = mnk[1];
    job.k = mnk[2];
    job.from = type;
    job.to = type;
    if (type == MLO_DEVICE_I8)
        job.to = MLO_DEVICE_I32;
    else if (type == MLO_DEVICE_E4M3)
        job.to = MLO_DEVICE_F32;
    job.epilogue = LT_EPILOGUE_DEFAULT;
    if (e == cudaSuccess)
        e = limits_time_products(w, &lt, &job, ret_ns);
    cudaStreamSynchronize(w->stream);
    cudaFree(p.x);
    cudaFree(p.w);
    cudaFree(p.y);
    free_library(&lt);
    return e;
}

/* A type that the device or the library does not multiply has a rate of 0. */
static cudaError_t limits_rate(uint32_t device, const struct limits_work *w, uint32_t type, uint32_t how,
                               double *ret)
{
    static const uint32_t large[3] = {LIMIT_LARGE, LIMIT_LARGE, LIMIT_LARGE};
    double ns = 0;
    cudaError_t e = limits_multiply(device, w, type, how, large, &ns);
    if (e == cudaErrorNotSupported)
        return cudaSuccess;
    if (e == cudaSuccess && ns > 0)
        *ret = 2.0 * LIMIT_LARGE * LIMIT_LARGE * LIMIT_LARGE / ns * 1e9;
    return e;
}

static cudaError_t limits_products(uint32_t device, const struct limits_work *w,
                                   struct mlo_device_limits *ret)
{
    static const uint32_t types[] = {MLO_DEVICE_F32, MLO_DEVICE_F16, MLO_DEVICE_BF16, MLO_DEVICE_I8,
                                     MLO_DEVICE_E4M3};
    cudaError_t e = limits_rate(device, w, MLO_DEVICE_F32, MLO_DEVICE_TF32, &ret->tf32);
    for (unsigned i = 0; i < sizeof types / sizeof *types && e == cudaSuccess; i++)
        e = limits_rate(device, w, types[i], 0, &ret->flops[types[i]]);
    return e;
}

/* ---- all ---- */

static int limits(uint32_t device, struct mlo_device_limits *ret, char *reason)
{
    struct limits_work w = {};
    struct mlo_device_limits l = {};
    cudaError_t e = limits_work_new(device, &w);
    if (e == cudaSuccess)
        e = limits_copy(&w, w.device, w.device + LIMIT_BYTES, &l.copy);
    if (e == cudaSuccess)
        e = limits_copy(&w, w.device, w.pinned, &l.in);
    if (e == cudaSuccess)
        e = limits_copy(&w, w.pinned, w.device, &l.out);
    if (e == cudaSuccess)
        e = limits_launches(&w, &l);
    if (e == cudaSuccess)
        e = limits_products(device, &w, &l);
    limits_work_free(&w);
    l.copy *= 2; /* read and written */
    if (e == cudaSuccess)
        *ret = l;
    return tell(e, "the device cannot be measured", reason);
}

static int product_ns(uint32_t device, uint32_t type, uint32_t how, const uint32_t mnk[3], double *ret,
                      char *reason)
{
    struct limits_work w = {};
    cudaError_t e = limits_work_new(device, &w);
    if (e == cudaSuccess)
        e = limits_multiply(device, &w, type, how, mnk, ret);
    limits_work_free(&w);
    return tell(e, "the product cannot be measured", reason);
}

#endif

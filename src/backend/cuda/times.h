/*
 * What each step of a program takes: two more graphs of it, whose kernels have events around them, which the
 * device notes the time of. The host has no part in that, so it does not matter how fast it launches.
 */
#ifndef MLO_BACKEND_CUDA_TIMES_H
#define MLO_BACKEND_CUDA_TIMES_H

#include "run.h"

/* A node of the graph, not only an order between streams. */
static cudaError_t times_look(struct mlo_device_run *p, uint32_t i)
{
    return cudaEventRecordWithFlags(p->watch.at[i], p->stream, cudaEventRecordExternal);
}

/* each: an event between any two steps, not at both ends alone. */
static cudaError_t times_queue(struct mlo_device_run *p, bool each)
{
    struct run_slot *s = &p->slots[0];
    struct mlo_device_program program = {p->buffers, p->steps,   p->n_buffers,
                                         p->n_steps, p->lt.tf32, p->depth};
    struct gpu_machine m = machine_of(p);
    cudaError_t e = times_look(p, 0);
    if (e == cudaSuccess)
        e = copy_between(p, s, true, p->stream);
    if (e == cudaSuccess && each)
        e = times_look(p, 1);
    for (uint32_t i = 0; i < p->n_steps && e == cudaSuccess; i++) {
        e = (cudaError_t)gpu_launch_step(&m, &program, i, &s->layout, p->memory, p->weights);
        if (e == cudaSuccess && each)
            e = times_look(p, i + 2);
    }
    if (e == cudaSuccess)
        e = copy_between(p, s, false, p->stream);
    return e == cudaSuccess ? times_look(p, watch_events(p) - 1) : e;
}

static cudaError_t times_record(struct mlo_device_run *p, bool each, cudaGraphExec_t *ret)
{
    cudaError_t e = cudaStreamBeginCapture(p->stream, cudaStreamCaptureModeThreadLocal);
    return e == cudaSuccess ? end_capture(p, times_queue(p, each), ret) : e;
}

static cudaError_t times_prepare(struct mlo_device_run *p)
{
    cudaError_t e = cudaSuccess;
    if (p->watch.at)
        return e;
    p->watch.at = (cudaEvent_t *)calloc(watch_events(p), sizeof *p->watch.at);
    if (!p->watch.at)
        return cudaErrorMemoryAllocation;
    for (uint32_t i = 0; i < watch_events(p) && e == cudaSuccess; i++)
        e = cudaEventCreate(&p->watch.at[i]);
    if (e == cudaSuccess)
        e = times_record(p, false, &p->watch.plain);
    return e == cudaSuccess ? times_record(p, true, &p->watch.looked) : e;
}

static cudaError_t times_between(const struct mlo_device_run *p, uint32_t from, uint32_t to, double *ret_ns)
{
    float ms = 0;
    cudaError_t e = cudaEventElapsedTime(&ms, p->watch.at[from], p->watch.at[to]);
    *ret_ns = 1e6 * (double)ms;
    return e;
}

static cudaError_t times_run(const struct mlo_device_run *p, cudaGraphExec_t graph)
{
    cudaError_t e = cudaGraphLaunch(graph, p->stream);
    return e == cudaSuccess ? cudaStreamSynchronize(p->stream) : e;
}

static int program_times(struct mlo_device_run *p, struct mlo_device_times *ret, char *reason)
{
    uint32_t last = watch_events(p) - 1;
    cudaError_t e = cudaSetDevice(p->device);
    if (e == cudaSuccess)
        e = times_prepare(p);
    if (e == cudaSuccess)
        e = times_run(p, p->watch.plain);
    if (e == cudaSuccess)
        e = times_between(p, 0, last, &ret->all);
    if (e == cudaSuccess)
        e = times_run(p, p->watch.looked);
    if (e == cudaSuccess)
        e = times_between(p, 0, 1, &ret->in);
    for (uint32_t i = 0; i < p->n_steps && e == cudaSuccess; i++)
        e = times_between(p, i + 1, i + 2, &ret->steps[i]);
    if (e == cudaSuccess)
        e = times_between(p, last - 1, last, &ret->out);
    return tell(e, "the steps cannot be timed", reason);
}

#endif

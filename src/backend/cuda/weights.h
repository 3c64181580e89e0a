/* Weights on a device: copied once, shared by all programs of a model. */
#ifndef MLO_BACKEND_CUDA_WEIGHTS_H
#define MLO_BACKEND_CUDA_WEIGHTS_H

#include <stdlib.h>
#include <string.h>

#include "program.h"
#include "status.h"

struct mlo_device_weights {
    int device;
    uint32_t n;
    struct mlo_device_weight *facts; /* without data */
    void **at;
};

static void weights_free(struct mlo_device_weights *w)
{
    if (!w)
        return;
    if (cudaSetDevice(w->device) == cudaSuccess)
        for (uint32_t i = 0; w->at && i < w->n; i++)
            cudaFree(w->at[i]);
    free(w->at);
    free(w->facts);
    free(w);
}

static cudaError_t copy_weights(struct mlo_device_weights *w, const struct mlo_device_weight *from)
{
    cudaError_t e = cudaSetDevice(w->device);
    for (uint32_t i = 0; i < w->n && e == cudaSuccess; i++) {
        size_t bytes = from[i].n * program_type_bytes(from[i].type);
        e = cudaMalloc(&w->at[i], bytes);
        if (e == cudaSuccess)
            e = cudaMemcpy(w->at[i], from[i].data, bytes, cudaMemcpyHostToDevice);
        w->facts[i] = from[i];
        w->facts[i].data = NULL;
    }
    return e;
}

static int weights_new(uint32_t device, const struct mlo_device_weight *from, uint32_t n,
                       struct mlo_device_weights **ret, char *reason)
{
    for (uint32_t i = 0; i < n; i++)
        if (from[i].type >= MLO_DEVICE_TYPES || from[i].n == 0 || from[i].n > PROGRAM_ELEMENTS ||
            !from[i].data) {
            snprintf(reason, MLO_DEVICE_REASON, "weight %u: type %u, %llu elements", i, from[i].type,
                     (unsigned long long)from[i].n);
            return MLO_DEVICE_UNSUPPORTED;
        }
    struct mlo_device_weights *w = (struct mlo_device_weights *)calloc(1, sizeof *w);
    if (!w)
        return no_memory(reason);
    w->device = (int)device;
    w->n = n;
    w->facts = (struct mlo_device_weight *)calloc(n + 1, sizeof *w->facts);
    w->at = (void **)calloc(n + 1, sizeof *w->at);
    int rc = w->facts && w->at ? tell(copy_weights(w, from), "cannot copy the weights", reason)
                               : no_memory(reason);
    if (rc != MLO_DEVICE_OK)
        weights_free(w);
    else
        *ret = w;
    return rc;
}

#endif

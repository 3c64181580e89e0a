/* Kernels of what is done to columns of a table before a model sees them. */
#ifndef MLO_BACKEND_CUDA_TABULAR_H
#define MLO_BACKEND_CUDA_TABULAR_H

#include "elements.h"

struct gpu_columns {
    const void *x;
    const float *key, *value;
    void *y;
    size_t n;        /* numbers of y; of PLACE, of x */
    unsigned width;  /* numbers of a row of those */
    unsigned from;   /* the type of x */
    unsigned m, end; /* of PLACE */
    float number;
};

GPU_KERNEL(gpu_replace, gpu_columns, ELEMENT_THREADS)
{
    for (size_t i = gpu_first_element(); i < p->n; i += gpu_element_step()) {
        float v = ((const float *)p->x)[i];
        bool is_it = isnan(p->number) ? isnan(v) : v == p->number;
        ((float *)p->y)[i] = is_it ? p->key[i % p->width] : v;
    }
}

GPU_KERNEL(gpu_one_hot, gpu_columns, ELEMENT_THREADS)
{
    for (size_t i = gpu_first_element(); i < p->n; i += gpu_element_step()) {
        float key = p->key[i % p->width];
        bool is_it = p->from == MLO_DEVICE_I64 ? ((const int64_t *)p->x)[i / p->width] == (int64_t)key
                                               : truncf(((const float *)p->x)[i / p->width]) == key;
        ((float *)p->y)[i] = is_it ? 1.0f : 0.0f;
    }
}

/* width: of the keys. */
GPU_KERNEL(gpu_look_up, gpu_columns, ELEMENT_THREADS)
{
    for (size_t i = gpu_first_element(); i < p->n; i += gpu_element_step()) {
        float v = ((const float *)p->x)[i];
        unsigned from = 0;
        for (unsigned n = p->width; n > 0;) {
            unsigned half = n / 2;
            bool is_less = p->key[from + half] < v;
            from += is_less ? half + 1 : 0;
            n = is_less ? n - half - 1 : half;
        }
        ((float *)p->y)[i] = from < p->width && p->key[from] == v ? p->value[from] : p->number;
    }
}

GPU_FN void gpu_place_all(const struct gpu_columns *p, unsigned type)
{
    for (size_t i = gpu_first_element(); i < p->n; i += gpu_element_step()) {
        size_t row = i / p->width;
        gpu_put(p->y, type, row * p->m + p->end - p->width + (i - row * p->width), gpu_get(p->x, type, i));
    }
}
GPU_TYPED(gpu_place_all, gpu_columns, ELEMENT_THREADS)

#endif

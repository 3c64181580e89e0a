/*
 * cuBLASLt, opened when a program has a dense layer: of the library, which is some hundreds of megabytes,
 * only what is called here is declared. Names, numbers and structs are those of cublasLt.h and cublas_api.h
 * of CUDA 13.0 (package nvidia-cublas 13.0.2).
 */
#ifndef MLO_BACKEND_CUDA_CUBLASLT_H
#define MLO_BACKEND_CUDA_CUBLASLT_H

#include <dlfcn.h>

#include "product.h"

#define LT_LIBRARY   "libcublasLt.so.13"
#define LT_WORKSPACE ((size_t)32 << 20) /* what NVIDIA advises for Hopper */

enum { LT_COMPUTE_32F = 68, LT_COMPUTE_32I = 72, LT_COMPUTE_32F_FAST_TF32 = 77 }; /* cublasComputeType_t */
enum {
    LT_DESC_TRANSA = 3,
    LT_DESC_EPILOGUE = 7,
    LT_DESC_BIAS_POINTER = 8,
    LT_DESC_A_SCALE_POINTER = 17,
    LT_DESC_B_SCALE_POINTER = 18,
    LT_DESC_A_SCALE_MODE = 31,
    LT_DESC_B_SCALE_MODE = 32
};
enum { LT_SCALE_OUTER_VEC_32F = 3 }; /* cublasLtMatmulMatrixScale_t: a number for each row, for each column */
enum { LT_EPILOGUE_DEFAULT = 1, LT_EPILOGUE_RELU = 2, LT_EPILOGUE_BIAS = 4, LT_EPILOGUE_GELU = 32 };
enum { LT_PREF_MAX_WORKSPACE_BYTES = 1 };
enum { LT_OP_T = 1 };

struct lt_algo {
    uint64_t data[8];
};
struct lt_heuristic {
    struct lt_algo algo;
    size_t workspace;
    int state;
    float waves;
    int reserved[4];
};
struct lt_api {
    int (*create)(void **handle);
    int (*destroy)(void *handle);
    int (*desc_create)(void **desc, int compute, int scale_type);
    int (*desc_destroy)(void *desc);
    int (*desc_set)(void *desc, int attribute, const void *value, size_t size);
    int (*layout_create)(void **layout, int type, uint64_t rows, uint64_t columns, int64_t leading);
    int (*layout_destroy)(void *layout);
    int (*pref_create)(void **pref);
    int (*pref_destroy)(void *pref);
    int (*pref_set)(void *pref, int attribute, const void *value, size_t size);
    int (*heuristic)(void *handle, void *desc, void *a, void *b, void *c, void *d, void *pref, int wanted,
                     struct lt_heuristic *ret, int *ret_n);
    int (*check)(void *handle, void *desc, void *a, void *b, void *c, void *d, const struct lt_algo *algo,
                 struct lt_heuristic *ret);
    int (*matmul)(void *handle, void *desc, const void *alpha, const void *a, void *a_layout, const void *b,
                  void *b_layout, const void *beta, const void *c, void *c_layout, void *d, void *d_layout,
                  const struct lt_algo *algo, void *workspace, size_t workspace_size, cudaStream_t stream);
    size_t (*version)(void);
};

/* NULL: not there. Opened once, never closed. */
static inline const struct lt_api *lt_open(void)
{
    static const char *const names[] = {"cublasLtCreate",
                                        "cublasLtDestroy",
                                        "cublasLtMatmulDescCreate",
                                        "cublasLtMatmulDescDestroy",
                                        "cublasLtMatmulDescSetAttribute",
                                        "cublasLtMatrixLayoutCreate",
                                        "cublasLtMatrixLayoutDestroy",
                                        "cublasLtMatmulPreferenceCreate",
                                        "cublasLtMatmulPreferenceDestroy",
                                        "cublasLtMatmulPreferenceSetAttribute",
                                        "cublasLtMatmulAlgoGetHeuristic",
                                        "cublasLtMatmulAlgoCheck",
                                        "cublasLtMatmul",
                                        "cublasLtGetVersion"};
    static const struct lt_api *api = []() -> const struct lt_api *
    {
        static union {
            void *symbols[sizeof names / sizeof *names];
            struct lt_api api;
        } all;
        static_assert(sizeof all.symbols == sizeof all.api, "one name for each function");
        void *library = dlopen(LT_LIBRARY, RTLD_NOW | RTLD_LOCAL);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (!library || !(all.symbols[i] = dlsym(library, names[i])))
                return nullptr;
        return &all.api;
    }
    ();
    return api;
}

/* One caller's. */
struct lt {
    const struct lt_api *api;
    void *handle, *workspace; /* workspace: LT_WORKSPACE bytes on the device */
    bool tf32;
    int device;
    cudaStream_t queue;
    bool tunes;           /* nothing is recorded: candidates may be timed */
    double tune_ms;       /* that are left to be spent on it */
    cudaEvent_t from, to; /* NULL: not timed */
};

/* A product as the library does it; types are enum mlo_device_type. */
struct lt_job {
    const void *x, *w, *bias;         /* bias NULL: none */
    const float *x_scales, *w_scales; /* of each row and column; NULL: not scaled */
    void *y;
    unsigned m, n, k, from, to;
    int epilogue;
};

/* The objects of one product: y' = w x' as the library sees it, column by column, so that its bias, one
 * number a row of the result, is ours, one a column. */
struct lt_product {
    void *desc, *w, *x, *y, *pref;
};

static inline void lt_product_free(const struct lt_api *api, struct lt_product *o)
{
    void *layouts[] = {o->w, o->x, o->y};
    if (o->desc)
        api->desc_destroy(o->desc);
    for (void *l : layouts)
        if (l)
            api->layout_destroy(l);
    if (o->pref)
        api->pref_destroy(o->pref);
}

/* The activation that the library does along with the product; what is left stays in *activation. */
static inline int lt_epilogue(const void *bias, unsigned *activation)
{
    int epilogue = *activation == MLO_DEVICE_RELU        ? LT_EPILOGUE_RELU
                   : *activation == MLO_DEVICE_GELU_TANH ? LT_EPILOGUE_GELU
                                                         : 0;
    if (epilogue)
        *activation = MLO_DEVICE_LINEAR;
    epilogue |= bias ? LT_EPILOGUE_BIAS : 0;
    return epilogue ? epilogue : LT_EPILOGUE_DEFAULT;
}

static inline int lt_type(unsigned type)
{
    switch (type) {
    case MLO_DEVICE_F16:
        return CUDA_R_16F;
    case MLO_DEVICE_BF16:
        return CUDA_R_16BF;
    case MLO_DEVICE_I8:
        return CUDA_R_8I;
    case MLO_DEVICE_E4M3:
        return CUDA_R_8F_E4M3;
    case MLO_DEVICE_I32:
        return CUDA_R_32I;
    default:
        return CUDA_R_32F;
    }
}

static inline bool lt_set_scales(const struct lt_api *api, const struct lt_job *p, void *desc)
{
    const int mode = LT_SCALE_OUTER_VEC_32F;
    return !p->x_scales ||
           (api->desc_set(desc, LT_DESC_A_SCALE_MODE, &mode, sizeof mode) == 0 &&
            api->desc_set(desc, LT_DESC_B_SCALE_MODE, &mode, sizeof mode) == 0 &&
            api->desc_set(desc, LT_DESC_A_SCALE_POINTER, &p->w_scales, sizeof p->w_scales) == 0 &&
            api->desc_set(desc, LT_DESC_B_SCALE_POINTER, &p->x_scales, sizeof p->x_scales) == 0);
}

/* The bias is of the result's type; sums are floats, and of I8 whole. */
static inline bool lt_describe(const struct lt *lt, const struct lt_job *p, struct lt_product *o)
{
    const struct lt_api *api = lt->api;
    const int turned = LT_OP_T, from = lt_type(p->from);
    const size_t workspace = LT_WORKSPACE;
    bool fast = lt->tf32 && p->from == MLO_DEVICE_F32, whole = p->from == MLO_DEVICE_I8;
    int compute = whole ? LT_COMPUTE_32I : fast ? LT_COMPUTE_32F_FAST_TF32 : LT_COMPUTE_32F;
    return api->desc_create(&o->desc, compute, whole ? CUDA_R_32I : CUDA_R_32F) == 0 &&
           api->desc_set(o->desc, LT_DESC_TRANSA, &turned, sizeof turned) == 0 &&
           api->desc_set(o->desc, LT_DESC_EPILOGUE, &p->epilogue, sizeof p->epilogue) == 0 &&
           (!p->bias || api->desc_set(o->desc, LT_DESC_BIAS_POINTER, &p->bias, sizeof p->bias) == 0) &&
           lt_set_scales(api, p, o->desc) && api->layout_create(&o->w, from, p->k, p->n, p->k) == 0 &&
           api->layout_create(&o->x, from, p->k, p->m, p->k) == 0 &&
           api->layout_create(&o->y, lt_type(p->to), p->n, p->m, p->n) == 0 &&
           api->pref_create(&o->pref) == 0 &&
           api->pref_set(o->pref, LT_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace) == 0;
}

static inline bool lt_multiply(const struct lt *lt, const struct lt_job *p, const struct lt_product *o,
                               const struct lt_algo *algo)
{
    const float one = 1, zero = 0;
    const int32_t whole_one = 1, whole_zero = 0;
    bool whole = p->from == MLO_DEVICE_I8;
    const void *alpha = whole ? (const void *)&whole_one : &one,
               *beta = whole ? (const void *)&whole_zero : &zero;
    return lt->api->matmul(lt->handle, o->desc, alpha, p->w, o->w, p->x, o->x, beta, p->y, o->y, p->y, o->y,
                           algo, lt->workspace, LT_WORKSPACE, lt->queue) == 0;
}

#endif

/*
 * What kernels are written in: the C that nvcc and a C compiler both take. A kernel is a function of one
 * struct, started by GPU_LAUNCH. Without nvcc, MLO_GPU_ON_CPU is defined and tests/unit/gpu_on_cpu.h runs the
 * threads of a block one after another, so that what kernels compute is tested where there is no GPU.
 */
#ifndef MLO_BACKEND_CUDA_GPU_H
#define MLO_BACKEND_CUDA_GPU_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GPU_WARP 32
#define GPU_ALL  0xffffffffu /* lanes of a warp */
#define GPU_ROOM 49152u      /* bytes of shared memory that a block may have without asking for more */

#ifndef MLO_GPU_ON_CPU

#define GPU_FN                    static __device__ __forceinline__
#define GPU_SHARED(type, name, n) __shared__ type name[n] /* of a block */
#define GPU_UNROLL                _Pragma("unroll")
#define GPU_KERNEL(name, type, threads)                                                                      \
    static __device__ __forceinline__ void name##_body(const struct type *p);                                \
    static __global__ void __launch_bounds__(threads) name(const __grid_constant__ struct type p)            \
    {                                                                                                        \
        name##_body(&p);                                                                                     \
    }                                                                                                        \
    static __device__ __forceinline__ void name##_body(const struct type *p)
typedef cudaStream_t gpu_queue;
/* An int: 0, or a cudaError_t. */
#define GPU_LAUNCH(queue, name, x, y, z, threads, bytes, p)                                                  \
    (name<<<dim3(x, y, z), threads, bytes, queue>>>(p), (int)cudaGetLastError())
/* The dynamic shared memory of a block. */
extern __shared__ float4 gpu_room[];

#endif

/* Of all lanes of a warp, to all. */
GPU_FN float gpu_warp_sum(float v)
{
    for (int lane = GPU_WARP / 2; lane; lane /= 2)
        v += __shfl_xor_sync(GPU_ALL, v, lane);
    return v;
}

GPU_FN float gpu_warp_max(float v)
{
    for (int lane = GPU_WARP / 2; lane; lane /= 2)
        v = fmaxf(v, __shfl_xor_sync(GPU_ALL, v, lane));
    return v;
}

/* Of all threads of a block, to all; shared: a float for each of its warps. */
GPU_FN float gpu_block_sum(float v, float *shared, unsigned warps)
{
    float sum = 0;
    v = gpu_warp_sum(v);
    __syncthreads();
    if (threadIdx.x % GPU_WARP == 0)
        shared[threadIdx.x / GPU_WARP] = v;
    __syncthreads();
    for (unsigned i = 0; i < warps; i++)
        sum += shared[i];
    return sum;
}

#endif

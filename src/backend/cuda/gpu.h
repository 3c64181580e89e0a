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

#include <mlopsctl/device.h>

#define GPU_WARP 32
#define GPU_ALL  0xffffffffu /* lanes of a warp */
#define GPU_ROOM 49152u      /* bytes of shared memory that a block may have without asking for more */

#ifndef MLO_GPU_ON_CPU

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

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

GPU_FN float gpu_of_half(uint16_t v)
{
    return __half2float(__ushort_as_half(v));
}
GPU_FN uint16_t gpu_to_half(float v)
{
    return __half_as_ushort(__float2half_rn(v));
}
GPU_FN uint16_t gpu_to_bfloat(float v)
{
    return __bfloat16_as_ushort(__float2bfloat16_rn(v));
}
GPU_FN float gpu_of_bfloat(uint16_t v)
{
    return __uint_as_float((unsigned)v << 16);
}
GPU_FN uint8_t gpu_to_e4m3(float v)
{
    return __nv_cvt_float_to_fp8(v, __NV_SATFINITE, __NV_E4M3);
}
/* Two of them as halves; all are. Older devices are refused before (run.h), and have no instruction for it.
 */
GPU_FN uint32_t gpu_halves_of_e4m3(uint16_t two)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 890
    (void)two;
    return 0;
#else
    __half2_raw both = __nv_cvt_fp8x2_to_halfraw2(two, __NV_E4M3);
    return both.x | (uint32_t)both.y << 16;
#endif
}
/* Four products of signed bytes, added up. */
GPU_FN int32_t gpu_dot_four(uint32_t a, uint32_t b, int32_t sum)
{
    return __dp4a((int)a, (int)b, sum);
}
GPU_FN int32_t gpu_pass_whole(int32_t v, int lane)
{
    return __shfl_xor_sync(GPU_ALL, v, lane);
}
/* A product and a sum of their own, not one with a single rounding: what the CPU does. */
GPU_FN float gpu_times(float a, float b)
{
    return __fmul_rn(a, b);
}
GPU_FN float gpu_plus(float a, float b)
{
    return __fadd_rn(a, b);
}
/* A product of a warp on tensor cores, c[16][8] += a[16][32] b[32][8], of signed bytes; where numbers are in
 * registers: product_bytes.h. */
GPU_FN void gpu_mma_bytes(int32_t c[4], const uint32_t a[4], const uint32_t b[2])
{
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
/* A product of a warp on tensor cores, c[16][8] += a[16][16] b[16][8], of halves; where numbers are in
 * registers: attention_tensor.h. */
GPU_FN void gpu_mma(float c[4], const uint32_t a[4], const uint32_t b[2], unsigned type)
{
    if (type == MLO_DEVICE_F16)
        asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
            "{%0,%1,%2,%3};"
            : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    else
        asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
            "{%0,%1,%2,%3};"
            : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

#endif

/* Floats of any type in memory: a float for a sum. `type` is a constant wherever a kernel is compiled. */
GPU_FN float gpu_get(const void *at, unsigned type, size_t i)
{
    return type == MLO_DEVICE_F32   ? ((const float *)at)[i]
           : type == MLO_DEVICE_F16 ? gpu_of_half(((const uint16_t *)at)[i])
                                    : gpu_of_bfloat(((const uint16_t *)at)[i]);
}

GPU_FN uint16_t gpu_narrow(unsigned type, float v)
{
    return type == MLO_DEVICE_F16 ? gpu_to_half(v) : gpu_to_bfloat(v);
}

GPU_FN void gpu_put(void *at, unsigned type, size_t i, float v)
{
    if (type == MLO_DEVICE_F32)
        ((float *)at)[i] = v;
    else
        ((uint16_t *)at)[i] = gpu_narrow(type, v);
}

/* A kernel for each type, of a function of its struct and the type; GPU_LAUNCH_TYPED starts the right one. */
#define GPU_TYPED(name, params, threads)                                                                     \
    GPU_KERNEL(name##_f32, params, threads)                                                                  \
    {                                                                                                        \
        name(p, MLO_DEVICE_F32);                                                                             \
    }                                                                                                        \
    GPU_KERNEL(name##_f16, params, threads)                                                                  \
    {                                                                                                        \
        name(p, MLO_DEVICE_F16);                                                                             \
    }                                                                                                        \
    GPU_KERNEL(name##_bf16, params, threads)                                                                 \
    {                                                                                                        \
        name(p, MLO_DEVICE_BF16);                                                                            \
    }
#define GPU_LAUNCH_TYPED(type, queue, name, x, y, z, threads, bytes, p)                                      \
    ((type) == MLO_DEVICE_F32   ? GPU_LAUNCH(queue, name##_f32, x, y, z, threads, bytes, p)                  \
     : (type) == MLO_DEVICE_F16 ? GPU_LAUNCH(queue, name##_f16, x, y, z, threads, bytes, p)                  \
                                : GPU_LAUNCH(queue, name##_bf16, x, y, z, threads, bytes, p))

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

GPU_FN int32_t gpu_warp_sum_whole(int32_t v)
{
    for (int lane = GPU_WARP / 2; lane; lane /= 2)
        v += gpu_pass_whole(v, lane);
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

GPU_FN float gpu_block_max(float v, float *shared, unsigned warps)
{
    v = gpu_warp_max(v);
    __syncthreads();
    if (threadIdx.x % GPU_WARP == 0)
        shared[threadIdx.x / GPU_WARP] = v;
    __syncthreads();
    for (unsigned i = 0; i < warps; i++)
        v = fmaxf(v, shared[i]);
    return v;
}

#endif

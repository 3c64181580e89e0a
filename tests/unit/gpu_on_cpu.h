/*
 * A GPU's block on one core: each of its threads is a context of its own, which runs until it waits for the
 * others. Blocks run one after another. The order of the threads can be turned: where a kernel lacks a
 * barrier, the two orders differ. Shared memory begins as NaN, and is as large as the launch says, so that
 * AddressSanitizer sees what reaches beyond. ThreadSanitizer is told which threads there are and where they
 * wait for each other, so that it reports memory that two of them use without a barrier between.
 */
#ifndef TESTS_UNIT_GPU_ON_CPU_H
#define TESTS_UNIT_GPU_ON_CPU_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <mlopsctl/device.h>

#define MLO_GPU_ON_CPU
#define GPU_FN                    static inline
#define GPU_SHARED(type, name, n) static type name[n]
#define GPU_UNROLL
#define GPU_KERNEL(name, type, threads)                                                                      \
    static void name##_body(const struct type *p);                                                           \
    static void name(const void *p)                                                                          \
    {                                                                                                        \
        name##_body(p);                                                                                      \
    }                                                                                                        \
    static void name##_body(const struct type *p)
#define GPU_LAUNCH(queue, name, x, y, z, threads, bytes, p)                                                  \
    ((void)(queue), gpu_on_cpu(name, (struct gpu_grid){x, y, z}, threads, bytes, &(p)))

typedef int gpu_queue;
typedef struct {
    _Alignas(16) float x;
    float y, z, w;
} float4;
struct gpu_grid {
    unsigned x, y, z;
};

#define CONTEXTS 256
#define STACK    65536

enum gpu_wait { GPU_RUNS, GPU_WAITS_WARP, GPU_WAITS_BLOCK, GPU_ENDED };
/* Where a context goes on: a buffer of __builtin_setjmp, because each swapcontext is two system calls, and a
 * model changes contexts millions of times. */
struct gpu_place {
    void *words[5];
    void *fiber; /* ThreadSanitizer's name of the thread */
};
static struct {
    struct gpu_place home, place[CONTEXTS];
    char meeting[GPU_ENDED + 1][2][CONTEXTS / 32]; /* addresses: gpu_meeting */
    unsigned char met[CONTEXTS][GPU_ENDED + 1];
    bool begun[CONTEXTS];
    enum gpu_wait wait[CONTEXTS];
    float lane[CONTEXTS];                    /* what each passes to the others of its warp */
    uint32_t a[CONTEXTS][4], b[CONTEXTS][2]; /* likewise, of a product of the warp */
    unsigned n, now;
    bool turned;
    void (*kernel)(const void *);
    const void *params;
    char *stacks;
} gpu_block;
static struct gpu_grid blockIdx, gridDim;
static float4 *gpu_room;

/* What takes the place of the machine is not looked at by ThreadSanitizer: only what kernels do is. */
#define GPU_UNSEEN __attribute__((no_sanitize_thread)) static
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#define GPU_TELL(what) what
#else
#define GPU_TELL(what) (void)0
#endif

/* No thread comes to the next but one of these before all have left this one, so two places are enough. */
GPU_UNSEEN inline void *gpu_meeting(enum gpu_wait wait)
{
    unsigned warp = wait == GPU_WAITS_WARP ? gpu_block.now / 32 : 0;
    return &gpu_block.meeting[wait][gpu_block.met[gpu_block.now][wait] % 2][warp];
}

GPU_UNSEEN inline struct gpu_grid gpu_thread_index(void)
{
    return (struct gpu_grid){.x = gpu_block.now};
}
#define threadIdx gpu_thread_index()

/* Not instrumented: AddressSanitizer takes a jump for the end of frames, which go on later. */
#define GPU_JUMPS __attribute__((noinline, no_sanitize_address)) GPU_UNSEEN void
GPU_JUMPS gpu_go_to(struct gpu_place *to) /* the compiler wants a function between the two */
{
    GPU_TELL(__tsan_switch_to_fiber(to->fiber, __tsan_switch_to_fiber_no_sync));
    __builtin_longjmp(to->words, 1);
}

GPU_JUMPS gpu_go_from(struct gpu_place *from, struct gpu_place *to)
{
    if (!__builtin_setjmp(from->words))
        gpu_go_to(to);
}

/* Called through a pointer that may change, so that the compiler does not know which registers and which
 * memory stay as they are: all other threads go on meanwhile. */
static void (*volatile gpu_go)(struct gpu_place *from, struct gpu_place *to) = gpu_go_from;

GPU_UNSEEN void gpu_wait(enum gpu_wait wait)
{
    gpu_block.wait[gpu_block.now] = wait;
    gpu_go(&gpu_block.place[gpu_block.now], &gpu_block.home);
}

/* A wait that orders memory. */
GPU_UNSEEN void gpu_barrier(enum gpu_wait wait)
{
    GPU_TELL(__tsan_release(gpu_meeting(wait)));
    gpu_wait(wait);
    GPU_TELL(__tsan_acquire(gpu_meeting(wait)));
    gpu_block.met[gpu_block.now][wait]++;
}

static inline void __syncthreads(void)
{
    gpu_barrier(GPU_WAITS_BLOCK);
}

static inline void __syncwarp(void)
{
    gpu_barrier(GPU_WAITS_WARP);
}

/* Values go from thread to thread, but nothing is said about memory. */
GPU_UNSEEN inline float __shfl_xor_sync(unsigned lanes, float v, int other)
{
    (void)lanes;
    gpu_block.lane[gpu_block.now] = v;
    gpu_wait(GPU_WAITS_WARP);
    float got = gpu_block.lane[gpu_block.now ^ (unsigned)other];
    gpu_wait(GPU_WAITS_WARP);
    return got;
}

/* Halves, by their definition: sign, exponent, fraction. */
static inline float gpu_of_half(uint16_t v)
{
    int exponent = v >> 10 & 31, fraction = v & 1023;
    float size = exponent == 31  ? (fraction ? NAN : INFINITY)
                 : exponent == 0 ? ldexpf((float)fraction, -24)
                                 : ldexpf((float)(1024 + fraction), exponent - 25);
    return v & 0x8000 ? -size : size;
}

static inline uint16_t gpu_to_half(float v)
{
    uint16_t sign = signbit(v) ? 0x8000 : 0;
    float size = fabsf(v);
    int exponent;
    if (isnan(v))
        return 0x7fff;
    if (size >= 65520)
        return sign | 0x7c00;
    (void)frexpf(size, &exponent); /* size is below 2^exponent */
    int least = size == 0 || exponent < -13 ? -24 : exponent - 11;
    long units = lrintf(ldexpf(size, -least)); /* 2048 of them: the next exponent */
    return (uint16_t)(sign + (least == -24 ? units : units + (((long)least + 24) << 10)));
}

static inline float gpu_of_bfloat(uint16_t v)
{
    uint32_t bits = (uint32_t)v << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline uint16_t gpu_to_bfloat(float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    if (isnan(v))
        return 0x7fff;
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline float gpu_part_of(uint32_t two, unsigned which, unsigned type)
{
    uint16_t v = (uint16_t)(two >> 16 * which);
    return type == MLO_DEVICE_F16 ? gpu_of_half(v) : gpu_of_bfloat(v);
}

/* The registers of the warp put together as the instruction does: attention_tensor.h. */
GPU_UNSEEN inline void gpu_mma(float c[4], const uint32_t a[4], const uint32_t b[2], unsigned type)
{
    unsigned own = gpu_block.now, warp = own / 32 * 32, g = own % 32 / 4, t = own % 4;
    memcpy(gpu_block.a[own], a, sizeof gpu_block.a[own]);
    memcpy(gpu_block.b[own], b, sizeof gpu_block.b[own]);
    gpu_wait(GPU_WAITS_WARP);
    for (unsigned i = 0; i < 4; i++) {
        unsigned row = g + i / 2 * 8, column = 2 * t + i % 2;
        for (unsigned k = 0; k < 16; k++) {
            uint32_t x = gpu_block.a[warp + row % 8 * 4 + k % 8 / 2][row / 8 + k / 8 * 2];
            uint32_t y = gpu_block.b[warp + column * 4 + k % 8 / 2][k / 8];
            c[i] += gpu_part_of(x, k % 2, type) * gpu_part_of(y, k % 2, type);
        }
    }
    gpu_wait(GPU_WAITS_WARP);
}

static inline float gpu_of_e4m3(uint8_t v)
{
    int exponent = v >> 3 & 15, fraction = v & 7;
    float size = exponent == 15 && fraction == 7 ? NAN
                 : exponent == 0                 ? ldexpf((float)fraction, -9)
                                                 : ldexpf((float)(8 + fraction), exponent - 10);
    return v & 0x80 ? -size : size;
}

/* What is too large becomes the largest. */
static inline uint8_t gpu_to_e4m3(float v)
{
    uint8_t sign = signbit(v) ? 0x80 : 0;
    float size = fabsf(v);
    int exponent;
    if (isnan(v))
        return 0x7f;
    if (size >= 448)
        return sign | 0x7e;
    (void)frexpf(size, &exponent); /* size is below 2^exponent */
    int least = size == 0 || exponent < -5 ? -9 : exponent - 4;
    long units = lrintf(ldexpf(size, -least)); /* 16 of them: the next exponent */
    return (uint8_t)(sign + (least == -9 ? units : units + (((long)least + 9) << 3)));
}

static inline uint32_t gpu_halves_of_e4m3(uint16_t two)
{
    return gpu_to_half(gpu_of_e4m3((uint8_t)two)) | (uint32_t)gpu_to_half(gpu_of_e4m3((uint8_t)(two >> 8)))
                                                        << 16;
}

static inline int32_t gpu_signed_byte(uint32_t four, unsigned which)
{
    return (int8_t)(four >> 8 * which);
}

static inline int32_t gpu_dot_four(uint32_t a, uint32_t b, int32_t sum)
{
    for (unsigned i = 0; i < 4; i++)
        sum += gpu_signed_byte(a, i) * gpu_signed_byte(b, i);
    return sum;
}

GPU_UNSEEN inline int32_t gpu_pass_whole(int32_t v, int other)
{
    gpu_block.a[gpu_block.now][0] = (uint32_t)v;
    gpu_wait(GPU_WAITS_WARP);
    int32_t got = (int32_t)gpu_block.a[gpu_block.now ^ (unsigned)other][0];
    gpu_wait(GPU_WAITS_WARP);
    return got;
}

static inline float gpu_times(float a, float b)
{
    return a * b;
}

static inline float gpu_plus(float a, float b)
{
    return a + b;
}

/* As gpu_mma, of bytes: product_bytes.h. */
GPU_UNSEEN inline void gpu_mma_bytes(int32_t c[4], const uint32_t a[4], const uint32_t b[2])
{
    unsigned own = gpu_block.now, warp = own / 32 * 32, g = own % 32 / 4, t = own % 4;
    memcpy(gpu_block.a[own], a, sizeof gpu_block.a[own]);
    memcpy(gpu_block.b[own], b, sizeof gpu_block.b[own]);
    gpu_wait(GPU_WAITS_WARP);
    for (unsigned i = 0; i < 4; i++) {
        unsigned row = g + i / 2 * 8, column = 2 * t + i % 2;
        for (unsigned k = 0; k < 32; k++) {
            uint32_t x = gpu_block.a[warp + row % 8 * 4 + k % 16 / 4][row / 8 + k / 16 * 2];
            uint32_t y = gpu_block.b[warp + column * 4 + k % 16 / 4][k / 16];
            c[i] += gpu_signed_byte(x, k % 4) * gpu_signed_byte(y, k % 4);
        }
    }
    gpu_wait(GPU_WAITS_WARP);
}

static void gpu_thread(void)
{
    for (;;) { /* one block after another */
        GPU_TELL(__tsan_acquire(gpu_block.meeting[GPU_RUNS]));
        gpu_block.kernel(gpu_block.params);
        GPU_TELL(__tsan_release(gpu_block.meeting[GPU_ENDED]));
        gpu_wait(GPU_ENDED);
    }
}

/* The first time, on a stack of its own. */
GPU_JUMPS gpu_begin_thread_at(unsigned i)
{
    ucontext_t first;
    getcontext(&first);
    first.uc_stack.ss_sp = gpu_block.stacks + (size_t)i * STACK;
    first.uc_stack.ss_size = STACK;
    makecontext(&first, gpu_thread, 0);
    gpu_block.begun[i] = true;
    GPU_TELL(gpu_block.place[i].fiber = __tsan_create_fiber(0));
    if (!__builtin_setjmp(gpu_block.home.words)) {
        GPU_TELL(__tsan_switch_to_fiber(gpu_block.place[i].fiber, __tsan_switch_to_fiber_no_sync));
        setcontext(&first);
    }
}

static void (*volatile gpu_begin_thread)(unsigned i) = gpu_begin_thread_at;

static void gpu_go_on(unsigned i)
{
    gpu_block.now = i;
    if (gpu_block.begun[i])
        gpu_go(&gpu_block.home, &gpu_block.place[i]);
    else
        gpu_begin_thread(i);
}

/* Have all threads from..to that have not ended come to this wait? */
static bool gpu_all_wait(unsigned from, unsigned to, enum gpu_wait wait)
{
    for (unsigned i = from; i < to; i++)
        if (gpu_block.wait[i] != wait && gpu_block.wait[i] != GPU_ENDED)
            return false;
    return true;
}

static void gpu_let_go(unsigned from, unsigned to, enum gpu_wait wait)
{
    for (unsigned i = from; i < to; i++)
        gpu_block.wait[i] = gpu_block.wait[i] == wait ? GPU_RUNS : gpu_block.wait[i];
}

/* The warp goes on as long as it can, its threads in turn: false: none could. */
static bool gpu_turn(unsigned from)
{
    bool some = false;
    for (unsigned i = 0; i < 32; i++) {
        unsigned t = gpu_block.turned ? from + 31 - i : from + i;
        if (gpu_block.wait[t] != GPU_RUNS)
            continue;
        gpu_go_on(t);
        some = true;
    }
    if (gpu_all_wait(from, from + 32, GPU_WAITS_WARP))
        gpu_let_go(from, from + 32, GPU_WAITS_WARP);
    return some;
}

/* All warps up to the next wait of the block; the one that is first is far ahead of the last. */
static bool gpu_turns(void)
{
    bool some = false;
    for (unsigned i = 0; i < gpu_block.n; i += 32)
        while (gpu_turn(gpu_block.turned ? gpu_block.n - 32 - i : i))
            some = true;
    if (gpu_all_wait(0, gpu_block.n, GPU_WAITS_BLOCK))
        gpu_let_go(0, gpu_block.n, GPU_WAITS_BLOCK);
    return some;
}

static void gpu_run_block(void)
{
    for (unsigned i = 0; i < gpu_block.n; i++)
        gpu_block.wait[i] = GPU_RUNS;
    memset(gpu_block.met, 0, sizeof gpu_block.met);
    GPU_TELL(__tsan_release(gpu_block.meeting[GPU_RUNS]));
    while (gpu_turns())
        ;
    GPU_TELL(__tsan_acquire(gpu_block.meeting[GPU_ENDED]));
    if (!gpu_all_wait(0, gpu_block.n, GPU_ENDED)) {
        printf("# threads of a block wait for each other for ever\n");
        exit(1);
    }
}

#define GPU_NO_MEMORY 2 /* as cudaErrorMemoryAllocation */

/* A whole number of warps; 0 as from a launch that went well. */
static int gpu_on_cpu(void (*kernel)(const void *), struct gpu_grid grid, unsigned threads, size_t bytes,
                      const void *params)
{
    if (!gpu_block.stacks)
        gpu_block.stacks = malloc((size_t)CONTEXTS * STACK);
    gpu_room = gpu_block.stacks ? malloc(bytes + 1) : NULL;
    if (!gpu_room)
        return GPU_NO_MEMORY;
    gpu_block.n = threads;
    GPU_TELL(gpu_block.home.fiber = __tsan_get_current_fiber());
    gpu_block.kernel = kernel;
    gpu_block.params = params;
    gridDim = grid;
    for (blockIdx.z = 0; blockIdx.z < grid.z; blockIdx.z++)
        for (blockIdx.y = 0; blockIdx.y < grid.y; blockIdx.y++)
            for (blockIdx.x = 0; blockIdx.x < grid.x; blockIdx.x++) {
                memset(gpu_room, 0xff, bytes);
                gpu_run_block();
            }
    free(gpu_room);
    return 0;
}

#endif

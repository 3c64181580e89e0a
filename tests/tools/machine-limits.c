/*
 * What one core of this machine can do at most: multiply-adds of floats a second, and bytes a second out of
 * the first and second cache and of memory. Benchmarks say what share of it they reach.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 15 /* the best counts */
#define SUMS   24

#if defined(__x86_64__) && defined(__GNUC__) && defined(__gnu_linux__)
#define BEST __attribute__((target_clones("avx512f", "arch=haswell", "default")))
#else
#define BEST
#endif
typedef float vec __attribute__((vector_size(64)));

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* 2 x 16 x SUMS operations a turn, none waiting for the one before. */
BEST static float multiply(size_t turns, float factor)
{
    vec sum[SUMS], all = {0}, a = all + factor;
    for (unsigned k = 0; k < SUMS; k++)
        sum[k] = all + factor * (float)k;
    for (size_t i = 0; i < turns; i++)
        _Pragma("GCC unroll 24") for (unsigned k = 0; k < SUMS; k++) sum[k] = sum[k] * a + a;
    for (unsigned k = 0; k < SUMS; k++)
        all += sum[k];
    return all[0];
}

BEST static float read_all(const vec *p, size_t n)
{
    vec sum[4] = {{0}, {0}, {0}, {0}};
    for (size_t i = 0; i < n; i += 8)
        _Pragma("GCC unroll 8") for (unsigned k = 0; k < 8; k++) sum[k % 4] += p[i + k];
    sum[0] += sum[1] + sum[2] + sum[3];
    return sum[0][0];
}

static double bytes_a_second(size_t bytes)
{
    vec *p = aligned_alloc(64, bytes);
    size_t turns = ((size_t)64 << 20) / bytes + 1;
    double best = 0;
    volatile float use = 0;
    if (!p)
        return 0;
    memset(p, 0, bytes);
    for (unsigned r = 0; r < ROUNDS; r++) {
        double start = seconds();
        for (size_t i = 0; i < turns; i++)
            use = use + read_all(p, bytes / sizeof *p);
        double rate = (double)(bytes * turns) / (seconds() - start);
        best = rate > best ? rate : best;
    }
    free(p);
    return best;
}

int main(void)
{
    enum { TURNS = 1000000 };
    double best = 0;
    volatile float use = 0, factor = 0.5F;
    for (unsigned r = 0; r < ROUNDS; r++) {
        double start = seconds();
        use = use + multiply(TURNS, factor);
        double rate = 2.0 * 16 * SUMS * TURNS / (seconds() - start);
        best = rate > best ? rate : best;
    }
    printf("%.1f GFLOP/s, %.0f GB/s of 16 KiB, %.0f GB/s of 256 KiB, %.1f GB/s of 256 MiB\n", 1e-9 * best,
           1e-9 * bytes_a_second((size_t)16 << 10), 1e-9 * bytes_a_second((size_t)256 << 10),
           1e-9 * bytes_a_second((size_t)256 << 20));
    return 0;
}

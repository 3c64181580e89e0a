/*
 * Eight doubles at once, as wide as the machine's vectors are. No sum is ever reordered by the compiler, so
 * results are the same everywhere.
 */
#ifndef MLO_STATS_LANES_H
#define MLO_STATS_LANES_H

#include <stdint.h>
#include <string.h>

#define MLO_LANES 8

typedef double mlo_lanes __attribute__((vector_size(64)));
typedef int64_t mlo_lane_bits __attribute__((vector_size(64)));

/* The function is compiled for each, and the best taken when the program starts. */
#if defined(__x86_64__) && defined(__GNUC__) && defined(__gnu_linux__)
#define MLO_FOR_LANES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define MLO_FOR_LANES
#endif

#endif

/*
 * Eight doubles at once, as wide as the machine's vectors are. No sum is ever reordered by the compiler, so
 * results are the same everywhere.
 */
#ifndef MLOPSCTL_BASE_LANES_H
#define MLOPSCTL_BASE_LANES_H

#include <stdint.h>
#include <string.h>

#define MLO_LANES 8

typedef double mlo_lanes __attribute__((vector_size(64)));
typedef int64_t mlo_lane_bits __attribute__((vector_size(64)));
typedef int32_t mlo_lane_ints __attribute__((vector_size(32)));

/* a where the mask's lane is -1, b where it is 0. */
#define MLO_LANES_CHOOSE(mask, a, b)                                                                         \
    ((mlo_lanes)(((mlo_lane_bits)(a) & (mask)) | ((mlo_lane_bits)(b) & ~(mask))))
#define MLO_LANES_OF(x) ((mlo_lanes){0} + (x)) /* the number in every lane */

/* The function is compiled for each, and the best taken when the program starts. It must be static: clang 14
 * gives it a name that no other file finds. Not under ThreadSanitizer: what chooses runs before that is
 * ready. */
#if defined(__x86_64__) && defined(__GNUC__) && defined(__gnu_linux__) && !defined(__SANITIZE_THREAD__)
#define MLO_FOR_LANES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define MLO_FOR_LANES
#endif

#endif

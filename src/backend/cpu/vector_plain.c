/* Vectors of 4 floats in the compiler's own notation: SSE2, NEON, or whatever there is. */
#include <string.h>

#include "vector.h"

#define LANES 4
#define TARGET
#define KERNELS mlo_vector_plain
typedef float real __attribute__((vector_size(16)));
typedef int32_t whole __attribute__((vector_size(16)));

static inline real mul_add(real a, real b, real c)
{
    return a * b + c;
}

static inline real when_less(real a, real b, real x, real y)
{
    whole m = a < b;
    return (real)((m & (whole)x) | (~m & (whole)y));
}

static inline real lesser(real a, real b)
{
    return when_less(a, b, a, b);
}

static inline real greater(real a, real b)
{
    return when_less(b, a, a, b);
}

/* In two factors, so that a denormal result is rounded once. */
static inline real times_power(real v, real n)
{
    whole power = (whole)(n + 0x1.8p23F) - 0x4b400000, half = power >> 1;
    return v * (real)((half + 127) << 23) * (real)((power - half + 127) << 23);
}

static inline real load(const float *p)
{
    real v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void store(float *p, real v)
{
    memcpy(p, &v, sizeof v);
}

static inline real load_some(const float *p, size_t n, float fill)
{
    real v = {fill, fill, fill, fill};
    for (size_t i = 0; i < n; i++)
        v[i] = p[i];
    return v;
}

static inline void store_some(float *p, real v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = v[i];
}

static inline void store_bytes(uint8_t *p, real v)
{
    for (size_t i = 0; i < LANES; i++)
        p[i] = (uint8_t)(int)v[i];
}

static inline float add_up(real v)
{
    return (v[0] + v[2]) + (v[1] + v[3]);
}

static inline float largest(real v)
{
    float most = v[0];
    for (unsigned i = 1; i < LANES; i++)
        most = most < v[i] ? v[i] : most;
    return most;
}

#include "vector_body.h"

#define DENSE     mlo_dense_plain
#define TILE_ROWS 4
#include "dense_body.h"

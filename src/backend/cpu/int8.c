/* Products of bytes: packing, and the choice of the machine's kind. */
#include "int8.h"

#include <stdatomic.h>
#include <string.h>

static size_t rounded_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

size_t mlo_int8_packed_bytes(size_t k, size_t n)
{
    size_t bytes;
    bool fits = k < SIZE_MAX / 2 && n < SIZE_MAX / 2 &&
                !__builtin_mul_overflow(rounded_up(n, MLO_INT8_PANEL), rounded_up(k, MLO_INT8_GROUP), &bytes);
    return fits ? bytes : 0;
}

void mlo_int8_pack(const void *b, bool is_signed, size_t k, size_t n, void *packed, int32_t *sums)
{
    const unsigned char *from = b;
    size_t panel_bytes = rounded_up(k, MLO_INT8_GROUP) * MLO_INT8_PANEL;
    memset(packed, 0, mlo_int8_packed_bytes(k, n));
    memset(sums, 0, n * sizeof *sums);
    for (size_t i = 0; i < k; i++, from += n) {
        int8_t *to = (int8_t *)packed + (i - i % MLO_INT8_GROUP) * MLO_INT8_PANEL + i % MLO_INT8_GROUP;
        for (size_t j = 0; j < n; j++) {
            int8_t v = (int8_t)(is_signed ? from[j] : from[j] ^ 0x80);
            to[j / MLO_INT8_PANEL * panel_bytes + j % MLO_INT8_PANEL * MLO_INT8_GROUP] = v;
            sums[j] += v;
        }
    }
}

void mlo_int8_unpack(const void *packed, size_t k, size_t n, int8_t *to)
{
    size_t panel_bytes = rounded_up(k, MLO_INT8_GROUP) * MLO_INT8_PANEL;
    for (size_t j = 0; j < n; j++) {
        const int8_t *from = (const int8_t *)packed + j / MLO_INT8_PANEL * panel_bytes +
                             j % MLO_INT8_PANEL * MLO_INT8_GROUP;
        for (size_t i = 0; i < k; i++)
            *to++ = from[(i - i % MLO_INT8_GROUP) * MLO_INT8_PANEL + i % MLO_INT8_GROUP];
    }
}

mlo_int8_fn *mlo_int8_of(enum mlo_int8_kind kind)
{
#if defined(__x86_64__)
    if (kind == MLO_INT8_VNNI)
        return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vl") &&
                       __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")
                   ? mlo_int8_vnni
                   : NULL;
    if (kind == MLO_INT8_AVX2)
        return __builtin_cpu_supports("avx2") ? mlo_int8_avx2 : NULL;
#endif
    return kind == MLO_INT8_PLAIN ? mlo_int8_plain : NULL;
}

void mlo_int8_multiply(const struct mlo_int8_product *p)
{
    static mlo_int8_fn *_Atomic found;
    mlo_int8_fn *fn = atomic_load_explicit(&found, memory_order_relaxed);
    for (int kind = MLO_INT8_KINDS; !fn && kind-- > 0;)
        fn = mlo_int8_of((enum mlo_int8_kind)kind);
    atomic_store_explicit(&found, fn, memory_order_relaxed);
    fn(p);
}

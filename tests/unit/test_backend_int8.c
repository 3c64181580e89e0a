/* Products of bytes beside sums in 64 bits: all kinds of machines, sizes that fill no tile, extreme bytes. */
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#include "../../src/backend/cpu/int8.h"

#define M 19
#define N 77
#define K 131

static uint32_t seed = 1;

static uint8_t byte(void)
{
    seed = seed * 1664525 + 1013904223;
    return seed >> 29 == 0 ? 255 : seed >> 29 == 1 ? 0 : (uint8_t)(seed >> 16);
}

struct work {
    uint8_t a[M * K], b[K * N];
    int32_t a_zeros[M], zeros[N], sums[N], c[M * N];
    float a_scales[M], scales[N], bias[N], y[M * N];
    _Alignas(64) char packed[200 * 256];
    bool is_signed;
};

static void work_init(struct work *w, bool is_signed)
{
    for (size_t i = 0; i < sizeof w->a; i++)
        w->a[i] = byte();
    for (size_t i = 0; i < sizeof w->b; i++)
        w->b[i] = byte();
    for (size_t i = 0; i < M; i++) {
        w->a_zeros[i] = byte();
        w->a_scales[i] = (float)(1 + byte()) / 64;
    }
    for (size_t i = 0; i < N; i++) {
        w->zeros[i] = byte() - 128;
        w->scales[i] = (float)(1 + byte()) / 128;
        w->bias[i] = (float)byte();
    }
    w->is_signed = is_signed;
}

static int64_t truth(const struct work *w, const struct mlo_int8_product *p, size_t i, size_t j)
{
    int64_t sum = 0;
    for (size_t k = 0; k < p->k; k++) {
        uint8_t b = w->b[k * p->n + j];
        int64_t right = w->is_signed ? (int8_t)b : (int64_t)b - 128;
        sum += ((int64_t)w->a[i * p->a_row + k] - w->a_zeros[i * p->a_step]) *
               (right - (p->zeros ? p->zeros[j] : 0));
    }
    return sum;
}

static bool is_right(const struct work *w, const struct mlo_int8_product *p)
{
    bool right = true;
    for (size_t i = 0; i < p->m; i++)
        for (size_t j = 0; j < p->n; j++) {
            int64_t sum = truth(w, p, i, j);
            double y = (double)sum * (double)(p->a_scales ? p->a_scales[i * p->a_step] : 1) *
                           (double)w->scales[j] +
                       (double)(p->bias ? p->bias[j] : 0);
            double off = p->c ? (double)(w->c[i * p->n + j] - sum) : (double)w->y[i * p->n + j] - y;
            right = right && (p->c ? off == 0 : off * off <= 1e-12 * (y * y + 1e6));
        }
    return right;
}

static void products_are_exact(void)
{
    static struct work w;
    static const size_t sizes[][3] = {{1, 1, 1}, {1, N, K},  {8, 32, 64}, {9, 33, 5},
                                      {M, N, K}, {7, 31, 3}, {5, 64, 4}};
    for (unsigned how = 0; how < 16 * MLO_INT8_KINDS; how++) {
        mlo_int8_fn *multiply = mlo_int8_of((enum mlo_int8_kind)(how / 16));
        work_init(&w, how & 1);
        for (size_t s = 0; multiply && s < sizeof sizes / sizeof *sizes; s++) {
            struct mlo_int8_product p = {.m = sizes[s][0],
                                         .n = sizes[s][1],
                                         .k = sizes[s][2],
                                         .a = w.a,
                                         .a_row = K,
                                         .a_zeros = w.a_zeros,
                                         .a_scales = how & 2 ? w.a_scales : NULL,
                                         .a_step = how & 2 ? 1 : 0,
                                         .packed = w.packed,
                                         .sums = w.sums,
                                         .zeros = how & 4 ? w.zeros : NULL,
                                         .scales = w.scales,
                                         .bias = how & 2 ? w.bias : NULL,
                                         .c = how & 8 ? w.c : NULL,
                                         .y = w.y};
            check(mlo_int8_packed_bytes(p.k, p.n) <= sizeof w.packed, "room");
            mlo_int8_pack(w.b, w.is_signed, p.k, p.n, w.packed, w.sums);
            multiply(&p);
            check(is_right(&w, &p), "how %u, size %zu", how, s);
        }
    }
}

/* 255 * 127 * 2 does not fit into 16 bits, where one instruction of AVX2 sums pairs. */
static void sums_of_pairs_do_not_saturate(void)
{
    static struct work w;
    memset(w.a, 255, sizeof w.a);
    memset(w.b, 127, sizeof w.b);
    w.a_zeros[0] = 0;
    for (int kind = 0; kind < MLO_INT8_KINDS; kind++) {
        struct mlo_int8_product p = {.m = 3,
                                     .n = 40,
                                     .k = 100,
                                     .a = w.a,
                                     .a_row = K,
                                     .a_zeros = w.a_zeros,
                                     .packed = w.packed,
                                     .sums = w.sums,
                                     .c = w.c};
        mlo_int8_pack(w.b, true, p.k, p.n, w.packed, w.sums);
        if (mlo_int8_of((enum mlo_int8_kind)kind))
            mlo_int8_of((enum mlo_int8_kind)kind)(&p);
        else
            continue;
        for (size_t i = 0; i < 120; i++)
            if (!check_int(w.c[i], 255 * 127 * 100))
                return;
    }
}

static void sizes_that_overflow_have_no_bytes(void)
{
    check_int(mlo_int8_packed_bytes(SIZE_MAX, 1), 0);
    check_int(mlo_int8_packed_bytes(SIZE_MAX / 4, 64), 0);
    check_int(mlo_int8_packed_bytes(5, 33), 8 * 64);
}

int main(void)
{
    run(products_are_exact);
    run(sums_of_pairs_do_not_saturate);
    run(sizes_that_overflow_have_no_bytes);
    return done_testing();
}

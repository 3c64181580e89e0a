/*
 * Kernels of dense layers of bytes, y = activation((x - zero) (w - zero)' scales + bias): for few rows, where
 * reading the weights is all the work, and tiles on tensor cores. Where cuBLASLt makes the sums, the last
 * kernel makes numbers of them.
 *
 * Sums of I8 are exact in 32 bits, wrap around as the CPU's do, and become floats as there. With s and t the
 * zeros of x and w: sum (a - s)(b - t) = sum a b - s sum b - t (sum a - k s).
 */
#ifndef MLO_BACKEND_CUDA_PRODUCT_BYTES_H
#define MLO_BACKEND_CUDA_PRODUCT_BYTES_H

#include "product.h"
#include "quantize.h"

struct gpu_dense_bytes {
    const void *x, *w;
    const float *how;    /* scales and zeros of x */
    const float *scales; /* of each column */
    const void *bias;    /* NULL: none */
    const int32_t *w_sums, *w_zeros;
    void *room; /* for sums: int32, of E4M3 floats */
    void *y;
    unsigned m, n, k, activation;
    unsigned bytes_type, type; /* of x and w; of y */
    unsigned hows;             /* 1, or m */
};

GPU_FN void gpu_bytes_put(const struct gpu_dense_bytes *p, unsigned row, unsigned column, float sum,
                          float scale)
{
    float v = gpu_times(sum, gpu_times(p->scales[column], scale));
    v = p->bias ? gpu_plus(v, gpu_get(p->bias, p->type, column)) : v;
    gpu_put(p->y, p->type, (size_t)row * p->n + column, gpu_activate(p->activation, v));
}

/* sum, row_sum: of the products, and of the bytes of the row, which matters where w has zeros. */
GPU_FN void gpu_bytes_finish(const struct gpu_dense_bytes *p, unsigned row, unsigned column, int32_t sum,
                             int32_t row_sum)
{
    unsigned how = p->hows > 1 ? row : 0;
    uint32_t zero = (uint32_t)(int32_t)p->how[p->hows + how], v = (uint32_t)sum;
    v -= p->w_sums ? (uint32_t)p->w_sums[column] * zero : 0;
    v -= p->w_zeros ? (uint32_t)p->w_zeros[column] * ((uint32_t)row_sum - p->k * zero) : 0;
    gpu_bytes_put(p, row, column, (float)(int32_t)v, p->how[how]);
}

GPU_FN void gpu_bytes_finish_float(const struct gpu_dense_bytes *p, unsigned row, unsigned column, float sum)
{
    gpu_bytes_put(p, row, column, sum, p->how[p->hows > 1 ? row : 0]);
}

/* ---- few rows ---- */

#define ONES 0x01010101u

/* Four bytes from i on; `whole`: they are there, and lie as a word does. Zeros beyond the end, of any type.
 */
GPU_FN uint32_t gpu_four_bytes(const void *from, size_t at, unsigned i, unsigned k, bool whole)
{
    uint32_t four = 0;
    if (whole)
        return ((const uint32_t *)from)[(at + i) / 4];
    for (unsigned j = 0; j < 4 && i + j < k; j++)
        four |= (uint32_t)((const uint8_t *)from)[at + i + j] << 8 * j;
    return four;
}

GPU_FN float gpu_dot_e4m3(uint32_t a, uint32_t b, float sum)
{
    GPU_UNROLL
    for (unsigned i = 0; i < 2; i++) {
        uint32_t x = gpu_halves_of_e4m3((uint16_t)(a >> 16 * i)),
                 y = gpu_halves_of_e4m3((uint16_t)(b >> 16 * i));
        sum += gpu_of_half((uint16_t)x) * gpu_of_half((uint16_t)y);
        sum += gpu_of_half((uint16_t)(x >> 16)) * gpu_of_half((uint16_t)(y >> 16));
    }
    return sum;
}

/* A warp has a column of y, that is a row of w, which is read once for all rows of x; `rows` is a constant,
 * so that the sums are registers. Rows that are not there repeat the last one. */
GPU_FN void gpu_bytes_few(const struct gpu_dense_bytes *p, unsigned rows, bool whole, unsigned bytes_type)
{
    unsigned column = blockIdx.x * FEW_WARPS + threadIdx.x / GPU_WARP, lane = threadIdx.x % GPU_WARP;
    int32_t sum[FEW_ROWS] = {0}, row_sum[FEW_ROWS] = {0};
    float parts[FEW_ROWS] = {0};
    if (column >= p->n)
        return;
    for (unsigned i = lane * 4; i < p->k; i += GPU_WARP * 4) {
        uint32_t w = gpu_four_bytes(p->w, (size_t)column * p->k, i, p->k, whole);
        GPU_UNROLL
        for (unsigned r = 0; r < rows; r++) {
            size_t at = (size_t)(r < p->m ? r : p->m - 1) * p->k;
            uint32_t x = gpu_four_bytes(p->x, at, i, p->k, whole);
            if (bytes_type == MLO_DEVICE_I8) {
                sum[r] = gpu_dot_four(x, w, sum[r]);
                row_sum[r] = p->w_zeros ? gpu_dot_four(x, ONES, row_sum[r]) : 0;
            } else {
                parts[r] = gpu_dot_e4m3(x, w, parts[r]);
            }
        }
    }
    GPU_UNROLL
    for (unsigned r = 0; r < rows; r++) {
        bool is_last = lane == 0 && r < p->m;
        if (bytes_type == MLO_DEVICE_I8) {
            int32_t all = gpu_warp_sum_whole(sum[r]);
            int32_t row_all = p->w_zeros ? gpu_warp_sum_whole(row_sum[r]) : 0;
            if (is_last)
                gpu_bytes_finish(p, r, column, all, row_all);
        } else {
            float all = gpu_warp_sum(parts[r]);
            if (is_last)
                gpu_bytes_finish_float(p, r, column, all);
        }
    }
}

#define GPU_FEW_BYTES(name, rows, whole, bytes_type)                                                         \
    GPU_KERNEL(name, gpu_dense_bytes, FEW_THREADS)                                                           \
    {                                                                                                        \
        gpu_bytes_few(p, rows, whole, bytes_type);                                                           \
    }
GPU_FEW_BYTES(gpu_one_row_i8, 1, true, MLO_DEVICE_I8)
GPU_FEW_BYTES(gpu_few_rows_i8, FEW_ROWS, true, MLO_DEVICE_I8)
GPU_FEW_BYTES(gpu_odd_rows_i8, FEW_ROWS, false, MLO_DEVICE_I8)
GPU_FEW_BYTES(gpu_one_row_e4m3, 1, true, MLO_DEVICE_E4M3)
GPU_FEW_BYTES(gpu_few_rows_e4m3, FEW_ROWS, true, MLO_DEVICE_E4M3)
GPU_FEW_BYTES(gpu_odd_rows_e4m3, FEW_ROWS, false, MLO_DEVICE_E4M3)

/* ---- tiles ---- */

/*
 * A block has 64 x 64 numbers of y, each of its four warps 32 x 32, and goes along k in steps of 64 bytes. A
 * tile of x or w is 64 rows of 16 words, 20 apart, so that the words which a warp reads together lie in
 * different banks.
 *
 * Registers of a product of bytes (PTX, mma.m16n8k32), with g = lane / 4 and t = lane % 4: a[0] has row g and
 * bytes 4 t to 4 t + 3, a[1] row g + 8, a[2] and a[3] the same 16 bytes on; b[0] has column g and bytes 4 t
 * to 4 t + 3, b[1] 16 bytes on; c[0] and c[1] are row g, columns 2 t and 2 t + 1, c[2] and c[3] row g + 8.
 * E4M3 become halves: a word is two registers of a product of 16, which does not mind that its order of k is
 * another, as it is the same for a and b.
 */
#define BYTES_TILE    64
#define BYTES_THREADS 128
#define BYTES_WORDS   16 /* of a row of a tile */
#define BYTES_STRIDE  20

GPU_FN void gpu_bytes_load(const void *from, unsigned first, unsigned rows, unsigned k0, unsigned k,
                           uint32_t *to)
{
    bool whole = k % 4 == 0;
    for (unsigned i = threadIdx.x; i < BYTES_TILE * BYTES_WORDS; i += BYTES_THREADS) {
        unsigned row = i / BYTES_WORDS, at = k0 + i % BYTES_WORDS * 4;
        bool is_there = first + row < rows && at < k;
        to[row * BYTES_STRIDE + i % BYTES_WORDS] = is_there ? gpu_four_bytes(from, (size_t)(first + row) * k,
                                                                             at, k, whole)
                                                            : 0;
    }
}

struct gpu_bytes_sums { /* of a thread: of 2 x 4 products; of those kinds that there are */
    int32_t whole[2][4][4], row[2][4];
    float parts[2][4][4];
};

GPU_FN void gpu_bytes_take_rows(const uint32_t *tile, unsigned row, unsigned word, uint32_t a[4])
{
    const uint32_t *at = tile + row * BYTES_STRIDE + word;
    a[0] = at[0];
    a[1] = at[8 * BYTES_STRIDE];
    a[2] = at[4];
    a[3] = at[8 * BYTES_STRIDE + 4];
}

GPU_FN void gpu_mma_e4m3(float c[4], const uint32_t a[4], const uint32_t b[2])
{
    GPU_UNROLL
    for (unsigned i = 0; i < 2; i++) { /* 16 of k each */
        const uint32_t *x = a + 2 * i, y = b[i];
        const uint32_t left[4] = {gpu_halves_of_e4m3((uint16_t)x[0]), gpu_halves_of_e4m3((uint16_t)x[1]),
                                  gpu_halves_of_e4m3((uint16_t)(x[0] >> 16)),
                                  gpu_halves_of_e4m3((uint16_t)(x[1] >> 16))};
        const uint32_t right[2] = {gpu_halves_of_e4m3((uint16_t)y), gpu_halves_of_e4m3((uint16_t)(y >> 16))};
        gpu_mma(c, left, right, MLO_DEVICE_F16);
    }
}

/* 32 bytes of k, from `word` on. */
GPU_FN void gpu_bytes_multiply(const uint32_t *x, const uint32_t *w, unsigned word, bool row_sums,
                               struct gpu_bytes_sums *sums, unsigned bytes_type)
{
    unsigned warp = threadIdx.x / GPU_WARP, g = threadIdx.x % GPU_WARP / 4, t = threadIdx.x % 4;
    const uint32_t ones[2] = {ONES, ONES};
    uint32_t a[2][4], b[4][2];
    GPU_UNROLL
    for (unsigned i = 0; i < 2; i++)
        gpu_bytes_take_rows(x, warp / 2 * 32 + i * 16 + g, word + t, a[i]);
    GPU_UNROLL
    for (unsigned j = 0; j < 4; j++) {
        const uint32_t *at = w + (warp % 2 * 32 + j * 8 + g) * BYTES_STRIDE + word + t;
        b[j][0] = at[0];
        b[j][1] = at[4];
    }
    GPU_UNROLL
    for (unsigned i = 0; i < 2; i++) {
        GPU_UNROLL
        for (unsigned j = 0; j < 4; j++)
            if (bytes_type == MLO_DEVICE_I8)
                gpu_mma_bytes(sums->whole[i][j], a[i], b[j]);
            else
                gpu_mma_e4m3(sums->parts[i][j], a[i], b[j]);
        if (bytes_type == MLO_DEVICE_I8 && row_sums)
            gpu_mma_bytes(sums->row[i], a[i], ones);
    }
}

GPU_FN void gpu_bytes_tile(const struct gpu_dense_bytes *p, unsigned bytes_type)
{
    GPU_SHARED(uint32_t, x, BYTES_TILE * BYTES_STRIDE);
    GPU_SHARED(uint32_t, w, BYTES_TILE * BYTES_STRIDE);
    unsigned row0 = blockIdx.x * BYTES_TILE, column0 = blockIdx.y * BYTES_TILE, warp = threadIdx.x / GPU_WARP;
    struct gpu_bytes_sums sums = {{{{0}}}, {{0}}, {{{0}}}};
    for (unsigned k0 = 0; k0 < p->k; k0 += BYTES_WORDS * 4) {
        __syncthreads();
        gpu_bytes_load(p->x, row0, p->m, k0, p->k, x);
        gpu_bytes_load(p->w, column0, p->n, k0, p->k, w);
        __syncthreads();
        GPU_UNROLL
        for (unsigned word = 0; word < BYTES_WORDS; word += 8)
            gpu_bytes_multiply(x, w, word, p->w_zeros != NULL, &sums, bytes_type);
    }
    unsigned row = row0 + warp / 2 * 32 + threadIdx.x % GPU_WARP / 4,
             column = column0 + warp % 2 * 32 + threadIdx.x % 4 * 2;
    GPU_UNROLL
    for (unsigned i = 0; i < 2 * 4 * 4; i++) {
        unsigned down = i / 16, along = i / 4 % 4, part = i % 4;
        unsigned to = row + down * 16 + part / 2 * 8, at = column + along * 8 + part % 2;
        if (to >= p->m || at >= p->n)
            continue;
        if (bytes_type == MLO_DEVICE_I8)
            gpu_bytes_finish(p, to, at, sums.whole[down][along][part], sums.row[down][part]);
        else
            gpu_bytes_finish_float(p, to, at, sums.parts[down][along][part]);
    }
}

GPU_KERNEL(gpu_tiles_i8, gpu_dense_bytes, BYTES_THREADS)
{
    gpu_bytes_tile(p, MLO_DEVICE_I8);
}

GPU_KERNEL(gpu_tiles_e4m3, gpu_dense_bytes, BYTES_THREADS)
{
    gpu_bytes_tile(p, MLO_DEVICE_E4M3);
}

/* ---- what a library has summed up ---- */

GPU_KERNEL(gpu_finish_sums, gpu_dense_bytes, ELEMENT_THREADS)
{
    for (size_t i = gpu_first_element(); i < (size_t)p->m * p->n; i += gpu_element_step()) {
        unsigned row = (unsigned)(i / p->n), column = (unsigned)(i % p->n);
        if (p->bytes_type == MLO_DEVICE_I8)
            gpu_bytes_finish(p, row, column, ((const int32_t *)p->room)[i], 0);
        else
            gpu_bytes_finish_float(p, row, column, ((const float *)p->room)[i]);
    }
}

#endif

/*
 * Matrix products of which nothing is known before. Of floats, a part of b that fits the first cache is
 * packed for the kernels of dense layers, and goes over all rows of a. Others in plain loops: along the rows
 * of b where they are dense, else one product of rows and columns after the other.
 */
#include <string.h>

#include "dense.h"

#define MATMUL(name, type, product)                                                                          \
    static void name##_rows(const struct mlo_matmul *p)                                                      \
    {                                                                                                        \
        for (size_t i = 0; i < p->m; i++) {                                                                  \
            type *c = (type *)p->c + i * p->c_row;                                                           \
            const type *a = (const type *)p->a + i * p->a_row;                                               \
            memset(c, 0, p->n * sizeof *c);                                                                  \
            for (size_t k = 0; k < p->k; k++) {                                                              \
                const type *b = (const type *)p->b + k * p->b_row, x = a[k * p->a_col];                      \
                for (size_t j = 0; j < p->n; j++)                                                            \
                    c[j] = product(c[j], x, b[j]);                                                           \
            }                                                                                                \
        }                                                                                                    \
    }                                                                                                        \
    static void name##_dots(const struct mlo_matmul *p)                                                      \
    {                                                                                                        \
        for (size_t i = 0; i < p->m; i++)                                                                    \
            for (size_t j = 0; j < p->n; j++) {                                                              \
                const type *a = (const type *)p->a + i * p->a_row, *b = (const type *)p->b + j * p->b_col;   \
                type sum = 0;                                                                                \
                for (size_t k = 0; k < p->k; k++)                                                            \
                    sum = product(sum, a[k * p->a_col], b[k * p->b_row]);                                    \
                ((type *)p->c)[i * p->c_row + j] = sum;                                                      \
            }                                                                                                \
    }                                                                                                        \
    static void name##_plain(const struct mlo_matmul *p)                                                     \
    {                                                                                                        \
        if (p->b_col == 1)                                                                                   \
            name##_rows(p);                                                                                  \
        else                                                                                                 \
            name##_dots(p);                                                                                  \
    }
#define PLUS_PRODUCT(c, x, y)     ((c) + (x) * (y))
#define WRAPPING_PRODUCT(c, x, y) ((int64_t)((uint64_t)(c) + (uint64_t)(x) * (uint64_t)(y)))

MATMUL(f32, float, PLUS_PRODUCT)
MATMUL(f64, double, PLUS_PRODUCT)
MATMUL(i64, int64_t, WRAPPING_PRODUCT)

void mlo_matmul_f64(const struct mlo_matmul *p)
{
    f64_plain(p);
}

void mlo_matmul_i64(const struct mlo_matmul *p)
{
    i64_plain(p);
}

/* ---- floats ---- */

#define PART_ROWS    ((size_t)256) /* of b at a time */
#define PART_COLUMNS ((size_t)32)  /* most of a panel */
#define PART_HEIGHT  ((size_t)48)  /* rows whose later parts are added at a time */
#define PLAIN_WORK   ((size_t)512) /* products for which packing does not pay */

struct part { /* of b: rows from k on, columns from n on */
    size_t k, n, rows, columns, width;
    float panel[PART_ROWS * PART_COLUMNS] __attribute__((aligned(64)));
};

static void pack(struct part *part, const struct mlo_matmul *p)
{
    const float *b = (const float *)p->b + part->k * p->b_row + part->n * p->b_col;
    float *to = part->panel;
    for (size_t i = 0; i < part->rows; i++, b += p->b_row, to += part->width) {
        for (size_t j = 0; j < part->columns; j++)
            to[j] = b[j * p->b_col];
        memset(to + part->columns, 0, (part->width - part->columns) * sizeof *to);
    }
}

/* The first part makes the result, the others are added to it. */
static void multiply_part(const struct mlo_dense_kernels *kernels, const struct mlo_matmul *p,
                          const struct part *part)
{
    static const float zeros[PART_COLUMNS] __attribute__((aligned(64)));
    float later[PART_HEIGHT * PART_COLUMNS];
    struct mlo_dense_tile t = {.a = (const float *)p->a + part->k,
                               .a_row = p->a_row,
                               .b = part->panel,
                               .bias = zeros,
                               .k = part->rows,
                               .n = part->columns,
                               .c = (float *)p->c + part->n,
                               .c_row = p->c_row};
    bool narrow = part->width == kernels->lanes;
    if (part->k == 0) {
        mlo_dense_panel(kernels, t, narrow, p->m);
        return;
    }
    float *c = t.c;
    t.c = later;
    t.c_row = PART_COLUMNS;
    for (size_t i = 0; i < p->m; i += PART_HEIGHT, t.a += PART_HEIGHT * t.a_row) {
        size_t rows = p->m - i < PART_HEIGHT ? p->m - i : PART_HEIGHT;
        mlo_dense_panel(kernels, t, narrow, rows);
        for (size_t r = 0; r < rows; r++)
            for (size_t j = 0; j < part->columns; j++)
                c[(i + r) * p->c_row + j] += later[r * PART_COLUMNS + j];
    }
}

void mlo_matmul_panels(const struct mlo_dense_kernels *kernels, const struct mlo_matmul *p)
{
    struct part part;
    for (part.n = 0; part.n < p->n; part.n += part.columns) {
        size_t left = p->n - part.n;
        part.width = left > kernels->lanes ? 2 * kernels->lanes : kernels->lanes;
        part.columns = left < part.width ? left : part.width;
        for (part.k = 0; part.k < p->k; part.k += part.rows) {
            part.rows = p->k - part.k < PART_ROWS ? p->k - part.k : PART_ROWS;
            pack(&part, p);
            multiply_part(kernels, p, &part);
        }
    }
}

void mlo_matmul_f32(const struct mlo_matmul *p)
{
    bool small = p->m == 0 || p->k == 0 || p->m * p->n * p->k < PLAIN_WORK || (p->m == 1 && p->b_col != 1);
    if (small || p->a_col != 1)
        f32_plain(p);
    else
        mlo_matmul_panels(mlo_dense_widest(), p);
}

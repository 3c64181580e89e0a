/* Matrix products in plain loops: along the rows of b where they are dense, else one product of rows and
 * columns after the other. */
#include <string.h>

#include <mlopsctl/backend.h>

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
    void mlo_##name(const struct mlo_matmul *p)                                                              \
    {                                                                                                        \
        if (p->b_col == 1)                                                                                   \
            name##_rows(p);                                                                                  \
        else                                                                                                 \
            name##_dots(p);                                                                                  \
    }
#define PLUS_PRODUCT(c, x, y)     ((c) + (x) * (y))
#define WRAPPING_PRODUCT(c, x, y) ((int64_t)((uint64_t)(c) + (uint64_t)(x) * (uint64_t)(y)))

MATMUL(matmul_f32, float, PLUS_PRODUCT)
MATMUL(matmul_f64, double, PLUS_PRODUCT)
MATMUL(matmul_i64, int64_t, WRAPPING_PRODUCT)

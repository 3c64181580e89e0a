/* Products of bytes in plain loops. */
#include "int8.h"

#define TARGET
#define LANES    4
#define MULTIPLY mlo_int8_plain

static void tile(const struct mlo_int8_tile *t, int32_t *sums)
{
    const uint8_t *a = t->a;
    for (size_t r = 0; r < t->rows; r++, a += t->a_row, sums += MLO_INT8_PANEL) {
        for (size_t j = 0; j < MLO_INT8_PANEL; j++)
            sums[j] = 0;
        for (size_t i = 0; i < t->k; i++) {
            const int8_t *b = t->panel + (i - i % MLO_INT8_GROUP) * MLO_INT8_PANEL + i % MLO_INT8_GROUP;
            for (size_t j = 0; j < MLO_INT8_PANEL; j++)
                sums[j] += a[i] * b[j * MLO_INT8_GROUP];
        }
    }
}

#include "int8_body.h"

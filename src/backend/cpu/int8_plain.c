/* Products of bytes in plain loops. */
#include "int8.h"

#define TARGET
#define LANES    4
#define MULTIPLY mlo_int8_plain

static void tile(const uint8_t *a, size_t a_row, size_t rows, size_t k, const int8_t *panel, int32_t *sums)
{
    for (size_t r = 0; r < rows; r++, a += a_row, sums += MLO_INT8_PANEL) {
        for (size_t j = 0; j < MLO_INT8_PANEL; j++)
            sums[j] = 0;
        for (size_t i = 0; i < k; i++) {
            const int8_t *b = panel + (i - i % MLO_INT8_GROUP) * MLO_INT8_PANEL + i % MLO_INT8_GROUP;
            for (size_t j = 0; j < MLO_INT8_PANEL; j++)
                sums[j] += a[i] * b[j * MLO_INT8_GROUP];
        }
    }
}

#include "int8_body.h"

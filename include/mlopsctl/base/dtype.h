/*
 * Element types of tensors, as all file formats and the engine name them, and the value of one element.
 * Bytes are little-endian; types below eight bits are packed from the low bit up.
 */
#ifndef MLOPSCTL_BASE_DTYPE_H
#define MLOPSCTL_BASE_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mlo_dtype {
    MLO_DT_UNKNOWN,
    MLO_DT_BOOL,
    MLO_DT_U8,
    MLO_DT_I8,
    MLO_DT_U16,
    MLO_DT_I16,
    MLO_DT_U32,
    MLO_DT_I32,
    MLO_DT_U64,
    MLO_DT_I64,
    MLO_DT_F16,
    MLO_DT_BF16,
    MLO_DT_F32,
    MLO_DT_F64,
    MLO_DT_C64,
    MLO_DT_C128,
    MLO_DT_F8_E4M3,
    MLO_DT_F8_E4M3FNUZ,
    MLO_DT_F8_E5M2,
    MLO_DT_F8_E5M2FNUZ,
    MLO_DT_F8_E8M0,
    MLO_DT_F4,
    MLO_DT_F6_E2M3,
    MLO_DT_F6_E3M2,
    MLO_DT_U4,
    MLO_DT_I4,
    MLO_DT_U2,
    MLO_DT_I2,
    MLO_DT_F128,
    MLO_DT_STRING,
    MLO_DT_DATETIME,
    MLO_DT_RAW,
    MLO_DT_OBJECT,
    MLO_DT_GGML, /* block-quantised: which blocks, the file says */
};
/* "float32", "bfloat16", ... as ModelPack spells precision where it has a word. */
const char *mlo_dtype_name(enum mlo_dtype t);
unsigned mlo_dtype_bits(enum mlo_dtype t); /* 0 when not fixed */
bool mlo_dtype_is_float(enum mlo_dtype t); /* real, of any width */

/* One element of canonical bytes as double, for statistics; false for types without a number (strings,
 * blocks). */
bool mlo_dtype_to_double(enum mlo_dtype t, const void *p, size_t index, double *ret);

/* The pattern of a float of 4, 6 or 8 bits (but not E8M0) that is nearest, ties to even. saturate: what is
 * too large becomes the largest number, else infinity, or NaN where there is none. */
unsigned mlo_dtype_from_float(enum mlo_dtype t, float f, bool saturate);

/* Arrays of 16-bit floats to floats and back, rounded to nearest, ties to even; t: MLO_DT_F16 or MLO_DT_BF16.
 */
void mlo_halves_to_floats(enum mlo_dtype t, const uint16_t *from, float *to, size_t n);
void mlo_floats_to_halves(enum mlo_dtype t, const float *from, uint16_t *to, size_t n);

#endif

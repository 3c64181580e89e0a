/*
 * Products of bytes, once for each kind of machine: int8_body.h holds what they share, int8_*.c the tiles.
 *
 * Packed are the columns of the right side in panels of MLO_INT8_PANEL (the last filled up with zeros), in a
 * panel row by row, MLO_INT8_GROUP numbers of a column together.
 */
#ifndef MLO_BACKEND_CPU_INT8_H
#define MLO_BACKEND_CPU_INT8_H

#include <mlopsctl/backend.h>

#define MLO_INT8_PANEL ((size_t)32)
#define MLO_INT8_GROUP ((size_t)4)
#define MLO_INT8_ROWS  ((size_t)8) /* most of a tile */

struct mlo_int8_tile {
    const uint8_t *a;
    size_t a_row, rows, k; /* rows: at most MLO_INT8_ROWS */
    const int8_t *panel;
    const int8_t *ahead; /* half as long as the panel: what is read next, perhaps not there */
};
typedef void mlo_int8_fn(const struct mlo_int8_product *p);

enum mlo_int8_kind { MLO_INT8_PLAIN, MLO_INT8_AVX2, MLO_INT8_VNNI, MLO_INT8_KINDS };
/* NULL: not for this machine. */
mlo_int8_fn *mlo_int8_of(enum mlo_int8_kind kind);

mlo_int8_fn mlo_int8_plain;
#if defined(__x86_64__)
mlo_int8_fn mlo_int8_avx2, mlo_int8_vnni;
#endif

#endif

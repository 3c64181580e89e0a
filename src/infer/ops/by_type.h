/*
 * The same loop for many element types: macros that make one function for each, and tables of them.
 * MAKE(name, type, result, expr) defines one function; halves use that of floats.
 */
#ifndef MLO_INFER_BY_TYPE_H
#define MLO_INFER_BY_TYPE_H

#include "op.h"

#define MLO_WIDE(v) ((uint64_t)(v)) /* wraps around without a sign */

#define MLO_MAKE_REAL(MAKE, op, expr)                                                                        \
    MAKE(op##_f32, float, float, expr)                                                                       \
    MAKE(op##_f64, double, double, expr)
#define MLO_MAKE_UNSIGNED(MAKE, op, expr)                                                                    \
    MAKE(op##_u8, uint8_t, uint8_t, expr)                                                                    \
    MAKE(op##_u16, uint16_t, uint16_t, expr)                                                                 \
    MAKE(op##_u32, uint32_t, uint32_t, expr)                                                                 \
    MAKE(op##_u64, uint64_t, uint64_t, expr)
#define MLO_MAKE_SIGNED(MAKE, op, expr)                                                                      \
    MAKE(op##_i8, int8_t, int8_t, expr)                                                                      \
    MAKE(op##_i16, int16_t, int16_t, expr)                                                                   \
    MAKE(op##_i32, int32_t, int32_t, expr)                                                                   \
    MAKE(op##_i64, int64_t, int64_t, expr)
/* Of numbers of any kind; the result is a truth value. */
#define MLO_MAKE_TRUTH(MAKE, op, expr)                                                                       \
    MAKE(op##_f32, float, uint8_t, expr)                                                                     \
    MAKE(op##_f64, double, uint8_t, expr)                                                                    \
    MAKE(op##_u8, uint8_t, uint8_t, expr)                                                                    \
    MAKE(op##_u16, uint16_t, uint8_t, expr)                                                                  \
    MAKE(op##_u32, uint32_t, uint8_t, expr)                                                                  \
    MAKE(op##_u64, uint64_t, uint8_t, expr)                                                                  \
    MAKE(op##_i8, int8_t, uint8_t, expr)                                                                     \
    MAKE(op##_i16, int16_t, uint8_t, expr)                                                                   \
    MAKE(op##_i32, int32_t, uint8_t, expr)                                                                   \
    MAKE(op##_i64, int64_t, uint8_t, expr)

/* Functions of an operator by type; NULL: not for this type. */
#define MLO_BY_TYPE(fn) fn *f32, *f64, *u8, *i8, *u16, *i16, *u32, *i32, *u64, *i64, *boolean

#define MLO_REAL(op)     .f32 = op##_f32, .f64 = op##_f64
#define MLO_UNSIGNED(op) .u8 = op##_u8, .u16 = op##_u16, .u32 = op##_u32, .u64 = op##_u64
#define MLO_SIGNED(op)   .i8 = op##_i8, .i16 = op##_i16, .i32 = op##_i32, .i64 = op##_i64
/* Where the sign makes no difference. */
#define MLO_UNSIGNED_AS_SIGNED(op) .i8 = op##_u8, .i16 = op##_u16, .i32 = op##_u32, .i64 = op##_u64

/* The function for elements of type t in a table that MLO_BY_TYPE begins. */
#define MLO_OF_TYPE(table, t)                                                                                \
    (mlo_computed_as_float(t) ? (table)->f32                                                                 \
     : (t) == MLO_DT_F64      ? (table)->f64                                                                 \
     : (t) == MLO_DT_U8       ? (table)->u8                                                                  \
     : (t) == MLO_DT_I8       ? (table)->i8                                                                  \
     : (t) == MLO_DT_U16      ? (table)->u16                                                                 \
     : (t) == MLO_DT_I16      ? (table)->i16                                                                 \
     : (t) == MLO_DT_U32      ? (table)->u32                                                                 \
     : (t) == MLO_DT_I32      ? (table)->i32                                                                 \
     : (t) == MLO_DT_U64      ? (table)->u64                                                                 \
     : (t) == MLO_DT_I64      ? (table)->i64                                                                 \
     : (t) == MLO_DT_BOOL     ? (table)->boolean                                                             \
                              : NULL)

#endif

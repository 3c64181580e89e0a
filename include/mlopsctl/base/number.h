/* Floating-point numbers as text, the shortest that reads back the same. */
#ifndef MLOPSCTL_BASE_NUMBER_H
#define MLOPSCTL_BASE_NUMBER_H

#include <stdint.h>

/* Enough for any number and its NUL. */
#define MLO_DOUBLE_TEXT 32
#define MLO_FLOAT_TEXT  MLO_DOUBLE_TEXT
/*
 * The fewest digits that read back as the same double, or float, and of those the nearest; spelt as printf's
 * %g does with 15 digits and more: "0.1", "1e+15", "-1e-05", "nan", "-inf". Return buf.
 */
char *mlo_double_text(double v, char buf[MLO_DOUBLE_TEXT]);
char *mlo_float_text(float v, char buf[MLO_FLOAT_TEXT]);
/* The same without the NUL; return how many bytes were written. */
unsigned mlo_double_digits(double v, char buf[MLO_DOUBLE_TEXT]);
unsigned mlo_float_digits(float v, char buf[MLO_FLOAT_TEXT]);
/* A whole number in decimal, without NUL; likewise. */
#define MLO_WHOLE_TEXT 21
unsigned mlo_i64_digits(int64_t v, char buf[MLO_WHOLE_TEXT]);
unsigned mlo_u64_digits(uint64_t v, char *buf);

/* ---- for those who convert numbers ---- */

/* The highest 128 bits of 5^e, e from -MLO_POWER_MAX to MLO_POWER_MAX, cut off: exact from 0 to 55. */
#define MLO_POWER_MAX 64
struct mlo_power {
    uint64_t high, low;
};
extern const struct mlo_power mlo_powers_of_five[2 * MLO_POWER_MAX + 1];

#endif

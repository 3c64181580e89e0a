/* Decimal numbers to floating-point ones, correctly rounded. */
#ifndef MLOPSCTL_BASE_DECIMAL_H
#define MLOPSCTL_BASE_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

#define MLO_DECIMAL_TEXT 512 /* characters of one number */

/*
 * [sign] digits [. digits] [e [sign] digits] at the start of the text. Returns where it ends; NULL, and *ret
 * untouched, when there is none or it is longer than MLO_DECIMAL_TEXT.
 */
const char *mlo_decimal_read(const char *s, const char *end, double *ret);
/* The same, rounded once. */
const char *mlo_decimal_read_float(const char *s, const char *end, float *ret);

/* mantissa * 10^exponent. False, and *ret untouched, when this cannot tell how it is rounded: few numbers of
 * more than 15 digits, and exponents beyond 64. */
bool mlo_decimal(uint64_t mantissa, int exponent, double *ret);
/* Likewise, faster where there are more than 15 digits; it cannot tell zero and some of the shorter numbers.
 */
bool mlo_decimal_long(uint64_t mantissa, int exponent, double *ret);

#endif

/* Decimal numbers to doubles, correctly rounded. */
#ifndef MLO_TABLE_DECIMAL_H
#define MLO_TABLE_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

/* mantissa * 10^exponent. False, and *ret untouched, when this cannot tell how it is rounded: few numbers of
 * more than 15 digits, and exponents beyond 64. */
bool mlo_decimal(uint64_t mantissa, int exponent, double *ret);
/* Likewise, faster where there are more than 15 digits; it cannot tell zero and some of the shorter numbers.
 */
bool mlo_decimal_long(uint64_t mantissa, int exponent, double *ret);

#endif

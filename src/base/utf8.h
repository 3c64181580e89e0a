/* One decoder of UTF-8 for the whole of src/base. */
#ifndef MLOPSCTL_BASE_UTF8_H
#define MLOPSCTL_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the code point at s (1-4) with its value in *ret, or 0 when the bytes there are no strict UTF-8.
 */
size_t mlo_utf8_decode(const char *s, size_t n, uint32_t *ret);
/* Appends at most 4 bytes to buf; returns how many. cp must be a scalar value. */
size_t mlo_utf8_encode(uint32_t cp, char *buf);
/*
 * How the character at s (n > 0 bytes left) is shown: as it is, or what a terminal would obey or hide, and
 * bytes that are no UTF-8, as \xNN or \u{NNNN}. Fills buf, not terminated, and returns how many bytes of s
 * that was.
 */
#define MLO_UTF8_SHOWN 12
size_t mlo_utf8_show(const char *s, size_t n, char buf[MLO_UTF8_SHOWN], size_t *ret_len);

#endif

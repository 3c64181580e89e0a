/* How characters are shown, for the whole of src/base. */
#ifndef MLOPSCTL_BASE_UTF8_H
#define MLOPSCTL_BASE_UTF8_H

#include <mlopsctl/base/text.h>

/*
 * How the character at s (n > 0 bytes left) is shown: as it is, or what a terminal would obey or hide, and
 * bytes that are no UTF-8, as \xNN or \u{NNNN}. Fills buf, not terminated, and returns how many bytes of s
 * that was.
 */
#define MLO_UTF8_SHOWN 12
size_t mlo_utf8_show(const char *s, size_t n, char buf[MLO_UTF8_SHOWN], size_t *ret_len);

#endif

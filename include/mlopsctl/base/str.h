/*
 * A growing string with a maximum and sticky failure: append ten times, check once.
 *
 * `ptr` is never NULL after init and always terminated. After a failure (memory, or more than `max` bytes)
 * appends do nothing until mlo_str_clear; mlo_str_check tells.
 */
#ifndef MLOPSCTL_BASE_STR_H
#define MLOPSCTL_BASE_STR_H

#include <mlopsctl/base/mem.h>

struct mlo_str {
    char *ptr;
    size_t len; /* without the terminator */
    size_t cap;
    size_t max; /* largest len */
    int failed; /* 0, or the MLO_E* of the first failure */
};

/* Bytes that belong to somebody else. */
struct mlo_slice {
    const char *ptr;
    size_t len;
};

#define MLO_STR_MAX ((size_t)1 << 30)

void mlo_str_init(struct mlo_str *s, size_t max);
void mlo_str_release(struct mlo_str *s);
void mlo_str_clear(struct mlo_str *s);
void mlo_str_add(struct mlo_str *s, const char *text);
void mlo_str_addn(struct mlo_str *s, const void *bytes, size_t n);
void mlo_str_addc(struct mlo_str *s, char c);
void mlo_str_addf(struct mlo_str *s, const char *fmt, ...) MLO_PRINTF(2, 3);
void mlo_str_vaddf(struct mlo_str *s, const char *fmt, va_list ap) MLO_PRINTF(2, 0);
void mlo_str_fill(struct mlo_str *s, char c, size_t n);
/* What stands behind the first len bytes goes. */
void mlo_str_truncate(struct mlo_str *s, size_t len);
/* 0, or the sticky failure with err set. */
int mlo_str_check(const struct mlo_str *s, struct mlo_err *err) MLO_MUST_CHECK;
/* Hands the buffer over; s is empty afterwards. Check first. */
char *mlo_str_detach(struct mlo_str *s, size_t *ret_len);

#define MLO_AUTOSTR MLO_AUTO(mlo_str_release)

#endif

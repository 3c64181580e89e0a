/*
 * Unit tests: TAP from plain C. A test program is a list of functions:
 *
 *     static void reads_a_scalar(void) { check(x == 1, "value is one"); }
 *     int main(void) { run(reads_a_scalar); return done_testing(); }
 *
 * run() prints one TAP line a function; check() records failures with file and line and goes on.
 *
 * Memory faults: `each_alloc_failure(fn)` calls fn with allocation 1, 2, 3, ... failing (once, then from
 * there on) until none fires; fn returns 0 or a negative code and must leak nothing (AddressSanitizer
 * watches).
 */
#ifndef TESTS_UNIT_TAP_H
#define TESTS_UNIT_TAP_H

#include <stdbool.h>
#include <stdio.h>

#include <mlopsctl/base/err.h>

#define run(fn)              tap_run(#fn, fn)
#define check(cond, ...)     tap_check((cond), __FILE__, __LINE__, #cond, " " __VA_ARGS__)
#define check_str(got, want) tap_check_str((got), (want), __FILE__, __LINE__)
#define check_int(got, want) tap_check_int((long long)(got), (long long)(want), __FILE__, __LINE__, #got)
/* rc must be 0; prints err's message otherwise. */
#define check_ok(rc, err) tap_check_ok((rc), (err), __FILE__, __LINE__, #rc)
/* rc must be `code`, and the message must contain `text` (NULL: any). */
#define check_err(rc, code, err, text) tap_check_err((rc), (code), (err), (text), __FILE__, __LINE__)

void tap_run(const char *name, void (*fn)(void));
bool tap_check(bool ok, const char *file, int line, const char *expr, const char *fmt, ...) MLO_PRINTF(5, 6);
bool tap_check_str(const char *got, const char *want, const char *file, int line);
bool tap_check_int(long long got, long long want, const char *file, int line, const char *expr);
bool tap_check_ok(int rc, const struct mlo_err *err, const char *file, int line, const char *expr);
bool tap_check_err(int rc, int code, const struct mlo_err *err, const char *text, const char *file, int line);
int done_testing(void);

/* Returns how many allocations fn makes; a code other than 0 or an MLO_EIO while failing is a failed check.
 */
int each_alloc_failure(int (*fn)(void));
/* A fresh folder below $TMPDIR, removed at exit; borrowed. */
const char *tap_tmpdir(void);

#endif

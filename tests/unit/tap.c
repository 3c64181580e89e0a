/* See tap.h. The allocator is wrapped at link time (-Wl,--wrap=...), so the code under test needs no hooks.
 */
#include "tap.h"

#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int n_run, n_failed, n_bad;
static char tmpdir[PATH_MAX];

bool tap_check(bool ok, const char *file, int line, const char *expr, const char *fmt, ...)
{
    if (ok)
        return true;
    n_bad++;
    printf("# %s:%d: %s", file, line, expr);
    if (fmt[1]) { /* check() puts a space before what it is given */
        va_list ap;
        printf(":");
        va_start(ap, fmt);
        vprintf(fmt, ap);
        va_end(ap);
    }
    printf("\n");
    return false;
}

bool tap_check_str(const char *got, const char *want, const char *file, int line)
{
    if (got && want && strcmp(got, want) == 0)
        return true;
    return tap_check(got == want, file, line, "strings", " got '%s', want '%s'", got ? got : "(null)",
                     want ? want : "(null)");
}

bool tap_check_int(long long got, long long want, const char *file, int line, const char *expr)
{
    return tap_check(got == want, file, line, expr, " got %lld, want %lld", got, want);
}

bool tap_check_ok(int rc, const struct mlo_err *err, const char *file, int line, const char *expr)
{
    return tap_check(rc == 0, file, line, expr, " code %d: %s", rc, err->msg);
}

bool tap_check_err(int rc, int code, const struct mlo_err *err, const char *text, const char *file, int line)
{
    if (!tap_check(rc == code, file, line, "error code", " got %d (%s), want %d", rc, rc ? err->msg : "",
                   code))
        return false;
    return tap_check(!text || strstr(err->msg, text), file, line, "error message", " '%s' lacks '%s'",
                     err->msg, text ? text : "");
}

void tap_run(const char *name, void (*fn)(void))
{
    n_bad = 0;
    fn();
    n_run++;
    n_failed += n_bad != 0;
    printf("%s %d - %s\n", n_bad ? "not ok" : "ok", n_run, name);
    fflush(stdout);
}

int done_testing(void)
{
    printf("1..%d\n", n_run);
    return n_failed != 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void remove_tmpdir(void)
{
    nftw(tmpdir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *tap_tmpdir(void)
{
    if (!*tmpdir) {
        const char *base = getenv("TMPDIR");
        snprintf(tmpdir, sizeof tmpdir, "%s/mlo-unit-XXXXXX", base ? base : "/tmp");
        if (!mkdtemp(tmpdir))
            abort();
        atexit(remove_tmpdir);
    }
    return tmpdir;
}

/* ---- allocation faults ---- */

/* Threads of the code under test allocate too. */
static atomic_long countdown = -1; /* calls until failure; -1: off */
static atomic_bool persistent, fired;

static bool must_fail(void)
{
    if (countdown < 0 || --countdown > 0)
        return false;
    fired = true;
    countdown = persistent ? 1 : -1;
    return true;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t alignment, size_t n);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t alignment, size_t n);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);

void *__wrap_malloc(size_t n)
{
    return must_fail() ? NULL : __real_malloc(n);
}
void *__wrap_calloc(size_t n, size_t size)
{
    return must_fail() ? NULL : __real_calloc(n, size);
}
void *__wrap_realloc(void *p, size_t n)
{
    return must_fail() ? NULL : __real_realloc(p, n);
}
void *__wrap_aligned_alloc(size_t alignment, size_t n)
{
    return must_fail() ? NULL : __real_aligned_alloc(alignment, n);
}
char *__wrap_strdup(const char *s)
{
    return must_fail() ? NULL : __real_strdup(s);
}
char *__wrap_strndup(const char *s, size_t n)
{
    return must_fail() ? NULL : __real_strndup(s, n);
}

int each_alloc_failure(int (*fn)(void))
{
    int n = 0;
    for (int mode = 0; mode < 2; mode++) {
        for (n = 1; n < 100000; n++) {
            persistent = mode == 1;
            fired = false;
            countdown = n;
            int rc = fn();
            countdown = -1;
            if (!fired) {
                tap_check(rc == 0, __FILE__, __LINE__, "without faults", " code %d", rc);
                break;
            }
            tap_check(rc == 0 || rc == MLO_EIO, __FILE__, __LINE__, "allocation failure",
                      " allocation %d: code %d", n, rc);
        }
    }
    return n - 1;
}

#include <mlopsctl/base/err.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "utf8.h"

/*
 * By way of a buffer of its own: the arguments may point into what is being replaced. A message is there to
 * be read, so nothing in it may command a terminal, whoever wrote the name that it quotes.
 */
static void put(char *buf, size_t size, const char *fmt, va_list ap)
{
    char text[2 * sizeof((struct mlo_err *)0)->msg], shown[MLO_UTF8_SHOWN];
    size_t used = 0, cut = 0, len;
    if (vsnprintf(text, sizeof text, fmt, ap) < 0)
        *text = '\0';
    for (const char *p = text, *end = text + strlen(text); p < end;) {
        p += mlo_utf8_show(p, (size_t)(end - p), shown, &len);
        if (len >= size - used) {
            memcpy(buf + cut, "...", sizeof "...");
            return;
        }
        memcpy(buf + used, shown, len);
        used += len;
        if (size - used >= sizeof "...")
            cut = used; /* between characters */
    }
    buf[used] = '\0';
}

static void putf(char *buf, size_t size, const char *fmt, ...) MLO_PRINTF(3, 4);
static void putf(char *buf, size_t size, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    put(buf, size, fmt, ap);
    va_end(ap);
}

int mlo_fail(struct mlo_err *err, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    put(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    err->code = code;
    err->sys_errno = 0;
    err->hint[0] = '\0';
    return code;
}

int mlo_fail_errno(struct mlo_err *err, const char *fmt, ...)
{
    int cause = errno;
    char why[128],
        what[sizeof err->msg - sizeof why - sizeof ": "]; /* a long name leaves room for the reason */
    va_list ap;
    va_start(ap, fmt);
    put(what, sizeof what, fmt, ap);
    va_end(ap);
    mlo_fail(err, cause == ENOENT ? MLO_ENOTFOUND : MLO_EIO, "%s: %s", what,
             strerror_r(cause, why, sizeof why));
    err->sys_errno = cause;
    return err->code;
}

int mlo_fail_nomem(struct mlo_err *err)
{
    mlo_fail(err, MLO_EIO, "out of memory");
    err->sys_errno = ENOMEM;
    return err->code;
}

int mlo_wrap(struct mlo_err *err, const char *fmt, ...)
{
    char before[sizeof err->msg];
    va_list ap;
    va_start(ap, fmt);
    put(before, sizeof before, fmt, ap);
    va_end(ap);
    putf(err->msg, sizeof err->msg, "%s: %s", before, err->msg);
    return err->code;
}

int mlo_hint(struct mlo_err *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    put(err->hint, sizeof err->hint, fmt, ap);
    va_end(ap);
    return err->code;
}

const char *mlo_code_name(int code)
{
    static const char *const names[] = {"done",   "no",       "usage",       "not-found", "invalid",
                                        "remote", "conflict", "unavailable", "io",        "internal"};
    return code <= 0 && code >= MLO_EINTERNAL ? names[-code] : "internal";
}

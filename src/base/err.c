#include <mlopsctl/base/err.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void put(char *buf, size_t size, const char *fmt, va_list ap)
{
    int n = vsnprintf(buf, size, fmt, ap);
    if (n >= 0 && (size_t)n >= size)
        memcpy(buf + size - 4, "...", 4);
}

int mlo_fail(struct mlo_err *err, int code, const char *fmt, ...)
{
    va_list ap;
    err->code = code;
    err->sys_errno = 0;
    err->hint[0] = '\0';
    va_start(ap, fmt);
    put(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    return code;
}

int mlo_fail_errno(struct mlo_err *err, const char *fmt, ...)
{
    int cause = errno;
    char what[sizeof err->msg], why[128];
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
    char before[sizeof err->msg], whole[2 * sizeof err->msg + 2];
    va_list ap;
    va_start(ap, fmt);
    put(before, sizeof before, fmt, ap);
    va_end(ap);
    snprintf(whole, sizeof whole, "%s: %s", before, err->msg);
    if (strlen(whole) >= sizeof err->msg)
        memcpy(whole + sizeof err->msg - 4, "...", 4);
    memcpy(err->msg, whole, strlen(whole) + 1);
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

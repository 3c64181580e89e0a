#include <mlopsctl/base/str.h>

#include <stdio.h>
#include <string.h>

static char nothing[1]; /* what an empty string points to; never written */

void mlo_str_init(struct mlo_str *s, size_t max)
{
    *s = (struct mlo_str){.ptr = nothing, .max = max};
}

void mlo_str_release(struct mlo_str *s)
{
    if (s->cap)
        free(s->ptr);
    mlo_str_init(s, s->max);
}

void mlo_str_clear(struct mlo_str *s)
{
    s->len = 0;
    s->failed = 0;
    if (s->cap)
        s->ptr[0] = '\0';
}

/* Room for n more bytes and the terminator. */
static bool reserve(struct mlo_str *s, size_t n)
{
    if (s->failed)
        return false;
    if (n > s->max - s->len) {
        s->failed = MLO_EINVALID;
        return false;
    }
    if (s->len + n < s->cap)
        return true;
    size_t cap = s->cap + s->cap / 2 + 64;
    if (cap <= s->len + n)
        cap = s->len + n + 1;
    char *grown = realloc(s->cap ? s->ptr : NULL, cap);
    if (!grown) {
        s->failed = MLO_EIO;
        return false;
    }
    grown[s->len] = '\0';
    s->ptr = grown;
    s->cap = cap;
    return true;
}

void mlo_str_addn(struct mlo_str *s, const void *bytes, size_t n)
{
    if (n == 0 || !reserve(s, n))
        return;
    memcpy(s->ptr + s->len, bytes, n);
    s->len += n;
    s->ptr[s->len] = '\0';
}

void mlo_str_add(struct mlo_str *s, const char *text)
{
    mlo_str_addn(s, text, strlen(text));
}

void mlo_str_addc(struct mlo_str *s, char c)
{
    mlo_str_addn(s, &c, 1);
}

void mlo_str_fill(struct mlo_str *s, char c, size_t n)
{
    if (n == 0 || !reserve(s, n))
        return;
    memset(s->ptr + s->len, c, n);
    s->len += n;
    s->ptr[s->len] = '\0';
}

void mlo_str_truncate(struct mlo_str *s, size_t len)
{
    if (len >= s->len)
        return;
    s->len = len;
    s->ptr[len] = '\0';
}

void mlo_str_vaddf(struct mlo_str *s, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (n <= 0 || !reserve(s, (size_t)n))
        return;
    vsnprintf(s->ptr + s->len, (size_t)n + 1, fmt, ap);
    s->len += (size_t)n;
}

void mlo_str_addf(struct mlo_str *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    mlo_str_vaddf(s, fmt, ap);
    va_end(ap);
}

int mlo_str_check(const struct mlo_str *s, struct mlo_err *err)
{
    if (!s->failed)
        return 0;
    if (s->failed == MLO_EIO)
        return mlo_fail_nomem(err);
    return mlo_fail(err, MLO_EINVALID, "text longer than %zu bytes", s->max);
}

char *mlo_str_detach(struct mlo_str *s, size_t *ret_len)
{
    char *p = s->cap ? s->ptr : calloc(1, 1);
    if (ret_len)
        *ret_len = s->len;
    mlo_str_init(s, s->max);
    return p;
}

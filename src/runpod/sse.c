/* Server-sent events: lines "field: value", an empty line ends an event. WHATWG HTML, section 9.2. */
#include <string.h>

#include "internal.h"

void mlo_sse_init(struct mlo_sse *s,
                  int (*fn)(void *ctx, const char *id, const char *data, struct mlo_err *err), void *ctx)
{
    *s = (struct mlo_sse){.fn = fn, .ctx = ctx};
    mlo_str_init(&s->line, MLO_SSE_LINE_MAX);
    mlo_str_init(&s->data, MLO_SSE_DATA_MAX);
    mlo_str_init(&s->id, MLO_SSE_LINE_MAX);
}

void mlo_sse_release(struct mlo_sse *s)
{
    mlo_str_release(&s->line);
    mlo_str_release(&s->data);
    mlo_str_release(&s->id);
}

void mlo_sse_restart(struct mlo_sse *s)
{
    mlo_str_clear(&s->line);
    mlo_str_clear(&s->data);
    s->after_cr = s->started = false;
}

static int dispatch(struct mlo_sse *s, struct mlo_err *err)
{
    if (s->data.len == 0)
        return 0;
    s->data.ptr[s->data.len - 1] = '\0'; /* the line feed after its last line */
    int rc = s->fn(s->ctx, s->id.ptr, s->data.ptr, err);
    mlo_str_clear(&s->data);
    return rc;
}

static const char *value_of(const struct mlo_sse *s, const char *field)
{
    size_t n = strlen(field);
    const char *line = s->line.ptr;
    if (strncmp(line, field, n) != 0 || (line[n] != ':' && line[n] != '\0'))
        return NULL;
    line += n + (line[n] == ':');
    return line + (*line == ' ');
}

static int end_line(struct mlo_sse *s, struct mlo_err *err)
{
    const char *data = value_of(s, "data"), *id = value_of(s, "id");
    bool whole = strlen(s->line.ptr) == s->line.len; /* an id with a NUL in it is to be ignored */
    if (s->line.len == 0)
        return dispatch(s, err);
    if (data)
        mlo_str_addf(&s->data, "%s\n", data);
    if (id && whole) {
        mlo_str_clear(&s->id);
        mlo_str_add(&s->id, id);
    }
    mlo_str_clear(&s->line);
    return mlo_str_check(&s->data, err);
}

int mlo_sse_feed(struct mlo_sse *s, const void *bytes, size_t n, struct mlo_err *err)
{
    const char *p = bytes, *end = p + n;
    for (int rc; p < end;) {
        size_t len = 0;
        if (s->after_cr && *p == '\n')
            p++;
        s->after_cr = false;
        while (p + len < end && p[len] != '\n' && p[len] != '\r')
            len++;
        mlo_str_addn(&s->line, p, len);
        if ((rc = mlo_str_check(&s->line, err)) != 0)
            return rc;
        p += len;
        if (p == end)
            return 0;
        if (!s->started && strncmp(s->line.ptr, "\xef\xbb\xbf", 3) == 0)
            memmove(s->line.ptr, s->line.ptr + 3, (s->line.len -= 3) + 1);
        s->started = true;
        s->after_cr = *p++ == '\r';
        if ((rc = end_line(s, err)) != 0)
            return rc;
    }
    return 0;
}

/*
 * Sources (a file, memory, a part of another source) and the sequential window over them. All bounds are
 * checked here, in mlo_source_read, before a source's own read_at is called; a reader that only uses these
 * functions cannot read outside.
 */
#include <string.h>

#include <mlopsctl/base/io.h>

#include "internal.h"

static int read_fd(void *ctx, void *buf, size_t n, uint64_t off, struct mlo_err *err)
{
    return mlo_read_exact_at(*(const int *)ctx, buf, n, off, err);
}

static int read_mem(void *ctx, void *buf, size_t n, uint64_t off, struct mlo_err *err)
{
    (void)err;
    memcpy(buf, (const char *)((const struct mlo_mem *)ctx)->data + off, n);
    return 0;
}

static int read_part(void *ctx, void *buf, size_t n, uint64_t off, struct mlo_err *err)
{
    const struct mlo_part *part = ctx;
    uint64_t at;
    if (!mlo_add_u64(part->offset, off, &at))
        return mlo_fail(err, MLO_EINVALID, "offset %llu lies outside the file", (unsigned long long)off);
    return mlo_source_read(part->src, buf, n, at, err);
}

/* The callbacks only read through ctx; its type is shared with sources that do not. */
static void *as_ctx(const void *p)
{
    return (void *)(uintptr_t)p;
}

struct mlo_source mlo_source_fd(const int *fd, uint64_t size)
{
    return (struct mlo_source){.size = size, .read_at = read_fd, .ctx = as_ctx(fd)};
}

struct mlo_source mlo_source_mem(const struct mlo_mem *mem, size_t size)
{
    return (struct mlo_source){.size = size, .read_at = read_mem, .ctx = as_ctx(mem)};
}

struct mlo_source mlo_source_part(const struct mlo_part *part, uint64_t size)
{
    return (struct mlo_source){.size = size, .read_at = read_part, .ctx = as_ctx(part)};
}

int mlo_source_read(const struct mlo_source *src, void *buf, size_t n, uint64_t off, struct mlo_err *err)
{
    if (off > src->size || n > src->size - off)
        return mlo_fail(err, MLO_EINVALID, "truncated: %zu bytes needed at byte %llu of %llu", n,
                        (unsigned long long)off, (unsigned long long)src->size);
    return n ? src->read_at(src->ctx, buf, n, off, err) : 0;
}

void mlo_win_init(struct mlo_win *w, const struct mlo_source *src, uint64_t pos, uint64_t end)
{
    if (end > src->size)
        end = src->size;
    *w = (struct mlo_win){.src = src, .pos = pos < end ? pos : end, .end = end};
}

void mlo_win_release(struct mlo_win *w)
{
    free(w->buf);
    w->buf = NULL;
    w->have = 0;
}

static int win_short(const struct mlo_win *w, uint64_t n, struct mlo_err *err)
{
    return mlo_fail(err, MLO_EINVALID, "truncated at byte %llu: needs %llu bytes, %llu left",
                    (unsigned long long)w->pos, (unsigned long long)n, (unsigned long long)mlo_win_left(w));
}

/* Bytes of the window at pos. */
static size_t win_at_hand(const struct mlo_win *w)
{
    if (w->pos < w->start || w->pos - w->start > w->have)
        return 0;
    return w->have - (size_t)(w->pos - w->start);
}

static int win_fill(struct mlo_win *w, struct mlo_err *err)
{
    size_t room = w->end < MLO_WINDOW ? (size_t)w->end : MLO_WINDOW; /* a small file needs no large window */
    if (!w->buf && !(w->buf = mlo_calloc(1, room, err)))
        return err->code;
    size_t n = mlo_win_left(w) < MLO_WINDOW ? (size_t)mlo_win_left(w) : MLO_WINDOW;
    w->have = 0;
    int rc = mlo_source_read(w->src, w->buf, n, w->pos, err);
    if (rc < 0)
        return rc;
    w->start = w->pos;
    w->have = n;
    return 0;
}

int mlo_win_peek(struct mlo_win *w, size_t n, const uint8_t **ret, struct mlo_err *err)
{
    if (n > mlo_win_left(w) || n > MLO_WINDOW)
        return win_short(w, n, err);
    if (!w->buf || win_at_hand(w) < n) {
        int rc = win_fill(w, err);
        if (rc < 0)
            return rc;
    }
    *ret = w->buf + (w->pos - w->start);
    return 0;
}

int mlo_win_some(struct mlo_win *w, const uint8_t **ret, size_t *ret_n, struct mlo_err *err)
{
    const uint8_t *p = (const uint8_t *)"";
    if (mlo_win_left(w)) {
        int rc = mlo_win_peek(w, 1, &p, err);
        if (rc < 0)
            return rc;
    }
    *ret = p;
    *ret_n = mlo_win_left(w) ? win_at_hand(w) : 0;
    return 0;
}

int mlo_win_skip(struct mlo_win *w, uint64_t n, struct mlo_err *err)
{
    if (n > mlo_win_left(w))
        return win_short(w, n, err);
    w->pos += n;
    return 0;
}

int mlo_win_read(struct mlo_win *w, void *buf, size_t n, struct mlo_err *err)
{
    if (n > mlo_win_left(w))
        return win_short(w, n, err);
    if (n > MLO_WINDOW) {
        int rc = mlo_source_read(w->src, buf, n, w->pos, err);
        if (rc < 0)
            return rc;
    } else if (n) {
        const uint8_t *p;
        int rc = mlo_win_peek(w, n, &p, err);
        if (rc < 0)
            return rc;
        memcpy(buf, p, n);
    }
    w->pos += n;
    return 0;
}

int mlo_win_u8(struct mlo_win *w, uint8_t *ret, struct mlo_err *err)
{
    return mlo_win_read(w, ret, 1, err);
}

int mlo_win_u16(struct mlo_win *w, uint16_t *ret, struct mlo_err *err)
{
    uint8_t b[2] = {0};
    int rc = mlo_win_read(w, b, sizeof b, err);
    if (rc == 0)
        *ret = mlo_le16(b);
    return rc;
}

int mlo_win_u32(struct mlo_win *w, uint32_t *ret, struct mlo_err *err)
{
    uint8_t b[4] = {0};
    int rc = mlo_win_read(w, b, sizeof b, err);
    if (rc == 0)
        *ret = mlo_le32(b);
    return rc;
}

int mlo_win_u64(struct mlo_win *w, uint64_t *ret, struct mlo_err *err)
{
    uint8_t b[8] = {0};
    int rc = mlo_win_read(w, b, sizeof b, err);
    if (rc == 0)
        *ret = mlo_le64(b);
    return rc;
}

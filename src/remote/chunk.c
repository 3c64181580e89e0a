/*
 * Where files are cut. A tensor that did not change must give the same chunks wherever it stands in its file,
 * so cuts are made at tensors' borders and counted from their starts; what lies between tensors, and files
 * without any, are cut where a rolling hash over the last 64 bytes says so. The numbers here are part of the
 * remote format.
 */
#include "internal.h"

#include <string.h>

#define SMALL_FILE      ((uint64_t)64 << 20)
#define SMALL_TARGET    ((uint64_t)64 << 10)
#define LARGE_TARGET    ((uint64_t)1 << 20)
#define GEAR_WINDOW     64 /* older bytes have been shifted out of the hash */
#define READ_BYTES      ((size_t)256 << 10)
#define PLAN_CHUNKS_MAX MLO_RECIPE_CHUNKS_MAX

struct plan {
    const struct mlo_source *src;
    struct mlo_chunk *list;
    size_t n, cap;
    uint64_t min, max, mask;
    unsigned char *buf;
};

static int add_chunk(struct plan *p, uint64_t offset, uint64_t length, struct mlo_err *err)
{
    if (p->n >= PLAN_CHUNKS_MAX)
        return mlo_fail(err, MLO_EINVALID, "file has more than %zu chunks", PLAN_CHUNKS_MAX);
    int rc = mlo_grow(&p->list, &p->cap, p->n + 1, sizeof *p->list, err);
    if (rc == 0)
        p->list[p->n++] = (struct mlo_chunk){.offset = offset, .length = length};
    return rc;
}

/* ---- between tensors ---- */

/* Where the chunk that starts at `start` ends, at most `end`. */
static int find_cut(struct plan *p, uint64_t start, uint64_t end, uint64_t *ret, struct mlo_err *err)
{
    uint64_t hash = 0, first = start + p->min, last = end - start > p->max ? start + p->max : end;
    if (end - start <= p->min) {
        *ret = end;
        return 0;
    }
    for (uint64_t at = first - GEAR_WINDOW; at < last;) {
        size_t n = last - at < READ_BYTES ? (size_t)(last - at) : READ_BYTES;
        int rc = p->src->read_at(p->src->ctx, p->buf, n, at, err);
        if (rc != 0)
            return rc;
        for (size_t i = 0; i < n; i++, at++) {
            hash = (hash << 1) + mlo_gear[p->buf[i]];
            if (at >= first && (hash & p->mask) == 0) {
                *ret = at + 1;
                return 0;
            }
        }
    }
    *ret = last;
    return 0;
}

static int cut_by_content(struct plan *p, uint64_t start, uint64_t end, struct mlo_err *err)
{
    while (start < end) {
        uint64_t cut = end;
        int rc = find_cut(p, start, end, &cut, err);
        if (rc == 0)
            rc = add_chunk(p, start, cut - start, err);
        if (rc != 0)
            return rc;
        start = cut;
    }
    return 0;
}

/* ---- tensors ---- */

static int cut_tensor(struct plan *p, uint64_t start, uint64_t length, struct mlo_err *err)
{
    uint64_t step = length > MLO_CHUNK_WHOLE ? MLO_CHUNK_PIECE : length;
    for (uint64_t done = 0; done < length; done += step) {
        int rc = add_chunk(p, start + done, length - done < step ? length - done : step, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* By start; of those that start together the longest first. */
static int span_cmp(const void *a, const void *b)
{
    const struct mlo_span *x = a, *y = b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->length == y->length ? 0 : x->length > y->length ? -1 : 1;
}

static int cut_all(struct plan *p, const struct mlo_span *spans, size_t n, struct mlo_err *err)
{
    uint64_t at = 0, size = p->src->size;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const struct mlo_span *s = &spans[i];
        if (s->offset < at || s->offset > size || s->length > size - s->offset || s->length == 0)
            continue;
        rc = cut_by_content(p, at, s->offset, err);
        if (rc == 0)
            rc = cut_tensor(p, s->offset, s->length, err);
        at = s->offset + s->length;
    }
    return rc != 0 ? rc : cut_by_content(p, at, size, err);
}

int mlo_chunk_spans(const struct mlo_source *src, struct mlo_span *spans, size_t n, struct mlo_chunk **ret,
                    size_t *ret_n, struct mlo_err *err)
{
    uint64_t target = src->size < SMALL_FILE ? SMALL_TARGET : LARGE_TARGET;
    struct plan p = {.src = src, .min = target / 4, .max = target * 4, .mask = ~(UINT64_MAX / target)};
    p.buf = malloc(READ_BYTES);
    if (!p.buf)
        return mlo_fail_nomem(err);
    if (n > 1)
        qsort(spans, n, sizeof *spans, span_cmp);
    int rc = cut_all(&p, spans, n, err);
    free(p.buf);
    if (rc != 0) {
        free(p.list);
        return rc;
    }
    *ret = p.list;
    *ret_n = p.n;
    return 0;
}

/* Does the tensor have its own bytes in this file? */
static bool lies_in(const struct mlo_tensor *t, const char *external)
{
    if (external)
        return t->store == MLO_TS_EXTERNAL && strcmp(t->external, external) == 0;
    return t->store != MLO_TS_EXTERNAL && t->store != MLO_TS_NONE;
}

int mlo_spans_add(struct mlo_spans *s, const struct mlo_checkpoint *cp, const char *external,
                  struct mlo_err *err)
{
    for (size_t i = 0; i < cp->n_tensors; i++) {
        const struct mlo_tensor *t = &cp->tensors[i];
        if (!lies_in(t, external))
            continue;
        int rc = mlo_grow(&s->list, &s->cap, s->n + 1, sizeof *s->list, err);
        if (rc != 0)
            return rc;
        s->list[s->n++] = (struct mlo_span){t->offset, t->length};
    }
    return 0;
}

int mlo_chunk_plan(const struct mlo_source *src, const struct mlo_checkpoint *cp, struct mlo_chunk **ret,
                   size_t *ret_n, struct mlo_err *err)
{
    struct mlo_spans s = {0};
    int rc = cp ? mlo_spans_add(&s, cp, NULL, err) : 0;
    if (rc == 0)
        rc = mlo_chunk_spans(src, s.list, s.n, ret, ret_n, err);
    free(s.list);
    return rc;
}

/* The chunks of a file that can be read at any place: bytes that have no say in where they end are passed
 * over. */
#include "internal.h"

#include <string.h>

#define READ_BYTES ((size_t)256 << 10)

struct plan {
    struct mlo_cutter cutter;
    struct mlo_chunk *list;
    size_t n, cap;
    uint64_t start;
};

static int take(struct plan *p, const void *bytes, uint64_t n, uint64_t *ret_taken, struct mlo_err *err)
{
    bool end = false;
    *ret_taken = mlo_cutter_take(&p->cutter, bytes, (size_t)n, &end);
    if (!end)
        return 0;
    if (p->n >= MLO_RECIPE_CHUNKS_MAX)
        return mlo_fail(err, MLO_EINVALID, "file has more than %zu chunks", MLO_RECIPE_CHUNKS_MAX);
    int rc = mlo_grow(&p->list, &p->cap, p->n + 1, sizeof *p->list, err);
    if (rc == 0)
        p->list[p->n++] = (struct mlo_chunk){.offset = p->start, .length = p->cutter.at - p->start};
    p->start = p->cutter.at;
    return rc;
}

static int look(struct plan *p, const struct mlo_source *src, unsigned char *buf, struct mlo_err *err)
{
    uint64_t left = p->cutter.end - p->cutter.at, taken;
    size_t n = left < READ_BYTES ? (size_t)left : READ_BYTES;
    int rc = src->read_at(src->ctx, buf, n, p->cutter.at, err);
    return rc != 0 ? rc : take(p, buf, n, &taken, err); /* what follows a cut is read again */
}

int mlo_chunk_spans(const struct mlo_source *src, struct mlo_span *spans, size_t n, struct mlo_chunk **ret,
                    size_t *ret_n, struct mlo_err *err)
{
    struct plan p = {.start = 0};
    MLO_AUTOFREE unsigned char *buf = malloc(READ_BYTES);
    int rc = buf ? 0 : mlo_fail_nomem(err);
    mlo_cutter_init(&p.cutter, spans, n, src->size, MLO_PACK_MAX);
    while (rc == 0 && p.cutter.at < src->size) {
        uint64_t blind = mlo_cutter_blind(&p.cutter), taken;
        rc = blind > 0 ? take(&p, NULL, blind, &taken, err) : look(&p, src, buf, err);
    }
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

/*
 * Where files are cut. A tensor that did not change must give the same chunks wherever it stands in its file,
 * so cuts are made at tensors' borders and counted from their starts; what lies between tensors, and files
 * without any, are cut where a rolling hash over the last 64 bytes says so. The numbers here are part of the
 * remote format.
 *
 * A cutter sees the bytes of a file pass by once, in order, and says where chunks end.
 */
#include "internal.h"

#define SMALL_FILE   ((uint64_t)64 << 20)
#define SMALL_TARGET ((uint64_t)64 << 10)
#define LARGE_TARGET ((uint64_t)1 << 20)
#define GEAR_WINDOW  64 /* older bytes have been shifted out of the hash */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* By start; of those that start together the longest first. */
static int span_cmp(const void *a, const void *b)
{
    const struct mlo_span *x = a, *y = b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->length == y->length ? 0 : x->length > y->length ? -1 : 1;
}

/* Overlapping spans and those beyond the end are passed over. */
static size_t sort_spans(struct mlo_span *spans, size_t n, uint64_t size)
{
    uint64_t at = 0;
    size_t kept = 0;
    if (n > 1)
        qsort(spans, n, sizeof *spans, span_cmp);
    for (size_t i = 0; i < n; i++) {
        struct mlo_span s = spans[i];
        if (s.offset < at || s.offset > size || s.length > size - s.offset || s.length == 0)
            continue;
        spans[kept++] = s;
        at = s.offset + s.length;
    }
    return kept;
}

/* The chunk that starts here: how far it may go, and from where its content has a say. */
static void begin_chunk(struct mlo_cutter *c)
{
    const struct mlo_span *s = c->n_spans > 0 ? c->spans : NULL;
    c->hash = 0;
    if (s && s->offset <= c->at) {
        uint64_t end = s->offset + s->length;
        uint64_t step = s->length > c->whole ? c->piece : s->length;
        c->end = c->roll_from = least(c->at + step, end);
        if (c->end == end) {
            c->spans++;
            c->n_spans--;
        }
        return;
    }
    uint64_t border = s ? s->offset : c->size;
    bool cut = border - c->at > c->min;
    c->end = cut ? least(c->at + c->max, border) : border;
    c->may_end = c->at + c->min;
    c->roll_from = cut ? c->may_end - GEAR_WINDOW : c->end;
}

void mlo_cutter_init(struct mlo_cutter *c, struct mlo_span *spans, size_t n, uint64_t size, uint64_t longest)
{
    uint64_t target = size < SMALL_FILE ? SMALL_TARGET : LARGE_TARGET;
    *c = (struct mlo_cutter){.spans = spans,
                             .n_spans = sort_spans(spans, n, size),
                             .size = size,
                             .min = target / 4,
                             .max = least(target * 4, longest),
                             .whole = least(MLO_CHUNK_WHOLE, longest),
                             .piece = least(MLO_CHUNK_PIECE, longest),
                             .mask = ~(UINT64_MAX / target)};
    begin_chunk(c);
}

uint64_t mlo_cutter_blind(const struct mlo_cutter *c)
{
    return c->roll_from > c->at ? c->roll_from - c->at : 0;
}

/* The cut among the next n bytes, counted from here; n when there is none. */
static size_t roll(struct mlo_cutter *c, const unsigned char *p, size_t n)
{
    uint64_t hash = c->hash;
    for (size_t i = (size_t)least(mlo_cutter_blind(c), n); i < n; i++) {
        hash = (hash << 1) + mlo_gear[p[i]];
        if (c->at + i >= c->may_end && (hash & c->mask) == 0) {
            c->end = c->at + i + 1;
            return i + 1;
        }
    }
    c->hash = hash;
    return n;
}

size_t mlo_cutter_take(struct mlo_cutter *c, const void *p, size_t n, bool *ret_end)
{
    size_t taken = roll(c, p, (size_t)least(n, c->end - c->at));
    c->at += taken;
    *ret_end = c->at == c->end;
    if (*ret_end)
        begin_chunk(c);
    return taken;
}

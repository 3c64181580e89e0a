/* See stretch.h. */
#include "stretch.h"
#include "team.h"

#include <string.h>

#define ITEMS_MAX 128
#define ROOM      ((size_t)24 << 10) /* of all contexts */

struct item {
    void (*fn)(void *ctx, size_t part, size_t parts);
    size_t at;  /* of its context in the room */
    bool alone; /* by one thread, while the others wait */
};
struct mlo_stretch {
    unsigned runs; /* that are begun, one inside the other */
    bool may;      /* the step that runs may be put off */
    /* What steps will find when it is their turn. */
    bool is_open; /* something was put off since all was done */
    bool met;     /* threads have met, and nothing was shared since */
    size_t rows;  /* that parts have had of their own since threads met; 0: something else */
    size_t epoch;
    bool began; /* the step has, in `span` */
    struct mlo_span span;
    /* What is not done yet. Items of a phase: first those of one thread alone, then those of all. */
    struct item items[ITEMS_MAX];
    size_t first[ITEMS_MAX]; /* of each phase */
    size_t n, phases, used;
    struct mlo_buffer *kept; /* that it may need */
    _Alignas(64) unsigned char room[ROOM];
};

int mlo_stretch_new(struct mlo_stretch **ret, struct mlo_err *err)
{
    struct mlo_stretch *st = aligned_alloc(64, (sizeof *st + 63) & ~(size_t)63);
    if (!st)
        return mlo_fail_nomem(err);
    memset(st, 0, sizeof *st);
    *ret = st;
    return 0;
}

void mlo_stretch_free(struct mlo_stretch *st)
{
    free(st);
}

/* ---- doing it ---- */

static size_t end_of(const struct mlo_stretch *st, size_t phase)
{
    return phase + 1 < st->phases ? st->first[phase + 1] : st->n;
}

static void begin_phase(void *ctx, size_t phase)
{
    struct mlo_stretch *st = ctx;
    for (size_t i = st->first[phase]; i < end_of(st, phase) && st->items[i].alone; i++)
        st->items[i].fn(st->room + st->items[i].at, 0, 1);
}

static void do_part(void *ctx, size_t phase, size_t part, size_t parts)
{
    struct mlo_stretch *st = ctx;
    for (size_t i = st->first[phase]; i < end_of(st, phase); i++)
        if (!st->items[i].alone)
            st->items[i].fn(st->room + st->items[i].at, part, parts);
}

static void give_kept(struct mlo_session *s)
{
    while (s->stretch->kept) {
        struct mlo_buffer *b = s->stretch->kept;
        s->stretch->kept = b->next;
        b->next = s->free_buffers;
        s->free_buffers = b;
    }
}

static void forget(struct mlo_session *s)
{
    s->stretch->n = s->stretch->phases = s->stretch->used = 0;
    give_kept(s);
}

void mlo_stretch_catch_up(struct mlo_session *s)
{
    struct mlo_stretch *st = s->stretch;
    if (!st || st->n == 0)
        return;
    bool last_alone = st->items[st->n - 1].alone;
    struct mlo_team_work w = {.phases = st->phases - last_alone,
                              .parts = mlo_team_threads(s->team),
                              .begin = begin_phase,
                              .part = do_part,
                              .ctx = st};
    if (w.phases > 0)
        mlo_team_run(s->team, &w);
    if (last_alone)
        begin_phase(st, st->phases - 1);
    forget(s);
}

bool mlo_stretch_keeps(struct mlo_session *s, struct mlo_buffer *b)
{
    struct mlo_stretch *st = s->stretch;
    if (!st || st->n == 0)
        return false;
    b->next = st->kept;
    st->kept = b;
    return true;
}

/* ---- steps ---- */

static void close_stretch(struct mlo_stretch *st)
{
    st->is_open = st->met = false;
    st->rows = 0;
    st->epoch++;
}

static void settle(struct mlo_session *s)
{
    mlo_stretch_catch_up(s);
    close_stretch(s->stretch);
}

void mlo_stretch_begin(struct mlo_session *s)
{
    if (s->stretch)
        s->stretch->runs++;
}

void mlo_stretch_end(struct mlo_session *s, bool failed)
{
    if (!s->stretch)
        return;
    if (failed)
        forget(s);
    settle(s);
    s->stretch->runs--;
}

void mlo_stretch_enter(struct mlo_session *s, bool puts_off)
{
    struct mlo_stretch *st = s->stretch;
    st->may = puts_off && st->runs > 0;
    if (!st->may)
        settle(s);
    st->began = false;
}

void mlo_stretch_leave(struct mlo_session *s)
{
    struct mlo_stretch *st = s->stretch;
    if (!st->began)
        st->span.first = st->epoch;
    st->span.last = st->epoch;
    st->may = false;
}

struct mlo_span mlo_stretch_span(const struct mlo_session *s)
{
    return s->stretch->span;
}

/* ---- sharing ---- */

static void note_begin(struct mlo_stretch *st)
{
    if (!st->began)
        st->span.first = st->epoch;
    st->began = true;
}

static void put(struct mlo_session *s, const struct item *item, bool meets, const void *ctx, size_t size)
{
    struct mlo_stretch *st = s->stretch;
    size_t room = (size + 63) & ~(size_t)63;
    if (st->n == ITEMS_MAX || room > ROOM - st->used)
        mlo_stretch_catch_up(s);
    if (meets || st->n == 0)
        st->first[st->phases++] = st->n;
    st->items[st->n] = *item;
    st->items[st->n++].at = st->used;
    memcpy(st->room + st->used, ctx, size);
    st->used += room;
}

/* Rows that go on as they were need no meeting; what is not worth all threads is one's, while they meet. */
static void put_off(struct mlo_session *s, const struct mlo_share *w, bool worth, const void *ctx,
                    size_t size)
{
    struct mlo_stretch *st = s->stretch;
    bool same = w->rows > 0 && w->rows == st->rows,
         meets = st->is_open && !st->met && (!same || w->reads_all);
    struct item item = {.fn = w->fn, .alone = st->is_open && !same && !worth};
    if (meets || !st->is_open) {
        st->epoch++;
        give_kept(s);
    }
    note_begin(st);
    put(s, &item, meets, ctx, size);
    st->is_open = true;
    st->met = item.alone;
    if (!item.alone)
        st->rows = w->rows;
}

struct once {
    void (*fn)(void *ctx, size_t part, size_t parts);
    void *ctx;
};

static void part_of_one(void *ctx, size_t phase, size_t part, size_t parts)
{
    const struct once *o = ctx;
    (void)phase;
    o->fn(o->ctx, part, parts);
}

static void do_at_once(struct mlo_session *s, size_t parts, void (*fn)(void *ctx, size_t part, size_t parts),
                       void *ctx)
{
    struct once o = {fn, ctx};
    struct mlo_team_work w = {.phases = 1, .parts = parts, .part = part_of_one, .ctx = &o};
    if (parts > 1)
        mlo_team_run(s->team, &w);
    else
        fn(ctx, 0, 1);
}

size_t mlo_op_threads(const struct mlo_op_call *c)
{
    return c->session->team ? mlo_team_threads(c->session->team) : 1;
}

size_t mlo_op_parts(const struct mlo_op_call *c, uint64_t flops, size_t most)
{
    size_t parts = flops >= c->session->split_flops ? mlo_op_threads(c) : 1;
    return parts < most ? parts : most ? most : 1;
}

void mlo_op_split(struct mlo_op_call *c, uint64_t flops, size_t most,
                  void (*fn)(void *ctx, size_t part, size_t parts), void *ctx)
{
    do_at_once(c->session, mlo_op_parts(c, flops, most), fn, ctx);
}

void mlo_op_settle(struct mlo_op_call *c)
{
    if (c->session->stretch)
        settle(c->session);
}

void mlo_op_share(struct mlo_op_call *c, const struct mlo_share *w, void *ctx, size_t size)
{
    struct mlo_session *s = c->session;
    struct mlo_stretch *st = s->stretch;
    if (!st) {
        w->fn(ctx, 0, 1);
        return;
    }
    size_t parts = mlo_op_parts(c, w->flops, SIZE_MAX);
    if (st->may && (st->is_open || parts > 1)) {
        put_off(s, w, parts > 1, ctx, size);
        return;
    }
    if (st->may) {
        st->epoch++;
        note_begin(st);
    }
    do_at_once(s, parts, w->fn, ctx);
}

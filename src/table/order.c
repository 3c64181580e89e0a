/*
 * What several threads make of batches, in the order of the input. A text whose turn has not come waits; the
 * thread whose batch is next writes it and all that follow it without a gap.
 */
#include <pthread.h>

#include "internal.h"

#define WAITING_MAX ((size_t)64 << 20) /* bytes of texts before their turn; who adds more has to wait */

struct text {
    uint64_t sequence;
    struct mlo_str made;
    struct text *next;
};
struct order {
    const struct mlo_batch_writer *writer;
    pthread_mutex_t lock; /* all below */
    pthread_cond_t moved;
    uint64_t turn;        /* sequence of the next text */
    struct text *waiting; /* by sequence */
    struct text *spare;   /* used again */
    size_t bytes;         /* that wait */
    bool writing, stopped;
};

static int take_spare(struct order *o, struct text **ret, struct mlo_err *err)
{
    pthread_mutex_lock(&o->lock);
    struct text *t = o->spare;
    if (t)
        o->spare = t->next;
    pthread_mutex_unlock(&o->lock);
    if (!t) {
        t = mlo_calloc(1, sizeof *t, err);
        if (!t)
            return MLO_EIO;
        mlo_str_init(&t->made, MLO_STR_MAX);
    }
    mlo_str_truncate(&t->made, 0);
    *ret = t;
    return 0;
}

static void add_waiting(struct order *o, struct text *t)
{
    struct text **at = &o->waiting;
    while (*at && (*at)->sequence < t->sequence)
        at = &(*at)->next;
    t->next = *at;
    *at = t;
    o->bytes += t->made.len;
}

static void give_spare(struct order *o, struct text *t)
{
    t->next = o->spare;
    o->spare = t;
}

/* With the lock held, which is let go while one is written. */
static int write_due(struct order *o, struct mlo_err *err)
{
    int rc = 0;
    while (rc == 0 && !o->writing && !o->stopped && o->waiting && o->waiting->sequence == o->turn) {
        struct text *t = o->waiting;
        o->waiting = t->next;
        o->writing = true;
        pthread_mutex_unlock(&o->lock);
        rc = o->writer->put(o->writer->ctx, &t->made, err);
        pthread_mutex_lock(&o->lock);
        o->writing = false;
        o->bytes -= t->made.len;
        o->turn++;
        o->stopped = o->stopped || rc != 0;
        give_spare(o, t);
        pthread_cond_broadcast(&o->moved);
    }
    return rc;
}

static int hand_in(struct order *o, struct text *t, struct mlo_err *err)
{
    pthread_mutex_lock(&o->lock);
    add_waiting(o, t);
    int rc = write_due(o, err);
    while (rc == 0 && o->bytes > WAITING_MAX && !o->stopped && o->waiting) {
        pthread_cond_wait(&o->moved, &o->lock);
        rc = write_due(o, err);
    }
    pthread_mutex_unlock(&o->lock);
    return rc;
}

static int make(void *ctx, unsigned worker, const struct mlo_batch *b, struct mlo_err *err)
{
    struct order *o = ctx;
    struct text *t = NULL;
    int rc = take_spare(o, &t, err);
    if (rc != 0)
        return rc;
    t->sequence = b->sequence;
    rc = o->writer->fn(o->writer->ctx, worker, b, &t->made, err);
    if (rc == 0)
        rc = mlo_str_check(&t->made, err);
    if (rc == 0)
        return hand_in(o, t, err);
    mlo_str_release(&t->made);
    free(t);
    return rc;
}

static void stop(void *ctx)
{
    struct order *o = ctx;
    pthread_mutex_lock(&o->lock);
    o->stopped = true;
    pthread_cond_broadcast(&o->moved);
    pthread_mutex_unlock(&o->lock);
}

static void free_texts(struct text *t)
{
    while (t) {
        struct text *next = t->next;
        mlo_str_release(&t->made);
        free(t);
        t = next;
    }
}

int mlo_table_scan_in_order(struct mlo_table *t, const struct mlo_batch_writer *w,
                            struct mlo_scan_result *ret, struct mlo_err *err)
{
    struct order o = {.writer = w};
    pthread_mutex_init(&o.lock, NULL);
    pthread_cond_init(&o.moved, NULL);
    int rc = mlo_table_scan_told(t, make, stop, &o, ret, err);
    free_texts(o.waiting);
    free_texts(o.spare);
    pthread_cond_destroy(&o.moved);
    pthread_mutex_destroy(&o.lock);
    return rc;
}

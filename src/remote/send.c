/* Packs on their way: a short queue and a thread for each transfer, started when there is something for it.
 */
#include "plan.h"

#include <pthread.h>

#define WAITING_PER_SENDER 2

struct mlo_senders {
    int (*send)(void *ctx, struct mlo_new_pack *pack, struct mlo_err *err);
    void *ctx;
    unsigned width;
    pthread_t *threads;
    unsigned n_threads, idle;
    struct mlo_new_pack *waiting; /* a ring of `room` */
    size_t room, first, n;
    bool closed, stopped;
    struct mlo_err err; /* first failure */
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

int mlo_senders_new(unsigned width, int (*send)(void *ctx, struct mlo_new_pack *pack, struct mlo_err *err),
                    void *ctx, struct mlo_senders **ret, struct mlo_err *err)
{
    struct mlo_senders *s = mlo_calloc(1, sizeof *s, err);
    if (!s)
        return MLO_EIO;
    *s = (struct mlo_senders){.send = send,
                              .ctx = ctx,
                              .width = width,
                              .room = (size_t)width * WAITING_PER_SENDER,
                              .lock = PTHREAD_MUTEX_INITIALIZER,
                              .changed = PTHREAD_COND_INITIALIZER};
    s->threads = mlo_calloc(width, sizeof *s->threads, err);
    s->waiting = s->threads ? mlo_calloc(s->room, sizeof *s->waiting, err) : NULL;
    if (!s->waiting) {
        free(s->threads);
        free(s);
        return MLO_EIO;
    }
    *ret = s;
    return 0;
}

/* ---- the threads; under the lock unless it says otherwise ---- */

static bool next(struct mlo_senders *s, struct mlo_new_pack *ret)
{
    s->idle++;
    while (s->n == 0 && !s->closed && !s->stopped)
        pthread_cond_wait(&s->changed, &s->lock);
    s->idle--;
    if (s->n == 0 || s->stopped)
        return false;
    *ret = s->waiting[s->first];
    s->first = (s->first + 1) % s->room;
    s->n--;
    pthread_cond_broadcast(&s->changed);
    return true;
}

static void settle(struct mlo_senders *s, struct mlo_new_pack *pack, int rc, const struct mlo_err *err)
{
    mlo_new_pack_release(pack); /* nothing is left in one that was taken */
    if (rc == 0)
        return;
    if (s->err.code == 0)
        s->err = *err;
    s->stopped = true;
    pthread_cond_broadcast(&s->changed);
}

static void *work(void *arg)
{
    struct mlo_senders *s = arg;
    struct mlo_new_pack pack;
    pthread_mutex_lock(&s->lock);
    while (next(s, &pack)) {
        struct mlo_err err = MLO_ERR_INIT;
        pthread_mutex_unlock(&s->lock);
        int rc = s->send(s->ctx, &pack, &err);
        pthread_mutex_lock(&s->lock);
        settle(s, &pack, rc, &err);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* One more when there is work for it; where none can be started, one is enough. */
static int start_one(struct mlo_senders *s, struct mlo_err *err)
{
    if (s->idle > 0 || s->n_threads == s->width)
        return 0;
    if (pthread_create(&s->threads[s->n_threads], NULL, work, s) == 0)
        s->n_threads++;
    return s->n_threads > 0 ? 0 : mlo_fail(err, MLO_EIO, "cannot start a thread");
}

/* ---- the caller's side ---- */

int mlo_senders_give(struct mlo_senders *s, struct mlo_new_pack *pack, struct mlo_err *err)
{
    pthread_mutex_lock(&s->lock);
    int rc = start_one(s, err);
    while (rc == 0 && !s->stopped && s->n == s->room)
        pthread_cond_wait(&s->changed, &s->lock);
    if (rc == 0 && s->stopped) {
        *err = s->err;
        rc = err->code;
    }
    if (rc == 0) {
        s->waiting[(s->first + s->n++) % s->room] = *pack;
        *pack = (struct mlo_new_pack){.size = 0};
        pthread_cond_broadcast(&s->changed);
    }
    pthread_mutex_unlock(&s->lock);
    mlo_new_pack_release(pack);
    return rc;
}

int mlo_senders_end(struct mlo_senders *s, bool finish, struct mlo_err *err)
{
    pthread_mutex_lock(&s->lock);
    s->closed = true;
    s->stopped = s->stopped || !finish;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    for (unsigned i = 0; i < s->n_threads; i++)
        pthread_join(s->threads[i], NULL);
    int rc = s->err.code;
    if (rc != 0)
        *err = s->err;
    for (; s->n > 0; s->n--)
        mlo_new_pack_release(&s->waiting[s->first++ % s->room]);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
    free(s->waiting);
    free(s->threads);
    free(s);
    return rc;
}

/* See team.h. */
#include "team.h"

#include <pthread.h>
#include <string.h>

#include <mlopsctl/base/mem.h>

#define THREADS_MAX 256u

struct mlo_team {
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    pthread_t *threads; /* the others */
    unsigned n, started;
    void (*fn)(void *ctx, size_t part, size_t parts);
    void *ctx;
    size_t parts, next, left; /* of the present work: all, not taken yet, not done yet */
    bool ending;
};

/* Takes parts until there are none. The lock is held, but not while a part is done. */
static void do_parts(struct mlo_team *t)
{
    while (t->next < t->parts) {
        size_t part = t->next++;
        pthread_mutex_unlock(&t->lock);
        t->fn(t->ctx, part, t->parts);
        pthread_mutex_lock(&t->lock);
        if (--t->left == 0)
            pthread_cond_signal(&t->done);
    }
}

static void *serve(void *arg)
{
    struct mlo_team *t = arg;
    pthread_mutex_lock(&t->lock);
    while (!t->ending) {
        do_parts(t);
        if (!t->ending)
            pthread_cond_wait(&t->work, &t->lock);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

int mlo_team_new(unsigned threads, struct mlo_team **ret, struct mlo_err *err)
{
    struct mlo_team *t = mlo_calloc(1, sizeof *t, err);
    if (!t)
        return err->code;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->work, NULL);
    pthread_cond_init(&t->done, NULL);
    t->n = (threads < THREADS_MAX ? threads : THREADS_MAX) - 1;
    t->threads = mlo_calloc(t->n + 1, sizeof *t->threads, err);
    int rc = t->threads ? 0 : err->code;
    while (rc == 0 && t->started < t->n) {
        int failed = pthread_create(&t->threads[t->started], NULL, serve, t);
        if (failed)
            rc = mlo_fail(err, MLO_EIO, "starting a thread: %s", strerror(failed));
        else
            t->started++;
    }
    if (rc != 0)
        mlo_team_free(t);
    else
        *ret = t;
    return rc;
}

void mlo_team_free(struct mlo_team *t)
{
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    t->ending = true;
    pthread_cond_broadcast(&t->work);
    pthread_mutex_unlock(&t->lock);
    for (unsigned i = 0; i < t->started; i++)
        pthread_join(t->threads[i], NULL);
    pthread_cond_destroy(&t->work);
    pthread_cond_destroy(&t->done);
    pthread_mutex_destroy(&t->lock);
    free(t->threads);
    free(t);
}

unsigned mlo_team_threads(const struct mlo_team *t)
{
    return t->n + 1;
}

void mlo_team_run(struct mlo_team *t, size_t parts, void (*fn)(void *ctx, size_t part, size_t parts),
                  void *ctx)
{
    pthread_mutex_lock(&t->lock);
    t->fn = fn;
    t->ctx = ctx;
    t->parts = t->left = parts;
    t->next = 0;
    pthread_cond_broadcast(&t->work);
    do_parts(t);
    while (t->left > 0)
        pthread_cond_wait(&t->done, &t->lock);
    pthread_mutex_unlock(&t->lock);
}

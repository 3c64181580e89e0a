/* See team.h. */
#include "team.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include <mlopsctl/base/mem.h>

#define THREADS_MAX 256u

struct member { /* one of the others */
    struct mlo_team *team;
    size_t place; /* among all; the caller's is 0 */
    pthread_t thread;
};
struct mlo_team {
    pthread_mutex_t lock;
    pthread_cond_t others, caller; /* wait for parts to do; the caller for the end, too */
    struct member *members;
    unsigned n, started;
    int left_alone; /* the processor that the others keep away from: the caller's; -1: none */
    const struct mlo_team_work *work;
    size_t phase, free, left; /* the phase's parts that nobody has begun, that are not done */
    bool begun[THREADS_MAX];  /* of its parts */
    bool ending;
};

/* One that nobody has begun; that of this place when it is among them. */
static size_t take_part(struct mlo_team *t, size_t place)
{
    size_t part = place < t->work->parts && !t->begun[place] ? place : 0;
    while (t->begun[part])
        part++;
    t->begun[part] = true;
    t->free--;
    return part;
}

static void begin_phase(struct mlo_team *t)
{
    const struct mlo_team_work *w = t->work;
    if (w->begin)
        w->begin(w->ctx, t->phase);
    memset(t->begun, 0, w->parts);
    t->free = t->left = w->parts;
    pthread_cond_broadcast(&t->others);
}

/* Takes parts until there are none; who does the last one of a phase begins the next. The lock is held, but
 * not while a part is done. */
static void do_parts(struct mlo_team *t, size_t place)
{
    while (t->free > 0) {
        const struct mlo_team_work *w = t->work;
        size_t phase = t->phase, part = take_part(t, place);
        pthread_mutex_unlock(&t->lock);
        w->part(w->ctx, phase, part, w->parts);
        pthread_mutex_lock(&t->lock);
        if (--t->left > 0)
            continue;
        if (++t->phase < w->phases)
            begin_phase(t);
        pthread_cond_signal(&t->caller);
    }
}

static void *serve(void *arg)
{
    const struct member *m = arg;
    struct mlo_team *t = m->team;
    pthread_mutex_lock(&t->lock);
    while (!t->ending) {
        do_parts(t, m->place);
        if (!t->ending)
            pthread_cond_wait(&t->others, &t->lock);
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
    pthread_cond_init(&t->others, NULL);
    pthread_cond_init(&t->caller, NULL);
    t->left_alone = -1;
    t->n = (threads < THREADS_MAX ? threads : THREADS_MAX) - 1;
    t->members = mlo_calloc(t->n + 1, sizeof *t->members, err);
    int rc = t->members ? 0 : err->code;
    while (rc == 0 && t->started < t->n) {
        struct member *m = &t->members[t->started];
        m->team = t;
        m->place = t->started + 1;
        int failed = pthread_create(&m->thread, NULL, serve, m);
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
    pthread_cond_broadcast(&t->others);
    pthread_mutex_unlock(&t->lock);
    for (unsigned i = 0; i < t->started; i++)
        pthread_join(t->members[i].thread, NULL);
    pthread_cond_destroy(&t->others);
    pthread_cond_destroy(&t->caller);
    pthread_mutex_destroy(&t->lock);
    free(t->members);
    free(t);
}

unsigned mlo_team_threads(const struct mlo_team *t)
{
    return t->n + 1;
}

/* ---- processors ---- */

/* Who is woken where another one runs would wait for it there, although processors are idle: systems look for
 * those only among the ones that share a cache, and virtual machines may not say that any do. So the others
 * keep away from where the caller runs; and it stays there when they need all the rest. *ret: what the caller
 * may use afterwards again; false: it still may. */
static bool spread_out(struct mlo_team *t, cpu_set_t *ret)
{
    int here = sched_getcpu();
    cpu_set_t own, others;
    if (here < 0 || here >= CPU_SETSIZE || sched_getaffinity(0, sizeof *ret, ret) != 0)
        return false;
    others = *ret;
    CPU_CLR((unsigned)here, &others);
    if (CPU_COUNT(&others) == 0)
        return false;
    for (unsigned i = 0; i < t->started && t->left_alone != here; i++)
        (void)pthread_setaffinity_np(t->members[i].thread, sizeof others, &others);
    t->left_alone = here;
    CPU_ZERO(&own);
    CPU_SET((unsigned)here, &own);
    return (unsigned)CPU_COUNT(&others) <= t->started && sched_setaffinity(0, sizeof own, &own) == 0;
}

void mlo_team_run(struct mlo_team *t, const struct mlo_team_work *w)
{
    cpu_set_t cpus;
    pthread_mutex_lock(&t->lock);
    bool spread = spread_out(t, &cpus);
    t->work = w;
    t->phase = 0;
    begin_phase(t);
    while (t->phase < w->phases) {
        do_parts(t, 0);
        if (t->phase < w->phases)
            pthread_cond_wait(&t->caller, &t->lock);
    }
    pthread_mutex_unlock(&t->lock);
    if (spread)
        (void)sched_setaffinity(0, sizeof cpus, &cpus);
}

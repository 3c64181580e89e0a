/* Texts of several threads in their order; see turns.h. */
#include <mlopsctl/base/turns.h>

#include <pthread.h>

#define WAITING_MAX ((size_t)64 << 20) /* bytes of texts before their turn; who adds more has to wait */

struct mlo_turns {
    mlo_put_fn put;
    void *ctx;
    pthread_mutex_t lock; /* all below */
    pthread_cond_t moved;
    uint64_t turn;            /* sequence of the next text */
    struct mlo_turn *waiting; /* by sequence */
    struct mlo_turn *spare;
    size_t bytes; /* that wait */
    bool putting, stopped;
};

int mlo_turns_new(mlo_put_fn put, void *ctx, struct mlo_turns **ret, struct mlo_err *err)
{
    struct mlo_turns *t = mlo_calloc(1, sizeof *t, err);
    if (!t)
        return err->code;
    t->put = put;
    t->ctx = ctx;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->moved, NULL);
    *ret = t;
    return 0;
}

static void drop_all(struct mlo_turn *one)
{
    while (one) {
        struct mlo_turn *next = one->next;
        mlo_turns_drop(one);
        one = next;
    }
}

void mlo_turns_free(struct mlo_turns *t)
{
    if (!t)
        return;
    drop_all(t->waiting);
    drop_all(t->spare);
    pthread_cond_destroy(&t->moved);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

int mlo_turns_take(struct mlo_turns *t, struct mlo_turn **ret, struct mlo_err *err)
{
    pthread_mutex_lock(&t->lock);
    struct mlo_turn *one = t->spare;
    if (one)
        t->spare = one->next;
    pthread_mutex_unlock(&t->lock);
    if (!one) {
        one = mlo_calloc(1, sizeof *one, err);
        if (!one)
            return err->code;
        mlo_str_init(&one->text, MLO_STR_MAX);
    }
    mlo_str_truncate(&one->text, 0);
    *ret = one;
    return 0;
}

void mlo_turns_drop(struct mlo_turn *one)
{
    mlo_str_release(&one->text);
    free(one);
}

static void add_waiting(struct mlo_turns *t, struct mlo_turn *one)
{
    struct mlo_turn **at = &t->waiting;
    while (*at && (*at)->sequence < one->sequence)
        at = &(*at)->next;
    one->next = *at;
    *at = one;
    t->bytes += one->text.len;
}

/* With the lock held, which is let go while one is put out. */
static int put_due(struct mlo_turns *t, struct mlo_err *err)
{
    int rc = 0;
    while (rc == 0 && !t->putting && !t->stopped && t->waiting && t->waiting->sequence == t->turn) {
        struct mlo_turn *one = t->waiting;
        t->waiting = one->next;
        t->putting = true;
        pthread_mutex_unlock(&t->lock);
        rc = t->put(t->ctx, &one->text, err);
        pthread_mutex_lock(&t->lock);
        t->putting = false;
        t->bytes -= one->text.len;
        t->turn++;
        t->stopped = t->stopped || rc != 0;
        one->next = t->spare;
        t->spare = one;
        pthread_cond_broadcast(&t->moved);
    }
    return rc;
}

int mlo_turns_hand_in(struct mlo_turns *t, struct mlo_turn *one, uint64_t sequence, struct mlo_err *err)
{
    one->sequence = sequence;
    pthread_mutex_lock(&t->lock);
    add_waiting(t, one);
    int rc = put_due(t, err);
    while (rc == 0 && t->bytes > WAITING_MAX && !t->stopped && t->waiting) {
        pthread_cond_wait(&t->moved, &t->lock);
        rc = put_due(t, err);
    }
    pthread_mutex_unlock(&t->lock);
    return rc;
}

void mlo_turns_stop(struct mlo_turns *t)
{
    pthread_mutex_lock(&t->lock);
    t->stopped = true;
    pthread_cond_broadcast(&t->moved);
    pthread_mutex_unlock(&t->lock);
}

/*
 * A remote in memory that can be made to fail in every way a real one does, and places with a store of their
 * own that push to it and pull from it.
 */
#ifndef TESTS_UNIT_REMOTE_MEMORY_H
#define TESTS_UNIT_REMOTE_MEMORY_H

#include "bench.h"

#include <errno.h>
#include <pthread.h>

#include "../../src/remote/internal.h"

enum fault {
    NO_FAULT,
    FAIL,       /* the call fails, nothing happens */
    SHORT_BODY, /* less arrives than was asked for */
    LONG_BODY,  /* more */
    FLIP,       /* one bit is wrong */
    LIE,        /* the get fails as if the object were shorter */
    LOSE,       /* put says done, the object is not there */
    HALF,       /* put says done, half of the object is there */
    AFTER,      /* put stores the object, then fails */
};
struct object {
    char key[300];
    char *data;
    size_t n;
};
struct memory {
    struct object *list;
    size_t n, cap;
    unsigned puts, gets, stats, lists;
    size_t bytes_put, bytes_got, largest_put, refuse_above; /* 0: takes all */
    enum fault fault;
    bool only_puts;                                   /* fault only these */
    const char *at_key;                               /* prefix; NULL: any */
    int at_call;                                      /* counts down over matching calls; 0 is the first */
    unsigned times;                                   /* so often after each other; 0: once */
    int (*on_put)(struct memory *m, const char *key); /* a second writer */
    const char *steal_at;                             /* who acts when a key with this prefix is put */
    pthread_mutex_t lock;
};

BENCH_UNUSED static struct object *find(struct memory *m, const char *key)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->list[i].key, key) == 0)
            return &m->list[i];
    return NULL;
}

BENCH_UNUSED static bool hit(struct memory *m, const char *key)
{
    if (m->fault == NO_FAULT || (m->at_key && strncmp(key, m->at_key, strlen(m->at_key)) != 0))
        return false;
    int call = m->at_call--;
    return call <= 0 && (unsigned)-call < (m->times ? m->times : 1);
}

BENCH_UNUSED static void store(struct memory *m, const char *key, const char *data, size_t n)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct object *o = find(m, key);
    if (!o) {
        check_ok(mlo_grow(&m->list, &m->cap, m->n + 1, sizeof *m->list, &err), &err);
        o = &m->list[m->n++];
        *o = (struct object){0};
        snprintf(o->key, sizeof o->key, "%s", key);
    }
    free(o->data);
    o->data = mlo_memdup0(data, n, &err);
    o->n = n;
}

BENCH_UNUSED static int mem_stat(void *self, const char *key, uint64_t *ret, struct mlo_err *err)
{
    struct memory *m = self;
    pthread_mutex_lock(&m->lock);
    m->stats++;
    struct object *o = find(m, key);
    if (o)
        *ret = o->n;
    pthread_mutex_unlock(&m->lock);
    return o ? 0 : mlo_fail(err, MLO_ENOTFOUND, "'%s' is not there", key);
}

BENCH_UNUSED static int gather(const struct mlo_body *body, char *to, struct mlo_err *err)
{
    size_t n = 0;
    for (uint64_t done = 0; done < body->size; done += n) {
        int rc = body->read(body->ctx, done, to + done, 65536, &n, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

BENCH_UNUSED static int mem_put(void *self, const char *key, const struct mlo_body *body, struct mlo_err *err)
{
    struct memory *m = self;
    MLO_AUTOFREE char *data = malloc(body->size + 1);
    struct mlo_digest got;
    int rc = gather(body, data, err);
    if (rc != 0)
        return rc;
    check_ok(mlo_sha256(data, body->size, &got, err), err);
    check(mlo_digest_eq(&got, &body->digest), "body has the announced digest");
    pthread_mutex_lock(&m->lock);
    m->puts++;
    if (m->refuse_above > 0 && body->size > m->refuse_above) {
        pthread_mutex_unlock(&m->lock);
        mlo_fail(err, MLO_EREMOTE, "413 Request Entity Too Large");
        err->sys_errno = EFBIG;
        return MLO_EREMOTE;
    }
    m->bytes_put += body->size;
    if (body->size > m->largest_put)
        m->largest_put = body->size;
    bool bad = hit(m, key);
    if (!bad || m->fault == AFTER)
        store(m, key, data, body->size);
    else if (m->fault == HALF)
        store(m, key, data, body->size / 2);
    if (m->on_put)
        m->on_put(m, key);
    pthread_mutex_unlock(&m->lock);
    return bad && (m->fault == FAIL || m->fault == AFTER) ? mlo_fail(err, MLO_EREMOTE, "connection lost") : 0;
}

BENCH_UNUSED static int mem_get(void *self, const char *key, uint64_t offset, uint64_t length, uint64_t max,
                                int (*sink)(void *ctx, const void *p, size_t n, struct mlo_err *err),
                                void *ctx, struct mlo_err *err)
{
    struct memory *m = self;
    MLO_AUTOFREE char *copy = NULL;
    size_t n = 0;
    (void)max; /* the caller must not rely on us */
    pthread_mutex_lock(&m->lock);
    m->gets++;
    bool bad = !m->only_puts && hit(m, key);
    struct object *o = find(m, key);
    if (o && offset <= o->n) {
        n = length == UINT64_MAX || length > o->n - offset ? o->n - offset : length;
        copy = calloc(1, n + 16); /* with room for a byte too many */
        memcpy(copy, o->data + offset, n);
    }
    pthread_mutex_unlock(&m->lock);
    if (bad && m->fault == FAIL)
        return mlo_fail(err, MLO_EREMOTE, "connection lost");
    if (bad && m->fault == LIE)
        return mlo_fail(err, MLO_EINVALID, "it is shorter than it should be");
    if (!o)
        return mlo_fail(err, MLO_ENOTFOUND, "'%s' is not there", key);
    if (bad && m->fault == SHORT_BODY && n > 0)
        n--;
    if (bad && m->fault == LONG_BODY)
        n++;
    if (bad && m->fault == FLIP && n > 0)
        copy[n / 2] ^= 4;
    pthread_mutex_lock(&m->lock);
    m->bytes_got += n;
    pthread_mutex_unlock(&m->lock);
    for (size_t done = 0; done < n;) { /* in small pieces */
        size_t piece = n - done < 10007 ? n - done : 10007;
        int rc = sink(ctx, copy + done, piece, err);
        if (rc != 0)
            return rc;
        done += piece;
    }
    return 0;
}

BENCH_UNUSED static int mem_remove(void *self, const char *key, struct mlo_err *err)
{
    struct memory *m = self;
    struct object *o = find(m, key);
    (void)err;
    if (o) {
        free(o->data);
        *o = m->list[--m->n];
    }
    return 0;
}

BENCH_UNUSED static int mem_list(void *self, const char *prefix,
                                 int (*fn)(void *ctx, const char *key, uint64_t size, struct mlo_err *err),
                                 void *ctx, struct mlo_err *err)
{
    struct memory *m = self;
    int rc = 0;
    m->lists++;
    for (size_t i = 0; rc == 0 && i < m->n; i++)
        if (strncmp(m->list[i].key, prefix, strlen(prefix)) == 0 && m->list[i].key[strlen(prefix)] == '/')
            rc = fn(ctx, m->list[i].key, m->list[i].n, err);
    return rc;
}

BENCH_UNUSED static void mem_close(void *self)
{
    (void)self; /* the test owns it */
}

BENCH_UNUSED static const struct mlo_transport transport = {.kind = "memory",
                                                            .stat = mem_stat,
                                                            .put = mem_put,
                                                            .get = mem_get,
                                                            .remove = mem_remove,
                                                            .list = mem_list,
                                                            .close = mem_close,
                                                            .parallel = 3};

BENCH_UNUSED static void mem_init(struct memory *m)
{
    *m = (struct memory){.lock = PTHREAD_MUTEX_INITIALIZER};
}

BENCH_UNUSED static void mem_free(struct memory *m)
{
    for (size_t i = 0; i < m->n; i++)
        free(m->list[i].data);
    free(m->list);
}

/* ---- a place with a store, connected to the memory ---- */

struct place {
    struct bench b;
    struct mlo_remote *r;
};

BENCH_UNUSED static void place_up(struct place *p, struct memory *m)
{
    struct mlo_err err = MLO_ERR_INIT;
    bench_up(&p->b);
    check_ok(mlo_remote_over(&transport, m, "memory://x", &p->r, &err), &err);
}

BENCH_UNUSED static void place_down(struct place *p)
{
    mlo_remote_close(p->r);
    bench_down(&p->b);
}

BENCH_UNUSED static struct mlo_ref ref_of(const char *text)
{
    struct mlo_ref ref = {0};
    struct mlo_err err = MLO_ERR_INIT;
    check_ok(mlo_ref_parse(text, &ref, &err), &err);
    return ref;
}

BENCH_UNUSED static int push(struct place *p, const struct mlo_digest *d, const char *name,
                             struct mlo_sync_stats *st, struct mlo_err *err)
{
    struct mlo_ref ref = ref_of(name);
    struct mlo_sync_opts o = {.home = p->b.home, .by = "test"};
    return mlo_push(p->r, p->b.store, d, &ref, &o, st, err);
}

BENCH_UNUSED static int pull(struct place *p, const char *name, struct mlo_digest *ret,
                             struct mlo_sync_stats *st, struct mlo_err *err)
{
    struct mlo_ref ref = ref_of(name);
    struct mlo_sync_opts o = {.home = p->b.home};
    struct mlo_pulled got = {0};
    int rc = mlo_pull(p->r, p->b.store, &ref, &o, &got, st, err);
    if (rc == 0 && ret)
        *ret = got.manifest;
    free(got.referrers);
    return rc;
}

enum { TENSORS = 50, ELEMENTS = 4096 };

BENCH_UNUSED static void make_model(struct place *p, size_t changed, struct mlo_digest *ret)
{
    unsigned seeds[TENSORS];
    for (unsigned i = 0; i < TENSORS; i++)
        seeds[i] = i < changed ? 1000 + i : i;
    bench_model(p->b.tree, "model.safetensors", seeds, TENSORS, ELEMENTS);
    bench_text(p->b.tree, "config.json", "{\"model_type\":\"x\"}\n");
    check(bench_pack(&p->b, ret), "packed");
}

BENCH_UNUSED static bool whole(struct place *p, const struct mlo_digest *d)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_verify_opts o = {.deep = true, .threads = 2};
    uint64_t bytes = 0;
    return check_ok(mlo_bundle_verify(p->b.store, d, &o, NULL, NULL, &bytes, &err), &err);
}

#endif

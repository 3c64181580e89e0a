/*
 * Which of cuBLASLt's algorithms does a product: the one that was known, else the fastest of those that its
 * heuristics name, timed when a program is made, else the first of them. What is known is of the process, and
 * the host keeps it between processes.
 */
#ifndef MLO_BACKEND_CUDA_TUNE_H
#define MLO_BACKEND_CUDA_TUNE_H

#include <float.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cublaslt.h"
#include "steps.h"

#define TUNE_CANDIDATES 8
#define TUNE_RUNS       5     /* timed together, of each candidate */
#define TUNE_MS         500.0 /* that a program may take for it */
#define TUNE_SHAPE_MS   50.0  /* of these, a product */
#define TUNE_DEVICES    16

struct tune_table {                    /* of a device; under tune_lock */
    struct mlo_device_algorithm *list; /* never freed: the plugin stays */
    uint32_t n;
};

static pthread_mutex_t tune_lock = PTHREAD_MUTEX_INITIALIZER;

static inline struct tune_table *tune_table_of(int device)
{
    static struct tune_table tables[TUNE_DEVICES];
    return device >= 0 && device < TUNE_DEVICES ? &tables[device] : nullptr;
}

static inline bool tune_same(const struct mlo_device_algorithm *a, const struct mlo_device_algorithm *b)
{
    return a->m == b->m && a->n == b->n && a->k == b->k && a->from == b->from && a->to == b->to &&
           a->epilogue == b->epilogue && a->how == b->how;
}

/* ret: with the key; the rest is filled. */
static inline bool tune_find(int device, struct mlo_device_algorithm *ret)
{
    struct tune_table *t = tune_table_of(device);
    bool found = false;
    pthread_mutex_lock(&tune_lock);
    for (uint32_t i = 0; t && i < t->n && !found; i++)
        if (tune_same(&t->list[i], ret)) {
            *ret = t->list[i];
            found = true;
        }
    pthread_mutex_unlock(&tune_lock);
    return found;
}

/* What finds no room is not kept. */
static inline void tune_keep(int device, const struct mlo_device_algorithm *a)
{
    struct tune_table *t = tune_table_of(device);
    uint32_t i = 0;
    if (!t)
        return;
    pthread_mutex_lock(&tune_lock);
    if (!t->list)
        t->list = (struct mlo_device_algorithm *)calloc(MLO_DEVICE_ALGORITHMS_MAX, sizeof *t->list);
    while (t->list && i < t->n && !tune_same(&t->list[i], a))
        i++;
    if (t->list && i < MLO_DEVICE_ALGORITHMS_MAX) {
        t->list[i] = *a;
        t->n += i == t->n;
    }
    pthread_mutex_unlock(&tune_lock);
}

/* So many as fit; returns how many there are. */
static inline uint32_t tune_list(int device, struct mlo_device_algorithm *list, uint32_t room)
{
    struct tune_table *t = tune_table_of(device);
    pthread_mutex_lock(&tune_lock);
    uint32_t n = t ? t->n : 0;
    for (uint32_t i = 0; i < n && i < room; i++)
        list[i] = t->list[i];
    pthread_mutex_unlock(&tune_lock);
    return n;
}

static inline struct mlo_device_algorithm tune_key(const struct lt *lt, const struct lt_job *p)
{
    struct mlo_device_algorithm key = {};
    bool fast = lt->tf32 && p->from == MLO_DEVICE_F32;
    key.m = p->m;
    key.n = p->n;
    key.k = p->k;
    key.from = p->from;
    key.to = p->to;
    key.epilogue = (uint32_t)p->epilogue;
    key.how = (fast ? (uint32_t)MLO_DEVICE_TF32 : 0) | (p->x_scales ? (uint32_t)MLO_DEVICE_SCALED : 0);
    return key;
}

/* Microseconds; FLT_MAX: it does not run. */
static inline float tune_time(const struct lt *lt, const struct lt_job *p, const struct lt_product *o,
                              const struct lt_algo *algo)
{
    float ms = 0;
    if (!lt_multiply(lt, p, o, algo) || cudaEventRecord(lt->from, lt->queue) != cudaSuccess)
        return FLT_MAX;
    for (int i = 0; i < TUNE_RUNS; i++)
        if (!lt_multiply(lt, p, o, algo))
            return FLT_MAX;
    bool ok = cudaEventRecord(lt->to, lt->queue) == cudaSuccess &&
              cudaEventSynchronize(lt->to) == cudaSuccess &&
              cudaEventElapsedTime(&ms, lt->from, lt->to) == cudaSuccess;
    return ok ? ms * 1000 / TUNE_RUNS : FLT_MAX;
}

/* key: the fastest of the candidates goes there. */
static inline void tune(struct lt *lt, const struct lt_job *p, const struct lt_product *o,
                        const struct lt_heuristic *found, int n, struct mlo_device_algorithm *key)
{
    double left = lt->tune_ms < TUNE_SHAPE_MS ? lt->tune_ms : TUNE_SHAPE_MS;
    key->us = FLT_MAX;
    for (int i = 0; i < n && left > 0; i++) {
        float us = tune_time(lt, p, o, &found[i].algo);
        double spent = us < FLT_MAX ? (double)us * (TUNE_RUNS + 1) / 1000 : 0;
        left -= spent;
        lt->tune_ms -= spent;
        if (us < key->us) {
            key->us = us;
            memcpy(key->algorithm, found[i].algo.data, sizeof key->algorithm);
        }
    }
    if (key->us < FLT_MAX)
        tune_keep(lt->device, key);
}

/* One that is known, if this library still takes it. */
static inline bool tune_known(const struct lt *lt, const struct lt_product *o,
                              struct mlo_device_algorithm *key, struct lt_algo *ret)
{
    struct lt_heuristic checked;
    if (!tune_find(lt->device, key))
        return false;
    memcpy(ret->data, key->algorithm, sizeof ret->data);
    return lt->api->check(lt->handle, o->desc, o->w, o->x, o->y, o->y, ret, &checked) == 0 &&
           checked.state == 0 && checked.workspace <= LT_WORKSPACE;
}

static inline bool tune_choose(struct lt *lt, const struct lt_job *p, const struct lt_product *o,
                               struct lt_algo *ret)
{
    struct mlo_device_algorithm key = tune_key(lt, p);
    struct lt_heuristic found[TUNE_CANDIDATES];
    int n = 0;
    if (tune_known(lt, o, &key, ret))
        return true;
    if (lt->api->heuristic(lt->handle, o->desc, o->w, o->x, o->y, o->y, o->pref, TUNE_CANDIDATES, found,
                           &n) != 0 ||
        n < 1)
        return false;
    *ret = found[0].algo;
    if (lt->tunes && lt->from && lt->to && n > 1) {
        tune(lt, p, o, found, n, &key);
        if (key.us < FLT_MAX)
            memcpy(ret->data, key.algorithm, sizeof ret->data);
    }
    return true;
}

static inline bool lt_run(struct lt *lt, const struct lt_job *p)
{
    struct lt_product o = {};
    struct lt_algo algo;
    bool ok = lt_describe(lt, p, &o) && tune_choose(lt, p, &o, &algo) && lt_multiply(lt, p, &o, &algo);
    lt_product_free(lt->api, &o);
    return ok;
}

/* ---- gpu_machine's products ---- */

static inline bool lt_dense(void *ctx, struct gpu_dense *p)
{
    struct lt *lt = (struct lt *)ctx;
    unsigned left = p->activation;
    struct lt_job job = {p->x, p->w, p->bias, nullptr, nullptr, p->y, p->m, p->n, p->k, p->type, p->type, 0};
    job.epilogue = lt_epilogue(p->bias, &left);
    bool ok = lt_run(lt, &job);
    if (ok)
        p->activation = left;
    return ok;
}

/* With scales of rows and columns applied: on Hopper, and to halves. First with what of the activation the
 * library can do, then without. */
static inline bool lt_scaled(struct lt *lt, struct gpu_dense_bytes *p)
{
    unsigned left = p->activation;
    struct lt_job job = {p->x, p->w, p->bias, p->how,        p->scales, p->y,
                         p->m, p->n, p->k,    p->bytes_type, p->type,   0};
    bool goes = p->bytes_type == MLO_DEVICE_E4M3 && p->hows > 1 && p->type != MLO_DEVICE_F32;
    job.epilogue = lt_epilogue(p->bias, &left);
    if (goes && lt_run(lt, &job)) {
        p->activation = left;
        return true;
    }
    job.epilogue = p->bias ? LT_EPILOGUE_BIAS : LT_EPILOGUE_DEFAULT;
    return goes && left != p->activation && lt_run(lt, &job);
}

/* The library wants rows of bytes that are multiples of 16. */
static inline enum gpu_made lt_dense_bytes(void *ctx, struct gpu_dense_bytes *p)
{
    struct lt *lt = (struct lt *)ctx;
    struct lt_job job = {p->x, p->w, nullptr, nullptr,       nullptr, p->room,
                         p->m, p->n, p->k,    p->bytes_type, 0,       LT_EPILOGUE_DEFAULT};
    job.to = p->bytes_type == MLO_DEVICE_I8 ? MLO_DEVICE_I32 : MLO_DEVICE_F32;
    if (p->k % 16 != 0 || p->n % 16 != 0)
        return GPU_MADE_NOTHING;
    if (lt_scaled(lt, p))
        return GPU_MADE_ALL;
    return p->room && lt_run(lt, &job) ? GPU_MADE_SUMS : GPU_MADE_NOTHING;
}

#endif

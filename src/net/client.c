/* The client: one thread that moves the bytes of all transfers by curl multi, and curl's callbacks. */
#include "internal.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CONNECTIONS_USUAL 16
#define BACKOFF_USUAL     (MLO_NS_PER_S / 2)
#define STALL_USUAL       (30 * MLO_NS_PER_S)
#define PATIENCE_USUAL    (120 * MLO_NS_PER_S)
#define POLL_MS           1000 /* wakeups make it shorter */

/* ---- rings ---- */

size_t mlo_ring_room(struct mlo_ring *r, char **ret)
{
    if (r->n == 0)
        r->at = 0; /* the same memory again while it is still in the CPU's cache */
    size_t end = (r->at + r->n) % r->cap, room = r->cap - r->n;
    *ret = r->buf + end;
    return room < r->cap - end ? room : r->cap - end;
}

size_t mlo_ring_held(const struct mlo_ring *r, const char **ret)
{
    *ret = r->buf + r->at;
    return r->n < r->cap - r->at ? r->n : r->cap - r->at;
}

void mlo_ring_put(struct mlo_ring *r, size_t n)
{
    r->n += n;
}

void mlo_ring_took(struct mlo_ring *r, size_t n)
{
    r->at = (r->at + n) % r->cap;
    r->n -= n;
}

/* ---- what callers ask the thread ---- */

void mlo_client_ask(struct mlo_transfer *t, enum mlo_transfer_ask what)
{
    struct mlo_http *h = t->h;
    pthread_mutex_lock(&h->lock);
    t->asks |= what;
    if (!t->asking) {
        t->asking = true;
        t->next_asking = h->asking;
        h->asking = t;
    }
    pthread_mutex_unlock(&h->lock);
    if (!h->opts.direct)
        h->curl->curl_multi_wakeup(h->multi);
}

void mlo_client_forget(struct mlo_transfer *t)
{
    pthread_mutex_lock(&t->h->lock);
    for (struct mlo_transfer **p = &t->h->asking; *p; p = &(*p)->next_asking)
        if (*p == t) {
            *p = t->next_asking;
            break;
        }
    pthread_mutex_unlock(&t->h->lock);
}

/* ---- the thread ---- */

/* Once for all that a round brought, rather than for every few kilobytes. */
static bool tell_news(struct mlo_http *h)
{
    bool any = h->news != NULL;
    while (h->news) {
        struct mlo_transfer *t = h->news;
        h->news = t->next_news;
        t->has_news = false;
        pthread_mutex_lock(&t->lock);
        pthread_cond_signal(&t->changed);
        pthread_mutex_unlock(&t->lock);
    }
    return any;
}

/* The caller may free the transfer as soon as it sees this. */
static void finish(struct mlo_transfer *t, CURLcode result)
{
    tell_news(t->h); /* so that it is on no list of ours */
    pthread_mutex_lock(&t->lock);
    t->result = result;
    t->done = true;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

static void resume(struct mlo_http *h, struct mlo_transfer *t)
{
    pthread_mutex_lock(&t->lock);
    bool send = t->out_starved && (t->out.n || !t->out_left), receive = t->in_full && t->in.n < t->in.cap / 2;
    if (send)
        t->out_starved = false;
    if (receive)
        t->in_full = false;
    int still = (t->out_starved ? CURLPAUSE_SEND : 0) | (t->in_full ? CURLPAUSE_RECV : 0);
    pthread_mutex_unlock(&t->lock);
    if (send || receive)
        h->curl->curl_easy_pause(t->easy, still);
}

static void cancel(struct mlo_http *h, struct mlo_transfer *t)
{
    h->curl->curl_multi_remove_handle(h->multi, t->easy);
    finish(t, CURLE_ABORTED_BY_CALLBACK);
}

/* Under h->lock, so that a transfer stays alive meanwhile: see mlo_client_forget. */
static void answer(struct mlo_http *h, struct mlo_transfer *t)
{
    unsigned asks = t->asks;
    t->asks = 0;
    t->asking = false;
    if (t->done)
        return; /* written by this thread only */
    if (asks & MLO_ASK_CANCEL)
        cancel(h, t);
    else if (asks & MLO_ASK_START && h->curl->curl_multi_add_handle(h->multi, t->easy) != CURLM_OK)
        finish(t, CURLE_OUT_OF_MEMORY);
    else if (asks & MLO_ASK_RESUME)
        resume(h, t);
}

static bool answer_all(struct mlo_http *h)
{
    pthread_mutex_lock(&h->lock);
    while (h->asking) {
        struct mlo_transfer *t = h->asking;
        h->asking = t->next_asking;
        answer(h, t);
    }
    bool quit = h->quit;
    pthread_mutex_unlock(&h->lock);
    return !quit;
}

static bool reap(struct mlo_http *h)
{
    CURLMsg *m;
    int left;
    bool any = false;
    while ((m = h->curl->curl_multi_info_read(h->multi, &left))) {
        if (m->msg != CURLMSG_DONE)
            continue;
        CURLcode result = m->data.result; /* m is gone with the handle */
        CURL *easy = m->easy_handle;
        struct mlo_transfer *t = NULL;
        h->curl->curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&t);
        h->curl->curl_multi_remove_handle(h->multi, easy);
        finish(t, result);
        any = true;
    }
    return any;
}

/* True when there is something to do for a caller. */
static bool move_bytes(struct mlo_http *h)
{
    int running;
    h->curl->curl_multi_perform(h->multi, &running);
    bool any = tell_news(h);
    return reap(h) || any;
}

void mlo_client_turn(struct mlo_http *h, int wait_ms)
{
    (void)answer_all(h);
    if (!move_bytes(h) && wait_ms > 0)
        h->curl->curl_multi_poll(h->multi, NULL, 0, wait_ms, NULL);
}

static void *serve(void *arg)
{
    struct mlo_http *h = arg;
    while (answer_all(h)) {
        (void)move_bytes(h);
        h->curl->curl_multi_poll(h->multi, NULL, 0, POLL_MS, NULL);
    }
    h->curl->curl_multi_cleanup(h->multi);
    return NULL;
}

/* Signals are for the program's own threads; SIGPIPE (of TLS) would otherwise end it. */
static int start_thread(struct mlo_http *h, struct mlo_err *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&h->thread, NULL, serve, h);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc ? mlo_fail(err, MLO_EIO, "cannot start a thread for the network: %s", strerror(rc)) : 0;
}

static int start_locked(struct mlo_http *h, struct mlo_err *err)
{
    const struct libcurl *curl;
    if (mlo_libcurl(&curl, err) || mlo_trust_complete(&h->trust, curl, err))
        return err->code;
    CURLM *multi = curl->curl_multi_init();
    if (!multi)
        return mlo_fail_nomem(err);
    /* One transfer a connection also over HTTP/2: streams of one connection share its window, so one slow
     * sink would hold up the others. */
    curl->curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    curl->curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)h->opts.connections);
    h->multi = multi;
    h->curl = curl;
    if (!h->opts.direct && start_thread(h, err)) {
        curl->curl_multi_cleanup(multi);
        h->curl = NULL;
        return err->code;
    }
    return 0;
}

int mlo_client_start(struct mlo_http *h, struct mlo_err *err)
{
    pthread_mutex_lock(&h->lock);
    int rc = h->curl ? 0 : start_locked(h, err);
    pthread_mutex_unlock(&h->lock);
    return rc;
}

void mlo_client_stop(struct mlo_http *h)
{
    if (!h->curl)
        return;
    if (h->opts.direct) {
        h->curl->curl_multi_cleanup(h->multi);
        return;
    }
    pthread_mutex_lock(&h->lock);
    h->quit = true;
    h->curl->curl_multi_wakeup(h->multi); /* under the lock: once it is seen, the thread frees `multi` */
    pthread_mutex_unlock(&h->lock);
    pthread_join(h->thread, NULL);
}

/* ---- curl's callbacks; libcurl fixes their types ---- */

static void news(struct mlo_transfer *t)
{
    if (t->has_news)
        return;
    t->has_news = true;
    t->next_news = t->h->news;
    t->h->news = t;
}

size_t mlo_client_on_header(char *line, size_t size, size_t n, void *ctx)
{
    struct mlo_transfer *t = ctx;
    n *= size;
    pthread_mutex_lock(&t->lock);
    int rc = mlo_headers_take(t->head, line, n, &t->failure);
    bool complete = t->head->complete;
    pthread_mutex_unlock(&t->lock);
    if (complete)
        news(t);
    return rc ? 0 : n;
}

size_t mlo_client_on_bytes(char *bytes, size_t size, size_t n, void *ctx)
{
    struct mlo_transfer *t = ctx;
    n *= size;
    pthread_mutex_lock(&t->lock);
    bool fits = n <= t->in.cap - t->in.n;
    for (size_t done = 0, part; fits && done < n; done += part) {
        char *to;
        part = mlo_ring_room(&t->in, &to);
        part = part < n - done ? part : n - done;
        memcpy(to, bytes + done, part);
        mlo_ring_put(&t->in, part);
    }
    if (fits)
        t->moved += n;
    else
        t->in_full = true;
    pthread_mutex_unlock(&t->lock);
    news(t);
    return fits ? n : CURL_WRITEFUNC_PAUSE;
}

size_t mlo_client_on_read(char *to, size_t size, size_t n, void *ctx)
{
    struct mlo_transfer *t = ctx;
    size_t done = 0, part;
    n *= size;
    pthread_mutex_lock(&t->lock);
    for (; done < n && t->out.n; done += part) {
        const char *from;
        part = mlo_ring_held(&t->out, &from);
        part = part < n - done ? part : n - done;
        memcpy(to + done, from, part);
        mlo_ring_took(&t->out, part);
    }
    t->out_left -= done;
    t->moved += done;
    t->out_starved = !done && t->out_left;
    bool starved = t->out_starved;
    pthread_mutex_unlock(&t->lock);
    news(t);
    return starved ? CURL_READFUNC_PAUSE : done;
}

/* ---- life ---- */

static int copy(const char **text, struct mlo_err *err)
{
    return *text && !(*text = mlo_strdup(*text, err)) ? err->code : 0;
}

static int copy_opts(struct mlo_http *h, const struct mlo_http_opts *opts, struct mlo_err *err)
{
    const char **texts[] = {&h->opts.user_agent, &h->opts.proxy, &h->opts.no_proxy};
    h->opts = *opts;
    h->opts.ca_file = NULL; /* read once, into h->trust */
    if (!h->opts.user_agent)
        h->opts.user_agent = "mlopsctl/" MLO_VERSION;
    if (!h->opts.connections)
        h->opts.connections = CONNECTIONS_USUAL;
    if (h->opts.direct)
        h->opts.connections = 1;
    if (!h->opts.backoff_ns)
        h->opts.backoff_ns = BACKOFF_USUAL;
    if (!h->opts.stall_ns)
        h->opts.stall_ns = STALL_USUAL;
    if (!h->opts.patience_ns)
        h->opts.patience_ns = PATIENCE_USUAL;
    for (size_t i = 0; i < MLO_COUNT(texts); i++)
        if (copy(texts[i], err)) {
            for (; i < MLO_COUNT(texts); i++)
                *texts[i] = NULL; /* the caller's */
            return err->code;
        }
    return 0;
}

static void release(struct mlo_http *h)
{
    const char *const texts[] = {h->opts.user_agent, h->opts.proxy, h->opts.no_proxy};
    for (size_t i = 0; i < MLO_COUNT(texts); i++)
        free((void *)(uintptr_t)texts[i]);
    mlo_hosts_release(&h->hosts);
    mlo_trust_release(&h->trust);
    pthread_mutex_destroy(&h->lock);
    pthread_mutex_destroy(&h->notice_lock);
    pthread_cond_destroy(&h->slot_free);
    free(h);
}

int mlo_http_new(const struct mlo_http_opts *opts, struct mlo_http **ret, struct mlo_err *err)
{
    struct mlo_http *h = mlo_calloc(1, sizeof *h, err);
    if (!h)
        return err->code;
    mlo_hosts_init(&h->hosts);
    pthread_mutex_init(&h->lock, NULL);
    pthread_mutex_init(&h->notice_lock, NULL);
    mlo_cond_init(&h->slot_free);
    if (copy_opts(h, opts, err) || mlo_trust_init(&h->trust, opts->ca_file, err)) {
        release(h);
        return err->code;
    }
    *ret = h;
    return 0;
}

void mlo_http_free(struct mlo_http *h)
{
    if (!h)
        return;
    mlo_client_stop(h);
    release(h);
}

int64_t mlo_http_clock_ahead(struct mlo_http *h, const char *url)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_url u;
    if (mlo_url_parse(url, &u, &err))
        return 0;
    int64_t ahead = mlo_hosts_get(&h->hosts, &u).ahead_ns;
    mlo_url_release(&u);
    return ahead;
}

bool mlo_http_stopped(struct mlo_http *h)
{
    return h->opts.stop && h->opts.stop(h->opts.ctx);
}

void mlo_http_tell(struct mlo_http *h, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    if (!h->opts.notice)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    pthread_mutex_lock(&h->notice_lock);
    h->opts.notice(h->opts.ctx, text);
    pthread_mutex_unlock(&h->notice_lock);
}

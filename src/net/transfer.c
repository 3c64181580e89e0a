/*
 * One attempt, on the caller's thread: it feeds the body and hands on the answer while the client's thread
 * moves the bytes, and it alone watches the time. Only time spent waiting for the other side counts against
 * it: a slow sink or disk of ours is no stall of theirs.
 */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TICK_NS           (MLO_NS_PER_S / 10) /* how often a waiting caller looks at stop and deadline */
#define CONNECT_MS        20000L
#define CURL_BUFFER       (256L << 10)
#define STALL_BYTES_PER_S 1024

void mlo_cond_init(pthread_cond_t *c)
{
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(c, &a);
    pthread_condattr_destroy(&a);
}

void mlo_cond_wait_until(pthread_cond_t *c, pthread_mutex_t *lock, int64_t until)
{
    struct timespec t = {.tv_sec = until / MLO_NS_PER_S, .tv_nsec = until % MLO_NS_PER_S};
    pthread_cond_timedwait(c, lock, &t);
}

/* ---- time ---- */

static int interrupted(struct mlo_err *err)
{
    mlo_fail(err, MLO_EIO, "interrupted");
    err->sys_errno = EINTR;
    return err->code;
}

/* host: who is waited for, NULL when it is no request. */
static int check_time(struct mlo_http *h, const char *host, int64_t deadline, struct mlo_err *err)
{
    if (mlo_http_stopped(h))
        return interrupted(err);
    if (!deadline || mlo_time_mono() < deadline)
        return 0;
    if (host)
        mlo_fail(err, MLO_EREMOTE, "'%s' brought no result within the time allowed", host);
    else
        mlo_fail(err, MLO_EREMOTE, "no result within the time allowed");
    return mlo_hint(err, "try again later, or allow more time");
}

int mlo_http_pause(struct mlo_http *h, int64_t until, int64_t deadline, struct mlo_err *err)
{
    for (;;) {
        int64_t now = mlo_time_mono();
        if (check_time(h, NULL, deadline, err))
            return err->code;
        if (now >= until)
            return 0;
        int64_t part = until - now < TICK_NS ? until - now : TICK_NS;
        struct timespec t = {.tv_nsec = part};
        nanosleep(&t, NULL);
    }
}

static int take_slot(struct mlo_http *h, const struct mlo_attempt *a, struct mlo_err *err)
{
    int rc = 0;
    pthread_mutex_lock(&h->lock);
    while (h->running >= h->opts.connections && !rc) {
        mlo_cond_wait_until(&h->slot_free, &h->lock, mlo_time_mono() + TICK_NS);
        pthread_mutex_unlock(&h->lock);
        rc = check_time(h, a->url->host, a->req->deadline_ns, err);
        pthread_mutex_lock(&h->lock);
    }
    h->running += !rc;
    pthread_mutex_unlock(&h->lock);
    return rc;
}

static void give_slot(struct mlo_http *h)
{
    pthread_mutex_lock(&h->lock);
    h->running--;
    pthread_cond_signal(&h->slot_free);
    pthread_mutex_unlock(&h->lock);
}

/* ---- what curl is told ---- */

static bool has_body(const char *method)
{
    return strcmp(method, "PUT") == 0 || strcmp(method, "POST") == 0 || strcmp(method, "PATCH") == 0;
}

static int add_text(struct mlo_transfer *t, const char *line, struct mlo_err *err)
{
    struct curl_slist *longer = t->h->curl->curl_slist_append(t->lines, line);
    if (!longer)
        return mlo_fail_nomem(err);
    t->lines = longer;
    return 0;
}

static int add_line(struct mlo_transfer *t, const char *name, const char *value, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str line;
    mlo_str_init(&line, MLO_HEADERS_MAX);
    mlo_str_addf(&line, *value ? "%s: %s" : "%s;%s", name, value); /* curl's way to say an empty one */
    if (mlo_str_check(&line, err))
        return err->code;
    int rc = add_text(t, line.ptr, err);
    explicit_bzero(line.ptr, line.len);
    return rc;
}

static int add_lines(struct mlo_transfer *t, const struct mlo_attempt *a, struct mlo_err *err)
{
    for (size_t i = 0; i < a->headers->n; i++)
        if (add_line(t, a->headers->list[i].name, a->headers->list[i].value, err))
            return err->code;
    /* No waiting for "100 Continue": several S3 services never send it. */
    return add_text(t, "Expect:", err);
}

/* setopt fails for want of memory only: the options are all known to the oldest libcurl that is taken. */
#define SET(option, value) (rc = rc ? rc : curl->curl_easy_setopt(t->easy, option, value))

static CURLcode set_method(struct mlo_transfer *t, const struct mlo_http_request *req)
{
    const struct libcurl *curl = t->h->curl;
    CURLcode rc = CURLE_OK;
    if (strcmp(req->method, "HEAD") == 0)
        return SET(CURLOPT_NOBODY, 1L);
    if (req->body || has_body(req->method)) {
        SET(CURLOPT_UPLOAD, 1L);
        SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)(req->body ? req->body->size : 0));
        SET(CURLOPT_UPLOAD_BUFFERSIZE, CURL_BUFFER);
        SET(CURLOPT_READFUNCTION, mlo_client_on_read);
        SET(CURLOPT_READDATA, t);
    }
    SET(CURLOPT_CUSTOMREQUEST, req->method);
    return rc;
}

static CURLcode set_way(struct mlo_transfer *t, const struct mlo_attempt *a)
{
    const struct libcurl *curl = t->h->curl;
    const struct mlo_http_opts *o = &t->h->opts;
    bool proxy = o->proxy && !mlo_url_is_loopback(a->url);
    CURLcode rc = CURLE_OK;
    SET(CURLOPT_URL, a->text);
    SET(CURLOPT_PATH_AS_IS, 1L); /* what was signed is what is sent */
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    /* "" keeps libcurl from looking into the environment. */
    SET(CURLOPT_PROXY, proxy ? o->proxy : "");
    SET(CURLOPT_NOPROXY, proxy && o->no_proxy ? o->no_proxy : "");
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    /* A request that must not be done twice takes no pooled connection: libcurl would send it again by
     * itself when such a one turns out to be dead. */
    SET(CURLOPT_FRESH_CONNECT, a->req->flags & (MLO_HTTP_REPEATABLE | MLO_HTTP_POOLED) ? 0L : 1L);
    return rc ? rc : mlo_trust_set(&t->h->trust, curl, t->easy);
}

static CURLcode set_all(struct mlo_transfer *t, const struct mlo_attempt *a)
{
    const struct libcurl *curl = t->h->curl;
    CURLcode rc = CURLE_OK;
    SET(CURLOPT_PRIVATE, t);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* an interrupt does not wait for the resolver */
    SET(CURLOPT_ERRORBUFFER, t->why);
    SET(CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_BUFFERSIZE, CURL_BUFFER);
    SET(CURLOPT_HEADERFUNCTION, mlo_client_on_header);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_WRITEFUNCTION, mlo_client_on_bytes);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_USERAGENT, t->h->opts.user_agent);
    SET(CURLOPT_HTTPHEADER, t->lines);
    if (!rc)
        rc = set_way(t, a);
    return rc ? rc : set_method(t, a->req);
}
#undef SET

/* ---- life ---- */

static int make_rings(struct mlo_transfer *t, const struct mlo_attempt *a, struct mlo_err *err)
{
    uint64_t size = a->req->body ? a->req->body->size : 0;
    t->out_left = size;
    t->out.cap = size < MLO_RING ? (size_t)size : MLO_RING;
    t->in.cap = MLO_RING; /* pages that no byte reaches cost nothing */
    t->in.buf = malloc(t->in.cap);
    if (t->out.cap)
        t->out.buf = malloc(t->out.cap);
    return t->in.buf && (t->out.buf || !t->out.cap) ? 0 : mlo_fail_nomem(err);
}

static int transfer_init(struct mlo_transfer *t, struct mlo_http *h, const struct mlo_attempt *a,
                         struct mlo_err *err)
{
    *t = (struct mlo_transfer){.h = h, .head = a->head};
    pthread_mutex_init(&t->lock, NULL);
    mlo_cond_init(&t->changed);
    if (make_rings(t, a, err) || add_lines(t, a, err))
        return err->code;
    t->easy = h->curl->curl_easy_init();
    if (!t->easy || set_all(t, a) != CURLE_OK)
        return mlo_fail_nomem(err);
    return 0;
}

static void transfer_release(struct mlo_transfer *t)
{
    const struct libcurl *curl = t->h->curl;
    if (t->easy)
        curl->curl_easy_cleanup(t->easy);
    for (struct curl_slist *l = t->lines; l; l = l->next)
        explicit_bzero(l->data, strlen(l->data));
    curl->curl_slist_free_all(t->lines);
    free(t->in.buf);
    free(t->out.buf);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
}

static void cancel(struct mlo_transfer *t)
{
    mlo_client_ask(t, MLO_ASK_CANCEL);
    if (t->h->opts.direct)
        mlo_client_turn(t->h, 0);
    pthread_mutex_lock(&t->lock);
    while (!t->done)
        pthread_cond_wait(&t->changed, &t->lock);
    pthread_mutex_unlock(&t->lock);
}

/* ---- the loop ---- */

enum work { WORK_HEAD = 1 << 0, WORK_BYTES = 1 << 1, WORK_BODY = 1 << 2, WORK_DONE = 1 << 3 };

struct drive {
    struct mlo_transfer *t;
    const struct mlo_attempt *a;
    uint64_t read; /* of the body, into the ring */
    bool head_told;
    int64_t patience, stall;
    int64_t sent;       /* when the last byte of the body went, or the attempt began */
    int64_t slow;       /* waited so long since the last `stall` seconds' worth of bytes */
    uint64_t slow_from; /* t->moved then */
    bool sending;
};

/* Under t->lock. */
static unsigned work_at_hand(const struct drive *d)
{
    const struct mlo_transfer *t = d->t;
    unsigned work = t->done ? WORK_DONE : 0;
    if (t->head->complete && !d->head_told)
        work |= WORK_HEAD;
    if (t->head->complete && t->in.n)
        work |= WORK_BYTES;
    if (!t->done && d->a->req->body && d->read < d->a->req->body->size && t->out.n < t->out.cap)
        work |= WORK_BODY;
    return work;
}

/* Under t->lock: until something changed, a tick at most. */
static void wait_a_tick(struct mlo_transfer *t, int64_t now)
{
    if (!t->h->opts.direct) {
        mlo_cond_wait_until(&t->changed, &t->lock, now + TICK_NS);
        return;
    }
    pthread_mutex_unlock(&t->lock);
    mlo_client_turn(t->h, (int)(TICK_NS / 1000000));
    pthread_mutex_lock(&t->lock);
}

/* Under t->lock: waits a tick at most and keeps the books of waiting. */
static unsigned wait_for_work(struct drive *d)
{
    unsigned work = work_at_hand(d);
    if (!work) {
        int64_t before = mlo_time_mono();
        wait_a_tick(d->t, before);
        d->slow += mlo_time_mono() - before;
        work = work_at_hand(d);
    }
    uint64_t enough = (uint64_t)(d->stall / 1000) * STALL_BYTES_PER_S / 1000000;
    if (d->t->moved - d->slow_from > enough) {
        d->slow_from = d->t->moved;
        d->slow = 0;
    }
    bool sending = d->t->out_left > 0;
    if (d->sending && !sending)
        d->sent = mlo_time_mono();
    d->sending = sending;
    return work;
}

static bool too_slow(const struct drive *d, enum mlo_attempt_end *ret)
{
    bool stream = d->head_told && d->a->req->flags & MLO_HTTP_STREAM, awaits = !d->sending && !d->head_told;
    if (awaits ? mlo_time_mono() - d->sent <= d->patience : stream || d->slow <= d->stall)
        return false;
    *ret = awaits ? MLO_ATTEMPT_SILENT : MLO_ATTEMPT_STALLED;
    return true;
}

static int feed(struct drive *d, struct mlo_err *err)
{
    const struct mlo_http_body *body = d->a->req->body;
    struct mlo_transfer *t = d->t;
    char *to;
    size_t n = 0;
    pthread_mutex_lock(&t->lock);
    size_t cap = mlo_ring_room(&t->out, &to);
    pthread_mutex_unlock(&t->lock);
    if (cap > MLO_PIECE)
        cap = MLO_PIECE;
    if (cap > body->size - d->read)
        cap = (size_t)(body->size - d->read);
    if (body->read(body->ctx, d->read, to, cap, &n, err))
        return err->code;
    if (!n || n > cap)
        return mlo_fail(err, MLO_EINTERNAL, "a request's body ended before its size");
    d->read += n;
    pthread_mutex_lock(&t->lock);
    mlo_ring_put(&t->out, n);
    bool starved = t->out_starved;
    pthread_mutex_unlock(&t->lock);
    if (starved)
        mlo_client_ask(t, MLO_ASK_RESUME);
    return 0;
}

static int hand_on(struct drive *d, struct mlo_err *err)
{
    struct mlo_transfer *t = d->t;
    const char *from;
    pthread_mutex_lock(&t->lock);
    size_t n = mlo_ring_held(&t->in, &from);
    pthread_mutex_unlock(&t->lock);
    if (n > MLO_PIECE)
        n = MLO_PIECE;
    int rc = d->a->on_bytes(d->a->ctx, from, n, err);
    pthread_mutex_lock(&t->lock);
    mlo_ring_took(&t->in, n);
    bool resume = t->in_full && t->in.n < t->in.cap / 2;
    pthread_mutex_unlock(&t->lock);
    if (resume)
        mlo_client_ask(t, MLO_ASK_RESUME);
    return rc;
}

/* What is at hand, in the order in which it happened. 0, MLO_TRANSFER_ENOUGH or a failure. */
static int do_work(struct drive *d, unsigned work, struct mlo_err *err)
{
    if (work & WORK_HEAD) {
        d->head_told = true;
        d->slow = 0;
        int rc = d->a->on_head(d->a->ctx, err);
        if (rc)
            return rc;
    }
    int rc = work & WORK_BYTES ? hand_on(d, err) : 0;
    return rc || !(work & WORK_BODY) ? rc : feed(d, err);
}

static int drive(struct drive *d, enum mlo_attempt_end *ret, struct mlo_err *err)
{
    for (;;) {
        pthread_mutex_lock(&d->t->lock);
        unsigned work = wait_for_work(d);
        pthread_mutex_unlock(&d->t->lock);
        if (check_time(d->t->h, d->a->url->host, d->a->req->deadline_ns, err))
            return err->code;
        int rc = do_work(d, work, err);
        if (rc)
            return rc;
        if (work == WORK_DONE) {
            *ret = d->t->result == CURLE_OK && d->head_told ? MLO_ATTEMPT_COMPLETE : MLO_ATTEMPT_BROKEN;
            return 0;
        }
        if (too_slow(d, ret))
            return MLO_TRANSFER_ENOUGH;
    }
}

static void describe(struct mlo_transfer *t, struct mlo_attempt_result *ret)
{
    const struct libcurl *curl = t->h->curl;
    long sent = 0, connects = 0;
    curl->curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &sent);
    curl->curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connects);
    curl->curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &ret->os_errno);
    ret->code = t->result;
    ret->left = sent > 0;
    ret->reused = connects == 0;
    snprintf(ret->why, sizeof ret->why, "%s", t->why[0] ? t->why : curl->curl_easy_strerror(t->result));
}

static int64_t or_usual(int64_t ns, int64_t usual)
{
    return ns ? ns : usual;
}

static int run_transfer(struct mlo_transfer *t, const struct mlo_attempt *a, struct mlo_attempt_result *ret,
                        struct mlo_err *err)
{
    struct drive d = {.t = t,
                      .a = a,
                      .patience = or_usual(a->req->patience_ns, t->h->opts.patience_ns),
                      .stall = or_usual(a->req->stall_ns, t->h->opts.stall_ns),
                      .sent = mlo_time_mono(),
                      .sending = t->out_left > 0};
    ret->end = MLO_ATTEMPT_COMPLETE;
    mlo_client_ask(t, MLO_ASK_START);
    int rc = drive(&d, &ret->end, err);
    ret->limit = ret->end == MLO_ATTEMPT_STALLED ? d.stall : d.patience;
    if (rc)
        cancel(t);
    mlo_client_forget(t);
    describe(t, ret);
    if (t->failure.code) { /* of the client's thread: worth more than what it led to */
        *err = t->failure;
        return mlo_wrap(err, "'%s'", a->url->host);
    }
    return rc == MLO_TRANSFER_ENOUGH ? 0 : rc;
}

int mlo_attempt_run(struct mlo_http *h, const struct mlo_attempt *a, struct mlo_attempt_result *ret,
                    struct mlo_err *err)
{
    struct mlo_transfer t;
    if (mlo_client_start(h, err) || take_slot(h, a, err))
        return err->code;
    *ret = (struct mlo_attempt_result){0};
    int rc = transfer_init(&t, h, a, err);
    if (!rc)
        rc = run_transfer(&t, a, ret, err);
    transfer_release(&t);
    give_slot(h);
    return rc;
}

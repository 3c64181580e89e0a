/*
 * One request from first attempt to last: signing, pauses, redirects, ranges and the resumption of a cut
 * body.
 *
 * The invariant of a sink: `got` bytes of what was asked for have been heard, in order and once, all of one
 * version of the thing (by ETag and size). Every answer is first held against that.
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include <mlopsctl/base/text.h>

#define ATTEMPTS_USUAL   10
#define ATTEMPTS_UNKNOWN 3 /* at a host that has never answered: a wrong name should not take a minute */
#define BACKOFF_MAX      (30 * MLO_NS_PER_S)
#define WAIT_MAX         (3600 * MLO_NS_PER_S) /* a server that asks for more is taken at its word: no */
#define NOTICE_FROM      (60 * MLO_NS_PER_S)
#define REDIRECTS_MAX    5
#define BODY_USUAL       ((uint64_t)1 << 20)
#define FAILURE_BODY_MAX ((size_t)64 << 10)
#define ETAG_MAX         512
#define PROGRESS         ((uint64_t)1 << 20) /* an attempt that brought so much does not count as fruitless */
#define CLOCK_TOLERANCE  (60 * MLO_NS_PER_S) /* Date has whole seconds and travels */

struct call {
    struct mlo_http *h;
    const struct mlo_http_request *req;
    struct mlo_url home;

    /* this hop */
    char *text;
    struct mlo_url url;
    bool away; /* a redirect has left the origin that credentials are for */
    int64_t signed_ahead;
    struct mlo_http_headers *head;

    /* the answer that is coming in */
    bool to_sink, cut; /* cut: a 200 of which only a part was asked for */
    uint64_t skip;     /* bytes that come before those for the sink */
    uint64_t left;     /* then so many */
    uint64_t dropped;
    struct mlo_str body;

    /* over all attempts */
    uint64_t got, want; /* want UINT64_MAX: not known yet */
    uint64_t total;     /* of the whole thing, likewise */
    char etag[ETAG_MAX];
    int first_status; /* 200 or 206, once a sink has heard of it */
    unsigned attempts, fruitless;
    bool unclear, clock_tried, stale_tried;
};

/* ---- what is sent ---- */

static int add_range(struct call *c, struct mlo_http_attempt *a, struct mlo_err *err)
{
    char text[64];
    const struct mlo_http_range *r = c->req->range;
    uint64_t first = (r ? r->first : 0) + c->got;
    if (!r && !c->got)
        return 0;
    if (r && r->length != UINT64_MAX)
        snprintf(text, sizeof text, "bytes=%llu-%llu", (unsigned long long)first,
                 (unsigned long long)(r->first + r->length - 1));
    else
        snprintf(text, sizeof text, "bytes=%llu-", (unsigned long long)first);
    if (mlo_http_add_header(a, "Range", text, err))
        return err->code;
    return c->got && c->etag[0] ? mlo_http_add_header(a, "If-Range", c->etag, err) : 0;
}

static int make_headers(struct call *c, struct mlo_header_list *list, struct mlo_err *err)
{
    int64_t ahead = mlo_hosts_get(&c->h->hosts, &c->url).ahead_ns;
    bool off = ahead > CLOCK_TOLERANCE || ahead < -CLOCK_TOLERANCE;
    struct mlo_http_attempt a = {c->req->method, c->text, c->attempts, 0, list};
    c->signed_ahead = off ? ahead : 0;
    a.time_ns = mlo_time_now() + c->signed_ahead;
    for (const char *const *h = c->req->headers; h && h[0]; h += 2)
        if (mlo_http_add_header(&a, h[0], h[1], err))
            return err->code;
    if (add_range(c, &a, err))
        return err->code;
    return c->req->sign && !c->away ? c->req->sign(c->req->sign_ctx, &a, err) : 0;
}

/* ---- what comes ---- */

static int changed(struct call *c, struct mlo_err *err)
{
    return mlo_fail(err, MLO_EREMOTE, "'%s' answered with another version after %llu bytes of the first",
                    c->url.host, (unsigned long long)c->got);
}

/* Strong tags only: a weak one does not promise the same bytes. */
static int compare_version(struct call *c, uint64_t total, struct mlo_err *err)
{
    const char *etag = mlo_headers_get(c->head, "etag");
    bool strong = etag && etag[0] == '"' && strlen(etag) < ETAG_MAX;
    if (c->got && ((strong && c->etag[0] && strcmp(etag, c->etag) != 0) ||
                   (total != UINT64_MAX && c->total != UINT64_MAX && total != c->total)))
        return changed(c, err);
    snprintf(c->etag, sizeof c->etag, "%s", strong ? etag : "");
    if (total != UINT64_MAX)
        c->total = total;
    return 0;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static int expect_part(struct call *c, struct mlo_err *err)
{
    const struct mlo_http_range *r = c->req->range;
    uint64_t first, last, total, asked = (r ? r->first : 0) + c->got;
    uint64_t most = r && r->length != UINT64_MAX ? r->length - c->got : UINT64_MAX;
    if ((!r && !c->got) ||
        !mlo_content_range(mlo_headers_get(c->head, "content-range"), &first, &last, &total) ||
        first != asked || last - first >= most)
        return mlo_fail(err, MLO_EREMOTE, "'%s' answered with another part than was asked for", c->url.host);
    if (compare_version(c, total, err))
        return err->code;
    c->skip = 0;
    c->left = last - first + 1;
    c->want = c->got + (total != UINT64_MAX ? smaller(most, total - first) : c->left);
    return 0;
}

static int expect_whole(struct call *c, struct mlo_err *err)
{
    const struct mlo_http_range *r = c->req->range;
    uint64_t size = UINT64_MAX;
    bool chunked = mlo_headers_get(c->head, "transfer-encoding") != NULL; /* it overrides */
    const char *length = chunked ? NULL : mlo_headers_get(c->head, "content-length");
    if (length && !mlo_content_length(length, &size))
        return mlo_fail(err, MLO_EREMOTE, "'%s' announced a length that is no number", c->url.host);
    if (compare_version(c, size, err))
        return err->code;
    c->skip = (r ? r->first : 0) + c->got;
    c->left = r && r->length != UINT64_MAX ? r->length - c->got : UINT64_MAX;
    c->cut = c->left != UINT64_MAX;
    if (size != UINT64_MAX) {
        c->left = smaller(c->left, size > c->skip ? size - c->skip : 0);
        c->want = c->got + c->left;
    }
    return 0;
}

static uint64_t body_limit(const struct mlo_http_request *req)
{
    if (req->max_body)
        return req->max_body;
    return req->range && req->range->length != UINT64_MAX ? req->range->length : BODY_USUAL;
}

static int too_long(struct call *c, struct mlo_err *err)
{
    return mlo_fail(err, MLO_EREMOTE, "'%s' answered with more than the %llu bytes expected", c->url.host,
                    (unsigned long long)body_limit(c->req));
}

static bool is_redirect(const struct call *c)
{
    int s = c->head->status;
    bool moved = s == 301 || s == 302 || s == 303 || s == 307 || s == 308;
    bool safe = strcmp(c->req->method, "GET") == 0 || strcmp(c->req->method, "HEAD") == 0;
    return moved && safe && c->req->flags & MLO_HTTP_FOLLOW && mlo_headers_get(c->head, "location");
}

static int on_head(void *ctx, struct mlo_err *err)
{
    struct call *c = ctx;
    const char *sunset;
    char shown[MLO_SHOWN];
    int status = c->head->status;
    mlo_hosts_learn(&c->h->hosts, &c->url, c->head, &sunset);
    if (sunset)
        mlo_http_tell(c->h, "'%s' says that this service ends on %s", c->url.host,
                      mlo_shown(sunset, strlen(sunset), shown));
    c->to_sink = c->req->sink && (status == 200 || status == 206);
    c->cut = false;
    c->dropped = 0;
    if (!c->to_sink)
        return 0;
    c->first_status = c->first_status ? c->first_status : status;
    if (status == 206 ? expect_part(c, err) : expect_whole(c, err))
        return err->code;
    return c->want != UINT64_MAX && c->want > body_limit(c->req) ? too_long(c, err) : 0;
}

static int to_sink(struct call *c, const char *p, size_t n, struct mlo_err *err)
{
    size_t skipped = c->skip < n ? (size_t)c->skip : n;
    c->skip -= skipped;
    p += skipped;
    n -= skipped;
    if (n > c->left && !c->cut)
        return mlo_fail(err, MLO_EREMOTE, "'%s' sent more bytes than it announced", c->url.host);
    if (n > c->left)
        n = (size_t)c->left;
    if (n > body_limit(c->req) - c->got)
        return too_long(c, err);
    if (n && c->req->sink(c->req->sink_ctx, p, n, err))
        return err->code;
    c->got += n;
    c->left -= c->left == UINT64_MAX ? 0 : n;
    return c->cut && c->left == 0 ? MLO_TRANSFER_ENOUGH : 0;
}

static int to_text(struct call *c, const char *p, size_t n, struct mlo_err *err)
{
    bool failure = c->head->status >= 300;
    uint64_t limit = failure ? FAILURE_BODY_MAX : body_limit(c->req);
    uint64_t room = limit - c->body.len;
    if (n > room && !failure)
        return too_long(c, err);
    mlo_str_addn(&c->body, p, n < room ? n : (size_t)room);
    if (mlo_str_check(&c->body, err))
        return err->code;
    return n >= room && failure ? MLO_TRANSFER_ENOUGH : 0;
}

static int on_bytes(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    struct call *c = ctx;
    return c->to_sink ? to_sink(c, p, n, err) : to_text(c, p, n, err);
}

/* ---- one attempt: the way to the end of the redirects ---- */

static int check_way(struct call *c, struct mlo_err *err)
{
    if (strcmp(c->url.scheme, "https") == 0 || c->h->opts.allow_plain || mlo_url_is_loopback(&c->url))
        return 0;
    mlo_fail(err, c->away ? MLO_EREMOTE : MLO_EUSAGE, "'%s' is asked for without encryption (http)",
             c->url.host);
    return mlo_hint(err, "write https://");
}

static int go_to(struct call *c, char *text, struct mlo_err *err)
{
    struct mlo_url url;
    if (!text || mlo_url_parse(text, &url, err)) {
        free(text);
        return err->code;
    }
    free(c->text);
    mlo_url_release(&c->url);
    c->text = text;
    c->url = url;
    return 0;
}

static int follow(struct call *c, struct mlo_err *err)
{
    char *text = NULL;
    bool tls = strcmp(c->url.scheme, "https") == 0;
    if (mlo_url_resolve(c->text, mlo_headers_get(c->head, "location"), &text, err)) {
        err->code = MLO_EREMOTE;
        return mlo_wrap(err, "'%s' redirects to an address that cannot be used", c->url.host);
    }
    if (go_to(c, text, err))
        return err->code;
    if (tls && strcmp(c->url.scheme, "https") != 0)
        return mlo_fail(err, MLO_EREMOTE, "a redirect to '%s' leads from https to http", c->url.host);
    if (!mlo_url_same_origin(&c->url, &c->home))
        c->away = true;
    return check_way(c, err);
}

/* A pause until `until`; the user hears of a long one. */
static int rest(struct call *c, int64_t until, struct mlo_err *err)
{
    int64_t wait = until - mlo_time_mono(), asked = mlo_hosts_get(&c->h->hosts, &c->url).not_before;
    char shown[MLO_HUMAN_MAX];
    if (wait > NOTICE_FROM && mlo_hosts_wait_is_news(&c->h->hosts, &c->url, asked))
        mlo_http_tell(c->h, "waiting %s: '%s' asks for a pause", mlo_human_duration((uint64_t)wait, shown),
                      c->url.host);
    return mlo_http_pause(c->h, until, c->req->deadline_ns, err);
}

/* It said before that it wants to be left alone for a while. */
static int wait_for_host(struct call *c, struct mlo_err *err)
{
    int64_t until = mlo_hosts_get(&c->h->hosts, &c->url).not_before, now = mlo_time_mono();
    if (c->req->flags & MLO_HTTP_ONCE || until <= now || until - now > WAIT_MAX)
        return 0;
    return rest(c, until, err);
}

static int one_hop(struct call *c, struct mlo_attempt_result *ret, struct mlo_err *err)
{
    struct mlo_header_list MLO_AUTO(mlo_header_list_release) list = {0};
    struct mlo_attempt a = {c->req, &c->url, c->text, &list, c->head, on_head, on_bytes, c};
    mlo_str_clear(&c->head->text);
    c->head->status = 0;
    c->head->complete = false;
    mlo_str_clear(&c->body);
    if (wait_for_host(c, err) || make_headers(c, &list, err))
        return err->code;
    return mlo_attempt_run(c->h, &a, ret, err);
}

static int one_attempt(struct call *c, struct mlo_attempt_result *ret, struct mlo_err *err)
{
    c->attempts++;
    c->away = false;
    if (go_to(c, mlo_strdup(c->req->url, err), err) || check_way(c, err))
        return err->code;
    for (unsigned hop = 0;; hop++) {
        if (one_hop(c, ret, err))
            return err->code;
        if (ret->end != MLO_ATTEMPT_COMPLETE || !is_redirect(c))
            return 0;
        if (hop == REDIRECTS_MAX)
            return mlo_fail(err, MLO_EREMOTE, "'%s' redirects more than %d times", c->home.host,
                            REDIRECTS_MAX);
        if (follow(c, err))
            return err->code;
    }
}

/* ---- again? ---- */

/* A refusal that may only be because our clock was off when we signed; now the host's is known. */
static bool clock_was_off(struct call *c)
{
    if (c->clock_tried || !c->req->sign || c->away || (c->head->status != 403 && c->head->status != 401))
        return false;
    int64_t off = mlo_hosts_get(&c->h->hosts, &c->url).ahead_ns - c->signed_ahead;
    c->clock_tried = off > CLOCK_TOLERANCE || off < -CLOCK_TOLERANCE;
    return c->clock_tried;
}

/* The end of the thing was reached just before the cut: the rest is empty. */
static bool nothing_was_left(struct call *c)
{
    uint64_t total, end = (c->req->range ? c->req->range->first : 0) + c->got;
    return c->got && c->head->status == 416 &&
           mlo_content_range_unsatisfied(mlo_headers_get(c->head, "content-range"), &total) && total == end;
}

enum verdict { ACCEPT, AGAIN, AGAIN_AT_ONCE, GIVE_UP };

static bool attempts_left(struct call *c, const struct mlo_attempt_result *r)
{
    unsigned most = c->req->attempts ? c->req->attempts : ATTEMPTS_USUAL;
    bool unknown = r->end != MLO_ATTEMPT_COMPLETE && !r->left &&
                   !mlo_hosts_get(&c->h->hosts, &c->url).reached;
    if (unknown && most > ATTEMPTS_UNKNOWN)
        most = ATTEMPTS_UNKNOWN;
    return c->fruitless < most;
}

static bool is_permanent(CURLcode code)
{
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CERTPROBLEM ||
           code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_ISSUER_ERROR ||
           code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_OUT_OF_MEMORY;
}

static enum verdict judge_broken(struct call *c, const struct mlo_attempt_result *r)
{
    bool repeatable = c->req->flags & MLO_HTTP_REPEATABLE;
    bool resumable = !c->got || (strcmp(c->req->method, "GET") == 0 && !(c->req->flags & MLO_HTTP_STREAM));
    if (r->left)
        c->unclear = true;
    if ((r->end == MLO_ATTEMPT_BROKEN && is_permanent(r->code)) || (r->left && !repeatable) || !resumable ||
        !attempts_left(c, r))
        return GIVE_UP;
    if (r->reused && !c->head->status && !c->stale_tried) { /* a pooled connection that had died in silence */
        c->stale_tried = true;
        return AGAIN_AT_ONCE;
    }
    return AGAIN;
}

static enum verdict judge_answer(struct call *c, struct mlo_attempt_result *r)
{
    int status = c->head->status;
    if (c->to_sink && c->want != UINT64_MAX && c->got < c->want) { /* a part shorter than asked for */
        r->end = MLO_ATTEMPT_BROKEN;
        r->code = CURLE_PARTIAL_FILE;
        return judge_broken(c, r);
    }
    if (clock_was_off(c))
        return AGAIN_AT_ONCE;
    if (status >= 500 && status != 501)
        c->unclear = true;
    if (!mlo_status_is_transient(status) || !(c->req->flags & MLO_HTTP_REPEATABLE) ||
        c->req->flags & MLO_HTTP_ONCE || !attempts_left(c, r))
        return ACCEPT;
    return AGAIN;
}

/* Full jitter: anything between nothing and a ceiling that doubles. */
static int64_t jitter(const struct call *c)
{
    uint64_t random = 0;
    int64_t ceiling = c->h->opts.backoff_ns;
    for (unsigned i = 1; i < c->fruitless && ceiling < BACKOFF_MAX; i++)
        ceiling *= 2;
    if (ceiling > BACKOFF_MAX)
        ceiling = BACKOFF_MAX;
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        random = (uint64_t)mlo_time_mono();
    return (int64_t)(random % (uint64_t)ceiling);
}

/* False when the pause would not end in time: then what there is must do. */
static bool pause_fits(struct call *c, int64_t *ret_until)
{
    int64_t now = mlo_time_mono(), from = mlo_hosts_get(&c->h->hosts, &c->url).not_before;
    if (from < now)
        from = now;
    *ret_until = from + jitter(c);
    return from - now <= WAIT_MAX && (!c->req->deadline_ns || *ret_until < c->req->deadline_ns);
}

/* Attempts until there is an answer to give; then *ret_answer, or an error that says why there is none. */
static int attempt_all(struct call *c, struct mlo_attempt_result *r, struct mlo_err *err)
{
    for (;;) {
        uint64_t before = c->got;
        int64_t until;
        int rc = one_attempt(c, r, err);
        if (rc) {
            c->unclear |= r->left;
            return rc;
        }
        c->fruitless = c->got - before >= PROGRESS ? 0 : c->fruitless + 1;
        bool answered = r->end == MLO_ATTEMPT_COMPLETE;
        if (answered && nothing_was_left(c)) {
            c->head->status = c->first_status;
            c->to_sink = true;
            return 0;
        }
        enum verdict v = answered ? judge_answer(c, r) : judge_broken(c, r);
        if (v == ACCEPT)
            return 0;
        bool fits = pause_fits(c, &until);
        if (v == GIVE_UP || (v == AGAIN && !fits))
            return r->end == MLO_ATTEMPT_COMPLETE ? 0 : mlo_attempt_fail(r, c->url.host, c->got, err);
        if (v == AGAIN && rest(c, until, err))
            return err->code;
    }
}

/* ---- the whole ---- */

static int call_init(struct call *c, struct mlo_http *h, const struct mlo_http_request *req,
                     struct mlo_err *err)
{
    *c = (struct call){.h = h, .req = req, .want = UINT64_MAX, .total = UINT64_MAX};
    mlo_str_init(&c->body, MLO_STR_MAX);
    if (req->range &&
        (req->range->length == 0 || req->range->first + req->range->length - 1 < req->range->first) &&
        req->range->length != UINT64_MAX)
        return mlo_fail(err, MLO_EINTERNAL, "a range that is empty or beyond 64 bits");
    c->head = mlo_calloc(1, sizeof *c->head, err);
    if (!c->head)
        return err->code;
    mlo_headers_init(c->head);
    return mlo_url_parse(req->url, &c->home, err);
}

static void call_release(struct call *c)
{
    mlo_url_release(&c->home);
    mlo_url_release(&c->url);
    free(c->text);
    mlo_str_release(&c->body);
    if (c->head)
        mlo_str_release(&c->head->text);
    free(c->head);
}

static int give_answer(struct call *c, struct mlo_http_response *ret, struct mlo_err *err)
{
    size_t n = 0;
    char *body = c->to_sink ? NULL : mlo_str_detach(&c->body, &n);
    if (!body && !c->to_sink)
        return mlo_fail_nomem(err);
    ret->status = c->head->status;
    ret->body = body;
    ret->n = n;
    ret->headers = mlo_steal(&c->head);
    if (ret->status < 400 && ret->status >= 200)
        ret->unclear = false;
    return 0;
}

int mlo_http_do(struct mlo_http *h, const struct mlo_http_request *req, struct mlo_http_response *ret,
                struct mlo_err *err)
{
    struct call c;
    struct mlo_attempt_result r = {0};
    *ret = (struct mlo_http_response){0};
    int rc = call_init(&c, h, req, err);
    if (!rc)
        rc = attempt_all(&c, &r, err);
    ret->attempts = c.attempts;
    ret->unclear = c.unclear;
    snprintf(ret->host, sizeof ret->host, "%s", c.url.host ? c.url.host : "");
    if (!rc)
        rc = give_answer(&c, ret, err);
    else
        ret->status = c.head ? c.head->status : 0;
    call_release(&c);
    return rc;
}

int mlo_http_body_text(void *ctx, uint64_t offset, void *buf, size_t cap, size_t *ret_n, struct mlo_err *err)
{
    (void)err;
    memcpy(buf, (const char *)ctx + offset, cap);
    *ret_n = cap;
    return 0;
}

void mlo_http_response_release(struct mlo_http_response *r)
{
    free(r->body);
    if (r->headers)
        mlo_str_release(&r->headers->text);
    free(r->headers);
    *r = (struct mlo_http_response){0};
}

/*
 * One blob into a registry. A session is a Location and how many bytes it has; every answer may move both.
 * Steps are taken until the registry has said that the blob is there: open a session, send the whole or the
 * next chunk, close. After whatever went wrong nobody knows how far it came, so the registry is asked: is
 * the blob there (an answer 500 may have come after it was stored), else how many bytes has the session, else
 * a new session.
 *
 * The session's Location of a large blob is written into the cache, so that a later run goes on with it where
 * the registry keeps sessions.
 */
#include "registry.h"

#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/time.h>

#define JOURNAL_KIND  "registry-uploads"
#define JOURNAL_MIN   ((uint64_t)8 << 20) /* smaller blobs are sooner sent again */
#define FAILURES_MAX  8                   /* in a row, without a byte of progress */
#define CHUNK_MIN     ((uint64_t)1 << 20)
#define PATIENCE      (120 * MLO_NS_PER_S)
#define SLOW_REGISTRY ((uint64_t)20 << 20) /* bytes a second that it works through at least */
#define PAUSE_FIRST   (MLO_NS_PER_S / 4)
#define PAUSE_MAX     (30 * MLO_NS_PER_S)

struct session {
    struct mlo_upload *u;
    char scope[MLO_SCOPE_MAX];
    char *location;     /* NULL: none is open */
    uint64_t offset;    /* the registry has so many bytes */
    uint64_t reached;   /* and had at most */
    uint64_t chunk_min; /* of this session */
    uint64_t reported;  /* to u->sent */
    uint64_t from;      /* of the request under way */
    bool whole;         /* in one request */
    bool mount_tried, bad_digest, no_chunks, done;
    bool unsure;         /* how far it came is to be asked */
    bool misplaced;      /* the last chunk was not where the registry wants one */
    bool refused;        /* for the moment: nothing of it was looked at */
    struct mlo_err last; /* of the failures in a row */
};

/* ---- the journal ---- */

static bool journal_key(const struct session *s, struct mlo_digest *ret)
{
    char hex[MLO_DIGEST_HEX + 1], text[2 * MLO_REGISTRY_NAME_MAX + MLO_DIGEST_HEX + 8];
    struct mlo_err ignored = MLO_ERR_INIT;
    int n = snprintf(text, sizeof text, "%s %s %s", s->u->registry->host, s->u->repository,
                     mlo_digest_hex(s->u->digest, hex));
    return s->u->home && s->u->size >= JOURNAL_MIN && mlo_sha256(text, (size_t)n, ret, &ignored) == 0;
}

/* One that cannot be written costs a second upload at worst. */
static void journal_write(const struct session *s)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    struct mlo_digest key;
    if (!s->location || !journal_key(s, &key))
        return;
    int rc = mlo_cache_put(s->u->home, JOURNAL_KIND, &key, s->location, strlen(s->location), &ignored);
    (void)rc;
}

static void journal_forget(const struct session *s)
{
    struct mlo_digest key;
    if (journal_key(s, &key))
        mlo_cache_remove(s->u->home, JOURNAL_KIND, &key);
}

static void journal_read(struct session *s)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    struct mlo_digest key;
    size_t n = 0;
    s->unsure = journal_key(s, &key) && mlo_cache_get(s->u->home, JOURNAL_KIND, &key, MLO_REGISTRY_URL_MAX,
                                                      &s->location, &n, &ignored) == 0;
}

/* ---- answers ---- */

static void close_session(struct session *s)
{
    free(mlo_steal(&s->location));
    s->offset = 0;
    s->chunk_min = 0;
}

/* Nobody knows how far it came: `why` is told when it does not get better. */
static int be_unsure(struct session *s, const struct mlo_err *why, struct mlo_err *err)
{
    if (why->sys_errno != 0 || why->code == MLO_EIO) { /* interrupted, or our own disk */
        *err = *why;
        return why->code;
    }
    s->last = *why;
    s->unsure = true;
    return 0;
}

/* A session may be lost, stand elsewhere or break; a refusal stays one. */
static int failed(struct session *s, const struct mlo_http_response *r, struct mlo_err *err)
{
    static const int open[] = {400, 404, 408, 416, 422};
    struct mlo_err why = MLO_ERR_INIT;
    bool again = r->status >= 500;
    for (size_t i = 0; i < MLO_COUNT(open); i++)
        again = again || r->status == open[i];
    mlo_registry_fail(s->u->registry, r, &why);
    if (again)
        return be_unsure(s, &why, err);
    s->refused = r->status == 429;
    if (s->refused) {
        s->last = why;
        return 0;
    }
    *err = why;
    return why.code;
}

static int take_location(struct session *s, const char *base, const struct mlo_http_response *r,
                         struct mlo_err *err)
{
    const char *location = mlo_http_header(r, "Location");
    char *url = NULL;
    if (!location)
        return 0;
    if (strlen(location) > MLO_REGISTRY_URL_MAX)
        return mlo_fail(err, MLO_EREMOTE, "%s sent an upload address that is too long", r->host);
    int rc = mlo_url_resolve(base, location, &url, err);
    if (rc != 0)
        return mlo_wrap(err, "%s: upload address", r->host);
    free(s->location);
    s->location = url;
    return 0;
}

static uint64_t number_of(const char *text)
{
    uint64_t n = 0;
    for (; text && *text >= '0' && *text <= '9' && n < MLO_BLOB_SIZE_MAX; text++)
        n = 10 * n + (uint64_t)(*text - '0');
    return n;
}

/* ---- steps ---- */

/* A registry may hash or move the whole blob before it answers. */
static int64_t patience(const struct session *s)
{
    return PATIENCE + (int64_t)(s->u->size / SLOW_REGISTRY) * MLO_NS_PER_S;
}

static int request(struct session *s, const char *method, const char *url, const char *const *headers,
                   const struct mlo_http_body *body, unsigned flags, struct mlo_http_response *ret,
                   struct mlo_err *err)
{
    struct mlo_http_request req = {.method = method,
                                   .url = url,
                                   .headers = headers,
                                   .body = body,
                                   .flags = flags,
                                   .patience_ns = patience(s)};
    return mlo_registry_do(s->u->registry, s->scope, &req, ret, err);
}

/* The scope of a mount names both repositories; when they cannot be had together the blob is uploaded. */
static int open_by_mount(struct session *s, struct mlo_err *err)
{
    struct mlo_registry *g = s->u->registry;
    struct mlo_http_response r = {0};
    char scope[MLO_SCOPE_MAX], text[MLO_DIGEST_TEXT];
    MLO_AUTOFREE char *url = mlo_registry_url(g, s->u->repository, err, "blobs/uploads/?mount=%s&from=%s",
                                              mlo_digest_text(s->u->digest, text), s->u->from);
    if (!url)
        return err->code;
    s->mount_tried = true;
    snprintf(scope, sizeof scope, "repository:%s:pull,push repository:%s:pull", s->u->repository, s->u->from);
    struct mlo_http_request req = {.method = "POST", .url = url, .flags = MLO_HTTP_REPEATABLE};
    struct mlo_err why = MLO_ERR_INIT;
    int rc = mlo_registry_do(g, scope, &req, &r, &why);
    if (rc == 0 && r.status == 201)
        s->done = s->u->mounted = true;
    else if (rc == 0 && r.status == 202)
        rc = take_location(s, url, &r, &why);
    mlo_http_response_release(&r);
    if (rc != 0 && why.sys_errno != 0) {
        *err = why;
        return rc;
    }
    return 0;
}

static int open_session(struct session *s, struct mlo_err *err)
{
    struct mlo_http_response r = {0};
    MLO_AUTOFREE char *url = mlo_registry_url(s->u->registry, s->u->repository, err, "blobs/uploads/");
    if (!url)
        return err->code;
    int rc = request(s, "POST", url, NULL, NULL, MLO_HTTP_REPEATABLE, &r, err);
    if (rc == 0 && r.status != 202 && r.status != 201)
        rc = mlo_registry_fail(s->u->registry, &r, err);
    if (rc == 0)
        rc = take_location(s, url, &r, err);
    if (rc == 0 && !s->location)
        rc = mlo_fail(err, MLO_EREMOTE, "%s opened an upload and does not say where", r.host);
    if (rc == 0) {
        s->offset = 0;
        s->chunk_min = number_of(mlo_http_header(&r, "OCI-Chunk-Min-Length"));
        journal_write(s);
    }
    mlo_http_response_release(&r);
    return rc;
}

/* Bytes of the request's body; the registry may hear them more than once, u->sent once. */
static int read_body(void *ctx, uint64_t offset, void *buf, size_t cap, size_t *ret_n, struct mlo_err *err)
{
    struct session *s = ctx;
    uint64_t at = s->from + offset, left = s->u->size - at;
    size_t n = left < cap ? (size_t)left : cap;
    int rc = mlo_read_exact_at(s->u->fd, buf, n, at, err);
    if (rc != 0)
        return rc == MLO_EINVALID ? mlo_fail(err, MLO_ECONFLICT, "data changed while it was sent") : rc;
    if (at + n > s->reported) {
        if (s->u->sent)
            s->u->sent(s->u->ctx, at + n - s->reported);
        s->reported = at + n;
    }
    *ret_n = n;
    return 0;
}

/* The Location with ?digest= or &digest=: what it carries already is the registry's and stays. */
static char *closing_url(const struct session *s, struct mlo_err *err)
{
    char text[MLO_DIGEST_TEXT];
    struct mlo_str url;
    mlo_str_init(&url, MLO_REGISTRY_URL_MAX + 128);
    mlo_str_addf(&url, "%s%sdigest=", s->location, strchr(s->location, '?') ? "&" : "?");
    mlo_digest_text(s->u->digest, text);
    mlo_url_encode(&url, text, strlen(text), false);
    if (mlo_str_check(&url, err) != 0) {
        mlo_str_release(&url);
        return NULL;
    }
    return mlo_str_detach(&url, NULL);
}

/* Smaller pieces from now on, for all blobs. False when they are as small as they may be. */
static bool lower_limits(struct session *s, uint64_t refused)
{
    struct mlo_registry *g = s->u->registry;
    uint64_t chunk = g->chunk < refused ? g->chunk : refused;
    if (refused <= CHUNK_MIN || chunk / 2 < s->chunk_min)
        return false;
    if (s->whole)
        g->whole_max = refused - 1;
    if (!s->whole || chunk == refused)
        g->chunk = chunk / 2 > CHUNK_MIN ? chunk / 2 : CHUNK_MIN;
    s->whole = false;
    return true;
}

/* 400 DIGEST_INVALID: what arrived is not the blob. Either the wire or the store is bad. */
static int check_own(struct session *s, struct mlo_err *err)
{
    enum { IO_BYTES = 1 << 20 };
    MLO_AUTOFREE char *buf = malloc(IO_BYTES);
    struct mlo_sha256 hash = {0};
    struct mlo_digest got;
    char text[MLO_DIGEST_TEXT];
    int rc = buf ? mlo_sha256_new(&hash, err) : mlo_fail_nomem(err);
    for (uint64_t at = 0; rc == 0 && at < s->u->size;) {
        size_t n = s->u->size - at < IO_BYTES ? (size_t)(s->u->size - at) : IO_BYTES;
        rc = mlo_read_exact_at(s->u->fd, buf, n, at, err);
        if (rc == 0)
            rc = mlo_sha256_update(&hash, buf, n, err);
        at += n;
    }
    if (rc == 0)
        rc = mlo_sha256_end(&hash, &got, err);
    mlo_sha256_free(&hash);
    if (rc == 0 && !mlo_digest_eq(&got, s->u->digest)) {
        mlo_fail(err, MLO_EINVALID, "the store's copy of %s is damaged", mlo_digest_text(s->u->digest, text));
        rc = mlo_hint(err, "`mlopsctl verify --repair` looks for good bytes");
    }
    return rc;
}

/* PUT: the whole blob, or what closes a chunked upload. */
static int close_upload(struct session *s, bool with_body, struct mlo_err *err)
{
    static const char *const headers[] = {"Content-Type", "application/octet-stream", NULL};
    struct mlo_http_body body = {.size = with_body ? s->u->size : 0, .read = read_body, .ctx = s};
    struct mlo_http_response r = {0};
    struct mlo_err why = MLO_ERR_INIT;
    MLO_AUTOFREE char *url = closing_url(s, err);
    if (!url)
        return err->code;
    s->from = 0;
    int rc = request(s, "PUT", url, headers, &body, 0, &r, &why);
    if (rc != 0) {
        rc = be_unsure(s, &why, err);
    } else if (r.status == 201 || r.status == 200 || r.status == 204) {
        s->done = true;
    } else if (r.status == 413 && with_body && lower_limits(s, s->u->size)) {
        s->unsure = true;
    } else if (r.status == 400 || r.status == 422) {
        close_session(s);
        rc = check_own(s, err);
        if (rc == 0)
            rc = s->bad_digest ? mlo_registry_fail(s->u->registry, &r, err) : failed(s, &r, err);
        s->bad_digest = true;
    } else {
        rc = failed(s, &r, err);
    }
    mlo_http_response_release(&r);
    return rc;
}

/* How far a chunk's answer says it came: its Range, else all that was sent. */
static int take_chunk(struct session *s, uint64_t sent, const struct mlo_http_response *r,
                      struct mlo_err *err)
{
    const char *range = mlo_http_header(r, "Range");
    uint64_t now = s->offset + sent;
    if (range && mlo_upload_range(range, &now) && (now < s->offset || now > s->offset + sent)) {
        struct mlo_err why = MLO_ERR_INIT;
        mlo_fail(&why, MLO_EREMOTE, "%s has %llu bytes of a blob of which %llu were sent", r->host,
                 (unsigned long long)now, (unsigned long long)(s->offset + sent));
        return be_unsure(s, &why, err);
    }
    s->offset = now;
    int rc = take_location(s, s->location, r, err);
    if (rc == 0)
        journal_write(s);
    return rc;
}

static uint64_t chunk_size(const struct session *s)
{
    uint64_t size = s->u->registry->chunk, left = s->u->size - s->offset;
    if (size < s->chunk_min)
        size = s->chunk_min;
    return left < size ? left : size;
}

/* 400 has other meanings too, once something has been taken. */
static bool refuses_chunks(int status, uint64_t offset)
{
    return status == 405 || status == 501 || (offset == 0 && status == 400);
}

static int send_chunk(struct session *s, struct mlo_err *err)
{
    uint64_t n = chunk_size(s);
    char range[64];
    snprintf(range, sizeof range, "%llu-%llu", (unsigned long long)s->offset,
             (unsigned long long)(s->offset + n - 1)); /* without the word "bytes" */
    const char *const headers[] = {"Content-Type", "application/octet-stream", "Content-Range", range, NULL};
    struct mlo_http_body body = {.size = n, .read = read_body, .ctx = s};
    struct mlo_http_response r = {0};
    struct mlo_err why = MLO_ERR_INIT;
    s->from = s->offset;
    int rc = request(s, "PATCH", s->location, headers, &body, 0, &r, &why);
    if (rc != 0) {
        rc = be_unsure(s, &why, err);
    } else if (r.status == 202 || r.status == 201 || r.status == 204 || r.status == 200) {
        rc = take_chunk(s, n, &r, err);
    } else if (r.status == 413 && lower_limits(s, n)) {
        s->unsure = true;
    } else if (!s->no_chunks && refuses_chunks(r.status, s->offset)) {
        s->whole = s->no_chunks = s->unsure = true;
        close_session(s);
    } else {
        s->misplaced = r.status == 416; /* the registry says where it stands */
        rc = failed(s, &r, err);
    }
    mlo_http_response_release(&r);
    return rc;
}

/* ---- after a failure ---- */

/* Call 13 of the protocol: how much has the session? One that is gone is closed. */
static int ask_session(struct session *s, struct mlo_err *err)
{
    struct mlo_http_response r = {0};
    struct mlo_err why = MLO_ERR_INIT;
    int rc = request(s, "GET", s->location, NULL, NULL, MLO_HTTP_REPEATABLE, &r, &why);
    if (rc != 0 && why.sys_errno != 0) {
        *err = why;
        return rc;
    }
    uint64_t has = 0;
    bool alive = rc == 0 && (r.status == 204 || r.status == 200 || r.status == 202);
    const char *range = alive ? mlo_http_header(&r, "Range") : NULL;
    if (range && (!mlo_upload_range(range, &has) || has == 1))
        has = 0; /* "0-0" is also what many say of an empty session */
    rc = 0;
    if (alive && has <= s->u->size && (has == 0 || !s->no_chunks)) {
        rc = take_location(s, s->location, &r, err);
        s->offset = has;
        s->whole = s->whole && has == 0;
    } else {
        close_session(s);
    }
    mlo_http_response_release(&r);
    return rc;
}

static int recover(struct session *s, struct mlo_err *err)
{
    bool there = false;
    int rc = mlo_registry_blob_has(s->u->registry, s->u->repository, s->u->digest, s->u->size, &there, err);
    if (rc != 0)
        return rc;
    s->unsure = false;
    s->done = there;
    if (there || !s->location)
        return 0;
    rc = ask_session(s, err);
    if (s->misplaced &&
        s->offset == 0) /* it was where it should be: this registry takes no chunks so large */
        s->whole = s->no_chunks = true;
    s->misplaced = false;
    return rc;
}

/* Twice as long with each failure in a row. */
static int wait_a_while(const struct session *s, unsigned failures, struct mlo_err *err)
{
    int64_t pause = PAUSE_FIRST << (failures < 8 ? failures : 8);
    if (pause > PAUSE_MAX)
        pause = PAUSE_MAX;
    pause = pause / 2 + mlo_time_mono() % (pause / 2); /* not all blobs at the same moment */
    return mlo_http_pause(s->u->registry->http, mlo_time_mono() + pause, 0, err);
}

static int step(struct session *s, struct mlo_err *err)
{
    if (s->unsure)
        return recover(s, err);
    if (!s->location && s->u->from && !s->mount_tried) {
        int rc = open_by_mount(s, err);
        if (rc != 0 || s->done || s->location)
            return rc;
    }
    if (!s->location)
        return open_session(s, err);
    if (s->whole && s->offset == 0)
        return close_upload(s, true, err);
    return s->offset < s->u->size ? send_chunk(s, err) : close_upload(s, false, err);
}

static int run_steps(struct session *s, struct mlo_err *err)
{
    unsigned failures = 0;
    int rc = 0;
    while (rc == 0 && !s->done) {
        bool was_unsure = s->unsure;
        s->refused = false;
        rc = step(s, err);
        if (s->offset > s->reached) {
            s->reached = s->offset;
            failures = 0;
        }
        if (rc != 0 || was_unsure || (!s->unsure && !s->refused))
            continue;
        if (++failures > FAILURES_MAX) {
            *err = s->last;
            return s->last.code ? s->last.code : mlo_fail(err, MLO_EREMOTE, "the upload does not get on");
        }
        if (failures > 1)
            rc = wait_a_while(s, failures - 2, err);
    }
    return rc;
}

int mlo_registry_upload(struct mlo_upload *u, struct mlo_err *err)
{
    struct session s = {.u = u, .whole = u->size <= u->registry->whole_max};
    char text[MLO_DIGEST_TEXT];
    mlo_registry_scope(s.scope, u->repository, MLO_ACCESS_PUSH);
    journal_read(&s);
    int rc = run_steps(&s, err);
    if (rc == 0)
        journal_forget(&s);
    close_session(&s);
    return rc != 0 ? mlo_wrap(err, "blob %s", mlo_digest_text(u->digest, text)) : 0;
}

/* A session that cannot be cancelled holds no bytes, and the registry sweeps it in time. */
static void cancel_session(struct session *s)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    struct mlo_http_response r = {0};
    if (request(s, "DELETE", s->location, NULL, NULL, MLO_HTTP_REPEATABLE, &r, &ignored) == 0)
        mlo_http_response_release(&r);
    close_session(s);
}

int mlo_registry_try_write(struct mlo_remote *r, struct mlo_err *err)
{
    char repository[MLO_REPOSITORY_MAX];
    struct mlo_digest nothing = {0};
    struct mlo_upload u = {.registry = mlo_registry_of(r), .repository = repository, .digest = &nothing};
    struct session s = {.u = &u};
    int rc = mlo_registry_some_repository(u.registry, repository, err);
    if (rc != 0)
        return rc;
    mlo_registry_scope(s.scope, repository, MLO_ACCESS_PUSH);
    rc = open_session(&s, err);
    if (rc != 0)
        return mlo_wrap(err, "repository '%s'", repository);
    cancel_session(&s);
    return 0;
}

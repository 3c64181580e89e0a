/*
 * An object in parts. What a service remembers of an unfinished upload outlives this process, so its id is
 * kept in a journal (a small file in the cache, by place and key) and a later run sends only what is missing:
 * the service is asked which parts it has, and only those of exactly the right size count, since one that is
 * just being written may be listed short.
 *
 * The end is the delicate moment: merging takes seconds per GiB, and a proxy on the way may give up waiting
 * while it goes on. Then nobody knows, so the object itself is looked at: it is ours when it has our size and
 * is not the version that was there before.
 */
#include "s3.h"

#include <errno.h>
#include <string.h>

#include <mlopsctl/base/json.h>
#include <mlopsctl/base/thread.h>

#define SESSIONS_MAX    4
#define LIST_AGAIN      4
#define COMPLETE_ROUNDS 5
#define JOURNAL_MAX     ((size_t)16 << 10)
#define QUERY_MAX       ((size_t)16 << 10)
#define COMPLETE_MAX    ((size_t)16 << 20)
#define HASH_IO_BYTES   ((size_t)1 << 20)
#define GIB             ((uint64_t)1 << 30)

/* Of one completion: how long an answer is awaited, and how long the object after an answer that was cut. */
#define ANSWER_LEAST_NS (300 * MLO_NS_PER_S)
#define ANSWER_MOST_NS  (7200 * MLO_NS_PER_S)
#define MERGE_LEAST_NS  (60 * MLO_NS_PER_S)
#define REFUSED_NS      (2 * MLO_NS_PER_S) /* after an answer that it was probably never heard */
#define POLL_MOST_NS    (5 * MLO_NS_PER_S)

struct upload {
    struct mlo_s3 *s;
    const char *key;
    const struct mlo_body *body;
    struct mlo_digest journal;    /* its name */
    char before[MLO_S3_ETAG_MAX]; /* the version that was there; "" for none */
    bool asked;                   /* for the end: it may have come */
    char *id;                     /* NULL: no session */
    uint64_t part;                /* bytes; the last may be smaller */
    unsigned n;
    char **etags;                /* NULL: not sent yet */
    pthread_mutex_t lock;        /* body's reads, trouble */
    enum mlo_s3_trouble trouble; /* of the part that failed */
};

static uint64_t part_size(const struct upload *u, unsigned number)
{
    uint64_t at = (uint64_t)(number - 1) * u->part, left = u->body->size - at;
    return left < u->part ? left : u->part;
}

/* ---- journal ---- */

static int journal_name(struct upload *u, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str url;
    mlo_str_init(&url, QUERY_MAX);
    int rc = mlo_s3_url(u->s, u->key, NULL, &url, err);
    return rc != 0 ? rc : mlo_sha256(url.ptr, url.len, &u->journal, err);
}

static int journal_write(const struct upload *u, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = cJSON_CreateObject();
    MLO_AUTOFREE char *text = NULL;
    char digest[MLO_DIGEST_TEXT];
    size_t n = 0;
    if (!u->s->home)
        return 0;
    if (!cJSON_AddStringToObject(doc, "digest", mlo_digest_text(&u->body->digest, digest)) ||
        !mlo_json_add_u64(doc, "size", u->body->size) || !mlo_json_add_u64(doc, "part", u->part) ||
        !cJSON_AddStringToObject(doc, "upload", u->id) ||
        !cJSON_AddStringToObject(doc, "before", u->before) || !cJSON_AddBoolToObject(doc, "asked", u->asked))
        return mlo_fail_nomem(err);
    int rc = mlo_json_print(doc, &text, &n, err);
    return rc != 0 ? rc : mlo_cache_put(u->s->home, "uploads", &u->journal, text, n, err);
}

static void forget(struct upload *u)
{
    free(u->id);
    u->id = NULL;
    for (unsigned i = 0; i < u->n; i++)
        free(u->etags[i]);
    free(u->etags);
    u->etags = NULL;
    u->n = 0;
    u->asked = false;
    if (u->s->home)
        mlo_cache_remove(u->s->home, "uploads", &u->journal);
}

/* *ret_same: of the same bytes, so that its parts can be used. */
static int journal_parse(struct upload *u, const char *text, size_t n, bool *ret_same, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = NULL;
    uint64_t size = 0, part = 0;
    char digest[MLO_DIGEST_TEXT];
    int rc = mlo_json_parse(text, n, JOURNAL_MAX, &doc, err);
    const char *of = mlo_json_text(doc, "digest"), *id = mlo_json_text(doc, "upload"),
               *before = mlo_json_text(doc, "before");
    if (rc != 0 || mlo_json_u64(doc, "size", &size, err) || mlo_json_u64(doc, "part", &part, err))
        return err->code;
    if (!of || !id || !before || strlen(before) >= sizeof u->before || part == 0)
        return mlo_fail(err, MLO_EINVALID, "a journal that is not whole");
    *ret_same = size == u->body->size && strcmp(of, mlo_digest_text(&u->body->digest, digest)) == 0 &&
                size / part < MLO_S3_PARTS_MAX;
    u->part = part;
    u->asked = mlo_json_true(doc, "asked");
    snprintf(u->before, sizeof u->before, "%s", before);
    u->id = mlo_strdup(id, err);
    return u->id ? 0 : MLO_EIO;
}

/* A journal that is missing or damaged only costs bytes. */
static int journal_read(struct upload *u, bool *ret_same, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    if (!u->s->home)
        return 0;
    int rc = mlo_cache_get(u->s->home, "uploads", &u->journal, JOURNAL_MAX, &text, &n, err);
    if (rc == 0)
        rc = journal_parse(u, text, n, ret_same, err);
    if (rc == MLO_ENOTFOUND || rc == MLO_EINVALID) {
        *err = MLO_ERR_INIT;
        return 0;
    }
    return rc;
}

/* ---- a session ---- */

static void add_upload_id(const struct upload *u, struct mlo_str *query)
{
    mlo_str_add(query, "uploadId=");
    mlo_url_encode(query, u->id, strlen(u->id), false);
}

/* Frees what the service keeps; best effort, since the reason for it is worth more than its own failure. */
static void abort_session(struct upload *u)
{
    MLO_AUTOSTR struct mlo_str query;
    struct mlo_err ignored = MLO_ERR_INIT;
    struct mlo_http_response r;
    enum mlo_s3_trouble t;
    mlo_str_init(&query, QUERY_MAX);
    add_upload_id(u, &query);
    struct mlo_s3_ask a = {
        .method = "DELETE", .key = u->key, .query = query.ptr, .flags = MLO_HTTP_REPEATABLE, .attempts = 3};
    if (mlo_str_check(&query, &ignored) == 0 && mlo_s3_do(u->s, &a, &r, &t, &ignored) == 0)
        mlo_http_response_release(&r);
    forget(u);
}

static int make_etags(struct upload *u, struct mlo_err *err)
{
    u->n = (unsigned)((u->body->size + u->part - 1) / u->part);
    u->etags = mlo_calloc(u->n, sizeof *u->etags, err);
    if (!u->etags)
        u->n = 0;
    return u->etags ? 0 : MLO_EIO;
}

uint64_t mlo_s3_part_size(struct mlo_s3 *s, uint64_t size)
{
    uint64_t max = mlo_s3_put_max(s), least = size / MLO_S3_PARTS_MAX + 1;
    uint64_t part = MLO_S3_PART_USUAL > least ? MLO_S3_PART_USUAL : least;
    return part < max ? part : max;
}

static int begin(struct upload *u, struct mlo_err *err)
{
    struct mlo_http_response r;
    enum mlo_s3_trouble t;
    uint64_t size;
    u->part = mlo_s3_part_size(u->s, u->body->size);
    if (u->body->size / u->part >= MLO_S3_PARTS_MAX) {
        mlo_fail(err, MLO_EREMOTE, "'%s' is too large for parts of %llu bytes", u->key,
                 (unsigned long long)u->part);
        err->sys_errno = EFBIG;
        return err->code;
    }
    int rc = mlo_s3_look(u->s, u->key, &size, u->before, err);
    if (rc == MLO_ENOTFOUND) {
        *err = MLO_ERR_INIT;
        u->before[0] = '\0';
        rc = 0;
    }
    /* A session that nobody hears of costs room until it is swept there; losing an answer must not end all.
     */
    struct mlo_s3_ask a = {
        .method = "POST", .key = u->key, .query = "uploads=", .flags = MLO_HTTP_REPEATABLE};
    if (rc == 0)
        rc = mlo_s3_do(u->s, &a, &r, &t, err);
    if (rc != 0)
        return rc;
    rc = t == MLO_S3_FINE ? mlo_s3_read_upload(r.body, r.n, &u->id, err)
                          : mlo_s3_fail(u->s, u->key, &r, t, err);
    mlo_http_response_release(&r);
    if (rc == 0)
        rc = make_etags(u, err);
    return rc != 0 ? rc : journal_write(u, err);
}

/* ---- which parts are there ---- */

static int take_parts(struct upload *u, struct mlo_s3_parts *list, unsigned *ret_last)
{
    unsigned last = *ret_last;
    for (size_t i = 0; i < list->n; i++) {
        struct mlo_s3_part *p = &list->list[i];
        last = p->number > last ? p->number : last;
        if (p->number > u->n || p->size != part_size(u, p->number))
            continue;
        free(u->etags[p->number - 1]);
        u->etags[p->number - 1] = mlo_steal(&p->etag);
    }
    bool more = list->truncated && last > *ret_last;
    *ret_last = last;
    return more;
}

static int ask_parts(struct upload *u, unsigned after, struct mlo_s3_parts *ret,
                     enum mlo_s3_trouble *ret_trouble, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str query;
    struct mlo_http_response r;
    mlo_str_init(&query, QUERY_MAX);
    mlo_str_addf(&query, "max-parts=1000&part-number-marker=%u&", after);
    add_upload_id(u, &query);
    int rc = mlo_str_check(&query, err);
    if (rc != 0)
        return rc;
    struct mlo_s3_ask a = {.method = "GET",
                           .key = u->key,
                           .query = query.ptr,
                           .max_body = MLO_S3_XML_MAX,
                           .flags = MLO_HTTP_REPEATABLE};
    rc = mlo_s3_do(u->s, &a, &r, ret_trouble, err);
    if (rc != 0)
        return rc;
    if (*ret_trouble == MLO_S3_FINE)
        rc = mlo_s3_read_parts(r.body, r.n, ret, err);
    mlo_http_response_release(&r);
    return rc;
}

/* False, without a failure, when the session cannot be gone on with. */
static bool learn_parts(struct upload *u, enum mlo_s3_trouble *ret, struct mlo_err *err)
{
    unsigned last = 0, round = 0;
    for (;;) {
        struct mlo_s3_parts list = {0};
        *ret = MLO_S3_FINE;
        int rc = ask_parts(u, last, &list, ret, err);
        if (rc == MLO_EREMOTE && ++round <= LIST_AGAIN) {
            *err = MLO_ERR_INIT;
            if (mlo_s3_pause(u->s, round, err))
                return false;
            continue;
        }
        if (rc != 0 || *ret != MLO_S3_FINE)
            return false;
        bool more = take_parts(u, &list, &last);
        mlo_s3_parts_release(&list);
        if (!more)
            return true;
    }
}

/* ---- parts ---- */

struct part_body {
    struct upload *u;
    uint64_t at;
};

static int read_part(void *ctx, uint64_t offset, void *buf, size_t cap, size_t *ret_n, struct mlo_err *err)
{
    const struct part_body *b = ctx;
    struct upload *u = b->u;
    pthread_mutex_lock(&u->lock);
    int rc = u->body->read(u->body->ctx, b->at + offset, buf, cap, ret_n, err);
    pthread_mutex_unlock(&u->lock);
    return rc;
}

static int hash_part(struct part_body *b, uint64_t size, struct mlo_digest *ret, struct mlo_err *err)
{
    MLO_AUTOFREE char *buf = malloc(HASH_IO_BYTES);
    struct mlo_sha256 hash = {0};
    size_t n = 0;
    int rc = buf ? mlo_sha256_new(&hash, err) : mlo_fail_nomem(err);
    for (uint64_t done = 0; rc == 0 && done < size; done += n) {
        size_t cap = size - done < HASH_IO_BYTES ? (size_t)(size - done) : HASH_IO_BYTES;
        rc = read_part(b, done, buf, cap, &n, err);
        if (rc == 0)
            rc = mlo_sha256_update(&hash, buf, n, err);
    }
    if (rc == 0)
        rc = mlo_sha256_end(&hash, ret, err);
    mlo_sha256_free(&hash);
    return rc;
}

static bool is_plain(const struct mlo_s3 *s)
{
    return s->endpoint && strncasecmp(s->endpoint, "http:", 5) == 0;
}

static int take_etag(struct upload *u, unsigned number, const struct mlo_http_response *r,
                     struct mlo_err *err)
{
    const char *etag = mlo_http_header(r, "etag");
    if (!etag || strlen(etag) >= MLO_S3_ETAG_MAX)
        return mlo_fail(err, MLO_EREMOTE, "'%s' gives no ETag for a part of '%s'", r->host, u->key);
    u->etags[number - 1] = mlo_strdup(etag, err);
    return u->etags[number - 1] ? 0 : MLO_EIO;
}

static int ask_part(struct upload *u, unsigned number, const struct mlo_s3_ask *a, struct mlo_err *err)
{
    struct mlo_http_response r;
    enum mlo_s3_trouble t;
    int rc = mlo_s3_do(u->s, a, &r, &t, err);
    if (rc != 0)
        return rc;
    if (t == MLO_S3_FINE)
        rc = take_etag(u, number, &r, err);
    else {
        rc = mlo_s3_fail(u->s, u->key, &r, t, err);
        pthread_mutex_lock(&u->lock);
        u->trouble = t;
        pthread_mutex_unlock(&u->lock);
    }
    mlo_http_response_release(&r);
    return rc;
}

/* TLS protects a part on its way; without it the part's own hash does. */
static int send_part(void *ctx, size_t i, struct mlo_err *err)
{
    struct upload *u = ctx;
    unsigned number = (unsigned)i + 1;
    struct part_body from = {u, i * u->part};
    struct mlo_http_body body = {part_size(u, number), read_part, &from};
    struct mlo_digest digest;
    MLO_AUTOSTR struct mlo_str query;
    mlo_str_init(&query, QUERY_MAX);
    if (u->etags[i])
        return 0;
    mlo_str_addf(&query, "partNumber=%u&", number);
    add_upload_id(u, &query);
    int rc = mlo_str_check(&query, err);
    if (rc == 0 && is_plain(u->s))
        rc = hash_part(&from, body.size, &digest, err);
    if (rc != 0)
        return rc;
    struct mlo_s3_ask a = {.method = "PUT",
                           .key = u->key,
                           .query = query.ptr,
                           .body = &body,
                           .digest = is_plain(u->s) ? &digest : NULL,
                           .flags = MLO_HTTP_REPEATABLE};
    return ask_part(u, number, &a, err);
}

/* ---- the end ---- */

static void add_escaped(struct mlo_str *out, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '&':
            mlo_str_add(out, "&amp;");
            break;
        case '<':
            mlo_str_add(out, "&lt;");
            break;
        case '>':
            mlo_str_add(out, "&gt;");
            break;
        case '"':
            mlo_str_add(out, "&quot;");
            break;
        default:
            mlo_str_addc(out, *text);
        }
}

static int list_all_parts(const struct upload *u, struct mlo_str *out, struct mlo_err *err)
{
    mlo_str_add(out, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (unsigned i = 0; i < u->n; i++) {
        mlo_str_addf(out, "<Part><PartNumber>%u</PartNumber><ETag>", i + 1);
        add_escaped(out, u->etags[i]);
        mlo_str_add(out, "</ETag></Part>");
    }
    mlo_str_add(out, "</CompleteMultipartUpload>");
    return mlo_str_check(out, err);
}

enum end {
    END_DONE,
    END_UNHEARD, /* probably not begun: a gateway that was not well */
    END_UNCLEAR,
    END_GONE, /* no such session, or parts of it are not there */
    END_FAILED,
};

static enum end judge_end(struct upload *u, const struct mlo_http_response *r, enum mlo_s3_trouble t,
                          struct mlo_err *err)
{
    struct mlo_s3_error e = {0};
    if (t == MLO_S3_FINE && mlo_s3_read_complete(r->body, r->n, &e, err)) {
        *err = MLO_ERR_INIT;
        return END_UNCLEAR;
    }
    if (t == MLO_S3_FINE)
        return !*e.code                                   ? END_DONE
               : strncmp(e.code, "NoSuchUpload", 12) == 0 ? END_GONE
               : strncmp(e.code, "InvalidPart", 11) == 0  ? END_GONE
                                                          : END_UNCLEAR;
    if (t == MLO_S3_NO_UPLOAD || t == MLO_S3_BAD_PART || t == MLO_S3_NO_KEY)
        return END_GONE;
    if (r->status == 500 || r->status == 502 || r->status == 503)
        return END_UNHEARD;
    if (r->status >= 500 && r->status != 507)
        return END_UNCLEAR;
    mlo_s3_fail(u->s, u->key, r, t, err);
    u->trouble = t;
    return END_FAILED;
}

static int64_t per_gib(const struct upload *u, int64_t ns, int64_t least, int64_t most)
{
    uint64_t gib = u->body->size / GIB + 1;
    int64_t all = gib < 4096 ? (int64_t)gib * ns : most;
    return all < least ? least : all > most ? most : all;
}

static enum end ask_end(struct upload *u, const struct mlo_str *text, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str query;
    struct mlo_digest digest;
    struct mlo_http_response r;
    enum mlo_s3_trouble t;
    mlo_str_init(&query, QUERY_MAX);
    add_upload_id(u, &query);
    if (mlo_str_check(&query, err) || mlo_sha256(text->ptr, text->len, &digest, err))
        return END_FAILED;
    struct mlo_http_body body = {text->len, mlo_http_body_text, text->ptr};
    struct mlo_s3_ask a = {
        .method = "POST",
        .key = u->key,
        .query = query.ptr,
        .body = &body,
        .digest = &digest,
        .flags = MLO_HTTP_ONCE,
        .patience_ns = per_gib(u, 10 * MLO_NS_PER_S, ANSWER_LEAST_NS, ANSWER_MOST_NS),
    };
    int rc = mlo_s3_do(u->s, &a, &r, &t, err);
    if (rc == MLO_EREMOTE) {
        *err = MLO_ERR_INIT;
        return END_UNCLEAR;
    }
    if (rc != 0)
        return END_FAILED;
    enum end end = judge_end(u, &r, t, err);
    mlo_http_response_release(&r);
    return end;
}

/* Is the object there, whole? With `same_too` also when it might be the former one. */
static int is_there(struct upload *u, bool same_too, bool *ret, struct mlo_err *err)
{
    char etag[MLO_S3_ETAG_MAX];
    uint64_t size = 0;
    int rc = mlo_s3_look(u->s, u->key, &size, etag, err);
    *ret = rc == 0 && size == u->body->size && (same_too || !*u->before || strcmp(etag, u->before) != 0);
    if (rc != MLO_ENOTFOUND && rc != MLO_EREMOTE)
        return rc;
    *err = MLO_ERR_INIT;
    return 0;
}

static int await_merge(struct upload *u, int64_t patience, bool *ret, struct mlo_err *err)
{
    int64_t until = mlo_time_mono() + patience, pause = MLO_NS_PER_S / 4;
    for (;;) {
        int rc = mlo_http_pause(u->s->http, mlo_time_mono() + pause, 0, err);
        if (rc == 0)
            rc = is_there(u, false, ret, err);
        if (rc != 0 || *ret || mlo_time_mono() >= until)
            return rc;
        pause = 2 * pause < POLL_MOST_NS ? 2 * pause : POLL_MOST_NS;
    }
}

/* *ret false: the session is lost, all must be sent again. */
static int complete(struct upload *u, bool *ret, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    int64_t patience = per_gib(u, 5 * MLO_NS_PER_S, MERGE_LEAST_NS, ANSWER_MOST_NS);
    bool asked = u->asked;
    mlo_str_init(&text, COMPLETE_MAX);
    u->asked = true;
    int rc = list_all_parts(u, &text, err);
    if (rc == 0)
        rc = journal_write(u, err);
    for (unsigned round = 0; rc == 0 && round < COMPLETE_ROUNDS; round++) {
        enum end end = ask_end(u, &text, err);
        *ret = end == END_DONE;
        if (end == END_DONE)
            return 0;
        if (end == END_FAILED)
            return err->code;
        if (end == END_GONE)
            return asked ? is_there(u, true, ret, err) : 0;
        asked = true;
        rc = await_merge(u, end == END_UNHEARD && round == 0 ? REFUSED_NS : patience << round, ret, err);
        if (rc != 0 || *ret)
            return rc;
    }
    return rc != 0 ? rc
                   : mlo_fail(err, MLO_EREMOTE,
                              "'%s' was sent, but the service did not put its parts together", u->key);
}

/* ---- the whole ---- */

/* Goes on with the session of the journal. *ret_done: it turns out to have been completed. */
static int resume(struct upload *u, bool *ret_done, struct mlo_err *err)
{
    bool same = false;
    enum mlo_s3_trouble t = MLO_S3_FINE;
    int rc = journal_read(u, &same, err);
    if (rc != 0 || !u->id)
        return rc;
    if (!same) { /* of bytes that nobody wants any more */
        abort_session(u);
        return 0;
    }
    rc = make_etags(u, err);
    if (rc != 0 || learn_parts(u, &t, err))
        return rc;
    if (err->code && err->code != MLO_EREMOTE)
        return err->code;
    *err = MLO_ERR_INIT;
    rc = t == MLO_S3_NO_UPLOAD && u->asked ? is_there(u, false, ret_done, err) : 0;
    forget(u);
    return rc;
}

/* What a failure leaves: a session that can be gone on with, or none. */
static void leave(struct upload *u)
{
    bool useless = u->trouble == MLO_S3_FULL || u->trouble == MLO_S3_LARGE || u->trouble == MLO_S3_DENIED;
    if (u->id && (useless || !u->s->home))
        abort_session(u);
}

/* *ret_again: with a new session it may work. */
static int send_all(struct upload *u, bool *ret_again, struct mlo_err *err)
{
    bool done = false;
    u->trouble = MLO_S3_FINE;
    int rc = mlo_parallel(u->n, u->s->parts_parallel, send_part, u, err);
    if (rc == 0)
        rc = complete(u, &done, err);
    if (rc == 0) {
        *ret_again = !done;
        forget(u);
    } else if (u->trouble == MLO_S3_NO_UPLOAD || u->trouble == MLO_S3_NO_KEY) {
        *ret_again = true;
        forget(u);
    } else if (u->trouble == MLO_S3_LARGE && mlo_s3_lower_put_max(u->s, u->part)) {
        *ret_again = true;
        abort_session(u);
    }
    return *ret_again ? 0 : rc;
}

static int upload_run(struct upload *u, struct mlo_err *err)
{
    bool done = false;
    int rc = journal_name(u, err);
    if (rc == 0)
        rc = resume(u, &done, err);
    if (rc != 0 || done)
        return rc;
    for (unsigned session = 0; session < SESSIONS_MAX; session++) {
        bool again = false;
        rc = u->id ? 0 : begin(u, err);
        if (rc == 0)
            rc = send_all(u, &again, err);
        if (!again)
            return rc;
        *err = MLO_ERR_INIT;
    }
    return mlo_fail(err, MLO_EREMOTE, "'%s': the service lost the upload %d times", u->key, SESSIONS_MAX);
}

int mlo_s3_put_parts(struct mlo_s3 *s, const char *key, const struct mlo_body *body, struct mlo_err *err)
{
    struct upload u = {.s = s, .key = key, .body = body, .lock = PTHREAD_MUTEX_INITIALIZER};
    int rc = upload_run(&u, err);
    if (rc != 0)
        leave(&u);
    for (unsigned i = 0; i < u.n; i++)
        free(u.etags[i]);
    free(u.etags);
    free(u.id);
    pthread_mutex_destroy(&u.lock);
    return rc;
}

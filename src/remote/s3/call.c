/*
 * One S3 request: signed anew for each attempt, sent again where the service only wants patience or another
 * region. The HTTP client repeats what failed on the way; here is what an S3 service says in words of its
 * own.
 */
#include "s3.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include <mlopsctl/base/text.h>

#define URL_MAX       ((size_t)16 << 10)
#define DENIED_AGAIN  3 /* RunPod's gateway refuses now and then what it allows (docs/runpod.md) */
#define BUSY_AGAIN    6
#define CHANGED_AGAIN 2
#define PAUSE_NS      (MLO_NS_PER_S / 4)
#define PAUSE_MAX_NS  (8 * MLO_NS_PER_S)

#define SHA256_OF_NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* ---- signing ---- */

struct signer {
    struct mlo_s3 *s;
    const char *payload;
    char region[sizeof((struct mlo_s3 *)0)->region]; /* of this sending */
};

static int sign(void *ctx, struct mlo_http_attempt *a, struct mlo_err *err)
{
    const struct signer *g = ctx;
    struct mlo_sigv4 k = {.access_key = g->s->access_key,
                          .secret_key = g->s->secret_key,
                          .session_token = g->s->session_token,
                          .region = g->region,
                          .service = "s3"};
    return mlo_sigv4_sign(&k, a, g->payload, err);
}

static int send_once(struct mlo_s3 *s, const struct mlo_s3_ask *a, struct signer *g,
                     struct mlo_http_response *ret, struct mlo_err *err)
{
    char hex[MLO_DIGEST_HEX + 1];
    MLO_AUTOSTR struct mlo_str url;
    mlo_str_init(&url, URL_MAX);
    pthread_mutex_lock(&s->lock);
    memcpy(g->region, s->region, sizeof g->region);
    pthread_mutex_unlock(&s->lock);
    if (mlo_s3_url(s, a->key, a->query, &url, err))
        return err->code;
    g->payload = a->digest ? mlo_digest_hex(a->digest, hex)
                 : a->body ? MLO_SIGV4_UNSIGNED
                           : SHA256_OF_NOTHING;
    struct mlo_http_request req = {.method = a->method,
                                   .url = url.ptr,
                                   .headers = a->headers,
                                   .body = a->body,
                                   .sign = sign,
                                   .sign_ctx = g,
                                   .sink = a->sink,
                                   .sink_ctx = a->sink_ctx,
                                   .range = a->range,
                                   .max_body = a->max_body,
                                   .flags = a->flags,
                                   .attempts = a->attempts,
                                   .patience_ns = a->patience_ns};
    return mlo_http_do(s->http, &req, ret, err);
}

/* ---- what an answer means ---- */

static enum mlo_s3_trouble trouble_of_code(const char *code)
{
    static const struct {
        const char *code;
        enum mlo_s3_trouble trouble;
    } codes[] = {
        {"AccessDenied", MLO_S3_DENIED},
        {"AccountProblem", MLO_S3_DENIED},
        {"AllAccessDisabled", MLO_S3_DENIED},
        {"AuthorizationHeaderMalformed", MLO_S3_REGION},
        {"BadDigest", MLO_S3_CHANGED},
        {"ConcurrentModification", MLO_S3_BUSY},
        {"ConditionalRequestConflict", MLO_S3_BUSY},
        {"EntityTooLarge", MLO_S3_LARGE},
        {"ExpiredToken", MLO_S3_EXPIRED},
        {"ExpiredTokenException", MLO_S3_EXPIRED},
        {"IncompleteBody", MLO_S3_BUSY},
        {"IllegalLocationConstraintException", MLO_S3_REGION},
        {"InvalidAccessKeyId", MLO_S3_WRONG_KEY},
        {"InvalidPart", MLO_S3_BAD_PART},
        {"InvalidPartOrder", MLO_S3_BAD_PART},
        {"InvalidRange", MLO_S3_RANGE},
        {"InvalidToken", MLO_S3_EXPIRED},
        {"MaxMessageLengthExceeded", MLO_S3_LARGE},
        {"NoSuchBucket", MLO_S3_NO_BUCKET},
        {"NoSuchKey", MLO_S3_NO_KEY},
        {"NoSuchUpload", MLO_S3_NO_UPLOAD},
        {"OperationAborted", MLO_S3_BUSY},
        {"PermanentRedirect", MLO_S3_REGION},
        {"PreconditionFailed", MLO_S3_UNMET},
        {"QuotaExceeded", MLO_S3_FULL},
        {"RequestTimeTooSkewed", MLO_S3_CLOCK},
        {"RequestTimeout", MLO_S3_BUSY},
        {"SignatureDoesNotMatch", MLO_S3_WRONG_KEY},
        {"SlowDown", MLO_S3_BUSY},
        {"TokenRefreshRequired", MLO_S3_EXPIRED},
        {"XAmzContentSHA256Mismatch", MLO_S3_CHANGED},
        {"XMinioStorageFull", MLO_S3_FULL},
    };
    for (size_t i = 0; i < MLO_COUNT(codes); i++)
        if (strcmp(code, codes[i].code) == 0)
            return codes[i].trouble;
    return MLO_S3_OTHER;
}

/* Of answers without a document, as a proxy gives them. */
static enum mlo_s3_trouble trouble_of_status(int status)
{
    switch (status) {
    case 403:
        return MLO_S3_DENIED;
    case 404:
        return MLO_S3_NO_KEY;
    case 412:
        return MLO_S3_UNMET;
    case 413:
        return MLO_S3_LARGE;
    case 416:
        return MLO_S3_RANGE;
    case 507:
        return MLO_S3_FULL;
    default:
        return status < 400 ? MLO_S3_MOVED : MLO_S3_OTHER;
    }
}

static bool says(const struct mlo_http_response *r, const char *text)
{
    return r->body && strcasestr(r->body, text);
}

static enum mlo_s3_trouble judge(const struct mlo_http_response *r, struct mlo_s3_error *e)
{
    *e = (struct mlo_s3_error){0};
    if (r->status >= 200 && r->status < 300)
        return MLO_S3_FINE;
    bool has_document = r->body && mlo_s3_read_error(r->body, r->n, e);
    enum mlo_s3_trouble t = has_document ? trouble_of_code(e->code) : MLO_S3_OTHER;
    /* RunPod's words come under several codes. */
    if (says(r, "does not match any shared API key"))
        return MLO_S3_WRONG_KEY;
    if (says(r, "the region '") && says(r, "is wrong"))
        return MLO_S3_REGION;
    if (says(r, "error code: 1010"))
        return MLO_S3_OTHER;
    if (t == MLO_S3_REGION || mlo_http_header(r, "x-amz-bucket-region"))
        return r->status == 301 || r->status == 400 || r->status == 307 ? MLO_S3_REGION : t;
    return t != MLO_S3_OTHER || (has_document && r->status != 413 && r->status != 507)
               ? t
               : trouble_of_status(r->status);
}

/* ---- another region ---- */

/* The name in quotes after `before`, in the words of a refusal. */
static bool quoted_after(const char *text, const char *before, char *to, size_t cap)
{
    const char *at = strcasestr(text, before);
    size_t n = at ? strcspn(at + strlen(before), "'") : 0;
    if (n == 0 || n >= cap)
        return false;
    memcpy(to, at + strlen(before), n);
    to[n] = '\0';
    return true;
}

static bool told_region(const struct mlo_http_response *r, const struct mlo_s3_error *e, char *to, size_t cap)
{
    const char *header = mlo_http_header(r, "x-amz-bucket-region"), *name = header ? header : e->region;
    if (*name)
        snprintf(to, cap, "%s", name);
    else if (!quoted_after(e->message, "expecting '", to, cap))
        return false;
    for (const char *c = to; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '-')
            return false;
    return true;
}

static void lower(char *s)
{
    for (; *s; s++)
        *s = (char)tolower((unsigned char)*s);
}

/* True when there is another region to sign for; each way of finding one is tried once. */
static bool correct_region(struct mlo_s3 *s, const struct signer *g, const struct mlo_http_response *r,
                           const struct mlo_s3_error *e)
{
    char region[sizeof s->region] = "";
    bool told = told_region(r, e, region, sizeof region), changed;
    pthread_mutex_lock(&s->lock);
    if (strcmp(s->region, g->region) == 0) { /* else somebody was faster */
        if (told && !s->region_told) {
            s->region_told = true;
            memcpy(s->region, region, sizeof region);
        } else if (!s->region_lowered) {
            s->region_lowered = true;
            lower(s->region);
        }
    }
    changed = strcmp(s->region, g->region) != 0;
    pthread_mutex_unlock(&s->lock);
    return changed;
}

/* ---- again? ---- */

int mlo_s3_pause(struct mlo_s3 *s, unsigned round, struct mlo_err *err)
{
    int64_t pause = PAUSE_NS;
    for (unsigned i = 1; i < round && pause < PAUSE_MAX_NS; i++)
        pause *= 2;
    return mlo_http_pause(s->http, mlo_time_mono() + pause, 0, err);
}

static unsigned most_rounds(const struct mlo_s3 *s, const struct mlo_http_response *r, enum mlo_s3_trouble t)
{
    if (t == MLO_S3_DENIED)
        return s->runpod ? DENIED_AGAIN : 0;
    if (t == MLO_S3_BUSY)
        return r->attempts == 1 ? BUSY_AGAIN : 0; /* else the client has been patient already */
    return t == MLO_S3_CHANGED ? CHANGED_AGAIN : 0;
}

int mlo_s3_do(struct mlo_s3 *s, const struct mlo_s3_ask *a, struct mlo_http_response *ret,
              enum mlo_s3_trouble *ret_trouble, struct mlo_err *err)
{
    struct signer g = {.s = s};
    struct mlo_s3_error e;
    unsigned rounds = 0;
    for (;;) {
        int rc = send_once(s, a, &g, ret, err);
        if (rc != 0)
            return rc;
        enum mlo_s3_trouble t = judge(ret, &e);
        bool other_region = t == MLO_S3_REGION && correct_region(s, &g, ret, &e);
        if (!other_region && rounds >= most_rounds(s, ret, t)) {
            *ret_trouble = t;
            return 0;
        }
        mlo_http_response_release(ret);
        if (!other_region && mlo_s3_pause(s, ++rounds, err))
            return err->code;
    }
}

/* ---- in words ---- */

static const char *shown_key(const struct mlo_s3 *s, const char *key, char buf[MLO_SHOWN])
{
    return key ? mlo_shown(key, strlen(key), buf) : s->bucket;
}

static int fail_bucket(const struct mlo_s3 *s, const struct mlo_http_response *r, struct mlo_err *err)
{
    mlo_fail(err, MLO_EREMOTE, "'%s' has no bucket '%s'", r->host, s->bucket);
    err->sys_errno = ENODEV;
    if (s->runpod)
        return mlo_hint(err, "a new volume can be reached after a minute or two; `mlopsctl runpod volume ls` "
                             "says which there are");
    return mlo_hint(err,
                    "buckets are made with the service's own tools (aws s3 mb s3://%s); or the name, the "
                    "endpoint or the key's account is another",
                    s->bucket);
}

static int fail_denied(const struct mlo_s3 *s, const char *key, const struct mlo_http_response *r,
                       struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    mlo_fail(err, MLO_EREMOTE, "'%s' denies access to '%s'", r->host, shown_key(s, key, shown));
    err->sys_errno = EACCES;
    return mlo_hint(err,
                    "the key pair (%s) is known there but may not do this: it needs leave to read, write and "
                    "list bucket '%s'",
                    s->origin ? s->origin : "given", s->bucket);
}

static int fail_key(const struct mlo_s3 *s, const struct mlo_http_response *r, struct mlo_err *err)
{
    mlo_http_fail(r, err);
    mlo_wrap(err, "the S3 key pair (%s) is wrong", s->origin ? s->origin : "given");
    if (s->runpod)
        return mlo_hint(err,
                        "volumes have keys of their own, made in RunPod's console under Settings, S3 API "
                        "keys; the REST API key is another one");
    return mlo_hint(err, "check access key and secret, and that they belong to this service");
}

static int fail_clock(struct mlo_s3 *s, const struct mlo_http_response *r, struct mlo_err *err)
{
    mlo_http_fail(r, err);
    (void)s;
    return mlo_hint(err, "the clock of this machine and that of the service differ too much: set it right");
}

static int fail_full(const struct mlo_s3 *s, const struct mlo_http_response *r, struct mlo_err *err)
{
    mlo_http_fail(r, err);
    mlo_wrap(err, s->runpod ? "volume '%s' is full" : "there is no more room in bucket '%s'", s->bucket);
    err->code = MLO_EREMOTE;
    err->sys_errno = ENOSPC;
    if (s->runpod)
        return mlo_hint(err,
                        "`mlopsctl runpod volume du %s` says what is there, `volume grow` makes it larger",
                        s->bucket);
    return mlo_hint(err, "remove what is not needed, or have the quota raised");
}

static int fail_moved(const struct mlo_http_response *r, struct mlo_err *err)
{
    const char *to = mlo_http_header(r, "location");
    char shown[MLO_SHOWN];
    mlo_fail(err, MLO_EREMOTE, "'%s' sends on to '%s': credentials do not follow", r->host,
             mlo_shown(to ? to : "", to ? strlen(to) : 0, shown));
    return mlo_hint(err, "if that is the right service, make it the endpoint (s3.endpoint)");
}

static int fail_region(struct mlo_s3 *s, const struct mlo_http_response *r, struct mlo_err *err)
{
    mlo_http_fail(r, err);
    pthread_mutex_lock(&s->lock);
    mlo_wrap(err, "bucket '%s' is not in region '%s'", s->bucket, s->region);
    pthread_mutex_unlock(&s->lock);
    return mlo_hint(err, "set s3.region to the bucket's region");
}

static int fail_other(const struct mlo_s3 *s, const char *key, const struct mlo_http_response *r,
                      struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    mlo_http_fail(r, err);
    return mlo_wrap(err, "'%s'", shown_key(s, key, shown));
}

static int say(struct mlo_s3 *s, const char *key, const struct mlo_http_response *r,
               enum mlo_s3_trouble trouble, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    shown_key(s, key, shown);
    switch (trouble) {
    case MLO_S3_NO_KEY:
        return mlo_fail(err, MLO_ENOTFOUND, "'%s': not there", shown_key(s, key, shown));
    case MLO_S3_NO_BUCKET:
        return fail_bucket(s, r, err);
    case MLO_S3_DENIED:
        return fail_denied(s, key, r, err);
    case MLO_S3_WRONG_KEY:
        return fail_key(s, r, err);
    case MLO_S3_EXPIRED:
        mlo_http_fail(r, err);
        mlo_wrap(err, "the session token (%s) has expired", s->origin ? s->origin : "given");
        return mlo_hint(err, "get a new one where this one came from");
    case MLO_S3_CLOCK:
        return fail_clock(s, r, err);
    case MLO_S3_CHANGED:
        return mlo_fail(err, MLO_ECONFLICT, "'%s': data changed while it was sent, or on the way",
                        shown_key(s, key, shown));
    case MLO_S3_LARGE:
        fail_other(s, key, r, err);
        err->sys_errno = EFBIG;
        return err->code;
    case MLO_S3_FULL:
        return fail_full(s, r, err);
    case MLO_S3_RANGE:
        return mlo_fail(err, MLO_EINVALID, "'%s' is shorter than it should be", shown_key(s, key, shown));
    case MLO_S3_MOVED:
        return fail_moved(r, err);
    case MLO_S3_REGION:
        return fail_region(s, r, err);
    case MLO_S3_NO_UPLOAD:
    case MLO_S3_BAD_PART:
    case MLO_S3_BUSY:
    case MLO_S3_UNMET:
    case MLO_S3_OTHER:
    case MLO_S3_FINE:
        break;
    }
    return fail_other(s, key, r, err);
}

int mlo_s3_fail(struct mlo_s3 *s, const char *key, const struct mlo_http_response *r,
                enum mlo_s3_trouble trouble, struct mlo_err *err)
{
    say(s, key, r, trouble, err);
    if (err->code == MLO_EUSAGE) /* a 400 says that this program asked wrongly, not its user */
        err->code = MLO_EREMOTE;
    return err->code;
}

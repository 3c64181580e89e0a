/*
 * HTTP(S) over libcurl's multi interface (libcurl only here, opened when first needed), and AWS Signature V4
 * over libcrypto.
 *
 * One client serves the whole process: one thread of its own moves the bytes of all transfers over pooled
 * connections; callers block in mlo_http_do on threads of theirs, and every callback of a request runs on the
 * thread that asked. So a sink may hash and write, and a body may read a slow disk, without holding up the
 * others.
 *
 * What the client decides by itself: when to try again (only where the request may be repeated; full jitter,
 * AWS Architecture Blog "Exponential Backoff And Jitter"), how long to wait (the longest of backoff,
 * Retry-After and every exhausted window of RateLimit), when a transfer has stalled, where a redirect may
 * lead and that credentials stay at home. TLS certificates are always verified. Plain http is taken for the
 * loopback only, unless allowed.
 */
#ifndef MLOPSCTL_NET_H
#define MLOPSCTL_NET_H

#include <mlopsctl/base/str.h>

struct mlo_http;

struct mlo_http_opts {
    unsigned connections;   /* transfers at once over all hosts; 0: 16 */
    const char *user_agent; /* NULL: "mlopsctl/<version>" */
    const char *ca_file;    /* more than the system's certificates; NULL: none */
    const char *proxy;      /* for https and http; NULL: none. Settings and the variables are the caller's */
    const char *no_proxy;   /* hosts, as curl's NOPROXY */
    bool allow_plain;       /* http:// also beyond the loopback */
    bool direct; /* one connection, whose bytes the asking thread moves itself, with SIGPIPE blocked: for
                  * those who measure, whom waking another thread would cost more than a server's answer */
    int64_t backoff_ns;  /* first pause's ceiling, doubled up to 30 s; 0: 0.5 s */
    int64_t patience_ns; /* of requests that say none; 0: 120 s */
    int64_t stall_ns;    /* likewise; 0: 30 s */
    /* What a person should know while it goes on: a wait above a minute, a Sunset header (once per host). Any
     * thread, one at a time. May be NULL. */
    void (*notice)(void *ctx, const char *text);
    /* Asked often; true ends every request with MLO_EIO and sys_errno EINTR. Any thread. May be NULL. */
    bool (*stop)(void *ctx);
    void *ctx;
};
/* opts' strings are copied. libcurl is opened by the first request: MLO_EUNAVAIL then when it is not
 * installed. */
int mlo_http_new(const struct mlo_http_opts *opts, struct mlo_http **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* No request may be under way. */
void mlo_http_free(struct mlo_http *h);

/* ---- requests ---- */

/* Bytes to send, by offset, so that they can be sent again. */
struct mlo_http_body {
    uint64_t size;
    /* Up to cap bytes from `offset` (never beyond size); *ret_n at least 1. */
    int (*read)(void *ctx, uint64_t offset, void *buf, size_t cap, size_t *ret_n, struct mlo_err *err);
    void *ctx;
};
/* From memory that outlives the request: {.size = n, .read = mlo_http_body_text, .ctx = (void *)text}. */
int mlo_http_body_text(void *ctx, uint64_t offset, void *buf, size_t cap, size_t *ret_n, struct mlo_err *err);

/* One sending of a request, made anew for each attempt: its headers are still open. */
struct mlo_http_attempt {
    const char *method, *url; /* of this attempt: a redirect may have changed it */
    unsigned number;          /* from 1 */
    int64_t time_ns;          /* now, corrected by what the host's Date header showed */
    void *headers;            /* the client's */
};
/* Copied. "Name", "value": no line breaks. */
int mlo_http_add_header(struct mlo_http_attempt *a, const char *name, const char *value,
                        struct mlo_err *err) MLO_MUST_CHECK;

typedef int (*mlo_http_sink)(void *ctx, const void *bytes, size_t n, struct mlo_err *err);

enum mlo_http_flags {
    MLO_HTTP_REPEATABLE = 1 << 0, /* may be sent again when it is not known whether it was done: GET, HEAD,
                                   * PUT of the same bytes, DELETE; never a POST that creates */
    MLO_HTTP_FOLLOW = 1 << 1,     /* follow redirects (five; GET and HEAD only; to another host without
                                   * credentials, never from https to http) */
    MLO_HTTP_STREAM = 1 << 2, /* an answer without end (logs): no stall limit while the connection lives */
    MLO_HTTP_ONCE = 1 << 3,   /* answers 429 and 5xx come back at once: the caller has its own rule */
    MLO_HTTP_POOLED = 1 << 4, /* over a pooled connection although it must not be sent again: one that proves
                               * dead then is a failure (a body that has begun to leave stays with it) */
};
struct mlo_http_range { /* bytes first .. first+length-1; length UINT64_MAX: to the end */
    uint64_t first, length;
};
struct mlo_http_request {
    const char *method;         /* "GET" */
    const char *url;            /* absolute and percent-encoded; without user and password */
    const char *const *headers; /* "Name", "value", ..., NULL; may be NULL. No credentials: those by sign */
    const struct mlo_http_body *body; /* NULL: none */
    /* Adds what proves who asks (Authorization and its kin). Not called for a host that a redirect led to. */
    int (*sign)(void *ctx, struct mlo_http_attempt *a, struct mlo_err *err);
    void *sign_ctx;
    /*
     * Where the bytes of a 200 or 206 go; NULL: into the response. A body that was cut goes on where it
     * stopped: with Range (and If-Range with the ETag) when the request is repeatable. The sink never hears a
     * byte twice. With `range` an answer 200 is cut to the range; 206 must be what was asked for.
     */
    mlo_http_sink sink;
    void *sink_ctx;
    const struct mlo_http_range *range; /* NULL: all */
    /* A longer answer is MLO_EREMOTE; 0: the range's length, else 1 MiB. Bodies of failures are cut at 64 KiB
     */
    uint64_t max_body;
    unsigned flags; /* enum mlo_http_flags */
    /* 0: 10. Fruitless ones in a row: one that brought a sink 1 MiB does not count; 3 for reaching a host
     * that has never answered. Requests that are not repeatable are sent again only when they never left. */
    unsigned attempts;
    int64_t patience_ns; /* until the answer's first byte, after the body is sent; 0: the client's */
    int64_t stall_ns;    /* less than 1 KiB/s for so long is a failure of the attempt; 0: the client's */
    int64_t deadline_ns; /* of the whole, on mlo_time_mono(); 0: none */
};
struct mlo_http_response {
    int status; /* when mlo_http_do fails: of the answer that broke off, 0 when none had begun */
    char *body; /* NUL added; NULL when a sink took it */
    size_t n;
    unsigned attempts; /* sent so often, redirects not counted */
    bool unclear; /* a failure after which nobody knows whether the server acted (also set when mlo_http_do
                   * fails) */
    struct mlo_http_headers *headers;
    char host[256]; /* that answered */
};
void mlo_http_response_release(struct mlo_http_response *r);
/* Case does not matter; the last one when it came twice; NULL when it did not. Borrowed. */
const char *mlo_http_header(const struct mlo_http_response *r, const char *name);
/* All values of a header that came several times, joined by ", " (RFC 9110 section 5.3), appended. */
void mlo_http_header_all(const struct mlo_http_response *r, const char *name, struct mlo_str *out);

/*
 * 0 for every complete answer, whatever its status, once the retries are used up; MLO_EREMOTE when there was
 * none: no connection, TLS, timeout, stall, cut, too long. Then the message names host and cause and the hint
 * what to do. A failing callback ends the request with its failure.
 */
int mlo_http_do(struct mlo_http *h, const struct mlo_http_request *req, struct mlo_http_response *ret,
                struct mlo_err *err) MLO_MUST_CHECK;
/*
 * An answer that is a failure, as an error: "<host> answered 403 Forbidden: <text> (request id ...)", at most
 * 2 KiB of the body's text shown, escaped and redacted: problem+json's title and detail, an S3 error's Code
 * and Message, a registry's errors, else the text. code by status: 401, 403, 5xx, 429 and 410 MLO_EREMOTE;
 * 404 MLO_ENOTFOUND; 409, 412 MLO_ECONFLICT; 400, 422 MLO_EUSAGE; else MLO_EREMOTE.
 */
int mlo_http_fail(const struct mlo_http_response *r, struct mlo_err *err);
/* Seconds that this host's clock is ahead of ours by its last Date header, in ns; 0 when unknown. */
int64_t mlo_http_clock_ahead(struct mlo_http *h, const char *url);

/* For callers that wait for something by a rule of their own. */

/* Says it as the client says its own notices. Any thread. */
void mlo_http_tell(struct mlo_http *h, const char *fmt, ...) MLO_PRINTF(2, 3);
/* Until `until` (mlo_time_mono()); ends early as requests do: MLO_EIO with EINTR when stopped, MLO_EREMOTE
 * past the deadline (0: none). */
int mlo_http_pause(struct mlo_http *h, int64_t until, int64_t deadline, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- addresses ---- */

struct mlo_url {
    char *scheme, *host, *port, *path,
        *query; /* owned; path begins with "/"; port and query NULL when absent */
};
/* http and https only; user:password in it is MLO_EUSAGE. */
int mlo_url_parse(const char *text, struct mlo_url *ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_url_release(struct mlo_url *u);
/* RFC 3986 section 5: what `reference` (a Location header) means beside `base`. Owner: the caller. */
int mlo_url_resolve(const char *base, const char *reference, char **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Appends with every byte outside A-Z a-z 0-9 - . _ ~ percent-encoded, "/" too unless kept. */
void mlo_url_encode(struct mlo_str *out, const char *text, size_t n, bool keep_slash);
/* In place: %XX as the byte it stands for; a NUL is left as it was. */
void mlo_url_decode(char *s);

/* ---- AWS Signature Version 4, header form ---- */

struct mlo_sigv4 {
    const char *access_key, *secret_key;
    const char *session_token; /* NULL: none */
    const char *region, *service;
};
#define MLO_SIGV4_UNSIGNED "UNSIGNED-PAYLOAD"
/*
 * The Authorization value for a request whose signed headers are `headers` ("name", "value", ..., NULL: lower
 * case, any order; host and x-amz-date among them). path is as sent (encoded once); query as sent.
 * payload_hash: hex SHA-256 or MLO_SIGV4_UNSIGNED. AWS General Reference, "Create a signed AWS API request".
 */
int mlo_sigv4(const struct mlo_sigv4 *k, const char *method, const char *path, const char *query,
              const char *const *headers, const char *payload_hash, int64_t time_ns, struct mlo_str *out,
              struct mlo_err *err) MLO_MUST_CHECK;
/* Adds host, x-amz-date, x-amz-content-sha256, x-amz-security-token and Authorization to an attempt. */
int mlo_sigv4_sign(const struct mlo_sigv4 *k, struct mlo_http_attempt *a, const char *payload_hash,
                   struct mlo_err *err) MLO_MUST_CHECK;

#endif

/*
 * Inside of net. Three layers, each in its own files:
 *
 *     request.c     one mlo_http_do: attempts, pauses, redirects, ranges; on the caller's thread
 *     transfer.c    one attempt as the caller sees it: waits, feeds the body, hands on the answer, watches
 * time client.c      the client's thread: curl multi, and the curl callbacks
 *
 * A transfer is shared by two threads and joins them with two rings of bytes, so neither waits for the other
 * while there is room.
 */
#ifndef MLOPSCTL_NET_INTERNAL_H
#define MLOPSCTL_NET_INTERNAL_H

#include <pthread.h>

#include <mlopsctl/base/secret.h>
#include <mlopsctl/base/time.h>
#include <mlopsctl/net.h>

#include "libcurl.h"

#define MLO_HOST_MAX 253 /* bytes of a host name, RFC 1035 */

/* ---- url.c ---- */

bool mlo_url_same_origin(const struct mlo_url *a, const struct mlo_url *b);
/* localhost, *.localhost, 127.0.0.0/8, [::1] */
bool mlo_url_is_loopback(const struct mlo_url *u);
/* host, and the port where it is not the scheme's own: what the Host header says. */
void mlo_url_authority(struct mlo_str *out, const struct mlo_url *u);

/* ---- headers.c ---- */

#define MLO_HEADERS_MAX ((size_t)64 << 10) /* bytes of all header lines of an answer */

/* Those we send. Values are wiped: some are credentials. */
struct mlo_header {
    char *name, *value;
};
struct mlo_header_list {
    struct mlo_header *list;
    size_t n, cap;
};
void mlo_header_list_release(struct mlo_header_list *l);

/* Those that came: "name" NUL "value" NUL ..., names in lower case. */
struct mlo_http_headers {
    struct mlo_str text;
    int status;    /* of the status line */
    bool complete; /* the empty line has come */
};
void mlo_headers_init(struct mlo_http_headers *h);
/* One line as it came; a status line starts anew (after 1xx). MLO_EREMOTE for too many bytes or nonsense. */
int mlo_headers_take(struct mlo_http_headers *h, const char *line, size_t n, struct mlo_err *err);
const char *mlo_headers_get(const struct mlo_http_headers *h, const char *name);

/* The three forms of RFC 9110 section 5.6.7. */
bool mlo_http_date(const char *text, int64_t *ret_ns);
/* Seconds or a date, as a wait from `now` (0 for the past). */
bool mlo_retry_after(const char *text, int64_t now_ns, int64_t *ret_wait_ns);
/* The longest `t` of the windows with r=0 in a RateLimit list; 0 when none is exhausted or it cannot be read.
 */
int64_t mlo_rate_limit_wait(const char *text);
/* "bytes 0-9/100": *ret_total UINT64_MAX for "*". */
bool mlo_content_range(const char *text, uint64_t *ret_first, uint64_t *ret_last, uint64_t *ret_total);
/* The same for "bytes (star)/100", of a 416. */
bool mlo_content_range_unsatisfied(const char *text, uint64_t *ret_total);
/* 408, 429 and the answers of servers and gateways in trouble: the same request may succeed later. */
bool mlo_status_is_transient(int status);
bool mlo_content_length(const char *text, uint64_t *ret);

/* ---- hosts.c: what is known of the origins we talked to ---- */

struct mlo_host {
    char origin[MLO_HOST_MAX + 16]; /* "https://host:port" */
    bool reached;                   /* has answered once */
    bool dated;
    bool sunset_told;
    int64_t ahead_ns;   /* its clock minus ours */
    int64_t not_before; /* mlo_time_mono(): until then it wants to be left alone */
    int64_t wait_told;  /* the not_before of which the user knows */
};
struct mlo_hosts {
    pthread_mutex_t lock;
    struct mlo_host *list;
    size_t n, cap;
};

/* ---- trust.c ---- */

struct mlo_trust {
    char *pem; /* the user's file, later with the system's bundle behind it; NULL: no file was named */
    size_t n;
    bool complete;
    bool bundle; /* the system's can be read */
};
int mlo_trust_init(struct mlo_trust *t, const char *ca_file, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_trust_release(struct mlo_trust *t);
/* Once libcurl is open, which knows where the system has its bundle. */
int mlo_trust_complete(struct mlo_trust *t, const struct libcurl *curl, struct mlo_err *err) MLO_MUST_CHECK;
/* t outlives the handle. */
CURLcode mlo_trust_set(const struct mlo_trust *t, const struct libcurl *curl, CURL *easy);

/* ---- client.c ---- */

#define MLO_PIECE ((size_t)256 << 10)
#define MLO_RING  (3 * MLO_PIECE)

/* Bytes between two threads. One side only puts, the other only takes; positions change under the transfer's
 * lock, the caller's side moves its bytes outside it. */
struct mlo_ring {
    char *buf;
    size_t cap, at, n;
};

enum mlo_transfer_ask { MLO_ASK_START = 1 << 0, MLO_ASK_RESUME = 1 << 1, MLO_ASK_CANCEL = 1 << 2 };

struct mlo_transfer {
    struct mlo_http *h;
    CURL *easy;
    struct curl_slist *lines; /* header lines for curl */
    char why[CURL_ERROR_SIZE];

    struct mlo_transfer *next_asking; /* these three under h->lock */
    unsigned asks;
    bool asking;

    struct mlo_transfer *next_news; /* the client's thread only */
    bool has_news;

    pthread_mutex_t lock; /* all below */
    pthread_cond_t changed;
    struct mlo_ring out, in;
    uint64_t out_left; /* of the body: not yet taken by curl */
    uint64_t moved;    /* bytes of bodies either way */
    bool out_starved, in_full;
    struct mlo_http_headers *head; /* written by the client's thread until head->complete */
    struct mlo_err failure;        /* of a callback on the client's thread */
    bool done;
    CURLcode result;
};

struct mlo_http {
    struct mlo_http_opts opts; /* strings owned */
    struct mlo_hosts hosts;
    struct mlo_trust trust;
    pthread_mutex_t notice_lock;
    pthread_mutex_t lock; /* all below */
    pthread_cond_t slot_free;
    unsigned running;           /* transfers under way, at most opts.connections */
    const struct libcurl *curl; /* NULL until first used */
    CURLM *multi;
    pthread_t thread;
    bool quit;
    struct mlo_transfer *asking; /* list by next_asking */
    struct mlo_transfer *news;   /* list by next_news, the thread's own: their callers have something to do */
};

/* Opens libcurl and starts the thread, once. */
int mlo_client_start(struct mlo_http *h, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_client_stop(struct mlo_http *h);
/* Of a direct client, on its caller's thread: does what was asked and moves bytes; waits so long when there
 * were none. No transfer's lock is held. */
void mlo_client_turn(struct mlo_http *h, int wait_ms);
void mlo_client_ask(struct mlo_transfer *t, enum mlo_transfer_ask what);
/* Waits on it end at times of mlo_time_mono(). */
void mlo_cond_init(pthread_cond_t *c);
void mlo_cond_wait_until(pthread_cond_t *c, pthread_mutex_t *lock, int64_t until);
/* After this the client's thread knows nothing of a transfer that is done. */
void mlo_client_forget(struct mlo_transfer *t);
/* Callbacks for curl, run on the client's thread. */
size_t mlo_client_on_header(char *line, size_t size, size_t n, void *ctx);
size_t mlo_client_on_bytes(char *bytes, size_t size, size_t n, void *ctx);
size_t mlo_client_on_read(char *to, size_t size, size_t n, void *ctx);

bool mlo_http_stopped(struct mlo_http *h);

/* ring: the span that may be written or read next, outside the lock; then how much of it was. */
size_t mlo_ring_room(struct mlo_ring *r, char **ret);
size_t mlo_ring_held(const struct mlo_ring *r, const char **ret);
void mlo_ring_put(struct mlo_ring *r, size_t n);
void mlo_ring_took(struct mlo_ring *r, size_t n);

/* ---- transfer.c ---- */

/* What an attempt sends, and who hears the answer. Both callbacks: 0, MLO_TRANSFER_ENOUGH to end well, or a
 * failure. */
#define MLO_TRANSFER_ENOUGH 1
struct mlo_attempt {
    const struct mlo_http_request *req;
    const struct mlo_url *url;
    const char *text; /* the address as sent */
    const struct mlo_header_list *headers;
    struct mlo_http_headers *head; /* filled */
    int (*on_head)(void *ctx, struct mlo_err *err);
    int (*on_bytes)(void *ctx, const void *p, size_t n, struct mlo_err *err);
    void *ctx;
};
enum mlo_attempt_end {
    MLO_ATTEMPT_COMPLETE,
    MLO_ATTEMPT_BROKEN,  /* curl says why */
    MLO_ATTEMPT_STALLED, /* too few bytes for too long */
    MLO_ATTEMPT_SILENT,  /* no answer within the patience */
};
struct mlo_attempt_result {
    enum mlo_attempt_end end;
    int64_t limit; /* STALLED, SILENT: how long that was, in ns */
    CURLcode code;
    long os_errno;
    bool left;   /* at least a part of the request went out */
    bool reused; /* over a connection that had served before */
    char why[CURL_ERROR_SIZE];
};
/* A failure is ours: a callback's, the deadline's, an interrupt. */
int mlo_attempt_run(struct mlo_http *h, const struct mlo_attempt *a, struct mlo_attempt_result *ret,
                    struct mlo_err *err) MLO_MUST_CHECK;

/* ---- hosts.c ---- */

void mlo_hosts_init(struct mlo_hosts *t);
void mlo_hosts_release(struct mlo_hosts *t);
/* What is known of this origin; zeroes when nothing is. */
struct mlo_host mlo_hosts_get(struct mlo_hosts *t, const struct mlo_url *u);
/* What an answer teaches: Date, RateLimit, Retry-After, Sunset. *ret_sunset: the text to tell, once. */
void mlo_hosts_learn(struct mlo_hosts *t, const struct mlo_url *u, const struct mlo_http_headers *head,
                     const char **ret_sunset);
/* True once for each new end of a pause. */
bool mlo_hosts_wait_is_news(struct mlo_hosts *t, const struct mlo_url *u, int64_t not_before);

/* ---- fail.c ---- */

/* Why there was no complete answer, as an error with a hint; `got` bytes of it had come. */
int mlo_attempt_fail(const struct mlo_attempt_result *r, const char *host, uint64_t got, struct mlo_err *err);

#endif

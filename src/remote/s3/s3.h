/*
 * Inside of the S3 transport:
 *
 *     s3.c          opening: addresses, keys, styles
 *     call.c     one request with the patience that S3 services need; failures in words
 *     object.c   stat, get, put, remove of one object
 *     upload.c   an object in parts, taken up again after an interruption
 *     list.c     listing, level by level
 *     xml.c      the documents that S3 answers with
 *
 * Services differ. What is done here for RunPod's gateway and others is the common denominator: no batch
 * calls, no metadata, ETags as opaque text, conditional writes only where they turn out to be understood.
 */
#ifndef MLO_REMOTE_S3_H
#define MLO_REMOTE_S3_H

#include <pthread.h>

#include <mlopsctl/base/time.h>

#include "remote/internal.h"

/* ---- xml.c ---- */

/* Limits on a document. A page of a listing holds 1000 keys of at most 1024 bytes. */
#define MLO_S3_XML_MAX     ((size_t)8 << 20)
#define MLO_S3_XML_DEPTH   16
#define MLO_S3_TEXT_MAX    ((size_t)8192) /* of one element */
#define MLO_S3_ENTRIES_MAX ((size_t)20000)
#define MLO_S3_PARTS_MAX   10000
#define MLO_S3_TOKEN_MAX   ((size_t)4096)
#define MLO_S3_ETAG_MAX    MLO_VERSION_MAX

struct mlo_s3_error {
    char code[64], region[64];
    char message[256];
};
/* False when it is no S3 error document; *ret is emptied then. */
bool mlo_s3_read_error(const char *text, size_t n, struct mlo_s3_error *ret);

struct mlo_s3_entry {
    char *key; /* a folder's ends with "/" */
    uint64_t size;
};
struct mlo_s3_page {
    struct mlo_s3_entry *list;
    size_t n, cap;
    bool truncated;
    char *next; /* NULL: not said */
};
void mlo_s3_page_release(struct mlo_s3_page *p);
/* These three: MLO_EREMOTE for a document that is cut, malformed or another one. */
int mlo_s3_read_page(const char *text, size_t n, struct mlo_s3_page *ret, struct mlo_err *err) MLO_MUST_CHECK;

struct mlo_s3_part {
    unsigned number; /* from 1 */
    uint64_t size;
    char *etag;
};
struct mlo_s3_parts {
    struct mlo_s3_part *list;
    size_t n, cap;
    bool truncated;
};
void mlo_s3_parts_release(struct mlo_s3_parts *p);
int mlo_s3_read_parts(const char *text, size_t n, struct mlo_s3_parts *ret,
                      struct mlo_err *err) MLO_MUST_CHECK;
/* The id of a new upload. Owner: the caller. */
int mlo_s3_read_upload(const char *text, size_t n, char **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* A 200 that says an upload is complete; services also say failures with 200, then *ret_error is filled. */
int mlo_s3_read_complete(const char *text, size_t n, struct mlo_s3_error *ret_error,
                         struct mlo_err *err) MLO_MUST_CHECK;

/* ---- s3.c ---- */

#define MLO_S3_PART_USUAL ((uint64_t)50 << 20)
#define MLO_S3_PART_LEAST ((uint64_t)5 << 20) /* what Amazon takes; the last may be smaller */
#define MLO_S3_FRESH      32

/* How If-Match has to be written for this service. */
enum mlo_s3_condition {
    MLO_S3_IF_ETAG, /* the ETag as it came, in quotes */
    MLO_S3_IF_BARE, /* without them: Ceph */
    MLO_S3_IF_NONE, /* conditions are not understood */
};

struct mlo_s3 {
    struct mlo_http *http;
    char *endpoint; /* without "/" at the end; NULL: Amazon's for the region */
    char *bucket, *prefix;
    char *access_key, *secret_key, *session_token, *origin;
    char *home; /* for journals of uploads; NULL: none are kept */
    bool virtual_host, runpod;
    unsigned parts_parallel;
    pthread_mutex_t lock; /* all below */
    char region[64];
    bool region_lowered, region_told;
    uint64_t put_max; /* larger objects go in parts of at most this */
    enum mlo_s3_condition condition;
    char *fresh[MLO_S3_FRESH]; /* keys written last: a service may not show them at once */
    size_t fresh_at;
};
/* The address of a key ("" for the bucket), the query appended as it is; the key is relative to the prefix.
 */
int mlo_s3_url(struct mlo_s3 *s, const char *key, const char *query, struct mlo_str *out,
               struct mlo_err *err) MLO_MUST_CHECK;
uint64_t mlo_s3_put_max(struct mlo_s3 *s);
/* A request of `size` bytes was too large. False when nothing smaller is worth trying. */
bool mlo_s3_lower_put_max(struct mlo_s3 *s, uint64_t size);
void mlo_s3_note_fresh(struct mlo_s3 *s, const char *key);
bool mlo_s3_is_fresh(struct mlo_s3 *s, const char *key);

/* ---- call.c ---- */

/* What stands in the way, as far as it makes a difference to what is done next. */
enum mlo_s3_trouble {
    MLO_S3_FINE,
    MLO_S3_OTHER,
    MLO_S3_NO_KEY,
    MLO_S3_NO_BUCKET,
    MLO_S3_NO_UPLOAD,
    MLO_S3_BAD_PART,  /* of a completion: a part is not there as named */
    MLO_S3_REGION,    /* signed for another region than the bucket's */
    MLO_S3_DENIED,    /* the key is right and may not do this */
    MLO_S3_WRONG_KEY, /* the pair of keys is wrong */
    MLO_S3_EXPIRED,
    MLO_S3_CLOCK,
    MLO_S3_CHANGED, /* what came is not what was announced */
    MLO_S3_LARGE,
    MLO_S3_FULL,
    MLO_S3_RANGE, /* beyond the object's end */
    MLO_S3_UNMET, /* a condition of the request */
    MLO_S3_BUSY,  /* asks to be tried again */
    MLO_S3_MOVED, /* points to another host */
};

struct mlo_s3_ask {
    const char *method;
    const char *key;            /* NULL: the bucket */
    const char *query;          /* as sent, without "?"; may be NULL */
    const char *const *headers; /* as of mlo_http_request */
    const struct mlo_http_body *body;
    const struct mlo_digest *digest; /* of the body; NULL: of nothing, or with a body not known */
    mlo_http_sink sink;
    void *sink_ctx;
    const struct mlo_http_range *range;
    uint64_t max_body;
    unsigned flags, attempts; /* of the HTTP request */
    int64_t patience_ns;
};
/*
 * 0 when there is an answer: with *ret_trouble MLO_S3_FINE a success, else what remains after a wrong region
 * was corrected and what may pass was waited for. The caller releases *ret.
 */
int mlo_s3_do(struct mlo_s3 *s, const struct mlo_s3_ask *a, struct mlo_http_response *ret,
              enum mlo_s3_trouble *ret_trouble, struct mlo_err *err) MLO_MUST_CHECK;
/* The trouble of an answer in words. */
int mlo_s3_fail(struct mlo_s3 *s, const char *key, const struct mlo_http_response *r,
                enum mlo_s3_trouble trouble, struct mlo_err *err);
/* Before the round'th repetition (from 1): doubles up to 8 s. */
int mlo_s3_pause(struct mlo_s3 *s, unsigned round, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- object.c, upload.c, list.c: the transport's functions; self is struct mlo_s3 ---- */

int mlo_s3_stat(void *self, const char *key, uint64_t *ret_size, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_s3_put(void *self, const char *key, const struct mlo_body *body, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_s3_get(void *self, const char *key, uint64_t offset, uint64_t length, uint64_t max,
               int (*sink)(void *ctx, const void *p, size_t n, struct mlo_err *err), void *ctx,
               struct mlo_err *err) MLO_MUST_CHECK;
int mlo_s3_version(void *self, const char *key, char ret[MLO_VERSION_MAX],
                   struct mlo_err *err) MLO_MUST_CHECK;
int mlo_s3_replace(void *self, const char *key, const char *version, const struct mlo_body *body,
                   struct mlo_err *err) MLO_MUST_CHECK;
int mlo_s3_remove(void *self, const char *key, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_s3_list(void *self, const char *prefix,
                int (*fn)(void *ctx, const char *key, uint64_t size, struct mlo_err *err), void *ctx,
                struct mlo_err *err) MLO_MUST_CHECK;
/* In parts of at most mlo_s3_put_max. */
int mlo_s3_put_parts(struct mlo_s3 *s, const char *key, const struct mlo_body *body,
                     struct mlo_err *err) MLO_MUST_CHECK;
/* Of the parts of an object of that size. */
uint64_t mlo_s3_part_size(struct mlo_s3 *s, uint64_t size);
/* As stat; *ret_etag (the caller's; "" when there is none) tells one version of an object from the next. */
int mlo_s3_look(struct mlo_s3 *s, const char *key, uint64_t *ret_size, char ret_etag[MLO_S3_ETAG_MAX],
                struct mlo_err *err) MLO_MUST_CHECK;

#endif

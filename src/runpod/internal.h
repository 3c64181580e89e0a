/* What the files of this folder share: the client, asking and listing, answers read by tables. */
#ifndef MLO_RUNPOD_INTERNAL_H
#define MLO_RUNPOD_INTERNAL_H

#include <mlopsctl/runpod.h>

/* ---- limits on what is read ---- */

#define MLO_RUNPOD_BODY_MAX     ((size_t)16 << 20) /* one answer */
#define MLO_RUNPOD_REQUEST_MAX  ((size_t)102400)   /* RunPod's own, for its management interface */
#define MLO_RUNPOD_PAGES_MAX    1000
#define MLO_RUNPOD_ITEMS_MAX    ((size_t)100000) /* of one list */
#define MLO_RUNPOD_URL_MAX      ((size_t)8192)
#define MLO_RUNPOD_ENV_MAX      50 /* variables of a pod, by its documentation */
#define MLO_RUNPOD_JOB_BODY_MAX ((size_t)32 << 20)

struct mlo_runpod {
    struct mlo_http *http;
    const char *key;
    char *api, *jobs, *balancer, *s3, *s3_data_centers; /* bases without a slash at the end */
    int64_t look_pause_ns;
};

/* ---- fields.c: answers into structs ---- */

enum mlo_field_type {
    MLO_FIELD_TEXT,   /* char * */
    MLO_FIELD_SECRET, /* likewise, wiped */
    MLO_FIELD_U64,
    MLO_FIELD_DOUBLE,
    MLO_FIELD_PERCENT, /* double, NAN when absent */
    MLO_FIELD_BOOL,
    MLO_FIELD_TIME,    /* int64_t ns */
    MLO_FIELD_STRINGS, /* struct mlo_runpod_strings */
    MLO_FIELD_VARS,    /* struct mlo_runpod_vars, of an object */
    MLO_FIELD_STOCK,   /* enum mlo_runpod_stock */
    MLO_FIELD_LIST,    /* struct { T *items; size_t n; } of `shape` */
};
struct mlo_shape;
struct mlo_field {
    const char *path; /* "gpu.id", "mounts.network.0.path" */
    enum mlo_field_type type;
    bool required; /* absent or of another type: MLO_EINVALID. Others are as if they were not there */
    size_t offset;
    const struct mlo_shape *shape; /* of LIST */
    const char *member;            /* of STRINGS: the array holds objects, and this member of each is meant */
};
struct mlo_shape {
    const char *what; /* "pod", for messages */
    const struct mlo_field *fields;
    size_t n, size;
    int (*finish)(void *obj, const cJSON *node, struct mlo_err *err); /* what no table can say; may be NULL */
};
struct mlo_any_list { /* what every list of the header looks like; copied in and out, never aliased */
    void *items;
    size_t n;
};
#define MLO_SHAPE(text, table, type)                                                                         \
    .what = (text), .fields = (table), .n = MLO_COUNT(table), .size = sizeof(type)

/* *obj is written on success only. */
int mlo_shape_read(const struct mlo_shape *s, const cJSON *node, void *obj,
                   struct mlo_err *err) MLO_MUST_CHECK;
void mlo_shape_release(const struct mlo_shape *s, void *obj);
/* A JSON array into a list; elements that are null are passed over. */
int mlo_shape_read_list(const struct mlo_shape *s, const cJSON *array, void *list,
                        struct mlo_err *err) MLO_MUST_CHECK;
void mlo_shape_release_list(const struct mlo_shape *s, void *list);
/* The member at a path; NULL when a part is missing. */
const cJSON *mlo_json_at(const cJSON *node, const char *path);
extern const struct mlo_shape mlo_pod_shape, mlo_endpoint_shape, mlo_gpu_shape;
/* As cJSON_Delete, with every text in it wiped before. */
void mlo_json_wipe(cJSON *doc);
void mlo_json_wipe_cleanup(cJSON **doc);
#define MLO_AUTOWIPE MLO_AUTO(mlo_json_wipe_cleanup)

/* ---- client.c: one request ---- */

struct mlo_runpod_request {
    const char *method, *url;
    const cJSON *body;  /* NULL: none */
    size_t max_request; /* 0: MLO_RUNPOD_REQUEST_MAX */
    unsigned flags;     /* enum mlo_http_flags; all but POST are made repeatable */
    int64_t patience_ns;
};
/* An answer of the 2xx kind as JSON (*ret NULL when it has no body; ret may be NULL), else the failure with
 * the hints of this service. *ret_unclear, when not NULL: nobody knows whether the server acted. */
int mlo_runpod_ask(struct mlo_runpod *c, const struct mlo_runpod_request *r, cJSON **ret, bool *ret_unclear,
                   struct mlo_err *err) MLO_MUST_CHECK;
/* The sign callback: adds the key. */
int mlo_runpod_sign(void *c, struct mlo_http_attempt *a, struct mlo_err *err);
/* An answer that must be an object of this shape. */
int mlo_runpod_ask_shape(struct mlo_runpod *c, const struct mlo_runpod_request *r, const struct mlo_shape *s,
                         void *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* base, path, "/" and the percent-encoded id (NULL: none), rest (NULL: nothing). */
int mlo_runpod_url(const char *base, const char *path, const char *id, const char *rest, struct mlo_str *out,
                   struct mlo_err *err) MLO_MUST_CHECK;
/* Appends "?name=value" or "&name=value"; nothing for value NULL. */
void mlo_runpod_query(struct mlo_str *url, const char *name, const char *value);
/* A response that is a failure, with hints; `sent` (may be NULL): whose secrets the message must not show;
 * they are blotted out in the body too. */
int mlo_runpod_fail(struct mlo_http_response *r, const cJSON *sent, struct mlo_err *err);
/* Sleeps, shorter when a signal comes. */
void mlo_runpod_sleep(int64_t ns);
/* The first page of a list, with what the others have added to its list. Owner: the caller (mlo_json_wipe).
 * url without cursor. */
int mlo_runpod_list_doc(struct mlo_runpod *c, const char *url, const char *key, cJSON **ret,
                        struct mlo_err *err) MLO_MUST_CHECK;
/* The list of it alone. */
int mlo_runpod_list_json(struct mlo_runpod *c, const char *url, const char *key, cJSON **ret,
                         struct mlo_err *err) MLO_MUST_CHECK;

/* Of the five families: "/pods", "pods". */
const char *mlo_family_path(enum mlo_runpod_family f);
const char *mlo_family_key(enum mlo_runpod_family f);
int mlo_runpod_family_json(struct mlo_runpod *c, enum mlo_runpod_family f, cJSON **ret,
                           struct mlo_err *err) MLO_MUST_CHECK;
int mlo_runpod_list_shape(struct mlo_runpod *c, enum mlo_runpod_family f, const struct mlo_shape *s,
                          void *ret, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_runpod_get_shape(struct mlo_runpod *c, enum mlo_runpod_family f, const char *id,
                         const struct mlo_shape *s, void *ret, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_runpod_patch_shape(struct mlo_runpod *c, enum mlo_runpod_family f, const char *id, const cJSON *body,
                           const struct mlo_shape *s, void *ret, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- trace.c ---- */

/* Sends a create and clears up what is unclear; `family` tells where, `earlier` as in a trace. */
int mlo_runpod_create(struct mlo_runpod *c, enum mlo_runpod_family family, const cJSON *body,
                      const struct mlo_runpod_strings *earlier, const struct mlo_shape *s, void *ret,
                      struct mlo_err *err) MLO_MUST_CHECK;
/* By id, else by the name of exactly one. */
int mlo_runpod_find_shape(struct mlo_runpod *c, enum mlo_runpod_family family, const char *id_or_name,
                          const struct mlo_shape *s, void *ret, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- body.c: requests out of specs ---- */

struct mlo_body_builder { /* failures stick: ask once at the end */
    cJSON *root;
    int failed;
    struct mlo_err *err;
};
void mlo_bb_begin(struct mlo_body_builder *b, struct mlo_err *err);
/* Takes b's tree into *ret, or frees it and returns the first failure. */
int mlo_bb_end(struct mlo_body_builder *b, cJSON **ret) MLO_MUST_CHECK;
void mlo_bb_refuse(struct mlo_body_builder *b, const char *fmt, ...) MLO_PRINTF(2, 3);
/* Members; `path` makes the objects on the way. NULL, 0, not said: nothing is added. */
void mlo_bb_text(struct mlo_body_builder *b, const char *path, const char *value);
void mlo_bb_u64(struct mlo_body_builder *b, const char *path, uint64_t value);
void mlo_bb_count(struct mlo_body_builder *b, const char *path, uint64_t value); /* 0 is said too */
void mlo_bb_flag(struct mlo_body_builder *b, const char *path, enum mlo_runpod_flag value);
void mlo_bb_words(struct mlo_body_builder *b, const char *path, const struct mlo_runpod_words *words);
void mlo_bb_node(struct mlo_body_builder *b, const char *path, cJSON *node); /* takes node */
void mlo_bb_container(struct mlo_body_builder *b, const struct mlo_runpod_container *k);
/* The variable of the mark, beside those of the user. */
void mlo_bb_mark(struct mlo_body_builder *b, const char *mark);

/* ---- job.c: answers; the document is taken apart ---- */

int mlo_runpod_job_read(cJSON *doc, struct mlo_runpod_job *ret, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_runpod_stream_read(const cJSON *doc, int (*fn)(void *ctx, const cJSON *output, struct mlo_err *err),
                           void *ctx, enum mlo_runpod_job_status *ret, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- sse.c: server-sent events (WHATWG HTML, 9.2) out of bytes in any pieces ---- */

#define MLO_SSE_LINE_MAX ((size_t)256 << 10)
#define MLO_SSE_DATA_MAX ((size_t)1 << 20)
struct mlo_sse {
    struct mlo_str line, data, id;
    bool after_cr; /* a line feed now belongs to the line before */
    bool started;  /* the byte order mark can no longer come */
    int (*fn)(void *ctx, const char *id, const char *data, struct mlo_err *err);
    void *ctx;
};
void mlo_sse_init(struct mlo_sse *s,
                  int (*fn)(void *ctx, const char *id, const char *data, struct mlo_err *err), void *ctx);
void mlo_sse_release(struct mlo_sse *s);
/* An event that was not ended by an empty line is dropped when the stream breaks: it comes again. */
void mlo_sse_restart(struct mlo_sse *s);
int mlo_sse_feed(struct mlo_sse *s, const void *bytes, size_t n, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- volume.c ---- */

/* `pattern` with `slot` ("{id}") replaced by the value. */
void mlo_runpod_fill(struct mlo_str *out, const char *pattern, const char *slot, const char *value);

#endif

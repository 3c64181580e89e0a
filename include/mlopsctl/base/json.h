/*
 * JSON. Documents of our own and of other programs are cJSON trees behind a strict front door; headers of
 * weight files, which may be 100 MB and need exact 64-bit integers, use the pull reader below.
 *
 * cJSON alone keeps numbers as doubles and does not report duplicate names, hence both parts.
 */
#ifndef MLOPSCTL_BASE_JSON_H
#define MLOPSCTL_BASE_JSON_H

#include <cjson/cJSON.h>

#include <mlopsctl/base/hash.h>
#include <mlopsctl/base/str.h>

#define MLO_JSON_DEPTH 64

/*
 * Strict: RFC 8259, valid UTF-8, no duplicate names, no number beyond double, no U+0000 or lone surrogate,
 * depth
 * <= MLO_JSON_DEPTH, nothing after the value, at most `max` bytes. Owner of *ret: the caller (cJSON_Delete).
 */
int mlo_json_parse(const char *text, size_t n, size_t max, cJSON **ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_json_cleanup(cJSON **doc);
#define MLO_AUTOJSON MLO_AUTO(mlo_json_cleanup)

/* Members: borrowed text or NULL when absent or of another type. */
const char *mlo_json_text(const cJSON *obj, const char *key);
/* Whole number 0 .. 2^53; MLO_EINVALID when absent or anything else. */
int mlo_json_u64(const cJSON *obj, const char *key, uint64_t *ret, struct mlo_err *err) MLO_MUST_CHECK;
bool mlo_json_true(const cJSON *obj, const char *key);

/* Building: each returns the new node, or NULL when memory is gone or obj was NULL (so one check at the end).
 */
cJSON *mlo_json_add_u64(cJSON *obj, const char *key, uint64_t v);
cJSON *mlo_json_add_i64(cJSON *obj, const char *key, int64_t v);
/* Shortest text that reads back as the same double; null for NaN and infinities. */
cJSON *mlo_json_add_double(cJSON *obj, const char *key, double v);
/* Compact text, no newline. Owner: the caller. */
int mlo_json_print(const cJSON *doc, char **ret, size_t *ret_len, struct mlo_err *err) MLO_MUST_CHECK;

/* Appends the bytes as a string with its quotes; they are valid UTF-8. */
void mlo_json_quote(struct mlo_str *out, const char *s, size_t n);

/* ---- pull reader: one token at a time out of memory, nothing allocated ---- */

enum mlo_jtok {
    MLO_J_END,    /* after the whole document */
    MLO_J_OBJECT, /* { */
    MLO_J_OBJECT_END,
    MLO_J_ARRAY,
    MLO_J_ARRAY_END,
    MLO_J_KEY,    /* text/len: raw, escapes not resolved */
    MLO_J_STRING, /* likewise */
    MLO_J_NUMBER, /* text/len: the spelling */
    MLO_J_TRUE,
    MLO_J_FALSE,
    MLO_J_NULL,
};

struct mlo_jpull {
    const char *p, *end, *start;
    const char *text; /* of the last KEY, STRING or NUMBER; borrowed from the input */
    size_t len;
    bool escaped;   /* text holds backslash escapes */
    bool nonfinite; /* to be set by the caller: NaN, Infinity and -Infinity are numbers, too */
    int depth;
    uint8_t state[MLO_JSON_DEPTH + 1];
};
/* `text` must outlive the reader. UTF-8 is checked token by token. */
void mlo_jpull_init(struct mlo_jpull *j, const char *text, size_t n);
/* Next token; syntax errors are MLO_EINVALID with the byte offset. */
int mlo_jpull_next(struct mlo_jpull *j, enum mlo_jtok *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Skips the value that begins with the next token. */
int mlo_jpull_skip(struct mlo_jpull *j, struct mlo_err *err) MLO_MUST_CHECK;
/* Whether the last KEY or STRING is spelled like this. */
bool mlo_jpull_is(const struct mlo_jpull *j, const char *text);
/* The last NUMBER as an unsigned 64-bit integer: no sign, fraction or exponent, no overflow. */
int mlo_jpull_u64(const struct mlo_jpull *j, uint64_t *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* The last KEY or STRING with escapes resolved, appended to out. U+0000 and lone surrogates are refused. */
int mlo_jpull_unescape(const struct mlo_jpull *j, struct mlo_str *out, struct mlo_err *err) MLO_MUST_CHECK;

/*
 * Building that is checked once: every step may fail for want of memory, the failure sticks, and mlo_jb_check
 * tells it at the end.
 */
struct mlo_jb {
    bool failed;
};
/* `key` NULL: parent is an array, or NULL too and the node a root. */
cJSON *mlo_jb_object(struct mlo_jb *b, cJSON *parent, const char *key);
cJSON *mlo_jb_array(struct mlo_jb *b, cJSON *parent, const char *key);
/* v NULL: nothing is added. */
void mlo_jb_text(struct mlo_jb *b, cJSON *parent, const char *key, const char *v);
void mlo_jb_u64(struct mlo_jb *b, cJSON *parent, const char *key, uint64_t v);
void mlo_jb_double(struct mlo_jb *b, cJSON *parent, const char *key, double v);
void mlo_jb_true(struct mlo_jb *b, cJSON *parent, const char *key, bool v); /* only when true */
void mlo_jb_digest(struct mlo_jb *b, cJSON *parent, const char *key, const struct mlo_digest *d);
/* Takes node. */
void mlo_jb_node(struct mlo_jb *b, cJSON *parent, const char *key, cJSON *node);
/* A whole number as built here or as parsed; 0 for anything else. */
uint64_t mlo_jb_value(const cJSON *v);
int mlo_jb_check(const struct mlo_jb *b, struct mlo_err *err) MLO_MUST_CHECK;

#endif

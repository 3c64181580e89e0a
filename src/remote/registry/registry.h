/*
 * The OCI registry remote, over the distribution protocol (opencontainers/distribution-spec 1.1). What the
 * files registry*.c share; docs/registries.md is the page for users: names, logins, what each registry does
 * differently.
 *
 * A tag is the ref and moves last. Manifests and blobs are named by their digests and are never trusted
 * before they have been hashed.
 */
#ifndef MLO_REMOTE_REGISTRY_H
#define MLO_REMOTE_REGISTRY_H

#include <pthread.h>

#include "remote/internal.h"

/* ---- limits ---- */

#define MLO_REGISTRY_NAME_MAX  255                /* host and repository together: safe everywhere */
#define MLO_REGISTRY_URL_MAX   ((size_t)16 << 10) /* upload locations carry signed state */
#define MLO_REGISTRY_TOKEN_MAX ((size_t)64 << 10)
#define MLO_REGISTRY_PAGE_MAX  ((uint64_t)4 << 20) /* of a list of tags or repositories */
#define MLO_REGISTRY_PAGES_MAX 10000
#define MLO_REGISTRY_LIST_MAX  ((size_t)100000)
#define MLO_REGISTRY_INDEX_MAX 64  /* manifests of an index that are looked at */
#define MLO_REFERRERS_MAX      256 /* signatures of one manifest that are fetched */

/* ---- quirks.c ---- */

struct mlo_registry_quirks {
    const char *host;   /* the name, or with a leading dot the end of it; NULL: every other */
    const char *api;    /* who answers for it; NULL: itself */
    uint64_t whole_max; /* larger blobs are sent in chunks */
    uint64_t chunk;
    const char *why;
};
const struct mlo_registry_quirks *mlo_registry_quirks(const char *host);

/* ---- answers.c: what the other side says about who may ask (pure) ---- */

enum mlo_auth_scheme { MLO_AUTH_NONE, MLO_AUTH_BASIC, MLO_AUTH_BEARER };
struct mlo_challenge { /* owned; NULL: not said */
    enum mlo_auth_scheme scheme;
    char *realm, *service, *scope;
};
void mlo_challenge_release(struct mlo_challenge *c);
/* A WWW-Authenticate value (RFC 9110 section 11.6.1): Bearer is taken before Basic, others are passed over;
 * MLO_EUNAVAIL when neither is among them. */
int mlo_challenge_parse(const char *text, struct mlo_challenge *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* A token server's answer. *ret_token: owned, a secret; *ret_seconds: 60 when it does not say. */
int mlo_token_parse(const char *text, size_t n, char **ret_token, uint64_t *ret_seconds,
                    struct mlo_err *err) MLO_MUST_CHECK;
/* The target of rel="next" in a Link value (RFC 8288), as it stands there; MLO_ENOTFOUND. Owner: the caller.
 */
int mlo_link_next(const char *text, char **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* A page of names: {"tags": [...]}; what is no text in it is passed over. */
int mlo_names_parse(const char *text, size_t n, const char *member,
                    int (*fn)(void *ctx, const char *name, struct mlo_err *err), void *ctx,
                    struct mlo_err *err) MLO_MUST_CHECK;
/* "0-1023" (also "bytes=0-1023") of an upload's Range header: how many bytes have arrived. */
bool mlo_upload_range(const char *text, uint64_t *ret);

/* ---- auth.c: tokens ---- */

/* What a request needs, in the words of the token protocol; two of them, parted by a space, for a mount. */
#define MLO_SCOPE_MAX (2 * MLO_REGISTRY_NAME_MAX + 128)

struct mlo_registry;
struct mlo_auth {
    pthread_mutex_t lock;
    bool has_login;
    struct mlo_login login;
    struct mlo_challenge how; /* the last challenge: whom to ask for a token */
    struct mlo_auth_token {
        char *scope;
        char *value; /* of the Authorization header; a secret */
        int64_t expires_ns;
    } * tokens;
    size_t n, cap;
};
void mlo_auth_release(struct mlo_auth *a);
/* The Authorization value for a scope, fetched when there is none that holds; NULL while nothing is known.
 * Owner: the caller, by mlo_secret_free. */
int mlo_auth_value(struct mlo_registry *g, const char *scope, char **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* After a 401: `used` (NULL: none) holds no longer; the next mlo_auth_value asks as the challenge says. */
int mlo_auth_challenged(struct mlo_registry *g, const char *scope, const char *used,
                        const struct mlo_http_response *r, struct mlo_err *err) MLO_MUST_CHECK;
/* Wipes a text and frees it; NULL is fine. */
void mlo_secret_free(char *text);
#define MLO_AUTOSECRET MLO_AUTO(mlo_cleanup_secret)
void mlo_cleanup_secret(char **text);

/* ---- registry.c: one registry, and requests to it ---- */

struct mlo_registry {
    struct mlo_http *http;
    struct mlo_credentials *credentials;
    const struct mlo_registry_quirks *quirks;
    char *host; /* as in the address, with port: credentials stand under it */
    char *base; /* "https://host:port"; NULL before the first request */
    char *path; /* of the address, without slashes at its ends; "": none */
    struct mlo_auth auth;
    pthread_mutex_t lock;         /* base, warning */
    struct mlo_digest_set warned; /* Warning texts that have been shown */
    atomic_uint_least64_t requests;
    atomic_uint_least64_t whole_max, chunk; /* the quirks', lowered by what was refused */
    struct mlo_held *held;                  /* held.c; NULL: not loaded */
};
#define MLO_REPOSITORY_MAX (MLO_REGISTRY_NAME_MAX + 1)
/*
 * Which repository a name means: the address's path with the name after it, or the path alone when it ends in
 * the name already. MLO_EUSAGE for what no registry takes.
 */
int mlo_registry_repository(const struct mlo_registry *g, const char *name, char buf[MLO_REPOSITORY_MAX],
                            struct mlo_err *err) MLO_MUST_CHECK;
bool mlo_repository_valid(const char *text);

enum mlo_registry_access { MLO_ACCESS_PULL, MLO_ACCESS_PUSH, MLO_ACCESS_DELETE };
void mlo_registry_scope(char buf[MLO_SCOPE_MAX], const char *repository, enum mlo_registry_access access);
/*
 * One request with the credentials that its scope needs; a 401 gets new ones and is asked again. Uploads
 * (any other method than GET and HEAD) follow a 307 or 308, without credentials when it leads elsewhere. Any
 * other status is an answer.
 */
int mlo_registry_do(struct mlo_registry *g, const char *scope, const struct mlo_http_request *req,
                    struct mlo_http_response *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* An answer that is a failure, with what to do about it. */
int mlo_registry_fail(const struct mlo_registry *g, const struct mlo_http_response *r, struct mlo_err *err);
/* "https://host/v2/<repository>/<rest>" */
char *mlo_registry_url(struct mlo_registry *g, const char *repository, struct mlo_err *err, const char *fmt,
                       ...) MLO_PRINTF(4, 5) MLO_MUST_CHECK;
/* Does it begin with the registry's own scheme, host and port? */
bool mlo_registry_is_home(const struct mlo_registry *g, const char *url);

/* ---- manifest.c ---- */

struct mlo_registry_manifest {
    char *text;
    size_t n;
    struct mlo_digest digest;
    struct mlo_oci oci; /* borrowed from text's parse */
};
void mlo_registry_manifest_release(struct mlo_registry_manifest *m);
/* By tag or digest text. Hashed; by digest it is that, and what the registry says of its digest is true.
 * MLO_ENOTFOUND. */
int mlo_registry_manifest_get(struct mlo_registry *g, const char *repository, const char *reference,
                              struct mlo_registry_manifest *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* *ret_subject (may be NULL): the registry says that it keeps the list of referrers. */
int mlo_registry_manifest_put(struct mlo_registry *g, const char *repository, const char *reference,
                              const struct mlo_registry_manifest *m, bool *ret_subject,
                              struct mlo_err *err) MLO_MUST_CHECK;
/* As a ref's value: size is that of the manifest and all it names. */
int mlo_registry_ref_of(const struct mlo_registry_manifest *m, struct mlo_remote_ref *ret,
                        struct mlo_err *err) MLO_MUST_CHECK;
/* From bytes that are at hand: takes text, also when it fails. */
int mlo_registry_manifest_take(char *text, size_t n, struct mlo_registry_manifest *ret,
                               struct mlo_err *err) MLO_MUST_CHECK;

/* ---- refs.c ---- */

static inline struct mlo_registry *mlo_registry_of(struct mlo_remote *r)
{
    return r->self;
}

int mlo_registry_ref_get(struct mlo_remote *r, const struct mlo_ref *ref, struct mlo_remote_ref *ret,
                         struct mlo_err *err) MLO_MUST_CHECK;
int mlo_registry_ref_set(struct mlo_remote *r, const struct mlo_ref *ref, const struct mlo_remote_ref *expect,
                         const struct mlo_remote_ref *value, struct mlo_err *err) MLO_MUST_CHECK;
/* Moves the tag to a manifest whose bytes are at hand, from `expect` (NULL: not there), and looks again. */
int mlo_registry_tag_move(struct mlo_remote *r, const struct mlo_ref *ref,
                          const struct mlo_remote_ref *expect, const struct mlo_registry_manifest *m,
                          struct mlo_err *err) MLO_MUST_CHECK;
/* MLO_EUNAVAIL when this registry lets no tag be removed. Changes nothing. */
int mlo_registry_ref_removable(struct mlo_remote *r, const struct mlo_ref *ref,
                               struct mlo_err *err) MLO_MUST_CHECK;

/* ---- list.c, check.c ---- */

/* MLO_ENOTFOUND when there is no such repository. */
int mlo_registry_each_tag(struct mlo_registry *g, const char *repository,
                          int (*fn)(void *ctx, const char *tag, struct mlo_err *err), void *ctx,
                          struct mlo_err *err) MLO_MUST_CHECK;
int mlo_registry_ref_each(struct mlo_remote *r, mlo_remote_ref_fn fn, void *ctx,
                          struct mlo_err *err) MLO_MUST_CHECK;
/* One that is there, else one that a push could make. */
int mlo_registry_some_repository(struct mlo_registry *g, char ret[MLO_REPOSITORY_MAX],
                                 struct mlo_err *err) MLO_MUST_CHECK;
int mlo_registry_check(struct mlo_remote *r, bool deep,
                       int (*fn)(void *ctx, const struct mlo_remote_fault *f, struct mlo_err *err), void *ctx,
                       uint64_t *ret_refs, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- referrers.c ---- */

struct mlo_referrers { /* owned: free(list) */
    struct mlo_referrer {
        struct mlo_digest digest;
        uint64_t size;
        bool is_signature;
    } * list;
    size_t n, cap;
};
/* From the API, or the fallback tag where there is no API. None is not a failure. */
int mlo_registry_referrers(struct mlo_registry *g, const char *repository, const struct mlo_digest *subject,
                           struct mlo_referrers *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Puts a referrer's manifest, and into the fallback list where the registry keeps none itself. */
int mlo_registry_referrer_put(struct mlo_registry *g, const char *repository,
                              const struct mlo_registry_manifest *m, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- blob.c ---- */

/* Is the blob there? A size that is said and differs is a damaged blob: not there. */
int mlo_registry_blob_has(struct mlo_registry *g, const char *repository, const struct mlo_digest *d,
                          uint64_t size, bool *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Its bytes from `first` to its end at `size`, exactly so many; hashing them is the caller's. */
int mlo_registry_blob_get(struct mlo_registry *g, const char *repository, const struct mlo_digest *d,
                          uint64_t first, uint64_t size, mlo_http_sink sink, void *ctx,
                          struct mlo_err *err) MLO_MUST_CHECK;

/* ---- upload.c ---- */

struct mlo_upload {
    struct mlo_registry *registry;
    const char *repository;
    const struct mlo_digest *digest;
    uint64_t size;
    int fd;           /* the blob, from offset 0 */
    const char *home; /* for the journal; NULL: none */
    const char *from; /* another repository of the host that may hold it; NULL: none is known */
    void (*sent)(void *ctx, uint64_t n); /* so many more bytes are on their way; may be NULL */
    void *ctx;
    bool mounted; /* out: nothing had to be sent */
};
/*
 * The blob is in the repository when it returns 0, whatever was interrupted meanwhile: a session goes on
 * where it stands, also one of an earlier run; one that is lost begins anew.
 */
int mlo_registry_upload(struct mlo_upload *u, struct mlo_err *err) MLO_MUST_CHECK;
/* Begins an upload into some repository of the address and cancels it. */
int mlo_registry_try_write(struct mlo_remote *r, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- held.c: which repository of this host was seen to hold a blob (a cache of this machine) ----
 */

int mlo_held_load(struct mlo_registry *g, const char *home, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_held_free(struct mlo_held *h);
/* Another repository than this one; NULL when none is known. Borrowed until the next note. */
const char *mlo_held_elsewhere(const struct mlo_registry *g, const char *repository,
                               const struct mlo_digest *d);
int mlo_held_note(struct mlo_registry *g, const char *repository, const struct mlo_digest *d,
                  struct mlo_err *err) MLO_MUST_CHECK;
int mlo_held_save(struct mlo_registry *g, const char *home, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- push.c, pull.c ---- */

int mlo_registry_push(struct mlo_remote *r, struct mlo_store *s, const struct mlo_digest *manifest,
                      const struct mlo_ref *ref, const struct mlo_sync_opts *o, struct mlo_sync_stats *ret,
                      struct mlo_err *err) MLO_MUST_CHECK;
int mlo_registry_pull(struct mlo_remote *r, struct mlo_store *s, const struct mlo_ref *ref,
                      const struct mlo_sync_opts *o, struct mlo_pulled *ret, struct mlo_sync_stats *stats,
                      struct mlo_err *err) MLO_MUST_CHECK;
int mlo_registry_fetch_blob(struct mlo_remote *r, struct mlo_store *s, const struct mlo_ref *ref,
                            const struct mlo_digest *blob, struct mlo_err *err) MLO_MUST_CHECK;
#define MLO_REGISTRY_PARALLEL 4

#endif

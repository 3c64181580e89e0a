/*
 * Remotes: somewhere else that holds bundles. A transport (folder, S3, RunPod volume) only moves bytes under
 * keys; the layout, chunking, resume, verification and refs are the same for all and live above it. An OCI
 * registry has its own protocol, in which a tag is the ref. docs/design.md section 5 fixes the layout:
 *
 *   <prefix>/packs/sha256/ab/<digest>      chunks, concatenated to 32-64 MiB
 *   <prefix>/recipes/sha256/ab/<digest>    per manifest: the chunks of every blob, and where they lie
 *   <prefix>/manifests/sha256/ab/<digest>  manifest bytes
 *   <prefix>/refs/<name>/<tag>             {manifest, recipe, size, time, by}; written last
 *   <prefix>/refs-old/<name>/<tag>.<n>     each ref that was replaced
 *   <prefix>/heads/sha256/ab/<digest>      copy of the ref of a name (its digest) that was pushed last: a
 *                                          machine without a cache learns from it
 *   <prefix>/files/<name>/<tag>/<path>     plain files, with MLO_LAYOUT_FILES, and
 *   <prefix>/lists/<name>/<tag>            the list of them
 *
 * Nothing on a remote is trusted: sizes bounded, paths checked, every chunk verified.
 */
#ifndef MLOPSCTL_REMOTE_H
#define MLOPSCTL_REMOTE_H

#include <mlopsctl/base/str.h>
#include <mlopsctl/bundle.h>
#include <mlopsctl/credentials.h>
#include <mlopsctl/net.h>
#include <mlopsctl/runpod.h>
#include <mlopsctl/store.h>

/* ---- transport: what a kind of remote has to provide ---- */

struct mlo_body { /* bytes to send, by offset, so that they can be sent again; never held whole */
    uint64_t size;
    struct mlo_digest digest; /* SHA-256 of the whole */
    bool divisible;           /* it can be made smaller: rather fail with EFBIG than send it in another way */
    /* Up to cap bytes from `offset` (never beyond size); *ret_n at least 1. One call at a time. */
    int (*read)(void *ctx, uint64_t offset, void *buf, size_t cap, size_t *ret_n, struct mlo_err *err);
    void *ctx;
};
#define MLO_VERSION_MAX 256
struct mlo_transport {
    const char *kind;  /* "directory" */
    unsigned parallel; /* transfers worth running at once: so many calls may come side by side */
    uint64_t max_put;  /* the largest object that one put takes; 0: no limit is known */
    uint64_t
        capacity; /* bytes that the whole place can hold, what others have there included; 0: not known */
    /* MLO_ENOTFOUND when the key is not there. */
    int (*stat)(void *self, const char *key, uint64_t *ret_size, struct mlo_err *err);
    /* Atomic: readers see the old object or the whole new one. Durable: on stable storage when it returns.
     * An object that is too large for this remote: any code, with sys_errno EFBIG. */
    int (*put)(void *self, const char *key, const struct mlo_body *body, struct mlo_err *err);
    /* Exactly `length` bytes from `offset` (length UINT64_MAX: to the end, at most max). sink hears pieces in
     * order. */
    int (*get)(void *self, const char *key, uint64_t offset, uint64_t length, uint64_t max,
               int (*sink)(void *ctx, const void *p, size_t n, struct mlo_err *err), void *ctx,
               struct mlo_err *err);
    /* What is there now, as a word that no other content of the key has; MLO_ENOTFOUND. With `replace`: a put
     * that happens only while the key is at that version ("": is not there), else MLO_ECONFLICT, which may
     * also be the answer to a put that was sent twice. Where a service cannot tell, it is a put like any
     * other. Both NULL: only reading back tells of a second writer. */
    int (*version)(void *self, const char *key, char ret[MLO_VERSION_MAX], struct mlo_err *err);
    int (*replace)(void *self, const char *key, const char *version, const struct mlo_body *body,
                   struct mlo_err *err);
    int (*remove)(void *self, const char *key, struct mlo_err *err); /* missing is fine */
    /* For `remote refs` and scans only, never in push or pull. */
    int (*list)(void *self, const char *prefix,
                int (*fn)(void *ctx, const char *key, uint64_t size, struct mlo_err *err), void *ctx,
                struct mlo_err *err);
    /* How far the service's clock is ahead of ours, in ns, by what it last said; 0 when that is not known.
     * NULL where there is no other clock. */
    int64_t (*clock_ahead)(void *self);
    void (*close)(void *self);
};

struct mlo_remote;
struct mlo_remote_opts {                 /* what the kinds need; borrowed for the remote's life */
    bool create;                         /* make the folder of a folder remote */
    struct mlo_http *http;               /* NULL: only folders can be opened */
    struct mlo_credentials *credentials; /* likewise */
    const char *home; /* its cache remembers uploads in parts, so that they can be gone on with; NULL: no */
    struct mlo_s3_settings {
        const char *endpoint; /* NULL: Amazon's for the region */
        const char *region;   /* NULL: the credentials', else us-east-1 */
        const char *profile;  /* NULL: the default */
        const char *style;    /* "auto" (virtual-host for Amazon's, else path), "path", "virtual-host" */
    } s3;
    struct mlo_runpod_opts runpod; /* http and key are filled in by the remote */
    const char *mounted_volume;    /* inside a pod: the id of its volume (RUNPOD_VOLUME_ID); NULL: none */
    const char *mount;             /* and where it is; NULL: /runpod-volume, /workspace are tried */
};
/* Is it a folder or an address of a kind that is known here? */
bool mlo_remote_is_known(const char *url);
/* A folder: PATH or file://PATH; s3://BUCKET[/PREFIX]; runpod://VOLUME[/PREFIX]; oci://HOST/REPOSITORY. */
int mlo_remote_open(const char *url, const struct mlo_remote_opts *opts, struct mlo_remote **ret,
                    struct mlo_err *err) MLO_MUST_CHECK;
/* The bare transport of a folder, an S3 bucket or a volume, for files that are no bundles. The caller ends it
 * with ret->close(self) and frees the address. */
int mlo_transport_open(const char *url, const struct mlo_remote_opts *opts, struct mlo_transport *ret,
                       void **ret_self, char **ret_url, struct mlo_err *err) MLO_MUST_CHECK;
/* Over a given transport (tests, faults). Takes self. */
int mlo_remote_over(const struct mlo_transport *t, void *self, const char *url, struct mlo_remote **ret,
                    struct mlo_err *err) MLO_MUST_CHECK;
void mlo_remote_close(struct mlo_remote *r);
const char *
mlo_remote_url(const struct mlo_remote *r); /* canonical, without credentials: the effect's target */

/* ---- refs ---- */

struct mlo_remote_ref {
    struct mlo_digest manifest;
    struct mlo_digest recipe; /* zero for a registry's tag, which has no time and no author either */
    uint64_t size;
    int64_t time_ns;
    char by[128];
    bool files; /* layout of plain files */
};
int mlo_remote_ref_get(struct mlo_remote *r, const struct mlo_ref *ref, struct mlo_remote_ref *ret,
                       struct mlo_err *err) MLO_MUST_CHECK;
/* Text form kept in the ledger's before/after. */
int mlo_remote_ref_format(const struct mlo_remote_ref *ref, struct mlo_str *out,
                          struct mlo_err *err) MLO_MUST_CHECK;
int mlo_remote_ref_parse(const char *text, size_t n, struct mlo_remote_ref *ret,
                         struct mlo_err *err) MLO_MUST_CHECK;
/* Write (or with value NULL remove) a ref after checking that it is `expect` (NULL: absent); the replaced one
 * is kept in refs-old; read back. MLO_ECONFLICT. */
int mlo_remote_ref_set(struct mlo_remote *r, const struct mlo_ref *ref, const struct mlo_remote_ref *expect,
                       const struct mlo_remote_ref *value, struct mlo_err *err) MLO_MUST_CHECK;
/* Could a ref be removed (mlo_remote_ref_set with value NULL)? MLO_EUNAVAIL where the remote does not let it:
 * some registries. Changes nothing. */
int mlo_remote_ref_removable(struct mlo_remote *r, const struct mlo_ref *ref,
                             struct mlo_err *err) MLO_MUST_CHECK;
typedef int (*mlo_remote_ref_fn)(void *ctx, const char *name, const char *tag,
                                 const struct mlo_remote_ref *ref, struct mlo_err *err);
int mlo_remote_ref_each(struct mlo_remote *r, mlo_remote_ref_fn fn, void *ctx,
                        struct mlo_err *err) MLO_MUST_CHECK;
/* What the tags of a name led to before, newest first. tag NULL: all of them. MLO_EUNAVAIL where no history
 * is kept. */
int mlo_remote_ref_history(struct mlo_remote *r, const char *name, const char *tag, mlo_remote_ref_fn fn,
                           void *ctx, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- push and pull ---- */

struct mlo_sync_stats {
    uint64_t bytes_total, bytes_sent, bytes_reused, chunks, chunks_sent, packs_sent, requests;
    bool unchanged;
    char warning[1024]; /* all is done, but the caller should say this; "" when there is nothing to say */
};
enum mlo_layout {
    MLO_LAYOUT_PACKS, /* what changed and no more; the default */
    MLO_LAYOUT_FILES, /* plain files, for programs that read a folder: docs/remote-format.md */
};
struct mlo_sync_opts {
    const char *home;  /* for the cache of what the remote holds */
    unsigned parallel; /* 0: the transport's */
    bool dry_run;
    void (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *progress_ctx;
    /* Called between the last blob and the ref, so that the caller records the intent: before (NULL: none)
     * and after. */
    int (*before_ref)(void *ctx, const struct mlo_remote_ref *before, const struct mlo_remote_ref *after,
                      struct mlo_err *err);
    void *before_ref_ctx;
    const char *by;         /* "user@host run 12", for the ref */
    enum mlo_layout layout; /* of a push; a pull finds out */
    bool check; /* push: ask for every pack that earlier pushes left, and send again what is gone */
    const struct mlo_digest *referrers;
    size_t n_referrers; /* push: signatures that travel with the bundle */
};
/* Chunks at tensor borders, new packs, recipe, manifest, ref last. What the remote holds is learnt from the
 * recipes of the same name and the local cache. */
int mlo_push(struct mlo_remote *r, struct mlo_store *s, const struct mlo_digest *manifest,
             const struct mlo_ref *ref, const struct mlo_sync_opts *o, struct mlo_sync_stats *ret,
             struct mlo_err *err) MLO_MUST_CHECK;
/* Blobs the store lacks; every chunk and every blob verified. Naming the result is the caller's. */
struct mlo_pulled {
    struct mlo_digest manifest;
    struct mlo_digest *referrers;
    size_t n_referrers; /* owned by the caller: free(referrers) */
};
int mlo_pull(struct mlo_remote *r, struct mlo_store *s, const struct mlo_ref *ref,
             const struct mlo_sync_opts *o, struct mlo_pulled *ret, struct mlo_sync_stats *stats,
             struct mlo_err *err) MLO_MUST_CHECK;
/* One blob's bytes from the remote into the store (verify --repair URL). */
int mlo_remote_fetch_blob(struct mlo_remote *r, struct mlo_store *s, const struct mlo_ref *ref,
                          const struct mlo_digest *blob, struct mlo_err *err) MLO_MUST_CHECK;

/*
 * Is everything there that the refs lead to? fn hears of each fault (`what`: "missing", "damaged"). deep:
 * every chunk read and hashed, else sizes only. MLO_NO when there was a fault.
 */
struct mlo_remote_fault {
    const char *name, *tag, *key, *what;
};
int mlo_remote_check(struct mlo_remote *r, bool deep,
                     int (*fn)(void *ctx, const struct mlo_remote_fault *f, struct mlo_err *err), void *ctx,
                     uint64_t *ret_refs, struct mlo_err *err) MLO_MUST_CHECK;
/* May bundles be pushed there? Begins an upload and cancels it; a failure is the reason why not. MLO_EUNAVAIL
 * for the kinds where one object there and back (mlo_transport_open) tells more. */
int mlo_remote_try_write(struct mlo_remote *r, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- chunks (pure; tested alone) ---- */

struct mlo_chunk {
    uint64_t offset, length;
    struct mlo_digest digest;
};
#define MLO_CHUNK_PIECE ((uint64_t)16 << 20) /* tensors above MLO_CHUNK_WHOLE are cut in these */
#define MLO_CHUNK_WHOLE ((uint64_t)64 << 20)
#define MLO_PACK_MAX    ((uint64_t)64 << 20)
/* Cut points of a file: tensor borders where tensors are known, else content-defined (gear). Digests are
 * filled by the caller. */
int mlo_chunk_plan(const struct mlo_source *src, const struct mlo_checkpoint *cp, struct mlo_chunk **ret,
                   size_t *ret_n, struct mlo_err *err) MLO_MUST_CHECK;

#endif

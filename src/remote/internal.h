/* What the files of this folder share. */
#ifndef MLO_REMOTE_INTERNAL_H
#define MLO_REMOTE_INTERNAL_H

#include <stdatomic.h>

#include <mlopsctl/base/hash.h>
#include <mlopsctl/remote.h>

/* ---- limits on what a remote may make us read or hold ---- */

#define MLO_REF_TEXT_MAX      ((size_t)4096)
#define MLO_RECIPE_MAX        ((size_t)512 << 20)
#define MLO_RECIPE_CHUNKS_MAX ((size_t)4 << 20)
#define MLO_RECIPE_BLOBS_MAX  ((size_t)100000)
#define MLO_RECIPE_FILES_MAX  ((size_t)100000)
#define MLO_FILE_PATH_MAX     ((size_t)700) /* of a plain file, so that its key fits */
#define MLO_BLOB_SIZE_MAX     ((uint64_t)1 << 50)

/* ---- gear.c, cut.c, chunk.c ---- */

extern const uint64_t mlo_gear[256];
struct mlo_span {
    uint64_t offset, length;
};
struct mlo_cutter {
    uint64_t at, size;
    const struct mlo_span *spans; /* not yet reached */
    size_t n_spans;
    uint64_t min, max, mask, whole, piece;
    uint64_t end, roll_from, may_end, hash; /* of the chunk at hand */
};
/* spans: where tensors lie, in any order; borrowed, and sorted here. longest: no chunk is longer. */
void mlo_cutter_init(struct mlo_cutter *c, struct mlo_span *spans, size_t n, uint64_t size, uint64_t longest);
/* How many of the next n bytes belong to the chunk at hand, and whether it ends with them. Never 0. */
size_t mlo_cutter_take(struct mlo_cutter *c, const void *p, size_t n, bool *ret_end);
/* So many of the next bytes may be taken unseen (p NULL). */
uint64_t mlo_cutter_blind(const struct mlo_cutter *c);
/* As mlo_chunk_plan with the tensors' places given. */
int mlo_chunk_spans(const struct mlo_source *src, struct mlo_span *spans, size_t n, struct mlo_chunk **ret,
                    size_t *ret_n, struct mlo_err *err) MLO_MUST_CHECK;
/* The places of a checkpoint's tensors in its own file (external NULL) or in the external file of that name,
 * appended. */
struct mlo_spans {
    struct mlo_span *list;
    size_t n, cap;
};
int mlo_spans_add(struct mlo_spans *s, const struct mlo_checkpoint *cp, const char *external,
                  struct mlo_err *err) MLO_MUST_CHECK;

/* ---- map.c: digest -> number ---- */

struct mlo_digest_map {
    struct mlo_digest_slot {
        struct mlo_digest key;
        size_t value_plus_1;
    } * slots;
    size_t cap, count;
};
void mlo_digest_map_release(struct mlo_digest_map *m);
/* Keeps the value that was there first: *ret is that one, or `value` when the key is new. */
int mlo_digest_map_add(struct mlo_digest_map *m, const struct mlo_digest *key, size_t value, size_t *ret,
                       struct mlo_err *err) MLO_MUST_CHECK;
bool mlo_digest_map_get(const struct mlo_digest_map *m, const struct mlo_digest *key, size_t *ret);

/* ---- remote.c: what a remote is, and calls on a transport, counted and bounded ---- */

/*
 * How a kind of remote keeps bundles: packed (docs/remote-format.md, over a transport: push.c, pull.c,
 * refs.c, check.c), or by a protocol of its own (a registry). As the functions of remote.h of the same names.
 */
struct mlo_remote_ops {
    int (*ref_get)(struct mlo_remote *r, const struct mlo_ref *ref, struct mlo_remote_ref *ret,
                   struct mlo_err *err);
    int (*ref_set)(struct mlo_remote *r, const struct mlo_ref *ref, const struct mlo_remote_ref *expect,
                   const struct mlo_remote_ref *value, struct mlo_err *err);
    int (*ref_each)(struct mlo_remote *r, mlo_remote_ref_fn fn, void *ctx, struct mlo_err *err);
    int (*ref_removable)(struct mlo_remote *r, const struct mlo_ref *ref,
                         struct mlo_err *err); /* NULL: always */
    int (*ref_history)(struct mlo_remote *r, const char *name, const char *tag, mlo_remote_ref_fn fn,
                       void *ctx, struct mlo_err *err); /* NULL: none is kept */
    int (*push)(struct mlo_remote *r, struct mlo_store *s, const struct mlo_digest *manifest,
                const struct mlo_ref *ref, const struct mlo_sync_opts *o, struct mlo_sync_stats *ret,
                struct mlo_err *err);
    int (*pull)(struct mlo_remote *r, struct mlo_store *s, const struct mlo_ref *ref,
                const struct mlo_sync_opts *o, struct mlo_pulled *ret, struct mlo_sync_stats *stats,
                struct mlo_err *err);
    int (*fetch_blob)(struct mlo_remote *r, struct mlo_store *s, const struct mlo_ref *ref,
                      const struct mlo_digest *blob, struct mlo_err *err);
    int (*check)(struct mlo_remote *r, bool deep,
                 int (*fn)(void *ctx, const struct mlo_remote_fault *f, struct mlo_err *err), void *ctx,
                 uint64_t *ret_refs, struct mlo_err *err);
    int (*try_write)(struct mlo_remote *r, struct mlo_err *err); /* NULL: an object tells */
};
struct mlo_remote {
    const struct mlo_remote_ops *ops;
    struct mlo_transport t; /* of packed remotes */
    void *self;             /* the transport's, or the registry's */
    void (*close)(void *self);
    char *url;
    atomic_uint_least64_t requests;
};
extern const struct mlo_remote_ops mlo_packed_ops; /* remote.c */
int mlo_packed_ref_get(struct mlo_remote *r, const struct mlo_ref *ref, struct mlo_remote_ref *ret,
                       struct mlo_err *err) MLO_MUST_CHECK;
int mlo_packed_ref_set(struct mlo_remote *r, const struct mlo_ref *ref, const struct mlo_remote_ref *expect,
                       const struct mlo_remote_ref *value, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_packed_ref_each(struct mlo_remote *r, mlo_remote_ref_fn fn, void *ctx,
                        struct mlo_err *err) MLO_MUST_CHECK;
int mlo_packed_ref_history(struct mlo_remote *r, const char *name, const char *tag, mlo_remote_ref_fn fn,
                           void *ctx, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_packed_push(struct mlo_remote *r, struct mlo_store *s, const struct mlo_digest *manifest,
                    const struct mlo_ref *ref, const struct mlo_sync_opts *o, struct mlo_sync_stats *ret,
                    struct mlo_err *err) MLO_MUST_CHECK;
int mlo_packed_pull(struct mlo_remote *r, struct mlo_store *s, const struct mlo_ref *ref,
                    const struct mlo_sync_opts *o, struct mlo_pulled *ret, struct mlo_sync_stats *stats,
                    struct mlo_err *err) MLO_MUST_CHECK;
int mlo_packed_fetch_blob(struct mlo_remote *r, struct mlo_store *s, const struct mlo_ref *ref,
                          const struct mlo_digest *blob, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_packed_check(struct mlo_remote *r, bool deep,
                     int (*fn)(void *ctx, const struct mlo_remote_fault *f, struct mlo_err *err), void *ctx,
                     uint64_t *ret_refs, struct mlo_err *err) MLO_MUST_CHECK;
/* A remote of any kind; takes self, also when it fails. */
int mlo_remote_make(const struct mlo_remote_ops *ops, const struct mlo_transport *t, void *self,
                    void (*close)(void *self), const char *url, struct mlo_remote **ret,
                    struct mlo_err *err) MLO_MUST_CHECK;
int mlo_rt_stat(struct mlo_remote *r, const char *key, uint64_t *ret_size,
                struct mlo_err *err) MLO_MUST_CHECK;
/* Puts, then asks for it: an upload counts when the object is there with its size. */
int mlo_rt_put(struct mlo_remote *r, const char *key, const struct mlo_body *body,
               struct mlo_err *err) MLO_MUST_CHECK;
/* Puts and no more: for what is read back anyway, or need not be there. */
int mlo_rt_put_loose(struct mlo_remote *r, const char *key, const char *text, size_t n,
                     struct mlo_err *err) MLO_MUST_CHECK;
/* As put_loose, while the key is at this version: mlo_transport. */
int mlo_rt_replace(struct mlo_remote *r, const char *key, const char *version, const char *text, size_t n,
                   struct mlo_err *err) MLO_MUST_CHECK;
int mlo_rt_put_text(struct mlo_remote *r, const char *key, const char *text, size_t n,
                    struct mlo_err *err) MLO_MUST_CHECK;
/* The hint where something that a ref leads to is missing or damaged. */
#define MLO_SEND_AGAIN "from a machine that has the bundle, `mlopsctl push --check` sends again what is gone"
/* Exactly n bytes from `offset` into buf. */
int mlo_rt_get_range(struct mlo_remote *r, const char *key, uint64_t offset, void *buf, size_t n,
                     struct mlo_err *err) MLO_MUST_CHECK;
/* A whole small object, at most max bytes, NUL added. Owner: the caller. */
int mlo_rt_get_text(struct mlo_remote *r, const char *key, size_t max, char **ret, size_t *ret_n,
                    struct mlo_err *err) MLO_MUST_CHECK;
/* As get_text, and the bytes must hash to `digest`. */
int mlo_rt_get_hashed(struct mlo_remote *r, const char *kind, const struct mlo_digest *digest, size_t max,
                      char **ret, size_t *ret_n, struct mlo_err *err) MLO_MUST_CHECK;
/* "packs/sha256/ab/<digest>"; kind "packs", "recipes" or "manifests". */
#define MLO_KEY_MAX 1100 /* S3 takes 1,024 bytes */
char *mlo_rt_key(const char *kind, const struct mlo_digest *d, char buf[MLO_KEY_MAX]);

/* A body's read over bytes in memory. */
struct mlo_body_text {
    const char *text;
    size_t n;
};
int mlo_body_text(void *ctx, uint64_t offset, void *buf, size_t cap, size_t *ret_n, struct mlo_err *err);

/* ---- refs.c: heads/<digest of the name>, a copy of the ref of a name that was pushed last ---- */

/* As mlo_packed_ref_set, and without a look at plain files. */
int mlo_ref_move(struct mlo_remote *r, const struct mlo_ref *ref, const struct mlo_remote_ref *expect,
                 const struct mlo_remote_ref *value, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_head_key(const char *name, char buf[MLO_KEY_MAX], struct mlo_err *err) MLO_MUST_CHECK;
int mlo_head_get(struct mlo_remote *r, const char *name, struct mlo_remote_ref *ret,
                 struct mlo_err *err) MLO_MUST_CHECK;
int mlo_head_put(struct mlo_remote *r, const char *name, const struct mlo_remote_ref *value,
                 struct mlo_err *err) MLO_MUST_CHECK;

/* ---- files.c: plain files, and the list of them ---- */

/* What lies below files/<name>/<tag>/ now: lists/<name>/<tag>. `complete` when all files of the manifest are
 * there and no others. */
struct mlo_file_list {
    struct mlo_digest manifest;
    bool complete;
    struct mlo_recipe_file *files; /* sorted by path */
    size_t n, cap;
};
extern const struct mlo_digest mlo_file_unknown; /* of a file whose content nobody can tell */
void mlo_file_list_release(struct mlo_file_list *l);
/* MLO_ENOTFOUND when there is none. */
int mlo_file_list_get(struct mlo_remote *r, const struct mlo_ref *ref, struct mlo_file_list *ret,
                      struct mlo_err *err) MLO_MUST_CHECK;
int mlo_file_list_put(struct mlo_remote *r, const struct mlo_ref *ref, const struct mlo_file_list *l,
                      struct mlo_err *err) MLO_MUST_CHECK;
int mlo_file_list_parse(const char *text, size_t n, struct mlo_file_list *ret,
                        struct mlo_err *err) MLO_MUST_CHECK;
/* Keeps the order; a path twice is MLO_EINVALID. */
int mlo_file_list_add(struct mlo_file_list *l, const char *path, const struct mlo_digest *digest,
                      uint64_t size, struct mlo_err *err) MLO_MUST_CHECK;
/* The entry of the path; NULL when there is none. */
struct mlo_recipe_file *mlo_file_list_at(const struct mlo_file_list *l, const char *path);
/* Is this very content there? */
bool mlo_file_list_has(const struct mlo_file_list *l, const struct mlo_recipe_file *f);
/* "files/<name>/<tag>/<path>" */
char *mlo_file_key(const struct mlo_ref *ref, const char *path, char buf[MLO_KEY_MAX]);
/* Removes the files that are there and not among those that stay. */
int mlo_files_remove(struct mlo_remote *r, const struct mlo_ref *ref, const struct mlo_file_list *there,
                     const struct mlo_file_list *stay, struct mlo_err *err) MLO_MUST_CHECK;
/* The list says no longer that its files are the tag's. They stay, for a later push to take up. */
int mlo_files_retire(struct mlo_remote *r, const struct mlo_ref *ref, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- clash.c ---- */

/* MLO_ECONFLICT when a ref that is not there yet cannot come there beside those that are. is_folder: its
 * place was seen to be one. */
int mlo_ref_clash(struct mlo_remote *r, const struct mlo_ref *ref, bool is_folder,
                  struct mlo_err *err) MLO_MUST_CHECK;

/* ---- history.c ---- */

/* Where a ref that is replaced is kept. */
void mlo_history_key(const struct mlo_ref *ref, const struct mlo_remote_ref *old, char buf[MLO_KEY_MAX]);

/* ---- the kinds: directory.c, s3.c, volume.c (transports), registry.c ---- */

int mlo_directory_open(const char *path, bool create, struct mlo_transport *ret, void **ret_self,
                       char **ret_url, struct mlo_err *err) MLO_MUST_CHECK;

/* s3://bucket[/prefix] with the settings of opts. */
int mlo_s3_open(const char *url, const struct mlo_remote_opts *o, struct mlo_transport *ret, void **ret_self,
                char **ret_url, struct mlo_err *err) MLO_MUST_CHECK;
/* A bucket whose place and key are known already (a RunPod volume). Its get and list tell a bucket that is
 * not there (MLO_EREMOTE with sys_errno ENODEV) and one that refuses this key though the signature is right
 * (AccessDenied: sys_errno EACCES) from a missing key: a new volume answers so for its first minutes. prefix:
 * without slashes at its ends, may be "". */
struct mlo_s3_place {
    const char *endpoint, *region, *bucket, *prefix;
    struct mlo_s3_key key; /* copied */
    const char *home;      /* as of mlo_remote_opts */
    bool virtual_host;     /* bucket in the host name; else path-style */
    bool runpod;           /* the quirks of RunPod's gateway: docs/runpod.md */
};
int mlo_s3_open_place(const struct mlo_s3_place *p, struct mlo_http *http, struct mlo_transport *ret,
                      void **ret_self, struct mlo_err *err) MLO_MUST_CHECK;
/* runpod://VOLUME[/prefix]: over S3, or the mounted volume when this is a pod that has it. */
int mlo_volume_open(const char *url, const struct mlo_remote_opts *o, struct mlo_transport *ret,
                    void **ret_self, char **ret_url, struct mlo_err *err) MLO_MUST_CHECK;
/* oci://host[:port]/repository. */
int mlo_registry_open(const char *url, const struct mlo_remote_opts *o, struct mlo_remote **ret,
                      struct mlo_err *err) MLO_MUST_CHECK;

/* ---- recipe.c ---- */

struct mlo_piece { /* a chunk and where it lies */
    struct mlo_digest digest;
    uint32_t source; /* index into packs, and beyond them into files */
    uint32_t length; /* at most MLO_CHUNK_WHOLE */
    uint64_t offset; /* there */
};
struct mlo_recipe_file { /* a plain file below files/<name>/<tag>/ */
    char *path;
    struct mlo_digest digest;
    uint64_t size;
};
struct mlo_recipe_blob {
    struct mlo_digest digest;
    uint64_t size;
    size_t first, n; /* pieces */
};
struct mlo_recipe {
    struct mlo_digest manifest;
    struct mlo_digest *referrers;
    size_t n_referrers, referrers_cap;
    struct mlo_digest *packs;
    size_t n_packs, packs_cap;
    struct mlo_recipe_file *files; /* sorted by path; in the layout of plain files only */
    size_t n_files, files_cap;
    struct mlo_recipe_blob *blobs;
    size_t n_blobs, blobs_cap; /* all but the manifest itself; sorted by digest, each once */
    struct mlo_piece *pieces;
    size_t n_pieces, pieces_cap;
};
void mlo_recipe_release(struct mlo_recipe *r);
/* The text is canonical: the same recipe has one spelling. */
int mlo_recipe_format(const struct mlo_recipe *r, struct mlo_str *out, struct mlo_err *err) MLO_MUST_CHECK;
/* Strict: everything in range, pieces fill their blobs exactly. */
int mlo_recipe_parse(const char *text, size_t n, struct mlo_recipe *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Takes nothing: the path is copied. */
int mlo_recipe_add_file(struct mlo_recipe *r, const char *path, const struct mlo_digest *digest,
                        uint64_t size, struct mlo_err *err) MLO_MUST_CHECK;
/* Do packs alone hold the blob? Files may be replaced by a later push, packs never. */
bool mlo_recipe_packed(const struct mlo_recipe *r, const struct mlo_recipe_blob *b);
/* The key of the piece's source; ref: whose recipe it is. */
char *mlo_piece_key(const struct mlo_recipe *r, const struct mlo_ref *ref, const struct mlo_piece *p,
                    char buf[MLO_KEY_MAX]);
const struct mlo_recipe_blob *mlo_recipe_find(const struct mlo_recipe *r, const struct mlo_digest *blob);

/* ---- known.c: recipes this machine has seen ---- */

struct mlo_known_tag {
    char tag[129];
    struct mlo_digest recipe;
};
#define MLO_KNOWN_TAGS_MAX 16
struct mlo_known {
    struct mlo_known_tag tags[MLO_KNOWN_TAGS_MAX];
    size_t n;
}; /* newest first */
/* Of one name on one remote. A cache that is missing, damaged or cannot be read is an empty one. */
void mlo_known_load(const char *home, const struct mlo_remote *r, const char *name, struct mlo_known *ret);
/* Puts the tag in front and saves, together with the recipe's text. */
int mlo_known_note(const char *home, const struct mlo_remote *r, const struct mlo_ref *ref,
                   const char *recipe, size_t n, struct mlo_err *err) MLO_MUST_CHECK;
/* Between begin and end a push of the name is under way from here. If it still is when the next one starts,
 * that one was cut off, and what it has sent is worth asking for. A machine without a cache cannot know:
 * true. */
bool mlo_known_unfinished(const char *home, const struct mlo_remote *r, const char *name);
void mlo_known_begin(const char *home, const struct mlo_remote *r, const char *name);
void mlo_known_end(const char *home, const struct mlo_remote *r, const char *name);
/* From the cache of home (NULL: none), else from the remote (NULL: MLO_ENOTFOUND) and into the cache. */
int mlo_known_recipe(const char *home, struct mlo_remote *fetch, const struct mlo_digest *digest,
                     struct mlo_recipe *ret, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- fetch.c: blobs out of pieces ---- */

struct mlo_fetch; /* gathers pieces from the remote and from other blobs of the store */
int mlo_fetch_new(struct mlo_remote *r, struct mlo_store *s, const struct mlo_ref *ref,
                  const struct mlo_recipe *recipe, const struct mlo_sync_opts *o,
                  struct mlo_sync_stats *stats, struct mlo_fetch **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Pieces of blobs that `known` describes and the store has need not come over the wire. Before fetch_blobs.
 */
int mlo_fetch_learn(struct mlo_fetch *f, const struct mlo_recipe *known, struct mlo_err *err) MLO_MUST_CHECK;
/* Rebuilds these blobs of the recipe in the store. replace: also where a (damaged) file of that name is. */
int mlo_fetch_blobs(struct mlo_fetch *f, const struct mlo_recipe_blob *const *blobs, size_t n, bool replace,
                    struct mlo_err *err) MLO_MUST_CHECK;
void mlo_fetch_free(struct mlo_fetch *f);

#endif

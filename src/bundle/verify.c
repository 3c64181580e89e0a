/*
 * Verifying: every blob below a manifest is read and hashed, then what the documents say of each other is
 * compared, then (deep) each tensor's digest is computed anew. A fault is reported and the rest goes on, for
 * repair wants the whole list. Blobs are hashed on several threads; fn is called in the caller's.
 */
#include <pthread.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>
#include <mlopsctl/base/thread.h>

#include "oci.h"
#include "tensorio.h"

#define PIECE ((size_t)1 << 20)

struct blob {
    struct mlo_digest digest;
    uint64_t size;
    char *role;       /* owned */
    const char *what; /* NULL: good */
};

struct verify {
    struct mlo_store *store;
    const struct mlo_verify_opts *opts;
    int (*fn)(void *ctx, const struct mlo_fault *f, struct mlo_err *err);
    void *ctx;
    struct blob *blobs;
    size_t n, cap;
    struct mlo_digest_set seen;
    pthread_mutex_t mutex; /* over done and the caller's progress */
    uint64_t done, total;
    size_t faults;
};

static void release(struct verify *v)
{
    for (size_t i = 0; i < v->n; i++)
        free(v->blobs[i].role);
    free(v->blobs);
    mlo_digest_set_release(&v->seen);
    pthread_mutex_destroy(&v->mutex);
}

static int report(struct verify *v, const struct mlo_digest *d, uint64_t size, const char *what,
                  const char *role, struct mlo_err *err)
{
    const struct mlo_fault f = {.blob = *d, .size = size, .what = what, .role = role};
    v->faults++;
    return v->fn ? v->fn(v->ctx, &f, err) : 0;
}

/* ---- hashing ---- */

static void count(struct verify *v, uint64_t n)
{
    pthread_mutex_lock(&v->mutex);
    v->done += n;
    if (v->opts->progress)
        v->opts->progress(v->opts->progress_ctx, v->done, v->total);
    pthread_mutex_unlock(&v->mutex);
}

static int hash_fd(struct verify *v, int fd, uint64_t size, struct mlo_digest *ret, struct mlo_err *err)
{
    MLO_AUTOFREE uint8_t *buf = mlo_calloc(1, PIECE, err);
    struct mlo_sha256 h = {0};
    int rc = buf ? mlo_sha256_new(&h, err) : MLO_EIO;
    for (uint64_t off = 0; rc == 0 && off < size;) {
        size_t want = size - off < PIECE ? (size_t)(size - off) : PIECE;
        rc = mlo_read_exact_at(fd, buf, want, off, err);
        if (rc == 0)
            rc = mlo_sha256_update(&h, buf, want, err);
        off += want;
        count(v, want);
    }
    if (rc == 0)
        rc = mlo_sha256_end(&h, ret, err);
    mlo_sha256_free(&h);
    return rc;
}

/* What is wrong with the blob, NULL for nothing. An unreadable sector is a fault of the blob, not of this
 * program. */
static const char *look_at(struct verify *v, const struct blob *b)
{
    MLO_AUTOCLOSE int fd = -1;
    struct mlo_err why = MLO_ERR_INIT;
    struct mlo_digest got;
    uint64_t size = 0;
    int rc = mlo_store_open_blob(v->store, &b->digest, &fd, &size, &why);
    if (rc)
        return rc == MLO_ENOTFOUND ? "missing" : "unreadable";
    if (size != b->size)
        return "damaged";
    if (hash_fd(v, fd, size, &got, &why))
        return "unreadable";
    if (!mlo_digest_eq(&got, &b->digest))
        return "damaged";
    return NULL;
}

static int check_blob(void *ctx, size_t i, struct mlo_err *err)
{
    struct verify *v = ctx;
    (void)err;
    v->blobs[i].what = look_at(v, &v->blobs[i]);
    return 0;
}

/* ---- which blobs ---- */

static int add(struct verify *v, const struct mlo_digest *d, uint64_t size, const char *role,
               const char *name, struct mlo_err *err)
{
    bool fresh = false;
    int rc = mlo_digest_set_add(&v->seen, d, &fresh, err);
    if (rc || !fresh)
        return rc;
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, 8192);
    mlo_str_add(&text, role);
    if (name) {
        mlo_str_addc(&text, ' ');
        mlo_escape(&text, name, strnlen(name, 1024));
    }
    rc = mlo_str_check(&text, err);
    if (rc == 0)
        rc = mlo_grow(&v->blobs, &v->cap, v->n + 1, sizeof(*v->blobs), err);
    if (rc)
        return rc;
    v->blobs[v->n++] = (struct blob){.digest = *d, .size = size, .role = mlo_str_detach(&text, NULL)};
    v->total += size;
    return 0;
}

static int add_other(void *ctx, const struct mlo_descriptor *d, struct mlo_err *err)
{
    return add(ctx, &d->digest, d->size, "blob", d->media_type, err);
}

static int add_model(struct verify *v, const struct mlo_bundle *m, struct mlo_err *err)
{
    int rc = add(v, &m->config_digest, m->config_size, "config", NULL, err);
    for (size_t i = 0; i < m->n_layers && rc == 0; i++) {
        const struct mlo_layer *l = &m->layers[i];
        rc = add(v, &l->digest, l->size, "layer",
                 l->path    ? l->path
                 : *l->kind ? l->kind
                            : l->media_type,
                 err);
    }
    return rc;
}

static int check_blobs(struct verify *v, struct mlo_err *err)
{
    unsigned threads = v->opts->threads ? v->opts->threads : mlo_cpu_count();
    int rc = mlo_parallel(v->n, threads, check_blob, v, err);
    for (size_t i = 0; i < v->n && rc == 0; i++)
        if (v->blobs[i].what)
            rc = report(v, &v->blobs[i].digest, v->blobs[i].size, v->blobs[i].what, v->blobs[i].role, err);
    return rc;
}

/* ---- what the documents say of each other ---- */

static int check_layer(struct verify *v, const struct mlo_layer *l, struct mlo_err *err)
{
    struct mlo_err why = MLO_ERR_INIT;
    MLO_AUTOCLOSE int fd = -1;
    struct mlo_digest got;
    uint64_t size = 0;
    const char *name = l->path ? l->path : l->kind;
    if (!mlo_store_has(v->store, &l->digest, &size) || size != l->size)
        return report(v, &l->digest, l->size, "of another size than the manifest says", name, err);
    if ((l->packing != MLO_PACKING_TAR_GZIP && l->packing != MLO_PACKING_TAR_ZSTD) || !l->has_diff_id)
        return 0;
    int rc = mlo_store_open_blob(v->store, &l->digest, &fd, NULL, err);
    if (rc)
        return rc;
    if (mlo_layer_diff_id(fd, UINT64_MAX, &got, &why) || !mlo_digest_eq(&got, &l->diff_id))
        return report(v, &l->digest, l->size, "not what its diff id says when unpacked", name, err);
    return 0;
}

/* ---- tensors ---- */

struct tensors {
    struct mlo_weights *weights;
    struct mlo_bundle_tensor *items;
    size_t n, cap;
    char **faults; /* owned; NULL: good */
};

static int collect_tensor(void *ctx, const struct mlo_bundle_tensor *t, struct mlo_err *err)
{
    struct tensors *all = ctx;
    if (!t->has_digest)
        return 0;
    int rc = mlo_grow(&all->items, &all->cap, all->n + 1, sizeof(*all->items), err);
    if (rc == 0)
        all->items[all->n++] = *t;
    return rc;
}

/* The stream compares the digest at its end. */
static int read_tensor(struct mlo_weights *w, const struct mlo_bundle_tensor *t, struct mlo_err *err)
{
    MLO_AUTOFREE uint8_t *buf = mlo_calloc(1, PIECE, err);
    struct mlo_tensor_stream *s = NULL;
    int rc = buf ? mlo_tensor_stream_open(w, t, &s, err) : MLO_EIO;
    if (rc)
        return rc;
    size_t n = PIECE;
    while (rc == 0 && n == PIECE)
        rc = mlo_tensor_stream_read(s, buf, PIECE, &n, err);
    mlo_tensor_stream_close(s);
    return rc;
}

static int check_tensor(void *ctx, size_t i, struct mlo_err *err)
{
    struct tensors *all = ctx;
    struct mlo_err why = MLO_ERR_INIT;
    int rc = read_tensor(all->weights, &all->items[i], &why);
    if (rc == 0)
        return 0;
    all->faults[i] = mlo_strdup(why.msg, err);
    return all->faults[i] ? 0 : MLO_EIO;
}

static int report_tensor(struct verify *v, const struct mlo_bundle *b, const struct mlo_bundle_tensor *t,
                         const char *what, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str role;
    mlo_str_init(&role, 4096);
    mlo_str_add(&role, "tensor ");
    mlo_escape(&role, t->name, strnlen(t->name, 512));
    mlo_str_add(&role, " of ");
    mlo_escape(&role, t->file, strnlen(t->file, 512));
    return report(v, &b->digest, b->manifest_len, what, role.ptr, err);
}

static int check_tensors(struct verify *v, const struct mlo_bundle *b, struct mlo_err *err)
{
    struct tensors all = {0};
    unsigned threads = v->opts->threads ? v->opts->threads : mlo_cpu_count();
    int rc = mlo_bundle_tensor_each(b, collect_tensor, &all, err);
    if (rc == 0 && !(all.faults = mlo_calloc(all.n + 1, sizeof(*all.faults), err)))
        rc = MLO_EIO;
    if (rc == 0)
        rc = mlo_weights_new(v->store, b, &all.weights, err);
    if (rc == 0)
        rc = mlo_parallel(all.n, threads, check_tensor, &all, err);
    for (size_t i = 0; i < all.n && all.faults; i++) {
        if (rc == 0 && all.faults[i])
            rc = report_tensor(v, b, &all.items[i], all.faults[i], err);
        free(all.faults[i]);
    }
    free(all.faults);
    free(all.items);
    mlo_weights_free(all.weights);
    return rc;
}

/* ---- the whole ---- */

static int check_documents(struct verify *v, const struct mlo_digest *manifest, struct mlo_err *err)
{
    struct mlo_bundle b = {0};
    struct mlo_err why = MLO_ERR_INIT;
    int rc = mlo_bundle_load(v->store, manifest, &b, &why);
    if (rc == MLO_EINVALID)
        return report(v, manifest, UINT64_MAX, why.msg, "manifest", err);
    if (rc) {
        *err = why;
        return rc;
    }
    for (size_t i = 0; i < b.n_layers && rc == 0; i++)
        rc = check_layer(v, &b.layers[i], err);
    if (rc == 0 && v->opts->deep && v->faults == 0)
        rc = check_tensors(v, &b, err);
    mlo_bundle_release(&b);
    return rc;
}

static int verify_below(struct verify *v, const struct mlo_digest *manifest, const char *text, size_t n,
                        struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = NULL;
    struct mlo_err why = MLO_ERR_INIT;
    struct mlo_bundle m = {0};
    int rc = mlo_json_parse(text, n, MLO_MANIFEST_MAX, &doc, &why);
    bool model = rc == 0 && mlo_family_of(doc) != MLO_FAMILY_NONE;
    if (rc == 0)
        rc = model ? mlo_bundle_parse_manifest(text, n, &m, &why)
                   : mlo_manifest_each(doc, add_other, v, &why);
    if (rc == MLO_EINVALID)
        return report(v, manifest, n, why.msg, "manifest", err);
    if (rc == 0 && model)
        rc = add_model(v, &m, &why);
    mlo_bundle_release(&m);
    if (rc) {
        *err = why;
        return rc;
    }
    rc = check_blobs(v, err);
    return rc == 0 && model && v->faults == 0 ? check_documents(v, manifest, err) : rc;
}

static int verify_all(struct verify *v, const struct mlo_digest *manifest, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    struct mlo_err why = MLO_ERR_INIT;
    size_t n = 0;
    int rc = mlo_store_read(v->store, manifest, MLO_MANIFEST_MAX, &text, &n, &why);
    if (rc)
        return report(v, manifest, UINT64_MAX,
                      rc == MLO_ENOTFOUND  ? "missing"
                      : rc == MLO_EINVALID ? "damaged"
                                           : "unreadable",
                      "manifest", err);
    v->done = n;
    return verify_below(v, manifest, text, n, err);
}

int mlo_bundle_verify(struct mlo_store *s, const struct mlo_digest *manifest, const struct mlo_verify_opts *o,
                      int (*fn)(void *ctx, const struct mlo_fault *f, struct mlo_err *err), void *ctx,
                      uint64_t *ret_bytes, struct mlo_err *err)
{
    struct verify v = {.store = s, .opts = o, .fn = fn, .ctx = ctx, .mutex = PTHREAD_MUTEX_INITIALIZER};
    int rc = verify_all(&v, manifest, err);
    if (rc == 0)
        *ret_bytes = v.done;
    if (rc == 0 && v.faults)
        rc = mlo_fail(err, MLO_NO, "%zu fault%s", v.faults, v.faults == 1 ? "" : "s");
    release(&v);
    return rc;
}

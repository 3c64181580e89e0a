/* Tensors out of blobs; see tensorio.h. */
#include "tensorio.h"

#include <string.h>

/* ---- files ---- */

struct weight_file {
    const struct mlo_file *file;
    bool tried, good;
    int fd;
    struct mlo_source source;
    struct mlo_checkpoint cp;
    const struct mlo_tensor **by_name; /* cp.n_tensors, sorted */
};

struct mlo_weights {
    struct mlo_store *store;
    const struct mlo_bundle *bundle;
    pthread_mutex_t lock;
    struct weight_file *files; /* one for each of bundle->files */
};

int mlo_weights_new(struct mlo_store *s, const struct mlo_bundle *b, struct mlo_weights **ret,
                    struct mlo_err *err)
{
    struct mlo_weights *w = mlo_calloc(1, sizeof *w, err);
    if (!w)
        return MLO_EIO;
    *w = (struct mlo_weights){.store = s, .bundle = b, .lock = PTHREAD_MUTEX_INITIALIZER};
    w->files = mlo_calloc(b->n_files + 1, sizeof *w->files, err);
    if (!w->files) {
        free(w);
        return MLO_EIO;
    }
    for (size_t i = 0; i < b->n_files; i++) {
        w->files[i].file = &b->files[i];
        w->files[i].fd = -1;
    }
    *ret = w;
    return 0;
}

void mlo_weights_free(struct mlo_weights *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->bundle->n_files; i++) {
        struct weight_file *f = &w->files[i];
        mlo_checkpoint_release(&f->cp);
        mlo_cleanup_close(&f->fd);
        free(f->by_name);
    }
    pthread_mutex_destroy(&w->lock);
    free(w->files);
    free(w);
}

static int path_cmp(const void *key, const void *f)
{
    return strcmp(key, ((const struct weight_file *)f)->file->path);
}

static struct weight_file *find_file(struct mlo_weights *w, const char *path)
{
    return bsearch(path, w->files, w->bundle->n_files, sizeof *w->files, path_cmp);
}

static int name_cmp(const void *a, const void *b)
{
    return strcmp((*(const struct mlo_tensor *const *)a)->name, (*(const struct mlo_tensor *const *)b)->name);
}

static int open_file(struct mlo_weights *w, struct weight_file *f, struct mlo_err *err)
{
    uint64_t size = 0;
    if (w->bundle->layers[f->file->layer].packing != MLO_PACKING_RAW)
        return mlo_fail(err, MLO_EUNAVAIL, "weights inside an archive cannot be read in place");
    int rc = mlo_store_open_blob(w->store, &f->file->digest, &f->fd, &size, err);
    if (rc != 0)
        return rc;
    f->source = mlo_source_fd(&f->fd, size);
    rc = mlo_checkpoint_read(&f->source, &f->cp, err);
    if (rc != 0)
        return rc;
    f->by_name = mlo_calloc(f->cp.n_tensors + 1, sizeof *f->by_name, err);
    if (!f->by_name)
        return MLO_EIO;
    for (size_t i = 0; i < f->cp.n_tensors; i++)
        f->by_name[i] = &f->cp.tensors[i];
    qsort(f->by_name, f->cp.n_tensors, sizeof *f->by_name, name_cmp);
    return 0;
}

/* Opened and parsed at first use. A file that failed once is not tried again: it has no tensors then. */
static int get_file(struct mlo_weights *w, const char *path, struct weight_file **ret, struct mlo_err *err)
{
    struct weight_file *f = find_file(w, path);
    if (!f)
        return mlo_fail(err, MLO_EINVALID, "tensor lies in a file that the bundle does not have");
    pthread_mutex_lock(&w->lock);
    int rc = 0;
    if (!f->tried) {
        f->tried = true;
        rc = open_file(w, f, err);
        f->good = rc == 0;
    }
    pthread_mutex_unlock(&w->lock);
    if (rc == 0 && !f->good)
        rc = mlo_fail(err, MLO_EUNAVAIL, "file could not be opened");
    if (rc == 0)
        *ret = f;
    return rc;
}

static const struct mlo_tensor *find_tensor(const struct weight_file *f, const char *name)
{
    struct mlo_tensor key = {.name = name};
    const struct mlo_tensor *pkey = &key;
    const struct mlo_tensor **hit = bsearch(&pkey, f->by_name, f->cp.n_tensors, sizeof *f->by_name, name_cmp);
    return hit ? *hit : NULL;
}

/* The source that mlo_tensor_read wants: external data lie in another file, named relative to the first one's
 * folder. */
static int tensor_source(struct mlo_weights *w, const char *file, const struct mlo_tensor *t,
                         struct mlo_source *ret, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str path;
    struct weight_file *f = NULL;
    const char *slash = strrchr(file, '/');
    mlo_str_init(&path, MLO_PATH_MAX);
    if (t->store != MLO_TS_EXTERNAL)
        mlo_str_add(&path, file);
    else
        mlo_str_addf(&path, "%.*s%s", slash ? (int)(slash - file + 1) : 0, file, t->external);
    int rc = mlo_str_check(&path, err);
    if (rc == 0)
        rc = get_file(w, path.ptr, &f, err);
    if (rc == 0)
        *ret = f->source;
    return rc;
}

/* ---- stream ---- */

struct mlo_tensor_stream {
    const struct mlo_bundle_tensor *want;
    const struct mlo_tensor *tensor;
    struct mlo_source source;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const char *piece; /* what the producer holds out; it waits until `left` is 0 */
    size_t left;
    bool ended, stop;
    struct mlo_sha256 hash;
    struct mlo_err failure; /* of the producer */
};

static int hold_out(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    struct mlo_tensor_stream *s = ctx;
    int rc = mlo_sha256_update(&s->hash, p, n, err);
    if (rc != 0)
        return rc;
    pthread_mutex_lock(&s->lock);
    s->piece = p;
    s->left = n;
    pthread_cond_broadcast(&s->changed);
    while (s->left > 0 && !s->stop)
        pthread_cond_wait(&s->changed, &s->lock);
    bool stop = s->stop;
    pthread_mutex_unlock(&s->lock);
    return stop ? mlo_fail(err, MLO_EIO, "reader gave up") : 0;
}

static void *produce(void *ctx)
{
    struct mlo_tensor_stream *s = ctx;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_digest got;
    int rc = mlo_tensor_read(&s->source, s->tensor, hold_out, s, &err);
    if (rc == 0)
        rc = mlo_sha256_end(&s->hash, &got, &err);
    if (rc == 0 && s->want->has_digest && !mlo_digest_eq(&got, &s->want->digest))
        mlo_fail(&err, MLO_EINVALID, "tensor does not match its digest: the stored copy is damaged");
    pthread_mutex_lock(&s->lock);
    s->failure = err;
    s->ended = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

int mlo_tensor_stream_open(struct mlo_weights *w, const struct mlo_bundle_tensor *t,
                           struct mlo_tensor_stream **ret, struct mlo_err *err)
{
    struct weight_file *f = NULL;
    int rc = get_file(w, t->file, &f, err);
    if (rc != 0)
        return rc;
    const struct mlo_tensor *tensor = find_tensor(f, t->name);
    if (!tensor || tensor->store == MLO_TS_NONE)
        return mlo_fail(err, MLO_EUNAVAIL, "tensor has no bytes that can be read");
    MLO_AUTOFREE struct mlo_tensor_stream *s = mlo_calloc(1, sizeof *s, err);
    if (!s)
        return MLO_EIO;
    *s = (struct mlo_tensor_stream){
        .want = t, .tensor = tensor, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    rc = tensor_source(w, t->file, tensor, &s->source, err);
    if (rc == 0)
        rc = mlo_sha256_new(&s->hash, err);
    if (rc != 0)
        return rc;
    if (pthread_create(&s->thread, NULL, produce, s) != 0) {
        mlo_sha256_free(&s->hash);
        return mlo_fail(err, MLO_EIO, "cannot start a thread");
    }
    *ret = mlo_steal(&s);
    return 0;
}

int mlo_tensor_stream_read(struct mlo_tensor_stream *s, void *buf, size_t n, size_t *ret_n,
                           struct mlo_err *err)
{
    size_t done = 0;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        size_t take = s->left < n - done ? s->left : n - done;
        if (take > 0) {
            memcpy((char *)buf + done, s->piece, take);
            s->piece += take;
        }
        s->left -= take;
        done += take;
        if (s->left == 0)
            pthread_cond_broadcast(&s->changed);
        if (done == n || (s->ended && s->left == 0))
            break;
        pthread_cond_wait(&s->changed, &s->lock);
    }
    int rc = s->ended && s->failure.code != 0 ? s->failure.code : 0;
    if (rc != 0)
        *err = s->failure;
    pthread_mutex_unlock(&s->lock);
    if (rc == 0)
        *ret_n = done;
    return rc;
}

void mlo_tensor_stream_close(struct mlo_tensor_stream *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
    mlo_sha256_free(&s->hash);
    free(s);
}

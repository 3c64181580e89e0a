/*
 * Push to a registry: blobs side by side, then the manifest and its signatures, the tag last. The bundle's
 * own bytes are sent, so the digest there is the digest here.
 */
#include "registry.h"

#include <string.h>

#include <mlopsctl/base/thread.h>

struct blob {
    struct mlo_digest digest;
    uint64_t size;
};

struct pusher {
    struct mlo_registry *registry;
    struct mlo_remote *remote;
    struct mlo_store *store;
    const struct mlo_sync_opts *opts;
    struct mlo_sync_stats *stats;
    const struct mlo_ref *ref;
    char repository[MLO_REPOSITORY_MAX];
    struct mlo_registry_manifest manifest;
    struct mlo_registry_manifest *referrers;
    struct mlo_remote_ref before;
    bool has_before, trust;      /* trust: what the tag's manifest names need not be asked for */
    struct mlo_digest_set there; /* blobs that are known to be in the repository */
    struct mlo_digest_set listed;
    struct blob *blobs; /* to look at */
    size_t n, cap;
    uint64_t done, total;
    pthread_mutex_t lock; /* stats, progress, held */
};

static void release(struct pusher *p)
{
    mlo_registry_manifest_release(&p->manifest);
    for (size_t i = 0; p->referrers && i < p->opts->n_referrers; i++)
        mlo_registry_manifest_release(&p->referrers[i]);
    free(p->referrers);
    free(p->blobs);
    mlo_digest_set_release(&p->there);
    mlo_digest_set_release(&p->listed);
    pthread_mutex_destroy(&p->lock);
}

/* ---- what is to be there ---- */

static int read_manifest(struct pusher *p, const struct mlo_digest *d, struct mlo_registry_manifest *ret,
                         struct mlo_err *err)
{
    char *text = NULL;
    size_t n = 0;
    int rc = mlo_store_read(p->store, d, MLO_MANIFEST_MAX, &text, &n, err);
    return rc != 0 ? rc : mlo_registry_manifest_take(text, n, ret, err);
}

static int read_own(struct pusher *p, const struct mlo_digest *manifest, struct mlo_err *err)
{
    int rc = read_manifest(p, manifest, &p->manifest, err);
    if (rc == 0) {
        p->referrers = mlo_calloc(p->opts->n_referrers + 1, sizeof *p->referrers, err);
        rc = p->referrers ? 0 : MLO_EIO;
    }
    for (size_t i = 0; rc == 0 && i < p->opts->n_referrers; i++)
        rc = read_manifest(p, &p->opts->referrers[i], &p->referrers[i], err);
    return rc;
}

static int add_blobs(struct pusher *p, const struct mlo_registry_manifest *m, struct mlo_err *err)
{
    int rc = 0;
    p->stats->bytes_total += m->n;
    for (size_t i = 0; rc == 0 && i < m->oci.n; i++) {
        const struct mlo_descriptor *d = &m->oci.list[i];
        bool is_new = false;
        rc = mlo_digest_set_add(&p->listed, &d->digest, &is_new, err);
        if (rc != 0 || !is_new)
            continue;
        p->stats->chunks++;
        p->stats->bytes_total += d->size;
        p->stats->bytes_reused += d->size; /* until it is sent */
        if (p->trust && mlo_digest_set_has(&p->there, &d->digest))
            continue;
        rc = mlo_grow(&p->blobs, &p->cap, p->n + 1, sizeof *p->blobs, err);
        if (rc == 0)
            p->blobs[p->n++] = (struct blob){d->digest, d->size};
        p->total += d->size;
    }
    return rc;
}

static int list_blobs(struct pusher *p, struct mlo_err *err)
{
    p->n = 0;
    p->total = p->done = 0;
    p->stats->chunks = p->stats->bytes_total = p->stats->bytes_reused = 0;
    mlo_digest_set_release(&p->listed);
    int rc = add_blobs(p, &p->manifest, err);
    for (size_t i = 0; rc == 0 && i < p->opts->n_referrers; i++)
        rc = add_blobs(p, &p->referrers[i], err);
    return rc;
}

/* The tag's manifest, when it is there, vouches for what it names. */
static int look(struct pusher *p, struct mlo_err *err)
{
    struct mlo_registry_manifest now = {0};
    int rc = mlo_registry_manifest_get(p->registry, p->repository, p->ref->tag, &now, err);
    if (rc == MLO_ENOTFOUND) {
        *err = MLO_ERR_INIT;
        return 0;
    }
    if (rc == 0)
        rc = mlo_registry_ref_of(&now, &p->before, err);
    p->has_before = rc == 0;
    for (size_t i = 0; rc == 0 && !now.oci.is_index && i < now.oci.n; i++)
        rc = mlo_digest_set_add(&p->there, &now.oci.list[i].digest, NULL, err);
    mlo_registry_manifest_release(&now);
    return rc;
}

/* Does the tag lead to exactly this already, with all its signatures? */
static int is_unchanged(struct pusher *p, bool *ret, struct mlo_err *err)
{
    struct mlo_referrers there = {0};
    bool same = p->has_before && !p->opts->check && mlo_digest_eq(&p->before.manifest, &p->manifest.digest);
    int rc = 0;
    if (same && p->opts->n_referrers > 0)
        rc = mlo_registry_referrers(p->registry, p->repository, &p->manifest.digest, &there, err);
    for (size_t i = 0; rc == 0 && same && i < p->opts->n_referrers; i++) {
        bool found = false;
        for (size_t j = 0; j < there.n; j++)
            found = found || mlo_digest_eq(&there.list[j].digest, &p->opts->referrers[i]);
        same = found;
    }
    free(there.list);
    *ret = same;
    return rc;
}

/* ---- blobs ---- */

static void count_sent(void *ctx, uint64_t n)
{
    struct pusher *p = ctx;
    pthread_mutex_lock(&p->lock);
    p->stats->bytes_sent += n;
    p->stats->bytes_reused -= n;
    p->done += n;
    if (p->opts->progress)
        p->opts->progress(p->opts->progress_ctx, p->done, p->total);
    pthread_mutex_unlock(&p->lock);
}

static void count_there(struct pusher *p, uint64_t size)
{
    pthread_mutex_lock(&p->lock);
    p->done += size;
    if (p->opts->progress)
        p->opts->progress(p->opts->progress_ctx, p->done, p->total);
    pthread_mutex_unlock(&p->lock);
}

static int note_held(struct pusher *p, const struct mlo_digest *d, struct mlo_err *err)
{
    pthread_mutex_lock(&p->lock);
    int rc = mlo_held_note(p->registry, p->repository, d, err);
    pthread_mutex_unlock(&p->lock);
    return rc;
}

static int send_blob(struct pusher *p, const struct blob *b, struct mlo_err *err)
{
    char text[MLO_DIGEST_TEXT], from[MLO_REPOSITORY_MAX] = "";
    MLO_AUTOCLOSE int fd = -1;
    uint64_t size = 0;
    int rc = mlo_store_open_blob(p->store, &b->digest, &fd, &size, err);
    if (rc == 0 && size != b->size)
        rc = mlo_fail(err, MLO_EINVALID, "the store's copy of %s is damaged",
                      mlo_digest_text(&b->digest, text));
    if (rc != 0)
        return rc;
    pthread_mutex_lock(&p->lock);
    const char *elsewhere = mlo_held_elsewhere(p->registry, p->repository, &b->digest);
    snprintf(from, sizeof from, "%s", elsewhere ? elsewhere : "");
    pthread_mutex_unlock(&p->lock);
    struct mlo_upload u = {.registry = p->registry,
                           .repository = p->repository,
                           .digest = &b->digest,
                           .size = b->size,
                           .fd = fd,
                           .home = p->opts->home,
                           .from = *from ? from : NULL,
                           .sent = count_sent,
                           .ctx = p};
    rc = mlo_registry_upload(&u, err);
    if (rc != 0)
        return rc;
    pthread_mutex_lock(&p->lock);
    p->stats->chunks_sent += !u.mounted;
    pthread_mutex_unlock(&p->lock);
    if (u.mounted)
        count_there(p, b->size);
    return 0;
}

static int ensure_blob(void *ctx, size_t i, struct mlo_err *err)
{
    struct pusher *p = ctx;
    const struct blob *b = &p->blobs[i];
    bool there = false;
    int rc = mlo_registry_blob_has(p->registry, p->repository, &b->digest, b->size, &there, err);
    if (rc != 0)
        return rc;
    if (there) {
        count_there(p, b->size);
    } else if (p->opts->dry_run) {
        count_sent(p, b->size);
        return 0;
    } else {
        rc = send_blob(p, b, err);
    }
    return rc != 0 ? rc : note_held(p, &b->digest, err);
}

static int ensure_blobs(struct pusher *p, struct mlo_err *err)
{
    unsigned width = p->opts->parallel ? p->opts->parallel : MLO_REGISTRY_PARALLEL;
    int rc = mlo_held_load(p->registry, p->opts->home, err);
    if (rc == 0)
        rc = list_blobs(p, err);
    if (rc == 0)
        rc = mlo_parallel(p->n, width, ensure_blob, p, err);
    if (!p->opts->dry_run) { /* also after a failure: what has arrived is there */
        struct mlo_err why = MLO_ERR_INIT;
        int saved = mlo_held_save(p->registry, p->opts->home, &why);
        if (rc == 0 && saved != 0) {
            *err = why;
            rc = saved;
        }
    }
    return rc;
}

/* ---- manifests ---- */

static int send_referrers(struct pusher *p, struct mlo_err *err)
{
    char text[MLO_DIGEST_TEXT];
    if (p->opts->n_referrers == 0)
        return 0;
    int rc = mlo_registry_manifest_put(p->registry, p->repository, mlo_digest_text(&p->manifest.digest, text),
                                       &p->manifest, NULL, err);
    for (size_t i = 0; rc == 0 && i < p->opts->n_referrers; i++) {
        rc = mlo_registry_referrer_put(p->registry, p->repository, &p->referrers[i], err);
        p->stats->bytes_sent += rc == 0 ? p->referrers[i].n : 0;
    }
    return rc;
}

static int send_tag(struct pusher *p, struct mlo_err *err)
{
    const struct mlo_sync_opts *o = p->opts;
    const struct mlo_remote_ref *before = p->has_before ? &p->before : NULL;
    struct mlo_remote_ref after;
    int rc = mlo_registry_ref_of(&p->manifest, &after, err);
    if (rc == 0 && before && mlo_digest_eq(&before->manifest, &after.manifest))
        return 0; /* signatures alone were missing */
    if (rc == 0 && o->before_ref)
        rc = o->before_ref(o->before_ref_ctx, before, &after, err);
    if (rc == 0)
        rc = mlo_registry_tag_move(p->remote, p->ref, before, &p->manifest, err);
    if (rc == 0)
        p->stats->bytes_sent += p->manifest.n;
    return rc;
}

static int push_changes(struct pusher *p, struct mlo_err *err)
{
    p->trust = !p->opts->check;
    int rc = ensure_blobs(p, err);
    if (rc != 0 || p->opts->dry_run)
        return rc;
    rc = send_referrers(p, err);
    return rc != 0 ? rc : send_tag(p, err);
}

int mlo_registry_push(struct mlo_remote *r, struct mlo_store *s, const struct mlo_digest *manifest,
                      const struct mlo_ref *ref, const struct mlo_sync_opts *o, struct mlo_sync_stats *ret,
                      struct mlo_err *err)
{
    struct mlo_registry *g = mlo_registry_of(r);
    struct mlo_sync_stats stats = {0};
    struct pusher p = {.registry = g,
                       .remote = r,
                       .store = s,
                       .opts = o,
                       .stats = &stats,
                       .ref = ref,
                       .lock = PTHREAD_MUTEX_INITIALIZER};
    uint64_t requests = g->requests;
    int rc = o->layout == MLO_LAYOUT_PACKS
                 ? mlo_registry_repository(g, ref->name, p.repository, err)
                 : mlo_fail(err, MLO_EUSAGE,
                            "a registry has its own layout: --layout is for folders and buckets");
    if (rc == 0)
        rc = read_own(&p, manifest, err);
    if (rc == 0)
        rc = look(&p, err);
    if (rc == 0)
        rc = is_unchanged(&p, &stats.unchanged, err);
    if (rc == 0 && !stats.unchanged)
        rc = push_changes(&p, err);
    else if (rc == 0)
        stats.bytes_total = stats.bytes_reused = p.before.size;
    stats.requests = g->requests - requests;
    if (rc == 0)
        *ret = stats;
    release(&p);
    return rc;
}

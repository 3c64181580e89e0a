/*
 * Pull from a registry: the manifest of a tag or digest, then the blobs that the store lacks, several side by
 * side, each streamed to its place and hashed on the way. A large blob that was cut off goes on where it
 * stopped, also in a later run.
 */
#include "registry.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>
#include <mlopsctl/base/thread.h>

#define RESUME_MIN   ((uint64_t)8 << 20) /* smaller blobs are sooner fetched again */
#define RESUME_GRAIN ((uint64_t)1 << 20) /* what was written last may not have reached the disk */
#define READ_BYTES   ((size_t)1 << 20)
#define BLOB_TRIES   3

struct puller {
    struct mlo_registry *registry;
    struct mlo_store *store;
    const struct mlo_sync_opts *opts;
    struct mlo_sync_stats *stats;
    char repository[MLO_REPOSITORY_MAX];
    bool replace; /* also where a (damaged) file of that name is */
    struct mlo_digest_set seen;
    struct wanted {
        struct mlo_digest digest;
        uint64_t size;
    } * want;
    size_t n, cap;
    uint64_t done, total;
    pthread_mutex_t lock; /* stats, progress */
};

static void puller_release(struct puller *p)
{
    mlo_digest_set_release(&p->seen);
    free(p->want);
    pthread_mutex_destroy(&p->lock);
}

static void advance(struct puller *p, uint64_t n, bool fetched)
{
    pthread_mutex_lock(&p->lock);
    p->done += n;
    *(fetched ? &p->stats->bytes_sent : &p->stats->bytes_reused) += n;
    if (p->opts->progress)
        p->opts->progress(p->opts->progress_ctx, p->done, p->total);
    pthread_mutex_unlock(&p->lock);
}

/* ---- one blob ---- */

struct incoming {
    struct puller *p;
    const struct wanted *b;
    struct mlo_sha256 hash;
    int fd;
    uint64_t at;
};

static int take_bytes(void *ctx, const void *bytes, size_t n, struct mlo_err *err)
{
    struct incoming *in = ctx;
    int rc = mlo_write_all_at(in->fd, bytes, n, in->at, err);
    if (rc == 0)
        rc = mlo_sha256_update(&in->hash, bytes, n, err);
    in->at += n;
    if (rc == 0)
        advance(in->p, n, true);
    return rc;
}

/* What an earlier run has written, from the front to the first hole. */
static int hash_begun(struct incoming *in, struct mlo_err *err)
{
    MLO_AUTOFREE char *buf = malloc(READ_BYTES);
    off_t hole = lseek(in->fd, 0, SEEK_HOLE);
    uint64_t end = hole > 0 ? (uint64_t)hole : 0;
    end = end < in->b->size ? end / RESUME_GRAIN * RESUME_GRAIN : in->b->size;
    int rc = buf ? 0 : mlo_fail_nomem(err);
    while (rc == 0 && in->at < end) {
        size_t n = end - in->at < READ_BYTES ? (size_t)(end - in->at) : READ_BYTES;
        rc = mlo_read_exact_at(in->fd, buf, n, in->at, err);
        if (rc == 0)
            rc = mlo_sha256_update(&in->hash, buf, n, err);
        in->at += n;
    }
    if (rc == 0)
        advance(in->p, in->at, false);
    return rc;
}

static int stream(struct incoming *in, bool *ret_good, struct mlo_err *err)
{
    struct mlo_digest got;
    int rc = mlo_registry_blob_get(in->p->registry, in->p->repository, &in->b->digest, in->at, in->b->size,
                                   take_bytes, in, err);
    if (rc == 0)
        rc = mlo_sha256_end(&in->hash, &got, err);
    if (rc == 0)
        *ret_good = mlo_digest_eq(&got, &in->b->digest);
    return rc;
}

static int damaged(const struct incoming *in, struct mlo_err *err)
{
    char text[MLO_DIGEST_TEXT];
    return mlo_fail(err, MLO_EINVALID, "the bytes that %s sent for the blob %s are not those of its digest",
                    in->p->registry->host, mlo_digest_text(&in->b->digest, text));
}

static int fill(struct incoming *in, bool resumed, struct mlo_err *err)
{
    bool good = false;
    int rc = mlo_sha256_new(&in->hash, err);
    if (rc == 0 && resumed)
        rc = hash_begun(in, err);
    if (rc == 0)
        rc = stream(in, &good, err);
    if (rc == 0 && !good)
        rc = damaged(in, err);
    mlo_sha256_free(&in->hash);
    return rc;
}

/* The name may be taken by a damaged file; it makes way only now that good bytes are at hand. */
static int make_way(struct puller *p, const struct mlo_digest *d, struct mlo_err *err)
{
    return p->replace && mlo_store_has(p->store, d, NULL) ? mlo_store_quarantine(p->store, d, err) : 0;
}

static int fetch_large(struct puller *p, const struct wanted *b, struct mlo_err *err)
{
    struct incoming in = {.p = p, .b = b};
    struct mlo_partial *file = NULL;
    int rc = mlo_partial_begin(p->store, &b->digest, b->size, &file, err);
    if (rc != 0)
        return rc;
    in.fd = mlo_partial_fd(file);
    rc = fill(&in, mlo_partial_resumed(file), err);
    if (rc == MLO_EINVALID) { /* wrong bytes, perhaps those that an earlier run left, are of no use */
        mlo_partial_discard(file);
        return rc;
    }
    if (rc == 0)
        rc = make_way(p, &b->digest, err);
    if (rc == 0)
        return mlo_partial_commit(file, err);
    mlo_partial_keep(file);
    return rc;
}

struct small {
    struct puller *p;
    struct mlo_blob_writer *w;
};

static int take_small(void *ctx, const void *bytes, size_t n, struct mlo_err *err)
{
    struct small *s = ctx;
    int rc = mlo_blob_write(s->w, bytes, n, err);
    if (rc == 0)
        advance(s->p, n, true);
    return rc;
}

static int fetch_small(struct puller *p, const struct wanted *b, struct mlo_err *err)
{
    struct small s = {.p = p};
    int rc = mlo_blob_begin(p->store, &s.w, err);
    if (rc == 0)
        rc = mlo_registry_blob_get(p->registry, p->repository, &b->digest, 0, b->size, take_small, &s, err);
    if (rc == 0)
        rc = make_way(p, &b->digest, err);
    if (rc == 0)
        return mlo_blob_commit(s.w, &b->digest, NULL, NULL, err);
    if (s.w)
        mlo_blob_abort(s.w);
    return rc;
}

/* Bytes that do not hash right are fetched again: a wire or a cache between may have spoilt them. */
static int fetch(struct puller *p, const struct wanted *b, struct mlo_err *err)
{
    for (unsigned tries = 1;; tries++) {
        int rc = b->size < RESUME_MIN ? fetch_small(p, b, err) : fetch_large(p, b, err);
        if (rc != MLO_EINVALID || tries >= BLOB_TRIES)
            return rc;
        *err = MLO_ERR_INIT;
    }
}

static int fetch_one(void *ctx, size_t i, struct mlo_err *err)
{
    struct puller *p = ctx;
    const struct wanted *b = &p->want[i];
    char text[MLO_DIGEST_TEXT];
    int rc = fetch(p, b, err);
    if (rc != 0)
        return mlo_wrap(err, "blob %s", mlo_digest_text(&b->digest, text));
    pthread_mutex_lock(&p->lock);
    p->stats->chunks_sent++;
    pthread_mutex_unlock(&p->lock);
    return 0;
}

/* ---- which blobs ---- */

static int want_blob(struct puller *p, const struct mlo_descriptor *d, struct mlo_err *err)
{
    uint64_t here = 0;
    bool is_new = false;
    int rc = mlo_digest_set_add(&p->seen, &d->digest, &is_new, err);
    if (rc != 0 || !is_new)
        return rc;
    p->stats->bytes_total += d->size;
    p->stats->chunks++;
    if (mlo_store_has(p->store, &d->digest, &here) && here == d->size) {
        p->stats->bytes_reused += d->size;
        return 0;
    }
    rc = mlo_grow(&p->want, &p->cap, p->n + 1, sizeof *p->want, err);
    if (rc == 0)
        p->want[p->n++] = (struct wanted){d->digest, d->size};
    p->total += d->size;
    return rc;
}

static int fetch_wanted(struct puller *p, struct mlo_err *err)
{
    unsigned width = p->opts->parallel ? p->opts->parallel : MLO_REGISTRY_PARALLEL;
    int rc = mlo_parallel(p->n, width, fetch_one, p, err);
    p->n = 0;
    return rc;
}

/* What the manifest names, and the manifest itself. */
static int fetch_below(struct puller *p, const struct mlo_registry_manifest *m, struct mlo_err *err)
{
    struct mlo_remote_ref size;
    struct mlo_digest got;
    int rc = mlo_registry_ref_of(m, &size, err);
    for (size_t i = 0; rc == 0 && i < m->oci.n; i++)
        rc = want_blob(p, &m->oci.list[i], err);
    p->stats->bytes_total += m->n;
    if (rc != 0 || p->opts->dry_run)
        return rc;
    rc = fetch_wanted(p, err);
    return rc != 0 ? rc : mlo_store_put(p->store, m->text, m->n, &got, err);
}

/* ---- which manifest ---- */

static int not_a_model(const struct puller *p, const struct mlo_oci *o, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    const char *type = o->n > 0 ? o->list[0].media_type : "";
    bool image = strstr(type, "image.config") || strstr(type, "container.image");
    mlo_fail(err, MLO_EINVALID, "'%s/%s' is %s, not a model", p->registry->host, p->repository,
             image            ? "a container image"
             : o->has_subject ? "a referrer of something else"
                              : "an artifact of another kind");
    return mlo_hint(err,
                    "its config is '%s'; models of ModelPack, KitOps, Docker, Ollama and files with titles "
                    "are read",
                    mlo_shown(type, strlen(type), shown));
}

/* The one model among the manifests of an index. */
static int choose(struct puller *p, struct mlo_registry_manifest *m, struct mlo_err *err)
{
    struct mlo_registry_manifest found = {0};
    size_t models = 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < m->oci.n; i++) {
        struct mlo_registry_manifest one = {0};
        char text[MLO_DIGEST_TEXT];
        if (i >= MLO_REGISTRY_INDEX_MAX)
            rc = mlo_fail(err, MLO_EINVALID, "the index has more than %d manifests", MLO_REGISTRY_INDEX_MAX);
        else
            rc = mlo_registry_manifest_get(p->registry, p->repository,
                                           mlo_digest_text(&m->oci.list[i].digest, text), &one, err);
        bool model = rc == 0 && !one.oci.is_index && one.oci.family != MLO_FAMILY_NONE;
        models += model;
        if (model && models == 1)
            found = one;
        else
            mlo_registry_manifest_release(&one);
    }
    if (rc == 0 && models != 1) {
        rc = mlo_fail(err, MLO_EINVALID, "'%s/%s' is an index of %zu manifests, of which %zu are models",
                      p->registry->host, p->repository, m->oci.n, models);
        if (models > 1)
            mlo_hint(err, "pull one of them: NAME@sha256:...");
    }
    if (rc != 0) {
        mlo_registry_manifest_release(&found);
        return rc;
    }
    mlo_registry_manifest_release(m);
    *m = found;
    return 0;
}

/* A digest alone says what is wanted; beside a tag it says what the tag must lead to. */
static int find_manifest(struct puller *p, const struct mlo_ref *ref, const char *url,
                         struct mlo_registry_manifest *ret, struct mlo_err *err)
{
    char text[MLO_DIGEST_TEXT];
    struct mlo_registry_manifest m = {0};
    bool by_digest = ref->has_digest && !ref->has_tag;
    const char *reference = by_digest ? mlo_digest_text(&ref->digest, text) : ref->tag;
    int rc = mlo_registry_repository(p->registry, ref->name, p->repository, err);
    if (rc == 0)
        rc = mlo_registry_manifest_get(p->registry, p->repository, reference, &m, err);
    if (rc == MLO_ENOTFOUND)
        return mlo_fail(err, MLO_ENOTFOUND, "'%s%s%s' is not on %s (repository '%s')", ref->name,
                        by_digest ? "@" : ":", reference, url, p->repository);
    if (rc == 0 && ref->has_digest && !mlo_digest_eq(&m.digest, &ref->digest))
        rc = mlo_fail(err, MLO_ENOTFOUND, "'%s:%s' on %s is not that digest: it is %s", ref->name, ref->tag,
                      url, mlo_digest_text(&m.digest, text));
    if (rc == 0 && m.oci.is_index)
        rc = choose(p, &m, err);
    if (rc == 0 && m.oci.family == MLO_FAMILY_NONE)
        rc = not_a_model(p, &m.oci, err);
    else if (rc == 0)
        rc = mlo_manifest_check(m.text, m.n, err);
    if (rc == 0)
        *ret = m;
    else
        mlo_registry_manifest_release(&m);
    return rc;
}

/* ---- signatures ---- */

static int fetch_signature(struct puller *p, const struct mlo_referrer *at, const struct mlo_digest *subject,
                           bool *ret_taken, struct mlo_err *err)
{
    struct mlo_registry_manifest m = {0};
    char text[MLO_DIGEST_TEXT];
    uint64_t size = 0;
    int rc = mlo_registry_manifest_get(p->registry, p->repository, mlo_digest_text(&at->digest, text), &m,
                                       err);
    for (size_t i = 0; rc == 0 && i < m.oci.n; i++)
        size += m.oci.list[i].size < MLO_BLOB_SIZE_MAX ? m.oci.list[i].size : MLO_BLOB_SIZE_MAX;
    *ret_taken = rc == 0 && m.oci.has_subject && mlo_digest_eq(&m.oci.subject.digest, subject) &&
                 size <= MLO_SIGNATURE_MAX;
    if (*ret_taken)
        rc = fetch_below(p, &m, err);
    mlo_registry_manifest_release(&m);
    return rc;
}

static int fetch_signatures(struct puller *p, const struct mlo_digest *subject, struct mlo_pulled *ret,
                            struct mlo_err *err)
{
    struct mlo_referrers list = {0};
    int rc = mlo_registry_referrers(p->registry, p->repository, subject, &list, err);
    struct mlo_digest *taken = rc == 0 ? mlo_calloc(list.n + 1, sizeof *taken, err) : NULL;
    size_t n = 0;
    if (rc == 0 && !taken)
        rc = MLO_EIO;
    for (size_t i = 0; rc == 0 && i < list.n; i++) {
        bool good = false;
        if (list.list[i].is_signature)
            rc = fetch_signature(p, &list.list[i], subject, &good, err);
        if (good)
            taken[n++] = list.list[i].digest;
    }
    free(list.list);
    if (rc != 0) {
        free(taken);
        return rc;
    }
    ret->referrers = taken;
    ret->n_referrers = n;
    return 0;
}

/* ---- the whole ---- */

static int pull_all(struct puller *p, const struct mlo_ref *ref, const char *url, struct mlo_pulled *ret,
                    struct mlo_err *err)
{
    struct mlo_registry_manifest m = {0};
    struct mlo_bundle b = {0};
    int rc = find_manifest(p, ref, url, &m, err);
    if (rc == 0)
        rc = fetch_below(p, &m, err);
    if (rc == 0) {
        ret->manifest = m.digest;
        rc = fetch_signatures(p, &m.digest, ret, err);
    }
    if (rc == 0 && !p->opts->dry_run)
        rc = mlo_bundle_load(p->store, &m.digest, &b, err);
    mlo_bundle_release(&b);
    mlo_registry_manifest_release(&m);
    return rc;
}

int mlo_registry_pull(struct mlo_remote *r, struct mlo_store *s, const struct mlo_ref *ref,
                      const struct mlo_sync_opts *o, struct mlo_pulled *ret, struct mlo_sync_stats *stats,
                      struct mlo_err *err)
{
    struct mlo_registry *g = mlo_registry_of(r);
    struct mlo_sync_stats st = {0};
    struct mlo_pulled pulled = {0};
    struct puller p = {.registry = g, .store = s, .opts = o, .stats = &st, .lock = PTHREAD_MUTEX_INITIALIZER};
    uint64_t requests = g->requests;
    int rc = pull_all(&p, ref, r->url, &pulled, err);
    if (rc == 0) {
        st.requests = g->requests - requests;
        st.unchanged = st.bytes_sent == 0;
        *stats = st;
        *ret = pulled;
    } else {
        free(pulled.referrers);
    }
    puller_release(&p);
    return rc;
}

/* ---- one blob ---- */

static int replace_manifest(struct puller *p, const struct mlo_registry_manifest *m, struct mlo_err *err)
{
    struct mlo_digest got;
    int rc = make_way(p, &m->digest, err);
    return rc != 0 ? rc : mlo_store_put(p->store, m->text, m->n, &got, err);
}

static int replace_blob(struct puller *p, const struct mlo_registry_manifest *m,
                        const struct mlo_digest *blob, const char *url, struct mlo_err *err)
{
    char text[MLO_DIGEST_TEXT];
    for (size_t i = 0; i < m->oci.n; i++) {
        if (!mlo_digest_eq(&m->oci.list[i].digest, blob))
            continue;
        struct wanted b = {*blob, m->oci.list[i].size};
        if (b.size > MLO_BLOB_SIZE_MAX)
            return mlo_fail(err, MLO_EINVALID, "the manifest names more bytes than can be");
        return fetch(p, &b, err);
    }
    return mlo_fail(err, MLO_ENOTFOUND, "%s is not part of this version on %s", mlo_digest_text(blob, text),
                    url);
}

int mlo_registry_fetch_blob(struct mlo_remote *r, struct mlo_store *s, const struct mlo_ref *ref,
                            const struct mlo_digest *blob, struct mlo_err *err)
{
    const struct mlo_sync_opts opts = {0};
    struct mlo_sync_stats stats = {0};
    struct mlo_registry_manifest m = {0};
    struct puller p = {.registry = mlo_registry_of(r),
                       .store = s,
                       .opts = &opts,
                       .stats = &stats,
                       .replace = true,
                       .lock = PTHREAD_MUTEX_INITIALIZER};
    int rc = find_manifest(&p, ref, r->url, &m, err);
    if (rc == 0)
        rc = mlo_digest_eq(&m.digest, blob) ? replace_manifest(&p, &m, err)
                                            : replace_blob(&p, &m, blob, r->url, err);
    mlo_registry_manifest_release(&m);
    puller_release(&p);
    return rc;
}

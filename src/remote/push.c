/*
 * Push: packs of new chunks, manifest, recipe, and the ref last, so that whoever reads the ref finds all it
 * leads to. What the remote holds is learnt from recipes that refs of the same name lead to now; nothing is
 * listed. A push that was cut off is taken up by asking for each pack before it is sent: packs are made the
 * same way every time.
 */
#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/thread.h>
#include <mlopsctl/base/time.h>

#include "plan.h"

#define KNOWN_TAGS_ASKED 4 /* other tags of the name, one request each */
#define SMALL_BLOB_BYTES                                                                                     \
    ((uint64_t)1 << 20) /* read into memory rather than kept open while a pack is sent                       \
                         */

struct pusher {
    struct mlo_remote *remote;
    const struct mlo_sync_opts *opts;
    struct mlo_sync_stats *stats;
    const struct mlo_ref *ref;
    struct mlo_remote_ref before;
    bool has_before;
    bool incomplete; /* something that the remote's recipes name is gone */
    struct mlo_plan plan;
    struct mlo_str recipe_text;
    struct mlo_digest recipe_digest;
    pthread_mutex_t lock; /* stats, progress */
    uint64_t done;
};

/* ---- what is there ---- */

/* With o->check: forgets what lies in packs that are not there as the recipe says. */
static int forget_missing(struct pusher *p, struct mlo_recipe *r, struct mlo_err *err)
{
    MLO_AUTOFREE uint64_t *sizes = mlo_calloc(r->n_packs + 1, sizeof *sizes, err);
    char key[MLO_KEY_MAX];
    size_t kept = 0;
    if (!sizes)
        return MLO_EIO;
    for (size_t i = 0; i < r->n_packs; i++) {
        int rc = mlo_rt_stat(p->remote, mlo_rt_key("packs", &r->packs[i], key), &sizes[i], err);
        if (rc != 0 && rc != MLO_ENOTFOUND)
            return rc;
    }
    *err = MLO_ERR_INIT;
    for (size_t i = 0; i < r->n_blobs; i++) {
        struct mlo_recipe_blob b = r->blobs[i];
        bool whole = true;
        for (size_t j = b.first; j < b.first + b.n; j++)
            whole = whole && (uint64_t)r->pieces[j].offset + r->pieces[j].length <= sizes[r->pieces[j].pack];
        if (whole)
            r->blobs[kept++] = b;
    }
    p->incomplete = p->incomplete || kept < r->n_blobs;
    r->n_blobs = kept;
    return 0;
}

/* A recipe that is gone or damaged is not an error: what it described is sent again. */
static int know_recipe(struct pusher *p, const struct mlo_digest *digest, struct mlo_err *err)
{
    struct mlo_recipe r = {0};
    int rc = mlo_known_recipe(p->opts->home, p->remote, digest, &r, err);
    if (rc == MLO_ENOTFOUND || rc == MLO_EINVALID) {
        *err = MLO_ERR_INIT;
        return 0;
    }
    if (rc == 0 && p->opts->check)
        rc = forget_missing(p, &r, err);
    if (rc == 0)
        rc = mlo_plan_know(&p->plan, &r, err);
    mlo_recipe_release(&r);
    return rc;
}

static int know_tag(struct pusher *p, const char *tag, struct mlo_err *err)
{
    struct mlo_ref other = *p->ref;
    struct mlo_remote_ref at;
    if (strcmp(tag, p->ref->tag) == 0)
        return 0;
    snprintf(other.tag, sizeof other.tag, "%s", tag);
    int rc = mlo_remote_ref_get(p->remote, &other, &at, err);
    if (rc == MLO_ENOTFOUND || rc == MLO_EINVALID) {
        *err = MLO_ERR_INIT;
        return 0;
    }
    return rc != 0 ? rc : know_recipe(p, &at.recipe, err);
}

static int know_head(struct pusher *p, struct mlo_err *err)
{
    struct mlo_remote_ref at;
    int rc = mlo_head_get(p->remote, p->ref->name, &at, err);
    if (rc == MLO_ENOTFOUND || rc == MLO_EINVALID) {
        *err = MLO_ERR_INIT;
        return 0;
    }
    return rc != 0 ? rc : know_recipe(p, &at.recipe, err);
}

static int look(struct pusher *p, struct mlo_err *err)
{
    int rc = mlo_remote_ref_get(p->remote, p->ref, &p->before, err);
    p->has_before = rc == 0;
    if (rc == MLO_ENOTFOUND) {
        *err = MLO_ERR_INIT;
        rc = 0;
    }
    return rc == 0 && p->has_before ? know_recipe(p, &p->before.recipe, err) : rc;
}

static int look_further(struct pusher *p, struct mlo_err *err)
{
    struct mlo_known known;
    int rc = mlo_known_load(p->opts->home, p->remote, p->ref->name, &known, err);
    for (size_t i = 0; rc == 0 && i < known.n && i < KNOWN_TAGS_ASKED; i++)
        rc = know_tag(p, known.tags[i].tag, err);
    return rc == 0 && p->plan.n_known == 0 ? know_head(p, err) : rc;
}

static bool has_referrer(const struct mlo_recipe *r, const struct mlo_digest *d)
{
    for (size_t i = 0; i < r->n_referrers; i++)
        if (mlo_digest_eq(&r->referrers[i], d))
            return true;
    return false;
}

/* Does the ref lead to exactly this already? */
static bool is_unchanged(const struct pusher *p, const struct mlo_digest *manifest)
{
    const struct mlo_recipe *r = p->plan.n_known ? &p->plan.known[0] : NULL;
    if (!p->has_before || p->incomplete || !r || !mlo_digest_eq(&p->before.manifest, manifest) ||
        !mlo_digest_eq(&r->manifest, manifest) || r->n_referrers != p->opts->n_referrers)
        return false;
    for (size_t i = 0; i < p->opts->n_referrers; i++)
        if (!has_referrer(r, &p->opts->referrers[i]))
            return false;
    return true;
}

/* ---- packs ---- */

struct part { /* of a pack: in memory, or in a file */
    const char *mem;
    int fd;
    uint64_t offset, length;
};
struct sending { /* one pack: parts and what they borrow */
    struct part *parts;
    size_t n;
    struct {
        size_t blob;
        int fd;
        char *mem;
    } last; /* the blob that the last part came from */
    int *fds;
    char **mems;
    size_t n_fds, fds_cap, n_mems, mems_cap;
};

static void sending_release(struct sending *s)
{
    for (size_t i = 0; i < s->n_fds; i++)
        mlo_cleanup_close(&s->fds[i]);
    for (size_t i = 0; i < s->n_mems; i++)
        free(s->mems[i]);
    free(s->fds);
    free(s->mems);
    free(s->parts);
}

/* Opens the piece's blob, or reads it when it is small: a pack may hold thousands of them. */
static int take_blob(struct pusher *p, struct sending *s, size_t blob, struct mlo_err *err)
{
    const struct mlo_plan_blob *b = &p->plan.blobs[blob];
    if (s->n > 0 && s->last.blob == blob)
        return 0;
    s->last.blob = blob;
    s->last.fd = -1;
    s->last.mem = NULL;
    if (b->size > SMALL_BLOB_BYTES) {
        int rc = mlo_grow(&s->fds, &s->fds_cap, s->n_fds + 1, sizeof *s->fds, err);
        if (rc == 0)
            rc = mlo_store_open_blob(p->plan.store, &b->digest, &s->last.fd, NULL, err);
        if (rc == 0)
            s->fds[s->n_fds++] = s->last.fd;
        return rc;
    }
    size_t n = 0;
    int rc = mlo_grow(&s->mems, &s->mems_cap, s->n_mems + 1, sizeof *s->mems, err);
    if (rc == 0)
        rc = mlo_store_read(p->plan.store, &b->digest, SMALL_BLOB_BYTES, &s->last.mem, &n, err);
    if (rc == 0)
        s->mems[s->n_mems++] = s->last.mem;
    if (rc == 0 && n != b->size)
        rc = mlo_fail(err, MLO_EINVALID, "a blob of the store is damaged");
    return rc;
}

static int make_parts(struct pusher *p, const struct mlo_new_pack *pack, struct sending *s,
                      struct mlo_err *err)
{
    s->parts = mlo_calloc(pack->n, sizeof *s->parts, err);
    if (!s->parts)
        return MLO_EIO;
    for (size_t i = pack->first; i < pack->first + pack->n; i++) {
        const struct mlo_new_piece *piece = &p->plan.pieces[i];
        int rc = take_blob(p, s, piece->blob, err);
        if (rc != 0)
            return rc;
        s->parts[s->n++] = (struct part){.mem = s->last.mem ? s->last.mem + piece->offset : NULL,
                                         .fd = s->last.fd,
                                         .offset = s->last.mem ? 0 : piece->offset,
                                         .length = piece->length};
    }
    return 0;
}

static int hash_part(struct mlo_sha256 *hash, const struct part *part, char *buf, size_t cap,
                     struct mlo_err *err)
{
    if (part->mem)
        return mlo_sha256_update(hash, part->mem, (size_t)part->length, err);
    for (uint64_t done = 0; done < part->length;) {
        size_t n = part->length - done < cap ? (size_t)(part->length - done) : cap;
        int rc = mlo_read_exact_at(part->fd, buf, n, part->offset + done, err);
        if (rc == 0)
            rc = mlo_sha256_update(hash, buf, n, err);
        if (rc != 0)
            return rc;
        done += n;
    }
    return 0;
}

static int hash_body(const struct sending *s, struct mlo_digest *ret, struct mlo_err *err)
{
    enum { IO_BYTES = 1 << 20 };
    MLO_AUTOFREE char *buf = malloc(IO_BYTES);
    struct mlo_sha256 hash = {0};
    int rc = buf ? mlo_sha256_new(&hash, err) : mlo_fail_nomem(err);
    for (size_t i = 0; rc == 0 && i < s->n; i++)
        rc = hash_part(&hash, &s->parts[i], buf, IO_BYTES, err);
    if (rc == 0)
        rc = mlo_sha256_end(&hash, ret, err);
    mlo_sha256_free(&hash);
    return rc;
}

static int read_pack(void *ctx, uint64_t offset, void *buf, size_t cap, size_t *ret_n, struct mlo_err *err)
{
    const struct sending *s = ctx;
    size_t i = 0;
    for (; offset >= s->parts[i].length; i++)
        offset -= s->parts[i].length;
    const struct part *part = &s->parts[i];
    *ret_n = part->length - offset < cap ? (size_t)(part->length - offset) : cap;
    if (!part->mem)
        return mlo_read_exact_at(part->fd, buf, *ret_n, part->offset + offset, err);
    memcpy(buf, part->mem + offset, *ret_n);
    return 0;
}

/* Puts what is not there yet. */
static int ensure(struct pusher *p, const char *key, const struct mlo_body *body, bool *ret_sent,
                  struct mlo_err *err)
{
    uint64_t size = 0;
    int rc = mlo_rt_stat(p->remote, key, &size, err);
    if (rc == 0 && size == body->size)
        return 0;
    if (rc != 0 && rc != MLO_ENOTFOUND)
        return rc;
    *err = MLO_ERR_INIT;
    *ret_sent = true;
    return mlo_rt_put(p->remote, key, body, err);
}

static void count_pack(struct pusher *p, const struct mlo_new_pack *pack, bool sent)
{
    pthread_mutex_lock(&p->lock);
    if (sent) {
        p->stats->packs_sent++;
        p->stats->bytes_sent += pack->size;
        p->stats->chunks_sent += pack->n;
    }
    p->done += pack->size;
    if (p->opts->progress)
        p->opts->progress(p->opts->progress_ctx, p->done, p->plan.bytes_new);
    pthread_mutex_unlock(&p->lock);
}

static int send_pack(void *ctx, size_t i, struct mlo_err *err)
{
    struct pusher *p = ctx;
    struct mlo_new_pack *pack = &p->plan.packs[i];
    struct sending s = {0};
    char key[MLO_KEY_MAX];
    bool sent = false;
    int rc = make_parts(p, pack, &s, err);
    if (rc == 0)
        rc = hash_body(&s, &pack->digest, err);
    if (rc == 0) {
        struct mlo_body body = {.size = pack->size, .digest = pack->digest, .read = read_pack, .ctx = &s};
        rc = ensure(p, mlo_rt_key("packs", &pack->digest, key), &body, &sent, err);
    }
    sending_release(&s);
    if (rc == 0)
        count_pack(p, pack, sent);
    return rc;
}

static int send_packs(struct pusher *p, struct mlo_err *err)
{
    struct mlo_recipe *r = &p->plan.recipe;
    unsigned width = p->opts->parallel ? p->opts->parallel : p->remote->t.parallel;
    int rc = mlo_parallel(p->plan.n_packs, width ? width : 1, send_pack, p, err);
    if (rc == 0)
        rc = mlo_grow(&r->packs, &r->packs_cap, r->n_packs + p->plan.n_packs + 1, sizeof *r->packs, err);
    for (size_t i = 0; rc == 0 && i < p->plan.n_packs; i++)
        r->packs[r->n_packs++] = p->plan.packs[i].digest;
    return rc;
}

/* ---- recipe, manifest, ref ---- */

static int send_text(struct pusher *p, const char *kind, const char *text, size_t n, struct mlo_digest *ret,
                     struct mlo_err *err)
{
    struct mlo_body_text from = {text, n};
    struct mlo_body body = {.size = n, .read = mlo_body_text, .ctx = &from};
    char key[MLO_KEY_MAX];
    bool sent = false;
    int rc = mlo_sha256(text, n, &body.digest, err);
    if (rc == 0)
        rc = ensure(p, mlo_rt_key(kind, &body.digest, key), &body, &sent, err);
    if (rc != 0)
        return rc;
    p->stats->bytes_sent += sent ? n : 0;
    *ret = body.digest;
    return 0;
}

static int send_descriptions(struct pusher *p, const struct mlo_digest *manifest, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    struct mlo_digest got;
    size_t n = 0;
    int rc = mlo_store_read(p->plan.store, manifest, MLO_MANIFEST_MAX, &text, &n, err);
    if (rc == 0)
        rc = send_text(p, "manifests", text, n, &got, err);
    if (rc == 0)
        rc = mlo_recipe_format(&p->plan.recipe, &p->recipe_text, err);
    return rc != 0 ? rc
                   : send_text(p, "recipes", p->recipe_text.ptr, p->recipe_text.len, &p->recipe_digest, err);
}

static int send_ref(struct pusher *p, const struct mlo_digest *manifest, struct mlo_err *err)
{
    const struct mlo_sync_opts *o = p->opts;
    struct mlo_remote_ref after = {.manifest = *manifest,
                                   .recipe = p->recipe_digest,
                                   .size = p->plan.bytes_total,
                                   .time_ns = mlo_time_now() / MLO_NS_PER_S * MLO_NS_PER_S};
    const struct mlo_remote_ref *before = p->has_before ? &p->before : NULL;
    snprintf(after.by, sizeof after.by, "%s", o->by ? o->by : "");
    int rc = o->before_ref ? o->before_ref(o->before_ref_ctx, before, &after, err) : 0;
    if (rc == 0)
        rc = mlo_remote_ref_set(p->remote, p->ref, before, &after, err);
    if (rc == 0)
        rc = mlo_head_put(p->remote, p->ref->name, &after, err);
    if (rc == 0)
        rc = mlo_known_note(o->home, p->remote, p->ref, p->recipe_text.ptr, p->recipe_text.len, err);
    return rc;
}

static int push_changes(struct pusher *p, const struct mlo_digest *manifest, struct mlo_err *err)
{
    int rc = look_further(p, err);
    if (rc == 0)
        rc = mlo_plan_make(&p->plan, manifest, p->opts->referrers, p->opts->n_referrers, err);
    if (rc == 0)
        rc = mlo_room_check(p->remote, &p->plan, p->stats, err);
    if (rc != 0)
        return rc;
    p->stats->bytes_total = p->plan.bytes_total;
    p->stats->bytes_reused = p->plan.bytes_total - p->plan.bytes_new;
    p->stats->chunks = p->plan.recipe.n_pieces;
    if (p->opts->dry_run) {
        p->stats->bytes_sent = p->plan.bytes_new;
        p->stats->chunks_sent = p->plan.n_pieces;
        p->stats->packs_sent = p->plan.n_packs;
        return 0;
    }
    rc = send_packs(p, err);
    if (rc == 0)
        rc = send_descriptions(p, manifest, err);
    return rc != 0 ? rc : send_ref(p, manifest, err);
}

int mlo_packed_push(struct mlo_remote *r, struct mlo_store *s, const struct mlo_digest *manifest,
                    const struct mlo_ref *ref, const struct mlo_sync_opts *o, struct mlo_sync_stats *ret,
                    struct mlo_err *err)
{
    struct mlo_sync_stats stats = {0};
    struct pusher p = {
        .remote = r, .opts = o, .stats = &stats, .ref = ref, .lock = PTHREAD_MUTEX_INITIALIZER};
    uint64_t requests = r->requests;
    p.plan.store = s;
    p.plan.threads = mlo_cpu_count();
    mlo_str_init(&p.recipe_text, MLO_RECIPE_MAX);
    int rc = look(&p, err);
    if (rc == 0) {
        stats.unchanged = is_unchanged(&p, manifest);
        if (!stats.unchanged)
            rc = push_changes(&p, manifest, err);
        else
            stats.bytes_total = stats.bytes_reused = p.before.size;
    }
    stats.requests = r->requests - requests;
    if (rc == 0)
        *ret = stats;
    mlo_plan_release(&p.plan);
    mlo_str_release(&p.recipe_text);
    pthread_mutex_destroy(&p.lock);
    return rc;
}

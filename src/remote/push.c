/*
 * Push: packs of new chunks, manifest, recipe, and the ref last, so that whoever reads the ref finds all it
 * leads to. Packs are sent side by side while the next ones are still being made. What the remote holds is
 * learnt from recipes that refs of the same name lead to now (survey.c); nothing is listed. A push that was
 * cut off is taken up by asking for each object before it is sent: packs are made the same way every time.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/thread.h>
#include <mlopsctl/base/time.h>

#include "push.h"

#define PACK_MIN ((uint64_t)1 << 20) /* a remote that takes no more than this is of no use */

/* ---- progress ---- */

void mlo_push_count(struct mlo_pusher *p, uint64_t bytes)
{
    pthread_mutex_lock(&p->lock);
    p->done += bytes;
    if (p->opts->progress)
        p->opts->progress(p->opts->progress_ctx, p->done, p->total);
    pthread_mutex_unlock(&p->lock);
}

/* Where room is short, all is measured before the first byte is sent. */
static int hear_start(void *ctx, struct mlo_err *err)
{
    struct mlo_pusher *p = ctx;
    (void)err;
    p->plan.bytes_files = p->files ? mlo_push_files_bytes(p->files) : 0;
    p->total = p->plan.bytes_read + p->plan.bytes_files;
    p->measuring = p->opts->dry_run || (!p->measured && !mlo_room_plenty(p->remote, &p->plan));
    mlo_push_count(p, 0);
    return 0;
}

static void hear_known(void *ctx, uint64_t bytes)
{
    mlo_push_count(ctx, bytes);
}

/* ---- putting ---- */

/* Puts what is not there yet; only a push that was cut off, or somebody who asks for it, looks first. */
static int ensure(struct mlo_pusher *p, const char *key, const struct mlo_body *body, bool *ret_sent,
                  struct mlo_err *err)
{
    uint64_t size = 0;
    int rc = p->probe ? mlo_rt_stat(p->remote, key, &size, err) : MLO_ENOTFOUND;
    if (rc == 0 && size == body->size)
        return 0;
    if (rc != 0 && rc != MLO_ENOTFOUND)
        return rc;
    *err = MLO_ERR_INIT;
    *ret_sent = true;
    return mlo_rt_put(p->remote, key, body, err);
}

/* ---- packs ---- */

struct reading { /* of one pack, by its transfer */
    struct mlo_pusher *pusher;
    const struct mlo_new_pack *pack;
    size_t piece, blob;
    int fd; /* of the blob */
    uint64_t counted;
};

static const struct mlo_new_piece *find_piece(struct reading *r, uint64_t offset)
{
    const struct mlo_new_piece *list = r->pack->pieces;
    if (offset < list[r->piece].pack_offset)
        r->piece = 0; /* the transfer begins again */
    while (offset >= (uint64_t)list[r->piece].pack_offset + list[r->piece].length)
        r->piece++;
    return &list[r->piece];
}

static int open_blob(struct reading *r, size_t blob, struct mlo_err *err)
{
    const struct mlo_plan *plan = &r->pusher->plan;
    if (r->fd >= 0 && r->blob == blob)
        return 0;
    mlo_cleanup_close(&r->fd);
    r->fd = -1;
    r->blob = blob;
    return mlo_store_open_blob(plan->store, &plan->blobs[blob].digest, &r->fd, NULL, err);
}

static int read_pack(void *ctx, uint64_t offset, void *buf, size_t cap, size_t *ret_n, struct mlo_err *err)
{
    struct reading *r = ctx;
    const struct mlo_new_piece *piece = find_piece(r, offset);
    uint64_t skip = offset - piece->pack_offset, left = piece->length - skip;
    size_t n = left < cap ? (size_t)left : cap;
    int rc = open_blob(r, piece->blob, err);
    if (rc == 0)
        rc = mlo_read_exact_at(r->fd, buf, n, piece->offset + skip, err);
    if (rc != 0)
        return rc;
    if (offset + n > r->counted) { /* what is sent again counts once */
        mlo_push_count(r->pusher, offset + n - r->counted);
        r->counted = offset + n;
    }
    *ret_n = n;
    return 0;
}

static int keep_sent(struct mlo_pusher *p, struct mlo_new_pack *pack, bool sent, struct mlo_err *err)
{
    pthread_mutex_lock(&p->lock);
    int rc = mlo_grow(&p->sent, &p->sent_cap, p->n_sent + 1, sizeof *p->sent, err);
    if (rc == 0 && sent) {
        p->stats->packs_sent++;
        p->stats->bytes_sent += pack->size;
        p->stats->chunks_sent += pack->n;
    }
    if (rc == 0) {
        p->sent[p->n_sent++] = *pack;
        *pack = (struct mlo_new_pack){.size = 0};
    }
    pthread_mutex_unlock(&p->lock);
    return rc;
}

static int send_pack(void *ctx, struct mlo_new_pack *pack, struct mlo_err *err)
{
    struct mlo_pusher *p = ctx;
    struct reading r = {.pusher = p, .pack = pack, .fd = -1};
    struct mlo_body body = {
        .size = pack->size, .digest = pack->digest, .divisible = true, .read = read_pack, .ctx = &r};
    char key[MLO_KEY_MAX];
    bool sent = false;
    int rc = ensure(p, mlo_rt_key("packs", &pack->digest, key), &body, &sent, err);
    mlo_cleanup_close(&r.fd);
    if (rc != 0)
        return rc;
    mlo_push_count(p, pack->size - r.counted);
    return keep_sent(p, pack, sent, err);
}

static int give_pack(void *ctx, struct mlo_new_pack *pack, struct mlo_err *err)
{
    struct mlo_pusher *p = ctx;
    if (!p->measuring)
        return mlo_senders_give(p->senders, pack, err);
    mlo_new_pack_release(pack);
    return 0;
}

/* What failed at a sender is the cause, not what the planner then says. */
static int plan_and_send(struct mlo_pusher *p, const struct mlo_digest *manifest, struct mlo_err *err)
{
    unsigned width = p->opts->parallel ? p->opts->parallel : p->remote->t.parallel;
    struct mlo_err sending = MLO_ERR_INIT;
    p->done = 0;
    p->plan.sent = p->sent;
    p->plan.n_sent = p->n_sent;
    int rc = mlo_senders_new(width ? width : 1, send_pack, p, &p->senders, err);
    if (rc != 0)
        return rc;
    rc = mlo_plan_make(&p->plan, manifest, p->opts->referrers, p->opts->n_referrers, err);
    if (mlo_senders_end(mlo_steal(&p->senders), rc == 0, &sending) != 0) {
        *err = sending;
        rc = sending.code;
    }
    return rc;
}

/* A remote that refuses a pack for its size gets smaller ones from then on; what it has taken it keeps. */
static int send_packs(struct mlo_pusher *p, const struct mlo_digest *manifest, struct mlo_err *err)
{
    uint64_t max = p->remote->t.max_put;
    p->plan.pack_max = max > 0 && max < MLO_PACK_MAX ? max : MLO_PACK_MAX;
    for (;;) {
        int rc = plan_and_send(p, manifest, err);
        if (rc == 0 && p->measuring) {
            p->measured = true;
            rc = mlo_room_check(p->remote, &p->plan, p->stats, err);
            if (rc == 0 && !p->opts->dry_run)
                continue;
        }
        if (rc == 0 || err->sys_errno != EFBIG || p->plan.pack_max / 2 < PACK_MIN)
            return rc;
        *err = MLO_ERR_INIT;
        p->plan.pack_max /= 2;
    }
}

/* ---- recipe, manifest, ref ---- */

static int send_text(struct mlo_pusher *p, const char *kind, const char *text, size_t n,
                     struct mlo_digest *ret, struct mlo_err *err)
{
    struct mlo_body_text from = {text, n};
    struct mlo_body body = {.size = n, .read = mlo_body_text, .ctx = &from};
    char key[MLO_KEY_MAX];
    bool sent = false;
    int rc = mlo_sha256(text, n, &body.digest, err);
    mlo_rt_key(kind, &body.digest, key);
    if (rc == 0 && p->opts->check) { /* one that is damaged may have its size */
        rc = mlo_rt_put(p->remote, key, &body, err);
        sent = true;
    } else if (rc == 0 && !mlo_digest_set_has(&p->there, &body.digest)) {
        rc = ensure(p, key, &body, &sent, err);
    }
    if (rc != 0)
        return rc;
    p->stats->bytes_sent += sent ? n : 0;
    *ret = body.digest;
    return 0;
}

static int send_descriptions(struct mlo_pusher *p, const struct mlo_digest *manifest, struct mlo_err *err)
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

static void warn(struct mlo_pusher *p, const char *what, const struct mlo_err *why)
{
    if (!*p->stats->warning)
        snprintf(p->stats->warning, sizeof p->stats->warning, "%s: %s", what, why->msg);
}

/* The push is done; that what only saves time later could not be written must not undo it. */
static void note_done(struct mlo_pusher *p, const struct mlo_remote_ref *after)
{
    const char *home = p->opts->home;
    struct mlo_err why = MLO_ERR_INIT;
    if (mlo_head_put(p->remote, p->ref->name, after, &why) != 0)
        warn(p, "the head could not be written, so other machines may send more than they need to", &why);
    if (p->has_before && p->before.files && !p->files && mlo_files_retire(p->remote, p->ref, &why) != 0)
        warn(p, "the list of plain files still says that they are this tag's", &why);
    if (mlo_known_note(home, p->remote, p->ref, p->recipe_text.ptr, p->recipe_text.len, &why) != 0)
        warn(p, "what is on the remote could not be noted here, so the next push may take longer", &why);
    mlo_known_end(home, p->remote, p->ref->name);
}

static int send_ref(struct mlo_pusher *p, const struct mlo_digest *manifest, struct mlo_err *err)
{
    const struct mlo_sync_opts *o = p->opts;
    struct mlo_remote_ref after = {.manifest = *manifest,
                                   .recipe = p->recipe_digest,
                                   .size = p->plan.bytes_total,
                                   .files = p->files != NULL,
                                   .time_ns = mlo_time_now() / MLO_NS_PER_S * MLO_NS_PER_S};
    const struct mlo_remote_ref *before = p->has_before ? &p->before : NULL;
    snprintf(after.by, sizeof after.by, "%s", o->by ? o->by : "");
    int rc = o->before_ref ? o->before_ref(o->before_ref_ctx, before, &after, err) : 0;
    if (rc == 0 && p->files)
        rc = mlo_push_files(p->files, err);
    if (rc == 0)
        rc = mlo_ref_move(p->remote, p->ref, p->has_before ? before : NULL, &after, err);
    if (rc == 0)
        note_done(p, &after);
    return rc;
}

static void report_plan(struct mlo_pusher *p)
{
    const struct mlo_plan *plan = &p->plan;
    p->stats->bytes_total = plan->bytes_total;
    uint64_t more = plan->bytes_new + plan->bytes_files;
    p->stats->bytes_reused = plan->bytes_total > more ? plan->bytes_total - more : 0;
    p->stats->chunks = plan->recipe.n_pieces;
    if (!p->opts->dry_run)
        return;
    p->stats->bytes_sent = more;
    p->stats->chunks_sent = plan->n_new_pieces;
    p->stats->packs_sent = plan->n_new_packs;
}

static int push_changes(struct mlo_pusher *p, const struct mlo_digest *manifest, struct mlo_err *err)
{
    const char *home = p->opts->home;
    int rc = mlo_survey_more(p, err);
    if (rc != 0)
        return rc;
    p->probe = p->opts->check || mlo_known_unfinished(home, p->remote, p->ref->name);
    if (!p->opts->dry_run)
        mlo_known_begin(home, p->remote, p->ref->name);
    rc = send_packs(p, manifest, err);
    if (rc != 0)
        return rc;
    report_plan(p);
    if (p->opts->dry_run)
        return 0;
    rc = send_descriptions(p, manifest, err);
    return rc != 0 ? rc : send_ref(p, manifest, err);
}

static void release(struct mlo_pusher *p)
{
    mlo_plan_release(&p->plan);
    mlo_str_release(&p->recipe_text);
    mlo_digest_set_release(&p->there);
    mlo_push_files_free(p->files);
    for (size_t i = 0; i < p->n_sent; i++)
        mlo_new_pack_release(&p->sent[i]);
    free(p->sent);
    pthread_mutex_destroy(&p->lock);
}

int mlo_packed_push(struct mlo_remote *r, struct mlo_store *s, const struct mlo_digest *manifest,
                    const struct mlo_ref *ref, const struct mlo_sync_opts *o, struct mlo_sync_stats *ret,
                    struct mlo_err *err)
{
    struct mlo_sync_stats stats = {0};
    struct mlo_pusher p = {
        .remote = r, .opts = o, .stats = &stats, .ref = ref, .lock = PTHREAD_MUTEX_INITIALIZER};
    uint64_t requests = r->requests;
    p.plan.store = s;
    p.plan.threads = mlo_cpu_count();
    p.plan.on_pack = give_pack;
    p.plan.on_start = hear_start;
    p.plan.on_known = hear_known;
    p.plan.ctx = &p;
    mlo_str_init(&p.recipe_text, MLO_RECIPE_MAX);
    p.plan.files = o->layout == MLO_LAYOUT_FILES;
    int rc = mlo_survey(&p, err);
    if (rc == 0 && p.plan.files)
        rc = mlo_push_files_new(&p, manifest, &p.files, err);
    if (rc == 0) {
        stats.unchanged = mlo_survey_unchanged(&p, manifest);
        if (!stats.unchanged)
            rc = push_changes(&p, manifest, err);
        else
            stats.bytes_total = stats.bytes_reused = p.before.size;
    }
    stats.requests = r->requests - requests;
    if (rc == 0)
        *ret = stats;
    release(&p);
    return rc;
}

/*
 * One read of a blob does it all: a thread hashes the blob, another one cuts it, hashes each chunk, and
 * hashes the pack that the chunk would go to. Only at its end a chunk turns out to be known or too long for
 * the pack; then the pack's hash goes back to where it was before the chunk. So the name of a pack is known
 * when it is full, and its bytes are read a second time only to be sent.
 *
 * Packs are made the same way every time: chunks in the order of the blobs' digests, a new pack when the next
 * chunk does not fit.
 */
#include "plan.h"

#include <inttypes.h>

struct mlo_packer {
    struct mlo_plan *plan;
    struct mlo_new_pack pack; /* being filled; n 0: none */
    size_t number;            /* of it in the plan */
    struct mlo_sha256 chunk, pack_hash, before, spare;
    /* the blob at hand */
    size_t blob, file_plus_1; /* of a plain file only the chunks' digests are wanted */
    struct mlo_cutter cutter;
    uint64_t start; /* of the chunk at hand */
};

void mlo_new_pack_release(struct mlo_new_pack *pack)
{
    free(pack->pieces);
    *pack = (struct mlo_new_pack){.size = 0};
}

int mlo_packer_new(struct mlo_plan *p, struct mlo_packer **ret, struct mlo_err *err)
{
    struct mlo_packer *k = mlo_calloc(1, sizeof *k, err);
    if (!k)
        return MLO_EIO;
    k->plan = p;
    struct mlo_sha256 *const all[] = {&k->chunk, &k->pack_hash, &k->before, &k->spare};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < MLO_COUNT(all); i++)
        rc = mlo_sha256_new(all[i], err);
    if (rc != 0) {
        mlo_packer_free(k);
        return rc;
    }
    *ret = k;
    return 0;
}

void mlo_packer_free(struct mlo_packer *k)
{
    if (!k)
        return;
    mlo_new_pack_release(&k->pack);
    mlo_sha256_free(&k->chunk);
    mlo_sha256_free(&k->pack_hash);
    mlo_sha256_free(&k->before);
    mlo_sha256_free(&k->spare);
    free(k);
}

static void swap(struct mlo_sha256 *a, struct mlo_sha256 *b)
{
    struct mlo_sha256 was = *a;
    *a = *b;
    *b = was;
}

/* ---- packs ---- */

/* hash: of the pack's bytes. */
static int close_pack(struct mlo_packer *k, struct mlo_sha256 *hash, struct mlo_err *err)
{
    int rc = mlo_sha256_end(hash, &k->pack.digest, err);
    if (rc != 0)
        return rc;
    struct mlo_new_pack full = k->pack;
    k->plan->packs[k->number].digest = full.digest;
    k->plan->n_new_packs++;
    k->pack = (struct mlo_new_pack){.size = 0};
    return k->plan->on_pack(k->plan->ctx, &full, err);
}

static int add_piece(struct mlo_packer *k, const struct mlo_digest *digest, uint32_t length,
                     struct mlo_place *ret, struct mlo_err *err)
{
    struct mlo_new_pack *pack = &k->pack;
    int rc = pack->n == 0 ? mlo_plan_add_pack(k->plan, &k->number, err) : 0;
    if (rc == 0)
        rc = mlo_grow(&pack->pieces, &pack->cap, pack->n + 1, sizeof *pack->pieces, err);
    if (rc != 0)
        return rc;
    *ret = (struct mlo_place){k->number, (uint32_t)pack->size, length};
    pack->pieces[pack->n++] = (struct mlo_new_piece){.digest = *digest,
                                                     .blob = k->blob,
                                                     .offset = k->start,
                                                     .length = length,
                                                     .pack_offset = (uint32_t)pack->size};
    pack->size += length;
    k->plan->n_new_pieces++;
    k->plan->bytes_new += length;
    return 0;
}

/* ---- chunks ---- */

/* The first chunk of a pack is the pack so far: it is hashed once for both. */
static int begin_chunk(struct mlo_packer *k, struct mlo_err *err)
{
    int rc = mlo_sha256_begin(&k->chunk, err);
    return rc != 0 || k->pack.n == 0 || k->file_plus_1 > 0 ? rc
                                                           : mlo_sha256_copy(&k->before, &k->pack_hash, err);
}

static int hash_chunk(struct mlo_packer *k, const void *p, size_t n, struct mlo_err *err)
{
    int rc = mlo_sha256_update(&k->chunk, p, n, err);
    return rc != 0 || k->pack.n == 0 || k->file_plus_1 > 0 ? rc : mlo_sha256_update(&k->pack_hash, p, n, err);
}

/* The chunk is new: into the pack, or into the next one when it does not fit. */
static int put_new(struct mlo_packer *k, const struct mlo_digest *digest, uint32_t length,
                   struct mlo_place *ret, struct mlo_err *err)
{
    bool first = k->pack.n == 0;
    int rc = 0;
    if (!first && k->pack.size + length > k->plan->pack_max) {
        rc = close_pack(k, &k->before, err);
        first = true;
    }
    if (first)
        swap(&k->pack_hash, &k->chunk);
    return rc != 0 ? rc : add_piece(k, digest, length, ret, err);
}

static int end_file_chunk(struct mlo_packer *k, struct mlo_err *err)
{
    struct mlo_digest digest;
    uint64_t start = k->start;
    int rc = mlo_sha256_end(&k->chunk, &digest, err);
    k->start = k->cutter.at;
    k->plan->on_known(k->plan->ctx, k->cutter.at - start);
    return rc != 0 ? rc
                   : mlo_plan_use_file(k->plan, &digest, k->file_plus_1 - 1, start,
                                       (uint32_t)(k->cutter.at - start), err);
}

static int end_chunk(struct mlo_packer *k, struct mlo_err *err)
{
    struct mlo_plan *p = k->plan;
    uint32_t length = (uint32_t)(k->cutter.at - k->start);
    struct mlo_digest digest;
    size_t at;
    if (k->file_plus_1 > 0)
        return end_file_chunk(k, err);
    int rc = mlo_sha256_copy(&k->spare, &k->chunk, err);
    if (rc == 0)
        rc = mlo_sha256_end(&k->spare, &digest, err);
    if (rc == 0)
        rc = mlo_grow(&p->places, &p->places_cap, p->n_places + 1, sizeof *p->places, err);
    if (rc == 0)
        rc = mlo_digest_map_add(&p->index, &digest, p->n_places, &at, err);
    if (rc != 0)
        return rc;
    bool known = at < p->n_places && p->places[at].length == length;
    if (known && k->pack.n > 0)
        swap(&k->pack_hash, &k->before);
    if (!known)
        rc = put_new(k, &digest, length, &p->places[at], err);
    if (rc != 0)
        return rc;
    p->n_places += at == p->n_places;
    if (known)
        p->on_known(p->ctx, length);
    k->start = k->cutter.at;
    return mlo_plan_use(p, &digest, &p->places[at], err);
}

static int hear(void *ctx, const void *bytes, size_t n, struct mlo_err *err)
{
    struct mlo_packer *k = ctx;
    const char *p = bytes;
    int rc = 0;
    while (rc == 0 && n > 0) {
        bool first = k->cutter.at == k->start, end = false;
        size_t taken = mlo_cutter_take(&k->cutter, p, n, &end);
        if (first)
            rc = begin_chunk(k, err);
        if (rc == 0)
            rc = hash_chunk(k, p, taken, err);
        if (rc == 0 && end)
            rc = end_chunk(k, err);
        p += taken;
        n -= taken;
    }
    return rc;
}

/* ---- blobs ---- */

int mlo_packer_blob(struct mlo_packer *k, size_t blob, struct mlo_span *spans, size_t n, struct mlo_err *err)
{
    const struct mlo_plan_blob *b = &k->plan->blobs[blob];
    MLO_AUTOCLOSE int fd = -1;
    char text[MLO_DIGEST_TEXT];
    struct mlo_digest got;
    uint64_t size = 0;
    int rc = mlo_store_open_blob(k->plan->store, &b->digest, &fd, &size, err);
    if (rc != 0)
        return rc;
    struct mlo_ingest in = {.fd = fd,
                            .label = mlo_digest_text(&b->digest, text),
                            .threads = k->plan->threads,
                            .also = hear,
                            .also_ctx = k,
                            .dry_run = true};
    k->blob = blob;
    k->file_plus_1 = b->file_plus_1;
    k->start = 0;
    if (size == b->size) {
        mlo_cutter_init(&k->cutter, spans, n, size, b->file_plus_1 > 0 ? MLO_PACK_MAX : k->plan->pack_max);
        rc = mlo_store_ingest(k->plan->store, &in, &got, &size, err);
    }
    if (rc != 0)
        return rc;
    if (size == b->size && mlo_digest_eq(&got, &b->digest))
        return 0;
    mlo_fail(err, MLO_EINVALID, "%s: the stored copy is damaged", text);
    return mlo_hint(err, "verify --repair brings back good bytes");
}

int mlo_packer_end(struct mlo_packer *k, struct mlo_err *err)
{
    return k->pack.n > 0 ? close_pack(k, &k->pack_hash, err) : 0;
}

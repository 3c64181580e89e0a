/* What a push has to send; see plan.h. */
#include "plan.h"

#include <string.h>

#include <mlopsctl/base/io.h>

void mlo_plan_release(struct mlo_plan *p)
{
    for (size_t i = 0; i < p->n_known; i++)
        mlo_recipe_release(&p->known[i]);
    mlo_recipe_release(&p->recipe);
    mlo_digest_map_release(&p->index);
    mlo_digest_map_release(&p->pack_index);
    free(p->known);
    free(p->places);
    free(p->blobs);
    free(p->pieces);
    free(p->packs);
    *p = (struct mlo_plan){0};
}

/* ---- what the remote holds ---- */

static int know_piece(struct mlo_plan *p, const struct mlo_recipe *r, const struct mlo_piece *piece,
                      struct mlo_err *err)
{
    size_t at;
    int rc = mlo_grow(&p->places, &p->places_cap, p->n_places + 1, sizeof *p->places, err);
    if (rc == 0)
        rc = mlo_digest_map_add(&p->index, &piece->digest, p->n_places, &at, err);
    if (rc != 0 || at != p->n_places)
        return rc;
    p->places[p->n_places++] = (struct mlo_known_place){r->packs[piece->pack], piece->offset, piece->length};
    return 0;
}

int mlo_plan_know(struct mlo_plan *p, struct mlo_recipe *recipe, struct mlo_err *err)
{
    int rc = mlo_grow(&p->known, &p->known_cap, p->n_known + 1, sizeof *p->known, err);
    if (rc != 0)
        return rc;
    struct mlo_recipe *r = &p->known[p->n_known++];
    *r = *recipe;
    *recipe = (struct mlo_recipe){0};
    for (size_t i = 0; rc == 0 && i < r->n_blobs; i++)
        for (size_t j = 0; rc == 0 && j < r->blobs[i].n; j++)
            rc = know_piece(p, r, &r->pieces[r->blobs[i].first + j], err);
    return rc;
}

/* ---- which blobs ---- */

struct gather {
    struct mlo_plan *plan;
    const struct mlo_digest *skip;
};

static int add_blob(void *ctx, const struct mlo_digest *d, uint64_t size, struct mlo_err *err)
{
    struct gather *g = ctx;
    struct mlo_plan *p = g->plan;
    if (g->skip && mlo_digest_eq(d, g->skip))
        return 0;
    int rc = mlo_grow(&p->blobs, &p->blobs_cap, p->n_blobs + 1, sizeof *p->blobs, err);
    if (rc == 0)
        p->blobs[p->n_blobs++] = (struct mlo_plan_blob){*d, size};
    return rc;
}

static int blob_cmp(const void *a, const void *b)
{
    return mlo_digest_cmp(&((const struct mlo_plan_blob *)a)->digest,
                          &((const struct mlo_plan_blob *)b)->digest);
}

static int digest_cmp(const void *a, const void *b)
{
    return mlo_digest_cmp(a, b);
}

/* Sorted, so that one set of signatures gives one recipe. */
static int add_referrers(struct mlo_plan *p, const struct mlo_digest *list, size_t n, struct mlo_err *err)
{
    struct gather g = {p, NULL};
    struct mlo_recipe *r = &p->recipe;
    int rc = mlo_grow(&r->referrers, &r->referrers_cap, n + 1, sizeof *r->referrers, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        r->referrers[r->n_referrers++] = list[i];
        rc = mlo_manifest_each_blob(p->store, &list[i], add_blob, &g, err);
    }
    if (rc == 0 && n > 1)
        qsort(r->referrers, n, sizeof *r->referrers, digest_cmp);
    return rc;
}

static int gather_blobs(struct mlo_plan *p, const struct mlo_digest *manifest,
                        const struct mlo_digest *referrers, size_t n, struct mlo_err *err)
{
    struct gather g = {p, manifest};
    size_t kept = 0;
    p->recipe.manifest = *manifest;
    int rc = mlo_manifest_each_blob(p->store, manifest, add_blob, &g, err);
    if (rc == 0)
        rc = add_referrers(p, referrers, n, err);
    if (rc != 0)
        return rc;
    qsort(p->blobs, p->n_blobs, sizeof *p->blobs, blob_cmp);
    for (size_t i = 0; i < p->n_blobs; i++) {
        if (kept > 0 && blob_cmp(&p->blobs[kept - 1], &p->blobs[i]) == 0)
            continue;
        p->blobs[kept++] = p->blobs[i];
        p->bytes_total += p->blobs[i].size;
    }
    p->n_blobs = kept;
    return 0;
}

/* ---- tensors' places, also those that other files of the bundle describe (external data) ---- */

struct weights { /* a raw layer that holds tensors */
    const struct mlo_layer *layer;
    struct mlo_checkpoint cp;
};
struct layout {
    struct weights *list;
    size_t n, cap;
};

static void layout_release(struct layout *l)
{
    for (size_t i = 0; i < l->n; i++)
        mlo_checkpoint_release(&l->list[i].cp);
    free(l->list);
}

static int read_weights(struct mlo_plan *p, const struct mlo_layer *layer, struct layout *l,
                        struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = -1;
    uint64_t size = 0;
    struct mlo_err ignored = MLO_ERR_INIT;
    int rc = mlo_store_open_blob(p->store, &layer->digest, &fd, &size, err);
    if (rc == 0)
        rc = mlo_grow(&l->list, &l->cap, l->n + 1, sizeof *l->list, err);
    if (rc != 0)
        return rc;
    struct weights *w = &l->list[l->n];
    struct mlo_source src = mlo_source_fd(&fd, size);
    *w = (struct weights){.layer = layer};
    /* Cuts are a matter of taste: a file that no reader understands is cut by content. */
    if (mlo_checkpoint_read(&src, &w->cp, &ignored) != 0 || w->cp.n_tensors == 0)
        mlo_checkpoint_release(&w->cp);
    else
        l->n++;
    return 0;
}

static int read_layout(struct mlo_plan *p, const struct mlo_bundle *b, struct layout *l, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < b->n_layers; i++)
        if (b->layers[i].packing == MLO_PACKING_RAW && b->layers[i].path)
            rc = read_weights(p, &b->layers[i], l, err);
    return rc;
}

/* `path` relative to the folder of `file`, when it lies below that; NULL else. */
static const char *relative_to(const char *path, const char *file)
{
    const char *slash = strrchr(file, '/');
    size_t n = slash ? (size_t)(slash - file) + 1 : 0;
    return strncmp(path, file, n) == 0 ? path + n : NULL;
}

static int blob_spans(const struct layout *l, const struct mlo_bundle *b, const struct mlo_digest *blob,
                      struct mlo_spans *ret, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < b->n_layers; i++) {
        const struct mlo_layer *layer = &b->layers[i];
        if (!layer->path || !mlo_digest_eq(&layer->digest, blob))
            continue;
        for (size_t j = 0; rc == 0 && j < l->n; j++) {
            const char *external = relative_to(layer->path, l->list[j].layer->path);
            if (l->list[j].layer == layer)
                rc = mlo_spans_add(ret, &l->list[j].cp, NULL, err);
            else if (external && l->list[j].cp.n_external > 0)
                rc = mlo_spans_add(ret, &l->list[j].cp, external, err);
        }
    }
    return rc;
}

/* ---- cutting and hashing ---- */

/*
 * One read gives the chunks' digests and the blob's own, which has to be its name: what is damaged here must
 * not be spread.
 */
static int hash_chunks(struct mlo_plan *p, const struct mlo_plan_blob *b, int fd, struct mlo_chunk *chunks,
                       size_t n, struct mlo_err *err)
{
    char text[MLO_DIGEST_TEXT];
    struct mlo_digest got;
    uint64_t size = 0;
    MLO_AUTOFREE struct mlo_range *ranges = mlo_calloc(n + 1, sizeof *ranges, err);
    if (!ranges)
        return MLO_EIO;
    for (size_t i = 0; i < n; i++)
        ranges[i] = (struct mlo_range){.offset = chunks[i].offset, .length = chunks[i].length};
    struct mlo_ingest in = {.fd = fd,
                            .label = mlo_digest_text(&b->digest, text),
                            .threads = p->threads,
                            .ranges = ranges,
                            .n_ranges = n,
                            .dry_run = true};
    int rc = mlo_store_ingest(p->store, &in, &got, &size, err);
    if (rc == 0 && (size != b->size || !mlo_digest_eq(&got, &b->digest))) {
        mlo_fail(err, MLO_EINVALID, "%s: the stored copy is damaged", text);
        return mlo_hint(err, "verify --repair brings back good bytes");
    }
    for (size_t i = 0; rc == 0 && i < n; i++)
        chunks[i].digest = ranges[i].digest;
    return rc;
}

static int cut_blob(struct mlo_plan *p, const struct mlo_plan_blob *b, struct mlo_spans *spans,
                    struct mlo_chunk **ret, size_t *ret_n, struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = -1;
    MLO_AUTOFREE struct mlo_chunk *chunks = NULL;
    uint64_t size = 0;
    size_t n = 0;
    int rc = mlo_store_open_blob(p->store, &b->digest, &fd, &size, err);
    if (rc != 0)
        return rc;
    struct mlo_source src = mlo_source_fd(&fd, size);
    rc = mlo_chunk_spans(&src, spans->list, spans->n, &chunks, &n, err);
    if (rc == 0)
        rc = hash_chunks(p, b, fd, chunks, n, err);
    if (rc != 0)
        return rc;
    *ret = mlo_steal(&chunks);
    *ret_n = n;
    return 0;
}

/* ---- pieces ---- */

static int add_piece(struct mlo_plan *p, const struct mlo_digest *d, uint32_t pack, uint32_t offset,
                     uint32_t length, struct mlo_err *err)
{
    struct mlo_recipe *r = &p->recipe;
    int rc = mlo_grow(&r->pieces, &r->pieces_cap, r->n_pieces + 1, sizeof *r->pieces, err);
    if (rc == 0)
        r->pieces[r->n_pieces++] = (struct mlo_piece){
            .digest = *d, .pack = pack, .length = length, .offset = offset};
    return rc;
}

static int add_known(struct mlo_plan *p, const struct mlo_digest *d, const struct mlo_known_place *place,
                     struct mlo_err *err)
{
    struct mlo_recipe *r = &p->recipe;
    size_t at;
    int rc = mlo_grow(&r->packs, &r->packs_cap, r->n_packs + 1, sizeof *r->packs, err);
    if (rc == 0)
        rc = mlo_digest_map_add(&p->pack_index, &place->pack, r->n_packs, &at, err);
    if (rc != 0)
        return rc;
    if (at == r->n_packs)
        r->packs[r->n_packs++] = place->pack;
    return add_piece(p, d, (uint32_t)at, place->offset, place->length, err);
}

/* Pieces of new packs carry the number of the new piece until all known packs are counted; `pack` UINT32_MAX
 * marks them. */
static int add_new(struct mlo_plan *p, size_t blob, const struct mlo_chunk *c, struct mlo_err *err)
{
    int rc = mlo_grow(&p->pieces, &p->pieces_cap, p->n_pieces + 1, sizeof *p->pieces, err);
    if (rc == 0 && p->n_pieces >= MLO_RECIPE_CHUNKS_MAX)
        rc = mlo_fail(err, MLO_EINVALID, "bundle has more than %zu chunks", MLO_RECIPE_CHUNKS_MAX);
    if (rc == 0)
        rc = add_piece(p, &c->digest, UINT32_MAX, (uint32_t)p->n_pieces, (uint32_t)c->length, err);
    if (rc != 0)
        return rc;
    p->pieces[p->n_pieces++] = (struct mlo_new_piece){
        .digest = c->digest, .blob = blob, .offset = c->offset, .length = (uint32_t)c->length};
    p->bytes_new += c->length;
    return 0;
}

static int add_chunk(struct mlo_plan *p, size_t blob, const struct mlo_chunk *c, struct mlo_err *err)
{
    size_t at, fresh = p->n_places + p->n_pieces;
    int rc = mlo_digest_map_add(&p->index, &c->digest, fresh, &at, err);
    if (rc != 0)
        return rc;
    if (at < p->n_places)
        return add_known(p, &c->digest, &p->places[at], err);
    if (at == fresh)
        return add_new(p, blob, c, err);
    return add_piece(p, &c->digest, UINT32_MAX, (uint32_t)(at - p->n_places), (uint32_t)c->length, err);
}

/* A blob that some known recipe describes is copied from there, unread. */
static int copy_known(struct mlo_plan *p, const struct mlo_plan_blob *b, bool *ret_found, struct mlo_err *err)
{
    for (size_t i = 0; i < p->n_known; i++) {
        const struct mlo_recipe_blob *known = mlo_recipe_find(&p->known[i], &b->digest);
        if (!known || known->size != b->size)
            continue;
        for (size_t j = known->first; j < known->first + known->n; j++) {
            const struct mlo_piece *piece = &p->known[i].pieces[j];
            struct mlo_known_place place = {p->known[i].packs[piece->pack], piece->offset, piece->length};
            int rc = add_known(p, &piece->digest, &place, err);
            if (rc != 0)
                return rc;
        }
        *ret_found = true;
        return 0;
    }
    return 0;
}

static int plan_blob(struct mlo_plan *p, const struct layout *l, const struct mlo_bundle *bundle, size_t i,
                     struct mlo_err *err)
{
    struct mlo_recipe *r = &p->recipe;
    struct mlo_recipe_blob b = {.digest = p->blobs[i].digest, .size = p->blobs[i].size, .first = r->n_pieces};
    MLO_AUTOFREE struct mlo_chunk *chunks = NULL;
    struct mlo_spans spans = {0};
    bool found = false;
    size_t n = 0;
    int rc = copy_known(p, &p->blobs[i], &found, err);
    if (rc == 0 && !found) {
        rc = blob_spans(l, bundle, &b.digest, &spans, err);
        if (rc == 0)
            rc = cut_blob(p, &p->blobs[i], &spans, &chunks, &n, err);
        for (size_t j = 0; rc == 0 && j < n; j++)
            rc = add_chunk(p, i, &chunks[j], err);
        free(spans.list);
    }
    if (rc == 0)
        rc = mlo_grow(&r->blobs, &r->blobs_cap, r->n_blobs + 1, sizeof *r->blobs, err);
    if (rc != 0)
        return rc;
    b.n = r->n_pieces - b.first;
    r->blobs[r->n_blobs++] = b;
    return 0;
}

/* ---- packs ---- */

static int fill_packs(struct mlo_plan *p, struct mlo_err *err)
{
    for (size_t i = 0; i < p->n_pieces; i++) {
        struct mlo_new_piece *piece = &p->pieces[i];
        struct mlo_new_pack *pack = p->n_packs ? &p->packs[p->n_packs - 1] : NULL;
        if (!pack || piece->length > MLO_PACK_MAX - pack->size) {
            int rc = mlo_grow(&p->packs, &p->packs_cap, p->n_packs + 1, sizeof *p->packs, err);
            if (rc != 0)
                return rc;
            pack = &p->packs[p->n_packs++];
            *pack = (struct mlo_new_pack){.first = i};
        }
        piece->pack_offset = (uint32_t)pack->size;
        pack->size += piece->length;
        pack->n++;
    }
    return 0;
}

/* Turns numbers of new pieces into places in new packs. */
static int place_new(struct mlo_plan *p, struct mlo_err *err)
{
    MLO_AUTOFREE uint32_t *pack_of = mlo_calloc(p->n_pieces + 1, sizeof *pack_of, err);
    if (!pack_of)
        return MLO_EIO;
    for (size_t k = 0; k < p->n_packs; k++)
        for (size_t i = p->packs[k].first; i < p->packs[k].first + p->packs[k].n; i++)
            pack_of[i] = (uint32_t)k;
    p->n_known_packs = p->recipe.n_packs;
    for (size_t i = 0; i < p->recipe.n_pieces; i++) {
        struct mlo_piece *piece = &p->recipe.pieces[i];
        if (piece->pack != UINT32_MAX)
            continue;
        piece->pack = (uint32_t)p->n_known_packs + pack_of[piece->offset];
        piece->offset = p->pieces[piece->offset].pack_offset;
    }
    return 0;
}

int mlo_plan_make(struct mlo_plan *p, const struct mlo_digest *manifest, const struct mlo_digest *referrers,
                  size_t n, struct mlo_err *err)
{
    struct mlo_bundle bundle = {0};
    struct layout layout = {0};
    int rc = mlo_bundle_load(p->store, manifest, &bundle, err);
    if (rc != 0)
        return rc;
    rc = gather_blobs(p, manifest, referrers, n, err);
    if (rc == 0)
        rc = read_layout(p, &bundle, &layout, err);
    for (size_t i = 0; rc == 0 && i < p->n_blobs; i++)
        rc = plan_blob(p, &layout, &bundle, i, err);
    if (rc == 0)
        rc = fill_packs(p, err);
    if (rc == 0)
        rc = place_new(p, err);
    layout_release(&layout);
    mlo_bundle_release(&bundle);
    return rc;
}

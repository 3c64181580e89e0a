/* See plan.h. */
#include "plan.h"

#include <string.h>

static void forget_plan(struct mlo_plan *p)
{
    mlo_recipe_release(&p->recipe);
    mlo_digest_map_release(&p->index);
    mlo_digest_map_release(&p->pack_index);
    p->bytes_total = p->bytes_there = p->bytes_read = p->bytes_new = 0;
    p->n_blobs = p->n_new_packs = p->n_new_pieces = p->n_packs = p->n_places = 0;
}

void mlo_plan_release(struct mlo_plan *p)
{
    forget_plan(p);
    for (size_t i = 0; i < p->n_known; i++)
        mlo_recipe_release(&p->known[i]);
    free(p->known);
    free(p->blobs);
    free(p->packs);
    free(p->places);
    *p = (struct mlo_plan){.n_known = 0};
}

/* ---- what the remote holds ---- */

int mlo_plan_know(struct mlo_plan *p, struct mlo_recipe *recipe, struct mlo_err *err)
{
    int rc = mlo_grow(&p->known, &p->known_cap, p->n_known + 1, sizeof *p->known, err);
    if (rc != 0)
        return rc;
    p->known[p->n_known++] = *recipe;
    *recipe = (struct mlo_recipe){.n_packs = 0};
    return 0;
}

int mlo_plan_add_pack(struct mlo_plan *p, size_t *ret, struct mlo_err *err)
{
    int rc = mlo_grow(&p->packs, &p->packs_cap, p->n_packs + 1, sizeof *p->packs, err);
    if (rc != 0)
        return rc;
    p->packs[p->n_packs] = (struct mlo_plan_pack){.number_plus_1 = 0};
    *ret = p->n_packs++;
    return 0;
}

static int known_pack(struct mlo_plan *p, const struct mlo_digest *digest, size_t *ret, struct mlo_err *err)
{
    int rc = mlo_digest_map_add(&p->pack_index, digest, p->n_packs, ret, err);
    if (rc != 0 || *ret < p->n_packs)
        return rc;
    rc = mlo_plan_add_pack(p, ret, err);
    if (rc == 0)
        p->packs[*ret].digest = *digest;
    return rc;
}

static int know_piece(struct mlo_plan *p, const struct mlo_digest *chunk, const struct mlo_digest *pack,
                      uint32_t offset, uint32_t length, struct mlo_err *err)
{
    struct mlo_place place = {.offset = offset, .length = length};
    size_t at;
    int rc = mlo_grow(&p->places, &p->places_cap, p->n_places + 1, sizeof *p->places, err);
    if (rc == 0)
        rc = mlo_digest_map_add(&p->index, chunk, p->n_places, &at, err);
    if (rc != 0 || at < p->n_places)
        return rc;
    rc = known_pack(p, pack, &place.pack, err);
    if (rc != 0)
        return rc;
    p->places[p->n_places++] = place;
    p->bytes_there += length;
    return 0;
}

/* Pieces of the blobs only: a recipe that was checked may have fewer of them than it came with. */
static int know_recipe(struct mlo_plan *p, const struct mlo_recipe *r, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < r->n_blobs; i++)
        for (size_t j = r->blobs[i].first; rc == 0 && j < r->blobs[i].first + r->blobs[i].n; j++) {
            const struct mlo_piece *piece = &r->pieces[j];
            if (piece->source < r->n_packs)
                rc = know_piece(p, &piece->digest, &r->packs[piece->source], (uint32_t)piece->offset,
                                piece->length, err);
        }
    return rc;
}

static int index_known(struct mlo_plan *p, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < p->n_known; i++)
        rc = know_recipe(p, &p->known[i], err);
    for (size_t i = 0; rc == 0 && i < p->n_sent; i++)
        for (size_t j = 0; rc == 0 && j < p->sent[i].n; j++) {
            const struct mlo_new_piece *piece = &p->sent[i].pieces[j];
            rc = know_piece(p, &piece->digest, &p->sent[i].digest, piece->pack_offset, piece->length, err);
        }
    return rc;
}

/* The recipe that describes the blob; NULL when none does. Of a plain file only the cuts are of use, of any
 * other blob only what lies in packs. */
static const struct mlo_recipe *describer(const struct mlo_plan *p, const struct mlo_plan_blob *b)
{
    for (size_t i = 0; i < p->n_known; i++) {
        const struct mlo_recipe_blob *known = mlo_recipe_find(&p->known[i], &b->digest);
        if (known && known->size == b->size && (b->file_plus_1 > 0 || mlo_recipe_packed(&p->known[i], known)))
            return &p->known[i];
    }
    return NULL;
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
        p->blobs[p->n_blobs++] = (struct mlo_plan_blob){.digest = *d, .size = size};
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

static int plan_blob_cmp(const void *key, const void *blob)
{
    return mlo_digest_cmp(key, &((const struct mlo_plan_blob *)blob)->digest);
}

/* In the layout of plain files all files are listed, and the blobs that are files lie in them. */
static int gather_files(struct mlo_plan *p, const struct mlo_bundle *b, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < b->n_layers; i++)
        if (b->layers[i].packing != MLO_PACKING_RAW && !b->extra)
            rc = mlo_fail(
                err, MLO_EUNAVAIL,
                "the bundle holds archives and does not say which files are in them, so they cannot "
                "become plain files");
    for (size_t i = 0; rc == 0 && i < b->n_files; i++) {
        const struct mlo_file *f = &b->files[i];
        if (strlen(f->path) > MLO_FILE_PATH_MAX)
            return mlo_fail(err, MLO_EINVALID, "path '%.80s...' is too long for a plain file", f->path);
        rc = mlo_recipe_add_file(&p->recipe, f->path, &f->digest, f->size, err);
        struct mlo_plan_blob *blob = bsearch(&f->digest, p->blobs, p->n_blobs, sizeof *p->blobs,
                                             plan_blob_cmp);
        if (rc == 0 && blob && blob->file_plus_1 == 0)
            blob->file_plus_1 = p->recipe.n_files;
    }
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

/* ---- the recipe ---- */

static int add_piece(struct mlo_plan *p, const struct mlo_piece *piece, struct mlo_err *err)
{
    struct mlo_recipe *r = &p->recipe;
    if (r->n_pieces >= MLO_RECIPE_CHUNKS_MAX)
        return mlo_fail(err, MLO_EINVALID, "bundle has more than %zu chunks", MLO_RECIPE_CHUNKS_MAX);
    int rc = mlo_grow(&r->pieces, &r->pieces_cap, r->n_pieces + 1, sizeof *r->pieces, err);
    if (rc == 0)
        r->pieces[r->n_pieces++] = *piece;
    return rc;
}

int mlo_plan_use(struct mlo_plan *p, const struct mlo_digest *chunk, const struct mlo_place *place,
                 struct mlo_err *err)
{
    struct mlo_plan_pack *pack = &p->packs[place->pack];
    if (pack->number_plus_1 == 0)
        pack->number_plus_1 = ++p->recipe.n_packs; /* digests follow when all are known */
    const struct mlo_piece piece = {.digest = *chunk,
                                    .source = (uint32_t)(pack->number_plus_1 - 1),
                                    .offset = place->offset,
                                    .length = place->length};
    return add_piece(p, &piece, err);
}

/* Files are numbered behind the packs, whose number is not yet known: IN_FILE marks them until it is. */
#define IN_FILE ((uint32_t)1 << 31)

int mlo_plan_use_file(struct mlo_plan *p, const struct mlo_digest *chunk, size_t file, uint64_t offset,
                      uint32_t length, struct mlo_err *err)
{
    const struct mlo_piece piece = {
        .digest = *chunk, .source = IN_FILE | (uint32_t)file, .offset = offset, .length = length};
    return add_piece(p, &piece, err);
}

static int name_sources(struct mlo_plan *p, struct mlo_err *err)
{
    struct mlo_recipe *r = &p->recipe;
    int rc = mlo_grow(&r->packs, &r->packs_cap, r->n_packs + 1, sizeof *r->packs, err);
    for (size_t i = 0; rc == 0 && i < p->n_packs; i++)
        if (p->packs[i].number_plus_1 > 0)
            r->packs[p->packs[i].number_plus_1 - 1] = p->packs[i].digest;
    for (size_t i = 0; i < r->n_pieces; i++)
        if (r->pieces[i].source & IN_FILE)
            r->pieces[i].source = (uint32_t)r->n_packs + (r->pieces[i].source & ~IN_FILE);
    return rc;
}

/* A blob that some known recipe describes is copied from there, unread. */
static int copy_blob(struct mlo_plan *p, const struct mlo_recipe *from, const struct mlo_plan_blob *blob,
                     struct mlo_err *err)
{
    const struct mlo_recipe_blob *b = mlo_recipe_find(from, &blob->digest);
    uint64_t offset = 0;
    int rc = 0;
    for (size_t i = b->first; rc == 0 && i < b->first + b->n; i++) {
        const struct mlo_piece *piece = &from->pieces[i];
        struct mlo_place place = {.offset = (uint32_t)piece->offset, .length = piece->length};
        if (blob->file_plus_1 > 0) {
            rc = mlo_plan_use_file(p, &piece->digest, blob->file_plus_1 - 1, offset, piece->length, err);
        } else {
            rc = known_pack(p, &from->packs[piece->source], &place.pack, err);
            if (rc == 0)
                rc = mlo_plan_use(p, &piece->digest, &place, err);
        }
        offset += piece->length;
    }
    return rc;
}

static int read_blob(struct mlo_plan *p, struct mlo_packer *k, const struct mlo_borders *l, size_t i,
                     struct mlo_err *err)
{
    struct mlo_spans spans = {.n = 0};
    int rc = mlo_borders_of(l, &p->blobs[i].digest, &spans, err);
    if (rc == 0)
        rc = mlo_packer_blob(k, i, spans.list, spans.n, err);
    free(spans.list);
    return rc;
}

static int plan_blob(struct mlo_plan *p, struct mlo_packer *k, const struct mlo_borders *l, size_t i,
                     struct mlo_err *err)
{
    struct mlo_recipe *r = &p->recipe;
    struct mlo_recipe_blob b = {.digest = p->blobs[i].digest, .size = p->blobs[i].size, .first = r->n_pieces};
    const struct mlo_recipe *known = describer(p, &p->blobs[i]);
    int rc = known ? copy_blob(p, known, &p->blobs[i], err) : read_blob(p, k, l, i, err);
    if (rc == 0)
        rc = mlo_grow(&r->blobs, &r->blobs_cap, r->n_blobs + 1, sizeof *r->blobs, err);
    if (rc != 0)
        return rc;
    b.n = r->n_pieces - b.first;
    r->blobs[r->n_blobs++] = b;
    return 0;
}

static int plan_blobs(struct mlo_plan *p, const struct mlo_bundle *bundle, struct mlo_err *err)
{
    struct mlo_borders *borders = NULL;
    struct mlo_packer *packer = NULL;
    int rc = mlo_borders_read(p->store, bundle, &borders, err);
    if (rc == 0)
        rc = mlo_packer_new(p, &packer, err);
    for (size_t i = 0; rc == 0 && i < p->n_blobs; i++)
        if (!describer(p, &p->blobs[i]))
            p->bytes_read += p->blobs[i].size;
    if (rc == 0)
        rc = p->on_start(p->ctx, err);
    for (size_t i = 0; rc == 0 && i < p->n_blobs; i++)
        rc = plan_blob(p, packer, borders, i, err);
    if (rc == 0)
        rc = mlo_packer_end(packer, err);
    mlo_packer_free(packer);
    mlo_borders_free(borders);
    return rc;
}

int mlo_plan_make(struct mlo_plan *p, const struct mlo_digest *manifest, const struct mlo_digest *referrers,
                  size_t n, struct mlo_err *err)
{
    struct mlo_bundle bundle = {0};
    int rc = mlo_bundle_load(p->store, manifest, &bundle, err);
    if (rc != 0)
        return rc;
    forget_plan(p);
    rc = gather_blobs(p, manifest, referrers, n, err);
    if (rc == 0 && p->files)
        rc = gather_files(p, &bundle, err);
    if (rc == 0)
        rc = index_known(p, err);
    if (rc == 0)
        rc = plan_blobs(p, &bundle, err);
    if (rc == 0)
        rc = name_sources(p, err);
    mlo_bundle_release(&bundle);
    return rc;
}

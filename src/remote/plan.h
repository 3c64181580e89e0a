/* Working out what a push has to send: which pieces the remote has, which are new and how they are put into
 * packs. */
#ifndef MLO_REMOTE_PLAN_H
#define MLO_REMOTE_PLAN_H

#include "internal.h"

struct mlo_new_piece { /* a chunk to send */
    struct mlo_digest digest;
    size_t blob;     /* index into blobs */
    uint64_t offset; /* in the blob */
    uint32_t length;
    uint32_t pack_offset;
};
struct mlo_new_pack {
    size_t first, n; /* new pieces */
    uint64_t size;
    struct mlo_digest digest; /* once it is built */
};
struct mlo_plan_blob {
    struct mlo_digest digest;
    uint64_t size;
};

struct mlo_plan {
    struct mlo_store *store;
    unsigned threads;
    struct mlo_plan_blob *blobs;
    size_t n_blobs, blobs_cap; /* sorted, each once; without the manifest */
    uint64_t bytes_total;
    struct mlo_recipe recipe; /* pieces of new packs have pack = n_known_packs + number of the new pack */
    size_t n_known_packs;
    struct mlo_new_piece *pieces;
    size_t n_pieces, pieces_cap;
    struct mlo_new_pack *packs;
    size_t n_packs, packs_cap;
    uint64_t bytes_new;
    /* what the remote is known to hold */
    struct mlo_recipe *known;
    size_t n_known, known_cap;
    struct mlo_digest_map index; /* chunk -> number in `places`, or beyond them: of a new piece */
    struct mlo_known_place {
        struct mlo_digest pack;
        uint32_t offset, length;
    } * places;
    size_t n_places, places_cap;
    struct mlo_digest_map pack_index; /* known pack -> number in recipe.packs */
};
void mlo_plan_release(struct mlo_plan *p);
/* Takes the recipe. */
int mlo_plan_know(struct mlo_plan *p, struct mlo_recipe *recipe, struct mlo_err *err) MLO_MUST_CHECK;
/* The whole plan for a manifest and its referrers; reads and hashes the blobs that no known recipe describes.
 */
int mlo_plan_make(struct mlo_plan *p, const struct mlo_digest *manifest, const struct mlo_digest *referrers,
                  size_t n, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- room.c ---- */

/* Refuses what cannot fit in a place of known capacity; a warning into stats when it is close. */
int mlo_room_check(const struct mlo_remote *r, const struct mlo_plan *p, struct mlo_sync_stats *stats,
                   struct mlo_err *err) MLO_MUST_CHECK;

#endif

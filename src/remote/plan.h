/*
 * Working out what a push has to send: which pieces the remote has, which are new and how they are put into
 * packs. plan.c goes through the blobs, borders.c says where tensors lie in them, packer.c cuts them and
 * hands over packs as they become full.
 */
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
    struct mlo_digest digest;
    uint64_t size;
    struct mlo_new_piece *pieces;
    size_t n, cap;
};
struct mlo_plan_blob {
    struct mlo_digest digest;
    uint64_t size;
    size_t file_plus_1; /* the recipe's file that it is; 0: it goes into packs */
};

struct mlo_plan {
    struct mlo_store *store;
    unsigned threads;
    uint64_t pack_max; /* no pack is larger */
    bool files;        /* layout of plain files */
    /* bytes_there and bytes_read are known, nothing has been read. */
    int (*on_start)(void *ctx, struct mlo_err *err);
    /* Takes the pack, which is whole and hashed. Any thread, one at a time. */
    int (*on_pack)(void *ctx, struct mlo_new_pack *pack, struct mlo_err *err);
    /* So many bytes were read that need not be sent. Any thread. */
    void (*on_known)(void *ctx, uint64_t bytes);
    void *ctx;
    const struct mlo_new_pack *sent; /* borrowed: packs that a former plan of this push has sent */
    size_t n_sent;
    struct mlo_recipe *known; /* what the remote is known to hold */
    size_t n_known, known_cap;

    /* ---- the plan ---- */
    struct mlo_plan_blob *blobs;
    size_t n_blobs, blobs_cap;         /* sorted, each once; without the manifest */
    uint64_t bytes_total, bytes_there; /* there: chunks that known recipes describe */
    uint64_t bytes_read, bytes_new;    /* read: blobs that no known recipe describes */
    uint64_t bytes_files;              /* of plain files that have to be sent; set by the caller */
    size_t n_new_packs, n_new_pieces;
    struct mlo_recipe recipe;
    struct mlo_plan_pack {
        struct mlo_digest digest; /* of a new one: when it is whole */
        size_t number_plus_1;     /* in the recipe; 0: not used there */
    } * packs;
    size_t n_packs, packs_cap;
    struct mlo_digest_map pack_index; /* known packs */
    struct mlo_place {
        size_t pack;
        uint32_t offset, length;
    } * places;
    size_t n_places, places_cap;
    struct mlo_digest_map index; /* chunk -> place */
};
void mlo_plan_release(struct mlo_plan *p);
/* Takes the recipe. */
int mlo_plan_know(struct mlo_plan *p, struct mlo_recipe *recipe, struct mlo_err *err) MLO_MUST_CHECK;
/* The whole plan for a manifest and its referrers; reads and hashes the blobs that no known recipe describes.
 * A second call begins anew. */
int mlo_plan_make(struct mlo_plan *p, const struct mlo_digest *manifest, const struct mlo_digest *referrers,
                  size_t n, struct mlo_err *err) MLO_MUST_CHECK;

/* For packer.c. */
/* A chunk of the blob at hand lies there. */
int mlo_plan_use(struct mlo_plan *p, const struct mlo_digest *chunk, const struct mlo_place *place,
                 struct mlo_err *err) MLO_MUST_CHECK;
/* Or there, in a plain file. */
int mlo_plan_use_file(struct mlo_plan *p, const struct mlo_digest *chunk, size_t file, uint64_t offset,
                      uint32_t length, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_plan_add_pack(struct mlo_plan *p, size_t *ret, struct mlo_err *err) MLO_MUST_CHECK;

/* packer.c */
struct mlo_packer;
int mlo_packer_new(struct mlo_plan *p, struct mlo_packer **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Reads a blob once: cuts it, hashes its chunks, itself, and the packs that new chunks go to. spans: where
 * tensors lie; sorted here. */
int mlo_packer_blob(struct mlo_packer *k, size_t blob, struct mlo_span *spans, size_t n,
                    struct mlo_err *err) MLO_MUST_CHECK;
/* The last pack, which is not full. */
int mlo_packer_end(struct mlo_packer *k, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_packer_free(struct mlo_packer *k);

/* borders.c */
struct mlo_borders;
int mlo_borders_read(struct mlo_store *s, const struct mlo_bundle *b, struct mlo_borders **ret,
                     struct mlo_err *err) MLO_MUST_CHECK;
void mlo_borders_free(struct mlo_borders *l);
/* Where tensors lie in this blob, appended. */
int mlo_borders_of(const struct mlo_borders *l, const struct mlo_digest *blob, struct mlo_spans *ret,
                   struct mlo_err *err) MLO_MUST_CHECK;

/* send.c: packs on their way, side by side. */
struct mlo_senders;
/* send is called on threads of their own, beside itself; it may take the pack. */
int mlo_senders_new(unsigned width, int (*send)(void *ctx, struct mlo_new_pack *pack, struct mlo_err *err),
                    void *ctx, struct mlo_senders **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Takes the pack. Waits while many are waiting, so that what was hashed is still in memory when it is sent.
 * Fails once one has failed. */
int mlo_senders_give(struct mlo_senders *s, struct mlo_new_pack *pack, struct mlo_err *err) MLO_MUST_CHECK;
/* Waits for those under way (finish: for all). s is freed. The first failure of a sender. */
int mlo_senders_end(struct mlo_senders *s, bool finish, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_new_pack_release(struct mlo_new_pack *pack);

/* room.c */
/* Is there plenty of room even if all that has to be read must be sent? */
bool mlo_room_plenty(const struct mlo_remote *r, const struct mlo_plan *p);
/* Refuses what cannot fit in a place of known capacity; a warning into stats when it is close. */
int mlo_room_check(const struct mlo_remote *r, const struct mlo_plan *p, struct mlo_sync_stats *stats,
                   struct mlo_err *err) MLO_MUST_CHECK;

#endif

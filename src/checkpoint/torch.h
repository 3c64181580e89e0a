/* PyTorch files: what torch.c (containers) and torch_index.c (the object graph) share. */
#ifndef MLOPSCTL_CHECKPOINT_TORCH_H
#define MLOPSCTL_CHECKPOINT_TORCH_H

#include "checkpoint/pickle/pickle.h"

#define MLO_TORCH_DEPTH 64 /* dicts in dicts */
#define MLO_TORCH_MAX_VISITS                                                                                 \
    ((uint64_t)1 << 24) /* values looked at: shared containers are visited once for each path */
#define MLO_TORCH_NAME_MAX ((size_t)1 << 16)
#define MLO_TORCH_KEY_MAX  64 /* bytes of a storage's key */

/* An element type, by torch's spelling. */
struct mlo_torch_type {
    const char *name;    /* "float32" */
    const char *storage; /* "Float" of torch.FloatStorage; NULL when there is no such class */
    enum mlo_dtype dtype;
    uint8_t bytes; /* of an element; 0: packed in a way that is not read */
};
/* torch.FloatStorage, torch.cuda.FloatStorage and the like; NULL for untyped storages and anything else. */
const struct mlo_torch_type *mlo_torch_storage_type(const struct mlo_pickle *p, struct mlo_pv class);

/* A persistent id ('storage', class, key, location, numel[, view]). */
struct mlo_torch_storage_id {
    const struct mlo_torch_type *type; /* NULL: untyped, numel counts bytes */
    char key[MLO_TORCH_KEY_MAX + 1];
    uint64_t numel;
    bool view; /* of an older kind: a part of another storage */
};
/* False in *ret_ok when it is none. */
int mlo_torch_storage_id(struct mlo_pickle *p, const struct mlo_pnode *persid,
                         struct mlo_torch_storage_id *ret, bool *ret_ok, struct mlo_err *err) MLO_MUST_CHECK;

/* Where a storage's bytes are. */
struct mlo_torch_data {
    uint64_t offset, bytes;
    uint64_t packed; /* of a deflated zip member, else 0 */
    uint32_t crc;
};

/* The walk from the pickle's result to tensors. */
struct mlo_torch_index {
    struct mlo_checkpoint *cp;
    struct mlo_pickle *p;
    bool swap; /* data is big-endian */
    /* Finds a storage's data; MLO_ENOTFOUND when the file has none. */
    int (*find)(void *ctx, const char *key, struct mlo_torch_data *ret, struct mlo_err *err);
    void *ctx;
    struct mlo_str path;
    uint64_t visits;
    unsigned depth;
};
/* Tensors below p->result are added to cp, named by their path; numbers and texts of the first level become
 * metadata. */
int mlo_torch_index(struct mlo_torch_index *x, struct mlo_err *err) MLO_MUST_CHECK;

#endif

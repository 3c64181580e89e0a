/* One pack in progress, shared by the files that do its parts: learn.c, layers.c, pack.c. */
#ifndef MLO_BUNDLE_PACKING_H
#define MLO_BUNDLE_PACKING_H

#include "internal.h"

struct mlo_packing {
    struct mlo_store *store; /* NULL: dry run without a store */
    const struct mlo_pack_opts *opts;
    struct mlo_walk walk;
    struct mlo_packed *files;
    size_t n;
    struct mlo_stat_cache *seen;
    struct mlo_layer_plan *layers;
    size_t n_layers, layers_cap;
    struct mlo_model_facts facts;
    struct mlo_pack_result *ret;
    size_t warnings_cap;
};

/* ---- learn.c: what the files hold, from their bytes or from the caches ---- */

/* Documents of all files (inspect.c). Nothing but headers of large files is read. */
int mlo_packing_learn(struct mlo_packing *p, struct mlo_err *err) MLO_MUST_CHECK;
/* Digests of tensors in external data that are known for exactly these files; after the gate, which knows
 * that the files are there. */
int mlo_packing_adopt_external(struct mlo_packing *p, struct mlo_err *err) MLO_MUST_CHECK;
/* What was learnt now, with all digests, into the caches. */
int mlo_packing_keep_learnt(const struct mlo_packing *p, struct mlo_err *err) MLO_MUST_CHECK;
/* A cached document; whatever is wrong with a cache, it is as if empty. */
int mlo_packing_cached(const struct mlo_packing *p, const char *kind, const struct mlo_digest *key,
                       cJSON **ret) MLO_MUST_CHECK;
int mlo_packing_save(const struct mlo_packing *p, const char *kind, const struct mlo_digest *key,
                     const cJSON *doc, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_packing_add_hex(struct mlo_str *s, const struct mlo_digest *d);

/* ---- layers.c ---- */

/* Appends one, mode 0644; NULL when memory is gone. Valid until the next. */
struct mlo_layer_plan *mlo_packing_add_layer(struct mlo_packing *p, struct mlo_err *err) MLO_MUST_CHECK;
/* Raw layers and tars in the order of kinds; files learn their layer. */
int mlo_packing_make_layers(struct mlo_packing *p, struct mlo_err *err) MLO_MUST_CHECK;

#endif

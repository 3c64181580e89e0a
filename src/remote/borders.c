/* Where tensors lie in the blobs of a bundle, also those that another file describes (external data). */
#include <string.h>

#include "plan.h"

struct weights { /* a raw layer that holds tensors */
    const struct mlo_layer *layer;
    struct mlo_checkpoint cp;
};
struct mlo_borders {
    struct mlo_store *store;
    const struct mlo_bundle *bundle;
    struct weights *list;
    size_t n, cap;
};

void mlo_borders_free(struct mlo_borders *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < l->n; i++)
        mlo_checkpoint_release(&l->list[i].cp);
    free(l->list);
    free(l);
}

static int read_weights(struct mlo_borders *l, const struct mlo_layer *layer, struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = -1;
    uint64_t size = 0;
    struct mlo_err ignored = MLO_ERR_INIT;
    int rc = mlo_store_open_blob(l->store, &layer->digest, &fd, &size, err);
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

int mlo_borders_read(struct mlo_store *s, const struct mlo_bundle *b, struct mlo_borders **ret,
                     struct mlo_err *err)
{
    struct mlo_borders *l = mlo_calloc(1, sizeof *l, err);
    int rc = l ? 0 : MLO_EIO;
    if (l)
        *l = (struct mlo_borders){.store = s, .bundle = b};
    for (size_t i = 0; rc == 0 && i < b->n_layers; i++)
        if (b->layers[i].packing == MLO_PACKING_RAW && b->layers[i].path)
            rc = read_weights(l, &b->layers[i], err);
    if (rc != 0) {
        mlo_borders_free(l);
        return rc;
    }
    *ret = l;
    return 0;
}

/* `path` relative to the folder of `file`, when it lies below that; NULL else. */
static const char *relative_to(const char *path, const char *file)
{
    const char *slash = strrchr(file, '/');
    size_t n = slash ? (size_t)(slash - file) + 1 : 0;
    return strncmp(path, file, n) == 0 ? path + n : NULL;
}

int mlo_borders_of(const struct mlo_borders *l, const struct mlo_digest *blob, struct mlo_spans *ret,
                   struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < l->bundle->n_layers; i++) {
        const struct mlo_layer *layer = &l->bundle->layers[i];
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

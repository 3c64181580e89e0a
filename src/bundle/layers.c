/*
 * Which layers a bundle has: by kind, and within one first the files that are layers of their own, in order
 * of path, then the small rest as one deterministic tar.
 */
#include <mlopsctl/base/time.h>

#include "packing.h"

struct mlo_layer_plan *mlo_packing_add_layer(struct mlo_packing *p, struct mlo_err *err)
{
    if (mlo_grow(&p->layers, &p->layers_cap, p->n_layers + 1, sizeof(*p->layers), err))
        return NULL;
    struct mlo_layer_plan *l = &p->layers[p->n_layers++];
    *l = (struct mlo_layer_plan){.mode = 0644};
    return l;
}

static int add_raw(struct mlo_packing *p, struct mlo_packed *f, struct mlo_err *err)
{
    f->layer = p->n_layers;
    struct mlo_layer_plan *l = mlo_packing_add_layer(p, err);
    if (!l)
        return MLO_EIO;
    *l = (struct mlo_layer_plan){.kind = f->kind,
                                 .path = f->file->path,
                                 .mode = f->mode,
                                 .digest = f->digest,
                                 .size = (uint64_t)f->file->st.st_size};
    return 0;
}

static bool in_tar(const struct mlo_packed *f, enum mlo_kind kind)
{
    return f->kind == kind && !f->raw;
}

static int tar_key(const struct mlo_packing *p, enum mlo_kind kind, struct mlo_digest *ret,
                   struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str s;
    mlo_str_init(&s, MLO_STR_MAX);
    mlo_str_addf(&s, "tar %lld\n", p->opts->source_date_ns / MLO_NS_PER_S);
    for (size_t i = 0; i < p->n; i++) {
        if (!in_tar(&p->files[i], kind))
            continue;
        mlo_str_addf(&s, "%o %s\n", p->files[i].mode,
                     p->files[i].file->path); /* paths hold no control bytes */
        mlo_packing_add_hex(&s, &p->files[i].digest);
    }
    int rc = mlo_str_check(&s, err);
    return rc ? rc : mlo_sha256(s.ptr, s.len, ret, err);
}

static bool cached_tar(const struct mlo_packing *p, const struct mlo_digest *key, struct mlo_layer_plan *l)
{
    MLO_AUTOJSON cJSON *doc = NULL;
    struct mlo_err why = MLO_ERR_INIT;
    uint64_t size = 0;
    if (mlo_packing_cached(p, "layer", key, &doc))
        return false;
    const char *text = mlo_json_text(doc, "digest");
    if (!text || mlo_digest_parse(text, &l->digest, &why) || mlo_json_u64(doc, "size", &l->size, &why))
        return false;
    return p->opts->dry_run || (mlo_store_has(p->store, &l->digest, &size) && size == l->size);
}

static int make_tar(const struct mlo_packing *p, enum mlo_kind kind, size_t n, const struct mlo_digest *key,
                    struct mlo_layer_plan *l, struct mlo_err *err)
{
    MLO_AUTOFREE struct mlo_tar_member *m = mlo_calloc(n, sizeof(*m), err);
    size_t at = 0;
    if (!m)
        return MLO_EIO;
    for (size_t i = 0; i < p->n; i++) {
        const struct mlo_packed *f = &p->files[i];
        if (in_tar(f, kind))
            m[at++] = (struct mlo_tar_member){.path = f->file->path,
                                              .dirfd = f->file->dirfd,
                                              .source = f->file->source,
                                              .size = (uint64_t)f->file->st.st_size,
                                              .mode = f->mode,
                                              .expect = &f->digest};
    }
    int rc = mlo_tar_layer(p->opts->dry_run ? NULL : p->store, m, n, p->opts->source_date_ns / MLO_NS_PER_S,
                           &l->digest, &l->size, err);
    if (rc)
        return rc;
    struct mlo_jb b = {0};
    MLO_AUTOJSON cJSON *doc = mlo_jb_object(&b, NULL, NULL);
    mlo_jb_digest(&b, doc, "digest", &l->digest);
    mlo_jb_u64(&b, doc, "size", l->size);
    rc = mlo_jb_check(&b, err);
    return rc ? rc : mlo_packing_save(p, "layer", key, doc, err);
}

static int add_tar(struct mlo_packing *p, enum mlo_kind kind, struct mlo_err *err)
{
    struct mlo_digest key;
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (in_tar(&p->files[i], kind)) {
            p->files[i].layer = p->n_layers;
            n++;
        }
    }
    if (n == 0)
        return 0;
    struct mlo_layer_plan *l = mlo_packing_add_layer(p, err);
    if (!l)
        return MLO_EIO;
    l->kind = kind;
    int rc = tar_key(p, kind, &key, err);
    if (rc == 0 && !cached_tar(p, &key, l))
        rc = make_tar(p, kind, n, &key, l, err);
    return rc;
}

int mlo_packing_make_layers(struct mlo_packing *p, struct mlo_err *err)
{
    int rc = 0;
    for (int kind = 0; kind < MLO_N_KINDS && rc == 0; kind++) {
        for (size_t i = 0; i < p->n && rc == 0; i++)
            if (p->files[i].raw && p->files[i].kind == (enum mlo_kind)kind)
                rc = add_raw(p, &p->files[i], err);
        if (rc == 0)
            rc = add_tar(p, (enum mlo_kind)kind, err);
    }
    return rc;
}

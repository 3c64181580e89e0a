/*
 * Packing. The order of work is the order of cheapness of refusal: names, then headers and small files, then
 * the gate; only then is a weight file read through, once. What was learnt is cached under digests, so that a
 * second pack of an unchanged tree reads no file:
 *
 *   stat cache          file -> digest
 *   cache/inspect       digest of a large file or of weights -> its document (inspect.c)
 *   cache/small         digests of all small files -> their documents
 *   cache/external      digests of a model file and its data files -> digests of the tensors in the data
 * files cache/layer         paths, modes and digests of the members -> tar layer
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>

#include "internal.h"

#define DOC_MAX      ((size_t)256 << 20)
#define WARNINGS_MAX 100

struct packing {
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

static void release_packing(struct packing *p)
{
    for (size_t i = 0; i < p->n; i++) {
        cJSON_Delete(p->files[i].doc);
        if (p->files[i].fresh)
            mlo_checkpoint_release(&p->files[i].cp);
    }
    free(p->files);
    free(p->layers);
    mlo_walk_release(&p->walk);
}

void mlo_pack_result_release(struct mlo_pack_result *r)
{
    for (size_t i = 0; i < r->n_warnings; i++)
        free(r->warnings[i]);
    for (size_t i = 0; i < r->n_file_paths; i++)
        free(r->file_paths[i]);
    free(r->warnings);
    free(r->file_paths);
    *r = (struct mlo_pack_result){0};
}

static int add_warning(struct packing *p, const char *path, const char *text, struct mlo_err *err)
{
    struct mlo_pack_result *r = p->ret;
    if (r->n_warnings == WARNINGS_MAX)
        return 0;
    MLO_AUTOSTR struct mlo_str s;
    mlo_str_init(&s, 4096);
    if (path) {
        mlo_escape(&s, path, strnlen(path, 512));
        mlo_str_add(&s, ": ");
    }
    mlo_escape(&s, text, strnlen(text, 1024));
    int rc = mlo_str_check(&s, err);
    if (rc == 0)
        rc = mlo_grow(&r->warnings, &p->warnings_cap, r->n_warnings + 1, sizeof(*r->warnings), err);
    if (rc == 0)
        r->warnings[r->n_warnings++] = mlo_str_detach(&s, NULL);
    return rc;
}

/* ---- which files ---- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int walk_all(struct packing *p, struct mlo_refusals *no, struct mlo_err *err)
{
    const struct mlo_pack_opts *o = p->opts;
    int rc = 0;
    for (size_t i = 0; i < o->n_paths && rc == 0; i++)
        rc = mlo_walk_add(&p->walk, o->paths[i], NULL, no, err);
    for (size_t i = 0; i < o->n_env_locks && rc == 0; i++)
        rc = mlo_walk_add(&p->walk, o->env_locks[i], base_name(o->env_locks[i]), no, err);
    if (rc == 0 && o->card)
        rc = mlo_walk_add(&p->walk, o->card, "README.md", no, err);
    return rc ? rc : mlo_walk_finish(&p->walk, no, err);
}

static bool is_env_lock(const struct packing *p, const char *path)
{
    for (size_t i = 0; i < p->opts->n_env_locks; i++)
        if (strcmp(base_name(p->opts->env_locks[i]), path) == 0)
            return true;
    return false;
}

static int collect(struct packing *p, struct mlo_refusals *no, struct mlo_err *err)
{
    int rc = walk_all(p, no, err);
    if (rc)
        return rc;
    p->files = mlo_calloc(p->walk.n + 1, sizeof(*p->files), err);
    if (!p->files)
        return MLO_EIO;
    for (size_t i = 0; i < p->walk.n; i++) {
        const struct mlo_walked *w = &p->walk.files[i];
        if (strcmp(w->path, MLO_EXTRA_PATH) == 0) {
            rc = add_warning(p, w->path, "left out: it is written afresh for each bundle", err);
            if (rc)
                return rc;
            continue;
        }
        struct mlo_packed *f = &p->files[p->n++];
        f->file = w;
        f->mode = w->st.st_mode & 0111 ? 0755 : 0644;
        f->known = mlo_stat_cache_get(p->seen, &w->st, &f->digest);
    }
    return 0;
}

/* ---- small files: read whole, or known all together ---- */

static void add_hex(struct mlo_str *s, const struct mlo_digest *d)
{
    char hex[MLO_DIGEST_HEX + 1];
    mlo_str_add(s, mlo_digest_hex(d, hex));
    mlo_str_addc(s, '\n');
}

/* Key of all small files' documents; *ret_known false when some file has to be read to know. */
static int small_key(const struct packing *p, struct mlo_digest *ret, bool *ret_known, size_t *ret_n,
                     struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str s;
    mlo_str_init(&s, MLO_STR_MAX);
    *ret_known = true;
    *ret_n = 0;
    for (size_t i = 0; i < p->n && *ret_known; i++) {
        if (!mlo_packed_small(&p->files[i]))
            continue;
        *ret_known = p->files[i].known;
        ++*ret_n;
        add_hex(&s, &p->files[i].digest);
    }
    int rc = mlo_str_check(&s, err);
    return rc ? rc : mlo_sha256(s.ptr, s.len, ret, err);
}

static int cached_json(const struct packing *p, const char *kind, const struct mlo_digest *key, cJSON **ret)
{
    MLO_AUTOFREE char *text = NULL;
    struct mlo_err why = MLO_ERR_INIT;
    size_t n = 0;
    int rc = p->opts->home ? mlo_cache_get(p->opts->home, kind, key, DOC_MAX, &text, &n, &why)
                           : MLO_ENOTFOUND;
    return rc ? rc
              : mlo_json_parse(text, n, DOC_MAX, ret,
                               &why); /* whatever is wrong with a cache: it is as if empty */
}

static int save_json(const struct packing *p, const char *kind, const struct mlo_digest *key,
                     const cJSON *doc, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    if (!p->opts->home || p->opts->dry_run)
        return 0;
    int rc = mlo_json_print(doc, &text, &n, err);
    return rc ? rc : mlo_cache_put(p->opts->home, kind, key, text, n, err);
}

static bool adopt_small(struct packing *p, size_t n)
{
    struct mlo_digest key;
    struct mlo_err why = MLO_ERR_INIT;
    MLO_AUTOJSON cJSON *docs = NULL;
    bool known = false;
    size_t count = 0;
    if (n == 0 || small_key(p, &key, &known, &count, &why) || !known ||
        cached_json(p, "small", &key, &docs) || !cJSON_IsArray(docs) || (size_t)cJSON_GetArraySize(docs) != n)
        return false;
    for (size_t i = 0; i < p->n; i++) {
        struct mlo_packed *f = &p->files[i];
        if (!mlo_packed_small(f))
            continue;
        f->doc = cJSON_DetachItemViaPointer(docs, docs->child);
        if (!mlo_inspected_adopt(f))
            return false;
    }
    return true;
}

static int read_small(struct packing *p, struct mlo_packed *f, struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = -1;
    size_t n = (size_t)f->file->st.st_size;
    int rc = mlo_walked_open(f->file, &fd, err);
    if (rc)
        return rc;
    MLO_AUTOFREE char *text = mlo_calloc(n + 1, 1, err);
    if (!text)
        return MLO_EIO;
    rc = mlo_read_exact_at(fd, text, n, 0, err);
    if (rc == 0)
        rc = mlo_sha256(text, n, &f->digest, err);
    if (rc == 0)
        rc = mlo_stat_cache_put(p->seen, &f->file->st, &f->digest, err);
    if (rc)
        return mlo_wrap(err, "'%s'", f->file->path);
    cJSON_Delete(mlo_steal(&f->doc)); /* of a cache entry that did not fit */
    const struct mlo_mem mem = {.data = text};
    const struct mlo_source src = mlo_source_mem(&mem, n);
    return mlo_inspect(&src, text, f, err);
}

static int learn_small(struct packing *p, struct mlo_err *err)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++)
        n += mlo_packed_small(&p->files[i]);
    if (adopt_small(p, n)) {
        p->ret->n_cached += n;
        return 0;
    }
    int rc = 0;
    for (size_t i = 0; i < p->n && rc == 0; i++)
        if (mlo_packed_small(&p->files[i]))
            rc = read_small(p, &p->files[i], err);
    return rc;
}

/* All documents with their tensors' digests; kept only when one of them is new. */
static int save_small(const struct packing *p, struct mlo_err *err)
{
    struct mlo_digest key;
    struct mlo_jb b = {0};
    bool known = false, fresh = false;
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++)
        fresh = fresh || (mlo_packed_small(&p->files[i]) && p->files[i].fresh);
    if (!fresh)
        return 0;
    MLO_AUTOJSON cJSON *docs = mlo_jb_array(&b, NULL, NULL);
    for (size_t i = 0; i < p->n; i++) {
        p->files[i].known = true;
        if (mlo_packed_small(&p->files[i]))
            mlo_jb_node(&b, docs, NULL, cJSON_Duplicate(p->files[i].doc, true));
    }
    int rc = mlo_jb_check(&b, err);
    if (rc == 0)
        rc = small_key(p, &key, &known, &n, err);
    return rc ? rc : save_json(p, "small", &key, docs, err);
}

/* ---- large files: headers only, until the gate has passed them ---- */

static int learn_large(struct packing *p, struct mlo_packed *f, struct mlo_err *err)
{
    if (f->known && cached_json(p, "inspect", &f->digest, &f->doc) == 0) {
        if (mlo_inspected_adopt(f)) {
            p->ret->n_cached++;
            return 0;
        }
        cJSON_Delete(mlo_steal(&f->doc));
    }
    MLO_AUTOCLOSE int fd = -1;
    int rc = mlo_walked_open(f->file, &fd, err);
    if (rc)
        return rc;
    const struct mlo_source src = mlo_source_fd(&fd, (uint64_t)f->file->st.st_size);
    return mlo_inspect(&src, NULL, f, err);
}

/* ---- tensors in other files: their digests hang on more than one file, so they have a cache of their own
 * ---- */

static bool is_external(const cJSON *tensor)
{
    return cJSON_GetObjectItemCaseSensitive(tensor, "external") != NULL;
}

static cJSON *first_tensor(const struct mlo_packed *f)
{
    const cJSON *array = cJSON_GetObjectItemCaseSensitive(f->doc, "tensors");
    return array ? array->child : NULL;
}

static bool has_external(const struct mlo_packed *f)
{
    return cJSON_GetObjectItemCaseSensitive(f->doc, "external") && first_tensor(f);
}

static int external_key(const struct packing *p, const struct mlo_packed *f, struct mlo_digest *ret,
                        bool *ret_known, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str s;
    mlo_str_init(&s, MLO_STR_MAX);
    add_hex(&s, &f->digest);
    *ret_known = f->known;
    const cJSON *external = cJSON_GetObjectItemCaseSensitive(f->doc, "external");
    for (const cJSON *e = external->child; e; e = e->next) {
        const struct mlo_packed *data = mlo_packed_sibling(p->files, p->n, f->file->path, e->valuestring);
        *ret_known = *ret_known && data && data->known;
        if (data)
            add_hex(&s, &data->digest);
    }
    int rc = mlo_str_check(&s, err);
    return rc ? rc : mlo_sha256(s.ptr, s.len, ret, err);
}

/* What a cached document says of other files is forgotten, then looked up for the files that are there now.
 */
static int adopt_external(const struct packing *p, struct mlo_packed *f, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *digests = NULL;
    struct mlo_digest key;
    struct mlo_jb b = {0};
    bool known = false;
    for (cJSON *t = first_tensor(f); t; t = t->next)
        if (is_external(t))
            cJSON_DeleteItemFromObjectCaseSensitive(t, "digest");
    int rc = external_key(p, f, &key, &known, err);
    if (rc || !known || cached_json(p, "external", &key, &digests))
        return rc;
    const cJSON *d = digests->child;
    for (cJSON *t = first_tensor(f); t; t = t->next) {
        if (!is_external(t) || !d)
            continue;
        mlo_jb_text(&b, t, "digest", d->valuestring);
        d = d->next;
    }
    f->external_cached = true;
    return mlo_jb_check(&b, err);
}

static int save_external(const struct packing *p, const struct mlo_packed *f, struct mlo_err *err)
{
    struct mlo_digest key;
    struct mlo_jb b = {0};
    bool known = false;
    MLO_AUTOJSON cJSON *digests = mlo_jb_array(&b, NULL, NULL);
    for (const cJSON *t = first_tensor(f); t; t = t->next)
        if (is_external(t))
            mlo_jb_text(&b, digests, NULL, mlo_json_text(t, "digest"));
    int rc = mlo_jb_check(&b, err);
    if (rc == 0)
        rc = external_key(p, f, &key, &known, err);
    return rc ? rc : save_json(p, "external", &key, digests, err);
}

static int save_learnt(const struct packing *p, struct mlo_err *err)
{
    int rc = save_small(p, err);
    for (size_t i = 0; i < p->n && rc == 0; i++) {
        const struct mlo_packed *f = &p->files[i];
        if (!mlo_packed_small(f) && f->fresh)
            rc = save_json(p, "inspect", &f->digest, f->doc, err);
        if (rc == 0 && has_external(f) && !f->external_cached)
            rc = save_external(p, f, err);
    }
    return rc;
}

/* ---- learning, the gate, taking in ---- */

static int learn(struct packing *p, struct mlo_err *err)
{
    int rc = learn_small(p, err);
    for (size_t i = 0; i < p->n && rc == 0; i++)
        if (!mlo_packed_small(&p->files[i]))
            rc = learn_large(p, &p->files[i], err);
    for (size_t i = 0; i < p->n && rc == 0; i++) {
        struct mlo_packed *f = &p->files[i];
        f->kind = is_env_lock(p, f->file->path) ? MLO_KIND_CODE : mlo_classify(f->file->path, f->format);
        f->raw = f->kind == MLO_KIND_WEIGHT || !mlo_packed_small(f);
    }
    return rc;
}

static int pass_gate(struct packing *p, struct mlo_refusals *no, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str warning;
    mlo_str_init(&warning, 4096);
    int rc = mlo_gate(p->files, p->n, p->opts, no, &warning, err);
    if (rc == 0 && warning.len)
        rc = add_warning(p, NULL, warning.ptr, err);
    if (rc == 0)
        rc = mlo_refusals_check(no,
                                "see mlopsctl scan for what a file holds; --accept-unknown and "
                                "--accept-secrets let some of it pass",
                                err);
    return rc;
}

static int take_in(struct packing *p, struct mlo_err *err)
{
    const struct mlo_taking t = {
        .store = p->store, .opts = p->opts, .seen = p->seen, .files = p->files, .n = p->n};
    int rc = 0;
    for (size_t i = 0; i < p->n && rc == 0; i++)
        if (has_external(&p->files[i]) && !p->files[i].fresh)
            rc = adopt_external(p, &p->files[i], err);
    return rc ? rc : mlo_take_files(&t, err);
}

/* ---- layers ---- */

static struct mlo_layer_plan *add_layer(struct packing *p, struct mlo_err *err)
{
    if (mlo_grow(&p->layers, &p->layers_cap, p->n_layers + 1, sizeof(*p->layers), err))
        return NULL;
    struct mlo_layer_plan *l = &p->layers[p->n_layers++];
    *l = (struct mlo_layer_plan){.mode = 0644};
    return l;
}

static int add_raw(struct packing *p, struct mlo_packed *f, struct mlo_err *err)
{
    f->layer = p->n_layers;
    struct mlo_layer_plan *l = add_layer(p, err);
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

static int tar_key(const struct packing *p, enum mlo_kind kind, struct mlo_digest *ret, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str s;
    mlo_str_init(&s, MLO_STR_MAX);
    mlo_str_addf(&s, "tar %lld\n", p->opts->source_date_ns / MLO_NS_PER_S);
    for (size_t i = 0; i < p->n; i++) {
        if (!in_tar(&p->files[i], kind))
            continue;
        mlo_str_addf(&s, "%o %s\n", p->files[i].mode,
                     p->files[i].file->path); /* paths hold no control bytes */
        add_hex(&s, &p->files[i].digest);
    }
    int rc = mlo_str_check(&s, err);
    return rc ? rc : mlo_sha256(s.ptr, s.len, ret, err);
}

static bool cached_tar(const struct packing *p, const struct mlo_digest *key, struct mlo_layer_plan *l)
{
    MLO_AUTOJSON cJSON *doc = NULL;
    struct mlo_err why = MLO_ERR_INIT;
    uint64_t size = 0;
    if (cached_json(p, "layer", key, &doc))
        return false;
    const char *text = mlo_json_text(doc, "digest");
    if (!text || mlo_digest_parse(text, &l->digest, &why) || mlo_json_u64(doc, "size", &l->size, &why))
        return false;
    return p->opts->dry_run || (mlo_store_has(p->store, &l->digest, &size) && size == l->size);
}

static int make_tar(const struct packing *p, enum mlo_kind kind, size_t n, const struct mlo_digest *key,
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
    return rc ? rc : save_json(p, "layer", key, doc, err);
}

static int add_tar(struct packing *p, enum mlo_kind kind, struct mlo_err *err)
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
    struct mlo_layer_plan *l = add_layer(p, err);
    if (!l)
        return MLO_EIO;
    l->kind = kind;
    int rc = tar_key(p, kind, &key, err);
    if (rc == 0 && !cached_tar(p, &key, l))
        rc = make_tar(p, kind, n, &key, l, err);
    return rc;
}

static int make_layers(struct packing *p, struct mlo_err *err)
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

/* ---- the documents ---- */

static int put_blob(const struct packing *p, const char *text, size_t n, struct mlo_digest *ret,
                    struct mlo_err *err)
{
    return p->opts->dry_run ? mlo_sha256(text, n, ret, err) : mlo_store_put(p->store, text, n, ret, err);
}

static int make_extra(struct packing *p, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    int rc = mlo_extra_build(p->files, p->n, &p->facts, p->opts, &text, &n, err);
    if (rc)
        return rc;
    if (n > MLO_EXTRA_MAX)
        return mlo_fail(err, MLO_EINVALID, MLO_EXTRA_PATH " would be larger than %zu bytes", MLO_EXTRA_MAX);
    struct mlo_layer_plan *l = add_layer(p, err);
    if (!l)
        return MLO_EIO;
    l->kind = MLO_KIND_DOC;
    l->path = MLO_EXTRA_PATH;
    l->size = n;
    return put_blob(p, text, n, &l->digest, err);
}

static const char *or_null(const char *s)
{
    return *s ? s : NULL;
}

static int make_manifest(struct packing *p, struct mlo_err *err)
{
    const struct mlo_pack_opts *o = p->opts;
    const struct mlo_model_facts *m = &p->facts;
    MLO_AUTOFREE char *config = NULL, *manifest = NULL;
    size_t config_n = 0, n = 0;
    struct mlo_digest config_digest;
    const struct mlo_config_facts facts = {
        .name = o->name,
        .version = o->version,
        .license = o->license,
        .description = o->description,
        .revision = o->git && *o->git->commit ? o->git->commit : NULL,
        .created_ns = o->source_date_ns,
        .format = mlo_format_word(m->format),
        .parameters = m->parameters,
        .precision = or_null(m->precision),
        .quantization = or_null(m->quantization),
        .architecture = or_null(m->architecture),
    };
    int rc = mlo_config_build(&facts, p->layers, p->n_layers, &config, &config_n, err);
    if (rc == 0)
        rc = put_blob(p, config, config_n, &config_digest, err);
    if (rc == 0)
        rc = mlo_manifest_build(&config_digest, config_n, p->layers, p->n_layers, &manifest, &n, err);
    if (rc == 0 && n > MLO_MANIFEST_MAX)
        rc = mlo_fail(err, MLO_EINVALID, "the manifest would be larger than %zu bytes", MLO_MANIFEST_MAX);
    p->ret->manifest_size = n;
    return rc ? rc : put_blob(p, manifest, n, &p->ret->manifest, err);
}

/* ---- the result ---- */

static int collect_warnings(struct packing *p, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; i < p->n && rc == 0; i++) {
        const cJSON *warnings = cJSON_GetObjectItemCaseSensitive(p->files[i].doc, "warnings");
        for (const cJSON *w = warnings ? warnings->child : NULL; w && rc == 0; w = w->next)
            if (cJSON_IsString(w))
                rc = add_warning(p, p->files[i].file->path, w->valuestring, err);
    }
    if (rc == 0 && p->facts.format == MLO_FMT_UNKNOWN)
        rc = add_warning(p, NULL, "no weights among the files", err);
    return rc;
}

static int list_files(struct packing *p, struct mlo_err *err)
{
    struct mlo_pack_result *r = p->ret;
    r->file_paths = mlo_calloc(p->n, sizeof(*r->file_paths), err);
    if (!r->file_paths)
        return MLO_EIO;
    for (size_t i = 0; i < p->n; i++) {
        r->file_paths[i] = mlo_strdup(p->files[i].file->path, err);
        if (!r->file_paths[i])
            return MLO_EIO;
        r->n_file_paths++;
        r->bytes += (uint64_t)p->files[i].file->st.st_size;
    }
    r->n_files = p->n;
    r->n_tensors = p->facts.n_tensors;
    r->parameters = p->facts.parameters;
    r->tensor_set = p->facts.tensor_set;
    r->has_tensor_set = p->facts.has_tensor_set;
    r->verdict = p->facts.verdict;
    return 0;
}

static int write_out(struct packing *p, struct mlo_err *err)
{
    int rc = save_learnt(p, err);
    if (rc == 0)
        rc = mlo_model_facts(p->files, p->n, &p->facts, err);
    if (rc == 0)
        rc = make_layers(p, err);
    if (rc == 0 && !p->opts->bare)
        rc = make_extra(p, err);
    if (rc == 0)
        rc = make_manifest(p, err);
    if (rc == 0)
        rc = collect_warnings(p, err);
    return rc ? rc : list_files(p, err);
}

static int find_files(struct packing *p, struct mlo_refusals *no, struct mlo_err *err)
{
    int rc = collect(p, no, err);
    if (rc == 0)
        rc = mlo_refusals_check(no, "leave such files out with a line in .mlopsignore, or rename them", err);
    if (rc == 0 && p->n == 0)
        rc = mlo_fail(err, MLO_EINVALID, "no files to pack");
    return rc;
}

static int pack_files(struct packing *p, struct mlo_refusals *no, struct mlo_err *err)
{
    uint64_t before = p->store ? mlo_store_added(p->store) : 0;
    int rc = find_files(p, no, err);
    if (rc == 0)
        rc = learn(p, err);
    if (rc == 0)
        rc = pass_gate(p, no, err);
    if (rc == 0)
        rc = take_in(p, err);
    if (rc == 0)
        rc = write_out(p, err);
    if (p->store)
        p->ret->stored_bytes = mlo_store_added(p->store) - before;
    return rc;
}

int mlo_pack(struct mlo_store *s, const struct mlo_pack_opts *opts, struct mlo_pack_result *ret,
             struct mlo_err *err)
{
    struct mlo_pack_result result = {0};
    struct packing p = {.store = s, .opts = opts, .ret = &result};
    struct mlo_refusals no;
    int rc = mlo_stat_cache_open(opts->home, &p.seen, err);
    if (rc)
        return rc;
    bool writes = s && !opts->dry_run;
    mlo_walk_init(&p.walk);
    mlo_refusals_init(&no);
    if (writes)
        mlo_store_begin_batch(s);
    rc = pack_files(&p, &no, err);
    if (writes) {
        struct mlo_err after = MLO_ERR_INIT;
        int synced = mlo_store_commit_batch(s, rc ? &after : err);
        rc = rc ? rc : synced;
    }
    mlo_refusals_release(&no);
    release_packing(&p);
    struct mlo_err lost = MLO_ERR_INIT; /* a cache that cannot be saved costs time, not correctness */
    (void)!mlo_stat_cache_close(p.seen, writes, &lost);
    if (rc)
        mlo_pack_result_release(&result);
    else
        *ret = result;
    return rc;
}

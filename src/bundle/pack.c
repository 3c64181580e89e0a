/*
 * Packing. The order of work is the order of cheapness of refusal: names, then headers and small files, then
 * the gate; only then is a weight file read through, once. The documents that name everything by digest come
 * last.
 */
#include <string.h>
#include <sys/stat.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

#include "packing.h"

#define WARNINGS_MAX 100

static void release_packing(struct mlo_packing *p)
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

static int add_warning(struct mlo_packing *p, const char *path, const char *text, struct mlo_err *err)
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

static int walk_all(struct mlo_packing *p, struct mlo_refusals *no, struct mlo_err *err)
{
    const struct mlo_pack_opts *o = p->opts;
    int rc = 0;
    for (size_t i = 0; i < o->n_paths && rc == 0; i++)
        rc = mlo_walk_add(&p->walk, o->paths[i], NULL, no, err);
    for (size_t i = 0; i < o->n_env_locks && rc == 0; i++)
        rc = mlo_walk_add(&p->walk, o->env_locks[i], base_name(o->env_locks[i]), no, err);
    if (rc == 0 && o->card)
        rc = mlo_walk_add(&p->walk, o->card, "README.md", no, err);
    if (rc == 0 && o->profile)
        rc = mlo_walk_add(&p->walk, o->profile, MLO_PROFILE_PATH, no, err);
    return rc ? rc : mlo_walk_finish(&p->walk, no, err);
}

static bool is_env_lock(const struct mlo_packing *p, const char *path)
{
    for (size_t i = 0; i < p->opts->n_env_locks; i++)
        if (strcmp(base_name(p->opts->env_locks[i]), path) == 0)
            return true;
    return false;
}

static int collect(struct mlo_packing *p, struct mlo_refusals *no, struct mlo_err *err)
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

/* ---- learning, the gate, taking in ---- */

static bool is_profile(const struct mlo_packing *p, const char *path)
{
    return p->opts->profile && strcmp(path, MLO_PROFILE_PATH) == 0;
}

static enum mlo_kind kind_of(const struct mlo_packing *p, const struct mlo_packed *f)
{
    const char *path = f->file->path;
    if (is_profile(p, path))
        return MLO_KIND_DATASET;
    return is_env_lock(p, path) ? MLO_KIND_CODE : mlo_classify(path, f->format);
}

static int learn(struct mlo_packing *p, struct mlo_err *err)
{
    int rc = mlo_packing_learn(p, err);
    for (size_t i = 0; i < p->n && rc == 0; i++) {
        struct mlo_packed *f = &p->files[i];
        f->kind = kind_of(p, f);
        f->raw = f->kind == MLO_KIND_WEIGHT || is_profile(p, f->file->path) || !mlo_packed_small(f);
    }
    return rc;
}

static int pass_gate(struct mlo_packing *p, struct mlo_refusals *no, struct mlo_err *err)
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

static int take_in(struct mlo_packing *p, struct mlo_err *err)
{
    const struct mlo_taking t = {
        .store = p->store, .opts = p->opts, .seen = p->seen, .files = p->files, .n = p->n};
    int rc = mlo_packing_adopt_external(p, err);
    return rc ? rc : mlo_take_files(&t, err);
}

/* ---- what the model does ---- */

static bool is_model(const struct mlo_packed *f)
{
    return f->format == MLO_FMT_ONNX || f->format == MLO_FMT_XGBOOST || f->format == MLO_FMT_LIGHTGBM;
}

static int choose_model(const struct mlo_packing *p, struct mlo_packed **ret, struct mlo_err *err)
{
    const char *model = p->opts->model;
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++)
        if (model ? strcmp(p->files[i].file->path, model) == 0 : is_model(&p->files[i])) {
            *ret = &p->files[i];
            n++;
        }
    if (n == 1)
        return 0;
    if (model)
        return mlo_fail(err, MLO_ENOTFOUND, "no file '%s' is packed", model);
    mlo_fail(err, MLO_EUSAGE,
             n ? "%zu models are packed: which one is meant?" : "no model that can be run is among the files",
             n);
    return mlo_hint(err, "--model-file says which file is the model");
}

/* It was read once more: is it the file that was taken in? */
static int check_unchanged(const struct mlo_packed *f, struct mlo_err *err)
{
    struct stat st;
    MLO_AUTOCLOSE int fd = -1;
    int rc = mlo_walked_open(f->file, &fd, err);
    if (rc != 0)
        return rc;
    if (fstat(fd, &st) != 0)
        return mlo_fail_errno(err, "'%s'", f->file->path);
    const struct stat *was = &f->file->st;
    bool same = st.st_ino == was->st_ino && st.st_size == was->st_size &&
                st.st_mtim.tv_sec == was->st_mtim.tv_sec && st.st_mtim.tv_nsec == was->st_mtim.tv_nsec;
    return same ? 0 : mlo_fail(err, MLO_ECONFLICT, "'%s' changed while it was packed", f->file->path);
}

static int keep_described(struct mlo_packed *f, const char *key, cJSON *node, struct mlo_err *err)
{
    if (!node)
        return 0;
    if (!f->doc)
        f->doc = cJSON_CreateObject();
    if (f->doc && cJSON_AddItemToObject(f->doc, key, node))
        return 0;
    cJSON_Delete(node);
    return mlo_fail_nomem(err);
}

static int describe(struct mlo_packing *p, struct mlo_err *err)
{
    cJSON *features = NULL, *samples = NULL;
    struct mlo_packed *f = NULL;
    if (!p->opts->describe)
        return 0;
    int rc = choose_model(p, &f, err);
    if (rc == 0)
        rc = p->opts->describe(p->opts->describe_ctx, f->file->path, &features, &samples, err);
    if (rc != 0)
        return rc;
    rc = keep_described(f, MLO_DOC_FEATURES, features, err);
    if (rc != 0) {
        cJSON_Delete(samples);
        return rc;
    }
    rc = keep_described(f, MLO_DOC_SAMPLES, samples, err);
    return rc == 0 ? check_unchanged(f, err) : rc;
}

/* ---- the documents ---- */

static int put_blob(const struct mlo_packing *p, const char *text, size_t n, struct mlo_digest *ret,
                    struct mlo_err *err)
{
    return p->opts->dry_run ? mlo_sha256(text, n, ret, err) : mlo_store_put(p->store, text, n, ret, err);
}

static int make_extra(struct mlo_packing *p, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    int rc = mlo_extra_build(p->files, p->n, &p->facts, p->opts, &text, &n, err);
    if (rc)
        return rc;
    if (n > MLO_EXTRA_MAX)
        return mlo_fail(err, MLO_EINVALID, MLO_EXTRA_PATH " would be larger than %zu bytes", MLO_EXTRA_MAX);
    struct mlo_layer_plan *l = mlo_packing_add_layer(p, err);
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

static int make_manifest(struct mlo_packing *p, struct mlo_err *err)
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

static int collect_warnings(struct mlo_packing *p, struct mlo_err *err)
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

static int list_files(struct mlo_packing *p, struct mlo_err *err)
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

static int write_out(struct mlo_packing *p, struct mlo_err *err)
{
    int rc = mlo_packing_keep_learnt(p, err);
    if (rc == 0)
        rc = describe(p, err); /* after: a cache of what files hold knows nothing of it */
    if (rc == 0)
        rc = mlo_model_facts(p->files, p->n, &p->facts, err);
    if (rc == 0)
        rc = mlo_packing_make_layers(p, err);
    if (rc == 0 && !p->opts->bare)
        rc = make_extra(p, err);
    if (rc == 0)
        rc = make_manifest(p, err);
    if (rc == 0)
        rc = collect_warnings(p, err);
    return rc ? rc : list_files(p, err);
}

static int find_files(struct mlo_packing *p, struct mlo_refusals *no, struct mlo_err *err)
{
    int rc = collect(p, no, err);
    if (rc == 0)
        rc = mlo_refusals_check(no, "leave such files out with a line in .mlopsignore, or rename them", err);
    if (rc == 0 && p->n == 0)
        rc = mlo_fail(err, MLO_EINVALID, "no files to pack");
    return rc;
}

static int pack_files(struct mlo_packing *p, struct mlo_refusals *no, struct mlo_err *err)
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
    struct mlo_packing p = {.store = s, .opts = opts, .ret = &result};
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

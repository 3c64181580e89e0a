/*
 * mlopsctl.json: what ModelPack's closed schema has no room for. Members stand in a fixed order, lists are
 * sorted, and there is no time in it, so that the same input gives the same bytes.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

static void add_files(struct mlo_jb *b, cJSON *root, const struct mlo_packed *files, size_t n)
{
    cJSON *array = mlo_jb_array(b, root, "files");
    for (size_t i = 0; i < n; i++) {
        const struct mlo_packed *f = &files[i];
        cJSON *o = mlo_jb_object(b, array, NULL);
        mlo_jb_text(b, o, "path", f->file->path);
        mlo_jb_text(b, o, "kind", mlo_kind_name(f->kind));
        if (f->format != MLO_FMT_UNKNOWN)
            mlo_jb_text(b, o, "format", mlo_format_name(f->format));
        mlo_jb_u64(b, o, "size", (uint64_t)f->file->st.st_size);
        if (f->mode != 0644)
            mlo_jb_u64(b, o, "mode", f->mode);
        mlo_jb_digest(b, o, "digest", &f->digest);
        mlo_jb_u64(b, o, "layer", f->layer);
    }
}

/* The documents' tensors become the bundle's, with the file they are in; where in another file their bytes
 * lie is that file's matter. */
static void move_tensors(struct mlo_jb *b, cJSON *array, const struct mlo_packed *f)
{
    cJSON *tensors = cJSON_GetObjectItemCaseSensitive(f->doc, "tensors");
    while (tensors && tensors->child) {
        cJSON *t = cJSON_DetachItemViaPointer(tensors, tensors->child);
        cJSON_DeleteItemFromObjectCaseSensitive(t, "external");
        cJSON_DeleteItemFromObjectCaseSensitive(t, "offset");
        cJSON_DeleteItemFromObjectCaseSensitive(t, "length");
        mlo_jb_text(b, t, "file", f->file->path);
        mlo_jb_node(b, array, NULL, t);
    }
}

static void add_signatures(struct mlo_jb *b, cJSON *root, const struct mlo_packed *files, size_t n)
{
    cJSON *array = NULL;
    for (size_t i = 0; i < n; i++) {
        cJSON *in = cJSON_DetachItemFromObjectCaseSensitive(files[i].doc, "inputs");
        cJSON *out = cJSON_DetachItemFromObjectCaseSensitive(files[i].doc, "outputs");
        cJSON *features = cJSON_DetachItemFromObjectCaseSensitive(files[i].doc, MLO_DOC_FEATURES);
        if (!in && !out && !features)
            continue;
        array = array ? array : mlo_jb_array(b, root, "signatures");
        cJSON *o = mlo_jb_object(b, array, NULL);
        mlo_jb_text(b, o, "file", files[i].file->path);
        if (in)
            mlo_jb_node(b, o, "inputs", in);
        if (out)
            mlo_jb_node(b, o, "outputs", out);
        if (features)
            mlo_jb_node(b, o, "features", features);
    }
}

static void add_samples(struct mlo_jb *b, cJSON *root, const struct mlo_packed *files, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        cJSON *samples = cJSON_DetachItemFromObjectCaseSensitive(files[i].doc, MLO_DOC_SAMPLES);
        if (samples)
            mlo_jb_node(b, root, "samples", samples);
    }
}

/* ---- what the user gave ---- */

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct mlo_pack_metric *)a)->key, ((const struct mlo_pack_metric *)b)->key);
}

static int add_metrics(struct mlo_jb *b, cJSON *root, const struct mlo_pack_opts *opts, struct mlo_err *err)
{
    if (opts->n_metrics == 0)
        return 0;
    MLO_AUTOFREE struct mlo_pack_metric *sorted = mlo_calloc(opts->n_metrics, sizeof(*sorted), err);
    if (!sorted)
        return MLO_EIO;
    memcpy(sorted, opts->metrics, opts->n_metrics * sizeof(*sorted));
    qsort(sorted, opts->n_metrics, sizeof(*sorted), by_key);
    cJSON *o = mlo_jb_object(b, root, "metrics");
    for (size_t i = 0; i < opts->n_metrics; i++) {
        if (i && strcmp(sorted[i].key, sorted[i - 1].key) == 0)
            return mlo_fail(err, MLO_EUSAGE, "metric '%s' is given twice", sorted[i].key);
        mlo_jb_double(b, o, sorted[i].key, sorted[i].value);
    }
    return 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int add_dataset(struct mlo_jb *b, cJSON *array, const char *path, const struct mlo_pack_opts *opts,
                       struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct mlo_digest digest;
    uint64_t size = 0;
    if (fd < 0)
        return mlo_fail_errno(err, "data set '%s'", path);
    const struct mlo_ingest in = {.fd = fd, .label = path, .threads = opts->threads, .dry_run = true};
    int rc = mlo_store_ingest(NULL, &in, &digest, &size, err);
    if (rc)
        return mlo_wrap(err, "data set");
    cJSON *o = mlo_jb_object(b, array, NULL);
    mlo_jb_text(b, o, "name", base_name(path));
    mlo_jb_u64(b, o, "size", size);
    mlo_jb_digest(b, o, "digest", &digest);
    return 0;
}

static int by_base_name(const void *a, const void *b)
{
    return strcmp(base_name(*(const char *const *)a), base_name(*(const char *const *)b));
}

static int add_datasets(struct mlo_jb *b, cJSON *root, const struct mlo_pack_opts *opts, struct mlo_err *err)
{
    if (opts->n_datasets == 0)
        return 0;
    MLO_AUTOFREE const char **sorted = mlo_calloc(opts->n_datasets, sizeof(*sorted), err);
    if (!sorted)
        return MLO_EIO;
    memcpy(sorted, opts->datasets, opts->n_datasets * sizeof(*sorted));
    qsort(sorted, opts->n_datasets, sizeof(*sorted), by_base_name);
    cJSON *array = mlo_jb_array(b, root, "datasets");
    int rc = 0;
    for (size_t i = 0; i < opts->n_datasets && rc == 0; i++)
        rc = add_dataset(b, array, sorted[i], opts, err);
    return rc;
}

/* Only what every clone of the same commit says alike: no branch, no remote. */
static void add_git(struct mlo_jb *b, cJSON *root, const struct mlo_git_info *git)
{
    if (!git || !git->in_repo)
        return;
    cJSON *o = mlo_jb_object(b, root, "git");
    if (*git->commit)
        mlo_jb_text(b, o, "commit", git->commit);
    mlo_jb_true(b, o, "dirty", git->dirty);
    cJSON *array = git->n_listed ? mlo_jb_array(b, o, "dirty_files") : NULL;
    for (size_t i = 0; i < git->n_listed; i++)
        mlo_jb_text(b, array, NULL, git->changes[i].path);
}

static void add_env(struct mlo_jb *b, cJSON *root, const struct mlo_packed *files, size_t n,
                    const struct mlo_pack_opts *opts)
{
    cJSON *array = NULL;
    for (size_t i = 0; i < n; i++) {
        bool lock = false;
        for (size_t k = 0; k < opts->n_env_locks && !lock; k++)
            lock = strcmp(files[i].file->path, base_name(opts->env_locks[k])) == 0;
        if (!lock)
            continue;
        array = array ? array : mlo_jb_array(b, root, "env");
        cJSON *o = mlo_jb_object(b, array, NULL);
        mlo_jb_text(b, o, "path", files[i].file->path);
        mlo_jb_digest(b, o, "digest", &files[i].digest);
    }
}

static void add_profile(struct mlo_jb *b, cJSON *root, const struct mlo_packed *files, size_t n,
                        const struct mlo_pack_opts *opts)
{
    for (size_t i = 0; opts->profile && i < n; i++) {
        if (strcmp(files[i].file->path, MLO_PROFILE_PATH) != 0)
            continue;
        cJSON *o = mlo_jb_object(b, root, "profile");
        mlo_jb_text(b, o, "path", MLO_PROFILE_PATH);
        mlo_jb_digest(b, o, "digest", &files[i].digest);
        mlo_jb_u64(b, o, "rows", opts->profile_rows);
        mlo_jb_u64(b, o, "columns", opts->profile_columns);
    }
}

static void add_verdicts(struct mlo_jb *b, cJSON *root, const struct mlo_packed *files, size_t n,
                         enum mlo_pickle_verdict worst)
{
    cJSON *array = NULL;
    mlo_jb_text(b, root, "verdict", mlo_verdict_name(worst));
    for (size_t i = 0; i < n; i++) {
        enum mlo_pickle_verdict v = mlo_inspected_verdict(files[i].doc);
        if (v == MLO_VERDICT_NONE)
            continue;
        array = array ? array : mlo_jb_array(b, root, "verdicts");
        cJSON *o = mlo_jb_object(b, array, NULL);
        mlo_jb_text(b, o, "file", files[i].file->path);
        mlo_jb_text(b, o, "verdict", mlo_verdict_name(v));
        cJSON *findings = cJSON_DetachItemFromObjectCaseSensitive(files[i].doc, "findings");
        if (findings)
            mlo_jb_node(b, o, "findings", findings);
    }
}

int mlo_extra_build(struct mlo_packed *files, size_t n, const struct mlo_model_facts *facts,
                    const struct mlo_pack_opts *opts, char **ret, size_t *ret_len, struct mlo_err *err)
{
    struct mlo_jb b = {0};
    MLO_AUTOJSON cJSON *root = mlo_jb_object(&b, NULL, NULL);
    mlo_jb_u64(&b, root, "schema", MLO_EXTRA_SCHEMA);
    add_files(&b, root, files, n);
    cJSON *tensors = mlo_jb_array(&b, root, "tensors");
    for (size_t i = 0; i < n; i++)
        move_tensors(&b, tensors, &files[i]);
    if (facts->has_tensor_set)
        mlo_jb_digest(&b, root, "tensor_set", &facts->tensor_set);
    mlo_jb_u64(&b, root, "parameters", facts->parameters);
    add_signatures(&b, root, files, n);
    int rc = add_metrics(&b, root, opts, err);
    if (rc == 0)
        rc = add_datasets(&b, root, opts, err);
    if (rc)
        return rc;
    add_git(&b, root, opts->git);
    add_env(&b, root, files, n, opts);
    add_profile(&b, root, files, n, opts);
    add_verdicts(&b, root, files, n, facts->verdict);
    add_samples(&b, root, files, n);
    rc = mlo_jb_check(&b, err);
    return rc ? rc : mlo_json_print(root, ret, ret_len, err);
}

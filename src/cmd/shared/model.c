/* See model.h. */
#include "model.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mlopsctl/base/text.h>

#define TREES_MAX ((size_t)256 << 20) /* of a file that is read to show what it takes */

/* ---- which file of a bundle ---- */

static bool ends_in(const char *path, const char *end)
{
    size_t n = strlen(path), k = strlen(end);
    return n > k && strcmp(path + n - k, end) == 0;
}

static bool is_model(const struct mlo_file *f)
{
    static const char *const formats[] = {"onnx", "xgboost", "lightgbm"};
    for (size_t i = 0; i < MLO_COUNT(formats); i++)
        if (f->format && strcmp(f->format, formats[i]) == 0)
            return true;
    return ends_in(f->path, ".onnx");
}

static bool is_weight(const struct mlo_file *f)
{
    return f->kind && strcmp(f->kind, "weight") == 0;
}

static int no_model(const struct mlo_bundle *b, struct mlo_err *err)
{
    mlo_fail(err, MLO_EUNAVAIL, "the bundle has no model that can be run here");
    for (size_t i = 0; i < b->n_files; i++)
        if (is_weight(&b->files[i]) && b->files[i].format)
            return mlo_hint(err, "its weights are %s: what is run is ONNX, or trees of XGBoost or LightGBM",
                            b->files[i].format);
    return mlo_hint(err, "pack the model's .onnx file into it");
}

/* The only one that `fits`, and how many there are. */
static size_t count_files(const struct mlo_bundle *b, bool (*fits)(const struct mlo_file *f),
                          const struct mlo_file **ret)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n_files; i++)
        if (fits(&b->files[i])) {
            *ret = &b->files[i];
            n++;
        }
    return n;
}

/* "'a.onnx', 'b.txt'" */
static int hint_models(const struct mlo_bundle *b, struct mlo_err *err)
{
    enum { NAMED = 5 };
    char shown[MLO_SHOWN];
    size_t n = 0;
    MLO_AUTOSTR struct mlo_str names;
    mlo_str_init(&names, MLO_STR_MAX);
    for (size_t i = 0; i < b->n_files; i++)
        if (is_model(&b->files[i]) && n++ < NAMED)
            mlo_str_addf(&names, "%s'%s'", n > 1 ? ", " : "",
                         mlo_shown(b->files[i].path, strlen(b->files[i].path), shown));
    return n ? mlo_hint(err, "--model-file says which: %s%s", names.ptr, n > NAMED ? ", and more" : "")
             : err->code;
}

static int choose_file(const struct mlo_bundle *b, const char *inside, const struct mlo_file **ret,
                       struct mlo_err *err)
{
    size_t n;
    for (size_t i = 0; inside && i < b->n_files; i++)
        if (strcmp(b->files[i].path, inside) == 0) {
            *ret = &b->files[i];
            return 0;
        }
    if (inside) {
        mlo_fail(err, MLO_ENOTFOUND, "the bundle has no file '%s'", inside);
        return hint_models(b, err);
    }
    n = count_files(b, is_model, ret);
    if (n == 0)
        return no_model(b, err);
    if (n == 1)
        return 0;
    mlo_fail(err, MLO_EUSAGE, "the bundle holds %zu models", n);
    return hint_models(b, err);
}

/* ---- its plan ---- */

/* Weights in other files of the bundle: they get their names for as long as the model is read. */
static int open_unpacked(struct mlo_workspace *ws, const struct mlo_bundle *b, const struct mlo_file *f,
                         const struct mlo_plan_opts *opts, struct mlo_plan **ret, struct mlo_err *err)
{
    const char *tmp = mlo_env_get(ws->ctx->env, "TMPDIR");
    const struct mlo_unpack_opts o = {0};
    char folder[MLO_PATH_MAX], into[MLO_PATH_MAX + 16], path[3 * MLO_PATH_MAX];
    uint64_t bytes;
    size_t files;
    int n = snprintf(folder, sizeof folder, "%s/mlopsctl-model-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (n < 0 || (size_t)n >= sizeof folder || !mkdtemp(folder))
        return mlo_fail_errno(err, "no folder for temporary files");
    snprintf(into, sizeof into, "%s/bundle", folder);
    snprintf(path, sizeof path, "%s/%s", into, f->path);
    int rc = mlo_bundle_unpack(ws->store, &b->digest, into, &o, &bytes, &files, err);
    if (rc == 0)
        rc = mlo_plan_open(path, opts, ret, err);
    struct mlo_err after = MLO_ERR_INIT;
    int removed = mlo_remove_tree_at(AT_FDCWD, folder, rc == 0 ? err : &after);
    if (rc == 0 && removed != 0)
        mlo_plan_free(mlo_steal(ret));
    return rc ? rc : removed;
}

/* Of a file in a tar layer there is no blob to open. */
static bool is_alone(const struct mlo_bundle *b, const struct mlo_file *f)
{
    const struct mlo_file *one;
    return b->layers[f->layer].packing == MLO_PACKING_RAW && count_files(b, is_weight, &one) <= 1;
}

static char *blob_path(const struct mlo_workspace *ws, const struct mlo_file *f, char path[2 * MLO_PATH_MAX])
{
    char hex[MLO_DIGEST_HEX + 1];
    snprintf(path, 2 * MLO_PATH_MAX, "%s/store/blobs/sha256/%s", ws->home, mlo_digest_hex(&f->digest, hex));
    return path;
}

static int open_blob(struct mlo_workspace *ws, const struct mlo_file *f, const struct mlo_plan_opts *opts,
                     struct mlo_plan **ret, struct mlo_err *err)
{
    char path[2 * MLO_PATH_MAX];
    int rc = mlo_store_verify_blob(ws->store, &f->digest, err);
    if (rc == MLO_EINVALID)
        return mlo_hint(err, "`mlopsctl verify --repair FROM` puts good bytes in its place");
    return rc == 0 ? mlo_plan_open(blob_path(ws, f, path), opts, ret, err) : rc;
}

int mlo_model_of_bundle(struct mlo_workspace *ws, const struct mlo_bundle *b, const char *inside,
                        const struct mlo_plan_opts *opts, struct mlo_plan **ret,
                        const struct mlo_file **ret_file, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    const struct mlo_file *f = NULL;
    int rc = choose_file(b, inside, &f, err);
    if (rc != 0)
        return rc;
    rc = is_alone(b, f) ? open_blob(ws, f, opts, ret, err) : open_unpacked(ws, b, f, opts, ret, err);
    if (rc == 0)
        *ret_file = f;
    return rc ? mlo_wrap(err, "'%s'", mlo_shown(f->path, strlen(f->path), shown)) : 0;
}

static bool is_trees(const struct mlo_file *f)
{
    return f->format && (strcmp(f->format, "xgboost") == 0 || strcmp(f->format, "lightgbm") == 0);
}

int mlo_model_of_trees(const struct mlo_workspace *ws, const struct mlo_bundle *b,
                       struct mlo_onnx_model **ret, const struct mlo_file **ret_file, struct mlo_err *err)
{
    char path[2 * MLO_PATH_MAX];
    const struct mlo_file *f = NULL;
    if (count_files(b, is_trees, &f) != 1 || b->layers[f->layer].packing != MLO_PACKING_RAW ||
        access(blob_path(ws, f, path), R_OK) != 0)
        return 0;
    if (f->size > TREES_MAX)
        return mlo_fail(err, MLO_EUNAVAIL, "'%s' is larger than %zu MiB", f->path, TREES_MAX >> 20);
    int rc = mlo_model_file_open(path, NULL, ret, err);
    if (rc == 0)
        *ret_file = f;
    return rc;
}

/* ---- either ---- */

static int open_bundle(struct mlo_ctx *ctx, const char *word, const char *inside,
                       const struct mlo_plan_opts *opts, struct mlo_model *m, struct mlo_err *err)
{
    struct mlo_digest digest;
    char shown[MLO_SHOWN];
    int rc = mlo_workspace_read(ctx, &m->ws, err);
    if (rc != 0)
        return rc;
    m->in_bundle = true;
    rc = mlo_workspace_resolve(&m->ws, word, NULL, &digest, err);
    if (rc == MLO_EUSAGE || rc == MLO_ENOTFOUND) {
        char hint[sizeof err->hint];
        snprintf(hint, sizeof hint, "%s", err->hint);
        mlo_fail(err, MLO_ENOTFOUND, "'%s' is neither a file nor a bundle",
                 mlo_shown(word, strlen(word), shown));
        return *hint ? mlo_hint(err, "%s", hint) : err->code;
    }
    if (rc == 0)
        rc = mlo_bundle_load(m->ws.store, &digest, &m->bundle, err);
    return rc == 0 ? mlo_model_of_bundle(&m->ws, &m->bundle, inside, opts, &m->plan, &m->file, err) : rc;
}

int mlo_model_open(struct mlo_ctx *ctx, const char *word, const char *inside,
                   const struct mlo_plan_opts *opts, struct mlo_model *ret, struct mlo_err *err)
{
    struct mlo_model m = {0};
    bool is_file = access(word, F_OK) == 0;
    if (is_file && inside)
        return mlo_fail(err, MLO_EUSAGE, "'%s' is a model itself: --model-file is for bundles", word);
    int rc = is_file ? mlo_plan_open(word, opts, &m.plan, err)
                     : open_bundle(ctx, word, inside, opts, &m, err);
    if (rc == MLO_EINVALID && is_file && !*err->hint)
        rc = mlo_hint(err,
                      "the model comes first: a file of ONNX, XGBoost or LightGBM, or a bundle's name; if "
                      "this is one, it was cut off or damaged");
    if (rc != 0)
        mlo_model_release(&m);
    else
        *ret = m;
    return rc;
}

static const cJSON *member(const cJSON *o, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(o, key);
}

int mlo_model_features(const struct mlo_bundle *b, const struct mlo_file *f, const char ***ret, size_t *ret_n,
                       struct mlo_err *err)
{
    const cJSON *s = member(b->extra, "signatures"), *list = NULL;
    for (s = s ? s->child : NULL; s && !list; s = s->next) {
        const char *file = mlo_json_text(s, "file");
        if (file && strcmp(file, f->path) == 0)
            list = member(s, "features");
    }
    if (!cJSON_IsArray(list))
        return 0;
    MLO_AUTOFREE const char **names = mlo_calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof *names, err);
    if (!names)
        return err->code;
    for (const cJSON *o = list->child; o; o = o->next) {
        if (!cJSON_IsString(o))
            return mlo_fail(err, MLO_EINVALID, "the bundle's names of features are damaged");
        names[(*ret_n)++] = o->valuestring;
    }
    *ret = mlo_steal(&names);
    return 0;
}

void mlo_model_release(struct mlo_model *m)
{
    mlo_plan_free(m->plan);
    if (m->in_bundle) {
        mlo_bundle_release(&m->bundle);
        mlo_workspace_close(&m->ws);
    }
    *m = (struct mlo_model){0};
}

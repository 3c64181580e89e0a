/* What may not be packed: malformed weights, pickles that run code, secrets, models that lack a part of
 * themselves. */
#include <fnmatch.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/secret.h>
#include <mlopsctl/base/text.h>

#include "internal.h"

#define INDEX_MAX ((size_t)64 << 20)

static const cJSON *member(const cJSON *o, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(o, key);
}

/* ---- one file ---- */

static void refuse_pickle(const struct mlo_packed *f, enum mlo_pickle_verdict v, struct mlo_refusals *no)
{
    MLO_AUTOSTR struct mlo_str what;
    mlo_str_init(&what, 256);
    for (const cJSON *o = member(f->doc, "findings") ? member(f->doc, "findings")->child : NULL; o;
         o = o->next) {
        const char *word = mlo_json_text(o, "verdict"), *name = mlo_json_text(o, "what");
        if (!word || !name || strcmp(word, mlo_verdict_name(v)) != 0)
            continue;
        mlo_str_add(&what, ": ");
        mlo_escape(&what, name, strnlen(name, 80));
        mlo_str_addf(&what, " at byte %llu", (unsigned long long)mlo_jb_value(member(o, "offset")));
        break;
    }
    mlo_refuse(no, f->file->path, "%s pickle%s", mlo_verdict_name(v), what.ptr);
}

/*
 * A name that promises weights: what else is in such a file is a download that broke off, an error page, or
 * the pointer that Git LFS leaves where the weights should be.
 */
static void check_name(const struct mlo_packed *f, struct mlo_refusals *no)
{
    static const struct {
        const char *glob;
        enum mlo_format format, or ;
    } promises[] = {
        {"*.safetensors", MLO_FMT_SAFETENSORS, MLO_FMT_SAFETENSORS},
        {"*.gguf", MLO_FMT_GGUF, MLO_FMT_GGUF},
        {"*.onnx", MLO_FMT_ONNX, MLO_FMT_ONNX},
        {"*.npy", MLO_FMT_NPY, MLO_FMT_NPY},
        {"*.npz", MLO_FMT_NPZ, MLO_FMT_ZIP}, /* without members it is just a zip */
    };
    for (size_t i = 0; i < MLO_COUNT(promises); i++) {
        if (f->format == promises[i].format || f->format == promises[i].or ||
            fnmatch(promises[i].glob, f->file->path, FNM_CASEFOLD) != 0)
            continue;
        mlo_refuse(no, f->file->path,
                   "is named like %s but its content is not: cut off, or a Git LFS pointer?",
                   mlo_format_name(promises[i].format));
    }
}

static void check_content(const struct mlo_packed *f, const struct mlo_pack_opts *opts,
                          struct mlo_refusals *no)
{
    enum mlo_pickle_verdict v = mlo_inspected_verdict(f->doc);
    const char *fault = mlo_json_text(f->doc, "fault");
    if (v == MLO_VERDICT_DANGEROUS || (v > MLO_VERDICT_KNOWN && !opts->accept_unknown))
        refuse_pickle(f, v, no);
    else if (fault)
        mlo_refuse(no, f->file->path, "%s", fault);
    else
        check_name(f, no);
}

static void check_secrets(const struct mlo_packed *f, struct mlo_refusals *no)
{
    const char *rule = mlo_secret_file_name(f->file->path);
    if (rule)
        mlo_refuse(no, f->file->path, "a file of secrets (%s)", rule);
    const cJSON *secrets = member(f->doc, "secrets");
    for (const cJSON *o = secrets ? secrets->child : NULL; o; o = o->next) {
        const char *name = mlo_json_text(o, "rule");
        mlo_refuse(no, f->file->path, "a secret (%s) in line %llu", name ? name : "unknown",
                   (unsigned long long)mlo_jb_value(member(o, "line")));
    }
}

/* ---- external data ---- */

static void check_external(struct mlo_packed *files, size_t n, const struct mlo_packed *f,
                           struct mlo_refusals *no)
{
    const cJSON *external = member(f->doc, "external"), *tensors = member(f->doc, "tensors");
    for (const cJSON *e = external ? external->child : NULL; e; e = e->next) {
        struct mlo_packed *data = cJSON_IsString(e)
                                      ? mlo_packed_sibling(files, n, f->file->path, e->valuestring)
                                      : NULL;
        if (data) {
            data->kind = MLO_KIND_WEIGHT;
            data->raw = true;
            continue;
        }
        MLO_AUTOSTR struct mlo_str name;
        mlo_str_init(&name, 512);
        if (cJSON_IsString(e))
            mlo_escape(&name, e->valuestring, strnlen(e->valuestring, 100));
        mlo_refuse(no, f->file->path, "its data file '%s' is not among the packed files", name.ptr);
    }
    for (const cJSON *t = external && tensors ? tensors->child : NULL; t; t = t->next) {
        const char *name = mlo_json_text(t, "external");
        struct mlo_packed *data = name ? mlo_packed_sibling(files, n, f->file->path, name) : NULL;
        uint64_t size = data ? (uint64_t)data->file->st.st_size : 0,
                 offset = mlo_jb_value(member(t, "offset"));
        if (data && (offset > size || mlo_jb_value(member(t, "length")) > size - offset)) {
            mlo_refuse(no, f->file->path, "its data file is too short");
            break;
        }
    }
}

/* ---- sharded models ---- */

struct shards {
    struct mlo_shard *items;
    struct mlo_checkpoint *cps;
    size_t n;
};

static bool is_shard_index(const char *path)
{
    return fnmatch("*.safetensors.index.json", path, 0) == 0 || fnmatch("*.bin.index.json", path, 0) == 0;
}

/* What the check looks at, out of a document (which may be from the cache): names and sizes. */
static int shard_tensors(const struct mlo_packed *f, struct mlo_checkpoint *cp, struct mlo_arena *arena,
                         struct mlo_err *err)
{
    const cJSON *array = member(f->doc, "tensors");
    size_t n = array ? (size_t)cJSON_GetArraySize(array) : 0;
    cp->format = f->format;
    cp->tensors = mlo_arena_alloc(arena, n + 1, sizeof(*cp->tensors), err);
    if (!cp->tensors)
        return MLO_EIO;
    for (const cJSON *t = array ? array->child : NULL; t; t = t->next) {
        const char *name = mlo_json_text(t, "name");
        uint64_t bytes = mlo_jb_value(member(t, "bytes"));
        cp->tensors[cp->n_tensors++] = (struct mlo_tensor){.name = name ? name : "", .bytes = bytes};
        cp->tensor_bytes += bytes;
    }
    return 0;
}

static bool has_shard(const struct shards *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->items[i].file, name) == 0)
            return true;
    return false;
}

/* The files that the index names, as far as they are packed; what is missing the check itself says. */
static int find_shards(struct mlo_packed *files, size_t n, const char *path, const cJSON *index,
                       struct shards *s, struct mlo_arena *arena, struct mlo_err *err)
{
    const cJSON *map = member(index, "weight_map");
    size_t max = map ? (size_t)cJSON_GetArraySize(map) : 0;
    s->items = mlo_arena_alloc(arena, max + 1, sizeof(*s->items), err);
    for (const cJSON *e = map ? map->child : NULL; e && s->items; e = e->next) {
        if (!cJSON_IsString(e) || has_shard(s, e->valuestring))
            continue;
        const struct mlo_packed *f = mlo_packed_sibling(files, n, path, e->valuestring);
        struct mlo_checkpoint *cp = f ? mlo_arena_alloc(arena, 1, sizeof(*cp), err) : NULL;
        if (!f)
            continue;
        if (!cp || shard_tensors(f, cp, arena, err))
            return MLO_EIO;
        s->items[s->n++] = (struct mlo_shard){.file = e->valuestring, .cp = cp};
    }
    return s->items ? 0 : MLO_EIO;
}

static int check_index(struct mlo_packed *files, size_t n, const struct mlo_packed *f,
                       struct mlo_refusals *no, struct mlo_str *warning, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    MLO_AUTOJSON cJSON *index = NULL;
    struct mlo_err why = MLO_ERR_INIT;
    struct shards s = {0};
    struct mlo_arena arena;
    size_t len = 0;
    if ((uint64_t)f->file->st.st_size > INDEX_MAX) {
        mlo_refuse(no, f->file->path, "larger than an index can be");
        return 0;
    }
    int rc = mlo_walked_slurp(f->file, &text, &len, err);
    if (rc)
        return rc;
    if (mlo_json_parse(text, len, INDEX_MAX, &index, &why)) {
        mlo_refuse(no, f->file->path, "%s", why.msg);
        return 0;
    }
    mlo_arena_init(&arena, (size_t)1 << 30);
    rc = find_shards(files, n, f->file->path, index, &s, &arena, err);
    if (rc == 0 && mlo_shard_index_check(text, len, s.items, s.n, warning, &why))
        mlo_refuse(no, f->file->path, "%s", why.msg);
    mlo_arena_release(&arena);
    return rc;
}

int mlo_gate(struct mlo_packed *files, size_t n, const struct mlo_pack_opts *opts, struct mlo_refusals *no,
             struct mlo_str *warning, struct mlo_err *err)
{
    for (size_t i = 0; i < n; i++) {
        check_content(&files[i], opts, no);
        if (!opts->accept_secrets)
            check_secrets(&files[i], no);
        check_external(files, n, &files[i], no);
        int rc = is_shard_index(files[i].file->path) ? check_index(files, n, &files[i], no, warning, err) : 0;
        if (rc)
            return rc;
    }
    return 0;
}

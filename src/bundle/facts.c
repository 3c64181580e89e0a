/*
 * The model as a whole. A folder may hold the same weights in two formats (safetensors beside PyTorch, say):
 * counts, precision and the tensor-set digest are those of the format that most bytes are in, so nothing
 * counts twice.
 */
#include <stdio.h>
#include <string.h>

#include "internal.h"

#define TYPES_MAX 32

struct type_share {
    const char *name;
    uint64_t bytes;
};

const char *mlo_format_word(enum mlo_format f)
{
    if (f == MLO_FMT_UNKNOWN)
        return NULL;
    if (f == MLO_FMT_TORCH_ZIP || f == MLO_FMT_TORCH_LEGACY || f == MLO_FMT_TORCH_TAR ||
        f == MLO_FMT_TORCHSCRIPT)
        return "pt";
    return mlo_format_name(f);
}

/* Tensors, or trees. */
static bool has_weights(const struct mlo_packed *f)
{
    return f->format == MLO_FMT_XGBOOST || f->format == MLO_FMT_LIGHTGBM ||
           cJSON_GetObjectItemCaseSensitive(f->doc, "tensors") != NULL;
}

static enum mlo_format main_format(const struct mlo_packed *files, size_t n)
{
    uint64_t bytes[MLO_FMT_COMPRESSED + 1] = {0};
    int best = MLO_FMT_UNKNOWN;
    for (size_t i = 0; i < n; i++)
        if (has_weights(&files[i]))
            bytes[files[i].format] += (uint64_t)files[i].file->st.st_size;
    for (int f = MLO_FMT_UNKNOWN + 1; f <= MLO_FMT_COMPRESSED; f++)
        if (bytes[f] > bytes[best])
            best = f;
    return (enum mlo_format)best;
}

static uint64_t number(const cJSON *o, const char *key)
{
    return mlo_jb_value(cJSON_GetObjectItemCaseSensitive(o, key));
}

static void count_type(struct type_share *types, size_t *n, const char *name, uint64_t bytes)
{
    size_t i = 0;
    while (i < *n && strcmp(types[i].name, name) != 0)
        i++;
    if (i == *n) {
        if (i == TYPES_MAX)
            return;
        types[(*n)++] = (struct type_share){.name = name};
    }
    types[i].bytes += bytes;
}

static int by_share(const void *a, const void *b)
{
    const struct type_share *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return strcmp(x->name, y->name);
}

/* The types that ModelPack has a word for. */
static bool is_precision(const char *name)
{
    static const char *const words[] = {"float64",     "float32",   "float16",   "bfloat16", "float8_e4m3",
                                        "float8_e5m2", "complex32", "complex64", "int8",     "int16",
                                        "int32",       "int64",     "uint8",     "uint16",   "uint32",
                                        "uint64",      "bool"};
    for (size_t i = 0; i < MLO_COUNT(words); i++)
        if (strcmp(words[i], name) == 0)
            return true;
    return false;
}

static void name_types(struct type_share *types, size_t n, struct mlo_model_facts *ret)
{
    qsort(types, n, sizeof(*types), by_share);
    for (size_t i = 0; i < n; i++) {
        if (!is_precision(types[i].name)) {
            if (!*ret->quantization && ret->format == MLO_FMT_GGUF)
                snprintf(ret->quantization, sizeof(ret->quantization), "%s", types[i].name);
            continue;
        }
        size_t len = strlen(ret->precision);
        snprintf(ret->precision + len, sizeof(ret->precision) - len, "%s%s", len ? "," : "", types[i].name);
    }
}

/* ---- tensor set ---- */

struct ids {
    struct mlo_tensor_id *items;
    size_t n, cap;
    struct mlo_arena arena;
    bool incomplete; /* a tensor without bytes of its own */
};

static int add_id(struct ids *ids, const cJSON *t, struct mlo_err *err)
{
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(t, "shape");
    const char *digest = mlo_json_text(t, "digest");
    if (!digest) {
        ids->incomplete = true;
        return 0;
    }
    struct mlo_tensor_id id = {.name = mlo_json_text(t, "name"), .type_name = mlo_json_text(t, "type")};
    uint64_t *dims = mlo_arena_alloc(&ids->arena, (size_t)cJSON_GetArraySize(shape) + 1, sizeof(*dims), err);
    if (!dims)
        return MLO_EIO;
    for (const cJSON *d = shape ? shape->child : NULL; d; d = d->next)
        dims[id.rank++] = mlo_jb_value(d);
    id.shape = dims;
    int rc = mlo_digest_parse(digest, &id.digest, err);
    if (rc == 0)
        rc = mlo_grow(&ids->items, &ids->cap, ids->n + 1, sizeof(*ids->items), err);
    if (rc == 0)
        ids->items[ids->n++] = id;
    return rc;
}

static int set_digest(struct ids *ids, struct mlo_model_facts *ret, struct mlo_err *err)
{
    if (ids->incomplete || ids->n == 0)
        return 0;
    int rc = mlo_tensor_set_digest(ids->items, ids->n, &ret->tensor_set, err);
    ret->has_tensor_set = rc == 0;
    return rc;
}

static int add_file(const struct mlo_packed *f, struct ids *ids, struct type_share *types, size_t *n_types,
                    struct mlo_model_facts *ret, struct mlo_err *err)
{
    const char *architecture = mlo_json_text(f->doc, "architecture");
    if (architecture && !*ret->architecture && strlen(architecture) < sizeof(ret->architecture))
        snprintf(ret->architecture, sizeof(ret->architecture), "%s", architecture);
    ret->parameters += number(f->doc, "parameters");
    const cJSON *tensors = cJSON_GetObjectItemCaseSensitive(f->doc, "tensors");
    for (const cJSON *t = tensors->child; t; t = t->next) {
        const char *type = mlo_json_text(t, "type");
        if (type)
            count_type(types, n_types, type, number(t, "bytes"));
        int rc = add_id(ids, t, err);
        if (rc)
            return rc;
    }
    return 0;
}

int mlo_model_facts(const struct mlo_packed *files, size_t n, struct mlo_model_facts *ret,
                    struct mlo_err *err)
{
    struct mlo_model_facts facts = {.format = main_format(files, n)};
    struct type_share types[TYPES_MAX] = {0};
    struct ids ids = {0};
    size_t n_types = 0;
    int rc = 0;
    mlo_arena_init(&ids.arena, (size_t)1 << 30);
    for (size_t i = 0; i < n && rc == 0; i++) {
        const cJSON *tensors = cJSON_GetObjectItemCaseSensitive(files[i].doc, "tensors");
        enum mlo_pickle_verdict v = mlo_inspected_verdict(files[i].doc);
        facts.verdict = v > facts.verdict ? v : facts.verdict;
        facts.n_tensors += tensors ? (size_t)cJSON_GetArraySize(tensors) : 0;
        if (tensors && files[i].format == facts.format)
            rc = add_file(&files[i], &ids, types, &n_types, &facts, err);
    }
    if (rc == 0)
        rc = set_digest(&ids, &facts, err);
    free(ids.items);
    mlo_arena_release(&ids.arena);
    if (rc)
        return rc;
    name_types(types, n_types, &facts);
    *ret = facts;
    return 0;
}

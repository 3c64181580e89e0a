/*
 * Models in the artifacts of other tools: KitOps ModelKits, Docker Model Runner, Ollama, and plain artifacts
 * whose layers carry a file name. They are kept byte for byte, so their digest stays; here is what each layer
 * is: its kind, its packing and, where it is one file, its path.
 *
 * Names of media types: kitops-ml/kitops pkg/lib/constants/mediaType.go, docker/model-runner
 * pkg/distribution/types, ollama/ollama server/layer.go, oras-project's title and unpack annotations.
 */
#include <string.h>

#include <mlopsctl/base/text.h>

#include "oci.h"

#define KITOPS         "application/vnd.kitops.modelkit."
#define DOCKER_MODEL   "application/vnd.docker.ai."
#define OLLAMA         "application/vnd.ollama.image."
#define ANN_UNPACK     "io.deis.oras.content.unpack"
#define NAME_MAX_BYTES 96

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

const char *mlo_layer_annotation(const cJSON *layer, const char *key)
{
    return mlo_json_text(cJSON_GetObjectItemCaseSensitive(layer, "annotations"), key);
}

/* ---- whose is it ---- */

struct layers_seen {
    size_t n, ollama, titled;
};

static struct layers_seen look_at_layers(const cJSON *manifest)
{
    const cJSON *layers = cJSON_GetObjectItemCaseSensitive(manifest, "layers");
    struct layers_seen seen = {0};
    for (const cJSON *l = cJSON_IsArray(layers) ? layers->child : NULL; l; l = l->next, seen.n++) {
        const char *type = mlo_json_text(l, "mediaType");
        seen.ollama += type && starts(type, OLLAMA);
        seen.titled += mlo_layer_annotation(l, MLO_ANN_TITLE) != NULL;
    }
    return seen;
}

static bool is_image_config(const char *type)
{
    return strcmp(type, MLO_MEDIA_IMAGE_CONFIG) == 0 || strcmp(type, MLO_MEDIA_DOCKER_CONFIG) == 0;
}

enum mlo_family mlo_family_of(const cJSON *manifest)
{
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(manifest, "config");
    const char *type = mlo_json_text(config, "mediaType");
    if (!type)
        return MLO_FAMILY_NONE;
    if (strcmp(type, MLO_MEDIA_CONFIG) == 0 || strcmp(type, MLO_MEDIA_OLD_CONFIG) == 0)
        return MLO_FAMILY_MODELPACK;
    if (starts(type, KITOPS "config."))
        return MLO_FAMILY_KITOPS;
    if (starts(type, DOCKER_MODEL "model.config."))
        return MLO_FAMILY_DOCKER_MODEL;
    struct layers_seen seen = look_at_layers(manifest);
    if (seen.ollama > 0)
        return MLO_FAMILY_OLLAMA;
    if (cJSON_GetObjectItemCaseSensitive(manifest, "subject"))
        return MLO_FAMILY_NONE; /* a signature, an inventory: about a model */
    if (seen.titled > 0 && (!is_image_config(type) || seen.titled == seen.n))
        return MLO_FAMILY_ARTIFACT;
    return MLO_FAMILY_NONE;
}

const char *mlo_family_name(enum mlo_family f)
{
    static const char *const names[] = {
        [MLO_FAMILY_NONE] = "no model",          [MLO_FAMILY_MODELPACK] = "ModelPack",
        [MLO_FAMILY_KITOPS] = "KitOps ModelKit", [MLO_FAMILY_DOCKER_MODEL] = "Docker model",
        [MLO_FAMILY_OLLAMA] = "Ollama model",    [MLO_FAMILY_ARTIFACT] = "OCI artifact",
    };
    return names[f];
}

/* ---- layers ---- */

/* Types that say what the file is; the name is used where the layer brings none. */
static const struct part {
    const char *type;
    enum mlo_kind kind;
    enum mlo_layer_packing packing;
    const char *stem, *ending;
} parts[] = {
    {DOCKER_MODEL "gguf.v3", MLO_KIND_WEIGHT, MLO_PACKING_RAW, "model", ".gguf"},
    {DOCKER_MODEL "gguf.v3.lora", MLO_KIND_WEIGHT, MLO_PACKING_RAW, "adapter", ".gguf"},
    {DOCKER_MODEL "safetensors", MLO_KIND_WEIGHT, MLO_PACKING_RAW, "model", ".safetensors"},
    {DOCKER_MODEL "mmproj", MLO_KIND_WEIGHT, MLO_PACKING_RAW, "mmproj", ".gguf"},
    {DOCKER_MODEL "dduf", MLO_KIND_WEIGHT, MLO_PACKING_RAW, "model", ".dduf"},
    {DOCKER_MODEL "chat.template.jinja", MLO_KIND_CONFIG, MLO_PACKING_RAW, "template", ".jinja"},
    {DOCKER_MODEL "license", MLO_KIND_DOC, MLO_PACKING_RAW, "LICENSE", ""},
    {DOCKER_MODEL "model.file", MLO_KIND_CONFIG, MLO_PACKING_RAW, "file", ""},
    {DOCKER_MODEL "vllm.config.tar", MLO_KIND_CONFIG, MLO_PACKING_TAR, NULL, NULL},
    {DOCKER_MODEL "dir.tar", MLO_KIND_CONFIG, MLO_PACKING_TAR, NULL, NULL},
    {OLLAMA "model", MLO_KIND_WEIGHT, MLO_PACKING_RAW, "model", ".gguf"},
    {OLLAMA "adapter", MLO_KIND_WEIGHT, MLO_PACKING_RAW, "adapter", ".gguf"},
    {OLLAMA "projector", MLO_KIND_WEIGHT, MLO_PACKING_RAW, "projector", ".gguf"},
    {OLLAMA "draft", MLO_KIND_WEIGHT, MLO_PACKING_RAW, "draft", ".gguf"},
    {OLLAMA "embed", MLO_KIND_WEIGHT, MLO_PACKING_RAW, "embed", ""},
    {OLLAMA "tensor", MLO_KIND_WEIGHT, MLO_PACKING_RAW, "tensor", ".safetensors"},
    {OLLAMA "template", MLO_KIND_CONFIG, MLO_PACKING_RAW, "template", ""},
    {OLLAMA "system", MLO_KIND_CONFIG, MLO_PACKING_RAW, "system", ""},
    {OLLAMA "params", MLO_KIND_CONFIG, MLO_PACKING_RAW, "params", ".json"},
    {OLLAMA "messages", MLO_KIND_CONFIG, MLO_PACKING_RAW, "messages", ".json"},
    {OLLAMA "json", MLO_KIND_CONFIG, MLO_PACKING_RAW, "config", ".json"},
    {OLLAMA "license", MLO_KIND_DOC, MLO_PACKING_RAW, "LICENSE", ""},
};

static const struct part *part_of(const char *type)
{
    for (size_t i = 0; i < MLO_COUNT(parts); i++)
        if (strcmp(parts[i].type, type) == 0)
            return &parts[i];
    return NULL;
}

/* "application/vnd.kitops.modelkit.modelpart.v1.tar+gzip" */
static bool read_kitops(const char *type, struct mlo_layer *l)
{
    static const struct {
        const char *word;
        enum mlo_kind kind;
    } kinds[] = {{"model.", MLO_KIND_WEIGHT},
                 {"modelpart.", MLO_KIND_WEIGHT},
                 {"dataset.", MLO_KIND_DATASET},
                 {"code.", MLO_KIND_CODE},
                 {"docs.", MLO_KIND_DOC}};
    const char *word = type + strlen(KITOPS), *end = strstr(type, ".v1.");
    if (!starts(type, KITOPS) || !end || !mlo_packing_from_name(end + 4, &l->packing))
        return false;
    for (size_t i = 0; i < MLO_COUNT(kinds); i++) {
        if (!starts(word, kinds[i].word))
            continue;
        l->kind = mlo_kind_name(kinds[i].kind);
        return true;
    }
    return false;
}

/* Without its bytes a file is what its name says. */
static enum mlo_kind kind_by_name(const char *path)
{
    static const char *const weights[] = {".safetensors", ".gguf", ".onnx", ".pt",     ".pth",
                                          ".ckpt",        ".h5",   ".npz",  ".npy",    ".pkl",
                                          ".joblib",      ".dduf", ".ggml", ".tflite", ".pdparams"};
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < MLO_COUNT(weights); i++)
        if (strcmp(dot, weights[i]) == 0)
            return MLO_KIND_WEIGHT;
    return mlo_classify(path, MLO_FMT_UNKNOWN);
}

/* A folder that oras packed has a name too, but is an archive. */
static void read_titled(const cJSON *layer, struct mlo_layer *l)
{
    const char *title = mlo_layer_annotation(layer, MLO_ANN_TITLE),
               *unpack = mlo_layer_annotation(layer, ANN_UNPACK);
    if (!title)
        return;
    l->kind = mlo_kind_name(kind_by_name(title));
    if (unpack && strcmp(unpack, "true") == 0)
        l->packing = MLO_PACKING_TAR_GZIP;
}

void mlo_family_read_layer(enum mlo_family f, const cJSON *layer, struct mlo_layer *l)
{
    const struct part *part = part_of(l->media_type);
    if (f == MLO_FAMILY_KITOPS && read_kitops(l->media_type, l))
        return;
    if (f == MLO_FAMILY_ARTIFACT) {
        read_titled(layer, l);
        return;
    }
    if (!part)
        return;
    l->kind = mlo_kind_name(part->kind);
    l->packing = part->packing;
}

/* ---- names for files that have none ---- */

int mlo_family_name_files(struct mlo_layer *layers, size_t n, struct mlo_arena *arena, struct mlo_err *err)
{
    size_t of[MLO_COUNT(parts)] = {0}, at[MLO_COUNT(parts)] = {0};
    char name[NAME_MAX_BYTES];
    for (size_t i = 0; i < n; i++) {
        const struct part *p = part_of(layers[i].media_type);
        if (p && p->stem && !layers[i].path)
            of[p - parts]++;
    }
    for (size_t i = 0; i < n; i++) {
        const struct part *p = part_of(layers[i].media_type);
        if (!p || !p->stem || layers[i].path)
            continue;
        size_t k = (size_t)(p - parts);
        if (of[k] == 1)
            snprintf(name, sizeof name, "%s%s", p->stem, p->ending);
        else
            snprintf(name, sizeof name, "%s-%05zu-of-%05zu%s", p->stem, ++at[k], of[k], p->ending);
        layers[i].path = mlo_arena_strndup(arena, name, strlen(name), err);
        if (!layers[i].path)
            return MLO_EIO;
    }
    return 0;
}

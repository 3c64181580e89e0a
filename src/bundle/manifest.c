/*
 * ModelPack config and manifest. The order of members is fixed here and nowhere else: the same layers and
 * facts give the same bytes, and the published worked example comes out as it is printed.
 */
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/time.h>

#include "internal.h"

static const char *const kind_names[MLO_N_KINDS] = {
    [MLO_KIND_WEIGHT] = "weight", [MLO_KIND_CONFIG] = "weight.config", [MLO_KIND_DOC] = "doc",
    [MLO_KIND_CODE] = "code",     [MLO_KIND_DATASET] = "dataset",
};

const char *mlo_kind_name(enum mlo_kind k)
{
    return kind_names[k];
}

bool mlo_kind_from_name(const char *name, size_t n, enum mlo_kind *ret)
{
    for (size_t i = 0; i < MLO_N_KINDS; i++) {
        if (strlen(kind_names[i]) == n && memcmp(kind_names[i], name, n) == 0) {
            *ret = (enum mlo_kind)i;
            return true;
        }
    }
    return false;
}

char *mlo_param_size(uint64_t n, char buf[MLO_PARAM_SIZE_MAX])
{
    static const char letters[] = "KMBTQ";
    uint64_t unit = 1000, tenths = 0;
    size_t i = 0;
    buf[0] = '\0';
    if (n < unit)
        return buf;
    for (;; i++, unit *= 1000) { /* 999,950 is already 1M and not 1000K */
        uint64_t step = unit / 10;
        tenths = n / step + (n % step >= step / 2);
        if (tenths < 10000 || letters[i + 1] == '\0')
            break;
    }
    int len = snprintf(buf, MLO_PARAM_SIZE_MAX, "%llu", (unsigned long long)(tenths / 10));
    if (tenths % 10)
        len += snprintf(buf + len, MLO_PARAM_SIZE_MAX - (size_t)len, ".%u", (unsigned)(tenths % 10));
    buf[len] = letters[i];
    buf[len + 1] = '\0';
    return buf;
}

static void add_descriptor(struct mlo_jb *b, cJSON *root, const struct mlo_config_facts *f)
{
    char created[MLO_RFC3339_MAX];
    cJSON *d = mlo_jb_object(b, root, "descriptor");
    if (f->created_ns)
        mlo_jb_text(b, d, "createdAt", mlo_time_rfc3339(f->created_ns, created));
    mlo_jb_text(b, d, "name", f->name);
    mlo_jb_text(b, d, "version", f->version);
    mlo_jb_text(b, d, "revision", f->revision);
    if (f->license)
        mlo_jb_text(b, mlo_jb_array(b, d, "licenses"), NULL, f->license);
    mlo_jb_text(b, d, "description", f->description);
}

static void add_config(struct mlo_jb *b, cJSON *root, const struct mlo_config_facts *f)
{
    char size[MLO_PARAM_SIZE_MAX];
    cJSON *c = mlo_jb_object(b, root, "config");
    mlo_jb_text(b, c, "architecture", f->architecture);
    mlo_jb_text(b, c, "format", f->format);
    if (*mlo_param_size(f->parameters, size))
        mlo_jb_text(b, c, "paramSize", size);
    mlo_jb_text(b, c, "precision", f->precision);
    mlo_jb_text(b, c, "quantization", f->quantization);
}

int mlo_config_build(const struct mlo_config_facts *f, const struct mlo_layer_plan *layers, size_t n,
                     char **ret, size_t *ret_len, struct mlo_err *err)
{
    struct mlo_jb b = {0};
    MLO_AUTOJSON cJSON *root = mlo_jb_object(&b, NULL, NULL);
    add_descriptor(&b, root, f);
    add_config(&b, root, f);
    cJSON *fs = mlo_jb_object(&b, root, "modelfs");
    mlo_jb_text(&b, fs, "type", "layers");
    cJSON *ids = mlo_jb_array(&b, fs, "diffIds");
    for (size_t i = 0; i < n; i++) /* raw and tar alike: nothing is compressed */
        mlo_jb_digest(&b, ids, NULL, &layers[i].digest);
    int rc = mlo_jb_check(&b, err);
    return rc ? rc : mlo_json_print(root, ret, ret_len, err);
}

/* Without owner and times, which would differ from machine to machine. */
static int file_meta(const struct mlo_layer_plan *l, char **ret, struct mlo_err *err)
{
    struct mlo_jb b = {0};
    MLO_AUTOJSON cJSON *o = mlo_jb_object(&b, NULL, NULL);
    const char *slash = strrchr(l->path, '/');
    mlo_jb_text(&b, o, "name", slash ? slash + 1 : l->path);
    mlo_jb_u64(&b, o, "mode", l->mode);
    mlo_jb_u64(&b, o, "size", l->size);
    mlo_jb_u64(&b, o, "typeflag", 0);
    int rc = mlo_jb_check(&b, err);
    return rc ? rc : mlo_json_print(o, ret, NULL, err);
}

static int add_layer(struct mlo_jb *b, cJSON *array, const struct mlo_layer_plan *l, struct mlo_err *err)
{
    char media[80];
    snprintf(media, sizeof(media), "application/vnd.cncf.model.%s.v1.%s", kind_names[l->kind],
             l->path ? "raw" : "tar");
    cJSON *o = mlo_jb_object(b, array, NULL);
    mlo_jb_text(b, o, "mediaType", media);
    mlo_jb_digest(b, o, "digest", &l->digest);
    mlo_jb_u64(b, o, "size", l->size);
    if (!l->path)
        return 0;
    cJSON *annotations = mlo_jb_object(b, o, "annotations");
    mlo_jb_text(b, annotations, MLO_ANN_FILEPATH, l->path);
    if (l->mode == 0644)
        return 0;
    MLO_AUTOFREE char *meta = NULL;
    int rc = file_meta(l, &meta, err);
    if (rc == 0)
        mlo_jb_text(b, annotations, MLO_ANN_FILE_META, meta);
    return rc;
}

int mlo_manifest_build(const struct mlo_digest *config, uint64_t config_size,
                       const struct mlo_layer_plan *layers, size_t n, char **ret, size_t *ret_len,
                       struct mlo_err *err)
{
    struct mlo_jb b = {0};
    MLO_AUTOJSON cJSON *root = mlo_jb_object(&b, NULL, NULL);
    mlo_jb_u64(&b, root, "schemaVersion", 2);
    mlo_jb_text(&b, root, "mediaType", MLO_MEDIA_MANIFEST);
    mlo_jb_text(&b, root, "artifactType", MLO_ARTIFACT_MODEL);
    cJSON *c = mlo_jb_object(&b, root, "config");
    mlo_jb_text(&b, c, "mediaType", MLO_MEDIA_CONFIG);
    mlo_jb_digest(&b, c, "digest", config);
    mlo_jb_u64(&b, c, "size", config_size);
    cJSON *array = mlo_jb_array(&b, root, "layers");
    for (size_t i = 0; i < n; i++) {
        int rc = add_layer(&b, array, &layers[i], err);
        if (rc)
            return rc;
    }
    int rc = mlo_jb_check(&b, err);
    return rc ? rc : mlo_json_print(root, ret, ret_len, err);
}

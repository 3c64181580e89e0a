/* The files that sentence-transformers keeps beside a model. */
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

#include "read.h"

#define PATH_MAX_HERE 512

/* *ret NULL when the file is not there. */
static int read_json(const struct mlo_embed_files *files, const char *path, cJSON **ret, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    *ret = NULL;
    int rc = files->read(files->ctx, path, MLO_EMBED_FILE_MAX, &text, &n, err);
    if (rc == MLO_ENOTFOUND) {
        *err = MLO_ERR_INIT;
        return 0;
    }
    if (rc == 0)
        rc = mlo_json_parse(text, n, MLO_EMBED_FILE_MAX, ret, err);
    return rc == 0 ? 0 : mlo_wrap(err, "%s", path);
}

static int read_pooling(const struct mlo_embed_files *files, const char *folder, enum mlo_pooling *ret,
                        struct mlo_err *err)
{
    static const struct {
        const char *key;
        enum mlo_pooling pooling;
    } modes[] = {{"pooling_mode_mean_tokens", MLO_POOL_MEAN},
                 {"pooling_mode_cls_token", MLO_POOL_CLS},
                 {"pooling_mode_max_tokens", MLO_POOL_MAX}};
    char path[PATH_MAX_HERE];
    MLO_AUTOJSON cJSON *doc = NULL;
    const cJSON *m;
    size_t on = 0;
    snprintf(path, sizeof path, "%s%sconfig.json", folder, *folder ? "/" : "");
    int rc = read_json(files, path, &doc, err);
    if (rc != 0 || !doc)
        return rc ? rc
                  : mlo_fail(err, MLO_EINVALID, "modules.json names a pooling whose '%s' is missing", path);
    cJSON_ArrayForEach(m, doc)
    {
        if (!m->string || strncmp(m->string, "pooling_mode_", 13) != 0 || !cJSON_IsTrue(m))
            continue;
        size_t i = 0;
        while (i < MLO_COUNT(modes) && strcmp(modes[i].key, m->string) != 0)
            i++;
        if (i == MLO_COUNT(modes))
            return mlo_fail(err, MLO_EUNAVAIL, "%s: '%s' is not supported", path, m->string);
        *ret = modes[i].pooling;
        on++;
    }
    if (on != 1)
        return mlo_fail(err, MLO_EUNAVAIL, "%s: %s pooling is not supported", path,
                        on ? "more than one" : "no");
    return 0;
}

static int read_module(const struct mlo_embed_files *files, const cJSON *m, struct mlo_embed_settings *s,
                       struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    const char *type = mlo_json_text(m, "type"), *path = mlo_json_text(m, "path");
    const char *name = type ? strrchr(type, '.') : NULL;
    name = name ? name + 1 : type;
    if (!name || !path)
        return mlo_fail(err, MLO_EINVALID, "modules.json: a module without type or path");
    if (strcmp(name, "Transformer") == 0)
        return 0;
    if (strcmp(name, "Normalize") == 0) {
        s->normalize = true;
        return 0;
    }
    if (strcmp(name, "Pooling") != 0)
        return mlo_fail(err, MLO_EUNAVAIL, "modules.json: the module '%s' is not supported",
                        mlo_shown(name, strlen(name), shown));
    if (s->normalize || s->pooling != MLO_POOL_NONE)
        return mlo_fail(err, MLO_EUNAVAIL,
                        "modules.json: pooling twice, or after normalizing, is not supported");
    if (strlen(path) > PATH_MAX_HERE - 16 || (*path && mlo_path_check(path, strlen(path), err) != 0))
        return mlo_fail(err, MLO_EINVALID, "modules.json: '%s' is no path within the model",
                        mlo_shown(path, strlen(path), shown));
    return read_pooling(files, path, &s->pooling, err);
}

static int read_limits(const struct mlo_embed_files *files, struct mlo_embed_settings *s, struct mlo_err *err)
{
    static const char *const path = "sentence_bert_config.json";
    MLO_AUTOJSON cJSON *doc = NULL;
    uint64_t length = 0;
    bool lower = false;
    int rc = read_json(files, path, &doc, err);
    if (rc != 0 || !doc)
        return rc;
    rc = mlo_embed_u64(doc, "max_seq_length", MLO_TEXT_TOKENS_MAX, 0, &length, err);
    if (rc == 0)
        rc = mlo_embed_bool(doc, "do_lower_case", false, &lower, err);
    if (rc == 0 && lower)
        rc = mlo_fail(err, MLO_EUNAVAIL, "'do_lower_case' is true, which is not supported");
    s->max_length = length;
    return rc == 0 ? 0 : mlo_wrap(err, "%s", path);
}

int mlo_embed_settings_read(const struct mlo_embed_files *files, struct mlo_embed_settings *ret,
                            struct mlo_err *err)
{
    struct mlo_embed_settings s = {.pooling = MLO_POOL_NONE};
    MLO_AUTOJSON cJSON *doc = NULL;
    const cJSON *m;
    int rc = read_json(files, "modules.json", &doc, err);
    if (rc == 0 && doc && !cJSON_IsArray(doc))
        rc = mlo_fail(err, MLO_EINVALID, "modules.json is not an array");
    cJSON_ArrayForEach(m, doc)
    {
        if (rc == 0)
            rc = read_module(files, m, &s, err);
    }
    if (rc == 0)
        rc = read_limits(files, &s, err);
    if (rc == 0)
        *ret = s;
    return rc;
}

int mlo_tokenizer_read(const struct mlo_embed_files *files, struct mlo_tokenizer **ret, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL, *config = NULL;
    size_t n = 0, config_n = 0;
    int rc = files->read(files->ctx, "tokenizer.json", MLO_TOKENIZER_FILE_MAX, &text, &n, err);
    if (rc == 0)
        return mlo_tokenizer_parse(text, n, ret, err);
    if (rc != MLO_ENOTFOUND)
        return rc;
    rc = files->read(files->ctx, "vocab.txt", MLO_TOKENIZER_FILE_MAX, &text, &n, err);
    if (rc == MLO_ENOTFOUND)
        return mlo_fail(err, MLO_ENOTFOUND, "no tokenizer: neither tokenizer.json nor vocab.txt is there");
    if (rc == 0)
        rc = files->read(files->ctx, "tokenizer_config.json", MLO_EMBED_FILE_MAX, &config, &config_n, err);
    if (rc != 0 && rc != MLO_ENOTFOUND)
        return rc;
    *err = MLO_ERR_INIT;
    return mlo_tokenizer_parse_vocab(text, n, config, config_n, ret, err);
}

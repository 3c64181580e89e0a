/* The ModelPack config's JSON Schema: closed on every level, so what it does not name is refused. */
#include <string.h>

#include <mlopsctl/base/text.h>

#include "internal.h"

enum want { TEXT, TEXTS, BOOLEAN, OBJECT };
struct member {
    const char *name;
    enum want want;
};

static const struct member root_members[] = {{"descriptor", OBJECT}, {"config", OBJECT}, {"modelfs", OBJECT}};
static const struct member descriptor_members[] = {
    {"createdAt", TEXT},    {"authors", TEXTS}, {"vendor", TEXT},    {"family", TEXT}, {"title", TEXT},
    {"description", TEXT},  {"name", TEXT},     {"version", TEXT},   {"docURL", TEXT}, {"sourceURL", TEXT},
    {"datasetsURL", TEXTS}, {"revision", TEXT}, {"licenses", TEXTS},
};
static const struct member config_members[] = {
    {"architecture", TEXT}, {"format", TEXT},       {"paramSize", TEXT},
    {"precision", TEXT},    {"quantization", TEXT}, {"capabilities", OBJECT},
};
static const struct member capability_members[] = {
    {"inputTypes", TEXTS},  {"outputTypes", TEXTS}, {"knowledgeCutoff", TEXT}, {"reasoning", BOOLEAN},
    {"toolUsage", BOOLEAN}, {"reward", BOOLEAN},    {"languages", TEXTS},
};
static const struct member modelfs_members[] = {{"type", TEXT}, {"diffIds", TEXTS}, {"diff_ids", TEXTS}};

static bool is_texts(const cJSON *v)
{
    if (!cJSON_IsArray(v))
        return false;
    for (const cJSON *item = v->child; item; item = item->next)
        if (!cJSON_IsString(item))
            return false;
    return true;
}

static bool fits(const cJSON *v, enum want want)
{
    switch (want) {
    case TEXT:
        return cJSON_IsString(v);
    case TEXTS:
        return is_texts(v);
    case BOOLEAN:
        return cJSON_IsBool(v);
    case OBJECT:
        return cJSON_IsObject(v);
    }
    return false;
}

static int check_object(const cJSON *o, const char *where, const struct member *members, size_t n,
                        struct mlo_err *err)
{
    for (const cJSON *v = o->child; v; v = v->next) {
        size_t i = 0;
        while (i < n && strcmp(members[i].name, v->string) != 0)
            i++;
        if (i < n && fits(v, members[i].want))
            continue;
        MLO_AUTOSTR struct mlo_str name;
        mlo_str_init(&name, 512);
        mlo_escape(&name, v->string, strnlen(v->string, 80));
        return mlo_fail(err, MLO_EINVALID, "config: member '%s' in %s %s", name.ptr, where,
                        i < n ? "is of the wrong type" : "is not in the schema");
    }
    return 0;
}

#define CHECK(object, where, members) check_object(object, where, members, MLO_COUNT(members), err)

int mlo_config_check(const cJSON *config, struct mlo_err *err)
{
    if (!cJSON_IsObject(config))
        return mlo_fail(err, MLO_EINVALID, "config: not a JSON object");
    int rc = CHECK(config, "the config", root_members);
    const cJSON *descriptor = cJSON_GetObjectItemCaseSensitive(config, "descriptor");
    const cJSON *inner = cJSON_GetObjectItemCaseSensitive(config, "config");
    const cJSON *fs = cJSON_GetObjectItemCaseSensitive(config, "modelfs");
    if (rc == 0 && (!descriptor || !inner || !fs))
        return mlo_fail(err, MLO_EINVALID, "config: descriptor, config and modelfs are required");
    if (rc == 0)
        rc = CHECK(descriptor, "descriptor", descriptor_members);
    if (rc == 0)
        rc = CHECK(inner, "config", config_members);
    if (rc == 0)
        rc = CHECK(fs, "modelfs", modelfs_members);
    const cJSON *capabilities = cJSON_GetObjectItemCaseSensitive(inner, "capabilities");
    if (rc == 0 && capabilities)
        rc = CHECK(capabilities, "capabilities", capability_members);
    return rc;
}

/* Reading JSON settings: what a member must be, and refusing by name what is not known. */
#include "read.h"

#include <string.h>

#include <mlopsctl/base/text.h>

int mlo_embed_known(const cJSON *obj, const char *const *keys, const char *what, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    const cJSON *m;
    if (!cJSON_IsObject(obj))
        return mlo_fail(err, MLO_EINVALID, "%s is not an object", what);
    cJSON_ArrayForEach(m, obj)
    {
        size_t i = 0;
        while (keys[i] && strcmp(keys[i], m->string) != 0)
            i++;
        if (!keys[i])
            return mlo_fail(err, MLO_EUNAVAIL, "%s has the setting '%s', which is not known here", what,
                            mlo_shown(m->string, strlen(m->string), shown));
    }
    return 0;
}

int mlo_embed_type(const cJSON *obj, const char *type, bool absent, const char *what, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    const char *is = mlo_json_text(obj, "type");
    if (!is && absent && cJSON_IsObject(obj) && !cJSON_HasObjectItem(obj, "type"))
        return 0;
    if (!is)
        return mlo_fail(err, MLO_EUNAVAIL, "the tokenizer has no %s; '%s' is what is supported", what, type);
    if (strcmp(is, type) != 0)
        return mlo_fail(err, MLO_EUNAVAIL, "the %s '%s' is not supported; '%s' is", what,
                        mlo_shown(is, strlen(is), shown), type);
    return 0;
}

static const cJSON *member(const cJSON *obj, const char *key)
{
    const cJSON *m = cJSON_GetObjectItemCaseSensitive(obj, key);
    return cJSON_IsNull(m) ? NULL : m;
}

int mlo_embed_bool(const cJSON *obj, const char *key, bool otherwise, bool *ret, struct mlo_err *err)
{
    const cJSON *m = member(obj, key);
    if (m && !cJSON_IsBool(m))
        return mlo_fail(err, MLO_EINVALID, "'%s' is neither true nor false", key);
    *ret = m ? cJSON_IsTrue(m) : otherwise;
    return 0;
}

int mlo_embed_u64(const cJSON *obj, const char *key, uint64_t max, uint64_t otherwise, uint64_t *ret,
                  struct mlo_err *err)
{
    uint64_t v = otherwise;
    if (member(obj, key) && (mlo_json_u64(obj, key, &v, err) != 0 || v > max))
        return mlo_fail(err, MLO_EINVALID, "'%s' is no number from 0 to %llu", key, (unsigned long long)max);
    *ret = v;
    return 0;
}

int mlo_embed_choice(const cJSON *obj, const char *key, const char *const *names, size_t otherwise,
                     size_t *ret, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    const cJSON *m = member(obj, key);
    size_t i = 0;
    if (!m) {
        *ret = otherwise;
        return 0;
    }
    if (!cJSON_IsString(m))
        return mlo_fail(err, MLO_EINVALID, "'%s' is not a text", key);
    while (names[i] && strcmp(names[i], m->valuestring) != 0)
        i++;
    if (!names[i])
        return mlo_fail(err, MLO_EUNAVAIL, "'%s' is '%s', which is not supported", key,
                        mlo_shown(m->valuestring, strlen(m->valuestring), shown));
    *ret = i;
    return 0;
}

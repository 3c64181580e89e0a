/* Building JSON (json.h). */
#include <inttypes.h>
#include <stdio.h>

#include <mlopsctl/base/json.h>

void mlo_jb_node(struct mlo_jb *b, cJSON *parent, const char *key, cJSON *node)
{
    if (node && !b->failed && parent) {
        cJSON_bool added = key ? cJSON_AddItemToObject(parent, key, node)
                               : cJSON_AddItemToArray(parent, node);
        if (added)
            return;
    }
    b->failed = true;
    cJSON_Delete(node);
}

static cJSON *attach(struct mlo_jb *b, cJSON *parent, const char *key, cJSON *node)
{
    if (!parent && !key && node && !b->failed)
        return node; /* a root */
    mlo_jb_node(b, parent, key, node);
    return b->failed ? NULL : node;
}

cJSON *mlo_jb_object(struct mlo_jb *b, cJSON *parent, const char *key)
{
    return attach(b, parent, key, cJSON_CreateObject());
}

cJSON *mlo_jb_array(struct mlo_jb *b, cJSON *parent, const char *key)
{
    return attach(b, parent, key, cJSON_CreateArray());
}

void mlo_jb_text(struct mlo_jb *b, cJSON *parent, const char *key, const char *v)
{
    if (v)
        mlo_jb_node(b, parent, key, cJSON_CreateString(v));
}

void mlo_jb_u64(struct mlo_jb *b, cJSON *parent, const char *key, uint64_t v)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, v); /* a cJSON number is a double: not for every integer */
    mlo_jb_node(b, parent, key, cJSON_CreateRaw(text));
}

void mlo_jb_double(struct mlo_jb *b, cJSON *parent, const char *key, double v)
{
    if (!b->failed && !mlo_json_add_double(parent, key, v))
        b->failed = true;
}

void mlo_jb_true(struct mlo_jb *b, cJSON *parent, const char *key, bool v)
{
    if (v)
        mlo_jb_node(b, parent, key, cJSON_CreateTrue());
}

void mlo_jb_digest(struct mlo_jb *b, cJSON *parent, const char *key, const struct mlo_digest *d)
{
    char text[MLO_DIGEST_TEXT];
    mlo_jb_text(b, parent, key, mlo_digest_text(d, text));
}

uint64_t mlo_jb_value(const cJSON *v)
{
    if (cJSON_IsRaw(v))
        return strtoull(v->valuestring, NULL, 10);
    return cJSON_IsNumber(v) && v->valuedouble >= 0 && v->valuedouble < 0x1p63 ? (uint64_t)v->valuedouble : 0;
}

int mlo_jb_check(const struct mlo_jb *b, struct mlo_err *err)
{
    return b->failed ? mlo_fail_nomem(err) : 0;
}

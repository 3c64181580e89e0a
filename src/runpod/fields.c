/*
 * Answers into structs by tables: one row a member, so that reading, checking and freeing cannot disagree.
 * Members this build does not know are ignored; those it can do without may be missing or of another type;
 * those it cannot are named when they are.
 */
#include <math.h>
#include <string.h>

#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>

#include "internal.h"

#define EXACT_MAX 9007199254740992.0 /* 2^53 */

/* ---- finding and wiping ---- */

static const cJSON *step(const cJSON *node, const char *word, size_t n)
{
    const cJSON *child;
    if (cJSON_IsArray(node))
        return n == 1 && *word >= '0' && *word <= '9' ? cJSON_GetArrayItem(node, *word - '0') : NULL;
    cJSON_ArrayForEach(child, node)
    {
        if (child->string && strncmp(child->string, word, n) == 0 && child->string[n] == '\0')
            return child;
    }
    return NULL;
}

const cJSON *mlo_json_at(const cJSON *node, const char *path)
{
    while (node && *path) {
        size_t n = strcspn(path, ".");
        node = step(node, path, n);
        path += n + (path[n] == '.');
    }
    return node;
}

static void wipe_texts(cJSON *node)
{
    cJSON *child;
    if (node && node->valuestring)
        explicit_bzero(node->valuestring, strlen(node->valuestring));
    cJSON_ArrayForEach(child, node) wipe_texts(child);
}

void mlo_json_wipe(cJSON *doc)
{
    wipe_texts(doc);
    cJSON_Delete(doc);
}

void mlo_json_wipe_cleanup(cJSON **doc)
{
    mlo_json_wipe(*doc);
}

static void free_secret(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

/* ---- freeing ---- */

void mlo_runpod_strings_release(struct mlo_runpod_strings *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->items[i]);
    free(s->items);
    *s = (struct mlo_runpod_strings){0};
}

static void release_vars(struct mlo_runpod_vars *v)
{
    for (size_t i = 0; i < v->n; i++) {
        free(v->items[i].name);
        free_secret(v->items[i].value);
    }
    free(v->items);
    *v = (struct mlo_runpod_vars){0};
}

static void release_field(const struct mlo_field *f, void *at)
{
    switch (f->type) {
    case MLO_FIELD_TEXT:
        free(*(char **)at);
        break;
    case MLO_FIELD_SECRET:
        free_secret(*(char **)at);
        break;
    case MLO_FIELD_STRINGS:
        mlo_runpod_strings_release(at);
        break;
    case MLO_FIELD_VARS:
        release_vars(at);
        break;
    case MLO_FIELD_LIST:
        mlo_shape_release_list(f->shape, at);
        break;
    case MLO_FIELD_U64:
    case MLO_FIELD_DOUBLE:
    case MLO_FIELD_PERCENT:
    case MLO_FIELD_BOOL:
    case MLO_FIELD_TIME:
    case MLO_FIELD_STOCK:
        break;
    }
}

void mlo_shape_release(const struct mlo_shape *s, void *obj)
{
    for (size_t i = 0; i < s->n; i++)
        release_field(&s->fields[i], (char *)obj + s->fields[i].offset);
    memset(obj, 0, s->size);
}

void mlo_shape_release_list(const struct mlo_shape *s, void *list)
{
    struct mlo_any_list l;
    memcpy(&l, list, sizeof l);
    for (size_t i = 0; i < l.n; i++)
        mlo_shape_release(s, (char *)l.items + i * s->size);
    free(l.items);
    memset(list, 0, sizeof l);
}

/* ---- reading ---- */

static int read_text(const cJSON *node, char **ret, bool *ret_there, struct mlo_err *err)
{
    *ret_there = cJSON_IsString(node);
    if (!*ret_there)
        return 0;
    *ret = mlo_strdup(node->valuestring, err);
    return *ret ? 0 : MLO_EIO;
}

static bool is_count(const cJSON *node)
{
    double v = cJSON_IsNumber(node) ? node->valuedouble : -1;
    return v >= 0 && v <= EXACT_MAX && v == floor(v);
}

/* Texts of an array, or the texts that its objects have under `member`. */
static int read_strings(const cJSON *node, const char *member, struct mlo_runpod_strings *ret,
                        bool *ret_there, struct mlo_err *err)
{
    int n = cJSON_IsArray(node) ? cJSON_GetArraySize(node) : 0;
    const cJSON *item;
    *ret_there = cJSON_IsArray(node);
    if (n == 0)
        return 0;
    ret->items = mlo_calloc((size_t)n, sizeof *ret->items, err);
    if (!ret->items)
        return MLO_EIO;
    cJSON_ArrayForEach(item, node)
    {
        const char *text = member ? mlo_json_text(item, member) : cJSON_GetStringValue(item);
        if (!text)
            continue;
        ret->items[ret->n] = mlo_strdup(text, err);
        if (!ret->items[ret->n])
            return MLO_EIO;
        ret->n++;
    }
    return 0;
}

static int read_vars(const cJSON *node, struct mlo_runpod_vars *ret, bool *ret_there, struct mlo_err *err)
{
    int n = cJSON_IsObject(node) ? cJSON_GetArraySize(node) : 0;
    const cJSON *item;
    *ret_there = cJSON_IsObject(node);
    if (n == 0)
        return 0;
    ret->items = mlo_calloc((size_t)n, sizeof *ret->items, err);
    if (!ret->items)
        return MLO_EIO;
    cJSON_ArrayForEach(item, node)
    {
        if (!cJSON_IsString(item))
            continue;
        struct mlo_runpod_var *v = &ret->items[ret->n++];
        v->name = mlo_strdup(item->string, err);
        v->value = mlo_strdup(item->valuestring, err);
        if (!v->name || !v->value)
            return MLO_EIO;
    }
    return 0;
}

/* A time that cannot be read is one that is not known: nothing here depends on it. */
static bool read_time(const cJSON *node, int64_t *ret)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    return cJSON_IsString(node) && mlo_time_parse(node->valuestring, ret, &ignored) == 0;
}

static bool read_stock(const cJSON *node, enum mlo_runpod_stock *ret)
{
    static const char *const names[] = {"", "NONE", "LOW", "MEDIUM", "HIGH"};
    for (size_t i = 1; cJSON_IsString(node) && i < MLO_COUNT(names); i++)
        if (strcmp(node->valuestring, names[i]) == 0) {
            *ret = (enum mlo_runpod_stock)i;
            return true;
        }
    return false;
}

static int read_list(const struct mlo_shape *s, const cJSON *node, void *at, bool *ret_there,
                     struct mlo_err *err)
{
    *ret_there = cJSON_IsArray(node);
    return *ret_there ? mlo_shape_read_list(s, node, at, err) : 0;
}

static int read_field(const struct mlo_field *f, const cJSON *node, void *at, bool *ret_there,
                      struct mlo_err *err)
{
    switch (f->type) {
    case MLO_FIELD_TEXT:
    case MLO_FIELD_SECRET:
        return read_text(node, at, ret_there, err);
    case MLO_FIELD_U64:
        if ((*ret_there = is_count(node)))
            *(uint64_t *)at = (uint64_t)node->valuedouble;
        return 0;
    case MLO_FIELD_DOUBLE:
    case MLO_FIELD_PERCENT:
        *ret_there = cJSON_IsNumber(node);
        *(double *)at = *ret_there ? node->valuedouble : f->type == MLO_FIELD_PERCENT ? NAN : 0.0;
        return 0;
    case MLO_FIELD_BOOL:
        *ret_there = cJSON_IsBool(node);
        *(bool *)at = cJSON_IsTrue(node);
        return 0;
    case MLO_FIELD_TIME:
        *ret_there = read_time(node, at);
        return 0;
    case MLO_FIELD_STOCK:
        *ret_there = read_stock(node, at);
        return 0;
    case MLO_FIELD_STRINGS:
        return read_strings(node, f->member, at, ret_there, err);
    case MLO_FIELD_VARS:
        return read_vars(node, at, ret_there, err);
    case MLO_FIELD_LIST:
        return read_list(f->shape, node, at, ret_there, err);
    }
    return mlo_fail(err, MLO_EINTERNAL, "a field of no type");
}

static int read_fields(const struct mlo_shape *s, const cJSON *node, void *obj, struct mlo_err *err)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct mlo_field *f = &s->fields[i];
        bool there = false;
        int rc = read_field(f, mlo_json_at(node, f->path), (char *)obj + f->offset, &there, err);
        if (rc != 0)
            return rc;
        if (f->required && !there)
            return mlo_fail(err, MLO_EINVALID, "RunPod's answer: '%s' of a %s is missing or of another type",
                            f->path, s->what);
    }
    return s->finish ? s->finish(obj, node, err) : 0;
}

int mlo_shape_read(const struct mlo_shape *s, const cJSON *node, void *obj, struct mlo_err *err)
{
    if (!cJSON_IsObject(node))
        return mlo_fail(err, MLO_EINVALID, "RunPod's answer: a %s is no object", s->what);
    MLO_AUTOFREE void *room = mlo_calloc(1, s->size, err);
    if (!room)
        return MLO_EIO;
    int rc = read_fields(s, node, room, err);
    if (rc == 0)
        memcpy(obj, room, s->size);
    else
        mlo_shape_release(s, room);
    return rc;
}

int mlo_shape_read_list(const struct mlo_shape *s, const cJSON *array, void *list, struct mlo_err *err)
{
    struct mlo_any_list l = {0};
    size_t count = cJSON_IsArray(array) ? (size_t)cJSON_GetArraySize(array) : 0;
    const cJSON *item;
    if (!cJSON_IsArray(array))
        return mlo_fail(err, MLO_EINVALID, "RunPod's answer: a list of %ss is missing", s->what);
    if (count > MLO_RUNPOD_ITEMS_MAX)
        return mlo_fail(err, MLO_EINVALID, "RunPod's answer: more than %zu of a %s", MLO_RUNPOD_ITEMS_MAX,
                        s->what);
    l.items = count ? mlo_calloc(count, s->size, err) : NULL;
    if (count && !l.items)
        return MLO_EIO;
    cJSON_ArrayForEach(item, array)
    {
        if (cJSON_IsNull(item))
            continue;
        int rc = mlo_shape_read(s, item, (char *)l.items + l.n * s->size, err);
        if (rc != 0) {
            mlo_shape_release_list(s, &l);
            return rc;
        }
        l.n++;
    }
    memcpy(list, &l, sizeof l);
    return 0;
}

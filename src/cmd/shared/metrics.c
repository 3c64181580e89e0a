/* See metrics.h. */
#include "metrics.h"

#include <fcntl.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

#define FILE_MAX    ((size_t)4 << 20)
#define METRICS_MAX ((size_t)10000)
#define KEY_MAX     ((size_t)256)

void mlo_metrics_init(struct mlo_metrics *m)
{
    *m = (struct mlo_metrics){0};
    mlo_arena_init(&m->arena, (size_t)16 << 20);
}

void mlo_metrics_release(struct mlo_metrics *m)
{
    free(m->items);
    mlo_arena_release(&m->arena);
}

static int check_key(const char *key, size_t n, struct mlo_err *err)
{
    bool good = n > 0 && n <= KEY_MAX && mlo_utf8_valid(key, n);
    for (size_t i = 0; i < n && good; i++)
        good = (unsigned char)key[i] >= 0x20 && key[i] != 0x7f;
    return good ? 0
                : mlo_fail(err, MLO_EUSAGE, "a metric's name must be 1 to %zu bytes of plain text", KEY_MAX);
}

static int put(struct mlo_metrics *m, const char *key, size_t n, double value, struct mlo_err *err)
{
    int rc = check_key(key, n, err);
    for (size_t i = 0; i < m->n && rc == 0; i++) {
        if (strncmp(m->items[i].key, key, n) == 0 && m->items[i].key[n] == '\0') {
            m->items[i].value = value;
            return 0;
        }
    }
    if (rc == 0 && m->n == METRICS_MAX)
        rc = mlo_fail(err, MLO_EUSAGE, "more than %zu metrics", METRICS_MAX);
    char *copy = rc ? NULL : mlo_arena_strndup(&m->arena, key, n, err);
    if (!copy || mlo_grow(&m->items, &m->cap, m->n + 1, sizeof(*m->items), err))
        return rc ? rc : MLO_EIO;
    m->items[m->n++] = (struct mlo_pack_metric){.key = copy, .value = value};
    return 0;
}

/* Depth is bounded by the parser. */
static int put_members(struct mlo_metrics *m, const cJSON *o, struct mlo_str *prefix, struct mlo_err *err)
{
    size_t len = prefix->len;
    int rc = 0;
    for (const cJSON *v = o->child; v && rc == 0; v = v->next) {
        mlo_str_addf(prefix, "%s%s", len ? "." : "", v->string);
        rc = mlo_str_check(prefix, err);
        if (rc == 0 && cJSON_IsObject(v))
            rc = put_members(m, v, prefix, err);
        else if (rc == 0 && (cJSON_IsNumber(v) || cJSON_IsBool(v)))
            rc = put(m, prefix->ptr, prefix->len, cJSON_IsNumber(v) ? v->valuedouble : cJSON_IsTrue(v), err);
        else if (rc == 0)
            rc = mlo_fail(err, MLO_EINVALID, "a metric is neither a number nor an object");
        prefix->len = len;
        prefix->ptr[len] = '\0';
    }
    return rc;
}

int mlo_metrics_file(struct mlo_metrics *m, const char *path, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    MLO_AUTOJSON cJSON *doc = NULL;
    MLO_AUTOSTR struct mlo_str prefix;
    size_t n = 0;
    mlo_str_init(&prefix, 4096);
    int rc = mlo_slurp_at(AT_FDCWD, path, FILE_MAX, &text, &n, err);
    if (rc)
        return rc;
    rc = mlo_json_parse(text, n, FILE_MAX, &doc, err);
    if (rc == 0 && !cJSON_IsObject(doc))
        rc = mlo_fail(err, MLO_EINVALID, "not a JSON object");
    if (rc == 0)
        rc = put_members(m, doc, &prefix, err);
    return rc ? mlo_wrap(err, "metrics '%s'", path) : 0;
}

int mlo_metrics_option(struct mlo_metrics *m, const char *text, struct mlo_err *err)
{
    const char *equals = strchr(text, '=');
    double value = 0;
    if (!equals)
        return mlo_fail(err, MLO_EUSAGE, "--metric '%s': must be KEY=VALUE", text);
    int rc = mlo_parse_double(equals + 1, "--metric", &value, err);
    return rc ? rc : put(m, text, (size_t)(equals - text), value, err);
}

/* What the machine can do, as a small JSON file that is measured again when it is of another machine. */
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/json.h>

#include "internal.h"

#define SCHEMA    1
#define BYTES_MAX ((size_t)64 << 10)

const char *mlo_level_name(enum mlo_level level)
{
    static const char *const names[] = {"first cache", "second cache", "third cache", "memory"};
    return names[level];
}

/* Every figure by its name, for both ways. */
struct figure {
    const char *key;
    size_t offset;
    bool whole;
};
#define FIGURE(name)                                                                                         \
    {                                                                                                        \
#name, offsetof(struct mlo_limits, name), false                                                      \
    }
#define LEVEL(key, i)                                                                                        \
    {                                                                                                        \
        "read_" key, offsetof(struct mlo_limits, read) + (i) * sizeof(double), false                         \
    }
#define BYTES_OF(key, i)                                                                                     \
    {                                                                                                        \
        "bytes_" key, offsetof(struct mlo_limits, bytes) + (i) * sizeof(size_t), true                        \
    }
static const struct figure figures[] = {
    FIGURE(f32),        FIGURE(f64),       FIGURE(int8),      FIGURE(bf16),      FIGURE(step_ns),
    FIGURE(wake_ns),    FIGURE(clock_ns),  LEVEL("l1", 0),    LEVEL("l2", 1),    LEVEL("l3", 2),
    LEVEL("memory", 3), BYTES_OF("l1", 0), BYTES_OF("l2", 1), BYTES_OF("l3", 2),
};

int mlo_limits_write(const struct mlo_limits *l, struct mlo_str *out, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = cJSON_CreateObject();
    MLO_AUTOFREE char *text = NULL;
    size_t len = 0;
    mlo_json_add_u64(doc, "schema", SCHEMA);
    cJSON_AddStringToObject(doc, "tool", MLO_VERSION);
    cJSON_AddStringToObject(doc, "cpu", l->cpu);
    mlo_json_add_u64(doc, "cpus", l->cpus);
    mlo_json_add_i64(doc, "measured_ns", l->measured_ns);
    for (size_t i = 0; i < MLO_COUNT(figures); i++) {
        const char *at = (const char *)l + figures[i].offset;
        if (figures[i].whole)
            mlo_json_add_u64(doc, figures[i].key, *(const size_t *)(const void *)at);
        else
            mlo_json_add_double(doc, figures[i].key, *(const double *)(const void *)at);
    }
    int rc = doc ? mlo_json_print(doc, &text, &len, err) : mlo_fail_nomem(err);
    if (rc == 0)
        mlo_str_addn(out, text, len);
    return rc == 0 ? mlo_str_check(out, err) : rc;
}

static int read_figure(const cJSON *doc, const struct figure *f, struct mlo_limits *l, struct mlo_err *err)
{
    const cJSON *v = cJSON_GetObjectItem(doc, f->key);
    char *at = (char *)l + f->offset;
    uint64_t n = 0;
    if (f->whole) {
        int rc = mlo_json_u64(doc, f->key, &n, err);
        *(size_t *)(void *)at = (size_t)n;
        return rc;
    }
    if (!cJSON_IsNumber(v) || !(v->valuedouble >= 0))
        return mlo_fail(err, MLO_EINVALID, "limits of a machine: '%s' is no figure", f->key);
    *(double *)(void *)at = v->valuedouble;
    return 0;
}

static bool is_of(const cJSON *doc, const struct mlo_limits *here)
{
    const char *cpu = mlo_json_text(doc, "cpu"), *tool = mlo_json_text(doc, "tool");
    const cJSON *cpus = cJSON_GetObjectItem(doc, "cpus");
    return cpu && tool && strcmp(cpu, here->cpu) == 0 && strcmp(tool, MLO_VERSION) == 0 &&
           cJSON_IsNumber(cpus) && cpus->valueint == (int)here->cpus;
}

int mlo_limits_read(const char *text, size_t n, struct mlo_limits *ret, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = NULL;
    struct mlo_limits l = {0};
    uint64_t schema = 0;
    mlo_limits_identify(&l);
    int rc = mlo_json_parse(text, n, BYTES_MAX, &doc, err);
    if (rc == 0)
        rc = mlo_json_u64(doc, "schema", &schema, err);
    if (rc == 0 && (schema != SCHEMA || !is_of(doc, &l)))
        rc = mlo_fail(err, MLO_ENOTFOUND, "limits of another machine or version");
    for (size_t i = 0; rc == 0 && i < MLO_COUNT(figures); i++)
        rc = read_figure(doc, &figures[i], &l, err);
    const cJSON *measured = cJSON_GetObjectItem(doc, "measured_ns");
    l.measured_ns = cJSON_IsNumber(measured) ? (int64_t)measured->valuedouble : 0;
    if (rc == 0)
        *ret = l;
    return rc;
}

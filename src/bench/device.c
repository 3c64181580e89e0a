/*
 * What holds a model back on a GPU: what it asks for, held against what the device can do. A file keeps what
 * was measured of a device until it, its driver or its library is another.
 */
#include <math.h>
#include <string.h>

#include <mlopsctl/base/json.h>

#include "internal.h"

#define SCHEMA    1
#define BYTES_MAX ((size_t)64 << 10)

static const struct {
    const char *key;
    size_t offset;
} figures[] = {
#define FIGURE(name)                                                                                         \
    {                                                                                                        \
#name, offsetof(struct mlo_device_limits, name)                                                      \
    }
#define RATE(key, type)                                                                                      \
    {                                                                                                        \
        key, offsetof(struct mlo_device_limits, flops) + (type) * sizeof(double)                             \
    }
    FIGURE(copy),
    FIGURE(in),
    FIGURE(out),
    FIGURE(graph_ns),
    FIGURE(kernel_ns),
    FIGURE(copied_ns),
    FIGURE(mapped_ns),
    FIGURE(tf32),
    RATE("float32", MLO_DEVICE_F32),
    RATE("float16", MLO_DEVICE_F16),
    RATE("bfloat16", MLO_DEVICE_BF16),
    RATE("int8", MLO_DEVICE_I8),
    RATE("float8", MLO_DEVICE_E4M3),
};

void mlo_device_limits_json(const struct mlo_device_limits *l, cJSON *to)
{
    for (size_t i = 0; i < MLO_COUNT(figures); i++)
        mlo_json_add_double(to, figures[i].key,
                            *(const double *)(const void *)((const char *)l + figures[i].offset));
}

int mlo_device_limits_write(const char *of, const struct mlo_device_limits *l, struct mlo_str *out,
                            struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = cJSON_CreateObject();
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    mlo_json_add_u64(doc, "schema", SCHEMA);
    cJSON_AddStringToObject(doc, "tool", MLO_VERSION);
    cJSON_AddStringToObject(doc, "device", of);
    mlo_device_limits_json(l, doc);
    int rc = doc ? mlo_json_print(doc, &text, &n, err) : mlo_fail_nomem(err);
    if (rc == 0)
        mlo_str_addn(out, text, n);
    return rc == 0 ? mlo_str_check(out, err) : rc;
}

int mlo_device_limits_read(const char *text, size_t n, const char *of, struct mlo_device_limits *ret,
                           struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = NULL;
    struct mlo_device_limits l = {0};
    uint64_t schema = 0;
    int rc = mlo_json_parse(text, n, BYTES_MAX, &doc, err);
    if (rc == 0)
        rc = mlo_json_u64(doc, "schema", &schema, err);
    if (rc != 0)
        return rc;
    const char *device = mlo_json_text(doc, "device"), *tool = mlo_json_text(doc, "tool");
    if (schema != SCHEMA || !device || strcmp(device, of) != 0 || !tool || strcmp(tool, MLO_VERSION) != 0)
        return mlo_fail(err, MLO_ENOTFOUND, "limits of another device, driver or version");
    for (size_t i = 0; i < MLO_COUNT(figures); i++) {
        const cJSON *v = cJSON_GetObjectItem(doc, figures[i].key);
        if (!cJSON_IsNumber(v) || !(v->valuedouble >= 0))
            return mlo_fail(err, MLO_EINVALID, "limits of a device: '%s' is no figure", figures[i].key);
        *(double *)(void *)((char *)&l + figures[i].offset) = v->valuedouble;
    }
    *ret = l;
    return 0;
}

/* ---- what binds ---- */

const char *mlo_device_bound_name(enum mlo_device_bound b)
{
    static const char *const names[] = {"launch", "transfer", "memory", "products"};
    return names[b];
}

static double over(double amount, double rate)
{
    return rate > 0 ? amount / rate * 1e9 : 0;
}

/* Small programs read and write the host's memory themselves. */
static double transfer_ns(const struct mlo_device_limits *l, const struct mlo_device_cost *c)
{
    bool is_mapped = c->in <= MLO_DEVICE_MAPPED_MAX && c->out <= MLO_DEVICE_MAPPED_MAX;
    double begin = (is_mapped ? l->mapped_ns : l->copied_ns) - l->graph_ns;
    return fmax(begin, over((double)c->in, l->in) + over((double)c->out, l->out));
}

void mlo_explain_device(const struct mlo_device_limits *l, const struct mlo_device_cost *c, double run_ns,
                        struct mlo_device_explained *ret)
{
    double products = 0;
    for (size_t i = 0; i < MLO_DEVICE_TYPES; i++)
        products += over(c->flops[i], i == MLO_DEVICE_F32 && c->tf32 ? l->tf32 : l->flops[i]);
    *ret = (struct mlo_device_explained){.run_ns = run_ns};
    ret->ns[MLO_DEVICE_BOUND_LAUNCH] = l->graph_ns +
                                       (c->kernels > 1 ? (double)(c->kernels - 1) * l->kernel_ns : 0);
    ret->ns[MLO_DEVICE_BOUND_TRANSFER] = transfer_ns(l, c);
    ret->ns[MLO_DEVICE_BOUND_MEMORY] = over((double)c->bytes, l->copy);
    ret->ns[MLO_DEVICE_BOUND_PRODUCTS] = products;
    for (size_t i = 1; i < MLO_DEVICE_BOUNDS; i++)
        ret->bound = ret->ns[i] > ret->ns[ret->bound] ? (enum mlo_device_bound)i : ret->bound;
}

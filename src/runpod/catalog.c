/* What RunPod rents out: GPUs, CPUs, data centres, with prices and stock. */
#include <stdio.h>
#include <string.h>

#include "internal.h"

const char *mlo_runpod_stock_name(enum mlo_runpod_stock s)
{
    static const char *const names[] = {"unknown", "none", "low", "medium", "high"};
    return (size_t)s < MLO_COUNT(names) ? names[s] : names[0];
}

#define AT(member) offsetof(struct mlo_runpod_place, member)
static const struct mlo_field place_fields[] = {
    {"id", MLO_FIELD_TEXT, true, AT(id)},
    {"name", MLO_FIELD_TEXT, false, AT(name)},
    {"availability", MLO_FIELD_STOCK, false, AT(stock)},
};
#undef AT
static const struct mlo_shape place_shape = {MLO_SHAPE("place", place_fields, struct mlo_runpod_place)};

/* ---- GPUs ---- */

#define AT(member) offsetof(struct mlo_runpod_gpu, member)
static const struct mlo_field gpu_fields[] = {
    {"id", MLO_FIELD_TEXT, true, AT(id)},
    {"name", MLO_FIELD_TEXT, false, AT(name)},
    {"pool", MLO_FIELD_TEXT, false, AT(pool)},
    {"manufacturer", MLO_FIELD_TEXT, false, AT(manufacturer)},
    {"memory", MLO_FIELD_U64, true, AT(memory_gb)},
    {"secure", MLO_FIELD_BOOL, false, AT(secure)},
    {"community", MLO_FIELD_BOOL, false, AT(community)},
    {"price.secure", MLO_FIELD_DOUBLE, false, AT(price_secure)},
    {"price.community", MLO_FIELD_DOUBLE, false, AT(price_community)},
    {"price.serverless", MLO_FIELD_DOUBLE, false, AT(price_serverless)},
    {"maxCount.secure", MLO_FIELD_U64, false, AT(max_secure)},
    {"maxCount.community", MLO_FIELD_U64, false, AT(max_community)},
    {"availability", MLO_FIELD_STOCK, false, AT(stock)},
    {"dataCenters", MLO_FIELD_LIST, false, AT(data_centers), &place_shape},
};
#undef AT
const struct mlo_shape mlo_gpu_shape = {MLO_SHAPE("GPU type", gpu_fields, struct mlo_runpod_gpu)};

void mlo_runpod_gpus_release(struct mlo_runpod_gpus *l)
{
    mlo_shape_release_list(&mlo_gpu_shape, l);
}

static void add_queries(struct mlo_str *url, const struct mlo_runpod_catalog *q, const char *count_name)
{
    char count[24] = "";
    snprintf(count, sizeof count, "%llu", (unsigned long long)q->count);
    /* The service refuses each of these without the others' `include`. */
    if (!q->product)
        return;
    mlo_runpod_query(url, "include", "AVAILABILITY");
    mlo_runpod_query(url, "product", q->product);
    mlo_runpod_query(url, count_name, q->count ? count : NULL);
}

/* An entry "unknown" stands for nothing that can be rented. */
static void drop_unknown(cJSON *list)
{
    for (cJSON *item = list->child, *next; item; item = next) {
        const char *id = mlo_json_text(item, "id");
        next = item->next;
        if (id && strcmp(id, "unknown") == 0)
            cJSON_Delete(cJSON_DetachItemViaPointer(list, item));
    }
}

static int read_catalog(struct mlo_runpod *c, const char *url, const char *key, const struct mlo_shape *s,
                        void *ret, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *list = NULL;
    int rc = mlo_runpod_list_json(c, url, key, &list, err);
    if (rc != 0)
        return rc;
    drop_unknown(list);
    return mlo_shape_read_list(s, list, ret, err);
}

int mlo_runpod_gpu_list(struct mlo_runpod *c, const struct mlo_runpod_catalog *q, struct mlo_runpod_gpus *ret,
                        struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str url;
    mlo_str_init(&url, MLO_RUNPOD_URL_MAX);
    mlo_str_addf(&url, "%s/catalog/gpus", c->api);
    add_queries(&url, q, "count");
    if (q->product) {
        mlo_runpod_query(&url, "cloud", q->cloud);
        mlo_runpod_query(&url, "countryCodes", q->countries);
    }
    mlo_runpod_query(&url, "cudaVersions", q->cuda_versions);
    mlo_runpod_query(&url, "minCudaVersion", q->cuda_versions ? NULL : q->min_cuda);
    int rc = mlo_str_check(&url, err);
    return rc != 0 ? rc : read_catalog(c, url.ptr, "gpus", &mlo_gpu_shape, ret, err);
}

/* ---- CPUs ---- */

#define AT(member) offsetof(struct mlo_runpod_cpu, member)
static const struct mlo_field cpu_fields[] = {
    {"id", MLO_FIELD_TEXT, true, AT(id)},
    {"name", MLO_FIELD_TEXT, false, AT(name)},
    {"group", MLO_FIELD_TEXT, false, AT(group)},
    {"vcpu.min", MLO_FIELD_U64, false, AT(min_vcpus)},
    {"vcpu.max", MLO_FIELD_U64, false, AT(max_vcpus)},
    {"ramGbPerVcpu", MLO_FIELD_DOUBLE, false, AT(ram_gb_per_vcpu)},
    {"price.securePerVcpu", MLO_FIELD_DOUBLE, false, AT(price_secure)},
    {"price.serverlessPerVcpu", MLO_FIELD_DOUBLE, false, AT(price_serverless)},
    {"availability", MLO_FIELD_STOCK, false, AT(stock)},
    {"dataCenters", MLO_FIELD_LIST, false, AT(data_centers), &place_shape},
};
#undef AT
static const struct mlo_shape cpu_shape = {MLO_SHAPE("CPU flavour", cpu_fields, struct mlo_runpod_cpu)};

void mlo_runpod_cpus_release(struct mlo_runpod_cpus *l)
{
    mlo_shape_release_list(&cpu_shape, l);
}

int mlo_runpod_cpu_list(struct mlo_runpod *c, const struct mlo_runpod_catalog *q, struct mlo_runpod_cpus *ret,
                        struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str url;
    mlo_str_init(&url, MLO_RUNPOD_URL_MAX);
    mlo_str_addf(&url, "%s/catalog/cpus", c->api);
    add_queries(&url, q, "vcpuCount");
    int rc = mlo_str_check(&url, err);
    return rc != 0 ? rc : read_catalog(c, url.ptr, "cpus", &cpu_shape, ret, err);
}

/* ---- data centres ---- */

#define AT(member) offsetof(struct mlo_runpod_data_center, member)
static const struct mlo_field center_fields[] = {
    {"id", MLO_FIELD_TEXT, true, AT(id)},
    {"name", MLO_FIELD_TEXT, false, AT(name)},
    {"region", MLO_FIELD_TEXT, false, AT(region)},
    {"globalNetwork", MLO_FIELD_BOOL, false, AT(global_network)},
    {"networkVolumeTypes", MLO_FIELD_STRINGS, false, AT(volume_types)},
    {"compliance", MLO_FIELD_STRINGS, false, AT(compliance)},
    {"gpuAvailability", MLO_FIELD_LIST, false, AT(gpus), &place_shape},
    {"cpuAvailability", MLO_FIELD_LIST, false, AT(cpus), &place_shape},
};
#undef AT
static const struct mlo_shape center_shape = {
    MLO_SHAPE("data centre", center_fields, struct mlo_runpod_data_center)};

void mlo_runpod_data_centers_release(struct mlo_runpod_data_centers *l)
{
    mlo_shape_release_list(&center_shape, l);
}

int mlo_runpod_data_center_list(struct mlo_runpod *c, struct mlo_runpod_data_centers *ret,
                                struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str url;
    mlo_str_init(&url, MLO_RUNPOD_URL_MAX);
    mlo_str_addf(&url, "%s/catalog/datacenters?include=GPU_AVAILABILITY,CPU_AVAILABILITY", c->api);
    int rc = mlo_str_check(&url, err);
    return rc != 0 ? rc : read_catalog(c, url.ptr, "dataCenters", &center_shape, ret, err);
}

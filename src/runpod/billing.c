/* Bills: what was spent on what and when. */
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/time.h>

#include "internal.h"

#define AT(member) offsetof(struct mlo_runpod_amount, member)
static const struct mlo_field amount_fields[] = {{"name", MLO_FIELD_TEXT, true, AT(name)},
                                                 {"usd", MLO_FIELD_DOUBLE, true, AT(usd)}};
#undef AT
static const struct mlo_shape amount_shape = {MLO_SHAPE("amount", amount_fields, struct mlo_runpod_amount)};

#define AT(member) offsetof(struct mlo_runpod_record, member)
static const struct mlo_field record_fields[] = {
    {"startTime", MLO_FIELD_TIME, true, AT(from_ns)},
    {"endTime", MLO_FIELD_TIME, false, AT(until_ns)},
    {"id", MLO_FIELD_TEXT, false, AT(id)},
    {"totalAmount", MLO_FIELD_DOUBLE, true, AT(total)},
    {"amounts", MLO_FIELD_LIST, false, AT(amounts), &amount_shape},
};
#undef AT
static const struct mlo_shape record_shape = {
    MLO_SHAPE("billing record", record_fields, struct mlo_runpod_record)};

static const struct {
    const char *path, *id;
} bills[] = {
    [MLO_RUNPOD_BILL_ALL] = {"/billing", NULL},
    [MLO_RUNPOD_BILL_PODS] = {"/billing/pods", "podId"},
    [MLO_RUNPOD_BILL_ENDPOINTS] = {"/billing/serverless", "serverlessId"},
    [MLO_RUNPOD_BILL_VOLUMES] = {"/billing/network-volumes", "networkVolumeId"},
};

void mlo_runpod_billing_release(struct mlo_runpod_billing *b)
{
    mlo_shape_release_list(&record_shape, b);
}

/* "gpuAmount" is an amount called "gpu". */
static bool add_amount(cJSON *list, const cJSON *member)
{
    size_t n = strlen(member->string), tail = strlen("Amount");
    char name[64];
    if (!cJSON_IsNumber(member) || n <= tail || n - tail >= sizeof name ||
        strcmp(member->string + n - tail, "Amount") != 0 || strcmp(member->string, "totalAmount") == 0)
        return true;
    snprintf(name, sizeof name, "%.*s", (int)(n - tail), member->string);
    cJSON *item = cJSON_CreateObject();
    if (!item || !cJSON_AddItemToArray(list, item)) {
        cJSON_Delete(item);
        return false;
    }
    return cJSON_AddStringToObject(item, "name", name) &&
           cJSON_AddNumberToObject(item, "usd", member->valuedouble);
}

/* Members of one family's records under names that all share. */
static int make_even(cJSON *record, const char *id_name, struct mlo_err *err)
{
    const char *id = id_name ? mlo_json_text(record, id_name) : NULL;
    MLO_AUTOJSON cJSON *list = cJSON_CreateArray();
    const cJSON *member;
    bool done = list != NULL;
    cJSON_ArrayForEach(member, record) done = done && add_amount(list, member);
    cJSON_DeleteItemFromObjectCaseSensitive(record, "id");
    cJSON_DeleteItemFromObjectCaseSensitive(record, "amounts");
    done = done && (!id || cJSON_AddStringToObject(record, "id", id));
    if (!done || !cJSON_AddItemToObject(record, "amounts", list))
        return mlo_fail_nomem(err);
    (void)mlo_steal(&list);
    return 0;
}

static void add_time(struct mlo_str *url, const char *name, int64_t ns)
{
    char text[MLO_RFC3339_MAX];
    if (ns)
        mlo_runpod_query(url, name, mlo_time_rfc3339(ns, text));
}

static void add_queries(struct mlo_str *url, const struct mlo_runpod_billing_query *q)
{
    char last[24];
    snprintf(last, sizeof last, "%llu", (unsigned long long)q->last);
    if (bills[q->family].id)
        mlo_runpod_query(url, bills[q->family].id, q->id);
    if (!q->last) {
        add_time(url, "startTime", q->from_ns);
        add_time(url, "endTime", q->until_ns);
    }
    mlo_runpod_query(url, "bucketSize", q->bucket);
    mlo_runpod_query(url, "lastN", q->last ? last : NULL);
}

int mlo_runpod_billing(struct mlo_runpod *c, const struct mlo_runpod_billing_query *q,
                       struct mlo_runpod_billing *ret, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str url;
    MLO_AUTOJSON cJSON *list = NULL;
    mlo_str_init(&url, MLO_RUNPOD_URL_MAX);
    mlo_str_addf(&url, "%s%s", c->api, bills[q->family].path);
    add_queries(&url, q);
    int rc = mlo_str_check(&url, err);
    if (rc == 0)
        rc = mlo_runpod_list_json(c, url.ptr, "records", &list, err);
    for (cJSON *record = list ? list->child : NULL; rc == 0 && record; record = record->next)
        if (cJSON_IsObject(record))
            rc = make_even(record, bills[q->family].id, err);
    return rc != 0 ? rc : mlo_shape_read_list(&record_shape, list, ret, err);
}

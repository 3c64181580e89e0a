/*
 * Any bytes as an answer of RunPod: believed or refused, never worse. The first byte says as which one. What
 * was believed has what the header promises.
 */
#include <string.h>

#include "../../src/runpod/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool holds)
{
    if (!holds)
        __builtin_trap();
}

static void as_problem(const char *text, size_t n)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOFREE char *body = mlo_memdup0(text, n, &err);
    MLO_AUTOJSON cJSON *sent = cJSON_Parse("{\"env\":{\"TOKEN\":\"hunter22\"},\"password\":\"swordfish\"}");
    static const int statuses[] = {400, 401, 402, 403, 404, 409, 410, 413, 422, 429, 500, 502};
    for (size_t i = 0; body && i < MLO_COUNT(statuses); i++) {
        struct mlo_http_response r = {.status = statuses[i], .body = body, .n = n, .host = "h"};
        need(mlo_runpod_fail(&r, sent, &err) < 0 && *err.msg);
        need(!strstr(err.msg, "hunter22") && !strstr(err.msg, "swordfish"));
    }
}

static void as_pods(const cJSON *doc)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_runpod_pods l = {0};
    if (mlo_shape_read_list(&mlo_pod_shape, mlo_json_at(doc, "pods"), &l, &err) != 0)
        return;
    for (size_t i = 0; i < l.n; i++) {
        need(l.items[i].id && l.items[i].name && l.items[i].status_text);
        (void)mlo_runpod_pod_may(&l.items[i], "stop");
    }
    mlo_runpod_pods_release(&l);
}

static void as_catalog(const cJSON *doc)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_runpod_gpus l = {0};
    struct mlo_runpod_candidate *list = NULL;
    size_t n = 0;
    if (mlo_shape_read_list(&mlo_gpu_shape, mlo_json_at(doc, "gpus"), &l, &err) != 0)
        return;
    struct mlo_runpod_need want = {.max_price = 3, .count = 2, .manufacturer = ""};
    if (mlo_runpod_choose(&l, &want, &list, &n, NULL, &err) == 0)
        for (size_t i = 0; i < n; i++)
            need(list[i].price > 0 && list[i].price <= 3 && (i == 0 || list[i - 1].price <= list[i].price));
    free(list);
    mlo_runpod_gpus_release(&l);
}

static void as_endpoints(const cJSON *doc)
{
    static const char *const members[] = {"gpu", "scaling", "cpu", "ports", MLO_RUNPOD_FROM_TEMPLATE};
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_runpod_endpoints l = {0};
    struct mlo_runpod_gpus gpus = {0};
    struct mlo_runpod_cpus cpus = {0};
    if (mlo_shape_read_list(&mlo_endpoint_shape, mlo_json_at(doc, "endpoints"), &l, &err) != 0)
        return;
    for (size_t i = 0; i < l.n; i++) {
        (void)mlo_runpod_endpoint_price(&l.items[i], &gpus, &cpus);
        for (size_t k = 0; k < MLO_COUNT(members); k++) {
            MLO_AUTOBODY cJSON *body = NULL;
            need(mlo_runpod_endpoint_member(&l.items[i], members[k], &body, &err) == 0);
        }
    }
    mlo_runpod_endpoints_release(&l);
}

static int any_output(void *ctx, const cJSON *output, struct mlo_err *err)
{
    (void)err;
    *(size_t *)ctx += output != NULL;
    return 0;
}

static void as_job(cJSON *doc)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_runpod_job j = {0};
    enum mlo_runpod_job_status status;
    size_t n = 0;
    need(mlo_runpod_stream_read(doc, any_output, &n, &status, &err) == 0);
    if (mlo_runpod_job_read(doc, &j, &err) == 0)
        need(j.id && j.status_text);
    mlo_runpod_job_release(&j);
}

static int hash_event(void *ctx, const char *id, const char *data, struct mlo_err *err)
{
    uint64_t *h = ctx;
    (void)err;
    for (; *id; id++)
        *h = (*h ^ (uint8_t)*id) * 1099511628211u;
    for (; *data; data++)
        *h = (*h ^ (uint8_t)*data) * 1099511628211u;
    *h += 1;
    return 0;
}

/* The same events in one piece and in pieces of three. */
static void as_events(const char *text, size_t n)
{
    struct mlo_err err = MLO_ERR_INIT;
    uint64_t whole = 1, pieces = 1;
    struct mlo_sse a, b;
    mlo_sse_init(&a, hash_event, &whole);
    mlo_sse_init(&b, hash_event, &pieces);
    int rc = mlo_sse_feed(&a, text, n, &err), in_pieces = 0;
    for (size_t at = 0; in_pieces == 0 && at < n; at += 3)
        in_pieces = mlo_sse_feed(&b, text + at, n - at < 3 ? n - at : 3, &err);
    need((rc == 0) == (in_pieces == 0) && (rc != 0 || whole == pieces));
    mlo_sse_release(&a);
    mlo_sse_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOJSON cJSON *doc = NULL;
    const char *text = (const char *)data + 1;
    if (size == 0)
        return 0;
    size--;
    if (*data == 'e')
        as_events(text, size);
    else if (*data == 'x')
        as_problem(text, size);
    else if (mlo_json_parse(text, size, MLO_RUNPOD_BODY_MAX, &doc, &err) != 0)
        return 0;
    else if (*data == 'p')
        as_pods(doc);
    else if (*data == 'g')
        as_catalog(doc);
    else if (*data == 's')
        as_endpoints(doc);
    else if (*data == 'j')
        as_job(doc);
    return 0;
}

/* Serverless endpoints: requests, answers, workers and releases, what they may cost. */
#include <math.h>
#include <string.h>

#include "internal.h"

#define TIMEOUT_DEFAULT_MS 300000

/* ---- answers ---- */

#define AT(member) offsetof(struct mlo_runpod_flavour, member)
static const struct mlo_field flavour_fields[] = {
    {"id", MLO_FIELD_TEXT, true, AT(cpu)},
    {"vcpuCount", MLO_FIELD_U64, true, AT(vcpus)},
};
#undef AT
static const struct mlo_shape flavour_shape = {
    MLO_SHAPE("CPU flavour", flavour_fields, struct mlo_runpod_flavour)};

#define AT(member) offsetof(struct mlo_runpod_endpoint, member)
static const struct mlo_field fields[] = {
    {"id", MLO_FIELD_TEXT, true, AT(id)},
    {"name", MLO_FIELD_TEXT, true, AT(name)},
    {"type", MLO_FIELD_TEXT, true, AT(type)},
    {"image", MLO_FIELD_TEXT, false, AT(image)},
    {"args", MLO_FIELD_TEXT, false, AT(args)},
    {"registry", MLO_FIELD_TEXT, false, AT(registry)},
    {"templateId", MLO_FIELD_TEXT, false, AT(template_id)},
    {"disk", MLO_FIELD_U64, false, AT(disk_gb)},
    {"ports", MLO_FIELD_STRINGS, false, AT(ports)},
    {"dataCenterIds", MLO_FIELD_STRINGS, false, AT(data_centers)},
    {"networkVolumes", MLO_FIELD_STRINGS, false, AT(volumes)},
    {"env", MLO_FIELD_VARS, false, AT(env)},
    {"gpu.pools", MLO_FIELD_STRINGS, false, AT(gpu_pools)},
    {"gpu.excludedTypes", MLO_FIELD_STRINGS, false, AT(gpu_excluded)},
    {"gpu.allowedCudaVersions", MLO_FIELD_STRINGS, false, AT(cuda_versions)},
    {"gpu.minCudaVersion", MLO_FIELD_TEXT, false, AT(min_cuda)},
    {"gpu.count", MLO_FIELD_U64, false, AT(gpu_count)},
    {"cpu", MLO_FIELD_LIST, false, AT(cpus), &flavour_shape},
    {"scaling.type", MLO_FIELD_TEXT, false, AT(scaling)},
    {"scaling.queueDelay", MLO_FIELD_DOUBLE, false, AT(queue_delay)},
    {"scaling.requestCount", MLO_FIELD_U64, false, AT(request_count)},
    {"workers.min", MLO_FIELD_U64, true, AT(workers_min)},
    {"workers.max", MLO_FIELD_U64, true, AT(workers_max)},
    {"workers.idleTimeout", MLO_FIELD_U64, false, AT(idle_timeout_s)},
    {"timeout", MLO_FIELD_U64, false, AT(timeout_ms)},
    {"flashboot", MLO_FIELD_TEXT, false, AT(flashboot)},
    {"createdAt", MLO_FIELD_TIME, false, AT(created_ns)},
};
#undef AT
const struct mlo_shape mlo_endpoint_shape = {MLO_SHAPE("endpoint", fields, struct mlo_runpod_endpoint)};

void mlo_runpod_endpoint_release(struct mlo_runpod_endpoint *e)
{
    mlo_shape_release(&mlo_endpoint_shape, e);
}

void mlo_runpod_endpoints_release(struct mlo_runpod_endpoints *l)
{
    mlo_shape_release_list(&mlo_endpoint_shape, l);
}

/* ---- requests ---- */

static bool is_one_of(const char *word, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(word, *list) == 0)
            return true;
    return false;
}

static void check_create(struct mlo_body_builder *b, const struct mlo_runpod_endpoint_spec *s)
{
    static const char *const types[] = {"QUEUE", "LOAD_BALANCER", NULL};
    if (!s->name || !*s->name)
        mlo_bb_refuse(b, "an endpoint needs a name");
    if (!s->type || !is_one_of(s->type, types))
        mlo_bb_refuse(b, "an endpoint is a QUEUE or a LOAD_BALANCER");
    if (!s->container.image && !s->template_id)
        mlo_bb_refuse(b, "an endpoint needs an image or a template");
    if (!s->gpu_pools.n == !s->n_cpus)
        mlo_bb_refuse(b, "an endpoint has either GPU pools or CPU flavours");
    if (s->queue_delay <= 0 && s->request_count == 0)
        mlo_bb_refuse(
            b, "it must be said what an endpoint scales by: the delay of its queue or requests for a worker");
    if (s->type && strcmp(s->type, "LOAD_BALANCER") == 0 && s->queue_delay > 0)
        mlo_bb_refuse(b, "a load balancer has no queue to scale by: say requests for a worker");
    if (s->type && strcmp(s->type, "QUEUE") == 0 && s->request_count && s->idle_timeout_s)
        mlo_bb_refuse(b, "a queue that scales by requests takes no idle timeout");
    if (!s->mark)
        mlo_bb_refuse(b, "an endpoint needs a mark");
}

static void check_any(struct mlo_body_builder *b, const struct mlo_runpod_endpoint_spec *s, bool update)
{
    static const char *const modes[] = {"OFF", "FLASHBOOT", "PRIORITY_FLASHBOOT", NULL};
    if (update && s->type)
        mlo_bb_refuse(b, "the type of an endpoint is fixed when it is created");
    if (s->queue_delay > 0 && s->request_count)
        mlo_bb_refuse(b,
                      "an endpoint scales by the delay of its queue or by requests for a worker, not both");
    if (s->queue_delay != 0 && !(s->queue_delay >= 0.5))
        mlo_bb_refuse(b, "the delay of a queue to scale by is at least 0.5 s");
    if (s->idle_timeout_s > 3600)
        mlo_bb_refuse(b, "the idle timeout is at most 3600 s");
    if (s->workers_min != MLO_RUNPOD_NOT_SAID && s->workers_max != MLO_RUNPOD_NOT_SAID &&
        s->workers_min > s->workers_max)
        mlo_bb_refuse(b, "fewer workers at most than always");
    if (s->gpu_excluded.n && !s->gpu_pools.n)
        mlo_bb_refuse(b, "excluded GPU types go with the pools they are taken out of");
    if (s->cuda_versions.n && s->min_cuda && *s->min_cuda)
        mlo_bb_refuse(b, "either exact CUDA versions or a least one");
    if (s->flashboot && !is_one_of(s->flashboot, modes))
        mlo_bb_refuse(b, "flashboot is OFF, FLASHBOOT or PRIORITY_FLASHBOOT");
    if (s->container.entrypoint.items || s->container.command.items)
        mlo_bb_refuse(b, "an endpoint has arguments, but no entrypoint or command of its own");
}

static bool add_flavour(cJSON *list, const struct mlo_runpod_flavour *f)
{
    cJSON *item = cJSON_CreateObject();
    if (item && cJSON_AddItemToArray(list, item))
        return cJSON_AddStringToObject(item, "id", f->cpu) &&
               cJSON_AddNumberToObject(item, "vcpuCount", (double)f->vcpus);
    cJSON_Delete(item);
    return false;
}

static cJSON *flavours(const struct mlo_runpod_flavour *list, size_t n)
{
    cJSON *ret = cJSON_CreateArray();
    for (size_t i = 0; ret && i < n; i++)
        if (!add_flavour(ret, &list[i])) {
            cJSON_Delete(ret);
            ret = NULL;
        }
    return ret;
}

static void add_hardware(struct mlo_body_builder *b, const struct mlo_runpod_endpoint_spec *s)
{
    mlo_bb_words(b, "gpu.pools", &s->gpu_pools);
    mlo_bb_words(b, "gpu.excludedTypes", &s->gpu_excluded);
    mlo_bb_u64(b, "gpu.count", s->gpu_count);
    mlo_bb_words(b, "gpu.allowedCudaVersions", &s->cuda_versions);
    mlo_bb_text(b, "gpu.minCudaVersion", s->min_cuda);
    if (s->n_cpus)
        mlo_bb_node(b, "cpu", flavours(s->cpus, s->n_cpus));
}

static void add_scaling(struct mlo_body_builder *b, const struct mlo_runpod_endpoint_spec *s, bool update)
{
    if (s->queue_delay > 0) {
        mlo_bb_text(b, "scaling.type", "QUEUE_DELAY");
        mlo_bb_node(b, "scaling.queueDelay", cJSON_CreateNumber(s->queue_delay));
    } else if (s->request_count) {
        mlo_bb_text(b, "scaling.type", "REQUEST_COUNT");
        mlo_bb_u64(b, "scaling.requestCount", s->request_count);
    }
    mlo_bb_count(b, "workers.min", s->workers_min);
    mlo_bb_count(b, "workers.max", s->workers_max);
    mlo_bb_u64(b, "workers.idleTimeout", s->idle_timeout_s);
    /* Left out, it was seen to become 0, without end, though another default is documented. */
    mlo_bb_count(b, "timeout",
                 s->timeout_ms == MLO_RUNPOD_NOT_SAID && !update ? TIMEOUT_DEFAULT_MS : s->timeout_ms);
}

int mlo_runpod_endpoint_body(const struct mlo_runpod_endpoint_spec *s, bool update, cJSON **ret,
                             struct mlo_err *err)
{
    struct mlo_body_builder b;
    mlo_bb_begin(&b, err);
    if (!update)
        check_create(&b, s);
    check_any(&b, s, update);
    mlo_bb_text(&b, "name", s->name);
    mlo_bb_text(&b, "type", s->type);
    mlo_bb_text(&b, "templateId", s->template_id);
    mlo_bb_container(&b, &s->container);
    add_hardware(&b, s);
    add_scaling(&b, s, update);
    mlo_bb_text(&b, "flashboot", s->flashboot);
    mlo_bb_words(&b, "dataCenterIds", &s->data_centers);
    mlo_bb_words(&b, "networkVolumes", &s->volumes);
    mlo_bb_mark(&b, s->mark);
    if (!b.failed && !b.root->child)
        mlo_bb_refuse(&b, "nothing to change was said");
    return mlo_bb_end(&b, ret);
}

/* ---- what an update would have to say to leave a member as it is ---- */

static struct mlo_runpod_words words_of(const struct mlo_runpod_strings *s)
{
    static const char *const none[1];
    return (struct mlo_runpod_words){s->n ? (const char *const *)s->items : none, s->n};
}

static void add_strings(struct mlo_body_builder *b, const char *path, const struct mlo_runpod_strings *s)
{
    struct mlo_runpod_words words = words_of(s);
    mlo_bb_words(b, path, &words);
}

static void gpu_member(struct mlo_body_builder *b, const struct mlo_runpod_endpoint *e)
{
    add_strings(b, "gpu.pools", &e->gpu_pools); /* pools sent alone would clear the exclusions */
    add_strings(b, "gpu.excludedTypes", &e->gpu_excluded);
    mlo_bb_u64(b, "gpu.count", e->gpu_count);
    add_strings(b, "gpu.allowedCudaVersions", &e->cuda_versions);
    mlo_bb_text(b, "gpu.minCudaVersion", e->min_cuda ? e->min_cuda : "");
}

/* With the workers: which idle timeout they may have depends on it, so neither goes back alone. */
static void scaling_member(struct mlo_body_builder *b, const struct mlo_runpod_endpoint *e)
{
    bool by_requests = e->scaling && strcmp(e->scaling, "REQUEST_COUNT") == 0;
    mlo_bb_text(b, "scaling.type", e->scaling);
    if (e->scaling && strcmp(e->scaling, "QUEUE_DELAY") == 0)
        mlo_bb_node(b, "scaling.queueDelay", cJSON_CreateNumber(e->queue_delay));
    else
        mlo_bb_u64(b, "scaling.requestCount", e->request_count);
    mlo_bb_count(b, "workers.min", e->workers_min);
    mlo_bb_count(b, "workers.max", e->workers_max);
    if (!by_requests || strcmp(e->type, "QUEUE") != 0) /* else it is refused */
        mlo_bb_u64(b, "workers.idleTimeout", e->idle_timeout_s);
}

static void disk_member(struct mlo_body_builder *b, const struct mlo_runpod_endpoint *e)
{
    mlo_bb_u64(b, "disk", e->disk_gb);
}

static void timeout_member(struct mlo_body_builder *b, const struct mlo_runpod_endpoint *e)
{
    mlo_bb_count(b, "timeout", e->timeout_ms);
}

static void registry_member(struct mlo_body_builder *b, const struct mlo_runpod_endpoint *e)
{
    mlo_bb_node(b, "registry", e->registry ? cJSON_CreateString(e->registry) : cJSON_CreateNull());
}

static void cpu_member(struct mlo_body_builder *b, const struct mlo_runpod_endpoint *e)
{
    mlo_bb_node(b, "cpu", flavours(e->cpus.items, e->cpus.n));
}

#define AT(member) offsetof(struct mlo_runpod_endpoint, member)
static const struct {
    const char *name;
    size_t text, strings; /* offsets; 0: of no such kind (0 is the id's) */
    void (*add)(struct mlo_body_builder *b, const struct mlo_runpod_endpoint *e);
} members[] = {
    {"name", .text = AT(name)},
    {"image", .text = AT(image)},
    {"args", .text = AT(args)},
    {"flashboot", .text = AT(flashboot)},
    {"ports", .strings = AT(ports)},
    {"dataCenterIds", .strings = AT(data_centers)},
    {"networkVolumes", .strings = AT(volumes)},
    {"disk", .add = disk_member},
    {"timeout", .add = timeout_member},
    {"registry", .add = registry_member},
    {"gpu", .add = gpu_member},
    {"cpu", .add = cpu_member},
    {"scaling", .add = scaling_member},
};
#undef AT

int mlo_runpod_endpoint_member(const struct mlo_runpod_endpoint *e, const char *name, cJSON **ret,
                               struct mlo_err *err)
{
    struct mlo_body_builder b;
    size_t i = 0;
    while (i < MLO_COUNT(members) && strcmp(members[i].name, name) != 0)
        i++;
    if (i == MLO_COUNT(members))
        return mlo_fail(err, MLO_EUNAVAIL, "'%s' of an endpoint cannot be brought back", name);
    const void *text = (const char *)e + members[i].text, *strings = (const char *)e + members[i].strings;
    mlo_bb_begin(&b, err);
    if (members[i].text)
        mlo_bb_text(&b, name, *(char *const *)text ? *(char *const *)text : "");
    if (members[i].strings)
        add_strings(&b, name, strings);
    if (members[i].add)
        members[i].add(&b, e);
    return mlo_bb_end(&b, ret);
}

/* ---- calls ---- */

int mlo_runpod_endpoint_create(struct mlo_runpod *c, const cJSON *body, struct mlo_runpod_endpoint *ret,
                               struct mlo_err *err)
{
    return mlo_runpod_create(c, MLO_RUNPOD_ENDPOINTS, body, NULL, &mlo_endpoint_shape, ret, err);
}

int mlo_runpod_endpoint_get(struct mlo_runpod *c, const char *id, struct mlo_runpod_endpoint *ret,
                            struct mlo_err *err)
{
    return mlo_runpod_get_shape(c, MLO_RUNPOD_ENDPOINTS, id, &mlo_endpoint_shape, ret, err);
}

int mlo_runpod_endpoint_find(struct mlo_runpod *c, const char *id_or_name, struct mlo_runpod_endpoint *ret,
                             struct mlo_err *err)
{
    return mlo_runpod_find_shape(c, MLO_RUNPOD_ENDPOINTS, id_or_name, &mlo_endpoint_shape, ret, err);
}

int mlo_runpod_endpoint_list(struct mlo_runpod *c, struct mlo_runpod_endpoints *ret, struct mlo_err *err)
{
    return mlo_runpod_list_shape(c, MLO_RUNPOD_ENDPOINTS, &mlo_endpoint_shape, ret, err);
}

int mlo_runpod_endpoint_update(struct mlo_runpod *c, const char *id, const cJSON *body,
                               struct mlo_runpod_endpoint *ret, struct mlo_err *err)
{
    return mlo_runpod_patch_shape(c, MLO_RUNPOD_ENDPOINTS, id, body, &mlo_endpoint_shape, ret, err);
}

/* ---- price ---- */

static bool holds(const struct mlo_runpod_strings *s, const char *word)
{
    for (size_t i = 0; word && i < s->n; i++)
        if (strcmp(s->items[i], word) == 0)
            return true;
    return false;
}

/* The dearest GPU that a worker may get; NAN when one of them has no price. */
static double gpu_price(const struct mlo_runpod_endpoint *e, const struct mlo_runpod_gpus *gpus)
{
    double dearest = NAN;
    for (size_t i = 0; i < gpus->n; i++) {
        const struct mlo_runpod_gpu *g = &gpus->items[i];
        if (!holds(&e->gpu_pools, g->pool) || holds(&e->gpu_excluded, g->id))
            continue;
        if (g->price_serverless > 0 && !(g->price_serverless <= dearest))
            dearest = g->price_serverless;
    }
    return dearest * (double)(e->gpu_count ? e->gpu_count : 1);
}

static double cpu_price(const struct mlo_runpod_endpoint *e, const struct mlo_runpod_cpus *cpus)
{
    double dearest = NAN;
    for (size_t i = 0; i < e->cpus.n; i++)
        for (size_t j = 0; j < cpus->n; j++) {
            const struct mlo_runpod_cpu *k = &cpus->items[j];
            double price = k->price_serverless * (double)e->cpus.items[i].vcpus;
            if (strcmp(k->id, e->cpus.items[i].cpu) == 0 && price > 0 && !(price <= dearest))
                dearest = price;
        }
    return dearest;
}

struct mlo_runpod_endpoint_price mlo_runpod_endpoint_price(const struct mlo_runpod_endpoint *e,
                                                           const struct mlo_runpod_gpus *gpus,
                                                           const struct mlo_runpod_cpus *cpus)
{
    double worker = e->cpus.n ? cpu_price(e, cpus) : gpu_price(e, gpus);
    return (struct mlo_runpod_endpoint_price){.always = e->workers_min ? worker * (double)e->workers_min : 0,
                                              .most = e->workers_max ? worker * (double)e->workers_max : 0};
}

/* ---- workers and releases ---- */

#define AT(member) offsetof(struct mlo_runpod_worker, member)
static const struct mlo_field worker_fields[] = {
    {"id", MLO_FIELD_TEXT, true, AT(id)},
    {"status", MLO_FIELD_TEXT, true, AT(status)},
    {"isStale", MLO_FIELD_BOOL, false, AT(stale)},
    {"gpuCount", MLO_FIELD_U64, false, AT(gpu_count)},
    {"version", MLO_FIELD_U64, false, AT(version)},
    {"uptimeSeconds", MLO_FIELD_U64, false, AT(uptime_s)},
    {"image", MLO_FIELD_TEXT, false, AT(image)},
    {"gpuTypeId", MLO_FIELD_TEXT, false, AT(gpu)},
    {"dataCenterId", MLO_FIELD_TEXT, false, AT(data_center)},
    {"startedAt", MLO_FIELD_TIME, false, AT(started_ns)},
};
#undef AT
static const struct mlo_shape worker_shape = {MLO_SHAPE("worker", worker_fields, struct mlo_runpod_worker)};

/* The list's own members are a shape too; `workers` is one of them. */
#define AT(member) offsetof(struct mlo_runpod_workers, member)
static const struct mlo_field workers_fields[] = {
    {"workers", MLO_FIELD_LIST, true, offsetof(struct mlo_runpod_workers, items), &worker_shape},
    {"summary.running", MLO_FIELD_U64, false, AT(running)},
    {"summary.idle", MLO_FIELD_U64, false, AT(idle)},
    {"summary.initializing", MLO_FIELD_U64, false, AT(initializing)},
    {"summary.throttled", MLO_FIELD_U64, false, AT(throttled)},
    {"summary.unhealthy", MLO_FIELD_U64, false, AT(unhealthy)},
    {"endpointVersion", MLO_FIELD_U64, false, AT(version)},
};
#undef AT
static const struct mlo_shape workers_shape = {
    MLO_SHAPE("list of workers", workers_fields, struct mlo_runpod_workers)};

void mlo_runpod_workers_release(struct mlo_runpod_workers *l)
{
    mlo_shape_release(&workers_shape, l);
}

int mlo_runpod_worker_list(struct mlo_runpod *c, const char *endpoint, struct mlo_runpod_workers *ret,
                           struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str url;
    mlo_str_init(&url, MLO_RUNPOD_URL_MAX);
    int rc = mlo_runpod_url(c->api, mlo_family_path(MLO_RUNPOD_ENDPOINTS), endpoint, "/workers", &url, err);
    struct mlo_runpod_request r = {.method = "GET", .url = url.ptr};
    return rc != 0 ? rc : mlo_runpod_ask_shape(c, &r, &workers_shape, ret, err);
}

#define AT(member) offsetof(struct mlo_runpod_release, member)
static const struct mlo_field release_fields[] = {
    {"id", MLO_FIELD_TEXT, true, AT(id)},
    {"source", MLO_FIELD_TEXT, false, AT(source)},
    {"version", MLO_FIELD_U64, true, AT(version)},
    {"workerCount", MLO_FIELD_U64, false, AT(workers)},
    {"createdAt", MLO_FIELD_TIME, false, AT(created_ns)},
    /* Names of what it changed: the values beside them may be secrets. */
    {"diff", MLO_FIELD_STRINGS, false, AT(fields), .member = "field"},
};
#undef AT
static const struct mlo_shape release_shape = {
    MLO_SHAPE("release", release_fields, struct mlo_runpod_release)};

#define AT(member) offsetof(struct mlo_runpod_releases, member)
static const struct mlo_field releases_fields[] = {
    {"releases", MLO_FIELD_LIST, true, offsetof(struct mlo_runpod_releases, items), &release_shape},
    {"rollout.inProgress", MLO_FIELD_BOOL, false, AT(in_progress)},
    {"rollout.workersOnLatest", MLO_FIELD_U64, false, AT(workers_on_latest)},
    {"rollout.workersTotal", MLO_FIELD_U64, false, AT(workers_total)},
};
#undef AT
static const struct mlo_shape releases_shape = {
    MLO_SHAPE("list of releases", releases_fields, struct mlo_runpod_releases)};

void mlo_runpod_releases_release(struct mlo_runpod_releases *l)
{
    mlo_shape_release(&releases_shape, l);
}

int mlo_runpod_release_list(struct mlo_runpod *c, const char *endpoint, struct mlo_runpod_releases *ret,
                            struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str url;
    MLO_AUTOWIPE cJSON *doc = NULL;
    mlo_str_init(&url, MLO_RUNPOD_URL_MAX);
    int rc = mlo_runpod_url(c->api, mlo_family_path(MLO_RUNPOD_ENDPOINTS), endpoint, "/releases", &url, err);
    if (rc == 0)
        rc = mlo_runpod_list_doc(c, url.ptr, "releases", &doc, err);
    return rc != 0 ? rc : mlo_shape_read(&releases_shape, doc, ret, err);
}

/* Pods: what a request for one may say, what they are, how their state is changed. */
#include <math.h>
#include <string.h>

#include "internal.h"

/* ---- answers ---- */

#define AT(member) offsetof(struct mlo_runpod_port, member)
static const struct mlo_field port_fields[] = {
    {"private", MLO_FIELD_U64, true, AT(private_port)},
    {"public", MLO_FIELD_U64, false, AT(public_port)},
    {"type", MLO_FIELD_TEXT, false, AT(type)},
    {"ip", MLO_FIELD_TEXT, false, AT(ip)},
};
#undef AT
static const struct mlo_shape port_shape = {MLO_SHAPE("port", port_fields, struct mlo_runpod_port)};

#define AT(member) offsetof(struct mlo_runpod_pod, member)
static const struct mlo_field fields[] = {
    {"id", MLO_FIELD_TEXT, true, AT(id)},
    {"name", MLO_FIELD_TEXT, true, AT(name)},
    {"image", MLO_FIELD_TEXT, false, AT(image)},
    {"args", MLO_FIELD_TEXT, false, AT(args)},
    {"status", MLO_FIELD_TEXT, true, AT(status_text)},
    {"actions", MLO_FIELD_STRINGS, false, AT(actions)},
    {"ports", MLO_FIELD_STRINGS, false, AT(ports)},
    {"disk", MLO_FIELD_U64, false, AT(disk_gb)},
    {"env", MLO_FIELD_VARS, false, AT(env)},
    {"registry", MLO_FIELD_TEXT, false, AT(registry)},
    {"template", MLO_FIELD_TEXT, false, AT(template_id)},
    {"gpu.id", MLO_FIELD_TEXT, false, AT(gpu)},
    {"gpu.count", MLO_FIELD_U64, false, AT(gpu_count)},
    {"cpu.id", MLO_FIELD_TEXT, false, AT(cpu)},
    {"cpu.vcpuCount", MLO_FIELD_U64, false, AT(vcpus)},
    {"cloud", MLO_FIELD_TEXT, false, AT(cloud)},
    {"dataCenterId", MLO_FIELD_TEXT, false, AT(data_center)},
    {"cudaVersion", MLO_FIELD_TEXT, false, AT(cuda)},
    {"mounts.persistent.size", MLO_FIELD_U64, false, AT(persistent_gb)},
    {"mounts.persistent.path", MLO_FIELD_TEXT, false, AT(persistent_path)},
    {"mounts.network.0.volumeId", MLO_FIELD_TEXT, false, AT(volume)},
    {"mounts.network.0.path", MLO_FIELD_TEXT, false, AT(volume_path)},
    {"ssh.proxy.host", MLO_FIELD_TEXT, false, AT(ssh_proxy.host)},
    {"ssh.proxy.port", MLO_FIELD_U64, false, AT(ssh_proxy.port)},
    {"ssh.proxy.username", MLO_FIELD_TEXT, false, AT(ssh_proxy.username)},
    {"ssh.proxy.command", MLO_FIELD_TEXT, false, AT(ssh_proxy.command)},
    {"ssh.direct.host", MLO_FIELD_TEXT, false, AT(ssh_direct.host)},
    {"ssh.direct.port", MLO_FIELD_U64, false, AT(ssh_direct.port)},
    {"ssh.direct.username", MLO_FIELD_TEXT, false, AT(ssh_direct.username)},
    {"ssh.direct.command", MLO_FIELD_TEXT, false, AT(ssh_direct.command)},
    /* Price limits are checked against it: a pod whose cost is not known must not look free. */
    {"cost", MLO_FIELD_DOUBLE, true, AT(cost)},
    {"locked", MLO_FIELD_BOOL, false, AT(locked)},
    {"runtime.uptime", MLO_FIELD_U64, false, AT(uptime_s)},
    {"runtime.cpu.util", MLO_FIELD_PERCENT, false, AT(cpu_util)},
    {"runtime.memory.util", MLO_FIELD_PERCENT, false, AT(memory_util)},
    {"runtime.ports", MLO_FIELD_LIST, false, AT(runtime_ports), &port_shape},
    {"cluster.id", MLO_FIELD_TEXT, false, AT(cluster)},
    {"createdAt", MLO_FIELD_TIME, false, AT(created_ns)},
    {"startedAt", MLO_FIELD_TIME, false, AT(started_ns)},
};
#undef AT

static enum mlo_runpod_pod_status status_of(const char *text)
{
    static const char *const names[] = {[MLO_RUNPOD_POD_PROVISIONING] = "PROVISIONING",
                                        [MLO_RUNPOD_POD_STARTING] = "STARTING",
                                        [MLO_RUNPOD_POD_RUNNING] = "RUNNING",
                                        [MLO_RUNPOD_POD_EXITED] = "EXITED",
                                        [MLO_RUNPOD_POD_ERROR] = "ERROR",
                                        [MLO_RUNPOD_POD_TERMINATED] = "TERMINATED"};
    for (size_t i = 1; i < MLO_COUNT(names); i++)
        if (strcmp(names[i], text) == 0)
            return (enum mlo_runpod_pod_status)i;
    return MLO_RUNPOD_POD_OTHER;
}

/* An empty `runtime` is none. */
static int finish(void *obj, const cJSON *node, struct mlo_err *err)
{
    struct mlo_runpod_pod *p = obj;
    const cJSON *runtime = mlo_json_at(node, "runtime"), *gpu;
    (void)err;
    p->status = status_of(p->status_text);
    p->has_runtime = cJSON_IsObject(runtime) && runtime->child;
    p->gpu_util = NAN;
    cJSON_ArrayForEach(gpu, mlo_json_at(runtime, "gpus"))
    {
        const cJSON *util = mlo_json_at(gpu, "util");
        if (cJSON_IsNumber(util) && !(p->gpu_util >= util->valuedouble))
            p->gpu_util = util->valuedouble;
    }
    return 0;
}

const struct mlo_shape mlo_pod_shape = {MLO_SHAPE("pod", fields, struct mlo_runpod_pod), .finish = finish};

void mlo_runpod_pod_release(struct mlo_runpod_pod *p)
{
    mlo_shape_release(&mlo_pod_shape, p);
}

void mlo_runpod_pods_release(struct mlo_runpod_pods *l)
{
    mlo_shape_release_list(&mlo_pod_shape, l);
}

const char *mlo_runpod_var(const struct mlo_runpod_vars *env, const char *name)
{
    for (size_t i = 0; i < env->n; i++)
        if (strcmp(env->items[i].name, name) == 0)
            return env->items[i].value;
    return NULL;
}

bool mlo_runpod_pod_may(const struct mlo_runpod_pod *p, const char *action)
{
    for (size_t i = 0; i < p->actions.n; i++)
        if (strcmp(p->actions.items[i], action) == 0)
            return true;
    return false;
}

/* ---- requests ---- */

static bool is_power_of_two(uint64_t n)
{
    return n && (n & (n - 1)) == 0;
}

static void check_update(struct mlo_body_builder *b, const struct mlo_runpod_pod_spec *s)
{
    if (s->gpu || s->gpu_count || s->cpu || s->vcpus || s->cloud || s->data_centers.items || s->volume ||
        s->cuda_versions.items || s->min_cuda || s->min_ram_per_gpu || s->min_vcpus_per_gpu)
        mlo_bb_refuse(b, "hardware, place and volume of a pod are fixed when it is created");
    if (s->ssh || s->jupyter || s->container.entrypoint.items || s->container.command.items)
        mlo_bb_refuse(b, "ssh, jupyter, entrypoint and command of a pod are fixed when it is created");
}

static void check_create(struct mlo_body_builder *b, const struct mlo_runpod_pod_spec *s)
{
    if (!s->name || !*s->name)
        mlo_bb_refuse(b, "a pod needs a name");
    if (!s->container.image && !s->template_id)
        mlo_bb_refuse(b, "a pod needs an image or a template");
    if (!s->gpu == !s->cpu)
        mlo_bb_refuse(b, "a pod has either a GPU type or a CPU flavour");
    if (s->cpu && (!is_power_of_two(s->vcpus) || s->vcpus < 2))
        mlo_bb_refuse(b, "the vCPUs of a pod are a power of two, at least 2");
    if (!s->mark)
        mlo_bb_refuse(b, "a pod needs a mark");
    if (s->volume && s->cloud && strcmp(s->cloud, "SECURE") != 0)
        mlo_bb_refuse(b, "network volumes are in the secure cloud alone");
    if (s->locked)
        mlo_bb_refuse(b, "a pod can be locked once it is there");
}

static void check_mounts(struct mlo_body_builder *b, const struct mlo_runpod_pod_spec *s)
{
    if (s->persistent_gb && s->volume)
        mlo_bb_refuse(b, "a pod has either a disk of its own or a network volume");
    if (s->persistent_gb && s->persistent_gb < 10)
        mlo_bb_refuse(b, "a pod's own disk has at least 10 GB");
    if (s->persistent_gb && s->cpu)
        mlo_bb_refuse(b, "CPU pods have no disk of their own");
    if ((s->volume && !s->volume_path) || (s->persistent_gb && !s->persistent_path))
        mlo_bb_refuse(b, "it must be said where a pod mounts its volume");
    if (s->cuda_versions.n && s->min_cuda)
        mlo_bb_refuse(b, "either exact CUDA versions or a least one");
}

static void add_hardware(struct mlo_body_builder *b, const struct mlo_runpod_pod_spec *s)
{
    mlo_bb_text(b, "gpu.id", s->gpu);
    if (s->gpu) /* left out, RunPod has answered that there are no instances */
        mlo_bb_u64(b, "gpu.count", s->gpu_count ? s->gpu_count : 1);
    if (s->gpu)
        mlo_bb_words(b, "gpu.allowedCudaVersions", &s->cuda_versions);
    mlo_bb_text(b, "gpu.minCudaVersion", s->gpu ? s->min_cuda : NULL);
    mlo_bb_u64(b, "gpu.minRamPerGpu", s->gpu ? s->min_ram_per_gpu : 0);
    mlo_bb_u64(b, "gpu.minVcpuCountPerGpu", s->gpu ? s->min_vcpus_per_gpu : 0);
    mlo_bb_text(b, "cpu.id", s->cpu);
    mlo_bb_u64(b, "cpu.vcpuCount", s->cpu ? s->vcpus : 0);
    mlo_bb_text(b, "cloud", s->cloud);
    mlo_bb_words(b, "dataCenterIds", &s->data_centers);
}

static cJSON *network_mount(const char *volume, const char *path)
{
    cJSON *list = cJSON_CreateArray(), *mount = cJSON_CreateObject();
    if (!mount || !cJSON_AddItemToArray(list, mount)) {
        cJSON_Delete(mount);
        cJSON_Delete(list);
        return NULL;
    }
    if (!cJSON_AddStringToObject(mount, "volumeId", volume) ||
        !cJSON_AddStringToObject(mount, "path", path)) {
        cJSON_Delete(list);
        return NULL;
    }
    return list;
}

static void add_mounts(struct mlo_body_builder *b, const struct mlo_runpod_pod_spec *s)
{
    mlo_bb_u64(b, "mounts.persistent.size", s->persistent_gb);
    if (s->persistent_gb)
        mlo_bb_text(b, "mounts.persistent.path", s->persistent_path);
    if (s->volume && s->volume_path)
        mlo_bb_node(b, "mounts.network", network_mount(s->volume, s->volume_path));
}

int mlo_runpod_pod_body(const struct mlo_runpod_pod_spec *s, bool update, cJSON **ret, struct mlo_err *err)
{
    struct mlo_body_builder b;
    mlo_bb_begin(&b, err);
    if (update)
        check_update(&b, s);
    else
        check_create(&b, s);
    check_mounts(&b, s);
    mlo_bb_text(&b, "name", s->name);
    mlo_bb_text(&b, "templateId", s->template_id);
    mlo_bb_container(&b, &s->container);
    add_hardware(&b, s);
    add_mounts(&b, s);
    mlo_bb_flag(&b, "globalNetworking", s->global_networking);
    mlo_bb_flag(&b, "startSsh", s->ssh);
    mlo_bb_flag(&b, "startJupyter", s->jupyter);
    mlo_bb_flag(&b, "locked", s->locked);
    mlo_bb_mark(&b, s->mark);
    if (!b.failed && !b.root->child)
        mlo_bb_refuse(&b, "nothing to change was said");
    return mlo_bb_end(&b, ret);
}

/* ---- calls ---- */

int mlo_runpod_pod_create(struct mlo_runpod *c, const cJSON *body, struct mlo_runpod_pod *ret,
                          struct mlo_err *err)
{
    return mlo_runpod_create(c, MLO_RUNPOD_PODS, body, NULL, &mlo_pod_shape, ret, err);
}

int mlo_runpod_pod_get(struct mlo_runpod *c, const char *id, struct mlo_runpod_pod *ret, struct mlo_err *err)
{
    return mlo_runpod_get_shape(c, MLO_RUNPOD_PODS, id, &mlo_pod_shape, ret, err);
}

int mlo_runpod_pod_find(struct mlo_runpod *c, const char *id_or_name, struct mlo_runpod_pod *ret,
                        struct mlo_err *err)
{
    return mlo_runpod_find_shape(c, MLO_RUNPOD_PODS, id_or_name, &mlo_pod_shape, ret, err);
}

int mlo_runpod_pod_list(struct mlo_runpod *c, struct mlo_runpod_pods *ret, struct mlo_err *err)
{
    return mlo_runpod_list_shape(c, MLO_RUNPOD_PODS, &mlo_pod_shape, ret, err);
}

int mlo_runpod_pod_update(struct mlo_runpod *c, const char *id, const cJSON *body, struct mlo_runpod_pod *ret,
                          struct mlo_err *err)
{
    return mlo_runpod_patch_shape(c, MLO_RUNPOD_PODS, id, body, &mlo_pod_shape, ret, err);
}

static int post_action(struct mlo_runpod *c, const char *id, const char *action, struct mlo_runpod_pod *ret,
                       bool *ret_unclear, struct mlo_err *err)
{
    struct mlo_body_builder b;
    MLO_AUTOBODY cJSON *body = NULL;
    MLO_AUTOWIPE cJSON *answer = NULL;
    MLO_AUTOSTR struct mlo_str url;
    mlo_str_init(&url, MLO_RUNPOD_URL_MAX);
    mlo_bb_begin(&b, err);
    mlo_bb_text(&b, "action", action);
    int rc = mlo_bb_end(&b, &body);
    if (rc == 0)
        rc = mlo_runpod_url(c->api, mlo_family_path(MLO_RUNPOD_PODS), id, "/action", &url, err);
    struct mlo_runpod_request r = {.method = "POST", .url = url.ptr, .body = body};
    if (rc == 0)
        rc = mlo_runpod_ask(c, &r, &answer, ret_unclear, err);
    return rc != 0 ? rc : mlo_shape_read(&mlo_pod_shape, answer, ret, err);
}

/* Is the pod where the action leads? A restart leaves no such sign. */
static bool has_come_to(const struct mlo_runpod_pod *p, const char *action)
{
    if (strcmp(action, "stop") == 0)
        return p->status == MLO_RUNPOD_POD_EXITED;
    return strcmp(action, "start") == 0 &&
           (p->status == MLO_RUNPOD_POD_PROVISIONING || p->status == MLO_RUNPOD_POD_STARTING ||
            p->status == MLO_RUNPOD_POD_RUNNING);
}

int mlo_runpod_pod_action(struct mlo_runpod *c, const char *id, const char *action,
                          struct mlo_runpod_pod *ret, struct mlo_err *err)
{
    struct mlo_runpod_pod now = {0};
    struct mlo_err ignored = MLO_ERR_INIT;
    bool unclear = false;
    int rc = post_action(c, id, action, &now, &unclear, err);
    if (rc != 0 && unclear && mlo_runpod_pod_get(c, id, &now, &ignored) == 0) {
        if (has_come_to(&now, action)) {
            *err = MLO_ERR_INIT;
            rc = 0;
        } else {
            mlo_runpod_pod_release(&now);
        }
    }
    if (rc == 0 && ret)
        *ret = now;
    else if (rc == 0)
        mlo_runpod_pod_release(&now);
    return rc;
}

/*
 * RunPod through REST v2 (docs/runpod.md): volumes, catalog, pods, endpoints, templates, registries, billing,
 * jobs. Every base URL is a setting. v1 answers 410 and is never asked.
 *
 * Creates are not idempotent there: after a failure that leaves it open whether the server acted, the object
 * is looked for by its trace before anything is made again, so there are never two.
 *
 * Failures: MLO_EREMOTE (network, key refused, balance, rate limit, retired interface), MLO_ENOTFOUND (404),
 * MLO_ECONFLICT (409: not in this state), MLO_EUSAGE (400, 422: the request is wrong), MLO_EINVALID (an
 * answer that is not what the interface promises), MLO_EUNAVAIL from creates and starts alone: no capacity
 * now, so the next candidate is worth a try. Messages name the server's text and its request id.
 *
 * Answers: strings and lists are owned by the struct and freed by its release function, which accepts a
 * zeroed one; text the server left out or gave as null is NULL. Values of environment variables are secrets:
 * they are wiped when freed and stand in no message.
 */
#ifndef MLOPSCTL_RUNPOD_H
#define MLOPSCTL_RUNPOD_H

#include <mlopsctl/base/json.h>
#include <mlopsctl/base/str.h>
#include <mlopsctl/net.h>

struct mlo_runpod;
struct mlo_runpod_opts {
    struct mlo_http *http; /* borrowed */
    const char *key;       /* borrowed for the client's life */
    const char *api;       /* NULL: https://api.runpod.io/v2 */
    const char *jobs;      /* NULL: https://api.runpod.ai/v2 */
    const char *balancer;  /* NULL: https://{id}.api.runpod.ai; {id} is filled in */
    const char *s3;        /* NULL: https://s3api-{dc}.runpod.io; {dc} is the data centre in lower case */
    const char *s3_data_centers; /* NULL: the list known to this build; else names between spaces, "*": all */
    int64_t look_pause_ns;       /* between looks for what an unclear create made; 0: 3 s */
};
int mlo_runpod_new(const struct mlo_runpod_opts *opts, struct mlo_runpod **ret,
                   struct mlo_err *err) MLO_MUST_CHECK;
void mlo_runpod_free(struct mlo_runpod *c);

/* Now, by the clock of the service once it has answered. */
int64_t mlo_runpod_time(const struct mlo_runpod *c);

/* ---- what is common ---- */

enum mlo_runpod_family {
    MLO_RUNPOD_PODS,
    MLO_RUNPOD_ENDPOINTS,
    MLO_RUNPOD_TEMPLATES,
    MLO_RUNPOD_REGISTRIES,
    MLO_RUNPOD_VOLUMES,
};
struct mlo_runpod_strings { /* owned */
    char **items;
    size_t n;
};
void mlo_runpod_strings_release(struct mlo_runpod_strings *s);
struct mlo_runpod_vars { /* owned */
    struct mlo_runpod_var {
        char *name, *value;
    } * items;
    size_t n;
};
struct mlo_runpod_words { /* of requests, borrowed; items NULL: not said */
    const char *const *items;
    size_t n;
};
enum mlo_runpod_flag { MLO_RUNPOD_UNSAID, MLO_RUNPOD_NO, MLO_RUNPOD_YES };

/*
 * What is made anew can be found again by its trace: pods and endpoints by a random mark in their
 * environment, the others, which have none, by their name and not being one of those that were there before.
 */
#define MLO_RUNPOD_MARK     "MLOPSCTL_MARK" /* the variable */
#define MLO_RUNPOD_MARK_MAX 33
int mlo_runpod_mark(char ret[MLO_RUNPOD_MARK_MAX], struct mlo_err *err) MLO_MUST_CHECK;
struct mlo_runpod_trace {
    enum mlo_runpod_family family;
    const char *mark;                         /* of pods and endpoints */
    const char *name;                         /* of the others */
    const struct mlo_runpod_strings *earlier; /* ids of namesakes from before; NULL: there were none */
    const cJSON *like; /* the request: its plain members must be the same; may be NULL */
};
/* The id of what was made, owned by the caller; MLO_ENOTFOUND when there is none. */
int mlo_runpod_made(struct mlo_runpod *c, const struct mlo_runpod_trace *t, char **ret_id,
                    struct mlo_err *err) MLO_MUST_CHECK;
/* The ids of all of a family that have this name. */
int mlo_runpod_namesakes(struct mlo_runpod *c, enum mlo_runpod_family family, const char *name,
                         struct mlo_runpod_strings *ret, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_runpod_exists(struct mlo_runpod *c, enum mlo_runpod_family family, const char *id, bool *ret,
                      struct mlo_err *err) MLO_MUST_CHECK;
/* *ret_there false: it was gone already. A pod's local disk goes with it, an endpoint's own template too. */
int mlo_runpod_delete(struct mlo_runpod *c, enum mlo_runpod_family family, const char *id, bool *ret_there,
                      struct mlo_err *err) MLO_MUST_CHECK;

/*
 * Requests are built first and sent after, so that they can be shown before: *_body makes the JSON of a spec
 * (owner: the caller, mlo_runpod_body_free, which wipes it), *_create and *_update send it.
 */
void mlo_runpod_body_free(cJSON **body);
#define MLO_AUTOBODY MLO_AUTO(mlo_runpod_body_free)
/* A copy in which values of the environment and passwords are "(hidden)". */
int mlo_runpod_body_shown(const cJSON *body, cJSON **ret, struct mlo_err *err) MLO_MUST_CHECK;

struct mlo_runpod_container { /* of requests, borrowed; NULL, 0: not said */
    const char *image, *args;
    uint64_t disk_gb;
    struct mlo_runpod_words ports;               /* "8000/http", "22/tcp" */
    struct mlo_runpod_words entrypoint, command; /* pods only */
    /* NAME=VALUE; in an update the whole set is replaced */
    struct mlo_runpod_words env;
    const char *registry; /* id; "" clears it */
};

/* ---- network volumes ---- */

#define MLO_RUNPOD_VOLUME_MIN_GB 10
#define MLO_RUNPOD_VOLUME_MAX_GB 4096
struct mlo_runpod_volume {
    char *id, *name, *data_center, *type; /* type: STANDARD, HIGH_PERFORMANCE; may be NULL */
    uint64_t size_gb;
};
void mlo_runpod_volume_release(struct mlo_runpod_volume *v);
struct mlo_runpod_volumes {
    struct mlo_runpod_volume *items;
    size_t n;
};
void mlo_runpod_volumes_release(struct mlo_runpod_volumes *l);
/* By id, else by name; a name that fits two is MLO_ECONFLICT with both ids in the message. */
int mlo_runpod_volume_find(struct mlo_runpod *c, const char *id_or_name, struct mlo_runpod_volume *ret,
                           struct mlo_err *err) MLO_MUST_CHECK;
int mlo_runpod_volume_get(struct mlo_runpod *c, const char *id, struct mlo_runpod_volume *ret,
                          struct mlo_err *err) MLO_MUST_CHECK;
int mlo_runpod_volume_list(struct mlo_runpod *c, struct mlo_runpod_volumes *ret,
                           struct mlo_err *err) MLO_MUST_CHECK;
struct mlo_runpod_volume_spec {
    const char *name, *data_center;
    const char *type; /* NULL: what the data centre has */
    uint64_t size_gb;
};
int mlo_runpod_volume_body(const struct mlo_runpod_volume_spec *s, cJSON **ret,
                           struct mlo_err *err) MLO_MUST_CHECK;
/* earlier: as in a trace, known before the request was announced. */
int mlo_runpod_volume_create(struct mlo_runpod *c, const cJSON *body,
                             const struct mlo_runpod_strings *earlier, struct mlo_runpod_volume *ret,
                             struct mlo_err *err) MLO_MUST_CHECK;
/* A volume cannot shrink: smaller is MLO_EUSAGE. */
int mlo_runpod_volume_grow(struct mlo_runpod *c, const char *id, uint64_t size_gb,
                           struct mlo_runpod_volume *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* List price in USD for a month; NAN for a type whose price is not published. */
double mlo_runpod_volume_price(uint64_t size_gb, const char *type);
#define MLO_RUNPOD_HOURS_A_MONTH 730.0
/* "https://s3api-eu-ro-1.runpod.io" appended; MLO_EUNAVAIL when that data centre has no S3, with those that
 * have. */
int mlo_runpod_s3_endpoint(const struct mlo_runpod *c, const char *data_center, struct mlo_str *out,
                           struct mlo_err *err) MLO_MUST_CHECK;

/* ---- catalog ---- */

enum mlo_runpod_stock { /* in order: more is better */
                        MLO_RUNPOD_STOCK_UNKNOWN,
                        MLO_RUNPOD_STOCK_NONE,
                        MLO_RUNPOD_STOCK_LOW,
                        MLO_RUNPOD_STOCK_MEDIUM,
                        MLO_RUNPOD_STOCK_HIGH,
};
const char *mlo_runpod_stock_name(enum mlo_runpod_stock s); /* "unknown", "none", "low", ... */
struct mlo_runpod_place { /* something in stock somewhere: a data centre of a GPU, a GPU of a data centre */
    char *id, *name;
    enum mlo_runpod_stock stock;
};
struct mlo_runpod_places {
    struct mlo_runpod_place *items;
    size_t n;
};
struct mlo_runpod_gpu {
    char *id, *name, *pool, *manufacturer;
    uint64_t memory_gb; /* of one */
    bool secure, community;
    double price_secure, price_community, price_serverless; /* USD per hour for one; 0: not offered */
    uint64_t max_secure, max_community;                     /* GPUs of the largest host */
    enum mlo_runpod_stock stock;
    struct mlo_runpod_places data_centers;
};
struct mlo_runpod_gpus {
    struct mlo_runpod_gpu *items;
    size_t n;
};
void mlo_runpod_gpus_release(struct mlo_runpod_gpus *l);
struct mlo_runpod_catalog {               /* what is asked; NULL, 0: not said */
    const char *product;                  /* POD, SERVERLESS, CLUSTER: stock for it; NULL: no stock */
    uint64_t count;                       /* GPUs on one host, or vCPUs */
    const char *cloud;                    /* SECURE, COMMUNITY */
    const char *countries;                /* "DE,FR" */
    const char *cuda_versions, *min_cuda; /* "12.4,12.8"; "12.4" */
};
int mlo_runpod_gpu_list(struct mlo_runpod *c, const struct mlo_runpod_catalog *q, struct mlo_runpod_gpus *ret,
                        struct mlo_err *err) MLO_MUST_CHECK;
struct mlo_runpod_cpu {
    char *id, *name, *group;
    uint64_t min_vcpus, max_vcpus;
    double ram_gb_per_vcpu, price_secure, price_serverless; /* USD per hour and vCPU */
    enum mlo_runpod_stock stock;
    struct mlo_runpod_places data_centers;
};
struct mlo_runpod_cpus {
    struct mlo_runpod_cpu *items;
    size_t n;
};
void mlo_runpod_cpus_release(struct mlo_runpod_cpus *l);
int mlo_runpod_cpu_list(struct mlo_runpod *c, const struct mlo_runpod_catalog *q, struct mlo_runpod_cpus *ret,
                        struct mlo_err *err) MLO_MUST_CHECK;
struct mlo_runpod_data_center {
    char *id, *name, *region;
    bool global_network;
    struct mlo_runpod_strings volume_types, compliance;
    struct mlo_runpod_places gpus, cpus;
};
struct mlo_runpod_data_centers {
    struct mlo_runpod_data_center *items;
    size_t n;
};
void mlo_runpod_data_centers_release(struct mlo_runpod_data_centers *l);
int mlo_runpod_data_center_list(struct mlo_runpod *c, struct mlo_runpod_data_centers *ret,
                                struct mlo_err *err) MLO_MUST_CHECK;

/* Which GPU types would do: in the order of `ids` when there are any, then the cheapest first: price, stock,
 * id. A type that is named may be of any maker, or a slice. Pure. */
struct mlo_runpod_need {
    uint64_t min_memory_gb; /* of one GPU */
    uint64_t count;         /* 0: 1 */
    bool community;         /* COMMUNITY; else SECURE */
    bool serverless;        /* by the serverless price */
    struct mlo_runpod_words
        ids; /* these types; none: any. A whole id or name is that type; "H100" is all with that word */
    struct mlo_runpod_words data_centers; /* in stock in one of them; none: anywhere */
    const char *manufacturer;             /* NULL: NVIDIA; "": any */
    bool slices;                          /* also parts of a GPU (MIG) */
    bool out_of_stock;                    /* also what is out of stock now */
    double max_price;                     /* USD per hour for all; 0: no limit */
};
struct mlo_runpod_candidate {
    const struct mlo_runpod_gpu *gpu; /* borrowed from the list */
    double price;                     /* USD per hour for all */
    enum mlo_runpod_stock stock;      /* the best of the data centres asked for */
};
/* Owner of *ret: the caller (free). None at all is not a failure; *ret_dear, when not NULL: how many only the
 * price kept out. */
int mlo_runpod_choose(const struct mlo_runpod_gpus *gpus, const struct mlo_runpod_need *need,
                      struct mlo_runpod_candidate **ret, size_t *ret_n, size_t *ret_dear,
                      struct mlo_err *err) MLO_MUST_CHECK;
/* Does `word` name this GPU: its id, its name, or whole words of either, without regard to case. */
bool mlo_runpod_gpu_is(const struct mlo_runpod_gpu *gpu, const char *word);

/* ---- pods ---- */

enum mlo_runpod_pod_status {
    MLO_RUNPOD_POD_OTHER, /* a state this build does not know; status_text says which */
    MLO_RUNPOD_POD_PROVISIONING,
    MLO_RUNPOD_POD_STARTING,
    MLO_RUNPOD_POD_RUNNING,
    MLO_RUNPOD_POD_EXITED,
    MLO_RUNPOD_POD_ERROR,
    MLO_RUNPOD_POD_TERMINATED,
};
struct mlo_runpod_port {                /* where a port of the container is reached now */
    uint64_t private_port, public_port; /* public 0: only through the proxy */
    char *type, *ip;
};
struct mlo_runpod_ssh {
    char *host, *username, *command; /* host NULL: not offered */
    uint64_t port;
};
struct mlo_runpod_pod {
    char *id, *name, *image, *args;
    char *status_text;
    enum mlo_runpod_pod_status status;
    struct mlo_runpod_strings actions, ports;
    uint64_t disk_gb;
    struct mlo_runpod_vars env;
    char *registry, *template_id;
    char *gpu; /* GPU type id, or NULL */
    uint64_t gpu_count;
    char *cpu; /* flavour id, or NULL */
    uint64_t vcpus;
    char *cloud, *data_center, *cuda;
    uint64_t persistent_gb; /* mounts.persistent; 0: none */
    char *persistent_path;
    char *volume, *volume_path; /* mounts.network */
    struct mlo_runpod_ssh ssh_proxy, ssh_direct;
    double cost; /* USD per hour now */
    bool locked, has_runtime;
    uint64_t uptime_s;
    double gpu_util, cpu_util, memory_util; /* percent; of GPUs the busiest; NAN: not known */
    struct mlo_runpod_port_list {
        struct mlo_runpod_port *items;
        size_t n;
    } runtime_ports;
    char *cluster;                  /* id; NULL: none */
    int64_t created_ns, started_ns; /* 0: not known */
};
void mlo_runpod_pod_release(struct mlo_runpod_pod *p);
struct mlo_runpod_pods {
    struct mlo_runpod_pod *items;
    size_t n;
};
void mlo_runpod_pods_release(struct mlo_runpod_pods *l);
/* Value of a variable of the pod's environment; NULL when not set. Borrowed; a secret. */
const char *mlo_runpod_var(const struct mlo_runpod_vars *env, const char *name);
bool mlo_runpod_pod_may(const struct mlo_runpod_pod *p, const char *action);

struct mlo_runpod_pod_spec { /* borrowed; NULL, 0: not said */
    const char *name, *template_id;
    struct mlo_runpod_container container;
    const char *gpu; /* GPU type id */
    uint64_t gpu_count;
    struct mlo_runpod_words cuda_versions; /* exactly these; else */
    const char *min_cuda;
    uint64_t min_ram_per_gpu, min_vcpus_per_gpu;
    const char *cpu;
    uint64_t vcpus;
    const char *cloud; /* SECURE, COMMUNITY */
    struct mlo_runpod_words data_centers;
    uint64_t persistent_gb;
    const char *persistent_path;
    const char *volume, *volume_path; /* a network volume */
    enum mlo_runpod_flag global_networking, ssh, jupyter, locked;
    const char *mark; /* put into the environment; required to create */
};
/* update: the fields that a pod may change; others are MLO_EUSAGE. Creating: name, one of gpu and cpu, image
 * or template, and the mark must be there. The rules of the interface are checked here, before anything is
 * sent. */
int mlo_runpod_pod_body(const struct mlo_runpod_pod_spec *s, bool update, cJSON **ret,
                        struct mlo_err *err) MLO_MUST_CHECK;
/* Unclear failures are cleared by the mark in the body. MLO_EUNAVAIL: no capacity. */
int mlo_runpod_pod_create(struct mlo_runpod *c, const cJSON *body, struct mlo_runpod_pod *ret,
                          struct mlo_err *err) MLO_MUST_CHECK;
int mlo_runpod_pod_get(struct mlo_runpod *c, const char *id, struct mlo_runpod_pod *ret,
                       struct mlo_err *err) MLO_MUST_CHECK;
/* By id, else by name, as volumes. */
int mlo_runpod_pod_find(struct mlo_runpod *c, const char *id_or_name, struct mlo_runpod_pod *ret,
                        struct mlo_err *err) MLO_MUST_CHECK;
int mlo_runpod_pod_list(struct mlo_runpod *c, struct mlo_runpod_pods *ret,
                        struct mlo_err *err) MLO_MUST_CHECK;
int mlo_runpod_pod_update(struct mlo_runpod *c, const char *id, const cJSON *body, struct mlo_runpod_pod *ret,
                          struct mlo_err *err) MLO_MUST_CHECK;
/* "start", "stop", "restart". MLO_ECONFLICT: not in its present state; MLO_EUNAVAIL: start found no
 * capacity. After an unclear failure the pod is read: what is so already is done. ret may be NULL. */
int mlo_runpod_pod_action(struct mlo_runpod *c, const char *id, const char *action,
                          struct mlo_runpod_pod *ret, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- logs of a pod or of an endpoint's worker ---- */

struct mlo_runpod_logs {
    const char *pod; /* or */
    const char *endpoint, *worker;
    const char *source; /* "container", "system"; NULL: both */
    uint64_t tail;      /* lines of the past, up to 5000 */
    int64_t since_ns;   /* 0: not said */
    const char *after;  /* id of the last event seen; beats since and tail; NULL: none */
    bool follow;        /* until fn says so; else when nothing has come for quiet_ns */
    int64_t quiet_ns;   /* 0: 3 s */
};
struct mlo_runpod_line { /* borrowed */
    const char *id, *source, *text;
    int64_t time_ns; /* 0: not said */
};
/* fn: 0 goes on, MLO_NO ends quietly (0 is returned), a failure is returned. A cut stream goes on after the
 * last line; nothing is told twice. */
typedef int (*mlo_runpod_line_fn)(void *ctx, const struct mlo_runpod_line *line, struct mlo_err *err);
int mlo_runpod_logs(struct mlo_runpod *c, const struct mlo_runpod_logs *q, mlo_runpod_line_fn fn, void *ctx,
                    struct mlo_err *err) MLO_MUST_CHECK;

/* ---- serverless endpoints ---- */

struct mlo_runpod_flavour { /* a CPU size that will do */
    char *cpu;
    uint64_t vcpus;
};
struct mlo_runpod_endpoint {
    char *id, *name;
    char *type; /* QUEUE, LOAD_BALANCER */
    char *image, *args, *registry, *template_id;
    uint64_t disk_gb;
    struct mlo_runpod_strings ports, data_centers, volumes;
    struct mlo_runpod_vars env;
    struct mlo_runpod_strings gpu_pools, gpu_excluded, cuda_versions;
    char *min_cuda;
    uint64_t gpu_count;
    struct mlo_runpod_flavours {
        struct mlo_runpod_flavour *items;
        size_t n;
    } cpus;
    char *scaling;      /* QUEUE_DELAY, REQUEST_COUNT */
    double queue_delay; /* seconds */
    uint64_t request_count;
    uint64_t workers_min, workers_max, idle_timeout_s;
    uint64_t timeout_ms;
    char *flashboot;
    int64_t created_ns;
};
void mlo_runpod_endpoint_release(struct mlo_runpod_endpoint *e);
struct mlo_runpod_endpoints {
    struct mlo_runpod_endpoint *items;
    size_t n;
};
void mlo_runpod_endpoints_release(struct mlo_runpod_endpoints *l);

#define MLO_RUNPOD_NOT_SAID UINT64_MAX
struct mlo_runpod_endpoint_spec { /* borrowed; NULL, 0: not said */
    const char *name, *type, *template_id;
    struct mlo_runpod_container container;
    struct mlo_runpod_words gpu_pools, gpu_excluded;
    uint64_t gpu_count;
    struct mlo_runpod_words cuda_versions;
    const char *min_cuda;
    const struct mlo_runpod_flavour *cpus;
    size_t n_cpus;
    double queue_delay; /* one of these two */
    uint64_t request_count;
    uint64_t workers_min, workers_max; /* MLO_RUNPOD_NOT_SAID */
    uint64_t idle_timeout_s;
    uint64_t timeout_ms; /* MLO_RUNPOD_NOT_SAID; always sent when creating: 300000 then */
    const char *flashboot;
    struct mlo_runpod_words data_centers, volumes;
    const char *mark;
};
#define MLO_RUNPOD_ENDPOINT_SPEC_INIT                                                                        \
    {                                                                                                        \
        .workers_min = MLO_RUNPOD_NOT_SAID, .workers_max = MLO_RUNPOD_NOT_SAID,                              \
        .timeout_ms = MLO_RUNPOD_NOT_SAID                                                                    \
    }
int mlo_runpod_endpoint_body(const struct mlo_runpod_endpoint_spec *s, bool update, cJSON **ret,
                             struct mlo_err *err) MLO_MUST_CHECK;
/*
 * The update that would leave one member ("scaling", "gpu", "image") as `e` has it: for an undo. Whole
 * groups, so that the same state has one text; the workers go with the scaling. MLO_EUNAVAIL for what cannot
 * be brought back: the environment, whose values are secrets and are kept nowhere. A templateId stands for
 * MLO_RUNPOD_FROM_TEMPLATE and the environment.
 */
int mlo_runpod_endpoint_member(const struct mlo_runpod_endpoint *e, const char *name, cJSON **ret,
                               struct mlo_err *err) MLO_MUST_CHECK;
#define MLO_RUNPOD_FROM_TEMPLATE "image", "args", "disk", "ports", "registry"
int mlo_runpod_endpoint_create(struct mlo_runpod *c, const cJSON *body, struct mlo_runpod_endpoint *ret,
                               struct mlo_err *err) MLO_MUST_CHECK;
int mlo_runpod_endpoint_get(struct mlo_runpod *c, const char *id, struct mlo_runpod_endpoint *ret,
                            struct mlo_err *err) MLO_MUST_CHECK;
int mlo_runpod_endpoint_find(struct mlo_runpod *c, const char *id_or_name, struct mlo_runpod_endpoint *ret,
                             struct mlo_err *err) MLO_MUST_CHECK;
int mlo_runpod_endpoint_list(struct mlo_runpod *c, struct mlo_runpod_endpoints *ret,
                             struct mlo_err *err) MLO_MUST_CHECK;
int mlo_runpod_endpoint_update(struct mlo_runpod *c, const char *id, const cJSON *body,
                               struct mlo_runpod_endpoint *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* USD per hour by the catalog: the workers that always run at the dearest GPU of the pools, and all of them.
 * NAN when the catalog has no price for it. */
struct mlo_runpod_endpoint_price {
    double always, most;
};
struct mlo_runpod_endpoint_price mlo_runpod_endpoint_price(const struct mlo_runpod_endpoint *e,
                                                           const struct mlo_runpod_gpus *gpus,
                                                           const struct mlo_runpod_cpus *cpus);

struct mlo_runpod_worker {
    char *id, *status; /* RUNNING, IDLE, INITIALIZING, THROTTLED, UNHEALTHY */
    bool stale;
    uint64_t gpu_count, version, uptime_s;
    char *image, *gpu, *data_center;
    int64_t started_ns;
};
struct mlo_runpod_workers {
    struct mlo_runpod_worker *items;
    size_t n;
    uint64_t running, idle, initializing, throttled, unhealthy, version;
};
void mlo_runpod_workers_release(struct mlo_runpod_workers *l);
int mlo_runpod_worker_list(struct mlo_runpod *c, const char *endpoint, struct mlo_runpod_workers *ret,
                           struct mlo_err *err) MLO_MUST_CHECK;
struct mlo_runpod_release {
    char *id, *source;
    uint64_t version, workers;
    int64_t created_ns;
    struct mlo_runpod_strings fields; /* that it changed: "gpuCount", "template.env"; never their values */
};
struct mlo_runpod_releases {
    struct mlo_runpod_release *items;
    size_t n;
    bool in_progress;
    uint64_t workers_on_latest, workers_total;
};
void mlo_runpod_releases_release(struct mlo_runpod_releases *l);
int mlo_runpod_release_list(struct mlo_runpod *c, const char *endpoint, struct mlo_runpod_releases *ret,
                            struct mlo_err *err) MLO_MUST_CHECK;

/* ---- jobs of a queue endpoint ---- */

enum mlo_runpod_job_status {
    MLO_RUNPOD_JOB_OTHER,
    MLO_RUNPOD_JOB_QUEUED,
    MLO_RUNPOD_JOB_RUNNING,
    MLO_RUNPOD_JOB_COMPLETED, /* this and what follows is final */
    MLO_RUNPOD_JOB_FAILED,
    MLO_RUNPOD_JOB_CANCELLED,
    MLO_RUNPOD_JOB_TIMED_OUT,
};
struct mlo_runpod_job {
    char *id, *status_text, *worker;
    enum mlo_runpod_job_status status;
    uint64_t delay_ms, execution_ms;
    cJSON *output; /* owned; NULL: none */
    char *error;   /* text, or the JSON of it */
};
void mlo_runpod_job_release(struct mlo_runpod_job *j);
bool mlo_runpod_job_final(const struct mlo_runpod_job *j);
struct mlo_runpod_job_spec {
    const cJSON *input; /* an object */
    const char *webhook;
    uint64_t execution_timeout_ms, ttl_ms; /* 0: not said */
    bool low_priority;
};
/* POSTs that may run twice: after an unclear failure there is nothing to look the job up by, so it is
 * returned with the hint to look, and never sent again here. */
int mlo_runpod_run(struct mlo_runpod *c, const char *endpoint, const struct mlo_runpod_job_spec *s,
                   struct mlo_runpod_job *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Waits up to wait_ms (1000 to 300000; 0: 90000) for the result; then a job that is not final. */
int mlo_runpod_runsync(struct mlo_runpod *c, const char *endpoint, const struct mlo_runpod_job_spec *s,
                       uint64_t wait_ms, struct mlo_runpod_job *ret, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_runpod_job_status(struct mlo_runpod *c, const char *endpoint, const char *job,
                          struct mlo_runpod_job *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Partial results that are there now, each told once by the server; *ret: the status. */
int mlo_runpod_job_stream(struct mlo_runpod *c, const char *endpoint, const char *job,
                          int (*fn)(void *ctx, const cJSON *output, struct mlo_err *err), void *ctx,
                          enum mlo_runpod_job_status *ret, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_runpod_job_cancel(struct mlo_runpod *c, const char *endpoint, const char *job,
                          struct mlo_runpod_job *ret, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_runpod_job_retry(struct mlo_runpod *c, const char *endpoint, const char *job,
                         struct mlo_runpod_job *ret, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_runpod_purge(struct mlo_runpod *c, const char *endpoint, uint64_t *ret_removed,
                     struct mlo_err *err) MLO_MUST_CHECK;
struct mlo_runpod_health {
    uint64_t completed, failed, in_progress, in_queue, retried;        /* jobs */
    uint64_t idle, running, initializing, ready, throttled, unhealthy; /* workers */
};
int mlo_runpod_health(struct mlo_runpod *c, const char *endpoint, struct mlo_runpod_health *ret,
                      struct mlo_err *err) MLO_MUST_CHECK;

/* ---- a load-balanced endpoint's own HTTP ---- */

struct mlo_runpod_call {
    const char *method, *path; /* "POST", "/predict" */
    const char *content_type;  /* NULL: application/json */
    const char *body;          /* NULL: none */
    size_t n;
    unsigned tries; /* while no worker is there; 0: 6, 10 s apart */
};
/* 0 for every answer of the worker, whatever its status; MLO_EUNAVAIL when no worker came up. */
int mlo_runpod_call(struct mlo_runpod *c, const char *endpoint, const struct mlo_runpod_call *call,
                    struct mlo_http_response *ret, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- templates, registries ---- */

struct mlo_runpod_template {
    char *id, *name, *image, *args, *registry, *category;
    uint64_t disk_gb, persistent_gb;
    char *persistent_path;
    struct mlo_runpod_strings ports;
    struct mlo_runpod_vars env;
    bool serverless, is_public;
};
void mlo_runpod_template_release(struct mlo_runpod_template *t);
struct mlo_runpod_templates {
    struct mlo_runpod_template *items;
    size_t n;
};
void mlo_runpod_templates_release(struct mlo_runpod_templates *l);
struct mlo_runpod_template_spec {
    const char *name, *category; /* CPU, NVIDIA, AMD */
    struct mlo_runpod_container container;
    uint64_t persistent_gb;
    const char *persistent_path;
    bool serverless, is_public;
};
int mlo_runpod_template_body(const struct mlo_runpod_template_spec *s, cJSON **ret,
                             struct mlo_err *err) MLO_MUST_CHECK;
int mlo_runpod_template_create(struct mlo_runpod *c, const cJSON *body,
                               const struct mlo_runpod_strings *earlier, struct mlo_runpod_template *ret,
                               struct mlo_err *err) MLO_MUST_CHECK;
int mlo_runpod_template_find(struct mlo_runpod *c, const char *id_or_name, struct mlo_runpod_template *ret,
                             struct mlo_err *err) MLO_MUST_CHECK;
int mlo_runpod_template_list(struct mlo_runpod *c, struct mlo_runpod_templates *ret,
                             struct mlo_err *err) MLO_MUST_CHECK;

struct mlo_runpod_registry {
    char *id, *name;
};
void mlo_runpod_registry_release(struct mlo_runpod_registry *r);
struct mlo_runpod_registries {
    struct mlo_runpod_registry *items;
    size_t n;
};
void mlo_runpod_registries_release(struct mlo_runpod_registries *l);
int mlo_runpod_registry_body(const char *name, const char *user, const char *password, cJSON **ret,
                             struct mlo_err *err) MLO_MUST_CHECK;
int mlo_runpod_registry_create(struct mlo_runpod *c, const cJSON *body,
                               const struct mlo_runpod_strings *earlier, struct mlo_runpod_registry *ret,
                               struct mlo_err *err) MLO_MUST_CHECK;
int mlo_runpod_registry_find(struct mlo_runpod *c, const char *id_or_name, struct mlo_runpod_registry *ret,
                             struct mlo_err *err) MLO_MUST_CHECK;
int mlo_runpod_registry_list(struct mlo_runpod *c, struct mlo_runpod_registries *ret,
                             struct mlo_err *err) MLO_MUST_CHECK;

/* ---- billing ---- */

enum mlo_runpod_bill {
    MLO_RUNPOD_BILL_ALL, /* one record a bucket, amounts by family */
    MLO_RUNPOD_BILL_PODS,
    MLO_RUNPOD_BILL_ENDPOINTS,
    MLO_RUNPOD_BILL_VOLUMES,
};
struct mlo_runpod_billing_query { /* NULL, 0: not said */
    enum mlo_runpod_bill family;
    const char *id;            /* of one pod, endpoint or volume */
    int64_t from_ns, until_ns; /* until is exclusive */
    const char *bucket;        /* hour, day, week, month, year; NULL: day */
    uint64_t last;             /* buckets; excludes the two times */
};
struct mlo_runpod_record {
    int64_t from_ns, until_ns;
    char *id; /* of the resource; NULL for MLO_RUNPOD_BILL_ALL */
    double total;
    struct mlo_runpod_amounts {
        struct mlo_runpod_amount {
            char *name; /* "gpuAmount" without "Amount": "gpu" */
            double usd;
        } * items;
        size_t n;
    } amounts;
};
struct mlo_runpod_billing {
    struct mlo_runpod_record *items;
    size_t n;
};
void mlo_runpod_billing_release(struct mlo_runpod_billing *b);
int mlo_runpod_billing(struct mlo_runpod *c, const struct mlo_runpod_billing_query *q,
                       struct mlo_runpod_billing *ret, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- leases: until when a pod may live. Pure. ---- */

/* The variable: the time of the end (RFC 3339), or "none" when there is none on purpose. */
#define MLO_RUNPOD_LEASE      "MLOPSCTL_LEASE"
#define MLO_RUNPOD_LEASE_NONE "none"
/*
 * A renewal is written in the pod's name ("train (lease 2026-11-21T14:00:00Z)"): the environment of a running
 * container cannot be changed without starting it anew, its name can. The longest such tail.
 */
#define MLO_RUNPOD_LEASE_TAIL 64
struct mlo_runpod_lease {
    bool marked;    /* made by this program, here or elsewhere */
    bool endless;   /* on purpose */
    int64_t end_ns; /* 0: not known, or endless */
};
/*
 * What name and environment of a pod say, and the ledger (recorded: as the variable, NULL: nothing): the
 * name's end when it has one, else the later of the other two, so that a record that went stale ends no pod
 * too early.
 */
struct mlo_runpod_lease mlo_runpod_lease_of(const struct mlo_runpod_pod *pod, const char *recorded);
/* The name with another lease, or with end_ns 0 none: appended to out. */
void mlo_runpod_lease_name(struct mlo_str *out, const char *name, int64_t end_ns);
/* Bytes of the name that are not the lease. */
size_t mlo_runpod_lease_name_length(const char *name);

enum mlo_runpod_fate {
    MLO_RUNPOD_KEEP,
    MLO_RUNPOD_OVER,    /* its lease has ended */
    MLO_RUNPOD_LOST,    /* its creation was taken back, and here it is */
    MLO_RUNPOD_STOPPED, /* stopped, and its disk still costs; only when asked for */
    MLO_RUNPOD_ORPHAN,  /* nothing says whose it is; only when asked for */
};
struct mlo_runpod_reap {
    int64_t now_ns;
    bool stopped, orphans; /* asked for */
};
/* taken_back: the ledger says that making it was undone. Locked pods and members of clusters are kept. */
enum mlo_runpod_fate mlo_runpod_fate(const struct mlo_runpod_pod *pod, const struct mlo_runpod_lease *lease,
                                     bool taken_back, const struct mlo_runpod_reap *how);

/* ---- money. Pure. ---- */

struct mlo_runpod_limits { /* 0: none */
    double max_price;      /* USD per hour */
    double max_total;      /* USD until the lease ends */
    uint64_t lease_ns;
};
/* MLO_EUNAVAIL when `price` (USD per hour) is above a limit; max_total without a lease is MLO_EUSAGE. */
int mlo_runpod_afford(const struct mlo_runpod_limits *l, double price, struct mlo_err *err) MLO_MUST_CHECK;
/* Of its local disk, while it is stopped: 0.20 USD for a GB and month (RunPod's price list). */
double mlo_runpod_stopped_price(const struct mlo_runpod_pod *pod);

/* Bills: add them all, then sum: one row for a resource, the dearest first, and one for a day (UTC), the
 * oldest first. */
struct mlo_runpod_spend {
    struct mlo_runpod_spent {
        enum mlo_runpod_bill family; /* of days MLO_RUNPOD_BILL_ALL */
        char *id;                    /* of a resource */
        int64_t day_ns;              /* of a day: its beginning */
        double usd;
    } * resources, *days;
    size_t n_resources, n_days, cap_resources, cap_days;
    double total, this_month;
};
void mlo_runpod_spend_release(struct mlo_runpod_spend *s);
int mlo_runpod_spend_add(struct mlo_runpod_spend *s, enum mlo_runpod_bill family,
                         const struct mlo_runpod_billing *bills, int64_t now_ns,
                         struct mlo_err *err) MLO_MUST_CHECK;
void mlo_runpod_spend_sum(struct mlo_runpod_spend *s);
/* The present month when all goes on at `rate` USD an hour until it ends (UTC). */
double mlo_runpod_month_forecast(double spent_this_month, double rate, int64_t now_ns);

#endif

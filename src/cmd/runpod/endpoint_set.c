/* mlopsctl runpod endpoint create, update, scale: what an endpoint is, and what it may cost. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "change.h"
#include "container_config.h"
#include "cmd/undo/undo.h"

#define WORKERS_MAX_DEFAULT 3 /* RunPod's */
#define QUEUE_DELAY_DEFAULT 4.0
#define REQUESTS_DEFAULT    4
#define CPUS_MAX            16

struct opts {
    struct mlo_container_config_opts container;
    const char *name, *type, *template, *min_cuda, *flashboot;
    struct mlo_strings pool, exclude, cpu, dc, volume, cuda;
    uint64_t gpus, requests, workers_min, workers_max;
    double delay;
    uint64_t idle_ns, timeout_ns;
    struct mlo_guard guard;
};

static const struct opts defaults = {.workers_min = MLO_RUNPOD_NOT_SAID, .workers_max = MLO_RUNPOD_NOT_SAID};

#define AT(member) .offset = offsetof(struct opts, member)
#define WORKER_OPTS                                                                                          \
    {.name = "workers-min",                                                                                  \
     .type = MLO_OPT_U64,                                                                                    \
     .arg = "N",                                                                                             \
     .help = "workers that always run and always cost",                                                      \
     AT(workers_min),                                                                                        \
     .max = 10000},                                                                                          \
        {.name = "workers-max",                                                                              \
         .type = MLO_OPT_U64,                                                                                \
         .arg = "N",                                                                                         \
         .help = "workers at most",                                                                          \
         AT(workers_max),                                                                                    \
         .max = 10000},                                                                                      \
        {.name = "idle-timeout",                                                                             \
         .type = MLO_OPT_DURATION,                                                                           \
         .arg = "TIME",                                                                                      \
         .help = "how long a worker stays without work, 1s to 1h",                                           \
         AT(idle_ns)},                                                                                       \
        {.name = "scale-delay",                                                                              \
         .type = MLO_OPT_DOUBLE,                                                                             \
         .arg = "SECONDS",                                                                                   \
         .help = "another worker when a job has waited so long in the queue",                                \
         AT(delay)},                                                                                         \
    {                                                                                                        \
        .name = "scale-requests", .type = MLO_OPT_U64, .arg = "N",                                           \
        .help = "a worker for every N requests waiting or running", AT(requests), .min = 1, .max = 1u << 20  \
    }
#define SHAPE_OPTS                                                                                           \
    {.name = "template",                                                                                     \
     .type = MLO_OPT_STRING,                                                                                 \
     .arg = "TEMPLATE",                                                                                      \
     .help = "id or name of a serverless template to take the container from",                               \
     AT(template)},                                                                                          \
        {.name = "pool",                                                                                     \
         .type = MLO_OPT_LIST,                                                                               \
         .arg = "POOL",                                                                                      \
         .help = "GPU pool whose types will do, as `runpod gpu --json` names them: ADA_24",                  \
         AT(pool)},                                                                                          \
        {.name = "exclude",                                                                                  \
         .type = MLO_OPT_LIST,                                                                               \
         .arg = "GPU",                                                                                       \
         .help = "GPU type id to take out of the pools",                                                     \
         AT(exclude)},                                                                                       \
        {.name = "gpus",                                                                                     \
         .type = MLO_OPT_U64,                                                                                \
         .arg = "N",                                                                                         \
         .help = "GPUs of a worker",                                                                         \
         AT(gpus),                                                                                           \
         .min = 1,                                                                                           \
         .max = MLO_GPU_COUNT_MAX},                                                                          \
        {.name = "cpu",                                                                                      \
         .type = MLO_OPT_LIST,                                                                               \
         .arg = "FLAVOUR:N",                                                                                 \
         .help = "workers without GPU: a CPU flavour and its vCPUs, cpu3c:4",                                \
         AT(cpu)},                                                                                           \
        {.name = "cuda",                                                                                     \
         .type = MLO_OPT_LIST,                                                                               \
         .arg = "VERSION",                                                                                   \
         .help = "only this CUDA version",                                                                   \
         AT(cuda)},                                                                                          \
        {.name = "min-cuda",                                                                                 \
         .type = MLO_OPT_STRING,                                                                             \
         .arg = "VERSION",                                                                                   \
         .help = "the least CUDA version",                                                                   \
         AT(min_cuda)},                                                                                      \
        {.name = "dc", .type = MLO_OPT_LIST, .arg = "ID", .help = "data centre to run in", AT(dc)},          \
        {.name = "volume",                                                                                   \
         .type = MLO_OPT_LIST,                                                                               \
         .arg = "VOLUME",                                                                                    \
         .help = "id or name of a network volume, at /runpod-volume in the workers of its data centre",      \
         AT(volume)},                                                                                        \
        {.name = "timeout",                                                                                  \
         .type = MLO_OPT_DURATION,                                                                           \
         .arg = "TIME",                                                                                      \
         .help = "how long a job may take; 5 min when not said",                                             \
         AT(timeout_ns)},                                                                                    \
    {                                                                                                        \
        .name = "flashboot", .type = MLO_OPT_CHOICE, .arg = "MODE", .help = "keep stopped workers warm",     \
        AT(flashboot), .choices = "OFF|FLASHBOOT|PRIORITY_FLASHBOOT"                                         \
    }

static const struct mlo_opt create_table[] = {
    {.name = "type",
     .type = MLO_OPT_CHOICE,
     .arg = "TYPE",
     .help = "jobs in a queue, or HTTP straight to the workers; cannot be changed later",
     AT(type),
     .choices = "queue|load-balancer",
     .flags = MLO_OPTF_REQUIRED},
    MLO_CONTAINER_CONFIG_OPTS(struct opts, container),
    SHAPE_OPTS,
    WORKER_OPTS,
    MLO_GUARD_OPTS(struct opts, guard),
    {0},
};
static const struct mlo_opt update_table[] = {
    {.name = "name", .type = MLO_OPT_STRING, .arg = "NAME", .help = "another name", AT(name)},
    MLO_CONTAINER_CONFIG_OPTS(struct opts, container),
    SHAPE_OPTS,
    WORKER_OPTS,
    MLO_GUARD_OPTS(struct opts, guard),
    {0},
};
static const struct mlo_opt scale_table[] = {WORKER_OPTS, MLO_GUARD_OPTS(struct opts, guard), {0}};
#undef AT

/* ---- from options to a spec ---- */

struct set {
    struct mlo_ctx *ctx;
    const struct opts *o;
    struct mlo_runpod *c;
    struct mlo_container_config container;
    struct mlo_runpod_template template;
    struct mlo_runpod_strings volumes; /* ids */
    struct mlo_runpod_flavour cpus[CPUS_MAX];
    size_t n_cpus;
    cJSON *body;
};

static void set_release(struct set *s)
{
    mlo_container_config_release(&s->container);
    mlo_runpod_template_release(&s->template);
    mlo_runpod_strings_release(&s->volumes);
    for (size_t i = 0; i < s->n_cpus; i++)
        free(s->cpus[i].cpu);
    mlo_runpod_body_free(&s->body);
}

static int find_volumes(struct set *s, struct mlo_err *err)
{
    const struct mlo_strings *words = &s->o->volume;
    s->volumes.items = mlo_calloc(words->n + 1, sizeof *s->volumes.items, err);
    if (!s->volumes.items)
        return MLO_EIO;
    for (size_t i = 0; i < words->n; i++) {
        struct mlo_runpod_volume v = {0};
        int rc = mlo_runpod_volume_find(s->c, words->items[i], &v, err);
        if (rc != 0)
            return rc;
        s->volumes.items[s->volumes.n++] = mlo_steal(&v.id);
        mlo_runpod_volume_release(&v);
    }
    return 0;
}

/* "cpu3c:4" */
static int add_cpu(struct set *s, const char *text, struct mlo_err *err)
{
    const char *colon = strchr(text, ':');
    struct mlo_runpod_flavour f = {0};
    if (!colon || s->n_cpus == CPUS_MAX)
        return mlo_fail(err, MLO_EUSAGE, "--cpu takes a flavour and its vCPUs: cpu3c:4, up to %d times",
                        CPUS_MAX);
    int rc = mlo_parse_u64(colon + 1, 2, 1024, "--cpu", &f.vcpus, err);
    if (rc == 0)
        f.cpu = mlo_memdup0(text, (size_t)(colon - text), err);
    if (!f.cpu)
        return err->code;
    s->cpus[s->n_cpus++] = f;
    return 0;
}

static int read_set(struct set *s, struct mlo_err *err)
{
    int rc = mlo_ctx_runpod(s->ctx, &s->c, err);
    if (rc == 0)
        rc = mlo_container_config_read(s->ctx, &s->o->container, &s->container, err);
    if (rc == 0 && s->o->template)
        rc = mlo_runpod_template_find(s->c, s->o->template, &s->template, err);
    if (rc == 0)
        rc = find_volumes(s, err);
    for (size_t i = 0; rc == 0 && i < s->o->cpu.n; i++)
        rc = add_cpu(s, s->o->cpu.items[i], err);
    return rc;
}

static uint64_t whole_seconds(uint64_t ns)
{
    return (ns + 999999999) / 1000000000;
}

static struct mlo_runpod_endpoint_spec spec_of(const struct set *s)
{
    const struct opts *o = s->o;
    struct mlo_runpod_endpoint_spec spec = MLO_RUNPOD_ENDPOINT_SPEC_INIT;
    spec.name = o->name;
    spec.template_id = s->template.id;
    spec.container = s->container.words;
    spec.gpu_pools = mlo_words_of(&o->pool);
    spec.gpu_excluded = mlo_words_of(&o->exclude);
    spec.gpu_count = o->gpus;
    spec.cuda_versions = mlo_words_of(&o->cuda);
    spec.min_cuda = o->min_cuda;
    spec.cpus = s->cpus;
    spec.n_cpus = s->n_cpus;
    spec.queue_delay = o->delay;
    spec.request_count = o->requests;
    spec.workers_min = o->workers_min;
    spec.workers_max = o->workers_max;
    spec.idle_timeout_s = whole_seconds(o->idle_ns);
    spec.timeout_ms = o->timeout_ns ? o->timeout_ns / 1000000 : MLO_RUNPOD_NOT_SAID;
    spec.flashboot = o->flashboot;
    spec.data_centers = mlo_words_of(&o->dc);
    spec.volumes = (struct mlo_runpod_words){s->volumes.n ? (const char *const *)s->volumes.items : NULL,
                                             s->volumes.n};
    return spec;
}

/* ---- price ---- */

/* `e` as it would be then; a view that borrows. */
static struct mlo_runpod_endpoint view_after(const struct mlo_runpod_endpoint *e, const struct set *s)
{
    struct mlo_runpod_endpoint then = *e;
    const struct opts *o = s->o;
    if (o->pool.n) {
        then.gpu_pools = (struct mlo_runpod_strings){(char **)(uintptr_t)o->pool.items, o->pool.n};
        then.gpu_excluded = (struct mlo_runpod_strings){(char **)(uintptr_t)o->exclude.items, o->exclude.n};
    }
    then.gpu_count = o->gpus ? o->gpus : e->gpu_count;
    if (s->n_cpus)
        then.cpus = (struct mlo_runpod_flavours){(struct mlo_runpod_flavour *)(uintptr_t)s->cpus, s->n_cpus};
    then.workers_min = o->workers_min != MLO_RUNPOD_NOT_SAID ? o->workers_min : e->workers_min;
    then.workers_max = o->workers_max != MLO_RUNPOD_NOT_SAID ? o->workers_max : e->workers_max;
    return then;
}

static int price_of(struct set *s, const struct mlo_runpod_endpoint *e, struct mlo_runpod_endpoint_price *ret,
                    struct mlo_err *err)
{
    struct mlo_runpod_gpus gpus = {0};
    struct mlo_runpod_cpus cpus = {0};
    int rc = e->cpus.n ? mlo_runpod_cpu_list(s->c, &(struct mlo_runpod_catalog){0}, &cpus, err)
                       : mlo_runpod_gpu_list(s->c, &(struct mlo_runpod_catalog){0}, &gpus, err);
    if (rc == 0)
        *ret = mlo_runpod_endpoint_price(e, &gpus, &cpus);
    mlo_runpod_gpus_release(&gpus);
    mlo_runpod_cpus_release(&cpus);
    return rc;
}

/* "$2.10 an hour always, $6.30 with all workers" */
static int describe_price(const struct mlo_runpod_endpoint_price *p, struct mlo_str *out, struct mlo_err *err)
{
    char always[MLO_USD_MAX], most[MLO_USD_MAX];
    if (isnan(p->most))
        mlo_str_add(out, "the catalog has no price for it");
    else if (p->always > 0)
        mlo_str_addf(out, "%s an hour always, %s with all workers", mlo_usd(p->always, always),
                     mlo_usd(p->most, most));
    else
        mlo_str_addf(out, "nothing while idle, %s an hour with all workers", mlo_usd(p->most, most));
    return mlo_str_check(out, err);
}

static void report_endpoint(struct mlo_ctx *ctx, const struct mlo_runpod_endpoint *e,
                            const struct mlo_runpod_endpoint_price *p)
{
    struct mlo_report *r = ctx->report;
    if (!ctx->json)
        return;
    mlo_report_text(r, "id", "id", e->id);
    mlo_report_text(r, "name", "name", e->name);
    mlo_report_text(r, "type", "type", e->type);
    mlo_report_u64(r, "workers_min", "workers min", e->workers_min);
    mlo_report_u64(r, "workers_max", "workers max", e->workers_max);
    mlo_report_double(r, "price_always", "USD an hour always", p->always);
    mlo_report_double(r, "price_most", "USD an hour at most", p->most);
}

/* ---- create ---- */

static int create(struct set *s, struct mlo_runpod_endpoint_spec *spec, const char *detail, double price,
                  struct mlo_runpod_endpoint *ret, struct mlo_err *err)
{
    struct mlo_creation k = {.family = MLO_RUNPOD_ENDPOINTS, .name = spec->name, .detail = detail};
    int rc = mlo_runpod_mark(k.mark, err);
    spec->mark = k.mark;
    if (rc == 0)
        rc = mlo_runpod_endpoint_body(spec, false, &s->body, err);
    if (rc == 0 && s->o->guard.dry_run) {
        mlo_report_note(s->ctx->report, "%s", detail);
        return mlo_show_request(s->ctx, "POST", "/serverless", s->body, price, err);
    }
    if (rc == 0)
        rc = mlo_creation_begin(s->ctx, &k, err);
    if (rc != 0)
        return rc;
    rc = mlo_runpod_endpoint_create(k.c, s->body, ret, err);
    return mlo_creation_end(&k, rc, ret->id, err);
}

static int create_read(struct set *s, struct mlo_err *err)
{
    struct mlo_runpod_endpoint e = {.workers_max = WORKERS_MAX_DEFAULT}, then, made = {0};
    struct mlo_runpod_endpoint_price price = {0};
    struct mlo_runpod_endpoint_spec spec = spec_of(s);
    bool queue = strcmp(s->o->type, "queue") == 0;
    MLO_AUTOSTR struct mlo_str detail;
    mlo_str_init(&detail, MLO_STR_MAX);
    spec.name = s->ctx->args[0];
    spec.type = queue ? "QUEUE" : "LOAD_BALANCER";
    if (spec.queue_delay <= 0 && !spec.request_count) {
        spec.queue_delay = queue ? QUEUE_DELAY_DEFAULT : 0;
        spec.request_count = queue ? 0 : REQUESTS_DEFAULT;
    }
    then = view_after(&e, s);
    int rc = price_of(s, &then, &price, err);
    if (rc == 0)
        rc = mlo_guard_check(&s->o->guard, price.most, err);
    if (rc == 0)
        rc = describe_price(&price, &detail, err);
    if (rc == 0)
        rc = create(s, &spec, detail.ptr, price.most, &made, err);
    if (rc == 0 && !s->o->guard.dry_run) {
        report_endpoint(s->ctx, &made, &price);
        mlo_report_say(s->ctx->report, "created endpoint %s '%s': %s", made.id, made.name, detail.ptr);
    }
    mlo_runpod_endpoint_release(&made);
    return rc;
}

static int run_create(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct set s = {.ctx = ctx, .o = options};
    int rc = read_set(&s, err);
    if (rc == 0)
        rc = create_read(&s, err);
    set_release(&s);
    return rc;
}

/* ---- update ---- */

#define MEMBERS_MAX 24

struct change {
    const char *member;
    char *before;
    int ordinal; /* -1: not announced */
};

/* What an update changes, by the members that a rollback can bring back; a template changes several. */
static size_t members_of(const cJSON *body, struct change list[MEMBERS_MAX], bool *ret_env)
{
    static const char *const from_template[] = {MLO_RUNPOD_FROM_TEMPLATE};
    const cJSON *m;
    size_t n = 0;
    bool templated = cJSON_GetObjectItemCaseSensitive(body, "templateId") != NULL;
    *ret_env = templated || cJSON_GetObjectItemCaseSensitive(body, "env");
    for (size_t i = 0; templated && i < MLO_COUNT(from_template); i++)
        list[n++] = (struct change){.member = from_template[i], .ordinal = -1};
    cJSON_ArrayForEach(m, body)
    {
        const char *name = strcmp(m->string, "workers") == 0 ? "scaling" : m->string;
        bool twice = strcmp(name, "templateId") == 0 || strcmp(name, "env") == 0;
        for (size_t i = 0; i < n; i++)
            twice = twice || strcmp(list[i].member, name) == 0;
        if (!twice && n < MEMBERS_MAX)
            list[n++] = (struct change){.member = name, .ordinal = -1};
    }
    return n;
}

static int announce(struct mlo_workspace *ws, const struct mlo_runpod_endpoint *e, struct change *k,
                    struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str target;
    mlo_str_init(&target, MLO_STR_MAX);
    mlo_str_addf(&target, "%s.%s", e->id, k->member);
    int rc = mlo_str_check(&target, err);
    if (rc == 0)
        rc = mlo_endpoint_member_text(e, k->member, &k->before, err);
    return rc != 0 ? rc
                   : mlo_run_intend(ws->run, MLO_EFFECT_ENDPOINT_MEMBER, target.ptr, k->before, NULL,
                                    &k->ordinal, err);
}

static int announce_env(struct mlo_workspace *ws, const struct mlo_runpod_endpoint *e, int *ret,
                        struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str target;
    mlo_str_init(&target, MLO_STR_MAX);
    mlo_str_addf(&target, "%s.env", e->id);
    int rc = mlo_str_check(&target, err);
    return rc != 0 ? rc
                   : mlo_run_intend(ws->run, MLO_EFFECT_ENDPOINT_MEMBER, target.ptr, NULL, NULL, ret, err);
}

static int settle(struct mlo_workspace *ws, const struct mlo_runpod_endpoint *now, const struct change *k,
                  struct mlo_err *err)
{
    MLO_AUTOFREE char *after = NULL;
    int rc = mlo_endpoint_member_text(now, k->member, &after, err);
    return rc != 0 ? rc : mlo_run_done_as(ws->run, k->ordinal, after, err);
}

static int update(struct set *s, struct mlo_workspace *ws, const struct mlo_runpod_endpoint *e,
                  struct mlo_runpod_endpoint *ret, struct mlo_err *err)
{
    struct change list[MEMBERS_MAX];
    bool env = false;
    int env_ordinal = -1, rc = 0;
    size_t n = members_of(s->body, list, &env);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = announce(ws, e, &list[i], err);
    if (rc == 0 && env)
        rc = announce_env(ws, e, &env_ordinal, err);
    if (rc == 0)
        rc = mlo_runpod_endpoint_update(s->c, e->id, s->body, ret, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = settle(ws, ret, &list[i], err);
    if (rc == 0 && env)
        rc = mlo_run_done_irreversible(ws->run, env_ordinal, err);
    for (size_t i = 0; i < n; i++)
        free(list[i].before);
    return rc;
}

static int run_of_update(struct set *s, const struct mlo_runpod_endpoint *e, struct mlo_runpod_endpoint *ret,
                         struct mlo_err *err)
{
    struct mlo_workspace ws = {0};
    int rc = mlo_workspace_begin(s->ctx, &ws, 0, err);
    if (rc != 0)
        return rc;
    rc = update(s, &ws, e, ret, err);
    return mlo_workspace_end(&ws, rc, err);
}

/* What cannot be taken back is agreed to before. */
static int ask_about_env(struct set *s, const struct mlo_runpod_endpoint *e, struct mlo_err *err)
{
    char question[400], name[MLO_SHOWN];
    if (!cJSON_GetObjectItemCaseSensitive(s->body, "env") &&
        !cJSON_GetObjectItemCaseSensitive(s->body, "templateId"))
        return 0;
    snprintf(
        question, sizeof question,
        "Replace all %zu variables of '%s'? Their values are kept nowhere, so no rollback brings them back.",
        e->env.n, mlo_shown(e->name, strlen(e->name), name));
    return mlo_consent(s->ctx, question, err);
}

static int update_found(struct set *s, const struct mlo_runpod_endpoint *e, struct mlo_err *err)
{
    struct mlo_runpod_endpoint then = view_after(e, s), changed = {0};
    struct mlo_runpod_endpoint_price price = {0};
    struct mlo_runpod_endpoint_spec spec = spec_of(s);
    const char *mark = mlo_runpod_var(&e->env, MLO_RUNPOD_MARK);
    char path[300];
    MLO_AUTOSTR struct mlo_str detail;
    mlo_str_init(&detail, MLO_STR_MAX);
    if (spec.container.env.items) /* the set is replaced, and the mark stands in it */
        spec.mark = mark;
    int rc = mlo_runpod_endpoint_body(&spec, true, &s->body, err);
    if (rc == 0)
        rc = price_of(s, &then, &price, err);
    if (rc == 0)
        rc = mlo_guard_check(&s->o->guard, price.most, err);
    if (rc == 0)
        rc = describe_price(&price, &detail, err);
    if (rc == 0 && s->o->guard.dry_run) {
        snprintf(path, sizeof path, "/serverless/%.256s", e->id);
        mlo_report_note(s->ctx->report, "%s", detail.ptr);
        return mlo_show_request(s->ctx, "PATCH", path, s->body, price.most, err);
    }
    if (rc == 0)
        rc = ask_about_env(s, e, err);
    if (rc == 0)
        rc = run_of_update(s, e, &changed, err);
    if (rc == 0) {
        report_endpoint(s->ctx, &changed, &price);
        mlo_report_say(s->ctx->report, "changed endpoint %s '%s': %s", changed.id, changed.name, detail.ptr);
    }
    mlo_runpod_endpoint_release(&changed);
    return rc;
}

static int run_update(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct set s = {.ctx = ctx, .o = options};
    struct mlo_runpod_endpoint e = {0};
    int rc = read_set(&s, err);
    if (rc == 0)
        rc = mlo_runpod_endpoint_find(s.c, ctx->args[0], &e, err);
    if (rc == 0)
        rc = update_found(&s, &e, err);
    mlo_runpod_endpoint_release(&e);
    set_release(&s);
    return rc;
}

/* ---- commands ---- */

static const struct mlo_example create_examples[] = {
    {"A server of HTTP on cheap GPUs, none while nobody asks, at most 2 dollars an hour",
     "mlopsctl runpod endpoint create credit --type load-balancer --image ghcr.io/acme/credit:1.4.0 --pool "
     "AMPERE_16 "
     "--port 8000/http -e PORT=8000 --workers-max 2 --max-price 2"},
    {"What would be asked for", "mlopsctl runpod endpoint create batch --type queue --image "
                                "ghcr.io/acme/batch:1 --pool ADA_24 --dry-run"},
    {0},
};
const struct mlo_command mlo_cmd_runpod_endpoint_create = {
    .name = "create",
    .summary = "make a serverless endpoint",
    .synopsis = "NAME --type TYPE (--image REFERENCE | --template TEMPLATE) (--pool POOL | --cpu FLAVOUR:N)",
    .description =
        "--max-price is compared with all workers at the dearest GPU of the pools. A queue gets another "
        "worker when\n"
        "a job has waited 4 s, a load balancer one for every 4 requests, if nothing else is said.\n"
        "Secrets belong into -e NAME or --env-file, not into the command line. `mlopsctl rollback` removes "
        "it again.",
    .opts = create_table,
    .opts_size = sizeof(struct opts),
    .defaults = &defaults,
    .args = {.min = 1, .max = 1},
    .examples = create_examples,
    .flags = MLO_CMDF_WRITES,
    .run = run_create,
};

static const struct mlo_example update_examples[] = {
    {"Another image; workers take it as they are replaced",
     "mlopsctl runpod endpoint update credit --image ghcr.io/acme/credit:1.5.0"},
    {0},
};
const struct mlo_command mlo_cmd_runpod_endpoint_update = {
    .name = "update",
    .summary = "change a serverless endpoint",
    .synopsis = "ENDPOINT [what to change]",
    .description =
        "ENDPOINT is an id or a name. What is not said stays; lists are replaced whole. `mlopsctl rollback` "
        "brings the\n"
        "former values back, but not those of variables: replacing these asks first, or needs --yes.",
    .opts = update_table,
    .opts_size = sizeof(struct opts),
    .defaults = &defaults,
    .args = {.min = 1, .max = 1},
    .examples = update_examples,
    .flags = MLO_CMDF_WRITES,
    .run = run_update,
};

static const struct mlo_example scale_examples[] = {
    {"No workers: nothing runs, nothing costs", "mlopsctl runpod endpoint scale credit --workers-max 0"},
    {"One always, ten at most", "mlopsctl runpod endpoint scale credit --workers-min 1 --workers-max 10"},
    {0},
};
const struct mlo_command mlo_cmd_runpod_endpoint_scale = {
    .name = "scale",
    .summary = "change how many workers an endpoint has",
    .synopsis = "ENDPOINT [--workers-min N] [--workers-max N]",
    .description = "ENDPOINT is an id or a name. This acts at once. RunPod itself lowers the limit of an "
                   "endpoint that nobody\n"
                   "asks: to 2 after 3 days, to 0 after 7.",
    .opts = scale_table,
    .opts_size = sizeof(struct opts),
    .defaults = &defaults,
    .args = {.min = 1, .max = 1},
    .examples = scale_examples,
    .flags = MLO_CMDF_WRITES,
    .run = run_update,
};

/* mlopsctl runpod pod: the family, and the verbs that only look. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/time.h>

#include "pod_record.h"
#include "pod_wait.h"
#include "runpod.h"

static const char *lease_text(const struct mlo_runpod_lease *l, int64_t now, char buf[MLO_HUMAN_MAX])
{
    if (l->endless)
        return "endless";
    return l->end_ns ? mlo_time_left(l->end_ns - now, buf) : "-";
}

static const char *hardware(const struct mlo_runpod_pod *p, char *buf, size_t n)
{
    if (p->gpu)
        snprintf(buf, n, "%llu x %s", (unsigned long long)p->gpu_count, p->gpu);
    else
        snprintf(buf, n, "%llu x %s vCPU", (unsigned long long)p->vcpus, p->cpu ? p->cpu : "?");
    return buf;
}

static uint64_t uptime_ns(const struct mlo_runpod_pod *p)
{
    return p->status == MLO_RUNPOD_POD_RUNNING ? p->uptime_s * (uint64_t)MLO_NS_PER_S : 0;
}

static void cell_name(struct mlo_report *r, const struct mlo_runpod_pod *p)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    MLO_AUTOFREE char *name = mlo_memdup0(p->name, mlo_runpod_lease_name_length(p->name), &ignored);
    mlo_cell_text(r, name ? name : p->name);
}

static void cell_number(struct mlo_report *r, double v)
{
    if (isnan(v))
        mlo_cell_none(r);
    else
        mlo_cell_double(r, v);
}

/* ---- ls ---- */

static const struct mlo_column text_columns[] = {
    {"id", "ID", MLO_CELL_TEXT},         {"name", "NAME", MLO_CELL_TEXT},
    {"status", "STATUS", MLO_CELL_TEXT}, {"hardware", "ON", MLO_CELL_TEXT},
    {"in", "IN", MLO_CELL_TEXT},         {"cost", "$/H", MLO_CELL_TEXT},
    {"uptime", "UP", MLO_CELL_DURATION}, {"lease", "LEASE", MLO_CELL_TEXT},
    {"use", "USE", MLO_CELL_TEXT},
};
static const struct mlo_column json_columns[] = {
    {"id", "", MLO_CELL_TEXT},         {"name", "", MLO_CELL_TEXT},       {"status", "", MLO_CELL_TEXT},
    {"gpu", "", MLO_CELL_TEXT},        {"gpu_count", "", MLO_CELL_U64},   {"cpu", "", MLO_CELL_TEXT},
    {"vcpus", "", MLO_CELL_U64},       {"cloud", "", MLO_CELL_TEXT},      {"data_center", "", MLO_CELL_TEXT},
    {"cost", "", MLO_CELL_DOUBLE},     {"uptime", "", MLO_CELL_DURATION}, {"gpu_util", "", MLO_CELL_DOUBLE},
    {"cpu_util", "", MLO_CELL_DOUBLE}, {"idle", "", MLO_CELL_BOOL},       {"volume", "", MLO_CELL_TEXT},
    {"marked", "", MLO_CELL_BOOL},     {"lease_end", "", MLO_CELL_TIME},  {"endless", "", MLO_CELL_BOOL},
};

static void text_row(struct mlo_report *r, const struct mlo_runpod_pod *p, const struct mlo_runpod_lease *l,
                     int64_t now)
{
    char usd[MLO_USD_MAX], human[MLO_HUMAN_MAX], on[128], use[16];
    double util = p->gpu ? p->gpu_util : p->cpu_util;
    snprintf(use, sizeof use, isnan(util) ? "-" : mlo_pod_is_idle(p) ? "idle" : "%.0f %%", util);
    mlo_cell_text(r, p->id);
    cell_name(r, p);
    mlo_cell_text(r, p->status_text);
    mlo_cell_text(r, hardware(p, on, sizeof on));
    mlo_cell_text(r, p->data_center);
    mlo_cell_text(r, mlo_usd(p->cost, usd));
    if (p->status == MLO_RUNPOD_POD_RUNNING)
        mlo_cell_u64(r, uptime_ns(p));
    else
        mlo_cell_none(r);
    mlo_cell_text(r, lease_text(l, now, human));
    mlo_cell_text(r, use);
}

static void json_row(struct mlo_report *r, const struct mlo_runpod_pod *p, const struct mlo_runpod_lease *l)
{
    mlo_cell_text(r, p->id);
    cell_name(r, p);
    mlo_cell_text(r, p->status_text);
    mlo_cell_text(r, p->gpu);
    mlo_cell_u64(r, p->gpu_count);
    mlo_cell_text(r, p->cpu);
    mlo_cell_u64(r, p->vcpus);
    mlo_cell_text(r, p->cloud);
    mlo_cell_text(r, p->data_center);
    mlo_cell_double(r, p->cost);
    mlo_cell_u64(r, uptime_ns(p));
    cell_number(r, p->gpu_util);
    cell_number(r, p->cpu_util);
    mlo_cell_u64(r, mlo_pod_is_idle(p));
    mlo_cell_text(r, p->volume);
    mlo_cell_u64(r, l->marked);
    if (l->end_ns)
        mlo_cell_i64(r, l->end_ns);
    else
        mlo_cell_none(r);
    mlo_cell_u64(r, l->endless);
}

static void show_list(struct mlo_ctx *ctx, const struct mlo_runpod_pods *list,
                      const struct mlo_pod_records *records, int64_t now)
{
    struct mlo_report *r = ctx->report;
    char usd[MLO_USD_MAX];
    double cost = 0;
    if (ctx->json)
        mlo_report_table(r, "pods", NULL, json_columns, MLO_COUNT(json_columns), NULL);
    else
        mlo_report_table(r, "pods", NULL, text_columns, MLO_COUNT(text_columns), "no pods");
    for (size_t i = 0; i < list->n; i++) {
        struct mlo_runpod_lease l = mlo_pod_lease(records, &list->items[i]);
        if (ctx->json)
            json_row(r, &list->items[i], &l);
        else
            text_row(r, &list->items[i], &l, now);
        cost += list->items[i].cost;
    }
    if (list->n)
        mlo_report_note(r, "%zu pod%s, %s an hour", list->n, list->n == 1 ? "" : "s", mlo_usd(cost, usd));
}

static int run_ls(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    struct mlo_runpod_pods list = {0};
    struct mlo_pod_records records = {0};
    (void)options;
    int rc = mlo_ctx_runpod(ctx, &c, err);
    if (rc == 0)
        rc = mlo_pod_records_of(ctx, &records, err);
    if (rc == 0)
        rc = mlo_runpod_pod_list(c, &list, err);
    if (rc == 0)
        show_list(ctx, &list, &records, mlo_runpod_time(c));
    mlo_runpod_pods_release(&list);
    mlo_pod_records_release(&records);
    return rc;
}

static const struct mlo_example ls_examples[] = {
    {"What runs, what it costs, how long it may", "mlopsctl runpod pod ls"}, {0}};

static const struct mlo_command cmd_ls = {
    .name = "ls",
    .summary = "list pods with cost, lease and use",
    .synopsis = "",
    .description =
        "LEASE is the time that is left, `over` when `mlopsctl runpod reap` would end it, `-` when the pod\n"
        "was not made by this program. USE is that of the busiest GPU, or of the CPU.",
    .examples = ls_examples,
    .run = run_ls,
};

/* ---- show ---- */

static const struct mlo_column port_columns[] = {
    {"port", "PORT", MLO_CELL_TEXT},
    {"address", "ADDRESS", MLO_CELL_TEXT},
};

/* Where a port is reached: RunPod's proxy, or the public address of the moment. */
static int add_address(struct mlo_ctx *ctx, const struct mlo_runpod_pod *p, const char *port,
                       struct mlo_str *out, struct mlo_err *err)
{
    uint64_t number = strtoul(port, NULL, 10);
    if (strstr(port, "/http"))
        return mlo_pod_url(ctx, p->id, number, "/", out, err);
    for (size_t i = 0; i < p->runtime_ports.n; i++) {
        const struct mlo_runpod_port *at = &p->runtime_ports.items[i];
        if (at->private_port == number && at->public_port && at->ip)
            mlo_str_addf(out, "%s:%llu", at->ip, (unsigned long long)at->public_port);
    }
    return mlo_str_check(out, err);
}

static int show_ports(struct mlo_ctx *ctx, const struct mlo_runpod_pod *p, struct mlo_err *err)
{
    mlo_report_table(ctx->report, "ports", NULL, port_columns, MLO_COUNT(port_columns), NULL);
    for (size_t i = 0; i < p->ports.n; i++) {
        MLO_AUTOSTR struct mlo_str address;
        mlo_str_init(&address, 4096);
        if (add_address(ctx, p, p->ports.items[i], &address, err))
            return err->code;
        mlo_cell_text(ctx->report, p->ports.items[i]);
        mlo_cell_text(ctx->report, address.len ? address.ptr : NULL);
    }
    return 0;
}

/* Names alone: values may be secrets. */
static int show_env(struct mlo_report *r, const struct mlo_runpod_pod *p, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str names;
    mlo_str_init(&names, MLO_STR_MAX);
    for (size_t i = 0; i < p->env.n; i++)
        mlo_str_addf(&names, "%s%s", i ? " " : "", p->env.items[i].name);
    if (mlo_str_check(&names, err))
        return err->code;
    mlo_report_text(r, "env", "variables", names.ptr);
    return 0;
}

static void show_mounts(struct mlo_report *r, const struct mlo_runpod_pod *p)
{
    char text[256];
    mlo_report_u64(r, "disk_gb", "disk, GB", p->disk_gb);
    if (p->volume) {
        snprintf(text, sizeof text, "%.60s at %.180s", p->volume, p->volume_path ? p->volume_path : "?");
        mlo_report_text(r, "volume", "volume", text);
    }
    if (p->persistent_gb) {
        snprintf(text, sizeof text, "%llu GB at %.180s", (unsigned long long)p->persistent_gb,
                 p->persistent_path ? p->persistent_path : "?");
        mlo_report_text(r, "persistent", "persistent disk", text);
    }
}

static int show_state(struct mlo_ctx *ctx, const struct mlo_runpod_pod *p, const struct mlo_runpod_lease *l,
                      int64_t now, struct mlo_err *err)
{
    struct mlo_report *r = ctx->report;
    char human[MLO_HUMAN_MAX], on[128], end[MLO_RFC3339_MAX];
    mlo_report_text(r, "id", "id", p->id);
    MLO_AUTOFREE char *name = mlo_memdup0(p->name, mlo_runpod_lease_name_length(p->name), err);
    if (!name)
        return MLO_EIO;
    mlo_report_text(r, "name", "name", name);
    mlo_report_text(r, "status", "status", p->status_text);
    mlo_report_text(r, "image", "image", p->image);
    mlo_report_text(r, "hardware", "hardware", hardware(p, on, sizeof on));
    mlo_report_text(r, "cloud", "cloud", p->cloud);
    mlo_report_text(r, "data_center", "data centre", p->data_center);
    mlo_report_double(r, "cost", "USD an hour", p->cost);
    mlo_report_duration(r, "uptime", "up", uptime_ns(p));
    mlo_report_bool(r, "idle", "idle", mlo_pod_is_idle(p));
    mlo_report_text(r, "lease", "lease", lease_text(l, now, human));
    if (l->end_ns)
        mlo_report_text(r, "lease_end", "lease until", mlo_time_rfc3339(l->end_ns, end));
    return 0;
}

static int show_pod(struct mlo_ctx *ctx, const struct mlo_runpod_pod *p, const struct mlo_runpod_lease *l,
                    int64_t now, struct mlo_err *err)
{
    struct mlo_report *r = ctx->report;
    if (show_state(ctx, p, l, now, err))
        return err->code;
    show_mounts(r, p);
    if (show_env(r, p, err))
        return err->code;
    mlo_report_text(r, "ssh", "ssh", p->ssh_direct.host ? p->ssh_direct.command : p->ssh_proxy.command);
    return show_ports(ctx, p, err);
}

static int run_show(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    struct mlo_runpod_pod pod = {0};
    struct mlo_pod_records records = {0};
    (void)options;
    int rc = mlo_ctx_runpod(ctx, &c, err);
    if (rc == 0)
        rc = mlo_pod_records_of(ctx, &records, err);
    if (rc == 0)
        rc = mlo_pod_find(c, ctx->args[0], &pod, err);
    if (rc == 0) {
        struct mlo_runpod_lease l = mlo_pod_lease(&records, &pod);
        rc = show_pod(ctx, &pod, &l, mlo_runpod_time(c), err);
    }
    mlo_runpod_pod_release(&pod);
    mlo_pod_records_release(&records);
    return rc;
}

static const struct mlo_example show_examples[] = {
    {"Where its ports are reached", "mlopsctl runpod pod show train"}, {0}};

static const struct mlo_command cmd_show = {
    .name = "show",
    .summary = "show one pod with its ports and mounts",
    .synopsis = "POD",
    .description = "POD is an id or a name. Of the variables of its environment only the names are shown.",
    .args = {.min = 1, .max = 1},
    .examples = show_examples,
    .run = run_show,
};

/* ---- exec ---- */

static int no_ssh(const struct mlo_runpod_pod *p, struct mlo_err *err)
{
    mlo_fail(err, MLO_EUNAVAIL, "pod '%s' offers no SSH now", p->id);
    if (p->status != MLO_RUNPOD_POD_RUNNING)
        return mlo_hint(err, "it is %s", p->status_text);
    return mlo_hint(err, "it needs --ssh and --port 22/tcp when it is made, and a key in your account");
}

/* The command and nothing else, so that a shell can take it. */
static int say_command(struct mlo_ctx *ctx, const char *command, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str line;
    mlo_str_init(&line, MLO_STR_MAX);
    mlo_escape_text(&line, command ? command : "", command ? strlen(command) : 0);
    if (!ctx->json)
        mlo_str_addc(&line, '\n');
    if (mlo_str_check(&line, err))
        return err->code;
    mlo_report_raw(ctx->report, "command", line.ptr);
    return 0;
}

static int run_exec(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    struct mlo_runpod_pod pod = {0};
    (void)options;
    int rc = mlo_ctx_runpod(ctx, &c, err);
    if (rc == 0)
        rc = mlo_pod_find(c, ctx->args[0], &pod, err);
    if (rc == 0 && (pod.status != MLO_RUNPOD_POD_RUNNING || (!pod.ssh_direct.host && !pod.ssh_proxy.host)))
        rc = no_ssh(&pod, err);
    if (rc == 0) {
        bool direct = pod.ssh_direct.host != NULL;
        rc = say_command(ctx, direct ? pod.ssh_direct.command : pod.ssh_proxy.command, err);
        if (!direct)
            mlo_note(ctx, "through RunPod's proxy: a shell only, no commands and no copies");
    }
    mlo_runpod_pod_release(&pod);
    return rc;
}

static const struct mlo_example exec_examples[] = {{"How to get in", "mlopsctl runpod pod exec train"}, {0}};

static const struct mlo_command cmd_exec = {
    .name = "exec",
    .summary = "say the ssh command that leads into a pod",
    .synopsis = "POD",
    .description =
        "Prints the command and runs nothing. The direct way needs --ssh and --port 22/tcp when the pod is\n"
        "made; RunPod's proxy gives a shell only.",
    .args = {.min = 1, .max = 1},
    .examples = exec_examples,
    .run = run_exec,
};

/* ---- the family ---- */

static const struct mlo_command *const verbs[] = {
    &cmd_ls,
    &cmd_show,
    &mlo_cmd_runpod_pod_create,
    &mlo_cmd_runpod_pod_start,
    &mlo_cmd_runpod_pod_stop,
    &mlo_cmd_runpod_pod_restart,
    &mlo_cmd_runpod_pod_rm,
    &mlo_cmd_runpod_pod_lease,
    &mlo_cmd_runpod_pod_logs,
    &cmd_exec,
    NULL,
};

const struct mlo_command mlo_cmd_runpod_pod = {
    .name = "pod",
    .summary = "rent, watch and end pods",
    .synopsis = "VERB",
    .description =
        "A pod is a container on a rented machine. It costs money until it is removed: `create` wants a\n"
        "lease, and `mlopsctl runpod reap` ends what outlived its own.",
    .subs = verbs,
};

/* mlopsctl runpod endpoint: serverless endpoints: list, look at, remove. The other verbs have files of their
 * own. */
#include <stdio.h>
#include <string.h>

#include "change.h"

extern const struct mlo_command mlo_cmd_runpod_endpoint_create, mlo_cmd_runpod_endpoint_update,
    mlo_cmd_runpod_endpoint_scale, mlo_cmd_runpod_endpoint_call, mlo_cmd_runpod_endpoint_run,
    mlo_cmd_runpod_endpoint_status, mlo_cmd_runpod_endpoint_cancel;

static int find(struct mlo_ctx *ctx, struct mlo_runpod **ret_c, struct mlo_runpod_endpoint *ret,
                struct mlo_err *err)
{
    int rc = mlo_ctx_runpod(ctx, ret_c, err);
    return rc != 0 ? rc : mlo_runpod_endpoint_find(*ret_c, ctx->args[0], ret, err);
}

/* ---- ls ---- */

static const struct mlo_column ls_columns[] = {
    {"id", "ID", MLO_CELL_TEXT},          {"name", "NAME", MLO_CELL_TEXT},
    {"type", "TYPE", MLO_CELL_TEXT},      {"workers_min", "MIN", MLO_CELL_U64},
    {"workers_max", "MAX", MLO_CELL_U64}, {"hardware", "HARDWARE", MLO_CELL_TEXT},
    {"image", "IMAGE", MLO_CELL_TEXT},    {"created", "CREATED", MLO_CELL_TIME},
};

/* "2 x ADA_24 AMPERE_24", "cpu3c:4" */
static int add_hardware(struct mlo_report *r, const struct mlo_runpod_endpoint *e, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    if (e->gpu_pools.n && e->gpu_count > 1)
        mlo_str_addf(&text, "%llu x", (unsigned long long)e->gpu_count);
    for (size_t i = 0; i < e->gpu_pools.n; i++)
        mlo_str_addf(&text, "%s%s", text.len ? " " : "", e->gpu_pools.items[i]);
    for (size_t i = 0; i < e->cpus.n; i++)
        mlo_str_addf(&text, "%s%s:%llu", text.len ? " " : "", e->cpus.items[i].cpu,
                     (unsigned long long)e->cpus.items[i].vcpus);
    mlo_cell_text(r, text.ptr);
    return mlo_str_check(&text, err);
}

static int run_ls(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    struct mlo_runpod_endpoints l = {0};
    struct mlo_report *r = ctx->report;
    (void)options;
    int rc = mlo_ctx_runpod(ctx, &c, err);
    if (rc == 0)
        rc = mlo_runpod_endpoint_list(c, &l, err);
    if (rc != 0)
        return rc;
    mlo_report_table(r, "endpoints", NULL, ls_columns, MLO_COUNT(ls_columns), "no endpoints");
    for (size_t i = 0; rc == 0 && i < l.n; i++) {
        const struct mlo_runpod_endpoint *e = &l.items[i];
        mlo_cell_text(r, e->id);
        mlo_cell_text(r, e->name);
        mlo_cell_text(r, e->type);
        mlo_cell_u64(r, e->workers_min);
        mlo_cell_u64(r, e->workers_max);
        rc = add_hardware(r, e, err);
        mlo_cell_text(r, e->image);
        mlo_cell_i64(r, e->created_ns);
    }
    mlo_runpod_endpoints_release(&l);
    return rc;
}

static const struct mlo_example ls_examples[] = {{"The account's endpoints", "mlopsctl runpod endpoint ls"},
                                                 {0}};

static const struct mlo_command cmd_ls = {
    .name = "ls",
    .summary = "list the serverless endpoints",
    .synopsis = "",
    .description = "MIN workers always run and always cost; up to MAX run while there is work.",
    .examples = ls_examples,
    .run = run_ls,
};

/* ---- releases ---- */

static const struct mlo_column release_columns[] = {
    {"version", "VERSION", MLO_CELL_U64},  {"created", "MADE", MLO_CELL_TIME},
    {"source", "BY", MLO_CELL_TEXT},       {"workers", "WORKERS", MLO_CELL_U64},
    {"changed", "CHANGED", MLO_CELL_TEXT},
};

static int add_fields(struct mlo_report *r, const struct mlo_runpod_strings *fields, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    for (size_t i = 0; i < fields->n; i++)
        mlo_str_addf(&text, "%s%s", i ? " " : "", fields->items[i]);
    mlo_cell_text(r, text.ptr);
    return mlo_str_check(&text, err);
}

static int report_releases(struct mlo_report *r, const struct mlo_runpod_releases *l, struct mlo_err *err)
{
    int rc = 0;
    mlo_report_bool(r, "in_progress", "rolling out", l->in_progress);
    mlo_report_u64(r, "workers_on_latest", "workers on the latest", l->workers_on_latest);
    mlo_report_u64(r, "workers_total", "workers", l->workers_total);
    mlo_report_table(r, "releases", NULL, release_columns, MLO_COUNT(release_columns), "no releases");
    for (size_t i = 0; rc == 0 && i < l->n; i++) {
        const struct mlo_runpod_release *x = &l->items[i];
        mlo_cell_u64(r, x->version);
        mlo_cell_i64(r, x->created_ns);
        mlo_cell_text(r, x->source);
        mlo_cell_u64(r, x->workers);
        rc = add_fields(r, &x->fields, err);
    }
    return rc;
}

static int run_releases(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    struct mlo_runpod_endpoint e = {0};
    struct mlo_runpod_releases l = {0};
    (void)options;
    int rc = find(ctx, &c, &e, err);
    if (rc == 0)
        rc = mlo_runpod_release_list(c, e.id, &l, err);
    if (rc == 0)
        rc = report_releases(ctx->report, &l, err);
    mlo_runpod_releases_release(&l);
    mlo_runpod_endpoint_release(&e);
    return rc;
}

static const struct mlo_example release_examples[] = {
    {"What was changed, and is it everywhere yet?", "mlopsctl runpod endpoint releases credit"}, {0}};

static const struct mlo_command cmd_releases = {
    .name = "releases",
    .summary = "list the releases of an endpoint and how far the latest has come",
    .synopsis = "ENDPOINT",
    .description =
        "A change of the container makes a release, which workers take as they are replaced. Names of what\n"
        "changed are shown, never values.",
    .args = {.min = 1, .max = 1},
    .examples = release_examples,
    .run = run_releases,
};

/* ---- workers ---- */

static const struct mlo_column worker_columns[] = {
    {"id", "ID", MLO_CELL_TEXT},         {"status", "STATUS", MLO_CELL_TEXT},
    {"stale", "STALE", MLO_CELL_BOOL},   {"version", "VERSION", MLO_CELL_U64},
    {"gpu", "GPU", MLO_CELL_TEXT},       {"data_center", "IN", MLO_CELL_TEXT},
    {"uptime", "UP", MLO_CELL_DURATION},
};

static void report_workers(struct mlo_report *r, const struct mlo_runpod_workers *l)
{
    mlo_report_table(r, "workers", NULL, worker_columns, MLO_COUNT(worker_columns), "no workers");
    for (size_t i = 0; i < l->n; i++) {
        const struct mlo_runpod_worker *w = &l->items[i];
        mlo_cell_text(r, w->id);
        mlo_cell_text(r, w->status);
        mlo_cell_u64(r, w->stale);
        mlo_cell_u64(r, w->version);
        mlo_cell_text(r, w->gpu);
        mlo_cell_text(r, w->data_center);
        mlo_cell_u64(r, w->uptime_s * 1000000000);
    }
    if (l->throttled)
        mlo_report_note(r, "%llu wait for hardware that is free: other pools or data centres may have it",
                        (unsigned long long)l->throttled);
    if (l->unhealthy)
        mlo_report_note(r, "%llu do not come up: --logs WORKER shows why", (unsigned long long)l->unhealthy);
}

struct worker_opts {
    const char *logs;
    bool follow;
    uint64_t tail;
};
static const struct worker_opts worker_defaults = {.tail = 100};
static const struct mlo_opt worker_table[] = {
    {.name = "logs",
     .type = MLO_OPT_STRING,
     .arg = "WORKER",
     .help = "show what this worker wrote instead of the list",
     .offset = offsetof(struct worker_opts, logs)},
    {.name = "follow",
     .letter = 'f',
     .type = MLO_OPT_FLAG,
     .help = "go on until it is interrupted",
     .offset = offsetof(struct worker_opts, follow)},
    {.name = "tail",
     .type = MLO_OPT_U64,
     .arg = "N",
     .help = "lines of the past",
     .offset = offsetof(struct worker_opts, tail),
     .max = 5000},
    {0},
};

static const struct mlo_column log_columns[] = {
    {"time", "TIME", MLO_CELL_TIME}, {"source", "FROM", MLO_CELL_TEXT}, {"line", "LINE", MLO_CELL_TEXT}};

static int log_line(void *ctx, const struct mlo_runpod_line *line, struct mlo_err *err)
{
    struct mlo_report *r = ctx;
    (void)err;
    mlo_cell_i64(r, line->time_ns);
    mlo_cell_text(r, line->source);
    mlo_cell_text(r, line->text);
    return 0;
}

static int run_workers(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct worker_opts *o = options;
    struct mlo_runpod *c = NULL;
    struct mlo_runpod_endpoint e = {0};
    struct mlo_runpod_workers l = {0};
    int rc = find(ctx, &c, &e, err);
    if (rc == 0 && o->logs) {
        struct mlo_runpod_logs q = {
            .endpoint = e.id, .worker = o->logs, .tail = o->tail, .follow = o->follow};
        mlo_report_table(ctx->report, "lines", NULL, log_columns, MLO_COUNT(log_columns), "no lines");
        mlo_report_stream(ctx->report, stdout);
        rc = mlo_runpod_logs(c, &q, log_line, ctx->report, err);
    } else if (rc == 0) {
        rc = mlo_runpod_worker_list(c, e.id, &l, err);
        if (rc == 0)
            report_workers(ctx->report, &l);
    }
    mlo_runpod_workers_release(&l);
    mlo_runpod_endpoint_release(&e);
    return rc;
}

static const struct mlo_example worker_examples[] = {
    {"Who is working?", "mlopsctl runpod endpoint workers credit"},
    {"Why does this one not come up?", "mlopsctl runpod endpoint workers credit --logs x1y2z3"},
    {0},
};

static const struct mlo_command cmd_workers = {
    .name = "workers",
    .summary = "list the workers of an endpoint, or show the log of one",
    .synopsis = "ENDPOINT",
    .description = "THROTTLED workers find no free hardware, UNHEALTHY ones do not come up. A stale worker "
                   "still runs an\n"
                   "earlier release.",
    .opts = worker_table,
    .opts_size = sizeof(struct worker_opts),
    .defaults = &worker_defaults,
    .args = {.min = 1, .max = 1},
    .examples = worker_examples,
    .run = run_workers,
};

/* ---- rm ---- */

static int remove_found(struct mlo_ctx *ctx, const struct mlo_runpod_endpoint *e, struct mlo_err *err)
{
    struct mlo_removal gone = {MLO_RUNPOD_ENDPOINTS, e->id, e->name, e->image ? e->image : ""};
    char question[500], name[MLO_SHOWN];
    snprintf(
        question, sizeof question,
        "Remove endpoint %s '%s' for good, with up to %llu workers, its jobs and the template bound to it?",
        e->id, mlo_shown(e->name, strlen(e->name), name), (unsigned long long)e->workers_max);
    return mlo_runpod_remove(ctx, &gone, question, err);
}

static int run_rm(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    struct mlo_runpod_endpoint e = {0};
    (void)options;
    int rc = find(ctx, &c, &e, err);
    if (rc == 0)
        rc = remove_found(ctx, &e, err);
    mlo_runpod_endpoint_release(&e);
    return rc;
}

static const struct mlo_example rm_examples[] = {
    {"Without being asked", "mlopsctl runpod endpoint rm credit --yes"}, {0}};

static const struct mlo_command cmd_rm = {
    .name = "rm",
    .summary = "remove an endpoint",
    .synopsis = "ENDPOINT",
    .description = "ENDPOINT is an id or a name. Ends its workers, cancels its jobs and removes the template "
                   "bound to it.\n"
                   "Asks first, or needs --yes: this cannot be undone. `endpoint scale --workers-max 0` "
                   "stops the cost too.",
    .args = {.min = 1, .max = 1},
    .examples = rm_examples,
    .flags = MLO_CMDF_WRITES,
    .run = run_rm,
};

static const struct mlo_command *const verbs[] = {
    &cmd_ls,
    &mlo_cmd_runpod_endpoint_create,
    &mlo_cmd_runpod_endpoint_update,
    &mlo_cmd_runpod_endpoint_scale,
    &cmd_rm,
    &cmd_releases,
    &cmd_workers,
    &mlo_cmd_runpod_endpoint_call,
    &mlo_cmd_runpod_endpoint_run,
    &mlo_cmd_runpod_endpoint_status,
    &mlo_cmd_runpod_endpoint_cancel,
    NULL,
};

const struct mlo_command mlo_cmd_runpod_endpoint = {
    .name = "endpoint",
    .summary = "serverless endpoints: make, change, scale, ask, remove",
    .synopsis = "VERB",
    .description =
        "An endpoint runs workers while there is work: jobs out of a queue, or HTTP requests that a load\n"
        "balancer hands on.",
    .subs = verbs,
};

/* mlopsctl runpod pod start, stop, restart, rm, lease: what changes a pod that is there. */
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/time.h>

#include "pod_record.h"
#include "pod_wait.h"
#include "runpod.h"
#include "cmd/shared/workspace.h"

struct change {
    struct mlo_ctx *ctx;
    struct mlo_runpod *c;
    struct mlo_workspace ws;
    struct mlo_runpod_pod pod;
    struct mlo_pod_records records;
    struct mlo_runpod_lease lease;
};

static void release(struct change *k)
{
    mlo_runpod_pod_release(&k->pod);
    mlo_pod_records_release(&k->records);
}

/* The pod that is meant, and what is known of it; in no run yet. */
static int find(struct mlo_ctx *ctx, struct change *k, struct mlo_err *err)
{
    *k = (struct change){.ctx = ctx};
    int rc = mlo_pod_records_of(ctx, &k->records, err);
    if (rc == 0)
        rc = mlo_ctx_runpod(ctx, &k->c, err);
    if (rc == 0)
        rc = mlo_pod_find(k->c, ctx->args[0], &k->pod, err);
    if (rc == 0)
        k->lease = mlo_pod_lease(&k->records, &k->pod);
    return rc;
}

/* A refusal has changed nothing. */
static bool is_refusal(int rc)
{
    return rc == MLO_EUSAGE || rc == MLO_ECONFLICT || rc == MLO_EUNAVAIL || rc == MLO_ENOTFOUND;
}

static int settle(struct change *k, int ordinal, int rc, struct mlo_err *err)
{
    struct mlo_err second = MLO_ERR_INIT;
    if (rc == 0)
        return mlo_run_done(k->ws.run, ordinal, err);
    if (is_refusal(rc) && mlo_run_reverted(k->ws.run, ordinal, &second) != 0)
        mlo_warn(k->ctx, "%s", second.msg);
    return rc;
}

static void report_state(struct change *k, const char *did)
{
    struct mlo_report *r = k->ctx->report;
    if (k->ctx->json) {
        mlo_report_text(r, "id", "id", k->pod.id);
        mlo_report_text(r, "status", "status", k->pod.status_text);
        mlo_report_double(r, "cost", "USD an hour", k->pod.cost);
        return;
    }
    mlo_report_say(r, "%s pod %s (%.*s)", did, k->pod.id, (int)mlo_runpod_lease_name_length(k->pod.name),
                   k->pod.name);
}

/* ---- lease ---- */

/* Writes it into the pod's name and the ledger. end_ns 0: none, on purpose. */
static int renew(struct change *k, int64_t end_ns, struct mlo_err *err)
{
    char before[MLO_RFC3339_MAX], after[MLO_RFC3339_MAX] = MLO_RUNPOD_LEASE_NONE;
    int ordinal = 0;
    const char *was = k->lease.endless ? MLO_RUNPOD_LEASE_NONE : NULL;
    if (k->lease.end_ns)
        was = mlo_time_rfc3339(k->lease.end_ns, before);
    if (end_ns)
        mlo_time_rfc3339(end_ns, after);
    int rc = mlo_run_intend(k->ws.run, MLO_EFFECT_POD_LEASE, k->pod.id, was, after, &ordinal, err);
    return rc != 0 ? rc : settle(k, ordinal, mlo_pod_rename_lease(k->c, &k->pod, end_ns, err), err);
}

/* *ret_ns 0: none. */
static int parse_lease(const char *text, uint64_t *ret_ns, struct mlo_err *err)
{
    *ret_ns = 0;
    if (strcmp(text, MLO_RUNPOD_LEASE_NONE) == 0)
        return 0;
    int rc = mlo_parse_duration(text, "the lease", ret_ns, err);
    if (rc == 0 && (*ret_ns == 0 || *ret_ns > (uint64_t)MLO_LEASE_MAX_NS))
        rc = mlo_fail(err, MLO_EUSAGE, "a lease is at least a moment and at most a year");
    return rc;
}

static int run_lease(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct change k = {0};
    uint64_t ns = 0;
    char text[MLO_RFC3339_MAX] = MLO_RUNPOD_LEASE_NONE;
    (void)options;
    int rc = parse_lease(ctx->args[1], &ns, err);
    if (rc == 0)
        rc = find(ctx, &k, err);
    int64_t end = rc == 0 && ns ? mlo_runpod_time(k.c) + (int64_t)ns : 0;
    if (rc == 0)
        rc = mlo_workspace_begin(ctx, &k.ws, 0, err);
    if (rc == 0)
        rc = mlo_workspace_end(&k.ws, renew(&k, end, err), err);
    if (rc == 0) {
        if (end)
            mlo_time_rfc3339(end, text);
        if (ctx->json) {
            mlo_report_text(ctx->report, "id", "id", k.pod.id);
            mlo_report_text(ctx->report, "lease", "lease until", text);
        }
        mlo_report_say(ctx->report, end ? "pod %s may live until %s" : "pod %s has no lease any more",
                       k.pod.id, text);
    }
    release(&k);
    return rc;
}

static const struct mlo_example lease_examples[] = {
    {"Two hours more, from now", "mlopsctl runpod pod lease train 2h"}, {0}};

const struct mlo_command mlo_cmd_runpod_pod_lease = {
    .name = "lease",
    .summary = "renew, shorten or take away a pod's lease",
    .synopsis = "POD DURATION|none",
    .description =
        "DURATION counts from now. The new end is written into the pod's name, where every machine sees it,\n"
        "and into the ledger; the environment of a running container cannot change without a restart.",
    .args = {.min = 2, .max = 2},
    .examples = lease_examples,
    .flags = MLO_CMDF_WRITES,
    .run = run_lease,
};

/* ---- start, stop ---- */

static bool is_stopped(const struct mlo_runpod_pod *p)
{
    return p->status == MLO_RUNPOD_POD_EXITED || p->status == MLO_RUNPOD_POD_ERROR;
}

static int act(struct change *k, const char *action, const char *before, const char *after,
               struct mlo_err *err)
{
    struct mlo_runpod_pod now = {0};
    int ordinal = 0;
    int rc = mlo_run_intend(k->ws.run, MLO_EFFECT_POD_STATE, k->pod.id, before, after, &ordinal, err);
    if (rc != 0)
        return rc;
    rc = mlo_runpod_pod_action(k->c, k->pod.id, action, &now, err);
    if (rc == 0) {
        mlo_runpod_pod_release(&k->pod);
        k->pod = now;
    }
    return settle(k, ordinal, rc, err);
}

struct start_opts {
    uint64_t lease;
};

static const struct mlo_opt start_table[] = {
    {.name = "lease",
     .type = MLO_OPT_DURATION,
     .arg = "DURATION",
     .help = "how long it may live from now on; needed when its lease is over",
     .offset = offsetof(struct start_opts, lease)},
    {0},
};

static int start(struct change *k, const struct start_opts *o, struct mlo_err *err)
{
    int rc = o->lease ? renew(k, mlo_runpod_time(k->c) + (int64_t)o->lease, err) : 0;
    if (rc == 0)
        rc = act(k, "start", MLO_POD_STOPPED, MLO_POD_RUNNING, err);
    if (rc == MLO_EUNAVAIL)
        mlo_hint(err,
                 "a stopped pod is bound to its host, whose GPUs others have taken: wait, or make a new one "
                 "with the same volume");
    return rc;
}

static int check_start(const struct change *k, const struct start_opts *o, struct mlo_err *err)
{
    char end[MLO_RFC3339_MAX];
    if (o->lease > (uint64_t)MLO_LEASE_MAX_NS)
        return mlo_fail(err, MLO_EUSAGE, "a lease is at most a year");
    if (o->lease || !k->lease.end_ns || k->lease.end_ns > mlo_runpod_time(k->c))
        return 0;
    mlo_fail(err, MLO_EUSAGE, "the lease of pod '%s' ended at %s", k->pod.id,
             mlo_time_rfc3339(k->lease.end_ns, end));
    return mlo_hint(err, "say how long it may live now: --lease 2h");
}

static int run_start(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct change k;
    int rc = find(ctx, &k, err);
    if (rc == 0 && !is_stopped(&k.pod)) {
        mlo_report_say(ctx->report, "pod %s is %s already", k.pod.id, k.pod.status_text);
        release(&k);
        return 0;
    }
    if (rc == 0)
        rc = check_start(&k, options, err);
    if (rc == 0)
        rc = mlo_workspace_begin(ctx, &k.ws, 0, err);
    if (rc == 0)
        rc = mlo_workspace_end(&k.ws, start(&k, options, err), err);
    if (rc == 0)
        report_state(&k, "started");
    release(&k);
    return rc;
}

static const struct mlo_example start_examples[] = {
    {"Again, for an hour", "mlopsctl runpod pod start train --lease 1h"}, {0}};

const struct mlo_command mlo_cmd_runpod_pod_start = {
    .name = "start",
    .summary = "start a stopped pod",
    .synopsis = "POD",
    .description =
        "A stopped pod is bound to its host: when others have taken its GPUs, status 7. Rollback stops it.",
    .opts = start_table,
    .opts_size = sizeof(struct start_opts),
    .args = {.min = 1, .max = 1},
    .examples = start_examples,
    .flags = MLO_CMDF_WRITES,
    .run = run_start,
};

static int run_stop(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct change k;
    (void)options;
    int rc = find(ctx, &k, err);
    if (rc == 0 && is_stopped(&k.pod)) {
        mlo_report_say(ctx->report, "pod %s is %s already", k.pod.id, k.pod.status_text);
        release(&k);
        return 0;
    }
    if (rc == 0)
        rc = mlo_workspace_begin(ctx, &k.ws, 0, err);
    if (rc == 0)
        rc = mlo_workspace_end(&k.ws, act(&k, "stop", MLO_POD_RUNNING, MLO_POD_STOPPED, err), err);
    if (rc == 0) {
        char usd[MLO_USD_MAX];
        double disk = mlo_runpod_stopped_price(&k.pod) * MLO_RUNPOD_HOURS_A_MONTH;
        report_state(&k, "stopped");
        if (disk > 0)
            mlo_report_note(ctx->report, "its disk still costs %s a month", mlo_usd(disk, usd));
    }
    release(&k);
    return rc;
}

static const struct mlo_example stop_examples[] = {{"Until tomorrow", "mlopsctl runpod pod stop train"}, {0}};

const struct mlo_command mlo_cmd_runpod_pod_stop = {
    .name = "stop",
    .summary = "stop a pod, keeping its volume or persistent disk",
    .synopsis = "POD",
    .description =
        "The container's own disk is wiped. The GPUs are given back and may be gone when it is to start\n"
        "again. Rollback starts it.",
    .args = {.min = 1, .max = 1},
    .examples = stop_examples,
    .flags = MLO_CMDF_WRITES,
    .run = run_stop,
};

/* ---- restart ---- */

static int restart(struct change *k, struct mlo_err *err)
{
    int ordinal = 0;
    int rc = mlo_run_intend(k->ws.run, MLO_EFFECT_POD_STATE, k->pod.id, MLO_POD_RUNNING, MLO_POD_RUNNING,
                            &ordinal, err);
    if (rc != 0)
        return rc;
    rc = mlo_runpod_pod_action(k->c, k->pod.id, "restart", NULL, err);
    return rc == 0 ? mlo_run_done_irreversible(k->ws.run, ordinal, err) : settle(k, ordinal, rc, err);
}

static int run_restart(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct change k;
    (void)options;
    int rc = find(ctx, &k, err);
    if (rc == 0)
        rc = mlo_workspace_begin(ctx, &k.ws, 0, err);
    if (rc == 0)
        rc = mlo_workspace_end(&k.ws, restart(&k, err), err);
    if (rc == 0)
        report_state(&k, "restarted");
    release(&k);
    return rc;
}

static const struct mlo_example restart_examples[] = {
    {"After its image has changed", "mlopsctl runpod pod restart train"}, {0}};

const struct mlo_command mlo_cmd_runpod_pod_restart = {
    .name = "restart",
    .summary = "start a running pod's container anew",
    .synopsis = "POD",
    .description = "The container's own disk is wiped; this cannot be undone.",
    .args = {.min = 1, .max = 1},
    .examples = restart_examples,
    .flags = MLO_CMDF_WRITES,
    .run = run_restart,
};

/* ---- rm ---- */

static int run_rm(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct change k;
    MLO_AUTOSTR struct mlo_str question;
    mlo_str_init(&question, MLO_STR_MAX);
    (void)options;
    int rc = find(ctx, &k, err);
    if (rc == 0) {
        mlo_str_add(&question, "This ");
        mlo_pod_loss(&k.pod, &question);
        mlo_str_add(&question, ". Go on?");
        rc = mlo_str_check(&question, err);
    }
    if (rc == 0)
        rc = mlo_consent(ctx, question.ptr, err);
    if (rc == 0)
        rc = mlo_workspace_begin(ctx, &k.ws, 0, err);
    if (rc == 0)
        rc = mlo_workspace_end(&k.ws, mlo_pod_end(&k.ws, k.c, &k.records, &k.pod, err), err);
    if (rc == 0) {
        if (ctx->json)
            mlo_report_text(ctx->report, "id", "id", k.pod.id);
        mlo_report_say(ctx->report, "removed pod %s (%.*s)", k.pod.id,
                       (int)mlo_runpod_lease_name_length(k.pod.name), k.pod.name);
    }
    release(&k);
    return rc;
}

static const struct mlo_example rm_examples[] = {{"When it is done", "mlopsctl runpod pod rm train --yes"},
                                                 {0}};

const struct mlo_command mlo_cmd_runpod_pod_rm = {
    .name = "rm",
    .summary = "remove a pod and its own disks",
    .synopsis = "POD",
    .description =
        "Its persistent disk goes with it, a network volume stays. This cannot be undone and has to be\n"
        "agreed to, or --yes said. Ends when RunPod says that the pod is gone.",
    .args = {.min = 1, .max = 1},
    .examples = rm_examples,
    .flags = MLO_CMDF_WRITES,
    .run = run_rm,
};

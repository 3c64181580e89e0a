/*
 * See pod_make.h. Hardware by name or by need, tried in order while the answer is "no capacity";
 * what it will cost shown and agreed to first; a lease, so that nothing costs money for ever; once made, the
 * bill checked against the limits, and waiting until what runs in it answers.
 *
 * The create is announced in the ledger by its mark before it is sent, so whatever happens in between, there
 * is one pod or none, and the next command knows which.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>

#include "cmd/shared/env_vars.h"
#include "pod_make.h"
#include "pod_offers.h"
#include "pod_record.h"
#include "pod_wait.h"
#include "runpod.h"
#include "cmd/shared/workspace.h"

#define COST_LOOKS    20 /* until a new pod says what it costs */
#define MOUNT_DEFAULT "/workspace"

struct creation {
    struct mlo_ctx *ctx;
    const struct mlo_pod_create *o;
    struct mlo_runpod *c;
    struct mlo_workspace ws;
    struct mlo_runpod_volume volume;
    struct mlo_runpod_template template;
    struct mlo_pod_offers offers;
    struct mlo_pod_probe probe;
    struct mlo_env_vars env;
    const char *ports[64]; /* opened here and by the template */
    size_t n_ports;
    char mark[MLO_RUNPOD_MARK_MAX], name[64];
    char lease[MLO_RFC3339_MAX]; /* as the variable */
    size_t refused;              /* offers without capacity */
    const struct mlo_pod_offer *taken;
    struct mlo_runpod_pod pod;
    int ordinal; /* of the effect; -1 before it is announced */
};

/* ---- what was asked for ---- */

static int add_port(struct creation *k, const char *text, struct mlo_err *err)
{
    char *end;
    char shown[MLO_SHOWN];
    unsigned long port = strtoul(text, &end, 10);
    bool typed = strcmp(end, "/http") == 0 || strcmp(end, "/tcp") == 0;
    if (*text < '0' || *text > '9' || !typed || port < 1 || port > 65535) {
        mlo_fail(err, MLO_EUSAGE, "'%s' is not a port", mlo_shown(text, strlen(text), shown));
        return mlo_hint(err, "a port is a number and a type: 8000/http, 22/tcp");
    }
    if (k->n_ports == MLO_COUNT(k->ports))
        return mlo_fail(err, MLO_EUSAGE, "more than %zu ports", MLO_COUNT(k->ports));
    k->ports[k->n_ports++] = text;
    return 0;
}

static struct mlo_runpod_words own_ports(const struct creation *k)
{
    return (struct mlo_runpod_words){k->o->port.items, k->o->port.n};
}

/* Template and volume by id or name; ports of both. */
static int resolve(struct creation *k, struct mlo_err *err)
{
    const struct mlo_pod_create *o = k->o;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < o->port.n; i++)
        rc = add_port(k, o->port.items[i], err);
    if (rc == 0 && o->template)
        rc = mlo_runpod_template_find(k->c, o->template, &k->template, err);
    if (rc == 0 && k->template.serverless)
        rc = mlo_fail(err, MLO_EUSAGE, "template '%s' is for endpoints", o->template);
    for (size_t i = 0; rc == 0 && !o->port.n && i < k->template.ports.n; i++)
        rc = add_port(k, k->template.ports.items[i], err);
    if (rc == 0 && (o->wait || o->probe))
        rc = mlo_pod_probe_parse(o->probe, &(struct mlo_runpod_words){k->ports, k->n_ports}, &k->probe, err);
    if (rc == 0 && o->volume)
        rc = mlo_runpod_volume_find(k->c, o->volume, &k->volume, err);
    if (rc == 0 && k->volume.id && o->dc.n &&
        (o->dc.n > 1 || strcmp(o->dc.items[0], k->volume.data_center) != 0))
        rc = mlo_fail(err, MLO_EUSAGE, "volume '%s' is in %s: its pods run there alone", o->volume,
                      k->volume.data_center);
    return rc;
}

/* The hourly price above which one of the limits is broken; 0: none. */
static double price_limit(const struct mlo_pod_create *o)
{
    double by_total = o->max_total > 0 && o->lease
                          ? o->max_total * 3600 * (double)MLO_NS_PER_S / (double)o->lease
                          : 0;
    if (o->max_price > 0 && by_total > 0)
        return o->max_price < by_total ? o->max_price : by_total;
    return o->max_price > 0 ? o->max_price : by_total;
}

static struct mlo_runpod_limits limits(const struct mlo_pod_create *o)
{
    return (struct mlo_runpod_limits){
        .max_price = o->max_price, .max_total = o->max_total, .lease_ns = o->lease};
}

static int find_offers(struct creation *k, struct mlo_err *err)
{
    const struct mlo_pod_create *o = k->o;
    struct mlo_runpod_limits l = limits(o);
    const char *center = k->volume.data_center;
    bool any = o->manufacturer && strcmp(o->manufacturer, "any") == 0;
    struct mlo_pod_wish w = {.gpus = {o->gpu.items, o->gpu.n},
                             .min_vram = o->min_vram,
                             .count = o->count,
                             .community = strcmp(o->cloud, "community") == 0,
                             .slices = o->slices,
                             .manufacturer = any ? "" : o->manufacturer,
                             .cpu = o->cpu,
                             .data_centers = {o->dc.items, o->dc.n},
                             .max_price = price_limit(o)};
    if (center)
        w.data_centers = (struct mlo_runpod_words){&center, 1};
    int rc = mlo_runpod_afford(&l, 0, err);
    if (rc == 0)
        rc = mlo_pod_offers_find(k->c, &w, &k->offers, err);
    for (size_t i = 0; rc == 0 && center && i < k->offers.n; i++)
        k->offers.items[i].data_center = k->volume.data_center;
    return rc != 0 ? rc : mlo_runpod_afford(&l, k->offers.items[0].price, err);
}

static int name_it(struct creation *k, struct mlo_err *err)
{
    int rc = mlo_runpod_mark(k->mark, err);
    snprintf(k->name, sizeof k->name, "pod-%.8s", k->mark);
    snprintf(k->lease, sizeof k->lease, MLO_RUNPOD_LEASE_NONE);
    if (k->o->lease)
        mlo_time_rfc3339(mlo_runpod_time(k->c) + (int64_t)k->o->lease, k->lease);
    return rc;
}

static int prepare(struct creation *k, struct mlo_err *err)
{
    int rc = mlo_env_vars_read(k->ctx, &k->o->env, k->o->env_file, &k->env, err);
    if (rc == 0)
        rc = mlo_ctx_runpod(k->ctx, &k->c, err);
    if (rc == 0)
        rc = resolve(k, err);
    if (rc == 0)
        rc = find_offers(k, err);
    return rc != 0 ? rc : name_it(k, err);
}

/* ---- the request ---- */

static int make_body(const struct creation *k, const struct mlo_pod_offer *offer, cJSON **ret,
                     struct mlo_err *err)
{
    const struct mlo_pod_create *o = k->o;
    char lease[sizeof MLO_RUNPOD_LEASE + MLO_RFC3339_MAX];
    MLO_AUTOFREE const char **env = mlo_calloc(k->env.n + 1, sizeof *env, err);
    if (!env)
        return MLO_EIO;
    for (size_t i = 0; i < k->env.n; i++)
        env[i] = k->env.items[i];
    snprintf(lease, sizeof lease, MLO_RUNPOD_LEASE "=%s", k->lease);
    env[k->env.n] = lease;
    struct mlo_runpod_pod_spec s = {
        .name = o->name ? o->name : k->name,
        .template_id = k->template.id,
        .container = {.image = o->image,
                      .args = o->args,
                      .disk_gb = o->disk,
                      .ports = own_ports(k),
                      .env = {env, k->env.n + 1},
                      .registry = o->registry},
        .gpu = offer->gpu,
        .gpu_count = offer->gpu ? o->count : 0,
        .min_cuda = o->min_cuda,
        .cpu = offer->cpu,
        .vcpus = offer->vcpus,
        .cloud = strcmp(o->cloud, "community") == 0 ? "COMMUNITY" : "SECURE",
        .data_centers = {&offer->data_center, offer->data_center ? 1 : 0},
        .persistent_gb = o->persistent,
        .persistent_path = o->persistent ? (o->mount ? o->mount : MOUNT_DEFAULT) : NULL,
        .volume = k->volume.id,
        .volume_path = k->volume.id ? (o->mount ? o->mount : MOUNT_DEFAULT) : NULL,
        .ssh = o->ssh ? MLO_RUNPOD_YES : MLO_RUNPOD_UNSAID,
        .mark = k->mark,
    };
    return mlo_runpod_pod_body(&s, false, ret, err);
}

/* ---- the plan, shown first ---- */

static double dearest(const struct creation *k)
{
    double most = 0;
    for (size_t i = 0; i < k->offers.n; i++)
        most = k->offers.items[i].price > most ? k->offers.items[i].price : most;
    return most;
}

static void plan_money(const struct creation *k, struct mlo_str *out)
{
    char usd[MLO_USD_MAX], most[MLO_USD_MAX], human[MLO_HUMAN_MAX];
    double hours = (double)k->o->lease / (3600 * (double)MLO_NS_PER_S);
    mlo_usd(k->offers.items[0].price, usd);
    if (k->o->lease)
        mlo_str_addf(out, "%s an hour, at most %s until the lease ends in %s (%s)\n", usd,
                     mlo_usd(dearest(k) * hours, most), mlo_human_duration(k->o->lease, human), k->lease);
    else
        mlo_str_addf(out, "%s an hour until somebody removes it: it has no lease\n", usd);
}

static void plan_text(const struct creation *k, struct mlo_str *out)
{
    char shown[MLO_OFFER_SHOWN], usd[MLO_USD_MAX];
    mlo_str_addf(out, "pod '%s' from %s\n", k->o->name ? k->o->name : k->name,
                 k->o->image ? k->o->image : k->o->template);
    for (size_t i = 0; i < k->offers.n; i++) {
        const struct mlo_pod_offer *offer = &k->offers.items[i];
        mlo_str_addf(out, "  %s %s: %s an hour, stock %s\n", i ? "else" : "on  ",
                     mlo_pod_offer_shown(offer, k->o->count, shown), mlo_usd(offer->price, usd),
                     mlo_runpod_stock_name(offer->stock));
    }
    if (k->volume.id)
        mlo_str_addf(out, "  volume %s (%s) at %s\n", k->volume.id, k->volume.name,
                     k->o->mount ? k->o->mount : MOUNT_DEFAULT);
    plan_money(k, out);
}

/* Said to whoever has to agree; in the log of a script too. */
static int show_plan(const struct creation *k, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    MLO_AUTOSTR struct mlo_str shown;
    mlo_str_init(&text, MLO_STR_MAX);
    mlo_str_init(&shown, MLO_STR_MAX);
    plan_text(k, &text);
    if (mlo_str_check(&text, err))
        return err->code;
    for (const char *line = text.ptr; *line;) {
        size_t n = strcspn(line, "\n");
        mlo_escape(&shown, line, n);
        mlo_str_addc(&shown, '\n');
        line += n + 1;
    }
    if (mlo_str_check(&shown, err))
        return err->code;
    if (!k->ctx->json && !(k->ctx->quiet && k->ctx->yes))
        fputs(shown.ptr, stderr);
    return 0;
}

static const struct mlo_column offer_columns[] = {
    {"gpu", "HARDWARE", MLO_CELL_TEXT},
    {"data_center", "IN", MLO_CELL_TEXT},
    {"price", "$/H", MLO_CELL_DOUBLE},
    {"stock", "STOCK", MLO_CELL_TEXT},
};

static int report_plan(const struct creation *k, struct mlo_err *err)
{
    struct mlo_report *r = k->ctx->report;
    MLO_AUTOBODY cJSON *body = NULL;
    cJSON *shown = NULL;
    int rc = make_body(k, &k->offers.items[0], &body, err);
    if (rc == 0)
        rc = mlo_runpod_body_shown(body, &shown, err);
    if (rc != 0)
        return rc;
    mlo_report_bool(r, "dry_run", "dry run", true);
    mlo_report_text(r, "lease", "lease until", k->lease);
    mlo_report_double(r, "price", "USD an hour", k->offers.items[0].price);
    if (k->o->lease)
        mlo_report_double(r, "most", "USD at most",
                          dearest(k) * (double)k->o->lease / (3600 * (double)MLO_NS_PER_S));
    mlo_report_json(r, "request", shown);
    mlo_report_table(r, "offers", NULL, offer_columns, MLO_COUNT(offer_columns), NULL);
    for (size_t i = 0; i < k->offers.n; i++) {
        const struct mlo_pod_offer *offer = &k->offers.items[i];
        mlo_cell_text(r, offer->gpu ? offer->gpu : offer->cpu);
        mlo_cell_text(r, offer->data_center);
        mlo_cell_double(r, offer->price);
        mlo_cell_text(r, mlo_runpod_stock_name(offer->stock));
    }
    mlo_report_say(r, "would try these, in this order");
    return 0;
}

/* ---- making it ---- */

/* What the ledger keeps: of the first offer before, of the pod after. */
static int record(const struct creation *k, struct mlo_str *target, struct mlo_str *text, struct mlo_err *err)
{
    char shown[MLO_OFFER_SHOWN], usd[MLO_USD_MAX], detail[MLO_OFFER_SHOWN + MLO_USD_MAX + 16];
    const struct mlo_pod_offer *offer = k->taken ? k->taken : &k->offers.items[0];
    double cost = k->pod.id && k->pod.cost > 0 ? k->pod.cost : offer->price;
    snprintf(detail, sizeof detail, "%s, %s an hour", mlo_pod_offer_shown(offer, k->o->count, shown),
             mlo_usd(cost, usd));
    struct mlo_pod_record r = {.mark = (char *)(uintptr_t)k->mark,
                               .name = (char *)(uintptr_t)(k->o->name ? k->o->name : k->name),
                               .id = k->pod.id,
                               .lease = (char *)(uintptr_t)k->lease,
                               .detail = detail,
                               .cost = cost};
    mlo_pod_record_target(&r, target);
    int rc = mlo_pod_record_format(&r, text, err);
    return rc != 0 ? rc : mlo_str_check(target, err);
}

/* Before it is sent (ordinal < 0), and once it is there. */
static int settle(struct creation *k, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str target;
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&target, MLO_STR_MAX);
    mlo_str_init(&text, MLO_STR_MAX);
    int rc = record(k, &target, &text, err);
    if (rc != 0)
        return rc;
    return k->ordinal < 0
               ? mlo_run_intend(k->ws.run, MLO_EFFECT_POD, target.ptr, NULL, text.ptr, &k->ordinal, err)
               : mlo_run_done_as(k->ws.run, k->ordinal, text.ptr, err);
}

static int try_one(struct creation *k, const struct mlo_pod_offer *offer, struct mlo_err *err)
{
    MLO_AUTOBODY cJSON *body = NULL;
    int rc = make_body(k, offer, &body, err);
    if (rc == 0)
        rc = mlo_runpod_pod_create(k->c, body, &k->pod, err);
    if (rc == 0)
        k->taken = offer;
    return rc;
}

static int nothing_free(struct creation *k, struct mlo_err *err)
{
    int rc = mlo_run_reverted(k->ws.run, k->ordinal, err);
    if (rc != 0)
        return rc;
    mlo_fail(err, MLO_EUNAVAIL, "no capacity: RunPod refused %s",
             k->refused == 1 ? "the only offer" : "every offer");
    return mlo_hint(err,
                    "try again later, or allow more: other GPU types (--gpu, --min-vram), data centres, a "
                    "higher --max-price");
}

/* Capacity is the only refusal after which the next offer is worth asking for. */
static int try_all(struct creation *k, struct mlo_err *err)
{
    char shown[MLO_OFFER_SHOWN];
    for (size_t i = 0; i < k->offers.n; i++) {
        const struct mlo_pod_offer *offer = &k->offers.items[i];
        int rc = try_one(k, offer, err);
        if (rc != MLO_EUNAVAIL)
            return rc;
        k->refused++;
        mlo_note(k->ctx, "%s: no capacity", mlo_pod_offer_shown(offer, k->o->count, shown));
        *err = MLO_ERR_INIT;
    }
    return nothing_free(k, err);
}

/* After a failure: the pod goes, and the failure says so. When it cannot be removed, that is what matters. */
static int take_back(struct creation *k, struct mlo_err *err)
{
    struct mlo_err later = MLO_ERR_INIT;
    int rc = mlo_pod_remove(k->ctx, k->c, k->pod.id, &later);
    if (rc == 0)
        rc = mlo_run_reverted(k->ws.run, k->ordinal, &later);
    if (rc == 0) {
        size_t n = strlen(err->msg);
        snprintf(err->msg + n, sizeof err->msg - n, "; it was removed");
        return err->code;
    }
    mlo_wrap(err, "%s; and", later.msg);
    return mlo_hint(err, "pod %s is still there and may cost money: `mlopsctl runpod pod rm %s`", k->pod.id,
                    k->pod.id);
}

/* What is billed counts, not the catalog. */
static int check_bill(struct creation *k, struct mlo_err *err)
{
    struct mlo_runpod_limits l = limits(k->o);
    int rc = 0;
    for (unsigned i = 0; rc == 0 && k->pod.cost <= 0 && i < COST_LOOKS; i++) {
        struct mlo_runpod_pod now = {0};
        rc = mlo_poll_pause(k->ctx, err);
        if (rc == 0)
            rc = mlo_runpod_pod_get(k->c, k->pod.id, &now, err);
        if (rc == 0) {
            mlo_runpod_pod_release(&k->pod);
            k->pod = now;
        }
    }
    if (rc != 0)
        return rc;
    rc = mlo_runpod_afford(&l, k->pod.cost, err);
    if (rc != 0) {
        mlo_wrap(err, "pod '%s'", k->pod.id);
        return take_back(k, err);
    }
    return 0;
}

static int wait_for_it(struct creation *k, struct mlo_err *err)
{
    int rc = mlo_pod_wait(k->ctx, k->c, &k->pod, &k->probe, k->o->timeout, err);
    if (rc == 0)
        return 0;
    if (err->sys_errno == EINTR) {
        mlo_fail(err, MLO_EIO, "interrupted while waiting for pod '%s', which stays", k->pod.id);
        return mlo_hint(err, "remove it with `mlopsctl runpod pod rm %s`, or let its lease end it",
                        k->pod.id);
    }
    if (k->o->keep)
        return mlo_hint(err, "it was kept: `mlopsctl runpod pod logs %s` tells more", k->pod.id);
    return take_back(k, err);
}

static int make(struct creation *k, struct mlo_err *err)
{
    int rc = settle(k, err);
    if (rc == 0)
        rc = try_all(k, err);
    if (rc == 0)
        rc = settle(k, err);
    if (rc == 0 && (k->o->max_price > 0 || k->o->max_total > 0))
        rc = check_bill(k, err);
    if (rc == 0 && (k->o->wait || k->o->probe))
        rc = wait_for_it(k, err);
    return rc;
}

/* ---- the result ---- */

static int report_urls(const struct creation *k, struct mlo_err *err)
{
    for (size_t i = 0; i < k->n_ports; i++) {
        MLO_AUTOSTR struct mlo_str url;
        mlo_str_init(&url, 4096);
        if (!strstr(k->ports[i], "/http"))
            continue;
        if (mlo_pod_url(k->ctx, k->pod.id, strtoul(k->ports[i], NULL, 10), "/", &url, err))
            return err->code;
        mlo_report_text(k->ctx->report, "url", "url", url.ptr);
        return 0; /* the first; `pod show` lists all */
    }
    return 0;
}

static int report_pod(const struct creation *k, struct mlo_err *err)
{
    struct mlo_report *r = k->ctx->report;
    char usd[MLO_USD_MAX], shown[MLO_OFFER_SHOWN];
    struct mlo_pod_offer where = *k->taken;
    where.data_center = k->pod.data_center ? k->pod.data_center : where.data_center;
    mlo_pod_offer_shown(&where, k->o->count, shown);
    if (k->ctx->json) {
        mlo_report_text(r, "id", "id", k->pod.id);
        mlo_report_text(r, "name", "name", k->pod.name);
        mlo_report_text(r, "status", "status", k->pod.status_text);
        mlo_report_text(r, "hardware", "hardware", where.gpu ? where.gpu : where.cpu);
        mlo_report_text(r, "data_center", "data centre", where.data_center);
        mlo_report_double(r, "cost", "USD an hour", k->pod.cost);
        mlo_report_text(r, "lease", "lease until", k->lease);
        mlo_report_u64(r, "refused", "offers without capacity", k->refused);
        return report_urls(k, err);
    }
    mlo_report_say(r, "created pod %s (%s): %s, %s an hour%s%s", k->pod.id, k->pod.name, shown,
                   mlo_usd(k->pod.cost > 0 ? k->pod.cost : where.price, usd), k->o->lease ? " until " : "",
                   k->o->lease ? k->lease : ", no lease");
    return report_urls(k, err);
}

static void release(struct creation *k)
{
    mlo_env_vars_release(&k->env);
    mlo_runpod_pod_release(&k->pod);
    mlo_pod_offers_release(&k->offers);
    mlo_runpod_template_release(&k->template);
    mlo_runpod_volume_release(&k->volume);
}

static int plan_and_make(struct creation *k, struct mlo_err *err)
{
    int rc = prepare(k, err);
    if (rc == 0 && k->o->dry_run)
        return report_plan(k, err);
    if (rc == 0)
        rc = show_plan(k, err);
    if (rc == 0)
        rc = mlo_consent(k->ctx, "Make this pod?", err);
    if (rc == 0)
        rc = mlo_workspace_begin(k->ctx, &k->ws, 0, err);
    if (rc == 0)
        rc = mlo_workspace_end(&k->ws, make(k, err), err);
    return rc != 0 ? rc : report_pod(k, err);
}

int mlo_pod_create(struct mlo_ctx *ctx, const struct mlo_pod_create *o, struct mlo_err *err)
{
    struct creation k = {.ctx = ctx, .o = o, .ordinal = -1};
    int rc = plan_and_make(&k, err);
    release(&k);
    return rc;
}

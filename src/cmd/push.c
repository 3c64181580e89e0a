/* mlopsctl push: a bundle to a remote; the ref there is an effect that rollback can take back. */
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/text.h>

#include "cmd/shared/remotes.h"
#include "cmd/shared/signatures.h"
#include "table.h"
#include "cmd/undo/undo.h"
#include "cmd/shared/workspace.h"

struct opts {
    const char *as, *layout;
    uint64_t parallel;
    bool dry_run, check;
};

static const struct mlo_opt opts_table[] = {
    {.name = "as",
     .type = MLO_OPT_STRING,
     .arg = "NAME[:TAG]",
     .help = "the name on the remote, when it is to differ",
     .offset = offsetof(struct opts, as),
     .flags = MLO_OPTF_REF},
    {.name = "parallel",
     .type = MLO_OPT_U64,
     .arg = "N",
     .help = "transfers at once",
     .offset = offsetof(struct opts, parallel),
     .min = 1,
     .max = 64},
    {.name = "layout",
     .type = MLO_OPT_CHOICE,
     .arg = "HOW",
     .help =
         "how the bundle lies there: packs sends only what changed, files puts plain files for programs that "
         "read a folder",
     .choices = "packs|files",
     .offset = offsetof(struct opts, layout)},
    {.name = "check",
     .type = MLO_OPT_FLAG,
     .help = "ask for what earlier pushes left there, and send again what is gone",
     .offset = offsetof(struct opts, check)},
    {.name = "dry-run",
     .letter = 'n',
     .type = MLO_OPT_FLAG,
     .help = "say what would be sent, send nothing",
     .offset = offsetof(struct opts, dry_run)},
    {0},
};

struct push {
    struct mlo_workspace ws;
    struct mlo_remote *remote;
    char *address;      /* full: what a rollback opens */
    struct mlo_ref ref; /* on the remote */
    struct mlo_digest manifest;
    struct mlo_sync_stats stats;
    int ordinal; /* of the effect; -1 before it is intended */
};

/* Between the last object and the ref: from here on an undo knows what to put back. */
static int intend(void *ctx, const struct mlo_remote_ref *before, const struct mlo_remote_ref *after,
                  struct mlo_err *err)
{
    struct push *p = ctx;
    char name[MLO_REF_TEXT];
    MLO_AUTOSTR struct mlo_str target;
    MLO_AUTOSTR struct mlo_str was;
    MLO_AUTOSTR struct mlo_str is;
    mlo_str_init(&target, MLO_STR_MAX);
    mlo_str_init(&was, MLO_STR_MAX);
    mlo_str_init(&is, MLO_STR_MAX);
    mlo_str_addf(&target, "%s#%s", p->address, mlo_ref_text(&p->ref, name));
    int rc = mlo_str_check(&target, err);
    if (rc == 0 && before)
        rc = mlo_remote_ref_format(before, &was, err);
    if (rc == 0)
        rc = mlo_remote_ref_format(after, &is, err);
    if (rc != 0)
        return rc;
    return mlo_run_intend(p->ws.run, MLO_EFFECT_REMOTE_REF, target.ptr, before ? was.ptr : NULL, is.ptr,
                          &p->ordinal, err);
}

static int choose_ref(struct push *p, const struct mlo_ref *source, const char *as, struct mlo_err *err)
{
    p->ref = *source;
    int rc = as ? mlo_ref_parse(as, &p->ref, err) : 0;
    if (rc == 0 && as && p->ref.has_digest)
        return mlo_fail(err, MLO_EUSAGE, "--as takes a name, not a digest");
    if (rc == 0 && !*p->ref.name) {
        mlo_fail(err, MLO_EUSAGE, "a bundle given by its digest has no name on the remote");
        return mlo_hint(err, "name it with --as NAME:TAG");
    }
    return rc;
}

static void say_by(const struct push *p, char *buf, size_t n)
{
    char host[64] = "";
    gethostname(host, sizeof host - 1);
    snprintf(buf, n, "%.48s run %lld", host, (long long)mlo_run_id(p->ws.run));
}

static int send(struct push *p, const struct opts *o, struct mlo_err *err)
{
    struct mlo_ctx *ctx = p->ws.ctx;
    struct mlo_signatures signatures = {0};
    struct mlo_ref source = {0};
    char by[128] = "";
    int rc = mlo_workspace_resolve(&p->ws, ctx->args[0], &source, &p->manifest, err);
    if (rc == 0)
        rc = choose_ref(p, &source, o->as, err);
    if (rc == 0)
        rc = mlo_signatures_of(&p->ws, &p->manifest, &signatures, err);
    if (rc == 0)
        rc = mlo_remote_choose(ctx, ctx->n_args > 1 ? ctx->args[1] : NULL, !o->dry_run, &p->address,
                               &p->remote, err);
    if (rc == 0) {
        if (p->ws.run)
            say_by(p, by, sizeof by);
        struct mlo_progress *progress = mlo_progress_start(ctx, "pushing", 0);
        struct mlo_sync_opts sync = {
            .home = p->ws.home,
            .parallel = (unsigned)o->parallel,
            .dry_run = o->dry_run,
            .layout = o->layout && strcmp(o->layout, "files") == 0 ? MLO_LAYOUT_FILES : MLO_LAYOUT_PACKS,
            .check = o->check,
            .progress = mlo_progress_adapter,
            .progress_ctx = progress,
            .before_ref = intend,
            .before_ref_ctx = p,
            .by = by,
            .referrers = signatures.list,
            .n_referrers = signatures.n};
        rc = mlo_push(p->remote, p->ws.store, &p->manifest, &p->ref, &sync, &p->stats, err);
        mlo_progress_end(progress);
    }
    if (rc == 0 && p->ordinal >= 0)
        rc = mlo_run_done(p->ws.run, p->ordinal, err);
    free(signatures.list);
    return rc;
}

static void report(struct push *p, struct mlo_ctx *ctx, bool dry_run)
{
    struct mlo_report *r = ctx->report;
    char name[MLO_REF_TEXT], sent[MLO_HUMAN_MAX], total[MLO_HUMAN_MAX];
    mlo_ref_text(&p->ref, name);
    if (ctx->json) {
        mlo_report_text(r, "name", "name", name);
        mlo_report_text(r, "remote", "remote", mlo_remote_url(p->remote));
        mlo_report_digest(r, "digest", "digest", &p->manifest);
        mlo_report_bool(r, "dry_run", "dry run", dry_run);
        mlo_report_sync(r, &p->stats);
        return;
    }
    mlo_human_size(p->stats.bytes_sent, sent);
    mlo_human_size(p->stats.bytes_total, total);
    if (p->stats.unchanged)
        mlo_report_say(r, "%s is already on %s", name, mlo_remote_url(p->remote));
    else
        mlo_report_say(r, "%s %s to %s: %s, %s sent", dry_run ? "would push" : "pushed", name,
                       mlo_remote_url(p->remote), total, sent);
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct opts *o = options;
    struct push p = {.ordinal = -1};
    int rc = o->dry_run ? mlo_workspace_read(ctx, &p.ws, err) : mlo_workspace_begin(ctx, &p.ws, 0, err);
    if (rc != 0)
        return rc;
    rc = send(&p, o, err);
    if (o->dry_run)
        mlo_workspace_close(&p.ws);
    else
        rc = mlo_workspace_end(&p.ws, rc, err);
    if (*p.stats.warning)
        mlo_warn(ctx, "%s", p.stats.warning);
    if (rc == 0)
        report(&p, ctx, o->dry_run);
    else
        mlo_remote_stopped(err);
    mlo_remote_close(p.remote);
    free(p.address);
    return rc;
}

static const struct mlo_example examples[] = {
    {"To a folder, for instance a mounted volume", "mlopsctl push credit:1.4.0 ./models"},
    {"To a bucket", "mlopsctl push credit:1.4.0 s3://models/credit"},
    {"To a RunPod volume, as files that a program reads there",
     "mlopsctl push credit:1.4.0 runpod://models --layout files"},
    {"To a registry, repository team/credit", "mlopsctl push credit:1.4.0 oci://localhost:5000/team"},
    {"What would be sent", "mlopsctl push --dry-run credit:1.4.0 ./models"},
    {"Under another name there", "mlopsctl push credit:1.4.0 ./models --as credit:prod"},
    {0},
};

const struct mlo_command mlo_cmd_push = {
    .name = "push",
    .group = "move",
    .summary = "send a bundle to a remote",
    .synopsis = "NAME[:TAG] [REMOTE]",
    .description =
        "REMOTE is a folder, s3://BUCKET[/PREFIX], runpod://VOLUME[/PREFIX], oci://HOST/REPOSITORY or a "
        "name\n"
        "from mlops.yaml; without it the setting remote.default. Keys: see mlopsctl-credentials(5).\n"
        "Only chunks that the remote lacks are sent: of a fine-tuned model the tensors that changed.\n"
        "A push that was cut off goes on where it stopped. `mlopsctl rollback` takes the name back.",
    .opts = opts_table,
    .opts_size = sizeof(struct opts),
    .args = {.min = 1, .max = 2, .complete = MLO_OPTF_REF},
    .examples = examples,
    .flags = MLO_CMDF_WRITES,
    .run = run,
};

/* mlopsctl pull: a bundle from a remote. The name moves as any local name does, so rollback moves it back. */
#include <mlopsctl/base/text.h>

#include "cmd/shared/remotes.h"
#include "cmd/shared/signatures.h"
#include "table.h"
#include "cmd/shared/workspace.h"

struct opts {
    const char *as;
    uint64_t parallel;
};

static const struct mlo_opt opts_table[] = {
    {.name = "as",
     .type = MLO_OPT_STRING,
     .arg = "NAME[:TAG]",
     .help = "the name here, when it is to differ",
     .offset = offsetof(struct opts, as),
     .flags = MLO_OPTF_REF},
    {.name = "parallel",
     .type = MLO_OPT_U64,
     .arg = "N",
     .help = "transfers at once",
     .offset = offsetof(struct opts, parallel),
     .min = 1,
     .max = 64},
    {0},
};

struct pull {
    struct mlo_workspace ws;
    struct mlo_remote *remote;
    struct mlo_ref there, here;
    struct mlo_pulled pulled;
    struct mlo_sync_stats stats;
};

static int parse_names(struct pull *p, const char *text, const char *as, struct mlo_err *err)
{
    int rc = mlo_ref_parse(text, &p->there, err);
    if (rc == 0)
        rc = mlo_ref_parse(as ? as : text, &p->here, err);
    if (rc == 0 && as && p->here.has_digest)
        return mlo_fail(err, MLO_EUSAGE, "--as takes a name, not a digest");
    if (rc == 0 && p->there.has_digest && !p->there.has_tag && !as) {
        mlo_fail(err, MLO_EUSAGE, "a bundle given by its digest has no tag here");
        rc = mlo_hint(err, "name it with --as NAME:TAG");
    }
    return rc;
}

static int fetch(struct pull *p, const struct opts *o, struct mlo_err *err)
{
    struct mlo_ctx *ctx = p->ws.ctx;
    char name[MLO_REF_TEXT];
    int rc = mlo_remote_choose(ctx, ctx->n_args > 1 ? ctx->args[1] : NULL, false, NULL, &p->remote, err);
    if (rc != 0)
        return rc;
    struct mlo_progress *progress = mlo_progress_start(ctx, "pulling", 0);
    struct mlo_sync_opts sync = {.home = p->ws.home,
                                 .parallel = (unsigned)o->parallel,
                                 .progress = mlo_progress_adapter,
                                 .progress_ctx = progress};
    rc = mlo_pull(p->remote, p->ws.store, &p->there, &sync, &p->pulled, &p->stats, err);
    mlo_progress_end(progress);
    if (rc == 0)
        rc = mlo_run_move_name_any(p->ws.run, "tag", mlo_ref_text(&p->here, name), &p->pulled.manifest, err);
    for (size_t i = 0; rc == 0 && i < p->pulled.n_referrers; i++)
        rc = mlo_signature_adopt(&p->ws, &p->pulled.referrers[i], &p->pulled.manifest, err);
    return rc;
}

static void report(struct pull *p, struct mlo_ctx *ctx)
{
    struct mlo_report *r = ctx->report;
    char name[MLO_REF_TEXT], sent[MLO_HUMAN_MAX], total[MLO_HUMAN_MAX];
    mlo_ref_text(&p->here, name);
    if (ctx->json) {
        mlo_report_text(r, "name", "name", name);
        mlo_report_text(r, "remote", "remote", mlo_remote_url(p->remote));
        mlo_report_digest(r, "digest", "digest", &p->pulled.manifest);
        mlo_report_sync(r, &p->stats);
        return;
    }
    mlo_report_say(r, "pulled %s from %s: %s, %s fetched", name, mlo_remote_url(p->remote),
                   mlo_human_size(p->stats.bytes_total, total), mlo_human_size(p->stats.bytes_sent, sent));
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct opts *o = options;
    struct pull p = {0};
    int rc = parse_names(&p, ctx->args[0], o->as, err);
    if (rc == 0)
        rc = mlo_workspace_begin(ctx, &p.ws, 0, err);
    if (rc != 0)
        return rc;
    rc = mlo_workspace_end(&p.ws, fetch(&p, o, err), err);
    if (rc == 0 && *p.stats.warning)
        mlo_warn(ctx, "%s", p.stats.warning);
    if (rc == 0)
        report(&p, ctx);
    else
        mlo_remote_stopped(err);
    mlo_remote_close(p.remote);
    free(p.pulled.referrers);
    return rc;
}

static const struct mlo_example examples[] = {
    {"A version from a folder", "mlopsctl pull credit:1.4.0 ./models"},
    {"From a bucket", "mlopsctl pull credit:1.4.0 s3://models/credit"},
    {"From a registry, repository team/credit", "mlopsctl pull credit:1.4.0 oci://localhost:5000/team"},
    {"Under another name here", "mlopsctl pull credit:1.4.0 ./models --as candidate"},
    {0},
};

const struct mlo_command mlo_cmd_pull = {
    .name = "pull",
    .group = "move",
    .summary = "fetch a bundle from a remote",
    .synopsis = "NAME[:TAG][@DIGEST] [REMOTE]",
    .description =
        "REMOTE is a folder, s3://BUCKET[/PREFIX], runpod://VOLUME[/PREFIX], oci://HOST/REPOSITORY or a "
        "name\n"
        "from mlops.yaml; without it the setting remote.default. Keys: see mlopsctl-credentials(5).\n"
        "What is here already is not fetched again, every chunk and every file is verified, and the\n"
        "name moves last. `mlopsctl rollback` moves it back.",
    .opts = opts_table,
    .opts_size = sizeof(struct opts),
    .args = {.min = 1, .max = 2, .complete = MLO_OPTF_REF},
    .examples = examples,
    .flags = MLO_CMDF_WRITES,
    .run = run,
};

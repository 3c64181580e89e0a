/* mlopsctl export: a bundle as one tar file that other OCI tools read. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

#include "cmd/shared/paths.h"
#include "cmd/shared/signatures.h"
#include "table.h"
#include "cmd/undo/undo.h"
#include "cmd/shared/workspace.h"

struct opts {
    const char *output;
    bool force;
};

static const struct mlo_opt opts_table[] = {
    {.name = "output",
     .letter = 'o',
     .type = MLO_OPT_STRING,
     .arg = "FILE",
     .help = "where to; - is standard output",
     .offset = offsetof(struct opts, output),
     .flags = MLO_OPTF_REQUIRED | MLO_OPTF_FILE},
    {.name = "force",
     .letter = 'f',
     .type = MLO_OPT_FLAG,
     .help = "replace a file that is there; that cannot be rolled back",
     .offset = offsetof(struct opts, force)},
    {0},
};

struct export
{
    struct mlo_workspace ws;
    struct mlo_ref ref;
    struct mlo_digest manifest, digest; /* digest: of the file */
    struct mlo_signatures signatures;
    char *path;
    uint64_t size;
};

static int find(struct export *x, struct mlo_err *err)
{
    int rc = mlo_workspace_resolve(&x->ws, x->ws.ctx->args[0], &x->ref, &x->manifest, err);
    return rc != 0 ? rc : mlo_signatures_of(&x->ws, &x->manifest, &x->signatures, err);
}

static int write_tar(struct export *x, int fd, struct mlo_err *err)
{
    char name[MLO_REF_TEXT];
    struct mlo_progress *progress = mlo_progress_start(x->ws.ctx, "exporting", 0);
    struct mlo_export_opts o = {.ref = *x->ref.name ? mlo_ref_text(&x->ref, name) : NULL,
                                .referrers = x->signatures.list,
                                .n_referrers = x->signatures.n,
                                .progress = mlo_progress_adapter,
                                .progress_ctx = progress,
                                .ret_digest = &x->digest,
                                .ret_size = &x->size};
    int rc = mlo_bundle_export(x->ws.store, &x->manifest, &o, fd, err);
    mlo_progress_end(progress);
    return rc;
}

static int to_stdout(struct export *x, struct mlo_err *err)
{
    int rc = find(x, err);
    if (rc == 0 && isatty(STDOUT_FILENO))
        rc = mlo_fail(err, MLO_EUSAGE, "not writing an archive to a terminal");
    return rc != 0 ? rc : write_tar(x, STDOUT_FILENO, err);
}

/* The file is whole under a temporary name before the ledger hears of it and before it gets its own. */
static int place(struct export *x, struct mlo_newfile *f, bool force, struct mlo_err *err)
{
    char text[MLO_DIGEST_TEXT];
    int ordinal = -1;
    if (force && access(x->path, F_OK) == 0) {
        int rc = mlo_run_irreversible(x->ws.run, MLO_EFFECT_FILE, x->path, NULL, err);
        return rc != 0 ? rc : mlo_newfile_commit(f, err);
    }
    int rc = mlo_run_intend(x->ws.run, MLO_EFFECT_FILE, x->path, NULL, mlo_digest_text(&x->digest, text),
                            &ordinal, err);
    if (rc == 0)
        rc = mlo_newfile_commit_excl(f, err);
    return rc != 0 ? rc : mlo_run_done(x->ws.run, ordinal, err);
}

static int to_file(struct export *x, const struct opts *o, struct mlo_err *err)
{
    struct mlo_newfile f = MLO_NEWFILE_INIT;
    int rc = find(x, err);
    if (rc == 0)
        rc = mlo_path_absolute(o->output, &x->path, err);
    if (rc == 0 && !o->force && access(x->path, F_OK) == 0) {
        mlo_fail(err, MLO_ECONFLICT, "'%s' is there already", x->path);
        return mlo_hint(err, "--force replaces it");
    }
    if (rc == 0)
        rc = mlo_newfile_begin(&f, AT_FDCWD, x->path, 0644, err);
    if (rc == 0)
        rc = write_tar(x, f.fd, err);
    if (rc == 0)
        rc = place(x, &f, o->force, err);
    mlo_newfile_abort(&f);
    return rc;
}

static void report(const struct export *x, struct mlo_ctx *ctx)
{
    MLO_AUTOSTR struct mlo_str shown;
    char size[MLO_HUMAN_MAX];
    mlo_str_init(&shown, MLO_STR_MAX);
    mlo_escape(&shown, x->path, strlen(x->path));
    if (ctx->json) {
        mlo_report_text(ctx->report, "file", "file", x->path);
        mlo_report_digest(ctx->report, "digest", "digest", &x->manifest);
        mlo_report_digest(ctx->report, "file_digest", "file's digest", &x->digest);
        mlo_report_size(ctx->report, "bytes", "bytes", x->size);
    }
    mlo_report_say(ctx->report, "exported %s to %s: %s", ctx->args[0], shown.ptr,
                   mlo_human_size(x->size, size));
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct opts *o = options;
    struct export x = {0};
    bool piped = strcmp(o->output, "-") == 0;
    int rc = piped ? mlo_workspace_read(ctx, &x.ws, err) : mlo_workspace_begin(ctx, &x.ws, 0, err);
    if (rc != 0)
        return rc;
    if (piped) {
        rc = to_stdout(&x, err);
        mlo_workspace_close(&x.ws);
    } else {
        rc = mlo_workspace_end(&x.ws, to_file(&x, o, err), err);
        if (rc == 0)
            report(&x, ctx);
    }
    free(x.signatures.list);
    free(x.path);
    return rc;
}

static const struct mlo_example examples[] = {
    {"One file that skopeo, oras and tar read", "mlopsctl export credit:1.4.0 -o credit.tar"},
    {"Into a pipe", "mlopsctl export credit:1.4.0 -o - | tar -tf -"},
    {0},
};

const struct mlo_command mlo_cmd_export = {
    .name = "export",
    .group = "bundles",
    .summary = "write a bundle as one tar file",
    .synopsis = "NAME[:TAG] -o FILE",
    .description =
        "The file is an OCI image layout in a tar, with the bundle's signatures. The same bundle gives\n"
        "the same bytes every time. `mlopsctl import` and other OCI tools read it.",
    .opts = opts_table,
    .opts_size = sizeof(struct opts),
    .args = {.min = 1, .max = 1, .complete = MLO_OPTF_REF},
    .examples = examples,
    .flags = MLO_CMDF_WRITES,
    .run = run,
};

/* mlopsctl unpack: a bundle as files. A whole bundle in a folder of its own can be rolled back. */
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include <mlopsctl/base/text.h>
#include <mlopsctl/base/thread.h>

#include "cmd/shared/paths.h"
#include "table.h"
#include "cmd/undo/undo.h"
#include "cmd/shared/workspace.h"

struct opts {
    const char *output;
    struct mlo_strings select;
    bool force;
};

static const struct mlo_opt opts_table[] = {
    {.name = "output",
     .letter = 'o',
     .type = MLO_OPT_STRING,
     .arg = "FOLDER",
     .help = "where to; without it a folder with the bundle's name here",
     .offset = offsetof(struct opts, output),
     .flags = MLO_OPTF_FOLDER},
    {.name = "select",
     .type = MLO_OPT_LIST,
     .arg = "PATTERN",
     .help = "only files with this path, below this folder or matching this pattern; may be given again",
     .offset = offsetof(struct opts, select)},
    {.name = "force",
     .letter = 'f',
     .type = MLO_OPT_FLAG,
     .help = "into a folder that is not empty: files of the same names are replaced, others stay",
     .offset = offsetof(struct opts, force)},
    {0},
};

struct unpack {
    struct mlo_workspace ws;
    struct mlo_ref ref;
    struct mlo_digest manifest;
    char *folder; /* absolute */
    uint64_t bytes;
    size_t files;
};

/* The last component of the bundle's name. */
static const char *default_folder(const struct mlo_ref *ref)
{
    const char *slash = strrchr(ref->name, '/');
    return slash ? slash + 1 : ref->name;
}

/* Only what is whole and in a folder of its own can be taken back without touching anything else. */
static int record(struct unpack *u, const struct opts *o, bool existed, int *ret_ordinal, struct mlo_err *err)
{
    char text[MLO_DIGEST_TEXT];
    mlo_digest_text(&u->manifest, text);
    if (existed || o->select.n > 0)
        return mlo_run_irreversible(u->ws.run, MLO_EFFECT_FOLDER, u->folder, NULL, err);
    return mlo_run_intend(u->ws.run, MLO_EFFECT_FOLDER, u->folder, NULL, text, ret_ordinal, err);
}

static int work(struct unpack *u, const struct opts *o, struct mlo_err *err)
{
    struct mlo_ctx *ctx = u->ws.ctx;
    struct stat st;
    int ordinal = -1;
    int rc = mlo_workspace_resolve(&u->ws, ctx->args[0], &u->ref, &u->manifest, err);
    if (rc == 0 && !o->output && !*u->ref.name)
        rc = mlo_fail(err, MLO_EUSAGE, "a bundle given by its digest needs --output");
    if (rc == 0)
        rc = mlo_path_absolute(o->output ? o->output : default_folder(&u->ref), &u->folder, err);
    if (rc == 0)
        rc = record(u, o, stat(u->folder, &st) == 0, &ordinal, err);
    if (rc != 0)
        return rc;
    struct mlo_progress *progress = mlo_progress_start(ctx, "unpacking", 0);
    struct mlo_unpack_opts opts = {.select = o->select.items,
                                   .n_select = o->select.n,
                                   .force = o->force,
                                   .threads = mlo_cpu_count(),
                                   .progress = mlo_progress_adapter,
                                   .progress_ctx = progress};
    rc = mlo_bundle_unpack(u->ws.store, &u->manifest, u->folder, &opts, &u->bytes, &u->files, err);
    mlo_progress_end(progress);
    return rc == 0 && ordinal >= 0 ? mlo_run_done(u->ws.run, ordinal, err) : rc;
}

static void report(const struct unpack *u, struct mlo_ctx *ctx)
{
    MLO_AUTOSTR struct mlo_str shown;
    char size[MLO_HUMAN_MAX];
    mlo_str_init(&shown, MLO_STR_MAX);
    mlo_escape(&shown, u->folder, strlen(u->folder));
    if (ctx->json) {
        mlo_report_text(ctx->report, "folder", "folder", u->folder);
        mlo_report_digest(ctx->report, "digest", "digest", &u->manifest);
        mlo_report_u64(ctx->report, "files", "files", u->files);
        mlo_report_size(ctx->report, "bytes", "bytes", u->bytes);
    }
    mlo_report_say(ctx->report, "unpacked %s into %s: %zu file%s, %s", ctx->args[0], shown.ptr, u->files,
                   u->files == 1 ? "" : "s", mlo_human_size(u->bytes, size));
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct unpack u = {0};
    int rc = mlo_workspace_begin(ctx, &u.ws, 0, err);
    if (rc == 0)
        rc = mlo_workspace_end(&u.ws, work(&u, options, err), err);
    if (rc == 0)
        report(&u, ctx);
    free(u.folder);
    return rc;
}

static const struct mlo_example examples[] = {
    {"The files of a version", "mlopsctl unpack credit:1.4.0 -o out"},
    {"Only the configuration", "mlopsctl unpack credit:1.4.0 -o some --select '*.json'"},
    {0},
};

const struct mlo_command mlo_cmd_unpack = {
    .name = "unpack",
    .group = "bundles",
    .summary = "write a bundle's files into a folder",
    .synopsis = "NAME[:TAG]",
    .description =
        "Every byte is verified on its way, and the folder gets its name when all of it is there.\n"
        "Files are copies (sharing blocks where the file system can), never links into the store.\n"
        "`mlopsctl rollback` removes the folder again while nothing in it was changed.",
    .opts = opts_table,
    .opts_size = sizeof(struct opts),
    .args = {.min = 1, .max = 1, .complete = MLO_OPTF_REF},
    .examples = examples,
    .flags = MLO_CMDF_WRITES,
    .run = run,
};

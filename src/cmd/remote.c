/* mlopsctl remote: which remotes there are, what is on them, whether it is whole. */
#include <string.h>

#include <mlopsctl/base/secret.h>

#include "remotes.h"
#include "table.h"

/* ---- ls ---- */

static const struct mlo_column ls_columns[] = {{"name", "NAME", MLO_CELL_TEXT},
                                               {"url", "ADDRESS", MLO_CELL_TEXT}};

static int ls_row(void *ctx, const char *name, const char *url, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str shown;
    mlo_str_init(&shown, MLO_STR_MAX);
    mlo_redact(&shown, url, strlen(url));
    int rc = mlo_str_check(&shown, err);
    if (rc != 0)
        return rc;
    mlo_cell_text(ctx, name);
    mlo_cell_text(ctx, shown.ptr);
    return 0;
}

static int run_ls(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    (void)options;
    mlo_report_table(ctx->report, "remotes", NULL, ls_columns, MLO_COUNT(ls_columns),
                     "no remotes: name some in mlops.yaml under `remotes`");
    return mlo_remote_names(ctx, ls_row, ctx->report, err);
}

static const struct mlo_example ls_examples[] = {{"The remotes of mlops.yaml", "mlopsctl remote ls"}, {0}};

static const struct mlo_command cmd_ls = {
    .name = "ls",
    .summary = "list the remotes of mlops.yaml",
    .synopsis = "",
    .description = "Remotes are named in mlops.yaml under `remotes`, each with its `url`.",
    .examples = ls_examples,
    .run = run_ls,
};

/* ---- refs ---- */

static const struct mlo_column refs_columns[] = {
    {"name", "NAME", MLO_CELL_TEXT}, {"tag", "TAG", MLO_CELL_TEXT},     {"digest", "DIGEST", MLO_CELL_DIGEST},
    {"size", "SIZE", MLO_CELL_SIZE}, {"time", "PUSHED", MLO_CELL_TIME}, {"by", "BY", MLO_CELL_TEXT},
};

static int refs_row(void *ctx, const char *name, const char *tag, const struct mlo_remote_ref *ref,
                    struct mlo_err *err)
{
    struct mlo_report *r = ctx;
    (void)err;
    mlo_cell_text(r, name);
    mlo_cell_text(r, tag);
    mlo_cell_digest(r, &ref->manifest);
    mlo_cell_u64(r, ref->size);
    if (ref->time_ns != 0) { /* a registry's tag does not say when and by whom */
        mlo_cell_i64(r, ref->time_ns);
        mlo_cell_text(r, ref->by);
    } else {
        mlo_cell_none(r);
        mlo_cell_none(r);
    }
    return 0;
}

static int run_refs(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct mlo_remote *r = NULL;
    (void)options;
    int rc = mlo_remote_choose(ctx, ctx->n_args ? ctx->args[0] : NULL, false, &r, err);
    if (rc != 0)
        return rc;
    mlo_report_table(ctx->report, "refs", NULL, refs_columns, MLO_COUNT(refs_columns),
                     "nothing has been pushed there");
    rc = mlo_remote_ref_each(r, refs_row, ctx->report, err);
    mlo_remote_close(r);
    return rc;
}

static const struct mlo_example refs_examples[] = {{"What is on a remote", "mlopsctl remote refs ./models"},
                                                   {0}};

static const struct mlo_command cmd_refs = {
    .name = "refs",
    .summary = "list what is on a remote",
    .synopsis = "[REMOTE]",
    .description =
        "Every name and tag on REMOTE with the bundle it leads to, when and by whom it was pushed.",
    .args = {.max = 1, .complete = MLO_OPTF_FOLDER},
    .examples = refs_examples,
    .run = run_refs,
};

/* ---- check ---- */

struct check_opts {
    bool deep;
};

static const struct mlo_opt check_table[] = {
    {.name = "deep",
     .type = MLO_OPT_FLAG,
     .help = "read and hash every chunk, not sizes alone",
     .offset = offsetof(struct check_opts, deep)},
    {0},
};

static const struct mlo_column check_columns[] = {
    {"name", "NAME", MLO_CELL_TEXT},
    {"tag", "TAG", MLO_CELL_TEXT},
    {"fault", "FAULT", MLO_CELL_TEXT},
    {"key", "OBJECT", MLO_CELL_TEXT},
};

static int check_row(void *ctx, const struct mlo_remote_fault *f, struct mlo_err *err)
{
    struct mlo_report *r = ctx;
    (void)err;
    mlo_cell_text(r, f->name);
    mlo_cell_text(r, f->tag);
    mlo_cell_text(r, f->what);
    mlo_cell_text(r, f->key);
    return 0;
}

static int run_check(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct check_opts *o = options;
    struct mlo_remote *r = NULL;
    uint64_t refs = 0;
    int rc = mlo_remote_choose(ctx, ctx->n_args ? ctx->args[0] : NULL, false, &r, err);
    if (rc != 0)
        return rc;
    mlo_report_table(ctx->report, "faults", NULL, check_columns, MLO_COUNT(check_columns), "no faults");
    rc = mlo_remote_check(r, o->deep, check_row, ctx->report, &refs, err);
    mlo_remote_close(r);
    return rc;
}

static const struct mlo_example check_examples[] = {
    {"Is all there that the names lead to?", "mlopsctl remote check ./models"},
    {"And is it undamaged?", "mlopsctl remote check --deep ./models"},
    {0},
};

static const struct mlo_command cmd_check = {
    .name = "check",
    .summary = "look whether all is there that a remote's names lead to",
    .synopsis = "[REMOTE]",
    .description =
        "Follows every name on REMOTE to its manifest, recipe and packs. Exit 1 when something is\n"
        "missing or damaged; `mlopsctl push --check` sends again what is missing.",
    .opts = check_table,
    .opts_size = sizeof(struct check_opts),
    .args = {.max = 1, .complete = MLO_OPTF_FOLDER},
    .examples = check_examples,
    .run = run_check,
};

static const struct mlo_command *const subs[] = {&cmd_ls, &cmd_refs, &cmd_check, NULL};

const struct mlo_command mlo_cmd_remote = {
    .name = "remote",
    .group = "move",
    .summary = "see which remotes there are and what is on them",
    .synopsis = "COMMAND",
    .description = "Remotes hold bundles elsewhere: `mlopsctl push` and `mlopsctl pull` move them.",
    .subs = subs,
};

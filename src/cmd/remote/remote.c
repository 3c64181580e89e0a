/* mlopsctl remote: which remotes there are, what is on them, whether it is whole. */
#include <string.h>

#include <mlopsctl/base/secret.h>

#include "remote.h"
#include "cmd/shared/remotes.h"
#include "cmd/table.h"

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
                     "no remotes: `mlopsctl remote add NAME URL` names one");
    return mlo_remote_names(ctx, ls_row, ctx->report, err);
}

static const struct mlo_example ls_examples[] = {{"The remotes of mlops.yaml", "mlopsctl remote ls"}, {0}};

const struct mlo_command mlo_cmd_remote_ls = {
    .name = "ls",
    .summary = "list the remotes of mlops.yaml",
    .synopsis = "",
    .description =
        "Remotes are named in mlops.yaml or the user's config.yaml under `remotes`, each with its `url`;\n"
        "`mlopsctl remote add` writes one there.",
    .examples = ls_examples,
    .run = run_ls,
};

/* ---- refs ---- */

struct refs_opts {
    bool history;
};

static const struct mlo_opt refs_table[] = {
    {.name = "history",
     .type = MLO_OPT_FLAG,
     .help = "what the tags led to before too, newest first",
     .offset = offsetof(struct refs_opts, history)},
    {0},
};

static const struct mlo_column refs_columns[] = {
    {"name", "NAME", MLO_CELL_TEXT},       {"tag", "TAG", MLO_CELL_TEXT},
    {"digest", "DIGEST", MLO_CELL_DIGEST}, {"size", "SIZE", MLO_CELL_SIZE},
    {"time", "PUSHED", MLO_CELL_TIME},     {"by", "BY", MLO_CELL_TEXT},
    {"state", "STATE", MLO_CELL_TEXT}, /* with --history */
};

struct refs {
    struct mlo_ctx *ctx;
    bool history;
    const char *state;
    const struct mlo_ref *only; /* NULL: all */
    bool only_name;             /* of `only`, its name alone counts */
    char **names;               /* owned: each once, for their history */
    size_t n, cap;
};

static void refs_row(const struct refs *l, const char *name, const char *tag,
                     const struct mlo_remote_ref *ref)
{
    struct mlo_report *r = l->ctx->report;
    mlo_cell_text(r, name);
    mlo_cell_text(r, tag);
    mlo_cell_digest(r, &ref->manifest);
    mlo_cell_u64(r, ref->size);
    if (ref->time_ns)
        mlo_cell_i64(r, ref->time_ns);
    else /* a registry's tag has neither time nor author */
        mlo_cell_none(r);
    mlo_cell_text(r, *ref->by ? ref->by : NULL);
    if (l->history)
        mlo_cell_text(r, l->state);
}

static int keep_name(struct refs *l, const char *name, struct mlo_err *err)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->names[i], name) == 0)
            return 0;
    if (mlo_grow(&l->names, &l->cap, l->n + 1, sizeof *l->names, err))
        return err->code;
    l->names[l->n] = mlo_strdup(name, err);
    return l->names[l->n] ? (l->n++, 0) : MLO_EIO;
}

static int on_ref(void *ctx, const char *name, const char *tag, const struct mlo_remote_ref *ref,
                  struct mlo_err *err)
{
    struct refs *l = ctx;
    if (l->only && (strcmp(name, l->only->name) != 0 || (!l->only_name && strcmp(tag, l->only->tag) != 0)))
        return 0;
    refs_row(l, name, tag, ref);
    return l->history ? keep_name(l, name, err) : 0;
}

static int on_old_ref(void *ctx, const char *name, const char *tag, const struct mlo_remote_ref *ref,
                      struct mlo_err *err)
{
    (void)err;
    refs_row(ctx, name, tag, ref);
    return 0;
}

static int list_refs(struct refs *l, struct mlo_remote *r, struct mlo_err *err)
{
    l->state = "now";
    int rc = mlo_remote_ref_each(r, on_ref, l, err);
    if (rc == 0 && l->history && l->only) /* a name whose tags are all gone has a history still */
        rc = keep_name(l, l->only->name, err);
    l->state = "before";
    for (size_t i = 0; rc == 0 && i < l->n; i++)
        rc = mlo_remote_ref_history(r, l->names[i], l->only && !l->only_name ? l->only->tag : NULL,
                                    on_old_ref, l, err);
    return rc;
}

static int run_refs(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct refs_opts *o = options;
    struct mlo_remote *r = NULL;
    struct mlo_ref only = {0};
    struct refs l = {.ctx = ctx, .history = o->history};
    int rc = ctx->n_args > 1 ? mlo_ref_parse(ctx->args[1], &only, err) : 0;
    if (rc == 0)
        rc = mlo_remote_choose(ctx, ctx->n_args ? ctx->args[0] : NULL, false, NULL, &r, err);
    if (rc != 0)
        return rc;
    if (ctx->n_args > 1) {
        l.only = &only;
        l.only_name = !strchr(ctx->args[1], ':');
    }
    mlo_report_table(ctx->report, "refs", NULL, refs_columns, MLO_COUNT(refs_columns) - !o->history,
                     l.only ? "nothing of that name is there" : "nothing has been pushed there");
    rc = list_refs(&l, r, err);
    for (size_t i = 0; i < l.n; i++)
        free(l.names[i]);
    free(l.names);
    mlo_remote_close(r);
    return rc;
}

static const struct mlo_example refs_examples[] = {
    {"What is on a remote", "mlopsctl remote refs ./models"},
    {"What a name led to, now and before", "mlopsctl remote refs --history ./models credit"},
    {0},
};

const struct mlo_command mlo_cmd_remote_refs = {
    .name = "refs",
    .summary = "list what is on a remote",
    .synopsis = "[REMOTE [NAME[:TAG]]]",
    .description =
        "Every name and tag on REMOTE with the bundle it leads to, when and by whom it was pushed;\n"
        "with NAME that one alone. A replaced or removed name keeps its former values there: --history.",
    .opts = refs_table,
    .opts_size = sizeof(struct refs_opts),
    .args = {.max = 2, .complete = MLO_OPTF_FOLDER},
    .examples = refs_examples,
    .run = run_refs,
};

static const struct mlo_command *const subs[] = {&mlo_cmd_remote_ls,   &mlo_cmd_remote_add,
                                                 &mlo_cmd_remote_rm,   &mlo_cmd_remote_check,
                                                 &mlo_cmd_remote_refs, NULL};

const struct mlo_command mlo_cmd_remote = {
    .name = "remote",
    .group = "move",
    .summary = "name remotes, look what is on them and whether they work",
    .synopsis = "COMMAND",
    .description = "Remotes hold bundles elsewhere: `mlopsctl push` and `mlopsctl pull` move them.",
    .subs = subs,
};

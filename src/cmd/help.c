/* mlopsctl help: of a command, of a nested verb, of everything; the man page with --man. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#include "table.h"

struct opts {
    bool man, names;
};

static const struct mlo_opt opts_table[] = {
    {.name = "man",
     .type = MLO_OPT_FLAG,
     .help = "the man page in roff, as scripts/gen-man wants it",
     .offset = offsetof(struct opts, man),
     .flags = MLO_OPTF_HIDDEN},
    {.name = "names",
     .type = MLO_OPT_FLAG,
     .help = "the names of all commands, one a line",
     .offset = offsetof(struct opts, names),
     .flags = MLO_OPTF_HIDDEN},
    {0},
};

/* The command that the words name, and what stands before its own name: "mlopsctl ledger". */
static int find(struct mlo_ctx *ctx, const struct mlo_command **ret, struct mlo_str *prefix,
                struct mlo_err *err)
{
    const struct mlo_command *const *table = mlo_commands;
    const struct mlo_command *found = NULL;
    mlo_str_add(prefix, "mlopsctl");
    for (size_t i = 0; i < ctx->n_args; i++) {
        struct mlo_nearest near = {.word = ctx->args[i]};
        if (found)
            mlo_str_addf(prefix, " %s", found->name);
        found = NULL;
        for (; table && *table; table++) {
            mlo_nearest_offer(&near, (*table)->name);
            if (strcmp((*table)->name, ctx->args[i]) == 0)
                found = *table;
        }
        if (!found) {
            MLO_AUTOSTR struct mlo_str shown;
            mlo_str_init(&shown, sizeof err->msg);
            mlo_escape(&shown, ctx->args[i], strlen(ctx->args[i]));
            mlo_fail(err, MLO_EUSAGE, "there is no command '%s'", shown.ptr);
            return near.best ? mlo_hint(err, "did you mean %s?", near.best) : err->code;
        }
        table = found->subs;
    }
    *ret = found;
    return 0;
}

static void print_names(FILE *out)
{
    for (const struct mlo_command *const *c = mlo_commands; *c; c++)
        if (!((*c)->flags & MLO_CMDF_HIDDEN))
            fprintf(out, "%s\n", (*c)->name);
}

static void print(FILE *out, const struct mlo_command *cmd, const char *prefix, const struct opts *opts)
{
    if (opts->names)
        print_names(out);
    else if (opts->man && cmd)
        mlo_man_page(out, cmd, prefix);
    else if (opts->man)
        mlo_man_overview(out, mlo_commands);
    else if (cmd)
        mlo_help_print(out, cmd, prefix);
    else
        mlo_help_overview(out, mlo_commands);
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct opts *opts = options;
    const struct mlo_command *cmd = NULL;
    MLO_AUTOSTR struct mlo_str prefix;
    mlo_str_init(&prefix, 1024);
    int rc = find(ctx, &cmd, &prefix, err);
    if (rc < 0)
        return rc;
    MLO_AUTOFREE char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (!out)
        return mlo_fail_nomem(err);
    print(out, cmd, prefix.ptr, opts);
    if (fclose(out) != 0)
        return mlo_fail_nomem(err);
    mlo_report_raw(ctx->report, "text", text);
    return 0;
}

static const struct mlo_example examples[] = {
    {"all commands", "mlopsctl help"},
    {"one of them", "mlopsctl help config"},
    {0},
};

const struct mlo_command mlo_cmd_help = {
    .name = "help",
    .group = "help",
    .summary = "show what a command does and takes",
    .synopsis = "[COMMAND [VERB]]",
    .description = "Shows the same as `mlopsctl COMMAND -h`; without a command, the list of all.\n"
                   "It needs no store and no settings.",
    .opts = opts_table,
    .opts_size = sizeof(struct opts),
    .args = {.max = 8, .complete = MLO_OPTF_COMMAND},
    .examples = examples,
    .run = run,
};

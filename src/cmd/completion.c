/* mlopsctl completion: the script for a shell. What it asks later is src/cmd/query.c. */
#include <stdio.h>

#include "table.h"

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    size_t len = 0;
    (void)options;
    FILE *out = open_memstream(&text, &len);
    if (!out)
        return mlo_fail_nomem(err);
    int rc = mlo_completion_script(out, mlo_commands, ctx->args[0], err);
    if (fclose(out) != 0 && rc == 0)
        return mlo_fail_nomem(err);
    if (rc == 0)
        mlo_report_raw(ctx->report, "script", text);
    return rc;
}

static const struct mlo_example examples[] = {
    {"for bash: source the file it makes", "mlopsctl completion bash >mlopsctl.bash"},
    {"for fish: put it into ~/.config/fish/completions", "mlopsctl completion fish >mlopsctl.fish"},
    {0},
};

const struct mlo_command mlo_cmd_completion = {
    .name = "completion",
    .group = "help",
    .summary = "print a completion script for bash, zsh or fish",
    .synopsis = "bash|zsh|fish",
    .description =
        "Prints a script that completes commands, options, their values, files and the names of bundles.\n"
        "`make install` puts the three where the shells look for them.",
    .args = {.min = 1, .max = 1, .choices = "bash|zsh|fish"},
    .examples = examples,
    .run = run,
};

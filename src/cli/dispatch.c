/* From the command line to the exit status: which command, its options, run, result or error, check that it
 * was written. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

#include "internal.h"

#define MAX_NAME 256 /* of a command with its nested verbs */

static bool wants_color(char *const *env, bool tty)
{
    const char *no = mlo_env_get(env, "NO_COLOR"), *term = mlo_env_get(env, "TERM");
    return tty && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
}

static void ctx_init(struct mlo_ctx *ctx, int argc, char **argv, char **env)
{
    const char *no = mlo_env_get(env, "NO_COLOR");
    *ctx = (struct mlo_ctx){.argc = argc, .argv = argv, .env = env};
    ctx->tty_out = isatty(STDOUT_FILENO);
    ctx->tty_err = isatty(STDERR_FILENO);
    ctx->color = wants_color(env, ctx->tty_out);
    ctx->color_given = no && *no;
}

/* ---- errors ---- */

static int print_error_json(const struct mlo_err *e)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOJSON cJSON *doc = cJSON_CreateObject();
    mlo_json_add_u64(doc, "schema", MLO_JSON_SCHEMA);
    cJSON *node = cJSON_AddObjectToObject(doc, "error");
    struct mlo_value kind = {.type = MLO_CELL_TEXT}, msg = kind, hint = kind;
    char text[sizeof e->msg], hint_text[sizeof e->hint], name[32];
    snprintf(name, sizeof name, "%s", mlo_code_name(e->code));
    memcpy(text, e->msg, sizeof text);
    memcpy(hint_text, e->hint, sizeof hint_text);
    kind.text = name, msg.text = text, hint.text = hint_text;
    hint.none = !*hint_text;
    MLO_AUTOFREE char *line = NULL;
    size_t len = 0;
    if (!node || !mlo_value_json(&kind, node, "kind") || !mlo_value_json(&msg, node, "message") ||
        !mlo_value_json(&hint, node, "hint") || mlo_json_print(doc, &line, &len, &err) < 0)
        return MLO_EIO;
    fprintf(stderr, "%s\n", line);
    return 0;
}

static void print_error(const struct mlo_ctx *ctx, const struct mlo_err *e)
{
    if (ctx->json && print_error_json(e) == 0)
        return;
    fprintf(stderr, MLO_PROGRAM ": %s%s%s\n", ctx->cmd_name ? ctx->cmd_name : "", ctx->cmd_name ? ": " : "",
            e->msg);
    if (*e->hint)
        fprintf(stderr, "hint: %s\n", e->hint);
}

/* A result that was not written was not given: a full disk must not end in status 0. */
static int check_stdout(struct mlo_err *err)
{
    bool failed = ferror(stdout) != 0;
    errno = 0;
    if (fflush(stdout) == 0 && !failed)
        return 0;
    if (errno == EPIPE) { /* the reader went away and SIGPIPE is ignored: nobody is there to be told */
        mlo_fail(err, MLO_EIO, "standard output was closed");
        err->msg[0] = '\0';
        return MLO_EIO;
    }
    mlo_fail_errno(err, "cannot write to standard output");
    return err->code = MLO_EIO;
}

/* What stands behind a wrong word was not read, but how errors are wanted holds for this one too. */
static bool wants_json(const struct mlo_ctx *ctx)
{
    for (int i = 1; i < ctx->argc && strcmp(ctx->argv[i], "--") != 0; i++)
        if (strcmp(ctx->argv[i], "--json") == 0)
            return true;
    return false;
}

static int exit_status(struct mlo_ctx *ctx, int rc, struct mlo_err *err)
{
    struct mlo_err out_err = MLO_ERR_INIT;
    int written = check_stdout(&out_err);
    if (rc < MLO_EINTERNAL || rc > 0)
        rc = mlo_fail(err, MLO_EINTERNAL, "the command returned %d", rc);
    if (rc < MLO_NO && !*err->msg)
        mlo_fail(err, rc, "failed without a reason");
    if (rc < 0 && *err->msg) {
        err->code = rc;
        ctx->json = ctx->json || (rc == MLO_EUSAGE && wants_json(ctx));
        print_error(ctx, err);
    }
    if (written < 0 && rc >= MLO_NO) {
        rc = written;
        if (*out_err.msg)
            print_error(ctx, &out_err);
    }
    return -rc;
}

/* ---- finding the command ---- */

static int unknown_command(const struct mlo_command *const *table, const char *parent, const char *word,
                           struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str shown;
    mlo_str_init(&shown, MLO_PATH_MAX);
    mlo_escape(&shown, word, strlen(word));
    struct mlo_nearest near = {.word = word};
    for (; *table; table++)
        if (!((*table)->flags & MLO_CMDF_HIDDEN))
            mlo_nearest_offer(&near, (*table)->name);
    mlo_fail(err, MLO_EUSAGE, "there is no command '%s%s%s'", parent, *parent ? " " : "", shown.ptr);
    if (near.best)
        return mlo_hint(err, "did you mean %s%s%s?", parent, *parent ? " " : "", near.best);
    return mlo_hint(err, "see `" MLO_PROGRAM " help%s%s`", *parent ? " " : "", parent);
}

static int missing_verb(const struct mlo_command *cmd, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str verbs;
    mlo_str_init(&verbs, sizeof err->msg);
    for (const struct mlo_command *const *s = cmd->subs; *s; s++)
        mlo_str_addf(&verbs, "%s%s", s == cmd->subs ? "" : ", ", (*s)->name);
    return mlo_fail(err, MLO_EUSAGE, "which one: %s?", verbs.ptr);
}

static int add_name(char *name, const char *word, struct mlo_err *err)
{
    size_t len = strlen(name), more = strlen(word) + (len ? 1 : 0);
    if (more >= MAX_NAME - len)
        return mlo_fail(err, MLO_EINTERNAL, "the name of command '%s' is too long", word);
    snprintf(name + len, MAX_NAME - len, "%s%s", len ? " " : "", word);
    return 0;
}

/* Takes global options and the word after them, NULL at the end of the line. `--version` is the command of
 * that name. */
static int next_word(struct mlo_ctx *ctx, int *at, const char **ret, struct mlo_err *err)
{
    if (!ctx->cmd && *at < ctx->argc && strcmp(ctx->argv[*at], "--version") == 0) {
        *ret = ctx->argv[(*at)++] + 2;
        return 0;
    }
    int used = 0, rc = mlo_opts_leading(ctx->argc - *at, ctx->argv + *at, ctx, &used, err);
    if (rc < 0)
        return rc;
    *at += used;
    if (!ctx->help && *at < ctx->argc)
        *ret = ctx->argv[(*at)++];
    return 0;
}

/*
 * Follows the words of argv through the table. Sets ctx->cmd (NULL when only options were there) and *at to
 * the first word after the name; stops early at -h.
 */
static int find_command(const struct mlo_command *const *table, struct mlo_ctx *ctx, char name[MAX_NAME],
                        int *at, struct mlo_err *err)
{
    *name = '\0';
    while (table) {
        const char *word = NULL;
        int rc = next_word(ctx, at, &word, err);
        if (rc < 0 || ctx->help)
            return rc;
        if (!word)
            return ctx->cmd ? missing_verb(ctx->cmd, err) : 0;
        const struct mlo_command *cmd = mlo_find_command(table, word);
        if (!cmd)
            return unknown_command(table, name, word, err);
        rc = add_name(name, word, err);
        if (rc < 0)
            return rc;
        ctx->cmd = cmd;
        ctx->cmd_name = name;
        table = cmd->subs;
    }
    return 0;
}

/* "mlopsctl ledger" for "ledger verify": all words but the last. */
static void print_help(const struct mlo_ctx *ctx, const struct mlo_command *const *table)
{
    if (!ctx->cmd) {
        mlo_help_overview(stdout, table);
        return;
    }
    char prefix[MAX_NAME + sizeof MLO_PROGRAM];
    int parent = (int)(strlen(ctx->cmd_name) - strlen(ctx->cmd->name));
    snprintf(prefix, sizeof prefix, "%s %.*s", MLO_PROGRAM, parent, ctx->cmd_name);
    prefix[strlen(prefix) - 1] = '\0';
    mlo_help_print(stdout, ctx->cmd, prefix);
}

static int run_with(struct mlo_ctx *ctx, const void *opts, struct mlo_err *err)
{
    ctx->report = mlo_report_new(ctx);
    if (!ctx->report)
        return mlo_fail_nomem(err);
    int rc = ctx->cmd->run(ctx, opts, err);
    if (rc == 0 || rc == MLO_NO || ctx->reported) {
        struct mlo_err print_err = MLO_ERR_INIT;
        int printed = mlo_report_print(ctx->report, stdout, &print_err);
        if (printed < 0 && rc >= MLO_NO) {
            *err = print_err;
            rc = printed;
        }
    }
    mlo_report_free(ctx->report);
    ctx->report = NULL;
    return rc;
}

static int run_command(const struct mlo_command *const *table, struct mlo_ctx *ctx, int at,
                       struct mlo_err *err)
{
    const struct mlo_command *cmd = ctx->cmd;
    MLO_AUTOFREE void *opts = mlo_calloc(1, cmd->opts_size ? cmd->opts_size : 1, err);
    if (!opts)
        return MLO_EIO;
    int rc = mlo_opts_parse(cmd, ctx->argc - at, ctx->argv + at, opts, ctx, err);
    if (rc == 0 && ctx->help)
        print_help(ctx, table);
    else if (rc == 0)
        rc = run_with(ctx, opts, err);
    mlo_opts_release(cmd, opts, ctx);
    return rc;
}

int mlo_cli_main(const struct mlo_command *const *table, int argc, char **argv, char **env)
{
    struct mlo_ctx ctx;
    struct mlo_err err = MLO_ERR_INIT;
    char name[MAX_NAME];
    int at = argc > 0 ? 1 : 0;
    ctx_init(&ctx, argc, argv, env);
    int rc = find_command(table, &ctx, name, &at, &err);
    if (rc == 0 && (ctx.help || !ctx.cmd))
        print_help(&ctx, table);
    else if (rc == 0)
        rc = run_command(table, &ctx, at, &err);
    int status = exit_status(&ctx, rc, &err);
    if (ctx.network)
        ctx.network_free(ctx.network);
    if (ctx.config)
        ctx.config_free(ctx.config);
    if (rc < 0)
        mlo_interrupt_end();
    return status;
}

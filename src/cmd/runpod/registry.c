/* mlopsctl runpod registry: logins with which RunPod fetches private images. */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>

#include "change.h"

#define PASSWORD_MAX ((size_t)16384)

/* ---- ls ---- */

static const struct mlo_column ls_columns[] = {{"id", "ID", MLO_CELL_TEXT}, {"name", "NAME", MLO_CELL_TEXT}};

static int run_ls(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    struct mlo_runpod_registries l = {0};
    (void)options;
    int rc = mlo_ctx_runpod(ctx, &c, err);
    if (rc == 0)
        rc = mlo_runpod_registry_list(c, &l, err);
    if (rc != 0)
        return rc;
    mlo_report_table(ctx->report, "registries", NULL, ls_columns, MLO_COUNT(ls_columns),
                     "no registry logins");
    for (size_t i = 0; i < l.n; i++) {
        mlo_cell_text(ctx->report, l.items[i].id);
        mlo_cell_text(ctx->report, l.items[i].name);
    }
    mlo_runpod_registries_release(&l);
    return 0;
}

static const struct mlo_example ls_examples[] = {{"The account's logins", "mlopsctl runpod registry ls"},
                                                 {0}};

static const struct mlo_command cmd_ls = {
    .name = "ls",
    .summary = "list the registry logins",
    .synopsis = "",
    .description = "RunPod tells their names, never what is in them.",
    .examples = ls_examples,
    .run = run_ls,
};

/* ---- the password ---- */

static void first_line(char *text)
{
    char *rest = text + strcspn(text, "\r\n");
    explicit_bzero(rest, strlen(rest));
}

static int read_line(char **ret, struct mlo_err *err)
{
    char *line = mlo_calloc(1, PASSWORD_MAX, err);
    if (!line)
        return MLO_EIO;
    *ret = line;
    if (!fgets(line, (int)PASSWORD_MAX, stdin))
        return mlo_fail(err, MLO_EUSAGE, "no password was given");
    first_line(line);
    return 0;
}

/* Without showing it; the terminal is put back whatever happens. */
static int ask_password(struct mlo_ctx *ctx, char **ret, struct mlo_err *err)
{
    struct termios was, quiet;
    if (!ctx->tty_err || tcgetattr(STDIN_FILENO, &was) != 0) {
        (void)mlo_fail(err, MLO_EUSAGE, "the password is missing, and nobody is there to ask");
        return mlo_hint(err, "--password-file names a file with it, - reads it from standard input");
    }
    quiet = was;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet); /* before the prompt: what is typed after it counts */
    fputs("password: ", stderr);
    fflush(stderr);
    int rc = read_line(ret, err);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &was);
    fputc('\n', stderr);
    return rc;
}

static int read_password(struct mlo_ctx *ctx, const char *file, char **ret, struct mlo_err *err)
{
    size_t n = 0;
    if (!file)
        return ask_password(ctx, ret, err);
    if (strcmp(file, "-") == 0)
        return read_line(ret, err);
    int rc = mlo_slurp_at(AT_FDCWD, file, PASSWORD_MAX, ret, &n, err);
    if (rc == 0)
        first_line(*ret);
    return rc;
}

/* ---- add ---- */

struct add_opts {
    const char *user, *password_file;
    bool dry_run;
};
static const struct mlo_opt add_table[] = {
    {.name = "user",
     .letter = 'u',
     .type = MLO_OPT_STRING,
     .arg = "NAME",
     .help = "the user at the registry",
     .offset = offsetof(struct add_opts, user),
     .flags = MLO_OPTF_REQUIRED},
    {.name = "password-file",
     .type = MLO_OPT_STRING,
     .arg = "FILE",
     .help =
         "the first line of this file is the password or token, - for standard input; else it is asked for",
     .offset = offsetof(struct add_opts, password_file),
     .flags = MLO_OPTF_FILE},
    {.name = "dry-run",
     .letter = 'n',
     .type = MLO_OPT_FLAG,
     .help = "show the request, send nothing",
     .offset = offsetof(struct add_opts, dry_run)},
    {0},
};

static int make_body(struct mlo_ctx *ctx, const struct add_opts *o, cJSON **ret, struct mlo_err *err)
{
    char *password = NULL;
    int rc = read_password(ctx, o->password_file, &password, err);
    if (rc == 0)
        rc = mlo_runpod_registry_body(ctx->args[0], o->user, password, ret, err);
    if (password)
        explicit_bzero(password, strlen(password));
    free(password);
    return rc;
}

static int add(struct mlo_ctx *ctx, const cJSON *body, struct mlo_runpod_registry *ret, struct mlo_err *err)
{
    struct mlo_creation k = {.family = MLO_RUNPOD_REGISTRIES, .name = ctx->args[0], .detail = ""};
    int rc = mlo_runpod_mark(k.mark, err);
    if (rc == 0)
        rc = mlo_creation_begin(ctx, &k, err);
    if (rc != 0)
        return rc;
    rc = mlo_runpod_registry_create(k.c, body, &k.earlier, ret, err);
    return mlo_creation_end(&k, rc, ret->id, err);
}

static int run_add(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct add_opts *o = options;
    struct mlo_runpod_registry made = {0};
    MLO_AUTOBODY cJSON *body = NULL;
    int rc = make_body(ctx, o, &body, err);
    if (rc == 0 && o->dry_run)
        return mlo_show_request(ctx, "POST", "/registries", body, NAN, err);
    if (rc == 0)
        rc = add(ctx, body, &made, err);
    if (rc == 0 && ctx->json) {
        mlo_report_text(ctx->report, "id", "id", made.id);
        mlo_report_text(ctx->report, "name", "name", made.name);
    } else if (rc == 0) {
        mlo_report_say(ctx->report, "added registry login %s '%s'", made.id, made.name);
    }
    mlo_runpod_registry_release(&made);
    return rc;
}

static const struct mlo_example add_examples[] = {
    {"A token out of a file", "mlopsctl runpod registry add ghcr --user acme --password-file token.txt"},
    {0}};

static const struct mlo_command cmd_add = {
    .name = "add",
    .summary = "give RunPod a registry login",
    .synopsis = "NAME --user USER",
    .description = "The password is asked for without showing it, or read from --password-file; it is sent "
                   "to RunPod and\n"
                   "kept nowhere else. `mlopsctl rollback` removes the login again.",
    .opts = add_table,
    .opts_size = sizeof(struct add_opts),
    .args = {.min = 1, .max = 1},
    .examples = add_examples,
    .flags = MLO_CMDF_WRITES,
    .run = run_add,
};

/* ---- rm ---- */

static int run_rm(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    struct mlo_runpod_registry r = {0};
    char question[400], name[MLO_SHOWN];
    (void)options;
    int rc = mlo_ctx_runpod(ctx, &c, err);
    if (rc == 0)
        rc = mlo_runpod_registry_find(c, ctx->args[0], &r, err);
    if (rc != 0)
        return rc;
    struct mlo_removal gone = {MLO_RUNPOD_REGISTRIES, r.id, r.name, ""};
    snprintf(question, sizeof question, "Remove registry login '%s' for good?",
             mlo_shown(r.name, strlen(r.name), name));
    rc = mlo_runpod_remove(ctx, &gone, question, err);
    mlo_runpod_registry_release(&r);
    return rc;
}

static const struct mlo_example rm_examples[] = {
    {"Without being asked", "mlopsctl runpod registry rm ghcr --yes"}, {0}};

static const struct mlo_command cmd_rm = {
    .name = "rm",
    .summary = "remove a registry login",
    .synopsis = "LOGIN",
    .description = "LOGIN is an id or a name; one that a pod uses is refused. Asks first, or needs --yes: "
                   "this cannot be\n"
                   "undone.",
    .args = {.min = 1, .max = 1},
    .examples = rm_examples,
    .flags = MLO_CMDF_WRITES,
    .run = run_rm,
};

static const struct mlo_command *const verbs[] = {&cmd_ls, &cmd_add, &cmd_rm, NULL};

const struct mlo_command mlo_cmd_runpod_registry = {
    .name = "registry",
    .summary = "registry logins for private images: list, add, remove",
    .synopsis = "VERB",
    .description = "With a login RunPod fetches images that are not public.",
    .subs = verbs,
};

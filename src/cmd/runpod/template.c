/* mlopsctl runpod template: what pods and endpoints can be made from. */
#include <math.h>
#include <string.h>

#include "change.h"
#include "container_config.h"

/* ---- ls ---- */

static const struct mlo_column ls_columns[] = {
    {"id", "ID", MLO_CELL_TEXT},
    {"name", "NAME", MLO_CELL_TEXT},
    {"image", "IMAGE", MLO_CELL_TEXT},
    {"disk_gb", "GB", MLO_CELL_U64},
    {"serverless", "SERVERLESS", MLO_CELL_BOOL},
    {"public", "PUBLIC", MLO_CELL_BOOL},
    {"env", "VARIABLES", MLO_CELL_TEXT},
};

/* Names alone: the values are secrets. */
static int add_names(struct mlo_report *r, const struct mlo_runpod_vars *env, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str names;
    mlo_str_init(&names, MLO_STR_MAX);
    for (size_t i = 0; i < env->n; i++)
        mlo_str_addf(&names, "%s%s", i ? " " : "", env->items[i].name);
    mlo_cell_text(r, names.ptr);
    return mlo_str_check(&names, err);
}

static int run_ls(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    struct mlo_runpod_templates l = {0};
    struct mlo_report *r = ctx->report;
    (void)options;
    int rc = mlo_ctx_runpod(ctx, &c, err);
    if (rc == 0)
        rc = mlo_runpod_template_list(c, &l, err);
    if (rc != 0)
        return rc;
    mlo_report_table(r, "templates", NULL, ls_columns, MLO_COUNT(ls_columns), "no templates");
    for (size_t i = 0; rc == 0 && i < l.n; i++) {
        const struct mlo_runpod_template *t = &l.items[i];
        mlo_cell_text(r, t->id);
        mlo_cell_text(r, t->name);
        mlo_cell_text(r, t->image);
        mlo_cell_u64(r, t->disk_gb);
        mlo_cell_u64(r, t->serverless);
        mlo_cell_u64(r, t->is_public);
        rc = add_names(r, &t->env, err);
    }
    mlo_runpod_templates_release(&l);
    return rc;
}

static const struct mlo_example ls_examples[] = {{"The account's templates", "mlopsctl runpod template ls"},
                                                 {0}};

static const struct mlo_command cmd_ls = {
    .name = "ls",
    .summary = "list the templates",
    .synopsis = "",
    .description = "Those of the account. Of the variables in them only the names are shown.",
    .examples = ls_examples,
    .run = run_ls,
};

/* ---- create ---- */

struct create_opts {
    struct mlo_container_config_opts container;
    const char *category, *mount;
    uint64_t persistent;
    bool serverless, is_public, dry_run;
};

static const struct mlo_opt create_table[] = {
    MLO_CONTAINER_CONFIG_OPTS(struct create_opts, container),
    {.name = "persistent",
     .type = MLO_OPT_U64,
     .arg = "GB",
     .help = "a disk on the host that outlives a stop",
     .offset = offsetof(struct create_opts, persistent),
     .min = 10,
     .max = 1u << 20},
    {.name = "mount",
     .type = MLO_OPT_STRING,
     .arg = "PATH",
     .help = "where that disk is in the container; /workspace when not said",
     .offset = offsetof(struct create_opts, mount)},
    {.name = "category",
     .type = MLO_OPT_CHOICE,
     .arg = "KIND",
     .help = "what hardware it is shown for",
     .offset = offsetof(struct create_opts, category),
     .choices = "CPU|NVIDIA|AMD"},
    {.name = "serverless",
     .type = MLO_OPT_FLAG,
     .help = "for endpoints instead of pods",
     .offset = offsetof(struct create_opts, serverless)},
    {.name = "public",
     .type = MLO_OPT_FLAG,
     .help = "readable by everybody, with its variables",
     .offset = offsetof(struct create_opts, is_public)},
    {.name = "dry-run",
     .letter = 'n',
     .type = MLO_OPT_FLAG,
     .help = "show the request, send nothing",
     .offset = offsetof(struct create_opts, dry_run)},
    {0},
};

static int make_body(struct mlo_ctx *ctx, const struct create_opts *o, cJSON **ret, struct mlo_err *err)
{
    struct mlo_container_config k = {0};
    int rc = mlo_container_config_read(ctx, &o->container, &k, err);
    struct mlo_runpod_template_spec spec = {.name = ctx->args[0],
                                            .category = o->category,
                                            .container = k.words,
                                            .persistent_gb = o->persistent,
                                            .persistent_path = o->mount ? o->mount : "/workspace",
                                            .serverless = o->serverless,
                                            .is_public = o->is_public};
    if (rc == 0)
        rc = mlo_runpod_template_body(&spec, ret, err);
    mlo_container_config_release(&k);
    return rc;
}

static int create(struct mlo_ctx *ctx, struct mlo_creation *k, const cJSON *body,
                  struct mlo_runpod_template *ret, struct mlo_err *err)
{
    int rc = mlo_runpod_mark(k->mark, err);
    if (rc == 0)
        rc = mlo_creation_begin(ctx, k, err);
    if (rc != 0)
        return rc;
    rc = mlo_runpod_template_create(k->c, body, &k->earlier, ret, err);
    return mlo_creation_end(k, rc, ret->id, err);
}

static int run_create(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct create_opts *o = options;
    struct mlo_runpod_template t = {0};
    MLO_AUTOBODY cJSON *body = NULL;
    struct mlo_creation k = {
        .family = MLO_RUNPOD_TEMPLATES, .name = ctx->args[0], .detail = o->container.image};
    int rc = make_body(ctx, o, &body, err);
    if (rc == 0 && o->dry_run)
        return mlo_show_request(ctx, "POST", "/templates", body, NAN, err);
    if (rc == 0)
        rc = create(ctx, &k, body, &t, err);
    if (rc == 0 && ctx->json) {
        mlo_report_text(ctx->report, "id", "id", t.id);
        mlo_report_text(ctx->report, "name", "name", t.name);
        mlo_report_text(ctx->report, "image", "image", t.image);
    } else if (rc == 0) {
        mlo_report_say(ctx->report, "created template %s '%s'", t.id, t.name);
    }
    mlo_runpod_template_release(&t);
    return rc;
}

static const struct mlo_example create_examples[] = {
    {"For workers of an endpoint, with a token out of this shell's environment",
     "mlopsctl runpod template create credit --image ghcr.io/acme/credit:1.4.0 --serverless --port 8000/http "
     "-e TOKEN"},
    {0},
};

static const struct mlo_command cmd_create = {
    .name = "create",
    .summary = "make a template",
    .synopsis = "NAME --image REFERENCE",
    .description = "Secrets belong into -e NAME or --env-file, not into the command line.\n"
                   "`mlopsctl rollback` removes it again.",
    .opts = create_table,
    .opts_size = sizeof(struct create_opts),
    .args = {.min = 1, .max = 1},
    .examples = create_examples,
    .flags = MLO_CMDF_WRITES,
    .run = run_create,
};

/* ---- rm ---- */

static int run_rm(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    struct mlo_runpod_template t = {0};
    char question[400], name[MLO_SHOWN];
    (void)options;
    int rc = mlo_ctx_runpod(ctx, &c, err);
    if (rc == 0)
        rc = mlo_runpod_template_find(c, ctx->args[0], &t, err);
    if (rc != 0)
        return rc;
    struct mlo_removal gone = {MLO_RUNPOD_TEMPLATES, t.id, t.name, t.image ? t.image : ""};
    snprintf(question, sizeof question, "Remove template '%s' for good?",
             mlo_shown(t.name, strlen(t.name), name));
    rc = mlo_runpod_remove(ctx, &gone, question, err);
    mlo_runpod_template_release(&t);
    return rc;
}

static const struct mlo_example rm_examples[] = {
    {"Without being asked", "mlopsctl runpod template rm credit --yes"}, {0}};

static const struct mlo_command cmd_rm = {
    .name = "rm",
    .summary = "remove a template",
    .synopsis = "TEMPLATE",
    .description =
        "TEMPLATE is an id or a name. Pods made from it stay; one that an endpoint uses is refused.\n"
        "Asks first, or needs --yes: this cannot be undone.",
    .args = {.min = 1, .max = 1},
    .examples = rm_examples,
    .flags = MLO_CMDF_WRITES,
    .run = run_rm,
};

static const struct mlo_command *const verbs[] = {&cmd_ls, &cmd_create, &cmd_rm, NULL};

const struct mlo_command mlo_cmd_runpod_template = {
    .name = "template",
    .summary = "templates: list, create, remove",
    .synopsis = "VERB",
    .description = "A template holds image, ports and variables that pods or endpoints are made from.",
    .subs = verbs,
};

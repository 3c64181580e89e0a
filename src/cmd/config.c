/* mlopsctl config: the settings in force and where each came from; mlops.yaml(5) with --man. */
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/secret.h>
#include <mlopsctl/base/text.h>

#include "cmd/shared/context.h"
#include "table.h"

struct opts {
    bool show_origin, man;
};

static const struct mlo_opt opts_table[] = {
    {.name = "show-origin",
     .type = MLO_OPT_FLAG,
     .help = "say for each setting which file and line, or which variable, it comes from",
     .offset = offsetof(struct opts, show_origin)},
    {.name = "man",
     .type = MLO_OPT_FLAG,
     .help = "the generated part of mlops.yaml(5) in roff, as scripts/gen-man wants it",
     .offset = offsetof(struct opts, man),
     .flags = MLO_OPTF_HIDDEN},
    {0},
};

/* ---- the man page of the file ---- */

static void put_setting(FILE *out, const struct mlo_setting *s)
{
    static const char *const types[] = {
        [MLO_SET_STRING] = "text", [MLO_SET_BOOL] = "true or false",
        [MLO_SET_U64] = "number",  [MLO_SET_SIZE] = "size, such as 64M",
        [MLO_SET_CHOICE] = "word", [MLO_SET_DURATION] = "duration, such as 30d"};
    fputs(".TP\n.B ", out);
    mlo_man_text(out, s->key);
    fprintf(out, "\n(%s", types[s->type]);
    fputs(s->def ? "; default " : "; no default", out);
    mlo_man_text(out, s->def ? s->def : "");
    fputs("):\n", out);
    mlo_man_text(out, s->help);
    fputs(".\n", out);
    if (s->choices) {
        fputs("One of ", out);
        mlo_man_text(out, s->choices);
        fputs(".\n", out);
    }
}

static void put_man(FILE *out)
{
    fputs(".TH MLOPS.YAML 5 2026-01-01 mlopsctl \"File Formats\"\n"
          ".SH NAME\nmlops.yaml \\- settings of mlopsctl\n.SH DESCRIPTION\nSettings of a project.\n",
          out);
    fputs(".\\\" BEGIN GENERATED SETTINGS\n.SH SETTINGS\n", out);
    for (size_t i = 0; i < mlo_n_settings; i++)
        put_setting(out, &mlo_settings[i]);
    fputs(".\\\" END GENERATED\n.\\\" BEGIN GENERATED SECTIONS\n.SH SECTIONS\n"
          "Below these the keys are names of your own.\n",
          out);
    for (size_t i = 0; i < mlo_n_sections; i++) {
        fprintf(out, ".TP\n.B %s\n", mlo_sections[i].name);
        mlo_man_text(out, mlo_sections[i].help);
        fputs(".\n", out);
    }
    fputs(".\\\" END GENERATED\n.SH SEE ALSO\n.BR mlopsctl (1),\n.BR mlopsctl\\-config (1)\n", out);
}

static int report_man(struct mlo_report *r, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (!out)
        return mlo_fail_nomem(err);
    put_man(out);
    if (fclose(out) != 0)
        return mlo_fail_nomem(err);
    mlo_report_raw(r, "text", text);
    return 0;
}

/* ---- values ---- */

static const struct mlo_column columns[] = {
    {"key", "SETTING", MLO_CELL_TEXT},
    {"value", "VALUE", MLO_CELL_TEXT},
    {"origin", "ORIGIN", MLO_CELL_TEXT},
};

/* A proxy's address may have a password in it. */
static void value_cell(struct mlo_report *r, const char *value)
{
    MLO_AUTOSTR struct mlo_str shown;
    mlo_str_init(&shown, MLO_STR_MAX);
    if (value)
        mlo_redact(&shown, value, strlen(value));
    mlo_cell_text(r, value ? shown.ptr : NULL);
}

static void report_row(struct mlo_report *r, const struct mlo_config *c, const char *key, bool origin)
{
    mlo_cell_text(r, key);
    value_cell(r, mlo_config_get(c, key));
    if (origin)
        mlo_cell_text(r, mlo_config_origin(c, key));
}

static const struct mlo_setting *find(const char *key, struct mlo_err *err)
{
    struct mlo_nearest near = {.word = key};
    for (size_t i = 0; i < mlo_n_settings; i++) {
        if (strcmp(mlo_settings[i].key, key) == 0)
            return &mlo_settings[i];
        mlo_nearest_offer(&near, mlo_settings[i].key);
    }
    MLO_AUTOSTR struct mlo_str shown;
    mlo_str_init(&shown, sizeof err->msg);
    mlo_escape(&shown, key, strlen(key));
    mlo_fail(err, MLO_EUSAGE, "there is no setting '%s'", shown.ptr);
    if (near.best)
        mlo_hint(err, "did you mean %s?", near.best);
    else
        mlo_hint(err, "see `mlopsctl config` for all of them");
    return NULL;
}

/* One setting: its bare value, for scripts. One that has no value is a no. */
static int report_one(struct mlo_ctx *ctx, const struct mlo_config *c, const struct mlo_setting *s,
                      bool origin)
{
    const char *value = mlo_config_get(c, s->key);
    struct mlo_report *r = ctx->report;
    if (ctx->json || origin) {
        mlo_report_text(r, "key", "setting", s->key);
        mlo_report_text(r, "value", "value", value);
        mlo_report_text(r, "origin", "origin", mlo_config_origin(c, s->key));
    } else if (value) {
        MLO_AUTOSTR struct mlo_str line;
        mlo_str_init(&line, MLO_STR_MAX);
        mlo_escape(&line, value, strlen(value));
        mlo_str_addc(&line, '\n');
        mlo_report_raw(r, "value", line.ptr);
    }
    return value ? 0 : MLO_NO;
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct opts *opts = options;
    const struct mlo_config *c = NULL;
    if (opts->man)
        return report_man(ctx->report, err);
    const struct mlo_setting *s = ctx->n_args ? find(ctx->args[0], err) : NULL;
    if (ctx->n_args && !s)
        return err->code;
    int rc = mlo_ctx_config(ctx, &c, err);
    if (rc < 0)
        return rc;
    if (s)
        return report_one(ctx, c, s, opts->show_origin);
    bool origin = opts->show_origin || ctx->json;
    mlo_report_table(ctx->report, "settings", NULL, columns, MLO_COUNT(columns) - !origin, NULL);
    for (size_t i = 0; i < mlo_n_settings; i++)
        report_row(ctx->report, c, mlo_settings[i].key, origin);
    return 0;
}

static const struct mlo_example examples[] = {
    {"all settings and where they come from", "mlopsctl config --show-origin"},
    {"one value, for a script", "mlopsctl config gc.retention"},
    {"a setting for one command", "MLOPSCTL_GC_RETENTION=30d mlopsctl config gc.retention"},
    {0},
};

const struct mlo_command mlo_cmd_config = {
    .name = "config",
    .group = "start",
    .summary = "show the settings in force and where they come from",
    .synopsis = "[KEY]",
    .description =
        "Lists every setting with its value, or prints the value of KEY alone (exit 1 when it has none).\n"
        "Stronger comes first: options, variables (MLOPSCTL_GC_RETENTION for gc.retention), mlops.yaml\n"
        "found upward from here, ~/.config/mlopsctl/config.yaml, /etc/mlopsctl/config.yaml, defaults.",
    .opts = opts_table,
    .opts_size = sizeof(struct opts),
    .args = {.max = 1, .complete = MLO_OPTF_KEY},
    .examples = examples,
    .run = run,
};

/*
 * mlopsctl validate: does a table keep the rules of mlops.yaml? Exit 1 when it does not. With --infer the
 * rules come from a table that is known to be good; written into mlops.yaml they are a run that rollback
 * takes back.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>
#include <mlopsctl/validate.h>

#include "cmd/shared/settings_file.h"
#include "table.h"
#include "cmd/shared/tables.h"
#include "cmd/undo/undo.h"
#include "cmd/shared/workspace.h"

struct opts {
    const char *rules, *format, *fail_on, *junit, *now;
    uint64_t threads, keys;
    bool infer, write, replace, all, github;
};

static const struct mlo_opt opts_table[] = {
    {.name = "rules",
     .type = MLO_OPT_STRING,
     .arg = "FILE",
     .help = "the rules: a file with a section `validate`; as a rule mlops.yaml here or above",
     .offset = offsetof(struct opts, rules),
     .flags = MLO_OPTF_FILE},
    {.name = "fail-on",
     .type = MLO_OPT_CHOICE,
     .arg = "SEVERITY",
     .help = "exit 1 when a rule of this severity or a greater one does not hold (error)",
     .offset = offsetof(struct opts, fail_on),
     .choices = "error|warning|info"},
    {.name = "all",
     .type = MLO_OPT_FLAG,
     .help = "show every rule, not only those that do not hold",
     .offset = offsetof(struct opts, all)},
    {.name = "infer",
     .type = MLO_OPT_FLAG,
     .help = "check nothing: print rules that the named tables hold to, to be edited",
     .offset = offsetof(struct opts, infer)},
    {.name = "write",
     .type = MLO_OPT_FLAG,
     .help = "with --infer: put the rules into mlops.yaml; `mlopsctl rollback --last` takes them out again",
     .offset = offsetof(struct opts, write)},
    {.name = "replace",
     .type = MLO_OPT_FLAG,
     .help = "with --write: in place of the rules that are there",
     .offset = offsetof(struct opts, replace)},
    {.name = "junit",
     .type = MLO_OPT_STRING,
     .arg = "FILE",
     .help = "also write the verdicts as JUnit XML, a test case for each rule",
     .offset = offsetof(struct opts, junit),
     .flags = MLO_OPTF_FILE},
    {.name = "github",
     .type = MLO_OPT_FLAG,
     .help = "also write annotations of GitHub Actions with file and line, to standard error",
     .offset = offsetof(struct opts, github)},
    MLO_TABLE_OPTIONS(struct opts),
    {.name = "now",
     .type = MLO_OPT_STRING,
     .arg = "TIME",
     .help = "the time that `fresh` and `now` in a rule are counted from, such as 2026-11-21T09:07:00Z; as a "
             "rule the "
             "clock's",
     .offset = offsetof(struct opts, now)},
    {.name = "keys",
     .type = MLO_OPT_U64,
     .arg = "N",
     .help = "different keys that each rule about repetition may remember, some 45 bytes each (12000000)",
     .offset = offsetof(struct opts, keys),
     .min = 64,
     .max = 4000000000},
    {0},
};

/* ---- what was asked ---- */

static enum mlo_severity fail_on(const struct opts *o)
{
    for (unsigned s = MLO_SEVERITY_INFO; o->fail_on && s <= MLO_SEVERITY_ERROR; s++)
        if (strcmp(o->fail_on, mlo_severity_word((enum mlo_severity)s)) == 0)
            return (enum mlo_severity)s;
    return MLO_SEVERITY_ERROR;
}

static int validate_opts(const struct opts *o, struct mlo_validate_opts *ret, struct mlo_err *err)
{
    *ret = (struct mlo_validate_opts){
        .format = o->format, .threads = (unsigned)o->threads, .keys_max = o->keys, .now_ns = mlo_time_now()};
    if (o->infer && (o->rules || o->fail_on || o->junit || o->github || o->all))
        return mlo_fail(err, MLO_EUSAGE,
                        "--infer checks nothing: it goes with --write, --replace and --format");
    if ((o->write || o->replace) && !o->infer)
        return mlo_fail(err, MLO_EUSAGE, "--write and --replace go with --infer");
    if (o->replace && !o->write)
        return mlo_fail(err, MLO_EUSAGE, "--replace goes with --write");
    return o->now ? mlo_time_parse(o->now, &ret->now_ns, err) : 0;
}

/* ---- the table of verdicts ---- */

static const struct mlo_column rule_columns[] = {
    {"column", "COLUMN", MLO_CELL_TEXT},     {"rule", "RULE", MLO_CELL_TEXT},
    {"wants", "WANTS", MLO_CELL_TEXT},       {"verdict", "VERDICT", MLO_CELL_TEXT},
    {"severity", "SEVERITY", MLO_CELL_TEXT}, {"why", "WHY", MLO_CELL_TEXT},
};
static const struct mlo_column example_columns[] = {
    {"column", "COLUMN", MLO_CELL_TEXT}, {"rule", "RULE", MLO_CELL_TEXT},   {"file", "FILE", MLO_CELL_TEXT},
    {"line", "LINE", MLO_CELL_TEXT},     {"value", "FOUND", MLO_CELL_TEXT},
};

static bool is_shown(const struct mlo_rule_result *r, bool all)
{
    return all || r->verdict >= MLO_RULE_UNCHECKED || r->verdict == MLO_RULE_SKIPPED;
}

static void show_rules(struct mlo_report *out, const struct mlo_validation *v, bool all)
{
    size_t left_out = 0;
    for (size_t i = 0; i < v->n_rules; i++)
        left_out += !is_shown(&v->rules[i], all);
    if (left_out < v->n_rules)
        mlo_report_table(out, "rules", NULL, rule_columns, MLO_COUNT(rule_columns), NULL);
    for (size_t i = 0; i < v->n_rules; i++) {
        const struct mlo_rule_result *r = &v->rules[i];
        if (!is_shown(r, all))
            continue;
        mlo_cell_text(out, r->column ? r->column : "-");
        mlo_cell_text(out, r->rule);
        mlo_cell_text(out, r->wants);
        mlo_cell_text(out, mlo_rule_verdict_word(r->verdict));
        mlo_cell_text(out, mlo_severity_word(r->severity));
        mlo_cell_text(out, r->why);
    }
    if (left_out > 0 && left_out < v->n_rules)
        mlo_report_note(out, "%zu more rules hold: --all shows them", left_out);
}

static void show_examples(struct mlo_report *out, const struct mlo_validation *v, bool all)
{
    bool begun = false;
    for (size_t i = 0; i < v->n_rules; i++)
        for (size_t k = 0; k < v->rules[i].n_examples && is_shown(&v->rules[i], all); k++) {
            const struct mlo_rule_result *r = &v->rules[i];
            const struct mlo_rule_example *e = &r->examples[k];
            char line[32];
            if (!begun)
                mlo_report_table(out, "examples", "Examples", example_columns, MLO_COUNT(example_columns),
                                 NULL);
            begun = true;
            snprintf(line, sizeof line, "%s%llu", e->is_row ? "row " : "", (unsigned long long)e->line);
            mlo_cell_text(out, r->column ? r->column : "-");
            mlo_cell_text(out, r->rule);
            mlo_cell_text(out, e->file);
            mlo_cell_text(out, e->line ? line : "-");
            mlo_cell_text(out, e->value);
        }
}

/* ---- JSON: docs/validation.schema.json ---- */

static cJSON *example_json(const struct mlo_rule_example *e)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "file", e->file);
    mlo_json_add_u64(o, e->is_row ? "row" : "line", e->line);
    cJSON_AddStringToObject(o, "found", e->value);
    return o;
}

static cJSON *rule_json(const struct mlo_rule_result *r)
{
    cJSON *o = cJSON_CreateObject(), *list;
    if (r->column)
        cJSON_AddStringToObject(o, "column", r->column);
    else
        cJSON_AddNullToObject(o, "column");
    cJSON_AddStringToObject(o, "rule", r->rule);
    cJSON_AddStringToObject(o, "wants", r->wants);
    cJSON_AddStringToObject(o, "verdict", mlo_rule_verdict_word(r->verdict));
    cJSON_AddStringToObject(o, "severity", mlo_severity_word(r->severity));
    cJSON_AddStringToObject(o, "why", r->why);
    mlo_json_add_u64(o, "line", r->line);
    if (r->by_row) {
        mlo_json_add_double(o, "mostly", r->mostly);
        mlo_json_add_u64(o, "checked", r->checked);
        mlo_json_add_u64(o, "failed", r->failed);
    }
    list = cJSON_AddArrayToObject(o, "examples");
    for (size_t i = 0; i < r->n_examples; i++)
        cJSON_AddItemToArray(list, example_json(&r->examples[i]));
    return o;
}

static void report_json(struct mlo_report *out, const struct mlo_validation *v, enum mlo_severity from)
{
    cJSON *rules = cJSON_CreateArray();
    for (size_t i = 0; i < v->n_rules; i++)
        cJSON_AddItemToArray(rules, rule_json(&v->rules[i]));
    mlo_report_bool(out, "valid", "valid", !mlo_validation_fails(v, from));
    mlo_report_text(out, "verdict", "verdict", v->sentence);
    mlo_report_u64(out, "rows", "rows", v->rows);
    mlo_report_u64(out, "ragged", "ragged", v->ragged);
    mlo_report_u64(out, "errors", "errors", v->failing[MLO_SEVERITY_ERROR]);
    mlo_report_u64(out, "warnings", "warnings", v->failing[MLO_SEVERITY_WARNING]);
    mlo_report_u64(out, "infos", "infos", v->failing[MLO_SEVERITY_INFO]);
    mlo_report_json(out, "rules", rules);
}

static void report(struct mlo_ctx *ctx, const struct opts *o, const struct mlo_validation *v)
{
    if (ctx->json) {
        report_json(ctx->report, v, fail_on(o));
        return;
    }
    mlo_report_say(ctx->report, "%s", v->sentence);
    show_rules(ctx->report, v, o->all);
    show_examples(ctx->report, v, o->all);
}

static int write_forms(const struct opts *o, const struct mlo_validation *v, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str junit, github;
    mlo_str_init(&junit, MLO_STR_MAX);
    mlo_str_init(&github, MLO_STR_MAX);
    int rc = o->junit ? mlo_validation_junit(v, fail_on(o), &junit, err) : 0;
    if (rc == 0 && o->junit)
        rc = mlo_result_write(o->junit, &junit, err);
    if (rc == 0 && o->github)
        rc = mlo_validation_github(v, fail_on(o), &github, err);
    return rc == 0 && o->github ? mlo_write_all(STDERR_FILENO, github.ptr, github.len, err) : rc;
}

/* ---- rules ---- */

static int read_rules(const struct opts *o, struct mlo_rules **ret, struct mlo_err *err)
{
    MLO_AUTOFREE char *found = NULL;
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    int rc = o->rules ? 0 : mlo_config_find(".", &found, err);
    const char *path = o->rules ? o->rules : found;
    if (rc == 0)
        rc = mlo_slurp_at(AT_FDCWD, path, MLO_SETTINGS_FILE_MAX, &text, &n, err);
    if (rc == 0)
        rc = mlo_rules_read(path, text, n, ret, err);
    if (rc == MLO_ENOTFOUND && !*err->hint)
        return mlo_hint(err, "`mlopsctl validate --infer REFERENCE --write` makes rules to begin with");
    return rc;
}

/* ---- the check before this one: the newest that held, of the same name ---- */

struct previous {
    struct mlo_ledger *ledger;
    const char *key;
    bool found;
    double rows;
};

static int take_metric(void *ctx, const char *key, double value, struct mlo_err *err)
{
    struct previous *p = ctx;
    (void)err;
    if (strcmp(key, p->key) == 0) {
        p->found = true;
        p->rows = value;
    }
    return 0;
}

static int take_run(void *ctx, const struct mlo_run_row *row, struct mlo_err *err)
{
    struct previous *p = ctx;
    int rc = row->exit_code == 0 ? mlo_metric_each(p->ledger, row->id, take_metric, p, err) : 0;
    return rc == 0 && p->found ? 1 : rc;
}

static int find_previous(struct mlo_ledger *l, const char *key, struct mlo_validate_opts *v,
                         struct mlo_err *err)
{
    struct previous p = {.ledger = l, .key = key};
    struct mlo_run_filter f = {.command = "validate", .status = "done"};
    int rc = mlo_run_each(l, &f, take_run, &p, err);
    v->has_previous = p.found;
    v->previous_rows = p.found ? (uint64_t)p.rows : 0;
    return rc < 0 ? rc : 0;
}

/* ---- checking ---- */

static int check(struct mlo_ctx *ctx, const struct opts *o, const struct mlo_rules *rules,
                 const struct mlo_validate_opts *vo, uint64_t *ret_rows, struct mlo_err *err)
{
    struct mlo_validation *v = NULL;
    int rc = mlo_validate((const char *const *)ctx->args, ctx->n_args, rules, vo, &v, err);
    if (rc == 0)
        rc = write_forms(o, v, err);
    if (rc == 0) {
        report(ctx, o, v);
        *ret_rows = v->rows;
        rc = mlo_validation_fails(v, fail_on(o)) ? MLO_NO : 0;
    }
    mlo_validation_free(v);
    return rc;
}

/* A rule speaks of the check before: this one is remembered for the next. */
static int check_as_run(struct mlo_ctx *ctx, const struct opts *o, const struct mlo_rules *rules,
                        struct mlo_validate_opts *vo, struct mlo_err *err)
{
    struct mlo_workspace ws = {0};
    char key[96];
    uint64_t rows = 0;
    snprintf(key, sizeof key, "rows.%s", mlo_rules_name(rules));
    int rc = mlo_workspace_begin(ctx, &ws, 0, err);
    if (rc != 0)
        return rc;
    rc = find_previous(ws.ledger, key, vo, err);
    if (rc == 0)
        rc = check(ctx, o, rules, vo, &rows, err);
    if (rc == 0 || rc == MLO_NO) {
        int recorded = mlo_run_metric(ws.run, key, (double)rows, err);
        rc = recorded != 0 ? recorded : rc;
    }
    return mlo_workspace_end(&ws, rc, err);
}

static int run_check(struct mlo_ctx *ctx, const struct opts *o, struct mlo_validate_opts *vo,
                     struct mlo_err *err)
{
    struct mlo_rules *rules = NULL;
    uint64_t rows;
    int rc = read_rules(o, &rules, err);
    if (rc == 0)
        rc = mlo_rules_compare_runs(rules) ? check_as_run(ctx, o, rules, vo, err)
                                           : check(ctx, o, rules, vo, &rows, err);
    mlo_rules_free(rules);
    return rc;
}

/* ---- inferring ---- */

static int put_section(struct mlo_workspace *ws, const struct mlo_settings_file *f, const char *block,
                       bool replace, struct mlo_err *err)
{
    MLO_AUTOFREE char *before = NULL;
    MLO_AUTOSTR struct mlo_str out;
    int ordinal = -1;
    mlo_str_init(&out, MLO_SETTINGS_FILE_MAX);
    int rc = mlo_config_get_section(f->path, f->text, f->n, MLO_VALIDATE_SECTION, &before, err);
    if (rc == 0 && before && !replace) {
        mlo_fail(err, MLO_ECONFLICT, "'%s' has rules already", f->path);
        return mlo_hint(err, "--replace puts the new ones in their place; without --write they are printed");
    }
    if (rc == 0)
        rc = mlo_config_put_section(f->path, f->text, f->n, MLO_VALIDATE_SECTION, block, &out, err);
    if (rc == 0)
        rc = mlo_run_intend(ws->run, MLO_EFFECT_SECTION, f->path, before, block, &ordinal, err);
    if (rc == 0)
        rc = mlo_settings_file_write(f, &out, err);
    return rc == 0 ? mlo_run_done(ws->run, ordinal, err) : rc;
}

static int write_rules(struct mlo_ctx *ctx, const struct opts *o, const char *block, struct mlo_err *err)
{
    struct mlo_workspace ws = {0};
    struct mlo_settings_file f = MLO_SETTINGS_FILE_INIT;
    MLO_AUTOFREE char *path = NULL;
    int rc = mlo_workspace_begin(ctx, &ws, 0, err);
    if (rc != 0)
        return rc;
    rc = mlo_settings_file_choose(&ws, false, &path, err);
    if (rc == 0)
        rc = mlo_settings_file_open(path, &f, err);
    if (rc == 0)
        rc = put_section(&ws, &f, block, o->replace, err);
    rc = mlo_workspace_end(&ws, rc, err);
    if (rc == 0 && ctx->json)
        mlo_report_text(ctx->report, "file", "file", f.path);
    else if (rc == 0)
        mlo_report_say(ctx->report, "the rules are in %s: look through them", f.path);
    mlo_settings_file_close(&f);
    return rc;
}

static int run_infer(struct mlo_ctx *ctx, const struct opts *o, const struct mlo_validate_opts *vo,
                     struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_SETTINGS_FILE_MAX);
    int rc = mlo_validate_infer((const char *const *)ctx->args, ctx->n_args, vo, &text, err);
    if (rc == 0 && !o->write)
        mlo_report_raw(ctx->report, "rules", text.ptr);
    return rc == 0 && o->write ? write_rules(ctx, o, text.ptr, err) : rc;
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct opts *o = options;
    struct mlo_validate_opts vo;
    int rc = validate_opts(o, &vo, err);
    if (rc != 0)
        return rc;
    return o->infer ? run_infer(ctx, o, &vo, err) : run_check(ctx, o, &vo, err);
}

static const struct mlo_example examples[] = {
    {"Rules to begin with, from data that is known to be good",
     "mlopsctl validate --infer reference.csv --write"},
    {"Today's data against them", "mlopsctl validate current.csv"},
    {"Rules of their own, for a script", "mlopsctl validate current.csv --rules rules.yaml --json"},
    {"In a GitHub Actions step, warnings fail too",
     "mlopsctl validate current.csv --rules rules.yaml --fail-on warning --github --junit validate.xml"},
    {0},
};

const struct mlo_command mlo_cmd_validate = {
    .name = "validate",
    .group = "watch",
    .summary = "check data against rules: columns, ranges, sets, keys, freshness",
    .synopsis = "TABLE...",
    .description = "Reads the tables once and checks every rule of the section `validate` of mlops.yaml; "
                   "shows which do\n"
                   "not hold, worst first, with the first rows that break them by file and line. A missing "
                   "column or an\n"
                   "unreadable value fails its rules, not the check. Exit 1 means that a rule of severity "
                   "error does not\n"
                   "hold. --infer writes rules to begin with.",
    .opts = opts_table,
    .opts_size = sizeof(struct opts),
    .args = {.min = 1, .max = UINT_MAX, .complete = MLO_OPTF_FILE},
    .examples = examples,
    .flags = MLO_CMDF_WRITES,
    .run = run,
};

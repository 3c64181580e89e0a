/* mlopsctl ledger export: all runs as JSON Lines or CSV, oldest first, one after the other through memory. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/time.h>

#include "cmd/shared/ledger_view.h"

struct opts {
    const char *format, *output;
};

static const struct mlo_opt opts_table[] = {
    {.name = "format",
     .type = MLO_OPT_CHOICE,
     .arg = "FORMAT",
     .help = "jsonl (all that is known) or csv (one row a run); default jsonl",
     .offset = offsetof(struct opts, format),
     .choices = "jsonl|csv"},
    {.name = "output",
     .letter = 'o',
     .type = MLO_OPT_STRING,
     .arg = "FILE",
     .help = "write to this file instead of standard output",
     .offset = offsetof(struct opts, output),
     .flags = MLO_OPTF_FILE},
    {0},
};
static const struct opts defaults = {.format = "jsonl"};

struct export
{
    struct mlo_ledger *ledger;
    FILE *out;
    bool csv;
    uint64_t rows;
};

/* ---- JSON Lines ---- */

static cJSON *add_text(cJSON *obj, const char *key, const char *text)
{
    return text ? cJSON_AddStringToObject(obj, key, text) : cJSON_AddNullToObject(obj, key);
}

static void add_time(cJSON *obj, const char *key, int64_t ns)
{
    if (ns)
        mlo_json_add_i64(obj, key, ns);
    else
        cJSON_AddNullToObject(obj, key);
}

static void add_argv(cJSON *obj, const char *argv_json)
{
    cJSON *argv = NULL;
    struct mlo_err ignored;
    if (mlo_json_parse(argv_json, strlen(argv_json), MLO_STR_MAX, &argv, &ignored) == 0)
        cJSON_AddItemToObject(obj, "argv", argv);
    else
        add_text(obj, "argv", argv_json);
}

static void add_run(cJSON *obj, const struct mlo_run_row *row)
{
    char hex[MLO_DIGEST_HEX + 1];
    mlo_json_add_i64(obj, "run", row->id);
    mlo_json_add_i64(obj, "place", row->seq);
    add_time(obj, "started_ns", row->started_ns);
    add_time(obj, "ended_ns", row->ended_ns);
    add_text(obj, "command", row->command);
    add_argv(obj, row->argv_json);
    add_text(obj, "status", row->status);
    mlo_json_add_i64(obj, "exit_code", row->exit_code);
    mlo_json_add_i64(obj, "undo_of", row->undo_of);
    mlo_json_add_i64(obj, "undone_by", row->undone_by);
    add_text(obj, "note", row->note);
    add_text(obj, "user", row->user);
    add_text(obj, "host", row->host);
    add_text(obj, "folder", row->cwd);
    add_text(obj, "git_commit", row->git_commit);
    cJSON_AddBoolToObject(obj, "git_dirty", row->git_dirty);
    add_text(obj, "tool_version", row->tool_version);
    add_text(obj, "prev_hash", mlo_digest_hex(&row->prev_hash, hex));
    add_text(obj, "hash", mlo_digest_hex(&row->hash, hex));
}

static cJSON *new_member(cJSON *array)
{
    cJSON *obj = cJSON_CreateObject();
    if (obj && cJSON_AddItemToArray(array, obj))
        return obj;
    cJSON_Delete(obj);
    return NULL;
}

static int add_effect(void *ctx, const struct mlo_effect *e, struct mlo_err *err)
{
    cJSON *obj = new_member(ctx);
    add_text(obj, "kind", e->kind);
    add_text(obj, "target", e->target);
    add_text(obj, "before", e->before);
    add_text(obj, "after", e->after);
    return add_text(obj, "state", mlo_view_state(e->state)) ? 0 : mlo_fail_nomem(err);
}

static int add_metric(void *ctx, const char *key, double value, struct mlo_err *err)
{
    return mlo_json_add_double(ctx, key, value) ? 0 : mlo_fail_nomem(err);
}

static int add_artifact(void *ctx, const char *kind, const struct mlo_digest *d, uint64_t size,
                        struct mlo_err *err)
{
    char text[MLO_DIGEST_TEXT];
    cJSON *obj = new_member(ctx);
    add_text(obj, "kind", kind);
    add_text(obj, "digest", mlo_digest_text(d, text));
    return mlo_json_add_u64(obj, "size", size) ? 0 : mlo_fail_nomem(err);
}

static int json_line(struct export *x, const struct mlo_run_row *row, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = cJSON_CreateObject();
    MLO_AUTOFREE char *line = NULL;
    size_t len = 0;
    add_run(doc, row);
    cJSON *effects = cJSON_AddArrayToObject(doc, "effects"),
          *metrics = cJSON_AddObjectToObject(doc, "metrics");
    cJSON *artifacts = cJSON_AddArrayToObject(doc, "artifacts");
    if (!effects || !metrics || !artifacts)
        return mlo_fail_nomem(err);
    int rc = mlo_effect_each(x->ledger, row->id, add_effect, effects, err);
    if (!rc)
        rc = mlo_metric_each(x->ledger, row->id, add_metric, metrics, err);
    if (!rc)
        rc = mlo_artifact_each(x->ledger, row->id, add_artifact, artifacts, err);
    if (!rc)
        rc = mlo_json_print(doc, &line, &len, err);
    if (!rc)
        fprintf(x->out, "%s\n", line);
    return rc;
}

/* ---- CSV ---- */

static const char csv_header[] =
    "run,place,started,ended,command,argv,status,exit_code,undo_of,undone_by,changes,note,user,host,folder,"
    "git_commit,git_dirty,tool_version,hash\r\n";

/* RFC 4180; a leading character that spreadsheets take for a formula gets a quote before it. */
static void csv_text(struct mlo_str *out, const char *text)
{
    if (!text)
        text = "";
    mlo_str_add(out, ",\"");
    if (*text && strchr("=+-@\t\r", *text))
        mlo_str_addc(out, '\'');
    for (; *text; text++) {
        if (*text == '"')
            mlo_str_addc(out, '"');
        mlo_str_addc(out, *text);
    }
    mlo_str_addc(out, '"');
}

static void csv_time(struct mlo_str *out, int64_t ns)
{
    char when[MLO_RFC3339_MAX];
    mlo_str_addf(out, ",%s", ns ? mlo_time_rfc3339(ns, when) : "");
}

static int csv_line(struct export *x, const struct mlo_run_row *row, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str line, changes;
    char hex[MLO_DIGEST_HEX + 1];
    mlo_str_init(&line, MLO_STR_MAX);
    mlo_str_init(&changes, MLO_STR_MAX);
    int rc = mlo_view_changes(x->ledger, row->id, &changes, err);
    if (rc)
        return rc;
    mlo_str_addf(&line, "%" PRId64 ",%" PRId64, row->id, row->seq);
    csv_time(&line, row->started_ns);
    csv_time(&line, row->ended_ns);
    csv_text(&line, row->command);
    csv_text(&line, row->argv_json);
    csv_text(&line, row->status);
    mlo_str_addf(&line, ",%d,%" PRId64 ",%" PRId64, row->exit_code, row->undo_of, row->undone_by);
    csv_text(&line, changes.ptr);
    csv_text(&line, row->note);
    csv_text(&line, row->user);
    csv_text(&line, row->host);
    csv_text(&line, row->cwd);
    csv_text(&line, row->git_commit);
    mlo_str_addf(&line, ",%d", row->git_dirty);
    csv_text(&line, row->tool_version);
    mlo_str_addf(&line, ",%s\r\n", mlo_digest_hex(&row->hash, hex));
    rc = mlo_str_check(&line, err);
    if (!rc)
        fwrite(line.ptr, 1, line.len, x->out);
    return rc;
}

/* ---- both ---- */

static int export_row(void *ctx, const struct mlo_run_row *row, struct mlo_err *err)
{
    struct export *x = ctx;
    x->rows++;
    int rc = x->csv ? csv_line(x, row, err) : json_line(x, row, err);
    return rc || !ferror(x->out) ? rc : mlo_fail_errno(err, "cannot write the export");
}

static int export_all(struct export *x, struct mlo_err *err)
{
    struct mlo_run_filter all = {.oldest_first = true};
    if (x->csv)
        fputs(csv_header, x->out);
    int rc = x->ledger ? mlo_run_each(x->ledger, &all, export_row, x, err) : 0;
    if (!rc && (fflush(x->out) != 0 || ferror(x->out)))
        rc = mlo_fail_errno(err, "cannot write the export");
    return rc;
}

static int export_to_file(struct export *x, const char *path, struct mlo_err *err)
{
    struct mlo_newfile f = MLO_NEWFILE_INIT;
    int rc = mlo_newfile_begin(&f, AT_FDCWD, path, 0644, err);
    if (rc)
        return rc;
    int fd = dup(f.fd);
    x->out = fd < 0 ? NULL : fdopen(fd, "w");
    if (x->out) {
        rc = export_all(x, err);
        if (fclose(x->out) != 0 && !rc)
            rc = mlo_fail_errno(err, "'%s'", path);
    } else {
        rc = mlo_fail_errno(err, "'%s'", path);
        mlo_cleanup_close(&fd);
    }
    if (!rc)
        rc = mlo_newfile_commit(&f, err);
    mlo_newfile_abort(&f);
    return rc;
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct opts *opts = options;
    struct export x = {.out = stdout, .csv = strcmp(opts->format, "csv") == 0};
    struct mlo_workspace ws;
    if (ctx->json && !opts->output)
        return mlo_fail(err, MLO_EUSAGE, "--json has no meaning here: the export itself is the result"),
               mlo_hint(err, "use --format jsonl, or -o FILE");
    int rc = mlo_workspace_read(ctx, &ws, err);
    if (rc)
        return rc;
    x.ledger = ws.ledger;
    rc = opts->output ? export_to_file(&x, opts->output, err) : export_all(&x, err);
    mlo_workspace_close(&ws);
    if (rc || !opts->output)
        return rc;
    if (ctx->json)
        mlo_report_u64(ctx->report, "runs", "runs", x.rows);
    mlo_report_say(ctx->report, "exported %" PRIu64 " runs to %s", x.rows, opts->output);
    return 0;
}

static const struct mlo_example examples[] = {
    {"all that is known, one run a line", "mlopsctl ledger export -o runs.jsonl"},
    {"for a spreadsheet", "mlopsctl ledger export --format csv -o runs.csv"},
    {0},
};

const struct mlo_command mlo_cmd_ledger_export = {
    .name = "export",
    .group = "ledger",
    .summary = "write all runs as JSON Lines or CSV",
    .description =
        "Writes every run, oldest first. JSON Lines hold everything: effects, metrics, artifacts, hashes.\n"
        "CSV has one row a run, quoted so that a spreadsheet takes no text for a formula.",
    .opts = opts_table,
    .opts_size = sizeof(struct opts),
    .defaults = &defaults,
    .examples = examples,
    .run = run,
};

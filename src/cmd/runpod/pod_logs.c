/* mlopsctl runpod pod logs: what a container prints, and what the machine says about it. */
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/time.h>

#include "runpod.h"

#define TAIL_MAX 5000 /* RunPod's */

struct opts {
    bool follow, time;
    uint64_t tail;
    const char *since, *source;
};
static const struct opts defaults = {.tail = 100};

static const struct mlo_opt opts_table[] = {
    {.name = "follow",
     .letter = 'f',
     .type = MLO_OPT_FLAG,
     .help = "go on until Ctrl-C; a connection that breaks is taken up again where it broke",
     .offset = offsetof(struct opts, follow)},
    {.name = "tail",
     .type = MLO_OPT_U64,
     .arg = "N",
     .help = "lines of the past",
     .offset = offsetof(struct opts, tail),
     .max = TAIL_MAX},
    {.name = "since",
     .type = MLO_OPT_STRING,
     .arg = "TIME",
     .help =
         "only lines from this time on, such as 2026-11-21T09:00:00Z, or 15m for the last quarter of an hour",
     .offset = offsetof(struct opts, since)},
    {.name = "source",
     .type = MLO_OPT_CHOICE,
     .arg = "SOURCE",
     .help = "the container's lines, or the machine's",
     .offset = offsetof(struct opts, source),
     .choices = "container|system"},
    {.name = "time",
     .letter = 't',
     .type = MLO_OPT_FLAG,
     .help = "the time before each line",
     .offset = offsetof(struct opts, time)},
    {0},
};

static const struct mlo_column columns[] = {
    {"time", "TIME", MLO_CELL_TIME},
    {"source", "SOURCE", MLO_CELL_TEXT},
    {"line", "LINE", MLO_CELL_TEXT},
};

struct view {
    struct mlo_ctx *ctx;
    const struct opts *o;
};

static int json_line(struct mlo_report *r, const struct mlo_runpod_line *line)
{
    if (line->time_ns)
        mlo_cell_i64(r, line->time_ns);
    else
        mlo_cell_none(r);
    mlo_cell_text(r, line->source);
    mlo_cell_text(r, line->text);
    return 0;
}

/* On a terminal nothing in a line is obeyed; into a pipe it goes as it is. */
static int show_line(void *ctx, const struct mlo_runpod_line *line, struct mlo_err *err)
{
    const struct view *v = ctx;
    char when[MLO_RFC3339_MAX];
    MLO_AUTOSTR struct mlo_str shown;
    mlo_str_init(&shown, MLO_STR_MAX);
    if (v->ctx->json)
        return json_line(v->ctx->report, line);
    if (v->o->time && line->time_ns)
        mlo_str_addf(&shown, "%s ", mlo_time_rfc3339(line->time_ns, when));
    if (v->ctx->tty_out)
        mlo_escape_text(&shown, line->text, strlen(line->text));
    else
        mlo_str_add(&shown, line->text);
    mlo_str_addc(&shown, '\n');
    if (mlo_str_check(&shown, err))
        return err->code;
    if (fwrite(shown.ptr, 1, shown.len, stdout) != shown.len || (v->o->follow && fflush(stdout) != 0))
        return mlo_fail_errno(err, "cannot write to standard output");
    return 0;
}

static int parse_since(struct mlo_runpod *c, const char *text, int64_t *ret, struct mlo_err *err)
{
    uint64_t ago = 0;
    struct mlo_err ignored = MLO_ERR_INIT;
    if (mlo_parse_duration(text, "--since", &ago, &ignored) == 0) {
        *ret = mlo_runpod_time(c) - (int64_t)ago;
        return 0;
    }
    return mlo_time_parse(text, ret, err);
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct opts *o = options;
    struct mlo_runpod *c = NULL;
    struct mlo_runpod_pod pod = {0};
    struct mlo_runpod_logs q = {.source = o->source, .tail = o->tail, .follow = o->follow};
    struct view v = {ctx, o};
    int rc = mlo_ctx_runpod(ctx, &c, err);
    if (rc == 0)
        rc = mlo_pod_find(c, ctx->args[0], &pod, err);
    if (rc == 0 && o->since)
        rc = parse_since(c, o->since, &q.since_ns, err);
    if (rc == 0) {
        q.pod = pod.id;
        if (ctx->json) {
            mlo_report_table(ctx->report, "lines", NULL, columns, MLO_COUNT(columns), NULL);
            mlo_report_stream(ctx->report, stdout);
        }
        rc = mlo_runpod_logs(c, &q, show_line, &v, err);
    }
    mlo_runpod_pod_release(&pod);
    if (rc != 0 && o->follow && mlo_interrupted()) { /* how following ends */
        *err = MLO_ERR_INIT;
        return MLO_NO;
    }
    return rc;
}

static const struct mlo_example examples[] = {
    {"The last lines", "mlopsctl runpod pod logs train --tail 20"},
    {"What the machine said about it in the last hour",
     "mlopsctl runpod pod logs train --source system --since 1h"},
    {0},
};

const struct mlo_command mlo_cmd_runpod_pod_logs = {
    .name = "logs",
    .summary = "print a pod's log",
    .synopsis = "POD",
    .description =
        "With -f goes on until Ctrl-C. With --json each line is an object with time, source and line.",
    .opts = opts_table,
    .opts_size = sizeof(struct opts),
    .defaults = &defaults,
    .args = {.min = 1, .max = 1},
    .examples = examples,
    .run = run,
};

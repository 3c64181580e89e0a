/* mlopsctl monitor: when did the values of a stream change? Exit 1 when they did. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

#include "table.h"
#include "cmd/shared/tables.h"

struct opts {
    struct mlo_strings columns, detectors;
    const char *label, *prediction, *threshold, *time, *state, *format;
};

static const struct mlo_opt opts_table[] = {
    {.name = "column",
     .letter = 'c',
     .type = MLO_OPT_LIST,
     .arg = "COLUMN",
     .help = "a column to watch",
     .offset = offsetof(struct opts, columns)},
    {.name = "label",
     .type = MLO_OPT_STRING,
     .arg = "COLUMN",
     .help = "the column of what was right; with --prediction the errors are watched",
     .offset = offsetof(struct opts, label)},
    {.name = "prediction",
     .type = MLO_OPT_STRING,
     .arg = "COLUMN",
     .help = "the column of what was predicted: an error is 1 where classes differ, else the distance",
     .offset = offsetof(struct opts, prediction)},
    {.name = "threshold",
     .type = MLO_OPT_STRING,
     .arg = "X",
     .help = "the prediction is a score, and X or more of it means a label of 1",
     .offset = offsetof(struct opts, threshold)},
    {.name = "detector",
     .letter = 'd',
     .type = MLO_OPT_LIST,
     .arg = "NAME[:KEY=X...]",
     .help = "adwin (when none is given), ddm, eddm, hddm-a, hddm-w, page-hinkley or kswin, with parameters",
     .offset = offsetof(struct opts, detectors)},
    {.name = "time",
     .type = MLO_OPT_STRING,
     .arg = "COLUMN",
     .help = "when each row was; as a rule the only column of times",
     .offset = offsetof(struct opts, time)},
    {.name = "state",
     .type = MLO_OPT_STRING,
     .arg = "FILE",
     .help = "go on from where the last run with this file ended; made when it is not there",
     .offset = offsetof(struct opts, state),
     .flags = MLO_OPTF_FILE},
    MLO_FORMAT_OPTION(struct opts),
    {0},
};

#define DETECTORS_MAX ((size_t)32)

/* ---- detectors by name ---- */

static int find_detector(const char *name, size_t n, struct mlo_detector *ret, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    for (int k = 0; k < MLO_DETECTORS; k++) {
        const char *known = mlo_detector_info((enum mlo_detector_kind)k)->name;
        if (strlen(known) == n && strncmp(known, name, n) == 0) {
            mlo_detector_init(ret, (enum mlo_detector_kind)k);
            return 0;
        }
    }
    mlo_fail(err, MLO_EUSAGE, "there is no detector '%s'", mlo_shown(name, n, shown));
    return mlo_hint(err, "adwin, ddm, eddm, hddm-a, hddm-w, page-hinkley, kswin");
}

/* "delta=0.01,clock=1" */
static int set_parameters(struct mlo_detector *d, const char *words, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = mlo_strdup(words, err);
    char *save = NULL;
    int rc = text ? 0 : MLO_EIO;
    for (char *word = text ? strtok_r(text, ",", &save) : NULL; rc == 0 && word;
         word = strtok_r(NULL, ",", &save)) {
        char *value = strchr(word, '=');
        double x = 0;
        if (!value)
            return mlo_fail(err, MLO_EUSAGE, "'%s' is no KEY=VALUE", word);
        *value++ = '\0';
        rc = mlo_parse_double(value, word, &x, err);
        if (rc == 0)
            rc = mlo_detector_set(d, word, x, err);
    }
    return rc;
}

static int read_detectors(const struct mlo_strings *words, struct mlo_detector *ret, size_t *ret_n,
                          struct mlo_err *err)
{
    int rc = 0;
    if (words->n > DETECTORS_MAX)
        return mlo_fail(err, MLO_EUSAGE, "at most %zu detectors", DETECTORS_MAX);
    for (size_t i = 0; rc == 0 && i < words->n; i++) {
        size_t n = strcspn(words->items[i], ":");
        rc = find_detector(words->items[i], n, &ret[i], err);
        if (rc == 0 && words->items[i][n] == ':')
            rc = set_parameters(&ret[i], words->items[i] + n + 1, err);
    }
    if (words->n == 0)
        mlo_detector_init(&ret[0], MLO_DETECT_ADWIN);
    *ret_n = words->n ? words->n : 1;
    return rc;
}

/* ---- the state ---- */

static int restore(struct mlo_monitor *m, const char *path, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return 0;
    int rc = mlo_slurp_at(AT_FDCWD, path, MLO_MONITOR_STATE_MAX, &text, &n, err);
    if (rc == 0)
        rc = mlo_monitor_restore(m, text, n, err);
    return rc != 0 ? mlo_wrap(err, "'%s'", path) : 0;
}

static int keep(const struct mlo_monitor *m, const char *path, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_MONITOR_STATE_MAX);
    int rc = mlo_monitor_write(m, &text, err);
    return rc == 0 ? mlo_result_write(path, &text, err) : rc;
}

/* ---- the report ---- */

static const struct mlo_column columns[] = {
    {"column", "COLUMN", MLO_CELL_TEXT}, {"detector", "DETECTOR", MLO_CELL_TEXT},
    {"signal", "SIGNAL", MLO_CELL_TEXT}, {"row", "ROW", MLO_CELL_U64},
    {"time", "TIME", MLO_CELL_TIME},     {"value", "VALUE", MLO_CELL_DOUBLE},
};

static void put_events(struct mlo_report *r, const struct mlo_monitor_facts *f)
{
    mlo_report_table(r, "events", NULL, columns, MLO_COUNT(columns), NULL);
    for (size_t i = 0; i < f->n_events; i++) {
        const struct mlo_monitor_event *e = &f->events[i];
        mlo_cell_text(r, e->stream);
        mlo_cell_text(r, e->detector);
        mlo_cell_text(r, e->signal == MLO_SIGNAL_DRIFT ? "drift" : "warning");
        mlo_cell_u64(r, e->row);
        if (e->timed)
            mlo_cell_i64(r, e->time_ns);
        else
            mlo_cell_none(r);
        mlo_cell_double(r, e->value);
    }
}

static void report(struct mlo_ctx *ctx, const struct mlo_monitor_facts *f)
{
    struct mlo_report *r = ctx->report;
    if (ctx->json) {
        mlo_report_bool(r, "drift", "drift", f->drifts > 0);
        mlo_report_u64(r, "rows", "rows", f->rows);
        mlo_report_u64(r, "drifts", "drifts", f->drifts);
        mlo_report_u64(r, "warnings", "warnings", f->warnings);
        mlo_report_u64(r, "skipped", "skipped", f->skipped);
        mlo_report_u64(r, "ragged", "ragged", f->ragged);
    } else {
        mlo_report_say(r, "%s: rows: %llu, drifts: %llu, warnings: %llu", f->drifts ? "drift" : "no drift",
                       (unsigned long long)f->rows, (unsigned long long)f->drifts,
                       (unsigned long long)f->warnings);
    }
    put_events(r, f);
    if (f->drifts + f->warnings > f->n_events)
        mlo_report_note(r, "only the first %zu events are shown", f->n_events);
    if (f->skipped)
        mlo_note(ctx, "%llu values are missing or no numbers and were passed over",
                 (unsigned long long)f->skipped);
    if (f->ragged)
        mlo_warn(ctx, "%llu lines are no rows of the table and were left out", (unsigned long long)f->ragged);
}

/* ---- the work ---- */

static int watch(struct mlo_ctx *ctx, const struct opts *o, struct mlo_monitor *m, struct mlo_err *err)
{
    struct mlo_table_opts to = mlo_table_opts_of(ctx, o->format, 1);
    struct mlo_table *t = NULL;
    struct mlo_monitor_facts facts;
    int rc = o->state ? restore(m, o->state, err) : 0;
    if (rc == 0)
        rc = mlo_table_open((const char *const *)ctx->args, ctx->n_args, &to, &t, err);
    if (rc == 0)
        rc = mlo_monitor_table(m, t, err);
    mlo_table_close(t);
    if (rc == 0 && o->state)
        rc = keep(m, o->state, err);
    if (rc != 0)
        return rc;
    mlo_monitor_facts(m, &facts);
    report(ctx, &facts);
    return facts.drifts > 0 ? MLO_NO : 0;
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct opts *o = options;
    struct mlo_monitor *m = NULL;
    MLO_AUTOFREE struct mlo_detector *detectors = mlo_calloc(DETECTORS_MAX, sizeof *detectors, err);
    struct mlo_monitor_opts mo = {.columns = o->columns.items,
                                  .n_columns = o->columns.n,
                                  .label = o->label,
                                  .prediction = o->prediction,
                                  .threshold = NAN,
                                  .time = o->time,
                                  .detectors = detectors};
    int rc = detectors ? read_detectors(&o->detectors, detectors, &mo.n_detectors, err) : MLO_EIO;
    if (rc == 0 && o->threshold)
        rc = mlo_parse_double(o->threshold, "--threshold", &mo.threshold, err);
    if (rc == 0)
        rc = mlo_monitor_new(&mo, &m, err);
    if (rc == 0)
        rc = watch(ctx, o, m, err);
    mlo_monitor_free(m);
    return rc;
}

static const struct mlo_example examples[] = {
    {"When did a column's values change?", "mlopsctl monitor current.csv --column amount"},
    {"When did the model's errors become more? Two detectors, rows from a pipe",
     "mlopsctl monitor - --label paid --prediction answer -d adwin -d ddm:drift=4 < answers.csv"},
    {"Every night, over the day's rows", "mlopsctl monitor current.csv -c amount --state amount.monitor"},
    {0},
};

const struct mlo_command mlo_cmd_monitor = {
    .name = "monitor",
    .group = "watch",
    .summary = "tell when the values of a stream changed",
    .synopsis = "TABLE... --column COLUMN | --label COLUMN --prediction COLUMN",
    .description =
        "Shows the values to detectors of change, one row after the other, and tells the row and time of\n"
        "every warning and drift. After a drift a detector begins anew. ddm, eddm, hddm-a and hddm-w watch\n"
        "errors (0 and 1), the others any numbers. Row 1 is the first one; with --state the rows of earlier\n"
        "runs count too. Exit 1 means drift.",
    .opts = opts_table,
    .opts_size = sizeof(struct opts),
    .args = {.min = 1, .max = UINT_MAX, .complete = MLO_OPTF_FILE},
    .examples = examples,
    .run = run,
};

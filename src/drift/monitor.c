/*
 * Streams of values under detectors of change: which values of a table they get, what was said when, and
 * keeping the detectors' state between runs.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/json.h>
#include <mlopsctl/base/text.h>

#include "internal.h"

#define MONITOR_SCHEMA 1
#define MONITOR_KIND   "mlopsctl-monitor"

enum source { /* of a stream's values */
              SOURCE_COLUMN,
              SOURCE_TEXTS,     /* 1 where label and prediction are different texts */
              SOURCE_CLASSES,   /* or different numbers */
              SOURCE_THRESHOLD, /* or the score is on the wrong side */
              SOURCE_DISTANCE,  /* |label - prediction| */
};
struct stream {
    char *name;
    enum source source;
    size_t column, prediction;
    struct mlo_detector *detectors;
};
struct mlo_monitor {
    struct mlo_monitor_opts opts;
    struct stream *streams;
    size_t n_streams;
    bool timed;
    size_t time;   /* column */
    uint64_t rows; /* of all runs */
    struct mlo_monitor_facts facts;
    struct mlo_monitor_event *events;
    size_t cap_events;
};

void mlo_monitor_free(struct mlo_monitor *m)
{
    for (size_t i = 0; m && i < m->n_streams; i++) {
        free(m->streams[i].name);
        free(m->streams[i].detectors);
    }
    if (m) {
        free(m->streams);
        free(m->events);
    }
    free(m);
}

/* ---- setting up ---- */

static int add_stream(struct mlo_monitor *m, const char *name, struct mlo_err *err)
{
    const struct mlo_monitor_opts *o = &m->opts;
    struct stream *s = &m->streams[m->n_streams++];
    s->name = mlo_strdup(name, err);
    s->detectors = mlo_calloc(o->n_detectors, sizeof *s->detectors, err);
    if (!s->name || !s->detectors)
        return MLO_EIO;
    memcpy(s->detectors, o->detectors, o->n_detectors * sizeof *s->detectors);
    return 0;
}

int mlo_monitor_new(const struct mlo_monitor_opts *opts, struct mlo_monitor **ret, struct mlo_err *err)
{
    struct mlo_monitor *m;
    int rc = 0;
    if (!opts->label != !opts->prediction)
        return mlo_fail(err, MLO_EUSAGE,
                        "label and prediction go together: the errors are where they differ");
    if (opts->n_columns == 0 && !opts->label)
        return mlo_fail(err, MLO_EUSAGE, "no column was named");
    m = mlo_calloc(1, sizeof *m, err);
    if (!m)
        return MLO_EIO;
    m->opts = *opts;
    m->streams = mlo_calloc(opts->n_columns + 1, sizeof *m->streams, err);
    rc = m->streams ? 0 : MLO_EIO;
    for (size_t i = 0; rc == 0 && i < opts->n_columns; i++)
        rc = add_stream(m, opts->columns[i], err);
    if (rc == 0 && opts->label)
        rc = add_stream(m, "error", err);
    if (rc != 0) {
        mlo_monitor_free(m);
        return rc;
    }
    *ret = m;
    return 0;
}

/* ---- columns ---- */

static int find_column(const struct mlo_table_column *columns, size_t n, const char *name, size_t *ret,
                       struct mlo_err *err)
{
    struct mlo_nearest near = {.word = name};
    for (size_t i = 0; i < n; i++) {
        if (strcmp(columns[i].name, name) == 0) {
            *ret = i;
            return 0;
        }
        mlo_nearest_offer(&near, columns[i].name);
    }
    mlo_fail(err, MLO_ENOTFOUND, "the table has no column '%s'", name);
    return near.best ? mlo_hint(err, "did you mean '%s'?", near.best) : MLO_ENOTFOUND;
}

static bool has_numbers(const struct mlo_table_column *c)
{
    return c->type == MLO_COLUMN_NUMBER || c->type == MLO_COLUMN_BOOL;
}

/* A label is a class when it has no fraction; a prediction too, or is a score beside a threshold. */
static int choose_source(const struct mlo_monitor *m, const struct mlo_table_column *label,
                         const struct mlo_table_column *prediction, enum source *ret, struct mlo_err *err)
{
    bool label_class = label->type == MLO_COLUMN_BOOL || label->integral;
    bool prediction_class = prediction->type == MLO_COLUMN_BOOL || prediction->integral;
    if (label->type == MLO_COLUMN_TEXT && prediction->type == MLO_COLUMN_TEXT)
        *ret = SOURCE_TEXTS;
    else if (!has_numbers(label) || !has_numbers(prediction))
        return mlo_fail(err, MLO_EUSAGE, "'%s' and '%s' are of different types and cannot be compared",
                        label->name, prediction->name);
    else if (!isnan(m->opts.threshold))
        *ret = SOURCE_THRESHOLD;
    else
        *ret = label_class && prediction_class ? SOURCE_CLASSES : SOURCE_DISTANCE;
    return 0;
}

static int find_error(struct mlo_monitor *m, struct stream *s, const struct mlo_table_column *columns,
                      size_t n, struct mlo_err *err)
{
    int rc = find_column(columns, n, m->opts.label, &s->column, err);
    if (rc == 0)
        rc = find_column(columns, n, m->opts.prediction, &s->prediction, err);
    return rc == 0 ? choose_source(m, &columns[s->column], &columns[s->prediction], &s->source, err) : rc;
}

/* The one that was named, or the only one that holds times. */
static int find_time(struct mlo_monitor *m, const struct mlo_table_column *columns, size_t n,
                     struct mlo_err *err)
{
    size_t found = 0;
    m->timed = m->opts.time != NULL;
    if (m->timed) {
        int rc = find_column(columns, n, m->opts.time, &m->time, err);
        if (rc == 0 && columns[m->time].type != MLO_COLUMN_TIME)
            rc = mlo_fail(err, MLO_EUSAGE, "column '%s' does not hold times", m->opts.time);
        return rc;
    }
    for (size_t i = 0; i < n; i++)
        if (columns[i].type == MLO_COLUMN_TIME) {
            m->time = i;
            found++;
        }
    m->timed = found == 1;
    return 0;
}

static int find_columns(struct mlo_monitor *m, const struct mlo_table *t, struct mlo_err *err)
{
    size_t n;
    const struct mlo_table_column *columns = mlo_table_columns(t, &n);
    int rc = find_time(m, columns, n, err);
    for (size_t i = 0; rc == 0 && i < m->opts.n_columns; i++) {
        struct stream *s = &m->streams[i];
        rc = find_column(columns, n, s->name, &s->column, err);
        if (rc == 0 && !has_numbers(&columns[s->column]))
            rc = mlo_fail(err, MLO_EUSAGE, "column '%s' holds no numbers", s->name);
    }
    return rc == 0 && m->opts.label ? find_error(m, &m->streams[m->n_streams - 1], columns, n, err) : rc;
}

/* ---- values ---- */

static bool is_there(const struct mlo_batch_column *c, size_t row)
{
    return !c->cell || c->cell[row] == MLO_CELL_OK;
}

static struct mlo_slice text_of(const struct mlo_batch_column *c, size_t row)
{
    return c->codes ? c->dictionary[c->codes[row]] : c->texts[row];
}

static bool same_text(struct mlo_slice a, struct mlo_slice b)
{
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

static bool value_of(const struct mlo_monitor *m, const struct stream *s, const struct mlo_batch *b,
                     size_t row, double *ret)
{
    const struct mlo_batch_column *x = &b->columns[s->column], *y = &b->columns[s->prediction];
    if (!is_there(x, row) || (s->source != SOURCE_COLUMN && !is_there(y, row)))
        return false;
    switch (s->source) {
    case SOURCE_COLUMN:
        *ret = x->numbers[row];
        break;
    case SOURCE_TEXTS:
        *ret = !same_text(text_of(x, row), text_of(y, row));
        break;
    case SOURCE_CLASSES:
        *ret = x->numbers[row] != y->numbers[row];
        break;
    case SOURCE_THRESHOLD:
        *ret = (x->numbers[row] > 0) != (y->numbers[row] >= m->opts.threshold);
        break;
    case SOURCE_DISTANCE:
        *ret = fabs(x->numbers[row] - y->numbers[row]);
        break;
    }
    return isfinite(*ret);
}

static int add_event(struct mlo_monitor *m, const struct stream *s, const struct mlo_detector *d,
                     const struct mlo_monitor_event *place, struct mlo_err *err)
{
    struct mlo_monitor_event e = *place;
    bool drift = d->signal == MLO_SIGNAL_DRIFT;
    m->facts.drifts += drift;
    m->facts.warnings += !drift;
    if (m->facts.n_events == MLO_MONITOR_EVENTS_MAX)
        return 0;
    e.stream = s->name;
    e.detector = mlo_detector_info(d->kind)->name;
    e.signal = d->signal;
    int rc = mlo_grow(&m->events, &m->cap_events, m->facts.n_events + 1, sizeof *m->events, err);
    if (rc == 0)
        m->events[m->facts.n_events++] = e;
    return rc;
}

static int show(struct mlo_monitor *m, struct stream *s, const struct mlo_monitor_event *place,
                struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < m->opts.n_detectors; i++) {
        struct mlo_detector *d = &s->detectors[i];
        const struct mlo_detector_info *info = mlo_detector_info(d->kind);
        enum mlo_signal before = d->signal;
        if (info->binary && place->value != 0 && place->value != 1) {
            mlo_fail(err, MLO_EUSAGE, "'%s' is %g in row %llu, but %s needs 0 and 1", s->name, place->value,
                     (unsigned long long)place->row, info->name);
            return mlo_hint(err, "adwin, page-hinkley and kswin take any number");
        }
        enum mlo_signal now = mlo_detector_update(d, place->value);
        if (now == MLO_SIGNAL_DRIFT || (now == MLO_SIGNAL_WARNING && before != now))
            rc = add_event(m, s, d, place, err);
    }
    return rc;
}

static int show_row(struct mlo_monitor *m, const struct mlo_batch *b, size_t row, struct mlo_err *err)
{
    struct mlo_monitor_event place = {.row = ++m->rows};
    int rc = 0;
    if (m->timed && is_there(&b->columns[m->time], row)) {
        place.timed = true;
        place.time_ns = b->columns[m->time].times[row];
    }
    for (size_t i = 0; rc == 0 && i < m->n_streams; i++) {
        if (value_of(m, &m->streams[i], b, row, &place.value))
            rc = show(m, &m->streams[i], &place, err);
        else
            m->facts.skipped++;
    }
    return rc;
}

static int show_batch(void *ctx, unsigned worker, const struct mlo_batch *b, struct mlo_err *err)
{
    int rc = 0;
    (void)worker;
    for (size_t row = 0; rc == 0 && row < b->n_rows; row++)
        rc = show_row(ctx, b, row, err);
    return rc;
}

int mlo_monitor_table(struct mlo_monitor *m, struct mlo_table *t, struct mlo_err *err)
{
    struct mlo_scan_result st = {0};
    if (mlo_table_workers(t) != 1)
        return mlo_fail(err, MLO_EINTERNAL, "a stream is read in order, by one thread");
    int rc = find_columns(m, t, err);
    if (rc == 0)
        rc = mlo_table_scan(t, show_batch, m, &st, err);
    m->facts.rows += st.rows;
    m->facts.ragged += st.ragged;
    return rc;
}

void mlo_monitor_facts(const struct mlo_monitor *m, struct mlo_monitor_facts *ret)
{
    *ret = m->facts;
    ret->events = m->events;
}

/* ---- the state as JSON: numbers in hexadecimal, so that they come back to the last bit ---- */

static const char *const signal_names[] = {
    [MLO_SIGNAL_NONE] = "none", [MLO_SIGNAL_WARNING] = "warning", [MLO_SIGNAL_DRIFT] = "drift"};

/* NULL when memory is gone. */
static cJSON *add_numbers(cJSON *to, const char *key, const double *x, size_t n)
{
    cJSON *list = cJSON_AddArrayToObject(to, key);
    for (size_t i = 0; list && i < n; i++) {
        char text[32];
        snprintf(text, sizeof text, "%a", x[i]);
        if (!cJSON_AddItemToArray(list, cJSON_CreateString(text)))
            return NULL;
    }
    return list;
}

static bool add_detector(cJSON *list, const struct mlo_detector *d)
{
    const struct mlo_detector_info *info = mlo_detector_info(d->kind);
    size_t n;
    const double *numbers = mlo_detector_numbers(d, &n);
    cJSON *node = cJSON_CreateObject();
    return cJSON_AddItemToArray(list, node) && cJSON_AddStringToObject(node, "detector", info->name) &&
           cJSON_AddStringToObject(node, "signal", signal_names[d->signal]) &&
           add_numbers(node, "parameters", d->parameters, info->n_parameters) &&
           add_numbers(node, "state", numbers, n);
}

static bool add_streams(cJSON *doc, const struct mlo_monitor *m)
{
    cJSON *list = cJSON_AddArrayToObject(doc, "streams");
    bool whole = list != NULL;
    for (size_t i = 0; whole && i < m->n_streams; i++) {
        cJSON *node = cJSON_CreateObject(), *detectors = NULL;
        whole = cJSON_AddItemToArray(list, node) &&
                cJSON_AddStringToObject(node, "column", m->streams[i].name);
        if (whole)
            detectors = cJSON_AddArrayToObject(node, "detectors");
        for (size_t k = 0; detectors && whole && k < m->opts.n_detectors; k++)
            whole = add_detector(detectors, &m->streams[i].detectors[k]);
        whole = whole && detectors;
    }
    return whole;
}

int mlo_monitor_write(const struct mlo_monitor *m, struct mlo_str *out, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = cJSON_CreateObject();
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    if (!mlo_json_add_u64(doc, "schema", MONITOR_SCHEMA) ||
        !cJSON_AddStringToObject(doc, "kind", MONITOR_KIND) || !mlo_json_add_u64(doc, "rows", m->rows) ||
        !add_streams(doc, m))
        return mlo_fail_nomem(err);
    int rc = mlo_json_print(doc, &text, &n, err);
    if (rc != 0)
        return rc;
    mlo_str_addn(out, text, n);
    mlo_str_addc(out, '\n');
    return mlo_str_check(out, err);
}

/* At most max numbers; false when it is not a list of them. */
static bool read_numbers(const cJSON *list, double *ret, size_t max, size_t *ret_n)
{
    const cJSON *item;
    size_t n = 0;
    if (!cJSON_IsArray(list) || (size_t)cJSON_GetArraySize(list) > max)
        return false;
    cJSON_ArrayForEach(item, list)
    {
        char *end = NULL;
        if (!cJSON_IsString(item) || item->valuestring[0] == '\0')
            return false;
        ret[n++] = strtod(item->valuestring, &end);
        if (*end != '\0')
            return false;
    }
    *ret_n = n;
    return true;
}

static bool read_signal(const cJSON *node, enum mlo_signal *ret)
{
    const char *name = mlo_json_text(node, "signal");
    for (size_t i = 0; name && i < MLO_COUNT(signal_names); i++)
        if (strcmp(name, signal_names[i]) == 0) {
            *ret = (enum mlo_signal)i;
            return true;
        }
    return false;
}

static int other_setup(struct mlo_err *err)
{
    mlo_fail(err, MLO_EUSAGE, "the state was kept with other columns, detectors or parameters");
    return mlo_hint(err, "name the same ones, or keep the state in another file");
}

static int restore_detector(const cJSON *node, struct mlo_detector *d, struct mlo_err *err)
{
    enum { NUMBERS_MAX = sizeof d->state / sizeof(double) };
    const struct mlo_detector_info *info = mlo_detector_info(d->kind);
    double numbers[NUMBERS_MAX], parameters[MLO_DETECTOR_PARAMETERS];
    const char *name = mlo_json_text(node, "detector");
    enum mlo_signal signal;
    size_t n, n_parameters;
    if (!name || !read_signal(node, &signal) ||
        !read_numbers(cJSON_GetObjectItemCaseSensitive(node, "parameters"), parameters,
                      MLO_DETECTOR_PARAMETERS, &n_parameters) ||
        !read_numbers(cJSON_GetObjectItemCaseSensitive(node, "state"), numbers, NUMBERS_MAX, &n))
        return mlo_fail(err, MLO_EINVALID, "this is no state of a detector");
    if (strcmp(name, info->name) != 0 || n_parameters != info->n_parameters ||
        memcmp(parameters, d->parameters, n_parameters * sizeof *parameters) != 0)
        return other_setup(err);
    return mlo_detector_restore(d, signal, numbers, n, err);
}

static int restore_stream(const struct mlo_monitor *m, const cJSON *node, struct stream *s,
                          struct mlo_err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(node, "detectors"), *item;
    const char *name = mlo_json_text(node, "column");
    size_t i = 0;
    if (!name || strcmp(name, s->name) != 0 || (size_t)cJSON_GetArraySize(list) != m->opts.n_detectors)
        return other_setup(err);
    cJSON_ArrayForEach(item, list)
    {
        int rc = restore_detector(item, &s->detectors[i++], err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int mlo_monitor_restore(struct mlo_monitor *m, const char *text, size_t n, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = NULL;
    const cJSON *item;
    uint64_t schema;
    size_t i = 0;
    int rc = mlo_json_parse(text, n, MLO_MONITOR_STATE_MAX, &doc, err);
    const char *kind = rc == 0 ? mlo_json_text(doc, "kind") : NULL;
    if (rc == 0 && (!kind || strcmp(kind, MONITOR_KIND) != 0))
        rc = mlo_fail(err, MLO_EINVALID, "this is no state of a monitor");
    if (rc == 0)
        rc = mlo_json_u64(doc, "schema", &schema, err);
    if (rc == 0 && schema != MONITOR_SCHEMA)
        rc = mlo_fail(err, MLO_EINVALID, "the state is of schema %llu, which this version does not know",
                      (unsigned long long)schema);
    if (rc == 0)
        rc = mlo_json_u64(doc, "rows", &m->rows, err);
    const cJSON *list = rc == 0 ? cJSON_GetObjectItemCaseSensitive(doc, "streams") : NULL;
    if (rc == 0 && (size_t)cJSON_GetArraySize(list) != m->n_streams)
        rc = other_setup(err);
    cJSON_ArrayForEach(item, list) if (rc == 0) rc = restore_stream(m, item, &m->streams[i++], err);
    return rc;
}

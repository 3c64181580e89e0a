/*
 * The request log (docs/formats.md): JSON Lines with the request's own members, and the model's inputs and
 * outputs as objects of columns. Members that are not told here are none of the table's.
 */
#include <string.h>

#include <mlopsctl/base/json.h>

#include "jsonl.h"

static const struct {
    const char *key;
    enum mlo_column_type type;
} request[] = {{"time", MLO_COLUMN_TIME},
               {"status", MLO_COLUMN_NUMBER},
               {"latency_ms", MLO_COLUMN_NUMBER},
               {"model", MLO_COLUMN_TEXT}};
enum { STATUS = 1 }; /* place of the only whole number */
static const char label[] = "label", inputs[] = "inputs", outputs[] = "outputs";

static bool is(struct mlo_slice s, const char *word)
{
    return s.len == strlen(word) && memcmp(s.ptr, word, s.len) == 0;
}

/* ---- cells ---- */

static int tell_cell(void *ctx, struct mlo_slice key, struct mlo_slice value, struct mlo_err *err)
{
    struct mlo_json_row *row = ctx;
    return row->cell(row, key, value, err);
}

static int tell_section(struct mlo_json_row *row, enum mlo_column_origin origin, struct mlo_slice object,
                        struct mlo_err *err)
{
    const struct mlo_json_line within = {.text = object.ptr, .n = object.len, .unescaped = row->unescaped};
    if (!object.ptr)
        return 0;
    row->origin = origin;
    return mlo_json_members(&within, tell_cell, row, err);
}

static int tell_member(void *ctx, struct mlo_slice key, struct mlo_slice value, struct mlo_err *err)
{
    struct mlo_json_row *row = ctx;
    if (is(key, inputs))
        return tell_section(row, MLO_ORIGIN_INPUT, value, err);
    if (is(key, outputs))
        return tell_section(row, MLO_ORIGIN_OUTPUT, value, err);
    row->origin = is(key, label) ? MLO_ORIGIN_LABEL : MLO_ORIGIN_REQUEST;
    bool known = row->origin == MLO_ORIGIN_LABEL || mlo_jsonl_column(row, key) != MLO_NAME_NONE;
    return known ? row->cell(row, key, value, err) : 0;
}

int mlo_log_members(const struct mlo_json_line *l, struct mlo_json_row *row, struct mlo_err *err)
{
    row->unescaped = l->unescaped;
    return mlo_json_members(l, tell_member, row, err);
}

/* ---- columns ---- */

int mlo_log_begin(struct mlo_jsonl *t, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < MLO_COUNT(request); i++) {
        const char *key = request[i].key;
        rc = mlo_jsonl_add(t, MLO_ORIGIN_REQUEST, (struct mlo_slice){key, strlen(key)}, err);
        if (rc == 0) {
            t->columns[i].type = request[i].type;
            t->columns[i].integral = i == STATUS;
        }
    }
    return rc;
}

static const char *prefix_of(enum mlo_column_origin origin)
{
    return origin == MLO_ORIGIN_INPUT ? inputs : outputs;
}

/* "inputs." at the start of the name. */
static bool has_prefix(const char *name, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(name, prefix, n) == 0 && name[n] == '.';
}

/* Is the plain name another column's? */
static bool collides(const struct mlo_jsonl *t, const struct mlo_table_column *c, const char *key)
{
    if (has_prefix(key, inputs) || has_prefix(key, outputs) || strcmp(key, label) == 0)
        return true;
    for (size_t i = 0; i < MLO_COUNT(request); i++)
        if (strcmp(key, request[i].key) == 0)
            return true;
    return c->origin == MLO_ORIGIN_OUTPUT &&
           mlo_name_map_get(&t->of_key[MLO_ORIGIN_INPUT], key, strlen(key)) != MLO_NAME_NONE;
}

int mlo_log_name(struct mlo_jsonl *t, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str name;
    mlo_str_init(&name, MLO_TABLE_LINE_MAX);
    for (size_t i = 0; i < t->n_columns; i++) {
        struct mlo_table_column *c = &t->columns[i];
        bool within = c->origin == MLO_ORIGIN_INPUT || c->origin == MLO_ORIGIN_OUTPUT;
        mlo_str_clear(&name);
        if (within && collides(t, c, t->keys[i]))
            mlo_str_addf(&name, "%s.", prefix_of(c->origin));
        mlo_str_add(&name, t->keys[i]);
        int rc = mlo_str_check(&name, err);
        if (rc != 0)
            return rc;
        c->name = mlo_strdup(name.ptr, err);
        if (!c->name)
            return MLO_EIO;
    }
    return 0;
}

const char *mlo_log_key(const struct mlo_table_column *c)
{
    bool within = c->origin == MLO_ORIGIN_INPUT || c->origin == MLO_ORIGIN_OUTPUT;
    return within && has_prefix(c->name, prefix_of(c->origin)) ? c->name + strlen(prefix_of(c->origin)) + 1
                                                               : c->name;
}

/* ---- is it one? ---- */

struct seen {
    bool time, status, latency;
};

static int see(void *ctx, struct mlo_slice key, struct mlo_slice value, struct mlo_err *err)
{
    struct seen *seen = ctx;
    (void)value;
    (void)err;
    seen->time = seen->time || is(key, "time");
    seen->status = seen->status || is(key, "status");
    seen->latency = seen->latency || is(key, "latency_ms");
    return 0;
}

/* The first line has what every request has: these members come first, so they stand in a short head too. */
bool mlo_log_sniff(const char *head, size_t n)
{
    struct mlo_err none = MLO_ERR_INIT;
    struct seen seen = {0};
    MLO_AUTOSTR struct mlo_str unescaped;
    const char *nl = memchr(head, '\n', n);
    mlo_str_init(&unescaped, MLO_TABLE_LINE_MAX);
    const struct mlo_json_line line = {
        .text = head, .n = nl ? (size_t)(nl - head) : n, .unescaped = &unescaped};
    return (mlo_json_members(&line, see, &seen, &none) == 0 || !nl) && seen.time && seen.status &&
           seen.latency;
}

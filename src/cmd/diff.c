/* mlopsctl diff: what changed between two bundles: files, tensors, metrics, settings. */
#include <string.h>

#include <mlopsctl/base/text.h>
#include <mlopsctl/base/thread.h>

#include "table.h"
#include "cmd/shared/workspace.h"

struct opts {
    bool no_stats;
};

static const struct mlo_opt opts_table[] = {
    {.name = "no-stats",
     .type = MLO_OPT_FLAG,
     .help = "do not read the numbers of changed tensors, say only that they changed",
     .offset = offsetof(struct opts, no_stats)},
    {0},
};

struct diff {
    struct mlo_workspace ws;
    struct mlo_ctx *ctx;
    struct mlo_bundle a, b;
    size_t changes, same_tensors;
};

static const char *word(enum mlo_change c)
{
    static const char *const words[] = {"same", "added", "removed", "changed"};
    return words[c];
}

/* ---- files: both lists are sorted ---- */

static const struct mlo_column file_columns[] = {
    {"change", "FILES", MLO_CELL_TEXT},
    {"path", "PATH", MLO_CELL_TEXT},
    {"size_a", "SIZE A", MLO_CELL_SIZE},
    {"size_b", "SIZE B", MLO_CELL_SIZE},
};

static void file_row(struct diff *d, const struct mlo_file *a, const struct mlo_file *b)
{
    struct mlo_report *r = d->ctx->report;
    if (a && b && mlo_digest_eq(&a->digest, &b->digest) && a->mode == b->mode)
        return;
    d->changes++;
    mlo_cell_text(r, word(!a ? MLO_ADDED : !b ? MLO_REMOVED : MLO_CHANGED));
    mlo_cell_text(r, a ? a->path : b->path);
    if (a)
        mlo_cell_u64(r, a->size);
    else
        mlo_cell_none(r);
    if (b)
        mlo_cell_u64(r, b->size);
    else
        mlo_cell_none(r);
}

static void diff_files(struct diff *d)
{
    size_t i = 0, j = 0;
    mlo_report_table(d->ctx->report, "files", NULL, file_columns, MLO_COUNT(file_columns),
                     "files are the same");
    while (i < d->a.n_files || j < d->b.n_files) {
        const struct mlo_file *a = i < d->a.n_files ? &d->a.files[i] : NULL;
        const struct mlo_file *b = j < d->b.n_files ? &d->b.files[j] : NULL;
        int c = !a ? 1 : !b ? -1 : strcmp(a->path, b->path);
        file_row(d, c <= 0 ? a : NULL, c >= 0 ? b : NULL);
        i += c <= 0;
        j += c >= 0;
    }
}

/* ---- tensors ---- */

static const struct mlo_column tensor_columns[] = {
    {"change", "TENSORS", MLO_CELL_TEXT},
    {"name", "NAME", MLO_CELL_TEXT},
    {"type", "TYPE", MLO_CELL_TEXT},
    {"shape", "SHAPE", MLO_CELL_TEXT},
    {"differ", "DIFFER", MLO_CELL_COUNT},
    {"max_abs", "MAX |A-B|", MLO_CELL_DOUBLE},
    {"mean_abs", "MEAN |A-B|", MLO_CELL_DOUBLE},
};

static void add_shape(struct mlo_str *out, const struct mlo_bundle_tensor *t)
{
    mlo_str_addc(out, '[');
    for (uint32_t i = 0; i < t->rank; i++)
        mlo_str_addf(out, "%s%llu", i ? "," : "", (unsigned long long)t->shape[i]);
    mlo_str_addc(out, ']');
}

/* "float32", or "float32 -> float16" when it changed. */
static void form_cells(struct mlo_report *r, const struct mlo_tensor_change *c)
{
    const struct mlo_bundle_tensor *first = c->a ? c->a : c->b, *last = c->b ? c->b : c->a;
    MLO_AUTOSTR struct mlo_str text;
    MLO_AUTOSTR struct mlo_str other;
    mlo_str_init(&text, 4096);
    mlo_str_init(&other, 4096);
    mlo_str_add(&text, first->type_name);
    if (strcmp(first->type_name, last->type_name) != 0)
        mlo_str_addf(&text, " -> %s", last->type_name);
    mlo_cell_text(r, text.ptr);
    mlo_str_clear(&text);
    add_shape(&text, first);
    add_shape(&other, last);
    if (strcmp(text.ptr, other.ptr) != 0)
        mlo_str_addf(&text, " -> %s", other.ptr);
    mlo_cell_text(r, text.ptr);
}

static int tensor_row(void *ctx, const struct mlo_tensor_change *c, struct mlo_err *err)
{
    struct diff *d = ctx;
    struct mlo_report *r = d->ctx->report;
    (void)err;
    d->changes++;
    mlo_cell_text(r, word(c->change));
    mlo_cell_text(r, c->a ? c->a->name : c->b->name);
    form_cells(r, c);
    if (c->has_stats) {
        mlo_cell_u64(r, c->n_differ);
        mlo_cell_double(r, c->max_abs);
        mlo_cell_double(r, c->mean_abs);
    } else {
        mlo_cell_none(r);
        mlo_cell_none(r);
        mlo_cell_none(r);
    }
    return 0;
}

static int diff_tensors(struct diff *d, bool stats, struct mlo_err *err)
{
    mlo_report_table(d->ctx->report, "tensors", NULL, tensor_columns, MLO_COUNT(tensor_columns),
                     "tensors are the same");
    return mlo_diff_tensors(d->ws.store, &d->a, &d->b, stats, mlo_cpu_count(), tensor_row, d,
                            &d->same_tensors, err);
}

/* ---- metrics and settings: members of JSON objects ---- */

static const struct mlo_column member_columns[] = {
    {"change", "", MLO_CELL_TEXT},
    {"key", "KEY", MLO_CELL_TEXT},
    {"a", "A", MLO_CELL_TEXT},
    {"b", "B", MLO_CELL_TEXT},
};

static int value_cell(struct mlo_report *r, const cJSON *v, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    if (!v) {
        mlo_cell_none(r);
        return 0;
    }
    if (cJSON_IsString(v)) {
        mlo_cell_text(r, v->valuestring);
        return 0;
    }
    int rc = mlo_json_print(v, &text, &n, err);
    if (rc == 0)
        mlo_cell_text(r, text);
    return rc;
}

static int member_row(struct diff *d, const char *key, const cJSON *a, const cJSON *b, struct mlo_err *err)
{
    struct mlo_report *r = d->ctx->report;
    if (a && b && cJSON_Compare(a, b, true))
        return 0;
    d->changes++;
    mlo_cell_text(r, word(!a ? MLO_ADDED : !b ? MLO_REMOVED : MLO_CHANGED));
    mlo_cell_text(r, key);
    int rc = value_cell(r, a, err);
    return rc != 0 ? rc : value_cell(r, b, err);
}

/* Members of two objects, either of which may be missing. */
static int diff_members(struct diff *d, const cJSON *a, const cJSON *b, struct mlo_err *err)
{
    int rc = 0;
    for (const cJSON *m = a ? a->child : NULL; rc == 0 && m; m = m->next)
        rc = member_row(d, m->string, m, cJSON_GetObjectItemCaseSensitive(b, m->string), err);
    for (const cJSON *m = b ? b->child : NULL; rc == 0 && m; m = m->next)
        if (!cJSON_GetObjectItemCaseSensitive(a, m->string))
            rc = member_row(d, m->string, NULL, m, err);
    return rc;
}

static int diff_member_tables(struct diff *d, struct mlo_err *err)
{
    static const struct {
        const char *key, *title, *empty;
        bool of_config;
        const char *member[2];
    } tables[] = {
        {"metrics", "METRICS", "metrics are the same", false, {"metrics", NULL}},
        {"settings", "SETTINGS", "settings are the same", true, {"descriptor", "config"}},
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < MLO_COUNT(tables); i++) {
        struct mlo_column columns[MLO_COUNT(member_columns)];
        memcpy(columns, member_columns, sizeof columns);
        columns[0].title = tables[i].title;
        mlo_report_table(d->ctx->report, tables[i].key, NULL, columns, MLO_COUNT(columns), tables[i].empty);
        for (size_t k = 0; rc == 0 && k < 2 && tables[i].member[k]; k++)
            rc = diff_members(d,
                              cJSON_GetObjectItemCaseSensitive(tables[i].of_config ? d->a.config : d->a.extra,
                                                               tables[i].member[k]),
                              cJSON_GetObjectItemCaseSensitive(tables[i].of_config ? d->b.config : d->b.extra,
                                                               tables[i].member[k]),
                              err);
    }
    return rc;
}

/* ---- the whole ---- */

static int load(struct diff *d, size_t arg, struct mlo_bundle *b, struct mlo_err *err)
{
    struct mlo_digest digest;
    int rc = mlo_workspace_resolve(&d->ws, d->ctx->args[arg], NULL, &digest, err);
    return rc != 0 ? rc : mlo_bundle_load(d->ws.store, &digest, b, err);
}

static int compare(struct diff *d, const struct opts *o, struct mlo_err *err)
{
    diff_files(d);
    int rc = diff_tensors(d, !o->no_stats, err);
    if (rc == 0)
        rc = diff_member_tables(d, err);
    if (rc != 0)
        return rc;
    mlo_report_u64(d->ctx->report, "tensors_same", "tensors that are the same", d->same_tensors);
    return d->changes > 0 ? MLO_NO : 0;
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct diff d = {.ctx = ctx};
    int rc = mlo_workspace_read(ctx, &d.ws, err);
    if (rc != 0)
        return rc;
    rc = load(&d, 0, &d.a, err);
    if (rc == 0) {
        rc = load(&d, 1, &d.b, err);
        if (rc == 0) {
            rc = compare(&d, options, err);
            mlo_bundle_release(&d.b);
        }
        mlo_bundle_release(&d.a);
    }
    mlo_workspace_close(&d.ws);
    return rc;
}

static const struct mlo_example examples[] = {
    {"Two versions", "mlopsctl diff credit:1.3.0 credit:1.4.0"},
    {"Quickly, by digests alone", "mlopsctl diff --no-stats credit:1.3.0 credit:1.4.0"},
    {0},
};

const struct mlo_command mlo_cmd_diff = {
    .name = "diff",
    .group = "bundles",
    .summary = "compare two bundles: files, tensors, metrics, settings",
    .synopsis = "A B",
    .description =
        "Tensors are paired by name wherever they lie, so a model that was only sharded otherwise has\n"
        "not changed. For tensors that did, says how many values differ and by how much.\n"
        "Exit 1 when anything differs.",
    .opts = opts_table,
    .opts_size = sizeof(struct opts),
    .args = {.min = 2, .max = 2, .complete = MLO_OPTF_REF},
    .examples = examples,
    .run = run,
};

/* mlopsctl show: what a bundle holds and where it comes from. */
#include <string.h>

#include <mlopsctl/base/time.h>

#include "table.h"
#include "cmd/shared/categories.h"
#include "cmd/shared/model.h"
#include "cmd/shared/workspace.h"

#define FEATURES_SHOWN 20 /* outside JSON */

struct opts {
    bool tensors;
    const char *raw;
};

static const struct mlo_opt table[] = {
    {.name = "tensors",
     .type = MLO_OPT_FLAG,
     .help = "list the tensors too",
     .offset = offsetof(struct opts, tensors)},
    {.name = "raw",
     .type = MLO_OPT_CHOICE,
     .arg = "DOCUMENT",
     .choices = "manifest|config|extra",
     .help = "print one of the bundle's documents as it is stored",
     .offset = offsetof(struct opts, raw)},
    {0},
};

static const cJSON *member(const cJSON *o, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(o, key);
}

static void put_text(struct mlo_report *r, const cJSON *o, const char *key, const char *name,
                     const char *title)
{
    const char *v = mlo_json_text(o, key);
    if (v)
        mlo_report_text(r, name, title, v);
}

/* ---- names and signatures, from the ledger ---- */

struct names {
    const struct mlo_digest *digest;
    struct mlo_str tags;
    struct mlo_report *r;
    char prefix[MLO_DIGEST_TEXT + 1];
    size_t n_signatures;
};

static void release_names(struct names *n)
{
    mlo_str_release(&n->tags);
}

static int add_tag(void *ctx, const struct mlo_name_row *row, struct mlo_err *err)
{
    struct names *n = ctx;
    (void)err;
    if (mlo_digest_eq(&row->digest, n->digest))
        mlo_str_addf(&n->tags, "%s%s", n->tags.len ? ", " : "", row->name);
    return 0;
}

static const struct mlo_column signature_columns[] = {
    {"key", "KEY", MLO_CELL_TEXT},
    {"digest", "SIGNATURE", MLO_CELL_DIGEST},
    {"time", "SIGNED", MLO_CELL_TIME},
};

static int add_signature(void *ctx, const struct mlo_name_row *row, struct mlo_err *err)
{
    struct names *n = ctx;
    (void)err;
    if (strncmp(row->name, n->prefix, strlen(n->prefix)) != 0)
        return 0;
    if (n->n_signatures++ == 0)
        mlo_report_table(n->r, "signatures", "SIGNATURES (not verified here: see `mlopsctl verify --key`)",
                         signature_columns, MLO_COUNT(signature_columns), NULL);
    mlo_cell_text(n->r, row->name + strlen(n->prefix));
    mlo_cell_digest(n->r, &row->digest);
    mlo_cell_i64(n->r, row->time_ns);
    return 0;
}

/* ---- facts ---- */

static uint64_t total_size(const struct mlo_bundle *b)
{
    uint64_t size = 0;
    for (size_t i = 0; i < b->n_layers; i++)
        if (!mlo_add_u64(size, b->layers[i].size, &size))
            return UINT64_MAX;
    return size;
}

static void put_created(struct mlo_report *r, const cJSON *descriptor)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    const char *text = mlo_json_text(descriptor, "createdAt");
    int64_t ns = 0;
    if (text && mlo_time_parse(text, &ns, &ignored) == 0)
        mlo_report_time(r, "created", "created", ns);
}

/* Nobody needs to read that trees have no tensors. */
static void put_model(const struct mlo_ctx *ctx, const struct mlo_bundle *b)
{
    struct mlo_report *r = ctx->report;
    const cJSON *model = member(b->config, "config"), *tensors = member(b->extra, "tensors");
    struct mlo_err ignored = MLO_ERR_INIT;
    uint64_t parameters = 0;
    put_text(r, model, "format", "format", "format");
    put_text(r, model, "architecture", "architecture", "architecture");
    put_text(r, model, "precision", "precision", "precision");
    put_text(r, model, "quantization", "quantization", "quantization");
    bool known = b->extra && mlo_json_u64(b->extra, "parameters", &parameters, &ignored) == 0;
    if (known && (parameters || ctx->json))
        mlo_report_count(r, "parameters", "parameters", parameters);
    else if (!known)
        put_text(r, model, "paramSize", "param_size", "parameters");
    if (cJSON_GetArraySize(tensors) > 0 || (tensors && ctx->json))
        mlo_report_u64(r, "n_tensors", "tensors", (uint64_t)cJSON_GetArraySize(tensors));
    put_text(r, b->extra, "tensor_set", "tensor_set", "tensor set");
    put_text(r, b->extra, "verdict", "verdict", "pickles");
}

/* Of trees, who made them and how many there are. */
struct trees {
    struct mlo_onnx_model *model; /* owned; NULL: none was read */
    const struct mlo_file *file;
};

static void release_trees(struct trees *t)
{
    mlo_onnx_close(t->model);
}

static void put_trees(struct mlo_report *r, const struct mlo_onnx_model *m)
{
    char producer[256];
    snprintf(producer, sizeof producer, "%s %s", m->producer, m->producer_version);
    mlo_report_text(r, "producer", "made by", producer);
    for (size_t i = 0; i < m->n_metadata; i++)
        mlo_report_text(r, m->metadata[i].key, m->metadata[i].key, m->metadata[i].value);
}

/* A bundle with trees that cannot be read is shown all the same, with the reason. */
static void find_trees(const struct mlo_workspace *ws, const struct mlo_bundle *b, struct trees *ret)
{
    struct mlo_err why = MLO_ERR_INIT;
    if (mlo_model_of_trees(ws, b, &ret->model, &ret->file, &why) != 0)
        mlo_report_text(ws->ctx->report, "not_read", "not read", why.msg);
    else if (ret->model)
        put_trees(ws->ctx->report, ret->model);
}

/* What the training data looked like is in the bundle. */
static void put_profile(struct mlo_report *r, const struct mlo_bundle *b)
{
    const cJSON *profile = member(b->extra, "profile");
    struct mlo_err ignored = MLO_ERR_INIT;
    uint64_t rows = 0, columns = 0;
    put_text(r, profile, "path", "profile", "profile");
    if (profile && mlo_json_u64(profile, "rows", &rows, &ignored) == 0 &&
        mlo_json_u64(profile, "columns", &columns, &ignored) == 0) {
        mlo_report_u64(r, "profile_rows", "profiled rows", rows);
        mlo_report_u64(r, "profile_columns", "profiled columns", columns);
    }
}

static void put_provenance(struct mlo_report *r, const struct mlo_bundle *b)
{
    const cJSON *descriptor = member(b->config, "descriptor"), *git = member(b->extra, "git");
    const cJSON *licenses = member(descriptor, "licenses");
    put_text(r, descriptor, "version", "version", "version");
    put_text(r, descriptor, "description", "description", "description");
    if (licenses && cJSON_IsString(licenses->child))
        mlo_report_text(r, "license", "licence", licenses->child->valuestring);
    put_text(r, descriptor, "revision", "revision", "commit");
    if (git)
        mlo_report_bool(r, "dirty", "dirty", mlo_json_true(git, "dirty"));
    put_created(r, descriptor);
}

/* ---- tables ---- */

static void put_files(struct mlo_report *r, const struct mlo_bundle *b)
{
    static const struct mlo_column columns[] = {
        {"path", "FILE", MLO_CELL_TEXT},       {"kind", "KIND", MLO_CELL_TEXT},
        {"format", "FORMAT", MLO_CELL_TEXT},   {"size", "SIZE", MLO_CELL_SIZE},
        {"digest", "DIGEST", MLO_CELL_DIGEST},
    };
    mlo_report_table(r, "files", "FILES", columns, MLO_COUNT(columns),
                     "no list of files: its archives must be unpacked to see");
    for (size_t i = 0; i < b->n_files; i++) {
        const struct mlo_file *f = &b->files[i];
        mlo_cell_text(r, f->path);
        mlo_cell_text(r, f->kind);
        mlo_cell_text(r, f->format);
        mlo_cell_u64(r, f->size);
        mlo_cell_digest(r, &f->digest);
    }
}

static int add_tensor(void *ctx, const struct mlo_bundle_tensor *t, struct mlo_err *err)
{
    struct mlo_report *r = ctx;
    MLO_AUTOSTR struct mlo_str shape;
    mlo_str_init(&shape, 4096);
    mlo_str_addc(&shape, '[');
    for (uint32_t i = 0; i < t->rank; i++)
        mlo_str_addf(&shape, "%s%llu", i ? "," : "", (unsigned long long)t->shape[i]);
    mlo_str_addc(&shape, ']');
    mlo_cell_text(r, t->name);
    mlo_cell_text(r, t->type_name);
    mlo_cell_text(r, shape.ptr);
    mlo_cell_u64(r, t->bytes);
    mlo_cell_digest(r, t->has_digest ? &t->digest : NULL);
    mlo_cell_text(r, t->file);
    return mlo_str_check(&shape, err);
}

static int put_tensors(struct mlo_report *r, const struct mlo_bundle *b, struct mlo_err *err)
{
    static const struct mlo_column columns[] = {
        {"name", "TENSOR", MLO_CELL_TEXT},     {"type", "TYPE", MLO_CELL_TEXT},
        {"shape", "SHAPE", MLO_CELL_TEXT},     {"bytes", "SIZE", MLO_CELL_SIZE},
        {"digest", "DIGEST", MLO_CELL_DIGEST}, {"file", "FILE", MLO_CELL_TEXT},
    };
    mlo_report_table(r, "tensors", "TENSORS", columns, MLO_COUNT(columns), "no tensors are recorded");
    return mlo_bundle_tensor_each(b, add_tensor, r, err);
}

static void put_ports(struct mlo_report *r, const char *file, const char *way, const cJSON *ports)
{
    for (const cJSON *p = ports ? ports->child : NULL; p; p = p->next) {
        MLO_AUTOSTR struct mlo_str shape;
        mlo_str_init(&shape, 4096);
        const cJSON *dims = member(p, "shape");
        mlo_str_addc(&shape, '[');
        for (const cJSON *d = dims ? dims->child : NULL; d; d = d->next)
            mlo_str_addf(&shape, "%s%s", d == dims->child ? "" : ",",
                         cJSON_IsString(d) ? d->valuestring : "?");
        mlo_str_addc(&shape, ']');
        mlo_cell_text(r, way);
        mlo_cell_text(r, mlo_json_text(p, "name"));
        mlo_cell_text(r, mlo_json_text(p, "type"));
        mlo_cell_text(r, dims ? shape.ptr : NULL);
        mlo_cell_text(r, file);
    }
}

/* "[N,4]" of a value of a graph. */
static void add_shape(struct mlo_str *out, const struct mlo_graph_value *v)
{
    mlo_str_addc(out, '[');
    for (unsigned i = 0; i < v->rank; i++) {
        mlo_str_add(out, i ? "," : "");
        if (v->dims[i].size >= 0)
            mlo_str_addf(out, "%lld", (long long)v->dims[i].size);
        else
            mlo_str_add(out, v->dims[i].param ? v->dims[i].param : "?");
    }
    mlo_str_addc(out, ']');
}

static void put_values(struct mlo_report *r, const struct trees *t, const char *way, const size_t *list,
                       size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct mlo_graph_value *v = &t->model->graph->values[list[i]];
        MLO_AUTOSTR struct mlo_str shape;
        mlo_str_init(&shape, 4096);
        add_shape(&shape, v);
        mlo_cell_text(r, way);
        mlo_cell_text(r, v->name);
        mlo_cell_text(r, mlo_dtype_name(v->dtype));
        mlo_cell_text(r, v->has_shape ? shape.ptr : NULL);
        mlo_cell_text(r, t->file->path);
    }
}

static void put_signature(struct mlo_report *r, const struct mlo_bundle *b, const struct trees *t)
{
    static const struct mlo_column columns[] = {
        {"io", "", MLO_CELL_TEXT},         {"name", "NAME", MLO_CELL_TEXT}, {"type", "TYPE", MLO_CELL_TEXT},
        {"shape", "SHAPE", MLO_CELL_TEXT}, {"file", "FILE", MLO_CELL_TEXT},
    };
    const cJSON *all = member(b->extra, "signatures");
    if (!all && !t->model)
        return;
    mlo_report_table(r, "signature", "INPUTS AND OUTPUTS", columns, MLO_COUNT(columns), NULL);
    for (const cJSON *s = all ? all->child : NULL; s; s = s->next) {
        put_ports(r, mlo_json_text(s, "file"), "input", member(s, "inputs"));
        put_ports(r, mlo_json_text(s, "file"), "output", member(s, "outputs"));
    }
    if (t->model) {
        put_values(r, t, "input", t->model->graph->inputs, t->model->graph->n_inputs);
        put_values(r, t, "output", t->model->graph->outputs, t->model->graph->n_outputs);
    }
}

struct features {
    struct mlo_str names;
    size_t n, most; /* most: that are told by name */
};

static void add_feature(struct features *f, const char *name)
{
    if (f->n++ < f->most)
        mlo_str_addf(&f->names, "%s%s", f->n > 1 ? ", " : "", name);
}

/* Names of the columns that trees take. */
static void add_columns(struct features *f, const struct mlo_graph *g)
{
    const struct mlo_graph_value *v = g->n_inputs ? &g->values[g->inputs[0]] : NULL;
    for (int64_t i = 0; v && v->columns && v->rank == 2 && i < v->dims[1].size; i++)
        add_feature(f, v->columns[i]);
}

/* What the model takes, when the bundle names it, or else the model; how many samples there are. */
static int put_model_use(const struct mlo_ctx *ctx, const struct mlo_bundle *b, const struct trees *t,
                         struct mlo_err *err)
{
    struct mlo_report *r = ctx->report;
    struct features f = {.most = ctx->json ? SIZE_MAX : FEATURES_SHOWN};
    mlo_str_init(&f.names, MLO_STR_MAX);
    const cJSON *s = member(b->extra, "signatures"), *samples = member(b->extra, "samples");
    for (s = s ? s->child : NULL; s; s = s->next) {
        const cJSON *list = member(s, "features");
        for (const cJSON *o = list ? list->child : NULL; o; o = o->next)
            add_feature(&f, cJSON_IsString(o) ? o->valuestring : "?");
    }
    if (f.n == 0 && t->model)
        add_columns(&f, t->model->graph);
    if (f.n > f.most)
        mlo_str_addf(&f.names, " and %zu more", f.n - f.most);
    if (f.n)
        mlo_report_text(r, "features", "features", f.names.ptr);
    int rc = mlo_str_check(&f.names, err);
    mlo_str_release(&f.names);
    const cJSON *inputs = member(samples, "inputs"), *shape = member(inputs ? inputs->child : NULL, "shape");
    if (shape && cJSON_IsNumber(shape->child) && shape->child->valuedouble >= 0)
        mlo_report_u64(r, "samples", "samples", (uint64_t)shape->child->valuedouble);
    return rc;
}

static void put_metrics(struct mlo_report *r, const struct mlo_bundle *b)
{
    static const struct mlo_column columns[] = {{"key", "METRIC", MLO_CELL_TEXT},
                                                {"value", "VALUE", MLO_CELL_DOUBLE}};
    const cJSON *metrics = member(b->extra, "metrics");
    if (!metrics)
        return;
    mlo_report_table(r, "metrics", "METRICS", columns, MLO_COUNT(columns), NULL);
    for (const cJSON *m = metrics->child; m; m = m->next) {
        mlo_cell_text(r, m->string);
        if (cJSON_IsNumber(m))
            mlo_cell_double(r, m->valuedouble);
        else
            mlo_cell_none(r);
    }
}

static void put_digests(struct mlo_report *r, const struct mlo_bundle *b, const char *key,
                        const char *name_key, const char *title)
{
    const struct mlo_column columns[] = {{"name", title, MLO_CELL_TEXT},
                                         {"digest", "DIGEST", MLO_CELL_DIGEST}};
    const cJSON *all = member(b->extra, key);
    if (!all)
        return;
    mlo_report_table(r, key, NULL, columns, MLO_COUNT(columns), NULL);
    for (const cJSON *o = all->child; o; o = o->next) {
        struct mlo_err ignored = MLO_ERR_INIT;
        struct mlo_digest d;
        const char *text = mlo_json_text(o, "digest");
        bool good = text && mlo_digest_parse(text, &d, &ignored) == 0;
        mlo_cell_text(r, mlo_json_text(o, name_key));
        mlo_cell_digest(r, good ? &d : NULL);
    }
}

/* ---- putting it together ---- */

static int show_bundle(struct mlo_workspace *ws, const struct mlo_bundle *b, const struct opts *o,
                       struct mlo_err *err)
{
    struct mlo_report *r = ws->ctx->report;
    char digest[MLO_DIGEST_TEXT];
    MLO_AUTO(release_names) struct names names = {.digest = &b->digest, .r = r};
    mlo_str_init(&names.tags, MLO_STR_MAX);
    snprintf(names.prefix, sizeof(names.prefix), "%s/", mlo_digest_text(&b->digest, digest));
    int rc = ws->ledger ? mlo_name_each(ws->ledger, "tag", add_tag, &names, err) : 0;
    if (rc == 0)
        rc = mlo_str_check(&names.tags, err);
    if (rc)
        return rc;
    mlo_report_text(r, "names", "names", names.tags.len ? names.tags.ptr : "(none)");
    mlo_report_digest(r, "digest", "digest", &b->digest);
    mlo_report_size(r, "size", "size", total_size(b));
    MLO_AUTO(release_trees) struct trees trees = {0};
    put_model(ws->ctx, b);
    find_trees(ws, b, &trees);
    put_profile(r, b);
    put_provenance(r, b);
    rc = put_model_use(ws->ctx, b, &trees, err);
    put_files(r, b);
    if (rc == 0 && o->tensors)
        rc = put_tensors(r, b, err);
    put_signature(r, b, &trees);
    if (rc == 0 && trees.model)
        rc = mlo_put_categories(ws->ctx, trees.model->graph, err);
    put_metrics(r, b);
    put_digests(r, b, "datasets", "name", "DATA SET");
    put_digests(r, b, "env", "path", "ENVIRONMENT");
    return rc == 0 && ws->ledger ? mlo_name_each(ws->ledger, "signature", add_signature, &names, err) : rc;
}

static int show_raw(struct mlo_ctx *ctx, struct mlo_store *s, const struct mlo_bundle *b, const char *which,
                    struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    struct mlo_digest d = b->digest;
    if (strcmp(which, "config") == 0)
        d = b->config_digest;
    if (strcmp(which, "extra") == 0) {
        if (!b->extra)
            return mlo_fail(err, MLO_ENOTFOUND, "the bundle has no " MLO_EXTRA_PATH);
        d = b->layers[b->n_layers - 1].digest;
        for (size_t i = 0; i < b->n_layers; i++)
            if (b->layers[i].path && strcmp(b->layers[i].path, MLO_EXTRA_PATH) == 0)
                d = b->layers[i].digest;
    }
    int rc = mlo_store_read(s, &d, MLO_EXTRA_MAX, &text, &n, err);
    if (rc == 0)
        mlo_report_raw(ctx->report, which, text);
    return rc;
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct opts *o = options;
    struct mlo_workspace ws = {0};
    struct mlo_bundle b = {0};
    struct mlo_digest digest;
    int rc = mlo_workspace_read(ctx, &ws, err);
    if (rc)
        return rc;
    rc = mlo_workspace_resolve(&ws, ctx->args[0], NULL, &digest, err);
    if (rc == 0)
        rc = mlo_bundle_load(ws.store, &digest, &b, err);
    if (rc == 0)
        rc = o->raw ? show_raw(ctx, ws.store, &b, o->raw, err) : show_bundle(&ws, &b, o, err);
    mlo_bundle_release(&b);
    mlo_workspace_close(&ws);
    return rc;
}

static const struct mlo_example examples[] = {
    {"What a bundle holds", "mlopsctl show credit:1.4.0"},
    {"Its tensors, with shapes and digests", "mlopsctl show credit:1.4.0 --tensors"},
    {"Its manifest, byte for byte", "mlopsctl show credit:1.4.0 --raw manifest"},
    {0},
};

const struct mlo_command mlo_cmd_show = {
    .name = "show",
    .group = "bundles",
    .summary = "show what a bundle holds and where it comes from",
    .synopsis = "REFERENCE",
    .description =
        "Shows files, model facts, inputs and outputs, metrics, data sets, environment, commit and\n"
        "signatures of a bundle.",
    .opts = table,
    .opts_size = sizeof(struct opts),
    .args = {.min = 1, .max = 1, .complete = MLO_OPTF_REF},
    .examples = examples,
    .run = run,
};

/* mlopsctl onnx inspect: inputs, outputs, operators, and what cannot be run. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>
#include <mlopsctl/infer.h>

#include "cmd/bench/bench.h"
#include "cmd/shared/categories.h"

static const struct mlo_column port_columns[] = {{"name", "NAME", MLO_CELL_TEXT},
                                                 {"way", "", MLO_CELL_TEXT},
                                                 {"type", "TYPE", MLO_CELL_TEXT},
                                                 {"derived", "DERIVED", MLO_CELL_TEXT}};
static const struct mlo_column op_columns[] = {{"operator", "OPERATOR", MLO_CELL_TEXT},
                                               {"version", "VERSION", MLO_CELL_U64},
                                               {"nodes", "NODES", MLO_CELL_U64},
                                               {"supported", "", MLO_CELL_TEXT}};

static const struct mlo_column step_columns[] = {{"step", "STEP", MLO_CELL_TEXT},
                                                 {"node", "NODE", MLO_CELL_TEXT}};

static const struct mlo_column cost_columns[] = {
    {"operator", "OPERATOR", MLO_CELL_TEXT}, {"node", "NODE", MLO_CELL_TEXT},
    {"shape", "SHAPE", MLO_CELL_TEXT},       {"flops", "FLOPS", MLO_CELL_U64},
    {"bytes", "BYTES", MLO_CELL_U64},        {"parameters", "PARAMETERS", MLO_CELL_U64}};

static const struct mlo_column node_columns[] = {
    {"operator", "OPERATOR", MLO_CELL_TEXT}, {"node", "NODE", MLO_CELL_TEXT},
    {"type", "TYPE", MLO_CELL_TEXT},         {"flops", "FLOPS", MLO_CELL_TEXT},
    {"bytes", "BYTES", MLO_CELL_TEXT},       {"parameters", "PARAMETERS", MLO_CELL_TEXT}};

struct opts {
    bool plan, cost, nodes;
    uint64_t rows;
    struct mlo_strings dims;
};
static const struct mlo_opt opts_table[] = {
    {.name = "nodes",
     .type = MLO_OPT_FLAG,
     .help = "show each node's result and cost as formulas of the open dimensions",
     .offset = offsetof(struct opts, nodes)},
    {.name = "plan",
     .type = MLO_OPT_FLAG,
     .help = "show the steps that the engine makes of it, constants folded and steps fused",
     .offset = offsetof(struct opts, plan)},
    {.name = "cost",
     .type = MLO_OPT_FLAG,
     .help = "run it once on made up inputs and show what each node costs",
     .offset = offsetof(struct opts, cost)},
    {.name = "rows",
     .type = MLO_OPT_U64,
     .arg = "N",
     .help = "rows of the inputs for --cost; as a rule 1",
     .offset = offsetof(struct opts, rows),
     .min = 1,
     .max = MLO_BENCH_BATCH_MAX},
    {.name = "dim",
     .type = MLO_OPT_LIST,
     .arg = "NAME=N",
     .help = "size of an open dimension of the inputs, as the length of sequences",
     .offset = offsetof(struct opts, dims)},
    {0},
};

static const char *const kinds[] = {[MLO_KIND_UNKNOWN] = "?",
                                    [MLO_KIND_ARRAY] = "",
                                    [MLO_KIND_SEQUENCE] = "sequence of ",
                                    [MLO_KIND_MAP] = "map to ",
                                    [MLO_KIND_OPTIONAL] = "optional "};

static void put_port(struct mlo_report *r, const struct mlo_graph_value *v, const char *way,
                     const struct mlo_shapes *shapes, size_t id)
{
    MLO_AUTOSTR struct mlo_str type;
    mlo_str_init(&type, 4096);
    mlo_str_addf(&type, "%s%s", kinds[v->kind], mlo_dtype_name(v->dtype));
    for (unsigned i = 0; v->has_shape && i < v->rank; i++) {
        mlo_str_addc(&type, i ? ',' : '[');
        if (v->dims[i].size >= 0)
            mlo_str_addf(&type, "%" PRId64, v->dims[i].size);
        else
            mlo_str_add(&type, v->dims[i].param ? v->dims[i].param : "?");
    }
    mlo_str_add(&type, v->has_shape && v->rank ? "]" : "");
    mlo_cell_text(r, v->name);
    mlo_cell_text(r, way);
    mlo_cell_text(r, type.ptr);
    mlo_str_clear(&type);
    mlo_shapes_text(shapes, id, &type);
    mlo_cell_text(r, type.ptr);
}

static void put_ports(struct mlo_report *r, const struct mlo_graph *g, const struct mlo_shapes *shapes)
{
    mlo_report_table(r, "ports", NULL, port_columns, MLO_COUNT(port_columns), NULL);
    for (size_t i = 0; i < g->n_inputs; i++)
        put_port(r, &g->values[g->inputs[i]], "in", shapes, g->inputs[i]);
    for (size_t i = 0; i < g->n_outputs; i++)
        put_port(r, &g->values[g->outputs[i]], "out", shapes, g->outputs[i]);
}

/* ---- operators ---- */

static void put_name(struct mlo_report *r, const char *domain, const char *op)
{
    char name[256];
    snprintf(name, sizeof name, "%s%s%s", domain, *domain ? "." : "", op);
    mlo_cell_text(r, name);
}

static size_t put_operators(struct mlo_report *r, const struct mlo_operator_use *list, size_t n)
{
    size_t missing = 0;
    mlo_report_table(r, "operators", NULL, op_columns, MLO_COUNT(op_columns), "no operators");
    for (size_t i = 0; i < n; i++) {
        put_name(r, list[i].domain, list[i].op);
        mlo_cell_u64(r, (uint64_t)list[i].version);
        mlo_cell_u64(r, list[i].n);
        mlo_cell_text(r, list[i].known ? "yes" : "not supported");
        missing += !list[i].known;
    }
    return missing;
}

/* ---- nodes ---- */

static void put_node(struct mlo_report *r, const struct mlo_node *n, struct mlo_shapes *shapes, size_t i)
{
    MLO_AUTOSTR struct mlo_str type;
    struct mlo_formulas cost;
    size_t out = n->n_outputs ? n->outputs[0] : MLO_NO_VALUE;
    mlo_str_init(&type, 4096);
    if (out != MLO_NO_VALUE)
        mlo_shapes_text(shapes, out, &type);
    mlo_shapes_cost(shapes, i, &cost);
    put_name(r, n->domain, n->op);
    mlo_cell_text(r, n->name);
    mlo_cell_text(r, type.ptr);
    mlo_cell_text(r, cost.flops);
    mlo_cell_text(r, cost.bytes);
    mlo_cell_text(r, cost.parameters);
}

static void put_nodes(struct mlo_report *r, const struct mlo_graph *g, struct mlo_shapes *shapes)
{
    struct mlo_formulas all;
    mlo_report_table(r, "shapes", NULL, node_columns, MLO_COUNT(node_columns), "no nodes");
    for (size_t i = 0; i < g->n_nodes; i++)
        put_node(r, &g->nodes[i], shapes, i);
    mlo_shapes_cost(shapes, g->n_nodes, &all);
    mlo_report_text(r, "flops_formula", "operations", all.flops);
    mlo_report_text(r, "bytes_formula", "bytes moved", all.bytes);
}

/* ---- steps ---- */

static void put_steps(struct mlo_report *r, const struct mlo_plan *p)
{
    mlo_report_table(r, "steps", NULL, step_columns, MLO_COUNT(step_columns), "no steps");
    for (size_t i = 0; i < mlo_plan_steps(p); i++) {
        struct mlo_step_info s;
        mlo_plan_step(p, i, &s);
        put_name(r, s.domain, s.op);
        mlo_cell_text(r, s.node);
    }
}

static int show_plan(struct mlo_ctx *ctx, struct mlo_err *err)
{
    struct mlo_plan *p = NULL;
    int rc = mlo_plan_open(ctx->args[0], NULL, &p, err);
    if (rc == 0)
        put_steps(ctx->report, p);
    mlo_plan_free(p);
    return rc;
}

/* What the reader of another form has to say. */
static void put_metadata(struct mlo_report *r, const struct mlo_onnx_model *m)
{
    for (size_t i = 0; i < m->n_metadata; i++)
        mlo_report_text(r, m->metadata[i].key, m->metadata[i].key, m->metadata[i].value);
}

/* ---- cost ---- */

static void put_costs(struct mlo_report *r, const struct mlo_node_cost *costs, size_t n)
{
    uint64_t flops = 0, bytes = 0, parameters = 0;
    mlo_report_table(r, "costs", NULL, cost_columns, MLO_COUNT(cost_columns), "no nodes");
    for (size_t i = 0; i < n; i++) {
        put_name(r, costs[i].domain, costs[i].op);
        mlo_cell_text(r, costs[i].node);
        mlo_cell_text(r, costs[i].shape);
        mlo_cell_u64(r, costs[i].flops);
        mlo_cell_u64(r, costs[i].bytes);
        mlo_cell_u64(r, costs[i].parameters);
        flops += costs[i].flops;
        bytes += costs[i].bytes;
        parameters += costs[i].parameters;
    }
    mlo_report_u64(r, "flops", "operations", flops);
    mlo_report_u64(r, "bytes_moved", "bytes moved", bytes);
    mlo_report_u64(r, "parameters", "parameters", parameters);
}

static int show_costs(struct mlo_ctx *ctx, const struct opts *o, const struct mlo_dim_value *dims,
                      struct mlo_err *err)
{
    MLO_AUTOFREE struct mlo_node_cost *costs = NULL;
    struct mlo_plan_opts plain = {.plain = true};
    struct mlo_inputs_opts made = {
        .rows = o->rows ? o->rows : 1, .dims = dims, .n_dims = o->dims.n, .seed = 1};
    struct mlo_inputs *in = NULL;
    struct mlo_plan *p = NULL;
    size_t n_in, n;
    int rc = mlo_plan_open(ctx->args[0], &plain, &p, err);
    if (rc == 0)
        rc = mlo_inputs_new(p, &made, &in, err);
    if (rc == MLO_EUSAGE)
        rc = mlo_hint(err,
                      "--dim NAME=N says how large an open dimension is; --nodes shows costs as formulas, "
                      "without inputs");
    if (rc == 0) {
        mlo_plan_inputs(p, &n_in);
        rc = mlo_plan_costs(p, mlo_inputs_values(in), n_in, &costs, &n, err);
    }
    if (rc == 0)
        put_costs(ctx->report, costs, n);
    mlo_inputs_free(in);
    mlo_plan_free(p);
    return rc;
}

static int show(struct mlo_ctx *ctx, const struct mlo_onnx_model *m, struct mlo_shapes *shapes, bool nodes,
                struct mlo_err *err)
{
    struct mlo_report *r = ctx->report;
    MLO_AUTOFREE struct mlo_operator_use *list = NULL;
    size_t n = 0;
    int rc = mlo_model_operators(m, &list, &n, err);
    if (rc == 0) {
        char producer[256];
        snprintf(producer, sizeof producer, "%s %s", m->producer, m->producer_version);
        mlo_report_text(r, "producer", "made by", producer);
        if (m->close)
            put_metadata(r, m);
        else
            mlo_report_u64(r, "ir_version", "IR version", (uint64_t)m->ir_version);
        mlo_report_u64(r, "nodes", "nodes", m->graph->n_nodes);
        mlo_report_size(r, "bytes", "size", m->file_bytes);
        put_ports(r, m->graph, shapes);
        rc = mlo_put_categories(ctx, m->graph, err);
        size_t missing = put_operators(r, list, n);
        mlo_report_bool(r, "runs", "runs here", missing == 0);
        if (nodes)
            put_nodes(r, m->graph, shapes);
        rc = rc == 0 && missing ? MLO_NO : rc;
    }
    return rc;
}

static int open_model(const char *path, struct mlo_onnx_model **ret, struct mlo_err *err)
{
    int rc = mlo_model_file_open(path, NULL, ret, err);
    if (rc == MLO_ENOTFOUND)
        return mlo_hint(
            err, "it takes a model's file: `mlopsctl show` tells what a bundle takes, `mlopsctl unpack` "
                 "makes files of it");
    if (rc == MLO_EINVALID && !*err->hint)
        return mlo_hint(
            err, "models are files of ONNX, XGBoost (JSON, UBJ) or LightGBM (text); if this is one, it "
                 "was cut off or damaged");
    return rc;
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct opts *o = options;
    MLO_AUTOFREE struct mlo_dim_value *dims = mlo_calloc(o->dims.n + 1, sizeof *dims, err);
    struct mlo_onnx_model *m = NULL;
    struct mlo_shapes *shapes = NULL;
    int rc = dims ? mlo_bench_dims(&o->dims, dims, err) : err->code;
    if (rc == 0)
        rc = open_model(ctx->args[0], &m, err);
    if (rc == 0)
        rc = mlo_shapes_new(m->graph, dims, o->dims.n, &shapes, err);
    if (rc == 0)
        rc = show(ctx, m, shapes, o->nodes, err);
    mlo_shapes_free(shapes);
    mlo_onnx_close(m);
    if (rc == 0 && o->plan)
        rc = show_plan(ctx, err);
    return rc == 0 && o->cost ? show_costs(ctx, o, dims, err) : rc;
}

static const struct mlo_example examples[] = {
    {"what is in a model", "mlopsctl onnx inspect model.onnx"},
    {"what the engine makes of it", "mlopsctl onnx inspect model.onnx --plan"},
    {"what each node makes and costs, with batches of 8",
     "mlopsctl onnx inspect model.onnx --nodes --dim batch=8"},
    {"what a sequence of 128 tokens costs", "mlopsctl onnx inspect model.onnx --cost --dim sequence=128"},
    {"for a script", "mlopsctl onnx inspect model.onnx --json"},
    {0},
};

const struct mlo_command mlo_cmd_onnx_inspect = {
    .name = "inspect",
    .summary = "show inputs, outputs and operators of a model",
    .synopsis = "MODEL.onnx",
    .description =
        "Shows what goes in and comes out, which operators the model uses how often, and whether the\n"
        "engine has them. Exit 1 when it lacks one.\n"
        "\n"
        "DERIVED is what follows from the model alone: types and shapes of all values are derived when it "
        "is\n"
        "opened, with the names of open dimensions where they are not numbers (seq+1). A dimension that only "
        "one\n"
        "number fits is that number. A model that cannot run whatever comes in is exit 4, and the node is "
        "named.",
    .opts = opts_table,
    .opts_size = sizeof(struct opts),
    .args = {.min = 1, .max = 1},
    .examples = examples,
    .run = run,
};

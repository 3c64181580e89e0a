/* What the engine takes for a step of a plan: a model that negates one number many times over. */
#include "calibrate.h"

#include <string.h>

#define STEPS   64
#define SECONDS 0.05

struct chain { /* a model that stands in no file */
    struct mlo_onnx_model model;
    struct mlo_graph graph;
    struct mlo_graph_value values[STEPS + 1];
    struct mlo_node nodes[STEPS];
    size_t ids[STEPS + 1];
};
static const struct mlo_dim one = {.size = 1};

static void close_chain(struct mlo_onnx_model *m)
{
    free(m);
}

static struct mlo_onnx_model *new_chain(struct mlo_err *err)
{
    static const struct mlo_opset opset = {.domain = "", .version = 13};
    struct chain *c = mlo_calloc(1, sizeof *c, err);
    if (!c)
        return NULL;
    for (size_t i = 0; i <= STEPS; i++) {
        c->ids[i] = i;
        c->values[i] = (struct mlo_graph_value){.name = "x",
                                                .kind = MLO_KIND_ARRAY,
                                                .dtype = MLO_DT_F32,
                                                .has_shape = true,
                                                .rank = 1,
                                                .dims = &one};
    }
    for (size_t i = 0; i < STEPS; i++)
        c->nodes[i] = (struct mlo_node){.name = "negate",
                                        .op = "Neg",
                                        .domain = "",
                                        .version = 13,
                                        .inputs = &c->ids[i],
                                        .outputs = &c->ids[i + 1],
                                        .n_inputs = 1,
                                        .n_outputs = 1};
    c->graph = (struct mlo_graph){.name = "",
                                  .values = c->values,
                                  .n_values = STEPS + 1,
                                  .nodes = c->nodes,
                                  .n_nodes = STEPS,
                                  .inputs = &c->ids[0],
                                  .outputs = &c->ids[STEPS],
                                  .n_inputs = 1,
                                  .n_outputs = 1};
    c->model = (struct mlo_onnx_model){.ir_version = 8,
                                       .producer = "",
                                       .producer_version = "",
                                       .opsets = &opset,
                                       .n_opsets = 1,
                                       .graph = &c->graph,
                                       .close = close_chain};
    return &c->model;
}

struct running {
    struct mlo_session *session;
    const struct mlo_value *in;
    struct mlo_err *err;
    int rc;
};

static void run_chain(void *ctx)
{
    struct running *r = ctx;
    const struct mlo_value *out;
    if (r->rc == 0)
        r->rc = mlo_session_run(r->session, r->in, 1, &out, r->err);
}

int mlo_step_cost(const struct mlo_clock *clock, double *ret_ns, struct mlo_err *err)
{
    float number = 1.5F;
    struct mlo_value in = {.kind = MLO_KIND_ARRAY,
                           .array = {.dtype = MLO_DT_F32, .rank = 1, .dims = {1}, .n = 1, .data = &number}};
    struct mlo_onnx_model *model = new_chain(err);
    struct mlo_plan *plan = NULL;
    struct running r = {.in = &in, .err = err};
    int rc = model ? mlo_plan_new(model, NULL, &plan, err) : err->code;
    if (rc == 0)
        rc = mlo_session_new(plan, &r.session, err);
    if (rc == 0) {
        double rate = mlo_best_rate(clock, SECONDS, STEPS, run_chain, &r);
        rc = r.rc;
        if (rc == 0)
            *ret_ns = rate > 0 ? 1e9 / rate : 0;
    }
    mlo_session_free(r.session);
    mlo_plan_free(plan);
    return rc;
}

/* Any bytes as a model: read, its shapes derived and told, planned, and run on small inputs when all is
 * small. */
#include <stdint.h>
#include <string.h>

#include <mlopsctl/infer.h>

#define FEW       16
#define SMALL_DIM 8
#define BYTES_MAX ((size_t)1 << 20) /* of a run, and of a constant: no operator then has work for long */
#define TURNS_MAX 1000              /* of its loops */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Zeros in the shape that the model asks for; false when it is too large for a moment's run. */
static bool give(const struct mlo_port_type *p, struct mlo_value *v, void *zeros, size_t room)
{
    struct mlo_array a = {.dtype = p->dtype, .rank = p->has_shape ? p->rank : 1, .data = zeros};
    struct mlo_err err = MLO_ERR_INIT;
    size_t bytes;
    for (unsigned i = 0; i < a.rank; i++) {
        int64_t size = p->has_shape ? p->dims[i].size : 1;
        a.dims[i] = size < 0 ? 2 : size;
        if (a.dims[i] > SMALL_DIM)
            return false;
    }
    if (mlo_array_count(a.dims, a.rank, &a.n, &err) || !mlo_array_bytes(a.dtype, a.n, &bytes) || bytes > room)
        return false;
    *v = (struct mlo_value){.kind = MLO_KIND_ARRAY, .array = a};
    return p->kind == MLO_KIND_ARRAY;
}

static void try_run(const struct mlo_plan *p)
{
    static _Alignas(64) char zeros[1 << 16];
    struct mlo_value in[FEW];
    const struct mlo_value *out;
    struct mlo_session *s = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    size_t n;
    const struct mlo_port_type *ports = mlo_plan_inputs(p, &n);
    for (size_t i = 0; i < n; i++)
        if (n > FEW || !give(&ports[i], &in[i], zeros, sizeof zeros))
            return;
    if (mlo_session_new(p, &s, &err) == 0) {
        mlo_session_limit(s, BYTES_MAX);
        mlo_session_limit_turns(s, TURNS_MAX);
        (void)!mlo_session_run(s, in, n, &out, &err);
    }
    mlo_session_free(s);
}

static void tell_shapes(const struct mlo_graph *g)
{
    struct mlo_shapes *s = NULL;
    struct mlo_formulas cost;
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, 1 << 16);
    if (mlo_shapes_new(g, NULL, 0, &s, &err) != 0)
        return;
    for (size_t i = 0; i < g->n_values; i++)
        mlo_shapes_text(s, i, &text);
    mlo_shapes_cost(s, g->n_nodes, &cost);
    mlo_shapes_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct mlo_plan_opts few = {.fold_bytes = BYTES_MAX};
    struct mlo_onnx_model *m = NULL;
    struct mlo_plan *p = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    if (mlo_onnx_parse(data, n, -1, &m, &err) != 0)
        return 0;
    tell_shapes(m->graph);
    if (mlo_plan_new(m, &few, &p, &err) != 0)
        return 0;
    try_run(p);
    mlo_plan_free(p);
    return 0;
}

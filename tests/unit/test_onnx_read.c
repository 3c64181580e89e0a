/* Models that lie: each is refused with its reason, and nothing of it stays. Built here field by field. */
#include <string.h>

#include <mlopsctl/onnx.h>

#include "model_help.h"
#include "tap.h"

/* x -> Relu -> y, to which a test adds. */
static struct bytes plain_graph(void)
{
    struct bytes g = {.n = 0};
    put_port(&g, GRAPH_INPUT, "x");
    put_node(&g, "Relu", "x", "y");
    put_port(&g, GRAPH_OUTPUT, "y");
    return g;
}

static void refused(const struct bytes *m, int code, const char *text)
{
    struct mlo_onnx_model *model = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    int rc = mlo_onnx_parse(m->b, m->n, -1, &model, &err);
    check_err(rc, code, &err, text);
    check(model == NULL || rc != 0, "nothing is given");
}

static void graph_refused(const struct bytes *g, int code, const char *text)
{
    struct bytes m = model_of(g, 17);
    refused(&m, code, text);
}

/* ---- what is right ---- */

static int parse_plain(void)
{
    struct bytes g = plain_graph(), m = model_of(&g, 17);
    struct mlo_onnx_model *model = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    int rc = mlo_onnx_parse(m.b, m.n, -1, &model, &err);
    if (rc == 0) {
        check_int(model->graph->n_nodes, 1);
        check_str(model->graph->nodes[0].op, "Relu");
        check_int(model->graph->nodes[0].version, 17);
        check_int(model->graph->n_inputs, 1);
    }
    mlo_onnx_close(model);
    return rc;
}

static void a_plain_graph(void)
{
    check_int(parse_plain(), 0);
    check(each_alloc_failure(parse_plain) > 0, "it allocates");
}

static void every_cut_is_refused_or_read(void)
{
    struct bytes g = plain_graph(), m = model_of(&g, 17);
    for (size_t n = 0; n < m.n; n++) {
        struct mlo_onnx_model *model = NULL;
        struct mlo_err err = MLO_ERR_INIT;
        if (mlo_onnx_parse(m.b, n, -1, &model, &err) == 0)
            check(false, "%zu of %zu bytes are a model", n, m.n);
        mlo_onnx_close(model);
    }
}

/* ---- what is wrong ---- */

static void graphs_that_are_none(void)
{
    struct bytes m = {.n = 0}, g = plain_graph(), old = {.n = 0};
    refused(&m, MLO_EINVALID, "no graph");
    m = model_of(&g, 17);
    put(&m, MODEL_GRAPH, &g);
    refused(&m, MLO_EINVALID, "two graphs");
    put_number(&old, MODEL_IR, 99);
    put(&old, MODEL_GRAPH, &g);
    refused(&old, MLO_EUNAVAIL, "IR version 99");
}

static void names_that_do_not_fit(void)
{
    struct bytes cycle = {.n = 0}, twice = plain_graph(), lost = {.n = 0};
    put_node(&cycle, "Relu", "b", "a");
    put_node(&cycle, "Relu", "a", "b");
    put_port(&cycle, GRAPH_OUTPUT, "b");
    graph_refused(&cycle, MLO_EINVALID, "'b' is used before anything makes it");
    put_node(&twice, "Relu", "x", "y");
    graph_refused(&twice, MLO_EINVALID, "'y' is made twice");
    put_port(&lost, GRAPH_OUTPUT, "nowhere");
    graph_refused(&lost, MLO_EINVALID, "nowhere");
}

static struct bytes tensor(uint64_t type, int64_t dim, size_t raw)
{
    static const char zeros[64];
    struct bytes t = {.n = 0};
    put_number(&t, 1, (uint64_t)dim);
    put_number(&t, 2, type);
    put_text(&t, 8, "w");
    put_bytes(&t, 9, zeros, raw);
    return t;
}

static void tensors_that_lie(void)
{
    static const struct {
        uint64_t type;
        int64_t dim;
        size_t raw;
        const char *text;
    } lies[] = {
        {1, 3, 8, "do not make 3 elements"}, {1, -1, 8, "negative"}, {1, INT64_MAX, 8, "more elements"},
        {99, 1, 4, "element type 99"},       {8, 1, 4, "0 strings"}, {22, 3, 1, "do not make"}};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct bytes g = plain_graph(), t = tensor(lies[i].type, lies[i].dim, lies[i].raw);
        put(&g, GRAPH_INITIALIZER, &t);
        graph_refused(&g, MLO_EINVALID, lies[i].text);
    }
}

static void weights_elsewhere(void)
{
    struct bytes g = plain_graph(), t = tensor(1, 2, 0), entry = {.n = 0};
    put_text(&entry, 1, "location");
    put_text(&entry, 2, "/etc/passwd");
    put(&t, 13, &entry);
    put_number(&t, 14, 1);
    put(&g, GRAPH_INITIALIZER, &t);
    graph_refused(&g, MLO_EINVALID, "another file");
}

static void graphs_in_graphs(void)
{
    struct bytes g = plain_graph();
    for (unsigned i = 0; i < 80; i++) {
        struct bytes attr = {.n = 0}, n = node("If", "", ""), outer = {.n = 0};
        put_text(&attr, 1, "g");
        put_number(&attr, 20, 5);
        put(&attr, 6, &g);
        put(&n, NODE_ATTRIBUTE, &attr);
        put(&outer, GRAPH_NODE, &n);
        g = outer;
    }
    graph_refused(&g, MLO_EINVALID, "nested too deeply");
}

static void a_function_that_calls_itself(void)
{
    struct bytes f = {.n = 0}, call = node("F", "x", "y"), g = {.n = 0}, m;
    put_text(&call, NODE_DOMAIN, "own");
    put_text(&f, 1, "F");
    put_text(&f, 10, "own");
    put_text(&f, 4, "x");
    put_text(&f, 5, "y");
    put(&f, 7, &call);
    put_port(&g, GRAPH_INPUT, "x");
    put(&g, GRAPH_NODE, &call);
    put_port(&g, GRAPH_OUTPUT, "y");
    m = model_of(&g, 17);
    put(&m, MODEL_FUNCTION, &f);
    refused(&m, MLO_EINVALID, "nested too deeply, or in itself");
}

static void numbers_without_end(void)
{
    static const uint8_t bad[][12] = {{0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02},
                                      {0x0B}, /* a group */
                                      {0x00}, /* field 0 */
                                      {0x3A, 0xFF, 0xFF, 0xFF, 0x7F}};
    static const size_t lengths[] = {11, 1, 1, 5};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct bytes m = {.n = lengths[i]};
        memcpy(m.b, bad[i], lengths[i]);
        refused(&m, MLO_EINVALID, NULL);
    }
}

int main(void)
{
    run(a_plain_graph);
    run(every_cut_is_refused_or_read);
    run(graphs_that_are_none);
    run(names_that_do_not_fit);
    run(tensors_that_lie);
    run(weights_elsewhere);
    run(graphs_in_graphs);
    run(a_function_that_calls_itself);
    run(numbers_without_end);
    return done_testing();
}

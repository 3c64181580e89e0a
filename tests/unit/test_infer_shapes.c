/* Extents: arithmetic of polynomials. Shapes: what is derived, what is refused, and failures of memory. */
#include <stdio.h>
#include <string.h>

#include <mlopsctl/infer.h>

#include "../../src/infer/shapes/extent.h"
#include "model_help.h"
#include "tap.h"

static void is_text(const struct mlo_extents *t, struct mlo_extent e, const char *want)
{
    struct mlo_str got;
    mlo_str_init(&got, 4096);
    mlo_extent_text(t, e, &got);
    check_str(got.ptr, want);
    mlo_str_release(&got);
}

static void polynomials_add_multiply_and_divide(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_extents t = {0};
    check_ok(mlo_extents_init(&t, &err), &err);
    struct mlo_extent b = mlo_extent_symbol(&t, "batch"), s = mlo_extent_symbol(&t, "seq"),
                      one = mlo_extent_of(1);
    struct mlo_extent more = mlo_extent_add(&t, s, one), area = mlo_extent_multiply(&t, more, more);
    is_text(&t, area, "seq^2+2*seq+1");
    is_text(&t, mlo_extent_multiply(&t, mlo_extent_of(-3), mlo_extent_multiply(&t, s, b)), "-3*batch*seq");
    check(mlo_extent_same(mlo_extent_multiply(&t, s, b), mlo_extent_multiply(&t, b, s)));
    check(mlo_extent_is(mlo_extent_subtract(&t, area, area), 0));
    check(mlo_extent_same(mlo_extent_divide(&t, mlo_extent_multiply(&t, more, b), b), more));
    check(mlo_extent_is_open(mlo_extent_divide(&t, more, mlo_extent_of(2))));
    check(mlo_extent_is_open(mlo_extent_add(&t, more, mlo_extent_open())));
    check(mlo_extent_is_open(mlo_extent_multiply(&t, mlo_extent_of(INT64_MAX), mlo_extent_add(&t, s, s))));
    check(mlo_extent_is_positive(&t, area) && !mlo_extent_is_positive(&t, mlo_extent_subtract(&t, s, one)));
    const int64_t values[] = {0, 4, 6};
    int64_t v = 0;
    check(mlo_extent_value(&t, area, values, &v) && v == 49);
    check(!mlo_extent_value(&t, mlo_extent_open(), values, &v));
    mlo_extents_release(&t);
}

static void what_has_no_room_is_open(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_extents t = {0};
    check_ok(mlo_extents_init(&t, &err), &err);
    struct mlo_extent s = mlo_extent_symbol(&t, "s"), power = s, last = s;
    for (unsigned i = 1; i < MLO_EXTENT_POWERS; i++)
        power = mlo_extent_multiply(&t, power, s);
    is_text(&t, power, "s^8");
    check(mlo_extent_is_open(mlo_extent_multiply(&t, power, s)));
    for (unsigned i = 0; i < 2 * MLO_EXTENTS_MAX; i++)
        last = mlo_extent_add(&t, s, mlo_extent_of(i + 1));
    check(mlo_extent_is_open(last), "a full table opens what is new");
    check(mlo_extent_same(mlo_extent_add(&t, s, mlo_extent_of(1)), mlo_extent_add(&t, mlo_extent_of(1), s)));
    mlo_extents_release(&t);
}

/* ---- shapes ---- */

static void put_dim(struct bytes *shape, const char *name, int64_t size)
{
    struct bytes d = {.n = 0};
    if (name)
        put_text(&d, 2, name);
    else
        put_number(&d, 1, (uint64_t)size);
    put(shape, 1, &d);
}

/* float32[rows,columns] */
static void put_matrix(struct bytes *graph, const char *name, const char *rows, int64_t columns)
{
    struct bytes v = {.n = 0}, type = {.n = 0}, tensor = {.n = 0}, shape = {.n = 0};
    put_dim(&shape, rows, 0);
    put_dim(&shape, NULL, columns);
    put_number(&tensor, 1, 1);
    put(&tensor, 2, &shape);
    put(&type, 1, &tensor);
    put_text(&v, 1, name);
    put(&v, 2, &type);
    put(graph, GRAPH_INPUT, &v);
}

/* y = reshape(concat(a, b), shape of b by another way): rows of a and b behind each other, times weights. */
static struct bytes chain(int64_t columns)
{
    struct bytes g = {.n = 0}, join = node("Concat", "a", "all"), product = node("MatMul", "all", "y");
    const float w[12] = {0};
    put_input(&join, "b");
    put_attr_int(&join, "axis", 0);
    put_input(&product, "w");
    put_text(&product, NODE_NAME, "the product");
    put(&g, GRAPH_NODE, &join);
    put(&g, GRAPH_NODE, &product);
    put_floats(&g, "w", w, (const int64_t[]){3, 4}, 2);
    put_matrix(&g, "a", "n", columns);
    put_matrix(&g, "b", "m", columns);
    put_port(&g, GRAPH_OUTPUT, "y");
    return model_of(&g, 18);
}

static int derive(const struct bytes *m, const struct mlo_dim_value *dims, size_t n, char *ret, size_t size,
                  struct mlo_formulas *ret_cost, struct mlo_err *err)
{
    struct mlo_onnx_model *model = NULL;
    struct mlo_shapes *s = NULL;
    int rc = mlo_onnx_parse(m->b, m->n, -1, &model, err);
    if (rc == 0)
        rc = mlo_shapes_new(model->graph, dims, n, &s, err);
    if (rc == 0) {
        struct mlo_str text;
        mlo_str_init(&text, 4096);
        mlo_shapes_text(s, model->graph->outputs[0], &text);
        rc = mlo_str_check(&text, err);
        snprintf(ret, size, "%s", text.ptr);
        mlo_shapes_cost(s, model->graph->n_nodes, ret_cost);
        mlo_str_release(&text);
    }
    mlo_shapes_free(s);
    mlo_onnx_close(model);
    return rc;
}

static void shapes_are_formulas_and_misfits_are_named(void)
{
    static const struct mlo_dim_value five = {"m", 5};
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_formulas cost;
    struct bytes m = chain(3), wrong = chain(2);
    char text[128];
    check_ok(derive(&m, NULL, 0, text, sizeof text, &cost, &err), &err);
    check_str(text, "float32[n+m,4]");
    check_str(cost.flops, "24*n+24*m");
    check_str(cost.parameters, "12");
    check_ok(derive(&m, &five, 1, text, sizeof text, &cost, &err), &err);
    check_str(text, "float32[n+5,4]");
    check_str(cost.flops, "24*n+120");
    check_err(derive(&wrong, NULL, 0, text, sizeof text, &cost, &err), MLO_EINVALID, &err,
              "node 'the product' (MatMul): columns and rows: 2 and 3 do not fit");
}

static int derive_once(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_formulas cost;
    struct bytes m = chain(3);
    char text[128];
    return derive(&m, NULL, 0, text, sizeof text, &cost, &err);
}

/* A loop in a loop. */
static int derive_rounds(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_onnx_model *model = NULL;
    struct mlo_shapes *s = NULL;
    int rc = mlo_onnx_open("tests/golden/onnx/flow/loop-in-loop/model.onnx", &model, &err);
    if (rc == 0)
        rc = mlo_shapes_new(model->graph, NULL, 0, &s, &err);
    mlo_shapes_free(s);
    mlo_onnx_close(model);
    return rc;
}

static void memory_failures_are_errors(void)
{
    check(each_alloc_failure(derive_once) >= 5);
    check(each_alloc_failure(derive_rounds) >= 5);
}

/* A turn transposes what goes round, and doubles its rows. */
static struct bytes wanderer(void)
{
    struct bytes g = {.n = 0}, body = {.n = 0}, loop = node("Loop", "", "y"), attr = {.n = 0};
    struct bytes turn = node("Transpose", "s", "t"), grow = node("Concat", "t", "u"),
                 go = node("Identity", "c", "d");
    put_input(&grow, "t");
    put_attr_int(&grow, "axis", 0);
    put(&body, GRAPH_NODE, &turn);
    put(&body, GRAPH_NODE, &grow);
    put(&body, GRAPH_NODE, &go);
    put_port(&body, GRAPH_INPUT, "i");
    put_port(&body, GRAPH_INPUT, "c");
    put_port(&body, GRAPH_INPUT, "s");
    put_port(&body, GRAPH_OUTPUT, "d");
    put_port(&body, GRAPH_OUTPUT, "u");
    put_text(&attr, ATTR_NAME, "body");
    put_number(&attr, ATTR_TYPE, 5);
    put(&attr, ATTR_GRAPH, &body);
    put_input(&loop, "");
    put_input(&loop, "x");
    put(&loop, NODE_ATTRIBUTE, &attr);
    put(&g, GRAPH_NODE, &loop);
    put_matrix(&g, "x", "n", 3);
    put_port(&g, GRAPH_OUTPUT, "y");
    return model_of(&g, 18);
}

static void what_a_turn_changes_is_open(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_formulas cost;
    struct bytes m = wanderer();
    char text[128];
    check_ok(derive(&m, NULL, 0, text, sizeof text, &cost, &err), &err);
    check_str(text, "float32[?,?]");
}

int main(void)
{
    run(polynomials_add_multiply_and_divide);
    run(what_has_no_room_is_open);
    run(shapes_are_formulas_and_misfits_are_named);
    run(what_a_turn_changes_is_open);
    run(memory_failures_are_errors);
    return done_testing();
}

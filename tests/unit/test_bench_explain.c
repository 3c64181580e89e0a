/* Which limit binds a step, and what follows, on numbers that are made up; the timing of steps on a small
 * model. */
#include <math.h>
#include <string.h>

#include <mlopsctl/bench.h>

#include "model_help.h"
#include "tap.h"

static struct mlo_err err;

/* One core: 100 GFLOP/s, 400 GOP/s of bytes, 200, 100, 50 and 10 GB/s. */
static const struct mlo_limits machine = {.cpus = 2,
                                          .f32 = 100e9,
                                          .f64 = 50e9,
                                          .int8 = 400e9,
                                          .read = {200e9, 100e9, 50e9, 10e9},
                                          .bytes = {32000, 1000000, 30000000},
                                          .step_ns = 10,
                                          .wake_ns = 5000,
                                          .clock_ns = 25};

static struct mlo_explained explained(struct mlo_explained_step *steps, size_t n, double run_ns)
{
    struct mlo_explained e = {.steps = steps, .n = n, .run_ns = run_ns, .threads = 1};
    mlo_explain_bounds(&machine, &e);
    return e;
}

static struct mlo_explained_step step(uint64_t products, uint64_t weights, uint64_t values, double ns)
{
    return (struct mlo_explained_step){.cost = {.op = "Dense",
                                                .node = "",
                                                .products = products,
                                                .product_type = MLO_DT_F32,
                                                .flops = products,
                                                .bytes = weights + values,
                                                .weights = weights},
                                       .ns = ns};
}

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-9 * fmax(fabs(a), fabs(b));
}

/* ---- which limit ---- */

static void many_products_are_bound_by_computing(void)
{
    struct mlo_explained_step s = step(1000000, 8000, 8000, 12500);
    struct mlo_explained e = explained(&s, 1, 12500);
    check(s.bound == MLO_BOUND_COMPUTE && near(s.limit_ns, 10000), "%g", s.limit_ns);
    check(near(e.bounds[MLO_BOUND_COMPUTE].limit_ns / e.bounds[MLO_BOUND_COMPUTE].ns, 0.8));
    check(strstr(e.sentence, "100 % of the time is multiplication at 0.80 of what one core can do") != NULL,
          "%s", e.sentence);
    check(strstr(e.sentence, "more cores or smaller types") != NULL, "%s", e.sentence);
}

static void bytes_and_doubles_have_roofs_of_their_own(void)
{
    struct mlo_explained_step s = step(4000000, 100, 100, 20000);
    s.cost.product_type = MLO_DT_I8;
    explained(&s, 1, 20000);
    check(near(s.limit_ns, 10000), "%g", s.limit_ns);
    s.cost.product_type = MLO_DT_F64;
    explained(&s, 1, 200000);
    check(near(s.limit_ns, 80000), "%g", s.limit_ns);
    s.cost.product_type = MLO_DT_I8;
    s.cost.flops += 1000000; /* functions are of floats */
    explained(&s, 1, 40000);
    check(near(s.limit_ns, 20000), "%g", s.limit_ns);
}

static void weights_come_from_where_the_whole_run_fits(void)
{
    static const struct {
        uint64_t weights;
        enum mlo_bound bound;
        double ns;
    } cases[] = {{20000, MLO_BOUND_L1, 100},
                 {800000, MLO_BOUND_L2, 8000},
                 {20000000, MLO_BOUND_L3, 400000},
                 {100000000, MLO_BOUND_MEMORY, 10000000}};
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        struct mlo_explained_step s = step(1000, cases[i].weights, 0, 2 * cases[i].ns);
        explained(&s, 1, 2 * cases[i].ns);
        check(s.bound == cases[i].bound && near(s.limit_ns, cases[i].ns), "%zu: %s %g", i,
              mlo_bound_name(s.bound), s.limit_ns);
    }
}

static void a_set_half_again_as_large_is_half_inside(void)
{
    struct mlo_explained_step s = step(0, 1500000, 0, 1e6);
    explained(&s, 1, 1e6);
    check(near(s.limit_ns, 7500 + 15000) && s.bound == MLO_BOUND_L3, "%g", s.limit_ns);
}

/* Sixty steps share the second cache; each alone would be in the first. */
static void what_other_steps_read_drives_weights_out(void)
{
    struct mlo_explained_step s[60];
    for (size_t i = 0; i < MLO_COUNT(s); i++)
        s[i] = step(0, 10000, 0, 200);
    struct mlo_explained e = explained(s, MLO_COUNT(s), 60 * 200);
    check(s[7].bound == MLO_BOUND_L2 && near(s[7].limit_ns, 100));
    check(near(e.run_bytes, 600000), "%g", e.run_bytes);
    check(strstr(e.sentence, "reading weights from the second cache at 0.50") != NULL, "%s", e.sentence);
}

static void values_were_just_written(void)
{
    struct mlo_explained_step s[2] = {step(0, 0, 20000, 400), step(0, 5000000, 0, 200000)};
    explained(s, 2, 200400);
    check(s[0].bound == MLO_BOUND_L1 && near(s[0].limit_ns, 100), "%g", s[0].limit_ns);
}

static void next_to_nothing_is_bound_by_being_called(void)
{
    struct mlo_explained_step s[3] = {step(2, 8, 8, 40), step(2, 8, 8, 60), step(400, 0, 0, 10)};
    struct mlo_explained e = explained(s, 3, 120);
    check(s[0].bound == MLO_BOUND_STEP && e.bounds[MLO_BOUND_STEP].n == 3);
    check(near(e.rest_ns, 10) && strstr(e.sentence, "more rows a request help") != NULL, "%s", e.sentence);
}

static void trees_read_the_same_again(void)
{
    struct mlo_explained_step s = step(0, 10000, 10000, 20000);
    s.cost.reads = 2000000;
    struct mlo_explained e = explained(&s, 1, 20000);
    check(s.bound == MLO_BOUND_L1 && near(s.limit_ns, 10000));
    check(strstr(e.sentence, "reading trees from the first cache at 0.50") != NULL, "%s", e.sentence);
}

static void threads_share_and_are_woken(void)
{
    struct mlo_explained_step s[2] = {step(10000000, 100, 100, 60000), step(1000000, 100, 100, 12000)};
    struct mlo_explained e = {.steps = s, .n = 2, .run_ns = 80000, .threads = 2};
    mlo_explain_bounds(&machine, &e);
    check(near(s[0].limit_ns, 50000) && near(s[1].limit_ns, 10000), "%g %g", s[0].limit_ns, s[1].limit_ns);
    struct mlo_limits sleepy = machine;
    sleepy.wake_ns = 55000;
    mlo_explain_bounds(&sleepy, &e);
    check(s[0].bound == MLO_BOUND_WAKE && s[1].bound == MLO_BOUND_COMPUTE);
    check(strstr(e.sentence, "fewer threads") != NULL, "%s", e.sentence);
}

/* ---- what follows ---- */

static void what_removing_a_limit_gives(void)
{
    struct mlo_explained e = {.run_ns = 1000};
    check(near(mlo_explained_gain(&e, 600, 100), 2), "half of it goes");
    check(near(mlo_explained_gain(&e, 600, 600), 1));
    check(near(mlo_explained_gain(&e, 100, 140), 1), "faster than the limit is no loss");
    check(mlo_explained_gain(&e, 1000, 0) >= 1, "and nothing left is no division by 0");
}

static void requests_that_share_the_machine_are_said_first(void)
{
    struct mlo_explained_step s = step(1000000, 0, 0, 12500);
    struct mlo_explained e = {.steps = &s, .n = 1, .run_ns = 12500, .threads = 1, .request_ns = 50000};
    mlo_explain_bounds(&machine, &e);
    check(strncmp(e.sentence, "a request takes 4.0 times as long as the run of one alone", 57) == 0, "%s",
          e.sentence);
}

static void room_is_said(void)
{
    struct mlo_explained_step s = step(1000000, 0, 0, 40000);
    struct mlo_explained e = explained(&s, 1, 40000);
    check(strstr(e.sentence, "up to 4.0 times") != NULL, "%s", e.sentence);
    s = step(1000000, 0, 0, 400000);
    e = explained(&s, 1, 400000);
    check(strstr(e.sentence, "up to") == NULL && strstr(e.sentence, "cost whatever they do") != NULL, "%s",
          e.sentence);
}

/* ---- steps of a model ---- */

struct world {
    int64_t now;
};
static int64_t ticking(void *ctx)
{
    return ((struct world *)ctx)->now += 1000;
}

/* As put_port, with a type: a request is read by it. */
static void put_float_port(struct bytes *graph, uint32_t field, const char *name)
{
    struct bytes tensor = {.n = 0}, type = {.n = 0}, port = {.n = 0};
    put_number(&tensor, 1, 1); /* elem_type: FLOAT */
    put(&type, 1, &tensor);
    put_text(&port, 1, name);
    put(&port, 2, &type);
    put(graph, field, &port);
}

/* y = -|x|, z = x W: a dense layer of 8 columns beside two small steps. */
static struct mlo_plan *small_plan(void)
{
    static const int64_t dims[] = {8, 8};
    static float w[64];
    struct bytes g = {.n = 0}, product = node("MatMul", "x", "z");
    struct mlo_onnx_model *model = NULL;
    struct mlo_plan *p = NULL;
    struct mlo_err e = MLO_ERR_INIT;
    put_input(&product, "w");
    put_float_port(&g, GRAPH_INPUT, "x");
    put_floats(&g, "w", w, dims, 2);
    put_node(&g, "Abs", "x", "a");
    put_node(&g, "Neg", "a", "y");
    put(&g, GRAPH_NODE, &product);
    put_port(&g, GRAPH_OUTPUT, "y");
    put_port(&g, GRAPH_OUTPUT, "z");
    struct bytes m = model_of(&g, 17);
    if (mlo_onnx_parse(m.b, m.n, -1, &model, &e) == 0)
        (void)!mlo_plan_new(model, NULL, &p, &e);
    return p;
}

static struct mlo_value rows(float *data)
{
    return (struct mlo_value){
        .kind = MLO_KIND_ARRAY,
        .array = {.dtype = MLO_DT_F32, .rank = 2, .dims = {4, 8}, .n = 32, .data = data}};
}

/* Only the clock takes time, and what it takes is taken off. */
static void looking_costs_nothing_in_the_end(void)
{
    float data[32] = {1};
    struct world w = {0};
    struct mlo_clock clock = {.now = ticking, .ctx = &w};
    struct mlo_explain_opts o = {.clock = &clock, .seconds = 1e-3};
    struct mlo_value in = rows(data);
    struct mlo_plan *p = small_plan();
    struct mlo_explained e;
    check(p != NULL);
    check_ok(mlo_explain(p, &in, &machine, &o, &e, &err), &err);
    check_int((int)e.n, 3);
    check(near(e.timing_ns, 1000), "%g", e.timing_ns);
    for (size_t i = 0; i < e.n; i++)
        check(e.steps[i].ns < 1e-9, "%zu: %g", i, e.steps[i].ns);
    check(e.runs >= 5);
    mlo_explained_release(&e);
    mlo_plan_free(p);
}

static void steps_add_up_to_the_run(void)
{
    float data[32] = {1};
    struct mlo_explain_opts o = {.seconds = 0.05};
    struct mlo_value in = rows(data);
    struct mlo_plan *p = small_plan();
    struct mlo_explained e;
    double sum = 0;
    check_ok(mlo_explain(p, &in, &machine, &o, &e, &err), &err);
    for (size_t i = 0; i < e.n; i++) {
        const struct mlo_node_cost *c = &e.steps[i].cost;
        bool dense = strcmp(c->op, "Dense") == 0;
        sum += e.steps[i].ns;
        check(c->products == (dense ? 2 * 4 * 8 * 8 : 0) && c->weights == (dense ? 256 : 0), "%s", c->op);
        check(c->bytes == (dense ? 512 : 256), "%s: %llu", c->op, (unsigned long long)c->bytes);
    }
    check(e.run_ns > 0 && sum <= e.run_ns * (1 + 1e-9) && fabs(sum + e.rest_ns - e.run_ns) < 1e-6 * e.run_ns);
    mlo_explained_release(&e);
    mlo_plan_free(p);
}

static int explain_once(void)
{
    float data[32] = {1};
    struct world w = {0};
    struct mlo_clock clock = {.now = ticking, .ctx = &w};
    struct mlo_explain_opts o = {.clock = &clock, .seconds = 1e-6};
    struct mlo_err e = MLO_ERR_INIT;
    struct mlo_value in = rows(data);
    struct mlo_plan *p = small_plan();
    struct mlo_explained told;
    int rc = p ? mlo_explain(p, &in, &machine, &o, &told, &e) : MLO_EIO;
    if (rc == 0)
        mlo_explained_release(&told);
    mlo_plan_free(p);
    return rc;
}

static void memory_may_fail(void)
{
    check(each_alloc_failure(explain_once) > 0);
}

/* ---- around the run ---- */

/* 100 requests in 2 s that waited 10 ms each: by Little's law 50 a second times 10 ms, half a request waits.
 */
static void what_waits_is_as_littles_law_says(void)
{
    float data[32] = {1};
    struct world w = {0};
    struct mlo_clock clock = {.now = ticking, .ctx = &w};
    struct mlo_measured m = {.seconds = 2, .queued = {.n = 100, .ahead = 40, .ns = 1e9}};
    struct mlo_value in = rows(data);
    struct mlo_plan *p = small_plan();
    struct mlo_explained e = {.run_ns = 3e6};
    struct mlo_around_row found[MLO_AROUND_ROWS];
    check_ok(mlo_explain_around(p, &in, &m, MLO_ASKED_ENGINE, &clock, &e, &err), &err);
    check(near(e.around.queue_ns, 1e7) && near(e.around.little, 0.5) && near(e.around.ahead, 0.4));
    check(near(e.around.parse_ns, 1000) && near(e.around.answer_ns, 1000), "only the clock takes time");
    check(e.around.parse_bytes > 64 && e.around.answer_bytes > 128);
    check(strstr(e.sentence, "waits 3.3 times as long as the model runs, though behind no other") != NULL,
          "%s", e.sentence);
    check_int(mlo_around_rows(&e, found), 3);
    check_str(found[0].name, "parse");
    check_str(found[2].why, "0.4 found waiting, 0.5 by Little's law");
    double all = 3e6 + 1e7 + 2000;
    check(near(found[2].share, 1e7 / all) && near(found[2].gain, all / (all - 1e7)));
    m.queued.ahead = 400;
    e.sentence[0] = '\0';
    check_ok(mlo_explain_around(p, &in, &m, MLO_ASKED_ENGINE, &clock, &e, &err), &err);
    check(strstr(e.sentence, "behind 4 others: more callers") != NULL, "%s", e.sentence);
    mlo_plan_free(p);
}

static void what_is_not_known_has_no_row(void)
{
    float data[32] = {1};
    struct mlo_measured idle = {.seconds = 0, .queued = {.n = 3, .ns = 1e9}};
    struct mlo_value in = rows(data);
    struct mlo_plan *p = small_plan();
    struct world w = {0};
    struct mlo_clock clock = {.now = ticking, .ctx = &w};
    struct mlo_around_row found[MLO_AROUND_ROWS];
    struct mlo_explained e = {.run_ns = 0, .around = {.queue_ns = 5}};
    check_int(mlo_around_rows(&e, found), 1);
    check(found[0].share == 1 && isinf(found[0].gain), "nothing is left without it");
    check_ok(mlo_explain_around(p, &in, &idle, MLO_ASKED_ENGINE, &clock, &e, &err), &err);
    check(e.around.queue_ns == 0 && e.around.little == 0 && mlo_around_rows(&e, found) == 2);
    mlo_plan_free(p);
}

/* Of 10 ms that each request took, our engine's run is 3 ms: the rest is the way, and of a server also what
 * its JSON takes. */
static void what_another_takes_besides_is_the_way(void)
{
    float data[32] = {1};
    struct world w = {0};
    struct mlo_clock clock = {.now = ticking, .ctx = &w};
    struct mlo_measured m = {.seconds = 2};
    struct mlo_value in = rows(data);
    struct mlo_plan *p = small_plan();
    struct mlo_around_row found[MLO_AROUND_ROWS];
    struct mlo_explained e = {.run_ns = 3e6, .sentence = "the run"};
    check_ok(mlo_times_init(&m.times, &err), &err);
    mlo_times_add(&m.times, 10000000);
    double request = (double)mlo_times_quantile(&m.times, 0.5);
    check_ok(mlo_explain_around(p, &in, &m, MLO_ASKED_LINES, &clock, &e, &err), &err);
    check_int(mlo_around_rows(&e, found), 1);
    check_str(found[0].name, "way");
    check(near(found[0].ns, request - 3e6) && near(found[0].share, 1 - 3e6 / request));
    check(strncmp(e.sentence, "70 % of a request is the way", 28) == 0, "%s", e.sentence);
    check(strstr(e.sentence, "here, the run") != NULL, "%s", e.sentence);
    check_ok(mlo_explain_around(p, &in, &m, MLO_ASKED_JSON, &clock, &e, &err), &err);
    check_int(mlo_around_rows(&e, found), 3);
    check(near(found[2].ns, request - 3e6 - 2000));
    mlo_times_release(&m.times);
    check_ok(mlo_explain_around(p, &in, &m, MLO_ASKED_LINES, &clock, &e, &err), &err);
    check_int(mlo_around_rows(&e, found), 0);
    mlo_plan_free(p);
}

static void note_steps(void *ctx, size_t done)
{
    size_t *told = ctx;
    told[0]++;
    told[1] += done;
}

static void a_run_tells_of_all_its_steps(void)
{
    float data[32] = {1};
    struct mlo_value in = rows(data);
    struct mlo_plan *p = small_plan();
    struct mlo_session *s = NULL;
    const struct mlo_value *out;
    size_t told[2] = {0, 0};
    check_ok(mlo_session_new(p, &s, &err), &err);
    check_ok(mlo_session_run(s, &in, 1, &out, &err), &err);
    mlo_session_watch(s, note_steps, told);
    check_ok(mlo_session_run(s, &in, 1, &out, &err), &err);
    check(told[0] == 4 && told[1] == 0 + 1 + 2 + 3);
    mlo_session_watch(s, NULL, NULL);
    check_ok(mlo_session_run(s, &in, 1, &out, &err), &err);
    check(told[0] == 4);
    mlo_session_free(s);
    mlo_plan_free(p);
}

int main(void)
{
    run(many_products_are_bound_by_computing);
    run(bytes_and_doubles_have_roofs_of_their_own);
    run(weights_come_from_where_the_whole_run_fits);
    run(a_set_half_again_as_large_is_half_inside);
    run(what_other_steps_read_drives_weights_out);
    run(values_were_just_written);
    run(next_to_nothing_is_bound_by_being_called);
    run(trees_read_the_same_again);
    run(threads_share_and_are_woken);
    run(what_removing_a_limit_gives);
    run(requests_that_share_the_machine_are_said_first);
    run(room_is_said);
    run(a_run_tells_of_all_its_steps);
    run(what_waits_is_as_littles_law_says);
    run(what_is_not_known_has_no_row);
    run(what_another_takes_besides_is_the_way);
    run(looking_costs_nothing_in_the_end);
    run(steps_add_up_to_the_run);
    run(memory_may_fail);
    return done_testing();
}

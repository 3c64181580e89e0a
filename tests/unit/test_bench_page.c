/* Pages of benchmarks from results that are made up: what they say, the same bytes again, no memory. */
#include <string.h>

#include <mlopsctl/bench.h>

#include "tap.h"

static char model[] = "<b>credit</b> & co", machine[] = "CPU \"X\"", load[] = "single", digest[] = "",
            tool[] = "t";
static const struct mlo_bench_result result = {.model = model,
                                               .digest = digest,
                                               .machine = machine,
                                               .tool = tool,
                                               .load = load,
                                               .time_ns = 1767225600000000000};
static const struct mlo_limits limits = {.f32 = 100e9,
                                         .f64 = 50e9,
                                         .int8 = 400e9,
                                         .read = {200e9, 100e9, 50e9, 10e9},
                                         .bytes = {32000, 1000000, 30000000},
                                         .step_ns = 10,
                                         .wake_ns = 5000};

static struct mlo_explained_step step_of(const char *op, uint64_t flops, double ns)
{
    return (struct mlo_explained_step){.cost = {.domain = "",
                                                .op = op,
                                                .node = "n<1>",
                                                .shape = "float32[1]",
                                                .products = flops,
                                                .product_type = MLO_DT_F32,
                                                .flops = flops,
                                                .bytes = 4000},
                                       .ns = ns};
}

static int bench_page(struct mlo_str *out)
{
    struct mlo_explained_step steps[] = {step_of("Dense", 1000000, 12500), step_of("Reshape", 0, 40)};
    struct mlo_explained e = {.steps = steps, .n = 2, .run_ns = 13000, .threads = 1};
    struct mlo_measured m = {.requests = 1000, .seconds = 1, .first_ns = 20000};
    struct mlo_compared c = {.gate = MLO_GATE_FAIL, .median = {1.25, 1.2, 1.3}};
    struct mlo_page_case one = {.batch = 8, .measured = &m, .explained = &e, .compared = &c};
    struct mlo_bench_page page = {.result = &result,
                                  .against = "<native>",
                                  .gate = MLO_GATE_FAIL,
                                  .limits = &limits,
                                  .cases = &one,
                                  .n = 1};
    struct mlo_err err = MLO_ERR_INIT;
    int rc = mlo_times_init(&m.times, &err);
    if (rc != 0)
        return rc;
    for (uint64_t i = 0; i < 1000; i++)
        mlo_times_add(&m.times, 12000 + 3 * i);
    mlo_explain_bounds(&limits, &e);
    one.before = &m.times;
    rc = mlo_bench_html(&page, out, &err);
    mlo_times_release(&m.times);
    return rc;
}

/* A GPU, in bfloat16 and float32. */
static const struct mlo_device_limits gpu = {
    .copy = 4e12,
    .in = 50e9,
    .out = 40e9,
    .graph_ns = 6000,
    .kernel_ns = 1200,
    .copied_ns = 14000,
    .mapped_ns = 9000,
    .tf32 = 400e12,
    .flops = {[MLO_DEVICE_F32] = 50e12, [MLO_DEVICE_BF16] = 800e12, [MLO_DEVICE_I8] = 1500e12}};

static int device_page(struct mlo_str *out)
{
    struct mlo_explained_step steps[] = {
        step_of("copy in", 0, 21000),        step_of("norm", 0, 3000),
        step_of("dense", 9000000000, 16000), step_of("attention", 300000000, 9000),
        step_of("dense", 12000000, 2100),    step_of("copy out", 0, 6000)};
    struct mlo_explained e = {.steps = steps,
                              .n = MLO_COUNT(steps),
                              .run_ns = 70000,
                              .timing_ns = 800,
                              .threads = 1,
                              .on_device = true};
    struct mlo_measured m = {.requests = 1000, .seconds = 1, .first_ns = 20000};
    struct mlo_page_case one = {.batch = 32, .measured = &m, .explained = &e};
    struct mlo_bench_page page = {.result = &result, .device_limits = &gpu, .cases = &one, .n = 1};
    struct mlo_err err = MLO_ERR_INIT;
    int rc = mlo_times_init(&m.times, &err);
    if (rc != 0)
        return rc;
    for (uint64_t i = 0; i < 1000; i++)
        mlo_times_add(&m.times, 70000 + 30 * i);
    steps[0].copy = MLO_COPY_IN;
    steps[0].cost.bytes = 1000000;
    steps[2].cost.bytes = 14000000;
    steps[2].cost.product_type = steps[3].cost.product_type = MLO_DT_BF16;
    steps[3].cost.bytes = 9000000;
    steps[5].copy = MLO_COPY_OUT;
    mlo_explain_device_bounds(&gpu, &e);
    rc = mlo_bench_html(&page, out, &err);
    mlo_times_release(&m.times);
    return rc;
}

static int history_page(struct mlo_str *out)
{
    struct mlo_history_point points[6];
    struct mlo_history_line line = {1, 6, points};
    struct mlo_history_page page = {&result, &line, 1};
    struct mlo_err err = MLO_ERR_INIT;
    for (int i = 0; i < 6; i++)
        points[i] = (struct mlo_history_point){.run = 10 + i,
                                               .time_ns = 1767225600000000000,
                                               .commit = "<c>0123456789abcdef",
                                               .p50_ns = i < 3 ? 1000 : 1200,
                                               .p99_ns = 2000,
                                               .change = i == 3 ? 1.2 : 0};
    return mlo_history_html(&page, out, &err);
}

static struct mlo_str page_of(int (*make)(struct mlo_str *out))
{
    struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    check_int(make(&text), 0);
    return text;
}

static bool says(const struct mlo_str *page, const char *what)
{
    return strstr(page->ptr, what) != NULL;
}

static void a_bench_says_the_verdict_first(void)
{
    struct mlo_str a = page_of(bench_page), b = page_of(bench_page);
    check(says(&a, "Slower than &lt;native&gt;: batch 8 takes 1.25 times as long (1.2 to 1.3)"));
    check(says(&a, "multiplication at 0.80 of what one core can do"));
    check(says(&a, "&lt;b&gt;credit&lt;/b&gt; &amp; co") && !says(&a, "<b>credit"));
    check(says(&a, "n&lt;1&gt;") && !says(&a, "n<1>"));
    check(says(&a, "<circle class=\"b0\"") && says(&a, "p99 ") && says(&a, "memory 10 GB/s"));
    check(says(&a, "One more only moves bytes or shapes") && says(&a, "<script>function sortable"));
    check(a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0, "the same bytes");
    mlo_str_release(&a);
    mlo_str_release(&b);
}

static void a_gpu_has_roofs_and_bars_of_its_own(void)
{
    struct mlo_str a = page_of(device_page);
    check(says(&a, "The GPU computes") && says(&a, "800 of bfloat16, 1,500 of int8") &&
          !says(&a, "float16, 0"));
    check(says(&a, "Roofline of the GPU: 3 steps") && says(&a, "memory 4 TB/s"));
    check(says(&a, "bfloat16 800") && says(&a, "float32 50<") && !says(&a, ">int8 "));
    check(says(&a, "around the GPU") && !says(&a, "between steps") && !says(&a, "One core"));
    check(says(&a, "class=\"b8\"") && says(&a, "</svg> transfer") && says(&a, "class=\"b7\""));
    mlo_str_release(&a);
}

static void a_history_marks_its_changes(void)
{
    struct mlo_str a = page_of(history_page);
    check(says(&a, "Slower by 20.0 % since run 13, batch 1"));
    check(says(&a, ">+20.0 %</text>") && says(&a, "&lt;c&gt;012345678<"));
    check(says(&a, "run 10</text>") && says(&a, "run 15</text>"));
    mlo_str_release(&a);
}

static int bench_once(void)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    return bench_page(&text);
}

static int device_once(void)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    return device_page(&text);
}

static int history_once(void)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    return history_page(&text);
}

static void memory_may_fail(void)
{
    check(each_alloc_failure(bench_once) > 0);
    check(each_alloc_failure(device_once) > 0);
    check(each_alloc_failure(history_once) > 0);
}

static void nothing_was_measured(void)
{
    struct mlo_bench_page none = {.result = &result};
    struct mlo_history_line line = {.batch = 3};
    struct mlo_history_page empty = {&result, &line, 1};
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    check_ok(mlo_bench_html(&none, &text, &err), &err);
    check_ok(mlo_history_html(&empty, &text, &err), &err);
    check(says(&text, "No change in 0 measurements"));
}

int main(void)
{
    run(a_bench_says_the_verdict_first);
    run(a_gpu_has_roofs_and_bars_of_its_own);
    run(a_history_marks_its_changes);
    run(memory_may_fail);
    run(nothing_was_measured);
    return done_testing();
}

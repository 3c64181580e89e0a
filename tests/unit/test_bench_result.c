/* Results: written and read back, refused when they are none; compared with what was measured another time.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/bench.h>

#include "tap.h"

static struct mlo_err err;

static void make(struct mlo_bench_result *r, double ns, size_t blocks)
{
    uint64_t seed = (uint64_t)ns;
    struct mlo_measured *m;
    *r = (struct mlo_bench_result){.model = strdup("credit:1"),
                                   .digest = strdup("sha256:00"),
                                   .machine = strdup("a \"machine\""),
                                   .tool = strdup("1.0"),
                                   .load = strdup("single, callers 1"),
                                   .time_ns = 1767225600000000000,
                                   .cases = calloc(1, sizeof *r->cases),
                                   .n = 1,
                                   .cap = 1};
    m = &r->cases[0].measured;
    *r->cases = (struct mlo_bench_case){.batch = 8};
    check_ok(mlo_times_init(&m->times, &err), &err);
    m->medians = calloc(blocks, sizeof *m->medians);
    m->controls = calloc(blocks, sizeof *m->controls);
    m->n_blocks = m->cap = m->cap_controls = blocks;
    m->requests = blocks;
    m->repeat = 3;
    m->seconds = 1.5;
    m->steady = true;
    for (size_t i = 0; i < blocks; i++) {
        double speed = 1 + mlo_random_unit(&seed);
        m->medians[i] = ns * speed * (1 + 0.01 * mlo_random_unit(&seed));
        m->controls[i] = 1e6 * speed;
        mlo_times_add(&m->times, (uint64_t)m->medians[i]);
    }
}

static void what_is_written_is_read(void)
{
    struct mlo_bench_result a, b = {0};
    struct mlo_str text, again;
    make(&a, 12345, 40);
    mlo_str_init(&text, 1 << 20);
    mlo_str_init(&again, 1 << 20);
    check_ok(mlo_bench_result_write(&a, &text, &err), &err);
    check_ok(mlo_bench_result_read(text.ptr, text.len, &b, &err), &err);
    check_ok(mlo_bench_result_write(&b, &again, &err), &err);
    check_str(again.ptr, text.ptr);
    check(b.n == 1 && b.cases[0].batch == 8 && b.cases[0].measured.times.n == 40);
    check(mlo_bench_result_find(&b, 8) == &b.cases[0] && !mlo_bench_result_find(&b, 9));
    mlo_bench_result_release(&a);
    mlo_bench_result_release(&b);
    mlo_str_release(&text);
    mlo_str_release(&again);
}

#define HEAD                                                                                                 \
    "{\"schema\":1,\"model\":\"m\",\"digest\":\"\",\"machine\":\"\",\"tool\":\"\",\"load\":\"\",\"time_"     \
    "ns\":1,\"cases\":["
#define CASE           "{\"batch\":1,\"requests\":1,\"failures\":0,\"first_ns\":1,\"repeat\":1,\"seconds\":1,"
#define TIMES(buckets) "\"times\":{\"sum_ns\":1,\"least_ns\":1,\"most_ns\":1,\"buckets\":[" buckets "]}"

static void what_is_no_result_is_refused(void)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"[]", ""},
        {"{\"schema\":2}", "newer"},
        {"{\"schema\":1}", "model"},
        {HEAD CASE TIMES("[99999999,1]") ",\"medians_ns\":[],\"controls_ns\":[]}]}", "bucket"},
        {HEAD CASE TIMES("[1,0]") ",\"medians_ns\":[],\"controls_ns\":[]}]}", "bucket"},
        {HEAD CASE TIMES("[1]") ",\"medians_ns\":[],\"controls_ns\":[]}]}", "bucket"},
        {HEAD CASE TIMES("") ",\"medians_ns\":[1],\"controls_ns\":[]}]}", "control"},
        {HEAD CASE TIMES("") ",\"medians_ns\":[1],\"controls_ns\":[1,2]}]}", "block"},
        {HEAD CASE TIMES("") ",\"medians_ns\":[-1],\"controls_ns\":[1]}]}", "block"},
        {HEAD "7]}", ""},
    };
    for (size_t i = 0; i < MLO_COUNT(bad); i++) {
        struct mlo_bench_result r;
        int rc = mlo_bench_result_read(bad[i].text, strlen(bad[i].text), &r, &err);
        check(rc < 0 && strstr(err.msg, bad[i].why) != NULL, "%s: %s", bad[i].text, err.msg);
    }
}

static enum mlo_gate held(double then, double now, size_t blocks)
{
    struct mlo_compare_opts o = {.seed = 7};
    struct mlo_bench_result a, b;
    struct mlo_compared c = {.gate = MLO_GATE_INCONCLUSIVE};
    make(&a, then, blocks);
    make(&b, now, blocks);
    check_ok(mlo_compare_kept(&a.cases[0].measured, &b.cases[0].measured, &o, &c, &err), &err);
    check(c.median.low < c.median.ratio && c.median.ratio < c.median.high);
    check(fabs(c.median.ratio - now / then) < 0.03, "%g", c.median.ratio);
    mlo_bench_result_release(&a);
    mlo_bench_result_release(&b);
    return c.gate;
}

/* The machine was up to twice as fast in some blocks: the loop beside them tells. */
static void the_control_takes_the_machine_out(void)
{
    check(held(10000, 10010, 30) == MLO_GATE_PASS);
    check(held(10000, 11010, 30) == MLO_GATE_FAIL);
    check(held(10000, 10501, 30) == MLO_GATE_INCONCLUSIVE);
}

static void few_blocks_are_not_compared(void)
{
    struct mlo_bench_result a;
    struct mlo_compared c;
    struct mlo_compare_opts o = {0};
    make(&a, 100, 9);
    check_err(mlo_compare_kept(&a.cases[0].measured, &a.cases[0].measured, &o, &c, &err), MLO_EINVALID, &err,
              "too few");
    mlo_bench_result_release(&a);
}

static int read_and_release(void)
{
    static const char text[] = HEAD CASE TIMES("[1,1]") ",\"medians_ns\":[1],\"controls_ns\":[1]}]}";
    struct mlo_err e = MLO_ERR_INIT;
    struct mlo_bench_result r = {0};
    int rc = mlo_bench_result_read(text, sizeof text - 1, &r, &e);
    mlo_bench_result_release(&r);
    return rc;
}

static void memory_may_run_out(void)
{
    check(each_alloc_failure(read_and_release) >= 8);
}

int main(void)
{
    run(what_is_written_is_read);
    run(what_is_no_result_is_refused);
    run(the_control_takes_the_machine_out);
    run(few_blocks_are_not_compared);
    run(memory_may_run_out);
    return done_testing();
}

/* The request log: columns of requests, inputs, outputs and labels, growing and rotated files, windows of
 * time. */
#include "table_cases.h"

static const struct mlo_table_opts plain, as_log = {.format = "log"};

#define A                                                                                                    \
    "{\"time\":\"2026-01-02T03:04:05.000000001Z\",\"id\":\"r1\",\"model\":\"credit:1.4.0@sha256:ab\","       \
    "\"status\":200,\"latency_ms\":1.25,\"inputs\":{\"age\":30,\"city\":\"Ulm\"},\"outputs\":{\"score\":0."  \
    "5}}\n"
#define B                                                                                                    \
    "{\"time\":\"2026-01-02T03:04:06Z\",\"id\":\"r2\",\"model\":\"credit:1.4.0@sha256:ab\",\"status\":500,"  \
    "\"latency_ms\":9,\"error\":\"no memory\",\"inputs\":{\"age\":null,\"city\":\"K\\u00f6ln\"}}\n"
#define COLUMNS "time:time|status:int|latency_ms:number|model:text|age:int|city:text|score:number\n"
#define ROW_A   "1: 1767323045000000001|200|1.25|'credit\\x3a1.4.0@sha256\\x3aab'|30|'Ulm'|0.5\n"
#define ROW_B   "2: 1767323046000000000|500|9|'credit\\x3a1.4.0@sha256\\x3aab'|-|'K\\xc3\\xb6ln'|-\n"

static void a_request_is_a_row(void)
{
    reads_bytes("requests.log", BYTES(A B), &plain, COLUMNS ROW_A ROW_B);
    reads_bytes("requests.txt", BYTES(A B), &plain, COLUMNS ROW_A ROW_B);
    reads_bytes("-", BYTES(A B), &as_log, COLUMNS ROW_A ROW_B);
}

static void columns_tell_where_they_are_from(void)
{
    struct mlo_table *t;
    struct mlo_err err = MLO_ERR_INIT;
    static const enum mlo_column_origin want[] = {MLO_ORIGIN_REQUEST, MLO_ORIGIN_REQUEST, MLO_ORIGIN_REQUEST,
                                                  MLO_ORIGIN_REQUEST, MLO_ORIGIN_INPUT,   MLO_ORIGIN_OUTPUT,
                                                  MLO_ORIGIN_LABEL};
    const char *path = write_bytes("r.log",
                                   BYTES("{\"time\":\"2026-01-02\",\"status\":200,\"latency_ms\":1,"
                                         "\"inputs\":{\"a\":1},\"outputs\":{\"b\":2},\"label\":3}\n"));
    size_t n;
    if (!check_ok(mlo_table_open(&path, 1, &plain, &t, &err), &err))
        return;
    const struct mlo_table_column *columns = mlo_table_columns(t, &n);
    check_int(n, MLO_COUNT(want));
    for (size_t i = 0; i < n && i < MLO_COUNT(want); i++)
        check_int(columns[i].origin, want[i]);
    mlo_table_close(t);
}

static void names_are_prefixed_only_where_they_collide(void)
{
    reads_bytes("r.log",
                BYTES("{\"time\":\"2026-01-02\",\"status\":200,\"latency_ms\":1,\"model\":\"m:1\","
                      "\"inputs\":{\"x\":1,\"time\":2,\"label\":3,\"inputs.x\":4},"
                      "\"outputs\":{\"x\":5,\"y\":6,\"model\":7}}\n"),
                &plain,
                "time:time|status:int|latency_ms:number|model:text|x:int|inputs.time:int|inputs.label:int|"
                "inputs.inputs.x:int|outputs.x:int|y:int|outputs.model:int\n"
                "1: 1767312000000000000|200|1|'m\\x3a1'|1|2|3|4|5|6|7\n");
}

static void members_that_are_no_columns_are_passed_over(void)
{
    reads_bytes(
        "r.log",
        BYTES("{\"time\":\"2026-01-02\",\"status\":200,\"latency_ms\":1,\"row\":0,\"trace\":{\"inputs\":"
              "{\"z\":1}},\"extra\":[1,{}],\"inputs\":{\"v\":[1, 2],\"o\":{\"p\":1}},\"outputs\":null}\n"),
        &plain,
        "time:time|status:int|latency_ms:number|model:text|v:text|o:text\n"
        "1: 1767312000000000000|200|1|-|'[1, 2]'|'{\"p\"\\x3a1}'\n");
}

static void lines_that_are_no_requests_are_counted(void)
{
    reads_bytes("r.log", BYTES(A "garbage\n[1]\n{\"time\":\"2026\",\"inputs\":3}\n\n" A), &plain,
                COLUMNS ROW_A
                "6: 1767323045000000001|200|1.25|'credit\\x3a1.4.0@sha256\\x3aab'|30|'Ulm'|0.5\n"
                "ragged 3: 2 has 0, 3 has 0, 4 has 0\n");
}

static void a_line_that_is_being_written_is_no_row_yet(void)
{
    static const char text[] = A B;
    size_t first = sizeof A - 1;
    for (size_t n = first; n < sizeof text - 2; n++) {
        char *got = outcome(write_bytes("grows.log", text, n), &plain);
        check(!strstr(got, "ragged") && strstr(got, "\n1: ") && !strstr(got, "\n2: "), "%zu bytes: %s", n,
              got);
        free(got);
    }
    reads_bytes("grows.log", text, sizeof text - 2, &plain,
                COLUMNS ROW_A ROW_B); /* whole but for the newline */
}

static void a_log_without_requests_is_a_table_without_rows(void)
{
    reads_bytes("r.log", BYTES(""), &as_log, "time:time|status:int|latency_ms:number|model:text\n");
    refuses_bytes("r.log", BYTES("no requests\n"), &as_log, MLO_EINVALID, "no JSON object");
    refuses_bytes("r.log", BYTES(""), &plain, MLO_EINVALID, "is empty");
}

/* ---- several files ---- */

static char *outcome_of(const char *const *paths, size_t n, const struct mlo_table_opts *o)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_str out;
    mlo_str_init(&out, MLO_STR_MAX);
    check_ok(dump_table(paths, n, o, &out, NULL, &err), &err);
    return mlo_str_detach(&out, NULL);
}

static void rotated_files_are_one_table(void)
{
    const char *paths[3];
    paths[0] = write_bytes("requests.log", "", 0); /* just rotated */
    paths[1] = write_bytes("requests.log.1", BYTES(A));
    paths[2] = write_bytes("requests.log.2",
                           BYTES("{\"time\":\"2025-12-31T00:00:00Z\",\"status\":404,\"latency_ms\":2,"
                                 "\"outputs\":{\"score\":1},\"inputs\":{\"city\":\"Bonn\",\"new\":1}}\n"));
    char *got = outcome_of(paths, 3, &plain);
    check_str(got, COLUMNS ROW_A "1: 1767139200000000000|404|2|-|-|'Bonn'|1\n");
    free(got);
}

static void a_column_may_begin_in_a_later_file(void)
{
    const char *paths[2];
    paths[0] = write_bytes("a.jsonl", BYTES("{\"x\":1,\"y\":\"a\"}\n"));
    paths[1] = write_bytes("b.jsonl", BYTES("{\"x\":2}\n{\"x\":3,\"y\":\"c\"}\n"));
    char *got = outcome_of(paths, 2, &plain);
    check_str(got, "x:int|y:text\n1: 1|'a'\n1: 2|-\n2: 3|'c'\n");
    free(got);
}

/* ---- windows of time ---- */

#define SECOND ((int64_t)1000000000)

static const char times[] = "at,x,w\n1970-01-01T00:00:01Z,1,a\n1970-01-01T00:00:02Z,2,b\nNA,3,c\n"
                            "1970-01-01T00:00:03Z,four,d\nsoon,5,e\n1970-01-01T01:00:04+01:00,6,f\n";

static char x_name[] = "x";
static char at_name[] = "at";
static const struct mlo_table_column typed[] = {{.name = x_name, .type = MLO_COLUMN_NUMBER},
                                                {.name = at_name, .type = MLO_COLUMN_TIME}};

static void within(int64_t from, int64_t to, const char *want)
{
    const struct mlo_table_opts o = {
        .from_ns = from, .to_ns = to, .time_column = "at", .types = typed, .n_types = 2, .block_bytes = 7};
    reads_bytes("w.csv", BYTES(times), &o, want);
}

static void only_rows_within_the_window_are_given(void)
{
    within(2 * SECOND, 0,
           "at:time|x:number|w:text\n3: 2000000000|2|'b'\n5: 3000000000|!'four'|'d'\n7: 4000000000|6|'f'\n");
    within(0, 2 * SECOND, "at:time|x:number|w:text\n2: 1000000000|1|'a'\n");
    within(2 * SECOND, 3 * SECOND, "at:time|x:number|w:text\n3: 2000000000|2|'b'\n");
    within(9 * SECOND, 0, "at:time|x:number|w:text\n");
}

static int count_rows(void *ctx, unsigned worker, const struct mlo_batch *b, struct mlo_err *err)
{
    (void)worker;
    (void)err;
    __atomic_add_fetch((uint64_t *)ctx, b->n_rows, __ATOMIC_RELAXED);
    return 0;
}

static void what_the_window_leaves_out_is_counted(void)
{
    const struct mlo_table_opts o = {
        .from_ns = 2 * SECOND, .to_ns = 3 * SECOND, .time_column = "at", .types = typed, .n_types = 2};
    struct mlo_table *t = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_scan_result st = {0};
    uint64_t rows = 0;
    const char *path = write_bytes("w.csv", BYTES(times));
    check_ok(mlo_table_open(&path, 1, &o, &t, &err), &err);
    check_ok(mlo_table_scan(t, count_rows, &rows, &st, &err), &err);
    check_int(rows, 1);
    check_int(st.rows, 1);
    check_int(st.outside, 3);
    check_int(st.undated, 2);
    mlo_table_close(t);
}

struct firsts {
    uint64_t rows;
};

static int note_first(void *ctx, unsigned worker, const struct mlo_batch *b, struct mlo_err *err)
{
    struct firsts *f = ctx;
    (void)worker;
    (void)err;
    if (b->sequence == 0)
        f->rows += b->n_rows;
    return 0;
}

/* What a profile expects of a column it learns from the first batches. */
static void a_scan_begins_within_the_window(void)
{
    const struct mlo_table_opts o = {.from_ns = 40 * SECOND, .block_bytes = 24, .threads = 3};
    struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    mlo_str_add(&text, "time,x\n");
    for (int i = 10; i < 50; i++)
        mlo_str_addf(&text, "1970-01-01T00:00:%d,1\n", i);
    const char *path = write_bytes("late.csv", text.ptr, text.len);
    mlo_str_release(&text);
    struct mlo_table *t = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_scan_result st = {0};
    struct firsts f = {0};
    check_ok(mlo_table_open(&path, 1, &o, &t, &err), &err);
    check_ok(mlo_table_scan(t, note_first, &f, &st, &err), &err);
    check(f.rows > 0 && st.rows == 10 && st.outside == 30);
    mlo_table_close(t);
}

static void the_time_need_not_be_selected(void)
{
    const char *const x[] = {"x"};
    const struct mlo_table_opts o = {.from_ns = 2 * SECOND, .select = x, .n_select = 1};
    reads_bytes("w.csv",
                BYTES("time,x,other\n1970-01-01 00:00:01,1,1999-01-01\n1970-01-01 00:00:02,2,1999-01-01\n"),
                &o, "x:int\n3: 2\n");
}

static void which_column_is_the_time_must_be_clear(void)
{
    const struct mlo_table_opts o = {.from_ns = 1}, named = {.from_ns = 1, .time_column = "x"},
                                missing = {.from_ns = 1, .time_column = "nothing"};
    refuses_bytes("w.csv", BYTES("x,y\n1,2\n"), &o, MLO_EUSAGE, "no column of times");
    refuses_bytes("w.csv", BYTES("x,y\n2020-01-01,2020-01-01\n"), &o, MLO_EUSAGE, "several");
    refuses_bytes("w.csv", BYTES("x,y\nsoon,2\n"), &named, MLO_EUSAGE, "holds no time that can be read");
    refuses_bytes("w.csv", BYTES("x,y\ntrue,2\n"), &named, MLO_EUSAGE, "holds no times");
    refuses_bytes("w.csv", BYTES("x,y\n1,2\n"), &missing, MLO_ENOTFOUND, "nothing");
}

static void a_log_has_a_window_too(void)
{
    const struct mlo_table_opts o = {.from_ns = 1767323046 * SECOND, .threads = 3, .block_bytes = 5};
    reads_bytes("r.log", BYTES(A B A), &o, COLUMNS ROW_B);
}

/* ---- blocks, memory ---- */

static void borders_of_blocks_may_fall_anywhere(void)
{
    reads_the_same_in_any_blocks(write_bytes("r.log", BYTES(A "bad\n" B "\n" A)), plain, 3 * sizeof A);
}

static int read_log(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_str out;
    const struct mlo_table_opts o = {.from_ns = 1767323045 * SECOND, .threads = 2, .block_bytes = 64};
    const char *paths[] = {scratch("none.log"), scratch("r.log")};
    mlo_str_init(&out, MLO_STR_MAX);
    int rc = dump_table(paths, 2, &o, &out, NULL, &err);
    mlo_str_release(&out);
    return rc;
}

static void memory_runs_out(void)
{
    write_bytes("none.log", "", 0);
    write_bytes("r.log", BYTES(A B "bad\n"));
    check(each_alloc_failure(read_log) > 20);
}

int main(void)
{
    run(a_request_is_a_row);
    run(columns_tell_where_they_are_from);
    run(names_are_prefixed_only_where_they_collide);
    run(members_that_are_no_columns_are_passed_over);
    run(lines_that_are_no_requests_are_counted);
    run(a_line_that_is_being_written_is_no_row_yet);
    run(a_log_without_requests_is_a_table_without_rows);
    run(rotated_files_are_one_table);
    run(a_column_may_begin_in_a_later_file);
    run(only_rows_within_the_window_are_given);
    run(what_the_window_leaves_out_is_counted);
    run(a_scan_begins_within_the_window);
    run(the_time_need_not_be_selected);
    run(which_column_is_the_time_must_be_clear);
    run(a_log_has_a_window_too);
    run(borders_of_blocks_may_fall_anywhere);
    run(memory_runs_out);
    return done_testing();
}

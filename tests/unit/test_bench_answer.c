/* Our engine as a program that answers: what it is sent is what was written, to the last bit, and it says no
 * to the rest. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/json.h>
#include <mlopsctl/bench.h>

#include "tap.h"

#define MODEL "tests/golden/onnx/pipelines/ridge/model.onnx"

static struct mlo_err err;

/* ---- inputs, there and back ---- */

static struct mlo_value array(enum mlo_dtype t, size_t n, void *data)
{
    return (struct mlo_value){
        .kind = MLO_KIND_ARRAY,
        .array = {.dtype = t, .rank = 2, .dims = {1, (int64_t)n}, .n = n, .data = data}};
}

static int read_text(const char *text, const struct mlo_port_type *ports, size_t n, struct mlo_inputs **ret)
{
    struct mlo_jpull j;
    err = MLO_ERR_INIT;
    mlo_jpull_init(&j, text, strlen(text));
    return mlo_infer_request_read(&j, ports, n, ret, &err);
}

/* Every type that the protocol has a word for, with the values that are hard to hit. */
static void what_is_written_is_read_to_the_last_bit(void)
{
    uint8_t b[] = {1, 0}, u8[] = {0, 255};
    int8_t i8[] = {-128, 127};
    uint16_t u16[] = {0, 65535}, half[] = {0x0001, 0xfbff}, brain[] = {0x0001, 0xff7f};
    int16_t i16[] = {INT16_MIN, INT16_MAX};
    uint32_t u32[] = {0, UINT32_MAX};
    int32_t i32[] = {INT32_MIN, INT32_MAX};
    uint64_t u64[] = {9007199254740993, UINT64_MAX};
    int64_t i64[] = {INT64_MIN, INT64_MAX};
    float f32[] = {0x1.fffffep127f, 0x1p-149f, -0.1f, 16777216};
    double f64[] = {0x1.fffffffffffffp1023, 0x1p-1074, 0.1, -0.0};
    struct mlo_value values[] = {
        array(MLO_DT_BOOL, 2, b),   array(MLO_DT_U8, 2, u8),      array(MLO_DT_I8, 2, i8),
        array(MLO_DT_U16, 2, u16),  array(MLO_DT_I16, 2, i16),    array(MLO_DT_U32, 2, u32),
        array(MLO_DT_I32, 2, i32),  array(MLO_DT_U64, 2, u64),    array(MLO_DT_I64, 2, i64),
        array(MLO_DT_F16, 2, half), array(MLO_DT_BF16, 2, brain), array(MLO_DT_F32, 4, f32),
        array(MLO_DT_F64, 4, f64)};
    for (size_t i = 0; i < MLO_COUNT(values); i++) {
        const struct mlo_array *a = &values[i].array, *got;
        const struct mlo_port_type port = {.name = "x", .kind = MLO_KIND_ARRAY, .dtype = a->dtype};
        struct mlo_inputs *in = NULL;
        char *body = NULL;
        size_t bytes = 0;
        check_ok(mlo_infer_request(&port, &values[i], 1, &body, &err), &err);
        if (!check_ok(read_text(body, &port, 1, &in), &err)) {
            free(body);
            continue;
        }
        got = &mlo_inputs_values(in)->array;
        check(got->dtype == a->dtype && mlo_array_same_shape(got, a) &&
              mlo_array_bytes(a->dtype, a->n, &bytes));
        check(memcmp(got->data, a->data, bytes) == 0, "%s: %s", mlo_dtype_name(a->dtype), body);
        mlo_inputs_free(in);
        free(body);
    }
}

static void texts_and_members_in_any_order(void)
{
    const struct mlo_port_type ports[] = {{.name = "t", .dtype = MLO_DT_STRING},
                                          {.name = "x", .dtype = MLO_DT_F32}};
    struct mlo_inputs *in = NULL;
    check_ok(
        read_text(
            "{\"id\":\"5\",\"inputs\":[{\"data\":[2.5],\"parameters\":{\"a\":[1]},\"shape\":[1],\"datatype\":"
            "\"FP32\",\"name\":\"x\"},{\"name\":\"t\",\"datatype\":\"BYTES\",\"shape\":[1,2],\"data\":["
            "\"a\\n\","
            "\"\"]}],\"outputs\":[]}",
            ports, 2, &in),
        &err);
    const struct mlo_value *v = mlo_inputs_values(in);
    const struct mlo_slice *text = v[0].array.data;
    check(text[0].len == 2 && memcmp(text[0].ptr, "a\n", 2) == 0 && text[1].len == 0);
    check(v[1].array.n == 1 && *(float *)v[1].array.data == 2.5f);
    mlo_inputs_free(in);
}

static void what_is_no_request(void)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"[]", "the request is of another type"},
        {"{}", "input 'x' is missing"},
        {"{\"inputs\":{}}", "'inputs' is of another type"},
        {"{\"inputs\":[1]}", "an input is no object"},
        {"{\"inputs\":[{}]}", "input '': the model has no input of this name"},
        {"{\"inputs\":[{\"name\":1}]}", "'name' is of another type"},
        {"{\"inputs\":[{\"name\":\"y\"}]}", "input 'y': the model has no input of this name"},
        {"{\"inputs\":[{\"name\":\"x\"}]}", "input 'x': the model takes float32, not ''"},
        {"{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP64\"}]}", "the model takes float32, not 'FP64'"},
        {"{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"data\":[]}]}", "it has no 'shape'"},
        {"{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1]}]}", "it has no 'data'"},
        {"{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":1}]}", "'shape' is of another type"},
        {"{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[-1]}]}", "negative"},
        {"{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[0.5]}]}", "'0.5' is not of its type"},
        {"{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}]"
         "}",
         "more than 16 dimensions"},
        {"{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[2],\"data\":[1]}]}", "fewer values"},
        {"{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1],\"data\":[1,2]}]}", "more values"},
        {"{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1099511627776],\"data\":[1]}]}",
         "fewer values"},
        {"{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1],\"data\":[\"1\"]}]}",
         "its value 0 is not of its type"},
        {"{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1],\"data\":[[1]]}]}",
         "its value 0 is not of its type"},
        {"{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1],\"data\":[1]},{\"name\":\"x\","
         "\"datatype\":"
         "\"FP32\",\"shape\":[1],\"data\":[1]}]}",
         "it is there twice"},
        {"{\"inputs\":[", "JSON"},
    };
    const struct mlo_port_type port = {.name = "x", .kind = MLO_KIND_ARRAY, .dtype = MLO_DT_F32};
    struct mlo_inputs *in = NULL;
    for (size_t i = 0; i < MLO_COUNT(bad); i++) {
        int rc = read_text(bad[i].text, &port, 1, &in);
        check_err(rc, MLO_EINVALID, &err, bad[i].why);
    }
    check(in == NULL);
}

static void numbers_that_do_not_fit_their_type(void)
{
    static const struct {
        enum mlo_dtype dtype;
        const char *name, *number;
    } bad[] = {{MLO_DT_U8, "UINT8", "256"},
               {MLO_DT_U8, "UINT8", "-1"},
               {MLO_DT_I8, "INT8", "1.5"},
               {MLO_DT_I32, "INT32", "2147483648"},
               {MLO_DT_I64, "INT64", "9223372036854775808"},
               {MLO_DT_I64, "INT64", "1e3"},
               {MLO_DT_U64, "UINT64", "-1"},
               {MLO_DT_BOOL, "BOOL", "1"}};
    char text[160];
    struct mlo_inputs *in = NULL;
    for (size_t i = 0; i < MLO_COUNT(bad); i++) {
        const struct mlo_port_type port = {.name = "x", .kind = MLO_KIND_ARRAY, .dtype = bad[i].dtype};
        snprintf(text, sizeof text,
                 "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"%s\",\"shape\":[1],\"data\":[%s]}]}",
                 bad[i].name, bad[i].number);
        check(read_text(text, &port, 1, &in) != 0, "%s", text);
        check(!in);
    }
}

/* ---- the conversation ---- */

static struct mlo_plan *plan;

static char *hello_of(const char *digest)
{
    struct mlo_inputs_opts made = {.rows = 3, .seed = 7};
    struct mlo_inputs *in = NULL;
    size_t n, size = 4096;
    char *body = NULL, *hello = malloc(size);
    const struct mlo_port_type *ports = mlo_plan_inputs(plan, &n);
    check_ok(mlo_inputs_new(plan, &made, &in, &err), &err);
    check_ok(mlo_infer_request(ports, mlo_inputs_values(in), n, &body, &err), &err);
    snprintf(hello, size,
             "{\"version\":1,\"model\":\"m\",\"digest\":\"%s\",\"rows\":3,\"requests\":[%s,%s]}\n", digest,
             body, body);
    mlo_inputs_free(in);
    free(body);
    return hello;
}

/* All that is said at once; what comes back. */
static int converse(const char *said, char *heard, size_t size)
{
    int in[2], out[2];
    check(pipe(in) == 0 && pipe(out) == 0);
    check(write(in[1], said, strlen(said)) == (ssize_t)strlen(said));
    close(in[1]);
    err = MLO_ERR_INIT;
    const struct mlo_target_answer_opts o = {in[0], out[1], "sha256:aa"};
    int rc = mlo_target_answer(plan, &o, &err);
    close(in[0]);
    close(out[1]);
    ssize_t n = read(out[0], heard, size - 1);
    heard[n > 0 ? n : 0] = '\0';
    close(out[0]);
    return rc;
}

struct talk {
    int in, out, rc;
    struct mlo_err err;
};

static void *answer(void *arg)
{
    struct talk *t = arg;
    t->rc = mlo_target_answer(plan, &(struct mlo_target_answer_opts){t->in, t->out, "sha256:aa"}, &t->err);
    return NULL;
}

static const char *ask(int to, int from, const char *line, char *heard, size_t size)
{
    check(write(to, line, strlen(line)) == (ssize_t)strlen(line));
    ssize_t n = read(from, heard, size - 1);
    heard[n > 0 ? n : 0] = '\0';
    return heard;
}

static void requests_are_answered_in_turn(void)
{
    int in[2], out[2];
    char heard[256], *hello = hello_of("sha256:aa");
    pthread_t thread;
    check(pipe(in) == 0 && pipe(out) == 0);
    struct talk t = {in[0], out[1], 1, MLO_ERR_INIT};
    pthread_create(&thread, NULL, answer, &t);
    check_str(ask(in[1], out[0], hello, heard, sizeof heard), "mlopsctl-bench 1 many\n");
    check(strncmp(ask(in[1], out[0], "run 0\n", heard, sizeof heard), "ok 0 ", 5) == 0, "%s", heard);
    long long one = atoll(heard + 5);
    check(strncmp(ask(in[1], out[0], "run 1 5000\n", heard, sizeof heard), "ok 1 ", 5) == 0, "%s", heard);
    check(one > 0 && atoll(heard + 5) > one, "5000 take longer than one");
    check(strncmp(ask(in[1], out[0], "run 18446744073709551615\n", heard, sizeof heard),
                  "ok 18446744073709551615 ", 24) == 0);
    close(in[1]);
    pthread_join(thread, NULL);
    check_ok(t.rc, &t.err);
    close(in[0]);
    close(out[0]);
    close(out[1]);
    free(hello);
}

static void what_breaks_the_protocol(void)
{
    static const struct {
        const char *said;
        int code;
        const char *why;
    } bad[] = {
        {"", MLO_EINVALID, "standard input has no first line"},
        {"{", MLO_EINVALID, "standard input ended within a line"},
        {"hello\n", MLO_EINVALID, "the first line: JSON"},
        {"[]\n", MLO_EINVALID, "the first line: no object"},
        {"{}\n", MLO_EINVALID, "the first line: no 'requests'"},
        {"{\"version\":2}\n", MLO_EUNAVAIL, "another version than 1"},
        {"{\"requests\":5}\n", MLO_EINVALID, "'requests' is no list"},
        {"{\"requests\":[{}]}\n", MLO_EINVALID, "is missing"},
        {"{\"requests\":[]}x\n", MLO_EINVALID, "the first line: JSON"},
        {"{\"digest\":\"sha256:bb\"}\n", MLO_ECONFLICT,
         "the model here is another: sha256:aa, not sha256:bb"},
        {"{\"tool\":\"0.0.0\"}\n", MLO_ECONFLICT, "the version of mlopsctl here is another"},
    };
    char heard[256];
    for (size_t i = 0; i < MLO_COUNT(bad); i++) {
        int rc = converse(bad[i].said, heard, sizeof heard);
        check_err(rc, bad[i].code, &err, bad[i].why);
        check_str(heard, "");
    }
}

/* ---- the same answers ---- */

/* The engine gives the same bits for inputs that went by the protocol. */
static void results_are_the_same(void)
{
    struct mlo_inputs_opts made = {.rows = 5, .seed = 3};
    struct mlo_inputs *in = NULL, *back = NULL;
    struct mlo_session *s = NULL, *t = NULL;
    const struct mlo_value *want, *got;
    size_t n, bytes = 0;
    char *body = NULL;
    const struct mlo_port_type *ports = mlo_plan_inputs(plan, &n);
    check_ok(mlo_inputs_new(plan, &made, &in, &err), &err);
    check_ok(mlo_infer_request(ports, mlo_inputs_values(in), n, &body, &err), &err);
    check_ok(read_text(body, ports, n, &back), &err);
    check_ok(mlo_session_new(plan, &s, &err), &err);
    check_ok(mlo_session_new(plan, &t, &err), &err);
    check_ok(mlo_session_run(s, mlo_inputs_values(in), n, &want, &err), &err);
    check_ok(mlo_session_run(t, mlo_inputs_values(back), n, &got, &err), &err);
    check(mlo_array_same_shape(&want->array, &got->array));
    check(mlo_array_bytes(want->array.dtype, want->array.n, &bytes) && bytes > 0);
    check(memcmp(want->array.data, got->array.data, bytes) == 0);
    mlo_session_free(s);
    mlo_session_free(t);
    mlo_inputs_free(in);
    mlo_inputs_free(back);
    free(body);
}

static int read_once(void)
{
    const struct mlo_port_type ports[] = {{.name = "t", .dtype = MLO_DT_STRING},
                                          {.name = "x", .dtype = MLO_DT_F32}};
    struct mlo_inputs *in = NULL;
    int rc = read_text(
        "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1],\"data\":[1]},{\"name\":\"t\","
        "\"datatype\":\"BYTES\",\"shape\":[1],\"data\":[\"a\"]}]}",
        ports, 2, &in);
    if (rc == 0)
        mlo_inputs_free(in);
    return rc;
}

static void memory_that_is_gone(void)
{
    check(each_alloc_failure(read_once) > 5);
}

int main(void)
{
    check_ok(mlo_plan_open(MODEL, NULL, &plan, &err), &err);
    run(what_is_written_is_read_to_the_last_bit);
    run(texts_and_members_in_any_order);
    run(what_is_no_request);
    run(numbers_that_do_not_fit_their_type);
    run(requests_are_answered_in_turn);
    run(what_breaks_the_protocol);
    run(results_are_the_same);
    run(memory_that_is_gone);
    mlo_plan_free(plan);
    return done_testing();
}

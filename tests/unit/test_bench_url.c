/* Servers as targets: what is sent, over how many connections, and each way in which an answer can be bad. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/base/time.h>
#include <mlopsctl/bench.h>

#include "http_server.h"
#include "tap.h"

#define MS   (MLO_NS_PER_S / 1000)
#define GOOD "{\"model_name\":\"m\",\"outputs\":[{\"name\":\"y\",\"data\":[1]}]}"

static struct mlo_err err;

struct place {
    struct http_server server;
    struct mlo_target *target;
    void *caller;
    char target_seen[128], body_seen[128], bearer[64], type[64];
    const char *status, *answer; /* NULL: as the path of the body says */
};

static void handle(struct http_exchange *x)
{
    struct place *p = x->ctx;
    snprintf(p->target_seen, sizeof p->target_seen, "%.100s", x->target);
    snprintf(p->body_seen, sizeof p->body_seen, "%.100s", x->body);
    http_header_of(x, "authorization", p->bearer, sizeof p->bearer);
    http_header_of(x, "content-type", p->type, sizeof p->type);
    if (strcmp(p->answer, "CLOSE") == 0)
        x->close = true;
    else if (strcmp(p->answer, "RESET") == 0)
        http_reset(x);
    else if (strcmp(p->answer, "SILENT") == 0)
        http_wait_gone(x);
    else if (strcmp(p->answer, "CUT") == 0)
        x->close = http_text(x, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"outputs\"");
    else if (strcmp(p->answer, "NOISE") == 0)
        x->close = http_text(x, "nothing that a web server says\r\n\r\n");
    else
        http_answer(x, p->status, "", p->answer);
}

static struct place *begin(struct mlo_url_opts u, struct mlo_target_opts o)
{
    static const char *const bodies[] = {"{\"n\":0}", "{\"n\":1}"};
    struct place *p = calloc(1, sizeof *p);
    p->status = "200 OK";
    p->answer = GOOD;
    err = MLO_ERR_INIT;
    http_server_start(&p->server, handle, p);
    o.bodies = bodies;
    o.n_bodies = 2;
    o.rows = 1;
    char url[128];
    snprintf(url, sizeof url, "%s%s", p->server.url, u.url);
    u.url = url;
    check_ok(mlo_target_url(&u, &o, &p->target, &err), &err);
    check_ok(p->target->join(p->target, &p->caller, &err), &err);
    return p;
}

static int ask(struct place *p, uint64_t request, const char *status, const char *answer)
{
    p->status = status;
    p->answer = answer;
    err = MLO_ERR_INIT;
    return p->target->call(p->caller, request, &err);
}

static void end(struct place *p)
{
    p->target->leave(p->caller);
    mlo_target_close(p->target);
    http_server_stop(&p->server);
    free(p);
}

/* ---- good ones ---- */

static void requests_go_over_one_connection(void)
{
    struct place *p = begin((struct mlo_url_opts){.url = "/", .token = "secret"},
                            (struct mlo_target_opts){.model = "a b"});
    for (uint64_t i = 0; i < 100; i++)
        if (!check_ok(ask(p, i, "200 OK", GOOD), &err))
            break;
    check_int(http_server_requests(&p->server), 100);
    check_int(http_server_connections(&p->server), 1);
    check_str(p->target_seen, "/v2/models/a%20b/infer");
    check_str(p->body_seen, "{\"n\":1}");
    check_str(p->bearer, "Bearer secret");
    check_str(p->type, "application/json");
    end(p);
}

static void plain_json_goes_where_it_is_told(void)
{
    struct place *p = begin((struct mlo_url_opts){.url = "/predict?x=1"}, (struct mlo_target_opts){0});
    check_ok(ask(p, 0, "200 OK", "[1, 2]"), &err);
    check_ok(ask(p, 0, "201 Created", "3"), &err);
    check_str(p->target_seen, "/predict?x=1");
    check_err(ask(p, 0, "200 OK", "<html>"), MLO_EINVALID, &err, "'127.0.0.1' answered 200 with '<html>'");
    check_err(ask(p, 0, "200 OK", "{} {}"), MLO_EINVALID, &err, "answered 200");
    end(p);
}

/* ---- bad ones ---- */

static void answers_that_are_none(void)
{
    static const char *const bad[] = {"",
                                      "null",
                                      "[]",
                                      "{}",
                                      "{\"outputs\":[]}",
                                      "{\"outputs\":{}}",
                                      "{\"outputs\":[1]",
                                      "{\"outputs\":[1]} x",
                                      "{\"x\":{\"outputs\":[1]}}"};
    struct place *p = begin((struct mlo_url_opts){.url = ""}, (struct mlo_target_opts){.model = "m"});
    for (size_t i = 0; i < MLO_COUNT(bad); i++)
        check_err(ask(p, i, "200 OK", bad[i]), MLO_EINVALID, &err, "answered 200 with");
    check_ok(ask(p, 0, "200 OK", "{\"x\":[{\"y\":[]}],\"outputs\":[{}]}"), &err);
    check_int(http_server_connections(&p->server), 1);
    end(p);
}

static void statuses_that_are_failures_are_not_tried_again(void)
{
    struct place *p = begin((struct mlo_url_opts){.url = ""}, (struct mlo_target_opts){.model = "m"});
    check_err(ask(p, 0, "400 Bad Request", "{\"error\":\"no input x\"}"), MLO_EUSAGE, &err,
              "answered 400 Bad Request: no input x");
    check_err(ask(p, 0, "503 Service Unavailable", ""), MLO_EREMOTE, &err, "answered 503");
    check_err(ask(p, 0, "429 Too Many Requests", ""), MLO_EREMOTE, &err, "answered 429");
    check_err(ask(p, 0, "302 Found", ""), MLO_EREMOTE, &err, "answered 302");
    check_int(http_server_requests(&p->server), 4);
    end(p);
}

/* Each is sent once, also when the connection had served before. */
static void connections_that_break_are_failures(void)
{
    static const char *const ways[] = {"CLOSE", "RESET", "CUT", "NOISE"};
    struct place *p = begin((struct mlo_url_opts){.url = ""}, (struct mlo_target_opts){.model = "m"});
    for (size_t i = 0; i < MLO_COUNT(ways); i++) {
        unsigned before = http_server_requests(&p->server);
        check_ok(ask(p, 0, "200 OK", GOOD), &err);
        check_err(ask(p, 1, "200 OK", ways[i]), MLO_EREMOTE, &err, "127.0.0.1");
        check(http_server_requests(&p->server) == before + 2, "%s: %u requests, %s", ways[i],
              http_server_requests(&p->server) - before, err.msg);
    }
    check_ok(ask(p, 0, "200 OK", GOOD), &err);
    end(p);
}

static void silence_has_a_limit(void)
{
    struct place *p = begin((struct mlo_url_opts){.url = ""},
                            (struct mlo_target_opts){.model = "m", .limit_ns = 200 * MS});
    check_err(ask(p, 0, "200 OK", "SILENT"), MLO_EREMOTE, &err, "within the time allowed");
    check_int(http_server_requests(&p->server), 1);
    end(p);
}

static void nobody_is_there(void)
{
    struct place *p = begin((struct mlo_url_opts){.url = ""}, (struct mlo_target_opts){.model = "m"});
    http_server_stop(&p->server);
    check_err(p->target->call(p->caller, 0, &err), MLO_EREMOTE, &err, "127.0.0.1");
    p->target->leave(p->caller);
    mlo_target_close(p->target);
    free(p);
}

static void addresses_that_cannot_be(void)
{
    const char *bodies[] = {"{}"};
    struct mlo_target_opts o = {.bodies = bodies, .n_bodies = 1, .model = "m"};
    struct mlo_target *t = NULL;
    check_err(mlo_target_url(&(struct mlo_url_opts){.url = "ftp://x"}, &o, &t, &err), MLO_EUSAGE, &err,
              "ftp");
    check_err(mlo_target_url(&(struct mlo_url_opts){.url = "http://x/?a=b"}, &o, &t, &err), MLO_EUSAGE, &err,
              "it has a query");
    o.n_bodies = 0;
    check_err(mlo_target_url(&(struct mlo_url_opts){.url = "http://x/"}, &o, &t, &err), MLO_EUSAGE, &err,
              "nothing to send");
    check(t == NULL);
}

static void failures_are_counted_and_the_rest_goes_on(void)
{
    struct place *p = begin((struct mlo_url_opts){.url = ""}, (struct mlo_target_opts){.model = "m"});
    const struct mlo_load load = {.callers = 3};
    struct mlo_runner *r = NULL;
    struct mlo_block b = {0};
    check_ok(mlo_runner_new(p->target, &load, &r, &err), &err);
    check_ok(mlo_runner_block(r, 0.05, &b, &err), &err);
    check(b.n > 0 && b.failures == 0);
    p->status = "500 Internal Server Error";
    check_err(mlo_runner_block(r, 0.05, &b, &err), MLO_EREMOTE, &err, "answered 500");
    check(strstr(mlo_runner_failure(r), "answered 500") != NULL);
    mlo_block_release(&b);
    mlo_runner_free(r);
    end(p);
}

/* ---- what is sent ---- */

static struct mlo_value array(enum mlo_dtype t, size_t n, void *data)
{
    return (struct mlo_value){.kind = MLO_KIND_ARRAY,
                              .array = {.dtype = t, .rank = 1, .dims = {(int64_t)n}, .n = n, .data = data}};
}

static void inputs_become_a_request(void)
{
    float f[] = {0.1f, -2, 1e30f};
    int64_t i[] = {INT64_MIN, 9007199254740993};
    uint64_t u[] = {UINT64_MAX};
    uint8_t yes[] = {1, 0};
    double d[] = {0.1};
    struct mlo_slice text[] = {{"a\"\n", 3}, {"\xc3\xa4", 2}};
    const struct mlo_port_type ports[] = {{.name = "f"}, {.name = "i\\"}, {.name = "u"},
                                          {.name = "b"}, {.name = "d"},   {.name = "t"}};
    struct mlo_value values[] = {array(MLO_DT_F32, 3, f), array(MLO_DT_I64, 2, i),
                                 array(MLO_DT_U64, 1, u), array(MLO_DT_BOOL, 2, yes),
                                 array(MLO_DT_F64, 1, d), array(MLO_DT_STRING, 2, text)};
    char *got = NULL;
    values[0].array.rank = 2;
    values[0].array.dims[1] = 1;
    check_ok(mlo_infer_request(ports, values, 6, &got, &err), &err);
    check_str(got,
              "{\"inputs\":[{\"name\":\"f\",\"datatype\":\"FP32\",\"shape\":[3,1],\"data\":[0.1,-2,1e+30]},"
              "{\"name\":\"i\\\\\",\"datatype\":\"INT64\",\"shape\":[2],\"data\":[-9223372036854775808,"
              "9007199254740993]},"
              "{\"name\":\"u\",\"datatype\":\"UINT64\",\"shape\":[1],\"data\":[18446744073709551615]},"
              "{\"name\":\"b\",\"datatype\":\"BOOL\",\"shape\":[2],\"data\":[true,false]},"
              "{\"name\":\"d\",\"datatype\":\"FP64\",\"shape\":[1],\"data\":[0.1]},"
              "{\"name\":\"t\",\"datatype\":\"BYTES\",\"shape\":[2],\"data\":[\"a\\\"\\n\",\"\xc3\xa4\"]}]}");
    free(got);
    got = NULL;
    f[1] = NAN;
    check_err(mlo_infer_request(ports, values, 1, &got, &err), MLO_EUSAGE, &err,
              "input 'f': JSON cannot say its element 1");
    text[1] = (struct mlo_slice){"\xff", 1};
    check_err(mlo_infer_request(ports + 5, values + 5, 1, &got, &err), MLO_EUSAGE, &err, "element 1");
    values[1].kind = MLO_KIND_MAP;
    check_err(mlo_infer_request(ports + 1, values + 1, 1, &got, &err), MLO_EUSAGE, &err, "input 'i\\'");
    check(got == NULL);
}

static int make_once(void)
{
    struct mlo_err e = MLO_ERR_INIT;
    float f[] = {1};
    const struct mlo_port_type port = {.name = "f"};
    const struct mlo_value value = array(MLO_DT_F32, 1, f);
    char *body = NULL;
    struct mlo_target *t = NULL;
    int rc = mlo_infer_request(&port, &value, 1, &body, &e);
    const char *bodies[] = {body};
    const struct mlo_target_opts o = {.bodies = bodies, .n_bodies = 1, .model = "m"};
    if (rc == 0)
        rc = mlo_target_url(&(struct mlo_url_opts){.url = "http://x", .token = "t"}, &o, &t, &e);
    mlo_target_close(t);
    free(body);
    return rc;
}

static void memory_that_is_gone(void)
{
    check(each_alloc_failure(make_once) > 5);
}

int main(void)
{
    run(requests_go_over_one_connection);
    run(plain_json_goes_where_it_is_told);
    run(answers_that_are_none);
    run(statuses_that_are_failures_are_not_tried_again);
    run(connections_that_break_are_failures);
    run(silence_has_a_limit);
    run(nobody_is_there);
    run(addresses_that_cannot_be);
    run(failures_are_counted_and_the_rest_goes_on);
    run(inputs_become_a_request);
    run(memory_that_is_gone);
    return done_testing();
}

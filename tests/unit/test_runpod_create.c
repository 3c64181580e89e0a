/* Requests out of specs, and creates whose answer is lost: one thing in the end, never two, never none. */
#include "runpod_help.h"

#define MARK "0123456789abcdef0123456789abcdef"
#define POD(id)                                                                                              \
    "{\"id\":\"" id                                                                                          \
    "\",\"name\":\"n\",\"status\":\"PROVISIONING\",\"cost\":1,\"env\":{\"MLOPSCTL_MARK\":\"" MARK "\"}}"
#define OTHER                                                                                                \
    "{\"id\":\"other\",\"name\":\"n\",\"status\":\"RUNNING\",\"cost\":1,\"env\":{\"MLOPSCTL_MARK\":\"x\"}}"
#define PODS(list) "{\"pods\":[" list "]}"
#define REFUSED    "{\"title\":\"t\",\"status\":400,\"detail\":\"no\"}"

static cJSON *pod_body(struct mlo_err *err)
{
    cJSON *body = NULL;
    struct mlo_runpod_pod_spec s = {.name = "n", .container.image = "i", .gpu = "NVIDIA L4", .mark = MARK};
    check_ok(mlo_runpod_pod_body(&s, false, &body, err), err);
    return body;
}

/* Creates a pod along the script; want: its id, NULL for a failure with `code`. */
static void create_pod(const struct step *steps, unsigned n, const char *want, int code, const char *hint)
{
    struct runpod_test t;
    struct mlo_runpod_pod p = {0};
    runpod_begin(&t, steps, n);
    MLO_AUTOBODY cJSON *body = pod_body(&t.err);
    int rc = mlo_runpod_pod_create(t.c, body, &p, &t.err);
    if (want && check_ok(rc, &t.err))
        check_str(p.id, want);
    if (!want) {
        check_int(rc, code);
        check(strstr(t.err.hint, hint) != NULL, "%s (%s)", t.err.msg, t.err.hint);
    }
    mlo_runpod_pod_release(&p);
    runpod_end(&t);
}
#define CREATE(steps, want, code, hint) create_pod(steps, MLO_COUNT(steps), want, code, hint)

static void adopts_what_a_lost_create_has_made(void)
{
    static const struct step dropped[] = {
        {"POST /v2/pods", "\"count\":1", NULL, NULL, NULL},
        {"GET /v2/pods", NULL, "200 OK", NULL, PODS(OTHER "," POD("mine"))}};
    static const struct step gateway[] = {
        {"POST /v2/pods", NULL, "502 Bad Gateway", NULL, "<html>"},
        {"GET /v2/pods", NULL, "200 OK", NULL, PODS(OTHER)},
        {"GET /v2/pods", NULL, "200 OK", NULL, PODS(OTHER "," POD("late"))}};
    static const struct step garbled[] = {{"POST /v2/pods", NULL, "201 Created", NULL, "{\"id\":"},
                                          {"GET /v2/pods", NULL, "200 OK", NULL, PODS(POD("mine"))}};
    static const struct step empty[] = {{"POST /v2/pods", NULL, "201 Created", NULL, ""},
                                        {"GET /v2/pods", NULL, "200 OK", NULL, PODS(POD("mine"))}};
    CREATE(dropped, "mine", 0, NULL);
    CREATE(gateway, "late", 0, NULL);
    CREATE(garbled, "mine", 0, NULL);
    CREATE(empty, "mine", 0, NULL);
}

static void sends_again_only_when_nothing_came_of_it(void)
{
    static const struct step steps[] = {
        {"POST /v2/pods", MARK, NULL, NULL, NULL},
        {"GET /v2/pods", NULL, "200 OK", NULL, PODS("")},
        {"GET /v2/pods", NULL, "200 OK", NULL, PODS("")},
        {"GET /v2/pods", NULL, "200 OK", NULL, PODS(OTHER)},
        {"POST /v2/pods", MARK, "201 Created", NULL, POD("second")},
        {"GET /v2/pods", NULL, "200 OK", NULL, PODS(POD("second") "," POD("first") "," OTHER)},
        {"DELETE /v2/pods/first", NULL, "204 No Content", NULL, ""}};
    CREATE(steps, "second", 0, NULL);
}

static void says_when_it_cannot_find_out(void)
{
    static const struct step blind[] = {{"POST /v2/pods", NULL, NULL, NULL, NULL},
                                        {"GET /v2/pods", NULL, "403 Forbidden", NULL, ""}};
    static const struct step never[] = {{"POST /v2/pods", NULL, "504 Gateway Timeout", NULL, ""},
                                        {"GET /v2/pods", NULL, "200 OK", NULL, PODS("")},
                                        {"GET /v2/pods", NULL, "200 OK", NULL, PODS("")},
                                        {"GET /v2/pods", NULL, "200 OK", NULL, PODS("")},
                                        {"POST /v2/pods", NULL, "504 Gateway Timeout", NULL, ""},
                                        {"GET /v2/pods", NULL, "200 OK", NULL, PODS("")},
                                        {"GET /v2/pods", NULL, "200 OK", NULL, PODS("")},
                                        {"GET /v2/pods", NULL, "200 OK", NULL, PODS("")},
                                        {"POST /v2/pods", NULL, "504 Gateway Timeout", NULL, ""},
                                        {"GET /v2/pods", NULL, "200 OK", NULL, PODS("")},
                                        {"GET /v2/pods", NULL, "200 OK", NULL, PODS("")},
                                        {"GET /v2/pods", NULL, "200 OK", NULL, PODS("")}};
    CREATE(blind, NULL, MLO_EREMOTE, MARK);
    CREATE(never, NULL, MLO_EREMOTE, "not known whether it was made");
}

static void a_refusal_is_final(void)
{
    static const struct step refused[] = {{"POST /v2/pods", NULL, "400 Bad Request", NULL, REFUSED}};
    static const struct step full[] = {
        {"POST /v2/pods", NULL, "400 Bad Request", NULL,
         "{\"title\":\"t\",\"status\":400,\"detail\":\"There are no longer any instances available\"}"}};
    static const struct step limited[] = {{"POST /v2/pods", NULL, "429 Too Many Requests", NULL, ""},
                                          {"POST /v2/pods", NULL, "201 Created", NULL, POD("mine")}};
    CREATE(refused, NULL, MLO_EUSAGE, "");
    CREATE(full, NULL, MLO_EUNAVAIL, "in stock");
    CREATE(limited, "mine", 0, NULL);
}

#define VOLUME(id, size)                                                                                     \
    "{\"id\":\"" id "\",\"name\":\"v\",\"size\":" #size ",\"dataCenter\":\"EU-RO-1\",\"type\":\"STANDARD\"}"
#define VOLUMES(list) "{\"networkVolumes\":[" list "]}"

static void volumes_are_told_from_their_namesakes(void)
{
    static const struct step steps[] = {
        {"GET /v2/network-volumes", NULL, "200 OK", NULL, VOLUMES(VOLUME("old", 50))},
        {"POST /v2/network-volumes", "\"dataCenter\":\"EU-RO-1\"", NULL, NULL, NULL},
        {"GET /v2/network-volumes", NULL, "200 OK", NULL,
         VOLUMES(VOLUME("old", 50) "," VOLUME("elses", 60) "," VOLUME("new", 50))},
        {"GET /v2/network-volumes", NULL, "200 OK", NULL, VOLUMES(VOLUME("old", 50) "," VOLUME("new", 50))},
        {"GET /v2/network-volumes", NULL, "200 OK", NULL, VOLUMES(VOLUME("old", 50))}};
    struct runpod_test t;
    struct mlo_runpod_strings earlier = {0};
    struct mlo_runpod_volume v = {0};
    MLO_AUTOBODY cJSON *body = NULL;
    MLO_AUTOFREE char *id = NULL;
    struct mlo_runpod_volume_spec spec = {.name = "v", .data_center = "EU-RO-1", .size_gb = 50};
    RUNPOD_BEGIN(&t, steps);
    check_ok(mlo_runpod_namesakes(t.c, MLO_RUNPOD_VOLUMES, "v", &earlier, &t.err), &t.err);
    check_int(earlier.n, 1);
    check_ok(mlo_runpod_volume_body(&spec, &body, &t.err), &t.err);
    check_ok(mlo_runpod_volume_create(t.c, body, &earlier, &v, &t.err), &t.err);
    check_str(v.id, "new");
    struct mlo_runpod_trace trace = {.family = MLO_RUNPOD_VOLUMES, .name = "v", .earlier = &earlier};
    check_ok(mlo_runpod_made(t.c, &trace, &id, &t.err), &t.err);
    check_str(id, "new");
    check_int(mlo_runpod_made(t.c, &trace, &id, &t.err), MLO_ENOTFOUND);
    mlo_runpod_volume_release(&v);
    mlo_runpod_strings_release(&earlier);
    runpod_end(&t);
}

/* Without a mark a twin may be somebody else's: it is named, not removed. */
static void a_twin_without_a_mark_is_left_alone(void)
{
    static const struct step steps[] = {
        {"POST /v2/network-volumes", NULL, NULL, NULL, NULL},
        {"GET /v2/network-volumes", NULL, "200 OK", NULL, VOLUMES("")},
        {"GET /v2/network-volumes", NULL, "200 OK", NULL, VOLUMES("")},
        {"GET /v2/network-volumes", NULL, "200 OK", NULL, VOLUMES("")},
        {"POST /v2/network-volumes", NULL, "201 Created", NULL, VOLUME("b", 50)},
        {"GET /v2/network-volumes", NULL, "200 OK", NULL, VOLUMES(VOLUME("a", 50) "," VOLUME("b", 50))}};
    struct runpod_test t;
    struct mlo_runpod_volume v = {0};
    MLO_AUTOBODY cJSON *body = NULL;
    struct mlo_runpod_volume_spec spec = {.name = "v", .data_center = "EU-RO-1", .size_gb = 50};
    RUNPOD_BEGIN(&t, steps);
    check_ok(mlo_runpod_volume_body(&spec, &body, &t.err), &t.err);
    check_err(mlo_runpod_volume_create(t.c, body, NULL, &v, &t.err), MLO_ECONFLICT, &t.err, "'b' and 'a'");
    mlo_runpod_volume_release(&v);
    runpod_end(&t);
}

/* ---- bodies ---- */

static void check_pod_refused(struct mlo_runpod_pod_spec s, bool update, const char *text)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOBODY cJSON *body = NULL;
    check_err(mlo_runpod_pod_body(&s, update, &body, &err), MLO_EUSAGE, &err, text);
    check(body == NULL);
}

static void pods_that_would_be_refused_are_not_asked_for(void)
{
    static const char *const bad_port[] = {"80"}, *const bad_env[] = {"A"}, *const twice[] = {"A=1", "A=2"},
                             *const marked[] = {"MLOPSCTL_MARK=1"};
    struct mlo_runpod_pod_spec good = {.name = "n", .container.image = "i", .gpu = "g", .mark = MARK}, s;
#define BUT(change, text) s = good, change, check_pod_refused(s, false, text)
    BUT(s.name = "", "needs a name");
    BUT(s.container.image = NULL, "image or a template");
    BUT(s.cpu = "c", "either a GPU type or a CPU");
    BUT(s.gpu = NULL, "either a GPU type or a CPU");
    BUT((s.gpu = NULL, s.cpu = "c", s.vcpus = 3), "power of two");
    BUT(s.mark = NULL, "needs a mark");
    BUT((s.volume = "v", s.volume_path = "/w", s.cloud = "COMMUNITY"), "secure cloud");
    BUT(s.volume = "v", "where a pod mounts");
    BUT((s.volume = "v", s.volume_path = "/w", s.persistent_gb = 20, s.persistent_path = "/p"),
        "either a disk");
    BUT((s.persistent_gb = 5, s.persistent_path = "/p"), "at least 10 GB");
    BUT((s.container.ports = (struct mlo_runpod_words){bad_port, 1}), "'80' is no port");
    BUT((s.container.env = (struct mlo_runpod_words){bad_env, 1}), "NAME=VALUE");
    BUT((s.container.env = (struct mlo_runpod_words){twice, 2}), "A is given twice");
    BUT((s.container.env = (struct mlo_runpod_words){marked, 1}), "this program's");
    check_pod_refused((struct mlo_runpod_pod_spec){.gpu = "g"}, true, "fixed when it is created");
    check_pod_refused((struct mlo_runpod_pod_spec){0}, true, "nothing to change");
}

static void check_endpoint_refused(struct mlo_runpod_endpoint_spec s, bool update, const char *text)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOBODY cJSON *body = NULL;
    check_err(mlo_runpod_endpoint_body(&s, update, &body, &err), MLO_EUSAGE, &err, text);
}

static void endpoints_that_would_be_refused_are_not_asked_for(void)
{
    static const char *const pools[] = {"P"};
    struct mlo_runpod_endpoint_spec good = MLO_RUNPOD_ENDPOINT_SPEC_INIT, s,
                                    none = MLO_RUNPOD_ENDPOINT_SPEC_INIT;
    good.name = "n", good.type = "QUEUE", good.container.image = "i", good.queue_delay = 4, good.mark = MARK;
    good.gpu_pools = (struct mlo_runpod_words){pools, 1};
#define WITH(change, text) s = good, change, check_endpoint_refused(s, false, text)
    WITH(s.type = "OTHER", "QUEUE or a LOAD_BALANCER");
    WITH(s.gpu_pools.n = 0, "either GPU pools or CPU");
    WITH(s.queue_delay = 0, "scales by");
    WITH(s.queue_delay = 0.1, "at least 0.5");
    WITH(s.request_count = 1, "not both");
    WITH(s.type = "LOAD_BALANCER", "no queue to scale by");
    WITH((s.queue_delay = 0, s.request_count = 1, s.idle_timeout_s = 5), "no idle timeout");
    WITH((s.workers_min = 2, s.workers_max = 1), "fewer workers");
    WITH(s.idle_timeout_s = 3601, "3600");
    WITH(s.flashboot = "ON", "flashboot");
    check_endpoint_refused(none, true, "nothing to change");
    s = none, s.gpu_excluded = (struct mlo_runpod_words){pools, 1};
    check_endpoint_refused(s, true, "go with the pools");
}

static void shows_requests_without_secrets(void)
{
    static const char *const env[] = {"TOKEN=abc"};
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOBODY cJSON *body = NULL;
    MLO_AUTOBODY cJSON *login = NULL;
    MLO_AUTOJSON cJSON *shown = NULL;
    MLO_AUTOJSON cJSON *login_shown = NULL;
    MLO_AUTOFREE char *text = NULL;
    MLO_AUTOFREE char *login_text = NULL;
    struct mlo_runpod_pod_spec s = {
        .name = "n", .template_id = "t", .cpu = "cpu3c", .vcpus = 4, .mark = MARK, .container.env = {env, 1}};
    check_ok(mlo_runpod_pod_body(&s, false, &body, &err), &err);
    check_ok(mlo_runpod_body_shown(body, &shown, &err), &err);
    check_ok(mlo_json_print(shown, &text, NULL, &err), &err);
    check_str(text,
              "{\"name\":\"n\",\"templateId\":\"t\",\"env\":{\"TOKEN\":\"(hidden)\",\"MLOPSCTL_MARK\":\"" MARK
              "\"},\"cpu\":{\"id\":\"cpu3c\",\"vcpuCount\":4}}");
    check_ok(mlo_runpod_registry_body("n", "u", "pw", &login, &err), &err);
    check_ok(mlo_runpod_body_shown(login, &login_shown, &err), &err);
    check_ok(mlo_json_print(login_shown, &login_text, NULL, &err), &err);
    check_str(login_text, "{\"name\":\"n\",\"username\":\"u\",\"password\":\"(hidden)\"}");
    check_str(mlo_json_text(login, "password"), "pw");
}

/* ---- what an undo of an update would say ---- */

static void check_member(const struct mlo_runpod_endpoint *e, const char *name, const char *want)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOBODY cJSON *body = NULL;
    MLO_AUTOFREE char *text = NULL;
    if (check_ok(mlo_runpod_endpoint_member(e, name, &body, &err), &err) &&
        check_ok(mlo_json_print(body, &text, NULL, &err), &err))
        check_str(text, want);
}

static void members_are_written_whole(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOBODY cJSON *body = NULL;
    char name[] = "n", type[] = "QUEUE", by[] = "REQUEST_COUNT", delay[] = "QUEUE_DELAY", pool[] = "P",
         *pools[] = {pool}, cpu[] = "c";
    struct mlo_runpod_flavour flavour = {cpu, 4};
    struct mlo_runpod_endpoint e = {.name = name,
                                    .type = type,
                                    .scaling = by,
                                    .request_count = 4,
                                    .workers_max = 3,
                                    .idle_timeout_s = 10,
                                    .gpu_pools = {pools, 1},
                                    .gpu_count = 1,
                                    .cpus = {&flavour, 1}};
    check_member(
        &e, "scaling",
        "{\"scaling\":{\"type\":\"REQUEST_COUNT\",\"requestCount\":4},\"workers\":{\"min\":0,\"max\":3}}");
    e.scaling = delay, e.queue_delay = 4;
    check_member(&e, "scaling",
                 "{\"scaling\":{\"type\":\"QUEUE_DELAY\",\"queueDelay\":4},\"workers\":{\"min\":0,\"max\":3,"
                 "\"idleTimeout\":10}}");
    check_member(&e, "gpu",
                 "{\"gpu\":{\"pools\":[\"P\"],\"excludedTypes\":[],\"count\":1,\"allowedCudaVersions\":[],"
                 "\"minCudaVersion\":\"\"}}");
    check_member(&e, "cpu", "{\"cpu\":[{\"id\":\"c\",\"vcpuCount\":4}]}");
    check_member(&e, "name", "{\"name\":\"n\"}");
    check_member(&e, "args", "{\"args\":\"\"}");
    check_member(&e, "registry", "{\"registry\":null}");
    check_member(&e, "ports", "{\"ports\":[]}");
    check_member(&e, "timeout", "{\"timeout\":0}");
    check_err(mlo_runpod_endpoint_member(&e, "env", &body, &err), MLO_EUNAVAIL, &err,
              "cannot be brought back");
}

static void marks_are_random(void)
{
    char a[MLO_RUNPOD_MARK_MAX], b[MLO_RUNPOD_MARK_MAX];
    struct mlo_err err = MLO_ERR_INIT;
    check_ok(mlo_runpod_mark(a, &err), &err);
    check_ok(mlo_runpod_mark(b, &err), &err);
    check_int(strlen(a), 32);
    check(strcmp(a, b) != 0);
}

int main(void)
{
    run(adopts_what_a_lost_create_has_made);
    run(sends_again_only_when_nothing_came_of_it);
    run(says_when_it_cannot_find_out);
    run(a_refusal_is_final);
    run(volumes_are_told_from_their_namesakes);
    run(a_twin_without_a_mark_is_left_alone);
    run(pods_that_would_be_refused_are_not_asked_for);
    run(endpoints_that_would_be_refused_are_not_asked_for);
    run(shows_requests_without_secrets);
    run(members_are_written_whole);
    run(marks_are_random);
    return done_testing();
}

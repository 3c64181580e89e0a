/* RunPod's management interface: what is sent, what of answers is believed, which failures mean what. The
 * answers are written by hand from what RunPod has published about it. */
#include <math.h>

#include "runpod_help.h"

#define VOLUME(id, name, size)                                                                               \
    "{\"id\":\"" id "\",\"name\":\"" name "\",\"size\":" #size                                               \
    ",\"dataCenter\":\"EU-RO-1\",\"type\":\"STANDARD\","                                                     \
    "\"soon\":{\"more\":[1]}}"
#define PROBLEM(status, detail) "{\"title\":\"t\",\"status\":" #status ",\"detail\":\"" detail "\"}"

/* ---- lists ---- */

static void follows_cursors(void)
{
    static const struct step steps[] = {
        {"GET /v2/network-volumes", NULL, "200 OK", NULL,
         "{\"networkVolumes\":[" VOLUME(
             "a", "one", 10) "],\"pagination\":{\"nextCursor\":\"x/ &\",\"hasNextPage\":true}}"},
        {"GET /v2/network-volumes?cursor=x%2F%20%26", NULL, "200 OK", NULL,
         "{\"networkVolumes\":[" VOLUME(
             "b", "two", 20) ",null],\"pagination\":{\"nextCursor\":null,\"hasNextPage\":false}}"},
    };
    struct runpod_test t;
    struct mlo_runpod_volumes l = {0};
    RUNPOD_BEGIN(&t, steps);
    check_ok(mlo_runpod_volume_list(t.c, &l, &t.err), &t.err);
    if (check(l.n == 2)) {
        check_str(l.items[1].name, "two");
        check_int(l.items[1].size_gb, 20);
        check_str(l.items[0].data_center, "EU-RO-1");
    }
    mlo_runpod_volumes_release(&l);
    runpod_end(&t);
}

static void stops_at_a_cursor_that_comes_again(void)
{
    static const char page[] =
        "{\"networkVolumes\":[],\"pagination\":{\"nextCursor\":\"x\",\"hasNextPage\":true}}";
    static const struct step steps[] = {{"GET /v2/network-volumes", NULL, "200 OK", NULL, page},
                                        {"GET /v2/network-volumes?cursor=x", NULL, "200 OK", NULL, page}};
    struct runpod_test t;
    struct mlo_runpod_volumes l = {0};
    RUNPOD_BEGIN(&t, steps);
    check_err(mlo_runpod_volume_list(t.c, &l, &t.err), MLO_EINVALID, &t.err, "comes back to a page");
    runpod_end(&t);
}

static void names_a_member_that_is_missing(void)
{
    static const struct step steps[] = {
        {"GET /v2/network-volumes/a%2Fb", NULL, "200 OK", NULL,
         "{\"id\":\"a\",\"name\":\"n\",\"size\":\"10\",\"dataCenter\":\"X\"}"},
        {"GET /v2/network-volumes/a", NULL, "200 OK", NULL, "<html>"},
        {"GET /v2/network-volumes", NULL, "200 OK", NULL, "{\"volumes\":[]}"}};
    struct runpod_test t;
    struct mlo_runpod_volume v = {0};
    struct mlo_runpod_volumes l = {0};
    RUNPOD_BEGIN(&t, steps);
    check_err(mlo_runpod_volume_get(t.c, "a/b", &v, &t.err), MLO_EINVALID, &t.err,
              "'size' of a network volume");
    check_err(mlo_runpod_volume_get(t.c, "a", &v, &t.err), MLO_EINVALID, &t.err, "no JSON");
    check_err(mlo_runpod_volume_list(t.c, &l, &t.err), MLO_EINVALID, &t.err, "the list 'networkVolumes'");
    runpod_end(&t);
}

static void finds_by_id_and_by_name(void)
{
#define THREE                                                                                                \
    {                                                                                                        \
        "GET /v2/network-volumes", NULL, "200 OK", NULL,                                                     \
            "{\"networkVolumes\":[" VOLUME("a", "twin", 10) "," VOLUME("b", "twin",                          \
                                                                       20) "," VOLUME("twin2", "c", 30) "]}" \
    }
    static const struct step steps[] = {THREE, THREE, THREE, THREE};
    struct runpod_test t;
    struct mlo_runpod_volume v = {0};
    RUNPOD_BEGIN(&t, steps);
    check_ok(mlo_runpod_volume_find(t.c, "b", &v, &t.err), &t.err);
    check_int(v.size_gb, 20);
    mlo_runpod_volume_release(&v);
    check_ok(mlo_runpod_volume_find(t.c, "c", &v, &t.err), &t.err);
    check_str(v.id, "twin2");
    mlo_runpod_volume_release(&v);
    check_err(mlo_runpod_volume_find(t.c, "twin", &v, &t.err), MLO_ECONFLICT, &t.err, "'a' and 'b'");
    check_err(mlo_runpod_volume_find(t.c, "none", &v, &t.err), MLO_ENOTFOUND, &t.err,
              "no network volume 'none'");
    runpod_end(&t);
}

/* ---- failures ---- */

static void says_what_failures_mean(void)
{
    static const struct {
        const char *status, *answer;
        int code;
        const char *message, *hint;
    } cases[] = {
        {"401 Unauthorized", PROBLEM(401, "missing bearer token"), MLO_EREMOTE, "missing bearer", "rpa_"},
        {"402 Payment Required", PROBLEM(402, "low"), MLO_EREMOTE, "low", "balance"},
        {"403 Forbidden", PROBLEM(403, "access denied"), MLO_EREMOTE, "access denied", "lacks the right"},
        {"403 Forbidden", "error code: 1010", MLO_EREMOTE, "1010", "User-Agent"},
        {"404 Not Found", PROBLEM(404, "gone"), MLO_ENOTFOUND, "gone", ""},
        {"409 Conflict", PROBLEM(409, "not in this state"), MLO_ECONFLICT, "state", "state"},
        {"410 Gone", "retired", MLO_EREMOTE, "retired", "REST v2"},
        {"413 Content Too Large", "", MLO_EUSAGE, "413", "100 KB"},
        {"422 Unprocessable Content",
         "{\"title\":\"t\",\"status\":422,\"detail\":\"Request validation failed.\",\"errors\":[\"$: missing "
         "property "
         "'name'\"]}",
         MLO_EUSAGE, "missing property 'name'", ""},
        {"400 Bad Request", PROBLEM(400, "There are NO LONGER ANY instances"), MLO_EUNAVAIL, "instances",
         "in stock"},
        {"400 Bad Request", PROBLEM(400, "gpu and cpu"), MLO_EUSAGE, "gpu and cpu", ""},
    };
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        struct step step = {"PATCH /v2/pods/p", "{\"name\":\"n\"}", cases[i].status,
                            "x-request-id: req-17\r\n", cases[i].answer};
        struct runpod_test t;
        struct mlo_runpod_pod p = {0};
        MLO_AUTOBODY cJSON *body = NULL;
        runpod_begin(&t, &step, 1);
        check_ok(mlo_runpod_pod_body(&(struct mlo_runpod_pod_spec){.name = "n"}, true, &body, &t.err),
                 &t.err);
        check_err(mlo_runpod_pod_update(t.c, "p", body, &p, &t.err), cases[i].code, &t.err, cases[i].message);
        check(strstr(t.err.hint, cases[i].hint) != NULL, "%s: hint '%s'", cases[i].status, t.err.hint);
        check(strstr(t.err.msg, "req-17") != NULL, "%s", t.err.msg);
        runpod_end(&t);
    }
}

static void no_message_shows_a_secret_that_was_sent(void)
{
    static const struct step steps[] = {{"PATCH /v2/pods/p", "hunter22", "400 Bad Request", NULL,
                                         PROBLEM(400, "env.PASS: hunter22 is too easy")}};
    static const char *const env[] = {"PASS=hunter22"};
    struct runpod_test t;
    struct mlo_runpod_pod p = {0};
    MLO_AUTOBODY cJSON *body = NULL;
    struct mlo_runpod_pod_spec spec = {.container.env = {env, 1}};
    RUNPOD_BEGIN(&t, steps);
    check_ok(mlo_runpod_pod_body(&spec, true, &body, &t.err), &t.err);
    check_err(mlo_runpod_pod_update(t.c, "p", body, &p, &t.err), MLO_EUSAGE, &t.err, "is too easy");
    check(!strstr(t.err.msg, "hunter22"), "%s", t.err.msg);
    runpod_end(&t);
}

static void removing_what_is_gone_is_no_failure(void)
{
    static const struct step steps[] = {
        {"DELETE /v2/serverless/e", NULL, "204 No Content", NULL, ""},
        {"DELETE /v2/serverless/e", NULL, "404 Not Found", NULL, PROBLEM(404, "none")},
        {"DELETE /v2/templates/e", NULL, "502 Bad Gateway", NULL, "<html>"},
        {"DELETE /v2/templates/e", NULL, "404 Not Found", NULL, PROBLEM(404, "none")},
        {"DELETE /v2/registries/r", NULL, "400 Bad Request", NULL, PROBLEM(400, "in use")}};
    struct runpod_test t;
    bool there = false;
    RUNPOD_BEGIN(&t, steps);
    check_ok(mlo_runpod_delete(t.c, MLO_RUNPOD_ENDPOINTS, "e", &there, &t.err), &t.err);
    check(there);
    check_ok(mlo_runpod_delete(t.c, MLO_RUNPOD_ENDPOINTS, "e", &there, &t.err), &t.err);
    check(!there);
    check_ok(mlo_runpod_delete(t.c, MLO_RUNPOD_TEMPLATES, "e", &there, &t.err), &t.err);
    check_err(mlo_runpod_delete(t.c, MLO_RUNPOD_REGISTRIES, "r", &there, &t.err), MLO_EUSAGE, &t.err,
              "in use");
    runpod_end(&t);
}

/* ---- pods ---- */

static void reads_a_pod(void)
{
    static const struct step steps[] = {
        {"GET /v2/pods/p1", NULL, "200 OK", NULL,
         "{\"id\":\"p1\",\"name\":\"train\",\"image\":\"i\",\"args\":\"\",\"status\":\"RUNNING\",\"actions\":"
         "[\"stop\",\"restart\"],"
         "\"disk\":20,\"mounts\":{\"network\":[{\"volumeId\":\"v1\",\"path\":\"/"
         "workspace\"}]},\"ports\":[\"22/tcp\"],"
         "\"env\":{\"A\":\"1\",\"MLOPSCTL_MARK\":\"m\"},\"registry\":null,\"gpu\":{\"id\":\"NVIDIA "
         "L4\",\"count\":2},"
         "\"cloud\":\"SECURE\",\"dataCenterId\":\"EU-RO-1\",\"cudaVersion\":null,\"template\":null,\"cost\":"
         "0.8,"
         "\"ssh\":{\"proxy\":{\"host\":\"ssh.runpod.io\",\"port\":22,\"username\":\"u\",\"command\":\"c\"},"
         "\"direct\":null},"
         "\"locked\":true,\"runtime\":{\"uptime\":61,\"gpus\":[{\"util\":5},{\"util\":80.5}],\"cpu\":{"
         "\"util\":1},\"ports\":"
         "[{\"private\":22,\"public\":40022,\"type\":\"tcp\",\"ip\":\"1.2.3.4\"},{\"private\":80,\"public\":"
         "null,\"type\":\"http\",\"ip\":null}]},"
         "\"createdAt\":\"2026-11-21T10:00:00Z\",\"startedAt\":null}"},
        {"GET /v2/pods/p2", NULL, "200 OK", NULL,
         "{\"id\":\"p2\",\"name\":\"n\",\"status\":\"DREAMING\",\"cost\":0,\"runtime\":{}}"},
        {"GET /v2/pods/p3", NULL, "200 OK", NULL,
         "{\"id\":\"p3\",\"name\":\"n\",\"status\":\"RUNNING\",\"cost\":\"0\"}"}};
    struct runpod_test t;
    struct mlo_runpod_pod p = {0};
    RUNPOD_BEGIN(&t, steps);
    check_ok(mlo_runpod_pod_get(t.c, "p1", &p, &t.err), &t.err);
    check_int(p.status, MLO_RUNPOD_POD_RUNNING);
    check(mlo_runpod_pod_may(&p, "stop") && !mlo_runpod_pod_may(&p, "start"));
    check_str(p.volume_path, "/workspace");
    check_str(mlo_runpod_var(&p.env, "A"), "1");
    check_str(p.gpu, "NVIDIA L4");
    check(p.cost == 0.8 && p.locked && p.has_runtime && p.gpu_util == 80.5 && isnan(p.memory_util));
    check_str(p.ssh_proxy.host, "ssh.runpod.io");
    check(!p.ssh_direct.host && !p.registry && !p.cpu && p.started_ns == 0);
    check(p.runtime_ports.n == 2 && p.runtime_ports.items[0].public_port == 40022 &&
          p.runtime_ports.items[1].public_port == 0);
    check_int(p.created_ns / MLO_NS_PER_S, 1795255200);
    mlo_runpod_pod_release(&p);
    check_ok(mlo_runpod_pod_get(t.c, "p2", &p, &t.err), &t.err);
    check_int(p.status, MLO_RUNPOD_POD_OTHER);
    check(!p.has_runtime && isnan(p.gpu_util));
    mlo_runpod_pod_release(&p);
    check_err(mlo_runpod_pod_get(t.c, "p3", &p, &t.err), MLO_EINVALID, &t.err, "'cost' of a pod");
    runpod_end(&t);
}

static void actions_that_came_through_are_done(void)
{
#define POD(status) "{\"id\":\"p\",\"name\":\"n\",\"status\":\"" status "\",\"cost\":1}"
    static const struct step steps[] = {
        {"POST /v2/pods/p/action", "{\"action\":\"stop\"}", "200 OK", NULL, POD("EXITED")},
        {"POST /v2/pods/p/action", NULL, NULL, NULL, NULL},
        {"GET /v2/pods/p", NULL, "200 OK", NULL, POD("EXITED")},
        {"POST /v2/pods/p/action", NULL, "502 Bad Gateway", NULL, ""},
        {"GET /v2/pods/p", NULL, "200 OK", NULL, POD("RUNNING")},
        {"POST /v2/pods/p/action", NULL, "409 Conflict", NULL, PROBLEM(409, "locked")},
        {"POST /v2/pods/p/action", NULL, "400 Bad Request", NULL,
         PROBLEM(400, "no instances available here")}};
    struct runpod_test t;
    struct mlo_runpod_pod p = {0};
    RUNPOD_BEGIN(&t, steps);
    check_ok(mlo_runpod_pod_action(t.c, "p", "stop", &p, &t.err), &t.err);
    mlo_runpod_pod_release(&p);
    check_ok(mlo_runpod_pod_action(t.c, "p", "stop", NULL, &t.err), &t.err);
    check_err(mlo_runpod_pod_action(t.c, "p", "stop", NULL, &t.err), MLO_EREMOTE, &t.err, "502");
    check_err(mlo_runpod_pod_action(t.c, "p", "stop", NULL, &t.err), MLO_ECONFLICT, &t.err, "locked");
    check_err(mlo_runpod_pod_action(t.c, "p", "start", NULL, &t.err), MLO_EUNAVAIL, &t.err, "no instances");
    runpod_end(&t);
}

/* ---- catalog, endpoints, billing ---- */

static void reads_the_catalog(void)
{
    static const struct step steps[] = {
        {"GET /v2/catalog/gpus?include=AVAILABILITY&product=POD&count=2&cloud=SECURE&minCudaVersion=12.4",
         NULL, "200 OK", NULL,
         "{\"gpus\":[{\"id\":\"unknown\",\"memory\":0},{\"id\":\"NVIDIA "
         "H200\",\"name\":\"H200\",\"pool\":\"HOPPER_141\",\"manufacturer\":\"NVIDIA\","
         "\"memory\":141,\"secure\":true,\"community\":false,\"price\":{\"secure\":3.6,\"community\":0},"
         "\"maxCount\":{\"secure\":8,\"community\":0},"
         "\"availability\":\"LOW\",\"dataCenters\":[{\"id\":\"US-KS-2\",\"name\":\"Kansas\",\"availability\":"
         "\"MEDIUM\"}]}]}"},
        {"GET /v2/catalog/gpus", NULL, "200 OK", NULL, "{\"gpus\":[]}"},
        {"GET /v2/catalog/cpus?include=AVAILABILITY&product=POD&vcpuCount=4", NULL, "200 OK", NULL,
         "{\"cpus\":[{\"id\":\"cpu3c\",\"vcpu\":{\"min\":2,\"max\":32},\"ramGbPerVcpu\":2,\"price\":{"
         "\"securePerVcpu\":0.03}}]}"},
        {"GET /v2/catalog/datacenters?include=GPU_AVAILABILITY,CPU_AVAILABILITY", NULL, "200 OK", NULL,
         "{\"dataCenters\":[{\"id\":\"EU-RO-1\",\"networkVolumeTypes\":[\"STANDARD\"],\"gpuAvailability\":[{"
         "\"id\":\"g\",\"availability\":\"NONE\"}]}]}"}};
    struct runpod_test t;
    struct mlo_runpod_gpus gpus = {0};
    struct mlo_runpod_cpus cpus = {0};
    struct mlo_runpod_data_centers centers = {0};
    struct mlo_runpod_catalog q = {.product = "POD", .count = 2, .cloud = "SECURE", .min_cuda = "12.4"};
    RUNPOD_BEGIN(&t, steps);
    check_ok(mlo_runpod_gpu_list(t.c, &q, &gpus, &t.err), &t.err);
    if (check(gpus.n == 1)) {
        check_int(gpus.items[0].memory_gb, 141);
        check(gpus.items[0].price_secure == 3.6 && gpus.items[0].price_serverless == 0);
        check_int(gpus.items[0].stock, MLO_RUNPOD_STOCK_LOW);
        check_int(gpus.items[0].data_centers.items[0].stock, MLO_RUNPOD_STOCK_MEDIUM);
    }
    mlo_runpod_gpus_release(&gpus);
    check_ok(mlo_runpod_gpu_list(t.c, &(struct mlo_runpod_catalog){0}, &gpus, &t.err), &t.err);
    mlo_runpod_gpus_release(&gpus);
    check_ok(
        mlo_runpod_cpu_list(t.c, &(struct mlo_runpod_catalog){.product = "POD", .count = 4}, &cpus, &t.err),
        &t.err);
    check(cpus.n == 1 && cpus.items[0].max_vcpus == 32 && cpus.items[0].price_secure == 0.03);
    mlo_runpod_cpus_release(&cpus);
    check_ok(mlo_runpod_data_center_list(t.c, &centers, &t.err), &t.err);
    check(centers.n == 1 && centers.items[0].volume_types.n == 1 &&
          centers.items[0].gpus.items[0].stock == MLO_RUNPOD_STOCK_NONE);
    mlo_runpod_data_centers_release(&centers);
    runpod_end(&t);
}

static void reads_workers_and_releases(void)
{
    static const struct step steps[] = {
        {"GET /v2/serverless/e/workers", NULL, "200 OK", NULL,
         "{\"workers\":[{\"id\":\"w\",\"status\":\"THROTTLED\",\"isStale\":true,\"gpuCount\":1,\"version\":"
         "null,\"image\":null}],"
         "\"summary\":{\"running\":0,\"throttled\":1},\"endpointVersion\":3}"},
        {"GET /v2/serverless/e/releases", NULL, "200 OK", NULL,
         "{\"releases\":[{\"id\":\"r2\",\"version\":2,\"source\":\"MANUAL\",\"workerCount\":1,\"createdAt\":"
         "\"2026-11-21T10:00:00Z\",\"diff\":"
         "[{\"field\":\"template.env\",\"old\":{\"A\":\"secret\"},\"new\":1},{\"field\":\"gpuCount\"}]}],"
         "\"rollout\":{\"inProgress\":true,"
         "\"workersOnLatest\":1,\"workersTotal\":2},\"pagination\":{\"nextCursor\":\"c\",\"hasNextPage\":"
         "true}}"},
        {"GET /v2/serverless/e/releases?cursor=c", NULL, "200 OK", NULL,
         "{\"releases\":[{\"id\":\"r1\",\"version\":1}],\"rollout\":{}}"}};
    struct runpod_test t;
    struct mlo_runpod_workers w = {0};
    struct mlo_runpod_releases r = {0};
    RUNPOD_BEGIN(&t, steps);
    check_ok(mlo_runpod_worker_list(t.c, "e", &w, &t.err), &t.err);
    check(w.n == 1 && w.throttled == 1 && w.version == 3 && w.items[0].stale && !w.items[0].image);
    check_ok(mlo_runpod_release_list(t.c, "e", &r, &t.err), &t.err);
    check(r.n == 2 && r.in_progress && r.workers_total == 2 && r.items[1].version == 1);
    if (r.n && check(r.items[0].fields.n == 2))
        check_str(r.items[0].fields.items[0], "template.env");
    mlo_runpod_workers_release(&w);
    mlo_runpod_releases_release(&r);
    runpod_end(&t);
}

static void reads_bills(void)
{
    static const struct step steps[] = {
        {"GET /v2/billing/pods?podId=p%201&startTime=2026-11-01T00%3A00%3A00Z&bucketSize=day", NULL, "200 OK",
         NULL,
         "{\"records\":[{\"startTime\":\"2026-11-01T00:00:00Z\",\"endTime\":\"2026-11-02T00:00:00Z\","
         "\"podId\":\"p 1\",\"gpuAmount\":1.5,"
         "\"diskAmount\":0.25,\"totalAmount\":1.75}],\"metadata\":{\"recordCount\":1}}"},
        {"GET /v2/billing?lastN=3", NULL, "200 OK", NULL,
         "{\"records\":[{\"startTime\":\"2026-11-01T00:00:00Z\",\"totalAmount\":2}]}"}};
    struct runpod_test t;
    struct mlo_runpod_billing b = {0};
    struct mlo_runpod_billing_query q = {
        .family = MLO_RUNPOD_BILL_PODS, .id = "p 1", .from_ns = 1793491200 * MLO_NS_PER_S, .bucket = "day"};
    RUNPOD_BEGIN(&t, steps);
    check_ok(mlo_runpod_billing(t.c, &q, &b, &t.err), &t.err);
    if (check(b.n == 1 && b.items[0].amounts.n == 2)) {
        check_str(b.items[0].id, "p 1");
        check_str(b.items[0].amounts.items[0].name, "gpu");
        check(b.items[0].total == 1.75 && b.items[0].amounts.items[1].usd == 0.25);
    }
    mlo_runpod_billing_release(&b);
    q = (struct mlo_runpod_billing_query){.last = 3, .from_ns = 1, .id = "x"};
    check_ok(mlo_runpod_billing(t.c, &q, &b, &t.err), &t.err);
    check(b.n == 1 && !b.items[0].id && b.items[0].amounts.n == 0);
    mlo_runpod_billing_release(&b);
    runpod_end(&t);
}

/* ---- places and prices ---- */

static void gives_the_s3_address_of_a_data_center(void)
{
    struct runpod_test t;
    MLO_AUTOSTR struct mlo_str url;
    struct mlo_runpod *any = NULL;
    struct mlo_runpod_opts o = {.key = "k", .s3 = "http://[::1]:1/{dc}/", .s3_data_centers = "*"};
    runpod_begin(&t, NULL, 0);
    mlo_str_init(&url, 1000);
    check_ok(mlo_runpod_s3_endpoint(t.c, "EU-RO-1", &url, &t.err), &t.err);
    check_str(url.ptr, "https://s3api-eu-ro-1.runpod.io");
    check_err(mlo_runpod_s3_endpoint(t.c, "EU-SE-1", &url, &t.err), MLO_EUNAVAIL, &t.err,
              "'EU-SE-1' has no S3");
    check(strstr(t.err.hint, "EU-RO-1") && strstr(t.err.hint, "runpod.s3-data-centers"), "%s", t.err.hint);
    check_err(mlo_runpod_s3_endpoint(t.c, "EU-RO", &url, &t.err), MLO_EUNAVAIL, &t.err, "no S3");
    check_ok(mlo_runpod_new(&o, &any, &t.err), &t.err);
    mlo_str_clear(&url);
    check_ok(mlo_runpod_s3_endpoint(any, "XX-YY-9", &url, &t.err), &t.err);
    check_str(url.ptr, "http://[::1]:1/xx-yy-9");
    check_err(mlo_runpod_s3_endpoint(any, "x.evil.org/", &url, &t.err), MLO_EUNAVAIL, &t.err, "no S3");
    check_err(mlo_runpod_s3_endpoint(any, "", &url, &t.err), MLO_EUNAVAIL, &t.err, "no S3");
    mlo_runpod_free(any);
    runpod_end(&t);
}

static void prices_volumes_and_endpoints(void)
{
    char pool[] = "ADA_24", *pools[] = {pool}, id[] = "NVIDIA GeForce RTX 4090", id2[] = "other",
         *out[] = {id2};
    struct mlo_runpod_gpu gpus[] = {{.id = id, .pool = pool, .price_serverless = 1.5},
                                    {.id = id2, .pool = pool, .price_serverless = 2}};
    struct mlo_runpod_gpus list = {gpus, 2};
    struct mlo_runpod_cpus none = {0};
    struct mlo_runpod_endpoint e = {
        .gpu_pools = {pools, 1}, .gpu_count = 2, .workers_min = 1, .workers_max = 3};
    struct mlo_runpod_endpoint_price p = mlo_runpod_endpoint_price(&e, &list, &none);
    check(p.always == 4 && p.most == 12);
    e.gpu_excluded = (struct mlo_runpod_strings){out, 1};
    p = mlo_runpod_endpoint_price(&e, &list, &none);
    check(p.always == 3 && p.most == 9);
    e.workers_min = 0;
    check(mlo_runpod_endpoint_price(&e, &list, &none).always == 0);
    list.n = 0;
    check(isnan(mlo_runpod_endpoint_price(&e, &list, &none).most));
    check(fabs(mlo_runpod_volume_price(100, "STANDARD") - 7) < 1e-9);
    check(fabs(mlo_runpod_volume_price(2000, NULL) - 120) < 1e-9);
    check(isnan(mlo_runpod_volume_price(10, "HIGH_PERFORMANCE")));
}

int main(void)
{
    run(follows_cursors);
    run(stops_at_a_cursor_that_comes_again);
    run(names_a_member_that_is_missing);
    run(finds_by_id_and_by_name);
    run(says_what_failures_mean);
    run(no_message_shows_a_secret_that_was_sent);
    run(removing_what_is_gone_is_no_failure);
    run(reads_a_pod);
    run(actions_that_came_through_are_done);
    run(reads_the_catalog);
    run(reads_workers_and_releases);
    run(reads_bills);
    run(gives_the_s3_address_of_a_data_center);
    run(prices_volumes_and_endpoints);
    return done_testing();
}

/* The S3 transport against a server that follows a script: what exactly is asked, and what is made of the
 * answers. Real servers and their faults: tests/cli/240-s3*.sh. */
#include "net_help.h"

#include <errno.h>
#include <time.h>

#include "../../src/remote/s3/s3.h"

#define STEPS_MAX 32

struct step {          /* one request that must come next, and its answer */
    const char *asked; /* "METHOD target"; NULL: any */
    const char *status, *headers, *body;
};
struct script {
    const struct step *steps;
    unsigned n, at;
    char region[STEPS_MAX][64]; /* that each request was signed for */
    char range[STEPS_MAX][64], body[STEPS_MAX][512];
    int64_t signed_at[STEPS_MAX]; /* seconds */
    const char *host;             /* that every request must name; NULL: the server's */
    const char *token;
};
struct fixture {
    struct http_server server;
    struct mlo_http *http;
    struct mlo_transport t;
    struct mlo_s3 *s;
    struct script script;
    struct mlo_err err;
};

/* ---- the other side ---- */

static const char *header(const struct http_exchange *x, const char *name, char buf[static 512])
{
    buf[0] = '\0';
    http_header_of(x, name, buf, 512);
    return buf;
}

/* Signs what came as S3 would and compares. */
static void check_signature(struct http_exchange *x, struct script *p)
{
    char host[512], date[512], hash[512], auth[512], token[512], path[2048];
    struct tm tm = {0};
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOSTR struct mlo_str want;
    mlo_str_init(&want, 4096);
    header(x, "Authorization", auth);
    snprintf(path, sizeof path, "%.*s", (int)strcspn(x->target, "?"), x->target);
    const char *query = strchr(x->target, '?'), *scope = strchr(auth, '/');
    const char *headers[] = {"host",
                             header(x, "Host", host),
                             "x-amz-content-sha256",
                             header(x, "x-amz-content-sha256", hash),
                             "x-amz-date",
                             header(x, "x-amz-date", date),
                             p->token ? "x-amz-security-token" : NULL,
                             header(x, "x-amz-security-token", token),
                             NULL};
    if (!check(scope && sscanf(scope, "/%*[0-9]/%63[^/]/s3/", p->region[p->at]) == 1, "%s", auth))
        return;
    check(strptime(date, "%Y%m%dT%H%M%SZ", &tm) != NULL, "%s", date);
    p->signed_at[p->at] = timegm(&tm);
    struct mlo_sigv4 k = {
        .access_key = "AKEXAMPLE", .secret_key = "secret", .region = p->region[p->at], .service = "s3"};
    check_ok(mlo_sigv4(&k, x->method, path, query ? query + 1 : "", headers, hash, timegm(&tm) * MLO_NS_PER_S,
                       &want, &err),
             &err);
    check_str(auth, want.ptr);
    check_str(token, p->token ? p->token : "");
    if (p->host)
        check(strncmp(host, p->host, strlen(p->host)) == 0, "%s", host);
}

static void follow_script(struct http_exchange *x)
{
    struct script *p = x->ctx;
    char asked[4096], buf[512];
    snprintf(asked, sizeof asked, "%s %s", x->method, x->target);
    if (!check(p->at < p->n, "%s comes after the end of the script", asked)) {
        http_answer(x, "599 Unexpected", "", "");
        return;
    }
    const struct step *s = &p->steps[p->at];
    if (s->asked)
        check_str(asked, s->asked);
    check_signature(x, p);
    snprintf(p->range[p->at], sizeof p->range[0], "%.60s", header(x, "Range", buf));
    snprintf(p->body[p->at], sizeof p->body[0], "%.500s", x->body ? x->body : "");
    p->at++;
    if (strcmp(x->method, "HEAD") == 0) {
        char head[1024];
        snprintf(head, sizeof head, "HTTP/1.1 %s\r\n%s\r\n", s->status, s->headers ? s->headers : "");
        http_text(x, head);
    } else
        http_answer(x, s->status, s->headers ? s->headers : "", s->body ? s->body : "");
}

/* ---- this side ---- */

static struct fixture *begin_at(const struct step *steps, unsigned n, struct mlo_s3_place place)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct mlo_http_opts opts = {.backoff_ns = MLO_NS_PER_S / 1000};
    void *self = NULL;
    f->script = (struct script){.steps = steps, .n = n, .token = place.key.session_token};
    http_server_start(&f->server, follow_script, &f->script);
    check_ok(mlo_http_new(&opts, &f->http, &f->err), &f->err);
    place.endpoint = place.endpoint ? place.endpoint : f->server.url;
    place.bucket = "bkt";
    place.prefix = place.prefix ? place.prefix : "pre/fix";
    place.region = place.region ? place.region : "us-east-1";
    place.key.access_key = "AKEXAMPLE";
    place.key.secret_key = "secret";
    place.key.origin = "the test";
    check_ok(mlo_s3_open_place(&place, f->http, &f->t, &self, &f->err), &f->err);
    f->s = self;
    return f;
}
#define begin(steps, ...) begin_at(steps, MLO_COUNT(steps), (struct mlo_s3_place){__VA_ARGS__})

static void end(struct fixture *f)
{
    check_int(f->script.at, f->script.n);
    f->t.close(f->s);
    mlo_http_free(f->http);
    http_server_stop(&f->server);
    free(f);
}

static int keep(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    struct mlo_str *s = ctx;
    mlo_str_addn(s, p, n);
    return mlo_str_check(s, err);
}

static int put(struct fixture *f, const char *key, const char *text)
{
    struct mlo_body_text from = {text, strlen(text)};
    struct mlo_body body = {.size = from.n, .read = mlo_body_text, .ctx = &from};
    check_ok(mlo_sha256(text, from.n, &body.digest, &f->err), &f->err);
    return f->t.put(f->s, key, &body, &f->err);
}

/* ---- requests as they should be ---- */

static void keys_are_spelled_byte_by_byte(void)
{
    static const struct step steps[] = {{"HEAD /bkt/pre/fix/a%20b/%C3%BC%2B%23%25%3F~", "200 OK",
                                         "Content-Length: 5\r\nETag: \"x\"\r\n", NULL}};
    struct fixture *f = begin(steps, 0);
    uint64_t size = 0;
    check_ok(f->t.stat(f->s, "a b/\xc3\xbc+#%?~", &size, &f->err), &f->err);
    check_int(size, 5);
    end(f);
}

static void a_bucket_may_stand_in_the_host_name(void)
{
    static const struct step steps[] = {{"HEAD /pre/fix/k", "200 OK", "Content-Length: 1\r\n", NULL}};
    struct fixture *f = begin(steps, .virtual_host = true);
    char endpoint[64];
    uint64_t size;
    free(f->s->endpoint);
    snprintf(endpoint, sizeof endpoint, "http://localhost:%d", f->server.port);
    f->s->endpoint = strdup(endpoint);
    f->script.host = "bkt.localhost:";
    check_ok(f->t.stat(f->s, "k", &size, &f->err), &f->err);
    end(f);
}

static void amazon_is_found_by_the_region(void)
{
    struct mlo_s3 s = {.bucket = (char *)(uintptr_t) "bkt",
                       .prefix = (char *)(uintptr_t) "",
                       .lock = PTHREAD_MUTEX_INITIALIZER};
    static const struct {
        const char *region, *want;
        bool virtual_host;
    } cases[] = {{"eu-west-1", "https://s3.eu-west-1.amazonaws.com/bkt/k?q=1", false},
                 {"eu-west-1", "https://bkt.s3.eu-west-1.amazonaws.com/k?q=1", true},
                 {"cn-north-1", "https://bkt.s3.cn-north-1.amazonaws.com.cn/k?q=1", true}};
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        MLO_AUTOSTR struct mlo_str url;
        mlo_str_init(&url, 1024);
        s.virtual_host = cases[i].virtual_host;
        snprintf(s.region, sizeof s.region, "%s", cases[i].region);
        check_ok(mlo_s3_url(&s, "k", "q=1", &url, &err), &err);
        check_str(url.ptr, cases[i].want);
    }
}

static void puts_and_gets(void)
{
    static const struct step steps[] = {
        {"PUT /bkt/pre/fix/k", "200 OK", "ETag: \"x\"\r\n", ""},
        {"GET /bkt/pre/fix/k", "206 Partial Content", "Content-Range: bytes 2-4/5\r\nETag: \"x\"\r\n", "llo"},
        {"GET /bkt/pre/fix/k", "200 OK", "ETag: \"x\"\r\n", "hello"},
        {"DELETE /bkt/pre/fix/k", "204 No Content", NULL, NULL},
        {"DELETE /bkt/pre/fix/k", "404 Not Found", NULL, "<Error><Code>NoSuchKey</Code></Error>"}};
    struct fixture *f = begin(steps, .key = {.session_token = "tok/en+=="});
    MLO_AUTOSTR struct mlo_str got;
    mlo_str_init(&got, 100);
    check_ok(put(f, "k", "hello"), &f->err);
    check_str(f->script.body[0], "hello");
    check_ok(f->t.get(f->s, "k", 2, 3, 3, keep, &got, &f->err), &f->err);
    check_str(f->script.range[1], "bytes=2-4");
    check_ok(f->t.get(f->s, "k", 0, UINT64_MAX, 100, keep, &got, &f->err), &f->err);
    check_str(f->script.range[2], "");
    check_str(got.ptr, "llohello");
    check_ok(f->t.remove(f->s, "k", &f->err), &f->err);
    check_ok(f->t.remove(f->s, "k", &f->err), &f->err);
    end(f);
}

static void a_shorter_or_larger_object_is_none(void)
{
    static const struct step steps[] = {
        {NULL, "206 Partial Content", "Content-Range: bytes 2-4/5\r\n", "llo"},
        {NULL, "416 Range Not Satisfiable", "Content-Range: bytes */5\r\n",
         "<Error><Code>InvalidRange</Code></Error>"},
        {NULL, "200 OK", NULL, "hello"}};
    struct fixture *f = begin(steps, 0);
    MLO_AUTOSTR struct mlo_str got;
    mlo_str_init(&got, 100);
    check_err(f->t.get(f->s, "k", 2, 10, 10, keep, &got, &f->err), MLO_EINVALID, &f->err, "shorter");
    check_err(f->t.get(f->s, "k", 9, 1, 1, keep, &got, &f->err), MLO_EINVALID, &f->err, "shorter");
    check_err(f->t.get(f->s, "k", 0, UINT64_MAX, 4, keep, &got, &f->err), MLO_EREMOTE, &f->err, "more than");
    check_err(f->t.get(f->s, "k", 0, 5, 4, keep, &got, &f->err), MLO_EINVALID, &f->err, "larger");
    end(f);
}

/* ---- stat and its ways round ---- */

static void head_that_is_refused_is_asked_by_get(void)
{
    static const struct step steps[] = {
        {"HEAD /bkt/pre/fix/k", "403 Forbidden", NULL, NULL},
        {"GET /bkt/pre/fix/k", "206 Partial Content", "Content-Range: bytes 0-0/77\r\n", "x"},
        {"HEAD /bkt/pre/fix/k", "403 Forbidden", NULL, NULL},
        {"GET /bkt/pre/fix/k", "416 Range Not Satisfiable", "Content-Range: bytes */0\r\n", NULL},
        {"HEAD /bkt/pre/fix/k", "403 Forbidden", NULL, NULL},
        {"GET /bkt/pre/fix/k", "404 Not Found", NULL, "<Error><Code>NoSuchKey</Code></Error>"},
        {"HEAD /bkt/pre/fix/k", "404 Not Found", NULL, NULL}};
    struct fixture *f = begin(steps, 0);
    uint64_t size = 1;
    check_ok(f->t.stat(f->s, "k", &size, &f->err), &f->err);
    check_int(size, 77);
    check_str(f->script.range[1], "bytes=0-0");
    check_ok(f->t.stat(f->s, "k", &size, &f->err), &f->err);
    check_int(size, 0);
    check_err(f->t.stat(f->s, "k", &size, &f->err), MLO_ENOTFOUND, &f->err, "not there");
    check_err(f->t.stat(f->s, "k", &size, &f->err), MLO_ENOTFOUND, &f->err, "not there");
    end(f);
}

static void a_folder_of_runpods_is_no_object(void)
{
    static const struct step steps[] = {{"HEAD /bkt/pre/fix/k", "400 Bad Request", NULL, NULL},
                                        {"GET /bkt/pre/fix/k", "400 Bad Request", NULL, NULL}};
    struct fixture *f = begin(steps, .runpod = true);
    uint64_t size;
    check_err(f->t.stat(f->s, "k", &size, &f->err), MLO_ENOTFOUND, &f->err, "folder");
    end(f);
}

static void what_was_just_written_is_waited_for(void)
{
    static const struct step steps[] = {{"PUT /bkt/pre/fix/k", "200 OK", NULL, NULL},
                                        {"HEAD /bkt/pre/fix/k", "404 Not Found", NULL, NULL},
                                        {"HEAD /bkt/pre/fix/k", "404 Not Found", NULL, NULL},
                                        {"HEAD /bkt/pre/fix/k", "200 OK", "Content-Length: 1\r\n", NULL}};
    struct fixture *f = begin(steps, 0);
    uint64_t size = 0;
    check_ok(put(f, "k", "x"), &f->err);
    check_ok(f->t.stat(f->s, "k", &size, &f->err), &f->err);
    check_int(size, 1);
    end(f);
}

/* ---- regions, clocks, patience ---- */

static void a_region_that_is_told_is_taken_once(void)
{
    static const struct step steps[] = {
        {NULL, "400 Bad Request", NULL,
         "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-9</Region></Error>"},
        {NULL, "200 OK", NULL, "a"},
        {NULL, "200 OK", NULL, "b"},
        {NULL, "301 Moved Permanently", "x-amz-bucket-region: eu-west-8\r\n",
         "<Error><Code>PermanentRedirect</Code></Error>"}};
    struct fixture *f = begin(steps, 0);
    MLO_AUTOSTR struct mlo_str got;
    mlo_str_init(&got, 100);
    for (int i = 0; i < 2; i++)
        check_ok(f->t.get(f->s, "k", 0, UINT64_MAX, 9, keep, &got, &f->err), &f->err);
    check_str(f->script.region[0], "us-east-1");
    check_str(f->script.region[1], "eu-west-9");
    check_str(f->script.region[2], "eu-west-9");
    check_err(f->t.get(f->s, "k", 0, UINT64_MAX, 9, keep, &got, &f->err), MLO_EREMOTE, &f->err,
              "not in region");
    check(strstr(f->err.hint, "s3.region"), "%s", f->err.hint);
    end(f);
}

static void head_tells_the_region_by_a_header(void)
{
    static const struct step steps[] = {
        {"HEAD /bkt/pre/fix/k", "301 Moved Permanently", "x-amz-bucket-region: ap-south-1\r\n", NULL},
        {"HEAD /bkt/pre/fix/k", "200 OK", "Content-Length: 3\r\n", NULL}};
    struct fixture *f = begin(steps, 0);
    uint64_t size;
    check_ok(f->t.stat(f->s, "k", &size, &f->err), &f->err);
    check_str(f->script.region[1], "ap-south-1");
    end(f);
}

static void a_region_in_capitals_is_tried_in_small_letters(void)
{
    static const struct step steps[] = {
        {NULL, "403 Forbidden", NULL,
         "<Error><Code>SignatureDoesNotMatch</Code><Message>the region 'US-KS-2' is wrong</Message></Error>"},
        {NULL, "200 OK", NULL, "a"}};
    struct fixture *f = begin(steps, .runpod = true, .region = "US-KS-2");
    MLO_AUTOSTR struct mlo_str got;
    mlo_str_init(&got, 100);
    check_ok(f->t.get(f->s, "k", 0, UINT64_MAX, 9, keep, &got, &f->err), &f->err);
    check_str(f->script.region[0], "US-KS-2");
    check_str(f->script.region[1], "us-ks-2");
    end(f);
}

static void the_servers_clock_counts(void)
{
    static const struct step steps[] = {{NULL, "403 Forbidden", "Date: Tue, 01 Jan 2030 10:00:00 GMT\r\n",
                                         "<Error><Code>RequestTimeTooSkewed</Code></Error>"},
                                        {NULL, "200 OK", NULL, "a"}};
    struct fixture *f = begin(steps, 0);
    MLO_AUTOSTR struct mlo_str got;
    mlo_str_init(&got, 100);
    check_ok(f->t.get(f->s, "k", 0, UINT64_MAX, 9, keep, &got, &f->err), &f->err);
    int64_t off = f->script.signed_at[1] - 1893492000; /* 2030-01-01T10:00:00Z */
    check(off >= 0 && off < 60, "%lld", (long long)off);
    end(f);
}

static void runpod_refuses_now_and_then(void)
{
    static const char denied[] = "<Error><Code>AccessDenied</Code></Error>";
    static const struct step steps[] = {{NULL, "403 Forbidden", NULL, denied},
                                        {NULL, "403 Forbidden", NULL, denied},
                                        {NULL, "200 OK", NULL, "a"}};
    struct fixture *f = begin(steps, .runpod = true);
    MLO_AUTOSTR struct mlo_str got;
    mlo_str_init(&got, 100);
    check_ok(f->t.get(f->s, "k", 0, UINT64_MAX, 9, keep, &got, &f->err), &f->err);
    end(f);
}

/* ---- failures in words ---- */

static void troubles_are_said(void)
{
    static const struct {
        const char *status, *headers, *body;
        int code, sys_errno;
        const char *msg, *hint;
    } cases[] = {
        {"404 Not Found", NULL, "<Error><Code>NoSuchKey</Code></Error>", MLO_ENOTFOUND, 0, "'k': not there",
         ""},
        {"404 Not Found", NULL, "", MLO_ENOTFOUND, 0, "'k': not there", ""},
        {"404 Not Found", NULL, "<Error><Code>NoSuchBucket</Code></Error>", MLO_EREMOTE, ENODEV,
         "no bucket 'bkt'", "aws s3 mb"},
        {"403 Forbidden", NULL, "<Error><Code>AccessDenied</Code></Error>", MLO_EREMOTE, EACCES,
         "denies access to 'k'", "the test"},
        {"403 Forbidden", NULL, "<Error><Code>SignatureDoesNotMatch</Code></Error>", MLO_EREMOTE, 0,
         "(the test) is wrong", "secret"},
        {"403 Forbidden", NULL, "<Error><Code>InvalidAccessKeyId</Code></Error>", MLO_EREMOTE, 0,
         "(the test) is wrong", "access key"},
        {"400 Bad Request", NULL, "<Error><Code>ExpiredToken</Code></Error>", MLO_EREMOTE, 0, "has expired",
         "new one"},
        {"400 Bad Request", NULL, "<Error><Code>InvalidURI</Code></Error>", MLO_EREMOTE, 0, "InvalidURI", ""},
        {"403 Forbidden", NULL, "<Error><Code>RequestTimeTooSkewed</Code></Error>", MLO_EREMOTE, 0,
         "TooSkewed", "clock"},
        {"403 Forbidden", NULL, "error code: 1010", MLO_EREMOTE, 0, "1010", "User-Agent"},
        {"413 Content Too Large", NULL, "<html></html>", MLO_EREMOTE, EFBIG, "413", ""},
        {"507 Insufficient Storage", NULL, "", MLO_EREMOTE, ENOSPC, "no more room", "quota"},
        {"403 Forbidden", NULL, "<Error><Code>QuotaExceeded</Code></Error>", MLO_EREMOTE, ENOSPC,
         "no more room", "quota"},
        {"307 Temporary Redirect", "Location: https://elsewhere.example/k\r\n", "", MLO_EREMOTE, 0,
         "elsewhere.example", "s3.endpoint"},
    };
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        struct step step[] = {{NULL, cases[i].status, cases[i].headers, cases[i].body}};
        struct fixture *f = begin(step, 0);
        check_err(f->t.get(f->s, "k", 0, UINT64_MAX, 9, keep, NULL, &f->err), cases[i].code, &f->err,
                  cases[i].msg);
        check_int(f->err.sys_errno, cases[i].sys_errno);
        check(strstr(f->err.hint, cases[i].hint) != NULL, "%s / %s", f->err.msg, f->err.hint);
        check(!strstr(f->err.msg, "secret"), "%s", f->err.msg);
        end(f);
    }
}

/* ---- parts ---- */

#define TEXT "0123456789abcdefghijklmnopqrst" /* 30 bytes: parts of 8, 8, 8, 6 */
#define INIT "<InitiateMultipartUploadResult><UploadId>u/1</UploadId></InitiateMultipartUploadResult>"
#define DONE "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>"

/* One after the other, so that the script's order holds. */
static struct fixture *begin_parts(const struct step *steps, unsigned n, const char *home)
{
    struct fixture *f = begin_at(steps, n, (struct mlo_s3_place){.home = home});
    f->s->put_max = 8;
    f->s->parts_parallel = 1;
    return f;
}

static void sends_parts(void)
{
    static const struct step steps[] = {
        {"HEAD /bkt/pre/fix/k", "404 Not Found", NULL, NULL},
        {"POST /bkt/pre/fix/k?uploads=", "200 OK", NULL, INIT},
        {"PUT /bkt/pre/fix/k?partNumber=1&uploadId=u%2F1", "200 OK", "ETag: \"e1\"\r\n", NULL},
        {"PUT /bkt/pre/fix/k?partNumber=2&uploadId=u%2F1", "200 OK", "ETag: \"e2\"\r\n", NULL},
        {"PUT /bkt/pre/fix/k?partNumber=3&uploadId=u%2F1", "200 OK", "ETag: \"e<3\"\r\n", NULL},
        {"PUT /bkt/pre/fix/k?partNumber=4&uploadId=u%2F1", "200 OK", "ETag: e4\r\n", NULL},
        {"POST /bkt/pre/fix/k?uploadId=u%2F1", "200 OK", NULL, DONE}};
    struct fixture *f = begin_parts(steps, MLO_COUNT(steps), NULL);
    check_ok(put(f, "k", TEXT), &f->err);
    check_str(f->script.body[2], "01234567");
    check_str(f->script.body[5], "opqrst");
    check(strstr(f->script.body[6], "<Part><PartNumber>1</PartNumber><ETag>&quot;e1&quot;</ETag></Part>") !=
              NULL,
          "%s", f->script.body[6]);
    check(strstr(f->script.body[6], "<ETag>&quot;e&lt;3&quot;</ETag>") != NULL, "%s", f->script.body[6]);
    end(f);
}

static void an_interrupted_upload_goes_on(void)
{
    static const struct step first[] = {
        {"HEAD /bkt/pre/fix/k", "200 OK", "Content-Length: 9\r\nETag: \"old\"\r\n", NULL},
        {"POST /bkt/pre/fix/k?uploads=", "200 OK", NULL, INIT},
        {"PUT /bkt/pre/fix/k?partNumber=1&uploadId=u%2F1", "200 OK", "ETag: \"e1\"\r\n", NULL},
        {"PUT /bkt/pre/fix/k?partNumber=2&uploadId=u%2F1", "400 Bad Request", NULL,
         "<Error><Code>Odd</Code></Error>"}};
    /* Part 3 is listed short: somebody was writing it. */
    static const struct step second[] = {
        {"GET /bkt/pre/fix/k?max-parts=1000&part-number-marker=0&uploadId=u%2F1", "200 OK", NULL,
         "<ListPartsResult><IsTruncated>true</IsTruncated><Part><PartNumber>1</PartNumber><ETag>\"e1\"</ETag>"
         "<Size>8</Size></Part><Part><PartNumber>3</PartNumber><ETag>x</ETag><Size>7</Size></Part></"
         "ListPartsResult>"},
        {"GET /bkt/pre/fix/k?max-parts=1000&part-number-marker=3&uploadId=u%2F1", "200 OK", NULL,
         "<ListPartsResult><Part><PartNumber>4</PartNumber><ETag>\"e4\"</ETag><Size>6</Size></Part></"
         "ListPartsResult>"},
        {"PUT /bkt/pre/fix/k?partNumber=2&uploadId=u%2F1", "200 OK", "ETag: \"e2\"\r\n", NULL},
        {"PUT /bkt/pre/fix/k?partNumber=3&uploadId=u%2F1", "200 OK", "ETag: \"e3\"\r\n", NULL},
        {"POST /bkt/pre/fix/k?uploadId=u%2F1", "504 Gateway Timeout", NULL, NULL},
        {"HEAD /bkt/pre/fix/k", "200 OK", "Content-Length: 30\r\nETag: \"old\"\r\n", NULL},
        {"HEAD /bkt/pre/fix/k", "200 OK", "Content-Length: 30\r\nETag: \"new-4\"\r\n", NULL}};
    char url[64];
    struct fixture *f = begin_parts(first, MLO_COUNT(first), tap_tmpdir());
    check_err(put(f, "k", TEXT), MLO_EREMOTE, &f->err, "Odd");
    snprintf(url, sizeof url, "%s", f->server.url);
    check_int(f->script.at, MLO_COUNT(first));
    f->script.steps = second; /* the same address: the journal goes by it */
    f->script.n = MLO_COUNT(second);
    f->script.at = 0;
    f->err = MLO_ERR_INIT;
    check_ok(put(f, "k", TEXT), &f->err);
    end(f);
}

static void a_full_place_keeps_no_parts(void)
{
    static const struct step steps[] = {
        {"HEAD /bkt/pre/fix/k", "404 Not Found", NULL, NULL},
        {"POST /bkt/pre/fix/k?uploads=", "200 OK", NULL, INIT},
        {"PUT /bkt/pre/fix/k?partNumber=1&uploadId=u%2F1", "507 Insufficient Storage", NULL, NULL},
        {"DELETE /bkt/pre/fix/k?uploadId=u%2F1", "204 No Content", NULL, NULL}};
    struct fixture *f = begin_parts(steps, MLO_COUNT(steps), tap_tmpdir());
    check_err(put(f, "k", TEXT), MLO_EREMOTE, &f->err, "no more room");
    check_int(f->err.sys_errno, ENOSPC);
    end(f);
}

static void parts_grow_with_the_object(void)
{
    struct mlo_s3 s = {.put_max = (uint64_t)95000000};
    check_int(mlo_s3_part_size(&s, (uint64_t)1 << 30), MLO_S3_PART_USUAL);
    check_int(mlo_s3_part_size(&s, (uint64_t)800 << 30), ((uint64_t)800 << 30) / MLO_S3_PARTS_MAX + 1);
    check_int(mlo_s3_part_size(&s, (uint64_t)4 << 40), 95000000); /* too many of them: refused */
}

/* ---- listing ---- */

static int note_key(void *ctx, const char *key, uint64_t size, struct mlo_err *err)
{
    struct mlo_str *s = ctx;
    (void)err;
    mlo_str_addf(s, "%llu %s\n", (unsigned long long)size, key);
    return 0;
}

static void lists_level_by_level(void)
{
    static const struct step steps[] = {
        {"GET /bkt?delimiter=%2F&list-type=2&prefix=pre%2Ffix%2Frefs%2F", "200 OK", NULL,
         "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t 1</NextContinuationToken>"
         "<Contents><Key>pre/fix/refs/a</Key><Size>1</Size></Contents><Contents><Key>pre/fix/refs/</"
         "Key><Size>0</Size></Contents>"
         "<Contents><Key>else/where</Key><Size>1</Size></Contents><Contents><Key>pre/fix/refs/../x</"
         "Key><Size>1</Size></Contents>"
         "<CommonPrefixes><Prefix>pre/fix/refs/.s3compat_uploads/</Prefix></CommonPrefixes></"
         "ListBucketResult>"},
        {"GET /bkt?continuation-token=t%201&delimiter=%2F&list-type=2&prefix=pre%2Ffix%2Frefs%2F", "200 OK",
         NULL,
         "<ListBucketResult><CommonPrefixes><Prefix>pre/fix/refs/d/</Prefix></CommonPrefixes></"
         "ListBucketResult>"},
        {"GET /bkt?delimiter=%2F&list-type=2&prefix=pre%2Ffix%2Frefs%2Fd%2F", "200 OK", NULL,
         "<ListBucketResult><Contents>"},
        {"GET /bkt?delimiter=%2F&list-type=2&prefix=pre%2Ffix%2Frefs%2Fd%2F", "200 OK", NULL,
         "<ListBucketResult><Contents><Key>pre/fix/refs/d/e</Key><Size>7</Size></Contents></"
         "ListBucketResult>"}};
    struct fixture *f = begin(steps, 0);
    MLO_AUTOSTR struct mlo_str got;
    mlo_str_init(&got, 1000);
    check_ok(f->t.list(f->s, "refs", note_key, &got, &f->err), &f->err);
    check_str(got.ptr, "1 refs/a\n7 refs/d/e\n");
    end(f);
}

/* ---- opening ---- */

static char *const env[] = {(char *)(uintptr_t) "AWS_ACCESS_KEY_ID=AK",
                            (char *)(uintptr_t) "AWS_SECRET_ACCESS_KEY=s", NULL};

static int open_url(const char *url, struct mlo_s3_settings s3, char **ret_url, struct mlo_err *err)
{
    struct mlo_credentials_sources from = {.env = env};
    struct mlo_http_opts opts = {0};
    struct mlo_remote_opts o = {.s3 = s3};
    struct mlo_transport t;
    void *self = NULL;
    int rc = mlo_credentials_new(&from, &o.credentials, err);
    if (rc == 0)
        rc = mlo_http_new(&opts, &o.http, err);
    if (rc == 0)
        rc = mlo_s3_open(url, &o, &t, &self, ret_url, err);
    if (self)
        t.close(self);
    mlo_http_free(o.http);
    mlo_credentials_free(o.credentials);
    return rc;
}

static void addresses_have_one_spelling(void)
{
    static const struct {
        const char *url, *endpoint, *want;
    } cases[] = {
        {"s3://bkt", NULL, "s3://bkt"},
        {"s3://bkt/", NULL, "s3://bkt"},
        {"s3://bkt/a/b//", NULL, "s3://bkt/a/b"},
        {"s3://bkt/a", "https://s3.eu-west-1.amazonaws.com", "s3://bkt/a"},
        {"s3://bkt/a", "https://minio.example:9000/", "s3://bkt/a?endpoint=https://minio.example:9000"},
        {"s3://bkt", "https://x.supabase.co/storage/v1/s3",
         "s3://bkt?endpoint=https://x.supabase.co/storage/v1/s3"},
    };
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        char *got = NULL;
        if (check_ok(
                open_url(cases[i].url, (struct mlo_s3_settings){.endpoint = cases[i].endpoint}, &got, &err),
                &err))
            check_str(got, cases[i].want);
        free(got);
    }
}

static void addresses_that_are_none(void)
{
    static const char *const urls[] = {"s3://",      "s3:///a",      "s3://b/../c", "s3://b/a//c",
                                       "s3://b%20c", "s3://k:s@b/a", "s3://b?x=1"};
    for (size_t i = 0; i < MLO_COUNT(urls); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        char *got = NULL;
        check_err(open_url(urls[i], (struct mlo_s3_settings){0}, &got, &err), MLO_EUSAGE, &err, NULL);
    }
    struct mlo_err err = MLO_ERR_INIT;
    char *got = NULL;
    check_err(open_url("s3://b", (struct mlo_s3_settings){.endpoint = "ftp://x"}, &got, &err), MLO_EUSAGE,
              &err, "endpoint");
    check_err(open_url("s3://b", (struct mlo_s3_settings){.endpoint = "https://x/?a=b"}, &got, &err),
              MLO_EUSAGE, &err, "query");
    check_err(open_url("s3://b", (struct mlo_s3_settings){.region = "eu/west"}, &got, &err), MLO_EUSAGE, &err,
              "region");
}

static int opens_with_little_memory(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    char *url = NULL;
    int rc = open_url("s3://bkt/a", (struct mlo_s3_settings){.endpoint = "https://minio.example"}, &url,
                      &err);
    free(url);
    return rc;
}

static void memory_that_runs_out(void)
{
    check(each_alloc_failure(opens_with_little_memory) > 0);
}

int main(void)
{
    run(keys_are_spelled_byte_by_byte);
    run(a_bucket_may_stand_in_the_host_name);
    run(amazon_is_found_by_the_region);
    run(puts_and_gets);
    run(a_shorter_or_larger_object_is_none);
    run(head_that_is_refused_is_asked_by_get);
    run(a_folder_of_runpods_is_no_object);
    run(what_was_just_written_is_waited_for);
    run(a_region_that_is_told_is_taken_once);
    run(head_tells_the_region_by_a_header);
    run(a_region_in_capitals_is_tried_in_small_letters);
    run(the_servers_clock_counts);
    run(runpod_refuses_now_and_then);
    run(troubles_are_said);
    run(sends_parts);
    run(an_interrupted_upload_goes_on);
    run(a_full_place_keeps_no_parts);
    run(parts_grow_with_the_object);
    run(lists_level_by_level);
    run(addresses_have_one_spelling);
    run(addresses_that_are_none);
    run(memory_that_runs_out);
    return done_testing();
}

/* What servers say in headers, addresses, and failures in words. */
#include <string.h>

#include "../../src/net/internal.h"
#include "tap.h"

#define S MLO_NS_PER_S

/* ---- dates and waits ---- */

/* RFC 9110 section 5.6.7 gives these three for one moment. */
static void dates(void)
{
    static const char *const same[] = {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                                       "Sun Nov  6 08:49:37 1994"};
    static const char *const bad[] = {"",
                                      "now",
                                      "Sun, 06 Nov 1994 08:49:37",
                                      "Sun, 06 Nov 1994 08:49:37 CET",
                                      "Sun, 32 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 Foo 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 1994 24:49:37 GMT",
                                      "Sun, 06 Nov 1900 08:49:37 GMT",
                                      "Sun, 006 Nov 1994 08:49:37 GMT",
                                      "Sun Nov 6 08:49:37",
                                      "Sun Nov  6 08:49:37 3994",
                                      "1994-11-06T08:49:37Z"};
    int64_t ns = 0;
    for (size_t i = 0; i < MLO_COUNT(same); i++) {
        check(mlo_http_date(same[i], &ns), "%s", same[i]);
        check_int(ns / S, 784111777);
    }
    for (size_t i = 0; i < MLO_COUNT(bad); i++)
        check(!mlo_http_date(bad[i], &ns), "%s", bad[i]);
    check(mlo_http_date("Sat, 21 Nov 2026 09:07:00 GMT", &ns) && ns / S == 1795252020);
}

static void retry_after(void)
{
    int64_t wait = -1, now = 784111777 * S;
    check(mlo_retry_after("120", now, &wait) && wait == 120 * S);
    check(mlo_retry_after("0", now, &wait) && wait == 0);
    check(mlo_retry_after("Sun, 06 Nov 1994 08:50:37 GMT", now, &wait) && wait == 60 * S);
    check(mlo_retry_after("Sun, 06 Nov 1994 08:48:37 GMT", now, &wait) && wait == 0);
    check(mlo_retry_after("18446744073709551615", now, &wait) && wait > 0 && wait < INT64_MAX / 2);
    check(!mlo_retry_after("18446744073709551616", now, &wait));
    check(!mlo_retry_after("-5", now, &wait) && !mlo_retry_after("", now, &wait) &&
          !mlo_retry_after("5s", now, &wait));
}

static void rate_limits(void)
{
    static const struct {
        const char *text;
        int wait_s;
    } cases[] = {
        {"\"minute\";r=0;t=12, \"hour\";r=2800;t=1812, \"day\";r=49500;t=45012", 12},
        {"\"minute\";r=0;t=12, \"hour\";r=0;t=1812", 1812},
        {"\"hour\";r=0;t=1812,\"minute\";r=0;t=12", 1812},
        {"\"minute\";r=5;t=12", 0},
        {"\"minute\"; t=12; r=0", 12},
        {"\"a, b;r=0;t=9\";r=1;t=9", 0},
        {"\"x\";pk=\"r=0;t=9\";r=0;t=3", 3},
        {"\"x\";r=0", 0},
        {"\"x\";t=9", 0},
        {"\"x\";r=00;t=7", 7},
        {"default;r=0;t=4", 4},
        {"\"x\";r=0.5;t=9", 0},
        {"", 0},
        {",,,;;;", 0},
        {"\"open;r=0;t=5", 0},
        {"r=0;t=5", 0},
    };
    for (size_t i = 0; i < MLO_COUNT(cases); i++)
        if (!check_int(mlo_rate_limit_wait(cases[i].text) / S, cases[i].wait_s))
            printf("# %s\n", cases[i].text);
    check(mlo_rate_limit_wait("\"x\";r=0;t=18446744073709551615") > 0);
}

static void content_ranges(void)
{
    static const char *const bad[] = {
        "",       "bytes 0-9",     "bytes 9-0/10", "bytes 0-10/10", "bytes */10",
        "0-9/10", "bytes 0-9/10 ", "bytes 0-/10",  "bytes -9/10",   "bytes 0-99999999999999999999/*"};
    uint64_t first = 1, last = 1, total = 1;
    check(mlo_content_range("bytes 0-9/10", &first, &last, &total) && first == 0 && last == 9 && total == 10);
    check(mlo_content_range("Bytes 5-5/*", &first, &last, &total) && first == 5 && total == UINT64_MAX);
    for (size_t i = 0; i < MLO_COUNT(bad); i++)
        check(!mlo_content_range(bad[i], &first, &last, &total), "%s", bad[i]);
    check(!mlo_content_range(NULL, &first, &last, &total));
    check(mlo_content_range_unsatisfied("bytes */10", &total) && total == 10);
    check(!mlo_content_range_unsatisfied("bytes 0-9/10", &total) &&
          !mlo_content_range_unsatisfied(NULL, &total));
}

static void take(struct mlo_http_headers *h, const char *line)
{
    struct mlo_err err = MLO_ERR_INIT;
    check_ok(mlo_headers_take(h, line, strlen(line), &err), &err);
}

static void headers_are_kept(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_http_headers h;
    mlo_headers_init(&h);
    take(&h, "HTTP/1.1 103 Early Hints\r\n");
    take(&h, "Link: early\r\n");
    take(&h, "\r\n");
    check(!h.complete);
    take(&h, "HTTP/1.1 200\r\n");
    take(&h, "ETag:\"a\"\r\n");
    take(&h, "X-Empty:\r\n");
    take(&h, "X-Twice: 1\r\n");
    take(&h, "x-twice: \t 2 \t\r\n");
    take(&h, " folded: line\r\n");
    take(&h, "no colon\r\n");
    take(&h, ": no name\r\n");
    take(&h, "\r\n");
    check(h.complete && h.status == 200);
    take(&h, "X-Trailer: late\r\n");
    check_str(mlo_headers_get(&h, "etag"), "\"a\"");
    check_str(mlo_headers_get(&h, "X-Empty"), "");
    check_str(mlo_headers_get(&h, "X-TWICE"), "2");
    check(!mlo_headers_get(&h, "link") && !mlo_headers_get(&h, "x-trailer") &&
          !mlo_headers_get(&h, "folded"));
    mlo_str_release(&h.text);
    mlo_headers_init(&h);
    check_err(mlo_headers_take(&h, "HTTP/1.1 20\r\n", 13, &err), MLO_EREMOTE, &err, "no HTTP status");
    check_err(mlo_headers_take(&h, "HTTP/1.1 2000 x\r\n", 17, &err), MLO_EREMOTE, &err, "no HTTP status");
    mlo_str_release(&h.text);
}

/* ---- addresses ---- */

static void addresses(void)
{
    static const struct {
        const char *text, *scheme, *host, *port, *path, *query;
    } good[] = {
        {"https://Example.COM", "https", "example.com", NULL, "/", NULL},
        {"HTTPS://example.com:8443/a/b?c=d&e", "https", "example.com", "8443", "/a/b", "c=d&e"},
        {"http://127.0.0.1:80/?", "http", "127.0.0.1", "80", "/", ""},
        {"http://[::1]:5000/v2/", "http", "[::1]", "5000", "/v2/", NULL},
        {"https://h?q", "https", "h", NULL, "/", "q"},
        {"https://b_ucket.s3.amazonaws.com/k%20ey/../x", "https", "b_ucket.s3.amazonaws.com", NULL,
         "/k%20ey/../x", NULL},
    };
    static const char *const bad[] = {"",
                                      "example.com",
                                      "ftp://example.com/",
                                      "https://",
                                      "https:///path",
                                      "https://user:secret@example.com/",
                                      "https://user@example.com/",
                                      "https://example.com:0/",
                                      "https://example.com:65536/",
                                      "https://example.com:/",
                                      "https://example.com:80a/",
                                      "https://exa mple.com/",
                                      "https://example.com/a b",
                                      "https://example.com/a\nb",
                                      "https://example.com/\xc3\xa9",
                                      "https://ex\xc3\xa4mple.com/",
                                      "https://example.com/#part",
                                      "https://example.com\\@evil.com/",
                                      "https://[::1/",
                                      "https://[]/",
                                      "https://[v1.x]/",
                                      "https://.example.com/",
                                      "https://-example.com/",
                                      "https://exam%70le.com/"};
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_url u;
    for (size_t i = 0; i < MLO_COUNT(good); i++) {
        check_ok(mlo_url_parse(good[i].text, &u, &err), &err);
        check_str(u.scheme, good[i].scheme);
        check_str(u.host, good[i].host);
        check_str(u.port, good[i].port);
        check_str(u.path, good[i].path);
        check_str(u.query, good[i].query);
        mlo_url_release(&u);
    }
    for (size_t i = 0; i < MLO_COUNT(bad); i++) {
        check_err(mlo_url_parse(bad[i], &u, &err), MLO_EUSAGE, &err, "address");
        check(!strstr(err.msg, "secret"), "%s", err.msg);
    }
}

/* RFC 3986 section 5.4, with a base that this parser takes. */
static void references(void)
{
    static const struct {
        const char *ref, *want;
    } cases[] = {
        {"g", "http://a/b/c/g"},
        {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"},
        {"//g", "http://g"},
        {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},
        {"#s", "http://a/b/c/d;p?q"},
        {"g#s", "http://a/b/c/g"},
        {"g?y#s", "http://a/b/c/g?y"},
        {";x", "http://a/b/c/;x"},
        {"g;x", "http://a/b/c/g;x"},
        {"", "http://a/b/c/d;p?q"},
        {".", "http://a/b/c/"},
        {"./", "http://a/b/c/"},
        {"..", "http://a/b/"},
        {"../", "http://a/b/"},
        {"../g", "http://a/b/g"},
        {"../..", "http://a/"},
        {"../../", "http://a/"},
        {"../../g", "http://a/g"},
        {"../../../g", "http://a/g"},
        {"../../../../g", "http://a/g"},
        {"/./g", "http://a/g"},
        {"/../g", "http://a/g"},
        {"g.", "http://a/b/c/g."},
        {".g", "http://a/b/c/.g"},
        {"g..", "http://a/b/c/g.."},
        {"..g", "http://a/b/c/..g"},
        {"./../g", "http://a/b/g"},
        {"./g/.", "http://a/b/c/g/"},
        {"g/./h", "http://a/b/c/g/h"},
        {"g/../h", "http://a/b/c/h"},
        {"g;x=1/./y", "http://a/b/c/g;x=1/y"},
        {"g;x=1/../y", "http://a/b/c/y"},
        {"g?y/./x", "http://a/b/c/g?y/./x"},
        {"g?y/../x", "http://a/b/c/g?y/../x"},
        {"https://h/x", "https://h/x"},
        {"a b\xc3\xa9", "http://a/b/c/a%20b%C3%A9"},
    };
    struct mlo_err err = MLO_ERR_INIT;
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        MLO_AUTOFREE char *got = NULL;
        check_ok(mlo_url_resolve("http://a/b/c/d;p?q", cases[i].ref, &got, &err), &err);
        check_str(got, cases[i].want);
    }
    MLO_AUTOFREE char *got = NULL;
    check_ok(mlo_url_resolve("https://h:8443", "x", &got, &err), &err);
    check_str(got, "https://h:8443/x");
    check_err(mlo_url_resolve("http://a/", "mailto:x", &got, &err), MLO_EUSAGE, &err, "http");
}

static void encodes(void)
{
    MLO_AUTOSTR struct mlo_str s;
    mlo_str_init(&s, 1000);
    mlo_url_encode(&s, "a/b c~d-_.\xc3\xa9+&=", strlen("a/b c~d-_.xx+&="), true);
    mlo_str_addc(&s, ' ');
    mlo_url_encode(&s, "a/b\0c", 5, false);
    check_str(s.ptr, "a/b%20c~d-_.%C3%A9%2B%26%3D a%2Fb%00c");
}

/* ---- failures ---- */

static int fail_with(int status, const char *headers, const char *body, struct mlo_err *err)
{
    struct mlo_http_headers h;
    struct mlo_http_response r = {.status = status, .host = "h.example", .headers = &h};
    mlo_headers_init(&h);
    take(&h, "HTTP/1.1 200 OK");
    if (*headers)
        take(&h, headers);
    r.body = (char *)(uintptr_t)body;
    r.n = body ? strlen(body) : 0;
    int rc = mlo_http_fail(&r, err);
    mlo_str_release(&h.text);
    return rc;
}

static void failures_in_words(void)
{
    static const struct {
        int status;
        const char *headers, *body, *want;
    } cases[] = {
        {404, "", "", "'h.example' answered 404 Not Found"},
        {404, "", NULL, "'h.example' answered 404 Not Found"},
        {599, "", "", "'h.example' answered 599"},
        {422, "x-request-id: abc-1", /* RFC 9457, as RunPod has it */
         "{\"title\":\"Unprocessable Entity\",\"status\":422,\"detail\":\"Request validation failed.\","
         "\"errors\":[\"$: missing property 'name'\",\"$: more\"]}",
         "'h.example' answered 422 Unprocessable Content: Unprocessable Entity: Request validation failed.: "
         "$: missing property 'name': $: more (request id abc-1)"},
        {403, "x-amz-request-id: 4442587FB7D0A2F9",
         "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>SignatureDoesNotMatch</Code><Message>The "
         "key &amp; "
         "signature &lt;differ&gt;.</Message><StringToSign>AWS4</StringToSign></Error>",
         "'h.example' answered 403 Forbidden: SignatureDoesNotMatch: The key & signature <differ>. "
         "(request id 4442587FB7D0A2F9)"},
        {401, "",
         "{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"authentication required\",\"detail\":[]}]}",
         "'h.example' answered 401 Unauthorized: UNAUTHORIZED: authentication required"},
        {500, "", "  plain\n\ttext \n", "'h.example' answered 500 Internal Server Error: plain text"},
        {502, "", "<html><head><TITLE>502 Bad Gateway</TITLE></head><body>much</body></html>",
         "'h.example' answered 502 Bad Gateway: 502 Bad Gateway"},
        {400, "", "{\"message\":\"no such thing\"}", "'h.example' answered 400 Bad Request: no such thing"},
        {400, "", "{broken", "'h.example' answered 400 Bad Request: {broken"},
        {400, "", "{\"unknown\":1}", "'h.example' answered 400 Bad Request: {\"unknown\":1}"},
        {400, "", "<Error><Code>Half", "'h.example' answered 400 Bad Request"},
        {400, "", "bell\a\x1b[31mred", "'h.example' answered 400 Bad Request: bell\\x07\\x1B[31mred"},
    };
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        fail_with(cases[i].status, cases[i].headers, cases[i].body, &err);
        check_str(err.msg, cases[i].want);
    }
}

static void failures_have_codes_and_hints(void)
{
    static const struct {
        int status, code;
        const char *hint;
    } cases[] = {{400, MLO_EUSAGE, ""},         {401, MLO_EREMOTE, "credentials"},
                 {403, MLO_EREMOTE, "may not"}, {404, MLO_ENOTFOUND, ""},
                 {409, MLO_ECONFLICT, ""},      {410, MLO_EREMOTE, "newer version"},
                 {412, MLO_ECONFLICT, ""},      {422, MLO_EUSAGE, ""},
                 {429, MLO_EREMOTE, "wait"},    {500, MLO_EREMOTE, "later"},
                 {507, MLO_EREMOTE, "full"},    {304, MLO_EREMOTE, ""}};
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        check_int(fail_with(cases[i].status, "", "", &err), cases[i].code);
        check(cases[i].hint[0] ? strstr(err.hint, cases[i].hint) != NULL : !err.hint[0], "%d: '%s'",
              cases[i].status, err.hint);
    }
    struct mlo_err err = MLO_ERR_INIT;
    fail_with(403, "", "error code: 1010", &err);
    check(strstr(err.hint, "User-Agent") != NULL);
}

static void failures_keep_secrets_and_stay_short(void)
{
    static char body[60000];
    struct mlo_err err = MLO_ERR_INIT;
    fail_with(403, "", "bad key AKIAIOSFODNN7EXAMPLE, token=abcdef0123456789", &err);
    check(!strstr(err.msg, "AKIAIOSFODNN7EXAMPLE") && !strstr(err.msg, "abcdef0123456789"), "%s", err.msg);
    memset(body, 'x', sizeof body - 1);
    fail_with(503, "x-request-id: the-id", body, &err);
    check(strlen(err.msg) < 600 && strstr(err.msg, "...") && strstr(err.msg, "(request id the-id)"), "%s",
          err.msg);
}

static int fail_in_each_form(void)
{
    static const char *const bodies[] = {"{\"title\":\"a\",\"errors\":[\"b\"]}",
                                         "<Error><Code>a</Code></Error>", "text"};
    for (size_t i = 0; i < MLO_COUNT(bodies); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        struct mlo_http_response r = {.status = 403, .host = "h", .body = (char *)(uintptr_t)bodies[i]};
        r.n = strlen(bodies[i]);
        if (mlo_http_fail(&r, &err) != MLO_EREMOTE)
            return err.code;
    }
    return 0;
}

static void failures_need_no_memory(void)
{
    each_alloc_failure(fail_in_each_form);
}

int main(void)
{
    run(dates);
    run(retry_after);
    run(rate_limits);
    run(content_ranges);
    run(headers_are_kept);
    run(addresses);
    run(references);
    run(encodes);
    run(failures_in_words);
    run(failures_have_codes_and_hints);
    run(failures_keep_secrets_and_stay_short);
    run(failures_need_no_memory);
    return done_testing();
}

/*
 * Signature V4 against what others published: AWS's own suite ("aws-sig-v4-test-suite", get-vanilla), the
 * worked examples of the S3 API Reference ("Authenticating Requests: Using the Authorization Header"), and
 * requests that botocore signed (sigv4_cases.txt, made by tests/tools/make-sigv4-cases.py).
 */
#include <stdio.h>
#include <string.h>

#include "net_help.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void signs(const struct mlo_sigv4 *k, const char *method, const char *path, const char *query,
                  const char *const *headers, const char *payload, const char *time, const char *signature)
{
    struct mlo_err err = MLO_ERR_INIT;
    int64_t ns = 0;
    MLO_AUTOSTR struct mlo_str out;
    mlo_str_init(&out, 1 << 16);
    check_ok(mlo_time_parse(time, &ns, &err), &err);
    check_ok(mlo_sigv4(k, method, path, query, headers, payload, ns, &out, &err), &err);
    const char *got = strstr(out.ptr, "Signature=");
    check_str(got ? got + 10 : out.ptr, signature);
}

static void vanilla(void)
{
    static const struct mlo_sigv4 k = {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", NULL,
                                       "us-east-1", "service"};
    static const char *const headers[] = {"host", "example.amazonaws.com", "x-amz-date", "20150830T123600Z",
                                          NULL};
    signs(&k, "GET", "/", NULL, headers, EMPTY, "2015-08-30T12:36:00Z",
          "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}

static const struct mlo_sigv4 s3 = {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", NULL,
                                    "us-east-1", "s3"};
#define S3_TIME "2013-05-24T00:00:00Z"

static void s3_get_of_a_range(void)
{
    static const char *const headers[] = {"host",
                                          "examplebucket.s3.amazonaws.com",
                                          "range",
                                          "bytes=0-9",
                                          "x-amz-content-sha256",
                                          EMPTY,
                                          "x-amz-date",
                                          "20130524T000000Z",
                                          NULL};
    signs(&s3, "GET", "/test.txt", NULL, headers, EMPTY, S3_TIME,
          "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

static void s3_put(void)
{
    static const char hash[] = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
    static const char *const headers[] = {"x-amz-storage-class",
                                          "REDUCED_REDUNDANCY",
                                          "x-amz-content-sha256",
                                          hash,
                                          "host",
                                          "examplebucket.s3.amazonaws.com",
                                          "x-amz-date",
                                          "20130524T000000Z",
                                          "date",
                                          "Fri, 24 May 2013 00:00:00 GMT",
                                          NULL};
    signs(&s3, "PUT", "/test%24file.text", NULL, headers, hash, S3_TIME,
          "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

static void s3_get_of_a_subresource(void)
{
    static const char *const headers[] = {"host",
                                          "examplebucket.s3.amazonaws.com",
                                          "x-amz-content-sha256",
                                          EMPTY,
                                          "x-amz-date",
                                          "20130524T000000Z",
                                          NULL};
    signs(&s3, "GET", "/", "lifecycle", headers, EMPTY, S3_TIME,
          "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    signs(&s3, "GET", "/", "max-keys=2&prefix=J", headers, EMPTY, S3_TIME,
          "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
    signs(&s3, "GET", "/", "prefix=J&max-keys=2", headers, EMPTY, S3_TIME,
          "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

/* ---- botocore's ---- */

#define FIELDS_MAX 40

static size_t split(char *line, char *fields[static FIELDS_MAX + 1])
{
    size_t n = 0;
    line[strcspn(line, "\n")] = '\0';
    for (char *p = line; p && n < FIELDS_MAX; n++) {
        fields[n] = p;
        p = strchr(p, '\t');
        if (p)
            *p++ = '\0';
    }
    fields[n] = NULL;
    return n;
}

/* "20150830T123600Z" -> "2015-08-30T12:36:00Z" */
static void spread_time(const char *s, char out[32])
{
    snprintf(out, 32, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", s, s + 4, s + 6, s + 9, s + 11, s + 13);
}

static void as_botocore_signs(void)
{
    static const char path[] = "tests/unit/sigv4_cases.txt";
    FILE *f = fopen(path, "r");
    char line[8192], *field[FIELDS_MAX + 1], time[32];
    unsigned n = 0;
    if (!check(f != NULL, "%s", path))
        return;
    while (fgets(line, sizeof line, f)) {
        if (!check(split(line, field) >= 14))
            break;
        const struct mlo_sigv4 k = {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                                    strcmp(field[4], "-") ? field[4] : NULL, field[3], "s3"};
        spread_time(field[6], time);
        signs(&k, field[0], field[1], strcmp(field[2], "-") ? field[2] : NULL, (const char *const *)field + 8,
              field[5], time, field[7]);
        n++;
    }
    fclose(f);
    check_int(n, 100);
}

/* ---- on an attempt ---- */

static char authorization[1024], host[256], date[64], payload[128];
static int sign_attempt(void *ctx, struct mlo_http_attempt *a, struct mlo_err *err)
{
    a->time_ns = 1369353600 * MLO_NS_PER_S; /* 2013-05-24 */
    return mlo_sigv4_sign(ctx, a, EMPTY, err);
}

static void keep(struct http_exchange *x)
{
    http_header_of(x, "Authorization", authorization, sizeof authorization);
    http_header_of(x, "Host", host, sizeof host);
    http_header_of(x, "x-amz-date", date, sizeof date);
    http_header_of(x, "x-amz-content-sha256", payload, sizeof payload);
    http_answer(x, "200 OK", "", "");
}

/* What arrives is what was signed: the same function over what the server saw gives the same value. */
static void what_arrives_is_what_was_signed(void)
{
    static const char *const headers[] = {"X-Amz-Meta-Kind", "a  b", "Content-Type", "text/plain", NULL};
    const struct mlo_sigv4 k = {"AKIAIOSFODNN7EXAMPLE", "secret", "token", "us-east-1", "s3"};
    struct net_test n = net_begin(keep, NULL);
    struct mlo_http_request req = {
        .method = "GET", .headers = headers, .sign = sign_attempt, .sign_ctx = (void *)(uintptr_t)&k};
    check_ok(net_do(&n, "/a%20b/../c?x=1&b", req), &n.err);
    const char *const seen[] = {"host",
                                host,
                                "x-amz-date",
                                date,
                                "x-amz-content-sha256",
                                payload,
                                "x-amz-meta-kind",
                                "a  b",
                                "x-amz-security-token",
                                "token",
                                NULL};
    MLO_AUTOSTR struct mlo_str want;
    mlo_str_init(&want, 4096);
    check_ok(
        mlo_sigv4(&k, "GET", "/a%20b/../c", "x=1&b", seen, EMPTY, 1369353600 * MLO_NS_PER_S, &want, &n.err),
        &n.err);
    check_str(authorization, want.ptr);
    check_str(date, "20130524T000000Z");
    check(strstr(host, "127.0.0.1:") == host);
    check(!strstr(authorization, "secret"));
    net_end(&n);
}

static int sign_once(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    static const char *const headers[] = {"host", "h", "x-amz-date", "20130524T000000Z", NULL};
    MLO_AUTOSTR struct mlo_str out;
    mlo_str_init(&out, 4096);
    return mlo_sigv4(&s3, "GET", "/", "a=b", headers, EMPTY, 0, &out, &err);
}

static void survives_allocation_failures(void)
{
    check(each_alloc_failure(sign_once) > 4);
}

int main(void)
{
    run(vanilla);
    run(s3_get_of_a_range);
    run(s3_put);
    run(s3_get_of_a_subresource);
    run(as_botocore_signs);
    run(what_arrives_is_what_was_signed);
    run(survives_allocation_failures);
    return done_testing();
}

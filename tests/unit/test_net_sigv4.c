/*
 * Signature V4 against what others published: AWS's own suite ("aws-sig-v4-test-suite", get-vanilla) and the
 * worked examples of the S3 API Reference ("Authenticating Requests: Using the Authorization Header").
 */
#include <string.h>

#include <mlopsctl/base/time.h>
#include <mlopsctl/net.h>

#include "tap.h"

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

int main(void)
{
    run(vanilla);
    run(s3_get_of_a_range);
    run(s3_put);
    run(s3_get_of_a_subresource);
    return done_testing();
}

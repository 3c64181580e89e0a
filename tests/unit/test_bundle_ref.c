#include <string.h>

#include <mlopsctl/bundle.h>

#include "tap.h"

#define HEX "9c54a301d1883c1238adad7212e1c8b7a0ee5a828aa7b9a5fc5c4b58af05fe54"

static void a_name_alone_means_latest(void)
{
    struct mlo_ref r;
    struct mlo_err err = MLO_ERR_INIT;
    if (!check_ok(mlo_ref_parse("credit", &r, &err), &err))
        return;
    char buf[MLO_REF_TEXT];
    check_str(r.name, "credit");
    check_str(r.tag, "latest");
    check(!r.has_tag && !r.has_digest);
    check_str(mlo_ref_text(&r, buf), "credit:latest");
}

static void a_full_reference_has_all_three_parts(void)
{
    struct mlo_ref r;
    struct mlo_err err = MLO_ERR_INIT;
    if (!check_ok(mlo_ref_parse("team/credit-risk_v2.x:1.4.0-RC_1@sha256:" HEX, &r, &err), &err))
        return;
    char hex[MLO_DIGEST_HEX + 1];
    check_str(r.name, "team/credit-risk_v2.x");
    check_str(r.tag, "1.4.0-RC_1");
    check(r.has_tag && r.has_digest);
    check_str(mlo_digest_hex(&r.digest, hex), HEX);
}

static void a_digest_may_follow_the_name(void)
{
    struct mlo_ref r;
    struct mlo_err err = MLO_ERR_INIT;
    check_ok(mlo_ref_parse("m@sha256:" HEX, &r, &err), &err);
    check(r.has_digest && !r.has_tag);
}

static void malformed_references_are_refused(void)
{
    static const char *const bad[] = {
        "",
        ":1",
        "@sha256:" HEX,
        "Credit",
        "a//b",
        "/a",
        "a/",
        "a..b",
        "a.",
        "-a",
        "a-",
        "a_-b",
        "a b",
        "a\x1b[",
        "m:",
        "m:-1",
        "m:.x",
        "m:a b",
        "m:a/b",
        "m:a:b",
        "m@",
        "m@sha1:00",
        "m@sha256:00",
        "m@sha256:" HEX "0",
        "m:1@sha256:" HEX "@x",
        "../m",
        "m\xc3\xa9",
    };
    for (size_t i = 0; i < MLO_COUNT(bad); i++) {
        struct mlo_ref r;
        struct mlo_err err = MLO_ERR_INIT;
        int rc = mlo_ref_parse(bad[i], &r, &err);
        check(rc == MLO_EUSAGE, "\"%s\" gave %d", bad[i], rc);
        check(strchr(err.msg, '\x1b') == NULL, "escape byte printed");
    }
}

static void lengths_end_at_128_bytes(void)
{
    char text[300];
    struct mlo_ref r;
    struct mlo_err err = MLO_ERR_INIT;
    memset(text, 'a', sizeof(text));
    text[128] = ':';
    text[128 + 1 + 128] = '\0';
    check_ok(mlo_ref_parse(text, &r, &err), &err);
    check_int(strlen(r.name), 128);
    check_int(strlen(r.tag), 128);
    char buf[MLO_REF_TEXT];
    check_str(mlo_ref_text(&r, buf), text);
    text[128] = 'a';
    text[129] = '\0';
    check_err(mlo_ref_parse(text, &r, &err), MLO_EUSAGE, &err, "longer than 128");
    memset(text, 'a', sizeof(text));
    text[1] = ':';
    text[2 + 129] = '\0';
    check_err(mlo_ref_parse(text, &r, &err), MLO_EUSAGE, &err, "longer than 128");
}

static void a_failure_leaves_the_result_alone(void)
{
    struct mlo_ref r;
    memset(&r, 0x5a, sizeof(r));
    struct mlo_err err = MLO_ERR_INIT;
    check_err(mlo_ref_parse("m:1@x", &r, &err), MLO_EUSAGE, &err, "sha256");
    check(r.name[0] == 0x5a);
}

int main(void)
{
    run(a_name_alone_means_latest);
    run(a_full_reference_has_all_three_parts);
    run(a_digest_may_follow_the_name);
    run(malformed_references_are_refused);
    run(lengths_end_at_128_bytes);
    run(a_failure_leaves_the_result_alone);
    return done_testing();
}

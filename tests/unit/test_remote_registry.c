/* What registries and token servers say, read strictly; names of repositories; the table of quirks. */
#include <string.h>

#include "../../src/remote/registry/registry.h"
#include "tap.h"

/* ---- challenges (RFC 9110 section 11.6.1) ---- */

static void challenge_is(const char *text, enum mlo_auth_scheme scheme, const char *realm,
                         const char *service, const char *scope)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_challenge c = {0};
    if (!check_ok(mlo_challenge_parse(text, &c, &err), &err))
        return;
    check(c.scheme == scheme, "scheme of '%s'", text);
    check_str(c.realm ? c.realm : "-", realm);
    check_str(c.service ? c.service : "-", service);
    check_str(c.scope ? c.scope : "-", scope);
    mlo_challenge_release(&c);
}

static void challenges_are_read(void)
{
    challenge_is("Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\","
                 "scope=\"repository:library/x:pull\"",
                 MLO_AUTH_BEARER, "https://auth.docker.io/token", "registry.docker.io",
                 "repository:library/x:pull");
    challenge_is("Basic realm=\"Registry Realm\"", MLO_AUTH_BASIC, "Registry Realm", "-", "-");
    challenge_is("bEARER REALM=https , Scope = \"a,b\"", MLO_AUTH_BEARER, "https", "-", "a,b");
    challenge_is("Basic", MLO_AUTH_BASIC, "-", "-", "-");
    /* The example of section 11.6.1: several challenges in one value. */
    challenge_is("Basic realm=\"simple\", Newauth realm=\"apps\", type=1, title=\"Login to \\\"apps\\\"\"",
                 MLO_AUTH_BASIC, "simple", "-", "-");
    challenge_is("Newauth realm=\"apps\", type=1, title=\"Login to \\\"apps\\\"\", Bearer realm=\"r\", "
                 "Basic realm=\"b\"",
                 MLO_AUTH_BEARER, "r", "-", "-");
    challenge_is("Negotiate abc/def==, ,, Basic realm=\"x, y\"", MLO_AUTH_BASIC, "x, y", "-", "-");
    challenge_is("Negotiate, Bearer realm=\"q\\\\\\\"q\",realm=\"second\"", MLO_AUTH_BEARER, "q\\\"q", "-",
                 "-");
    challenge_is("Bearer service=\"no realm\", Basic realm=\"b\"", MLO_AUTH_BASIC, "b", "-", "-");
}

static void broken_challenges_are_refused(void)
{
    static const char *const bad[] = {
        "",
        "Negotiate",
        "Digest realm=\"x\", nonce=\"y\"",
        "Bearer realm=\"no end",
        "Bearer realm=\"\\",
        "=x",
        "Bearer realm=\"x\" \"y\"",
        "Bearer",
        "\x01",
        "Basic realm=\"a\", (x)",
    };
    for (size_t i = 0; i < MLO_COUNT(bad); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        struct mlo_challenge c = {0};
        check(mlo_challenge_parse(bad[i], &c, &err) < 0, "case %zu", i);
        check(!c.realm && !c.service && !c.scope, "nothing is left, case %zu", i);
    }
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_challenge c = {0};
    static char long_text[20000];
    memset(long_text, 'a', sizeof long_text - 1);
    check_err(mlo_challenge_parse(long_text, &c, &err), MLO_EREMOTE, &err, "longer");
    memcpy(long_text, "Bearer realm=\"", 14);
    long_text[6000] = '\0';
    check(mlo_challenge_parse(long_text, &c, &err) < 0, "a value of 6 KB");
}

static int parse_challenge_once(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_challenge c = {0};
    int rc = mlo_challenge_parse("Basic realm=\"a\", Bearer realm=\"b\", service=\"s\", scope=\"c\"", &c,
                                 &err);
    mlo_challenge_release(&c);
    return rc;
}

/* ---- tokens ---- */

static void tokens_are_read(void)
{
    static const struct {
        const char *text, *token;
        uint64_t seconds;
    } good[] = {
        {"{\"token\":\"abc\"}", "abc", 60},
        {"{\"access_token\":\"abc\",\"expires_in\":300}", "abc", 300},
        {"{\"token\":\"abc\",\"access_token\":\"def\",\"expires_in\":\"soon\"}", "abc", 60},
        {"{\"token\":\"\",\"access_token\":\"def\",\"expires_in\":1e12}", "def", 86400},
    };
    for (size_t i = 0; i < MLO_COUNT(good); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        char *token = NULL;
        uint64_t seconds = 0;
        if (!check_ok(mlo_token_parse(good[i].text, strlen(good[i].text), &token, &seconds, &err), &err))
            continue;
        check_str(token, good[i].token);
        check_int(seconds, good[i].seconds);
        mlo_secret_free(token);
    }
}

static void answers_without_a_token_are_refused(void)
{
    static const char *const bad[] = {"",
                                      "{}",
                                      "[]",
                                      "{\"token\":1}",
                                      "{\"token\":\"a b\"}",
                                      "{\"token\":\"a\\r\\nb: c\"}",
                                      "{\"token\":\"\"}",
                                      "<html>",
                                      "\"token\""};
    for (size_t i = 0; i < MLO_COUNT(bad); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        char *token = NULL;
        uint64_t seconds = 0;
        check(mlo_token_parse(bad[i], strlen(bad[i]), &token, &seconds, &err) == MLO_EREMOTE && !token,
              "case %zu", i);
    }
}

static int parse_token_once(void)
{
    static const char text[] = "{\"token\":\"abc\",\"expires_in\":300}";
    struct mlo_err err = MLO_ERR_INIT;
    char *token = NULL;
    uint64_t seconds = 0;
    int rc = mlo_token_parse(text, strlen(text), &token, &seconds, &err);
    mlo_secret_free(token);
    /* cJSON has its own allocator and says only that there is no JSON */
    return rc == MLO_EREMOTE ? MLO_EIO : rc;
}

static void memory_failure_is_an_ordinary_error(void)
{
    check(each_alloc_failure(parse_challenge_once) >= 3, "allocations were failed");
    check(each_alloc_failure(parse_token_once) >= 1, "allocations were failed");
}

/* ---- Link, Range ---- */

static void link_is(const char *text, const char *want)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOFREE char *got = NULL;
    int rc = mlo_link_next(text, &got, &err);
    check(want ? rc == 0 : rc == MLO_ENOTFOUND, "'%s': code %d", text, rc);
    check_str(got ? got : "-", want ? want : "-");
}

static void the_next_page_is_found(void)
{
    link_is("</v2/x/tags/list?n=2&last=b>; rel=\"next\"", "/v2/x/tags/list?n=2&last=b");
    link_is("<a>; rel=prev, <b,c>;rel=next", "b,c");
    link_is("<a>; title=\"x, rel=next\"; rel=\"first\", <b>; REL=\"last next\"", "b");
    link_is("<a>", NULL);
    link_is("", NULL);
    link_is("<a; rel=next", NULL);
    link_is("<a>; rel=\"nextish\"", NULL);
}

static void ranges_of_uploads_are_read(void)
{
    uint64_t n = 7;
    check(mlo_upload_range("0-1023", &n) && n == 1024, "plain");
    check(mlo_upload_range("bytes=0-0", &n) && n == 1, "with the unit");
    check(!mlo_upload_range("5-9", &n) && !mlo_upload_range("0-", &n) && !mlo_upload_range("0--1", &n) &&
              !mlo_upload_range("0-99999999999999999999", &n) && !mlo_upload_range("", &n) && n == 1,
          "others are not");
}

/* ---- names ---- */

static void repositories_are_told_from_others(void)
{
    static const char *const good[] = {"a", "a/b", "a.b_c__d-e--f/0", "library/x", "a---b"};
    static const char *const bad[] = {"",     "/a",  "a/",  "a//b", "A",    "a..b", "a___b",
                                      "a_-b", "-a",  "a-",  "a.",   "a/.b", "../a", "a:b",
                                      "a@b",  "a b", "a__", "_a",   "a._b"};
    for (size_t i = 0; i < MLO_COUNT(good); i++)
        check(mlo_repository_valid(good[i]), "'%s'", good[i]);
    for (size_t i = 0; i < MLO_COUNT(bad); i++)
        check(!mlo_repository_valid(bad[i]), "'%s'", bad[i]);
}

static void repository_is(const char *path, const char *name, const char *want)
{
    char host[] = "h", copy[512], got[MLO_REPOSITORY_MAX] = "-";
    struct mlo_registry g = {.host = host, .path = copy};
    struct mlo_err err = MLO_ERR_INIT;
    snprintf(copy, sizeof copy, "%s", path);
    int rc = mlo_registry_repository(&g, name, got, &err);
    check(want ? rc == 0 : rc == MLO_EUSAGE, "code %d", rc);
    check_str(got, want ? want : "-");
}

static void the_name_follows_the_path_or_ends_it(void)
{
    char text[129];
    repository_is("team", "credit", "team/credit");
    repository_is("team/credit", "credit", "team/credit");
    repository_is("", "credit", "credit");
    repository_is("team/mycredit", "credit", "team/mycredit/credit");
    repository_is("a/b/c", "b/c", "a/b/c");
    repository_is("b/c", "b/c", "b/c");
    repository_is("c", "b/c", "c/b/c");
    memset(text, 'a', 128);
    text[128] = '\0';
    repository_is(text, text, text);
    char longer[300];
    snprintf(longer, sizeof longer, "%s/%s", text, "b");
    repository_is(longer, text, NULL);
}

static void scopes_are_made(void)
{
    char scope[MLO_SCOPE_MAX];
    mlo_registry_scope(scope, "a/b", MLO_ACCESS_PUSH);
    check_str(scope, "repository:a/b:pull,push");
}

static void quirks_are_found_by_host(void)
{
    const struct mlo_registry_quirks *others = mlo_registry_quirks("example.org");
    check(!others->host && others->whole_max == (uint64_t)500 << 20, "the usual");
    check(mlo_registry_quirks("ghcr.io:443")->whole_max == UINT64_MAX, "by name, with port");
    check_str(mlo_registry_quirks("docker.io")->api, "registry-1.docker.io");
    check(mlo_registry_quirks("europe-docker.pkg.dev")->whole_max == UINT64_MAX, "by its end");
    check(mlo_registry_quirks("1.dkr.ecr.eu-west-1.amazonaws.com")->whole_max == UINT64_MAX, "by its end");
    check(mlo_registry_quirks("notghcr.io") == others && mlo_registry_quirks("ghcr.io.evil.org") == others,
          "not by a part");
}

/* ---- addresses ---- */

static int open_url(const char *url, char *ret, size_t n, struct mlo_err *err)
{
    struct mlo_remote_opts o = {.http = (struct mlo_http *)ret /* not used before the first request */};
    struct mlo_remote *r = NULL;
    int rc = mlo_registry_open(url, &o, &r, err);
    if (rc == 0)
        snprintf(ret, n, "%s", mlo_remote_url(r));
    mlo_remote_close(r);
    return rc;
}

static void addresses_are_read(void)
{
    static const struct {
        const char *url, *canonical;
    } good[] = {{"oci://ghcr.io/team", "oci://ghcr.io/team"},
                {"oci://localhost:5000", "oci://localhost:5000"},
                {"oci://localhost:5000//", "oci://localhost:5000"},
                {"oci://[::1]:5000/a/b/", "oci://[::1]:5000/a/b"}};
    static const char *const bad[] = {
        "oci://",      "oci:///a",    "oci://u:p@h/a",    "oci://h/a:1", "oci://h/a@sha256:00",
        "oci://h/A",   "oci://h:/a",  "oci://h:123456/a", "oci://h:x/a", "oci://h h/a",
        "oci://h/a?b", "oci://[::1/a"};
    char got[300];
    for (size_t i = 0; i < MLO_COUNT(good); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        check_ok(open_url(good[i].url, got, sizeof got, &err), &err);
        check_str(got, good[i].canonical);
    }
    for (size_t i = 0; i < MLO_COUNT(bad); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        int rc = open_url(bad[i], got, sizeof got, &err);
        check(rc == MLO_EUSAGE && *err.hint, "'%s': code %d", bad[i], rc);
    }
}

static int open_once(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    char got[300];
    return open_url("oci://ghcr.io/team", got, sizeof got, &err);
}

static void opening_survives_memory_failure(void)
{
    check(each_alloc_failure(open_once) >= 3, "allocations were failed");
}

/* ---- what this machine has seen ---- */

static void held_blobs_are_remembered(void)
{
    const char *home = tap_tmpdir();
    struct mlo_digest d = {.b = {1}}, e = {.b = {2}};
    char host[] = "h:1";
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_registry g = {.host = host}, again = {.host = host};
    check_ok(mlo_held_load(&g, home, &err), &err);
    check(!mlo_held_elsewhere(&g, "a/b", &d), "nothing is known");
    check_ok(mlo_held_note(&g, "a/b", &d, &err), &err);
    check_ok(mlo_held_note(&g, "a/b", &e, &err), &err);
    check_ok(mlo_held_note(&g, "a/c", &e, &err), &err);
    check_ok(mlo_held_save(&g, home, &err), &err);
    check_ok(mlo_held_load(&again, home, &err), &err);
    check_str(mlo_held_elsewhere(&again, "a/c", &d), "a/b");
    check_str(mlo_held_elsewhere(&again, "a/b", &e), "a/c");
    check(!mlo_held_elsewhere(&again, "a/b", &d), "here is not elsewhere");
    mlo_held_free(g.held);
    mlo_held_free(again.held);
}

int main(void)
{
    run(challenges_are_read);
    run(broken_challenges_are_refused);
    run(tokens_are_read);
    run(answers_without_a_token_are_refused);
    run(memory_failure_is_an_ordinary_error);
    run(the_next_page_is_found);
    run(ranges_of_uploads_are_read);
    run(repositories_are_told_from_others);
    run(the_name_follows_the_path_or_ends_it);
    run(scopes_are_made);
    run(quirks_are_found_by_host);
    run(addresses_are_read);
    run(opening_survives_memory_failure);
    run(held_blobs_are_remembered);
    return done_testing();
}

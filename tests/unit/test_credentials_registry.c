/* Logins of registries: the files of docker and podman, and programs that keep passwords. */
#include <signal.h>

#include "credentials_help.h"

static struct mlo_login login;

static int ask_for(const char *host)
{
    login = (struct mlo_login){0};
    return mlo_credentials_registry(ask(), host, &login, &err);
}

static const char *or_none(const char *s)
{
    return s ? s : "(none)";
}

static void nothing_at_all_is_no_failure(void)
{
    new_user();
    check_ok(ask_for("ghcr.io"), &err);
    check(!login.user && !login.password && !login.identity_token);
    put(".docker/config.json", "{}", 0600);
    check_ok(ask_for("ghcr.io"), &err);
    check(!login.user && !login.password);
}

static void the_files_are_asked_in_the_order_of_the_page(void)
{
    new_user();
    set("XDG_RUNTIME_DIR", home_path("run"));
    put("run/containers/auth.json", "{\"auths\":{\"h:5000\":{\"auth\":\"cDpw\"}}}", 0600); /* p:p */
    check_ok(ask_for("h:5000"), &err);
    check_str(or_none(login.user), "p");
    put(".docker/config.json", "{\"auths\":{\"h:5000\":{\"auth\":\"ZDpkOmQ=\"}}}", 0600); /* d:d:d */
    check_ok(ask_for("h:5000"), &err);
    check_str(or_none(login.user), "d");
    check_str(or_none(login.password), "d:d");
    check_str(or_none(login.origin), home_path(".docker/config.json"));
    set("DOCKER_CONFIG", home_path("other"));
    put("other/config.json", "{\"auths\":{\"h:5000\":{\"username\":\"o\",\"password\":\"\\u006f\\\"w\"}}}",
        0600);
    check_ok(ask_for("h:5000"), &err);
    check_str(or_none(login.user), "o");
    check_str(or_none(login.password), "o\"w");
    set("REGISTRY_AUTH_FILE", home_path("auth"));
    put("auth", "{\"auths\":{\"h:5000\":{\"auth\":\"cjpy\"}}}", 0600); /* r:r */
    check_ok(ask_for("h:5000"), &err);
    check_str(or_none(login.user), "r");
    put(OURS, "[registry h:5000]\nuser = ours\npassword = with blanks\n", 0600);
    check_ok(ask_for("h:5000"), &err);
    check_str(or_none(login.user), "ours");
    check_str(or_none(login.password), "with blanks");
}

static void a_host_is_found_by_every_name_it_has(void)
{
    static const struct {
        const char *key, *host;
        bool found;
    } cases[] = {
        {"ghcr.io", "ghcr.io", true},
        {"https://ghcr.io", "ghcr.io", true},
        {"https://GHCR.io/v2/", "ghcr.io", true},
        {"ghcr.io/org", "ghcr.io", false},
        {"ghcr.io:443", "ghcr.io", false},
        {"xghcr.io", "ghcr.io", false},
        {"ghcr.io.evil.example", "ghcr.io", false},
        {"https://index.docker.io/v1/", "registry-1.docker.io", true},
        {"docker.io", "index.docker.io", true},
        {"https://index.docker.io/v1/", "evil.docker.io", false},
    };
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        struct mlo_docker_entry e;
        char text[256];
        snprintf(text, sizeof text, "{\"auths\":{\"%s\":{\"auth\":\"dTpw\"}}}", cases[i].key);
        check_ok(mlo_docker_find(text, strlen(text), cases[i].host, &e, &err), &err);
        check((e.password.len > 0) == cases[i].found, "%s for %s", cases[i].key, cases[i].host);
        mlo_docker_release(&e);
    }
}

static void what_is_no_login_is_refused_without_showing_it(void)
{
    static const char *const bad[] = {
        "{\"auths\":{\"h\":{\"auth\":\"aHVudGVyMg==\"}}}", /* hunter2, no colon */
        "{\"auths\":{\"h\":{\"auth\":\"hunter2!\"}}}",     "{\"auths\":{\"h\":", "[]", "{} {}", "hunter2"};
    for (size_t i = 0; i < MLO_COUNT(bad); i++) {
        new_user();
        put(".docker/config.json", bad[i], 0600);
        check_err(ask_for("h"), MLO_EINVALID, &err, NULL);
        check(!strstr(err.msg, "hunter2"));
    }
    static const char *const odd[] = {"{\"auths\":[]}", "{\"auths\":{\"h\":null}}",
                                      "{\"auths\":{\"h\":{\"auth\":5}}}", "{\"credsStore\":{}}",
                                      "{\"credHelpers\":\"x\"}"};
    for (size_t i = 0; i < MLO_COUNT(odd); i++) {
        new_user();
        put(".docker/config.json", odd[i], 0600);
        check_ok(ask_for("h"), &err);
        check(!login.password);
    }
    new_user();
    put(OURS, "[registry h]\nuser = only\n", 0600);
    check_err(ask_for("h"), MLO_EUSAGE, &err, "is not a login");
}

static void a_refresh_token_is_its_own_kind(void)
{
    new_user();
    put(".docker/config.json", "{\"auths\":{\"h\":{\"auth\":\"PHRva2VuPjo=\",\"identitytoken\":\"idt\"}}}",
        0600);
    check_ok(ask_for("h"), &err);
    check_str(or_none(login.identity_token), "idt");
    check(!login.password);
    put(OURS, "[registry h]\nidentity_token = mine\n", 0600);
    check_ok(ask_for("h"), &err);
    check_str(or_none(login.identity_token), "mine");
}

/* ---- helpers ---- */

static void put_helper(const char *name, const char *script)
{
    char path[128], text[1024];
    snprintf(path, sizeof path, "bin/docker-credential-%s", name);
    snprintf(text, sizeof text, "#!/bin/sh\nPATH=/usr/bin:/bin\n%s\n", script);
    put(path, text, 0700);
}

#define ECHO_SERVER                                                                                          \
    "[ \"$1\" = get ] || exit 9; s=$(cat); "                                                                 \
    "printf '{\"ServerURL\":\"%s\",\"Username\":\"%s\",\"Secret\":\"p\"}' \"$s\" \"$s\""

static void a_helper_is_asked_without_a_shell(void)
{
    new_user();
    put_helper("own", ECHO_SERVER);
    put_helper("all", "echo '{\"Username\":\"<token>\",\"Secret\":\"refresh\"}'");
    put(".docker/config.json",
        "{\"credHelpers\":{\"h\":\"own\",\"https://index.docker.io/v1/\":\"own\"},\"credsStore\":\"all\","
        "\"auths\":{\"h\":{\"auth\":\"dTpw\"}}}",
        0600);
    check_ok(ask_for("h"), &err);
    check_str(or_none(login.user), "h");
    check_str(or_none(login.password), "p");
    check_str(or_none(login.origin), "docker-credential-own");
    check_ok(ask_for("docker.io"), &err);
    check_str(or_none(login.user), "https://index.docker.io/v1/");
    check_ok(ask_for("elsewhere"), &err);
    check_str(or_none(login.identity_token), "refresh");
    check(!login.user && !login.password);
}

static void a_helper_that_fails_is_named(void)
{
    static const struct {
        const char *script, *text;
        int code;
    } bad[] = {
        {"echo 'hunter2 went wrong'; exit 1", "failed", MLO_EREMOTE},
        {"echo '{\"Username\":\"u\"}'", "no secret", MLO_EINVALID},
        {"echo hunter2", "get: ", MLO_EINVALID},
        {"head -c 70000 /dev/zero", "said more than", MLO_EINVALID},
        {"kill -9 $$", "failed", MLO_EREMOTE},
    };
    for (size_t i = 0; i < MLO_COUNT(bad); i++) {
        new_user();
        put_helper("x", bad[i].script);
        put(".docker/config.json", "{\"credHelpers\":{\"h\":\"x\"}}", 0600);
        check_err(ask_for("h"), bad[i].code, &err, bad[i].text);
        check(strstr(err.msg, "docker-credential-x") != NULL);
        check(!strstr(err.msg, "hunter2"));
    }
}

static void a_helper_without_a_login_falls_back(void)
{
    new_user();
    put_helper("x", "echo 'credentials not found in native keychain'; exit 1");
    put(".docker/config.json", "{\"credsStore\":\"x\",\"auths\":{\"h\":{\"auth\":\"dTpw\"}}}", 0600);
    check_ok(ask_for("h"), &err);
    check_str(or_none(login.user), "u");
    check_ok(ask_for("i"), &err);
    check(!login.user);
}

static void a_missing_helper_matters_only_for_its_own_host(void)
{
    new_user();
    put(".docker/config.json", "{\"credHelpers\":{\"h\":\"gone\"},\"credsStore\":\"desktop\"}", 0600);
    check_err(ask_for("h"), MLO_EUNAVAIL, &err, "docker-credential-gone is not installed");
    check_ok(ask_for("i"), &err);
    check(!login.user && !login.password);
    check(login.origin && strstr(login.origin, "docker-credential-desktop is not installed"));
    put(".docker/config.json", "{\"credHelpers\":{\"h\":\"../bin/sh\"}}", 0600);
    check_err(ask_for("h"), MLO_EINVALID, &err, "is no name of a");
    put(".docker/config.json", "{\"credHelpers\":{\"h\":\"a;b\"}}", 0600);
    check_err(ask_for("h"), MLO_EINVALID, &err, "is no name of a");
}

static void a_helper_that_reads_nothing_does_not_end_us(void)
{
    signal(SIGPIPE, SIG_DFL);
    new_user();
    put_helper("x", "exec <&-; echo '{\"Username\":\"u\",\"Secret\":\"s\"}'");
    put(".docker/config.json", "{\"credHelpers\":{\"h\":\"x\"}}", 0600);
    check_ok(ask_for("h"), &err);
    check_str(or_none(login.password), "s");
}

/* ---- memory ---- */

static int ask_once(void)
{
    struct mlo_err e = MLO_ERR_INIT;
    struct mlo_credentials_sources from = {.env = env};
    struct mlo_credentials *one = NULL;
    struct mlo_login l;
    int rc = mlo_credentials_new(&from, &one, &e);
    if (rc == 0)
        rc = mlo_credentials_registry(one, "h", &l, &e);
    if (rc == 0)
        rc = mlo_credentials_registry(one, "i", &l, &e);
    mlo_credentials_free(one);
    return rc;
}

static void survives_every_failure_of_memory(void)
{
    new_user();
    put_helper("x", ECHO_SERVER);
    put(OURS, "[registry i]\nuser = u\npassword = p\n", 0600);
    put(".docker/config.json", "{\"auths\":{\"h\":{\"auth\":\"dTpw\",\"identitytoken\":\"t\"}}}", 0600);
    check(each_alloc_failure(ask_once) > 5);
    put(".docker/config.json", "{\"credHelpers\":{\"h\":\"x\"}}", 0600);
    check(each_alloc_failure(ask_once) > 5);
}

int main(void)
{
    run(nothing_at_all_is_no_failure);
    run(the_files_are_asked_in_the_order_of_the_page);
    run(a_host_is_found_by_every_name_it_has);
    run(what_is_no_login_is_refused_without_showing_it);
    run(a_refresh_token_is_its_own_kind);
    run(a_helper_is_asked_without_a_shell);
    run(a_helper_that_fails_is_named);
    run(a_helper_without_a_login_falls_back);
    run(a_missing_helper_matters_only_for_its_own_host);
    run(a_helper_that_reads_nothing_does_not_end_us);
    run(survives_every_failure_of_memory);
    forget_user();
    return done_testing();
}

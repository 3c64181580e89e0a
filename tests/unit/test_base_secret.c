/* Secrets found and not found, redaction. No key here is real; each is put together at run time, so that
 * scanners of repositories do not take this file for a leak. */
#include "tap.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mlopsctl/base/secret.h>

#define ALNUM20 "4Kd9sLq2XvB7mTz1RfWc"
#define ALNUM40 ALNUM20 "Yh8nPj3GuEa6QiVo5ZtS"
#define UPPER16 "IOSFODNN7EXAMPLE"

static bool find(const char *text, struct mlo_secret_hit *hit)
{
    return mlo_secret_find(text, strlen(text), 0, hit);
}

static void known_kinds_of_keys_are_found(void)
{
    static const struct {
        const char *prefix, *rest, *rule;
    } kinds[] = {
        {"AK"
         "IA",
         UPPER16, "aws-access-key"},
        {"AS"
         "IA",
         UPPER16, "aws-access-key"},
        {"gh"
         "p_",
         ALNUM40, "github-token"},
        {"gh"
         "o_",
         ALNUM40, "github-token"},
        {"gh"
         "s_",
         ALNUM40, "github-token"},
        {"github"
         "_pat_",
         ALNUM40 "_" ALNUM40, "github-token"},
        {"gl"
         "pat-",
         ALNUM20, "gitlab-token"},
        {"hf"
         "_",
         ALNUM40, "hugging-face-token"},
        {"rp"
         "a_",
         ALNUM40, "runpod-key"},
        {"rp"
         "s_",
         ALNUM40, "runpod-s3-secret"},
        {"us"
         "er_",
         ALNUM20 "a1B2c3D", "runpod-s3-key"},
        {"s"
         "k-",
         ALNUM40, "openai-key"},
        {"s"
         "k-proj-",
         ALNUM40, "openai-key"},
        {"s"
         "k-ant-",
         ALNUM40, "anthropic-key"},
        {"xo"
         "xb-",
         "1234567890-" ALNUM20, "slack-token"},
        {"xo"
         "xp-",
         "1234567890-" ALNUM20, "slack-token"},
        {"xo"
         "xs-",
         "1234567890-" ALNUM20, "slack-token"},
        {"AI"
         "za",
         ALNUM20 "Yh8nPj3GuEa6QiV", "google-api-key"},
        {"np"
         "m_",
         ALNUM20 "Yh8nPj3GuEa6QiVo", "npm-token"},
    };
    for (size_t i = 0; i < MLO_COUNT(kinds); i++) {
        char text[400];
        struct mlo_secret_hit hit = {0};
        size_t n = strlen(kinds[i].prefix) + strlen(kinds[i].rest);
        snprintf(text, sizeof text, "first line\nx = [%s%s]\n", kinds[i].prefix, kinds[i].rest);
        check(find(text, &hit), "%s", kinds[i].prefix);
        check_str(hit.rule, kinds[i].rule);
        check(hit.offset == 16 && hit.length == n && hit.line == 2, "%s: offset %zu, length %zu, line %zu",
              kinds[i].prefix, hit.offset, hit.length, hit.line);
        snprintf(text, sizeof text, "%s%s", kinds[i].prefix, kinds[i].rest);
        check(find(text, &hit) && hit.offset == 0 && hit.line == 1, "%s as the whole text", kinds[i].prefix);
        snprintf(text, sizeof text, "my%s%s", kinds[i].prefix, kinds[i].rest);
        check(!find(text, &hit), "%s inside a word", kinds[i].prefix);
    }
}

static void private_keys_and_web_tokens_are_found(void)
{
    static const char *const heads[] = {"", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "};
    struct mlo_secret_hit hit;
    for (size_t i = 0; i < MLO_COUNT(heads); i++) {
        char text[300];
        snprintf(text, sizeof text,
                 "a\n-----BEGIN %sPRIVATE"
                 " KEY-----\nMIIB\n-----END %sPRIVATE"
                 " KEY-----\nz\n",
                 heads[i], heads[i]);
        check(find(text, &hit));
        check_str(hit.rule, "private-key");
        check_int(hit.line, 2);
        check_str(text + hit.offset + hit.length, "\nz\n");
    }
    check(!find("-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n", &hit));
    check(!find("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", &hit));
    check(find("Bearer ey"
               "JhbGciOiJIUzI1NiJ9.ey"
               "JzdWIiOiIxMjM0NTY3ODkwIn0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r",
               &hit));
    check_str(hit.rule, "json-web-token");
    check(!find("ey"
                "JhbGciOiJIUzI1NiJ9.plain.text",
                &hit));
}

static void assignments_of_random_values_are_found(void)
{
    static const char *const texts[] = {
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCY"
        "EXAMPLEKEY",
        "password = \"" ALNUM20 "\"",
        "\"api_key\": \"" ALNUM40 "\"",
        "API_KEY=" ALNUM40,
        "client_secret='" ALNUM20 "'",
        "export MY_TOKEN=" ALNUM40 "\n",
    };
    for (size_t i = 0; i < MLO_COUNT(texts); i++) {
        struct mlo_secret_hit hit = {0};
        check(find(texts[i], &hit), "'%s'", texts[i]);
        check_str(hit.rule, "assigned-secret");
        check(hit.length >= 20 && hit.offset + hit.length <= strlen(texts[i]));
    }
}

static void placeholders_and_ordinary_text_are_not_secrets(void)
{
    static const char *const texts[] = {
        "",
        "a",
        "password = changeme",
        "password = \"\"",
        "password = hunter2",
        "token = ${GITHUB_TOKEN}",
        "token: <your-token-goes-here-1234>",
        "token = os.environ[\"HF_TOKEN_2_WITH_NAME\"]",
        "secret: {{ .Values.secret1.name }}",
        "api_key = \"xxxxxxxxxxxxxxxxxxxx1111\"",
        "token: /run/secrets/kubernetes.io/serviceaccount/token1",
        "\"pad_token\": \"<|endoftext|>\", \"max_token\": 4096",
        "password = getpass.getpass()",
        "sk-learn, sk-short, AKIA, hf_model, rps_limit, user_name, npm_config_cache",
        "hf_transformers_cache_directory_of_the_user_home",
        "user_agent_string_of_the_client_library",
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "digest = ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "---------------------------- BEGIN",
        "eyJ eyJhbGci.eyJ",
    };
    for (size_t i = 0; i < MLO_COUNT(texts); i++) {
        struct mlo_secret_hit hit = {0};
        bool found = find(texts[i], &hit);
        check(!found, "'%s' taken for %s", texts[i], found ? hit.rule : "");
    }
}

static void the_search_goes_on_from_where_it_is_told(void)
{
    static const char text[] = "gh"
                               "p_" ALNUM40 "\n\nhf"
                               "_" ALNUM40 "\n";
    struct mlo_secret_hit hit;
    check(mlo_secret_find(text, sizeof text - 1, 0, &hit) && hit.offset == 0);
    check(mlo_secret_find(text, sizeof text - 1, hit.offset + hit.length, &hit));
    check_str(hit.rule, "hugging-face-token");
    check_int(hit.line, 3);
    check(!mlo_secret_find(text, sizeof text - 1, hit.offset + hit.length, &hit));
}

/* From an allocation of exactly n bytes: AddressSanitizer sees a look beyond it. */
static void a_text_may_end_anywhere_and_hold_any_byte(void)
{
    static const char text[] = "\0\xff password = \"" ALNUM20 "\" gl"
                               "pat-" ALNUM20 " -----BEGIN PRIVATE"
                               " KEY----- ey"
                               "JhbGciOiJIUzI1NiJ9.ey"
                               "JzdWIiOiIxMjM0NTY3ODkwIn0.dBjftJeZ4CVPmB92";
    for (size_t n = 0; n < sizeof text; n++) {
        MLO_AUTOFREE char *copy = malloc(n ? n : 1);
        struct mlo_secret_hit hit = {0};
        memcpy(copy, text, n);
        for (size_t from = 0; mlo_secret_find(copy, n, from, &hit); from = hit.offset + hit.length)
            if (!check(hit.length > 0 && hit.offset >= from && hit.offset + hit.length <= n))
                break;
    }
}

/* Of this thread, in seconds: a busy machine does not matter. */
static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double time_of_scan(const char *text, size_t n)
{
    struct mlo_secret_hit hit;
    double begun = cpu_seconds();
    mlo_secret_find(text, n, 0, &hit);
    return cpu_seconds() - begun;
}

/* Eight times the text takes eight times as long, however slow the build is; quadratic work would be 64
 * times. */
static void no_text_makes_the_scan_slow(void)
{
    static const char *const units[] = {"token:",
                                        "-ey"
                                        "J",
                                        "gl"
                                        "pat-",
                                        "token=\"",
                                        "= ",
                                        "\"'",
                                        "hf"
                                        "_a",
                                        "-----BEGIN ",
                                        "eyJa.",
                                        "://"};
    size_t n = 1 << 18;
    MLO_AUTOFREE char *text = malloc(n);
    for (size_t i = 0; i < MLO_COUNT(units); i++) {
        size_t unit = strlen(units[i]);
        for (size_t at = 0; at < n; at++)
            text[at] = units[i][at % unit];
        double part = time_of_scan(text, n / 8), whole = time_of_scan(text, n);
        check(whole < 20 * part + 0.2, "'%s': %g s for all, %g s for an eighth", units[i], whole, part);
    }
}

static void some_files_are_secret_by_name(void)
{
    static const char *const secret[] = {
        ".env",   "a/.env",           ".env.production",       "prod.env",  "id_rsa", "x/id_ed25519",
        ".netrc", "credentials.json", "home/.aws/credentials", "server.p12"};
    static const char *const plain[] = {"env",        "environment.yml", ".env.example",
                                        "id_rsa.pub", "credentials.py",  "credentials",
                                        "model.onnx", "netrc",           ""};
    for (size_t i = 0; i < MLO_COUNT(secret); i++)
        check(mlo_secret_file_name(secret[i]) != NULL, "%s", secret[i]);
    for (size_t i = 0; i < MLO_COUNT(plain); i++)
        check(mlo_secret_file_name(plain[i]) == NULL, "%s", plain[i]);
}

/* ---- redaction ---- */

static void redacted(const char *text, const char *want)
{
    MLO_AUTOSTR struct mlo_str s;
    struct mlo_err err = MLO_ERR_INIT;
    mlo_str_init(&s, 10000);
    mlo_redact(&s, text, strlen(text));
    check_ok(mlo_str_check(&s, &err), &err);
    check_str(s.ptr, want);
}

static void values_of_secret_names_are_hidden(void)
{
    redacted("--token=abc", "--token=[redacted]");
    redacted("--token=abc --tag=v1", "--token=[redacted] --tag=v1");
    redacted("push --password hunter2 dir", "push --password [redacted] dir");
    redacted("--password  'two words' dir", "--password  [redacted] dir");
    redacted("AWS_SECRET_ACCESS_KEY=abc", "AWS_SECRET_ACCESS_KEY=[redacted]");
    redacted("RUNPOD_KEY=abc", "RUNPOD_KEY=[redacted]");
    redacted("DB_PASSWORD=\"a b c\" x", "DB_PASSWORD=[redacted] x");
    redacted("Authorization: Bearer abc.def", "Authorization: Bearer [redacted]");
    redacted("a_name_of_more_than_sixty_four_bytes_that_ends_with_what_it_really_is_password=x",
             "a_name_of_more_than_sixty_four_bytes_that_ends_with_what_it_really_is_password=[redacted]");
}

static void keys_are_hidden_wherever_they_stand(void)
{
    redacted("see hf"
             "_" ALNUM40 " there",
             "see [redacted] there");
    redacted("gh"
             "p_" ALNUM40 "\nhf"
             "_" ALNUM40,
             "[redacted]\n[redacted]");
}

static void urls_lose_credentials_and_signatures(void)
{
    redacted("https://user:pw@host/path", "https://[redacted]@host/path");
    redacted("https://us@er:p@host/", "https://[redacted]@host/");
    redacted("https://host/a@b?c=d", "https://host/a@b?c=d");
    redacted("https://h/o?X-Amz-Credential=AB%2Fx&X-Amz-Signature=0a1b&X-Amz-Expires=60",
             "https://h/o?X-Amz-Credential=[redacted]&X-Amz-Signature=[redacted]&X-Amz-Expires=60");
    redacted("https://h/o?sv=2020&sig=abc%3D&x=1", "https://h/o?sv=2020&sig=[redacted]&x=1");
    redacted("s3://bucket/prefix", "s3://bucket/prefix");
}

static void what_is_no_secret_stays(void)
{
    static const char *const plain[] = {
        "",
        "pack model.onnx -t credit:1.4.0",
        "--metric auc=0.91 --key cosign.pub",
        "--token-file /run/secrets/x",
        "--accept-secrets model.onnx",
        "the password is not here",
        "a=b=c",
        "max tokens",
    };
    for (size_t i = 0; i < MLO_COUNT(plain); i++)
        redacted(plain[i], plain[i]);
}

static void redact_appends_and_reports_a_full_string(void)
{
    MLO_AUTOSTR struct mlo_str s;
    struct mlo_err err = MLO_ERR_INIT;
    mlo_str_init(&s, 12);
    mlo_str_add(&s, "> ");
    mlo_redact(&s, "plain", 5);
    check_str(s.ptr, "> plain");
    mlo_redact(&s, "much too long", 13);
    check_err(mlo_str_check(&s, &err), MLO_EINVALID, &err, "12");
}

static void argv_becomes_json(const char *const *words, const char *want)
{
    MLO_AUTOSTR struct mlo_str s;
    struct mlo_err err = MLO_ERR_INIT;
    char *argv[16];
    int argc = 0;
    for (; words[argc]; argc++)
        argv[argc] = strdup(words[argc]);
    mlo_str_init(&s, 10000);
    check_ok(mlo_redact_argv(&s, argc, argv, &err), &err);
    check_str(s.ptr, want);
    for (int i = 0; i < argc; i++)
        free(argv[i]);
}

static void an_argv_hides_the_word_after_a_secret_option(void)
{
    argv_becomes_json((const char *const[]){"mlopsctl", "push", "--token", "abc", "dir", NULL},
                      "[\"mlopsctl\",\"push\",\"--token\",\"[redacted]\",\"dir\"]");
    argv_becomes_json((const char *const[]){"--token=abc", "--token", "--token", "x", NULL},
                      "[\"--token=[redacted]\",\"--token\",\"[redacted]\",\"x\"]");
    argv_becomes_json((const char *const[]){"--accept-secrets", "dir", "--password", NULL},
                      "[\"--accept-secrets\",\"dir\",\"--password\"]");
    argv_becomes_json((const char *const[]){"https://u:p@h/?sig=1",
                                            "hf"
                                            "_" ALNUM40,
                                            NULL},
                      "[\"https://[redacted]@h/?sig=[redacted]\",\"[redacted]\"]");
    argv_becomes_json((const char *const[]){NULL}, "[]");
}

static void an_argv_hides_the_values_of_variables(void)
{
    argv_becomes_json((const char *const[]){"-e", "PLAIN=abc=d", "--env", "B=", "--env=C=x y", "-eD=1", "-e",
                                            "NAME", "E=5", NULL},
                      "[\"-e\",\"PLAIN=[redacted]\",\"--env\",\"B=[redacted]\",\"--env=C=[redacted]\",\"-eD=["
                      "redacted]\",\"-e\","
                      "\"NAME\",\"E=5\"]");
}

static void an_argv_of_any_bytes_is_valid_json(void)
{
    argv_becomes_json((const char *const[]){"a\"b\\c\n", "\xff", "\xc3\xa9", NULL},
                      "[\"a\\\"b\\\\c\\n\",\"\\\\xFF\",\"\xc3\xa9\"]");
}

static int redact_some(void)
{
    static const char text[] = "--token=abc https://u:p@h/ hf"
                               "_" ALNUM40;
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOSTR struct mlo_str s;
    char a[] = "--password", b[] = "x";
    char *argv[] = {a, b};
    mlo_str_init(&s, 10000);
    mlo_redact(&s, text, sizeof text - 1);
    int rc = mlo_str_check(&s, &err);
    return rc ? rc : mlo_redact_argv(&s, 2, argv, &err);
}

static void without_memory_redaction_fails_and_leaks_nothing(void)
{
    check(each_alloc_failure(redact_some) >= 3);
}

int main(void)
{
    run(known_kinds_of_keys_are_found);
    run(private_keys_and_web_tokens_are_found);
    run(assignments_of_random_values_are_found);
    run(placeholders_and_ordinary_text_are_not_secrets);
    run(the_search_goes_on_from_where_it_is_told);
    run(a_text_may_end_anywhere_and_hold_any_byte);
    run(no_text_makes_the_scan_slow);
    run(some_files_are_secret_by_name);
    run(values_of_secret_names_are_hidden);
    run(keys_are_hidden_wherever_they_stand);
    run(urls_lose_credentials_and_signatures);
    run(what_is_no_secret_stays);
    run(redact_appends_and_reports_a_full_string);
    run(an_argv_hides_the_word_after_a_secret_option);
    run(an_argv_hides_the_values_of_variables);
    run(an_argv_of_any_bytes_is_valid_json);
    run(without_memory_redaction_fails_and_leaks_nothing);
    return done_testing();
}

/* Which key is taken when there are several, and what is said when there is none or a wrong one. */
#include "credentials_help.h"

static const char *key, *origin;
static struct mlo_s3_key pair;

static int runpod(void)
{
    key = origin = NULL;
    return mlo_credentials_runpod(ask(), &key, &origin, &err);
}

static int s3(const char *profile)
{
    pair = (struct mlo_s3_key){0};
    return mlo_credentials_s3(ask(), profile, &pair, &err);
}

static int runpod_s3(void)
{
    pair = (struct mlo_s3_key){0};
    return mlo_credentials_runpod_s3(ask(), &pair, &err);
}

/* ---- RunPod's REST key ---- */

static void a_runpod_key_is_found_in_the_order_of_the_page(void)
{
    new_user();
    check_err(runpod(), MLO_ENOTFOUND, &err, "no RunPod API key");
    check(strstr(err.hint, "RUNPOD_API_KEY") && strstr(err.hint, "--token-file") && strstr(err.hint, OURS));
    put(".runpod/config.toml", "apikey = 'rpa_ctl'\napiurl = \"https://x\"\n", 0600);
    check_ok(runpod(), &err);
    check_str(key, "rpa_ctl");
    put(".runpod/config.toml", "apikey = \"rpa_ctl2\"\n", 0644);
    check_ok(runpod(), &err);
    check_str(key, "rpa_ctl2");
    put(OURS, "[runpod]\napi_key = rpa_ours\n", 0600);
    check_ok(runpod(), &err);
    check_str(key, "rpa_ours");
    check_str(origin, home_path(OURS));
    set("RUNPOD_API_KEY", "rpa_env");
    check_ok(runpod(), &err);
    check_str(key, "rpa_env");
    check_str(origin, "environment RUNPOD_API_KEY");
}

static int from_token_file(const char *text)
{
    put("token", text, 0600);
    char path[600];
    snprintf(path, sizeof path, "%s", home_path("token"));
    struct mlo_credentials_sources from = {.env = env, .token_file = path};
    mlo_credentials_free(c);
    c = NULL;
    err = MLO_ERR_INIT;
    check_ok(mlo_credentials_new(&from, &c, &err), &err);
    int rc = mlo_credentials_runpod(c, &key, &origin, &err);
    return rc != 0 ? rc : mlo_credentials_runpod(c, &key, &origin, &err); /* a pipe can be read only once */
}

static void the_token_file_is_stronger_and_is_trimmed(void)
{
    new_user();
    set("RUNPOD_API_KEY", "rpa_env");
    check_ok(from_token_file("\n  rpa_file \t\r\nsecond line\n"), &err);
    check_str(key, "rpa_file");
    check_str(origin, "--token-file");
    check_err(from_token_file(" \n"), MLO_EINVALID, &err, "is empty");
    check_err(from_token_file("rpa_a rpa_b\n"), MLO_EINVALID, &err, "a blank");
    check(!strstr(err.msg, "rpa_a"));
    check_err(from_token_file("rps_secret\n"), MLO_EUSAGE, &err, "half of an S3 key");
    check(strstr(err.hint, "rpa_") && !strstr(err.msg, "secret"));
}

static void a_key_that_cannot_stand_in_a_header_is_refused(void)
{
    static const char *const bad[] = {"rpa_a\nX-Evil: 1", "rpa_a b", "rpa_\xc3\xa9", "rpa_\x7f"};
    for (size_t i = 0; i < MLO_COUNT(bad); i++) {
        new_user();
        set("RUNPOD_API_KEY", bad[i]);
        check_err(runpod(), MLO_EINVALID, &err, "RUNPOD_API_KEY");
        check(!strstr(err.msg, "rpa_"));
    }
}

/* ---- S3 ---- */

static void an_s3_key_is_found_in_the_order_of_the_page(void)
{
    new_user();
    check_err(s3(NULL), MLO_ENOTFOUND, &err, "no S3 key was found");
    put(".aws/config",
        "[default]\nregion = eu-central-1\naws_access_key_id = c\naws_secret_access_key = cs\n", 0600);
    check_ok(s3(NULL), &err);
    check_str(pair.access_key, "c");
    check_str(pair.region, "eu-central-1");
    put(".aws/credentials",
        "[default]\naws_access_key_id = a\naws_secret_access_key = as\naws_session_token = at\n", 0644);
    check_ok(s3(NULL), &err);
    check_str(pair.access_key, "a");
    check_str(pair.session_token, "at");
    check_str(pair.region, "eu-central-1");
    put(OURS, "[s3]\naccess_key = o\nsecret_key = os\nregion = us-west-2\n", 0600);
    check_ok(s3(NULL), &err);
    check_str(pair.access_key, "o");
    check_str(pair.region, "us-west-2");
    check(strstr(pair.origin, OURS " [s3]") != NULL);
    set("AWS_ACCESS_KEY_ID", "e");
    set("AWS_SECRET_ACCESS_KEY", "es");
    check_ok(s3(NULL), &err);
    check_str(pair.access_key, "e");
    check_str(pair.secret_key, "es");
    check(!pair.session_token);
    check_str(pair.region, "eu-central-1");
}

static void a_profile_chooses_its_section(void)
{
    new_user();
    put(".aws/credentials", "[lab]\naws_access_key_id = a\naws_secret_access_key = as\n", 0600);
    put(".aws/config", "[profile lab]\nregion = lab-1\n[lab]\nregion = wrong\n", 0600);
    put(OURS, "[s3 mine]\naccess_key = o\nsecret_key = os\n[s3]\naccess_key = no\nsecret_key = no\n", 0600);
    check_ok(s3("lab"), &err);
    check_str(pair.access_key, "a");
    check_str(pair.region, "lab-1");
    check_ok(s3("mine"), &err);
    check_str(pair.access_key, "o");
    check_err(s3("none"), MLO_ENOTFOUND, &err, "profile 'none'");
    set("AWS_PROFILE", "lab");
    check_ok(s3(NULL), &err);
    check_str(pair.access_key, "a");
    set("AWS_ACCESS_KEY_ID", "e");
    set("AWS_SECRET_ACCESS_KEY", "es");
    set("AWS_SESSION_TOKEN", "et");
    check_ok(s3(NULL), &err);
    check_str(pair.access_key, "e");
    check_str(pair.session_token, "et");
    check_ok(s3("mine"), &err);
    check_str(pair.access_key, "o");
    check(!pair.session_token);
}

static void variables_move_the_files_of_aws(void)
{
    new_user();
    put("k", "[default]\naws_access_key_id=a\naws_secret_access_key=as\n", 0600);
    put("c", "[default]\nregion=r-1\n", 0600);
    set("AWS_SHARED_CREDENTIALS_FILE", home_path("k"));
    set("AWS_CONFIG_FILE", home_path("c"));
    check_ok(s3(NULL), &err);
    check_str(pair.access_key, "a");
    check_str(pair.region, "r-1");
}

static void half_a_pair_and_foreign_ways_are_named(void)
{
    new_user();
    set("AWS_ACCESS_KEY_ID", "AKIAHALF");
    check_err(s3(NULL), MLO_EUSAGE, &err, "AWS_ACCESS_KEY_ID but no AWS_SECRET_ACCESS_KEY");
    check(!strstr(err.msg, "AKIAHALF"));
    new_user();
    put(OURS, "[s3]\nsecret_key = hush\n", 0600);
    check_err(s3(NULL), MLO_EUSAGE, &err, "secret_key but no access_key");
    check(!strstr(err.msg, "hush"));
    new_user();
    put(".aws/config", "[profile x]\nsso_session = corp\n[default]\nrole_arn = r\n", 0600);
    check_err(s3("x"), MLO_EUNAVAIL, &err, "by sso_session");
    check(strstr(err.hint, "export-credentials --profile x") != NULL);
    check_err(s3(NULL), MLO_EUNAVAIL, &err, "by role_arn");
    new_user();
    put(OURS, "[s3]\naccess_key = a\nsecret_key = b\n", 0644);
    check_err(s3(NULL), MLO_EUSAGE, &err, "read by others");
    new_user();
    put(".aws/credentials", "[default]\nnonsense\n", 0600);
    check_err(s3(NULL), MLO_EINVALID, &err, "credentials' line 2");
}

/* ---- the S3 key of volumes ---- */

static void the_key_of_volumes_is_found_in_the_order_of_the_page(void)
{
    new_user();
    check_err(runpod_s3(), MLO_ENOTFOUND, &err, "no S3 key of RunPod's volumes");
    check(strstr(err.hint, "API key does not open them") != NULL);
    put(".aws/credentials", "[default]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = s\n", 0600);
    check_err(runpod_s3(), MLO_ENOTFOUND, &err, "no S3 key of RunPod's volumes");
    put(".aws/credentials", "[default]\naws_access_key_id = user_a\naws_secret_access_key = rps_a\n", 0600);
    check_ok(runpod_s3(), &err);
    check_str(pair.secret_key, "rps_a");
    put(OURS, "[runpod]\napi_key = rpa_x\ns3_access_key = user_o\ns3_secret_key = rps_o\n", 0600);
    check_ok(runpod_s3(), &err);
    check_str(pair.access_key, "user_o");
    set("RUNPOD_S3_ACCESS_KEY", "user_e");
    set("RUNPOD_S3_SECRET_KEY", "rps_e");
    check_ok(runpod_s3(), &err);
    check_str(pair.access_key, "user_e");
}

static void an_api_key_in_its_place_is_named(void)
{
    static const char *const sets[][2] = {{"RUNPOD_S3_ACCESS_KEY", "RUNPOD_S3_SECRET_KEY"},
                                          {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}};
    static const char *const values[][2] = {{"user_a", "rpa_b"}, {"rpa_a", "rps_b"}, {"rpa_a", "rpa_a"}};
    for (size_t i = 0; i < MLO_COUNT(sets); i++)
        for (size_t k = 0; k < MLO_COUNT(values); k++) {
            new_user();
            set(sets[i][0], values[k][0]);
            set(sets[i][1], values[k][1]);
            check_err(runpod_s3(), MLO_EUSAGE, &err, "a RunPod API key (rpa_...)");
            check(strstr(err.hint, "S3 API Keys") != NULL);
        }
}

/* ---- memory ---- */

static int ask_all(void)
{
    struct mlo_err e = MLO_ERR_INIT;
    struct mlo_credentials_sources from = {.env = env};
    struct mlo_credentials *one = NULL;
    struct mlo_s3_key k;
    int rc = mlo_credentials_new(&from, &one, &e);
    if (rc == 0)
        rc = mlo_credentials_runpod(one, &key, &origin, &e);
    if (rc == 0)
        rc = mlo_credentials_s3(one, NULL, &k, &e);
    if (rc == 0)
        rc = mlo_credentials_runpod_s3(one, &k, &e);
    mlo_credentials_free(one);
    return rc;
}

static void survives_every_failure_of_memory(void)
{
    new_user();
    put(".aws/config", "[default]\nregion = eu-central-1\n", 0600);
    put(".aws/credentials", "[default]\naws_access_key_id = user_a\naws_secret_access_key = rps_a\n", 0600);
    put(".runpod/config.toml", "apikey = 'rpa_ctl'\n", 0600);
    put(OURS, "[other]\nx = y\n", 0600);
    check(each_alloc_failure(ask_all) > 5);
}

int main(void)
{
    run(a_runpod_key_is_found_in_the_order_of_the_page);
    run(the_token_file_is_stronger_and_is_trimmed);
    run(a_key_that_cannot_stand_in_a_header_is_refused);
    run(an_s3_key_is_found_in_the_order_of_the_page);
    run(a_profile_chooses_its_section);
    run(variables_move_the_files_of_aws);
    run(half_a_pair_and_foreign_ways_are_named);
    run(the_key_of_volumes_is_found_in_the_order_of_the_page);
    run(an_api_key_in_its_place_is_named);
    run(survives_every_failure_of_memory);
    forget_user();
    return done_testing();
}

/* The INI of AWS's files and ours, and files that must not be read. */
#include "credentials_help.h"

static struct mlo_ini ini;

static int parse(const char *text)
{
    err = MLO_ERR_INIT;
    char *copy = mlo_memdup0(text, strlen(text), &err);
    return copy ? mlo_ini_parse("f", copy, strlen(text), &ini, &err) : MLO_EIO;
}

static void expect(const char *text, const char *section, const char *key, const char *value)
{
    if (!check_ok(parse(text), &err))
        return;
    const char *got = mlo_ini_get(&ini, section, key);
    if (value)
        check_str(got ? got : "(none)", value);
    else
        check(!got, "%s", got);
    mlo_ini_release(&ini);
}

static void settings_have_their_sections(void)
{
    const char *text = "top = 0\n[a]\nk = 1\n\n[b c]\r\nk=2\r\n[a]\nl = 3";
    expect(text, "", "top", "0");
    expect(text, "a", "k", "1");
    expect(text, "b c", "k", "2");
    expect(text, "a", "l", "3");
    expect(text, "A", "k", NULL);
    expect(text, "a", "K", "1");
    expect("[a]\nk=1\nk=2\n", "a", "k", "2");
}

static void blanks_and_comments_are_no_values(void)
{
    const char *text = "# one\n; two\n [a]  # three\n\tk\t=  x y \t# four\nl = a#b;c\nm = # five\n  ; six";
    expect(text, "a", "k", "x y");
    expect("[a]\nl = a#b;c = d\n", "a", "l", "a#b;c = d");
    expect("[a]\nm = # five\n", "a", "m", NULL);
    expect("[a]\nm =\n", "a", "m", NULL);
    expect("\xef\xbb\xbf[a]\nm = 1\n", "a", "m", "1");
    expect("", "a", "m", NULL);
}

static void nested_settings_are_passed_over(void)
{
    const char *text = "[a]\n  k = 1\n  l = 2\ns3 =\n  l = 9\n  addressing_style = path\nm = 3\n";
    expect(text, "a", "k", "1");
    expect(text, "a", "l", "2");
    expect(text, "a", "m", "3");
    expect(text, "a", "addressing_style", NULL);
}

static void what_is_no_ini_is_refused_by_its_line_alone(void)
{
    static const char *const bad[] = {"[a]\nhunter2\n",    "[a\nhunter2=1\n", "\n[] \n",
                                      "\n[a] hunter2\n",   "\n= hunter2\n",   "\nk = hunter2\x01\n",
                                      "\nk\x7f = hunter2", "\n[a]hunter2\n"};
    for (size_t i = 0; i < MLO_COUNT(bad); i++) {
        check_err(parse(bad[i]), MLO_EINVALID, &err,
                  bad[i][1] == 'a' && bad[i][2] == '\n' ? "line 1" : "line 2");
        check(!strstr(err.msg, "hunter2"));
    }
    struct mlo_str many;
    mlo_str_init(&many, 1 << 20);
    for (size_t i = 0; i <= MLO_CREDENTIALS_INI_MAX; i++)
        mlo_str_add(&many, "k=v\n");
    check_err(parse(many.ptr), MLO_EINVALID, &err, "too many");
    mlo_str_release(&many);
}

static int parse_all(void)
{
    int rc = parse("[a]\nk = 1\n[b]\nk = 2\nl = 3\nm = 4\nn = 5\n");
    if (rc == 0)
        mlo_ini_release(&ini);
    return rc;
}

static void survives_every_failure_of_memory(void)
{
    check(each_alloc_failure(parse_all) > 0);
}

static void only_a_file_of_our_own_is_read(void)
{
    const mode_t bad[] = {0640, 0604, 0660, 0610, 0666};
    char *text = NULL;
    size_t n = 0;
    new_user();
    for (size_t i = 0; i < MLO_COUNT(bad); i++) {
        put(OURS, "x", bad[i]);
        check_err(mlo_secret_read(home_path(OURS), 10, true, &text, &n, &err), MLO_EUSAGE, &err,
                  "read by others");
        check(strstr(err.hint, "chmod 600 '") != NULL);
    }
    put(OURS, "0123456789", 0400);
    check_ok(mlo_secret_read(home_path(OURS), 10, true, &text, &n, &err), &err);
    check_int(n, 10);
    check_str(text, "0123456789");
    mlo_wipe_free(text, n + 1);
    check_err(mlo_secret_read(home_path(OURS), 9, true, &text, &n, &err), MLO_EINVALID, &err,
              "larger than 9");
    check_err(mlo_secret_read(home_path(".config"), 9, false, &text, &n, &err), MLO_EINVALID, &err,
              "not a file");
    check_err(mlo_secret_read(home_path("none"), 9, false, &text, &n, &err), MLO_ENOTFOUND, &err, NULL);
    check_err(mlo_secret_read(home_path(OURS "/x"), 9, false, &text, &n, &err), MLO_ENOTFOUND, &err, NULL);
    if (geteuid() == 0) { /* only root can give a file away */
        put(OURS, "x", 0600);
        check(chown(home_path(OURS), 12345, (gid_t)-1) == 0);
        check_err(mlo_secret_read(home_path(OURS), 10, true, &text, &n, &err), MLO_EUSAGE, &err,
                  "somebody else");
    }
}

int main(void)
{
    run(settings_have_their_sections);
    run(blanks_and_comments_are_no_values);
    run(nested_settings_are_passed_over);
    run(what_is_no_ini_is_refused_by_its_line_alone);
    run(survives_every_failure_of_memory);
    run(only_a_file_of_our_own_is_read);
    forget_user();
    return done_testing();
}

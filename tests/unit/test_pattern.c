/* Regular expressions: RE2's syntax as ONNX Runtime answers it, what RE2 refuses, and the bound on work. */
#include <string.h>

#include <mlopsctl/pattern.h>

#include "tap.h"

static struct mlo_err err;

static enum mlo_matched re2(const char *pattern, struct mlo_slice text)
{
    struct mlo_pattern *p = NULL;
    struct mlo_matcher m = {0};
    enum mlo_matched got = MLO_MATCHED_TOO_LONG;
    err = MLO_ERR_INIT;
    if (check_ok(mlo_pattern_re2((struct mlo_slice){pattern, strlen(pattern)}, &p, &err), &err) &&
        check_ok(mlo_matcher_init(&m, &err), &err))
        got = mlo_pattern_match(p, &m, text);
    mlo_matcher_release(&m);
    mlo_pattern_free(p);
    return got;
}

/* Of the texts, behind each other, these (bit i: text i) match. */
struct expected {
    const char *pattern;
    const char *texts[6];
    unsigned match;
};

static void check_all(const struct expected *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (unsigned k = 0; k < 6 && list[i].texts[k]; k++) {
            const char *text = list[i].texts[k];
            check(re2(list[i].pattern, (struct mlo_slice){text, strlen(text)}) ==
                      (list[i].match >> k & 1 ? MLO_MATCHED_YES : MLO_MATCHED_NO),
                  "%s: text %u", list[i].pattern, k);
        }
}

static void what_both_read_alike_stays(void)
{
    static const struct expected list[] = {
        {"", {"", "a"}, 1},
        {"a|ab", {"a", "ab", "b"}, 3},
        {"(?P<day>[0-9]{2})-(?<month>\\d\\d)", {"01-12", "1-12", "01-123"}, 1},
        {"(?:a+?b*?){2,3}", {"aba", "a", "abab", "aaaaab"}, 13},
        {"(?i)stra\xc3\x9f"
         "e",
         {"STRASSE",
          "STRA\xc3\x9f"
          "E",
          "STRA\xe1\xba\x9e"
          "E"},
         6},
        {"(?i:k)", {"k", "K", "\xe2\x84\xaa"}, 7},
        {"(?s:.)|..", {"\n", "a\n", "ab", "\xc3\xa9"}, 13},
        {"(?m)a\\n^$", {"a\n", "a"}, 1},
        {"\\pL+\\PN", {"ab", "\xce\xbb-", "a1"}, 3},
        {"\\p{Greek}|\\P{^Latin}", {"\xce\xbb", "a", "1"}, 3},
    };
    check_all(list, MLO_COUNT(list));
}

static void what_they_read_differently_is_read_as_by_re2(void)
{
    static const struct expected list[] = {
        {"\\s", {" ", "\t", "\v", "\n"}, 11},
        {"[\\S]", {"\v", " ", "a"}, 5},
        {"\\v", {"\v", "\n"}, 1},
        {"\\12|\\07", {"\n", "\a", "1"}, 3},
        {"a{,2}", {"a{,2}", "a", "aa"}, 1},
        {"a{01}{", {"a{01}{", "a{"}, 1},
        {"^*a$*", {"a", "aa"}, 1},
        {"(?U)a+", {"aaa", ""}, 1},
        {"(?U-i)(?-U)a", {"a", "A"}, 1},
        {"\\Qa.*\\E+", {"a.*", "a.**", "ab"}, 3},
        {"\\Q", {"", "Q"}, 1},
        {"[[.a.]]", {"a]", ".]", "["}, 3},
        {"[]a]|[^]]", {"]", "a", "b"}, 7},
        {"[\\d-z]", {"5", "-", "z", "a"}, 7},
        {"[+--]", {",", "-", "a"}, 3},
        {"(?i)[[:lower:]]", {"A", "\xe2\x84\xaa", "1"}, 3},
        {"(?i)\\w|\\W", {"\xe2\x84\xaa", "\xc5\xbf", " "}, 7},
        {"(?i)[^\\w]", {"\xe2\x84\xaa", "a", "-"}, 4},
        {"[[:^digit:]b]", {"a", "1"}, 1},
        {"\\x{1F600}\\x41",
         {"\xf0\x9f\x98\x80"
          "A"},
         1},
        {"#\\_", {"#_"}, 1},
    };
    check_all(list, MLO_COUNT(list));
}

static void is_refused(const char *pattern, int code, const char *why)
{
    struct mlo_pattern *p = NULL;
    err = MLO_ERR_INIT;
    int rc = mlo_pattern_re2((struct mlo_slice){pattern, strlen(pattern)}, &p, &err);
    check_err(rc, code, &err, why);
    mlo_pattern_free(p);
}

static void what_re2_refuses_is_refused(void)
{
    static const char *const list[][2] = {{"(a)\\1", "reference to a group"},
                                          {"(?P<n>a)(?P=n)", "a group"},
                                          {"\\g{1}", "reference to a group"},
                                          {"\\k<n>", "reference to a group"},
                                          {"a(?=b)", "looking around"},
                                          {"a(?!b)", "looking around"},
                                          {"(?<=a)b", "looking around"},
                                          {"(?<!a)b", "looking around"},
                                          {"(?>a)", "a group"},
                                          {"(?#c)", "a group"},
                                          {"(?R)", "a group"},
                                          {"(?|a)", "a group"},
                                          {"(?x)a", "a group"},
                                          {"(?i-)a", "a group"},
                                          {"(*ACCEPT)", "of nothing"},
                                          {"(?P<>a)", "a name"},
                                          {"(?<n", "a name"},
                                          {"a**", "of a repetition"},
                                          {"a++", "of a repetition"},
                                          {"a{2}{3}", "of a repetition"},
                                          {"*a", "of nothing"},
                                          {"a|?", "of nothing"},
                                          {"a{3,1}", "a number of"},
                                          {"a{1001}", "a number of"},
                                          {"\\R", "an escape"},
                                          {"\\h", "an escape"},
                                          {"\\Z", "an escape"},
                                          {"\\E", "an escape"},
                                          {"\\x{110000}", "an escape"},
                                          {"\\x4", "an escape"},
                                          {"\\xzz", "an escape"},
                                          {"[\\b]", "an escape"},
                                          {"[a-\\d]", "an escape"},
                                          {"[z-a]", "backwards"},
                                          {"[[:foo:]]", "a class"},
                                          {"[a", "stay open"},
                                          {"[]", "stay open"},
                                          {"(a", "stays open"},
                                          {"a)", "nothing opens"},
                                          {"a\\", "at the end"},
                                          {"\\pX", "property"},
                                          {"\\p{L&}", "a property"},
                                          {"\\p{sc=Greek}", "a property"},
                                          {"\\p{L", "a property"},
                                          {"\xff", "not UTF-8"}};
    for (size_t i = 0; i < MLO_COUNT(list); i++)
        is_refused(list[i][0], MLO_EINVALID, list[i][1]);
    is_refused("a\\C", MLO_EUNAVAIL, "single bytes");
    is_refused("(?i)\\pL", MLO_EUNAVAIL, "letters by property");
}

static void a_pattern_has_a_size(void)
{
    static char deep[20001];
    memset(deep, '(', sizeof deep - 1);
    deep[1000] = '\0';
    is_refused(deep, MLO_EUNAVAIL, "deep");
    memset(deep, 'a', sizeof deep - 1);
    is_refused(deep, MLO_EUNAVAIL, "bytes");
}

/* Tracking back would take 2^40 steps. */
static void the_work_of_a_match_is_bounded(void)
{
    static char text[2001];
    memset(text, 'a', sizeof text - 1);
    check(re2("(a|a?)+(a*)*[bc]", (struct mlo_slice){text, 40}) == MLO_MATCHED_NO);
    check(re2("(a|a?)+(a*)*[bc]|(a+a+)+", (struct mlo_slice){text, 500}) == MLO_MATCHED_YES);
    check(re2("(a|a?)+(a*)*[bc]", (struct mlo_slice){text, sizeof text - 1}) == MLO_MATCHED_TOO_LONG);
}

static void a_text_that_is_not_utf8_does_not_match(void)
{
    check(re2("(?s).*", (struct mlo_slice){"a\xff", 2}) == MLO_MATCHED_NO);
    check(re2("[^a]", (struct mlo_slice){"\xe9", 1}) == MLO_MATCHED_NO);
    check(re2("a\\x{0}b", (struct mlo_slice){"a\0b", 3}) == MLO_MATCHED_YES);
    check(re2("", (struct mlo_slice){NULL, 0}) == MLO_MATCHED_YES);
}

static int made_and_used(void)
{
    static const char text[] = "(?i)[\\w]+@(yahoo|gmail)\\.com";
    struct mlo_pattern *p = NULL;
    struct mlo_matcher m = {0};
    err = MLO_ERR_INIT;
    int rc = mlo_pattern_re2((struct mlo_slice){text, sizeof text - 1}, &p, &err);
    if (rc == 0)
        rc = mlo_matcher_init(&m, &err);
    if (rc == 0)
        (void)mlo_pattern_match(p, &m, (struct mlo_slice){"a@gmail.com", 11});
    mlo_matcher_release(&m);
    mlo_pattern_free(p);
    return rc;
}

static void patterns_survive_every_failure_of_memory(void)
{
    check(each_alloc_failure(made_and_used) > 1);
}

int main(void)
{
    run(what_both_read_alike_stays);
    run(what_they_read_differently_is_read_as_by_re2);
    run(what_re2_refuses_is_refused);
    run(a_pattern_has_a_size);
    run(the_work_of_a_match_is_bounded);
    run(a_text_that_is_not_utf8_does_not_match);
    run(patterns_survive_every_failure_of_memory);
    return done_testing();
}

/* UTF-8, escaping, widths, numbers as typed and as shown, near words. */
#include "tap.h"

#include <string.h>

#include <mlopsctl/base/text.h>

static void utf8_is_checked_strictly(void)
{
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        {"", true},
        {"plain", true},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", true},
        {"\xef\xbf\xbf", true},
        {"\xf4\x8f\xbf\xbf", true},
        {"\x80", false},
        {"\xc3", false},
        {"\xc0\x80", false},
        {"\xc1\xbf", false},
        {"\xe0\x9f\xbf", false},
        {"\xed\xa0\x80", false},
        {"\xed\xbf\xbf", false},
        {"\xf0\x8f\xbf\xbf", false},
        {"\xf4\x90\x80\x80", false},
        {"\xf5\x80\x80\x80", false},
        {"\xff", false},
        {"a\xe2\x82", false},
        {"twelve bytes\xe2\x82z", false},
    };
    for (size_t i = 0; i < MLO_COUNT(cases); i++)
        check(mlo_utf8_valid(cases[i].text, strlen(cases[i].text)) == cases[i].valid, "case %zu", i);
    check(mlo_utf8_valid("a\0b", 3), "NUL is a character");
}

static void escaped(const char *text, size_t n, const char *want)
{
    MLO_AUTOSTR struct mlo_str s;
    mlo_str_init(&s, 1000);
    mlo_escape(&s, text, n);
    check_str(s.ptr, want);
}

static void foreign_names_cannot_command_a_terminal(void)
{
    escaped("weights-\xc3\xa9.bin", 13 + 1, "weights-\xc3\xa9.bin");
    escaped("\x1b[31mred", 8, "\\x1B[31mred");
    escaped("a\nb\tc\rd\x7f", 8, "a\\x0Ab\\x09c\\x0Dd\\x7F");
    escaped("a\0b", 3, "a\\x00b");
    escaped("\xc2\x9b"
            "2J",
            4, "\\u{009B}2J");
    escaped("\xe2\x80\xae"
            "gpj.exe",
            10, "\\u{202E}gpj.exe");
    escaped("\xe2\x81\xa6x\xe2\x81\xa9", 7, "\\u{2066}x\\u{2069}");
    escaped("\xe2\x80\xa8", 3, "\\u{2028}");
    escaped("c:\\dir", 6, "c:\\\\dir");
}

static void invalid_utf8_is_shown_byte_by_byte(void)
{
    escaped("\xff\xfe", 2, "\\xFF\\xFE");
    escaped("\xe2\x82z", 3, "\\xE2\\x82z");
    escaped("\xed\xa0\x80", 3, "\\xED\\xA0\\x80");
    escaped("\xf0\x9f", 2, "\\xF0\\x9F");
    escaped("\xc0\xaf", 2, "\\xC0\\xAF");
}

static void widths_are_those_of_a_terminal(void)
{
    check_int(mlo_text_width(""), 0);
    check_int(mlo_text_width("abc"), 3);
    check_int(mlo_text_width("caf\xc3\xa9"), 4);
    check_int(mlo_text_width("cafe\xcc\x81"), 4);
    check_int(mlo_text_width("\xe6\xa8\xa1\xe5\x9e\x8b"), 4);
    check_int(mlo_text_width("\xf0\x9f\x98\x80"), 2);
}

static void whole_numbers_are_read_whole(void)
{
    static const char *const bad[] = {"", " 1", "1 ", "+1", "-1", "0x10", "1e3", "12x", "1.0", "\xd9\xa1"};
    struct mlo_err err = MLO_ERR_INIT;
    uint64_t v = 5;
    check_ok(mlo_parse_u64("18446744073709551615", 0, UINT64_MAX, "--n", &v, &err), &err);
    check(v == UINT64_MAX);
    v = 5;
    for (size_t i = 0; i < MLO_COUNT(bad); i++)
        check_err(mlo_parse_u64(bad[i], 0, UINT64_MAX, "--n", &v, &err), MLO_EUSAGE, &err, "--n");
    check_err(mlo_parse_u64("18446744073709551616", 0, UINT64_MAX, "--n", &v, &err), MLO_EUSAGE, &err, "--n");
    check_err(mlo_parse_u64("0", 1, 10, "--n", &v, &err), MLO_EUSAGE, &err, "1 and 10");
    check_err(mlo_parse_u64("11", 1, 10, "--n", &v, &err), MLO_EUSAGE, &err, "1 and 10");
    check_int(v, 5);
}

static void errors_show_the_word_escaped(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    uint64_t v;
    check_err(mlo_parse_u64("\x1b[2J", 0, 9, "--n", &v, &err), MLO_EUSAGE, &err, "\\x1B[2J");
    check(!strchr(err.msg, '\x1b'));
}

static void doubles_are_finite_decimals(void)
{
    static const char *const bad[] = {"", " 1", "1 ", "x", "nan", "inf", "-inf", "1e999", "1.5.2", "1,5"};
    struct mlo_err err = MLO_ERR_INIT;
    double v = 0;
    check_ok(mlo_parse_double("-1.5e-3", "--x", &v, &err), &err);
    check(v == -0.0015);
    for (size_t i = 0; i < MLO_COUNT(bad); i++)
        check_err(mlo_parse_double(bad[i], "--x", &v, &err), MLO_EUSAGE, &err, "--x");
    check(v == -0.0015);
}

static void sizes_know_both_kinds_of_units(void)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"0", 0},
        {"4096", 4096},
        {"64K", 65536},
        {"64k", 65536},
        {"1.5G", UINT64_C(1610612736)},
        {"2GiB", UINT64_C(2147483648)},
        {"10MB", 10000000},
        {"1KB", 1000},
        {"512B", 512},
        {"3T", UINT64_C(3298534883328)},
        {"0.5K", 512},
        {"16777215T", UINT64_C(16777215) << 40},
    };
    static const char *const bad[] = {
        "",    "K",    "-1",  "+1",    "1 K",   "1Q",   "1KiBx",     "1.",
        ".5K", "1.5",  "1e3", "1.5B",  "1..5K", "0x10", "16777216T", "99999999999999999999",
        "1Ki", "1KKB", "nan", "1 byte"};
    struct mlo_err err = MLO_ERR_INIT;
    uint64_t v = 5;
    for (size_t i = 0; i < MLO_COUNT(good); i++) {
        check_ok(mlo_parse_size(good[i].text, "--size", &v, &err), &err);
        check_int(v, good[i].bytes);
    }
    v = 5;
    for (size_t i = 0; i < MLO_COUNT(bad); i++)
        check(mlo_parse_size(bad[i], "--size", &v, &err) == MLO_EUSAGE, "'%s'", bad[i]);
    check_int(v, 5);
}

static void durations_are_nanoseconds(void)
{
    static const struct {
        const char *text;
        uint64_t ns;
    } good[] = {
        {"0s", 0},
        {"250ms", 250000000},
        {"90s", UINT64_C(90000000000)},
        {"15m", UINT64_C(900000000000)},
        {"1.5h", UINT64_C(5400000000000)},
        {"30d", UINT64_C(2592000000000000)},
    };
    static const char *const bad[] = {"",    "90",  "s", "-1s", "1 s", "1y", "1sm", "99999999999999999s",
                                      "1.s", "0x1s"};
    struct mlo_err err = MLO_ERR_INIT;
    uint64_t v = 5;
    for (size_t i = 0; i < MLO_COUNT(good); i++) {
        check_ok(mlo_parse_duration(good[i].text, "--for", &v, &err), &err);
        check_int(v, good[i].ns);
    }
    for (size_t i = 0; i < MLO_COUNT(bad); i++)
        check(mlo_parse_duration(bad[i], "--for", &v, &err) == MLO_EUSAGE, "'%s'", bad[i]);
}

static void numbers_for_people_never_round_into_the_next_unit(void)
{
    char b[MLO_HUMAN_MAX];
    check_str(mlo_human_size(0, b), "0 B");
    check_str(mlo_human_size(1023, b), "1023 B");
    check_str(mlo_human_size(1536, b), "1.5 KiB");
    check_str(mlo_human_size((1 << 20) - 1, b), "1.0 MiB");
    check_str(mlo_human_size(UINT64_C(2) << 30, b), "2.0 GiB");
    check_str(mlo_human_size(UINT64_MAX, b), "16.0 EiB");
    check_str(mlo_human_count(999, b), "999");
    check_str(mlo_human_count(4600, b), "4.6K");
    check_str(mlo_human_count(999999, b), "1.0M");
    check_str(mlo_human_count(110000000, b), "110M");
    check_str(mlo_human_duration(0, b), "0 s");
    check_str(mlo_human_duration(999, b), "999 ns");
    check_str(mlo_human_duration(1239, b), "1.23 us");
    check_str(mlo_human_duration(12390, b), "12.3 us");
    check_str(mlo_human_duration(9999999, b), "9.99 ms");
    check_str(mlo_human_duration(12000000, b), "12 ms");
    check_str(mlo_human_duration(999999999, b), "999 ms");
    check_str(mlo_human_duration(3400000000, b), "3.4 s");
    check_str(mlo_human_duration(59999999999, b), "59.9 s");
    check_str(mlo_human_duration(UINT64_C(7500) * 1000000000, b), "2 h 5 min");
    check(strlen(mlo_human_duration(UINT64_MAX, b)) < MLO_HUMAN_MAX);
}

static void edit_distance_counts_typing_errors(void)
{
    check_int(mlo_edit_distance("", ""), 0);
    check_int(mlo_edit_distance("", "abc"), 3);
    check_int(mlo_edit_distance("pack", "pack"), 0);
    check_int(mlo_edit_distance("pakc", "pack"), 1);
    check_int(mlo_edit_distance("pck", "pack"), 1);
    check_int(mlo_edit_distance("paack", "pack"), 1);
    check_int(mlo_edit_distance("kitten", "sitting"), 3);
    char longer[4096];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    check(mlo_edit_distance(longer, "b") > 60, "bounded, and still far");
}

static void near_words_are_offered_and_far_ones_not(void)
{
    struct mlo_nearest n = {.word = "verfy"};
    mlo_nearest_offer(&n, "unpack");
    check(n.best == NULL);
    mlo_nearest_offer(&n, "verify");
    mlo_nearest_offer(&n, "very");
    check_str(n.best, "verify");
}

static void the_environment_is_looked_up_by_whole_names(void)
{
    char a[] = "TOKEN_FILE=x", b[] = "TOKEN=", c[] = "HOME=/root";
    char *env[] = {a, b, c, NULL};
    check_str(mlo_env_get(env, "TOKEN"), "");
    check_str(mlo_env_get(env, "HOME"), "/root");
    check(mlo_env_get(env, "TOK") == NULL && mlo_env_get(NULL, "HOME") == NULL);
}

/* RFC 4648 section 10. */
static void base64_is_that_of_the_rfc(void)
{
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    static const char *const bad[] = {"Zg=", "Zg", "Z===", "Zm9v\n", "Zm 9", "====", "Zg==Zg=="};
    struct mlo_err err = MLO_ERR_INIT;
    for (size_t i = 0; i < MLO_COUNT(pairs); i++) {
        MLO_AUTOSTR struct mlo_str s;
        mlo_str_init(&s, 64);
        mlo_str_add(&s, "x");
        check_ok(mlo_base64_add(&s, pairs[i][0], strlen(pairs[i][0]), &err), &err);
        check_str(s.ptr + 1, pairs[i][1]);
        mlo_str_clear(&s);
        check_ok(mlo_base64_read(pairs[i][1], 64, &s, &err), &err);
        check_str(s.ptr, pairs[i][0]);
    }
    for (size_t i = 0; i < MLO_COUNT(bad); i++) {
        MLO_AUTOSTR struct mlo_str s;
        mlo_str_init(&s, 64);
        check_err(mlo_base64_read(bad[i], 64, &s, &err), MLO_EINVALID, &err, "base64");
    }
}

int main(void)
{
    run(base64_is_that_of_the_rfc);
    run(utf8_is_checked_strictly);
    run(foreign_names_cannot_command_a_terminal);
    run(invalid_utf8_is_shown_byte_by_byte);
    run(widths_are_those_of_a_terminal);
    run(whole_numbers_are_read_whole);
    run(errors_show_the_word_escaped);
    run(doubles_are_finite_decimals);
    run(sizes_know_both_kinds_of_units);
    run(durations_are_nanoseconds);
    run(numbers_for_people_never_round_into_the_next_unit);
    run(edit_distance_counts_typing_errors);
    run(near_words_are_offered_and_far_ones_not);
    run(the_environment_is_looked_up_by_whole_names);
    return done_testing();
}

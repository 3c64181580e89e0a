/* JSON: what is accepted and what is not, both readers, exact numbers, building. */
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/base/json.h>

struct text {
    const char *text;
    size_t n; /* 0: up to the NUL */
};
static size_t length(const struct text *t)
{
    return t->n ? t->n : strlen(t->text);
}

/* From an allocation of exactly n bytes, so that AddressSanitizer sees a read past the end. */
static int parse(const char *text, size_t n, cJSON **ret, struct mlo_err *err)
{
    MLO_AUTOFREE char *copy = malloc(n ? n : 1);
    memcpy(copy, text, n);
    return mlo_json_parse(copy, n, 1 << 20, ret, err);
}

static int walk(const char *text, size_t n, struct mlo_err *err)
{
    struct mlo_jpull j;
    enum mlo_jtok tok;
    MLO_AUTOFREE char *copy = malloc(n ? n : 1);
    memcpy(copy, text, n);
    mlo_jpull_init(&j, copy, n);
    do {
        if (mlo_jpull_next(&j, &tok, err))
            return err->code;
    } while (tok != MLO_J_END);
    return 0;
}

static void valid_documents_are_accepted(void)
{
    static const struct text good[] = {
        {"null", 0},
        {"true", 0},
        {"false", 0},
        {"0", 0},
        {"-0", 0},
        {"1.5", 0},
        {"0.1e-2", 0},
        {"1E+2", 0},
        {"1e22", 0},
        {"123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890", 0},
        {"\"\"", 0},
        {"\"a\"", 0},
        {"[]", 0},
        {"{}", 0},
        {" [ ] ", 0},
        {"\t\r\n{}\n", 0},
        {"[[],[[]],{},[{}]]", 0},
        {"[1,2 , 3]", 0},
        {"{\"a\":{\"a\":{\"a\":1}}}", 0},
        {"[{\"a\":1},{\"a\":2}]", 0},
        {"{\"\":0}", 0},
        {"{\"a\":1,\"A\":2,\"aa\":3}", 0},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", 0},
        {"\"\\u0041\\u00e9\\u20AC\\ud83d\\uDE00\"", 0},
        {"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"", 0},
        {"\"\x7f\"", 0},
        {"\"\xef\xbf\xbf\"", 0},
    };
    for (size_t i = 0; i < MLO_COUNT(good); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        MLO_AUTOJSON cJSON *doc = NULL;
        size_t n = length(&good[i]);
        check(parse(good[i].text, n, &doc, &err) == 0 && doc, "'%s': %s", good[i].text, err.msg);
        check(walk(good[i].text, n, &err) == 0, "pull '%s': %s", good[i].text, err.msg);
    }
}

/* Refused by both readers: the grammar of RFC 8259, UTF-8, depth. */
static const struct text malformed[] = {
    {"", 0},
    {" ", 0},
    {"nul", 0},
    {"nulll", 0},
    {"True", 0},
    {"NaN", 0},
    {"Infinity", 0},
    {"-Infinity", 0},
    {"'a'", 0},
    {"a", 0},
    {"01", 0},
    {"-01", 0},
    {"-", 0},
    {"+1", 0},
    {".5", 0},
    {"1.", 0},
    {"1.e1", 0},
    {"1e", 0},
    {"1e+", 0},
    {"0x10", 0},
    {"1 2", 0},
    {"1,", 0},
    {"--1", 0},
    {"1e1.5", 0},
    {"\xd9\xa1", 0},
    {"[", 0},
    {"]", 0},
    {"[1", 0},
    {"[1,", 0},
    {"[1,]", 0},
    {"[,1]", 0},
    {"[,]", 0},
    {"[1 2]", 0},
    {"[1,,2]", 0},
    {"[1}", 0},
    {"[]]", 0},
    {"[][]", 0},
    {"[1:2]", 0},
    {"{", 0},
    {"}", 0},
    {"{]", 0},
    {"{\"a\"", 0},
    {"{\"a\":", 0},
    {"{\"a\":}", 0},
    {"{\"a\"}", 0},
    {"{\"a\" 1}", 0},
    {"{\"a\",1}", 0},
    {"{\"a\":1,}", 0},
    {"{,}", 0},
    {"{\"a\":1,,\"b\":2}", 0},
    {"{\"a\":1 \"b\":2}", 0},
    {"{a:1}", 0},
    {"{1:1}", 0},
    {"{null:1}", 0},
    {"{\"a\":1]", 0},
    {"{}}", 0},
    {"{\"a\"::1}", 0},
    {"{\"a\":1}x", 0},
    {"\"", 0},
    {"\"a", 0},
    {"\"\\", 0},
    {"\"\\\"", 0},
    {"\"\\a\"", 0},
    {"\"\\x41\"", 0},
    {"\"\\u\"", 0},
    {"\"\\u12\"", 0},
    {"\"\\u12G4\"", 0},
    {"\"\\u123", 0},
    {"\"\\U0041\"", 0},
    {"\"\n\"", 0},
    {"\"\t\"", 0},
    {"\"\x1f\"", 0},
    {"\"\0\"", 3},
    {"\"\\\0\"", 4},
    {"[1]\0", 4},
    {"\0", 1},
    {"\"\xff\"", 0},
    {"\"\xc0\xaf\"", 0},
    {"\"\xe2\x82\"", 0},
    {"\"\xed\xa0\x80\"", 0},
    {"\"\xf4\x90\x80\x80\"", 0},
    {"\"\xc3", 0},
    {"{\"\xff\":1}", 0},
    {"\xef\xbb\xbf{}", 0},
    {"\xff\xfe[\0]\0", 6},
    {"// no\n1", 0},
    {"[1]/**/", 0},
    {"#\n1", 0},
    {"\f1", 0},
    {"\xc2\xa0"
     "1",
     0},
};

static void malformed_documents_are_refused_by_both_readers(void)
{
    for (size_t i = 0; i < MLO_COUNT(malformed); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        cJSON *doc = NULL;
        size_t n = length(&malformed[i]);
        check(parse(malformed[i].text, n, &doc, &err) == MLO_EINVALID, "'%s'", malformed[i].text);
        check(strstr(err.msg, "at byte ") != NULL && doc == NULL);
        check(walk(malformed[i].text, n, &err) == MLO_EINVALID, "pull '%s'", malformed[i].text);
    }
}

/* Grammatical, but no document of ours: what cJSON would have bent silently. */
static void ambiguous_documents_are_refused(void)
{
    static const char *const bad[] = {
        "{\"a\":1,\"a\":1}",
        "{\"a\":1,\"\\u0061\":2}",
        "{\"x\":[{\"k\":1,\"l\":2,\"k\":3}]}",
        "{\"\":1,\"\":2}",
        "\"\\u0000\"",
        "{\"a\\u0000b\":1}",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800x\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\\ud800\"",
        "1e999",
        "[-1e400]",
    };
    for (size_t i = 0; i < MLO_COUNT(bad); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        cJSON *doc = NULL;
        check(parse(bad[i], strlen(bad[i]), &doc, &err) == MLO_EINVALID && !doc, "'%s'", bad[i]);
    }
}

static void a_name_that_stands_twice_is_shown_escaped(void)
{
    static const char text[] = "{\"\\u001b[2J\":1,\"\\u001b[2J\":2}";
    struct mlo_err err = MLO_ERR_INIT;
    cJSON *doc = NULL;
    check_err(parse(text, sizeof text - 1, &doc, &err), MLO_EINVALID, &err, "'\\x1B[2J' stands twice");
}

static int nested(int depth, char open, char close, bool pull)
{
    char text[4 * MLO_JSON_DEPTH];
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOJSON cJSON *doc = NULL;
    memset(text, open, (size_t)depth);
    memset(text + depth, close, (size_t)depth);
    return pull ? walk(text, 2 * (size_t)depth, &err) : parse(text, 2 * (size_t)depth, &doc, &err);
}

static void depth_ends_at_the_limit_exactly(void)
{
    for (int pull = 0; pull < 2; pull++) {
        check_int(nested(MLO_JSON_DEPTH, '[', ']', pull), 0);
        check_int(nested(MLO_JSON_DEPTH + 1, '[', ']', pull), MLO_EINVALID);
    }
    MLO_AUTOFREE char *deep = malloc(1 << 20);
    struct mlo_err err = MLO_ERR_INIT;
    memset(deep, '[', 1 << 20);
    check_err(walk(deep, 1 << 20, &err), MLO_EINVALID, &err, "deep");
}

static void every_prefix_of_a_document_is_refused(void)
{
    static const char text[] = "{\"a\\u00e9\":[1.5e3,true,false,null,\"\xc3\xa9\"],\"b\":{}}";
    for (size_t n = 0; n < sizeof text - 1; n++) {
        struct mlo_err err = MLO_ERR_INIT;
        cJSON *doc = NULL;
        check(parse(text, n, &doc, &err) == MLO_EINVALID && !doc, "%zu bytes", n);
        check(walk(text, n, &err) == MLO_EINVALID, "pull, %zu bytes", n);
    }
}

static void more_bytes_than_allowed_are_not_looked_at(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    cJSON *doc = NULL;
    check_err(mlo_json_parse("[1]", 3, 2, &doc, &err), MLO_EINVALID, &err, "more than 2");
    check_ok(mlo_json_parse("[1]", 3, 3, &doc, &err), &err);
    cJSON_Delete(doc);
}

static void members_are_typed(void)
{
    static const char text[] = "{\"s\":\"x\",\"n\":9007199254740992,\"t\":true,\"f\":1.5,\"neg\":-1,"
                               "\"big\":9007199254740994,\"q\":\"7\",\"nul\":null}";
    static const char *const not_u64[] = {"f", "neg", "big", "q", "nul", "t", "missing", "N"};
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOJSON cJSON *doc = NULL;
    uint64_t v = 0;
    check_ok(parse(text, sizeof text - 1, &doc, &err), &err);
    check_str(mlo_json_text(doc, "s"), "x");
    check(mlo_json_text(doc, "n") == NULL && mlo_json_text(doc, "S") == NULL &&
          mlo_json_text(NULL, "s") == NULL);
    check(mlo_json_true(doc, "t") && !mlo_json_true(doc, "n") && !mlo_json_true(doc, "missing"));
    check_ok(mlo_json_u64(doc, "n", &v, &err), &err);
    check_int(v, INT64_C(1) << 53);
    for (size_t i = 0; i < MLO_COUNT(not_u64); i++)
        check(mlo_json_u64(doc, not_u64[i], &v, &err) == MLO_EINVALID, "%s", not_u64[i]);
    check_int(v, INT64_C(1) << 53);
}

static void printed(cJSON *doc, const char *want)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    check_ok(mlo_json_print(doc, &text, &n, &err), &err);
    check_str(text, want);
    check_int(n, strlen(want));
}

static void numbers_are_built_exactly(void)
{
    MLO_AUTOJSON cJSON *doc = cJSON_CreateObject();
    check(mlo_json_add_u64(doc, "u", UINT64_MAX) && mlo_json_add_i64(doc, "i", INT64_MIN));
    check(mlo_json_add_double(doc, "d", 0.1) && mlo_json_add_double(doc, "e", 1.0 / 3));
    check(mlo_json_add_double(doc, "n", NAN) && mlo_json_add_double(doc, "p", INFINITY));
    check(mlo_json_add_double(doc, "z", 3) != NULL);
    printed(doc, "{\"u\":18446744073709551615,\"i\":-9223372036854775808,\"d\":0.1,\"e\":0.3333333333333333,"
                 "\"n\":null,\"p\":null,\"z\":3}");
    check(mlo_json_add_u64(NULL, "u", 1) == NULL && mlo_json_add_double(NULL, "d", 1) == NULL);
}

static void doubles_read_back_as_they_were(void)
{
    static const double values[] = {
        0.1, 1e22, 1e-7, 5e-324, 1.7976931348623157e308, 2.0 / 3, 123456789.123456789, 9007199254740993.0};
    for (size_t i = 0; i < MLO_COUNT(values); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        MLO_AUTOJSON cJSON *doc = cJSON_CreateObject();
        MLO_AUTOJSON cJSON *back = NULL;
        MLO_AUTOFREE char *text = NULL;
        size_t n;
        mlo_json_add_double(doc, "v", values[i]);
        check_ok(mlo_json_print(doc, &text, &n, &err), &err);
        check_ok(mlo_json_parse(text, n, n, &back, &err), &err);
        check(cJSON_GetObjectItem(back, "v")->valuedouble == values[i], "%s", text);
    }
}

/* ---- pull reader ---- */

static void tokens_come_in_order(void)
{
    static const char text[] = "{\"a\":[1,\"x\",true],\"b\":{\"c\":null},\"d\":false}";
    static const enum mlo_jtok want[] = {
        MLO_J_OBJECT,    MLO_J_KEY,   MLO_J_ARRAY,      MLO_J_NUMBER, MLO_J_STRING, MLO_J_TRUE,
        MLO_J_ARRAY_END, MLO_J_KEY,   MLO_J_OBJECT,     MLO_J_KEY,    MLO_J_NULL,   MLO_J_OBJECT_END,
        MLO_J_KEY,       MLO_J_FALSE, MLO_J_OBJECT_END, MLO_J_END,    MLO_J_END,
    };
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_jpull j;
    enum mlo_jtok tok;
    mlo_jpull_init(&j, text, sizeof text - 1);
    for (size_t i = 0; i < MLO_COUNT(want); i++) {
        check_ok(mlo_jpull_next(&j, &tok, &err), &err);
        check(tok == want[i], "token %zu is %d", i, (int)tok);
        if (i == 4)
            check(j.len == 1 && *j.text == 'x' && !j.escaped);
    }
    check_int(j.depth, 0);
}

static void skip_takes_one_value_whatever_it_is(void)
{
    static const char text[] = "{\"skip\":{\"a\":[[],{\"b\":\"}\"}]},\"scalar\":-1.5,\"last\":7}";
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_jpull j;
    enum mlo_jtok tok;
    uint64_t v = 0;
    mlo_jpull_init(&j, text, sizeof text - 1);
    check_ok(mlo_jpull_next(&j, &tok, &err), &err);
    for (int i = 0; i < 2; i++) {
        check_ok(mlo_jpull_next(&j, &tok, &err), &err);
        check_int(tok, MLO_J_KEY);
        check_ok(mlo_jpull_skip(&j, &err), &err);
    }
    check_ok(mlo_jpull_next(&j, &tok, &err), &err);
    check(j.len == 4 && memcmp(j.text, "last", 4) == 0);
    check_ok(mlo_jpull_next(&j, &tok, &err), &err);
    check_ok(mlo_jpull_u64(&j, &v, &err), &err);
    check_int(v, 7);
}

static int read_u64(const char *text, uint64_t *ret, struct mlo_err *err)
{
    struct mlo_jpull j;
    enum mlo_jtok tok;
    mlo_jpull_init(&j, text, strlen(text));
    int rc = mlo_jpull_next(&j, &tok, err);
    return rc ? rc : mlo_jpull_u64(&j, ret, err);
}

static void unsigned_numbers_are_exact_to_the_last_bit(void)
{
    static const char *const bad[] = {"18446744073709551616",
                                      "18446744073709551625",
                                      "99999999999999999999",
                                      "100000000000000000000000",
                                      "-1",
                                      "-0",
                                      "1.0",
                                      "1e3",
                                      "1E0"};
    struct mlo_err err = MLO_ERR_INIT;
    uint64_t v = 0;
    check_ok(read_u64("18446744073709551615", &v, &err), &err);
    check(v == UINT64_MAX);
    check_ok(read_u64("9007199254740993", &v, &err), &err);
    check(v == UINT64_C(9007199254740993), "a double would have lost the 3");
    check_ok(read_u64("0", &v, &err), &err);
    check(v == 0);
    for (size_t i = 0; i < MLO_COUNT(bad); i++)
        check(read_u64(bad[i], &v, &err) == MLO_EINVALID, "%s", bad[i]);
}

static int unescape(const char *text, struct mlo_str *out, struct mlo_err *err)
{
    struct mlo_jpull j;
    enum mlo_jtok tok;
    mlo_jpull_init(&j, text, strlen(text));
    mlo_str_clear(out);
    int rc = mlo_jpull_next(&j, &tok, err);
    return rc ? rc : mlo_jpull_unescape(&j, out, err);
}

static void escapes_are_resolved(void)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"\"plain\"", "plain"},
        {"\"\"", ""},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac"},
        {"\"a\\ud83d\\ude00z\"", "a\xf0\x9f\x98\x80z"},
        {"\"\\udbff\\udfff\"", "\xf4\x8f\xbf\xbf"},
        {"\"\\u001b\"", "\x1b"},
    };
    static const char *const bad[] = {"\"\\u0000\"", "\"\\ud83d\"", "\"\\ude00\"", "\"\\ud83d\\n\"",
                                      "\"\\ud83d\\ud83d\""};
    MLO_AUTOSTR struct mlo_str out;
    struct mlo_err err = MLO_ERR_INIT;
    mlo_str_init(&out, 100);
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        check_ok(unescape(cases[i].text, &out, &err), &err);
        check_str(out.ptr, cases[i].want);
    }
    for (size_t i = 0; i < MLO_COUNT(bad); i++)
        check(unescape(bad[i], &out, &err) == MLO_EINVALID, "%s", bad[i]);
}

static void syntax_errors_say_where(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    check_err(walk("[1, x]", 6, &err), MLO_EINVALID, &err, "at byte 4");
}

/* ---- memory ---- */

static int parse_and_print(void)
{
    static const char text[] = "{\"a\\u00e9\":[1,2,{\"b\":\"text\",\"c\":null}],\"d\":1.5}";
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOJSON cJSON *doc = NULL;
    MLO_AUTOFREE char *out = NULL;
    int rc = mlo_json_parse(text, sizeof text - 1, 1000, &doc, &err);
    if (rc == 0 && !mlo_json_add_u64(doc, "e", 1))
        rc = MLO_EIO;
    return rc ? rc : mlo_json_print(doc, &out, NULL, &err);
}

static void *hooked_malloc(size_t n)
{
    return malloc(n);
}

static void without_memory_parsing_is_an_ordinary_error(void)
{
    cJSON_Hooks hooks = {hooked_malloc, free}; /* so that cJSON's allocations fail too */
    cJSON_InitHooks(&hooks);
    check(each_alloc_failure(parse_and_print) >= 10);
    cJSON_InitHooks(NULL);
}

int main(void)
{
    run(valid_documents_are_accepted);
    run(malformed_documents_are_refused_by_both_readers);
    run(ambiguous_documents_are_refused);
    run(a_name_that_stands_twice_is_shown_escaped);
    run(depth_ends_at_the_limit_exactly);
    run(every_prefix_of_a_document_is_refused);
    run(more_bytes_than_allowed_are_not_looked_at);
    run(members_are_typed);
    run(numbers_are_built_exactly);
    run(doubles_read_back_as_they_were);
    run(tokens_come_in_order);
    run(skip_takes_one_value_whatever_it_is);
    run(unsigned_numbers_are_exact_to_the_last_bit);
    run(escapes_are_resolved);
    run(syntax_errors_say_where);
    run(without_memory_parsing_is_an_ordinary_error);
    return done_testing();
}

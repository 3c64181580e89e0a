/* The YAML that settings may be written in, and what is refused. */
#include <string.h>

#include "../../src/config/internal.h"
#include "tap.h"

static struct mlo_yaml doc;
static struct mlo_err err;

static int parse(const char *text)
{
    mlo_yaml_release(&doc);
    err = MLO_ERR_INIT;
    return mlo_yaml_parse("f.yaml", text, strlen(text), &doc, &err);
}

static const char *value(const char *path)
{
    for (size_t i = 0; i < doc.n; i++)
        if (strcmp(doc.entries[i].path, path) == 0)
            return doc.entries[i].value;
    return "(absent)";
}

static void flattens_mappings_and_lists_with_lines(void)
{
    check_ok(parse("a:\n  b: 1\n  c: \"x: y\"\nl:\n  - p\n  - {q: r}\n"), &err);
    check_str(value("a.b"), "1");
    check_str(value("a.c"), "x: y");
    check_str(value("l.0"), "p");
    check_str(value("l.1.q"), "r");
    check_int(doc.entries[doc.n - 1].line, 6);
}

static void an_entry_is_where_its_key_is(void)
{
    check_ok(parse("a:\n  b:\n\n    1\n? c"), &err);
    check_int(doc.entries[1].line, 2);
    check_int(doc.entries[2].line, 5);
}

static void takes_null_as_unset_and_quoted_null_as_text(void)
{
    check_ok(parse("a: ~\nb: null\nc:\nd: \"null\"\ne: ''\n"), &err);
    check(!value("a") && !value("b") && !value("c"));
    check_str(value("d"), "null");
    check_str(value("e"), "");
}

static void an_empty_file_is_no_settings(void)
{
    check_ok(parse(""), &err);
    check_ok(parse("# only a comment\n"), &err);
    check_ok(parse("---\n"), &err);
    check_int(doc.n, 0);
}

static void refuses_what_can_mean_two_things(void)
{
    check_err(parse("a: 1\nb: 2\na: 3\n"), MLO_EINVALID, &err, "f.yaml:3: 'a' was given before, in line 1");
    check_err(parse("a.b: 1\na: {b: 2}\n"), MLO_EINVALID, &err, "f.yaml:2: 'a.b' was given before");
    check_err(parse("a: 1\n---\nb: 1\n"), MLO_EINVALID, &err, "f.yaml:2: a second document");
    check_err(parse("a: !!int 1\n"), MLO_EINVALID, &err, "tags are not taken");
    check_err(parse("a: !x {b: 1}\n"), MLO_EINVALID, &err, "tags are not taken");
    check_err(parse("'': 1\n"), MLO_EINVALID, &err, "an empty key");
    check_err(parse("? [x]\n: 1\n"), MLO_EINVALID, &err, "a key must be plain text");
    check_err(parse("a: \"x\\0y\"\n"), MLO_EINVALID, &err, "a NUL character");
}

static void refuses_anchors_and_aliases(void)
{
    check_err(parse("a: &x 1\nb: *x\n"), MLO_EINVALID, &err, "f.yaml:1: anchors and aliases are not taken");
    check_err(parse("a: &x {b: 1}\n"), MLO_EINVALID, &err, "anchors");
    check_err(parse("a: &x [1]\n"), MLO_EINVALID, &err, "anchors");
    check_err(parse("a: *x\n"), MLO_EINVALID, &err, "anchors");
}

static void refuses_what_is_no_mapping(void)
{
    check_err(parse("just text\n"), MLO_EINVALID, &err, "must be a mapping");
    check_err(parse("- a\n- b\n"), MLO_EINVALID, &err, "must be a mapping");
}

static void names_the_line_of_a_syntax_error(void)
{
    check_err(parse("a: 1\nb: [1, 2\nc: }\n"), MLO_EINVALID, &err, "f.yaml:3:");
    check_err(parse("a: 1\n\tb: 2\n"), MLO_EINVALID, &err, "f.yaml:2:");
    check_err(parse("a: \xff\n"), MLO_EINVALID, &err, "f.yaml: byte 3");
    check_err(parse("\xff\xfe"
                    "a"),
              MLO_EINVALID, &err, "f.yaml");
}

static void bounds_depth_size_and_number(void)
{
    char text[4 * MLO_YAML_DEPTH + 8];
    for (unsigned depth = MLO_YAML_DEPTH - 1; depth <= MLO_YAML_DEPTH; depth++) {
        memcpy(text, "a: ", 3);
        memset(text + 3, '[', depth);
        memset(text + 3 + depth, ']', depth);
        text[3 + 2 * depth] = '\0';
        if (depth < MLO_YAML_DEPTH)
            check_ok(parse(text), &err);
        else
            check_err(parse(text), MLO_EINVALID, &err, "nested more than");
    }
    struct mlo_str many;
    mlo_str_init(&many, MLO_STR_MAX);
    for (int i = 0; i <= MLO_YAML_KEYS; i++)
        mlo_str_addf(&many, "k%d: 1\n", i);
    check_err(parse(many.ptr), MLO_EINVALID, &err, "more than 65536 values");
    mlo_str_fill(&many, '#', MLO_YAML_MAX);
    check_err(parse(many.ptr), MLO_EINVALID, &err, "larger than");
    mlo_str_clear(&many);
    mlo_str_fill(&many, 'k', MLO_YAML_PATH);
    mlo_str_add(&many, ": 1\n");
    check_err(parse(many.ptr), MLO_EINVALID, &err, "too long");
    mlo_str_release(&many);
}

static void escapes_keys_in_messages(void)
{
    check_err(parse("\"a\\e[31m\": 1\n\"a\\e[31m\": 2\n"), MLO_EINVALID, &err, "\\x1B[31m");
    check(!strchr(err.msg, '\033'));
}

static int parse_some(void)
{
    static const char text[] = "a:\n  b: 1\nl: [x, y]\n";
    struct mlo_yaml d;
    struct mlo_err e = MLO_ERR_INIT;
    int rc = mlo_yaml_parse("f", text, sizeof text - 1, &d, &e);
    mlo_yaml_release(&d);
    return rc;
}

static void memory_failure_is_an_error(void)
{
    check(each_alloc_failure(parse_some) > 2);
}

int main(void)
{
    run(flattens_mappings_and_lists_with_lines);
    run(an_entry_is_where_its_key_is);
    run(takes_null_as_unset_and_quoted_null_as_text);
    run(an_empty_file_is_no_settings);
    run(refuses_what_can_mean_two_things);
    run(refuses_anchors_and_aliases);
    run(refuses_what_is_no_mapping);
    run(names_the_line_of_a_syntax_error);
    run(bounds_depth_size_and_number);
    run(escapes_keys_in_messages);
    run(memory_failure_is_an_error);
    mlo_yaml_release(&doc);
    return done_testing();
}

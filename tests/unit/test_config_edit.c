/* A settings file changed by lines: what is put in or taken out, and that all else stays. */
#include <stdlib.h>
#include <string.h>

#include "../../src/config/internal.h"
#include "tap.h"

static struct mlo_err err;
static const char *const url_only[] = {"url", "s3://b/p", NULL};

/* Adds (keys) or removes (NULL) remotes.prod and compares. */
static void expect(const char *text, const char *const *keys, const char *want)
{
    MLO_AUTOSTR struct mlo_str out;
    mlo_str_init(&out, 1 << 20);
    err = MLO_ERR_INIT;
    int rc = keys ? mlo_config_add_entry("f", text, strlen(text), "remotes", "prod", keys, &out, &err)
                  : mlo_config_remove_entry("f", text, strlen(text), "remotes", "prod", &out, &err);
    if (check_ok(rc, &err))
        check_str(out.ptr, want);
}

static void expect_fail(const char *text, const char *const *keys, int code, const char *says)
{
    MLO_AUTOSTR struct mlo_str out;
    mlo_str_init(&out, 1 << 20);
    err = MLO_ERR_INIT;
    int rc = keys ? mlo_config_add_entry("f", text, strlen(text), "remotes", "prod", keys, &out, &err)
                  : mlo_config_remove_entry("f", text, strlen(text), "remotes", "prod", &out, &err);
    check_err(rc, code, &err, says);
}

static void an_entry_is_put_into_what_is_there(void)
{
    expect("", url_only, "remotes:\n  prod:\n    url: s3://b/p\n");
    expect("# only this", url_only, "# only this\nremotes:\n  prod:\n    url: s3://b/p\n");
    expect("a: {b: 1}\n", url_only, "a: {b: 1}\nremotes:\n  prod:\n    url: s3://b/p\n");
    expect("remotes:\n# none\n", url_only, "remotes:\n  prod:\n    url: s3://b/p\n# none\n");
    expect("remotes:", url_only, "remotes:\n  prod:\n    url: s3://b/p\n");
    expect("remotes:  # mine\n    # old\n    old: /x\nuser.name: ann\n", url_only,
           "remotes:  # mine\n    prod:\n        url: s3://b/p\n    # old\n    old: /x\nuser.name: ann\n");
    expect("remotes.old.url: /x\n", url_only, "remotes.old.url: /x\nremotes:\n  prod:\n    url: s3://b/p\n");
    expect("remotes:\r\n  old: /x\r\n", url_only, "remotes:\r\n  prod:\n    url: s3://b/p\n  old: /x\r\n");
}

static void values_are_quoted_where_they_must_be(void)
{
    static const char *const odd[] = {"url",    "./a b", "endpoint", "https://h:1/x?y=1",
                                      "region", "it's",  "profile",  "- : # ",
                                      "style",  "true",  NULL};
    expect("", odd,
           "remotes:\n  prod:\n    url: './a b'\n    endpoint: 'https://h:1/x?y=1'\n    region: 'it''s'\n"
           "    profile: '- : # '\n    style: true\n");
    static const char *const lines[] = {"url", "a\nb: c", NULL}, *const empty[] = {"url", "", NULL};
    expect_fail("", lines, MLO_EUNAVAIL, "cannot be changed here");
    expect("", empty, "remotes:\n  prod:\n    url: ''\n");
}

static void an_entry_is_taken_out_with_its_lines(void)
{
    expect("remotes:\n  prod:\n    url: s3://b/p\n", NULL, "remotes:\n");
    expect("a: 1\nremotes:\n  x: /x\n  # of prod\n  prod: # here\n    url: s3://b/p\n\n    # region\n    "
           "region: r\n"
           "  # of y\n  y: /y\nb: 2\n",
           NULL, "a: 1\nremotes:\n  x: /x\n  # of prod\n  # of y\n  y: /y\nb: 2\n");
    expect("remotes.prod.url: /x\nremotes.prod.region: r\nremotes.p: /y\n", NULL, "remotes.p: /y\n");
    expect("remotes:\n  prod: /x", NULL, "remotes:\n");
    expect("remotes:\n  prod:\n    url: /x\n  production: /y\n", NULL, "remotes:\n  production: /y\n");
}

static void what_is_put_in_is_taken_out_without_a_trace(void)
{
    static const char *const texts[] = {"remotes:\n  old: /x\n",
                                        "# a\nremotes:\n   old:\n      url: /x # y\n\nc: 1\n"};
    for (size_t i = 0; i < MLO_COUNT(texts); i++) {
        MLO_AUTOSTR struct mlo_str with, without;
        mlo_str_init(&with, 1 << 20);
        mlo_str_init(&without, 1 << 20);
        check_ok(
            mlo_config_add_entry("f", texts[i], strlen(texts[i]), "remotes", "prod", url_only, &with, &err),
            &err);
        check_ok(mlo_config_remove_entry("f", with.ptr, with.len, "remotes", "prod", &without, &err), &err);
        check_str(without.ptr, texts[i]);
    }
}

static void what_cannot_be_changed_by_lines_is_left_alone(void)
{
    expect_fail("remotes: {old: /x}\n", url_only, MLO_EUNAVAIL, "cannot be changed here");
    check(strstr(err.hint, "below `remotes:`: { prod: s3://b/p }") != NULL);
    expect_fail("remotes: {}\n", url_only, MLO_EUNAVAIL, "cannot be changed here");
    expect_fail("{remotes: {old: /x}}", url_only, MLO_EUNAVAIL, "cannot be changed here");
    expect_fail("remotes: {prod: /x, old: /y}\n", NULL, MLO_EUNAVAIL, "cannot be changed here");
    expect_fail("remotes:\n  prod:\n    url: >\n      a\n      b\n  y: /y\n", NULL, MLO_EUNAVAIL,
                "cannot be changed here");
    expect_fail("a: 1\n...\n", url_only, MLO_EUNAVAIL, "cannot be changed here");
    expect_fail("remotes:\n  prod: /x\n", url_only, MLO_ECONFLICT, "line 2");
    expect_fail("remotes.prod.region: r\n", url_only, MLO_ECONFLICT, "line 1");
    expect_fail("remotes:\n  old: /x\n", NULL, MLO_ENOTFOUND, "no remotes.prod");
    expect_fail("a: [1\n", url_only, MLO_EINVALID, "f:2");
}

static int count_key(void *ctx, const char *key, const char *value, struct mlo_err *e)
{
    char *seen = ctx;
    (void)e;
    snprintf(seen + strlen(seen), 200 - strlen(seen), "%s=%s;", key, value);
    return 0;
}

static void an_entry_is_read(void)
{
    static const char text[] = "remotes:\n  prod:\n    url: /x\n    region: r\n  production: /y\n";
    char seen[200] = "";
    check_ok(mlo_config_read_entry("f", text, strlen(text), "remotes", "prod", count_key, seen, &err), &err);
    check_str(seen, "url=/x;region=r;");
    *seen = '\0';
    check_ok(mlo_config_read_entry("f", text, strlen(text), "remotes", "production", count_key, seen, &err),
             &err);
    check_str(seen, "url=/y;");
    static const char *const bad[] = {"", "a.b", "a/b", "-a", "a b", "\xc3\xa9", "a\nb"};
    for (size_t i = 0; i < MLO_COUNT(bad); i++)
        check_err(mlo_config_read_entry("f", text, strlen(text), "remotes", bad[i], count_key, seen, &err),
                  MLO_EUSAGE, &err, "cannot be a name");
}

static int change_both(void)
{
    static const char text[] = "a: 1\nremotes:\n  old: /x\n";
    struct mlo_err e = MLO_ERR_INIT;
    MLO_AUTOSTR struct mlo_str with, without;
    mlo_str_init(&with, 1 << 20);
    mlo_str_init(&without, 1 << 20);
    int rc = mlo_config_add_entry("f", text, strlen(text), "remotes", "prod", url_only, &with, &e);
    return rc != 0 ? rc : mlo_config_remove_entry("f", with.ptr, with.len, "remotes", "prod", &without, &e);
}

static void survives_every_failure_of_memory(void)
{
    check(each_alloc_failure(change_both) > 5);
}

/* ---- sections ---- */

static void expect_section(const char *text, const char *block, const char *want)
{
    MLO_AUTOSTR struct mlo_str out;
    mlo_str_init(&out, 1 << 20);
    err = MLO_ERR_INIT;
    if (check_ok(mlo_config_put_section("f", text, strlen(text), "validate", block, &out, &err), &err))
        check_str(out.ptr, want);
}

static void a_section_takes_the_place_of_its_lines(void)
{
    const char *block = "validate:\n  rows: {min: 1}\n";
    expect_section("", block, block);
    expect_section("a: 1", block, "a: 1\nvalidate:\n  rows: {min: 1}\n");
    expect_section("# top\nvalidate:\n  # inside\n  rows: 2\n  # last\n\n# of b\nb: 1\n", block,
                   "# top\nvalidate:\n  rows: {min: 1}\n\n# of b\nb: 1\n");
    expect_section("validate: {rows: 2}\nb: 1 # x\n", block, "validate:\n  rows: {min: 1}\nb: 1 # x\n");
    expect_section("a: 1\nvalidate:\n  rows: 2\n# end\n", NULL, "a: 1\n# end\n");
}

static void a_section_that_cannot_be_told_by_lines_is_left_alone(void)
{
    static const char *const texts[] = {"{validate: {rows: 2}, b: 1}\n", "validate.rows: 2\n",
                                        "{b: 1,\nvalidate: {rows: 2}}\n"};
    for (size_t i = 0; i < MLO_COUNT(texts); i++) {
        MLO_AUTOSTR struct mlo_str out;
        mlo_str_init(&out, 1 << 20);
        err = MLO_ERR_INIT;
        check_err(mlo_config_put_section("f", texts[i], strlen(texts[i]), "validate", "validate:\n  x: 1\n",
                                         &out, &err),
                  MLO_EUNAVAIL, &err, "cannot be changed here");
    }
}

static void a_section_is_given_as_it_is_written(void)
{
    const char *text = "a: 1\nvalidate:\n  # why\n  rows: 2 # two\n\n# of b\nb: 1\n", *none = "a: 1\n";
    MLO_AUTOFREE char *got = NULL;
    char *gone = NULL;
    check_ok(mlo_config_get_section("f", text, strlen(text), "validate", &got, &err), &err);
    check_str(got, "validate:\n  # why\n  rows: 2 # two\n");
    check_ok(mlo_config_get_section("f", none, strlen(none), "validate", &gone, &err), &err);
    check(!gone);
}

static void a_tree_tells_names_with_dots_from_members(void)
{
    static const struct mlo_config_node want[] = {{"columns", NULL, 2, 1, true}, {"a", NULL, 3, 2, true},
                                                  {"min", "1", 3, 3, false},     {"a.b", NULL, 4, 2, true},
                                                  {"in", NULL, 4, 3, true},      {"0", "x", 4, 4, false},
                                                  {"1", NULL, 4, 4, false},      {"rows", "5", 5, 1, false}};
    const char *text = "validate:\n columns:\n  a: {min: 1}\n  a.b: {in: [x, ~]}\n rows: 5\nb: 1\n";
    struct mlo_config_tree *t = NULL;
    size_t n = 0;
    if (!check_ok(mlo_config_tree_read("f", text, strlen(text), "validate", &t, &err), &err))
        return;
    const struct mlo_config_node *got = mlo_config_tree_nodes(t, &n);
    check_int(n, MLO_COUNT(want));
    for (size_t i = 0; i < n && i < MLO_COUNT(want); i++) {
        check_str(got[i].key, want[i].key);
        check(!got[i].value == !want[i].value && (!got[i].value || strcmp(got[i].value, want[i].value) == 0));
        check(got[i].line == want[i].line && got[i].depth == want[i].depth && got[i].inner == want[i].inner,
              "node %zu: line %zu depth %u", i, got[i].line, got[i].depth);
    }
    mlo_config_tree_free(t);
    check_err(mlo_config_tree_read("f", "a: 1", 4, "validate", &t, &err), MLO_ENOTFOUND, &err, "no section");
    check_err(mlo_config_tree_read("f", "validate: 1", 11, "validate", &t, &err), MLO_EUSAGE, &err, "f:1:");
}

static int section_and_tree(void)
{
    const char *text = "a: 1\nvalidate:\n  rows: 2\nb: 1\n";
    struct mlo_config_tree *t = NULL;
    MLO_AUTOSTR struct mlo_str out;
    MLO_AUTOFREE char *got = NULL;
    mlo_str_init(&out, 1 << 20);
    err = MLO_ERR_INIT;
    int rc = mlo_config_put_section("f", text, strlen(text), "validate", "validate:\n  x: 1\n", &out, &err);
    if (rc == 0)
        rc = mlo_config_get_section("f", text, strlen(text), "validate", &got, &err);
    if (rc == 0)
        rc = mlo_config_tree_read("f", text, strlen(text), "validate", &t, &err);
    if (rc == 0)
        mlo_config_tree_free(t);
    return rc;
}

static void sections_survive_every_failure_of_memory(void)
{
    check(each_alloc_failure(section_and_tree) > 5);
}

int main(void)
{
    run(an_entry_is_put_into_what_is_there);
    run(values_are_quoted_where_they_must_be);
    run(an_entry_is_taken_out_with_its_lines);
    run(what_is_put_in_is_taken_out_without_a_trace);
    run(what_cannot_be_changed_by_lines_is_left_alone);
    run(an_entry_is_read);
    run(survives_every_failure_of_memory);
    run(a_section_takes_the_place_of_its_lines);
    run(a_section_that_cannot_be_told_by_lines_is_left_alone);
    run(a_section_is_given_as_it_is_written);
    run(a_tree_tells_names_with_dots_from_members);
    run(sections_survive_every_failure_of_memory);
    return done_testing();
}

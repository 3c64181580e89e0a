/* JSON Lines: values of every kind, keys in any order, what is no object, block borders, memory. */
#include "table_cases.h"

static const struct mlo_table_opts plain;

static void reads(const char *text, const char *want)
{
    reads_bytes("t.jsonl", text, strlen(text), &plain, want);
}

static void values_of_every_kind_are_cells(void)
{
    reads("{\"i\":1,\"x\":-2.5e3,\"w\":\"a\",\"b\":true,\"t\":\"2024-01-02T03:04:05Z\",\"o\":{\"k\":[1]},"
          "\"l\":[1, {\"m\":2}]}\n"
          "{\"i\":2,\"x\":0,\"w\":\"b\",\"b\":false,\"t\":null,\"o\":{},\"l\":[]}\n",
          "i:int|x:number|w:text|b:bool|t:time|o:text|l:text\n"
          "1: 1|-2500|'a'|true|1704164645000000000|'{\"k\"\\x3a[1]}'|'[1, {\"m\"\\x3a2}]'\n"
          "2: 2|0|'b'|false|-|'{}'|'[]'\n");
}

static void escapes_are_resolved_in_keys_and_values(void)
{
    reads("{\"k\\u00e9y\":\"\\ud83d\\ude00\\n\\\"\",\"p\":\"a\\\\b\"}\n{\"p\":\"\\/\",\"k\\u00e9y\":\"x\"}\n",
          "k\\xc3\\xa9y:text|p:text\n1: '\\xf0\\x9f\\x98\\x80\\x0a\"'|'a\\x5cb'\n2: 'x'|'/'\n");
}

static void members_may_come_in_any_order_and_late(void)
{
    reads("{\"a\":1}\n{\"b\":2,\"a\":3}\n{}\n{\"b\":5}\n", "a:int|b:int\n1: 1|-\n2: 3|2\n3: -|-\n4: -|5\n");
}

static void the_last_of_two_members_of_one_name_counts(void)
{
    reads("{\"a\":1,\"a\":2}\n", "a:int\n1: 2\n");
}

static void null_and_words_for_missing_are_missing(void)
{
    reads("{\"x\":null,\"w\":\"NA\"}\n{\"x\":1,\"w\":\"\"}\n{\"x\":\"\",\"w\":\"v\"}\n",
          "x:int|w:text\n1: -|-\n2: 1|-\n3: -|'v'\n");
}

static void a_value_of_another_type_is_bad(void)
{
    struct mlo_str text, want;
    mlo_str_init(&text, MLO_STR_MAX);
    mlo_str_init(&want, MLO_STR_MAX);
    mlo_str_add(&want, "x:int\n");
    for (int i = 1; i <= 10001; i++) {
        mlo_str_addf(&text, i == 10001 ? "{\"x\":\"w\"}\n" : "{\"x\":%d}\n", i);
        mlo_str_addf(&want, i == 10001 ? "%d: !'w'\n" : "%d: %d\n", i, i);
    }
    reads(text.ptr, want.ptr);
    mlo_str_release(&text);
    mlo_str_release(&want);
}

static void lines_that_are_no_objects_are_counted(void)
{
    reads("{\"a\":1}\n[1]\n\"s\"\n5\nnull\n{\"a\":1\n{\"a\":1}}\n{\"a\":NaN}\n{'a':1}\n{\"a\":2}\n",
          "a:int\n1: 1\n10: 2\nragged 8: 2 has 0, 3 has 0, 4 has 0, 5 has 0, 6 has 0, 7 has 0, 8 has 0, 9 "
          "has 0\n");
    reads_bytes("t.jsonl", BYTES("{\"a\":1}\n{\"a\":\"\xff\"}\n{\"a\":\"\\ud800\"}\n{\"a\":3}"), &plain,
                "a:int\n1: 1\n4: 3\nragged 2: 2 has 0, 3 has 0\n");
}

static void blank_lines_and_line_ends_do_not_matter(void)
{
    reads("\xef\xbb\xbf\n  \r\n{\"a\":1}\r\n\t\n{\"a\":2}", "a:int\n3: 1\n5: 2\n");
}

static void what_holds_no_object_is_refused(void)
{
    const struct mlo_table_opts as = {.format = "jsonl"};
    refuses_bytes("t.jsonl", BYTES("[1]\n[2]\n"), &plain, MLO_EINVALID, "no JSON object");
    refuses_bytes("t.x", BYTES("a,b\n1,2\n"), &as, MLO_EINVALID, "no JSON object");
    refuses_bytes("t.jsonl", BYTES("{\"a\":1}\n\0\n"), &plain, MLO_EINVALID, "binary");
    refuses_bytes("t.jsonl", BYTES("{}\n{}\n"), &plain, MLO_EINVALID, "no JSON object");
}

static void it_is_known_by_its_first_byte(void)
{
    reads_bytes("t.data", BYTES(" \n{\"a\":1}\n"), &plain, "a:int\n2: 1\n");
}

static void many_members_in_another_order_each_line(void)
{
    enum { MEMBERS = 2000 };
    struct mlo_str text;
    struct mlo_scan_result st = {0};
    struct mlo_err err = MLO_ERR_INIT;
    mlo_str_init(&text, MLO_STR_MAX);
    for (int line = 0; line < 40; line++)
        for (int i = 0; i < MEMBERS; i++)
            mlo_str_addf(&text, "%s\"m%d\":%d%s", i ? "," : "{", (i * 7 + line * 13) % MEMBERS, line,
                         i + 1 < MEMBERS ? "" : "}\n");
    const char *path = write_bytes("wide.jsonl", text.ptr, text.len);
    mlo_str_clear(&text);
    check_ok(dump_table(&path, 1, &plain, &text, &st, &err), &err);
    check_int(st.rows, 40);
    mlo_str_release(&text);
}

static void borders_of_blocks_may_fall_anywhere(void)
{
    static const char text[] = "{\"a\":1,\"b\":\"x\\ny\"}\n\nbad\n{\"b\":\"\xc3\xa4\",\"a\":2}\r\n{\"a\":3}";
    reads_the_same_in_any_blocks(write_bytes("t.jsonl", BYTES(text)), plain, sizeof text + 1);
}

static int read_some(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_str out;
    const struct mlo_table_opts o = {.threads = 2, .block_bytes = 16};
    const char *path = scratch("some.jsonl");
    mlo_str_init(&out, MLO_STR_MAX);
    int rc = dump_table(&path, 1, &o, &out, NULL, &err);
    mlo_str_release(&out);
    return rc;
}

static void memory_runs_out(void)
{
    write_bytes("some.jsonl",
                BYTES("{\"a\":1,\"w\\u0020\":\"x\\ty\"}\n{\"w \":\"z\",\"n\":{\"d\":1}}\nbad\n{}\n"));
    check(each_alloc_failure(read_some) > 10);
}

int main(void)
{
    run(values_of_every_kind_are_cells);
    run(escapes_are_resolved_in_keys_and_values);
    run(members_may_come_in_any_order_and_late);
    run(the_last_of_two_members_of_one_name_counts);
    run(null_and_words_for_missing_are_missing);
    run(a_value_of_another_type_is_bad);
    run(lines_that_are_no_objects_are_counted);
    run(blank_lines_and_line_ends_do_not_matter);
    run(what_holds_no_object_is_refused);
    run(it_is_known_by_its_first_byte);
    run(many_members_in_another_order_each_line);
    run(borders_of_blocks_may_fall_anywhere);
    run(memory_runs_out);
    return done_testing();
}

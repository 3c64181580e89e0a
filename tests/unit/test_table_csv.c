/* Delimited text: quotes, line ends, ragged lines, separators, headers, block borders, damage. */
#include <unistd.h>

#include "table_cases.h"

#define MIB ((size_t)1 << 20)

static const struct mlo_table_opts plain;

static void reads(const char *text, const char *want)
{
    reads_bytes("t.csv", text, strlen(text), &plain, want);
}

/* ---- RFC 4180 ---- */

static void reads_names_types_and_values(void)
{
    reads("id,x,word,yes,at\n1,2.5,a,true,2024-01-02\n2,-1e3,b,false,2024-01-02T03:04:05Z\n",
          "id:int|x:number|word:text|yes:bool|at:time\n"
          "2: 1|2.5|'a'|true|1704153600000000000\n"
          "3: 2|-1000|'b'|false|1704164645000000000\n");
}

static void quotes_hold_separators_newlines_and_quotes(void)
{
    reads("a,b\n\"x,y\",\"l1\nl2\"\n\"say \"\"hi\"\"\",\"\"\"\"\n\"\",z\n", "a:text|b:text\n"
                                                                            "2: 'x,y'|'l1\\x0al2'\n"
                                                                            "4: 'say \"hi\"'|'\"'\n"
                                                                            "5: -|'z'\n");
}

static void a_quote_within_a_field_is_a_letter(void)
{
    reads("a,b\n5\" pipe,x\"\"y\nit\"s,z\n", "a:text|b:text\n2: '5\" pipe'|'x\"\"y'\n3: 'it\"s'|'z'\n");
}

static void numbers_may_be_quoted(void)
{
    reads("\"a\",\"b\"\n\"1\",\"2.5\"\n\"-3\",\"4\"\n", "a:int|b:number\n2: 1|2.5\n3: -3|4\n");
}

static void names_may_be_quoted_over_lines(void)
{
    reads("\"a\nb\",\"c,d\"\n1,2\n", "a\\x0ab:int|c,d:int\n3: 1|2\n");
}

static void lines_end_in_crlf_too(void)
{
    reads("a,b\r\n1,x\r\n2,\"y\r\nz\"\r\n", "a:int|b:text\n2: 1|'x'\n3: 2|'y\\x0d\\x0az'\n");
    reads("a,b\r\n1,\"x\"\r\n2,\r\n", "a:int|b:text\n2: 1|'x'\n3: 2|-\n");
    reads("a\r\n1\n2\r\n", "a:int\n2: 1\n3: 2\n");
}

static void the_last_line_needs_no_newline(void)
{
    reads("a,b\n1,2\n3,4", "a:int|b:int\n2: 1|2\n3: 3|4\n");
    reads("a,b\n1,2\n3,\"4\"", "a:int|b:int\n2: 1|2\n3: 3|4\n");
    reads("a,b\n1,2\n3,", "a:int|b:int\n2: 1|2\n3: 3|-\n");
    reads("a\r\n1\r", "a:int\n2: 1\n");
}

static void a_byte_order_mark_is_no_part_of_the_name(void)
{
    reads("\xef\xbb\xbfid,x\n1,2\n", "id:int|x:int\n2: 1|2\n");
    reads("\xef\xbb\xbf\"id\",x\n1,2\n", "id:int|x:int\n2: 1|2\n");
}

static void blank_lines_are_passed_over_and_counted(void)
{
    reads("\n\na,b\n\n1,2\n\r\n3,4\n\n", "a:int|b:int\n5: 1|2\n7: 3|4\n");
}

static void blanks_around_numbers_do_not_matter(void)
{
    reads("a,b\n 1 ,\t2.5\n3, 4\n", "a:int|b:number\n2: 1|2.5\n3: 3|4\n");
}

/* ---- ragged lines ---- */

static void ragged_lines_are_told_by_number(void)
{
    reads("a,b\n1,2\n3\n4,5\n6,7,8\n9,10\n", "a:int|b:int\n2: 1|2\n4: 4|5\n6: 9|10\n"
                                             "ragged 2: 3 has 1, 5 has 3\n");
    reads("a,b\n\"x\ny\",1\n2\n\"z\",3\n", "a:text|b:int\n2: 'x\\x0ay'|1\n5: 'z'|3\nragged 1: 4 has 1\n");
}

static void only_the_first_eight_ragged_lines_are_kept(void)
{
    reads("a,b\n1,1\n1\n2\n3\n4\n5\n6\n7\n8\n9\n",
          "a:int|b:int\n2: 1|1\n"
          "ragged 9: 3 has 1, 4 has 1, 5 has 1, 6 has 1, 7 has 1, 8 has 1, 9 has 1, 10 has 1\n");
}

/* All that follows would be lost; only at the very end, where a file may still grow, it costs no more than a
 * row. */
static void a_quote_that_is_never_closed_is_refused(void)
{
    refuses_bytes("t.csv", BYTES("a,b\n1,x\n2,\"y\n3,z\n"), &plain, MLO_EINVALID, "line 3: a quote");
    refuses_bytes("t.csv", BYTES("a,b\n1,x\n\"2,y\n3,z\n"), &plain, MLO_EINVALID, "line 3: a quote");
    reads("a,b\n1,x\n2,\"y", "a:int|b:text\n2: 1|'x'\nragged 1: 3 has 2\n");
    reads("a,b\n1,x\n2,\"", "a:int|b:text\n2: 1|'x'\nragged 1: 3 has 2\n");
}

/* ---- separators and headers ---- */

static void the_separator_is_found_out(void)
{
    reads("a;b\n1,5;2\n", "a:text|b:int\n2: '1,5'|2\n");
    reads("a\tb\n1\tx y\n", "a:int|b:text\n2: 1|'x y'\n");
    reads("a|b|c\n1|2|3\n", "a:int|b:int|c:int\n2: 1|2|3\n");
    reads("a,b\n1,\"x;y;z\"\n2,\"u;v;w\"\n", "a:int|b:text\n2: 1|'x;y;z'\n3: 2|'u;v;w'\n");
    reads("only\n1\n2\n", "only:int\n2: 1\n3: 2\n");
}

static void a_given_separator_is_taken(void)
{
    const struct mlo_table_opts semicolon = {.separator = ';'}, tabs = {.format = "tsv"};
    reads_bytes("t.csv", BYTES("a,b;c\n1,2;3\n"), &semicolon, "a,b:text|c:int\n2: '1,2'|3\n");
    reads_bytes("t.csv", BYTES("a,b\tc\n1,2\t3\n"), &tabs, "a,b:text|c:int\n2: '1,2'|3\n");
}

static void columns_without_a_header_are_numbered(void)
{
    const struct mlo_table_opts none = {.no_header = true};
    reads_bytes("t.csv", BYTES("1,x\n2,y\n"), &none, "column1:int|column2:text\n1: 1|'x'\n2: 2|'y'\n");
    reads("a,,c\n1,2,3\n", "a:int|column2:int|c:int\n2: 1|2|3\n");
}

static void doubles_of_names_are_numbered_as_pandas_does(void)
{
    reads("a,a,b,a\n1,2,3,4\n", "a:int|a.1:int|b:int|a.2:int\n2: 1|2|3|4\n");
    reads("a,a,a.1\n1,2,3\n", "a:int|a.1:int|a.1.1:int\n2: 1|2|3\n");
}

static void long_names_stay_whole(void)
{
    char text[1500], want[1500], name[601];
    memset(name, 'n', 600);
    name[600] = '\0';
    snprintf(text, sizeof text, "%s,%s\n1,2\n", name, name);
    snprintf(want, sizeof want, "%s:int|%s.1:int\n2: 1|2\n", name, name);
    reads(text, want);
}

/* ---- columns chosen and given ---- */

static void only_selected_columns_are_read_in_the_order_of_the_file(void)
{
    const char *const names[] = {"c", "a"}, *const wrong[] = {"nothing"};
    const struct mlo_table_opts some = {.select = names, .n_select = 2},
                                none = {.select = wrong, .n_select = 1};
    reads_bytes("t.csv", BYTES("a,b,c\n1,x,3\n"), &some, "a:int|c:int\n2: 1|3\n");
    refuses_bytes("t.csv", BYTES("a,b,c\n1,x,3\n"), &none, MLO_ENOTFOUND, "nothing");
}

static void given_types_win_and_show_what_is_not_of_them(void)
{
    char x[] = "x", y[] = "y";
    const struct mlo_table_column types[] = {{.name = x, .type = MLO_COLUMN_NUMBER},
                                             {.name = y, .type = MLO_COLUMN_TEXT}};
    const struct mlo_table_opts given = {.types = types, .n_types = 2};
    reads_bytes("t.csv", BYTES("x,y\none,1\n2,NA\n,3\nNaN,4\n\"1,000\",5\n-inf,6\n"), &given,
                "x:number|y:text\n2: !'one'|'1'\n3: 2|-\n4: -|'3'\n5: -|'4'\n6: !'1,000'|'5'\n7: nan|'6'\n");
}

static void a_word_late_in_a_number_column_is_bad_not_fatal(void)
{
    struct mlo_str text, want;
    mlo_str_init(&text, MLO_STR_MAX);
    mlo_str_init(&want, MLO_STR_MAX);
    mlo_str_add(&text, "x\n");
    mlo_str_add(&want, "x:int\n");
    for (int i = 0; i < 12000; i++) {
        mlo_str_addf(&text, i == 11000 ? "word\n" : "%d\n", i);
        mlo_str_addf(&want, i == 11000 ? "%d: !'word'\n" : "%d: %d\n", i + 2, i);
    }
    reads(text.ptr, want.ptr);
    mlo_str_release(&text);
    mlo_str_release(&want);
}

/* ---- sizes ---- */

static void a_header_alone_is_a_table_without_rows(void)
{
    reads("a,b\n", "a:text|b:text\n");
    reads("a,b", "a:text|b:text\n");
}

static void one_row_is_a_table(void)
{
    reads("a,b\n1,2\n", "a:int|b:int\n2: 1|2\n");
}

static void what_is_empty_is_refused(void)
{
    refuses_bytes("t.csv", BYTES(""), &plain, MLO_EINVALID, "is empty");
    refuses_bytes("t.csv", BYTES("\n\n\r\n"), &plain, MLO_EINVALID, "is empty");
    refuses_bytes("t.csv", BYTES("\xef\xbb\xbf"), &plain, MLO_EINVALID, "is empty");
}

static void wide_table(struct mlo_str *text, size_t columns, size_t rows)
{
    mlo_str_init(text, MLO_STR_MAX);
    for (size_t c = 0; c < columns; c++)
        mlo_str_addf(text, "c%zu%c", c, c + 1 < columns ? ',' : '\n');
    for (size_t i = 0; i < rows * columns; i++)
        mlo_str_addf(text, "%zu%c", i, (i + 1) % columns ? ',' : '\n');
}

static void tables_may_have_65536_columns_and_no_more(void)
{
    struct mlo_str text;
    struct mlo_scan_result st = {0};
    struct mlo_err err = MLO_ERR_INIT;
    const struct mlo_table_opts one = {.threads = 1};
    wide_table(&text, 65536, 3);
    const char *path = write_bytes("wide.csv", text.ptr, text.len);
    mlo_str_clear(&text);
    check_ok(dump_table(&path, 1, &one, &text, &st, &err), &err);
    check_int(st.rows, 3);
    check(text.len > 100 && strcmp(text.ptr + text.len - 8, "|196607\n") == 0);
    mlo_str_release(&text);
    wide_table(&text, 65537, 1);
    refuses_bytes("wide.csv", text.ptr, text.len, &one, MLO_EINVALID, "more than 65536 columns");
    mlo_str_release(&text);
}

static void a_record_too_long_is_told_by_its_line(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_str out;
    char *line = calloc(1, MIB + 1);
    memset(line, 'x', MIB);
    memcpy(line, "a,b\n1,2\n3,\"", 11);
    const char *path = write_bytes("long.csv", line, MIB);
    check(truncate(path, 200 * MIB) == 0); /* a hole: it costs no disk */
    mlo_str_init(&out, MLO_STR_MAX);
    check_err(dump_table(&path, 1, &plain, &out, NULL, &err), MLO_EINVALID, &err, "line 3");
    mlo_str_release(&out);
    memset(line, 'x', MIB);
    write_bytes("long.csv", line, MIB);
    check(truncate(path, 2 * MIB) == 0);
    check_err(dump_table(&path, 1, &plain, &out, NULL, &err), MLO_EINVALID, &err, "first line");
    free(line);
}

/* ---- bytes ---- */

static void bytes_that_are_no_utf8_stay_as_they_are(void)
{
    reads_bytes("t.csv", BYTES("n\xe4me,b\n\xff\xfe,\xc3\xa4\n"), &plain,
                "n\\xe4me:text|b:text\n2: '\\xff\\xfe'|'\\xc3\\xa4'\n");
}

static void binary_data_is_no_table(void)
{
    refuses_bytes("t.csv", BYTES("a,b\n1,\0\n"), &plain, MLO_EINVALID, "binary");
    refuses_bytes("t.csv",
                  BYTES("\xff\xfe"
                        "a\0,\0b\0\n\0"),
                  &plain, MLO_EINVALID, "binary");
}

/* ---- blocks and threads ---- */

static void borders_of_blocks_may_fall_anywhere(void)
{
    static const char nasty[] = "\xef\xbb\xbfid,\"na\nme\",x\r\n1,\"a\"\"b\",2.5\r\n\n2,\"l1\r\nl2,\"\"\",\n"
                                "3,five\"six,NaN\nshort\n4,\"\",-1e-3\n\"5\",\"\"\"\"\"\",7\n6,last,8";
    const struct mlo_table_opts comma = {.separator = ','};
    reads_the_same_in_any_blocks(write_bytes("nasty.csv", BYTES(nasty)), comma, sizeof nasty + 1);
    static const char late[] = "\xef\xbb\xbf\n\r\n\n\"i\nd\",name\n\n1,x\n";
    reads_the_same_in_any_blocks(write_bytes("late.csv", BYTES(late)), comma, sizeof late + 1);
    const struct mlo_table_opts bare = {.separator = ',', .no_header = true};
    reads_the_same_in_any_blocks(write_bytes("nasty.csv", BYTES(nasty)), bare, sizeof nasty + 1);
}

/* Every text of up to five bytes out of an alphabet of those that matter. */
static void every_short_text_reads_the_same_in_any_blocks(void)
{
    static const char letters[] = "a,\"\n\r1";
    enum { LONGEST = 4 };
    size_t each = sizeof letters - 1, all = 1;
    for (int i = 0; i < LONGEST; i++)
        all *= each;
    for (size_t k = 0; k < all; k++) {
        char text[16] = "h,i\n";
        for (size_t i = 0, rest = k; i < LONGEST; i++, rest /= each)
            text[4 + i] = letters[rest % each];
        struct mlo_table_opts o = {.separator = ',', .threads = 1};
        const char *path = write_bytes("short.csv", text, strlen(text));
        char *want = outcome(path, &o);
        for (o.block_bytes = 1; o.block_bytes < 8; o.block_bytes++) {
            char *got = outcome(path, &o);
            check(strcmp(got, want) == 0, "case %zu in blocks of %zu: %s against %s", k, o.block_bytes, got,
                  want);
            free(got);
        }
        free(want);
    }
}

static void threads_do_not_change_what_is_read(void)
{
    uint64_t seed = 5;
    struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    mlo_str_add(&text, "k,x,word,q\n");
    for (int i = 0; i < 30000; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        unsigned r = (unsigned)(seed >> 40);
        mlo_str_addf(&text, "%d,%u.%03u,w%u,", i, r % 1000, r % 997, r % 50);
        mlo_str_add(&text, r % 13 == 0 ? "\"a\nb\"\n" : r % 17 == 0 ? "x,y\n" : "plain\n");
    }
    const char *path = write_bytes("big.csv", text.ptr, text.len);
    mlo_str_release(&text);
    struct mlo_table_opts o = {.threads = 1};
    char *want = outcome(path, &o);
    for (o.threads = 2; o.threads <= 5; o.threads += 3)
        for (o.block_bytes = 1000; o.block_bytes < 2000000; o.block_bytes *= 40) {
            char *got = outcome(path, &o);
            /* Which ragged lines come first depends on the threads; how many there are does not. */
            char *a = strstr(want, "ragged"), *b = strstr(got, "ragged");
            check(a && b && a - want == b - got && memcmp(want, got, (size_t)(a - want)) == 0);
            check(a && b && strncmp(a, b, strcspn(a, ":")) == 0);
            free(got);
        }
    free(want);
}

/* ---- memory ---- */

static int read_some(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_str out;
    const struct mlo_table_opts o = {.threads = 2, .block_bytes = 16};
    const char *path = scratch("some.csv");
    mlo_str_init(&out, MLO_STR_MAX);
    int rc = dump_table(&path, 1, &o, &out, NULL, &err);
    mlo_str_release(&out);
    return rc;
}

static void memory_runs_out(void)
{
    write_bytes("some.csv", BYTES("a,b,a,at\n1,\"x\n\",2,2024-01-01\n3,y,4,x\n5\n6,z,7,NA\n"));
    check(each_alloc_failure(read_some) > 10);
}

int main(void)
{
    run(reads_names_types_and_values);
    run(quotes_hold_separators_newlines_and_quotes);
    run(a_quote_within_a_field_is_a_letter);
    run(numbers_may_be_quoted);
    run(names_may_be_quoted_over_lines);
    run(lines_end_in_crlf_too);
    run(the_last_line_needs_no_newline);
    run(a_byte_order_mark_is_no_part_of_the_name);
    run(blank_lines_are_passed_over_and_counted);
    run(blanks_around_numbers_do_not_matter);
    run(ragged_lines_are_told_by_number);
    run(only_the_first_eight_ragged_lines_are_kept);
    run(a_quote_that_is_never_closed_is_refused);
    run(the_separator_is_found_out);
    run(a_given_separator_is_taken);
    run(columns_without_a_header_are_numbered);
    run(doubles_of_names_are_numbered_as_pandas_does);
    run(long_names_stay_whole);
    run(only_selected_columns_are_read_in_the_order_of_the_file);
    run(given_types_win_and_show_what_is_not_of_them);
    run(a_word_late_in_a_number_column_is_bad_not_fatal);
    run(a_header_alone_is_a_table_without_rows);
    run(one_row_is_a_table);
    run(what_is_empty_is_refused);
    run(tables_may_have_65536_columns_and_no_more);
    run(a_record_too_long_is_told_by_its_line);
    run(bytes_that_are_no_utf8_stay_as_they_are);
    run(binary_data_is_no_table);
    run(borders_of_blocks_may_fall_anywhere);
    run(every_short_text_reads_the_same_in_any_blocks);
    run(threads_do_not_change_what_is_read);
    run(memory_runs_out);
    return done_testing();
}

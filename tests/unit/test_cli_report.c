/* One report, two renderings: text that lines up and obeys nothing, JSON that is exact. */
#include <string.h>

#include <mlopsctl/base/time.h>
#include <mlopsctl/cli.h>

#include "../../src/cli/internal.h"
#include "tap.h"

static struct mlo_ctx ctx;
static struct mlo_report *r;

static void begin(bool json)
{
    ctx = (struct mlo_ctx){.cmd_name = "ledger verify", .json = json};
    r = mlo_report_new(&ctx);
}

/* The whole output; valid until the next call. */
static const char *end(void)
{
    static char *text;
    size_t len = 0;
    struct mlo_err err = MLO_ERR_INIT;
    free(text);
    text = NULL;
    FILE *out = open_memstream(&text, &len);
    check_ok(mlo_report_print(r, out, &err), &err);
    fclose(out);
    mlo_report_free(r);
    return text;
}

static const struct mlo_digest digest = {{0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67}};
static const struct mlo_column columns[] = {
    {"name", "NAME", MLO_CELL_TEXT}, {"size", "SIZE", MLO_CELL_SIZE}, {"digest", "DIGEST", MLO_CELL_DIGEST},
    {"when", "WHEN", MLO_CELL_TIME}, {"ok", "OK", MLO_CELL_BOOL},     {"delta", "DELTA", MLO_CELL_I64},
    {"note", "NOTE", MLO_CELL_TEXT},
};

static void row(const char *name, uint64_t size, int64_t delta, const char *note)
{
    mlo_cell_text(r, name);
    mlo_cell_u64(r, size);
    mlo_cell_digest(r, &digest);
    mlo_cell_i64(r, 1767225600 * MLO_NS_PER_S);
    mlo_cell_u64(r, 1);
    mlo_cell_i64(r, delta);
    mlo_cell_text(r, note);
}

static void text_tables_line_up_by_what_a_terminal_shows(void)
{
    begin(false);
    mlo_report_table(r, "rows", NULL, columns, MLO_COUNT(columns), "nothing");
    row("a", 512, -5, NULL);
    row("模型", 1536, 1234, "x");
    row("b", 1, 0, "");
    check_str(end(), "NAME     SIZE  DIGEST        WHEN                  OK   DELTA  NOTE\n"
                     "a       512 B  abcdef012345  2026-01-01T00:00:00Z  yes     -5  -\n"
                     "模型  1.5 KiB  abcdef012345  2026-01-01T00:00:00Z  yes   1234  x\n"
                     "b         1 B  abcdef012345  2026-01-01T00:00:00Z  yes      0\n");
}

static void nothing_from_outside_reaches_the_terminal_raw(void)
{
    static const struct mlo_column one[] = {{"n", "N", MLO_CELL_TEXT}};
    begin(false);
    mlo_report_text(r, "f", "fact", "a\033]0;x\007b");
    mlo_report_table(r, "rows", NULL, one, 1, NULL);
    mlo_cell_text(r, "line\nbreak");
    const char *text = end();
    check(!strchr(text, '\033') && !strchr(text, '\007'), "%s", text);
    check(strstr(text, "line\\x0Abreak") != NULL, "%s", text);
}

static void facts_line_up_and_absent_ones_are_left_out(void)
{
    begin(false);
    mlo_report_say(r, "packed %s", "m:1");
    mlo_report_text(r, "a", "name", "m");
    mlo_report_text(r, "b", "a long title that is absent", NULL);
    mlo_report_count(r, "c", "parameters", 110000000);
    mlo_report_digest(r, "d", "digest", &digest);
    mlo_report_note(r, "a note");
    check_str(end(), "packed m:1\n"
                     "name        m\n"
                     "parameters  110M\n"
                     "digest      sha256:abcdef0123456700000000000000000000000000000000000000000000000000\n"
                     "\na note\n");
}

static void quiet_leaves_the_result_only(void)
{
    begin(false);
    ctx.quiet = true;
    mlo_report_say(r, "packed");
    mlo_report_u64(r, "n", "rows", 3);
    mlo_report_note(r, "note");
    check_str(end(), "rows  3\n");
}

static void json_is_one_exact_document(void)
{
    begin(true);
    mlo_report_say(r, "not in JSON");
    mlo_report_size(r, "size", "size", UINT64_MAX);
    mlo_report_double(r, "ratio", "ratio", 0.1);
    mlo_report_duration(r, "took", "took", 1500000000);
    mlo_report_text(r, "none", "none", NULL);
    mlo_report_bool(r, "yes", "yes", true);
    mlo_report_json(r, "more", cJSON_CreateArray());
    mlo_report_table(r, "rows", NULL, columns, MLO_COUNT(columns), "nothing");
    row("a", (1ULL << 53) + 1, INT64_MIN, NULL);
    check_str(
        end(),
        "{\"schema\":1,\"command\":\"ledger "
        "verify\",\"size\":18446744073709551615,\"ratio\":0.1,\"took\":1.5,"
        "\"none\":null,\"yes\":true,\"more\":[],\"rows\":[{\"name\":\"a\",\"size\":9007199254740993,"
        "\"digest\":\"sha256:abcdef0123456700000000000000000000000000000000000000000000000000\","
        "\"when\":\"2026-01-01T00:00:00Z\",\"ok\":true,\"delta\":-9223372036854775808,\"note\":null}]}\n");
}

static void json_stays_utf8_when_a_name_is_not(void)
{
    begin(true);
    mlo_report_text(r, "name", "name",
                    "a\xff"
                    "b");
    check_str(end(), "{\"schema\":1,\"command\":\"ledger verify\",\"name\":\"a\\\\xFFb\"}\n");
}

static void an_empty_table_is_a_line_of_text_and_an_empty_array(void)
{
    begin(false);
    mlo_report_table(r, "rows", "TITLE", columns, MLO_COUNT(columns), "nothing here");
    check_str(end(), "nothing here\n");
    begin(true);
    mlo_report_table(r, "rows", "TITLE", columns, MLO_COUNT(columns), "nothing here");
    check_str(end(), "{\"schema\":1,\"command\":\"ledger verify\",\"rows\":[]}\n");
}

static void header_is_bold_only_with_colour(void)
{
    static const struct mlo_column one[] = {{"n", "N", MLO_CELL_U64}};
    begin(false);
    ctx.color = true;
    mlo_report_table(r, "rows", NULL, one, 1, NULL);
    mlo_cell_u64(r, 7);
    check_str(end(), "\033[1mN\033[0m\n7\n");
}

static const struct mlo_column stream_columns[] = {{"id", "ID", MLO_CELL_U64},
                                                   {"what", "WHAT", MLO_CELL_TEXT}};

/* `rows` rows through a stream; what had come out before the end is put into *early. */
static const char *stream(bool json, unsigned rows, size_t *early)
{
    static char *text;
    size_t len = 0;
    struct mlo_err err = MLO_ERR_INIT;
    free(text);
    text = NULL;
    begin(json);
    FILE *out = open_memstream(&text, &len);
    mlo_report_stream(r, out);
    mlo_report_table(r, "rows", NULL, stream_columns, 2, "none");
    for (unsigned i = 0; i < rows; i++) {
        mlo_cell_u64(r, i);
        mlo_cell_text(r, i % 2 ? "odd" : "even");
    }
    fflush(out);
    *early = len;
    check_ok(mlo_report_print(r, out, &err), &err);
    fclose(out);
    mlo_report_free(r);
    return text;
}

static void a_stream_writes_rows_while_they_come(void)
{
    size_t early = 0;
    check_str(stream(false, 2, &early), "ID  WHAT\n 0  even\n 1  odd\n");
    const char *text = stream(false, 1000, &early);
    check(early > 1000, "only %zu bytes were out before the end", early);
    check(strncmp(text, "ID  WHAT\n 0  even\n", 18) == 0);
    check(strstr(text, "\n999  odd\n") != NULL);
    unsigned headers = 0;
    for (const char *p = text; (p = strstr(p, "WHAT")); p++)
        headers++;
    check_int(headers, 1);
    check_str(stream(false, 0, &early), "none\n");
    check_str(stream(true, 0, &early), "");
    check_str(stream(true, 2, &early),
              "{\"schema\":1,\"id\":0,\"what\":\"even\"}\n{\"schema\":1,\"id\":1,\"what\":\"odd\"}\n");
}

static void a_full_disk_is_an_error(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    begin(false);
    FILE *out = fopen("/dev/full", "w");
    setvbuf(out, NULL, _IONBF, 0);
    mlo_report_u64(r, "n", "n", 1);
    check_err(mlo_report_print(r, out, &err), MLO_EIO, &err, "No space left");
    fclose(out);
    mlo_report_free(r);
}

static void a_cell_without_a_table_is_a_bug_that_is_told(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    begin(false);
    mlo_cell_text(r, "lost");
    check_err(mlo_report_print(r, stdout, &err), MLO_EINTERNAL, &err, "outside a table");
    mlo_report_free(r);
}

static int make_report(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    ctx = (struct mlo_ctx){.cmd_name = "x", .json = true};
    struct mlo_report *mine = mlo_report_new(&ctx);
    FILE *out = fopen("/dev/null", "w");
    int rc = MLO_EIO;
    if (mine && out) {
        mlo_report_text(mine, "t", "t", "\xff");
        mlo_report_table(mine, "rows", "title", stream_columns, 2, "none");
        mlo_cell_u64(mine, 1);
        mlo_cell_text(mine, "a");
        mlo_report_json(mine, "j", cJSON_CreateTrue());
        rc = mlo_report_print(mine, out, &err);
    }
    if (out)
        fclose(out);
    mlo_report_free(mine);
    return rc;
}

static void memory_failure_is_sticky_and_leaks_nothing(void)
{
    check(each_alloc_failure(make_report) > 10);
}

static void a_progress_line_fits_its_terminal(void)
{
    struct mlo_str line;
    struct mlo_progress_view v = {"packing", 512 << 20, 1024u << 20, 2 * (uint64_t)MLO_NS_PER_S, 0, 0, false};
    mlo_str_init(&line, 1024);
    mlo_progress_line(&v, 100, &line);
    check_str(line.ptr,
              "packing  50% [###############...............] 512.0 MiB of 1.0 GiB, 256.0 MiB/s, 2.0 s left");
    for (unsigned width = 12; width < 120; width++) {
        mlo_str_clear(&line);
        mlo_progress_line(&v, width, &line);
        check(line.len <= width, "%zu columns of %u: %s", line.len, width, line.ptr);
    }
    v.since_done = 462 << 20; /* found there in the first second */
    v.since_ns = (uint64_t)MLO_NS_PER_S;
    mlo_str_clear(&line);
    mlo_progress_line(&v, 100, &line);
    check(strstr(line.ptr, "50.0 MiB/s, 10") != NULL, "%s", line.ptr);
    v.total = v.since_done = v.since_ns = 0;
    mlo_str_clear(&line);
    mlo_progress_line(&v, 100, &line);
    check_str(line.ptr, "packing 512.0 MiB, 256.0 MiB/s");
    v = (struct mlo_progress_view){"x", 5, 3, 0, 0, 0, false};
    mlo_str_clear(&line);
    mlo_progress_line(&v, 100, &line);
    check(strstr(line.ptr, "100%") != NULL, "more than all is all: %s", line.ptr);
    mlo_str_release(&line);
}

int main(void)
{
    run(text_tables_line_up_by_what_a_terminal_shows);
    run(nothing_from_outside_reaches_the_terminal_raw);
    run(facts_line_up_and_absent_ones_are_left_out);
    run(quiet_leaves_the_result_only);
    run(json_is_one_exact_document);
    run(json_stays_utf8_when_a_name_is_not);
    run(an_empty_table_is_a_line_of_text_and_an_empty_array);
    run(header_is_bold_only_with_colour);
    run(a_stream_writes_rows_while_they_come);
    run(a_full_disk_is_an_error);
    run(a_cell_without_a_table_is_a_bug_that_is_told);
    run(memory_failure_is_sticky_and_leaks_nothing);
    run(a_progress_line_fits_its_terminal);
    return done_testing();
}

/* Arrow IPC: files of several writers against what is in them, hostile bytes, memory. The files are made by
 * scripts/gen-fixtures/arrow.py. */
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "../../src/table/arrow/flatbuf.h"
#include "table_cases.h"

#define GOLDEN "tests/golden/arrow/"

static const struct mlo_table_opts plain;

static void golden(char *path, const char *name)
{
    snprintf(path, MLO_PATH_MAX, GOLDEN "%s", name);
}

static char *contents(const char *path, size_t *ret_n)
{
    struct mlo_err err = MLO_ERR_INIT;
    char *data = NULL;
    check_ok(mlo_slurp_at(AT_FDCWD, path, (size_t)1 << 24, &data, ret_n, &err), &err);
    return data;
}

static void each_file_holds_what_its_writer_put_in(void)
{
    DIR *dir = opendir(GOLDEN);
    int files = 0;
    for (const struct dirent *e; dir && (e = readdir(dir));) {
        char path[MLO_PATH_MAX], expected[MLO_PATH_MAX + 8];
        golden(path, e->d_name);
        snprintf(expected, sizeof expected, "%s.txt", path);
        if (!strstr(e->d_name, ".arrow") || access(expected, R_OK) != 0)
            continue;
        size_t n;
        char *want = contents(expected, &n);
        for (unsigned threads = 1; threads <= 3; threads += 2) {
            const struct mlo_table_opts o = {.threads = threads};
            char *got = outcome(path, &o);
            check(strcmp(got, want) == 0, "%s on %u threads: %.300s", e->d_name, threads, got);
            free(got);
        }
        free(want);
        files++;
    }
    if (dir)
        closedir(dir);
    check(files >= 20, "%d files in " GOLDEN, files);
}

static void nested_columns_are_left_out_by_name(void)
{
    static const char *const names[] = {"list",  "struct", "map", "pairs", "dense",    "sparse",     "runs",
                                        "views", "deep",   "lv",  "llv",   "interval", "struct_code"};
    struct mlo_table *t = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    const char *path = GOLDEN "nested.arrow";
    size_t n = 0;
    if (!check_ok(mlo_table_open(&path, 1, &plain, &t, &err), &err))
        return;
    const char *const *left_out = mlo_table_left_out(t, &n);
    check_int(n, MLO_COUNT(names));
    for (size_t i = 0; i < n && i < MLO_COUNT(names); i++)
        check_str(left_out[i], names[i]);
    mlo_table_close(t);
}

static void columns_can_be_chosen_and_read_as_other_types(void)
{
    const char *const names[] = {"i8", "i16", "i64", "u32", "u64", "u8"};
    char i8[] = "i8", i16[] = "i16", i64[] = "i64", u32[] = "u32", u64[] = "u64", u8[] = "u8";
    const struct mlo_table_column types[] = {
        {.name = i8, .type = MLO_COLUMN_NUMBER},  {.name = i16, .type = MLO_COLUMN_TEXT},
        {.name = i64, .type = MLO_COLUMN_NUMBER}, {.name = u32, .type = MLO_COLUMN_TEXT},
        {.name = u64, .type = MLO_COLUMN_TEXT},   {.name = u8, .type = MLO_COLUMN_TEXT}};
    const struct mlo_table_opts o = {.select = names, .n_select = 6, .types = types, .n_types = 6};
    char *got = outcome(GOLDEN "dictionaries.arrow", &o);
    check_str(got, "i8:number|u8:text|i16:text|i64:number|u32:text|u64:text\n"
                   "1: !'b'|'v199'|'1.5'|1|'1970-01-02'|'text of a view, long'\n"
                   "2: !'a'|'a'|-|0|'9999-01-01'|-\n"
                   "3: -|-|-|-|-|-\n"
                   "4: !'b'|'v127'|'nan'|1|'1970-01-02'|'text of a view, long'\n");
    free(got);
}

static void a_compressed_or_piped_file_is_read_too(void)
{
    size_t n;
    char *want = contents(GOLDEN "nested.arrow.txt", &n), command[2 * MLO_PATH_MAX + 64];
    const char *packed = scratch("nested.arrow.gz");
    snprintf(command, sizeof command, "gzip -c " GOLDEN "nested.arrow >%s", packed);
    check(system(command) == 0);
    char *got = outcome(packed, &plain);
    check_str(got, want);
    free(got);
    free(want);
}

/* ---- refusals ---- */

static void what_is_not_read_is_said(void)
{
    char *got = outcome(GOLDEN "big-endian.arrows", &plain);
    check(strstr(got, "error -7") && strstr(got, "big-endian"), "%s", got);
    free(got);
    refuses_bytes("v1.feather", BYTES("FEA1\0\0\0\0and so on"), &plain, MLO_EUNAVAIL, "version 1");
    refuses_bytes("cut.arrow", BYTES("ARROW1\0\0and so on, no footer"), &plain, MLO_EINVALID, "no footer");
}

/* Every file cut after any byte is refused, or a stream that ends with a message: never read beyond it. */
static void a_file_that_was_cut_is_refused(void)
{
    static const char *const names[] = {"delta.arrow", "replaced.arrows", "polars-zstd.arrow"};
    for (size_t k = 0; k < MLO_COUNT(names); k++) {
        char path[MLO_PATH_MAX];
        size_t n = 0, refused = 0;
        golden(path, names[k]);
        char *data = contents(path, &n);
        for (size_t cut = 1; data && cut < n; cut++) {
            char *got = outcome(write_bytes("cut.arrow", data, cut), &plain);
            refused += strncmp(got, "error -", 7) == 0;
            free(got);
        }
        check(refused + 40 >= n - 1, "%s: %zu of %zu", names[k], refused, n - 1);
        free(data);
    }
}

/* Each byte changed: an answer or a refusal, no crash (the sanitized build watches). */
static void changed_bytes_do_no_harm(void)
{
    static const char *const names[] = {"delta.arrow", "replaced.arrows", "polars-lz4.arrow", "duckdb.arrow"};
    const struct mlo_table_opts o = {.threads = 1, .max_bytes = 1 << 24};
    for (size_t k = 0; k < MLO_COUNT(names); k++) {
        char path[MLO_PATH_MAX];
        size_t n = 0;
        golden(path, names[k]);
        char *data = contents(path, &n);
        for (size_t i = 0; data && i < n; i++) {
            static const unsigned char with[] = {0x01, 0x80, 0xff};
            char before = data[i];
            data[i] = (char)(data[i] ^ (char)with[i % MLO_COUNT(with)]);
            char *got = outcome(write_bytes("changed.arrow", data, n), &o);
            check(got != NULL);
            free(got);
            data[i] = before;
        }
        free(data);
    }
}

/* A buffer that says that it becomes much: nothing is allocated for it. */
static void a_decompression_bomb_is_refused(void)
{
    size_t n = 0;
    char *data = contents(GOLDEN "many-zstd.arrow", &n);
    size_t found = 0;
    for (size_t i = 0; data && i + 12 < n; i += 8) { /* before each frame stands its length afterwards */
        if (memcmp(data + i + 8, "\x28\xb5\x2f\xfd", 4) != 0)
            continue;
        char kept[8];
        memcpy(kept, data + i, 8);
        memcpy(data + i, "\0\0\0\0\0\1\0\0", 8);
        char *got = outcome(write_bytes("bomb.arrow", data, n), &plain);
        check(strstr(got, "error -4") && strstr(got, "impossibly long"), "%s", got);
        free(got);
        memcpy(data + i, kept, 8);
        found++;
    }
    check(found >= 2);
    const struct mlo_table_opts small = {.max_bytes = 20000};
    char *got = outcome(GOLDEN "many-zstd.arrow", &small);
    check(strstr(got, "error -4") != NULL, "%s", got);
    free(got);
    free(data);
}

/* ---- FlatBuffers ---- */

static void offsets_of_a_flatbuffer_are_checked(void)
{
    /* root 16; vtable at 4: 8 bytes, table of 12, fields at 4 and 8; table at 16: vtable 12 back, 7, 4 on. */
    uint8_t p[] = {16, 0, 0, 0, 8, 0, 12, 0, 4, 0, 8, 0, 0, 0, 0, 0,   12,
                   0,  0, 0, 7, 0, 0, 0,  4, 0, 0, 0, 2, 0, 0, 0, 'h', 'i'};
    struct mlo_flatbuf in = {.p = p, .n = sizeof p};
    struct mlo_flat_table t = mlo_flat_root(&in);
    check_int(mlo_flat_number(&t, 0, 4, 1), 7);
    check_int(mlo_flat_number(&t, 9, 4, 1), 1);
    struct mlo_slice s = mlo_flat_string(&t, 1);
    check(s.len == 2 && memcmp(s.ptr, "hi", 2) == 0 && !in.bad);
    for (size_t n = 0; n < sizeof p; n++) {
        uint8_t *copy = malloc(n + 1); /* of this very size: the sanitizer sees what is read beyond */
        memcpy(copy, p, n);
        struct mlo_flatbuf cut = {.p = copy, .n = n};
        t = mlo_flat_root(&cut);
        mlo_flat_string(&t, 1);
        check(cut.bad, "cut after %zu bytes", n);
        free(copy);
    }
    static const size_t offsets[] = {0, 4, 6, 16, 24, 28};
    for (size_t k = 0; k < MLO_COUNT(offsets); k++) {
        uint8_t kept = p[offsets[k]];
        p[offsets[k]] = 0xf1;
        in = (struct mlo_flatbuf){.p = p, .n = sizeof p};
        t = mlo_flat_root(&in);
        mlo_flat_string(&t, 1);
        check(in.bad, "byte %zu", offsets[k]);
        p[offsets[k]] = kept;
    }
}

/* ---- memory ---- */

static const char *faulted;

static int read_faulted(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_str out;
    const struct mlo_table_opts o = {.threads = 1};
    mlo_str_init(&out, MLO_STR_MAX);
    int rc = dump_table(&faulted, 1, &o, &out, NULL, &err);
    mlo_str_release(&out);
    return rc;
}

static void memory_runs_out(void)
{
    static const char *const paths[] = {GOLDEN "delta.arrow", GOLDEN "replaced.arrows",
                                        GOLDEN "nested.arrow"};
    for (size_t i = 0; i < MLO_COUNT(paths); i++) {
        faulted = paths[i];
        check(each_alloc_failure(read_faulted) > 20);
    }
}

int main(void)
{
    run(each_file_holds_what_its_writer_put_in);
    run(nested_columns_are_left_out_by_name);
    run(columns_can_be_chosen_and_read_as_other_types);
    run(a_compressed_or_piped_file_is_read_too);
    run(what_is_not_read_is_said);
    run(a_file_that_was_cut_is_refused);
    run(changed_bytes_do_no_harm);
    run(a_decompression_bomb_is_refused);
    run(offsets_of_a_flatbuffer_are_checked);
    run(memory_runs_out);
    return done_testing();
}

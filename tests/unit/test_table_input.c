/* Where bytes come from: compressed files whole, in parts and damaged, bombs, patterns, folders, stdin. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zlib.h>

#include "../../src/table/libcodecs.h"
#include "table_cases.h"

static const struct mlo_table_opts plain;
static const char table[] = "a,b\n1,x\n2,y\n3,z\n";
static const char as_text[] = "a:int|b:text\n2: 1|'x'\n3: 2|'y'\n4: 3|'z'\n";

/* A gzip member of these bytes; returns its length. */
static size_t gzip(const char *bytes, size_t n, unsigned char *ret, size_t cap)
{
    z_stream z = {0};
    check(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    memcpy(&z.next_in, &bytes, sizeof bytes);
    z.avail_in = (uInt)n;
    z.next_out = ret;
    z.avail_out = (uInt)cap;
    check(deflate(&z, Z_FINISH) == Z_STREAM_END);
    size_t made = cap - z.avail_out;
    deflateEnd(&z);
    return made;
}

/* A zstd frame that stores them: magic, no checksum, one segment, one raw block. */
static size_t zstd(const char *bytes, size_t n, unsigned char *ret)
{
    static const unsigned char magic[] = {0x28, 0xb5, 0x2f, 0xfd, 0x20};
    unsigned head = (unsigned)(n << 3 | 1);
    memcpy(ret, magic, sizeof magic);
    ret[5] = (unsigned char)n;
    ret[6] = (unsigned char)head;
    ret[7] = (unsigned char)(head >> 8);
    ret[8] = 0;
    memcpy(ret + 9, bytes, n);
    return n + 9;
}

static void gzip_may_have_any_number_of_members(void)
{
    unsigned char packed[400];
    size_t n = gzip(table, 6, packed, sizeof packed);
    n += gzip("", 0, packed + n, sizeof packed - n);
    n += gzip(table + 6, sizeof table - 7, packed + n, sizeof packed - n);
    reads_bytes("t.csv.gz", packed, n, &plain, as_text);
    reads_bytes("unnamed", packed, n, &plain, as_text);
}

static void zstd_may_have_any_number_of_frames(void)
{
    unsigned char packed[200];
    size_t n = zstd(table, 6, packed);
    n += zstd(table + 6, sizeof table - 7, packed + n);
    reads_bytes("t.csv.zst", packed, n, &plain, as_text);
}

static void a_compressed_file_that_was_cut_is_refused(void)
{
    unsigned char packed[400];
    size_t n = gzip(table, sizeof table - 1, packed, sizeof packed);
    for (size_t cut = 4; cut < n; cut++)
        refuses_bytes("t.csv.gz", packed, cut, &plain, MLO_EINVALID, "ends in the middle");
    n = zstd(table, sizeof table - 1, packed);
    for (size_t cut = 4; cut < n; cut++)
        refuses_bytes("t.csv.zst", packed, cut, &plain, MLO_EINVALID, "ends in the middle");
}

static void damaged_bytes_are_refused(void)
{
    unsigned char packed[400];
    size_t n = gzip(table, sizeof table - 1, packed, sizeof packed);
    packed[n - 6] ^= 1; /* of the checksum */
    refuses_bytes("t.csv.gz", packed, n, &plain, MLO_EINVALID, "no whole gzip file");
    n = gzip(table, sizeof table - 1, packed, sizeof packed);
    memcpy(packed + n, "trailing", 8);
    refuses_bytes("t.csv.gz", packed, n + 8, &plain, MLO_EINVALID, "no whole gzip file");
    n = zstd(table, sizeof table - 1, packed);
    packed[6] |= 6; /* a kind of block that does not exist */
    refuses_bytes("t.csv.zst", packed, n, &plain, MLO_EINVALID, "no whole zstd file");
}

static void a_bomb_ends_at_the_limit(void)
{
    enum { SIZE = 8 << 20 };
    char *zeros = malloc(SIZE);
    unsigned char *packed = malloc(1 << 16);
    memset(zeros, '\n', SIZE);
    memcpy(zeros, "a,b\n1,2\n", 8);
    size_t n = gzip(zeros, SIZE, packed, 1 << 16);
    const struct mlo_table_opts o = {.max_bytes = 4 << 20};
    refuses_bytes("bomb.csv.gz", packed, n, &o, MLO_EINVALID, "holds more than 4194304 bytes");
    refuses_bytes("big.csv", zeros, SIZE, &o, MLO_EINVALID, "holds more than 4194304 bytes");
    reads_bytes("fits.csv.gz", packed, n, &plain, "a:int|b:int\n2: 1|2\n");
    free(zeros);
    free(packed);
}

/* ---- which files ---- */

static char *outcome_of(const char *const *paths, size_t n, const struct mlo_table_opts *o)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_str out;
    mlo_str_init(&out, MLO_STR_MAX);
    int rc = dump_table(paths, n, o, &out, NULL, &err);
    if (rc != 0) {
        mlo_str_clear(&out);
        mlo_str_addf(&out, "error %d: %s", rc, err.msg);
    }
    return mlo_str_detach(&out, NULL);
}

static void says(const char *path, const char *want)
{
    char *got = outcome_of(&path, 1, &plain);
    if (strncmp(want, "error", 5) == 0)
        check(strncmp(got, want, 8) == 0 && strstr(got, want + 9), "%s: %s", path, got);
    else
        check_str(got, want);
    free(got);
}

static void folders_and_patterns_are_one_table(void)
{
    char folder[MLO_PATH_MAX], pattern[MLO_PATH_MAX + 16];
    snprintf(folder, sizeof folder, "%s", scratch("parts"));
    check(mkdir(folder, 0700) == 0);
    says(folder, "error -3 holds no files");
    write_bytes("parts/b.csv", BYTES("x,w\n2,b\n"));
    write_bytes("parts/a.csv", BYTES("w,x\na,1\n"));
    write_bytes("parts/empty.csv", "", 0);
    says(folder, "w:text|x:int\n2: 'a'|1\n2: 'b'|2\n");
    snprintf(pattern, sizeof pattern, "%s/[ab].csv", folder);
    says(pattern, "w:text|x:int\n2: 'a'|1\n2: 'b'|2\n");
    snprintf(pattern, sizeof pattern, "%s/c*", folder);
    says(pattern, "error -3 nothing fits");
    write_bytes("parts/c.csv", BYTES("x\n3\n"));
    says(folder, "error -4 has no column 'w'");
}

static void files_that_cannot_be_read_are_said(void)
{
    says("/nowhere/t.csv", "error -3 /nowhere/t.csv");
    says(write_bytes("a[1].csv", table, sizeof table - 1),
         as_text); /* a file of this name goes before the pattern */
    const struct mlo_table_opts unknown = {.format = "xlsx"};
    refuses_bytes("t.csv", table, sizeof table - 1, &unknown, MLO_EUSAGE, "xlsx");
    char *got = outcome_of(NULL, 0, &plain);
    check(strncmp(got, "error -2", 8) == 0);
    free(got);
}

static void stdin_is_a_table(void)
{
    const char *path = write_bytes("in.csv", table, sizeof table - 1);
    int kept = dup(STDIN_FILENO), fd = open(path, O_RDONLY);
    check(kept >= 0 && fd >= 0 && dup2(fd, STDIN_FILENO) == STDIN_FILENO);
    says("-", as_text);
    dup2(kept, STDIN_FILENO);
    close(kept);
    close(fd);
}

static void a_pipe_gives_its_bytes_as_they_come(void)
{
    int ends[2], kept = dup(STDIN_FILENO);
    check(pipe(ends) == 0 && dup2(ends[0], STDIN_FILENO) == STDIN_FILENO);
    if (fork() == 0) {
        for (size_t i = 0; i < sizeof table - 1; i++)
            if (write(ends[1], table + i, 1) != 1)
                _exit(1);
        _exit(0);
    }
    close(ends[1]);
    close(ends[0]);
    says("-", as_text);
    dup2(kept, STDIN_FILENO);
    close(kept);
}

/* ---- rows that are long in coming ---- */

struct awaited {
    struct dump dump;
    int go; /* a byte for each row that was given */
};

static int dump_and_tell(void *ctx, unsigned worker, const struct mlo_batch *b, struct mlo_err *err)
{
    struct awaited *a = ctx;
    int rc = dump_batch(&a->dump, worker, b, err);
    for (size_t r = 0; r < b->n_rows; r++)
        check(write(a->go, "", 1) == 1);
    return rc;
}

/* Writes the pieces. Each begins with a digit: how many rows have to be read before the next is written. */
static void write_when_told(const char *const *pieces, int to, int go)
{
    char told;
    for (; *pieces; pieces++) {
        const char *text = *pieces + 1;
        if (write(to, text, strlen(text)) != (ssize_t)strlen(text))
            _exit(1);
        for (int i = '0'; i < **pieces; i++)
            if (read(go, &told, 1) != 1)
                _exit(1);
    }
    _exit(0);
}

static void scan_awaited(const struct mlo_table_opts *o, int go, const char *want)
{
    static const char *const in[] = {"-"};
    struct mlo_table *t = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_scan_result st = {0};
    struct awaited a = {.dump.lock = PTHREAD_MUTEX_INITIALIZER, .go = go};
    struct mlo_str out;
    size_t n = 0;
    mlo_str_init(&out, MLO_STR_MAX);
    check_ok(mlo_table_open(in, 1, o, &t, &err), &err);
    if (t) {
        a.dump.columns = mlo_table_columns(t, &n);
        dump_columns(&out, a.dump.columns, n);
        check_ok(mlo_table_scan(t, dump_and_tell, &a, &st, &err), &err);
    }
    qsort(a.dump.parts, a.dump.n, sizeof *a.dump.parts, dump_by_sequence);
    for (size_t i = 0; i < a.dump.n; i++) {
        mlo_str_addn(&out, a.dump.parts[i].text.ptr, a.dump.parts[i].text.len);
        mlo_str_release(&a.dump.parts[i].text);
    }
    check_str(out.ptr, want);
    mlo_str_release(&out);
    free(a.dump.parts);
    mlo_table_close(t);
}

/* Each row has to be given before the next is written, or both wait for ever: the alarm tells. */
static void comes(const char *const *pieces, const struct mlo_table_expected *expected, const char *want)
{
    const struct mlo_table_opts o = {
        .live = true, .threads = 2, .expected = expected, .n_expected = expected ? 1 : 0};
    int rows[2], go[2], kept = dup(STDIN_FILENO);
    check(pipe(rows) == 0 && pipe(go) == 0 && dup2(rows[0], STDIN_FILENO) == STDIN_FILENO);
    pid_t child = fork();
    if (child == 0)
        write_when_told(pieces, rows[1], go[0]);
    close(rows[0]);
    close(rows[1]);
    alarm(60);
    scan_awaited(&o, go[1], want);
    alarm(0);
    check(waitpid(child, NULL, 0) == child);
    close(go[0]);
    close(go[1]);
    dup2(kept, STDIN_FILENO);
    close(kept);
}

static void a_live_table_gives_rows_as_they_come(void)
{
    comes((const char *[]){"0a,b\n", "11,x\n", "12,y\n", "03,", "2z\n4,w\n", "05,\"u\n", "1v\"\n", "06,q",
                           NULL},
          NULL, "a:int|b:text\n2: 1|'x'\n3: 2|'y'\n4: 3|'z'\n5: 4|'w'\n6: 5|'u\\x0av'\n8: 6|'q'\n");
    comes((const char *[]){"1a,b\n1,x\n", "12,y\n", "13,z\n4,w", "1\n", NULL}, NULL,
          "a:int|b:text\n2: 1|'x'\n3: 2|'y'\n4: 3|'z'\n5: 4|'w'\n");
    comes((const char *[]){"0\n\na,\"b", "0\nc\"\n1,x", "1\n", "12,y\n", NULL}, NULL,
          "a:int|b\\x0ac:text\n5: 1|'x'\n6: 2|'y'\n");
    comes((const char *[]){"1{\"a\":1}\n", "1{\"a\":2}\n", "0{\"a\":", "13}\n", NULL}, NULL,
          "a:int\n1: 1\n2: 2\n3: 3\n");
}

/* A member that the first objects lack, and a column that begins without a value, are waited for. */
static void a_live_table_waits_for_what_it_needs(void)
{
    const struct mlo_table_expected there = {"b", false}, filled = {"b", true};
    comes((const char *[]){"0{\"a\":1}\n", "2{\"a\":2,\"b\":\"x\"}\n", "1{\"b\":\"y\"}\n", NULL}, &there,
          "a:int|b:text\n1: 1|-\n2: 2|'x'\n3: -|'y'\n");
    comes((const char *[]){"0a,b\n1,\n", "02,\n", "33,4\n", "15,6\n", NULL}, &filled,
          "a:int|b:int\n2: 1|-\n3: 2|-\n4: 3|4\n5: 5|6\n");
    comes((const char *[]){"0a,b\n1,\n", "02,\n", NULL}, &filled, "a:int|b:text\n2: 1|-\n3: 2|-\n");
}

/* A table is scanned more than once when it is files. */
static void a_table_can_be_scanned_again(void)
{
    struct mlo_table *t = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    const char *path = write_bytes("t.csv", table, sizeof table - 1);
    check_ok(mlo_table_open(&path, 1, &plain, &t, &err), &err);
    for (int i = 0; t && i < 2; i++) {
        struct mlo_scan_result st = {0};
        size_t n;
        struct dump d = {.columns = mlo_table_columns(t, &n), .lock = PTHREAD_MUTEX_INITIALIZER};
        check_ok(mlo_table_scan(t, dump_batch, &d, &st, &err), &err);
        check_int(st.rows, 3);
        check_int(st.bytes, sizeof table - 1);
        for (size_t k = 0; k < d.n; k++)
            mlo_str_release(&d.parts[k].text);
        free(d.parts);
    }
    mlo_table_close(t);
}

static int read_packed(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_str out;
    const struct mlo_table_opts o = {.threads = 1};
    const char *paths[] = {scratch("some.csv.gz"), scratch("some.csv.zst")};
    mlo_str_init(&out, MLO_STR_MAX);
    int rc = dump_table(paths, 2, &o, &out, NULL, &err);
    mlo_str_release(&out);
    return rc;
}

static void memory_runs_out(void)
{
    const struct libzstd *lib;
    struct mlo_err err = MLO_ERR_INIT;
    unsigned char packed[400];
    check_ok(mlo_libzstd(&lib, &err), &err); /* opened now: a library that fails to open stays away */
    write_bytes("some.csv.gz", packed, gzip(table, sizeof table - 1, packed, sizeof packed));
    write_bytes("some.csv.zst", packed, zstd(table, sizeof table - 1, packed));
    check(each_alloc_failure(read_packed) > 10);
}

int main(void)
{
    run(gzip_may_have_any_number_of_members);
    run(zstd_may_have_any_number_of_frames);
    run(a_compressed_file_that_was_cut_is_refused);
    run(damaged_bytes_are_refused);
    run(a_bomb_ends_at_the_limit);
    run(folders_and_patterns_are_one_table);
    run(files_that_cannot_be_read_are_said);
    run(stdin_is_a_table);
    run(a_pipe_gives_its_bytes_as_they_come);
    run(a_live_table_gives_rows_as_they_come);
    run(a_live_table_waits_for_what_it_needs);
    run(a_table_can_be_scanned_again);
    run(memory_runs_out);
    return done_testing();
}

/* The values of columns: every one comes back sorted, from memory, from the file, from runs merged on disk;
 * faults on the way. */
#include <signal.h>
#include <math.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../../src/drift/exact.h"
#include "tap.h"

static struct mlo_err err;

static int make(unsigned workers, const char *temporary, struct mlo_exact **ret)
{
    char x[] = "x", text[] = "text";
    const struct mlo_table_column columns[] = {{.name = x, .type = MLO_COLUMN_NUMBER},
                                               {.name = text, .type = MLO_COLUMN_TEXT}};
    struct mlo_profile *p = NULL;
    int rc = mlo_profile_new(columns, 2, &p, &err);
    if (rc == 0)
        rc = mlo_exact_new(p, workers, temporary, ret, &err);
    mlo_profile_free(p);
    return rc;
}

/* n values i * 7919 mod n, which is each of 0 .. n - 1 once; every tenth cell is missing on top of them. */
static int fill(struct mlo_exact *e, unsigned workers, size_t n)
{
    enum { BATCH = 1000 };
    static double numbers[BATCH];
    static uint8_t cell[BATCH];
    const struct mlo_batch_column columns[2] = {{.cell = cell, .numbers = numbers}};
    struct mlo_batch b = {.columns = columns, .n_columns = 2};
    int rc = 0;
    for (size_t i = 0, turn = 0; rc == 0 && i < n; turn++) {
        for (b.n_rows = 0; b.n_rows < BATCH && i < n; b.n_rows++) {
            bool missing = b.n_rows % 10 == 9;
            cell[b.n_rows] = missing ? MLO_CELL_MISSING : MLO_CELL_OK;
            numbers[b.n_rows] = missing ? 0 : (double)(i++ * 7919 % n);
        }
        rc = mlo_exact_add(e, (unsigned)(turn % workers), &b, &err);
    }
    return rc;
}

static void check_all(size_t n, unsigned workers, bool mapped)
{
    struct mlo_exact *e = NULL;
    struct mlo_sorted s = {0};
    struct mlo_room room = {0}, scratch = {0};
    size_t wrong = 0;
    check_ok(make(workers, tap_tmpdir(), &e), &err);
    check_ok(fill(e, workers, n), &err);
    check_int(mlo_exact_count(e, 0), n);
    check_int(mlo_exact_count(e, 1), 0);
    check_ok(mlo_exact_sorted(e, 0, &room, &scratch, &s, &err), &err);
    check_int(s.n, n);
    check_int(s.mapped, mapped);
    for (size_t i = 0; i < s.n; i++)
        wrong += s.values[i] != (double)i;
    check_int(wrong, 0);
    mlo_sorted_release(&s);
    mlo_room_release(&room);
    mlo_room_release(&scratch);
    mlo_exact_free(e);
}

static void from_memory(void)
{
    check_all(1, 1, false);
    check_all(100003, 1, false);
    check_all(1000003, 3, false);
}

static void from_the_file(void)
{
    check_all(4100003, 2, false); /* more than stays in memory */
}

static void merged_on_disk(void)
{
    check_all(2 * MLO_EXACT_RUN + 1, 2, true);
    check_all(3 * MLO_EXACT_RUN, 1, true);
}

static void says_where_no_file_can_be_made(void)
{
    struct mlo_exact *e = NULL;
    check_ok(make(1, "/nonexistent", &e), &err);
    check_ok(fill(e, 1, 1000003), &err); /* memory is enough */
    mlo_exact_free(e);
    check_ok(make(1, "/nonexistent", &e), &err);
    check_err(fill(e, 1, 4100003), MLO_ENOTFOUND, &err, "'/nonexistent'");
    mlo_exact_free(e);
}

/* As on a full disk: the file may not grow beyond 1 MB. */
static void says_when_the_disk_is_full(void)
{
    struct mlo_exact *e = NULL;
    struct rlimit old, limit;
    getrlimit(RLIMIT_FSIZE, &old);
    limit = old;
    limit.rlim_cur = 1 << 20;
    check_ok(make(1, tap_tmpdir(), &e), &err);
    setrlimit(RLIMIT_FSIZE, &limit);
    check_err(fill(e, 1, 4100003), MLO_EIO, &err, "temporary file");
    setrlimit(RLIMIT_FSIZE, &old);
    mlo_exact_free(e);
}

static int whole_way(void)
{
    struct mlo_exact *e = NULL;
    struct mlo_sorted s = {0};
    struct mlo_room room = {0}, scratch = {0};
    int rc = make(2, tap_tmpdir(), &e);
    if (rc == 0)
        rc = fill(e, 2, 40000);
    if (rc == 0)
        rc = mlo_exact_sorted(e, 0, &room, &scratch, &s, &err);
    mlo_sorted_release(&s);
    mlo_room_release(&room);
    mlo_room_release(&scratch);
    mlo_exact_free(e);
    return rc;
}

static void survives_failing_allocations(void)
{
    check(each_alloc_failure(whole_way) > 10);
}

int main(void)
{
    signal(SIGXFSZ, SIG_IGN);
    run(from_memory);
    run(from_the_file);
    run(merged_on_disk);
    run(says_where_no_file_can_be_made);
    run(says_when_the_disk_is_full);
    run(survives_failing_allocations);
    return done_testing();
}

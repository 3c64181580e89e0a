/* Files taken in with one read: digests of the whole and of ranges at every awkward size, files that change
 * meanwhile. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mlopsctl/store.h>

#include "tap.h"

#define MIB  ((size_t)1 << 20)
#define BIG  (21 * MIB + 12345) /* many small chunks and a tail */
#define HUGE (97 * MIB + 12345) /* big chunks, more of them than the ring has slots, and a tail */

static struct mlo_err err;
static char home[4096], path[4200];
static struct mlo_store *store;
static uint8_t *bytes; /* HUGE of them */

static void setup(void)
{
    snprintf(home, sizeof home, "%s/home", tap_tmpdir());
    snprintf(path, sizeof path, "%s/input", tap_tmpdir());
    check_ok(mlo_store_open(home, true, &store, &err), &err);
    mlo_store_set_tmp(store, home);
    bytes = malloc(HUGE);
    uint32_t x = 1;
    for (size_t i = 0; i < HUGE; i++)
        bytes[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
}

/* The input file with the first n bytes; open for reading and writing. */
static int input(size_t n)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    check(fd >= 0);
    check_ok(mlo_write_all(fd, bytes, n, &err), &err);
    return fd;
}

static bool digest_is(const struct mlo_digest *d, size_t off, size_t n)
{
    struct mlo_digest want;
    check_ok(mlo_sha256(bytes + off, n, &want, &err), &err);
    return mlo_digest_eq(d, &want);
}

static void check_ingest(size_t n, unsigned threads, struct mlo_range *ranges, size_t n_ranges)
{
    int fd = input(n);
    struct mlo_ingest in = {
        .fd = fd, .label = "input", .threads = threads, .ranges = ranges, .n_ranges = n_ranges};
    struct mlo_digest d = {{0}};
    uint64_t size = 0;
    check_ok(mlo_store_ingest(store, &in, &d, &size, &err), &err);
    check(size == n && digest_is(&d, 0, n), "%zu bytes, %u threads", n, threads);
    for (size_t i = 0; i < n_ranges; i++)
        check(digest_is(&ranges[i].digest, ranges[i].offset, ranges[i].length), "%zu bytes, range %zu", n, i);
    check_ok(mlo_store_verify_blob(store, &d, &err), &err);
    close(fd);
}

static void whole_files_of_awkward_sizes(void)
{
    static const size_t sizes[] = {0,           1,           4095,         4096,        4097,
                                   MIB - 1,     MIB,         MIB + 1,      2 * MIB - 1, 2 * MIB,
                                   2 * MIB + 1, 4 * MIB - 1, 4 * MIB,      4 * MIB + 1, 4 * MIB + 4096,
                                   5 * MIB,     16 * MIB,    16 * MIB + 1, 17 * MIB,    BIG};
    for (size_t i = 0; i < MLO_COUNT(sizes); i++)
        for (unsigned threads = 1; threads <= 4; threads++)
            check_ingest(sizes[i], threads, NULL, 0);
}

static void ranges_at_chunk_borders_and_ends(void)
{
    for (unsigned threads = 1; threads <= 2; threads++) {
        struct mlo_range touching[] = {{.offset = 0, .length = 1},
                                       {.offset = 1, .length = MIB - 1},
                                       {.offset = MIB, .length = MIB},
                                       {.offset = 2 * MIB, .length = MIB + 1},
                                       {.offset = 3 * MIB + 1, .length = 10 * MIB},
                                       {.offset = 13 * MIB + 1, .length = BIG - 13 * MIB - 1}};
        check_ingest(BIG, threads, touching, MLO_COUNT(touching));
        struct mlo_range gaps[] = {{.offset = 7, .length = 9},
                                   {.offset = MIB - 1, .length = 2},
                                   {.offset = 2 * MIB + 5, .length = 3 * MIB},
                                   {.offset = BIG - 1, .length = 1}};
        check_ingest(BIG, threads, gaps, MLO_COUNT(gaps));
        struct mlo_range all[] = {{.offset = 0, .length = BIG}};
        check_ingest(BIG, threads, all, 1);
        struct mlo_range nearly[] = {{.offset = 8, .length = 3 * MIB - 8}};
        check_ingest(3 * MIB, threads, nearly, 1);
    }
}

static void files_that_get_big_chunks(void)
{
    for (unsigned threads = 1; threads <= 2; threads++) {
        struct mlo_range r[] = {{.offset = 8, .length = 4 * MIB - 8},
                                {.offset = 4 * MIB, .length = 4 * MIB},
                                {.offset = 8 * MIB, .length = 50 * MIB + 1},
                                {.offset = 58 * MIB + 1, .length = HUGE - 58 * MIB - 1}};
        check_ingest(HUGE, threads, r, MLO_COUNT(r));
    }
}

static void empty_ranges_have_the_digest_of_nothing(void)
{
    for (unsigned threads = 1; threads <= 2; threads++) {
        struct mlo_range r[] = {{.offset = 0, .length = 0},       {.offset = 0, .length = 0},
                                {.offset = 0, .length = MIB},     {.offset = MIB, .length = 0},
                                {.offset = 2 * MIB, .length = 0}, {.offset = 2 * MIB, .length = 5},
                                {.offset = 3 * MIB, .length = 0}, {.offset = 3 * MIB, .length = 0}};
        check_ingest(3 * MIB, threads, r, MLO_COUNT(r));
        struct mlo_range nothing[] = {{.offset = 0, .length = 0}};
        check_ingest(0, threads, nothing, 1);
    }
}

static void many_small_ranges(void)
{
    static struct mlo_range r[3000];
    uint64_t at = 0;
    for (size_t i = 0; i < MLO_COUNT(r); i++) {
        r[i] = (struct mlo_range){.offset = at, .length = i * 7 % 2048};
        at += r[i].length + i % 3;
    }
    check_ingest(4 * MIB + 99, 2, r, MLO_COUNT(r));
}

static void ranges_outside_overlapping_or_out_of_order_are_refused(void)
{
    static const struct mlo_range bad[][2] = {
        {{.offset = 0, .length = 5}, {.offset = 4, .length = 1}},
        {{.offset = 5, .length = 1}, {.offset = 0, .length = 1}},
        {{.offset = 0, .length = 1}, {.offset = 90, .length = 11}},
        {{.offset = 0, .length = 1}, {.offset = 101, .length = 0}},
        {{.offset = 0, .length = 1}, {.offset = 8, .length = UINT64_MAX}},
        {{.offset = 0, .length = 1}, {.offset = UINT64_MAX, .length = 2}},
    };
    int fd = input(100);
    for (size_t i = 0; i < MLO_COUNT(bad); i++) {
        struct mlo_range r[2] = {bad[i][0], bad[i][1]};
        struct mlo_ingest in = {.fd = fd, .label = "input", .threads = 1, .ranges = r, .n_ranges = 2};
        struct mlo_digest d;
        uint64_t size = 77;
        check_err(mlo_store_ingest(store, &in, &d, &size, &err), MLO_EINVALID, &err, "range 1");
        check_int(size, 77);
    }
    close(fd);
}

static void a_dry_run_hashes_and_keeps_nothing(void)
{
    int fd = input(3 * MIB + 3);
    struct mlo_range r = {.offset = 5, .length = 2 * MIB};
    struct mlo_ingest in = {
        .fd = fd, .label = "input", .threads = 2, .ranges = &r, .n_ranges = 1, .dry_run = true};
    struct mlo_digest d;
    uint64_t size;
    check_ok(mlo_store_ingest(store, &in, &d, &size, &err), &err);
    check(digest_is(&d, 0, 3 * MIB + 3) && digest_is(&r.digest, 5, 2 * MIB));
    check(!mlo_store_has(store, &d, NULL));
    close(fd);
}

static void only_regular_files_are_taken(void)
{
    int fds[2];
    check(pipe(fds) == 0);
    struct mlo_ingest in = {.fd = fds[0], .label = "a pipe", .threads = 1};
    struct mlo_digest d;
    uint64_t size;
    check_err(mlo_store_ingest(store, &in, &d, &size, &err), MLO_EINVALID, &err,
              "'a pipe': not a regular file");
    close(fds[0]);
    close(fds[1]);
}

/* ---- the file changes while it is read: progress is the hook ---- */

struct meddler {
    int fd;
    void (*act)(int fd);
    int calls;
    uint64_t last;
};

static void meddle(void *ctx, uint64_t done, uint64_t total)
{
    struct meddler *m = ctx;
    check(done > m->last && done <= total, "progress grows");
    m->last = done;
    if (m->calls++ == 0 && m->act)
        m->act(m->fd);
}

static void shorten(int fd)
{
    check(ftruncate(fd, (off_t)(BIG - MIB)) == 0);
}
static void lengthen(int fd)
{
    check(ftruncate(fd, (off_t)(BIG + 1)) == 0);
}
static void overwrite_in_place(int fd)
{
    check(pwrite(fd, "x", 1, 3) == 1);
}
static void keep_the_times_but_not_the_bytes(int fd)
{
    struct stat st;
    check(fstat(fd, &st) == 0 && pwrite(fd, "y", 1, 3) == 1);
    struct timespec t[2] = {st.st_atim, st.st_mtim};
    check(futimens(fd, t) == 0);
}

static void check_meddled(void (*act)(int fd), unsigned threads, int want)
{
    int fd = input(BIG);
    usleep(20000); /* past the grain of the clock, so that a write shows */
    struct meddler m = {.fd = fd, .act = act};
    struct mlo_ingest in = {
        .fd = fd, .label = "in\033put", .threads = threads, .progress = meddle, .progress_ctx = &m};
    struct mlo_digest d = {{0}};
    uint64_t size;
    if (want == 0)
        check_ok(mlo_store_ingest(store, &in, &d, &size, &err), &err);
    else
        check_err(mlo_store_ingest(store, &in, &d, &size, &err), want, &err, "put': changed while");
    check(m.calls > 0);
    close(fd);
}

static void a_file_that_changes_meanwhile_is_a_conflict(void)
{
    for (unsigned threads = 1; threads <= 2; threads++) {
        check_meddled(NULL, threads, 0);
        check_meddled(shorten, threads, MLO_ECONFLICT);
        check_meddled(lengthen, threads, MLO_ECONFLICT);
        check_meddled(overwrite_in_place, threads, MLO_ECONFLICT);
        check_meddled(keep_the_times_but_not_the_bytes, threads, MLO_ECONFLICT);
    }
}

/* ---- failures ---- */

static int temporaries(void)
{
    char command[4300];
    int n = -1;
    snprintf(command, sizeof command, "find '%s' -maxdepth 1 -name '.mlo-tmp-*' | wc -l", home);
    FILE *p = popen(command, "r");
    if (!p || fscanf(p, "%d", &n) != 1)
        n = -1;
    if (p)
        pclose(p);
    return n;
}

static void a_write_that_fails_stops_every_stage(void)
{
    for (unsigned threads = 1; threads <= 2; threads++) {
        int fd = input(BIG);
        pid_t pid = fork();
        if (pid == 0) {
            struct rlimit limit = {5 * MIB + 7, 5 * MIB + 7};
            struct mlo_range r = {.offset = 0, .length = BIG};
            struct mlo_ingest in = {
                .fd = fd, .label = "input", .threads = threads, .ranges = &r, .n_ranges = 1};
            struct mlo_digest d;
            uint64_t size;
            bytes[0] ^= 1; /* nobody's blob yet */
            signal(SIGXFSZ, SIG_IGN);
            setrlimit(RLIMIT_FSIZE, &limit);
            _exit(mlo_store_ingest(store, &in, &d, &size, &err) == MLO_EIO ? 0 : 1);
        }
        int status = -1;
        check(waitpid(pid, &status, 0) == pid && status == 0, "status %x", status);
        close(fd);
    }
    check_int(temporaries(), 0);
}

static int ingest_small(void)
{
    struct mlo_err e = MLO_ERR_INIT;
    struct mlo_range r = {.offset = 1, .length = 2};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct mlo_ingest in = {.fd = fd, .label = "input", .threads = 1, .ranges = &r, .n_ranges = 1};
    struct mlo_digest d;
    uint64_t size;
    int rc = mlo_store_ingest(store, &in, &d, &size, &e);
    close(fd);
    return rc;
}

static void memory_failures_are_errors(void)
{
    close(input(1000));
    check(each_alloc_failure(ingest_small) > 0);
    check_int(temporaries(), 0);
}

int main(void)
{
    setup();
    run(whole_files_of_awkward_sizes);
    run(ranges_at_chunk_borders_and_ends);
    run(files_that_get_big_chunks);
    run(empty_ranges_have_the_digest_of_nothing);
    run(many_small_ranges);
    run(ranges_outside_overlapping_or_out_of_order_are_refused);
    run(a_dry_run_hashes_and_keeps_nothing);
    run(only_regular_files_are_taken);
    run(a_file_that_changes_meanwhile_is_a_conflict);
    run(a_write_that_fails_stops_every_stage);
    run(memory_failures_are_errors);
    mlo_store_close(store);
    free(bytes);
    return done_testing();
}

/* The stat cache and the cache of derived things. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mlopsctl/base/time.h>
#include <mlopsctl/store.h>

#include "tap.h"

static struct mlo_err err;
static char home[4096];
static const struct mlo_digest red = {{1, 2, 3}}, blue = {{4, 5, 6}};

static void fresh_home(void)
{
    static int serial;
    snprintf(home, sizeof home, "%s/home%d", tap_tmpdir(), serial++);
    check(mkdir(home, 0700) == 0);
}

static char *in_home(const char *rest)
{
    static char path[4400];
    snprintf(path, sizeof path, "%s/%s", home, rest);
    return path;
}

/* Status of a file whose times are `age` old. */
static struct stat file_of(ino_t ino, int64_t age_ns)
{
    int64_t t = mlo_time_now() - age_ns;
    struct timespec ts = {.tv_sec = t / MLO_NS_PER_S, .tv_nsec = t % MLO_NS_PER_S};
    return (struct stat){.st_dev = 5, .st_ino = ino, .st_size = 100, .st_mtim = ts, .st_ctim = ts};
}

#define OLD (10 * MLO_NS_PER_S)

static struct mlo_stat_cache *open_cache(void)
{
    struct mlo_stat_cache *c = NULL;
    check_ok(mlo_stat_cache_open(home, &c, &err), &err);
    return c;
}

static void put(struct mlo_stat_cache *c, const struct stat *st, const struct mlo_digest *d)
{
    check_ok(mlo_stat_cache_put(c, st, d, &err), &err);
}

static void close_cache(struct mlo_stat_cache *c, bool save)
{
    check_ok(mlo_stat_cache_close(c, save, &err), &err);
}

static bool knows(const struct mlo_stat_cache *c, const struct stat *st, const struct mlo_digest *want)
{
    struct mlo_digest d = {{0}};
    return mlo_stat_cache_get(c, st, &d) && mlo_digest_eq(&d, want);
}

static void an_absent_cache_is_empty(void)
{
    fresh_home();
    struct stat st = file_of(1, OLD);
    struct mlo_digest d;
    struct mlo_stat_cache *c = open_cache();
    check(!mlo_stat_cache_get(c, &st, &d));
    close_cache(c, true);
    check(access(in_home("cache"), F_OK) < 0, "nothing was put, nothing is written");
}

static void what_was_put_is_known_at_once_and_after_saving(void)
{
    fresh_home();
    struct stat a = file_of(1, OLD), b = file_of(2, OLD);
    struct mlo_stat_cache *c = open_cache();
    put(c, &a, &red);
    put(c, &b, &red);
    put(c, &b, &blue);
    check(knows(c, &a, &red) && knows(c, &b, &blue));
    close_cache(c, true);
    c = open_cache();
    check(knows(c, &a, &red) && knows(c, &b, &blue));
    put(c, &a, &blue);
    close_cache(c, false);
    c = open_cache();
    check(knows(c, &a, &red), "closed without saving");
    close_cache(c, true);
}

static void any_difference_in_status_is_a_miss(void)
{
    fresh_home();
    struct stat st = file_of(1, OLD);
    struct mlo_digest d;
    struct mlo_stat_cache *c = open_cache();
    put(c, &st, &red);
    struct stat other[6] = {st, st, st, st, st, st};
    other[0].st_dev++;
    other[1].st_ino++;
    other[2].st_size++;
    other[3].st_mtim.tv_nsec ^= 1;
    other[4].st_ctim.tv_nsec ^= 1;
    other[5].st_mtim.tv_sec--;
    for (size_t i = 0; i < MLO_COUNT(other); i++)
        check(!mlo_stat_cache_get(c, &other[i], &d), "difference %zu", i);
    check(knows(c, &st, &red));
    close_cache(c, false);
}

static void a_file_as_young_as_the_cache_is_not_trusted(void)
{
    fresh_home();
    struct mlo_stat_cache *c = open_cache();
    struct mlo_digest d;
    struct stat now = file_of(1, 0), recent = file_of(2, MLO_STAT_RACY_NS / 2), future = file_of(3, -OLD);
    struct stat settled = file_of(4, 2 * MLO_STAT_RACY_NS), chmodded = file_of(5, OLD);
    chmodded.st_ctim = now.st_ctim;
    put(c, &now, &red);
    put(c, &recent, &red);
    put(c, &future, &red);
    put(c, &settled, &red);
    put(c, &chmodded, &red);
    check(!mlo_stat_cache_get(c, &now, &d) && !mlo_stat_cache_get(c, &recent, &d) &&
          !mlo_stat_cache_get(c, &future, &d));
    check(!mlo_stat_cache_get(c, &chmodded, &d), "a change of inode is young too");
    check(knows(c, &settled, &red));
    close_cache(c, true);
    c = open_cache();
    check(!mlo_stat_cache_get(c, &now, &d) && knows(c, &settled, &red));
    close_cache(c, false);
}

/* Times of the file are settled now, but were not when reading began. */
static void what_counts_is_the_age_when_the_cache_was_opened(void)
{
    fresh_home();
    struct mlo_stat_cache *c = open_cache();
    struct mlo_digest d;
    struct stat st = file_of(1, MLO_STAT_RACY_NS - 50000000);
    usleep(100000);
    check(mlo_time_now() - MLO_STAT_RACY_NS > (int64_t)st.st_mtim.tv_sec * MLO_NS_PER_S + st.st_mtim.tv_nsec);
    put(c, &st, &red);
    check(!mlo_stat_cache_get(c, &st, &d));
    close_cache(c, false);
}

static void a_year_that_no_clock_reaches_is_not_trusted(void)
{
    fresh_home();
    struct mlo_stat_cache *c = open_cache();
    struct mlo_digest d;
    struct stat far = file_of(1, OLD), before_time = file_of(2, OLD);
    far.st_mtim.tv_sec = INT64_C(15000000000);
    before_time.st_mtim.tv_sec = INT64_MIN;
    put(c, &far, &red);
    put(c, &before_time, &red);
    check(!mlo_stat_cache_get(c, &far, &d) && !mlo_stat_cache_get(c, &before_time, &d));
    close_cache(c, false);
}

static void every_damaged_or_short_file_reads_as_empty(void)
{
    fresh_home();
    struct stat st = file_of(1, OLD);
    struct mlo_stat_cache *c = open_cache();
    char *good = NULL;
    size_t n = 0;
    put(c, &st, &red);
    close_cache(c, true);
    check_ok(mlo_slurp_at(AT_FDCWD, in_home("cache/stat"), 10000, &good, &n, &err), &err);
    check(n > 100);
    for (size_t i = 0; i < n; i++) {
        struct mlo_digest d;
        good[i] ^= 4;
        check_ok(mlo_write_file_at(AT_FDCWD, in_home("cache/stat"), good, n, 0600, &err), &err);
        good[i] ^= 4;
        c = open_cache();
        check(!mlo_stat_cache_get(c, &st, &d), "byte %zu flipped", i);
        close_cache(c, false);
        check_ok(mlo_write_file_at(AT_FDCWD, in_home("cache/stat"), good, i, 0600, &err), &err);
        c = open_cache();
        check(!mlo_stat_cache_get(c, &st, &d), "cut at %zu", i);
        close_cache(c, false);
    }
    c = open_cache();
    put(c, &st, &blue);
    close_cache(c, true);
    c = open_cache();
    check(knows(c, &st, &blue), "saving over damage heals");
    close_cache(c, false);
    free(good);
}

static void savers_at_the_same_time_lose_nothing(void)
{
    fresh_home();
    struct mlo_stat_cache *a = open_cache(), *b = open_cache();
    struct stat one = file_of(1, OLD), two = file_of(2, OLD);
    put(a, &one, &red);
    put(b, &two, &blue);
    close_cache(a, true);
    close_cache(b, true);
    a = open_cache();
    check(knows(a, &one, &red) && knows(a, &two, &blue));
    close_cache(a, false);
}

static void four_processes_save_at_once(void)
{
    fresh_home();
    struct stat st = file_of(0, OLD);
    for (unsigned i = 0; i < 4; i++)
        if (fork() == 0) {
            struct mlo_stat_cache *c = NULL;
            int rc = mlo_stat_cache_open(home, &c, &err);
            for (unsigned k = 0; rc == 0 && k < 25; k++) {
                st.st_ino = i * 100 + k;
                rc = mlo_stat_cache_put(c, &st, &red, &err);
            }
            _exit(rc == 0 && mlo_stat_cache_close(c, true, &err) == 0 ? 0 : 1);
        }
    for (int i = 0; i < 4; i++) {
        int status = -1;
        check(wait(&status) > 0 && status == 0, "status %x", status);
    }
    struct mlo_stat_cache *c = open_cache();
    int known = 0;
    for (unsigned i = 0; i < 400; i++) {
        st.st_ino = i;
        known += knows(c, &st, &red);
    }
    check_int(known, 100);
    close_cache(c, false);
}

static void ten_thousand_files_are_kept_apart(void)
{
    fresh_home();
    struct mlo_stat_cache *c = open_cache();
    struct stat st = file_of(0, OLD);
    struct mlo_digest d = {{0}};
    for (unsigned i = 0; i < 10000; i++) {
        st.st_ino = i * 4096;
        memcpy(d.b, &i, sizeof i);
        put(c, &st, &d);
    }
    close_cache(c, true);
    c = open_cache();
    int wrong = 0;
    for (unsigned i = 0; i < 10000; i++) {
        st.st_ino = i * 4096;
        memcpy(d.b, &i, sizeof i);
        wrong += !knows(c, &st, &d);
    }
    check_int(wrong, 0);
    close_cache(c, false);
}

static int use_stat_cache(void)
{
    struct mlo_err e = MLO_ERR_INIT;
    struct mlo_stat_cache *c = NULL;
    struct stat st = file_of(7, OLD);
    int rc = mlo_stat_cache_open(home, &c, &e);
    if (rc < 0)
        return rc;
    rc = mlo_stat_cache_put(c, &st, &red, &e);
    int end = mlo_stat_cache_close(c, true, &e);
    return rc < 0 ? rc : end;
}

static void memory_failures_are_errors(void)
{
    fresh_home();
    check_int(use_stat_cache(), 0);
    check(each_alloc_failure(use_stat_cache) > 5);
}

/* ---- derived things ---- */

static void derived_things_come_back_by_key(void)
{
    fresh_home();
    char *data = NULL;
    size_t n = 0;
    check_err(mlo_cache_get(home, "index", &red, 100, &data, &n, &err), MLO_ENOTFOUND, &err, NULL);
    check_ok(mlo_cache_put(home, "index", &red, "value", 5, &err), &err);
    check_ok(mlo_cache_get(home, "index", &red, 5, &data, &n, &err), &err);
    check_str(data, "value");
    check_int(n, 5);
    free(data);
    check_ok(mlo_cache_put(home, "index", &red, "", 0, &err), &err);
    check_ok(mlo_cache_get(home, "index", &red, 5, &data, &n, &err), &err);
    check_int(n, 0);
    free(data);
    check_err(mlo_cache_get(home, "index", &blue, 5, &data, &n, &err), MLO_ENOTFOUND, &err, NULL);
    check_err(mlo_cache_get(home, "other", &red, 5, &data, &n, &err), MLO_ENOTFOUND, &err, NULL);
    check_err(mlo_cache_put(home, "../up", &red, "x", 1, &err), MLO_EINTERNAL, &err, "kind");
}

static void damaged_oversized_or_short_entries_are_missing(void)
{
    fresh_home();
    char *data = NULL, name[200], hex[MLO_DIGEST_HEX + 1];
    size_t n = 0;
    check_ok(mlo_cache_put(home, "index", &red, "value", 5, &err), &err);
    check_err(mlo_cache_get(home, "index", &red, 4, &data, &n, &err), MLO_ENOTFOUND, &err, NULL);
    snprintf(name, sizeof name, "cache/index/%s", mlo_digest_hex(&red, hex));
    int fd = open(in_home(name), O_WRONLY | O_CLOEXEC);
    check(fd >= 0 && pwrite(fd, "V", 1, 32) == 1);
    check_err(mlo_cache_get(home, "index", &red, 5, &data, &n, &err), MLO_ENOTFOUND, &err, NULL);
    check(ftruncate(fd, 31) == 0);
    close(fd);
    check_err(mlo_cache_get(home, "index", &red, 5, &data, &n, &err), MLO_ENOTFOUND, &err, NULL);
    check(data == NULL);
}

int main(void)
{
    run(an_absent_cache_is_empty);
    run(what_was_put_is_known_at_once_and_after_saving);
    run(any_difference_in_status_is_a_miss);
    run(a_file_as_young_as_the_cache_is_not_trusted);
    run(what_counts_is_the_age_when_the_cache_was_opened);
    run(a_year_that_no_clock_reaches_is_not_trusted);
    run(every_damaged_or_short_file_reads_as_empty);
    run(savers_at_the_same_time_lose_nothing);
    run(four_processes_save_at_once);
    run(ten_thousand_files_are_kept_apart);
    run(memory_failures_are_errors);
    run(derived_things_come_back_by_key);
    run(damaged_oversized_or_short_entries_are_missing);
    return done_testing();
}

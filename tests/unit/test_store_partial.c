/* Blobs in the making: they outlive a run, belong to one at a time, and go when nobody wants them. */
#include "bench.h"

#include <sys/time.h>

static void digest_of(const char *text, struct mlo_digest *ret)
{
    struct mlo_err err = MLO_ERR_INIT;
    check_ok(mlo_sha256(text, strlen(text), ret, &err), &err);
}

static void path_of(const struct bench *b, const struct mlo_digest *d, char *ret, size_t n)
{
    char hex[MLO_DIGEST_HEX + 1];
    snprintf(ret, n, "%s/store/partial/%s", b->home, mlo_digest_hex(d, hex));
}

static void what_was_written_is_there_for_the_next(void)
{
    struct bench b;
    struct mlo_partial *p = NULL;
    struct mlo_digest d;
    struct mlo_err err = MLO_ERR_INIT;
    char text[12] = "", path[1400];
    bench_up(&b);
    digest_of("hello world", &d);
    check_ok(mlo_partial_begin(b.store, &d, 11, &p, &err), &err);
    check(!mlo_partial_resumed(p), "it is new");
    check_ok(mlo_write_all_at(mlo_partial_fd(p), "world", 5, 6, &err), &err);
    mlo_partial_keep(p);
    check(!mlo_store_has(b.store, &d, NULL), "and no blob yet");
    check_ok(mlo_partial_begin(b.store, &d, 11, &p, &err), &err);
    check(mlo_partial_resumed(p), "then it is taken up");
    check_ok(mlo_read_exact_at(mlo_partial_fd(p), text, 11, 0, &err), &err);
    check_str(text + 6, "world");
    check_ok(mlo_write_all_at(mlo_partial_fd(p), "hello ", 6, 0, &err), &err);
    check_ok(mlo_partial_commit(p, &err), &err);
    check_ok(mlo_store_verify_blob(b.store, &d, &err), &err);
    path_of(&b, &d, path, sizeof path);
    check(access(path, F_OK) != 0, "nothing of it is left");
    bench_down(&b);
}

static void one_at_a_time(void)
{
    struct bench b;
    struct mlo_partial *one = NULL, *two = NULL;
    struct mlo_digest d;
    struct mlo_err err = MLO_ERR_INIT;
    char text[6] = "", path[1400];
    bench_up(&b);
    digest_of("hello", &d);
    check_ok(mlo_partial_begin(b.store, &d, 5, &one, &err), &err);
    check_ok(mlo_write_all_at(mlo_partial_fd(one), "HELLO", 5, 0, &err), &err);
    check_ok(mlo_partial_begin(b.store, &d, 5, &two, &err), &err);
    check(!mlo_partial_resumed(two), "the second has a file of its own");
    check_ok(mlo_write_all_at(mlo_partial_fd(two), "hello", 5, 0, &err), &err);
    check_ok(mlo_partial_commit(two, &err), &err);
    check_ok(mlo_store_verify_blob(b.store, &d, &err), &err);
    check_ok(mlo_read_exact_at(mlo_partial_fd(one), text, 5, 0, &err), &err);
    check_str(text, "HELLO");
    mlo_partial_discard(one);
    path_of(&b, &d, path, sizeof path);
    check(access(path, F_OK) != 0, "discarded");
    check_ok(mlo_store_verify_blob(b.store, &d, &err), &err);
    bench_down(&b);
}

static void another_size_is_cut_or_filled(void)
{
    struct bench b;
    struct mlo_partial *p = NULL;
    struct mlo_digest d;
    struct stat st;
    struct mlo_err err = MLO_ERR_INIT;
    bench_up(&b);
    digest_of("x", &d);
    check_ok(mlo_partial_begin(b.store, &d, 9 << 20, &p, &err), &err);
    check(fstat(mlo_partial_fd(p), &st) == 0 && st.st_size == 9 << 20, "room is made");
    mlo_partial_keep(p);
    check_ok(mlo_partial_begin(b.store, &d, 1, &p, &err), &err);
    check(fstat(mlo_partial_fd(p), &st) == 0 && st.st_size == 1, "and given back");
    mlo_partial_keep(p);
    check_err(mlo_partial_begin(b.store, &d, (uint64_t)1 << 60, &p, &err), MLO_EIO, &err, "cannot store");
    bench_down(&b);
}

static void gc_takes_what_is_idle_or_done(void)
{
    struct bench b;
    struct mlo_partial *p = NULL;
    struct mlo_digest old, young, done, held, got;
    struct mlo_digest_set live = {0};
    struct mlo_gc_stats st;
    struct mlo_err err = MLO_ERR_INIT;
    const struct timeval long_ago[2] = {{1000000000, 0}, {1000000000, 0}};
    char path[1400];
    bench_up(&b);
    digest_of("old", &old);
    digest_of("young", &young);
    digest_of("done", &done);
    digest_of("held", &held);
    const struct mlo_digest *all[] = {&old, &young, &done, &held};
    for (size_t i = 0; i < 3; i++) {
        check_ok(mlo_partial_begin(b.store, all[i], 5, &p, &err), &err);
        mlo_partial_keep(p);
    }
    check_ok(mlo_partial_begin(b.store, &held, 5, &p, &err), &err);
    check_ok(mlo_store_put(b.store, "done", 4, &got, &err), &err);
    check_ok(mlo_digest_set_add(&live, &got, NULL, &err), &err);
    path_of(&b, &old, path, sizeof path);
    check(utimes(path, long_ago) == 0, "made old");
    path_of(&b, &held, path, sizeof path);
    check(utimes(path, long_ago) == 0, "made old");
    check_ok(mlo_store_lock(b.store, true, 0, &err), &err);
    check_ok(mlo_store_gc(b.store, &live, true, &st, &err), &err);
    for (size_t i = 0; i < 4; i++) {
        path_of(&b, all[i], path, sizeof path);
        check(access(path, F_OK) == 0, "a dry run leaves %zu", i);
    }
    check_ok(mlo_store_gc(b.store, &live, false, &st, &err), &err);
    for (size_t i = 0; i < 4; i++) {
        path_of(&b, all[i], path, sizeof path);
        bool stays = all[i] == &young || all[i] == &held;
        check((access(path, F_OK) == 0) == stays, "%zu %s", i, stays ? "stays" : "goes");
    }
    mlo_partial_keep(p);
    mlo_digest_set_release(&live);
    bench_down(&b);
}

int main(void)
{
    run(what_was_written_is_there_for_the_next);
    run(one_at_a_time);
    run(another_size_is_cut_or_filled);
    run(gc_takes_what_is_idle_or_done);
    return done_testing();
}

/* Whether a push fits where the size of the place is known. */
#include "bench.h"

#include "../../src/remote/plan.h"

#define GIB ((uint64_t)1 << 30)

static int room(uint64_t capacity, uint64_t there, uint64_t more, struct mlo_sync_stats *st,
                struct mlo_err *err)
{
    struct mlo_remote r = {.t = {.capacity = capacity}};
    struct mlo_plan p = {.bytes_new = more, .bytes_there = there};
    *st = (struct mlo_sync_stats){0};
    *err = MLO_ERR_INIT;
    return mlo_room_check(&r, &p, st, err);
}

static void what_cannot_fit_is_refused(void)
{
    struct mlo_sync_stats st;
    struct mlo_err err;
    check_err(room(10 * GIB, 0, 10 * GIB + 1, &st, &err), MLO_EREMOTE, &err, "10.0 GiB are all there is");
    check_err(room(10 * GIB, 4 * GIB, 7 * GIB, &st, &err), MLO_EREMOTE, &err, "at least 4.0 GiB are there");
    check_err(room(10 * GIB, 4 * GIB, UINT64_MAX, &st, &err), MLO_EREMOTE, &err, "not fit");
    check(*err.hint, "and says what to do");
}

static void what_may_not_fit_is_said(void)
{
    struct mlo_sync_stats st;
    struct mlo_err err;
    check_ok(room(10 * GIB, 4 * GIB, 6 * GIB, &st, &err), &err);
    check(strstr(st.warning, "6.0 GiB to send") && strstr(st.warning, "of 10.0 GiB"), "%s", st.warning);
    check_ok(room(10 * GIB, 0, 10 * GIB, &st, &err), &err);
    check(*st.warning, "the whole place");
    check_ok(room(1, 0, 1, &st, &err), &err);
}

static void what_fits_is_not_talked_about(void)
{
    struct mlo_sync_stats st;
    struct mlo_err err;
    check_ok(room(10 * GIB, 4 * GIB, 1 * GIB, &st, &err), &err);
    check_str(st.warning, "");
    check_ok(room(0, 4 * GIB, UINT64_MAX, &st, &err), &err); /* a place of unknown size */
    check_str(st.warning, "");
    check_ok(room(10 * GIB, 0, 0, &st, &err), &err);
    check_str(st.warning, "");
}

static void a_push_asks_before_it_sends(void)
{
    char folder[600];
    struct bench b;
    struct mlo_transport t;
    void *self = NULL;
    char *url = NULL;
    struct mlo_remote *r = NULL;
    struct mlo_digest d;
    struct mlo_ref ref;
    struct mlo_sync_stats st;
    struct mlo_err err = MLO_ERR_INIT;
    bench_up(&b);
    bench_tiny(b.tree, "model.safetensors");
    check(bench_pack(&b, &d), "packed");
    struct mlo_sync_opts o = {.home = b.home};
    snprintf(folder, sizeof folder, "%s/remote", tap_tmpdir());
    check_ok(mlo_directory_open(folder, true, &t, &self, &url, &err), &err);
    t.capacity = 50;
    check_ok(mlo_remote_over(&t, self, url, &r, &err), &err);
    check_ok(mlo_ref_parse("m:1", &ref, &err), &err);
    check_err(mlo_push(r, b.store, &d, &ref, &o, &st, &err), MLO_EREMOTE, &err, "will not fit");
    check(rmdir(folder) == 0, "nothing was sent");
    mlo_remote_close(r);
    free(url);
    bench_down(&b);
}

int main(void)
{
    run(what_cannot_fit_is_refused);
    run(what_may_not_fit_is_said);
    run(what_fits_is_not_talked_about);
    run(a_push_asks_before_it_sends);
    return done_testing();
}

/* Texts of several threads, put out in their order. */
#include <string.h>

#include <mlopsctl/base/thread.h>
#include <mlopsctl/base/turns.h>

#include "tap.h"

#define TEXTS 500

struct many {
    struct mlo_turns *turns;
    struct mlo_str out;
    size_t fails_at; /* this text cannot be put out */
    size_t n;
};

static int put(void *ctx, const struct mlo_str *text, struct mlo_err *err)
{
    struct many *m = ctx;
    if (m->n++ == m->fails_at)
        return mlo_fail(err, MLO_EIO, "full");
    mlo_str_addn(&m->out, text->ptr, text->len);
    return 0;
}

static int make_one(void *ctx, size_t i, struct mlo_err *err)
{
    struct many *m = ctx;
    struct mlo_turn *one;
    int rc = mlo_turns_take(m->turns, &one, err);
    if (rc != 0)
        return rc;
    mlo_str_addf(&one->text, "%zu,", i);
    mlo_str_fill(&one->text, '.', i % 7 * 1000);
    rc = mlo_turns_hand_in(m->turns, one, i, err);
    if (rc != 0)
        mlo_turns_stop(m->turns);
    return rc;
}

static int make_all(struct many *m, unsigned threads, struct mlo_err *err)
{
    mlo_str_init(&m->out, MLO_STR_MAX);
    int rc = mlo_turns_new(put, m, &m->turns, err);
    if (rc == 0)
        rc = mlo_parallel(TEXTS, threads, make_one, m, err);
    mlo_turns_free(m->turns);
    return rc;
}

static void the_order_is_that_of_the_numbers_on_any_number_of_threads(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct many one = {.fails_at = SIZE_MAX};
    check_ok(make_all(&one, 1, &err), &err);
    check(strncmp(one.out.ptr, "0,1,.", 5) == 0 && one.n == TEXTS, "%.20s", one.out.ptr);
    for (unsigned threads = 2; threads <= 8; threads *= 2) {
        struct many m = {.fails_at = SIZE_MAX};
        check_ok(make_all(&m, threads, &err), &err);
        check_str(m.out.ptr, one.out.ptr);
        mlo_str_release(&m.out);
    }
    mlo_str_release(&one.out);
}

static void nothing_follows_a_text_that_cannot_be_put_out(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct many m = {.fails_at = 100};
    check_err(make_all(&m, 4, &err), MLO_EIO, &err, "full");
    check_int(m.n, 101);
    mlo_str_release(&m.out);
}

static int torn(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct many m = {.fails_at = SIZE_MAX};
    int rc = make_all(&m, 1, &err);
    if (rc == 0)
        rc = mlo_str_check(&m.out, &err);
    mlo_str_release(&m.out);
    return rc;
}

static void memory_that_runs_out(void)
{
    check(each_alloc_failure(torn) > 3, "allocations");
}

int main(void)
{
    run(the_order_is_that_of_the_numbers_on_any_number_of_threads);
    run(nothing_follows_a_text_that_cannot_be_put_out);
    run(memory_that_runs_out);
    return done_testing();
}

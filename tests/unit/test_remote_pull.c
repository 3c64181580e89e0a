/* Pull: what was fetched is not fetched again, what is bad is, and nothing that is wrong gets a name. */
#include "remote_memory.h"

#include <sys/file.h>

enum { BIG = 262144 }; /* elements of a tensor: 1 MiB each */

/* Fifty tensors of 1 MiB, pushed; the size of the whole. */
static uint64_t push_big(struct place *p, struct mlo_digest *ret)
{
    struct mlo_sync_stats st = {0};
    struct mlo_err err = MLO_ERR_INIT;
    unsigned seeds[TENSORS];
    for (unsigned i = 0; i < TENSORS; i++)
        seeds[i] = i;
    bench_model(p->b.tree, "model.safetensors", seeds, TENSORS, BIG);
    check(bench_pack(&p->b, ret), "packed");
    check_ok(push(p, ret, "m:1", &st, &err), &err);
    return st.bytes_total;
}

static int pull_with(struct place *p, struct mlo_sync_opts *o, struct mlo_sync_stats *st, struct mlo_err *err)
{
    struct mlo_ref ref = ref_of("m:1");
    struct mlo_pulled got = {0};
    o->home = p->b.home;
    int rc = mlo_pull(p->r, p->b.store, &ref, o, &got, st, err);
    free(got.referrers);
    return rc;
}

/* The path of the only file in the folder of partial blobs; "" when there is none. */
static void partial_file(struct place *p, char *ret, size_t n)
{
    char command[900];
    *ret = '\0';
    snprintf(command, sizeof command, "find '%s/store/partial' -type f", p->b.home);
    FILE *f = popen(command, "r");
    if (f && fgets(ret, (int)n, f))
        ret[strcspn(ret, "\n")] = '\0';
    if (f)
        pclose(f);
}

static void a_piece_that_comes_bad_once_is_fetched_again(void)
{
    static const enum fault faults[] = {FLIP, SHORT_BODY, LIE};
    struct memory m;
    struct place a;
    struct mlo_digest d;
    mem_init(&m);
    place_up(&a, &m);
    uint64_t total = push_big(&a, &d);
    for (size_t i = 0; i < MLO_COUNT(faults); i++) {
        struct place b;
        struct mlo_sync_stats st;
        struct mlo_sync_opts o = {0};
        struct mlo_err err = MLO_ERR_INIT;
        place_up(&b, &m);
        m.fault = faults[i];
        m.at_key = "packs/";
        m.at_call = 2;
        m.bytes_got = 0;
        check_ok(pull_with(&b, &o, &st, &err), &err);
        check(m.at_call < 0, "fault %zu came to pass", i);
        check(st.bytes_sent <= total + 2 * BIG * 4, "fault %zu: %llu bytes fetched for %llu", i,
              (unsigned long long)st.bytes_sent, (unsigned long long)total);
        whole(&b, &d);
        place_down(&b);
    }
    place_down(&a);
    mem_free(&m);
}

static void a_piece_that_stays_bad_is_named(void)
{
    static const enum fault faults[] = {FLIP, SHORT_BODY, LIE};
    struct memory m;
    struct place a;
    struct mlo_digest d;
    mem_init(&m);
    place_up(&a, &m);
    push_big(&a, &d);
    for (size_t i = 0; i < MLO_COUNT(faults); i++) {
        struct place b;
        struct mlo_sync_stats st;
        struct mlo_sync_opts o = {.parallel = 1};
        struct mlo_err err = MLO_ERR_INIT;
        place_up(&b, &m);
        m.fault = faults[i];
        m.at_key = "packs/";
        m.at_call = 0;
        m.times = 100000;
        unsigned before = m.gets;
        check_err(pull_with(&b, &o, &st, &err), MLO_EINVALID, &err, "is damaged at byte ");
        check(strstr(err.msg, "'packs/sha256/") && strstr(err.msg, "memory://x"), "says where: %s", err.msg);
        check(m.gets - before < 20, "gives up after %u requests", m.gets - before);
        m.fault = NO_FAULT;
        m.times = 0;
        check_ok(pull_with(&b, &o, &st, &err), &err);
        whole(&b, &d);
        place_down(&b);
    }
    place_down(&a);
    mem_free(&m);
}

static void more_than_was_asked_for_is_refused(void)
{
    struct memory m;
    struct place a, b;
    struct mlo_digest d;
    struct mlo_sync_stats st;
    struct mlo_sync_opts o = {0};
    struct mlo_err err = MLO_ERR_INIT;
    mem_init(&m);
    place_up(&a, &m);
    place_up(&b, &m);
    push_big(&a, &d);
    m.fault = LONG_BODY;
    m.at_key = "packs/";
    m.at_call = 1;
    check_err(pull_with(&b, &o, &st, &err), MLO_EREMOTE, &err, "more than was asked for");
    place_down(&a);
    place_down(&b);
    mem_free(&m);
}

static void a_pull_that_was_cut_off_goes_on(void)
{
    struct memory m;
    struct place a, b;
    struct mlo_digest d;
    struct mlo_sync_stats st;
    struct mlo_sync_opts o = {.parallel = 1};
    struct mlo_err err = MLO_ERR_INIT;
    char path[900];
    mem_init(&m);
    place_up(&a, &m);
    place_up(&b, &m);
    uint64_t total = push_big(&a, &d);
    m.fault = FAIL;
    m.at_key = "packs/";
    m.at_call = 3;
    m.times = 1000;
    m.bytes_got = 0;
    check_err(pull_with(&b, &o, &st, &err), MLO_EREMOTE, &err, "connection lost");
    uint64_t first = m.bytes_got;
    check(first > 16 << 20, "%llu bytes were fetched before it failed", (unsigned long long)first);
    partial_file(&b, path, sizeof path);
    check(*path, "what was fetched stays");
    m.fault = NO_FAULT;
    check_ok(pull_with(&b, &o, &st, &err), &err);
    check(st.bytes_sent + first <= total + (1 << 20), "%llu and then %llu bytes for %llu",
          (unsigned long long)first, (unsigned long long)st.bytes_sent, (unsigned long long)total);
    whole(&b, &d);
    partial_file(&b, path, sizeof path);
    check_str(path, "");
    place_down(&a);
    place_down(&b);
    mem_free(&m);
}

static void what_is_found_is_not_believed(void)
{
    struct memory m;
    struct place a, b;
    struct mlo_digest d;
    struct mlo_sync_stats st;
    struct mlo_sync_opts o = {.parallel = 1};
    struct mlo_err err = MLO_ERR_INIT;
    char path[900];
    unsigned char c = 0;
    mem_init(&m);
    place_up(&a, &m);
    place_up(&b, &m);
    uint64_t total = push_big(&a, &d);
    m.fault = FAIL;
    m.at_key = "packs/";
    m.at_call = 3;
    m.times = 1000;
    m.bytes_got = 0;
    check_err(pull_with(&b, &o, &st, &err), MLO_EREMOTE, &err, NULL);
    uint64_t first = m.bytes_got;
    m.fault = NO_FAULT;
    partial_file(&b, path, sizeof path);
    int fd = open(path, O_RDWR);
    check(fd >= 0 && pread(fd, &c, 1, 5 << 20) == 1, "it can be read");
    c ^= 8;
    check(pwrite(fd, &c, 1, 5 << 20) == 1 && ftruncate(fd, 60 << 20) == 0, "and spoilt");
    close(fd);
    check_ok(pull_with(&b, &o, &st, &err), &err);
    check(st.bytes_sent + first > total && st.bytes_sent + first <= total + (2 << 20),
          "only the spoilt piece comes again: %llu and %llu of %llu", (unsigned long long)first,
          (unsigned long long)st.bytes_sent, (unsigned long long)total);
    whole(&b, &d);
    place_down(&a);
    place_down(&b);
    mem_free(&m);
}

static void two_pulls_of_one_blob_do_not_meet(void)
{
    struct memory m;
    struct place a, b;
    struct mlo_digest d;
    struct mlo_bundle bundle;
    struct mlo_partial *other = NULL;
    struct mlo_sync_stats st;
    struct mlo_sync_opts o = {0};
    struct mlo_err err = MLO_ERR_INIT;
    mem_init(&m);
    place_up(&a, &m);
    place_up(&b, &m);
    push_big(&a, &d);
    check_ok(mlo_bundle_load(a.b.store, &d, &bundle, &err), &err);
    size_t i = 0;
    while (bundle.layers[i].size < (10 << 20))
        i++;
    check_ok(mlo_partial_begin(b.b.store, &bundle.layers[i].digest, bundle.layers[i].size, &other, &err),
             &err);
    check_ok(mlo_write_all_at(mlo_partial_fd(other), "not yours", 9, 0, &err), &err);
    check_ok(pull_with(&b, &o, &st, &err), &err);
    char text[10] = "";
    check_ok(mlo_read_exact_at(mlo_partial_fd(other), text, 9, 0, &err), &err);
    check_str(text, "not yours");
    mlo_partial_keep(other);
    mlo_bundle_release(&bundle);
    whole(&b, &d);
    place_down(&a);
    place_down(&b);
    mem_free(&m);
}

/* ---- progress ---- */

struct seen {
    uint64_t first_total, last, total, calls, largest_step;
    bool grows, same_total;
};

static void hear_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct seen *s = ctx;
    if (s->calls++ == 0)
        *s = (struct seen){.first_total = total, .calls = 1, .grows = true, .same_total = true};
    s->grows = s->grows && done >= s->last;
    s->same_total = s->same_total && total == s->first_total;
    if (done - s->last > s->largest_step)
        s->largest_step = done - s->last;
    s->last = done;
    s->total = total;
}

static void progress_moves_steadily_to_a_total_known_at_the_start(void)
{
    struct memory m;
    struct place a, b;
    struct mlo_digest d;
    struct mlo_sync_stats st;
    struct seen seen = {0};
    struct mlo_sync_opts o = {.progress = hear_progress, .progress_ctx = &seen};
    struct mlo_err err = MLO_ERR_INIT;
    mem_init(&m);
    place_up(&a, &m);
    place_up(&b, &m);
    uint64_t total = push_big(&a, &d);
    m.fault = FLIP; /* what comes twice counts once */
    m.at_key = "packs/";
    m.at_call = 1;
    check_ok(pull_with(&b, &o, &st, &err), &err);
    check(seen.same_total && seen.total == total && seen.last == total, "%llu of %llu, expected %llu",
          (unsigned long long)seen.last, (unsigned long long)seen.total, (unsigned long long)total);
    check(seen.grows && seen.largest_step <= 1 << 20, "steps of at most %llu",
          (unsigned long long)seen.largest_step);
    place_down(&a);
    place_down(&b);
    mem_free(&m);
}

int main(void)
{
    run(a_piece_that_comes_bad_once_is_fetched_again);
    run(a_piece_that_stays_bad_is_named);
    run(more_than_was_asked_for_is_refused);
    run(a_pull_that_was_cut_off_goes_on);
    run(what_is_found_is_not_believed);
    run(two_pulls_of_one_blob_do_not_meet);
    run(progress_moves_steadily_to_a_total_known_at_the_start);
    return done_testing();
}

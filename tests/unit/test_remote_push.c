/* Push: few requests, few reads, packs of a size that the remote takes, and going on after a failure. */
#include "remote_memory.h"

enum { BIG = 262144 }; /* elements of a tensor: 1 MiB each */

static void make_big(struct place *p, unsigned seed, struct mlo_digest *ret)
{
    unsigned seeds[TENSORS];
    for (unsigned i = 0; i < TENSORS; i++)
        seeds[i] = seed + i;
    bench_model(p->b.tree, "model.safetensors", seeds, TENSORS, BIG);
    check(bench_pack(&p->b, ret), "packed");
}

static size_t count_keys(const struct memory *m, const char *prefix)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        n += strncmp(m->list[i].key, prefix, strlen(prefix)) == 0;
    return n;
}

static void a_first_push_asks_for_nothing_it_sends(void)
{
    struct memory m;
    struct place a;
    struct mlo_digest d;
    struct mlo_sync_stats st;
    struct mlo_err err = MLO_ERR_INIT;
    mem_init(&m);
    place_up(&a, &m);
    make_model(&a, 0, &d);
    check_ok(push(&a, &d, "m:1", &st, &err), &err);
    check_int(m.puts, 5);  /* pack, manifest, recipe, ref, head */
    check_int(m.stats, 4); /* after each of the first three; whether there is a name below this one */
    check_int(m.gets, 4);  /* ref before and after, head */
    check_int(st.requests, m.puts + m.stats + m.gets);
    place_down(&a);
    mem_free(&m);
}

/* Bytes that this process has read so far; 0 when the system does not say. */
static uint64_t bytes_read(void)
{
    unsigned long long n = 0;
    FILE *f = fopen("/proc/self/io", "r");
    if (f && fscanf(f, "rchar: %llu", &n) != 1)
        n = 0;
    if (f)
        fclose(f);
    return n;
}

static void each_byte_is_read_twice_at_most(void)
{
    struct memory m;
    struct place a;
    struct mlo_digest d;
    struct mlo_sync_stats st;
    struct mlo_err err = MLO_ERR_INIT;
    char *noise = malloc(20 << 20); /* cut by content */
    uint64_t x = 1;
    for (size_t i = 0; i < 20 << 20; i++)
        noise[i] = (char)((x = x * 6364136223846793005u + 1442695040888963407u) >> 56);
    mem_init(&m);
    place_up(&a, &m);
    bench_put(a.b.tree, "table.bin", noise, 20 << 20);
    free(noise);
    make_big(&a, 0, &d);
    uint64_t before = bytes_read();
    check_ok(push(&a, &d, "m:1", &st, &err), &err);
    uint64_t read = bytes_read() - before;
    check(before == 0 || read <= 2 * st.bytes_total + (1 << 20), "%llu bytes read to send %llu",
          (unsigned long long)read, (unsigned long long)st.bytes_total);
    place_down(&a);
    mem_free(&m);
}

static void packs_are_no_larger_than_the_remote_takes(void)
{
    static const uint64_t limits[] = {3 << 20, 10000000, 1 << 20};
    for (size_t i = 0; i < MLO_COUNT(limits); i++) {
        struct memory m;
        struct place a, b;
        struct mlo_digest d, got;
        struct mlo_sync_stats st;
        struct mlo_err err = MLO_ERR_INIT;
        mem_init(&m);
        place_up(&a, &m);
        place_up(&b, &m);
        a.r->t.max_put = limits[i];
        make_big(&a, 0, &d);
        check_ok(push(&a, &d, "m:1", &st, &err), &err);
        check(m.largest_put <= limits[i], "%zu bytes in one put", m.largest_put);
        check_ok(pull(&b, "m:1", &got, &st, &err), &err);
        whole(&b, &d);
        place_down(&a);
        place_down(&b);
        mem_free(&m);
    }
}

static void a_remote_that_refuses_large_packs_gets_small_ones(void)
{
    struct memory m;
    struct place a, b;
    struct mlo_digest d, got;
    struct mlo_sync_stats st;
    struct mlo_err err = MLO_ERR_INIT;
    mem_init(&m);
    place_up(&a, &m);
    place_up(&b, &m);
    m.refuse_above = 10 << 20;
    make_big(&a, 0, &d);
    check_ok(push(&a, &d, "m:1", &st, &err), &err);
    check(m.largest_put <= m.refuse_above, "%zu bytes in one put", m.largest_put);
    check(st.bytes_sent < st.bytes_total + (1 << 20), "nothing is sent twice: %llu of %llu",
          (unsigned long long)st.bytes_sent, (unsigned long long)st.bytes_total);
    check_ok(pull(&b, "m:1", &got, &st, &err), &err);
    whole(&b, &d);
    m.refuse_above = 1000; /* less than any pack */
    make_big(&a, 500, &d);
    check_err(push(&a, &d, "m:2", &st, &err), MLO_EREMOTE, &err, "413");
    place_down(&a);
    place_down(&b);
    mem_free(&m);
}

static void a_push_that_was_cut_off_sends_the_rest(void)
{
    struct memory m;
    struct place a;
    struct mlo_digest d;
    struct mlo_sync_stats st;
    struct mlo_err err = MLO_ERR_INIT;
    mem_init(&m);
    place_up(&a, &m);
    a.r->t.max_put = 4 << 20;
    make_big(&a, 0, &d);
    m.fault = FAIL;
    m.at_key = "packs/";
    m.at_call = 7;
    m.times = 1000;
    check_err(push(&a, &d, "m:1", &st, &err), MLO_EREMOTE, &err, "connection lost");
    size_t there = count_keys(&m, "packs/");
    check(there == 7 && !find(&m, "refs/m/1"), "%zu packs came through", there);
    m.fault = NO_FAULT;
    check_ok(push(&a, &d, "m:1", &st, &err), &err);
    check_int(st.packs_sent + there, count_keys(&m, "packs/"));
    unsigned stats = m.stats, puts = m.puts;
    make_big(&a, 100, &d);
    check_ok(push(&a, &d, "m:2", &st, &err), &err);
    check(m.stats - stats <= m.puts - puts, "and then there is no more asking: %u for %u", m.stats - stats,
          m.puts - puts);
    place_down(&a);
    mem_free(&m);
}

static void what_fails_after_the_ref_is_a_warning(void)
{
    struct memory m;
    struct place a, b;
    struct mlo_digest d, got;
    struct mlo_sync_stats st;
    struct mlo_err err = MLO_ERR_INIT;
    char cache[700], aside[710];
    mem_init(&m);
    place_up(&a, &m);
    place_up(&b, &m);
    make_model(&a, 0, &d);
    m.fault = FAIL;
    m.at_key = "heads/";
    m.at_call = 1; /* it is read first */
    check_ok(push(&a, &d, "m:1", &st, &err), &err);
    check(strstr(st.warning, "connection lost"), "says so: %s", st.warning);
    m.fault = NO_FAULT;
    make_model(&b, 1, &d);
    check_ok(pull(&b, "m:1", &got, &st, &err), &err);
    check_str(st.warning, "");
    snprintf(cache, sizeof cache, "%s/cache", b.b.home);
    snprintf(aside, sizeof aside, "%s.aside", cache);
    check(rename(cache, aside) == 0, "the cache is away");
    bench_text(b.b.home, "cache", "a file in its place\n");
    check_ok(push(&b, &d, "m:2", &st, &err), &err);
    check(strstr(st.warning, "could not be noted"), "says so: %s", st.warning);
    place_down(&a);
    place_down(&b);
    mem_free(&m);
}

static void what_will_not_fit_is_not_begun(void)
{
    struct memory m;
    struct place a;
    struct mlo_digest d;
    struct mlo_sync_stats st;
    struct mlo_err err = MLO_ERR_INIT;
    unsigned seeds[TENSORS] = {0};
    mem_init(&m);
    place_up(&a, &m);
    a.r->t.capacity = 60 << 20;
    make_big(&a, 0, &d);
    check_ok(push(&a, &d, "m:1", &st, &err), &err);
    unsigned puts = m.puts;
    make_big(&a, 100, &d);
    check_err(push(&a, &d, "m:2", &st, &err), MLO_EREMOTE, &err, "will not fit");
    check_int(m.puts, puts);
    for (unsigned i = 0; i < TENSORS;
         i++) /* little of this one has to be sent, which only reading it tells */
        seeds[i] = i == 20 ? 1000 : i;
    bench_model(a.b.tree, "model.safetensors", seeds, TENSORS, BIG);
    check(bench_pack(&a.b, &d), "packed");
    check_ok(push(&a, &d, "m:2", &st, &err), &err);
    check_int(st.packs_sent, 1);
    place_down(&a);
    mem_free(&m);
}

/* ---- progress ---- */

struct seen {
    uint64_t total, last, calls, largest_step;
    bool grows, same_total;
};

static void hear_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct seen *s = ctx;
    if (s->calls++ == 0)
        *s = (struct seen){.total = total, .calls = 1, .grows = true, .same_total = true};
    s->grows = s->grows && done >= s->last;
    s->same_total = s->same_total && total == s->total;
    if (done - s->last > s->largest_step)
        s->largest_step = done - s->last;
    s->last = done;
}

static void progress_moves_steadily_to_a_total_known_at_the_start(void)
{
    struct memory m;
    struct place a;
    struct mlo_digest d;
    struct mlo_sync_stats st;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_ref ref = ref_of("m:1");
    mem_init(&m);
    place_up(&a, &m);
    for (unsigned i = 0; i < 2; i++) { /* the second time most is there already */
        struct seen seen = {.calls = 0};
        struct mlo_sync_opts o = {.home = a.b.home, .progress = hear_progress, .progress_ctx = &seen};
        unsigned seeds[TENSORS];
        for (unsigned k = 0; k < TENSORS; k++)
            seeds[k] = k == 7 ? 1000 + i : k;
        bench_model(a.b.tree, "model.safetensors", seeds, TENSORS, BIG);
        check(bench_pack(&a.b, &d), "packed");
        check_ok(mlo_push(a.r, a.b.store, &d, &ref, &o, &st, &err), &err);
        check(seen.same_total && seen.grows && seen.last == seen.total, "%llu of %llu",
              (unsigned long long)seen.last, (unsigned long long)seen.total);
        check(seen.total >= TENSORS * BIG * 4 && seen.largest_step <= BIG * 4 && seen.calls >= TENSORS,
              "%llu calls, steps of at most %llu", (unsigned long long)seen.calls,
              (unsigned long long)seen.largest_step);
    }
    place_down(&a);
    mem_free(&m);
}

int main(void)
{
    run(a_first_push_asks_for_nothing_it_sends);
    run(each_byte_is_read_twice_at_most);
    run(packs_are_no_larger_than_the_remote_takes);
    run(a_remote_that_refuses_large_packs_gets_small_ones);
    run(a_push_that_was_cut_off_sends_the_rest);
    run(what_will_not_fit_is_not_begun);
    run(what_fails_after_the_ref_is_a_warning);
    run(progress_moves_steadily_to_a_total_known_at_the_start);
    return done_testing();
}

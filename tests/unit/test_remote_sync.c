/* Push and pull over a transport in memory that can be made to fail in every way a real one does. */
#include "remote_memory.h"

/* ---- tests ---- */

static void a_push_comes_back_bit_for_bit(void)
{
    struct memory m;
    struct place a, b;
    struct mlo_digest d, got;
    struct mlo_sync_stats st;
    struct mlo_err err = MLO_ERR_INIT;
    mem_init(&m);
    place_up(&a, &m);
    place_up(&b, &m);
    make_model(&a, 0, &d);
    check_ok(push(&a, &d, "m:1", &st, &err), &err);
    check(st.bytes_sent > TENSORS * ELEMENTS * 4 && st.packs_sent == 1 && !st.unchanged, "all sent");
    check_int(m.lists, 0);
    check_ok(pull(&b, "m:1", &got, &st, &err), &err);
    check(mlo_digest_eq(&got, &d), "same bundle");
    check_int(m.lists, 0);
    whole(&b, &d);
    check_ok(pull(&b, "m:1", &got, &st, &err), &err);
    check(st.unchanged && st.bytes_sent == 0, "nothing to fetch the second time");
    check_err(pull(&b, "m:2", NULL, &st, &err), MLO_ENOTFOUND, &err, "m:2");
    place_down(&a);
    place_down(&b);
    mem_free(&m);
}

static void an_unchanged_push_takes_few_requests(void)
{
    struct memory m;
    struct place a, b;
    struct mlo_digest d, got;
    struct mlo_sync_stats st;
    struct mlo_err err = MLO_ERR_INIT;
    mem_init(&m);
    place_up(&a, &m);
    place_up(&b, &m);
    make_model(&a, 0, &d);
    check_ok(push(&a, &d, "m:1", &st, &err), &err);
    unsigned puts = m.puts;
    check_ok(push(&a, &d, "m:1", &st, &err), &err);
    check(st.unchanged && st.requests <= 2, "%llu requests", (unsigned long long)st.requests);
    check_int(m.puts, puts);
    check_ok(pull(&b, "m:1", &got, &st, &err), &err);
    check_ok(push(&b, &got, "m:1", &st, &err), &err);
    check(st.unchanged && st.requests <= 5, "from another machine too: %llu requests",
          (unsigned long long)st.requests);
    place_down(&a);
    place_down(&b);
    mem_free(&m);
}

static void a_fine_tuned_model_sends_what_changed(void)
{
    static const char *const second[] = {"m:1", "m:2"}; /* the same tag, another tag */
    for (size_t i = 0; i < 2; i++) {
        struct memory m;
        struct place a;
        struct mlo_digest d1, d2;
        struct mlo_sync_stats st;
        struct mlo_err err = MLO_ERR_INIT;
        enum { BIG = 262144 };
        unsigned seeds[TENSORS];
        mem_init(&m);
        place_up(&a, &m);
        for (unsigned k = 0; k < TENSORS; k++)
            seeds[k] = k;
        bench_model(a.b.tree, "model.safetensors", seeds, TENSORS, BIG);
        check(bench_pack(&a.b, &d1), "packed");
        check_ok(push(&a, &d1, "m:1", &st, &err), &err);
        seeds[3] = 103;
        seeds[40] = 140;
        bench_model(a.b.tree, "model.safetensors", seeds, TENSORS, BIG);
        check(bench_pack(&a.b, &d2), "packed");
        size_t before = m.bytes_put;
        check_ok(push(&a, &d2, second[i], &st, &err), &err);
        size_t changed = 2 * BIG * 4, sent = m.bytes_put - before;
        check(sent >= changed && sent - changed <= changed / 100, "%zu bytes sent for %zu changed", sent,
              changed);
        place_down(&a);
        mem_free(&m);
    }
}

static void a_machine_without_cache_learns_from_the_head(void)
{
    struct memory m;
    struct place a, b;
    struct mlo_digest d1, d2;
    struct mlo_sync_stats st;
    struct mlo_err err = MLO_ERR_INIT;
    mem_init(&m);
    place_up(&a, &m);
    place_up(&b, &m);
    make_model(&a, 0, &d1);
    make_model(&b, 2, &d2);
    check_ok(push(&a, &d1, "m:1", &st, &err), &err);
    check_ok(push(&b, &d2, "m:2", &st, &err), &err);
    check(st.chunks_sent < 10 && st.chunks > TENSORS, "%llu chunks sent", (unsigned long long)st.chunks_sent);
    place_down(&a);
    place_down(&b);
    mem_free(&m);
}

static void a_pull_reuses_what_is_here(void)
{
    struct memory m;
    struct place a, b;
    struct mlo_digest d1, d2, got;
    struct mlo_sync_stats st;
    struct mlo_err err = MLO_ERR_INIT;
    mem_init(&m);
    place_up(&a, &m);
    place_up(&b, &m);
    make_model(&a, 0, &d1);
    check_ok(push(&a, &d1, "m:1", &st, &err), &err);
    make_model(&a, 2, &d2);
    check_ok(push(&a, &d2, "m:2", &st, &err), &err);
    check_ok(pull(&b, "m:1", &got, &st, &err), &err);
    check_ok(pull(&b, "m:2", &got, &st, &err), &err);
    check(st.bytes_sent < TENSORS * ELEMENTS * 4 / 10, "%llu bytes fetched",
          (unsigned long long)st.bytes_sent);
    whole(&b, &d2);
    place_down(&a);
    place_down(&b);
    mem_free(&m);
}

static void damage_here_is_fetched_not_copied(void)
{
    struct memory m;
    struct place a, b;
    struct mlo_digest d1, d2, got;
    struct mlo_bundle bundle;
    struct mlo_sync_stats st;
    struct mlo_err err = MLO_ERR_INIT;
    mem_init(&m);
    place_up(&a, &m);
    place_up(&b, &m);
    make_model(&a, 0, &d1);
    check_ok(push(&a, &d1, "m:1", &st, &err), &err);
    make_model(&a, 2, &d2);
    check_ok(push(&a, &d2, "m:2", &st, &err), &err);
    check_ok(pull(&b, "m:1", &got, &st, &err), &err);
    check_ok(mlo_bundle_load(b.b.store, &d1, &bundle, &err), &err);
    for (size_t i = 0; i < bundle.n_files; i++)
        if (bundle.files[i].size > 50000)
            bench_damage(&b.b, &bundle.files[i].digest, (off_t)bundle.files[i].size - 5);
    mlo_bundle_release(&bundle);
    check_ok(pull(&b, "m:2", &got, &st, &err), &err);
    whole(&b, &d2);
    place_down(&a);
    place_down(&b);
    mem_free(&m);
}

static void damage_here_is_not_pushed(void)
{
    struct memory m;
    struct place a;
    struct mlo_digest d;
    struct mlo_bundle bundle;
    struct mlo_sync_stats st;
    struct mlo_err err = MLO_ERR_INIT;
    mem_init(&m);
    place_up(&a, &m);
    make_model(&a, 0, &d);
    check_ok(mlo_bundle_load(a.b.store, &d, &bundle, &err), &err);
    bench_damage(&a.b, &bundle.files[bundle.n_files - 1].digest, 1000);
    mlo_bundle_release(&bundle);
    check_err(push(&a, &d, "m:1", &st, &err), MLO_EINVALID, &err, "damaged");
    check_int(m.puts, 0);
    place_down(&a);
    mem_free(&m);
}

/* Whatever fails at whatever call: no ref that leads to less than all, and the next push mends it. */
static void a_push_that_fails_leaves_no_ref_and_is_taken_up(void)
{
    static const enum fault faults[] = {FAIL, LOSE, HALF, AFTER};
    static const char *const keys[] = {"packs/", "manifests/", "recipes/", "refs/"};
    for (size_t f = 0; f < MLO_COUNT(faults); f++) {
        for (size_t k = 0; k < MLO_COUNT(keys); k++) {
            struct memory m;
            struct place a, b;
            struct mlo_digest d, got;
            struct mlo_sync_stats st;
            struct mlo_err err = MLO_ERR_INIT;
            bool is_ref = strcmp(keys[k], "refs/") == 0;
            mem_init(&m);
            place_up(&a, &m);
            place_up(&b, &m);
            make_model(&a, 0, &d);
            m.fault = faults[f];
            m.at_key = keys[k];
            m.at_call = is_ref && faults[f] != FAIL ? 2 : 0; /* the ref is read twice before it is written */
            int rc = push(&a, &d, "m:1", &st, &err);
            check(rc != 0, "fault %zu at %s is noticed", f, keys[k]);
            if (!is_ref)
                check(find(&m, "refs/m/1") == NULL, "no ref after fault %zu at %s", f, keys[k]);
            m.fault = NO_FAULT;
            err = MLO_ERR_INIT;
            if (is_ref && faults[f] == HALF)
                mem_remove(&m, "refs/m/1", &err); /* half a ref is damage that a human looks at */
            check_ok(push(&a, &d, "m:1", &st, &err), &err);
            if (strcmp(keys[k], "packs/") != 0 && !(is_ref && faults[f] == FAIL))
                check(st.packs_sent == 0, "packs are not sent again after a fault at %s", keys[k]);
            check_ok(pull(&b, "m:1", &got, &st, &err), &err);
            place_down(&a);
            place_down(&b);
            mem_free(&m);
        }
    }
}

static void a_pull_believes_nothing(void)
{
    static const enum fault faults[] = {FAIL, SHORT_BODY, LONG_BODY, FLIP};
    static const char *const keys[] = {"packs/", "manifests/", "recipes/", "refs/"};
    struct memory m;
    struct place a;
    struct mlo_digest d;
    struct mlo_sync_stats st;
    struct mlo_err err = MLO_ERR_INIT;
    mem_init(&m);
    place_up(&a, &m);
    make_model(&a, 0, &d);
    check_ok(push(&a, &d, "m:1", &st, &err), &err);
    for (size_t f = 0; f < MLO_COUNT(faults); f++) {
        for (size_t k = 0; k < MLO_COUNT(keys); k++) {
            struct place b;
            struct mlo_digest got;
            place_up(&b, &m);
            m.fault = faults[f];
            m.at_key = keys[k];
            m.at_call = 0;
            err = MLO_ERR_INIT;
            int rc = pull(&b, "m:1", &got, &st, &err);
            bool mended = strcmp(keys[k], "packs/") == 0 && (faults[f] == SHORT_BODY || faults[f] == FLIP);
            check(mended ? rc == 0 : rc == MLO_EREMOTE || rc == MLO_EINVALID, "fault %zu at %s gave %d", f,
                  keys[k], rc);
            m.fault = NO_FAULT;
            err = MLO_ERR_INIT;
            check_ok(pull(&b, "m:1", &got, &st, &err), &err);
            whole(&b, &d);
            place_down(&b);
        }
    }
    place_down(&a);
    mem_free(&m);
}

static void what_is_gone_is_the_remotes_fault(void)
{
    static const char *const keys[] = {"packs/", "manifests/", "recipes/"};
    for (size_t k = 0; k < MLO_COUNT(keys); k++) {
        struct memory m;
        struct place a, b;
        struct mlo_digest d, got;
        struct mlo_sync_stats st;
        struct mlo_err err = MLO_ERR_INIT;
        mem_init(&m);
        place_up(&a, &m);
        place_up(&b, &m);
        make_model(&a, 0, &d);
        check_ok(push(&a, &d, "m:1", &st, &err), &err);
        for (size_t i = 0; i < m.n; i++)
            if (strncmp(m.list[i].key, keys[k], strlen(keys[k])) == 0)
                mem_remove(&m, m.list[i--].key, &err);
        check_err(pull(&b, "m:1", &got, &st, &err), MLO_EREMOTE, &err, NULL);
        place_down(&a);
        place_down(&b);
        mem_free(&m);
    }
}

static void a_checked_push_sends_again_what_is_gone(void)
{
    struct memory m;
    struct place a, b;
    struct mlo_digest d, got;
    struct mlo_sync_stats st;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_ref ref = ref_of("m:1");
    mem_init(&m);
    place_up(&a, &m);
    place_up(&b, &m);
    make_model(&a, 0, &d);
    check_ok(push(&a, &d, "m:1", &st, &err), &err);
    for (size_t i = 0; i < m.n; i++)
        if (strncmp(m.list[i].key, "packs/", 6) == 0)
            mem_remove(&m, m.list[i].key, &err);
    struct mlo_sync_opts o = {.home = a.b.home, .check = true, .by = "test"};
    check_ok(mlo_push(a.r, a.b.store, &d, &ref, &o, &st, &err), &err);
    check(!st.unchanged && st.packs_sent == 1, "sent again");
    check_ok(pull(&b, "m:1", &got, &st, &err), &err);
    whole(&b, &d);
    check_ok(mlo_push(a.r, a.b.store, &d, &ref, &o, &st, &err), &err);
    check(st.unchanged, "and then there is nothing to do");
    place_down(&a);
    place_down(&b);
    mem_free(&m);
}

/* ---- refs ---- */

struct tags {
    char text[200];
};

static int hear_tag(void *ctx, const char *name, const char *tag, const struct mlo_remote_ref *ref,
                    struct mlo_err *err)
{
    struct tags *t = ctx;
    size_t n = strlen(t->text);
    (void)err;
    snprintf(t->text + n, sizeof t->text - n, "%s:%s=%llu ", name, tag, (unsigned long long)ref->size);
    return 0;
}

static int steal_ref(struct memory *m, const char *key)
{
    static const char other[] =
        "{\"schema\":1,\"manifest\":\"sha256:"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"recipe\":\"sha256:"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"size\":1,\"time\":\"2026-01-"
        "02T03:04:05Z\",\"by\":\"other run 7\"}";
    if (strncmp(key, m->steal_at, strlen(m->steal_at)) == 0) {
        m->on_put = NULL;
        store(m, "refs/m/1", other, sizeof other - 1);
    }
    return 0;
}

/* Whether the other one writes before the last look or just after our own write. */
static void a_second_writer_is_noticed(void)
{
    static const char *const at[] = {"packs/", "manifests/", "refs/"};
    for (size_t i = 0; i < MLO_COUNT(at); i++) {
        struct memory m;
        struct place a;
        struct mlo_digest d;
        struct mlo_sync_stats st;
        struct mlo_err err = MLO_ERR_INIT;
        struct tags former = {""};
        mem_init(&m);
        place_up(&a, &m);
        make_model(&a, 0, &d);
        m.on_put = steal_ref;
        m.steal_at = at[i];
        check_err(push(&a, &d, "m:1", &st, &err), MLO_ECONFLICT, &err, "'other run 7' pushed sha256:aaaa");
        check(*err.hint, "says what to do");
        check(strstr(find(&m, "refs/m/1")->data, "other run 7"), "and leaves it");
        check_ok(mlo_remote_ref_history(a.r, "m", "1", hear_tag, &former, &err), &err);
        check((*former.text != '\0') == (i == 2), "what was overwritten is kept: %s", former.text);
        place_down(&a);
        mem_free(&m);
    }
}

static void a_name_and_a_tag_do_not_share_a_path(void)
{
    static const struct {
        const char *first, *second;
    } pairs[] = {{"a:b", "a/b:t"}, {"a:b", "a/b/c:t"}, {"a/b:t", "a:b"}, {"x/a:b", "x/a/b:latest"}};
    for (size_t i = 0; i < MLO_COUNT(pairs); i++) {
        struct memory m;
        struct place a;
        struct mlo_digest d;
        struct mlo_sync_stats st;
        struct mlo_err err = MLO_ERR_INIT;
        mem_init(&m);
        place_up(&a, &m);
        make_model(&a, 0, &d);
        check_ok(push(&a, &d, pairs[i].first, &st, &err), &err);
        unsigned puts = m.puts;
        check_err(push(&a, &d, pairs[i].second, &st, &err), MLO_ECONFLICT, &err, "cannot stand");
        check_int(m.puts, puts);
        check_ok(push(&a, &d, "a:B", &st, &err), &err);
        place_down(&a);
        mem_free(&m);
    }
}

static void a_ref_moves_only_from_where_it_was(void)
{
    struct memory m;
    struct place a;
    struct mlo_remote_ref one = {.recipe.b = {1}, .size = 1, .by = "x"}, now;
    struct mlo_remote_ref two = {.recipe.b = {2}, .size = 2, .by = "y"};
    struct mlo_ref ref = ref_of("team/m:1");
    struct mlo_err err = MLO_ERR_INIT;
    mem_init(&m);
    place_up(&a, &m);
    check_ok(mlo_remote_ref_set(a.r, &ref, NULL, &one, &err), &err);
    check_err(mlo_remote_ref_set(a.r, &ref, NULL, &two, &err), MLO_ECONFLICT, &err, "has moved meanwhile");
    check_err(mlo_remote_ref_set(a.r, &ref, &two, &one, &err), MLO_ECONFLICT, &err, "has moved meanwhile");
    check_ok(mlo_remote_ref_set(a.r, &ref, &one, &two, &err), &err);
    size_t old = 0;
    for (size_t i = 0; i < m.n; i++)
        old += strncmp(m.list[i].key, "refs-old/team/m/1.", 18) == 0;
    check_int(old, 1);
    check_ok(mlo_remote_ref_get(a.r, &ref, &now, &err), &err);
    check_int(now.size, 2);
    check_ok(mlo_remote_ref_set(a.r, &ref, &two, NULL, &err), &err);
    check_err(mlo_remote_ref_get(a.r, &ref, &now, &err), MLO_ENOTFOUND, &err, "team/m:1");
    place_down(&a);
    mem_free(&m);
}

static void former_refs_are_listed_newest_first(void)
{
    struct memory m;
    struct place a;
    struct mlo_remote_ref now = {0};
    struct mlo_ref one = ref_of("team/m:1.x"), two = ref_of("team/m:2"), below = ref_of("team/m/x:2");
    struct mlo_err err = MLO_ERR_INIT;
    struct tags all = {""}, tag = {""}, none = {""};
    mem_init(&m);
    place_up(&a, &m);
    for (unsigned i = 1; i <= 4; i++) {
        struct mlo_remote_ref next = {.recipe = {{1}}, .size = i, .time_ns = i * 1000000000LL, .by = "x"};
        const struct mlo_remote_ref *was = i > 1 ? &now : NULL;
        check_ok(mlo_remote_ref_set(a.r, &one, was, &next, &err), &err);
        check_ok(mlo_remote_ref_set(a.r, &two, was, &next, &err), &err);
        check_ok(mlo_remote_ref_set(a.r, &below, was, &next, &err), &err);
        now = next;
    }
    check_ok(mlo_remote_ref_history(a.r, "team/m", NULL, hear_tag, &all, &err), &err);
    check_str(all.text, "team/m:1.x=3 team/m:2=3 team/m:1.x=2 team/m:2=2 team/m:1.x=1 team/m:2=1 ");
    check_ok(mlo_remote_ref_history(a.r, "team/m", "1.x", hear_tag, &tag, &err), &err);
    check_str(tag.text, "team/m:1.x=3 team/m:1.x=2 team/m:1.x=1 ");
    check_ok(mlo_remote_ref_history(a.r, "team", NULL, hear_tag, &none, &err), &err);
    check_str(none.text, "");
    place_down(&a);
    mem_free(&m);
}

struct heard {
    const struct mlo_remote_ref *before;
    bool had_before, called;
    struct memory *m;
    bool ref_there;
};

static int hear(void *ctx, const struct mlo_remote_ref *before, const struct mlo_remote_ref *after,
                struct mlo_err *err)
{
    struct heard *h = ctx;
    (void)after;
    h->called = true;
    h->had_before = before != NULL;
    h->ref_there = find(h->m, "refs/m/1") != NULL;
    return h->before ? mlo_fail(err, MLO_EIO, "ledger is full") : 0;
}

static void the_caller_hears_before_the_ref_moves(void)
{
    struct memory m;
    struct place a;
    struct mlo_digest d;
    struct mlo_sync_stats st;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_ref ref = ref_of("m:1");
    struct heard h = {.m = &m};
    mem_init(&m);
    place_up(&a, &m);
    make_model(&a, 0, &d);
    struct mlo_sync_opts o = {.home = a.b.home, .before_ref = hear, .before_ref_ctx = &h};
    struct mlo_remote_ref refuse = {0};
    h.before = &refuse;
    check_err(mlo_push(a.r, a.b.store, &d, &ref, &o, &st, &err), MLO_EIO, &err, "ledger is full");
    check(h.called && !h.ref_there && find(&m, "refs/m/1") == NULL, "what the caller refuses is not done");
    h.before = NULL;
    err = MLO_ERR_INIT;
    check_ok(mlo_push(a.r, a.b.store, &d, &ref, &o, &st, &err), &err);
    check(!h.had_before, "there was none before");
    place_down(&a);
    mem_free(&m);
}

/* ---- check, repair ---- */

static int count_fault(void *ctx, const struct mlo_remote_fault *f, struct mlo_err *err)
{
    (void)f, (void)err;
    ++*(size_t *)ctx;
    return 0;
}

static void a_check_finds_what_is_gone_or_damaged(void)
{
    struct memory m;
    struct place a;
    struct mlo_digest d;
    struct mlo_sync_stats st;
    struct mlo_err err = MLO_ERR_INIT;
    size_t faults = 0;
    uint64_t refs = 0;
    mem_init(&m);
    place_up(&a, &m);
    make_model(&a, 0, &d);
    check_ok(push(&a, &d, "m:1", &st, &err), &err);
    check_ok(mlo_remote_check(a.r, true, count_fault, &faults, &refs, &err), &err);
    check_int(refs, 1);
    struct object *pack = NULL;
    for (size_t i = 0; i < m.n; i++)
        if (strncmp(m.list[i].key, "packs/", 6) == 0)
            pack = &m.list[i];
    pack->data[pack->n / 2] ^= 1;
    check_ok(mlo_remote_check(a.r, false, count_fault, &faults, &refs, &err), &err);
    check_err(mlo_remote_check(a.r, true, count_fault, &faults, &refs, &err), MLO_NO, &err, NULL);
    check_int(faults, 1);
    pack->n /= 2;
    faults = 0;
    check_err(mlo_remote_check(a.r, false, count_fault, &faults, &refs, &err), MLO_NO, &err, NULL);
    check_int(faults, 1);
    place_down(&a);
    mem_free(&m);
}

static void one_blob_is_brought_back(void)
{
    struct memory m;
    struct place a;
    struct mlo_digest d;
    struct mlo_bundle bundle;
    struct mlo_sync_stats st;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_ref ref = ref_of("m:1");
    mem_init(&m);
    place_up(&a, &m);
    make_model(&a, 0, &d);
    check_ok(push(&a, &d, "m:1", &st, &err), &err);
    check_ok(mlo_bundle_load(a.b.store, &d, &bundle, &err), &err);
    struct mlo_digest blob = bundle.layers[0].digest;
    mlo_bundle_release(&bundle);
    bench_damage(&a.b, &blob, 5000);
    check_ok(mlo_remote_fetch_blob(a.r, a.b.store, &ref, &blob, &err), &err);
    check_ok(mlo_store_verify_blob(a.b.store, &blob, &err), &err);
    bench_damage(&a.b, &d, 10);
    check_ok(mlo_remote_fetch_blob(a.r, a.b.store, &ref, &d, &err), &err);
    whole(&a, &d);
    struct mlo_digest none = {{7}};
    check_err(mlo_remote_fetch_blob(a.r, a.b.store, &ref, &none, &err), MLO_ENOTFOUND, &err, NULL);
    place_down(&a);
    mem_free(&m);
}

/* ---- the directory transport ---- */

static void a_folder_is_a_remote(void)
{
    struct bench a, b;
    struct mlo_digest d;
    struct mlo_remote *r = NULL;
    struct mlo_sync_stats st;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_ref ref = ref_of("team/m:1");
    struct mlo_sync_opts o = {0};
    struct mlo_pulled got = {0};
    char folder[700];
    bench_up(&a);
    bench_up(&b);
    bench_tiny(a.tree, "model.safetensors");
    bench_text(a.tree, "empty.txt", "");
    check(bench_pack(&a, &d), "packed");
    snprintf(folder, sizeof folder, "%s/deep/remote", a.root);
    check_err(mlo_remote_open(folder, &(struct mlo_remote_opts){0}, &r, &err), MLO_ENOTFOUND, &err, NULL);
    check_err(mlo_remote_open("ftp://bucket/x", &(struct mlo_remote_opts){0}, &r, &err), MLO_EUNAVAIL, &err,
              "ftp://bucket/x");
    check_ok(mlo_remote_open(folder, &(struct mlo_remote_opts){.create = true}, &r, &err), &err);
    check(strncmp(mlo_remote_url(r), "file:///", 8) == 0, "canonical address");
    check_ok(mlo_push(r, a.store, &d, &ref, &o, &st, &err), &err);
    check_ok(mlo_pull(r, b.store, &ref, &o, &got, &st, &err), &err);
    check(mlo_digest_eq(&got.manifest, &d), "same bundle");
    free(got.referrers);
    mlo_remote_close(r);
    bench_down(&a);
    bench_down(&b);
}

static void a_name_and_a_tag_do_not_share_a_path_in_a_folder(void)
{
    static const char *const pairs[][2] = {{"a:b", "a/b:t"}, {"a/b/c:t", "a:b"}};
    for (size_t i = 0; i < MLO_COUNT(pairs); i++) {
        struct bench a;
        struct mlo_digest d;
        struct mlo_remote *r = NULL;
        struct mlo_sync_stats st;
        struct mlo_err err = MLO_ERR_INIT;
        struct mlo_ref first = ref_of(pairs[i][0]), second = ref_of(pairs[i][1]);
        struct mlo_sync_opts o = {0};
        struct mlo_pulled got = {0};
        char folder[700];
        bench_up(&a);
        bench_tiny(a.tree, "model.safetensors");
        check(bench_pack(&a, &d), "packed");
        snprintf(folder, sizeof folder, "%s/remote", a.root);
        check_ok(mlo_remote_open(folder, &(struct mlo_remote_opts){.create = true}, &r, &err), &err);
        check_ok(mlo_push(r, a.store, &d, &first, &o, &st, &err), &err);
        check_err(mlo_push(r, a.store, &d, &second, &o, &st, &err), MLO_ECONFLICT, &err, "cannot stand");
        check_err(mlo_pull(r, a.store, &second, &o, &got, &st, &err), MLO_ENOTFOUND, &err, "is not on");
        mlo_remote_close(r);
        bench_down(&a);
    }
}

static void links_in_a_folder_remote_are_not_followed(void)
{
    struct bench a, b;
    struct mlo_digest d;
    struct mlo_remote *r = NULL;
    struct mlo_sync_stats st;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_ref ref = ref_of("m:1");
    struct mlo_sync_opts o = {0};
    struct mlo_pulled got = {0};
    char folder[700], from[800], to[800];
    bench_up(&a);
    bench_up(&b);
    bench_tiny(a.tree, "model.safetensors");
    check(bench_pack(&a, &d), "packed");
    snprintf(folder, sizeof folder, "%s/remote", a.root);
    check_ok(mlo_remote_open(folder, &(struct mlo_remote_opts){.create = true}, &r, &err), &err);
    check_ok(mlo_push(r, a.store, &d, &ref, &o, &st, &err), &err);
    snprintf(from, sizeof from, "%s/packs", folder);
    snprintf(to, sizeof to, "%s/elsewhere", a.root);
    check(rename(from, to) == 0 && symlink(to, from) == 0, "packs behind a link");
    check_err(mlo_pull(r, b.store, &ref, &o, &got, &st, &err), MLO_EINVALID, &err, "symbolic link");
    mlo_remote_close(r);
    bench_down(&a);
    bench_down(&b);
}

int main(void)
{
    run(a_push_comes_back_bit_for_bit);
    run(an_unchanged_push_takes_few_requests);
    run(a_fine_tuned_model_sends_what_changed);
    run(a_machine_without_cache_learns_from_the_head);
    run(a_pull_reuses_what_is_here);
    run(damage_here_is_fetched_not_copied);
    run(damage_here_is_not_pushed);
    run(a_push_that_fails_leaves_no_ref_and_is_taken_up);
    run(a_pull_believes_nothing);
    run(what_is_gone_is_the_remotes_fault);
    run(a_checked_push_sends_again_what_is_gone);
    run(a_second_writer_is_noticed);
    run(a_name_and_a_tag_do_not_share_a_path);
    run(a_name_and_a_tag_do_not_share_a_path_in_a_folder);
    run(a_ref_moves_only_from_where_it_was);
    run(former_refs_are_listed_newest_first);
    run(the_caller_hears_before_the_ref_moves);
    run(a_check_finds_what_is_gone_or_damaged);
    run(one_blob_is_brought_back);
    run(a_folder_is_a_remote);
    run(links_in_a_folder_remote_are_not_followed);
    return done_testing();
}

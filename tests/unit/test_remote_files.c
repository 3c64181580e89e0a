/* The layout of plain files: what programs find in the folder, what a cut-off push leaves, what an undo does.
 */
#include "remote_memory.h"

static int push_files(struct place *p, const struct mlo_digest *d, const char *name, bool check_all,
                      struct mlo_sync_stats *st, struct mlo_err *err)
{
    struct mlo_ref ref = ref_of(name);
    struct mlo_sync_opts o = {
        .home = p->b.home, .by = "test", .layout = MLO_LAYOUT_FILES, .check = check_all};
    return mlo_push(p->r, p->b.store, d, &ref, &o, st, err);
}

/* One tensor of each seed; files besides: config.json, and `extra` with its text. */
static void make(struct place *p, const unsigned *seeds, const char *extra, const char *text,
                 struct mlo_digest *ret)
{
    char command[1400];
    snprintf(command, sizeof command, "rm -rf '%s' && mkdir '%s'", p->b.tree, p->b.tree);
    check(system(command) == 0, "an empty folder");
    bench_model(p->b.tree, "model.safetensors", seeds, 2, ELEMENTS);
    bench_model(p->b.tree, "parts/two.safetensors", seeds + 2, 1, ELEMENTS);
    bench_text(p->b.tree, "config.json", "{\"model_type\":\"x\"}\n");
    if (extra)
        bench_text(p->b.tree, extra, text);
    check(bench_pack(&p->b, ret), "packed");
}

static const unsigned one[] = {1, 2, 3}, two[] = {1, 2, 30}, three[] = {10, 2, 3};

/* Is the file in the folder the one of the tree? */
static bool same_file(const struct memory *m, const struct place *p, const char *path)
{
    char key[300];
    size_t n = 0;
    snprintf(key, sizeof key, "files/m/1/%s", path);
    struct object *o = find((struct memory *)(uintptr_t)m, key);
    MLO_AUTOFREE char *text = bench_slurp(p->b.tree, path, &n);
    return o && o->n == n && memcmp(o->data, text, n) == 0;
}

static struct mlo_file_list list_of(struct place *p)
{
    struct mlo_file_list l = {.n = 0};
    struct mlo_ref ref = ref_of("m:1");
    struct mlo_err err = MLO_ERR_INIT;
    check_ok(mlo_file_list_get(p->r, &ref, &l, &err), &err);
    return l;
}

static size_t count_keys(const struct memory *m, const char *prefix)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        n += strncmp(m->list[i].key, prefix, strlen(prefix)) == 0;
    return n;
}

static int hear_fault(void *ctx, const struct mlo_remote_fault *f, struct mlo_err *err)
{
    (void)ctx, (void)err;
    printf("# %s:%s %s is %s\n", f->name, f->tag, f->key, f->what);
    return 0;
}

/* Whatever names are there lead to something whole, and what the list says of files is so. */
static void check_truth(struct memory *m, struct place *p)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_ref ref = ref_of("m:1");
    struct mlo_file_list l = {.n = 0};
    uint64_t refs = 0;
    check_ok(mlo_remote_check(p->r, true, hear_fault, NULL, &refs, &err), &err);
    if (mlo_file_list_get(p->r, &ref, &l, &err) != 0)
        return;
    for (size_t i = 0; i < l.n; i++) {
        char key[MLO_KEY_MAX];
        struct mlo_digest got;
        struct object *o = find(m, mlo_file_key(&ref, l.files[i].path, key));
        if (mlo_digest_eq(&l.files[i].digest, &mlo_file_unknown)) {
            check(!l.complete, "a complete list knows all");
            continue;
        }
        if (check(o != NULL, "'%s' is there", l.files[i].path)) {
            check_ok(mlo_sha256(o->data, o->n, &got, &err), &err);
            check(mlo_digest_eq(&got, &l.files[i].digest) && o->n == l.files[i].size,
                  "'%s' is what the list says", l.files[i].path);
        }
    }
    mlo_file_list_release(&l);
}

/* ---- tests ---- */

static void programs_find_plain_files(void)
{
    struct memory m;
    struct place a, b;
    struct mlo_digest d, got;
    struct mlo_sync_stats st;
    struct mlo_err err = MLO_ERR_INIT;
    mem_init(&m);
    place_up(&a, &m);
    place_up(&b, &m);
    make(&a, one, "notes/README.md", "# notes\n", &d);
    check_ok(push_files(&a, &d, "m:1", false, &st, &err), &err);
    check(same_file(&m, &a, "model.safetensors") && same_file(&m, &a, "parts/two.safetensors") &&
              same_file(&m, &a, "config.json") && same_file(&m, &a, "notes/README.md"),
          "all files are there");
    struct mlo_file_list l = list_of(&a);
    check(l.complete && mlo_digest_eq(&l.manifest, &d) && l.n == count_keys(&m, "files/"), "and listed");
    mlo_file_list_release(&l);
    check_truth(&m, &a);
    check_ok(pull(&b, "m:1", &got, &st, &err), &err);
    check(mlo_digest_eq(&got, &d), "same bundle");
    whole(&b, &d);
    unsigned puts = m.puts;
    check_ok(push_files(&a, &d, "m:1", false, &st, &err), &err);
    check(st.unchanged && st.requests <= 5 && m.puts == puts, "nothing to do: %llu requests",
          (unsigned long long)st.requests);
    place_down(&a);
    place_down(&b);
    mem_free(&m);
}

static void unchanged_files_are_not_sent_again(void)
{
    struct memory m;
    struct place a, b;
    struct mlo_digest d, got;
    struct mlo_sync_stats st;
    struct mlo_err err = MLO_ERR_INIT;
    mem_init(&m);
    place_up(&a, &m);
    place_up(&b, &m);
    make(&a, one, "old.txt", "old\n", &d);
    check_ok(push_files(&a, &d, "m:1", false, &st, &err), &err);
    make(&a, two, "new.txt", "new\n", &d);
    check_ok(push_files(&a, &d, "m:1", false, &st, &err), &err);
    check(st.bytes_sent < ELEMENTS * 4 + 20000, "%llu bytes sent", (unsigned long long)st.bytes_sent);
    check(same_file(&m, &a, "parts/two.safetensors") && same_file(&m, &a, "new.txt"), "the new ones");
    check(!find(&m, "files/m/1/old.txt"), "no other file stays");
    check_truth(&m, &a);
    check_ok(pull(&b, "m:1", &got, &st, &err), &err);
    whole(&b, &d);
    place_down(&a);
    place_down(&b);
    mem_free(&m);
}

/* Every put fails once, before or after it was done. */
static void a_push_that_is_cut_off_leaves_the_truth(void)
{
    static const enum fault faults[] = {FAIL, AFTER};
    for (size_t f = 0; f < MLO_COUNT(faults); f++) {
        for (int at = 0;; at++) {
            struct memory m;
            struct place a, b;
            struct mlo_digest d, got;
            struct mlo_sync_stats st;
            struct mlo_err err = MLO_ERR_INIT;
            mem_init(&m);
            place_up(&a, &m);
            place_up(&b, &m);
            make(&a, one, "old.txt", "old\n", &d);
            check_ok(push_files(&a, &d, "m:1", false, &st, &err), &err);
            make(&a, two, "new.txt", "new\n", &d);
            m.fault = faults[f];
            m.only_puts = true;
            m.at_call = at;
            bool done = push_files(&a, &d, "m:1", false, &st, &err) == 0;
            bool fired = m.at_call < 0;
            m.fault = NO_FAULT;
            check_truth(&m, &a);
            err = MLO_ERR_INIT;
            check_ok(push_files(&a, &d, "m:1", false, &st, &err), &err);
            check(count_keys(&m, "files/") == 5 || count_keys(&m, "files/") == 4, "%zu files",
                  count_keys(&m, "files/"));
            check(!find(&m, "files/m/1/old.txt") && same_file(&m, &a, "parts/two.safetensors"),
                  "fault %zu at put %d is made good", f, at);
            check_truth(&m, &a);
            check_ok(pull(&b, "m:1", &got, &st, &err), &err);
            place_down(&a);
            place_down(&b);
            mem_free(&m);
            if (done && !fired)
                break;
        }
    }
}

static void get_ref(struct place *p, struct mlo_remote_ref *ret)
{
    struct mlo_ref ref = ref_of("m:1");
    struct mlo_err err = MLO_ERR_INIT;
    check_ok(mlo_remote_ref_get(p->r, &ref, ret, &err), &err);
}

static void an_undo_goes_back_where_the_files_are(void)
{
    struct memory m;
    struct place a;
    struct mlo_digest d1, d2, d3;
    struct mlo_remote_ref r1, r2, r3;
    struct mlo_ref ref = ref_of("m:1");
    struct mlo_sync_stats st;
    struct mlo_err err = MLO_ERR_INIT;
    mem_init(&m);
    place_up(&a, &m);
    make(&a, one, NULL, NULL, &d1);
    check_ok(push_files(&a, &d1, "m:1", false, &st, &err), &err);
    get_ref(&a, &r1);
    make(&a, one, "more.bin", "more\n", &d2); /* only adds */
    check_ok(push_files(&a, &d2, "m:1", false, &st, &err), &err);
    get_ref(&a, &r2);
    check_ok(mlo_remote_ref_set(a.r, &ref, &r2, &r1, &err), &err);
    struct mlo_file_list l = list_of(&a);
    check(l.complete && mlo_digest_eq(&l.manifest, &d1) && !find(&m, "files/m/1/more.bin"), "as it was");
    mlo_file_list_release(&l);
    check_truth(&m, &a);
    check_err(mlo_remote_ref_set(a.r, &ref, &r1, &r2, &err), MLO_ECONFLICT, &err, "'more.bin'");
    check_truth(&m, &a);
    err = MLO_ERR_INIT;
    make(&a, three, NULL, NULL, &d3);
    check_ok(push_files(&a, &d3, "m:1", false, &st, &err), &err);
    get_ref(&a, &r3);
    check_err(mlo_remote_ref_set(a.r, &ref, &r3, &r1, &err), MLO_ECONFLICT, &err, "is gone from");
    check(*err.hint, "says what to do");
    err = MLO_ERR_INIT;
    check_ok(mlo_remote_ref_set(a.r, &ref, &r3, NULL, &err), &err); /* as of a first push */
    l = list_of(&a);
    check(!l.complete, "the folder is nobody's now");
    mlo_file_list_release(&l);
    check_ok(mlo_remote_ref_set(a.r, &ref, NULL, &r3, &err), &err); /* and brought back */
    check_truth(&m, &a);
    l = list_of(&a);
    check(l.complete && mlo_digest_eq(&l.manifest, &d3), "as it was");
    mlo_file_list_release(&l);
    check_ok(mlo_remote_ref_set(a.r, &ref, &r3, NULL, &err), &err);
    unsigned puts = m.puts;
    check_ok(push_files(&a, &d3, "m:1", false, &st, &err), &err);
    check(m.puts - puts <= 5, "files are taken up, not sent: %u puts", m.puts - puts);
    place_down(&a);
    mem_free(&m);
}

static void one_layout_after_the_other(void)
{
    struct memory m;
    struct place a;
    struct mlo_digest d, got;
    struct mlo_sync_stats st;
    struct mlo_err err = MLO_ERR_INIT;
    mem_init(&m);
    place_up(&a, &m);
    make(&a, one, NULL, NULL, &d);
    for (int i = 0; i < 4; i++) {
        struct place b;
        place_up(&b, &m);
        check_ok(i % 2 ? push_files(&a, &d, "m:1", false, &st, &err) : push(&a, &d, "m:1", &st, &err), &err);
        check(!st.unchanged, "push %d changes the layout", i);
        check_truth(&m, &a);
        check_ok(pull(&b, "m:1", &got, &st, &err), &err);
        whole(&b, &d);
        if (i > 0) {
            struct mlo_file_list l = list_of(&a);
            check(l.complete == (i % 2 == 1), "push %d: whose the files are", i);
            mlo_file_list_release(&l);
        }
        place_down(&b);
    }
    make(&a, two, NULL, NULL, &d); /* what lies in files is not taken for packs */
    check_ok(push(&a, &d, "m:2", &st, &err), &err);
    check_truth(&m, &a);
    place_down(&a);
    mem_free(&m);
}

static void damage_is_named_and_made_good(void)
{
    struct memory m;
    struct place a, b;
    struct mlo_digest d, got;
    struct mlo_sync_stats st;
    struct mlo_err err = MLO_ERR_INIT;
    mem_init(&m);
    place_up(&a, &m);
    place_up(&b, &m);
    make(&a, one, NULL, NULL, &d);
    check_ok(push_files(&a, &d, "m:1", false, &st, &err), &err);
    struct object *o = find(&m, "files/m/1/model.safetensors");
    o->data[o->n - 3] ^= 1;
    check_err(pull(&b, "m:1", &got, &st, &err), MLO_EINVALID, &err, "'files/m/1/model.safetensors'");
    o->n -= 1;
    err = MLO_ERR_INIT;
    check_err(pull(&b, "m:1", &got, &st, &err), MLO_EINVALID, &err, "'files/m/1/model.safetensors'");
    err = MLO_ERR_INIT;
    check_ok(push_files(&a, &d, "m:1", true, &st, &err), &err);
    check(!st.unchanged && same_file(&m, &a, "model.safetensors"), "sent again");
    check_ok(pull(&b, "m:1", &got, &st, &err), &err);
    whole(&b, &d);
    place_down(&a);
    place_down(&b);
    mem_free(&m);
}

static void what_is_no_list_is_refused(void)
{
#define HEX "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define TOP "{\"schema\":1,\"manifest\":\"sha256:" HEX "\",\"complete\":true,\"files\":["
    static const char *const bad[] = {
        "",
        "[]",
        "{\"schema\":1}",
        TOP "]",
        TOP "{\"path\":\"../x\",\"size\":1,\"sha256\":\"" HEX "\"}]}",
        TOP "{\"path\":\"/x\",\"size\":1,\"sha256\":\"" HEX "\"}]}",
        TOP "{\"path\":\"x\",\"size\":-1,\"sha256\":\"" HEX "\"}]}",
        TOP "{\"path\":\"x\",\"size\":1,\"sha256\":\"ab\"}]}",
        TOP "{\"size\":1,\"sha256\":\"" HEX "\"}]}",
        TOP "{\"path\":\"x\",\"size\":1,\"sha256\":null},{\"path\":\"x\",\"size\":1,\"sha256\":null}]}",
    };
    struct mlo_file_list l = {.n = 0};
    struct mlo_err err = MLO_ERR_INIT;
    for (size_t i = 0; i < MLO_COUNT(bad); i++)
        check_err(mlo_file_list_parse(bad[i], strlen(bad[i]), &l, &err), MLO_EINVALID, &err, NULL);
    static const char good[] = TOP "{\"path\":\"b\",\"size\":1,\"sha256\":null},{\"path\":\"a\",\"size\":2,"
                                   "\"sha256\":\"" HEX "\"}]}";
    check_ok(mlo_file_list_parse(good, sizeof good - 1, &l, &err), &err);
    check(l.n == 2 && mlo_file_list_at(&l, "a")->size == 2 && !mlo_file_list_at(&l, "c"), "read and sorted");
    mlo_file_list_release(&l);
}

int main(void)
{
    run(programs_find_plain_files);
    run(unchanged_files_are_not_sent_again);
    run(a_push_that_is_cut_off_leaves_the_truth);
    run(an_undo_goes_back_where_the_files_are);
    run(one_layout_after_the_other);
    run(damage_is_named_and_made_good);
    run(what_is_no_list_is_refused);
    return done_testing();
}

/* PyTorch files, zip and legacy: faults that the index must refuse, names, and the reference writer's files
 * mutated. What good files hold is checked by test_checkpoint_golden.c. */
#include "pickle_help.h"
#include "zip_help.h"

/* {"w": rebuild_tensor_v2(storage FloatStorage "0" cpu NUMEL, OFFSET, (SIZE,), (STRIDE,), False,
 * OrderedDict())} */
struct spec {
    uint8_t numel, offset, size, stride;
    const char *class, *key;
};

static struct blob pickle_of(const struct spec *s)
{
    struct blob b = {0};
    blob_put(&b, "\x80\2}X\1\0\0\0w", 9);
    blob_text(&b, "ctorch._utils\n_rebuild_tensor_v2\n((X");
    blob_le(&b, 7, 4);
    blob_text(&b, "storagectorch\n");
    blob_text(&b, s->class ? s->class : "FloatStorage");
    blob_text(&b, "\nX");
    blob_le(&b, strlen(s->key ? s->key : "0"), 4);
    blob_text(&b, s->key ? s->key : "0");
    blob_put(&b, "X\3\0\0\0cpuK", 9);
    blob_le(&b, s->numel, 1);
    blob_text(&b, "tQK");
    blob_le(&b, s->offset, 1);
    blob_text(&b, "K");
    blob_le(&b, s->size, 1);
    blob_put(&b, "\x85K", 2);
    blob_le(&b, s->stride, 1);
    blob_put(&b,
             "\x85\x89"
             "ccollections\nOrderedDict\n)RtRs.",
             33);
    return b;
}

static struct blob torch_zip(const struct spec *s, const char *order, size_t data_bytes)
{
    static const uint8_t data[] = {0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0, 0, 0, 0x40, 0x40, 0, 0, 0, 0};
    struct blob pickle = pickle_of(s);
    struct zip_part parts[] = {
        {.name = "m/data.pkl", .data = pickle.p, .n = pickle.n},
        {.name = "m/byteorder", .data = order, .n = strlen(order)},
        {.name = "m/data/0", .data = data, .n = data_bytes},
        {.name = "m/version", .data = "3\n", .n = 2},
    };
    struct blob b = zip_of(parts, MLO_COUNT(parts), false);
    blob_free(&pickle);
    return b;
}

static void a_view_lies_where_the_pickle_says(void)
{
    struct blob b = torch_zip(&(struct spec){.numel = 4, .offset = 1, .size = 2, .stride = 2}, "little", 16);
    struct mlo_checkpoint cp;
    struct mlo_err err = {0};
    struct mlo_mem mem = {b.p};
    struct mlo_source src = mlo_source_mem(&mem, b.n);
    struct blob got = {0};
    check_ok(mlo_checkpoint_read(&src, &cp, &err), &err);
    const struct mlo_tensor *t = find_tensor(&cp, "w");
    if (check(t != NULL)) {
        check_int(t->store, MLO_TS_STRIDED);
        check_int(cp.verdict, MLO_VERDICT_TENSOR_ONLY);
        check_ok(mlo_tensor_read(&src, t, blob_sink, &got, &err), &err);
        check(got.n == 8 && memcmp(got.p, "\0\0\0\xC0\0\0\0\0", 8) == 0);
    }
    check_str(find_meta(&cp, "torch.file_version"), "3");
    mlo_checkpoint_release(&cp);
    blob_free(&got);
    blob_free(&b);
}

static void big_endian_data_is_turned(void)
{
    struct blob b = torch_zip(&(struct spec){.numel = 4, .size = 4, .stride = 1}, "big", 16);
    struct mlo_checkpoint cp;
    struct mlo_err err = {0};
    struct mlo_mem mem = {b.p};
    struct mlo_source src = mlo_source_mem(&mem, b.n);
    struct blob got = {0};
    check_ok(mlo_checkpoint_read(&src, &cp, &err), &err);
    if (check(cp.n_tensors == 1))
        check_ok(mlo_tensor_read(&src, &cp.tensors[0], blob_sink, &got, &err), &err);
    check(got.n == 16 && memcmp(got.p, "\x3F\x80\0\0", 4) == 0);
    mlo_checkpoint_release(&cp);
    blob_free(&got);
    blob_free(&b);
}

static void views_outside_their_storage_are_refused(void)
{
    static const struct {
        struct spec s;
        const char *order;
        size_t bytes;
        const char *reason;
    } cases[] = {
        {{.numel = 4, .size = 5, .stride = 1}, "little", 16, "outside its storage"},
        {{.numel = 4, .offset = 1, .size = 4, .stride = 1}, "little", 16, "outside its storage"},
        {{.numel = 4, .size = 2, .stride = 4}, "little", 16, "outside its storage"},
        {{.numel = 4, .offset = 5, .size = 0, .stride = 1}, "little", 16, "outside its storage"},
        {{.numel = 4, .size = 4, .stride = 1}, "little", 12, "another size than its description"},
        {{.numel = 3, .size = 3, .stride = 1}, "little", 16, "another size than its description"},
        {{.numel = 4, .size = 4, .stride = 1, .key = "1"}, "little", 16, "not in the file"},
        {{.numel = 4, .size = 4, .stride = 1, .key = "../0"}, "little", 16, "not in the file"},
        {{.numel = 4, .size = 4, .stride = 1, .class = "DoubleStorage"},
         "little",
         16,
         "another size than its description"},
        {{.numel = 4, .size = 4, .stride = 1}, "middle", 16, "byte order"},
    };
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        struct blob b = torch_zip(&cases[i].s, cases[i].order, cases[i].bytes);
        check_refused(&b, cases[i].reason);
        blob_free(&b);
    }
}

/* Findings stay although the index fails: the pickle would already have run. */
static void a_hostile_pickle_is_said_even_when_the_file_is_broken(void)
{
    static const char evil[] = "\x80\2cposix\nsystem\nX\2\0\0\0id\x85R";
    struct zip_part parts[] = {{.name = "m/data.pkl", .data = evil, .n = sizeof evil - 1},
                               {.name = "m/version", .data = "3\n", .n = 2}};
    struct blob b = zip_of(parts, 2, false);
    struct mlo_checkpoint cp;
    struct mlo_err err = {0};
    check_err(read_bytes(b.p, b.n, &cp, &err), MLO_EINVALID, &err, "no STOP");
    check_int(cp.format, MLO_FMT_TORCH_ZIP);
    check_int(cp.verdict, MLO_VERDICT_DANGEROUS);
    check(has_finding(&cp, MLO_VERDICT_DANGEROUS, "m/data.pkl", "posix.system"));
    mlo_checkpoint_release(&cp);
    blob_free(&b);
}

static void a_pickle_in_any_other_member_counts(void)
{
    struct blob pickle = pickle_of(&(struct spec){.numel = 1, .size = 1, .stride = 1});
    struct zip_part parts[] = {{.name = "m/data.pkl", .data = pickle.p, .n = pickle.n},
                               {.name = "m/data/0", .data = "\0\0\0\0", .n = 4},
                               {.name = "m/version", .data = "3\n", .n = 2},
                               {.name = "m/extra.txt", .data = "\x80\2cos\nsystem\n)R.", .n = 15}};
    struct blob b = zip_of(parts, 4, false);
    check_scan(b.p, b.n, MLO_VERDICT_DANGEROUS, "os.system");
    blob_free(&b);
    blob_free(&pickle);
}

static void legacy_files_are_strict_about_their_five_pickles(void)
{
    struct blob good = blob_file(GOLDEN "state-legacy.pt"), b = {0};
    check_scan(good.p, good.n, MLO_VERDICT_TENSOR_ONLY, NULL);
    blob_put(&b, good.p, good.n);
    blob_text(&b, "x");
    check_refused(&b, "after the last storage");
    check_scan(b.p, b.n, MLO_VERDICT_UNKNOWN, "after the last storage");
    b.n = good.n - 1;
    check_refused(&b, "storage at byte");
    b.n = 0;
    blob_put(&b, good.p, 15);
    blob_put(&b, "\x80\2M\xea\3.", 6);
    check_refused(&b, "format's number");
    b.n = 15;
    blob_put(&b, "\x80\2cos\nsystem\n)R.", 15);
    check_scan(b.p, b.n, MLO_VERDICT_DANGEROUS, "os.system");
    blob_free(&good);
    blob_free(&b);
}

static void cycles_and_shared_containers_end(void)
{
    struct blob b = {0};
    struct mlo_checkpoint cp;
    struct mlo_err err = {0};
    blob_put(&b, "\x80\2}q\1X\1\0\0\0ah\1s.", 15); /* a dict that holds itself */
    struct zip_part parts[] = {{.name = "m/data.pkl", .data = b.p, .n = b.n},
                               {.name = "m/version", .data = "3\n", .n = 2}};
    struct blob z = zip_of(parts, 2, false);
    check_ok(read_bytes(z.p, z.n, &cp, &err), &err);
    check(cp.n_warnings == 1 && strstr(cp.warnings[0], "nested deeper"));
    mlo_checkpoint_release(&cp);
    blob_free(&z);
    b.n = 0;
    blob_put(&b, "\x80\2]", 3); /* each list holds the one before twice: 2^40 paths */
    for (int i = 0; i < 40; i++)
        blob_put(&b, "q\1](h\1h\1e", 9);
    blob_text(&b, ".");
    parts[0].data = b.p;
    parts[0].n = b.n;
    z = zip_of(parts, 2, false);
    check_refused(&z, "values in the object graph");
    blob_free(&z);
    blob_free(&b);
}

static void equal_paths_get_numbers(void)
{
    struct blob one = pickle_of(&(struct spec){.numel = 1, .size = 1, .stride = 1}), b = {0};
    const uint8_t *tensor = one.p + 9;
    blob_put(&b, "\x80\2}X\3\0\0\0a.b", 11);
    blob_put(&b, tensor, one.n - 9 - 2);
    blob_put(&b, "sX\1\0\0\0a}X\1\0\0\0b", 14);
    blob_put(&b, tensor, one.n - 9 - 2);
    blob_put(&b, "ss.", 3);
    struct zip_part parts[] = {{.name = "m/data.pkl", .data = b.p, .n = b.n},
                               {.name = "m/data/0", .data = "\0\0\0\0", .n = 4},
                               {.name = "m/version", .data = "3\n", .n = 2}};
    struct blob z = zip_of(parts, 3, false);
    struct mlo_checkpoint cp;
    struct mlo_err err = {0};
    check_ok(read_bytes(z.p, z.n, &cp, &err), &err);
    check(cp.n_tensors == 2 && find_tensor(&cp, "a.b") && find_tensor(&cp, "a.b#2"));
    mlo_checkpoint_release(&cp);
    blob_free(&z);
    blob_free(&b);
    blob_free(&one);
}

static void torchscript_holds_code(void)
{
    struct blob b = blob_file(GOLDEN "script.pt");
    check_scan(b.p, b.n, MLO_VERDICT_UNKNOWN, "TorchScript: holds code");
    blob_free(&b);
}

static struct blob under_test;
static int read_under_test(void)
{
    struct mlo_checkpoint cp;
    struct mlo_err err = {0};
    struct mlo_mem mem = {under_test.p};
    struct mlo_source src = mlo_source_mem(&mem, under_test.n);
    int rc = mlo_checkpoint_read(&src, &cp, &err);
    mlo_checkpoint_release(&cp);
    return rc;
}

static void memory_failures_and_mutations_do_no_harm(void)
{
    under_test = torch_zip(&(struct spec){.numel = 4, .offset = 1, .size = 2, .stride = 2}, "little", 16);
    check(each_alloc_failure(read_under_test) > 10);
    check(mutate(&under_test) == 0, "no prefix is a whole file");
    blob_free(&under_test);
    under_test = blob_file(GOLDEN "views-legacy.pt");
    check(each_alloc_failure(read_under_test) > 10);
    check(mutate(&under_test) == 0, "no prefix is a whole file");
    blob_free(&under_test);
}

int main(void)
{
    run(a_view_lies_where_the_pickle_says);
    run(big_endian_data_is_turned);
    run(views_outside_their_storage_are_refused);
    run(a_hostile_pickle_is_said_even_when_the_file_is_broken);
    run(a_pickle_in_any_other_member_counts);
    run(legacy_files_are_strict_about_their_five_pickles);
    run(cycles_and_shared_containers_end);
    run(equal_paths_get_numbers);
    run(torchscript_holds_code);
    run(memory_failures_and_mutations_do_no_harm);
    return done_testing();
}

/* The tensor-set digest's line format, its independence of order, and the check of a sharded model's index.
 */
#include "checkpoint_help.h"

static struct mlo_digest digest_of(const char *s)
{
    struct mlo_digest d;
    struct mlo_err err = {0};
    check_ok(mlo_sha256(s, strlen(s), &d, &err), &err);
    return d;
}

static const uint64_t two_three[] = {2, 3}, two[] = {2};

static void check_set(const struct mlo_tensor_id *ids, size_t n, const char *lines)
{
    struct mlo_digest got, want = digest_of(lines);
    struct mlo_err err = {0};
    check_ok(mlo_tensor_set_digest(ids, n, &got, &err), &err);
    check(mlo_digest_eq(&got, &want), "%s", lines);
}

static void the_lines_are_as_documented(void)
{
    struct mlo_tensor_id ids[] = {
        {"w", "float32", two_three, 2, digest_of("data")},
        {"b\n", "q4_k", two, 1, digest_of("")},
        {"", "bool", NULL, 0, digest_of("x")},
    };
    check_set(ids, 0, "");
    check_set(ids, 3,
              "0: bool [] 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881\n"
              "2:b\n q4_k [2] e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
              "1:w float32 [2,3] 3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7\n");
}

static void the_order_of_the_input_does_not_matter(void)
{
    struct mlo_tensor_id a[] = {{"w", "float32", two, 1, digest_of("1")},
                                {"w", "float16", two, 1, digest_of("1")},
                                {"w", "float32", two_three, 2, digest_of("1")},
                                {"w", "float32", two, 1, digest_of("2")},
                                {"v", "float32", two, 1, digest_of("1")}};
    struct mlo_digest first, other;
    struct mlo_err err = {0};
    check_ok(mlo_tensor_set_digest(a, 5, &first, &err), &err);
    for (int i = 0; i < 5; i++) {
        struct mlo_tensor_id t = a[0];
        memmove(a, a + 1, 4 * sizeof *a);
        a[4] = t;
        check_ok(mlo_tensor_set_digest(a, 5, &other, &err), &err);
        check(mlo_digest_eq(&first, &other), "rotation %d", i);
    }
}

static void every_part_of_a_line_counts(void)
{
    struct mlo_tensor_id base = {"w", "float32", two, 1, digest_of("1")}, changed;
    struct mlo_digest want, got;
    struct mlo_err err = {0};
    check_ok(mlo_tensor_set_digest(&base, 1, &want, &err), &err);
    for (int i = 0; i < 4; i++) {
        changed = base;
        if (i == 0)
            changed.name = "x";
        if (i == 1)
            changed.type_name = "float16";
        if (i == 2)
            changed.rank = 0;
        if (i == 3)
            changed.digest = digest_of("2");
        check_ok(mlo_tensor_set_digest(&changed, 1, &got, &err), &err);
        check(!mlo_digest_eq(&want, &got), "part %d", i);
    }
}

static int digest_once(void)
{
    struct mlo_tensor_id ids[] = {{.name = "w", .type_name = "float32", .shape = two, .rank = 1}};
    struct mlo_digest got;
    struct mlo_err err = {0};
    return mlo_tensor_set_digest(ids, 1, &got, &err);
}

static void every_allocation_may_fail(void)
{
    check(each_alloc_failure(digest_once) > 1, "allocations");
}

/* ---- shards ---- */

static struct mlo_tensor shard1_tensors[] = {{.name = "a"}, {.name = "b"}},
                         shard2_tensors[] = {{.name = "c"}};
static const struct mlo_checkpoint shard1 = {.tensors = shard1_tensors, .n_tensors = 2, .tensor_bytes = 10},
                                   shard2 = {.tensors = shard2_tensors, .n_tensors = 1, .tensor_bytes = 5};
static const struct mlo_shard shards[] = {{"m-2.safetensors", &shard2}, {"m-1.safetensors", &shard1}};

static int check_index(const char *json, struct mlo_str *warning, struct mlo_err *err)
{
    mlo_str_clear(warning);
    return mlo_shard_index_check(json, strlen(json), shards, 2, warning, err);
}

#define MAP "\"weight_map\":{\"a\":\"m-1.safetensors\",\"c\":\"m-2.safetensors\",\"b\":\"m-1.safetensors\"}"

static void a_whole_index_is_accepted(void)
{
    struct mlo_str w;
    struct mlo_err err = {0};
    mlo_str_init(&w, 1000);
    check_ok(check_index("{\"metadata\":{\"total_size\":15}," MAP "}", &w, &err), &err);
    check_str(w.ptr, "");
    check_ok(check_index("{" MAP "}", &w, &err), &err);
    check_str(w.ptr, "");
    check_ok(check_index("{\"metadata\":{\"total_size\":16}," MAP "}", &w, &err), &err);
    check_str(w.ptr, "total_size is 16, the shards hold 15 bytes");
    check_ok(check_index("{\"metadata\":{\"total_size\":\"x\"}," MAP "}", &w, &err), &err);
    check_str(w.ptr, "total_size is not a whole number");
    mlo_str_release(&w);
}

static void a_wrong_index_is_refused(void)
{
    static const struct {
        const char *json, *why;
    } bad[] = {
        {"{", NULL},
        {"[]", "no weight_map"},
        {"{\"weight_map\":[]}", "no weight_map"},
        {"{\"weight_map\":{\"a\":1}}", "\"a\" is not a string"},
        {"{\"weight_map\":{\"a\":\"../x\"}}", "shard \"../x\""},
        {"{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "shard \"/etc/passwd\""},
        {"{\"weight_map\":{\"a\":\"d/m-1.safetensors\"}}", "not a plain file name"},
        {"{\"weight_map\":{\"a\":\"\"}}", "shard \"\""},
        {"{\"weight_map\":{\"a\":\"m-3.safetensors\"}}",
         "\"m-3.safetensors\" is named by the index, but it is not there"},
        {"{\"weight_map\":{\"a\":\"m-1.safetensors\",\"b\":\"m-1.safetensors\"}}",
         "tensor \"c\" of \"m-2.safetensors\" is not in the index"},
        {"{\"weight_map\":{\"a\":\"m-2.safetensors\",\"b\":\"m-1.safetensors\",\"c\":\"m-2.safetensors\"}}",
         "tensor \"a\""},
        {"{\"weight_map\":{\"a\":\"m-1.safetensors\",\"b\":\"m-1.safetensors\",\"c\":\"m-2.safetensors\","
         "\"d\":\"m-2.safetensors\"}}",
         "tensor \"d\" is not in"},
        {"{\"weight_map\":{\"a\":\"m-1.safetensors\",\"a\":\"m-1.safetensors\"}}", NULL},
    };
    struct mlo_str w;
    struct mlo_err err = {0};
    mlo_str_init(&w, 1000);
    for (size_t i = 0; i < MLO_COUNT(bad); i++)
        check_err(check_index(bad[i].json, &w, &err), MLO_EINVALID, &err, bad[i].why);
    mlo_str_release(&w);
}

int main(void)
{
    run(the_lines_are_as_documented);
    run(the_order_of_the_input_does_not_matter);
    run(every_part_of_a_line_counts);
    run(every_allocation_may_fail);
    run(a_whole_index_is_accepted);
    run(a_wrong_index_is_refused);
    return done_testing();
}

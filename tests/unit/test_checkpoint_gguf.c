/* GGUF: vectors, each check of the reference reader, the published overflows, damage, memory. */
#include "checkpoint_help.h"

static void text(struct blob *b, const char *s)
{
    blob_le(b, strlen(s), 8);
    blob_text(b, s);
}

static struct blob start(uint32_t version, uint64_t tensors, uint64_t keys)
{
    struct blob b = {0};
    blob_text(&b, "GGUF");
    blob_le(&b, version, 4);
    blob_le(&b, tensors, 8);
    blob_le(&b, keys, 8);
    return b;
}

static void key(struct blob *b, const char *name, uint32_t type)
{
    text(b, name);
    blob_le(b, type, 4);
}

static void info(struct blob *b, const char *name, uint32_t rank, const uint64_t *dims, uint32_t type,
                 uint64_t offset)
{
    text(b, name);
    blob_le(b, rank, 4);
    for (uint32_t i = 0; i < rank; i++)
        blob_le(b, dims[i], 8);
    blob_le(b, type, 4);
    blob_le(b, offset, 8);
}

static void pad(struct blob *b, size_t alignment)
{
    blob_fill(b, 0, (alignment - b->n % alignment) % alignment);
}

/* One tensor of `rank` dims with `data` zero bytes behind. */
static struct blob one_tensor(uint32_t rank, const uint64_t *dims, uint32_t type, size_t data)
{
    struct blob b = start(3, 1, 0);
    info(&b, "w", rank, dims, type, 0);
    pad(&b, 32);
    blob_fill(&b, 0, data);
    return b;
}

static void refused(struct blob b, const char *why)
{
    check_refused(&b, why);
    blob_free(&b);
}

static int read_ok(struct blob b, struct mlo_checkpoint *cp)
{
    struct mlo_err err = {0};
    int rc = read_bytes(b.p, b.n, cp, &err);
    check_ok(rc, &err);
    blob_free(&b);
    return rc;
}

static struct blob llama(void)
{
    struct blob b = start(3, 1, 1);
    key(&b, "general.architecture", 8);
    text(&b, "llama");
    info(&b, "w", 1, (uint64_t[]){8}, 0, 0);
    check_int(b.n, 102);
    pad(&b, 32);
    for (int i = 0; i < 8; i++) {
        float f = (float)i;
        blob_put(&b, &f, 4);
    }
    return b;
}

static void known_vectors_are_read(void)
{
    struct blob b = start(3, 0, 0);
    struct mlo_checkpoint cp;
    check_sha(b.p, b.n, "a4e5e156ddec27e286f75328784d7106b60a4eb1d246e950a001a3f944fbda99");
    read_ok(b, &cp);
    check_int(cp.n_tensors, 0);
    mlo_checkpoint_release(&cp);
    b = llama();
    check_int(b.n, 160);
    check_sha(b.p, b.n, "1eb8629770844b486a8440dcaa52cc281c1060f7829b2dfe887f35257d610f93");
    read_ok(b, &cp);
    check_int(cp.format, MLO_FMT_GGUF);
    check_str(cp.architecture, "llama");
    check_int(cp.n_tensors, 1);
    check_int(cp.tensors[0].offset, 128);
    check_int(cp.tensors[0].bytes, 32);
    check_str(cp.tensors[0].type_name, "float32");
    check_int(cp.n_warnings, 0);
    mlo_checkpoint_release(&cp);
}

static void versions_and_byte_order_are_told(void)
{
    refused(start(0, 0, 0), "version 0");
    refused(start(4, 0, 0), "version 4");
    refused(start(0x03000000, 0, 0), "big-endian");
}

static void impossible_counts_are_refused(void)
{
    refused(start(3, (uint64_t)1 << 60, 0), "1152921504606846976 tensors");
    refused(start(3, 0, (uint64_t)1 << 60), "1152921504606846976 keys");
    refused(start(3, UINT64_MAX, 0), "tensors");
    refused(start(3, 0, UINT64_MAX), "keys");
    refused(start(3, 1, 0), "1 tensors");
    refused(start(3, 0, 1), "1 keys");
}

static void bad_strings_and_keys_are_refused(void)
{
    struct blob b = start(3, 0, 1);
    blob_le(&b, (uint64_t)1 << 63, 8);
    blob_fill(&b, 0, 20);
    refused(b, "a key of 9223372036854775808 bytes");
    b = start(3, 0, 1);
    key(&b, "a", 8);
    blob_le(&b, (uint64_t)1 << 63, 8);
    blob_fill(&b, 0, 8);
    refused(b, "a string value of 9223372036854775808 bytes");
    b = start(3, 0, 1);
    key(&b, "", 0);
    blob_le(&b, 0, 8);
    refused(b, "empty key");
    b = start(3, 0, 2);
    key(&b, "a", 0);
    blob_le(&b, 0, 1);
    key(&b, "a", 0);
    blob_le(&b, 0, 1);
    refused(b, "two keys are named \"a\"");
    b = start(3, 0, 1);
    key(&b, "\xff", 0);
    blob_le(&b, 0, 8);
    refused(b, "not UTF-8");
    b = start(3, 0, 1);
    key(&b, "a", 13);
    blob_le(&b, 0, 8);
    refused(b, "unknown value type 13");
}

static void odd_keys_are_only_warned_about(void)
{
    struct blob b = start(3, 0, 1);
    struct mlo_checkpoint cp;
    key(&b, "Not Snake", 0);
    blob_le(&b, 9, 1);
    read_ok(b, &cp);
    check_str(find_meta(&cp, "Not Snake"), "9");
    check_int(cp.n_warnings, 2); /* and no architecture */
    mlo_checkpoint_release(&cp);
}

static void bools_are_zero_or_one(void)
{
    for (int v = 0; v < 3; v++) {
        struct mlo_checkpoint cp;
        struct blob b = start(3, 0, 1);
        key(&b, "a", 7);
        blob_le(&b, (uint64_t)v, 1);
        if (v == 2) {
            refused(b, "a bool is neither 0 nor 1");
            continue;
        }
        read_ok(b, &cp);
        check_str(find_meta(&cp, "a"), v ? "true" : "false");
        mlo_checkpoint_release(&cp);
    }
    struct blob b = start(3, 0, 1);
    key(&b, "a", 9);
    blob_le(&b, 7, 4);
    blob_le(&b, 100, 8);
    blob_fill(&b, 1, 99);
    blob_fill(&b, 2, 1);
    refused(b, "bool in an array");
}

static struct blob array(uint32_t type, uint64_t n, size_t data)
{
    struct blob b = start(3, 0, 1);
    key(&b, "a", 9);
    blob_le(&b, type, 4);
    blob_le(&b, n, 8);
    blob_fill(&b, 0, data);
    return b;
}

static void arrays_are_bounded(void)
{
    struct mlo_checkpoint cp;
    refused(array(9, 1, 12), "array of arrays");
    refused(array(99, 1, 12), "array of an unknown type");
    refused(array(12, (uint64_t)1 << 61, 12), "an array of 2305843009213693952 elements");
    refused(array(0, ((uint64_t)1 << 30) + 1, 12), "an array of");
    refused(array(4, 4, 15), "an array of 4 elements");
    refused(array(8, 2, 15), "an array of 2 elements");
    read_ok(array(4, 4, 16), &cp);
    check_str(find_meta(&cp, "a"), "[0, 0, 0, 0]");
    mlo_checkpoint_release(&cp);
    read_ok(array(6, 0, 0), &cp);
    check_str(find_meta(&cp, "a"), "[]");
    mlo_checkpoint_release(&cp);
    read_ok(array(8, 2, 16), &cp);
    check_str(find_meta(&cp, "a"), "[2 x string]");
    mlo_checkpoint_release(&cp);
}

static struct blob aligned(uint32_t type, uint64_t v)
{
    struct blob b = start(3, 1, 1);
    key(&b, "general.alignment", type);
    blob_le(&b, v, type == 4 ? 4 : 8);
    info(&b, "w", 1, (uint64_t[]){3}, 0, 0);
    pad(&b, v == 64 ? 64 : 32);
    blob_fill(&b, 0, 12);
    return b;
}

static void alignment_is_a_sane_power_of_two(void)
{
    struct mlo_checkpoint cp;
    static const uint64_t bad[] = {0, 1, 3, 4, 33, (uint64_t)1 << 31};
    for (size_t i = 0; i < MLO_COUNT(bad); i++)
        refused(aligned(4, bad[i]), "general.alignment");
    refused(aligned(10, 32), "not a uint32");
    read_ok(aligned(4, 64), &cp);
    check_int(cp.tensors[0].offset % 64, 0);
    mlo_checkpoint_release(&cp);
}

static void shapes_and_sizes_are_checked_for_overflow(void)
{
    uint64_t huge[] = {(uint64_t)1 << 32, (uint64_t)1 << 32, (uint64_t)1 << 32, 1};
    refused(one_tensor(4, huge, 0, 32), "overflows");
    refused(one_tensor(1, (uint64_t[]){(uint64_t)1 << 62}, 0, 32),
            "overflows"); /* elements fit, bytes do not */
    refused(one_tensor(1, (uint64_t[]){UINT64_MAX}, 0, 32), "negative dimension");
    refused(one_tensor(5, (uint64_t[]){1, 1, 1, 1, 1}, 0, 32), "5 dimensions");
    refused(one_tensor(1, (uint64_t[]){(uint64_t)1 << 40}, 0, 32), "truncated");
}

static void sizes_that_wrap_when_summed_are_refused(void)
{
    struct blob b = start(3, 2, 0);
    uint64_t large = (uint64_t)1 << 60;
    info(&b, "a", 1, (uint64_t[]){large}, 24, 0);
    info(&b, "b", 1, (uint64_t[]){large}, 24, large);
    pad(&b, 32);
    blob_fill(&b, 0, 64);
    refused(b, "truncated");
}

static void types_are_known_removed_or_newer(void)
{
    static const uint32_t removed[] = {4, 5, 31, 32, 33, 36, 37, 38};
    struct mlo_checkpoint cp;
    for (size_t i = 0; i < MLO_COUNT(removed); i++)
        refused(one_tensor(1, (uint64_t[]){256}, removed[i], 1024), "was removed");
    read_ok(one_tensor(1, (uint64_t[]){256}, 43, 77), &cp);
    check_int(cp.tensors[0].bytes, 77);
    check_int(cp.tensors[0].dtype, MLO_DT_UNKNOWN);
    check_str(cp.tensors[0].type_name, "ggml-type-43");
    check(cp.n_warnings > 0);
    mlo_checkpoint_release(&cp);
}

static void blocks_have_their_sizes(void)
{
    static const struct {
        uint32_t id, block, bytes;
        const char *name;
    } types[] = {
        {2, 32, 18, "q4_0"},      {3, 32, 20, "q4_1"},     {6, 32, 22, "q5_0"},      {7, 32, 24, "q5_1"},
        {8, 32, 34, "q8_0"},      {9, 32, 36, "q8_1"},     {10, 256, 84, "q2_k"},    {11, 256, 110, "q3_k"},
        {12, 256, 144, "q4_k"},   {13, 256, 176, "q5_k"},  {14, 256, 210, "q6_k"},   {15, 256, 292, "q8_k"},
        {16, 256, 66, "iq2_xxs"}, {17, 256, 74, "iq2_xs"}, {18, 256, 98, "iq3_xxs"}, {19, 256, 50, "iq1_s"},
        {20, 32, 18, "iq4_nl"},   {21, 256, 110, "iq3_s"}, {22, 256, 82, "iq2_s"},   {23, 256, 136, "iq4_xs"},
        {29, 256, 56, "iq1_m"},   {34, 256, 54, "tq1_0"},  {35, 256, 66, "tq2_0"},   {39, 32, 17, "mxfp4"},
        {40, 64, 36, "nvfp4"},    {41, 128, 18, "q1_0"},   {42, 64, 18, "q2_0"}};
    for (size_t i = 0; i < MLO_COUNT(types); i++) {
        struct mlo_checkpoint cp;
        uint64_t dims[] = {2 * types[i].block, 3};
        read_ok(one_tensor(2, dims, types[i].id, 6 * types[i].bytes), &cp);
        check_int(cp.tensors[0].bytes, 6 * types[i].bytes);
        check_str(cp.tensors[0].type_name, types[i].name);
        check(cp.tensors[0].shape[0] == 3 && cp.tensors[0].shape[1] == dims[0], "row-major");
        check(cp.parameters == 6 * (uint64_t)types[i].block, "parameters");
        mlo_checkpoint_release(&cp);
        dims[0]++;
        refused(one_tensor(2, dims, types[i].id, 8192), "not a multiple of the block size");
    }
}

static struct blob two(uint64_t second, size_t data)
{
    struct blob b = start(3, 2, 0);
    info(&b, "a", 1, (uint64_t[]){3}, 0, 0);
    info(&b, "b", 1, (uint64_t[]){2}, 0, second);
    pad(&b, 32);
    blob_fill(&b, 0, data);
    return b;
}

static void tensors_lie_one_after_the_other(void)
{
    struct mlo_checkpoint cp;
    read_ok(two(32, 40), &cp);
    mlo_checkpoint_release(&cp);
    read_ok(two(32, 64), &cp); /* padded at the end */
    mlo_checkpoint_release(&cp);
    refused(two(0, 40), "offset 0, but the tensors before it end at 32");
    refused(two(64, 104), "offset 64");
    refused(two(12, 40), "offset 12");
    refused(two(32, 39), "truncated");
    refused(two(32, 41), "1 bytes after the last tensor");
    refused(two(32, 65), "25 bytes after the last tensor");
    refused(two(UINT64_MAX - 31, 40), "offset");
}

static void tensor_names_are_unique_and_short(void)
{
    char name[66];
    struct mlo_checkpoint cp;
    struct blob b = start(3, 2, 0);
    info(&b, "a", 1, (uint64_t[]){8}, 0, 0);
    info(&b, "a", 1, (uint64_t[]){8}, 0, 32);
    pad(&b, 32);
    blob_fill(&b, 0, 64);
    refused(b, "two tensors are named \"a\"");
    for (size_t n = 64; n <= 65; n++) {
        memset(name, 'x', n);
        name[n] = 0;
        b = start(3, 1, 0);
        info(&b, name, 0, NULL, 0, 0);
        pad(&b, 32);
        blob_fill(&b, 0, 4);
        if (n == 65) {
            refused(b, "a tensor name of 65 bytes");
        } else {
            read_ok(b, &cp);
            check_int(cp.tensors[0].elements, 1);
            mlo_checkpoint_release(&cp);
        }
    }
}

static void padding_must_be_zero_and_there(void)
{
    struct blob b = llama();
    b.p[110] = 1;
    refused(b, "padding before the data is not zero");
    b = llama();
    b.n = 120;
    refused(b, "truncated in the padding");
    b = start(3, 0, 0);
    blob_fill(&b, 0, 8); /* a file of keys only may be padded */
    struct mlo_checkpoint cp;
    read_ok(b, &cp);
    mlo_checkpoint_release(&cp);
    b = start(3, 0, 0);
    blob_fill(&b, 0, 9);
    refused(b, "bytes after the last key");
}

static void long_values_are_cut(void)
{
    struct blob b = start(3, 0, 1);
    struct mlo_checkpoint cp;
    key(&b, "tokenizer.chat_template", 8);
    blob_le(&b, 3000000, 8);
    blob_fill(&b, 'x', 3000000);
    read_ok(b, &cp);
    check_int(strlen(cp.meta[0].value), MLO_CP_MAX_VALUE + 3);
    mlo_checkpoint_release(&cp);
}

static void every_truncation_is_refused_and_no_flip_crashes(void)
{
    struct blob b = llama();
    check_int(mutate(&b), 0);
    blob_free(&b);
    static const char *const files[] = {GOLDEN "llama.gguf", GOLDEN "v1.gguf", GOLDEN "v2.gguf"};
    for (size_t i = 0; i < MLO_COUNT(files); i++) {
        b = blob_file(files[i]);
        /* Only the padding after the last tensor may be missing. */
        check(mutate(&b) < 32, "%s", files[i]);
        blob_free(&b);
    }
}

static struct blob alloc_file;

static int read_alloc_file(void)
{
    struct mlo_checkpoint cp;
    struct mlo_err err = {0};
    struct mlo_mem mem = {alloc_file.p};
    struct mlo_source src = mlo_source_mem(&mem, alloc_file.n);
    int rc = mlo_checkpoint_read(&src, &cp, &err);
    mlo_checkpoint_release(&cp);
    return rc;
}

static void every_allocation_may_fail(void)
{
    alloc_file = blob_file(GOLDEN "llama.gguf");
    check(each_alloc_failure(read_alloc_file) > 3, "allocations");
    blob_free(&alloc_file);
}

int main(void)
{
    run(known_vectors_are_read);
    run(versions_and_byte_order_are_told);
    run(impossible_counts_are_refused);
    run(bad_strings_and_keys_are_refused);
    run(odd_keys_are_only_warned_about);
    run(bools_are_zero_or_one);
    run(arrays_are_bounded);
    run(alignment_is_a_sane_power_of_two);
    run(shapes_and_sizes_are_checked_for_overflow);
    run(sizes_that_wrap_when_summed_are_refused);
    run(types_are_known_removed_or_newer);
    run(blocks_have_their_sizes);
    run(tensors_lie_one_after_the_other);
    run(tensor_names_are_unique_and_short);
    run(padding_must_be_zero_and_there);
    run(long_values_are_cut);
    run(every_truncation_is_refused_and_no_flip_crashes);
    run(every_allocation_may_fail);
    return done_testing();
}

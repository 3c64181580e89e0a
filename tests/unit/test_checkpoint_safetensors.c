/* safetensors: vectors, every rule of the reference reader and the stricter ones, damage, memory, and the
 * writer. */
#include "checkpoint_help.h"

#include <mlopsctl/base/time.h>

/* A file from a header text, padded to `pad` (0: as it is), and n bytes of data. */
static struct blob file_of(const char *header, size_t pad, const void *data, size_t n)
{
    struct blob b = {0};
    size_t len = strlen(header), padded = pad > len ? pad : len;
    blob_le(&b, padded, 8);
    blob_text(&b, header);
    blob_fill(&b, ' ', padded - len);
    blob_put(&b, data, n);
    return b;
}

static void refused(const char *header, size_t data, const char *text)
{
    static const char zeros[256];
    struct blob b = file_of(header, 0, zeros, data);
    check_refused(&b, text);
    blob_free(&b);
}

static void accepted(const char *header, size_t data, struct mlo_checkpoint *cp)
{
    static const char zeros[256];
    struct mlo_err err = {0};
    struct blob b = file_of(header, 0, zeros, data);
    check_ok(read_bytes(b.p, b.n, cp, &err), &err);
    check_int(cp->format, MLO_FMT_SAFETENSORS);
    blob_free(&b);
}

#define W_HEADER "{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}"
static const uint8_t w_data[] = {0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0};

static struct blob w_file(void)
{
    return file_of(W_HEADER, 56, w_data, sizeof w_data);
}

static void a_file_without_tensors_is_read(void)
{
    struct mlo_checkpoint cp;
    struct blob b = file_of("{}", 0, "", 0);
    struct mlo_err err = {0};
    check_sha(b.p, b.n, "411a485216e432ece6b9af94fa32154cf79a2a56d4f81266baa50063f45092bd");
    check_ok(read_bytes(b.p, b.n, &cp, &err), &err);
    check_int(cp.format, MLO_FMT_SAFETENSORS);
    check_int(cp.n_tensors, 0);
    mlo_checkpoint_release(&cp);
    blob_free(&b);
}

static void the_known_vector_gives_its_tensor(void)
{
    struct blob b = w_file(), got = {0};
    struct mlo_checkpoint cp;
    struct mlo_err err = {0};
    check_sha(b.p, b.n, "9c54a301d1883c1238adad7212e1c8b7a0ee5a828aa7b9a5fc5c4b58af05fe54");
    check_ok(read_bytes(b.p, b.n, &cp, &err), &err);
    if (check(cp.n_tensors == 1)) {
        const struct mlo_tensor *t = cp.tensors;
        check_str(t->name, "w");
        check_str(t->type_name, "float32");
        check_int(t->dtype, MLO_DT_F32);
        check_int(t->rank, 1);
        check_int(t->shape[0], 2);
        check_int(t->offset, 64);
        check_int(t->length, 8);
        check_int(t->elements, 2);
        check_int(t->store, MLO_TS_RANGE);
        struct mlo_mem mem = {b.p};
        struct mlo_source src = mlo_source_mem(&mem, b.n);
        check_ok(mlo_tensor_read(&src, t, blob_sink, &got, &err), &err);
        check(got.n == 8 && memcmp(got.p, w_data, 8) == 0);
    }
    check_int(cp.parameters, 2);
    check_int(cp.tensor_bytes, 8);
    check_int(cp.verdict, MLO_VERDICT_NONE);
    mlo_checkpoint_release(&cp);
    blob_free(&b);
    blob_free(&got);
}

static void lying_header_lengths_are_refused(void)
{
    struct blob b = {0};
    blob_le(&b, UINT64_MAX, 8);
    blob_text(&b, "{\"w\":1}");
    check_refused(&b, "header length 18446744073709551615");
    blob_free(&b);
    blob_le(&b, 100000001, 8);
    blob_text(&b, "{}");
    check_refused(&b, "header length 100000001 is above 100000000");
    blob_free(&b);
    blob_le(&b, 3, 8);
    blob_text(&b, "{}");
    check_refused(&b, "only 2 bytes follow");
    blob_free(&b);
    b = file_of(W_HEADER, 0, "", 0); /* header fills the file: no data */
    check_refused(&b, "data_offsets");
    blob_free(&b);
    struct mlo_mem mem = {"1234567"};
    struct mlo_source src = mlo_source_mem(&mem, 7);
    struct mlo_checkpoint cp;
    struct mlo_err err = {0};
    mlo_cp_init(&cp);
    check_err(mlo_safetensors_read(&src, &cp, &err), MLO_EINVALID, &err, "truncated");
    mlo_checkpoint_release(&cp);
}

static void data_must_be_covered_exactly_once(void)
{
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,0]}}", 4, "data_offsets [4, 0]");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\","
            "\"shape\":[4],\"data_offsets\":[3,7]}}",
            7, "tensor \"b\": an overlap of 1 bytes");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\","
            "\"shape\":[4],\"data_offsets\":[5,9]}}",
            9, "tensor \"b\": a hole of 1 bytes");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[1,5]}}", 5, "a hole of 1 bytes");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 5,
            "1 bytes after the last tensor");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\","
            "\"shape\":[4],\"data_offsets\":[0,4]}}",
            4, "an overlap of 4 bytes");
    refused("{}", 1, "1 bytes after the last tensor");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 3,
            "data_offsets [0, 4] do not lie");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,18446744073709551616]}}", 3, NULL);
}

static void sizes_must_follow_from_shape_and_type(void)
{
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
            "product overflows");
    refused("{\"a\":{\"dtype\":\"F64\",\"shape\":[2305843009213693952],\"data_offsets\":[0,0]}}", 0,
            "byte size overflows");
    refused("{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]}}", 2, "do not fill whole bytes");
    refused("{\"a\":{\"dtype\":\"F6_E2M3\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2,
            "do not fill whole bytes");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,7]}}", 7,
            "need 8 bytes, data_offsets give 7");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,9]}}", 9, "need 8 bytes");
}

static void small_float_and_empty_tensors_are_read(void)
{
    struct mlo_checkpoint cp;
    accepted("{\"a\":{\"dtype\":\"F4\",\"shape\":[4],\"data_offsets\":[0,2]},"
             "\"b\":{\"dtype\":\"F6_E3M2\",\"shape\":[4],\"data_offsets\":[2,5]},"
             "\"e\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[2,2]},"
             "\"f\":{\"dtype\":\"F32\",\"shape\":[7,0],\"data_offsets\":[2,2]},"
             "\"s\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[5,9]}}",
             9, &cp);
    check_int(cp.n_tensors, 5);
    check_int(find_tensor(&cp, "s")->elements, 1);
    check_int(find_tensor(&cp, "s")->rank, 0);
    check_int(find_tensor(&cp, "e")->elements, 0);
    check_int(find_tensor(&cp, "b")->bytes, 3);
    mlo_checkpoint_release(&cp);
}

static void malformed_entries_are_refused(void)
{
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "\"shape\"");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[4.0],\"data_offsets\":[0,4]}}", 4, "\"shape\"");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[4e0],\"data_offsets\":[0,4]}}", 4, "\"shape\"");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[\"4\"],\"data_offsets\":[0,4]}}", 4, "\"shape\"");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":4,\"data_offsets\":[0,4]}}", 4, "\"shape\"");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[NaN],\"data_offsets\":[0,4]}}", 4, NULL);
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0]}}", 4, "\"data_offsets\"");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4,4]}}", 4, "\"data_offsets\"");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,NaN]}}", 4, NULL);
    refused("{\"a\":{\"dtype\":7,\"shape\":[4],\"data_offsets\":[0,4]}}", 4, "\"dtype\"");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[4]}}", 4, "no \"data_offsets\"");
    refused("{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,4]}}", 4, "no \"shape\"");
    refused("{\"a\":{\"shape\":[4],\"data_offsets\":[0,4]}}", 4, "no \"dtype\"");
    refused("{\"a\":[]}", 0, "expected an object");
    refused("{\"a\":{\"dtype\":\"U8\",\"dtype\":\"I8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4,
            "two members \"dtype\"");
    refused("{\"__metadata__\":{\"a\":1}}", 0, "__metadata__");
    refused("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, "two entries \"a\"");
    refused("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "two members");
    refused("{\"a\\u0000b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, NULL);
    refused("{\"\xff\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, "UTF-8");
}

static void the_header_is_one_object_then_spaces(void)
{
    struct blob b = {0};
    struct mlo_checkpoint cp;
    struct mlo_err err = {0};
    struct mlo_mem mem;
    struct mlo_source src;
    static const char *const bad[] = {" {}", "{}\n", "{}\t ", "{}{}", "{},", "[]", "{", "{}x"};
    for (size_t i = 0; i < MLO_COUNT(bad); i++) {
        b = file_of(bad[i], 0, "", 0);
        mem.data = b.p;
        src = mlo_source_mem(&mem, b.n);
        mlo_cp_init(&cp);
        check_err(mlo_safetensors_read(&src, &cp, &err), MLO_EINVALID, &err, NULL);
        mlo_checkpoint_release(&cp);
        blob_free(&b);
    }
    accepted("{}      ", 0, &cp);
    mlo_checkpoint_release(&cp);
}

static void repeated_names_are_refused_even_when_escaped_differently(void)
{
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},\"\\u0061\":{\"dtype\":\"U8\","
            "\"shape\":[0],\"data_offsets\":[0,0]}}",
            0, "two tensors are named \"a\"");
}

static void dangerous_names_are_only_names(void)
{
    struct mlo_checkpoint cp;
    accepted("{\"../"
             "x\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},\"\\u001b[2J\":{\"dtype\":\"U8\","
             "\"shape\":[0],\"data_offsets\":[0,0]}}",
             0, &cp);
    check(find_tensor(&cp, "../x") != NULL);
    check(find_tensor(&cp, "\x1b[2J") != NULL);
    mlo_checkpoint_release(&cp);
    refused("{\"\\u001b[2J\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,0]}}", 0, "\\x1B[2J");
}

static void newer_types_and_members_are_warnings(void)
{
    struct mlo_checkpoint cp;
    accepted("{\"a\":{\"dtype\":\"F3_NEW\",\"shape\":[9],\"data_offsets\":[0,4],\"extra\":{\"deep\":[1]}}}",
             4, &cp);
    check_int(cp.n_warnings, 2);
    check_str(cp.tensors[0].type_name, "F3_NEW");
    check_int(cp.tensors[0].dtype, MLO_DT_UNKNOWN);
    check_int(cp.tensors[0].bytes, 4);
    mlo_checkpoint_release(&cp);
}

static void metadata_is_listed_in_order_of_keys(void)
{
    struct mlo_checkpoint cp;
    accepted("{\"__metadata__\":{\"z\":\"1\",\"a\":\"two \\u00e9\"}}", 0, &cp);
    check_int(cp.n_meta, 2);
    check_str(cp.meta[0].key, "a");
    check_str(cp.meta[0].value, "two \xc3\xa9");
    check_str(cp.meta[1].value, "1");
    mlo_checkpoint_release(&cp);
}

static void too_many_dimensions_are_refused(void)
{
    struct mlo_str s;
    mlo_str_init(&s, 4096);
    mlo_str_add(&s, "{\"a\":{\"dtype\":\"U8\",\"shape\":[1");
    for (int i = 1; i < MLO_MAX_RANK; i++)
        mlo_str_add(&s, ",1");
    size_t at = s.len;
    mlo_str_add(&s, "],\"data_offsets\":[0,1]}}");
    struct mlo_checkpoint cp;
    accepted(s.ptr, 1, &cp);
    check_int(cp.tensors[0].rank, MLO_MAX_RANK);
    mlo_checkpoint_release(&cp);
    s.ptr[at] = 0;
    s.len = at;
    mlo_str_add(&s, ",1],\"data_offsets\":[0,1]}}");
    refused(s.ptr, 1, "more than 64 dimensions");
    mlo_str_release(&s);
}

static void every_truncation_is_refused_and_no_flip_crashes(void)
{
    static const char *const files[] = {GOLDEN "raw.safetensors", GOLDEN "numpy.safetensors"};
    for (size_t i = 0; i < MLO_COUNT(files); i++) {
        struct blob b = blob_file(files[i]);
        check_int(mutate(&b), 0);
        blob_free(&b);
    }
    struct blob b = w_file();
    check_int(mutate(&b), 0);
    blob_free(&b);
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
    alloc_file = blob_file(GOLDEN "numpy.safetensors");
    check(each_alloc_failure(read_alloc_file) > 3, "allocations");
    blob_free(&alloc_file);
}

/* The largest header allowed, made of the smallest entries: the arena's bound and the time are what is
 * tested. */
static void a_header_of_100_mb_takes_bounded_memory_and_time(void)
{
    const size_t want = 100000000;
    struct blob b = {.p = malloc(want + 16), .n = 8};
    size_t n = 0;
    char *p = (char *)b.p + 8;
    *p++ = '{';
    while ((size_t)(p - (char *)b.p) + 80 < want)
        p += sprintf(p, "%s\"%zx\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}", n ? "," : "", n),
            n++;
    *p++ = '}';
    uint64_t len = (uint64_t)(p - (char *)b.p) - 8;
    for (int i = 0; i < 8; i++)
        b.p[i] = (uint8_t)(len >> 8 * i);
    b.n = 8 + len;
    struct mlo_mem mem = {b.p};
    struct mlo_source src = mlo_source_mem(&mem, b.n);
    struct mlo_checkpoint cp;
    struct mlo_err err = {0};
    int64_t start = mlo_time_mono();
    check_ok(mlo_checkpoint_read(&src, &cp, &err), &err);
    double seconds = (double)(mlo_time_mono() - start) / 1e9;
    check(cp.n_tensors == n, "%zu of %zu", cp.n_tensors, n);
    check(cp.arena.used + len < 6 * len, "arena %zu", cp.arena.used);
    printf("# %zu tensors, arena %zu MB, %.1f s\n", n, cp.arena.used / 1000000, seconds);
    mlo_checkpoint_release(&cp);
    blob_free(&b);
}

/* ---- writer ---- */

/* Writing what was read must give the reference writer's bytes back. */
static void rewrite(const char *path)
{
    struct blob b = blob_file(path);
    struct mlo_checkpoint cp;
    struct mlo_err err = {0};
    struct mlo_str out;
    mlo_str_init(&out, MLO_STR_MAX);
    check_ok(read_bytes(b.p, b.n, &cp, &err), &err);
    struct mlo_st_tensor t[64];
    size_t order[64];
    for (size_t i = 0; i < cp.n_tensors; i++) {
        const struct mlo_tensor *x = &cp.tensors[cp.n_tensors - 1 - i];
        t[i] = (struct mlo_st_tensor){x->name, x->dtype, x->shape, x->rank};
    }
    check_ok(mlo_safetensors_header(t, cp.n_tensors, cp.meta, cp.n_meta, &out, order, &err), &err);
    uint64_t header = 8 + mlo_le64(b.p);
    check(out.len == header && memcmp(out.ptr, b.p, out.len) == 0, "%s", out.ptr + 8);
    for (size_t i = 0; i < cp.n_tensors; i++)
        check_str(t[order[i]].name, cp.tensors[i].name);
    mlo_str_release(&out);
    mlo_checkpoint_release(&cp);
    blob_free(&b);
}

static void the_writer_gives_the_reference_writers_bytes(void)
{
    rewrite(GOLDEN "numpy.safetensors");
    rewrite(GOLDEN "raw.safetensors");
}

static void the_writer_escapes_and_sorts(void)
{
    struct mlo_st_tensor t[] = {{"q\"\\\n\x01", MLO_DT_U8, NULL, 0},
                                {"b", MLO_DT_F32, (uint64_t[]){2}, 1},
                                {"a", MLO_DT_F32, (uint64_t[]){1}, 1}};
    struct mlo_kv meta[] = {{"y", "2"}, {"x", "1"}};
    size_t order[3];
    struct mlo_err err = {0};
    struct mlo_str out;
    mlo_str_init(&out, 4096);
    check_ok(mlo_safetensors_header(t, 3, meta, 2, &out, order, &err), &err);
    check(out.len % 8 == 0);
    static const char want[] =
        "{\"__metadata__\":{\"x\":\"1\",\"y\":\"2\"},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":"
        "[0,4]},"
        "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]},"
        "\"q\\\"\\\\\\n\\u0001\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[12,13]}}";
    check(strncmp(out.ptr + 8, want, strlen(want)) == 0, "%s", out.ptr + 8);
    check(order[0] == 2 && order[1] == 1 && order[2] == 0);
    mlo_str_release(&out);
}

static void the_writer_refuses_what_the_format_cannot_hold(void)
{
    size_t order[2];
    struct mlo_err err = {0};
    struct mlo_str out;
    mlo_str_init(&out, 4096);
    struct mlo_st_tensor c128 = {"a", MLO_DT_C128, NULL, 0}, meta = {"__metadata__", MLO_DT_U8, NULL, 0},
                         bad = {"\xff", MLO_DT_U8, NULL, 0};
    struct mlo_st_tensor twice[] = {{"a", MLO_DT_U8, NULL, 0}, {"a", MLO_DT_F32, NULL, 0}},
                         odd = {"a", MLO_DT_F4, (uint64_t[]){3}, 1};
    check_err(mlo_safetensors_header(&c128, 1, NULL, 0, &out, order, &err), MLO_EINVALID, &err, "complex128");
    check_err(mlo_safetensors_header(&meta, 1, NULL, 0, &out, order, &err), MLO_EINVALID, &err, NULL);
    check_err(mlo_safetensors_header(&bad, 1, NULL, 0, &out, order, &err), MLO_EINVALID, &err, NULL);
    check_err(mlo_safetensors_header(&odd, 1, NULL, 0, &out, order, &err), MLO_EINVALID, &err, "whole bytes");
    check_err(mlo_safetensors_header(twice, 2, NULL, 0, &out, order, &err), MLO_EINVALID, &err,
              "two tensors are named");
    mlo_str_release(&out);
}

int main(void)
{
    run(a_file_without_tensors_is_read);
    run(the_known_vector_gives_its_tensor);
    run(lying_header_lengths_are_refused);
    run(data_must_be_covered_exactly_once);
    run(sizes_must_follow_from_shape_and_type);
    run(small_float_and_empty_tensors_are_read);
    run(malformed_entries_are_refused);
    run(the_header_is_one_object_then_spaces);
    run(repeated_names_are_refused_even_when_escaped_differently);
    run(dangerous_names_are_only_names);
    run(newer_types_and_members_are_warnings);
    run(metadata_is_listed_in_order_of_keys);
    run(too_many_dimensions_are_refused);
    run(every_truncation_is_refused_and_no_flip_crashes);
    run(every_allocation_may_fail);
    run(a_header_of_100_mb_takes_bounded_memory_and_time);
    run(the_writer_gives_the_reference_writers_bytes);
    run(the_writer_escapes_and_sorts);
    run(the_writer_refuses_what_the_format_cannot_hold);
    return done_testing();
}

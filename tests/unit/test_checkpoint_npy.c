/* NumPy arrays: the vector, the header's grammar, element types, object arrays, npz members, damage. */
#include "checkpoint_help.h"

/* An .npy of version `major` with this dict (padded to `len` with spaces and a newline; 0: only the newline)
 * and n data bytes. */
static struct blob npy_of(int major, const char *dict, size_t len, size_t n)
{
    struct blob b = {0};
    size_t have = strlen(dict) + 1, total = len > have ? len : have;
    blob_put(&b, "\x93NUMPY", 6);
    blob_le(&b, (uint64_t)major, 1);
    blob_le(&b, 0, 1);
    blob_le(&b, total, major == 1 ? 2 : 4);
    blob_text(&b, dict);
    blob_fill(&b, ' ', total - have);
    blob_text(&b, "\n");
    blob_fill(&b, 0, n);
    return b;
}

static void refused(const char *dict, size_t n, const char *why)
{
    struct blob b = npy_of(1, dict, 0, n);
    check_refused(&b, why);
    blob_free(&b);
}

static void accepted(int major, const char *dict, size_t n, struct mlo_checkpoint *cp)
{
    struct mlo_err err = {0};
    struct blob b = npy_of(major, dict, 0, n);
    check_ok(read_bytes(b.p, b.n, cp, &err), &err);
    check_int(cp->n_tensors, 1);
    blob_free(&b);
}

static void type_is(const char *descr, size_t bytes, const char *name, enum mlo_dtype dtype)
{
    char dict[512];
    struct mlo_checkpoint cp;
    snprintf(dict, sizeof dict, "{'descr': %s, 'fortran_order': False, 'shape': (1,), }", descr);
    accepted(1, dict, bytes, &cp);
    if (cp.n_tensors == 1) {
        check_str(cp.tensors[0].type_name, name);
        check_int(cp.tensors[0].dtype, dtype);
        check_int(cp.tensors[0].bytes, bytes);
    }
    mlo_checkpoint_release(&cp);
}

static void type_refused(const char *descr)
{
    char dict[512];
    snprintf(dict, sizeof dict, "{'descr': %s, 'fortran_order': False, 'shape': (0,), }", descr);
    refused(dict, 0, "header");
}

static void the_known_vector_is_read(void)
{
    struct blob b = npy_of(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 118, 0), got = {0};
    blob_put(&b, "\x00\x00\x80\x3F\x00\x00\x00\xC0", 8);
    struct mlo_checkpoint cp;
    struct mlo_err err = {0};
    check_int(b.n, 136);
    check_sha(b.p, b.n, "871e5662a75c479e365d04d276e29a67b9ca3c43ef3dfc57996800abc8806db8");
    check_ok(read_bytes(b.p, b.n, &cp, &err), &err);
    check_int(cp.format, MLO_FMT_NPY);
    check_int(cp.tensors[0].offset, 128);
    check_int(cp.tensors[0].shape[0], 2);
    struct mlo_mem mem = {b.p};
    struct mlo_source src = mlo_source_mem(&mem, b.n);
    check_ok(mlo_tensor_read(&src, cp.tensors, blob_sink, &got, &err), &err);
    check(got.n == 8 && memcmp(got.p, b.p + 128, 8) == 0);
    mlo_checkpoint_release(&cp);
    blob_free(&b);
    blob_free(&got);
}

static void the_dict_may_be_written_in_any_order_and_spacing(void)
{
    struct mlo_checkpoint cp;
    accepted(1, "{'shape':(2,3),'fortran_order':True,'descr':\"<f4\"}", 24, &cp);
    check(cp.tensors[0].stride && cp.tensors[0].stride[0] == 1 && cp.tensors[0].stride[1] == 2, "strides");
    mlo_checkpoint_release(&cp);
    accepted(2, "{ 'shape' : ( 2L , ) , 'fortran_order' : False , 'descr' : '<f4' , }", 8, &cp);
    mlo_checkpoint_release(&cp);
    accepted(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (), }", 4, &cp);
    check_int(cp.tensors[0].elements, 1);
    mlo_checkpoint_release(&cp);
}

static void bad_headers_are_refused(void)
{
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", 4, "a negative number");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (1), }", 4, "no tuple");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': 1, }", 4, "expected '('");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (1.0,), }", 4, "header");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551616,), }", 4, "too large");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296,4294967296), }", 4, "overflows");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,), }", 4, "overflows");
    refused("{'descr': '<f4', 'fortran_order': 0, 'shape': (1,), }", 4, "True or False");
    refused("{'descr': '<f4', 'fortran_order': False}", 4, "no \"shape\"");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", 4, "unknown key \"x\"");
    refused("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", 4,
            "repeated key \"descr\"");
    refused("{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}", 4, "comma");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} # x", 4, "only spaces");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)", 4, NULL);
    refused("{'descr': '<f4", 4, "string without end");
    refused("['descr']", 4, "expected '{'");
    refused("", 4, NULL);
    refused("__import__('os').system('id')", 4, "expected '{'");
}

static void lengths_must_fit_the_file(void)
{
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 7, "need 8 bytes, 7 follow");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 9, "need 8 bytes, 9 follow");
    struct blob b = npy_of(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 118, 8);
    b.p[b.n - 9] = ' ';
    check_refused(&b, "does not end with a newline");
    b.p[8] = 0xFF;
    b.p[9] = 0xFF;
    check_refused(&b, "truncated: header");
    b.p[6] = 2;
    memset(b.p + 8, 0xFF, 4);
    check_refused(&b, "a header of 4294967295 bytes");
    b.p[6] = 4;
    check_refused(&b, "version 4.0");
    b.p[6] = 0;
    check_refused(&b, "version 0.0");
    blob_free(&b);
}

static void element_types_have_names_and_sizes(void)
{
    type_is("'|b1'", 1, "bool", MLO_DT_BOOL);
    type_is("'?'", 1, "bool", MLO_DT_BOOL);
    type_is("'|i1'", 1, "int8", MLO_DT_I8);
    type_is("'b'", 1, "int8", MLO_DT_I8);
    type_is("'B'", 1, "uint8", MLO_DT_U8);
    type_is("'<u8'", 8, "uint64", MLO_DT_U64);
    type_is("'=f2'", 2, "float16", MLO_DT_F16);
    type_is("'<f16'", 16, "float128", MLO_DT_F128);
    type_is("'<c16'", 16, "complex128", MLO_DT_C128);
    type_is("'|S12'", 12, "bytes12", MLO_DT_STRING);
    type_is("'<U3'", 12, "str3", MLO_DT_STRING);
    type_is("'|V2'", 2, "raw2", MLO_DT_RAW);
    type_is("'<V2'", 2, "raw2", MLO_DT_RAW);
    type_is("'<M8[ns]'", 8, "datetime64[ns]", MLO_DT_DATETIME);
    type_is("'<m8'", 8, "timedelta64", MLO_DT_DATETIME);
    type_is("[('a', '<f4'), ('b', '|u1', (2, 3)), (('t', 'c'), [('d', '<i2')])]", 12, "struct12", MLO_DT_RAW);
}

static void other_element_types_are_refused(void)
{
    static const char *const bad[] = {"''",
                                      "'<'",
                                      "'f'",
                                      "'<f3'",
                                      "'<f4x'",
                                      "'<i16'",
                                      "'<f44'",
                                      "'S'",
                                      "'S-1'",
                                      "'<M8[ns'",
                                      "'<M8[$x]'",
                                      "'<M4'",
                                      "'S99999999999999999999'",
                                      "'V2147483648'",
                                      "'U2147483647'",
                                      "[1]",
                                      "[('a',)]",
                                      "[('a', '<f4', 3, 4)]",
                                      "('<f4', (2,))",
                                      "None",
                                      "[('a', '<f4', (4294967296, 4294967296))]"};
    for (size_t i = 0; i < MLO_COUNT(bad); i++)
        type_refused(bad[i]);
}

static void nesting_is_bounded(void)
{
    struct mlo_str s;
    mlo_str_init(&s, 1 << 20);
    for (int i = 0; i < 10000; i++)
        mlo_str_add(&s, "[('a', ");
    struct blob b = {0};
    blob_text(&b, "{'descr': ");
    blob_put(&b, s.ptr, s.len);
    blob_put(&b, "", 1);
    struct blob file = npy_of(2, (const char *)b.p, 0, 0);
    check_refused(&file, "nested too deeply");
    blob_free(&file);
    blob_free(&b);
    mlo_str_release(&s);
}

static void big_endian_structures_have_no_comparable_bytes(void)
{
    struct mlo_checkpoint cp;
    accepted(1, "{'descr': [('a', '>f4')], 'fortran_order': False, 'shape': (1,), }", 4, &cp);
    check_int(cp.tensors[0].store, MLO_TS_NONE);
    check_int(cp.n_warnings, 1);
    mlo_checkpoint_release(&cp);
}

static void object_arrays_are_read_as_pickles(void)
{
    static const char evil[] = "\x80\x02"
                               "cposix\nsystem\nX\x02\x00\x00\x00id\x85R.";
    struct blob b = npy_of(1, "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", 0, 0);
    struct mlo_checkpoint cp;
    struct mlo_err err = {0};
    blob_put(&b, evil, sizeof evil - 1);
    if (read_bytes(b.p, b.n, &cp, &err) == 0)
        check_int(cp.tensors[0].store, MLO_TS_NONE);
    check_int(cp.verdict, MLO_VERDICT_DANGEROUS);
    check(cp.n_findings > 0);
    mlo_checkpoint_release(&cp);
    blob_free(&b);
    b = npy_of(1, "{'descr': [('a', '|O'), ('b', '<f4')], 'fortran_order': False, 'shape': (1,), }", 0, 0);
    blob_put(&b, evil, sizeof evil - 1);
    if (read_bytes(b.p, b.n, &cp, &err) == 0)
        check_int(cp.tensors[0].dtype, MLO_DT_OBJECT);
    check_int(cp.verdict, MLO_VERDICT_DANGEROUS);
    mlo_checkpoint_release(&cp);
    blob_free(&b);
}

static void truncation_is_refused_and_no_flip_crashes(void)
{
    static const char *const files[] = {GOLDEN "f4.npy",       GOLDEN "struct.npy",  GOLDEN "bigfortran.npy",
                                        GOLDEN "version3.npy", GOLDEN "object.npy",  GOLDEN "time.npy",
                                        GOLDEN "savez.npz",    GOLDEN "deflated.npz"};
    for (size_t i = 0; i < MLO_COUNT(files); i++) {
        struct blob b = blob_file(files[i]);
        check(mutate(&b) == 0, "%s", files[i]);
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
    uint64_t total = 0;
    int rc = mlo_checkpoint_read(&src, &cp, &err);
    for (size_t i = 0; rc == 0 && i < cp.n_tensors; i++)
        rc = mlo_tensor_read(&src, &cp.tensors[i], count_sink, &total, &err);
    mlo_checkpoint_release(&cp);
    return rc;
}

static void every_allocation_may_fail(void)
{
    static const char *const files[] = {GOLDEN "bigfortran.npy", GOLDEN "struct.npy", GOLDEN "deflated.npz"};
    for (size_t i = 0; i < MLO_COUNT(files); i++) {
        alloc_file = blob_file(files[i]);
        check(each_alloc_failure(read_alloc_file) > 3, "allocations");
        blob_free(&alloc_file);
    }
}

/* A transposed array larger than what is kept in memory at once, against plain arithmetic. */
static int check_transposed(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    uint64_t *at = ctx;
    const uint8_t *b = p;
    (void)err;
    for (size_t i = 0; i < n; i += 4, ++*at) {
        uint64_t row = *at / 3000, col = *at % 3000;
        if (mlo_le32(b + i) != (uint32_t)(col * 2000 + row)) {
            check(false, "element %llu", (unsigned long long)*at);
            return -1;
        }
    }
    return 0;
}

static void large_transposed_arrays_are_read_in_tiles(void)
{
    const uint64_t rows = 2000, cols = 3000;
    uint32_t *data = malloc(rows * cols * 4);
    struct mlo_err err = {0};
    for (uint32_t i = 0; i < rows * cols; i++)
        data[i] = i;
    struct mlo_mem mem = {data};
    struct mlo_source src = mlo_source_mem(&mem, rows * cols * 4);
    struct mlo_tensor t = {.name = "t",
                           .dtype = MLO_DT_U32,
                           .rank = 2,
                           .shape = (uint64_t[]){rows, cols},
                           .stride = (int64_t[]){1, 2000},
                           .store = MLO_TS_STRIDED,
                           .length = rows * cols * 4};
    uint64_t at = 0;
    check_ok(mlo_tensor_measure(&t, &err), &err);
    check_ok(mlo_tensor_read(&src, &t, check_transposed, &at, &err), &err);
    check_int(at, rows * cols);
    free(data);
}

static void views_outside_their_storage_are_refused(void)
{
    uint8_t data[64] = {0};
    struct mlo_mem mem = {data};
    struct mlo_source src = mlo_source_mem(&mem, sizeof data);
    struct mlo_err err = {0};
    uint64_t total = 0, shape[] = {4, 4};
    int64_t stride[] = {4, 1};
    struct mlo_tensor t = {.name = "t",
                           .dtype = MLO_DT_F32,
                           .rank = 2,
                           .shape = shape,
                           .stride = stride,
                           .store = MLO_TS_STRIDED,
                           .length = 64};
    check_ok(mlo_tensor_measure(&t, &err), &err);
    check_ok(mlo_tensor_read(&src, &t, count_sink, &total, &err), &err);
    check_int(total, 64);
    t.length = 60;
    check_err(mlo_tensor_read(&src, &t, count_sink, &total, &err), MLO_EINVALID, &err, "reach outside");
    t.length = 64;
    stride[0] = INT64_MAX;
    check_err(mlo_tensor_read(&src, &t, count_sink, &total, &err), MLO_EINVALID, &err, "reach outside");
    stride[0] = -4;
    check_err(mlo_tensor_read(&src, &t, count_sink, &total, &err), MLO_EINVALID, &err, "reach outside");
    stride[0] = stride[1] = 0; /* one element, shown a million times */
    shape[0] = shape[1] = 1 << 20;
    check_ok(mlo_tensor_measure(&t, &err), &err);
    check_err(mlo_tensor_read(&src, &t, count_sink, &total, &err), MLO_EINVALID, &err, "a view of");
}

int main(void)
{
    run(the_known_vector_is_read);
    run(the_dict_may_be_written_in_any_order_and_spacing);
    run(bad_headers_are_refused);
    run(lengths_must_fit_the_file);
    run(element_types_have_names_and_sizes);
    run(other_element_types_are_refused);
    run(nesting_is_bounded);
    run(big_endian_structures_have_no_comparable_bytes);
    run(object_arrays_are_read_as_pickles);
    run(truncation_is_refused_and_no_flip_crashes);
    run(every_allocation_may_fail);
    run(large_transposed_arrays_are_read_in_tiles);
    run(views_outside_their_storage_are_refused);
    return done_testing();
}

/* ONNX: the wire format, faults that must be refused, external data, and the reference writer's file mutated.
 * What a good file holds is checked by test_checkpoint_golden.c. */
#include "checkpoint_help.h"

#include <sys/stat.h>
#include <unistd.h>

/* ---- writing protobuf ---- */

static void put_varint(struct blob *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        blob_le(b, (v & 0x7F) | 0x80, 1);
    blob_le(b, v, 1);
}
static void put_number(struct blob *b, unsigned field, uint64_t v)
{
    put_varint(b, field << 3);
    put_varint(b, v);
}
static void put_bytes(struct blob *b, unsigned field, const void *p, size_t n)
{
    put_varint(b, field << 3 | 2);
    put_varint(b, n);
    blob_put(b, p ? p : "", n);
}
static void put_text(struct blob *b, unsigned field, const char *s)
{
    put_bytes(b, field, s, strlen(s));
}
/* Puts `inner` as a message and frees it. */
static void put_message(struct blob *b, unsigned field, struct blob inner)
{
    put_bytes(b, field, inner.p, inner.n);
    blob_free(&inner);
}

/* A model around a graph; takes it. */
static struct blob model_of(struct blob graph)
{
    struct blob b = {0}, opset = {0};
    put_number(&b, 1, 8);
    put_message(&b, 7, graph);
    put_number(&opset, 2, 17);
    put_message(&b, 8, opset);
    return b;
}
/* A model with one initializer; takes it. */
static struct blob model_with(struct blob tensor)
{
    struct blob graph = {0};
    put_message(&graph, 5, tensor);
    return model_of(graph);
}
static struct blob tensor_of(uint64_t type, uint64_t dim)
{
    struct blob t = {0};
    put_number(&t, 1, dim);
    put_number(&t, 2, type);
    put_text(&t, 8, "w");
    return t;
}

static void refuse(struct blob b, const char *reason)
{
    check_refused(&b, reason);
    blob_free(&b);
}
static void refuse_tensor(struct blob t, const char *reason)
{
    refuse(model_with(t), reason);
}

/* ---- wire and model ---- */

static void the_wire_format_is_strict(void)
{
    struct blob graph = {0};
    put_varint(&graph, 5 << 3 | 3); /* a group */
    refuse(model_of(graph), "wire type 3");
    graph = (struct blob){0};
    put_varint(&graph, 0);
    refuse(model_of(graph), "no field number");
    graph = (struct blob){0};
    blob_put(&graph, "\x2a\x7f\x08", 3); /* an initializer longer than the graph */
    refuse(model_of(graph), "127 bytes");
    struct blob t = {0};
    blob_put(&t, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12);
    refuse_tensor(t, "more than 64 bits");
}

static struct blob versioned(uint64_t ir, unsigned opsets, unsigned graphs)
{
    struct blob b = {0};
    put_number(&b, 1, ir);
    for (unsigned i = 0; i < graphs; i++) {
        struct blob g = {0};
        put_text(&g, 2, "g");
        put_message(&b, 7, g);
    }
    for (unsigned i = 0; i < opsets; i++) {
        struct blob o = {0};
        put_number(&o, 2, 17);
        put_text(&o, 1, i ? "other.domain" : "");
        put_message(&b, 8, o);
    }
    return b;
}

static void versions_and_duplicates_are_checked(void)
{
    struct mlo_checkpoint cp;
    struct mlo_err err = {0};
    struct blob good = versioned(14, 2, 1);
    check_ok(read_bytes(good.p, good.n, &cp, &err), &err);
    check_int(cp.format, MLO_FMT_ONNX);
    check_str(find_meta(&cp, "onnx.opset.other.domain"), "17");
    check(cp.n_warnings == 1 && strstr(cp.warnings[0], "other.domain"), "a custom domain is said");
    mlo_checkpoint_release(&cp);
    blob_free(&good);
    refuse(versioned(15, 1, 1), "ir_version 15");
    refuse(versioned(8, 0, 1), "no opset_import");
    refuse(versioned(2, 1, 1), "has none");
    refuse(versioned(8, 1, 2), "second graph");
    struct blob b = versioned(8, 1, 1);
    for (int i = 0; i < 2; i++) {
        struct blob m = {0};
        put_text(&m, 1, "author");
        put_message(&b, 14, m);
    }
    refuse(b, "two keys are named \"author\"");
    struct blob twice = versioned(8, 1, 1), again = {0}, other = {0};
    put_number(&again, 2, 17);
    put_message(&twice, 8, again); /* the same domain and version once more: skl2onnx writes such */
    check_ok(read_bytes(twice.p, twice.n, &cp, &err), &err);
    mlo_checkpoint_release(&cp);
    put_number(&other, 2, 18);
    put_message(&twice, 8, other);
    refuse(twice, "two keys are named \"onnx.opset.ai.onnx\"");
    struct blob graph = {0};
    put_message(&graph, 5, tensor_of(1, 0));
    put_message(&graph, 5, tensor_of(1, 0));
    refuse(model_of(graph), "two tensors are named \"w\"");
}

static void subgraphs_nested_a_thousand_deep_are_refused(void)
{
    struct blob graph = {0};
    put_text(&graph, 2, "inner");
    for (int i = 0; i < 1000; i++) {
        struct blob attribute = {0}, node = {0}, outer = {0};
        put_text(&attribute, 1, "body");
        put_message(&attribute, 6, graph);
        put_message(&node, 5, attribute);
        put_message(&outer, 1, node);
        graph = outer;
        if (i == 50) {
            struct blob copy = {0};
            struct mlo_checkpoint cp;
            struct mlo_err err = {0};
            blob_put(&copy, graph.p, graph.n);
            copy = model_of(copy);
            check_ok(read_bytes(copy.p, copy.n, &cp, &err), &err);
            mlo_checkpoint_release(&cp);
            blob_free(&copy);
        }
    }
    refuse(model_of(graph), "nested deeper than 64");
}

/* ---- tensors ---- */

static void impossible_tensors_are_refused(void)
{
    struct blob t = tensor_of(1, (uint64_t)1 << 62); /* a hundred bytes that claim 2^62 elements */
    put_bytes(&t, 9, "\0\0\0\0", 4);
    refuse_tensor(t, "overflows");
    t = tensor_of(1, UINT64_MAX);
    refuse_tensor(t, "negative dimension");
    t = tensor_of(1, (uint64_t)1 << 40);
    put_number(&t, 1, (uint64_t)1 << 40);
    refuse_tensor(t, "overflows");
    t = tensor_of(1, 2);
    put_bytes(&t, 9, "\0\0\0\0", 4);
    refuse_tensor(t, "raw_data has another size");
    t = tensor_of(1, 1);
    put_bytes(&t, 9, "\0\0\0\0", 4);
    put_bytes(&t, 4, "\0\0\0\0", 4);
    refuse_tensor(t, "more than one field");
    t = tensor_of(1, 1);
    put_bytes(&t, 9, "\0\0\0\0", 4);
    put_bytes(&t, 9, "\0\0\0\0", 4);
    refuse_tensor(t, "raw_data given twice");
    refuse_tensor(tensor_of(1, 1), "no values");
    refuse_tensor(tensor_of(0, 1), "data type 0");
    refuse_tensor(tensor_of(27, 1), "data type 27");
    t = tensor_of(8, 1);
    put_bytes(&t, 9, "text", 4);
    refuse_tensor(t, "texts in raw_data");
    t = tensor_of(1, 3);
    put_bytes(&t, 4, "\0\0\0\0\0\0\0\0", 8);
    refuse_tensor(t, "another number of values");
    t = tensor_of(7, 100);
    put_bytes(&t, 7, "\1\2\3", 3);
    refuse_tensor(t, "another number of values");
    t = tensor_of(1, 1);
    put_number(&t, 3, 0);
    refuse_tensor(t, "in segments");
    t = (struct blob){0};
    for (int i = 0; i < 65; i++)
        put_number(&t, 1, 1);
    refuse_tensor(t, "more than 64 dimensions");
}

/* How many varints there are is known only by reading them. */
static void a_wrong_count_of_typed_values_is_found_when_read(void)
{
    static const char *const values[] = {"\1\2\xff\1",
                                         "\1\2\3\4"}; /* three and four numbers for a shape of [3] */
    for (size_t i = 0; i < MLO_COUNT(values); i++) {
        struct blob t = tensor_of(6, 3), got = {0};
        put_bytes(&t, 5, values[i], 4);
        struct blob b = model_with(t);
        struct mlo_checkpoint cp;
        struct mlo_err err = {0};
        struct mlo_mem mem = {b.p};
        struct mlo_source src = mlo_source_mem(&mem, b.n);
        check_ok(mlo_checkpoint_read(&src, &cp, &err), &err);
        int rc = cp.n_tensors == 1 ? mlo_tensor_read(&src, &cp.tensors[0], blob_sink, &got, &err) : 0;
        if (i == 0)
            check(rc == 0 && got.n == 12 && memcmp(got.p, "\1\0\0\0\2\0\0\0\xff\0\0\0", 12) == 0);
        else
            check_err(rc, MLO_EINVALID, &err, "more values");
        mlo_checkpoint_release(&cp);
        blob_free(&got);
        blob_free(&b);
    }
}

/* ---- external data ---- */

static struct blob outside(const char *location, const char *offset, const char *length)
{
    struct blob t = tensor_of(1, 4);
    const char *const entries[][2] = {
        {"location", location}, {"offset", offset}, {"length", length}, {"checksum", "00"}};
    put_number(&t, 14, 1);
    for (size_t i = 0; i < MLO_COUNT(entries); i++) {
        struct blob e = {0};
        if (!entries[i][1])
            continue;
        put_text(&e, 1, entries[i][0]);
        put_text(&e, 2, entries[i][1]);
        put_message(&t, 13, e);
    }
    return model_with(t);
}

static void paths_of_external_data_are_checked(void)
{
    static const char *const bad[] = {"../x", "/etc/passwd", "a/../../x", "a\\b", "",
                                      "a//b", "./x",         "C:\\x",     "a\tb", ".."};
    for (size_t i = 0; i < MLO_COUNT(bad); i++)
        refuse(outside(bad[i], NULL, NULL), "external data");
    refuse(outside(NULL, "0", "16"), "without a location");
    refuse(outside("w", "0", "12"), "another length");
    refuse(outside("w", "18446744073709551615", "16"), "another length");
    refuse(outside("w", "18446744073709551616", NULL), "no number");
    refuse(outside("w", "-1", NULL), "no number");
    struct blob t = tensor_of(1, 1);
    put_number(&t, 14, 1);
    put_bytes(&t, 9, "\0\0\0\0", 4);
    refuse_tensor(t, "data of its own");
    struct blob b = outside("dir/w.bin", "4096", NULL);
    struct mlo_checkpoint cp;
    struct mlo_err err = {0};
    check_ok(read_bytes(b.p, b.n, &cp, &err), &err);
    check(cp.n_external == 1 && strcmp(cp.external[0], "dir/w.bin") == 0);
    check(cp.n_tensors == 1 && cp.tensors[0].store == MLO_TS_EXTERNAL && cp.tensors[0].offset == 4096 &&
          cp.tensors[0].length == 16);
    mlo_checkpoint_release(&cp);
    blob_free(&b);
}

static void check_open(int dir, const char *path, uint64_t offset, uint64_t length, int code,
                       const char *reason)
{
    struct mlo_err err = {0};
    uint64_t size = 0;
    int fd = -1;
    int rc = mlo_external_open(dir, path, offset, length, &fd, &size, &err);
    if (code)
        check_err(rc, code, &err, reason);
    else
        check_ok(rc, &err);
    check((fd >= 0) == (rc == 0), "%s", path);
    if (fd >= 0)
        close(fd);
}

static void only_plain_files_with_one_name_are_opened(void)
{
    struct mlo_err err = {0};
    int dir = open(tap_tmpdir(), O_RDONLY | O_DIRECTORY);
    check_ok(mlo_write_file_at(dir, "plain", "0123456789", 10, 0600, &err), &err);
    check_ok(mlo_write_file_at(dir, "twice", "0123456789", 10, 0600, &err), &err);
    check(linkat(dir, "twice", dir, "hard", 0) == 0 && symlinkat("plain", dir, "soft") == 0 &&
          mkfifoat(dir, "fifo", 0600) == 0 && mkdirat(dir, "folder", 0700) == 0 &&
          symlinkat("folder", dir, "way") == 0);
    check_ok(mlo_write_file_at(dir, "folder/inner", "x", 1, 0600, &err), &err);
    check_open(dir, "plain", 0, 10, 0, NULL);
    check_open(dir, "plain", 4, 6, 0, NULL);
    check_open(dir, "folder/inner", 0, 1, 0, NULL);
    check_open(dir, "plain", 5, 6, MLO_EINVALID, "but the file has 10");
    check_open(dir, "plain", 11, 0, MLO_EINVALID, "but the file has 10");
    check_open(dir, "plain", UINT64_MAX, 2, MLO_EINVALID, "but the file has 10");
    check_open(dir, "hard", 0, 10, MLO_EINVALID, "hard link");
    check_open(dir, "fifo", 0, 0, MLO_EINVALID, "not a regular file");
    check_open(dir, "folder", 0, 0, MLO_EINVALID, "not a regular file");
    check_open(dir, "../plain", 0, 0, MLO_EINVALID, NULL);
    check_open(dir, "none", 0, 0, MLO_ENOTFOUND, NULL);
    int fd = -1;
    uint64_t size;
    check(mlo_external_open(dir, "soft", 0, 1, &fd, &size, &err) < 0 && fd < 0, "a symbolic link");
    check(mlo_external_open(dir, "way/inner", 0, 1, &fd, &size, &err) < 0 && fd < 0, "a link on the way");
    close(dir);
}

/* ---- ports ---- */

static void initializers_are_no_inputs_and_dimensions_keep_their_names(void)
{
    struct blob b = blob_file(GOLDEN "all.onnx");
    struct mlo_checkpoint cp;
    struct mlo_err err = {0};
    check_ok(read_bytes(b.p, b.n, &cp, &err), &err);
    if (check(cp.n_inputs == 2 && cp.n_outputs == 1)) {
        check_str(cp.inputs[0].name, "x");
        check_str(cp.inputs[0].type_name, "float32");
        check(cp.inputs[0].has_shape && cp.inputs[0].rank == 2);
        check_str(cp.inputs[0].dims[0], "N");
        check_str(cp.inputs[0].dims[1], "3");
        check_str(cp.inputs[1].name, "cond");
        check_int(cp.inputs[1].rank, 0);
        check_str(cp.outputs[0].name, "y");
    }
    check(cp.n_external == 1);
    mlo_checkpoint_release(&cp);
    blob_free(&b);
}

static struct blob golden;
static int read_golden(void)
{
    struct mlo_checkpoint cp;
    struct mlo_err err = {0};
    struct mlo_mem mem = {golden.p};
    struct mlo_source src = mlo_source_mem(&mem, golden.n);
    int rc = mlo_checkpoint_read(&src, &cp, &err);
    mlo_checkpoint_release(&cp);
    return rc;
}

static void memory_failures_and_mutations_do_no_harm(void)
{
    golden = blob_file(GOLDEN "all.onnx");
    check(each_alloc_failure(read_golden) > 20);
    mutate(&golden); /* a prefix that ends between fields may be a model */
    blob_free(&golden);
}

int main(void)
{
    run(the_wire_format_is_strict);
    run(versions_and_duplicates_are_checked);
    run(subgraphs_nested_a_thousand_deep_are_refused);
    run(impossible_tensors_are_refused);
    run(a_wrong_count_of_typed_values_is_found_when_read);
    run(paths_of_external_data_are_checked);
    run(only_plain_files_with_one_name_are_opened);
    run(initializers_are_no_inputs_and_dimensions_keep_their_names);
    run(memory_failures_and_mutations_do_no_harm);
    return done_testing();
}

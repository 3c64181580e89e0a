/* ModelProto: the file around the graph. */
#include "internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>

enum { M_IR = 1, M_PRODUCER, M_PRODUCER_VERSION, M_GRAPH = 7, M_OPSET, M_METADATA = 14, M_FUNCTIONS = 25 };
enum { FN_NAME = 1, FN_DOMAIN = 10, FN_OVERLOAD = 13 };

#define ARENA_LEAST ((size_t)256 << 20)
#define ARENA_TIMES ((size_t)24) /* what a byte of the file may become: numbers, nodes, names */

/* ---- parts ---- */

static int read_pair(struct mlo_model_reader *r, struct mlo_message m, const char **first,
                     struct mlo_field *second, struct mlo_err *err)
{
    struct mlo_field f;
    int rc;
    *first = "";
    *second = (struct mlo_field){.wire = MLO_WIRE_BYTES};
    while ((rc = mlo_message_next(&m, &f, err)) > 0) {
        if (f.number == 1)
            rc = mlo_wire_text(&f, "a name", &r->arena, first, err);
        else if (f.number == 2)
            *second = f;
        if (rc < 0)
            return rc;
    }
    return rc;
}

static int add_opset(struct mlo_model_reader *r, struct mlo_message m, struct mlo_err *err)
{
    struct mlo_opset o;
    struct mlo_field version;
    int rc = read_pair(r, m, &o.domain, &version, err);
    if (rc == 0 && r->model.n_opsets == MLO_MODEL_LISTS_MAX)
        return mlo_fail(err, MLO_EINVALID, "too many operator sets");
    if (rc == 0)
        rc = mlo_arena_grow(&r->arena, &r->opsets, &r->opsets_cap, r->model.n_opsets + 1, sizeof o, err);
    if (rc != 0)
        return rc;
    if (strcmp(o.domain, "ai.onnx") == 0)
        o.domain = "";
    o.version = (int64_t)version.value;
    r->opsets[r->model.n_opsets++] = o;
    r->model.opsets = r->opsets;
    return 0;
}

static int add_metadata(struct mlo_model_reader *r, struct mlo_message m, size_t *cap, struct mlo_err *err)
{
    struct mlo_text_pair p = {"", ""}, *all = (struct mlo_text_pair *)(uintptr_t)r->model.metadata;
    struct mlo_field value;
    int rc = read_pair(r, m, &p.key, &value, err);
    if (rc == 0 && mlo_message_left(&value.bytes) > MLO_MODEL_NAME_MAX)
        return 0; /* nothing that we would show */
    if (rc == 0)
        rc = mlo_wire_text(&value, "metadata", &r->arena, &p.value, err);
    if (rc == 0)
        rc = mlo_arena_grow(&r->arena, &all, cap, r->model.n_metadata + 1, sizeof p, err);
    if (rc != 0)
        return rc;
    all[r->model.n_metadata++] = p;
    r->model.metadata = all;
    return 0;
}

static int add_function(struct mlo_model_reader *r, struct mlo_message m, struct mlo_err *err)
{
    struct mlo_function fn = {.domain = "", .name = "", .overload = "", .body = m};
    struct mlo_field f;
    int rc;
    while ((rc = mlo_message_next(&m, &f, err)) > 0) {
        if (f.number == FN_NAME || f.number == FN_DOMAIN || f.number == FN_OVERLOAD)
            rc = mlo_wire_text(&f, "a function's name", &r->arena,
                               f.number == FN_NAME     ? &fn.name
                               : f.number == FN_DOMAIN ? &fn.domain
                                                       : &fn.overload,
                               err);
        if (rc < 0)
            return rc;
    }
    if (rc == 0)
        rc = mlo_arena_grow(&r->arena, &r->functions, &r->functions_cap, r->n_functions + 1, sizeof fn, err);
    if (rc != 0)
        return rc;
    if (strcmp(fn.domain, "ai.onnx") == 0)
        fn.domain = "";
    r->functions[r->n_functions++] = fn;
    return 0;
}

struct whole { /* of the file, besides what the model keeps */
    struct mlo_message graph;
    bool has_graph;
    size_t metadata_cap;
};

static int read_bytes_field(struct mlo_model_reader *r, const struct mlo_field *f, struct whole *w,
                            struct mlo_err *err)
{
    switch (f->number) {
    case M_PRODUCER:
        return mlo_wire_text(f, "the producer", &r->arena, &r->model.producer, err);
    case M_PRODUCER_VERSION:
        return mlo_wire_text(f, "the producer's version", &r->arena, &r->model.producer_version, err);
    case M_GRAPH:
        if (w->has_graph)
            return mlo_fail(err, MLO_EINVALID, "two graphs");
        w->graph = f->bytes;
        w->has_graph = true;
        return 0;
    case M_OPSET:
        return add_opset(r, f->bytes, err);
    case M_METADATA:
        return add_metadata(r, f->bytes, &w->metadata_cap, err);
    case M_FUNCTIONS:
        return add_function(r, f->bytes, err);
    default:
        return 0;
    }
}

static int read_model(struct mlo_model_reader *r, struct mlo_message m, struct mlo_err *err)
{
    struct whole w = {0};
    struct mlo_field f;
    int rc;
    while ((rc = mlo_message_next(&m, &f, err)) > 0) {
        if (f.number == M_IR && f.wire == MLO_WIRE_VARINT)
            r->model.ir_version = (int64_t)f.value;
        else if (f.wire == MLO_WIRE_BYTES && (rc = read_bytes_field(r, &f, &w, err)) != 0)
            return rc;
    }
    if (rc != 0)
        return rc;
    if (!w.has_graph)
        return mlo_fail(err, MLO_EINVALID, "there is no graph in it");
    if (r->model.ir_version < 1 || r->model.ir_version > MLO_MODEL_IR_MAX)
        return mlo_fail(err, MLO_EUNAVAIL, "IR version %" PRId64 " is not known", r->model.ir_version);
    return mlo_graph_read(r, NULL, w.graph, &r->model.graph, err);
}

/* ---- life ---- */

static struct mlo_model_reader *reader_new(size_t bytes, int dirfd, struct mlo_err *err)
{
    struct mlo_model_reader *r = mlo_calloc(1, sizeof *r, err);
    if (!r)
        return NULL;
    mlo_arena_init(&r->arena, ARENA_LEAST + (bytes > SIZE_MAX / 64 ? bytes : bytes * ARENA_TIMES));
    r->model.producer = r->model.producer_version = "";
    r->dirfd = dirfd;
    return r;
}

void mlo_onnx_close(struct mlo_onnx_model *m)
{
    struct mlo_model_reader *r = (struct mlo_model_reader *)m;
    if (!r)
        return;
    if (m->close) {
        m->close(m);
        return;
    }
    for (size_t i = 0; i < r->n_regions; i++) {
        munmap(r->regions[i].ptr, r->regions[i].n ? r->regions[i].n : 1);
        free(r->region_paths[i]);
    }
    free(r->regions);
    free(r->region_paths);
    free(r->copied);
    mlo_arena_release(&r->arena);
    free(r);
}

static int finish(struct mlo_model_reader *r, const void *bytes, size_t n, struct mlo_onnx_model **ret,
                  struct mlo_err *err)
{
    int rc = read_model(r, (struct mlo_message){bytes, (const uint8_t *)bytes + n}, err);
    r->dirfd = -1;
    for (size_t i = 0; rc == 0 && i < r->n_copied; i++)
        mlo_region_drop(r, r->copied[i].at, mlo_message_left(&r->copied[i]));
    if (rc != 0)
        mlo_onnx_close(&r->model);
    else
        *ret = &r->model;
    return rc;
}

int mlo_onnx_parse(const void *bytes, size_t n, int dirfd, struct mlo_onnx_model **ret, struct mlo_err *err)
{
    struct mlo_model_reader *r = reader_new(n, dirfd, err);
    if (!r)
        return err->code;
    r->model.file_bytes = n;
    r->given = (struct mlo_region){(void *)(uintptr_t)bytes, n};
    return finish(r, bytes, n, ret, err);
}

static int open_folder(const char *path, int *ret, struct mlo_err *err)
{
    const char *slash = strrchr(path, '/');
    MLO_AUTOFREE char *folder = slash ? mlo_memdup0(path, (size_t)(slash - path) + 1, err)
                                      : mlo_strdup(".", err);
    if (!folder)
        return err->code;
    *ret = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret < 0 ? mlo_fail_errno(err, "'%s'", folder) : 0;
}

static int open_file(const char *path, int *ret_fd, size_t *ret_size, struct mlo_err *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return mlo_fail_errno(err, "'%s'", path);
    *ret_fd = fd;
    if (fstat(fd, &st) < 0)
        return mlo_fail_errno(err, "'%s'", path);
    if (S_ISDIR(st.st_mode)) {
        mlo_fail(err, MLO_EUSAGE, "'%s' is a folder", path);
        return mlo_hint(err, "name the model's file in it");
    }
    if (!S_ISREG(st.st_mode))
        return mlo_fail(err, MLO_EINVALID, "'%s' is not a file", path);
    if ((uint64_t)st.st_size > MLO_MODEL_FILE_MAX)
        return mlo_fail(err, MLO_EINVALID, "'%s' is larger than any model", path);
    *ret_size = (size_t)st.st_size;
    return 0;
}

int mlo_onnx_open(const char *path, struct mlo_onnx_model **ret, struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = -1, dir = -1;
    struct mlo_region file = {0};
    size_t size = 0;
    int rc = open_file(path, &fd, &size, err);
    if (rc == 0)
        rc = open_folder(path, &dir, err);
    struct mlo_model_reader *r = rc == 0 ? reader_new(size, dir, err) : NULL;
    if (!r)
        return err->code;
    rc = mlo_region_read(r, fd, size, NULL, &file, err);
    if (rc != 0) {
        mlo_onnx_close(&r->model);
        return rc;
    }
    rc = finish(r, file.ptr, size, ret, err);
    return rc != 0 ? mlo_wrap(err, "'%s' is not a model that can be read", path) : 0;
}

const struct mlo_attr *mlo_node_attr(const struct mlo_node *n, const char *name)
{
    for (size_t i = 0; i < n->n_attrs; i++)
        if (strcmp(n->attrs[i].name, name) == 0)
            return &n->attrs[i];
    return NULL;
}

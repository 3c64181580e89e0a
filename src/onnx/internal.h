/* What the files of this folder share. */
#ifndef MLO_ONNX_INTERNAL_H
#define MLO_ONNX_INTERNAL_H

#include <mlopsctl/base/bytes.h>
#include <mlopsctl/base/names.h>
#include <mlopsctl/onnx.h>

#define MLO_MODEL_DEPTH     ((unsigned)64)       /* graphs in graphs, functions in functions */
#define MLO_MODEL_NODES_MAX ((size_t)4 << 20)    /* after functions are expanded */
#define MLO_MODEL_NAME_MAX  ((size_t)64 << 10)   /* bytes of a name */
#define MLO_MODEL_LISTS_MAX ((size_t)65536)      /* inputs or outputs of a node, dimensions, opsets */
#define MLO_MODEL_FILE_MAX  ((uint64_t)64 << 30) /* of a model with its external data */
#define MLO_MODEL_IR_MAX    ((int64_t)14)

/* ---- wire.c: protobuf ---- */

enum mlo_wire { MLO_WIRE_VARINT = 0, MLO_WIRE_FIXED64 = 1, MLO_WIRE_BYTES = 2, MLO_WIRE_FIXED32 = 5 };
struct mlo_message { /* what is left of one */
    const uint8_t *at, *end;
};
struct mlo_field {
    uint32_t number;
    enum mlo_wire wire;
    uint64_t value;           /* VARINT, FIXED32, FIXED64 */
    struct mlo_message bytes; /* BYTES */
};
/* 1 and the next field, 0 at the end. */
int mlo_message_next(struct mlo_message *m, struct mlo_field *ret, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_message_varint(struct mlo_message *m, uint64_t *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* How many whole fields with the number and type of f stand next in m. */
size_t mlo_message_run(struct mlo_message m, const struct mlo_field *f);
static inline size_t mlo_message_left(const struct mlo_message *m)
{
    return (size_t)(m->end - m->at);
}
/* The field must be of this wire type: MLO_EINVALID names `what`. */
int mlo_wire_want(const struct mlo_field *f, enum mlo_wire wire, const char *what,
                  struct mlo_err *err) MLO_MUST_CHECK;
/* Bytes as a text with a NUL of its own. */
int mlo_wire_text(const struct mlo_field *f, const char *what, struct mlo_arena *arena, const char **ret,
                  struct mlo_err *err) MLO_MUST_CHECK;

/* Adds f to a list of texts, and takes from m the fields that go on with it; their bytes stay where they are.
 */
struct mlo_wire_strings {
    struct mlo_slice *items;
    size_t n, cap;
};
int mlo_wire_strings(const struct mlo_field *f, struct mlo_message *m, struct mlo_arena *arena,
                     struct mlo_wire_strings *l, struct mlo_err *err) MLO_MUST_CHECK;

/* An array in an arena, growing by doubling; what it leaves behind stays in the arena. */
int mlo_arena_grow(struct mlo_arena *a, void *parray, size_t *cap, size_t need, size_t size,
                   struct mlo_err *err) MLO_MUST_CHECK;

/* ---- numbers.c: repeated numbers, packed or one by one ---- */

enum mlo_number { MLO_NUMBER_INT, MLO_NUMBER_FLOAT, MLO_NUMBER_DOUBLE };
struct mlo_numbers {
    enum mlo_number kind;
    union {
        void *all;
        int64_t *ints;
        float *floats;
        double *doubles;
    };
    size_t n, cap;
};
/* Adds the values of one occurrence of the field. */
int mlo_numbers_add(struct mlo_numbers *l, struct mlo_arena *arena, const struct mlo_field *f,
                    struct mlo_err *err) MLO_MUST_CHECK;

/* The same, and takes from m the fields that go on with the list: a list of a million numbers is often
 * written as so many fields. */
int mlo_numbers_add_run(struct mlo_numbers *l, struct mlo_arena *arena, const struct mlo_field *f,
                        struct mlo_message *m, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- reader ---- */

struct mlo_region { /* a file in memory */
    void *ptr;
    size_t n;
};
struct mlo_model_reader {
    struct mlo_onnx_model model; /* what the user sees; first */
    struct mlo_arena arena;
    struct mlo_region *regions; /* owned: the file, and each of external data */
    char **region_paths;        /* owned; NULL for the model's own file */
    size_t n_regions, regions_cap, paths_cap;
    struct mlo_message *copied; /* owned: what was not aligned, and is in the arena, too */
    size_t n_copied, copied_cap;
    struct mlo_region given; /* the caller's bytes */
    int dirfd;
    struct mlo_opset *opsets;
    size_t opsets_cap;
    struct mlo_function *functions; /* in the arena */
    size_t n_functions, functions_cap;
    size_t n_nodes; /* of all graphs so far */
    unsigned depth;
    bool read_once;  /* the tensor that is read now: nobody comes back to its message */
    bool node_named; /* in the message of what went wrong */
};
struct mlo_function {
    const char *domain, *name, *overload;
    struct mlo_message body;
};

/* tensor.c */
int mlo_tensor_proto_read(struct mlo_model_reader *r, struct mlo_arena *arena, struct mlo_message m,
                          struct mlo_array *ret, const char **ret_name, struct mlo_err *err) MLO_MUST_CHECK;
/* files.c: length bytes of an external file; UINT64_MAX: to its end. */
int mlo_region_external(struct mlo_model_reader *r, const char *path, uint64_t offset, uint64_t length,
                        struct mlo_slice *ret, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_region_read(struct mlo_model_reader *r, int fd, size_t n, char *path, struct mlo_region *ret,
                    struct mlo_err *err) MLO_MUST_CHECK;
/* Whole pages of n bytes go back to the system, when they lie in a file that was read. */
void mlo_region_drop(const struct mlo_model_reader *r, const void *bytes, size_t n);
/* type.c: a TypeProto into kind, dtype and shape of v. */
int mlo_type_read(struct mlo_model_reader *r, struct mlo_message m, struct mlo_graph_value *v,
                  struct mlo_err *err) MLO_MUST_CHECK;

/* graph.c */
struct mlo_scope;
/* The main graph: outer NULL. */
int mlo_graph_read(struct mlo_model_reader *r, struct mlo_scope *outer, struct mlo_message m,
                   const struct mlo_graph **ret, struct mlo_err *err) MLO_MUST_CHECK;

/* attr.c: what a node says, with the attributes of the function around it */
struct mlo_bindings {
    const struct mlo_attr *attrs; /* of the call, then the function's defaults */
    size_t n;
};
/* *ret_given false: it refers to an attribute that the call did not give. */
int mlo_attr_read(struct mlo_model_reader *r, struct mlo_scope *scope, const struct mlo_bindings *bound,
                  struct mlo_message m, struct mlo_attr *ret, bool *ret_given,
                  struct mlo_err *err) MLO_MUST_CHECK;

#endif

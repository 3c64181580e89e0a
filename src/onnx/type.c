/* TypeProto: what a value is. */
#include "internal.h"

enum { F_TENSOR = 1, F_SEQUENCE = 4, F_MAP = 5, F_OPTIONAL = 9 };
enum { F_ELEM = 1, F_SHAPE = 2 }; /* of Tensor; Sequence and Optional have a type in 1 */
enum { F_KEY = 1, F_VALUE = 2 };  /* of Map */
enum { F_DIM_VALUE = 1, F_DIM_PARAM = 2 };

static int read_dim(struct mlo_model_reader *r, struct mlo_message m, struct mlo_dim *ret,
                    struct mlo_err *err)
{
    struct mlo_field f;
    int rc;
    *ret = (struct mlo_dim){.size = -1};
    while ((rc = mlo_message_next(&m, &f, err)) > 0) {
        if (f.number == F_DIM_VALUE)
            ret->size = f.wire == MLO_WIRE_VARINT && (int64_t)f.value >= 0 ? (int64_t)f.value : -1;
        else if (f.number == F_DIM_PARAM &&
                 (rc = mlo_wire_text(&f, "a dimension's name", &r->arena, &ret->param, err)) != 0)
            return rc;
    }
    if (rc == 0 && ret->param && !*ret->param)
        ret->param = NULL;
    return rc;
}

static int read_shape(struct mlo_model_reader *r, struct mlo_message m, struct mlo_graph_value *v,
                      struct mlo_err *err)
{
    struct mlo_dim *dims = NULL;
    struct mlo_field f;
    size_t cap = 0;
    int rc;
    v->rank = 0;
    while ((rc = mlo_message_next(&m, &f, err)) > 0) {
        if (f.number != 1)
            continue;
        if (v->rank == MLO_RANK_MAX)
            return mlo_fail(err, MLO_EUNAVAIL, "'%s' has more than %d dimensions", v->name, MLO_RANK_MAX);
        rc = mlo_wire_want(&f, MLO_WIRE_BYTES, "a dimension", err);
        if (rc == 0)
            rc = mlo_arena_grow(&r->arena, &dims, &cap, v->rank + 1U, sizeof *dims, err);
        if (rc == 0)
            rc = read_dim(r, f.bytes, &dims[v->rank++], err);
        if (rc != 0)
            return rc;
    }
    v->has_shape = rc == 0;
    v->dims = dims;
    return rc;
}

static int read_tensor_type(struct mlo_model_reader *r, struct mlo_message m, struct mlo_graph_value *v,
                            struct mlo_err *err)
{
    struct mlo_field f;
    int rc;
    while ((rc = mlo_message_next(&m, &f, err)) > 0) {
        if (f.number == F_ELEM)
            v->dtype = mlo_onnx_type_of(f.wire == MLO_WIRE_VARINT ? f.value : 0);
        else if (f.number == F_SHAPE) {
            rc = mlo_wire_want(&f, MLO_WIRE_BYTES, "a shape", err);
            rc = rc == 0 ? read_shape(r, f.bytes, v, err) : rc;
            if (rc != 0)
                return rc;
        }
    }
    return rc;
}

/* Of what is inside only the element type is kept. */
static int read_inner(struct mlo_model_reader *r, struct mlo_message m, struct mlo_graph_value *v,
                      struct mlo_err *err)
{
    struct mlo_graph_value inner = {.name = v->name};
    struct mlo_field f;
    int rc;
    if (++r->depth > MLO_MODEL_DEPTH)
        return mlo_fail(err, MLO_EINVALID, "the type of '%s' is nested too deeply", v->name);
    while ((rc = mlo_message_next(&m, &f, err)) > 0) {
        bool type = v->kind == MLO_KIND_MAP ? f.number == F_VALUE : f.number == 1;
        if (v->kind == MLO_KIND_MAP && f.number == F_KEY)
            v->key = mlo_onnx_type_of(f.wire == MLO_WIRE_VARINT ? f.value : 0);
        if (!type)
            continue;
        rc = mlo_wire_want(&f, MLO_WIRE_BYTES, "a type", err);
        rc = rc == 0 ? mlo_type_read(r, f.bytes, &inner, err) : rc;
        if (rc != 0)
            return rc;
    }
    v->dtype = inner.dtype;
    v->key = v->kind == MLO_KIND_MAP ? v->key : inner.key;
    r->depth--;
    return rc;
}

int mlo_type_read(struct mlo_model_reader *r, struct mlo_message m, struct mlo_graph_value *v,
                  struct mlo_err *err)
{
    struct mlo_field f;
    int rc;
    while ((rc = mlo_message_next(&m, &f, err)) > 0) {
        v->kind = f.number == F_TENSOR     ? MLO_KIND_ARRAY
                  : f.number == F_SEQUENCE ? MLO_KIND_SEQUENCE
                  : f.number == F_MAP      ? MLO_KIND_MAP
                  : f.number == F_OPTIONAL ? MLO_KIND_OPTIONAL
                                           : v->kind;
        if (f.number != F_TENSOR && f.number != F_SEQUENCE && f.number != F_MAP && f.number != F_OPTIONAL)
            continue;
        rc = mlo_wire_want(&f, MLO_WIRE_BYTES, "a type", err);
        if (rc == 0)
            rc = f.number == F_TENSOR ? read_tensor_type(r, f.bytes, v, err) : read_inner(r, f.bytes, v, err);
        if (rc != 0)
            return rc;
    }
    return rc;
}

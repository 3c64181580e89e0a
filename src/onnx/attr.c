/* AttributeProto. Inside a function, one may stand for an attribute of the call. */
#include "internal.h"

#include <string.h>

enum {
    F_NAME = 1,
    F_F,
    F_I,
    F_S,
    F_T,
    F_G,
    F_FLOATS,
    F_INTS,
    F_STRINGS,
    F_TENSORS,
    F_GRAPHS,
    F_TP = 14,
    F_TPS,
    F_TYPE = 20,
    F_REF,
    F_SPARSE,
    F_SPARSES
};

struct proto {
    const char *name, *ref;
    uint64_t type; /* 0: not said */
    struct mlo_message one;
    float f;
    int64_t i;
    struct mlo_numbers floats, ints;
    struct mlo_wire_strings strings;
    struct mlo_array *tensors;
    size_t n_tensors, tensors_cap;
    uint32_t seen; /* the field that held a value */
};

static int add_tensor(struct mlo_model_reader *r, const struct mlo_field *f, struct proto *p,
                      struct mlo_err *err)
{
    const char *name;
    int rc = mlo_wire_want(f, MLO_WIRE_BYTES, "an attribute's tensor", err);
    if (rc == 0)
        rc = mlo_arena_grow(&r->arena, &p->tensors, &p->tensors_cap, p->n_tensors + 1, sizeof *p->tensors,
                            err);
    return rc == 0 ? mlo_tensor_proto_read(r, &r->arena, f->bytes, &p->tensors[p->n_tensors++], &name, err)
                   : rc;
}

static int take_float(const struct mlo_field *f, struct proto *p, struct mlo_err *err)
{
    uint32_t bits = (uint32_t)f->value;
    memcpy(&p->f, &bits, sizeof p->f);
    return mlo_wire_want(f, MLO_WIRE_FIXED32, "an attribute's number", err);
}

/* m: what follows. */
static int take_value(struct mlo_model_reader *r, const struct mlo_field *f, struct mlo_message *m,
                      struct proto *p, struct mlo_err *err)
{
    p->seen = f->number;
    switch (f->number) {
    case F_F:
        return take_float(f, p, err);
    case F_I:
        p->i = (int64_t)f->value;
        return mlo_wire_want(f, MLO_WIRE_VARINT, "an attribute's number", err);
    case F_S:
    case F_G:
        p->one = f->bytes;
        return mlo_wire_want(f, MLO_WIRE_BYTES, "an attribute's value", err);
    case F_T:
    case F_TENSORS:
        return add_tensor(r, f, p, err);
    case F_FLOATS:
        return mlo_numbers_add_run(&p->floats, &r->arena, f, m, err);
    case F_INTS:
        return mlo_numbers_add_run(&p->ints, &r->arena, f, m, err);
    case F_STRINGS:
        return mlo_wire_strings(f, m, &r->arena, &p->strings, err);
    default:
        return 0;
    }
}

static int read_proto(struct mlo_model_reader *r, struct mlo_message m, struct proto *p, struct mlo_err *err)
{
    struct mlo_field f;
    int rc;
    while ((rc = mlo_message_next(&m, &f, err)) > 0) {
        if (f.number == F_NAME)
            rc = mlo_wire_text(&f, "an attribute's name", &r->arena, &p->name, err);
        else if (f.number == F_REF)
            rc = mlo_wire_text(&f, "the name of a function's attribute", &r->arena, &p->ref, err);
        else if (f.number == F_TYPE)
            p->type = f.wire == MLO_WIRE_VARINT ? f.value : 0;
        else if ((f.number > F_NAME && f.number <= F_GRAPHS) || (f.number >= F_TP && f.number <= F_SPARSES))
            rc = take_value(r, &f, &m, p, err);
        if (rc < 0)
            return rc;
    }
    return rc;
}

/* Files before IR version 2 do not say the type; an empty list has no field to tell by. */
static uint64_t kind_of(const struct proto *p)
{
    static const uint8_t kinds[] = {
        [F_F] = MLO_ATTR_FLOAT,     [F_I] = MLO_ATTR_INT,           [F_S] = MLO_ATTR_STRING,
        [F_T] = MLO_ATTR_TENSOR,    [F_G] = MLO_ATTR_GRAPH,         [F_FLOATS] = MLO_ATTR_FLOATS,
        [F_INTS] = MLO_ATTR_INTS,   [F_STRINGS] = MLO_ATTR_STRINGS, [F_TENSORS] = MLO_ATTR_TENSORS,
        [F_GRAPHS] = MLO_ATTR_OTHER};
    if (p->type)
        return p->type;
    return p->seen < MLO_COUNT(kinds) ? kinds[p->seen] : MLO_ATTR_OTHER;
}

static int fill(struct mlo_model_reader *r, struct mlo_scope *scope, const struct proto *p,
                struct mlo_attr *a, struct mlo_err *err)
{
    switch (kind_of(p)) {
    case MLO_ATTR_FLOAT:
        a->f = p->f;
        break;
    case MLO_ATTR_INT:
        a->i = p->i;
        break;
    case MLO_ATTR_STRING:
        a->s = (struct mlo_slice){p->one.at ? (const char *)p->one.at : "", mlo_message_left(&p->one)};
        break;
    case MLO_ATTR_TENSOR:
        if (p->n_tensors == 0)
            return mlo_fail(err, MLO_EINVALID, "attribute '%s' has no tensor", p->name);
        a->tensors = &p->tensors[p->n_tensors - 1];
        break;
    case MLO_ATTR_GRAPH:
        a->kind = MLO_ATTR_GRAPH;
        return mlo_graph_read(r, scope, p->one, &a->graph, err);
    case MLO_ATTR_FLOATS:
        a->floats = p->floats.floats;
        a->n = p->floats.n;
        break;
    case MLO_ATTR_INTS:
        a->ints = p->ints.ints;
        a->n = p->ints.n;
        break;
    case MLO_ATTR_STRINGS:
        a->strings = p->strings.items;
        a->n = p->strings.n;
        break;
    case MLO_ATTR_TENSORS:
        a->tensors = p->tensors;
        a->n = p->n_tensors;
        break;
    default:
        a->kind = MLO_ATTR_OTHER;
        return 0;
    }
    a->kind = (enum mlo_attr_kind)kind_of(p);
    return 0;
}

static bool take_bound(const struct mlo_bindings *bound, const struct proto *p, struct mlo_attr *ret)
{
    for (size_t i = 0; bound && i < bound->n; i++)
        if (strcmp(bound->attrs[i].name, p->ref) == 0) {
            *ret = bound->attrs[i];
            ret->name = p->name;
            return true;
        }
    return false;
}

int mlo_attr_read(struct mlo_model_reader *r, struct mlo_scope *scope, const struct mlo_bindings *bound,
                  struct mlo_message m, struct mlo_attr *ret, bool *ret_given, struct mlo_err *err)
{
    struct proto p = {.name = ""};
    p.floats.kind = MLO_NUMBER_FLOAT;
    int rc = read_proto(r, m, &p, err);
    if (rc != 0)
        return rc;
    *ret_given = true;
    if (p.ref && *p.ref) {
        *ret_given = take_bound(bound, &p, ret);
        return 0;
    }
    *ret = (struct mlo_attr){.name = p.name};
    return fill(r, scope, &p, ret, err);
}

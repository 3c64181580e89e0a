/*
 * From the symbols of a PyTorch pickle to an index of tensors. A tensor is a call of one of torch's _rebuild
 * functions on a persistent id; its name is the path of dict keys and list positions that leads to it.
 *
 * Everything comes from the file, so every number is checked: sizes and strides are not negative, the last
 * element lies inside the storage, the storage is as large as its type and count say. Containers may be
 * shared and may hold themselves; depth and visits are bounded.
 */
#include "torch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- types ---- */

static const struct mlo_torch_type types[] = {
    {"float32", "Float", MLO_DT_F32, 4},
    {"float64", "Double", MLO_DT_F64, 8},
    {"float16", "Half", MLO_DT_F16, 2},
    {"bfloat16", "BFloat16", MLO_DT_BF16, 2},
    {"int64", "Long", MLO_DT_I64, 8},
    {"int32", "Int", MLO_DT_I32, 4},
    {"int16", "Short", MLO_DT_I16, 2},
    {"int8", "Char", MLO_DT_I8, 1},
    {"uint8", "Byte", MLO_DT_U8, 1},
    {"bool", "Bool", MLO_DT_BOOL, 1},
    {"complex64", "ComplexFloat", MLO_DT_C64, 8},
    {"complex128", "ComplexDouble", MLO_DT_C128, 16},
    {"qint8", "QInt8", MLO_DT_I8, 1},
    {"quint8", "QUInt8", MLO_DT_U8, 1},
    {"qint32", "QInt32", MLO_DT_I32, 4},
    {"quint4x2", "QUInt4x2", MLO_DT_RAW, 0},
    {"quint2x4", "QUInt2x4", MLO_DT_RAW, 0},
    {"uint16", NULL, MLO_DT_U16, 2},
    {"uint32", NULL, MLO_DT_U32, 4},
    {"uint64", NULL, MLO_DT_U64, 8},
    {"float8_e4m3fn", NULL, MLO_DT_F8_E4M3, 1},
    {"float8_e4m3fnuz", NULL, MLO_DT_F8_E4M3FNUZ, 1},
    {"float8_e5m2", NULL, MLO_DT_F8_E5M2, 1},
    {"float8_e5m2fnuz", NULL, MLO_DT_F8_E5M2FNUZ, 1},
    {"float8_e8m0fnu", NULL, MLO_DT_F8_E8M0, 1},
    {"float4_e2m1fn_x2", NULL, MLO_DT_RAW, 1},
    {"complex32", NULL, MLO_DT_RAW, 4},
};
static const struct mlo_torch_type untyped = {"uint8", NULL, MLO_DT_U8, 1};

static bool in_torch(const char *module)
{
    return strcmp(module, "torch") == 0 || strcmp(module, "torch.cuda") == 0;
}

const struct mlo_torch_type *mlo_torch_storage_type(const struct mlo_pickle *p, struct mlo_pv class)
{
    if (class.kind != MLO_PV_GLOBAL || !in_torch(p->globals[class.ref].module))
        return NULL;
    const char *name = p->globals[class.ref].name;
    for (size_t i = 0; i < MLO_COUNT(types); i++) {
        size_t n = types[i].storage ? strlen(types[i].storage) : 0;
        if (n && strncmp(name, types[i].storage, n) == 0 && strcmp(name + n, "Storage") == 0)
            return &types[i];
    }
    return NULL;
}

static const struct mlo_torch_type *dtype_named(const struct mlo_pickle *p, struct mlo_pv v)
{
    if (v.kind != MLO_PV_GLOBAL || strcmp(p->globals[v.ref].module, "torch") != 0)
        return NULL;
    for (size_t i = 0; i < MLO_COUNT(types); i++)
        if (strcmp(p->globals[v.ref].name, types[i].name) == 0)
            return &types[i];
    return NULL;
}

static bool as_count(struct mlo_pv v, uint64_t *ret)
{
    if (v.kind != MLO_PV_INT || v.u > INT64_MAX)
        return false;
    *ret = v.u;
    return true;
}

static int short_text(struct mlo_pickle *p, struct mlo_pv v, char buf[MLO_TORCH_KEY_MAX + 1], bool *ret_ok,
                      struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str s;
    mlo_str_init(&s, MLO_TORCH_KEY_MAX);
    int r = mlo_pv_text(p, v, &s, ret_ok, err);
    if (r == 0)
        memcpy(buf, s.ptr, s.len + 1);
    return r;
}

int mlo_torch_storage_id(struct mlo_pickle *p, const struct mlo_pnode *persid,
                         struct mlo_torch_storage_id *ret, bool *ret_ok, struct mlo_err *err)
{
    char tag[MLO_TORCH_KEY_MAX + 1];
    bool tag_ok, key_ok;
    const struct mlo_pnode *id = persid && persid->args ? &p->nodes[persid->args] : NULL;
    struct mlo_pv class = mlo_pv_item(p, id, 1), view = mlo_pv_item(p, id, 5);
    *ret_ok = false;
    int r = short_text(p, mlo_pv_item(p, id, 0), tag, &tag_ok, err);
    if (r == 0)
        r = short_text(p, mlo_pv_item(p, id, 2), ret->key, &key_ok, err);
    if (r < 0 || !tag_ok || !key_ok || strcmp(tag, "storage") != 0 || class.kind != MLO_PV_GLOBAL)
        return r;
    ret->type = mlo_torch_storage_type(p, class);
    ret->view = id->count > 5 && view.kind != MLO_PV_NONE;
    *ret_ok = as_count(mlo_pv_item(p, id, 4), &ret->numel);
    return 0;
}

/* ---- one tensor ---- */

struct view {
    struct mlo_torch_storage_id id;
    const struct mlo_torch_type *type;
    uint64_t offset; /* in elements */
    uint32_t rank;
    uint64_t shape[MLO_MAX_RANK];
    int64_t stride[MLO_MAX_RANK];
};

static const char *tensor_name(const struct mlo_torch_index *x)
{
    return x->path.len ? x->path.ptr : "tensor";
}

static int refuse(const struct mlo_torch_index *x, struct mlo_err *err, const char *why)
{
    char shown[MLO_SHOWN];
    const char *name = tensor_name(x);
    return mlo_fail(err, MLO_EINVALID, "tensor \"%s\": %s", mlo_shown(name, strlen(name), shown), why);
}

/* A tuple (or torch.Size) of counts; -1 when it is none or too long. */
static int dims_of(const struct mlo_pickle *p, struct mlo_pv v, uint64_t out[MLO_MAX_RANK])
{
    if (mlo_pv_is_call(p, v, "torch", "Size"))
        v = mlo_pv_item(p, mlo_pv_args(p, v), 0);
    const struct mlo_pnode *n = v.kind == MLO_PV_TUPLE || v.kind == MLO_PV_LIST ? mlo_pv_node(p, v) : NULL;
    int rank = 0;
    if (!n || n->count > MLO_MAX_RANK)
        return -1;
    for (uint32_t c = n->first; c; c = p->cells[c].next)
        if (!as_count(p->cells[c].v, &out[rank++]))
            return -1;
    return rank;
}

static bool row_major(const struct view *v)
{
    uint64_t want = 1;
    for (uint32_t i = v->rank; i-- > 0;) {
        if (v->shape[i] != 1 && (uint64_t)v->stride[i] != want)
            return false;
        if (!mlo_mul_u64(want, v->shape[i], &want))
            return false;
    }
    return true;
}

/* Elements from the first to just after the last; false on overflow. */
static bool reach_of(const struct view *v, uint64_t *ret)
{
    uint64_t reach = 1, step;
    for (uint32_t i = 0; i < v->rank; i++) {
        if (v->shape[i] == 0) {
            *ret = 0;
            return true;
        }
        if (!mlo_mul_u64(v->shape[i] - 1, (uint64_t)v->stride[i], &step) || !mlo_add_u64(reach, step, &reach))
            return false;
    }
    *ret = reach;
    return true;
}

static void *copy_dims(struct mlo_checkpoint *cp, const void *dims, uint32_t rank, struct mlo_err *err)
{
    void *copy = mlo_arena_alloc(&cp->arena, rank ? rank : 1, sizeof(uint64_t), err);
    if (copy)
        memcpy(copy, dims, rank * sizeof(uint64_t));
    return copy;
}

/* Name, type, shape and sizes; where the bytes are is the caller's. */
static int start_tensor(struct mlo_torch_index *x, const struct view *v, struct mlo_tensor *t,
                        struct mlo_err *err)
{
    const char *name = tensor_name(x);
    *t = (struct mlo_tensor){
        .dtype = v->type->dtype, .type_name = v->type->name, .rank = v->rank, .store = MLO_TS_NONE};
    int r = mlo_cp_text(x->cp, name, strlen(name), &t->name, err);
    if (r < 0)
        return r;
    t->shape = copy_dims(x->cp, v->shape, v->rank, err);
    if (!t->shape)
        return err->code;
    r = mlo_tensor_measure(t, err);
    if (r == 0 && v->type->dtype == MLO_DT_RAW && !mlo_mul_u64(t->elements, v->type->bytes, &t->bytes))
        r = refuse(x, err, "the byte size overflows");
    return r;
}

static int place_in(struct mlo_torch_index *x, const struct view *v, const struct mlo_torch_data *d,
                    struct mlo_tensor *t, struct mlo_err *err)
{
    uint64_t reach, end, item = v->type->bytes;
    if (!reach_of(v, &reach) || !mlo_add_u64(v->offset, reach, &end) || end > d->bytes / item)
        return refuse(x, err, "it reaches outside its storage");
    bool plain = row_major(v) || t->elements < 2;
    t->swap = x->swap && item > 1;
    if (d->packed) {
        if (!plain || v->offset != 0 || t->bytes != d->bytes)
            return mlo_cp_warn(x->cp, err, "tensors that are views into compressed storages are not read");
        t->store = MLO_TS_DEFLATED;
        t->offset = d->offset;
        t->length = d->packed;
        t->crc = d->crc;
        return 0;
    }
    t->store = plain ? MLO_TS_RANGE : MLO_TS_STRIDED;
    t->offset = d->offset + v->offset * item;
    t->length = plain ? t->bytes : reach * item;
    t->stride = plain ? NULL : copy_dims(x->cp, v->stride, v->rank, err);
    return plain || t->stride ? 0 : err->code;
}

static int place(struct mlo_torch_index *x, const struct view *v, struct mlo_tensor *t, struct mlo_err *err)
{
    struct mlo_torch_data d;
    uint64_t bytes;
    const struct mlo_torch_type *stored = v->id.type ? v->id.type : &untyped;
    if (v->type->bytes == 0 || v->id.view)
        return mlo_cp_warn(x->cp, err,
                           "tensors of packed types or of storage views are listed without their bytes");
    int r = x->find(x->ctx, v->id.key, &d, err);
    if (r < 0)
        return r == MLO_ENOTFOUND ? refuse(x, err, "its storage is not in the file") : r;
    if (!mlo_mul_u64(v->id.numel, stored->bytes, &bytes) || bytes != d.bytes)
        return refuse(x, err, "its storage has another size than its description");
    return place_in(x, v, &d, t, err);
}

static int add_tensor(struct mlo_torch_index *x, const struct view *v, struct mlo_err *err)
{
    struct mlo_tensor t;
    int r = start_tensor(x, v, &t, err);
    if (r == 0)
        r = place(x, v, &t, err);
    return r < 0 ? r : mlo_cp_add_tensor(x->cp, &t, err);
}

/* (storage, offset, size, stride, ...) of the _rebuild functions; `dtype` overrules the storage's. */
static int add_view(struct mlo_torch_index *x, const struct mlo_pnode *args, struct mlo_pv dtype,
                    struct mlo_err *err)
{
    struct view v = {0};
    struct mlo_pickle *p = x->p;
    struct mlo_pv storage = mlo_pv_item(p, args, 0);
    bool ok = false;
    int r = storage.kind == MLO_PV_PERSID ? mlo_torch_storage_id(p, mlo_pv_node(p, storage), &v.id, &ok, err)
                                          : 0;
    if (r < 0 || !ok)
        return r < 0 ? r : refuse(x, err, "it names no storage");
    v.type = dtype.kind == MLO_PV_GLOBAL ? dtype_named(p, dtype) : v.id.type ? v.id.type : &untyped;
    if (!v.type)
        return refuse(x, err, "unknown element type");
    uint64_t stride[MLO_MAX_RANK];
    int rank = dims_of(p, mlo_pv_item(p, args, 2), v.shape);
    if (!as_count(mlo_pv_item(p, args, 1), &v.offset) || rank < 0 ||
        dims_of(p, mlo_pv_item(p, args, 3), stride) != rank)
        return refuse(x, err, "its offset, size or stride are no counts");
    v.rank = (uint32_t)rank;
    for (int i = 0; i < rank; i++)
        v.stride[i] = (int64_t)stride[i];
    return add_tensor(x, &v, err);
}

/* A storage saved for itself: one row. */
static int add_storage(struct mlo_torch_index *x, struct mlo_pv persid, struct mlo_err *err)
{
    struct view v = {.rank = 1, .stride = {1}};
    bool ok;
    int r = mlo_torch_storage_id(x->p, mlo_pv_node(x->p, persid), &v.id, &ok, err);
    if (r < 0 || !ok)
        return r;
    v.type = v.id.type ? v.id.type : &untyped;
    v.shape[0] = v.id.numel;
    return add_tensor(x, &v, err);
}

/* (dtype, size, stride, requires_grad): a tensor without data. */
static int add_meta_tensor(struct mlo_torch_index *x, const struct mlo_pnode *args, struct mlo_err *err)
{
    struct view v = {0};
    struct mlo_tensor t;
    v.type = dtype_named(x->p, mlo_pv_item(x->p, args, 0));
    int rank = dims_of(x->p, mlo_pv_item(x->p, args, 1), v.shape);
    if (!v.type || rank < 0)
        return refuse(x, err, "unknown element type, or its size is no count");
    v.rank = (uint32_t)rank;
    int r = start_tensor(x, &v, &t, err);
    return r < 0 ? r : mlo_cp_add_tensor(x->cp, &t, err);
}

/* ---- the graph ---- */

static int visit(struct mlo_torch_index *x, struct mlo_pv v, struct mlo_err *err);

static int visit_as(struct mlo_torch_index *x, const char *part, struct mlo_pv v, struct mlo_err *err)
{
    size_t before = x->path.len;
    if (before && *part)
        mlo_str_addc(&x->path, '.');
    mlo_str_add(&x->path, part);
    int r = mlo_str_check(&x->path, err);
    if (r == 0)
        r = visit(x, v, err);
    x->path.len = before;
    x->path.ptr[before] = '\0';
    return r;
}

static int visit_items(struct mlo_torch_index *x, const struct mlo_pnode *n, struct mlo_err *err)
{
    char part[24];
    uint64_t i = 0;
    int r = 0;
    for (uint32_t c = n->first; c && r == 0; c = x->p->cells[c].next) {
        snprintf(part, sizeof part, "%" PRIu64, i++);
        r = visit_as(x, part, x->p->cells[c].v, err);
    }
    return r;
}

/* The containers of a module are no part of its tensors' names, as in a state dict. */
static bool is_plumbing(const char *key)
{
    return strcmp(key, "_parameters") == 0 || strcmp(key, "_buffers") == 0 || strcmp(key, "_modules") == 0;
}

static int key_text(struct mlo_torch_index *x, struct mlo_pv key, struct mlo_str *out, struct mlo_err *err)
{
    bool ok;
    int r = mlo_pv_text(x->p, key, out, &ok, err);
    if (r < 0 || ok)
        return r;
    mlo_str_clear(out);
    if (key.kind == MLO_PV_INT)
        mlo_str_addf(out, "%" PRId64, (int64_t)key.u);
    else
        mlo_str_add(out, key.kind == MLO_PV_STR ? "(long)" : key.kind == MLO_PV_NONE ? "None" : "?");
    return mlo_str_check(out, err);
}

/* Numbers and texts at the top of a checkpoint ("epoch": 3) are worth showing. */
static int note_scalar(struct mlo_torch_index *x, const char *key, struct mlo_pv v, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    bool ok = true;
    int r = 0;
    mlo_str_init(&text, 256);
    if (v.kind == MLO_PV_INT)
        mlo_str_addf(&text, "%" PRId64, (int64_t)v.u);
    else if (v.kind == MLO_PV_BOOL)
        mlo_str_add(&text, v.u ? "true" : "false");
    else
        r = mlo_pv_text(x->p, v, &text, &ok, err);
    if (r < 0 || !ok || memchr(text.ptr, '\0', text.len) || x->cp->n_meta == MLO_CP_MAX_META)
        return r;
    return mlo_cp_add_meta(x->cp, key, text.ptr, err);
}

static int visit_pairs(struct mlo_torch_index *x, const struct mlo_pnode *n, bool attributes,
                       struct mlo_err *err)
{
    const struct mlo_pcell *cells = x->p->cells;
    MLO_AUTOSTR struct mlo_str key;
    mlo_str_init(&key, MLO_TORCH_NAME_MAX / 4);
    bool top = x->depth == 1 && !attributes;
    int r = 0;
    for (uint32_t c = n->first; c && cells[c].next && r == 0; c = cells[cells[c].next].next) {
        struct mlo_pv v = cells[cells[c].next].v;
        mlo_str_clear(&key);
        r = key_text(x, cells[c].v, &key, err);
        if (r == 0 && memchr(key.ptr, '\0', key.len))
            r = refuse(x, err, "a key with a NUL byte below it");
        if (r == 0 && top)
            r = note_scalar(x, key.ptr, v, err);
        if (r == 0)
            r = visit_as(x, attributes && is_plumbing(key.ptr) ? "" : key.ptr, v, err);
    }
    return r;
}

static const struct {
    const char *module, *name;
    int dtype_at; /* position of the dtype among the arguments; -1: the storage's */
} rebuilds[] = {
    {"torch._utils", "_rebuild_tensor", -1},
    {"torch._utils", "_rebuild_tensor_v2", -1},
    {"torch._utils", "_rebuild_tensor_v3", 6},
    {"torch._utils", "_rebuild_qtensor", -1},
};

/* A function of torch applied to a tuple of arguments. *ret_done: it was one that makes tensors. */
static int visit_rebuild(struct mlo_torch_index *x, struct mlo_pv made, const struct mlo_pnode *args,
                         bool *ret_done, struct mlo_err *err)
{
    struct mlo_pickle *p = x->p;
    *ret_done = true;
    for (size_t i = 0; i < MLO_COUNT(rebuilds); i++)
        if (mlo_pv_is_call(p, made, rebuilds[i].module, rebuilds[i].name)) {
            struct mlo_pv dtype = {.kind = MLO_PV_NONE};
            if (rebuilds[i].dtype_at >= 0)
                dtype = mlo_pv_item(p, args, (size_t)rebuilds[i].dtype_at);
            return add_view(x, args, dtype, err);
        }
    if (mlo_pv_is_call(p, made, "torch._utils", "_rebuild_parameter") ||
        mlo_pv_is_call(p, made, "torch._utils", "_rebuild_parameter_with_state"))
        return visit(x, mlo_pv_item(p, args, 0), err);
    if (mlo_pv_is_call(p, made, "torch._utils", "_rebuild_meta_tensor_no_storage"))
        return add_meta_tensor(x, args, err);
    if (mlo_pv_is_call(p, made, "torch._utils",
                       "_rebuild_sparse_tensor")) { /* layout, (indices, values, size, ...) */
        const struct mlo_pnode *parts = mlo_pv_node(p, mlo_pv_item(p, args, 1));
        return parts ? visit_items(x, parts, err) : 0;
    }
    *ret_done = false;
    return 0;
}

/* _rebuild_from_type_v2(function, type, arguments, state): a subclass of Tensor. */
static int visit_subclass(struct mlo_torch_index *x, const struct mlo_pnode *args, struct mlo_err *err)
{
    struct mlo_pv function = mlo_pv_item(x->p, args, 0);
    const struct mlo_pnode *inner = mlo_pv_node(x->p, mlo_pv_item(x->p, args, 2));
    struct mlo_pv made = {.kind = MLO_PV_OBJECT, .u = function.ref + (uint64_t)1};
    bool done;
    return function.kind == MLO_PV_GLOBAL && inner ? visit_rebuild(x, made, inner, &done, err) : 0;
}

static int visit_object(struct mlo_torch_index *x, struct mlo_pv v, struct mlo_err *err)
{
    const struct mlo_pnode *n = mlo_pv_node(x->p, v), *args = mlo_pv_args(x->p, v);
    bool done = false;
    if (!n)
        return 0;
    int r = args ? visit_rebuild(x, v, args, &done, err) : 0;
    if (r < 0 || done)
        return r;
    if (args && mlo_pv_is_call(x->p, v, "torch._tensor", "_rebuild_from_type_v2"))
        return visit_subclass(x, args, err);
    r = visit_pairs(x, n, false, err); /* OrderedDict and other mappings; empty for the rest */
    const struct mlo_pnode *state = n->state.kind == MLO_PV_DICT ? mlo_pv_node(x->p, n->state) : NULL;
    return r == 0 && state ? visit_pairs(x, state, true, err) : r;
}

static int visit_kind(struct mlo_torch_index *x, struct mlo_pv v, struct mlo_err *err)
{
    const struct mlo_pnode *n = mlo_pv_node(x->p, v);
    if (!n)
        return 0;
    if (v.kind == MLO_PV_DICT)
        return visit_pairs(x, n, false, err);
    if (v.kind == MLO_PV_LIST || v.kind == MLO_PV_TUPLE)
        return visit_items(x, n, err);
    if (v.kind == MLO_PV_OBJECT)
        return visit_object(x, v, err);
    return v.kind == MLO_PV_PERSID ? add_storage(x, v, err) : 0;
}

static int visit(struct mlo_torch_index *x, struct mlo_pv v, struct mlo_err *err)
{
    if (++x->visits > MLO_TORCH_MAX_VISITS)
        return mlo_fail(err, MLO_EINVALID, "more than %" PRIu64 " values in the object graph",
                        MLO_TORCH_MAX_VISITS);
    if (x->depth == MLO_TORCH_DEPTH)
        return mlo_cp_warn(x->cp, err, "objects nested deeper than %d are not indexed", MLO_TORCH_DEPTH);
    x->depth++;
    int r = visit_kind(x, v, err);
    x->depth--;
    return r;
}

/* ---- names ---- */

static int by_name(const void *a, const void *b)
{
    const struct mlo_tensor *x = *(struct mlo_tensor *const *)a, *y = *(struct mlo_tensor *const *)b;
    int c = strcmp(x->name, y->name);
    return c ? c : x < y ? -1 : x > y;
}

/* {"a.b": x, "a": {"b": y}} gives one path twice: later ones get "#2", "#3". */
static int number_equal_names(struct mlo_checkpoint *cp, struct mlo_err *err)
{
    if (cp->n_tensors < 2)
        return 0;
    MLO_AUTOFREE struct mlo_tensor **order = mlo_calloc(cp->n_tensors, sizeof *order, err);
    MLO_AUTOSTR struct mlo_str name;
    mlo_str_init(&name, MLO_TORCH_NAME_MAX + 32);
    if (!order)
        return err->code;
    for (size_t i = 0; i < cp->n_tensors; i++)
        order[i] = &cp->tensors[i];
    qsort(order, cp->n_tensors, sizeof *order, by_name);
    const char *base = order[0]->name;
    for (size_t i = 1, k = 1; i < cp->n_tensors; i++) {
        k = strcmp(order[i]->name, base) == 0 ? k + 1 : 1;
        if (k == 1) {
            base = order[i]->name;
            continue;
        }
        mlo_str_clear(&name);
        mlo_str_addf(&name, "%s#%zu", base, k);
        int r = mlo_str_check(&name, err);
        if (r == 0)
            r = mlo_cp_text(cp, name.ptr, name.len, &order[i]->name, err);
        if (r < 0)
            return r;
    }
    return mlo_cp_unique_names(cp, err);
}

int mlo_torch_index(struct mlo_torch_index *x, struct mlo_err *err)
{
    if (x->p->forgot)
        return mlo_fail(err, MLO_EINVALID, "object graph too large to index");
    mlo_str_init(&x->path, MLO_TORCH_NAME_MAX);
    int r = visit(x, x->p->result, err);
    mlo_str_release(&x->path);
    return r < 0 ? r : number_equal_names(x->cp, err);
}

/*
 * joblib's plain files: a pickle in which the bytes of each array follow the BUILD of its NumpyArrayWrapper,
 * outside the opcodes. To go on walking, the walker has to know how many there are. An array of objects is a
 * pickle of its own in that place.
 */
#include "pickle.h"

#include <string.h>

struct array {
    uint64_t bytes;
    bool objects, padded;
};

static int text_of(struct mlo_pickle *p, struct mlo_pv v, char buf[16], struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str s;
    bool ok;
    mlo_str_init(&s, 15);
    int r = mlo_pv_text(p, v, &s, &ok, err);
    if (r == 0)
        memcpy(buf, s.ptr, s.len + 1);
    return r;
}

/* "f8" of numpy.dtype("f8", False, True): bytes of an element; 0 when it cannot be told. */
static uint64_t item_size(const char *code, bool *ret_objects)
{
    uint64_t n = 0;
    *ret_objects = *code == 'O';
    for (const char *s = code + (*code != '\0'); *s; s++) {
        if (*s < '0' || *s > '9' || n > UINT32_MAX)
            return 0;
        n = n * 10 + (uint64_t)(*s - '0');
    }
    return *code == 'U' ? 4 * n : n;
}

static int read_wrapper(struct mlo_pickle *p, struct mlo_pv object, struct array *ret, bool *ret_ok,
                        struct mlo_err *err)
{
    struct mlo_pv shape, dtype, align;
    char code[16];
    *ret_ok = false;
    const struct mlo_pnode *o = mlo_pv_node(p, object);
    const struct mlo_pnode *state = o ? mlo_pv_node(p, o->state) : NULL;
    int r = mlo_pv_get(p, state, "shape", &shape, err);
    if (r == 0)
        r = mlo_pv_get(p, state, "dtype", &dtype, err);
    if (r == 0)
        r = mlo_pv_get(p, state, "numpy_array_alignment_bytes", &align, err);
    if (r == 0)
        r = text_of(p, mlo_pv_item(p, mlo_pv_args(p, dtype), 0), code, err);
    const struct mlo_pnode *dims = mlo_pv_node(p, shape);
    if (r < 0 || !mlo_pv_is_call(p, dtype, "numpy", "dtype") || shape.kind != MLO_PV_TUPLE || !dims)
        return r;
    ret->padded = align.kind == MLO_PV_INT;
    ret->bytes = item_size(code, &ret->objects);
    *ret_ok = ret->bytes > 0;
    for (uint32_t c = dims->first; c && *ret_ok; c = p->cells[c].next)
        *ret_ok = p->cells[c].v.kind == MLO_PV_INT && mlo_mul_u64(ret->bytes, p->cells[c].v.u, &ret->bytes);
    return 0;
}

static int skip_objects(struct mlo_pickle *p, struct mlo_err *err)
{
    if (p->depth >= MLO_SCAN_DEPTH)
        return mlo_pickle_bad(p, err, "arrays of objects nested deeper than %d", MLO_SCAN_DEPTH);
    MLO_AUTOPICKLE struct mlo_pickle inner;
    mlo_pickle_init(&inner, p->src, p->win.pos, p->win.end, p->cp, p->where);
    inner.depth = p->depth + 1;
    inner.joblib = true;
    int r = mlo_pickle_next(&inner, err);
    if (inner.worst > p->worst)
        p->worst = inner.worst;
    p->imports += inner.imports;
    return r < 0 ? r : mlo_win_skip(&p->win, inner.win.pos - p->win.pos, err);
}

int mlo_joblib_build(struct mlo_pickle *p, struct mlo_pv object, struct mlo_err *err)
{
    struct array a = {0};
    bool ok;
    uint8_t pad;
    if (!mlo_pv_is_call(p, object, "joblib.numpy_pickle", "NumpyArrayWrapper"))
        return 0;
    p->saw_joblib = true;
    if (!p->joblib)
        return 0;
    int r = read_wrapper(p, object, &a, &ok, err);
    if (r < 0)
        return r;
    if (!ok)
        return mlo_pickle_note(p, MLO_VERDICT_UNSCANNED, "joblib array of a kind that cannot be skipped",
                               err);
    if (a.objects)
        return skip_objects(p, err);
    if (a.padded) {
        r = mlo_win_u8(&p->win, &pad, err);
        if (r == 0)
            r = mlo_win_skip(&p->win, pad, err);
    }
    return r < 0 ? r : mlo_win_skip(&p->win, a.bytes, err);
}

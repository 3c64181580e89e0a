/* The onnx project's cases: run a model on recorded inputs, compare with recorded outputs. */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/io.h>

#include "internal.h"
#include "infer/ops/ml.h"

#define RUNS          3 /* of each set: the first is watched, the others have their memory laid out */
#define CASE_FILE_MAX ((size_t)1 << 30)

struct files { /* what a case has read; freed at its end */
    char **items;
    size_t n, cap;
    struct mlo_arena arena;
};

static int slurp(struct files *f, const char *path, const char **ret, size_t *ret_n, struct mlo_err *err)
{
    int rc = mlo_grow(&f->items, &f->cap, f->n + 1, sizeof *f->items, err);
    if (rc == 0)
        rc = mlo_slurp_at(AT_FDCWD, path, CASE_FILE_MAX, &f->items[f->n], ret_n, err);
    if (rc == 0)
        *ret = f->items[f->n++];
    return rc;
}

static int read_list(struct files *f, const char *bytes, size_t n, enum mlo_value_kind kind,
                     struct mlo_value *v, struct mlo_err *err)
{
    struct mlo_array *arrays;
    size_t count;
    int rc = mlo_onnx_read_tensors(bytes, n, kind, &f->arena, &arrays, &count, err);
    if (rc != 0)
        return rc;
    struct mlo_value *items = mlo_arena_alloc(&f->arena, count + 1, sizeof *items, err);
    if (!items)
        return err->code;
    for (size_t i = 0; i < count; i++)
        items[i] = (struct mlo_value){.kind = MLO_KIND_ARRAY, .array = arrays[i]};
    if (kind == MLO_KIND_SEQUENCE)
        *v = (struct mlo_value){.kind = kind, .items = items, .n_items = count};
    else if (count > 0)
        *v = items[0];
    return 0;
}

static int read_maps(struct files *f, const char *bytes, size_t n, const struct mlo_port_type *port,
                     struct mlo_value *v, struct mlo_err *err)
{
    struct mlo_onnx_map *maps;
    size_t count;
    int rc = mlo_onnx_read_maps(bytes, n, port->kind, &f->arena, &maps, &count, err);
    if (rc != 0)
        return rc;
    struct mlo_value *items = mlo_arena_alloc(&f->arena, count + 1, sizeof *items, err);
    if (!items)
        return err->code;
    for (size_t i = 0; i < count; i++)
        items[i] = (struct mlo_value){.kind = MLO_KIND_MAP, .array = maps[i].values, .keys = maps[i].keys};
    *v = port->kind == MLO_KIND_MAP
             ? items[0]
             : (struct mlo_value){.kind = MLO_KIND_SEQUENCE, .items = items, .n_items = count};
    return 0;
}

static int read_value(struct files *f, const char *path, const struct mlo_port_type *port,
                      struct mlo_value *v, struct mlo_err *err)
{
    const char *bytes;
    size_t n = 0;
    int rc = slurp(f, path, &bytes, &n, err);
    if (rc != 0)
        return rc;
    *v = (struct mlo_value){0};
    if (port->kind == MLO_KIND_MAP || (port->kind == MLO_KIND_SEQUENCE && port->key != MLO_DT_UNKNOWN))
        return read_maps(f, bytes, n, port, v, err);
    if (port->kind == MLO_KIND_SEQUENCE || port->kind == MLO_KIND_OPTIONAL)
        return read_list(f, bytes, n, port->kind, v, err);
    v->kind = MLO_KIND_ARRAY;
    rc = mlo_onnx_read_tensor(bytes, n, &f->arena, &v->array, err);
    if (port->dtype == MLO_DT_BF16 && v->array.dtype == MLO_DT_U16) /* as cases of 2022 were recorded */
        v->array.dtype = MLO_DT_BF16;
    return rc;
}

static int read_values(struct files *f, const char *set, const char *what, const struct mlo_port_type *ports,
                       size_t n, struct mlo_value *ret, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        char path[MLO_PATH_MAX];
        snprintf(path, sizeof path, "%s/%s_%zu.pb", set, what, i);
        rc = read_value(f, path, &ports[i], &ret[i], err);
        if (rc == MLO_ENOTFOUND && ports[i].kind == MLO_KIND_OPTIONAL) { /* nothing was recorded */
            *err = MLO_ERR_INIT;
            rc = 0;
        }
    }
    return rc;
}

/* ---- comparing ---- */

static bool same_texts(const struct mlo_array *a, const struct mlo_array *b)
{
    const struct mlo_slice *p = a->data, *q = b->data;
    for (size_t i = 0; i < a->n; i++)
        if (p[i].len != q[i].len || (p[i].len && memcmp(p[i].ptr, q[i].ptr, p[i].len) != 0))
            return false;
    return true;
}

/* Sums of floats may be off by one rounding of the largest number: where it cancels out, that is all there
 * is. */
static double rounding(const struct mlo_array *want)
{
    double greatest = 0, v;
    for (size_t i = 0; want->dtype == MLO_DT_F32 && i < want->n; i++)
        if (mlo_dtype_to_double(want->dtype, want->data, i, &v) && isfinite(v))
            greatest = fmax(greatest, fabs(v));
    return greatest * 0x1p-24;
}

static bool near(double got, double want, const struct mlo_conformance_opts *o)
{
    if (isnan(got) || isnan(want))
        return isnan(got) && isnan(want);
    return got == want || fabs(got - want) <= o->atol + o->rtol * fabs(want);
}

static int same_numbers(const struct mlo_array *got, const struct mlo_array *want,
                        const struct mlo_conformance_opts *opts, struct mlo_err *err)
{
    struct mlo_conformance_opts o = *opts;
    o.atol = fmax(o.atol, rounding(want));
    for (size_t i = 0; i < got->n; i++) {
        double x, y;
        if (!mlo_dtype_to_double(got->dtype, got->data, i, &x) ||
            !mlo_dtype_to_double(want->dtype, want->data, i, &y))
            return mlo_fail(err, MLO_EUNAVAIL, "values of %s are not compared", mlo_dtype_name(got->dtype));
        if (!near(x, y, &o))
            return mlo_fail(err, MLO_NO, "element %zu is %.9g, not %.9g", i, x, y);
    }
    return 0;
}

static int same_array(const struct mlo_array *got, const struct mlo_array *want,
                      const struct mlo_conformance_opts *o, struct mlo_err *err)
{
    char a[MLO_ARRAY_TEXT], b[MLO_ARRAY_TEXT];
    if (got->dtype != want->dtype || !mlo_array_same_shape(got, want))
        return mlo_fail(err, MLO_NO, "%s, not %s", mlo_array_text(got, a), mlo_array_text(want, b));
    if (got->dtype != MLO_DT_STRING)
        return same_numbers(got, want, o, err);
    return same_texts(got, want) ? 0 : mlo_fail(err, MLO_NO, "other texts");
}

/* Element i as an array of its own. */
static struct mlo_array element_of(const struct mlo_array *a, size_t i)
{
    return (struct mlo_array){
        .dtype = a->dtype, .n = 1, .data = (char *)a->data + i * mlo_element_size(a->dtype)};
}

/* In any order of keys. */
static int same_map(const struct mlo_value *got, const struct mlo_value *want,
                    const struct mlo_conformance_opts *o, struct mlo_err *err)
{
    struct mlo_ml_keys keys = {0};
    if (got->keys.dtype != want->keys.dtype || got->keys.n != want->keys.n)
        return mlo_fail(err, MLO_NO, "other keys");
    int rc = mlo_ml_keys_new(&got->keys, false, &keys, err);
    for (size_t i = 0; rc == 0 && i < want->keys.n; i++) {
        size_t at = mlo_ml_keys_find(&keys, &want->keys, i);
        if (at == SIZE_MAX) {
            rc = mlo_fail(err, MLO_NO, "key %zu is missing", i);
            break;
        }
        struct mlo_array x = element_of(&got->array, at), y = element_of(&want->array, i);
        rc = same_array(&x, &y, o, err);
    }
    mlo_ml_keys_free(&keys);
    return rc;
}

static int same_value(const struct mlo_value *got, const struct mlo_value *want,
                      const struct mlo_conformance_opts *o, struct mlo_err *err)
{
    int rc = 0;
    if (got->kind != want->kind || got->n_items != want->n_items)
        return mlo_fail(err, MLO_NO, "of another kind or length");
    if (got->kind == MLO_KIND_ARRAY)
        return same_array(&got->array, &want->array, o, err);
    if (got->kind == MLO_KIND_MAP)
        return same_map(got, want, o, err);
    for (size_t i = 0; rc == 0 && i < got->n_items; i++)
        rc = same_value(&got->items[i], &want->items[i], o, err);
    return rc;
}

/* ---- a case ---- */

static int run_and_compare(struct mlo_session *s, const struct mlo_value *given, size_t n_in,
                           const struct mlo_port_type *out, const struct mlo_value *want, size_t n_out,
                           const struct mlo_conformance_opts *o, struct mlo_err *err)
{
    const struct mlo_value *got;
    int rc = mlo_session_run(s, given, n_in, &got, err);
    for (size_t i = 0; rc == 0 && i < n_out; i++) {
        rc = same_value(&got[i], &want[i], o, err);
        if (rc != 0)
            mlo_wrap(err, "output '%s'", out[i].name);
    }
    return rc;
}

/* Every value of a run has the type and shape that were derived for it. Shapes are those of the file: each
 * node as it is in it. */
static int check_shapes(const struct mlo_plan *p, struct mlo_session *s, const struct mlo_value *given,
                        size_t n, struct mlo_conformance_case *ret, struct mlo_err *err)
{
    struct mlo_shapes *shapes = NULL;
    struct mlo_frame *f = NULL;
    size_t known = 0;
    int rc = mlo_shapes_new(p->model->graph, NULL, 0, &shapes, err);
    if (rc == 0)
        rc = mlo_session_frame(s, given, n, &f, err);
    for (size_t i = 0; rc == 0 && i < p->graph->n_steps; i++)
        rc = mlo_step_run(s, f, &p->graph->steps[i], err);
    if (rc == 0)
        rc = mlo_shapes_check(shapes, given, f->values, &known, err);
    for (size_t i = 0; rc == 0 && i < p->graph->graph->n_values; i++)
        ret->n_values += f->values[i].kind == MLO_KIND_ARRAY && !p->graph->graph->values[i].constant;
    ret->n_derived += known;
    mlo_frame_give(s, f);
    mlo_shapes_free(shapes);
    return rc;
}

static int run_set(const struct mlo_plan *p, struct mlo_session *s, struct files *f, const char *set,
                   const struct mlo_conformance_opts *o, struct mlo_conformance_case *ret,
                   struct mlo_err *err)
{
    size_t n_in, n_out;
    const struct mlo_port_type *in = mlo_plan_inputs(p, &n_in), *out = mlo_plan_outputs(p, &n_out);
    struct mlo_value *given = mlo_arena_alloc(&f->arena, n_in + 1, sizeof *given, err);
    struct mlo_value *want = given ? mlo_arena_alloc(&f->arena, n_out + 1, sizeof *want, err) : NULL;
    if (!want)
        return err->code;
    int rc = read_values(f, set, "input", in, n_in, given, err);
    if (rc == 0)
        rc = read_values(f, set, "output", out, n_out, want, err);
    for (unsigned run = 0; rc == 0 && run < RUNS; run++)
        rc = run_and_compare(s, given, n_in, out, want, n_out, o, err);
    return rc == 0 && o->plain ? check_shapes(p, s, given, n_in, ret, err) : rc;
}

/* *ret_n: how many sets of data there are. */
static int run_sets(const struct mlo_plan *p, struct mlo_session *s, const char *folder,
                    const struct mlo_conformance_opts *o, unsigned *ret_n, struct mlo_conformance_case *ret,
                    struct mlo_err *err)
{
    int rc = 0;
    for (*ret_n = 0; rc == 0; ++*ret_n) {
        struct files f = {0};
        struct stat st;
        char set[MLO_PATH_MAX];
        snprintf(set, sizeof set, "%s/test_data_set_%u", folder, *ret_n);
        if (stat(set, &st) < 0)
            break;
        mlo_arena_init(&f.arena, CASE_FILE_MAX);
        rc = run_set(p, s, &f, set, o, ret, err);
        for (size_t i = 0; i < f.n; i++)
            free(f.items[i]);
        free(f.items);
        mlo_arena_release(&f.arena);
    }
    return rc;
}

static int run_case(const char *folder, const struct mlo_conformance_opts *o,
                    struct mlo_conformance_case *ret, struct mlo_err *err)
{
    struct mlo_plan_opts po = {.plain = o->plain};
    struct mlo_plan *p = NULL;
    struct mlo_session *s = NULL;
    char path[MLO_PATH_MAX];
    unsigned sets = 0;
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    int rc = mlo_plan_open(path, &po, &p, err);
    if (rc == 0 && o->device)
        rc = mlo_plan_offload(p, o->device, err);
    if (rc == 0)
        rc = mlo_session_new(p, &s, err);
    if (rc == 0)
        rc = run_sets(p, s, folder, o, &sets, ret, err);
    if (rc == 0 && sets == 0)
        rc = mlo_fail(err, MLO_ENOTFOUND, "'%s' has no test_data_set_0", folder);
    mlo_session_free(s);
    mlo_plan_free(p);
    return rc;
}

int mlo_conformance_run(const char *folder, const struct mlo_conformance_opts *opts,
                        struct mlo_conformance_case *ret, struct mlo_err *err)
{
    struct mlo_conformance_opts o = *opts;
    const char *slash = strrchr(folder, '/');
    o.rtol = o.rtol > 0 ? o.rtol : 1e-3;
    o.atol = o.atol > 0 ? o.atol : 1e-7;
    *ret = (struct mlo_conformance_case){.result = MLO_CONFORMANCE_PASS};
    snprintf(ret->name, sizeof ret->name, "%s", slash ? slash + 1 : folder);
    int rc = run_case(folder, &o, ret, err);
    if (rc == 0)
        return 0;
    if (rc == MLO_EIO || rc == MLO_ENOTFOUND)
        return rc;
    ret->result = rc == MLO_EUNAVAIL ? MLO_CONFORMANCE_UNSUPPORTED : MLO_CONFORMANCE_FAIL;
    snprintf(ret->why, sizeof ret->why, "%s", err->msg);
    *err = MLO_ERR_INIT;
    return 0;
}

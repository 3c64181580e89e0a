/* Golden samples through a model again: how far are its outputs from those recorded? */
#include <math.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#include "internal.h"

struct pair { /* one output, as it was and as it is */
    const struct mlo_sample *was;
    const struct mlo_value *is;
    struct mlo_sample_result *r;
};

static void compare_floats(struct pair *p, double was, double is)
{
    double off = fabs(is - was);
    p->r->elements++;
    if ((isnan(was) && isnan(is)) || was == is)
        return;
    if (isnan(off)) /* one of them is no number */
        off = INFINITY;
    double relative = was != 0 ? off / fabs(was) : INFINITY;
    p->r->max_abs = off > p->r->max_abs ? off : p->r->max_abs;
    p->r->max_rel = relative > p->r->max_rel ? relative : p->r->max_rel;
    p->r->differ += !(off <= p->r->tolerance.atol + p->r->tolerance.rtol * fabs(was));
}

static void compare_exactly(struct pair *p, bool same)
{
    p->r->elements++;
    p->r->differ += !same;
    if (!same)
        p->r->max_abs = p->r->max_rel = INFINITY;
}

static void compare_elements(struct pair *p, const struct mlo_array *is, size_t from, size_t n)
{
    const struct mlo_array *was = &p->was->array;
    size_t bytes = mlo_dtype_bits(was->dtype) / 8;
    for (size_t i = 0; i < n; i++) {
        if (mlo_element_is_inexact(was->dtype)) {
            double a = 0, b = 0;
            (void)mlo_dtype_to_double(was->dtype, was->data, from + i, &a);
            (void)mlo_dtype_to_double(is->dtype, is->data, i, &b);
            compare_floats(p, a, b);
        } else if (was->dtype == MLO_DT_STRING) {
            struct mlo_slice a = ((const struct mlo_slice *)was->data)[from + i];
            struct mlo_slice b = ((const struct mlo_slice *)is->data)[i];
            compare_exactly(p, a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0);
        } else {
            compare_exactly(p, memcmp((const char *)was->data + (from + i) * bytes,
                                      (const char *)is->data + i * bytes, bytes) == 0);
        }
    }
}

static int differs(const struct pair *p, const char *why, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    return mlo_fail(err, MLO_EINVALID, "output '%s' %s", mlo_shown(p->was->name, strlen(p->was->name), shown),
                    why);
}

static int compare_maps(struct pair *p, struct mlo_err *err)
{
    size_t width = p->was->keys.n;
    if (p->is->kind != MLO_KIND_SEQUENCE || p->is->n_items != (size_t)p->was->array.dims[0])
        return differs(p, "is not as many maps as in the samples", err);
    for (size_t i = 0; i < p->is->n_items; i++) {
        const struct mlo_value *map = &p->is->items[i];
        if (map->kind != MLO_KIND_MAP || map->array.n != width || map->array.dtype != p->was->array.dtype)
            return differs(p, "has maps of another kind than the samples", err);
        compare_elements(p, &map->array, i * width, width);
    }
    return 0;
}

static int compare(struct pair *p, struct mlo_err *err)
{
    const struct mlo_array *is = &p->is->array, *was = &p->was->array;
    if (p->was->keys.n)
        return compare_maps(p, err);
    if (p->is->kind != MLO_KIND_ARRAY || is->dtype != was->dtype || !mlo_array_same_shape(is, was))
        return differs(p, "is of another type or shape than in the samples", err);
    compare_elements(p, is, 0, was->n);
    return 0;
}

/* ---- running ---- */

static const struct mlo_sample *find(const struct mlo_sample *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].name, name) == 0)
            return &list[i];
    return NULL;
}

static int gather(const struct mlo_samples *s, const struct mlo_port_type *ports, size_t n,
                  struct mlo_value *to, struct mlo_err *err)
{
    for (size_t i = 0; i < n; i++) {
        const struct mlo_sample *one = find(s->in, s->n_in, ports[i].name);
        char shown[MLO_SHOWN];
        if (!one || one->keys.n)
            return mlo_fail(err, MLO_EINVALID, "the samples have no input '%s'",
                            mlo_shown(ports[i].name, strlen(ports[i].name), shown));
        to[i] = (struct mlo_value){.kind = MLO_KIND_ARRAY, .array = one->array};
    }
    return 0;
}

static struct mlo_tolerance applied(const struct mlo_sample *s, const struct mlo_tolerance *t)
{
    return (struct mlo_tolerance){isnan(t->rtol) ? s->tolerance.rtol : t->rtol,
                                  isnan(t->atol) ? s->tolerance.atol : t->atol};
}

static int compare_all(const struct mlo_samples *s, const struct mlo_plan *plan, const struct mlo_value *out,
                       const struct mlo_tolerance *t, struct mlo_sample_result *r, struct mlo_err *err)
{
    size_t n;
    const struct mlo_port_type *ports = mlo_plan_outputs(plan, &n);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct pair p = {find(s->out, s->n_out, ports[i].name), &out[i], &r[i]};
        char shown[MLO_SHOWN];
        if (!p.was)
            return mlo_fail(err, MLO_EINVALID, "the samples have no output '%s'",
                            mlo_shown(ports[i].name, strlen(ports[i].name), shown));
        r[i] = (struct mlo_sample_result){.name = p.was->name, .tolerance = applied(p.was, t)};
        rc = compare(&p, err);
    }
    return rc;
}

int mlo_samples_replay(const struct mlo_samples *s, const struct mlo_plan *p, const struct mlo_tolerance *t,
                       struct mlo_sample_result **ret, size_t *ret_n, struct mlo_err *err)
{
    size_t n_in, n_out;
    const struct mlo_port_type *ports = mlo_plan_inputs(p, &n_in);
    const struct mlo_value *out;
    struct mlo_session *session = NULL;
    (void)mlo_plan_outputs(p, &n_out);
    MLO_AUTOFREE struct mlo_value *in = mlo_calloc(n_in + 1, sizeof *in, err);
    MLO_AUTOFREE struct mlo_sample_result *r = mlo_calloc(n_out + 1, sizeof *r, err);
    int rc = in && r ? gather(s, ports, n_in, in, err) : err->code;
    if (rc == 0)
        rc = mlo_session_new(p, &session, err);
    if (rc == 0)
        rc = mlo_session_run(session, in, n_in, &out, err);
    if (rc == 0)
        rc = compare_all(s, p, out, t, r, err);
    mlo_session_free(session);
    if (rc == 0) {
        *ret = mlo_steal(&r);
        *ret_n = n_out;
    }
    return rc;
}

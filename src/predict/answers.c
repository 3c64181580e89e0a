/*
 * A model's outputs as columns: a label, class probabilities under the names of the classes, numbers, arrays.
 * Which outputs are told is known from the graph; how many columns they make, from the first outputs.
 */
#include "answers.h"

#include <string.h>

#include <mlopsctl/base/text.h>

/* ---- which outputs ---- */

/* A value for each row that is one of a few: what a classifier decides on. */
static bool is_label(const struct mlo_port_type *p)
{
    bool is_one = !p->has_shape || p->rank == 1 || (p->rank == 2 && p->dims[1].size == 1);
    return p->kind == MLO_KIND_ARRAY && is_one &&
           (p->dtype == MLO_DT_I64 || p->dtype == MLO_DT_I32 || p->dtype == MLO_DT_STRING);
}

/* A row of floats, or a map from class to float, for each row. */
static bool are_scores(const struct mlo_port_type *p)
{
    bool is_float = p->dtype == MLO_DT_F32 || p->dtype == MLO_DT_F64 || p->dtype == MLO_DT_UNKNOWN;
    if (p->kind == MLO_KIND_SEQUENCE)
        return p->key != MLO_DT_UNKNOWN || p->dtype == MLO_DT_UNKNOWN;
    return p->kind == MLO_KIND_ARRAY && is_float && (!p->has_shape || p->rank == 2);
}

static int choose_form(struct mlo_answers *a, struct mlo_err *err)
{
    const struct mlo_port_type *p = &a->ports[a->outputs[0].port];
    if (a->form != MLO_ANSWER_NPY)
        return 0;
    if (a->probabilities) { /* one array: the labels are left out */
        a->outputs[0] = a->outputs[1];
        a->n_outputs = 1;
        p = &a->ports[a->outputs[0].port];
    }
    if (a->n_outputs > 1) {
        mlo_fail(err, MLO_EUSAGE, "an .npy file holds one array, and the model gives %zu", a->n_outputs);
        return mlo_hint(err, "CSV and JSON Lines hold them all");
    }
    if (p->dtype == MLO_DT_STRING)
        return mlo_fail(err, MLO_EUSAGE, "an .npy file holds numbers, and output '%s' is text", p->name);
    return 0;
}

/* Scores of XGBoost and LightGBM before they became what is predicted. */
static bool is_margin(const struct mlo_answers *a, size_t i)
{
    return i > 0 && strcmp(a->ports[i].name, "margin") == 0 && !a->margins;
}

static bool has_margin(const struct mlo_answers *a, size_t n)
{
    size_t i = 1;
    while (i < n && strcmp(a->ports[i].name, "margin") != 0)
        i++;
    return i < n;
}

static int choose_outputs(struct mlo_answers *a, size_t n, struct mlo_err *err)
{
    bool classifies = n >= 2 && is_label(&a->ports[0]) && are_scores(&a->ports[1]);
    if (a->probabilities && !classifies)
        return mlo_fail(err, MLO_EUSAGE, "the model gives no probabilities of classes");
    if (a->margins && !has_margin(a, n)) {
        mlo_fail(err, MLO_EUSAGE, "the model tells no margins apart from what it predicts");
        return mlo_hint(
            err, "classifiers of XGBoost and LightGBM do, and models whose scores go through a function");
    }
    a->outputs = mlo_calloc(n, sizeof *a->outputs, err);
    if (!a->outputs)
        return err->code;
    for (size_t i = 0; i < n; i++) {
        if ((classifies && i == 1 && !a->probabilities) || is_margin(a, i))
            continue;
        a->outputs[a->n_outputs++] = (struct mlo_answer_output){.port = i, .classes = classifies && i == 1};
    }
    return choose_form(a, err);
}

int mlo_answers_of_ports(const struct mlo_port_type *ports, size_t n, const struct mlo_answer_opts *o,
                         struct mlo_answers **ret, struct mlo_err *err)
{
    struct mlo_answers *a = mlo_calloc(1, sizeof *a, err);
    if (!a)
        return err->code;
    a->ports = ports;
    a->form = o->form;
    a->probabilities = o->probabilities;
    a->margins = o->margins;
    a->varying = o->varying;
    mlo_arena_init(&a->arena, (size_t)64 << 20);
    int rc = n ? choose_outputs(a, n, err) : mlo_fail(err, MLO_EUNAVAIL, "the model has no output");
    if (rc != 0)
        mlo_answers_free(a);
    else
        *ret = a;
    return rc;
}

int mlo_answers_new(const struct mlo_plan *p, const struct mlo_answer_opts *o, struct mlo_answers **ret,
                    struct mlo_err *err)
{
    size_t n;
    const struct mlo_port_type *ports = mlo_plan_outputs(p, &n);
    int rc = mlo_answers_of_ports(ports, n, o, ret, err);
    if (rc == 0)
        (*ret)->plan = p;
    return rc;
}

void mlo_answers_free(struct mlo_answers *a)
{
    if (!a)
        return;
    mlo_table_writer_free(a->writer);
    free(a->outputs);
    free(a->columns);
    mlo_arena_release(&a->arena);
    free(a);
}

/* ---- columns ---- */

static int refuse(const struct mlo_answers *a, size_t port, const char *why, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    const char *name = a->ports[port].name;
    return mlo_fail(err, MLO_EUNAVAIL, "output '%s' %s", mlo_shown(name, strlen(name), shown), why);
}

static int add_column(struct mlo_answers *a, const char *prefix, const char *name, const char *suffix,
                      const struct mlo_answer_column *like, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str s;
    mlo_str_init(&s, 1 << 20);
    mlo_str_addf(&s, "%s%s%s", prefix, name, suffix);
    int rc = mlo_str_check(&s, err);
    if (rc == 0 && a->n_columns == MLO_FEATURES_MAX) {
        mlo_fail(err, MLO_EUNAVAIL, "the outputs make more than %zu columns", MLO_FEATURES_MAX);
        return mlo_hint(err, "JSON Lines and .npy hold arrays as they are");
    }
    if (rc == 0)
        rc = mlo_grow(&a->columns, &a->cap_columns, a->n_columns + 1, sizeof *a->columns, err);
    if (rc != 0)
        return rc;
    struct mlo_answer_column *c = &a->columns[a->n_columns];
    *c = *like;
    c->name = mlo_arena_strndup(&a->arena, s.ptr, s.len, err);
    if (!c->name)
        return err->code;
    a->n_columns++;
    return 0;
}

/* "name_0", "name_1", ...; or proba_CLASS. */
static int add_elements(struct mlo_answers *a, size_t k, struct mlo_err *err)
{
    const struct mlo_answer_output *o = &a->outputs[k];
    const char *const *classes = NULL;
    char number[24];
    int rc = o->classes ? mlo_classes_find(mlo_plan_model(a->plan)->graph, o->width, &a->arena, &classes, err)
                        : 0;
    for (size_t i = 0; rc == 0 && i < o->width; i++) {
        const struct mlo_answer_column like = {.output = k, .at = i};
        number[mlo_u64_digits(i, number)] = '\0';
        if (o->classes)
            rc = add_column(a, "proba_", classes ? classes[i] : number, "", &like, err);
        else
            rc = add_column(a, a->ports[o->port].name, "_", number, &like, err);
    }
    return rc;
}

static int settle_array(struct mlo_answers *a, size_t k, const struct mlo_array *v, size_t rows,
                        struct mlo_err *err)
{
    struct mlo_answer_output *o = &a->outputs[k];
    uint64_t width = 1;
    if (v->rank == 0 || v->dims[0] != (int64_t)rows)
        return refuse(a, o->port, "is not one for each row", err);
    if (v->dtype != MLO_DT_STRING && !mlo_element_is_number(v->dtype))
        return refuse(a, o->port, "is of a type that no column has", err);
    for (unsigned i = 1; i < v->rank; i++)
        if (!mlo_mul_u64(width, (uint64_t)v->dims[i], &width) || width > MLO_CELL_ARRAY)
            return refuse(a, o->port, "is larger than allowed", err);
    o->shape = *v;
    o->shape.data = NULL;
    o->width = (size_t)width;
    bool whole = o->width == 1 && v->rank <= 2 && !o->classes;
    const struct mlo_answer_column like = {.output = k, .array = !whole};
    if (whole || (a->form == MLO_ANSWER_JSONL && !o->classes) || a->form == MLO_ANSWER_NPY)
        return add_column(a, a->ports[o->port].name, "", "", &like, err);
    return add_elements(a, k, err);
}

static int settle_maps(struct mlo_answers *a, size_t k, const struct mlo_value *v, size_t rows,
                       struct mlo_err *err)
{
    struct mlo_answer_output *o = &a->outputs[k];
    if (v->n_items != rows || rows == 0 || v->items[0].kind != MLO_KIND_MAP)
        return refuse(a, o->port, "is not one for each row", err);
    const struct mlo_value *first = &v->items[0];
    int rc = 0;
    o->maps = true;
    o->width = first->keys.n;
    o->shape = (struct mlo_array){.dtype = first->array.dtype, .rank = 2, .dims = {0, (int64_t)o->width}};
    for (size_t i = 0; rc == 0 && i < o->width; i++) {
        const struct mlo_answer_column like = {.output = k, .at = i};
        const struct mlo_slice *texts = first->keys.data;
        char key[MLO_SHOWN];
        if (first->keys.dtype == MLO_DT_STRING)
            mlo_shown(texts[i].ptr, texts[i].len, key);
        else
            key[mlo_i64_digits(((const int64_t *)first->keys.data)[i], key)] = '\0';
        if (a->form != MLO_ANSWER_NPY || i == 0)
            rc = add_column(a, o->classes ? "proba_" : a->ports[o->port].name, o->classes ? "" : "_", key,
                            &like, err);
    }
    return rc;
}

int mlo_answers_settle(struct mlo_answers *a, const struct mlo_match *m, const struct mlo_value *out,
                       size_t rows, struct mlo_err *err)
{
    int rc = 0;
    a->n_columns = 0;
    for (size_t k = 0; rc == 0 && k < a->n_outputs; k++) {
        const struct mlo_value *v = &out[a->outputs[k].port];
        if (v->kind == MLO_KIND_ARRAY)
            rc = settle_array(a, k, &v->array, rows, err);
        else if (v->kind == MLO_KIND_SEQUENCE)
            rc = settle_maps(a, k, v, rows, err);
        else
            rc = refuse(a, a->outputs[k].port, "is neither numbers nor texts", err);
    }
    return rc == 0 && mlo_answer_form_is_table(a->form) ? mlo_typed_begin(a, m, err) : rc;
}

/* ---- later outputs are of the same columns ---- */

static bool same_shape(const struct mlo_answers *a, const struct mlo_answer_output *o,
                       const struct mlo_array *v, size_t n)
{
    if (v->rank != o->shape.rank || v->dtype != o->shape.dtype || v->dims[0] < (int64_t)n)
        return false;
    for (unsigned i = 1; i < v->rank && !a->varying; i++)
        if (v->dims[i] != o->shape.dims[i])
            return false;
    return true;
}

static bool same_maps(const struct mlo_answer_output *o, const struct mlo_value *v, size_t n)
{
    if (v->kind != MLO_KIND_SEQUENCE || v->n_items < n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (v->items[i].kind != MLO_KIND_MAP || v->items[i].array.n != o->width ||
            v->items[i].array.dtype != o->shape.dtype)
            return false;
    return true;
}

int mlo_answers_check(const struct mlo_answers *a, const struct mlo_value *out, size_t n, struct mlo_err *err)
{
    for (size_t k = 0; k < a->n_outputs; k++) {
        const struct mlo_answer_output *o = &a->outputs[k];
        const struct mlo_value *v = &out[o->port];
        if (o->maps ? !same_maps(o, v, n) : v->kind != MLO_KIND_ARRAY || !same_shape(a, o, &v->array, n))
            return refuse(a, o->port, "is of another shape than for the rows before", err);
    }
    return 0;
}

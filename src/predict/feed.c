/*
 * Rows of a batch as the inputs of a model. Numbers go from the table's columns straight into the input's
 * rows; what is missing is NaN, or an empty text. Cells that are nothing the model takes are collected, so
 * that one message tells of each column.
 */
#include <math.h>
#include <string.h>

#include <mlopsctl/base/number.h>
#include <mlopsctl/base/text.h>

#include "internal.h"
#include "nested.h"

#define TILE                                                                                                 \
    64 /* rows whose input stays in the first cache while one column after the other is put into it */

struct input {        /* of the model */
    size_t width;     /* elements of a row; of a nested one as the data tell */
    unsigned element; /* bytes */
    size_t cap;       /* bytes of data */
    bool nested;
};
struct fault { /* of a feature */
    bool any;
    size_t row;
    bool missing; /* else it is not of the type */
};
struct mlo_feed {
    const struct mlo_features *f;
    const struct mlo_match *m;
    struct input *inputs;
    struct mlo_value *values;
    size_t n_inputs;
    uint64_t *missing;    /* of each feature */
    struct fault *faults; /* likewise, of the rows at hand */
    bool any_fault;
    struct mlo_arena texts; /* numbers spelt again for a feature of text */
};

#define TEXTS_MAX ((size_t)1 << 30)

/* ---- memory ---- */

static int make_inputs(struct mlo_feed *d, struct mlo_err *err)
{
    const struct mlo_port_type *ports = mlo_plan_inputs(d->f->plan, &d->n_inputs);
    d->inputs = mlo_calloc(d->n_inputs, sizeof *d->inputs, err);
    d->values = mlo_calloc(d->n_inputs, sizeof *d->values, err);
    d->missing = mlo_calloc(d->f->n + 1, sizeof *d->missing, err);
    d->faults = mlo_calloc(d->f->n + 1, sizeof *d->faults, err);
    if (!d->inputs || !d->values || !d->missing || !d->faults)
        return err->code;
    for (size_t i = 0; i < d->n_inputs; i++)
        d->inputs[i].element = ports[i].dtype == MLO_DT_STRING ? sizeof(struct mlo_slice)
                                                               : mlo_dtype_bits(ports[i].dtype) / 8;
    for (size_t i = 0; i < d->f->n; i++) {
        const struct mlo_feature *one = &d->f->list[i];
        d->inputs[one->input].width += one->width;
        d->inputs[one->input].nested = one->nested;
    }
    return 0;
}

int mlo_feed_new(const struct mlo_features *f, const struct mlo_match *m, struct mlo_feed **ret,
                 struct mlo_err *err)
{
    struct mlo_feed *d = mlo_calloc(1, sizeof *d, err);
    if (!d)
        return err->code;
    d->f = f;
    d->m = m;
    mlo_arena_init(&d->texts, TEXTS_MAX);
    int rc = make_inputs(d, err);
    if (rc != 0)
        mlo_feed_free(d);
    else
        *ret = d;
    return rc;
}

void mlo_feed_free(struct mlo_feed *d)
{
    if (!d)
        return;
    for (size_t i = 0; d->values && i < d->n_inputs; i++)
        free(d->values[i].array.data);
    free(d->inputs);
    free(d->values);
    free(d->missing);
    free(d->faults);
    mlo_arena_release(&d->texts);
    free(d);
}

const uint64_t *mlo_feed_missing(const struct mlo_feed *d)
{
    return d->missing;
}

/* Room for `rows` of the input, whose width is known, and its shape. */
static int shape_input(struct mlo_feed *d, size_t i, size_t rows, struct mlo_err *err)
{
    size_t n_ports;
    const struct mlo_port_type *p = &mlo_plan_inputs(d->f->plan, &n_ports)[i];
    struct input *in = &d->inputs[i];
    struct mlo_value *v = &d->values[i];
    uint64_t n;
    if (!mlo_mul_u64(rows, in->width, &n) || n > SIZE_MAX / 2 / in->element)
        return mlo_fail_nomem(err);
    if (n * in->element > in->cap || !v->array.data) {
        free(v->array.data);
        in->cap = (size_t)n * in->element + 64;
        v->array.data = mlo_calloc(1, in->cap, err);
        if (!v->array.data)
            return err->code;
    }
    v->kind = MLO_KIND_ARRAY;
    v->array.dtype = p->dtype;
    v->array.n = (size_t)n;
    v->array.dims[0] = (int64_t)rows;
    if (!in->nested) {
        v->array.rank = p->has_shape ? p->rank : 2;
        v->array.dims[1] = (int64_t)in->width;
    }
    return 0;
}

/* ---- cells ---- */

static void blame(struct mlo_feed *d, size_t feature, size_t row, bool missing)
{
    struct fault *f = &d->faults[feature];
    if (!f->any)
        *f = (struct fault){true, row, missing};
    d->any_fault = true;
}

/* The code of a category by its name; NaN for one that is not there, false where that is refused. Numbers are
 * codes already where names are texts. */
static bool code_of(const struct mlo_categories *names, const struct mlo_batch_column *c, size_t row,
                    double *ret)
{
    char digits[MLO_DOUBLE_TEXT];
    struct mlo_slice name = {digits, 0};
    *ret = c->numbers ? c->numbers[row] : (double)NAN;
    if (c->numbers && !names->numbers)
        return true;
    if (c->numbers)
        name.len = mlo_double_digits(c->numbers[row], digits);
    else
        name = mlo_batch_text(c, row);
    size_t code = mlo_name_map_get(&names->map, name.ptr, name.len);
    *ret = code == MLO_NAME_NONE ? (double)NAN : (double)code;
    return code != MLO_NAME_NONE || !names->closed;
}

/* One number: NaN for what is missing, where the type has it. */
static void put_cell(struct mlo_feed *d, size_t feature, const struct mlo_batch_column *c, size_t from,
                     size_t row, size_t at)
{
    const struct mlo_feature *one = &d->f->list[feature];
    uint8_t cell = c->cell ? c->cell[from + row] : MLO_CELL_OK;
    bool missing = cell == MLO_CELL_MISSING;
    bool good = cell != MLO_CELL_BAD;
    double v = (double)NAN;
    d->missing[feature] += missing;
    if (good && !missing && one->categories)
        good = code_of(one->categories, c, from + row, &v);
    else if (good && !missing)
        v = c->numbers[from + row];
    if (!good || !mlo_element_put(one->dtype, d->values[one->input].array.data, at, v))
        blame(d, feature, row, missing);
}

static void put_floats(float *to, size_t stride, const double *numbers, size_t n)
{
    for (size_t r = 0; r < n; r++)
        to[r * stride] = (float)numbers[r];
}

static void put_numbers(struct mlo_feed *d, size_t feature, const struct mlo_batch_column *c, size_t from,
                        size_t row, size_t n)
{
    const struct mlo_feature *one = &d->f->list[feature];
    size_t width = d->inputs[one->input].width, at = row * width + one->at;
    float *floats = d->values[one->input].array.data;
    if (one->dtype == MLO_DT_F32 && !c->cell && !one->categories) {
        put_floats(floats + at, width, c->numbers + from + row, n);
        return;
    }
    for (size_t r = 0; r < n; r++, at += width)
        put_cell(d, feature, c, from, row + r, at);
}

/* A column that another feature wanted as numbers. */
static int spell(struct mlo_feed *d, double v, struct mlo_slice *ret, struct mlo_err *err)
{
    char text[MLO_DOUBLE_TEXT];
    size_t n = mlo_double_digits(v, text);
    ret->ptr = mlo_arena_strndup(&d->texts, text, n, err);
    ret->len = n;
    return ret->ptr ? 0 : err->code;
}

static int put_texts(struct mlo_feed *d, size_t feature, const struct mlo_batch_column *c, size_t from,
                     size_t n, struct mlo_err *err)
{
    const struct mlo_feature *one = &d->f->list[feature];
    size_t width = d->inputs[one->input].width;
    struct mlo_slice *to = (struct mlo_slice *)d->values[one->input].array.data + one->at;
    int rc = 0;
    for (size_t r = 0; rc == 0 && r < n; r++) {
        bool missing = c->cell && c->cell[from + r] == MLO_CELL_MISSING;
        d->missing[feature] += missing;
        if (missing)
            to[r * width] = (struct mlo_slice){"", 0};
        else if (c->numbers)
            rc = spell(d, c->numbers[from + r], &to[r * width], err);
        else
            to[r * width] = mlo_batch_text(c, from + r);
    }
    return rc;
}

/* ---- arrays in cells ---- */

static int put_arrays(struct mlo_feed *d, size_t feature, const struct mlo_batch_column *c, size_t from,
                      size_t n, size_t rows, struct mlo_err *err)
{
    const struct mlo_feature *one = &d->f->list[feature];
    size_t n_ports;
    const struct mlo_port_type *p = &mlo_plan_inputs(d->f->plan, &n_ports)[one->input];
    struct mlo_array *a = &d->values[one->input].array;
    int rc = 0;
    for (size_t r = 0; rc == 0 && r < n; r++) {
        bool missing = c->cell && c->cell[from + r] == MLO_CELL_MISSING;
        struct mlo_slice s = missing ? (struct mlo_slice){"", 0} : mlo_batch_text(c, from + r);
        if (r == 0) {
            rc = mlo_nested_shape(s, p, a, err);
            d->inputs[one->input].width = rc == 0 ? mlo_nested_width(a) : 0;
            if (rc == 0)
                rc = shape_input(d, one->input, rows, err);
        }
        if (rc == 0)
            rc = mlo_nested_put(s, a, r * d->inputs[one->input].width, err);
    }
    return rc;
}

/* ---- what is wrong with the rows ---- */

static void tell_fault(const struct mlo_feed *d, size_t feature, const struct mlo_batch *b, size_t from,
                       struct mlo_str *out)
{
    char shown[MLO_SHOWN];
    const struct fault *f = &d->faults[feature];
    const char *name = d->m->columns[d->m->feature[feature]].name;
    const struct mlo_batch_column *c = &b->columns[d->m->feature[feature]];
    size_t row = from + f->row;
    uint64_t line = b->first_line + (b->lines ? b->lines[row] : row);
    mlo_str_addf(out, "%sline %llu: column '%s' ", out->len ? "; " : "", (unsigned long long)line,
                 mlo_shown(name, strlen(name), shown));
    if (f->missing) {
        mlo_str_addf(out, "has no value, and the model takes %s", mlo_dtype_name(d->f->list[feature].dtype));
        return;
    }
    bool bad = c->cell && c->cell[row] == MLO_CELL_BAD;
    struct mlo_slice text = bad || !c->numbers ? c->texts ? c->texts[row] : mlo_batch_text(c, row)
                                               : (struct mlo_slice){"", 0};
    if (bad || !c->numbers)
        mlo_str_addf(out, "holds '%s'", mlo_shown(text.ptr, text.len, shown));
    else
        mlo_str_addf(out, "holds %s", mlo_double_text(c->numbers[row], shown));
    if (d->f->list[feature].categories)
        mlo_str_add(out, ", which is no category of the model");
    else
        mlo_str_addf(out, ", and the model takes %s", mlo_dtype_name(d->f->list[feature].dtype));
}

static int fail(struct mlo_feed *d, const struct mlo_batch *b, size_t from, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str all;
    size_t told = 0;
    bool category = false;
    mlo_str_init(&all, MLO_STR_MAX);
    for (size_t i = 0; i < d->f->n && told < MLO_LISTED_MAX; i++)
        if (d->faults[i].any) {
            tell_fault(d, i, b, from, &all);
            category |= d->f->list[i].categories != NULL;
            told++;
        }
    int rc = mlo_str_check(&all, err);
    if (rc != 0)
        return rc;
    rc = mlo_fail(err, MLO_EINVALID, "'%s' %s", b->path ? b->path : "rows", all.ptr);
    return category ? mlo_hint(err, "`mlopsctl onnx inspect` lists the categories of the model") : rc;
}

/* ---- rows ---- */

/* The last of n rows again, up to the number that the model takes. */
static void repeat_last(struct mlo_feed *d, size_t n, size_t rows)
{
    for (size_t i = 0; i < d->n_inputs; i++) {
        size_t bytes = d->inputs[i].width * d->inputs[i].element;
        char *data = d->values[i].array.data;
        for (size_t r = n; bytes > 0 && n > 0 && r < rows; r++)
            memcpy(data + r * bytes, data + (n - 1) * bytes, bytes);
    }
}

static int put_features(struct mlo_feed *d, const struct mlo_batch *b, size_t from, size_t n, size_t rows,
                        struct mlo_err *err)
{
    int rc = 0;
    for (size_t row = 0; row < n; row += TILE)
        for (size_t i = 0; i < d->f->n; i++) {
            const struct mlo_feature *one = &d->f->list[i];
            if (one->dtype != MLO_DT_STRING && !one->nested)
                put_numbers(d, i, &b->columns[d->m->feature[i]], from, row, n - row < TILE ? n - row : TILE);
        }
    for (size_t i = 0; rc == 0 && i < d->f->n; i++) {
        const struct mlo_batch_column *c = &b->columns[d->m->feature[i]];
        if (d->f->list[i].nested)
            rc = put_arrays(d, i, c, from, n, rows, err);
        else if (d->f->list[i].dtype == MLO_DT_STRING)
            rc = put_texts(d, i, c, from, n, err);
    }
    return rc;
}

static int begin_rows(struct mlo_feed *d, size_t rows, struct mlo_err *err)
{
    int rc = 0;
    if (d->any_fault)
        memset(d->faults, 0, d->f->n * sizeof *d->faults);
    d->any_fault = false;
    mlo_arena_release(&d->texts);
    mlo_arena_init(&d->texts, TEXTS_MAX);
    for (size_t i = 0; rc == 0 && i < d->n_inputs; i++)
        if (!d->inputs[i].nested)
            rc = shape_input(d, i, rows, err);
    return rc;
}

int mlo_feed_rows(struct mlo_feed *d, const struct mlo_batch *b, size_t from, size_t n,
                  const struct mlo_value **ret, struct mlo_err *err)
{
    size_t rows = d->f->rows ? (size_t)d->f->rows : n;
    int rc = begin_rows(d, rows, err);
    if (rc == 0)
        rc = put_features(d, b, from, n, rows, err);
    if (rc == 0 && d->any_fault)
        rc = fail(d, b, from, err);
    if (rc != 0)
        return rc;
    repeat_last(d, n, rows);
    *ret = d->values;
    return 0;
}

int mlo_feed_blank(struct mlo_feed *d, size_t n, const struct mlo_value **ret, struct mlo_err *err)
{
    size_t rows = d->f->rows ? (size_t)d->f->rows : n;
    int rc = begin_rows(d, rows, err);
    for (size_t i = 0; rc == 0 && i < d->n_inputs; i++) {
        if (d->inputs[i].nested)
            return mlo_fail(err, MLO_EUNAVAIL, "an array in each cell is not known beforehand");
        struct mlo_array *a = &d->values[i].array;
        for (size_t k = 0; k < a->n && a->dtype == MLO_DT_STRING; k++)
            ((struct mlo_slice *)a->data)[k] = (struct mlo_slice){"", 0};
        if (a->dtype != MLO_DT_STRING)
            memset(a->data, 0, a->n * d->inputs[i].element);
    }
    if (rc == 0)
        *ret = d->values;
    return rc;
}

int mlo_feed_array(const struct mlo_array *from, struct mlo_array *to, struct mlo_err *err)
{
    size_t bytes = 0;
    if (from->dtype == to->dtype && mlo_array_bytes(from->dtype, from->n, &bytes)) {
        memcpy(to->data, from->data, bytes);
        return 0;
    }
    for (size_t i = 0; i < from->n; i++) {
        double v;
        if (!mlo_dtype_to_double(from->dtype, from->data, i, &v) ||
            !mlo_element_put(to->dtype, to->data, i, v))
            return mlo_fail(err, MLO_EINVALID, "element %zu is no %s", i, mlo_dtype_name(to->dtype));
    }
    return 0;
}

/* Rows of answers as text: CSV (RFC 4180), TSV, JSON Lines; or as the bytes of an .npy file. */
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/json.h>
#include <mlopsctl/base/text.h>

#include "answers.h"

#define NPY_ALIGN  64
#define NPY_DIGITS 20 /* of the number of rows: room for any */

struct writer {
    const struct mlo_answers *a;
    const struct mlo_value *out;
    const struct mlo_match *m;
    const struct mlo_batch *b;
    size_t from;
    struct mlo_str *to;
};

/* ---- texts ---- */

static void add_csv(struct mlo_str *to, struct mlo_slice s, char separator)
{
    bool quoted = s.len == 0 ? false : s.ptr[0] == ' ' || s.ptr[s.len - 1] == ' ';
    for (size_t i = 0; i < s.len && !quoted; i++)
        quoted = s.ptr[i] == separator || s.ptr[i] == '"' || s.ptr[i] == '\n' || s.ptr[i] == '\r';
    if (!quoted) {
        mlo_str_addn(to, s.ptr, s.len);
        return;
    }
    mlo_str_addc(to, '"');
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"')
            mlo_str_addc(to, '"');
        mlo_str_addc(to, s.ptr[i]);
    }
    mlo_str_addc(to, '"');
}

/* Bytes that are no UTF-8 become visible, since JSON has no other way. */
static void add_json(struct mlo_str *to, struct mlo_slice s)
{
    MLO_AUTOSTR struct mlo_str visible;
    mlo_str_init(&visible, MLO_STR_MAX);
    if (!mlo_utf8_valid(s.ptr, s.len)) {
        mlo_escape(&visible, s.ptr, s.len);
        s = (struct mlo_slice){visible.ptr, visible.len};
    }
    mlo_str_addc(to, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c < 0x20) {
            mlo_str_addf(to, "\\u%04x", c);
            continue;
        }
        if (c == '"' || c == '\\')
            mlo_str_addc(to, '\\');
        mlo_str_addc(to, s.ptr[i]);
    }
    mlo_str_addc(to, '"');
}

static void add_text(const struct writer *w, struct mlo_slice s)
{
    if (w->a->form == MLO_ANSWER_JSONL)
        add_json(w->to, s);
    else
        add_csv(w->to, s, w->a->form == MLO_ANSWER_TSV ? '\t' : ',');
}

/* ---- elements ---- */

static void add_element(const struct writer *w, const struct mlo_array *v, size_t at)
{
    char text[MLO_DOUBLE_TEXT];
    if (v->dtype == MLO_DT_STRING)
        add_text(w, ((const struct mlo_slice *)v->data)[at]);
    else if (w->a->form == MLO_ANSWER_JSONL && !mlo_element_is_finite(v->dtype, v->data, at))
        mlo_str_add(w->to, "null"); /* JSON has neither NaN nor infinities */
    else
        mlo_str_addn(w->to, text, mlo_element_digits(v->dtype, v->data, at, text));
}

/* [[1,2],[3,4]]: from dimension `level` on. */
static size_t add_array(const struct writer *w, const struct mlo_array *v, unsigned level, size_t at)
{
    if (level == v->rank) {
        add_element(w, v, at);
        return at + 1;
    }
    mlo_str_addc(w->to, '[');
    for (int64_t i = 0; i < v->dims[level]; i++) {
        if (i)
            mlo_str_addc(w->to, ',');
        at = add_array(w, v, level + 1, at);
    }
    mlo_str_addc(w->to, ']');
    return at;
}

static void add_answer(const struct writer *w, const struct mlo_answer_column *c, size_t row)
{
    const struct mlo_answer_output *o = &w->a->outputs[c->output];
    const struct mlo_value *v = &w->out[o->port];
    if (o->maps)
        add_element(w, &v->items[row].array, c->at);
    else if (c->array)
        (void)add_array(w, &v->array, 1, row * o->width);
    else
        add_element(w, &v->array, row * o->width + c->at);
}

/* ---- what is kept of the input ---- */

static bool is_json_number(struct mlo_slice s)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    struct mlo_jpull j;
    enum mlo_jtok tok, end;
    mlo_jpull_init(&j, s.ptr, s.len);
    return s.len > 0 && s.ptr[0] != ' ' && s.ptr[s.len - 1] != ' ' &&
           mlo_jpull_next(&j, &tok, &ignored) == 0 &&
           (tok == MLO_J_NUMBER || tok == MLO_J_TRUE || tok == MLO_J_FALSE) &&
           mlo_jpull_next(&j, &end, &ignored) == 0 && end == MLO_J_END;
}

static void add_kept_text(const struct writer *w, size_t k, struct mlo_slice s)
{
    if (w->m->keep_number[k] && is_json_number(s))
        mlo_str_addn(w->to, s.ptr, s.len);
    else
        add_text(w, s);
}

static void add_kept(const struct writer *w, size_t k, size_t row)
{
    const struct mlo_batch_column *c = &w->b->columns[w->m->keep[k]];
    uint8_t cell = c->cell ? c->cell[w->from + row] : MLO_CELL_OK;
    char text[MLO_DOUBLE_TEXT];
    if (cell == MLO_CELL_MISSING)
        mlo_str_add(w->to, w->a->form == MLO_ANSWER_JSONL ? "null" : "");
    else if (c->numbers)
        add_kept_text(w, k, (struct mlo_slice){text, mlo_double_digits(c->numbers[w->from + row], text)});
    else
        add_kept_text(w, k, mlo_batch_text(c, w->from + row));
}

static const char *kept_name(const struct mlo_match *m, size_t k)
{
    return m->columns[m->keep[k]].name;
}

/* ---- rows ---- */

static void add_row(const struct writer *w, size_t row)
{
    char separator = w->a->form == MLO_ANSWER_TSV ? '\t' : ',';
    size_t n_keep = w->b ? w->m->n_keep : 0;
    for (size_t k = 0; k < n_keep; k++) {
        if (k)
            mlo_str_addc(w->to, separator);
        add_kept(w, k, row);
    }
    for (size_t i = 0; i < w->a->n_columns; i++) {
        if (i + n_keep)
            mlo_str_addc(w->to, separator);
        add_answer(w, &w->a->columns[i], row);
    }
    mlo_str_addc(w->to, '\n');
}

static void add_member(const struct writer *w, const char *name, bool first)
{
    mlo_str_addc(w->to, first ? '{' : ',');
    add_json(w->to, (struct mlo_slice){name, strlen(name)});
    mlo_str_addc(w->to, ':');
}

static void add_object(const struct writer *w, size_t row)
{
    size_t n_keep = w->b ? w->m->n_keep : 0;
    for (size_t k = 0; k < n_keep; k++) {
        add_member(w, kept_name(w->m, k), k == 0);
        add_kept(w, k, row);
    }
    for (size_t i = 0; i < w->a->n_columns; i++) {
        add_member(w, w->a->columns[i].name, i + n_keep == 0);
        add_answer(w, &w->a->columns[i], row);
    }
    mlo_str_add(w->to, "}\n");
}

static void add_bytes(const struct writer *w, size_t n)
{
    const struct mlo_answer_output *o = &w->a->outputs[0];
    const struct mlo_value *v = &w->out[o->port];
    size_t bytes = o->width * mlo_dtype_bits(o->shape.dtype) / 8;
    if (!o->maps) {
        mlo_str_addn(w->to, v->array.data, n * bytes);
        return;
    }
    for (size_t i = 0; i < n; i++)
        mlo_str_addn(w->to, v->items[i].array.data, bytes);
}

int mlo_answers_write(const struct mlo_answers *a, const struct mlo_value *out, size_t n,
                      const struct mlo_match *m, const struct mlo_batch *b, size_t from, struct mlo_str *ret,
                      struct mlo_err *err)
{
    const struct writer w = {.a = a, .out = out, .m = m, .b = b, .from = from, .to = ret};
    int rc = mlo_answers_check(a, out, n, err);
    if (rc != 0)
        return rc;
    if (mlo_answer_form_is_table(a->form))
        return mlo_typed_write(a, out, n, m, b, from, ret, err);
    if (a->form == MLO_ANSWER_NPY)
        add_bytes(&w, n);
    else
        for (size_t i = 0; i < n; i++)
            (a->form == MLO_ANSWER_JSONL ? add_object : add_row)(&w, i);
    return mlo_str_check(ret, err);
}

/* ---- the first line ---- */

static const char *npy_type(enum mlo_dtype t)
{
    static const char *const types[] = {
        [MLO_DT_F32] = "<f4", [MLO_DT_F64] = "<f8", [MLO_DT_F16] = "<f2", [MLO_DT_BOOL] = "|b1",
        [MLO_DT_I8] = "|i1",  [MLO_DT_I16] = "<i2", [MLO_DT_I32] = "<i4", [MLO_DT_I64] = "<i8",
        [MLO_DT_U8] = "|u1",  [MLO_DT_U16] = "<u2", [MLO_DT_U32] = "<u4", [MLO_DT_U64] = "<u8"};
    return (size_t)t < MLO_COUNT(types) ? types[t] : NULL;
}

/* Version 1.0 as NumPy writes it, padded so that another number of rows fits. */
static int npy_header(const struct mlo_answers *a, uint64_t rows, struct mlo_str *out, struct mlo_err *err)
{
    const struct mlo_answer_output *o = &a->outputs[0];
    const char *type = npy_type(o->shape.dtype);
    size_t start = out->len, tuple;
    if (!type)
        return mlo_fail(err, MLO_EUSAGE, "an .npy file has no type for %s", mlo_dtype_name(o->shape.dtype));
    mlo_str_addn(out, "\x93NUMPY\x01\x00\x00\x00", 10);
    mlo_str_addf(out, "{'descr': '%s', 'fortran_order': False, 'shape': (", type);
    tuple = out->len;
    mlo_str_addf(out, "%llu,", (unsigned long long)rows);
    size_t spare = NPY_DIGITS + 1 - (out->len - tuple);
    for (unsigned i = 1; i < o->shape.rank; i++)
        mlo_str_addf(out, "%s%lld", i > 1 ? ", " : " ", (long long)o->shape.dims[i]);
    mlo_str_add(out, "), }");
    mlo_str_fill(out, ' ', spare);
    mlo_str_fill(out, ' ', (NPY_ALIGN - (out->len - start + 1) % NPY_ALIGN) % NPY_ALIGN);
    mlo_str_addc(out, '\n');
    int rc = mlo_str_check(out, err);
    size_t length = out->len - start - 10;
    if (rc == 0) {
        out->ptr[start + 8] = (char)(length & 0xff);
        out->ptr[start + 9] = (char)(length >> 8);
    }
    return rc;
}

int mlo_answers_header(const struct mlo_answers *a, const struct mlo_match *m, uint64_t rows,
                       struct mlo_str *out, struct mlo_err *err)
{
    char separator = a->form == MLO_ANSWER_TSV ? '\t' : ',';
    if (a->form == MLO_ANSWER_JSONL || mlo_answer_form_is_table(a->form))
        return 0;
    if (a->form == MLO_ANSWER_NPY)
        return npy_header(a, rows, out, err);
    for (size_t k = 0; m && k < m->n_keep; k++) {
        if (k)
            mlo_str_addc(out, separator);
        add_csv(out, (struct mlo_slice){kept_name(m, k), strlen(kept_name(m, k))}, separator);
    }
    for (size_t i = 0; i < a->n_columns; i++) {
        const char *name = a->columns[i].name;
        if (i + (m ? m->n_keep : 0))
            mlo_str_addc(out, separator);
        add_csv(out, (struct mlo_slice){name, strlen(name)}, separator);
    }
    mlo_str_addc(out, '\n');
    return mlo_str_check(out, err);
}

/*
 * Answers as columns of types, for Parquet and Arrow: what the model gives under its own type, what is kept
 * of the input under the type that its head showed. A cell that is not of it is a fault: nothing is rounded
 * and nothing left out.
 */
#include <math.h>
#include <string.h>

#include <mlopsctl/base/decimal.h>
#include <mlopsctl/base/number.h>
#include <mlopsctl/base/text.h>

#include "answers.h"

#define MEMORY_MAX ((size_t)1 << 32)  /* of the columns of one part */
#define EXACT_MAX  9007199254740992.0 /* 2^53: whole numbers up to here are doubles */

bool mlo_answer_form_is_table(enum mlo_answer_form form)
{
    return form == MLO_ANSWER_PARQUET || form == MLO_ANSWER_ARROW || form == MLO_ANSWER_ARROW_STREAM;
}

/* ---- columns ---- */

/* 16 bits become 32: fewer readers know the narrow ones. */
static enum mlo_dtype type_of(enum mlo_dtype t)
{
    return t == MLO_DT_F16 || t == MLO_DT_BF16 ? MLO_DT_F32 : t;
}

int mlo_typed_begin(struct mlo_answers *a, const struct mlo_match *m, struct mlo_err *err)
{
    static const enum mlo_write_form forms[] = {[MLO_ANSWER_PARQUET] = MLO_WRITE_PARQUET,
                                                [MLO_ANSWER_ARROW] = MLO_WRITE_ARROW,
                                                [MLO_ANSWER_ARROW_STREAM] = MLO_WRITE_ARROW_STREAM};
    size_t n_keep = m ? m->n_keep : 0, n = n_keep + a->n_columns;
    MLO_AUTOFREE struct mlo_write_column *columns = mlo_calloc(n + 1, sizeof *columns, err);
    if (!columns)
        return err->code;
    for (size_t k = 0; k < n_keep; k++)
        columns[k] = (struct mlo_write_column){m->columns[m->keep[k]].name, m->keep_type[k], true};
    for (size_t i = 0; i < a->n_columns; i++) {
        const struct mlo_answer_column *c = &a->columns[i];
        columns[n_keep + i] = (struct mlo_write_column){c->name, type_of(a->outputs[c->output].shape.dtype),
                                                        false};
    }
    return mlo_table_writer_new(forms[a->form], columns, n, &a->writer, err);
}

/* ---- values ---- */

struct part {
    const struct mlo_answers *a;
    const struct mlo_match *m;
    const struct mlo_batch *b;
    size_t from, n;
    struct mlo_arena memory;
};

/* Bytes that are no UTF-8 become visible, since the forms have no other text. */
static int take_text(struct part *p, struct mlo_slice s, struct mlo_slice *ret, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str visible;
    mlo_str_init(&visible, MLO_STR_MAX);
    *ret = s;
    if (mlo_utf8_valid(s.ptr, s.len))
        return 0;
    mlo_escape(&visible, s.ptr, s.len);
    int rc = mlo_str_check(&visible, err);
    if (rc == 0 && !(ret->ptr = mlo_arena_strndup(&p->memory, visible.ptr, visible.len, err)))
        rc = err->code;
    ret->len = visible.len;
    return rc;
}

static int take_element(struct part *p, const struct mlo_array *v, size_t at, char *to, struct mlo_err *err)
{
    size_t width = mlo_dtype_bits(v->dtype) / 8;
    double wide = 0;
    if (v->dtype == MLO_DT_STRING)
        return take_text(p, ((const struct mlo_slice *)v->data)[at], (struct mlo_slice *)(void *)to, err);
    if (type_of(v->dtype) == v->dtype) {
        memcpy(to, (const char *)v->data + at * width, width);
        return 0;
    }
    (void)mlo_dtype_to_double(v->dtype, v->data, at, &wide);
    memcpy(to, &(float){(float)wide}, sizeof(float));
    return 0;
}

static int take_answers(struct part *p, const struct mlo_value *out, const struct mlo_answer_column *c,
                        struct mlo_write_cells *ret, struct mlo_err *err)
{
    const struct mlo_answer_output *o = &p->a->outputs[c->output];
    const struct mlo_value *v = &out[o->port];
    enum mlo_dtype t = type_of(o->shape.dtype);
    size_t width = t == MLO_DT_STRING ? sizeof(struct mlo_slice) : mlo_dtype_bits(t) / 8;
    char *to = mlo_arena_bytes(&p->memory, p->n * width, err);
    int rc = to ? 0 : err->code;
    for (size_t r = 0; rc == 0 && r < p->n; r++)
        rc = o->maps ? take_element(p, &v->items[r].array, c->at, to + r * width, err)
                     : take_element(p, &v->array, r * o->width + c->at, to + r * width, err);
    ret->values = to;
    return rc;
}

/* ---- what is kept ---- */

static struct mlo_slice trimmed(struct mlo_slice s)
{
    for (; s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'); s.ptr++)
        s.len--;
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

static bool whole_of_double(double v, int64_t *ret)
{
    if (!(fabs(v) <= EXACT_MAX) || v != floor(v))
        return false;
    *ret = (int64_t)v;
    return true;
}

/* Digits exactly; "7.0" and "1e3" as far as a double does. */
static bool whole_of_text(struct mlo_slice s, int64_t *ret)
{
    int64_t v = 0;
    double d;
    s = trimmed(s);
    size_t sign = s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+'), i = sign;
    for (; i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9'; i++)
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (s.ptr[0] == '-' ? -1 : 1) * (s.ptr[i] - '0'), &v))
            return false;
    if (i == s.len && i > sign) {
        *ret = v;
        return true;
    }
    return mlo_decimal_read(s.ptr, s.ptr + s.len, &d) == s.ptr + s.len && whole_of_double(d, ret);
}

static bool put_kept(enum mlo_dtype t, const struct mlo_batch_column *c, size_t row, char *to)
{
    int64_t whole = 0;
    double v = c->numbers ? c->numbers[row] : 0;
    if (c->cell && c->cell[row] == MLO_CELL_BAD)
        return false;
    if (t == MLO_DT_I64) {
        if (!(c->numbers ? whole_of_double(v, &whole) : whole_of_text(mlo_batch_text(c, row), &whole)))
            return false;
        memcpy(to, &whole, sizeof whole);
    } else if (t == MLO_DT_F64) {
        memcpy(to, &v, sizeof v);
    } else {
        *to = v != 0;
    }
    return true;
}

static int put_text(struct part *p, const struct mlo_batch_column *c, size_t row, struct mlo_slice *to,
                    struct mlo_err *err)
{
    char text[MLO_DOUBLE_TEXT];
    if (!c->numbers)
        return take_text(p, mlo_batch_text(c, row), to, err);
    to->len = mlo_double_digits(c->numbers[row], text);
    to->ptr = mlo_arena_strndup(&p->memory, text, to->len, err);
    return to->ptr ? 0 : err->code;
}

static int refuse(const struct part *p, size_t k, size_t row, struct mlo_err *err)
{
    const struct mlo_batch_column *c = &p->b->columns[p->m->keep[k]];
    const char *name = p->m->columns[p->m->keep[k]].name;
    uint64_t line = p->b->first_line + (p->b->lines ? p->b->lines[row] : row);
    char called[MLO_SHOWN], held[MLO_SHOWN], text[MLO_DOUBLE_TEXT];
    bool spelt = c->numbers && !(c->cell && c->cell[row] == MLO_CELL_BAD);
    struct mlo_slice s = spelt      ? (struct mlo_slice){text, mlo_double_digits(c->numbers[row], text)}
                         : c->codes ? mlo_batch_text(c, row)
                                    : c->texts[row];
    mlo_fail(err, MLO_EINVALID, "'%s' line %llu: column '%s', which is kept as %s, holds '%s'",
             p->b->path ? p->b->path : "rows", (unsigned long long)line,
             mlo_shown(name, strlen(name), called), mlo_dtype_name(p->m->keep_type[k]),
             mlo_shown(s.ptr, s.len, held));
    return mlo_hint(err, "--output-format csv, or jsonl, keeps every cell as it is spelt");
}

static int take_kept(struct part *p, size_t k, struct mlo_write_cells *ret, struct mlo_err *err)
{
    const struct mlo_batch_column *c = &p->b->columns[p->m->keep[k]];
    enum mlo_dtype t = p->m->keep_type[k];
    size_t width = t == MLO_DT_STRING ? sizeof(struct mlo_slice) : mlo_dtype_bits(t) / 8;
    char *to = mlo_arena_alloc(&p->memory, p->n, width, err);
    uint8_t *missing = to ? mlo_arena_alloc(&p->memory, p->n, 1, err) : NULL;
    int rc = missing ? 0 : err->code;
    for (size_t r = 0; rc == 0 && r < p->n; r++) {
        size_t row = p->from + r;
        missing[r] = c->cell && c->cell[row] == MLO_CELL_MISSING;
        if (missing[r])
            continue;
        if (t == MLO_DT_STRING)
            rc = put_text(p, c, row, (struct mlo_slice *)(void *)to + r, err);
        else if (!put_kept(t, c, row, to + r * width))
            rc = refuse(p, k, row, err);
    }
    *ret = (struct mlo_write_cells){to, missing};
    return rc;
}

/* ---- parts ---- */

int mlo_typed_write(const struct mlo_answers *a, const struct mlo_value *out, size_t n,
                    const struct mlo_match *m, const struct mlo_batch *b, size_t from, struct mlo_str *ret,
                    struct mlo_err *err)
{
    struct part p = {.a = a, .m = m, .b = b, .from = from, .n = n};
    size_t n_keep = m ? m->n_keep : 0;
    MLO_AUTOFREE struct mlo_write_cells *cells = mlo_calloc(n_keep + a->n_columns, sizeof *cells, err);
    if (!cells)
        return err->code;
    mlo_arena_init(&p.memory, MEMORY_MAX);
    int rc = 0;
    for (size_t k = 0; rc == 0 && k < n_keep; k++)
        rc = take_kept(&p, k, &cells[k], err);
    for (size_t i = 0; rc == 0 && i < a->n_columns; i++)
        rc = take_answers(&p, out, &a->columns[i], &cells[n_keep + i], err);
    if (rc == 0)
        rc = mlo_table_writer_part(a->writer, cells, n, ret, err);
    mlo_arena_release(&p.memory);
    return rc;
}

int mlo_answers_join(struct mlo_answers *a, const struct mlo_str *parts, struct mlo_str *ret,
                     struct mlo_err *err)
{
    return a->writer ? mlo_table_writer_add(a->writer, parts, ret, err) : 0;
}

int mlo_answers_end(struct mlo_answers *a, struct mlo_str *ret, struct mlo_err *err)
{
    return a->writer ? mlo_table_writer_end(a->writer, ret, err) : 0;
}

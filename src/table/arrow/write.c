/*
 * Arrow IPC, written: a part is one message with a batch of records, so threads do all the work and putting
 * together is copying. As a stream, or as a file, which has an index of its batches behind them.
 */
#include <string.h>

#include "arrow.h"
#include "table/write.h"

#define MAGIC "ARROW1"

enum { V5 = 4, ALIGN = 8 };
enum { TYPE_INT = 2, TYPE_FLOAT = 3, TYPE_UTF8 = 5, TYPE_BOOL = 6 }; /* of the union Type */

struct block { /* File.fbs */
    int64_t at;
    int32_t metadata, padding;
    int64_t body;
};
struct arrow_file {
    bool indexed;
    struct block *blocks;
    size_t n_blocks, cap_blocks;
};

/* ---- messages ---- */

/* A flatbuffer with its length before it, at the end of `to`; returns where it begins. */
static size_t open_message(struct mlo_str *to)
{
    uint32_t continuation = UINT32_MAX;
    size_t at = to->len;
    mlo_str_addn(to, &continuation, sizeof continuation);
    mlo_str_fill(to, 0, sizeof(int32_t));
    return at;
}

static void close_message(struct mlo_flat_out *o, size_t at)
{
    mlo_flat_pad(o, ALIGN);
    int32_t length = (int32_t)(o->to->len - o->start);
    mlo_flat_set(o, at + sizeof(uint32_t), &length, sizeof length);
}

/* The table Message; returns where it points at its header. */
static size_t add_message(struct mlo_flat_out *o, enum mlo_arrow_kind kind, uint64_t body)
{
    struct mlo_flat_slot slots[] = {{.bytes = 2, .value = V5},
                                    {.bytes = 1, .value = (uint64_t)kind},
                                    MLO_FLAT_CHILD,
                                    {.bytes = 8, .value = body}};
    mlo_flat_add_table(o, slots, MLO_COUNT(slots));
    return slots[2].at;
}

/* ---- the schema ---- */

static unsigned type_of(enum mlo_dtype t)
{
    return t == MLO_DT_STRING      ? TYPE_UTF8
           : t == MLO_DT_BOOL      ? TYPE_BOOL
           : mlo_dtype_is_float(t) ? TYPE_FLOAT
                                   : TYPE_INT;
}

static size_t add_type(struct mlo_flat_out *o, enum mlo_dtype t)
{
    enum { SINGLE = 1, DOUBLE = 2 };
    bool is_signed = t == MLO_DT_I8 || t == MLO_DT_I16 || t == MLO_DT_I32 || t == MLO_DT_I64;
    struct mlo_flat_slot whole[] = {{.bytes = 4, .value = mlo_dtype_bits(t)},
                                    {.bytes = 1, .value = is_signed}};
    struct mlo_flat_slot real[] = {{.bytes = 2, .value = t == MLO_DT_F32 ? SINGLE : DOUBLE}};
    if (type_of(t) == TYPE_INT)
        return mlo_flat_add_table(o, whole, MLO_COUNT(whole));
    return mlo_flat_add_table(o, real, type_of(t) == TYPE_FLOAT);
}

static size_t add_field(struct mlo_flat_out *o, const struct mlo_write_column *c)
{
    size_t items;
    struct mlo_flat_slot slots[] = {MLO_FLAT_CHILD, /* name */
                                    {.bytes = 1, .value = c->nullable},
                                    {.bytes = 1, .value = type_of(c->dtype)},
                                    MLO_FLAT_CHILD, /* type */
                                    {0},
                                    MLO_FLAT_CHILD}; /* children: none */
    size_t at = mlo_flat_add_table(o, slots, MLO_COUNT(slots));
    mlo_flat_point(o, slots[0].at, mlo_flat_add_string(o, c->name));
    mlo_flat_point(o, slots[3].at, add_type(o, c->dtype));
    mlo_flat_point(o, slots[5].at, mlo_flat_add_vector(o, 0, sizeof(uint32_t), &items));
    return at;
}

static size_t add_schema(struct mlo_flat_out *o, const struct mlo_table_writer *w)
{
    struct mlo_flat_slot slots[] = {{0}, MLO_FLAT_CHILD}; /* low byte first; fields */
    size_t items, at = mlo_flat_add_table(o, slots, MLO_COUNT(slots));
    mlo_flat_point(o, slots[1].at, mlo_flat_add_vector(o, w->n_columns, sizeof(uint32_t), &items));
    for (size_t i = 0; i < w->n_columns; i++)
        mlo_flat_point(o, items + i * sizeof(uint32_t), add_field(o, &w->columns[i]));
    return at;
}

/* ---- batches of records ---- */

struct node { /* FieldNode */
    int64_t rows, missing;
};
struct buffer { /* Buffer */
    int64_t at, bytes;
};

static void close_buffer(struct mlo_str *body, size_t at, struct buffer *ret)
{
    *ret = (struct buffer){(int64_t)at, (int64_t)(body->len - at)};
    mlo_str_fill(body, 0, (ALIGN - body->len % ALIGN) % ALIGN);
}

static void add_texts(struct mlo_str *body, const struct mlo_write_cells *c, size_t n, struct buffer ret[2])
{
    const struct mlo_slice *texts = c->values;
    size_t at = body->len;
    uint32_t end = 0; /* texts of more than 4 GiB do not fit into `body` */
    mlo_str_addn(body, &end, sizeof end);
    for (size_t i = 0; i < n; i++) {
        end += mlo_write_is_missing(c, i) ? 0 : (uint32_t)texts[i].len;
        mlo_str_addn(body, &end, sizeof end);
    }
    close_buffer(body, at, &ret[0]);
    at = body->len;
    for (size_t i = 0; i < n; i++)
        if (!mlo_write_is_missing(c, i))
            mlo_str_addn(body, texts[i].ptr, texts[i].len);
    close_buffer(body, at, &ret[1]);
}

/* Buffers of the column; returns how many. */
static unsigned add_column(struct mlo_str *body, enum mlo_dtype t, const struct mlo_write_cells *c, size_t n,
                           struct node *node, struct buffer ret[3])
{
    size_t at = body->len;
    *node = (struct node){(int64_t)n, (int64_t)mlo_write_n_missing(c, n)};
    if (node->missing)
        mlo_write_bits(body, c->missing, true, n);
    close_buffer(body, at, &ret[0]);
    if (t == MLO_DT_STRING) {
        add_texts(body, c, n, &ret[1]);
        return 3;
    }
    at = body->len;
    if (t == MLO_DT_BOOL)
        mlo_write_bits(body, c->values, false, n);
    else
        mlo_str_addn(body, c->values, n * mlo_write_width(t));
    close_buffer(body, at, &ret[1]);
    return 2;
}

static int add_records(const struct mlo_table_writer *w, const struct node *nodes,
                       const struct buffer *buffers, size_t n_buffers, size_t body, struct mlo_str *to,
                       struct mlo_err *err)
{
    struct mlo_flat_slot slots[] = {
        {.bytes = 8, .value = (uint64_t)nodes[0].rows}, MLO_FLAT_CHILD, MLO_FLAT_CHILD};
    struct mlo_flat_out o;
    size_t at = open_message(to), items;
    mlo_flat_begin(&o, to);
    size_t header = add_message(&o, MLO_ARROW_RECORDS, body);
    mlo_flat_point(&o, header, mlo_flat_add_table(&o, slots, MLO_COUNT(slots)));
    mlo_flat_point(&o, slots[1].at, mlo_flat_add_vector(&o, w->n_columns, sizeof *nodes, &items));
    mlo_flat_set(&o, items, nodes, w->n_columns * sizeof *nodes);
    mlo_flat_point(&o, slots[2].at, mlo_flat_add_vector(&o, n_buffers, sizeof *buffers, &items));
    mlo_flat_set(&o, items, buffers, n_buffers * sizeof *buffers);
    close_message(&o, at);
    return mlo_str_check(to, err);
}

/* In a part the message's length stands first, then head and body. */
static int make_part(struct mlo_table_writer *w, struct mlo_pack *k, const struct mlo_write_cells *cells,
                     size_t n, struct mlo_str *part, struct mlo_err *err)
{
    MLO_AUTOFREE struct node *nodes = mlo_calloc(w->n_columns + 1, sizeof *nodes, err);
    MLO_AUTOFREE struct buffer *buffers = nodes ? mlo_calloc(3 * w->n_columns + 1, sizeof *buffers, err)
                                                : NULL;
    size_t n_buffers = 0;
    if (!buffers)
        return err->code;
    mlo_str_clear(&k->raw);
    mlo_str_clear(&k->head);
    nodes[0].rows = (int64_t)n;
    for (size_t i = 0; i < w->n_columns; i++)
        n_buffers += add_column(&k->raw, w->columns[i].dtype, &cells[i], n, &nodes[i], &buffers[n_buffers]);
    int rc = mlo_str_check(&k->raw, err);
    if (rc == 0)
        rc = add_records(w, nodes, buffers, n_buffers, k->raw.len, &k->head, err);
    if (rc != 0)
        return rc;
    const struct block b = {.metadata = (int32_t)k->head.len, .body = (int64_t)k->raw.len};
    mlo_str_addn(part, &b, sizeof b);
    mlo_str_addn(part, k->head.ptr, k->head.len);
    mlo_str_addn(part, k->raw.ptr, k->raw.len);
    return 0;
}

static int add_part(struct mlo_table_writer *w, const char *part, const struct mlo_part_head *head,
                    struct mlo_str *out, struct mlo_err *err)
{
    struct arrow_file *f = w->own;
    struct block b;
    memcpy(&b, part, sizeof b);
    b.at = (int64_t)w->at;
    if (f->indexed) {
        int rc = mlo_grow(&f->blocks, &f->cap_blocks, f->n_blocks + 1, sizeof *f->blocks, err);
        if (rc != 0)
            return rc;
        f->blocks[f->n_blocks++] = b;
    }
    mlo_str_addn(out, part + sizeof b, (size_t)head->bytes - sizeof b);
    w->at += head->bytes - sizeof b;
    return 0;
}

/* ---- the file ---- */

static int begin(struct mlo_table_writer *w, struct mlo_str *out, struct mlo_err *err)
{
    const struct arrow_file *f = w->own;
    struct mlo_flat_out o;
    size_t start = out->len;
    mlo_str_addn(out, MAGIC "\0", f->indexed ? ALIGN : 0);
    size_t at = open_message(out);
    mlo_flat_begin(&o, out);
    size_t header = add_message(&o, MLO_ARROW_SCHEMA, 0);
    mlo_flat_point(&o, header, add_schema(&o, w));
    close_message(&o, at);
    w->at += out->len - start;
    return mlo_str_check(out, err);
}

static void add_footer(const struct mlo_table_writer *w, struct mlo_str *out)
{
    const struct arrow_file *f = w->own;
    struct mlo_flat_slot slots[] = {
        {.bytes = 2, .value = V5}, MLO_FLAT_CHILD, MLO_FLAT_CHILD, MLO_FLAT_CHILD};
    struct mlo_flat_out o;
    size_t items, start = out->len;
    mlo_flat_begin(&o, out);
    mlo_flat_add_table(&o, slots, MLO_COUNT(slots));
    mlo_flat_point(&o, slots[1].at, add_schema(&o, w));
    mlo_flat_point(&o, slots[2].at, mlo_flat_add_vector(&o, 0, sizeof *f->blocks, &items));
    mlo_flat_point(&o, slots[3].at, mlo_flat_add_vector(&o, f->n_blocks, sizeof *f->blocks, &items));
    if (f->n_blocks > 0)
        mlo_flat_set(&o, items, f->blocks, f->n_blocks * sizeof *f->blocks);
    mlo_flat_pad(&o, ALIGN);
    int32_t length = (int32_t)(out->len - start);
    mlo_str_addn(out, &length, sizeof length);
    mlo_str_add(out, MAGIC);
}

static int end(struct mlo_table_writer *w, struct mlo_str *out, struct mlo_err *err)
{
    const struct arrow_file *f = w->own;
    size_t at = open_message(out); /* of length 0: there are no more */
    (void)at;
    if (f->indexed)
        add_footer(w, out);
    return mlo_str_check(out, err);
}

/* ---- the forms ---- */

static int open_stream(struct mlo_table_writer *w, struct mlo_err *err)
{
    w->own = mlo_calloc(1, sizeof(struct arrow_file), err);
    return w->own ? 0 : err->code;
}

static int open_file(struct mlo_table_writer *w, struct mlo_err *err)
{
    int rc = open_stream(w, err);
    if (rc == 0)
        ((struct arrow_file *)w->own)->indexed = true;
    return rc;
}

static void close_form(struct mlo_table_writer *w)
{
    struct arrow_file *f = w->own;
    if (f)
        free(f->blocks);
    free(f);
}

const struct mlo_writer_form mlo_writer_arrow = {open_file, close_form, make_part, begin, add_part, end};
const struct mlo_writer_form mlo_writer_arrow_stream = {open_stream, close_form, make_part,
                                                        begin,       add_part,   end};

/* The columns of a schema: those that are flat, and what the others take up in a batch. */
#include <string.h>

#include <mlopsctl/base/time.h>

#include "arrow.h"

enum type_id {
    NULL_ = 1,
    INT,
    FLOAT,
    BINARY,
    UTF8,
    BOOL,
    DECIMAL,
    DATE,
    TIME,
    TIMESTAMP,
    INTERVAL,
    LIST,
    STRUCT,
    UNION,
    FIXED_BINARY,
    FIXED_LIST,
    MAP,
    DURATION,
    BIG_BINARY,
    BIG_UTF8,
    BIG_LIST,
    RUN_END,
    BINARY_VIEW,
    UTF8_VIEW,
    LIST_VIEW,
    BIG_LIST_VIEW,
};

/* ---- types ---- */

static struct mlo_arrow_type fixed(enum mlo_parquet_type type, enum mlo_parquet_meaning as, size_t width)
{
    static const size_t widths[] = {[MLO_PARQUET_INT32] = 4,
                                    [MLO_PARQUET_INT64] = 8,
                                    [MLO_PARQUET_FLOAT] = 4,
                                    [MLO_PARQUET_DOUBLE] = 8,
                                    [MLO_PARQUET_FIXED] = 0};
    size_t wide = type == MLO_PARQUET_FIXED ? width : widths[type];
    return (struct mlo_arrow_type){
        .leaf = {.type = type, .as = as, .width = wide}, .layout = MLO_ARROW_FIXED, .width = width};
}

static struct mlo_arrow_type text(enum mlo_arrow_layout layout)
{
    return (struct mlo_arrow_type){.leaf = {.type = MLO_PARQUET_BYTE_ARRAY, .as = MLO_PARQUET_AS_TEXT},
                                   .layout = layout};
}

static struct mlo_arrow_type integer(uint64_t bits, bool is_signed)
{
    struct mlo_arrow_type t = bits == 64
                                  ? fixed(MLO_PARQUET_INT64,
                                          is_signed ? MLO_PARQUET_AS_INT64 : MLO_PARQUET_AS_UINT64, 8)
                                  : fixed(MLO_PARQUET_INT32,
                                          is_signed ? MLO_PARQUET_AS_INT32 : MLO_PARQUET_AS_UINT32, bits / 8);
    t.is_signed = is_signed;
    return t;
}

/* Seconds, milli-, micro-, nanoseconds: 0 to 3. */
static int64_t unit_ns(uint64_t unit)
{
    static const int64_t ns[] = {MLO_NS_PER_S, MLO_NS_PER_S / 1000, 1000, 1};
    return unit < MLO_COUNT(ns) ? ns[unit] : 0;
}

static struct mlo_arrow_type timed(enum mlo_parquet_meaning as, uint64_t unit, uint64_t bits)
{
    struct mlo_arrow_type t = fixed(bits == 32 ? MLO_PARQUET_INT32 : MLO_PARQUET_INT64, as, bits / 8);
    t.leaf.unit = unit_ns(unit);
    return t;
}

static struct mlo_arrow_type decimal(uint64_t bits, int32_t scale)
{
    struct mlo_arrow_type t = fixed(MLO_PARQUET_FIXED, MLO_PARQUET_AS_DECIMAL, bits / 8);
    t.reversed = true;
    t.leaf.scale = scale;
    return t;
}

static bool is_width(uint64_t bits, uint64_t least, uint64_t most)
{
    return bits >= least && bits <= most && (bits & (bits - 1)) == 0;
}

/* false: what the type says about itself is impossible. */
static bool read_type(uint64_t id, const struct mlo_flat_table *t, struct mlo_arrow_type *ret)
{
    uint64_t a, b;
    *ret = (struct mlo_arrow_type){.layout = MLO_ARROW_NESTED};
    switch (id) {
    case NULL_:
        ret->layout = MLO_ARROW_NOTHING;
        ret->leaf = (struct mlo_parquet_leaf){.type = MLO_PARQUET_BYTE_ARRAY, .as = MLO_PARQUET_AS_NULL};
        return true;
    case INT:
        a = mlo_flat_number(t, 0, 4, 0);
        *ret = integer(a, mlo_flat_number(t, 1, 1, 0) != 0);
        return is_width(a, 8, 64);
    case FLOAT:
        a = mlo_flat_number(t, 0, 2, 0);
        *ret = a == 0   ? fixed(MLO_PARQUET_FIXED, MLO_PARQUET_AS_HALF, 2)
               : a == 1 ? fixed(MLO_PARQUET_FLOAT, MLO_PARQUET_AS_FLOAT, 4)
                        : fixed(MLO_PARQUET_DOUBLE, MLO_PARQUET_AS_DOUBLE, 8);
        return a <= 2;
    case BINARY:
    case UTF8:
        *ret = text(MLO_ARROW_OFFSETS);
        return true;
    case BIG_BINARY:
    case BIG_UTF8:
        *ret = text(MLO_ARROW_BIG_OFFSETS);
        return true;
    case BINARY_VIEW:
    case UTF8_VIEW:
        *ret = text(MLO_ARROW_VIEWS);
        return true;
    case BOOL:
        ret->layout = MLO_ARROW_BITS;
        ret->leaf = (struct mlo_parquet_leaf){.type = MLO_PARQUET_BOOLEAN, .as = MLO_PARQUET_AS_BOOL};
        return true;
    case DECIMAL:
        a = mlo_flat_number(t, 2, 4, 128);
        b = mlo_flat_number(t, 1, 4, 0);
        *ret = decimal(a, (int32_t)b);
        return is_width(a, 32, 256) && (int32_t)b >= -1000 && (int32_t)b <= 1000;
    case DATE: /* days, or milliseconds */
        a = mlo_flat_number(t, 0, 2, 1);
        *ret = a == 0 ? fixed(MLO_PARQUET_INT32, MLO_PARQUET_AS_DATE, 4)
                      : timed(MLO_PARQUET_AS_TIMESTAMP, 1, 64);
        return a <= 1;
    case TIME:
        a = mlo_flat_number(t, 0, 2, 1);
        b = mlo_flat_number(t, 1, 4, 32);
        *ret = timed(MLO_PARQUET_AS_CLOCK, a, b);
        return a <= 3 && is_width(b, 32, 64);
    case TIMESTAMP:
        a = mlo_flat_number(t, 0, 2, 0);
        *ret = timed(MLO_PARQUET_AS_TIMESTAMP, a, 64);
        return a <= 3;
    case DURATION: /* as seconds */
        a = mlo_flat_number(t, 0, 2, 1);
        *ret = timed(MLO_PARQUET_AS_CLOCK, a, 64);
        return a <= 3;
    case FIXED_BINARY:
        a = mlo_flat_number(t, 0, 4, 0);
        *ret = fixed(MLO_PARQUET_FIXED, MLO_PARQUET_AS_TEXT, a);
        return a <= (uint64_t)MLO_PARQUET_WIDTH_MAX;
    default:
        return true;
    }
}

/* Buffers that a nested column has itself. Metadata before version 5 (number 4) gave unions their validity.
 */
static unsigned nested_buffers(uint64_t id, const struct mlo_flat_table *type, unsigned version)
{
    switch (id) {
    case LIST:
    case MAP:
    case BIG_LIST:
    case INTERVAL:
        return 2;
    case STRUCT:
    case FIXED_LIST:
        return 1;
    case LIST_VIEW:
    case BIG_LIST_VIEW:
        return 3;
    case UNION: /* types; dense ones (mode 1) also offsets */
        return 1 + (mlo_flat_number(type, 0, 2, 0) == 1) + (version < 4);
    default:
        return 0;
    }
}

static unsigned flat_buffers(enum mlo_arrow_layout layout)
{
    switch (layout) {
    case MLO_ARROW_NOTHING:
        return 0;
    case MLO_ARROW_FIXED:
    case MLO_ARROW_BITS:
    case MLO_ARROW_VIEWS:
        return 2;
    case MLO_ARROW_OFFSETS:
    case MLO_ARROW_BIG_OFFSETS:
        return 3;
    case MLO_ARROW_NESTED:
        break;
    }
    return 0;
}

/* ---- fields ---- */

struct reader {
    struct mlo_arrow_schema *schema;
    unsigned version;
    struct mlo_err *err;
};

static int add_node(struct reader *r, unsigned buffers, bool views)
{
    struct mlo_arrow_schema *s = r->schema;
    if (s->n_nodes == MLO_ARROW_NODES_MAX)
        return mlo_fail(r->err, MLO_EINVALID, "has more than %zu columns, with those nested in others",
                        MLO_ARROW_NODES_MAX);
    int rc = mlo_grow(&s->nodes, &s->cap_nodes, s->n_nodes + 1, sizeof *s->nodes, r->err);
    if (rc == 0)
        s->nodes[s->n_nodes++] = (struct mlo_arrow_node){buffers, views};
    return rc;
}

/* What the field takes up in a batch, with all that is nested in it. */
static int add_nodes(struct reader *r, const struct mlo_flat_table *field, unsigned depth)
{
    struct mlo_flat_table type = mlo_flat_child(field, 3), coded = mlo_flat_child(field, 4);
    uint64_t id = mlo_flat_number(field, 2, 1, 0);
    struct mlo_arrow_type t;
    if (depth > MLO_ARROW_DEPTH_MAX)
        return mlo_fail(r->err, MLO_EINVALID, "has columns nested deeper than %d", MLO_ARROW_DEPTH_MAX);
    if (id < NULL_ || id > BIG_LIST_VIEW)
        return mlo_fail(r->err, MLO_EUNAVAIL, "has a column of the unknown type %u", (unsigned)id);
    if (coded.at) /* codes; the values and what is nested in them stand in the dictionary */
        return add_node(r, 2, false);
    if (!read_type(id, &type, &t))
        return mlo_fail(r->err, MLO_EINVALID, "has a column whose type %u is impossible", (unsigned)id);
    unsigned buffers = t.layout == MLO_ARROW_NESTED ? nested_buffers(id, &type, r->version)
                                                    : flat_buffers(t.layout);
    int rc = add_node(r, buffers, t.layout == MLO_ARROW_VIEWS);
    struct mlo_flat_vector children = mlo_flat_vector(field, 5, 4);
    for (size_t i = 0; rc == 0 && i < children.count; i++) {
        struct mlo_flat_table child = mlo_flat_item_table(&children, i);
        rc = add_nodes(r, &child, depth + 1);
    }
    return rc;
}

static int leave_out(struct reader *r, char *name)
{
    struct mlo_arrow_schema *s = r->schema;
    int rc = mlo_grow(&s->left_out, &s->cap_left_out, s->n_left_out + 1, sizeof *s->left_out, r->err);
    if (rc == 0)
        s->left_out[s->n_left_out++] = name;
    else
        free(name);
    return rc;
}

static int add_column(struct reader *r, char *name, const struct mlo_arrow_field *f)
{
    struct mlo_arrow_schema *s = r->schema;
    int rc = 0;
    if (s->n_columns == MLO_TABLE_COLUMNS_MAX)
        rc = mlo_fail(r->err, MLO_EINVALID, "has more than %zu columns", MLO_TABLE_COLUMNS_MAX);
    if (rc == 0)
        rc = mlo_grow(&s->fields, &s->cap_fields, s->n_columns + 1, sizeof *s->fields, r->err);
    if (rc == 0)
        rc = mlo_grow(&s->columns, &s->cap_columns, s->n_columns + 1, sizeof *s->columns, r->err);
    if (rc != 0) {
        free(name);
        return rc;
    }
    s->fields[s->n_columns] = *f;
    s->columns[s->n_columns++] = (struct mlo_table_column){
        .name = name,
        .type = mlo_parquet_cells(&f->type.leaf),
        .integral = mlo_parquet_is_integral(&f->type.leaf)};
    return 0;
}

static bool read_codes(const struct mlo_flat_table *coded, struct mlo_arrow_field *f)
{
    struct mlo_flat_table index = mlo_flat_child(coded, 1);
    uint64_t bits = index.at ? mlo_flat_number(&index, 0, 4, 0) : 32;
    f->coded = true;
    f->dictionary = (int64_t)mlo_flat_number(coded, 0, 8, 0);
    f->code_width = bits / 8;
    f->code_signed = index.at ? mlo_flat_number(&index, 1, 1, 0) != 0 : true;
    return is_width(bits, 8, 64);
}

static int add_field(struct reader *r, const struct mlo_flat_table *field)
{
    struct mlo_arrow_field f = {.node = r->schema->n_nodes};
    struct mlo_slice called = mlo_flat_string(field, 0);
    struct mlo_flat_table type = mlo_flat_child(field, 3), coded = mlo_flat_child(field, 4);
    int rc = add_nodes(r, field, 0);
    if (rc != 0)
        return rc;
    bool possible = read_type(mlo_flat_number(field, 2, 1, 0), &type, &f.type);
    if (coded.at)
        possible = read_codes(&coded, &f) && possible;
    if (!possible)
        return mlo_fail(r->err, MLO_EINVALID, "has a column whose type is impossible");
    if (called.len > 0 && memchr(called.ptr, '\0', called.len))
        return mlo_fail(r->err, MLO_EINVALID, "has a column with NUL in its name");
    char *name = mlo_memdup0(called.ptr ? called.ptr : "", called.len, r->err);
    if (!name)
        return MLO_EIO;
    return f.type.layout == MLO_ARROW_NESTED ? leave_out(r, name) : add_column(r, name, &f);
}

int mlo_arrow_schema_read(struct mlo_arrow_schema *s, const struct mlo_flat_table *header, unsigned version,
                          struct mlo_err *err)
{
    struct reader r = {s, version, err};
    if (mlo_flat_number(header, 0, 2, 0) != 0) {
        mlo_fail(err, MLO_EUNAVAIL, "holds big-endian numbers, which are not read");
        return mlo_hint(err, "write it on a little-endian machine");
    }
    struct mlo_flat_vector fields = mlo_flat_vector(header, 1, 4);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < fields.count && !header->in->bad; i++) {
        struct mlo_flat_table field = mlo_flat_item_table(&fields, i);
        rc = add_field(&r, &field);
    }
    if (header->in->bad)
        rc = mlo_fail(err, MLO_EINVALID, "has a damaged schema");
    return rc;
}

void mlo_arrow_schema_release(struct mlo_arrow_schema *s)
{
    mlo_columns_free(s->columns, s->n_columns);
    for (size_t i = 0; i < s->n_left_out; i++)
        free(s->left_out[i]);
    free(s->left_out);
    free(s->nodes);
    free(s->fields);
    *s = (struct mlo_arrow_schema){0};
}

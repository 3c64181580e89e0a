/* The footer: which columns there are, and where each lies in the file. */
#include <string.h>

#include <mlopsctl/base/bytes.h>
#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

#include "parquet.h"
#include "thrift.h"

#define MAGIC_SIZE ((size_t)4)
#define TAIL_SIZE  ((size_t)8) /* length of the footer, magic */

struct footer {
    struct mlo_parquet_file *file;
    struct mlo_thrift in;
    uint64_t data_end; /* where the footer begins */
    bool encrypted, elsewhere;
    struct mlo_err *err; /* set when the failure is not of the bytes */
};

/* ---- schema ---- */

struct element {
    struct mlo_slice name;
    int64_t type, width, repetition, children, converted, scale;
    int64_t logical; /* id of the union's member, 0: none */
    int64_t unit;    /* nanoseconds of TIME and TIMESTAMP */
    int64_t bits;    /* of INTEGER */
    bool is_signed;
};

static int64_t read_unit(struct mlo_thrift *t, const struct mlo_thrift_field *field)
{
    static const int64_t ns[] = {0, 1000000, 1000, 1};
    struct mlo_thrift_field f = {0};
    int64_t unit = 0;
    mlo_thrift_struct(t, field);
    while (mlo_thrift_next(t, &f)) {
        if (f.id >= 1 && f.id <= 3)
            unit = ns[f.id];
        mlo_thrift_skip(t, &f);
    }
    return unit;
}

/* Members of a logical type: scale, unit, width. */
static void read_logical_members(struct mlo_thrift *t, struct element *e)
{
    struct mlo_thrift_field f = {0};
    while (mlo_thrift_next(t, &f)) {
        bool decimal = e->logical == 5, time = e->logical == 7 || e->logical == 8, integer = e->logical == 10;
        if (decimal && f.id == 1)
            e->scale = mlo_thrift_int(t, &f);
        else if (time && f.id == 2)
            e->unit = read_unit(t, &f);
        else if (integer && f.id == 1)
            e->bits = mlo_thrift_int(t, &f);
        else if (integer && f.id == 2)
            e->is_signed = mlo_thrift_bool(t, &f);
        else
            mlo_thrift_skip(t, &f);
    }
}

static void read_logical(struct mlo_thrift *t, const struct mlo_thrift_field *field, struct element *e)
{
    struct mlo_thrift_field f = {0};
    mlo_thrift_struct(t, field);
    while (mlo_thrift_next(t, &f)) {
        e->logical = f.id;
        if (f.type == MLO_THRIFT_STRUCT)
            read_logical_members(t, e);
        else
            mlo_thrift_skip(t, &f);
    }
}

static void read_element(struct mlo_thrift *t, struct element *e)
{
    struct mlo_thrift_field f = {0};
    *e = (struct element){.type = -1, .converted = -1, .name = {"", 0}};
    while (mlo_thrift_next(t, &f))
        switch (f.id) {
        case 1:
            e->type = mlo_thrift_int(t, &f);
            break;
        case 2:
            e->width = mlo_thrift_int(t, &f);
            break;
        case 3:
            e->repetition = mlo_thrift_int(t, &f);
            break;
        case 4:
            e->name = mlo_thrift_bytes(t, &f);
            break;
        case 5:
            e->children = mlo_thrift_int(t, &f);
            break;
        case 6:
            e->converted = mlo_thrift_int(t, &f);
            break;
        case 7:
            e->scale = mlo_thrift_int(t, &f);
            break;
        case 10:
            read_logical(t, &f, e);
            break;
        default:
            mlo_thrift_skip(t, &f);
        }
}

/* The old annotation as the new one. */
static void modernise(struct element *e)
{
    static const struct {
        int8_t logical;
        int64_t unit, bits;
        bool is_signed;
    } as[] = {
        [0] = {.logical = 1},
        [4] = {.logical = 4},
        [5] = {.logical = 5},
        [6] = {.logical = 6},
        [7] = {.logical = 7, .unit = 1000000},
        [8] = {.logical = 7, .unit = 1000},
        [9] = {.logical = 8, .unit = 1000000},
        [10] = {.logical = 8, .unit = 1000},
        [11] = {.logical = 10, .bits = 8},
        [12] = {.logical = 10, .bits = 16},
        [13] = {.logical = 10, .bits = 32},
        [14] = {.logical = 10, .bits = 64},
        [15] = {.logical = 10, .bits = 8, .is_signed = true},
        [16] = {.logical = 10, .bits = 16, .is_signed = true},
        [17] = {.logical = 10, .bits = 32, .is_signed = true},
        [18] = {.logical = 10, .bits = 64, .is_signed = true},
        [19] = {.logical = 12},
        [20] = {.logical = 13},
    };
    if (e->logical || e->converted < 0 || e->converted >= (int64_t)MLO_COUNT(as))
        return;
    e->logical = as[e->converted].logical;
    e->unit = as[e->converted].unit;
    e->bits = as[e->converted].bits;
    e->is_signed = as[e->converted].is_signed;
}

/* What the physical type alone says. */
static enum mlo_parquet_meaning plain_meaning(enum mlo_parquet_type type)
{
    switch (type) {
    case MLO_PARQUET_BOOLEAN:
        return MLO_PARQUET_AS_BOOL;
    case MLO_PARQUET_INT32:
        return MLO_PARQUET_AS_INT32;
    case MLO_PARQUET_INT64:
        return MLO_PARQUET_AS_INT64;
    case MLO_PARQUET_INT96:
        return MLO_PARQUET_AS_INT96;
    case MLO_PARQUET_FLOAT:
        return MLO_PARQUET_AS_FLOAT;
    case MLO_PARQUET_DOUBLE:
        return MLO_PARQUET_AS_DOUBLE;
    case MLO_PARQUET_BYTE_ARRAY:
    case MLO_PARQUET_FIXED:
        break;
    }
    return MLO_PARQUET_AS_TEXT;
}

/* An annotation that does not fit its type is as good as none. */
static enum mlo_parquet_meaning meaning_of(const struct element *e, const struct mlo_parquet_leaf *leaf)
{
    bool i32 = leaf->type == MLO_PARQUET_INT32, i64 = leaf->type == MLO_PARQUET_INT64;
    bool fixed = leaf->type == MLO_PARQUET_FIXED;
    switch (e->logical) {
    case 5:
        if (i32 || i64 || fixed || leaf->type == MLO_PARQUET_BYTE_ARRAY)
            return MLO_PARQUET_AS_DECIMAL;
        break;
    case 6:
        if (i32)
            return MLO_PARQUET_AS_DATE;
        break;
    case 7:
        if ((i32 || i64) && e->unit)
            return MLO_PARQUET_AS_CLOCK;
        break;
    case 8:
        if (i64 && e->unit)
            return MLO_PARQUET_AS_TIMESTAMP;
        break;
    case 10:
        if (!e->is_signed && (i32 || i64))
            return i32 ? MLO_PARQUET_AS_UINT32 : MLO_PARQUET_AS_UINT64;
        break;
    case 11:
        return MLO_PARQUET_AS_NULL;
    case 14:
        if (fixed && leaf->width == 16)
            return MLO_PARQUET_AS_UUID;
        break;
    case 15:
        if (fixed && leaf->width == 2)
            return MLO_PARQUET_AS_HALF;
        break;
    default:
        break;
    }
    return plain_meaning(leaf->type);
}

enum mlo_column_type mlo_parquet_cells(const struct mlo_parquet_leaf *leaf)
{
    switch (leaf->as) {
    case MLO_PARQUET_AS_BOOL:
        return MLO_COLUMN_BOOL;
    case MLO_PARQUET_AS_INT32:
    case MLO_PARQUET_AS_UINT32:
    case MLO_PARQUET_AS_INT64:
    case MLO_PARQUET_AS_UINT64:
    case MLO_PARQUET_AS_HALF:
    case MLO_PARQUET_AS_FLOAT:
    case MLO_PARQUET_AS_DOUBLE:
    case MLO_PARQUET_AS_DECIMAL:
    case MLO_PARQUET_AS_CLOCK:
        return MLO_COLUMN_NUMBER;
    case MLO_PARQUET_AS_DATE:
    case MLO_PARQUET_AS_TIMESTAMP:
    case MLO_PARQUET_AS_INT96:
        return MLO_COLUMN_TIME;
    case MLO_PARQUET_AS_NULL:
    case MLO_PARQUET_AS_TEXT:
    case MLO_PARQUET_AS_UUID:
        break;
    }
    return MLO_COLUMN_TEXT;
}

bool mlo_parquet_is_integral(const struct mlo_parquet_leaf *leaf)
{
    return (leaf->as >= MLO_PARQUET_AS_INT32 && leaf->as <= MLO_PARQUET_AS_UINT64) ||
           (leaf->as == MLO_PARQUET_AS_DECIMAL && leaf->scale == 0);
}

bool mlo_parquet_is_given(enum mlo_column_type read_as, enum mlo_column_type want)
{
    return read_as != want && !(read_as == MLO_COLUMN_BOOL && want == MLO_COLUMN_NUMBER);
}

enum mlo_column_type mlo_parquet_read_as(const struct mlo_parquet_leaf *leaf, enum mlo_column_type want)
{
    enum mlo_column_type own = mlo_parquet_cells(leaf);
    return mlo_parquet_is_given(own, want) ? MLO_COLUMN_TEXT : own;
}

static bool fill_leaf(struct mlo_thrift *t, struct element *e, struct mlo_parquet_leaf *leaf)
{
    static const size_t widths[] = {0, 4, 8, 12, 4, 8, 0, 0};
    if (e->type < 0 || e->type > MLO_PARQUET_FIXED)
        mlo_thrift_fail(t, "a column is of an unknown type");
    else if (e->type == MLO_PARQUET_FIXED && (e->width < 1 || e->width > MLO_PARQUET_WIDTH_MAX))
        mlo_thrift_fail(t, "a column's values are of an impossible length");
    else if (e->scale < -1000 || e->scale > 1000)
        mlo_thrift_fail(t, "a decimal has an impossible scale");
    if (t->bad)
        return false;
    modernise(e);
    leaf->type = (enum mlo_parquet_type)e->type;
    leaf->width = leaf->type == MLO_PARQUET_FIXED ? (size_t)e->width : widths[e->type];
    leaf->scale = (int32_t)e->scale;
    leaf->unit = e->unit;
    leaf->as = meaning_of(e, leaf);
    return true;
}

struct node { /* a group of the schema whose children are being read */
    int64_t left;
    size_t name_length; /* of the path up to and with it */
    uint32_t level;
    bool repeated;
};
struct tree {
    struct node nodes[MLO_PARQUET_DEPTH_MAX];
    size_t depth;
    struct mlo_str path; /* a.b */
    struct mlo_str top;
};

static int leave_out(struct footer *ft, const char *name)
{
    struct mlo_parquet_file *f = ft->file;
    if (f->n_left_out > 0 && strcmp(f->left_out[f->n_left_out - 1], name) == 0)
        return 0;
    int rc = mlo_grow(&f->left_out, &f->cap_left_out, f->n_left_out + 1, sizeof *f->left_out, ft->err);
    char *copy = rc == 0 ? mlo_strdup(name, ft->err) : NULL;
    if (!copy)
        return MLO_EIO;
    f->left_out[f->n_left_out++] = copy;
    return 0;
}

static int add_column(struct footer *ft, const char *name, const struct mlo_parquet_leaf *leaf)
{
    struct mlo_parquet_file *f = ft->file;
    int rc = mlo_grow(&f->columns, &f->cap_columns, f->n_columns + 1, sizeof *f->columns, ft->err);
    if (rc == 0)
        rc = mlo_grow(&f->leaf_of, &f->cap_leaf_of, f->n_columns + 1, sizeof *f->leaf_of, ft->err);
    char *copy = rc == 0 ? mlo_strdup(name, ft->err) : NULL;
    if (!copy)
        return MLO_EIO;
    f->leaf_of[f->n_columns] = f->n_leaves - 1;
    f->columns[f->n_columns++] = (struct mlo_table_column){
        .name = copy, .type = mlo_parquet_cells(leaf), .integral = mlo_parquet_is_integral(leaf)};
    return 0;
}

static int add_leaf(struct footer *ft, const struct tree *tree, struct element *e, uint32_t level,
                    bool repeated)
{
    struct mlo_parquet_file *f = ft->file;
    struct mlo_parquet_leaf leaf = {.max_level = level, .repeated = repeated};
    if (!fill_leaf(&ft->in, e, &leaf))
        return 0;
    if (f->n_leaves == MLO_TABLE_COLUMNS_MAX)
        return mlo_fail(ft->err, MLO_EINVALID, "has more than %zu columns", MLO_TABLE_COLUMNS_MAX);
    int rc = mlo_grow(&f->leaves, &f->cap_leaves, f->n_leaves + 1, sizeof *f->leaves, ft->err);
    if (rc != 0)
        return rc;
    f->leaves[f->n_leaves++] = leaf;
    return repeated ? leave_out(ft, tree->top.ptr) : add_column(ft, tree->path.ptr, &leaf);
}

/* Puts the element's name behind that of its parents. */
static int name_element(struct footer *ft, struct tree *tree, const struct element *e)
{
    const struct node *parent = &tree->nodes[tree->depth - 1];
    if (memchr(e->name.ptr, '\0', e->name.len))
        mlo_thrift_fail(&ft->in, "the name of a column holds a zero byte");
    mlo_str_truncate(&tree->path, parent->name_length);
    if (parent->name_length > 0)
        mlo_str_add(&tree->path, ".");
    mlo_str_addn(&tree->path, e->name.ptr, e->name.len);
    if (tree->depth == 1) {
        mlo_str_clear(&tree->top);
        mlo_str_addn(&tree->top, e->name.ptr, e->name.len);
    }
    int rc = mlo_str_check(&tree->path, ft->err);
    return rc != 0 ? rc : mlo_str_check(&tree->top, ft->err);
}

static int add_element(struct footer *ft, struct tree *tree, struct element *e)
{
    const struct node *parent = &tree->nodes[tree->depth - 1];
    uint32_t level = parent->level + (e->repetition > 0);
    bool repeated = parent->repeated || e->repetition == 2;
    int rc = name_element(ft, tree, e);
    if (e->children < 0 || e->repetition < 0 || e->repetition > 2 || (e->children > 0 && e->type >= 0))
        mlo_thrift_fail(&ft->in, "the schema makes no sense");
    if (rc != 0 || ft->in.bad)
        return rc;
    if (e->type >= 0)
        return add_leaf(ft, tree, e, level, repeated);
    if (tree->depth == MLO_PARQUET_DEPTH_MAX) {
        mlo_thrift_fail(&ft->in, "the schema is nested too deeply");
        return 0;
    }
    tree->nodes[tree->depth++] = (struct node){e->children, tree->path.len, level, repeated};
    return 0;
}

/* Elements come depth first; the first is the root, whose name counts for nothing. */
static int read_elements(struct footer *ft, struct tree *tree, size_t n)
{
    struct element e;
    int rc = 0;
    read_element(&ft->in, &e);
    tree->nodes[0] = (struct node){.left = e.children};
    tree->depth = 1;
    for (size_t i = 1; rc == 0 && i < n && !ft->in.bad; i++) {
        while (tree->depth > 0 && tree->nodes[tree->depth - 1].left == 0)
            tree->depth--;
        if (tree->depth == 0)
            break;
        tree->nodes[tree->depth - 1].left--;
        read_element(&ft->in, &e);
        rc = ft->in.bad ? 0 : add_element(ft, tree, &e);
    }
    while (tree->depth > 0 && tree->nodes[tree->depth - 1].left == 0)
        tree->depth--;
    if (tree->depth > 0)
        mlo_thrift_fail(&ft->in, "the schema is not whole");
    return rc;
}

static int read_schema(struct footer *ft, const struct mlo_thrift_field *field)
{
    struct tree tree;
    size_t n = mlo_thrift_structs(&ft->in, field);
    if (n == 0 || ft->file->n_leaves > 0) {
        mlo_thrift_fail(&ft->in, "there is no schema, or more than one");
        return 0;
    }
    mlo_str_init(&tree.path, MLO_STR_MAX);
    mlo_str_init(&tree.top, MLO_STR_MAX);
    int rc = read_elements(ft, &tree, n);
    mlo_str_release(&tree.path);
    mlo_str_release(&tree.top);
    return rc;
}

/* ---- row groups ---- */

struct chunk_head {
    int64_t type, packing, values, bytes, data, dictionary;
    bool there;
};

static void read_chunk_meta(struct mlo_thrift *t, const struct mlo_thrift_field *field, struct chunk_head *c)
{
    struct mlo_thrift_field f = {0};
    mlo_thrift_struct(t, field);
    c->there = true;
    while (mlo_thrift_next(t, &f))
        switch (f.id) {
        case 1:
            c->type = mlo_thrift_int(t, &f);
            break;
        case 4:
            c->packing = mlo_thrift_int(t, &f);
            break;
        case 5:
            c->values = mlo_thrift_int(t, &f);
            break;
        case 7:
            c->bytes = mlo_thrift_int(t, &f);
            break;
        case 9:
            c->data = mlo_thrift_int(t, &f);
            break;
        case 11:
            c->dictionary = mlo_thrift_int(t, &f);
            break;
        default:
            mlo_thrift_skip(t, &f);
        }
}

static void read_chunk(struct footer *ft, struct chunk_head *c)
{
    struct mlo_thrift_field f = {0};
    *c = (struct chunk_head){.type = -1, .data = -1};
    while (mlo_thrift_next(&ft->in, &f)) {
        if (f.id == 3) {
            read_chunk_meta(&ft->in, &f, c);
            continue;
        }
        ft->elsewhere = ft->elsewhere || f.id == 1;
        ft->encrypted = ft->encrypted || f.id == 8 || f.id == 9;
        mlo_thrift_skip(&ft->in, &f);
    }
}

/* Old Java writers left the dictionary page's head out of the chunk's length. */
#define FORGOTTEN_HEAD 100

/* Where the chunk lies: within the file, before the footer. */
static const char *place_chunk(const struct footer *ft, const struct chunk_head *c, uint64_t rows,
                               const struct mlo_parquet_leaf *leaf, struct mlo_parquet_chunk *ret)
{
    int64_t start = c->dictionary > 0 ? c->dictionary : c->data;
    if (c->type != (int64_t)leaf->type)
        return "a column's data are of another type than its schema";
    if (!leaf->repeated && (uint64_t)c->values != rows)
        return "a column has another number of values than its row group has rows";
    if (c->packing < 0 || c->packing > UINT8_MAX)
        return "a column's codec does not exist";
    if (start < (int64_t)MAGIC_SIZE || c->bytes < 0 || (uint64_t)start > ft->data_end ||
        (uint64_t)c->bytes > ft->data_end - (uint64_t)start)
        return "a column lies outside the file";
    uint64_t end = (uint64_t)start + (uint64_t)c->bytes, beyond = ft->data_end - end;
    *ret = (struct mlo_parquet_chunk){
        (uint64_t)start, end + (beyond < FORGOTTEN_HEAD ? beyond : FORGOTTEN_HEAD), (uint8_t)c->packing};
    return NULL;
}

static int read_chunks(struct footer *ft, size_t n, uint64_t rows)
{
    struct mlo_parquet_file *f = ft->file;
    if (n != f->n_leaves)
        mlo_thrift_fail(&ft->in, "a row group has another number of columns than the schema");
    for (size_t i = 0; i < n && !ft->in.bad && !ft->encrypted; i++) {
        struct chunk_head c;
        read_chunk(ft, &c);
        struct mlo_parquet_chunk chunk = {0};
        const char *bad = NULL;
        if (c.there && !ft->elsewhere && rows > 0)
            bad = place_chunk(ft, &c, rows, &f->leaves[i], &chunk);
        else if (!c.there && !ft->encrypted && !ft->elsewhere)
            bad = "a column is not described";
        if (bad)
            mlo_thrift_fail(&ft->in, bad);
        int rc = mlo_grow(&f->chunks, &f->cap_chunks, f->n_chunks + 1, sizeof *f->chunks, ft->err);
        if (rc != 0)
            return rc;
        f->chunks[f->n_chunks++] = chunk;
    }
    return 0;
}

/* The number of rows comes behind the columns: it is looked for first. */
static int64_t rows_ahead(struct mlo_thrift t)
{
    struct mlo_thrift_field f = {0};
    int64_t rows = -1;
    while (mlo_thrift_next(&t, &f)) {
        if (f.id == 3)
            rows = mlo_thrift_int(&t, &f);
        else
            mlo_thrift_skip(&t, &f);
    }
    return t.bad ? -1 : rows;
}

static int read_group(struct footer *ft)
{
    struct mlo_parquet_file *f = ft->file;
    struct mlo_thrift_field field = {0};
    int64_t rows = rows_ahead(ft->in);
    int rc = mlo_grow(&f->groups, &f->cap_groups, f->n_groups + 1, sizeof *f->groups, ft->err);
    size_t before = f->n_chunks;
    if (rows < 0 || (uint64_t)rows > INT64_MAX - f->rows)
        mlo_thrift_fail(&ft->in, "a row group has an impossible number of rows");
    while (rc == 0 && mlo_thrift_next(&ft->in, &field)) {
        if (field.id == 1 && f->n_chunks == before)
            rc = read_chunks(ft, mlo_thrift_structs(&ft->in, &field), (uint64_t)rows);
        else
            mlo_thrift_skip(&ft->in, &field);
    }
    if (rc != 0 || ft->in.bad || ft->encrypted)
        return rc;
    if (f->n_chunks - before != f->n_leaves)
        mlo_thrift_fail(&ft->in, "a row group has no columns");
    f->groups[f->n_groups++] = (struct mlo_parquet_group){f->rows, (uint64_t)rows};
    f->rows += (uint64_t)rows;
    return 0;
}

static int read_groups(struct footer *ft, const struct mlo_thrift_field *field)
{
    size_t n = mlo_thrift_structs(&ft->in, field);
    int rc = 0;
    if (n > 0 && ft->file->n_leaves == 0)
        mlo_thrift_fail(&ft->in, "its schema has no columns");
    for (size_t i = 0; rc == 0 && i < n && !ft->in.bad && !ft->encrypted; i++)
        rc = read_group(ft);
    return rc;
}

/* ---- the whole ---- */

static int read_metadata(struct footer *ft)
{
    struct mlo_thrift_field f = {0};
    int rc = 0;
    while (rc == 0 && !ft->encrypted && mlo_thrift_next(&ft->in, &f))
        switch (f.id) {
        case 2:
            rc = read_schema(ft, &f);
            break;
        case 4:
            rc = read_groups(ft, &f);
            break;
        case 8:
            ft->encrypted = true;
            break;
        default:
            mlo_thrift_skip(&ft->in, &f);
        }
    return rc;
}

static int encrypted(const char *name, struct mlo_err *err)
{
    mlo_fail(err, MLO_EUNAVAIL, "'%s' is an encrypted Parquet file", name);
    return mlo_hint(err, "write it without encryption: keys are not taken");
}

static int read_footer(struct mlo_parquet_file *f, const uint8_t *bytes, size_t n, struct mlo_err *err)
{
    struct footer ft = {.file = f, .data_end = f->size - TAIL_SIZE - n, .err = err};
    mlo_thrift_init(&ft.in, bytes, n);
    int rc = read_metadata(&ft);
    if (rc != 0)
        return rc;
    if (ft.encrypted)
        return encrypted(f->name, err);
    if (ft.elsewhere)
        return mlo_fail(err, MLO_EUNAVAIL, "'%s' keeps its columns in other files, which are not read",
                        f->name);
    if (ft.in.bad)
        return mlo_fail(err, MLO_EINVALID, "'%s' is no whole Parquet file: its footer is damaged: %s",
                        f->name, ft.in.bad);
    if (f->n_columns == 0 && f->n_left_out == 0)
        return mlo_fail(err, MLO_EINVALID, "'%s' has no columns", f->name);
    return 0;
}

static int no_parquet(const struct mlo_parquet_file *f, const char *why, struct mlo_err *err)
{
    return mlo_fail(err, MLO_EINVALID, "'%s' is no whole Parquet file: %s", f->name, why);
}

int mlo_parquet_open(struct mlo_parquet_file *f, struct mlo_err *err)
{
    uint8_t head[MAGIC_SIZE], tail[TAIL_SIZE];
    if (f->size < MAGIC_SIZE + TAIL_SIZE)
        return no_parquet(f, "it is too short", err);
    int rc = mlo_read_exact_at(f->fd, head, sizeof head, 0, err);
    if (rc == 0)
        rc = mlo_read_exact_at(f->fd, tail, sizeof tail, f->size - sizeof tail, err);
    if (rc != 0)
        return mlo_wrap(err, "'%s'", f->name);
    if (memcmp(tail + 4, "PARE", MAGIC_SIZE) == 0)
        return encrypted(f->name, err);
    if (memcmp(head, "PAR1", MAGIC_SIZE) != 0)
        return no_parquet(f, "it does not begin with PAR1", err);
    if (memcmp(tail + 4, "PAR1", MAGIC_SIZE) != 0)
        return no_parquet(f, "it does not end with PAR1, so it was cut off or is still being written", err);
    size_t n = mlo_le32(tail);
    if (n > f->size - MAGIC_SIZE - TAIL_SIZE || n > MLO_PARQUET_FOOTER_MAX)
        return no_parquet(f, "its footer is longer than the file or than 256 MiB", err);
    MLO_AUTOFREE uint8_t *bytes = mlo_calloc(1, n + 1, err);
    rc = bytes ? mlo_read_exact_at(f->fd, bytes, n, f->size - TAIL_SIZE - n, err) : MLO_EIO;
    return rc != 0 ? mlo_wrap(err, "'%s'", f->name) : read_footer(f, bytes, n, err);
}

void mlo_parquet_release(struct mlo_parquet_file *f)
{
    mlo_columns_free(f->columns, f->n_columns);
    for (size_t i = 0; i < f->n_left_out; i++)
        free(f->left_out[i]);
    free(f->left_out);
    free(f->leaf_of);
    free(f->leaves);
    free(f->groups);
    free(f->chunks);
    *f = (struct mlo_parquet_file){.fd = -1};
}

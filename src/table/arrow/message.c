/* Messages of a stream or a file, and the buffers of their columns. */
#include <string.h>

#include <mlopsctl/base/bytes.h>
#include <mlopsctl/base/io.h>

#include "arrow.h"

#define MAGIC      "ARROW1"
#define N_MAGIC    ((size_t)6)
#define BEFORE     ((size_t)8)  /* magic and padding at the start of a file */
#define AFTER      ((size_t)10) /* length of the footer, magic */
#define BLOCK      ((size_t)24) /* of the footer: offset, length of metadata, length of the body */
#define CONTINUED  0xffffffffu
#define FIRST_READ ((size_t)1 << 20) /* no more is allocated before bytes have come */

static int damaged(const char *what, struct mlo_err *err)
{
    return mlo_fail(err, MLO_EINVALID, "%s", what);
}

/* ---- bytes ---- */

static int read_at(const struct mlo_arrow_source *s, uint64_t at, void *buf, size_t n, struct mlo_err *err)
{
    int rc = mlo_read_exact_at(s->fd, buf, n, at, err);
    return rc == MLO_EINVALID ? damaged("became shorter while it was read", err) : rc;
}

/* Up to n bytes in order. */
static int read_on(struct mlo_arrow_source *s, void *buf, size_t n, size_t *ret_n, struct mlo_err *err)
{
    int rc;
    if (s->is_file) {
        *ret_n = n < s->size - s->at ? n : (size_t)(s->size - s->at);
        rc = read_at(s, s->at, buf, *ret_n, err);
        s->at += *ret_n;
    } else {
        rc = mlo_input_read(&s->in, buf, n, ret_n, err);
    }
    s->bytes += rc == 0 ? *ret_n : 0;
    return rc;
}

/* n bytes into memory that grows as they come. */
static int read_all(struct mlo_arrow_source *s, size_t n, uint8_t **buf, size_t *cap, struct mlo_err *err)
{
    for (size_t have = 0, got = 0; have < n; have += got) {
        size_t part = have > FIRST_READ ? have : FIRST_READ;
        part = part < n - have ? part : n - have;
        int rc = mlo_grow(buf, cap, have + part, 1, err);
        if (rc == 0)
            rc = read_on(s, *buf + have, part, &got, err);
        if (rc == 0 && got < part)
            rc = damaged("ends in the middle of a message", err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* ---- messages ---- */

/* Length of the metadata; 0 at the end. Before 0.15 nothing stood before the length. */
static int read_length(struct mlo_arrow_source *s, size_t *ret, struct mlo_err *err)
{
    uint8_t word[4];
    size_t got;
    *ret = 0;
    for (int i = 0; i < 2; i++) {
        int rc = read_on(s, word, sizeof word, &got, err);
        if (rc != 0 || (i == 0 && got == 0))
            return rc;
        if (got < sizeof word)
            return damaged("ends in the middle of a message", err);
        if (mlo_le32(word) != CONTINUED)
            break;
    }
    *ret = mlo_le32(word);
    return *ret <= MLO_ARROW_METADATA_MAX ? 0 : damaged("has a message of impossible length", err);
}

/* The body of a stream is read; that of a file is left where it is. */
static int read_body(struct mlo_arrow_source *s, struct mlo_arrow_message *m, struct mlo_err *err)
{
    if (m->n_body > MLO_ARROW_BODY_MAX) {
        mlo_fail(err, MLO_EINVALID, "has a batch of %llu bytes", (unsigned long long)m->n_body);
        return mlo_hint(err, "write it with fewer rows in a batch");
    }
    m->body_at = s->at;
    if (!s->is_file)
        return read_all(s, (size_t)m->n_body, &m->body, &m->cap_body, err);
    return m->n_body <= s->size - s->at ? 0 : damaged("ends in the middle of a message", err);
}

static int read_message(struct mlo_arrow_source *s, struct mlo_arrow_message *m, struct mlo_err *err)
{
    size_t n;
    m->kind = MLO_ARROW_END;
    int rc = read_length(s, &n, err);
    if (rc == 0 && n > 0)
        rc = read_all(s, n, &m->metadata, &m->cap_metadata, err);
    if (rc != 0 || n == 0)
        return rc;
    m->flat = (struct mlo_flatbuf){.p = m->metadata, .n = n};
    struct mlo_flat_table root = mlo_flat_root(&m->flat);
    uint64_t kind = mlo_flat_number(&root, 1, 1, 0);
    m->version = (unsigned)mlo_flat_number(&root, 0, 2, 0);
    m->header = mlo_flat_child(&root, 2);
    m->n_body = mlo_flat_number(&root, 3, 8, 0);
    if (m->flat.bad || !m->header.at || kind < MLO_ARROW_SCHEMA)
        return damaged("has a damaged message", err);
    if (kind > MLO_ARROW_RECORDS)
        return mlo_fail(err, MLO_EUNAVAIL, "holds a tensor, not a table");
    m->kind = (enum mlo_arrow_kind)kind;
    return read_body(s, m, err);
}

void mlo_arrow_message_release(struct mlo_arrow_message *m)
{
    free(m->metadata);
    free(m->body);
    *m = (struct mlo_arrow_message){0};
}

/* ---- files ---- */

static int note_blocks(struct mlo_arrow_source *s, const struct mlo_flat_vector *v, struct mlo_err *err)
{
    int rc = mlo_grow(&s->blocks, &s->cap_blocks, s->n_blocks + v->count + 1, sizeof *s->blocks, err);
    for (size_t i = 0; rc == 0 && i < v->count; i++) {
        uint64_t at = mlo_flat_item(v, i, 0, 8);
        if (at > s->size)
            return damaged("has a footer that points beyond the file", err);
        s->blocks[s->n_blocks++] = at;
    }
    return rc;
}

static int use_footer(struct mlo_arrow_source *s, struct mlo_flatbuf *flat, struct mlo_arrow_schema *schema,
                      struct mlo_err *err)
{
    struct mlo_flat_table root = mlo_flat_root(flat), header = mlo_flat_child(&root, 1);
    struct mlo_flat_vector dictionaries = mlo_flat_vector(&root, 2, BLOCK),
                           records = mlo_flat_vector(&root, 3, BLOCK);
    if (flat->bad || !header.at)
        return damaged("has a damaged footer", err);
    int rc = mlo_arrow_schema_read(schema, &header, (unsigned)mlo_flat_number(&root, 0, 2, 0), err);
    if (rc == 0)
        rc = note_blocks(s, &dictionaries, err);
    return rc != 0 ? rc : note_blocks(s, &records, err);
}

static int read_footer(struct mlo_arrow_source *s, struct mlo_arrow_schema *schema, struct mlo_err *err)
{
    uint8_t end[AFTER];
    if (s->size < BEFORE + AFTER)
        return damaged("has no footer: it was cut off", err);
    int rc = read_at(s, s->size - AFTER, end, AFTER, err);
    if (rc != 0)
        return rc;
    if (memcmp(end + 4, MAGIC, N_MAGIC) != 0)
        return damaged("has no footer: it was cut off", err);
    size_t n = mlo_le32(end);
    if (n > s->size - BEFORE - AFTER || n > MLO_ARROW_METADATA_MAX)
        return damaged("has a footer of impossible length", err);
    MLO_AUTOFREE uint8_t *footer = mlo_calloc(n + 1, 1, err);
    if (!footer)
        return MLO_EIO;
    rc = read_at(s, s->size - AFTER - n, footer, n, err);
    struct mlo_flatbuf flat = {.p = footer, .n = n};
    return rc != 0 ? rc : use_footer(s, &flat, schema, err);
}

/* ---- the source ---- */

int mlo_arrow_open(struct mlo_arrow_source *s, struct mlo_arrow_message *m, struct mlo_arrow_schema *schema,
                   struct mlo_err *err)
{
    struct mlo_head head;
    int rc = mlo_input_peek(&s->in, BEFORE, 0, &head, err);
    if (rc != 0)
        return rc;
    if (head.n >= 4 && memcmp(head.text, "FEA1", 4) == 0) {
        mlo_fail(err, MLO_EUNAVAIL, "is Feather version 1, which is not read");
        return mlo_hint(err, "write it as version 2, which is the default since 2020");
    }
    s->is_file = head.n == BEFORE && memcmp(head.text, MAGIC, N_MAGIC) == 0;
    if (s->is_file) {
        rc = mlo_input_spool(&s->in, &s->fd, &s->size, err);
        return rc != 0 ? rc : read_footer(s, schema, err);
    }
    rc = read_message(s, m, err);
    if (rc == 0 && m->kind != MLO_ARROW_SCHEMA)
        rc = damaged("does not begin with a schema", err);
    return rc != 0 ? rc : mlo_arrow_schema_read(schema, &m->header, m->version, err);
}

int mlo_arrow_next(struct mlo_arrow_source *s, struct mlo_arrow_message *m, struct mlo_err *err)
{
    m->kind = MLO_ARROW_END;
    if (s->is_file) {
        if (s->block == s->n_blocks)
            return 0;
        s->at = s->blocks[s->block++];
    }
    int rc = read_message(s, m, err);
    if (rc == 0 && (m->kind == MLO_ARROW_SCHEMA || (s->is_file && m->kind == MLO_ARROW_END)))
        rc = damaged("has a message that is out of place", err);
    return rc;
}

void mlo_arrow_source_release(struct mlo_arrow_source *s)
{
    mlo_input_close(&s->in);
    free(s->blocks);
}

/* ---- buffers ---- */

int mlo_arrow_batch_read(const struct mlo_flat_table *header, struct mlo_arrow_batch *ret,
                         struct mlo_err *err)
{
    struct mlo_flat_table packing = mlo_flat_child(header, 3);
    *ret = (struct mlo_arrow_batch){.nodes = mlo_flat_vector(header, 1, 16),
                                    .buffers = mlo_flat_vector(header, 2, 16),
                                    .variadic = mlo_flat_vector(header, 4, 8),
                                    .rows = mlo_flat_number(header, 0, 8, 0),
                                    .packing = packing.at ? (int)mlo_flat_number(&packing, 0, 1, 0) : -1};
    if (header->in->bad || ret->rows > MLO_ARROW_ROWS_MAX)
        return damaged("has a damaged batch", err);
    if (ret->packing > 1 || (packing.at && mlo_flat_number(&packing, 1, 1, 0) != 0))
        return mlo_fail(err, MLO_EUNAVAIL, "is compressed in an unknown way");
    return 0;
}

int mlo_arrow_places(const struct mlo_arrow_schema *schema, const struct mlo_arrow_batch *b,
                     struct mlo_arrow_place *ret, struct mlo_err *err)
{
    size_t buffer = 0, variadic = 0, column = 0;
    for (size_t i = 0; i < schema->n_nodes; i++) {
        for (; column < schema->n_columns && schema->fields[column].node == i; column++) {
            const struct mlo_arrow_field *f = &schema->fields[column];
            ret[column] = (struct mlo_arrow_place){i, buffer, variadic,
                                                   f->coded ? MLO_ARROW_FIXED : f->type.layout,
                                                   f->coded ? f->code_width : f->type.width};
        }
        buffer += schema->nodes[i].buffers;
        if (schema->nodes[i].views) {
            uint64_t more = mlo_flat_item(&b->variadic, variadic++, 0, 8);
            if (more > b->buffers.count)
                return damaged("has a damaged batch", err);
            buffer += (size_t)more;
        }
    }
    if (b->nodes.count != schema->n_nodes || b->buffers.count != buffer || b->variadic.count != variadic)
        return damaged("has a batch that does not fit its schema", err);
    return 0;
}

static void *own(struct mlo_arrow_array *a, size_t n, struct mlo_err *err)
{
    if (mlo_grow(&a->owned, &a->cap_owned, a->n_owned + 1, sizeof *a->owned, err) != 0)
        return NULL;
    void *block = mlo_calloc(n + MLO_PARQUET_PADDING, 1, err);
    if (block)
        a->owned[a->n_owned++] = block;
    return block;
}

/* The stored bytes of a buffer. */
static int fetch(const struct mlo_arrow_source *s, const struct mlo_arrow_message *m, uint64_t at, size_t n,
                 struct mlo_arrow_array *a, const uint8_t **ret, struct mlo_err *err)
{
    if (!s->is_file) {
        *ret = m->body + at;
        return 0;
    }
    uint8_t *block = own(a, n, err);
    *ret = block;
    return block ? read_at(s, m->body_at + at, block, n, err) : MLO_EIO;
}

/* Before compressed bytes stands how many they become; -1: they are as they are. */
static int unpack(const struct mlo_arrow_batch *b, struct mlo_arrow_unpacking *u, struct mlo_arrow_array *a,
                  const uint8_t **p, size_t *n, struct mlo_err *err)
{
    enum mlo_packing packing = b->packing == 0 ? MLO_PACKED_LZ4 : MLO_PACKED_ZSTD;
    if (*n < 8)
        return damaged("has a damaged buffer", err);
    uint64_t becomes = mlo_le64(*p);
    const uint8_t *from = *p + 8;
    size_t n_from = *n - 8;
    if (becomes == UINT64_MAX) {
        *p = from;
        *n = n_from;
        return 0;
    }
    u->bytes += becomes;
    if (becomes > mlo_unpack_bound(packing, n_from) || becomes > MLO_ARROW_BODY_MAX || u->bytes > u->max) {
        damaged("has a buffer that would become impossibly long", err);
        return mlo_hint(err, "it may be a decompression bomb");
    }
    uint8_t *to = own(a, (size_t)becomes, err);
    if (!to)
        return MLO_EIO;
    int rc = b->packing == 0 ? mlo_unpack_lz4_frame(from, n_from, to, (size_t)becomes, err)
                             : mlo_unpack(&u->unpacker, packing, from, n_from, to, (size_t)becomes, err);
    *p = to;
    *n = (size_t)becomes;
    return rc != 0 ? mlo_wrap(err, "a buffer") : 0;
}

struct loading {
    const struct mlo_arrow_source *s;
    const struct mlo_arrow_message *m;
    const struct mlo_arrow_batch *b;
    struct mlo_arrow_unpacking *u;
    struct mlo_arrow_array *a;
    size_t buffer; /* the next */
};

static int next_buffer(struct loading *l, struct mlo_slice *ret, struct mlo_err *err)
{
    uint64_t at = mlo_flat_item(&l->b->buffers, l->buffer, 0, 8),
             n = mlo_flat_item(&l->b->buffers, l->buffer, 8, 8);
    const uint8_t *p = NULL;
    size_t len = (size_t)n;
    l->buffer++;
    *ret = (struct mlo_slice){NULL, 0};
    if (n == 0)
        return 0;
    if (at > l->m->n_body || n > l->m->n_body - at)
        return damaged("has a buffer beyond its message", err);
    int rc = fetch(l->s, l->m, at, len, l->a, &p, err);
    if (rc == 0 && l->b->packing >= 0)
        rc = unpack(l->b, l->u, l->a, &p, &len, err);
    if (rc == 0)
        *ret = (struct mlo_slice){(const char *)p, len};
    return rc;
}

static int load_validity(struct loading *l, struct mlo_err *err)
{
    struct mlo_slice bits;
    int rc = next_buffer(l, &bits, err);
    if (rc == 0 && bits.len > 0 && bits.len < (l->a->rows + 7) / 8)
        rc = damaged("has a buffer that is too short", err);
    l->a->validity = bits.len > 0 ? (const uint8_t *)bits.ptr : NULL;
    return rc;
}

/* Bytes that the values of a layout take; without a row there need not be any. */
static uint64_t values_size(const struct mlo_arrow_place *place, uint64_t rows)
{
    switch (place->layout) {
    case MLO_ARROW_FIXED:
        return rows * place->width;
    case MLO_ARROW_BITS:
        return (rows + 7) / 8;
    case MLO_ARROW_OFFSETS:
        return rows ? (rows + 1) * 4 : 0;
    case MLO_ARROW_BIG_OFFSETS:
        return rows ? (rows + 1) * 8 : 0;
    case MLO_ARROW_VIEWS:
        return rows * 16;
    case MLO_ARROW_NOTHING:
    case MLO_ARROW_NESTED:
        break;
    }
    return 0;
}

static int load_values(struct loading *l, const struct mlo_arrow_place *place, struct mlo_err *err)
{
    struct mlo_slice values;
    int rc = next_buffer(l, &values, err);
    if (rc == 0 && values.len < values_size(place, l->a->rows))
        rc = damaged("has a buffer that is too short", err);
    l->a->values = (const uint8_t *)values.ptr;
    l->a->n_values = values.len;
    return rc;
}

static int load_bytes(struct loading *l, uint64_t n, struct mlo_err *err)
{
    struct mlo_arrow_array *a = l->a;
    if (n > l->b->buffers.count)
        return damaged("has a damaged batch", err);
    int rc = mlo_grow(&a->bytes, &a->cap_bytes, n + 1, sizeof *a->bytes, err);
    for (; rc == 0 && a->n_bytes < n; a->n_bytes++)
        rc = next_buffer(l, &a->bytes[a->n_bytes], err);
    return rc;
}

int mlo_arrow_load(const struct mlo_arrow_source *s, const struct mlo_arrow_message *m,
                   const struct mlo_arrow_batch *b, const struct mlo_arrow_place *place,
                   struct mlo_arrow_unpacking *u, struct mlo_arrow_array *ret, struct mlo_err *err)
{
    struct loading l = {s, m, b, u, ret, place->buffer};
    mlo_arrow_array_clear(ret);
    ret->rows = mlo_flat_item(&b->nodes, place->node, 0, 8);
    if (ret->rows != b->rows)
        return damaged("has a column with another number of rows than its batch", err);
    if (place->layout == MLO_ARROW_NOTHING)
        return 0;
    int rc = load_validity(&l, err);
    if (rc == 0)
        rc = load_values(&l, place, err);
    if (rc == 0 && (place->layout == MLO_ARROW_OFFSETS || place->layout == MLO_ARROW_BIG_OFFSETS))
        rc = load_bytes(&l, 1, err);
    if (rc == 0 && place->layout == MLO_ARROW_VIEWS)
        rc = load_bytes(&l, mlo_flat_item(&b->variadic, place->variadic, 0, 8), err);
    return rc;
}

void mlo_arrow_array_clear(struct mlo_arrow_array *a)
{
    while (a->n_owned > 0)
        free(a->owned[--a->n_owned]);
    a->validity = a->values = NULL;
    a->n_values = a->n_bytes = 0;
    a->rows = 0;
}

void mlo_arrow_array_release(struct mlo_arrow_array *a)
{
    mlo_arrow_array_clear(a);
    free(a->owned);
    free(a->bytes);
    *a = (struct mlo_arrow_array){0};
}

/*
 * safetensors. The header is read once through the pull parser, never as a tree. First pass: count the
 * tensors, so that the table is allocated once; second pass: fill it. Then one sort by offset proves that the
 * ranges start at 0, touch without hole or overlap, and end at the end of the file; one sort by name finds
 * duplicates. Memory is the header plus a fixed amount per tensor, time is O(n log n).
 *
 * Stricter than the reference reader: the header begins with '{' and ends with '}' or spaces, names are
 * unique, and so are the members of a tensor's entry and of __metadata__.
 */
#include <string.h>

#include <mlopsctl/base/json.h>

#include "internal.h"

#define MAX_HEADER 100000000ULL /* as the reference */
#define METADATA   "__metadata__"

struct st_reader {
    struct mlo_checkpoint *cp;
    struct mlo_jpull j;
    struct mlo_str text; /* scratch: a name or value with escapes resolved */
    uint64_t data;       /* file offset of the buffer */
    uint64_t data_len;
};

static int expect(struct st_reader *r, enum mlo_jtok want, const char *what, struct mlo_err *err)
{
    enum mlo_jtok tok;
    int rc = mlo_jpull_next(&r->j, &tok, err);
    if (rc < 0)
        return rc;
    if (tok != want)
        return mlo_fail(err, MLO_EINVALID, "at byte %zu of the header: expected %s",
                        (size_t)(r->j.p - r->j.start), what);
    return 0;
}

static int expect_u64(struct st_reader *r, const char *what, uint64_t *ret, struct mlo_err *err)
{
    int rc = expect(r, MLO_J_NUMBER, what, err);
    return rc < 0 ? rc : mlo_jpull_u64(&r->j, ret, err);
}

/* The last key or string into r->text. */
static int unescaped(struct st_reader *r, struct mlo_err *err)
{
    mlo_str_clear(&r->text);
    int rc = mlo_jpull_unescape(&r->j, &r->text, err);
    return rc < 0 ? rc : mlo_str_check(&r->text, err);
}

static int read_shape(struct st_reader *r, struct mlo_tensor *t, struct mlo_err *err)
{
    uint64_t dims[MLO_MAX_RANK];
    enum mlo_jtok tok;
    int rc = expect(r, MLO_J_ARRAY, "an array of dimensions", err);
    for (t->rank = 0; rc == 0; t->rank++) {
        rc = mlo_jpull_next(&r->j, &tok, err);
        if (rc < 0 || tok == MLO_J_ARRAY_END)
            break;
        if (tok != MLO_J_NUMBER)
            return mlo_fail(err, MLO_EINVALID, "a dimension is not a number");
        if (t->rank == MLO_MAX_RANK)
            return mlo_fail(err, MLO_EINVALID, "more than %d dimensions", MLO_MAX_RANK);
        rc = mlo_jpull_u64(&r->j, &dims[t->rank], err);
    }
    if (rc < 0 || t->rank == 0)
        return rc;
    uint64_t *shape = mlo_arena_alloc(&r->cp->arena, t->rank, sizeof *shape, err);
    if (!shape)
        return err->code;
    memcpy(shape, dims, t->rank * sizeof *shape);
    t->shape = shape;
    return 0;
}

static int read_offsets(struct st_reader *r, struct mlo_tensor *t, struct mlo_err *err)
{
    uint64_t begin = 0, end = 0;
    int rc = expect(r, MLO_J_ARRAY, "an array of two offsets", err);
    if (rc == 0)
        rc = expect_u64(r, "the begin offset", &begin, err);
    if (rc == 0)
        rc = expect_u64(r, "the end offset", &end, err);
    if (rc == 0)
        rc = expect(r, MLO_J_ARRAY_END, "the end of data_offsets after two numbers", err);
    if (rc < 0)
        return rc;
    if (begin > end || end > r->data_len)
        return mlo_fail(err, MLO_EINVALID, "data_offsets [%llu, %llu] do not lie in the %llu bytes of data",
                        (unsigned long long)begin, (unsigned long long)end, (unsigned long long)r->data_len);
    t->offset = r->data + begin;
    t->length = end - begin;
    return 0;
}

static int read_dtype(struct st_reader *r, struct mlo_tensor *t, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    int rc = expect(r, MLO_J_STRING, "a type name", err);
    if (rc == 0)
        rc = unescaped(r, err);
    if (rc < 0)
        return rc;
    t->dtype = mlo_dtype_from_safetensors(r->text.ptr, r->text.len);
    if (t->dtype != MLO_DT_UNKNOWN)
        return 0;
    if (r->text.len == 0 || r->text.len >= MLO_SHOWN)
        return mlo_fail(err, MLO_EINVALID, "type \"%s\" is no type name",
                        mlo_shown(r->text.ptr, r->text.len, shown));
    return mlo_cp_text(r->cp, r->text.ptr, r->text.len, &t->type_name, err);
}

enum { HAS_DTYPE = 1, HAS_SHAPE = 2, HAS_OFFSETS = 4, HAS_ALL = 7 };

static int read_member(struct st_reader *r, struct mlo_tensor *t, unsigned *seen, struct mlo_err *err)
{
    static const struct {
        const char *name;
        unsigned flag;
        int (*read)(struct st_reader *, struct mlo_tensor *, struct mlo_err *);
    } members[] = {{"dtype", HAS_DTYPE, read_dtype},
                   {"shape", HAS_SHAPE, read_shape},
                   {"data_offsets", HAS_OFFSETS, read_offsets}};
    char name[MLO_SHOWN], key[MLO_SHOWN];
    int rc = unescaped(r, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < MLO_COUNT(members); i++) {
        if (strcmp(r->text.ptr, members[i].name) != 0)
            continue;
        if (*seen & members[i].flag)
            return mlo_fail(err, MLO_EINVALID, "two members \"%s\"", members[i].name);
        *seen |= members[i].flag;
        rc = members[i].read(r, t, err);
        return rc < 0 ? mlo_wrap(err, "\"%s\"", members[i].name) : 0;
    }
    rc = mlo_cp_warn(r->cp, err, "tensor \"%s\": unknown member \"%s\"",
                     mlo_shown(t->name, strlen(t->name), name), mlo_shown(r->text.ptr, r->text.len, key));
    return rc < 0 ? rc : mlo_jpull_skip(&r->j, err);
}

static int read_members(struct st_reader *r, struct mlo_tensor *t, struct mlo_err *err)
{
    unsigned seen = 0;
    enum mlo_jtok tok;
    int rc = expect(r, MLO_J_OBJECT, "an object", err);
    while (rc == 0) {
        rc = mlo_jpull_next(&r->j, &tok, err);
        if (rc < 0 || tok == MLO_J_OBJECT_END)
            break;
        rc = read_member(r, t, &seen, err);
    }
    if (rc < 0)
        return rc;
    if (seen != HAS_ALL)
        return mlo_fail(err, MLO_EINVALID, "no \"%s\"",
                        !(seen & HAS_DTYPE)   ? "dtype"
                        : !(seen & HAS_SHAPE) ? "shape"
                                              : "data_offsets");
    return 0;
}

/* An unknown type is not corrupt, only newer: its size cannot be checked. */
static int check_size(struct st_reader *r, struct mlo_tensor *t, struct mlo_err *err)
{
    char name[MLO_SHOWN], type[MLO_SHOWN];
    uint64_t had = t->length;
    int rc = mlo_tensor_measure(t, err);
    if (rc < 0)
        return rc;
    mlo_shown(t->name, strlen(t->name), name);
    if (t->dtype == MLO_DT_UNKNOWN) {
        t->bytes = had;
        return mlo_cp_warn(r->cp, err,
                           "tensor \"%s\": type \"%s\" is not known here, its size is not checked", name,
                           mlo_shown(t->type_name, strlen(t->type_name), type));
    }
    if (t->bytes != had)
        return mlo_fail(err, MLO_EINVALID,
                        "tensor \"%s\": shape and type need %llu bytes, data_offsets give %llu", name,
                        (unsigned long long)t->bytes, (unsigned long long)had);
    return 0;
}

static int read_tensor(struct st_reader *r, struct mlo_err *err)
{
    struct mlo_tensor t = {.store = MLO_TS_RANGE};
    char shown[MLO_SHOWN];
    int rc = mlo_cp_text(r->cp, r->text.ptr, r->text.len, &t.name, err);
    if (rc < 0)
        return rc;
    rc = read_members(r, &t, err);
    if (rc < 0)
        return mlo_wrap(err, "tensor \"%s\"", mlo_shown(t.name, strlen(t.name), shown));
    rc = check_size(r, &t, err);
    return rc < 0 ? rc : mlo_cp_add_tensor(r->cp, &t, err);
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct mlo_kv *)a)->key, ((const struct mlo_kv *)b)->key);
}

/* Sorts the metadata by key, which also makes the listing of a writer's random order the same every time. */
static int check_metadata(struct mlo_checkpoint *cp, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    if (cp->n_meta > 1)
        qsort(cp->meta, cp->n_meta, sizeof *cp->meta, by_key);
    for (size_t i = 1; i < cp->n_meta; i++)
        if (by_key(&cp->meta[i - 1], &cp->meta[i]) == 0)
            return mlo_fail(err, MLO_EINVALID, METADATA ": two entries \"%s\"",
                            mlo_shown(cp->meta[i].key, strlen(cp->meta[i].key), shown));
    return 0;
}

static int read_metadata(struct st_reader *r, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str key;
    mlo_str_init(&key, MLO_CP_MAX_VALUE);
    enum mlo_jtok tok;
    int rc = expect(r, MLO_J_OBJECT, "an object", err);
    while (rc == 0) {
        rc = mlo_jpull_next(&r->j, &tok, err);
        if (rc < 0 || tok == MLO_J_OBJECT_END)
            break;
        mlo_str_clear(&key);
        rc = mlo_jpull_unescape(&r->j, &key, err);
        if (rc == 0)
            rc = mlo_str_check(&key, err);
        if (rc == 0)
            rc = expect(r, MLO_J_STRING, "a string", err);
        if (rc == 0)
            rc = unescaped(r, err);
        if (rc == 0)
            rc = mlo_cp_add_meta(r->cp, key.ptr, r->text.ptr, err);
    }
    if (rc == 0)
        rc = check_metadata(r->cp, err);
    return rc < 0 ? mlo_wrap(err, METADATA) : 0;
}

/* Counts the members of the header's object, checking its syntax to the end. */
static int count_entries(struct st_reader *r, size_t *ret, struct mlo_err *err)
{
    enum mlo_jtok tok;
    size_t n = 0;
    int rc = expect(r, MLO_J_OBJECT, "an object", err);
    for (; rc == 0; n++) {
        rc = mlo_jpull_next(&r->j, &tok, err);
        if (rc < 0 || tok == MLO_J_OBJECT_END)
            break;
        rc = mlo_jpull_skip(&r->j, err);
    }
    if (rc == 0)
        rc = expect(r, MLO_J_END, "nothing after the object", err);
    if (rc == 0)
        *ret = n;
    return rc;
}

static int read_entries(struct st_reader *r, struct mlo_err *err)
{
    bool metadata = false;
    enum mlo_jtok tok;
    int rc = expect(r, MLO_J_OBJECT, "an object", err);
    while (rc == 0) {
        rc = mlo_jpull_next(&r->j, &tok, err);
        if (rc < 0 || tok == MLO_J_OBJECT_END)
            break;
        rc = unescaped(r, err);
        if (rc < 0)
            break;
        if (strcmp(r->text.ptr, METADATA) != 0) {
            rc = read_tensor(r, err);
            continue;
        }
        if (metadata)
            return mlo_fail(err, MLO_EINVALID, "two members \"" METADATA "\"");
        metadata = true;
        rc = read_metadata(r, err);
    }
    return rc;
}

static int by_range(const void *a, const void *b)
{
    const struct mlo_tensor *x = *(const struct mlo_tensor *const *)a,
                            *y = *(const struct mlo_tensor *const *)b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return (x->length > y->length) - (x->length < y->length);
}

/* Every byte of data belongs to exactly one tensor. */
static int check_cover(const struct st_reader *r, struct mlo_err *err)
{
    const struct mlo_checkpoint *cp = r->cp;
    MLO_AUTOFREE const struct mlo_tensor **sorted = mlo_calloc(cp->n_tensors ? cp->n_tensors : 1,
                                                               sizeof *sorted, err);
    char shown[MLO_SHOWN];
    if (!sorted)
        return err->code;
    for (size_t i = 0; i < cp->n_tensors; i++)
        sorted[i] = &cp->tensors[i];
    qsort(sorted, cp->n_tensors, sizeof *sorted, by_range);
    uint64_t at = r->data;
    for (size_t i = 0; i < cp->n_tensors; i++) {
        const struct mlo_tensor *t = sorted[i];
        if (t->offset != at)
            return mlo_fail(err, MLO_EINVALID, "tensor \"%s\": %s of %llu bytes before its data",
                            mlo_shown(t->name, strlen(t->name), shown),
                            t->offset > at ? "a hole" : "an overlap",
                            (unsigned long long)(t->offset > at ? t->offset - at : at - t->offset));
        at += t->length;
    }
    if (at - r->data != r->data_len)
        return mlo_fail(err, MLO_EINVALID, "%llu bytes after the last tensor",
                        (unsigned long long)(r->data_len - (at - r->data)));
    return 0;
}

/* The header's text into *ret, with the padding cut off. */
static int read_header(const struct mlo_source *src, struct st_reader *r, char **ret, size_t *ret_len,
                       struct mlo_err *err)
{
    uint8_t prefix[8];
    int rc = mlo_source_read(src, prefix, sizeof prefix, 0, err);
    if (rc < 0)
        return rc;
    uint64_t n = mlo_le64(prefix);
    if (n > MAX_HEADER)
        return mlo_fail(err, MLO_EINVALID, "header length %llu is above %llu", (unsigned long long)n,
                        MAX_HEADER);
    if (n > src->size - sizeof prefix)
        return mlo_fail(err, MLO_EINVALID, "header length %llu, but only %llu bytes follow",
                        (unsigned long long)n, (unsigned long long)(src->size - sizeof prefix));
    MLO_AUTOFREE char *text = mlo_calloc(n + 1, 1, err);
    if (!text)
        return err->code;
    rc = mlo_source_read(src, text, n, sizeof prefix, err);
    if (rc < 0)
        return rc;
    if (n == 0 || text[0] != '{')
        return mlo_fail(err, MLO_EINVALID, "the header does not begin with '{'");
    r->data = sizeof prefix + n;
    r->data_len = src->size - r->data;
    while (text[n - 1] == ' ')
        n--;
    if (text[n - 1] != '}')
        return mlo_fail(err, MLO_EINVALID, "the header does not end with '}' or spaces");
    *ret = mlo_steal(&text);
    *ret_len = n;
    return 0;
}

static int read_all(struct st_reader *r, const char *text, size_t n, struct mlo_err *err)
{
    size_t entries = 0;
    mlo_jpull_init(&r->j, text, n);
    int rc = count_entries(r, &entries, err);
    if (rc == 0)
        rc = mlo_cp_reserve(r->cp, entries, err);
    if (rc < 0)
        return rc;
    mlo_jpull_init(&r->j, text, n);
    rc = read_entries(r, err);
    if (rc == 0)
        rc = mlo_cp_unique_names(r->cp, err);
    return rc == 0 ? check_cover(r, err) : rc;
}

int mlo_safetensors_read(const struct mlo_source *src, struct mlo_checkpoint *cp, struct mlo_err *err)
{
    struct st_reader r = {.cp = cp};
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    int rc = read_header(src, &r, &text, &n, err);
    if (rc < 0)
        return rc;
    mlo_str_init(&r.text, n);
    rc = read_all(&r, text, n, err);
    mlo_str_release(&r.text);
    return rc;
}

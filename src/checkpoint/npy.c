/*
 * NumPy .npy. The header is a Python literal; a small reader for exactly what NumPy writes (one dict,
 * strings, True and False, whole numbers, tuples, lists) stands in for an evaluator. Nesting is bounded by
 * MAX_DEPTH, time is linear.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#include "internal.h"

#define MAX_HEADER       ((size_t)1 << 20)
#define REFERENCE_HEADER 10000 /* longer ones NumPy reads only when told to */
#define MAX_DEPTH        8
#define MAX_ITEM         ((uint64_t)INT32_MAX) /* bytes of one element, as NumPy */

/* ---- literals ---- */

struct lit {
    const char *start, *p, *end;
    int major;
};

static int lit_fails(const struct lit *l, const char *why, struct mlo_err *err)
{
    return mlo_fail(err, MLO_EINVALID, "header, byte %zu: %s", (size_t)(l->p - l->start), why);
}

static char lit_look(struct lit *l)
{
    while (l->p < l->end && (*l->p == ' ' || *l->p == '\t' || *l->p == '\n' || *l->p == '\r'))
        l->p++;
    return l->p < l->end ? *l->p : 0;
}

static bool lit_take(struct lit *l, char c)
{
    if (lit_look(l) != c)
        return false;
    l->p++;
    return true;
}

static int lit_expect(struct lit *l, char c, struct mlo_err *err)
{
    char why[] = "expected ' '";
    why[10] = c;
    return lit_take(l, c) ? 0 : lit_fails(l, why, err);
}

/* The text between the quotes, escapes not resolved: names are only compared or stepped over. */
static int lit_string(struct lit *l, const char **ret, size_t *ret_n, struct mlo_err *err)
{
    char quote = lit_look(l);
    if (quote != '\'' && quote != '"')
        return lit_fails(l, "expected a string", err);
    const char *start = ++l->p;
    while (l->p < l->end && *l->p != quote && *l->p != '\n')
        l->p += *l->p == '\\' && l->end - l->p > 1 ? 2 : 1;
    if (l->p >= l->end || *l->p != quote)
        return lit_fails(l, "a string without end", err);
    *ret = start;
    *ret_n = (size_t)(l->p++ - start);
    return 0;
}

/* A whole number, not negative; with the L of Python 2 in version 1 and 2 files. */
static int lit_u64(struct lit *l, uint64_t *ret, struct mlo_err *err)
{
    uint64_t v = 0;
    if (lit_look(l) == '-')
        return lit_fails(l, "a negative number", err);
    if (l->p >= l->end || *l->p < '0' || *l->p > '9')
        return lit_fails(l, "expected a number", err);
    for (; l->p < l->end && *l->p >= '0' && *l->p <= '9'; l->p++)
        if (!mlo_mul_u64(v, 10, &v) || !mlo_add_u64(v, (uint64_t)(*l->p - '0'), &v))
            return lit_fails(l, "a number too large", err);
    if (l->major < 3 && l->p < l->end && *l->p == 'L')
        l->p++;
    *ret = v;
    return 0;
}

static int lit_bool(struct lit *l, bool *ret, struct mlo_err *err)
{
    static const char *const words[] = {"False", "True"};
    lit_look(l);
    for (size_t i = 0; i < MLO_COUNT(words); i++) {
        size_t n = strlen(words[i]);
        if ((size_t)(l->end - l->p) >= n && memcmp(l->p, words[i], n) == 0) {
            l->p += n;
            *ret = i == 1;
            return 0;
        }
    }
    return lit_fails(l, "expected True or False", err);
}

/* After an element of a tuple, list or dict: a comma, or the closing bracket. */
static int lit_next(struct lit *l, char close, bool *ret_done, struct mlo_err *err)
{
    bool comma = lit_take(l, ',');
    *ret_done = lit_take(l, close);
    return comma || *ret_done ? 0 : lit_fails(l, "expected a comma or a closing bracket", err);
}

/* "()" "(3,)" "(3, 4)": a bracketed single number without comma is no tuple. */
static int lit_tuple(struct lit *l, uint64_t dims[MLO_MAX_RANK], uint32_t *ret_rank, struct mlo_err *err)
{
    uint32_t rank = 0;
    int rc = lit_expect(l, '(', err);
    bool done = rc == 0 && lit_take(l, ')');
    while (rc == 0 && !done) {
        if (rank == MLO_MAX_RANK)
            return lit_fails(l, "too many dimensions", err);
        rc = lit_u64(l, &dims[rank], err);
        if (rc == 0 && rank++ == 0 && lit_look(l) == ')')
            return lit_fails(l, "a number in brackets is no tuple", err);
        if (rc == 0)
            rc = lit_next(l, ')', &done, err);
    }
    if (rc == 0)
        *ret_rank = rank;
    return rc;
}

/* ---- element types ---- */

struct item {
    enum mlo_dtype dtype;
    uint64_t size;
    bool swap;
    bool object; /* it, or a field in it, is a Python object: the data is a pickle */
    bool mixed;  /* a structure with big-endian fields */
    char name[64];
};

static const struct {
    char kind;
    uint64_t size;
    enum mlo_dtype dtype;
} number_types[] = {
    {'b', 1, MLO_DT_BOOL},  {'i', 1, MLO_DT_I8},  {'i', 2, MLO_DT_I16},   {'i', 4, MLO_DT_I32},
    {'i', 8, MLO_DT_I64},   {'u', 1, MLO_DT_U8},  {'u', 2, MLO_DT_U16},   {'u', 4, MLO_DT_U32},
    {'u', 8, MLO_DT_U64},   {'f', 2, MLO_DT_F16}, {'f', 4, MLO_DT_F32},   {'f', 8, MLO_DT_F64},
    {'f', 16, MLO_DT_F128}, {'c', 8, MLO_DT_C64}, {'c', 16, MLO_DT_C128},
};

static bool number_type(char kind, uint64_t size, struct item *it)
{
    for (size_t i = 0; i < MLO_COUNT(number_types); i++) {
        if (number_types[i].kind != kind || number_types[i].size != size)
            continue;
        it->dtype = number_types[i].dtype;
        it->size = size;
        snprintf(it->name, sizeof it->name, "%s", mlo_dtype_name(it->dtype));
        return true;
    }
    return false;
}

/* "[ns]", "[25s]", "" after M8 and m8. */
static bool time_type(char kind, const char *unit, size_t n, struct item *it)
{
    if (n && (n < 3 || n > 16 || unit[0] != '[' || unit[n - 1] != ']'))
        return false;
    for (size_t i = 1; i + 1 < n; i++)
        if (!((unit[i] >= 'a' && unit[i] <= 'z') || (unit[i] >= '0' && unit[i] <= '9') ||
              strchr("YMWDG/", unit[i])))
            return false;
    it->dtype = MLO_DT_DATETIME;
    it->size = 8;
    snprintf(it->name, sizeof it->name, "%s%.*s", kind == 'M' ? "datetime64" : "timedelta64", (int)n, unit);
    return true;
}

/* Types that are only so many bytes: S12, U12, V12. */
static bool sized_type(char kind, uint64_t n, struct item *it)
{
    static const struct {
        char kind;
        const char *name;
        enum mlo_dtype dtype;
        unsigned bytes;
    } types[] = {
        {'S', "bytes", MLO_DT_STRING, 1}, {'U', "str", MLO_DT_STRING, 4}, {'V', "raw", MLO_DT_RAW, 1}};
    for (size_t i = 0; i < MLO_COUNT(types); i++) {
        if (types[i].kind != kind || n > MAX_ITEM / types[i].bytes)
            continue;
        it->dtype = types[i].dtype;
        it->size = n * types[i].bytes;
        snprintf(it->name, sizeof it->name, "%s%" PRIu64, types[i].name, n);
        return true;
    }
    return false;
}

/* The letters that stand alone. */
static bool letter_type(char c, struct item *it)
{
    if (c == '?')
        return number_type('b', 1, it);
    if (c == 'b')
        return number_type('i', 1, it);
    if (c == 'B')
        return number_type('u', 1, it);
    if (c != 'O')
        return false;
    *it = (struct item){.dtype = MLO_DT_OBJECT, .size = 8, .object = true, .name = "object"};
    return true;
}

static bool type_string(const char *s, size_t n, struct item *it)
{
    const char *end = s + n;
    bool big = n && *s == '>';
    uint64_t size = 0;
    *it = (struct item){0};
    if (n && strchr("<>=|", *s))
        s++;
    if (s == end || *s == 0)
        return false;
    char kind = *s++;
    if (s == end)
        return letter_type(kind, it);
    const char *digits = s;
    for (; s < end && *s >= '0' && *s <= '9' && size <= MAX_ITEM; s++)
        size = 10 * size + (uint64_t)(*s - '0');
    if (s == digits || size > MAX_ITEM)
        return false;
    if (kind == 'O')
        return s == end && letter_type('O', it);
    bool known = kind == 'M' || kind == 'm'
                     ? size == 8 && time_type(kind, s, (size_t)(end - s), it)
                     : s == end && (number_type(kind, size, it) || sized_type(kind, size, it));
    it->swap = big && it->size > 1 && kind != 'S' && kind != 'V';
    return known;
}

static int read_descr(struct lit *l, int depth, struct item *ret, struct mlo_err *err);

/* ('name', descr), ('name', descr, shape), (('title', 'name'), descr, ...): adds the field's bytes to `all`.
 */
static int read_field(struct lit *l, int depth, struct item *all, struct mlo_err *err)
{
    const char *name;
    size_t n;
    struct item it;
    uint64_t dims[MLO_MAX_RANK], size;
    uint32_t rank = 0;
    int rc = lit_expect(l, '(', err);
    bool title = rc == 0 && lit_take(l, '(');
    for (int i = 0; rc == 0 && i < (title ? 2 : 1); i++) {
        rc = lit_string(l, &name, &n, err);
        if (rc == 0 && title)
            rc = lit_expect(l, i == 0 ? ',' : ')', err);
    }
    if (rc == 0)
        rc = lit_expect(l, ',', err);
    if (rc == 0)
        rc = read_descr(l, depth, &it, err);
    if (rc == 0 && lit_take(l, ',') && lit_look(l) == '(')
        rc = lit_tuple(l, dims, &rank, err);
    if (rc == 0)
        rc = lit_expect(l, ')', err);
    if (rc < 0)
        return rc;
    size = it.size;
    for (uint32_t i = 0; i < rank; i++)
        if (!mlo_mul_u64(size, dims[i], &size))
            return lit_fails(l, "a field too large", err);
    if (!mlo_add_u64(all->size, size, &all->size) || all->size > MAX_ITEM)
        return lit_fails(l, "an element too large", err);
    all->object |= it.object;
    all->mixed |= it.mixed || it.swap;
    return 0;
}

static int read_fields(struct lit *l, int depth, struct item *ret, struct mlo_err *err)
{
    struct item all = {.dtype = MLO_DT_RAW};
    bool done = lit_take(l, ']');
    int rc = 0;
    while (rc == 0 && !done) {
        rc = read_field(l, depth, &all, err);
        if (rc == 0)
            rc = lit_next(l, ']', &done, err);
    }
    if (rc < 0)
        return rc;
    if (all.object)
        all.dtype = MLO_DT_OBJECT;
    snprintf(all.name, sizeof all.name, "struct%" PRIu64, all.size);
    *ret = all;
    return 0;
}

static int read_descr(struct lit *l, int depth, struct item *ret, struct mlo_err *err)
{
    const char *s;
    size_t n;
    char shown[MLO_SHOWN];
    if (depth == MAX_DEPTH)
        return lit_fails(l, "types nested too deeply", err);
    if (lit_take(l, '['))
        return read_fields(l, depth + 1, ret, err);
    int rc = lit_string(l, &s, &n, err);
    if (rc < 0)
        return rc;
    if (!type_string(s, n, ret))
        return mlo_fail(err, MLO_EINVALID, "header: unknown element type \"%s\"", mlo_shown(s, n, shown));
    return 0;
}

/* ---- the header ---- */

struct head {
    struct item item;
    uint64_t dims[MLO_MAX_RANK];
    uint32_t rank;
    bool fortran;
    unsigned seen;
};
enum { SEEN_DESCR = 1, SEEN_FORTRAN = 2, SEEN_SHAPE = 4, SEEN_ALL = 7 };

static int read_pair(struct lit *l, struct head *h, struct mlo_err *err)
{
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    const char *key;
    size_t n, k = 0;
    char shown[MLO_SHOWN];
    int rc = lit_string(l, &key, &n, err);
    if (rc < 0)
        return rc;
    while (k < MLO_COUNT(keys) && !(strlen(keys[k]) == n && memcmp(keys[k], key, n) == 0))
        k++;
    if (k == MLO_COUNT(keys) || (h->seen & 1U << k))
        return mlo_fail(err, MLO_EINVALID, "header: %s key \"%s\"",
                        k == MLO_COUNT(keys) ? "unknown" : "repeated", mlo_shown(key, n, shown));
    h->seen |= 1U << k;
    rc = lit_expect(l, ':', err);
    if (rc < 0)
        return rc;
    switch (1U << k) {
    case SEEN_DESCR:
        return read_descr(l, 0, &h->item, err);
    case SEEN_FORTRAN:
        return lit_bool(l, &h->fortran, err);
    default:
        return lit_tuple(l, h->dims, &h->rank, err);
    }
}

static int read_dict(struct lit *l, struct head *h, struct mlo_err *err)
{
    int rc = lit_expect(l, '{', err);
    bool done = rc == 0 && lit_take(l, '}');
    while (rc == 0 && !done) {
        rc = read_pair(l, h, err);
        if (rc == 0)
            rc = lit_next(l, '}', &done, err);
    }
    if (rc < 0)
        return rc;
    if (h->seen != SEEN_ALL)
        return mlo_fail(err, MLO_EINVALID, "header: no \"%s\"",
                        !(h->seen & SEEN_DESCR)     ? "descr"
                        : !(h->seen & SEEN_FORTRAN) ? "fortran_order"
                                                    : "shape");
    for (; l->p < l->end - 1; l->p++)
        if (*l->p != ' ')
            return lit_fails(l, "only spaces may follow the dict", err);
    return 0;
}

/* ---- the tensor ---- */

static int set_shape(struct mlo_checkpoint *cp, const struct head *h, struct mlo_tensor *t,
                     struct mlo_err *err)
{
    t->rank = h->rank;
    if (h->rank == 0)
        return 0;
    uint64_t *shape = mlo_arena_alloc(&cp->arena, h->rank, sizeof *shape, err);
    if (!shape)
        return err->code;
    memcpy(shape, h->dims, h->rank * sizeof *shape);
    t->shape = shape;
    return 0;
}

/* Fortran order: the first dimension is the fast one. Called only when the array is not empty, so no product
 * overflows. */
static int set_stride(struct mlo_checkpoint *cp, struct mlo_tensor *t, struct mlo_err *err)
{
    int64_t *stride = mlo_arena_alloc(&cp->arena, t->rank, sizeof *stride, err), step = 1;
    if (!stride)
        return err->code;
    for (uint32_t i = 0; i < t->rank; i++) {
        stride[i] = step;
        step *= (int64_t)t->shape[i];
    }
    t->stride = stride;
    return 0;
}

static int set_store(struct mlo_checkpoint *cp, const struct head *h, struct mlo_tensor *t,
                     struct mlo_err *err)
{
    t->store = MLO_TS_RANGE;
    if (h->item.object || h->item.mixed) {
        t->store = MLO_TS_NONE;
        return h->item.object
                   ? 0
                   : mlo_cp_warn(cp, err, "structure with big-endian fields: its bytes are not compared");
    }
    if (t->bytes == 0)
        return 0;
    t->swap = h->item.swap;
    if (t->swap)
        t->store = MLO_TS_STRIDED;
    if (!h->fortran || t->rank < 2)
        return 0;
    t->store = MLO_TS_STRIDED;
    return set_stride(cp, t, err);
}

static int make_tensor(struct mlo_checkpoint *cp, const char *name, const struct head *h, uint64_t data_len,
                       struct mlo_tensor *t, struct mlo_err *err)
{
    *t = (struct mlo_tensor){.name = name, .dtype = h->item.dtype};
    int rc = mlo_cp_text(cp, h->item.name, strlen(h->item.name), &t->type_name, err);
    if (rc == 0)
        rc = set_shape(cp, h, t, err);
    if (rc == 0)
        rc = mlo_tensor_measure(t, err);
    if (rc < 0)
        return rc;
    if (h->item.object) {
        t->bytes = 0;
    } else {
        if (!mlo_mul_u64(t->elements, h->item.size, &t->bytes))
            return mlo_fail(err, MLO_EINVALID, "the byte size overflows");
        if (t->bytes != data_len)
            return mlo_fail(err, MLO_EINVALID,
                            "shape and type need %" PRIu64 " bytes, %" PRIu64 " follow the header", t->bytes,
                            data_len);
    }
    t->length = data_len;
    return set_store(cp, h, t, err);
}

int mlo_npy_head_length(const uint8_t *p, size_t n, size_t *ret, struct mlo_err *err)
{
    if (n < 10 || memcmp(p, "\x93NUMPY", 6) != 0)
        return mlo_fail(err, MLO_EINVALID, "not a NumPy array");
    if (p[6] < 1 || p[6] > 3 || p[7] != 0)
        return mlo_fail(err, MLO_EINVALID, "NumPy format version %u.%u is not known", p[6], p[7]);
    size_t before = p[6] == 1 ? 10 : 12;
    if (n < before)
        return mlo_fail(err, MLO_EINVALID, "truncated in the header's length");
    size_t len = p[6] == 1 ? mlo_le16(p + 8) : mlo_le32(p + 8);
    if (len > MAX_HEADER)
        return mlo_fail(err, MLO_EINVALID, "a header of %zu bytes; at most %zu are read", len, MAX_HEADER);
    *ret = before + len;
    return 0;
}

int mlo_npy_parse(struct mlo_checkpoint *cp, const char *name, const char *head, size_t n, uint64_t total,
                  struct mlo_npy *ret, struct mlo_err *err)
{
    int major = head[6];
    struct lit l = {.start = head, .p = head + (major == 1 ? 10 : 12), .end = head + n, .major = major};
    struct head h = {0};
    if (l.p >= l.end || l.end[-1] != '\n')
        return mlo_fail(err, MLO_EINVALID, "the header does not end with a newline");
    if (major == 3 && !mlo_utf8_valid(l.p, (size_t)(l.end - l.p)))
        return mlo_fail(err, MLO_EINVALID, "the header is not valid UTF-8");
    int rc = read_dict(&l, &h, err);
    if (rc == 0 && n > REFERENCE_HEADER)
        rc = mlo_cp_warn(cp, err, "a header of %zu bytes: NumPy reads more than %d only when told to", n,
                         REFERENCE_HEADER);
    struct mlo_npy npy = {.data = n};
    if (rc == 0)
        rc = make_tensor(cp, name, &h, total - n, &npy.t, err);
    if (rc < 0)
        return rc;
    npy.t.offset = n;
    *ret = npy;
    return 0;
}

/* An array of Python objects is a pickle: read as one for the verdict. */
static int read_object(const struct mlo_source *src, const struct mlo_npy *npy, struct mlo_checkpoint *cp,
                       struct mlo_err *err)
{
    struct mlo_part part = {.src = src, .offset = npy->data};
    struct mlo_source data = mlo_source_part(&part, src->size - npy->data);
    int rc = mlo_cp_warn(cp, err, "an object array: its data is a pickle");
    return rc < 0 ? rc : mlo_pickle_read(&data, "", cp, err);
}

int mlo_npy_read(const struct mlo_source *src, struct mlo_checkpoint *cp, struct mlo_err *err)
{
    uint8_t first[12];
    size_t have = src->size < sizeof first ? (size_t)src->size : sizeof first, n;
    int rc = mlo_source_read(src, first, have, 0, err);
    if (rc == 0)
        rc = mlo_npy_head_length(first, have, &n, err);
    if (rc < 0)
        return rc;
    if (n > src->size)
        return mlo_fail(err, MLO_EINVALID, "truncated: header of %zu bytes in a file of %" PRIu64, n,
                        src->size);
    MLO_AUTOFREE char *head = mlo_calloc(n, 1, err);
    if (!head)
        return err->code;
    struct mlo_npy npy;
    rc = mlo_source_read(src, head, n, 0, err);
    if (rc == 0)
        rc = mlo_npy_parse(cp, "arr_0", head, n, src->size, &npy, err);
    if (rc == 0)
        rc = mlo_cp_add_tensor(cp, &npy.t, err);
    if (rc == 0 && npy.t.dtype == MLO_DT_OBJECT)
        rc = read_object(src, &npy, cp, err);
    return rc;
}

#include "thrift.h"

#define DEPTH_MAX 32

void mlo_thrift_init(struct mlo_thrift *t, const void *p, size_t n)
{
    *t = (struct mlo_thrift){.start = p, .p = p, .end = (const uint8_t *)p + n};
}

void mlo_thrift_fail(struct mlo_thrift *t, const char *why)
{
    if (!t->bad)
        t->bad = why;
    t->p = t->end;
}

static uint8_t byte(struct mlo_thrift *t)
{
    if (t->p < t->end)
        return *t->p++;
    t->ended = t->ended || !t->bad;
    mlo_thrift_fail(t, "it ends too early");
    return 0;
}

static uint64_t varint(struct mlo_thrift *t)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t b = byte(t);
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80)
            return t->bad ? 0 : v;
    }
    mlo_thrift_fail(t, "a number has more than 64 bits");
    return 0;
}

static int64_t zigzag(struct mlo_thrift *t)
{
    uint64_t v = varint(t);
    return (int64_t)(v >> 1 ^ -(v & 1));
}

/* n bytes from here. */
static const uint8_t *bytes(struct mlo_thrift *t, uint64_t n)
{
    const uint8_t *p = t->p;
    if (n > (uint64_t)(t->end - t->p)) {
        t->ended = t->ended || !t->bad;
        mlo_thrift_fail(t, "a text or a list is longer than what holds it");
        return t->end;
    }
    t->p += n;
    return p;
}

bool mlo_thrift_next(struct mlo_thrift *t, struct mlo_thrift_field *f)
{
    uint8_t head = byte(t);
    if (head == 0)
        return false;
    int64_t id = head >> 4 ? f->id + (head >> 4) : zigzag(t);
    if (id < INT16_MIN || id > INT16_MAX)
        mlo_thrift_fail(t, "a field's number is out of range");
    *f = (struct mlo_thrift_field){(int16_t)id, head & 15};
    return !t->bad;
}

int64_t mlo_thrift_int(struct mlo_thrift *t, const struct mlo_thrift_field *f)
{
    if (f->type == MLO_THRIFT_BYTE)
        return (int8_t)byte(t);
    if (f->type >= MLO_THRIFT_I16 && f->type <= MLO_THRIFT_I64)
        return zigzag(t);
    mlo_thrift_fail(t, "a field that should be a number is none");
    return 0;
}

bool mlo_thrift_bool(struct mlo_thrift *t, const struct mlo_thrift_field *f)
{
    if (f->type != MLO_THRIFT_TRUE && f->type != MLO_THRIFT_FALSE)
        mlo_thrift_fail(t, "a field that should be a truth value is none");
    return f->type == MLO_THRIFT_TRUE;
}

struct mlo_slice mlo_thrift_bytes(struct mlo_thrift *t, const struct mlo_thrift_field *f)
{
    if (f->type != MLO_THRIFT_BYTES) {
        mlo_thrift_fail(t, "a field that should be text is none");
        return (struct mlo_slice){"", 0};
    }
    uint64_t n = varint(t);
    const uint8_t *p = bytes(t, n);
    return (struct mlo_slice){(const char *)p, t->bad ? 0 : (size_t)n};
}

void mlo_thrift_struct(struct mlo_thrift *t, const struct mlo_thrift_field *f)
{
    if (f->type != MLO_THRIFT_STRUCT)
        mlo_thrift_fail(t, "a field that should be a struct is none");
}

/* Length and type of elements; each takes at least a byte. */
static size_t list(struct mlo_thrift *t, uint8_t *ret_type)
{
    uint8_t head = byte(t);
    uint64_t n = head >> 4 == 15 ? varint(t) : head >> 4;
    *ret_type = head & 15;
    if (n <= (uint64_t)(t->end - t->p))
        return (size_t)n;
    bytes(t, n);
    return 0;
}

size_t mlo_thrift_structs(struct mlo_thrift *t, const struct mlo_thrift_field *f)
{
    uint8_t type = MLO_THRIFT_STRUCT;
    size_t n = f->type == MLO_THRIFT_LIST ? list(t, &type) : 0;
    if (f->type == MLO_THRIFT_LIST && (n == 0 || type == MLO_THRIFT_STRUCT))
        return n;
    mlo_thrift_fail(t, "a field that should be a list of structs is none");
    return 0;
}

/* ---- what is not known ---- */

static void skip(struct mlo_thrift *t, uint8_t type, bool element, unsigned depth);

static void skip_elements(struct mlo_thrift *t, unsigned depth)
{
    uint8_t type;
    for (size_t n = list(t, &type); n > 0 && !t->bad; n--)
        skip(t, type, true, depth + 1);
}

static void skip_map(struct mlo_thrift *t, unsigned depth)
{
    uint64_t n = varint(t);
    uint8_t types = n > 0 ? byte(t) : 0;
    for (; n > 0 && !t->bad; n--) {
        skip(t, types >> 4, true, depth + 1);
        skip(t, types & 15, true, depth + 1);
    }
}

static void skip_struct(struct mlo_thrift *t, unsigned depth)
{
    struct mlo_thrift_field f = {0};
    while (mlo_thrift_next(t, &f))
        skip(t, f.type, false, depth + 1);
}

static void skip(struct mlo_thrift *t, uint8_t type, bool element, unsigned depth)
{
    if (depth > DEPTH_MAX) {
        mlo_thrift_fail(t, "it is nested too deeply");
        return;
    }
    switch (type) {
    case MLO_THRIFT_TRUE:
    case MLO_THRIFT_FALSE:
        if (element) /* a field's value stands in its head */
            byte(t);
        break;
    case MLO_THRIFT_BYTE:
        byte(t);
        break;
    case MLO_THRIFT_I16:
    case MLO_THRIFT_I32:
    case MLO_THRIFT_I64:
        varint(t);
        break;
    case MLO_THRIFT_DOUBLE:
        bytes(t, 8);
        break;
    case MLO_THRIFT_BYTES:
        bytes(t, varint(t));
        break;
    case MLO_THRIFT_LIST:
    case MLO_THRIFT_SET:
        skip_elements(t, depth);
        break;
    case MLO_THRIFT_MAP:
        skip_map(t, depth);
        break;
    case MLO_THRIFT_STRUCT:
        skip_struct(t, depth);
        break;
    case MLO_THRIFT_UUID:
        bytes(t, 16);
        break;
    default:
        mlo_thrift_fail(t, "a field is of an unknown type");
    }
}

void mlo_thrift_skip(struct mlo_thrift *t, const struct mlo_thrift_field *f)
{
    skip(t, f->type, false, 0);
}

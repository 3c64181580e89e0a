#include "nested.h"

#include <string.h>

#include <mlopsctl/base/json.h>
#include <mlopsctl/base/text.h>

#define NUMBER_MAX 64 /* characters of one number */

static int refuse(struct mlo_slice text, const char *why, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    return mlo_fail(err, MLO_EINVALID, "'%s' %s", mlo_shown(text.ptr, text.len, shown), why);
}

/* How many elements the first list of each level has. */
static int count_levels(struct mlo_slice text, int64_t *dims, unsigned levels, struct mlo_err *err)
{
    struct mlo_jpull j;
    enum mlo_jtok tok;
    mlo_jpull_init(&j, text.ptr, text.len);
    unsigned depth = 0;
    int rc = mlo_jpull_next(&j, &tok, err);
    while (rc == 0 && tok == MLO_J_ARRAY && depth < levels) {
        struct mlo_jpull ahead = j;
        dims[depth] = 0;
        while ((rc = mlo_jpull_next(&ahead, &tok, err)) == 0 && tok != MLO_J_ARRAY_END) {
            dims[depth]++;
            if (tok == MLO_J_ARRAY) { /* the whole of it */
                int inner = 1;
                while (rc == 0 && inner > 0 && (rc = mlo_jpull_next(&ahead, &tok, err)) == 0)
                    inner += (tok == MLO_J_ARRAY) - (tok == MLO_J_ARRAY_END);
            }
            if (rc != 0 || tok == MLO_J_END)
                break;
        }
        depth++;
        if (rc == 0)
            rc = mlo_jpull_next(&j, &tok, err);
    }
    if (rc == 0 && depth < levels)
        return refuse(text, "has too few dimensions for the model", err);
    return rc;
}

int mlo_nested_shape(struct mlo_slice text, const struct mlo_port_type *p, struct mlo_array *a,
                     struct mlo_err *err)
{
    uint64_t n = 1;
    a->rank = p->rank;
    int rc = count_levels(text, a->dims + 1, p->rank - 1, err);
    for (unsigned i = 1; rc == 0 && i < p->rank; i++) {
        if (p->dims[i].size >= 0 && p->dims[i].size != a->dims[i])
            return refuse(text, "is not of the shape that the model takes", err);
        if (!mlo_mul_u64(n, (uint64_t)a->dims[i], &n) || n > MLO_CELL_ARRAY)
            return refuse(text, "is larger than allowed", err);
    }
    return rc;
}

size_t mlo_nested_width(const struct mlo_array *a)
{
    size_t n = 1;
    for (unsigned i = 1; i < a->rank; i++)
        n *= (size_t)a->dims[i];
    return n;
}

/* ---- values ---- */

struct putter {
    struct mlo_slice text;
    struct mlo_jpull j;
    struct mlo_array *a;
    size_t at;
};

static int put_number(struct putter *p, enum mlo_jtok tok, struct mlo_err *err)
{
    char text[NUMBER_MAX];
    double v = tok == MLO_J_TRUE;
    if (tok == MLO_J_NUMBER) {
        if (p->j.len >= sizeof text)
            return refuse(p->text, "has a number that is too long", err);
        memcpy(text, p->j.text, p->j.len);
        text[p->j.len] = '\0';
        v = strtod(text, NULL);
    } else if (tok == MLO_J_NULL) {
        v = (double)__builtin_nanf("");
    } else if (tok != MLO_J_TRUE && tok != MLO_J_FALSE) {
        return refuse(p->text, "is not of the shape of the rows before, or no number", err);
    }
    if (!mlo_element_put(p->a->dtype, p->a->data, p->at++, v))
        return refuse(p->text, "has a number that the model's type does not", err);
    return 0;
}

static int put_level(struct putter *p, unsigned level, struct mlo_err *err)
{
    enum mlo_jtok tok;
    int rc = mlo_jpull_next(&p->j, &tok, err);
    if (rc == 0 && level == p->a->rank)
        return put_number(p, tok, err);
    if (rc == 0 && tok != MLO_J_ARRAY)
        return refuse(p->text, "has too few dimensions for the model", err);
    for (int64_t i = 0; rc == 0 && i < p->a->dims[level]; i++)
        rc = put_level(p, level + 1, err);
    if (rc == 0)
        rc = mlo_jpull_next(&p->j, &tok, err);
    if (rc == 0 && tok != MLO_J_ARRAY_END)
        return refuse(p->text, "is not of the shape of the rows before", err);
    return rc;
}

int mlo_nested_put(struct mlo_slice text, struct mlo_array *a, size_t at, struct mlo_err *err)
{
    struct putter p = {.text = text, .a = a, .at = at};
    enum mlo_jtok tok;
    mlo_jpull_init(&p.j, text.ptr, text.len);
    int rc = put_level(&p, 1, err);
    if (rc == 0)
        rc = mlo_jpull_next(&p.j, &tok, err);
    if (rc == 0 && tok != MLO_J_END)
        return refuse(text, "is more than an array", err);
    return rc;
}

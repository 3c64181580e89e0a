/*
 * Building a struct mlo_checkpoint: arrays that grow inside the arena, texts copied into it, and the rules
 * that every format shares (sizes from shapes, no two tensors of one name).
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#include "internal.h"

void mlo_cp_init(struct mlo_checkpoint *cp)
{
    *cp = (struct mlo_checkpoint){.architecture = ""};
    mlo_arena_init(&cp->arena, MLO_CP_ARENA_MAX);
}

void mlo_checkpoint_release(struct mlo_checkpoint *cp)
{
    mlo_arena_release(&cp->arena);
    *cp = (struct mlo_checkpoint){.architecture = ""};
}

/* Makes room for `need` elements; an arena cannot give memory back, so growth doubles. */
static int cp_grow(struct mlo_checkpoint *cp, void *parray, size_t *room, size_t n, size_t need, size_t size,
                   struct mlo_err *err)
{
    if (need <= *room)
        return 0;
    size_t want = *room ? 2 * *room : 8;
    if (want < need)
        want = need;
    void *p = mlo_arena_alloc(&cp->arena, want, size, err);
    if (!p)
        return err->code;
    if (n)
        memcpy(p, *(void **)parray, n * size);
    *(void **)parray = p;
    *room = want;
    return 0;
}

int mlo_cp_reserve(struct mlo_checkpoint *cp, size_t n, struct mlo_err *err)
{
    if (n > MLO_CP_MAX_TENSORS)
        return mlo_fail(err, MLO_EINVALID, "%zu tensors; at most %zu are read", n, MLO_CP_MAX_TENSORS);
    return cp_grow(cp, &cp->tensors, &cp->room.tensors, cp->n_tensors, n, sizeof *cp->tensors, err);
}

int mlo_cp_add_tensor(struct mlo_checkpoint *cp, const struct mlo_tensor *t, struct mlo_err *err)
{
    if (cp->n_tensors == MLO_CP_MAX_TENSORS)
        return mlo_fail(err, MLO_EINVALID, "more than %zu tensors", MLO_CP_MAX_TENSORS);
    int rc = cp_grow(cp, &cp->tensors, &cp->room.tensors, cp->n_tensors, cp->n_tensors + 1, sizeof *t, err);
    if (rc == 0)
        cp->tensors[cp->n_tensors++] = *t;
    return rc;
}

int mlo_cp_text(struct mlo_checkpoint *cp, const char *s, size_t n, const char **ret, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    if (n && memchr(s, 0, n))
        return mlo_fail(err, MLO_EINVALID, "\"%s\": a NUL byte inside", mlo_shown(s, n, shown));
    char *copy = mlo_arena_strndup(&cp->arena, s, n, err);
    if (!copy)
        return err->code;
    *ret = copy;
    return 0;
}

/* Foreign text for a listing: cut to MLO_CP_MAX_VALUE, and escaped when it is not UTF-8. */
static int listed_text(struct mlo_checkpoint *cp, const char *s, const char **ret, struct mlo_err *err)
{
    size_t n = strlen(s);
    bool whole = n <= MLO_CP_MAX_VALUE;
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, 12 * MLO_CP_MAX_VALUE);
    if (!whole)
        n = mlo_utf8_cut(s, MLO_CP_MAX_VALUE);
    if (mlo_utf8_valid(s, n))
        mlo_str_addn(&text, s, n);
    else
        mlo_escape(&text, s, n);
    mlo_str_add(&text, whole ? "" : "...");
    int rc = mlo_str_check(&text, err);
    return rc < 0 ? rc : mlo_cp_text(cp, text.ptr, text.len, ret, err);
}

int mlo_cp_add_meta(struct mlo_checkpoint *cp, const char *key, const char *value, struct mlo_err *err)
{
    struct mlo_kv kv;
    if (cp->n_meta == MLO_CP_MAX_META)
        return mlo_fail(err, MLO_EINVALID, "more than %zu metadata entries", MLO_CP_MAX_META);
    int rc = listed_text(cp, key, &kv.key, err);
    if (rc == 0)
        rc = listed_text(cp, value, &kv.value, err);
    if (rc == 0)
        rc = cp_grow(cp, &cp->meta, &cp->room.meta, cp->n_meta, cp->n_meta + 1, sizeof kv, err);
    if (rc == 0)
        cp->meta[cp->n_meta++] = kv;
    return rc;
}

int mlo_cp_warn(struct mlo_checkpoint *cp, struct mlo_err *err, const char *fmt, ...)
{
    char text[512];
    const char *copy;
    if (cp->n_warnings == MLO_CP_MAX_WARNINGS)
        return 0;
    if (cp->n_warnings == MLO_CP_MAX_WARNINGS - 1) {
        snprintf(text, sizeof text, "more warnings of this kind are not shown");
    } else {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(text, sizeof text, fmt, ap);
        va_end(ap);
    }
    int rc = mlo_cp_text(cp, text, strlen(text), &copy, err);
    if (rc == 0)
        rc = cp_grow(cp, &cp->warnings, &cp->room.warnings, cp->n_warnings, cp->n_warnings + 1, sizeof copy,
                     err);
    if (rc == 0)
        cp->warnings[cp->n_warnings++] = copy;
    return rc;
}

int mlo_cp_find(struct mlo_checkpoint *cp, enum mlo_pickle_verdict verdict, const char *where,
                uint64_t offset, const char *what, struct mlo_err *err)
{
    struct mlo_finding f = {.verdict = verdict, .offset = offset};
    if (verdict > cp->verdict)
        cp->verdict = verdict;
    if (cp->n_findings == MLO_CP_MAX_FINDINGS)
        return 0;
    int rc = mlo_cp_text(cp, where, strlen(where), &f.where, err);
    if (rc == 0)
        rc = mlo_cp_text(cp, what, strlen(what), &f.what, err);
    if (rc == 0)
        rc = cp_grow(cp, &cp->findings, &cp->room.findings, cp->n_findings, cp->n_findings + 1, sizeof f,
                     err);
    if (rc == 0)
        cp->findings[cp->n_findings++] = f;
    return rc;
}

int mlo_cp_add_external(struct mlo_checkpoint *cp, const char *path, struct mlo_err *err)
{
    const char *copy;
    for (size_t i = 0; i < cp->n_external; i++)
        if (strcmp(cp->external[i], path) == 0)
            return 0;
    int rc = mlo_cp_text(cp, path, strlen(path), &copy, err);
    if (rc == 0)
        rc = cp_grow(cp, &cp->external, &cp->room.external, cp->n_external, cp->n_external + 1, sizeof copy,
                     err);
    if (rc == 0)
        cp->external[cp->n_external++] = copy;
    return rc;
}

/* ---- sizes ---- */

static int size_fails(const struct mlo_tensor *t, const char *why, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    return mlo_fail(err, MLO_EINVALID, "tensor \"%s\": %s", mlo_shown(t->name, strlen(t->name), shown), why);
}

static int measure_blocks(struct mlo_tensor *t, struct mlo_err *err)
{
    const struct mlo_ggml_type *g = mlo_ggml_type(t->ggml_type);
    if (!g)
        return size_fails(t, "unknown block type", err);
    if (!t->type_name)
        t->type_name = g->name;
    uint64_t row = t->rank ? t->shape[t->rank - 1] : 1;
    if (row % g->block)
        return size_fails(t, "the last dimension is not a multiple of the block size", err);
    if (!mlo_mul_u64(t->elements / g->block, g->bytes, &t->bytes))
        return size_fails(t, "the byte size overflows", err);
    return 0;
}

int mlo_tensor_measure(struct mlo_tensor *t, struct mlo_err *err)
{
    /* Zero dimensions last: [2^40, 2^40, 0] overflows in other readers, so it is refused here as well. */
    uint64_t elements = 1, bits;
    for (uint32_t i = 0; i < t->rank; i++)
        if (!mlo_mul_u64(elements, t->shape[i], &elements))
            return size_fails(t, "the shape's product overflows", err);
    t->elements = elements;
    if (t->dtype == MLO_DT_GGML)
        return measure_blocks(t, err);
    if (!t->type_name)
        t->type_name = mlo_dtype_name(t->dtype);
    if (!mlo_dtype_bits(t->dtype))
        return 0;
    if (!mlo_mul_u64(elements, mlo_dtype_bits(t->dtype), &bits))
        return size_fails(t, "the byte size overflows", err);
    if (bits % 8)
        return size_fails(t, "the elements do not fill whole bytes", err);
    t->bytes = bits / 8;
    return 0;
}

/* ---- names ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorts names[0..n) and fails on two that are equal: `what` begins the message. */
static int check_unique(const char **names, size_t n, const char *what, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    qsort(names, n, sizeof *names, by_name);
    for (size_t i = 1; i < n; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            return mlo_fail(err, MLO_EINVALID, "two %s are named \"%s\"", what,
                            mlo_shown(names[i], strlen(names[i]), shown));
    return 0;
}

int mlo_cp_unique_names(const struct mlo_checkpoint *cp, struct mlo_err *err)
{
    MLO_AUTOFREE const char **names = mlo_calloc(cp->n_tensors, sizeof *names, err);
    if (!names)
        return err->code;
    for (size_t i = 0; i < cp->n_tensors; i++)
        names[i] = cp->tensors[i].name;
    return check_unique(names, cp->n_tensors, "tensors", err);
}

int mlo_cp_unique_meta(const struct mlo_checkpoint *cp, struct mlo_err *err)
{
    MLO_AUTOFREE const char **keys = mlo_calloc(cp->n_meta, sizeof *keys, err);
    if (!keys)
        return err->code;
    for (size_t i = 0; i < cp->n_meta; i++)
        keys[i] = cp->meta[i].key;
    return check_unique(keys, cp->n_meta, "keys", err);
}

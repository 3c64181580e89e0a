/*
 * The header of a safetensors file, byte for byte as the reference writer makes it: compact JSON, metadata
 * first, tensors by type rank descending and then by name, spaces up to a multiple of 8. One difference:
 * metadata is sorted by key, so that the same input gives the same bytes (the reference's order is random).
 */
#include <string.h>

#include <mlopsctl/base/json.h>
#include <mlopsctl/base/text.h>

#include "internal.h"

#define MAX_HEADER ((size_t)100000000)

struct entry {
    const struct mlo_st_tensor *t;
    size_t index;
    int rank;
    uint64_t bytes;
};

static int by_data_order(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return x->rank != y->rank ? y->rank - x->rank : strcmp(x->t->name, y->t->name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->t->name, ((const struct entry *)b)->t->name);
}

static int by_key(const void *a, const void *b)
{
    return strcmp((*(const struct mlo_kv *const *)a)->key, (*(const struct mlo_kv *const *)b)->key);
}

static int check_entry(struct entry *e, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    struct mlo_tensor m = {
        .name = e->t->name, .dtype = e->t->dtype, .rank = e->t->rank, .shape = e->t->shape};
    e->rank = mlo_dtype_safetensors_rank(e->t->dtype);
    mlo_shown(e->t->name, strlen(e->t->name), shown);
    if (e->rank < 0)
        return mlo_fail(err, MLO_EINVALID, "tensor \"%s\": safetensors has no type %s", shown,
                        mlo_dtype_name(m.dtype));
    if (e->t->rank > MLO_MAX_RANK || !mlo_utf8_valid(m.name, strlen(m.name)) ||
        strcmp(m.name, "__metadata__") == 0)
        return mlo_fail(err, MLO_EINVALID, "tensor \"%s\": safetensors has no such name or shape", shown);
    int rc = mlo_tensor_measure(&m, err);
    e->bytes = m.bytes;
    return rc;
}

static int check_entries(struct entry *entries, const struct mlo_st_tensor *t, size_t n, struct mlo_err *err)
{
    for (size_t i = 0; i < n; i++) {
        entries[i] = (struct entry){.t = &t[i], .index = i};
        int rc = check_entry(&entries[i], err);
        if (rc < 0)
            return rc;
    }
    qsort(entries, n, sizeof *entries, by_name);
    for (size_t i = 1; i < n; i++) {
        char shown[MLO_SHOWN];
        if (by_name(&entries[i - 1], &entries[i]) == 0)
            return mlo_fail(err, MLO_EINVALID, "two tensors are named \"%s\"",
                            mlo_shown(entries[i].t->name, strlen(entries[i].t->name), shown));
    }
    qsort(entries, n, sizeof *entries, by_data_order);
    return 0;
}

static int add_metadata(struct mlo_str *out, const struct mlo_kv *meta, size_t n, struct mlo_err *err)
{
    MLO_AUTOFREE const struct mlo_kv **sorted = mlo_calloc(n, sizeof *sorted, err);
    if (!sorted)
        return err->code;
    for (size_t i = 0; i < n; i++)
        sorted[i] = &meta[i];
    qsort(sorted, n, sizeof *sorted, by_key);
    mlo_str_add(out, "\"__metadata__\":{");
    for (size_t i = 0; i < n; i++) {
        if (i && strcmp(sorted[i - 1]->key, sorted[i]->key) == 0)
            return mlo_fail(err, MLO_EINVALID, "two metadata entries of one name");
        if (!mlo_utf8_valid(sorted[i]->key, strlen(sorted[i]->key)) ||
            !mlo_utf8_valid(sorted[i]->value, strlen(sorted[i]->value)))
            return mlo_fail(err, MLO_EINVALID, "metadata is not valid UTF-8");
        mlo_str_add(out, i ? "," : "");
        mlo_json_quote(out, sorted[i]->key, strlen(sorted[i]->key));
        mlo_str_addc(out, ':');
        mlo_json_quote(out, sorted[i]->value, strlen(sorted[i]->value));
    }
    mlo_str_addc(out, '}');
    return 0;
}

static void add_tensor(struct mlo_str *out, const struct entry *e, uint64_t begin)
{
    mlo_json_quote(out, e->t->name, strlen(e->t->name));
    mlo_str_addf(out, ":{\"dtype\":\"%s\",\"shape\":[", mlo_dtype_to_safetensors(e->t->dtype));
    for (uint32_t i = 0; i < e->t->rank; i++)
        mlo_str_addf(out, "%s%llu", i ? "," : "", (unsigned long long)e->t->shape[i]);
    mlo_str_addf(out, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)begin,
                 (unsigned long long)(begin + e->bytes));
}

static int add_tensors(struct mlo_str *out, const struct entry *entries, size_t n, bool comma,
                       struct mlo_err *err)
{
    uint64_t at = 0, end;
    for (size_t i = 0; i < n; i++, at = end) {
        if (!mlo_add_u64(at, entries[i].bytes, &end))
            return mlo_fail(err, MLO_EINVALID, "the tensors' sizes overflow");
        mlo_str_add(out, i || comma ? "," : "");
        add_tensor(out, &entries[i], at);
    }
    return 0;
}

/* Length prefix and padded text. */
static void add_header(struct mlo_str *out, struct mlo_str *json)
{
    uint8_t prefix[8];
    mlo_str_fill(json, ' ', (8 - json->len % 8) % 8);
    for (unsigned i = 0; i < sizeof prefix; i++)
        prefix[i] = (uint8_t)((uint64_t)json->len >> (8 * i));
    mlo_str_addn(out, prefix, sizeof prefix);
    mlo_str_addn(out, json->ptr, json->len);
}

int mlo_safetensors_header(const struct mlo_st_tensor *t, size_t n, const struct mlo_kv *meta, size_t n_meta,
                           struct mlo_str *out, size_t *ret_order, struct mlo_err *err)
{
    MLO_AUTOFREE struct entry *entries = mlo_calloc(n ? n : 1, sizeof *entries, err);
    MLO_AUTOSTR struct mlo_str json;
    mlo_str_init(&json, MAX_HEADER);
    if (!entries)
        return err->code;
    int rc = check_entries(entries, t, n, err);
    if (rc < 0)
        return rc;
    mlo_str_addc(&json, '{');
    if (n_meta)
        rc = add_metadata(&json, meta, n_meta, err);
    if (rc == 0)
        rc = add_tensors(&json, entries, n, n_meta != 0, err);
    if (rc < 0)
        return rc;
    mlo_str_addc(&json, '}');
    add_header(out, &json);
    rc = mlo_str_check(&json, err);
    if (rc == 0)
        rc = mlo_str_check(out, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        ret_order[i] = entries[i].index;
    return rc;
}

/*
 * The tensor-set digest: SHA-256 over one line per tensor, sorted by name:
 *
 *     <name-length>:<name> <type> [d0,d1,...] <hex>\n
 *
 * name-length counts the name's bytes in decimal, so a name may hold anything; type is mlo_tensor.type_name;
 * dimensions are row-major, "[]" for a scalar; hex is the SHA-256 of the canonical bytes. Example:
 *
 *     1:w float32 [2] 3ba6...\n
 *
 * Tensors of one name (several files packed together) are ordered by type, shape and digest, so the order of
 * the input never matters. No tensors: the digest of the empty string.
 */
#include <string.h>

#include "internal.h"

static int by_shape(const struct mlo_tensor_id *a, const struct mlo_tensor_id *b)
{
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    for (uint32_t i = 0; i < a->rank; i++)
        if (a->shape[i] != b->shape[i])
            return a->shape[i] < b->shape[i] ? -1 : 1;
    return 0;
}

static int by_line(const void *pa, const void *pb)
{
    const struct mlo_tensor_id *a = *(const struct mlo_tensor_id *const *)pa,
                               *b = *(const struct mlo_tensor_id *const *)pb;
    int d = strcmp(a->name, b->name);
    if (d == 0)
        d = strcmp(a->type_name, b->type_name);
    if (d == 0)
        d = by_shape(a, b);
    return d ? d : mlo_digest_cmp(&a->digest, &b->digest);
}

static void add_line(struct mlo_str *out, const struct mlo_tensor_id *id)
{
    char hex[MLO_DIGEST_HEX + 1];
    mlo_str_addf(out, "%zu:", strlen(id->name));
    mlo_str_add(out, id->name);
    mlo_str_addf(out, " %s [", id->type_name);
    for (uint32_t i = 0; i < id->rank; i++)
        mlo_str_addf(out, "%s%llu", i ? "," : "", (unsigned long long)id->shape[i]);
    mlo_str_addf(out, "] %s\n", mlo_digest_hex(&id->digest, hex));
}

static int hash_lines(struct mlo_sha256 *h, const struct mlo_tensor_id *const *sorted, size_t n,
                      struct mlo_digest *ret, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str line;
    mlo_str_init(&line, MLO_STR_MAX);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        mlo_str_clear(&line);
        add_line(&line, sorted[i]);
        rc = mlo_str_check(&line, err);
        if (rc == 0)
            rc = mlo_sha256_update(h, line.ptr, line.len, err);
    }
    return rc == 0 ? mlo_sha256_end(h, ret, err) : rc;
}

int mlo_tensor_set_digest(const struct mlo_tensor_id *ids, size_t n, struct mlo_digest *ret,
                          struct mlo_err *err)
{
    MLO_AUTOFREE const struct mlo_tensor_id **sorted = mlo_calloc(n ? n : 1, sizeof *sorted, err);
    struct mlo_sha256 h;
    if (!sorted)
        return err->code;
    for (size_t i = 0; i < n; i++)
        sorted[i] = &ids[i];
    qsort(sorted, n, sizeof *sorted, by_line);
    int rc = mlo_sha256_new(&h, err);
    if (rc < 0)
        return rc;
    rc = hash_lines(&h, sorted, n, ret, err);
    mlo_sha256_free(&h);
    return rc;
}

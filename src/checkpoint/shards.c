/*
 * The index of a sharded model against its shards: both sides become lists of (tensor, shard), sorted, and
 * must be equal. File names in the index are foreign paths; only plain names that are among the shards given
 * are accepted.
 */
#include <stdint.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/json.h>

#include "internal.h"

#define MAX_INDEX ((size_t)64 << 20)

struct place {
    const char *tensor;
    size_t shard;
};

struct places {
    struct place *v;
    size_t n;
};

static int by_tensor(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int d = strcmp(x->tensor, y->tensor);
    return d ? d : (x->shard > y->shard) - (x->shard < y->shard);
}

static int by_file(const void *a, const void *b)
{
    return strcmp((*(const struct mlo_shard *const *)a)->file, (*(const struct mlo_shard *const *)b)->file);
}

/* Shards sorted by file name, to find the one that an entry names. */
static int sort_shards(const struct mlo_shard *shards, size_t n, const struct mlo_shard ***ret,
                       struct mlo_err *err)
{
    const struct mlo_shard **sorted = mlo_calloc(n ? n : 1, sizeof *sorted, err);
    if (!sorted)
        return err->code;
    for (size_t i = 0; i < n; i++)
        sorted[i] = &shards[i];
    qsort(sorted, n, sizeof *sorted, by_file);
    *ret = sorted;
    return 0;
}

static int check_file_name(const char *file, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    int rc = mlo_path_check(file, strlen(file), err);
    if (rc == 0 && strchr(file, '/'))
        rc = mlo_fail(err, MLO_EINVALID, "not a plain file name");
    return rc < 0 ? mlo_wrap(err, "shard \"%s\"", mlo_shown(file, strlen(file), shown)) : 0;
}

static int index_entry(const cJSON *item, const struct mlo_shard *shards, const struct mlo_shard **sorted,
                       size_t n, struct place *ret, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    if (!cJSON_IsString(item))
        return mlo_fail(err, MLO_EINVALID, "weight_map: \"%s\" is not a string",
                        mlo_shown(item->string, strlen(item->string), shown));
    int rc = check_file_name(item->valuestring, err);
    if (rc < 0)
        return rc;
    struct mlo_shard wanted = {.file = item->valuestring};
    const struct mlo_shard *key = &wanted, **found = bsearch(&key, sorted, n, sizeof *sorted, by_file);
    if (!found)
        return mlo_fail(err, MLO_EINVALID, "shard \"%s\" is named by the index, but it is not there",
                        mlo_shown(item->valuestring, strlen(item->valuestring), shown));
    *ret = (struct place){.tensor = item->string, .shard = (size_t)(*found - shards)};
    return 0;
}

static int read_map(const cJSON *doc, const struct mlo_shard *shards, size_t n_shards, struct places *ret,
                    struct mlo_err *err)
{
    const cJSON *map = cJSON_GetObjectItemCaseSensitive(doc, "weight_map"), *item;
    MLO_AUTOFREE const struct mlo_shard **sorted = NULL;
    if (!cJSON_IsObject(map))
        return mlo_fail(err, MLO_EINVALID, "no weight_map");
    int rc = sort_shards(shards, n_shards, &sorted, err);
    if (rc < 0)
        return rc;
    size_t n = 0;
    cJSON_ArrayForEach(item, map) n++;
    ret->v = mlo_calloc(n ? n : 1, sizeof *ret->v, err);
    if (!ret->v)
        return err->code;
    cJSON_ArrayForEach(item, map)
    {
        rc = index_entry(item, shards, sorted, n_shards, &ret->v[ret->n++], err);
        if (rc < 0)
            return rc;
    }
    qsort(ret->v, ret->n, sizeof *ret->v, by_tensor);
    return 0;
}

static int list_tensors(const struct mlo_shard *shards, size_t n_shards, struct places *ret,
                        struct mlo_err *err)
{
    size_t n = 0;
    for (size_t i = 0; i < n_shards; i++)
        n += shards[i].cp->n_tensors;
    ret->v = mlo_calloc(n ? n : 1, sizeof *ret->v, err);
    if (!ret->v)
        return err->code;
    for (size_t i = 0; i < n_shards; i++)
        for (size_t k = 0; k < shards[i].cp->n_tensors; k++)
            ret->v[ret->n++] = (struct place){shards[i].cp->tensors[k].name, i};
    qsort(ret->v, ret->n, sizeof *ret->v, by_tensor);
    return 0;
}

/* Both lists sorted: the first difference is either a tensor that is missing or one that the index does not
 * know. */
static int compare(const struct places *index, const struct places *held, const struct mlo_shard *shards,
                   struct mlo_err *err)
{
    char tensor[MLO_SHOWN], file[MLO_SHOWN];
    for (size_t i = 0; i < index->n || i < held->n; i++) {
        int d = i == index->n ? 1 : i == held->n ? -1 : by_tensor(&index->v[i], &held->v[i]);
        if (d == 0)
            continue;
        const struct place *p = d < 0 ? &index->v[i] : &held->v[i];
        mlo_shown(p->tensor, strlen(p->tensor), tensor);
        mlo_shown(shards[p->shard].file, strlen(shards[p->shard].file), file);
        return d < 0
                   ? mlo_fail(err, MLO_EINVALID, "tensor \"%s\" is not in \"%s\", where the index has it",
                              tensor, file)
                   : mlo_fail(err, MLO_EINVALID, "tensor \"%s\" of \"%s\" is not in the index", tensor, file);
    }
    return 0;
}

static void check_total(const cJSON *doc, const struct mlo_shard *shards, size_t n, struct mlo_str *warning)
{
    const cJSON *meta = cJSON_GetObjectItemCaseSensitive(doc, "metadata");
    uint64_t total = 0, said;
    struct mlo_err ignored;
    if (!meta || !cJSON_GetObjectItemCaseSensitive(meta, "total_size"))
        return;
    for (size_t i = 0; i < n; i++)
        total += shards[i].cp->tensor_bytes;
    if (mlo_json_u64(meta, "total_size", &said, &ignored) < 0)
        mlo_str_add(warning, "total_size is not a whole number");
    else if (said != total)
        mlo_str_addf(warning, "total_size is %llu, the shards hold %llu bytes", (unsigned long long)said,
                     (unsigned long long)total);
}

int mlo_shard_index_check(const char *json, size_t n, const struct mlo_shard *shards, size_t n_shards,
                          struct mlo_str *warning, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = NULL;
    struct places index = {0}, held = {0};
    int rc = mlo_json_parse(json, n, MAX_INDEX, &doc, err);
    if (rc == 0)
        rc = read_map(doc, shards, n_shards, &index, err);
    if (rc == 0)
        rc = list_tensors(shards, n_shards, &held, err);
    if (rc == 0)
        rc = compare(&index, &held, shards, err);
    if (rc == 0)
        check_total(doc, shards, n_shards, warning);
    free(index.v);
    free(held.v);
    return rc < 0 ? mlo_wrap(err, "shard index") : 0;
}

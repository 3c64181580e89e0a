/* The zip directory on any bytes, then the data of every entry. */
#include "checkpoint_fuzz.h"

static void fuzz_entry(const struct mlo_source *src, const struct mlo_zip *zip, const struct mlo_zip_entry *e)
{
    struct mlo_err err = MLO_ERR_INIT;
    uint64_t total = 0;
    unsigned odd = 0;
    char head[64];
    size_t n = 0;
    must(strlen(e->name) <= e->name_len);
    must(e->odd & MLO_ZIP_NO_HEADER || (e->packed <= src->size && e->data <= src->size - e->packed));
    if (strlen(e->name) == e->name_len)
        must(mlo_zip_find(zip, e->name) != NULL);
    int rc = mlo_zip_stream(src, e, READ_MAX, fuzz_count, &total, &odd, &err);
    must(rc == 0 || rc == MLO_EINVALID);
    must(rc != 0 || odd || total == e->size);
    must(mlo_zip_head(src, e, head, sizeof head, &n, &err) == 0 && n <= sizeof head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct mlo_mem mem = {data};
    struct mlo_source src = mlo_source_mem(&mem, n);
    struct mlo_arena arena;
    struct mlo_zip zip = {0};
    struct mlo_err err = MLO_ERR_INIT;
    bool has = false;
    mlo_arena_init(&arena, MLO_CP_ARENA_MAX);
    int rc = mlo_zip_read(&src, &arena, &zip, &err);
    must(rc == 0 || rc == MLO_EINVALID);
    must(mlo_zip_has_end(&src, &has, &err) == 0);
    for (size_t i = 0; rc == 0 && i < zip.n; i++)
        fuzz_entry(&src, &zip, &zip.entries[i]);
    if (rc == 0)
        must((mlo_zip_strict(&zip, &err) == 0) == (zip.odd == 0));
    mlo_arena_release(&arena);
    return 0;
}

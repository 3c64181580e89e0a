/* Any bytes as each of the documents that an S3 service answers with: read within its limits, or refused. */
#include <string.h>

#include "../../src/remote/s3/s3.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_page(const struct mlo_s3_page *p)
{
    if (p->n > MLO_S3_ENTRIES_MAX)
        __builtin_trap();
    for (size_t i = 0; i < p->n; i++)
        if (!p->list[i].key || strlen(p->list[i].key) > MLO_S3_TEXT_MAX ||
            p->list[i].size > MLO_BLOB_SIZE_MAX)
            __builtin_trap();
}

static void check_parts(const struct mlo_s3_parts *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->list[i].number < 1 || p->list[i].number > MLO_S3_PARTS_MAX || !p->list[i].etag)
            __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_s3_error e;
    struct mlo_s3_page page;
    struct mlo_s3_parts parts;
    char *id = NULL;
    const char *text = (const char *)data;
    mlo_s3_read_error(text, size, &e);
    if (strlen(e.code) >= sizeof e.code || strlen(e.message) >= sizeof e.message)
        __builtin_trap();
    if (mlo_s3_read_page(text, size, &page, &err) == 0) {
        check_page(&page);
        mlo_s3_page_release(&page);
    }
    if (mlo_s3_read_parts(text, size, &parts, &err) == 0) {
        check_parts(&parts);
        mlo_s3_parts_release(&parts);
    }
    if (mlo_s3_read_upload(text, size, &id, &err) == 0)
        free(id);
    if (mlo_s3_read_complete(text, size, &e, &err) != 0 && err.code == 0)
        __builtin_trap();
    return 0;
}

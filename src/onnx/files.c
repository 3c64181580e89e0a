/* The model's file and those of its external data, each read into memory once. */
#include "internal.h"

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>

int mlo_region_read(struct mlo_model_reader *r, int fd, size_t n, char *path, struct mlo_region *ret,
                    struct mlo_err *err)
{
    int rc = mlo_grow(&r->regions, &r->regions_cap, r->n_regions + 1, sizeof *r->regions, err);
    if (rc == 0)
        rc = mlo_grow(&r->region_paths, &r->paths_cap, r->n_regions + 1, sizeof *r->region_paths, err);
    if (rc != 0)
        return rc;
    void *p = mmap(NULL, n ? n : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return mlo_fail_nomem(err);
    /* Fewer faults while it is read; refused: as many as there are pages. */
    (void)madvise(p, n ? n : 1, MADV_HUGEPAGE);
    rc = mlo_read_exact_at(fd, p, n, 0, err);
    if (rc != 0) {
        munmap(p, n ? n : 1);
        return rc;
    }
    *ret = r->regions[r->n_regions] = (struct mlo_region){p, n};
    r->region_paths[r->n_regions++] = path;
    r->model.file_bytes += n;
    return 0;
}

static int load(struct mlo_model_reader *r, const char *path, struct mlo_region *ret, struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = -1;
    MLO_AUTOFREE char *own = NULL;
    uint64_t size;
    if (r->dirfd < 0)
        return mlo_fail(err, MLO_EINVALID, "the model's weights lie in another file, '%s'", path);
    int rc = mlo_external_open(r->dirfd, path, 0, 0, &fd, &size, err);
    if (rc != 0)
        return rc;
    if (size > MLO_MODEL_FILE_MAX - r->model.file_bytes)
        return mlo_fail(err, MLO_EINVALID, "external data '%s' has %" PRIu64 " bytes", path, size);
    own = mlo_strdup(path, err);
    if (!own)
        return err->code;
    rc = mlo_region_read(r, fd, (size_t)size, own, ret, err);
    if (rc == 0)
        (void)mlo_steal(&own);
    return rc;
}

int mlo_region_external(struct mlo_model_reader *r, const char *path, uint64_t offset, uint64_t length,
                        struct mlo_slice *ret, struct mlo_err *err)
{
    struct mlo_region found = {0};
    int rc = 0;
    for (size_t i = 0; i < r->n_regions && !found.ptr; i++)
        if (r->region_paths[i] && strcmp(r->region_paths[i], path) == 0)
            found = r->regions[i];
    if (!found.ptr)
        rc = load(r, path, &found, err);
    if (rc != 0)
        return rc;
    if (offset > found.n || length > found.n - offset)
        return mlo_fail(err, MLO_EINVALID, "%" PRIu64 " bytes at %" PRIu64 ", but '%s' has %zu", length,
                        offset, path, found.n);
    *ret = (struct mlo_slice){(const char *)found.ptr + offset, (size_t)length};
    return 0;
}

static void drop_pages(const void *bytes, size_t n)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), end = (uintptr_t)bytes + n;
    uintptr_t from = ((uintptr_t)bytes + page - 1) / page * page;
    if (end / page * page > from)
        madvise((void *)from, end / page * page - from, MADV_DONTNEED);
}

static bool is_within(const struct mlo_region *r, const void *bytes, size_t n)
{
    size_t at = (size_t)((uintptr_t)bytes - (uintptr_t)r->ptr);
    return at <= r->n && n <= r->n - at;
}

void mlo_region_drop(const struct mlo_model_reader *r, const void *bytes, size_t n)
{
    for (size_t i = 0; i < r->n_regions; i++)
        if (is_within(&r->regions[i], bytes, n))
            drop_pages(bytes, n);
}

/* A constant lies in a file that was read, in the arena, or in bytes of the caller, which stay as they are.
 */
void mlo_onnx_forget(struct mlo_onnx_model *m, const struct mlo_array *a)
{
    const struct mlo_model_reader *r = (const struct mlo_model_reader *)m;
    size_t bytes;
    if (m->close || !mlo_array_bytes(a->dtype, a->n, &bytes) || a->dtype == MLO_DT_STRING)
        return;
    if (r->n_regions > 0 && !is_within(&r->given, a->data, bytes))
        drop_pages(a->data, bytes);
}

/* What the checkpoint fuzz targets share: a source over the input, and what must hold for every tensor that
 * was accepted. */
#ifndef TESTS_FUZZ_CHECKPOINT_FUZZ_H
#define TESTS_FUZZ_CHECKPOINT_FUZZ_H

#include <stdint.h>
#include <string.h>

#include "../../src/checkpoint/internal.h"

#define READ_MAX ((uint64_t)1 << 24) /* bytes of one tensor that are worth the time */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static inline void must(bool ok)
{
    if (!ok)
        __builtin_trap();
}

static inline int fuzz_count(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    (void)p, (void)err;
    must(n > 0 && n <= (size_t)1 << 20);
    *(uint64_t *)ctx += n;
    return 0;
}

/* What is accepted lies inside the file, and reads to exactly the bytes it claims or says why not. */
static inline void fuzz_tensor(const struct mlo_source *src, const struct mlo_tensor *t)
{
    struct mlo_err err = MLO_ERR_INIT;
    uint64_t total = 0;
    must(t->name && t->type_name && t->rank <= MLO_MAX_RANK);
    if (t->store == MLO_TS_EXTERNAL || t->store == MLO_TS_NONE)
        return;
    must(t->length <= src->size && t->offset <= src->size - t->length);
    if (t->store == MLO_TS_RANGE)
        must(t->bytes == t->length);
    if (t->bytes <= READ_MAX && mlo_tensor_read(src, t, fuzz_count, &total, &err) == 0)
        must(total == t->bytes);
}

static inline void fuzz_checkpoint(const struct mlo_source *src, const struct mlo_checkpoint *cp)
{
    must(cp->architecture != NULL);
    for (size_t i = 0; i < cp->n_tensors; i++)
        fuzz_tensor(src, &cp->tensors[i]);
    for (size_t i = 0; i < cp->n_meta; i++)
        must(cp->meta[i].key && cp->meta[i].value && strlen(cp->meta[i].value) <= 5 * MLO_CP_MAX_VALUE);
}

/* One reader on the input, whatever it begins with. */
static inline int fuzz_reader(const uint8_t *data, size_t n,
                              int (*read)(const struct mlo_source *, struct mlo_checkpoint *,
                                          struct mlo_err *))
{
    struct mlo_mem mem = {data};
    struct mlo_source src = mlo_source_mem(&mem, n);
    struct mlo_checkpoint cp;
    struct mlo_err err = MLO_ERR_INIT;
    mlo_cp_init(&cp);
    int rc = read(&src, &cp, &err);
    must(rc == 0 || (rc == MLO_EINVALID && err.msg[0]));
    if (rc == 0)
        fuzz_checkpoint(&src, &cp);
    mlo_checkpoint_release(&cp);
    return 0;
}

#endif

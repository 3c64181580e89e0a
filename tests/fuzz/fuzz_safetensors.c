/* The safetensors reader on any bytes; what it accepts is written again, and the new header must read as the
 * same tensors. */
#include "checkpoint_fuzz.h"

static bool same(const struct mlo_tensor *a, const struct mlo_tensor *b)
{
    return strcmp(a->name, b->name) == 0 && a->dtype == b->dtype && a->rank == b->rank &&
           a->bytes == b->bytes &&
           (a->rank == 0 || memcmp(a->shape, b->shape, a->rank * sizeof *a->shape) == 0);
}

/* A source of the header written, then zeros. */
struct rewritten {
    const struct mlo_str *header;
};

static int read_rewritten(void *ctx, void *buf, size_t n, uint64_t off, struct mlo_err *err)
{
    const struct mlo_str *header = ((const struct rewritten *)ctx)->header;
    (void)err;
    for (size_t i = 0; i < n; i++)
        ((char *)buf)[i] = off + i < header->len ? header->ptr[off + i] : 0;
    return 0;
}

static void compare(const struct mlo_checkpoint *cp, const struct mlo_str *header, const size_t *order)
{
    struct rewritten r = {header};
    struct mlo_source src = {.size = header->len, .read_at = read_rewritten, .ctx = &r};
    struct mlo_checkpoint again;
    struct mlo_err err = MLO_ERR_INIT;
    for (size_t i = 0; i < cp->n_tensors; i++)
        src.size += cp->tensors[i].bytes;
    mlo_cp_init(&again);
    must(mlo_safetensors_read(&src, &again, &err) == 0 && again.n_tensors == cp->n_tensors &&
         again.n_meta == cp->n_meta);
    for (size_t i = 0; i < cp->n_tensors; i++)
        must(same(&cp->tensors[order[i]], &again.tensors[i]));
    mlo_checkpoint_release(&again);
}

static void rewrite(const struct mlo_checkpoint *cp)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOFREE struct mlo_st_tensor *t = mlo_calloc(cp->n_tensors + 1, sizeof *t, &err);
    MLO_AUTOFREE size_t *order = mlo_calloc(cp->n_tensors + 1, sizeof *order, &err);
    MLO_AUTOSTR struct mlo_str out;
    mlo_str_init(&out, MLO_STR_MAX);
    must(t && order);
    for (size_t i = 0; i < cp->n_tensors; i++) {
        const struct mlo_tensor *x = &cp->tensors[i];
        if (x->dtype == MLO_DT_UNKNOWN)
            return;
        t[i] = (struct mlo_st_tensor){x->name, x->dtype, x->shape, x->rank};
    }
    must(mlo_safetensors_header(t, cp->n_tensors, cp->meta, cp->n_meta, &out, order, &err) == 0);
    must(out.len % 8 == 0);
    compare(cp, &out, order);
}

static int read_and_rewrite(const struct mlo_source *src, struct mlo_checkpoint *cp, struct mlo_err *err)
{
    int rc = mlo_safetensors_read(src, cp, err);
    if (rc == 0)
        rewrite(cp);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    return fuzz_reader(data, n, read_and_rewrite);
}

/* One door for all formats: sniff, read, add up. */
#include "internal.h"

const char *mlo_verdict_name(enum mlo_pickle_verdict v)
{
    static const char *const names[] = {
        [MLO_VERDICT_NONE] = "none",       [MLO_VERDICT_TENSOR_ONLY] = "tensor-only",
        [MLO_VERDICT_KNOWN] = "known",     [MLO_VERDICT_UNSCANNED] = "unscanned",
        [MLO_VERDICT_UNKNOWN] = "unknown", [MLO_VERDICT_DANGEROUS] = "dangerous",
    };
    return (size_t)v < MLO_COUNT(names) ? names[v] : "unknown";
}

static int read_as(const struct mlo_source *src, const struct mlo_zip *zip, struct mlo_checkpoint *cp,
                   struct mlo_err *err)
{
    switch (cp->format) {
    case MLO_FMT_UNKNOWN: /* perhaps an archive with pickles in it */
    case MLO_FMT_HDF5:
    case MLO_FMT_COMPRESSED:
    case MLO_FMT_XGBOOST:
    case MLO_FMT_LIGHTGBM:
        return mlo_scan_into(src, cp, err);
    case MLO_FMT_SAFETENSORS:
        return mlo_safetensors_read(src, cp, err);
    case MLO_FMT_ONNX:
        return mlo_onnx_read(src, cp, err);
    case MLO_FMT_TORCH_ZIP:
    case MLO_FMT_TORCHSCRIPT:
        return mlo_torch_zip_read(src, zip, cp, err);
    case MLO_FMT_TORCH_LEGACY:
        return mlo_torch_legacy_read(src, cp, err);
    case MLO_FMT_TORCH_TAR:
        if (mlo_scan_into(src, cp, err) < 0)
            return err->code;
        return mlo_fail(err, MLO_EINVALID,
                        "the oldest PyTorch format is not read: convert it to safetensors");
    case MLO_FMT_GGUF:
        return mlo_gguf_read(src, cp, err);
    case MLO_FMT_NPY:
        return mlo_npy_read(src, cp, err);
    case MLO_FMT_NPZ:
        return mlo_npz_read(src, zip, cp, err);
    case MLO_FMT_PICKLE:
        return mlo_pickle_read(src, "", cp, err);
    case MLO_FMT_ZIP:
        return mlo_zip_scan(src, zip, cp, err);
    }
    return mlo_fail(err, MLO_EINTERNAL, "no reader for format %d", (int)cp->format);
}

/* Texts, objects and raw bytes are no parameters. */
static bool counts(const struct mlo_tensor *t)
{
    return t->dtype == MLO_DT_GGML || (mlo_dtype_bits(t->dtype) && t->dtype != MLO_DT_DATETIME);
}

static int add_up(struct mlo_checkpoint *cp, struct mlo_err *err)
{
    uint64_t parameters = 0, bytes = 0;
    for (size_t i = 0; i < cp->n_tensors; i++)
        if (!mlo_add_u64(bytes, cp->tensors[i].bytes, &bytes) ||
            !mlo_add_u64(parameters, counts(&cp->tensors[i]) ? cp->tensors[i].elements : 0, &parameters))
            return mlo_fail(err, MLO_EINVALID, "the tensors' sizes overflow");
    cp->parameters = parameters;
    cp->tensor_bytes = bytes;
    return 0;
}

int mlo_checkpoint_read(const struct mlo_source *src, struct mlo_checkpoint *ret, struct mlo_err *err)
{
    struct mlo_zip zip = {0};
    mlo_cp_init(ret);
    int rc = mlo_sniff(src, &ret->arena, &zip, &ret->format, err);
    if (rc < 0)
        return rc;
    rc = read_as(src, &zip, ret, err);
    if (rc == 0)
        rc = add_up(ret, err);
    return rc < 0 ? mlo_wrap(err, "%s", mlo_format_name(ret->format)) : 0;
}

static int check_members(const struct mlo_source *src, const struct mlo_zip *zip, struct mlo_err *err)
{
    for (size_t i = 0; i < zip->n; i++) {
        const struct mlo_zip_entry *e = &zip->entries[i];
        char shown[MLO_SHOWN];
        unsigned odd = 0;
        int rc = mlo_zip_check_crc(src, e, &odd, err);
        if (rc == 0 && odd)
            rc = mlo_fail(err, MLO_EINVALID, "%s", mlo_zip_odd_text(odd));
        if (rc)
            return mlo_wrap(err, "member \"%s\"", mlo_shown(e->name, e->name_len, shown));
    }
    return 0;
}

int mlo_checkpoint_check_data(const struct mlo_source *src, struct mlo_err *err)
{
    struct mlo_zip zip = {0};
    struct mlo_arena arena;
    enum mlo_format format;
    mlo_arena_init(&arena, MLO_CP_ARENA_MAX);
    int rc = mlo_sniff(src, &arena, &zip, &format, err);
    if (rc == 0)
        rc = check_members(src, &zip, err);
    mlo_arena_release(&arena);
    return rc;
}

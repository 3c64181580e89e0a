/* PyTorch's zip and legacy stream on any bytes: sniffing decides which. */
#include "checkpoint_fuzz.h"

static int read_torch(const struct mlo_source *src, struct mlo_checkpoint *cp, struct mlo_err *err)
{
    struct mlo_zip zip;
    struct mlo_err ignored = MLO_ERR_INIT;
    if (mlo_zip_read(src, &cp->arena, &zip, &ignored) == 0)
        return mlo_torch_zip_read(src, &zip, cp, err);
    return mlo_torch_legacy_read(src, cp, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    return fuzz_reader(data, n, read_torch);
}

/* LightGBM's text on any bytes: all rounds, then the second alone. */
#include "booster_fuzz.h"

static int try(const uint8_t *data, size_t n, const struct mlo_booster_opts *opts)
{
    struct mlo_booster *b = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    return mlo_lightgbm_read(data, n, opts, &b, &err) == 0 ? fuzz_booster(b) : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct mlo_booster_opts second = {.ranged = true, .first = 1, .end = 2};
    return try(data, n, NULL) + try(data, n, &second);
}

/* LightGBM's text on any bytes. */
#include "booster_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct mlo_booster *b = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    return mlo_lightgbm_read(data, n, NULL, &b, &err) == 0 ? fuzz_booster(b) : 0;
}

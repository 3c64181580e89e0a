/* The pickle reader and the scanner on any bytes: the scanner never refuses, and is never kinder than the
 * reader. */
#include "checkpoint_fuzz.h"

static int read_pickle(const struct mlo_source *src, struct mlo_checkpoint *cp, struct mlo_err *err)
{
    struct mlo_checkpoint scan;
    struct mlo_err scan_err = MLO_ERR_INIT;
    must(mlo_pickle_scan(src, &scan, &scan_err) == 0);
    int rc = mlo_pickle_read(src, "", cp, err);
    if (rc == 0 && scan.format == MLO_FMT_PICKLE)
        must(scan.verdict >= cp->verdict);
    mlo_checkpoint_release(&scan);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    return fuzz_reader(data, n, read_pickle);
}

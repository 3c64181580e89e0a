/* Any bytes through the one door: sniffing, and whichever reader it leads to. Both must agree on what the
 * file is. */
#include "checkpoint_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct mlo_mem mem = {data};
    struct mlo_source src = mlo_source_mem(&mem, n);
    struct mlo_checkpoint cp;
    struct mlo_err err = MLO_ERR_INIT;
    enum mlo_format format = MLO_FMT_UNKNOWN;
    int sniffed = mlo_checkpoint_sniff(&src, &format, &err);
    int rc = mlo_checkpoint_read(&src, &cp, &err);
    must(sniffed == 0 || sniffed == MLO_EINVALID);
    must(rc == 0 || (rc == MLO_EINVALID && err.msg[0]));
    must(sniffed != 0 || cp.format == format);
    must(rc != 0 || sniffed == 0);
    if (rc == 0)
        fuzz_checkpoint(&src, &cp);
    mlo_checkpoint_release(&cp);
    return 0;
}

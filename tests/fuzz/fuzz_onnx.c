/* The ONNX reader on any bytes. */
#include "checkpoint_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    return fuzz_reader(data, n, mlo_onnx_read);
}

/* JSON Lines on any bytes. */
#include "table_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    return fuzz_table(data, n, "jsonl");
}

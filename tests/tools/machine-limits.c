/* What one core of this machine can do at most, in one line, or with --json as it is kept. Benchmarks say
 * what share of it they reach. */
#include <stdio.h>
#include <string.h>

#include <mlopsctl/bench.h>

int main(int argc, char **argv)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_limits l = {0};
    MLO_AUTOSTR struct mlo_str json;
    mlo_str_init(&json, MLO_STR_MAX);
    int rc = mlo_calibrate(NULL, &l, &err);
    if (rc == 0)
        rc = mlo_limits_write(&l, &json, &err);
    if (rc != 0) {
        fprintf(stderr, "machine-limits: %s\n", err.msg);
        return 1;
    }
    if (argc > 1 && strcmp(argv[1], "--json") == 0)
        puts(json.ptr);
    else
        printf("%.1f GFLOP/s, %.0f GB/s of %zu KiB, %.0f GB/s of %zu KiB, %.1f GB/s of memory, "
               "%.1f GOP/s of bytes\n",
               1e-9 * l.f32, 1e-9 * l.read[MLO_LEVEL_L1], l.bytes[MLO_LEVEL_L1] >> 11,
               1e-9 * l.read[MLO_LEVEL_L2], l.bytes[MLO_LEVEL_L2] >> 11, 1e-9 * l.read[MLO_LEVEL_MEMORY],
               1e-9 * l.int8);
    return 0;
}

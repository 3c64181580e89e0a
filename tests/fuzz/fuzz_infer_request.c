/* Requests of the inference protocol as inputs: a value for each, as many as its shape says, or a refusal
 * with a reason. */
#include <stdint.h>
#include <stdlib.h>

#include <mlopsctl/base/json.h>
#include <mlopsctl/bench.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static volatile uint8_t seen;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct mlo_port_type ports[] = {
        {.name = "f", .dtype = MLO_DT_F32},  {.name = "h", .dtype = MLO_DT_F16},
        {.name = "i", .dtype = MLO_DT_I64},  {.name = "u", .dtype = MLO_DT_U8},
        {.name = "b", .dtype = MLO_DT_BOOL}, {.name = "t", .dtype = MLO_DT_STRING}};
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_inputs *in = NULL;
    struct mlo_jpull j;
    size_t first = n ? data[0] % MLO_COUNT(ports) : 0; /* the first byte says which inputs there are */
    mlo_jpull_init(&j, (const char *)data + (n > 0), n - (n > 0));
    if (mlo_infer_request_read(&j, ports + first, MLO_COUNT(ports) - first, &in, &err) != 0) {
        if (err.code == 0 || !err.msg[0] || in)
            __builtin_trap();
        return 0;
    }
    for (size_t i = 0; i < MLO_COUNT(ports) - first; i++) {
        const struct mlo_array *a = &mlo_inputs_values(in)[i].array;
        size_t width = a->dtype == MLO_DT_STRING ? sizeof(struct mlo_slice) : mlo_dtype_bits(a->dtype) / 8;
        for (size_t k = 0; k < a->n * width; k++)
            seen ^= ((const uint8_t *)a->data)[k];
    }
    mlo_inputs_free(in);
    return 0;
}

/*
 * Golden samples of a bundle, and arrays in cells. Whatever is in the bytes, reading them ends with a value
 * or a refusal; what is read has as many elements as its shape says.
 */
#include <stdint.h>
#include <string.h>

#include <mlopsctl/predict.h>

#include "../../src/predict/nested.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static volatile uint8_t seen;

static void touch(const struct mlo_sample *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t bytes = 0;
        const struct mlo_array *a = &list[i].array;
        if (a->n > MLO_SAMPLES_ELEMENTS || !mlo_array_bytes(a->dtype, a->n, &bytes))
            __builtin_trap();
        for (size_t k = 0; k < bytes; k++)
            seen ^= ((const uint8_t *)a->data)[k];
        for (size_t k = 0; a->dtype == MLO_DT_STRING && k < a->n; k++)
            seen ^= (uint8_t)strnlen(((const struct mlo_slice *)a->data)[k].ptr, 1);
    }
}

static void read_samples(const char *text, size_t n)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_samples s = {0};
    MLO_AUTOJSON cJSON *doc = NULL;
    if (mlo_json_parse(text, n, (size_t)1 << 20, &doc, &err) != 0 || mlo_samples_read(doc, &s, &err) != 0) {
        if (err.code == 0 || !err.msg[0])
            __builtin_trap();
        return;
    }
    touch(s.in, s.n_in);
    touch(s.out, s.n_out);
    mlo_samples_release(&s);
}

static void read_cell(const char *text, size_t n)
{
    static const struct mlo_dim dims[] = {{-1, NULL}, {-1, NULL}, {-1, NULL}};
    const struct mlo_port_type p = {
        .name = "x", .kind = MLO_KIND_ARRAY, .dtype = MLO_DT_F32, .has_shape = true, .rank = 3, .dims = dims};
    const struct mlo_slice cell = {text, n};
    struct mlo_array a = {.dtype = MLO_DT_F32};
    struct mlo_err err = MLO_ERR_INIT;
    if (mlo_nested_shape(cell, &p, &a, &err) != 0)
        return;
    a.data = malloc(mlo_nested_width(&a) * sizeof(float) + 1);
    if (a.data && mlo_nested_put(cell, &a, 0, &err) != 0 && err.code == 0)
        __builtin_trap();
    free(a.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    read_samples((const char *)data, n);
    read_cell((const char *)data, n);
    return 0;
}

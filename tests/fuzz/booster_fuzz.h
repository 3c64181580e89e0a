/* A booster out of any bytes: made a plan, and run on rows of zeros, large numbers and missing ones. */
#ifndef TESTS_FUZZ_BOOSTER_FUZZ_H
#define TESTS_FUZZ_BOOSTER_FUZZ_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/infer.h>

#define FUZZ_ROWS  3
#define FUZZ_CELLS ((size_t)1 << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static inline void fuzz_fill(const struct mlo_array *a)
{
    static const double rows[FUZZ_ROWS] = {0, 1e9, NAN};
    for (size_t i = 0; i < a->n; i++) {
        double v = rows[i * FUZZ_ROWS / a->n];
        if (a->dtype == MLO_DT_F32)
            ((float *)a->data)[i] = (float)v;
        else
            ((double *)a->data)[i] = v;
    }
}

static inline void fuzz_run(const struct mlo_plan *p)
{
    struct mlo_session *s = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    const struct mlo_value *out;
    size_t n;
    const struct mlo_port_type *port = mlo_plan_inputs(p, &n);
    size_t width = (size_t)port->dims[1].size;
    struct mlo_array a = {
        .dtype = port->dtype, .rank = 2, .dims = {FUZZ_ROWS, (int64_t)width}, .n = FUZZ_ROWS * width};
    a.data = width <= FUZZ_CELLS ? calloc(a.n + 1, sizeof(double)) : NULL;
    if (a.data && mlo_session_new(p, &s, &err) == 0) {
        fuzz_fill(&a);
        (void)!mlo_session_run(s, &(struct mlo_value){.kind = MLO_KIND_ARRAY, .array = a}, 1, &out, &err);
    }
    mlo_session_free(s);
    free(a.data);
}

/* Takes the booster. */
static inline int fuzz_booster(struct mlo_booster *b)
{
    struct mlo_onnx_model *m = NULL;
    struct mlo_plan *p = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    if (mlo_booster_model(b, &m, &err) == 0 && mlo_plan_new(m, NULL, &p, &err) == 0)
        fuzz_run(p);
    mlo_plan_free(p);
    return 0;
}

#endif

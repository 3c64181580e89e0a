/*
 * gpu-kit [FOLDER]: computes every case of tests/unit/gpu_cases.h on the GPU, by the plugin in FOLDER (else
 * beside this program), and compares with the CPU. TAP. Exit: 0 all is well, 1 something differs, 7 no GPU
 * can be used.
 */
#include <libgen.h>
#include <time.h>
#include <unistd.h>

#include "../unit/gpu_cases.h"

#define RUNS 20 /* timed, of each case */

static double microseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

/* A step as a program: its first buffer is put in each time, the last comes out, the others are weights. */
struct single {
    struct mlo_device_buffer buffers[MLO_DEVICE_STEP_BUFFERS];
    struct mlo_device_weight weights[MLO_DEVICE_STEP_BUFFERS];
    struct mlo_device_step step;
    struct mlo_device_program program;
    uint32_t n_weights;
};

static void single_new(const struct gpu_data *d, struct single *s)
{
    *s = (struct single){.step = d->step};
    s->program = (struct mlo_device_program){s->buffers, &s->step, 0, 1, 0};
    for (unsigned i = 0; i < d->n_buffers; i++) {
        if (!d->buffer[i])
            continue;
        struct mlo_device_buffer *b = &s->buffers[s->program.n_buffers];
        uint32_t role = s->program.n_buffers == 0                                ? MLO_DEVICE_INPUT
                        : i + 1 == d->n_buffers                                  ? MLO_DEVICE_OUTPUT
                        : program_is_written(program_ops[d->step.op].buffers[i]) ? MLO_DEVICE_TEMPORARY
                                                                                 : MLO_DEVICE_WEIGHT;
        *b = (struct mlo_device_buffer){role, gpu_stored_type(d, i), d->n[i], s->n_weights};
        s->step.buffer[i] = s->program.n_buffers++;
        if (role == MLO_DEVICE_WEIGHT)
            s->weights[s->n_weights++] = (struct mlo_device_weight){b->type, b->n, d->stored[i]};
    }
}

static int run_timed(const struct mlo_device_api *api, struct mlo_device_run *run, const struct gpu_data *d,
                     void *y, double *ret_us, char *reason)
{
    unsigned first = d->buffer[0] ? 0 : 1; /* the first that is not missing is put in */
    const struct mlo_device_in in = {d->stored[first], d->n[first]};
    const struct mlo_device_out out = {y, d->n[d->n_buffers - 1]};
    int rc = MLO_DEVICE_OK;
    for (int i = 0; i < RUNS && rc == MLO_DEVICE_OK; i++) {
        double from = microseconds();
        rc = api->program_run(run, &in, &out, reason);
        double us = microseconds() - from;
        *ret_us = i == 0 || us < *ret_us ? us : *ret_us;
    }
    return rc;
}

static int run_single(const struct mlo_device_api *api, const struct gpu_data *d, void *y, double *ret_us,
                      char *reason)
{
    struct single s;
    struct mlo_device_weights *weights = NULL;
    struct mlo_device_run *run = NULL;
    single_new(d, &s);
    int rc = api->weights_new(0, s.weights, s.n_weights, &weights, reason);
    if (rc == MLO_DEVICE_OK)
        rc = api->program_new(&s.program, weights, &run, reason);
    if (rc == MLO_DEVICE_OK)
        rc = run_timed(api, run, d, y, ret_us, reason);
    api->program_free(run);
    api->weights_free(weights);
    return rc;
}

/* Room for doubles serves all types. */
static uint64_t run_case(const struct mlo_device_api *api, const struct gpu_case *c, const struct gpu_data *d,
                         double *ret_worst, double *ret_us, char *reason)
{
    void *y = calloc(d->n[d->n_buffers - 1], sizeof(double));
    int rc = y ? run_single(api, d, y, ret_us, reason) : MLO_DEVICE_FAILED;
    float *got = rc == MLO_DEVICE_OK ? gpu_widened(d, y) : NULL;
    uint64_t wrong = got ? gpu_data_wrong(c, d, got, ret_worst) : UINT64_MAX;
    free(got);
    free(y);
    return wrong;
}

static bool try_case(const struct mlo_device_api *api, const struct gpu_case *c, const struct gpu_type *type,
                     unsigned number)
{
    struct gpu_data d;
    char reason[MLO_DEVICE_REASON] = "";
    double worst = 0, us = 0;
    gpu_data_new(c, type, &d);
    uint64_t wrong = run_case(api, c, &d, &worst, &us, reason);
    printf("%sok %u - %s, %s, %s: ", wrong ? "not " : "", number, program_ops[c->op].name, c->name,
           type->name);
    if (wrong != UINT64_MAX)
        printf("%llu wrong, worst error %.3g (%.0e + %.0e |y|), %.1f us with copies\n",
               (unsigned long long)wrong, worst, c->atol + type->tolerance, c->rtol + type->tolerance, us);
    else
        printf("%s\n", reason);
    gpu_data_free(&d);
    return wrong == 0;
}

/* major: of the compute capability. */
static int try_all(const struct mlo_device_api *api, uint32_t major)
{
    unsigned n = 0, failed = 0;
    char products[MLO_DEVICE_REASON] = "";
    api->products(products);
    printf("# products of many rows: %s\n", products);
    if (major < MLO_DEVICE_E4M3_MAJOR)
        printf("# floats of 8 bits are left out: they need compute capability %u.0\n", MLO_DEVICE_E4M3_MAJOR);
    for (unsigned i = 0; i < sizeof gpu_cases / sizeof *gpu_cases; i++)
        for (unsigned t = 0; t < GPU_TYPES; t++)
            if (gpu_case_has(&gpu_cases[i], &gpu_types[t]) &&
                (gpu_cases[i].bytes != MLO_DEVICE_E4M3 || major >= MLO_DEVICE_E4M3_MAJOR))
                failed += !try_case(api, &gpu_cases[i], &gpu_types[t], ++n);
    printf("1..%u\n# %u of %u differ\n", n, failed, n);
    return failed ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct mlo_device_probe p;
    struct mlo_err err = MLO_ERR_INIT;
    char self[4096] = "";
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    const char *folder = argc > 1 ? argv[1] : n > 0 ? dirname(self) : ".";
    mlo_device_find(&folder, 1, &p);
    if (mlo_device_need(&p, &err) != 0) {
        fprintf(stderr, "gpu-kit: %s\n", err.msg);
        return 7;
    }
    printf("# %s, %s, compute capability %u.%u\n", p.driver.detail, p.devices[0].name, p.devices[0].major,
           p.devices[0].minor);
    return try_all(p.api, p.devices[0].major);
}

/* Models of XGBoost and LightGBM: scores are the trainers' own bits (tests/golden/boosters/make-cases.py). */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/infer.h>

#include "tap.h"

#define CASES      "tests/golden/boosters/cases"
#define CASES_MIN  60
#define ROUNDS_MIN 14

/* ---- the rows of a case ---- */

struct rows {
    size_t n, features, outputs, results;
    double *numbers; /* of each row features, scores, predictions */
};

static bool read_line(FILE *f, size_t n, double *ret)
{
    for (size_t i = 0; i < n; i++)
        if (fscanf(f, "%lf", &ret[i]) != 1)
            return false;
    return true;
}

static bool read_rows(const char *path, struct rows *r)
{
    size_t cap = 0;
    FILE *f = fopen(path, "r");
    *r = (struct rows){0};
    if (!f || fscanf(f, "%zu %zu %zu", &r->features, &r->outputs, &r->results) != 3)
        return f && fclose(f) && false;
    size_t width = r->features + r->outputs + r->results;
    for (;; r->n++) {
        if (r->n == cap) {
            cap = cap ? 2 * cap : 64;
            r->numbers = realloc(r->numbers, cap * width * sizeof(double));
        }
        if (!r->numbers || !read_line(f, width, r->numbers + r->n * width))
            break;
    }
    fclose(f);
    return r->n > 0;
}

static const double *part(const struct rows *r, size_t row, size_t from)
{
    return r->numbers + row * (r->features + r->outputs + r->results) + from;
}

/* ---- running ---- */

static double number(const struct mlo_array *a, size_t i)
{
    return a->dtype == MLO_DT_F32   ? (double)((const float *)a->data)[i]
           : a->dtype == MLO_DT_F64 ? ((const double *)a->data)[i]
                                    : (double)((const int64_t *)a->data)[i];
}

static void *inputs(const struct rows *r, enum mlo_dtype t)
{
    double *wide = calloc(r->n * r->features + 1, sizeof *wide);
    float *narrow = (float *)wide;
    for (size_t i = 0; i < r->n && wide; i++)
        for (size_t k = 0; k < r->features; k++)
            if (t == MLO_DT_F64)
                wide[i * r->features + k] = part(r, i, 0)[k];
            else
                narrow[i * r->features + k] = (float)part(r, i, 0)[k];
    return wide;
}

static bool same_bits(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* exp of this machine, in floats or doubles. */
static bool close_to(double a, double b, bool wide)
{
    double tolerance = (wide ? 0x1p-50 : 0x1p-21) * fabs(b);
    return same_bits(a, b) || fabs(a - b) <= tolerance + (wide ? 1e-300 : 1e-37);
}

/* What is to be compared with the trainer's prediction k. */
static double result(const struct mlo_value *out, size_t n_out, const struct rows *r, size_t row, size_t k)
{
    if (n_out < 3)
        return number(&out[0].array, row * r->results + k);
    if (r->results == 1 && r->outputs == 1)
        return number(&out[1].array, row * 2 + 1);
    return r->results == 1 ? number(&out[0].array, row) : number(&out[1].array, row * r->results + k);
}

static void compare(const char *name, const struct rows *r, const struct mlo_value *out, size_t n_out)
{
    const struct mlo_array *margin = &out[n_out - 1].array;
    bool wide = margin->dtype == MLO_DT_F64;
    size_t scores = 0, results = 0;
    for (size_t i = 0; i < r->n; i++) {
        for (size_t k = 0; k < r->outputs; k++)
            scores += !same_bits(number(margin, i * r->outputs + k), part(r, i, r->features)[k]);
        for (size_t k = 0; k < r->results; k++)
            results += !close_to(result(out, n_out, r, i, k), part(r, i, r->features + r->outputs)[k], wide);
    }
    check(scores == 0, "%s: %zu scores of %zu rows are others", name, scores, r->n);
    check(results == 0, "%s: %zu predictions of %zu rows are others", name, results, r->n);
}

const struct mlo_device_api *mlo_device_plugin(uint32_t abi);

/* Trees run on a device; linear models and linear leaves do not. */
static int offload(const char *name, struct mlo_plan *p)
{
    const struct mlo_offload_opts on = {.api = mlo_device_plugin(MLO_DEVICE_ABI), .must = true};
    struct mlo_err err = MLO_ERR_INIT;
    int rc = mlo_plan_offload(p, &on, &err);
    check(rc == 0 || (rc == MLO_EUNAVAIL && strstr(err.msg, "linear")), "%s: %s", name, err.msg);
    return rc;
}

static void run_case(const char *name, const char *model, const struct mlo_plan_opts *opts,
                     const struct rows *r, bool on_device)
{
    struct mlo_plan *p = NULL;
    struct mlo_session *s = NULL;
    const struct mlo_value *out;
    struct mlo_err err = MLO_ERR_INIT;
    size_t n_in, n_out;
    if (!check_ok(mlo_plan_open(model, opts, &p, &err), &err))
        return;
    if (on_device && offload(name, p) != 0) {
        mlo_plan_free(p);
        return;
    }
    const struct mlo_port_type *port = mlo_plan_inputs(p, &n_in);
    mlo_plan_outputs(p, &n_out);
    struct mlo_array a = {.dtype = port->dtype,
                          .rank = 2,
                          .dims = {(int64_t)r->n, (int64_t)r->features},
                          .n = r->n * r->features,
                          .data = inputs(r, port->dtype)};
    if (check_ok(mlo_session_new(p, &s, &err), &err) &&
        check_ok(mlo_session_run(s, &(struct mlo_value){.kind = MLO_KIND_ARRAY, .array = a}, 1, &out, &err),
                 &err))
        compare(name, r, out, n_out);
    mlo_session_free(s);
    mlo_plan_free(p);
    free(a.data);
}

static void every_case_gives_what_the_trainer_gives(void)
{
    const char *folder = getenv("BOOSTER_CASES") ? getenv("BOOSTER_CASES") : CASES;
    DIR *d = opendir(folder);
    int n = 0;
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        char model[4096], rows[4096];
        const char *dot = strrchr(e->d_name, '.');
        struct rows r;
        if (!dot || e->d_name[0] == '.' || strcmp(dot, ".rows") == 0)
            continue;
        snprintf(model, sizeof model, "%s/%s", folder, e->d_name);
        snprintf(rows, sizeof rows, "%s/%.*s.rows", folder, (int)(dot - e->d_name), e->d_name);
        if (check(read_rows(rows, &r), "%s", rows))
            for (int on_device = 0; on_device < 2; on_device++)
                run_case(e->d_name, model, NULL, &r, on_device);
        free(r.numbers);
        n++;
    }
    if (d)
        closedir(d);
    check(n >= CASES_MIN, "%d cases", n);
}

/* NAME.FIRST-END.rows, whatever form the model NAME has. */
static bool find_rounds(const char *rows, char model[4096], struct mlo_booster_opts *ret)
{
    static const char *const forms[] = {"json", "ubj", "txt"};
    const char *dot = strchr(rows, '.');
    unsigned long long first, end;
    if (!dot || sscanf(dot, ".%llu-%llu.rows", &first, &end) != 2)
        return false;
    *ret = (struct mlo_booster_opts){.ranged = true, .first = first, .end = end};
    for (size_t i = 0; i < MLO_COUNT(forms); i++) {
        snprintf(model, 4096, CASES "/%.*s.%s", (int)(dot - rows), rows, forms[i]);
        if (access(model, R_OK) == 0)
            return true;
    }
    return false;
}

static void some_rounds_give_what_the_trainer_gives(void)
{
    DIR *d = opendir(CASES);
    int n = 0;
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        char model[4096], rows[4096];
        struct mlo_plan_opts o = {0};
        struct rows r;
        if (!find_rounds(e->d_name, model, &o.booster))
            continue;
        snprintf(rows, sizeof rows, CASES "/%s", e->d_name);
        if (check(read_rows(rows, &r), "%s", rows))
            run_case(e->d_name, model, &o, &r, false);
        free(r.numbers);
        n++;
    }
    if (d)
        closedir(d);
    check(n >= ROUNDS_MIN, "%d cases", n);
}

int main(void)
{
    run(some_rounds_give_what_the_trainer_gives);
    run(every_case_gives_what_the_trainer_gives);
    return done_testing();
}

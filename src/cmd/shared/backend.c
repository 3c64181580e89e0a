/* See backend.h. */
#include "backend.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/io.h>

/* ---- algorithms of products, in the user's cache ---- */

/* False: there is no library, or nowhere to keep them. */
static bool algorithms_path(const struct mlo_backend *b, char of[MLO_DEVICE_REASON], char **ret)
{
    char reason[MLO_DEVICE_REASON], name[MLO_ALGORITHMS_FILE];
    struct mlo_err ignored = MLO_ERR_INIT;
    if (!b->probe.api || b->probe.api->algorithms_of(0, of, reason) != MLO_DEVICE_OK)
        return false;
    mlo_algorithms_file(of, name);
    return mlo_user_cache(b->ctx->env, name, ret, &ignored) == 0 && *ret;
}

/* What cannot be used is measured again. */
static void take_algorithms(struct mlo_backend *b)
{
    char of[MLO_DEVICE_REASON] = "";
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOFREE struct mlo_device_algorithm *list = NULL;
    MLO_AUTOFREE char *path = NULL, *text = NULL;
    size_t n = 0;
    if (!algorithms_path(b, of, &path))
        return;
    int rc = mlo_slurp_at(AT_FDCWD, path, MLO_ALGORITHMS_BYTES, &text, &n, &err);
    if (rc == 0)
        rc = mlo_algorithms_read(text, n, of, &list, &b->n_algorithms, &err);
    else if (rc == MLO_ENOTFOUND)
        return;
    if (rc == 0)
        b->probe.api->algorithms_put(0, list, b->n_algorithms);
    else
        mlo_note(b->ctx, "what is known of the GPU's products is not used: %s", err.msg);
}

static int write_algorithms(const struct mlo_backend *b, const char *of, char *path, struct mlo_err *err)
{
    MLO_AUTOFREE struct mlo_device_algorithm *list = mlo_calloc(MLO_DEVICE_ALGORITHMS_MAX, sizeof *list, err);
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_ALGORITHMS_BYTES);
    if (!list)
        return err->code;
    uint32_t n = b->probe.api->algorithms_get(0, list, MLO_DEVICE_ALGORITHMS_MAX);
    char *slash = strrchr(path, '/');
    int rc = mlo_algorithms_write(of, list, n < MLO_DEVICE_ALGORITHMS_MAX ? n : MLO_DEVICE_ALGORITHMS_MAX,
                                  &text, err);
    *slash = '\0';
    if (rc == 0)
        rc = mlo_mkdirs_at(AT_FDCWD, path, 0700, err);
    *slash = '/';
    return rc == 0 ? mlo_write_file_at(AT_FDCWD, path, text.ptr, text.len, 0600, err) : rc;
}

/* Those that were found beside the kept ones. */
static void keep_algorithms(const struct mlo_backend *b)
{
    char of[MLO_DEVICE_REASON] = "";
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_device_algorithm none;
    MLO_AUTOFREE char *path = NULL;
    if (b->probe.api && b->probe.api->algorithms_get(0, &none, 0) > b->n_algorithms &&
        algorithms_path(b, of, &path) && write_algorithms(b, of, path, &err) != 0)
        mlo_warn(b->ctx, "what was found out about the GPU's products is not kept: %s", err.msg);
}

static int read_precision(const char *word, struct mlo_backend *b, struct mlo_err *err)
{
    static const char *const names[] = {
        [MLO_OFFLOAD_F32] = "fp32",  [MLO_OFFLOAD_TF32] = "tf32", [MLO_OFFLOAD_F16] = "fp16",
        [MLO_OFFLOAD_BF16] = "bf16", [MLO_OFFLOAD_INT8] = "int8", [MLO_OFFLOAD_FP8] = "fp8"};
    for (size_t i = 0; i < MLO_COUNT(names); i++)
        if (strcmp(names[i], word) == 0) {
            b->precision = (enum mlo_offload_precision)i;
            if (b->wanted || i == MLO_OFFLOAD_F32)
                return 0;
        }
    mlo_fail(err, MLO_EUNAVAIL, "the %s computes in what the model is written in, not in %s when asked",
             b->wanted ? "GPU" : "CPU", word);
    return mlo_hint(err,
                    "--precision fp32 is possible here; a model that was quantised to int8 runs in int8");
}

static void leave_it(struct mlo_backend *b, const char *why)
{
    snprintf(b->why, sizeof b->why, "%s", why);
    mlo_note(b->ctx, "the CPU computes: %s", why);
}

int mlo_backend_find(struct mlo_ctx *ctx, const char *word, const char *precision, struct mlo_backend *ret,
                     struct mlo_err *err)
{
    *ret = (struct mlo_backend){.ctx = ctx};
    ret->wanted = word && strcmp(word, "cpu") != 0;
    ret->must = ret->wanted && strcmp(word, "auto") != 0;
    int rc = precision ? read_precision(precision, ret, err) : 0;
    if (!ret->wanted || rc != 0)
        return rc;
    rc = mlo_devices_find(ctx, &ret->probe, err);
    if (rc == 0 && ret->must)
        rc = mlo_device_need(&ret->probe, err);
    if (rc == 0 && !ret->probe.api)
        leave_it(ret, ret->probe.reason);
    if (rc == 0)
        take_algorithms(ret);
    return rc;
}

int mlo_backend_take(struct mlo_backend *b, struct mlo_plan *plan, struct mlo_err *err)
{
    struct mlo_err why = MLO_ERR_INIT;
    if (!b->wanted || !b->probe.api)
        return 0;
    const struct mlo_offload_opts o = {.api = b->probe.api, .must = b->must, .precision = b->precision};
    int rc = mlo_plan_offload(plan, &o, &why);
    if (rc == 0 || (rc == MLO_EUNAVAIL && !b->must)) {
        if (rc != 0)
            leave_it(b, why.msg);
        return 0;
    }
    *err = why;
    if (rc != MLO_EUNAVAIL)
        return rc;
    mlo_wrap(err, "the GPU cannot run this model");
    return mlo_hint(err, "--backend auto takes the CPU instead");
}

const char *mlo_backend_name(const struct mlo_backend *b, const struct mlo_plan *plan)
{
    struct mlo_offload_state s;
    return mlo_plan_offloaded(plan, &s) ? b->probe.devices[0].name : "cpu";
}

void mlo_backend_why(const struct mlo_backend *b, const struct mlo_plan *plan, char ret[MLO_BACKEND_WHY])
{
    struct mlo_offload_state s = {0};
    (void)mlo_plan_offloaded(plan, &s);
    snprintf(ret, MLO_BACKEND_WHY, "%s", *b->why ? b->why : s.why);
}

void mlo_backend_put_why(const struct mlo_backend *b, const struct mlo_plan *plan, const char *key)
{
    char why[MLO_BACKEND_WHY];
    mlo_backend_why(b, plan, why);
    if (b->wanted)
        mlo_report_json(b->ctx->report, key, *why ? cJSON_CreateString(why) : cJSON_CreateNull());
}

static void tell_crossover(const struct mlo_backend *b, const struct mlo_offload_state *s,
                           const struct mlo_crossover *c, const char *of)
{
    size_t from = mlo_crossover_from(c);
    if (c->n && from)
        mlo_note(b->ctx, "the GPU is faster from %zu %s on; it computed %llu of %llu runs", from, of,
                 (unsigned long long)s->runs, (unsigned long long)(s->runs + s->cpu_runs + s->chosen));
    else if (c->n)
        mlo_note(b->ctx, "the CPU is faster: up to %zu %s were tried", c->sizes[c->n - 1].rows, of);
}

void mlo_backend_tell(const struct mlo_backend *b, const struct mlo_plan *plan)
{
    struct mlo_offload_state s;
    if (!plan || !mlo_plan_offloaded(plan, &s))
        return;
    keep_algorithms(b);
    if (*s.why)
        mlo_warn(b->ctx, "the CPU computed %llu of %llu runs: %s",
                 (unsigned long long)(s.cpu_runs + s.chosen),
                 (unsigned long long)(s.runs + s.cpu_runs + s.chosen), s.why);
    tell_crossover(b, &s, &s.crossover, "rows");
    tell_crossover(b, &s, &s.packed, "tokens");
}

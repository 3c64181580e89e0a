/* What the options of bench mean. */
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/secret.h>
#include <mlopsctl/base/thread.h>

#include "bench.h"

static int read_batches(struct mlo_bench *b, struct mlo_err *err)
{
    const char *text = b->args->batch ? b->args->batch : "1", *at = text;
    for (;;) {
        char *end;
        unsigned long long v = strtoull(at, &end, 10);
        if (end == at || (*end && *end != ',') || v == 0 || v > MLO_BENCH_BATCH_MAX ||
            b->n_batches == MLO_BENCH_BATCHES)
            return mlo_fail(err, MLO_EUSAGE, "--batch '%s' is no list of up to %d numbers from 1 to %d", text,
                            MLO_BENCH_BATCHES, MLO_BENCH_BATCH_MAX);
        b->batches[b->n_batches++] = (size_t)v;
        if (!*end)
            return 0;
        at = end + 1;
    }
}

int mlo_bench_dims(const struct mlo_strings *words, struct mlo_dim_value *ret, struct mlo_err *err)
{
    for (size_t i = 0; i < words->n; i++) {
        char *equals = strchr(words->items[i], '='), *end;
        long long v = equals ? strtoll(equals + 1, &end, 10) : 0;
        if (!equals || equals == words->items[i] || *end || v < 1)
            return mlo_fail(err, MLO_EUSAGE, "--dim '%s' is not NAME=N", words->items[i]);
        *equals = '\0';
        ret[i] = (struct mlo_dim_value){words->items[i], v};
    }
    return 0;
}

static int read_dims(struct mlo_bench *b, struct mlo_err *err)
{
    size_t n = b->args->dims.n;
    b->dims = mlo_calloc(n + 1, sizeof *b->dims, err);
    b->inputs = (struct mlo_inputs_opts){.dims = b->dims, .n_dims = n, .seed = b->args->seed};
    return b->dims ? mlo_bench_dims(&b->args->dims, b->dims, err) : err->code;
}

static bool stop(void *ctx)
{
    (void)ctx;
    return mlo_interrupted();
}

static const char *scenario_of(const struct mlo_bench_args *o)
{
    return o->scenario ? o->scenario : o->rate > 0 ? "server" : o->callers > 1 ? "multi" : "single";
}

static int read_load(struct mlo_bench *b, struct mlo_err *err)
{
    const struct mlo_bench_args *o = b->args;
    const char *scenario = scenario_of(o);
    bool is_server = strcmp(scenario, "server") == 0, is_single = strcmp(scenario, "single") == 0;
    if (is_server && !(o->rate > 0))
        return mlo_fail(err, MLO_EUSAGE, "scenario server needs --rate: how many requests come in a second");
    if (!is_server && o->rate > 0)
        return mlo_fail(err, MLO_EUSAGE, "--rate is of scenario server, not of %s", scenario);
    if (o->threads && (o->target || o->wrap))
        return mlo_fail(err, MLO_EUSAGE,
                        "--threads is of our engine here: it does not go with --target or --wrap");
    if (is_single && o->callers > 1)
        return mlo_fail(err, MLO_EUSAGE, "scenario single has one caller");
    unsigned callers = o->callers ? (unsigned)o->callers : is_single ? 1u : mlo_cpu_count();
    b->load = (struct mlo_load){.callers = callers, .rate = o->rate, .seed = o->seed, .stop = stop};
    return 0;
}

int mlo_bench_load_text(const struct mlo_bench *b, char **ret, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    const char *engine = b->backend.probe.n_devices ? "engine on a GPU" : "engine";
    const char *what = b->args->target;
    const char *to = !what ? engine : *what == 'c' ? "command" : *what == 'i' ? "image" : "url";
    mlo_str_init(&text, MLO_STR_MAX);
    mlo_str_add(&text, scenario_of(b->args));
    if (b->load.rate > 0)
        mlo_str_addf(&text, " %g/s", b->load.rate);
    mlo_str_addf(&text, ", callers %u, ", b->load.callers);
    if (b->args->threads > 1)
        mlo_str_addf(&text, "%u threads each, ", (unsigned)b->args->threads);
    mlo_str_add(&text, b->args->wrap ? "in " : to);
    if (b->args->wrap)
        mlo_redact(&text, b->args->wrap, strlen(b->args->wrap));
    int rc = mlo_str_check(&text, err);
    if (rc == 0)
        *ret = mlo_str_detach(&text, NULL);
    return rc;
}

int mlo_bench_options(struct mlo_bench *b, struct mlo_err *err)
{
    if (b->args->tolerance < 0 || b->args->tolerance > 10)
        return mlo_fail(err, MLO_EUSAGE, "--tolerance %g is not between 0 and 10", b->args->tolerance);
    if (b->args->no_record && b->args->save_baseline && !mlo_bench_is_file(b->args->save_baseline))
        return mlo_fail(err, MLO_EUSAGE,
                        "a baseline is recorded: --save-baseline does not go with --no-record");
    if (b->args->target && !mlo_bench_is_foreign(b->args->target)) {
        mlo_fail(err, MLO_EUSAGE, "--target '%s' is none of command:LINE, image:PATH[:TAG] and a URL",
                 b->args->target);
        return mlo_hint(err, "a URL begins with http:// or https://; a program is command:./program");
    }
    if (b->args->explain && b->args->history)
        return mlo_fail(err, MLO_EUSAGE, "--explain looks into what runs: it does not go with --history");
    if (b->args->calibrate && !b->args->explain)
        return mlo_fail(err, MLO_EUSAGE, "--calibrate goes with --explain");
    if (b->args->wrap && (!*b->args->wrap || b->args->target))
        return mlo_fail(err, MLO_EUSAGE, "%s",
                        *b->args->wrap
                            ? "--wrap puts our own program inside a command: it does not go with --target"
                            : "--wrap names no command");
    if (b->args->precision && b->args->target)
        return mlo_fail(err, MLO_EUSAGE, "--precision is of our engine: a --target has its own");
    int rc = mlo_bench_cost_options(b->args, err);
    if (rc == 0)
        rc = read_batches(b, err);
    if (rc == 0)
        rc = read_dims(b, err);
    return rc == 0 ? read_load(b, err) : rc;
}

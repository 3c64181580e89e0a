/* mlopsctl bench: how fast a model answers, and whether it is slower than it was or than another. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mlopsctl/base/time.h>
#include <mlopsctl/host.h>

#include "bench.h"
#include "cmd/shared/paths.h"

#define NATIVE "native" /* with --wrap: the same without it */

static const struct mlo_opt opts_table[] = {
    {.name = "batch",
     .type = MLO_OPT_STRING,
     .arg = "N[,N...]",
     .help = "rows of one request; as a rule 1",
     .offset = offsetof(struct mlo_bench_args, batch)},
    {.name = "scenario",
     .type = MLO_OPT_CHOICE,
     .arg = "NAME",
     .help = "single: one request after the other; multi and offline: --callers at the same time; server: "
             "requests come by themselves at --rate, timed from when they were due",
     .offset = offsetof(struct mlo_bench_args, scenario),
     .choices = "single|multi|server|offline"},
    {.name = "callers",
     .type = MLO_OPT_U64,
     .arg = "N",
     .help = "requests under way at the same time",
     .offset = offsetof(struct mlo_bench_args, callers),
     .min = 1,
     .max = 1024},
    {.name = "threads",
     .type = MLO_OPT_U64,
     .arg = "N",
     .help =
         "how many our engine may use for the large products of one request, at most those there are; as a "
         "rule 1",
     .offset = offsetof(struct mlo_bench_args, threads),
     .min = 1,
     .max = 1024},
    {.name = "rate",
     .type = MLO_OPT_DOUBLE,
     .arg = "N",
     .help = "requests a second of scenario server",
     .offset = offsetof(struct mlo_bench_args, rate)},
    {.name = "duration",
     .type = MLO_OPT_DURATION,
     .arg = "TIME",
     .help = "how long to measure each batch; as a rule 5s, and 30s at most beside another model",
     .offset = offsetof(struct mlo_bench_args, duration)},
    {.name = "warmup",
     .type = MLO_OPT_DURATION,
     .arg = "TIME",
     .help = "how long to wait for steady times at most; as a rule 5s",
     .offset = offsetof(struct mlo_bench_args, warmup)},
    {.name = "precision",
     .type = MLO_OPT_CHOICE,
     .arg = "TYPE",
     .help = "what our engine computes in; the CPU computes in what the model is written in (fp32 as a rule)",
     .offset = offsetof(struct mlo_bench_args, precision),
     .choices = MLO_PRECISIONS},
    {.name = "dim",
     .type = MLO_OPT_LIST,
     .arg = "NAME=N",
     .help = "size of an open dimension of the model's inputs, as the length of sequences",
     .offset = offsetof(struct mlo_bench_args, dims)},
    {.name = "seed",
     .type = MLO_OPT_U64,
     .arg = "N",
     .help = "for what is drawn at random",
     .offset = offsetof(struct mlo_bench_args, seed)},
    {.name = "target",
     .type = MLO_OPT_STRING,
     .arg = "WHAT",
     .help = "what answers instead of our engine: command:LINE, a program that speaks the line protocol; "
             "image:PATH[:TAG], one in a container image (an OCI layout, a tar of one or a runtime bundle), "
             "run by "
             "runc or crun; or the URL of a server",

     .offset = offsetof(struct mlo_bench_args, target)},
    {.name = "wrap",
     .type = MLO_OPT_STRING,
     .arg = "COMMAND",
     .help =
         "measure inside this command, which runs what follows it: a container runtime, a limiter, a remote "
         "shell; with --against native in turns with the same outside of it",
     .offset = offsetof(struct mlo_bench_args, wrap),
     .flags = MLO_OPTF_COMMAND},
    {.name = "answer",
     .type = MLO_OPT_FLAG,
     .help =
         "measure nothing: be the program that --target command: speaks to, over standard input and output",
     .offset = offsetof(struct mlo_bench_args, answer)},
    {.name = "against",
     .type = MLO_OPT_STRING,
     .arg = "WHAT",
     .help =
         "a baseline, by its name or as a .json file, the number of a run, or another model, which is then "
         "measured in turns with this one",
     .offset = offsetof(struct mlo_bench_args, against)},
    {.name = "tolerance",
     .type = MLO_OPT_DOUBLE,
     .arg = "SHARE",
     .help = "how much slower is no failure yet; as a rule 0.05",
     .offset = offsetof(struct mlo_bench_args, tolerance)},
    {.name = "explain",
     .type = MLO_OPT_FLAG,
     .help = "show how long each step takes, which limit of the machine it runs into, and what removing that "
             "would give",
     .offset = offsetof(struct mlo_bench_args, explain)},
    {.name = "html",
     .type = MLO_OPT_STRING,
     .arg = "FILE",
     .help = "write a report of one file for a browser, too",
     .offset = offsetof(struct mlo_bench_args, html),
     .flags = MLO_OPTF_FILE},
    {.name = "calibrate",
     .type = MLO_OPT_FLAG,
     .help = "measure the machine's limits again for --explain, instead of those kept from the first time",
     .offset = offsetof(struct mlo_bench_args, calibrate)},
    {.name = "save-baseline",
     .type = MLO_OPT_STRING,
     .arg = "NAME",
     .help =
         "keep the result under this name, which a rollback of the run takes back; or as a .json file, to be "
         "taken along",
     .offset = offsetof(struct mlo_bench_args, save_baseline)},
    {.name = "history",
     .type = MLO_OPT_FLAG,
     .help = "measure nothing: show what earlier runs found for this model, and where it changed",
     .offset = offsetof(struct mlo_bench_args, history)},
    {.name = "cost",
     .type = MLO_OPT_FLAG,
     .help =
         "what a million predictions cost, here and on the GPUs that earlier runs measured, by the prices of "
         "RunPod's catalog",
     .offset = offsetof(struct mlo_bench_args, cost)},
    {.name = "price",
     .type = MLO_OPT_DOUBLE,
     .arg = "USD",
     .help = "with --cost: what an hour of this machine costs",
     .offset = offsetof(struct mlo_bench_args, price)},
    {.name = "goal",
     .type = MLO_OPT_STRING,
     .arg = "NAME=TIME",
     .help = "with --cost: name the cheapest whose latency is at most this: p99=20ms; also p50, p90, p95, "
             "max; exit 1 "
             "when none is",
     .offset = offsetof(struct mlo_bench_args, goal)},
    {.name = "force",
     .type = MLO_OPT_FLAG,
     .help = "compare with a baseline of another model, machine or load, too, and say so",
     .offset = offsetof(struct mlo_bench_args, force)},
    {.name = "no-record",
     .type = MLO_OPT_FLAG,
     .help = "measure without a run in the ledger",
     .offset = offsetof(struct mlo_bench_args, no_record)},
    {.name = "model-file",
     .type = MLO_OPT_STRING,
     .arg = "PATH",
     .help = "which model of a bundle that holds several",
     .offset = offsetof(struct mlo_bench_args, model_file)},
    MLO_BACKEND_OPTION(struct mlo_bench_args),
    {0}};

/* ---- one batch ---- */

static void note_gate(struct mlo_bench *b, const struct mlo_compared *c)
{
    b->compared = true;
    if (c->gate == MLO_GATE_FAIL || (c->gate == MLO_GATE_INCONCLUSIVE && b->gate == MLO_GATE_PASS))
        b->gate = c->gate;
    if (c->noisy)
        b->noisy = c->noisy;
    b->stopped = b->stopped || c->stopped;
}

/* Takes m. */
static int keep_case(struct mlo_bench *b, size_t batch, const struct mlo_bench_side *side,
                     struct mlo_measured *m, struct mlo_err *err)
{
    struct mlo_bench_result *r = &b->result;
    int rc = mlo_grow(&r->cases, &r->cap, r->n + 1, sizeof *r->cases, err);
    if (rc != 0) {
        mlo_measured_release(m);
        return rc;
    }
    mlo_bench_put_row(b, batch, m, mlo_runner_failure(side->runner));
    b->stopped = b->stopped || m->stopped;
    r->cases[r->n++] = (struct mlo_bench_case){batch, *m};
    return 0;
}

/* The other side, for the record. Takes m. */
static int keep_other(struct mlo_bench *b, size_t batch, struct mlo_measured *m, struct mlo_err *err)
{
    struct mlo_bench_result *r = &b->other;
    int rc = mlo_grow(&r->cases, &r->cap, r->n + 1, sizeof *r->cases, err);
    if (rc != 0)
        return rc;
    r->cases[r->n++] = (struct mlo_bench_case){batch, *m};
    *m = (struct mlo_measured){0};
    return 0;
}

/* Warming up is part of the bar's time, and moves it not. */
static void progress_start(struct mlo_bench *b, size_t batch)
{
    char what[64];
    snprintf(what, sizeof what, "measuring batch %zu", batch);
    b->load.progress_ctx = mlo_progress_start_time(b->ctx, what);
    b->load.progress = b->load.progress_ctx ? mlo_progress_adapter : NULL;
}

static void progress_end(struct mlo_bench *b)
{
    mlo_progress_end(b->load.progress_ctx);
    b->load.progress_ctx = NULL;
    b->load.progress = NULL;
}

static int measure_alone(struct mlo_bench *b, const struct mlo_bench_who *who, size_t batch,
                         struct mlo_err *err)
{
    struct mlo_measure_opts how = {(double)b->args->duration / 1e9, (double)b->args->warmup / 1e9, 0};
    struct mlo_bench_side side;
    struct mlo_measured m = {0};
    int rc = mlo_bench_side_open(b, who, batch, &side, err);
    if (rc != 0)
        return rc;
    progress_start(b, batch);
    rc = mlo_measure(side.runner, &b->load, &how, &m, err);
    progress_end(b);
    if (rc == 0 && b->args->explain && !m.stopped)
        rc = mlo_bench_explain(b, who, &side, &m, err);
    if (rc == 0)
        rc = keep_case(b, batch, &side, &m, err);
    else
        mlo_measured_release(&m);
    mlo_bench_side_release(&side);
    return rc;
}

static int measure_beside(struct mlo_bench *b, const struct mlo_bench_who *who,
                          const struct mlo_bench_who *other, size_t batch, struct mlo_compared *ret,
                          struct mlo_err *err)
{
    struct mlo_compare_opts how = {.tolerance = b->args->tolerance,
                                   .seconds = (double)b->args->duration / 1e9,
                                   .warmup = (double)b->args->warmup / 1e9,
                                   .seed = b->args->seed};
    struct mlo_bench_side from = {0}, to = {0};
    int rc = mlo_bench_side_open(b, other, batch, &from, err);
    if (rc == 0)
        rc = mlo_bench_side_open(b, who, batch, &to, err);
    if (rc == 0)
        progress_start(b, batch);
    if (rc == 0)
        rc = mlo_compare(from.runner, to.runner, &b->load, &how, ret, err);
    progress_end(b);
    if (rc == 0 && b->args->explain && !ret->stopped)
        rc = mlo_bench_explain(b, who, &to, &ret->b, err);
    if (rc == 0) {
        rc = keep_case(b, batch, &to, &ret->b, err);
        ret->b = (struct mlo_measured){0};
    }
    if (rc == 0)
        rc = keep_other(b, batch, &ret->a, err);
    mlo_bench_side_release(&from);
    mlo_bench_side_release(&to);
    return rc;
}

static int compare_kept(struct mlo_bench *b, size_t batch, struct mlo_compared *ret, struct mlo_err *err)
{
    struct mlo_compare_opts how = {.tolerance = b->args->tolerance, .seed = b->args->seed};
    const struct mlo_bench_case *now = mlo_bench_result_find(&b->result, batch);
    return mlo_compare_kept(&mlo_bench_result_find(&b->kept, batch)->measured, &now->measured, &how, ret,
                            err);
}

/* ---- all of them ---- */

static int bench_batches(struct mlo_bench *b, const struct mlo_bench_who *who,
                         const struct mlo_bench_who *other, struct mlo_err *err)
{
    struct mlo_compared c[MLO_BENCH_BATCHES] = {0};
    size_t n = 0;
    int rc = 0;
    mlo_bench_put_header(b);
    for (size_t i = 0; rc == 0 && i < b->n_batches && !b->stopped; i++) {
        rc = other ? measure_beside(b, who, other, b->batches[i], &c[i], err)
                   : measure_alone(b, who, b->batches[i], err);
        if (rc == 0 && b->has_kept && !b->stopped)
            rc = compare_kept(b, b->batches[i], &c[i], err);
        b->stopped = b->stopped || c[i].stopped;
        if (rc == 0 && (other ? c[i].pairs > 0 : b->has_kept && !b->stopped))
            note_gate(b, &c[n++]);
    }
    if (rc == 0)
        mlo_bench_put_verdicts(b, c, n);
    if (rc == 0)
        rc = mlo_bench_put_machine(b, err);
    if (rc == 0)
        rc = mlo_bench_put_explained(b, err);
    if (rc == 0 && b->args->html)
        rc = mlo_bench_write_page(b, c, n, err);
    for (size_t i = 0; i < b->n_batches; i++)
        mlo_compared_release(&c[i]);
    return rc;
}

/* mlo_model_open, with what it took. */
static int open_model(struct mlo_bench *b, const char *word, const char *inside, struct mlo_model *ret,
                      struct mlo_bench_loaded *ret_loaded, struct mlo_err *err)
{
    struct mlo_host_memory memory;
    pid_t self = getpid();
    int64_t from = mlo_time_mono();
    mlo_host_memory_reset(&self, 1);
    int rc = mlo_model_open(b->ctx, word, inside, NULL, ret, err);
    if (rc == 0 && !b->args->target && !b->args->wrap && !b->args->history)
        rc = mlo_backend_take(&b->backend, ret->plan, err);
    mlo_host_memory(&self, 1, &memory);
    *ret_loaded = (struct mlo_bench_loaded){(uint64_t)(mlo_time_mono() - from), memory.peak};
    return rc;
}

/* What is wrapped against what is not: a program for each, so that the way there and back is the same. */
static int beside_program(struct mlo_bench *b, const struct mlo_bench_who *who,
                          const struct mlo_bench_who *other, const char *model, struct mlo_err *err)
{
    struct mlo_bench_who them = *other;
    MLO_AUTOFREE char *line = NULL;
    int rc = mlo_bench_line(b, NULL, model, &line, err);
    them.line = line;
    return rc == 0 ? bench_batches(b, who, &them, err) : rc;
}

/* Something that is measured in turns with ours: a program or server with the same inputs, or another model.
 */
static int beside(struct mlo_bench *b, const struct mlo_bench_who *who, struct mlo_err *err)
{
    struct mlo_model other = {0};
    const char *word = b->args->against;
    struct mlo_bench_who them = {.plan = who->plan, .what = word};
    if (mlo_bench_is_foreign(word))
        return bench_batches(b, who, &them, err);
    struct mlo_bench_loaded loaded;
    int rc = open_model(b, word, NULL, &other, &loaded, err);
    if (rc == MLO_ENOTFOUND)
        mlo_hint(err,
                 "'%s' is no baseline of this model either: --save-baseline makes one; a program is "
                 "command:LINE",
                 word);
    them = (struct mlo_bench_who){.plan = other.plan, .loaded = loaded};
    if (rc == 0)
        rc = b->line ? beside_program(b, who, &them, word, err) : bench_batches(b, who, &them, err);
    mlo_model_release(&other);
    return rc;
}

static int against(struct mlo_bench *b, const struct mlo_bench_who *who, struct mlo_err *err)
{
    bool found = false;
    if (b->line && b->args->against && strcmp(b->args->against, NATIVE) == 0)
        return beside_program(b, who, &(struct mlo_bench_who){.plan = who->plan, .digest = b->digest},
                              b->ctx->args[0], err);
    int rc = b->args->against ? mlo_bench_find_kept(b, &found, err) : 0;
    if (rc != 0)
        return rc;
    return b->args->against && !found ? beside(b, who, err) : bench_batches(b, who, NULL, err);
}

static int describe(struct mlo_bench *b, const struct mlo_model *m, struct mlo_err *err)
{
    struct mlo_bench_result *r = &b->result;
    struct mlo_host_cpu cpu;
    char machine[320], digest[MLO_DIGEST_TEXT] = "";
    bool has_gpu = b->backend.wanted && b->backend.probe.n_devices > 0;
    mlo_host_cpu(&cpu);
    snprintf(machine, sizeof machine, "%s, %u CPUs%s%s", cpu.model, cpu.online, has_gpu ? ", " : "",
             has_gpu ? b->backend.probe.devices[0].name : "");
    if (m->file)
        mlo_digest_text(&m->file->digest, digest);
    r->model = mlo_strdup(b->ctx->args[0], err);
    r->digest = r->model ? mlo_strdup(digest, err) : NULL;
    r->machine = r->digest ? mlo_strdup(machine, err) : NULL;
    r->tool = r->machine ? mlo_strdup(MLO_VERSION, err) : NULL;
    r->time_ns = mlo_time_now();
    return r->tool ? mlo_bench_load_text(b, &r->load, err) : err->code;
}

/* What was measured is kept and shown; the process then ends by the signal. */
static int interrupted(struct mlo_bench *b, struct mlo_err *err)
{
    b->ctx->reported = true;
    mlo_fail(err, MLO_EIO, "interrupted: what is shown was measured until then");
    err->sys_errno = EINTR;
    return err->code;
}

static int verdict(struct mlo_bench *b, struct mlo_err *err)
{
    if (b->stopped)
        return interrupted(b, err);
    if (b->gate == MLO_GATE_FAIL)
        return MLO_NO;
    if (b->gate == MLO_GATE_PASS)
        return 0;
    b->ctx->reported = true;
    if (b->noisy)
        return mlo_fail(err, MLO_EUNAVAIL, "no verdict: %s", b->noisy);
    mlo_fail(err, MLO_EUNAVAIL, "no verdict: the measurements do not tell");
    return mlo_hint(err, "the column MORE says how many more blocks would; a longer --duration gives them");
}

static int wrap(struct mlo_bench *b, const struct mlo_model *m, struct mlo_bench_who *who,
                struct mlo_err *err)
{
    int rc = mlo_bench_digest(m, b->ctx->args[0], b->digest, err);
    if (rc == 0)
        rc = mlo_bench_line(b, b->args->wrap, b->ctx->args[0], &b->line, err);
    if (rc == 0)
        rc = mlo_bench_wrap_advice(b, &b->advice, err);
    who->line = b->line;
    who->digest = b->digest;
    return rc;
}

/* Where a container finds the model: its own file, or its blob in the store. */
static int find_model_file(struct mlo_bench *b, const struct mlo_model *m, struct mlo_err *err)
{
    const char *word = m->file ? m->file->path : b->ctx->args[0], *slash = strrchr(word, '/');
    b->model_name = slash ? slash + 1 : word;
    MLO_AUTOCLOSE int fd = -1;
    char link[64], path[PATH_MAX];
    if (!m->file)
        return mlo_path_absolute(word, &b->model_path, err);
    int rc = mlo_store_open_blob(m->ws.store, &m->file->digest, &fd, NULL, err);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = rc == 0 ? readlink(link, path, sizeof path) : -1;
    if (rc == 0 && n < 0)
        return mlo_fail_errno(err, "cannot tell where the model's file is");
    b->model_path = rc == 0 ? mlo_memdup0(path, (size_t)n, err) : NULL;
    return b->model_path ? 0 : err->code;
}

/* Before anything is measured: the folder that the page will be in must be there. */
static int check_page(const char *path, struct mlo_err *err)
{
    MLO_AUTOFREE char *absolute = NULL;
    if (strcmp(path, "-") == 0)
        return 0;
    int rc = mlo_path_absolute(path, &absolute, err);
    struct stat st;
    if (rc == 0 && stat(absolute, &st) == 0 && S_ISDIR(st.st_mode))
        return mlo_fail(err, MLO_EUSAGE, "--html '%s' is a folder", path);
    return rc;
}

static int bench(struct mlo_bench *b, struct mlo_err *err)
{
    struct mlo_model m = {0};
    struct mlo_bench_who who = {.what = b->args->target};
    int rc = mlo_backend_find(b->ctx, b->args->backend, b->args->precision, &b->backend, err);
    if (rc == 0)
        rc = open_model(b, b->ctx->args[0], b->args->model_file, &m, &who.loaded, err);
    who.plan = m.plan;
    if (rc == 0 && b->backend.wanted)
        mlo_report_text(b->ctx->report, "backend", "backend", mlo_backend_name(&b->backend, m.plan));
    if (rc == 0)
        rc = describe(b, &m, err);
    if (rc == 0)
        rc = mlo_bench_check_file(b, err);
    if (rc == 0 && b->args->html)
        rc = check_page(b->args->html, err);
    if (rc == 0 && b->args->explain)
        rc = mlo_bench_limits(b, err);
    if (rc == 0 && b->args->wrap)
        rc = wrap(b, &m, &who, err);
    if (rc == 0)
        rc = find_model_file(b, &m, err);
    bool is_foreign = who.what || who.line || (b->args->against && mlo_bench_is_foreign(b->args->against));
    if (rc == 0 && (is_foreign || (b->backend.wanted && b->backend.probe.n_devices > 0)))
        rc = mlo_bench_gpu_open(b, err);
    if (rc == 0)
        rc = b->args->history ? mlo_bench_history(b, err) : against(b, &who, err);
    if (rc == 0 && b->args->cost && !b->stopped)
        rc = mlo_bench_cost(b, err);
    if (rc == 0) {
        mlo_backend_put_why(&b->backend, m.plan, "backend_reason");
        mlo_backend_tell(&b->backend, m.plan);
    }
    mlo_model_release(&m);
    return rc;
}

/* What the command will end with, when it is done. */
static int exit_of(const struct mlo_bench *b)
{
    int verdict = mlo_bench_verdict(b);
    return verdict != 0 ? verdict : -b->cost;
}

static int bench_unrecorded(struct mlo_bench *b, struct mlo_err *err)
{
    int rc = bench(b, err);
    return rc == 0 && !b->args->history ? mlo_bench_save_file(b, NULL, err) : rc;
}

static int bench_recorded(struct mlo_bench *b, struct mlo_err *err)
{
    struct mlo_workspace ws = {0};
    int rc = mlo_workspace_begin(b->ctx, &ws, 0, err);
    if (rc != 0)
        return rc;
    rc = bench(b, err);
    if (rc == 0)
        rc = mlo_bench_save_file(b, &ws, err);
    if (rc == 0)
        rc = mlo_bench_record(b, &ws, err);
    if (rc == 0)
        mlo_run_exit(ws.run, exit_of(b));
    rc = mlo_workspace_end(&ws, rc, err);
    mlo_workspace_close(&ws);
    return rc;
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct mlo_bench b = {.ctx = ctx, .args = options};
    if (b.args->answer)
        return mlo_bench_answer(ctx, options, err);
    int rc = mlo_bench_options(&b, err);
    mlo_interrupt_arm();
    if (rc == 0)
        rc = b.args->no_record || b.args->history ? bench_unrecorded(&b, err) : bench_recorded(&b, err);
    if (rc == 0)
        rc = verdict(&b, err);
    if (rc == 0 && b.cost != 0) {
        *err = b.cost_err;
        rc = b.cost;
    }
    for (size_t i = 0; i < b.n_explained; i++)
        mlo_explained_release(&b.explained[i]);
    mlo_bench_result_release(&b.result);
    mlo_bench_result_release(&b.kept);
    mlo_bench_result_release(&b.other);
    mlo_gpu_meter_close(b.gpu);
    for (size_t i = 0; i < MLO_COUNT(b.images); i++)
        mlo_container_close(b.images[i].container);
    free(b.model_path);
    free(b.dims);
    free(b.line);
    free(b.advice);
    return rc;
}

static const struct mlo_example examples[] = {
    {"how fast is it", "mlopsctl bench model.onnx --batch 1,8,64"},
    {"keep that as what later runs are held against", "mlopsctl bench model.onnx --save-baseline native"},
    {"is it as fast with less priority as without",
     "mlopsctl bench model.onnx --wrap nice --against native --tolerance 0.5"},
    {"what does it cost, where an hour costs 20 cents", "mlopsctl bench model.onnx --cost --price 0.2"},
    {"what holds it back", "mlopsctl bench model.onnx --explain --html report.html"},
    {0},
};

const struct mlo_command mlo_cmd_bench = {
    .name = "bench",
    .group = "run",
    .summary = "measure how fast a model answers, and hold it against a baseline",
    .synopsis = "MODEL",
    .description =
        "Warms up until times are steady, then measures; percentiles are shown only when enough requests\n"
        "were timed to say them with 99 % confidence. With --against another model both are measured in\n"
        "turns; exit 1: slower by more than the tolerance, 7: the measurements do not tell.",
    .opts = opts_table,
    .opts_size = sizeof(struct mlo_bench_args),
    .args = {.min = 1, .max = 1, .complete = MLO_OPTF_REF | MLO_OPTF_FILE},
    .examples = examples,
    .flags = MLO_CMDF_WRITES,
    .run = run,
};

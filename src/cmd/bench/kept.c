/*
 * Results that stay: each bench is a run with its result as an artifact; a baseline is a name for one, of
 * this model: "credit native".
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

#include "bench.h"
#include "cmd/shared/paths.h"
#include "cmd/undo/undo.h"

#define RESULT_MAX ((size_t)64 << 20)

/* "credit:1.4.0" and "credit@sha256:..." are credit; a file is its path. */
static size_t model_length(const char *model)
{
    const char *slash = strrchr(model, '/');
    return slash || strstr(model, ".onnx") ? strlen(model) : strcspn(model, ":@");
}

static void baseline_name(const char *model, const char *name, char *ret, size_t size)
{
    snprintf(ret, size, "%.*s %s", (int)model_length(model), model, name);
}

/* ---- reading ---- */

static int read_kept(struct mlo_workspace *ws, const struct mlo_digest *d, struct mlo_bench_result *ret,
                     struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    size_t n;
    int rc = mlo_store_read(ws->store, d, RESULT_MAX, &text, &n, err);
    return rc == 0 ? mlo_bench_result_read(text, n, ret, err) : rc;
}

struct found {
    const char *kind;
    struct mlo_digest digest;
    uint64_t size;
    bool yes;
};

static int take_artifact(void *ctx, const char *kind, const struct mlo_digest *d, uint64_t size,
                         struct mlo_err *err)
{
    struct found *f = ctx;
    (void)err;
    if (strcmp(kind, f->kind) == 0)
        *f = (struct found){f->kind, *d, size, true};
    return 0;
}

int mlo_bench_read_run(struct mlo_workspace *ws, int64_t run, const char *kind, struct mlo_bench_result *ret,
                       bool *ret_found, struct mlo_err *err)
{
    struct found f = {.kind = kind};
    int rc = mlo_artifact_each(ws->ledger, run, take_artifact, &f, err);
    if (rc == 0 && f.yes)
        rc = read_kept(ws, &f.digest, ret, err);
    *ret_found = f.yes;
    return rc;
}

static int find_digest(struct mlo_bench *b, struct mlo_workspace *ws, struct found *f, struct mlo_err *err)
{
    const char *word = b->args->against;
    char name[MLO_SHOWN * 2], *end;
    long long run = strtoll(word, &end, 10);
    if (*word && !*end && run > 0)
        return mlo_artifact_each(ws->ledger, run, take_artifact, f, err);
    baseline_name(b->ctx->args[0], word, name, sizeof name);
    int rc = mlo_name_get(ws->ledger, MLO_BENCH_BASELINE, name, &f->digest, err);
    f->yes = rc == 0;
    if (rc == MLO_ENOTFOUND) /* it may be something else */
        *err = MLO_ERR_INIT;
    return rc == MLO_ENOTFOUND ? 0 : rc;
}

static int differs(struct mlo_bench *b, const char *what, const char *then, const char *now,
                   struct mlo_err *err)
{
    if (strcmp(then, now) == 0)
        return 0;
    if (b->args->force) {
        size_t n = strlen(b->forced);
        snprintf(b->forced + n, sizeof b->forced - n, "%s%s", n ? ", " : "", what);
        mlo_warn(b->ctx, "compared although the %s differs: '%s' then, '%s' now", what, then, now);
        return 0;
    }
    mlo_fail(err, MLO_ECONFLICT, "'%s' was measured with another %s: '%s', not '%s'", b->args->against, what,
             then, now);
    return mlo_hint(err, "save a baseline here and now, or --force");
}

bool mlo_bench_same_model(const char *a, const char *b)
{
    size_t n = model_length(a);
    return n == model_length(b) && strncmp(a, b, n) == 0;
}

static int check_kept(struct mlo_bench *b, struct mlo_err *err)
{
    int rc = mlo_bench_same_model(b->kept.model, b->result.model)
                 ? 0
                 : differs(b, "model", b->kept.model, b->result.model, err);
    if (rc == 0)
        rc = differs(b, "machine", b->kept.machine, b->result.machine, err);
    if (rc == 0)
        rc = differs(b, "load", b->kept.load, b->result.load, err);
    for (size_t i = 0; rc == 0 && i < b->kept.n; i++)
        if (b->kept.cases[i].measured.stopped)
            mlo_warn(b->ctx, "'%s' was interrupted: it has %zu blocks of batch %zu", b->args->against,
                     b->kept.cases[i].measured.n_blocks, b->kept.cases[i].batch);
    for (size_t i = 0; rc == 0 && i < b->n_batches; i++)
        if (!mlo_bench_result_find(&b->kept, b->batches[i]))
            rc = mlo_fail(err, MLO_ENOTFOUND, "'%s' has no batch of %zu", b->args->against, b->batches[i]);
    return rc;
}

bool mlo_bench_is_file(const char *baseline)
{
    size_t n = strlen(baseline);
    return n > 5 && strcmp(baseline + n - 5, ".json") == 0;
}

/* A model of XGBoost is such a file, too. */
static bool is_other_json(const char *text, size_t n)
{
    MLO_AUTOJSON cJSON *doc = NULL;
    struct mlo_err why = MLO_ERR_INIT;
    return mlo_json_parse(text, n, RESULT_MAX, &doc, &why) == 0 && !cJSON_GetObjectItem(doc, "cases");
}

static int read_file(struct mlo_bench *b, bool *ret_found, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    size_t n;
    int rc = mlo_slurp_at(AT_FDCWD, b->args->against, RESULT_MAX, &text, &n, err);
    if (rc == MLO_ENOTFOUND)
        return mlo_hint(err, "--save-baseline '%s' makes it", b->args->against);
    if (rc == 0 && is_other_json(text, n))
        return 0;
    if (rc == 0)
        rc = mlo_bench_result_read(text, n, &b->kept, err);
    *ret_found = rc == 0;
    return rc == 0 ? 0 : mlo_wrap(err, "'%s'", b->args->against);
}

static int read_named(struct mlo_bench *b, bool *ret_found, struct mlo_err *err)
{
    struct mlo_workspace ws;
    struct found f = {.kind = MLO_BENCH_RESULT};
    int rc = mlo_workspace_read(b->ctx, &ws, err);
    if (rc != 0)
        return rc;
    if (ws.ledger)
        rc = find_digest(b, &ws, &f, err);
    if (rc == 0 && f.yes)
        rc = read_kept(&ws, &f.digest, &b->kept, err);
    mlo_workspace_close(&ws);
    *ret_found = rc == 0 && f.yes;
    return rc;
}

int mlo_bench_find_kept(struct mlo_bench *b, bool *ret_found, struct mlo_err *err)
{
    bool found = false;
    int rc = mlo_bench_is_file(b->args->against) ? read_file(b, &found, err) : read_named(b, &found, err);
    b->has_kept = found;
    if (rc == 0 && found)
        rc = check_kept(b, err);
    *ret_found = found;
    return rc;
}

/* ---- writing ---- */

static int put_metrics(struct mlo_bench *b, struct mlo_run *run, struct mlo_err *err)
{
    char key[64];
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < b->result.n; i++) {
        const struct mlo_bench_case *c = &b->result.cases[i];
        snprintf(key, sizeof key, "p50_ns batch %zu", c->batch);
        rc = mlo_run_metric(run, key, (double)mlo_times_quantile(&c->measured.times, 0.5), err);
    }
    return rc;
}

int mlo_bench_check_file(const struct mlo_bench *b, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL, *absolute = NULL;
    const char *path = b->args->save_baseline;
    struct mlo_bench_result r = {0};
    struct mlo_err why = MLO_ERR_INIT;
    size_t n;
    if (!path || !mlo_bench_is_file(path) || b->args->force)
        return 0;
    int rc = mlo_slurp_at(AT_FDCWD, path, RESULT_MAX, &text, &n, &why);
    if (rc == MLO_ENOTFOUND) /* the folder it will be in must be there */
        return mlo_path_absolute(path, &absolute, err);
    if (rc == 0)
        rc = mlo_bench_result_read(text, n, &r, &why);
    mlo_bench_result_release(&r);
    if (rc == 0)
        return 0;
    mlo_fail(err, MLO_ECONFLICT, "'%s' is there and not a baseline: %s", path, why.msg);
    return mlo_hint(err, "another name, or --force to replace it");
}

int mlo_bench_save_file(const struct mlo_bench *b, struct mlo_workspace *ws, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    const char *path = b->args->save_baseline;
    mlo_str_init(&text, RESULT_MAX);
    if (b->stopped || !path || !mlo_bench_is_file(path))
        return 0;
    int rc = mlo_bench_result_write(&b->result, &text, err);
    if (rc != 0)
        return rc;
    return ws ? mlo_file_replace(ws, path, text.ptr, text.len, err)
              : mlo_write_file_at(AT_FDCWD, path, text.ptr, text.len, 0644, err);
}

static int put_result(const struct mlo_bench_result *r, const char *kind, struct mlo_workspace *ws,
                      struct mlo_digest *ret, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, RESULT_MAX);
    int rc = mlo_bench_result_write(r, &text, err);
    if (rc == 0)
        rc = mlo_store_put(ws->store, text.ptr, text.len, ret, err);
    return rc == 0 ? mlo_run_artifact(ws->run, kind, ret, text.len, err) : rc;
}

/* What it was held against belongs to the run, too. */
static int put_other(struct mlo_bench *b, struct mlo_workspace *ws, struct mlo_err *err)
{
    struct mlo_digest d;
    struct mlo_bench_result *r = &b->other;
    if (b->has_kept)
        return put_result(&b->kept, MLO_BENCH_AGAINST, ws, &d, err);
    if (r->n == 0)
        return 0;
    r->model = mlo_strdup(b->args->against ? b->args->against : "", err);
    r->digest = r->model ? mlo_strdup("", err) : NULL;
    r->machine = r->digest ? mlo_strdup(b->result.machine, err) : NULL;
    r->tool = r->machine ? mlo_strdup(b->result.tool, err) : NULL;
    r->load = r->tool ? mlo_strdup(b->result.load, err) : NULL;
    r->time_ns = b->result.time_ns;
    return r->load ? put_result(r, MLO_BENCH_AGAINST, ws, &d, err) : err->code;
}

int mlo_bench_verdict(const struct mlo_bench *b)
{
    if (b->stopped)
        return MLO_BENCH_INTERRUPTED;
    return b->gate == MLO_GATE_PASS ? 0 : b->gate == MLO_GATE_FAIL ? -MLO_NO : -MLO_EUNAVAIL;
}

int mlo_bench_record(struct mlo_bench *b, struct mlo_workspace *ws, struct mlo_err *err)
{
    char name[MLO_SHOWN * 2];
    struct mlo_digest d;
    int rc = put_result(&b->result, MLO_BENCH_RESULT, ws, &d, err);
    if (rc == 0)
        rc = put_other(b, ws, err);
    if (rc == 0)
        rc = put_metrics(b, ws->run, err);
    if (rc == 0 && b->stopped)
        rc = mlo_run_metric(ws->run, "interrupted", 1, err);
    if (rc == 0 && (b->stopped || b->compared))
        rc = mlo_run_metric(ws->run, MLO_BENCH_VERDICT, mlo_bench_verdict(b), err);
    if (rc == 0 && *b->forced)
        rc = mlo_run_metric(ws->run, "forced", 1, err);
    if (rc != 0 || b->stopped || !b->args->save_baseline || mlo_bench_is_file(b->args->save_baseline))
        return rc;
    baseline_name(b->ctx->args[0], b->args->save_baseline, name, sizeof name);
    return mlo_run_move_name_any(ws->run, MLO_BENCH_BASELINE, name, &d, err);
}

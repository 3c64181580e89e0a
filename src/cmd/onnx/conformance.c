/* mlopsctl onnx conformance: the onnx project's own cases through the engine. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/infer.h>

#include "cmd/table.h"

struct opts {
    bool plain, all;
    double atol;
};
static const struct mlo_opt opts_table[] = {
    {.name = "plain",
     .type = MLO_OPT_FLAG,
     .help = "run each node as it is in the file, without folding and fusing",
     .offset = offsetof(struct opts, plain)},
    {.name = "all",
     .type = MLO_OPT_FLAG,
     .help = "show the cases that pass, too",
     .offset = offsetof(struct opts, all)},
    {.name = "atol",
     .type = MLO_OPT_DOUBLE,
     .arg = "NUMBER",
     .help = "how far off a number may be besides a thousandth of what is expected; as a rule 1e-7",
     .offset = offsetof(struct opts, atol)},
    {0},
};

static const struct mlo_column columns[] = {
    {"case", "CASE", MLO_CELL_TEXT}, {"result", "RESULT", MLO_CELL_TEXT}, {"why", "WHY", MLO_CELL_TEXT}};
static const char *const results[] = {[MLO_CONFORMANCE_PASS] = "pass",
                                      [MLO_CONFORMANCE_FAIL] = "FAIL",
                                      [MLO_CONFORMANCE_UNSUPPORTED] = "unsupported"};

static bool is_case(const char *folder)
{
    char path[2 * MLO_PATH_MAX];
    struct stat st;
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    return stat(path, &st) == 0;
}

struct work {
    struct mlo_ctx *ctx;
    const struct opts *opts;
    uint64_t n[3], values, derived;
};

static int hint_case(struct mlo_err *err)
{
    return mlo_hint(err, "a case is a folder with model.onnx and test_data_set_0, which holds input_0.pb, "
                         "output_0.pb and so on; name it, or the folder of many");
}

static int run_one(struct work *w, const char *folder, struct mlo_err *err)
{
    struct mlo_conformance_opts o = {.plain = w->opts->plain, .atol = w->opts->atol};
    struct mlo_conformance_case c;
    int rc = mlo_conformance_run(folder, &o, &c, err);
    if (rc != 0)
        return rc == MLO_ENOTFOUND ? hint_case(err) : rc;
    w->n[c.result]++;
    w->values += c.n_values;
    w->derived += c.n_derived;
    if (c.result == MLO_CONFORMANCE_PASS && !w->opts->all)
        return 0;
    mlo_cell_text(w->ctx->report, c.name);
    mlo_cell_text(w->ctx->report, results[c.result]);
    mlo_cell_text(w->ctx->report, c.why);
    return 0;
}

static int no_dots(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static int run_folder(struct work *w, const char *folder, struct mlo_err *err)
{
    struct dirent **list;
    int n = scandir(folder, &list, no_dots, alphasort), rc = 0;
    size_t cases = 0;
    if (n < 0 && errno == ENOTDIR) {
        mlo_fail(err, MLO_EUSAGE, "'%s' is a file, not a folder of cases", folder);
        return hint_case(err);
    }
    if (n < 0)
        return mlo_fail_errno(err, "'%s'", folder);
    for (int i = 0; i < n; i++) {
        char path[MLO_PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", folder, list[i]->d_name);
        if (rc == 0 && is_case(path)) {
            cases++;
            rc = run_one(w, path, err);
        }
        free(list[i]);
    }
    free(list);
    if (rc != 0 || cases > 0)
        return rc;
    mlo_fail(err, MLO_ENOTFOUND, "'%s' holds no cases", folder);
    return hint_case(err);
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct work w = {.ctx = ctx, .opts = options};
    struct mlo_report *r = ctx->report;
    int rc = 0;
    if (!(w.opts->atol >= 0 && isfinite(w.opts->atol)))
        return mlo_fail(err, MLO_EUSAGE, "--atol is a number that is not negative");
    mlo_report_table(r, "cases", NULL, columns, MLO_COUNT(columns), NULL);
    for (size_t i = 0; rc == 0 && i < ctx->n_args; i++)
        rc = is_case(ctx->args[i]) ? run_one(&w, ctx->args[i], err) : run_folder(&w, ctx->args[i], err);
    if (rc != 0)
        return rc;
    mlo_report_u64(r, "pass", "pass", w.n[MLO_CONFORMANCE_PASS]);
    mlo_report_u64(r, "fail", "fail", w.n[MLO_CONFORMANCE_FAIL]);
    mlo_report_u64(r, "unsupported", "unsupported", w.n[MLO_CONFORMANCE_UNSUPPORTED]);
    if (w.opts->plain) {
        mlo_report_u64(r, "values", "values", w.values);
        mlo_report_u64(r, "derived", "shapes derived", w.derived);
    }
    return w.n[MLO_CONFORMANCE_FAIL] ? MLO_NO : 0;
}

static const struct mlo_example examples[] = {
    {"cases in a folder, as the onnx project and libonnx-testdata bring them",
     "mlopsctl onnx conformance cases"},
    {0},
};

const struct mlo_command mlo_cmd_onnx_conformance = {
    .name = "conformance",
    .summary = "run the onnx project's cases through the engine",
    .synopsis = "FOLDER...",
    .description =
        "Runs every case below the folders (model.onnx with test_data_set_0 and so on) and compares the\n"
        "outputs. Exit 1 when one is wrong; cases that need an operator which the engine lacks are\n"
        "counted as unsupported.",
    .opts = opts_table,
    .opts_size = sizeof(struct opts),
    .args = {.min = 1, .max = UINT_MAX},
    .examples = examples,
    .run = run,
};

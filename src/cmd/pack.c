/* mlopsctl pack: files become a named bundle. */
#include <limits.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/text.h>
#include <mlopsctl/base/thread.h>
#include <mlopsctl/base/time.h>

#include "cmd/shared/context.h"
#include "cmd/shared/golden.h"
#include "cmd/shared/metrics.h"
#include "cmd/shared/provenance.h"
#include "table.h"
#include "cmd/shared/tables.h"
#include "cmd/shared/workspace.h"

#define MAX_THREADS 1024

struct opts {
    struct mlo_strings tags, metrics, datasets, env_locks;
    const char *metrics_file, *license, *card, *description, *profile;
    struct mlo_golden_opts golden;
    bool allow_dirty, accept_unknown, accept_secrets, bare, dry_run;
    uint64_t threads;
};

static const struct mlo_opt table[] = {
    {.name = "tag",
     .letter = 't',
     .type = MLO_OPT_LIST,
     .arg = "NAME[:TAG]",
     .flags = MLO_OPTF_REQUIRED | MLO_OPTF_REF,
     .help = "name of the bundle",
     .offset = offsetof(struct opts, tags)},
    {.name = "metric",
     .type = MLO_OPT_LIST,
     .arg = "KEY=VALUE",
     .help = "a number that the model reached, such as auc=0.91",
     .offset = offsetof(struct opts, metrics)},
    {.name = "metrics",
     .type = MLO_OPT_STRING,
     .arg = "FILE",
     .flags = MLO_OPTF_FILE,
     .help = "a JSON object of such numbers; --metric wins",
     .offset = offsetof(struct opts, metrics_file)},
    {.name = "dataset",
     .type = MLO_OPT_LIST,
     .arg = "FILE",
     .flags = MLO_OPTF_FILE,
     .help = "data the model was made from: its name, size and digest are recorded, the file is not stored",
     .offset = offsetof(struct opts, datasets)},
    {.name = "env-lock",
     .type = MLO_OPT_LIST,
     .arg = "FILE",
     .flags = MLO_OPTF_FILE,
     .help = "lock file of the environment (requirements.txt, conda-lock.yml, uv.lock), stored in the "
             "bundle",
     .offset = offsetof(struct opts, env_locks)},
    {.name = "profile",
     .type = MLO_OPT_STRING,
     .arg = "FILE",
     .flags = MLO_OPTF_FILE,
     .help = "what the training data looked like (mlopsctl profile), stored in the bundle: "
             "`mlopsctl drift --reference NAME` then compares with it",
     .offset = offsetof(struct opts, profile)},
    {.name = "samples",
     .type = MLO_OPT_STRING,
     .arg = "ROWS",
     .flags = MLO_OPTF_FILE,
     .help = "rows for the model: what goes in and what comes out is stored in the bundle, and "
             "`mlopsctl verify --run NAME` compares with it",
     .offset = offsetof(struct opts, golden.samples)},
    {.name = "samples-limit",
     .type = MLO_OPT_U64,
     .arg = "N",
     .help = "only the first N of these rows (16)",
     .offset = offsetof(struct opts, golden.limit),
     .min = 1,
     .max = MLO_GOLDEN_ROWS_MAX},
    {.name = "rtol",
     .type = MLO_OPT_DOUBLE,
     .arg = "X",
     .help =
         "how far outputs may be off elsewhere: --atol + X times the output; by the type, 1e-4 for float32",
     .offset = offsetof(struct opts, golden.tolerance.rtol)},
    {.name = "atol",
     .type = MLO_OPT_DOUBLE,
     .arg = "X",
     .help = "see --rtol; by the type, 1e-5 for float32",
     .offset = offsetof(struct opts, golden.tolerance.atol)},
    {.name = "features",
     .type = MLO_OPT_LIST,
     .arg = "COLUMN",
     .help = "names of the columns that the model takes, in its order, for `mlopsctl predict`; COLUMN,... or "
             "again; as a rule those of --samples",
     .offset = offsetof(struct opts, golden.features)},
    {.name = "model-file",
     .type = MLO_OPT_STRING,
     .arg = "PATH",
     .help = "which file of the bundle is the model, for --samples and --features, when there are several",
     .offset = offsetof(struct opts, golden.model)},
    {.name = "license",
     .type = MLO_OPT_STRING,
     .arg = "SPDX",
     .help = "licence of the model as an SPDX expression, such as Apache-2.0",
     .offset = offsetof(struct opts, license)},
    {.name = "card",
     .type = MLO_OPT_STRING,
     .arg = "FILE",
     .flags = MLO_OPTF_FILE,
     .help = "model card in Markdown, stored as README.md",
     .offset = offsetof(struct opts, card)},
    {.name = "description",
     .type = MLO_OPT_STRING,
     .arg = "TEXT",
     .help = "one line about the model",
     .offset = offsetof(struct opts, description)},
    {.name = "allow-dirty",
     .type = MLO_OPT_FLAG,
     .help = "pack although the git work tree differs from its commit; the bundle says so",
     .offset = offsetof(struct opts, allow_dirty)},
    {.name = "accept-unknown",
     .type = MLO_OPT_FLAG,
     .help = "pack pickles that use functions this program does not know",
     .offset = offsetof(struct opts, accept_unknown)},
    {.name = "accept-secrets",
     .type = MLO_OPT_FLAG,
     .help = "pack files that look like they hold keys or passwords",
     .offset = offsetof(struct opts, accept_secrets)},
    {.name = "bare",
     .type = MLO_OPT_FLAG,
     .help = "leave out mlopsctl.json (tensors, metrics, provenance): nothing but a plain ModelPack",
     .offset = offsetof(struct opts, bare)},
    {.name = "threads",
     .letter = 'j',
     .type = MLO_OPT_U64,
     .arg = "N",
     .min = 1,
     .max = MAX_THREADS,
     .help = "threads to use; default: the setting pack.threads, else one for each CPU",
     .offset = offsetof(struct opts, threads)},
    {.name = "dry-run",
     .letter = 'n',
     .type = MLO_OPT_FLAG,
     .help = "do everything but store and name the bundle",
     .offset = offsetof(struct opts, dry_run)},
    {0},
};
static const struct opts defaults = {.golden = {.tolerance = {(double)NAN, (double)NAN}}};

/* ---- names ---- */

struct names {
    struct mlo_ref *refs;
    size_t n;
    char version[sizeof(((struct mlo_ref *)0)->tag)]; /* "" when the tag is none */
};

/* "1.4", "v2.0.1-rc1": at least two numbers, so that "v1" or "2026" stay mere tags. */
static bool is_version(const char *tag)
{
    if (*tag == 'v')
        tag++;
    size_t digits = strspn(tag, "0123456789");
    return digits > 0 && tag[digits] == '.' && tag[digits + 1] >= '0' && tag[digits + 1] <= '9';
}

static int read_names(const struct opts *o, struct names *names, struct mlo_err *err)
{
    names->refs = mlo_calloc(o->tags.n, sizeof(*names->refs), err);
    if (!names->refs)
        return MLO_EIO;
    for (size_t i = 0; i < o->tags.n; i++) {
        int rc = mlo_ref_parse(o->tags.items[i], &names->refs[i], err);
        if (rc == 0 && names->refs[i].has_digest)
            rc = mlo_fail(err, MLO_EUSAGE, "--tag '%s': a bundle gets its digest from its content",
                          o->tags.items[i]);
        if (rc)
            return rc;
        names->n++;
        if (!*names->version && is_version(names->refs[i].tag))
            snprintf(names->version, sizeof(names->version), "%s", names->refs[i].tag);
    }
    return 0;
}

/* ---- what goes into the bundle beside the files ---- */

struct job {
    struct mlo_ctx *ctx;
    const struct opts *opts;
    struct names names;
    struct mlo_metrics metrics;
    struct mlo_git_info git;
    struct mlo_pack_opts pack;
    struct mlo_pack_result result;
    struct mlo_golden golden;
};

static int read_metrics(struct job *j, struct mlo_err *err)
{
    const struct opts *o = j->opts;
    int rc = o->metrics_file ? mlo_metrics_file(&j->metrics, o->metrics_file, err) : 0;
    for (size_t i = 0; i < o->metrics.n && rc == 0; i++)
        rc = mlo_metrics_option(&j->metrics, o->metrics.items[i], err);
    return rc;
}

/* Without libgit2 there is no provenance to check: said, and not in the way of a pack outside a repository.
 */
static int read_git(struct job *j, struct mlo_err *err)
{
    int rc = mlo_provenance_read((const char *const *)j->ctx->args, j->ctx->n_args, &j->git, err);
    if (rc == MLO_EUNAVAIL) {
        mlo_warn(j->ctx, "%s: the bundle will not say which commit it comes from", err->msg);
        *err = MLO_ERR_INIT;
        return 0;
    }
    return rc == 0 && j->git.dirty && !j->opts->allow_dirty ? mlo_provenance_refuse(&j->git, err) : rc;
}

/* Nothing but a profile of ours: who deploys the bundle relies on it. */
static int check_profile(const char *path, struct mlo_pack_opts *pack, struct mlo_err *err)
{
    const struct mlo_table_opts none = {0};
    const struct mlo_profile_opts as_it_is = {0};
    struct mlo_profile_facts f;
    struct mlo_profile *p = NULL;
    if (!path)
        return 0;
    if (access(path, R_OK) != 0)
        return mlo_fail_errno(err, "profile '%s' cannot be read", path);
    if (!mlo_is_profile(path)) {
        mlo_fail(err, MLO_EINVALID, "'%s' is no profile", path);
        return mlo_hint(err, "make one of the training data: mlopsctl profile train.csv -o train.profile");
    }
    int rc = mlo_profile_open(NULL, &path, 1, &none, &as_it_is, &p, err);
    if (rc != 0)
        return rc;
    mlo_profile_facts(p, &f);
    mlo_profile_free(p);
    pack->profile = path;
    pack->profile_rows = f.rows;
    pack->profile_columns = f.columns;
    return 0;
}

static int source_date(const struct job *j, int64_t *ret, struct mlo_err *err)
{
    const char *epoch = mlo_env_get(j->ctx->env, "SOURCE_DATE_EPOCH");
    uint64_t seconds = 0;
    if (!epoch || !*epoch) {
        *ret = *j->git.commit ? j->git.commit_time_ns : 0;
        return 0;
    }
    int rc = mlo_parse_u64(epoch, 0, 253402300799, "SOURCE_DATE_EPOCH", &seconds, err); /* the year 9999 */
    if (rc == 0)
        *ret = (int64_t)(seconds < INT64_MAX / MLO_NS_PER_S ? seconds : INT64_MAX / MLO_NS_PER_S) *
               MLO_NS_PER_S;
    return rc;
}

/* What no option said, the settings say. */
static int apply_settings(struct mlo_ctx *ctx, struct mlo_pack_opts *pack, struct mlo_err *err)
{
    const struct mlo_config *c = NULL;
    int rc = mlo_ctx_config(ctx, &c, err);
    if (rc)
        return rc;
    uint64_t threads = mlo_config_u64(c, "pack.threads");
    if (threads > MAX_THREADS)
        return mlo_fail(err, MLO_EUSAGE, "%s: pack.threads: at most %d", mlo_config_origin(c, "pack.threads"),
                        MAX_THREADS);
    if (!pack->threads)
        pack->threads = threads ? (unsigned)threads : mlo_cpu_count();
    if (!pack->license)
        pack->license = mlo_config_get(c, "pack.license");
    pack->accept_unknown |= mlo_config_bool(c, "pack.accept-unknown");
    return 0;
}

static int prepare(struct job *j, struct mlo_err *err)
{
    const struct opts *o = j->opts;
    int rc = read_names(o, &j->names, err);
    if (rc == 0)
        rc = read_metrics(j, err);
    if (rc == 0)
        rc = read_git(j, err);
    if (rc)
        return rc;
    j->pack = (struct mlo_pack_opts){
        .paths = (const char *const *)j->ctx->args,
        .n_paths = j->ctx->n_args,
        .name = j->names.refs[0].name,
        .version = *j->names.version ? j->names.version : NULL,
        .metrics = j->metrics.items,
        .n_metrics = j->metrics.n,
        .datasets = o->datasets.items,
        .n_datasets = o->datasets.n,
        .env_locks = o->env_locks.items,
        .n_env_locks = o->env_locks.n,
        .license = o->license,
        .card = o->card,
        .description = o->description,
        .git = j->git.in_repo ? &j->git : NULL,
        .accept_unknown = o->accept_unknown,
        .accept_secrets = o->accept_secrets,
        .bare = o->bare,
        .dry_run = o->dry_run,
        .threads = (unsigned)o->threads,
        .progress = mlo_progress_adapter,
    };
    rc = mlo_golden_begin(j->ctx, &o->golden, o->bare, &j->golden, &j->pack, err);
    if (rc == 0)
        rc = check_profile(o->profile, &j->pack, err);
    if (rc == 0)
        rc = apply_settings(j->ctx, &j->pack, err);
    return rc ? rc : source_date(j, &j->pack.source_date_ns, err);
}

/* ---- packing ---- */

static int pack(struct job *j, struct mlo_workspace *ws, struct mlo_err *err)
{
    j->pack.home = ws->home;
    struct mlo_progress *bar = mlo_progress_start(j->ctx, "packing", 0);
    j->pack.progress_ctx = bar;
    int rc = mlo_pack(ws->store, &j->pack, &j->result, err);
    mlo_progress_end(bar);
    return rc;
}

static int record(const struct job *j, struct mlo_workspace *ws, struct mlo_err *err)
{
    char name[MLO_REF_TEXT];
    int rc = mlo_run_artifact(ws->run, "manifest", &j->result.manifest, j->result.manifest_size, err);
    for (size_t i = 0; i < j->metrics.n && rc == 0; i++)
        rc = mlo_run_metric(ws->run, j->metrics.items[i].key, j->metrics.items[i].value, err);
    for (size_t i = 0; i < j->names.n && rc == 0; i++)
        rc = mlo_run_move_name_any(ws->run, "tag", mlo_ref_text(&j->names.refs[i], name), &j->result.manifest,
                                   err);
    return rc;
}

static int pack_and_name(struct job *j, struct mlo_err *err)
{
    struct mlo_workspace ws = {.git = j->git.in_repo ? &j->git : NULL};
    int rc = mlo_workspace_begin(j->ctx, &ws, 0, err);
    if (rc)
        return rc;
    rc = pack(j, &ws, err);
    if (rc == 0)
        rc = record(j, &ws, err);
    return mlo_workspace_end(&ws, rc, err);
}

static int pack_dry(struct job *j, struct mlo_err *err)
{
    struct mlo_workspace ws = {0};
    int rc = mlo_workspace_read(j->ctx, &ws, err);
    if (rc)
        return rc;
    rc = pack(j, &ws, err);
    mlo_workspace_close(&ws);
    return rc;
}

/* ---- telling ---- */

static const struct mlo_column name_columns[] = {{"name", "NAME", MLO_CELL_TEXT}};

static void tell_json(const struct job *j)
{
    struct mlo_report *r = j->ctx->report;
    const struct mlo_pack_result *p = &j->result;
    char name[MLO_REF_TEXT];
    mlo_report_digest(r, "digest", "digest", &p->manifest);
    mlo_report_bool(r, "dry_run", "dry run", j->opts->dry_run);
    mlo_report_u64(r, "files", "files", p->n_files);
    mlo_report_u64(r, "files_not_read", "files not read", p->n_cached);
    mlo_report_size(r, "bytes", "bytes", p->bytes);
    mlo_report_size(r, "stored_bytes", "stored", p->stored_bytes);
    mlo_report_u64(r, "tensors", "tensors", p->n_tensors);
    mlo_report_u64(r, "parameters", "parameters", p->parameters);
    if (p->has_tensor_set)
        mlo_report_digest(r, "tensor_set", "tensor set", &p->tensor_set);
    mlo_report_text(r, "verdict", "verdict", mlo_verdict_name(p->verdict));
    mlo_report_table(r, "names", NULL, name_columns, 1, NULL);
    for (size_t i = 0; i < j->names.n; i++)
        mlo_cell_text(r, mlo_ref_text(&j->names.refs[i], name));
    static const struct mlo_column warning_columns[] = {{"text", "WARNING", MLO_CELL_TEXT}};
    mlo_report_table(r, "warnings", NULL, warning_columns, 1, NULL);
    for (size_t i = 0; i < p->n_warnings; i++)
        mlo_cell_text(r, p->warnings[i]);
}

static int tell(const struct job *j, struct mlo_err *err)
{
    const struct mlo_pack_result *p = &j->result;
    char name[MLO_REF_TEXT], digest[MLO_DIGEST_TEXT], size[MLO_HUMAN_MAX], stored[MLO_HUMAN_MAX];
    MLO_AUTOSTR struct mlo_str names;
    mlo_str_init(&names, MLO_STR_MAX);
    if (j->ctx->json) {
        tell_json(j);
        return 0;
    }
    for (size_t i = 0; i < j->names.n; i++)
        mlo_str_addf(&names, "%s%s", i ? ", " : "", mlo_ref_text(&j->names.refs[i], name));
    for (size_t i = 0; i < p->n_warnings; i++)
        mlo_warn(j->ctx, "%s", p->warnings[i]);
    mlo_report_say(j->ctx->report, "%s %s  %.19s  %zu file%s, %s (%s new)",
                   j->opts->dry_run ? "would pack" : "packed", names.ptr,
                   mlo_digest_text(&p->manifest, digest), p->n_files, p->n_files == 1 ? "" : "s",
                   mlo_human_size(p->bytes, size), mlo_human_size(p->stored_bytes, stored));
    return mlo_str_check(&names, err);
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct job j = {.ctx = ctx, .opts = options};
    mlo_metrics_init(&j.metrics);
    int rc = prepare(&j, err);
    if (rc == 0)
        rc = j.opts->dry_run ? pack_dry(&j, err) : pack_and_name(&j, err);
    if (rc == 0)
        rc = tell(&j, err);
    mlo_golden_release(&j.golden);
    mlo_pack_result_release(&j.result);
    mlo_git_release(&j.git);
    mlo_metrics_release(&j.metrics);
    free(j.names.refs);
    return rc;
}

static const struct mlo_example examples[] = {
    {"Pack a folder under a version and as the newest", "mlopsctl pack model -t credit:1.4.0 -t credit"},
    {"With what it reached and what it was made from",
     "mlopsctl pack model -t credit:1.5.0 --metric auc=0.91 --dataset train.csv"},
    {"With what its training data looked like, for `mlopsctl drift`",
     "mlopsctl pack model -t credit:1.6.0 --profile reference.profile"},
    {"With outputs for some rows, for `mlopsctl verify --run`",
     "mlopsctl pack credit-1.4.0.onnx -t loans:1.5.0 --samples loans.csv"},
    {"What would be packed, and its digest", "mlopsctl pack model -t credit --dry-run"},
    {0},
};

const struct mlo_command mlo_cmd_pack = {
    .name = "pack",
    .group = "bundles",
    .summary = "make a bundle of model files",
    .synopsis = "PATH... -t NAME[:TAG]",
    .description =
        "Takes files and folders into the store as one bundle with a digest and a name. Weights are read\n"
        "once, checked, and their tensors hashed; malformed files, pickles that run code, secrets and\n"
        "unsafe names are refused. The same files give the same digest anywhere.",
    .opts = table,
    .opts_size = sizeof(struct opts),
    .defaults = &defaults,
    .args = {.min = 1, .max = UINT_MAX, .complete = MLO_OPTF_FILE},
    .examples = examples,
    .flags = MLO_CMDF_WRITES,
    .run = run,
};

/* mlopsctl verify: is every byte still what it was, and if not, can it be had back from somewhere? */
#include <limits.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/text.h>
#include <mlopsctl/base/thread.h>

#include "cmd/shared/remotes.h"
#include "cmd/shared/signatures.h"
#include "table.h"
#include "cmd/shared/verify_run.h"

#define ROUNDS 5 /* of repair: manifest, then config and layers, then what they say of each other */

struct opts {
    struct mlo_strings repair;
    const char *key, *backend;
    bool all, deep, run;
    struct mlo_tolerance tolerance;
    uint64_t threads;
};

static const struct mlo_opt table[] = {
    {.name = "all",
     .letter = 'a',
     .type = MLO_OPT_FLAG,
     .help = "every bundle and signature that has a name, then every other blob in the store",
     .offset = offsetof(struct opts, all)},
    {.name = "deep",
     .type = MLO_OPT_FLAG,
     .help = "compute the digest of each tensor anew too",
     .offset = offsetof(struct opts, deep)},
    {.name = "repair",
     .type = MLO_OPT_LIST,
     .arg = "FROM",
     .flags = MLO_OPTF_FILE,
     .help = "look for good bytes in this folder, file, image layout, exported tar or remote, and put them "
             "in place",
     .offset = offsetof(struct opts, repair)},
    {.name = "key",
     .type = MLO_OPT_STRING,
     .arg = "PUBLIC.pem",
     .flags = MLO_OPTF_FILE,
     .help = "the bundle must be signed by the owner of this key",
     .offset = offsetof(struct opts, key)},
    {.name = "run",
     .type = MLO_OPT_FLAG,
     .help = "also run the model on the samples that were packed with it, and compare the outputs",
     .offset = offsetof(struct opts, run)},
    MLO_BACKEND_OPTION(struct opts),
    {.name = "rtol",
     .type = MLO_OPT_DOUBLE,
     .arg = "X",
     .help = "with --run: an output may be off by --atol + X times what was recorded; as a rule what the "
             "bundle says",
     .offset = offsetof(struct opts, tolerance.rtol)},
    {.name = "atol",
     .type = MLO_OPT_DOUBLE,
     .arg = "X",
     .help = "see --rtol",
     .offset = offsetof(struct opts, tolerance.atol)},
    {.name = "threads",
     .letter = 'j',
     .type = MLO_OPT_U64,
     .arg = "N",
     .min = 1,
     .max = 1024,
     .help = "threads to use; default: one for each CPU",
     .offset = offsetof(struct opts, threads)},
    {0},
};
static const struct opts defaults = {.tolerance = {(double)NAN, (double)NAN}};

struct fault {
    char *subject, *role, *what; /* owned */
    struct mlo_digest blob;
    bool repaired;
};

struct source { /* where good bytes may be */
    const char *from;
    bool here;                 /* a file or folder */
    struct mlo_remote *remote; /* NULL: not one */
};

struct job {
    struct mlo_ctx *ctx;
    const struct opts *opts;
    struct mlo_workspace ws;
    struct mlo_digest_set done, reached; /* with --all: manifests; blobs below them */
    struct source *sources;
    size_t n_sources;
    const char *subject; /* being verified */
    struct mlo_ref ref;  /* its name; "" when it is only a digest */
    const struct mlo_digest *manifest;
    struct mlo_progress *bar;
    struct fault *faults;
    size_t n, cap;
    struct mlo_verify_runs runs;
    size_t n_subjects, repaired_now;
    uint64_t bytes;
};

static void release(struct job *j)
{
    for (size_t i = 0; i < j->n; i++) {
        free(j->faults[i].subject);
        free(j->faults[i].role);
        free(j->faults[i].what);
    }
    free(j->faults);
    for (size_t i = 0; i < j->n_sources; i++)
        mlo_remote_close(j->sources[i].remote);
    free(j->sources);
    mlo_verify_runs_release(&j->runs);
    mlo_digest_set_release(&j->done);
    mlo_digest_set_release(&j->reached);
}

/* ---- faults ---- */

/* A folder may be a remote too: what it holds in the open is looked at first. */
static int open_sources(struct job *j, struct mlo_err *err)
{
    const struct mlo_strings *from = &j->opts->repair;
    j->sources = mlo_calloc(from->n + 1, sizeof(*j->sources), err);
    if (!j->sources)
        return MLO_EIO;
    for (size_t i = 0; i < from->n; i++) {
        struct source *s = &j->sources[j->n_sources++];
        struct mlo_err why = MLO_ERR_INIT;
        s->from = from->items[i];
        s->here = access(s->from, F_OK) == 0;
        int rc = mlo_remote_choose(j->ctx, s->from, false, NULL, &s->remote, &why);
        if (rc && !s->here) {
            *err = why;
            return mlo_wrap(err, "--repair '%s'", s->from);
        }
    }
    return 0;
}

static int find_here(struct job *j, const char *from, const struct mlo_fault *f, int *ret_fd,
                     struct mlo_err *err)
{
    const char *tmp = mlo_run_folder(j->ws.run);
    struct mlo_bundle b = {0};
    struct mlo_err why = MLO_ERR_INIT;
    int rc = mlo_repair_find(from, &f->blob, f->size, tmp, ret_fd, err);
    if (rc != MLO_ENOTFOUND || mlo_bundle_load(j->ws.store, j->manifest, &b, &why))
        return rc;
    if (mlo_repair_rebuild(&b, &f->blob, from, tmp, ret_fd, &why) == 0)
        rc = 0;
    mlo_bundle_release(&b);
    return rc;
}

static int repair_from(struct job *j, const struct source *s, const struct mlo_fault *f, struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = -1;
    int rc = s->here ? find_here(j, s->from, f, &fd, err) : MLO_ENOTFOUND;
    if (rc == 0)
        return mlo_store_repair(j->ws.store, &f->blob, fd, err);
    if (rc == MLO_ENOTFOUND && s->remote && *j->ref.name)
        rc = mlo_remote_fetch_blob(s->remote, j->ws.store, &j->ref, &f->blob, err);
    return rc;
}

static int try_repair(struct job *j, const struct mlo_fault *f, bool *ret_repaired, struct mlo_err *err)
{
    for (size_t i = 0; i < j->n_sources && !*ret_repaired; i++) {
        struct mlo_err why = MLO_ERR_INIT;
        int rc = repair_from(j, &j->sources[i], f, &why);
        *ret_repaired = rc == 0;
        if (rc && rc != MLO_ENOTFOUND) {
            *err = why;
            return rc;
        }
    }
    return 0;
}

static bool of_the_blob(const char *what)
{
    return strcmp(what, "missing") == 0 || strcmp(what, "damaged") == 0 || strcmp(what, "unreadable") == 0;
}

static int keep_fault(struct job *j, const struct mlo_fault *f, bool repaired, struct mlo_err *err)
{
    struct fault one = {.blob = f->blob, .repaired = repaired};
    int rc = mlo_grow(&j->faults, &j->cap, j->n + 1, sizeof(*j->faults), err);
    if (rc)
        return rc;
    one.subject = mlo_strdup(j->subject, err);
    one.role = mlo_strdup(f->role, err);
    one.what = mlo_strdup(f->what, err);
    j->faults[j->n++] = one;
    return one.subject && one.role && one.what ? 0 : MLO_EIO;
}

static int on_fault(void *ctx, const struct mlo_fault *f, struct mlo_err *err)
{
    struct job *j = ctx;
    bool repaired = false;
    int rc = j->opts->repair.n && of_the_blob(f->what) ? try_repair(j, f, &repaired, err) : 0;
    j->repaired_now += repaired;
    return rc ? rc : keep_fault(j, f, repaired, err);
}

/* ---- one bundle ---- */

static void forget_unrepaired(struct job *j, size_t from)
{
    size_t kept = from;
    for (size_t i = from; i < j->n; i++) {
        if (j->faults[i].repaired) {
            j->faults[kept++] = j->faults[i];
            continue;
        }
        free(j->faults[i].subject);
        free(j->faults[i].role);
        free(j->faults[i].what);
    }
    j->n = kept;
}

static int verify_one(struct job *j, const char *subject, const struct mlo_digest *d, struct mlo_err *err)
{
    const struct mlo_verify_opts o = {.deep = j->opts->deep,
                                      .threads = j->opts->threads ? (unsigned)j->opts->threads
                                                                  : mlo_cpu_count(),
                                      .progress = mlo_progress_adapter,
                                      .progress_ctx = j->bar};
    uint64_t bytes = 0;
    size_t from = j->n;
    int rc = 0;
    j->subject = subject;
    j->manifest = d;
    j->n_subjects++;
    for (int round = 0; round < ROUNDS; round++) { /* a repaired manifest shows what else is wrong */
        j->repaired_now = 0;
        forget_unrepaired(j, from);
        struct mlo_err no = MLO_ERR_INIT;
        rc = mlo_bundle_verify(j->ws.store, d, &o, on_fault, j, &bytes, &no);
        if (rc && rc != MLO_NO)
            *err = no;
        if (rc != MLO_NO || j->repaired_now == 0)
            break;
    }
    j->bytes += rc == 0 ? bytes : 0;
    return rc == MLO_NO ? 0 : rc;
}

/* ---- signatures ---- */

static int verify_key(struct job *j, const char *subject, const struct mlo_digest *d, struct mlo_err *err)
{
    struct mlo_signatures s = {0};
    struct mlo_err why = MLO_ERR_INIT;
    int rc = mlo_signatures_of(&j->ws, d, &s, err);
    if (rc)
        return rc;
    rc = mlo_sign_verify(j->ws.store, d, s.list, s.n, j->opts->key, &why);
    free(s.list);
    if (rc == MLO_NO) {
        const struct mlo_fault f = {.blob = *d, .what = why.msg, .role = "signature"};
        j->subject = subject;
        return keep_fault(j, &f, false, err);
    }
    if (rc)
        *err = why;
    return rc;
}

/* ---- all of them ---- */

struct named {
    struct mlo_digest digest;
    char *name;
    bool tag;
};
struct all {
    struct named *items;
    size_t n, cap;
};

static int add_named(void *ctx, const struct mlo_name_row *row, struct mlo_err *err)
{
    struct all *a = ctx;
    bool tag = strcmp(row->kind, "tag") == 0;
    if (!tag && strcmp(row->kind, "signature") != 0)
        return 0;
    int rc = mlo_grow(&a->items, &a->cap, a->n + 1, sizeof(*a->items), err);
    char *name = rc ? NULL : mlo_strdup(tag ? row->name : "signature", err);
    if (!name)
        return MLO_EIO;
    a->items[a->n++] = (struct named){.digest = row->digest, .name = name, .tag = tag};
    return 0;
}

static int verify_named(struct job *j, const struct named *n, struct mlo_err *err)
{
    bool fresh = false;
    struct mlo_err why = MLO_ERR_INIT;
    int rc = mlo_digest_set_add(&j->done, &n->digest, &fresh, err);
    if (rc || !fresh)
        return rc;
    struct mlo_err no = MLO_ERR_INIT;
    if (!n->tag || mlo_ref_parse(n->name, &j->ref, &no))
        j->ref = (struct mlo_ref){0};
    rc = verify_one(j, n->name, &n->digest, err);
    if (rc == 0 && n->tag && j->opts->key)
        rc = verify_key(j, n->name, &n->digest, err);
    /* What hangs on it is done; a manifest that cannot be read has just been reported. */
    return rc                                                                        ? rc
           : mlo_bundle_reach(j->ws.store, &n->digest, &j->reached, &why) == MLO_EIO ? (*err = why, MLO_EIO)
                                                                                     : 0;
}

/* What no name leads to: still asked to be what it is called. */
static int verify_rest(void *ctx, const struct mlo_digest *d, uint64_t size, struct mlo_err *err)
{
    struct job *j = ctx;
    struct mlo_err why = MLO_ERR_INIT;
    if (mlo_digest_set_has(&j->reached, d) || mlo_digest_set_has(&j->done, d))
        return 0;
    int rc = mlo_store_verify_blob(j->ws.store, d, &why);
    if (rc == 0 || rc == MLO_ENOTFOUND) { /* gone meanwhile: nobody needs it */
        j->bytes += rc == 0 ? size : 0;
        return 0;
    }
    const struct mlo_fault f = {.blob = *d,
                                .size = UINT64_MAX,
                                .what = rc == MLO_EINVALID ? "damaged" : "unreadable",
                                .role = "blob"};
    j->subject = "(no name)";
    j->manifest = d;
    j->ref = (struct mlo_ref){0};
    return on_fault(j, &f, err);
}

static int verify_all(struct job *j, struct mlo_err *err)
{
    struct all a = {0};
    int rc = mlo_name_each(j->ws.ledger, NULL, add_named, &a, err);
    for (size_t i = 0; i < a.n; i++) {
        if (rc == 0)
            rc = verify_named(j, &a.items[i], err);
        free(a.items[i].name);
    }
    free(a.items);
    return rc ? rc : mlo_store_each(j->ws.store, verify_rest, j, err);
}

static bool any_left(const struct job *j, size_t from)
{
    for (size_t i = from; i < j->n; i++)
        if (!j->faults[i].repaired)
            return true;
    return false;
}

static int verify_args(struct job *j, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; i < j->ctx->n_args && rc == 0; i++) {
        struct mlo_digest d;
        size_t from = j->n;
        rc = mlo_workspace_resolve(&j->ws, j->ctx->args[i], &j->ref, &d, err);
        if (rc == 0)
            rc = verify_one(j, j->ctx->args[i], &d, err);
        if (rc == 0 && j->opts->key)
            rc = verify_key(j, j->ctx->args[i], &d, err);
        if (rc == 0 && j->opts->run && !any_left(j, from)) /* a damaged model is not run */
            rc = mlo_verify_run(&j->ws, j->ctx->args[i], &d, &j->opts->tolerance, &j->runs, err);
    }
    return rc;
}

/* ---- telling ---- */

static const struct mlo_column columns[] = {
    {"bundle", "BUNDLE", MLO_CELL_TEXT},     {"part", "PART", MLO_CELL_TEXT},
    {"digest", "DIGEST", MLO_CELL_DIGEST},   {"fault", "FAULT", MLO_CELL_TEXT},
    {"repaired", "REPAIRED", MLO_CELL_BOOL},
};

static int tell(struct job *j)
{
    struct mlo_report *r = j->ctx->report;
    char size[MLO_HUMAN_MAX];
    size_t left = 0;
    for (size_t i = 0; i < j->n; i++)
        left += !j->faults[i].repaired;
    if (j->ctx->json) {
        mlo_report_bool(r, "good", "good", left == 0 && j->runs.differ == 0);
        mlo_report_u64(r, "bundles", "bundles", j->n_subjects);
        mlo_report_size(r, "bytes", "bytes", j->bytes);
    }
    if (j->n || j->ctx->json)
        mlo_report_table(r, "faults", NULL, columns, MLO_COUNT(columns), NULL);
    for (size_t i = 0; i < j->n; i++) {
        mlo_cell_text(r, j->faults[i].subject);
        mlo_cell_text(r, j->faults[i].role);
        mlo_cell_digest(r, &j->faults[i].blob);
        mlo_cell_text(r, j->faults[i].what);
        mlo_cell_u64(r, j->faults[i].repaired);
    }
    if (j->opts->run)
        mlo_verify_runs_tell(&j->runs, r);
    if (left == 0)
        mlo_report_say(r, "verified %zu bundle%s, %s: %s", j->n_subjects, j->n_subjects == 1 ? "" : "s",
                       mlo_human_size(j->bytes, size), j->n ? "repaired, no fault left" : "no fault");
    else
        mlo_report_note(
            r, "%zu fault%s%s", left, left == 1 ? "" : "s",
            j->opts->repair.n
                ? " left"
                : "; --repair FROM takes good bytes from a folder, an image layout or an exported tar");
    if (j->runs.differ)
        mlo_report_note(r, "%zu output%s differ%s from what was recorded", j->runs.differ,
                        j->runs.differ == 1 ? "" : "s", j->runs.differ == 1 ? "s" : "");
    return left || j->runs.differ ? MLO_NO : 0;
}

static int work(struct job *j, struct mlo_err *err)
{
    if (!j->ws.ledger || !j->ws.store) /* an empty workspace: all of nothing is good */
        return j->ctx->n_args
                   ? mlo_workspace_resolve(&j->ws, j->ctx->args[0], NULL, &(struct mlo_digest){0}, err)
                   : 0;
    int rc = open_sources(j, err);
    if (rc == 0 && j->opts->run)
        rc = mlo_backend_find(j->ctx, j->opts->backend, NULL, &j->runs.backend, err);
    if (rc)
        return rc;
    j->bar = mlo_progress_start(j->ctx, "verifying", 0);
    rc = j->opts->all ? verify_all(j, err) : verify_args(j, err);
    mlo_progress_end(j->bar);
    return rc;
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct job j = {.ctx = ctx, .opts = options};
    bool writes = j.opts->repair.n > 0;
    if (j.opts->all ? ctx->n_args > 0 : ctx->n_args == 0)
        return mlo_fail(err, MLO_EUSAGE,
                        j.opts->all ? "either references or --all" : "name a bundle, or all with --all");
    if (j.opts->all && j.opts->run)
        return mlo_fail(err, MLO_EUSAGE, "--run is for bundles by name");
    int rc = writes ? mlo_workspace_begin(ctx, &j.ws, 0, err) : mlo_workspace_read(ctx, &j.ws, err);
    if (rc)
        return rc;
    rc = work(&j, err);
    if (rc == 0)
        rc = tell(&j);
    if (writes)
        rc = mlo_workspace_end(&j.ws, rc, err);
    else
        mlo_workspace_close(&j.ws);
    release(&j);
    return rc;
}

static const struct mlo_example examples[] = {
    {"One bundle, its tensors too", "mlopsctl verify credit:1.4.0 --deep"},
    {"Does the model answer on this machine as it did when it was packed?",
     "mlopsctl verify loans:1.4.0 --run"},
    {"The whole store", "mlopsctl verify --all"},
    {"Put back what is damaged from the files it was made of", "mlopsctl verify credit:1.4.0 --repair model"},
    {0},
};

const struct mlo_command mlo_cmd_verify = {
    .name = "verify",
    .group = "bundles",
    .summary = "check every byte of bundles, and repair them",
    .synopsis = "REFERENCE...|--all",
    .description =
        "Reads every blob of a bundle and compares digests, sizes and what its documents say. Exit status 1\n"
        "when there is a fault that was not repaired, no signature by the given key, or with --run an "
        "output\n"
        "that is not what it was.",
    .opts = table,
    .opts_size = sizeof(struct opts),
    .defaults = &defaults,
    .args = {.min = 0, .max = UINT_MAX, .complete = MLO_OPTF_REF},
    .examples = examples,
    .run = run,
};

/*
 * Any bytes as ledger.db: opened for reading, listed, verified, planned over. Whatever the file says (its
 * schema too is foreign), the answers are answers or errors; what verify accepts can be listed without an
 * error.
 *
 * A schema may hold views that never end, so SQLite is stopped after a number of its steps.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../src/ledger/internal.h"

#define INPUT_MAX ((size_t)1 << 20)
#define STEPS_MAX 200 /* of a thousand SQLite instructions */
#define PLANS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok)
{
    if (!ok)
        __builtin_trap();
}

static char home[64];
static int steps;

static void remove_home(void)
{
    struct mlo_err err;
    (void)!mlo_remove_tree_at(AT_FDCWD, home, &err);
}

static void make_home(void)
{
    if (*home)
        return;
    strcpy(home, "/tmp/mlo-fuzz-ledger-XXXXXX");
    must(mkdtemp(home) != NULL);
    atexit(remove_home);
}

static int stop(void *ctx)
{
    (void)ctx;
    return ++steps > STEPS_MAX;
}

struct tally {
    struct mlo_ledger *l;
    int64_t runs[PLANS_MAX];
    size_t n;
};

static int see_effect(void *ctx, const struct mlo_effect *e, struct mlo_err *err)
{
    (void)ctx, (void)err;
    must(e->kind && e->target && e->state <= MLO_EFFECT_IRREVERSIBLE);
    return 0;
}

static int see_metric(void *ctx, const char *key, double value, struct mlo_err *err)
{
    (void)ctx, (void)value, (void)err;
    must(key != NULL);
    return 0;
}

static int see_artifact(void *ctx, const char *kind, const struct mlo_digest *d, uint64_t size,
                        struct mlo_err *err)
{
    (void)ctx, (void)size, (void)err;
    must(kind && d);
    return 0;
}

static int see_run(void *ctx, const struct mlo_run_row *row, struct mlo_err *err)
{
    struct tally *t = ctx;
    must(row->command && row->argv_json && row->cwd && row->user && row->host && row->tool_version &&
         row->status);
    if (t->n < PLANS_MAX)
        t->runs[t->n++] = row->id;
    int rc = mlo_effect_each(t->l, row->id, see_effect, NULL, err);
    if (!rc)
        rc = mlo_metric_each(t->l, row->id, see_metric, NULL, err);
    return rc ? rc : mlo_artifact_each(t->l, row->id, see_artifact, NULL, err);
}

static int see_name(void *ctx, const struct mlo_name_row *row, struct mlo_err *err)
{
    const struct tally *t = ctx;
    must(row->kind && row->name);
    return mlo_name_history(t->l, row->kind, row->name, 10, see_effect, NULL, err);
}

static int see_root(void *ctx, const struct mlo_digest *d, const char *why, int64_t run, struct mlo_err *err)
{
    (void)ctx, (void)run, (void)err;
    must(d && why);
    return 0;
}

static void plan(struct mlo_ledger *l, int64_t run, struct mlo_undo_opts opts)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_undo_plan *p = NULL;
    int rc = mlo_undo_plan(l, run, &opts, NULL, 0, &p, &err);
    must(rc == 0 || (rc == err.code && *err.msg));
    if (!rc)
        rc = mlo_undo_plan_each(p, see_effect, NULL, &err);
    mlo_undo_plan_free(p);
}

static int list(struct mlo_ledger *l, struct mlo_err *err)
{
    struct tally t = {.l = l};
    struct mlo_run_filter all = {.limit = 100};
    steps = 0;
    int rc = mlo_run_each(l, &all, see_run, &t, err);
    if (!rc)
        rc = mlo_name_each(l, NULL, see_name, &t, err);
    if (!rc)
        rc = mlo_ledger_roots(l, 0, see_root, NULL, err);
    for (size_t i = 0; i < t.n; i++) {
        plan(l, t.runs[i], (struct mlo_undo_opts){.cascade = i % 2});
        plan(l, t.runs[i], (struct mlo_undo_opts){.after = true, .force = i % 2, .partial = true});
    }
    return rc;
}

static void look(struct mlo_ledger *l)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_ledger_verify_opts deep = {.deep = true};
    uint64_t rows = 0;
    sqlite3_progress_handler(l->db, 1000, stop, NULL);
    steps = 0;
    int verified = mlo_ledger_verify(l, &deep, &rows, &err);
    must(verified == 0 || (verified == err.code && *err.msg));
    struct mlo_err listed = MLO_ERR_INIT;
    int rc = list(l, &listed);
    must(rc == 0 || (rc == listed.code && *listed.msg));
    must(verified != 0 || rc == 0 || steps > STEPS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char path[128];
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_ledger *l = NULL;
    if (n > INPUT_MAX)
        return 0;
    make_home();
    snprintf(path, sizeof path, "%s/ledger.db", home);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(fd >= 0 && mlo_write_all(fd, data, n, &err) == 0);
    close(fd);
    int rc = mlo_ledger_open(home, MLO_LEDGER_READ, &l, &err);
    must(rc == 0 || (rc == err.code && *err.msg));
    if (!rc)
        look(l);
    mlo_ledger_close(l);
    for (const char *const *c = (const char *const[]){"", "-wal", "-shm", "-journal", NULL}; *c; c++) {
        snprintf(path, sizeof path, "%s/ledger.db%s", home, *c);
        unlink(path);
    }
    return 0;
}

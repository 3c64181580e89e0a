/*
 * A check that comes again, from cron or a scheduler: one at a time for each name, a run of the ledger with
 * figures and report, of what is new, with an alarm that may wait for some of several checks.
 *
 * The run ends when the hooks have been called: a check that dies in between has not taken place, and the
 * next one finds the same data, judges it and calls them (again). An alarm may be told twice, never not at
 * all.
 */
#include "drift.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>

#define CHECKS_MAX   1000 /* of --alarm-after */
#define HOOK_TIMEOUT "60s"

struct watch {
    struct mlo_ctx *ctx;
    struct mlo_drift_args args; /* as given, with the files that are new */
    const struct mlo_drift_settings *settings;
    const char *name, *on_drift, *webhook;
    uint64_t needed, of; /* --alarm-after */
    uint64_t cool_down_ns, timeout_ns;
    char reference[MLO_CHECK_NAME_MAX + 16]; /* "baseline:NAME" */
    struct mlo_strings files;                /* owned list */
    struct mlo_since *since;                 /* owned; NULL without --since */
    struct mlo_workspace ws;                 /* between begin and end */
    struct mlo_drift_inputs in;
    struct mlo_drift_report *r; /* owned */
    struct mlo_drift_history history;
    struct mlo_digest report; /* as JSON, in the store */
    const char *hooks;        /* "none", "called", "failed", "cool-down" */
};

/* ---- what was asked ---- */

bool mlo_drift_is_watched(const struct mlo_drift_args *o, const struct mlo_drift_settings *s)
{
    const struct mlo_drift_watch_args *w = &o->watch;
    return w->record || w->name || w->since || w->alarm_after || w->cool_down || w->on_drift || w->webhook ||
           w->hook_timeout || w->accept ||
           (!o->compat && s->watch.record && strcmp(s->watch.record, "true") == 0);
}

static int parse_alarm(const char *text, struct watch *w, struct mlo_err *err)
{
    char first[8];
    const char *slash = strchr(text, '/');
    size_t n = slash ? (size_t)(slash - text) : 0;
    if (!slash || n >= sizeof first)
        return mlo_fail(err, MLO_EUSAGE, "--alarm-after takes K/N, such as 2/3");
    snprintf(first, sizeof first, "%.*s", (int)n, text);
    int rc = mlo_parse_u64(slash + 1, 1, CHECKS_MAX, "N of --alarm-after", &w->of, err);
    return rc == 0 ? mlo_parse_u64(first, 1, w->of, "K of --alarm-after", &w->needed, err) : rc;
}

static const char *either(const char *option, const char *setting, const char *otherwise)
{
    return option ? option : setting ? setting : otherwise;
}

/* `-r baseline` is that of this check. */
static void choose_reference(struct watch *w)
{
    if (strcmp(w->args.reference, MLO_BASELINE) != 0 || access(MLO_BASELINE, F_OK) == 0)
        return;
    snprintf(w->reference, sizeof w->reference, MLO_BASELINE ":%s", w->name);
    w->args.reference = w->reference;
}

/* Said before anything is read, and without the address, which is a secret. */
static int check_webhook(const char *url, struct mlo_err *err)
{
    if (!url || strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0)
        return 0;
    return mlo_fail(err, MLO_EUSAGE, "--webhook takes an address that begins with https://");
}

static int check_record(const char *text, struct mlo_err *err)
{
    if (!text || strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        return 0;
    return mlo_fail(err, MLO_EUSAGE, "drift.record must be true or false");
}

static int choose(struct watch *w, struct mlo_err *err)
{
    const struct mlo_drift_watch_args *o = &w->args.watch;
    const struct mlo_drift_watch_settings *s = &w->settings->watch;
    w->name = o->name ? o->name : MLO_CHECK_NAME;
    w->on_drift = either(o->on_drift, s->on_drift, NULL);
    w->webhook = either(o->webhook, s->webhook, NULL);
    if (w->args.compat)
        return mlo_fail(err, MLO_EUSAGE,
                        "--compat answers as another tool does: such a check is not recorded");
    int rc = mlo_check_name(w->name, "--name", err);
    if (rc == 0)
        rc = check_record(s->record, err);
    if (rc == 0)
        rc = check_webhook(w->webhook, err);
    if (rc == 0)
        rc = parse_alarm(either(o->alarm_after, s->alarm_after, "1/1"), w, err);
    if (rc == 0)
        rc = mlo_parse_duration(either(o->cool_down, s->cool_down, "0s"), "--cool-down", &w->cool_down_ns,
                                err);
    if (rc == 0)
        rc = mlo_parse_duration(either(o->hook_timeout, s->hook_timeout, HOOK_TIMEOUT), "--hook-timeout",
                                &w->timeout_ns, err);
    if (rc == 0 && w->timeout_ns > INT64_MAX / 2)
        rc = mlo_fail(err, MLO_EUSAGE, "--hook-timeout is too long");
    choose_reference(w);
    return rc;
}

/* ---- one at a time ---- */

/* A file for each name, whose lock goes with the process. */
static int lock_name(const struct watch *w, int *ret_fd, struct mlo_err *err)
{
    MLO_AUTOFREE char *home = NULL;
    MLO_AUTOSTR struct mlo_str path;
    mlo_str_init(&path, PATH_MAX);
    int rc = mlo_home_find(w->ctx, &home, err);
    if (rc == 0) {
        mlo_str_addf(&path, "%s/checks", home);
        rc = mlo_str_check(&path, err);
    }
    if (rc == 0)
        rc = mlo_mkdirs_at(AT_FDCWD, path.ptr, 0700, err);
    if (rc == 0) {
        mlo_str_addf(&path, "/%s.lock", w->name);
        rc = mlo_str_check(&path, err);
    }
    if (rc != 0)
        return rc;
    MLO_AUTOCLOSE int fd = open(path.ptr, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return mlo_fail_errno(err, "'%s'", path.ptr);
    rc = mlo_lock_fd(fd, true, 0, NULL, NULL, err);
    if (rc == MLO_ECONFLICT) {
        mlo_fail(err, rc, "a check named '%s' is under way", w->name);
        return mlo_hint(err, "checks of other data have names of their own: --name");
    }
    if (rc == 0)
        *ret_fd = mlo_steal_fd(&fd);
    return rc;
}

/* ---- the record ---- */

static int put_blob(struct watch *w, const char *kind, const char *text, size_t n, struct mlo_digest *ret,
                    struct mlo_err *err)
{
    int rc = mlo_store_put(w->ws.store, text, n, ret, err);
    return rc == 0 ? mlo_run_artifact(w->ws.run, kind, ret, n, err) : rc;
}

static int put_profile(struct watch *w, const char *kind, const struct mlo_profile *p, struct mlo_digest *ret,
                       struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    int rc = mlo_profile_write(p, &text, err);
    return rc == 0 ? put_blob(w, kind, text.ptr, text.len, ret, err) : rc;
}

/* What --json would print of the comparison. */
static int put_report(struct watch *w, struct mlo_err *err)
{
    struct mlo_ctx as = *w->ctx;
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    as.json = true;
    as.report = out ? mlo_report_new(&as) : NULL;
    int rc = as.report ? 0 : mlo_fail_nomem(err);
    if (rc == 0) {
        mlo_drift_show(&as, &w->args, w->r);
        rc = mlo_report_print(as.report, out, err);
    }
    mlo_report_free(as.report);
    if (out && fclose(out) != 0 && rc == 0)
        rc = mlo_fail_nomem(err);
    return rc == 0 ? put_blob(w, "drift-report", text, n, &w->report, err) : rc;
}

static int put_page(struct watch *w, struct mlo_err *err)
{
    struct mlo_digest d;
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    int rc = mlo_drift_html(w->r, &text, err);
    return rc == 0 ? put_blob(w, "drift-page", text.ptr, text.len, &d, err) : rc;
}

static int put_since(struct watch *w, struct mlo_err *err)
{
    struct mlo_digest d;
    char kind[MLO_CHECK_NAME_MAX + 32];
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    snprintf(kind, sizeof kind, MLO_SINCE_KIND "%s", w->name);
    int rc = mlo_since_write(w->since, &text, &n, err);
    return rc == 0 ? put_blob(w, kind, text, n, &d, err) : rc;
}

static bool is_compared(const struct mlo_drift_column *c)
{
    return c->counts_reference && isfinite(c->psi);
}

/* Of the columns that changed the one with the largest PSI; NULL: none did, or none could be compared. */
static const struct mlo_drift_column *worst(const struct mlo_drift_report *r, bool changed)
{
    const struct mlo_drift_column *most = NULL;
    for (size_t i = 0; i < r->n_columns; i++) {
        const struct mlo_drift_column *c = &r->columns[i];
        if (is_compared(c) && (!changed || mlo_drift_is_alarm(c)) && (!most || c->psi > most->psi))
            most = c;
    }
    return most;
}

/* One figure for each name: of facts about several columns the first, which is the worst. */
static int note_facts(struct watch *w, struct mlo_err *err)
{
    const struct mlo_drift_report *r = w->r;
    char key[96];
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < r->n_facts; i++) {
        size_t first = 0;
        while (strcmp(r->facts[first].name, r->facts[i].name) != 0)
            first++;
        snprintf(key, sizeof key, "fact:%s", r->facts[i].name);
        if (first == i && isfinite(r->facts[i].current))
            rc = mlo_run_metric(w->ws.run, key, r->facts[i].current, err);
    }
    return rc;
}

static int note_figures(struct watch *w, struct mlo_err *err)
{
    const struct mlo_drift_column *c = worst(w->r, false);
    struct mlo_run *run = w->ws.run;
    int rc = mlo_run_metric(run, "rows_reference", (double)w->r->rows_reference, err);
    if (rc == 0)
        rc = mlo_run_metric(run, "rows_current", (double)w->r->rows_current, err);
    if (rc == 0)
        rc = mlo_run_metric(run, "share_drifted", w->r->share_drifted, err);
    if (rc == 0 && c)
        rc = mlo_run_metric(run, "worst_psi", c->psi, err);
    return rc == 0 ? note_facts(w, err) : rc;
}

static int record(struct watch *w, struct mlo_err *err)
{
    struct mlo_digest d;
    int rc = note_figures(w, err);
    if (rc == 0)
        rc = put_profile(w, "reference-profile", w->in.reference, &d, err);
    if (rc == 0)
        rc = put_profile(w, "current-profile", w->in.current, &d, err);
    if (rc == 0)
        rc = put_report(w, err);
    if (rc == 0 && w->args.html)
        rc = put_page(w, err);
    return rc == 0 && w->since ? put_since(w, err) : rc;
}

/* ---- the baseline ---- */

/* The data is read once more: the bins of a baseline are its own, not those of what it was compared with. */
static int accept(struct watch *w, struct mlo_err *err)
{
    struct mlo_profile *p = NULL;
    int rc = mlo_drift_inputs_own(w->ctx, &w->args, w->settings, w->in.reference, &p, err);
    if (rc == 0)
        rc = mlo_baseline_put(&w->ws, w->name, p, err);
    mlo_profile_free(p);
    return rc;
}

static int check_accept(const struct watch *w, struct mlo_err *err)
{
    for (size_t i = 0; w->args.watch.accept && i < w->args.current.n; i++)
        if (strcmp(w->args.current.items[i], "-") == 0)
            return mlo_fail(err, MLO_EUSAGE,
                            "--accept reads the data twice: it cannot come through standard input");
    return 0;
}

/* ---- the alarm ---- */

static bool drifted(const struct watch *w)
{
    return w->r->verdict == MLO_VERDICT_DRIFT;
}

static bool is_alarm(const struct watch *w)
{
    return !w->args.watch.accept && drifted(w) && w->history.drifted + 1 >= w->needed;
}

/* A clock that went back does not keep an alarm waiting. */
static bool cools_down(const struct watch *w)
{
    int64_t passed = mlo_time_now() - w->history.called_ns;
    return w->history.called && passed >= 0 && (uint64_t)passed < w->cool_down_ns;
}

static int blob_path(const struct watch *w, struct mlo_str *out, struct mlo_err *err)
{
    char hex[MLO_DIGEST_HEX + 1];
    mlo_str_addf(out, "%s/store/blobs/sha256/%s", w->ws.home, mlo_digest_hex(&w->report, hex));
    return mlo_str_check(out, err);
}

static int page_path(const struct watch *w, struct mlo_str *out, struct mlo_err *err)
{
    char *whole = w->args.html && strcmp(w->args.html, "-") != 0 ? realpath(w->args.html, NULL) : NULL;
    mlo_str_add(out, whole ? whole : "");
    free(whole);
    return mlo_str_check(out, err);
}

/* A hook that fails changes no verdict; it is told, recorded, and called again by the next check. */
static bool went_well(struct watch *w, const char *which, int rc, struct mlo_err *err)
{
    if (rc == 0)
        return true;
    mlo_warn(w->ctx, "%s failed, the next check with an alarm tries again: %s", which, err->msg);
    if (*err->hint)
        mlo_warn(w->ctx, "%s", err->hint);
    return false;
}

static bool call_both(struct watch *w, const struct mlo_drift_alarm *a)
{
    struct mlo_err err = MLO_ERR_INIT;
    bool good = true;
    if (w->on_drift)
        good = went_well(w, "--on-drift", mlo_drift_call_command(w->ctx, w->on_drift, a, w->timeout_ns, &err),
                         &err);
    err = MLO_ERR_INIT;
    if (w->webhook)
        good &= went_well(w, "--webhook", mlo_drift_call_webhook(w->ctx, w->webhook, a, w->timeout_ns, &err),
                          &err);
    return good;
}

static int call_hooks(struct watch *w, struct mlo_err *err)
{
    const struct mlo_drift_column *c = worst(w->r, true);
    MLO_AUTOSTR struct mlo_str report, page;
    mlo_str_init(&report, PATH_MAX);
    mlo_str_init(&page, PATH_MAX);
    int rc = blob_path(w, &report, err);
    if (rc == 0)
        rc = page_path(w, &page, err);
    if (rc != 0)
        return rc;
    const struct mlo_drift_alarm a = {.name = w->name,
                                      .run = mlo_run_id(w->ws.run),
                                      .sentence = w->r->sentence,
                                      .column = c ? c->name : "",
                                      .psi = c ? c->psi : 0,
                                      .share = w->r->share_drifted,
                                      .page = page.ptr,
                                      .report = report.ptr,
                                      .drifted = w->history.drifted + 1,
                                      .checks = w->history.checks + 1};
    w->hooks = call_both(w, &a) ? "called" : "failed";
    return mlo_interrupted() ? mlo_fail(err, MLO_EIO, "interrupted while the hooks were called") : 0;
}

static int raise_alarm(struct watch *w, struct mlo_err *err)
{
    struct mlo_run *run = w->ws.run;
    bool alarm = is_alarm(w);
    int rc = mlo_drift_history_note(run, MLO_CHECK_DRIFT, w->name, drifted(w), err);
    if (rc == 0)
        rc = mlo_drift_history_note(run, MLO_CHECK_ALARM, w->name, alarm, err);
    if (rc == 0 && w->args.watch.accept)
        rc = mlo_drift_history_note(run, MLO_CHECK_ACCEPTED, w->name, true, err);
    if (rc != 0 || !alarm || !(w->on_drift || w->webhook))
        return rc;
    if (cools_down(w))
        w->hooks = "cool-down";
    else
        rc = call_hooks(w, err);
    return rc == 0 && strcmp(w->hooks, "cool-down") != 0
               ? mlo_drift_history_note(run, MLO_CHECK_CALLED, w->name, strcmp(w->hooks, "called") == 0, err)
               : rc;
}

/* ---- what is shown ---- */

static void tell_json(struct watch *w, int64_t run)
{
    struct mlo_report *r = w->ctx->report;
    mlo_report_text(r, "name", "check", w->name);
    mlo_report_u64(r, "run", "run", (uint64_t)run);
    mlo_report_bool(r, "nothing_new", "nothing new", false);
    mlo_report_bool(r, "alarm", "alarm", is_alarm(w));
    mlo_report_u64(r, "checks", "checks", w->history.checks + 1);
    mlo_report_u64(r, "checks_drifted", "of them with drift", w->history.drifted + drifted(w));
    mlo_report_bool(r, "accepted", "accepted", w->args.watch.accept);
    mlo_report_text(r, "hooks", "hooks", w->hooks);
}

static void tell_text(struct watch *w, int64_t run)
{
    struct mlo_report *r = w->ctx->report;
    unsigned bad = w->history.drifted + drifted(w);
    mlo_report_note(r, "run %lld, check '%s'", (long long)run, w->name);
    if (w->args.watch.accept)
        mlo_report_note(
            r, "accepted: the baseline '%s' is this data now; `mlopsctl rollback %lld` takes it back",
            w->name, (long long)run);
    else if (drifted(w) && !is_alarm(w))
        mlo_report_note(r, "no alarm yet: %u of the last %u checks drifted, %llu of %llu would be one", bad,
                        w->history.checks + 1, (unsigned long long)w->needed, (unsigned long long)w->of);
    if (strcmp(w->hooks, "cool-down") == 0)
        mlo_report_note(r, "the hooks were not called: they were within the last --cool-down");
}

static void tell(struct watch *w, int64_t run)
{
    struct mlo_ctx *ctx = w->ctx;
    if (ctx->quiet && !ctx->json && !is_alarm(w))
        return;
    if (ctx->json)
        tell_json(w, run);
    else if (ctx->quiet) /* what a mail from cron begins with */
        mlo_report_text(ctx->report, "verdict", w->name, w->r->sentence);
    mlo_drift_tell(ctx, &w->args, w->settings, &w->in, w->r);
    if (!ctx->json)
        tell_text(w, run);
}

static void tell_nothing_new(struct watch *w)
{
    struct mlo_report *r = w->ctx->report;
    if (!w->ctx->json) {
        mlo_report_say(r, "nothing new since the last check '%s'", w->name);
        return;
    }
    mlo_report_text(r, "name", "check", w->name);
    mlo_report_bool(r, "nothing_new", "nothing new", true);
    mlo_report_bool(r, "drift", "drift", false);
    mlo_report_bool(r, "alarm", "alarm", false);
}

/* ---- the check ---- */

static int compare(struct watch *w, struct mlo_err *err)
{
    int rc = w->since ? mlo_since_files(w->since, mlo_run_folder(w->ws.run), &w->files, err) : 0;
    if (rc == 0 && w->since)
        w->args.current = w->files;
    if (rc == 0)
        rc = mlo_drift_inputs_read(w->ctx, &w->args, w->settings, &w->in, err);
    if (rc == 0 && w->since)
        rc = mlo_since_name(w->since, &w->in.name_current, err);
    return rc == 0 ? mlo_drift_judge(&w->args, w->settings, &w->in, &w->r, err) : rc;
}

static int check(struct watch *w, struct mlo_err *err)
{
    int rc = compare(w, err);
    if (rc == 0)
        rc = mlo_drift_write(&w->args, w->r, err);
    if (rc == 0)
        rc = mlo_drift_history_read(w->ws.ledger, w->name, (unsigned)w->of, &w->history, err);
    if (rc == 0)
        rc = record(w, err);
    if (rc == 0 && w->args.watch.accept)
        rc = accept(w, err);
    if (rc == 0)
        rc = raise_alarm(w, err);
    return rc == 0 && is_alarm(w) ? MLO_NO : rc;
}

static int check_as_run(struct watch *w, struct mlo_err *err)
{
    int rc = mlo_workspace_begin(w->ctx, &w->ws, 0, err);
    if (rc != 0)
        return rc;
    int64_t run = mlo_run_id(w->ws.run);
    rc = mlo_workspace_end(&w->ws, check(w, err), err);
    if (rc == 0 || rc == MLO_NO)
        tell(w, run);
    return rc;
}

/* Without a run: looking is none. What died runs left is finished all the same, as every check does. */
static int plan(struct watch *w, struct mlo_err *err)
{
    struct mlo_workspace ws = {0};
    int rc = w->args.watch.since ? mlo_workspace_read(w->ctx, &ws, err) : 0;
    if (rc == 0 && w->args.watch.since)
        rc = mlo_since_plan(w->ctx, &ws, w->name, &w->args.current, &w->since, err);
    if (rc == 0 && w->since && mlo_since_new(w->since) == 0)
        rc = mlo_workspace_recover(&ws, NULL, NULL, err);
    mlo_workspace_close(&ws);
    return rc;
}

int mlo_drift_watch(struct mlo_ctx *ctx, const struct mlo_drift_args *o, const struct mlo_drift_settings *s,
                    struct mlo_err *err)
{
    struct watch w = {.ctx = ctx, .args = *o, .settings = s, .hooks = "none"};
    MLO_AUTOCLOSE int lock = -1;
    mlo_drift_inputs_init(&w.in);
    int rc = choose(&w, err);
    if (rc == 0)
        rc = check_accept(&w, err);
    if (rc == 0)
        rc = lock_name(&w, &lock, err);
    if (rc == 0)
        rc = plan(&w, err);
    if (rc == 0 && w.since && mlo_since_new(w.since) == 0)
        tell_nothing_new(&w);
    else if (rc == 0)
        rc = check_as_run(&w, err);
    mlo_drift_report_free(w.r);
    mlo_drift_inputs_release(&w.in);
    mlo_since_free(w.since);
    free(w.files.items);
    return rc;
}

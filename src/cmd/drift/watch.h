/* mlopsctl drift as a check that comes again: recorded in the ledger, of what is new since the last one, with
 * an alarm that waits for some of several checks, and hooks. */
#ifndef MLOPSCTL_CMD_DRIFT_WATCH_H
#define MLOPSCTL_CMD_DRIFT_WATCH_H

#include <mlopsctl/cli.h>
#include <mlopsctl/drift.h>

#include "cmd/shared/workspace.h"

struct mlo_drift_watch_args { /* of the command line */
    const char *name, *since, *alarm_after, *cool_down, *on_drift, *webhook, *hook_timeout;
    bool record, accept;
};
/* Of a struct with a member `watch`. */
#define MLO_DRIFT_WATCH_OPTIONS(s)                                                                           \
    {.name = "record",                                                                                       \
     .type = MLO_OPT_FLAG,                                                                                   \
     .help = "the check is a run of the ledger, with figures and report; so it is with any option below",    \
     .offset = offsetof(s, watch.record)},                                                                   \
        {.name = "name",                                                                                     \
         .type = MLO_OPT_STRING,                                                                             \
         .arg = "NAME",                                                                                      \
         .help = "of the check: its history, its baseline and its lock are its own (default)",               \
         .offset = offsetof(s, watch.name)},                                                                 \
        {.name = "since",                                                                                    \
         .type = MLO_OPT_CHOICE,                                                                             \
         .arg = "WHEN",                                                                                      \
         .help = "only what is new since the last check of this name: files, and what was added to them; "   \
                 "nothing new is exit status 0",                                                             \
         .offset = offsetof(s, watch.since),                                                                 \
         .choices = "last"},                                                                                 \
        {.name = "alarm-after",                                                                              \
         .type = MLO_OPT_STRING,                                                                             \
         .arg = "K/N",                                                                                       \
         .help = "an alarm, and exit status 1, only when K of the last N checks drifted (1/1)",              \
         .offset = offsetof(s, watch.alarm_after)},                                                          \
        {.name = "cool-down",                                                                                \
         .type = MLO_OPT_STRING,                                                                             \
         .arg = "DURATION",                                                                                  \
         .help = "after an alarm that was passed on, call the hooks again only when so long has gone by",    \
         .offset = offsetof(s, watch.cool_down)},                                                            \
        {.name = "on-drift",                                                                                 \
         .type = MLO_OPT_STRING,                                                                             \
         .arg = "COMMAND",                                                                                   \
         .help = "on an alarm, run this with /bin/sh; variables DRIFT_... say what was found",               \
         .offset = offsetof(s, watch.on_drift)},                                                             \
        {.name = "webhook",                                                                                  \
         .type = MLO_OPT_STRING,                                                                             \
         .arg = "URL",                                                                                       \
         .help = "on an alarm, post what was found there as JSON",                                           \
         .offset = offsetof(s, watch.webhook)},                                                              \
        {.name = "hook-timeout",                                                                             \
         .type = MLO_OPT_STRING,                                                                             \
         .arg = "DURATION",                                                                                  \
         .help = "how long command and webhook may take, each (60s)",                                        \
         .offset = offsetof(s, watch.hook_timeout)},                                                         \
    {                                                                                                        \
        .name = "accept", .type = MLO_OPT_FLAG,                                                              \
        .help = "the data is as it should be: from now on it is the baseline of this name; `mlopsctl "       \
                "rollback` takes that back",                                                                 \
        .offset = offsetof(s, watch.accept)                                                                  \
    }

/* ---- since.c: what a check has seen, and what is new ---- */

struct mlo_since; /* owned */
/* Looks at the files that the words stand for and at what the last check of this name saw. ledger and store
 * may be NULL: nothing was seen. */
int mlo_since_plan(struct mlo_ctx *ctx, const struct mlo_workspace *ws, const char *name,
                   const struct mlo_strings *words, struct mlo_since **ret,
                   struct mlo_err *err) MLO_MUST_CHECK;
/* How many files have something new. */
size_t mlo_since_new(const struct mlo_since *s);
/* The files to read: as they are, or for those that grew a copy of what was added, with the header, in
 * `folder`. `ret`: names borrowed from s. */
int mlo_since_files(struct mlo_since *s, const char *folder, struct mlo_strings *ret,
                    struct mlo_err *err) MLO_MUST_CHECK;
/* What they are called in the report. */
int mlo_since_name(const struct mlo_since *s, struct mlo_str *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* What the next check has to know, as JSON. */
int mlo_since_write(const struct mlo_since *s, char **ret, size_t *ret_n, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_since_free(struct mlo_since *s);
/* Kind of the artifact that holds it: "state:drift-NAME". */
#define MLO_SINCE_KIND "state:drift-"

/* ---- history.c: the checks before, out of the ledger ---- */

struct mlo_drift_history {
    unsigned checks, drifted; /* of the last n - 1, since the baseline was accepted last */
    bool called;              /* hooks were, in one of them or before */
    int64_t called_ns;
};
int mlo_drift_history_read(struct mlo_ledger *l, const char *name, unsigned n, struct mlo_drift_history *ret,
                           struct mlo_err *err) MLO_MUST_CHECK;
/* Metrics of a run that say it was a check, and how it went. */
#define MLO_CHECK_DRIFT    "drift:"
#define MLO_CHECK_ALARM    "alarm:"
#define MLO_CHECK_CALLED   "hooks-called:"
#define MLO_CHECK_ACCEPTED "accepted:"
int mlo_drift_history_note(struct mlo_run *run, const char *what, const char *name, bool yes,
                           struct mlo_err *err) MLO_MUST_CHECK;

/* ---- hooks.c: who is told ---- */

struct mlo_drift_alarm {
    const char *name;         /* of the check */
    int64_t run;              /* in the ledger */
    const char *sentence;     /* the verdict */
    const char *column;       /* the worst; "" when no column drifted */
    double psi, share;        /* of the worst column; share of drifted features */
    const char *page;         /* absolute path of the HTML page; "" without --html */
    const char *report;       /* absolute path of the report as JSON, in the store */
    unsigned drifted, checks; /* of the last checks, this one included */
};
/* What it prints goes to standard error. MLO_EIO: it failed, or took too long and was ended. MLO_EUNAVAIL: no
 * shell. */
int mlo_drift_call_command(struct mlo_ctx *ctx, const char *command, const struct mlo_drift_alarm *a,
                           uint64_t timeout_ns, struct mlo_err *err) MLO_MUST_CHECK;
/* MLO_EREMOTE: no answer in time, or one that is no success. Sent once more only when it surely never
 * arrived. */
int mlo_drift_call_webhook(struct mlo_ctx *ctx, const char *url, const struct mlo_drift_alarm *a,
                           uint64_t timeout_ns, struct mlo_err *err) MLO_MUST_CHECK;

#endif

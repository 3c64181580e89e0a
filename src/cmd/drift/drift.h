/* The parts of mlopsctl drift: its options, its two inputs, its output. */
#ifndef MLOPSCTL_CMD_DRIFT_H
#define MLOPSCTL_CMD_DRIFT_H

#include <mlopsctl/cli.h>
#include <mlopsctl/drift.h>

#include "settings.h"
#include "watch.h"
#include "cmd/shared/tables.h"

/* ---- options.c ---- */

struct mlo_drift_args { /* the command line */
    struct mlo_strings current, fail_on;
    struct mlo_role_opts roles;
    const char *window, *from, *to, *reference_from, *reference_to;
    const char *reference, *format, *html, *junit, *prometheus, *tests, *compat;
    double psi, p, share; /* NaN: not given */
    uint64_t threads;
    bool all, github, exact, classifier;
    struct mlo_drift_watch_args watch;
};
extern const struct mlo_opt mlo_drift_options[];
extern const struct mlo_drift_args mlo_drift_defaults;
/* What the settings say, and over it what the command line says. */
int mlo_drift_settings_choose(struct mlo_ctx *ctx, const struct mlo_drift_args *o,
                              struct mlo_drift_settings *s, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- inputs.c: what is compared ---- */

struct mlo_drift_inputs {
    struct mlo_profile *reference, *current; /* owned */
    struct mlo_windows *windows;             /* owned; NULL without --window */
    struct mlo_str name_current;
};
void mlo_drift_inputs_init(struct mlo_drift_inputs *in);
void mlo_drift_inputs_release(struct mlo_drift_inputs *in);
/* Both sides as profiles with the same bins. */
int mlo_drift_inputs_read(struct mlo_ctx *ctx, const struct mlo_drift_args *o,
                          const struct mlo_drift_settings *s, struct mlo_drift_inputs *in,
                          struct mlo_err *err) MLO_MUST_CHECK;
/* The current data in bins of its own, with the roles that roles_of has: to be compared with later. Owner of
 * *ret: the caller. */
int mlo_drift_inputs_own(struct mlo_ctx *ctx, const struct mlo_drift_args *o,
                         const struct mlo_drift_settings *s, const struct mlo_profile *roles_of,
                         struct mlo_profile **ret, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- exact.c ---- */

int mlo_drift_exact_choose(const struct mlo_drift_args *o, struct mlo_drift_opts *ret,
                           struct mlo_err *err) MLO_MUST_CHECK;
void mlo_drift_exact_show(struct mlo_ctx *ctx, const struct mlo_drift_opts *o,
                          const struct mlo_drift_report *d);

/* ---- time.c ---- */

/* The windows, and the columns that moved most as a line each. */
void mlo_drift_show_windows(struct mlo_ctx *ctx, const struct mlo_drift_report *d, bool all);

/* ---- compat.c: the whole command, as another tool would do it ---- */

int mlo_drift_compat_run(struct mlo_ctx *ctx, const struct mlo_drift_args *o,
                         const struct mlo_drift_settings *s, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- drift.c ---- */

/* The report on what was read, with windows when they were asked for; it borrows from o and in. */
int mlo_drift_judge(const struct mlo_drift_args *o, const struct mlo_drift_settings *s,
                    const struct mlo_drift_inputs *in, struct mlo_drift_report **ret,
                    struct mlo_err *err) MLO_MUST_CHECK;
/* All that a person or --json is shown, with warnings. */
void mlo_drift_tell(struct mlo_ctx *ctx, const struct mlo_drift_args *o, const struct mlo_drift_settings *s,
                    const struct mlo_drift_inputs *in, const struct mlo_drift_report *r);

/* ---- watch.c: the whole command as a run of the ledger ---- */

bool mlo_drift_is_watched(const struct mlo_drift_args *o, const struct mlo_drift_settings *s);
int mlo_drift_watch(struct mlo_ctx *ctx, const struct mlo_drift_args *o, const struct mlo_drift_settings *s,
                    struct mlo_err *err) MLO_MUST_CHECK;

/* ---- output.c ---- */

/* A cell; in text three digits. */
void mlo_drift_put(struct mlo_report *r, double v, bool there, bool json);

/* On the terminal or as JSON. */
void mlo_drift_show(struct mlo_ctx *ctx, const struct mlo_drift_args *o, const struct mlo_drift_report *d);
/* The files that were asked for, and the annotations. */
int mlo_drift_write(const struct mlo_drift_args *o, const struct mlo_drift_report *d,
                    struct mlo_err *err) MLO_MUST_CHECK;

#endif

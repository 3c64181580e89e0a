/* The section `drift` of mlops.yaml: limits, and what is said about single columns. */
#ifndef MLOPSCTL_CMD_DRIFT_SETTINGS_H
#define MLOPSCTL_CMD_DRIFT_SETTINGS_H

#include <mlopsctl/cli.h>
#include <mlopsctl/drift.h>

struct mlo_drift_watch_settings {                                            /* of checks that are recorded */
    const char *alarm_after, *cool_down, *on_drift, *webhook, *hook_timeout; /* as written; NULL: not given */
    const char *record;                                                      /* "true": every check is */
};
struct mlo_drift_settings {
    struct mlo_drift_opts opts; /* columns: borrowed from `columns` */
    struct mlo_drift_column_opts *columns;
    struct mlo_table_column *types; /* of columns whose type is given */
    struct mlo_column_use *roles;   /* of columns whose role is given */
    size_t n_columns, cap_columns, n_types, cap_types, n_roles, cap_roles;
    struct mlo_drift_watch_settings watch;
    struct mlo_arena names;
};
void mlo_drift_settings_init(struct mlo_drift_settings *s);
void mlo_drift_settings_release(struct mlo_drift_settings *s);
/* What the files say. MLO_EUSAGE with file and line for a key or value that is none. */
int mlo_drift_settings_read(struct mlo_ctx *ctx, struct mlo_drift_settings *s,
                            struct mlo_err *err) MLO_MUST_CHECK;
/* An option that stands for a key ("psi"): it is stronger. */
int mlo_drift_settings_option(struct mlo_drift_settings *s, const char *key, double v,
                              struct mlo_err *err) MLO_MUST_CHECK;

#endif

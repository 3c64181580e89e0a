/*
 * Settings: one table of keys; values come from options, environment (MLOPSCTL_*), project file (mlops.yaml), user file, system
 * file, defaults, in that order of strength. libyaml is used only here.
 */
#ifndef MLOPSCTL_CONFIG_H
#define MLOPSCTL_CONFIG_H

#include <mlopsctl/base/str.h>

enum mlo_setting_type { MLO_SET_STRING, MLO_SET_BOOL, MLO_SET_INT, MLO_SET_DOUBLE, MLO_SET_SIZE, MLO_SET_DURATION, MLO_SET_LIST };
struct mlo_setting { /* one row of the table: also the source of mlops.yaml(5) */
    const char *key;  /* "gc.retention" */
    enum mlo_setting_type type;
    const char *def;  /* default as text, NULL for none */
    const char *help;
};
extern const struct mlo_setting mlo_settings[];
extern const size_t mlo_n_settings;

struct mlo_config;
struct mlo_config_paths { const char *project, *user, *system; }; /* files, each may be NULL or absent */
/* env: array "KEY=VALUE" ending in NULL (main passes environ), may be NULL. Unknown keys: MLO_EUSAGE naming file, line and the nearest key. */
int mlo_config_load(const struct mlo_config_paths *paths, char *const *env, struct mlo_config **ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_config_free(struct mlo_config *c);

/* Borrowed; default when not set; NULL when there is neither. Asking for a key that is not in the table is a bug. */
const char *mlo_config_get(const struct mlo_config *c, const char *key);
int mlo_config_size(const struct mlo_config *c, const char *key, uint64_t *ret, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_config_duration(const struct mlo_config *c, const char *key, uint64_t *ret_ns, struct mlo_err *err) MLO_MUST_CHECK;
bool mlo_config_bool(const struct mlo_config *c, const char *key);
/* For config --show-origin: "mlops.yaml:12", "environment MLOPSCTL_GC_RETENTION", "default". Borrowed. */
const char *mlo_config_origin(const struct mlo_config *c, const char *key);
/* Free-form sections of mlops.yaml that belong to a command ("drift", "validate", "remotes"): children of a mapping, by dotted path. */
int mlo_config_each(const struct mlo_config *c, const char *prefix, int (*fn)(void *ctx, const char *key, const char *value, struct mlo_err *err), void *ctx,
                    struct mlo_err *err) MLO_MUST_CHECK;

#endif

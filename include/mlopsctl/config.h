/*
 * Settings: one table of keys; values come from options, environment (MLOPSCTL_*), project file (mlops.yaml),
 * user file, system file, defaults, in that order of strength. libyaml is used only here.
 */
#ifndef MLOPSCTL_CONFIG_H
#define MLOPSCTL_CONFIG_H

#include <mlopsctl/base/str.h>

#define MLO_CONFIG_FILE "mlops.yaml" /* of a project */

enum mlo_setting_type {
    MLO_SET_STRING,
    MLO_SET_BOOL,
    MLO_SET_U64,
    MLO_SET_SIZE,
    MLO_SET_DURATION,
    MLO_SET_CHOICE,
};
struct mlo_setting { /* one row of the table: also the source of mlops.yaml(5) */
    const char *key; /* "gc.retention" */
    enum mlo_setting_type type;
    const char *def;     /* default as text, NULL for none */
    const char *help;    /* one sentence, lower case, no full stop */
    const char *choices; /* "auto|always|never" */
};
extern const struct mlo_setting mlo_settings[];
extern const size_t mlo_n_settings;
/* Sections whose keys are names of the user's and belong to a command: read with mlo_config_each. */
struct mlo_section {
    const char *name, *help;
};
extern const struct mlo_section mlo_sections[];
extern const size_t mlo_n_sections;

struct mlo_config;
struct mlo_config_paths { /* files, each may be NULL or absent */
    const char *project, *user, *system;
};
/*
 * env: array "KEY=VALUE" ending in NULL, may be NULL. What is not YAML as we take it (no anchors, tags or
 * second documents, no key twice, 1 MiB) is MLO_EINVALID; unknown keys and values that are not of their type
 * are MLO_EUSAGE. Both name file and line.
 */
int mlo_config_load(const struct mlo_config_paths *paths, char *const *env, struct mlo_config **ret,
                    struct mlo_err *err) MLO_MUST_CHECK;
void mlo_config_free(struct mlo_config *c);
/*
 * The mlops.yaml of `folder` or of the nearest folder above it; MLO_ENOTFOUND when there is none. One above
 * that belongs neither to us, nor to root, nor to the owner of `folder` is passed over: nobody may leave
 * settings for others in /tmp. Owner: the caller.
 */
int mlo_config_find(const char *folder, char **ret, struct mlo_err *err) MLO_MUST_CHECK;

/* Borrowed; default when not set; NULL when there is neither. Asking for a key that is not in the table is a
 * bug. */
const char *mlo_config_get(const struct mlo_config *c, const char *key);
/* Values were checked when they were loaded. 0 or false for a setting without value. */
uint64_t mlo_config_u64(const struct mlo_config *c,
                        const char *key); /* also sizes in bytes, durations in ns */
bool mlo_config_bool(const struct mlo_config *c, const char *key);
/* For config --show-origin: "/home/ann/credit/mlops.yaml:12", "environment MLOPSCTL_GC_RETENTION", "default".
 * Borrowed. */
const char *mlo_config_origin(const struct mlo_config *c, const char *key);
/*
 * The values below a section, by what follows its name: prefix "remotes" gives "prod.url", elements of a list
 * "prod.tags.0". A value in a stronger file hides the same key in a weaker one. A non-zero return of fn stops
 * and is returned.
 */
int mlo_config_each(const struct mlo_config *c, const char *prefix,
                    int (*fn)(void *ctx, const char *key, const char *value, struct mlo_err *err), void *ctx,
                    struct mlo_err *err) MLO_MUST_CHECK;
/* "/home/ann/credit/mlops.yaml:12": where a value that mlo_config_each gave was written, for messages. key:
 * whole, "remotes.prod.url". Returns buf. */
#define MLO_CONFIG_WHERE 4128
const char *mlo_config_where(const struct mlo_config *c, const char *key, char buf[MLO_CONFIG_WHERE]);

/*
 * The text of a settings file with one entry more or less in a section, everything else (comments too) as it
 * was. What comes out is read again and compared before it is given: where the way the file is written does
 * not allow that (a section in braces), MLO_EUNAVAIL with the lines to write by hand. `file` stands in
 * messages.
 *
 * keys: "url", "s3://models", ..., NULL: the entry is `section.name` with these below it. MLO_ECONFLICT when
 * there is one of that name. name and keys: a-z, A-Z, 0-9, - and _.
 */
int mlo_config_add_entry(const char *file, const char *text, size_t n, const char *section, const char *name,
                         const char *const *keys, struct mlo_str *out, struct mlo_err *err) MLO_MUST_CHECK;
/* MLO_ENOTFOUND when there is none. */
int mlo_config_remove_entry(const char *file, const char *text, size_t n, const char *section,
                            const char *name, struct mlo_str *out, struct mlo_err *err) MLO_MUST_CHECK;
/* The values below section.name of one file's text: fn hears key and value. */
int mlo_config_read_entry(const char *file, const char *text, size_t n, const char *section, const char *name,
                          int (*fn)(void *ctx, const char *key, const char *value, struct mlo_err *err),
                          void *ctx, struct mlo_err *err) MLO_MUST_CHECK;
/*
 * The same for a whole section. block: "validate:\n  rows: ...\n", the lines that are to stand for it, or
 * NULL: none. They replace those of the section where they stand; a new section comes last.
 */
int mlo_config_put_section(const char *file, const char *text, size_t n, const char *section,
                           const char *block, struct mlo_str *out, struct mlo_err *err) MLO_MUST_CHECK;
/* The lines of the section as they are written, with the comments among them; *ret NULL when there is none.
 * Owner: the caller. */
int mlo_config_get_section(const char *file, const char *text, size_t n, const char *section, char **ret,
                           struct mlo_err *err) MLO_MUST_CHECK;

/*
 * A section whose keys are a command's own, as it is written: what a name holds (dots too) is told apart from
 * what stands below it. In order of the file; the members of a mapping or list follow it, one deeper.
 */
struct mlo_config_node {
    const char *key;   /* in its mapping; of a list: "0", "1", ... */
    const char *value; /* NULL: null, or a mapping or list */
    size_t line;       /* from 1 */
    unsigned depth;    /* 1: directly in the section */
    bool inner;        /* a mapping or list */
};
struct mlo_config_tree; /* owned */
/* MLO_ENOTFOUND when the file has no such section; what is not YAML as above is MLO_EINVALID. */
int mlo_config_tree_read(const char *file, const char *text, size_t n, const char *section,
                         struct mlo_config_tree **ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_config_tree_free(struct mlo_config_tree *t);
/* Borrowed. */
const struct mlo_config_node *mlo_config_tree_nodes(const struct mlo_config_tree *t, size_t *ret_n);

#endif

/*
 * The section `drift` as tables of keys. The name of a column is whatever stands between `columns.` and the
 * last part of the key: it may hold dots.
 */
#include "settings.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#include "cmd/shared/context.h"

#define COLUMNS_TEXT_MAX ((size_t)4 << 20)

void mlo_drift_settings_init(struct mlo_drift_settings *s)
{
    *s = (struct mlo_drift_settings){0};
    mlo_arena_init(&s->names, COLUMNS_TEXT_MAX);
}

void mlo_drift_settings_release(struct mlo_drift_settings *s)
{
    free(s->columns);
    free(s->types);
    free(s->roles);
    mlo_arena_release(&s->names);
}

/* ---- numbers ---- */

#define NO_MAX 1e300

struct number_key { /* a double at this place */
    const char *name;
    size_t offset;
    double max;
    bool zero; /* may be 0 */
};
static const struct number_key table_keys[] = {
    {"share", offsetof(struct mlo_drift_opts, share_limit), 1, true},
    {"psi", offsetof(struct mlo_drift_opts, feature.psi), NO_MAX, false},
    {"p", offsetof(struct mlo_drift_opts, feature.p), 1, false},
    {"missing", offsetof(struct mlo_drift_opts, feature.missing_change), 1, false},
    {"prediction.psi", offsetof(struct mlo_drift_opts, prediction.psi), NO_MAX, false},
    {"prediction.p", offsetof(struct mlo_drift_opts, prediction.p), 1, false},
    {"prediction.missing", offsetof(struct mlo_drift_opts, prediction.missing_change), 1, false},
    {"latency-p95-ms", offsetof(struct mlo_drift_opts, facts.latency_p95_ms), NO_MAX, false},
    {"error-rate", offsetof(struct mlo_drift_opts, facts.error_rate), 1, false},
    {"accuracy-drop", offsetof(struct mlo_drift_opts, facts.accuracy_drop), 1, false},
    {"auc-drop", offsetof(struct mlo_drift_opts, facts.auc_drop), 1, false},
    {"mean-error-rise", offsetof(struct mlo_drift_opts, facts.error_rise), NO_MAX, false},
    {"calibration-rise", offsetof(struct mlo_drift_opts, facts.calibration_rise), 1, false},
    {"domain-auc", offsetof(struct mlo_drift_opts, facts.domain_auc), 1, false},
};
static const struct number_key column_keys[] = {
    {"psi", offsetof(struct mlo_drift_column_opts, limits.psi), NO_MAX, false},
    {"p", offsetof(struct mlo_drift_column_opts, limits.p), 1, false},
    {"missing", offsetof(struct mlo_drift_column_opts, limits.missing_change), 1, false},
    {"importance", offsetof(struct mlo_drift_column_opts, importance), NO_MAX, false},
};

static const struct number_key *find_key(const struct number_key *keys, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

static int set_number(const struct number_key *k, void *into, double v, const char *what, struct mlo_err *err)
{
    if (!(v > 0 || (v >= 0 && k->zero)))
        return mlo_fail(err, MLO_EUSAGE, "%s must be %s 0", what, k->zero ? "at least" : "above");
    if (v > k->max)
        return mlo_fail(err, MLO_EUSAGE, "%s must be at most %g", what, k->max);
    memcpy((char *)into + k->offset, &v, sizeof v);
    return 0;
}

static int read_number(const struct number_key *k, void *into, const char *value, struct mlo_err *err)
{
    double v = 0;
    int rc = mlo_parse_double(value, k->name, &v, err);
    return rc != 0 ? rc : set_number(k, into, v, k->name, err);
}

int mlo_drift_settings_option(struct mlo_drift_settings *s, const char *key, double v, struct mlo_err *err)
{
    char option[64];
    snprintf(option, sizeof option, "--%s", key);
    const struct number_key *k = find_key(table_keys, MLO_COUNT(table_keys), key);
    return k ? set_number(k, &s->opts, v, option, err) : mlo_fail(err, MLO_EINTERNAL, "no setting %s", key);
}

/* ---- columns ---- */

static struct mlo_drift_column_opts *column_named(struct mlo_drift_settings *s, const char *name, size_t n,
                                                  struct mlo_err *err)
{
    for (size_t i = 0; i < s->n_columns; i++)
        if (strlen(s->columns[i].name) == n && memcmp(s->columns[i].name, name, n) == 0)
            return &s->columns[i];
    if (mlo_grow(&s->columns, &s->cap_columns, s->n_columns + 1, sizeof *s->columns, err) != 0)
        return NULL;
    const char *copy = mlo_arena_strndup(&s->names, name, n, err);
    if (!copy)
        return NULL;
    struct mlo_drift_column_opts *c = &s->columns[s->n_columns++];
    *c = (struct mlo_drift_column_opts){.name = copy, .limits = {.psi = -1, .p = -1, .missing_change = -1}};
    return c;
}

/* Which of "a|b|c" the word is. */
static int read_word(const char *const *words, size_t n, const char *key, const char *value, size_t *ret,
                     struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str all;
    mlo_str_init(&all, 256);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(words[i], value) == 0) {
            *ret = i;
            return 0;
        }
        mlo_str_addf(&all, "%s%s", i ? ", " : "", words[i]);
    }
    return mlo_fail(err, MLO_EUSAGE, "%s must be one of %s", key, all.ptr);
}

static int read_type(struct mlo_drift_settings *s, const char *name, const char *value, struct mlo_err *err)
{
    size_t which = 0;
    int rc = read_word(mlo_column_type_words, MLO_COLUMN_TYPES, "type", value, &which, err);
    if (rc == 0)
        rc = mlo_grow(&s->types, &s->cap_types, s->n_types + 1, sizeof *s->types, err);
    char *copy = rc == 0 ? mlo_arena_strndup(&s->names, name, strlen(name), err) : NULL;
    if (!copy)
        return rc != 0 ? rc : MLO_EIO;
    s->types[s->n_types++] = (struct mlo_table_column){.name = copy, .type = (enum mlo_column_type)which};
    return 0;
}

static int give_role(struct mlo_drift_settings *s, const struct mlo_drift_column_opts *c,
                     enum mlo_column_role role, struct mlo_err *err)
{
    int rc = mlo_grow(&s->roles, &s->cap_roles, s->n_roles + 1, sizeof *s->roles, err);
    if (rc == 0)
        s->roles[s->n_roles++] = (struct mlo_column_use){.name = c->name, .role = role, .optional = true};
    return rc;
}

static int read_role(struct mlo_drift_settings *s, struct mlo_drift_column_opts *c, const char *value,
                     struct mlo_err *err)
{
    if (mlo_role_parse(value, &c->role))
        return give_role(s, c, c->role, err);
    MLO_AUTOSTR struct mlo_str all;
    mlo_str_init(&all, 256);
    for (int r = MLO_ROLE_FEATURE; r < MLO_N_ROLES; r++)
        mlo_str_addf(&all, "%s%s", r ? ", " : "", mlo_role_word((enum mlo_column_role)r));
    return mlo_fail(err, MLO_EUSAGE, "role must be one of %s", all.ptr);
}

static int unknown_key(const char *of, const char *key, const struct number_key *keys, size_t n,
                       const char *const *others, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    struct mlo_nearest near = {.word = key};
    for (size_t i = 0; i < n; i++)
        mlo_nearest_offer(&near, keys[i].name);
    for (; *others; others++)
        mlo_nearest_offer(&near, *others);
    mlo_fail(err, MLO_EUSAGE, "%s has no setting '%s'", of, mlo_shown(key, strlen(key), shown));
    return near.best ? mlo_hint(err, "did you mean %s?", near.best) : mlo_hint(err, "see mlops.yaml(5)");
}

/* key: "age.psi", the name of the column and one of its settings. */
static int read_column(struct mlo_drift_settings *s, const char *key, const char *value, struct mlo_err *err)
{
    static const char *const others[] = {"type", "role", "ignore", NULL};
    const char *dot = strrchr(key, '.');
    if (!dot || dot == key)
        return mlo_fail(err, MLO_EUSAGE, "the settings of a column must be a mapping");
    struct mlo_drift_column_opts *c = column_named(s, key, (size_t)(dot - key), err);
    size_t yes = 0;
    if (!c)
        return MLO_EIO;
    const struct number_key *k = find_key(column_keys, MLO_COUNT(column_keys), dot + 1);
    if (k)
        return read_number(k, c, value, err);
    if (strcmp(dot, ".type") == 0)
        return read_type(s, c->name, value, err);
    if (strcmp(dot, ".role") == 0)
        return read_role(s, c, value, err);
    if (strcmp(dot, ".ignore") != 0)
        return unknown_key("a column", dot + 1, column_keys, MLO_COUNT(column_keys), others, err);
    static const char *const words[] = {"false", "true"};
    int rc = read_word(words, MLO_COUNT(words), "ignore", value, &yes, err);
    if (rc != 0 || !yes)
        return rc;
    c->role = MLO_ROLE_IGNORE;
    return give_role(s, c, MLO_ROLE_IGNORE, err);
}

/* ---- the section ---- */

/* A list, "fail-on.0", adds up. */
static int read_kinds(struct mlo_drift_settings *s, const char *value, struct mlo_err *err)
{
    unsigned kinds = 0;
    int rc = mlo_drift_kinds_parse(value, &kinds, err);
    s->opts.fail_on |= kinds;
    return rc;
}

/* Keys whose text is looked at by those who use them. */
static int read_text(struct mlo_drift_settings *s, const char *key, const char *value, bool *ret_taken,
                     struct mlo_err *err)
{
    const struct {
        const char *name, **into;
    } keys[] = {{"alarm-after", &s->watch.alarm_after},   {"cool-down", &s->watch.cool_down},
                {"on-drift", &s->watch.on_drift},         {"webhook", &s->watch.webhook},
                {"hook-timeout", &s->watch.hook_timeout}, {"record", &s->watch.record}};
    *ret_taken = false;
    for (size_t i = 0; i < MLO_COUNT(keys); i++)
        if (strcmp(keys[i].name, key) == 0) {
            *ret_taken = true;
            *keys[i].into = mlo_arena_strndup(&s->names, value, strlen(value), err);
            return *keys[i].into ? 0 : MLO_EIO;
        }
    return 0;
}

static int read_key(struct mlo_drift_settings *s, const char *key, const char *value, struct mlo_err *err)
{
    static const char *const others[] = {"fail-on", "columns", "alarm-after",  "cool-down", "on-drift",
                                         "webhook", "record",  "hook-timeout", NULL};
    bool taken = false;
    int rc = read_text(s, key, value, &taken, err);
    if (rc != 0 || taken)
        return rc;
    static const char columns[] = "columns.", kinds[] = "fail-on";
    const struct number_key *k = find_key(table_keys, MLO_COUNT(table_keys), key);
    if (k)
        return read_number(k, &s->opts, value, err);
    if (strncmp(key, columns, sizeof columns - 1) == 0)
        return read_column(s, key + sizeof columns - 1, value, err);
    if (strcmp(key, kinds) == 0 || strncmp(key, "fail-on.", sizeof kinds) == 0)
        return read_kinds(s, value, err);
    return unknown_key("drift", key, table_keys, MLO_COUNT(table_keys), others, err);
}

struct reading {
    const struct mlo_config *config;
    struct mlo_drift_settings *into;
};

static int on_value(void *ctx, const char *key, const char *value, struct mlo_err *err)
{
    const struct reading *r = ctx;
    char whole[512], where[MLO_CONFIG_WHERE];
    int rc = read_key(r->into, key, value, err);
    if (rc == 0)
        return 0;
    snprintf(whole, sizeof whole, "drift.%s", key);
    return mlo_wrap(err, "%s", mlo_config_where(r->config, whole, where));
}

int mlo_drift_settings_read(struct mlo_ctx *ctx, struct mlo_drift_settings *s, struct mlo_err *err)
{
    struct reading r = {.into = s};
    int rc = mlo_ctx_config(ctx, &r.config, err);
    if (rc == 0)
        rc = mlo_config_each(r.config, "drift", on_value, &r, err);
    s->opts.columns = s->columns;
    s->opts.n_columns = s->n_columns;
    return rc;
}

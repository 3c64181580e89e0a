/* Settings put together: files from weak to strong, then the environment; where each value came from is kept
 * beside it. */
#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

#include "internal.h"

enum { PROJECT, USER, SYSTEM, N_FILES }; /* from strong to weak */

struct slot { /* of mlo_settings[i] */
    const char *value;
    char *origin; /* owned; NULL: default */
    uint64_t number;
};
struct mlo_config {
    struct mlo_yaml files[N_FILES];
    char *names[N_FILES]; /* owned */
    struct slot *slots;
};

/* ---- one file ---- */

static bool is_free(const char *path)
{
    size_t len = strcspn(path, ".");
    for (size_t i = 0; i < mlo_n_sections; i++)
        if (strlen(mlo_sections[i].name) == len && memcmp(mlo_sections[i].name, path, len) == 0)
            return true;
    return false;
}

/* "gc" of "gc.retention". */
static bool is_parent(const char *path)
{
    size_t len = strlen(path);
    for (size_t i = 0; i < mlo_n_settings; i++)
        if (strncmp(mlo_settings[i].key, path, len) == 0 && mlo_settings[i].key[len] == '.')
            return true;
    return false;
}

static int unknown_key(const char *file, const struct mlo_yaml_entry *e, struct mlo_err *err)
{
    struct mlo_nearest near = {.word = e->path};
    MLO_AUTOSTR struct mlo_str shown;
    mlo_str_init(&shown, 4 * MLO_YAML_PATH);
    mlo_escape(&shown, e->path, strlen(e->path));
    mlo_fail(err, MLO_EUSAGE, "%s:%zu: there is no setting '%s'", file, e->line, shown.ptr);
    for (size_t i = 0; i < mlo_n_settings; i++)
        mlo_nearest_offer(&near, mlo_settings[i].key);
    for (size_t i = 0; i < mlo_n_sections; i++)
        mlo_nearest_offer(&near, mlo_sections[i].name);
    return near.best ? mlo_hint(err, "did you mean %s?", near.best) : mlo_hint(err, "see mlops.yaml(5)");
}

static int set(struct mlo_config *c, const struct mlo_setting *s, const char *value, const char *origin,
               struct mlo_err *err)
{
    struct slot *slot = &c->slots[s - mlo_settings];
    int rc = mlo_setting_check(s, value, origin, &slot->number, err);
    if (rc < 0)
        return rc;
    free(slot->origin);
    slot->value = value;
    slot->origin = mlo_strdup(origin, err);
    return slot->origin ? 0 : MLO_EIO;
}

static int take_entry(struct mlo_config *c, const char *file, const struct mlo_yaml_entry *e,
                      struct mlo_err *err)
{
    const struct mlo_setting *s = mlo_setting_find(e->path);
    char origin[PATH_MAX + 32];
    if (s && !e->inner) {
        snprintf(origin, sizeof origin, "%s:%zu", file, e->line);
        return e->value ? set(c, s, e->value, origin, err) : 0;
    }
    if (s)
        return mlo_fail(err, MLO_EUSAGE, "%s:%zu: %s must be one value", file, e->line, s->key);
    if (is_free(e->path))
        return e->value && !strchr(e->path, '.')
                   ? mlo_fail(err, MLO_EUSAGE, "%s:%zu: %s must be a mapping", file, e->line, e->path)
                   : 0;
    if (is_parent(e->path) && !e->value)
        return 0;
    return unknown_key(file, e, err);
}

static int load_file(struct mlo_config *c, int which, const char *path, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    if (!path || access(path, F_OK) != 0)
        return 0;
    int rc = mlo_slurp_at(AT_FDCWD, path, MLO_YAML_MAX, &text, &n, err);
    if (rc == 0)
        rc = mlo_yaml_parse(path, text, n, &c->files[which], err);
    if (rc == 0 && !(c->names[which] = mlo_strdup(path, err)))
        rc = MLO_EIO;
    for (size_t i = 0; rc == 0 && i < c->files[which].n; i++)
        rc = take_entry(c, path, &c->files[which].entries[i], err);
    return rc;
}

/* ---- all ---- */

/* "gc.retention" is MLOPSCTL_GC_RETENTION. */
static void variable_name(const char *key, char *out, size_t size)
{
    size_t n = (size_t)snprintf(out, size, "MLOPSCTL_");
    for (; *key && n + 1 < size; key++)
        out[n++] = (char)(isalnum((unsigned char)*key) ? toupper((unsigned char)*key) : '_');
    out[n] = '\0';
}

static int load_env(struct mlo_config *c, char *const *env, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < mlo_n_settings; i++) {
        char name[64], origin[96];
        variable_name(mlo_settings[i].key, name, sizeof name);
        const char *value = mlo_env_get(env, name);
        snprintf(origin, sizeof origin, "environment %s", name);
        if (value && *value)
            rc = set(c, &mlo_settings[i], value, origin, err);
    }
    return rc;
}

static int set_defaults(struct mlo_config *c, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < mlo_n_settings; i++) {
        c->slots[i].value = mlo_settings[i].def;
        if (mlo_settings[i].def)
            rc = mlo_setting_check(&mlo_settings[i], mlo_settings[i].def, "default", &c->slots[i].number,
                                   err);
    }
    return rc;
}

int mlo_config_load(const struct mlo_config_paths *paths, char *const *env, struct mlo_config **ret,
                    struct mlo_err *err)
{
    struct mlo_config *c = mlo_calloc(1, sizeof *c, err);
    if (!c)
        return MLO_EIO;
    c->slots = mlo_calloc(mlo_n_settings, sizeof *c->slots, err);
    int rc = c->slots ? set_defaults(c, err) : MLO_EIO;
    if (rc == 0)
        rc = load_file(c, SYSTEM, paths->system, err);
    if (rc == 0)
        rc = load_file(c, USER, paths->user, err);
    if (rc == 0)
        rc = load_file(c, PROJECT, paths->project, err);
    if (rc == 0)
        rc = load_env(c, env, err);
    if (rc < 0)
        mlo_config_free(c);
    else
        *ret = c;
    return rc;
}

void mlo_config_free(struct mlo_config *c)
{
    if (!c)
        return;
    for (int i = 0; i < N_FILES; i++) {
        mlo_yaml_release(&c->files[i]);
        free(c->names[i]);
    }
    for (size_t i = 0; c->slots && i < mlo_n_settings; i++)
        free(c->slots[i].origin);
    free(c->slots);
    free(c);
}

/* ---- the project's file ---- */

static bool is_trusted(const struct stat *file, const struct stat *start)
{
    return file->st_uid == geteuid() || file->st_uid == 0 || file->st_uid == start->st_uid;
}

int mlo_config_find(const char *folder, char **ret, struct mlo_err *err)
{
    MLO_AUTOFREE char *dir = realpath(folder, NULL);
    struct stat start, file;
    if (!dir || stat(dir, &start) != 0)
        return mlo_fail_errno(err, "cannot look for " MLO_CONFIG_FILE " in '%s'", folder);
    for (;;) {
        MLO_AUTOSTR struct mlo_str path;
        mlo_str_init(&path, MLO_PATH_MAX);
        mlo_str_addf(&path, "%s/" MLO_CONFIG_FILE, strcmp(dir, "/") == 0 ? "" : dir);
        int rc = mlo_str_check(&path, err);
        if (rc < 0)
            return rc;
        if (stat(path.ptr, &file) == 0 && S_ISREG(file.st_mode) && is_trusted(&file, &start)) {
            *ret = mlo_str_detach(&path, NULL);
            return 0;
        }
        char *slash = strrchr(dir, '/');
        if (slash == dir && !dir[1])
            return mlo_fail(err, MLO_ENOTFOUND, "no " MLO_CONFIG_FILE " in '%s' or above", folder);
        slash[slash == dir] = '\0';
    }
}

/* ---- asking ---- */

static const struct slot *slot_of(const struct mlo_config *c, const char *key)
{
    static const struct slot none;
    const struct mlo_setting *s = mlo_setting_find(key);
    return s ? &c->slots[s - mlo_settings] : &none;
}

const char *mlo_config_get(const struct mlo_config *c, const char *key)
{
    return slot_of(c, key)->value;
}

uint64_t mlo_config_u64(const struct mlo_config *c, const char *key)
{
    return slot_of(c, key)->number;
}

bool mlo_config_bool(const struct mlo_config *c, const char *key)
{
    return slot_of(c, key)->number != 0;
}

const char *mlo_config_origin(const struct mlo_config *c, const char *key)
{
    const char *origin = slot_of(c, key)->origin;
    return origin ? origin : "default";
}

static bool is_hidden_by(const struct mlo_config *c, int file, const char *path)
{
    for (int stronger = 0; stronger < file; stronger++)
        for (size_t i = 0; i < c->files[stronger].n; i++)
            if (strcmp(c->files[stronger].entries[i].path, path) == 0)
                return true;
    return false;
}

int mlo_config_each(const struct mlo_config *c, const char *prefix,
                    int (*fn)(void *ctx, const char *key, const char *value, struct mlo_err *err), void *ctx,
                    struct mlo_err *err)
{
    size_t len = strlen(prefix);
    for (int file = 0; file < N_FILES; file++) {
        for (size_t i = 0; i < c->files[file].n; i++) {
            const struct mlo_yaml_entry *e = &c->files[file].entries[i];
            if (!e->value || strncmp(e->path, prefix, len) != 0 || e->path[len] != '.' ||
                is_hidden_by(c, file, e->path))
                continue;
            int rc = fn(ctx, e->path + len + 1, e->value, err);
            if (rc != 0)
                return rc;
        }
    }
    return 0;
}

const char *mlo_config_where(const struct mlo_config *c, const char *key, char buf[MLO_CONFIG_WHERE])
{
    snprintf(buf, MLO_CONFIG_WHERE, "settings");
    for (int file = N_FILES - 1; file >= 0; file--)
        for (size_t i = 0; i < c->files[file].n; i++)
            if (strcmp(c->files[file].entries[i].path, key) == 0)
                snprintf(buf, MLO_CONFIG_WHERE, "%s:%zu", c->names[file], c->files[file].entries[i].line);
    return buf;
}

/*
 * A settings file changed as a person would: a few lines put in or taken out, nothing else touched. Which
 * lines is decided by what the reader of settings says of the old text, and whether it came out right by what
 * it says of the new one: every other value as it was, in the same order, and the entry there or gone.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#include "internal.h"

struct edit {
    const char *file, *text;
    size_t n;
    const char *section;
    char path[MLO_YAML_PATH]; /* section.name */
    struct mlo_yaml old;
};

/* ---- reading ---- */

static bool is_plain_name(const char *s)
{
    size_t n = strlen(s);
    for (const char *p = s; *p; p++)
        if (!isalnum((unsigned char)*p) && !(strchr("-_", *p) && p > s))
            return false;
    return n > 0 && n <= 64;
}

/* Is it the entry itself or something below it? */
static bool is_below(const char *path, const char *entry)
{
    size_t n = strlen(entry);
    return strncmp(path, entry, n) == 0 && (path[n] == '\0' || path[n] == '.');
}

static const struct mlo_yaml_entry *find(const struct mlo_yaml *doc, const char *path)
{
    for (size_t i = 0; i < doc->n; i++)
        if (is_below(doc->entries[i].path, path))
            return &doc->entries[i];
    return NULL;
}

static int begin(struct edit *e, const char *name, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    if (!is_plain_name(name)) {
        mlo_fail(err, MLO_EUSAGE, "'%s' cannot be a name in %s", mlo_shown(name, strlen(name), shown),
                 e->section);
        return mlo_hint(
            err, "names have letters, digits, - and _, begin with a letter or digit and have at most 64");
    }
    snprintf(e->path, sizeof e->path, "%s.%s", e->section, name);
    return mlo_yaml_parse(e->file, e->text, e->n, &e->old, err);
}

/* Start of a line, from 1; the end of the text when there are fewer. */
static size_t line_start(const struct edit *e, size_t line)
{
    size_t at = 0;
    for (; line > 1 && at < e->n; line--) {
        const char *newline = memchr(e->text + at, '\n', e->n - at);
        at = newline ? (size_t)(newline - e->text) + 1 : e->n;
    }
    return at;
}

static size_t indent_of(const struct edit *e, size_t line)
{
    size_t at = line_start(e, line), n = 0;
    while (at + n < e->n && e->text[at + n] == ' ')
        n++;
    return n;
}

/* ---- writing ---- */

static void add_value(struct mlo_str *out, const char *value)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/:";
    size_t n = strlen(value);
    if (n > 0 && strspn(value, plain) == n && (isalnum((unsigned char)*value) || *value == '/') &&
        value[n - 1] != ':') {
        mlo_str_add(out, value);
        return;
    }
    mlo_str_addc(out, '\'');
    for (; *value; value++) {
        mlo_str_fill(out, *value, *value == '\'' ? 2 : 1);
    }
    mlo_str_addc(out, '\'');
}

static void add_block(struct mlo_str *out, const char *name, const char *const *keys, size_t indent)
{
    size_t step = indent ? indent : 2;
    mlo_str_fill(out, ' ', indent);
    mlo_str_addf(out, "%s:\n", name);
    for (; keys[0]; keys += 2) {
        mlo_str_fill(out, ' ', indent + step);
        mlo_str_addf(out, "%s: ", keys[0]);
        add_value(out, keys[1]);
        mlo_str_addc(out, '\n');
    }
}

/* Where the entry goes: below the line `remotes:`, before what stands there; or a section at the end. */
static void put_in(const struct edit *e, const char *name, const char *const *keys, struct mlo_str *out)
{
    const struct mlo_yaml_entry *section = find(&e->old, e->section);
    bool has_own_line = section && strcmp(section->path, e->section) == 0;
    if (!has_own_line) {
        mlo_str_addn(out, e->text, e->n);
        if (e->n > 0 && e->text[e->n - 1] != '\n')
            mlo_str_addc(out, '\n');
        mlo_str_addf(out, "%s:\n", e->section);
        add_block(out, name, keys, 2);
        return;
    }
    bool has_child = section + 1 < e->old.entries + e->old.n && is_below(section[1].path, e->section);
    size_t at = line_start(e, section->line + 1);
    mlo_str_addn(out, e->text, at);
    if (at > 0 && e->text[at - 1] != '\n')
        mlo_str_addc(out, '\n');
    add_block(out, name, keys, has_child ? indent_of(e, section[1].line) : 2);
    mlo_str_addn(out, e->text + at, e->n - at);
}

/* The lines of the entry, and those of comments between them. */
static void leave_out(const struct edit *e, struct mlo_str *out)
{
    size_t at = 0;
    for (size_t i = 0; i < e->old.n; i++) {
        size_t last = i;
        if (!is_below(e->old.entries[i].path, e->path))
            continue;
        while (last + 1 < e->old.n && is_below(e->old.entries[last + 1].path, e->path))
            last++;
        size_t from = line_start(e, e->old.entries[i].line);
        mlo_str_addn(out, e->text + at, from > at ? from - at : 0);
        at = line_start(e, e->old.entries[last].line + 1);
        i = last;
    }
    mlo_str_addn(out, e->text + at, e->n - at);
}

/* ---- checking ---- */

static bool same_entry(const struct mlo_yaml_entry *a, const struct mlo_yaml_entry *b)
{
    return strcmp(a->path, b->path) == 0 && !a->value == !b->value &&
           (!a->value || strcmp(a->value, b->value) == 0);
}

/* A section that has no entry any more, or had none, says nothing: whether its own line is there does not
 * count. */
static const struct mlo_yaml_entry *next_other(const struct edit *e, const struct mlo_yaml *doc, size_t *at)
{
    while (*at < doc->n &&
           (is_below(doc->entries[*at].path, e->path) || strcmp(doc->entries[*at].path, e->section) == 0))
        ++*at;
    return *at < doc->n ? &doc->entries[(*at)++] : NULL;
}

static bool others_are_same(const struct edit *e, const struct mlo_yaml *now)
{
    const struct mlo_yaml_entry *a, *b;
    size_t i = 0, k = 0;
    do {
        a = next_other(e, &e->old, &i);
        b = next_other(e, now, &k);
        if (!a != !b || (a && !same_entry(a, b)))
            return false;
    } while (a);
    return true;
}

/* keys NULL: the entry must be gone. */
static bool entry_is(const struct edit *e, const struct mlo_yaml *now, const char *const *keys)
{
    size_t n = strlen(e->path), count = 0, wanted = 0;
    for (size_t i = 0; i < now->n; i++) {
        const struct mlo_yaml_entry *entry = &now->entries[i];
        if (!is_below(entry->path, e->path) || !entry->path[n])
            continue;
        bool known = false;
        for (const char *const *k = keys; k && k[0]; k += 2)
            known |= strcmp(entry->path + n + 1, k[0]) == 0 && entry->value &&
                     strcmp(entry->value, k[1]) == 0;
        if (!known)
            return false;
        count++;
    }
    for (const char *const *k = keys; k && k[0]; k += 2)
        wanted++;
    return count == wanted && (keys || !find(now, e->path));
}

static int check(const struct edit *e, const struct mlo_str *out, const char *const *keys,
                 struct mlo_err *err)
{
    struct mlo_yaml now;
    struct mlo_err why = MLO_ERR_INIT;
    int rc = mlo_str_check(out, err);
    if (rc != 0)
        return rc;
    rc = mlo_yaml_parse(e->file, out->ptr, out->len, &now, &why);
    bool good = rc == 0 && others_are_same(e, &now) && entry_is(e, &now, keys);
    mlo_yaml_release(&now);
    if (rc == MLO_EIO)
        return mlo_fail_nomem(err);
    if (good)
        return 0;
    mlo_fail(err, MLO_EUNAVAIL, "'%s' is written in a way that cannot be changed here", e->file);
    return keys ? mlo_hint(err, "write by hand, below `%s:`: { %s: %s }", e->section,
                           e->path + strlen(e->section) + 1, keys[1])
                : mlo_hint(err, "take %s out by hand", e->path);
}

/* ---- entries ---- */

int mlo_config_add_entry(const char *file, const char *text, size_t n, const char *section, const char *name,
                         const char *const *keys, struct mlo_str *out, struct mlo_err *err)
{
    struct edit e = {.file = file, .text = text, .n = n, .section = section};
    int rc = begin(&e, name, err);
    const struct mlo_yaml_entry *there = rc == 0 ? find(&e.old, e.path) : NULL;
    if (there)
        rc = mlo_fail(err, MLO_ECONFLICT, "%s is there already, in '%s' line %zu", e.path, file, there->line);
    if (rc == 0) {
        put_in(&e, name, keys, out);
        rc = check(&e, out, keys, err);
    }
    mlo_yaml_release(&e.old);
    return rc;
}

int mlo_config_remove_entry(const char *file, const char *text, size_t n, const char *section,
                            const char *name, struct mlo_str *out, struct mlo_err *err)
{
    struct edit e = {.file = file, .text = text, .n = n, .section = section};
    int rc = begin(&e, name, err);
    if (rc == 0 && !find(&e.old, e.path))
        rc = mlo_fail(err, MLO_ENOTFOUND, "there is no %s in '%s'", e.path, file);
    if (rc == 0) {
        leave_out(&e, out);
        rc = check(&e, out, NULL, err);
    }
    mlo_yaml_release(&e.old);
    return rc;
}

int mlo_config_read_entry(const char *file, const char *text, size_t n, const char *section, const char *name,
                          int (*fn)(void *ctx, const char *key, const char *value, struct mlo_err *err),
                          void *ctx, struct mlo_err *err)
{
    struct edit e = {.file = file, .text = text, .n = n, .section = section};
    int rc = begin(&e, name, err);
    size_t len = strlen(e.path);
    for (size_t i = 0; rc == 0 && i < e.old.n; i++) {
        const struct mlo_yaml_entry *entry = &e.old.entries[i];
        if (is_below(entry->path, e.path) && entry->value)
            rc = fn(ctx, entry->path[len] ? entry->path + len + 1 : "url", entry->value, err);
    }
    mlo_yaml_release(&e.old);
    return rc;
}

/* ---- sections ---- */

static bool is_own_line(const struct edit *e, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (!strchr(" \t\r\n", e->text[i]))
            return e->text[i] != '#' || i > from;
    return false;
}

/* Where the section's lines begin and end. What is blank, and comments at the left margin, at its end belong
 * to what follows. */
static bool find_section(const struct edit *e, size_t *ret_from, size_t *ret_to)
{
    const struct mlo_yaml_entry *s = find(&e->old, e->section);
    size_t end = e->n;
    if (!s || strcmp(s->path, e->section) != 0)
        return false;
    for (const struct mlo_yaml_entry *next = s; next < e->old.entries + e->old.n && end == e->n; next++)
        if (next->depth == 1 && next > s)
            end = line_start(e, next->line);
    *ret_from = line_start(e, s->line);
    while (end > *ret_from) {
        size_t start = end - 1;
        while (start > *ret_from && e->text[start - 1] != '\n')
            start--;
        if (is_own_line(e, start, end))
            break;
        end = start;
    }
    *ret_to = end;
    return true;
}

static int begin_section(struct edit *e, struct mlo_err *err)
{
    snprintf(e->path, sizeof e->path, "%s", e->section);
    return mlo_yaml_parse(e->file, e->text, e->n, &e->old, err);
}

/* Every other value as it was, and the section as the block alone says it. */
static int check_section(const struct edit *e, const struct mlo_str *out, const char *block,
                         struct mlo_err *err)
{
    struct mlo_yaml now = {0}, own = {0};
    struct mlo_err why = MLO_ERR_INIT;
    size_t i = 0;
    int rc = mlo_str_check(out, err);
    if (rc != 0)
        return rc;
    rc = mlo_yaml_parse(e->file, out->ptr, out->len, &now, &why);
    if (rc == 0)
        rc = mlo_yaml_parse(e->file, block ? block : "", block ? strlen(block) : 0, &own, &why);
    bool good = rc == 0 && others_are_same(e, &now);
    for (size_t k = 0; good && k < now.n; k++)
        if (is_below(now.entries[k].path, e->section))
            good = i < own.n && same_entry(&now.entries[k], &own.entries[i++]);
    good = good && i == own.n;
    mlo_yaml_release(&now);
    mlo_yaml_release(&own);
    if (rc == MLO_EIO)
        return mlo_fail_nomem(err);
    if (good)
        return 0;
    mlo_fail(err, MLO_EUNAVAIL, "'%s' is written in a way that cannot be changed here", e->file);
    return mlo_hint(err, "change its section `%s` by hand", e->section);
}

int mlo_config_put_section(const char *file, const char *text, size_t n, const char *section,
                           const char *block, struct mlo_str *out, struct mlo_err *err)
{
    struct edit e = {.file = file, .text = text, .n = n, .section = section};
    int rc = begin_section(&e, err);
    if (rc == 0) {
        size_t from = n, to = n;
        bool there = find_section(&e, &from, &to);
        mlo_str_addn(out, text, from);
        if (!there && from > 0 && text[from - 1] != '\n')
            mlo_str_addc(out, '\n');
        mlo_str_add(out, block ? block : "");
        mlo_str_addn(out, text + to, n - to);
        rc = check_section(&e, out, block, err);
    }
    mlo_yaml_release(&e.old);
    return rc;
}

int mlo_config_get_section(const char *file, const char *text, size_t n, const char *section, char **ret,
                           struct mlo_err *err)
{
    struct edit e = {.file = file, .text = text, .n = n, .section = section};
    size_t from = 0, to = 0;
    char *found = NULL;
    int rc = begin_section(&e, err);
    if (rc == 0 && find_section(&e, &from, &to)) {
        found = mlo_memdup0(text + from, to - from, err);
        rc = found ? 0 : MLO_EIO;
    }
    mlo_yaml_release(&e.old);
    if (rc == 0)
        *ret = found;
    return rc;
}

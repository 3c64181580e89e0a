/* See internal.h for the grammar. The text is cut up in place, so that its values exist once. */
#include "internal.h"

#include <string.h>

struct reader {
    struct mlo_ini *ini;
    const char *name, *section;
    size_t line;
    size_t indent; /* of the setting above; SIZE_MAX: none yet in this section */
    struct mlo_err *err;
};

static int refuse(const struct reader *r, const char *why)
{
    char shown[MLO_SHOWN];
    return mlo_fail(r->err, MLO_EINVALID, "'%s' line %zu: %s", mlo_shown(r->name, strlen(r->name), shown),
                    r->line, why);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* [*p, end) without blanks at both sides, terminated. */
static char *trim(char *p, char *end)
{
    while (p < end && is_blank(*p))
        p++;
    while (end > p && is_blank(end[-1]))
        end--;
    *end = '\0';
    return p;
}

static int add(struct reader *r, const char *key, const char *value)
{
    struct mlo_ini *ini = r->ini;
    if (ini->n_entries == MLO_CREDENTIALS_INI_MAX)
        return refuse(r, "too many settings");
    int rc = mlo_grow(&ini->entries, &ini->cap, ini->n_entries + 1, sizeof *ini->entries, r->err);
    if (rc == 0)
        ini->entries[ini->n_entries++] = (struct mlo_ini_entry){r->section, key, value};
    return rc;
}

static int read_section(struct reader *r, char *p, char *end)
{
    char *close = memchr(p, ']', (size_t)(end - p));
    if (!close)
        return refuse(r, "a section's name ends with ]");
    char *rest = trim(close + 1, end), *name = trim(p + 1, close);
    if (*rest && *rest != '#' && *rest != ';')
        return refuse(r, "something stands behind the section's name");
    if (!*name)
        return refuse(r, "a section without a name");
    r->section = name;
    r->indent = SIZE_MAX;
    return add(r, NULL, NULL);
}

static int read_setting(struct reader *r, char *p, char *end)
{
    char *equals = memchr(p, '=', (size_t)(end - p));
    if (!equals)
        return refuse(r, "neither [section], key = value nor a comment");
    for (char *c = equals + 1; c < end; c++)
        if ((*c == '#' || *c == ';') && is_blank(c[-1]))
            end = c;
    char *value = trim(equals + 1, end), *key = trim(p, equals);
    return *key ? add(r, key, value) : refuse(r, "a value without a key");
}

static int read_line(struct reader *r, char *line, char *end)
{
    if (end > line && end[-1] == '\r')
        end--;
    for (const char *c = line; c < end; c++)
        if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f)
            return refuse(r, "a control character");
    char *p = line;
    while (p < end && is_blank(*p))
        p++;
    size_t indent = (size_t)(p - line);
    if (p == end || *p == '#' || *p == ';' || (r->indent != SIZE_MAX && indent > r->indent))
        return 0;
    if (*p == '[')
        return read_section(r, p, end);
    r->indent = indent;
    return read_setting(r, p, end);
}

int mlo_ini_parse(const char *name, char *text, size_t n, struct mlo_ini *ret, struct mlo_err *err)
{
    struct mlo_ini ini = {.text = text, .n = n};
    struct reader r = {.ini = &ini, .name = name, .section = "", .indent = SIZE_MAX, .err = err};
    bool marked = n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0; /* some editors put it there */
    int rc = 0;
    for (char *p = text + (marked ? 3 : 0), *stop = text + n; rc == 0 && p < stop;) {
        char *newline = memchr(p, '\n', (size_t)(stop - p)), *end = newline ? newline : stop;
        r.line++;
        rc = read_line(&r, p, end);
        p = end + 1;
    }
    if (rc != 0)
        mlo_ini_release(&ini);
    else
        *ret = ini;
    return rc;
}

void mlo_ini_release(struct mlo_ini *ini)
{
    mlo_wipe_free(ini->text, ini->n + 1);
    free(ini->entries);
    *ini = (struct mlo_ini){0};
}

const char *mlo_ini_get(const struct mlo_ini *ini, const char *section, const char *key)
{
    for (size_t i = ini->n_entries; i-- > 0;) {
        const struct mlo_ini_entry *e = &ini->entries[i];
        if (e->key && strcasecmp(e->key, key) == 0 && strcmp(e->section, section) == 0)
            return *e->value ? e->value : NULL;
    }
    return NULL;
}

bool mlo_ini_has(const struct mlo_ini *ini, const char *section)
{
    for (size_t i = 0; i < ini->n_entries; i++)
        if (strcmp(ini->entries[i].section, section) == 0)
            return true;
    return false;
}

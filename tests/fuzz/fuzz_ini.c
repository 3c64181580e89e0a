/*
 * Any bytes as a credentials file. What is accepted is within its bounds: the last value of each key is the
 * one that is found, nothing has control bytes or blanks at its ends, and the same bytes give the same list
 * again.
 */
#include <stdint.h>
#include <string.h>

#include "../../src/credentials/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok)
{
    if (!ok)
        __builtin_trap();
}

static int parse(const uint8_t *data, size_t n, struct mlo_ini *ret)
{
    struct mlo_err err = MLO_ERR_INIT;
    char *text = mlo_memdup0(data, n, &err);
    if (!text)
        return MLO_EIO;
    int rc = mlo_ini_parse("f", text, n, ret, &err);
    must(rc == 0 || (rc == MLO_EINVALID && *err.msg));
    return rc;
}

static void check_text(const struct mlo_ini *ini, const char *s)
{
    size_t len = strlen(s);
    must(!*s || (s >= ini->text && s + len <= ini->text + ini->n));
    for (size_t i = 0; i < len; i++)
        must((unsigned char)s[i] >= 0x20 || s[i] == '\t');
    must(!len || (s[0] != ' ' && s[0] != '\t' && s[len - 1] != ' ' && s[len - 1] != '\t'));
}

static void check_entry(const struct mlo_ini *ini, size_t i)
{
    const struct mlo_ini_entry *e = &ini->entries[i];
    check_text(ini, e->section);
    must(mlo_ini_has(ini, e->section));
    if (!e->key)
        return;
    must(*e->key);
    check_text(ini, e->key);
    check_text(ini, e->value);
    const char *last = e->value;
    for (size_t k = i + 1; k < ini->n_entries; k++)
        if (ini->entries[k].key && strcasecmp(ini->entries[k].key, e->key) == 0 &&
            strcmp(ini->entries[k].section, e->section) == 0)
            last = ini->entries[k].value;
    must(mlo_ini_get(ini, e->section, e->key) == (*last ? last : NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct mlo_ini ini, again;
    if (n > 65536 || parse(data, n, &ini) != 0)
        return 0;
    must(ini.n_entries <= MLO_CREDENTIALS_INI_MAX);
    for (size_t i = 0; i < ini.n_entries && i < 64; i++)
        check_entry(&ini, i);
    must(parse(data, n, &again) == 0 && again.n_entries == ini.n_entries);
    mlo_ini_release(&again);
    mlo_ini_release(&ini);
    return 0;
}

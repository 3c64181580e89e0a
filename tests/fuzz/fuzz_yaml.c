/*
 * Settings out of any bytes. What is accepted is within its bounds: paths are unique, short and not empty,
 * lines lie in the file, and the same bytes give the same list again.
 */
#include <stdint.h>
#include <string.h>

#include "../../src/config/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok)
{
    if (!ok)
        __builtin_trap();
}

static size_t count_lines(const char *text, size_t n)
{
    size_t lines = 1;
    for (size_t i = 0; i < n; i++)
        lines += text[i] == '\n' || text[i] == '\r' ||
                 (unsigned char)text[i] >= 0x80; /* NEL, LS and PS end lines too */
    return lines;
}

static void check_entries(const struct mlo_yaml *doc, size_t lines)
{
    struct mlo_err err = MLO_ERR_INIT;
    must(doc->n <= MLO_YAML_KEYS);
    for (size_t i = 0; i < doc->n; i++) {
        const struct mlo_yaml_entry *e = &doc->entries[i];
        must(*e->path && strlen(e->path) <= MLO_YAML_PATH);
        must(e->line >= 1 && e->line <= lines);
        must(!(e->inner && e->value));
        if (i)
            must(strcmp(e->path, doc->entries[i - 1].path) != 0);
        const struct mlo_setting *s = mlo_setting_find(e->path);
        if (s && e->value && mlo_setting_check(s, e->value, "fuzz", NULL, &err) < 0)
            must(err.code == MLO_EUSAGE && *err.msg);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct mlo_yaml doc, again;
    struct mlo_err err = MLO_ERR_INIT;
    const char *text = (const char *)data;
    int rc = mlo_yaml_parse("fuzz.yaml", text, n, &doc, &err);
    must(rc == 0 || (rc == MLO_EINVALID && *err.msg));
    if (rc == 0) {
        check_entries(&doc, count_lines(text, n));
        must(mlo_yaml_parse("fuzz.yaml", text, n, &again, &err) == 0 && again.n == doc.n);
        mlo_yaml_release(&again);
    }
    mlo_yaml_release(&doc);
    return 0;
}

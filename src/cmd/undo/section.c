/* Undo of a section that a command wrote into a settings file: its lines as they were, while it still is what
 * was written; everything else in the file stays as it is now. */
#include <string.h>

#include <mlopsctl/config.h>
#include <mlopsctl/validate.h>

#include "cmd/shared/settings_file.h"
#include "undo.h"
#include "cmd/shared/workspace.h"

/* Is the section what `text` (NULL: not there) says? */
static int section_is(const struct mlo_settings_file *f, const char *text, bool *ret, struct mlo_err *err)
{
    MLO_AUTOFREE char *now = NULL;
    int rc = mlo_config_get_section(f->path, f->text, f->n, MLO_VALIDATE_SECTION, &now, err);
    if (rc == 0)
        *ret = text ? now && strcmp(now, text) == 0 : !now;
    return rc;
}

static int section_check(void *ctx, const struct mlo_effect *e, struct mlo_err *err)
{
    struct mlo_settings_file f = MLO_SETTINGS_FILE_INIT;
    bool same = false;
    (void)ctx;
    int rc = mlo_settings_file_open(e->target, &f, err);
    if (rc != 0)
        return rc;
    rc = section_is(&f, e->after, &same, err);
    if (rc == 0 && !same)
        rc = mlo_fail(err, MLO_ECONFLICT, "section '%s' of '%s' was changed since", MLO_VALIDATE_SECTION,
                      f.path);
    mlo_settings_file_close(&f);
    return rc;
}

static int put_back(const struct mlo_settings_file *f, const char *before, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str out;
    bool already = false;
    mlo_str_init(&out, MLO_SETTINGS_FILE_MAX);
    int rc = section_is(f, before, &already, err);
    if (rc != 0 || already)
        return rc;
    rc = mlo_config_put_section(f->path, f->text, f->n, MLO_VALIDATE_SECTION, before, &out, err);
    return rc == 0 ? mlo_settings_file_write(f, &out, err) : rc;
}

static int section_undo(void *ctx, const struct mlo_effect *e, struct mlo_err *err)
{
    struct mlo_settings_file f = MLO_SETTINGS_FILE_INIT;
    (void)ctx;
    int rc = mlo_settings_file_open(e->target, &f, err);
    if (rc != 0)
        return rc;
    rc = put_back(&f, e->before, err);
    mlo_settings_file_close(&f);
    return rc;
}

static int section_happened(void *ctx, const struct mlo_effect *e, bool *ret_done, struct mlo_err *err)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    (void)err;
    *ret_done = section_check(ctx, e, &ignored) == 0;
    return 0;
}

struct mlo_undo_handler mlo_undo_section_handler(struct mlo_workspace *ws)
{
    return (struct mlo_undo_handler){.kind = MLO_EFFECT_SECTION,
                                     .check = section_check,
                                     .undo = section_undo,
                                     .happened = section_happened,
                                     .ctx = ws};
}

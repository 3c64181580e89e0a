/* A settings file opened for a change: the user's own, so it is locked, changed by lines and replaced whole.
 */
#ifndef MLOPSCTL_CMD_SETTINGS_FILE_H
#define MLOPSCTL_CMD_SETTINGS_FILE_H

#include <sys/types.h>

#include <mlopsctl/base/str.h>

struct mlo_workspace;

#define MLO_SETTINGS_FILE_MAX ((size_t)1 << 20) /* as much as the reader of settings takes */

struct mlo_settings_file {
    char *path; /* owned; links resolved */
    int lock;   /* its folder, locked: two writers do not undo each other */
    char *text; /* owned; "" when there is none yet */
    size_t n;
    mode_t mode;
};
#define MLO_SETTINGS_FILE_INIT ((struct mlo_settings_file){.lock = -1})
/* mlops.yaml that counts here, else beside .mlops, else in the current folder; `user`: the user's file.
 * Owner: the caller. */
int mlo_settings_file_choose(struct mlo_workspace *ws, bool user, char **ret,
                             struct mlo_err *err) MLO_MUST_CHECK;
int mlo_settings_file_open(const char *path, struct mlo_settings_file *ret,
                           struct mlo_err *err) MLO_MUST_CHECK;
int mlo_settings_file_write(const struct mlo_settings_file *f, const struct mlo_str *text,
                            struct mlo_err *err) MLO_MUST_CHECK;
void mlo_settings_file_close(struct mlo_settings_file *f);

#endif

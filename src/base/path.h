/* Errors about paths: a name from outside reaches a message only through mlo_escape. */
#ifndef MLOPSCTL_SRC_BASE_PATH_H
#define MLOPSCTL_SRC_BASE_PATH_H

#include <mlopsctl/base/err.h>

/* mlo_fail_errno with "what 'path'". */
int mlo_fail_path(struct mlo_err *err, const char *what, const char *path);
/* mlo_wrap with "'path'"; returns rc, so that a failure can be set and wrapped in one line. */
int mlo_wrap_path(struct mlo_err *err, int rc, const char *path);

#endif

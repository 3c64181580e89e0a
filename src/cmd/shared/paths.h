/* Where a command writes for the user: the absolute path that the ledger records. */
#ifndef MLOPSCTL_CMD_PATHS_H
#define MLOPSCTL_CMD_PATHS_H

#include <mlopsctl/base/mem.h>

/* Absolute path of a thing that may not exist yet, in a folder that does; no link in the folder's part is
 * left. Owner: the caller. */
int mlo_path_absolute(const char *path, char **ret, struct mlo_err *err) MLO_MUST_CHECK;

#endif

/* The verbs of `mlopsctl remote`; remote.c gathers them. */
#ifndef MLOPSCTL_CMD_REMOTE_H
#define MLOPSCTL_CMD_REMOTE_H

#include <mlopsctl/cli.h>

extern const struct mlo_command mlo_cmd_remote_add, mlo_cmd_remote_rm;  /* add.c */
extern const struct mlo_command mlo_cmd_remote_check;                   /* check.c */
extern const struct mlo_command mlo_cmd_remote_ls, mlo_cmd_remote_refs; /* remote.c */

#endif

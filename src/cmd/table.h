/* The list of all commands, in the order of `mlopsctl help`. */
#ifndef MLOPSCTL_CMD_TABLE_H
#define MLOPSCTL_CMD_TABLE_H

#include <mlopsctl/cli.h>

extern const struct mlo_command *const mlo_commands[]; /* ends with NULL */

#endif

/*
 * The only list of commands: parsing, help, man pages and completion are made from it. Commands of one group
 * stand together in `mlopsctl help`; groups come in order of first appearance.
 */
#include "table.h"

/* start */
extern const struct mlo_command mlo_cmd_doctor, mlo_cmd_config;
/* help */
extern const struct mlo_command mlo_cmd_help, mlo_cmd_version, mlo_cmd_completion;

const struct mlo_command *const mlo_commands[] = {
    /* help */
    &mlo_cmd_help,
    &mlo_cmd_version,
    NULL,
};

/*
 * The only list of commands: parsing, help, man pages and completion are made from it. Commands of one group
 * stand together in `mlopsctl help`; groups come in order of first appearance.
 */
#include "table.h"

/* clang-format off: one command a line */
#define COMMANDS(X)                                                                                          \
    /* start */                                                                                              \
    X(doctor)                                                                                                \
    X(config)                                                                                                \
    /* bundles */                                                                                            \
    X(pack)                                                                                                  \
    X(tag)                                                                                                   \
    X(untag)                                                                                                 \
    X(ls)                                                                                                    \
    X(show)                                                                                                  \
    X(verify)                                                                                                \
    X(du)                                                                                                    \
    X(gc)                                                                                                    \
    /* ledger */                                                                                             \
    X(log)                                                                                                   \
    X(show_run)                                                                                              \
    X(rollback)                                                                                              \
    X(recover)                                                                                               \
    X(ledger)                                                                                                \
    /* help */                                                                                               \
    X(help)                                                                                                  \
    X(version)                                                                                               \
    X(completion)                                                                                            \
    X(query)
/* clang-format on */

#define DECLARE(name) extern const struct mlo_command mlo_cmd_##name;
COMMANDS(DECLARE)

#define ROW(name) &mlo_cmd_##name,
const struct mlo_command *const mlo_commands[] = {COMMANDS(ROW) NULL};
extern const struct mlo_command mlo_cmd_config;
extern const struct mlo_command mlo_cmd_pack, mlo_cmd_tag, mlo_cmd_untag, mlo_cmd_ls, mlo_cmd_show,
    mlo_cmd_verify;
extern const struct mlo_command mlo_cmd_scan;
extern const struct mlo_command mlo_cmd_log, mlo_cmd_show_run, mlo_cmd_rollback, mlo_cmd_recover,
    mlo_cmd_ledger;
extern const struct mlo_command mlo_cmd_help, mlo_cmd_version, mlo_cmd_completion;

const struct mlo_command *const mlo_commands[] = {
    /* start */
    &mlo_cmd_config,
    /* bundles */
    &mlo_cmd_pack,
    &mlo_cmd_tag,
    &mlo_cmd_untag,
    &mlo_cmd_ls,
    &mlo_cmd_show,
    &mlo_cmd_verify,
    &mlo_cmd_scan,
    /* ledger */
    &mlo_cmd_log,
    &mlo_cmd_show_run,
    &mlo_cmd_rollback,
    &mlo_cmd_recover,
    &mlo_cmd_ledger,
    /* help */
    &mlo_cmd_help,
    &mlo_cmd_version,
    &mlo_cmd_completion,
    NULL,
};

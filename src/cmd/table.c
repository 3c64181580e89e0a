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
    X(diff)                                                                                                  \
    X(verify)                                                                                                \
    X(scan)                                                                                                  \
    X(sign)                                                                                                  \
    X(export)                                                                                                \
    X(import)                                                                                                \
    X(unpack)                                                                                                \
    X(du)                                                                                                    \
    X(gc)                                                                                                    \
    /* move */                                                                                               \
    X(push)                                                                                                  \
    X(pull)                                                                                                  \
    X(remote)                                                                                                \
    /* runpod */                                                                                             \
    X(runpod)                                                                                                \
    /* run */                                                                                                \
    X(predict)                                                                                               \
    X(onnx)                                                                                                  \
    X(bench)                                                                                                 \
    X(backends)                                                                                              \
    /* watch */                                                                                              \
    X(drift)                                                                                                 \
    X(profile)                                                                                               \
    X(validate)                                                                                              \
    X(monitor)                                                                                               \
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

/* mlopsctl ledger: care of the ledger itself. */
#include <mlopsctl/cli.h>

extern const struct mlo_command mlo_cmd_ledger_verify, mlo_cmd_ledger_export, mlo_cmd_ledger_backup,
    mlo_cmd_ledger_restore;

static const struct mlo_command *const verbs[] = {
    &mlo_cmd_ledger_verify, &mlo_cmd_ledger_export, &mlo_cmd_ledger_backup, &mlo_cmd_ledger_restore, NULL,
};

static const struct mlo_example examples[] = {
    {"is the history what it was", "mlopsctl ledger verify"},
    {"keep a copy", "mlopsctl ledger backup ledger-copy.db"},
    {0},
};

const struct mlo_command mlo_cmd_ledger = {
    .name = "ledger",
    .group = "ledger",
    .summary = "verify, export, back up and restore the ledger",
    .synopsis = "VERB",
    .description =
        "The ledger records every run and what it changed, and holds all names.\n"
        "Each ended run is hashed together with the one before, so that no row can be edited, removed or\n"
        "added unnoticed.",
    .examples = examples,
    .subs = verbs,
};

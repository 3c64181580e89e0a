/* Variables for a container, from --env and --env-file. */
#ifndef MLOPSCTL_CMD_ENV_VARS_H
#define MLOPSCTL_CMD_ENV_VARS_H

#include <mlopsctl/cli.h>

struct mlo_env_vars { /* owned: "NAME=VALUE", secrets */
    char **items;
    size_t n, cap;
};
/*
 * file (NULL: none): a line each, empty ones and those with # in front passed over. given: NAME=VALUE, or
 * NAME alone for this program's own variable. The later of two with one name counts. Names with MLOPSCTL_ are
 * refused: leases and marks are written there.
 */
int mlo_env_vars_read(struct mlo_ctx *ctx, const struct mlo_strings *given, const char *file,
                      struct mlo_env_vars *ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_env_vars_release(struct mlo_env_vars *v);

#endif

/* What the commands over tables share: a word of the command line to a profile, a result into a file. */
#ifndef MLOPSCTL_CMD_TABLES_H
#define MLOPSCTL_CMD_TABLES_H

#include <mlopsctl/cli.h>
#include <mlopsctl/drift.h>

/* A file that begins as our profiles do is one; anything else is a table, counted in the bins of `like`
 * (NULL: its own). Owner: the caller. */
int mlo_profile_open(const char *const *paths, size_t n, const struct mlo_table_opts *opts,
                     const struct mlo_profile *like, struct mlo_profile **ret,
                     struct mlo_err *err) MLO_MUST_CHECK;
/* The whole text, atomically, over what was there. */
int mlo_result_write(const char *path, const struct mlo_str *text, struct mlo_err *err) MLO_MUST_CHECK;

#endif

/* Where packed code stood: what `pack` asks git, and what counts as a dirty tree. */
#ifndef MLOPSCTL_CMD_PROVENANCE_H
#define MLOPSCTL_CMD_PROVENANCE_H

#include <mlopsctl/git.h>

/*
 * State of the repository around the first of `paths`, with only the changes that count: files that git knows
 * and that differ from the commit, anywhere in the repository (code that was not packed may have made the
 * weights), and files of which git knows nothing among the packed ones. Ignored files and .mlops never count.
 * Release with mlo_git_release.
 */
int mlo_provenance_read(const char *const *paths, size_t n, struct mlo_git_info *ret,
                        struct mlo_err *err) MLO_MUST_CHECK;
/* MLO_ECONFLICT naming the first changes. */
int mlo_provenance_refuse(const struct mlo_git_info *git, struct mlo_err *err) MLO_MUST_CHECK;

#endif

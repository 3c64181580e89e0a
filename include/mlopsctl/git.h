/* Where the code stood: commit, branch, describe, dirty files. libgit2 is used only here, and opened at first
 * use. */
#ifndef MLOPSCTL_GIT_H
#define MLOPSCTL_GIT_H

#include <mlopsctl/base/mem.h>

struct mlo_git_change {
    char *path;     /* relative to root; a folder of which git knows nothing ends with "/" */
    bool untracked; /* git does not know it; else changed, added or removed against the commit */
};
struct mlo_git_info {
    bool in_repo;
    char *root;       /* work tree, NULL when bare */
    char commit[65];  /* "" before the first commit */
    char *branch;     /* NULL when detached */
    char *describe;   /* NULL when there is no tag */
    char *remote_url; /* of origin, redacted; NULL */
    int64_t commit_time_ns;
    bool dirty;
    struct mlo_git_change *changes; /* sorted by path; at most MLO_GIT_MAX_DIRTY */
    size_t n_dirty;                 /* all of them, also those beyond the list */
    size_t n_listed;
};
#define MLO_GIT_MAX_DIRTY 1000

enum mlo_git_want { MLO_GIT_COMMIT = 1, MLO_GIT_STATUS = 2 };
/* State around folder `path`. Outside a repository: in_repo false, not an error, and libgit2 is not opened.
 * In one without libgit2: MLO_EUNAVAIL. */
int mlo_git_read(const char *path, int want, struct mlo_git_info *ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_git_release(struct mlo_git_info *info);

#endif

/* libgit2 behind a table of functions: opened at first use, so commands that need no git start without it. */
#ifndef MLOPSCTL_GIT_LIBGIT2_H
#define MLOPSCTL_GIT_LIBGIT2_H

#include <git2.h>

#include <mlopsctl/base/err.h>

#define LIBGIT2_FUNCTIONS(X)                                                                                 \
    X(git_libgit2_init)                                                                                      \
    X(git_libgit2_opts)                                                                                      \
    X(git_error_last)                                                                                        \
    X(git_buf_dispose)                                                                                       \
    X(git_repository_open_ext)                                                                               \
    X(git_repository_free)                                                                                   \
    X(git_repository_workdir)                                                                                \
    X(git_repository_head)                                                                                   \
    X(git_repository_head_unborn)                                                                            \
    X(git_reference_free)                                                                                    \
    X(git_reference_is_branch)                                                                               \
    X(git_reference_shorthand)                                                                               \
    X(git_reference_peel)                                                                                    \
    X(git_object_free)                                                                                       \
    X(git_object_id)                                                                                         \
    X(git_oid_tostr)                                                                                         \
    X(git_commit_time)                                                                                       \
    X(git_describe_commit)                                                                                   \
    X(git_describe_format)                                                                                   \
    X(git_describe_result_free)                                                                              \
    X(git_remote_lookup)                                                                                     \
    X(git_remote_url)                                                                                        \
    X(git_remote_free)                                                                                       \
    X(git_status_list_new)                                                                                   \
    X(git_status_list_entrycount)                                                                            \
    X(git_status_byindex)                                                                                    \
    X(git_status_list_free)

struct libgit2 {
#define X(fn) __typeof__(&fn) fn;
    LIBGIT2_FUNCTIONS(X)
#undef X
};

/* The table, with libgit2 initialised; MLO_EUNAVAIL when the library is not installed. */
int mlo_libgit2(const struct libgit2 **ret, struct mlo_err *err) MLO_MUST_CHECK;

#endif

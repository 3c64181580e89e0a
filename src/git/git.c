/* State of the repository around a folder, read and never changed. */
#include <mlopsctl/git.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mlopsctl/base/secret.h>
#include <mlopsctl/base/time.h>

#include "libgit2.h"

static int git_fail(const struct libgit2 *g, const char *what, struct mlo_err *err)
{
    const git_error *e = g->git_error_last();
    return mlo_fail(err, MLO_EIO, "git: %s: %s", what, e && e->message ? e->message : "unknown error");
}

static int copy_text(const char *s, char **ret, struct mlo_err *err)
{
    if (!s)
        return 0;
    *ret = mlo_strdup(s, err);
    return *ret ? 0 : err->code;
}

static int read_describe(const struct libgit2 *g, git_object *commit, struct mlo_git_info *info,
                         struct mlo_err *err)
{
    git_describe_options options = GIT_DESCRIBE_OPTIONS_INIT;
    git_describe_format_options format = GIT_DESCRIBE_FORMAT_OPTIONS_INIT;
    git_describe_result *result = NULL;
    git_buf text = {0};
    int rc = 0;
    options.describe_strategy = GIT_DESCRIBE_TAGS;
    if (g->git_describe_commit(&result, commit, &options) < 0)
        return 0; /* no tag to describe by */
    if (g->git_describe_format(&text, result, &format) == 0)
        rc = copy_text(text.ptr, &info->describe, err);
    g->git_buf_dispose(&text);
    g->git_describe_result_free(result);
    return rc;
}

static int read_head(const struct libgit2 *g, git_repository *repo, struct mlo_git_info *info,
                     struct mlo_err *err)
{
    git_reference *head = NULL;
    git_object *commit = NULL;
    int rc;
    if (g->git_repository_head_unborn(repo) == 1)
        return 0;
    if (g->git_repository_head(&head, repo) < 0)
        return git_fail(g, "cannot read HEAD", err);
    rc = g->git_reference_is_branch(head) ? copy_text(g->git_reference_shorthand(head), &info->branch, err)
                                          : 0;
    if (!rc && g->git_reference_peel(&commit, head, GIT_OBJECT_COMMIT) < 0)
        rc = git_fail(g, "HEAD is no commit", err);
    if (!rc) {
        g->git_oid_tostr(info->commit, sizeof info->commit, g->git_object_id(commit));
        info->commit_time_ns = g->git_commit_time((git_commit *)commit) * MLO_NS_PER_S;
        rc = read_describe(g, commit, info, err);
    }
    g->git_object_free(commit);
    g->git_reference_free(head);
    return rc;
}

static int read_remote(const struct libgit2 *g, git_repository *repo, struct mlo_git_info *info,
                       struct mlo_err *err)
{
    git_remote *origin = NULL;
    if (g->git_remote_lookup(&origin, repo, "origin") < 0)
        return 0;
    MLO_AUTOSTR struct mlo_str url;
    mlo_str_init(&url, MLO_STR_MAX);
    const char *text = g->git_remote_url(origin);
    if (text)
        mlo_redact(&url, text, strlen(text));
    int rc = mlo_str_check(&url, err);
    if (!rc && text)
        rc = copy_text(url.ptr, &info->remote_url, err);
    g->git_remote_free(origin);
    return rc;
}

static int add_dirty(struct mlo_git_info *info, size_t *cap, const git_status_entry *entry,
                     struct mlo_err *err)
{
    const git_diff_delta *delta = entry->index_to_workdir ? entry->index_to_workdir : entry->head_to_index;
    const char *path = delta->new_file.path ? delta->new_file.path : delta->old_file.path;
    info->n_dirty++;
    if (info->n_listed == MLO_GIT_MAX_DIRTY)
        return 0;
    if (mlo_grow(&info->changes, cap, info->n_listed + 1, sizeof *info->changes, err))
        return err->code;
    char *copy = mlo_strdup(path, err);
    if (!copy)
        return err->code;
    info->changes[info->n_listed++] = (struct mlo_git_change){
        .path = copy, .untracked = entry->status == GIT_STATUS_WT_NEW};
    return 0;
}

static int by_path(const void *a, const void *b)
{
    const struct mlo_git_change *x = a, *y = b;
    return strcmp(x->path, y->path);
}

static int read_status(const struct libgit2 *g, git_repository *repo, struct mlo_git_info *info,
                       struct mlo_err *err)
{
    git_status_options options = GIT_STATUS_OPTIONS_INIT;
    git_status_list *list = NULL;
    size_t cap = 0;
    int rc = 0;
    options.show = GIT_STATUS_SHOW_INDEX_AND_WORKDIR;
    options.flags = GIT_STATUS_OPT_INCLUDE_UNTRACKED | GIT_STATUS_OPT_EXCLUDE_SUBMODULES;
    if (g->git_status_list_new(&list, repo, &options) < 0)
        return git_fail(g, "cannot read the status", err);
    size_t n = g->git_status_list_entrycount(list);
    for (size_t i = 0; i < n && !rc; i++)
        rc = add_dirty(info, &cap, g->git_status_byindex(list, i), err);
    g->git_status_list_free(list);
    info->dirty = info->n_dirty > 0;
    if (info->n_listed)
        qsort(info->changes, info->n_listed, sizeof *info->changes, by_path);
    return rc;
}

static int read_repository(const struct libgit2 *g, git_repository *repo, int want, struct mlo_git_info *info,
                           struct mlo_err *err)
{
    info->in_repo = true;
    if (copy_text(g->git_repository_workdir(repo), &info->root, err) || read_head(g, repo, info, err) ||
        read_remote(g, repo, info, err))
        return err->code;
    return (want & MLO_GIT_STATUS) && info->root ? read_status(g, repo, info, err) : 0;
}

static bool is_there(int folder, const char *name)
{
    struct stat st;
    return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

/* Might this folder or one above it be a repository? Only then is libgit2 worth its start: 8 ms, for all the
 * certificates that it reads. */
static bool repository_near(const char *path)
{
    struct stat now, above;
    MLO_AUTOCLOSE int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    while (fd >= 0 && !is_there(fd, ".git") && !is_there(fd, "HEAD")) {
        int up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
        bool top = up >= 0 && fstat(fd, &now) == 0 && fstat(up, &above) == 0 && now.st_ino == above.st_ino &&
                   now.st_dev == above.st_dev;
        close(fd);
        fd = up;
        if (top)
            return false;
    }
    return true; /* found, or libgit2 shall say what is wrong */
}

int mlo_git_read(const char *path, int want, struct mlo_git_info *ret, struct mlo_err *err)
{
    const struct libgit2 *g;
    git_repository *repo = NULL;
    struct mlo_git_info info = {0};
    if (!repository_near(path)) {
        *ret = info;
        return 0;
    }
    if (mlo_libgit2(&g, err))
        return err->code;
    int opened = g->git_repository_open_ext(&repo, path, 0, NULL);
    if (opened == GIT_ENOTFOUND) {
        *ret = info;
        return 0;
    }
    if (opened < 0)
        return git_fail(g, "cannot open the repository", err);
    int rc = read_repository(g, repo, want, &info, err);
    g->git_repository_free(repo);
    if (rc) {
        mlo_git_release(&info);
        return rc;
    }
    *ret = info;
    return 0;
}

void mlo_git_release(struct mlo_git_info *info)
{
    for (size_t i = 0; i < info->n_listed; i++)
        free(info->changes[i].path);
    free(info->changes);
    free(info->root);
    free(info->branch);
    free(info->describe);
    free(info->remote_url);
    *info = (struct mlo_git_info){0};
}

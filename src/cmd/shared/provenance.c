/* See provenance.h. */
#include "provenance.h"

#include <string.h>
#include <sys/stat.h>

#include <mlopsctl/base/str.h>
#include <mlopsctl/base/text.h>

#define NAMED 5 /* changes named in a refusal */

/* `a` is `b`, or a folder above it; "" is above everything. A slash at the end of `a` says nothing more. */
static bool above(const char *a, const char *b)
{
    size_t n = strlen(a);
    if (n && a[n - 1] == '/')
        n--;
    return n == 0 || (strncmp(a, b, n) == 0 && (b[n] == '\0' || b[n] == '/'));
}

/* Relative to the work tree; NULL when outside or not there. Owner: the caller. */
static char *below_root(const char *root, const char *path)
{
    MLO_AUTOFREE char *real = realpath(path, NULL), *real_root = realpath(root, NULL);
    if (!real || !real_root || !above(real_root, real))
        return NULL;
    const char *rest = real + strlen(real_root);
    return strdup(*rest == '/' ? rest + 1 : rest);
}

static bool has_component(const char *path, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = path; at; at = strchr(at, '/') ? strchr(at, '/') + 1 : NULL)
        if (strncmp(at, name, n) == 0 && (at[n] == '\0' || at[n] == '/'))
            return true;
    return false;
}

static bool counts(const struct mlo_git_info *git, const struct mlo_git_change *c, const char *const *paths,
                   size_t n)
{
    if (has_component(c->path, ".mlops"))
        return false;
    if (!c->untracked)
        return true;
    for (size_t i = 0; i < n; i++) {
        MLO_AUTOFREE char *packed = below_root(git->root, paths[i]);
        if (packed && (above(c->path, packed) || above(packed, c->path)))
            return true;
    }
    return false;
}

static void keep_what_counts(struct mlo_git_info *git, const char *const *paths, size_t n)
{
    size_t kept = 0, unlisted = git->n_dirty - git->n_listed;
    for (size_t i = 0; i < git->n_listed; i++) {
        if (counts(git, &git->changes[i], paths, n))
            git->changes[kept++] = git->changes[i];
        else
            free(git->changes[i].path);
    }
    git->n_listed = kept;
    git->n_dirty = kept + unlisted;
    git->dirty = git->n_dirty > 0;
}

static int folder_of(const char *path, char **ret, struct mlo_err *err)
{
    struct stat st;
    char *real = realpath(path, NULL);
    if (!real || stat(real, &st)) {
        free(real);
        return mlo_fail_errno(err, "'%s'", path);
    }
    char *slash = strrchr(real, '/');
    if (!S_ISDIR(st.st_mode) && slash)
        slash[slash == real] = '\0';
    *ret = real;
    return 0;
}

int mlo_provenance_read(const char *const *paths, size_t n, struct mlo_git_info *ret, struct mlo_err *err)
{
    MLO_AUTOFREE char *folder = NULL;
    struct mlo_git_info git = {0};
    int rc = folder_of(paths[0], &folder, err);
    if (rc == 0)
        rc = mlo_git_read(folder, MLO_GIT_COMMIT | MLO_GIT_STATUS, &git, err);
    if (rc)
        return rc;
    if (git.root)
        keep_what_counts(&git, paths, n);
    *ret = git;
    return 0;
}

int mlo_provenance_refuse(const struct mlo_git_info *git, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str names;
    mlo_str_init(&names, 512);
    for (size_t i = 0; i < git->n_listed && i < NAMED; i++) {
        mlo_str_add(&names, i ? ", " : "");
        mlo_escape(&names, git->changes[i].path, strnlen(git->changes[i].path, 80));
    }
    mlo_fail(err, MLO_ECONFLICT, "the work tree differs from its commit in %zu file%s: %s%s", git->n_dirty,
             git->n_dirty == 1 ? "" : "s", names.ptr, git->n_dirty > NAMED ? ", ..." : "");
    return mlo_hint(err, "commit them, or pack with --allow-dirty, which the bundle will say");
}

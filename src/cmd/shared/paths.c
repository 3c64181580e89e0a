/* See paths.h. */
#include "paths.h"

#include <limits.h>
#include <string.h>

#include <mlopsctl/base/str.h>
#include <mlopsctl/base/text.h>

static int fail_path(const char *path, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str name;
    mlo_str_init(&name, sizeof err->msg);
    mlo_escape(&name, path, strlen(path));
    return mlo_wrap(err, "'%s'", name.ptr);
}

/* The folder resolved, the last component as it is. */
static int join_parent(char *path, char **ret, struct mlo_err *err)
{
    char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    MLO_AUTOSTR struct mlo_str full;
    mlo_str_init(&full, PATH_MAX);
    if (slash)
        slash[slash == path] = '\0';
    MLO_AUTOFREE char *folder = realpath(slash ? path : ".", NULL);
    if (!folder)
        return mlo_fail_errno(err, "the folder it would be in");
    if (slash == path)
        name = path + 1;
    mlo_str_addf(&full, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, name);
    int rc = mlo_str_check(&full, err);
    if (rc == 0)
        *ret = mlo_str_detach(&full, NULL);
    return rc;
}

int mlo_path_absolute(const char *path, char **ret, struct mlo_err *err)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    char *real = realpath(path, NULL);
    if (real) {
        *ret = real;
        return 0;
    }
    MLO_AUTOFREE char *copy = mlo_memdup0(path, n, err);
    if (!copy)
        return MLO_EIO;
    int rc = join_parent(copy, ret, err);
    return rc != 0 ? fail_path(path, err) : 0;
}

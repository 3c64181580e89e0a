/* See tables.h. */
#include "tables.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>

#define PROFILE_FILE_MAX ((size_t)256 << 20)

static bool is_profile(const char *path)
{
    static const char start[] = "{\"schema\":";
    static const char kind[] = "\"kind\":\"mlopsctl-profile\"";
    char head[128] = "";
    MLO_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd >= 0 ? pread(fd, head, sizeof head - 1, 0) : 0;
    return n > 0 && strncmp(head, start, strlen(start)) == 0 && strstr(head, kind);
}

static int read_profile(const char *path, struct mlo_profile **ret, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    int rc = mlo_slurp_at(AT_FDCWD, path, PROFILE_FILE_MAX, &text, &n, err);
    if (rc == 0)
        rc = mlo_profile_read(text, n, ret, err);
    return rc != 0 ? mlo_wrap(err, "'%s'", path) : 0;
}

int mlo_profile_open(const char *const *paths, size_t n, const struct mlo_table_opts *opts,
                     const struct mlo_profile *like, struct mlo_profile **ret, struct mlo_err *err)
{
    struct mlo_table *t = NULL;
    struct mlo_table_opts as = *opts;
    struct mlo_profile_opts po = {.like = like};
    MLO_AUTOFREE struct mlo_table_column *types = NULL;
    if (n == 1 && is_profile(paths[0]))
        return read_profile(paths[0], ret, err);
    int rc = like ? mlo_profile_columns(like, &types, &as.n_types, err) : 0;
    if (like)
        as.types = types;
    if (rc == 0)
        rc = mlo_table_open(paths, n, &as, &t, err);
    if (rc == 0)
        rc = mlo_profile_table(t, &po, ret, err);
    mlo_table_close(t);
    return rc;
}

int mlo_result_write(const char *path, const struct mlo_str *text, struct mlo_err *err)
{
    if (strcmp(path, "-") == 0)
        return mlo_write_all(STDOUT_FILENO, text->ptr, text->len, err);
    return mlo_write_file_at(AT_FDCWD, path, text->ptr, text->len, 0644, err);
}

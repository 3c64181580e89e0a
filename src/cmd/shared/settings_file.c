/* See settings_file.h. */
#include "settings_file.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>

#include "workspace.h"

#define NEW_MODE 0644

int mlo_settings_file_choose(struct mlo_workspace *ws, bool user, char **ret, struct mlo_err *err)
{
    const char *slash = strrchr(ws->home, '/');
    int rc = 0;
    if (user) {
        rc = mlo_user_file(ws->ctx->env, "config.yaml", ret, err);
        if (rc == 0 && !*ret)
            rc = mlo_fail(err, MLO_ENOTFOUND, "there is no $HOME for a user's file");
        MLO_AUTOFREE char *folder = rc == 0 ? mlo_memdup0(*ret, (size_t)(strrchr(*ret, '/') - *ret), err)
                                            : NULL;
        if (rc != 0)
            return rc;
        return folder ? mlo_mkdirs_at(AT_FDCWD, folder, 0700, err) : MLO_EIO;
    }
    rc = mlo_config_find(".", ret, err);
    if (rc != MLO_ENOTFOUND)
        return rc;
    *err = MLO_ERR_INIT;
    MLO_AUTOSTR struct mlo_str path;
    char cwd[PATH_MAX];
    mlo_str_init(&path, MLO_PATH_MAX);
    if (!getcwd(cwd, sizeof cwd))
        return mlo_fail_errno(err, "current folder");
    if (slash && strcmp(slash, "/.mlops") == 0)
        mlo_str_addf(&path, "%.*s/" MLO_CONFIG_FILE, (int)(slash - ws->home), ws->home);
    else
        mlo_str_addf(&path, "%s/" MLO_CONFIG_FILE, cwd);
    rc = mlo_str_check(&path, err);
    if (rc == 0)
        *ret = mlo_str_detach(&path, NULL);
    return rc;
}

void mlo_settings_file_close(struct mlo_settings_file *f)
{
    free(f->path);
    free(f->text);
    if (f->lock >= 0)
        close(f->lock);
}

static int read_text(struct mlo_settings_file *f, struct mlo_err *err)
{
    struct stat st;
    int rc = mlo_slurp_at(AT_FDCWD, f->path, MLO_SETTINGS_FILE_MAX, &f->text, &f->n, err);
    f->mode = rc == 0 && stat(f->path, &st) == 0 ? st.st_mode & 07777 : NEW_MODE;
    if (rc != MLO_ENOTFOUND)
        return rc;
    *err = MLO_ERR_INIT;
    f->text = mlo_strdup("", err);
    return f->text ? 0 : MLO_EIO;
}

int mlo_settings_file_open(const char *path, struct mlo_settings_file *ret, struct mlo_err *err)
{
    struct mlo_settings_file f = MLO_SETTINGS_FILE_INIT;
    char *real = realpath(path, NULL);
    f.path = real ? real : mlo_strdup(path, err);
    MLO_AUTOFREE char *copy = f.path ? mlo_strdup(f.path, err) : NULL;
    if (!copy) {
        mlo_settings_file_close(&f);
        return MLO_EIO;
    }
    f.lock = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = f.lock < 0 ? mlo_fail_errno(err, "folder of '%s'", path) : 0;
    if (rc == 0)
        rc = mlo_lock_fd(f.lock, true, -1, NULL, NULL, err);
    if (rc == 0)
        rc = read_text(&f, err);
    if (rc != 0)
        mlo_settings_file_close(&f);
    else
        *ret = f;
    return rc;
}

int mlo_settings_file_write(const struct mlo_settings_file *f, const struct mlo_str *text,
                            struct mlo_err *err)
{
    return mlo_write_file_at(AT_FDCWD, f->path, text->ptr, text->len, f->mode, err);
}

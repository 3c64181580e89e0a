/* See credentials.h: the sources, what is kept of them, and the key of RunPod's REST API. */
#include "internal.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>

struct mlo_kept {
    struct mlo_kept *next;
    size_t n;
    char text[];
};

int mlo_credentials_new(const struct mlo_credentials_sources *from, struct mlo_credentials **ret,
                        struct mlo_err *err)
{
    struct mlo_credentials *c = mlo_calloc(1, sizeof *c, err);
    if (!c)
        return MLO_EIO;
    c->from = *from;
    *ret = c;
    return 0;
}

static void file_release(struct mlo_credentials_file *f)
{
    if (f->there)
        mlo_ini_release(&f->ini);
    free(f->path);
}

void mlo_credentials_free(struct mlo_credentials *c)
{
    if (!c)
        return;
    file_release(&c->ours);
    file_release(&c->aws_keys);
    file_release(&c->aws_config);
    file_release(&c->runpodctl);
    while (c->kept) {
        struct mlo_kept *next = c->kept->next;
        mlo_wipe_free(c->kept, sizeof *c->kept + c->kept->n);
        c->kept = next;
    }
    free(c);
}

/* ---- what is kept ---- */

const char *mlo_credentials_keep(struct mlo_credentials *c, const char *text, size_t n, struct mlo_err *err)
{
    struct mlo_kept *k = mlo_calloc(1, sizeof *k + n + 1, err);
    if (!k)
        return NULL;
    k->n = n;
    memcpy(k->text, text, n);
    k->next = c->kept;
    c->kept = k;
    return k->text;
}

const char *mlo_credentials_place(struct mlo_credentials *c, const char *file, const char *section,
                                  struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str s;
    mlo_str_init(&s, MLO_PATH_MAX);
    mlo_str_add(&s, file);
    if (section)
        mlo_str_addf(&s, " [%s]", section);
    return mlo_str_check(&s, err) != 0 ? NULL : mlo_credentials_keep(c, s.ptr, s.len, err);
}

int mlo_credentials_check(const char *value, const char *origin, struct mlo_err *err)
{
    const char *p = value;
    while (*p > ' ' && *p < 0x7f)
        p++;
    if (*value && !*p)
        return 0;
    mlo_fail(err, MLO_EINVALID, "the key of %s %s", origin,
             *value ? "has a blank, a line break or another byte in it that no key has" : "is empty");
    return mlo_hint(err, "copy it anew, without what stands around it");
}

/* ---- places ---- */

const char *mlo_credentials_env(const struct mlo_credentials *c, const char *name)
{
    const char *value = mlo_env_get(c->from.env, name);
    return value && *value ? value : NULL;
}

int mlo_credentials_path(const struct mlo_credentials *c, const char *variable, const char *below, char **ret,
                         struct mlo_err *err)
{
    const char *set = variable ? mlo_credentials_env(c, variable) : NULL,
               *home = mlo_credentials_env(c, "HOME");
    MLO_AUTOSTR struct mlo_str path;
    mlo_str_init(&path, MLO_PATH_MAX);
    *ret = NULL;
    if (set)
        mlo_str_add(&path, set);
    else if (home && *home == '/')
        mlo_str_addf(&path, "%s/%s", home, below);
    else
        return 0;
    int rc = mlo_str_check(&path, err);
    if (rc == 0)
        *ret = mlo_str_detach(&path, NULL);
    return rc;
}

/* Takes path. */
static int read_file(struct mlo_credentials_file *f, char *path, bool mine, const struct mlo_ini **ret,
                     struct mlo_err *err)
{
    char *text = NULL;
    size_t n = 0;
    free(f->path);
    f->path = path;
    int rc = path ? mlo_secret_read(path, MLO_CREDENTIALS_FILE_MAX, mine, &text, &n, err) : MLO_ENOTFOUND;
    if (rc == 0)
        rc = mlo_ini_parse(path, text, n, &f->ini, err);
    if (rc != 0 && rc != MLO_ENOTFOUND)
        return rc;
    if (rc == MLO_ENOTFOUND)
        *err = MLO_ERR_INIT;
    f->asked = true;
    f->there = rc == 0;
    *ret = f->there ? &f->ini : NULL;
    return 0;
}

int mlo_credentials_ours(struct mlo_credentials *c, const struct mlo_ini **ret, struct mlo_err *err)
{
    char *path = NULL;
    *ret = c->ours.there ? &c->ours.ini : NULL;
    if (c->ours.asked)
        return 0;
    if (!c->from.file) {
        int rc = mlo_user_file(c->from.env, "credentials", &path, err);
        if (rc != 0)
            return rc;
    } else if (!(path = mlo_strdup(c->from.file, err))) {
        return MLO_EIO;
    }
    return read_file(&c->ours, path, true, ret, err);
}

int mlo_credentials_theirs(struct mlo_credentials *c, struct mlo_credentials_file *f, const char *variable,
                           const char *below, const struct mlo_ini **ret, struct mlo_err *err)
{
    char *path = NULL;
    *ret = f->there ? &f->ini : NULL;
    if (f->asked)
        return 0;
    int rc = mlo_credentials_path(c, variable, below, &path, err);
    return rc != 0 ? rc : read_file(f, path, false, ret, err);
}

/* ---- RunPod's REST key ---- */

/* The first line, without what stands around it. */
static int keep_token(struct mlo_credentials *c, const char *text, struct mlo_err *err)
{
    size_t from = strspn(text, " \t\r\n"), n = strcspn(text + from, "\r\n");
    while (n > 0 && (text[from + n - 1] == ' ' || text[from + n - 1] == '\t'))
        n--;
    const char *token = mlo_credentials_keep(c, text + from, n, err);
    int rc = token ? mlo_credentials_check(token, "--token-file", err) : MLO_EIO;
    if (rc == 0)
        c->token = token;
    return rc;
}

static int read_token(struct mlo_credentials *c, struct mlo_err *err)
{
    bool is_stdin = strcmp(c->from.token_file, "-") == 0;
    char *text = NULL, shown[MLO_SHOWN];
    size_t n = 0;
    MLO_AUTOCLOSE int fd = is_stdin ? -1 : open(c->from.token_file, O_RDONLY | O_CLOEXEC);
    mlo_shown(c->from.token_file, strlen(c->from.token_file), shown);
    if (!is_stdin && fd < 0)
        return mlo_fail_errno(err, "--token-file '%s'", shown);
    int rc = mlo_secret_read_fd(is_stdin ? STDIN_FILENO : fd, MLO_TOKEN_MAX, &text, &n, err);
    if (rc != 0)
        return mlo_wrap(err, "--token-file '%s'", shown);
    rc = keep_token(c, text, err);
    mlo_wipe_free(text, n + 1);
    return rc;
}

/* runpodctl writes apikey = "rpa_..." or 'rpa_...', in TOML. */
static int of_runpodctl(struct mlo_credentials *c, const char **ret, struct mlo_err *err)
{
    const struct mlo_ini *ini = NULL;
    int rc = mlo_credentials_theirs(c, &c->runpodctl, NULL, ".runpod/config.toml", &ini, err);
    const char *key = ini ? mlo_ini_get(ini, "", "apikey") : NULL;
    size_t n = key ? strlen(key) : 0;
    bool quoted = n >= 2 && (*key == '"' || *key == '\'') && key[n - 1] == *key;
    *ret = key && !quoted ? key : NULL;
    if (rc != 0 || !quoted || n == 2)
        return rc;
    *ret = mlo_credentials_keep(c, key + 1, n - 2, err);
    return *ret ? 0 : MLO_EIO;
}

static int no_runpod_key(const struct mlo_credentials *c, struct mlo_err *err)
{
    mlo_fail(err, MLO_ENOTFOUND, "no RunPod API key was found");
    return mlo_hint(
        err,
        "make one in RunPod's console under Settings, then set RUNPOD_API_KEY, use --token-file FILE, "
        "or write api_key below [runpod] in %s; see mlopsctl-credentials(5)",
        c->ours.path ? c->ours.path : "a credentials file");
}

static int find_runpod(struct mlo_credentials *c, const char **ret_key, const char **ret_origin,
                       struct mlo_err *err)
{
    const struct mlo_ini *ours = NULL;
    int rc = c->from.token_file && !c->token ? read_token(c, err) : 0;
    *ret_origin = "--token-file";
    *ret_key = c->token;
    if (rc == 0 && !*ret_key) {
        *ret_origin = "environment RUNPOD_API_KEY";
        *ret_key = mlo_credentials_env(c, "RUNPOD_API_KEY");
    }
    if (rc == 0 && !*ret_key) {
        rc = mlo_credentials_ours(c, &ours, err);
        *ret_key = ours ? mlo_ini_get(ours, "runpod", "api_key") : NULL;
        *ret_origin = c->ours.path;
    }
    if (rc == 0 && !*ret_key) {
        rc = of_runpodctl(c, ret_key, err);
        *ret_origin = c->runpodctl.path;
    }
    return rc != 0 || *ret_key ? rc : no_runpod_key(c, err);
}

int mlo_credentials_runpod(struct mlo_credentials *c, const char **ret_key, const char **ret_origin,
                           struct mlo_err *err)
{
    const char *key = NULL, *origin = NULL;
    int rc = find_runpod(c, &key, &origin, err);
    if (rc == 0)
        rc = mlo_credentials_check(key, origin, err);
    if (rc != 0)
        return rc;
    if (strncmp(key, "rps_", 4) == 0 || strncmp(key, "user_", 5) == 0) {
        mlo_fail(err, MLO_EUSAGE, "what %s holds is half of an S3 key, not a RunPod API key", origin);
        return mlo_hint(err, "an API key begins with rpa_; make one in RunPod's console under Settings");
    }
    *ret_key = key;
    *ret_origin = origin;
    return 0;
}

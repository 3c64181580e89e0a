/* Logins of registries: our file, then those of docker, podman and skopeo with their helpers. */
#include "internal.h"

#include <string.h>

#include <mlopsctl/base/io.h>

/* ---- ours ---- */

static int of_ours(struct mlo_credentials *c, const char *host, struct mlo_login *ret, bool *ret_found,
                   struct mlo_err *err)
{
    const struct mlo_ini *ours = NULL;
    char section[512];
    int rc = mlo_credentials_ours(c, &ours, err), n = snprintf(section, sizeof section, "registry %s", host);
    if (rc != 0 || !ours || n < 0 || (size_t)n >= sizeof section || !mlo_ini_has(ours, section))
        return rc;
    struct mlo_login l = {.user = mlo_ini_get(ours, section, "user"),
                          .password = mlo_ini_get(ours, section, "password"),
                          .identity_token = mlo_ini_get(ours, section, "identity_token"),
                          .origin = mlo_credentials_place(c, c->ours.path, section, err)};
    if (!l.origin)
        return MLO_EIO;
    if (!l.user != !l.password || (!l.user && !l.identity_token)) {
        mlo_fail(err, MLO_EUSAGE, "%s is not a login", l.origin);
        return mlo_hint(err, "give user and password, or identity_token");
    }
    *ret = l;
    *ret_found = true;
    return 0;
}

/* ---- theirs ---- */

/* Empty text: none. */
static int keep(struct mlo_credentials *c, const struct mlo_str *s, const char **ret, struct mlo_err *err)
{
    *ret = s->len ? mlo_credentials_keep(c, s->ptr, s->len, err) : NULL;
    return s->len && !*ret ? MLO_EIO : 0;
}

static int take_login(struct mlo_credentials *c, const struct mlo_docker_entry *e, const char *file,
                      struct mlo_login *ret, bool *ret_found, struct mlo_err *err)
{
    struct mlo_login l = {.origin = mlo_credentials_place(c, file, NULL, err)};
    int rc = l.origin ? keep(c, &e->identity_token, &l.identity_token, err) : MLO_EIO;
    if (rc == 0 && e->password.len)
        rc = keep(c, &e->user, &l.user, err);
    if (rc == 0 && l.user)
        rc = keep(c, &e->password, &l.password, err);
    *ret_found = rc == 0 && (l.identity_token || l.password);
    if (*ret_found)
        *ret = l;
    return rc;
}

static int ask_helper(struct mlo_credentials *c, const char *helper, const char *host, struct mlo_login *ret,
                      bool *ret_found, struct mlo_err *err)
{
    struct mlo_docker_entry e;
    char *text = NULL, origin[128];
    size_t n = 0;
    int rc = mlo_helper_get(c->from.env, helper, mlo_docker_server(host), &text, &n, err);
    if (rc == MLO_ENOTFOUND) {
        *err = MLO_ERR_INIT;
        return 0;
    }
    if (rc != 0)
        return rc;
    snprintf(origin, sizeof origin, "docker-credential-%s", helper);
    rc = mlo_docker_answer(text, n, &e, err);
    if (rc == 0)
        rc = take_login(c, &e, origin, ret, ret_found, err);
    else
        mlo_wrap(err, "%s get", origin);
    mlo_docker_release(&e);
    mlo_wipe_free(text, n + 1);
    return rc;
}

/*
 * The helper for this host, else the one for all, else what stands in the file. A store for all that is not
 * installed (a desktop's, seen from a container) is no reason to refuse what needs no login; it is named as
 * the origin, for whoever is turned away then.
 */
static int of_entry(struct mlo_credentials *c, const struct mlo_docker_entry *e, const char *path,
                    const char *host, struct mlo_login *ret, bool *ret_found, struct mlo_err *err)
{
    int rc = 0;
    if (e->helper.len || e->store.len)
        rc = ask_helper(c, e->helper.len ? e->helper.ptr : e->store.ptr, host, ret, ret_found, err);
    if (rc == MLO_EUNAVAIL && !e->helper.len) {
        ret->origin = mlo_credentials_keep(c, err->msg, strlen(err->msg), err);
        rc = ret->origin ? 0 : MLO_EIO;
        if (rc == 0)
            *err = MLO_ERR_INIT;
    }
    if (rc == 0 && !*ret_found)
        rc = take_login(c, e, path, ret, ret_found, err);
    return rc != 0 ? mlo_wrap(err, "login for '%s'", host) : 0;
}

/* Takes the path, which may be NULL. */
static int of_file(struct mlo_credentials *c, char *taken, const char *host, struct mlo_login *ret,
                   bool *ret_found, struct mlo_err *err)
{
    struct mlo_docker_entry e;
    char *text = NULL, shown[MLO_SHOWN];
    MLO_AUTOFREE char *path = taken;
    size_t n = 0;
    int rc = path ? mlo_secret_read(path, MLO_CREDENTIALS_FILE_MAX, false, &text, &n, err) : MLO_ENOTFOUND;
    if (rc == MLO_ENOTFOUND) {
        *err = MLO_ERR_INIT;
        return 0;
    }
    if (rc != 0)
        return rc;
    rc = mlo_docker_find(text, n, host, &e, err);
    if (rc != 0)
        mlo_wrap(err, "'%s'", mlo_shown(path, strlen(path), shown));
    else
        rc = of_entry(c, &e, path, host, ret, ret_found, err);
    mlo_docker_release(&e);
    mlo_wipe_free(text, n + 1);
    return rc;
}

static char *below(const struct mlo_credentials *c, const char *variable, const char *name,
                   struct mlo_err *err)
{
    const char *folder = mlo_credentials_env(c, variable);
    MLO_AUTOSTR struct mlo_str path;
    mlo_str_init(&path, MLO_PATH_MAX);
    mlo_str_addf(&path, "%s/%s", folder ? folder : "", name);
    return !folder || mlo_str_check(&path, err) != 0 ? NULL : mlo_str_detach(&path, NULL);
}

static char *path_of(const struct mlo_credentials *c, size_t which, struct mlo_err *err)
{
    const char *auth_file = mlo_credentials_env(c, "REGISTRY_AUTH_FILE");
    char *path = NULL;
    if (which == 0)
        return auth_file ? mlo_strdup(auth_file, err) : NULL;
    if (which == 2)
        return below(c, "XDG_RUNTIME_DIR", "containers/auth.json", err);
    if (mlo_credentials_env(c, "DOCKER_CONFIG"))
        return below(c, "DOCKER_CONFIG", "config.json", err);
    return mlo_credentials_path(c, NULL, ".docker/config.json", &path, err) == 0 ? path : NULL;
}

int mlo_credentials_registry(struct mlo_credentials *c, const char *host, struct mlo_login *ret,
                             struct mlo_err *err)
{
    struct mlo_login login = {0};
    bool found = false;
    int rc = of_ours(c, host, &login, &found, err);
    for (size_t i = 0; rc == 0 && !found && i < 3; i++) {
        char *path = path_of(c, i, err);
        rc = path || !err->code ? of_file(c, path, host, &login, &found, err) : err->code;
    }
    if (rc == 0)
        *ret = login;
    return rc;
}

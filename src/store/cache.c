/*
 * Small derived things that cost time to make again: <home>/cache/<kind>/<key>. Each file begins with the
 * SHA-256 of the rest, so a damaged one is the same as a missing one.
 */
#include "internal.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static char *cache_path(const char *home, const char *kind, const struct mlo_digest *key, struct mlo_err *err)
{
    char hex[MLO_DIGEST_HEX + 1];
    if (strchr(kind, '/') || mlo_path_check(kind, strlen(kind), err) < 0) {
        mlo_fail(err, MLO_EINTERNAL, "bad kind of cache entry");
        return NULL;
    }
    return mlo_store_path(err, "%s/cache/%s/%s", home, kind, mlo_digest_hex(key, hex));
}

int mlo_cache_get(const char *home, const char *kind, const struct mlo_digest *key, size_t max, char **ret,
                  size_t *ret_len, struct mlo_err *err)
{
    MLO_AUTOFREE char *path = cache_path(home, kind, key, err);
    MLO_AUTOFREE char *data = NULL;
    struct mlo_digest got, want;
    size_t n;
    if (!path)
        return err->code;
    int rc = mlo_slurp_at(AT_FDCWD, path, max + sizeof want, &data, &n, err);
    if (rc == 0 && n < sizeof want)
        rc = mlo_fail(err, MLO_EINVALID, "cache entry is too short");
    if (rc == 0)
        rc = mlo_sha256(data + sizeof want, n - sizeof want, &got, err);
    if (rc == 0) {
        memcpy(&want, data, sizeof want);
        rc = mlo_digest_eq(&got, &want) ? 0 : MLO_EINVALID;
    }
    if (rc == MLO_EINVALID)
        return mlo_fail(err, MLO_ENOTFOUND, "no usable cache entry '%s'", path);
    if (rc < 0)
        return rc;
    memmove(data, data + sizeof want, n - sizeof want + 1); /* with the terminator */
    *ret_len = n - sizeof want;
    *ret = mlo_steal(&data);
    return 0;
}

static int write_entry(int folder, const char *name, const void *data, size_t n, struct mlo_err *err)
{
    struct mlo_newfile f = MLO_NEWFILE_INIT;
    struct mlo_digest d;
    int rc = mlo_sha256(data, n, &d, err);
    if (rc == 0)
        rc = mlo_newfile_begin(&f, folder, name, 0600, err);
    if (rc == 0)
        rc = mlo_write_all(f.fd, &d, sizeof d, err);
    if (rc == 0)
        rc = mlo_write_all(f.fd, data, n, err);
    if (rc == 0)
        return mlo_newfile_commit(&f, err);
    mlo_newfile_abort(&f);
    return rc;
}

int mlo_cache_put(const char *home, const char *kind, const struct mlo_digest *key, const void *data,
                  size_t n, struct mlo_err *err)
{
    MLO_AUTOFREE char *path = cache_path(home, kind, key, err);
    if (!path)
        return err->code;
    char *slash = strrchr(path, '/');
    *slash = '\0';
    int rc = mlo_mkdirs_at(AT_FDCWD, path, 0700, err);
    *slash = '/';
    return rc < 0 ? rc : write_entry(AT_FDCWD, path, data, n, err);
}

void mlo_cache_remove(const char *home, const char *kind, const struct mlo_digest *key)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    MLO_AUTOFREE char *path = cache_path(home, kind, key, &ignored);
    if (path)
        (void)unlink(path);
}

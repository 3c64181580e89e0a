/* Memory with secrets in it, and files that hold some. */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>

void mlo_wipe_free(void *p, size_t n)
{
    if (p)
        explicit_bzero(p, n);
    free(p);
}

void mlo_wipe_str(struct mlo_str *s)
{
    if (s->cap)
        explicit_bzero(s->ptr, s->cap);
    mlo_str_release(s);
}

int mlo_secret_room(struct mlo_str *s, size_t n, struct mlo_err *err)
{
    mlo_str_init(s, n + 1);
    mlo_str_fill(s, ' ', n + 1);
    int rc = mlo_str_check(s, err);
    mlo_str_clear(s);
    return rc;
}

int mlo_secret_read_fd(int fd, size_t max, char **ret, size_t *ret_n, struct mlo_err *err)
{
    size_t n = 0;
    char *text = mlo_calloc(1, max + 2, err);
    if (!text)
        return MLO_EIO;
    int rc = mlo_read(fd, text, max + 1, &n, err);
    if (rc == 0 && n > max)
        rc = mlo_fail(err, MLO_EINVALID, "larger than %zu bytes", max);
    if (rc != 0) {
        mlo_wipe_free(text, max + 2);
        return rc;
    }
    *ret = text;
    *ret_n = n;
    return 0;
}

static int check_mine(const struct stat *st, const char *path, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    mlo_shown(path, strlen(path), shown);
    if (st->st_uid != geteuid()) {
        mlo_fail(err, MLO_EUSAGE, "'%s' belongs to somebody else and is not read", shown);
        return mlo_hint(err, "run: chown %lu '%s' && chmod 600 '%s'", (unsigned long)geteuid(), shown, shown);
    }
    if (st->st_mode & 077) {
        mlo_fail(err, MLO_EUSAGE, "'%s' can be read by others and is not used", shown);
        return mlo_hint(err, "run: chmod 600 '%s'", shown);
    }
    return 0;
}

int mlo_secret_read(const char *path, size_t max, bool mine, char **ret, size_t *ret_n, struct mlo_err *err)
{
    struct stat st;
    char shown[MLO_SHOWN];
    MLO_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    mlo_shown(path, strlen(path), shown);
    if (fd < 0 && errno == ENOTDIR)
        return mlo_fail(err, MLO_ENOTFOUND, "'%s' is not there", shown);
    if (fd < 0 || fstat(fd, &st) != 0)
        return mlo_fail_errno(err, "cannot read '%s'", shown);
    if (!S_ISREG(st.st_mode))
        return mlo_fail(err, MLO_EINVALID, "'%s' is not a file", shown);
    int rc = mine ? check_mine(&st, path, err) : 0;
    if (rc != 0)
        return rc;
    rc = mlo_secret_read_fd(fd, max, ret, ret_n, err);
    return rc != 0 ? mlo_wrap(err, "'%s'", shown) : 0;
}

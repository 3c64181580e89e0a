/*
 * Backup and restore. A backup is one file in rollback-journal mode, taken in one read transaction, so it is
 * one moment of the ledger whatever others write; it gets its name only after verify. A restore verifies a
 * private copy, then swaps files under the writers' lock, with the old ledger's WAL folded in and removed: a
 * WAL beside the wrong database would be replayed into it.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <string.h>
#include <unistd.h>

#define BEFORE_RESTORE MLO_LEDGER_FILE ".before-restore"

/* Path of the temporary of `f`, which will be `path`. */
static int tmp_path(const char *path, const struct mlo_newfile *f, struct mlo_str *out, struct mlo_err *err)
{
    const char *slash = strrchr(path, '/');
    if (slash)
        mlo_str_addn(out, path, (size_t)(slash - path) + 1);
    mlo_str_add(out, f->tmp);
    return mlo_str_check(out, err);
}

static int verify_file(const char *path, struct mlo_err *err)
{
    struct mlo_ledger *copy = NULL;
    uint64_t rows;
    int rc = mlo_ledger_open_file(path, &copy, err);
    if (!rc)
        rc = mlo_ledger_verify(copy, NULL, &rows, err);
    mlo_ledger_close(copy);
    return rc;
}

/* No journal beside the copy: nobody needs it back half-made, and a crash would leave it there. */
static int copy_pages(sqlite3 *from, sqlite3 *to, struct mlo_err *err)
{
    int rc = mlo_sql_exec(to, "PRAGMA journal_mode=MEMORY", err);
    if (rc)
        return rc;
    sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
    if (!b)
        return mlo_sql_fail(to, sqlite3_errcode(to), "ledger: backup", err);
    int step = sqlite3_backup_step(b, -1); /* all at once: one moment, no restarts */
    rc = sqlite3_backup_finish(b);
    if (step != SQLITE_DONE)
        return mlo_sql_fail(to, rc == SQLITE_OK ? step : rc, "ledger: backup", err);
    return mlo_sql_exec(to, "PRAGMA journal_mode=MEMORY", err); /* the pages say WAL */
}

static int backup_to(struct mlo_ledger *l, const char *tmp, struct mlo_err *err)
{
    sqlite3 *to = NULL;
    int rc = mlo_sql_connect(tmp, SQLITE_OPEN_READWRITE, &to, err);
    if (!rc)
        rc = copy_pages(l->db, to, err);
    if (sqlite3_close(to) != SQLITE_OK && !rc)
        rc = mlo_fail(err, MLO_EINTERNAL, "ledger: backup left open");
    return rc ? rc : verify_file(tmp, err);
}

int mlo_ledger_backup(struct mlo_ledger *l, const char *path, struct mlo_err *err)
{
    struct mlo_newfile f = MLO_NEWFILE_INIT;
    MLO_AUTOSTR struct mlo_str tmp;
    mlo_str_init(&tmp, MLO_PATH_MAX);
    int rc = mlo_newfile_begin(&f, AT_FDCWD, path, 0600, err);
    if (!rc)
        rc = tmp_path(path, &f, &tmp, err);
    if (!rc)
        rc = backup_to(l, tmp.ptr, err);
    if (!rc)
        rc = mlo_newfile_commit_excl(&f, err);
    mlo_newfile_abort(&f);
    return rc == MLO_NO ? mlo_wrap(err, "the ledger is damaged, so is its backup") : rc;
}

/* ---- restore ---- */

static int refuse_running(sqlite3 *db, struct mlo_err *err)
{
    int64_t id = 0;
    int rc = mlo_sql_pragma_i64(db, "SELECT id FROM runs WHERE status <> 'done' AND status = 'running'", &id,
                                err);
    if (rc || !id)
        return rc;
    (void)mlo_fail(err, MLO_ECONFLICT, "run %" PRId64 " is in progress", id);
    return mlo_hint(err, "wait for it; when its process is gone, run: mlopsctl recover");
}

/* The old file alone, without a WAL: needs every other connection gone. A damaged one is set aside as it is.
 */
static int fold_old(const char *path, struct mlo_err *err)
{
    sqlite3 *db = NULL;
    int64_t version = 0;
    int rc = mlo_sql_connect(path, SQLITE_OPEN_READWRITE, &db, err);
    if (!rc)
        rc = mlo_schema_version(db, &version, err);
    if (!rc && version)
        rc = refuse_running(db, err);
    if (!rc)
        rc = mlo_sql_exec(db, "PRAGMA journal_mode=DELETE", err);
    (void)sqlite3_close(db);
    return rc == MLO_EINVALID ? 0 : rc;
}

static int keep_old(struct mlo_ledger *l, struct mlo_err *err)
{
    static const char *const companions[] = {MLO_LEDGER_FILE "-wal", MLO_LEDGER_FILE "-shm",
                                             MLO_LEDGER_FILE "-journal"};
    if (unlinkat(l->home_fd, BEFORE_RESTORE, 0) < 0 && errno != ENOENT)
        return mlo_fail_errno(err, "'%s/%s'", l->home, BEFORE_RESTORE);
    if (linkat(l->home_fd, MLO_LEDGER_FILE, l->home_fd, BEFORE_RESTORE, 0) < 0 && errno != ENOENT)
        return mlo_fail_errno(err, "'%s/%s'", l->home, BEFORE_RESTORE);
    for (size_t i = 0; i < MLO_COUNT(companions); i++)
        if (unlinkat(l->home_fd, companions[i], 0) < 0 && errno != ENOENT)
            return mlo_fail_errno(err, "'%s/%s'", l->home, companions[i]);
    return 0;
}

static int copy_in(const char *path, struct mlo_newfile *f, struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return mlo_fail_errno(err, "'%s'", path);
    if (!S_ISREG(st.st_mode))
        return mlo_fail(err, MLO_EINVALID, "'%s': not a regular file", path);
    return mlo_copy_fd(f->fd, fd, (uint64_t)st.st_size, err);
}

static int swap(struct mlo_ledger *l, const char *ledger, struct mlo_newfile *f, struct mlo_err *err)
{
    struct stat st;
    int rc = mlo_lock_take(l, err);
    if (!rc && fstatat(l->home_fd, MLO_LEDGER_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > 0)
        rc = fold_old(ledger, err);
    if (!rc)
        rc = keep_old(l, err);
    if (!rc)
        rc = mlo_newfile_commit(f, err);
    mlo_lock_drop(l);
    return rc;
}

int mlo_ledger_restore(const char *home, const char *path, struct mlo_err *err)
{
    struct mlo_ledger where = {.home_fd = -1, .lock_fd = -1, .mode = MLO_LEDGER_WRITE};
    struct mlo_newfile f = MLO_NEWFILE_INIT;
    MLO_AUTOSTR struct mlo_str ledger, tmp;
    mlo_str_init(&ledger, MLO_PATH_MAX);
    mlo_str_init(&tmp, MLO_PATH_MAX);
    mlo_str_addf(&ledger, "%s/%s", home, MLO_LEDGER_FILE);
    int rc = mlo_str_check(&ledger, err);
    where.home = rc ? NULL : mlo_strdup(home, err);
    if (!where.home)
        return err->code;
    rc = mlo_ledger_home(&where, err);
    if (!rc)
        rc = mlo_newfile_begin(&f, where.home_fd, MLO_LEDGER_FILE, 0600, err);
    if (!rc)
        rc = copy_in(path, &f, err);
    if (!rc)
        rc = tmp_path(ledger.ptr, &f, &tmp, err);
    if (!rc) {
        rc = verify_file(tmp.ptr, err);
        if (rc)
            rc = mlo_wrap(err, "'%s' is not restored", path);
    }
    if (!rc)
        rc = swap(&where, ledger.ptr, &f, err);
    mlo_newfile_abort(&f);
    mlo_cleanup_close(&where.home_fd);
    free(where.home);
    return rc;
}

/*
 * Opening and closing, the writers' lock, transactions.
 *
 * Invariant: whoever changes ledger.db or checkpoints its WAL holds the flock on <home>/lock. SQLite 3.7
 * to 3.51 may lose a commit when a checkpoint and a writer of two connections meet, so even closing (the last
 * connection folds the WAL in) happens under the lock, and when the lock is busy the folding is left to its
 * holder.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define LOCK_MOMENT_MS 250
#define PID_TEXT       24

/* Magic numbers of statfs(2) whose shared memory does not reach other hosts. */
static const unsigned network_magic[] = {
    0x6969,     /* NFS */
    0xff534d42, /* CIFS */
    0xfe534d42, /* SMB2 */
    0x517b,     /* SMB */
    0x65735546, /* FUSE */
    0x01021997, /* 9P */
    0x00c36400, /* Ceph */
    0x0bd00bd0, /* Lustre */
};

static bool on_network(int fd)
{
    struct statfs st;
    if (fstatfs(fd, &st) < 0)
        return false;
    for (size_t i = 0; i < MLO_COUNT(network_magic); i++)
        if ((unsigned)st.f_type == network_magic[i])
            return true;
    return false;
}

/* ---- the lock ---- */

static long lock_holder(int fd)
{
    char text[PID_TEXT + 1] = "";
    ssize_t n = pread(fd, text, PID_TEXT, 0);
    return n > 0 ? strtol(text, NULL, 10) : 0;
}

static int open_lock(struct mlo_ledger *l, struct mlo_err *err)
{
    if (l->lock_fd >= 0)
        return 0;
    l->lock_fd = openat(l->home_fd, MLO_LEDGER_LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return l->lock_fd < 0 ? mlo_fail_errno(err, "'%s/%s'", l->home, MLO_LEDGER_LOCK) : 0;
}

static int lock_busy(struct mlo_ledger *l, struct mlo_err *err)
{
    long pid = lock_holder(l->lock_fd);
    if (pid)
        return mlo_fail(err, MLO_ECONFLICT, "ledger: still locked by process %ld after %d s", pid,
                        MLO_LOCK_WAIT_MS / 1000);
    return mlo_fail(err, MLO_ECONFLICT, "ledger: still locked by another process after %d s",
                    MLO_LOCK_WAIT_MS / 1000);
}

int mlo_lock_take(struct mlo_ledger *l, struct mlo_err *err)
{
    int rc = open_lock(l, err);
    if (rc)
        return rc;
    rc = mlo_lock_fd(l->lock_fd, true, LOCK_MOMENT_MS, NULL, NULL, err);
    if (rc == MLO_ECONFLICT) {
        if (l->on_wait)
            l->on_wait(l->wait_ctx, lock_holder(l->lock_fd));
        rc = mlo_lock_fd(l->lock_fd, true, MLO_LOCK_WAIT_MS, NULL, NULL, err);
    }
    if (rc == MLO_ECONFLICT)
        return lock_busy(l, err);
    if (rc)
        return rc;
    char text[PID_TEXT + 1];
    int n = snprintf(text, sizeof text, "%-*ld\n", PID_TEXT - 1, (long)getpid());
    struct mlo_err ignored; /* the number only serves a message */
    (void)!mlo_write_all_at(l->lock_fd, text, (size_t)n, 0, &ignored);
    return 0;
}

void mlo_lock_drop(struct mlo_ledger *l)
{
    if (l->lock_fd >= 0)
        mlo_cleanup_close(&l->lock_fd);
    l->lock_fd = -1;
}

void mlo_ledger_on_wait(struct mlo_ledger *l, void (*fn)(void *ctx, long pid), void *ctx)
{
    l->on_wait = fn;
    l->wait_ctx = ctx;
}

/* ---- transactions ---- */

/* A restore puts another file under the name; what is written to the old one would be lost. */
static int check_same_file(struct mlo_ledger *l, struct mlo_err *err)
{
    struct stat st;
    if (fstatat(l->home_fd, MLO_LEDGER_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return mlo_fail_errno(err, "'%s/%s'", l->home, MLO_LEDGER_FILE);
    if (st.st_dev != l->dev || st.st_ino != l->ino)
        return mlo_fail(err, MLO_ECONFLICT, "ledger: it was replaced (restored) while this command ran");
    return 0;
}

int mlo_tx_begin(struct mlo_ledger *l, struct mlo_err *err)
{
    if (l->mode != MLO_LEDGER_WRITE || l->in_tx)
        return mlo_fail(err, MLO_EINTERNAL, "ledger: %s",
                        l->in_tx ? "nested transaction" : "opened for reading");
    int rc = mlo_lock_take(l, err);
    if (!rc)
        rc = check_same_file(l, err);
    if (!rc)
        rc = mlo_sql_run(l, MLO_SQL_BEGIN, err, "");
    if (rc)
        mlo_lock_drop(l);
    else
        l->in_tx = true;
    return rc;
}

int mlo_tx_commit(struct mlo_ledger *l, struct mlo_err *err)
{
    int rc = mlo_sql_run(l, MLO_SQL_COMMIT, err, "");
    if (rc) {
        mlo_tx_abort(l);
        return rc;
    }
    l->in_tx = false;
    mlo_lock_drop(l);
    return 0;
}

void mlo_tx_abort(struct mlo_ledger *l)
{
    if (!l->in_tx)
        return;
    l->in_tx = false;
    if (!sqlite3_get_autocommit(l->db)) {
        struct mlo_err ignored;
        (void)!mlo_sql_run(l, MLO_SQL_ROLLBACK, &ignored, "");
    }
    mlo_lock_drop(l);
}

/* ---- open ---- */

static int no_ledger(const char *home, struct mlo_err *err)
{
    return mlo_fail(err, MLO_ENOTFOUND, "ledger: there is none in '%s'", home);
}

int mlo_ledger_home(struct mlo_ledger *l, struct mlo_err *err)
{
    l->home_fd = open(l->home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (l->home_fd < 0 && errno == ENOENT && l->mode == MLO_LEDGER_WRITE) {
        int rc = mlo_mkdirs_at(AT_FDCWD, l->home, 0700, err);
        if (rc)
            return rc;
        l->home_fd = open(l->home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (l->home_fd >= 0)
        return 0;
    return errno == ENOENT ? no_ledger(l->home, err) : mlo_fail_errno(err, "'%s'", l->home);
}

/* Makes an empty file so that it and SQLite's companions are private. Never opens one that exists: closing it
 * would drop the POSIX locks of another connection in this process. */
static int make_file(struct mlo_ledger *l, struct mlo_err *err)
{
    if (mkdirat(l->home_fd, MLO_LEDGER_TMP, 0700) < 0 && errno != EEXIST)
        return mlo_fail_errno(err, "'%s/%s'", l->home, MLO_LEDGER_TMP);
    struct stat st;
    if (fstatat(l->home_fd, MLO_LEDGER_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    MLO_AUTOCLOSE int fd = openat(l->home_fd, MLO_LEDGER_FILE,
                                  O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno != EEXIST)
        return mlo_fail_errno(err, "'%s/%s'", l->home, MLO_LEDGER_FILE);
    return mlo_fsync_dir_of(l->home_fd, MLO_LEDGER_FILE, err);
}

static int note_identity(struct mlo_ledger *l, bool *ret_empty, struct mlo_err *err)
{
    struct stat st;
    if (fstatat(l->home_fd, MLO_LEDGER_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? no_ledger(l->home, err)
                               : mlo_fail_errno(err, "'%s/%s'", l->home, MLO_LEDGER_FILE);
    if (!S_ISREG(st.st_mode))
        return mlo_fail(err, MLO_EINVALID, "ledger: '%s/%s' is not a regular file", l->home, MLO_LEDGER_FILE);
    l->dev = st.st_dev;
    l->ino = st.st_ino;
    *ret_empty = st.st_size == 0;
    return 0;
}

static int journal_mode(struct mlo_ledger *l, struct mlo_err *err)
{
    return mlo_sql_exec(
        l->db, on_network(l->home_fd) ? "PRAGMA journal_mode=DELETE" : "PRAGMA journal_mode=WAL", err);
}

static int migrate(struct mlo_ledger *l, struct mlo_err *err)
{
    struct mlo_ledger *tx MLO_AUTOTX = l;
    int64_t version = 0;
    int rc = mlo_tx_begin(l, err);
    if (!rc)
        rc = mlo_schema_version(l->db, &version, err); /* again: another process may have been faster */
    if (!rc)
        rc = mlo_schema_migrate(l->db, version, err);
    return rc ? rc : mlo_tx_commit(tx, err);
}

static int open_write(struct mlo_ledger *l, const char *path, struct mlo_err *err)
{
    bool empty;
    int64_t version = 0;
    int rc = make_file(l, err);
    if (!rc)
        rc = note_identity(l, &empty, err);
    if (!rc)
        rc = mlo_sql_connect(path, SQLITE_OPEN_READWRITE, &l->db, err);
    if (!rc)
        rc = mlo_schema_version(l->db, &version, err);
    if (rc)
        return rc;
    rc = mlo_lock_take(l, err);
    if (!rc)
        rc = journal_mode(l, err);
    mlo_lock_drop(l);
    if (!rc && version < mlo_schema_newest())
        rc = migrate(l, err);
    return rc;
}

/* "file:/path?immutable=1" with what means something in a URI escaped. */
static int immutable_uri(const char *path, struct mlo_str *out, struct mlo_err *err)
{
    mlo_str_add(out, "file:");
    for (const char *p = path; *p; p++) {
        if (strchr("%?#", *p))
            mlo_str_addf(out, "%%%02X", (unsigned char)*p);
        else
            mlo_str_addc(out, *p);
    }
    mlo_str_add(out, "?immutable=1");
    return mlo_str_check(out, err);
}

/* SQLite cannot read a WAL file in a folder where it may not make the shared index. Nothing in the WAL: the
 * file alone is the ledger. */
static int connect_immutable(struct mlo_ledger *l, const char *path, struct mlo_err *err)
{
    struct stat st;
    if (l->home_fd >= 0 && fstatat(l->home_fd, MLO_LEDGER_FILE "-wal", &st, 0) == 0 && st.st_size > 0) {
        (void)mlo_fail(err, MLO_EIO, "ledger: '%s' is read-only and its last changes are not folded in",
                       l->home);
        return mlo_hint(err,
                        "run any command of mlopsctl where the folder can be written, or copy the folder");
    }
    MLO_AUTOSTR struct mlo_str uri;
    mlo_str_init(&uri, 4 * MLO_PATH_MAX);
    int rc = immutable_uri(path, &uri, err);
    if (!rc)
        rc = mlo_sql_connect(uri.ptr, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, &l->db, err);
    return rc;
}

static int connect_reader(struct mlo_ledger *l, const char *path, struct mlo_err *err)
{
    /* Not READONLY: a reader of a WAL needs to make the shared index. query_only keeps it a reader. */
    int64_t version = 0;
    int rc = mlo_sql_connect(path, SQLITE_OPEN_READWRITE, &l->db, err);
    if (!rc)
        rc = mlo_schema_version(l->db, &version, err);
    if (rc == MLO_EIO) {
        (void)sqlite3_close(l->db);
        l->db = NULL;
        rc = connect_immutable(l, path, err);
        if (!rc)
            rc = mlo_schema_version(l->db, &version, err);
    }
    if (!rc && version == 0)
        return no_ledger(l->home, err);
    if (!rc && version < mlo_schema_newest()) {
        (void)mlo_fail(err, MLO_EUNAVAIL, "ledger: it has the older schema version %lld", (long long)version);
        return mlo_hint(err, "any command that writes brings it to version %d", mlo_schema_newest());
    }
    return rc ? rc : mlo_sql_exec(l->db, "PRAGMA query_only=ON", err);
}

static int open_read(struct mlo_ledger *l, const char *path, struct mlo_err *err)
{
    bool empty = false;
    int rc = note_identity(l, &empty, err);
    if (rc)
        return rc;
    return empty ? no_ledger(l->home, err) : connect_reader(l, path, err);
}

static struct mlo_ledger *new_ledger(const char *home, enum mlo_ledger_mode mode, struct mlo_err *err)
{
    struct mlo_ledger *l = mlo_calloc(1, sizeof *l, err);
    if (!l)
        return NULL;
    l->home_fd = l->lock_fd = -1;
    l->mode = mode;
    l->home = mlo_strdup(home, err);
    if (l->home)
        return l;
    free(l);
    return NULL;
}

int mlo_ledger_open(const char *home, enum mlo_ledger_mode mode, struct mlo_ledger **ret, struct mlo_err *err)
{
    struct mlo_ledger *l = new_ledger(home, mode, err);
    if (!l)
        return err->code;
    MLO_AUTOSTR struct mlo_str path;
    mlo_str_init(&path, MLO_PATH_MAX);
    mlo_str_addf(&path, "%s/%s", home, MLO_LEDGER_FILE);
    int rc = mlo_str_check(&path, err);
    if (!rc)
        rc = mlo_ledger_home(l, err);
    if (!rc)
        rc = mode == MLO_LEDGER_WRITE ? open_write(l, path.ptr, err) : open_read(l, path.ptr, err);
    if (rc) {
        mlo_ledger_close(l);
        return rc;
    }
    *ret = l;
    return 0;
}

int mlo_ledger_open_file(const char *path, struct mlo_ledger **ret, struct mlo_err *err)
{
    struct mlo_ledger *l = new_ledger(path, MLO_LEDGER_READ, err);
    if (!l)
        return err->code;
    int rc = connect_reader(l, path, err);
    if (rc) {
        mlo_ledger_close(l);
        return rc;
    }
    *ret = l;
    return 0;
}

/* ---- close ---- */

/* True when this process may fold the WAL in now, being the last to close. */
static bool may_checkpoint(struct mlo_ledger *l)
{
    struct mlo_err ignored;
    if (l->home_fd < 0)
        return true;
    if (l->lock_fd < 0)
        l->lock_fd = openat(l->home_fd, MLO_LEDGER_LOCK, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    return l->lock_fd >= 0 && mlo_lock_fd(l->lock_fd, true, 0, NULL, NULL, &ignored) == 0;
}

void mlo_ledger_close(struct mlo_ledger *l)
{
    if (!l)
        return;
    mlo_tx_abort(l);
    for (size_t i = 0; i < MLO_COUNT(l->cache); i++)
        (void)sqlite3_finalize(l->cache[i]);
    if (l->db && !may_checkpoint(l))
        (void)sqlite3_db_config(l->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    (void)sqlite3_close(l->db);
    mlo_lock_drop(l);
    mlo_cleanup_close(&l->home_fd);
    free(l->home);
    free(l);
}

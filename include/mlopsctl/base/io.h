/*
 * Files. Every durable write of this program goes through struct mlo_newfile: temporary name in the same
 * folder -> write -> fsync -> rename -> fsync of the folder. After a crash there is the old file or the new
 * one, and at worst a temporary that the next one to write in that folder sweeps.
 *
 * Paths from outside (archives, manifests, external data) go through mlo_open_beneath, which follows no link
 * and cannot leave the folder it starts from.
 */
#ifndef MLOPSCTL_BASE_IO_H
#define MLOPSCTL_BASE_IO_H

#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <mlopsctl/base/mem.h>

#define MLO_PATH_MAX   4096
#define MLO_TMP_PREFIX ".mlo-tmp-" /* + process id + "-" + random hex */

/* Exactly n bytes, EINTR and short counts handled; a file that ends early is MLO_EINVALID. */
int mlo_read_exact_at(int fd, void *buf, size_t n, uint64_t off, struct mlo_err *err) MLO_MUST_CHECK;
/* Up to n bytes; *ret_n < n only at the end of the file. */
int mlo_read_at(int fd, void *buf, size_t n, uint64_t off, size_t *ret_n, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_read(int fd, void *buf, size_t n, size_t *ret_n, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_write_all(int fd, const void *buf, size_t n, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_write_all_at(int fd, const void *buf, size_t n, uint64_t off, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_fsync(int fd, const char *what, struct mlo_err *err) MLO_MUST_CHECK;

/* Whole file, at most max bytes (more is MLO_EINVALID), NUL added. Regular files only. Owner: the caller. */
int mlo_slurp_at(int dirfd, const char *path, size_t max, char **ret, size_t *ret_len,
                 struct mlo_err *err) MLO_MUST_CHECK;

/*
 * Where the user's own file `name` of this program is: $XDG_CONFIG_HOME (when absolute, as its specification
 * says), else ~/.config, then /mlopsctl/<name>. *ret NULL without a home. Owner: the caller.
 */
int mlo_user_file(char *const *env, const char *name, char **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* The same for what may be deleted at any time: $XDG_CACHE_HOME, else ~/.cache. */
int mlo_user_cache(char *const *env, const char *name, char **ret, struct mlo_err *err) MLO_MUST_CHECK;

/* A file without a name in `folder` (NULL: /tmp), so that nothing stays of it whatever happens. */
int mlo_open_temporary(const char *folder, int *ret_fd, struct mlo_err *err) MLO_MUST_CHECK;

struct mlo_newfile {
    int fd;     /* write here; -1 when not open */
    int dirfd;  /* owned: the folder of the final name */
    char *name; /* owned: final base name */
    char *tmp;  /* owned: temporary base name */
};
#define MLO_NEWFILE_INIT ((struct mlo_newfile){.fd = -1, .dirfd = -1})
/* Starts a file that will be `path` (relative to dirfd; its folder must exist). */
int mlo_newfile_begin(struct mlo_newfile *f, int dirfd, const char *path, mode_t mode,
                      struct mlo_err *err) MLO_MUST_CHECK;
/* fsync, rename over the final name, fsync of the folder. f is released whether it succeeds or not. */
int mlo_newfile_commit(struct mlo_newfile *f, struct mlo_err *err) MLO_MUST_CHECK;
/* As commit, but an existing file under the final name is an MLO_ECONFLICT and stays. */
int mlo_newfile_commit_excl(struct mlo_newfile *f, struct mlo_err *err) MLO_MUST_CHECK;
/* Removes the temporary; safe on INIT and after commit. */
void mlo_newfile_abort(struct mlo_newfile *f);
/* begin + write + commit. */
int mlo_write_file_at(int dirfd, const char *path, const void *data, size_t n, mode_t mode,
                      struct mlo_err *err) MLO_MUST_CHECK;

/*
 * Files and folders named MLO_TMP_PREFIX... belong to whoever holds their lock. mlo_tmp_hold takes it on one
 * just made; mlo_tmp_sweep removes from a folder those that nobody holds and nobody has touched for a minute
 * (some network file systems keep locks to one host). Neither can fail: what stays is found by the next.
 * mlo_newfile_begin does both.
 */
void mlo_tmp_hold(int fd);
void mlo_tmp_sweep(int dirfd);

int mlo_fsync_dir_of(int dirfd, const char *path, struct mlo_err *err) MLO_MUST_CHECK;
/*
 * mkdir -p; each new folder's parent is fsynced. Below a folder the path must be safe (mlo_path_check) and no
 * link is followed; with AT_FDCWD it is the user's own path, links and ".." included.
 */
int mlo_mkdirs_at(int dirfd, const char *path, mode_t mode, struct mlo_err *err) MLO_MUST_CHECK;
/* Remove a tree, following nothing in it nor, below a folder, on the way to it. Missing is fine. */
int mlo_remove_tree_at(int dirfd, const char *path, struct mlo_err *err) MLO_MUST_CHECK;
/* The same of a folder of our own in which foreign programs have written: name is one part, folders in it
 * that forbid their owner anything are opened up, and none is too deep. */
int mlo_purge_tree_at(int dirfd, const char *name, struct mlo_err *err) MLO_MUST_CHECK;

/*
 * A relative path that may be joined to a folder: not empty, not absolute, no "", "." or ".." component, no
 * NUL, backslash or control byte, valid UTF-8, at most MLO_PATH_MAX bytes. MLO_EINVALID with the reason else.
 */
int mlo_path_check(const char *path, size_t n, struct mlo_err *err) MLO_MUST_CHECK;
/* Opens path below dirfd with no-follow on every component (openat2 where the kernel has it). */
int mlo_open_beneath(int dirfd, const char *path, int flags, mode_t mode, int *ret_fd,
                     struct mlo_err *err) MLO_MUST_CHECK;

/*
 * Opens a file that a model names as the home of its weights, below the model's folder: no link followed, a
 * regular file with one name only, at least offset + length bytes long. Read from this descriptor and check
 * no path again. Owner of *ret_fd: the caller.
 */
int mlo_external_open(int dirfd, const char *path, uint64_t offset, uint64_t length, int *ret_fd,
                      uint64_t *ret_size, struct mlo_err *err) MLO_MUST_CHECK;

/* Bytes of src into dst as shared extents where the file system can; MLO_EUNAVAIL where it cannot. */
int mlo_reflink(int dst, int src, struct mlo_err *err) MLO_MUST_CHECK;
/* Reflink, else copy of exactly `size` bytes from offset 0. */
int mlo_copy_fd(int dst, int src, uint64_t size, struct mlo_err *err) MLO_MUST_CHECK;

/*
 * Advisory lock (flock) on an open file or folder. wait_ms 0 tries once, -1 waits for ever; on_wait (may be
 * NULL) is called once when the lock is busy. Busy at the end: MLO_ECONFLICT.
 */
int mlo_lock_fd(int fd, bool exclusive, int wait_ms, void (*on_wait)(void *), void *ctx,
                struct mlo_err *err) MLO_MUST_CHECK;

#endif

/* Files: exact reads, durable replacement, paths from outside, locks, copies. */
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <dirent.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/time.h>

/* A fresh folder for each test. */
static int fresh_dir(void)
{
    char path[512];
    snprintf(path, sizeof path, "%s/XXXXXX", tap_tmpdir());
    if (!mkdtemp(path))
        return -1;
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void put(int dir, const char *name, const char *text)
{
    struct mlo_err err = MLO_ERR_INIT;
    check_ok(mlo_write_file_at(dir, name, text, strlen(text), 0644, &err), &err);
}

static void holds(int dir, const char *name, const char *want)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    check_ok(mlo_slurp_at(dir, name, 1 << 20, &text, &n, &err), &err);
    check_str(text, want);
    check_int(n, strlen(want));
}

static int count_entries(int dir)
{
    int n = 0;
    DIR *d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

/* ---- reading and writing ---- */

static void exact_reads_notice_an_early_end(void)
{
    MLO_AUTOCLOSE int dir = fresh_dir();
    struct mlo_err err = MLO_ERR_INIT;
    char buf[8] = "";
    size_t n = 0;
    put(dir, "f", "0123456789");
    MLO_AUTOCLOSE int fd = openat(dir, "f", O_RDONLY | O_CLOEXEC);
    check_ok(mlo_read_exact_at(fd, buf, 4, 6, &err), &err);
    check(memcmp(buf, "6789", 4) == 0);
    check_err(mlo_read_exact_at(fd, buf, 4, 7, &err), MLO_EINVALID, &err, "byte 10");
    check_ok(mlo_read_at(fd, buf, 4, 8, &n, &err), &err);
    check_int(n, 2);
    check_ok(mlo_read_at(fd, buf, 4, 100, &n, &err), &err);
    check_int(n, 0);
    check_err(mlo_read_at(-1, buf, 4, 0, &n, &err), MLO_EIO, &err, "Bad file descriptor");
}

static void a_pipe_is_read_until_it_ends(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    int ends[2];
    char buf[16];
    size_t n = 0;
    check(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 3; i++) {
            if (write(ends[1], "abc", 3) != 3)
                _exit(1);
            usleep(10000);
        }
        _exit(0);
    }
    close(ends[1]);
    check_ok(mlo_read(ends[0], buf, sizeof buf, &n, &err), &err);
    check(n == 9 && memcmp(buf, "abcabcabc", 9) == 0, "short only at the end");
    close(ends[0]);
    waitpid(child, NULL, 0);
}

static void slurp_takes_regular_files_within_the_limit(void)
{
    MLO_AUTOCLOSE int dir = fresh_dir();
    struct mlo_err err = MLO_ERR_INIT;
    char *text = NULL;
    size_t n = 0;
    put(dir, "empty", "");
    put(dir, "five", "12345");
    check(mkfifoat(dir, "fifo", 0600) == 0);
    holds(dir, "empty", "");
    holds(dir, "five", "12345");
    check_ok(mlo_slurp_at(dir, "five", 5, &text, &n, &err), &err);
    free(text);
    check_err(mlo_slurp_at(dir, "five", 4, &text, &n, &err), MLO_EINVALID, &err, "4 bytes");
    check_err(mlo_slurp_at(dir, "fifo", 100, &text, &n, &err), MLO_EINVALID, &err, "regular");
    check_err(mlo_slurp_at(dir, ".", 100, &text, &n, &err), MLO_EINVALID, &err, "regular");
    check_err(mlo_slurp_at(dir, "none\n", 100, &text, &n, &err), MLO_ENOTFOUND, &err, "'none\\x0A'");
}

static void files_that_hide_their_size_are_read_to_the_end(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    check_ok(mlo_slurp_at(AT_FDCWD, "/proc/self/status", 1 << 20, &text, &n, &err), &err);
    check(n > 100 && strncmp(text, "Name:", 5) == 0);
}

static void writes_land_where_they_should(void)
{
    MLO_AUTOCLOSE int dir = fresh_dir();
    struct mlo_err err = MLO_ERR_INIT;
    put(dir, "f", "..........");
    MLO_AUTOCLOSE int fd = openat(dir, "f", O_RDWR | O_CLOEXEC);
    check_ok(mlo_write_all_at(fd, "xy", 2, 4, &err), &err);
    check_ok(mlo_write_all(fd, "AB", 2, &err), &err);
    holds(dir, "f", "AB..xy....");
    MLO_AUTOCLOSE int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    check_err(mlo_write_all(full, "x", 1, &err), MLO_EIO, &err, "No space left");
}

/* ---- durable replacement ---- */

static void a_new_file_appears_at_commit_and_not_before(void)
{
    MLO_AUTOCLOSE int dir = fresh_dir();
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_newfile f = MLO_NEWFILE_INIT;
    put(dir, "name", "old");
    check_ok(mlo_newfile_begin(&f, dir, "name", 0600, &err), &err);
    check(strncmp(f.tmp, MLO_TMP_PREFIX, strlen(MLO_TMP_PREFIX)) == 0);
    check_ok(mlo_write_all(f.fd, "new", 3, &err), &err);
    holds(dir, "name", "old");
    check_int(count_entries(dir), 2);
    check_ok(mlo_newfile_commit(&f, &err), &err);
    holds(dir, "name", "new");
    check_int(count_entries(dir), 1);
    check(f.fd == -1 && f.dirfd == -1 && !f.name && !f.tmp);
    mlo_newfile_abort(&f);
}

static void abort_leaves_nothing(void)
{
    MLO_AUTOCLOSE int dir = fresh_dir();
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_newfile f = MLO_NEWFILE_INIT;
    mlo_newfile_abort(&f);
    check_ok(mlo_newfile_begin(&f, dir, "name", 0600, &err), &err);
    mlo_newfile_abort(&f);
    mlo_newfile_abort(&f);
    check_int(count_entries(dir), 0);
}

static void an_exclusive_commit_never_replaces(void)
{
    MLO_AUTOCLOSE int dir = fresh_dir();
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_newfile f = MLO_NEWFILE_INIT;
    check_ok(mlo_newfile_begin(&f, dir, "name", 0600, &err), &err);
    put(dir, "name", "somebody else's");
    check_err(mlo_newfile_commit_excl(&f, &err), MLO_ECONFLICT, &err, "'name'");
    holds(dir, "name", "somebody else's");
    check_int(count_entries(dir), 1);
    check_ok(mlo_newfile_begin(&f, dir, "other", 0600, &err), &err);
    check_ok(mlo_newfile_commit_excl(&f, &err), &err);
    holds(dir, "other", "");
    check_int(count_entries(dir), 2);
}

static void a_commit_that_fails_cleans_up(void)
{
    MLO_AUTOCLOSE int dir = fresh_dir();
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_newfile f = MLO_NEWFILE_INIT;
    check_ok(mlo_newfile_begin(&f, dir, "name", 0600, &err), &err);
    check(mkdirat(dir, "name", 0700) == 0);
    check_err(mlo_newfile_commit(&f, &err), MLO_EIO, &err, "name");
    check(f.tmp == NULL);
    check_int(count_entries(dir), 1);
}

static void new_files_need_a_folder_and_a_name(void)
{
    MLO_AUTOCLOSE int dir = fresh_dir();
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_newfile f = MLO_NEWFILE_INIT;
    check_err(mlo_newfile_begin(&f, dir, "no/name", 0600, &err), MLO_ENOTFOUND, &err, "no");
    check(mlo_newfile_begin(&f, dir, "", 0600, &err) < 0 && mlo_newfile_begin(&f, dir, "a/", 0600, &err) < 0);
    check_int(count_entries(dir), 0);
}

static int alloc_dir;
static int write_a_file(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    return mlo_write_file_at(alloc_dir, "f", "text", 4, 0600, &err);
}

static void without_memory_no_temporary_stays(void)
{
    MLO_AUTOCLOSE int dir = fresh_dir();
    alloc_dir = dir;
    check(each_alloc_failure(write_a_file) >= 3);
    check_int(count_entries(dir), 1);
}

/* ---- folders ---- */

static void folders_are_made_as_deep_as_needed(void)
{
    MLO_AUTOCLOSE int dir = fresh_dir();
    struct mlo_err err = MLO_ERR_INIT;
    struct stat st;
    char absolute[600];
    check_ok(mlo_mkdirs_at(dir, "a/b/c", 0755, &err), &err);
    check_ok(mlo_mkdirs_at(dir, "a/b/c", 0755, &err), &err);
    check(fstatat(dir, "a/b/c", &st, 0) == 0 && S_ISDIR(st.st_mode));
    snprintf(absolute, sizeof absolute, "%s/abs/x//y/", tap_tmpdir());
    check_ok(mlo_mkdirs_at(AT_FDCWD, absolute, 0755, &err), &err);
    check(stat(absolute, &st) == 0 && S_ISDIR(st.st_mode));
}

static void folders_are_not_made_through_links_files_or_dots(void)
{
    MLO_AUTOCLOSE int dir = fresh_dir();
    struct mlo_err err = MLO_ERR_INIT;
    char outside[600];
    snprintf(outside, sizeof outside, "%s/outside", tap_tmpdir());
    check(mkdir(outside, 0700) == 0 && symlinkat(outside, dir, "link") == 0);
    put(dir, "file", "");
    check_err(mlo_mkdirs_at(dir, "link/x", 0755, &err), MLO_EINVALID, &err, "link");
    check_err(mlo_mkdirs_at(dir, "file/x", 0755, &err), MLO_EINVALID, &err, "no folder");
    check_err(mlo_mkdirs_at(dir, "file", 0755, &err), MLO_EINVALID, &err, "no folder");
    check_err(mlo_mkdirs_at(dir, "../x", 0755, &err), MLO_EINVALID, &err, "..");
    check_err(mlo_mkdirs_at(dir, "/tmp", 0755, &err), MLO_EINVALID, &err, "absolute");
    check(rmdir(outside) == 0, "nothing was made outside");
}

static void trees_are_removed_and_links_are_not_followed(void)
{
    MLO_AUTOCLOSE int dir = fresh_dir();
    struct mlo_err err = MLO_ERR_INIT;
    check_ok(mlo_mkdirs_at(dir, "keep", 0755, &err), &err);
    put(dir, "keep/precious", "x");
    check_ok(mlo_mkdirs_at(dir, "t/a/b", 0755, &err), &err);
    put(dir, "t/a/f", "x");
    check(symlinkat("../keep", dir, "t/link") == 0 && symlinkat("keep", dir, "way") == 0);
    check(mkfifoat(dir, "t/fifo", 0600) == 0);
    check_ok(mlo_remove_tree_at(dir, "t", &err), &err);
    check_err(mlo_remove_tree_at(dir, "way/precious", &err), MLO_EINVALID, &err, "link");
    check_err(mlo_remove_tree_at(dir, "a/../keep", &err), MLO_EINVALID, &err, "..");
    holds(dir, "keep/precious", "x");
    check_ok(mlo_remove_tree_at(dir, "way", &err), &err);
    check_ok(mlo_remove_tree_at(dir, "keep/precious", &err), &err);
    check_ok(mlo_remove_tree_at(dir, "missing", &err), &err);
    check_ok(mlo_remove_tree_at(dir, "missing/too", &err), &err);
    check_int(count_entries(dir), 1);
}

/* ---- paths from outside ---- */

static void paths_that_could_leave_are_refused(void)
{
    static const struct {
        const char *path, *why;
    } bad[] = {
        {"", "empty"},
        {"/etc/passwd", "absolute"},
        {"..", "'..'"},
        {"a/../b", "'..'"},
        {"a/..", "'..'"},
        {".", "'.'"},
        {"./a", "'.'"},
        {"a//b", "empty component"},
        {"a/", "empty component"},
        {"a\\b", "backslash"},
        {"..\\a", "backslash"},
        {"a\nb", "control"},
        {"a\x7f", "control"},
        {"\xff", "UTF-8"},
        {"a/\xc0\xae\xc0\xae/b", "UTF-8"},
    };
    static const char *const good[] = {"a", "a/b", "...", ".a", "a..b/..c", "a b", "\xc3\xa9/\xe6\xa8\xa1"};
    struct mlo_err err = MLO_ERR_INIT;
    for (size_t i = 0; i < MLO_COUNT(bad); i++)
        check_err(mlo_path_check(bad[i].path, strlen(bad[i].path), &err), MLO_EINVALID, &err, bad[i].why);
    for (size_t i = 0; i < MLO_COUNT(good); i++)
        check_ok(mlo_path_check(good[i], strlen(good[i]), &err), &err);
    check_err(mlo_path_check("a\0b", 3, &err), MLO_EINVALID, &err, "a\\x00b");
    char longest[MLO_PATH_MAX + 1];
    memset(longest, 'a', sizeof longest);
    check_ok(mlo_path_check(longest, MLO_PATH_MAX, &err), &err);
    check_int(mlo_path_check(longest, MLO_PATH_MAX + 1, &err), MLO_EINVALID);
}

/* Everything that open_beneath must do, so that it can be asked twice: of openat2 and of the walk without it.
 */
static int open_beneath_as_promised(void)
{
    static const char *const links[] = {"link",   "link/f",   "d/link",     "d/link/f",
                                        "d/up/f", "dangling", "d/link/none"};
    MLO_AUTOCLOSE int dir = fresh_dir();
    struct mlo_err err = MLO_ERR_INIT;
    int fd = -1, bad = 0;
    bad += mlo_mkdirs_at(dir, "d/e", 0755, &err) != 0;
    bad += mlo_write_file_at(dir, "d/f", "x", 1, 0600, &err) != 0;
    bad += symlinkat("d", dir, "link") != 0 || symlinkat("/etc", dir, "d/link") != 0;
    bad += symlinkat("..", dir, "d/up") != 0 || symlinkat("none", dir, "dangling") != 0;
    for (size_t i = 0; i < MLO_COUNT(links); i++) {
        bad += mlo_open_beneath(dir, links[i], O_RDONLY, 0, &fd, &err) != MLO_EINVALID;
        bad += mlo_open_beneath(dir, links[i], O_PATH, 0, &fd, &err) != MLO_EINVALID;
    }
    bad += mlo_open_beneath(dir, "dangling", O_WRONLY | O_CREAT, 0600, &fd, &err) >= 0;
    bad += mlo_open_beneath(dir, "../0", O_RDONLY, 0, &fd, &err) != MLO_EINVALID;
    bad += mlo_open_beneath(dir, "/etc/passwd", O_RDONLY, 0, &fd, &err) != MLO_EINVALID;
    bad += mlo_open_beneath(dir, "d/none", O_RDONLY, 0, &fd, &err) != MLO_ENOTFOUND;
    bad += mlo_open_beneath(dir, "none/f", O_RDONLY, 0, &fd, &err) != MLO_ENOTFOUND;
    bad += mlo_open_beneath(dir, "d/f/x", O_RDONLY, 0, &fd, &err) != MLO_EIO;
    bad += fd != -1;
    static const struct {
        const char *path;
        int flags;
    } good[] = {{"d/f", O_RDONLY},
                {"d/e", O_RDONLY | O_DIRECTORY},
                {"d/e", O_PATH},
                {"d/e/new", O_WRONLY | O_CREAT | O_EXCL}};
    for (size_t i = 0; i < MLO_COUNT(good); i++) {
        MLO_AUTOCLOSE int opened = -1;
        bad += mlo_open_beneath(dir, good[i].path, good[i].flags, 0600, &opened, &err) != 0;
        bad += opened < 0 || !(fcntl(opened, F_GETFD) & FD_CLOEXEC);
    }
    return bad;
}

static void open_beneath_follows_nothing(void)
{
    check_int(open_beneath_as_promised(), 0);
}

/* A kernel or sandbox that does not know openat2. */
static bool hide_openat2(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = MLO_COUNT(code), .filter = code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void open_beneath_follows_nothing_without_openat2_either(void)
{
    enum { NO_SECCOMP = 100 };
    int status = -1;
    tap_tmpdir();
    pid_t child = fork();
    if (child == 0)
        _exit(hide_openat2() ? open_beneath_as_promised() : NO_SECCOMP);
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_SECCOMP)
        printf("# seccomp is not available here: the walk was not tried\n");
    else
        check(status == 0, "status %d", status);
}

/* ---- copies ---- */

static int copy_into(int dir, const char *to, uint64_t size, struct mlo_err *err)
{
    MLO_AUTOCLOSE int src = openat(dir, "src", O_RDONLY | O_CLOEXEC);
    MLO_AUTOCLOSE int dst = openat(dir, to, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return mlo_copy_fd(dst, src, size, err);
}

static void copies_have_exactly_the_bytes_asked_for(void)
{
    MLO_AUTOCLOSE int dir = fresh_dir();
    struct mlo_err err = MLO_ERR_INIT;
    put(dir, "src", "0123456789");
    check_ok(copy_into(dir, "whole", 10, &err), &err);
    holds(dir, "whole", "0123456789");
    check_ok(copy_into(dir, "part", 4, &err), &err);
    holds(dir, "part", "0123");
    check_err(copy_into(dir, "more", 11, &err), MLO_EINVALID, &err, "ends at byte 10");
}

/* ---- locks ---- */

static int lock_file(int dir)
{
    return openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

static void count_call(void *ctx)
{
    ++*(int *)ctx;
}

static void a_held_lock_is_a_conflict(void)
{
    MLO_AUTOCLOSE int dir = fresh_dir();
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOCLOSE int one = lock_file(dir);
    MLO_AUTOCLOSE int two = lock_file(dir);
    int calls = 0;
    check_ok(mlo_lock_fd(one, true, 0, NULL, NULL, &err), &err);
    check_err(mlo_lock_fd(two, true, 0, count_call, &calls, &err), MLO_ECONFLICT, &err, "lock");
    check_err(mlo_lock_fd(two, false, 0, NULL, NULL, &err), MLO_ECONFLICT, &err, NULL);
    check_int(calls, 0);
    check_ok(mlo_lock_fd(one, false, 0, NULL, NULL, &err), &err);
    check_ok(mlo_lock_fd(two, false, 0, NULL, NULL, &err), &err);
}

static void waiting_ends_in_time_and_is_announced_once(void)
{
    MLO_AUTOCLOSE int dir = fresh_dir();
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOCLOSE int one = lock_file(dir);
    MLO_AUTOCLOSE int two = lock_file(dir);
    int calls = 0;
    check_ok(mlo_lock_fd(one, true, 0, NULL, NULL, &err), &err);
    int64_t begun = mlo_time_mono();
    check_err(mlo_lock_fd(two, true, 400, count_call, &calls, &err), MLO_ECONFLICT, &err, NULL);
    int64_t waited_ms = (mlo_time_mono() - begun) / 1000000;
    check(waited_ms >= 400 && waited_ms < 5000, "%lld ms", (long long)waited_ms);
    check_int(calls, 1);
}

static void a_lock_that_comes_free_is_taken(void)
{
    MLO_AUTOCLOSE int dir = fresh_dir();
    struct mlo_err err = MLO_ERR_INIT;
    int ready[2];
    check(pipe(ready) == 0);
    pid_t child = fork();
    if (child == 0) {
        int fd = lock_file(dir);
        if (flock(fd, LOCK_EX) || write(ready[1], "x", 1) != 1)
            _exit(1);
        usleep(50000);
        _exit(0);
    }
    char x;
    check(read(ready[0], &x, 1) == 1);
    MLO_AUTOCLOSE int fd = lock_file(dir);
    check_err(mlo_lock_fd(fd, true, 0, NULL, NULL, &err), MLO_ECONFLICT, &err, NULL);
    check_ok(mlo_lock_fd(fd, true, -1, NULL, NULL, &err), &err);
    waitpid(child, NULL, 0);
    close(ready[0]);
    close(ready[1]);
}

/* ---- temporaries of the dead ---- */

static const struct timespec long_ago[2] = {{1000000000, 0}, {1000000000, 0}};

static int make_old(int dir, const char *name)
{
    int fd = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    check(fd >= 0 && futimens(fd, long_ago) == 0);
    return fd;
}

static void a_new_file_sweeps_what_the_dead_left_beside_it(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOCLOSE int dir = fresh_dir();
    close(make_old(dir, MLO_TMP_PREFIX "1-dead"));
    close(make_old(dir, "mine"));
    check_ok(mlo_mkdirs_at(dir, MLO_TMP_PREFIX "2/below", 0700, &err), &err);
    check(utimensat(dir, MLO_TMP_PREFIX "2", long_ago, 0) == 0);
    put(dir, "name", "x");
    check_int(count_entries(dir), 2);
    holds(dir, "name", "x");
    holds(dir, "mine", "");
}

static void temporaries_that_are_held_or_young_stay(void)
{
    MLO_AUTOCLOSE int dir = fresh_dir();
    MLO_AUTOCLOSE int held = make_old(dir, MLO_TMP_PREFIX "1-held");
    MLO_AUTOCLOSE int young = openat(dir, MLO_TMP_PREFIX "1-young", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    check(young >= 0 && symlinkat("name", dir, MLO_TMP_PREFIX "link") == 0);
    mlo_tmp_hold(held);
    mlo_tmp_sweep(dir);
    check_int(count_entries(dir), 3);
    mlo_cleanup_close(&held);
    mlo_tmp_sweep(dir);
    check_int(count_entries(dir), 2);
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_newfile f = MLO_NEWFILE_INIT;
    check_ok(mlo_newfile_begin(&f, dir, "name", 0600, &err), &err);
    check(futimens(f.fd, long_ago) == 0);
    mlo_tmp_sweep(dir);
    check_ok(mlo_newfile_commit(&f, &err), &err);
    holds(dir, "name", "");
}

int main(void)
{
    run(exact_reads_notice_an_early_end);
    run(a_pipe_is_read_until_it_ends);
    run(slurp_takes_regular_files_within_the_limit);
    run(files_that_hide_their_size_are_read_to_the_end);
    run(writes_land_where_they_should);
    run(a_new_file_appears_at_commit_and_not_before);
    run(abort_leaves_nothing);
    run(an_exclusive_commit_never_replaces);
    run(a_commit_that_fails_cleans_up);
    run(new_files_need_a_folder_and_a_name);
    run(without_memory_no_temporary_stays);
    run(folders_are_made_as_deep_as_needed);
    run(folders_are_not_made_through_links_files_or_dots);
    run(trees_are_removed_and_links_are_not_followed);
    run(paths_that_could_leave_are_refused);
    run(open_beneath_follows_nothing);
    run(open_beneath_follows_nothing_without_openat2_either);
    run(copies_have_exactly_the_bytes_asked_for);
    run(a_held_lock_is_a_conflict);
    run(waiting_ends_in_time_and_is_announced_once);
    run(a_lock_that_comes_free_is_taken);
    run(a_new_file_sweeps_what_the_dead_left_beside_it);
    run(temporaries_that_are_held_or_young_stay);
    return done_testing();
}

/*
 * docker-credential-NAME get: a program that keeps passwords (a key ring, a cloud's login). Protocol of
 * github.com/docker/docker-credential-helpers: the server's address on standard input, a JSON object or a
 * message on standard output. It is started directly, its output and time are bounded.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/process.h>
#include <mlopsctl/base/time.h>

#define PROGRAM    "docker-credential-"
#define NAME_BYTES 64
#define NOT_FOUND  "credentials not found" /* how they say that there is no login */

/* ---- which program ---- */

static bool is_name(const char *name)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t n = strlen(name);
    return n > 0 && n < NAME_BYTES && strspn(name, plain) == n;
}

static int find_program(char *const *env, const char *name, char **ret, struct mlo_err *err)
{
    char program[sizeof PROGRAM + NAME_BYTES];
    snprintf(program, sizeof program, PROGRAM "%s", name);
    return mlo_process_find(env, program, ret, err);
}

/* ---- running it ---- */

/* A file in memory rather than a pipe: a program that reads nothing cannot stop us. */
static int input_of(const char *server, int *ret_fd, struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = memfd_create("server", MFD_CLOEXEC);
    if (fd < 0)
        return mlo_fail_errno(err, "memory for a program's input");
    int rc = mlo_write_all_at(fd, server, strlen(server), 0, err);
    if (rc == 0)
        *ret_fd = mlo_steal_fd(&fd);
    return rc;
}

static int start(const char *program, char *const *env, int in, int out, pid_t *ret, struct mlo_err *err)
{
    char get[] = "get";
    MLO_AUTOFREE char *name = mlo_strdup(program, err);
    char *argv[] = {name, get, NULL};
    const struct mlo_process_opts o = {.argv = argv, .env = env, .in = in, .out = out, .message = -1};
    return name ? mlo_process_start(&o, ret, err) : MLO_EIO;
}

/* All it says; *ret_n above MLO_HELPER_ANSWER_MAX when that was too much. */
static int listen_to(int fd, int64_t deadline, char *buf, size_t *ret_n, struct mlo_err *err)
{
    size_t n = 0;
    while (n <= MLO_HELPER_ANSWER_MAX) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        int64_t left = deadline - mlo_time_mono();
        int got = left > 0 ? poll(&ready, 1, (int)(left / 1000000) + 1) : 0;
        if (got == 0)
            return mlo_fail(err, MLO_EREMOTE, "gave no answer for %d s", MLO_HELPER_SECONDS);
        ssize_t more = got < 0 ? -1 : read(fd, buf + n, MLO_HELPER_ANSWER_MAX + 1 - n);
        if (more < 0 && errno != EINTR)
            return mlo_fail_errno(err, "its answer cannot be read");
        if (more == 0)
            break;
        n += more > 0 ? (size_t)more : 0;
    }
    *ret_n = n;
    return 0;
}

/* Its status, or -1 when it had to be ended. */
static int end_of(pid_t pid, bool kill_now, int64_t deadline)
{
    int status = -1;
    if (!kill_now && mlo_process_wait(pid, deadline, NULL, &status))
        return status;
    mlo_process_kill(pid, false);
    return -1;
}

static int converse(const char *program, char *const *env, const char *server, char *buf, size_t *ret_n,
                    struct mlo_err *err)
{
    int64_t deadline = mlo_time_mono() + MLO_HELPER_SECONDS * MLO_NS_PER_S;
    int pipe_fds[2] = {-1, -1};
    pid_t pid = -1;
    MLO_AUTOCLOSE int in = -1;
    int rc = input_of(server, &in, err);
    if (rc != 0)
        return rc;
    if (pipe2(pipe_fds, O_CLOEXEC) != 0)
        return mlo_fail_errno(err, "cannot make a pipe");
    rc = start(program, env, in, pipe_fds[1], &pid, err);
    close(pipe_fds[1]);
    size_t n = 0;
    if (rc == 0) {
        rc = listen_to(pipe_fds[0], deadline, buf, &n, err);
        int status = end_of(pid, rc != 0 || n > MLO_HELPER_ANSWER_MAX, deadline);
        if (rc == 0 && n > MLO_HELPER_ANSWER_MAX)
            rc = mlo_fail(err, MLO_EINVALID, "said more than %zu bytes", MLO_HELPER_ANSWER_MAX);
        else if (rc == 0 && status != 0)
            rc = memmem(buf, n, NOT_FOUND, strlen(NOT_FOUND)) ? mlo_fail(err, MLO_ENOTFOUND, "knows no login")
                                                              : mlo_fail(err, MLO_EREMOTE, "failed");
    }
    close(pipe_fds[0]);
    *ret_n = n;
    return rc;
}

int mlo_helper_get(char *const *env, const char *name, const char *server, char **ret, size_t *ret_n,
                   struct mlo_err *err)
{
    MLO_AUTOFREE char *program = NULL;
    size_t n = 0;
    char shown[MLO_SHOWN];
    if (!is_name(name))
        return mlo_fail(err, MLO_EINVALID, "'%s' is no name of a " PROGRAM " program",
                        mlo_shown(name, strlen(name), shown));
    int rc = find_program(env, name, &program, err);
    if (rc != 0)
        return rc;
    char *buf = mlo_calloc(1, MLO_HELPER_ANSWER_MAX + 2, err);
    if (!buf)
        return MLO_EIO;
    rc = converse(program, env, server, buf, &n, err);
    if (rc != 0) {
        mlo_wipe_free(buf, MLO_HELPER_ANSWER_MAX + 2);
        return mlo_wrap(err, PROGRAM "%s get", name);
    }
    *ret = buf;
    *ret_n = n;
    return 0;
}

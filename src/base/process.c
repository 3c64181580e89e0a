/* posix_spawn with what every caller wants: no inherited streams, ordinary signals, an end. */
#include <mlopsctl/base/process.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>

#define WAIT_STEP  10 /* ms between looks whether it has ended */
#define USUAL_PATH "/usr/local/bin:/usr/bin:/bin"

int mlo_process_find(char *const *env, const char *name, char **ret, struct mlo_err *err)
{
    const char *path = mlo_env_get(env, "PATH");
    char *found = NULL;
    if (strchr(name, '/') && (found = mlo_strdup(name, err)))
        *ret = found;
    if (strchr(name, '/'))
        return found ? 0 : err->code;
    for (const char *p = path ? path : USUAL_PATH; p; p = strchr(p, ':') ? strchr(p, ':') + 1 : NULL) {
        MLO_AUTOSTR struct mlo_str file;
        mlo_str_init(&file, MLO_PATH_MAX);
        mlo_str_addf(&file, "%.*s/%s", (int)strcspn(p, ":"), p, name);
        if (file.failed == MLO_EIO)
            return mlo_fail_nomem(err);
        if (*p == '/' && !file.failed && access(file.ptr, X_OK) == 0) {
            *ret = mlo_str_detach(&file, NULL);
            return 0;
        }
    }
    return mlo_fail(err, MLO_EUNAVAIL, "%s is not installed", name);
}

int mlo_process_self(char *buf, size_t size, struct mlo_err *err)
{
    ssize_t n = readlink("/proc/self/exe", buf, size - 1);
    if (n < 0)
        return mlo_fail_errno(err, "cannot read /proc/self/exe");
    buf[n] = '\0';
    return 0;
}

static int put_stream(posix_spawn_file_actions_t *actions, int from, int to, int flags)
{
    return from < 0 ? posix_spawn_file_actions_addopen(actions, to, "/dev/null", flags, 0)
                    : posix_spawn_file_actions_adddup2(actions, from, to);
}

static int set_up(const struct mlo_process_opts *o, posix_spawn_file_actions_t *actions,
                  posix_spawnattr_t *attr)
{
    sigset_t usual, all;
    short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
    sigemptyset(&usual);
    sigfillset(&all);
    posix_spawnattr_setflags(attr, (short)(flags | (o->group ? POSIX_SPAWN_SETPGROUP : 0)));
    posix_spawnattr_setpgroup(attr, 0);
    posix_spawnattr_setsigmask(attr, &usual);
    posix_spawnattr_setsigdefault(attr, &all);
    int failed = put_stream(actions, o->in, STDIN_FILENO, O_RDONLY);
    if (!failed)
        failed = put_stream(actions, o->out, STDOUT_FILENO, O_WRONLY);
    return failed ? failed : put_stream(actions, o->message, STDERR_FILENO, O_WRONLY);
}

int mlo_process_start(const struct mlo_process_opts *o, pid_t *ret, struct mlo_err *err)
{
    char *none[] = {NULL};
    const char *path = o->path ? o->path : o->argv[0];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    posix_spawn_file_actions_init(&actions); /* these two allocate nothing in glibc */
    posix_spawnattr_init(&attr);
    int failed = set_up(o, &actions, &attr);
    if (!failed)
        failed = posix_spawn(ret, path, &actions, &attr, o->argv, o->env ? o->env : none);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return failed ? mlo_fail(err, MLO_EUNAVAIL, "cannot start '%s': %s", path, strerror(failed)) : 0;
}

bool mlo_process_wait(pid_t pid, int64_t deadline_ns, bool (*stop)(void), int *ret_status)
{
    for (;;) {
        int status = 0;
        pid_t done = waitpid(pid, &status, WNOHANG);
        if (done == pid)
            *ret_status = status;
        if (done == pid || (done < 0 && errno != EINTR))
            return true;
        if (mlo_time_mono() > deadline_ns || (stop && stop()))
            return false;
        poll(NULL, 0, WAIT_STEP);
    }
}

void mlo_process_kill(pid_t pid, bool group)
{
    int status;
    kill(group ? -pid : pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
}

/* Programs that are started: what they get, how they end, and what becomes of those that do not. */
#include "tap.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/process.h>
#include <mlopsctl/base/time.h>

#define LONG_NS (60 * MLO_NS_PER_S)

static struct mlo_err err;
static char shell[] = "/bin/sh", option[] = "-c";

static bool at_once(void)
{
    return true;
}

static pid_t sh(const char *line, char *const *env, int out, bool group)
{
    char *text = strdup(line), *argv[] = {shell, option, text, NULL};
    const struct mlo_process_opts o = {
        .argv = argv, .env = env, .in = -1, .out = out, .message = -1, .group = group};
    pid_t pid = -1;
    check_ok(mlo_process_start(&o, &pid, &err), &err);
    free(text);
    return pid;
}

static int status_of(pid_t pid)
{
    int status = -1;
    check(mlo_process_wait(pid, mlo_time_mono() + LONG_NS, NULL, &status));
    return status;
}

static void status_comes_back(void)
{
    check_int(status_of(sh("exit 0", NULL, -1, false)), 0);
    check_int(WEXITSTATUS(status_of(sh("exit 7", NULL, -1, false))), 7);
    check_int(WTERMSIG(status_of(sh("kill -9 $$", NULL, -1, false))), SIGKILL);
}

static void streams_and_variables_are_those_that_were_given(void)
{
    char buf[256] = "", word[] = "WORD=one two", *env[] = {word, NULL};
    int fds[2];
    check(pipe2(fds, O_CLOEXEC) == 0);
    int status = status_of(sh("echo \"$WORD\"; env | grep -c .; cat; echo lost >&2", env, fds[1], false));
    close(fds[1]);
    check_int(status, 0);
    check(read(fds[0], buf, sizeof buf - 1) > 0);
    close(fds[0]);
    check(strncmp(buf, "one two\n", 8) == 0 && !strstr(buf, "lost"), "got '%s'", buf);
}

static void signals_that_are_blocked_here_are_not_there(void)
{
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    signal(SIGTERM, SIG_IGN);
    int status = status_of(sh("kill -TERM $$; sleep 60", NULL, -1, false));
    signal(SIGTERM, SIG_DFL);
    sigprocmask(SIG_SETMASK, &before, NULL);
    check(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static void what_takes_too_long_is_told_and_ends(void)
{
    int status = 5;
    pid_t pid = sh("sleep 60", NULL, -1, false);
    check(!mlo_process_wait(pid, mlo_time_mono() - 1, NULL, &status));
    check(!mlo_process_wait(pid, mlo_time_mono() + LONG_NS, at_once, &status));
    check_int(status, 5);
    mlo_process_kill(pid, false);
    check(mlo_process_wait(pid, mlo_time_mono() + LONG_NS, NULL, &status), "it is no child any more");
    check_int(status, 5);
}

static void a_group_ends_with_its_children(void)
{
    char buf[64] = "";
    int fds[2];
    check(pipe2(fds, O_CLOEXEC) == 0);
    pid_t pid = sh("sleep 60 & echo up; wait", NULL, fds[1], true);
    close(fds[1]);
    check(read(fds[0], buf, sizeof buf) == 3);
    mlo_process_kill(pid, true);
    check(read(fds[0], buf, sizeof buf) == 0, "both have closed the pipe");
    close(fds[0]);
}

static void what_is_not_there_is_told(void)
{
    char missing[] = "/nowhere/program", *argv[] = {missing, NULL};
    const struct mlo_process_opts o = {.argv = argv, .in = -1, .out = -1, .message = -1};
    pid_t pid = -1;
    check_err(mlo_process_start(&o, &pid, &err), MLO_EUNAVAIL, &err, "cannot start '/nowhere/program'");
    check_int(pid, -1);
}

static void programs_are_found_by_path(void)
{
    char own[4200], relative[] = "PATH=bin:.", *env[] = {own, NULL}, *near[] = {relative, NULL}, *got = NULL;
    snprintf(own, sizeof own, "PATH=/nowhere:relative:%s:/bin", tap_tmpdir());
    check_ok(mlo_process_find(env, "sh", &got, &err), &err);
    check_str(got, "/bin/sh");
    free(got);
    check_ok(mlo_process_find(NULL, "a/b", &got, &err), &err);
    check_str(got, "a/b");
    free(got);
    got = NULL;
    check_err(mlo_process_find(near, "sh", &got, &err), MLO_EUNAVAIL, &err, "sh is not installed");
    check(got == NULL);
}

int main(void)
{
    run(status_comes_back);
    run(streams_and_variables_are_those_that_were_given);
    run(signals_that_are_blocked_here_are_not_there);
    run(what_takes_too_long_is_told_and_ends);
    run(a_group_ends_with_its_children);
    run(what_is_not_there_is_told);
    run(programs_are_found_by_path);
    return done_testing();
}

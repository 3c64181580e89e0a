/*
 * Runs a program and strikes at one of its system calls: kills the process that makes it, before it comes to
 * pass, or lets it fail. The calls of all processes and threads of the program are counted together.
 *
 *     strike FILE count CALL,CALL... COMMAND...     into FILE: "CALL COUNT" of each that was made
 *     strike FILE kill CALL N COMMAND...            into FILE: "CALL ARGUMENT", the first of the call that
 * was struck strike FILE EIO|ENOSPC CALL N COMMAND...      likewise
 *
 * FILE is empty when there was no N-th such call. The status is the command's, or 128 + the signal that ended
 * it; 125 when this machine does not allow it. The kernel asks about these calls and no others
 * (seccomp_unotify(2)), so the program is nearly as fast as by itself; under ptrace each of its calls would
 * stop twice.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mlopsctl/base/mem.h>

#define NOT_ALLOWED 125

enum fault { COUNT, KILL, FAIL };
static const struct call {
    const char *name;
    int number;
} calls[] = {
    {"write", SYS_write},         {"pwrite64", SYS_pwrite64},   {"sendto", SYS_sendto},
    {"fsync", SYS_fsync},         {"fdatasync", SYS_fdatasync}, {"syncfs", SYS_syncfs},
    {"renameat2", SYS_renameat2}, {"linkat", SYS_linkat},       {"unlinkat", SYS_unlinkat},
    {"mkdirat", SYS_mkdirat},     {"ftruncate", SYS_ftruncate}, {"fallocate", SYS_fallocate},
#ifdef SYS_renameat
    {"renameat", SYS_renameat},
#endif
#ifdef SYS_rename /* not where the kernel is younger than the calls with folders */
    {"rename", SYS_rename},       {"link", SYS_link},           {"unlink", SYS_unlink},
    {"rmdir", SYS_rmdir},         {"mkdir", SYS_mkdir},
#endif
};
#define CALLS MLO_COUNT(calls)

static struct strike {
    enum fault fault;
    int error;
    unsigned long nth, made[CALLS];
    bool wanted[CALLS];
    FILE *out;
} strike;

static _Noreturn void leave(const char *what)
{
    fprintf(stderr, "strike: %s: %s\n", what, strerror(errno));
    exit(NOT_ALLOWED);
}

/* ---- the program ---- */

/* From now on the kernel asks whoever reads the descriptor that is returned. */
static int ask_before(const bool *wanted)
{
    struct sock_filter code[2 * CALLS + 2] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    struct sock_fprog program = {.len = 1, .filter = code};
    const struct sock_filter ask = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
                             allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    for (size_t i = 0; i < CALLS; i++) {
        const struct sock_filter is = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i].number, 0, 1);
        code[program.len] = is;
        code[program.len + 1] = ask;
        program.len += wanted[i] ? 2 : 0;
    }
    code[program.len++] = allow;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return -1;
    /* A call that a signal interrupts while it waits for us would be made, and counted, again. */
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                        SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program);
}

union message {
    char room[CMSG_SPACE(sizeof(int))];
    struct cmsghdr aligned;
};

static int send_fd(int to, int fd)
{
    union message m = {0};
    char byte = 0;
    struct iovec text = {.iov_base = &byte, .iov_len = 1};
    struct msghdr h = {
        .msg_iov = &text, .msg_iovlen = 1, .msg_control = m.room, .msg_controllen = sizeof m.room};
    struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    return sendmsg(to, &h, 0) == 1 ? 0 : -1;
}

static int receive_fd(int from)
{
    union message m = {0};
    char byte;
    struct iovec text = {.iov_base = &byte, .iov_len = 1};
    struct msghdr h = {
        .msg_iov = &text, .msg_iovlen = 1, .msg_control = m.room, .msg_controllen = sizeof m.room};
    int fd = -1;
    if (recvmsg(from, &h, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&h))
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&h)), sizeof fd);
    return fd;
}

static _Noreturn void become(char **command, int to)
{
    int fd = ask_before(strike.wanted);
    if (fd < 0 || send_fd(to, fd))
        leave("the kernel does not ask about system calls");
    close(to);
    execvp(*command, command);
    leave(*command);
}

/* ---- what the kernel asks ---- */

static void answer(const struct seccomp_notif *asked, struct seccomp_notif_resp *a)
{
    size_t i = 0;
    while (i + 1 < CALLS && calls[i].number != asked->data.nr)
        i++;
    a->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    if (++strike.made[i] != strike.nth)
        return;
    fprintf(strike.out, "%s %lld\n", calls[i].name, (long long)asked->data.args[0]);
    if (strike.fault == KILL)
        kill((pid_t)asked->pid, SIGKILL);
    a->flags = 0;
    a->error = -strike.error;
}

/* Until no process is left that the kernel asks about. */
static void serve(int listener)
{
    struct pollfd p = {.fd = listener, .events = POLLIN};
    while (poll(&p, 1, -1) >= 0 && !(p.revents & POLLHUP)) {
        struct seccomp_notif asked = {0};
        struct seccomp_notif_resp a = {0};
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked))
            continue; /* it was killed meanwhile */
        a.id = asked.id;
        answer(&asked, &a);
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &a);
    }
}

static void tell_counts(void)
{
    for (size_t i = 0; i < CALLS; i++)
        if (strike.made[i])
            fprintf(strike.out, "%s %lu\n", calls[i].name, strike.made[i]);
}

/* ---- the command line ---- */

static void want(char *names)
{
    for (char *rest = names, *name; (name = strsep(&rest, ","));)
        for (size_t i = 0; i < CALLS; i++)
            strike.wanted[i] |= strcmp(calls[i].name, name) == 0;
}

static int usage(void)
{
    fprintf(stderr,
            "strike FILE count CALL,CALL... COMMAND...\nstrike FILE kill|EIO|ENOSPC CALL N COMMAND...\n");
    return NOT_ALLOWED;
}

/* Returns where the command begins, NULL for misuse. */
static char **parse(char **argv)
{
    const char *what = argv[2];
    strike.fault = strcmp(what, "count") == 0 ? COUNT : strcmp(what, "kill") == 0 ? KILL : FAIL;
    strike.error = strcmp(what, "ENOSPC") == 0 ? ENOSPC : EIO;
    want(argv[3]);
    if (strike.fault == COUNT)
        return argv + 4;
    strike.nth = strtoul(argv[4], NULL, 10);
    return argv[5] && strike.nth ? argv + 5 : NULL;
}

int main(int argc, char **argv)
{
    char **command = argc > 4 ? parse(argv) : NULL;
    int pair[2], status = 0;
    if (!command)
        return usage();
    strike.out = fopen(argv[1], "we");
    if (!strike.out || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        leave(argv[1]);
    pid_t child = fork();
    if (child == 0)
        become(command, pair[1]);
    close(pair[1]);
    int listener = child < 0 ? -1 : receive_fd(pair[0]);
    if (listener >= 0)
        serve(listener);
    if (child < 0 || waitpid(child, &status, 0) < 0)
        leave("fork");
    if (strike.fault == COUNT)
        tell_counts();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

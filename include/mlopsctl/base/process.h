/* Another program: started with its standard streams set, waited for with a limit of time. */
#ifndef MLOPSCTL_BASE_PROCESS_H
#define MLOPSCTL_BASE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <mlopsctl/base/err.h>

struct mlo_process_opts {
    const char *path; /* of the program; NULL: argv[0] */
    char *const *argv;
    char *const *env;     /* NULL: empty */
    int in, out, message; /* its descriptors 0, 1 and 2; below 0: /dev/null */
    bool group;           /* a process group of its own, which ends as one (kill(-pid, ...)) */
};
/* Signals are as a program expects them, whatever is blocked or handled here. MLO_EUNAVAIL: it cannot be
 * started. */
int mlo_process_start(const struct mlo_process_opts *o, pid_t *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* The path of a program: a name with "/" in it as it is, any other looked for in the absolute folders of
 * PATH. MLO_EUNAVAIL: it is not installed. Owner of *ret: the caller. */
int mlo_process_find(char *const *env, const char *name, char **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* The path of this program as it runs. */
int mlo_process_self(char *buf, size_t size, struct mlo_err *err) MLO_MUST_CHECK;
/* Until it ends: true, with its status as of waitpid, which is untouched when it was no child. False: the
 * deadline (mlo_time_mono) has gone by, or `stop` said so (NULL: nobody does). */
bool mlo_process_wait(pid_t pid, int64_t deadline_ns, bool (*stop)(void), int *ret_status) MLO_MUST_CHECK;
/* SIGKILL, and its status is taken. With `group` all it started. */
void mlo_process_kill(pid_t pid, bool group);

#endif

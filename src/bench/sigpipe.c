/* A program or server that closes its end is a failure of a request, not our end. */
#include <pthread.h>

#include "internal.h"

void mlo_sigpipe_hold(sigset_t *ret_before)
{
    sigset_t pipes;
    sigemptyset(&pipes);
    sigaddset(&pipes, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipes, ret_before);
}

void mlo_sigpipe_restore(const sigset_t *before)
{
    static const struct timespec now = {0};
    sigset_t pipes;
    sigemptyset(&pipes);
    sigaddset(&pipes, SIGPIPE);
    while (!sigismember(before, SIGPIPE) && sigtimedwait(&pipes, NULL, &now) > 0)
        continue;
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

/*
 * Ctrl-C and SIGTERM for commands that would rather end in good order: the first one is noted, so that what
 * is under way stops and the run is recorded; then the process ends by that same signal, which is how a shell
 * learns that its loop should stop too. A second one ends the process at once, unless it is an echo of the
 * first: timeout(1) sends its signal to the process and then to the group. Or for a command that has nothing
 * to record: what it has not finished is removed, and it ends.
 */
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/time.h>

#include "internal.h"

static const int caught[] = {SIGINT, SIGTERM};
static atomic_int came;         /* lock-free: a handler may write it, any thread may read it */
static _Atomic int64_t came_ns; /* monotonic; likewise */

#define ECHO_NS (MLO_NS_PER_S / 10)

/* Raised again, a second one ends the process when this returns. */
static void note_signal(int sig)
{
    struct sigaction usual = {.sa_handler = SIG_DFL};
    int64_t now = mlo_time_mono();
    if (!came) {
        came_ns = now;
        came = sig;
    } else if (now - came_ns > ECHO_NS) {
        sigaction(sig, &usual, NULL);
        raise(sig);
    }
}

void mlo_interrupt_arm(void)
{
    struct sigaction noting = {.sa_handler = note_signal, .sa_flags = SA_RESTART};
    for (size_t i = 0; i < MLO_COUNT(caught); i++) {
        struct sigaction old;
        bool is_default = sigaction(caught[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL;
        if (is_default && !came) /* nohup and background jobs ignore them: that stays */
            sigaction(caught[i], &noting, NULL);
    }
}

/* ---- a file that nobody will finish ---- */

static struct {
    volatile sig_atomic_t is;
    int dirfd;
    char name[NAME_MAX + 1];
} unfinished;

/* SA_RESETHAND: raised again, the signal ends the process when this returns. */
static void remove_and_end(int sig)
{
    if (unfinished.is)
        unlinkat(unfinished.dirfd, unfinished.name, 0);
    raise(sig);
}

void mlo_interrupt_remove(int dirfd, const char *name)
{
    struct sigaction removing = {.sa_handler = remove_and_end, .sa_flags = (int)SA_RESETHAND};
    unfinished.is = false;
    if (!name || strlen(name) > NAME_MAX)
        return;
    unfinished.dirfd = dirfd;
    memcpy(unfinished.name, name, strlen(name) + 1);
    unfinished.is = true;
    for (size_t i = 0; i < MLO_COUNT(caught); i++) {
        struct sigaction old;
        if (sigaction(caught[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
            sigaction(caught[i], &removing, NULL);
    }
}

bool mlo_interrupted(void)
{
    return came != 0;
}

void mlo_interrupt_end(void)
{
    struct sigaction usual = {.sa_handler = SIG_DFL};
    int sig = came;
    if (sig) {
        sigaction(sig, &usual, NULL);
        raise(sig);
    }
}

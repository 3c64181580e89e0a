/*
 * Ctrl-C and SIGTERM for commands that would rather end in good order: the first one is noted, so that what
 * is under way stops and the run is recorded; then the process ends by that same signal, which is how a shell
 * learns that its loop should stop too. A second one ends the process at once.
 */
#include <signal.h>
#include <stdatomic.h>

#include "internal.h"

static const int caught[] = {SIGINT, SIGTERM};
static atomic_int came; /* lock-free: a handler may write it, any thread may read it */

static void note_signal(int sig)
{
    struct sigaction usual = {.sa_handler = SIG_DFL};
    came = sig;
    for (size_t i = 0; i < MLO_COUNT(caught); i++)
        sigaction(caught[i], &usual, NULL);
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

bool mlo_interrupted(void)
{
    return came != 0;
}

void mlo_interrupt_end(void)
{
    int sig = came;
    if (sig)
        raise(sig);
}

/* mlopsctl: the commands stand in src/cmd/table.c, what is done with them in src/cli/dispatch.c. */
#include <fcntl.h>
#include <unistd.h>

#include <mlopsctl/cli.h>

#include "cmd/table.h"

/*
 * A file opened later must not become a standard stream that the caller closed, or a message would be written
 * into it. The streams are opened in the wrong direction, so that using them fails as it should.
 */
static int hold_standard_streams(void)
{
    static const int wrong_way[] = {O_WRONLY, O_RDONLY, O_RDONLY};
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", wrong_way[fd]) != fd)
            return -1;
    return 0;
}

int main(int argc, char **argv)
{
    if (hold_standard_streams() < 0)
        return -MLO_EIO;
    return mlo_cli_main(mlo_commands, argc, argv, environ);
}

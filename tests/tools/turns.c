/*
 * Several commands of mlopsctl one after the other in one process, which starts once. Ends with the status of
 * the first that fails.
 *
 *     turns ledger verify -q , verify --all -q , ls --json
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/cli.h>

#include "../../src/cmd/table.h"

int main(int argc, char **argv)
{
    int status = 0;
    for (int at = 0, end; at < argc && status == 0;
         at = end) { /* the word before a command stands for its program */
        for (end = at + 1; end < argc && strcmp(argv[end], ",") != 0; end++)
            ;
        status = mlo_cli_main(mlo_commands, end - at, argv + at, environ);
        if (status)
            fprintf(stderr, "turns: %s: status %d\n", argv[at + 1], status);
    }
    return status;
}

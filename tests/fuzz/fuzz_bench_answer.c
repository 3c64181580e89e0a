/* What a target answers, on any bytes: a line of the protocol of programs, a body of a server. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/bench/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok)
{
    if (!ok)
        __builtin_trap();
}

static void read_line(const char *line, size_t n)
{
    static const uint64_t requests[] = {0, 5, 50, UINT64_MAX};
    unsigned fits = 0;
    for (size_t i = 0; i < MLO_COUNT(requests); i++) {
        const char *why = NULL;
        int64_t took = -1;
        enum mlo_reply reply = mlo_reply_read(line, requests[i], &took, &why);
        fits += reply != MLO_REPLY_NONE;
        must(took >= -1 && (took == -1 || reply == MLO_REPLY_OK));
        must((reply == MLO_REPLY_ERROR) == (why != NULL));
        must(!why || strcmp(why, "no reason") == 0 || (why >= line && why <= line + n));
    }
    must(fits <= 1); /* no line answers two requests */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct mlo_err err = MLO_ERR_INIT;
    char *line = malloc(n + 1);
    must(line != NULL);
    memcpy(line, data, n);
    line[n] = '\0';
    read_line(line, n);
    free(line);
    int rc = mlo_outputs_find((const char *)data, n, &err);
    must(rc == 0 || (rc == err.code && err.msg[0]));
    return 0;
}

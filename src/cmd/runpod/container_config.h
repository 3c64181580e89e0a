/* What templates and endpoints say of a container: options, and the words of a request made of them. */
#ifndef MLOPSCTL_CMD_RUNPOD_CONTAINER_CONFIG_H
#define MLOPSCTL_CMD_RUNPOD_CONTAINER_CONFIG_H

#include "cmd/shared/env_vars.h"
#include "runpod.h"

struct mlo_container_config_opts {
    const char *image, *args, *registry, *env_file;
    uint64_t disk;
    struct mlo_strings port, env;
};
#define MLO_CONTAINER_CONFIG_OPTS(opts_struct, at)                                                           \
    {.name = "image",                                                                                        \
     .type = MLO_OPT_STRING,                                                                                 \
     .arg = "REFERENCE",                                                                                     \
     .help = "the container's image, for linux/amd64",                                                       \
     .offset = offsetof(opts_struct, at.image)},                                                             \
        {.name = "args",                                                                                     \
         .type = MLO_OPT_STRING,                                                                             \
         .arg = "TEXT",                                                                                      \
         .help = "arguments of the container's entrypoint",                                                  \
         .offset = offsetof(opts_struct, at.args)},                                                          \
        {.name = "disk",                                                                                     \
         .type = MLO_OPT_U64,                                                                                \
         .arg = "GB",                                                                                        \
         .help = "the container's own disk, wiped when it stops",                                            \
         .offset = offsetof(opts_struct, at.disk),                                                           \
         .min = 1,                                                                                           \
         .max = 1u << 20},                                                                                   \
        {.name = "port",                                                                                     \
         .letter = 'p',                                                                                      \
         .type = MLO_OPT_LIST,                                                                               \
         .arg = "PORT/TYPE",                                                                                 \
         .help = "a port to open: 8000/http or 22/tcp",                                                      \
         .offset = offsetof(opts_struct, at.port)},                                                          \
        {.name = "env",                                                                                      \
         .letter = 'e',                                                                                      \
         .type = MLO_OPT_LIST,                                                                               \
         .arg = "NAME[=VALUE]",                                                                              \
         .help = "a variable of the container; without a value, this command's own",                         \
         .offset = offsetof(opts_struct, at.env)},                                                           \
        {.name = "env-file",                                                                                 \
         .type = MLO_OPT_STRING,                                                                             \
         .arg = "FILE",                                                                                      \
         .help = "variables, one NAME=VALUE a line",                                                         \
         .offset = offsetof(opts_struct, at.env_file),                                                       \
         .flags = MLO_OPTF_FILE},                                                                            \
    {                                                                                                        \
        .name = "registry", .type = MLO_OPT_STRING, .arg = "LOGIN",                                          \
        .help = "id or name of the registry login that fetches the image",                                   \
        .offset = offsetof(opts_struct, at.registry)                                                         \
    }

struct mlo_container_config { /* borrows from the options */
    struct mlo_runpod_container words;
    struct mlo_env_vars env;             /* owned */
    struct mlo_runpod_registry registry; /* owned */
};
/* Reads the variables and looks up the login. */
int mlo_container_config_read(struct mlo_ctx *ctx, const struct mlo_container_config_opts *o,
                              struct mlo_container_config *ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_container_config_release(struct mlo_container_config *k);
/* Words of a list option; not said when it was not given. */
struct mlo_runpod_words mlo_words_of(const struct mlo_strings *s);

#endif

/*
 * Our own program as a target: `bench --answer` is the other end of the line protocol, and --wrap puts a
 * command before it. Both sides of a comparison go through such a program then, so that pipes cost them
 * alike.
 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/process.h>

#include "bench.h"

#define PLAIN                                                                                                \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@%+,-" /* needs no quotes             \
                                                                               */

int mlo_bench_digest(const struct mlo_model *m, const char *word, char ret[MLO_DIGEST_TEXT],
                     struct mlo_err *err)
{
    struct mlo_digest d;
    if (m->file) {
        mlo_digest_text(&m->file->digest, ret);
        return 0;
    }
    MLO_AUTOCLOSE int fd = open(word, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return mlo_fail_errno(err, "cannot read '%s'", word);
    int rc = mlo_sha256_fd(fd, &d, err);
    if (rc == 0)
        mlo_digest_text(&d, ret);
    return rc;
}

/* A word of a shell's line. */
static void add_word(struct mlo_str *line, const char *word)
{
    if (line->len > 0)
        mlo_str_addc(line, ' ');
    if (*word && word[strspn(word, PLAIN)] == '\0') {
        mlo_str_add(line, word);
        return;
    }
    mlo_str_addc(line, '\'');
    for (; *word; word++)
        if (*word == '\'')
            mlo_str_add(line, "'\\''");
        else
            mlo_str_addc(line, *word);
    mlo_str_addc(line, '\'');
}

static void add_option(struct mlo_str *line, const char *name, const char *value)
{
    if (!value)
        return;
    add_word(line, name);
    add_word(line, value);
}

/* By a name without a folder it is looked for wherever the wrapper leads, as here. */
static int add_program(struct mlo_str *line, const struct mlo_ctx *ctx, bool wrapped, struct mlo_err *err)
{
    char path[PATH_MAX];
    if (wrapped && !strchr(ctx->argv[0], '/')) {
        add_word(line, ctx->argv[0]);
        return 0;
    }
    int rc = mlo_process_self(path, sizeof path, err);
    if (rc == 0)
        add_word(line, path);
    return rc;
}

int mlo_bench_line(const struct mlo_bench *b, const char *wrap, const char *model, char **ret,
                   struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str line;
    mlo_str_init(&line, MLO_STR_MAX);
    if (wrap)
        mlo_str_add(&line, wrap);
    int rc = add_program(&line, b->ctx, wrap, err);
    if (rc != 0)
        return rc;
    add_word(&line, "bench");
    add_word(&line, "--answer");
    add_option(&line, "--home", b->ctx->home);
    add_option(&line, "--backend", b->args->backend);
    add_option(&line, "--precision", b->args->precision);
    if (model == b->ctx->args[0])
        add_option(&line, "--model-file", b->args->model_file);
    add_word(&line, "--");
    add_word(&line, model);
    rc = mlo_str_check(&line, err);
    if (rc == 0)
        *ret = mlo_str_detach(&line, NULL);
    return rc;
}

int mlo_bench_wrap_advice(const struct mlo_bench *b, char **ret, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str line;
    mlo_str_init(&line, MLO_STR_MAX);
    mlo_str_add(&line,
                "a wrapper runs the words behind it and leaves standard input and output alone; try: ");
    mlo_str_add(&line, b->args->wrap);
    int rc = add_program(&line, b->ctx, true, err);
    if (rc != 0)
        return rc;
    add_word(&line, "version");
    rc = mlo_str_check(&line, err);
    if (rc == 0)
        *ret = mlo_str_detach(&line, NULL);
    return rc;
}

int mlo_bench_answer(struct mlo_ctx *ctx, const struct mlo_bench_args *o, struct mlo_err *err)
{
    struct mlo_model m = {0};
    struct mlo_backend backend = {0};
    char digest[MLO_DIGEST_TEXT];
    int rc = mlo_backend_find(ctx, o->backend, o->precision, &backend, err);
    if (rc == 0)
        rc = mlo_model_open(ctx, ctx->args[0], o->model_file, NULL, &m, err);
    if (rc == 0)
        rc = mlo_backend_take(&backend, m.plan, err);
    if (rc == 0)
        rc = mlo_bench_digest(&m, ctx->args[0], digest, err);
    const struct mlo_target_answer_opts how = {STDIN_FILENO, STDOUT_FILENO, digest};
    if (rc == 0)
        rc = mlo_target_answer(m.plan, &how, err);
    mlo_model_release(&m);
    return rc;
}

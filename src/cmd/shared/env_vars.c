/* See env_vars.h. */
#include "env_vars.h"

#include <fcntl.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

#define ENV_FILE_MAX ((size_t)1 << 20)
#define ENV_MAX      48 /* RunPod takes 50; two are ours */

static void wipe(char *text, size_t n)
{
    if (text)
        explicit_bzero(text, n);
    free(text);
}

void mlo_env_vars_release(struct mlo_env_vars *v)
{
    for (size_t i = 0; i < v->n; i++)
        wipe(v->items[i], strlen(v->items[i]));
    free(v->items);
    *v = (struct mlo_env_vars){0};
}

static bool is_name(const char *text, size_t n)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    return n > 0 && strspn(text, letters) >= n && (text[0] < '0' || text[0] > '9');
}

/* Takes text. */
static int put(struct mlo_env_vars *v, char *text, size_t name_length, struct mlo_err *err)
{
    for (size_t i = 0; i < v->n; i++)
        if (strncmp(v->items[i], text, name_length + 1) == 0) {
            wipe(v->items[i], strlen(v->items[i]));
            v->items[i] = text;
            return 0;
        }
    int rc = v->n == ENV_MAX ? mlo_fail(err, MLO_EUSAGE, "more than %d variables", ENV_MAX)
                             : mlo_grow(&v->items, &v->cap, v->n + 1, sizeof *v->items, err);
    if (rc != 0)
        wipe(text, strlen(text));
    else
        v->items[v->n++] = text;
    return rc;
}

static int add(struct mlo_ctx *ctx, struct mlo_env_vars *v, const char *text, struct mlo_err *err)
{
    size_t n = strcspn(text, "=");
    char shown[MLO_SHOWN];
    if (!is_name(text, n))
        return mlo_fail(err, MLO_EUSAGE, "'%s' is not the name of a variable", mlo_shown(text, n, shown));
    if (strncmp(text, "MLOPSCTL_", 9) == 0)
        return mlo_fail(err, MLO_EUSAGE, "'%s': variables with MLOPSCTL_ are this program's own",
                        mlo_shown(text, n, shown));
    const char *value = text[n] ? text + n + 1 : mlo_env_get(ctx->env, text);
    if (!value)
        return mlo_fail(err, MLO_EUSAGE, "--env %s: that variable is not set here", text);
    size_t size = n + 1 + strlen(value);
    char *copy = mlo_calloc(size + 1, 1, err);
    if (!copy)
        return MLO_EIO;
    memcpy(copy, text, n);
    copy[n] = '=';
    memcpy(copy + n + 1, value, size - n - 1);
    return put(v, copy, n, err);
}

static int add_lines(struct mlo_ctx *ctx, struct mlo_env_vars *v, const char *file, char *text,
                     struct mlo_err *err)
{
    unsigned line = 1;
    for (char *next; text; text = next, line++) {
        next = strchr(text, '\n');
        if (next)
            *next++ = '\0';
        text[strcspn(text, "\r")] = '\0';
        if (!*text || *text == '#')
            continue;
        int rc = strchr(text, '=') ? add(ctx, v, text, err) : mlo_fail(err, MLO_EUSAGE, "not NAME=VALUE");
        if (rc != 0)
            return mlo_wrap(err, "'%s' line %u", file, line);
    }
    return 0;
}

static int read_file(struct mlo_ctx *ctx, struct mlo_env_vars *v, const char *file, struct mlo_err *err)
{
    char *text = NULL;
    size_t n = 0;
    int rc = mlo_slurp_at(AT_FDCWD, file, ENV_FILE_MAX, &text, &n, err);
    if (rc == 0 && strlen(text) != n)
        rc = mlo_fail(err, MLO_EINVALID, "'%s' holds a NUL byte", file);
    if (rc == 0)
        rc = add_lines(ctx, v, file, text, err);
    wipe(text, n);
    return rc;
}

int mlo_env_vars_read(struct mlo_ctx *ctx, const struct mlo_strings *given, const char *file,
                      struct mlo_env_vars *ret, struct mlo_err *err)
{
    struct mlo_env_vars v = {0};
    int rc = file ? read_file(ctx, &v, file, err) : 0;
    for (size_t i = 0; rc == 0 && i < given->n; i++)
        rc = add(ctx, &v, given->items[i], err);
    if (rc != 0)
        mlo_env_vars_release(&v);
    else
        *ret = v;
    return rc;
}

/* See tables.h. */
#include "tables.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

#include "workspace.h"

#define PROFILE_FILE_MAX ((size_t)256 << 20)

bool mlo_is_profile(const char *path)
{
    static const char start[] = "{\"schema\":";
    static const char kind[] = "\"kind\":\"mlopsctl-profile\"";
    char head[128] = "";
    MLO_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd >= 0 ? pread(fd, head, sizeof head - 1, 0) : 0;
    return n > 0 && strncmp(head, start, strlen(start)) == 0 && strstr(head, kind);
}

static int read_profile(const char *path, struct mlo_profile **ret, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    int rc = mlo_slurp_at(AT_FDCWD, path, PROFILE_FILE_MAX, &text, &n, err);
    if (rc == 0)
        rc = mlo_profile_read(text, n, ret, err);
    return rc != 0 ? mlo_wrap(err, "'%s'", path) : 0;
}

/* ---- in a bundle ---- */

/* Files come first: a bundle whose name is that of a file is meant by its digest or tag. */
static bool is_bundle_name(const char *word)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    struct mlo_ref ref;
    return access(word, F_OK) != 0 &&
           (strncmp(word, "sha256:", 7) == 0 || mlo_ref_parse(word, &ref, &ignored) == 0);
}

static int read_bundle(struct mlo_workspace *ws, const struct mlo_bundle *b, struct mlo_profile **ret,
                       struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0, at = 0;
    while (at < b->n_files && strcmp(b->files[at].path, MLO_PROFILE_PATH) != 0)
        at++;
    if (at == b->n_files) {
        mlo_fail(err, MLO_ENOTFOUND, "the bundle has no profile");
        return mlo_hint(err, "pack it with --profile, or name the table that it was trained on");
    }
    int rc = mlo_store_read(ws->store, &b->files[at].digest, PROFILE_FILE_MAX, &text, &n, err);
    return rc == 0 ? mlo_profile_read(text, n, ret, err) : rc;
}

/* ---- in the ledger ---- */

const char *mlo_baseline_name(const char *word)
{
    static const char baseline[] = "baseline";
    if (strncmp(word, baseline, sizeof baseline - 1) != 0)
        return NULL;
    word += sizeof baseline - 1;
    return *word == '\0' ? MLO_CHECK_NAME : *word == ':' ? word + 1 : NULL;
}

int mlo_check_name(const char *name, const char *option, struct mlo_err *err)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t n = strlen(name);
    if (n > 0 && n <= MLO_CHECK_NAME_MAX && strspn(name, plain) == n && name[0] != '.' && name[0] != '-')
        return 0;
    return mlo_fail(err, MLO_EUSAGE, "%s takes up to %d letters, digits and . _ -, not beginning with . or -",
                    option, MLO_CHECK_NAME_MAX);
}

int mlo_baseline_put(struct mlo_workspace *ws, const char *name, const struct mlo_profile *p,
                     struct mlo_err *err)
{
    struct mlo_digest d;
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    int rc = mlo_profile_write(p, &text, err);
    if (rc == 0)
        rc = mlo_store_put(ws->store, text.ptr, text.len, &d, err);
    if (rc == 0)
        rc = mlo_run_artifact(ws->run, "baseline-profile", &d, text.len, err);
    return rc == 0 ? mlo_run_move_name_any(ws->run, MLO_BASELINE, name, &d, err) : rc;
}

static int read_baseline(struct mlo_workspace *ws, const char *name, struct mlo_profile **ret,
                         struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    struct mlo_digest digest;
    char shown[MLO_SHOWN];
    size_t n = 0;
    int rc = ws->ledger ? mlo_name_get(ws->ledger, MLO_BASELINE, name, &digest, err) : MLO_ENOTFOUND;
    if (rc == MLO_ENOTFOUND) {
        mlo_fail(err, rc, "there is no baseline '%s'", mlo_shown(name, strlen(name), shown));
        return mlo_hint(err, "make one: mlopsctl profile TABLE --baseline %s", shown);
    }
    if (rc == 0)
        rc = mlo_store_read(ws->store, &digest, PROFILE_FILE_MAX, &text, &n, err);
    return rc == 0 ? mlo_profile_read(text, n, ret, err) : rc;
}

static int bundle_profile(struct mlo_ctx *ctx, const char *word, struct mlo_profile **ret,
                          struct mlo_err *err)
{
    struct mlo_workspace ws = {0};
    struct mlo_bundle b = {0};
    struct mlo_digest digest;
    char shown[MLO_SHOWN];
    int rc = mlo_workspace_read(ctx, &ws, err);
    if (rc != 0)
        return rc;
    if (mlo_baseline_name(word)) {
        rc = read_baseline(&ws, mlo_baseline_name(word), ret, err);
        mlo_workspace_close(&ws);
        return rc;
    }
    rc = mlo_workspace_resolve(&ws, word, NULL, &digest, err);
    if (rc == MLO_ENOTFOUND)
        mlo_fail(err, rc, "'%s' is neither a file nor a bundle", mlo_shown(word, strlen(word), shown));
    else if (rc == 0 && (rc = mlo_bundle_load(ws.store, &digest, &b, err)) == 0 &&
             (rc = read_bundle(&ws, &b, ret, err)) != 0)
        mlo_wrap(err, "'%s'", mlo_shown(word, strlen(word), shown));
    mlo_bundle_release(&b);
    mlo_workspace_close(&ws);
    return rc;
}

/* ---- either ---- */

/* Roles given beside a profile are as good as those that stand in it. */
static int open_profile(struct mlo_ctx *ctx, const char *path, const struct mlo_table_opts *opts,
                        const struct mlo_profile_opts *how, struct mlo_profile **ret, struct mlo_err *err)
{
    struct mlo_profile *p = NULL;
    if (opts->from_ns || opts->to_ns || how->windows)
        return mlo_fail(err, MLO_EUSAGE,
                        "'%s' is a profile: it keeps no rows that could be told apart by time", path);
    int rc = mlo_is_profile(path) ? read_profile(path, &p, err) : bundle_profile(ctx, path, &p, err);
    if (rc == 0)
        rc = mlo_profile_set_roles(p, how->roles, how->n_roles, err);
    if (rc != 0)
        mlo_profile_free(p);
    else
        *ret = p;
    return rc;
}

int mlo_profile_open(struct mlo_ctx *ctx, const char *const *paths, size_t n,
                     const struct mlo_table_opts *opts, const struct mlo_profile_opts *how,
                     struct mlo_profile **ret, struct mlo_err *err)
{
    struct mlo_table *t = NULL;
    struct mlo_table_opts as = *opts;
    MLO_AUTOFREE struct mlo_table_column *types = NULL;
    if (n == 1 && (mlo_is_profile(paths[0]) || (ctx && is_bundle_name(paths[0]))))
        return open_profile(ctx, paths[0], opts, how, ret, err);
    int rc = how->like ? mlo_profile_columns(how->like, &types, &as.n_types, err) : 0;
    if (how->like)
        as.types = types;
    as.threads = mlo_profile_threads(how, as.threads);
    if (rc == 0)
        rc = mlo_table_open(paths, n, &as, &t, err);
    if (rc == 0)
        rc = mlo_profile_table(t, how, ret, err);
    mlo_table_close(t);
    return rc;
}

/* On stderr, since it is no failure: the other columns are read. */
static void warn_left_out(const void *ctx, const char *path, const char *const *columns, size_t n)
{
    enum { NAMED = 5 };
    MLO_AUTOSTR struct mlo_str names;
    mlo_str_init(&names, MLO_STR_MAX);
    for (size_t i = 0; i < n && i < NAMED; i++)
        mlo_str_addf(&names, "%s'%s'", i ? ", " : "", columns[i]);
    if (n > NAMED)
        mlo_str_addf(&names, " and %zu more", n - NAMED);
    mlo_warn(ctx, "'%s': %s hold%s lists or maps and %s left out", path, names.ptr, n == 1 ? "s" : "",
             n == 1 ? "is" : "are");
}

struct mlo_table_opts mlo_table_opts_of(const struct mlo_ctx *ctx, const char *format, uint64_t threads)
{
    return (struct mlo_table_opts){.format = format,
                                   .threads = (unsigned)threads,
                                   .temporary = mlo_env_get(ctx->env, "TMPDIR"),
                                   .left_out = warn_left_out,
                                   .left_out_ctx = ctx};
}

static void add_roles(struct mlo_column_use *list, size_t *n, const char *const *names, size_t count,
                      enum mlo_column_role role)
{
    for (size_t i = 0; i < count; i++)
        if (names[i])
            list[(*n)++] = (struct mlo_column_use){.name = names[i], .role = role};
}

int mlo_role_list(const struct mlo_role_opts *o, const struct mlo_column_use *first, size_t n_first,
                  struct mlo_column_use **ret, size_t *ret_n, struct mlo_err *err)
{
    size_t n = n_first;
    struct mlo_column_use *list = mlo_calloc(n_first + o->prediction.n + o->score.n + o->ignore.n + 2,
                                             sizeof *list, err);
    if (!list)
        return MLO_EIO;
    if (n_first > 0)
        memcpy(list, first, n_first * sizeof *list);
    add_roles(list, &n, o->ignore.items, o->ignore.n, MLO_ROLE_IGNORE);
    add_roles(list, &n, o->prediction.items, o->prediction.n, MLO_ROLE_PREDICTION);
    add_roles(list, &n, o->score.items, o->score.n, MLO_ROLE_SCORE);
    add_roles(list, &n, &o->time, 1, MLO_ROLE_TIME);
    add_roles(list, &n, &o->label, 1, MLO_ROLE_LABEL);
    *ret = list;
    *ret_n = n;
    return 0;
}

int mlo_words_split(const struct mlo_strings *given, char **ret_text, struct mlo_strings *ret,
                    struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    for (size_t i = 0; i < given->n; i++)
        mlo_str_addf(&text, "%s%s", i ? "," : "", given->items[i]);
    int rc = mlo_str_check(&text, err);
    if (rc != 0 || given->n == 0)
        return rc;
    *ret_text = mlo_str_detach(&text, NULL);
    for (char *word, *rest = *ret_text; rc == 0 && (word = strsep(&rest, ",")) != NULL;) {
        if (!*word)
            rc = mlo_fail(err, MLO_EUSAGE, "the name of a column is empty");
        if (rc == 0)
            rc = mlo_grow(&ret->items, &ret->cap, ret->n + 1, sizeof *ret->items, err);
        if (rc == 0)
            ret->items[ret->n++] = word;
    }
    return rc;
}

void mlo_profile_warn(const struct mlo_ctx *ctx, const struct mlo_profile *p)
{
    char shown[MLO_SHOWN];
    double share;
    const char *name = mlo_profile_beyond(p, &share);
    if (name)
        mlo_warn(ctx,
                 "%.0f %% of '%s' lie beyond the bins, which were made from the start of a sorted table: "
                 "what moved "
                 "there is not seen; give it as a plain file, or shuffled",
                 100 * share, mlo_shown(name, strlen(name), shown));
}

int mlo_result_write(const char *path, const struct mlo_str *text, struct mlo_err *err)
{
    if (strcmp(path, "-") == 0)
        return mlo_write_all(STDOUT_FILENO, text->ptr, text->len, err);
    return mlo_write_file_at(AT_FDCWD, path, text->ptr, text->len, 0644, err);
}

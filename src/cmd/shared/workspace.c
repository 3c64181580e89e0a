/*
 * The life of a command that changes something: open the ledger, finish what died runs left, begin a run,
 * take the store for adding, work, end the run (names move here, in one transaction), derive index.json anew.
 *
 * Lock order: the store's lock first, the ledger's inside it and only for a transaction. Nobody waits for the
 * store while holding the ledger, so there is no cycle.
 */
#include "workspace.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/secret.h>
#include <mlopsctl/base/text.h>
#include <mlopsctl/git.h>

#include "context.h"
#include "cmd/undo/undo.h"

#define PREFIX_MIN 8 /* hex digits of an abbreviated digest */

/* ---- home ---- */

static const char *env_get(char *const *env, const char *key)
{
    size_t n = strlen(key);
    for (; env && *env; env++)
        if (strncmp(*env, key, n) == 0 && (*env)[n] == '=' && (*env)[n + 1])
            return *env + n + 1;
    return NULL;
}

static char *join(const char *folder, const char *name, struct mlo_err *err)
{
    struct mlo_str s;
    mlo_str_init(&s, PATH_MAX);
    mlo_str_addf(&s, "%s%s%s", folder, folder[0] && folder[1] ? "/" : "", name);
    if (mlo_str_check(&s, err)) {
        mlo_str_release(&s);
        return NULL;
    }
    return mlo_str_detach(&s, NULL);
}

/* The nearest folder from `start` upward that holds `name`; the folder itself when *ret is set. */
static int find_upward(const char *start, const char *name, char **ret, struct mlo_err *err)
{
    MLO_AUTOFREE char *folder = mlo_strdup(start, err);
    if (!folder)
        return err->code;
    for (;;) {
        struct stat st;
        MLO_AUTOFREE char *path = join(folder, name, err);
        if (!path)
            return err->code;
        if (stat(path, &st) == 0) {
            *ret = mlo_steal(&folder);
            return 0;
        }
        char *slash = strrchr(folder, '/');
        if (!slash || strcmp(folder, "/") == 0)
            return 0;
        slash[slash == folder] = '\0';
    }
}

static int user_home(const struct mlo_ctx *ctx, char **ret, struct mlo_err *err)
{
    const char *data = env_get(ctx->env, "XDG_DATA_HOME"), *home = env_get(ctx->env, "HOME");
    if (data && data[0] == '/')
        *ret = join(data, "mlopsctl", err);
    else if (home && home[0] == '/')
        *ret = join(home, ".local/share/mlopsctl", err);
    else
        return mlo_fail(err, MLO_ENOTFOUND, "no place for state: neither a project nor $HOME"),
               mlo_hint(err, "name a folder with --home or MLOPSCTL_HOME");
    return *ret ? 0 : err->code;
}

static int absolute(const char *cwd, const char *path, char **ret, struct mlo_err *err)
{
    *ret = path[0] == '/' ? mlo_strdup(path, err) : join(cwd, path, err);
    return *ret ? 0 : err->code;
}

int mlo_home_find(const struct mlo_ctx *ctx, char **ret, struct mlo_err *err)
{
    static const char *const marks[] = {".mlops", "mlops.yaml", ".git"};
    const char *given = ctx->home ? ctx->home : env_get(ctx->env, "MLOPSCTL_HOME");
    char cwd[PATH_MAX];
    if (!getcwd(cwd, sizeof cwd))
        return mlo_fail_errno(err, "current folder");
    if (given)
        return absolute(cwd, given, ret, err);
    for (size_t i = 0; i < MLO_COUNT(marks); i++) {
        MLO_AUTOFREE char *folder = NULL;
        if (find_upward(cwd, marks[i], &folder, err))
            return err->code;
        if (folder)
            return (*ret = join(folder, ".mlops", err)) ? 0 : err->code;
    }
    return user_home(ctx, ret, err);
}

/* ---- reading ---- */

int mlo_workspace_read(struct mlo_ctx *ctx, struct mlo_workspace *ws, struct mlo_err *err)
{
    *ws = (struct mlo_workspace){.ctx = ctx};
    if (mlo_home_find(ctx, &ws->home, err))
        return err->code;
    int rc = mlo_ledger_open(ws->home, MLO_LEDGER_READ, &ws->ledger, err);
    if (rc == 0)
        rc = mlo_store_open(ws->home, false, &ws->store, err);
    if (rc == MLO_ENOTFOUND) { /* an empty workspace */
        *err = MLO_ERR_INIT;
        return 0;
    }
    if (rc)
        mlo_workspace_close(ws);
    return rc;
}

void mlo_workspace_close(struct mlo_workspace *ws)
{
    mlo_store_close(ws->store);
    mlo_ledger_close(ws->ledger);
    free(ws->home);
    *ws = (struct mlo_workspace){0};
}

/* ---- writing ---- */

static void say_waiting(void *ctx, long pid)
{
    const struct mlo_workspace *ws = ctx;
    if (pid > 0)
        mlo_note(ws->ctx, "waiting for the ledger, held by process %ld", pid);
    else
        mlo_note(ws->ctx, "waiting for the ledger");
}

static int say_recovered(void *ctx, const struct mlo_recovered *rec, struct mlo_err *err)
{
    const struct mlo_workspace *ws = ctx;
    (void)err;
    mlo_warn(ws->ctx, "run %lld (%s) had died: %d effects finished, %d undone", (long long)rec->run,
             rec->command, rec->finished, rec->undone);
    return 0;
}

const struct mlo_undo_handler *mlo_undo_handlers(struct mlo_workspace *ws, size_t *ret_n)
{
    ws->handlers[0] = mlo_undo_file_handler(ws);
    ws->handlers[1] = mlo_undo_folder_handler(ws);
    ws->handlers[2] = mlo_undo_remote_handler(ws);
    ws->handlers[3] = mlo_undo_remote_name_handler(ws);
    ws->handlers[4] = mlo_undo_endpoint_handler(ws);
    ws->handlers[5] = mlo_undo_pod_handler(ws);
    ws->handlers[6] = mlo_undo_pod_state_handler(ws);
    ws->handlers[7] = mlo_undo_pod_lease_handler(ws);
    ws->handlers[8] = mlo_undo_section_handler(ws);
    for (size_t f = MLO_RUNPOD_ENDPOINTS; f <= MLO_RUNPOD_VOLUMES; f++)
        ws->handlers[8 + f] = mlo_undo_runpod_handler(ws, (enum mlo_runpod_family)f);
    *ret_n = MLO_COUNT(ws->handlers);
    return ws->handlers;
}

/* libgit2 missing or a broken repository must not stop a run that needs no git. */
static void read_commit(const struct mlo_workspace *ws, const char *cwd, struct mlo_git_info *own)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    if (!ws->git && mlo_git_read(cwd, MLO_GIT_COMMIT, own, &ignored))
        *own = (struct mlo_git_info){0};
}

/* The setting, else who is logged in, else a number; never a look-up that may ask the network. */
static int user_name(struct mlo_ctx *ctx, char *uid, size_t n, const char **ret, struct mlo_err *err)
{
    const struct mlo_config *config = NULL;
    if (mlo_ctx_config(ctx, &config, err))
        return err->code;
    snprintf(uid, n, "uid %lu", (unsigned long)geteuid());
    const char *name = mlo_config_get(config, "user.name");
    if (!name)
        name = env_get(ctx->env, "LOGNAME");
    if (!name)
        name = env_get(ctx->env, "USER");
    *ret = name ? name : uid;
    return 0;
}

static int begin_run(struct mlo_workspace *ws, int64_t undo_of, struct mlo_err *err)
{
    struct mlo_ctx *ctx = ws->ctx;
    struct mlo_git_info own = {0};
    char cwd[PATH_MAX], host[256] = "", uid[24];
    MLO_AUTOSTR struct mlo_str argv, note;
    mlo_str_init(&argv, MLO_STR_MAX);
    mlo_str_init(&note, MLO_STR_MAX);
    if (!getcwd(cwd, sizeof cwd))
        return mlo_fail_errno(err, "current folder");
    gethostname(host, sizeof host - 1);
    const char *user = NULL;
    if (user_name(ctx, uid, sizeof uid, &user, err))
        return err->code;
    if (ctx->note)
        mlo_redact(&note, ctx->note, strlen(ctx->note));
    if (mlo_str_check(&note, err) || mlo_redact_argv(&argv, ctx->argc, ctx->argv, err) ||
        mlo_str_check(&argv, err))
        return err->code;
    read_commit(ws, cwd, &own);
    const struct mlo_git_info *git = ws->git ? ws->git : &own;
    struct mlo_run_info info = {
        .command = ctx->cmd_name,
        .argv_json = argv.ptr,
        .cwd = cwd,
        .user = user,
        .host = host,
        .tool_version = MLO_VERSION,
        .git_commit = git->commit[0] ? git->commit : NULL,
        .git_dirty = git->dirty,
        .undo_of = undo_of,
        .note = ctx->note ? note.ptr : NULL,
    };
    int rc = mlo_run_begin(ws->ledger, &info, &ws->run, err);
    mlo_git_release(&own);
    return rc;
}

static int open_for_writing(struct mlo_workspace *ws, int64_t undo_of, struct mlo_err *err)
{
    size_t n;
    const struct mlo_undo_handler *handlers = mlo_undo_handlers(ws, &n);
    bool alone = ws->ctx->cmd->flags & MLO_CMDF_ALONE;
    if (mlo_ledger_open(ws->home, MLO_LEDGER_WRITE, &ws->ledger, err) ||
        mlo_store_open(ws->home, true, &ws->store, err))
        return err->code;
    mlo_ledger_on_wait(ws->ledger, say_waiting, ws);
    if (mlo_store_lock(ws->store, alone, -1, err) ||
        mlo_ledger_recover(ws->ledger, handlers, n, say_recovered, ws, err) || begin_run(ws, undo_of, err))
        return err->code;
    mlo_store_set_tmp(ws->store, mlo_run_folder(ws->run));
    mlo_store_begin_batch(ws->store); /* until the names move */
    return 0;
}

int mlo_workspace_begin(struct mlo_ctx *ctx, struct mlo_workspace *ws, int64_t undo_of, struct mlo_err *err)
{
    const struct mlo_git_info *git = ws->git;
    *ws = (struct mlo_workspace){.ctx = ctx, .git = git};
    if (mlo_home_find(ctx, &ws->home, err) || open_for_writing(ws, undo_of, err)) {
        mlo_workspace_close(ws);
        return err->code;
    }
    return 0;
}

/* ---- index.json, derived from the names of kind "tag" ---- */

struct index_list {
    struct mlo_store *store;
    struct mlo_index_entry *items;
    size_t n, cap;
};

static int add_to_index(void *ctx, const struct mlo_name_row *row, struct mlo_err *err)
{
    struct index_list *list = ctx;
    uint64_t size;
    if (!mlo_store_has(list->store, &row->digest, &size))
        return 0; /* damaged store: verify names it */
    if (mlo_grow(&list->items, &list->cap, list->n + 1, sizeof *list->items, err))
        return err->code;
    char *ref = mlo_strdup(row->name, err);
    if (!ref)
        return err->code;
    list->items[list->n++] = (struct mlo_index_entry){
        .ref = ref, .digest = row->digest, .size = size, .artifact_type = MLO_ARTIFACT_MODEL};
    return 0;
}

/* Under a lock of its own, so that the index of the later reader of the names is the one that stays. */
static int write_index(struct mlo_workspace *ws, struct mlo_err *err)
{
    struct index_list list = {.store = ws->store};
    MLO_AUTOFREE char *path = join(ws->home, "index.lock", err);
    if (!path)
        return err->code;
    MLO_AUTOCLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return mlo_fail_errno(err, "'%s'", path);
    int rc = mlo_lock_fd(fd, true, -1, NULL, NULL, err);
    if (!rc)
        rc = mlo_name_each(ws->ledger, "tag", add_to_index, &list, err);
    if (!rc)
        rc = mlo_store_write_index(ws->store, list.items, list.n, err);
    for (size_t i = 0; i < list.n; i++)
        free((char *)(uintptr_t)list.items[i].ref);
    free(list.items);
    return rc;
}

/* The ledger is opened again for writing. Recovering is not a run: what it decides stands in the runs that
 * died. One of them may have moved its names and not come to write the index. */
int mlo_workspace_recover(struct mlo_workspace *ws,
                          int (*fn)(void *ctx, const struct mlo_recovered *rec, struct mlo_err *err),
                          void *ctx, struct mlo_err *err)
{
    size_t n;
    const struct mlo_undo_handler *handlers = mlo_undo_handlers(ws, &n);
    if (!ws->ledger)
        return 0;
    mlo_ledger_close(ws->ledger);
    ws->ledger = NULL;
    int rc = mlo_ledger_open(ws->home, MLO_LEDGER_WRITE, &ws->ledger, err);
    if (!rc)
        rc = mlo_ledger_recover(ws->ledger, handlers, n, fn, ctx, err);
    return rc || !ws->store ? rc : write_index(ws, err); /* a run may have died before the store was made */
}

int mlo_workspace_end(struct mlo_workspace *ws, int result, struct mlo_err *err)
{
    struct mlo_err later = MLO_ERR_INIT;
    if (result == 0 || result == MLO_NO) {
        int synced = mlo_store_commit_batch(ws->store, err);
        result = synced < 0 ? synced : result;
    }
    int rc = mlo_run_finish(ws->run, -result, &later);
    ws->run = NULL;
    bool moved = rc == 0 && (result == 0 || result == MLO_NO);
    struct mlo_err index_err =
        MLO_ERR_INIT; /* the names have moved: a derived file must not turn that into a failure */
    if (moved && write_index(ws, &index_err))
        mlo_warn(ws->ctx, "index.json is not up to date (the next run writes it): %s", index_err.msg);
    mlo_workspace_close(ws);
    if (rc && (result == 0 || result == MLO_NO)) {
        *err = later;
        return rc;
    }
    return result;
}

/* ---- references ---- */

struct lookup {
    const char *want; /* name to come near, or hex prefix */
    size_t want_len;
    char nearest[MLO_REF_TEXT];
    size_t distance;
    struct mlo_digest found;
    unsigned n_found;
};

static bool is_same_name(const char *a, const char *b)
{
    size_t n = strcspn(a, ":@");
    return strcspn(b, ":") == n && strncmp(a, b, n) == 0;
}

static int consider_name(void *ctx, const struct mlo_name_row *row, struct mlo_err *err)
{
    struct lookup *l = ctx;
    (void)err;
    size_t d = mlo_edit_distance(l->want, row->name);
    bool tagged_otherwise = !l->nearest[0] && is_same_name(l->want, row->name);
    if (d < l->distance || tagged_otherwise) {
        l->distance = d < l->distance ? d : l->distance;
        snprintf(l->nearest, sizeof l->nearest, "%s", row->name);
    }
    return 0;
}

static int consider_prefix(void *ctx, const struct mlo_name_row *row, struct mlo_err *err)
{
    struct lookup *l = ctx;
    char hex[MLO_DIGEST_HEX + 1];
    (void)err;
    if (strncmp(mlo_digest_hex(&row->digest, hex), l->want, l->want_len) != 0)
        return 0;
    if (!l->n_found || !mlo_digest_eq(&l->found, &row->digest))
        l->n_found++;
    l->found = row->digest;
    return 0;
}

static int not_found(struct mlo_workspace *ws, const char *text, struct mlo_err *err)
{
    struct lookup l = {.want = text, .distance = strlen(text) / 3 + 2};
    struct mlo_err ignored = MLO_ERR_INIT;
    MLO_AUTOSTR struct mlo_str shown;
    mlo_str_init(&shown, MLO_PATH_MAX);
    mlo_escape(&shown, text, strlen(text));
    mlo_fail(err, MLO_ENOTFOUND, "no bundle '%s'", shown.ptr);
    if (ws->ledger && mlo_name_each(ws->ledger, "tag", consider_name, &l, &ignored) == 0 && l.nearest[0])
        return mlo_hint(err, "did you mean '%s'?", l.nearest);
    return mlo_hint(err, "'mlopsctl ls' lists what there is");
}

static int resolve_prefix(struct mlo_workspace *ws, const char *text, const char *hex, struct mlo_digest *ret,
                          struct mlo_err *err)
{
    struct lookup l = {.want = hex, .want_len = strlen(hex)};
    if (!ws->ledger)
        return not_found(ws, text, err);
    if (mlo_name_each(ws->ledger, NULL, consider_prefix, &l, err))
        return err->code;
    if (l.n_found == 0)
        return not_found(ws, text, err);
    if (l.n_found > 1)
        return mlo_fail(err, MLO_EUSAGE, "digest '%s' fits several bundles", hex);
    *ret = l.found;
    return 0;
}

static bool is_hex_prefix(const char *s)
{
    size_t n = strspn(s, "0123456789abcdef");
    return s[n] == '\0' && n >= PREFIX_MIN && n < MLO_DIGEST_HEX;
}

/* A named bundle, or a bare hex prefix that no name hides. */
static int resolve_name(struct mlo_workspace *ws, const char *text, struct mlo_ref *ref,
                        struct mlo_digest *ret, struct mlo_err *err)
{
    char name[MLO_REF_TEXT];
    if (!ws->ledger)
        return not_found(ws, text, err);
    int rc = mlo_name_get(ws->ledger, "tag", mlo_ref_text(ref, name), ret, err);
    if (rc != MLO_ENOTFOUND)
        return rc;
    return is_hex_prefix(text) ? resolve_prefix(ws, text, text, ret, err) : not_found(ws, name, err);
}

int mlo_workspace_resolve(struct mlo_workspace *ws, const char *text, struct mlo_ref *ret_ref,
                          struct mlo_digest *ret, struct mlo_err *err)
{
    struct mlo_ref ref = {0};
    struct mlo_digest digest;
    if (strncmp(text, "sha256:", 7) == 0) {
        int rc = is_hex_prefix(text + 7) ? resolve_prefix(ws, text, text + 7, &digest, err)
                                         : mlo_digest_parse(text, &digest, err);
        if (rc)
            return rc;
        ref.has_digest = true;
        ref.digest = digest;
    } else if (mlo_ref_parse(text, &ref, err)) {
        return err->code;
    } else if (ref.has_digest) {
        digest = ref.digest;
    } else if (resolve_name(ws, text, &ref, &digest, err)) {
        return err->code;
    }
    if (!ws->store || !mlo_store_has(ws->store, &digest, NULL))
        return not_found(ws, text, err);
    if (ret_ref)
        *ret_ref = ref;
    *ret = digest;
    return 0;
}

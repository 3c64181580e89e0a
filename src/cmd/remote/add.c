/*
 * mlopsctl remote add, rm: names of remotes in the project's mlops.yaml or the user's config.yaml. The file
 * is the user's own, so it is changed by lines and everything else in it stays; the entry is an effect, and
 * rollback takes that entry back, not the file.
 */
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/secret.h>
#include <mlopsctl/base/text.h>

#include "cmd/shared/context.h"
#include "remote.h"
#include "cmd/shared/remotes.h"
#include "cmd/shared/settings_file.h"
#include "cmd/undo/undo.h"
#include "cmd/shared/workspace.h"

#define SECTION  "remotes"
#define KEYS_MAX 5

/*
 * ---- an entry as text, for the ledger: {"url":"s3://models","region":"eu-1"}. Of one that is taken out also
 * {..., "written":{"section":"remotes:\n..."}}: the section as the user had written it, comments and all ----
 */

struct entry {
    char *text[2 * KEYS_MAX]; /* owned */
    const char *keys[2 * KEYS_MAX + 1];
    size_t n;
    char *section; /* owned; NULL: not kept */
};

static void entry_release(struct entry *e)
{
    for (size_t i = 0; i < 2 * e->n; i++)
        free(e->text[i]);
    free(e->section);
    *e = (struct entry){0};
}

static int entry_add(void *ctx, const char *key, const char *value, struct mlo_err *err)
{
    struct entry *e = ctx;
    if (e->n == KEYS_MAX)
        return mlo_fail(err, MLO_EUNAVAIL, "the remote has more keys than are known here");
    char *k = mlo_strdup(key, err), *v = mlo_strdup(value, err);
    e->keys[2 * e->n] = e->text[2 * e->n] = k;
    e->keys[2 * e->n + 1] = e->text[2 * e->n + 1] = v;
    e->n++;
    return k && v ? 0 : MLO_EIO;
}

static int entry_format(const struct entry *e, char **ret, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = cJSON_CreateObject();
    size_t n = 0;
    for (size_t i = 0; i < e->n; i++)
        if (!cJSON_AddStringToObject(doc, e->keys[2 * i], e->keys[2 * i + 1]))
            return mlo_fail_nomem(err);
    cJSON *written = e->section ? cJSON_AddObjectToObject(doc, "written") : NULL;
    if (e->section && !cJSON_AddStringToObject(written, "section", e->section))
        return mlo_fail_nomem(err);
    return mlo_json_print(doc, ret, &n, err);
}

static int entry_take(struct entry *e, const cJSON *node, struct mlo_err *err)
{
    if (cJSON_IsString(node))
        return entry_add(e, node->string, node->valuestring, err);
    const char *section = mlo_json_text(node, "section");
    if (!section || e->section)
        return mlo_fail(err, MLO_EINVALID, "effect is no entry of a remote");
    e->section = mlo_strdup(section, err);
    return e->section ? 0 : MLO_EIO;
}

static bool same_keys(const struct entry *a, const struct entry *b)
{
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < 2 * a->n; i++)
        same = strcmp(a->keys[i], b->keys[i]) == 0;
    return same;
}

static int entry_parse(const char *text, struct entry *ret, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = NULL;
    int rc = mlo_json_parse(text, strlen(text), MLO_SETTINGS_FILE_MAX, &doc, err);
    const cJSON *node = NULL;
    cJSON_ArrayForEach(node, doc)
    {
        if (rc == 0)
            rc = entry_take(ret, node, err);
    }
    return rc;
}

/* ---- the file ---- */

/* What is there under this name; n 0 when nothing is. */
static int file_entry(const struct mlo_settings_file *f, const char *name, struct entry *ret,
                      struct mlo_err *err)
{
    return mlo_config_read_entry(f->path, f->text, f->n, SECTION, name, entry_add, ret, err);
}

/* The file's text with the entry as it is to be; now NULL: without it. */
static int new_text(const struct mlo_settings_file *f, const char *name, const struct entry *now,
                    struct mlo_str *out, struct mlo_err *err)
{
    return now ? mlo_config_add_entry(f->path, f->text, f->n, SECTION, name, now->keys, out, err)
               : mlo_config_remove_entry(f->path, f->text, f->n, SECTION, name, out, err);
}

/* Kept for the way back, unless there is a secret in it. */
static int keep_section(const struct mlo_settings_file *f, struct entry *was, struct mlo_err *err)
{
    MLO_AUTOFREE char *section = NULL;
    MLO_AUTOSTR struct mlo_str shown;
    mlo_str_init(&shown, 2 * MLO_SETTINGS_FILE_MAX);
    int rc = mlo_config_get_section(f->path, f->text, f->n, SECTION, &section, err);
    if (rc != 0 || !section)
        return rc;
    mlo_redact(&shown, section, strlen(section));
    rc = mlo_str_check(&shown, err);
    if (rc == 0 && strcmp(shown.ptr, section) == 0)
        was->section = mlo_steal(&section);
    return rc;
}

/* The section as it was in place of what was left of it: right when taking the entry out gives the text of
 * now. */
static int put_section(const struct mlo_settings_file *f, const char *name, const char *section,
                       struct mlo_str *out, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str left, again;
    mlo_str_init(&left, MLO_SETTINGS_FILE_MAX);
    mlo_str_init(&again, MLO_SETTINGS_FILE_MAX);
    int rc = mlo_config_remove_entry(f->path, section, strlen(section), SECTION, name, &left, err);
    const char *at = rc == 0 ? strstr(f->text, left.ptr) : NULL;
    if (rc == 0 && !at)
        rc = mlo_fail(err, MLO_ECONFLICT, "section " SECTION " in '%s' was changed since", f->path);
    if (rc != 0)
        return rc;
    mlo_str_addn(out, f->text, (size_t)(at - f->text));
    mlo_str_add(out, section);
    mlo_str_add(out, at + left.len);
    rc = mlo_str_check(out, err);
    if (rc == 0)
        rc = mlo_config_remove_entry(f->path, out->ptr, out->len, SECTION, name, &again, err);
    if (rc == 0 && strcmp(again.ptr, f->text) != 0)
        rc = mlo_fail(err, MLO_ECONFLICT, "section " SECTION " in '%s' was changed since", f->path);
    return rc;
}

/* The text with an entry that was taken out: as it was written, when the section is what it was then. */
static int former_text(const struct mlo_settings_file *f, const char *name, const struct entry *was,
                       struct mlo_str *out, struct mlo_err *err)
{
    int rc = was->section ? put_section(f, name, was->section, out, err) : MLO_ECONFLICT;
    if (rc == 0 || rc == MLO_EIO)
        return rc;
    *err = MLO_ERR_INIT;
    mlo_str_clear(out);
    return new_text(f, name, was, out, err);
}

/* ---- undo ---- */

/* "<path>#<name>" */
static int split_target(const char *target, char **ret_path, const char **ret_name, struct mlo_err *err)
{
    const char *hash = strrchr(target, '#');
    if (!hash)
        return mlo_fail(err, MLO_EINVALID, "effect names no remote");
    *ret_path = mlo_memdup0(target, (size_t)(hash - target), err);
    *ret_name = hash + 1;
    return *ret_path ? 0 : MLO_EIO;
}

/* Is the entry what `text` (NULL: not there) says? */
static int entry_is(const struct mlo_settings_file *f, const char *name, const char *text, bool *ret,
                    struct mlo_err *err)
{
    struct entry now = {0}, want = {0};
    int rc = file_entry(f, name, &now, err);
    if (rc == 0 && text)
        rc = entry_parse(text, &want, err);
    if (rc == 0)
        *ret = same_keys(&now, &want);
    entry_release(&now);
    entry_release(&want);
    return rc;
}

static int open_effect(const struct mlo_effect *e, struct mlo_settings_file *f, const char **ret_name,
                       struct mlo_err *err)
{
    MLO_AUTOFREE char *path = NULL;
    int rc = split_target(e->target, &path, ret_name, err);
    return rc != 0 ? rc : mlo_settings_file_open(path, f, err);
}

static int name_check(void *ctx, const struct mlo_effect *e, struct mlo_err *err)
{
    struct mlo_settings_file f;
    const char *name = NULL;
    bool same = false;
    (void)ctx;
    int rc = open_effect(e, &f, &name, err);
    if (rc != 0)
        return rc;
    rc = entry_is(&f, name, e->after, &same, err);
    if (rc == 0 && !same)
        rc = mlo_fail(err, MLO_ECONFLICT, "remote '%s' in '%s' was changed since", name, f.path);
    mlo_settings_file_close(&f);
    return rc;
}

static int put_back(const struct mlo_settings_file *f, const char *name, const char *before,
                    struct mlo_err *err)
{
    struct entry was = {0}, now = {0};
    bool already = false;
    MLO_AUTOSTR struct mlo_str out;
    mlo_str_init(&out, MLO_SETTINGS_FILE_MAX);
    int rc = entry_is(f, name, before, &already, err);
    if (rc == 0 && already)
        return 0;
    if (rc == 0 && before)
        rc = entry_parse(before, &was, err);
    if (rc == 0)
        rc = file_entry(f, name, &now, err);
    if (rc == 0 && before && now.n > 0) /* by force */
        rc = mlo_fail(err, MLO_ECONFLICT, "remote '%s' is there with other values", name);
    if (rc == 0)
        rc = before ? former_text(f, name, &was, &out, err) : new_text(f, name, NULL, &out, err);
    if (rc == 0)
        rc = mlo_settings_file_write(f, &out, err);
    entry_release(&was);
    entry_release(&now);
    return rc;
}

static int name_undo(void *ctx, const struct mlo_effect *e, struct mlo_err *err)
{
    struct mlo_settings_file f;
    const char *name = NULL;
    (void)ctx;
    int rc = open_effect(e, &f, &name, err);
    if (rc != 0)
        return rc;
    rc = put_back(&f, name, e->before, err);
    mlo_settings_file_close(&f);
    return rc;
}

static int name_happened(void *ctx, const struct mlo_effect *e, bool *ret_done, struct mlo_err *err)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    (void)err;
    *ret_done = name_check(ctx, e, &ignored) == 0;
    return 0;
}

struct mlo_undo_handler mlo_undo_remote_name_handler(struct mlo_workspace *ws)
{
    return (struct mlo_undo_handler){.kind = MLO_EFFECT_REMOTE_NAME,
                                     .check = name_check,
                                     .undo = name_undo,
                                     .happened = name_happened,
                                     .ctx = ws};
}

/* ---- changing an entry as a run ---- */

struct opts {
    const char *endpoint, *region, *profile, *style;
    bool user;
};

/* Intended, done, recorded. now NULL: the entry goes. */
static int change(struct mlo_workspace *ws, const struct mlo_settings_file *f, const char *name,
                  const struct entry *now, struct mlo_err *err)
{
    struct entry was = {0};
    MLO_AUTOFREE char *before = NULL, *after = NULL;
    MLO_AUTOSTR struct mlo_str target, out;
    int ordinal = -1;
    mlo_str_init(&target, MLO_STR_MAX);
    mlo_str_init(&out, MLO_SETTINGS_FILE_MAX);
    mlo_str_addf(&target, "%s#%s", f->path, name);
    /* what would be refused is refused before anything is intended */
    int rc = new_text(f, name, now, &out, err);
    if (rc == 0)
        rc = file_entry(f, name, &was, err);
    if (rc == 0 && !now)
        rc = keep_section(f, &was, err);
    if (rc == 0 && was.n > 0)
        rc = entry_format(&was, &before, err);
    if (rc == 0 && now)
        rc = entry_format(now, &after, err);
    if (rc == 0)
        rc = mlo_str_check(&target, err);
    if (rc == 0)
        rc = mlo_run_intend(ws->run, MLO_EFFECT_REMOTE_NAME, target.ptr, before, after, &ordinal, err);
    if (rc == 0)
        rc = mlo_settings_file_write(f, &out, err);
    if (rc == 0)
        rc = mlo_run_done(ws->run, ordinal, err);
    entry_release(&was);
    return rc;
}

static int run_change(struct mlo_ctx *ctx, bool user, const struct entry *now, struct mlo_err *err)
{
    struct mlo_workspace ws = {0};
    struct mlo_settings_file f = MLO_SETTINGS_FILE_INIT;
    MLO_AUTOFREE char *path = NULL;
    int rc = mlo_workspace_begin(ctx, &ws, 0, err);
    if (rc != 0)
        return rc;
    rc = mlo_settings_file_choose(&ws, user, &path, err);
    if (rc == 0)
        rc = mlo_settings_file_open(path, &f, err);
    if (rc == 0)
        rc = change(&ws, &f, ctx->args[0], now, err);
    rc = mlo_workspace_end(&ws, rc, err);
    if (rc == 0 && ctx->json) {
        mlo_report_text(ctx->report, "name", "name", ctx->args[0]);
        mlo_report_text(ctx->report, "file", "file", f.path);
    } else if (rc == 0) {
        mlo_report_say(ctx->report, now ? "remote %s is in %s" : "remote %s is gone from %s", ctx->args[0],
                       f.path);
    }
    mlo_settings_file_close(&f);
    return rc;
}

/* ---- add ---- */

static const struct mlo_opt add_table[] = {
    {.name = "endpoint",
     .type = MLO_OPT_STRING,
     .arg = "URL",
     .help = "of an s3:// remote: the service, when it is not Amazon's",
     .offset = offsetof(struct opts, endpoint)},
    {.name = "region",
     .type = MLO_OPT_STRING,
     .arg = "REGION",
     .help = "of an s3:// remote: its region",
     .offset = offsetof(struct opts, region)},
    {.name = "profile",
     .type = MLO_OPT_STRING,
     .arg = "NAME",
     .help = "of an s3:// remote: which section of the credentials files holds its key",
     .offset = offsetof(struct opts, profile)},
    {.name = "style",
     .type = MLO_OPT_CHOICE,
     .arg = "HOW",
     .help = "of an s3:// remote: where the bucket stands in its addresses",
     .choices = "auto|path|virtual-host",
     .offset = offsetof(struct opts, style)},
    {.name = "user",
     .type = MLO_OPT_FLAG,
     .help = "in the user's own file, for all projects, instead of mlops.yaml",
     .offset = offsetof(struct opts, user)},
    {0},
};

static int check_address(const char *url, bool has_s3_options, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str shown;
    mlo_str_init(&shown, MLO_STR_MAX);
    mlo_redact(&shown, url, strlen(url));
    int rc = mlo_str_check(&shown, err);
    if (rc != 0)
        return rc;
    if (strcmp(shown.ptr, url) != 0) {
        mlo_fail(err, MLO_EUSAGE, "the address of a remote has no secret in it, this one has: '%s'",
                 shown.ptr);
        return mlo_hint(err, "mlopsctl-credentials(5) says where keys belong");
    }
    if (strstr(url, "://") && !mlo_remote_is_known(url)) {
        mlo_fail(err, MLO_EUSAGE, "'%s' is no address of a remote", shown.ptr);
        return mlo_hint(err, "a remote is a folder, s3://BUCKET, runpod://VOLUME or oci://HOST/REPOSITORY");
    }
    if (has_s3_options && strncmp(url, "s3://", 5) != 0)
        return mlo_fail(err, MLO_EUSAGE, "--endpoint, --region, --profile and --style are for s3:// remotes");
    return 0;
}

/* A folder is written from the root on: the file is read from other folders too. */
static int add_url(struct entry *e, const char *url, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str path;
    char cwd[PATH_MAX];
    mlo_str_init(&path, MLO_PATH_MAX);
    if (strstr(url, "://") || url[0] == '/')
        return entry_add(e, "url", url, err);
    if (!getcwd(cwd, sizeof cwd))
        return mlo_fail_errno(err, "current folder");
    while (strncmp(url, "./", 2) == 0)
        url += 2;
    mlo_str_addf(&path, "%s/%s", cwd, url);
    int rc = mlo_str_check(&path, err);
    return rc != 0 ? rc : entry_add(e, "url", path.ptr, err);
}

static int run_add(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct opts *o = options;
    const char *own[][2] = {
        {"endpoint", o->endpoint}, {"region", o->region}, {"profile", o->profile}, {"style", o->style}};
    struct entry e = {0};
    bool has_s3_options = o->endpoint || o->region || o->profile || o->style;
    int rc = check_address(ctx->args[1], has_s3_options, err);
    if (rc == 0)
        rc = add_url(&e, ctx->args[1], err);
    for (size_t i = 0; rc == 0 && i < MLO_COUNT(own); i++)
        if (own[i][1])
            rc = entry_add(&e, own[i][0], own[i][1], err);
    if (rc == 0)
        rc = run_change(ctx, o->user, &e, err);
    entry_release(&e);
    return rc;
}

static const struct mlo_example add_examples[] = {
    {"A folder, for instance a mounted disk", "mlopsctl remote add disk ./models"},
    {"A bucket elsewhere than at Amazon's",
     "mlopsctl remote add prod s3://models/credit --endpoint https://minio.example.org"},
    {"A RunPod volume, for all projects", "mlopsctl remote add --user pod runpod://models"},
    {0},
};

const struct mlo_command mlo_cmd_remote_add = {
    .name = "add",
    .summary = "name a remote",
    .synopsis = "NAME URL",
    .description =
        "Writes the remote into mlops.yaml, which is made when there is none; comments and everything\n"
        "else in it stay. URL is a folder, s3://BUCKET[/PREFIX], runpod://VOLUME[/PREFIX] or\n"
        "oci://HOST/REPOSITORY. Nothing is asked of it: `mlopsctl remote check NAME` does.",
    .opts = add_table,
    .opts_size = sizeof(struct opts),
    .args = {.min = 2, .max = 2, .complete = MLO_OPTF_FOLDER},
    .examples = add_examples,
    .flags = MLO_CMDF_WRITES,
    .run = run_add,
};

/* ---- rm ---- */

static const struct mlo_opt rm_table[] = {
    {.name = "user",
     .type = MLO_OPT_FLAG,
     .help = "from the user's own file instead of mlops.yaml",
     .offset = offsetof(struct opts, user)},
    {0},
};

static int run_rm(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct opts *o = options;
    return run_change(ctx, o->user, NULL, err);
}

static const struct mlo_example rm_examples[] = {
    {"Forget a name; what is on the remote stays", "mlopsctl remote rm prod"},
    {0},
};

const struct mlo_command mlo_cmd_remote_rm = {
    .name = "rm",
    .summary = "take a remote's name away",
    .synopsis = "NAME",
    .description = "Takes the remote out of mlops.yaml. Nothing on the remote is touched.",
    .opts = rm_table,
    .opts_size = sizeof(struct opts),
    .args = {.min = 1, .max = 1},
    .examples = rm_examples,
    .flags = MLO_CMDF_WRITES,
    .run = run_rm,
};

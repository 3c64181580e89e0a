/* mlopsctl runpod volume: network volumes: list, create, grow, remove, and what lies on them. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/remote.h>

#include "change.h"

static double an_hour(uint64_t gb, const char *type)
{
    return mlo_runpod_volume_price(gb, type) / MLO_RUNPOD_HOURS_A_MONTH;
}

/* "100 GB in EU-RO-1, $7.00 a month" */
static int describe(uint64_t gb, const char *data_center, const char *type, struct mlo_str *out,
                    struct mlo_err *err)
{
    char usd[MLO_USD_MAX];
    double price = mlo_runpod_volume_price(gb, type);
    mlo_str_addf(out, "%llu GB in %s", (unsigned long long)gb, data_center);
    if (!isnan(price))
        mlo_str_addf(out, ", %s a month", mlo_usd(price, usd));
    return mlo_str_check(out, err);
}

static void report_volume(struct mlo_report *r, const struct mlo_runpod_volume *v)
{
    mlo_report_text(r, "id", "id", v->id);
    mlo_report_text(r, "name", "name", v->name);
    mlo_report_u64(r, "size_gb", "GB", v->size_gb);
    mlo_report_text(r, "data_center", "data centre", v->data_center);
    mlo_report_text(r, "type", "type", v->type);
    mlo_report_double(r, "price_month", "USD a month", mlo_runpod_volume_price(v->size_gb, v->type));
}

/* ---- ls ---- */

static const struct mlo_column ls_columns[] = {
    {"id", "ID", MLO_CELL_TEXT},     {"name", "NAME", MLO_CELL_TEXT},
    {"size_gb", "GB", MLO_CELL_U64}, {"data_center", "IN", MLO_CELL_TEXT},
    {"type", "TYPE", MLO_CELL_TEXT}, {"price_month", "$/MONTH", MLO_CELL_DOUBLE},
    {"s3", "S3", MLO_CELL_BOOL},
};
static const struct mlo_column ls_text_columns[] = {
    {"id", "ID", MLO_CELL_TEXT},     {"name", "NAME", MLO_CELL_TEXT},
    {"size_gb", "GB", MLO_CELL_U64}, {"data_center", "IN", MLO_CELL_TEXT},
    {"type", "TYPE", MLO_CELL_TEXT}, {"price_month", "$/MONTH", MLO_CELL_TEXT},
    {"s3", "S3", MLO_CELL_BOOL},
};

static void cell_price(const struct mlo_ctx *ctx, double usd)
{
    char text[MLO_USD_MAX];
    if (ctx->json)
        mlo_cell_double(ctx->report, usd);
    else
        mlo_cell_text(ctx->report, mlo_usd(usd, text));
}

static bool has_s3(const struct mlo_runpod *c, const char *data_center)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    MLO_AUTOSTR struct mlo_str url;
    mlo_str_init(&url, MLO_STR_MAX);
    return mlo_runpod_s3_endpoint(c, data_center, &url, &ignored) == 0;
}

static int run_ls(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    struct mlo_runpod_volumes l = {0};
    (void)options;
    int rc = mlo_ctx_runpod(ctx, &c, err);
    if (rc == 0)
        rc = mlo_runpod_volume_list(c, &l, err);
    if (rc != 0)
        return rc;
    mlo_report_table(ctx->report, "volumes", NULL, ctx->json ? ls_columns : ls_text_columns,
                     MLO_COUNT(ls_columns), "no network volumes");
    for (size_t i = 0; i < l.n; i++) {
        const struct mlo_runpod_volume *v = &l.items[i];
        mlo_cell_text(ctx->report, v->id);
        mlo_cell_text(ctx->report, v->name);
        mlo_cell_u64(ctx->report, v->size_gb);
        mlo_cell_text(ctx->report, v->data_center);
        mlo_cell_text(ctx->report, v->type);
        cell_price(ctx, mlo_runpod_volume_price(v->size_gb, v->type));
        mlo_cell_u64(ctx->report, has_s3(c, v->data_center));
    }
    mlo_runpod_volumes_release(&l);
    return 0;
}

static const struct mlo_example ls_examples[] = {{"The volumes of the account", "mlopsctl runpod volume ls"},
                                                 {0}};

static const struct mlo_command cmd_ls = {
    .name = "ls",
    .summary = "list the network volumes",
    .synopsis = "",
    .description =
        "S3 says whether files can be sent to it without a pod (`mlopsctl push ... runpod://VOLUME`).\n"
        "Prices are RunPod's list price; how full a volume is RunPod does not tell: `runpod volume du`.",
    .examples = ls_examples,
    .run = run_ls,
};

/* ---- create ---- */

struct create_opts {
    uint64_t size;
    const char *dc, *type;
    struct mlo_guard guard;
};
static const struct mlo_opt create_table[] = {
    {.name = "size",
     .type = MLO_OPT_U64,
     .arg = "GB",
     .help = "its size, which can grow later and never shrink",
     .offset = offsetof(struct create_opts, size),
     .min = MLO_RUNPOD_VOLUME_MIN_GB,
     .max = MLO_RUNPOD_VOLUME_MAX_GB,
     .flags = MLO_OPTF_REQUIRED},
    {.name = "dc",
     .type = MLO_OPT_STRING,
     .arg = "ID",
     .help = "the data centre, where every pod that mounts it must be",
     .offset = offsetof(struct create_opts, dc),
     .flags = MLO_OPTF_REQUIRED},
    {.name = "type",
     .type = MLO_OPT_CHOICE,
     .arg = "TYPE",
     .help = "the kind of storage; when not given, what the data centre has",
     .offset = offsetof(struct create_opts, type),
     .choices = "standard|high-performance"},
    MLO_GUARD_OPTS(struct create_opts, guard),
    {0},
};

static int create(struct mlo_ctx *ctx, struct mlo_creation *k, const cJSON *body,
                  struct mlo_runpod_volume *ret, struct mlo_err *err)
{
    int rc = mlo_runpod_mark(k->mark, err);
    if (rc == 0)
        rc = mlo_creation_begin(ctx, k, err);
    if (rc != 0)
        return rc;
    rc = mlo_runpod_volume_create(k->c, body, &k->earlier, ret, err);
    return mlo_creation_end(k, rc, ret->id, err);
}

/* A volume in a data centre without S3 is no mistake, but one would like to know before it is full. */
static void warn_without_s3(struct mlo_ctx *ctx, const char *data_center)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    struct mlo_runpod *c = NULL;
    if (mlo_ctx_runpod(ctx, &c, &ignored) == 0 && !has_s3(c, data_center))
        mlo_warn(ctx, "'%s' has no S3: files come to this volume through a pod alone", data_center);
}

static int run_create(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct create_opts *o = options;
    struct mlo_runpod_volume v = {0};
    MLO_AUTOBODY cJSON *body = NULL;
    MLO_AUTOSTR struct mlo_str detail;
    struct mlo_runpod_volume_spec spec = {.name = ctx->args[0], .data_center = o->dc, .size_gb = o->size};
    if (o->type)
        spec.type = strcmp(o->type, "standard") == 0 ? "STANDARD" : "HIGH_PERFORMANCE";
    mlo_str_init(&detail, MLO_STR_MAX);
    int rc = mlo_runpod_volume_body(&spec, &body, err);
    if (rc == 0)
        rc = describe(o->size, o->dc, spec.type, &detail, err);
    if (rc == 0)
        rc = mlo_guard_check(&o->guard, an_hour(o->size, spec.type), err);
    if (rc != 0)
        return rc;
    if (o->guard.dry_run) {
        mlo_report_note(ctx->report, "%s", detail.ptr);
        return mlo_show_request(ctx, "POST", "/network-volumes", body, an_hour(o->size, spec.type), err);
    }
    struct mlo_creation k = {.family = MLO_RUNPOD_VOLUMES, .name = spec.name, .detail = detail.ptr};
    warn_without_s3(ctx, o->dc);
    rc = create(ctx, &k, body, &v, err);
    if (rc == 0 && ctx->json)
        report_volume(ctx->report, &v);
    else if (rc == 0)
        mlo_report_say(ctx->report, "created volume %s '%s': %s, until it is removed", v.id, v.name,
                       detail.ptr);
    mlo_runpod_volume_release(&v);
    return rc;
}

static const struct mlo_example create_examples[] = {
    {"100 GB for models, when that costs at most 10 dollars a month",
     "mlopsctl runpod volume create models --size 100 --dc EU-RO-1 --max-total 10"},
    {"What would be asked for, and its price",
     "mlopsctl runpod volume create models --size 100 --dc EU-RO-1 --dry-run"},
    {0},
};

static const struct mlo_command cmd_create = {
    .name = "create",
    .summary = "make a network volume",
    .synopsis = "NAME --size GB --dc ID",
    .description =
        "A volume is paid for until it is removed, used or not. Pods and workers that mount it must be in\n"
        "its data centre. `mlopsctl rollback` removes it again, with what is on it.",
    .opts = create_table,
    .opts_size = sizeof(struct create_opts),
    .args = {.min = 1, .max = 1},
    .examples = create_examples,
    .flags = MLO_CMDF_WRITES,
    .run = run_create,
};

/* ---- grow ---- */

struct grow_opts {
    uint64_t size;
    struct mlo_guard guard;
};
static const struct mlo_opt grow_table[] = {
    {.name = "size",
     .type = MLO_OPT_U64,
     .arg = "GB",
     .help = "its new size",
     .offset = offsetof(struct grow_opts, size),
     .min = MLO_RUNPOD_VOLUME_MIN_GB,
     .max = MLO_RUNPOD_VOLUME_MAX_GB,
     .flags = MLO_OPTF_REQUIRED},
    MLO_GUARD_OPTS(struct grow_opts, guard),
    {0},
};

static int check_growth(const struct mlo_runpod_volume *v, const struct grow_opts *o, struct mlo_err *err)
{
    if (o->size <= v->size_gb)
        return mlo_fail(err, MLO_EUSAGE, "'%s' has %llu GB already: a volume can only grow", v->name,
                        (unsigned long long)v->size_gb);
    return mlo_guard_check(&o->guard, an_hour(o->size, v->type), err);
}

static int ask_growth(struct mlo_ctx *ctx, const struct mlo_runpod_volume *v, uint64_t size,
                      struct mlo_err *err)
{
    char text[512], shown[MLO_SHOWN], was[MLO_USD_MAX], is[MLO_USD_MAX];
    snprintf(text, sizeof text, "Grow '%s' from %llu to %llu GB (%s to %s a month)? It cannot shrink again.",
             mlo_shown(v->name, strlen(v->name), shown), (unsigned long long)v->size_gb,
             (unsigned long long)size, mlo_usd(mlo_runpod_volume_price(v->size_gb, v->type), was),
             mlo_usd(mlo_runpod_volume_price(size, v->type), is));
    return mlo_consent(ctx, text, err);
}

static int grow(struct mlo_ctx *ctx, struct mlo_runpod *c, const struct mlo_runpod_volume *v, uint64_t size,
                struct mlo_runpod_volume *ret, struct mlo_err *err)
{
    struct mlo_workspace ws = {0};
    char was[24], is[24];
    int ordinal = 0;
    snprintf(was, sizeof was, "%llu", (unsigned long long)v->size_gb);
    snprintf(is, sizeof is, "%llu", (unsigned long long)size);
    int rc = mlo_workspace_begin(ctx, &ws, 0, err);
    if (rc != 0)
        return rc;
    rc = mlo_run_intend(ws.run, "runpod-volume-size", v->id, was, is, &ordinal, err);
    if (rc == 0)
        rc = mlo_runpod_volume_grow(c, v->id, size, ret, err);
    if (rc == 0)
        rc = mlo_run_done_irreversible(ws.run, ordinal, err);
    return mlo_workspace_end(&ws, rc, err);
}

static int grow_found(struct mlo_ctx *ctx, struct mlo_runpod *c, const struct mlo_runpod_volume *v,
                      const struct grow_opts *o, struct mlo_err *err)
{
    struct mlo_runpod_volume grown = {0};
    char usd[MLO_USD_MAX], path[300];
    int rc = check_growth(v, o, err);
    if (rc == 0 && o->guard.dry_run) {
        MLO_AUTOJSON cJSON *body = cJSON_CreateObject();
        mlo_json_add_u64(body, "size", o->size);
        snprintf(path, sizeof path, "/network-volumes/%.256s", v->id);
        mlo_report_note(ctx->report, "%s a month then; it cannot shrink again",
                        mlo_usd(mlo_runpod_volume_price(o->size, v->type), usd));
        return mlo_show_request(ctx, "PATCH", path, body, an_hour(o->size, v->type), err);
    }
    if (rc == 0)
        rc = ask_growth(ctx, v, o->size, err);
    if (rc == 0)
        rc = grow(ctx, c, v, o->size, &grown, err);
    if (rc == 0 && ctx->json)
        report_volume(ctx->report, &grown);
    else if (rc == 0)
        mlo_report_say(ctx->report, "volume %s has %llu GB now: %s a month", grown.id,
                       (unsigned long long)grown.size_gb,
                       mlo_usd(mlo_runpod_volume_price(grown.size_gb, grown.type), usd));
    mlo_runpod_volume_release(&grown);
    return rc;
}

static int run_grow(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    struct mlo_runpod_volume v = {0};
    int rc = mlo_ctx_runpod(ctx, &c, err);
    if (rc == 0)
        rc = mlo_runpod_volume_find(c, ctx->args[0], &v, err);
    if (rc == 0)
        rc = grow_found(ctx, c, &v, options, err);
    mlo_runpod_volume_release(&v);
    return rc;
}

static const struct mlo_example grow_examples[] = {
    {"Room for more", "mlopsctl runpod volume grow models --size 200 --yes"}, {0}};

static const struct mlo_command cmd_grow = {
    .name = "grow",
    .summary = "make a network volume larger",
    .synopsis = "VOLUME --size GB",
    .description =
        "VOLUME is an id or a name. This cannot be undone: a volume never shrinks. So it asks first, or\n"
        "needs --yes.",
    .opts = grow_table,
    .opts_size = sizeof(struct grow_opts),
    .args = {.min = 1, .max = 1},
    .examples = grow_examples,
    .flags = MLO_CMDF_WRITES,
    .run = run_grow,
};

/* ---- what lies there ---- */

#define DU_GROUPS_MAX 10000

struct usage {
    struct usage_group {
        char *name;
        uint64_t files, bytes;
    } * groups; /* by the first folder, in order of name */
    size_t n, cap;
    uint64_t files, bytes;
};

static void usage_release(struct usage *u)
{
    for (size_t i = 0; i < u->n; i++)
        free(u->groups[i].name);
    free(u->groups);
}

static int group_of(struct usage *u, const char *name, size_t n, struct usage_group **ret,
                    struct mlo_err *err)
{
    for (size_t i = u->n; i-- > 0;) /* listings come folder by folder, so the last is the likely one */
        if (strncmp(u->groups[i].name, name, n) == 0 && u->groups[i].name[n] == '\0') {
            *ret = &u->groups[i];
            return 0;
        }
    if (u->n == DU_GROUPS_MAX)
        return mlo_fail(err, MLO_EINVALID, "more than %d names in one folder", DU_GROUPS_MAX);
    int rc = mlo_grow(&u->groups, &u->cap, u->n + 1, sizeof *u->groups, err);
    char *copy = rc == 0 ? mlo_memdup0(name, n, err) : NULL;
    if (!copy)
        return MLO_EIO;
    u->groups[u->n] = (struct usage_group){.name = copy};
    *ret = &u->groups[u->n++];
    return 0;
}

static int count_key(void *ctx, const char *key, uint64_t size, struct mlo_err *err)
{
    struct usage *u = ctx;
    struct usage_group *g = NULL;
    size_t n = strcspn(key, "/");
    int rc = group_of(u, key, n + (key[n] == '/'), &g, err);
    if (rc != 0)
        return rc;
    g->files++;
    g->bytes += size;
    u->files++;
    u->bytes += size;
    return 0;
}

/* What is on the volume (below a folder of it) over S3, or in place when it is mounted here. */
static int measure(struct mlo_ctx *ctx, const char *volume, const char *folder, struct usage *u,
                   struct mlo_err *err)
{
    struct mlo_remote_opts opts;
    struct mlo_transport t;
    void *self = NULL;
    char *canonical = NULL;
    MLO_AUTOSTR struct mlo_str url;
    mlo_str_init(&url, MLO_STR_MAX);
    mlo_str_addf(&url, "runpod://%s%s%s", volume, folder ? "/" : "", folder ? folder : "");
    int rc = mlo_str_check(&url, err);
    if (rc == 0)
        rc = mlo_ctx_remote_opts(ctx, url.ptr, NULL, &opts, err);
    if (rc == 0)
        rc = mlo_transport_open(url.ptr, &opts, &t, &self, &canonical, err);
    if (rc != 0)
        return rc;
    rc = t.list(self, "", count_key, u, err);
    t.close(self);
    free(canonical);
    return rc;
}

static int by_size(const void *a, const void *b)
{
    const struct usage_group *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return strcmp(x->name, y->name);
}

static const struct mlo_column du_columns[] = {
    {"name", "NAME", MLO_CELL_TEXT}, {"files", "FILES", MLO_CELL_U64}, {"bytes", "SIZE", MLO_CELL_SIZE}};

static int run_du(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct usage u = {0};
    (void)options;
    int rc = measure(ctx, ctx->args[0], ctx->n_args > 1 ? ctx->args[1] : NULL, &u, err);
    if (rc == 0) {
        if (u.n)
            qsort(u.groups, u.n, sizeof *u.groups, by_size);
        mlo_report_u64(ctx->report, "files", "files", u.files);
        mlo_report_size(ctx->report, "bytes", "size", u.bytes);
        mlo_report_table(ctx->report, "names", NULL, du_columns, MLO_COUNT(du_columns), "nothing is there");
        for (size_t i = 0; i < u.n; i++) {
            mlo_cell_text(ctx->report, u.groups[i].name);
            mlo_cell_u64(ctx->report, u.groups[i].files);
            mlo_cell_u64(ctx->report, u.groups[i].bytes);
        }
    }
    usage_release(&u);
    return rc;
}

static const struct mlo_example du_examples[] = {
    {"What is on a volume", "mlopsctl runpod volume du models"},
    {"And below one of its folders", "mlopsctl runpod volume du models checkpoints"},
    {0},
};

static const struct mlo_command cmd_du = {
    .name = "du",
    .summary = "show what lies on a network volume",
    .synopsis = "VOLUME [FOLDER]",
    .description =
        "Lists the files through S3 and adds up their sizes by the first part of their names, the largest\n"
        "first. RunPod tells no used space anywhere, so every file is asked for: the first time over many\n"
        "files that a pod wrote this takes minutes.",
    .args = {.min = 1, .max = 2},
    .examples = du_examples,
    .run = run_du,
};

/* ---- rm ---- */

/* ", 12 files of 3.4 GiB on it"; when it cannot be listed, why. */
static void describe_contents(struct mlo_ctx *ctx, const struct mlo_runpod_volume *v, struct mlo_str *out)
{
    struct mlo_err why = MLO_ERR_INIT;
    struct usage u = {0};
    char size[MLO_HUMAN_MAX];
    if (measure(ctx, v->id, NULL, &u, &why) != 0)
        mlo_str_addf(out, ", what is on it cannot be told (%s)", why.msg);
    else if (u.files == 0)
        mlo_str_add(out, ", nothing on it");
    else
        mlo_str_addf(out, ", %llu file%s of %s on it", (unsigned long long)u.files, u.files == 1 ? "" : "s",
                     mlo_human_size(u.bytes, size));
    usage_release(&u);
}

static int remove_found(struct mlo_ctx *ctx, const struct mlo_runpod_volume *v, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str detail;
    MLO_AUTOSTR struct mlo_str question;
    mlo_str_init(&detail, MLO_STR_MAX);
    mlo_str_init(&question, MLO_STR_MAX);
    int rc = describe(v->size_gb, v->data_center, v->type, &detail, err);
    describe_contents(ctx, v, &detail);
    mlo_str_addf(&question, "Remove volume %s '%s' (%s) for good?", v->id, v->name, detail.ptr);
    if (rc == 0)
        rc = mlo_str_check(&question, err);
    struct mlo_removal gone = {MLO_RUNPOD_VOLUMES, v->id, v->name, detail.ptr};
    return rc != 0 ? rc : mlo_runpod_remove(ctx, &gone, question.ptr, err);
}

static int run_rm(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    struct mlo_runpod_volume v = {0};
    (void)options;
    int rc = mlo_ctx_runpod(ctx, &c, err);
    if (rc == 0)
        rc = mlo_runpod_volume_find(c, ctx->args[0], &v, err);
    if (rc == 0)
        rc = remove_found(ctx, &v, err);
    mlo_runpod_volume_release(&v);
    return rc;
}

static const struct mlo_example rm_examples[] = {
    {"With everything on it", "mlopsctl runpod volume rm models --yes"}, {0}};

static const struct mlo_command cmd_rm = {
    .name = "rm",
    .summary = "remove a network volume with all that is on it",
    .synopsis = "VOLUME",
    .description =
        "VOLUME is an id or a name. Says what is on it and asks, or needs --yes. It must not be mounted.\n"
        "This cannot be undone.",
    .args = {.min = 1, .max = 1},
    .examples = rm_examples,
    .flags = MLO_CMDF_WRITES,
    .run = run_rm,
};

static const struct mlo_command *const verbs[] = {&cmd_ls, &cmd_create, &cmd_grow, &cmd_rm, &cmd_du, NULL};

const struct mlo_command mlo_cmd_runpod_volume = {
    .name = "volume",
    .summary = "network volumes: list, create, grow, remove, see what is on them",
    .synopsis = "VERB",
    .description = "Network volumes hold files that pods and workers of their data centre mount.",
    .subs = verbs,
};

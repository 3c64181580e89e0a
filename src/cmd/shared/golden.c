/* See golden.h. */
#include "golden.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "model.h"
#include "tables.h"

#define ROWS 16 /* unless the user says otherwise */

/* ---- rows to samples ---- */

struct making {
    const struct mlo_golden *g;
    const struct mlo_plan *plan;
    const char *model;
    struct mlo_feed *feed;
    struct mlo_session *session;
    cJSON *samples;
};

static int run_rows(struct making *k, const struct mlo_batch *b, size_t n, struct mlo_err *err)
{
    const struct mlo_value *in, *out;
    size_t n_in;
    (void)mlo_plan_inputs(k->plan, &n_in);
    int rc = mlo_feed_rows(k->feed, b, 0, n, &in, err);
    if (rc == 0)
        rc = mlo_session_run(k->session, in, n_in, &out, err);
    return rc == 0 ? mlo_samples_write(k->plan, k->model, in, out, &k->g->opts->tolerance, &k->samples, err)
                   : rc;
}

/* The first rows are all that is wanted: MLO_NO ends the scan. */
static int take_rows(void *ctx, unsigned worker, const struct mlo_batch *b, struct mlo_err *err)
{
    struct making *k = ctx;
    size_t limit = k->g->opts->limit ? (size_t)k->g->opts->limit : ROWS;
    (void)worker;
    if (b->n_rows == 0)
        return 0;
    int rc = run_rows(k, b, b->n_rows < limit ? b->n_rows : limit, err);
    return rc == 0 ? MLO_NO : rc;
}

static int scan(struct making *k, struct mlo_table *t, struct mlo_err *err)
{
    struct mlo_scan_result st;
    int rc = mlo_table_scan(t, take_rows, k, &st, err);
    if (rc == 0)
        return mlo_fail(err, MLO_EINVALID, "there are no rows in it");
    if (rc == MLO_NO)
        *err = MLO_ERR_INIT;
    return rc == MLO_NO ? 0 : rc;
}

static int make_samples(struct making *k, struct mlo_features *f, struct mlo_table *t, struct mlo_match *m,
                        struct mlo_err *err)
{
    const struct mlo_match_opts mo = {0};
    bool unnamed = f->n == 0 || !f->list[0].name;
    size_t n;
    const struct mlo_table_column *found = mlo_table_columns(t, &n);
    int rc = mlo_match_columns(f, found, n, &mo, m, err);
    if (rc == MLO_EINVALID && unnamed)
        return mlo_hint(err, "--features NAME,... says which columns the model takes, in its order");
    if (rc == 0)
        rc = mlo_table_select(t, m->columns, m->n_columns, err);
    if (rc == 0)
        rc = mlo_feed_new(f, m, &k->feed, err);
    if (rc == 0)
        rc = mlo_session_new(k->plan, &k->session, err);
    return rc == 0 ? scan(k, t, err) : rc;
}

/* ---- names ---- */

/* Of the features, when the model itself does not tell them. */
static int list_names(const struct mlo_features *f, const struct mlo_match *m, cJSON **ret,
                      struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; list && i < f->n; i++) {
        const char *name = m ? m->columns[m->feature[i]].name : f->list[i].name;
        cJSON *one = cJSON_CreateString(name ? name : "");
        if (!one || !cJSON_AddItemToArray(list, one)) {
            cJSON_Delete(one);
            return mlo_fail_nomem(err);
        }
    }
    if (!list)
        return mlo_fail_nomem(err);
    *ret = mlo_steal(&list);
    return 0;
}

/* ---- what pack asks ---- */

/* Where the file that is `path` in the bundle came from: a file goes by its base name, a folder's files are
 * relative to it. */
static int find_source(const struct mlo_ctx *ctx, const char *path, char *ret, size_t size,
                       struct mlo_err *err)
{
    for (size_t i = 0; i < ctx->n_args; i++) {
        const char *arg = ctx->args[i], *slash = strrchr(arg, '/');
        struct stat st;
        if (stat(arg, &st) != 0)
            continue;
        int n = S_ISDIR(st.st_mode) ? snprintf(ret, size, "%s/%s", arg, path)
                                    : snprintf(ret, size, "%s", arg);
        bool is_it = S_ISDIR(st.st_mode) ? access(ret, R_OK) == 0
                                         : strcmp(slash ? slash + 1 : arg, path) == 0;
        if (n > 0 && (size_t)n < size && is_it)
            return 0;
    }
    return mlo_fail(err, MLO_ENOTFOUND, "'%s' is not among the files", path);
}

static int describe_rows(struct making *k, struct mlo_features *f, cJSON **ret_features, struct mlo_err *err)
{
    const struct mlo_golden *g = k->g;
    struct mlo_table_opts to = mlo_table_opts_of(g->ctx, NULL, 1);
    struct mlo_table *t = NULL;
    struct mlo_match m = {0};
    int rc = mlo_table_open(&g->opts->samples, 1, &to, &t, err);
    if (rc == 0)
        rc = make_samples(k, f, t, &m, err);
    if (rc == 0 && (m.unnamed || g->features.n))
        rc = list_names(f, &m, ret_features, err);
    mlo_feed_free(k->feed);
    mlo_session_free(k->session);
    mlo_match_release(&m);
    mlo_table_close(t);
    return rc ? mlo_wrap(err, "samples '%s'", g->opts->samples) : 0;
}

static int describe(void *ctx, const char *path, cJSON **ret_features, cJSON **ret_samples,
                    struct mlo_err *err)
{
    const struct mlo_golden *g = ctx;
    struct making k = {.g = g, .model = path};
    struct mlo_features f = {0};
    struct mlo_plan *plan = NULL;
    MLO_AUTOJSON cJSON *features = NULL;
    char source[2 * MLO_PATH_MAX];
    int rc = find_source(g->ctx, path, source, sizeof source, err);
    if (rc == 0)
        rc = mlo_plan_open(source, NULL, &plan, err);
    if (rc == 0)
        rc = mlo_features_find(plan, g->features.n ? g->features.items : NULL, g->features.n, &f, err);
    k.plan = plan;
    if (rc == 0)
        rc = g->opts->samples ? describe_rows(&k, &f, &features, err) : list_names(&f, NULL, &features, err);
    mlo_features_release(&f);
    mlo_plan_free(plan);
    if (rc != 0) {
        cJSON_Delete(k.samples);
        return rc;
    }
    *ret_features = mlo_steal(&features);
    *ret_samples = k.samples;
    return 0;
}

int mlo_golden_begin(struct mlo_ctx *ctx, const struct mlo_golden_opts *o, bool bare, struct mlo_golden *g,
                     struct mlo_pack_opts *pack, struct mlo_err *err)
{
    *g = (struct mlo_golden){.ctx = ctx, .opts = o};
    if (!o->samples && o->features.n == 0)
        return o->model ? mlo_fail(err, MLO_EUSAGE, "--model-file goes with --samples or --features") : 0;
    if (bare)
        return mlo_fail(err, MLO_EUSAGE, "--samples and --features need what --bare leaves out");
    pack->describe = describe;
    pack->describe_ctx = g;
    pack->model = o->model;
    return mlo_words_split(&o->features, &g->features_text, &g->features, err);
}

void mlo_golden_release(struct mlo_golden *g)
{
    free(g->features.items);
    free(g->features_text);
    g->features = (struct mlo_strings){0};
    g->features_text = NULL;
}

/* ---- replay ---- */

int mlo_golden_replay(struct mlo_workspace *ws, const struct mlo_bundle *b, const struct mlo_tolerance *t,
                      struct mlo_backend *backend, struct mlo_samples *ret_s, struct mlo_sample_result **ret,
                      size_t *ret_n, struct mlo_err *err)
{
    const cJSON *doc = cJSON_GetObjectItemCaseSensitive(b->extra, "samples");
    struct mlo_samples s = {0};
    struct mlo_plan *plan = NULL;
    const struct mlo_file *file;
    if (!doc) {
        mlo_fail(err, MLO_EUNAVAIL, "the bundle has no samples");
        return mlo_hint(err, "pack the model with --samples ROWS");
    }
    int rc = mlo_samples_read(doc, &s, err);
    if (rc == 0)
        rc = mlo_model_of_bundle(ws, b, s.model, NULL, &plan, &file, err);
    if (rc == 0)
        rc = mlo_backend_take(backend, plan, err);
    if (rc == 0)
        rc = mlo_samples_replay(&s, plan, t, ret, ret_n, err);
    if (rc == 0)
        mlo_backend_tell(backend, plan);
    mlo_plan_free(plan);
    if (rc != 0)
        mlo_samples_release(&s);
    else
        *ret_s = s;
    return rc;
}

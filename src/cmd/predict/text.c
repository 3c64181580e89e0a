/*
 * predict of texts: the tokenizer and settings beside the model, a column of the table (or --text) through
 * the encoder, one vector a text, or with --pool none one a token.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

#include "predict.h"

#define TEXT_RUN 256 /* of --text, run at once */

struct texts_worker {
    struct mlo_embedder *embedder;
    struct mlo_embeddings result;
    struct mlo_answers *answers; /* --pool none: each text has a shape of its own */
    struct mlo_slice *texts;
    size_t cap;
};
struct mlo_predict_texts {
    struct mlo_tokenizer *tokenizer;
    struct mlo_embed_settings how;
    struct mlo_port_type port; /* what the answers are called */
    struct mlo_answer_opts answer_opts;
    struct texts_worker *workers;
    unsigned n_workers;
    uint64_t n_cut, n_missing;
};

/* ---- files beside the model ---- */

struct beside {
    const struct mlo_model *model;
    struct mlo_slice folder; /* of the model's file: "" or ending in a slash */
};

static int read_at(const struct beside *b, struct mlo_slice folder, const char *path, size_t max, char **ret,
                   size_t *ret_len, struct mlo_err *err)
{
    char full[2 * MLO_PATH_MAX];
    int n = snprintf(full, sizeof full, "%.*s%s", (int)folder.len, folder.ptr, path);
    if (n < 0 || (size_t)n >= sizeof full)
        return mlo_fail(err, MLO_EINVALID, "a path beside the model is too long");
    return b->model->in_bundle
               ? mlo_bundle_read(b->model->ws.store, &b->model->bundle, full, max, ret, ret_len, err)
               : mlo_slurp_at(AT_FDCWD, full, max, ret, ret_len, err);
}

/* Beside the model; and since exporters put models into a folder "onnx" of their own, above that. */
static int read_beside(void *ctx, const char *path, size_t max, char **ret, size_t *ret_len,
                       struct mlo_err *err)
{
    static const char own[] = "onnx/";
    const struct beside *b = ctx;
    struct mlo_slice above = b->folder;
    int rc = read_at(b, b->folder, path, max, ret, ret_len, err);
    size_t n = sizeof own - 1;
    if (rc != MLO_ENOTFOUND || above.len < n || memcmp(above.ptr + above.len - n, own, n) != 0 ||
        (above.len > n && above.ptr[above.len - n - 1] != '/'))
        return rc;
    above.len -= n;
    return read_at(b, above, path, max, ret, ret_len, err);
}

static struct mlo_slice folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return (struct mlo_slice){path, slash ? (size_t)(slash - path) + 1 : 0};
}

/* ---- how ---- */

static int choose_settings(struct mlo_predict_texts *x, const struct mlo_predict_args *o,
                           const struct mlo_embed_files *files, struct mlo_err *err)
{
    struct mlo_embed_settings s = {0};
    int rc = mlo_embed_settings_read(files, &s, err);
    if (rc != 0)
        return rc;
    if (s.pooling == MLO_POOL_NONE)
        s.pooling = MLO_POOL_MEAN;
    if (o->pool) {
        (void)mlo_pooling_parse(o->pool, &s.pooling);
        s.normalize = false;
    }
    s.normalize |= o->normalize;
    if (s.pooling == MLO_POOL_NONE && o->normalize)
        return mlo_fail(err, MLO_EUSAGE,
                        "--normalize is for one vector a text: --pool none gives one a token");
    x->how = s;
    return 0;
}

static int check_args(const struct mlo_predict_args *o, const struct mlo_ctx *ctx, struct mlo_err *err)
{
    bool wanted = o->texts.n || o->text_column;
    if (!wanted && (o->pool || o->normalize))
        return mlo_fail(err, MLO_EUSAGE, "--pool and --normalize need --text or --text-column");
    if (o->texts.n && (o->text_column || ctx->n_args > 1 || o->keep.n || o->limit))
        return mlo_fail(err, MLO_EUSAGE, "--text gives the texts itself: no table goes with it");
    const char *other = o->features.n      ? "--features"
                        : o->by_position   ? "--by-position"
                        : o->strict        ? "--strict"
                        : o->probabilities ? "--proba"
                        : o->margins       ? "--margin"
                                           : NULL;
    if (wanted && other)
        return mlo_fail(err, MLO_EUSAGE,
                        "%s does not go with texts: an encoder takes no columns and tells no classes", other);
    return 0;
}

/* The text is the one column that the model takes. */
static int want_column(struct mlo_predict *p, struct mlo_err *err)
{
    struct mlo_feature *f = mlo_calloc(1, sizeof *f, err);
    if (!f)
        return err->code;
    *f = (struct mlo_feature){.name = p->args->text_column, .width = 1, .dtype = MLO_DT_STRING};
    p->features = (struct mlo_features){.plan = p->plan, .list = f, .n = 1, .open = MLO_NO_VALUE};
    mlo_arena_init(&p->features.arena, 0);
    return 0;
}

int mlo_predict_texts_open(struct mlo_predict *p, struct mlo_ctx *ctx, const struct mlo_model *m,
                           struct mlo_err *err)
{
    struct beside beside = {m, folder_of(m->in_bundle ? m->file->path : ctx->args[0])};
    struct mlo_embed_files files = {read_beside, &beside};
    int rc = check_args(p->args, ctx, err);
    if (rc != 0 || !(p->args->texts.n || p->args->text_column))
        return rc;
    struct mlo_predict_texts *x = p->texts = mlo_calloc(1, sizeof *x, err);
    if (!x)
        return err->code;
    rc = mlo_tokenizer_read(&files, &x->tokenizer, err);
    if (rc == MLO_ENOTFOUND)
        return mlo_hint(err, "it has to stand in the folder of the model, or be packed with it");
    if (rc == 0)
        rc = choose_settings(x, p->args, &files, err);
    x->port = (struct mlo_port_type){.name = "embedding", .kind = MLO_KIND_ARRAY, .dtype = MLO_DT_F32};
    return rc == 0 && p->args->text_column ? want_column(p, err) : rc;
}

/* ---- workers ---- */

int mlo_predict_texts_answers(struct mlo_predict *p, struct mlo_answer_opts *o, struct mlo_err *err)
{
    struct mlo_predict_texts *x = p->texts;
    o->varying = x->how.pooling == MLO_POOL_NONE;
    if (o->varying && o->form != MLO_ANSWER_JSONL)
        return mlo_fail(err, MLO_EUSAGE, "one vector a token is for JSON Lines: --output-format jsonl");
    x->answer_opts = *o;
    return mlo_answers_of_ports(&x->port, 1, o, &p->answers, err);
}

int mlo_predict_texts_workers(struct mlo_predict *p, unsigned n, struct mlo_err *err)
{
    struct mlo_predict_texts *x = p->texts;
    int rc = 0;
    x->workers = mlo_calloc(n, sizeof *x->workers, err);
    if (!x->workers)
        return err->code;
    for (x->n_workers = 0; rc == 0 && x->n_workers < n; x->n_workers++) {
        struct texts_worker *w = &x->workers[x->n_workers];
        rc = mlo_embedder_new(p->plan, x->tokenizer, &x->how, &w->embedder, err);
        if (rc == 0)
            rc = mlo_answers_of_ports(&x->port, 1, &x->answer_opts, &w->answers, err);
    }
    return rc;
}

void mlo_predict_texts_free(struct mlo_predict_texts *x)
{
    if (!x)
        return;
    for (unsigned i = 0; i < x->n_workers; i++) {
        mlo_embedder_free(x->workers[i].embedder);
        mlo_embeddings_release(&x->workers[i].result);
        mlo_answers_free(x->workers[i].answers);
        free(x->workers[i].texts);
    }
    mlo_tokenizer_free(x->tokenizer);
    free(x->workers);
    free(x);
}

/* ---- texts ---- */

static void take_texts(struct mlo_predict *p, const struct mlo_batch *b, size_t from, size_t n,
                       struct mlo_slice *ret)
{
    const struct mlo_batch_column *c = b ? &b->columns[p->match.feature[0]] : NULL;
    uint64_t missing = 0;
    for (size_t i = 0; i < n; i++) {
        if (!c) {
            const char *given = p->args->texts.items[from + i];
            ret[i] = (struct mlo_slice){given, strlen(given)};
            continue;
        }
        bool there = !c->cell || c->cell[from + i] == MLO_CELL_OK;
        ret[i] = there ? mlo_batch_text(c, from + i) : (struct mlo_slice){"", 0};
        missing += !there;
    }
    __atomic_fetch_add(&p->texts->n_missing, missing, __ATOMIC_RELAXED);
}

static int write_pooled(struct mlo_predict *p, const struct mlo_embeddings *r, const struct mlo_batch *b,
                        size_t from, struct mlo_str *to, struct mlo_err *err)
{
    struct mlo_value v = {.kind = MLO_KIND_ARRAY,
                          .array = {.dtype = MLO_DT_F32,
                                    .rank = 2,
                                    .dims = {(int64_t)r->n, (int64_t)r->width},
                                    .n = r->n * r->width,
                                    .data = r->values}};
    int rc = mlo_predict_settle(p, &v, r->n, err);
    return rc == 0 ? mlo_answers_write(p->answers, &v, r->n, &p->match, b, from, to, err) : rc;
}

static int write_tokens(struct mlo_predict *p, const struct texts_worker *w, const struct mlo_batch *b,
                        size_t from, struct mlo_str *to, struct mlo_err *err)
{
    const struct mlo_embeddings *r = &w->result;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < r->n; i++) {
        size_t n = r->first[i + 1] - r->first[i];
        struct mlo_value v = {.kind = MLO_KIND_ARRAY,
                              .array = {.dtype = MLO_DT_F32,
                                        .rank = 3,
                                        .dims = {1, (int64_t)n, (int64_t)r->width},
                                        .n = n * r->width,
                                        .data = r->values + r->first[i] * r->width}};
        rc = mlo_answers_settle(w->answers, NULL, &v, 1, err);
        if (rc == 0)
            rc = mlo_answers_write(w->answers, &v, 1, &p->match, b, from + i, to, err);
    }
    return rc;
}

int mlo_predict_texts_run(struct mlo_predict *p, unsigned worker, const struct mlo_batch *b, size_t from,
                          size_t n, struct mlo_str *to, struct mlo_err *err)
{
    struct mlo_predict_texts *x = p->texts;
    struct texts_worker *w = &x->workers[worker];
    int rc = mlo_grow(&w->texts, &w->cap, n, sizeof *w->texts, err);
    if (rc != 0)
        return rc;
    take_texts(p, b, from, n, w->texts);
    rc = mlo_embed(w->embedder, w->texts, n, &w->result, err);
    if (rc != 0)
        return rc;
    __atomic_fetch_add(&x->n_cut, w->result.n_cut, __ATOMIC_RELAXED);
    return x->how.pooling == MLO_POOL_NONE ? write_tokens(p, w, b, from, to, err)
                                           : write_pooled(p, &w->result, b, from, to, err);
}

int mlo_predict_texts_given(struct mlo_predict *p, struct mlo_ctx *ctx, struct mlo_err *err)
{
    struct mlo_answer_opts ao = {.probabilities = false};
    size_t n = p->args->texts.n, step = p->args->batch ? (size_t)p->args->batch : TEXT_RUN;
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    int rc = mlo_predict_form(ctx, p->args, "jsonl", &ao.form, err);
    if (rc == 0)
        rc = mlo_predict_texts_answers(p, &ao, err);
    if (rc == 0)
        rc = mlo_predict_texts_workers(p, 1, err);
    if (rc == 0)
        rc = mlo_predict_output_open(p->args, ao.form, &p->out, err);
    for (size_t from = 0; rc == 0 && from < n; from += step) {
        mlo_str_clear(&text);
        rc = mlo_predict_texts_run(p, 0, NULL, from, n - from < step ? n - from : step, &text, err);
        if (rc == 0)
            rc = mlo_predict_put(p, &text, err);
    }
    p->rows = n;
    return rc == 0 ? mlo_predict_finish(p, err) : rc;
}

void mlo_predict_texts_tell(const struct mlo_predict *p, struct mlo_ctx *ctx)
{
    const struct mlo_predict_texts *x = p->texts;
    size_t most = x->how.max_length ? x->how.max_length : mlo_tokenizer_max_length(x->tokenizer);
    if (x->n_cut)
        mlo_warn(ctx, "%llu text%s cut to %zu tokens", (unsigned long long)x->n_cut,
                 x->n_cut == 1 ? " was" : "s were", most);
    if (x->n_missing)
        mlo_warn(ctx, "%llu row%s no text: the embedding is that of an empty one",
                 (unsigned long long)x->n_missing, x->n_missing == 1 ? " has" : "s have");
}

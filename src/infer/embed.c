/*
 * Texts to vectors: tokenized, run in batches, pooled, and given back in the order they came. Where the plan
 * can (mlo_plan_packs) the tokens of a batch stand one behind the other; else texts are sorted by length, so
 * that little is padded.
 */
#include <string.h>

#include <mlopsctl/infer.h>

#define BATCH_TOKENS 2048 /* padded: more at once makes nothing faster and needs more memory */
#define INPUTS_MAX   3

enum { INPUT_IDS, INPUT_MASK, INPUT_TYPES };
static const char *const input_names[INPUTS_MAX] = {
    [INPUT_IDS] = "input_ids", [INPUT_MASK] = "attention_mask", [INPUT_TYPES] = "token_type_ids"};

struct mlo_embedder {
    const struct mlo_plan *plan;
    const struct mlo_tokenizer *tokenizer;
    struct mlo_embed_settings how;
    struct mlo_session *session;
    size_t n_inputs, output;
    struct {
        size_t which;
        bool narrow; /* int32 */
    } inputs[INPUTS_MAX];
    bool has_mask, is_pooled; /* by the model itself */
    bool packs;
    size_t *first; /* of a packed batch: where each text begins */
    size_t first_cap;
    struct mlo_encoding *encodings;
    size_t *order;
    const struct mlo_encoding **rows;
    size_t encodings_cap, order_cap, rows_cap, n_encodings;
    struct mlo_token_batch batch;
    int32_t *narrow[INPUTS_MAX];
    size_t narrow_cap[INPUTS_MAX];
};

/* ---- what the model takes and gives ---- */

static int match_input(struct mlo_embedder *e, const struct mlo_port_type *port, struct mlo_err *err)
{
    size_t which = 0;
    while (which < INPUTS_MAX && strcmp(input_names[which], port->name) != 0)
        which++;
    if (which == INPUTS_MAX || e->n_inputs == INPUTS_MAX)
        return mlo_fail(err, MLO_EUNAVAIL, "the model has the input '%s', which no text fills", port->name);
    if (port->dtype != MLO_DT_I64 && port->dtype != MLO_DT_I32)
        return mlo_fail(err, MLO_EUNAVAIL, "the input '%s' is %s, neither int64 nor int32", port->name,
                        mlo_dtype_name(port->dtype));
    e->inputs[e->n_inputs].which = which;
    e->inputs[e->n_inputs++].narrow = port->dtype == MLO_DT_I32;
    e->has_mask |= which == INPUT_MASK;
    return 0;
}

static int match_output(struct mlo_embedder *e, const struct mlo_port_type *ports, size_t n,
                        struct mlo_err *err)
{
    for (unsigned rank = 3; rank >= 2; rank--)
        for (size_t i = 0; i < n; i++) {
            const struct mlo_port_type *p = &ports[i];
            if (p->kind != MLO_KIND_ARRAY || !p->has_shape || p->rank != rank)
                continue;
            if (p->dtype != MLO_DT_F32)
                return mlo_fail(err, MLO_EUNAVAIL, "the output '%s' is %s, not float32", p->name,
                                mlo_dtype_name(p->dtype));
            e->output = i;
            e->is_pooled = rank == 2;
            return 0;
        }
    return mlo_fail(err, MLO_EUNAVAIL, "no output of the model has one vector a token or a text");
}

int mlo_embedder_new(const struct mlo_plan *p, const struct mlo_tokenizer *t,
                     const struct mlo_embed_settings *how, struct mlo_embedder **ret, struct mlo_err *err)
{
    size_t n_in, n_out;
    const struct mlo_port_type *in = mlo_plan_inputs(p, &n_in), *out = mlo_plan_outputs(p, &n_out);
    struct mlo_embedder *e = mlo_calloc(1, sizeof *e, err);
    if (!e)
        return err->code;
    e->plan = p;
    e->tokenizer = t;
    e->how = *how;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n_in; i++)
        rc = match_input(e, &in[i], err);
    if (rc == 0)
        rc = match_output(e, out, n_out, err);
    if (rc == 0)
        rc = mlo_session_new(p, &e->session, err);
    e->packs = rc == 0 && mlo_plan_packs(p, e->output);
    if (rc == 0)
        *ret = e;
    else
        mlo_embedder_free(e);
    return rc;
}

void mlo_embedder_free(struct mlo_embedder *e)
{
    if (!e)
        return;
    mlo_session_free(e->session);
    for (size_t i = 0; i < e->n_encodings; i++)
        mlo_encoding_release(&e->encodings[i]);
    for (size_t i = 0; i < INPUTS_MAX; i++)
        free(e->narrow[i]);
    mlo_token_batch_release(&e->batch);
    free(e->encodings);
    free(e->order);
    free(e->rows);
    free(e->first);
    free(e);
}

void mlo_embeddings_release(struct mlo_embeddings *r)
{
    free(r->values);
    free(r->first);
    *r = (struct mlo_embeddings){0};
}

/* ---- one batch ---- */

static int fill_input(struct mlo_embedder *e, size_t i, struct mlo_value *v, struct mlo_err *err)
{
    const struct mlo_token_batch *b = &e->batch;
    size_t which = e->inputs[i].which, n = b->rows * b->width;
    int64_t *wide = which == INPUT_IDS ? b->ids : which == INPUT_MASK ? b->mask : b->types;
    *v = (struct mlo_value){.kind = MLO_KIND_ARRAY,
                            .array = {.dtype = MLO_DT_I64,
                                      .rank = 2,
                                      .dims = {(int64_t)b->rows, (int64_t)b->width},
                                      .n = n,
                                      .data = wide}};
    if (!e->inputs[i].narrow)
        return 0;
    if (mlo_grow(&e->narrow[i], &e->narrow_cap[i], n, sizeof **e->narrow, err) != 0)
        return err->code;
    for (size_t k = 0; k < n; k++)
        e->narrow[i][k] = (int32_t)wide[k];
    v->array.dtype = MLO_DT_I32;
    v->array.data = e->narrow[i];
    return 0;
}

/* Has the run made one vector a text? */
static bool is_one_each(const struct mlo_embedder *e, size_t n_packed)
{
    return e->is_pooled || (n_packed && e->how.pooling != MLO_POOL_NONE);
}

static bool fits(const struct mlo_embedder *e, const struct mlo_value *v, size_t n_packed)
{
    const struct mlo_array *a = &v->array;
    bool is_one = is_one_each(e, n_packed);
    return v->kind == MLO_KIND_ARRAY && a->dtype == MLO_DT_F32 && a->rank == (is_one ? 2 : 3) &&
           a->dims[0] == (int64_t)(is_one && n_packed ? n_packed : e->batch.rows) &&
           (is_one || a->dims[1] == (int64_t)e->batch.width);
}

/* n_packed: texts whose tokens are one row; 0: each has a row. */
static int run_batch(struct mlo_embedder *e, size_t n_packed, const struct mlo_array **ret,
                     struct mlo_err *err)
{
    struct mlo_value in[INPUTS_MAX];
    const struct mlo_value *out = NULL;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < e->n_inputs; i++)
        rc = fill_input(e, i, &in[i], err);
    struct mlo_packed packed = {n_packed, e->first, e->how.pooling, e->how.normalize};
    if (rc == 0)
        rc = n_packed ? mlo_session_run_packed(e->session, in, e->n_inputs, &packed, &out, err)
                      : mlo_session_run(e->session, in, e->n_inputs, &out, err);
    if (rc != 0)
        return rc;
    if (!fits(e, &out[e->output], n_packed))
        return mlo_fail(err, MLO_EUNAVAIL, "the model gave something else than a vector a token or a text");
    *ret = &out[e->output].array;
    return 0;
}

/* Of a text; what the run has pooled has its length, too. */
static void keep_one(const struct mlo_embedder *e, const float *from, size_t width, float *to)
{
    memcpy(to, from, width * sizeof *to);
    if (e->is_pooled && e->how.normalize)
        mlo_normalize(to, width);
}

/* The vectors of n tokens from `at` of the batch to where its text's are. */
static void keep_text(const struct mlo_embedder *e, const struct mlo_array *a, size_t at, size_t n, float *to)
{
    size_t width = (size_t)a->dims[a->rank - 1];
    const int64_t *mask = e->batch.mask + at;
    const float *from = (const float *)a->data + at * width;
    if (e->how.pooling != MLO_POOL_NONE)
        mlo_pool(e->how.pooling, from, mask, n, width, to);
    else
        for (size_t i = 0, k = 0; i < n; i++)
            if (mask[i])
                memcpy(to + k++ * width, from + i * width, width * sizeof *to);
    if (e->how.normalize && e->how.pooling != MLO_POOL_NONE)
        mlo_normalize(to, width);
}

/* Where each text's vectors begin, once the width is known. */
static int place(struct mlo_embedder *e, size_t width, size_t n, struct mlo_embeddings *r,
                 struct mlo_err *err)
{
    uint64_t values;
    if (r->width == width)
        return 0;
    if (r->width != 0)
        return mlo_fail(err, MLO_EUNAVAIL, "the model gave vectors of %zu and of %zu numbers", r->width,
                        width);
    bool each = !e->is_pooled && e->how.pooling == MLO_POOL_NONE;
    r->first[0] = 0;
    for (size_t i = 0; i < n; i++)
        r->first[i + 1] = r->first[i] + (each ? e->encodings[i].n : 1);
    if (!mlo_mul_u64(r->first[n], width, &values) || values > SIZE_MAX / sizeof *r->values)
        return mlo_fail_nomem(err);
    r->width = width;
    return mlo_grow(&r->values, &r->values_cap, values, sizeof *r->values, err);
}

/* ---- many texts ---- */

static int compare_lengths(const void *pa, const void *pb, void *ctx)
{
    const struct mlo_encoding *encodings = ctx;
    size_t a = *(const size_t *)pa, b = *(const size_t *)pb;
    if (encodings[a].n != encodings[b].n)
        return encodings[a].n < encodings[b].n ? -1 : 1;
    return (a > b) - (a < b);
}

static int reserve(struct mlo_embedder *e, size_t n, struct mlo_embeddings *r, struct mlo_err *err)
{
    int rc = mlo_grow(&e->encodings, &e->encodings_cap, n, sizeof *e->encodings, err);
    for (; rc == 0 && e->n_encodings < n; e->n_encodings++)
        e->encodings[e->n_encodings] = (struct mlo_encoding){0};
    if (rc == 0)
        rc = mlo_grow(&e->order, &e->order_cap, n, sizeof *e->order, err);
    if (rc == 0)
        rc = mlo_grow(&e->rows, &e->rows_cap, n, sizeof *e->rows, err);
    return rc == 0 ? mlo_grow(&r->first, &r->first_cap, n + 1, sizeof *r->first, err) : rc;
}

static int encode_all(struct mlo_embedder *e, const struct mlo_slice *texts, size_t n,
                      struct mlo_embeddings *r, struct mlo_err *err)
{
    struct mlo_encode_opts opts = {.max_length = e->how.max_length};
    r->n_cut = 0;
    for (size_t i = 0; i < n; i++) {
        if (mlo_encode(e->tokenizer, texts[i], NULL, &opts, &e->encodings[i], err) != 0)
            return mlo_wrap(err, "text %zu", i + 1);
        r->n_cut += e->encodings[i].cut > 0;
        e->order[i] = i;
    }
    if (!e->packs)
        qsort_r(e->order, n, sizeof *e->order, compare_lengths, e->encodings);
    return 0;
}

/* How many of the texts from `at` on run together, padded: in the order of their lengths, so that padding
 * stays below a quarter; without a mask there is none. */
static size_t padded_size(const struct mlo_embedder *e, size_t at, size_t n)
{
    size_t shortest = e->encodings[e->order[at]].n, k = 1;
    for (; at + k < n; k++) {
        size_t width = e->encodings[e->order[at + k]].n;
        if (width > shortest + (e->has_mask ? shortest / 4 : 0) || (k + 1) * width > BATCH_TOKENS)
            break;
    }
    return k;
}

static size_t packed_size(const struct mlo_embedder *e, size_t at, size_t n)
{
    size_t k = 0, most = mlo_plan_packed_rows(e->plan);
    for (size_t tokens = 0; at + k < n; k++) {
        tokens += e->encodings[e->order[at + k]].n;
        if (k > 0 && tokens > most)
            break;
    }
    return k;
}

/* The texts in e->rows; *ret_packed: as many as run packed, 0: padded. */
static int fill_batch(struct mlo_embedder *e, size_t k, size_t *ret_packed, struct mlo_err *err)
{
    size_t tokens = 0;
    int rc = mlo_grow(&e->first, &e->first_cap, k + 1, sizeof *e->first, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < k; i++) {
        e->first[i] = tokens;
        tokens += e->rows[i]->n;
    }
    e->first[k] = tokens;
    *ret_packed = e->packs && tokens > 0 ? k : 0;
    return *ret_packed ? mlo_token_row(e->rows, k, &e->batch, err)
                       : mlo_token_batch(e->tokenizer, e->rows, k, true, &e->batch, err);
}

static int embed_batch(struct mlo_embedder *e, size_t at, size_t k, size_t n, struct mlo_embeddings *r,
                       struct mlo_err *err)
{
    const struct mlo_array *a = NULL;
    size_t packed;
    for (size_t i = 0; i < k; i++)
        e->rows[i] = &e->encodings[e->order[at + i]];
    int rc = fill_batch(e, k, &packed, err);
    if (rc == 0)
        rc = run_batch(e, packed, &a, err);
    if (rc == 0)
        rc = place(e, (size_t)a->dims[a->rank - 1], n, r, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < k; i++) {
        size_t width = packed ? e->rows[i]->n : e->batch.width;
        float *to = r->values + r->first[e->order[at + i]] * r->width;
        if (is_one_each(e, packed))
            keep_one(e, (const float *)a->data + i * r->width, r->width, to);
        else
            keep_text(e, a, packed ? e->first[i] : i * width, width, to);
    }
    return 0;
}

int mlo_embed(struct mlo_embedder *e, const struct mlo_slice *texts, size_t n, struct mlo_embeddings *ret,
              struct mlo_err *err)
{
    int rc = reserve(e, n, ret, err);
    if (rc == 0)
        rc = encode_all(e, texts, n, ret, err);
    ret->n = n;
    ret->width = 0;
    for (size_t at = 0, k; rc == 0 && at < n; at += k) {
        k = e->packs ? packed_size(e, at, n) : padded_size(e, at, n);
        rc = embed_batch(e, at, k, n, ret, err);
    }
    return rc;
}

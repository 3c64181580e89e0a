/* Texts through an encoder: the embeddings that ONNX Runtime and the reference tokenizer gave, order,
 * pooling. */
#include "tap.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/json.h>
#include <mlopsctl/infer.h>

#define TINY      "tests/golden/embed/tiny/"
#define CASES_MAX 64
#define WIDTH     16

struct encoder {
    struct mlo_plan *plan;
    struct mlo_tokenizer *tokenizer;
    struct mlo_embed_settings how;
    struct mlo_embedder *embedder;
};

static int read_tiny(void *ctx, const char *path, size_t max, char **ret, size_t *ret_len,
                     struct mlo_err *err)
{
    char full[256];
    (void)ctx;
    snprintf(full, sizeof full, TINY "%s", path);
    return mlo_slurp_at(AT_FDCWD, full, max, ret, ret_len, err);
}

static int encoder_open(struct encoder *e, struct mlo_err *err)
{
    struct mlo_embed_files files = {read_tiny, NULL};
    *e = (struct encoder){0};
    int rc = mlo_plan_open(TINY "model.onnx", NULL, &e->plan, err);
    if (rc == 0)
        rc = mlo_tokenizer_read(&files, &e->tokenizer, err);
    if (rc == 0)
        rc = mlo_embed_settings_read(&files, &e->how, err);
    return rc == 0 ? mlo_embedder_new(e->plan, e->tokenizer, &e->how, &e->embedder, err) : rc;
}

static void encoder_close(struct encoder *e)
{
    mlo_embedder_free(e->embedder);
    mlo_tokenizer_free(e->tokenizer);
    mlo_plan_free(e->plan);
}

/* Single texts of the cases, with what was expected of them. */
struct cases {
    cJSON *docs[CASES_MAX];
    struct mlo_slice texts[CASES_MAX];
    const cJSON *expected[CASES_MAX];
    size_t n;
};

static void cases_read(struct cases *c)
{
    size_t n = 0;
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOFREE char *text = NULL;
    *c = (struct cases){0};
    check_ok(read_tiny(NULL, "cases.jsonl", 1 << 20, &text, &n, &err), &err);
    for (char *line = text, *end; line && (end = strchr(line, '\n')); line = end + 1) {
        cJSON *doc = NULL;
        check_ok(mlo_json_parse(line, (size_t)(end - line), n, &doc, &err), &err);
        const cJSON *expected = cJSON_GetObjectItem(doc, "embedding");
        if (!expected || c->n == CASES_MAX) {
            cJSON_Delete(doc);
            continue;
        }
        const char *s = cJSON_GetObjectItem(doc, "texts")->child->valuestring;
        c->docs[c->n] = doc;
        c->expected[c->n] = expected;
        c->texts[c->n++] = (struct mlo_slice){s, strlen(s)};
    }
}

static void cases_release(struct cases *c)
{
    for (size_t i = 0; i < c->n; i++)
        cJSON_Delete(c->docs[i]);
}

static double distance(const cJSON *expected, const float *got)
{
    double most = 0;
    const cJSON *m;
    cJSON_ArrayForEach(m, expected)
    {
        double d = fabs(m->valuedouble - *got++);
        most = d > most || isnan(d) ? d : most;
    }
    return most;
}

static void gives_the_references_embeddings(void)
{
    struct encoder e;
    struct cases c;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_embeddings r = {0};
    cases_read(&c);
    check_int(c.n, 24);
    check_ok(encoder_open(&e, &err), &err);
    check(e.how.pooling == MLO_POOL_MEAN && e.how.normalize && e.how.max_length == 24);
    check_ok(mlo_embed(e.embedder, c.texts, c.n, &r, &err), &err);
    check_int(r.n, c.n);
    check_int(r.width, WIDTH);
    check_int(r.n_cut, 2);
    for (size_t i = 0; i < r.n; i++)
        check(distance(c.expected[i], r.values + r.first[i] * r.width) < 2e-6, "text %zu", i);
    mlo_embeddings_release(&r);
    encoder_close(&e);
    cases_release(&c);
}

/* Alone or among others, first or last, a text has the same embedding. */
static void neighbours_change_nothing(void)
{
    struct encoder e;
    struct cases c;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_embeddings all = {0}, one = {0};
    cases_read(&c);
    check_ok(encoder_open(&e, &err), &err);
    check_ok(mlo_embed(e.embedder, c.texts, c.n, &all, &err), &err);
    for (size_t i = 0; i < c.n; i++) {
        check_ok(mlo_embed(e.embedder, &c.texts[i], 1, &one, &err), &err);
        check(one.n == 1 && one.width == WIDTH);
        for (size_t k = 0; k < WIDTH; k++)
            check(fabsf(one.values[k] - all.values[i * WIDTH + k]) < 1e-6f, "text %zu", i);
    }
    check_ok(mlo_embed(e.embedder, NULL, 0, &one, &err), &err);
    check_int(one.n, 0);
    mlo_embeddings_release(&all);
    mlo_embeddings_release(&one);
    encoder_close(&e);
    cases_release(&c);
}

static void gives_a_vector_a_token_unpooled(void)
{
    struct encoder e;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_embeddings r = {0}, pooled = {0};
    const struct mlo_slice texts[] = {{"the cat is small", 16}, {"the", 3}};
    float mean[WIDTH];
    const int64_t mask[] = {1, 1, 1};
    check_ok(encoder_open(&e, &err), &err);
    check_ok(mlo_embed(e.embedder, texts, 2, &pooled, &err), &err);
    mlo_embedder_free(e.embedder);
    e.embedder = NULL;
    struct mlo_embed_settings how = {.pooling = MLO_POOL_NONE};
    check_ok(mlo_embedder_new(e.plan, e.tokenizer, &how, &e.embedder, &err), &err);
    check_ok(mlo_embed(e.embedder, texts, 2, &r, &err), &err);
    check(r.n == 2 && r.first[0] == 0 && r.first[1] == 6 && r.first[2] == 9);
    mlo_pool(MLO_POOL_MEAN, r.values + 6 * WIDTH, mask, 3, WIDTH, mean);
    mlo_normalize(mean, WIDTH);
    for (size_t k = 0; k < WIDTH; k++)
        check(fabsf(mean[k] - pooled.values[WIDTH + k]) < 1e-6f);
    mlo_embeddings_release(&r);
    mlo_embeddings_release(&pooled);
    encoder_close(&e);
}

static void names_the_text_that_is_wrong(void)
{
    struct encoder e;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_embeddings r = {0};
    const struct mlo_slice texts[] = {{"good", 4}, {"\xff", 1}};
    check_ok(encoder_open(&e, &err), &err);
    check_err(mlo_embed(e.embedder, texts, 2, &r, &err), MLO_EINVALID, &err, "text 2: text is not UTF-8");
    mlo_embeddings_release(&r);
    encoder_close(&e);
}

/* A model that takes rows of a table is no encoder. */
static void refuses_a_model_that_takes_no_text(void)
{
    struct encoder e;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_plan *plan = NULL;
    struct mlo_embedder *embedder = NULL;
    check_ok(encoder_open(&e, &err), &err);
    check_ok(mlo_plan_open("tests/golden/onnx/cases/broadcast/model.onnx", NULL, &plan, &err), &err);
    if (plan)
        check_err(mlo_embedder_new(plan, e.tokenizer, &e.how, &embedder, &err), MLO_EUNAVAIL, &err,
                  "which no text fills");
    mlo_plan_free(plan);
    encoder_close(&e);
}

static int embeds_once(void)
{
    struct encoder e;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_embeddings r = {0};
    const struct mlo_slice texts[] = {{"the cat", 7}, {"a", 1}};
    int rc = encoder_open(&e, &err);
    if (rc == 0)
        rc = mlo_embed(e.embedder, texts, 2, &r, &err);
    mlo_embeddings_release(&r);
    encoder_close(&e);
    return rc;
}

static void memory_faults_are_errors(void)
{
    check(each_alloc_failure(embeds_once) > 20);
}

int main(void)
{
    run(gives_the_references_embeddings);
    run(neighbours_change_nothing);
    run(gives_a_vector_a_token_unpooled);
    run(names_the_text_that_is_wrong);
    run(refuses_a_model_that_takes_no_text);
    run(memory_faults_are_errors);
    return done_testing();
}

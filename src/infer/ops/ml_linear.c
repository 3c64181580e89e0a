/* ai.onnx.ml: linear models. Scores are rows times coefficients; labels come from the raw scores. */
#include <string.h>

#include <mlopsctl/backend.h>

#include "ml.h"

struct linear {
    struct mlo_ml_labels labels; /* of a classifier */
    enum mlo_post post;
    const float *coefficients, *intercepts; /* [n][width]; intercepts NULL: none */
    size_t n, width;                        /* width is known when coefficients are there */
    bool pair;                              /* one score for two labels */
};

static int set_coefficients(struct linear *l, const struct mlo_node *node, size_t n, struct mlo_err *err)
{
    size_t count;
    l->n = n;
    l->coefficients = mlo_attr_floats(node, "coefficients", &count);
    if (n == 0 || count == 0 || count % n != 0)
        return mlo_fail(err, MLO_EINVALID, "%zu coefficients for %zu scores", count, n);
    l->width = count / n;
    return mlo_post_read(node, &l->post, err);
}

static int prepare_regressor(const struct mlo_op_prepare *p, void **ret_state, struct mlo_err *err)
{
    int64_t targets = mlo_attr_int(p->node, "targets", 1);
    struct linear *l = mlo_calloc(1, sizeof *l, err);
    size_t n;
    if (!l)
        return err->code;
    *ret_state = l;
    l->intercepts = mlo_attr_floats(p->node, "intercepts", &n);
    if (n != (size_t)targets)
        l->intercepts = NULL; /* as ONNX Runtime: they count only when there is one for each target */
    return set_coefficients(l, p->node, targets < 0 ? 0 : (size_t)targets, err);
}

static int prepare_classifier(const struct mlo_op_prepare *p, void **ret_state, struct mlo_err *err)
{
    struct linear *l = mlo_calloc(1, sizeof *l, err);
    size_t n;
    if (!l)
        return err->code;
    *ret_state = l;
    l->intercepts = mlo_attr_floats(p->node, "intercepts", &n);
    int rc = mlo_ml_labels_read(p->node, "classlabels_ints", "classlabels_strings", &l->labels, err);
    if (rc == 0 && n == 0)
        rc = mlo_fail(err, MLO_EINVALID, "no intercepts");
    if (rc == 0)
        rc = set_coefficients(l, p->node, n, err);
    l->pair = l->n == 1 && l->labels.list.n == 2;
    if (rc == 0 && l->n > 1 && l->n > l->labels.list.n)
        rc = mlo_fail(err, MLO_EINVALID, "%zu scores for %zu labels", l->n, l->labels.list.n);
    if (rc == 0 && l->pair && l->post == MLO_POST_PROBIT)
        rc = mlo_fail(err, MLO_EUNAVAIL, "PROBIT of one score for two labels is not defined");
    return rc;
}

/* to[rows][n]. sums: the same, made by a device; NULL. */
static void scores_of(const struct linear *l, const struct mlo_ml_rows *rows, const void *sums, float *to)
{
    if (sums) {
        memcpy(to, sums, rows->n * l->n * sizeof *to);
        return;
    }
    struct mlo_matmul p = {.m = rows->n,
                           .n = l->n,
                           .k = l->width,
                           .a = rows->at,
                           .b = l->coefficients,
                           .c = to,
                           .a_row = l->width,
                           .a_col = 1,
                           .b_row = 1,
                           .b_col = l->width,
                           .c_row = l->n};
    mlo_matmul_f32(&p);
    for (size_t i = 0; l->intercepts && i < rows->n * l->n; i++)
        to[i] += l->intercepts[i % l->n];
}

static int need_rows(struct mlo_op_call *c, struct mlo_ml_rows *rows, struct mlo_err *err)
{
    const struct linear *l = c->state;
    int rc = mlo_ml_rows_in(c, 0, rows, err);
    if (rc == 0 && rows->width != l->width)
        rc = mlo_op_refuse(c, err, "not of %zu columns", l->width);
    return rc;
}

static int run_regressor(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct linear *l = c->state;
    struct mlo_ml_rows rows = {0};
    struct mlo_array *out;
    int rc = need_rows(c, &rows, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, MLO_DT_F32, (int64_t[]){(int64_t)rows.n, (int64_t)l->n}, 2, &out, err);
    if (rc != 0 || !out)
        return rc;
    float *scores = out->data;
    scores_of(l, &rows, c->sums, scores);
    for (size_t i = 0; i < rows.n; i++)
        if (l->n > 1)
            mlo_post_row(l->post, scores + i * l->n, l->n);
        else
            scores[i] = mlo_post_one(l->post, scores[i]);
    return 0;
}

static size_t first_greatest(const float *v, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        best = v[i] > v[best] ? i : best;
    return best;
}

static void put_label(const struct linear *l, const float *scores, struct mlo_array *out, size_t i)
{
    if (l->n > 1)
        mlo_ml_label_put(&l->labels, first_greatest(scores, l->n), out, i);
    else if (l->pair)
        mlo_ml_label_put(&l->labels, scores[0] > 0, out, i);
    else
        mlo_ml_label_put_number(&l->labels, scores[0] > 0, out, i);
}

static int run_classifier(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct linear *l = c->state;
    struct mlo_array *labels = NULL, *out = NULL;
    struct mlo_ml_rows rows = {0};
    void *memory = NULL;
    int rc = need_rows(c, &rows, err);
    size_t width = l->pair ? 2 : l->n;
    if (rc == 0)
        rc = mlo_scratch(c, rows.n * l->n, sizeof(float), &memory, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, l->labels.list.dtype, (int64_t[]){(int64_t)rows.n}, 1, &labels, err);
    if (rc == 0)
        rc = mlo_out_new(c, 1, MLO_DT_F32, (int64_t[]){(int64_t)rows.n, (int64_t)width}, 2, &out, err);
    if (rc != 0)
        return rc;
    float *raw = memory;
    scores_of(l, &rows, c->sums, raw);
    for (size_t i = 0; i < rows.n; i++) {
        const float *row = raw + i * l->n;
        float *to = out ? (float *)out->data + i * width : NULL;
        if (labels)
            put_label(l, row, labels, i);
        if (to && l->pair) {
            mlo_post_pair(l->post, false, row[0], to);
        } else if (to) {
            memcpy(to, row, width * sizeof *to);
            if (width > 1)
                mlo_post_row(l->post, to, width);
            else
                to[0] = mlo_post_one(l->post, to[0]);
        }
    }
    return 0;
}

static const struct mlo_op ops[] = {
    {.name = "LinearRegressor", .since = 1, .run = run_regressor, .prepare = prepare_regressor},
    {.name = "LinearClassifier", .since = 1, .run = run_classifier, .prepare = prepare_classifier},
};
const struct mlo_op_family mlo_ops_ml_linear = {"ai.onnx.ml", ops, MLO_COUNT(ops)};

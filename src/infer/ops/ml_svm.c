/* ai.onnx.ml: support vector machines, as libsvm keeps them (votes of pairs) or one row of weights a class.
 */
#include <math.h>
#include <string.h>

#include "ml.h"

enum kernel { KERNEL_LINEAR, KERNEL_POLY, KERNEL_RBF, KERNEL_SIGMOID };

#define CLASSES_MAX ((size_t)65536)

struct svm {
    enum kernel kernel;
    enum mlo_post post;
    float gamma, coef0, degree;
    const float *vectors, *coefficients, *rho, *prob_a, *prob_b; /* prob NULL: no probabilities */
    size_t n_vectors, width, n_classes, n_pairs;
    size_t *first; /* owned: of each class, its first vector; NULL: one row of weights a class */
    struct mlo_ml_labels labels; /* of a classifier */
    bool one_class, all_positive;
};

static void free_svm(void *state)
{
    struct svm *s = state;
    free(s->first);
    free(s);
}

/* ---- reading ---- */

static int read_kernel(const struct mlo_node *n, struct svm *s, struct mlo_err *err)
{
    static const char *const words[] = {"LINEAR", "POLY", "RBF", "SIGMOID"};
    size_t n_params;
    const float *params = mlo_attr_floats(n, "kernel_params", &n_params);
    if (n_params != 0 && n_params != 3)
        return mlo_fail(err, MLO_EINVALID, "%zu kernel_params, not 3", n_params);
    if (params) {
        s->gamma = params[0];
        s->coef0 = params[1];
        s->degree = params[2];
    }
    s->kernel = KERNEL_LINEAR;
    if (mlo_attr_is(n, "kernel_type", ""))
        return 0;
    for (size_t i = 0; i < MLO_COUNT(words); i++)
        if (mlo_attr_is(n, "kernel_type", words[i])) {
            s->kernel = (enum kernel)i;
            return 0;
        }
    return mlo_fail(err, MLO_EUNAVAIL, "an unknown kernel_type");
}

static int need_floats(const struct mlo_node *n, const char *name, size_t least, const float **ret,
                       struct mlo_err *err)
{
    size_t count;
    *ret = mlo_attr_floats(n, name, &count);
    if (count < least)
        return mlo_fail(err, MLO_EINVALID, "'%s' has %zu entries, not %zu", name, count, least);
    return 0;
}

static int read_vectors(const struct mlo_node *n, struct svm *s, struct mlo_err *err)
{
    size_t count;
    s->vectors = mlo_attr_floats(n, "support_vectors", &count);
    if (count == 0 || count % s->n_vectors != 0)
        return mlo_fail(err, MLO_EINVALID, "%zu values of %zu support vectors", count, s->n_vectors);
    s->width = count / s->n_vectors;
    return 0;
}

static int prepare_regressor(const struct mlo_op_prepare *p, void **ret_state, struct mlo_err *err)
{
    int64_t vectors = mlo_attr_int(p->node, "n_supports", 0);
    struct svm *s = mlo_calloc(1, sizeof *s, err);
    size_t n;
    if (!s)
        return err->code;
    *ret_state = s;
    s->n_vectors = vectors > 0 ? (size_t)vectors : 0;
    s->one_class = mlo_attr_int(p->node, "one_class", 0) != 0;
    int rc = read_kernel(p->node, s, err);
    if (rc == 0)
        rc = need_floats(p->node, "rho", 1, &s->rho, err);
    if (rc == 0)
        rc = need_floats(p->node, "coefficients", s->n_vectors ? s->n_vectors : 1, &s->coefficients, err);
    if (rc != 0 || s->n_vectors > 0)
        return rc == 0 ? read_vectors(p->node, s, err) : rc;
    s->kernel = KERNEL_LINEAR; /* the coefficients are the only vector */
    s->vectors = mlo_attr_floats(p->node, "coefficients", &n);
    s->width = n;
    return 0;
}

/* Where the vectors of each class begin. */
static int read_classes(const struct mlo_node *n, struct svm *s, struct mlo_err *err)
{
    size_t count;
    const int64_t *per_class = mlo_attr_ints(n, "vectors_per_class", &count);
    for (size_t i = 0; i < count; i++) {
        if (per_class[i] < 0 || __builtin_add_overflow(s->n_vectors, (size_t)per_class[i], &s->n_vectors))
            return mlo_fail(err, MLO_EINVALID, "a class of %lld vectors", (long long)per_class[i]);
    }
    if (s->n_vectors == 0)
        return 0;
    if (count != s->n_classes)
        return mlo_fail(err, MLO_EINVALID, "%zu vectors_per_class for %zu labels", count, s->n_classes);
    s->first = mlo_calloc(count + 1, sizeof *s->first, err);
    if (!s->first)
        return err->code;
    for (size_t i = 0; i < count; i++)
        s->first[i + 1] = s->first[i] + (size_t)per_class[i];
    return read_vectors(n, s, err);
}

static int read_pairs(const struct mlo_node *n, struct svm *s, struct mlo_err *err)
{
    size_t n_a, least;
    const float *a = mlo_attr_floats(n, "prob_a", &n_a);
    s->n_pairs = s->n_classes * (s->n_classes - 1) / 2;
    if (__builtin_mul_overflow(s->n_classes - 1, s->n_vectors, &least))
        return mlo_fail(err, MLO_EINVALID, "too many support vectors");
    int rc = need_floats(n, "coefficients", least ? least : 1, &s->coefficients, err);
    if (rc == 0)
        rc = need_floats(n, "rho", s->n_pairs, &s->rho, err);
    if (rc == 0 && n_a > 0 && n_a < s->n_pairs)
        rc = mlo_fail(err, MLO_EINVALID, "%zu values in prob_a for %zu pairs", n_a, s->n_pairs);
    if (rc == 0 && n_a > 0)
        rc = need_floats(n, "prob_b", s->n_pairs, &s->prob_b, err);
    s->prob_a = a;
    return rc;
}

static int read_weights(const struct mlo_node *n, struct svm *s, struct mlo_err *err)
{
    size_t count;
    s->kernel = KERNEL_LINEAR;
    s->vectors = s->coefficients = mlo_attr_floats(n, "coefficients", &count);
    if (count == 0 || count % s->n_classes != 0)
        return mlo_fail(err, MLO_EINVALID, "%zu coefficients for %zu classes", count, s->n_classes);
    s->width = count / s->n_classes;
    return need_floats(n, "rho", 1, &s->rho, err);
}

static int prepare_classifier(const struct mlo_op_prepare *p, void **ret_state, struct mlo_err *err)
{
    struct svm *s = mlo_calloc(1, sizeof *s, err);
    size_t count;
    if (!s)
        return err->code;
    *ret_state = s;
    int rc = mlo_ml_labels_read(p->node, "classlabels_ints", "classlabels_strings", &s->labels, err);
    s->n_classes = s->labels.list.n;
    if (rc == 0 && s->n_classes >= CLASSES_MAX)
        rc = mlo_fail(err, MLO_EINVALID, "%zu classes", s->n_classes);
    if (rc == 0)
        rc = read_kernel(p->node, s, err);
    if (rc == 0)
        rc = mlo_post_read(p->node, &s->post, err);
    if (rc == 0)
        rc = read_classes(p->node, s, err);
    if (rc == 0)
        rc = s->first ? read_pairs(p->node, s, err) : read_weights(p->node, s, err);
    if (rc == 0 && s->first && !s->prob_a && s->n_classes == 2 && s->post == MLO_POST_PROBIT)
        rc = mlo_fail(err, MLO_EUNAVAIL, "PROBIT of one score for two labels is not defined");
    const float *all = mlo_attr_floats(p->node, "coefficients", &count);
    s->all_positive = true;
    for (size_t i = 0; i < count; i++)
        s->all_positive = s->all_positive && all[i] >= 0;
    return rc;
}

/* ---- kernels ---- */

static float kernel_of(const struct svm *s, const float *x, const float *v)
{
    float sum = 0;
    for (size_t i = 0; i < s->width; i++)
        sum += s->kernel == KERNEL_RBF ? (x[i] - v[i]) * (x[i] - v[i]) : x[i] * v[i];
    switch (s->kernel) {
    case KERNEL_POLY:
        return powf(s->gamma * sum + s->coef0, s->degree);
    case KERNEL_RBF:
        return expf(-s->gamma * sum);
    case KERNEL_SIGMOID:
        return tanhf(s->gamma * sum + s->coef0);
    case KERNEL_LINEAR:
        break;
    }
    return sum;
}

static int need_rows(struct mlo_op_call *c, struct mlo_ml_rows *rows, struct mlo_err *err)
{
    const struct svm *s = c->state;
    int rc = mlo_ml_rows_in(c, 0, rows, err);
    if (rc == 0 && rows->width != s->width)
        rc = mlo_op_refuse(c, err, "not of %zu columns", s->width);
    return rc;
}

/* ---- SVMRegressor ---- */

static float regress(const struct svm *s, const float *x)
{
    float sum = s->n_vectors ? 0 : kernel_of(s, x, s->vectors);
    for (size_t i = 0; i < s->n_vectors; i++)
        sum += s->coefficients[i] * kernel_of(s, x, s->vectors + i * s->width);
    sum += s->rho[0];
    return s->one_class ? (sum > 0 ? 1.0F : -1.0F) : sum;
}

static int run_regressor(struct mlo_op_call *c, struct mlo_err *err)
{
    struct mlo_ml_rows rows = {0};
    struct mlo_array *out;
    int rc = need_rows(c, &rows, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, MLO_DT_F32, (int64_t[]){(int64_t)rows.n, 1}, 2, &out, err);
    for (size_t i = 0; rc == 0 && out && i < rows.n; i++)
        ((float *)out->data)[i] = regress(c->state, rows.at + i * rows.width);
    return rc;
}

/* ---- SVMClassifier ---- */

struct work {              /* of one row */
    float *kernels;        /* of each vector */
    float *pairs;          /* of each pair of classes */
    float *r, *q, *qp, *p; /* probabilities of pairs [n][n], and what solves them */
    size_t *votes;
};

/* The pair i < j: coefficients of i's vectors against j, and of j's against i. */
static void vote_pairs(const struct svm *s, const struct work *w)
{
    size_t pair = 0;
    memset(w->votes, 0, s->n_classes * sizeof *w->votes);
    for (size_t i = 0; i + 1 < s->n_classes; i++)
        for (size_t j = i + 1; j < s->n_classes; j++, pair++) {
            const float *of_i = s->coefficients + (j - 1) * s->n_vectors;
            const float *of_j = s->coefficients + i * s->n_vectors;
            double sum = 0;
            for (size_t k = s->first[i]; k < s->first[i + 1]; k++)
                sum += (double)(of_i[k] * w->kernels[k]);
            for (size_t k = s->first[j]; k < s->first[j + 1]; k++)
                sum += (double)(of_j[k] * w->kernels[k]);
            sum += (double)s->rho[pair];
            w->pairs[pair] = (float)sum;
            w->votes[sum > 0 ? i : j]++;
        }
}

static void pair_probabilities(const struct svm *s, const struct work *w)
{
    size_t n = s->n_classes, pair = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++, pair++) {
            float p = 1 - mlo_logistic(w->pairs[pair] * s->prob_a[pair] + s->prob_b[pair]);
            p = p < 1e-7F ? 1e-7F : p > 1 - 1e-7F ? 1 - 1e-7F : p;
            w->r[i * n + j] = p;
            w->r[j * n + i] = 1 - p;
        }
}

/* q p, and the return p q p. */
static float multiply(const struct work *w, size_t n)
{
    float total = 0;
    for (size_t i = 0; i < n; i++) {
        w->qp[i] = 0;
        for (size_t j = 0; j < n; j++)
            w->qp[i] += w->q[i * n + j] * w->p[j];
        total += w->p[i] * w->qp[i];
    }
    return total;
}

#define COUPLING_ROUNDS 100

/* Probabilities of classes from those of pairs: Wu, Lin, Weng, "Probability estimates for multi-class
 * classification by pairwise coupling", second approach. */
static void couple(const struct work *w, size_t n)
{
    float *q = w->q, *qp = w->qp, *p = w->p;
    for (size_t i = 0; i < n; i++) {
        p[i] = 1.0F / (float)n;
        q[i * n + i] = 0;
        for (size_t j = 0; j < n; j++)
            if (j != i) {
                q[i * n + i] += w->r[j * n + i] * w->r[j * n + i];
                q[i * n + j] = -w->r[j * n + i] * w->r[i * n + j];
            }
    }
    for (unsigned round = 0; round < COUPLING_ROUNDS; round++) {
        float total = multiply(w, n), worst = 0;
        for (size_t i = 0; i < n; i++)
            worst = fmaxf(worst, fabsf(qp[i] - total));
        if (worst < 0.005F / (float)n)
            break;
        for (size_t i = 0; i < n; i++) {
            float step = (total - qp[i]) / q[i * n + i];
            p[i] += step;
            total = (total + step * (step * q[i * n + i] + 2 * qp[i])) / (1 + step) / (1 + step);
            for (size_t j = 0; j < n; j++) {
                qp[j] = (qp[j] + step * q[i * n + j]) / (1 + step);
                p[j] /= 1 + step;
            }
        }
    }
}

static size_t most_votes(const struct svm *s, const struct work *w)
{
    size_t best = 0;
    for (size_t i = 1; i < s->n_classes; i++)
        best = w->votes[i] > w->votes[best] ? i : best;
    return best;
}

static size_t columns_of(const struct svm *s)
{
    return s->first && !s->prob_a ? (s->n_classes > 2 ? s->n_pairs : 2) : s->n_classes;
}

/* A row by votes of pairs; *ret_label is its class. */
static void classify_pairs(const struct svm *s, const struct work *w, const float *x, float *scores,
                           size_t *ret_label)
{
    for (size_t i = 0; i < s->n_vectors; i++)
        w->kernels[i] = kernel_of(s, x, s->vectors + i * s->width);
    vote_pairs(s, w);
    *ret_label = most_votes(s, w);
    if (s->prob_a) {
        pair_probabilities(s, w);
        couple(w, s->n_classes);
        memcpy(scores, w->p, s->n_classes * sizeof *scores);
        mlo_post_row(s->post, scores, s->n_classes);
    } else if (s->n_classes > 2) {
        memcpy(scores, w->pairs, s->n_pairs * sizeof *scores);
        mlo_post_row(s->post, scores, s->n_pairs);
    } else {
        mlo_post_pair(s->post, s->post == MLO_POST_NONE, w->pairs[0], scores);
    }
}

static void classify_weights(const struct svm *s, const float *x, float *scores, size_t *ret_label)
{
    size_t best = 0;
    for (size_t i = 0; i < s->n_classes; i++) {
        scores[i] = kernel_of(s, x, s->vectors + i * s->width) + s->rho[0];
        best = scores[i] > scores[best] ? i : best;
    }
    *ret_label = best;
    if (s->n_classes == 2) { /* the second class wins on a positive score, whichever has it */
        bool second = s->all_positive ? scores[best] >= 0.5F : scores[best] > 0;
        *ret_label = second ? 1 : best;
    }
    if (s->n_classes > 1)
        mlo_post_row(s->post, scores, s->n_classes);
    else
        scores[0] = mlo_post_one(s->post, scores[0]);
}

static int work_init(struct mlo_op_call *c, struct work *w, struct mlo_err *err)
{
    const struct svm *s = c->state;
    size_t n = s->n_classes;
    void *floats, *votes;
    int rc = mlo_scratch(c, s->n_vectors + s->n_pairs + 2 * n + (s->prob_a ? 2 * n * n : 0), sizeof(float),
                         &floats, err);
    if (rc == 0)
        rc = mlo_scratch(c, n, sizeof *w->votes, &votes, err);
    if (rc != 0)
        return rc;
    w->votes = votes;
    w->kernels = floats;
    w->pairs = w->kernels + s->n_vectors;
    w->qp = w->pairs + s->n_pairs;
    w->p = w->qp + n;
    w->r = w->p + n;
    w->q = w->r + n * n;
    return 0;
}

static int run_classifier(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct svm *s = c->state;
    struct mlo_array *labels = NULL, *out = NULL;
    struct mlo_ml_rows rows = {0};
    struct work w = {0};
    void *memory;
    int rc = need_rows(c, &rows, err);
    size_t width = columns_of(s), label;
    if (rc == 0)
        rc = work_init(c, &w, err);
    if (rc == 0)
        rc = mlo_scratch(c, width, sizeof(float), &memory, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, s->labels.list.dtype, (int64_t[]){(int64_t)rows.n}, 1, &labels, err);
    if (rc == 0)
        rc = mlo_out_new(c, 1, MLO_DT_F32, (int64_t[]){(int64_t)rows.n, (int64_t)width}, 2, &out, err);
    for (size_t i = 0; rc == 0 && i < rows.n; i++) {
        if (s->first)
            classify_pairs(s, &w, rows.at + i * rows.width, memory, &label);
        else
            classify_weights(s, rows.at + i * rows.width, memory, &label);
        if (labels)
            mlo_ml_label_put(&s->labels, label, labels, i);
        if (out)
            memcpy((float *)out->data + i * width, memory, width * sizeof(float));
    }
    return rc;
}

static const struct mlo_op ops[] = {
    {.name = "SVMRegressor",
     .since = 1,
     .run = run_regressor,
     .prepare = prepare_regressor,
     .release = free_svm},
    {.name = "SVMClassifier",
     .since = 1,
     .run = run_classifier,
     .prepare = prepare_classifier,
     .release = free_svm},
};
const struct mlo_op_family mlo_ops_ml_svm = {"ai.onnx.ml", ops, MLO_COUNT(ops)};

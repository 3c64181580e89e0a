/* TfIdfVectorizer: how often each n-gram of a list is in a row of words. */
#include <string.h>

#include "ml.h"

#define GRAM_MAX 64 /* words of an n-gram */

enum weighting { TF, IDF, TFIDF };

struct gram { /* words: each as the place of its first mention in the pool */
    const size_t *words;
    size_t n, column;
    float weight;
};
struct vocabulary {
    struct mlo_array pool;
    struct mlo_ml_keys keys;
    size_t *words; /* of each place in the pool */
    struct gram *grams;
    size_t n, columns;
    size_t least, most, skips; /* sizes of n-grams; words that may be left out between two */
    enum weighting weighting;
    const float *weights; /* of each n-gram of the pool; NULL: all 1 */
};

static void free_vocabulary(void *state)
{
    struct vocabulary *v = state;
    if (!v)
        return;
    mlo_ml_keys_free(&v->keys);
    free(v->words);
    free(v->grams);
    free(v);
}

static int order_grams(const void *a, const void *b)
{
    const struct gram *x = a, *y = b;
    if (x->n != y->n)
        return x->n < y->n ? -1 : 1;
    for (size_t i = 0; i < x->n; i++)
        if (x->words[i] != y->words[i])
            return x->words[i] < y->words[i] ? -1 : 1;
    return 0;
}

static int read_attributes(const struct mlo_node *node, struct vocabulary *v, struct mlo_err *err)
{
    static const char *const modes[] = {"TF", "IDF", "TFIDF"};
    int64_t least = mlo_attr_int(node, "min_gram_length", 0), most = mlo_attr_int(node, "max_gram_length", 0),
            skips = mlo_attr_int(node, "max_skip_count", 0);
    size_t i = 0;
    while (i < MLO_COUNT(modes) && !mlo_attr_is(node, "mode", modes[i]))
        i++;
    if (i == MLO_COUNT(modes) || least < 1 || most < least || most > GRAM_MAX || skips < 0 ||
        skips > INT32_MAX)
        return mlo_fail(err, MLO_EINVALID,
                        "mode, min_gram_length, max_gram_length or max_skip_count is wrong");
    if (!mlo_ml_list(node, "pool_strings", &v->pool) && !mlo_ml_list(node, "pool_int64s", &v->pool))
        return mlo_fail(err, MLO_EINVALID, "no pool of words");
    v->weighting = (enum weighting)i;
    v->least = (size_t)least;
    v->most = (size_t)most;
    v->skips = (size_t)skips;
    return 0;
}

static int read_columns(const struct mlo_node *node, struct vocabulary *v, const int64_t **ret, size_t *ret_n,
                        struct mlo_err *err)
{
    size_t n_weights;
    *ret = mlo_attr_ints(node, "ngram_indexes", ret_n);
    v->weights = mlo_attr_floats(node, "weights", &n_weights);
    for (size_t i = 0; i < *ret_n; i++) {
        if ((*ret)[i] < 0 || (*ret)[i] >= INT32_MAX)
            return mlo_fail(err, MLO_EINVALID, "ngram_indexes has %lld", (long long)(*ret)[i]);
        v->columns = (size_t)(*ret)[i] >= v->columns ? (size_t)(*ret)[i] + 1 : v->columns;
    }
    if (v->columns == 0 || (v->weights && n_weights != *ret_n))
        return mlo_fail(err, MLO_EINVALID, "ngram_indexes or weights do not fit");
    return 0;
}

/* The pool holds all n-grams of one word, then all of two, and so on: ngram_counts says where each size
 * begins. */
static int read_grams(const struct mlo_node *node, struct vocabulary *v, struct mlo_err *err)
{
    size_t n_sizes, n_columns = 0, gram = 0;
    const int64_t *starts = mlo_attr_ints(node, "ngram_counts", &n_sizes), *columns = NULL;
    int rc = read_columns(node, v, &columns, &n_columns, err);
    if (rc == 0 && !(v->grams = mlo_calloc(n_columns, sizeof *v->grams, err)))
        rc = err->code;
    for (size_t i = 0; rc == 0 && i < n_sizes; i++) {
        int64_t from = starts[i], to = i + 1 < n_sizes ? starts[i + 1] : (int64_t)v->pool.n;
        if (from < 0 || to < from || (size_t)to > v->pool.n || (size_t)(to - from) % (i + 1) != 0)
            return mlo_fail(err, MLO_EINVALID, "ngram_counts does not fit the pool");
        for (size_t at = (size_t)from; at < (size_t)to; at += i + 1, gram++) {
            if (gram >= n_columns)
                return mlo_fail(err, MLO_EINVALID, "more n-grams than ngram_indexes");
            if (i + 1 >= v->least && i + 1 <= v->most)
                v->grams[v->n++] = (struct gram){v->words + at, i + 1, (size_t)columns[gram],
                                                 v->weights ? v->weights[gram] : 1};
        }
    }
    if (rc != 0)
        return rc;
    qsort(v->grams, v->n, sizeof *v->grams, order_grams);
    for (size_t i = 1; i < v->n; i++)
        if (order_grams(&v->grams[i - 1], &v->grams[i]) == 0)
            return mlo_fail(err, MLO_EINVALID, "an n-gram is there twice");
    return 0;
}

static int prepare_tfidf(const struct mlo_op_prepare *p, void **ret_state, struct mlo_err *err)
{
    struct vocabulary *v = mlo_calloc(1, sizeof *v, err);
    if (!v)
        return err->code;
    *ret_state = v;
    int rc = read_attributes(p->node, v, err);
    if (rc == 0)
        rc = mlo_ml_keys_new(&v->pool, false, &v->keys, err);
    if (rc == 0 && !(v->words = mlo_calloc(v->pool.n + 1, sizeof *v->words, err)))
        rc = err->code;
    for (size_t i = 0; rc == 0 && i < v->pool.n; i++)
        v->words[i] = mlo_ml_keys_find(&v->keys, &v->pool, i);
    return rc == 0 ? read_grams(p->node, v, err) : rc;
}

/* Counts the n-grams of `n` words that begin at `at`, `step` words from one to the next. */
static void count_at(const struct vocabulary *v, const size_t *row, size_t width, size_t at, size_t step,
                     size_t least, float *counts)
{
    size_t words[GRAM_MAX];
    for (size_t n = 1; n <= v->most && at < width; n++, at += step) {
        words[n - 1] = row[at];
        if (row[at] == SIZE_MAX)
            return;
        const struct gram key = {.words = words, .n = n};
        const struct gram *found = n < least ? NULL : bsearch(&key, v->grams, v->n, sizeof key, order_grams);
        if (found && v->weighting == IDF)
            counts[found->column] = found->weight;
        else if (found)
            counts[found->column] += v->weighting == TF ? 1 : found->weight;
    }
}

static void count_row(const struct vocabulary *v, const size_t *row, size_t width, float *counts)
{
    size_t least = v->least;
    for (size_t step = 1; step <= v->skips + 1 && least <= v->most && step <= width; step++) {
        for (size_t at = 0; at < width; at++)
            count_at(v, row, width, at, step, least, counts);
        least = least == 1 ? 2 : least; /* single words are the same for each step */
    }
}

static int run_tfidf(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct vocabulary *v = c->state;
    const struct mlo_array *a;
    struct mlo_array *out;
    void *memory;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0 && (a->rank > 2 || !mlo_ml_keys_fit(&v->keys, a->dtype)))
        rc = mlo_op_refuse(c, err, "not rows of words like the pool's");
    if (rc == 0)
        rc = mlo_scratch(c, a->n, sizeof(size_t), &memory, err);
    if (rc != 0)
        return rc;
    size_t *words = memory, rows = a->rank == 2 ? (size_t)a->dims[0] : 1, width = rows ? a->n / rows : 0;
    const int64_t dims[2] = {a->rank == 2 ? (int64_t)rows : (int64_t)v->columns, (int64_t)v->columns};
    rc = mlo_out_new(c, 0, MLO_DT_F32, dims, a->rank == 2 ? 2 : 1, &out, err);
    if (rc != 0 || !out)
        return rc;
    for (size_t i = 0; i < a->n; i++)
        words[i] = mlo_ml_keys_find(&v->keys, a, i);
    if (out->n)
        memset(out->data, 0, out->n * sizeof(float));
    for (size_t i = 0; i < rows; i++)
        count_row(v, words + i * width, width, (float *)out->data + i * v->columns);
    return 0;
}

static const struct mlo_op ops[] = {
    {.name = "TfIdfVectorizer",
     .since = 9,
     .run = run_tfidf,
     .prepare = prepare_tfidf,
     .release = free_vocabulary},
};
const struct mlo_op_family mlo_ops_tfidf = {"", ops, MLO_COUNT(ops)};

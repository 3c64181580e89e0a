/* The member "outcome" of a profile's file (docs/profile-format.md). What does not add up is refused. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "outcome.h"
#include "text.h"

static const char *const kind_names[] = {
    [MLO_OUTCOME_CLASSES] = "classes", [MLO_OUTCOME_NUMBERS] = "numbers"};

/* ---- writing ---- */

static void put_counts(struct mlo_str *out, const char *key, const uint64_t *counts, size_t n)
{
    mlo_str_addf(out, ",\"%s\":[", key);
    for (size_t i = 0; i < n; i++)
        mlo_str_addf(out, "%s%" PRIu64, i ? "," : "", counts[i]);
    mlo_str_addc(out, ']');
}

static void put_sum(struct mlo_str *out, const char *key, const struct mlo_exact_sum *sum)
{
    mlo_str_addf(out, ",\"%s\":", key);
    mlo_profile_put_sum(out, sum);
}

/* Indexes of the classes by name. */
static void order_classes(const struct mlo_outcome *o, size_t order[MLO_OUTCOME_CLASSES_MAX])
{
    for (size_t i = 0; i < o->n_classes; i++) {
        size_t at = i;
        while (at > 0 && strcmp(o->classes[order[at - 1]], o->classes[i]) > 0) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = i;
    }
}

static void put_classes(struct mlo_str *out, const struct mlo_outcome *o)
{
    size_t order[MLO_OUTCOME_CLASSES_MAX] = {0}, n = o->n_classes;
    order_classes(o, order);
    mlo_str_add(out, ",\"classes\":[");
    for (size_t i = 0; i < n; i++) {
        mlo_str_add(out, i ? "," : "");
        mlo_profile_put_text(out, o->classes[order[i]], strlen(o->classes[order[i]]));
    }
    mlo_str_add(out, "],\"confusion\":[");
    for (size_t i = 0; i < n * n; i++)
        mlo_str_addf(out, "%s%" PRIu64, i ? "," : "",
                     o->confusion[order[i / n] * MLO_OUTCOME_CLASSES_MAX + order[i % n]]);
    mlo_str_addc(out, ']');
}

static void put_bins(struct mlo_str *out, const struct mlo_outcome *o, size_t bins)
{
    put_counts(out, "yes", o->bins.yes, bins);
    put_counts(out, "no", o->bins.no, bins);
    put_counts(out, "taken", o->bins.taken, bins);
    put_counts(out, "left", o->bins.left, bins);
    mlo_str_add(out, ",\"score_sums\":[");
    for (size_t i = 0; i < bins; i++) {
        mlo_str_add(out, i ? "," : "");
        mlo_profile_put_sum(out, &o->bins.sums[i]);
    }
    mlo_str_addf(out, "],\"scored\":%" PRIu64, o->scored);
    put_sum(out, "brier", &o->brier);
    put_sum(out, "brier_squares", &o->brier2);
}

static void put_errors(struct mlo_str *out, const struct mlo_outcome *o)
{
    mlo_str_add(out, ",\"large\":");
    mlo_profile_put_double(out, o->large);
    mlo_str_addf(out, ",\"measured\":%" PRIu64, o->measured);
    put_sum(out, "error", &o->error);
    put_sum(out, "absolute", &o->absolute);
    put_sum(out, "squares", &o->squares);
    put_sum(out, "fourth", &o->fourth);
}

static int put_texts(struct mlo_str *out, const char *key, const struct mlo_categories *c,
                     struct mlo_err *err)
{
    mlo_str_addf(out, ",\"%s\":{\"kept\":%zu", key, c->count);
    int rc = mlo_profile_put_categories(out, c, err);
    mlo_str_addc(out, '}');
    return rc;
}

static int put_column(struct mlo_str *out, const struct mlo_profile_column *c,
                      const struct mlo_outcome_column *k, struct mlo_err *err)
{
    int rc = 0;
    if (!k->counted) {
        mlo_str_add(out, "null");
        return 0;
    }
    mlo_str_addf(out, "{\"missing_right\":%" PRIu64 ",\"missing_wrong\":%" PRIu64, k->missing_right,
                 k->missing_wrong);
    if (c->type == MLO_COLUMN_TEXT) {
        rc = put_texts(out, "right", &k->rights, err);
        if (rc == 0)
            rc = put_texts(out, "wrong", &k->wrongs, err);
    } else {
        put_counts(out, "right", k->right, mlo_outcome_n_bins(c));
        put_counts(out, "wrong", k->wrong, mlo_outcome_n_bins(c));
    }
    mlo_str_addc(out, '}');
    return rc;
}

static void put_place(struct mlo_str *out, const struct mlo_profile *p, const char *key, size_t at)
{
    mlo_str_addf(out, ",\"%s\":", key);
    if (at < p->n_columns)
        mlo_profile_put_text(out, p->columns[at].name, strlen(p->columns[at].name));
    else
        mlo_str_add(out, "null");
}

int mlo_outcome_write(const struct mlo_profile *p, struct mlo_str *out, struct mlo_err *err)
{
    const struct mlo_outcome *o = p->outcome;
    int rc = 0;
    if (!o)
        return 0;
    mlo_str_addf(out, ",\n\"outcome\":{\"kind\":\"%s\",\"judged\":%" PRIu64 ",\"right\":%" PRIu64,
                 kind_names[o->kind], o->judged, o->right);
    put_place(out, p, "label", o->label);
    put_place(out, p, "prediction", o->prediction);
    put_place(out, p, "score", o->score);
    mlo_str_addf(out, ",\"by_score\":%s", o->by_score ? "true" : "false");
    if (o->positive) {
        mlo_str_add(out, ",\"positive\":");
        mlo_profile_put_text(out, o->positive, strlen(o->positive));
    }
    if (o->kind == MLO_OUTCOME_NUMBERS)
        put_errors(out, o);
    else if (!o->many)
        put_classes(out, o);
    if (mlo_outcome_has_bins(o))
        put_bins(out, o, mlo_outcome_n_bins(&p->columns[o->score]));
    mlo_str_add(out, ",\"columns\":[");
    for (size_t i = 0; rc == 0 && i < p->n_columns; i++) {
        mlo_str_add(out, i ? ",\n" : "\n");
        rc = put_column(out, &p->columns[i], &o->columns[i], err);
    }
    mlo_str_add(out, "]}");
    return rc;
}

/* ---- reading ---- */

static int malformed(struct mlo_err *err, const char *key)
{
    return mlo_fail(err, MLO_EINVALID, "'%s' of the outcome is malformed", key);
}

/* Exactly n counts; their sum, which does not overflow. */
static int get_counts(const cJSON *o, const char *key, uint64_t *counts, size_t n, uint64_t *ret_sum,
                      struct mlo_err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, key), *e;
    uint64_t sum = 0;
    size_t i = 0;
    cJSON_ArrayForEach(e, list)
    {
        double v = e->valuedouble;
        if (!cJSON_IsNumber(e) || i == n || !(v >= 0) || v > MLO_PROFILE_COUNT_MAX || v != floor(v))
            return malformed(err, key);
        counts[i] = (uint64_t)v;
        if (!mlo_add_u64(sum, counts[i++], &sum))
            return malformed(err, key);
    }
    if (!cJSON_IsArray(list) || i != n)
        return malformed(err, key);
    *ret_sum = sum;
    return 0;
}

static int get_classes(const cJSON *json, struct mlo_outcome *o, struct mlo_err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, "classes"), *e;
    size_t n = 0;
    uint64_t sum = 0;
    const char *names[MLO_OUTCOME_CLASSES_MAX];
    cJSON_ArrayForEach(e, list)
    {
        if (!cJSON_IsString(e) || n == MLO_OUTCOME_CLASSES_MAX ||
            strlen(e->valuestring) > MLO_CATEGORY_TEXT_MAX ||
            (n > 0 && strcmp(names[n - 1], e->valuestring) >= 0))
            return malformed(err, "classes");
        names[n++] = e->valuestring;
    }
    MLO_AUTOFREE uint64_t *counts = mlo_calloc(n * n + 1, sizeof *counts, err);
    if (!counts)
        return MLO_EIO;
    int rc = get_counts(json, "confusion", counts, n * n, &sum, err);
    for (size_t i = 0; rc == 0 && i < n * n; i++) {
        struct mlo_slice label = {names[i / n], strlen(names[i / n])},
                         prediction = {names[i % n], strlen(names[i % n])};
        rc = mlo_outcome_confuse(o, label, prediction, counts[i], err);
    }
    return rc == 0 && sum != o->judged && !o->by_score ? malformed(err, "confusion") : rc;
}

static int get_sums(const cJSON *json, struct mlo_outcome_bins *b, size_t bins, struct mlo_err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, "score_sums"), *e;
    size_t i = 0;
    cJSON_ArrayForEach(e, list)
    {
        int rc = i < bins ? mlo_profile_sum_of(cJSON_GetStringValue(e), "score_sums", &b->sums[i], err)
                          : malformed(err, "score_sums");
        if (rc != 0)
            return rc;
        i++;
    }
    return i == bins ? 0 : malformed(err, "score_sums");
}

static int get_bins(const cJSON *json, struct mlo_outcome *o, size_t bins, struct mlo_err *err)
{
    uint64_t yes = 0, no = 0, taken, left;
    int rc = mlo_outcome_bins_room(o, bins, err);
    if (rc == 0)
        rc = get_counts(json, "yes", o->bins.yes, bins, &yes, err);
    if (rc == 0)
        rc = get_counts(json, "no", o->bins.no, bins, &no, err);
    if (rc == 0)
        rc = get_counts(json, "taken", o->bins.taken, bins, &taken, err);
    if (rc == 0)
        rc = get_counts(json, "left", o->bins.left, bins, &left, err);
    if (rc == 0)
        rc = get_sums(json, &o->bins, bins, err);
    if (rc == 0)
        rc = mlo_json_u64(json, "scored", &o->scored, err);
    if (rc == 0)
        rc = mlo_profile_get_sum(json, "brier", &o->brier, err);
    if (rc == 0)
        rc = mlo_profile_get_sum(json, "brier_squares", &o->brier2, err);
    return rc == 0 && o->scored > yes + no ? malformed(err, "scored") : rc;
}

static int get_errors(const cJSON *json, struct mlo_outcome *o, struct mlo_err *err)
{
    int rc = mlo_profile_get_double(json, "large", 0, &o->large, err);
    if (rc == 0)
        rc = mlo_json_u64(json, "measured", &o->measured, err);
    if (rc == 0)
        rc = mlo_profile_get_sum(json, "error", &o->error, err);
    if (rc == 0)
        rc = mlo_profile_get_sum(json, "absolute", &o->absolute, err);
    if (rc == 0)
        rc = mlo_profile_get_sum(json, "squares", &o->squares, err);
    if (rc == 0)
        rc = mlo_profile_get_sum(json, "fourth", &o->fourth, err);
    return rc == 0 && o->measured > o->judged ? malformed(err, "measured") : rc;
}

static int get_texts(const cJSON *json, const char *key, struct mlo_categories *c, uint64_t *ret_sum,
                     struct mlo_err *err)
{
    const cJSON *k = cJSON_GetObjectItemCaseSensitive(json, key);
    uint64_t sum = 0;
    int rc = k ? mlo_profile_get_categories(k, c, err) : malformed(err, key);
    for (size_t i = 0; rc == 0 && i < c->cap; i++)
        if (c->slots[i].text && !mlo_add_u64(sum, c->slots[i].count, &sum))
            rc = malformed(err, key);
    if (rc == 0 && !mlo_add_u64(sum, c->left_out, ret_sum))
        rc = malformed(err, key);
    return rc;
}

static int get_column(const cJSON *json, const struct mlo_profile_column *c, struct mlo_outcome *o, size_t i,
                      struct mlo_err *err)
{
    struct mlo_outcome_column *k = &o->columns[i];
    uint64_t right = 0, wrong = 0;
    size_t bins = mlo_outcome_n_bins(c);
    if (!k->counted)
        return cJSON_IsNull(json) ? 0 : malformed(err, "columns");
    int rc = mlo_json_u64(json, "missing_right", &k->missing_right, err);
    if (rc == 0)
        rc = mlo_json_u64(json, "missing_wrong", &k->missing_wrong, err);
    if (rc == 0)
        rc = k->right ? get_counts(json, "right", k->right, bins, &right, err)
                      : get_texts(json, "right", &k->rights, &right, err);
    if (rc == 0)
        rc = k->wrong ? get_counts(json, "wrong", k->wrong, bins, &wrong, err)
                      : get_texts(json, "wrong", &k->wrongs, &wrong, err);
    if (rc == 0 && (o->right - k->missing_right != right || o->judged - o->right - k->missing_wrong != wrong))
        rc = malformed(err, "columns");
    return rc;
}

static int get_columns(const cJSON *json, const struct mlo_profile *p, struct mlo_outcome *o,
                       struct mlo_err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, "columns"), *e;
    size_t i = 0;
    o->columns = mlo_calloc(p->n_columns + 1, sizeof *o->columns, err);
    if (!o->columns)
        return MLO_EIO;
    o->n_columns = p->n_columns;
    cJSON_ArrayForEach(e, list)
    {
        int rc = i < p->n_columns ? mlo_outcome_room(o, p, i, err) : malformed(err, "columns");
        if (rc == 0)
            rc = get_column(e, &p->columns[i], o, i, err);
        if (rc != 0)
            return rc;
        i++;
    }
    return i == p->n_columns ? 0 : malformed(err, "columns");
}

static int get_place(const cJSON *json, const struct mlo_profile *p, const char *key, size_t *ret,
                     struct mlo_err *err)
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(json, key);
    *ret = MLO_OUTCOME_NO_COLUMN;
    if (cJSON_IsNull(name))
        return 0;
    for (size_t i = 0; cJSON_IsString(name) && i < p->n_columns; i++)
        if (strcmp(p->columns[i].name, name->valuestring) == 0) {
            *ret = i;
            return 0;
        }
    return malformed(err, key);
}

static int get_head(const cJSON *json, const struct mlo_profile *p, struct mlo_outcome *o,
                    struct mlo_err *err)
{
    const char *kind = mlo_json_text(json, "kind"), *positive = mlo_json_text(json, "positive");
    bool numbers = kind && strcmp(kind, kind_names[MLO_OUTCOME_NUMBERS]) == 0;
    if (!kind || (!numbers && strcmp(kind, kind_names[MLO_OUTCOME_CLASSES]) != 0))
        return malformed(err, "kind");
    o->kind = numbers ? MLO_OUTCOME_NUMBERS : MLO_OUTCOME_CLASSES;
    o->by_score = mlo_json_true(json, "by_score");
    if (positive && !(o->positive = mlo_strdup(positive, err)))
        return MLO_EIO;
    int rc = mlo_json_u64(json, "judged", &o->judged, err);
    if (rc == 0)
        rc = mlo_json_u64(json, "right", &o->right, err);
    if (rc == 0)
        rc = get_place(json, p, "label", &o->label, err);
    if (rc == 0)
        rc = get_place(json, p, "prediction", &o->prediction, err);
    if (rc == 0)
        rc = get_place(json, p, "score", &o->score, err);
    return rc == 0 && o->right > o->judged ? malformed(err, "right") : rc;
}

static int get_outcome(const cJSON *json, const struct mlo_profile *p, struct mlo_outcome *o,
                       struct mlo_err *err)
{
    int rc = get_head(json, p, o, err);
    if (rc != 0)
        return rc;
    if (o->kind == MLO_OUTCOME_NUMBERS)
        rc = get_errors(json, o, err);
    else if (cJSON_GetObjectItemCaseSensitive(json, "classes"))
        rc = get_classes(json, o, err);
    else
        o->many = true;
    if (rc == 0 && o->score < p->n_columns && cJSON_GetObjectItemCaseSensitive(json, "yes"))
        rc = o->positive && p->columns[o->score].counts
                 ? get_bins(json, o, mlo_outcome_n_bins(&p->columns[o->score]), err)
                 : malformed(err, "score");
    return rc == 0 ? get_columns(json, p, o, err) : rc;
}

int mlo_outcome_read(const cJSON *json, struct mlo_profile *p, struct mlo_err *err)
{
    if (!json)
        return 0;
    p->outcome = mlo_calloc(1, sizeof *p->outcome, err);
    return p->outcome ? get_outcome(json, p, p->outcome, err) : MLO_EIO;
}

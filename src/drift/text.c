/*
 * The profile's file: one JSON document, the same bytes for the same profile (docs/profile-format.md).
 * Numbers are written so that they read back as the same double; exact sums as their pieces in hexadecimal.
 */
#include "outcome.h"
#include "text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include <mlopsctl/base/decimal.h>
#include <mlopsctl/base/number.h>
#include <mlopsctl/base/text.h>

#define PROFILE_SCHEMA 1
#define PROFILE_MAX    ((size_t)1 << 30)
#define COLUMN_DEPTH   3 /* of what stands in a column: document, list of columns, column */
#define SUM_LIMBS      (sizeof(((struct mlo_exact_sum *)0)->limb) / sizeof(uint64_t))

/* ---- writing ---- */

void mlo_profile_put_double(struct mlo_str *out, double v)
{
    char text[MLO_DOUBLE_TEXT];
    if (isfinite(v))
        mlo_str_addn(out, text, mlo_double_digits(v, text));
    else
        mlo_str_add(out, "null");
}

void mlo_profile_put_text(struct mlo_str *out, const char *s, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    bool valid = mlo_utf8_valid(s, n);
    mlo_str_addc(out, '"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == '"' || c == '\\') {
            mlo_str_addc(out, '\\');
            mlo_str_addc(out, (char)c);
        } else if (c < 0x20 || c == 0x7f) {
            mlo_str_addf(out, "\\u00%c%c", hex[c >> 4], hex[c & 15]);
        } else if (c >= 0x80 && !valid) {
            mlo_str_add(out, "\\ufffd");
        } else {
            mlo_str_addc(out, (char)c);
        }
    }
    mlo_str_addc(out, '"');
}

/* The pieces that are not zero, as "place:value". */
void mlo_profile_put_sum(struct mlo_str *out, const struct mlo_exact_sum *sum)
{
    struct mlo_exact_sum s = {0};
    const char *comma = "";
    mlo_exact_sum_merge(&s, sum); /* carries passed on: one spelling */
    mlo_str_addc(out, '"');
    for (size_t i = 0; i < SUM_LIMBS; i++)
        if (s.limb[i]) {
            mlo_str_addf(out, "%s%zx:%" PRIx64, comma, i, s.limb[i]);
            comma = ",";
        }
    mlo_str_addc(out, '"');
}

static void put_sketch(struct mlo_str *out, const char *key, const struct mlo_sketch *s)
{
    struct mlo_bucket buckets[MLO_SKETCH_BUCKETS];
    size_t n = mlo_sketch_buckets(s, buckets);
    if (n == 0)
        return;
    mlo_str_addf(out, ",\"%s\":[%u", key, s->level);
    for (size_t i = 0; i < n; i++)
        mlo_str_addf(out, ",%" PRIu32 ",%" PRIu64, buckets[i].id, buckets[i].count);
    mlo_str_addc(out, ']');
}

static void put_numbers(struct mlo_str *out, const struct mlo_profile_column *c)
{
    mlo_str_addf(out, ",\"each_value\":%s,\"edges\":[", c->bins.each_value ? "true" : "false");
    for (size_t i = 0; i < c->bins.n_edges; i++) {
        mlo_str_add(out, i ? "," : "");
        mlo_profile_put_double(out, c->bins.edges[i]);
    }
    mlo_str_add(out, "],\"counts\":[");
    for (size_t i = 0; i <= c->bins.n_edges; i++)
        mlo_str_addf(out, "%s%" PRIu64, i ? "," : "", c->counts[i]);
    mlo_str_addc(out, ']');
    put_sketch(out, "below", &c->below);
    put_sketch(out, "above", &c->above);
    mlo_str_add(out, ",\"centre\":");
    mlo_profile_put_double(out, c->centre);
    mlo_str_add(out, ",\"sum\":");
    mlo_profile_put_sum(out, &c->sum);
    mlo_str_add(out, ",\"squares\":");
    mlo_profile_put_sum(out, &c->squares);
    mlo_str_add(out, ",\"min\":");
    mlo_profile_put_double(out, c->min);
    mlo_str_add(out, ",\"max\":");
    mlo_profile_put_double(out, c->max);
}

int mlo_profile_put_categories(struct mlo_str *out, const struct mlo_categories *c, struct mlo_err *err)
{
    MLO_AUTOFREE const struct mlo_category **list = NULL;
    int rc = mlo_categories_sorted(c, &list, err);
    if (rc != 0)
        return rc;
    mlo_str_addf(
        out, ",\"overflowed\":%s,\"threshold\":\"%016" PRIx64 "\",\"left_out\":%" PRIu64 ",\"categories\":[",
        c->overflowed ? "true" : "false", c->threshold, c->left_out);
    for (size_t i = 0; i < c->count; i++) {
        size_t stored = strlen(list[i]->text);
        mlo_str_add(out, i ? ",[" : "[");
        mlo_profile_put_text(out, list[i]->text, stored);
        mlo_str_addf(out, ",%" PRIu64 ",\"%016" PRIx64 "\",%" PRIu32 "]", list[i]->count, list[i]->hash,
                     list[i]->length);
    }
    mlo_str_addc(out, ']');
    return 0;
}

static int put_column(struct mlo_str *out, const struct mlo_profile_column *c, struct mlo_err *err)
{
    int rc = 0;
    mlo_str_add(out, "{\"name\":");
    mlo_profile_put_text(out, c->name, strlen(c->name));
    if (c->role != MLO_ROLE_FEATURE)
        mlo_str_addf(out, ",\"role\":\"%s\"", mlo_role_word(c->role));
    mlo_str_addf(out,
                 ",\"type\":\"%s\",\"integral\":%s,\"n\":%" PRIu64 ",\"missing\":%" PRIu64 ",\"nan\":%" PRIu64
                 ",\"bad\":%" PRIu64,
                 mlo_column_type_words[c->type], c->integral ? "true" : "false", c->n, c->missing, c->nan,
                 c->bad);
    if (c->type == MLO_COLUMN_TEXT)
        rc = mlo_profile_put_categories(out, &c->categories, err);
    else
        put_numbers(out, c);
    mlo_str_addc(out, '}');
    return rc;
}

int mlo_profile_write(const struct mlo_profile *p, struct mlo_str *out, struct mlo_err *err)
{
    mlo_str_addf(out,
                 "{\"schema\":%d,\"kind\":\"mlopsctl-profile\",\"rows\":%" PRIu64 ",\"ragged\":%" PRIu64
                 ",\"columns\":[",
                 PROFILE_SCHEMA, p->rows, p->ragged);
    for (size_t i = 0; i < p->n_columns; i++) {
        mlo_str_add(out, i ? ",\n" : "\n");
        int rc = put_column(out, &p->columns[i], err);
        if (rc != 0)
            return rc;
    }
    mlo_str_addc(out, ']');
    int rc = mlo_outcome_write(p, out, err);
    mlo_str_add(out, "}\n");
    return rc != 0 ? rc : mlo_str_check(out, err);
}

/* ---- reading ---- */

static int get_u64(const cJSON *o, const char *key, uint64_t *ret, struct mlo_err *err)
{
    return mlo_json_u64(o, key, ret, err);
}

static int get_type(const cJSON *o, enum mlo_column_type *ret, struct mlo_err *err)
{
    const char *name = mlo_json_text(o, "type");
    for (size_t i = 0; name && i < MLO_COLUMN_TYPES; i++)
        if (strcmp(mlo_column_type_words[i], name) == 0) {
            *ret = (enum mlo_column_type)i;
            return 0;
        }
    return mlo_fail(err, MLO_EINVALID, "has a column of no known type");
}

static int get_hex(const char *text, uint64_t *ret, struct mlo_err *err)
{
    char *end;
    if (!text || strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
        return mlo_fail(err, MLO_EINVALID, "a hash is no hexadecimal number of 16 digits");
    *ret = strtoull(text, &end, 16);
    return 0;
}

int mlo_profile_get_sum(const cJSON *o, const char *key, struct mlo_exact_sum *ret, struct mlo_err *err)
{
    return mlo_profile_sum_of(mlo_json_text(o, key), key, ret, err);
}

int mlo_profile_sum_of(const char *p, const char *key, struct mlo_exact_sum *ret, struct mlo_err *err)
{
    struct mlo_exact_sum s = {0};
    while (p && *p) {
        char *end;
        unsigned long long at = strtoull(p, &end, 16);
        if (end == p || *end != ':' || at >= SUM_LIMBS)
            return mlo_fail(err, MLO_EINVALID, "'%s' is malformed", key);
        p = end + 1;
        s.limb[at] = strtoull(p, &end, 16);
        if (end == p || (*end && *end != ',') || (at + 1 < SUM_LIMBS && s.limb[at] > UINT32_MAX))
            return mlo_fail(err, MLO_EINVALID, "'%s' is malformed", key);
        p = *end ? end + 1 : end;
    }
    *ret = s;
    return p ? 0 : mlo_fail(err, MLO_EINVALID, "has no '%s'", key);
}

int mlo_profile_get_double(const cJSON *o, const char *key, double missing, double *ret, struct mlo_err *err)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    if (!v || (!cJSON_IsNumber(v) && !cJSON_IsNull(v)))
        return mlo_fail(err, MLO_EINVALID, "'%s' is no number", key);
    *ret = cJSON_IsNumber(v) ? v->valuedouble : missing;
    return 0;
}

/* ---- lists of numbers ----
 *
 * Nearly all of a file are the edges, counts and sketches of its columns. They are read in the pass that
 * looks at the syntax and never become nodes: the member's value becomes its place among the lists. */

struct lists {
    double *numbers; /* of all lists, one after the other */
    size_t n, cap;
    size_t *ends; /* of each list, in numbers */
    size_t n_lists, cap_lists;
};

static void release(struct lists *l)
{
    free(l->numbers);
    free(l->ends);
}

/* The list that the member stands for; NULL: there is none. */
static const double *list_of(const struct lists *l, const cJSON *o, const char *key, size_t *ret_n)
{
    const cJSON *place = cJSON_GetObjectItemCaseSensitive(o, key);
    size_t i = cJSON_IsNumber(place) ? (size_t)place->valuedouble : SIZE_MAX;
    if (i >= l->n_lists)
        return NULL;
    size_t from = i > 0 ? l->ends[i - 1] : 0;
    *ret_n = l->ends[i] - from;
    return l->numbers + from;
}

/* After the member's name. */
static int take_list(struct lists *l, struct mlo_jpull *j, struct mlo_err *err)
{
    enum mlo_jtok tok;
    int rc = mlo_jpull_next(j, &tok, err);
    if (rc == 0 && tok != MLO_J_ARRAY)
        rc = mlo_fail(err, MLO_EINVALID, "edges, counts and sketches must be lists");
    while (rc == 0 && (rc = mlo_jpull_next(j, &tok, err)) == 0 && tok != MLO_J_ARRAY_END) {
        if (l->n == l->cap)
            rc = mlo_grow(&l->numbers, &l->cap, l->n + 1, sizeof *l->numbers, err);
        if (rc == 0 &&
            (tok != MLO_J_NUMBER || !mlo_decimal_read(j->text, j->text + j->len, &l->numbers[l->n++])))
            rc = mlo_fail(err, MLO_EINVALID, "a list of numbers holds something else");
    }
    if (rc == 0)
        rc = mlo_grow(&l->ends, &l->cap_lists, l->n_lists + 1, sizeof *l->ends, err);
    if (rc == 0)
        l->ends[l->n_lists++] = l->n;
    return rc;
}

/* A name in an object of a list of the outermost object: of a column. */
static bool is_list_name(const struct mlo_jpull *j)
{
    static const char *const names[] = {"edges", "counts", "below", "above"};
    for (size_t i = 0; j->depth == COLUMN_DEPTH && i < MLO_COUNT(names); i++)
        if (strlen(names[i]) == j->len && memcmp(j->text, names[i], j->len) == 0)
            return true;
    return false;
}

/* `out`: the document with places instead of lists. */
static int lift_lists(struct lists *l, const char *text, size_t n, struct mlo_str *out, struct mlo_err *err)
{
    struct mlo_jpull j;
    enum mlo_jtok tok;
    const char *from = text;
    mlo_jpull_init(&j, text, n);
    for (;;) {
        int rc = mlo_jpull_next(&j, &tok, err);
        if (rc != 0)
            return rc;
        if (tok == MLO_J_END)
            break;
        if (tok != MLO_J_KEY)
            continue;
        if (j.escaped && j.depth == COLUMN_DEPTH) /* could be one of them after all */
            return mlo_fail(err, MLO_EINVALID, "a member of a column has no plain name");
        if (!is_list_name(&j))
            continue;
        mlo_str_addn(out, from, (size_t)(j.p - from));
        mlo_str_addf(out, "%zu", l->n_lists);
        rc = take_list(l, &j, err);
        if (rc != 0)
            return rc;
        from = j.p;
    }
    mlo_str_addn(out, from, (size_t)(text + n - from));
    return mlo_str_check(out, err);
}

static int get_edges(const cJSON *o, const struct lists *l, struct mlo_profile_column *c, struct mlo_err *err)
{
    size_t n = 0;
    double centre = 0;
    const double *edges = list_of(l, o, "edges", &n);
    bool good = n < MLO_PROFILE_BINS_MAX;
    for (size_t i = 0; good && i < n; i++)
        good = isfinite(edges[i]) && (i == 0 || edges[i] > edges[i - 1]);
    if (!good)
        return mlo_fail(err, MLO_EINVALID, "edges do not ascend, or are too many");
    if (!edges)
        return mlo_fail(err, MLO_EINVALID, "has no edges");
    const struct mlo_bins bins = {.edges = (double *)(uintptr_t)edges, /* only read */
                                  .n_edges = n,
                                  .each_value = mlo_json_true(o, "each_value")};
    int rc = mlo_profile_get_double(o, "centre", 0, &centre, err);
    return rc == 0 ? mlo_profile_set_bins(c, &bins, centre, err) : rc;
}

static int get_counts(const cJSON *o, const struct lists *l, struct mlo_profile_column *c,
                      struct mlo_err *err)
{
    uint64_t sum = 0;
    size_t n = 0;
    const double *counts = list_of(l, o, "counts", &n);
    if (!counts || n != c->bins.n_edges + 1)
        return mlo_fail(err, MLO_EINVALID, "there are not as many counts as bins");
    for (size_t i = 0; i < n; i++) {
        if (!(counts[i] >= 0 && counts[i] <= MLO_PROFILE_COUNT_MAX) || counts[i] != floor(counts[i]))
            return mlo_fail(err, MLO_EINVALID, "counts are malformed");
        c->counts[i] = (uint64_t)counts[i];
        sum += c->counts[i];
    }
    return sum == c->n ? 0 : mlo_fail(err, MLO_EINVALID, "counts do not add up");
}

static bool is_whole(double v, double max)
{
    return v >= 0 && v <= max && v == floor(v);
}

/* [level, id, count, id, count, ...]; no member: nothing is known. */
static int get_sketch(const cJSON *o, const struct lists *l, const char *key, uint64_t most,
                      struct mlo_sketch *ret, struct mlo_err *err)
{
    struct mlo_bucket buckets[MLO_SKETCH_BUCKETS];
    size_t length = 0, n = 0;
    const double *list = list_of(l, o, key, &length);
    if (!list && !cJSON_GetObjectItemCaseSensitive(o, key))
        return 0;
    bool valid = list && length % 2 == 1 && length / 2 <= MLO_SKETCH_BUCKETS && is_whole(list[0], UINT32_MAX);
    for (size_t i = 1; valid && i < length; i += 2) {
        valid = is_whole(list[i], UINT32_MAX) && is_whole(list[i + 1], MLO_PROFILE_COUNT_MAX);
        if (valid)
            buckets[n++] = (struct mlo_bucket){.id = (uint32_t)list[i], .count = (uint64_t)list[i + 1]};
    }
    int rc = valid ? mlo_sketch_restore(ret, (unsigned)list[0], buckets, n, err)
                   : mlo_fail(err, MLO_EINVALID, "the buckets are malformed");
    if (rc == 0 && ret->n > most)
        rc = mlo_fail(err, MLO_EINVALID, "they do not add up");
    return rc != 0 ? mlo_wrap(err, "'%s'", key) : 0;
}

static int get_numbers(const cJSON *o, const struct lists *l, struct mlo_profile_column *c,
                       struct mlo_err *err)
{
    int rc = get_edges(o, l, c, err);
    if (rc == 0)
        rc = get_counts(o, l, c, err);
    if (rc == 0)
        rc = get_sketch(o, l, "below", c->counts[0], &c->below, err);
    if (rc == 0)
        rc = get_sketch(o, l, "above", c->counts[c->bins.n_edges], &c->above, err);
    if (rc == 0)
        rc = mlo_profile_get_sum(o, "sum", &c->sum, err);
    if (rc == 0)
        rc = mlo_profile_get_sum(o, "squares", &c->squares, err);
    if (rc == 0)
        rc = mlo_profile_get_double(o, "min", INFINITY, &c->min, err);
    return rc != 0 ? rc : mlo_profile_get_double(o, "max", -INFINITY, &c->max, err);
}

/* [text, count, hash, length]: of a text that was cut, length and hash are those of the whole. */
static int get_category(const cJSON *row, struct mlo_categories *c, struct mlo_err *err)
{
    const cJSON *text = cJSON_GetArrayItem(row, 0), *count = cJSON_GetArrayItem(row, 1),
                *hash = cJSON_GetArrayItem(row, 2), *length = cJSON_GetArrayItem(row, 3);
    uint64_t h = 0;
    if (!cJSON_IsString(text) || !cJSON_IsNumber(count) || !cJSON_IsNumber(length) ||
        count->valuedouble < 1 || count->valuedouble > MLO_PROFILE_COUNT_MAX || length->valuedouble < 0 ||
        length->valuedouble > UINT32_MAX)
        return mlo_fail(err, MLO_EINVALID, "a category is malformed");
    int rc = get_hex(cJSON_GetStringValue(hash), &h, err);
    return rc != 0 ? rc
                   : mlo_categories_restore(c, h, text->valuestring, (uint32_t)length->valuedouble,
                                            (uint64_t)count->valuedouble, err);
}

int mlo_profile_get_categories(const cJSON *o, struct mlo_categories *k, struct mlo_err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, "categories"), *e;
    size_t n = 0;
    k->overflowed = mlo_json_true(o, "overflowed");
    int rc = get_hex(mlo_json_text(o, "threshold"), &k->threshold, err);
    if (rc == 0)
        rc = get_u64(o, "left_out", &k->left_out, err);
    cJSON_ArrayForEach(e, list)
    {
        if (rc == 0 && ++n > MLO_PROFILE_CATEGORIES_MAX)
            rc = mlo_fail(err, MLO_EINVALID, "more than %zu categories", MLO_PROFILE_CATEGORIES_MAX);
        if (rc == 0)
            rc = get_category(e, k, err);
    }
    return rc;
}

static int get_role(const cJSON *o, enum mlo_column_role *ret, struct mlo_err *err)
{
    if (!cJSON_GetObjectItemCaseSensitive(o, "role") || mlo_role_parse(mlo_json_text(o, "role"), ret))
        return 0;
    return mlo_fail(err, MLO_EINVALID, "has a column of no known role");
}

static int get_column(const cJSON *o, const struct lists *l, struct mlo_profile_column *c,
                      struct mlo_err *err)
{
    c->integral = mlo_json_true(o, "integral");
    int rc = get_role(o, &c->role, err);
    if (rc == 0)
        rc = get_u64(o, "n", &c->n, err);
    if (rc == 0)
        rc = get_u64(o, "missing", &c->missing, err);
    if (rc == 0)
        rc = get_u64(o, "nan", &c->nan, err);
    if (rc == 0)
        rc = get_u64(o, "bad", &c->bad, err);
    if (rc != 0)
        return rc;
    return c->type == MLO_COLUMN_TEXT ? mlo_profile_get_categories(o, &c->categories, err)
                                      : get_numbers(o, l, c, err);
}

static int get_shape(const cJSON *list, struct mlo_profile **ret, struct mlo_err *err)
{
    size_t n = (size_t)cJSON_GetArraySize(list), i = 0;
    MLO_AUTOFREE struct mlo_table_column *columns = mlo_calloc(n + 1, sizeof *columns, err);
    const cJSON *o;
    if (!columns)
        return MLO_EIO;
    cJSON_ArrayForEach(o, list)
    {
        const char *name = mlo_json_text(o, "name");
        int rc = name ? get_type(o, &columns[i].type, err)
                      : mlo_fail(err, MLO_EINVALID, "has a column without name");
        if (rc != 0)
            return rc;
        columns[i].name = cJSON_GetObjectItemCaseSensitive(o, "name")->valuestring;
        i++;
    }
    return mlo_profile_new(columns, n, ret, err);
}

static int get_profile(const cJSON *doc, const struct lists *l, struct mlo_profile **ret, struct mlo_err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(doc, "columns"), *o;
    const char *kind = mlo_json_text(doc, "kind");
    struct mlo_profile *p = NULL;
    uint64_t schema = 0;
    size_t i = 0;
    if (!kind || strcmp(kind, "mlopsctl-profile") != 0 || !cJSON_IsArray(list))
        return mlo_fail(err, MLO_EINVALID, "is no profile");
    int rc = get_u64(doc, "schema", &schema, err);
    if (rc == 0 && schema != PROFILE_SCHEMA)
        return mlo_fail(err, MLO_EUNAVAIL, "schema %" PRIu64 " is not known; this program reads %d", schema,
                        PROFILE_SCHEMA);
    if (rc == 0)
        rc = get_shape(list, &p, err);
    if (rc == 0)
        rc = get_u64(doc, "rows", &p->rows, err);
    if (rc == 0)
        rc = get_u64(doc, "ragged", &p->ragged, err);
    cJSON_ArrayForEach(o, list)
    {
        if (rc == 0)
            rc = get_column(o, l, &p->columns[i], err);
        if (rc == 0)
            i++;
    }
    if (rc == 0)
        rc = mlo_outcome_read(cJSON_GetObjectItemCaseSensitive(doc, "outcome"), p, err);
    if (rc != 0) {
        mlo_profile_free(p);
        return rc;
    }
    *ret = p;
    return 0;
}

int mlo_profile_read(const char *text, size_t n, struct mlo_profile **ret, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = NULL;
    MLO_AUTOSTR struct mlo_str small;
    struct lists lists = {0};
    mlo_str_init(&small, PROFILE_MAX);
    int rc = n > PROFILE_MAX ? mlo_fail(err, MLO_EINVALID, "%zu bytes, more than %zu", n, PROFILE_MAX)
                             : lift_lists(&lists, text, n, &small, err);
    if (rc == 0)
        rc = mlo_json_parse(small.ptr, small.len, PROFILE_MAX, &doc, err);
    if (rc == 0)
        rc = get_profile(doc, &lists, ret, err);
    release(&lists);
    return rc != 0 ? mlo_wrap(err, "profile") : 0;
}

/* Results as JSON, written and read: the histograms as pairs of bucket and count, and the blocks. */
#include <math.h>
#include <string.h>

#include <mlopsctl/base/json.h>

#include "internal.h"

#define SCHEMA     1
#define BYTES_MAX  ((size_t)64 << 20)
#define CASES_MAX  1024
#define BLOCKS_MAX 1000000

void mlo_bench_result_release(struct mlo_bench_result *r)
{
    for (size_t i = 0; i < r->n; i++)
        mlo_measured_release(&r->cases[i].measured);
    free(r->cases);
    free(r->model);
    free(r->digest);
    free(r->machine);
    free(r->tool);
    free(r->load);
    *r = (struct mlo_bench_result){0};
}

const struct mlo_bench_case *mlo_bench_result_find(const struct mlo_bench_result *r, size_t batch)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->cases[i].batch == batch)
            return &r->cases[i];
    return NULL;
}

/* ---- writing ---- */

static void add_times(cJSON *to, const struct mlo_times *t)
{
    cJSON *times = cJSON_AddObjectToObject(to, "times");
    mlo_json_add_u64(times, "sum_ns", t->sum);
    mlo_json_add_u64(times, "least_ns", t->n ? t->least : 0);
    mlo_json_add_u64(times, "most_ns", t->most);
    cJSON *buckets = cJSON_AddArrayToObject(times, "buckets");
    for (size_t i = 0; i < MLO_TIMES_BUCKETS; i++)
        if (t->counts[i] > 0) {
            double pair[] = {(double)i, (double)t->counts[i]};
            cJSON_AddItemToArray(buckets, cJSON_CreateDoubleArray(pair, 2));
        }
}

static void add_numbers(cJSON *to, const char *key, const double *x, size_t n)
{
    cJSON_AddItemToObject(to, key, cJSON_CreateDoubleArray(x, (int)n));
}

static void add_case(cJSON *cases, const struct mlo_bench_case *c)
{
    const struct mlo_measured *m = &c->measured;
    cJSON *o = cJSON_CreateObject();
    mlo_json_add_u64(o, "batch", c->batch);
    mlo_json_add_u64(o, "first_ns", m->first_ns);
    mlo_measured_json(m, o);
    add_times(o, &m->times);
    add_numbers(o, "medians_ns", m->medians, m->n_blocks);
    add_numbers(o, "means_ns", m->means, m->means ? m->n_blocks : 0);
    add_numbers(o, "controls_ns", m->controls, m->n_blocks);
    cJSON_AddItemToArray(cases, o);
}

int mlo_bench_result_write(const struct mlo_bench_result *r, struct mlo_str *out, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = cJSON_CreateObject();
    MLO_AUTOFREE char *text = NULL;
    size_t len = 0;
    mlo_json_add_u64(doc, "schema", SCHEMA);
    cJSON_AddStringToObject(doc, "model", r->model);
    cJSON_AddStringToObject(doc, "digest", r->digest);
    cJSON_AddStringToObject(doc, "machine", r->machine);
    cJSON_AddStringToObject(doc, "tool", r->tool);
    cJSON_AddStringToObject(doc, "load", r->load);
    mlo_json_add_i64(doc, "time_ns", r->time_ns);
    cJSON *cases = cJSON_AddArrayToObject(doc, "cases");
    for (size_t i = 0; i < r->n; i++)
        add_case(cases, &r->cases[i]);
    int rc = doc ? mlo_json_print(doc, &text, &len, err) : mlo_fail_nomem(err);
    if (rc == 0)
        mlo_str_addn(out, text, len);
    return rc == 0 ? mlo_str_check(out, err) : rc;
}

/* ---- reading ---- */

static int bad(const char *what, struct mlo_err *err)
{
    return mlo_fail(err, MLO_EINVALID, "no result of a benchmark: %s", what);
}

static int read_text(const cJSON *doc, const char *key, char **ret, struct mlo_err *err)
{
    const char *text = mlo_json_text(doc, key);
    *ret = text ? mlo_strdup(text, err) : NULL;
    return *ret ? 0 : text ? err->code : bad(key, err);
}

static int read_bucket(const cJSON *pair, struct mlo_times *t, struct mlo_err *err)
{
    const cJSON *bucket = cJSON_GetArrayItem(pair, 0), *count = cJSON_GetArrayItem(pair, 1);
    if (!cJSON_IsNumber(bucket) || !cJSON_IsNumber(count) || bucket->valuedouble < 0 ||
        bucket->valuedouble >= (double)MLO_TIMES_BUCKETS || count->valuedouble < 1 ||
        count->valuedouble > 0x1p53)
        return bad("a bucket", err);
    mlo_times_put(t, (size_t)bucket->valuedouble, (uint64_t)count->valuedouble);
    return 0;
}

static int read_times(const cJSON *times, struct mlo_times *t, struct mlo_err *err)
{
    const cJSON *pair;
    int rc = mlo_times_init(t, err);
    cJSON_ArrayForEach(pair, cJSON_GetObjectItem(times, "buckets"))
    {
        if (rc == 0)
            rc = read_bucket(pair, t, err);
    }
    if (rc == 0)
        rc = mlo_json_u64(times, "sum_ns", &t->sum, err);
    if (rc == 0)
        rc = mlo_json_u64(times, "most_ns", &t->most, err);
    if (rc == 0 && t->n > 0)
        rc = mlo_json_u64(times, "least_ns", &t->least, err);
    return rc;
}

static int read_numbers(const cJSON *list, size_t n, double **ret, struct mlo_err *err)
{
    const cJSON *item;
    size_t i = 0;
    double *x = *ret = mlo_calloc(n + 1, sizeof *x, err);
    if (!x)
        return err->code;
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsNumber(item) || !(item->valuedouble > 0) || i == n)
            return bad("a block", err);
        x[i++] = item->valuedouble;
    }
    return i == n ? 0 : bad("blocks without their control", err);
}

static int read_blocks(const cJSON *from, struct mlo_measured *m, struct mlo_err *err)
{
    const cJSON *medians = cJSON_GetObjectItem(from, "medians_ns"), *item;
    size_t n = 0;
    cJSON_ArrayForEach(item, medians) n++;
    if (n > BLOCKS_MAX)
        return bad("too many blocks", err);
    m->n_blocks = m->cap = m->cap_controls = n;
    int rc = read_numbers(medians, n, &m->medians, err);
    const cJSON *means = cJSON_GetObjectItem(from, "means_ns");
    if (rc == 0 && cJSON_GetArraySize(means) > 0)
        rc = read_numbers(means, n, &m->means, err);
    return rc == 0 ? read_numbers(cJSON_GetObjectItem(from, "controls_ns"), n, &m->controls, err) : rc;
}

static int read_case(const cJSON *from, struct mlo_bench_case *c, struct mlo_err *err)
{
    struct mlo_measured *m = &c->measured;
    const cJSON *seconds = cJSON_GetObjectItem(from, "seconds");
    uint64_t batch = 0, repeat = 0;
    int rc = mlo_json_u64(from, "batch", &batch, err);
    if (rc == 0)
        rc = mlo_json_u64(from, "requests", &m->requests, err);
    if (rc == 0)
        rc = mlo_json_u64(from, "failures", &m->failures, err);
    if (rc == 0)
        rc = mlo_json_u64(from, "first_ns", &m->first_ns, err);
    if (rc == 0)
        rc = mlo_json_u64(from, "repeat", &repeat, err);
    if (rc == 0)
        rc = read_times(cJSON_GetObjectItem(from, "times"), &m->times, err);
    if (rc == 0)
        rc = read_blocks(from, m, err);
    if (rc == 0 && (!cJSON_IsNumber(seconds) || !(seconds->valuedouble >= 0)))
        rc = bad("seconds", err);
    if (rc != 0)
        return rc;
    c->batch = (size_t)batch;
    m->repeat = repeat > UINT32_MAX ? UINT32_MAX : (unsigned)repeat;
    m->seconds = seconds->valuedouble;
    m->steady = mlo_json_true(from, "steady");
    m->stopped = mlo_json_true(from, "stopped");
    mlo_measured_from_json(from, m);
    return 0;
}

static int read_cases(const cJSON *doc, struct mlo_bench_result *r, struct mlo_err *err)
{
    const cJSON *item;
    int rc = 0;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(doc, "cases"))
    {
        if (r->n == CASES_MAX)
            return bad("too many cases", err);
        rc = mlo_grow(&r->cases, &r->cap, r->n + 1, sizeof *r->cases, err);
        if (rc != 0)
            return rc;
        r->cases[r->n++] = (struct mlo_bench_case){0};
        rc = read_case(item, &r->cases[r->n - 1], err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int read_result(const cJSON *doc, struct mlo_bench_result *r, struct mlo_err *err)
{
    uint64_t schema = 0;
    const cJSON *time = cJSON_GetObjectItem(doc, "time_ns");
    int rc = mlo_json_u64(doc, "schema", &schema, err);
    if (rc == 0 && schema > SCHEMA)
        return mlo_fail(err, MLO_EUNAVAIL, "a result of a newer mlopsctl (schema %llu)",
                        (unsigned long long)schema);
    const struct {
        const char *key;
        char **to;
    } texts[] = {{"model", &r->model},
                 {"digest", &r->digest},
                 {"machine", &r->machine},
                 {"tool", &r->tool},
                 {"load", &r->load}};
    for (size_t i = 0; rc == 0 && i < MLO_COUNT(texts); i++)
        rc = read_text(doc, texts[i].key, texts[i].to, err);
    bool is_time = cJSON_IsNumber(time) && fabs(time->valuedouble) < 0x1p63;
    r->time_ns = is_time ? (int64_t)time->valuedouble : 0;
    return rc == 0 ? read_cases(doc, r, err) : rc;
}

int mlo_bench_result_read(const char *text, size_t n, struct mlo_bench_result *ret, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = NULL;
    struct mlo_bench_result r = {0};
    int rc = mlo_json_parse(text, n, BYTES_MAX, &doc, err);
    if (rc == 0)
        rc = read_result(doc, &r, err);
    if (rc != 0)
        mlo_bench_result_release(&r);
    else
        *ret = r;
    return rc;
}

/* Rows of a table to the inputs of a model and its outputs to rows, without files of rows. */
#include <math.h>
#include <string.h>

#include <mlopsctl/base/mem.h>
#include <mlopsctl/predict.h>

#include "tap.h"

#define PIPELINES "tests/golden/onnx/pipelines/"

static struct mlo_plan *open_plan(const char *name)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_plan *p = NULL;
    char path[256];
    snprintf(path, sizeof path, PIPELINES "%s/model.onnx", name);
    check_ok(mlo_plan_open(path, NULL, &p, &err), &err);
    return p;
}

static struct mlo_table_column column(const char *name, enum mlo_column_type type)
{
    return (struct mlo_table_column){.name = (char *)(uintptr_t)name, .type = type};
}

/* ---- features ---- */

static void a_model_with_an_input_for_each_column_names_them(void)
{
    struct mlo_plan *p = open_plan("columns-forest");
    struct mlo_features f = {0};
    struct mlo_err err = MLO_ERR_INIT;
    if (check_ok(mlo_features_find(p, NULL, 0, &f, &err), &err)) {
        check_int(f.n, 4);
        check_str(f.list[0].name, "a");
        check(f.list[0].dtype == MLO_DT_F32 && f.list[3].dtype == MLO_DT_STRING && f.rows == 0, "types");
    }
    mlo_features_release(&f);
    mlo_plan_free(p);
}

static void a_matrix_has_as_many_features_as_columns(void)
{
    static const char *const names[] = {"p", "q", "r", "s", "t", "u", "v", "w"};
    struct mlo_plan *p = open_plan("tree");
    struct mlo_features f = {0};
    struct mlo_err err = MLO_ERR_INIT;
    if (check_ok(mlo_features_find(p, NULL, 0, &f, &err), &err))
        check(f.n == 8 && !f.list[7].name && f.list[7].at == 7, "eight without names");
    mlo_features_release(&f);
    if (check_ok(mlo_features_find(p, names, 8, &f, &err), &err))
        check_str(f.list[7].name, "w");
    mlo_features_release(&f);
    check_err(mlo_features_find(p, names, 7, &f, &err), MLO_EUSAGE, &err,
              "7 names are given, but the model takes 8");
    mlo_plan_free(p);
}

/* ---- matching ---- */

static void columns_are_found_by_name_and_all_faults_are_told(void)
{
    struct mlo_plan *p = open_plan("columns-forest");
    struct mlo_table_column found[] = {column("d", MLO_COLUMN_TEXT), column("id", MLO_COLUMN_NUMBER),
                                       column("b", MLO_COLUMN_NUMBER), column("a", MLO_COLUMN_NUMBER),
                                       column("c", MLO_COLUMN_NUMBER)};
    static const char *const id[] = {"id"}, *const none[] = {"nobody"};
    struct mlo_match_opts o = {.keep = id, .n_keep = 1};
    struct mlo_features f = {0};
    struct mlo_match m = {0};
    struct mlo_err err = MLO_ERR_INIT;
    check_ok(mlo_features_find(p, NULL, 0, &f, &err), &err);
    if (check_ok(mlo_match_columns(&f, found, 5, &o, &m, &err), &err)) {
        check(m.n_features == 4 && m.n_columns == 5 && m.n_extra == 0 && !m.unnamed, "counts");
        check_str(m.columns[m.feature[0]].name, "a");
        check_str(m.columns[m.keep[0]].name, "id");
        check(m.columns[m.feature[2]].type == MLO_COLUMN_TEXT &&
                  m.columns[m.feature[0]].type == MLO_COLUMN_NUMBER,
              "a code that the model takes as text is read as text");
    }
    mlo_match_release(&m);
    o = (struct mlo_match_opts){.strict = true};
    check_err(mlo_match_columns(&f, found, 5, &o, &m, &err), MLO_EINVALID, &err, "does not take 'id'");
    found[0].name = (char *)(uintptr_t) "D";
    found[2].type = MLO_COLUMN_TEXT;
    found[3].name = (char *)(uintptr_t) "A";
    o = (struct mlo_match_opts){.keep = none, .n_keep = 1};
    check_err(mlo_match_columns(&f, found, 5, &o, &m, &err), MLO_EINVALID, &err,
              "it lacks 'a', 'd'; not only numbers are in 'b'; it has no column to keep called 'nobody'");
    mlo_features_release(&f);
    mlo_plan_free(p);
}

static void without_names_a_table_must_have_as_many_columns(void)
{
    struct mlo_plan *p = open_plan("tree");
    struct mlo_table_column found[9];
    char names[9][4];
    struct mlo_match_opts o = {0};
    struct mlo_features f = {0};
    struct mlo_match m = {0};
    struct mlo_err err = MLO_ERR_INIT;
    for (int i = 0; i < 9; i++) {
        snprintf(names[i], sizeof names[i], "c%d", i);
        found[i] = column(names[i], MLO_COLUMN_NUMBER);
    }
    check_ok(mlo_features_find(p, NULL, 0, &f, &err), &err);
    check_err(mlo_match_columns(&f, found, 7, &o, &m, &err), MLO_EINVALID, &err,
              "7 columns, but the model takes 8");
    check_err(mlo_match_columns(&f, found, 9, &o, &m, &err), MLO_EINVALID, &err,
              "9 columns, but the model takes 8");
    check(strstr(err.hint, "--features"), "%s", err.hint);
    if (check_ok(mlo_match_columns(&f, found, 8, &o, &m, &err), &err))
        check(m.unnamed && m.n_extra == 0, "taken in order");
    mlo_match_release(&m);
    o.by_position = true;
    if (check_ok(mlo_match_columns(&f, found, 9, &o, &m, &err), &err)) {
        check_int(m.n_extra, 1);
        check_str(m.extra[0], "c8");
    }
    mlo_match_release(&m);
    mlo_features_release(&f);
    mlo_plan_free(p);
}

/* ---- a whole round: two rows of the column transformer ---- */

struct scene {
    struct mlo_plan *p;
    struct mlo_features f;
    struct mlo_match m;
    struct mlo_feed *feed;
    struct mlo_session *s;
    struct mlo_answers *a;
};

static void release(struct scene *k)
{
    mlo_answers_free(k->a);
    mlo_session_free(k->s);
    mlo_feed_free(k->feed);
    mlo_match_release(&k->m);
    mlo_features_release(&k->f);
}

static double a_cells[] = {1.2791181, 0, NAN}, b_cells[] = {0, 2.2040787, INFINITY};
static const uint8_t b_states[] = {MLO_CELL_MISSING, MLO_CELL_OK, MLO_CELL_NAN};
static const uint8_t bad_states[] = {MLO_CELL_OK, MLO_CELL_BAD, MLO_CELL_OK};
static const struct mlo_slice low[] = {{"low", 3}, {"mid", 3}, {"low", 3}};
static const struct mlo_slice words[] = {{"", 0}, {"oops", 4}, {"", 0}};
static const struct mlo_batch_column cells[] = {
    {.numbers = a_cells}, {.numbers = b_cells, .cell = b_states}, {.texts = low}, {.texts = low}};
static const struct mlo_batch_column bad_cells[] = {{.numbers = a_cells, .cell = bad_states, .texts = words},
                                                    {.numbers = b_cells, .cell = bad_states, .texts = words},
                                                    {.texts = low},
                                                    {.texts = low}};

static int begin(struct scene *k, enum mlo_answer_form form, struct mlo_err *err)
{
    struct mlo_table_column found[] = {column("a", MLO_COLUMN_NUMBER), column("b", MLO_COLUMN_NUMBER),
                                       column("c", MLO_COLUMN_TEXT), column("d", MLO_COLUMN_TEXT)};
    static const char *const keep[] = {"c"};
    const struct mlo_match_opts mo = {.keep = keep, .n_keep = 1};
    const struct mlo_answer_opts ao = {form, true};
    int rc = mlo_features_find(k->p, NULL, 0, &k->f, err);
    if (rc == 0)
        rc = mlo_match_columns(&k->f, found, 4, &mo, &k->m, err);
    if (rc == 0)
        rc = mlo_feed_new(&k->f, &k->m, &k->feed, err);
    if (rc == 0)
        rc = mlo_session_new(k->p, &k->s, err);
    return rc == 0 ? mlo_answers_new(k->p, &ao, &k->a, err) : rc;
}

static int round_trip(struct scene *k, enum mlo_answer_form form, size_t n, struct mlo_str *out,
                      struct mlo_err *err)
{
    const struct mlo_batch b = {.n_rows = 3, .n_columns = 4, .columns = cells, .first_line = 2};
    const struct mlo_value *in, *answers;
    int rc = begin(k, form, err);
    if (rc == 0)
        rc = mlo_feed_rows(k->feed, &b, 0, n, &in, err);
    if (rc == 0)
        rc = mlo_session_run(k->s, in, 4, &answers, err);
    if (rc == 0)
        rc = mlo_answers_settle(k->a, &k->m, answers, n, err);
    if (rc == 0)
        rc = mlo_answers_header(k->a, &k->m, n, out, err);
    return rc == 0 ? mlo_answers_write(k->a, answers, n, &k->m, &b, 0, out, err) : rc;
}

static void rows_are_written_in_every_form(void)
{
    static const struct {
        enum mlo_answer_form form;
        const char *text;
    } forms[] = {
        {MLO_ANSWER_CSV, "c,label,proba_0,proba_1\nlow,0,0.50050"},
        {MLO_ANSWER_TSV, "c\tlabel\tproba_0\tproba_1\nlow\t0\t0.50050"},
        {MLO_ANSWER_JSONL, "{\"c\":\"low\",\"label\":0,\"proba_0\":0.50050"},
    };
    struct scene k = {.p = open_plan("columns-forest")};
    for (size_t i = 0; i < MLO_COUNT(forms); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        MLO_AUTOSTR struct mlo_str out;
        mlo_str_init(&out, MLO_STR_MAX);
        if (check_ok(round_trip(&k, forms[i].form, 1, &out, &err), &err))
            check(strncmp(out.ptr, forms[i].text, strlen(forms[i].text)) == 0, "%s", out.ptr);
        check_int(mlo_feed_missing(k.feed)[1], 1);
        release(&k);
        k = (struct scene){.p = k.p};
    }
    mlo_plan_free(k.p);
}

static void missing_is_nan_and_infinite_stays(void)
{
    struct scene k = {.p = open_plan("columns-forest")};
    const struct mlo_batch b = {.n_rows = 3, .n_columns = 4, .columns = cells, .first_line = 2};
    struct mlo_err err = MLO_ERR_INIT;
    const struct mlo_value *in;
    if (check_ok(begin(&k, MLO_ANSWER_CSV, &err), &err) &&
        check_ok(mlo_feed_rows(k.feed, &b, 0, 3, &in, &err), &err)) {
        const float *v = in[1].array.data;
        check(isnan(v[0]) && v[1] > 2.2f && isinf(v[2]), "%g %g %g", (double)v[0], (double)v[1],
              (double)v[2]);
        check(in[2].array.rank == 2 && in[2].array.dims[0] == 3 && in[2].array.dims[1] == 1, "shape");
    }
    release(&k);
    mlo_plan_free(k.p);
}

static void words_among_numbers_are_told_with_their_lines(void)
{
    struct scene k = {.p = open_plan("columns-forest")};
    const struct mlo_batch b = {
        .path = "t.csv", .n_rows = 3, .n_columns = 4, .columns = bad_cells, .first_line = 2};
    struct mlo_err err = MLO_ERR_INIT;
    const struct mlo_value *in;
    if (check_ok(begin(&k, MLO_ANSWER_CSV, &err), &err))
        check_err(mlo_feed_rows(k.feed, &b, 0, 3, &in, &err), MLO_EINVALID, &err,
                  "'t.csv' line 3: column 'a' holds 'oops', and the model takes float32; line 3: column 'b'");
    release(&k);
    mlo_plan_free(k.p);
}

static void a_regression_has_no_probabilities(void)
{
    struct mlo_plan *p = open_plan("linear");
    const struct mlo_answer_opts ao = {.probabilities = true};
    struct mlo_answers *a = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    check_err(mlo_answers_new(p, &ao, &a, &err), MLO_EUSAGE, &err, "no probabilities");
    mlo_plan_free(p);
}

/* ---- samples ---- */

static int keep_samples(struct scene *k, cJSON **ret, struct mlo_err *err)
{
    const struct mlo_batch b = {.n_rows = 3, .n_columns = 4, .columns = cells, .first_line = 2};
    const struct mlo_value *in, *out;
    int rc = begin(k, MLO_ANSWER_CSV, err);
    if (rc == 0)
        rc = mlo_feed_rows(k->feed, &b, 0, 3, &in, err);
    if (rc == 0)
        rc = mlo_session_run(k->s, in, 4, &out, err);
    MLO_AUTOJSON cJSON *doc = NULL;
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    if (rc == 0)
        rc = mlo_samples_write(k->p, "m.onnx", in, out, NULL, &doc, err);
    if (rc == 0)
        rc = mlo_json_print(doc, &text, &n, err);
    return rc == 0 ? mlo_json_parse(text, n, 1 << 20, ret, err) : rc; /* as it comes out of a bundle */
}

static void samples_are_kept_and_replayed(void)
{
    const struct mlo_tolerance stated = {(double)NAN, (double)NAN}, none = {0, 0};
    struct scene k = {.p = open_plan("columns-forest")};
    struct mlo_samples s = {0};
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOJSON cJSON *doc = NULL;
    MLO_AUTOFREE struct mlo_sample_result *r = NULL;
    size_t n = 0;
    if (check_ok(keep_samples(&k, &doc, &err), &err) && check_ok(mlo_samples_read(doc, &s, &err), &err) &&
        check_ok(mlo_samples_replay(&s, k.p, &stated, &r, &n, &err), &err)) {
        check(n == 2 && r[0].differ == 0 && r[1].differ == 0 && r[1].elements == 6, "nothing differs");
        check(r[1].tolerance.rtol > 0 && r[0].tolerance.rtol <= 0, "floats have a tolerance");
        ((float *)s.out[1].array.data)[2] += 0.125f;
        ((int64_t *)s.out[0].array.data)[0] ^= 1;
        free(mlo_steal(&r));
        if (check_ok(mlo_samples_replay(&s, k.p, &none, &r, &n, &err), &err)) {
            check_int(r[1].differ, 1);
            check(r[1].max_abs > 0.12 && r[1].max_abs < 0.13, "%g", r[1].max_abs);
            check(r[0].differ == 1 && isinf(r[0].max_abs), "a label that is another one");
        }
    }
    mlo_samples_release(&s);
    release(&k);
    mlo_plan_free(k.p);
}

static void damaged_samples_are_refused(void)
{
    static const char *const texts[] = {
        "{}",
        "{\"model\":\"m\",\"inputs\":[],\"outputs\":[]}",
        "{\"model\":\"m\",\"inputs\":[{\"name\":\"x\",\"dtype\":\"float32\",\"shape\":[2],\"data\":\"AAAA\"}]"
        ",\"outputs\":[]}",
        "{\"model\":\"m\",\"inputs\":[{\"name\":\"x\",\"dtype\":\"float32\",\"shape\":[-1],\"data\":\"\"}],"
        "\"outputs\":[]}",
        "{\"model\":\"m\",\"inputs\":[{\"name\":\"x\",\"dtype\":\"float32\",\"shape\":[1e9,1e9],\"data\":"
        "\"\"}],\"outputs\":[]}",
        "{\"model\":\"m\",\"inputs\":[{\"name\":\"x\",\"dtype\":\"float33\",\"shape\":[0],\"data\":\"\"}],"
        "\"outputs\":[]}",
        "{\"model\":\"m\",\"inputs\":[{\"name\":\"x\",\"dtype\":\"string\",\"shape\":[2],\"texts\":[\"a\"]}],"
        "\"outputs\":[]}",
    };
    for (size_t i = 0; i < MLO_COUNT(texts); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        struct mlo_samples s = {0};
        MLO_AUTOJSON cJSON *doc = NULL;
        if (check_ok(mlo_json_parse(texts[i], strlen(texts[i]), 1 << 20, &doc, &err), &err))
            check_err(mlo_samples_read(doc, &s, &err), MLO_EINVALID, &err, "samples are damaged");
    }
}

/* ---- memory ---- */

static struct mlo_plan *shared;

static int rows_without_memory(void)
{
    struct scene k = {.p = shared};
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_str out;
    mlo_str_init(&out, MLO_STR_MAX);
    int rc = round_trip(&k, MLO_ANSWER_JSONL, 3, &out, &err);
    mlo_str_release(&out);
    release(&k);
    return rc;
}

static int samples_without_memory(void)
{
    struct scene k = {.p = shared};
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_samples s = {0};
    cJSON *doc = NULL;
    int rc = keep_samples(&k, &doc, &err);
    if (rc == 0)
        rc = mlo_samples_read(doc, &s, &err);
    cJSON_Delete(doc);
    mlo_samples_release(&s);
    release(&k);
    return rc;
}

static void memory_may_fail(void)
{
    shared = open_plan("columns-forest");
    check(each_alloc_failure(rows_without_memory) > 10, "rows");
    check(each_alloc_failure(samples_without_memory) > 10, "samples");
    mlo_plan_free(shared);
}

int main(void)
{
    run(a_model_with_an_input_for_each_column_names_them);
    run(a_matrix_has_as_many_features_as_columns);
    run(columns_are_found_by_name_and_all_faults_are_told);
    run(without_names_a_table_must_have_as_many_columns);
    run(rows_are_written_in_every_form);
    run(missing_is_nan_and_infinite_stays);
    run(words_among_numbers_are_told_with_their_lines);
    run(a_regression_has_no_probabilities);
    run(samples_are_kept_and_replayed);
    run(damaged_samples_are_refused);
    run(memory_may_fail);
    return done_testing();
}

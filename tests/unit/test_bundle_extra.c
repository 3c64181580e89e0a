/* mlopsctl.json: members in a fixed order, lists sorted, nothing that differs from machine to machine. */
#include <stdlib.h>
#include <string.h>

#include "../../src/bundle/internal.h"
#include "tap.h"

#define HEX "9c54a301d1883c1238adad7212e1c8b7a0ee5a828aa7b9a5fc5c4b58af05fe54"

struct scene {
    struct mlo_walked walked[2];
    struct mlo_packed files[2];
    struct mlo_model_facts facts;
};

static bool set_scene(struct scene *s)
{
    static const char *const docs[] = {
        "{\"format\":\"unknown\",\"verdict\":\"none\"}",
        "{\"format\":\"onnx\",\"verdict\":\"tensor-only\",\"parameters\":2,\"tensors\":[{\"name\":\"w\","
        "\"type\":\"float32\",\"shape\":[2],\"bytes\":8,"
        "\"external\":\"d\",\"offset\":0,\"length\":8,\"digest\":\"sha256:" HEX
        "\"}],\"inputs\":[{\"name\":\"x\",\"type\":\"float32\",\"shape\":[\"N\",\"2\"]}]}",
    };
    struct mlo_err err = MLO_ERR_INIT;
    *s = (struct scene){.walked = {{.path = "lock.txt"}, {.path = "m.onnx"}}};
    bool good = true;
    for (size_t i = 0; i < 2; i++) {
        struct mlo_packed *f = &s->files[i];
        s->walked[i].st.st_size = 10 + (off_t)i;
        f->file = &s->walked[i];
        f->kind = i ? MLO_KIND_WEIGHT : MLO_KIND_CODE;
        f->mode = i ? 0755 : 0644;
        f->layer = 1 - i;
        f->doc = cJSON_Parse(docs[i]);
        good = good && f->doc && mlo_inspected_adopt(f) &&
               mlo_digest_from_hex(HEX, MLO_DIGEST_HEX, &f->digest, &err) == 0;
    }
    return check(good) && check_ok(mlo_model_facts(s->files, 2, &s->facts, &err), &err);
}

static void leave_scene(struct scene *s)
{
    for (size_t i = 0; i < 2; i++)
        cJSON_Delete(s->files[i].doc);
}

static void everything_stands_in_its_order(void)
{
    struct scene s;
    struct mlo_err err = MLO_ERR_INIT;
    char readme[] = "README.md", *text = NULL;
    struct mlo_git_change change = {.path = readme};
    struct mlo_git_info git = {.in_repo = true,
                               .commit = "abc",
                               .dirty = true,
                               .changes = &change,
                               .n_dirty = 1,
                               .n_listed = 1,
                               .branch = readme};
    struct mlo_pack_metric metrics[] = {{"f1", 0.25}, {"auc", 0.91}};
    const char *locks[] = {"/somewhere/lock.txt"};
    struct mlo_pack_opts o = {
        .metrics = metrics, .n_metrics = 2, .env_locks = locks, .n_env_locks = 1, .git = &git};
    if (set_scene(&s) && check_ok(mlo_extra_build(s.files, 2, &s.facts, &o, &text, NULL, &err), &err)) {
        char set[MLO_DIGEST_HEX + 1], *want = NULL;
        int n = asprintf(&want,
                         "{\"schema\":1,\"files\":[{\"path\":\"lock.txt\",\"kind\":\"code\",\"size\":10,"
                         "\"digest\":\"sha256:" HEX "\",\"layer\":1},"
                         "{\"path\":\"m.onnx\",\"kind\":\"weight\",\"format\":\"onnx\",\"size\":11,\"mode\":"
                         "493,\"digest\":\"sha256:" HEX "\",\"layer\":0}],"
                         "\"tensors\":[{\"name\":\"w\",\"type\":\"float32\",\"shape\":[2],\"bytes\":8,"
                         "\"digest\":\"sha256:" HEX "\",\"file\":\"m.onnx\"}],"
                         "\"tensor_set\":\"sha256:%s\",\"parameters\":2,"
                         "\"signatures\":[{\"file\":\"m.onnx\",\"inputs\":[{\"name\":\"x\",\"type\":"
                         "\"float32\",\"shape\":[\"N\",\"2\"]}]}],"
                         "\"metrics\":{\"auc\":0.91,\"f1\":0.25},\"git\":{\"commit\":\"abc\",\"dirty\":true,"
                         "\"dirty_files\":[\"README.md\"]},"
                         "\"env\":[{\"path\":\"lock.txt\",\"digest\":\"sha256:" HEX
                         "\"}],\"verdict\":\"tensor-only\","
                         "\"verdicts\":[{\"file\":\"m.onnx\",\"verdict\":\"tensor-only\"}]}",
                         mlo_digest_hex(&s.facts.tensor_set, set));
        check(n > 0);
        check_str(text, want);
        free(want);
    }
    free(text);
    leave_scene(&s);
}

static void the_facts_are_those_of_the_main_format(void)
{
    struct scene s;
    if (set_scene(&s)) {
        check_int(s.facts.format, MLO_FMT_ONNX);
        check_int(s.facts.parameters, 2);
        check_int(s.facts.n_tensors, 1);
        check_int(s.facts.verdict, MLO_VERDICT_TENSOR_ONLY);
        check_str(s.facts.precision, "float32");
        check_str(s.facts.quantization, "");
        check(s.facts.has_tensor_set);
    }
    leave_scene(&s);
}

static void a_metric_given_twice_is_refused(void)
{
    struct scene s;
    struct mlo_err err = MLO_ERR_INIT;
    char *text = NULL;
    struct mlo_pack_metric metrics[] = {{"auc", 1}, {"f1", 2}, {"auc", 3}};
    struct mlo_pack_opts o = {.metrics = metrics, .n_metrics = 3};
    if (set_scene(&s))
        check_err(mlo_extra_build(s.files, 2, &s.facts, &o, &text, NULL, &err), MLO_EUSAGE, &err,
                  "'auc' is given twice");
    leave_scene(&s);
}

static void a_tensor_without_digest_leaves_no_set_digest(void)
{
    struct scene s;
    struct mlo_err err = MLO_ERR_INIT;
    if (set_scene(&s)) {
        cJSON_DeleteItemFromObjectCaseSensitive(
            cJSON_GetObjectItemCaseSensitive(s.files[1].doc, "tensors")->child, "digest");
        check_ok(mlo_model_facts(s.files, 2, &s.facts, &err), &err);
        check(!s.facts.has_tensor_set);
    }
    leave_scene(&s);
}

static void a_missing_data_set_is_said(void)
{
    struct scene s;
    struct mlo_err err = MLO_ERR_INIT;
    char *text = NULL;
    const char *sets[] = {"/nonexistent/train.csv"};
    struct mlo_pack_opts o = {.datasets = sets, .n_datasets = 1};
    if (set_scene(&s))
        check_err(mlo_extra_build(s.files, 2, &s.facts, &o, &text, NULL, &err), MLO_ENOTFOUND, &err,
                  "data set '/nonexistent/train.csv'");
    leave_scene(&s);
}

int main(void)
{
    run(everything_stands_in_its_order);
    run(the_facts_are_those_of_the_main_format);
    run(a_metric_given_twice_is_refused);
    run(a_tensor_without_digest_leaves_no_set_digest);
    run(a_missing_data_set_is_said);
    return done_testing();
}

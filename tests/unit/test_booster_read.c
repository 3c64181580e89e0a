/* Readers of XGBoost's and LightGBM's files: what is wrong is refused by tree and node. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/infer.h>

#include "tap.h"

#define CASES     "tests/golden/boosters/cases/"
#define BYTES_MAX ((size_t)1 << 20)

struct text {
    char *ptr;
    size_t n;
};

static struct text case_file(const char *name)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct text t = {0};
    char path[512];
    snprintf(path, sizeof path, CASES "%s", name);
    check_ok(mlo_slurp_at(AT_FDCWD, path, BYTES_MAX, &t.ptr, &t.n, &err), &err);
    return t;
}

/* The file with the first `from` made `to`. */
static struct text changed(const char *name, const char *from, const char *to)
{
    struct text t = case_file(name), r = {0};
    char *at = t.ptr ? memmem(t.ptr, t.n, from, strlen(from)) : NULL;
    if (check(at != NULL, "%s has no %s", name, from)) {
        r.n = t.n - strlen(from) + strlen(to);
        r.ptr = calloc(r.n + 1, 1);
        size_t before = (size_t)(at - t.ptr);
        memcpy(r.ptr, t.ptr, before);
        memcpy(r.ptr + before, to, strlen(to));
        memcpy(r.ptr + before + strlen(to), at + strlen(from), t.n - before - strlen(from));
    }
    free(t.ptr);
    return r;
}

static int read_any(const char *name, struct text t, struct mlo_booster **ret, struct mlo_err *err)
{
    return strstr(name, "lgb") ? mlo_lightgbm_read(t.ptr, t.n, NULL, ret, err)
                               : mlo_xgboost_read(t.ptr, t.n, NULL, ret, err);
}

static void refused(const char *name, const char *from, const char *to, int code, const char *why)
{
    struct text t = changed(name, from, to);
    struct mlo_booster *b = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    int rc = read_any(name, t, &b, &err);
    check(rc == code, "%s with %s", name, to);
    check_err(rc, code, &err, why);
    mlo_booster_free(b);
    free(t.ptr);
}

#define XGB "xgb-binary-logistic.json"

static void xgboost_names_the_tree_and_the_node(void)
{
    refused(XGB, "\"left_children\":[1,", "\"left_children\":[0,", MLO_EINVALID,
            "tree 0, node 0: its child 0");
    refused(XGB, "\"left_children\":[1,", "\"left_children\":[2,", MLO_EINVALID,
            "tree 0, node 0: its child 2");
    refused(XGB, "\"left_children\":[1,", "\"left_children\":[99,", MLO_EINVALID,
            "tree 0, node 0: child 99 of");
    refused(XGB, "\"left_children\":[1,", "\"left_children\":[1.5,", MLO_EINVALID,
            "tree 0, node 0: child 1.5");
    refused(XGB, "\"split_indices\":[", "\"split_indices\":[6", MLO_EINVALID, "tree 0, node 0: feature 6");
    refused(XGB, "\"split_indices\":[", "\"split_indices\":[0,", MLO_EINVALID, "tree 0: 'split_indices' has");
    refused(XGB, "\"tree_info\":[0,", "\"tree_info\":[1,", MLO_EINVALID, "tree 0 is of output 1 of 1");
    refused(XGB, "\"tree_info\":[0,", "\"tree_info\":[", MLO_EINVALID, "tree_info has");
}

static void xgboost_refuses_what_it_does_not_know(void)
{
    refused(XGB, "\"binary:logistic\"", "\"binary:nonsense\"", MLO_EUNAVAIL, "'binary:nonsense'");
    refused(XGB, "\"name\":\"gbtree\"", "\"name\":\"forest\"", MLO_EUNAVAIL, "'forest'");
    refused(XGB, "\"base_score\":\"[", "\"base_score\":\"[x", MLO_EINVALID, "base_score '[x");
    refused(XGB, "\"base_score\":\"[", "\"base_score\":\"[1,", MLO_EINVALID, "for 1 outputs");
    refused(XGB, "\"num_class\":\"0\",\"num_feature\":\"6\"", "\"num_feature\":\"2\"", MLO_EINVALID, "of 2");
    refused(XGB, "\"num_class\":\"0\",\"num_feature\":\"6\"", "\"num_feature\":\"-6\"", MLO_EINVALID,
            "not a whole number");
    refused(XGB, "\"version\":[", "\"version\":[1,", MLO_EINVALID, "'version'");
    refused(XGB, "\"learner\":{", "\"learner\":{\"objective\":{},", MLO_EINVALID, "'objective' stands twice");
    refused(XGB, "{\"learner\"", "[{\"learner\"", MLO_EINVALID, "an object was expected");
    refused("xgb-names.json", "[\"age\",", "[", MLO_EINVALID, "5 names of 6 features");
    refused("xgb-dart.json", "\"weight_drop\":[", "\"weight_drop\":[1,", MLO_EINVALID, "weight_drop");
    refused("xgb-linear.json", "\"weights\":[", "\"weights\":[1,", MLO_EINVALID, "8 weights, not 7");
    refused("xgb-vector-leaves.json", "\"leaf_weights\":[", "\"leaf_weights\":[1],\"x\":[", MLO_EINVALID,
            "no weights of a leaf");
}

static void xgboost_refuses_sets_that_do_not_fit(void)
{
    const char *cats = "xgb-cats.json";
    refused(cats, "\"categories\":[", "\"categories\":[-5", MLO_EINVALID, NULL);
    refused(cats, "\"categories_segments\":[0", "\"categories_segments\":[9999", MLO_EINVALID,
            "categories beyond");
    refused(cats, "\"categories_nodes\":[", "\"categories_nodes\":[0,", MLO_EINVALID, "different lengths");
}

#define LGB "lgb-binary.txt"

static void lightgbm_names_the_tree_and_the_node(void)
{
    refused(LGB, "\nleft_child=", "\nleft_child=0 ", MLO_EINVALID, "tree 0: 'left_child' has");
    refused(LGB, "\nleft_child=1", "\nleft_child=0", MLO_EINVALID, "tree 0, node 0: its child 0");
    refused(LGB, "\nleft_child=1", "\nleft_child=77", MLO_EINVALID, "tree 0, node 0: child 77");
    refused(LGB, "\nleft_child=1", "\nleft_child=-99", MLO_EINVALID, "tree 0, node 0: child -99");
    refused(LGB, "\nsplit_feature=", "\nsplit_feature=9", MLO_EINVALID, "tree 0, node 0: feature 9");
    refused(LGB, "\nthreshold=", "\nthreshold=x", MLO_EINVALID, "tree 0: 'threshold' holds 'x");
    refused(LGB, "\nleaf_value=", "\nleaf_value=1 ", MLO_EINVALID, "tree 0: 'leaf_value' has");
    refused(LGB, "\nnum_leaves=", "\nnum_leaves=9999999", MLO_EINVALID, "'num_leaves' holds");
    refused(LGB, "\nTree=1", "\nTree=1\nright_child=1", MLO_EINVALID, "tree 1: a list stands twice");
    refused(LGB, "end of trees", "end of the world", MLO_EINVALID, "the file ends before");
}

static void lightgbm_refuses_what_it_does_not_know(void)
{
    refused(LGB, "objective=binary", "objective=nonsense", MLO_EUNAVAIL, "'nonsense'");
    refused(LGB, "sigmoid:1", "sigmoid:-1", MLO_EINVALID, "sigmoid:-1");
    refused(LGB, "max_feature_idx=5", "max_feature_idx=4", MLO_EINVALID, "6 names of 5 features");
    refused(LGB, "max_feature_idx=5", "max_feature_idx=x", MLO_EINVALID, "'max_feature_idx' holds 'x'");
    refused(LGB, "num_tree_per_iteration=1", "num_tree_per_iteration=3", MLO_EINVALID, "3 trees a round");
    refused(LGB, "tree\n", "forest\n", MLO_EINVALID, "the first line");
    refused("lgb-cats.txt", "cat_boundaries=0", "cat_boundaries=999", MLO_EINVALID, "a set beyond");
    refused("lgb-linear.txt", "num_features=", "num_features=99", MLO_EINVALID, "tree 0, leaf 0: 99");
}

/* What XGBoost writes of trees whose training went wrong is no JSON. */
static void numbers_that_are_not_finite(void)
{
    struct text t = changed(XGB, "\"loss_changes\":[", "\"loss_changes\":[NaN,Infinity,-Infinity,");
    struct mlo_booster *b = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    check_ok(mlo_xgboost_read(t.ptr, t.n, NULL, &b, &err), &err);
    mlo_booster_free(b);
    free(t.ptr);
    refused(XGB, "\"loss_changes\":[", "\"loss_changes\":[Nan,", MLO_EINVALID, "bad number");
    refused(XGB, "\"left_children\":[", "\"left_children\":[NaN,", MLO_EINVALID, "tree 0");
}

static void an_objective_of_ones_own(void)
{
    struct text t = changed("lgb-regression.txt", "objective=regression", "nothing=");
    struct mlo_booster *b = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    if (check_ok(mlo_lightgbm_read(t.ptr, t.n, NULL, &b, &err), &err))
        check(b->link == MLO_LINK_NONE && !b->classes);
    mlo_booster_free(b);
    free(t.ptr);
}

/* Any part of a file is refused, and nothing is read behind it. */
static void files_that_end_early(void)
{
    static const char *const names[] = {"xgb-ubj-multi-cats.ubj", "xgb-cats.json", "lgb-cats.txt"};
    for (size_t i = 0; i < MLO_COUNT(names); i++) {
        struct text t = case_file(names[i]);
        size_t end = t.n - strlen("end of trees") - 2; /* what is behind it may be missing */
        for (size_t n = 0; n < end; n += 1 + n / 200) {
            struct mlo_booster *b = NULL;
            struct mlo_err err = MLO_ERR_INIT;
            char *part = malloc(n ? n : 1); /* its own block: reading behind it is seen */
            memcpy(part, t.ptr, n);
            check_err(read_any(names[i], (struct text){part, n}, &b, &err), MLO_EINVALID, &err, NULL);
            free(part);
        }
        free(t.ptr);
    }
}

static void counts_of_ubj_are_checked_before_memory_is_taken(void)
{
    static const char *const documents[] = {
        "{L\0\0\0\0\0\0\0\7learner[$d#L\x7f\xff\xff\xff\xff\xff\xff\xff",
        "{L\0\0\0\0\0\0\0\7learner[$l#l\x7f\xff\xff\xff",
        "{L\0\0\0\0\0\0\0\7learner[$l#L\xff\xff\xff\xff\xff\xff\xff\xff",
        "{L\0\0\0\0\0\0\0\7learner[$T#U\xff",
        "{L\0\0\0\0\0\0\0\7learner[$d",
    };
    for (size_t i = 0; i < MLO_COUNT(documents); i++) {
        struct mlo_booster *b = NULL;
        struct mlo_err err = MLO_ERR_INIT;
        check_err(mlo_xgboost_read(documents[i], 30, NULL, &b, &err), MLO_EINVALID, &err, "learner");
    }
}

static void nesting_is_bounded(void)
{
    char deep[600] = "{\"learner\":{\"x\":";
    struct mlo_booster *b = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    memset(deep + strlen(deep), '[', 500);
    check_err(mlo_xgboost_read(deep, strlen(deep), NULL, &b, &err), MLO_EINVALID, &err, "too deep");
}

static void rounds_behind_the_best_are_left_out(void)
{
    struct text t = case_file("xgb-early.json");
    struct mlo_booster *best = NULL, *all = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_booster_opts o = {.ranged = true, .end = MLO_BOOSTER_ROUNDS_ALL};
    if (check_ok(mlo_xgboost_read(t.ptr, t.n, NULL, &best, &err), &err) &&
        check_ok(mlo_xgboost_read(t.ptr, t.n, &o, &all, &err), &err)) {
        check(best->rounds < best->file_rounds && best->n_trees == best->rounds);
        check(all->rounds == best->file_rounds && all->n_trees == all->rounds);
    }
    mlo_booster_free(best);
    mlo_booster_free(all);
    free(t.ptr);
}

static void rounds_that_are_not_there(void)
{
    static const struct {
        const char *name;
        uint64_t first, end;
        const char *what;
    } cases[] = {{"xgb-early.json", 0, 31, "rounds"},
                 {"xgb-early.json", 3, 3, "3:3"},
                 {"lgb-multiclass.txt", 4, 9, "has 4 rounds"},
                 {"lgb-multiclass.txt", 4, MLO_BOOSTER_ROUNDS_ALL, "4:4"},
                 {"xgb-linear.json", 0, 1, "linear"}};
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        struct mlo_booster_opts o = {.ranged = true, .first = cases[i].first, .end = cases[i].end};
        struct text t = case_file(cases[i].name);
        struct mlo_booster *b = NULL;
        struct mlo_err err = MLO_ERR_INIT;
        int rc = cases[i].name[0] == 'l' ? mlo_lightgbm_read(t.ptr, t.n, &o, &b, &err)
                                         : mlo_xgboost_read(t.ptr, t.n, &o, &b, &err);
        check_err(rc, MLO_EUSAGE, &err, cases[i].what);
        free(t.ptr);
    }
}

/* ---- memory ---- */

static struct text torn;
static const char *torn_name;

static int open_torn(void)
{
    struct mlo_booster *b = NULL;
    struct mlo_onnx_model *m = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    int rc = read_any(torn_name, torn, &b, &err);
    if (rc == 0)
        rc = mlo_booster_model(b, &m, &err);
    mlo_onnx_close(m);
    return rc;
}

static void names_of_categories_that_are_wrong(void)
{
#define NAMED "../categories/xgb-sets.json"
    refused(NAMED, "\"offsets\":[0", "\"offsets\":[99999", MLO_EINVALID, "bad offsets");
    refused(NAMED, "\"enc\":[", "\"enc\":[{},{},{},{},", MLO_EINVALID, "categories of");
    refused("../categories/lgb.txt", "pandas_categorical:[", "pandas_categorical:[[", MLO_EINVALID,
            "pandas_categorical");
}

static void memory_that_runs_out(void)
{
    static const char *const names[] = {
        "xgb-cats.json",  "xgb-ubj-multi-cats.ubj",     "xgb-linear-multi.json", "lgb-cats.txt",
        "lgb-linear.txt", "../categories/xgb-sets.ubj", "../categories/lgb.txt"};
    for (size_t i = 0; i < MLO_COUNT(names); i++) {
        torn = case_file(names[i]);
        torn_name = names[i];
        check(each_alloc_failure(open_torn) > 5, "%s", names[i]);
        free(torn.ptr);
    }
}

int main(void)
{
    run(xgboost_names_the_tree_and_the_node);
    run(xgboost_refuses_what_it_does_not_know);
    run(xgboost_refuses_sets_that_do_not_fit);
    run(lightgbm_names_the_tree_and_the_node);
    run(lightgbm_refuses_what_it_does_not_know);
    run(numbers_that_are_not_finite);
    run(an_objective_of_ones_own);
    run(files_that_end_early);
    run(counts_of_ubj_are_checked_before_memory_is_taken);
    run(nesting_is_bounded);
    run(rounds_behind_the_best_are_left_out);
    run(rounds_that_are_not_there);
    run(names_of_categories_that_are_wrong);
    run(memory_that_runs_out);
    return done_testing();
}

/* XGBoost's and LightGBM's files as models of one node; the door to models of every form. */
#include "booster.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/checkpoint.h>

#include "infer/internal.h"

#define HEAD 512 /* bytes that tell a form */

enum { INPUT, FIRST_OUTPUT, VALUES = FIRST_OUTPUT + 3 };
enum { OBJECTIVE, ROUNDS, TREES, PAIRS };
#define NUMBER_TEXT 64

struct import {
    struct mlo_onnx_model model; /* first */
    struct mlo_booster *booster;
    struct mlo_booster_params params;
    struct mlo_graph graph;
    struct mlo_node node;
    struct mlo_graph_value values[VALUES];
    struct mlo_dim dims[VALUES][2];
    size_t ids[VALUES];
    struct mlo_text_pair metadata[PAIRS];
    char rounds[NUMBER_TEXT], trees[NUMBER_TEXT];
    struct mlo_opset opset;
};

static void close_import(struct mlo_onnx_model *m)
{
    struct import *i = (struct import *)m;
    mlo_forest_release(&i->params.forest);
    mlo_booster_free(i->booster);
    free(i);
}

/* ---- trees as the forest wants them ---- */

static struct mlo_forest_node convert(const struct mlo_booster *b, const struct mlo_booster_node *n)
{
    static const enum mlo_branch modes[] = {[MLO_SPLIT_LEAF] = MLO_BRANCH_LEAF,
                                            [MLO_SPLIT_LESS] = MLO_BRANCH_LT,
                                            [MLO_SPLIT_AT_MOST] = MLO_BRANCH_LEQ,
                                            [MLO_SPLIT_WITHIN] = MLO_BRANCH_WITHIN};
    return (struct mlo_forest_node){.feature = n->feature,
                                    .value = n->limit,
                                    .members = n->n_bounds ? b->bounds + n->first_bound : NULL,
                                    .n_members = n->n_bounds,
                                    .mode = modes[n->split],
                                    .nan_is_true = n->missing_is_yes,
                                    .when_true = n->yes,
                                    .when_false = n->no};
}

/* A leaf's values are votes for its tree's target, or for all of them. */
static void convert_votes(const struct mlo_booster *b, struct mlo_vote *votes)
{
    for (size_t t = 0; t < b->n_trees; t++) {
        size_t end = t + 1 < b->n_trees ? b->roots[t + 1] : b->n_nodes;
        for (size_t k = b->roots[t]; k < end; k++)
            for (size_t v = 0; v < b->leaf_size && b->nodes[k].split == MLO_SPLIT_LEAF; v++) {
                size_t at = b->nodes[k].yes * b->leaf_size + v;
                uint32_t target = b->leaf_size > 1 ? (uint32_t)v : b->targets[t];
                votes[at] = (struct mlo_vote){target, b->values[at]};
            }
    }
}

static int plant(const struct mlo_booster *b, struct mlo_forest *ret, struct mlo_err *err)
{
    size_t n_votes = b->n_leaves * b->leaf_size;
    MLO_AUTOFREE struct mlo_forest_node *nodes = mlo_calloc(b->n_nodes + 1, sizeof *nodes, err);
    MLO_AUTOFREE struct mlo_vote *votes = nodes ? mlo_calloc(n_votes + 1, sizeof *votes, err) : NULL;
    MLO_AUTOFREE size_t *first = votes ? mlo_calloc(b->n_leaves + 1, sizeof *first, err) : NULL;
    MLO_AUTOFREE size_t *roots = first ? mlo_calloc(b->n_trees + 1, sizeof *roots, err) : NULL;
    if (!roots)
        return err->code;
    for (size_t i = 0; i < b->n_nodes; i++)
        nodes[i] = convert(b, &b->nodes[i]);
    for (size_t i = 0; i <= b->n_leaves; i++)
        first[i] = i * b->leaf_size;
    for (size_t i = 0; i < b->n_trees; i++)
        roots[i] = b->roots[i];
    convert_votes(b, votes);
    struct mlo_forest_source s = {nodes, b->n_nodes,  roots, b->n_trees,
                                  first, b->n_leaves, votes, b->n_outputs};
    return mlo_forest_build(&s, ret, err);
}

/* ---- the graph ---- */

static void put_value(struct import *i, size_t id, const char *name, enum mlo_dtype t, size_t width)
{
    i->ids[id] = id;
    i->dims[id][0] = (struct mlo_dim){-1, "N"};
    i->dims[id][1] = (struct mlo_dim){(int64_t)width, NULL};
    i->values[id] = (struct mlo_graph_value){.name = name,
                                             .kind = MLO_KIND_ARRAY,
                                             .dtype = t,
                                             .has_shape = true,
                                             .rank = width ? 2 : 1,
                                             .dims = i->dims[id]};
}

static size_t put_values(struct import *i)
{
    const struct mlo_booster *b = i->booster;
    enum mlo_dtype t = b->trainer == MLO_TRAINER_XGBOOST ? MLO_DT_F32 : MLO_DT_F64;
    size_t id = FIRST_OUTPUT;
    put_value(i, INPUT, "input", t, b->n_features);
    i->values[INPUT].columns = b->features;
    i->values[INPUT].categories = b->categories;
    if (b->classes) {
        put_value(i, id++, "label", MLO_DT_I64, 0);
        put_value(i, id++, "probabilities", t, b->n_outputs > 1 ? b->n_outputs : 2);
    } else {
        put_value(i, id++, "prediction", t, b->n_outputs);
    }
    if (b->link != MLO_LINK_NONE || b->average)
        put_value(i, id++, "margin", t, b->n_outputs);
    return id;
}

static void put_metadata(struct import *i)
{
    const struct mlo_booster *b = i->booster;
    if (b->rounds < b->file_rounds)
        snprintf(i->rounds, sizeof i->rounds, "%zu of %zu%s", b->rounds, b->file_rounds,
                 b->best_only ? " (best_iteration)" : "");
    else
        snprintf(i->rounds, sizeof i->rounds, "%zu", b->rounds);
    snprintf(i->trees, sizeof i->trees, "%zu", b->n_trees);
    i->metadata[OBJECTIVE] = (struct mlo_text_pair){"objective", b->objective};
    i->metadata[ROUNDS] = (struct mlo_text_pair){"rounds", i->rounds};
    i->metadata[TREES] = (struct mlo_text_pair){"trees", i->trees};
}

static void put_graph(struct import *i)
{
    const struct mlo_booster *b = i->booster;
    const char *trainer = b->trainer == MLO_TRAINER_XGBOOST ? "XGBoost" : "LightGBM";
    size_t n = put_values(i);
    i->node = (struct mlo_node){.name = trainer,
                                .op = b->weights ? "LinearBooster" : "TreeBooster",
                                .domain = MLO_OWN_DOMAIN,
                                .version = 1,
                                .inputs = &i->ids[INPUT],
                                .outputs = &i->ids[FIRST_OUTPUT],
                                .n_inputs = 1,
                                .n_outputs = n - FIRST_OUTPUT,
                                .params = &i->params};
    i->graph = (struct mlo_graph){.name = trainer,
                                  .values = i->values,
                                  .n_values = n,
                                  .nodes = &i->node,
                                  .n_nodes = 1,
                                  .inputs = &i->ids[INPUT],
                                  .n_inputs = 1,
                                  .outputs = &i->ids[FIRST_OUTPUT],
                                  .n_outputs = n - FIRST_OUTPUT};
    put_metadata(i);
    i->opset = (struct mlo_opset){MLO_OWN_DOMAIN, 1};
    i->model = (struct mlo_onnx_model){.producer = trainer,
                                       .producer_version = b->version,
                                       .opsets = &i->opset,
                                       .n_opsets = 1,
                                       .metadata = i->metadata,
                                       .n_metadata = PAIRS,
                                       .graph = &i->graph,
                                       .close = close_import};
}

int mlo_booster_model(struct mlo_booster *b, struct mlo_onnx_model **ret, struct mlo_err *err)
{
    struct import *i = mlo_calloc(1, sizeof *i, err);
    if (!i) {
        mlo_booster_free(b);
        return err->code;
    }
    i->booster = b;
    i->params.booster = b;
    int rc = b->weights ? 0 : plant(b, &i->params.forest, err);
    if (rc != 0) {
        close_import(&i->model);
        return rc;
    }
    mlo_booster_drop_trees(b);
    put_graph(i);
    *ret = &i->model;
    return 0;
}

/* ---- the door ---- */

/* What cannot be opened is left to the reader of ONNX, which says so. */
static enum mlo_format form_of(const char *path)
{
    uint8_t head[HEAD];
    struct mlo_err ignored = MLO_ERR_INIT;
    size_t n = 0;
    MLO_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || mlo_read_at(fd, head, sizeof head, 0, &n, &ignored) != 0)
        return MLO_FMT_UNKNOWN;
    return mlo_booster_sniff(head, n);
}

int mlo_model_file_open(const char *path, const struct mlo_booster_opts *opts, struct mlo_onnx_model **ret,
                        struct mlo_err *err)
{
    MLO_AUTOFREE char *bytes = NULL;
    struct mlo_booster *b = NULL;
    struct mlo_onnx_model *m = NULL;
    size_t n = 0;
    enum mlo_format form = form_of(path);
    if (form == MLO_FMT_UNKNOWN && opts && opts->ranged)
        return mlo_fail(err, MLO_EUSAGE, "'%s' is no model of XGBoost or LightGBM: it has no rounds", path);
    if (form == MLO_FMT_UNKNOWN)
        return mlo_onnx_open(path, ret, err);
    int rc = mlo_slurp_at(AT_FDCWD, path, MLO_BOOSTER_BYTES_MAX, &bytes, &n, err);
    if (rc != 0)
        return rc;
    rc = form == MLO_FMT_XGBOOST ? mlo_xgboost_read(bytes, n, opts, &b, err)
                                 : mlo_lightgbm_read(bytes, n, opts, &b, err);
    if (rc == 0)
        rc = mlo_booster_model(b, &m, err);
    if (rc == MLO_EUSAGE)
        return mlo_wrap(err, "'%s'", path);
    if (rc != 0)
        return mlo_wrap(err, "'%s' is not a model that can be read", path);
    m->file_bytes = n;
    *ret = m;
    return 0;
}

int mlo_plan_open(const char *path, const struct mlo_plan_opts *opts, struct mlo_plan **ret,
                  struct mlo_err *err)
{
    struct mlo_onnx_model *m = NULL;
    int rc = mlo_model_file_open(path, opts ? &opts->booster : NULL, &m, err);
    if (rc == 0)
        rc = mlo_plan_new(m, opts, ret, err);
    return rc;
}

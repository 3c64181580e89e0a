/*
 * Inference: a model prepared once, and run any number of times.
 *
 * A plan is what a model became: steps in order, constants folded, weights packed, who uses a value last. It
 * does not change and may be shared by threads. A session is the memory of one caller: it keeps its buffers
 * between runs, so that runs of the same shape allocate nothing.
 *
 * Which operators there are, and where ONNX leaves a choice and ONNX Runtime's is followed, stands in
 * docs/onnx.md.
 */
#ifndef MLOPSCTL_INFER_H
#define MLOPSCTL_INFER_H

#include <mlopsctl/booster.h>
#include <mlopsctl/device.h>
#include <mlopsctl/embed.h>
#include <mlopsctl/onnx.h>

struct mlo_buffer; /* bytes of a session that values share */

/* What goes in and comes out. kind UNKNOWN: nothing (an optional without content). */
struct mlo_value {
    enum mlo_value_kind kind;
    struct mlo_array array;  /* ARRAY; MAP: its values */
    struct mlo_array keys;   /* MAP: int64 or strings, as many as values */
    struct mlo_value *items; /* SEQUENCE */
    size_t n_items;
    struct mlo_buffer *buffer; /* that the data (or items) lie in; NULL: somebody else's */
};

struct mlo_port_type { /* an input or output of a model */
    const char *name;
    enum mlo_value_kind kind;
    enum mlo_dtype dtype;
    enum mlo_dtype key; /* of maps, also those of a sequence */
    bool has_shape;
    unsigned rank;
    const struct mlo_dim *dims;
    const char *const *columns; /* names along the last dimension; NULL: none */
    const struct mlo_categories
        *categories; /* of each of these: n 0, its values are no categories with names; NULL */
};

/* from->n numbers into to->data, of type to->dtype: MLO_EUNAVAIL for types that are no numbers here. */
int mlo_cast_numbers(const struct mlo_array *from, struct mlo_array *to, struct mlo_err *err) MLO_MUST_CHECK;

/*
 * The model at `path`, told by its first bytes: ONNX, XGBoost (JSON, UBJ) or LightGBM (text). Of the last two
 * the graph is one node, which takes a matrix [N, features] (float32 for XGBoost, float64 for LightGBM) whose
 * columns may have names, and gives what the trainer's predict does: `label` and
 * `probabilities` of a classifier, else `prediction`; and `margin`, the scores before that, where they
 * differ. Owner: the caller (mlo_onnx_close).
 */
int mlo_model_file_open(const char *path, const struct mlo_booster_opts *opts, struct mlo_onnx_model **ret,
                        struct mlo_err *err) MLO_MUST_CHECK;
/* The booster as such a model; takes it, also when it fails. */
int mlo_booster_model(struct mlo_booster *b, struct mlo_onnx_model **ret, struct mlo_err *err) MLO_MUST_CHECK;

/*
 * Types and shapes of all values, derived from the model alone: open dimensions have the names that the model
 * gives them, or INPUT_AXIS, and others are told by these ("seq+1"). A dimension that only one number fits is
 * that number. MLO_EINVALID names the first node that cannot run whatever comes in. The graph and names are
 * borrowed.
 */
struct mlo_shapes;
struct mlo_dim_value { /* the size of an open dimension */
    const char *name;
    int64_t size;
};
int mlo_shapes_new(const struct mlo_graph *g, const struct mlo_dim_value *dims, size_t n_dims,
                   struct mlo_shapes **ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_shapes_free(struct mlo_shapes *s);
/* Adds "float32[batch,seq,384]"; "?" is not known, "float32[...]" of any rank. */
void mlo_shapes_text(const struct mlo_shapes *s, size_t value, struct mlo_str *to);
/* -1: not known, or not as a number. */
int64_t mlo_shapes_dim(const struct mlo_shapes *s, size_t value, unsigned i);
/* What node i of the graph costs, as mlo_node_cost counts it, as formulas of the open dimensions; "?" where
 * they are not known. i the number of nodes: all together. */
struct mlo_formulas {
    char flops[512], bytes[512], parameters[32];
};
void mlo_shapes_cost(struct mlo_shapes *s, size_t i, struct mlo_formulas *ret);
/*
 * Do these values of the graph have the types and shapes that were derived for them? in: the graph's inputs,
 * which say what names stand for. values: of the graph; those of kind UNKNOWN are passed over. MLO_EINTERNAL
 * names one that does not. *ret_known: how many were compared in all dimensions.
 */
int mlo_shapes_check(struct mlo_shapes *s, const struct mlo_value *in, const struct mlo_value *values,
                     size_t *ret_known, struct mlo_err *err) MLO_MUST_CHECK;

struct mlo_plan;
struct mlo_plan_opts {
    bool plain; /* each node as it is in the file: nothing folded or fused, to compare with */
    struct mlo_booster_opts booster;
    size_t fold_bytes; /* of one constant that is computed beforehand; 0: 256 MiB */
};
/* Takes the model, also when it fails. MLO_EUNAVAIL names an operator that is not supported. */
int mlo_plan_new(struct mlo_onnx_model *model, const struct mlo_plan_opts *opts, struct mlo_plan **ret,
                 struct mlo_err *err) MLO_MUST_CHECK;
/* The same of a file that mlo_model_file_open reads. */
int mlo_plan_open(const char *path, const struct mlo_plan_opts *opts, struct mlo_plan **ret,
                  struct mlo_err *err) MLO_MUST_CHECK;
void mlo_plan_free(struct mlo_plan *p); /* after its sessions */
/* Borrowed from the plan. */
const struct mlo_port_type *mlo_plan_inputs(const struct mlo_plan *p, size_t *ret_n);
const struct mlo_port_type *mlo_plan_outputs(const struct mlo_plan *p, size_t *ret_n);
const struct mlo_onnx_model *mlo_plan_model(const struct mlo_plan *p);

/* What a plan does, step by step, constants folded and steps fused. Borrowed from the plan. */
struct mlo_step_info {
    const char *domain, *op; /* "mlopsctl": a fused step */
    const char *node;        /* its last one in the file */
};
size_t mlo_plan_steps(const struct mlo_plan *p);
void mlo_plan_step(const struct mlo_plan *p, size_t i, struct mlo_step_info *ret); /* i below that */

/*
 * On a device: its sessions give what the device can do to it, as one program for each shape, and what costs
 * little before and after it to the CPU. The first answers of each program are compared with the CPU's.
 * Before the first session of the plan; the plugin and the device stay with the plan.
 */
enum mlo_offload_precision { /* of products, and of what is between them; sums are float32 */
                             MLO_OFFLOAD_F32,
                             MLO_OFFLOAD_TF32, /* factors of products are rounded to 10 bits */
                             MLO_OFFLOAD_F16,
                             MLO_OFFLOAD_BF16,
                             MLO_OFFLOAD_INT8, /* dense layers in bytes, a scale for each row of what comes
                                                * in and for each column; what is between in bf16 */
                             MLO_OFFLOAD_FP8,  /* the same in floats of 8 bits (e4m3) */
};
struct mlo_offload_opts {
    const struct mlo_device_api *api;
    uint32_t device;
    bool must; /* what the device cannot do is MLO_EUNAVAIL; else the CPU does it, and the reason is kept */
    enum mlo_offload_precision precision;
    /* A request of two and more pieces of so many bytes is copied piece by piece, while the one before is
     * computed. 0: MLO_PIECE_BYTES */
    size_t piece_bytes;
};
#define MLO_PIECE_BYTES ((size_t)4 << 20)
/* What was measured when the first request came, unless it must be the device: a request goes to the side
 * that is faster for its number of rows by what was measured for numbers near it. */
#define MLO_CROSSOVER_SIZES 16
struct mlo_crossover {
    struct mlo_crossover_size {
        size_t rows;
        int64_t cpu_ns, device_ns; /* of one request; INT64_MAX: the device cannot do it */
    } sizes[MLO_CROSSOVER_SIZES];
    size_t n; /* 0: nothing was measured */
};
/* The least number of rows for which the device was faster; 0: none. */
size_t mlo_crossover_from(const struct mlo_crossover *c);
struct mlo_offload_state {
    size_t steps;            /* on the device */
    uint64_t runs, cpu_runs; /* that the device did; that the CPU did because the device could not */
    uint64_t chosen;         /* runs that the CPU did because it is faster */
    struct mlo_crossover crossover;
    struct mlo_crossover packed; /* the same of packed rows, by the rows of all sequences together */
    char why[512];               /* the first reason why the device could not; "" */
};
/* What the program of a session's last run asks of a device; of all pieces, where it went in pieces. */
#define MLO_DEVICE_PRODUCTS 32
struct mlo_device_cost {
    size_t kernels, pieces;
    uint64_t in, out;               /* bytes that are put in and given back */
    uint64_t bytes;                 /* that all steps read and write, weights included */
    double flops[MLO_DEVICE_TYPES]; /* of products, by the type of their factors */
    bool tf32;
    struct mlo_device_product { /* dense layers of one shape */
        uint32_t type, mnk[3];
        size_t times;
    } products[MLO_DEVICE_PRODUCTS];
    size_t n_products;
};
/* MLO_EUNAVAIL: it was not the device's. */
struct mlo_session;
int mlo_session_device_cost(const struct mlo_session *s, struct mlo_device_cost *ret,
                            struct mlo_err *err) MLO_MUST_CHECK;
/* The same of each of its steps, in their order: op is the device's word for it, node the last one of the
 * file that it is part of. Of operations products alone are counted; their type is F32, F16, BF16, I8 or
 * F8_E4M3. Owner of *ret: the caller; texts are the plan's and the plugin's. */
struct mlo_node_cost;
int mlo_session_device_steps(const struct mlo_session *s, struct mlo_node_cost **ret, size_t *ret_n,
                             struct mlo_err *err) MLO_MUST_CHECK;
/* What they take (device.h), run once more on what was put in last; ret->steps has room for all of them. */
struct mlo_device_times;
int mlo_session_device_times(struct mlo_session *s, struct mlo_device_times *ret,
                             struct mlo_err *err) MLO_MUST_CHECK;
/* MLO_EUNAVAIL names the first step that has to be on the device and cannot: the plan stays with the CPU. */
int mlo_plan_offload(struct mlo_plan *p, const struct mlo_offload_opts *o,
                     struct mlo_err *err) MLO_MUST_CHECK;
/* False: it is the CPU's alone. */
bool mlo_plan_offloaded(const struct mlo_plan *p, struct mlo_offload_state *ret);

struct mlo_session;
/* Of all arrays that a run holds at once, its inputs aside: what a few bytes of a model may ask for. A run
 * that needs more is MLO_EUNAVAIL and names the node and the bytes. */
#define MLO_SESSION_BYTES_MAX ((size_t)16 << 30)
int mlo_session_new(const struct mlo_plan *p, struct mlo_session **ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_session_free(struct mlo_session *s);
/* Another limit than MLO_SESSION_BYTES_MAX, of a caller who knows what the machine has. */
void mlo_session_limit(struct mlo_session *s, size_t bytes);
/* Turns of loops (and branches) that all runs of this session may take together; as a rule there is no such
 * limit. MLO_EUNAVAIL then. */
void mlo_session_limit_turns(struct mlo_session *s, uint64_t turns);
/* How many threads a run of this session may use for products of MLO_SPLIT_FLOPS operations and more; 1 as a
 * rule. Never more than mlo_cpu_count(), which knows affinity and quotas; 0: as many. While they work, the
 * calling thread may be bound to the processor that it is on; afterwards it has its affinity again. */
#define MLO_SPLIT_FLOPS ((uint64_t)8 << 20) /* some 80 us: twice what waking a thread takes */
int mlo_session_threads(struct mlo_session *s, unsigned n, struct mlo_err *err) MLO_MUST_CHECK;
/*
 * fn(ctx, 0) is called when a run begins with its first step, fn(ctx, i) after i of the plan's steps are
 * done; but not in a run that is the first of its shapes. NULL: no longer.
 */
void mlo_session_watch(struct mlo_session *s, void (*fn)(void *ctx, size_t done), void *ctx);
/*
 * Runs the model. in: one value for each input, borrowed for the call. *ret_out: one for each output, which
 * live until the next run of this session. An input that does not fit is MLO_EUSAGE and named.
 */
int mlo_session_run(struct mlo_session *s, const struct mlo_value *in, size_t n,
                    const struct mlo_value **ret_out, struct mlo_err *err) MLO_MUST_CHECK;

/*
 * Sequences of different lengths without padding, where a plan has proved that an output has a row for each
 * token, made of rows one by one and of attention under `attention_mask`: encoders of the BERT family. Rows
 * that count get the numbers that a padded run gives them, but for the order in which sums of few rows are
 * made. DynamicQuantizeLinear takes a scale for each sequence, so that it gives what it gives the sequence
 * alone; in an ordinary run padding and neighbours take part in one scale for all.
 */
struct mlo_packed { /* rows of sequences one behind the other */
    size_t n;
    const size_t *first;      /* n + 1: sequence i has the rows from first[i] to before first[i + 1] */
    enum mlo_pooling pooling; /* NONE: outputs are [1, all rows, ...]; else one row a sequence, [n, ...] */
    bool normalize;           /* pooled: each to length 1, as mlo_normalize */
};
/* False also of a plan that is on a device which cannot do it: all that makes the output has to be there, or
 * come before it, and positions by the shape of what comes before it, too. */
bool mlo_plan_packs(const struct mlo_plan *p, size_t output);
/* How many rows at a time are about as fast as more: what they make fits the second cache, or fills a device.
 */
#define MLO_PACKED_ROWS        256
#define MLO_PACKED_ROWS_DEVICE 4096
size_t mlo_plan_packed_rows(const struct mlo_plan *p);
/*
 * As mlo_session_run, of inputs [1, all rows], the mask all ones. Outputs that mlo_plan_packs has not are of
 * kind UNKNOWN. A device has a program for a rounded number of rows, of sequences, and of rows of the
 * longest; what it pools is all that it gives back. MLO_EUNAVAIL: what is to be pooled is not float32.
 */
int mlo_session_run_packed(struct mlo_session *s, const struct mlo_value *in, size_t n,
                           const struct mlo_packed *packed, const struct mlo_value **ret_out,
                           struct mlo_err *err) MLO_MUST_CHECK;
/*
 * As mlo_session_run, but nothing is computed for rows that a mask of ones and then zeros takes away: they
 * are 0 in all outputs, where a model as ONNX has it makes something of them that means nothing. Another
 * mask, or a model of another kind: an ordinary run.
 */
int mlo_session_run_unpadded(struct mlo_session *s, const struct mlo_value *in, size_t n,
                             const struct mlo_value **ret_out, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- texts through an encoder ---- */

/* The memory of one caller: a session, encodings, batches. Plan and tokenizer are borrowed. */
struct mlo_embedder;
/*
 * Inputs are matched by name: input_ids, attention_mask, token_type_ids. Vectors are the first output of
 * three dimensions, one a token, which are pooled; without one, the first of two, which the model has pooled
 * itself. MLO_EUNAVAIL names what does not fit, also vectors of another type than float32.
 */
int mlo_embedder_new(const struct mlo_plan *p, const struct mlo_tokenizer *t,
                     const struct mlo_embed_settings *how, struct mlo_embedder **ret,
                     struct mlo_err *err) MLO_MUST_CHECK;
void mlo_embedder_free(struct mlo_embedder *e);
struct mlo_embeddings { /* begin with {0}; one may serve many calls */
    float *values;      /* vectors of `width`, one a text, or with MLO_POOL_NONE one a token */
    size_t *first;      /* n + 1: text i has the vectors from first[i] to before first[i + 1] */
    size_t n, width;
    size_t n_cut; /* texts that were longer than the length allows */
    size_t values_cap, first_cap;
};
void mlo_embeddings_release(struct mlo_embeddings *r);
/* Texts run together without padding where the plan can, else those of similar length; the order of *ret is
 * that of texts. All are held in memory at once: a
 * thousand or so a call. An error names its text by number from 1. */
int mlo_embed(struct mlo_embedder *e, const struct mlo_slice *texts, size_t n, struct mlo_embeddings *ret,
              struct mlo_err *err) MLO_MUST_CHECK;

/*
 * What the steps of a plan cost for these inputs: the model is run once. Made `plain`, a plan's steps are the
 * nodes of the file. Owner of *ret: the caller; texts are the plan's.
 */
struct mlo_node_cost {
    const char *domain, *op, *node;
    char shape[MLO_ARRAY_TEXT];  /* of its first output; "" when it is no array */
    uint64_t products;           /* exactly, two operations for each */
    enum mlo_dtype product_type; /* F32, F64 or I8 */
    uint64_t
        flops; /* these, and for each element of the output what its function takes, roughly; moving: 0 */
    uint64_t bytes;      /* of its inputs and outputs; of a table what is taken out of it; of views 0 */
    uint64_t weights;    /* of these: constants that are read as a whole */
    uint64_t reads;      /* of kernels that read the same again and again (trees): bytes in all; else 0 */
    uint64_t parameters; /* elements of its constant inputs */
};
int mlo_plan_costs(const struct mlo_plan *p, const struct mlo_value *in, size_t n, struct mlo_node_cost **ret,
                   size_t *ret_n, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- operators ---- */

/* The operators of a model's nodes, those of subgraphs among them. Owner of *ret: the caller; what it points
 * to is the model's. */
struct mlo_operator_use {
    const char *domain, *op;
    int64_t version;
    size_t n; /* nodes */
    bool known;
};
int mlo_model_operators(const struct mlo_onnx_model *m, struct mlo_operator_use **ret, size_t *ret_n,
                        struct mlo_err *err) MLO_MUST_CHECK;

/* ---- conformance: the onnx project's own cases ---- */

enum mlo_conformance {
    MLO_CONFORMANCE_PASS,
    MLO_CONFORMANCE_FAIL,
    MLO_CONFORMANCE_UNSUPPORTED, /* an operator or type that the engine refuses by name */
};
struct mlo_conformance_case {
    char name[256];
    enum mlo_conformance result;
    char why[768];              /* unless it passed */
    size_t n_values, n_derived; /* plain: arrays of its runs, and those whose shape was derived before */
};
/*
 * `folder` holds model.onnx and test_data_set_K with input_I.pb and output_I.pb. Every output must have the
 * type and shape of the expected one, and values within atol + rtol * |expected|; NaN equals NaN. For float32
 * atol is at least half a unit in the last place of the largest expected value. A negative code only when the
 * folder cannot be read. With `plain`, every value of the run must also have the type and shape that were
 * derived for it (mlo_shapes_check).
 */
struct mlo_conformance_opts {
    double rtol, atol; /* 0: 1e-3 and 1e-7, as the onnx project */
    bool plain;
    const struct mlo_offload_opts *device; /* NULL: the CPU alone */
};
int mlo_conformance_run(const char *folder, const struct mlo_conformance_opts *opts,
                        struct mlo_conformance_case *ret, struct mlo_err *err) MLO_MUST_CHECK;

#endif

/*
 * Devices: is there a GPU, and the plugin that computes on it.
 *
 * A plugin is a shared object of its own, with all that needs CUDA, behind the C interface below; without it,
 * and without a GPU, everything works on the CPU. It is opened at first use, after the driver was asked, from
 * folders that the caller names, and never unloaded. Whatever is missing leaves a reason in plain words.
 *
 * The first part of this header is what a plugin is built from: it is C and C++ and needs no other header.
 */
#ifndef MLOPSCTL_DEVICE_H
#define MLOPSCTL_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the plugin's interface ---- */

#define MLO_DEVICE_ABI    4u /* a plugin of another number is refused; new members come at the end */
#define MLO_DEVICE_ENTRY  "mlo_device_plugin"
#define MLO_DEVICE_REASON 256

enum mlo_device_status {
    MLO_DEVICE_OK,
    MLO_DEVICE_NONE,        /* no device, or not one that can be used */
    MLO_DEVICE_UNSUPPORTED, /* this cannot be done on it */
    MLO_DEVICE_MEMORY,      /* its memory is full */
    MLO_DEVICE_LOST,        /* it stopped answering: everything on it is gone */
    MLO_DEVICE_FAILED,
};
struct mlo_device_info {
    char name[96];
    uint32_t major, minor; /* compute capability */
    uint32_t processors;   /* multiprocessors */
    uint64_t memory, free_memory;
};
/*
 * Programs: a plan for one shape, as a plugin takes it: buffers, and steps that read and write them in order.
 * All is in device memory that is taken when the program is made; a run takes none. Matrices lie row by row.
 */
enum mlo_device_type {
    MLO_DEVICE_F32,
    MLO_DEVICE_I32,
    MLO_DEVICE_I64,
    MLO_DEVICE_NODE,
    MLO_DEVICE_F16, /* halves: sums of them are floats */
    MLO_DEVICE_BF16,
    MLO_DEVICE_F64,  /* of trees alone */
    MLO_DEVICE_U16,  /* ranks */
    MLO_DEVICE_I8,   /* signed bytes; unsigned ones are these with 128 more */
    MLO_DEVICE_E4M3, /* floats of 8 bits; devices from compute capability 9.0 on */
    MLO_DEVICE_TYPES
};
struct mlo_device_node { /* of a tree; 12 bytes */
    float number;        /* x[column] <= number: to `child`, else (NaN, too) to child + 1. A leaf: its vote */
    uint32_t column;     /* MLO_DEVICE_LEAF: a leaf; from MLO_DEVICE_NEGATED on: of column less that, -x */
    uint32_t child;      /* in the tree: its root is 0. Greater than the node's own number. A leaf: its row of
                          * votes, where leaves have several */
};
#define MLO_DEVICE_LEAF    UINT32_MAX
#define MLO_DEVICE_NEGATED (1u << 31)
/*
 * A node of a tree of ranks: a number of 64 bits, made of four of 16, the first the lowest. rank, column:
 * ranks[column] <= rank goes to `child`, else to child + 1; child: in the tree, whose root is 0; leaf: its
 * number in the tree. A leaf is its own child, by a rank that every rank is at most.
 */
#define MLO_DEVICE_BRANCH(rank, column, child, leaf)                                                         \
    ((int64_t)((uint64_t)(rank) | (uint64_t)(column) << 16 | (uint64_t)(child) << 32 |                       \
               (uint64_t)(leaf) << 48))
#define MLO_DEVICE_RANK_MAX 65534u /* most limits of a column */
#define MLO_DEVICE_PIECE_NODES                                                                               \
    2048u                           /* of trees that are walked together, unless it is one that is larger    \
                                     */
#define MLO_DEVICE_PIECE_TREES  16u /* most of them */
#define MLO_DEVICE_RANK_COLUMNS 65536u
#define MLO_DEVICE_RANK_ROWS    256u /* rows of ranks are a multiple of this */

struct mlo_device_weight {
    uint32_t type;
    uint64_t n; /* elements */
    const void *data;
};
enum mlo_device_role { MLO_DEVICE_INPUT, MLO_DEVICE_OUTPUT, MLO_DEVICE_WEIGHT, MLO_DEVICE_TEMPORARY };
struct mlo_device_buffer {
    uint32_t role, type;
    uint64_t n;      /* elements, not 0 */
    uint32_t weight; /* WEIGHT: its number; n may be less than it has: of its first */
};
enum mlo_device_activation {
    MLO_DEVICE_LINEAR,
    MLO_DEVICE_RELU,
    MLO_DEVICE_SIGMOID,
    MLO_DEVICE_TANH,
    MLO_DEVICE_GELU,
    MLO_DEVICE_GELU_TANH,
    MLO_DEVICE_ACTIVATIONS,
};
/* Floats of a step are of one type, that of the buffer which is written: F32, F16 or BF16; those marked with
 * : are always F32, and so are all of SCALE and TREES; RANK and RANKED_TREES say theirs. Buffers and sizes in
 * the order in which they stand here; [..] may be missing (MLO_DEVICE_NO_BUFFER). The last buffer is the one
 * that is written; it is no other of the step, except where that is said. */
enum mlo_device_op {
    /* y = activation(x w' + bias): x[m][k], w[n][k], [bias[n]], y[m][n]; m, n, k */
    MLO_DEVICE_DENSE,
    /* y = (x + plus - mean) / sqrt(variance + number) scale + bias of each row: x[rows][n], [plus],
     * scale:[n], bias:[n], y, which may be x or plus; rows, n */
    MLO_DEVICE_NORM,
    /* The same of word[id] + position[place] + kind[type]: ids[rows], places[rows], [types[rows]],
     * word[words][n], position[places][n], [kind[types][n]], scale:[n], bias:[n], y[rows][n]; rows, n, words,
     * places, types. A number that is outside its table makes the row NaN. */
    MLO_DEVICE_EMBED,
    /* y = softmax(number q k' + mask) v of each head within each sequence, without padding: [first[sequences
     * + 1]] (a row each; the last: those that count; missing: all sequences are as long),
     * qkv[rows][3][heads][size], [mask:[rows]] (of each key), y[rows][heads][size]; sequences, rows, heads,
     * size, longest sequence, and one that may be 0: a sequence whose keys all have a mask of -infinity gives
     * NaN, else zeros */
    MLO_DEVICE_ATTENTION,
    /* The same of q, k and v, each [rows][heads][size], in place of qkv */
    MLO_DEVICE_ATTENTION_APART,
    /* y = activation(x): x[n], y, which may be x; n */
    MLO_DEVICE_ACTIVATE,
    /* Of each row: x[rows][n], y, which may be x; rows, n. As mlo_softmax_f32. */
    MLO_DEVICE_SOFTMAX,
    /* One row of the rows of each sequence, to length 1 when number is not 0: x[rows][n] of any floats,
     * first[sequences + 1], y:[sequences][n]; sequences, rows, n, enum mlo_device_pool. As mlo_pool and
     * mlo_normalize, also of no rows. */
    MLO_DEVICE_POOL,
    /* y = (x - offset) scale: x[rows][n], offset[n], scale[n], y, which may be x; rows, n */
    MLO_DEVICE_SCALE,
    /* y = base + votes, tree by tree; vote j of tree i is for target[i][j]: x[rows][n], nodes, first[trees +
     * 1] (the node of each root; the last: all nodes), [base[targets]], target[trees][votes],
     * [vote[..][votes]] (of each leaf; missing: votes is 1), y[rows][targets]; rows, n, trees, targets, votes
     */
    MLO_DEVICE_TREES,
    /* y = a + b, b again and again: a[rows][n], b[n], y, which may be a; rows, n */
    MLO_DEVICE_ADD,
    /* y = table[id], counted from the end when id is negative, NaN outside: ids[rows] of int32 or int64,
     * table[words][n], y[rows][n]; rows, n, words */
    MLO_DEVICE_GATHER,
    /* y = x, of any two types of floats; x may also be int64 or float64: x[n], y; n */
    MLO_DEVICE_CONVERT,
    /* y = how many limits of its column are less than a number, all of them for NaN. Column c is feature[c]
     * of the rows, or, when that is negative, -x of ~feature[c]; its limits rise, from first[c] to first[c +
     * 1]: x[rows][n], limits[..], first[columns + 1], feature[columns], y[columns][padded] of uint16, of
     * which rows beyond the last are undefined; rows, n, columns, padded. x and limits are both of float32 or
     * both of float64. */
    MLO_DEVICE_RANK,
    /* As TREES, on ranks: ranks[columns][padded], nodes[..] (MLO_DEVICE_BRANCH), tree[trees + 1][3] (its
     * first node, its first leaf, its longest walk; the last: how many there are), piece[pieces + 1] (the
     * first tree of each piece; the last: all trees), [base[targets]], target[trees][votes], vote[..][votes]
     * (of each leaf), y[rows][targets]; rows, columns, trees, targets, votes, padded, pieces. base, vote and
     * y are all of float32 or all of float64.
     */
    MLO_DEVICE_RANKED_TREES,
    /*
     * Bytes are I8 or E4M3, and stand for (byte - zero) scale. How they do is said by float32: the scales of
     * all rows, or one, then as many zeros; those of E4M3 are 0. Of I8 a quotient is rounded to the
     * nearest, ties to even, and cut to what a byte holds.
     */
    /* The least and greatest of 0 and each row: x[rows][n], y:[rows][2]; rows, n */
    MLO_DEVICE_EXTREMES,
    /* How I8 spans what all rows have, or those of each sequence, as ONNX's DynamicQuantizeLinear says:
     * extremes:[rows][2], [first[sequences + 1]] (missing: all rows are one), how:[2][hows], of which rows
     * behind the last sequence are not written; sequences, rows, hows (1, or rows where there are sequences)
     */
    MLO_DEVICE_SPAN,
    /* x[rows][n] of any floats, how:[2][hows], y[rows][n] of bytes; rows, n, hows (1, or rows) */
    MLO_DEVICE_QUANTIZE,
    /* The same, each row so that the greatest size in it becomes the greatest byte, with a zero of 0; a row
     * with NaN or infinity has a scale of NaN or infinity: x[rows][n], how:[2][rows], which is written, too,
     * y[rows][n]; rows, n */
    MLO_DEVICE_QUANTIZE_ROWS,
    /* bytes[rows][n], how:[2][hows], y[rows][n]; rows, n, hows */
    MLO_DEVICE_DEQUANTIZE,
    /* As DENSE, of bytes: x[m][k], how:[2][hows], w[n][k] of the same bytes, scale:[n] (of each column of y),
     * [sum[n]] (int32, of each row of w; missing: zeros of x are 0), [zero[n]] (int32, of each row of w;
     * missing: 0), [bias[n]], [room for m n int32, which is written], y[m][n]; m, n, k, hows */
    MLO_DEVICE_DENSE_BYTES,
    /* y = fill where x is `number` (NaN: where it is none), else x: x:[rows][n], fill:[n], y:, which may be
     * x; rows, n */
    MLO_DEVICE_REPLACE,
    /* y = 1 where x, without its fraction, is the key, else 0: x[rows] of float32 or int64, key:[n], whole
     * numbers, y:[rows][n]; rows, n */
    MLO_DEVICE_ONE_HOT,
    /* y = the value of the key that x is, `number` where it is none: x:[rows], key:[n], rising, value:[n],
     * y:[rows]; rows, n */
    MLO_DEVICE_LOOKUP,
    /* y = x / its length, unless that is 0: x:[rows][n], y:, which may be x; rows, n. number: 0 the greatest
     * with its sign, 1 the sum of magnitudes, 2 the root of the sum of squares. */
    MLO_DEVICE_UNIT,
    /* x[rows][n] to y[rows][m], whose other columns keep what they have; rows, n, m, the column after the
     * last that is written */
    MLO_DEVICE_PLACE,
    /* What is added to scores of keys, `times` over: 0 for keys that are seen, else number: x[rows][n] of
     * float32, int32 or int64, y:[rows][times][keys]; rows, n, keys, times, enum mlo_device_seen */
    MLO_DEVICE_MASK,
    /* x[batch][rows][columns][n] to y[batch][columns][rows][n]; batch, rows, columns, n */
    MLO_DEVICE_SWAP,
    MLO_DEVICE_OPS,
};
enum mlo_device_seen {
    MLO_DEVICE_SEEN_ADDED = 1, /* x is what is added: the first `keys` of each row, which may be longer */
    MLO_DEVICE_SEEN_ABOVE,     /* keys whose x is above 0 */
    MLO_DEVICE_SEEN_COUNTED,   /* as many keys, from the first, as ones are in the row of x */
    MLO_DEVICE_SEEN_FIRST,     /* as many keys as the only number in the row of x says */
    MLO_DEVICE_SEEN_END,
};
enum mlo_device_pool {
    MLO_DEVICE_POOL_MEAN = 1,
    MLO_DEVICE_POOL_FIRST,
    MLO_DEVICE_POOL_MAX,
    MLO_DEVICE_POOL_END
};
#define MLO_DEVICE_STEP_BUFFERS 9
#define MLO_DEVICE_STEP_SIZES   7
#define MLO_DEVICE_NO_BUFFER    UINT32_MAX
#define MLO_DEVICE_SIZE_MAX     (1u << 30)
#define MLO_DEVICE_NORM_MAX     8192u /* n of NORM, EMBED and POOL */
#define MLO_DEVICE_HEAD_MAX     128u  /* size of ATTENTION */
#define MLO_DEVICE_FEW_ROWS     8u    /* m of DENSE_BYTES that needs no room */
#define MLO_DEVICE_E4M3_MAJOR   9u    /* least compute capability of devices with floats of 8 bits */
struct mlo_device_step {
    uint32_t op, activation;
    uint32_t buffer[MLO_DEVICE_STEP_BUFFERS], size[MLO_DEVICE_STEP_SIZES];
    float number;
};
struct mlo_device_program {
    const struct mlo_device_buffer *buffers;
    const struct mlo_device_step *steps;
    uint32_t n_buffers, n_steps;
    uint32_t tf32;  /* not 0: products may round their factors to 10 bits */
    uint32_t depth; /* runs that may have begun and not ended: 2, else 1 */
};
#define MLO_DEVICE_DEPTH_MAX 2u
/* Bytes in, and bytes out, up to which a program reads and writes them in the memory of the host: less than
 * what beginning a copy takes. mlo_device_limits says what is best on a device. */
#define MLO_DEVICE_MAPPED_MAX 16384u
/* Of a buffer from its begin, for a run: what is beyond keeps what it has, or is not given back. */
struct mlo_device_in {
    const void *data;
    uint64_t n;
};
struct mlo_device_out {
    void *data;
    uint64_t n;
};
/* A product that a library does for the plugin, y[m][n] = x[m][k] w[n][k]', and the fastest of its algorithms
 * that were tried. */
struct mlo_device_algorithm {
    uint32_t m, n, k;
    uint32_t from, to; /* enum mlo_device_type, of factors and of the result */
    uint32_t epilogue; /* the library's number of what it does along */
    uint32_t how;      /* bits of mlo_device_product_how */
    float us;          /* what it took */
    uint64_t algorithm[8];
};
enum mlo_device_product_how { MLO_DEVICE_TF32 = 1, MLO_DEVICE_SCALED = 2 /* by rows and columns */ };
#define MLO_DEVICE_ALGORITHMS_MAX 4096u
/* What a device can do; 0: not measured, or there is no such thing on it. */
struct mlo_device_limits {
    double copy;      /* bytes a second, read and written, within its memory */
    double in, out;   /* bytes a second from pinned memory of the host, and back */
    double graph_ns;  /* a graph of one empty kernel, from launching it until its end is known */
    double kernel_ns; /* each further kernel of a graph */
    double copied_ns; /* MLO_DEVICE_MAPPED_MAX bytes in and as many out by copies, and... */
    double mapped_ns; /* ...by kernels that read and write the memory of the host, graph_ns included */
    double tf32, flops[MLO_DEVICE_TYPES]; /* operations a second of large products, by type of factors */
};
/* What a run takes on the device, in nanoseconds. An event between two steps costs time, too, which is in all
 * but the first. */
struct mlo_device_times {
    double all;     /* of a run without events between its steps */
    double in, out; /* copying in and back */
    double *steps;  /* of each step of the program; the caller's */
};
struct mlo_device_weights; /* on a device; any number of programs share them */
struct mlo_device_run;     /* a program, ready to run; of one caller at a time */

/* Functions return enum mlo_device_status and leave a reason, MLO_DEVICE_REASON bytes at most, unless OK.
 * They never print, exit or throw. */
struct mlo_device_api {
    uint32_t abi, size; /* MLO_DEVICE_ABI, sizeof of this struct as the plugin knows it */
    const char *name;   /* "cuda" */
    int (*count)(uint32_t *ret, char *reason);
    int (*info)(uint32_t device, struct mlo_device_info *ret, char *reason);
    /* Weights are copied. They are freed after the programs that use them. */
    int (*weights_new)(uint32_t device, const struct mlo_device_weight *from, uint32_t n,
                       struct mlo_device_weights **ret, char *reason);
    void (*weights_free)(struct mlo_device_weights *w);
    int (*program_new)(const struct mlo_device_program *from, const struct mlo_device_weights *weights,
                       struct mlo_device_run **ret, char *reason);
    /* in and out: one for each buffer of that role, in their order. What `out` holds after a failure is
     * not said. */
    int (*program_run)(struct mlo_device_run *p, const struct mlo_device_in *in,
                       const struct mlo_device_out *out, char *reason);
    void (*program_free)(struct mlo_device_run *p);
    /* What computes dense layers of many rows, in words of MLO_DEVICE_REASON bytes at most. */
    void (*products)(char *ret);
    /* program_run in two halves: what a run takes is copied while the one before computes. As many as the
     * program's depth may have begun; they end in the order in which they began. in: borrowed for the call.
     * After a failure: program_free alone. */
    int (*program_begin)(struct mlo_device_run *p, const struct mlo_device_in *in, char *reason);
    int (*program_end)(struct mlo_device_run *p, const struct mlo_device_out *out, char *reason);
    /* Some seconds. */
    int (*limits)(uint32_t device, struct mlo_device_limits *ret, char *reason);
    /* Nanoseconds of a product alone, type and how as in mlo_device_algorithm. UNSUPPORTED: none such. */
    int (*product_ns)(uint32_t device, uint32_t type, uint32_t how, const uint32_t mnk[3], double *ret,
                      char *reason);
    /* What algorithms depend on: device, driver and library, MLO_DEVICE_REASON bytes at most. UNSUPPORTED:
     * there is no library. */
    int (*algorithms_of)(uint32_t device, char *ret, char *reason);
    /* Those that were kept of the same device, driver and library: they are checked, and not measured again.
     */
    void (*algorithms_put)(uint32_t device, const struct mlo_device_algorithm *list, uint32_t n);
    /* Of all that are known now, so many as fit; returns how many there are. */
    uint32_t (*algorithms_get)(uint32_t device, struct mlo_device_algorithm *list, uint32_t room);
    /* Runs the program twice more on what was put in last, while no run has begun. After a failure:
     * program_free alone. */
    int (*program_times)(struct mlo_device_run *p, struct mlo_device_times *ret, char *reason);
    /* In a word or some, "dense"; op: below MLO_DEVICE_OPS. */
    const char *(*op_name)(uint32_t op);
};
/* The only symbol a plugin shows. NULL: it does not know this ABI. */
typedef const struct mlo_device_api *(*mlo_device_entry)(uint32_t abi);

#ifdef __cplusplus
}
#else

/* ---- finding it ---- */

#include <mlopsctl/base/err.h>

#define MLO_CUDA_DRIVER_MIN 13000 /* the runtime in the plugin is of CUDA 13: drivers from R580 on */

struct mlo_gpu_driver {
    bool works;
    int version; /* 13000: CUDA 13.0 */
    unsigned devices;
    char detail[160]; /* the version and first device, else what failed */
};
/* libcuda.so.1 is opened and asked. */
void mlo_gpu_driver(struct mlo_gpu_driver *ret);

#define MLO_DEVICES_MAX      16
enum mlo_device_found { MLO_DEVICE_FOUND_DRIVER, MLO_DEVICE_FOUND_PLUGIN, MLO_DEVICE_FOUND_DEVICE };
struct mlo_device_probe {
    struct mlo_gpu_driver driver;
    const struct mlo_device_api *api; /* NULL: no plugin can be used */
    char plugin[256];                 /* its file, "" when none was found */
    struct mlo_device_info devices[MLO_DEVICES_MAX];
    unsigned n_devices;
    char reason[MLO_DEVICE_REASON]; /* why there is no device; "" when there is one */
    enum mlo_device_found failed;   /* what the reason is of; what comes after it was not looked for */
};
/*
 * Asks the driver, then looks for mlopsctl-cuda.so in the folders, in order; the first that is there is the
 * one. A file that others may write to is not opened.
 */
void mlo_device_find(const char *const *folders, size_t n, struct mlo_device_probe *ret);
/* The same as an error: MLO_EUNAVAIL with the reason and what to do. 0 when there is a device. */
int mlo_device_need(const struct mlo_device_probe *p, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- algorithms of products, kept between processes ---- */

struct mlo_str;
#define MLO_ALGORITHMS_FILE  32
#define MLO_ALGORITHMS_BYTES ((size_t)1 << 20) /* most of a file */
/* of: what a plugin says they depend on, one line. The name of their file. */
void mlo_algorithms_file(const char *of, char ret[MLO_ALGORITHMS_FILE]);
int mlo_algorithms_write(const char *of, const struct mlo_device_algorithm *list, uint32_t n,
                         struct mlo_str *out, struct mlo_err *err) MLO_MUST_CHECK;
/* MLO_EINVALID: damaged; MLO_ENOTFOUND: of another device, driver or library. Owner of *ret: the caller. */
int mlo_algorithms_read(const char *text, size_t n, const char *of, struct mlo_device_algorithm **ret,
                        uint32_t *ret_n, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- what a GPU does meanwhile, by NVML ---- */

struct mlo_gpu_reading {                    /* -1: the driver does not tell */
    int64_t memory_used, memory_total;      /* bytes, of all programs */
    int64_t energy_mj;                      /* a counter */
    int64_t power_mw, power_limit_mw;       /* drawn, over about the last second; allowed */
    int64_t sm_mhz, sm_mhz_max, memory_mhz; /* clocks */
    int64_t busy, memory_busy;              /* per cent of the last moments in which any kernel ran; in which
                                             * memory was read or written */
    int64_t celsius;
    int64_t reasons; /* why clocks are lower than they could be: bits of mlo_gpu_reason */
};
struct mlo_gpu_meter;
/*
 * libnvidia-ml.so.1 is opened at run time and stays open. which: "0" (NVML's order), "GPU-..." (its name for
 * ever) or "0000:65:00.0"; NULL: the first. MLO_EUNAVAIL with the reason.
 */
int mlo_gpu_meter_open(const char *which, struct mlo_gpu_meter **ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_gpu_meter_close(struct mlo_gpu_meter *m); /* NULL: nothing */
const char *mlo_gpu_meter_name(const struct mlo_gpu_meter *m);
void mlo_gpu_meter_read(const struct mlo_gpu_meter *m, struct mlo_gpu_reading *ret);
int64_t mlo_gpu_meter_energy(const struct mlo_gpu_meter *m); /* that member alone */
/* In words of bit `i` of reasons, "its power limit"; NULL: no fault (it is idle), or none that is known. */
#define MLO_GPU_REASONS      9
const char *mlo_gpu_reason(unsigned i);

#endif
#endif

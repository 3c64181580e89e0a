/* The parts of mlopsctl bench. */
#ifndef MLO_CMD_BENCH_H
#define MLO_CMD_BENCH_H

#include <mlopsctl/bench.h>

#include "cmd/shared/backend.h"
#include "cmd/shared/model.h"

#define MLO_BENCH_BATCHES   64 /* different ones at most */
#define MLO_BENCH_BATCH_MAX 1048576

struct mlo_bench_args {
    const char *backend;
    const char *batch, *scenario, *model_file, *save_baseline, *against, *target, *wrap;
    const char *precision, *html, *goal;
    uint64_t callers, duration, warmup, seed, threads;
    double rate, tolerance, price;
    bool no_record, force, history, explain, calibrate, answer, cost;
    struct mlo_strings dims;
};
struct mlo_bench_image {
    const char *what; /* "image:..."; NULL: none yet */
    struct mlo_container *container;
};
struct mlo_bench {
    struct mlo_backend backend;
    struct mlo_ctx *ctx;
    const struct mlo_bench_args *args;
    struct mlo_load load;
    struct mlo_inputs_opts inputs;
    struct mlo_dim_value *dims; /* owned */
    size_t batches[MLO_BENCH_BATCHES], n_batches;
    struct mlo_bench_result result, kept; /* what is measured; what it is held against, when that is kept */
    struct mlo_bench_result other;        /* the other side, when it was measured, too */
    bool has_kept, stopped, compared;
    enum mlo_gate gate;                                /* the worst so far */
    struct mlo_limits limits;                          /* of the machine, for --explain */
    struct mlo_explained explained[MLO_BENCH_BATCHES]; /* of the first n_explained batches */
    size_t n_explained;
    bool explained_here; /* what answered is another: the explanation is of our engine beside it */
    struct mlo_device_limits device_limits;
    struct mlo_device_explained on_device[MLO_BENCH_BATCHES]; /* of the batches in device_batches */
    size_t device_batches[MLO_BENCH_BATCHES], n_on_device;
    struct mlo_gpu_meter *gpu;        /* owned; NULL: none */
    struct mlo_bench_image images[3]; /* of both sides, and an end; owned */
    char *model_path;                 /* owned: the model's file, for containers */
    const char *model_name;           /* in the container */
    char *line, *advice;              /* owned: of --wrap, our program inside it, what to try; NULL */
    char digest[MLO_DIGEST_TEXT];     /* of the model's file, when there is a line */
    int cost;                         /* answer of --cost: 0, MLO_NO or a failure, which cost_err tells */
    struct mlo_err cost_err;
    const char *noisy; /* why the machine allows no verdict; NULL */
    char forced[64];   /* what differs from the baseline that --force compared with */
};

/* ---- options.c ---- */

int mlo_bench_options(struct mlo_bench *b, struct mlo_err *err) MLO_MUST_CHECK;
/* "NAME=N" words, which are cut at the sign; ret has room for all of them. */
int mlo_bench_dims(const struct mlo_strings *words, struct mlo_dim_value *ret,
                   struct mlo_err *err) MLO_MUST_CHECK;
/* "multi 4": what results must have in common to be compared. Owner: the caller. */
int mlo_bench_load_text(const struct mlo_bench *b, char **ret, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- side.c: what answers, made ready to be asked for one batch ---- */

struct mlo_bench_loaded { /* what it took to open a model; 0: not known */
    uint64_t ns, peak;    /* bytes */
};
struct mlo_bench_who {
    const struct mlo_plan *plan; /* whose inputs are sent */
    const char *what;            /* "command:LINE", "image:REF" or a URL; NULL: our engine runs the plan */
    struct mlo_bench_loaded loaded;
    const char *line, *digest; /* our program as one that answers, and the model's digest; NULL */
};
bool mlo_bench_is_foreign(const char *word); /* a program, an image or a URL */
struct mlo_bench_side {                      /* release with mlo_bench_side_release */
    struct mlo_inputs *inputs;
    const struct mlo_value *set;
    char *body; /* the inputs as text, for others */
    struct mlo_target *target;
    struct mlo_runner *runner;
};
int mlo_bench_side_open(struct mlo_bench *b, const struct mlo_bench_who *who, size_t batch,
                        struct mlo_bench_side *ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_bench_side_release(struct mlo_bench_side *s);

/* ---- wrap.c: our program as a target ---- */

int mlo_bench_digest(const struct mlo_model *m, const char *word, char ret[MLO_DIGEST_TEXT],
                     struct mlo_err *err) MLO_MUST_CHECK;
/* A shell's line that answers for `model`, behind the wrapper (NULL: none). Owner of *ret: the caller. */
int mlo_bench_line(const struct mlo_bench *b, const char *wrap, const char *model, char **ret,
                   struct mlo_err *err) MLO_MUST_CHECK;
/* What to try with a wrapper that does not work. Owner of *ret: the caller. */
int mlo_bench_wrap_advice(const struct mlo_bench *b, char **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* bench --answer */
int mlo_bench_answer(struct mlo_ctx *ctx, const struct mlo_bench_args *o, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- report.c ---- */

void mlo_bench_put_header(struct mlo_bench *b);
/* failure: of the first request that failed; NULL. */
void mlo_bench_put_row(struct mlo_bench *b, size_t batch, const struct mlo_measured *m, const char *failure);
double mlo_bench_rounded(const struct mlo_bench *b, double v, int digits); /* of text; JSON has all */
double mlo_bench_rows_per_s(const struct mlo_measured *m, size_t batch);
/* c: NULL when nothing is compared. */
void mlo_bench_put_verdicts(struct mlo_bench *b, const struct mlo_compared *c, size_t n);

/* ---- machine.c ---- */

/* What the machine took and what was used, where there is something to say; all of it in JSON. */
int mlo_bench_put_machine(struct mlo_bench *b, struct mlo_err *err) MLO_MUST_CHECK;
/* From here on the GPU is watched, when there is one that tells. */
int mlo_bench_gpu_open(struct mlo_bench *b, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- kept.c: results in the ledger ---- */

#define MLO_BENCH_BASELINE "bench"            /* kind of names */
bool mlo_bench_is_file(const char *baseline); /* no name: "native.json" */
/* --against names a baseline of this model, or a run: into b->kept. *ret_found false: it is something else.
 */
int mlo_bench_find_kept(struct mlo_bench *b, bool *ret_found, struct mlo_err *err) MLO_MUST_CHECK;
/* Artifacts of a run: its result, and that of the other side. */
#define MLO_BENCH_RESULT  "bench"
#define MLO_BENCH_AGAINST "bench-against"
/* The artifact of that kind which a run of bench left; *ret_found false: none. */
int mlo_bench_read_run(struct mlo_workspace *ws, int64_t run, const char *kind, struct mlo_bench_result *ret,
                       bool *ret_found, struct mlo_err *err) MLO_MUST_CHECK;
bool mlo_bench_same_model(const char *a, const char *b); /* of whatever version */
/* --save-baseline FILE.json does not replace what is no result of a benchmark. */
int mlo_bench_check_file(const struct mlo_bench *b, struct mlo_err *err) MLO_MUST_CHECK;
/* Where --save-baseline names a file: the result there; with a workspace as an effect of its run. */
int mlo_bench_save_file(const struct mlo_bench *b, struct mlo_workspace *ws,
                        struct mlo_err *err) MLO_MUST_CHECK;
/* The exit status of a bench that was held against something or was interrupted: the run's metric of this
 * name. */
#define MLO_BENCH_VERDICT     "verdict"
#define MLO_BENCH_INTERRUPTED 130 /* as a shell tells it of a process that SIGINT ended */
int mlo_bench_verdict(const struct mlo_bench *b);
/* The result as an artifact of the run, and as the baseline when asked for. */
int mlo_bench_record(struct mlo_bench *b, struct mlo_workspace *ws, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- explain.c ---- */

/* What the machine can do, kept or measured: into b->limits. */
int mlo_bench_limits(struct mlo_bench *b, struct mlo_err *err) MLO_MUST_CHECK;
/* Where the time of the plan goes that was measured just now: into b->explained. */
int mlo_bench_explain(struct mlo_bench *b, const struct mlo_bench_who *who, const struct mlo_bench_side *side,
                      const struct mlo_measured *m, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_bench_put_explained(struct mlo_bench *b, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- explain_gpu.c ---- */

/* The same of a plan on a GPU. *ret_done false: its runs are the CPU's. */
int mlo_bench_explain_gpu(struct mlo_bench *b, const struct mlo_plan *plan, const struct mlo_value *in,
                          const struct mlo_explain_opts *how, bool *ret_done,
                          struct mlo_err *err) MLO_MUST_CHECK;
void mlo_bench_put_explained_gpu(struct mlo_bench *b);

/* ---- page.c: --html ---- */

/* c: of the first n cases what they were compared with. */
int mlo_bench_write_page(const struct mlo_bench *b, const struct mlo_compared *c, size_t n,
                         struct mlo_err *err) MLO_MUST_CHECK;
int mlo_bench_write_history(const struct mlo_bench *b, const struct mlo_history_line *lines, size_t n,
                            struct mlo_err *err) MLO_MUST_CHECK;

/* ---- picture.c ---- */

/* The times that a run of bench kept, as a picture, and as buckets in JSON; nothing when it has none. */
int mlo_bench_show_run(struct mlo_ctx *ctx, struct mlo_workspace *ws, int64_t run,
                       struct mlo_err *err) MLO_MUST_CHECK;

/* ---- cost.c ---- */

int mlo_bench_cost_options(const struct mlo_bench_args *o, struct mlo_err *err) MLO_MUST_CHECK;
/* What a million predictions cost by what is measured here and was measured elsewhere; into b->cost whether a
 * goal is met. */
int mlo_bench_cost(struct mlo_bench *b, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- history.c ---- */

/* What earlier runs found for this model, machine, load and these batches, and where it changed. */
int mlo_bench_history(struct mlo_bench *b, struct mlo_err *err) MLO_MUST_CHECK;

#endif

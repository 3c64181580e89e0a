/*
 * Benchmarks: requests sent to a target, how long each took, and whether one side is slower than another.
 *
 * What is measured comes in blocks: a fraction of a second of requests. Two sides are compared in pairs of
 * blocks, one right after the other in random order, so that what the machine does meanwhile hits both
 * (docs/benchmarking.md). Times are nanoseconds of the monotonic clock.
 */
#ifndef MLOPSCTL_BENCH_H
#define MLOPSCTL_BENCH_H

#include <mlopsctl/base/json.h>
#include <mlopsctl/device.h>
#include <mlopsctl/host.h>
#include <mlopsctl/infer.h>
#include <mlopsctl/net.h>
#include <mlopsctl/stats.h>

/* ---- what answers ---- */

/*
 * Callers run beside each other, each in a thread of its own, in which all its functions are called. A call
 * is one request and ends within the target's own time limit, by an answer or a failure.
 */
struct mlo_target {
    const char *kind; /* "engine": for reports */
    int (*join)(struct mlo_target *t, void **ret_caller, struct mlo_err *err);
    int (*call)(void *caller, uint64_t request, struct mlo_err *err);
    /* Asked after a call that failed: false when the caller can go no further, which ends the benchmark with
     * that failure. NULL: it always can. */
    bool (*usable)(void *caller);
    /* Requests from `first` on, one after the other, in one go; what failed, failed as a whole. NULL: no. */
    int (*calls)(void *caller, uint64_t first, unsigned n, struct mlo_err *err);
    /* Asked after a call that was answered: the ns that the work itself took, by whoever did it, which then
     * count instead of those from here to there and back; below 0: not known. NULL: never. */
    int64_t (*took)(void *caller);
    void (*leave)(void *caller);
    void (*close)(struct mlo_target *t);
    /* The processes that answer, `max` at most; NULL: not known here. Asked while no call is under way. */
    size_t (*processes)(struct mlo_target *t, pid_t *ret, size_t max);
    size_t rows;        /* of one request */
    uint64_t load_ns;   /* what opening took; 0: not known */
    uint64_t load_peak; /* bytes, the most memory of its processes meanwhile; 0: not known */
};
void mlo_target_close(struct mlo_target *t); /* NULL: nothing */

/* Inputs made up for a model, of `rows` rows: normal numbers, 0 or 1, rows of the table they index; from a
 * seed. Texts, and shapes that are not said, cannot be made up: MLO_EUSAGE. */
struct mlo_inputs_opts {
    size_t rows;
    const struct mlo_dim_value *dims; /* open dimensions by name: a sequence's length */
    size_t n_dims;
    uint64_t seed;
};
struct mlo_inputs;
int mlo_inputs_new(const struct mlo_plan *plan, const struct mlo_inputs_opts *o, struct mlo_inputs **ret,
                   struct mlo_err *err) MLO_MUST_CHECK;
const struct mlo_value *mlo_inputs_values(const struct mlo_inputs *in); /* one for each input of the plan */
void mlo_inputs_free(struct mlo_inputs *in);

/* Our engine. sets: of n_sets requests the inputs of the plan, taken in turn; borrowed, as the plan. threads:
 * of one request. */
int mlo_target_engine(const struct mlo_plan *plan, const struct mlo_value *const *sets, size_t n_sets,
                      size_t rows, unsigned threads, struct mlo_target **ret,
                      struct mlo_err *err) MLO_MUST_CHECK;

/*
 * What others are sent: values for the inputs of a plan as JSON, the body of an Open Inference Protocol v2
 * request. MLO_EUSAGE for what JSON cannot say (NaN, infinities, texts that are no UTF-8). Owner of *ret: the
 * caller.
 */
int mlo_infer_request(const struct mlo_port_type *ports, const struct mlo_value *values, size_t n, char **ret,
                      struct mlo_err *err) MLO_MUST_CHECK;

struct mlo_jpull;
/* The same read back, the next value of j, as far as the plan's inputs go: all of them, each of its type. */
int mlo_infer_request_read(struct mlo_jpull *j, const struct mlo_port_type *ports, size_t n,
                           struct mlo_inputs **ret, struct mlo_err *err) MLO_MUST_CHECK;

/*
 * A program that speaks the line protocol of docs/bench-targets.md, one process for each caller. The first is
 * started here, so that a program that does not work is told at once; load_ns is how long it took until it
 * was ready. A process that breaks the protocol, ends or says nothing for too long is killed with all it
 * started: its caller can go no further.
 */
struct mlo_target_opts {
    const char *const *bodies; /* of requests, taken in turn: JSON; borrowed */
    size_t n_bodies;
    size_t rows;             /* of one request */
    int64_t limit_ns;        /* for the answer to one; 0: 30 s */
    const char *model;       /* its name or path; NULL: none */
    const char *digest;      /* "sha256:..." of its file, for our own program, which refuses another; NULL */
    bool (*stop)(void *ctx); /* asked while waiting; a call that ends for it fails with MLO_EIO and EINTR */
    void *stop_ctx;
};
struct mlo_command_opts {
    const char *line;       /* for /bin/sh -c; NULL: argv */
    const char *name;       /* for messages; NULL: the first word */
    const char *role;       /* before the name: "wrapper "; NULL: nothing */
    const char *advice;     /* a hint for one that fails before it is ready and says nothing; NULL */
    char *const *argv;      /* a program (found by PATH) and its arguments, without a shell */
    char *const *env;       /* NULL: empty */
    int64_t start_limit_ns; /* until it is ready; 0: 120 s */
};
/* Everything is borrowed until the target is closed. */
int mlo_target_command(const struct mlo_command_opts *c, const struct mlo_target_opts *o,
                       struct mlo_target **ret, struct mlo_err *err) MLO_MUST_CHECK;

/*
 * An image as such a program: its files unpacked, or a root file system that is there already, and the line
 * by which a container runtime (runc or crun; no daemon) runs it with its standard streams. The container has
 * no network, no capabilities and sees its own processes; the model's file is in it for reading.
 *
 * What a process that was killed has left, container and files, goes when the next image is opened.
 */
struct mlo_container_opts {
    const char *image;  /* "[oci:]PATH[:TAG]": an OCI layout, a tar of one, or an OCI runtime bundle */
    const char *folder; /* where files of containers are meanwhile; made when it is missing */
    char *const *env;   /* of this process: PATH */
    const char *model, *model_name; /* the file, and its name in the container's /model; NULL: none */
};
struct mlo_container;
/* MLO_EUNAVAIL: there is no runtime. */
int mlo_container_open(const struct mlo_container_opts *o, struct mlo_container **ret,
                       struct mlo_err *err) MLO_MUST_CHECK;
const char *mlo_container_line(const struct mlo_container *c);  /* for /bin/sh -c; each makes a container */
const char *mlo_container_model(const struct mlo_container *c); /* its path inside; NULL */
/* Containers of it that are still there are ended; its files are removed. NULL: nothing. */
void mlo_container_close(struct mlo_container *c);

/* The other end of that protocol: our engine answers until `in` ends. */
struct mlo_target_answer_opts {
    int in, out;        /* borrowed */
    const char *digest; /* of the model's file: who asks for another is refused; NULL: not known */
};
int mlo_target_answer(const struct mlo_plan *plan, const struct mlo_target_answer_opts *o,
                      struct mlo_err *err) MLO_MUST_CHECK;

/*
 * A server: each caller posts over a connection of its own, which is kept. Nothing is sent twice. An answer
 * is good when its status is 2xx and it is JSON, of the inference protocol with outputs in it. Other answers
 * and none in time are failures of their request alone.
 */
struct mlo_url_opts {
    const char *url;   /* with a model: of the server, to which /v2/models/MODEL/infer is added; else where to
                        * post */
    const char *token; /* sent as "Authorization: Bearer"; NULL: none */
    const struct mlo_http_opts *http; /* NULL: as usual. stop and direct are the target's */
};
/* o is copied, what it points to is borrowed until the target is closed; u is not needed afterwards. */
int mlo_target_url(const struct mlo_url_opts *u, const struct mlo_target_opts *o, struct mlo_target **ret,
                   struct mlo_err *err) MLO_MUST_CHECK;

/* ---- load ---- */

struct mlo_clock { /* another clock than the system's: tests run in a time of their own */
    int64_t (*now)(void *ctx);
    void (*wait)(void *ctx, int64_t until);
    void *ctx;
};
struct mlo_load {
    unsigned callers; /* at the same time; 0: 1 */
    double rate;      /* requests a second that come by themselves (Poisson), each timed from when it was due;
                       * 0: a caller's next one when the last was answered */
    uint64_t seed;
    bool (*stop)(void *ctx); /* asked between requests; may be NULL */
    void *stop_ctx;
    const struct mlo_clock *clock;   /* NULL: monotonic */
    const struct mlo_gpu_meter *gpu; /* read after each block; NULL: none */
    /* Told between blocks of mlo_measure and mlo_compare, in ns; NULL: nobody. */
    void (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *progress_ctx;
};
struct mlo_queued {    /* of requests that come by themselves */
    uint64_t n, ahead; /* that were begun; those that each found waiting when it was due, in sum */
    double ns;         /* from due to begun, in sum */
};
struct mlo_block {
    double *ns; /* of each timing: a request, or the mean of `repeat` of them */
    size_t n, cap;
    uint64_t requests, failures;
    double seconds;
    struct mlo_queued queued;
};
void mlo_block_release(struct mlo_block *b);
double mlo_block_median(const struct mlo_block *b); /* n > 0; sorts it */

struct mlo_runner; /* callers at work */
int mlo_runner_new(struct mlo_target *t, const struct mlo_load *load, struct mlo_runner **ret,
                   struct mlo_err *err) MLO_MUST_CHECK;
void mlo_runner_free(struct mlo_runner *r);
/* Until each timing is a hundred times as long as reading the clock takes, and three windows in a row agree
 * within a tenth, or `seconds` are over. *ret_steady. */
int mlo_runner_warm(struct mlo_runner *r, double seconds, bool *ret_steady,
                    struct mlo_err *err) MLO_MUST_CHECK;
/*
 * Requests for so long. b is emptied first and keeps its memory. Requests that fail are counted; the first
 * failure is returned only when there was no answer at all.
 */
int mlo_runner_block(struct mlo_runner *r, double seconds, struct mlo_block *b,
                     struct mlo_err *err) MLO_MUST_CHECK;
unsigned mlo_runner_repeat(const struct mlo_runner *r);     /* requests of one timing */
uint64_t mlo_runner_first(const struct mlo_runner *r);      /* the very first request */
const char *mlo_runner_failure(const struct mlo_runner *r); /* text of the first one that failed; NULL */

/* ---- the clock and the machine ---- */

struct mlo_timer {
    double overhead, tick; /* of one reading; the smallest step seen */
};
void mlo_timer_measure(const struct mlo_clock *clock, struct mlo_timer *ret);

struct mlo_gpu_used { /* NaN: the driver does not tell */
    char name[96];
    uint64_t readings;                      /* one after each block; 0: there is no GPU */
    double busy, memory_busy, power_w, mhz; /* means; per cent, watts */
    double power_limit_w, mhz_max, memory;  /* memory: the most in use, by all programs, bytes */
    double joules;                          /* its counter lags by up to a tenth of a second */
    uint64_t reasons[MLO_GPU_REASONS];      /* readings with lower clocks for it */
};
/* What the machine gave and took during the blocks; 0 where it does not tell. */
struct mlo_used {
    struct mlo_host_throttle groups[MLO_HOST_GROUPS]; /* of whoever answers */
    uint64_t cpu_ticks, stolen_ticks;                 /* of all processors */
    uint64_t waits, preempted; /* switches of this process, when it answers: it waited; others came */
    double cpu_joules;         /* of all processors; NaN: not known */
    struct mlo_gpu_used gpu;
};
/* The group that held it back most: its share of periods. NULL: no quota. */
const struct mlo_host_throttle *mlo_used_quota(const struct mlo_used *u, double *ret_share);
double mlo_used_stolen(const struct mlo_used *u); /* share of the machine's time that other guests took */
double mlo_used_joules(const struct mlo_used *u); /* of processors and GPU; NaN: neither is known */

struct mlo_footprint {            /* bytes of the processes that answer; 0: not known */
    uint64_t load_peak, run_peak; /* the most, while it was loaded; from then on */
    uint64_t rss, pss;            /* at the end */
};

/* ---- what the machine can do ---- */

enum mlo_level { MLO_LEVEL_L1, MLO_LEVEL_L2, MLO_LEVEL_L3, MLO_LEVEL_MEMORY, MLO_LEVELS };
const char *mlo_level_name(enum mlo_level level); /* "first cache" */
struct mlo_limits {                               /* of one core */
    char cpu[128];
    unsigned cpus;               /* that this process may use, by affinity and quota */
    double quota;                /* CPUs that the cgroup grants; 0: as many as there are */
    double f32, f64, int8, bf16; /* operations a second, two for a product and its sum; 0: no instruction */
    double read[MLO_LEVELS];     /* bytes a second */
    size_t bytes[MLO_LEVELS];    /* sizes of the caches; of memory 0 */
    double step_ns;              /* a step of a plan with nothing to do */
    double wake_ns, clock_ns;    /* until a sleeping thread runs; reading the clock once */
    int64_t measured_ns;
};
/* About a second. clock NULL: monotonic. */
int mlo_calibrate(const struct mlo_clock *clock, struct mlo_limits *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* cpu, cpus and quota alone: what can be told at once. */
void mlo_limits_identify(struct mlo_limits *l);
/* A JSON document, to be kept. Reading one of another CPU, number of them or version of this program is
 * MLO_ENOTFOUND. */
int mlo_limits_write(const struct mlo_limits *l, struct mlo_str *out, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_limits_read(const char *text, size_t n, struct mlo_limits *ret, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- one side ---- */

struct mlo_measure_opts {
    double seconds, warmup; /* 0: 5, 5 */
    double block;           /* 0: 0.1 */
};
struct mlo_measured {
    struct mlo_times times; /* of timings */
    double *medians;        /* of each block */
    double *means;          /* likewise; NULL in results of before they were kept */
    double *controls;       /* a fixed loop right after each: how fast the machine was then */
    size_t n_blocks, cap, cap_means, cap_controls;
    uint64_t requests, failures, first_ns;
    uint64_t load_ns; /* 0: not known */
    unsigned repeat;
    double seconds;
    bool steady, stopped; /* warmed up; ended early on demand */
    struct mlo_timer timer;
    struct mlo_used used;
    struct mlo_footprint memory;
    struct mlo_queued queued; /* not kept */
};
/* The part of a timing that reading the clock takes; 0 when nothing was timed. */
double mlo_measured_overhead(const struct mlo_measured *m);
/* What was asked, how it was loaded and timed and what it used, as members of a JSON object, of which those
 * that are not known are null. */
void mlo_measured_json(const struct mlo_measured *m, cJSON *to);
int mlo_measure(struct mlo_runner *r, const struct mlo_load *load, const struct mlo_measure_opts *o,
                struct mlo_measured *ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_measured_release(struct mlo_measured *m);

/* ---- two sides ---- */

struct mlo_compare_opts {
    double tolerance; /* 0: 0.05 */
    double seconds;   /* at most; 0: 30 */
    double block;     /* 0: 0.05 */
    double warmup;    /* 0: 5 */
    size_t pairs;     /* at least, before the first verdict; 0: 20 */
    uint64_t seed;
};
#define MLO_COMPARE_LOOKS 6 /* verdicts asked for at most: each with its share of the 5 % */
struct mlo_compared {
    enum mlo_gate gate;
    struct mlo_ratio median, p99; /* b / a */
    bool has_p99;                 /* enough was measured */
    double p;                     /* Wilcoxon's signed ranks of the pairs */
    double b_above_a;             /* share of pairs of blocks in which b's is the larger (Mann-Whitney) */
    struct mlo_ratio control;     /* a fixed loop beside b's blocks / beside a's: 1 on a fair machine */
    size_t pairs, more;           /* more: that would tell, when inconclusive */
    const char *noisy;            /* why no verdict can be given here; NULL */
    /* The second side was held back by its CPU quota, the first was not: `median` is the ratio of the means
     * of blocks, which hold what waited. */
    bool throttled;
    double quota; /* processors that it grants; 0: not known */
    bool stopped;
    struct mlo_measured a, b; /* empty after mlo_compare_kept */
};
int mlo_compare(struct mlo_runner *a, struct mlo_runner *b, const struct mlo_load *load,
                const struct mlo_compare_opts *o, struct mlo_compared *ret,
                struct mlo_err *err) MLO_MUST_CHECK;
void mlo_compared_release(struct mlo_compared *c);

/* ---- what holds a model back ---- */

enum mlo_bound { /* what a step cannot be faster than */
                 MLO_BOUND_COMPUTE,
                 MLO_BOUND_L1, /* the levels in their order */
                 MLO_BOUND_L2,
                 MLO_BOUND_L3,
                 MLO_BOUND_MEMORY,
                 MLO_BOUND_STEP,     /* beginning a step at all */
                 MLO_BOUND_WAKE,     /* waking the threads that share it */
                 MLO_BOUND_LAUNCH,   /* on a device: beginning a kernel */
                 MLO_BOUND_TRANSFER, /* to a device and back */
                 MLO_BOUNDS
};
const char *mlo_bound_name(enum mlo_bound b); /* "compute", "second cache", "step" */
enum mlo_explained_copy { MLO_NO_COPY, MLO_COPY_IN, MLO_COPY_OUT };
struct mlo_explained_step {
    struct mlo_node_cost cost;
    double ns, limit_ns; /* as it is; at what binds it */
    enum mlo_bound bound;
    enum mlo_explained_copy copy; /* to a device or back, of cost.bytes; then that is all it is */
};
struct mlo_explained_bound { /* of all steps that it binds */
    size_t n;
    double ns, limit_ns;
};
struct mlo_around {             /* what a request takes around the run, ns; 0: not known */
    double parse_ns, answer_ns; /* from JSON to tensors; from tensors to JSON */
    size_t parse_bytes, answer_bytes;
    double queue_ns;      /* from due to begun, the mean; requests come by themselves */
    double way_ns;        /* of a request to another, all that is none of the others */
    double ahead, little; /* requests that each found waiting; how many there are by Little's law */
};
#define MLO_EXPLAINED_TEXT 512
struct mlo_explained {                /* release with mlo_explained_release */
    struct mlo_explained_step *steps; /* in the order of the plan; texts are the plan's */
    size_t n;
    double run_ns;     /* a run; what steps take and rest_ns add up to that */
    double rest_ns;    /* between steps */
    double timing_ns;  /* what timing a step took; it is taken off */
    double request_ns; /* as requests were answered beside others; 0: there were none */
    uint64_t runs;     /* that were looked at */
    double run_bytes;  /* what a run goes through: all weights, and the most that one step has of values */
    unsigned threads;
    bool on_device; /* steps are those of a device; rest_ns is all around its work */
    bool tf32;      /* there: products of float32 round their factors */
    struct mlo_explained_bound bounds[MLO_BOUNDS];
    struct mlo_around around;
    char sentence[MLO_EXPLAINED_TEXT]; /* what holds it back, and what would help */
};
struct mlo_explain_opts {
    double seconds;    /* 0: 1 */
    double request_ns; /* as in mlo_explained */
    unsigned threads;  /* of the session; 0: 1 */
    const struct mlo_clock *clock;
    bool (*stop)(void *ctx); /* may be NULL */
    void *stop_ctx;
};
/* Runs the plan with these inputs for a while, every other time with a look at the clock after each step. */
int mlo_explain(const struct mlo_plan *plan, const struct mlo_value *in, const struct mlo_limits *limits,
                const struct mlo_explain_opts *o, struct mlo_explained *ret,
                struct mlo_err *err) MLO_MUST_CHECK;
void mlo_explained_release(struct mlo_explained *e);
enum mlo_asked {                   /* who answered the requests that were measured */
                 MLO_ASKED_ENGINE, /* this one; parse and answer are what a server of it would add */
                 MLO_ASKED_LINES,  /* a program; its inputs were JSON only once, before the first request */
                 MLO_ASKED_JSON    /* a server */
};
/* What a request of these inputs takes around its run: into e->around, and into the sentence when it is most
 * of it. m: as it was measured. */
int mlo_explain_around(const struct mlo_plan *plan, const struct mlo_value *in, const struct mlo_measured *m,
                       enum mlo_asked asked, const struct mlo_clock *clock, struct mlo_explained *e,
                       struct mlo_err *err) MLO_MUST_CHECK;
/* The rows of it that are known: parse, answer, queue, way. */
struct mlo_around_row {
    const char *name;
    double ns, share, gain; /* of a whole request; how much faster it were without */
    char why[96];
};
#define MLO_AROUND_ROWS 4
size_t mlo_around_rows(const struct mlo_explained *e, struct mlo_around_row ret[MLO_AROUND_ROWS]);
/* The arithmetic of it: steps have costs and ns, and run_ns, threads and request_ns are set; the rest is
 * found. */
void mlo_explain_bounds(const struct mlo_limits *limits, struct mlo_explained *e);
/* Its steps, the longest first. Owner of *ret: the caller. */
int mlo_explained_longest(const struct mlo_explained *e, const struct mlo_explained_step ***ret,
                          struct mlo_err *err) MLO_MUST_CHECK;
/* How much faster a run were if what takes `ns` of it took limit_ns. */
double mlo_explained_gain(const struct mlo_explained *e, double ns, double limit_ns);

/* ---- what holds a model back on a GPU ---- */

enum mlo_device_bound {
    MLO_DEVICE_BOUND_LAUNCH,   /* beginning kernels */
    MLO_DEVICE_BOUND_TRANSFER, /* to the device and back */
    MLO_DEVICE_BOUND_MEMORY,   /* the device's */
    MLO_DEVICE_BOUND_PRODUCTS, /* tensor cores */
    MLO_DEVICE_BOUNDS
};
const char *mlo_device_bound_name(enum mlo_device_bound b); /* "launch" */
struct mlo_device_explained {
    double run_ns, ns[MLO_DEVICE_BOUNDS]; /* as it is; what each of them alone takes at least */
    enum mlo_device_bound bound;          /* the largest */
    double own_ns; /* what the dense layers take alone at their own shapes; 0: not measured */
};
void mlo_explain_device(const struct mlo_device_limits *limits, const struct mlo_device_cost *cost,
                        double run_ns, struct mlo_device_explained *ret);
/*
 * Step by step, as mlo_explain. Copying in and back are the first and the last step, unless a request goes in
 * pieces, whose copies hide behind the work. *ret_done false: the device did not do it, and nothing else is
 * set.
 */
int mlo_explain_on_device(const struct mlo_plan *plan, const struct mlo_value *in,
                          const struct mlo_device_limits *limits, const struct mlo_explain_opts *o,
                          struct mlo_explained *ret, struct mlo_device_cost *ret_cost, bool *ret_done,
                          struct mlo_err *err) MLO_MUST_CHECK;
/* The arithmetic of it, as mlo_explain_bounds. */
void mlo_explain_device_bounds(const struct mlo_device_limits *limits, struct mlo_explained *e);
/* Products a second of factors of this type; 0: not measured, or none. */
double mlo_device_rate(const struct mlo_device_limits *l, enum mlo_dtype t, bool tf32);
/* A JSON document, to be kept; of: device, driver and library. Reading one of another is MLO_ENOTFOUND. */
int mlo_device_limits_write(const char *of, const struct mlo_device_limits *l, struct mlo_str *out,
                            struct mlo_err *err) MLO_MUST_CHECK;
int mlo_device_limits_read(const char *text, size_t n, const char *of, struct mlo_device_limits *ret,
                           struct mlo_err *err) MLO_MUST_CHECK;
/* All figures, by name. */
void mlo_device_limits_json(const struct mlo_device_limits *l, struct cJSON *to);

/* ---- results that are kept ---- */

struct mlo_bench_case {
    size_t batch;
    struct mlo_measured measured;
};
struct mlo_bench_result { /* release with mlo_bench_result_release; texts are owned */
    char *model, *digest; /* as it was asked for, and "sha256:..." of its file */
    char *machine, *tool; /* "AMD EPYC, 2 CPUs", version of this program */
    char *load;           /* "single", "multi 4", "server 500/s" */
    int64_t time_ns;
    struct mlo_bench_case *cases;
    size_t n, cap;
};
void mlo_bench_result_release(struct mlo_bench_result *r);
/* A JSON document (docs/bench-result.schema.json), with whole histograms. */
int mlo_bench_result_write(const struct mlo_bench_result *r, struct mlo_str *out,
                           struct mlo_err *err) MLO_MUST_CHECK;
int mlo_bench_result_read(const char *text, size_t n, struct mlo_bench_result *ret,
                          struct mlo_err *err) MLO_MUST_CHECK;
/* The case of this batch; NULL. */
const struct mlo_bench_case *mlo_bench_result_find(const struct mlo_bench_result *r, size_t batch);

/*
 * b against an a that was measured some other time: medians of blocks over the control loop beside them. Two
 * runs of the same thing differ by more than blocks of one run do (MLO_BETWEEN_RUNS is added to the
 * interval).
 */
#define MLO_BETWEEN_RUNS 0.01 /* relative standard deviation */
int mlo_compare_kept(const struct mlo_measured *a, const struct mlo_measured *b,
                     const struct mlo_compare_opts *o, struct mlo_compared *ret,
                     struct mlo_err *err) MLO_MUST_CHECK;

/* ---- pages: reports of one file (html.h) ---- */

struct mlo_page_case { /* a batch; what is NULL is left out */
    size_t batch;
    const struct mlo_measured *measured;
    const struct mlo_times *before; /* what it was compared with */
    const struct mlo_compared *compared;
    const struct mlo_explained *explained;
};
struct mlo_bench_page {
    const struct mlo_bench_result *result; /* model, machine, load, time */
    const char *against;                   /* what the cases were compared with */
    enum mlo_gate gate;                    /* of all of them */
    const struct mlo_limits *limits;       /* when something is explained that the CPU did; else NULL */
    const struct mlo_device_limits *device_limits; /* that a device did */
    const struct mlo_page_case *cases;
    size_t n;
};
int mlo_bench_html(const struct mlo_bench_page *p, struct mlo_str *out, struct mlo_err *err) MLO_MUST_CHECK;

struct mlo_history_point {
    int64_t run, time_ns;
    const char *commit; /* NULL */
    double p50_ns, p99_ns;
    double change; /* after / before, where a change was found; else 0 */
};
struct mlo_history_line { /* of one batch, oldest first */
    size_t batch, n;
    const struct mlo_history_point *points;
};
struct mlo_history_page {
    const struct mlo_bench_result *like; /* model, machine and load of the runs */
    const struct mlo_history_line *lines;
    size_t n;
};
int mlo_history_html(const struct mlo_history_page *p, struct mlo_str *out,
                     struct mlo_err *err) MLO_MUST_CHECK;

#endif

/* What the files of this folder share. */
#ifndef MLO_BENCH_INTERNAL_H
#define MLO_BENCH_INTERNAL_H

#include <signal.h>

#include <mlopsctl/base/json.h>
#include <mlopsctl/base/time.h>
#include <mlopsctl/bench.h>

#define MLO_BLOCK_TIMINGS_MAX ((size_t)1 << 20) /* of one block; later ones are counted, not kept */

#define MLO_TARGET_LIMIT (30 * MLO_NS_PER_S) /* for the answer to one request */

/* Of the line protocol; MANY behind it: "run N K" is understood. */
#define MLO_BENCH_GREETING "mlopsctl-bench 1"
#define MLO_BENCH_MANY     " many"

/* ---- inputs.c ---- */

struct mlo_inputs {
    struct mlo_value *values;
    size_t n;
    void **data;            /* of each value */
    struct mlo_arena texts; /* that values point to */
};
/* For n values, none of them there yet. */
int mlo_inputs_room(size_t n, struct mlo_inputs **ret, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- request.c ---- */

/* Its name in the inference protocol; NULL: it has none. */
const char *mlo_infer_datatype(enum mlo_dtype t);

/* ---- sigpipe.c ---- */

/* SIGPIPE of this thread is blocked until it is restored, when one that came meanwhile is forgotten. */
void mlo_sigpipe_hold(sigset_t *ret_before);
void mlo_sigpipe_restore(const sigset_t *before);

/* ---- control.c ---- */

/* A dependent chain of integer operations, some milliseconds; how long it took. */
#define MLO_CONTROL_STEPS 400000
double mlo_control_loop(const struct mlo_clock *clock);

/* ---- clock.c ---- */

int64_t mlo_clock_now(const struct mlo_clock *clock);
/* By the load's clock. False: it was told to stop meanwhile. */
bool mlo_clock_wait(const struct mlo_load *load, int64_t until);
static inline int64_t mlo_clock_after(const struct mlo_clock *clock, double seconds)
{
    return mlo_clock_now(clock) + (int64_t)(seconds * 1e9);
}

/* ---- explain.c ---- */

/* The mean of the middle half: single steps take few ticks of the clock, of which a median is one. x is
 * sorted; scratch: as large. */
double mlo_middle_mean(double *x, size_t n, double *scratch);
/* Where all steps together take longer than the run, they are shortened alike. */
void mlo_explained_fit(struct mlo_explained *e);

/* ---- command.c, url.c: answers ---- */

enum mlo_reply { MLO_REPLY_OK, MLO_REPLY_ERROR, MLO_REPLY_NONE /* it is none to this request */ };
/* *ret_took: with OK the ns that it says it took, -1 when it does not; *ret_why: with ERROR the reason,
 * within the line. */
enum mlo_reply mlo_reply_read(const char *line, uint64_t request, int64_t *ret_took, const char **ret_why);
/* MLO_EINVALID: no JSON, or without outputs. */
int mlo_outputs_find(const char *body, size_t n, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- runner.c ---- */

struct mlo_target *mlo_runner_target(const struct mlo_runner *r);

/* ---- meter.c: what a target uses ---- */

struct mlo_meter_reading {
    struct mlo_host_throttle groups[MLO_HOST_GROUPS];
    uint64_t packages[MLO_HOST_PACKAGES];
    uint64_t cpu_ticks, stolen_ticks, waits, preempted;
};
struct mlo_meter { /* close with mlo_meter_close */
    struct mlo_host_groups groups;
    struct mlo_host_energy energy;
    const struct mlo_gpu_meter *gpu;
    bool is_self, begun; /* this process answers; before is set */
    struct mlo_meter_reading before;
    int64_t before_gpu; /* its energy */
};
/* The processes of the target are looked up now. */
void mlo_meter_open(struct mlo_target *t, const struct mlo_gpu_meter *gpu, struct mlo_meter *ret);
void mlo_meter_close(struct mlo_meter *m);
/* Between the two is what counts; it is added to u, which began with mlo_used_init. */
void mlo_used_init(struct mlo_used *u);
void mlo_meter_start(struct mlo_meter *m);
void mlo_meter_stop(struct mlo_meter *m, struct mlo_used *u);
/* The most memory is that from here on. */
void mlo_footprint_begin(struct mlo_target *t);
void mlo_footprint_end(struct mlo_target *t, struct mlo_footprint *ret);

/* ---- used.c ---- */

/* What mlo_measured_json wrote; members that are missing stay unknown. */
void mlo_measured_from_json(const cJSON *from, struct mlo_measured *m);

/* ---- measure.c ---- */

void mlo_load_tell(const struct mlo_load *load, double seconds, double of);

/* A block of the runner, with the control loop and what was used beside it; b is sorted. */
int mlo_measured_block(struct mlo_measured *m, struct mlo_runner *r, const struct mlo_load *load,
                       struct mlo_meter *meter, double seconds, struct mlo_block *b,
                       struct mlo_err *err) MLO_MUST_CHECK;
int mlo_measured_begin(struct mlo_measured *m, const struct mlo_runner *r, const struct mlo_load *load,
                       struct mlo_err *err) MLO_MUST_CHECK;

#endif

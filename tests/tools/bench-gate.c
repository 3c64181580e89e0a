/*
 * Can the verdicts of `bench --against` be believed? The comparison is made RUNS times of two sides of which
 * the second does PERCENT more work, while a second process disturbs the machine in bursts.
 *
 *     bench-gate RUNS PERCENT [SEED]      a line for each run, then the sum: {"pass":98,...}
 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mlopsctl/base/time.h>
#include <mlopsctl/bench.h>

#define ROUNDS 4000 /* of the work of one request: some 150 microseconds */
#define WORDS  4096 /* that it goes through: 32 KiB */
#define NOISE  ((size_t)8 << 20)

/* ---- a target whose work can be made longer ---- */

struct worker {
    struct mlo_target target;
    unsigned rounds;
    double table[WORDS];
};

static int join(struct mlo_target *t, void **ret, struct mlo_err *err)
{
    (void)err;
    *ret = t;
    return 0;
}

static int call(void *caller, uint64_t request, struct mlo_err *err)
{
    struct worker *w = caller;
    double sum = (double)request;
    (void)err;
    for (unsigned i = 0; i < w->rounds; i++) {
        double *line = w->table + (i * 64) % WORDS;
        for (unsigned k = 0; k < 64; k++)
            sum = sum * 0.999 + line[k];
        line[0] = sum * 1e-9;
        __asm__ volatile("" : "+m"(w->table));
    }
    return 0;
}

static void leave(void *caller)
{
    (void)caller;
}

static void make(struct worker *w, double share)
{
    *w = (struct worker){.target = {.kind = "engine", .join = join, .call = call, .leave = leave, .rows = 1},
                         .rounds = (unsigned)lround(ROUNDS * (1 + share))};
    for (size_t i = 0; i < WORDS; i++)
        w->table[i] = (double)(i % 7);
}

/* ---- noise: bursts of up to 0.2 s of memory traffic, pauses as long ---- */

static void disturb(uint64_t seed)
{
    char *bytes = malloc(NOISE);
    for (;;) {
        int64_t until = mlo_time_mono() + (int64_t)(mlo_random_unit(&seed) * 2e8);
        while (bytes && mlo_time_mono() < until)
            memset(bytes, (int)(until & 255), NOISE);
        usleep((useconds_t)(mlo_random_unit(&seed) * 2e5));
    }
}

static pid_t start_noise(uint64_t seed)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    disturb(seed);
    _exit(0);
}

/* ---- the experiment ---- */

static int contest(double share, uint64_t seed, struct mlo_compared *ret, struct mlo_err *err)
{
    static struct worker a, b;
    const struct mlo_load load = {.callers = 1};
    const struct mlo_compare_opts o = {.seed = seed, .warmup = 1};
    struct mlo_runner *x = NULL, *y = NULL;
    make(&a, 0);
    make(&b, share);
    int rc = mlo_runner_new(&a.target, &load, &x, err);
    if (rc == 0)
        rc = mlo_runner_new(&b.target, &load, &y, err);
    if (rc == 0)
        rc = mlo_compare(x, y, &load, &o, ret, err);
    mlo_runner_free(x);
    mlo_runner_free(y);
    return rc;
}

static void tell(const struct mlo_compared *c, double seconds)
{
    static const char *const names[] = {"pass", "fail", "inconclusive"};
    printf("%s ratio %.4f [%.4f, %.4f] p %.2g pairs %zu %.1f s%s%s\n", names[c->gate], c->median.ratio,
           c->median.low, c->median.high, c->p, c->pairs, seconds, c->noisy ? ": " : "",
           c->noisy ? c->noisy : "");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct mlo_err err = MLO_ERR_INIT;
    unsigned counts[3] = {0}, runs = argc > 2 ? (unsigned)atoi(argv[1]) : 0;
    uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    if (runs == 0) {
        fputs("usage: bench-gate RUNS PERCENT [SEED]\n", stderr);
        return 2;
    }
    pid_t noise = start_noise(seed);
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < runs; i++) {
        struct mlo_compared c;
        int64_t from = mlo_time_mono();
        rc = contest(atof(argv[2]) / 100, seed + i, &c, &err);
        if (rc != 0)
            break;
        counts[c.gate]++;
        tell(&c, (double)(mlo_time_mono() - from) / 1e9);
        mlo_compared_release(&c);
    }
    kill(noise, SIGKILL);
    waitpid(noise, NULL, 0);
    if (rc != 0)
        fprintf(stderr, "bench-gate: %s\n", err.msg);
    printf("{\"slower\":%s,\"runs\":%u,\"pass\":%u,\"fail\":%u,\"inconclusive\":%u}\n", argv[2], runs,
           counts[0], counts[1], counts[2]);
    return rc != 0;
}

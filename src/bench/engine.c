/* Our engine as a target: one plan for all, a session for each caller. */
#include <unistd.h>

#include <mlopsctl/bench.h>

struct engine {
    struct mlo_target target;
    const struct mlo_plan *plan;
    const struct mlo_value *const *sets;
    size_t n_sets, n_inputs;
    unsigned threads;
};
struct caller {
    const struct engine *engine;
    struct mlo_session *session;
};

static void leave(void *caller)
{
    struct caller *c = caller;
    mlo_session_free(c->session);
    free(c);
}

static int join(struct mlo_target *t, void **ret_caller, struct mlo_err *err)
{
    struct caller *c = mlo_calloc(1, sizeof *c, err);
    if (!c)
        return err->code;
    c->engine = (const struct engine *)t;
    int rc = mlo_session_new(c->engine->plan, &c->session, err);
    if (rc == 0 && c->engine->threads > 1)
        rc = mlo_session_threads(c->session, c->engine->threads, err);
    if (rc != 0)
        leave(c);
    else
        *ret_caller = c;
    return rc;
}

static int call(void *caller, uint64_t request, struct mlo_err *err)
{
    struct caller *c = caller;
    const struct mlo_value *out;
    return mlo_session_run(c->session, c->engine->sets[request % c->engine->n_sets], c->engine->n_inputs,
                           &out, err);
}

static size_t processes(struct mlo_target *t, pid_t *ret, size_t max)
{
    (void)t;
    if (max > 0)
        ret[0] = getpid();
    return max > 0;
}

static void close_engine(struct mlo_target *t)
{
    free(t);
}

int mlo_target_engine(const struct mlo_plan *plan, const struct mlo_value *const *sets, size_t n_sets,
                      size_t rows, unsigned threads, struct mlo_target **ret, struct mlo_err *err)
{
    struct engine *e = mlo_calloc(1, sizeof *e, err);
    if (!e)
        return err->code;
    *e = (struct engine){{.kind = "engine",
                          .join = join,
                          .call = call,
                          .leave = leave,
                          .close = close_engine,
                          .processes = processes,
                          .rows = rows},
                         plan,
                         sets,
                         n_sets,
                         0,
                         threads};
    mlo_plan_inputs(plan, &e->n_inputs);
    *ret = &e->target;
    return 0;
}

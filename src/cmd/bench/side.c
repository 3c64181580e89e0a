/* What answers, made ready to be asked for one batch: our engine, a program, a server. */
#include <string.h>

#include <mlopsctl/base/io.h>

#include "bench.h"
#include "cmd/shared/network.h"

#define COMMAND    "command:"
#define IMAGE      "image:"
#define CONTAINERS "containers" /* in the user's cache */
#define SPEAK      "a target speaks the line protocol (docs/bench-targets.md; examples/bench has some)"

static bool has_prefix(const char *word, const char *prefix)
{
    return strncmp(word, prefix, strlen(prefix)) == 0;
}

bool mlo_bench_is_foreign(const char *word)
{
    return has_prefix(word, COMMAND) || has_prefix(word, IMAGE) || has_prefix(word, "http://") ||
           has_prefix(word, "https://");
}

static int open_command(const struct mlo_bench *b, const char *line, const struct mlo_target_opts *o,
                        struct mlo_target **ret, struct mlo_err *err)
{
    bool is_wrapped = line == b->line;
    struct mlo_command_opts c = {.line = line, .env = b->ctx->env, .advice = SPEAK};
    if (is_wrapped) {
        c.role = "wrapper ";
        c.name = b->args->wrap;
        c.advice = b->advice;
    }
    return mlo_target_command(&c, o, ret, err);
}

/* The image's container, which is opened once for all batches. */
static int find_image(struct mlo_bench *b, const char *what, const struct mlo_container **ret,
                      struct mlo_err *err)
{
    MLO_AUTOFREE char *folder = NULL;
    struct mlo_bench_image *image = b->images;
    while (image->what && strcmp(image->what, what) != 0)
        image++;
    if (!image->what) {
        int rc = mlo_user_cache(b->ctx->env, CONTAINERS, &folder, err);
        const struct mlo_container_opts o = {.image = what + strlen(IMAGE),
                                             .folder = folder,
                                             .env = b->ctx->env,
                                             .model = b->model_path,
                                             .model_name = b->model_name};
        if (rc == 0 && !folder)
            rc = mlo_fail(err, MLO_EUNAVAIL,
                          "no place for a container: neither XDG_CACHE_HOME nor HOME is set");
        if (rc == 0)
            rc = mlo_container_open(&o, &image->container, err);
        if (rc != 0)
            return rc;
        image->what = what;
    }
    *ret = image->container;
    return 0;
}

static int open_image(struct mlo_bench *b, const char *what, struct mlo_target_opts *o,
                      struct mlo_target **ret, struct mlo_err *err)
{
    const struct mlo_container *c = NULL;
    int rc = find_image(b, what, &c, err);
    if (rc != 0)
        return rc;
    const struct mlo_command_opts how = {
        .line = mlo_container_line(c), .name = what, .env = b->ctx->env, .advice = SPEAK};
    o->model = mlo_container_model(c);
    return mlo_target_command(&how, o, ret, err);
}

/* Keys for servers are not taken from anywhere: who needs one runs the server beside it. */
static int open_url(const char *url, const struct mlo_target_opts *o, struct mlo_target **ret,
                    struct mlo_err *err)
{
    struct mlo_url_opts u = {.url = url};
    return mlo_target_url(&u, o, ret, err);
}

static int open_foreign(struct mlo_bench *b, const struct mlo_bench_who *who, size_t batch,
                        struct mlo_bench_side *s, struct mlo_err *err)
{
    size_t n;
    const struct mlo_port_type *ports = mlo_plan_inputs(who->plan, &n);
    struct mlo_target_opts o = {.n_bodies = 1, .rows = batch, .stop = b->load.stop};
    int rc = mlo_infer_request(ports, s->set, n, &s->body, err);
    o.bodies = (const char *const *)&s->body;
    if (rc != 0)
        return rc;
    bool is_command = !who->line && has_prefix(who->what, COMMAND);
    o.model = who->line || is_command ? b->ctx->args[0] : NULL;
    o.digest = who->digest;
    if (!who->line && has_prefix(who->what, IMAGE))
        return open_image(b, who->what, &o, &s->target, err);
    if (who->line)
        return open_command(b, who->line, &o, &s->target, err);
    return is_command ? open_command(b, who->what + strlen(COMMAND), &o, &s->target, err)
                      : open_url(who->what, &o, &s->target, err);
}

int mlo_bench_side_open(struct mlo_bench *b, const struct mlo_bench_who *who, size_t batch,
                        struct mlo_bench_side *ret, struct mlo_err *err)
{
    struct mlo_inputs_opts o = b->inputs;
    *ret = (struct mlo_bench_side){0};
    o.rows = batch;
    int rc = mlo_inputs_new(who->plan, &o, &ret->inputs, err);
    if (rc != 0)
        return rc;
    ret->set = mlo_inputs_values(ret->inputs);
    bool is_ours = !who->what && !who->line;
    rc = is_ours ? mlo_target_engine(who->plan, &ret->set, 1, batch, (unsigned)b->args->threads, &ret->target,
                                     err)
                 : open_foreign(b, who, batch, ret, err);
    if (rc == 0 && is_ours) {
        ret->target->load_ns = who->loaded.ns;
        ret->target->load_peak = who->loaded.peak;
    }
    if (rc == 0)
        rc = mlo_runner_new(ret->target, &b->load, &ret->runner, err);
    if (rc != 0)
        mlo_bench_side_release(ret);
    return rc;
}

void mlo_bench_side_release(struct mlo_bench_side *s)
{
    mlo_runner_free(s->runner);
    mlo_target_close(s->target);
    mlo_inputs_free(s->inputs);
    free(s->body);
    *s = (struct mlo_bench_side){0};
}

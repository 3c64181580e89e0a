/* What the tests of RunPod's client share: a server that follows a script, and a client that does not wait.
 */
#ifndef TESTS_UNIT_RUNPOD_HELP_H
#define TESTS_UNIT_RUNPOD_HELP_H

#include <mlopsctl/runpod.h>

#include "net_help.h"

struct step {
    const char *asks;   /* "GET /v2/pods" */
    const char *body;   /* that the request's body or head must contain; NULL: not looked at */
    const char *status; /* "200 OK"; NULL: the connection is dropped */
    const char *headers;
    const char *answer;
};
struct runpod_test {
    struct net_test net;
    struct mlo_runpod *c;
    struct mlo_err err;
    const struct step *steps;
    unsigned n, at;
    char base[5][128];
};

static inline void follow_script(struct http_exchange *x)
{
    struct runpod_test *t = x->ctx;
    char asks[4096], key[128] = "";
    snprintf(asks, sizeof asks, "%s %s", x->method, x->target);
    check(t->at < t->n, "unexpected: %s", asks);
    const struct step *s = t->at < t->n ? &t->steps[t->at++] : NULL;
    http_header_of(x, "Authorization", key, sizeof key);
    check_str(key, "Bearer rpa_test");
    if (s)
        check_str(asks, s->asks);
    if (s && s->body)
        check(strstr(x->body, s->body) || strstr(x->head, s->body), "%s sent %s", asks, x->body);
    x->close = true;
    if (s && s->status)
        http_answer(x, s->status, s->headers ? s->headers : "", s->answer ? s->answer : "");
    else
        http_reset(x);
}

/* `t` must stay where it is until runpod_end. */
static inline void runpod_begin(struct runpod_test *t, const struct step *steps, unsigned n)
{
    *t = (struct runpod_test){.steps = steps, .n = n};
    t->net = net_begin(follow_script, t);
    struct mlo_runpod_opts o = {.http = t->net.http, .key = "rpa_test", .look_pause_ns = 1};
    const char *const parts[] = {"/v2/", "/jobs", "/lb/{id}"};
    for (size_t i = 0; i < MLO_COUNT(parts); i++)
        snprintf(t->base[i], sizeof t->base[i], "%s%s", t->net.server->url, parts[i]);
    o.api = t->base[0], o.jobs = t->base[1], o.balancer = t->base[2];
    check_ok(mlo_runpod_new(&o, &t->c, &t->err), &t->err);
}
#define RUNPOD_BEGIN(t, steps) runpod_begin(t, steps, MLO_COUNT(steps))

/* All steps were asked for. */
static inline void runpod_end(struct runpod_test *t)
{
    check_int(t->at, t->n);
    mlo_runpod_free(t->c);
    net_end(&t->net);
}

#endif

/*
 * The other end of the line protocol (docs/bench-targets.md): our engine as a program that answers, so that
 * it can be measured inside a wrapper, a container or another machine.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

#include "internal.h"

#define LINE_MAX_BYTES MLO_STR_MAX /* of the first line: all inputs */
#define RUN_MAX        64          /* bytes of a later one */
#define REQUESTS_MAX   4096

struct answers {
    const struct mlo_plan *plan;
    const struct mlo_target_answer_opts *o;
    const struct mlo_port_type *ports;
    size_t n_ports;
    struct mlo_inputs **requests; /* owned */
    size_t n, cap;
    struct mlo_session *session;
};

/* ---- lines ---- */

/* One line, without its end: the other side sends no second one before this is answered. */
static int read_line(int fd, struct mlo_str *line, bool *ret_end, struct mlo_err *err)
{
    char piece[65536];
    mlo_str_clear(line);
    while (line->len == 0 || line->ptr[line->len - 1] != '\n') {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return mlo_fail_errno(err, "cannot read standard input");
        if (n == 0 && line->len > 0)
            return mlo_fail(err, MLO_EINVALID, "standard input ended within a line");
        *ret_end = n == 0;
        if (n == 0)
            return 0;
        mlo_str_addn(line, piece, (size_t)n);
        int rc = mlo_str_check(line, err);
        if (rc != 0)
            return rc;
    }
    mlo_str_truncate(line, line->len - 1);
    return 0;
}

static int say(const struct answers *a, const char *line, size_t n, struct mlo_err *err)
{
    int rc = mlo_write_all(a->o->out, line, n, err);
    return rc == 0 ? 0 : mlo_wrap(err, "standard output");
}

/* ---- the first one ---- */

static int read_requests(struct answers *a, struct mlo_jpull *j, struct mlo_err *err)
{
    enum mlo_jtok token;
    struct mlo_jpull before;
    int rc = mlo_jpull_next(j, &token, err);
    if (rc == 0 && token != MLO_J_ARRAY)
        rc = mlo_fail(err, MLO_EINVALID, "'requests' is no list");
    while (rc == 0) {
        before = *j;
        rc = mlo_jpull_next(j, &token, err);
        if (rc != 0 || token == MLO_J_ARRAY_END)
            break;
        *j = before;
        if (a->n == REQUESTS_MAX)
            return mlo_fail(err, MLO_EINVALID, "more than %d requests", REQUESTS_MAX);
        rc = mlo_grow(&a->requests, &a->cap, a->n + 1, sizeof *a->requests, err);
        if (rc == 0)
            rc = mlo_infer_request_read(j, a->ports, a->n_ports, &a->requests[a->n], err);
        a->n += rc == 0;
    }
    return rc;
}

/* What it must be, when both sides know. */
static int check_text(struct mlo_jpull *j, const char *what, const char *ours, struct mlo_err *err)
{
    enum mlo_jtok token;
    char shown[MLO_SHOWN];
    int rc = mlo_jpull_next(j, &token, err);
    if (rc != 0 || !ours || token != MLO_J_STRING || mlo_jpull_is(j, ours))
        return rc;
    return mlo_fail(err, MLO_ECONFLICT, "the %s here is another: %s, not %s", what, ours,
                    mlo_shown(j->text, j->len, shown));
}

static int check_version(struct mlo_jpull *j, struct mlo_err *err)
{
    enum mlo_jtok token;
    uint64_t version = 0;
    int rc = mlo_jpull_next(j, &token, err);
    if (rc == 0 && token == MLO_J_NUMBER)
        rc = mlo_jpull_u64(j, &version, err);
    return rc == 0 && version != 1 ? mlo_fail(err, MLO_EUNAVAIL, "a protocol of another version than 1") : rc;
}

static int read_member(struct answers *a, struct mlo_jpull *j, struct mlo_err *err)
{
    if (mlo_jpull_is(j, "version"))
        return check_version(j, err);
    if (mlo_jpull_is(j, "requests"))
        return read_requests(a, j, err);
    if (mlo_jpull_is(j, "digest"))
        return check_text(j, "model", a->o->digest, err);
    if (mlo_jpull_is(j, "tool"))
        return check_text(j, "version of mlopsctl", MLO_VERSION, err);
    return mlo_jpull_skip(j, err);
}

static int read_hello(struct answers *a, const struct mlo_str *line, struct mlo_err *err)
{
    struct mlo_jpull j;
    enum mlo_jtok token;
    mlo_jpull_init(&j, line->ptr, line->len);
    int rc = mlo_jpull_next(&j, &token, err);
    if (rc == 0 && token != MLO_J_OBJECT)
        rc = mlo_fail(err, MLO_EINVALID, "no object");
    if (rc == 0)
        rc = mlo_jpull_next(&j, &token, err);
    while (rc == 0 && token == MLO_J_KEY) {
        rc = read_member(a, &j, err);
        if (rc == 0)
            rc = mlo_jpull_next(&j, &token, err);
    }
    if (rc == 0)
        rc = mlo_jpull_next(&j, &token, err); /* nothing after it */
    if (rc == 0 && a->n == 0)
        rc = mlo_fail(err, MLO_EINVALID, "no 'requests'");
    return rc == 0 ? 0 : mlo_wrap(err, "the first line");
}

/* ---- the others ---- */

/* "run N" or "run N K" */
static bool read_run(struct mlo_str *line, uint64_t *ret_first, uint64_t *ret_n)
{
    struct mlo_err why = MLO_ERR_INIT;
    if (strlen(line->ptr) != line->len || strncmp(line->ptr, "run ", 4) != 0)
        return false;
    char *first = line->ptr + 4, *space = strchr(first, ' ');
    *ret_n = 1;
    if (space)
        *space = '\0';
    return mlo_parse_u64(first, 0, UINT64_MAX, "", ret_first, &why) == 0 &&
           (!space || mlo_parse_u64(space + 1, 1, UINT32_MAX, "", ret_n, &why) == 0);
}

static int run(struct answers *a, uint64_t first, uint64_t n, struct mlo_err *err)
{
    const struct mlo_value *out;
    int rc = 0;
    for (uint64_t i = 0; rc == 0 && i < n; i++)
        rc = mlo_session_run(a->session, mlo_inputs_values(a->requests[(first + i) % a->n]), a->n_ports, &out,
                             err);
    return rc;
}

static int answer(struct answers *a, struct mlo_str *line, struct mlo_err *err)
{
    char text[sizeof err->msg + 64];
    struct mlo_err why = MLO_ERR_INIT;
    uint64_t first, n;
    if (!read_run(line, &first, &n))
        return mlo_fail(err, MLO_EINVALID, "a line is not 'run N'");
    int64_t from = mlo_time_mono();
    int rc = run(a, first, n, &why);
    long long took = mlo_time_mono() - from;
    int len = rc == 0 ? snprintf(text, sizeof text, "ok %llu %lld\n", (unsigned long long)first, took)
                      : snprintf(text, sizeof text, "error %llu %s\n", (unsigned long long)first, why.msg);
    return say(a, text, (size_t)len, err);
}

static int converse(struct answers *a, struct mlo_err *err)
{
    static const char ready[] = MLO_BENCH_GREETING MLO_BENCH_MANY "\n";
    MLO_AUTOSTR struct mlo_str line;
    bool end = false;
    mlo_str_init(&line, LINE_MAX_BYTES);
    int rc = read_line(a->o->in, &line, &end, err);
    if (rc == 0 && end)
        return mlo_fail(err, MLO_EINVALID, "standard input has no first line");
    if (rc == 0)
        rc = read_hello(a, &line, err);
    if (rc == 0)
        rc = say(a, ready, strlen(ready), err);
    mlo_str_release(&line);
    mlo_str_init(&line, RUN_MAX);
    while (rc == 0) {
        rc = read_line(a->o->in, &line, &end, err);
        if (rc != 0 || end)
            break;
        rc = answer(a, &line, err);
    }
    return rc;
}

int mlo_target_answer(const struct mlo_plan *plan, const struct mlo_target_answer_opts *o,
                      struct mlo_err *err)
{
    struct answers a = {.plan = plan, .o = o};
    a.ports = mlo_plan_inputs(plan, &a.n_ports);
    int rc = mlo_session_new(plan, &a.session, err);
    if (rc == 0)
        rc = converse(&a, err);
    for (size_t i = 0; i < a.n; i++)
        mlo_inputs_free(a.requests[i]);
    free(a.requests);
    mlo_session_free(a.session);
    return rc;
}

/*
 * A program as a target: one process for each caller, spoken to in lines over its standard input and output
 * (docs/bench-targets.md, "Line protocol"). It may be anything, so each answer has a length, a time and a
 * number that must be right; a process that is wrong once is ended, with all it started.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/json.h>
#include <mlopsctl/base/process.h>
#include <mlopsctl/base/text.h>

#include "internal.h"

#define ANSWER_MAX   4096 /* bytes of one answer */
#define SAID_MAX     512  /* of its messages: the end is kept */
#define START_LIMIT  (120 * MLO_NS_PER_S)
#define GRACE        (2 * MLO_NS_PER_S) /* from the end of its input until it is killed */
#define STATUS_LIMIT (MLO_NS_PER_S)     /* from the end of its input or output until its status */
#define TICK_MS      100                /* between looks whether all stops */
#define PIECE        65536
#define TOOK_MAX     (86400 * MLO_NS_PER_S) /* that it may say of one request */

struct command {
    struct mlo_target target;
    struct mlo_command_opts how;
    struct mlo_target_opts opts;
    char *hello; /* the first line that each process is sent */
    size_t n_hello;
    pthread_mutex_t lock;  /* of what follows */
    struct program *first; /* started when the target was opened; the first caller's */
    struct program *all;   /* by next */
};
struct program {
    struct command *of;
    struct program *next;
    pid_t pid;                 /* 0: ended, its status taken */
    int in, out, message;      /* our ends of its standard streams */
    char line[ANSWER_MAX + 1]; /* of its answer so far */
    size_t n;
    char said[SAID_MAX]; /* the last of its messages */
    size_t n_said;
    bool is_ready;      /* it has greeted */
    bool many;          /* it takes several requests in one line */
    int64_t took;       /* ns of the last request, as it says itself; -1: it does not */
    struct mlo_err end; /* why it is gone */
    sigset_t before;    /* of the caller's thread */
};

/* ---- its end ---- */

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void keep_said(struct program *p, const char *bytes, size_t n)
{
    if (n > SAID_MAX) {
        bytes += n - SAID_MAX;
        n = SAID_MAX;
    }
    size_t stay = p->n_said < SAID_MAX - n ? p->n_said : SAID_MAX - n;
    memmove(p->said, p->said + p->n_said - stay, stay);
    memcpy(p->said + stay, bytes, n);
    p->n_said = stay + n;
}

/* What it says beside its answers; without reading it would wait for us one day. */
static void hear_messages(struct program *p)
{
    char buf[4096];
    ssize_t n = read(p->message, buf, sizeof buf);
    if (n > 0)
        keep_said(p, buf, (size_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        close_end(&p->message);
}

/* A line that only tells where help is, as our own second line of an error does. */
static bool is_advice(const char *line, size_t n)
{
    return (n >= 5 && memcmp(line, "hint:", 5) == 0) || memmem(line, n, "--help", 6);
}

/* The last line of its messages that tells a fault: interpreters name it there. 0: there is none. */
static size_t last_message(const struct program *p, const char **ret)
{
    size_t end = p->n_said, n = 0;
    do {
        while (end > 0 && (p->said[end - 1] == '\n' || p->said[end - 1] == '\r'))
            end--;
        const char *before = end > 0 ? memrchr(p->said, '\n', end) : NULL;
        *ret = before ? before + 1 : p->said;
        n = end - (size_t)(*ret - p->said);
        end = (size_t)(*ret - p->said);
    } while (n > 0 && is_advice(*ret, n));
    return n;
}

/* What it said before it went wrong, else what its owner knows to do. */
static void add_hint(const struct program *p, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    const char *line, *advice = p->is_ready ? NULL : p->of->how.advice;
    size_t n = last_message(p, &line);
    if (n > 0)
        mlo_hint(err, "its last message: %s", mlo_shown(line, n, shown));
    else if (advice)
        mlo_hint(err, "%s", advice);
}

static void end_program(struct program *p)
{
    if (p->pid > 0)
        mlo_process_kill(p->pid, true);
    p->pid = 0;
    close_end(&p->in);
    close_end(&p->out);
    close_end(&p->message);
}

/* err is set: what it did. It is ended, and each further call fails in the same words. */
static int give_up(struct program *p, struct mlo_err *err)
{
    const struct command *c = p->of;
    const char *name = c->how.name ? c->how.name : c->how.line ? c->how.line : c->how.argv[0];
    bool word = c->how.line && !c->how.name;
    char shown[MLO_SHOWN];
    for (int i = 0; i < SAID_MAX && p->message >= 0; i++) {
        struct pollfd ready = {.fd = p->message, .events = POLLIN};
        if (poll(&ready, 1, 0) <= 0)
            break;
        hear_messages(p);
    }
    end_program(p);
    if (err->sys_errno != EINTR) {
        mlo_wrap(err, "%s'%s'", c->how.role ? c->how.role : "",
                 mlo_shown(name, word ? strcspn(name, " ") : strlen(name), shown));
        add_hint(p, err);
    }
    p->end = *err;
    return err->code;
}

/* It closed its output: as a rule because it ended. */
static int has_ended(struct program *p, const char *when, struct mlo_err *err)
{
    int status = 0;
    if (!mlo_process_wait(p->pid, mlo_time_mono() + STATUS_LIMIT, NULL, &status)) {
        mlo_fail(err, MLO_EREMOTE, "closed its output %s", when);
        return give_up(p, err);
    }
    kill(-p->pid, SIGKILL); /* what it left running */
    p->pid = 0;
    if (WIFSIGNALED(status))
        mlo_fail(err, MLO_EREMOTE, "was ended by signal %d %s", WTERMSIG(status), when);
    else
        mlo_fail(err, MLO_EREMOTE, "ended with exit status %d %s", WEXITSTATUS(status), when);
    return give_up(p, err);
}

static int give_up_stopped(struct program *p, struct mlo_err *err)
{
    mlo_fail(err, MLO_EIO, "interrupted");
    err->sys_errno = EINTR;
    return give_up(p, err);
}

static int give_up_line(struct program *p, const char *what, const char *when, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    mlo_fail(err, MLO_EINVALID, "%s %s: '%s'", what, when, mlo_shown(p->line, p->n, shown));
    return give_up(p, err);
}

/* ---- one line there, one back ---- */

struct exchange {
    const char *text; /* to be sent */
    size_t left;
    const char *when; /* for messages: "in answer to request 5" */
    int64_t limit, deadline;
};

static void send_some(struct program *p, struct exchange *x)
{
    ssize_t n = write(p->in, x->text, x->left < PIECE ? x->left : PIECE);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) { /* it reads no more: what it says, or its end, tells why, and soon */
        x->left = 0;
        x->limit = STATUS_LIMIT;
        x->deadline = mlo_time_mono() + STATUS_LIMIT;
        return;
    }
    x->text += n;
    x->left -= (size_t)n;
}

static int hear_answer(struct program *p, const struct exchange *x, struct mlo_err *err)
{
    ssize_t n = read(p->out, p->line + p->n, ANSWER_MAX - p->n);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return has_ended(p, x->when, err);
    p->n += (size_t)n;
    const char *end = memchr(p->line, '\n', p->n);
    if (end && end + 1 < p->line + p->n)
        return give_up_line(p, "said more than one line", x->when, err);
    if (!end && p->n == ANSWER_MAX)
        return give_up_line(p, "said more than 4096 bytes without the end of a line", x->when, err);
    return 0;
}

static bool is_answered(const struct program *p)
{
    return p->n > 0 && p->line[p->n - 1] == '\n';
}

/* Waits for something to do, a tick at most when there is somebody to stop us. */
static int wait_for(struct program *p, const struct exchange *x, struct pollfd fds[3], struct mlo_err *err)
{
    const struct mlo_target_opts *o = &p->of->opts;
    int64_t left = x->deadline - mlo_time_mono();
    char human[MLO_HUMAN_MAX];
    if (o->stop && o->stop(o->stop_ctx))
        return give_up_stopped(p, err);
    if (left <= 0) {
        mlo_fail(err, MLO_EREMOTE, "said nothing for %s %s", mlo_human_duration((uint64_t)x->limit, human),
                 x->when);
        return give_up(p, err);
    }
    int64_t ms = left / 1000000 + 1;
    fds[0] = (struct pollfd){.fd = x->left > 0 ? p->in : -1, .events = POLLOUT};
    fds[1] = (struct pollfd){.fd = is_answered(p) ? -1 : p->out, .events = POLLIN};
    fds[2] = (struct pollfd){.fd = p->message, .events = POLLIN};
    if (poll(fds, 3, (int)(o->stop && ms > TICK_MS ? TICK_MS : ms < INT32_MAX ? ms : INT32_MAX)) < 0)
        fds[0].revents = fds[1].revents = fds[2].revents = 0;
    return 0;
}

/* The answer is p->line, without its end. */
static int converse(struct program *p, struct exchange *x, struct mlo_err *err)
{
    struct pollfd fds[3] = {{.revents = POLLOUT}}; /* there is room as a rule */
    int rc = 0;
    p->n = 0;
    x->deadline = mlo_time_mono() + x->limit;
    while (rc == 0 && (x->left > 0 || !is_answered(p))) {
        if (fds[0].revents && x->left > 0)
            send_some(p, x);
        rc = wait_for(p, x, fds, err);
        if (rc == 0 && fds[2].revents)
            hear_messages(p);
        if (rc == 0 && fds[1].revents)
            rc = hear_answer(p, x, err);
    }
    if (rc == 0)
        p->line[--p->n] = '\0';
    return rc;
}

/* ---- its start ---- */

static int make_pipe(int *ret_ours, int *ret_its, bool we_read, struct mlo_err *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0)
        return mlo_fail_errno(err, "cannot make a pipe");
    *ret_ours = fds[!we_read];
    *ret_its = fds[we_read];
    (void)fcntl(*ret_ours, F_SETFL, O_NONBLOCK);
    return 0;
}

static int spawn(struct program *p, int in, int out, int message, struct mlo_err *err)
{
    const struct mlo_command_opts *how = &p->of->how;
    char shell[] = "/bin/sh", option[] = "-c";
    MLO_AUTOFREE char *line = how->line ? mlo_strdup(how->line, err) : NULL;
    MLO_AUTOFREE char *path = NULL;
    char *with_shell[] = {shell, option, line, NULL};
    if (how->line && !line)
        return err->code;
    int rc = how->line ? 0 : mlo_process_find(how->env, how->argv[0], &path, err);
    if (rc != 0)
        return rc;
    const struct mlo_process_opts o = {.path = path,
                                       .argv = how->line ? with_shell : how->argv,
                                       .env = how->env,
                                       .in = in,
                                       .out = out,
                                       .message = message,
                                       .group = true};
    return mlo_process_start(&o, &p->pid, err);
}

static int start(struct program *p, struct mlo_err *err)
{
    MLO_AUTOCLOSE int in = -1;
    MLO_AUTOCLOSE int out = -1;
    MLO_AUTOCLOSE int message = -1;
    int rc = make_pipe(&p->in, &in, false, err);
    if (rc == 0)
        rc = make_pipe(&p->out, &out, true, err);
    if (rc == 0)
        rc = make_pipe(&p->message, &message, true, err);
    return rc == 0 ? spawn(p, in, out, message, err) : rc;
}

static int greet(struct program *p, struct mlo_err *err)
{
    const struct command *c = p->of;
    struct exchange x = {.text = c->hello,
                         .left = c->n_hello,
                         .when = "before it was ready",
                         .limit = c->how.start_limit_ns ? c->how.start_limit_ns : START_LIMIT};
    int rc = converse(p, &x, err);
    p->many = rc == 0 && strcmp(p->line, MLO_BENCH_GREETING MLO_BENCH_MANY) == 0;
    if (rc == 0 && !p->many && strcmp(p->line, MLO_BENCH_GREETING) != 0)
        rc = give_up_line(p, "said something other than '" MLO_BENCH_GREETING "'", x.when, err);
    p->is_ready = rc == 0;
    return rc;
}

static void enter(struct program *p)
{
    struct command *c = p->of;
    pthread_mutex_lock(&c->lock);
    p->next = c->all;
    c->all = p;
    pthread_mutex_unlock(&c->lock);
}

static void strike(struct program *p)
{
    struct command *c = p->of;
    pthread_mutex_lock(&c->lock);
    for (struct program **at = &c->all; *at; at = &(*at)->next)
        if (*at == p) {
            *at = p->next;
            break;
        }
    pthread_mutex_unlock(&c->lock);
}

static int program_new(struct command *c, struct program **ret, struct mlo_err *err)
{
    sigset_t before;
    struct program *p = mlo_calloc(1, sizeof *p, err);
    if (!p)
        return err->code;
    p->of = c;
    p->in = p->out = p->message = -1;
    mlo_sigpipe_hold(&before);
    int rc = start(p, err);
    if (rc == 0)
        rc = greet(p, err);
    mlo_sigpipe_restore(&before);
    if (rc != 0) {
        end_program(p);
        free(p);
    } else {
        enter(p);
        *ret = p;
    }
    return rc;
}

/* Its input ends; then it may take a while, until its output does. */
static void program_free(struct program *p)
{
    int64_t until = mlo_time_mono() + GRACE, left;
    if (!p)
        return;
    strike(p);
    close_end(&p->in);
    while (p->out >= 0 && (left = until - mlo_time_mono()) > 0) {
        struct pollfd fds[2] = {{.fd = p->out, .events = POLLIN}, {.fd = p->message, .events = POLLIN}};
        if (poll(fds, 2, (int)(left / 1000000) + 1) <= 0)
            continue;
        if (fds[1].revents)
            hear_messages(p);
        if (fds[0].revents && read(p->out, p->line, ANSWER_MAX) == 0)
            close_end(&p->out);
    }
    end_program(p);
    free(p);
}

/* ---- the target ---- */

static int join(struct mlo_target *t, void **ret_caller, struct mlo_err *err)
{
    struct command *c = (struct command *)t;
    pthread_mutex_lock(&c->lock);
    struct program *p = mlo_steal(&c->first);
    pthread_mutex_unlock(&c->lock);
    int rc = p ? 0 : program_new(c, &p, err);
    if (rc != 0)
        return rc;
    mlo_sigpipe_hold(&p->before);
    *ret_caller = p;
    return 0;
}

/* "", or " 1200": it took 1200 ns. */
static bool read_took(const char *rest, int64_t *ret)
{
    uint64_t took = 0;
    struct mlo_err why = MLO_ERR_INIT;
    *ret = -1;
    if (!*rest)
        return true;
    if (*rest != ' ' || mlo_parse_u64(rest + 1, 0, TOOK_MAX, "", &took, &why) != 0)
        return false;
    *ret = (int64_t)took;
    return true;
}

/* "ok 5", "ok 5 1200", "error 5", "error 5 out of memory" */
enum mlo_reply mlo_reply_read(const char *line, uint64_t request, int64_t *ret_took, const char **ret_why)
{
    char good[32], bad[32];
    snprintf(good, sizeof good, "ok %llu", (unsigned long long)request);
    snprintf(bad, sizeof bad, "error %llu", (unsigned long long)request);
    size_t n = strlen(bad);
    if (strncmp(line, good, strlen(good)) == 0 && read_took(line + strlen(good), ret_took))
        return MLO_REPLY_OK;
    if (strncmp(line, bad, n) != 0 || (line[n] && line[n] != ' '))
        return MLO_REPLY_NONE;
    *ret_why = line[n] ? line + n + 1 : "no reason";
    return MLO_REPLY_ERROR;
}

static int judge(struct program *p, uint64_t request, const char *when, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    const char *why = NULL;
    p->took = -1;
    enum mlo_reply reply = strlen(p->line) == p->n ? mlo_reply_read(p->line, request, &p->took, &why)
                                                   : MLO_REPLY_NONE;
    if (reply == MLO_REPLY_OK)
        return 0;
    if (reply == MLO_REPLY_NONE)
        return give_up_line(p, "said what is no answer", when, err);
    return mlo_fail(err, MLO_EREMOTE, "error %s: %s", when, mlo_shown(why, strlen(why), shown));
}

static int call_some(void *caller, uint64_t first, unsigned n, struct mlo_err *err)
{
    struct program *p = caller;
    char text[64], when[64];
    if (p->end.code) {
        *err = p->end;
        return err->code;
    }
    snprintf(text, sizeof text, n > 1 ? "run %llu %u\n" : "run %llu\n", (unsigned long long)first, n);
    snprintf(when, sizeof when, "in answer to request %llu", (unsigned long long)first);
    struct exchange x = {.text = text, .left = strlen(text), .when = when, .limit = p->of->opts.limit_ns};
    int rc = converse(p, &x, err);
    return rc == 0 ? judge(p, first, when, err) : rc;
}

static int call(void *caller, uint64_t request, struct mlo_err *err)
{
    return call_some(caller, request, 1, err);
}

static bool usable(void *caller)
{
    return !((const struct program *)caller)->end.code;
}

static int64_t took(void *caller)
{
    return ((const struct program *)caller)->took;
}

static void leave(void *caller)
{
    struct program *p = caller;
    sigset_t before = p->before;
    program_free(p);
    mlo_sigpipe_restore(&before);
}

static size_t processes(struct mlo_target *t, pid_t *ret, size_t max)
{
    struct command *c = (struct command *)t;
    size_t n = 0;
    pthread_mutex_lock(&c->lock);
    for (const struct program *p = c->all; p && n < max; p = p->next)
        if (p->pid > 0)
            ret[n++] = p->pid;
    pthread_mutex_unlock(&c->lock);
    return n;
}

static void close_command(struct mlo_target *t)
{
    struct command *c = (struct command *)t;
    program_free(c->first);
    pthread_mutex_destroy(&c->lock);
    free(c->hello);
    free(c);
}

/* Line breaks between the values of a body are spaces as well. */
static void add_body(struct mlo_str *out, const char *body)
{
    size_t from = out->len;
    mlo_str_add(out, body);
    for (size_t i = from; i < out->len; i++)
        if (out->ptr[i] == '\n' || out->ptr[i] == '\r')
            out->ptr[i] = ' ';
}

static int make_hello(struct command *c, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str out;
    const struct mlo_target_opts *o = &c->opts;
    mlo_str_init(&out, MLO_STR_MAX);
    mlo_str_add(&out, "{\"version\":1,\"model\":");
    if (o->model)
        mlo_json_quote(&out, o->model, strlen(o->model));
    else
        mlo_str_add(&out, "null");
    if (o->digest)
        mlo_str_addf(&out, ",\"digest\":\"%s\",\"tool\":\"" MLO_VERSION "\"", o->digest);
    mlo_str_addf(&out, ",\"rows\":%zu,\"requests\":[", o->rows);
    for (size_t i = 0; i < o->n_bodies; i++) {
        mlo_str_add(&out, i > 0 ? "," : "");
        add_body(&out, o->bodies[i]);
    }
    mlo_str_add(&out, "]}\n");
    int rc = mlo_str_check(&out, err);
    if (rc == 0)
        c->hello = mlo_str_detach(&out, &c->n_hello);
    return rc;
}

int mlo_target_command(const struct mlo_command_opts *how, const struct mlo_target_opts *o,
                       struct mlo_target **ret, struct mlo_err *err)
{
    int64_t from = mlo_time_mono();
    struct command *c = mlo_calloc(1, sizeof *c, err);
    if (!c)
        return err->code;
    c->target = (struct mlo_target){.kind = "command",
                                    .join = join,
                                    .call = call,
                                    .usable = usable,
                                    .took = took,
                                    .leave = leave,
                                    .close = close_command,
                                    .processes = processes,
                                    .rows = o->rows};
    pthread_mutex_init(&c->lock, NULL);
    c->how = *how;
    c->opts = *o;
    c->opts.limit_ns = o->limit_ns ? o->limit_ns : MLO_TARGET_LIMIT;
    int rc = make_hello(c, err);
    if (rc == 0)
        rc = program_new(c, &c->first, err);
    if (rc != 0) {
        close_command(&c->target);
        return rc;
    }
    struct mlo_footprint memory;
    c->target.calls = c->first->many ? call_some : NULL;
    c->target.load_ns = (uint64_t)(mlo_time_mono() - from);
    mlo_footprint_end(&c->target, &memory);
    c->target.load_peak = memory.run_peak;
    *ret = &c->target;
    return 0;
}

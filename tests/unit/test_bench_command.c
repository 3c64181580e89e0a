/* Programs as targets: good ones, and each way in which one can be bad. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mlopsctl/base/time.h>
#include <mlopsctl/bench.h>

#include "tap.h"

#define MS (MLO_NS_PER_S / 1000)

static struct mlo_err err;
static char path_variable[] = "PATH=/usr/bin:/bin", *env[] = {path_variable, NULL};

#define HELLO "read -r hello; echo mlopsctl-bench 1; "
#define EACH  "while read -r run n; do "

static int open_line(const char *line, int64_t limit, struct mlo_target **ret)
{
    const struct mlo_command_opts how = {.line = line, .env = env, .start_limit_ns = limit};
    const struct mlo_target_opts o = {.rows = 4, .limit_ns = limit};
    err = MLO_ERR_INIT;
    return mlo_target_command(&how, &o, ret, &err);
}

static bool no_children(void)
{
    return waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD;
}

/* The first call to a program, which then is gone. */
static int first_call(const char *line, int64_t limit)
{
    struct mlo_target *t = NULL;
    void *caller = NULL;
    check_ok(open_line(line, limit, &t), &err);
    check_ok(t->join(t, &caller, &err), &err);
    int rc = t->call(caller, 5, &err);
    if (rc != 0 && check(!t->usable(caller))) {
        struct mlo_err again = MLO_ERR_INIT;
        check(no_children(), "ended and its status taken");
        check_int(t->call(caller, 6, &again), rc);
        check_str(again.msg, err.msg);
    }
    t->leave(caller);
    mlo_target_close(t);
    check(no_children());
    return rc;
}

/* ---- good ones ---- */

static void requests_are_answered(void)
{
    struct mlo_target *t = NULL;
    void *one = NULL, *two = NULL;
    check_ok(open_line(HELLO EACH "echo ok $n; done", 0, &t), &err);
    check(t->load_ns > 0 && t->rows == 4);
    check_str(t->kind, "command");
    check_ok(t->join(t, &one, &err), &err);
    check_ok(t->join(t, &two, &err), &err);
    for (uint64_t i = 0; i < 100; i++) {
        check_ok(t->call(one, i, &err), &err);
        check_ok(t->call(two, UINT64_MAX - i, &err), &err);
    }
    t->leave(one);
    t->leave(two);
    mlo_target_close(t);
    check(no_children());
}

/* A program that times itself, and takes several requests in one line. */
static void what_it_says_of_itself_counts(void)
{
    struct mlo_target *t = NULL;
    void *caller = NULL;
    check_ok(
        open_line(
            "read -r hello; echo mlopsctl-bench 1 many; while read -r run n k; do echo ok $n ${k}7; done", 0,
            &t),
        &err);
    if (!check(t->calls && t->took))
        return;
    check_ok(t->join(t, &caller, &err), &err);
    check_ok(t->call(caller, 3, &err), &err);
    check_int(t->took(caller), 7);
    check_ok(t->calls(caller, 4, 12, &err), &err);
    check_int(t->took(caller), 127);
    t->leave(caller);
    mlo_target_close(t);
    check_ok(open_line(HELLO EACH "echo ok $n; done", 0, &t), &err);
    check_ok(t->join(t, &caller, &err), &err);
    check_ok(t->call(caller, 0, &err), &err);
    check(!t->calls && t->took(caller) == -1);
    t->leave(caller);
    mlo_target_close(t);
    check_int(first_call(HELLO EACH "echo ok $n -1; done", 0), MLO_EINVALID);
    check_int(first_call(HELLO EACH "echo ok $n 1x; done", 0), MLO_EINVALID);
    check_int(first_call(HELLO EACH "echo ok $n 99999999999999999999; done", 0), MLO_EINVALID);
    check_int(first_call(HELLO EACH "echo ok ${n}1; done", 0), MLO_EINVALID);
}

/* What it is told at the start, and that more than a pipe holds of it arrives. */
static void the_first_line_tells_what_will_be_asked(void)
{
    size_t n = (size_t)1 << 20;
    char *large = malloc(n + 3), line[512];
    check(large != NULL);
    memset(large, ' ', n);
    memcpy(large, "[\n", 2);
    strcpy(large + n, "]");
    const char *bodies[] = {"{\"inputs\": []}", large};
    const struct mlo_target_opts o = {.bodies = bodies, .n_bodies = 2, .rows = 8, .model = "m\"x"};
    struct mlo_target *t = NULL;
    snprintf(line, sizeof line, "%s",
             "exec python3 -c 'import json, sys\n"
             "h = json.loads(sys.stdin.readline())\n"
             "good = h == {\"version\": 1, \"model\": \"m\\\"x\", \"rows\": 8, \"requests\": [{\"inputs\": "
             "[]}, []]}\n"
             "print(\"mlopsctl-bench 1\" if good else h, flush=True)'");
    const struct mlo_command_opts how = {.line = line, .env = env};
    check_ok(mlo_target_command(&how, &o, &t, &err), &err);
    mlo_target_close(t);
    free(large);
}

static void a_program_without_a_shell(void)
{
    char sh[] = "sh", option[] = "-c", line[] = HELLO EACH "echo ok $n; done",
         *argv[] = {sh, option, line, NULL};
    char missing[] = "no-such-program", *nothing[] = {missing, NULL};
    struct mlo_command_opts how = {.argv = argv, .env = env};
    const struct mlo_target_opts o = {.rows = 1};
    struct mlo_target *t = NULL;
    void *caller = NULL;
    check_ok(mlo_target_command(&how, &o, &t, &err), &err);
    check_ok(t->join(t, &caller, &err), &err);
    check_ok(t->call(caller, 0, &err), &err);
    t->leave(caller);
    mlo_target_close(t);
    how.argv = nothing;
    t = NULL;
    check_err(mlo_target_command(&how, &o, &t, &err), MLO_EUNAVAIL, &err, "no-such-program is not installed");
    check(t == NULL && no_children());
}

static void errors_are_failures_of_their_request(void)
{
    struct mlo_target *t = NULL;
    void *caller = NULL;
    check_ok(
        open_line(
            HELLO
            "read -r r n; echo error $n out of memory; read -r r n; echo error $n; read -r r n; echo ok $n",
            0, &t),
        &err);
    check_ok(t->join(t, &caller, &err), &err);
    check_err(t->call(caller, 1, &err), MLO_EREMOTE, &err, "error in answer to request 1: out of memory");
    check_err(t->call(caller, 2, &err), MLO_EREMOTE, &err, "error in answer to request 2: no reason");
    check(t->usable(caller));
    check_ok(t->call(caller, 3, &err), &err);
    t->leave(caller);
    mlo_target_close(t);
}

/* A talkative program is heard, so that it does not wait for us. */
static void messages_do_not_disturb(void)
{
    check_ok(first_call(HELLO EACH "yes message | head -c 300000 >&2; echo ok $n; done", 0), &err);
}

/* ---- bad ones ---- */

static void answers_of_another_kind(void)
{
    check_err(first_call(HELLO EACH "echo what; done", 0), MLO_EINVALID, &err,
              "'read': said what is no answer in answer to request 5: 'what'");
    check_err(first_call(HELLO EACH "echo ok; done", 0), MLO_EINVALID, &err, "no answer");
    check_err(first_call(HELLO EACH "echo ok 4; done", 0), MLO_EINVALID, &err, "'ok 4'");
    check_err(first_call(HELLO EACH "echo ok 55; done", 0), MLO_EINVALID, &err, "'ok 55'");
    check_err(first_call(HELLO EACH "echo error 55 x; done", 0), MLO_EINVALID, &err, "'error 55 x'");
    check_err(first_call(HELLO EACH "printf 'ok 5\\000\\n'; done", 0), MLO_EINVALID, &err, "no answer");
    check_err(first_call(HELLO EACH "printf 'ok 5\\nok 6\\n'; done", 0), MLO_EINVALID, &err,
              "said more than one line in answer to request 5");
    check_err(first_call(HELLO EACH "printf '\\033[31m\\n'; done", 0), MLO_EINVALID, &err, "\\x1B[31m");
}

static void floods(void)
{
    check_err(first_call(HELLO EACH "tr '\\000' x </dev/zero; done", 0), MLO_EINVALID, &err,
              "more than 4096 bytes without the end of a line");
    check_err(first_call(HELLO EACH "yes; done", 0), MLO_EINVALID, &err, "more than one line");
}

static void ends(void)
{
    check_err(first_call(HELLO "read -r r n; exit 3", 0), MLO_EREMOTE, &err,
              "ended with exit status 3 in answer to request 5");
    check_err(first_call(HELLO "read -r r n; echo Traceback >&2; echo no memory >&2; exit 1", 0), MLO_EREMOTE,
              &err, "ended with exit status 1");
    check_str(err.hint, "its last message: no memory");
    check_err(first_call(HELLO "read -r r n; kill -9 $$", 0), MLO_EREMOTE, &err, "was ended by signal 9");
    check_err(first_call(HELLO "exec >&-; sleep 60", 0), MLO_EREMOTE, &err, "closed its output");
    check_err(first_call(HELLO "exec <&-; sleep 60", 2000 * MS), MLO_EREMOTE, &err, "in answer to request 5");
}

static void stalls_end_with_all_they_started(void)
{
    check_err(first_call(HELLO EACH "sleep 60 & wait; done", 200 * MS), MLO_EREMOTE, &err,
              "said nothing for 200 ms in answer to request 5");
    check_err(first_call(HELLO EACH "printf 'ok '; sleep 60; done", 200 * MS), MLO_EREMOTE, &err,
              "said nothing");
}

static void bad_starts(void)
{
    struct mlo_target *t = NULL;
    check_err(open_line("echo hello; sleep 60", 0, &t), MLO_EINVALID, &err,
              "'echo': said something other than 'mlopsctl-bench 1' before it was ready: 'hello'");
    check_err(open_line("echo mlopsctl-bench 2; cat", 0, &t), MLO_EINVALID, &err, "'mlopsctl-bench 2'");
    check_err(open_line("sleep 60", 100 * MS, &t), MLO_EREMOTE, &err,
              "said nothing for 100 ms before it was ready");
    check_err(open_line("exit 7", 0, &t), MLO_EREMOTE, &err, "ended with exit status 7 before it was ready");
    check_err(open_line("no-such-program-at-all", 0, &t), MLO_EREMOTE, &err, "ended with exit status 127");
    check(strstr(err.hint, "not found") != NULL, "%s", err.hint);
    check(t == NULL && no_children());
}

static int open_advised(const char *line, struct mlo_target **ret)
{
    const struct mlo_command_opts how = {
        .line = line, .env = env, .role = "wrapper ", .name = "w", .advice = "try it"};
    const char *bodies[] = {"{}"};
    const struct mlo_target_opts o = {.rows = 1, .bodies = bodies, .n_bodies = 1};
    err = MLO_ERR_INIT;
    return mlo_target_command(&how, &o, ret, &err);
}

static void who_says_nothing_is_advised(void)
{
    struct mlo_target *t = NULL;
    void *caller = NULL;
    check_err(open_advised("exit 3", &t), MLO_EREMOTE, &err, "wrapper 'w': ended with exit status 3");
    check_str(err.hint, "try it");
    check_err(open_advised("echo the fault >&2; echo hint: look >&2; echo see x --help >&2; exit 1", &t),
              MLO_EREMOTE, &err, "exit status 1");
    check_str(err.hint, "its last message: the fault");
    check_err(open_advised("echo hint: look >&2; exit 1", &t), MLO_EREMOTE, &err, "exit status 1");
    check_str(err.hint, "try it");
    check_ok(open_advised(HELLO "read -r r n; exit 3", &t), &err);
    check_ok(t->join(t, &caller, &err), &err);
    check_err(t->call(caller, 5, &err), MLO_EREMOTE, &err, "in answer to request 5");
    check_str(err.hint, "");
    t->leave(caller);
    mlo_target_close(t);
    check(no_children());
}

/* ---- in a benchmark ---- */

static void a_program_that_ends_ends_the_benchmark(void)
{
    const struct mlo_load load = {0};
    struct mlo_target *t = NULL;
    struct mlo_runner *r = NULL;
    struct mlo_block b = {0};
    check_ok(open_line(HELLO "for i in 1 2 3; do read -r run n; echo ok $n; done; exit 9", 0, &t), &err);
    check_ok(mlo_runner_new(t, &load, &r, &err), &err);
    check_err(mlo_runner_block(r, 60, &b, &err), MLO_EREMOTE, &err,
              "ended with exit status 9 in answer to request 3");
    mlo_block_release(&b);
    mlo_runner_free(r);
    mlo_target_close(t);
    check(no_children());
}

static bool stop_now(void *ctx)
{
    return ++*(int *)ctx > 3;
}

static void interrupts_end_waiting(void)
{
    int asked = 0;
    const struct mlo_load load = {.stop = stop_now, .stop_ctx = &asked};
    const struct mlo_command_opts how = {.line = HELLO EACH "sleep 60; done", .env = env};
    const struct mlo_target_opts o = {.rows = 1, .stop = stop_now, .stop_ctx = &asked};
    struct mlo_target *t = NULL;
    struct mlo_runner *r = NULL;
    struct mlo_block b = {0};
    int64_t from = mlo_time_mono();
    check_ok(mlo_target_command(&how, &o, &t, &err), &err);
    check_ok(mlo_runner_new(t, &load, &r, &err), &err);
    check_ok(mlo_runner_block(r, 60, &b, &err), &err);
    check(b.requests == 0 && b.failures == 0, "an interrupted request is none");
    mlo_block_release(&b);
    mlo_runner_free(r);
    mlo_target_close(t);
    check(mlo_time_mono() - from < 30 * MLO_NS_PER_S && no_children());
}

static int open_once(void)
{
    struct mlo_err e = MLO_ERR_INIT;
    char sh[] = "sh", option[] = "-c", line[] = HELLO "cat >&2", *argv[] = {sh, option, line, NULL};
    const char *bodies[] = {"{}"};
    const struct mlo_command_opts how = {.argv = argv, .env = env};
    const struct mlo_target_opts o = {.rows = 1, .bodies = bodies, .n_bodies = 1};
    struct mlo_target *t = NULL;
    int rc = mlo_target_command(&how, &o, &t, &e);
    mlo_target_close(t);
    return rc;
}

static void memory_that_is_gone(void)
{
    check(each_alloc_failure(open_once) > 3);
    check(no_children());
}

int main(void)
{
    run(requests_are_answered);
    run(what_it_says_of_itself_counts);
    run(the_first_line_tells_what_will_be_asked);
    run(a_program_without_a_shell);
    run(errors_are_failures_of_their_request);
    run(messages_do_not_disturb);
    run(answers_of_another_kind);
    run(floods);
    run(ends);
    run(stalls_end_with_all_they_started);
    run(bad_starts);
    run(who_says_nothing_is_advised);
    run(a_program_that_ends_ends_the_benchmark);
    run(interrupts_end_waiting);
    run(memory_that_is_gone);
    return done_testing();
}

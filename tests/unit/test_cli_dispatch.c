/* From a command line to streams and exit status, with commands of this test; progress on stderr. */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/cli.h>

#include "tap.h"

/* ---- commands ---- */

static int result, rc_message;
static char seen[256];

static int run_it(struct mlo_ctx *ctx, const void *opts, struct mlo_err *err)
{
    (void)opts;
    snprintf(seen, sizeof seen, "%s|%zu|%d", ctx->cmd_name, ctx->n_args, ctx->json);
    mlo_report_u64(ctx->report, "n", "rows", 3);
    if (rc_message) {
        mlo_fail(err, result, "row 7 differs");
        mlo_hint(err, "look at it");
    }
    return result;
}

static const struct mlo_command verify = {.name = "verify",
                                          .group = "g",
                                          .summary = "verify it",
                                          .synopsis = "",
                                          .args = {.max = UINT_MAX},
                                          .run = run_it};
static const struct mlo_command view = {
    .name = "view", .group = "g", .summary = "view it", .synopsis = "", .run = run_it};
static const struct mlo_command secret = {
    .name = "secret", .group = "g", .summary = "hidden", .flags = MLO_CMDF_HIDDEN, .run = run_it};
static const struct mlo_command *const verbs[] = {&verify, &view, NULL};
static const struct mlo_command ledger = {
    .name = "ledger", .group = "state", .summary = "look after it", .subs = verbs};
static const struct mlo_command *const table[] = {&ledger, &verify, &secret, NULL};

/* ---- running them ---- */

static char out[65536], errs[65536];

static int redirect(int fd, const char *name)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", tap_tmpdir(), name);
    int saved = dup(fd), file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    dup2(file, fd);
    close(file);
    return saved;
}

static void restore(int fd, int saved, char *text, size_t size)
{
    struct mlo_err err = MLO_ERR_INIT;
    size_t n = 0;
    check_ok(mlo_read_at(fd, text, size - 1, 0, &n, &err), &err);
    text[n] = '\0';
    dup2(saved, fd);
    close(saved);
}

#define main_of(...) main_words((const char *const[]){"mlopsctl", __VA_ARGS__, NULL})

static int main_words(const char *const *words)
{
    static char text[8][64];
    char *argv[9] = {NULL}, *env[] = {NULL};
    int argc = 0;
    for (; words[argc]; argc++) {
        snprintf(text[argc], sizeof text[argc], "%s", words[argc]);
        argv[argc] = text[argc];
    }
    fflush(stdout);
    *seen = '\0';
    int o = redirect(STDOUT_FILENO, "out"), e = redirect(STDERR_FILENO, "err");
    int status = mlo_cli_main(table, argc, argv, env);
    fflush(stdout);
    restore(STDOUT_FILENO, o, out, sizeof out);
    restore(STDERR_FILENO, e, errs, sizeof errs);
    return status;
}

static void returns(int code, int message)
{
    result = code;
    rc_message = message;
}

static void success_prints_the_report(void)
{
    returns(0, 0);
    check_int(main_of("verify", "a", "b"), 0);
    check_str(seen, "verify|2|0");
    check_str(out, "rows  3\n");
    check_str(errs, "");
}

static void verbs_are_found_with_options_between(void)
{
    returns(0, 0);
    check_int(main_of("-q", "ledger", "--json", "verify", "--", "-x"), 0);
    check_str(seen, "ledger verify|1|1");
    check_str(out, "{\"schema\":1,\"command\":\"ledger verify\",\"n\":3}\n");
}

static void a_no_prints_report_and_reason(void)
{
    returns(MLO_NO, 1);
    check_int(main_of("verify"), 1);
    check_str(out, "rows  3\n");
    check_str(errs, "mlopsctl: verify: row 7 differs\nhint: look at it\n");
    returns(MLO_NO, 0);
    check_int(main_of("verify"), 1);
    check_str(errs, "");
}

static void each_failure_is_its_exit_status_and_leaves_stdout_empty(void)
{
    for (int code = MLO_EUSAGE; code >= MLO_EINTERNAL; code--) {
        returns(code, 1);
        check_int(main_of("ledger", "verify"), -code);
        check_str(out, "");
        check_str(errs, "mlopsctl: ledger verify: row 7 differs\nhint: look at it\n");
    }
    returns(MLO_EIO, 1);
    check_int(main_of("--json", "verify"), 8);
    check_str(out, "");
    check_str(
        errs,
        "{\"schema\":1,\"error\":{\"kind\":\"io\",\"message\":\"row 7 differs\",\"hint\":\"look at it\"}}\n");
}

static void json_asked_for_behind_a_wrong_word_holds(void)
{
    check_int(main_of("verify", "--nonsense", "--json"), 2);
    check(strncmp(errs, "{\"schema\":1,\"error\":{\"kind\":\"usage\"", 35) == 0);
    check_int(main_of("verfy", "--json"), 2);
    check(*errs == '{');
    check_int(main_of("verify", "--nonsense", "--", "--json"), 2);
    check(*errs == 'm');
}

static void a_failure_without_words_is_never_silent(void)
{
    returns(MLO_EIO, 0);
    check_int(main_of("verify"), 8);
    check(*errs != '\0');
    returns(-77, 0);
    check_int(main_of("verify"), 9);
    check(*errs != '\0');
    returns(5, 0);
    check_int(main_of("verify"), 9);
}

static void a_family_without_verb_lists_its_verbs(void)
{
    returns(0, 0);
    check_int(main_of("ledger"), 2);
    check_str(errs, "mlopsctl: ledger: which one: verify, view?\n");
    check_int(main_of("ledger", "verfy"), 2);
    check_str(errs,
              "mlopsctl: ledger: there is no command 'ledger verfy'\nhint: did you mean ledger verify?\n");
    check_int(main_of("ledger", "-h"), 0);
    check(strstr(out, "usage: mlopsctl ledger VERB") && strstr(out, "verify it"), "%s", out);
    check_int(main_of("ledger", "verify", "-h"), 0);
    check(strstr(out, "usage: mlopsctl ledger verify [options]") != NULL, "%s", out);
    check_str(seen, "");
}

static void groups_come_once_and_hidden_commands_never(void)
{
    check_int(main_of("-h"), 0);
    check(strstr(out, "\nstate\n  ledger") && strstr(out, "\ng\n  verify"), "%s", out);
    check(!strstr(out, "secret"));
    check_int(main_of("secre"), 2);
    check(!strstr(errs, "did you mean"));
    returns(0, 0);
    check_int(main_of("secret"), 0);
}

static void foreign_bytes_do_not_reach_the_terminal(void)
{
    check_int(main_of("\033[31m"), 2);
    check(!strchr(errs, '\033'));
}

/* ---- progress ---- */

static struct mlo_progress *start(enum mlo_progress_mode mode, bool tty)
{
    struct mlo_ctx ctx = {.progress = mode, .tty_err = tty};
    return mlo_progress_start(&ctx, "packing", 100);
}

static void progress_is_silent_where_nobody_wants_it(void)
{
    struct mlo_ctx quiet = {.quiet = true, .tty_err = true}, json = {.json = true},
                   none = {.progress = MLO_PROGRESS_NONE};
    check(!mlo_progress_start(&quiet, "x", 1));
    check(!mlo_progress_start(&json, "x", 1));
    check(!mlo_progress_start(&none, "x", 1));
    mlo_progress_update(NULL, 1, 2);
    mlo_progress_end(NULL);
}

static void a_short_job_shows_no_bar(void)
{
    int e = redirect(STDERR_FILENO, "err");
    struct mlo_progress *p = start(MLO_PROGRESS_AUTO, true);
    mlo_progress_update(p, 50, 100);
    mlo_progress_end(p);
    restore(STDERR_FILENO, e, errs, sizeof errs);
    check_str(errs, "");
}

static void a_longer_job_shows_a_bar_and_erases_it(void)
{
    int e = redirect(STDERR_FILENO, "err");
    struct mlo_progress *p = start(MLO_PROGRESS_AUTO, true);
    nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 20000000}, NULL);
    for (int i = 0; i < 1000; i++)
        mlo_progress_adapter(p, 50, 100);
    mlo_progress_end(p);
    restore(STDERR_FILENO, e, errs, sizeof errs);
    check(strncmp(errs, "\r\033[Kpacking  50% [", 18) == 0, "%s", errs);
    check(strlen(errs) < 300, "one drawing, not a thousand");
    size_t n = strlen(errs);
    check(n > 4 && strcmp(errs + n - 4, "\r\033[K") == 0);
}

static void json_events_have_a_start_and_an_end(void)
{
    int e = redirect(STDERR_FILENO, "err");
    struct mlo_progress *p = start(MLO_PROGRESS_JSON, false);
    mlo_progress_update(p, 100, 100);
    mlo_progress_end(p);
    restore(STDERR_FILENO, e, errs, sizeof errs);
    check(strncmp(errs, "{\"event\":\"start\",\"what\":\"packing\",\"done\":0,\"total\":100,", 55) == 0, "%s",
          errs);
    check(strstr(errs, "\n{\"event\":\"end\",\"what\":\"packing\",\"done\":100,\"total\":100,") != NULL, "%s",
          errs);
}

static void warnings_are_lines_and_with_json_documents(void)
{
    struct mlo_ctx text = {.cmd_name = "x"}, json = {.json = true};
    int e = redirect(STDERR_FILENO, "err");
    mlo_warn(&text, "run %d had died", 7);
    mlo_note(&text, "waiting");
    mlo_warn(&json, "a \"quoted\" %s", "word");
    mlo_note(&json, "not shown");
    mlo_note(&text, "'%s' and '%s'", "a\033b", "c\\x1B");
    restore(STDERR_FILENO, e, errs, sizeof errs);
    check_str(errs, "mlopsctl: warning: run 7 had died\nmlopsctl: waiting\n"
                    "{\"schema\":1,\"warning\":\"a \\\"quoted\\\" word\"}\n"
                    "mlopsctl: 'a\\x1Bb' and 'c\\x1B'\n");
}

int main(void)
{
    run(success_prints_the_report);
    run(verbs_are_found_with_options_between);
    run(a_no_prints_report_and_reason);
    run(each_failure_is_its_exit_status_and_leaves_stdout_empty);
    run(json_asked_for_behind_a_wrong_word_holds);
    run(a_failure_without_words_is_never_silent);
    run(a_family_without_verb_lists_its_verbs);
    run(groups_come_once_and_hidden_commands_never);
    run(foreign_bytes_do_not_reach_the_terminal);
    run(progress_is_silent_where_nobody_wants_it);
    run(a_short_job_shows_no_bar);
    run(a_longer_job_shows_a_bar_and_erases_it);
    run(json_events_have_a_start_and_an_end);
    run(warnings_are_lines_and_with_json_documents);
    return done_testing();
}

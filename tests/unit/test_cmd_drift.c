/* A check of drift that comes again: what is new in files, what checks before found, who is told. Memory may
 * run out. */
#include "ledger_fixture.h"

#include <fcntl.h>
#include <mlopsctl/base/io.h>
#include <mlopsctl/base/time.h>

#include "../../src/cmd/drift/watch.h"

static char folder[512];

static const char *path_of(const char *name)
{
    static char buf[4][600];
    static unsigned i;
    char *p = buf[i++ % 4];
    snprintf(p, sizeof buf[0], "%s/%s", folder, name);
    return p;
}

static void put_mode(const char *name, const char *text, const char *mode)
{
    FILE *f = fopen(path_of(name), mode);
    check(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void put(const char *name, const char *text)
{
    put_mode(name, text, "w");
}

static void add(const char *name, const char *text)
{
    put_mode(name, text, "a");
}

static char *text_at(const char *path)
{
    static char buf[512];
    FILE *f = fopen(path, "r");
    buf[f ? fread(buf, 1, sizeof buf - 1, f) : 0] = '\0';
    if (f)
        fclose(f);
    return buf;
}

/* ---- since ---- */

static struct mlo_ctx quiet = {.quiet = true};
static struct mlo_workspace ws;
static const char *words[4];
static struct mlo_strings asked = {.items = words};

static void start_over(void)
{
    static int n;
    snprintf(folder, sizeof folder, "%s/files-%d", tap_tmpdir(), n++);
    check(mkdir(folder, 0700) == 0);
    ws = (struct mlo_workspace){.ctx = &quiet, .ledger = fresh()};
    check_ok(mlo_store_open(home, true, &ws.store, &err), &err);
}

static void end(void)
{
    mlo_store_close(ws.store);
    mlo_ledger_close(ws.ledger);
    ws = (struct mlo_workspace){0};
}

static void ask(const char *first, const char *second)
{
    static char buf[2][600];
    snprintf(buf[0], sizeof buf[0], "%s", first ? path_of(first) : "");
    snprintf(buf[1], sizeof buf[1], "%s", second ? path_of(second) : "");
    words[0] = buf[0];
    words[1] = buf[1];
    asked.n = (size_t) !!first + !!second;
}

static struct mlo_since *plan(void)
{
    struct mlo_since *s = NULL;
    check_ok(mlo_since_plan(&quiet, &ws, "n", &asked, &s, &err), &err);
    return s;
}

/* The check has taken place: what it saw is an artifact of its run. */
static void keep(const struct mlo_since *s)
{
    struct mlo_run *r = begin(ws.ledger, "drift");
    struct mlo_digest d;
    char *text = NULL;
    size_t n = 0;
    mlo_store_set_tmp(ws.store, mlo_run_folder(r));
    check_ok(mlo_since_write(s, &text, &n, &err), &err);
    check_ok(mlo_store_put(ws.store, text, n, &d, &err), &err);
    check_ok(mlo_run_artifact(r, MLO_SINCE_KIND "n", &d, n, &err), &err);
    check_ok(mlo_run_finish(r, 0, &err), &err);
    free(text);
}

static void check_is_made(void)
{
    struct mlo_since *s = plan();
    keep(s);
    mlo_since_free(s);
}

/* What would be read of the only new file. */
static const char *news(void)
{
    static char buf[512];
    struct mlo_since *s = plan();
    struct mlo_strings files = {0};
    MLO_AUTOSTR struct mlo_str name;
    mlo_str_init(&name, MLO_PATH_MAX);
    snprintf(buf, sizeof buf, "(%zu files)", mlo_since_new(s));
    if (mlo_since_new(s) == 1) {
        char copies[512];
        snprintf(copies, sizeof copies, "%s/copies-XXXXXX", tap_tmpdir());
        check(mkdtemp(copies) != NULL);
        check_ok(mlo_since_files(s, copies, &files, &err), &err);
        check_ok(mlo_since_name(s, &name, &err), &err);
        check_int(files.n, 1);
        snprintf(buf, sizeof buf, "%s", files.n ? text_at(files.items[0]) : "");
    }
    free(files.items);
    mlo_since_free(s);
    return buf;
}

static void a_file_is_new_once(void)
{
    start_over();
    put("a.csv", "x\n1\n");
    ask("a.csv", NULL);
    check_str(news(), "x\n1\n");
    check_is_made();
    check_str(news(), "(0 files)");
    put("b.csv", "x\n2\n");
    ask("a.csv", "b.csv");
    check_str(news(), "x\n2\n");
    end();
}

static void what_was_added_has_the_header_before_it(void)
{
    start_over();
    put("a.csv", "x,y\n1,2\n3,");
    put("b.jsonl", "{\"x\":1}\n");
    ask("a.csv", "b.jsonl");
    check_is_made();
    add("a.csv", "4\n5,6\n");
    check_str(news(), "x,y\n3,4\n5,6\n"); /* the line that had no end is read again */
    check_is_made();
    add("b.jsonl", "{\"x\":2}\n");
    check_str(news(), "{\"x\":2}\n");
    end();
}

static void a_renamed_file_is_known_and_a_new_one_in_its_place_is_not(void)
{
    start_over();
    put("log", "x\n1\n2\n");
    ask("log", NULL);
    check_is_made();
    check(rename(path_of("log"), path_of("log.1")) == 0);
    put("log", "x\n7\n");
    ask("log", "log.1");
    check_str(news(), "x\n7\n");
    end();
}

static void a_file_written_anew_is_new(void)
{
    start_over();
    put("a.csv", "x\n1\n2\n");
    ask("a.csv", NULL);
    check_is_made();
    put("a.csv", "x\n9\n2\n3\n");
    check_str(news(), "x\n9\n2\n3\n");
    put("a.csv", "x\n1\n");
    check_str(news(), "x\n1\n");
    end();
}

static void what_cannot_be_remembered_is_refused(void)
{
    struct mlo_since *s = NULL;
    start_over();
    words[0] = "-";
    asked.n = 1;
    check_err(mlo_since_plan(&quiet, &ws, "n", &asked, &s, &err), MLO_EUSAGE, &err, "standard input");
    check(mkfifo(path_of("pipe"), 0600) == 0);
    ask("pipe", NULL);
    check_err(mlo_since_plan(&quiet, &ws, "n", &asked, &s, &err), MLO_EUSAGE, &err, "is no file");
    ask("missing.csv", NULL);
    check_err(mlo_since_plan(&quiet, &ws, "n", &asked, &s, &err), MLO_ENOTFOUND, &err, "missing.csv");
    check(s == NULL);
    end();
}

static void a_state_that_is_none_is_told(void)
{
    static const char *const states[] = {
        "[", "{\"files\":[{}]}", "{\"files\":[{\"path\":\"/a\",\"size\":1,\"mtime_ns\":\"soon\"}]}",
        "{\"files\":[{\"path\":\"/a\",\"size\":1,\"mtime_ns\":\"1\",\"head\":\"sha256:1\",\"tail\":\"\"}]}"};
    for (size_t i = 0; i < MLO_COUNT(states); i++) {
        struct mlo_since *s = NULL;
        struct mlo_digest d;
        start_over();
        struct mlo_run *r = begin(ws.ledger, "drift");
        mlo_store_set_tmp(ws.store, mlo_run_folder(r));
        check_ok(mlo_store_put(ws.store, states[i], strlen(states[i]), &d, &err), &err);
        check_ok(mlo_run_artifact(r, MLO_SINCE_KIND "n", &d, strlen(states[i]), &err), &err);
        check_ok(mlo_run_finish(r, 0, &err), &err);
        put("a.csv", "x\n1\n");
        ask("a.csv", NULL);
        check_err(mlo_since_plan(&quiet, &ws, "n", &asked, &s, &err), MLO_EINVALID, &err,
                  "what the last check saw");
        end();
    }
}

static int plan_and_write(void)
{
    struct mlo_err e = MLO_ERR_INIT;
    struct mlo_since *s = NULL;
    struct mlo_strings files = {0};
    struct mlo_str name;
    MLO_AUTOFREE char *text = NULL;
    char copies[512];
    size_t n = 0;
    snprintf(copies, sizeof copies, "%s/copies-XXXXXX", tap_tmpdir());
    if (!mkdtemp(copies))
        return MLO_EIO;
    mlo_str_init(&name, MLO_PATH_MAX);
    int rc = mlo_since_plan(&quiet, &ws, "n", &asked, &s, &e);
    if (rc == 0)
        rc = mlo_since_files(s, copies, &files, &e);
    if (rc == 0)
        rc = mlo_since_name(s, &name, &e);
    if (rc == 0)
        rc = mlo_since_write(s, &text, &n, &e);
    mlo_str_release(&name);
    free(files.items);
    mlo_since_free(s);
    return rc;
}

static void since_memory_may_run_out(void)
{
    start_over();
    put("a.csv", "x\n1\n");
    put("b.csv", "x\n2\n");
    ask("a.csv", "b.csv");
    check_is_made();
    add("a.csv", "3\n");
    put("b.csv", "x\n4\n");
    check(each_alloc_failure(plan_and_write) > 10);
    end();
}

/* ---- history ---- */

static void noted(const char *name, bool drift, const char *also, const char *status)
{
    struct mlo_run *r = begin(ws.ledger, "drift");
    check_ok(mlo_drift_history_note(r, MLO_CHECK_DRIFT, name, drift, &err), &err);
    if (also)
        check_ok(mlo_drift_history_note(r, also, name, true, &err), &err);
    check_ok(mlo_run_finish(r, status ? MLO_EIO : 0, &err), &err);
}

static struct mlo_drift_history history(const char *name, unsigned n)
{
    struct mlo_drift_history h = {99, 99, false, 0};
    check_ok(mlo_drift_history_read(ws.ledger, name, n, &h, &err), &err);
    return h;
}

static void checks_of_a_name_are_counted(void)
{
    start_over();
    check_int(history("a", 5).checks, 0);
    noted("a", true, MLO_CHECK_CALLED, NULL);
    noted("b", true, NULL, NULL);
    noted("a", false, NULL, NULL);
    noted("a", true, NULL, NULL);
    struct mlo_drift_history h = history("a", 3);
    check_int(h.checks, 2); /* of three the one at hand is not there yet */
    check_int(h.drifted, 1);
    check(h.called && h.called_ns > 0, "hooks were called before the last three");
    check_int(history("a", 10).drifted, 2);
    check_int(history("b", 10).checks, 1);
    check(!history("b", 10).called);
    check_int(history("a", 1).checks, 0);
    end();
}

static void checks_before_an_accepted_baseline_do_not_count(void)
{
    start_over();
    noted("a", true, MLO_CHECK_CALLED, NULL);
    noted("a", true, MLO_CHECK_ACCEPTED, NULL);
    check_int(history("a", 10).checks, 0);
    check(!history("a", 10).called);
    noted("a", true, NULL, NULL);
    check_int(history("a", 10).checks, 1);
    end();
}

static int read_history(void)
{
    struct mlo_err e = MLO_ERR_INIT;
    struct mlo_drift_history h;
    return mlo_drift_history_read(ws.ledger, "a", 3, &h, &e);
}

static void history_memory_may_run_out(void)
{
    start_over();
    noted("a", true, NULL, NULL);
    each_alloc_failure(read_history);
    end();
}

/* ---- hooks ---- */

static char heard[600];
static struct mlo_drift_alarm alarm_now(void)
{
    return (struct mlo_drift_alarm){.name = "nightly",
                                    .run = 12,
                                    .sentence = "drift: `x`",
                                    .column = "a \"b\"",
                                    .psi = 0.5,
                                    .share = 0.25,
                                    .page = "/p.html",
                                    .report = "/r.json",
                                    .drifted = 1,
                                    .checks = 2};
}

static int call(const char *command, uint64_t timeout_ns)
{
    static char old[] = "DRIFT_NAME=forged", path[] = "PATH=/usr/bin:/bin", *env[] = {old, path, NULL};
    struct mlo_ctx ctx = {.env = env};
    struct mlo_drift_alarm a = alarm_now();
    return mlo_drift_call_command(&ctx, command, &a, timeout_ns, &err);
}

static void a_command_hears_the_alarm(void)
{
    char command[1400];
    start_over();
    snprintf(heard, sizeof heard, "%s/heard", folder);
    snprintf(command, sizeof command,
             "printf '%%s|' \"$DRIFT_NAME\" \"$DRIFT_RUN\" \"$DRIFT_VERDICT\" \"$DRIFT_COLUMN\" "
             "\"$DRIFT_PSI\" \"$DRIFT_SHARE\" \"$DRIFT_PAGE\" \"$DRIFT_REPORT\" >'%s'",
             heard);
    check_ok(call(command, 60 * MLO_NS_PER_S), &err);
    check_str(text_at(heard), "nightly|12|drift: `x`|a \"b\"|0.5|0.25|/p.html|/r.json|");
    end();
}

static void how_it_ended_is_told(void)
{
    check_err(call("exit 3", 60 * MLO_NS_PER_S), MLO_EIO, &err, "status 3");
    check_err(call("kill -9 $$", 60 * MLO_NS_PER_S), MLO_EIO, &err, "signal 9");
    check_err(call("sleep 60", 1), MLO_EIO, &err, "took longer than");
    check_err(call("trap '' TERM; sleep 60 & wait; sleep 60", 1), MLO_EIO, &err, "took longer than");
}

static int call_true(void)
{
    return call("true", 60 * MLO_NS_PER_S);
}

static void hooks_memory_may_run_out(void)
{
    check(each_alloc_failure(call_true) > 8);
}

int main(void)
{
    run(a_file_is_new_once);
    run(what_was_added_has_the_header_before_it);
    run(a_renamed_file_is_known_and_a_new_one_in_its_place_is_not);
    run(a_file_written_anew_is_new);
    run(what_cannot_be_remembered_is_refused);
    run(a_state_that_is_none_is_told);
    run(since_memory_may_run_out);
    run(checks_of_a_name_are_counted);
    run(checks_before_an_accepted_baseline_do_not_count);
    run(history_memory_may_run_out);
    run(a_command_hears_the_alarm);
    run(how_it_ended_is_told);
    run(hooks_memory_may_run_out);
    return done_testing();
}

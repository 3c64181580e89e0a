/* Parsing of the command line by tables: every spelling, every way of being wrong. */
#include <limits.h>
#include <string.h>

#include <mlopsctl/cli.h>

#include "../../src/cli/internal.h"
#include "tap.h"

struct opts {
    bool dry, fast;
    unsigned level;
    const char *tag, *mode;
    struct mlo_strings metrics;
    uint64_t threads, size, age;
    double ratio;
};

static const struct mlo_opt table[] = {
    {"dry-run", 'n', MLO_OPT_FLAG, NULL, "do nothing", offsetof(struct opts, dry), NULL, 0, 0, 0},
    {"fast", 'f', MLO_OPT_FLAG, NULL, "be fast", offsetof(struct opts, fast), NULL, 0, 0, 0},
    {"level", 'l', MLO_OPT_COUNT, NULL, "more", offsetof(struct opts, level), NULL, 0, 0, 0},
    {"tag", 't', MLO_OPT_STRING, "NAME", "name", offsetof(struct opts, tag), NULL, 0, 0, MLO_OPTF_REQUIRED},
    {"mode", 0, MLO_OPT_CHOICE, "MODE", "how", offsetof(struct opts, mode), "one|two", 0, 0, 0},
    {"metric", 'M', MLO_OPT_LIST, "K=V", "metric", offsetof(struct opts, metrics), NULL, 0, 0, 0},
    {"threads", 'j', MLO_OPT_U64, "N", "threads", offsetof(struct opts, threads), NULL, 1, 64, 0},
    {"size", 0, MLO_OPT_SIZE, "SIZE", "size", offsetof(struct opts, size), NULL, 0, 0, 0},
    {"age", 0, MLO_OPT_DURATION, "TIME", "age", offsetof(struct opts, age), NULL, 0, 0, 0},
    {"ratio", 0, MLO_OPT_DOUBLE, "R", "ratio", offsetof(struct opts, ratio), NULL, 0, 0, 0},
    {"secret", 0, MLO_OPT_FLAG, NULL, "hidden", offsetof(struct opts, fast), NULL, 0, 0, MLO_OPTF_HIDDEN},
    {0},
};
static const struct opts defaults = {.threads = 4, .mode = "one"};
static const struct mlo_command cmd = {
    .name = "pack",
    .group = "bundles",
    .summary = "pack files",
    .synopsis = "PATH... -t NAME",
    .opts = table,
    .opts_size = sizeof(struct opts),
    .defaults = &defaults,
    .args = {.max = 2},
};

static struct opts got;
static struct mlo_ctx ctx;
static struct mlo_err err;

#define parse(...)                                                                                           \
    parse_words((const char *const[]){__VA_ARGS__}, (int)MLO_COUNT(((const char *const[]){__VA_ARGS__})))

/* Result of parsing these words; what was allocated is released by the next call or by done(). */
static void done(void)
{
    if (ctx.args)
        mlo_opts_release(&cmd, &got, &ctx);
}

static int parse_words(const char *const *words, int n)
{
    static char text[32][64];
    static char *argv[33];
    done();
    for (int i = 0; i < n; i++) {
        snprintf(text[i], sizeof text[i], "%s", words[i]);
        argv[i] = text[i];
    }
    ctx = (struct mlo_ctx){0};
    err = MLO_ERR_INIT;
    return mlo_opts_parse(&cmd, n, argv, &got, &ctx, &err);
}

static void takes_every_spelling_of_a_value(void)
{
    check_ok(parse("--tag", "a"), &err);
    check_str(got.tag, "a");
    check_ok(parse("--tag=b"), &err);
    check_str(got.tag, "b");
    check_ok(parse("-t", "c"), &err);
    check_str(got.tag, "c");
    check_ok(parse("-td"), &err);
    check_str(got.tag, "d");
    check_ok(parse("-nft", "e"), &err);
    check_str(got.tag, "e");
    check(got.dry && got.fast);
    check_ok(parse("--tag="), &err);
    check_str(got.tag, "");
    check_ok(parse("-t", "-x"), &err);
    check_str(got.tag, "-x");
    done();
}

static void takes_options_anywhere_and_ends_them_at_two_dashes(void)
{
    check_ok(parse("in", "-ta", "out", "-n"), &err);
    check_int(ctx.n_args, 2);
    check_str(ctx.args[0], "in");
    check_str(ctx.args[1], "out");
    check(got.dry);
    check_ok(parse("-ta", "--", "-n", "--"), &err);
    check_int(ctx.n_args, 2);
    check_str(ctx.args[0], "-n");
    check_str(ctx.args[1], "--");
    check(!got.dry);
    check_ok(parse("-ta", "-"), &err);
    check_str(ctx.args[0], "-");
    done();
}

static void gives_defaults_and_lets_the_last_one_win(void)
{
    check_ok(parse("-ta"), &err);
    check_int(got.threads, 4);
    check_str(got.mode, "one");
    check_ok(parse("-ta", "-j8", "-j9", "--mode=two", "-tb"), &err);
    check_int(got.threads, 9);
    check_str(got.mode, "two");
    check_str(got.tag, "b");
    done();
}

static void collects_lists_and_counts(void)
{
    check_ok(parse("-ta", "-M", "x=1", "--metric=y=2", "-Mz=3", "-lll", "--level"), &err);
    check_int(got.metrics.n, 3);
    check_str(got.metrics.items[1], "y=2");
    check_str(got.metrics.items[2], "z=3");
    check_int(got.level, 4);
    done();
}

static void reads_numbers_within_their_bounds(void)
{
    check_ok(parse("-ta", "--size=64K", "--age=2h", "--ratio=0.5", "-j64"), &err);
    check_int(got.size, 65536);
    check_int(got.age, 7200000000000LL);
    check(got.ratio == 0.5);
    check_err(parse("-ta", "-j65"), MLO_EUSAGE, &err, "--threads");
    check_err(parse("-ta", "-j0"), MLO_EUSAGE, &err, "--threads");
    check_err(parse("-ta", "-j", "4x"), MLO_EUSAGE, &err, "--threads");
    check_err(parse("-ta", "-j-1"), MLO_EUSAGE, &err, "--threads");
    check_err(parse("-ta", "--size=1X"), MLO_EUSAGE, &err, "--size");
    check_err(parse("-ta", "--age=5"), MLO_EUSAGE, &err, "--age");
    check_err(parse("-ta", "--ratio=half"), MLO_EUSAGE, &err, "--ratio");
    done();
}

static void says_each_way_of_being_wrong(void)
{
    check_err(parse("-ta", "--dry-rn"), MLO_EUSAGE, &err, "unknown option '--dry-rn'");
    check_str(err.hint, "did you mean --dry-run?");
    check_err(parse("-ta", "--jsno"), MLO_EUSAGE, &err, "unknown option '--jsno'");
    check_str(err.hint, "did you mean --json?");
    check_err(parse("-ta", "--zzzzzz"), MLO_EUSAGE, &err, "unknown option");
    check_str(err.hint, "see `mlopsctl pack -h`");
    check_err(parse("-ta", "-nz"), MLO_EUSAGE, &err, "unknown option '-z'");
    check_err(parse("-t"), MLO_EUSAGE, &err, "option '--tag' needs a value: NAME");
    check_err(parse("-n", "--tag"), MLO_EUSAGE, &err, "option '--tag' needs a value");
    check_err(parse("-ta", "--fast=yes"), MLO_EUSAGE, &err, "option '--fast' takes no value, got 'yes'");
    check_err(parse("-ta", "--mode=three"), MLO_EUSAGE, &err, "it is one of one|two");
    check_err(parse("-ta", "--mode=on"), MLO_EUSAGE, &err, "it is one of one|two");
    check_err(parse("-ta", "--mode="), MLO_EUSAGE, &err, "it is one of one|two");
    check_err(parse("x"), MLO_EUSAGE, &err, "option '--tag NAME' is missing");
    check_err(parse("-ta", "1", "2", "3"), MLO_EUSAGE, &err, "one argument too many: '3'");
    done();
}

static void takes_no_abbreviation_of_a_long_name(void)
{
    check_err(parse("--ta=a"), MLO_EUSAGE, &err, "unknown option '--ta'");
    check_str(err.hint, "did you mean --tag?");
    check_err(parse("-ta", "--"
                           "dry"),
              MLO_EUSAGE, &err, "unknown option '--dry'");
    done();
}

static void escapes_what_it_repeats(void)
{
    check_err(parse("-ta", "--\033[31m"), MLO_EUSAGE, &err, "\\x1B");
    check(!strchr(err.msg, '\033'), "no escape character reaches the terminal");
    check_err(parse("-ta", "--mode=\n"), MLO_EUSAGE, &err, "\\x0A");
    done();
}

static void never_suggests_a_hidden_option(void)
{
    check_err(parse("-ta", "--secre"), MLO_EUSAGE, &err, "unknown option");
    check(!strstr(err.hint, "secret"), "%s", err.hint);
    check_ok(parse("-ta", "--secret"), &err);
    done();
}

static void global_options_are_known_to_every_command(void)
{
    check_ok(parse("-ta", "--json", "-q", "-vv", "--home=/x", "-m", "why", "-y", "--progress", "none",
                   "--no-color"),
             &err);
    check(ctx.json && ctx.quiet && ctx.yes && ctx.color_given && ctx.progress_given);
    check_int(ctx.verbose, 2);
    check_str(ctx.home, "/x");
    check_str(ctx.note, "why");
    check_int(ctx.progress, MLO_PROGRESS_NONE);
    done();
}

static void help_ends_the_line_before_its_faults(void)
{
    check_ok(parse("-h", "--nonsense"), &err);
    check(ctx.help);
    check_ok(parse("1", "2", "3", "--help"), &err);
    check(ctx.help, "too many arguments do not hide help");
    done();
}

static void too_few_arguments_name_what_it_takes(void)
{
    struct mlo_command needs = cmd;
    needs.args.min = 1;
    char a[] = "-ta";
    char *argv[] = {a};
    ctx = (struct mlo_ctx){.cmd_name = "ledger pack"};
    err = MLO_ERR_INIT;
    check_err(mlo_opts_parse(&needs, 1, argv, &got, &ctx, &err), MLO_EUSAGE, &err,
              "it takes PATH... -t NAME");
    check_str(err.hint, "see `mlopsctl ledger pack -h`");
    done();
}

static void leading_options_stop_at_the_first_word(void)
{
    char a[] = "--json", b[] = "--home", c[] = "/h", d[] = "ls", e[] = "-q";
    char *argv[] = {a, b, c, d, e};
    int used = 0;
    ctx = (struct mlo_ctx){0};
    check_ok(mlo_opts_leading(5, argv, &ctx, &used, &err), &err);
    check_int(used, 3);
    check(ctx.json && !ctx.quiet);
    check_str(ctx.home, "/h");
}

static int parse_many(void)
{
    char a[] = "-ta", b[] = "-Mx", c[] = "-My", d[] = "p", e[] = "--unknown-option";
    char *argv[] = {a, b, c, d, e};
    struct opts o;
    struct mlo_ctx c2 = {0};
    struct mlo_err e2 = MLO_ERR_INIT;
    int rc = mlo_opts_parse(&cmd, 5, argv, &o, &c2, &e2);
    mlo_opts_release(&cmd, &o, &c2);
    return rc == MLO_EUSAGE ? 0 : rc;
}

static void memory_failure_is_an_error_and_leaks_nothing(void)
{
    check(each_alloc_failure(parse_many) >= 2);
}

int main(void)
{
    run(takes_every_spelling_of_a_value);
    run(takes_options_anywhere_and_ends_them_at_two_dashes);
    run(gives_defaults_and_lets_the_last_one_win);
    run(collects_lists_and_counts);
    run(reads_numbers_within_their_bounds);
    run(says_each_way_of_being_wrong);
    run(takes_no_abbreviation_of_a_long_name);
    run(escapes_what_it_repeats);
    run(never_suggests_a_hidden_option);
    run(global_options_are_known_to_every_command);
    run(help_ends_the_line_before_its_faults);
    run(too_few_arguments_name_what_it_takes);
    run(leading_options_stop_at_the_first_word);
    run(memory_failure_is_an_error_and_leaks_nothing);
    return done_testing();
}

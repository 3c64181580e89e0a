/*
 * The front end: one option table per command gives parsing, -h, the man page's SYNOPSIS and OPTIONS, and
 * shell completion; one report per command is rendered as an aligned table or as JSON; progress goes to
 * stderr.
 *
 * Knows nothing of what the commands do.
 */
#ifndef MLOPSCTL_CLI_H
#define MLOPSCTL_CLI_H

#include <stdio.h>

#include <mlopsctl/base/hash.h>
#include <mlopsctl/base/json.h>
#include <mlopsctl/base/str.h>

/* ---- options ---- */

enum mlo_opt_type {
    MLO_OPT_FLAG,     /* bool */
    MLO_OPT_COUNT,    /* unsigned: how often it was given */
    MLO_OPT_STRING,   /* const char * */
    MLO_OPT_LIST,     /* struct mlo_strings: may be given again */
    MLO_OPT_U64,      /* uint64_t within [min, max] */
    MLO_OPT_DOUBLE,   /* double; NaN as a default: none */
    MLO_OPT_SIZE,     /* uint64_t bytes */
    MLO_OPT_DURATION, /* uint64_t ns */
    MLO_OPT_CHOICE,   /* const char *, one of choices ("a|b|c") */
};
struct mlo_strings {
    const char **items;
    size_t n, cap;
};

enum mlo_opt_flags {
    MLO_OPTF_REQUIRED = 1 << 0,
    MLO_OPTF_HIDDEN = 1 << 1,
    MLO_OPTF_FILE = 1 << 2 /* complete files */,
    MLO_OPTF_FOLDER = 1 << 3,
    MLO_OPTF_REF = 1 << 4 /* complete model references */,
    MLO_OPTF_COMMAND = 1 << 5 /* complete commands */,
    MLO_OPTF_KEY = 1 << 6 /* complete settings */
};
struct mlo_opt {
    const char *name; /* long, without dashes; a row with NULL ends the table */
    char letter;      /* 0: none */
    enum mlo_opt_type type;
    const char *arg;  /* "NAME:TAG" as shown; NULL for flags */
    const char *help; /* one sentence, lower case, no full stop; also the man page's text */
    size_t offset;    /* in the command's options struct */
    const char *choices;
    uint64_t min, max; /* U64; max 0: UINT64_MAX */
    unsigned flags;
};

struct mlo_ctx;
enum mlo_cmd_flags {
    MLO_CMDF_HIDDEN = 1 << 0,
    MLO_CMDF_WRITES = 1 << 1, /* is a run in the ledger */
    MLO_CMDF_ALONE = 1 << 2,  /* nobody may add to the store meanwhile (gc) */
};
struct mlo_arg_spec {
    unsigned min, max;   /* max 0 with min 0: none; UINT_MAX: any */
    unsigned complete;   /* MLO_OPTF_FILE and the like */
    const char *choices; /* completed: "bash|zsh|fish" */
};
struct mlo_example {
    const char *what, *line;
}; /* shown in -h and the man page; run by the tests */
struct mlo_command {
    const char *name;
    const char *group;       /* heading in `mlopsctl help`: "bundles", "move", "ledger", ... */
    const char *summary;     /* one line, lower case, no full stop */
    const char *synopsis;    /* positional part: "PATH... -t NAME:TAG" without the generic [options] */
    const char *description; /* two to six lines for -h; the man page says more */
    const struct mlo_opt *opts;
    size_t opts_size; /* sizeof the options struct; zeroed, then `defaults` copied in when not NULL */
    const void *defaults;
    struct mlo_arg_spec args;
    const struct mlo_example *examples; /* ends with what == NULL */
    unsigned flags;
    const struct mlo_command *const *subs; /* nested verbs, NULL-terminated; run is NULL then */
    /* 0, MLO_NO for exit 1, or a failure in err. Fills ctx->report. */
    int (*run)(struct mlo_ctx *ctx, const void *opts, struct mlo_err *err);
};

enum mlo_progress_mode {
    MLO_PROGRESS_AUTO,
    MLO_PROGRESS_BAR,
    MLO_PROGRESS_PLAIN,
    MLO_PROGRESS_JSON,
    MLO_PROGRESS_NONE
};
struct mlo_report;
struct mlo_config;
struct mlo_network;
struct mlo_ctx { /* what a command sees; built by main */
    const struct mlo_command *cmd;
    const char *cmd_name; /* "ledger verify": the words that chose cmd */
    int argc;
    char **argv; /* whole command line, for the ledger */
    size_t n_args;
    char **args; /* positional */
    char *const *env;
    bool json, quiet, color, tty_out, tty_err, yes;
    bool help;                        /* -h was given: the rest of the line was not looked at */
    bool color_given, progress_given; /* by option or variable: stronger than the settings */
    unsigned verbose;
    enum mlo_progress_mode progress;
    const char *home;                         /* --home, or NULL */
    const char *token_file;                   /* --token-file, or NULL */
    const char *note;                         /* -m */
    struct mlo_report *report;                /* never NULL */
    bool reported;                            /* the report is printed although the command fails */
    struct mlo_config *config;                /* NULL until mlo_ctx_config (src/cmd/shared/context.h) */
    void (*config_free)(struct mlo_config *); /* set with config */
    struct mlo_network *network;              /* NULL until first used (src/cmd/shared/network.h) */
    void (*network_free)(struct mlo_network *);
};

/*
 * Parses argv against the table of commands and the global options, runs the command, prints report or error,
 * checks stdout, returns the exit status. Handles -h, --help, help X, --version, unknown commands ("did you
 * mean") and completion's hidden query.
 */
int mlo_cli_main(const struct mlo_command *const *table, int argc, char **argv, char **env);

/* Parts of it, for tests and tools. */
/* argv: the words after the command's name. Fills *opts (cmd->opts_size bytes), ctx->args and the global
 * settings of ctx. */
int mlo_opts_parse(const struct mlo_command *cmd, int argc, char **argv, void *opts, struct mlo_ctx *ctx,
                   struct mlo_err *err) MLO_MUST_CHECK;
/* Frees what parsing allocated, after success or failure; the strings belong to argv. */
void mlo_opts_release(const struct mlo_command *cmd, void *opts, struct mlo_ctx *ctx);
void mlo_help_print(FILE *out, const struct mlo_command *cmd, const char *prefix);
void mlo_help_overview(FILE *out, const struct mlo_command *const *table);
/*
 * A whole man page in roff: the generated sections between `.\" BEGIN GENERATED NAME` and `.\" END
 * GENERATED`, and a first text for the others. scripts/gen-man takes the generated ones out of it. Overview:
 * the page of the program itself, mlopsctl(1).
 */
void mlo_man_page(FILE *out, const struct mlo_command *cmd, const char *prefix);
void mlo_man_overview(FILE *out, const struct mlo_command *const *table);
/* roff text in which nothing is a macro or an escape. */
void mlo_man_text(FILE *out, const char *text);
/*
 * A script for "bash", "zsh" or "fish". What only the program knows is asked at the time by the hidden
 * command `mlopsctl __complete refs|keys`, one word a line.
 */
int mlo_completion_script(FILE *out, const struct mlo_command *const *table, const char *shell,
                          struct mlo_err *err);
extern const struct mlo_opt mlo_global_opts[];

/* ---- interrupts ---- */

/*
 * From here on the first SIGINT or SIGTERM is only noted (a second one, a tenth of a second later or more,
 * ends the process at once): who waits for something asks mlo_interrupted and fails. When the command then
 * failed, mlo_cli_main ends the process by the signal, as a shell expects. Signals that were ignored stay
 * ignored.
 */
void mlo_interrupt_arm(void);
/* For a command that is not armed: Ctrl-C and SIGTERM remove this file and end the process at once, wherever
 * it waits. One file; dirfd is borrowed until it is taken back with name NULL. */
void mlo_interrupt_remove(int dirfd, const char *name);
bool mlo_interrupted(void);

/* ---- report ---- */

/*
 * A report is a list of facts and tables. Text: facts aligned, tables with a header, notes; JSON: one object
 * with "schema", "command", a member per fact and an array of objects per table. Every function copies what
 * it is given; memory failure is sticky and reported when printed.
 *
 * Text is made for reading: human sizes, 12 digits of a digest in a table, foreign names escaped. JSON is
 * exact: sizes in bytes, durations in seconds, times in RFC 3339, digests whole.
 */
enum mlo_cell_type {
    MLO_CELL_TEXT,
    MLO_CELL_U64,
    MLO_CELL_I64,
    MLO_CELL_DOUBLE,
    MLO_CELL_SIZE,
    MLO_CELL_COUNT,
    MLO_CELL_TIME,
    MLO_CELL_DURATION,
    MLO_CELL_NS, /* a duration that is nanoseconds in JSON, too */
    MLO_CELL_DIGEST,
    MLO_CELL_BOOL
};
struct mlo_column {
    const char *key, *title;
    enum mlo_cell_type type;
};

/* The one line that says what changed ("packed credit:1.4.0, 3 files, 1.2 MiB"); silenced by -q; text only.
 */
void mlo_report_say(struct mlo_report *r, const char *fmt, ...) MLO_PRINTF(2, 3);
void mlo_report_text(struct mlo_report *r, const char *key, const char *title,
                     const char *value); /* value NULL: null in JSON, left out in text */
void mlo_report_u64(struct mlo_report *r, const char *key, const char *title, uint64_t v);
void mlo_report_double(struct mlo_report *r, const char *key, const char *title, double v);
void mlo_report_size(struct mlo_report *r, const char *key, const char *title, uint64_t bytes);
void mlo_report_count(struct mlo_report *r, const char *key, const char *title,
                      uint64_t n); /* human "110M" in text */
void mlo_report_time(struct mlo_report *r, const char *key, const char *title, int64_t ns);
void mlo_report_duration(struct mlo_report *r, const char *key, const char *title, uint64_t ns);
void mlo_report_digest(struct mlo_report *r, const char *key, const char *title, const struct mlo_digest *d);
void mlo_report_bool(struct mlo_report *r, const char *key, const char *title, bool v);
/* JSON only: details that have no place in a table. Takes node. */
void mlo_report_json(struct mlo_report *r, const char *key, cJSON *node);
/* Verbatim text (help, a script): written as it is; the member `key` in JSON. */
void mlo_report_raw(struct mlo_report *r, const char *key, const char *text);
/* Text only, silenced by -q. */
void mlo_report_note(struct mlo_report *r, const char *fmt, ...) MLO_PRINTF(2, 3);

/* Starts a table; rows follow with mlo_row. `empty`: text line shown instead when there are no rows. */
void mlo_report_table(struct mlo_report *r, const char *key, const char *title, const struct mlo_column *cols,
                      size_t n, const char *empty);
/* One cell of the current row; cells in column order, a row ends when all columns are given. */
void mlo_cell_text(struct mlo_report *r, const char *v);
void mlo_cell_u64(struct mlo_report *r, uint64_t v); /* also SIZE, COUNT, DURATION, BOOL columns */
void mlo_cell_i64(struct mlo_report *r, int64_t v);  /* also TIME */
void mlo_cell_double(struct mlo_report *r, double v);
void mlo_cell_digest(struct mlo_report *r, const struct mlo_digest *d); /* NULL: nothing */
void mlo_cell_none(struct mlo_report *r);
/* Stream rows out at once instead of keeping them (log of a million runs): JSON Lines with --json. Not for
 * reports with facts. */
void mlo_report_stream(struct mlo_report *r, FILE *out);

struct mlo_report *mlo_report_new(const struct mlo_ctx *ctx);
int mlo_report_print(struct mlo_report *r, FILE *out, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_report_free(struct mlo_report *r);

/* ---- progress and messages, on stderr ---- */

struct mlo_progress; /* NULL is fine everywhere: silent */
struct mlo_progress *mlo_progress_start(const struct mlo_ctx *ctx, const char *what, uint64_t total_bytes);
/* Of work that takes a known time, in ns: on a terminal only, unless --progress says otherwise. */
struct mlo_progress *mlo_progress_start_time(const struct mlo_ctx *ctx, const char *what);
void mlo_progress_update(struct mlo_progress *p, uint64_t done, uint64_t total); /* cheap; rate-limited */
void mlo_progress_adapter(void *p, uint64_t done, uint64_t total);               /* for module callbacks */
void mlo_progress_end(struct mlo_progress *p);                                   /* erases the bar, frees */
/* With --json a line {"schema":1,"warning":"..."} on stderr. */
void mlo_warn(const struct mlo_ctx *ctx, const char *fmt, ...) MLO_PRINTF(2, 3);
void mlo_note(const struct mlo_ctx *ctx, const char *fmt, ...)
    MLO_PRINTF(2, 3); /* silenced by -q and --json */

#endif

/* What the files of src/cli share: the global options, the model of a report, text layout. */
#ifndef MLOPSCTL_CLI_INTERNAL_H
#define MLOPSCTL_CLI_INTERNAL_H

#include <mlopsctl/cli.h>

#define MLO_PROGRAM     "mlopsctl"
#define MLO_JSON_SCHEMA 1
#define MLO_HELP_WIDTH  80

/* ---- opts.c ---- */

/* mlo_global_opts writes here; what was given is then put into the ctx. */
struct mlo_globals {
    bool json, quiet, no_color, yes, help;
    unsigned verbose;
    const char *progress, *home, *note, *token_file;
};
/*
 * Reads global options at the start of argv up to the first word that is none; *ret_used words were read.
 * This is how options may stand before the command and between nested commands.
 */
int mlo_opts_leading(int argc, char **argv, struct mlo_ctx *ctx, int *ret_used,
                     struct mlo_err *err) MLO_MUST_CHECK;
/* Calls fn for each word of "a|b|c". */
void mlo_each_choice(const char *choices, void (*fn)(void *ctx, const char *word, size_t len), void *ctx);
/* Value of an option's default in the command's `defaults`, as text; false when it has none. */
bool mlo_opt_default(const struct mlo_command *cmd, const struct mlo_opt *o, struct mlo_str *out);

/* ---- interrupt.c ---- */

/* Ends the process by the signal that mlo_interrupted speaks of; returns when there was none. */
void mlo_interrupt_end(void);

/* ---- help.c ---- */

/* Does it have options of its own that are shown? */
bool mlo_has_options(const struct mlo_command *cmd);
/* Groups in order of first appearance: calls fn once per visible command, sorted so. */
void mlo_each_visible(const struct mlo_command *const *table,
                      void (*fn)(void *ctx, const struct mlo_command *cmd), void *ctx);
const struct mlo_command *mlo_find_command(const struct mlo_command *const *table, const char *name);
/* One exit status of the program, for help and man pages. */
struct mlo_exit_status {
    int status;
    const char *meaning;
};
extern const struct mlo_exit_status mlo_exit_statuses[];
extern const size_t mlo_n_exit_statuses;

/* ---- report ---- */

struct mlo_value {
    enum mlo_cell_type type;
    bool none;
    union {
        uint64_t u;
        int64_t i;
        double d;
        bool b;
        char *text; /* owned */
        struct mlo_digest digest;
    };
};
struct mlo_table_column {
    char *key, *title;
    enum mlo_cell_type type;
};
struct mlo_table {
    struct mlo_table_column *cols;
    size_t n_cols;
    struct mlo_value *cells; /* n_cells of them, row after row */
    size_t n_cells, cap;
    char *empty;
    size_t *widths; /* fixed once the first rows of a stream are out */
};
enum mlo_item_kind {
    MLO_ITEM_SAY,
    MLO_ITEM_FACT,
    MLO_ITEM_TABLE,
    MLO_ITEM_NOTE,
    MLO_ITEM_RAW,
    MLO_ITEM_JSON
};
struct mlo_item {
    enum mlo_item_kind kind;
    char *key, *title;      /* owned */
    struct mlo_value value; /* FACT; text of SAY, NOTE, RAW */
    struct mlo_table table;
    cJSON *json; /* owned */
};
struct mlo_report {
    const struct mlo_ctx *ctx;
    struct mlo_item *items;
    size_t n, cap;
    FILE *stream; /* rows go out at once */
    int failed;   /* 0 or the first failure */
};

/* Text of a value as people read it; `full`: whole digests. */
void mlo_value_text(const struct mlo_value *v, bool full, struct mlo_str *out);
/* Adds a member to obj. False when memory is gone. */
bool mlo_value_json(const struct mlo_value *v, cJSON *obj, const char *key);
int mlo_report_text_render(const struct mlo_report *r, struct mlo_str *out,
                           struct mlo_err *err) MLO_MUST_CHECK;
int mlo_report_json_render(const struct mlo_report *r, struct mlo_str *out,
                           struct mlo_err *err) MLO_MUST_CHECK;
/* Header (when `header`) and all rows; columns as wide as their content or t->widths. */
int mlo_table_text(const struct mlo_table *t, bool header, bool color, struct mlo_str *out,
                   struct mlo_err *err) MLO_MUST_CHECK;
/* Widths of the columns over header and rows at hand. */
int mlo_table_measure(const struct mlo_table *t, size_t *ret_widths, struct mlo_err *err) MLO_MUST_CHECK;
/* The rows at hand as JSON Lines. */
int mlo_table_json_lines(const struct mlo_table *t, struct mlo_str *out, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- progress.c ---- */

/* The line of a bar, at most `width` columns; the numbers are those of this moment. */
struct mlo_progress_view {
    const char *what;
    uint64_t done, total, elapsed_ns;
    uint64_t since_done, since_ns; /* rate and time left are reckoned from this moment on */
    bool is_time;                  /* done and total are ns, not bytes */
};
void mlo_progress_line(const struct mlo_progress_view *v, unsigned width, struct mlo_str *out);

#endif

/* What the files of this folder share. */
#ifndef MLO_VALIDATE_INTERNAL_H
#define MLO_VALIDATE_INTERNAL_H

#include <pthread.h>

#include <mlopsctl/base/mem.h>
#include <mlopsctl/config.h>
#include <mlopsctl/pattern.h>
#include <mlopsctl/stats.h>
#include <mlopsctl/validate.h>

/* ---- rules.c, arguments.c: what the file says ---- */

enum mlo_rule_kind {
    /* of the table */
    MLO_RULE_ROWS,
    MLO_RULE_CHANGE, /* of the number of rows since the check before */
    MLO_RULE_RAGGED,
    MLO_RULE_EXTRA, /* columns that are not listed */
    MLO_RULE_ORDER,
    /* of one column */
    MLO_RULE_PRESENT,
    MLO_RULE_TYPE,
    MLO_RULE_NULLABLE,
    MLO_RULE_MISSING,
    MLO_RULE_FINITE,
    MLO_RULE_RANGE,
    MLO_RULE_IN,
    MLO_RULE_NOT_IN,
    MLO_RULE_REGEX,
    MLO_RULE_LENGTH,
    MLO_RULE_FORMAT,
    MLO_RULE_CONSTANT,
    MLO_RULE_MONOTONE,
    MLO_RULE_FRESH,
    MLO_RULE_MEAN,
    MLO_RULE_SD,
    MLO_RULE_QUANTILE,
    /* of one or several */
    MLO_RULE_UNIQUE,
    MLO_RULE_COMPARE,
    MLO_RULE_TOGETHER,
    MLO_RULE_CONFLICT,
    MLO_RULE_OVERLAP,
};
enum mlo_compare { MLO_LESS, MLO_LESS_EQUAL, MLO_EQUAL, MLO_NOT_EQUAL, MLO_GREATER_EQUAL, MLO_GREATER };

struct mlo_bounds { /* numbers, or times in nanoseconds */
    bool time;
    bool has_low, has_high, above, below; /* above, below: the bound itself is outside */
    bool low_now, high_now;
    double low, high;
    int64_t low_ns, high_ns;
};
struct mlo_values { /* of a set or a constant side of a comparison */
    struct mlo_slice *texts;
    size_t n;
    double *numbers; /* NULL: one of them is no number */
    int64_t *times;  /* likewise */
};
struct mlo_rule {
    enum mlo_rule_kind kind;
    const char *word;   /* as in the file */
    const char *wants;  /* what it says, for the report */
    const char *about;  /* its columns, for the report; NULL: the table */
    const char **names; /* columns it reads; unique, together: all of them; conflict: features, none: all */
    size_t n_names;
    size_t line;
    enum mlo_severity severity;
    double mostly;
    unsigned examples;
    struct mlo_bounds bounds;  /* rows, range, length, mean, sd, quantile */
    struct mlo_values values;  /* in, not-in; compare: the constant, when n is 1 */
    double number;             /* missing: share, change: share, ragged: lines, quantile: q */
    uint64_t duration;         /* fresh: ns */
    enum mlo_column_type type; /* type */
    bool integral;
    bool on;                  /* nullable: false, unique: true and the like: there is a rule */
    bool falling, strict;     /* monotone */
    enum mlo_compare compare; /* compare */
    const char *text;         /* format; overlap: path; conflict: the label's column */
    struct mlo_pattern *pattern;
};
struct mlo_rule_column { /* of the section's `columns` */
    const char *name;
    size_t line;
    bool optional;
    bool has_type; /* given, or what its rules need */
    enum mlo_column_type type;
    const char *type_by; /* the rule that says so */
};
struct mlo_rules {
    struct mlo_arena arena; /* all text below */
    const char *name;
    struct mlo_rule *rules;
    size_t n, cap;
    struct mlo_rule_column *columns;
    size_t n_columns, cap_columns;
};
const struct mlo_rule_column *mlo_rules_column(const struct mlo_rules *r, const char *name);

/* The reader of a file of rules: nodes by number. */
struct mlo_rule_reader {
    struct mlo_rules *rules;
    const char *file;
    const struct mlo_config_node *nodes;
    size_t n;
    struct mlo_err *err;
};
/* MLO_EUSAGE "file:line: ..." */
int mlo_rule_fault(const struct mlo_rule_reader *rd, size_t node, const char *fmt, ...) MLO_PRINTF(3, 4);
/* Members of a mapping or list: the first, or SIZE_MAX; the one behind `child`, likewise. */
size_t mlo_rule_first(const struct mlo_rule_reader *rd, size_t node);
size_t mlo_rule_next(const struct mlo_rule_reader *rd, size_t child);
/* mostly, severity, examples; *ret_taken false: another key. */
int mlo_rule_option(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule *rule, bool *ret_taken);
/* What follows a rule's word, by its kind: fills the rule, and `wants`. */
int mlo_rule_arguments(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule *rule);
int mlo_rule_boolean(const struct mlo_rule_reader *rd, size_t node, bool *ret);

/* ---- keys.c: rows by hash, on several threads, in bounded memory ---- */

struct mlo_key {
    uint64_t a, b;
};
/* SipHash-2-4 with 128 bits of output and a fixed key: equal keys are equal rows but for 1 in 2^64 pairs
 * squared. */
struct mlo_key mlo_siphash(const void *p, size_t n);

/* Where a row stands: sequence of its batch << 32 | its line in it. In order of the input. */
typedef uint64_t mlo_place;
#define MLO_NO_PLACE UINT64_MAX

/* Of the rows that share something, the first, and the first whose label is another. */
struct mlo_first_two {
    mlo_place first, other; /* other MLO_NO_PLACE: all have one label */
    uint64_t label, other_label;
};
void mlo_first_two_add(struct mlo_first_two *t, mlo_place at, uint64_t label);

struct mlo_keys; /* owned */
int mlo_keys_new(uint64_t max, bool labels, struct mlo_keys **ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_keys_free(struct mlo_keys *k);
/* *ret_repeat: where a row stands that is a repetition, now that this one is known (this one, or the one that
 * was thought to be the first); MLO_NO_PLACE: the key is new. Each repetition is told once, whatever the
 * order. */
int mlo_keys_add(struct mlo_keys *k, struct mlo_key key, mlo_place at, uint64_t label, mlo_place *ret_repeat,
                 struct mlo_err *err) MLO_MUST_CHECK;
/* The first row of the key; MLO_NO_PLACE: there is none. *ret_told false: the key is of the part that was
 * given up. Not beside mlo_keys_add. */
mlo_place mlo_keys_find(const struct mlo_keys *k, struct mlo_key key, bool *ret_told);
struct mlo_keys_facts {
    double share; /* of the keys that were remembered; 1: all */
    uint64_t rows, repeats,
        mixed; /* of those: rows; rows beyond the first of their key; rows of keys with two labels */
};
void mlo_keys_facts(const struct mlo_keys *k, struct mlo_keys_facts *ret);
/* The first `max` keys with two labels, by place. Returns how many. */
size_t mlo_keys_mixed(const struct mlo_keys *k, struct mlo_first_two *ret, size_t max);

/* ---- sums.c: moments that do not depend on the order ---- */

struct mlo_sums {
    uint64_t n;
    struct mlo_exact_sum sum,
        squares; /* both exact: a square is added as its rounded value and what that lacks */
};
void mlo_sums_add(struct mlo_sums *s, double v);
void mlo_sums_merge(struct mlo_sums *s, const struct mlo_sums *other);
double mlo_sums_mean(const struct mlo_sums *s);
double mlo_sums_sd(const struct mlo_sums *s); /* ddof 1, as pandas; 0 for one value */

/* ---- cells.c: one cell against one rule ---- */

enum mlo_cell_verdict { MLO_CELL_PASSES, MLO_CELL_FAILS, MLO_CELL_SKIPPED };
struct mlo_bound { /* a rule and the columns of the table that it reads */
    const struct mlo_rule *rule;
    struct mlo_bounds bounds; /* now put in */
    const size_t *columns;    /* as rule->names; SIZE_MAX: not there */
    size_t n_columns;
    const struct mlo_table_column *table; /* all columns of the table */
    enum mlo_rule_verdict verdict;        /* HOLDS: to be checked; else known before */
    const char *why;
    struct mlo_keys *keys; /* owned; unique, conflict; overlap: rows of the other table */
};
/* scratch: of this worker. */
enum mlo_cell_verdict mlo_cell_check(const struct mlo_bound *b, const struct mlo_batch *batch, size_t row,
                                     struct mlo_matcher *scratch);
struct mlo_slice mlo_cell_slice(const struct mlo_batch_column *c, size_t row);
static inline enum mlo_cell mlo_cell_state(const struct mlo_batch_column *c, size_t row)
{
    return c->cell ? (enum mlo_cell)c->cell[row] : MLO_CELL_OK;
}
/* Appends the cell for people, cut. */
void mlo_cell_show(struct mlo_str *out, const struct mlo_batch_column *c, enum mlo_column_type type,
                   size_t row);
void mlo_show_number(struct mlo_str *out, double v); /* shortest that reads back the same */
void mlo_show_time(struct mlo_str *out, int64_t ns);
/* Appends the cells of these columns so that equal ones have equal bytes and others not. False: one is
 * missing. */
bool mlo_cell_key(struct mlo_str *out, const struct mlo_bound *b, const struct mlo_batch *batch, size_t row,
                  bool with_missing);

/* ---- tally.c: what one worker has seen of one rule ---- */

#define MLO_EXAMPLE_TEXT 96
struct mlo_found { /* an example by place */
    mlo_place at;
    struct mlo_key key; /* unique */
    char text[MLO_EXAMPLE_TEXT];
};
struct mlo_edge { /* monotone: a batch's first and last value */
    mlo_place at;
    int64_t first, last;
};
struct mlo_tally {
    uint64_t checked, failed;
    struct mlo_found *found; /* room for rule->examples, in order */
    size_t n_found;
    struct mlo_sums *sums;    /* mean, sd */
    uint64_t below, up_to;    /* quantile: values under the lower bound; at most the upper */
    int64_t newest;           /* fresh */
    struct mlo_first_two two; /* constant */
    struct mlo_edge *edges;
    size_t n_edges, cap_edges;
};
int mlo_tally_init(struct mlo_tally *t, const struct mlo_rule *rule, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_tally_release(struct mlo_tally *t);
/* The rows of one batch. */
int mlo_tally_batch(struct mlo_tally *t, const struct mlo_bound *b, const struct mlo_batch *batch,
                    struct mlo_matcher *matcher, struct mlo_str *scratch, struct mlo_err *err) MLO_MUST_CHECK;
/* A place to note an example, or NULL: those at hand come first. */
struct mlo_found *mlo_tally_example(struct mlo_tally *t, unsigned max, mlo_place at);
int mlo_tally_merge(struct mlo_tally *t, const struct mlo_tally *other, const struct mlo_rule *rule,
                    struct mlo_err *err) MLO_MUST_CHECK;
/* After all were merged: what only shows between batches. */
void mlo_tally_settle(struct mlo_tally *t, const struct mlo_bound *b);

/* ---- verdict.c ---- */

/* Verdict and why of a rule that was checked. */
void mlo_judge(const struct mlo_bound *b, const struct mlo_tally *t, const struct mlo_scan_result *st,
               const struct mlo_validate_opts *opts, struct mlo_rule_result *ret);

#endif

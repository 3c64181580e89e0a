/*
 * Validation: rules about a table, checked in one pass over it, and rules inferred from a table that is known
 * to be good. docs/validation.md describes them.
 *
 * Nothing in the data aborts: a rule whose column is not there, or that could not be checked, says so and
 * does not hold; the others go on. The result does not depend on how many threads there were.
 */
#ifndef MLOPSCTL_VALIDATE_H
#define MLOPSCTL_VALIDATE_H

#include <mlopsctl/table.h>

#define MLO_VALIDATE_SECTION "validate" /* of a settings file */
/* Different keys that one rule (unique, conflict, overlap) remembers: some 540 MB, conflict 940 MB. Beyond, a
 * part of the keys chosen by their hashes is remembered, and the rule fails or is unchecked, never holds. */
#define MLO_VALIDATE_KEYS_MAX     ((uint64_t)12000000)
#define MLO_VALIDATE_EXAMPLES_MAX 100 /* of a rule */

/* ---- rules ---- */

enum mlo_severity { MLO_SEVERITY_INFO, MLO_SEVERITY_WARNING, MLO_SEVERITY_ERROR };
const char *mlo_severity_word(enum mlo_severity s);

struct mlo_rules; /* owned */
/* From the section `validate` of a settings file's text; `file` stands in messages ("rules.yaml:7: ..."), and
 * a path in the rules is taken from its folder. MLO_ENOTFOUND: there is no such section. */
int mlo_rules_read(const char *file, const char *text, size_t n, struct mlo_rules **ret,
                   struct mlo_err *err) MLO_MUST_CHECK;
void mlo_rules_free(struct mlo_rules *r);
/* What the data set is called: key `name`, else "data". Borrowed. */
const char *mlo_rules_name(const struct mlo_rules *r);
/* Is there a rule about the number of rows of the check before? */
bool mlo_rules_compare_runs(const struct mlo_rules *r);

/* ---- checking ---- */

enum mlo_rule_verdict { /* from good to bad */
                        MLO_RULE_HOLDS,
                        MLO_RULE_SKIPPED, /* about an optional column that is not there; no check before this
                                             one */
                        MLO_RULE_UNCHECKED, /* cannot be told: does not hold */
                        MLO_RULE_ABSENT,    /* there is no such column */
                        MLO_RULE_FAILED,
};
const char *mlo_rule_verdict_word(enum mlo_rule_verdict v);
struct mlo_rule_example {
    const char *file;
    uint64_t line; /* from 1; 0: not of one line */
    bool is_row;   /* the form has no lines: number of the row, from 1 */
    const char *value;
};
struct mlo_rule_result {
    const char *column; /* NULL: about the table; several: "a, b" */
    const char *rule;   /* "range" */
    const char *wants;  /* "0 .. 100" */
    size_t line;        /* in the file of rules; 0: of no line */
    enum mlo_severity severity;
    enum mlo_rule_verdict verdict;
    double mostly;            /* share of rows for which it must hold */
    bool by_row;              /* checked and failed count rows (or values) */
    uint64_t checked, failed; /* failed of checked */
    char why[256];
    const struct mlo_rule_example *examples; /* the first by place in the input */
    size_t n_examples;
};
struct mlo_validation {
    char sentence[256];
    uint64_t rows, ragged;
    struct mlo_rule_result *rules; /* worst first */
    size_t n_rules;
    size_t failing[3]; /* rules that do not hold, by severity */
    void *owned;       /* what the above borrows from */
};
struct mlo_validate_opts {
    const char *format; /* of the tables, as in mlo_table_opts */
    unsigned threads;
    int64_t now_ns;         /* for what is fresh or in the future */
    bool has_previous;      /* a check before this one held */
    uint64_t previous_rows; /* and saw so many rows */
    uint64_t keys_max;      /* 0: MLO_VALIDATE_KEYS_MAX */
};
int mlo_validate(const char *const *paths, size_t n, const struct mlo_rules *rules,
                 const struct mlo_validate_opts *opts, struct mlo_validation **ret,
                 struct mlo_err *err) MLO_MUST_CHECK;
void mlo_validation_free(struct mlo_validation *v);
/* Does a rule of this severity or a greater one not hold? */
bool mlo_validation_fails(const struct mlo_validation *v, enum mlo_severity from);

/* What does not hold with less than `from` is skipped (JUnit) or a warning or notice (GitHub). */
int mlo_validation_junit(const struct mlo_validation *v, enum mlo_severity from, struct mlo_str *out,
                         struct mlo_err *err) MLO_MUST_CHECK;
int mlo_validation_github(const struct mlo_validation *v, enum mlo_severity from, struct mlo_str *out,
                          struct mlo_err *err) MLO_MUST_CHECK;

/* ---- inferring ---- */

/* A section `validate` that the table itself holds to, as text with comments. */
int mlo_validate_infer(const char *const *paths, size_t n, const struct mlo_validate_opts *opts,
                       struct mlo_str *out, struct mlo_err *err) MLO_MUST_CHECK;

#endif

/* What the commands over tables share: a word of the command line to a profile, a result into a file. */
#ifndef MLOPSCTL_CMD_TABLES_H
#define MLOPSCTL_CMD_TABLES_H

#include <mlopsctl/cli.h>
#include <mlopsctl/drift.h>

/* Kind of the ledger's names for profiles that checks compare with, and the name when none is given. */
#define MLO_BASELINE   "baseline"
#define MLO_CHECK_NAME "default"
/* Of "baseline:NAME" the name, of "baseline" MLO_CHECK_NAME, of anything else NULL. */
const char *mlo_baseline_name(const char *word);

#define MLO_CHECK_NAME_MAX 64 /* bytes */
/* Is it one? option: which was given it. */
int mlo_check_name(const char *name, const char *option, struct mlo_err *err) MLO_MUST_CHECK;
struct mlo_workspace;
/* Within a run: the profile is the baseline of that name from now on, until the run is rolled back. */
int mlo_baseline_put(struct mlo_workspace *ws, const char *name, const struct mlo_profile *p,
                     struct mlo_err *err) MLO_MUST_CHECK;

/* Does the file begin as our profiles do? */
bool mlo_is_profile(const char *path);
/* A file that begins as our profiles do is one; a word that is no file but names a bundle of the workspace
 * stands for the profile that was packed into it (ctx NULL: no bundles), "baseline:NAME" for that of the
 * ledger; anything else is a table, counted as
 * `how` says. Owner: the caller. */
int mlo_profile_open(struct mlo_ctx *ctx, const char *const *paths, size_t n,
                     const struct mlo_table_opts *opts, const struct mlo_profile_opts *how,
                     struct mlo_profile **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* What the tables of a command are told: form, threads, where to put what does not fit, whom to warn. */
struct mlo_table_opts mlo_table_opts_of(const struct mlo_ctx *ctx, const char *format, uint64_t threads);
/* Of a struct with members `format` and `threads`. */
#define MLO_TABLE_OPTIONS(s) MLO_FORMAT_OPTION(s), MLO_THREADS_OPTION(s)
#define MLO_FORMAT_OPTION(s)                                                                                 \
    {                                                                                                        \
        .name = "format", .type = MLO_OPT_CHOICE, .arg = "FORM",                                             \
        .help = "the form of the tables, when their names and first bytes do not tell",                      \
        .offset = offsetof(s, format), .choices = "csv|tsv|jsonl|parquet|arrow|log"                          \
    }
#define MLO_THREADS_OPTION(s)                                                                                \
    {                                                                                                        \
        .name = "threads", .type = MLO_OPT_U64, .arg = "N", .help = "threads; as a rule one for each CPU",   \
        .offset = offsetof(s, threads), .min = 1, .max = 64                                                  \
    }
/* The columns that the command line gives a role. */
struct mlo_role_opts {
    struct mlo_strings prediction, score, ignore;
    const char *label, *time, *positive;
};
/* Of a struct with a member `roles`. */
#define MLO_ROLE_OPTIONS(s)                                                                                  \
    {.name = "prediction",                                                                                   \
     .type = MLO_OPT_LIST,                                                                                   \
     .arg = "COLUMN",                                                                                        \
     .help = "what the model answered: a class or a number",                                                 \
     .offset = offsetof(s, roles.prediction)},                                                               \
        {.name = "score",                                                                                    \
         .type = MLO_OPT_LIST,                                                                               \
         .arg = "COLUMN",                                                                                    \
         .help = "how sure the model was: the probability of the positive class",                            \
         .offset = offsetof(s, roles.score)},                                                                \
        {.name = "label",                                                                                    \
         .type = MLO_OPT_STRING,                                                                             \
         .arg = "COLUMN",                                                                                    \
         .help = "what turned out to be true; may be missing in the current data",                           \
         .offset = offsetof(s, roles.label)},                                                                \
        {.name = "positive",                                                                                 \
         .type = MLO_OPT_STRING,                                                                             \
         .arg = "CLASS",                                                                                     \
         .help = "the class of the label that the score is the probability of (1)",                          \
         .offset = offsetof(s, roles.positive)},                                                             \
        {.name = "time",                                                                                     \
         .type = MLO_OPT_STRING,                                                                             \
         .arg = "COLUMN",                                                                                    \
         .help = "when a row came about",                                                                    \
         .offset = offsetof(s, roles.time)},                                                                 \
    {                                                                                                        \
        .name = "ignore", .type = MLO_OPT_LIST, .arg = "COLUMN",                                             \
        .help = "neither counted nor compared; a profile keeps its name alone",                              \
        .offset = offsetof(s, roles.ignore)                                                                  \
    }
/* first: what the settings say; options are stronger. Owner of *ret: the caller; names borrowed. */
int mlo_role_list(const struct mlo_role_opts *o, const struct mlo_column_use *first, size_t n_first,
                  struct mlo_column_use **ret, size_t *ret_n, struct mlo_err *err) MLO_MUST_CHECK;
/* Names of columns: "a,b,c", or an option given again. Owner of the list and of the one text that it points
 * into: the caller. */
int mlo_words_split(const struct mlo_strings *given, char **ret_text, struct mlo_strings *ret,
                    struct mlo_err *err) MLO_MUST_CHECK;
/* The whole text, atomically, over what was there. */
/* Warns of bins that most values lie beyond: comparisons in them say little. */
void mlo_profile_warn(const struct mlo_ctx *ctx, const struct mlo_profile *p);
int mlo_result_write(const char *path, const struct mlo_str *text, struct mlo_err *err) MLO_MUST_CHECK;

#endif

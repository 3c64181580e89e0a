/* JSON Lines, and the request log, which is JSON Lines with members of its own (log.c). */
#ifndef MLO_TABLE_JSONL_H
#define MLO_TABLE_JSONL_H

#include "blocks.h"
#include "names.h"

struct mlo_json_line {
    const char *text;
    size_t n;
    struct mlo_str *unescaped; /* strings whose escapes were resolved; must not move while they are used */
};
/* fn is told every member of the object that the line is; value.ptr NULL: null. Objects and arrays are told
 * as the text that they are. MLO_EINVALID when the line is no object. */
typedef int (*mlo_member_fn)(void *ctx, struct mlo_slice key, struct mlo_slice value, struct mlo_err *err);
int mlo_json_members(const struct mlo_json_line *l, mlo_member_fn fn, void *ctx,
                     struct mlo_err *err) MLO_MUST_CHECK;

struct mlo_jsonl_worker;
struct mlo_jsonl {
    struct mlo_blocks in;
    bool is_log;
    struct mlo_name_map
        of_key[MLO_ORIGIN_LABEL + 1]; /* column of a key, by origin; no log: MLO_ORIGIN_DATA */
    char **keys;                      /* owned: of each column */
    struct mlo_table_column *columns;
    struct mlo_guess *guesses;
    size_t n_columns, cap_columns, cap_guesses, cap_keys;
    const size_t *want;
    const struct mlo_table_column *as;
    size_t n_want;
    size_t *map; /* column that each of those wanted is */
    struct mlo_jsonl_worker *workers;
    unsigned n_workers;
};
/* A column more, for this key. */
int mlo_jsonl_add(struct mlo_jsonl *t, enum mlo_column_origin origin, struct mlo_slice key,
                  struct mlo_err *err) MLO_MUST_CHECK;

/* Where the cells of a line go. */
struct mlo_json_row {
    struct mlo_jsonl *t;
    enum mlo_column_origin origin; /* of the object that is being read */
    size_t hint;                   /* the next column, as a rule: members come in the same order */
    struct mlo_str *unescaped;
    int (*cell)(struct mlo_json_row *row, struct mlo_slice key, struct mlo_slice value, struct mlo_err *err);
    struct mlo_slice *cells; /* of the file's columns */
};
/* Column of the key in the row's object, or MLO_NAME_NONE. */
size_t mlo_jsonl_column(struct mlo_json_row *row, struct mlo_slice key);

/* ---- log.c ---- */

/* As mlo_json_members, for a line of a request log: tells the members that are columns, each with its origin
 * set in `row`. */
int mlo_log_members(const struct mlo_json_line *l, struct mlo_json_row *row,
                    struct mlo_err *err) MLO_MUST_CHECK;
/* The columns that every log has. */
int mlo_log_begin(struct mlo_jsonl *t, struct mlo_err *err) MLO_MUST_CHECK;
/* Names of all columns, once they are known. */
int mlo_log_name(struct mlo_jsonl *t, struct mlo_err *err) MLO_MUST_CHECK;
/* The key that a column of this name has in a log. */
const char *mlo_log_key(const struct mlo_table_column *c);
bool mlo_log_sniff(const char *head, size_t n);

#endif

/* What the readers share. */
#ifndef MLO_BOOSTER_INTERNAL_H
#define MLO_BOOSTER_INTERNAL_H

#include <math.h>

#include <mlopsctl/base/json.h>
#include <mlopsctl/booster.h>

/* ---- booster.c ---- */

struct mlo_booster *mlo_booster_new(enum mlo_trainer trainer, size_t file_bytes, struct mlo_err *err);
/* n more nodes, not cleared: *ret is the number of the first. */
int mlo_booster_add_nodes(struct mlo_booster *b, size_t n, size_t *ret, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_booster_add_bound(struct mlo_booster *b, double bound, struct mlo_err *err) MLO_MUST_CHECK;
/* leaf_size more values. */
int mlo_booster_add_leaf(struct mlo_booster *b, const double *values, struct mlo_err *err) MLO_MUST_CHECK;
/* The tree whose nodes are [root, n_nodes): every node is reached at most once. seen: room for a byte each.
 */
int mlo_booster_add_tree(struct mlo_booster *b, size_t root, uint32_t target,
                         struct mlo_err *err) MLO_MUST_CHECK;
/*
 * Leaves only the trees of the rounds that opts (which is ranged) name; file_rounds is known. round_starts:
 * the first tree of each round and the end of the last, checked; NULL: all rounds have as many.
 */
int mlo_booster_keep_rounds(struct mlo_booster *b, const struct mlo_booster_opts *opts,
                            const size_t *round_starts, struct mlo_err *err) MLO_MUST_CHECK;
/* n numbers as ranges of neighbours: x of [number, number + 1) are within. Sorts them. */
int mlo_booster_add_ranges(struct mlo_booster *b, struct mlo_booster_node *node, int64_t *numbers, size_t n,
                           struct mlo_err *err) MLO_MUST_CHECK;
/* "tree 3, node 5: " and so on: MLO_EINVALID. */
int mlo_booster_bad(size_t tree, size_t node, struct mlo_err *err, const char *fmt, ...) MLO_PRINTF(4, 5);

/* ---- category.c: names of categories ---- */

/* The next name of feature i, which is text or (text NULL) a number. Features come in order. */
int mlo_booster_add_category(struct mlo_booster *b, size_t feature, const struct mlo_slice *text,
                             double number, struct mlo_err *err) MLO_MUST_CHECK;
/* When n_features is known: an entry for each feature, names in maps. */
int mlo_booster_end_categories(struct mlo_booster *b, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_booster_free_categories(struct mlo_booster *b);

/* A number of a file as an index below `end`; SIZE_MAX: it is none. */
static inline size_t mlo_index_of(double v, size_t end)
{
    return v >= 0 && v < (double)end && v == floor(v) ? (size_t)v : SIZE_MAX;
}

/* ---- document.c: JSON and UBJ as one stream of tokens ---- */

struct mlo_document_level {
    bool object, counted, due; /* due: the key is read, its value comes */
    char type;                 /* of all items; 0: each says its own */
    uint64_t left;             /* counted */
};
struct mlo_document {
    bool binary;
    struct mlo_jpull json;
    const uint8_t *p, *end, *start; /* UBJ */
    struct mlo_document_level level[MLO_JSON_DEPTH + 1];
    int depth;
    const char *text; /* of the last KEY or STRING */
    size_t len;
    double number; /* of the last NUMBER */
    enum mlo_jtok token;
    bool again; /* the next token is `token` */
};
void mlo_document_init(struct mlo_document *d, const void *bytes, size_t n);
int mlo_document_next(struct mlo_document *d, enum mlo_jtok *ret, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_document_skip(struct mlo_document *d, struct mlo_err *err) MLO_MUST_CHECK;

/* Members of an object by name; others are skipped, a second one of the same name is MLO_EINVALID. */
struct mlo_document_field {
    const char *name;
    int (*read)(void *ctx, struct mlo_document *d, struct mlo_err *err);
};
int mlo_document_object(struct mlo_document *d, const struct mlo_document_field *fields, size_t n, void *ctx,
                        struct mlo_err *err) MLO_MUST_CHECK;
/* Items of an array: fn reads each. */
int mlo_document_array(struct mlo_document *d,
                       int (*fn)(void *ctx, struct mlo_document *d, size_t i, struct mlo_err *err), void *ctx,
                       struct mlo_err *err) MLO_MUST_CHECK;
/* A string; the text is valid UTF-8 without NUL, in the arena. */
int mlo_document_text(struct mlo_document *d, struct mlo_arena *arena, const char **ret,
                      struct mlo_err *err) MLO_MUST_CHECK;
/* A number, or a string that holds one, from 0 to max. */
int mlo_document_size(struct mlo_document *d, size_t max, size_t *ret, struct mlo_err *err) MLO_MUST_CHECK;

/* An array of numbers; truth values count as 0 and 1. floats: each rounded once, to float. */
struct mlo_numbers { /* used again and again */
    double *at;
    size_t n, cap;
};
int mlo_document_numbers(struct mlo_document *d, bool floats, struct mlo_numbers *ret,
                         struct mlo_err *err) MLO_MUST_CHECK;

#endif

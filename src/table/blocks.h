/* Text in blocks of whole records: one thread at a time reads the next one, the others work on theirs
 * meanwhile. */
#ifndef MLO_TABLE_BLOCKS_H
#define MLO_TABLE_BLOCKS_H

#include <pthread.h>

#include "internal.h"

struct mlo_blocks {
    struct mlo_input input; /* owned */
    char separator;         /* of fields that may be quoted; 0: a record is a line */
    size_t block_bytes;     /* read at a time */
    size_t preamble;        /* bytes at the start of the file that are no records */
    pthread_mutex_t lock;   /* all below */
    char *carry;            /* the start of a record whose end was not read yet */
    size_t n_carry, cap_carry;
    bool ended;
    uint64_t sequence, line;
    pthread_mutex_t count_lock; /* taken within the other or alone, and never held while bytes are awaited */
    struct mlo_scan_result counted; /* bytes: of the other lock */
};
struct mlo_block { /* of one worker, used again */
    char *text;
    size_t n, cap;           /* n 0: there is no more */
    uint64_t sequence, line; /* line: how many were before it */
    bool sampled;            /* read ahead of its turn: nothing of it is counted */
};
#define MLO_BLOCK_BYTES ((size_t)256 << 10) /* fits the second cache with its offsets and numbers */
/* Takes in. */
void mlo_blocks_init(struct mlo_blocks *b, struct mlo_input *in, const struct mlo_table_opts *opts);
/* The file starts with n bytes that are no records: a mark, a header. Before the first take or sample. */
void mlo_blocks_begin_after(struct mlo_blocks *b, const char *head, size_t n);
int mlo_blocks_take(struct mlo_blocks *b, struct mlo_block *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* The block at place `part` of `parts` over the file, its records guessed to begin behind a newline; n 0 when
 * the file can be read only from its start. */
int mlo_blocks_sample(struct mlo_blocks *b, size_t part, size_t parts, struct mlo_block *ret,
                      struct mlo_err *err) MLO_MUST_CHECK;
/* A record of the block that is no row of the table. Any thread. */
void mlo_blocks_ragged(struct mlo_blocks *b, const struct mlo_block *from, uint64_t line, size_t fields);
/* Number and place of a batch whose first row stands after `line` lines; its rows are counted. */
void mlo_blocks_describe(struct mlo_blocks *b, const struct mlo_block *from, uint64_t line,
                         struct mlo_batch *batch);
void mlo_blocks_close(struct mlo_blocks *b, struct mlo_scan_result *st); /* st may be NULL */

size_t mlo_bom_length(const char *text, size_t n);
/* MLO_EINVALID when the head of the file is no text, or an array of JSON. */
int mlo_text_only(const char *name, const char *text, size_t n, struct mlo_err *err) MLO_MUST_CHECK;

#endif

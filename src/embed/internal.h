/* What the parts of the tokenizer share: its settings as they were read, and the steps of a text. */
#ifndef MLO_EMBED_INTERNAL_H
#define MLO_EMBED_INTERNAL_H

#include <mlopsctl/base/json.h>
#include <mlopsctl/embed.h>

#include "trie.h"

/* ---- normalizer ---- */

struct mlo_normalizer {
    bool clean, cjk, strip_accents, lowercase;
    uint8_t ascii[128]; /* what becomes of each; MLO_ASCII_DROP: nothing */
};
#define MLO_ASCII_DROP 0x80
void mlo_normalizer_prepare(struct mlo_normalizer *n); /* fills ascii from the rest */
/* Appends to out; text is UTF-8. */
int mlo_normalize_text(const struct mlo_normalizer *n, struct mlo_slice text, struct mlo_str *out,
                       struct mlo_err *err) MLO_MUST_CHECK;

/* ---- tokens that stand in the text as they are ---- */

struct mlo_added_token {
    struct mlo_slice content; /* in the tokenizer's arena */
    uint32_t id;
    bool lstrip, rstrip, normalized;
};
struct mlo_added_set {    /* those that are looked for before, or after, the text is normalized */
    struct mlo_trie trie; /* its ids are positions in `tokens` */
    bool any;
};

/* ---- what stands around a text ---- */

enum mlo_piece_kind { MLO_PIECE_SPECIAL, MLO_PIECE_A, MLO_PIECE_B };
struct mlo_piece {
    enum mlo_piece_kind kind;
    uint32_t id, type;
};
struct mlo_template {
    struct mlo_piece pieces[MLO_TEMPLATE_PIECES_MAX];
    size_t n, n_special;
};

enum mlo_truncation { MLO_CUT_NEVER, MLO_CUT_LONGEST, MLO_CUT_FIRST, MLO_CUT_SECOND };

struct mlo_tokenizer {
    struct mlo_arena arena;
    struct mlo_normalizer normalizer;
    struct mlo_trie vocab;
    uint32_t continued; /* node of the vocabulary below which pieces inside a word are */
    bool has_continued;
    uint32_t unknown, n_ids;
    size_t n_vocab, word_max; /* characters */
    struct mlo_added_token *added;
    size_t n_added;
    struct mlo_added_set raw, normal;
    struct mlo_template single, pair;
    enum mlo_truncation truncation;
    bool cut_left, pad_left;
    size_t max_length;
    size_t pad_to, pad_multiple; /* 0: as wide as the longest */
    uint32_t pad_id, pad_type;
};
int mlo_tokenizer_new(struct mlo_tokenizer **ret, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- while reading ---- */

struct mlo_vocab { /* tokens before they are a trie */
    struct mlo_str bytes;
    struct {
        uint32_t at, len, id;
    } * tokens;
    size_t n, cap;
};
void mlo_vocab_release(struct mlo_vocab *v);
int mlo_vocab_add(struct mlo_vocab *v, uint32_t at, uint32_t id, struct mlo_err *err) MLO_MUST_CHECK;
/* `prefix` begins pieces inside a word. unique: the same token twice is refused, else the later holds. */
int mlo_tokenizer_set_vocab(struct mlo_tokenizer *t, const struct mlo_vocab *v, const char *unknown,
                            const char *prefix, bool unique, struct mlo_err *err) MLO_MUST_CHECK;
/* The token's id, or MLO_TRIE_NONE. */
uint32_t mlo_tokenizer_find(const struct mlo_tokenizer *t, const char *token, size_t n);
/* t->added is filled, ids included: makes the sets. */
int mlo_tokenizer_set_added(struct mlo_tokenizer *t, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_template_add(struct mlo_template *t, enum mlo_piece_kind kind, uint32_t id, uint32_t type,
                     struct mlo_err *err) MLO_MUST_CHECK;
/* The templates and the padding are read: their ids count among the tokenizer's. */
void mlo_tokenizer_count_ids(struct mlo_tokenizer *t);
/* [CLS] A [SEP], and [CLS] A [SEP] B [SEP]. */
void mlo_template_bert(struct mlo_tokenizer *t, uint32_t cls, uint32_t sep);

#endif

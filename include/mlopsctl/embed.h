/*
 * From text to what encoders of the BERT family take, and from what they give to one vector a text: the
 * WordPiece tokenizer of Hugging Face's tokenizer.json or vocab.txt, padding, pooling, and the settings that
 * a sentence-transformers folder keeps beside the model.
 *
 * The ids are those of the reference (PyPI: tokenizers), for every text; what the reference can and this
 * cannot is refused by its name with MLO_EUNAVAIL. docs/text.md says what is read.
 */
#ifndef MLOPSCTL_EMBED_H
#define MLOPSCTL_EMBED_H

#include <mlopsctl/base/str.h>

#define MLO_TOKENIZER_FILE_MAX  ((size_t)64 << 20) /* tokenizer.json, vocab.txt */
#define MLO_EMBED_FILE_MAX      ((size_t)1 << 20)  /* the small ones beside them */
#define MLO_VOCAB_MAX           ((size_t)1 << 20)  /* tokens */
#define MLO_TOKEN_BYTES_MAX     ((size_t)1024)
#define MLO_ADDED_TOKENS_MAX    ((size_t)4096)
#define MLO_TEMPLATE_PIECES_MAX ((size_t)64)
#define MLO_TOKEN_ID_MAX        ((uint32_t)INT32_MAX)
#define MLO_TEXT_MAX            ((size_t)64 << 20)  /* bytes of one text */
#define MLO_TEXT_TOKENS_MAX     ((uint64_t)1 << 24) /* largest length that a file may ask for */

/* ---- tokenizer: made once, never changed, shared by threads ---- */

struct mlo_tokenizer;
int mlo_tokenizer_parse(const char *json, size_t n, struct mlo_tokenizer **ret,
                        struct mlo_err *err) MLO_MUST_CHECK;
/* One token a line, its id the line's number. config: tokenizer_config.json, NULL: BERT's own settings. */
int mlo_tokenizer_parse_vocab(const char *vocab, size_t n, const char *config, size_t config_n,
                              struct mlo_tokenizer **ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_tokenizer_free(struct mlo_tokenizer *t);
/* All ids are below this. */
uint32_t mlo_tokenizer_ids(const struct mlo_tokenizer *t);
/* Tokens that a text is cut to unless the caller says another length; 0: never. */
size_t mlo_tokenizer_max_length(const struct mlo_tokenizer *t);

struct mlo_token_list {
    uint32_t *ids;
    size_t n, cap;
};
struct mlo_encoding { /* begin with {0}; one may serve many texts: its memory stays */
    uint32_t *ids, *types;
    size_t n, ids_cap, types_cap;
    size_t cut; /* tokens that the length left out */
    struct mlo_token_list parts[2];
    struct mlo_str normal;
};
void mlo_encoding_release(struct mlo_encoding *e);
struct mlo_encode_opts {
    size_t max_length; /* special tokens included; 0: as the tokenizer's file says */
};
/*
 * ids and type ids of a text, or of a pair (pair NULL: none), special tokens included, not padded.
 * MLO_EINVALID: the text is no UTF-8. MLO_EUSAGE: the length leaves no room for the special tokens.
 */
int mlo_encode(const struct mlo_tokenizer *t, struct mlo_slice text, const struct mlo_slice *pair,
               const struct mlo_encode_opts *opts, struct mlo_encoding *ret,
               struct mlo_err *err) MLO_MUST_CHECK;

/* Several encodings as the rectangles [rows, width] that a model takes. */
struct mlo_token_batch { /* begin with {0}; one may serve many batches */
    int64_t *ids, *mask, *types;
    size_t rows, width;
    size_t ids_cap, mask_cap, types_cap;
};
void mlo_token_batch_release(struct mlo_token_batch *b);
/* longest: as wide as the longest row, also where the file asks for a fixed width. */
int mlo_token_batch(const struct mlo_tokenizer *t, const struct mlo_encoding *const *rows, size_t n,
                    bool longest, struct mlo_token_batch *ret, struct mlo_err *err) MLO_MUST_CHECK;

/* Their tokens one behind the other, in one row without padding: the mask is all ones. */
int mlo_token_row(const struct mlo_encoding *const *rows, size_t n, struct mlo_token_batch *ret,
                  struct mlo_err *err) MLO_MUST_CHECK;

/* ---- pooling: what becomes of one vector a token ---- */

enum mlo_pooling { MLO_POOL_NONE, MLO_POOL_MEAN, MLO_POOL_CLS, MLO_POOL_MAX };
/* "mean", ...; false when there is none of this name. */
bool mlo_pooling_parse(const char *name, enum mlo_pooling *ret);
const char *mlo_pooling_name(enum mlo_pooling p);
/*
 * tokens: [n, width], mask: n, 1 where there is a token; NULL: everywhere. ret: width. As
 * sentence-transformers: the mean of no token at all is 0, their maximum -1e9, CLS is the first that the mask
 * has. how: not NONE.
 */
void mlo_pool(enum mlo_pooling how, const float *tokens, const int64_t *mask, size_t n, size_t width,
              float *ret);
/* To length 1 (Euclid); what is shorter than 1e-12 is divided by that, so 0 stays 0. */
void mlo_normalize(float *v, size_t n);

/* ---- the files beside a model ---- */

/* Where they are: a folder, a bundle. Gives the whole file with a NUL added (owner: the caller), or
 * MLO_ENOTFOUND. */
struct mlo_embed_files {
    int (*read)(void *ctx, const char *path, size_t max, char **ret, size_t *ret_len, struct mlo_err *err);
    void *ctx;
};
struct mlo_embed_settings {
    enum mlo_pooling pooling; /* NONE: nothing says */
    bool normalize;
    size_t max_length; /* 0: nothing but the tokenizer says */
};
/*
 * modules.json, the Pooling module's config.json, sentence_bert_config.json; all may be missing. A module or
 * a way of pooling that is not known is MLO_EUNAVAIL.
 */
int mlo_embed_settings_read(const struct mlo_embed_files *files, struct mlo_embed_settings *ret,
                            struct mlo_err *err) MLO_MUST_CHECK;
/* tokenizer.json, else vocab.txt with tokenizer_config.json; MLO_ENOTFOUND when there is neither. */
int mlo_tokenizer_read(const struct mlo_embed_files *files, struct mlo_tokenizer **ret,
                       struct mlo_err *err) MLO_MUST_CHECK;

#endif

/*
 * vocab.txt, one token a line, with what BERT's own tokenizer does: the settings of tokenizer_config.json
 * that change ids are followed, those that are not known here are refused by name.
 */
#include <string.h>

#include <mlopsctl/base/text.h>

#include "read.h"

#define WORD_MAX   100  /* characters, as BERT's tokenizer has it */
#define LENGTH_MAX 1e12 /* a length above means that there is none */

enum { TOKEN_UNK, TOKEN_SEP, TOKEN_PAD, TOKEN_CLS, TOKEN_MASK, N_TOKENS };
static const struct {
    const char *key, *content;
} specials[N_TOKENS] = {[TOKEN_UNK] = {"unk_token", "[UNK]"},
                        [TOKEN_SEP] = {"sep_token", "[SEP]"},
                        [TOKEN_PAD] = {"pad_token", "[PAD]"},
                        [TOKEN_CLS] = {"cls_token", "[CLS]"},
                        [TOKEN_MASK] = {"mask_token", "[MASK]"}};

static int read_lines(const char *text, size_t n, struct mlo_vocab *v, struct mlo_err *err)
{
    uint32_t id = 0;
    if (!mlo_utf8_valid(text, n))
        return mlo_fail(err, MLO_EINVALID, "not UTF-8");
    for (size_t at = 0; at < n; id++) {
        const char *newline = memchr(text + at, '\n', n - at);
        size_t end = newline ? (size_t)(newline - text) : n, next = newline ? end + 1 : n;
        if (end > at && text[end - 1] == '\r')
            end--;
        if (memchr(text + at, '\r', end - at))
            return mlo_fail(err, MLO_EINVALID, "line %u has a carriage return", id + 1);
        size_t from = v->bytes.len;
        mlo_str_addn(&v->bytes, text + at, end - at);
        if (mlo_vocab_add(v, (uint32_t)from, id, err) != 0)
            return err->code;
        at = next;
    }
    return 0;
}

/* A token is given as text, or as an object with its content. */
static const char *content_of(const cJSON *config, size_t which)
{
    const cJSON *m = cJSON_GetObjectItemCaseSensitive(config, specials[which].key);
    const char *text = cJSON_IsObject(m) ? mlo_json_text(m, "content")
                                         : mlo_json_text(config, specials[which].key);
    return text ? text : specials[which].content;
}

static int add_specials(struct mlo_tokenizer *t, const cJSON *config, uint32_t ids[N_TOKENS],
                        struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    t->added = mlo_arena_alloc(&t->arena, N_TOKENS, sizeof *t->added, err);
    if (!t->added)
        return err->code;
    for (size_t i = 0; i < N_TOKENS; i++) {
        const char *content = content_of(config, i);
        size_t n = strlen(content);
        ids[i] = mlo_tokenizer_find(t, content, n);
        if (ids[i] == MLO_TRIE_NONE && i != TOKEN_MASK) /* an encoder needs no mask */
            return mlo_fail(err, MLO_EINVALID, "the special token '%s' is not in it",
                            mlo_shown(content, n, shown));
        if (ids[i] == MLO_TRIE_NONE)
            continue;
        const char *copy = mlo_arena_strndup(&t->arena, content, n, err);
        if (!copy)
            return err->code;
        t->added[t->n_added++] = (struct mlo_added_token){.content = {copy, n}, .id = ids[i]};
    }
    return mlo_tokenizer_set_added(t, err);
}

/* What would make other ids of a text, and is not here. */
static int check_config(const cJSON *config, struct mlo_err *err)
{
    static const char *const classes[] = {"BertTokenizer",
                                          "BertTokenizerFast",
                                          "DistilBertTokenizer",
                                          "DistilBertTokenizerFast",
                                          "ElectraTokenizer",
                                          "ElectraTokenizerFast",
                                          "RetriBertTokenizer",
                                          "RetriBertTokenizerFast",
                                          "MobileBertTokenizer",
                                          "MobileBertTokenizerFast",
                                          "DPRQuestionEncoderTokenizer",
                                          "DPRContextEncoderTokenizer",
                                          NULL};
    const cJSON *never = cJSON_GetObjectItemCaseSensitive(config, "never_split");
    size_t which;
    bool basic = true;
    int rc = mlo_embed_choice(config, "tokenizer_class", classes, 0, &which, err);
    if (rc == 0)
        rc = mlo_embed_bool(config, "do_basic_tokenize", true, &basic, err);
    if (rc == 0 && !basic)
        return mlo_fail(err, MLO_EUNAVAIL, "'do_basic_tokenize' is false, which is not supported");
    if (rc == 0 && never && !cJSON_IsNull(never) && cJSON_GetArraySize(never) > 0)
        return mlo_fail(err, MLO_EUNAVAIL, "'never_split' is not supported");
    return rc;
}

static int read_config(struct mlo_tokenizer *t, const cJSON *config, struct mlo_err *err)
{
    struct mlo_normalizer *n = &t->normalizer;
    const cJSON *length = cJSON_GetObjectItemCaseSensitive(config, "model_max_length");
    int rc = config ? check_config(config, err) : 0;
    n->clean = true;
    if (rc == 0)
        rc = mlo_embed_bool(config, "tokenize_chinese_chars", true, &n->cjk, err);
    if (rc == 0)
        rc = mlo_embed_bool(config, "do_lower_case", true, &n->lowercase, err);
    if (rc == 0)
        rc = mlo_embed_bool(config, "strip_accents", n->lowercase, &n->strip_accents, err);
    mlo_normalizer_prepare(n);
    if (rc == 0 && cJSON_IsNumber(length) && length->valuedouble < LENGTH_MAX) {
        if (!(length->valuedouble >= 1 && length->valuedouble <= (double)MLO_TEXT_TOKENS_MAX))
            return mlo_fail(err, MLO_EINVALID, "'model_max_length' is no number from 1 to %llu",
                            (unsigned long long)MLO_TEXT_TOKENS_MAX);
        t->max_length = (size_t)length->valuedouble;
        t->truncation = MLO_CUT_LONGEST;
    }
    return rc;
}

static int make(struct mlo_tokenizer *t, const struct mlo_vocab *v, const cJSON *config, struct mlo_err *err)
{
    uint32_t ids[N_TOKENS];
    t->word_max = WORD_MAX;
    int rc = read_config(t, config, err);
    if (rc != 0)
        return mlo_wrap(err, "tokenizer_config.json");
    rc = mlo_tokenizer_set_vocab(t, v, content_of(config, TOKEN_UNK), "##", false, err);
    if (rc == 0)
        rc = add_specials(t, config, ids, err);
    if (rc != 0)
        return mlo_wrap(err, "vocab.txt");
    mlo_template_bert(t, ids[TOKEN_CLS], ids[TOKEN_SEP]);
    t->pad_id = ids[TOKEN_PAD];
    return 0;
}

int mlo_tokenizer_parse_vocab(const char *vocab, size_t n, const char *config, size_t config_n,
                              struct mlo_tokenizer **ret, struct mlo_err *err)
{
    struct mlo_vocab v = {0};
    struct mlo_tokenizer *t = NULL;
    MLO_AUTOJSON cJSON *doc = NULL;
    if (n > MLO_TOKENIZER_FILE_MAX)
        return mlo_fail(err, MLO_EINVALID, "vocab.txt has more than %zu bytes", MLO_TOKENIZER_FILE_MAX);
    if (config && mlo_json_parse(config, config_n, MLO_EMBED_FILE_MAX, &doc, err) != 0)
        return mlo_wrap(err, "tokenizer_config.json");
    mlo_str_init(&v.bytes, n);
    int rc = read_lines(vocab, n, &v, err);
    if (rc != 0)
        rc = mlo_wrap(err, "vocab.txt");
    if (rc == 0)
        rc = mlo_tokenizer_new(&t, err);
    if (rc == 0)
        rc = make(t, &v, doc, err);
    mlo_vocab_release(&v);
    if (rc == 0)
        *ret = t;
    else
        mlo_tokenizer_free(t);
    return rc;
}

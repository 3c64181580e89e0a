/*
 * tokenizer.json as the reference writes it. The vocabulary, nearly all of the file, is read token by token;
 * the rest is a small document. Whatever would change ids and is not known is refused by its name.
 */
#include <string.h>

#include <mlopsctl/base/text.h>

#include "read.h"

#define REST_MAX ((size_t)4 << 20) /* all but the vocabulary */
#define WHERE    "tokenizer.json"

/* ---- the vocabulary ---- */

static int read_vocab(struct mlo_jpull *j, struct mlo_vocab *v, struct mlo_err *err)
{
    enum mlo_jtok tok;
    uint64_t id;
    int rc = mlo_jpull_next(j, &tok, err);
    if (rc == 0 && tok != MLO_J_OBJECT)
        return mlo_fail(err, MLO_EINVALID, "the vocabulary is not an object");
    while (rc == 0 && (rc = mlo_jpull_next(j, &tok, err)) == 0 && tok != MLO_J_OBJECT_END) {
        size_t at = v->bytes.len;
        rc = mlo_jpull_unescape(j, &v->bytes, err);
        if (rc == 0)
            rc = mlo_jpull_next(j, &tok, err);
        if (rc == 0 && (tok != MLO_J_NUMBER || mlo_jpull_u64(j, &id, err) != 0 || id >= MLO_TOKEN_ID_MAX))
            rc = mlo_fail(err, MLO_EINVALID, "a token's id is no number from 0 to %u", MLO_TOKEN_ID_MAX - 1);
        if (rc == 0)
            rc = mlo_vocab_add(v, (uint32_t)at, (uint32_t)id, err);
    }
    return rc;
}

static bool is_key(const struct mlo_jpull *j, enum mlo_jtok tok, const char *name)
{
    return tok == MLO_J_KEY && j->len == strlen(name) && memcmp(j->text, name, j->len) == 0;
}

/* Stands before the value of `name` in the object that comes next; *ret false when it has none, or is none.
 */
static int enter(struct mlo_jpull *j, const char *name, bool *ret, struct mlo_err *err)
{
    enum mlo_jtok tok;
    int rc = mlo_jpull_next(j, &tok, err);
    *ret = false;
    if (rc != 0 || tok != MLO_J_OBJECT)
        return rc;
    while (rc == 0 && (rc = mlo_jpull_next(j, &tok, err)) == 0 && tok == MLO_J_KEY) {
        if (is_key(j, tok, name)) {
            *ret = true;
            return 0;
        }
        rc = mlo_jpull_skip(j, err);
    }
    return rc;
}

/* The vocabulary, and the document with an empty one in its place. */
static int take_apart(const char *json, size_t n, struct mlo_vocab *v, cJSON **ret_rest, struct mlo_err *err)
{
    struct mlo_jpull j;
    bool there;
    mlo_jpull_init(&j, json, n);
    int rc = enter(&j, "model", &there, err);
    if (rc == 0 && there)
        rc = enter(&j, "vocab", &there, err);
    if (rc == 0 && !there)
        return mlo_fail(err, MLO_EINVALID, "no vocabulary: neither 'model' nor 'vocab' in it may be missing");
    const char *begin = j.p;
    if (rc == 0)
        rc = read_vocab(&j, v, err);
    if (rc != 0)
        return rc;
    MLO_AUTOSTR struct mlo_str rest;
    mlo_str_init(&rest, REST_MAX);
    mlo_str_addn(&rest, json, (size_t)(begin - json));
    mlo_str_add(&rest, "{}");
    mlo_str_addn(&rest, j.p, (size_t)(json + n - j.p));
    rc = mlo_str_check(&rest, err);
    return rc == 0 ? mlo_json_parse(rest.ptr, rest.len, REST_MAX, ret_rest, err) : rc;
}

static int read_model(struct mlo_tokenizer *t, const cJSON *doc, const struct mlo_vocab *v,
                      struct mlo_err *err)
{
    static const char *const keys[] = {
        "type", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word", "vocab", NULL};
    const cJSON *m = cJSON_GetObjectItemCaseSensitive(doc, "model");
    const char *unknown = mlo_json_text(m, "unk_token"),
               *prefix = mlo_json_text(m, "continuing_subword_prefix");
    uint64_t most = 0;
    int rc = mlo_embed_type(m, "WordPiece", true, "model", err);
    if (rc == 0)
        rc = mlo_embed_known(m, keys, "the model", err);
    if (rc == 0)
        rc = mlo_embed_u64(m, "max_input_chars_per_word", MLO_TEXT_MAX, 100, &most, err);
    t->word_max = most;
    return rc == 0
               ? mlo_tokenizer_set_vocab(t, v, unknown ? unknown : "[UNK]", prefix ? prefix : "##", true, err)
               : rc;
}

/* ---- normalizer, pre-tokenizer ---- */

static int read_normalizer(struct mlo_tokenizer *t, const cJSON *doc, struct mlo_err *err)
{
    static const char *const keys[] = {"type",          "clean_text", "handle_chinese_chars",
                                       "strip_accents", "lowercase",  NULL};
    static const char *const only_type[] = {"type", NULL};
    const cJSON *m = cJSON_GetObjectItemCaseSensitive(doc, "normalizer");
    const cJSON *pre = cJSON_GetObjectItemCaseSensitive(doc, "pre_tokenizer");
    struct mlo_normalizer *n = &t->normalizer;
    int rc = mlo_embed_type(m, "BertNormalizer", false, "normalizer", err);
    if (rc == 0)
        rc = mlo_embed_known(m, keys, "the normalizer", err);
    if (rc == 0)
        rc = mlo_embed_bool(m, "clean_text", true, &n->clean, err);
    if (rc == 0)
        rc = mlo_embed_bool(m, "handle_chinese_chars", true, &n->cjk, err);
    if (rc == 0)
        rc = mlo_embed_bool(m, "lowercase", true, &n->lowercase, err);
    if (rc == 0)
        rc = mlo_embed_bool(m, "strip_accents", n->lowercase, &n->strip_accents, err);
    if (rc == 0)
        rc = mlo_embed_type(pre, "BertPreTokenizer", false, "pre-tokenizer", err);
    if (rc == 0)
        rc = mlo_embed_known(pre, only_type, "the pre-tokenizer", err);
    mlo_normalizer_prepare(n);
    return rc;
}

/* ---- added tokens ---- */

/* The reference gives a token outside the vocabulary the next free id; a file that says another would mean
 * two things. */
static int check_id(const struct mlo_tokenizer *t, const struct mlo_added_token *a, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    uint32_t want = mlo_tokenizer_find(t, a->content.ptr, a->content.len), next = (uint32_t)t->n_vocab;
    for (const struct mlo_added_token *b = t->added; want == MLO_TRIE_NONE && b < a; b++)
        if (b->id >= next)
            next = b->id + 1;
    want = want == MLO_TRIE_NONE ? next : want;
    for (const struct mlo_added_token *b = t->added; b < a; b++)
        if (b->content.len == a->content.len && memcmp(b->content.ptr, a->content.ptr, a->content.len) == 0)
            return mlo_fail(err, MLO_EINVALID, "the token '%s' is added twice",
                            mlo_shown(a->content.ptr, a->content.len, shown));
    return a->id == want
               ? 0
               : mlo_fail(err, MLO_EINVALID, "the added token '%s' has the id %u where %u is its place",
                          mlo_shown(a->content.ptr, a->content.len, shown), a->id, want);
}

static int read_added_token(struct mlo_tokenizer *t, const cJSON *m, struct mlo_added_token *a,
                            struct mlo_err *err)
{
    static const char *const keys[] = {"id",     "content", "single_word", "lstrip",
                                       "rstrip", "special", "normalized",  NULL};
    const char *content = mlo_json_text(m, "content");
    bool single = false, special = false;
    char shown[MLO_SHOWN];
    uint64_t id = 0;
    int rc = mlo_embed_known(m, keys, "an added token", err);
    if (rc == 0 && (!content || !*content || strlen(content) > MLO_TOKEN_BYTES_MAX))
        rc = mlo_fail(err, MLO_EINVALID, "an added token without a content of at most %zu bytes",
                      MLO_TOKEN_BYTES_MAX);
    if (rc == 0)
        rc = mlo_embed_u64(m, "id", MLO_TOKEN_ID_MAX - 1, 0, &id, err);
    if (rc == 0)
        rc = mlo_embed_bool(m, "single_word", false, &single, err);
    if (rc == 0)
        rc = mlo_embed_bool(m, "special", false, &special, err);
    if (rc == 0)
        rc = mlo_embed_bool(m, "lstrip", false, &a->lstrip, err);
    if (rc == 0)
        rc = mlo_embed_bool(m, "rstrip", false, &a->rstrip, err);
    if (rc == 0)
        rc = mlo_embed_bool(m, "normalized", !special, &a->normalized, err);
    if (rc == 0 && single)
        rc = mlo_fail(err, MLO_EUNAVAIL, "the added token '%s' is 'single_word', which is not supported",
                      mlo_shown(content, strlen(content), shown));
    if (rc != 0)
        return rc;
    a->id = (uint32_t)id;
    a->content = (struct mlo_slice){mlo_arena_strndup(&t->arena, content, strlen(content), err),
                                    strlen(content)};
    return a->content.ptr ? check_id(t, a, err) : err->code;
}

static int read_added(struct mlo_tokenizer *t, const cJSON *doc, struct mlo_err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(doc, "added_tokens"), *m;
    size_t n = (size_t)(cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0);
    int rc = 0;
    if (list && !cJSON_IsArray(list))
        return mlo_fail(err, MLO_EINVALID, "'added_tokens' is not an array");
    if (n > MLO_ADDED_TOKENS_MAX)
        return mlo_fail(err, MLO_EINVALID, "more than %zu added tokens", MLO_ADDED_TOKENS_MAX);
    t->added = mlo_arena_alloc(&t->arena, n + 1, sizeof *t->added, err);
    if (!t->added)
        return err->code;
    cJSON_ArrayForEach(m, list)
    {
        rc = read_added_token(t, m, &t->added[t->n_added], err);
        if (rc != 0)
            return rc;
        t->n_added++;
    }
    return mlo_tokenizer_set_added(t, err);
}

/* ---- post-processor ---- */

/* A special token of a template is one or several ids under a name. */
static int add_special(struct mlo_template *t, const cJSON *specials, const cJSON *piece, struct mlo_err *err)
{
    const char *name = mlo_json_text(piece, "id");
    const cJSON *special = name ? cJSON_GetObjectItemCaseSensitive(specials, name) : NULL;
    const cJSON *ids = cJSON_GetObjectItemCaseSensitive(special, "ids"), *id;
    uint64_t type = 0;
    int rc = mlo_embed_u64(piece, "type_id", MLO_TOKEN_ID_MAX, 0, &type, err);
    if (rc == 0 && (!cJSON_IsArray(ids) || !ids->child))
        return mlo_fail(err, MLO_EINVALID, "a template names a special token that has no ids");
    cJSON_ArrayForEach(id, ids)
    {
        double v = cJSON_IsNumber(id) ? id->valuedouble : -1;
        if (!(v >= 0 && v < MLO_TOKEN_ID_MAX) || v != (uint32_t)v)
            return mlo_fail(err, MLO_EINVALID, "a special token's id is no number from 0 to %u",
                            MLO_TOKEN_ID_MAX - 1);
        if (rc == 0)
            rc = mlo_template_add(t, MLO_PIECE_SPECIAL, (uint32_t)v, (uint32_t)type, err);
    }
    return rc;
}

static int add_sequence(struct mlo_template *t, const cJSON *piece, bool pair, struct mlo_err *err)
{
    static const char *const names[] = {"A", "B", NULL};
    uint64_t type = 0;
    size_t which = 2;
    int rc = mlo_embed_u64(piece, "type_id", MLO_TOKEN_ID_MAX, 0, &type, err);
    if (rc == 0)
        rc = mlo_embed_choice(piece, "id", names, 2, &which, err);
    if (rc == 0 && which > (size_t)pair)
        return mlo_fail(err, MLO_EINVALID, "a template of a text that is not there");
    return rc == 0 ? mlo_template_add(t, which ? MLO_PIECE_B : MLO_PIECE_A, 0, (uint32_t)type, err) : rc;
}

static int read_template(const cJSON *m, bool pair, struct mlo_template *ret, struct mlo_err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(m, pair ? "pair" : "single"), *piece;
    const cJSON *specials = cJSON_GetObjectItemCaseSensitive(m, "special_tokens");
    unsigned seen[3] = {0};
    *ret = (struct mlo_template){0};
    cJSON_ArrayForEach(piece, list)
    {
        const cJSON *special = cJSON_GetObjectItemCaseSensitive(piece, "SpecialToken");
        const cJSON *sequence = cJSON_GetObjectItemCaseSensitive(piece, "Sequence");
        int rc = special    ? add_special(ret, specials, special, err)
                 : sequence ? add_sequence(ret, sequence, pair, err)
                            : mlo_fail(err, MLO_EINVALID, "a template's piece is neither token nor text");
        if (rc != 0)
            return rc;
        seen[ret->pieces[ret->n - 1].kind]++;
    }
    if (!cJSON_IsArray(list) || seen[MLO_PIECE_A] != 1 || seen[MLO_PIECE_B] != (unsigned)pair)
        return mlo_fail(err, MLO_EINVALID, "a template must hold each text once");
    return 0;
}

/* ["[SEP]", 102] */
static int read_bert_token(const cJSON *m, const char *key, uint32_t *ret, struct mlo_err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(m, key), *id = cJSON_GetArrayItem(list, 1);
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != 2 || !cJSON_IsNumber(id) ||
        !(id->valuedouble >= 0) || id->valuedouble >= MLO_TOKEN_ID_MAX)
        return mlo_fail(err, MLO_EINVALID, "'%s' of the post-processor is no token with its id", key);
    *ret = (uint32_t)id->valuedouble;
    return 0;
}

static int read_bert(struct mlo_tokenizer *t, const cJSON *m, struct mlo_err *err)
{
    static const char *const keys[] = {"type", "sep", "cls", NULL};
    uint32_t cls = 0, sep = 0;
    int rc = mlo_embed_known(m, keys, "the post-processor", err);
    if (rc == 0)
        rc = read_bert_token(m, "cls", &cls, err);
    if (rc == 0)
        rc = read_bert_token(m, "sep", &sep, err);
    if (rc == 0)
        mlo_template_bert(t, cls, sep);
    return rc;
}

static int read_post_processor(struct mlo_tokenizer *t, const cJSON *doc, struct mlo_err *err)
{
    static const char *const keys[] = {"type", "single", "pair", "special_tokens", NULL};
    const cJSON *m = cJSON_GetObjectItemCaseSensitive(doc, "post_processor");
    const char *type = mlo_json_text(m, "type");
    if (!m || cJSON_IsNull(m))
        return 0;
    if (type && strcmp(type, "BertProcessing") == 0)
        return read_bert(t, m, err);
    int rc = mlo_embed_type(m, "TemplateProcessing", false, "post-processor", err);
    if (rc == 0)
        rc = mlo_embed_known(m, keys, "the post-processor", err);
    if (rc == 0)
        rc = read_template(m, false, &t->single, err);
    return rc == 0 ? read_template(m, true, &t->pair, err) : rc;
}

/* ---- truncation, padding ---- */

static const char *const directions[] = {"Right", "Left", NULL};

static int read_truncation(struct mlo_tokenizer *t, const cJSON *doc, struct mlo_err *err)
{
    static const char *const keys[] = {"direction", "max_length", "strategy", "stride", NULL};
    static const char *const strategies[] = {"LongestFirst", "OnlyFirst", "OnlySecond", NULL};
    const cJSON *m = cJSON_GetObjectItemCaseSensitive(doc, "truncation");
    size_t left = 0, strategy = 0;
    uint64_t length = 0;
    if (!m || cJSON_IsNull(m))
        return 0;
    int rc = mlo_embed_known(m, keys, "'truncation'", err);
    if (rc == 0)
        rc = mlo_embed_u64(m, "max_length", MLO_TEXT_TOKENS_MAX, 0, &length, err);
    if (rc == 0)
        rc = mlo_embed_choice(m, "direction", directions, 0, &left, err);
    if (rc == 0)
        rc = mlo_embed_choice(m, "strategy", strategies, 0, &strategy, err);
    if (rc == 0 && length == 0)
        rc = mlo_fail(err, MLO_EINVALID, "'truncation' to no token at all");
    t->max_length = length;
    t->cut_left = left;
    t->truncation = (enum mlo_truncation)(MLO_CUT_LONGEST + (int)strategy);
    return rc;
}

static int read_pad_strategy(struct mlo_tokenizer *t, const cJSON *m, struct mlo_err *err)
{
    static const char *const keys[] = {"Fixed", NULL};
    const cJSON *s = cJSON_GetObjectItemCaseSensitive(m, "strategy");
    uint64_t to = 0;
    if (cJSON_IsString(s) && strcmp(s->valuestring, "BatchLongest") == 0)
        return 0;
    int rc = mlo_embed_known(s, keys, "the strategy of 'padding'", err);
    if (rc == 0)
        rc = mlo_embed_u64(s, "Fixed", MLO_TEXT_TOKENS_MAX, 0, &to, err);
    t->pad_to = to;
    return rc;
}

static int read_padding(struct mlo_tokenizer *t, const cJSON *doc, struct mlo_err *err)
{
    static const char *const keys[] = {
        "strategy", "direction", "pad_to_multiple_of", "pad_id", "pad_type_id", "pad_token", NULL};
    const cJSON *m = cJSON_GetObjectItemCaseSensitive(doc, "padding");
    uint64_t id = 0, type = 0, multiple = 0;
    size_t left = 0;
    if (!m || cJSON_IsNull(m))
        return 0;
    int rc = mlo_embed_known(m, keys, "'padding'", err);
    if (rc == 0)
        rc = read_pad_strategy(t, m, err);
    if (rc == 0)
        rc = mlo_embed_choice(m, "direction", directions, 0, &left, err);
    if (rc == 0)
        rc = mlo_embed_u64(m, "pad_to_multiple_of", MLO_TEXT_TOKENS_MAX, 0, &multiple, err);
    if (rc == 0)
        rc = mlo_embed_u64(m, "pad_id", MLO_TOKEN_ID_MAX - 1, 0, &id, err);
    if (rc == 0)
        rc = mlo_embed_u64(m, "pad_type_id", MLO_TOKEN_ID_MAX - 1, 0, &type, err);
    t->pad_left = left;
    t->pad_multiple = multiple;
    t->pad_id = (uint32_t)id;
    t->pad_type = (uint32_t)type;
    return rc;
}

/* ---- the file ---- */

static int read_document(struct mlo_tokenizer *t, const cJSON *doc, const struct mlo_vocab *v,
                         struct mlo_err *err)
{
    static const char *const keys[] = {
        "version",       "truncation",     "padding", "added_tokens", "normalizer",
        "pre_tokenizer", "post_processor", "decoder", "model",        NULL};
    int rc = mlo_embed_known(doc, keys, "the tokenizer", err);
    if (rc == 0)
        rc = read_model(t, doc, v, err);
    if (rc == 0)
        rc = read_normalizer(t, doc, err);
    if (rc == 0)
        rc = read_added(t, doc, err);
    if (rc == 0)
        rc = read_post_processor(t, doc, err);
    if (rc == 0)
        rc = read_truncation(t, doc, err);
    if (rc == 0)
        rc = read_padding(t, doc, err);
    mlo_tokenizer_count_ids(t);
    return rc;
}

int mlo_tokenizer_parse(const char *json, size_t n, struct mlo_tokenizer **ret, struct mlo_err *err)
{
    struct mlo_vocab v = {0};
    struct mlo_tokenizer *t = NULL;
    MLO_AUTOJSON cJSON *rest = NULL;
    if (n > MLO_TOKENIZER_FILE_MAX)
        return mlo_fail(err, MLO_EINVALID, WHERE " has more than %zu bytes", MLO_TOKENIZER_FILE_MAX);
    mlo_str_init(&v.bytes, n);
    int rc = take_apart(json, n, &v, &rest, err);
    if (rc == 0)
        rc = mlo_tokenizer_new(&t, err);
    if (rc == 0)
        rc = read_document(t, rest, &v, err);
    mlo_vocab_release(&v);
    if (rc != 0) {
        mlo_tokenizer_free(t);
        return mlo_wrap(err, WHERE);
    }
    *ret = t;
    return 0;
}

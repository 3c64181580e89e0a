/* The tokenizer: the reference's ids on committed cases, what is refused, memory faults; padding and pooling.
 */
#include "tap.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/json.h>
#include <mlopsctl/embed.h>

#define TINY "tests/golden/embed/tiny/"

static struct mlo_slice slice(const char *s)
{
    return (struct mlo_slice){s, strlen(s)};
}

static char *slurp(const char *path, size_t *ret_n)
{
    struct mlo_err err = MLO_ERR_INIT;
    char *text = NULL;
    check_ok(mlo_slurp_at(AT_FDCWD, path, MLO_TOKENIZER_FILE_MAX, &text, ret_n, &err), &err);
    return text;
}

static struct mlo_tokenizer *tiny(void)
{
    size_t n = 0;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_tokenizer *t = NULL;
    MLO_AUTOFREE char *json = slurp(TINY "tokenizer.json", &n);
    check_ok(mlo_tokenizer_parse(json, n, &t, &err), &err);
    return t;
}

static struct mlo_tokenizer *tiny_vocab(const char *config)
{
    size_t n = 0;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_tokenizer *t = NULL;
    MLO_AUTOFREE char *vocab = slurp(TINY "vocab.txt", &n);
    check_ok(mlo_tokenizer_parse_vocab(vocab, n, config, config ? strlen(config) : 0, &t, &err), &err);
    return t;
}

static bool same_numbers(const cJSON *list, const uint32_t *got, size_t n)
{
    const cJSON *m;
    size_t i = 0;
    cJSON_ArrayForEach(m, list)
    {
        if (i == n || m->valuedouble != got[i])
            return false;
        i++;
    }
    return i == n;
}

static void check_case(const struct mlo_tokenizer *t, const cJSON *doc, struct mlo_encoding *e)
{
    struct mlo_err err = MLO_ERR_INIT;
    const cJSON *texts = cJSON_GetObjectItem(doc, "texts");
    const char *first = cJSON_GetArrayItem(texts, 0)->valuestring;
    struct mlo_slice pair = {0};
    if (cJSON_GetArraySize(texts) > 1)
        pair = slice(cJSON_GetArrayItem(texts, 1)->valuestring);
    check_ok(mlo_encode(t, slice(first), pair.ptr ? &pair : NULL, NULL, e, &err), &err);
    check(same_numbers(cJSON_GetObjectItem(doc, "ids"), e->ids, e->n), "ids of '%s'", first);
    check(same_numbers(cJSON_GetObjectItem(doc, "types"), e->types, e->n), "types of '%s'", first);
}

static void check_cases(const struct mlo_tokenizer *t)
{
    size_t n = 0, cases = 0;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_encoding e = {0};
    MLO_AUTOFREE char *text = slurp(TINY "cases.jsonl", &n);
    for (char *line = text, *end; line && (end = strchr(line, '\n')); line = end + 1, cases++) {
        cJSON *doc = NULL;
        check_ok(mlo_json_parse(line, (size_t)(end - line), n, &doc, &err), &err);
        if (doc)
            check_case(t, doc, &e);
        cJSON_Delete(doc);
    }
    check_int(cases, 30);
    mlo_encoding_release(&e);
}

static void gives_the_references_ids(void)
{
    struct mlo_tokenizer *t = tiny();
    check_cases(t);
    check_int(mlo_tokenizer_max_length(t), 24);
    mlo_tokenizer_free(t);
}

static void reads_a_plain_vocabulary_as_bert_does(void)
{
    struct mlo_tokenizer *t = tiny_vocab("{\"do_lower_case\":true,\"model_max_length\":24}");
    check_cases(t);
    mlo_tokenizer_free(t);
    t = tiny_vocab(NULL);
    check_int(mlo_tokenizer_max_length(t), 0);
    mlo_tokenizer_free(t);
}

/* Spaced ids of one text, or what was wrong with it. */
static const char *ids_of(const struct mlo_tokenizer *t, struct mlo_slice text, size_t max_length)
{
    static char out[4096];
    struct mlo_encoding e = {0};
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_encode_opts opts = {.max_length = max_length};
    size_t at = 0;
    out[0] = '\0';
    if (mlo_encode(t, text, NULL, &opts, &e, &err) != 0)
        snprintf(out, sizeof out, "%s", err.msg);
    else
        for (size_t i = 0; i < e.n; i++)
            at += (size_t)snprintf(out + at, sizeof out - at, "%s%u", i ? " " : "", e.ids[i]);
    mlo_encoding_release(&e);
    return out;
}

/* A vocabulary of its own: 0 [PAD] 1 [UNK] 2 [CLS] 3 [SEP] 4 a 5 ##b 6 ##bc 7 b 8 ! 9 aé */
#define VOCAB                                                                                                \
    "{\"[PAD]\":0,\"[UNK]\":1,\"[CLS]\":2,\"[SEP]\":3,\"a\":4,\"##b\":5,\"##bc\":6,\"b\":7,\"!\":8,"         \
    "\"a\\u00e9\":9}"
#define MODEL      "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"vocab\":" VOCAB "}"
#define NORMALIZER "\"normalizer\":{\"type\":\"BertNormalizer\"}"
#define PRE        "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}"
#define DOC(more)  "{" NORMALIZER "," PRE "," more MODEL "}"

static struct mlo_tokenizer *parse(const char *json)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_tokenizer *t = NULL;
    check_ok(mlo_tokenizer_parse(json, strlen(json), &t, &err), &err);
    return t;
}

static void takes_the_longest_piece_from_the_left(void)
{
    struct mlo_tokenizer *t = parse(DOC(""));
    check_str(ids_of(t, slice("abc"), 0), "4 6");
    check_str(ids_of(t, slice("abbc a!b"), 0), "4 5 6 4 8 7");
    check_str(ids_of(t, slice("abca"), 0), "1");
    check_str(ids_of(t, slice("\xc3\x84!"), 0), "4 8");
    check_str(ids_of(t, slice(""), 0), "");
    mlo_tokenizer_free(t);
}

static void takes_any_bytes_that_are_text(void)
{
    struct mlo_tokenizer *t = parse(DOC(""));
    check_str(ids_of(t, (struct mlo_slice){"a\0b", 3}, 0), "4 5");
    check_str(ids_of(t, slice("a\xff"), 0), "text is not UTF-8");
    check_str(ids_of(t, slice("\xed\xa0\x80"), 0), "text is not UTF-8");
    check_str(ids_of(t, slice("a\xc3"), 0), "text is not UTF-8");
    mlo_tokenizer_free(t);
}

static void sorts_a_long_run_of_marks(void)
{
    struct mlo_tokenizer *t = parse(DOC(""));
    struct mlo_encoding e = {0};
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_str text;
    mlo_str_init(&text, 1 << 20);
    mlo_str_add(&text, "a");
    for (int i = 0; i < 50000; i++)
        mlo_str_add(&text, i % 2 ? "\xe3\x80\xae" : "\xcc\xa3"); /* U+302E stays, U+0323 goes */
    check_ok(mlo_encode(t, (struct mlo_slice){text.ptr, text.len}, NULL, NULL, &e, &err), &err);
    check(e.n == 1 && e.ids[0] == 1);
    mlo_str_release(&text);
    mlo_encoding_release(&e);
    mlo_tokenizer_free(t);
}

static void a_length_holds_the_special_tokens_too(void)
{
    struct mlo_tokenizer *t = tiny();
    check_str(ids_of(t, slice("a b c d"), 4), "2 5 6 3");
    check_str(ids_of(t, slice("a b c d"), 2), "2 3");
    check_str(ids_of(t, slice("a b c d"), 1), "1 tokens leave no room beside 2 special ones");
    mlo_tokenizer_free(t);
}

static void refused(const char *json, int code, const char *why)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_tokenizer *t = NULL;
    check_err(mlo_tokenizer_parse(json, strlen(json), &t, &err), code, &err, why);
    check(t == NULL);
}

static void what_is_not_known_is_refused_by_name(void)
{
    static const struct {
        const char *json, *why;
    } cases[] = {
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{}}}", "the model 'BPE' is not supported; 'WordPiece' is"},
        {"{" NORMALIZER "," MODEL "}", "no pre-tokenizer; 'BertPreTokenizer' is what is supported"},
        {"{\"normalizer\":{\"type\":\"NFKC\"}," PRE "," MODEL "}", "the normalizer 'NFKC' is not supported"},
        {"{" NORMALIZER ",\"pre_tokenizer\":{\"type\":\"Metaspace\"}," MODEL "}",
         "pre-tokenizer 'Metaspace'"},
        {"{\"normalizer\":{\"type\":\"BertNormalizer\",\"more\":1}," PRE "," MODEL "}", "the setting 'more'"},
        {DOC("\"post_processor\":{\"type\":\"ByteLevel\"},"), "post-processor 'ByteLevel'"},
        {DOC("\"surprise\":1,"), "the tokenizer has the setting 'surprise'"},
        {DOC("\"added_tokens\":[{\"id\":4,\"content\":\"a\",\"single_word\":true}],"), "'single_word'"},
        {DOC("\"truncation\":{\"max_length\":4,\"strategy\":\"Random\"},"), "'strategy' is 'Random'"},
        {DOC("\"padding\":{\"strategy\":{\"Widest\":1}},"), "'Widest'"},
    };
    for (size_t i = 0; i < MLO_COUNT(cases); i++)
        refused(cases[i].json, MLO_EUNAVAIL, cases[i].why);
}

static void malformed_files_are_refused(void)
{
    static const struct {
        const char *json, *why;
    } cases[] = {
        {"", "unfinished document"},
        {"[]", "no vocabulary"},
        {"{\"model\":[]}", "no vocabulary"},
        {"{\"model\":{\"vocab\":3}}", "the vocabulary is not an object"},
        {"{\"model\":{\"vocab\":{\"a\":-1}}}", "a token's id"},
        {"{\"model\":{\"vocab\":{\"a\":2147483647}}}", "a token's id"},
        {"{\"model\":{\"vocab\":{\"a\":1}}}", "the unknown token '[UNK]' is not in the vocabulary"},
        {"{\"model\":{\"vocab\":{\"a\":0,\"[UNK]\":1,\"a\":2}}}", "the token 'a' twice"},
        {"{\"model\":{\"vocab\":{\"a\":0", "unfinished"},
        {DOC("\"version\":\"1.0\",\"version\":\"1.0\","), "stands twice"},
        {DOC("\"added_tokens\":3,"), "'added_tokens' is not an array"},
        {DOC("\"added_tokens\":[{\"id\":9,\"content\":\"a\"}],"), "has the id 9 where 4 is its place"},
        {DOC("\"added_tokens\":[{\"id\":12,\"content\":\"x\"}],"), "has the id 12 where 10 is its place"},
        {DOC("\"added_tokens\":[{\"id\":4,\"content\":\"\"}],"), "without a content"},
        {DOC("\"added_tokens\":[{\"id\":4,\"content\":\"a\"},{\"id\":4,\"content\":\"a\"}],"), "added twice"},
        {DOC("\"truncation\":{\"max_length\":0},"), "no token at all"},
        {DOC("\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[],\"pair\":[]},"),
         "each text once"},
        {DOC("\"post_processor\":{\"type\":\"BertProcessing\",\"cls\":[\"[CLS]\",-2],\"sep\":[\"x\",3]},"),
         "'cls'"},
        {DOC("\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":"
             "\"x\"}}]},"),
         "has no ids"},
    };
    for (size_t i = 0; i < MLO_COUNT(cases); i++)
        refused(cases[i].json, MLO_EINVALID, cases[i].why);
}

static void refused_vocab(const char *vocab, const char *config, int code, const char *why)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_tokenizer *t = NULL;
    check_err(mlo_tokenizer_parse_vocab(vocab, strlen(vocab), config, config ? strlen(config) : 0, &t, &err),
              code, &err, why);
}

static void plain_vocabularies_are_checked(void)
{
    const char *good = "[PAD]\n[UNK]\r\n[CLS]\n[SEP]\na\na\n\nb";
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_tokenizer *t = NULL;
    check_ok(mlo_tokenizer_parse_vocab(good, strlen(good), NULL, 0, &t, &err), &err);
    check_str(ids_of(t, slice("a b"), 0), "2 5 7 3"); /* of a line that stands twice the later holds */
    mlo_tokenizer_free(t);
    refused_vocab("", NULL, MLO_EINVALID, "vocab.txt: the unknown token '[UNK]' is not in the vocabulary");
    refused_vocab("[UNK]\n[PAD]\n[CLS]\n", NULL, MLO_EINVALID,
                  "vocab.txt: the special token '[SEP]' is not in it");
    refused_vocab("[UNK]\n\xff\n", NULL, MLO_EINVALID, "vocab.txt: not UTF-8");
    refused_vocab("[UNK]\na\rb\n", NULL, MLO_EINVALID, "vocab.txt: line 2 has a carriage return");
    refused_vocab(good, "{\"tokenizer_class\":\"T5Tokenizer\"}", MLO_EUNAVAIL, "'T5Tokenizer'");
    refused_vocab(good, "{\"do_basic_tokenize\":false}", MLO_EUNAVAIL, "'do_basic_tokenize'");
    refused_vocab(good, "{\"never_split\":[\"a\"]}", MLO_EUNAVAIL, "'never_split'");
    refused_vocab(good, "{\"do_lower_case\":1}", MLO_EINVALID, "'do_lower_case' is neither true nor false");
    refused_vocab(good, "{\"model_max_length\":0}", MLO_EINVALID, "'model_max_length'");
    refused_vocab(good, "{", MLO_EINVALID, "tokenizer_config.json");
}

/* ---- batches ---- */

static const char *batch_text(const int64_t *v, size_t n)
{
    static char out[512];
    size_t at = 0;
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(out + at, sizeof out - at, "%s%lld", i ? " " : "", (long long)v[i]);
    return out;
}

static void check_batch(const char *padding, bool longest, size_t width, const char *ids, const char *mask)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_token_batch b = {0};
    struct mlo_encoding e[2] = {{0}};
    const struct mlo_encoding *rows[] = {&e[0], &e[1]};
    char json[2048];
    snprintf(json, sizeof json, DOC("%s"), padding);
    struct mlo_tokenizer *t = parse(json);
    check_ok(mlo_encode(t, slice("a b a"), NULL, NULL, &e[0], &err), &err);
    check_ok(mlo_encode(t, slice("!"), NULL, NULL, &e[1], &err), &err);
    check_ok(mlo_token_batch(t, rows, 2, longest, &b, &err), &err);
    check_int(b.rows, 2);
    check_int(b.width, width);
    check_str(batch_text(b.ids, 2 * width), ids);
    check_str(batch_text(b.mask, 2 * width), mask);
    mlo_token_batch_release(&b);
    mlo_encoding_release(&e[0]);
    mlo_encoding_release(&e[1]);
    mlo_tokenizer_free(t);
}

static void rows_are_padded_as_the_file_says(void)
{
    check_batch("", false, 3, "4 7 4 8 0 0", "1 1 1 1 0 0");
    check_batch("\"padding\":{\"strategy\":{\"Fixed\":4},\"pad_id\":5},", false, 4, "4 7 4 5 8 5 5 5",
                "1 1 1 0 1 0 0 0");
    check_batch("\"padding\":{\"strategy\":{\"Fixed\":4},\"pad_id\":5},", true, 3, "4 7 4 8 5 5",
                "1 1 1 1 0 0");
    check_batch(
        "\"padding\":{\"strategy\":\"BatchLongest\",\"direction\":\"Left\",\"pad_to_multiple_of\":2},", false,
        4, "0 4 7 4 0 0 0 8", "0 1 1 1 0 0 0 1");
}

/* ---- pooling ---- */

static void pools_what_the_mask_has(void)
{
    const float tokens[] = {1, -2, 3, 4, 100, 100};
    const int64_t mask[] = {1, 1, 0}, none[] = {0, 0, 0}, late[] = {0, 1, 1};
    float v[2];
    mlo_pool(MLO_POOL_MEAN, tokens, mask, 3, 2, v);
    check(v[0] == 2 && v[1] == 1);
    mlo_pool(MLO_POOL_MAX, tokens, mask, 3, 2, v);
    check(v[0] == 3 && v[1] == 4);
    mlo_pool(MLO_POOL_CLS, tokens, late, 3, 2, v);
    check(v[0] == 3 && v[1] == 4);
    mlo_pool(MLO_POOL_MEAN, tokens, none, 3, 2, v);
    check(v[0] == 0 && v[1] == 0);
    mlo_pool(MLO_POOL_CLS, tokens, none, 3, 2, v);
    check(v[0] == 0 && v[1] == 0);
    mlo_pool(MLO_POOL_MAX, tokens, none, 3, 2, v);
    check(v[0] == -1e9f && v[1] == -1e9f);
}

static void normalizes_to_length_one(void)
{
    float v[] = {3, -4}, zero[] = {0, 0}, huge[] = {3e38f, 3e38f}, bad[] = {NAN, 1};
    mlo_normalize(v, 2);
    check(v[0] == 0.6f && v[1] == -0.8f);
    mlo_normalize(zero, 2);
    check(zero[0] == 0 && zero[1] == 0);
    mlo_normalize(huge, 2);
    check(fabsf(huge[0] - 0.70710678f) < 1e-6f);
    mlo_normalize(bad, 2);
    check(isnan(bad[0]) && isnan(bad[1]));
}

static void ways_of_pooling_have_names(void)
{
    enum mlo_pooling p = MLO_POOL_NONE;
    check(mlo_pooling_parse("cls", &p) && p == MLO_POOL_CLS);
    check(!mlo_pooling_parse("average", &p) && p == MLO_POOL_CLS);
    check_str(mlo_pooling_name(MLO_POOL_MEAN), "mean");
}

/* ---- files beside a model ---- */

struct files { /* path, text, path, text, ..., NULL */
    const char *const *list;
};

static int read_listed(void *ctx, const char *path, size_t max, char **ret, size_t *ret_len,
                       struct mlo_err *err)
{
    const char *const *f = ((struct files *)ctx)->list;
    while (*f && strcmp(*f, path) != 0)
        f += 2;
    if (!*f)
        return mlo_fail(err, MLO_ENOTFOUND, "'%s' is not there", path);
    if (strlen(f[1]) > max)
        return mlo_fail(err, MLO_EINVALID, "too long");
    *ret_len = strlen(f[1]);
    *ret = mlo_memdup0(f[1], *ret_len, err);
    return *ret ? 0 : err->code;
}

static int read_settings(const char *const *list, struct mlo_embed_settings *ret, struct mlo_err *err)
{
    struct files f = {list};
    return mlo_embed_settings_read(&(struct mlo_embed_files){read_listed, &f}, ret, err);
}

#define MODULES                                                                                              \
    "[{\"path\":\"\",\"type\":\"sentence_transformers.models.Transformer\"},{\"path\":\"1_Pooling\","        \
    "\"type\":\"sentence_transformers.models.Pooling\"},{\"path\":\"2\",\"type\":\"x.Normalize\"}]"

static void reads_the_settings_of_a_folder(void)
{
    struct mlo_embed_settings s = {0};
    struct mlo_err err = MLO_ERR_INIT;
    const char *const list[] = {"modules.json",
                                MODULES,
                                "1_Pooling/config.json",
                                "{\"pooling_mode_cls_token\":true,\"pooling_mode_mean_tokens\":false}",
                                "sentence_bert_config.json",
                                "{\"max_seq_length\":128,\"do_lower_case\":false}",
                                NULL};
    check_ok(read_settings(list, &s, &err), &err);
    check(s.pooling == MLO_POOL_CLS && s.normalize && s.max_length == 128);
    check_ok(read_settings((const char *const[]){NULL}, &s, &err), &err);
    check(s.pooling == MLO_POOL_NONE && !s.normalize && s.max_length == 0);
}

static void settings_that_are_not_known_are_refused(void)
{
    static const struct {
        const char *list[5];
        int code;
        const char *why;
    } cases[] = {
        {{"modules.json", "{}", NULL}, MLO_EINVALID, "modules.json is not an array"},
        {{"modules.json", "[{\"path\":\"2_Dense\",\"type\":\"m.Dense\"}]", NULL},
         MLO_EUNAVAIL,
         "the module 'Dense'"},
        {{"modules.json", "[{}]", NULL}, MLO_EINVALID, "without type or path"},
        {{"modules.json", MODULES, NULL}, MLO_EINVALID, "'1_Pooling/config.json' is missing"},
        {{"modules.json", "[{\"path\":\"../x\",\"type\":\"Pooling\"}]", NULL},
         MLO_EINVALID,
         "no path within"},
        {{"modules.json", MODULES, "1_Pooling/config.json", "{\"pooling_mode_lasttoken\":true}", NULL},
         MLO_EUNAVAIL,
         "'pooling_mode_lasttoken'"},
        {{"modules.json", MODULES, "1_Pooling/config.json",
          "{\"pooling_mode_mean_tokens\":true,\"pooling_mode_max_tokens\":true}", NULL},
         MLO_EUNAVAIL,
         "more than one"},
        {{"sentence_bert_config.json", "{\"do_lower_case\":true}", NULL}, MLO_EUNAVAIL, "'do_lower_case'"},
        {{"sentence_bert_config.json", "[", NULL}, MLO_EINVALID, "sentence_bert_config.json: JSON"},
    };
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        struct mlo_embed_settings s = {0};
        struct mlo_err err = MLO_ERR_INIT;
        check_err(read_settings(cases[i].list, &s, &err), cases[i].code, &err, cases[i].why);
    }
}

static void a_tokenizer_is_found_in_either_file(void)
{
    struct mlo_tokenizer *t = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    struct files json = {(const char *const[]){"tokenizer.json", DOC(""), "vocab.txt", "", NULL}};
    struct files vocab = {(const char *const[]){"vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\nA\n",
                                                "tokenizer_config.json", "{\"do_lower_case\":false}", NULL}};
    struct files none = {(const char *const[]){NULL}};
    check_ok(mlo_tokenizer_read(&(struct mlo_embed_files){read_listed, &json}, &t, &err), &err);
    check_str(ids_of(t, slice("a"), 0), "4");
    mlo_tokenizer_free(t);
    check_ok(mlo_tokenizer_read(&(struct mlo_embed_files){read_listed, &vocab}, &t, &err), &err);
    check_str(ids_of(t, slice("A a"), 0), "2 4 1 3");
    check_int(mlo_tokenizer_ids(t), 5);
    mlo_tokenizer_free(t);
    check_err(mlo_tokenizer_read(&(struct mlo_embed_files){read_listed, &none}, &t, &err), MLO_ENOTFOUND,
              &err, "neither tokenizer.json nor vocab.txt");
}

/* ---- memory ---- */

static int everything_once(void)
{
    static const char json[] = DOC("\"added_tokens\":[{\"id\":4,\"content\":\"a\",\"normalized\":true},{"
                                   "\"id\":10,\"content\":\"[X]\"}],");
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_tokenizer *t = NULL;
    struct mlo_encoding e = {0};
    struct mlo_token_batch b = {0};
    const struct mlo_encoding *rows[] = {&e};
    int rc = mlo_tokenizer_parse(json, sizeof json - 1, &t, &err);
    if (rc == 0)
        rc = mlo_encode(t, slice("ab\xcc\xa3\xe3\x80\xae [X] \xed\x95\x9c"), NULL, NULL, &e, &err);
    if (rc == 0)
        rc = mlo_token_batch(t, rows, 1, false, &b, &err);
    mlo_token_batch_release(&b);
    mlo_encoding_release(&e);
    mlo_tokenizer_free(t);
    return rc;
}

static int vocab_once(void)
{
    static const char vocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n",
                      config[] = "{\"mask_token\":{\"content\":\"a\"}}";
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_tokenizer *t = NULL;
    int rc = mlo_tokenizer_parse_vocab(vocab, sizeof vocab - 1, config, sizeof config - 1, &t, &err);
    mlo_tokenizer_free(t);
    return rc;
}

static void memory_faults_are_errors(void)
{
    check(each_alloc_failure(everything_once) > 10);
    check(each_alloc_failure(vocab_once) > 5);
}

int main(void)
{
    run(gives_the_references_ids);
    run(reads_a_plain_vocabulary_as_bert_does);
    run(takes_the_longest_piece_from_the_left);
    run(takes_any_bytes_that_are_text);
    run(sorts_a_long_run_of_marks);
    run(a_length_holds_the_special_tokens_too);
    run(what_is_not_known_is_refused_by_name);
    run(malformed_files_are_refused);
    run(plain_vocabularies_are_checked);
    run(rows_are_padded_as_the_file_says);
    run(pools_what_the_mask_has);
    run(normalizes_to_length_one);
    run(ways_of_pooling_have_names);
    run(reads_the_settings_of_a_folder);
    run(settings_that_are_not_known_are_refused);
    run(a_tokenizer_is_found_in_either_file);
    run(memory_faults_are_errors);
    return done_testing();
}

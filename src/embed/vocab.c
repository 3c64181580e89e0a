/* What a tokenizer is made of: vocabulary, added tokens, templates. */
#include "internal.h"

#include <string.h>

#include <mlopsctl/base/text.h>

#define ARENA_MAX ((size_t)64 << 20)

int mlo_tokenizer_new(struct mlo_tokenizer **ret, struct mlo_err *err)
{
    struct mlo_tokenizer *t = mlo_calloc(1, sizeof *t, err);
    if (!t)
        return err->code;
    mlo_arena_init(&t->arena, ARENA_MAX);
    t->pair = (struct mlo_template){.pieces = {{.kind = MLO_PIECE_A}, {.kind = MLO_PIECE_B, .type = 1}},
                                    .n = 2};
    t->single = (struct mlo_template){.pieces = {{.kind = MLO_PIECE_A}}, .n = 1};
    *ret = t;
    return 0;
}

void mlo_tokenizer_free(struct mlo_tokenizer *t)
{
    if (!t)
        return;
    mlo_trie_release(&t->vocab);
    mlo_trie_release(&t->raw.trie);
    mlo_trie_release(&t->normal.trie);
    mlo_arena_release(&t->arena);
    free(t);
}

uint32_t mlo_tokenizer_ids(const struct mlo_tokenizer *t)
{
    return t->n_ids;
}

size_t mlo_tokenizer_max_length(const struct mlo_tokenizer *t)
{
    return t->truncation == MLO_CUT_NEVER ? 0 : t->max_length;
}

/* ---- vocabulary ---- */

void mlo_vocab_release(struct mlo_vocab *v)
{
    mlo_str_release(&v->bytes);
    free(v->tokens);
}

int mlo_vocab_add(struct mlo_vocab *v, uint32_t at, uint32_t id, struct mlo_err *err)
{
    size_t len = v->bytes.len - at;
    if (mlo_str_check(&v->bytes, err) != 0)
        return err->code;
    if (len > MLO_TOKEN_BYTES_MAX)
        return mlo_fail(err, MLO_EINVALID, "token %u is longer than %zu bytes", id, MLO_TOKEN_BYTES_MAX);
    if (v->n == MLO_VOCAB_MAX)
        return mlo_fail(err, MLO_EINVALID, "vocabulary of more than %zu tokens", MLO_VOCAB_MAX);
    if (mlo_grow(&v->tokens, &v->cap, v->n + 1, sizeof *v->tokens, err) != 0)
        return err->code;
    v->tokens[v->n].at = at;
    v->tokens[v->n].len = (uint32_t)len;
    v->tokens[v->n++].id = id;
    return 0;
}

static int find_needed(struct mlo_tokenizer *t, const char *unknown, const char *prefix, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    t->unknown = mlo_tokenizer_find(t, unknown, strlen(unknown));
    if (t->unknown == MLO_TRIE_NONE)
        return mlo_fail(err, MLO_EINVALID, "the unknown token '%s' is not in the vocabulary",
                        mlo_shown(unknown, strlen(unknown), shown));
    t->has_continued = true;
    for (const char *p = prefix; *p && t->has_continued; p++) {
        t->continued = mlo_trie_step(&t->vocab, t->continued, (uint8_t)*p);
        t->has_continued = t->continued != 0;
    }
    return 0;
}

int mlo_tokenizer_set_vocab(struct mlo_tokenizer *t, const struct mlo_vocab *v, const char *unknown,
                            const char *prefix, bool unique, struct mlo_err *err)
{
    size_t n = 0;
    char shown[MLO_SHOWN];
    const struct mlo_trie_word *again = NULL;
    MLO_AUTOFREE struct mlo_trie_word *words = mlo_calloc(v->n + 1, sizeof *words, err);
    if (!words)
        return err->code;
    for (size_t i = 0; i < v->n; i++) {
        if (v->tokens[i].len > 0) /* an empty line has an id that no text gets */
            words[n++] = (struct mlo_trie_word){
                .ptr = v->bytes.ptr + v->tokens[i].at, .len = v->tokens[i].len, .id = v->tokens[i].id};
        if (v->tokens[i].id >= t->n_ids)
            t->n_ids = v->tokens[i].id + 1;
    }
    t->n_vocab = v->n;
    if (mlo_trie_build(words, n, &t->vocab, &again, err) != 0)
        return err->code;
    if (unique && again)
        return mlo_fail(err, MLO_EINVALID, "the vocabulary has the token '%s' twice",
                        mlo_shown(again->ptr, again->len, shown));
    return find_needed(t, unknown, prefix, err);
}

uint32_t mlo_tokenizer_find(const struct mlo_tokenizer *t, const char *token, size_t n)
{
    uint32_t node = 0;
    for (size_t i = 0; i < n; i++)
        if ((node = mlo_trie_step(&t->vocab, node, (uint8_t)token[i])) == 0)
            return MLO_TRIE_NONE;
    return n > 0 ? t->vocab.nodes[node].id : MLO_TRIE_NONE;
}

/* ---- added tokens ---- */

/* The text that stands for an added token where it is looked for; borrowed from the arena. */
static int looked_for(struct mlo_tokenizer *t, const struct mlo_added_token *a, struct mlo_slice *ret,
                      struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    *ret = a->content;
    if (!a->normalized)
        return 0;
    MLO_AUTOSTR struct mlo_str normal;
    mlo_str_init(&normal, 8 * MLO_TOKEN_BYTES_MAX);
    if (mlo_normalize_text(&t->normalizer, a->content, &normal, err) != 0)
        return err->code;
    if (normal.len == 0)
        return mlo_fail(err, MLO_EUNAVAIL, "the added token '%s' is nothing once it is normalized",
                        mlo_shown(a->content.ptr, a->content.len, shown));
    *ret = (struct mlo_slice){mlo_arena_strndup(&t->arena, normal.ptr, normal.len, err), normal.len};
    return ret->ptr ? 0 : err->code;
}

static int make_set(struct mlo_tokenizer *t, bool normalized, struct mlo_added_set *ret, struct mlo_err *err)
{
    struct mlo_slice text;
    size_t n = 0;
    MLO_AUTOFREE struct mlo_trie_word *words = mlo_calloc(t->n_added + 1, sizeof *words, err);
    if (!words)
        return err->code;
    for (size_t i = 0; i < t->n_added; i++) {
        if (t->added[i].normalized != normalized)
            continue;
        if (looked_for(t, &t->added[i], &text, err) != 0)
            return err->code;
        words[n++] = (struct mlo_trie_word){.ptr = text.ptr, .len = (uint32_t)text.len, .id = (uint32_t)i};
    }
    ret->any = n > 0;
    return mlo_trie_build(words, n, &ret->trie, NULL, err);
}

int mlo_tokenizer_set_added(struct mlo_tokenizer *t, struct mlo_err *err)
{
    for (size_t i = 0; i < t->n_added; i++)
        if (t->added[i].id >= t->n_ids)
            t->n_ids = t->added[i].id + 1;
    int rc = make_set(t, false, &t->raw, err);
    return rc == 0 ? make_set(t, true, &t->normal, err) : rc;
}

/* ---- templates ---- */

int mlo_template_add(struct mlo_template *t, enum mlo_piece_kind kind, uint32_t id, uint32_t type,
                     struct mlo_err *err)
{
    if (t->n == MLO_TEMPLATE_PIECES_MAX)
        return mlo_fail(err, MLO_EINVALID, "template of more than %zu pieces", MLO_TEMPLATE_PIECES_MAX);
    t->pieces[t->n++] = (struct mlo_piece){kind, id, type};
    t->n_special += kind == MLO_PIECE_SPECIAL;
    return 0;
}

void mlo_template_bert(struct mlo_tokenizer *t, uint32_t cls, uint32_t sep)
{
    struct mlo_piece a = {.kind = MLO_PIECE_A}, b = {.kind = MLO_PIECE_B, .type = 1};
    struct mlo_piece first = {.id = cls}, end = {.id = sep}, end_b = {.id = sep, .type = 1};
    t->single = (struct mlo_template){.pieces = {first, a, end}, .n = 3, .n_special = 2};
    t->pair = (struct mlo_template){.pieces = {first, a, end, b, end_b}, .n = 5, .n_special = 3};
}

void mlo_tokenizer_count_ids(struct mlo_tokenizer *t)
{
    const struct mlo_template *templates[] = {&t->single, &t->pair};
    uint32_t last = t->pad_id;
    for (size_t k = 0; k < MLO_COUNT(templates); k++)
        for (size_t i = 0; i < templates[k]->n; i++)
            last = templates[k]->pieces[i].id > last ? templates[k]->pieces[i].id : last;
    t->n_ids = last >= t->n_ids ? last + 1 : t->n_ids;
}

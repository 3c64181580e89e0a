/*
 * A text becomes ids: tokens that stand in it as they are come out first, what is between them is normalized,
 * split into words, and each word becomes the longest pieces of the vocabulary from its left, or [UNK].
 */
#include "internal.h"

#include <string.h>

#include <mlopsctl/base/text.h>

#include "unicode.h"

static int add_id(struct mlo_token_list *l, uint32_t id, struct mlo_err *err)
{
    if (l->n == l->cap && mlo_grow(&l->ids, &l->cap, l->n + 1, sizeof *l->ids, err) != 0)
        return err->code;
    l->ids[l->n++] = id;
    return 0;
}

/* ---- words ---- */

/* Whether a word has more than `max` characters. */
static bool is_longer(const char *word, size_t n, size_t max)
{
    size_t chars = 0;
    if (n <= max)
        return false;
    for (size_t i = 0; i < n; i++)
        chars += ((uint8_t)word[i] & 0xC0) != 0x80;
    return chars > max;
}

static int add_word(const struct mlo_tokenizer *t, const char *word, size_t n, struct mlo_token_list *out,
                    struct mlo_err *err)
{
    size_t before = out->n, longest;
    uint32_t id, from = 0;
    if (is_longer(word, n, t->word_max))
        return add_id(out, t->unknown, err);
    for (size_t at = 0; at < n; at += longest, from = t->continued) {
        bool there = at == 0 || t->has_continued;
        longest = there ? mlo_trie_longest(&t->vocab, from, word + at, n - at, &id) : 0;
        if (longest == 0) {
            out->n = before;
            return add_id(out, t->unknown, err);
        }
        if (add_id(out, id, err) != 0)
            return err->code;
    }
    return 0;
}

/* Words end at white space; a punctuation mark is one of its own. */
static int add_words(const struct mlo_tokenizer *t, const char *text, size_t n, struct mlo_token_list *out,
                     struct mlo_err *err)
{
    const char *at = text, *end = text + n, *word = text;
    while (at < end) {
        const char *here = at;
        unsigned flags = mlo_char(mlo_char_next(&at));
        if (!(flags & (MLO_CHAR_WHITE | MLO_CHAR_PUNCT)))
            continue;
        if (here > word && add_word(t, word, (size_t)(here - word), out, err) != 0)
            return err->code;
        if (flags & MLO_CHAR_PUNCT && add_word(t, here, (size_t)(at - here), out, err) != 0)
            return err->code;
        word = at;
    }
    return end > word ? add_word(t, word, (size_t)(end - word), out, err) : 0;
}

/* ---- tokens that stand in the text as they are ---- */

typedef int part_fn(const struct mlo_tokenizer *t, struct mlo_slice part, struct mlo_encoding *e,
                    struct mlo_token_list *out, struct mlo_err *err);

static size_t without_space_behind(const char *text, size_t from, size_t n)
{
    while (n > from) {
        size_t last = n - 1;
        while (last > from && ((uint8_t)text[last] & 0xC0) == 0x80)
            last--;
        const char *p = text + last;
        if (!(mlo_char(mlo_char_next(&p)) & MLO_CHAR_WHITE))
            break;
        n = last;
    }
    return n;
}

static size_t behind_space(const char *text, size_t from, size_t n)
{
    const char *p = text + from, *end = text + n;
    while (p < end) {
        const char *next = p;
        if (!(mlo_char(mlo_char_next(&next)) & MLO_CHAR_WHITE))
            break;
        p = next;
    }
    return (size_t)(p - text);
}

/* What stands between the tokens of the set goes to fn. */
static int split_at_added(const struct mlo_tokenizer *t, const struct mlo_added_set *set,
                          struct mlo_slice text, part_fn *fn, struct mlo_encoding *e,
                          struct mlo_token_list *out, struct mlo_err *err)
{
    size_t done = 0;
    uint32_t which = 0;
    for (size_t at = 0, n; set->any && at < text.len; at += n ? n : 1) {
        n = mlo_trie_longest(&set->trie, 0, text.ptr + at, text.len - at, &which);
        if (n == 0)
            continue;
        const struct mlo_added_token *a = &t->added[which];
        size_t end = at;
        if (a->lstrip && at > done)
            end = without_space_behind(text.ptr, done, at);
        if (end > done && fn(t, (struct mlo_slice){text.ptr + done, end - done}, e, out, err) != 0)
            return err->code;
        if (add_id(out, a->id, err) != 0)
            return err->code;
        done = a->rstrip ? behind_space(text.ptr, at + n, text.len) : at + n;
    }
    return done < text.len ? fn(t, (struct mlo_slice){text.ptr + done, text.len - done}, e, out, err) : 0;
}

static int add_normal(const struct mlo_tokenizer *t, struct mlo_slice part, struct mlo_encoding *e,
                      struct mlo_token_list *out, struct mlo_err *err)
{
    (void)e;
    return add_words(t, part.ptr, part.len, out, err);
}

static int add_raw(const struct mlo_tokenizer *t, struct mlo_slice part, struct mlo_encoding *e,
                   struct mlo_token_list *out, struct mlo_err *err)
{
    mlo_str_clear(&e->normal);
    if (mlo_normalize_text(&t->normalizer, part, &e->normal, err) != 0)
        return err->code;
    return split_at_added(t, &t->normal, (struct mlo_slice){e->normal.ptr, e->normal.len}, add_normal, e, out,
                          err);
}

static int add_text(const struct mlo_tokenizer *t, struct mlo_slice text, struct mlo_encoding *e,
                    struct mlo_token_list *out, struct mlo_err *err)
{
    out->n = 0;
    if (text.len > MLO_TEXT_MAX)
        return mlo_fail(err, MLO_EINVALID, "text of %zu bytes; at most %zu are taken", text.len,
                        MLO_TEXT_MAX);
    if (!mlo_utf8_valid(text.ptr, text.len))
        return mlo_fail(err, MLO_EINVALID, "text is not UTF-8");
    return split_at_added(t, &t->raw, text, add_raw, e, out, err);
}

/* ---- truncation ---- */

static void cut(struct mlo_token_list *l, size_t n, bool left)
{
    if (left)
        memmove(l->ids, l->ids + (l->n - n), n * sizeof *l->ids);
    l->n = n;
}

/* Both to `room`: the longer gives first, then both half of it. */
static void cut_longest(struct mlo_token_list *a, struct mlo_token_list *b, size_t room, bool left)
{
    struct mlo_token_list *shorter = a->n > b->n ? b : a, *longer = a->n > b->n ? a : b;
    size_t n = shorter->n, m = n > room ? n : room - n > n ? room - n : n;
    if (n + m > room) {
        n = room / 2;
        m = room - n;
    }
    cut(shorter, n, left);
    cut(longer, m, left);
}

static int truncate_parts(const struct mlo_tokenizer *t, struct mlo_encoding *e, bool is_pair, size_t room,
                          struct mlo_err *err)
{
    struct mlo_token_list *a = &e->parts[0], *b = &e->parts[1];
    size_t all = a->n + (is_pair ? b->n : 0);
    e->cut = all > room ? all - room : 0;
    if (e->cut == 0)
        return 0;
    if (room == 0) {
        a->n = b->n = 0;
        return 0;
    }
    if (t->truncation == MLO_CUT_SECOND && !is_pair)
        return mlo_fail(err, MLO_EUSAGE, "the tokenizer cuts the second text of a pair, and there is none");
    if (is_pair && t->truncation != MLO_CUT_FIRST && t->truncation != MLO_CUT_SECOND) {
        cut_longest(a, b, room, t->cut_left);
        return 0;
    }
    struct mlo_token_list *l = t->truncation == MLO_CUT_SECOND ? b : a;
    if (is_pair && l->n <= e->cut)
        return mlo_fail(err, MLO_EINVALID,
                        "a pair of %zu tokens: the text that the tokenizer may cut has only %zu", all, l->n);
    cut(l, l->n - e->cut, t->cut_left);
    return 0;
}

/* ---- the whole ---- */

static int add_piece(struct mlo_encoding *e, const uint32_t *ids, size_t n, uint32_t type,
                     struct mlo_err *err)
{
    if (mlo_grow(&e->ids, &e->ids_cap, e->n + n, sizeof *e->ids, err) != 0 ||
        mlo_grow(&e->types, &e->types_cap, e->n + n, sizeof *e->types, err) != 0)
        return err->code;
    if (n > 0)
        memcpy(e->ids + e->n, ids, n * sizeof *ids);
    for (size_t i = 0; i < n; i++)
        e->types[e->n + i] = type;
    e->n += n;
    return 0;
}

static int assemble(const struct mlo_template *how, struct mlo_encoding *e, struct mlo_err *err)
{
    int rc = 0;
    e->n = 0;
    for (size_t i = 0; rc == 0 && i < how->n; i++) {
        const struct mlo_piece *p = &how->pieces[i];
        const struct mlo_token_list *part = &e->parts[p->kind == MLO_PIECE_B];
        rc = p->kind == MLO_PIECE_SPECIAL ? add_piece(e, &p->id, 1, p->type, err)
                                          : add_piece(e, part->ids, part->n, p->type, err);
    }
    return rc;
}

int mlo_encode(const struct mlo_tokenizer *t, struct mlo_slice text, const struct mlo_slice *pair,
               const struct mlo_encode_opts *opts, struct mlo_encoding *ret, struct mlo_err *err)
{
    const struct mlo_template *how = pair ? &t->pair : &t->single;
    size_t max = opts && opts->max_length ? opts->max_length : mlo_tokenizer_max_length(t);
    if (!ret->normal.ptr)
        mlo_str_init(&ret->normal, 8 * MLO_TEXT_MAX); /* decomposed, a byte never becomes more than three */
    int rc = add_text(t, text, ret, &ret->parts[0], err);
    if (rc == 0 && pair)
        rc = add_text(t, *pair, ret, &ret->parts[1], err);
    ret->cut = 0;
    if (rc == 0 && max > 0)
        rc = max >= how->n_special
                 ? truncate_parts(t, ret, pair != NULL, max - how->n_special, err)
                 : mlo_fail(err, MLO_EUSAGE, "%zu tokens leave no room beside %zu special ones", max,
                            how->n_special);
    return rc == 0 ? assemble(how, ret, err) : rc;
}

void mlo_encoding_release(struct mlo_encoding *e)
{
    free(e->ids);
    free(e->types);
    free(e->parts[0].ids);
    free(e->parts[1].ids);
    if (e->normal.ptr)
        mlo_str_release(&e->normal);
    *e = (struct mlo_encoding){0};
}

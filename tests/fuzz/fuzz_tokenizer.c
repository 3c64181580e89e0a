/*
 * A tokenizer out of any bytes, and texts through it. The input is three parts, each behind its length (two
 * bytes, little-endian; cut to what is there): a tokenizer.json, or a vocab.txt when it does not begin with
 * '{'; a tokenizer_config.json; a text, which is its own pair. All ids are below the bound that the tokenizer
 * states, lengths are kept, and the same text gives the same ids again.
 */
#include <stdint.h>
#include <string.h>

#include <mlopsctl/base/text.h>
#include <mlopsctl/embed.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok)
{
    if (!ok)
        __builtin_trap();
}

static struct mlo_slice take_part(const uint8_t **data, size_t *n)
{
    struct mlo_slice part = {0};
    if (*n < 2)
        return part;
    size_t len = (size_t)((*data)[0] | (*data)[1] << 8);
    *data += 2;
    *n -= 2;
    part = (struct mlo_slice){(const char *)*data, len < *n ? len : *n};
    *data += part.len;
    *n -= part.len;
    return part;
}

static void check_encoding(const struct mlo_tokenizer *t, const struct mlo_encoding *e, size_t max_length)
{
    must(max_length == 0 || e->n <= max_length);
    for (size_t i = 0; i < e->n; i++)
        must(e->ids[i] < mlo_tokenizer_ids(t));
}

static void check_batch(const struct mlo_tokenizer *t, const struct mlo_encoding *const *rows, bool longest)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_token_batch b = {0};
    must(mlo_token_batch(t, rows, 2, longest, &b, &err) == 0);
    for (size_t row = 0; row < 2; row++) {
        size_t there = 0;
        for (size_t i = 0; i < b.width; i++)
            there += b.mask[row * b.width + i] != 0;
        must(there == rows[row]->n);
    }
    mlo_token_batch_release(&b);
}

static bool same(const struct mlo_encoding *a, const struct mlo_encoding *b)
{
    return a->n == b->n && (a->n == 0 || (memcmp(a->ids, b->ids, a->n * sizeof *a->ids) == 0 &&
                                          memcmp(a->types, b->types, a->n * sizeof *a->types) == 0));
}

static void encode(const struct mlo_tokenizer *t, struct mlo_slice text)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_encoding single = {0}, pair = {0}, again = {0};
    struct mlo_encode_opts eight = {.max_length = 8};
    bool valid = mlo_utf8_valid(text.ptr, text.len);
    int rc = mlo_encode(t, text, NULL, NULL, &single, &err);
    must(rc == 0 || *err.msg);
    must(valid || rc == MLO_EINVALID);
    if (rc == 0) {
        check_encoding(t, &single, mlo_tokenizer_max_length(t));
        must(mlo_encode(t, text, NULL, NULL, &again, &err) == 0 && same(&single, &again));
        if (mlo_encode(t, text, &text, &eight, &pair, &err) == 0) {
            const struct mlo_encoding *rows[] = {&single, &pair};
            check_encoding(t, &pair, 8);
            /* A file may ask for a fixed width of sixteen million; rows as they are need no such memory. */
            check_batch(t, rows, true);
        }
    }
    mlo_encoding_release(&single);
    mlo_encoding_release(&pair);
    mlo_encoding_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_tokenizer *t = NULL;
    struct mlo_slice file = take_part(&data, &n), config = take_part(&data, &n), text = take_part(&data, &n);
    int rc = file.len > 0 && *file.ptr == '{'
                 ? mlo_tokenizer_parse(file.ptr, file.len, &t, &err)
                 : mlo_tokenizer_parse_vocab(file.ptr, file.len, config.len ? config.ptr : NULL, config.len,
                                             &t, &err);
    must(rc == 0 || ((rc == MLO_EINVALID || rc == MLO_EUNAVAIL) && *err.msg && !t));
    if (rc == 0)
        encode(t, text);
    mlo_tokenizer_free(t);
    return 0;
}

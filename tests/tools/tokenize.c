/*
 * tokenize TOKENIZER.json|vocab.txt [TOKENIZER_CONFIG.json]: texts from stdin to ids, for the comparison with
 * the reference (tests/golden/embed/compare.py) and for timings.
 *
 * In: records of one count (1, or 2 for a pair), then that many times a length and so many bytes; numbers are
 * 32-bit, little-endian. Out: a line a record, padded as the file says: "id/type/mask id/type/mask ...", or
 * "error N". With TIME=N in the environment nothing is written but the nanoseconds of loading and of the best
 * of N passes over all records.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/embed.h>

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fail(const struct mlo_err *err)
{
    fprintf(stderr, "tokenize: %s\n", err->msg);
    exit(-err->code);
}

struct record {
    uint32_t n;
    struct mlo_slice texts[2];
};

static uint32_t take_u32(const char **p)
{
    uint32_t v;
    memcpy(&v, *p, sizeof v);
    *p += sizeof v;
    return v;
}

static size_t split_records(const char *p, size_t n, struct record **ret)
{
    size_t count = 0, cap = 0;
    struct mlo_err err = MLO_ERR_INIT;
    for (const char *end = p + n; p < end; count++) {
        if (mlo_grow(ret, &cap, count + 1, sizeof **ret, &err) != 0)
            fail(&err);
        struct record *r = &(*ret)[count];
        r->n = take_u32(&p);
        for (uint32_t i = 0; i < r->n; i++) {
            r->texts[i].len = take_u32(&p);
            r->texts[i].ptr = p;
            p += r->texts[i].len;
        }
    }
    return count;
}

static void write_batch(const struct mlo_token_batch *b)
{
    for (size_t i = 0; i < b->width; i++)
        printf("%s%" PRId64 "/%" PRId64 "/%" PRId64, i ? " " : "", b->ids[i], b->types[i], b->mask[i]);
    putchar('\n');
}

static int encode(const struct mlo_tokenizer *t, const struct record *r, struct mlo_encoding *e,
                  struct mlo_err *err)
{
    return mlo_encode(t, r->texts[0], r->n > 1 ? &r->texts[1] : NULL, NULL, e, err);
}

static uint64_t best_pass(const struct mlo_tokenizer *t, const struct record *records, size_t n, int passes)
{
    struct mlo_encoding e = {0};
    struct mlo_err err = MLO_ERR_INIT;
    uint64_t best = UINT64_MAX;
    for (int pass = 0; pass < passes; pass++) {
        uint64_t start = now();
        for (size_t i = 0; i < n; i++)
            if (encode(t, &records[i], &e, &err) != 0)
                fail(&err);
        uint64_t took = now() - start;
        best = took < best ? took : best;
    }
    mlo_encoding_release(&e);
    return best;
}

static void write_all(const struct mlo_tokenizer *t, const struct record *records, size_t n)
{
    struct mlo_encoding e = {0};
    struct mlo_token_batch b = {0};
    struct mlo_err err = MLO_ERR_INIT;
    const struct mlo_encoding *rows[] = {&e};
    for (size_t i = 0; i < n; i++) {
        int rc = encode(t, &records[i], &e, &err);
        if (rc == 0)
            rc = mlo_token_batch(t, rows, 1, false, &b, &err);
        if (rc == 0)
            write_batch(&b);
        else
            printf("error %d\n", -rc);
    }
    mlo_token_batch_release(&b);
    mlo_encoding_release(&e);
}

static char *slurp(const char *path, size_t *ret_n)
{
    struct mlo_err err = MLO_ERR_INIT;
    char *text = NULL;
    if (mlo_slurp_at(AT_FDCWD, path, MLO_TOKENIZER_FILE_MAX, &text, ret_n, &err) != 0)
        fail(&err);
    return text;
}

static char *read_stdin(size_t *ret_n)
{
    struct mlo_str in;
    struct mlo_err err = MLO_ERR_INIT;
    char buf[65536];
    size_t got;
    mlo_str_init(&in, MLO_STR_MAX);
    while ((got = fread(buf, 1, sizeof buf, stdin)) > 0)
        mlo_str_addn(&in, buf, got);
    if (mlo_str_check(&in, &err) != 0)
        fail(&err);
    return mlo_str_detach(&in, ret_n);
}

int main(int argc, char **argv)
{
    size_t n, config_n = 0, in_n;
    struct mlo_tokenizer *t = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    struct record *records = NULL;
    const char *passes = getenv("TIME");
    if (argc < 2 || argc > 3) {
        fputs("usage: tokenize TOKENIZER.json|vocab.txt [TOKENIZER_CONFIG.json] <RECORDS\n", stderr);
        return 2;
    }
    char *text = slurp(argv[1], &n), *config = argc > 2 ? slurp(argv[2], &config_n) : NULL;
    uint64_t start = now();
    bool json = n > 0 && text[0] == '{';
    int rc = json ? mlo_tokenizer_parse(text, n, &t, &err)
                  : mlo_tokenizer_parse_vocab(text, n, config, config_n, &t, &err);
    uint64_t loaded = now() - start;
    if (rc != 0)
        fail(&err);
    char *in = read_stdin(&in_n);
    size_t count = split_records(in, in_n, &records);
    if (passes)
        printf("%" PRIu64 " %" PRIu64 "\n", loaded,
               best_pass(t, records, count, (int)strtol(passes, NULL, 10)));
    else
        write_all(t, records, count);
    mlo_tokenizer_free(t);
    free(records);
    free(in);
    free(config);
    free(text);
    return 0;
}

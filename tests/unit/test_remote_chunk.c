/* Where files are cut: at tensors, else by content, always the same. */
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#include "../../src/remote/internal.h"

static void the_table_is_what_the_format_says(void)
{
    for (int i = 0; i < 256; i++) {
        char text[32];
        struct mlo_digest d;
        struct mlo_err err = MLO_ERR_INIT;
        uint64_t want = 0;
        snprintf(text, sizeof text, "mlopsctl gear %d", i);
        check_ok(mlo_sha256(text, strlen(text), &d, &err), &err);
        for (int k = 7; k >= 0; k--)
            want = want << 8 | d.b[k];
        if (!check(mlo_gear[i] == want, "entry %d", i))
            return;
    }
}

static unsigned char *noise(size_t n, uint64_t x)
{
    unsigned char *p = malloc(n + 1);
    for (size_t i = 0; i < n; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        p[i] = (unsigned char)(x >> 56);
    }
    return p;
}

static size_t plan(const void *data, size_t size, struct mlo_span *spans, size_t n_spans,
                   struct mlo_chunk **ret)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_mem mem = {data};
    struct mlo_source src = mlo_source_mem(&mem, size);
    size_t n = 0;
    *ret = NULL;
    check_ok(mlo_chunk_spans(&src, spans, n_spans, ret, &n, &err), &err);
    return n;
}

/* Chunks follow each other and make up the whole. */
static void check_covers(const struct mlo_chunk *c, size_t n, uint64_t size)
{
    uint64_t at = 0;
    for (size_t i = 0; i < n; i++) {
        check(c[i].offset == at && c[i].length > 0, "chunk %zu begins where the last ended", i);
        check(c[i].length <= MLO_CHUNK_WHOLE, "chunk %zu fits a pack", i);
        at += c[i].length;
    }
    check_int(at, size);
}

static void an_empty_file_has_no_chunks(void)
{
    MLO_AUTOFREE struct mlo_chunk *c = NULL;
    check_int(plan("", 0, NULL, 0, &c), 0);
}

static void small_files_are_one_chunk(void)
{
    MLO_AUTOFREE struct mlo_chunk *c = NULL;
    MLO_AUTOFREE unsigned char *p = noise(16384, 1);
    check_int(plan(p, 16384, NULL, 0, &c), 1);
}

static void cuts_by_content_have_the_promised_sizes(void)
{
    enum { SIZE = 8 << 20 };
    MLO_AUTOFREE struct mlo_chunk *c = NULL;
    MLO_AUTOFREE unsigned char *p = noise(SIZE, 7);
    size_t n = plan(p, SIZE, NULL, 0, &c);
    check_covers(c, n, SIZE);
    for (size_t i = 0; i + 1 < n; i++)
        check(c[i].length > 16384 && c[i].length <= 262144, "chunk %zu has %llu bytes", i,
              (unsigned long long)c[i].length);
    check(n > SIZE / 160000 && n < SIZE / 50000, "%zu chunks: about 80 KiB each", n);
}

static void constant_bytes_are_cut_at_the_maximum(void)
{
    enum { SIZE = 1 << 20 };
    MLO_AUTOFREE struct mlo_chunk *c = NULL;
    MLO_AUTOFREE unsigned char *p = calloc(1, SIZE);
    size_t n = plan(p, SIZE, NULL, 0, &c);
    check_covers(c, n, SIZE);
    check(n == 4, "%zu chunks of 256 KiB", n);
}

/* The format's promise: these cuts never change. Taken from the definition, in Python, not from this program.
 */
static void cuts_are_part_of_the_format(void)
{
    enum { SIZE = 400000 };
    static const uint64_t want[] = {218219, 53475, 56514, 71792};
    MLO_AUTOFREE struct mlo_chunk *c = NULL;
    MLO_AUTOFREE unsigned char *p = noise(SIZE, 42);
    size_t n = plan(p, SIZE, NULL, 0, &c);
    check_int(n, MLO_COUNT(want));
    for (size_t i = 0; i < n && i < MLO_COUNT(want); i++)
        check_int(c[i].length, want[i]);
}

static void an_insertion_changes_few_chunks(void)
{
    enum { SIZE = 4 << 20, AT = 1 << 20 };
    MLO_AUTOFREE struct mlo_chunk *a = NULL;
    MLO_AUTOFREE struct mlo_chunk *b = NULL;
    MLO_AUTOFREE unsigned char *p = noise(SIZE, 3);
    MLO_AUTOFREE unsigned char *q = malloc(SIZE + 5);
    memcpy(q, p, AT);
    memcpy(q + AT, "12345", 5);
    memcpy(q + AT + 5, p + AT, SIZE - AT);
    size_t n = plan(p, SIZE, NULL, 0, &a), m = plan(q, SIZE + 5, NULL, 0, &b), same = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < m; j++)
            if (a[i].length == b[j].length && memcmp(p + a[i].offset, q + b[j].offset, a[i].length) == 0) {
                same++;
                break;
            }
    check(same + 3 >= n, "%zu of %zu chunks are the same", same, n);
}

static void tensors_are_chunks_of_their_own(void)
{
    enum { SIZE = 100000 };
    struct mlo_span spans[] = {{60000, 30000}, {8, 50000}};
    MLO_AUTOFREE struct mlo_chunk *c = NULL;
    MLO_AUTOFREE unsigned char *p = noise(SIZE, 5);
    size_t n = plan(p, SIZE, spans, 2, &c);
    check_covers(c, n, SIZE);
    check_int(n, 5);
    check(c[1].offset == 8 && c[1].length == 50000, "first tensor");
    check(c[3].offset == 60000 && c[3].length == 30000, "second tensor");
}

static void odd_spans_are_passed_over(void)
{
    enum { SIZE = 1000 };
    struct mlo_span spans[] = {{10, 0},          {100, 200},       {100, 50}, {250, 100}, {900, 101},
                               {UINT64_MAX, 10}, {10, UINT64_MAX}, {1000, 1}, {300, 100}};
    MLO_AUTOFREE struct mlo_chunk *c = NULL;
    MLO_AUTOFREE unsigned char *p = noise(SIZE, 5);
    size_t n = plan(p, SIZE, spans, MLO_COUNT(spans), &c);
    check_covers(c, n, SIZE);
    check_int(n, 4); /* 0..100, 100..300, 300..400, 400..1000 */
}

/* Reads nothing but says it is large. */
static int read_zeros(void *ctx, void *buf, size_t n, uint64_t off, struct mlo_err *err)
{
    (void)ctx, (void)off, (void)err;
    memset(buf, 0, n);
    return 0;
}

static void large_tensors_are_cut_from_their_start(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    uint64_t size = ((uint64_t)64 << 20) + 123 + ((uint64_t)65 << 20);
    struct mlo_source src = {.size = size, .read_at = read_zeros};
    struct mlo_span spans[] = {{123, (uint64_t)64 << 20}, {123 + ((uint64_t)64 << 20), (uint64_t)65 << 20}};
    MLO_AUTOFREE struct mlo_chunk *c = NULL;
    size_t n = 0;
    check_ok(mlo_chunk_spans(&src, spans, 2, &c, &n, &err), &err);
    check_covers(c, n, size);
    check_int(n, 1 + 1 + 5);
    check_int(c[1].length, (uint64_t)64 << 20); /* exactly 64 MiB is one */
    check_int(c[2].length, (uint64_t)16 << 20);
    check_int(c[6].length, (uint64_t)1 << 20);
}

static void large_files_have_large_chunks(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_source src = {.size = (uint64_t)64 << 20, .read_at = read_zeros};
    MLO_AUTOFREE struct mlo_chunk *c = NULL;
    size_t n = 0;
    check_ok(mlo_chunk_spans(&src, NULL, 0, &c, &n, &err), &err);
    check_int(n, 16); /* of the maximum, 4 MiB, because zeros never cut */
}

static int read_fails(void *ctx, void *buf, size_t n, uint64_t off, struct mlo_err *err)
{
    (void)ctx, (void)buf, (void)n, (void)off;
    return mlo_fail(err, MLO_EIO, "bad sector");
}

static void a_read_error_is_passed_on(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_source src = {.size = 1 << 20, .read_at = read_fails};
    struct mlo_chunk *c = NULL;
    size_t n = 0;
    check_err(mlo_chunk_spans(&src, NULL, 0, &c, &n, &err), MLO_EIO, &err, "bad sector");
}

static void a_checkpoint_gives_its_own_tensors(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_tensor t[] = {
        {.name = "a", .store = MLO_TS_RANGE, .offset = 100, .length = 200},
        {.name = "b", .store = MLO_TS_EXTERNAL, .external = "w.bin", .offset = 0, .length = 50},
        {.name = "c", .store = MLO_TS_NONE, .offset = 0, .length = 10},
        {.name = "d", .store = MLO_TS_DEFLATED, .offset = 500, .length = 100},
    };
    struct mlo_checkpoint cp = {.tensors = t, .n_tensors = MLO_COUNT(t)};
    struct mlo_spans own = {0}, external = {0};
    check_ok(mlo_spans_add(&own, &cp, NULL, &err), &err);
    check_ok(mlo_spans_add(&external, &cp, "w.bin", &err), &err);
    check_int(own.n, 2);
    check(external.n == 1 && external.list[0].length == 50, "external data");
    free(own.list);
    free(external.list);
    MLO_AUTOFREE struct mlo_chunk *c = NULL;
    MLO_AUTOFREE unsigned char *p = noise(1000, 5);
    struct mlo_mem mem = {p};
    struct mlo_source src = mlo_source_mem(&mem, 1000);
    size_t n = 0;
    check_ok(mlo_chunk_plan(&src, &cp, &c, &n, &err), &err);
    check_int(n, 5);
}

int main(void)
{
    run(the_table_is_what_the_format_says);
    run(an_empty_file_has_no_chunks);
    run(small_files_are_one_chunk);
    run(cuts_by_content_have_the_promised_sizes);
    run(constant_bytes_are_cut_at_the_maximum);
    run(cuts_are_part_of_the_format);
    run(an_insertion_changes_few_chunks);
    run(tensors_are_chunks_of_their_own);
    run(odd_spans_are_passed_over);
    run(large_tensors_are_cut_from_their_start);
    run(large_files_have_large_chunks);
    run(a_read_error_is_passed_on);
    run(a_checkpoint_gives_its_own_tensors);
    return done_testing();
}

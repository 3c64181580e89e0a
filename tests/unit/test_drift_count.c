/* Counting many cells at once gives to the last bit what counting one after the other gives. */
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#include "../../src/drift/internal.h"
#include "tap.h"

static struct mlo_err err;
static uint64_t state = 4;

static uint64_t random_below(uint64_t n)
{
    return mlo_random_next(&state) % n;
}

/* ---- sums ---- */

static double random_value(int kind)
{
    uint64_t bits = mlo_random_next(&state);
    double v;
    switch (kind) {
    case 0: /* any double at all, Inf and NaN too */
        memcpy(&v, &bits, sizeof v);
        return v;
    case 1: /* over many powers of two */
        return ldexp(mlo_random_unit(&state) - 0.5, (int)(bits % 200) - 100);
    case 2: /* too great to be cut */
        return ldexp(mlo_random_unit(&state) - 0.5, 1020);
    case 3: /* at the lower end */
        return ldexp((double)(bits % 4096) - 2048, -1074);
    case 4:
        return bits % 3 ? 0.0 : -0.0;
    default:
        return mlo_random_unit(&state) * 2 - 1;
    }
}

static bool same_sum(struct mlo_exact_sum *a, struct mlo_exact_sum *b)
{
    const struct mlo_exact_sum none = {0};
    mlo_exact_sum_merge(a, &none); /* carries passed on: one spelling */
    mlo_exact_sum_merge(b, &none);
    return memcmp(a->limb, b->limb, sizeof a->limb) == 0 &&
           (a->special == b->special || (isnan(a->special) && isnan(b->special)));
}

static void sums_of_many_are_those_of_each(void)
{
    static double x[2000];
    for (int round = 0; round < 3000; round++) {
        struct mlo_exact_sum one = {0}, all = {0};
        size_t n = (size_t)random_below(MLO_COUNT(x));
        for (size_t i = 0; i < n; i++) {
            x[i] = random_value(round % 6);
            mlo_exact_sum_add(&one, x[i]);
        }
        mlo_exact_sum_add_all(&all, x, n);
        check(same_sum(&one, &all), "kind %d, %zu numbers", round % 6, n);
    }
}

/* 65535 times 65537 is the most that there is. */
static void a_number_is_added_many_times(void)
{
    for (int round = 0; round < 30; round++) {
        struct mlo_exact_sum each = {0}, often = {0};
        double x = random_value(round % 6);
        for (int i = 0; i < 65537; i++)
            mlo_exact_sum_add_times(&each, x, 65535);
        mlo_exact_sum_add_times(&often, x, UINT32_MAX);
        check(same_sum(&each, &often), "%a", x);
        for (int i = 0; i < 300; i++)
            mlo_exact_sum_add(&each, -x);
        mlo_exact_sum_add_times(&often, -x, 300);
        check(same_sum(&each, &often), "%a", -x);
    }
}

static void extremes_hold_all(void)
{
    double x[100];
    for (int round = 0; round < 500; round++) {
        double low = 0.25, high = 0.25, want_low = low, want_high = high;
        size_t n = (size_t)random_below(MLO_COUNT(x));
        for (size_t i = 0; i < n; i++) {
            x[i] = random_value(5);
            want_low = fmin(want_low, x[i]);
            want_high = fmax(want_high, x[i]);
        }
        mlo_extremes(x, n, &low, &high);
        check(low == want_low && high == want_high);
    }
}

/* ---- bins ---- */

static size_t find_slowly(const struct mlo_bins *b, double v)
{
    size_t i = 0;
    while (i < b->n_edges && b->edges[i] <= v)
        i++;
    return i;
}

static void check_bins(const double *edges, size_t n)
{
    static const double odd[] = {-1.7e308, 1.7e308, -1e308, 1e308, 0, -0.0, 5e-324};
    struct mlo_bins b = {0};
    check_ok(mlo_bins_from_edges(edges, n, false, &b, &err), &err);
    for (size_t i = 0; i < n; i++) {
        check(mlo_bins_find(&b, edges[i]) == find_slowly(&b, edges[i]));
        check(mlo_bins_find(&b, nextafter(edges[i], -INFINITY)) == i);
    }
    for (size_t i = 0; i < MLO_COUNT(odd); i++)
        check(mlo_bins_find(&b, odd[i]) == find_slowly(&b, odd[i]), "%g in %zu edges", odd[i], n);
    for (int i = 0; i < 1000; i++) {
        double v = exp(mlo_random_unit(&state) * 20) - 1e4;
        check(mlo_bins_find(&b, v) == find_slowly(&b, v), "%g in %zu edges", v, n);
    }
    mlo_bins_release(&b);
}

static void bins_are_found_however_edges_lie(void)
{
    double edges[257];
    check_bins(NULL, 0);
    for (size_t n = 1; n <= MLO_COUNT(edges); n += n < 8 ? 1 : 31)
        for (int shape = 0; shape < 4; shape++) {
            double at = shape == 2 ? -1.7e308 : -50;
            for (size_t i = 0; i < n; i++) {
                at = shape == 0   ? at + 1
                     : shape == 1 ? nextafter(at, INFINITY)          /* all in one cell */
                     : shape == 2 ? at + 1.3e306                     /* wider than doubles */
                                  : -50 + exp((double)i * 0.1) / 10; /* dense at one end */
                edges[i] = at;
            }
            check_bins(edges, n);
        }
}

/* ---- a column ---- */

#define ROWS ((size_t)3001)

static void make_column(struct mlo_profile_column *c)
{
    static const double edges[] = {-0.5, -0.25, 0, 0.1, 0.2, 0.75};
    struct mlo_bins b = {0};
    *c = (struct mlo_profile_column){.type = MLO_COLUMN_NUMBER, .min = INFINITY, .max = -INFINITY};
    check_ok(mlo_bins_from_edges(edges, MLO_COUNT(edges), false, &b, &err), &err);
    check_ok(mlo_profile_set_bins(c, &b, 0.125, &err), &err);
    mlo_bins_release(&b);
}

static void count_one(struct mlo_profile_column *c, double v)
{
    double d = v - c->centre;
    c->n++;
    c->counts[find_slowly(&c->bins, v)]++;
    mlo_exact_sum_add(&c->sum, d);
    mlo_exact_sum_add(&c->squares, d * d);
    c->min = fmin(c->min, v);
    c->max = fmax(c->max, v);
}

static void check_same_column(struct mlo_profile_column *a, struct mlo_profile_column *b)
{
    check(a->n == b->n && a->missing == b->missing && a->nan == b->nan && a->bad == b->bad);
    check(a->min == b->min && a->max == b->max);
    check(memcmp(a->counts, b->counts, (a->bins.n_edges + 1) * sizeof *a->counts) == 0);
    check(same_sum(&a->sum, &b->sum) && same_sum(&a->squares, &b->squares));
}

static void release_column(struct mlo_profile_column *c)
{
    free(c->counts);
    mlo_bins_release(&c->bins);
    mlo_sketch_release(&c->below);
    mlo_sketch_release(&c->above);
}

/* In batches of any length, with and without states of the cells. */
static void numbers_are_counted_as_one_by_one(void)
{
    static double v[ROWS];
    static uint8_t cell[ROWS];
    struct mlo_profile_column want, got;
    struct mlo_pending pending = {0};
    make_column(&want);
    make_column(&got);
    for (size_t r = 0; r < ROWS; r++) {
        v[r] = random_value(5);
        cell[r] = r < 1000 || random_below(4) ? MLO_CELL_OK : (uint8_t)random_below(MLO_CELL_BAD + 1);
        want.missing += cell[r] == MLO_CELL_MISSING;
        want.nan += cell[r] == MLO_CELL_NAN;
        want.bad += cell[r] == MLO_CELL_BAD;
        if (cell[r] == MLO_CELL_OK)
            count_one(&want, v[r]);
    }
    for (size_t r = 0, n; r < ROWS; r += n) {
        n = 1 + (size_t)random_below(r < 1000 ? 1000 - r : ROWS - r);
        mlo_count_numbers(&got, &pending,
                          &(struct mlo_batch_column){.numbers = v + r, .cell = r < 1000 ? NULL : cell + r},
                          n);
    }
    mlo_count_pending(&got, &pending);
    check_same_column(&got, &want);
    release_column(&want);
    release_column(&got);
}

static void a_value_counts_as_often_as_it_stands(void)
{
    static double v[ROWS], all[ROWS * 8];
    static uint8_t cell[ROWS];
    static uint32_t times[ROWS];
    struct mlo_profile_column want, got;
    union mlo_waiting waiting = {0}, ignored = {0};
    size_t n = 0;
    make_column(&want);
    make_column(&got);
    for (size_t r = 0; r < ROWS; r++) {
        v[r] = random_value(5);
        times[r] = (uint32_t)random_below(8);
        cell[r] = random_below(9) ? MLO_CELL_OK : (uint8_t)random_below(MLO_CELL_BAD + 1);
        want.missing += cell[r] == MLO_CELL_MISSING ? times[r] : 0;
        want.nan += cell[r] == MLO_CELL_NAN ? times[r] : 0;
        want.bad += cell[r] == MLO_CELL_BAD ? times[r] : 0;
        for (uint32_t k = 0; k < times[r] && cell[r] == MLO_CELL_OK; k++)
            all[n++] = v[r];
    }
    const struct mlo_column_cells plain = {.n = n, .cells = {.numbers = all}};
    const struct mlo_column_cells some = {.n = ROWS, .cells = {.numbers = v, .cell = cell}, .times = times};
    check_ok(mlo_count_cells(&want, &ignored, &plain, &err), &err);
    mlo_count_pending(&want, &ignored.pending);
    check_ok(mlo_count_cells(&got, &waiting, &some, &err), &err);
    mlo_count_pending(&got, &waiting.pending);
    check_same_column(&got, &want);
    check(got.below.n == want.below.n && got.above.n == want.above.n && got.below.n > 0 && got.above.n > 0);
    for (double q = 0.5; q < (double)want.above.n; q += 7)
        check(mlo_sketch_at(&got.above, q) == mlo_sketch_at(&want.above, q));
    release_column(&want);
    release_column(&got);
}

/* ---- texts ---- */

static size_t random_word(char *to)
{
    size_t n = (size_t)random_below(20);
    for (size_t i = 0; i < n; i++)
        to[i] = (char)(random_below(50) ? 'a' + (int)random_below(2) : (int)random_below(256));
    return n;
}

static void check_same_categories(const struct mlo_categories *a, const struct mlo_categories *b)
{
    check_int(a->count, b->count);
    for (size_t i = 0; i < a->cap; i++) {
        const struct mlo_category *k = &a->slots[i], *other = k->text ? mlo_categories_same(b, k) : NULL;
        if (k->text)
            check(other && other->count == k->count, "'%s'", k->text);
    }
}

static void recent_texts_are_counted_as_all_are(void)
{
    struct mlo_categories want, got;
    static struct mlo_recent recent;
    char word[20];
    mlo_categories_init(&want);
    mlo_categories_init(&got);
    for (int i = 0; i < 30000; i++) {
        size_t n = random_word(word);
        check_ok(mlo_categories_add(&want, word, n, 1, &err), &err);
        check_ok(mlo_recent_add(&recent, &got, (struct mlo_slice){word, n}, &err), &err);
    }
    check_ok(mlo_recent_flush(&recent, &got, &err), &err);
    check_ok(mlo_recent_flush(&recent, &got, &err), &err); /* nothing is left */
    check_same_categories(&got, &want);
    check_same_categories(&want, &got);
    mlo_categories_release(&want);
    mlo_categories_release(&got);
}

static void codes_count_as_their_texts(void)
{
    static const struct mlo_slice words[] = {
        {"a", 1}, {"long enough to be no recent one", 31}, {"", 0}, {"b", 1}};
    static uint32_t codes[ROWS];
    static struct mlo_slice texts[ROWS];
    static uint8_t cell[ROWS];
    static struct mlo_recent recent;
    struct mlo_profile_column coded = {.type = MLO_COLUMN_TEXT}, plain = {.type = MLO_COLUMN_TEXT};
    mlo_categories_init(&coded.categories);
    mlo_categories_init(&plain.categories);
    for (size_t r = 0; r < ROWS; r++) {
        cell[r] = random_below(5) ? MLO_CELL_OK : MLO_CELL_MISSING;
        codes[r] = cell[r] == MLO_CELL_OK ? (uint32_t)random_below(3) : UINT32_MAX;
        texts[r] = words[codes[r] % MLO_COUNT(words)];
    }
    struct mlo_batch_column b = {
        .cell = cell, .codes = codes, .dictionary = words, .n_dictionary = MLO_COUNT(words)};
    check_ok(mlo_count_texts(&coded, &recent, &b, ROWS, &err), &err);
    b = (struct mlo_batch_column){.cell = cell, .texts = texts};
    check_ok(mlo_count_texts(&plain, &recent, &b, ROWS, &err), &err);
    check_ok(mlo_recent_flush(&recent, &plain.categories, &err), &err);
    check(coded.n == plain.n && coded.missing == plain.missing && coded.n + coded.missing == ROWS);
    check_same_categories(&coded.categories, &plain.categories);
    check_same_categories(&plain.categories, &coded.categories);
    uint32_t times[MLO_COUNT(words)] = {0}, missing = 0;
    for (size_t r = 0; r < ROWS; r++)
        *(cell[r] == MLO_CELL_OK ? &times[codes[r]] : &missing) += 1;
    struct mlo_profile_column counted = {.type = MLO_COLUMN_TEXT};
    mlo_categories_init(&counted.categories);
    const struct mlo_column_cells met = {.n = MLO_COUNT(words), .cells = {.texts = words}, .times = times};
    const struct mlo_column_cells none = {
        .n = 1, .cells = {.cell = &(uint8_t){MLO_CELL_MISSING}}, .times = &missing};
    check_ok(mlo_count_cells(&counted, NULL, &met, &err), &err);
    check_ok(mlo_count_cells(&counted, NULL, &none, &err), &err);
    check(counted.n == plain.n && counted.missing == plain.missing);
    check_same_categories(&counted.categories, &plain.categories);
    check_same_categories(&plain.categories, &counted.categories);
    mlo_categories_release(&counted.categories);
    mlo_categories_release(&coded.categories);
    mlo_categories_release(&plain.categories);
}

/* ---- the sample of edges ---- */

/* Newlines and separators within quotes: places that are read ahead begin anywhere in such a text. */
static void write_quoted(const char *path, int rows)
{
    FILE *f = fopen(path, "w");
    fprintf(f, "x,note\n");
    for (int i = 0; i < rows; i++)
        fprintf(f, "%d.5,\"line one of %d,\nsaid \"\"%d,7\"\"\n%d,9\n\"\n", i, i, i, i);
    fclose(f);
}

static void a_sample_may_begin_within_quotes(void)
{
    char path[4200];
    const char *paths[] = {path};
    snprintf(path, sizeof path, "%s/quoted.csv", tap_tmpdir());
    write_quoted(path, 20000);
    for (unsigned threads = 1; threads <= 3; threads += 2) {
        struct mlo_table_opts to = {.threads = threads, .block_bytes = 1024};
        struct mlo_profile_opts po = {0};
        struct mlo_table *t = NULL;
        struct mlo_profile *p = NULL;
        check_ok(mlo_table_open(paths, 1, &to, &t, &err), &err);
        check_ok(mlo_profile_table(t, &po, &p, &err), &err);
        const struct mlo_profile_column *x = mlo_profile_find(p, "x");
        check_int(p->rows, 20000);
        check_int(p->ragged, 0);
        check_int(x->n, 20000);
        for (int q = 1; q < 10; q++)
            check(fabs(mlo_profile_quantile(x, q / 10.0) - 2000 * q) < 600, "decile %d: %g", q,
                  mlo_profile_quantile(x, q / 10.0));
        mlo_profile_free(p);
        mlo_table_close(t);
    }
}

int main(void)
{
    run(sums_of_many_are_those_of_each);
    run(a_number_is_added_many_times);
    run(extremes_hold_all);
    run(bins_are_found_however_edges_lie);
    run(numbers_are_counted_as_one_by_one);
    run(a_value_counts_as_often_as_it_stands);
    run(recent_texts_are_counted_as_all_are);
    run(codes_count_as_their_texts);
    run(a_sample_may_begin_within_quotes);
    return done_testing();
}

/* The parts below the rules: hashes, keys in bounded memory, exact moments, patterns, shapes. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../../src/validate/internal.h"
#include "../../src/validate/shape.h"
#include "tap.h"

static struct mlo_err err;

/* The first and last of the vectors published with the reference implementation: key 00..0f, input 00 01 02
 * ... */
static void siphash_is_as_published(void)
{
    static const struct {
        size_t n;
        unsigned char out[16];
    } cases[] = {
        {0, {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93}},
        {1, {0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc, 0x45}},
    };
    unsigned char in[64];
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (unsigned char)i;
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        struct mlo_key got = mlo_siphash(in, cases[i].n);
        unsigned char bytes[16];
        for (size_t k = 0; k < 8; k++) {
            bytes[k] = (unsigned char)(got.a >> 8 * k);
            bytes[8 + k] = (unsigned char)(got.b >> 8 * k);
        }
        check(memcmp(bytes, cases[i].out, 16) == 0, "of %zu bytes", cases[i].n);
    }
}

static struct mlo_key key_of(unsigned v)
{
    return mlo_siphash(&v, sizeof v);
}

static mlo_place add(struct mlo_keys *k, unsigned v, mlo_place at, uint64_t label)
{
    mlo_place repeat = 0;
    check_ok(mlo_keys_add(k, key_of(v), at, label, &repeat, &err), &err);
    return repeat;
}

static void a_repetition_is_told_once_in_any_order(void)
{
    static const mlo_place orders[][3] = {{1, 2, 3}, {3, 2, 1}, {2, 3, 1}, {2, 1, 3}, {3, 1, 2}, {1, 3, 2}};
    for (size_t i = 0; i < MLO_COUNT(orders); i++) {
        struct mlo_keys *k = NULL;
        struct mlo_keys_facts f;
        mlo_place sum = 0;
        bool told;
        check_ok(mlo_keys_new(0, false, &k, &err), &err);
        check(add(k, 7, orders[i][0], 0) == MLO_NO_PLACE);
        for (int j = 1; j < 3; j++)
            sum += add(k, 7, orders[i][j], 0);
        check_int(sum, 2 + 3);
        check_int(mlo_keys_find(k, key_of(7), &told), 1);
        check(told && mlo_keys_find(k, key_of(8), &told) == MLO_NO_PLACE && told);
        mlo_keys_facts(k, &f);
        check(f.rows == 3 && f.repeats == 2 && f.share == 1);
        mlo_keys_free(k);
    }
}

static void of_two_labels_the_two_first_places_stay(void)
{
    static const struct {
        mlo_place at;
        uint64_t label;
    } rows[] = {{5, 1}, {9, 1}, {3, 2}, {7, 2}, {4, 3}};
    for (unsigned order = 0; order < 120; order++) { /* every permutation */
        struct mlo_first_two t = {MLO_NO_PLACE, MLO_NO_PLACE, 0, 0};
        unsigned left = order, used = 0;
        for (unsigned n = 5; n > 0; n--) {
            unsigned nth = left % n, at = 0;
            left /= n;
            for (;; at++)
                if (!(used & 1U << at) && nth-- == 0)
                    break;
            used |= 1U << at;
            mlo_first_two_add(&t, rows[at].at, rows[at].label);
        }
        check(t.first == 3 && t.label == 2 && t.other == 4 && t.other_label == 3, "order %u", order);
    }
}

/* Each key twice, upwards and downwards. */
static void fill(uint64_t max, bool down, struct mlo_keys_facts *ret)
{
    struct mlo_keys *k = NULL;
    check_ok(mlo_keys_new(max, false, &k, &err), &err);
    for (unsigned i = 0; i < 20000; i++) {
        unsigned v = down ? 19999 - i : i;
        add(k, v / 2, v, 0);
    }
    mlo_keys_facts(k, ret);
    mlo_keys_free(k);
}

static void when_full_a_part_of_the_keys_stays_whatever_the_order(void)
{
    static const uint64_t sizes[] = {64, 128, 1000, 5000};
    for (size_t i = 0; i < MLO_COUNT(sizes); i++) {
        struct mlo_keys_facts up, down;
        fill(sizes[i], false, &up);
        fill(sizes[i], true, &down);
        check(up.share < 1 && up.share == down.share && up.rows == down.rows, "%d keys", (int)sizes[i]);
        check(up.rows == 2 * up.repeats && up.rows <= 2 * sizes[i] + 128);
    }
}

static void mixed_labels_are_listed_by_place(void)
{
    struct mlo_keys *k = NULL;
    struct mlo_first_two two[3];
    struct mlo_keys_facts f;
    check_ok(mlo_keys_new(0, true, &k, &err), &err);
    for (unsigned i = 0; i < 100; i++)
        add(k, i % 20, i, i % 20 < 10 ? i / 20 : 0);
    check_int(mlo_keys_mixed(k, two, 3), 3);
    check(two[0].other == 20 && two[0].first == 0 && two[1].other == 21 && two[2].other == 22);
    mlo_keys_facts(k, &f);
    check(f.mixed == 50 && f.rows == 100);
    mlo_keys_free(k);
}

static void moments_are_exact_where_doubles_are_not(void)
{
    static struct mlo_sums s, a, b;
    for (int i = 0; i < 1000; i++) {
        double v = 1e9 + (i % 10) * 0.25;
        mlo_sums_add(&s, v);
        mlo_sums_add(i % 3 ? &a : &b, v);
    }
    mlo_sums_merge(&a, &b);
    check(mlo_sums_mean(&s) == 1e9 + 1.125 && mlo_sums_mean(&a) == mlo_sums_mean(&s));
    check(fabs(mlo_sums_sd(&s) - 0.71842964) < 1e-7, "%.9f", mlo_sums_sd(&s));
    check(mlo_sums_sd(&a) == mlo_sums_sd(&s));
    static struct mlo_sums one;
    check(mlo_sums_sd(&one) == 0 && mlo_sums_mean(&one) == 0);
    mlo_sums_add(&one, 3);
    check(mlo_sums_sd(&one) == 0 && mlo_sums_mean(&one) == 3);
}

static bool matches(const char *pattern, const char *text)
{
    struct mlo_pattern *p = NULL;
    struct mlo_matcher m = {0};
    bool yes = false;
    if (check_ok(mlo_pattern_new(pattern, &p, &err), &err) && check_ok(mlo_matcher_init(&m, &err), &err))
        yes = mlo_pattern_match(p, &m, (struct mlo_slice){text, strlen(text)}) == MLO_MATCHED_YES;
    mlo_matcher_release(&m);
    mlo_pattern_free(p);
    return yes;
}

static void a_pattern_matches_the_whole_value(void)
{
    check(matches("[a-z]+", "abc") && !matches("[a-z]+", "abc1") && !matches("b", "abc") &&
          matches("a|abc", "abc"));
    check(!matches("abc", "abc\n") && matches(".", "\xc3\xb6") && !matches("..", "\xc3\xb6") &&
          !matches(".", "\xff"));
    check(!matches("(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"));
    check(matches("(a|a?)+b?[ab]c|(a+a+)+x*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"));
}

static void show_shape(const char *const *texts, const char *want)
{
    struct mlo_shape s = {0};
    MLO_AUTOSTR struct mlo_str out;
    mlo_str_init(&out, 4096);
    for (; *texts; texts++)
        mlo_shape_add(&s, (struct mlo_slice){*texts, strlen(*texts)});
    bool has = mlo_shape_pattern(&s, &out);
    check_str(has ? out.ptr : "none", want);
}

static void shapes_are_what_texts_have_in_common(void)
{
    show_shape((const char *const[]){"AB-1234", "XY-77", NULL}, "[A-Z]{2}-[0-9]{2,4}");
    show_shape((const char *const[]){"007", "12", NULL}, "[0-9]{2,3}");
    show_shape((const char *const[]){"a.b(c)", "x.y(z)", NULL}, "[a-z]\\.[a-z]\\([a-z]\\)");
    show_shape((const char *const[]){"abc", "de", NULL}, "none");
    show_shape((const char *const[]){"a1", "1a", NULL}, "none");
    show_shape((const char *const[]){"a 1", NULL}, "none");
    show_shape((const char *const[]){NULL}, "none");
}

static int keys_and_patterns(void)
{
    struct mlo_keys *k = NULL;
    struct mlo_pattern *p = NULL;
    mlo_place repeat;
    err = MLO_ERR_INIT;
    int rc = mlo_keys_new(100, true, &k, &err);
    for (unsigned i = 0; rc == 0 && i < 1000; i++)
        rc = mlo_keys_add(k, key_of(i), i, i, &repeat, &err);
    mlo_keys_free(k);
    if (rc == 0)
        rc = mlo_pattern_new("a+", &p, &err);
    mlo_pattern_free(p);
    return rc;
}

static void parts_survive_every_failure_of_memory(void)
{
    check(each_alloc_failure(keys_and_patterns) > 5);
}

int main(void)
{
    run(siphash_is_as_published);
    run(a_repetition_is_told_once_in_any_order);
    run(of_two_labels_the_two_first_places_stay);
    run(when_full_a_part_of_the_keys_stays_whatever_the_order);
    run(mixed_labels_are_listed_by_place);
    run(moments_are_exact_where_doubles_are_not);
    run(a_pattern_matches_the_whole_value);
    run(shapes_are_what_texts_have_in_common);
    run(parts_survive_every_failure_of_memory);
    return done_testing();
}

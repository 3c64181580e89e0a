/* What became of predictions: counts of profiles, merging to the same bytes, the file, hostile files. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "drift_help.h"

static const char header[] = "x,z,seg,score,answer,name,truth,word,price,guess\n";

/* A model that is right about x and z: answer by score, the same in words, and a price with its guess. */
static void write_rows(FILE *f, uint64_t seed, int n)
{
    for (int i = 0; i < n; i++) {
        double x = normal(&seed), z = normal(&seed), s = 1 / (1 + exp(-1.5 * x - z));
        bool answer = s >= 0.5, truth = mlo_random_unit(&seed) < s, labelled = mlo_random_unit(&seed) < 0.9;
        double price = 10 + 3 * x, guess = price + normal(&seed);
        if (mlo_random_unit(&seed) < 0.95)
            fprintf(f, "%.5f", x);
        fprintf(f, ",%.5f,s%d,%.6f,%d,%s,", z, (int)(mlo_random_unit(&seed) * 5), s, answer,
                answer ? "good" : "bad");
        if (labelled)
            fprintf(f, "%d,%s,%.4f,%.4f\n", truth, truth ? "good" : "bad", price, guess);
        else
            fprintf(f, ",,,%.4f\n", guess);
    }
}

static void write_table(const char *file, uint64_t seed, int n)
{
    FILE *f = fopen(file, "w");
    fputs(header, f);
    write_rows(f, seed, n);
    fclose(f);
}

static const struct mlo_column_use by_class[] = {{"answer", MLO_ROLE_PREDICTION},
                                                 {"score", MLO_ROLE_SCORE},
                                                 {"truth", MLO_ROLE_LABEL},
                                                 {"guess", MLO_ROLE_IGNORE}};
static const struct mlo_column_use by_word[] = {
    {"name", MLO_ROLE_PREDICTION}, {"score", MLO_ROLE_SCORE}, {"word", MLO_ROLE_LABEL}};
static const struct mlo_column_use by_number[] = {{"guess", MLO_ROLE_PREDICTION}, {"price", MLO_ROLE_LABEL}};
static const struct mlo_column_use by_score[] = {{"score", MLO_ROLE_SCORE}, {"truth", MLO_ROLE_LABEL}};

static const struct way {
    const struct mlo_column_use *roles;
    size_t n;
    const char *positive, *holds;
} ways[] = {
    {by_class, MLO_COUNT(by_class), NULL, "\"classes\":[\"0\",\"1\"]"},
    {by_word, MLO_COUNT(by_word), "good", "\"classes\":[\"bad\",\"good\"]"},
    {by_number, MLO_COUNT(by_number), NULL, "\"kind\":\"numbers\""},
    {by_score, MLO_COUNT(by_score), NULL, "\"by_score\":true"},
};

static struct mlo_profile *profile(const char *file, const struct mlo_profile *like, const struct way *way,
                                   unsigned threads)
{
    struct mlo_profile_opts po = {.like = like};
    if (way && !like) {
        po.roles = way->roles;
        po.n_roles = way->n;
        po.positive = way->positive;
    }
    return profile_with(file, &po, threads);
}

static void check_same(struct mlo_profile *p, struct mlo_profile *q)
{
    char *a = text_of(p), *b = text_of(q);
    check(strcmp(a, b) == 0);
    free(a);
    free(b);
    mlo_profile_free(p);
    mlo_profile_free(q);
}

static void counts_are_those_of_the_rows(void)
{
    FILE *f = fopen(path("few.csv"), "w");
    fputs("x,p,s,y\n1,1,0.9,1\n2,0,0.2,1\n1,1,0.9,0\n3,0,0.2,0\n2,1,0.9,\n,0,0.2,0\n", f);
    fclose(f);
    static const struct mlo_column_use roles[] = {
        {"p", MLO_ROLE_PREDICTION}, {"s", MLO_ROLE_SCORE}, {"y", MLO_ROLE_LABEL}};
    const struct way way = {roles, MLO_COUNT(roles), NULL, NULL};
    struct mlo_profile *p = profile(path("few.csv"), NULL, &way, 1);
    char *text = text_of(p);
    const char *o = strstr(text, "\"outcome\"");
    check(o && strstr(o, "\"judged\":5,\"right\":3,"), "%s", o ? o : "none");
    check(o && strstr(o, "\"confusion\":[2,1,1,1]")); /* label 0: 2 as 0, 1 as 1; label 1: 1 as 0, 1 as 1 */
    check(o && strstr(o, "\"yes\":[0,1,1,0],\"no\":[0,2,1,0],\"taken\":[0,0,3,0],\"left\":[0,3,0,0]"));
    check(o &&
          strstr(o, "\"missing_right\":1,\"missing_wrong\":0,\"right\":[0,1,0,1,0],\"wrong\":[0,1,1,0,0]"));
    free(text);
    mlo_profile_free(p);
}

static void threads_change_nothing(void)
{
    write_table(path("a.csv"), 1, 40000);
    for (size_t i = 0; i < MLO_COUNT(ways); i++)
        check_same(profile(path("a.csv"), NULL, &ways[i], 1), profile(path("a.csv"), NULL, &ways[i], 4));
}

static void shards_merge_to_the_same_bytes(void)
{
    FILE *all = fopen(path("all.csv"), "w");
    fputs(header, all);
    for (unsigned i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "s%u.csv", i);
        write_table(path(name), 50 + i, 2000);
        write_rows(all, 50 + i, 2000);
    }
    fclose(all);
    for (size_t i = 0; i < MLO_COUNT(ways); i++) {
        struct mlo_profile *like = profile(path("a.csv"), NULL, &ways[i], 2),
                           *whole = profile(path("all.csv"), like, NULL, 2), *s[3];
        for (unsigned k = 0; k < 3; k++) {
            char name[16];
            snprintf(name, sizeof name, "s%u.csv", k);
            s[k] = profile(path(name), like, NULL, 1 + k);
        }
        check_ok(mlo_profile_merge(s[2], s[0], &err), &err);
        check_ok(mlo_profile_merge(s[2], s[1], &err), &err);
        check_same(whole, s[2]);
        mlo_profile_free(s[0]);
        mlo_profile_free(s[1]);
        mlo_profile_free(like);
    }
}

static void other_ways_are_not_merged(void)
{
    struct mlo_profile *like = profile(path("a.csv"), NULL, NULL, 1), *a, *b;
    a = profile(path("a.csv"), NULL, &ways[0], 1);
    b = profile(path("a.csv"), NULL, &ways[3], 1);
    check_err(mlo_profile_merge(a, b, &err), MLO_EUSAGE, &err, "");
    check_err(mlo_profile_merge(a, like, &err), MLO_EUSAGE, &err, "");
    check_err(mlo_profile_set_roles(a, by_number, 1, &err), MLO_EUSAGE, &err, "ignore");
    mlo_profile_free(a);
    mlo_profile_free(b);
    mlo_profile_free(like);
}

/* More classes than are told apart: the same on every path to it. */
static void many_classes_are_forgotten_everywhere(void)
{
    static const struct mlo_column_use roles[] = {{"p", MLO_ROLE_PREDICTION}, {"y", MLO_ROLE_LABEL}};
    const struct way way = {roles, MLO_COUNT(roles), NULL, NULL};
    FILE *all = fopen(path("all.csv"), "w"), *s[2] = {fopen(path("s0.csv"), "w"), fopen(path("s1.csv"), "w")};
    fputs("p,y\n", all);
    for (int i = 0; i < 2; i++)
        fputs("p,y\n", s[i]);
    for (int i = 0; i < 500; i++) {
        fprintf(all, "c%d,c%d\n", i % 100, i % 50);
        fprintf(s[i % 100 >= 50], "c%d,c%d\n", i % 100, i % 50);
    }
    fclose(all);
    fclose(s[0]);
    fclose(s[1]);
    struct mlo_profile *whole = profile(path("all.csv"), NULL, &way, 1),
                       *a = profile(path("s0.csv"), whole, NULL, 1),
                       *b = profile(path("s1.csv"), whole, NULL, 1);
    char *text = text_of(a);
    check(strstr(text, "\"c49\"") && strstr(text, "\"confusion\""), "fifty are told apart");
    free(text);
    text = text_of(whole);
    check(!strstr(text, "\"confusion\""));
    free(text);
    check_ok(mlo_profile_merge(b, a, &err), &err);
    check_same(whole, b);
    mlo_profile_free(a);
}

static void reads_what_it_wrote(void)
{
    for (size_t i = 0; i < MLO_COUNT(ways); i++) {
        struct mlo_profile *p = profile(path("a.csv"), NULL, &ways[i], 2), *q = NULL;
        char *a = text_of(p);
        check(strstr(a, ways[i].holds) != NULL, "%s", ways[i].holds);
        check_ok(mlo_profile_read(a, strlen(a), &q, &err), &err);
        free(a);
        check_same(p, q);
    }
}

/* One member at a time says what cannot be. */
static void hostile_files_are_refused(void)
{
    static const struct {
        size_t way;
        const char *from, *to;
    } lies[] = {
        {0, "\"kind\":\"classes\"", "\"kind\":\"clusses\""},
        {0, "\"judged\":", "\"judged\":9"},
        {0, "\"judged\":", "\"judged\":-"},
        {0, "\"label\":\"truth\"", "\"label\":\"trutz\""},
        {0, "\"score\":\"score\"", "\"score\":\"seg\""},
        {0, "\"classes\":[\"0\",\"1\"]", "\"classes\":[\"1\",\"0\"]"},
        {0, "\"classes\":[\"0\",\"1\"]", "\"classes\":[\"0\",\"0\"]"},
        {0, "\"confusion\":[", "\"confusion\":[1,"},
        {0, "\"confusion\":[", "\"confusion\":[7"},
        {0, "\"yes\":[", "\"yes\":[0,"},
        {0, "\"taken\":[", "\"taken\":[0.5,"},
        {0, "\"score_sums\":[\"", "\"score_sums\":[\"zz"},
        {0, "\"scored\":", "\"scored\":99"},
        {0, "\"missing_right\":", "\"missing_right\":1"},
        {0, "\"right\":[", "\"right\":[-1,"},
        {2, "\"measured\":", "\"measured\":99"},
        {2, "\"fourth\":\"", "\"fourth\":\"1"},
        {2, "\"absolute\":\"", "\"absolutely\":\""},
    };
    for (size_t i = 0; i < MLO_COUNT(lies); i++) {
        struct mlo_profile *p = profile(path("a.csv"), NULL, &ways[lies[i].way], 2), *q = NULL;
        char *a = text_of(p), *at = strstr(strstr(a, "\"outcome\""), lies[i].from);
        struct mlo_str s;
        mlo_str_init(&s, MLO_STR_MAX);
        if (check(at != NULL, "%s", lies[i].from)) {
            mlo_str_addn(&s, a, (size_t)(at - a));
            mlo_str_add(&s, lies[i].to);
            mlo_str_add(&s, at + strlen(lies[i].from));
            int rc = mlo_profile_read(s.ptr, s.len, &q, &err);
            check(rc == MLO_EINVALID, "%s: %d %s", lies[i].to, rc, err.msg);
        }
        mlo_str_release(&s);
        free(a);
        mlo_profile_free(p);
    }
}

static int under_memory_faults(void)
{
    struct mlo_table_opts to = {.threads = 1};
    struct mlo_profile_opts po = {.roles = by_class, .n_roles = MLO_COUNT(by_class)};
    struct mlo_table *t = NULL;
    struct mlo_profile *p = NULL, *q = NULL;
    const char *small = path("small.csv");
    struct mlo_str s;
    struct mlo_err e = MLO_ERR_INIT;
    mlo_str_init(&s, MLO_STR_MAX);
    int rc = mlo_table_open(&small, 1, &to, &t, &e);
    if (rc == 0)
        rc = mlo_profile_table(t, &po, &p, &e);
    if (rc == 0)
        rc = mlo_profile_write(p, &s, &e);
    if (rc == 0)
        rc = mlo_profile_read(s.ptr, s.len, &q, &e);
    mlo_table_close(t);
    mlo_profile_free(p);
    mlo_profile_free(q);
    mlo_str_release(&s);
    return rc;
}

static void memory_runs_out(void)
{
    write_table(path("small.csv"), 3, 30);
    check(each_alloc_failure(under_memory_faults) > 20);
}

int main(void)
{
    run(counts_are_those_of_the_rows);
    run(threads_change_nothing);
    run(shards_merge_to_the_same_bytes);
    run(other_ways_are_not_merged);
    run(many_classes_are_forgotten_everywhere);
    run(reads_what_it_wrote);
    run(hostile_files_are_refused);
    run(memory_runs_out);
    return done_testing();
}

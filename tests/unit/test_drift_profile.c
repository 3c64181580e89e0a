/* Profiles: counts, edges, merging of shards to the same bytes, the file. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/drift.h>

#include "tap.h"

static struct mlo_err err;

/* A table of n rows from `seed`: a normal-like number, a few whole numbers, a word, a column with gaps. */
static void write_table(const char *path, uint64_t seed, int n, int first)
{
    FILE *f = fopen(path, "w");
    fprintf(f, "id,x,k,word,gap\n");
    for (int i = 0; i < n; i++) {
        double x = 0;
        for (int j = 0; j < 12; j++)
            x += mlo_random_unit(&seed);
        unsigned k = (unsigned)(mlo_random_unit(&seed) * 7);
        fprintf(f, "%d,%.6f,%u,w%u,", first + i, x - 6, k, (unsigned)(mlo_random_unit(&seed) * 20));
        fprintf(f, i % 5 ? "%d.5\n" : "\n", i % 11);
    }
    fclose(f);
}

static struct mlo_profile *profile(const char *path, const struct mlo_profile *like, unsigned threads)
{
    struct mlo_table_opts to = {.threads = threads};
    struct mlo_profile_opts po = {.like = like};
    struct mlo_table *t = NULL;
    struct mlo_profile *p = NULL;
    check_ok(mlo_table_open(&path, 1, &to, &t, &err), &err);
    check_ok(mlo_profile_table(t, &po, &p, &err), &err);
    mlo_table_close(t);
    return p;
}

static char *text_of(const struct mlo_profile *p)
{
    struct mlo_str s;
    mlo_str_init(&s, MLO_STR_MAX);
    check_ok(mlo_profile_write(p, &s, &err), &err);
    return mlo_str_detach(&s, NULL);
}

static const char *path(const char *name)
{
    static char buf[4][MLO_PATH_MAX];
    static int at;
    char *p = buf[at++ % 4];
    snprintf(p, sizeof buf[0], "%s/%s", tap_tmpdir(), name);
    return p;
}

static void says_the_same_however_many_threads(void)
{
    write_table(path("a.csv"), 1, 60000, 0);
    struct mlo_profile *one = profile(path("a.csv"), NULL, 1), *four = profile(path("a.csv"), NULL, 4);
    char *a = text_of(one), *b = text_of(four);
    check(strcmp(a, b) == 0);
    free(a);
    free(b);
    mlo_profile_free(one);
    mlo_profile_free(four);
}

static void shards_merge_to_the_same_bytes(void)
{
    write_table(path("all.csv"), 7, 9000, 0);
    FILE *in = fopen(path("all.csv"), "r"), *out[3];
    char header[64], line[256];
    check(fgets(header, sizeof header, in) != NULL);
    for (int i = 0; i < 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "s%d.csv", i);
        out[i] = fopen(path(name), "w");
        fputs(header, out[i]);
    }
    for (int i = 0; fgets(line, sizeof line, in); i++)
        fputs(line, out[(i * 7 + i / 100) % 3]);
    fclose(in);
    for (int i = 0; i < 3; i++)
        fclose(out[i]);
    struct mlo_profile *reference = profile(path("a.csv"), NULL, 2),
                       *whole = profile(path("all.csv"), reference, 2);
    struct mlo_profile *s0 = profile(path("s0.csv"), reference, 2),
                       *s1 = profile(path("s1.csv"), reference, 1),
                       *s2 = profile(path("s2.csv"), reference, 3);
    check_ok(mlo_profile_merge(s2, s0, &err), &err);
    check_ok(mlo_profile_merge(s2, s1, &err), &err);
    char *a = text_of(whole), *b = text_of(s2);
    check(strcmp(a, b) == 0);
    free(a);
    free(b);
    mlo_profile_free(reference);
    mlo_profile_free(whole);
    mlo_profile_free(s0);
    mlo_profile_free(s1);
    mlo_profile_free(s2);
}

static void reads_what_it_wrote(void)
{
    struct mlo_profile *p = profile(path("a.csv"), NULL, 2), *q = NULL;
    char *a = text_of(p);
    check_ok(mlo_profile_read(a, strlen(a), &q, &err), &err);
    char *b = text_of(q);
    check(strcmp(a, b) == 0);
    free(b);
    mlo_profile_free(q);
    for (size_t n = 0; n < strlen(a); n += strlen(a) / 50)
        check_err(mlo_profile_read(a, n, &q, &err), MLO_EINVALID, &err, "profile");
    free(a);
    mlo_profile_free(p);
}

static void other_edges_are_refused(void)
{
    write_table(path("b.csv"), 99, 3000, 0);
    struct mlo_profile *a = profile(path("a.csv"), NULL, 1), *b = profile(path("b.csv"), NULL, 1);
    check_err(mlo_profile_merge(a, b, &err), MLO_EUSAGE, &err, "different bins");
    mlo_profile_free(a);
    mlo_profile_free(b);
}

/* 30,000 different words in shards, in other orders: the same ones are kept, with the same counts. */
static void too_many_categories_merge_all_the_same(void)
{
    FILE *all = fopen(path("all.csv"), "w"),
         *out[2] = {fopen(path("s0.csv"), "w"), fopen(path("s1.csv"), "w")};
    fputs("word\n", all);
    fputs("word\n", out[0]);
    fputs("word\n", out[1]);
    for (unsigned i = 0; i < 90000; i++) {
        unsigned word = (i * 7919u) % 30000;
        fprintf(all, "w%u\n", word);
        fprintf(out[i % 5 == 0], "w%u\n", word);
    }
    fclose(all);
    fclose(out[0]);
    fclose(out[1]);
    struct mlo_profile *whole = profile(path("all.csv"), NULL, 3), *s0 = profile(path("s0.csv"), whole, 1),
                       *s1 = profile(path("s1.csv"), whole, 2);
    check_ok(mlo_profile_merge(s1, s0, &err), &err);
    char *a = text_of(whole), *b = text_of(s1);
    check(strcmp(a, b) == 0);
    check(strstr(a, "\"overflowed\":true") != NULL);
    free(a);
    free(b);
    mlo_profile_free(whole);
    mlo_profile_free(s0);
    mlo_profile_free(s1);
}

static int under_memory_faults(void)
{
    struct mlo_table_opts to = {.threads = 1};
    struct mlo_profile_opts po = {0};
    struct mlo_table *t = NULL;
    struct mlo_profile *p = NULL;
    const char *small = path("small.csv");
    struct mlo_str s;
    struct mlo_err e = MLO_ERR_INIT;
    mlo_str_init(&s, MLO_STR_MAX);
    int rc = mlo_table_open(&small, 1, &to, &t, &e);
    if (rc == 0)
        rc = mlo_profile_table(t, &po, &p, &e);
    if (rc == 0)
        rc = mlo_profile_write(p, &s, &e);
    mlo_table_close(t);
    mlo_profile_free(p);
    mlo_str_release(&s);
    return rc;
}

static void memory_runs_out(void)
{
    write_table(path("small.csv"), 3, 40, 0);
    check(each_alloc_failure(under_memory_faults) > 10);
}

int main(void)
{
    run(says_the_same_however_many_threads);
    run(shards_merge_to_the_same_bytes);
    run(reads_what_it_wrote);
    run(other_edges_are_refused);
    run(too_many_categories_merge_all_the_same);
    run(memory_runs_out);
    return done_testing();
}

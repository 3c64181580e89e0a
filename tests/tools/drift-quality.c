/*
 * Pairs of tables from seeds, and what drift says of them, without a process for each:
 *
 *     drift-quality write KIND CHANGE ROWS SEED REFERENCE.csv CURRENT.csv
 *     drift-quality run KIND CHANGE ROWS FIRST-SEED SEEDS     a line each: seed, verdict, column alarms, PSI,
 * p drift-quality concept STREAM ROWS FIRST-SEED SEEDS      a line each: seed, verdict on features, on
 * concept, without and with a change of concept drift-quality stream STREAM ROWS FIRST-SEED SEEDS       a
 * line each: detector, false alarms before the middle, rows from there to its first (-1: none)
 *
 * KIND: a column (normal, skewed, few, missing, c2, c10, c50, c500) or "mixed", which has all of them.
 * CHANGE: none, shift0.1, sd1.25 (standard deviation, times), share0.1 (moved to the first category), gone0.1
 * (more are missing), hidden1 (a shift with one value far out). STREAM: sea, hyperplane, stagger.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/drift.h>

static _Noreturn void die(const char *what, const struct mlo_err *err)
{
    fprintf(stderr, "drift-quality: %s%s%s\n", what, err ? ": " : "", err ? err->msg : "");
    exit(2);
}

/* ---- columns ---- */

struct change {
    double shift, sd, share, gone;
    bool hidden;
};

static struct change change_of(const char *word)
{
    static const char *const names[] = {"none", "shift", "sd", "share", "gone", "hidden"};
    size_t k = 0;
    while (k < MLO_COUNT(names) && strncmp(word, names[k], strlen(names[k])) != 0)
        k++;
    if (k == MLO_COUNT(names))
        die("no such change", NULL);
    double size = strtod(word + strlen(names[k]), NULL);
    return (struct change){.shift = k == 1 || k == 5 ? size : 0,
                           .sd = k == 2 ? size : 1,
                           .share = k == 3 ? size : 0,
                           .gone = k == 4 ? size : 0,
                           .hidden = k == 5};
}

static double normal(uint64_t *state)
{
    double u = 1 - mlo_random_unit(state), v = mlo_random_unit(state);
    return sqrt(-2 * log(u)) * cos(2 * acos(-1.0) * v);
}

static void put_category(FILE *f, unsigned categories, const struct change *c, uint64_t *state)
{
    double u = mlo_random_unit(state); /* squared: some are frequent, most are rare */
    bool moved = c->share > 0 && mlo_random_unit(state) < c->share;
    fprintf(f, "k%u", moved ? 0 : (unsigned)(u * u * categories));
}

static void put_cell(FILE *f, const char *kind, const struct change *c, uint64_t *state)
{
    double x = normal(state) * c->sd + c->shift, gone = strcmp(kind, "missing") == 0 ? 0.2 : 0;
    if (mlo_random_unit(state) < gone + c->gone)
        return;
    if (kind[0] == 'c')
        put_category(f, (unsigned)atoi(kind + 1), c, state);
    else if (strcmp(kind, "skewed") == 0)
        fprintf(f, "%.6g", exp(x));
    else if (strcmp(kind, "few") == 0)
        fprintf(f, "%.0f", floor(2 * x));
    else
        fprintf(f, "%.6g", x);
}

static const char *const all_kinds[] = {"normal", "skewed", "few", "missing", "c2", "c10", "c50", "c500"};

static const char *const *kinds_of(const char *kind, const char *one[1], size_t *ret_n)
{
    *ret_n = MLO_COUNT(all_kinds);
    if (strcmp(kind, "mixed") == 0)
        return all_kinds;
    for (size_t i = 0; i < MLO_COUNT(all_kinds); i++)
        if (strcmp(kind, all_kinds[i]) == 0) {
            *one = kind;
            *ret_n = 1;
            return one;
        }
    die("no such kind", NULL);
}

/* A row number stands before, so that a missing value is no empty line. */
static void put_table(FILE *f, const char *kind, const struct change *c, size_t rows, uint64_t *state)
{
    const char *one[1] = {NULL};
    size_t n;
    const char *const *kinds = kinds_of(kind, one, &n);
    fputs("row", f);
    for (size_t i = 0; i < n; i++)
        fprintf(f, ",%s", kinds[i]);
    fputc('\n', f);
    for (size_t r = 0; r < rows; r++) {
        fprintf(f, "%zu", r);
        for (size_t i = 0; i < n; i++) {
            fputc(',', f);
            if (r == 0 && c->hidden)
                fputs("1000", f);
            else
                put_cell(f, kinds[i], c, state);
        }
        fputc('\n', f);
    }
}

static FILE *open_new(const char *path)
{
    FILE *f = fopen(path, "we");
    if (!f)
        die(path, NULL);
    return f;
}

static void close_whole(FILE *f)
{
    if (fflush(f) != 0 || ferror(f) || fclose(f) != 0)
        die("cannot write", NULL);
}

static uint64_t state_of(uint64_t seed)
{
    uint64_t state = seed * 0x9e3779b97f4a7c15;
    return mlo_random_next(&state);
}

struct files {
    char reference[64], current[64];
};

static void write_pair(const struct files *to, const char *kind, const char *change, size_t rows,
                       uint64_t seed)
{
    uint64_t state = state_of(seed);
    struct change none = change_of("none"), c = change_of(change);
    FILE *f = open_new(to->reference);
    put_table(f, kind, &none, rows, &state);
    close_whole(f);
    f = open_new(to->current);
    put_table(f, kind, &c, rows, &state);
    close_whole(f);
}

/* ---- what drift says ---- */

static struct mlo_profile *profile_of(const char *path, const struct mlo_profile_opts *o)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_table *t = NULL;
    struct mlo_profile *p = NULL;
    struct mlo_table_column *types = NULL;
    struct mlo_table_opts open = {.threads = 1};
    int rc = o->like ? mlo_profile_columns(o->like, &types, &open.n_types, &err) : 0;
    open.types = types;
    if (rc == 0)
        rc = mlo_table_open(&path, 1, &open, &t, &err);
    if (rc == 0)
        rc = mlo_profile_table(t, o, &p, &err);
    if (rc != 0)
        die(path, &err);
    mlo_table_close(t);
    free(types);
    return p;
}

typedef void (*report_fn)(const struct mlo_drift_report *r, void *ctx);

static void compare(const struct files *f, const struct mlo_profile_opts *o, report_fn tell, void *ctx)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_profile_opts second = *o;
    struct mlo_drift_report *r = NULL;
    struct mlo_profile *a = profile_of(f->reference, o);
    second.like = a;
    struct mlo_profile *b = profile_of(f->current, &second);
    if (mlo_drift_compare(a, b, &(struct mlo_drift_opts){0}, &r, &err) != 0)
        die("compare", &err);
    tell(r, ctx);
    mlo_drift_report_free(r);
    mlo_profile_free(a);
    mlo_profile_free(b);
}

static void tell_columns(const struct mlo_drift_report *r, void *ctx)
{
    uint64_t *seed = ctx;
    const struct mlo_drift_column *least = &r->columns[0];
    unsigned alarms = 0;
    for (size_t i = 0; i < r->n_columns; i++) {
        alarms += mlo_drift_is_alarm(&r->columns[i]);
        if (r->columns[i].p < least->p)
            least = &r->columns[i];
    }
    printf("%llu %d %u %.6g %.6g %.6g\n", (unsigned long long)*seed, r->verdict == MLO_VERDICT_DRIFT, alarms,
           least->psi, least->p, fmin(1, fmin(least->p, least->missing_test.p)));
}

static void run_pairs(const struct files *f, const char *kind, const char *change, size_t rows,
                      uint64_t first, uint64_t seeds)
{
    static const struct mlo_column_use row = {.name = "row", .role = MLO_ROLE_IGNORE};
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        write_pair(f, kind, change, rows, seed);
        compare(f, &(struct mlo_profile_opts){.roles = &row, .n_roles = 1, .threads = 1}, tell_columns,
                &seed);
    }
}

/* ---- streams: what is true of x, before and after the concept changed ---- */

enum { FEATURES = 10 };
struct stream {
    const char *name;
    bool (*truth)(const double x[FEATURES], bool after);
    double noise; /* share of labels that are wrong */
};

/* Street and Kim 2001: two of three values in [0, 10) against a threshold. */
static bool sea(const double x[FEATURES], bool after)
{
    return 10 * (x[0] + x[1]) <= (after ? 9.5 : 8);
}

/* Hulten, Spencer and Domingos 2001: the side of a plane through the middle, half of whose weights turn. */
static bool hyperplane(const double x[FEATURES], bool after)
{
    double side = 0;
    for (int i = 0; i < FEATURES; i++)
        side += (x[i] - 0.5) * (after && i % 2 ? -1 : 1) * (i + 1) / FEATURES;
    return side > 0;
}

/* Schlimmer and Granger 1986: size small and colour red; then colour green or shape circle. */
static bool stagger(const double x[FEATURES], bool after)
{
    int size = (int)(3 * x[0]), colour = (int)(3 * x[1]), shape = (int)(3 * x[2]);
    return after ? colour == 1 || shape == 1 : size == 0 && colour == 0;
}

static const struct stream streams[] = {
    {"sea", sea, 0.1}, {"hyperplane", hyperplane, 0.05}, {"stagger", stagger, 0.05}};

static const struct stream *stream_of(const char *name)
{
    for (size_t i = 0; i < MLO_COUNT(streams); i++)
        if (strcmp(streams[i].name, name) == 0)
            return &streams[i];
    die("no such stream", NULL);
}

/* The model is the first concept itself. */
static void next_row(const struct stream *s, bool after, uint64_t *state, double x[FEATURES],
                     bool *prediction, bool *label)
{
    for (int i = 0; i < FEATURES; i++)
        x[i] = mlo_random_unit(state);
    *prediction = s->truth(x, false);
    *label = s->truth(x, after) != (mlo_random_unit(state) < s->noise);
}

static void put_stream(const char *path, const struct stream *s, bool after, size_t rows, uint64_t *state)
{
    double x[FEATURES];
    bool prediction, label;
    FILE *f = open_new(path);
    for (int i = 0; i < FEATURES; i++)
        fprintf(f, "x%d,", i);
    fputs("prediction,label\n", f);
    for (size_t r = 0; r < rows; r++) {
        next_row(s, after, state, x, &prediction, &label);
        for (int i = 0; i < FEATURES; i++)
            fprintf(f, "%.4f,", x[i]);
        fprintf(f, "%d,%d\n", prediction, label);
    }
    close_whole(f);
}

static void tell_kinds(const struct mlo_drift_report *r, void *ctx)
{
    (void)ctx;
    bool feature = false, concept = false;
    for (size_t i = 0; i < r->n_columns; i++)
        feature |= r->columns[i].role == MLO_ROLE_FEATURE && mlo_drift_is_alarm(&r->columns[i]);
    for (size_t i = 0; i < r->n_facts; i++)
    concept |= r->facts[i].verdict == MLO_VERDICT_DRIFT &&
               (strcmp(r->facts[i].kind, "concept") == 0 || strcmp(r->facts[i].kind, "performance") == 0);
    printf(" %d %d", feature, concept);
}

static void run_concept(const struct files *f, const struct stream *s, size_t rows, uint64_t first,
                        uint64_t seeds)
{
    static const struct mlo_column_use roles[] = {{.name = "prediction", .role = MLO_ROLE_PREDICTION},
                                                  {.name = "label", .role = MLO_ROLE_LABEL}};
    struct mlo_profile_opts o = {.roles = roles, .n_roles = MLO_COUNT(roles), .threads = 1};
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        uint64_t state = state_of(seed);
        printf("%llu", (unsigned long long)seed);
        put_stream(f->reference, s, false, rows, &state);
        for (int after = 0; after < 2; after++) {
            put_stream(f->current, s, after, rows, &state);
            compare(f, &o, tell_kinds, NULL);
        }
        putchar('\n');
    }
}

static void run_detector(const struct stream *s, enum mlo_detector_kind kind, size_t rows, uint64_t seed)
{
    struct mlo_detector d;
    uint64_t state = state_of(seed);
    size_t early = 0, delay = 0;
    double x[FEATURES];
    bool prediction, label;
    mlo_detector_init(&d, kind);
    for (size_t r = 0; r < rows && delay == 0; r++) {
        bool after = r >= rows / 2;
        next_row(s, after, &state, x, &prediction, &label);
        if (mlo_detector_update(&d, prediction != label) != MLO_SIGNAL_DRIFT)
            continue;
        early += !after;
        delay = after ? r - rows / 2 + 1 : 0;
    }
    printf("%s %zu %ld\n", mlo_detector_info(kind)->name, early, delay ? (long)delay : -1L);
}

/* ---- */

int main(int argc, char **argv)
{
    struct files f;
    if (argc == 8 && strcmp(argv[1], "write") == 0) {
        snprintf(f.reference, sizeof f.reference, "%s", argv[6]);
        snprintf(f.current, sizeof f.current, "%s", argv[7]);
        write_pair(&f, argv[2], argv[3], (size_t)atoll(argv[4]), (uint64_t)atoll(argv[5]));
        return 0;
    }
    if (argc < 6 || (argc < 7) != (strcmp(argv[1], "run") != 0))
        die("see the head of tests/tools/drift-quality.c", NULL);
    uint64_t first = (uint64_t)atoll(argv[argc - 2]), seeds = (uint64_t)atoll(argv[argc - 1]);
    size_t rows = (size_t)atoll(argv[argc - 3]);
    char folder[] = "/tmp/drift-quality-XXXXXX";
    if (!mkdtemp(folder))
        die(folder, NULL);
    snprintf(f.reference, sizeof f.reference, "%s/a.csv", folder);
    snprintf(f.current, sizeof f.current, "%s/b.csv", folder);
    if (strcmp(argv[1], "run") == 0)
        run_pairs(&f, argv[2], argv[3], rows, first, seeds);
    else if (strcmp(argv[1], "concept") == 0)
        run_concept(&f, stream_of(argv[2]), rows, first, seeds);
    else
        for (uint64_t seed = first; seed < first + seeds; seed++)
            for (int k = 0; k < MLO_DETECTORS; k++)
                run_detector(stream_of(argv[2]), (enum mlo_detector_kind)k, rows, seed);
    unlink(f.reference);
    unlink(f.current);
    rmdir(folder);
    return fflush(stdout) != 0 || ferror(stdout);
}

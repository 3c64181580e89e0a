/*
 * Rules out of a table that is known to be good: one pass on several threads, and a section of YAML that the
 * same table holds to. People know better: every line is theirs to edit.
 *
 * A rule must hold for the next table of the same source too, and what n rows have not shown may still come.
 * Beyond the ends of n values lie of the next n about as many as two coins show heads before their first
 * tails: more than 12 in 2 of 1,000 tables. So `mostly` is 1 - 12/n at most. A set of words, of which f were
 * seen once, lacks about f of n rows (Good and Turing). What is told of kinds is strict from 1,000 rows on.
 */
#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#include "bind.h"
#include "shape.h"

#define SET_MAX      ((size_t)50)  /* different texts of a column that are a set */
#define SET_TEXT_MAX ((size_t)200) /* bytes of one */
#define SET_ROWS     10            /* rows for each of them at least */
#define UNIQUE_KEYS                                                                                          \
    ((uint64_t)262144)               /* values told apart to see that none repeats: 16 MB for each column    \
                                      */
#define UNIQUE_ROWS   ((uint64_t)20) /* fewer tell nothing about repetition or order */
#define NAME_MAX_SIZE ((size_t)200)  /* bytes of a column's name that a file of rules can hold */
#define MISSING_SLACK 0.05
#define RANGE_MOSTLY  0.99
#define MORE_MISSING  4.0 /* standard deviations of the difference of two shares */
#define CODES_SPAN                                                                                           \
    50 /* whole numbers within so many, both ends seen often, are codes: none may lie outside */
#define SLACK_ROWS   12.0
#define SURE_ROWS    ((uint64_t)1000)
#define LEAST_MOSTLY 0.5
#define UNSEEN_MAX   0.25 /* of the rows: more words are still to come than a set is good for */
/* n keys drawn from a space of s collide n^2 / 2s times. More than so often, and none did: it is a key. Less,
 * and the next table will not either. Between, it may be chance. */
#define COLLIDE_OFTEN 10.0
#define COLLIDE_NEVER 1e-5
#define LONG_KEY      ((uint64_t)16) /* characters: the space is large whatever they are */

struct guess { /* of one column by one worker */
    uint64_t ok, missing, nan, bad;
    double low, high;
    uint64_t at_low, at_high; /* values that are these */
    int64_t oldest, newest;
    bool fraction;
    char *set[SET_MAX]; /* owned */
    uint64_t seen[SET_MAX];
    size_t n_set;
    bool many; /* more than fit */
    uint64_t shortest, longest;
    struct mlo_shape shape;
    struct mlo_tally order; /* times */
};
struct column { /* of the table: shared by the workers */
    struct mlo_keys *keys;
    atomic_bool repeats;
};
struct inference {
    const struct mlo_table_column *columns;
    size_t n_columns;
    struct column *shared;
    struct guess **guesses; /* of each worker: of each column */
    struct mlo_str *scratch;
    unsigned workers;
    struct mlo_rule order; /* the rule that `order` tallies */
    struct mlo_scan_result found;
};

/* ---- a batch ---- */

static int add_to_set(struct guess *g, struct mlo_slice s, uint64_t times, struct mlo_err *err)
{
    if (g->many)
        return 0;
    for (size_t i = 0; i < g->n_set; i++)
        if (strlen(g->set[i]) == s.len && memcmp(g->set[i], s.ptr, s.len) == 0) {
            g->seen[i] += times;
            return 0;
        }
    g->many = g->n_set == SET_MAX || s.len > SET_TEXT_MAX || memchr(s.ptr, '\0', s.len) ||
              !mlo_utf8_valid(s.ptr, s.len);
    if (g->many)
        return 0;
    g->seen[g->n_set] = times;
    g->set[g->n_set] = mlo_memdup0(s.ptr, s.len, err);
    return g->set[g->n_set++] ? 0 : MLO_EIO;
}

static int see_text(struct guess *g, struct mlo_slice s, struct mlo_err *err)
{
    uint64_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
    g->shortest = n < g->shortest ? n : g->shortest;
    g->longest = n > g->longest ? n : g->longest;
    mlo_shape_add(&g->shape, s);
    return add_to_set(g, s, 1, err);
}

static void see_end(double *end, uint64_t *at, double value, uint64_t times, bool beyond)
{
    *at = beyond ? times : *at + (value <= *end && value >= *end ? times : 0);
    *end = beyond ? value : *end;
}

static void see_ends(struct guess *g, double low, uint64_t at_low, double high, uint64_t at_high)
{
    see_end(&g->low, &g->at_low, low, at_low, low < g->low);
    see_end(&g->high, &g->at_high, high, at_high, high > g->high);
}

static int see_value(struct guess *g, const struct mlo_batch_column *c, enum mlo_column_type type, size_t row,
                     struct mlo_err *err)
{
    g->ok++;
    if (type == MLO_COLUMN_TEXT)
        return see_text(g, mlo_cell_slice(c, row), err);
    if (type == MLO_COLUMN_TIME) {
        g->oldest = c->times[row] < g->oldest ? c->times[row] : g->oldest;
        g->newest = c->times[row] > g->newest ? c->times[row] : g->newest;
        return 0;
    }
    see_ends(g, c->numbers[row], 1, c->numbers[row], 1);
    g->fraction |= c->numbers[row] != floor(c->numbers[row]);
    return 0;
}

static int see_keys(const struct inference *f, unsigned worker, size_t column, const struct mlo_batch *b,
                    struct mlo_err *err)
{
    struct column *shared = &f->shared[column];
    struct mlo_bound bound = {.columns = &column, .n_columns = 1, .table = f->columns};
    struct mlo_str *s = &f->scratch[worker];
    mlo_place repeat = MLO_NO_PLACE;
    int rc = 0;
    for (size_t row = 0; rc == 0 && shared->keys && !shared->repeats && row < b->n_rows; row++) {
        if (!mlo_cell_key(s, &bound, b, row, false))
            continue;
        rc = mlo_str_check(s, err);
        if (rc == 0)
            rc = mlo_keys_add(shared->keys, mlo_siphash(s->ptr, s->len), 0, 0, &repeat, err);
        if (repeat != MLO_NO_PLACE)
            shared->repeats = true;
    }
    return rc;
}

static int see_column(const struct inference *f, unsigned worker, size_t column, const struct mlo_batch *b,
                      struct mlo_err *err)
{
    struct guess *g = &f->guesses[worker][column];
    const struct mlo_batch_column *c = &b->columns[column];
    enum mlo_column_type type = f->columns[column].type;
    struct mlo_bound bound = {.rule = &f->order, .columns = &column, .n_columns = 1, .table = f->columns};
    int rc = 0;
    for (size_t row = 0; rc == 0 && row < b->n_rows; row++) {
        enum mlo_cell state = mlo_cell_state(c, row);
        g->missing += state == MLO_CELL_MISSING;
        g->nan += state == MLO_CELL_NAN;
        g->bad += state == MLO_CELL_BAD;
        if (state == MLO_CELL_OK)
            rc = see_value(g, c, type, row, err);
    }
    if (rc == 0 && type == MLO_COLUMN_TIME)
        rc = mlo_tally_batch(&g->order, &bound, b, NULL, NULL, err);
    return rc == 0 ? see_keys(f, worker, column, b, err) : rc;
}

static int see_batch(void *ctx, unsigned worker, const struct mlo_batch *b, struct mlo_err *err)
{
    const struct inference *f = ctx;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < f->n_columns; i++)
        rc = see_column(f, worker, i, b, err);
    return rc;
}

/* ---- workers ---- */

static int merge(struct guess *g, struct guess *other, const struct mlo_rule *order, struct mlo_err *err)
{
    int rc = 0;
    g->ok += other->ok;
    g->missing += other->missing;
    g->nan += other->nan;
    g->bad += other->bad;
    see_ends(g, other->low, other->at_low, other->high, other->at_high);
    g->oldest = other->oldest < g->oldest ? other->oldest : g->oldest;
    g->newest = other->newest > g->newest ? other->newest : g->newest;
    g->fraction |= other->fraction;
    g->shortest = other->shortest < g->shortest ? other->shortest : g->shortest;
    g->longest = other->longest > g->longest ? other->longest : g->longest;
    g->many |= other->many;
    mlo_shape_merge(&g->shape, &other->shape);
    for (size_t i = 0; rc == 0 && i < other->n_set; i++)
        rc = add_to_set(g, (struct mlo_slice){other->set[i], strlen(other->set[i])}, other->seen[i], err);
    return rc == 0 ? mlo_tally_merge(&g->order, &other->order, order, err) : rc;
}

static int make_guesses(struct inference *f, unsigned worker, struct mlo_err *err)
{
    struct guess *g = mlo_calloc(f->n_columns + 1, sizeof *g, err);
    int rc = g ? 0 : MLO_EIO;
    f->guesses[worker] = g;
    for (size_t i = 0; rc == 0 && i < f->n_columns; i++) {
        g[i].low = INFINITY;
        g[i].high = -INFINITY;
        g[i].oldest = INT64_MAX;
        g[i].newest = INT64_MIN;
        g[i].shortest = UINT64_MAX;
        rc = mlo_tally_init(&g[i].order, &f->order, err);
    }
    return rc;
}

static int make_workers(struct inference *f, struct mlo_err *err)
{
    int rc = 0;
    f->guesses = mlo_calloc(f->workers, sizeof *f->guesses, err);
    f->scratch = f->guesses ? mlo_calloc(f->workers, sizeof *f->scratch, err) : NULL;
    f->shared = f->scratch ? mlo_calloc(f->n_columns + 1, sizeof *f->shared, err) : NULL;
    if (!f->shared)
        return MLO_EIO;
    for (unsigned w = 0; w < f->workers; w++)
        mlo_str_init(&f->scratch[w], MLO_STR_MAX);
    for (unsigned w = 0; rc == 0 && w < f->workers; w++)
        rc = make_guesses(f, w, err);
    for (size_t i = 0; rc == 0 && i < f->n_columns; i++) {
        const struct mlo_table_column *c = &f->columns[i];
        if (c->type == MLO_COLUMN_TEXT || (c->type == MLO_COLUMN_NUMBER && c->integral))
            rc = mlo_keys_new(UNIQUE_KEYS, false, &f->shared[i].keys, err);
    }
    return rc;
}

static void release(struct inference *f)
{
    for (unsigned w = 0; f->guesses && w < f->workers; w++) {
        for (size_t i = 0; f->guesses[w] && i < f->n_columns; i++) {
            struct guess *g = &f->guesses[w][i];
            for (size_t k = 0; k < g->n_set; k++)
                free(g->set[k]);
            mlo_tally_release(&g->order);
        }
        free(f->guesses[w]);
    }
    for (unsigned w = 0; f->scratch && w < f->workers; w++)
        mlo_str_release(&f->scratch[w]);
    for (size_t i = 0; f->shared && i < f->n_columns; i++)
        mlo_keys_free(f->shared[i].keys);
    free(f->guesses);
    free(f->scratch);
    free(f->shared);
}

static int add_up(struct inference *f, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < f->n_columns; i++) {
        struct mlo_bound bound = {.rule = &f->order, .columns = &i, .n_columns = 1, .table = f->columns};
        for (unsigned w = 1; rc == 0 && w < f->workers; w++)
            rc = merge(&f->guesses[0][i], &f->guesses[w][i], &f->order, err);
        if (rc == 0)
            mlo_tally_settle(&f->guesses[0][i].order, &bound);
    }
    return rc;
}

/* ---- YAML ---- */

static bool is_plain(const char *s, size_t n)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    for (size_t i = 0; i < n; i++)
        if (!memchr(plain, s[i], sizeof plain - 1) || (i == 0 && strchr("-_.", s[i])))
            return false;
    return n > 0 && n <= NAME_MAX_SIZE && !(n == 4 && memcmp(s, "null", 4) == 0);
}

/* Can it stand between quotes as it is? Not what a terminal or the reader of YAML would not take. */
static bool is_shown_as_is(const char *s, size_t n)
{
    static const char *const refused[] = {"\xef\xbb\xbf", "\xef\xbf\xbe", "\xef\xbf\xbf"};
    MLO_AUTOSTR struct mlo_str shown;
    mlo_str_init(&shown, MLO_STR_MAX);
    mlo_escape_text(&shown, s, n);
    bool same = !shown.failed && shown.len == n && memcmp(shown.ptr, s, n) == 0;
    for (size_t i = 0; i < MLO_COUNT(refused); i++)
        same = same && !memmem(s, n, refused[i], 3);
    return same;
}

/* One character of valid UTF-8 between "", and how many bytes it had. */
static size_t put_escaped(struct mlo_str *out, const char *s)
{
    unsigned char c = (unsigned char)*s;
    unsigned more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;
    uint32_t rune = more ? c & (0x3fU >> more) : c;
    for (unsigned i = 1; i <= more; i++)
        rune = rune << 6 | ((unsigned char)s[i] & 63U);
    if (rune == '"' || rune == '\\')
        mlo_str_addf(out, "\\%c", (char)rune);
    else if (rune >= 0x20 && rune < 0x7f)
        mlo_str_addc(out, (char)rune);
    else
        mlo_str_addf(out, rune < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)rune);
    return more + 1;
}

/* Valid UTF-8 without NUL. Between '' all stands for itself but '. */
static void put_scalar(struct mlo_str *out, const char *s, size_t n)
{
    if (is_plain(s, n)) {
        mlo_str_addn(out, s, n);
        return;
    }
    bool as_is = is_shown_as_is(s, n);
    mlo_str_addc(out, as_is ? '\'' : '"');
    for (size_t i = 0; i < n;) {
        if (as_is)
            mlo_str_fill(out, s[i], s[i] == '\'' ? 2 : 1);
        i += as_is ? 1 : put_escaped(out, s + i);
    }
    mlo_str_addc(out, as_is ? '\'' : '"');
}

/* Down to a hundredth: what was seen reaches it. */
static double share_down(uint64_t part, uint64_t all)
{
    return floor(100 * ((double)part / (double)all)) / 100;
}

static void put_mostly(struct mlo_str *out, const struct guess *g, double most)
{
    double mostly = fmin(most, share_down(g->ok, g->ok + g->nan + g->bad));
    if (mostly < 1)
        mlo_str_addf(out, ", mostly: %.2g", mostly);
}

/* What n rows can promise when so many of them may be unlike them. */
static double promise(uint64_t n, double unlike)
{
    return fmax(LEAST_MOSTLY, floor(100 * (1 - unlike / (double)n)) / 100);
}

static double of_kind(const struct guess *g)
{
    return g->ok >= SURE_ROWS ? 1 : promise(g->ok, SLACK_ROWS);
}

/* "      regex: X" or "      regex: {is: X, mostly: 0.9}": what stands before and after X. */
static void open_rule(struct mlo_str *out, const char *word, double mostly)
{
    mlo_str_addf(out, "      %s: %s", word, mostly < 1 ? "{is: " : "");
}

static void close_rule(struct mlo_str *out, double mostly)
{
    if (mostly < 1)
        mlo_str_addf(out, ", mostly: %.2g}", mostly);
    mlo_str_addc(out, '\n');
}

static void put_type(struct mlo_str *out, const struct guess *g, enum mlo_column_type type, bool integral)
{
    const char *name = integral ? "integer" : mlo_column_type_words[type];
    if (g->bad + (integral ? g->nan : 0) == 0) {
        mlo_str_addf(out, "      type: %s\n", name);
        return;
    }
    mlo_str_addf(out, "      type: {is: %s", name);
    put_mostly(out, g, 1);
    mlo_str_add(out, "}\n");
}

static void put_missing(struct mlo_str *out, const struct guess *g, uint64_t rows)
{
    double share = (double)g->missing / (double)rows;
    double more = fmax(MISSING_SLACK, MORE_MISSING * sqrt(2 * share * (1 - share) / (double)rows));
    if (g->missing == 0 && rows >= SURE_ROWS) {
        mlo_str_add(out, "      nullable: false\n");
        return;
    }
    double limit = g->missing == 0 ? 1 - promise(rows, SLACK_ROWS) : ceil(100 * (share + more) - 1e-9) / 100;
    if (limit < 1 && g->missing == 0)
        mlo_str_addf(out, "      missing: %.4g  # none were\n", limit);
    else if (limit < 1)
        mlo_str_addf(out, "      missing: %.4g  # %.1f %% were\n", limit, 100 * share);
}

static void put_range(struct mlo_str *out, const struct guess *g, enum mlo_column_type type, int64_t now)
{
    mlo_str_add(out, "      range: {min: ");
    if (type == MLO_COLUMN_TIME) {
        mlo_show_time(out, g->oldest);
        mlo_str_add(out, ", max: ");
        if (g->newest <= now)
            mlo_str_add(out, "now");
        else
            mlo_show_time(out, g->newest);
    } else {
        mlo_show_number(out, g->low);
        mlo_str_add(out, ", max: ");
        mlo_show_number(out, g->high);
    }
    bool codes = type == MLO_COLUMN_NUMBER && !g->fraction && g->high - g->low < CODES_SPAN &&
                 g->at_low >= SET_ROWS && g->at_high >= SET_ROWS;
    put_mostly(out, g, codes ? of_kind(g) : fmin(RANGE_MOSTLY, promise(g->ok, SLACK_ROWS)));
    mlo_str_add(out, "}\n");
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* How many of as many rows will have a word that is not in the set. */
static double unseen_rows(const struct guess *g)
{
    uint64_t once = 0, least = UINT64_MAX;
    for (size_t i = 0; i < g->n_set; i++) {
        once += g->seen[i] == 1;
        least = g->seen[i] < least ? g->seen[i] : least;
    }
    if (g->ok >= SURE_ROWS && least >= SET_ROWS / 2)
        return 0;
    return (double)once + 4 * sqrt((double)once) + SLACK_ROWS;
}

static bool is_set(const struct guess *g)
{
    return !g->many && g->ok >= SET_ROWS * g->n_set &&
           (g->ok < SURE_ROWS || unseen_rows(g) <= UNSEEN_MAX * (double)g->ok);
}

static void put_set(struct mlo_str *out, struct guess *g)
{
    double mostly = promise(g->ok, unseen_rows(g));
    qsort(g->set, g->n_set, sizeof *g->set, by_text);
    open_rule(out, "in", mostly);
    mlo_str_addc(out, '[');
    for (size_t i = 0; i < g->n_set; i++) {
        mlo_str_add(out, i ? ", " : "");
        put_scalar(out, g->set[i], strlen(g->set[i]));
    }
    mlo_str_addc(out, ']');
    close_rule(out, mostly);
}

static void put_text_rules(struct mlo_str *out, struct guess *g)
{
    MLO_AUTOSTR struct mlo_str pattern;
    double mostly = of_kind(g);
    mlo_str_init(&pattern, MLO_PATTERN_MAX);
    if (is_set(g)) {
        put_set(out, g);
    } else if (mlo_shape_pattern(&g->shape, &pattern) && !pattern.failed) {
        open_rule(out, "regex", mostly);
        put_scalar(out, pattern.ptr, pattern.len);
        close_rule(out, mostly);
    } else {
        mostly = g->shortest == g->longest ? mostly : fmin(RANGE_MOSTLY, promise(g->ok, SLACK_ROWS));
        open_rule(out, "length", mostly);
        mlo_str_addf(out, "[%" PRIu64 ", %" PRIu64 "]", g->shortest, g->longest);
        close_rule(out, mostly);
    }
}

static bool is_unique(const struct inference *f, size_t i, const struct guess *g)
{
    struct mlo_keys_facts facts;
    if (!f->shared[i].keys || f->shared[i].repeats || g->missing > 0 || f->found.rows < UNIQUE_ROWS)
        return false;
    mlo_keys_facts(f->shared[i].keys, &facts);
    return facts.share >= 1 && facts.repeats == 0;
}

/* A key, or only values that did not happen to repeat? */
static bool may_be_chance(const struct guess *g, enum mlo_column_type type)
{
    double pairs = (double)g->ok * (double)g->ok / 2, least = 0, most = 0; /* of the space, logarithms */
    if (type != MLO_COLUMN_TEXT)
        least = most = log(g->high - g->low + 1);
    else
        mlo_shape_log_space(&g->shape, &least, &most);
    bool sure = type == MLO_COLUMN_TEXT && (g->shortest >= LONG_KEY || g->ok >= SURE_ROWS);
    return pairs / exp(most) < COLLIDE_OFTEN && pairs / exp(least) > COLLIDE_NEVER && !sure;
}

static void put_column(struct mlo_str *out, const struct inference *f, size_t i, int64_t now)
{
    const struct mlo_table_column *c = &f->columns[i];
    struct guess *g = &f->guesses[0][i];
    bool integral = c->type == MLO_COLUMN_NUMBER && !g->fraction;
    size_t n = strlen(c->name);
    if (n == 0 || n > NAME_MAX_SIZE || !mlo_utf8_valid(c->name, n)) {
        mlo_str_addf(out, "    # column %zu has a name that cannot stand here\n", i + 1);
        return;
    }
    mlo_str_add(out, "    ");
    put_scalar(out, c->name, n);
    if (g->ok == 0) {
        mlo_str_add(out, ":  # no value was seen\n");
        return;
    }
    mlo_str_add(out, ":\n");
    put_type(out, g, c->type, integral);
    put_missing(out, g, f->found.rows);
    if (c->type == MLO_COLUMN_NUMBER && !integral && g->nan == 0)
        mlo_str_add(out, "      finite: true\n");
    bool unique = is_unique(f, i, g), key = unique && !may_be_chance(g, c->type);
    if (unique)
        mlo_str_add(out, !key ? "      unique: {is: true, severity: warning}\n" : "      unique: true\n");
    if (c->type == MLO_COLUMN_TEXT)
        put_text_rules(out, g);
    else if (c->type != MLO_COLUMN_BOOL && !key) /* the next table has the next numbers */
        put_range(out, g, c->type, now);
    if (c->type == MLO_COLUMN_TIME && g->order.failed == 0 && g->order.checked >= UNIQUE_ROWS)
        mlo_str_add(out, "      monotone: {is: increasing, severity: warning}\n");
}

static void put_all(struct mlo_str *out, const struct inference *f, const char *const *paths, size_t n,
                    int64_t now)
{
    mlo_str_addf(out, "%s:\n  # Inferred from ", MLO_VALIDATE_SECTION);
    mlo_escape(out, paths[0], strlen(paths[0]));
    if (n > 1)
        mlo_str_addf(out, " and %zu more", n - 1);
    mlo_str_addf(out, ", %" PRIu64 " rows. You know better: edit it.\n", f->found.rows);
    mlo_str_addf(out, "  rows: {min: %d}\n", f->found.rows > 0);
    if (f->found.ragged > 0)
        mlo_str_addf(out, "  ragged: %" PRIu64 "\n", f->found.ragged);
    mlo_str_add(out, "  schema: {extra: false}\n  columns:\n");
    for (size_t i = 0; i < f->n_columns; i++)
        put_column(out, f, i, now);
}

/* ---- the whole ---- */

int mlo_validate_infer(const char *const *paths, size_t n, const struct mlo_validate_opts *opts,
                       struct mlo_str *out, struct mlo_err *err)
{
    struct mlo_table_opts to = {.format = opts->format, .threads = opts->threads};
    struct inference f = {.order = {.kind = MLO_RULE_MONOTONE}};
    struct mlo_table *t = NULL;
    int rc = mlo_table_open(paths, n, &to, &t, err);
    if (rc != 0)
        return rc;
    f.columns = mlo_table_columns(t, &f.n_columns);
    f.workers = mlo_table_workers(t);
    rc = make_workers(&f, err);
    if (rc == 0)
        rc = mlo_table_scan(t, see_batch, &f, &f.found, err);
    if (rc == 0)
        rc = add_up(&f, err);
    if (rc == 0) {
        put_all(out, &f, paths, n, opts->now_ns);
        rc = mlo_str_check(out, err);
    }
    release(&f);
    mlo_table_close(t);
    return rc;
}

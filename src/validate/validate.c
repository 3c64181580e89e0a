/*
 * One pass over the table: every worker counts every rule in tallies of its own, which are added up at the
 * end. Where a row stands is kept as a number (mlo_place) and becomes file and line only for what is shown.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#include "bind.h"

struct origin { /* of a batch */
    uint64_t sequence, first_line, first_row;
    const char *path; /* borrowed from the table */
    bool lines;
};
struct worker {
    struct mlo_tally *tallies; /* of every rule */
    struct mlo_matcher matcher;
    struct mlo_str scratch;
};
struct pass {
    const struct mlo_rules *rules;
    const struct mlo_validate_opts *opts;
    struct mlo_binding binding;
    struct worker *workers;
    unsigned n_workers;
    pthread_mutex_t lock; /* the list of batches */
    struct origin *origins;
    size_t n_origins, cap_origins;
    struct mlo_scan_result found;
};

/* ---- a batch ---- */

static int note_origin(struct pass *p, const struct mlo_batch *b, struct mlo_err *err)
{
    pthread_mutex_lock(&p->lock);
    int rc = mlo_grow(&p->origins, &p->cap_origins, p->n_origins + 1, sizeof *p->origins, err);
    if (rc == 0)
        p->origins[p->n_origins++] = (struct origin){b->sequence, b->first_line, b->first_row, b->path,
                                                     b->lines != NULL};
    pthread_mutex_unlock(&p->lock);
    return rc;
}

static int check_batch(void *ctx, unsigned worker, const struct mlo_batch *batch, struct mlo_err *err)
{
    struct pass *p = ctx;
    struct worker *w = &p->workers[worker];
    int rc = note_origin(p, batch, err);
    for (size_t i = 0; rc == 0 && i < p->binding.n; i++)
        if (p->binding.bounds[i].verdict == MLO_RULE_HOLDS)
            rc = mlo_tally_batch(&w->tallies[i], &p->binding.bounds[i], batch, &w->matcher, &w->scratch, err);
    return rc;
}

/* ---- the other table of an overlap ---- */

struct other_table {
    struct mlo_bound bound; /* its own columns */
    struct mlo_keys *keys;
    struct mlo_str *scratch; /* of each worker */
};

static int take_keys(void *ctx, unsigned worker, const struct mlo_batch *batch, struct mlo_err *err)
{
    struct other_table *o = ctx;
    struct mlo_str *s = &o->scratch[worker];
    int rc = 0;
    for (size_t row = 0; rc == 0 && row < batch->n_rows; row++) {
        mlo_place ignored;
        if (!mlo_cell_key(s, &o->bound, batch, row, false))
            continue;
        rc = mlo_str_check(s, err);
        if (rc == 0)
            rc = mlo_keys_add(o->keys, mlo_siphash(s->ptr, s->len), 0, 0, &ignored, err);
    }
    return rc;
}

static int scan_other(struct mlo_table *t, const struct mlo_bound *b, struct mlo_err *err)
{
    struct other_table o = {.bound = *b, .keys = b->keys};
    struct mlo_scan_result ignored;
    unsigned workers = mlo_table_workers(t);
    MLO_AUTOFREE size_t *at = mlo_calloc(b->n_columns + 1, sizeof *at, err);
    o.scratch = at ? mlo_calloc(workers, sizeof *o.scratch, err) : NULL;
    if (!o.scratch)
        return MLO_EIO;
    size_t n;
    o.bound.table = mlo_table_columns(t, &n);
    o.bound.columns = at;
    for (size_t i = 0; i < b->n_columns; i++)
        at[i] = mlo_bind_find(o.bound.table, n, b->table[b->columns[i]].name);
    for (unsigned w = 0; w < workers; w++)
        mlo_str_init(&o.scratch[w], MLO_STR_MAX);
    int rc = mlo_table_scan(t, take_keys, &o, &ignored, err);
    for (unsigned w = 0; w < workers; w++)
        mlo_str_release(&o.scratch[w]);
    free(o.scratch);
    return rc;
}

/* Read as the same types, so that equal values have equal keys. */
static int read_other(const struct pass *p, const struct mlo_bound *b, struct mlo_err *err)
{
    MLO_AUTOFREE const char **names = mlo_calloc(b->n_columns + 1, sizeof *names, err);
    struct mlo_table_opts to = {
        .types = b->table, .n_types = p->binding.n_columns, .threads = p->opts->threads};
    struct mlo_table *t = NULL;
    if (!names)
        return MLO_EIO;
    for (size_t i = 0; i < b->n_columns; i++)
        names[i] = b->table[b->columns[i]].name;
    to.select = names;
    to.n_select = b->n_columns;
    int rc = mlo_table_open(&b->rule->text, 1, &to, &t, err);
    if (rc == 0)
        rc = scan_other(t, b, err);
    mlo_table_close(t);
    return rc;
}

/* A table that cannot be read leaves its rule unchecked; the others go on. */
static int read_others(struct pass *p, struct mlo_err *err)
{
    for (size_t i = 0; i < p->binding.n; i++) {
        struct mlo_bound *b = &p->binding.bounds[i];
        if (b->rule->kind != MLO_RULE_OVERLAP || b->verdict != MLO_RULE_HOLDS)
            continue;
        int rc = read_other(p, b, err);
        if (rc == MLO_EIO)
            return rc;
        if (rc == 0)
            continue;
        b->verdict = MLO_RULE_UNCHECKED;
        b->why = mlo_bind_say(&p->binding, err, "%s", err->msg);
        if (!b->why)
            return MLO_EIO;
        *err = MLO_ERR_INIT;
    }
    return 0;
}

/* ---- workers ---- */

static bool has_patterns(const struct mlo_rules *rules)
{
    for (size_t i = 0; i < rules->n; i++)
        if (rules->rules[i].pattern)
            return true;
    return false;
}

static int make_workers(struct pass *p, unsigned n, struct mlo_err *err)
{
    int rc = 0;
    p->workers = mlo_calloc(n, sizeof *p->workers, err);
    if (!p->workers)
        return MLO_EIO;
    for (p->n_workers = 0; rc == 0 && p->n_workers < n; p->n_workers++) {
        struct worker *w = &p->workers[p->n_workers];
        mlo_str_init(&w->scratch, MLO_STR_MAX);
        w->tallies = mlo_calloc(p->rules->n + 1, sizeof *w->tallies, err);
        rc = w->tallies ? 0 : MLO_EIO;
        for (size_t i = 0; rc == 0 && i < p->rules->n; i++)
            rc = mlo_tally_init(&w->tallies[i], &p->rules->rules[i], err);
        if (rc == 0 && has_patterns(p->rules))
            rc = mlo_matcher_init(&w->matcher, err);
    }
    return rc;
}

static int add_up(struct pass *p, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < p->rules->n; i++) {
        for (unsigned w = 1; rc == 0 && w < p->n_workers; w++)
            rc = mlo_tally_merge(&p->workers[0].tallies[i], &p->workers[w].tallies[i], &p->rules->rules[i],
                                 err);
        if (rc == 0)
            mlo_tally_settle(&p->workers[0].tallies[i], &p->binding.bounds[i]);
    }
    return rc;
}

static void release(struct pass *p)
{
    for (unsigned w = 0; w < p->n_workers; w++) {
        for (size_t i = 0; p->workers[w].tallies && i < p->rules->n; i++)
            mlo_tally_release(&p->workers[w].tallies[i]);
        free(p->workers[w].tallies);
        mlo_matcher_release(&p->workers[w].matcher);
        mlo_str_release(&p->workers[w].scratch);
    }
    free(p->workers);
    free(p->origins);
    mlo_binding_release(&p->binding);
    pthread_mutex_destroy(&p->lock);
}

/* ---- examples ---- */

static int by_sequence(const void *a, const void *b)
{
    uint64_t x = ((const struct origin *)a)->sequence, y = ((const struct origin *)b)->sequence;
    return (x > y) - (x < y);
}

/* File and line of a place; value is left as it is. */
static void set_place(const struct pass *p, mlo_place at, struct mlo_rule_example *ret)
{
    struct origin key = {.sequence = at >> 32};
    const struct origin *o = bsearch(&key, p->origins, p->n_origins, sizeof *o, by_sequence);
    uint64_t offset = (uint32_t)at;
    if (!o)
        return;
    ret->file = o->path;
    ret->is_row = !o->lines;
    if (o->lines)
        ret->line = o->first_line + offset;
    else
        ret->line = o->first_row == UINT64_MAX ? 0 : o->first_row + offset + 1;
}

static char *format(struct mlo_arena *a, struct mlo_err *err, const char *fmt, ...) MLO_PRINTF(3, 4);
static char *format(struct mlo_arena *a, struct mlo_err *err, const char *fmt, ...)
{
    char text[2 * MLO_EXAMPLE_TEXT];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return mlo_arena_strndup(a, text, strlen(text), err);
}

static int put_pair(const struct pass *p, struct mlo_arena *a, mlo_place at, mlo_place first,
                    const char *what, struct mlo_rule_example *ret, struct mlo_err *err)
{
    struct mlo_rule_example other = {0};
    set_place(p, at, ret);
    set_place(p, first, &other);
    bool same = other.file && ret->file && strcmp(other.file, ret->file) == 0;
    ret->value = format(a, err, "%s in %s %" PRIu64 "%s%.100s", what, other.is_row ? "row" : "line",
                        other.line, same ? "" : " of ", same || !other.file ? "" : other.file);
    return ret->value ? 0 : MLO_EIO;
}

static int put_ragged(const struct pass *p, struct mlo_arena *a, struct mlo_rule_example *list, size_t *n,
                      struct mlo_err *err)
{
    size_t max = MLO_COUNT(p->found.first_ragged);
    for (size_t i = 0; i < max && i < p->found.ragged && i < *n; i++) {
        const struct mlo_ragged *r = &p->found.first_ragged[i];
        list[i] = (struct mlo_rule_example){.file = r->path, .line = r->line};
        list[i].value = r->fields ? format(a, err, "%u %s", r->fields, r->fields == 1 ? "field" : "fields")
                                  : "no row";
        if (!list[i].value)
            return MLO_EIO;
    }
    *n = p->found.ragged < *n ? (size_t)p->found.ragged : *n < max ? *n : max;
    return 0;
}

static int put_mixed(const struct pass *p, const struct mlo_bound *b, struct mlo_arena *a,
                     struct mlo_rule_example *list, size_t *n, struct mlo_err *err)
{
    MLO_AUTOFREE struct mlo_first_two *two = mlo_calloc(*n + 1, sizeof *two, err);
    int rc = two ? 0 : MLO_EIO;
    *n = rc == 0 ? mlo_keys_mixed(b->keys, two, *n) : 0;
    for (size_t i = 0; rc == 0 && i < *n; i++)
        rc = put_pair(p, a, two[i].other, two[i].first, "another label", &list[i], err);
    return rc;
}

static int put_found(const struct pass *p, const struct mlo_bound *b, const struct mlo_tally *t,
                     struct mlo_arena *a, struct mlo_rule_example *list, size_t *n, struct mlo_err *err)
{
    struct mlo_keys_facts facts = {.share = 1};
    int rc = 0;
    if (b->rule->kind == MLO_RULE_UNIQUE)
        mlo_keys_facts(b->keys, &facts);
    *n = facts.share < 1 ? 0 : t->n_found; /* of keys that were forgotten the first rows are not known */
    for (size_t i = 0; rc == 0 && i < *n; i++) {
        const struct mlo_found *f = &t->found[i];
        bool told;
        if (b->rule->kind == MLO_RULE_UNIQUE) {
            char what[MLO_EXAMPLE_TEXT + 8];
            snprintf(what, sizeof what, "%s, first", f->text);
            rc = put_pair(p, a, f->at, mlo_keys_find(b->keys, f->key, &told), what, &list[i], err);
            continue;
        }
        set_place(p, f->at, &list[i]);
        list[i].value = mlo_arena_strndup(a, f->text, strlen(f->text), err);
        rc = list[i].value ? 0 : MLO_EIO;
    }
    return rc;
}

static int put_examples(const struct pass *p, size_t i, struct mlo_arena *a, struct mlo_rule_result *r,
                        struct mlo_err *err)
{
    const struct mlo_bound *b = &p->binding.bounds[i];
    const struct mlo_tally *t = &p->workers[0].tallies[i];
    enum mlo_rule_kind k = b->rule->kind;
    size_t n = b->rule->examples;
    int rc = 0;
    struct mlo_rule_example *list = mlo_arena_alloc(a, n + 1, sizeof *list, err);
    if (!list)
        return MLO_EIO;
    if (k == MLO_RULE_RAGGED) {
        rc = put_ragged(p, a, list, &n, err);
    } else if (b->verdict != MLO_RULE_HOLDS || n == 0) {
        n = 0;
    } else if (k == MLO_RULE_CONFLICT) {
        rc = put_mixed(p, b, a, list, &n, err);
    } else if (k == MLO_RULE_CONSTANT) {
        n = t->two.other != MLO_NO_PLACE;
        rc = n ? put_pair(p, a, t->two.other, t->two.first, "another value", &list[0], err) : 0;
    } else {
        rc = put_found(p, b, t, a, list, &n, err);
    }
    for (size_t k2 = 0; rc == 0 && k2 < n; k2++) { /* the table goes, its paths stay */
        const char *file = list[k2].file ? list[k2].file : "";
        list[k2].file = mlo_arena_strndup(a, file, strlen(file), err);
        rc = list[k2].file ? 0 : MLO_EIO;
    }
    r->examples = list;
    r->n_examples = n;
    return rc;
}

/* ---- the result ---- */

struct owned {
    struct mlo_arena arena;
};

bool mlo_validation_fails(const struct mlo_validation *v, enum mlo_severity from)
{
    size_t n = 0;
    for (unsigned s = from; s <= MLO_SEVERITY_ERROR; s++)
        n += v->failing[s];
    return n > 0;
}

static bool is_failing(const struct mlo_rule_result *r)
{
    return r->verdict >= MLO_RULE_UNCHECKED;
}

/* Worse first: by severity, then verdict, then share; else as in the file. */
static int by_badness(const void *a, const void *b)
{
    const struct mlo_rule_result *x = a, *y = b;
    int xs = is_failing(x) ? (int)x->severity + 1 : 0, ys = is_failing(y) ? (int)y->severity + 1 : 0;
    if (xs != ys)
        return ys - xs;
    if (x->verdict != y->verdict)
        return (int)y->verdict - (int)x->verdict;
    double xp = is_failing(x) && x->checked ? (double)x->failed / (double)x->checked : 0;
    double yp = is_failing(y) && y->checked ? (double)y->failed / (double)y->checked : 0;
    return xp != yp ? (xp < yp) - (xp > yp) : (x->line > y->line) - (x->line < y->line);
}

static void set_sentence(struct mlo_validation *v)
{
    static const char *const words[] = {"of severity info", "of severity warning", "of severity error"};
    size_t total = v->failing[0] + v->failing[1] + v->failing[2], skipped = 0, at;
    for (size_t i = 0; i < v->n_rules; i++)
        skipped += v->rules[i].verdict == MLO_RULE_SKIPPED;
    size_t judged = v->n_rules - skipped;
    if (total == 0)
        snprintf(v->sentence, sizeof v->sentence, "valid: all %zu rules hold for %" PRIu64 " %s", judged,
                 v->rows, v->rows == 1 ? "row" : "rows");
    else
        snprintf(v->sentence, sizeof v->sentence, "%s: %zu of %zu rules %s for %" PRIu64 " %s",
                 v->failing[MLO_SEVERITY_ERROR] ? "not valid" : "valid with reservations", total, judged,
                 total == 1 ? "does not hold" : "do not hold", v->rows, v->rows == 1 ? "row" : "rows");
    for (int s = MLO_SEVERITY_ERROR, first = 1; s >= 0 && total > 0; s--)
        if (v->failing[s]) {
            at = strlen(v->sentence);
            snprintf(v->sentence + at, sizeof v->sentence - at, "%s %zu %s", first ? ":" : ",", v->failing[s],
                     words[s]);
            first = 0;
        }
}

static int fill_rule(const struct pass *p, size_t i, struct mlo_arena *a, struct mlo_rule_result *r,
                     struct mlo_err *err)
{
    const struct mlo_rule *rule = &p->rules->rules[i];
    *r = (struct mlo_rule_result){.column = rule->about,
                                  .rule = rule->word,
                                  .wants = rule->wants,
                                  .line = rule->line,
                                  .severity = rule->severity,
                                  .mostly = rule->mostly};
    mlo_judge(&p->binding.bounds[i], &p->workers[0].tallies[i], &p->found, p->opts, r);
    return put_examples(p, i, a, r, err);
}

static int make_result(struct pass *p, struct mlo_validation **ret, struct mlo_err *err)
{
    struct mlo_validation *v = mlo_calloc(1, sizeof *v, err);
    struct owned *o = v ? mlo_calloc(1, sizeof *o, err) : NULL;
    int rc = o ? 0 : MLO_EIO;
    if (rc == 0) {
        v->owned = o;
        mlo_arena_init(&o->arena, (size_t)1 << 30);
        v->rules = mlo_calloc(p->rules->n + 1, sizeof *v->rules, err);
        rc = v->rules ? 0 : MLO_EIO;
        v->rows = p->found.rows;
        v->ragged = p->found.ragged;
    }
    if (p->n_origins > 1)
        qsort(p->origins, p->n_origins, sizeof *p->origins, by_sequence);
    for (; rc == 0 && v->n_rules < p->rules->n; v->n_rules++) {
        rc = fill_rule(p, v->n_rules, &o->arena, &v->rules[v->n_rules], err);
        if (rc == 0 && is_failing(&v->rules[v->n_rules]))
            v->failing[v->rules[v->n_rules].severity]++;
    }
    if (rc != 0) {
        mlo_validation_free(v);
        return rc;
    }
    qsort(v->rules, v->n_rules, sizeof *v->rules, by_badness);
    set_sentence(v);
    *ret = v;
    return 0;
}

void mlo_validation_free(struct mlo_validation *v)
{
    if (!v)
        return;
    struct owned *o = v->owned;
    if (o)
        mlo_arena_release(&o->arena);
    free(o);
    free(v->rules);
    free(v);
}

/* ---- the pass ---- */

static int open_table(const char *const *paths, size_t n, const struct mlo_rules *rules,
                      const struct mlo_validate_opts *opts, struct mlo_table **ret, struct mlo_err *err)
{
    struct mlo_table_opts to = {.format = opts->format, .threads = opts->threads};
    MLO_AUTOFREE struct mlo_table_column *types = mlo_calloc(rules->n_columns + 1, sizeof *types, err);
    if (!types)
        return MLO_EIO;
    to.types = types;
    for (size_t i = 0; i < rules->n_columns; i++)
        if (rules->columns[i].has_type)
            types[to.n_types++] = (struct mlo_table_column){.name = (char *)(uintptr_t)rules->columns[i].name,
                                                            .type = rules->columns[i].type};
    return mlo_table_open(paths, n, &to, ret, err);
}

int mlo_validate(const char *const *paths, size_t n, const struct mlo_rules *rules,
                 const struct mlo_validate_opts *opts, struct mlo_validation **ret, struct mlo_err *err)
{
    struct pass p = {.rules = rules, .opts = opts};
    struct mlo_table *t = NULL;
    int rc = open_table(paths, n, rules, opts, &t, err);
    if (rc != 0)
        return rc;
    pthread_mutex_init(&p.lock, NULL);
    rc = mlo_bind(&p.binding, rules, t, opts, err);
    if (rc == 0)
        rc = make_workers(&p, mlo_table_workers(t), err);
    if (rc == 0)
        rc = read_others(&p, err);
    if (rc == 0)
        rc = mlo_table_scan(t, check_batch, &p, &p.found, err);
    if (rc == 0)
        rc = add_up(&p, err);
    if (rc == 0)
        rc = make_result(&p, ret, err);
    release(&p);
    mlo_table_close(t);
    return rc;
}

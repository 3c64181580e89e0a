/*
 * A file of rules, read: which words there are, where they may stand, and what types of column they need.
 * What follows a word is read in arguments.c. Every refusal names file and line.
 */
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#include "internal.h"

#define EXAMPLES 5 /* of a rule, when the file does not say */

enum needs { ANY, TEXT, NUMBER, TIME, BOUNDS, VALUES }; /* BOUNDS, VALUES: as they are numbers or times */

struct word {
    const char *word;
    enum mlo_rule_kind kind;
    enum needs needs;
    bool by_row; /* takes `mostly` */
};
static const struct word column_words[] = {
    {"type", MLO_RULE_TYPE, ANY, true},
    {"nullable", MLO_RULE_NULLABLE, ANY, true},
    {"missing", MLO_RULE_MISSING, ANY, false},
    {"finite", MLO_RULE_FINITE, NUMBER, true},
    {"range", MLO_RULE_RANGE, BOUNDS, true},
    {"in", MLO_RULE_IN, VALUES, true},
    {"not-in", MLO_RULE_NOT_IN, VALUES, true},
    {"regex", MLO_RULE_REGEX, TEXT, true},
    {"length", MLO_RULE_LENGTH, TEXT, true},
    {"format", MLO_RULE_FORMAT, TEXT, true},
    {"unique", MLO_RULE_UNIQUE, ANY, true},
    {"constant", MLO_RULE_CONSTANT, ANY, false},
    {"monotone", MLO_RULE_MONOTONE, ANY, true},
    {"fresh", MLO_RULE_FRESH, TIME, false},
    {"mean", MLO_RULE_MEAN, NUMBER, false},
    {"sd", MLO_RULE_SD, NUMBER, false},
    {"quantiles", MLO_RULE_QUANTILE, NUMBER, false},
};
static const struct word table_words[] = {
    {"unique", MLO_RULE_UNIQUE, ANY, true},     {"compare", MLO_RULE_COMPARE, ANY, true},
    {"together", MLO_RULE_TOGETHER, ANY, true}, {"conflict", MLO_RULE_CONFLICT, ANY, true},
    {"overlap", MLO_RULE_OVERLAP, ANY, true},
};
static const struct word rows_word = {"rows", MLO_RULE_ROWS, ANY, false};
static const struct word change_word = {"change", MLO_RULE_CHANGE, ANY, false};
static const struct word ragged_word = {"ragged", MLO_RULE_RAGGED, ANY, false};
static const struct word extra_word = {"extra", MLO_RULE_EXTRA, ANY, false};
static const struct word order_word = {"order", MLO_RULE_ORDER, ANY, false};
static const struct word present_word = {"present", MLO_RULE_PRESENT, ANY, false};

/* ---- nodes ---- */

int mlo_rule_fault(const struct mlo_rule_reader *rd, size_t node, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return mlo_fail(rd->err, MLO_EUSAGE, "%s:%zu: %s", rd->file, rd->nodes[node].line, text);
}

size_t mlo_rule_first(const struct mlo_rule_reader *rd, size_t node)
{
    bool has = node + 1 < rd->n && rd->nodes[node + 1].depth > rd->nodes[node].depth;
    return has ? node + 1 : SIZE_MAX;
}

size_t mlo_rule_next(const struct mlo_rule_reader *rd, size_t child)
{
    size_t i = child + 1;
    while (i < rd->n && rd->nodes[i].depth > rd->nodes[child].depth)
        i++;
    return i < rd->n && rd->nodes[i].depth == rd->nodes[child].depth ? i : SIZE_MAX;
}

#define EACH_MEMBER(rd, node, i)                                                                             \
    for (size_t i = mlo_rule_first(rd, node); i != SIZE_MAX; i = mlo_rule_next(rd, i))

/* A list's first element is called 0. */
static bool is_mapping(const struct mlo_rule_reader *rd, size_t node)
{
    size_t first = mlo_rule_first(rd, node);
    return first != SIZE_MAX && strcmp(rd->nodes[first].key, "0") != 0;
}

static int unknown_word(const struct mlo_rule_reader *rd, size_t node, const char *const *words, size_t n)
{
    struct mlo_nearest near = {.word = rd->nodes[node].key};
    char shown[MLO_SHOWN];
    for (size_t i = 0; i < n; i++)
        mlo_nearest_offer(&near, words[i]);
    mlo_rule_fault(rd, node, "there is no rule '%s' here", mlo_shown(near.word, strlen(near.word), shown));
    return near.best ? mlo_hint(rd->err, "did you mean %s?", near.best)
                     : mlo_hint(rd->err, "docs/validation.md and mlopsctl-validate(1) list the rules");
}

static int find_word(const struct mlo_rule_reader *rd, size_t node, const struct word *words, size_t n,
                     const struct word **ret)
{
    const char *names[MLO_COUNT(column_words)];
    for (size_t i = 0; i < n; i++) {
        names[i] = words[i].word;
        if (strcmp(words[i].word, rd->nodes[node].key) == 0) {
            *ret = &words[i];
            return 0;
        }
    }
    return unknown_word(rd, node, names, n);
}

/* ---- options ---- */

int mlo_rule_boolean(const struct mlo_rule_reader *rd, size_t node, bool *ret)
{
    static const char *const no[] = {"false", "no", "off"}, *const yes[] = {"true", "yes", "on"};
    const char *v = rd->nodes[node].value;
    for (size_t i = 0; v && i < MLO_COUNT(no); i++)
        if (strcmp(v, no[i]) == 0 || strcmp(v, yes[i]) == 0) {
            *ret = strcmp(v, yes[i]) == 0;
            return 0;
        }
    return mlo_rule_fault(rd, node, "%s must be true or false", rd->nodes[node].key);
}

const char *mlo_severity_word(enum mlo_severity s)
{
    static const char *const words[] = {"info", "warning", "error"};
    return words[s];
}

static int take_severity(const struct mlo_rule_reader *rd, size_t node, enum mlo_severity *ret)
{
    const char *v = rd->nodes[node].value;
    for (unsigned s = MLO_SEVERITY_INFO; v && s <= MLO_SEVERITY_ERROR; s++)
        if (strcmp(v, mlo_severity_word((enum mlo_severity)s)) == 0) {
            *ret = (enum mlo_severity)s;
            return 0;
        }
    return mlo_rule_fault(rd, node, "severity must be error, warning or info");
}

static int take_examples(const struct mlo_rule_reader *rd, size_t node, unsigned *ret)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    uint64_t n;
    const char *v = rd->nodes[node].value;
    if (!v || mlo_parse_u64(v, 0, MLO_VALIDATE_EXAMPLES_MAX, "examples", &n, &ignored) != 0)
        return mlo_rule_fault(rd, node, "examples must be a whole number up to %d",
                              MLO_VALIDATE_EXAMPLES_MAX);
    *ret = (unsigned)n;
    return 0;
}

static int take_mostly(const struct mlo_rule_reader *rd, size_t node, double *ret)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    double share = 0;
    const char *v = rd->nodes[node].value;
    if (!v || mlo_parse_double(v, "mostly", &share, &ignored) != 0 || !(share >= 0 && share <= 1))
        return mlo_rule_fault(rd, node, "mostly must be a share from 0 to 1");
    *ret = share;
    return 0;
}

int mlo_rule_option(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule *rule, bool *ret_taken)
{
    const char *key = rd->nodes[node].key;
    *ret_taken = true;
    if (strcmp(key, "severity") == 0)
        return take_severity(rd, node, &rule->severity);
    if (strcmp(key, "examples") == 0)
        return take_examples(rd, node, &rule->examples);
    if (strcmp(key, "mostly") == 0)
        return take_mostly(rd, node, &rule->mostly);
    *ret_taken = false;
    return 0;
}

/* ---- types ---- */

/* The type that the rule needs its column to be read as; false: any will do. */
static bool needed_type(const struct word *w, const struct mlo_rule *r, enum mlo_column_type *ret)
{
    switch (w->needs) {
    case ANY:
        if (r->kind == MLO_RULE_TYPE)
            *ret = r->type;
        return r->kind == MLO_RULE_TYPE;
    case TEXT:
        *ret = MLO_COLUMN_TEXT;
        return true;
    case NUMBER:
        *ret = MLO_COLUMN_NUMBER;
        return true;
    case TIME:
        *ret = MLO_COLUMN_TIME;
        return true;
    case BOUNDS:
        *ret = r->bounds.time ? MLO_COLUMN_TIME : MLO_COLUMN_NUMBER;
        return true;
    case VALUES:
        *ret = MLO_COLUMN_TEXT;
        return !r->values.numbers && !r->values.times;
    }
    return false;
}

static int settle_type(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule_column *c,
                       const struct word *w, const struct mlo_rule *r)
{
    enum mlo_column_type type;
    if (!needed_type(w, r, &type))
        return 0;
    if (c->has_type && c->type != type) {
        mlo_rule_fault(rd, node, "%s needs a %s column, and %s makes it a %s column", w->word,
                       mlo_column_type_words[type], c->type_by, mlo_column_type_words[c->type]);
        return mlo_hint(rd->err, "a column is read as one type; leave one of the two rules out");
    }
    c->has_type = true;
    c->type = type;
    c->type_by = w->word;
    return 0;
}

/* ---- rules ---- */

static struct mlo_rule *new_rule(const struct mlo_rule_reader *rd, const struct word *w,
                                 const struct mlo_rule *defaults, size_t line)
{
    struct mlo_rules *r = rd->rules;
    if (mlo_grow(&r->rules, &r->cap, r->n + 1, sizeof *r->rules, rd->err) != 0)
        return NULL;
    struct mlo_rule *rule = &r->rules[r->n];
    *rule = *defaults;
    rule->kind = w->kind;
    rule->word = w->word;
    rule->wants = "";
    rule->line = line;
    return rule;
}

static int set_column(const struct mlo_rule_reader *rd, struct mlo_rule *rule, const char *column)
{
    rule->names = mlo_arena_alloc(&rd->rules->arena, 1, sizeof *rule->names, rd->err);
    if (!rule->names)
        return MLO_EIO;
    rule->names[0] = column;
    rule->n_names = 1;
    rule->about = column;
    return 0;
}

/* Is it a rule at all? `unique: false` and the like say that there is none. */
static bool is_wanted(const struct mlo_rule *rule)
{
    bool may_be_off = rule->kind == MLO_RULE_NULLABLE || rule->kind == MLO_RULE_FINITE ||
                      rule->kind == MLO_RULE_CONSTANT || rule->kind == MLO_RULE_EXTRA ||
                      rule->kind == MLO_RULE_ORDER || rule->kind == MLO_RULE_UNIQUE;
    return !may_be_off || rule->on;
}

/* One rule at `node`: the argument itself, or a mapping of it (`is`, or its own keys) and options. */
static int take_rule(const struct mlo_rule_reader *rd, size_t node, const struct word *w,
                     const struct mlo_rule *defaults, struct mlo_rule_column *column)
{
    struct mlo_rule *rule = new_rule(rd, w, defaults, rd->nodes[node].line);
    size_t argument = node;
    int rc = rule ? 0 : MLO_EIO;
    if (rc == 0 && column)
        rc = set_column(rd, rule, column->name);
    if (rc == 0 && is_mapping(rd, node))
        EACH_MEMBER(rd, node, i)
        {
            bool taken = false;
            if (rc == 0)
                rc = mlo_rule_option(rd, i, rule, &taken);
            if (rc == 0 && taken && strcmp(rd->nodes[i].key, "mostly") == 0 && !w->by_row)
                rc = mlo_rule_fault(rd, i, "%s is not about single rows: it takes no mostly", w->word);
            if (strcmp(rd->nodes[i].key, "is") == 0 && w->kind != MLO_RULE_QUANTILE)
                argument = i;
        }
    if (rc == 0 && !w->by_row)
        rule->mostly = 1;
    if (rc == 0)
        rc = mlo_rule_arguments(rd, argument, rule);
    if (rc == 0 && column)
        rc = settle_type(rd, node, column, w, rule);
    if (rc == 0 && is_wanted(rule))
        rd->rules->n++;
    else if (rule)
        mlo_pattern_free(mlo_steal(&rule->pattern));
    return rc;
}

/* ---- columns ---- */

static int take_column_rules(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule_column *c,
                             const struct mlo_rule *defaults)
{
    const struct word *word = NULL;
    EACH_MEMBER(rd, node, i)
    {
        bool taken = false;
        struct mlo_rule ignored = *defaults;
        int rc = mlo_rule_option(rd, i, &ignored, &taken);
        if (taken || strcmp(rd->nodes[i].key, "optional") == 0)
            continue;
        rc = find_word(rd, i, column_words, MLO_COUNT(column_words), &word);
        if (rc == 0 && word->kind == MLO_RULE_QUANTILE) {
            EACH_MEMBER(rd, i, q)
            if (rc == 0)
                rc = take_rule(rd, q, word, defaults, c);
        } else if (rc == 0) {
            rc = take_rule(rd, i, word, defaults, c);
        }
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* What stands beside the rules of a column and counts for all of them. */
static int take_column_options(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule_column *c,
                               struct mlo_rule *defaults)
{
    EACH_MEMBER(rd, node, i)
    {
        bool taken = false;
        int rc = strcmp(rd->nodes[i].key, "optional") == 0 ? mlo_rule_boolean(rd, i, &c->optional)
                                                           : mlo_rule_option(rd, i, defaults, &taken);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int take_column(const struct mlo_rule_reader *rd, size_t node, const struct mlo_rule *given)
{
    struct mlo_rules *r = rd->rules;
    struct mlo_rule defaults = *given;
    struct mlo_rule_column c = {.line = rd->nodes[node].line};
    const struct mlo_config_node *at = &rd->nodes[node];
    int rc = mlo_grow(&r->columns, &r->cap_columns, r->n_columns + 1, sizeof *r->columns, rd->err);
    if (rc == 0)
        c.name = mlo_arena_strndup(&r->arena, at->key, strlen(at->key), rd->err);
    if (!c.name)
        return MLO_EIO;
    if (at->inner && mlo_rule_first(rd, node) != SIZE_MAX && !is_mapping(rd, node))
        return mlo_rule_fault(rd, node, "a column's rules must be a mapping, or its type alone");
    rc = take_column_options(rd, node, &c, &defaults);
    struct mlo_rule *present = rc == 0 ? new_rule(rd, &present_word, &defaults, c.line) : NULL;
    if (!present)
        return rc != 0 ? rc : MLO_EIO;
    present->mostly = 1;
    rc = set_column(rd, present, c.name);
    r->n++;
    if (rc == 0 && at->value) /* "age: integer" */
        rc = take_rule(rd, node, &column_words[0], &defaults, &c);
    else if (rc == 0)
        rc = take_column_rules(rd, node, &c, &defaults);
    if (rc == 0)
        r->columns[r->n_columns++] = c;
    return rc;
}

/* ---- the table ---- */

static int take_table_rule(const struct mlo_rule_reader *rd, size_t node, const struct mlo_rule *given)
{
    struct mlo_rule defaults = *given;
    const struct word *word = NULL;
    size_t at = SIZE_MAX;
    int rc = 0;
    EACH_MEMBER(rd, node, i)
    {
        bool taken = false;
        if (rc == 0)
            rc = mlo_rule_option(rd, i, &defaults, &taken);
        if (rc == 0 && !taken && at != SIZE_MAX)
            rc = mlo_rule_fault(rd, i, "one rule for each element of the list");
        if (rc == 0 && !taken)
            rc = find_word(rd, at = i, table_words, MLO_COUNT(table_words), &word);
    }
    if (rc == 0 && at == SIZE_MAX)
        rc = mlo_rule_fault(rd, node, "an element of the list must say a rule: `- unique: [a, b]`");
    return rc != 0 ? rc : take_rule(rd, at, word, &defaults, NULL);
}

static int take_rows(const struct mlo_rule_reader *rd, size_t node, const struct mlo_rule *defaults)
{
    struct mlo_rule own = *defaults;
    bool mapping = is_mapping(rd, node), taken = false;
    size_t change = SIZE_MAX, others = 0;
    int rc = 0;
    EACH_MEMBER(rd, node, i)
    {
        if (rc == 0 && mapping)
            rc = mlo_rule_option(rd, i, &own, &taken);
        if (mapping && strcmp(rd->nodes[i].key, "change") == 0)
            change = i;
        else
            others += !taken;
    }
    if (rc == 0 && change != SIZE_MAX)
        rc = take_rule(rd, change, &change_word, &own, NULL);
    return rc == 0 && (others > 0 || change == SIZE_MAX) ? take_rule(rd, node, &rows_word, &own, NULL) : rc;
}

static int take_schema(const struct mlo_rule_reader *rd, size_t node, const struct mlo_rule *given)
{
    static const char *const words[] = {"extra", "order"};
    struct mlo_rule defaults = *given;
    bool taken;
    int rc = is_mapping(rd, node) ? 0 : mlo_rule_fault(rd, node, "schema must be a mapping: {extra: false}");
    EACH_MEMBER(rd, node, i)
    if (rc == 0)
        rc = mlo_rule_option(rd, i, &defaults, &taken);
    EACH_MEMBER(rd, node, i)
    {
        const char *key = rd->nodes[i].key;
        taken = false;
        if (rc == 0)
            rc = mlo_rule_option(rd, i, &defaults, &taken);
        if (rc != 0 || taken)
            continue;
        if (strcmp(key, words[0]) == 0)
            rc = take_rule(rd, i, &extra_word, &defaults, NULL);
        else if (strcmp(key, words[1]) == 0)
            rc = take_rule(rd, i, &order_word, &defaults, NULL);
        else
            rc = unknown_word(rd, i, words, MLO_COUNT(words));
    }
    return rc;
}

/* Lines that are no rows are not part of any other rule: unless the file says how many may be, none may. */
static int add_ragged(const struct mlo_rule_reader *rd, const struct mlo_rule *defaults)
{
    struct mlo_rule *rule = new_rule(rd, &ragged_word, defaults, 0);
    if (!rule)
        return MLO_EIO;
    rule->mostly = 1;
    rule->wants = "at most 0";
    rd->rules->n++;
    return 0;
}

static int take_name(const struct mlo_rule_reader *rd, size_t node)
{
    const char *v = rd->nodes[node].value;
    if (!v || !*v || strlen(v) > 64 ||
        strspn(v, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != strlen(v))
        return mlo_rule_fault(rd, node, "name must be letters, digits, - _ and ., at most 64");
    rd->rules->name = mlo_arena_strndup(&rd->rules->arena, v, strlen(v), rd->err);
    return rd->rules->name ? 0 : MLO_EIO;
}

static int take_member(const struct mlo_rule_reader *rd, size_t node, const struct mlo_rule *defaults,
                       bool *ragged)
{
    static const char *const words[] = {"name", "rows", "ragged", "schema", "columns", "table"};
    const char *key = rd->nodes[node].key;
    bool list = strcmp(key, words[5]) == 0;
    int rc = 0;
    if (strcmp(key, words[0]) == 0)
        return take_name(rd, node);
    if (strcmp(key, words[1]) == 0)
        return take_rows(rd, node, defaults);
    if (strcmp(key, words[2]) == 0) {
        *ragged = true;
        return take_rule(rd, node, &ragged_word, defaults, NULL);
    }
    if (strcmp(key, words[3]) == 0)
        return take_schema(rd, node, defaults);
    if (!list && strcmp(key, words[4]) != 0)
        return unknown_word(rd, node, words, MLO_COUNT(words));
    if (rd->nodes[node].value || is_mapping(rd, node) == list)
        return mlo_rule_first(rd, node) == SIZE_MAX && !rd->nodes[node].value
                   ? 0
                   : mlo_rule_fault(rd, node,
                                    list ? "table must be a list of rules"
                                         : "columns must be a mapping of names to rules");
    EACH_MEMBER(rd, node, i)
    if (rc == 0)
        rc = list ? take_table_rule(rd, i, defaults) : take_column(rd, i, defaults);
    return rc;
}

static int take_section(const struct mlo_rule_reader *rd)
{
    struct mlo_rule defaults = {.severity = MLO_SEVERITY_ERROR, .mostly = 1, .examples = EXAMPLES};
    bool ragged = false, taken = false;
    int rc = 0;
    for (int pass = 0; pass < 2; pass++) /* options first: they count for all */
        for (size_t i = rd->n ? 0 : SIZE_MAX; rc == 0 && i != SIZE_MAX; i = mlo_rule_next(rd, i)) {
            rc = mlo_rule_option(rd, i, &defaults, &taken);
            if (rc == 0 && !taken && pass == 1)
                rc = take_member(rd, i, &defaults, &ragged);
        }
    return rc == 0 && !ragged ? add_ragged(rd, &defaults) : rc;
}

/* ---- the whole ---- */

int mlo_rules_read(const char *file, const char *text, size_t n, struct mlo_rules **ret, struct mlo_err *err)
{
    struct mlo_config_tree *tree = NULL;
    struct mlo_rules *r = mlo_calloc(1, sizeof *r, err);
    if (!r)
        return MLO_EIO;
    mlo_arena_init(&r->arena, (size_t)64 << 20);
    r->name = "data";
    int rc = mlo_config_tree_read(file, text, n, MLO_VALIDATE_SECTION, &tree, err);
    if (rc == 0) {
        struct mlo_rule_reader rd = {.rules = r, .file = file, .err = err};
        rd.nodes = mlo_config_tree_nodes(tree, &rd.n);
        rc = take_section(&rd);
    }
    mlo_config_tree_free(tree);
    if (rc != 0)
        mlo_rules_free(r);
    else
        *ret = r;
    return rc;
}

void mlo_rules_free(struct mlo_rules *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++)
        mlo_pattern_free(r->rules[i].pattern);
    mlo_arena_release(&r->arena);
    free(r->rules);
    free(r->columns);
    free(r);
}

const char *mlo_rules_name(const struct mlo_rules *r)
{
    return r->name;
}

bool mlo_rules_compare_runs(const struct mlo_rules *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->rules[i].kind == MLO_RULE_CHANGE)
            return true;
    return false;
}

const struct mlo_rule_column *mlo_rules_column(const struct mlo_rules *r, const char *name)
{
    for (size_t i = 0; i < r->n_columns; i++)
        if (strcmp(r->columns[i].name, name) == 0)
            return &r->columns[i];
    return NULL;
}

/* See bind.h. */
#include "bind.h"

#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>

size_t mlo_bind_find(const struct mlo_table_column *columns, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(columns[i].name, name) == 0)
            return i;
    return SIZE_MAX;
}

const char *mlo_bind_say(struct mlo_binding *b, struct mlo_err *err, const char *fmt, ...)
{
    char text[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return mlo_arena_strndup(&b->arena, text, strlen(text), err);
}

static int decide(struct mlo_binding *b, struct mlo_bound *bound, enum mlo_rule_verdict v, const char *why)
{
    (void)b;
    bound->verdict = v;
    bound->why = why;
    return why ? 0 : MLO_EIO;
}

/* ---- columns of a rule ---- */

static int no_column(struct mlo_binding *b, struct mlo_bound *bound, const struct mlo_rules *rules,
                     const char *name, struct mlo_err *err)
{
    const struct mlo_rule_column *c = mlo_rules_column(rules, name);
    char shown[MLO_SHOWN];
    return decide(b, bound, c && c->optional ? MLO_RULE_SKIPPED : MLO_RULE_ABSENT,
                  mlo_bind_say(b, err, "there is no column '%s'", mlo_shown(name, strlen(name), shown)));
}

/* conflict and overlap without names read every column; the label comes last. */
static int choose_columns(struct mlo_binding *b, struct mlo_bound *bound, const struct mlo_rules *rules,
                          struct mlo_err *err)
{
    const struct mlo_rule *r = bound->rule;
    bool conflict = r->kind == MLO_RULE_CONFLICT,
         all = (conflict || r->kind == MLO_RULE_OVERLAP) && !r->n_names;
    size_t label = conflict ? mlo_bind_find(b->columns, b->n_columns, r->text) : SIZE_MAX;
    size_t *at = mlo_arena_alloc(&b->arena, b->n_columns + r->n_names + 1, sizeof *at, err);
    if (!at)
        return MLO_EIO;
    bound->columns = at;
    if (conflict && label == SIZE_MAX)
        return no_column(b, bound, rules, r->text, err);
    for (size_t i = 0; all && i < b->n_columns; i++)
        if (i != label)
            at[bound->n_columns++] = i;
    for (size_t i = 0; i < r->n_names && r->kind != MLO_RULE_EXTRA; i++) {
        at[bound->n_columns++] = mlo_bind_find(b->columns, b->n_columns, r->names[i]);
        if (at[i] == SIZE_MAX)
            return no_column(b, bound, rules, r->names[i], err);
    }
    if (conflict)
        at[bound->n_columns++] = label;
    return 0;
}

/* ---- types ---- */

static bool is_number(enum mlo_column_type t)
{
    return t == MLO_COLUMN_NUMBER || t == MLO_COLUMN_BOOL;
}

static bool values_fit(const struct mlo_values *v, enum mlo_column_type type, bool now)
{
    if (type == MLO_COLUMN_TIME)
        return v->times || now;
    return type == MLO_COLUMN_TEXT || v->numbers;
}

static bool compare_fits(const struct mlo_bound *bound)
{
    const struct mlo_rule *r = bound->rule;
    enum mlo_column_type left = bound->table[bound->columns[0]].type;
    if (bound->n_columns == 1)
        return values_fit(&r->values, left, bound->bounds.low_now) &&
               !(left == MLO_COLUMN_TEXT && r->values.numbers);
    enum mlo_column_type right = bound->table[bound->columns[1]].type;
    return left == right || (is_number(left) && is_number(right));
}

static int check_types(struct mlo_binding *b, struct mlo_bound *bound, struct mlo_err *err)
{
    const struct mlo_rule *r = bound->rule;
    bool set = r->kind == MLO_RULE_IN || r->kind == MLO_RULE_NOT_IN;
    if (bound->n_columns == 0)
        return 0;
    enum mlo_column_type type = bound->table[bound->columns[0]].type;
    if (r->kind == MLO_RULE_COMPARE && !compare_fits(bound))
        return decide(b, bound, MLO_RULE_UNCHECKED,
                      mlo_bind_say(b, err, "the two sides are of different types"));
    if (r->kind == MLO_RULE_MONOTONE && type == MLO_COLUMN_TEXT)
        return decide(b, bound, MLO_RULE_UNCHECKED,
                      mlo_bind_say(b, err, "the column is text, which has no order here"));
    if (set && !values_fit(&r->values, type, false))
        return decide(b, bound, MLO_RULE_UNCHECKED,
                      mlo_bind_say(b, err, "the values are of another type than the column"));
    return 0;
}

/* ---- the schema ---- */

static bool is_listed(const struct mlo_rule *r, const struct mlo_rules *rules, const char *name)
{
    for (size_t i = 0; i < r->n_names; i++)
        if (strcmp(r->names[i], name) == 0)
            return true;
    return mlo_rules_column(rules, name) != NULL;
}

static int check_extra(struct mlo_binding *b, struct mlo_bound *bound, const struct mlo_rules *rules,
                       struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    size_t n = 0;
    const char *first = NULL;
    for (size_t i = 0; i < b->n_columns; i++)
        if (!is_listed(bound->rule, rules, b->columns[i].name)) {
            first = first ? first : b->columns[i].name;
            n++;
        }
    if (n == 0)
        return 0;
    mlo_shown(first, strlen(first), shown);
    return decide(b, bound, MLO_RULE_FAILED,
                  n == 1 ? mlo_bind_say(b, err, "column '%s' is not listed", shown)
                         : mlo_bind_say(b, err, "column '%s' and %zu more are not listed", shown, n - 1));
}

/* Those that are listed and there, in the order of the rules; others between them do not matter. */
static int check_order(struct mlo_binding *b, struct mlo_bound *bound, const struct mlo_rules *rules,
                       struct mlo_err *err)
{
    size_t last = SIZE_MAX;
    char shown[MLO_SHOWN], before[MLO_SHOWN];
    for (size_t i = 0; i < rules->n_columns; i++) {
        size_t at = mlo_bind_find(b->columns, b->n_columns, rules->columns[i].name);
        if (at == SIZE_MAX)
            continue;
        if (last != SIZE_MAX && at < last)
            return decide(
                b, bound, MLO_RULE_FAILED,
                mlo_bind_say(b, err, "column '%s' stands before '%s'",
                             mlo_shown(b->columns[at].name, strlen(b->columns[at].name), shown),
                             mlo_shown(b->columns[last].name, strlen(b->columns[last].name), before)));
        last = at;
    }
    return 0;
}

/* ---- all rules ---- */

static int bind_rule(struct mlo_binding *b, struct mlo_bound *bound, const struct mlo_rules *rules,
                     const struct mlo_validate_opts *opts, struct mlo_err *err)
{
    const struct mlo_rule *r = bound->rule;
    bound->table = b->columns;
    bound->bounds = r->bounds;
    if (bound->bounds.low_now)
        bound->bounds.low_ns = opts->now_ns;
    if (bound->bounds.high_now)
        bound->bounds.high_ns = opts->now_ns;
    int rc = choose_columns(b, bound, rules, err);
    if (rc == 0 && bound->verdict == MLO_RULE_HOLDS)
        rc = check_types(b, bound, err);
    if (rc == 0 && r->kind == MLO_RULE_EXTRA)
        rc = check_extra(b, bound, rules, err);
    if (rc == 0 && r->kind == MLO_RULE_ORDER)
        rc = check_order(b, bound, rules, err);
    bool keys = r->kind == MLO_RULE_UNIQUE || r->kind == MLO_RULE_CONFLICT || r->kind == MLO_RULE_OVERLAP;
    if (rc == 0 && keys && bound->verdict == MLO_RULE_HOLDS)
        rc = mlo_keys_new(opts->keys_max, r->kind == MLO_RULE_CONFLICT, &bound->keys, err);
    return rc;
}

int mlo_bind(struct mlo_binding *b, const struct mlo_rules *rules, const struct mlo_table *t,
             const struct mlo_validate_opts *opts, struct mlo_err *err)
{
    int rc = 0;
    mlo_arena_init(&b->arena, (size_t)1 << 30);
    b->columns = mlo_table_columns(t, &b->n_columns);
    b->bounds = mlo_calloc(rules->n + 1, sizeof *b->bounds, err);
    if (!b->bounds)
        return MLO_EIO;
    b->n = rules->n;
    for (size_t i = 0; rc == 0 && i < rules->n; i++) {
        b->bounds[i].rule = &rules->rules[i];
        rc = bind_rule(b, &b->bounds[i], rules, opts, err);
    }
    return rc;
}

void mlo_binding_release(struct mlo_binding *b)
{
    for (size_t i = 0; i < b->n; i++)
        mlo_keys_free(b->bounds[i].keys);
    free(b->bounds);
    mlo_arena_release(&b->arena);
}

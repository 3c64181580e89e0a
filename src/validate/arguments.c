/* What follows the word of a rule: bounds, values, patterns, names of columns; and how a report spells it. */
#include <math.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/number.h>
#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>

#include "internal.h"

#define WANTS_MAX ((size_t)120) /* bytes of a rule as a report spells it */

#define EACH_MEMBER(rd, node, i)                                                                             \
    for (size_t i = mlo_rule_first(rd, node); i != SIZE_MAX; i = mlo_rule_next(rd, i))

/* ---- spelling ---- */

void mlo_show_number(struct mlo_str *out, double v)
{
    char text[MLO_DOUBLE_TEXT];
    mlo_str_add(out, mlo_double_text(v, text));
}

void mlo_show_time(struct mlo_str *out, int64_t ns)
{
    char text[MLO_RFC3339_MAX];
    int64_t rest = ns % MLO_NS_PER_S;
    rest += rest < 0 ? MLO_NS_PER_S : 0;
    mlo_time_rfc3339(ns, text);
    size_t n = strlen(text);
    if (rest == 0 || n == 0 || text[n - 1] != 'Z') {
        mlo_str_add(out, text);
        return;
    }
    int digits = 9;
    for (; rest % 10 == 0; digits--)
        rest /= 10;
    mlo_str_addn(out, text, n - 1);
    mlo_str_addf(out, ".%0*lldZ", digits, (long long)rest);
}

static void show_bound(struct mlo_str *out, const struct mlo_bounds *b, bool low)
{
    if (b->time && (low ? b->low_now : b->high_now))
        mlo_str_add(out, "now");
    else if (b->time)
        mlo_show_time(out, low ? b->low_ns : b->high_ns);
    else
        mlo_show_number(out, low ? b->low : b->high);
}

static void show_bounds(struct mlo_str *out, const struct mlo_bounds *b)
{
    if (b->has_low && b->has_high && !b->above && !b->below) {
        show_bound(out, b, true);
        mlo_str_add(out, " .. ");
        show_bound(out, b, false);
        return;
    }
    if (b->has_low) {
        mlo_str_add(out, b->above ? "> " : ">= ");
        show_bound(out, b, true);
    }
    if (b->has_low && b->has_high)
        mlo_str_add(out, " and ");
    if (b->has_high) {
        mlo_str_add(out, b->below ? "< " : "<= ");
        show_bound(out, b, false);
    }
}

/* Cut, so that a set of a thousand words stays a line. */
static int keep_wants(const struct mlo_rule_reader *rd, struct mlo_rule *rule, const struct mlo_str *text)
{
    bool whole = text->len <= WANTS_MAX;
    int rc = mlo_str_check(text, rd->err);
    if (rc != 0)
        return rc;
    size_t n = whole ? text->len : mlo_utf8_cut(text->ptr, WANTS_MAX);
    char *copy = mlo_arena_alloc(&rd->rules->arena, n + 4, 1, rd->err);
    if (!copy)
        return MLO_EIO;
    memcpy(copy, text->ptr, n);
    memcpy(copy + n, whole ? "" : "...", whole ? 1 : 4);
    rule->wants = copy;
    return 0;
}

static int set_wants(const struct mlo_rule_reader *rd, struct mlo_rule *rule, const char *fmt, ...)
    MLO_PRINTF(3, 4);
static int set_wants(const struct mlo_rule_reader *rd, struct mlo_rule *rule, const char *fmt, ...)
{
    MLO_AUTOSTR struct mlo_str s;
    va_list ap;
    mlo_str_init(&s, MLO_STR_MAX);
    va_start(ap, fmt);
    mlo_str_vaddf(&s, fmt, ap);
    va_end(ap);
    return keep_wants(rd, rule, &s);
}

/* ---- numbers, times, bounds ---- */

static bool as_number(const char *s, double *ret)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    return mlo_parse_double(s, "", ret, &ignored) == 0 && isfinite(*ret);
}

static bool as_time(const char *s, int64_t *ret)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    return mlo_time_parse(s, ret, &ignored) == 0;
}

static int take_bound(const struct mlo_rule_reader *rd, size_t node, struct mlo_bounds *b, bool low,
                      bool exclusive)
{
    const char *v = rd->nodes[node].value;
    double number = 0;
    int64_t ns = 0;
    bool now, first = !b->has_low && !b->has_high;
    if (!v)
        return rd->nodes[node].inner ? mlo_rule_fault(rd, node, "a bound must be a number or a time") : 0;
    now = strcmp(v, "now") == 0;
    bool time = now || (!as_number(v, &number) && as_time(v, &ns));
    if (!time && !as_number(v, &number))
        return mlo_rule_fault(rd, node,
                              "a bound must be a number, a time such as 2026-11-21T09:07:00Z, or now");
    if (!first && b->time != time)
        return mlo_rule_fault(rd, node, "one bound is a number, the other a time");
    if (low ? b->has_low : b->has_high)
        return mlo_rule_fault(rd, node, low ? "min and above are one bound" : "max and below are one bound");
    b->time = time;
    *(low ? &b->has_low : &b->has_high) = true;
    *(low ? &b->above : &b->below) = exclusive;
    *(low ? &b->low : &b->high) = number;
    *(low ? &b->low_ns : &b->high_ns) = ns;
    *(low ? &b->low_now : &b->high_now) = now;
    return 0;
}

static int take_bounds_member(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule *rule)
{
    static const char *const words[] = {"min", "above", "max", "below", "0", "1"};
    const char *key = rd->nodes[node].key;
    bool taken = false;
    struct mlo_rule ignored = *rule;
    int rc = mlo_rule_option(rd, node, &ignored, &taken);
    if (rc != 0 || taken || (rule->kind == MLO_RULE_ROWS && strcmp(key, "change") == 0))
        return rc;
    for (unsigned i = 0; i < MLO_COUNT(words); i++)
        if (strcmp(key, words[i]) == 0)
            return take_bound(rd, node, &rule->bounds, i == 4 || i < 2, i == 1 || i == 3);
    return mlo_rule_fault(rd, node, "%s has min, max, above and below, or is a list of two", rule->word);
}

static int take_bounds(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule *rule, bool number_only)
{
    MLO_AUTOSTR struct mlo_str s;
    struct mlo_bounds *b = &rule->bounds;
    int rc = 0;
    mlo_str_init(&s, MLO_STR_MAX);
    EACH_MEMBER(rd, node, i)
    if (rc == 0)
        rc = take_bounds_member(rd, i, rule);
    if (rc == 0 && !b->has_low && !b->has_high)
        rc = mlo_rule_fault(rd, node, "%s needs a bound: [0, 10], or {min: 0}", rule->word);
    if (rc == 0 && number_only && b->time)
        rc = mlo_rule_fault(rd, node, "the bounds of %s must be numbers", rule->word);
    bool both = b->has_low && b->has_high && !b->low_now && !b->high_now;
    if (rc == 0 && both && (b->time ? b->low_ns > b->high_ns : b->low > b->high))
        rc = mlo_rule_fault(rd, node, "the lower bound of %s is above the upper", rule->word);
    if (rc != 0)
        return rc;
    if (rule->kind == MLO_RULE_QUANTILE) {
        mlo_show_number(&s, rule->number);
        mlo_str_add(&s, ": ");
    }
    show_bounds(&s, b);
    return keep_wants(rd, rule, &s);
}

static int take_number(const struct mlo_rule_reader *rd, size_t node, double min, double max,
                       const char *what, double *ret)
{
    const char *v = rd->nodes[node].value;
    if (!v || !as_number(v, ret) || !(*ret >= min && *ret <= max))
        return mlo_rule_fault(rd, node, "%s", what);
    return 0;
}

static int take_quantile(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule *rule)
{
    if (!as_number(rd->nodes[node].key, &rule->number) || !(rule->number >= 0 && rule->number <= 1))
        return mlo_rule_fault(rd, node, "quantiles are numbers from 0 to 1, each with its bounds");
    return take_bounds(rd, node, rule, true);
}

/* ---- values ---- */

/* The text of a node: of a list its elements, else itself. */
static int take_values(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule *rule)
{
    struct mlo_arena *arena = &rd->rules->arena;
    struct mlo_values *v = &rule->values;
    size_t n = 0;
    bool numbers = true, times = true;
    EACH_MEMBER(rd, node, i)
    {
        if (!rd->nodes[i].value)
            return mlo_rule_fault(rd, i, "a value of %s must be one word; what is missing is for nullable",
                                  rule->word);
        n++;
    }
    if (n == 0)
        return mlo_rule_fault(rd, node, "%s needs a list of values", rule->word);
    v->texts = mlo_arena_alloc(arena, n, sizeof *v->texts, rd->err);
    v->numbers = v->texts ? mlo_arena_alloc(arena, n, sizeof *v->numbers, rd->err) : NULL;
    v->times = v->numbers ? mlo_arena_alloc(arena, n, sizeof *v->times, rd->err) : NULL;
    if (!v->times)
        return MLO_EIO;
    EACH_MEMBER(rd, node, i)
    {
        const char *text = rd->nodes[i].value;
        char *copy = mlo_arena_strndup(arena, text, strlen(text), rd->err);
        if (!copy)
            return MLO_EIO;
        v->texts[v->n] = (struct mlo_slice){copy, strlen(copy)};
        bool truth = strcmp(text, "true") == 0 || strcmp(text, "false") == 0;
        if (truth)
            v->numbers[v->n] = strcmp(text, "true") == 0;
        numbers = numbers && (truth || as_number(text, &v->numbers[v->n]));
        times = times && as_time(text, &v->times[v->n]);
        v->n++;
    }
    v->numbers = numbers ? v->numbers : NULL;
    v->times = times ? v->times : NULL;
    return 0;
}

static int by_text(const void *a, const void *b)
{
    const struct mlo_slice *x = a, *y = b;
    int c = memcmp(x->ptr, y->ptr, x->len < y->len ? x->len : y->len);
    return c != 0 ? c : (x->len > y->len) - (x->len < y->len);
}

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int take_set(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule *rule)
{
    MLO_AUTOSTR struct mlo_str s;
    struct mlo_values *v = &rule->values;
    mlo_str_init(&s, MLO_STR_MAX);
    int rc = take_values(rd, node, rule);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < v->n; i++)
        mlo_str_addf(&s, "%s%s",
                     i                           ? ", "
                     : rule->kind == MLO_RULE_IN ? "one of "
                                                 : "none of ",
                     v->texts[i].ptr);
    qsort(v->texts, v->n, sizeof *v->texts, by_text);
    if (v->numbers)
        qsort(v->numbers, v->n, sizeof *v->numbers, by_number);
    if (v->times)
        qsort(v->times, v->n, sizeof *v->times, by_time);
    return keep_wants(rd, rule, &s);
}

/* ---- columns ---- */

/* A list of names, or one. */
static int take_names(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule *rule, size_t min)
{
    const struct mlo_config_node *at = &rd->nodes[node];
    size_t n = at->value ? 1 : 0;
    EACH_MEMBER(rd, node, i)
    n++;
    rule->names = mlo_arena_alloc(&rd->rules->arena, n + 1, sizeof *rule->names, rd->err);
    if (!rule->names)
        return MLO_EIO;
    for (size_t i = at->value ? node : mlo_rule_first(rd, node); rule->n_names < n;
         i = mlo_rule_next(rd, i)) {
        const char *v = rd->nodes[i].value;
        if (!v)
            return mlo_rule_fault(rd, i, "the name of a column must be one word");
        if (!(v = mlo_arena_strndup(&rd->rules->arena, v, strlen(v), rd->err)))
            return MLO_EIO;
        rule->names[rule->n_names++] = v;
    }
    if (n < min)
        return mlo_rule_fault(rd, node, "%s needs the names of %zu columns or more", rule->word, min);
    return 0;
}

static int set_about(const struct mlo_rule_reader *rd, struct mlo_rule *rule)
{
    MLO_AUTOSTR struct mlo_str s;
    mlo_str_init(&s, MLO_STR_MAX);
    for (size_t i = 0; i < rule->n_names; i++)
        mlo_str_addf(&s, "%s%s", i ? ", " : "", rule->names[i]);
    const char *wants = rule->wants;
    int rc = rule->n_names ? keep_wants(rd, rule, &s) : 0;
    if (rc == 0 && rule->n_names)
        rule->about = rule->wants;
    rule->wants = wants;
    return rc;
}

static size_t member(const struct mlo_rule_reader *rd, size_t node, const char *key)
{
    EACH_MEMBER(rd, node, i)
    if (strcmp(rd->nodes[i].key, key) == 0)
        return i;
    return SIZE_MAX;
}

/* Only these members, and options. */
static int check_members(const struct mlo_rule_reader *rd, size_t node, const char *a, const char *b)
{
    EACH_MEMBER(rd, node, i)
    {
        struct mlo_rule ignored = {0};
        bool taken = false;
        const char *key = rd->nodes[i].key;
        int rc = mlo_rule_option(rd, i, &ignored, &taken);
        if (rc != 0)
            return rc;
        if (!taken && strcmp(key, a) != 0 && strcmp(key, b) != 0)
            return mlo_rule_fault(rd, i, "here stand %s and %s, not '%s'", a, b, key);
    }
    return 0;
}

static int keep_text(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule *rule, const char *what)
{
    const char *v = node == SIZE_MAX ? NULL : rd->nodes[node].value;
    if (!v || !*v)
        return mlo_rule_fault(rd, node == SIZE_MAX ? 0 : node, "%s", what);
    rule->text = mlo_arena_strndup(&rd->rules->arena, v, strlen(v), rd->err);
    return rule->text ? 0 : MLO_EIO;
}

static int take_conflict(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule *rule)
{
    size_t features = member(rd, node, "features"), label = member(rd, node, "label");
    int rc = check_members(rd, node, "features", "label");
    if (rc == 0 && label == SIZE_MAX)
        rc = mlo_rule_fault(rd, node, "conflict needs a label: {features: [a, b], label: y}");
    if (rc == 0 && features != SIZE_MAX)
        rc = take_names(rd, features, rule, 1);
    if (rc == 0)
        rc = keep_text(rd, label, rule, "label must be the name of a column");
    if (rc == 0)
        rc = set_wants(rd, rule, "one %s for equal %s", rule->text, rule->n_names ? "features" : "rows");
    return rc == 0 ? set_about(rd, rule) : rc;
}

/* Relative to the folder of the rules. */
static int take_path(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule *rule)
{
    const char *slash = strrchr(rd->file, '/');
    MLO_AUTOSTR struct mlo_str path;
    mlo_str_init(&path, MLO_PATH_MAX);
    int rc = keep_text(rd, node, rule, "with must be the path of a table");
    if (rc != 0 || rule->text[0] == '/' || !slash)
        return rc;
    mlo_str_addf(&path, "%.*s/%s", (int)(slash - rd->file), rd->file, rule->text);
    rc = mlo_str_check(&path, rd->err);
    rule->text = rc == 0 ? mlo_arena_strndup(&rd->rules->arena, path.ptr, path.len, rd->err) : NULL;
    return rule->text ? 0 : rc != 0 ? rc : MLO_EIO;
}

static int take_overlap(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule *rule)
{
    size_t with = member(rd, node, "with"), key = member(rd, node, "key");
    int rc = check_members(rd, node, "with", "key");
    if (rc == 0 && with == SIZE_MAX)
        rc = mlo_rule_fault(rd, node, "overlap needs a table: {with: train.csv, key: [id]}");
    if (rc == 0 && key != SIZE_MAX)
        rc = take_names(rd, key, rule, 1);
    if (rc == 0)
        rc = take_path(rd, with, rule);
    if (rc == 0)
        rc = set_wants(rd, rule, "no row of %s", rd->nodes[with].value);
    return rc == 0 ? set_about(rd, rule) : rc;
}

/* ---- comparisons: "a <= b", "amount > 0", "`my column` != 'x y'", "opened < now" ---- */

/* One side: a name, `a name`, 'a text', a number, a time or now. *ret_plain: it may be a column's name. */
static const char *take_side(const char *s, char *out, size_t size, char *ret_quote)
{
    size_t n = 0;
    s += strspn(s, " ");
    char quote = *s && strchr("`'\"", *s) ? *s++ : '\0';
    while (*s && (quote ? *s != quote : !strchr(" <>=!", *s)) && n + 1 < size)
        out[n++] = *s++;
    out[n] = '\0';
    *ret_quote = quote;
    if (quote)
        return *s == quote ? s + 1 : NULL;
    return n > 0 ? s : NULL;
}

static const char *take_operator(const char *s, enum mlo_compare *ret)
{
    static const struct {
        const char *text;
        enum mlo_compare as;
    } list[] = {{"<=", MLO_LESS_EQUAL}, {">=", MLO_GREATER_EQUAL}, {"==", MLO_EQUAL},
                {"!=", MLO_NOT_EQUAL},  {"<", MLO_LESS},           {">", MLO_GREATER}};
    s += strspn(s, " ");
    for (size_t i = 0; i < MLO_COUNT(list); i++)
        if (strncmp(s, list[i].text, strlen(list[i].text)) == 0) {
            *ret = list[i].as;
            return s + strlen(list[i].text);
        }
    return NULL;
}

static int add_constant(const struct mlo_rule_reader *rd, struct mlo_rule *rule, const char *text,
                        bool quoted)
{
    struct mlo_values *v = &rule->values;
    double number = 0;
    int64_t ns = 0;
    bool now = !quoted && strcmp(text, "now") == 0;
    struct mlo_arena *arena = &rd->rules->arena;
    v->texts = mlo_arena_alloc(arena, 1, sizeof *v->texts, rd->err);
    char *copy = v->texts ? mlo_arena_strndup(arena, text, strlen(text), rd->err) : NULL;
    if (!copy)
        return MLO_EIO;
    v->texts[0] = (struct mlo_slice){copy, strlen(copy)};
    v->n = 1;
    if (!quoted && as_number(text, &number)) {
        v->numbers = mlo_arena_alloc(arena, 1, sizeof *v->numbers, rd->err);
        if (!v->numbers)
            return MLO_EIO;
        v->numbers[0] = number;
    } else if (now || as_time(text, &ns)) {
        rule->bounds.low_now = now;
        v->times = mlo_arena_alloc(arena, 1, sizeof *v->times, rd->err);
        if (!v->times)
            return MLO_EIO;
        v->times[0] = ns;
    }
    return 0;
}

static int take_compare(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule *rule)
{
    enum { SIDE = 512 };
    char left[SIDE], right[SIDE], left_quote = 0, right_quote = 0;
    const char *v = rd->nodes[node].value, *s = v ? take_side(v, left, sizeof left, &left_quote) : NULL;
    double number;
    int64_t ns;
    s = s ? take_operator(s, &rule->compare) : NULL;
    s = s ? take_side(s, right, sizeof right, &right_quote) : NULL;
    if (!s || s[strspn(s, " ")] || (left_quote && left_quote != '`')) {
        mlo_rule_fault(rd, node, "compare needs two sides: \"a <= b\"");
        return mlo_hint(rd->err,
                        "left a column; < <= == != >= or >; right a column, a number, a time, now, or "
                        "a 'text'; a name with other than letters and digits stands in `backquotes`");
    }
    bool constant = (right_quote && right_quote != '`') ||
                    (!right_quote &&
                     (as_number(right, &number) || as_time(right, &ns) || strcmp(right, "now") == 0));
    const char *names[] = {left, right};
    rule->names = mlo_arena_alloc(&rd->rules->arena, 2, sizeof *rule->names, rd->err);
    if (!rule->names)
        return MLO_EIO;
    for (; rule->n_names < (constant ? 1 : 2); rule->n_names++) {
        const char *name = names[rule->n_names];
        if (!(rule->names[rule->n_names] = mlo_arena_strndup(&rd->rules->arena, name, strlen(name), rd->err)))
            return MLO_EIO;
    }
    int rc = constant ? add_constant(rd, rule, right, right_quote != 0) : 0;
    if (rc == 0)
        rc = set_wants(rd, rule, "%s", v);
    return rc == 0 ? set_about(rd, rule) : rc;
}

/* ---- the rest ---- */

static int take_type(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule *rule)
{
    static const struct {
        const char *word;
        enum mlo_column_type type;
        bool integral;
    } types[] = {{"number", MLO_COLUMN_NUMBER, false},
                 {"integer", MLO_COLUMN_NUMBER, true},
                 {"text", MLO_COLUMN_TEXT, false},
                 {"bool", MLO_COLUMN_BOOL, false},
                 {"time", MLO_COLUMN_TIME, false}};
    const char *v = rd->nodes[node].value;
    for (size_t i = 0; v && i < MLO_COUNT(types); i++)
        if (strcmp(types[i].word, v) == 0) {
            rule->type = types[i].type;
            rule->integral = types[i].integral;
            rule->wants = types[i].word;
            return 0;
        }
    return mlo_rule_fault(rd, node, "type must be number, integer, text, bool or time");
}

static int take_monotone(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule *rule)
{
    static const char *const words[] = {"increasing", "decreasing", "strictly-increasing",
                                        "strictly-decreasing"};
    const char *v = rd->nodes[node].value;
    for (size_t i = 0; v && i < MLO_COUNT(words); i++)
        if (strcmp(words[i], v) == 0) {
            rule->falling = i & 1;
            rule->strict = i & 2;
            rule->wants = words[i];
            return 0;
        }
    return mlo_rule_fault(
        rd, node, "monotone must be increasing, decreasing, strictly-increasing or strictly-decreasing");
}

static int take_fresh(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule *rule)
{
    struct mlo_err why = MLO_ERR_INIT;
    const char *v = rd->nodes[node].value;
    if (!v || mlo_parse_duration(v, "fresh", &rule->duration, &why) != 0 || rule->duration > INT64_MAX)
        return mlo_rule_fault(rd, node, "fresh must be a duration such as 36h or 7d");
    return set_wants(rd, rule, "newest at most %s old", v);
}

static int take_pattern(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule *rule)
{
    struct mlo_err why = MLO_ERR_INIT;
    int rc = keep_text(rd, node, rule, "regex must be a regular expression");
    if (rc != 0)
        return rc;
    rc = mlo_pattern_new(rule->text, &rule->pattern, &why);
    if (rc == MLO_EUSAGE)
        return mlo_rule_fault(rd, node, "regex: %s", why.msg);
    if (rc != 0) {
        *rd->err = why;
        return rc;
    }
    return set_wants(rd, rule, "%s", rule->text);
}

/* Words of strptime(3) that mean the same everywhere; others depend on language or need more than a date. */
static int take_format(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule *rule)
{
    int rc = keep_text(rd, node, rule, "format must be a form of dates such as '%d.%m.%Y'");
    for (const char *p = rc == 0 ? strchr(rule->text, '%') : NULL; p; p = strchr(p + 2, '%'))
        if (!p[1] || !strchr("YmdHMSyjeT%FzbBR", p[1]))
            return mlo_rule_fault(
                rd, node,
                "format takes %%Y %%m %%d %%H %%M %%S %%y %%j %%e %%b %%B %%F %%T %%R %%z and %%%%");
    return rc == 0 ? set_wants(rd, rule, "%s", rule->text) : rc;
}

static int take_switch(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule *rule, bool on_when,
                       const char *wants)
{
    bool value = false;
    int rc = mlo_rule_boolean(rd, node, &value);
    rule->on = value == on_when;
    rule->wants = wants;
    return rc;
}

static int take_unique(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule *rule)
{
    if (rule->n_names == 1)
        return take_switch(rd, node, rule, true, "each value once");
    rule->on = true;
    rule->wants = "each row once";
    int rc = take_names(rd, node, rule, 1);
    return rc == 0 ? set_about(rd, rule) : rc;
}

/* false: none; a list: these too. */
static int take_extra(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule *rule)
{
    if (rd->nodes[node].value)
        return take_switch(rd, node, rule, false, "no other columns");
    rule->on = true;
    rule->wants = "no columns but those listed";
    return take_names(rd, node, rule, 1);
}

static int take_together(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule *rule)
{
    rule->wants = "all missing or none";
    int rc = take_names(rd, node, rule, 2);
    return rc == 0 ? set_about(rd, rule) : rc;
}

static int take_share(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule *rule)
{
    MLO_AUTOSTR struct mlo_str s;
    mlo_str_init(&s, MLO_STR_MAX);
    int rc = take_number(rd, node, 0, 1, "missing must be a share from 0 to 1", &rule->number);
    if (rc != 0)
        return rc;
    mlo_str_add(&s, "at most ");
    mlo_show_number(&s, 100 * rule->number);
    mlo_str_add(&s, " %");
    return keep_wants(rd, rule, &s);
}

static int take_change(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule *rule)
{
    int rc = take_number(rd, node, 0, 1e6, "change must be a share, such as 0.2 for a fifth more or less",
                         &rule->number);
    return rc == 0 ? set_wants(rd, rule, "within %.6g %% of the check before", 100 * rule->number) : rc;
}

static int take_ragged(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule *rule)
{
    int rc = take_number(rd, node, 0, 9e15, "ragged must be the number of lines that may be no rows",
                         &rule->number);
    return rc == 0 ? set_wants(rd, rule, "at most %.0f", floor(rule->number)) : rc;
}

static int take_length(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule *rule)
{
    if (rd->nodes[node].value) {
        int rc = take_number(rd, node, 0, 9e15, "length must be a number of characters, or bounds",
                             &rule->bounds.low);
        rule->bounds.high = rule->bounds.low;
        rule->bounds.has_low = rule->bounds.has_high = true;
        return rc == 0 ? set_wants(rd, rule, "%.0f", rule->bounds.low) : rc;
    }
    return take_bounds(rd, node, rule, true);
}

int mlo_rule_arguments(const struct mlo_rule_reader *rd, size_t node, struct mlo_rule *rule)
{
    switch (rule->kind) {
    case MLO_RULE_ROWS:
    case MLO_RULE_MEAN:
    case MLO_RULE_SD:
        return take_bounds(rd, node, rule, true);
    case MLO_RULE_RANGE:
        return take_bounds(rd, node, rule, false);
    case MLO_RULE_QUANTILE:
        return take_quantile(rd, node, rule);
    case MLO_RULE_LENGTH:
        return take_length(rd, node, rule);
    case MLO_RULE_CHANGE:
        return take_change(rd, node, rule);
    case MLO_RULE_RAGGED:
        return take_ragged(rd, node, rule);
    case MLO_RULE_EXTRA:
        return take_extra(rd, node, rule);
    case MLO_RULE_ORDER:
        return take_switch(rd, node, rule, true, "columns in the order of the rules");
    case MLO_RULE_PRESENT:
        return 0;
    case MLO_RULE_TYPE:
        return take_type(rd, node, rule);
    case MLO_RULE_NULLABLE:
        return take_switch(rd, node, rule, false, "no missing value");
    case MLO_RULE_MISSING:
        return take_share(rd, node, rule);
    case MLO_RULE_FINITE:
        return take_switch(rd, node, rule, true, "no NaN, no infinity");
    case MLO_RULE_IN:
    case MLO_RULE_NOT_IN:
        return take_set(rd, node, rule);
    case MLO_RULE_REGEX:
        return take_pattern(rd, node, rule);
    case MLO_RULE_FORMAT:
        return take_format(rd, node, rule);
    case MLO_RULE_CONSTANT:
        return take_switch(rd, node, rule, true, "one value");
    case MLO_RULE_MONOTONE:
        return take_monotone(rd, node, rule);
    case MLO_RULE_FRESH:
        return take_fresh(rd, node, rule);
    case MLO_RULE_UNIQUE:
        return take_unique(rd, node, rule);
    case MLO_RULE_COMPARE:
        return take_compare(rd, node, rule);
    case MLO_RULE_TOGETHER:
        return take_together(rd, node, rule);
    case MLO_RULE_CONFLICT:
        return take_conflict(rd, node, rule);
    case MLO_RULE_OVERLAP:
        return take_overlap(rd, node, rule);
    }
    return MLO_EINTERNAL;
}

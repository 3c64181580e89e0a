/* Rules against tables: each holds and fails, at its border, with the right rows; and rules that are
 * inferred. */
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/time.h>
#include <mlopsctl/validate.h>

#include "tap.h"

static struct mlo_err err;
static char table_path[300];

#define NOW ((int64_t)1767225600 * MLO_NS_PER_S) /* 2026-01-01 */

static const char *write_table(const char *name, const char *text)
{
    snprintf(table_path, sizeof table_path, "%s/%s", tap_tmpdir(), name);
    FILE *f = fopen(table_path, "w");
    fputs(text, f);
    fclose(f);
    return table_path;
}

static struct mlo_validation *validate(const char *table, const char *rules_text, struct mlo_rules **rules)
{
    const char *path = write_table("t.csv", table);
    struct mlo_validate_opts o = {.now_ns = NOW, .threads = 2, .format = "csv"};
    struct mlo_validation *v = NULL;
    err = MLO_ERR_INIT;
    int rc = mlo_rules_read("f.yaml", rules_text, strlen(rules_text), rules, &err);
    if (check_ok(rc, &err))
        check_ok(mlo_validate(&path, 1, *rules, &o, &v, &err), &err);
    return v;
}

static const struct mlo_rule_result *find(const struct mlo_validation *v, const char *rule)
{
    for (size_t i = 0; v && i < v->n_rules; i++)
        if (strcmp(v->rules[i].rule, rule) == 0)
            return &v->rules[i];
    return NULL;
}

/* One rule of column x over these values (blanks between), with other columns y z. "holds", or "fails 3 of 5
 * at 4": counts of rows and the line of the first example. */
static void expect(const char *rule_text, const char *values, const char *want)
{
    MLO_AUTOSTR struct mlo_str table, rules;
    struct mlo_rules *r = NULL;
    char got[200] = "no rule", rule[40];
    mlo_str_init(&table, 1 << 20);
    mlo_str_init(&rules, 1 << 20);
    mlo_str_add(&table, "x,y,z\n");
    for (const char *p = values; *p; p += strcspn(p, " "), p += *p == ' ')
        mlo_str_addf(&table, "%.*s%s\n", (int)strcspn(p, " "), p,
                     memchr(p, ',', strcspn(p, " ")) ? "" : ",,");
    bool over_table = rule_text[0] == '-';
    mlo_str_addf(&rules, over_table ? "validate: {table: [{%s}]}" : "validate: {columns: {x: {%s}}}",
                 rule_text + over_table);
    snprintf(rule, sizeof rule, "%.*s", (int)strcspn(rule_text + over_table, ":"), rule_text + over_table);
    struct mlo_validation *v = validate(table.ptr, rules.ptr, &r);
    const struct mlo_rule_result *x = find(v, rule);
    if (x) {
        int n = snprintf(got, sizeof got, "%s", mlo_rule_verdict_word(x->verdict));
        if (x->verdict == MLO_RULE_FAILED && x->by_row)
            n += snprintf(got + n, sizeof got - (size_t)n, " %d of %d", (int)x->failed, (int)x->checked);
        if (x->verdict == MLO_RULE_FAILED && x->n_examples)
            snprintf(got + n, sizeof got - (size_t)n, " at %d", (int)x->examples[0].line);
    }
    if (strcmp(got, want) != 0)
        printf("# %s over %s: %s\n", rule_text, values, x ? x->why : "");
    check_str(got, want);
    mlo_validation_free(v);
    mlo_rules_free(r);
}

static void types_and_missing_values(void)
{
    expect("type: integer", "1 2 -3 4e2", "holds");
    expect("type: integer", "1 2.5 3 x nan", "fails 2 of 4 at 3"); /* nan is missing in text */
    expect("type: integer", "1 inf", "fails 1 of 2 at 3");
    expect("type: number", "1 inf 2.5", "holds");
    expect("type: number", "1 NA 2,,", "holds");
    expect("type: bool", "true false maybe", "fails 1 of 3 at 4");
    expect("type: time", "2026-01-01 2026-13-01", "fails 1 of 2 at 3");
    expect("type: text", "1 a", "holds");
    expect("nullable: false", "1 2", "holds");
    expect("nullable: false", "1 NA 3 ,,", "fails 2 of 4 at 3");
    expect("nullable: {is: false, mostly: 0.5}", "1 NA 3 ,,", "holds");
    expect("missing: 0.5", "1 NA 3 ,,", "holds");
    expect("missing: 0.49", "1 NA 3 ,,", "fails 2 of 4 at 3");
    expect("finite: true", "1 2", "holds");
    expect("finite: true", "1 -inf 2", "fails 1 of 3 at 3");
}

static void ranges_with_and_without_their_bounds(void)
{
    expect("range: [1, 3]", "1 2 3 NA", "holds");
    expect("range: [1, 3]", "0.999 2 3.001", "fails 2 of 3 at 2");
    expect("range: {above: 1}", "1 2", "fails 1 of 2 at 2");
    expect("range: {above: 1}", "1.0001 2", "holds");
    expect("range: {below: 3}", "2 3", "fails 1 of 2 at 3");
    expect("range: [1, 3]", "1 x inf", "fails 2 of 3 at 3");
    expect("range: {max: now}", "2025-12-31 2026-01-01", "holds");
    expect("range: {max: now}", "2025-12-31 2026-01-01T00:00:01Z", "fails 1 of 2 at 3");
    expect("range: {below: now}", "2026-01-01", "fails 1 of 1 at 2");
    expect("range: {min: 2025-01-01, max: 2025-12-31, mostly: 0.5}", "2025-06-01 2024-06-01", "holds");
    expect("range: {min: 0, mostly: 0.75}", "1 2 3 -4", "holds");
    expect("range: {min: 0, mostly: 0.751}", "1 2 3 -4", "fails 1 of 4 at 5");
    expect("range: [1, 3]", "", "holds");
}

static void sets_of_numbers_words_and_times(void)
{
    expect("in: [1, 2.5]", "1 2.50 1.0", "holds");
    expect("in: [1, 2.5]", "1 2 NA", "fails 1 of 2 at 3");
    expect("in: [a, bc]", "a bc", "holds");
    expect("in: [a, bc]", "a b bcd A", "fails 3 of 4 at 3");
    expect("in: [2026-01-01]", "2026-01-01 2026-01-01T00:00:00Z", "holds");
    expect("in: [2026-01-01]", "2026-01-01 2026-01-02", "fails 1 of 2 at 3");
    expect("in: [true]", "true false", "fails 1 of 2 at 3");
    expect("in: [2026-01-01]", "1 2", "unchecked");
    expect("not-in: [0, 9]", "1 2", "holds");
    expect("not-in: [0, 9]", "1 9", "fails 1 of 2 at 3");
}

static void texts(void)
{
    expect("regex: 'a+'", "a aaa", "holds");
    expect("regex: 'a+'", "a aab", "fails 1 of 2 at 3");
    expect("length: [2, 3]", "ab abc \xc3\xb6\xc3\xb6\xc3\xb6", "holds");
    expect("length: [2, 3]", "a abcd ab", "fails 2 of 3 at 2");
    expect("length: 2", "ab abc", "fails 1 of 2 at 3");
    expect("format: '%d.%m.%Y'", "31.01.2026 29.02.2024", "holds");
    expect("format: '%d.%m.%Y'", "31.02.2026 1.1.26x 2026-01-01", "fails 3 of 3 at 2");
    expect("format: '%H:%M'", "23:59 24:00", "fails 1 of 2 at 3");
}

static void what_repeats_and_what_changes(void)
{
    expect("unique: true", "1 2 3 NA NA", "holds");
    expect("unique: true", "1 2 1.0 1", "fails 2 of 4 at 4");
    expect("unique: true", "a b A", "holds");
    expect("-unique: [x, y]", "1,a, 1,b, 2,a,", "holds");
    expect("-unique: [x, y]", "1,a, 1,b, 1,a, ,a, ,a,", "fails 1 of 3 at 4");
    expect("-unique: [x, y]", "ab,c, a,bc,", "holds");
    expect("constant: true", "5 5.0 NA", "holds");
    expect("constant: true", "5 5 6", "fails at 4");
    expect("constant: true", "", "holds");
    expect("monotone: increasing", "1 1 2 NA 3", "holds");
    expect("monotone: increasing", "1 3 2 3", "fails 1 of 4 at 4");
    expect("monotone: strictly-increasing", "-1 -0.5 -0.5", "fails 1 of 3 at 4");
    expect("monotone: decreasing", "3 2 2 -1", "holds");
    expect("monotone: strictly-decreasing", "3 2 2", "fails 1 of 3 at 4");
    expect("monotone: increasing", "2026-01-01 2025-01-01", "fails 1 of 2 at 3");
    expect("monotone: increasing", "b a", "unchecked");
}

static void figures_of_a_column(void)
{
    expect("mean: [2, 2]", "1 2 3 NA", "holds");
    expect("mean: {above: 2}", "1 2 3", "fails");
    expect("sd: [1, 1]", "1 2 3", "holds");
    expect("sd: {max: 0.99}", "1 2 3", "fails");
    expect("mean: [0, 1]", "", "unchecked");
    expect("quantiles: {0.5: [2, 2]}", "3 1 2", "holds");
    expect("quantiles: {0.5: {min: 2.5}}", "3 1 2", "fails");
    expect("quantiles: {0.5: {max: 1.5}}", "3 1 2", "fails");
    expect("quantiles: {0.5: {below: 2}}", "3 1 2", "fails");
    expect("quantiles: {0.5: {above: 2}}", "3 1 2", "fails");
    expect("quantiles: {0: [1, 1]}", "3 1 2", "holds");
    expect("quantiles: {1: [3, 3]}", "3 1 2", "holds");
    expect("quantiles: {1: {max: 2.9}}", "3 1 2", "fails");
    expect("fresh: 1d", "2025-12-31 2020-01-01", "holds");
    expect("fresh: 1d", "2025-12-30T23:59:59Z", "fails");
    expect("fresh: 1d", "", "unchecked");
}

static void rules_over_several_columns(void)
{
    expect("-compare: x <= y", "1,1, 1,2, ,0,", "holds");
    expect("-compare: x <= y", "1,1, 2,1,", "fails 1 of 2 at 3");
    expect("-compare: x == y", "1,1.0, 2,1,", "fails 1 of 2 at 3");
    expect("-compare: x != y", "a,b, b,b,", "fails 1 of 2 at 3");
    expect("-compare: x < now", "2025-01-01 2026-01-01", "fails 1 of 2 at 3");
    expect("-compare: x >= 2", "2 3 1", "fails 1 of 3 at 4");
    expect("-compare: \"x == 'b'\"", "b a", "fails 1 of 2 at 3");
    expect("-compare: x <= y", "1,a, 2,b,", "unchecked");
    expect("-compare: x > 5", "a b", "unchecked");
    expect("-compare: x < 5", "1 2 9 oops,,", "unchecked");
    expect("-together: [x, y]", "1,1, ,,3", "holds");
    expect("-together: [x, y]", "1,1, 1,, ,1,", "fails 2 of 3 at 3");
    expect("-conflict: {features: [x], label: y}", "1,a, 1,a, 2,b, ,b, 2,,", "holds");
    expect("-conflict: {features: [x], label: y}", "1,a, 2,b, 1,a, 1,c,", "fails 3 of 4 at 5");
    expect("-conflict: {label: z}", "1,a,p 1,b,p 1,a,q", "fails 2 of 3 at 4");
    expect("-unique: [x, gone]", "1 1", "no column");
}

static void rows_against_another_table(void)
{
    char rules[600], other[300];
    snprintf(other, sizeof other, "%s", write_table("other.csv", "k,x,y\n9,7,a\n8,2,b\n"));
    snprintf(rules, sizeof rules, "-overlap: {with: %s, key: [x]}", other);
    expect(rules, "1 3 5", "holds");
    expect(rules, "1 2.0 7 NA", "fails 2 of 3 at 3");
    snprintf(rules, sizeof rules, "-overlap: {with: %s, key: [x, y]}", other);
    expect(rules, "2,a, 7,b,", "holds");
    expect(rules, "2,b, 7,b,", "fails 1 of 2 at 2");
    snprintf(rules, sizeof rules, "-overlap: {with: %s, key: [z]}", other);
    expect(rules, "1,1,1", "unchecked");
    expect("-overlap: {with: /nonexistent/t.csv, key: [x]}", "1", "unchecked");
}

static void numbers_of_rows(void)
{
    struct mlo_rules *r = NULL;
    struct mlo_validation *v;
    static const struct {
        const char *rule;
        uint64_t previous;
        bool holds;
    } cases[] = {{"rows: [2, 3]", 0, true},          {"rows: {min: 4}", 0, false},
                 {"rows: {below: 3}", 0, false},     {"rows: {change: 0.5}", 2, true},
                 {"rows: {change: 0.49}", 2, false}, {"rows: {change: 0.25}", 4, true},
                 {"rows: {change: 0.24}", 4, false}, {"ragged: 0", 0, true}};
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        char text[100];
        const char *path = write_table("t.csv", "x\n1\n2\n3\n");
        struct mlo_validate_opts o = {.has_previous = cases[i].previous > 0,
                                      .previous_rows = cases[i].previous};
        snprintf(text, sizeof text, "validate: {%s}", cases[i].rule);
        v = NULL;
        if (!check_ok(mlo_rules_read("f", text, strlen(text), &r, &err), &err))
            continue;
        check_ok(mlo_validate(&path, 1, r, &o, &v, &err), &err);
        check(v && !mlo_validation_fails(v, MLO_SEVERITY_ERROR) == cases[i].holds, "%s", cases[i].rule);
        mlo_validation_free(v);
        mlo_rules_free(r);
    }
    v = validate("x\n1\n2,3\n4\n", "validate: {columns: {x: }}", &r);
    if (v) {
        check(v->ragged == 1 && v->rows == 2 && v->rules[0].verdict == MLO_RULE_FAILED);
        check(v->rules[0].n_examples == 1 && v->rules[0].examples[0].line == 3);
    }
    mlo_validation_free(v);
    mlo_rules_free(r);
}

static void the_worst_comes_first(void)
{
    struct mlo_rules *r = NULL;
    struct mlo_validation *v = validate(
        "x,y\n1,1\n2,2\n3,3\n4,4\n",
        "validate: {columns: {x: {range: {max: 3, severity: warning}, in: [1, 2, 3]}, y: {range: [3, 9], "
        "mean: {max: 0, severity: info}}}}",
        &r);
    if (!v)
        return;
    check(v->failing[MLO_SEVERITY_ERROR] == 2 && v->failing[MLO_SEVERITY_WARNING] == 1 && v->failing[0] == 1);
    check_str(v->rules[0].column, "y");
    check_str(v->rules[1].rule, "in");
    check_str(v->rules[2].rule, "range");
    check_str(v->rules[3].rule, "mean");
    check_str(v->sentence,
              "not valid: 4 of 7 rules do not hold for 4 rows: 2 of severity error, 1 of severity warning, "
              "1 of severity info");
    mlo_validation_free(v);
    mlo_rules_free(r);
}

/* ---- memory, and inferring ---- */

static const char many_rules[] = "validate:\n  columns:\n    x: {type: number, unique: true, mean: [0, 1], "
                                 "in: [1], monotone: increasing, constant: true}\n"
                                 "    y: {regex: 'a+', nullable: false}\n    gone: number\n  table:\n    - "
                                 "conflict: {features: [x], label: y}\n"
                                 "    - compare: x <= z\n";

static int check_table(void)
{
    const char *path = table_path;
    struct mlo_validate_opts o = {.threads = 1};
    struct mlo_rules *r = NULL;
    struct mlo_validation *v = NULL;
    MLO_AUTOSTR struct mlo_str out;
    mlo_str_init(&out, 1 << 20);
    err = MLO_ERR_INIT;
    int rc = mlo_rules_read("f", many_rules, strlen(many_rules), &r, &err);
    if (rc == 0)
        rc = mlo_validate(&path, 1, r, &o, &v, &err);
    if (rc == 0)
        rc = mlo_validation_junit(v, MLO_SEVERITY_WARNING, &out, &err);
    if (rc == 0)
        rc = mlo_validation_github(v, MLO_SEVERITY_WARNING, &out, &err);
    mlo_validation_free(v);
    mlo_rules_free(r);
    return rc;
}

static int infer_table(void)
{
    const char *path = table_path;
    struct mlo_validate_opts o = {.threads = 1};
    MLO_AUTOSTR struct mlo_str out;
    mlo_str_init(&out, 1 << 20);
    err = MLO_ERR_INIT;
    return mlo_validate_infer(&path, 1, &o, &out, &err);
}

static void survives_every_failure_of_memory(void)
{
    write_table("t.csv", "x,y,z\n1,a,2\n1,b,0\n,aa,3\n2,,1\n");
    check(each_alloc_failure(check_table) > 20);
    check(each_alloc_failure(infer_table) > 20);
}

static void what_is_inferred_holds(void)
{
    static const char *const tables[] = {
        "a\n1\n2\n3\n",
        "a,b\n1,x\n,y\ninf,\"q\"\"\n'uo: # te\"\n-2.5e-300,\xc3\xb6\n",
        "'q: \"x\" # y',null,- "
        "a,\"n\nl\t\xe2\x80\xa8\xef\xbb\xbf\xf0\x9f\x98\x80\"\n1,true,2026-01-01,~\n0,false,2025-06-01T10:00:"
        "00.25Z,null\n",
        "a\n\n",
        "a,a,a\n1,2,3\n",
    };
    for (size_t i = 0; i < MLO_COUNT(tables); i++) {
        const char *path = write_table("t.csv", tables[i]);
        struct mlo_validate_opts o = {.now_ns = NOW, .format = "csv"};
        MLO_AUTOSTR struct mlo_str out;
        struct mlo_rules *r = NULL;
        mlo_str_init(&out, 1 << 20);
        if (!check_ok(mlo_validate_infer(&path, 1, &o, &out, &err), &err))
            continue;
        struct mlo_validation *v = validate(tables[i], out.ptr, &r);
        check(v && !mlo_validation_fails(v, MLO_SEVERITY_INFO), "table %zu: %s\n%s", i,
              v ? v->rules[0].why : "", out.ptr);
        mlo_validation_free(v);
        mlo_rules_free(r);
    }
}

int main(void)
{
    run(types_and_missing_values);
    run(ranges_with_and_without_their_bounds);
    run(sets_of_numbers_words_and_times);
    run(texts);
    run(what_repeats_and_what_changes);
    run(figures_of_a_column);
    run(rules_over_several_columns);
    run(rows_against_another_table);
    run(numbers_of_rows);
    run(the_worst_comes_first);
    run(what_is_inferred_holds);
    run(survives_every_failure_of_memory);
    return done_testing();
}

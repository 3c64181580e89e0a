/* Files of rules: what each word takes, what is refused with its line, what types columns get. */
#include <string.h>

#include "../../src/validate/internal.h"
#include "tap.h"

static struct mlo_err err;

static struct mlo_rules *read_rules(const char *text)
{
    struct mlo_rules *r = NULL;
    err = MLO_ERR_INIT;
    check_ok(mlo_rules_read("f.yaml", text, strlen(text), &r, &err), &err);
    return r;
}

static void refused(const char *text, const char *says)
{
    struct mlo_rules *r = NULL;
    err = MLO_ERR_INIT;
    check_err(mlo_rules_read("f.yaml", text, strlen(text), &r, &err), MLO_EUSAGE, &err, says);
    check(!r);
}

/* The rule after `present` of the one column. */
static void column_rule(const char *text, const char *word, const char *wants)
{
    MLO_AUTOSTR struct mlo_str s;
    mlo_str_init(&s, 1 << 16);
    mlo_str_addf(&s, "validate:\n  columns:\n    x: {%s}\n", text);
    struct mlo_rules *r = read_rules(s.ptr);
    if (r && check(r->n == 3, "%s gives %zu rules", text, r->n)) {
        check_str(r->rules[0].word, "present");
        check_str(r->rules[1].word, word);
        check_str(r->rules[1].wants, wants);
        check_str(r->rules[1].about, "x");
        check_int(r->rules[1].line, 3);
        check_str(r->rules[2].word, "ragged");
    }
    mlo_rules_free(r);
}

static void a_column_takes_every_rule(void)
{
    column_rule("type: integer", "type", "integer");
    column_rule("nullable: false", "nullable", "no missing value");
    column_rule("missing: 0.05", "missing", "at most 5 %");
    column_rule("finite: yes", "finite", "no NaN, no infinity");
    column_rule("range: [0, 10.5]", "range", "0 .. 10.5");
    column_rule("range: [~, 3]", "range", "<= 3");
    column_rule("range: {above: 0, max: 1}", "range", "> 0 and <= 1");
    column_rule("range: {min: 2026-01-01, max: now}", "range", "2026-01-01T00:00:00Z .. now");
    column_rule("in: [a, 'b c']", "in", "one of a, b c");
    column_rule("in: {is: [1, 2], mostly: 0.5}", "in", "one of 1, 2");
    column_rule("not-in: [x]", "not-in", "none of x");
    column_rule("regex: '[A-Z]+'", "regex", "[A-Z]+");
    column_rule("length: 3", "length", "3");
    column_rule("length: [1, 5]", "length", "1 .. 5");
    column_rule("format: '%d.%m.%Y'", "format", "%d.%m.%Y");
    column_rule("unique: true", "unique", "each value once");
    column_rule("constant: true", "constant", "one value");
    column_rule("monotone: strictly-decreasing", "monotone", "strictly-decreasing");
    column_rule("fresh: 36h", "fresh", "newest at most 36h old");
    column_rule("mean: [1, 2]", "mean", "1 .. 2");
    column_rule("sd: {max: 2}", "sd", "<= 2");
    column_rule("quantiles: {0.5: [1, 2]}", "quantiles", "0.5: 1 .. 2");
}

static void what_is_off_is_no_rule(void)
{
    struct mlo_rules *r = read_rules("validate: {schema: {extra: true, order: false}, columns: {x: "
                                     "{nullable: true, finite: false, unique: false, "
                                     "constant: false}, y: , z: {}}}");
    if (r)
        check_int(r->n, 4);
    mlo_rules_free(r);
    r = read_rules("validate: {}");
    if (r)
        check_int(r->n, 1);
    mlo_rules_free(r);
}

static void the_table_takes_rules_over_columns(void)
{
    struct mlo_rules *r = read_rules("validate:\n"
                                     "  name: credit\n"
                                     "  rows: {min: 1, change: {is: 0.1, severity: info}}\n"
                                     "  ragged: {is: 2, severity: warning}\n"
                                     "  table:\n"
                                     "    - unique: [a, b]\n"
                                     "      severity: warning\n"
                                     "    - compare: \"`a b` != 'x y'\"\n"
                                     "    - compare: a <= now\n"
                                     "    - together: [a, b]\n"
                                     "    - conflict: {label: y}\n"
                                     "    - overlap: {with: train.csv, key: id}\n");
    if (!r)
        return;
    check_int(r->n, 9);
    check_str(mlo_rules_name(r), "credit");
    check(mlo_rules_compare_runs(r));
    check(r->rules[0].kind == MLO_RULE_CHANGE && r->rules[0].severity == MLO_SEVERITY_INFO);
    check(r->rules[1].kind == MLO_RULE_ROWS && r->rules[2].kind == MLO_RULE_RAGGED &&
          r->rules[2].number == 2);
    check_str(r->rules[3].about, "a, b");
    check(r->rules[3].severity == MLO_SEVERITY_WARNING && r->rules[3].n_names == 2);
    check_str(r->rules[4].names[0], "a b");
    check(r->rules[4].n_names == 1 && r->rules[4].values.n == 1 && r->rules[4].compare == MLO_NOT_EQUAL);
    check(r->rules[5].bounds.low_now);
    check(r->rules[7].n_names == 0 && strcmp(r->rules[7].text, "y") == 0);
    check_str(r->rules[8].text, "train.csv");
    mlo_rules_free(r);
}

static void paths_are_from_the_folder_of_the_rules(void)
{
    static const char text[] = "validate: {table: [overlap: {with: t.csv}, overlap: {with: /t.csv}]}";
    struct mlo_rules *r = NULL;
    if (!check_ok(mlo_rules_read("a/b/f.yaml", text, strlen(text), &r, &err), &err))
        return;
    check_str(r->rules[0].text, "a/b/t.csv");
    check_str(r->rules[1].text, "/t.csv");
    mlo_rules_free(r);
}

static void options_count_for_what_stands_below_them(void)
{
    struct mlo_rules *r = read_rules(
        "validate:\n  severity: info\n  examples: 2\n  columns:\n    x: {severity: warning, "
        "type: number, range: {min: 0, severity: error, mostly: 0.5}}\n    y: integer\n");
    if (!r)
        return;
    check(r->rules[0].severity == MLO_SEVERITY_WARNING && r->rules[1].severity == MLO_SEVERITY_WARNING);
    check(r->rules[2].severity == MLO_SEVERITY_ERROR && r->rules[2].mostly == 0.5 &&
          r->rules[2].examples == 2);
    check(r->rules[4].severity == MLO_SEVERITY_INFO && r->rules[4].mostly == 1);
    mlo_rules_free(r);
}

static void a_column_is_read_as_its_rules_need(void)
{
    static const struct {
        const char *rules;
        bool has;
        enum mlo_column_type type;
    } cases[] = {{"regex: x", true, MLO_COLUMN_TEXT},           {"in: [a, 1]", true, MLO_COLUMN_TEXT},
                 {"in: [1, 2]", false, MLO_COLUMN_TEXT},        {"mean: [0, 1]", true, MLO_COLUMN_NUMBER},
                 {"fresh: 1h", true, MLO_COLUMN_TIME},          {"range: [1, 2]", true, MLO_COLUMN_NUMBER},
                 {"range: [~, now]", true, MLO_COLUMN_TIME},    {"unique: true", false, MLO_COLUMN_TEXT},
                 {"type: text, in: [1]", true, MLO_COLUMN_TEXT}};
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        MLO_AUTOSTR struct mlo_str s;
        mlo_str_init(&s, 1 << 16);
        mlo_str_addf(&s, "validate: {columns: {x: {%s}}}", cases[i].rules);
        struct mlo_rules *r = read_rules(s.ptr);
        if (r)
            check(r->columns[0].has_type == cases[i].has &&
                      (!cases[i].has || r->columns[0].type == cases[i].type),
                  "%s", cases[i].rules);
        mlo_rules_free(r);
    }
}

static void what_means_nothing_is_refused_with_its_line(void)
{
    static const char *const cases[][2] = {
        {"validate:\n  colums: {}\n", "f.yaml:2: there is no rule 'colums'"},
        {"validate: {name: a b}\n", "letters"},
        {"validate: {columns: [x]}\n", "must be a mapping"},
        {"validate: {columns: {x: [1]}}\n", "must be a mapping"},
        {"validate: {table: {unique: [a]}}\n", "must be a list"},
        {"validate: {table: [{unique: [a], together: [a, b]}]}\n", "one rule for each"},
        {"validate: {table: [{severity: error}]}\n", "must say a rule"},
        {"validate: {table: [together: [a]]}\n", "2 columns"},
        {"validate: {table: [conflict: {features: [a]}]}\n", "needs a label"},
        {"validate: {table: [overlap: {key: [a]}]}\n", "needs a table"},
        {"validate: {table: [overlap: {with: x, by: y}]}\n", "not 'by'"},
        {"validate: {table: [compare: a]}\n", "two sides"},
        {"validate: {table: [compare: a < b < c]}\n", "two sides"},
        {"validate: {schema: {extra: maybe}}\n", "true or false"},
        {"validate: {schema: true}\n", "must be a mapping"},
        {"validate: {rows: {change: -1}}\n", "must be a share"},
        {"validate: {rows: {mni: 1}}\n", "min, max"},
        {"validate: {rows: {}}\n", "needs a bound"},
        {"validate: {rows: {mni: 1, change: 1}}\n", "min, max"},
        {"validate: {rows: [a, b]}\n", "must be a number, a time"},
        {"validate: {rows: [2026-01-01, ~]}\n", "must be numbers"},
        {"validate: {columns: {x: {severity: fatal}}}\n", "error, warning or info"},
        {"validate: {columns: {x: {examples: 101}}}\n", "up to 100"},
        {"validate: {columns: {x: {mostly: 1.5}}}\n", "from 0 to 1"},
        {"validate: {columns: {x: {range: {}}}}\n", "needs a bound"},
        {"validate: {columns: {x: {range: 3}}}\n", "needs a bound"},
        {"validate: {columns: {x: {range: [1, 2, 3]}}}\n", "list of two"},
        {"validate: {columns: {x: {range: {min: 1, above: 1}}}}\n", "one bound"},
        {"validate: {columns: {x: {range: {min: nan}}}}\n", "must be a number"},
        {"validate: {columns: {x: {in: []}}}\n", "needs a list"},
        {"validate: {columns: {x: {in: [~]}}}\n", "missing is for nullable"},
        {"validate: {columns: {x: {regex: '[a'}}}\n", "regex: missing terminating ]"},
        {"validate: {columns: {x: {format: '%c'}}}\n", "format takes"},
        {"validate: {columns: {x: {format: '%'}}}\n", "format takes"},
        {"validate: {columns: {x: {monotone: up}}}\n", "must be increasing"},
        {"validate: {columns: {x: {fresh: soon}}}\n", "duration"},
        {"validate: {columns: {x: {missing: 2}}}\n", "from 0 to 1"},
        {"validate: {columns: {x: {length: -1}}}\n", "number of characters"},
        {"validate: {columns: {x: {mean: {is: [1, 2], mostly: 1}}}}\n", "takes no mostly"},
        {"validate: {columns: {x: {regex: a, range: [0, 1]}}}\n",
         "needs a number column, and regex makes it a text"},
        {"validate: 3\n", "must be a mapping"},
    };
    for (size_t i = 0; i < MLO_COUNT(cases); i++)
        refused(cases[i][0], cases[i][1]);
}

static int read_all(void)
{
    static const char text[] = "validate:\n  rows: {min: 1, change: 0.1}\n  schema: {extra: [z], order: "
                               "true}\n  columns:\n    x: {type: number, "
                               "in: [1, 2], range: [0, 1], quantiles: {0.5: [0, 1]}}\n    y: {regex: 'a+', "
                               "length: 3, format: '%Y'}\n  table:\n"
                               "    - compare: x <= 1\n    - compare: x <= z\n    - unique: [x, y]\n    - "
                               "conflict: {features: [x], label: y}\n"
                               "    - overlap: {with: t.csv, key: [x]}\n    - together: [x, y]\n";
    struct mlo_rules *r = NULL;
    err = MLO_ERR_INIT;
    int rc = mlo_rules_read("a/f.yaml", text, strlen(text), &r, &err);
    mlo_rules_free(r);
    return rc;
}

static void reading_survives_every_failure_of_memory(void)
{
    check(each_alloc_failure(read_all) > 5);
}

int main(void)
{
    run(a_column_takes_every_rule);
    run(what_is_off_is_no_rule);
    run(the_table_takes_rules_over_columns);
    run(paths_are_from_the_folder_of_the_rules);
    run(options_count_for_what_stands_below_them);
    run(a_column_is_read_as_its_rules_need);
    run(what_means_nothing_is_refused_with_its_line);
    run(reading_survives_every_failure_of_memory);
    return done_testing();
}

/* The result as CI systems read it. What does not fail the check as a whole does not fail the suite, so that
 * file and exit status say the same. */
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/ci.h>

#include "internal.h"

#define ANNOTATIONS_MAX 9 /* a step keeps ten of a kind; the tenth is the sentence */

static bool is_failing(const struct mlo_rule_result *r)
{
    return r->verdict >= MLO_RULE_UNCHECKED;
}

static enum mlo_ci_outcome outcome(const struct mlo_rule_result *r, enum mlo_severity from)
{
    if (is_failing(r))
        return r->severity >= from ? MLO_CI_FAILED : MLO_CI_SKIPPED;
    return r->verdict == MLO_RULE_SKIPPED ? MLO_CI_SKIPPED : MLO_CI_PASSED;
}

static int case_name(struct mlo_arena *a, const struct mlo_rule_result *r, const char **ret,
                     struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str s;
    mlo_str_init(&s, MLO_STR_MAX);
    mlo_str_addf(&s, "%s%s%s%s%s", r->column ? r->column : "", r->column ? ": " : "", r->rule,
                 *r->wants ? " " : "", r->wants);
    int rc = mlo_str_check(&s, err);
    *ret = rc == 0 ? mlo_arena_strndup(a, s.ptr, s.len, err) : NULL;
    return *ret ? 0 : err->code;
}

int mlo_validation_junit(const struct mlo_validation *v, enum mlo_severity from, struct mlo_str *out,
                         struct mlo_err *err)
{
    struct mlo_arena arena;
    MLO_AUTOFREE struct mlo_ci_case *cases = mlo_calloc(v->n_rules + 1, sizeof *cases, err);
    int rc = cases ? 0 : MLO_EIO;
    mlo_arena_init(&arena, (size_t)256 << 20);
    for (size_t i = 0; rc == 0 && i < v->n_rules; i++) {
        const struct mlo_rule_result *r = &v->rules[i];
        cases[i] = (struct mlo_ci_case){.group = r->column ? "column" : "table",
                                        .outcome = outcome(r, from),
                                        .verdict = mlo_rule_verdict_word(r->verdict),
                                        .why = r->why};
        rc = case_name(&arena, r, &cases[i].name, err);
    }
    if (rc == 0) {
        mlo_ci_junit(out, "validate", cases, v->n_rules);
        rc = mlo_str_check(out, err);
    }
    mlo_arena_release(&arena);
    return rc;
}

static void annotate(struct mlo_str *out, const struct mlo_rule_result *r, enum mlo_severity from)
{
    char text[512];
    const struct mlo_rule_example *e = r->n_examples && !r->examples[0].is_row ? &r->examples[0] : NULL;
    snprintf(text, sizeof text, "%s %s: %s", r->rule, r->wants, r->why);
    const char *level = r->severity >= from                ? "error"
                        : r->severity == MLO_SEVERITY_INFO ? "notice"
                                                           : "warning";
    mlo_ci_github(out, &(struct mlo_ci_note){.level = level,
                                             .title = "validate",
                                             .of = r->column,
                                             .text = text,
                                             .file = e && e->line ? e->file : NULL,
                                             .line = e ? e->line : 0});
}

int mlo_validation_github(const struct mlo_validation *v, enum mlo_severity from, struct mlo_str *out,
                          struct mlo_err *err)
{
    const char *level = mlo_validation_fails(v, from) ? "error" : "notice";
    mlo_ci_github(out, &(struct mlo_ci_note){.level = level, .title = "validate", .text = v->sentence});
    for (size_t i = 0; i < v->n_rules && i < ANNOTATIONS_MAX && is_failing(&v->rules[i]); i++)
        annotate(out, &v->rules[i], from);
    return mlo_str_check(out, err);
}

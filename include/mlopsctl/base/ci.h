/*
 * Verdicts as CI systems read them: JUnit XML (the form: https://github.com/testmoapp/junitxml) and workflow
 * commands of GitHub Actions, which shows them as annotations (docs.github.com, "Workflow commands for GitHub
 * Actions"). Text from outside ends nothing and forges nothing in either.
 */
#ifndef MLOPSCTL_BASE_CI_H
#define MLOPSCTL_BASE_CI_H

#include <mlopsctl/base/str.h>

enum mlo_ci_outcome { MLO_CI_PASSED, MLO_CI_FAILED, MLO_CI_SKIPPED };
struct mlo_ci_case {
    const char *group, *name;
    enum mlo_ci_outcome outcome;
    const char *verdict, *why; /* of what did not pass; verdict: one word, the kind of failure */
};
/* One suite, for the program's command of that name. */
void mlo_ci_junit(struct mlo_str *out, const char *suite, const struct mlo_ci_case *cases, size_t n);

/* level: "error", "warning", "notice". of: what it is about, NULL for the whole. file NULL: no place; line 0:
 * the whole file. */
struct mlo_ci_note {
    const char *level, *title, *of, *text;
    const char *file;
    uint64_t line;
};
void mlo_ci_github(struct mlo_str *out, const struct mlo_ci_note *note);

#endif

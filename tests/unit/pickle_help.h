/* Scanning byte strings, and asking what was found. */
#ifndef TESTS_UNIT_PICKLE_HELP_H
#define TESTS_UNIT_PICKLE_HELP_H

#include "checkpoint_help.h"

/* The scan of exactly these bytes; the caller releases *cp. */
static inline void scan_bytes(const void *p, size_t n, struct mlo_checkpoint *cp)
{
    struct mlo_err err = {0};
    uint8_t *copy = malloc(n ? n : 1);
    memcpy(copy, p, n);
    struct mlo_mem mem = {copy};
    struct mlo_source src = mlo_source_mem(&mem, n);
    check_ok(mlo_pickle_scan(&src, cp, &err), &err);
    free(copy);
}

static inline bool has_finding(const struct mlo_checkpoint *cp, enum mlo_pickle_verdict v, const char *where,
                               const char *what)
{
    for (size_t i = 0; i < cp->n_findings; i++)
        if (cp->findings[i].verdict == v && (!where || strcmp(cp->findings[i].where, where) == 0) &&
            strstr(cp->findings[i].what, what))
            return true;
    return false;
}

static inline void print_findings(const struct mlo_checkpoint *cp)
{
    for (size_t i = 0; i < cp->n_findings; i++)
        printf("#   %s %s@%llu %s\n", mlo_verdict_name(cp->findings[i].verdict), cp->findings[i].where,
               (unsigned long long)cp->findings[i].offset, cp->findings[i].what);
}

/* The verdict over n bytes must be v, and a finding of that verdict must contain `what` (NULL: any or none).
 */
#define check_scan(p, n, v, what) check_scan_at((p), (n), (v), (what), __LINE__)
static inline void check_scan_at(const void *p, size_t n, enum mlo_pickle_verdict v, const char *what,
                                 int line)
{
    struct mlo_checkpoint cp;
    scan_bytes(p, n, &cp);
    bool ok = cp.verdict == v && (!what || has_finding(&cp, v, NULL, what));
    if (!check(ok, "line %d: verdict %s, want %s with '%s'", line, mlo_verdict_name(cp.verdict),
               mlo_verdict_name(v), what ? what : ""))
        print_findings(&cp);
    mlo_checkpoint_release(&cp);
}
/* A string literal, without its NUL. */
#define check_pickle(literal, v, what) check_scan_at(literal, sizeof(literal) - 1, (v), (what), __LINE__)

#endif

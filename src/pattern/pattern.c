/* See pattern.h. */
#include <mlopsctl/pattern.h>

#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#include "libpcre2.h"

#define STEPS_MAX  1000000 /* enough for any pattern that is meant well */
#define HEAP_MAX   20000   /* KiB */
#define STATES_MAX 65536   /* of the one pass */
#define PASS_MAX   512     /* bytes of its text: it may take their third power */

struct mlo_pattern {
    pcre2_code *code;
    pcre2_match_context *limits;
};

static int refuse(const struct libpcre2 *lib, int code, size_t at, struct mlo_err *err)
{
    char text[160];
    if (lib->pcre2_get_error_message_8(code, (PCRE2_UCHAR *)text, sizeof text) < 0)
        snprintf(text, sizeof text, "not a regular expression");
    return mlo_fail(err, MLO_EUSAGE, "%s, at character %zu", text, at + 1);
}

int mlo_pattern_new(const char *text, struct mlo_pattern **ret, struct mlo_err *err)
{
    const struct libpcre2 *lib;
    const uint32_t flags = PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C |
                           PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_CIRCUMFLEX;
    int code = 0;
    size_t at = 0, n = strlen(text);
    if (n > MLO_PATTERN_MAX)
        return mlo_fail(err, MLO_EUSAGE, "a pattern of more than %zu bytes", MLO_PATTERN_MAX);
    int rc = mlo_libpcre2(&lib, err);
    struct mlo_pattern *p = rc == 0 ? mlo_calloc(1, sizeof *p, err) : NULL;
    if (!p)
        return err->code;
    p->code = lib->pcre2_compile_8((PCRE2_SPTR)text, n, flags, &code, &at, NULL);
    p->limits = lib->pcre2_match_context_create_8(NULL);
    if (!p->code || !p->limits) {
        rc = p->code ? mlo_fail_nomem(err) : refuse(lib, code, at, err);
        mlo_pattern_free(p);
        return rc;
    }
    (void)lib->pcre2_jit_compile_8(p->code, PCRE2_JIT_COMPLETE); /* without it: the same answers, later */
    lib->pcre2_set_match_limit_8(p->limits, STEPS_MAX);
    lib->pcre2_set_heap_limit_8(p->limits, HEAP_MAX);
    *ret = p;
    return 0;
}

/* The library that made it is open. */
static const struct libpcre2 *library(void)
{
    const struct libpcre2 *lib = NULL;
    struct mlo_err ignored = MLO_ERR_INIT;
    return mlo_libpcre2(&lib, &ignored) == 0 ? lib : NULL;
}

void mlo_pattern_free(struct mlo_pattern *p)
{
    if (!p)
        return;
    library()->pcre2_code_free_8(p->code);
    library()->pcre2_match_context_free_8(p->limits);
    free(p);
}

int mlo_matcher_init(struct mlo_matcher *m, struct mlo_err *err)
{
    const struct libpcre2 *lib;
    int rc = mlo_libpcre2(&lib, err);
    if (rc != 0)
        return rc;
    *m = (struct mlo_matcher){lib->pcre2_match_data_create_8(1, NULL),
                              NULL}; /* only whether it matches is asked */
    return m->data ? 0 : mlo_fail_nomem(err);
}

void mlo_matcher_release(struct mlo_matcher *m)
{
    if (m->data)
        library()->pcre2_match_data_free_8(m->data);
    free(m->states);
    *m = (struct mlo_matcher){0};
}

/* All states beside each other, and no way back. References to groups are not for it. */
static enum mlo_matched pass_once(const struct mlo_pattern *p, struct mlo_matcher *m, struct mlo_slice text)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    if (!m->states && text.len <= PASS_MAX)
        m->states = mlo_calloc(STATES_MAX, sizeof *m->states, &ignored);
    if (!m->states || text.len > PASS_MAX)
        return MLO_MATCHED_TOO_LONG;
    int rc = library()->pcre2_dfa_match_8(p->code, (PCRE2_SPTR)text.ptr, text.len, 0,
                                          PCRE2_NO_UTF_CHECK | PCRE2_DFA_SHORTEST, m->data, p->limits,
                                          m->states, STATES_MAX);
    return rc >= 0 ? MLO_MATCHED_YES : rc == PCRE2_ERROR_NOMATCH ? MLO_MATCHED_NO : MLO_MATCHED_TOO_LONG;
}

enum mlo_matched mlo_pattern_match(const struct mlo_pattern *p, struct mlo_matcher *m, struct mlo_slice text)
{
    if (!mlo_utf8_valid(text.ptr, text.len))
        return MLO_MATCHED_NO;
    int rc = library()->pcre2_match_8(p->code, (PCRE2_SPTR)text.ptr, text.len, 0, PCRE2_NO_UTF_CHECK, m->data,
                                      p->limits);
    return rc >= 0 ? MLO_MATCHED_YES : rc == PCRE2_ERROR_NOMATCH ? MLO_MATCHED_NO : pass_once(p, m, text);
}

/*
 * Regular expressions: PCRE2 (opened at first use), the whole text must match, with a bound on the work of
 * one match. Where tracking back takes too long, the text is gone through once with all states beside each
 * other.
 */
#ifndef MLO_PATTERN_H
#define MLO_PATTERN_H

#include <mlopsctl/base/mem.h>
#include <mlopsctl/base/str.h>

#define MLO_PATTERN_MAX ((size_t)65536) /* bytes */

struct mlo_pattern; /* owned; may be used by several threads */
/* MLO_EUSAGE with the place and the reason; MLO_EUNAVAIL without the library. */
int mlo_pattern_new(const char *text, struct mlo_pattern **ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_pattern_free(struct mlo_pattern *p);
/*
 * The same for a pattern in RE2's syntax: written anew as one of PCRE2 that means the same. MLO_EINVALID for
 * what RE2 refuses (references to groups, looking around, possessive and repeated repetition, ...);
 * MLO_EUNAVAIL for single bytes (\C) and letters by property where case does not count.
 */
int mlo_pattern_re2(struct mlo_slice text, struct mlo_pattern **ret, struct mlo_err *err) MLO_MUST_CHECK;

struct mlo_matcher { /* memory of one thread */
    void *data;
    int *states; /* NULL: not needed yet */
};
enum mlo_matched { MLO_MATCHED_NO, MLO_MATCHED_YES, MLO_MATCHED_TOO_LONG /* it took more than it may */ };
int mlo_matcher_init(struct mlo_matcher *m, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_matcher_release(struct mlo_matcher *m);
/* A text that is not UTF-8 does not match. */
enum mlo_matched mlo_pattern_match(const struct mlo_pattern *p, struct mlo_matcher *m, struct mlo_slice text);

#endif

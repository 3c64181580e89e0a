/* Regular expressions: PCRE2, the whole value must match, with a bound on the work of one match. */
#ifndef MLO_VALIDATE_PATTERN_H
#define MLO_VALIDATE_PATTERN_H

#include <mlopsctl/table.h>

#define MLO_PATTERN_MAX ((size_t)4096) /* bytes */

struct mlo_pattern; /* owned; may be used by several threads */
/* MLO_EUSAGE with the place and the reason; MLO_EUNAVAIL without the library. */
int mlo_pattern_new(const char *text, struct mlo_pattern **ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_pattern_free(struct mlo_pattern *p);

struct mlo_matcher { /* memory of one thread */
    void *data;
};
int mlo_matcher_init(struct mlo_matcher *m, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_matcher_release(struct mlo_matcher *m);
/* False also when the match took more steps or memory than it may. */
bool mlo_pattern_matches(const struct mlo_pattern *p, struct mlo_matcher *m, struct mlo_slice text);

#endif

/* A pattern of RE2 out of any bytes before the first newline, matched with what stands behind it: twice, the
 * same. */
#include <stdint.h>
#include <string.h>

#include <mlopsctl/pattern.h>

#define TEXT_MAX 64 /* more would be time spent in the library */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok)
{
    if (!ok)
        __builtin_trap();
}

static void match_twice(const struct mlo_pattern *p, struct mlo_slice text)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_matcher m = {0};
    must(mlo_matcher_init(&m, &err) == 0);
    must(mlo_pattern_match(p, &m, text) == mlo_pattern_match(p, &m, text));
    mlo_matcher_release(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_pattern *p = NULL;
    const char *text = (const char *)data, *end = n ? memchr(text, '\n', n) : NULL;
    size_t len = end ? (size_t)(end - text) : n, left = end ? n - len - 1 : 0;
    int rc = mlo_pattern_re2((struct mlo_slice){text, len}, &p, &err);
    must(rc == 0 || ((rc == MLO_EINVALID || rc == MLO_EUNAVAIL) && err.code == rc));
    if (rc == 0)
        match_twice(p, (struct mlo_slice){end ? end + 1 : "", left < TEXT_MAX ? left : TEXT_MAX});
    mlo_pattern_free(p);
    return 0;
}

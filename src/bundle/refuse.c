/* Refusals: a user wants to hear of everything that is wrong at once, within one error message. */
#include <string.h>

#include <mlopsctl/base/text.h>

#include "internal.h"

#define LIST_MAX                                                                                             \
    ((size_t)560) /* the message holds 768 bytes; the rest is for what stands around the list                \
                   */

void mlo_refusals_init(struct mlo_refusals *r)
{
    r->n = 0;
    mlo_str_init(&r->text, LIST_MAX);
}

void mlo_refusals_release(struct mlo_refusals *r)
{
    mlo_str_release(&r->text);
}

void mlo_refuse(struct mlo_refusals *r, const char *path, const char *fmt, ...)
{
    MLO_AUTOSTR struct mlo_str one;
    mlo_str_init(&one, LIST_MAX / 2); /* a long one is cut by its own limit and must not hide the next */
    va_list ap;
    va_start(ap, fmt);
    mlo_str_addc(&one, '\'');
    mlo_escape(&one, path, strnlen(path, 160));
    mlo_str_add(&one, "': ");
    mlo_str_vaddf(&one, fmt, ap);
    va_end(ap);
    if (r->text.len + one.len + 2 <= LIST_MAX) {
        if (r->n)
            mlo_str_add(&r->text, "; ");
        mlo_str_addn(&r->text, one.ptr, one.len);
    } else if (r->text.len + 5 <= LIST_MAX &&
               (r->text.len < 3 || memcmp(r->text.ptr + r->text.len - 3, "...", 3) != 0)) {
        mlo_str_add(&r->text, "; ...");
    }
    r->n++;
}

int mlo_refusals_check(const struct mlo_refusals *r, const char *hint, struct mlo_err *err)
{
    if (r->n == 0)
        return 0;
    if (r->n == 1)
        mlo_fail(err, MLO_EINVALID, "refused: %s", r->text.ptr);
    else
        mlo_fail(err, MLO_EINVALID, "%zu refused: %s", r->n, r->text.ptr);
    return hint ? mlo_hint(err, "%s", hint) : err->code;
}

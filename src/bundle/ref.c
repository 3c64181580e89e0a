/* References: NAME[:TAG][@sha256:HEX]. */
#include <string.h>

#include <mlopsctl/base/text.h>
#include <mlopsctl/bundle.h>

#define NAME_MAX_LEN (sizeof(((struct mlo_ref *)0)->name) - 1)
#define TAG_MAX_LEN  (sizeof(((struct mlo_ref *)0)->tag) - 1)

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_tag_char(char c)
{
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == '-';
}

/* [a-z0-9]+([._-][a-z0-9]+)*, joined by "/": every separator stands between two letters or digits. */
static bool name_ok(const char *s, size_t n)
{
    bool after_alnum = false;
    for (size_t i = 0; i < n; i++) {
        bool separator = s[i] == '.' || s[i] == '_' || s[i] == '-' || s[i] == '/';
        if (separator ? !after_alnum : !is_lower_alnum(s[i]))
            return false;
        after_alnum = !separator;
    }
    return after_alnum;
}

static bool tag_ok(const char *s, size_t n)
{
    if (n == 0 || s[0] == '.' || s[0] == '-')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_tag_char(s[i]))
            return false;
    return true;
}

static int bad_ref(struct mlo_err *err, const char *text, const char *why)
{
    MLO_AUTOSTR struct mlo_str shown;
    mlo_str_init(&shown, 512);
    mlo_escape(&shown, text, strnlen(text, 160));
    return mlo_fail(err, MLO_EUSAGE, "reference '%s': %s", shown.ptr, why);
}

static int parse_name(const char *text, size_t n, struct mlo_ref *ref, struct mlo_err *err)
{
    if (n == 0)
        return bad_ref(err, text, "no name");
    if (n > NAME_MAX_LEN)
        return bad_ref(err, text, "the name is longer than 128 bytes");
    if (!name_ok(text, n)) {
        bad_ref(err, text, "not a model name");
        return mlo_hint(err, "names are lower-case letters and digits joined by one of . _ - /, for instance "
                             "team/credit-risk");
    }
    memcpy(ref->name, text, n);
    return 0;
}

static int parse_tag(const char *text, const char *tag, size_t n, struct mlo_ref *ref, struct mlo_err *err)
{
    if (n > TAG_MAX_LEN)
        return bad_ref(err, text, "the tag is longer than 128 bytes");
    if (!tag_ok(tag, n)) {
        bad_ref(err, text, "not a tag");
        return mlo_hint(err, "tags are letters, digits, _ . -, and begin with a letter, a digit or _");
    }
    memcpy(ref->tag, tag, n);
    ref->has_tag = true;
    return 0;
}

int mlo_ref_parse(const char *text, struct mlo_ref *ret, struct mlo_err *err)
{
    struct mlo_ref ref = {0};
    const char *at = strchr(text, '@');
    size_t n = at ? (size_t)(at - text) : strlen(text);
    const char *colon = memchr(text, ':', n);
    int rc = parse_name(text, colon ? (size_t)(colon - text) : n, &ref, err);
    if (rc == 0 && colon)
        rc = parse_tag(text, colon + 1, n - (size_t)(colon + 1 - text), &ref, err);
    if (rc)
        return rc;
    if (at) {
        if (mlo_digest_parse(at + 1, &ref.digest, err))
            return bad_ref(err, text, "after \"@\" stands no sha256: digest of 64 lower-case hex digits");
        ref.has_digest = true;
    }
    if (!ref.has_tag)
        memcpy(ref.tag, "latest", sizeof("latest"));
    *ret = ref;
    return 0;
}

char *mlo_ref_text(const struct mlo_ref *ref, char *buf)
{
    size_t n = strlen(ref->name), m = strlen(ref->tag);
    memcpy(buf, ref->name, n);
    buf[n] = ':';
    memcpy(buf + n + 1, ref->tag, m + 1);
    return buf;
}

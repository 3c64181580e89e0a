/*
 * Addresses. This parser is stricter than libcurl's, so that the two cannot read one text differently: what
 * is signed, where credentials may go and what "the same host" means are all decided on its answer.
 */
#include <mlopsctl/net.h>

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include <mlopsctl/base/text.h>

#include "internal.h"

#define URL_MAX 8192

static int refuse(const char *text, const char *why, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str redacted;
    char shown[MLO_SHOWN];
    mlo_str_init(&redacted, URL_MAX);
    mlo_redact(&redacted, text, strnlen(text, MLO_SHOWN));
    return mlo_fail(err, MLO_EUSAGE, "address '%s' %s", mlo_shown(redacted.ptr, redacted.len, shown), why);
}

static bool host_byte(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '.' || c == '_';
}

/* Length of the host at s: a name, IPv4, or IPv6 in brackets; 0 when it is none of these. */
static size_t host_length(const char *s, size_t n)
{
    size_t i = 0;
    if (n && s[0] == '[') {
        for (i = 1; i < n && (isxdigit((unsigned char)s[i]) || s[i] == ':' || s[i] == '.'); i++)
            ;
        return i > 2 && i < n && s[i] == ']' ? i + 1 : 0;
    }
    while (i < n && host_byte(s[i]))
        i++;
    return i <= MLO_HOST_MAX && (!i || (s[0] != '.' && s[0] != '-')) ? i : 0;
}

static bool port_is_good(const char *s, size_t n)
{
    unsigned long v = 0;
    for (size_t i = 0; i < n; i++)
        if (!isdigit((unsigned char)s[i]) || (v = v * 10 + (unsigned)(s[i] - '0')) > 65535)
            return false;
    return v > 0;
}

static bool all_sendable(const char *s)
{
    for (; *s; s++)
        if (*s <= ' ' || *s >= 0x7f || strchr("\"<>\\^`{|}", *s))
            return false;
    return true;
}

static char *lower_copy(const char *s, size_t n, struct mlo_err *err)
{
    char *copy = mlo_memdup0(s, n, err);
    for (size_t i = 0; copy && i < n; i++)
        copy[i] = (char)tolower((unsigned char)copy[i]);
    return copy;
}

/* authority = host [":" port] */
static int take_authority(const char *text, const char *s, size_t n, struct mlo_url *u, struct mlo_err *err)
{
    if (memchr(s, '@', n))
        return refuse(text, "holds a user or password: these come from settings or the credentials file",
                      err);
    size_t host = host_length(s, n);
    if (!host || (host < n && (s[host] != ':' || !port_is_good(s + host + 1, n - host - 1))))
        return refuse(text, "has no host and port that can be read", err);
    if (!(u->host = lower_copy(s, host, err)))
        return err->code;
    if (host < n && !(u->port = mlo_memdup0(s + host + 1, n - host - 1, err)))
        return err->code;
    return 0;
}

static int take(const char *text, struct mlo_url *u, struct mlo_err *err)
{
    bool tls = strncasecmp(text, "https://", 8) == 0;
    if (!tls && strncasecmp(text, "http://", 7) != 0)
        return refuse(text, "does not begin with https:// or http://", err);
    if (strlen(text) > URL_MAX)
        return refuse(text, "is too long", err);
    if (!all_sendable(text) || strchr(text, '#'))
        return refuse(text, "holds bytes that must be percent-encoded", err);
    const char *authority = text + (tls ? 8 : 7);
    size_t n = strcspn(authority, "/?");
    const char *path = authority + n, *query = strchr(path, '?');
    if (!(u->scheme = mlo_strdup(tls ? "https" : "http", err)) || take_authority(text, authority, n, u, err))
        return err->code;
    size_t path_n = query ? (size_t)(query - path) : strlen(path);
    if (!(u->path = path_n ? mlo_memdup0(path, path_n, err) : mlo_strdup("/", err)))
        return err->code;
    if (query && !(u->query = mlo_strdup(query + 1, err)))
        return err->code;
    return 0;
}

int mlo_url_parse(const char *text, struct mlo_url *ret, struct mlo_err *err)
{
    struct mlo_url u = {0};
    if (take(text, &u, err)) {
        mlo_url_release(&u);
        return err->code;
    }
    *ret = u;
    return 0;
}

void mlo_url_release(struct mlo_url *u)
{
    free(u->scheme);
    free(u->host);
    free(u->port);
    free(u->path);
    free(u->query);
    *u = (struct mlo_url){0};
}

static const char *port_of(const struct mlo_url *u)
{
    return u->port ? u->port : strcmp(u->scheme, "https") == 0 ? "443" : "80";
}

bool mlo_url_same_origin(const struct mlo_url *a, const struct mlo_url *b)
{
    return strcmp(a->scheme, b->scheme) == 0 && strcmp(a->host, b->host) == 0 &&
           strcmp(port_of(a), port_of(b)) == 0;
}

bool mlo_url_is_loopback(const struct mlo_url *u)
{
    size_t n = strlen(u->host);
    return strcmp(u->host, "localhost") == 0 || strcmp(u->host, "[::1]") == 0 ||
           (n > 10 && strcmp(u->host + n - 10, ".localhost") == 0) ||
           (strncmp(u->host, "127.", 4) == 0 && u->host[strspn(u->host, "0123456789.")] == '\0');
}

void mlo_url_authority(struct mlo_str *out, const struct mlo_url *u)
{
    bool usual = !u->port || strcmp(u->port, strcmp(u->scheme, "https") == 0 ? "443" : "80") == 0;
    mlo_str_addf(out, "%s%s%s", u->host, usual ? "" : ":", usual ? "" : u->port);
}

void mlo_url_encode(struct mlo_str *out, const char *text, size_t n, bool keep_slash)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        bool plain = (c < 0x80 && isalnum(c)) || (c && strchr("-._~", c)) || (c == '/' && keep_slash);
        if (plain)
            mlo_str_addc(out, (char)c);
        else
            mlo_str_addf(out, "%%%02X", c);
    }
}

static int hex_digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower(c) - 'a' + 10 : -1;
}

void mlo_url_decode(char *s)
{
    char *to = s;
    for (; *s; s++) {
        int high = s[0] == '%' ? hex_digit(s[1]) : -1, low = high >= 0 ? hex_digit(s[2]) : -1;
        bool coded = low >= 0 && (high || low);
        *to++ = coded ? (char)(high << 4 | low) : *s;
        s += coded ? 2 : 0;
    }
    *to = '\0';
}

/* ---- references, RFC 3986 section 5.2 ---- */

/* Section 5.2.4, on a path that begins with "/". */
static void add_without_dots(struct mlo_str *out, const char *path, size_t n)
{
    size_t start = out->len, at = 0;
    while (at < n) {
        const char *seg = path + at + 1, *end = memchr(seg, '/', n - at - 1);
        size_t len = end ? (size_t)(end - seg) : n - at - 1;
        bool last = !end, up = len == 2 && memcmp(seg, "..", 2) == 0, here = len == 1 && seg[0] == '.';
        if (up)
            while (!out->failed && out->len > start && out->ptr[--out->len] != '/')
                ;
        if (!up && !here) {
            mlo_str_addc(out, '/');
            mlo_str_addn(out, seg, len);
        } else if (last) {
            mlo_str_addc(out, '/');
        }
        at += 1 + len;
    }
}

/* Servers write spaces and UTF-8 into Location as they are. */
static void add_sendable(struct mlo_str *out, const char *s)
{
    for (; *s && *s != '#'; s++) {
        if (*s <= ' ' || *s >= 0x7f || strchr("\"<>\\^`{|}", *s))
            mlo_str_addf(out, "%%%02X", (unsigned char)*s);
        else
            mlo_str_addc(out, *s);
    }
}

static bool has_scheme(const char *s)
{
    size_t n = strcspn(s, ":/?#");
    return n && s[n] == ':';
}

/* What follows scheme and authority. */
static void add_path_and_query(struct mlo_str *out, const struct mlo_url *base, const char *ref)
{
    size_t n = strcspn(ref, "?");
    if (ref[0] == '/') {
        add_without_dots(out, ref, n);
    } else if (n) {
        MLO_AUTOSTR struct mlo_str merged;
        mlo_str_init(&merged, 2 * URL_MAX);
        mlo_str_addn(&merged, base->path, (size_t)(strrchr(base->path, '/') - base->path) + 1);
        mlo_str_addn(&merged, ref, n);
        add_without_dots(out, merged.ptr, merged.len);
    } else {
        mlo_str_add(out, base->path);
        if (!ref[0] && base->query)
            mlo_str_addf(out, "?%s", base->query);
    }
    mlo_str_add(out, ref + n);
}

int mlo_url_resolve(const char *base, const char *reference, char **ret, struct mlo_err *err)
{
    struct mlo_url MLO_AUTO(mlo_url_release) b = {0}, check = {0};
    MLO_AUTOSTR struct mlo_str ref, out;
    mlo_str_init(&ref, URL_MAX);
    mlo_str_init(&out, URL_MAX);
    if (mlo_url_parse(base, &b, err))
        return err->code;
    add_sendable(&ref, reference);
    if (has_scheme(ref.ptr)) {
        mlo_str_add(&out, ref.ptr);
    } else if (strncmp(ref.ptr, "//", 2) == 0) {
        mlo_str_addf(&out, "%s:%s", b.scheme, ref.ptr);
    } else {
        mlo_str_addf(&out, "%s://", b.scheme);
        mlo_url_authority(&out, &b);
        add_path_and_query(&out, &b, ref.ptr);
    }
    if (mlo_str_check(&ref, err) || mlo_str_check(&out, err) || mlo_url_parse(out.ptr, &check, err))
        return err->code;
    *ret = mlo_str_detach(&out, NULL);
    return 0;
}

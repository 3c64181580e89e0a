#include "utf8.h"

#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>

size_t mlo_utf8_decode(const char *s, size_t n, uint32_t *ret)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)s;
    size_t len;
    uint32_t cp;
    if (n == 0)
        return 0;
    if (p[0] < 0x80) {
        *ret = p[0];
        return 1;
    }
    len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || len > n)
        return 0;
    cp = p[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        cp = cp << 6 | (p[i] & 0x3f);
    }
    if (cp < least[len] || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
        return 0;
    *ret = cp;
    return len;
}

size_t mlo_utf8_encode(uint32_t cp, char *buf)
{
    if (cp < 0x80) {
        buf[0] = (char)cp;
        return 1;
    }
    size_t len = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--) {
        buf[i] = (char)(0x80 | (cp & 0x3f));
        cp >>= 6;
    }
    buf[0] = (char)((0xf00u >> len) | cp);
    return len;
}

bool mlo_utf8_valid(const char *s, size_t n)
{
    uint32_t cp;
    for (size_t i = 0; i < n;) {
        size_t len = (unsigned char)s[i] < 0x80 ? 1 : mlo_utf8_decode(s + i, n - i, &cp);
        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

struct range {
    uint32_t first, last;
};

static bool within(uint32_t cp, const struct range *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (cp >= r[i].first && cp <= r[i].last)
            return true;
    return false;
}

/* What a terminal would obey or hide rather than show. */
static bool must_escape(uint32_t cp)
{
    static const struct range hidden[] = {{0x00, 0x1f},     {0x7f, 0x9f},       {0xad, 0xad},
                                          {0x61c, 0x61c},   {0x200b, 0x200f},   {0x2028, 0x202e},
                                          {0x2060, 0x206f}, {0xfeff, 0xfeff},   {0xfff9, 0xfffb},
                                          {0xe000, 0xf8ff}, {0xe0000, 0xe0fff}, {0xf0000, 0x10ffff}};
    return within(cp, hidden, MLO_COUNT(hidden));
}

size_t mlo_utf8_show(const char *s, size_t n, char buf[MLO_UTF8_SHOWN], size_t *ret_len)
{
    uint32_t cp;
    size_t len = mlo_utf8_decode(s, n, &cp);
    if (len == 0 || (len == 1 && must_escape(cp))) {
        *ret_len = (size_t)snprintf(buf, MLO_UTF8_SHOWN, "\\x%02X", (unsigned char)*s);
    } else if (must_escape(cp)) {
        *ret_len = (size_t)snprintf(buf, MLO_UTF8_SHOWN, "\\u{%04X}", cp);
    } else {
        memcpy(buf, s, len);
        *ret_len = len;
    }
    return len ? len : 1;
}

void mlo_escape_text(struct mlo_str *out, const char *s, size_t n)
{
    char shown[MLO_UTF8_SHOWN];
    for (size_t i = 0, len; i < n;) {
        i += mlo_utf8_show(s + i, n - i, shown, &len);
        mlo_str_addn(out, shown, len);
    }
}

void mlo_escape(struct mlo_str *out, const char *s, size_t n)
{
    while (n) {
        const char *slash = memchr(s, '\\', n);
        size_t plain = slash ? (size_t)(slash - s) : n;
        mlo_escape_text(out, s, plain);
        if (!slash)
            return;
        mlo_str_add(out, "\\\\");
        s = slash + 1;
        n -= plain + 1;
    }
}

static unsigned columns(uint32_t cp)
{
    static const struct range none[] = {{0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},
                                        {0x610, 0x61a},   {0x64b, 0x65f},   {0x1ab0, 0x1aff},
                                        {0x1dc0, 0x1dff}, {0x200b, 0x200f}, {0x20d0, 0x20ff},
                                        {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}};
    static const struct range wide[] = {
        {0x1100, 0x115f}, {0x2e80, 0x303e},   {0x3041, 0x33ff},   {0x3400, 0x4dbf},  {0x4e00, 0x9fff},
        {0xa000, 0xa4cf}, {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe6f},  {0xff00, 0xff60},
        {0xffe0, 0xffe6}, {0x1f300, 0x1f64f}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};
    if (within(cp, none, MLO_COUNT(none)))
        return 0;
    return within(cp, wide, MLO_COUNT(wide)) ? 2 : 1;
}

size_t mlo_text_width(const char *s)
{
    size_t width = 0;
    uint32_t cp;
    while (*s) {
        size_t len = mlo_utf8_decode(s, strnlen(s, 4), &cp);
        width += len ? columns(cp) : 1;
        s += len ? len : 1;
    }
    return width;
}

size_t mlo_utf8_cut(const char *s, size_t max)
{
    while (max && ((uint8_t)s[max] & 0xC0) == 0x80)
        max--;
    return max;
}

const char *mlo_shown(const char *s, size_t n, char buf[MLO_SHOWN])
{
    MLO_AUTOSTR struct mlo_str text;
    bool whole = n <= MLO_SHOWN;
    mlo_str_init(&text, (size_t)16 * MLO_SHOWN);
    mlo_escape(&text, s, whole ? n : mlo_utf8_cut(s, MLO_SHOWN));
    if (whole && text.len < MLO_SHOWN) {
        memcpy(buf, text.ptr, text.len + 1);
        return buf;
    }
    size_t keep = text.len < MLO_SHOWN - sizeof "..." ? text.len
                                                      : mlo_utf8_cut(text.ptr, MLO_SHOWN - sizeof "...");
    memcpy(buf, text.ptr, keep);
    memcpy(buf + keep, "...", sizeof "...");
    return buf;
}

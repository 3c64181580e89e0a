/*
 * What a server can make this program read before anybody trusts it: header lines, the values of the headers
 * that decide waits, ranges and ways, and the bodies of failures. The first byte chooses; the rest is the
 * input.
 */
#include <string.h>

#include "../../src/net/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        __builtin_trap();
}

/* Lines as libcurl hands them over. */
static void try_headers(const char *text, size_t n)
{
    struct mlo_http_headers h;
    struct mlo_err err = MLO_ERR_INIT;
    mlo_headers_init(&h);
    for (const char *p = text, *end = text + n; p < end && !err.code;) {
        const char *line = memchr(p, '\n', (size_t)(end - p));
        size_t len = line ? (size_t)(line + 1 - p) : (size_t)(end - p);
        must(mlo_headers_take(&h, p, len, &err) == 0 || (err.code == MLO_EREMOTE && err.msg[0]));
        p += len;
    }
    must(h.text.len <= MLO_HEADERS_MAX && (!h.complete || h.status >= 200));
    const char *tag = mlo_headers_get(&h, "etag");
    must(!tag || (tag >= h.text.ptr && tag + strlen(tag) < h.text.ptr + h.text.len));
    mlo_str_release(&h.text);
}

static void try_waits(const char *text)
{
    int64_t wait = 0, ns, day = 86400 * MLO_NS_PER_S, now = 1795252020 * MLO_NS_PER_S;
    if (mlo_retry_after(text, now, &wait))
        must(wait >= 0);
    must(mlo_rate_limit_wait(text) >= 0 && mlo_rate_limit_wait(text) <= 3651 * day);
    if (mlo_http_date(text, &ns))
        must(ns >= 0);
}

static void try_ranges(const char *text)
{
    uint64_t first, last, total;
    if (mlo_content_range(text, &first, &last, &total))
        must(first <= last && last < total);
    (void)mlo_content_range_unsatisfied(text, &total);
    (void)mlo_content_length(text, &total);
}

static void try_address(const char *text)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_url u;
    char *resolved = NULL;
    if (mlo_url_parse(text, &u, &err) == 0) {
        must(u.path[0] == '/' && u.host[0] && !strpbrk(u.host, "@/?#\\ "));
        mlo_url_release(&u);
    }
    if (mlo_url_resolve("https://a.example:8443/b/c?d", text, &resolved, &err) == 0) {
        must(mlo_url_parse(resolved, &u, &err) == 0 && !strchr(resolved, '\n'));
        mlo_url_release(&u);
        free(resolved);
    }
}

static void try_failure(int status, const char *text, size_t n)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_http_response r = {
        .status = status, .host = "a.example", .body = (char *)(uintptr_t)text, .n = n};
    must(mlo_http_fail(&r, &err) < 0 && strlen(err.msg) > 10);
    for (const char *s = err.msg; *s; s++)
        must((unsigned char)*s >= ' ' && *s != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 400, 403, 404, 503};
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOFREE char *text = size ? mlo_memdup0(data + 1, size - 1, &err) : NULL;
    if (!text)
        return 0;
    switch (data[0] % 5) {
    case 0:
        try_headers(text, size - 1);
        break;
    case 1:
        try_waits(text);
        break;
    case 2:
        try_ranges(text);
        break;
    case 3:
        try_address(text);
        break;
    default:
        try_failure(statuses[data[0] / 5 % 5], text, size - 1);
    }
    return 0;
}

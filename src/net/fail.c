/* Failures in words: answers that are failures, and answers that never came. */
#include "internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <mlopsctl/base/json.h>
#include <mlopsctl/base/text.h>

#define SHOWN_MAX ((size_t)2 << 10) /* bytes of a body that are worth showing */
#define READ_MAX  ((size_t)64 << 10)

static const char *phrase(int status)
{
    static const struct {
        int status;
        const char *text;
    } phrases[] = {
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {407, "Proxy Authentication Required"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {416, "Range Not Satisfiable"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {507, "Insufficient Storage"},
        {524, "A Timeout Occurred"},
    };
    for (size_t i = 0; i < MLO_COUNT(phrases); i++)
        if (phrases[i].status == status)
            return phrases[i].text;
    return "";
}

/* ---- what a body says; each appends, and is true when it understood ---- */

static void add_part(struct mlo_str *out, const char *text)
{
    if (text && *text)
        mlo_str_addf(out, "%s%s", out->len ? ": " : "", text);
}

/* RFC 9457: errors are lines; OCI distribution: objects with code and message. */
static void add_errors(struct mlo_str *out, const cJSON *errors)
{
    const cJSON *e;
    cJSON_ArrayForEach(e, errors)
    {
        if (out->len > SHOWN_MAX)
            return;
        add_part(out, cJSON_IsString(e) ? e->valuestring : mlo_json_text(e, "code"));
        if (cJSON_IsObject(e))
            add_part(out, mlo_json_text(e, "message"));
    }
}

static bool from_json(struct mlo_str *out, const char *body, size_t n)
{
    static const char *const members[] = {"title", "detail", "message", "error", "error_description"};
    struct mlo_err ignored = MLO_ERR_INIT;
    MLO_AUTOJSON cJSON *doc = NULL;
    if (body[0] != '{' || mlo_json_parse(body, n, READ_MAX, &doc, &ignored))
        return false;
    for (size_t i = 0; i < MLO_COUNT(members); i++)
        add_part(out, mlo_json_text(doc, members[i]));
    add_errors(out, cJSON_GetObjectItemCaseSensitive(doc, "errors"));
    return out->len > 0;
}

/* The five entities of XML; anything else stays as it is. */
static void add_unescaped(struct mlo_str *out, const char *s, size_t n)
{
    static const struct {
        const char *name;
        char c;
    } entities[] = {{"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}, {"&amp;", '&'}};
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        for (size_t k = 0; s[i] == '&' && k < MLO_COUNT(entities); k++) {
            size_t len = strlen(entities[k].name);
            if (n - i >= len && memcmp(s + i, entities[k].name, len) == 0) {
                c = entities[k].c;
                i += len - 1;
                break;
            }
        }
        mlo_str_addc(out, c);
    }
}

static void add_element(struct mlo_str *out, const char *body, const char *open, const char *close)
{
    const char *s = strcasestr(body, open), *end = s ? strcasestr(s, close) : NULL;
    if (!end)
        return;
    s += strlen(open);
    mlo_str_add(out, out->len && end > s ? ": " : "");
    add_unescaped(out, s, (size_t)(end - s) < SHOWN_MAX ? (size_t)(end - s) : SHOWN_MAX);
}

/* An S3 error, or the title of a page that a proxy made. */
static bool from_markup(struct mlo_str *out, const char *body)
{
    if (body[0] != '<')
        return false;
    add_element(out, body, "<Code>", "</Code>");
    add_element(out, body, "<Message>", "</Message>");
    if (!out->len)
        add_element(out, body, "<title>", "</title>");
    return true;
}

static void add_body_text(struct mlo_str *out, const char *body, size_t n)
{
    n = strnlen(body, n);
    while (n && isspace((unsigned char)*body))
        body++, n--;
    if (from_json(out, body, n) || from_markup(out, body))
        return;
    mlo_str_clear(out);
    mlo_str_addn(out, body, n < SHOWN_MAX ? n : SHOWN_MAX);
}

/* One line, no secrets, nothing that a terminal would obey, at most `max` bytes. */
static void tidy(struct mlo_str *out, const char *text, size_t n, size_t max)
{
    MLO_AUTOSTR struct mlo_str line, redacted;
    mlo_str_init(&line, 2 * SHOWN_MAX);
    mlo_str_init(&redacted, 4 * SHOWN_MAX);
    for (size_t i = 0; i < n && line.len < 2 * SHOWN_MAX; i++) {
        bool space = isspace((unsigned char)text[i]) != 0;
        if (!space || (line.len && line.ptr[line.len - 1] != ' '))
            mlo_str_addc(&line, space ? ' ' : text[i]);
    }
    while (line.len && line.ptr[line.len - 1] == ' ')
        line.ptr[--line.len] = '\0';
    mlo_redact(&redacted, line.ptr, line.len);
    bool fits = redacted.len <= max;
    mlo_escape(out, redacted.ptr, fits ? redacted.len : mlo_utf8_cut(redacted.ptr, max));
    mlo_str_add(out, fits ? "" : "...");
}

/* ---- answers ---- */

static int code_of(int status)
{
    if (status == 404)
        return MLO_ENOTFOUND;
    if (status == 409 || status == 412)
        return MLO_ECONFLICT;
    return status == 400 || status == 422 ? MLO_EUSAGE : MLO_EREMOTE;
}

static const char *hint_of(int status)
{
    switch (status) {
    case 401:
        return "the credentials are missing, wrong or expired";
    case 403:
        return "these credentials may not do this";
    case 407:
        return "the proxy wants a user and password";
    case 410:
        return "this service has been retired: install a newer version of mlopsctl, or set another base URL";
    case 429:
        return "wait a while before the next try";
    case 507:
        return "the storage is full";
    default:
        return status >= 500 ? "the service has a fault: try again later" : NULL;
    }
}

/* Cloudflare's answer to a client that it does not like the name of. */
static bool refused_user_agent(const struct mlo_http_response *r)
{
    return r->status == 403 && r->body && strstr(r->body, "error code: 1010");
}

int mlo_http_fail(const struct mlo_http_response *r, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text, shown, id;
    const char *request_id = mlo_http_header(r, "x-request-id");
    mlo_str_init(&text, 4 * SHOWN_MAX);
    mlo_str_init(&shown, 16 * SHOWN_MAX);
    mlo_str_init(&id, SHOWN_MAX);
    if (!request_id)
        request_id = mlo_http_header(r, "x-amz-request-id");
    if (request_id)
        tidy(&id, request_id, strlen(request_id), 100);
    if (r->body)
        add_body_text(&text, r->body, r->n);
    tidy(&shown, text.ptr, text.len, 420);
    const char *name = phrase(r->status);
    mlo_fail(err, code_of(r->status), "'%s' answered %d%s%s%s%s%s%s%s", r->host, r->status, *name ? " " : "",
             name, shown.len ? ": " : "", shown.ptr, id.len ? " (request id " : "", id.ptr,
             id.len ? ")" : "");
    const char *hint = hint_of(r->status);
    if (refused_user_agent(r))
        hint = "the service refuses the User-Agent that was sent: use an ordinary name for it";
    return hint ? mlo_hint(err, "%s", hint) : err->code;
}

/* ---- no answer ---- */

static int fail_connect(const struct mlo_attempt_result *r, const char *host, struct mlo_err *err)
{
    if (r->os_errno)
        mlo_fail(err, MLO_EREMOTE, "cannot connect to '%s': %s", host, strerror((int)r->os_errno));
    else
        mlo_fail(err, MLO_EREMOTE, "cannot connect to '%s': %s", host, r->why);
    err->sys_errno = (int)r->os_errno;
    return mlo_hint(err, "check the address, the network, and whether a proxy is needed");
}

static int fail_certificate(const struct mlo_attempt_result *r, const char *host, struct mlo_err *err)
{
    mlo_fail(err, MLO_EREMOTE, "the certificate of '%s' is refused: %s", host, r->why);
    if (strstr(r->why, "subject name") || strstr(r->why, "alternative"))
        return mlo_hint(err, "the certificate is for another name: check the address");
    if (strstr(r->why, "expired") || strstr(r->why, "not yet valid"))
        return mlo_hint(err, "check the clock of this machine, or tell who runs the host");
    return mlo_hint(err,
                    "if a private authority signed it, give that authority's certificate as the CA file");
}

static int fail_slow(const struct mlo_attempt_result *r, const char *host, struct mlo_err *err)
{
    char human[MLO_HUMAN_MAX];
    mlo_human_duration((uint64_t)r->limit, human);
    if (r->end == MLO_ATTEMPT_STALLED)
        mlo_fail(err, MLO_EREMOTE, "'%s' moved less than 1 KiB/s for %s", host, human);
    else
        mlo_fail(err, MLO_EREMOTE, "'%s' did not answer within %s", host, human);
    return mlo_hint(err, "check the network, or try again later");
}

int mlo_attempt_fail(const struct mlo_attempt_result *r, const char *host, uint64_t got, struct mlo_err *err)
{
    if (r->end != MLO_ATTEMPT_BROKEN)
        return fail_slow(r, host, err);
    switch ((int)r->code) {
    case CURLE_OUT_OF_MEMORY: /* libcurl before 8.6 also says so of a header line above 100 KB */
        return r->left ? mlo_fail(err, MLO_EREMOTE, "'%s' answered with a header line that is too long", host)
                       : mlo_fail_nomem(err);
    case CURLE_COULDNT_RESOLVE_HOST:
        mlo_fail(err, MLO_EREMOTE, "cannot find the host '%s'", host);
        return mlo_hint(err, "check the address and the network");
    case CURLE_COULDNT_RESOLVE_PROXY:
        mlo_fail(err, MLO_EREMOTE, "cannot find the proxy on the way to '%s'", host);
        return mlo_hint(err, "check the proxy setting");
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
        return fail_certificate(r, host, err);
    case CURLE_SSL_CONNECT_ERROR:
        mlo_fail(err, MLO_EREMOTE, "cannot agree on TLS with '%s': %s", host, r->why);
        return mlo_hint(err, "check the address and port: does this server speak https?");
    case CURLE_SSL_CACERT_BADFILE:
        mlo_fail(err, MLO_EREMOTE, "the CA file cannot be used: %s", r->why);
        return mlo_hint(err, "it must hold certificates in PEM form");
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
        return fail_connect(r, host, err);
    case CURLE_SEND_FAIL_REWIND: /* a kept connection was gone, and what is sent once is not sent again */
        mlo_fail(err, MLO_EREMOTE, "'%s' closed the connection without an answer", host);
        return mlo_hint(err, "see what the server says of its end, or try again later");
    default:
        if (got)
            mlo_fail(err, MLO_EREMOTE, "'%s' broke off after %llu bytes: %s", host, (unsigned long long)got,
                     r->why);
        else
            mlo_fail(err, MLO_EREMOTE, "no answer from '%s': %s", host, r->why);
        return mlo_hint(err, "check the network, or try again later");
    }
}

/* Headers: those we send, those that come, and what a few of them say. Everything here reads what strangers
 * wrote. */
#include "internal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <mlopsctl/base/text.h>

/* ---- sent ---- */

static bool token_byte(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

int mlo_http_add_header(struct mlo_http_attempt *a, const char *name, const char *value, struct mlo_err *err)
{
    struct mlo_header_list *l = a->headers;
    for (const char *s = name; *s || s == name; s++)
        if (!token_byte(*s))
            return mlo_fail(err, MLO_EINTERNAL, "a header's name is no token");
    for (const char *s = value; *s; s++)
        if ((unsigned char)*s < ' ' && *s != '\t')
            return mlo_fail(err, MLO_EUSAGE, "the value of header '%s' holds a control byte", name);
    if (mlo_grow(&l->list, &l->cap, l->n + 1, sizeof *l->list, err))
        return err->code;
    struct mlo_header h = {mlo_strdup(name, err), NULL};
    if (!h.name || !(h.value = mlo_strdup(value, err))) {
        free(h.name);
        return err->code;
    }
    l->list[l->n++] = h;
    return 0;
}

void mlo_header_list_release(struct mlo_header_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        explicit_bzero(l->list[i].value, strlen(l->list[i].value));
        free(l->list[i].name);
        free(l->list[i].value);
    }
    free(l->list);
    *l = (struct mlo_header_list){0};
}

/* ---- received ---- */

void mlo_headers_init(struct mlo_http_headers *h)
{
    *h = (struct mlo_http_headers){0};
    mlo_str_init(&h->text, MLO_HEADERS_MAX);
}

/* "HTTP/1.1 200 OK": the number, 0 when it is none. */
static int status_of(const char *line, size_t n)
{
    const char *sp = memchr(line, ' ', n);
    size_t left = sp ? n - (size_t)(sp - line) : 0;
    if (left < 4 || !isdigit((unsigned char)sp[1]) || !isdigit((unsigned char)sp[2]) ||
        !isdigit((unsigned char)sp[3]) || (left > 4 && isdigit((unsigned char)sp[4])))
        return 0;
    return (sp[1] - '0') * 100 + (sp[2] - '0') * 10 + (sp[3] - '0');
}

static size_t trimmed(const char **s, size_t n)
{
    while (n && isspace((unsigned char)**s))
        ++*s, n--;
    while (n && isspace((unsigned char)(*s)[n - 1]))
        n--;
    return n;
}

static int take_field(struct mlo_http_headers *h, const char *line, size_t n, struct mlo_err *err)
{
    const char *colon = memchr(line, ':', n), *value = colon ? colon + 1 : NULL;
    if (!colon || colon == line || isspace((unsigned char)line[0]) || memchr(line, '\0', n))
        return 0; /* a folded line or nonsense: nothing that we ask for */
    size_t name_n = (size_t)(colon - line), value_n = trimmed(&value, n - name_n - 1);
    for (size_t i = 0; i < name_n; i++)
        mlo_str_addc(&h->text, (char)tolower((unsigned char)line[i]));
    mlo_str_addc(&h->text, '\0');
    mlo_str_addn(&h->text, value, value_n);
    mlo_str_addc(&h->text, '\0');
    if (h->text.failed == MLO_EIO)
        return mlo_fail_nomem(err);
    if (h->text.failed)
        return mlo_fail(err, MLO_EREMOTE, "the answer's headers are longer than %zu KiB",
                        MLO_HEADERS_MAX >> 10);
    return 0;
}

int mlo_headers_take(struct mlo_http_headers *h, const char *line, size_t n, struct mlo_err *err)
{
    if (h->complete)
        return 0; /* trailers */
    while (n && (line[n - 1] == '\r' || line[n - 1] == '\n'))
        n--;
    if (n >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        mlo_str_clear(&h->text);
        h->status = status_of(line, n);
        return h->status ? 0 : mlo_fail(err, MLO_EREMOTE, "the answer begins with no HTTP status");
    }
    if (n)
        return take_field(h, line, n, err);
    h->complete = h->status >= 200;
    return 0;
}

const char *mlo_headers_get(const struct mlo_http_headers *h, const char *name)
{
    const char *found = NULL, *p = h->text.ptr, *end = p + h->text.len;
    while (p < end) {
        const char *value = p + strlen(p) + 1;
        if (strcasecmp(p, name) == 0)
            found = value;
        p = value + strlen(value) + 1;
    }
    return found;
}

const char *mlo_http_header(const struct mlo_http_response *r, const char *name)
{
    return r->headers ? mlo_headers_get(r->headers, name) : NULL;
}

void mlo_http_header_all(const struct mlo_http_response *r, const char *name, struct mlo_str *out)
{
    const char *p = r->headers ? r->headers->text.ptr : NULL, *end = p ? p + r->headers->text.len : NULL;
    size_t before = out->len;
    while (p < end) {
        const char *value = p + strlen(p) + 1;
        if (strcasecmp(p, name) == 0) {
            mlo_str_add(out, out->len > before ? ", " : "");
            mlo_str_add(out, value);
        }
        p = value + strlen(value) + 1;
    }
}

/* ---- what they say ---- */

bool mlo_status_is_transient(int status)
{
    return status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504) ||
           (status >= 520 && status <= 527); /* Cloudflare's */
}

/* Decimal digits at *s, at most UINT64_MAX; false without any. */
static bool number(const char **s, uint64_t *ret)
{
    uint64_t v = 0;
    if (!isdigit((unsigned char)**s))
        return false;
    for (; isdigit((unsigned char)**s); ++*s)
        if (!mlo_mul_u64(v, 10, &v) || !mlo_add_u64(v, (uint64_t)(**s - '0'), &v))
            return false;
    *ret = v;
    return true;
}

static bool word(const char **s, const char *w)
{
    size_t n = strlen(w);
    if (strncasecmp(*s, w, n) != 0)
        return false;
    *s += n;
    return true;
}

static void blanks(const char **s)
{
    *s += strspn(*s, " \t");
}

bool mlo_content_length(const char *text, uint64_t *ret)
{
    return text && number(&text, ret) && !*text;
}

bool mlo_content_range(const char *text, uint64_t *ret_first, uint64_t *ret_last, uint64_t *ret_total)
{
    uint64_t first, last, total = UINT64_MAX;
    if (!text || !word(&text, "bytes ") || !number(&text, &first) || !word(&text, "-") ||
        !number(&text, &last) || !word(&text, "/") || (!word(&text, "*") && !number(&text, &total)) || *text)
        return false;
    if (first > last || last >= total)
        return false;
    *ret_first = first;
    *ret_last = last;
    *ret_total = total;
    return true;
}

bool mlo_content_range_unsatisfied(const char *text, uint64_t *ret_total)
{
    return text && word(&text, "bytes */") && number(&text, ret_total) && !*text;
}

static bool two(const char **s, int max, int *ret)
{
    uint64_t v;
    const char *start = *s;
    if (!number(s, &v) || *s - start > 2 || v > (uint64_t)max)
        return false;
    *ret = (int)v;
    return true;
}

static bool month(const char **s, int *ret)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (*ret = 0; *ret < 12; ++*ret)
        if (strncmp(*s, names + *ret * 3, 3) == 0) {
            *s += 3;
            return true;
        }
    return false;
}

#define YEAR_MAX 2261 /* the last that fits into nanoseconds */

static bool year(const char **s, struct tm *t)
{
    uint64_t y;
    const char *start = *s;
    if (!number(s, &y) || y > YEAR_MAX)
        return false;
    if (*s - start == 2) /* RFC 850: the nearest such year that has been or is soon */
        y += y < 70 ? 2000 : 1900;
    t->tm_year = (int)y - 1900;
    return y >= 1970;
}

static bool clock_time(const char **s, struct tm *t)
{
    return two(s, 23, &t->tm_hour) && word(s, ":") && two(s, 59, &t->tm_min) && word(s, ":") &&
           two(s, 60, &t->tm_sec);
}

/* "06 Nov 1994 08:49:37 GMT" or with "-" between, after the day's name and a comma. */
static bool day_first(const char *s, struct tm *t)
{
    const char *between = s[strspn(s, "0123456789")] == '-' ? "-" : " ";
    return two(&s, 31, &t->tm_mday) && word(&s, between) && month(&s, &t->tm_mon) && word(&s, between) &&
           year(&s, t) && word(&s, " ") && clock_time(&s, t) && word(&s, " GMT") && !*s;
}

/* "Nov  6 08:49:37 1994", of asctime. */
static bool month_first(const char *s, struct tm *t)
{
    if (!month(&s, &t->tm_mon))
        return false;
    blanks(&s);
    return two(&s, 31, &t->tm_mday) && word(&s, " ") && clock_time(&s, t) && word(&s, " ") && year(&s, t) &&
           !*s;
}

bool mlo_http_date(const char *text, int64_t *ret_ns)
{
    struct tm t = {0};
    const char *comma = strchr(text, ','), *s = comma ? comma + 1 : text + strcspn(text, " ");
    blanks(&s);
    if (comma ? !day_first(s, &t) : !month_first(s, &t))
        return false;
    *ret_ns = (int64_t)timegm(&t) * MLO_NS_PER_S;
    return true;
}

/* A wait can be asked for in any number of seconds; beyond this all are the same. */
#define WAIT_CEILING_S ((uint64_t)10 * 365 * 86400)

static int64_t seconds(uint64_t s)
{
    return (int64_t)(s < WAIT_CEILING_S ? s : WAIT_CEILING_S) * MLO_NS_PER_S;
}

bool mlo_retry_after(const char *text, int64_t now_ns, int64_t *ret_wait_ns)
{
    uint64_t s;
    int64_t then;
    const char *p = text;
    if (number(&p, &s) && !*p) {
        *ret_wait_ns = seconds(s);
        return true;
    }
    if (!mlo_http_date(text, &then))
        return false;
    *ret_wait_ns = then > now_ns ? then - now_ns : 0;
    return true;
}

/* One parameter ";key=value" of a member; true when it is `key` with a whole number. */
static bool parameter(const char **s, char *ret_key, uint64_t *ret_value)
{
    blanks(s);
    if (!word(s, ";"))
        return false;
    blanks(s);
    *ret_key = islower((unsigned char)(*s)[0]) && (*s)[1] == '=' ? **s : '\0';
    if (*ret_key) {
        *s += 2;
        if (number(s, ret_value))
            return true;
        *ret_key = '\0';
    }
    for (bool quoted = false; **s && (quoted || !strchr(";,", **s)); ++*s)
        quoted ^= **s == '"';
    return true;
}

int64_t mlo_rate_limit_wait(const char *text)
{
    int64_t longest = 0;
    const char *s = text;
    while (*s) {
        uint64_t v = 0, left = UINT64_MAX, reset = 0;
        char key;
        for (bool quoted = false; *s && (quoted || !strchr(";,", *s)); s++)
            quoted ^= *s == '"';
        while (parameter(&s, &key, &v)) {
            left = key == 'r' ? v : left;
            reset = key == 't' ? v : reset;
        }
        if (left == 0 && seconds(reset) > longest)
            longest = seconds(reset);
        s += strcspn(s, ",");
        s += *s == ',';
    }
    return longest;
}

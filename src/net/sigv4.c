/*
 * AWS Signature Version 4 in its header form, over libcrypto's HMAC. Steps and names are those of the AWS
 * General Reference, "Create a signed AWS API request"; the path is taken as sent, as S3 has it.
 */
#include "internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <mlopsctl/base/hash.h>

#define ALGORITHM     "AWS4-HMAC-SHA256"
#define CANONICAL_MAX ((size_t)256 << 10)
#define PAIRS_MAX     256 /* headers, and parameters of a query */

struct pair {
    const char *name, *value;
    size_t order;
};

/* ---- canonical request ---- */

static int by_name(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int d = strcmp(x->name, y->name);
    return d ? d : (x->order > y->order) - (x->order < y->order);
}

static int by_name_and_value(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int d = strcmp(x->name, y->name);
    return d ? d : strcmp(x->value, y->value);
}

static int hex_digit(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
                                        : -1;
}

/* One name or value of a query in the one spelling that is signed. */
static void add_respelled(struct mlo_str *out, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool coded = s[i] == '%' && n - i > 2 && hex_digit(s[i + 1]) >= 0 && hex_digit(s[i + 2]) >= 0;
        char c = coded ? (char)(hex_digit(s[i + 1]) << 4 | hex_digit(s[i + 2])) : s[i];
        mlo_url_encode(out, &c, 1, false);
        i += coded ? 2 : 0;
    }
}

/* "name" NUL "value" NUL for each parameter; returns how many. */
static size_t split_query(struct mlo_str *out, const char *query)
{
    size_t count = 0;
    for (const char *s = query; *s; s += *s == '&') {
        size_t n = strcspn(s, "&"), name = strcspn(s, "&=");
        if (n) {
            add_respelled(out, s, name);
            mlo_str_addc(out, '\0');
            add_respelled(out, s + name + (name < n), n - name - (name < n));
            mlo_str_addc(out, '\0');
            count++;
        }
        s += n;
    }
    return count;
}

static int too_many(struct mlo_err *err)
{
    return mlo_fail(err, MLO_EINTERNAL, "more than %d headers or parameters to sign", PAIRS_MAX);
}

static int add_query(struct mlo_str *out, const char *query, struct mlo_err *err)
{
    struct pair list[PAIRS_MAX];
    MLO_AUTOSTR struct mlo_str texts;
    mlo_str_init(&texts, CANONICAL_MAX);
    size_t n = split_query(&texts, query);
    if (mlo_str_check(&texts, err))
        return err->code;
    if (n > PAIRS_MAX)
        return too_many(err);
    const char *p = texts.ptr;
    for (size_t i = 0; i < n; i++) {
        list[i].name = p;
        list[i].value = p += strlen(p) + 1;
        p += strlen(p) + 1;
    }
    qsort(list, n, sizeof *list, by_name_and_value);
    for (size_t i = 0; i < n; i++)
        mlo_str_addf(out, "%s%s=%s", i ? "&" : "", list[i].name, list[i].value);
    return 0;
}

/* Trimmed, with runs of blanks as one. */
static void add_value(struct mlo_str *out, const char *s)
{
    for (s += strspn(s, " \t"); *s;) {
        size_t word = strcspn(s, " \t"), gap = strspn(s + word, " \t");
        mlo_str_addn(out, s, word);
        s += word + gap;
        mlo_str_add(out, gap && *s ? " " : "");
    }
}

static int sort_headers(const char *const *headers, struct pair list[static PAIRS_MAX], size_t *ret_n,
                        struct mlo_err *err)
{
    size_t n = 0;
    for (; headers[2 * n]; n++) {
        if (n == PAIRS_MAX)
            return too_many(err);
        list[n] = (struct pair){headers[2 * n], headers[2 * n + 1], n};
    }
    qsort(list, n, sizeof *list, by_name);
    *ret_n = n;
    return 0;
}

static void add_headers(struct mlo_str *out, const struct pair *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool again = i && strcmp(list[i].name, list[i - 1].name) == 0;
        if (again)
            mlo_str_addc(out, ',');
        else
            mlo_str_addf(out, "%s%s:", i ? "\n" : "", list[i].name);
        add_value(out, list[i].value);
    }
    mlo_str_addc(out, '\n');
}

static void add_names(struct mlo_str *out, const struct pair *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!i || strcmp(list[i].name, list[i - 1].name) != 0)
            mlo_str_addf(out, "%s%s", i ? ";" : "", list[i].name);
}

/* ---- key and signature ---- */

static bool hmac(const void *key, size_t key_n, const char *text, unsigned char out[static MLO_DIGEST_SIZE])
{
    return HMAC(EVP_sha256(), key, (int)key_n, (const unsigned char *)text, strlen(text), out, NULL) != NULL;
}

static bool derive_and_sign(const struct mlo_sigv4 *k, const char *date, const char *to_sign,
                            struct mlo_str *secret, struct mlo_digest *ret)
{
    unsigned char key[MLO_DIGEST_SIZE];
    bool ok = hmac(secret->ptr, secret->len, date, key) && hmac(key, sizeof key, k->region, key) &&
              hmac(key, sizeof key, k->service, key) && hmac(key, sizeof key, "aws4_request", key) &&
              hmac(key, sizeof key, to_sign, ret->b);
    explicit_bzero(key, sizeof key);
    return ok;
}

static int sign(const struct mlo_sigv4 *k, const char *date, const char *to_sign, struct mlo_digest *ret,
                struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str secret;
    mlo_str_init(&secret, CANONICAL_MAX);
    mlo_str_addf(&secret, "AWS4%s", k->secret_key);
    if (mlo_str_check(&secret, err))
        return err->code;
    bool ok = derive_and_sign(k, date, to_sign, &secret, ret);
    explicit_bzero(secret.ptr, secret.len);
    return ok ? 0 : mlo_fail(err, MLO_EIO, "libcrypto cannot compute HMAC-SHA256");
}

#define AMZ_DATE 17 /* "20150830T123600Z" + NUL; the first eight are the day */

static void amz_date(int64_t time_ns, char buf[static AMZ_DATE])
{
    time_t t = (time_t)(time_ns / MLO_NS_PER_S);
    struct tm tm = {0};
    gmtime_r(&t, &tm);
    if (!strftime(buf, AMZ_DATE, "%Y%m%dT%H%M%SZ", &tm))
        buf[0] = '\0';
}

static int hash_text(const struct mlo_str *s, char hex[MLO_DIGEST_HEX + 1], struct mlo_err *err)
{
    struct mlo_digest d;
    if (mlo_str_check(s, err) || mlo_sha256(s->ptr, s->len, &d, err))
        return err->code;
    mlo_digest_hex(&d, hex);
    return 0;
}

int mlo_sigv4(const struct mlo_sigv4 *k, const char *method, const char *path, const char *query,
              const char *const *headers, const char *payload_hash, int64_t time_ns, struct mlo_str *out,
              struct mlo_err *err)
{
    struct pair list[PAIRS_MAX];
    size_t n = 0;
    char date[AMZ_DATE], hex[MLO_DIGEST_HEX + 1];
    struct mlo_digest signature;
    MLO_AUTOSTR struct mlo_str canonical, to_sign, names;
    mlo_str_init(&canonical, CANONICAL_MAX);
    mlo_str_init(&to_sign, CANONICAL_MAX);
    mlo_str_init(&names, CANONICAL_MAX);
    if (sort_headers(headers, list, &n, err))
        return err->code;
    mlo_str_addf(&canonical, "%s\n%s\n", method, path);
    if (add_query(&canonical, query ? query : "", err))
        return err->code;
    mlo_str_addc(&canonical, '\n');
    add_headers(&canonical, list, n);
    add_names(&names, list, n);
    mlo_str_addf(&canonical, "\n%s\n%s", names.ptr, payload_hash);
    if (mlo_str_check(&names, err) || hash_text(&canonical, hex, err))
        return err->code;
    amz_date(time_ns, date);
    mlo_str_addf(&to_sign, ALGORITHM "\n%s\n%.8s/%s/%s/aws4_request\n%s", date, date, k->region, k->service,
                 hex);
    if (mlo_str_check(&to_sign, err))
        return err->code;
    char day[9];
    snprintf(day, sizeof day, "%.8s", date);
    if (sign(k, day, to_sign.ptr, &signature, err))
        return err->code;
    mlo_str_addf(out, ALGORITHM " Credential=%s/%s/%s/%s/aws4_request, SignedHeaders=%s, Signature=%s",
                 k->access_key, day, k->region, k->service, names.ptr, mlo_digest_hex(&signature, hex));
    return mlo_str_check(out, err);
}

/* ---- on an attempt ---- */

/* Everything of the attempt that AWS wants signed: host and x-amz-*, names in lower case. Borrowed. */
static int signed_headers(const struct mlo_header_list *l,
                          const char *names_and_values[static 2 * PAIRS_MAX + 1], struct mlo_err *err)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++) {
        char *name = l->list[i].name;
        if (strcasecmp(name, "host") != 0 && strncasecmp(name, "x-amz-", 6) != 0)
            continue;
        if (n == PAIRS_MAX)
            return too_many(err);
        for (char *s = name; *s; s++)
            *s = (char)tolower((unsigned char)*s);
        names_and_values[2 * n] = name;
        names_and_values[2 * n++ + 1] = l->list[i].value;
    }
    names_and_values[2 * n] = NULL;
    return 0;
}

static int add_what_is_signed(const struct mlo_sigv4 *k, struct mlo_http_attempt *a,
                              const struct mlo_url *url, const char *payload_hash, struct mlo_err *err)
{
    char date[AMZ_DATE];
    MLO_AUTOSTR struct mlo_str host;
    mlo_str_init(&host, CANONICAL_MAX);
    mlo_url_authority(&host, url);
    amz_date(a->time_ns, date);
    if (mlo_str_check(&host, err) || mlo_http_add_header(a, "host", host.ptr, err) ||
        mlo_http_add_header(a, "x-amz-date", date, err) ||
        mlo_http_add_header(a, "x-amz-content-sha256", payload_hash, err))
        return err->code;
    return k->session_token ? mlo_http_add_header(a, "x-amz-security-token", k->session_token, err) : 0;
}

static int add_signature(const struct mlo_sigv4 *k, struct mlo_http_attempt *a, const struct mlo_url *url,
                         const char *payload_hash, struct mlo_err *err)
{
    const char *headers[2 * PAIRS_MAX + 1];
    MLO_AUTOSTR struct mlo_str value;
    mlo_str_init(&value, CANONICAL_MAX);
    if (signed_headers(a->headers, headers, err) ||
        mlo_sigv4(k, a->method, url->path, url->query, headers, payload_hash, a->time_ns, &value, err))
        return err->code;
    return mlo_http_add_header(a, "Authorization", value.ptr, err);
}

int mlo_sigv4_sign(const struct mlo_sigv4 *k, struct mlo_http_attempt *a, const char *payload_hash,
                   struct mlo_err *err)
{
    struct mlo_url url;
    if (mlo_url_parse(a->url, &url, err))
        return err->code;
    int rc = add_what_is_signed(k, a, &url, payload_hash, err);
    if (!rc)
        rc = add_signature(k, a, &url, payload_hash, err);
    mlo_url_release(&url);
    return rc;
}

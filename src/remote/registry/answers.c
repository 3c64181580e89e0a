/* Header values and answers of registries and token servers, read strictly: all of it comes from outside. */
#include "registry.h"

#include <string.h>

#include <mlopsctl/base/json.h>
#include <mlopsctl/base/text.h>

#define CHALLENGE_MAX   ((size_t)16 << 10)
#define PARAMETER_MAX   ((size_t)4 << 10)
#define TOKEN_LIFE_MAX  ((uint64_t)86400)
#define TOKEN_LIFE_LEFT ((uint64_t)60) /* what the token protocol says when the answer does not */

void mlo_challenge_release(struct mlo_challenge *c)
{
    free(c->realm);
    free(c->service);
    free(c->scope);
    *c = (struct mlo_challenge){0};
}

/* ---- RFC 9110 section 11.6.1: challenges, each a scheme with parameters, all parted by commas ---- */

struct reader {
    const char *p;
    struct mlo_challenge now, best; /* the one being read; the one to keep */
};

static bool is_token_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static void skip_space(struct reader *r)
{
    while (*r->p == ' ' || *r->p == '\t')
        r->p++;
}

static size_t token_length(const char *p)
{
    size_t n = 0;
    while (is_token_char(p[n]))
        n++;
    return n;
}

static bool is_word(const char *p, size_t n, const char *word)
{
    return strlen(word) == n && strncasecmp(p, word, n) == 0;
}

static int read_quoted(struct reader *r, struct mlo_str *out, struct mlo_err *err)
{
    for (r->p++; *r->p != '"'; r->p++) {
        if (*r->p == '\\')
            r->p++;
        if (*r->p == '\0')
            return mlo_fail(err, MLO_EREMOTE, "a quoted text has no end");
        mlo_str_addc(out, *r->p);
    }
    r->p++;
    return mlo_str_check(out, err);
}

static int read_value(struct reader *r, char **ret, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str out;
    mlo_str_init(&out, PARAMETER_MAX);
    int rc = 0;
    if (*r->p == '"') {
        rc = read_quoted(r, &out, err);
    } else {
        size_t n = token_length(r->p);
        mlo_str_addn(&out, r->p, n);
        r->p += n;
        rc = mlo_str_check(&out, err);
    }
    if (rc == 0)
        *ret = mlo_str_detach(&out, NULL);
    return rc;
}

/* The first of a name counts. */
static int take_parameter(struct reader *r, const char *name, size_t n, struct mlo_err *err)
{
    const struct {
        const char *name;
        char **to;
    } wanted[] = {{"realm", &r->now.realm}, {"service", &r->now.service}, {"scope", &r->now.scope}};
    MLO_AUTOFREE char *value = NULL;
    int rc = read_value(r, &value, err);
    for (size_t i = 0; rc == 0 && i < MLO_COUNT(wanted); i++)
        if (is_word(name, n, wanted[i].name) && !*wanted[i].to)
            *wanted[i].to = mlo_steal(&value);
    return rc;
}

/* A Bearer challenge without a realm is of no use. */
static void end_challenge(struct reader *r)
{
    bool usable = r->now.scheme == MLO_AUTH_BASIC || (r->now.scheme == MLO_AUTH_BEARER && r->now.realm);
    if (usable && r->now.scheme > r->best.scheme) {
        mlo_challenge_release(&r->best);
        r->best = r->now;
        r->now = (struct mlo_challenge){0};
    }
    mlo_challenge_release(&r->now);
}

static void begin_challenge(struct reader *r, const char *name, size_t n)
{
    end_challenge(r);
    r->now.scheme = is_word(name, n, "bearer")  ? MLO_AUTH_BEARER
                    : is_word(name, n, "basic") ? MLO_AUTH_BASIC
                                                : MLO_AUTH_NONE;
}

/* What may stand in place of parameters: token68, told by nothing but "=" and a comma following. */
static void skip_token68(struct reader *r)
{
    const char *p = r->p;
    while (is_token_char(*p) || *p == '/')
        p++;
    while (*p == '=')
        p++;
    const char *end = p;
    while (*p == ' ' || *p == '\t')
        p++;
    if (p > r->p && (*p == ',' || *p == '\0'))
        r->p = end;
}

static int read_element(struct reader *r, struct mlo_err *err)
{
    const char *name = r->p;
    size_t n = token_length(name);
    if (n == 0)
        return mlo_fail(err, MLO_EREMOTE, "neither a scheme nor a parameter");
    r->p += n;
    const char *after = r->p;
    skip_space(r);
    if (*r->p == '=') {
        r->p++;
        skip_space(r);
        return take_parameter(r, name, n, err);
    }
    begin_challenge(r, name, n);
    if (r->p > after)
        skip_token68(r);
    return 0;
}

static int read_challenges(struct reader *r, struct mlo_err *err)
{
    for (;;) {
        skip_space(r);
        while (*r->p == ',') {
            r->p++;
            skip_space(r);
        }
        if (*r->p == '\0')
            break;
        int rc = read_element(r, err);
        if (rc != 0)
            return rc;
    }
    end_challenge(r);
    return 0;
}

int mlo_challenge_parse(const char *text, struct mlo_challenge *ret, struct mlo_err *err)
{
    struct reader r = {.p = text};
    int rc = strlen(text) > CHALLENGE_MAX ? mlo_fail(err, MLO_EREMOTE, "longer than %zu bytes", CHALLENGE_MAX)
                                          : read_challenges(&r, err);
    if (rc == 0 && r.best.scheme == MLO_AUTH_NONE)
        rc = mlo_fail(err, MLO_EUNAVAIL, "neither Bearer nor Basic is offered");
    mlo_challenge_release(&r.now);
    if (rc == 0)
        *ret = r.best;
    else
        mlo_challenge_release(&r.best);
    return rc;
}

/* ---- a token server's answer ---- */

/* What may stand in a header after "Bearer ". */
static bool is_token_text(const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++)
        if (text[i] <= ' ' || text[i] >= 0x7f)
            return false;
    return n > 0 && n <= MLO_REGISTRY_TOKEN_MAX;
}

int mlo_token_parse(const char *text, size_t n, char **ret_token, uint64_t *ret_seconds, struct mlo_err *err)
{
    static const char *const names[] = {"token", "access_token"};
    MLO_AUTOJSON cJSON *doc = NULL;
    uint64_t seconds = TOKEN_LIFE_LEFT;
    char *token = NULL;
    struct mlo_err ignored = MLO_ERR_INIT;
    int rc = mlo_json_parse(text, n, 2 * MLO_REGISTRY_TOKEN_MAX, &doc, err);
    if (rc != 0)
        return mlo_fail(err, MLO_EREMOTE, "the token server's answer is no JSON");
    if (mlo_json_u64(doc, "expires_in", &seconds, &ignored) != 0)
        seconds = TOKEN_LIFE_LEFT;
    for (size_t i = 0; i < MLO_COUNT(names); i++) {
        cJSON *node = cJSON_GetObjectItemCaseSensitive(doc, names[i]);
        if (!cJSON_IsString(node))
            continue;
        if (!token && rc == 0 && is_token_text(node->valuestring)) {
            token = mlo_strdup(node->valuestring, err);
            rc = token ? 0 : MLO_EIO;
        }
        explicit_bzero(node->valuestring, strlen(node->valuestring));
    }
    if (rc == 0 && !token)
        rc = mlo_fail(err, MLO_EREMOTE, "the token server's answer holds no token");
    if (rc != 0)
        return rc;
    *ret_token = token;
    *ret_seconds = seconds < TOKEN_LIFE_MAX ? seconds : TOKEN_LIFE_MAX;
    return 0;
}

/* ---- Link, Range ---- */

/* "last next" holds "next". */
static bool has_word(const char *p, size_t n, const char *want)
{
    for (const char *end = p + n; p < end;) {
        size_t length = strcspn(p, " \";,");
        if (p + length <= end && is_word(p, length, want))
            return true;
        p += length + 1;
    }
    return false;
}

/* One parameter of a link, ;name=value or ;name="value"; returns what follows it. */
static const char *read_parameter(const char *p, bool *next)
{
    const char *name = p;
    size_t n = token_length(p);
    p += n;
    if (n == 0 || *p != '=')
        return n == 0 && *p ? p + 1 : p;
    bool quoted = *++p == '"';
    size_t length = strcspn(p + quoted, quoted ? "\"" : ",; \t");
    if (is_word(name, n, "rel") && has_word(p + quoted, length, "next"))
        *next = true;
    p += quoted + length;
    return p + (quoted && *p == '"');
}

/* The parameters of one link, up to the comma that ends it. */
static bool is_next(const char *p, const char **ret_end)
{
    bool next = false;
    for (p += strspn(p, " \t;"); *p && *p != ','; p += strspn(p, " \t;"))
        p = read_parameter(p, &next);
    *ret_end = p;
    return next;
}

int mlo_link_next(const char *text, char **ret, struct mlo_err *err)
{
    const char *p = text;
    while ((p = strchr(p, '<')) != NULL) {
        const char *target = p + 1, *end = strchr(target, '>'), *after = NULL;
        if (!end)
            break;
        if (is_next(end + 1, &after)) {
            if ((size_t)(end - target) > MLO_REGISTRY_URL_MAX)
                return mlo_fail(err, MLO_EREMOTE, "the address of the next page is too long");
            *ret = mlo_memdup0(target, (size_t)(end - target), err);
            return *ret ? 0 : MLO_EIO;
        }
        p = after;
    }
    return mlo_fail(err, MLO_ENOTFOUND, "there is no next page");
}

bool mlo_upload_range(const char *text, uint64_t *ret)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    uint64_t last = 0;
    if (strncmp(text, "bytes=", 6) == 0 || strncmp(text, "bytes ", 6) == 0)
        text += 6;
    if (strncmp(text, "0-", 2) != 0 ||
        mlo_parse_u64(text + 2, 0, MLO_BLOB_SIZE_MAX, "range", &last, &ignored) != 0)
        return false;
    *ret = last + 1;
    return true;
}

/* ---- lists ---- */

int mlo_names_parse(const char *text, size_t n, const char *member,
                    int (*fn)(void *ctx, const char *name, struct mlo_err *err), void *ctx,
                    struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = NULL;
    int rc = mlo_json_parse(text, n, (size_t)MLO_REGISTRY_PAGE_MAX, &doc, err);
    if (rc != 0)
        return mlo_fail(err, MLO_EREMOTE, "the list of %s is no JSON", member);
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(doc, member); /* null: none */
    for (const cJSON *node = list ? list->child : NULL; rc == 0 && node; node = node->next)
        if (cJSON_IsString(node))
            rc = fn(ctx, node->valuestring, err);
    return rc;
}

/* The client: addresses, one request, failures with what to do about them, lists of several pages. */
#include <string.h>
#include <time.h>

#include <mlopsctl/base/time.h>

#include "internal.h"

#define API_DEFAULT      "https://api.runpod.io/v2"
#define JOBS_DEFAULT     "https://api.runpod.ai/v2"
#define BALANCER_DEFAULT "https://{id}.api.runpod.ai"
#define S3_DEFAULT       "https://s3api-{dc}.runpod.io"
/* Data centres with S3 by RunPod's documentation of mid-2026; the setting overrides it, for the set grows. */
#define S3_DATA_CENTERS                                                                                      \
    "EU-CZ-1 EU-RO-1 EUR-IS-1 EUR-NO-1 US-CA-2 US-GA-2 US-IL-1 US-KS-2 US-MD-1 US-MO-1 US-MO-2 US-NC-1 "     \
    "US-NC-2 US-NE-1 US-WA-1"
#define LOOK_PAUSE_NS (3 * MLO_NS_PER_S)
#define SECRET_MIN    4 /* a shorter value would hide half of every message */
#define SENDS_AT_429  4

/* ---- life ---- */

static char *base_of(const char *given, const char *otherwise, struct mlo_err *err)
{
    char *base = mlo_strdup(given ? given : otherwise, err);
    for (size_t n = base ? strlen(base) : 0; n && base[n - 1] == '/';)
        base[--n] = '\0';
    return base;
}

int mlo_runpod_new(const struct mlo_runpod_opts *o, struct mlo_runpod **ret, struct mlo_err *err)
{
    struct mlo_runpod *c = mlo_calloc(1, sizeof *c, err);
    if (!c)
        return MLO_EIO;
    c->http = o->http;
    c->key = o->key;
    c->look_pause_ns = o->look_pause_ns ? o->look_pause_ns : LOOK_PAUSE_NS;
    c->api = base_of(o->api, API_DEFAULT, err);
    c->jobs = base_of(o->jobs, JOBS_DEFAULT, err);
    c->balancer = base_of(o->balancer, BALANCER_DEFAULT, err);
    c->s3 = base_of(o->s3, S3_DEFAULT, err);
    c->s3_data_centers = mlo_strdup(o->s3_data_centers ? o->s3_data_centers : S3_DATA_CENTERS, err);
    if (!c->api || !c->jobs || !c->balancer || !c->s3 || !c->s3_data_centers) {
        mlo_runpod_free(c);
        return MLO_EIO;
    }
    *ret = c;
    return 0;
}

void mlo_runpod_free(struct mlo_runpod *c)
{
    if (!c)
        return;
    free(c->api);
    free(c->jobs);
    free(c->balancer);
    free(c->s3);
    free(c->s3_data_centers);
    free(c);
}

int64_t mlo_runpod_time(const struct mlo_runpod *c)
{
    return mlo_time_now() + mlo_http_clock_ahead(c->http, c->api);
}

/* ---- addresses ---- */

static const struct {
    const char *path, *key;
} families[] = {
    [MLO_RUNPOD_PODS] = {"/pods", "pods"},
    [MLO_RUNPOD_ENDPOINTS] = {"/serverless", "endpoints"},
    [MLO_RUNPOD_TEMPLATES] = {"/templates", "templates"},
    [MLO_RUNPOD_REGISTRIES] = {"/registries", "registries"},
    [MLO_RUNPOD_VOLUMES] = {"/network-volumes", "networkVolumes"},
};

const char *mlo_family_path(enum mlo_runpod_family f)
{
    return families[f].path;
}

const char *mlo_family_key(enum mlo_runpod_family f)
{
    return families[f].key;
}

int mlo_runpod_url(const char *base, const char *path, const char *id, const char *rest, struct mlo_str *out,
                   struct mlo_err *err)
{
    mlo_str_addf(out, "%s%s", base, path);
    if (id) {
        mlo_str_addc(out, '/');
        mlo_url_encode(out, id, strlen(id), false);
    }
    mlo_str_add(out, rest ? rest : "");
    return mlo_str_check(out, err);
}

void mlo_runpod_query(struct mlo_str *url, const char *name, const char *value)
{
    if (!value)
        return;
    mlo_str_addf(url, "%c%s=", strchr(url->ptr, '?') ? '&' : '?', name);
    mlo_url_encode(url, value, strlen(value), false);
}

/* ---- failures ---- */

/* RunPod tells no capacity from a wrong request only in prose, which is not promised to stay. */
static bool is_capacity(const struct mlo_http_response *r)
{
    return r->status == 400 && r->body &&
           (strcasestr(r->body, "instances available") || strcasestr(r->body, "no longer any") ||
            strcasestr(r->body, "no instances"));
}

static void hide(char *text, const char *secret)
{
    size_t n = strlen(secret);
    for (char *at = text; n >= SECRET_MIN && (at = strstr(at, secret)); at += n)
        memset(at, '*', n);
}

/* A server may quote what it was sent: values of the environment and passwords must not come back that way.
 */
static void hide_sent(const cJSON *sent, char *text)
{
    const cJSON *item, *env = mlo_json_at(sent, "env");
    const char *password = mlo_json_text(sent, "password");
    cJSON_ArrayForEach(item, env)
    {
        if (cJSON_IsString(item) && strcmp(item->string, MLO_RUNPOD_MARK) != 0)
            hide(text, item->valuestring);
    }
    if (password)
        hide(text, password);
}

struct advice {
    int status, code; /* code 0: as the HTTP client has it */
    const char *hint;
};
static const struct advice advice[] = {
    {401, 0,
     "RunPod refused the key: it takes a REST key (rpa_...), not the one for S3; `mlopsctl doctor` says "
     "which was found where"},
    {402, 0, "the balance of the account is too low: add credit in RunPod's console"},
    {403, 0, "the key lacks the right to do this: make one that has it in RunPod's console"},
    {409, 0, "its state does not allow this now: look at it and try again"},
    {410, 0, "that interface was retired: runpod.api must lead to REST v2, https://api.runpod.io/v2"},
    {413, MLO_EUSAGE, "RunPod takes 100 KB, with what a template adds: make the environment smaller"},
    {429, 0, "RunPod counts requests by minute, hour and day: wait, or ask less often"},
};

/* The edge in front of the service refuses by 403 too, for other reasons, which the HTTP client knows. */
static const struct advice *advice_for(const struct mlo_http_response *r)
{
    bool edge = r->status == 403 && r->body && strstr(r->body, "error code: ");
    for (size_t i = 0; i < MLO_COUNT(advice) && !edge; i++)
        if (advice[i].status == r->status)
            return &advice[i];
    return NULL;
}

int mlo_runpod_fail(struct mlo_http_response *r, const cJSON *sent, struct mlo_err *err)
{
    const struct advice *a = advice_for(r);
    if (r->body)
        hide_sent(sent, r->body); /* before it is cut to length */
    (void)mlo_http_fail(r, err);
    hide_sent(sent, err->msg);
    if (is_capacity(r)) {
        err->code = MLO_EUNAVAIL;
        return mlo_hint(err, "nothing of that kind is free now: try another type, data centre or cloud; "
                             "`mlopsctl runpod gpu` shows what is in stock");
    }
    if (a && a->code)
        err->code = a->code;
    return a ? mlo_hint(err, "%s", a->hint) : err->code;
}

/* ---- one request ---- */

int mlo_runpod_sign(void *ctx, struct mlo_http_attempt *a, struct mlo_err *err)
{
    const struct mlo_runpod *c = ctx;
    MLO_AUTOSTR struct mlo_str value;
    mlo_str_init(&value, MLO_RUNPOD_URL_MAX);
    mlo_str_addf(&value, "Bearer %s", c->key);
    int rc = mlo_str_check(&value, err);
    if (rc == 0)
        rc = mlo_http_add_header(a, "Authorization", value.ptr, err);
    explicit_bzero(value.ptr, value.len);
    return rc;
}

/* A body of 2xx; what a variable's value stands in is wiped. */
static int read_answer(struct mlo_http_response *r, cJSON **ret, struct mlo_err *err)
{
    int rc = 0;
    if (ret)
        *ret = NULL;
    if (ret && r->body && r->n) {
        rc = mlo_json_parse(r->body, r->n, MLO_RUNPOD_BODY_MAX, ret, err);
        if (rc != 0)
            (void)mlo_wrap(err, "%s answered what is no JSON", r->host);
    }
    if (r->body)
        explicit_bzero(r->body, r->n);
    return rc;
}

static int print_body(const struct mlo_runpod_request *r, char **ret, size_t *ret_n, struct mlo_err *err)
{
    size_t max = r->max_request ? r->max_request : MLO_RUNPOD_REQUEST_MAX;
    int rc = r->body ? mlo_json_print(r->body, ret, ret_n, err) : 0;
    if (rc == 0 && *ret_n > max)
        return mlo_fail(err, MLO_EUSAGE, "a request of %zu bytes is more than RunPod's %zu", *ret_n, max);
    return rc;
}

/* What the rate limit refused was not done, so it may be sent again even when it would create something. */
static int do_request(struct mlo_runpod *c, const struct mlo_http_request *req, struct mlo_http_response *ret,
                      struct mlo_err *err)
{
    for (unsigned sent = 1;; sent++) {
        int rc = mlo_http_do(c->http, req, ret, err);
        if (rc != 0 || ret->status != 429 || req->flags & MLO_HTTP_REPEATABLE || sent == SENDS_AT_429)
            return rc;
        mlo_http_response_release(ret);
        mlo_runpod_sleep(c->look_pause_ns);
    }
}

static int send_text(struct mlo_runpod *c, const struct mlo_runpod_request *r, const char *text, size_t n,
                     cJSON **ret, bool *ret_unclear, struct mlo_err *err)
{
    static const char *const headers[] = {"Accept", "application/json", "Content-Type", "application/json",
                                          NULL};
    static const char *const bare[] = {"Accept", "application/json", NULL};
    struct mlo_http_body body = {.size = n, .read = mlo_http_body_text, .ctx = (void *)(uintptr_t)text};
    struct mlo_http_request req = {.method = r->method,
                                   .url = r->url,
                                   .headers = r->body ? headers : bare,
                                   .body = r->body ? &body : NULL,
                                   .sign = mlo_runpod_sign,
                                   .sign_ctx = c,
                                   .max_body = MLO_RUNPOD_BODY_MAX,
                                   .flags = r->flags,
                                   .patience_ns = r->patience_ns};
    struct mlo_http_response resp = {0};
    if (strcmp(r->method, "POST") != 0)
        req.flags |= MLO_HTTP_REPEATABLE;
    int rc = do_request(c, &req, &resp, err);
    bool acted = rc == 0 && resp.status >= 200 && resp.status < 300;
    if (rc == 0 && !acted)
        rc = mlo_runpod_fail(&resp, r->body, err);
    else if (rc == 0)
        rc = read_answer(&resp, ret, err);
    /* An answer that cannot be read leaves it as open what was made as one that was lost. */
    if (ret_unclear)
        *ret_unclear = rc != 0 && (resp.unclear || acted || resp.status >= 500);
    mlo_http_response_release(&resp);
    return rc;
}

int mlo_runpod_ask(struct mlo_runpod *c, const struct mlo_runpod_request *r, cJSON **ret, bool *ret_unclear,
                   struct mlo_err *err)
{
    char *text = NULL;
    size_t n = 0;
    if (ret_unclear)
        *ret_unclear = false;
    int rc = print_body(r, &text, &n, err);
    if (rc == 0)
        rc = send_text(c, r, text, n, ret, ret_unclear, err);
    if (text)
        explicit_bzero(text, n);
    free(text);
    return rc;
}

void mlo_runpod_sleep(int64_t ns)
{
    struct timespec t = {.tv_sec = ns / MLO_NS_PER_S, .tv_nsec = ns % MLO_NS_PER_S};
    (void)nanosleep(&t, NULL);
}

/* ---- lists ---- */

/* Moves the elements of a further page to the end of the first one's. */
static int take_page(cJSON *first, cJSON *page, const char *key, size_t *count, struct mlo_err *err)
{
    cJSON *all = cJSON_GetObjectItemCaseSensitive(first, key),
          *list = cJSON_GetObjectItemCaseSensitive(page, key), *item;
    if (!cJSON_IsArray(list))
        return mlo_fail(err, MLO_EINVALID, "RunPod's answer: the list '%s' is missing", key);
    *count += (size_t)cJSON_GetArraySize(list);
    if (*count > MLO_RUNPOD_ITEMS_MAX)
        return mlo_fail(err, MLO_EINVALID, "RunPod's answer: more than %zu of '%s'", MLO_RUNPOD_ITEMS_MAX,
                        key);
    while (list != all && (item = list->child))
        cJSON_AddItemToArray(all, cJSON_DetachItemViaPointer(list, item));
    return 0;
}

/*
 * The cursor of the next page, empty at the end. A cursor that comes again would be a list without end, and
 * stopping there one that may lack something while it looks whole: who looks for a pod must know.
 */
static int next_cursor(const cJSON *page, struct mlo_str *cursor, struct mlo_err *err)
{
    const cJSON *pagination = mlo_json_at(page, "pagination");
    const char *next = mlo_json_text(pagination, "nextCursor");
    if (!mlo_json_true(pagination, "hasNextPage")) {
        mlo_str_clear(cursor);
        return 0;
    }
    if (!next || !*next || strcmp(next, cursor->ptr) == 0)
        return mlo_fail(err, MLO_EINVALID, "RunPod's answer: a list of several pages %s",
                        next && *next ? "comes back to a page it has given" : "names no next one");
    mlo_str_clear(cursor);
    mlo_str_add(cursor, next);
    return mlo_str_check(cursor, err);
}

static int get_page(struct mlo_runpod *c, const char *url, const char *cursor, cJSON **ret,
                    struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str full;
    mlo_str_init(&full, MLO_RUNPOD_URL_MAX);
    mlo_str_add(&full, url);
    mlo_runpod_query(&full, "cursor", *cursor ? cursor : NULL);
    int rc = mlo_str_check(&full, err);
    return rc != 0 ? rc
                   : mlo_runpod_ask(c, &(struct mlo_runpod_request){.method = "GET", .url = full.ptr}, ret,
                                    NULL, err);
}

int mlo_runpod_list_doc(struct mlo_runpod *c, const char *url, const char *key, cJSON **ret,
                        struct mlo_err *err)
{
    MLO_AUTOWIPE cJSON *first = NULL;
    MLO_AUTOSTR struct mlo_str cursor;
    size_t count = 0;
    mlo_str_init(&cursor, MLO_RUNPOD_URL_MAX);
    for (unsigned pages = 0; pages == 0 || cursor.len; pages++) {
        MLO_AUTOWIPE cJSON *further = NULL;
        cJSON **page = pages ? &further : &first;
        if (pages == MLO_RUNPOD_PAGES_MAX)
            return mlo_fail(err, MLO_EINVALID, "RunPod's answer: more than %u pages of '%s'", pages, key);
        int rc = get_page(c, url, cursor.ptr, page, err);
        if (rc == 0)
            rc = take_page(first, *page, key, &count, err);
        if (rc == 0)
            rc = next_cursor(*page, &cursor, err);
        if (rc != 0)
            return rc;
    }
    *ret = mlo_steal(&first);
    return 0;
}

int mlo_runpod_list_json(struct mlo_runpod *c, const char *url, const char *key, cJSON **ret,
                         struct mlo_err *err)
{
    MLO_AUTOWIPE cJSON *doc = NULL;
    int rc = mlo_runpod_list_doc(c, url, key, &doc, err);
    if (rc == 0)
        *ret = cJSON_DetachItemFromObjectCaseSensitive(doc, key);
    return rc;
}

/* ---- typed ---- */

int mlo_runpod_ask_shape(struct mlo_runpod *c, const struct mlo_runpod_request *r, const struct mlo_shape *s,
                         void *ret, struct mlo_err *err)
{
    MLO_AUTOWIPE cJSON *doc = NULL;
    int rc = mlo_runpod_ask(c, r, &doc, NULL, err);
    return rc != 0 ? rc : mlo_shape_read(s, doc, ret, err);
}

static int item_request(struct mlo_runpod *c, const char *method, enum mlo_runpod_family f, const char *id,
                        const cJSON *body, const struct mlo_shape *s, void *ret, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str url;
    mlo_str_init(&url, MLO_RUNPOD_URL_MAX);
    int rc = mlo_runpod_url(c->api, families[f].path, id, NULL, &url, err);
    struct mlo_runpod_request r = {.method = method, .url = url.ptr, .body = body};
    return rc != 0 ? rc : mlo_runpod_ask_shape(c, &r, s, ret, err);
}

int mlo_runpod_get_shape(struct mlo_runpod *c, enum mlo_runpod_family f, const char *id,
                         const struct mlo_shape *s, void *ret, struct mlo_err *err)
{
    return item_request(c, "GET", f, id, NULL, s, ret, err);
}

int mlo_runpod_patch_shape(struct mlo_runpod *c, enum mlo_runpod_family f, const char *id, const cJSON *body,
                           const struct mlo_shape *s, void *ret, struct mlo_err *err)
{
    return item_request(c, "PATCH", f, id, body, s, ret, err);
}

int mlo_runpod_family_json(struct mlo_runpod *c, enum mlo_runpod_family f, cJSON **ret, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str url;
    mlo_str_init(&url, MLO_RUNPOD_URL_MAX);
    int rc = mlo_runpod_url(c->api, families[f].path, NULL, NULL, &url, err);
    return rc != 0 ? rc : mlo_runpod_list_json(c, url.ptr, families[f].key, ret, err);
}

int mlo_runpod_list_shape(struct mlo_runpod *c, enum mlo_runpod_family f, const struct mlo_shape *s,
                          void *ret, struct mlo_err *err)
{
    MLO_AUTOWIPE cJSON *list = NULL;
    int rc = mlo_runpod_family_json(c, f, &list, err);
    return rc != 0 ? rc : mlo_shape_read_list(s, list, ret, err);
}

/* Without an answer but whether there was one: *ret false for 404. */
static int ask_there(struct mlo_runpod *c, const char *method, enum mlo_runpod_family f, const char *id,
                     bool *ret, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str url;
    mlo_str_init(&url, MLO_RUNPOD_URL_MAX);
    int rc = mlo_runpod_url(c->api, families[f].path, id, NULL, &url, err);
    if (rc == 0)
        rc = mlo_runpod_ask(c, &(struct mlo_runpod_request){.method = method, .url = url.ptr}, NULL, NULL,
                            err);
    if (rc != 0 && rc != MLO_ENOTFOUND)
        return rc;
    *ret = rc == 0;
    *err = MLO_ERR_INIT;
    return 0;
}

int mlo_runpod_exists(struct mlo_runpod *c, enum mlo_runpod_family f, const char *id, bool *ret,
                      struct mlo_err *err)
{
    return ask_there(c, "GET", f, id, ret, err);
}

int mlo_runpod_delete(struct mlo_runpod *c, enum mlo_runpod_family f, const char *id, bool *ret_there,
                      struct mlo_err *err)
{
    return ask_there(c, "DELETE", f, id, ret_there, err);
}

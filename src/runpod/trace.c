/*
 * Creates that happen once. RunPod has no idempotency key, so a create whose answer was lost is looked for by
 * the trace it must have left before it is sent again; and when it was sent again, what came of the first one
 * late is taken away, so that in the end there is one.
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include <mlopsctl/base/text.h>

#include "internal.h"

#define SENDS_MAX 3
#define LOOKS     3 /* an object may appear a moment after its request was cut */

int mlo_runpod_mark(char ret[MLO_RUNPOD_MARK_MAX], struct mlo_err *err)
{
    unsigned char raw[(MLO_RUNPOD_MARK_MAX - 1) / 2];
    if (getrandom(raw, sizeof raw, 0) != (ssize_t)sizeof raw)
        return mlo_fail_errno(err, "random bytes");
    for (size_t i = 0; i < sizeof raw; i++) {
        ret[2 * i] = "0123456789abcdef"[raw[i] >> 4];
        ret[2 * i + 1] = "0123456789abcdef"[raw[i] & 15];
    }
    ret[2 * sizeof raw] = '\0';
    return 0;
}

/* ---- looking ---- */

static bool is_earlier(const struct mlo_runpod_strings *earlier, const char *id)
{
    for (size_t i = 0; earlier && i < earlier->n; i++)
        if (strcmp(earlier->items[i], id) == 0)
            return true;
    return false;
}

/* No plain member that both have differs. */
static bool is_like(const cJSON *item, const cJSON *like)
{
    const cJSON *want;
    cJSON_ArrayForEach(want, like)
    {
        const cJSON *has = cJSON_GetObjectItemCaseSensitive(item, want->string);
        bool plain = (cJSON_IsString(want) && cJSON_IsString(has)) ||
                     (cJSON_IsNumber(want) && cJSON_IsNumber(has));
        if (plain && !cJSON_Compare(want, has, true))
            return false;
    }
    return true;
}

static bool has_trace(const cJSON *item, const struct mlo_runpod_trace *t)
{
    const char *id = mlo_json_text(item, "id"), *name = mlo_json_text(item, "name");
    const char *mark = mlo_json_text(mlo_json_at(item, "env"), MLO_RUNPOD_MARK);
    if (!id)
        return false;
    if (t->mark)
        return mark && strcmp(mark, t->mark) == 0;
    return t->name && name && strcmp(name, t->name) == 0 && !is_earlier(t->earlier, id) &&
           is_like(item, t->like);
}

/* The objects with this trace, as JSON. */
static int traced(struct mlo_runpod *c, const struct mlo_runpod_trace *t, cJSON **ret, struct mlo_err *err)
{
    MLO_AUTOWIPE cJSON *list = NULL;
    int rc = mlo_runpod_family_json(c, t->family, &list, err);
    for (cJSON *item = list ? list->child : NULL, *next; rc == 0 && item; item = next) {
        next = item->next;
        if (!has_trace(item, t))
            mlo_json_wipe(cJSON_DetachItemViaPointer(list, item));
    }
    if (rc == 0)
        *ret = mlo_steal(&list);
    return rc;
}

static int copy_id(const cJSON *item, char **ret, struct mlo_err *err)
{
    *ret = mlo_strdup(mlo_json_text(item, "id"), err);
    return *ret ? 0 : MLO_EIO;
}

int mlo_runpod_made(struct mlo_runpod *c, const struct mlo_runpod_trace *t, char **ret_id,
                    struct mlo_err *err)
{
    MLO_AUTOWIPE cJSON *list = NULL;
    int rc = traced(c, t, &list, err);
    if (rc != 0)
        return rc;
    if (!list->child)
        return mlo_fail(err, MLO_ENOTFOUND, "nothing was made");
    return copy_id(list->child, ret_id, err);
}

int mlo_runpod_namesakes(struct mlo_runpod *c, enum mlo_runpod_family family, const char *name,
                         struct mlo_runpod_strings *ret, struct mlo_err *err)
{
    MLO_AUTOWIPE cJSON *list = NULL;
    struct mlo_runpod_strings ids = {0};
    const cJSON *item;
    int rc = traced(c, &(struct mlo_runpod_trace){.family = family, .name = name}, &list, err);
    if (rc != 0)
        return rc;
    ids.items = mlo_calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof *ids.items, err);
    if (!ids.items)
        return MLO_EIO;
    cJSON_ArrayForEach(item, list)
    {
        rc = copy_id(item, &ids.items[ids.n], err);
        if (rc != 0) {
            mlo_runpod_strings_release(&ids);
            return rc;
        }
        ids.n++;
    }
    *ret = ids;
    return 0;
}

/* ---- creating ---- */

struct creation {
    struct mlo_runpod *c;
    struct mlo_runpod_trace trace;
    const cJSON *body;
    const char *url;
};

/* *ret stays NULL when there is nothing after several looks. */
static int look(const struct creation *k, cJSON **ret, struct mlo_err *err)
{
    for (unsigned i = 0; i < LOOKS; i++) {
        MLO_AUTOWIPE cJSON *list = NULL;
        if (i > 0)
            mlo_runpod_sleep(k->c->look_pause_ns);
        int rc = traced(k->c, &k->trace, &list, err);
        if (rc != 0)
            return rc;
        if (list->child) {
            *ret = cJSON_DetachItemViaPointer(list, list->child);
            return 0;
        }
    }
    return 0;
}

/*
 * After several sends an earlier one may have come true late. With a mark the twin is ours beyond doubt and
 * is taken away; without one it may be somebody else's, so it is only named.
 */
static int settle_twin(const struct creation *k, const char *id, const char *twin, struct mlo_err *err)
{
    bool there;
    if (k->trace.mark)
        return mlo_runpod_delete(k->c, k->trace.family, twin, &there, err);
    (void)mlo_fail(err, MLO_ECONFLICT, "'%s' and '%s' were both made just now under one name", id, twin);
    return mlo_hint(err, "when nobody else made one of them, remove one");
}

static int settle_twins(const struct creation *k, const cJSON *kept, struct mlo_err *err)
{
    MLO_AUTOWIPE cJSON *list = NULL;
    const char *id = mlo_json_text(kept, "id");
    const cJSON *item;
    int rc = traced(k->c, &k->trace, &list, err);
    cJSON_ArrayForEach(item, list)
    {
        const char *other = mlo_json_text(item, "id");
        if (rc == 0 && id && strcmp(id, other) != 0)
            rc = settle_twin(k, id, other, err);
    }
    return rc == 0 ? 0 : mlo_wrap(err, "it was made, but it may have a twin");
}

/* Whether something was made is not known, and it could not be found out. */
static int not_known(const struct creation *k, struct mlo_err *err)
{
    if (k->trace.mark)
        return mlo_hint(err,
                        "it is not known whether it was made: look for %s=%s in the environment of your %s",
                        MLO_RUNPOD_MARK, k->trace.mark, mlo_family_key(k->trace.family));
    return mlo_hint(err, "it is not known whether it was made: look for its name before trying again");
}

/* *ret_again: nothing came of it, so it may be sent once more. */
static int send_once(const struct creation *k, unsigned nth, cJSON **ret, bool *ret_again,
                     struct mlo_err *err)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    bool unclear = false;
    struct mlo_runpod_request r = {.method = "POST", .url = k->url, .body = k->body};
    int rc = mlo_runpod_ask(k->c, &r, ret, &unclear, err);
    if (rc == 0 && !*ret) {
        rc = mlo_fail(err, MLO_EINVALID, "RunPod's answer: what was made is missing");
        unclear = true;
    }
    if (rc == 0)
        return nth > 0 ? settle_twins(k, *ret, err) : 0;
    if (!unclear)
        return rc;
    if (err->sys_errno == EINTR || look(k, ret, &ignored) != 0)
        return not_known(k, err);
    if (*ret) {
        *err = MLO_ERR_INIT;
        return 0;
    }
    *ret_again = true;
    return not_known(k, err);
}

static int create(const struct creation *k, cJSON **ret, struct mlo_err *err)
{
    for (unsigned nth = 0;; nth++) {
        bool again = false;
        int rc = send_once(k, nth, ret, &again, err);
        if (rc == 0 || !again || nth + 1 == SENDS_MAX)
            return rc;
        *err = MLO_ERR_INIT;
    }
}

int mlo_runpod_create(struct mlo_runpod *c, enum mlo_runpod_family family, const cJSON *body,
                      const struct mlo_runpod_strings *earlier, const struct mlo_shape *s, void *ret,
                      struct mlo_err *err)
{
    bool marked = family == MLO_RUNPOD_PODS || family == MLO_RUNPOD_ENDPOINTS;
    MLO_AUTOSTR struct mlo_str url;
    MLO_AUTOWIPE cJSON *made = NULL;
    mlo_str_init(&url, MLO_RUNPOD_URL_MAX);
    int rc = mlo_runpod_url(c->api, mlo_family_path(family), NULL, NULL, &url, err);
    struct creation k = {.c = c, .body = body, .url = url.ptr};
    k.trace = (struct mlo_runpod_trace){.family = family, .earlier = earlier, .like = body};
    if (marked)
        k.trace.mark = mlo_json_text(mlo_json_at(body, "env"), MLO_RUNPOD_MARK);
    else
        k.trace.name = mlo_json_text(body, "name");
    if (rc == 0 && !k.trace.mark && !k.trace.name)
        return mlo_fail(err, MLO_EINTERNAL, "a request to RunPod without a trace");
    if (rc == 0)
        rc = create(&k, &made, err);
    return rc != 0 ? rc : mlo_shape_read(s, made, ret, err);
}

/* ---- finding by name ---- */

static int two_fit(const char *name, const cJSON *a, const cJSON *b, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    (void)mlo_fail(err, MLO_ECONFLICT, "the name '%s' fits two: '%s' and '%s'",
                   mlo_shown(name, strlen(name), shown), mlo_json_text(a, "id"), mlo_json_text(b, "id"));
    return mlo_hint(err, "say which one by its id");
}

static int pick(const cJSON *list, const char *word, const cJSON **ret, struct mlo_err *err)
{
    const cJSON *item, *named = NULL, *twin = NULL;
    cJSON_ArrayForEach(item, list)
    {
        const char *id = mlo_json_text(item, "id"), *name = mlo_json_text(item, "name");
        if (id && strcmp(id, word) == 0) {
            *ret = item;
            return 0;
        }
        if (!id || !name || strcmp(name, word) != 0)
            continue;
        twin = named ? item : NULL;
        named = named ? named : item;
    }
    *ret = named;
    return twin ? two_fit(word, named, twin, err) : 0;
}

static int none_fits(const cJSON *list, const char *word, const char *what, struct mlo_err *err)
{
    struct mlo_nearest near = {.word = word};
    char shown[MLO_SHOWN];
    const cJSON *item;
    mlo_fail(err, MLO_ENOTFOUND, "there is no %s '%s'", what, mlo_shown(word, strlen(word), shown));
    cJSON_ArrayForEach(item, list)
    {
        const char *name = mlo_json_text(item, "name");
        if (name)
            mlo_nearest_offer(&near, name);
    }
    if (!near.best)
        return err->code;
    return mlo_hint(err, "did you mean '%s'?", mlo_shown(near.best, strlen(near.best), shown));
}

int mlo_runpod_find_shape(struct mlo_runpod *c, enum mlo_runpod_family family, const char *word,
                          const struct mlo_shape *s, void *ret, struct mlo_err *err)
{
    MLO_AUTOWIPE cJSON *list = NULL;
    const cJSON *found = NULL;
    int rc = mlo_runpod_family_json(c, family, &list, err);
    if (rc == 0)
        rc = pick(list, word, &found, err);
    if (rc != 0)
        return rc;
    if (!found)
        return none_fits(list, word, s->what, err);
    return mlo_shape_read(s, found, ret, err);
}

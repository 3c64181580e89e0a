/* See change.h. */
#include "change.h"

#include <math.h>
#include <string.h>

#include <mlopsctl/base/time.h>

#define NOTE_MAX  ((size_t)1 << 20)
#define GUARD_FOR (30 * 24 * 3600 * MLO_NS_PER_S)

const char *mlo_runpod_kind(enum mlo_runpod_family f)
{
    static const char *const kinds[] = {[MLO_RUNPOD_ENDPOINTS] = "runpod-endpoint",
                                        [MLO_RUNPOD_TEMPLATES] = "runpod-template",
                                        [MLO_RUNPOD_REGISTRIES] = "runpod-registry",
                                        [MLO_RUNPOD_VOLUMES] = "runpod-volume"};
    return kinds[f];
}

const char *mlo_runpod_word(enum mlo_runpod_family f)
{
    return mlo_runpod_kind(f) + strlen("runpod-");
}

/* ---- what an effect remembers ---- */

static int add_strings(cJSON *doc, const char *key, const struct mlo_runpod_strings *s)
{
    cJSON *list = cJSON_AddArrayToObject(doc, key);
    for (size_t i = 0; list && i < s->n; i++) {
        cJSON *item = cJSON_CreateString(s->items[i]);
        if (!item || !cJSON_AddItemToArray(list, item)) {
            cJSON_Delete(item);
            return MLO_EIO;
        }
    }
    return list ? 0 : MLO_EIO;
}

static int write_note(const struct mlo_creation *k, const char *id, char **ret, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = cJSON_CreateObject();
    bool done = doc && (!id || cJSON_AddStringToObject(doc, "id", id)) &&
                cJSON_AddStringToObject(doc, "mark", k->mark) &&
                cJSON_AddStringToObject(doc, "name", k->name) &&
                cJSON_AddStringToObject(doc, "detail", k->detail) &&
                (!k->earlier.n || add_strings(doc, "earlier", &k->earlier) == 0);
    return done ? mlo_json_print(doc, ret, NULL, err) : mlo_fail_nomem(err);
}

static int read_earlier(const cJSON *list, struct mlo_runpod_strings *ret, struct mlo_err *err)
{
    const cJSON *item;
    if (!cJSON_IsArray(list))
        return 0;
    ret->items = mlo_calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof *ret->items, err);
    if (!ret->items)
        return MLO_EIO;
    cJSON_ArrayForEach(item, list)
    {
        ret->items[ret->n] = cJSON_IsString(item) ? mlo_strdup(item->valuestring, err) : NULL;
        if (cJSON_IsString(item) && !ret->items[ret->n])
            return MLO_EIO;
        ret->n += cJSON_IsString(item);
    }
    return 0;
}

int mlo_runpod_note_read(const char *text, struct mlo_runpod_made_note *ret, struct mlo_err *err)
{
    struct mlo_runpod_made_note n = {0};
    int rc = mlo_json_parse(text, strlen(text), NOTE_MAX, &n.doc, err);
    if (rc == 0)
        rc = read_earlier(cJSON_GetObjectItemCaseSensitive(n.doc, "earlier"), &n.earlier, err);
    if (rc != 0) {
        mlo_runpod_note_release(&n);
        return rc;
    }
    n.id = mlo_json_text(n.doc, "id");
    n.mark = mlo_json_text(n.doc, "mark");
    n.name = mlo_json_text(n.doc, "name");
    n.detail = mlo_json_text(n.doc, "detail");
    *ret = n;
    return 0;
}

void mlo_runpod_note_release(struct mlo_runpod_made_note *n)
{
    mlo_runpod_strings_release(&n->earlier);
    cJSON_Delete(n->doc);
    *n = (struct mlo_runpod_made_note){0};
}

/* ---- making ---- */

static int announce(struct mlo_creation *k, struct mlo_err *err)
{
    MLO_AUTOFREE char *note = NULL;
    MLO_AUTOSTR struct mlo_str target;
    mlo_str_init(&target, MLO_STR_MAX);
    mlo_str_addf(&target, "%s [%.8s]", k->name, k->mark);
    int rc = mlo_str_check(&target, err);
    if (rc == 0)
        rc = write_note(k, NULL, &note, err);
    return rc != 0 ? rc
                   : mlo_run_intend(k->ws.run, mlo_runpod_kind(k->family), target.ptr, NULL, note,
                                    &k->ordinal, err);
}

int mlo_creation_begin(struct mlo_ctx *ctx, struct mlo_creation *k, struct mlo_err *err)
{
    int rc = mlo_ctx_runpod(ctx, &k->c, err);
    if (rc == 0 && k->family != MLO_RUNPOD_ENDPOINTS) /* they carry the mark in their variables */
        rc = mlo_runpod_namesakes(k->c, k->family, k->name, &k->earlier, err);
    if (rc == 0)
        rc = mlo_workspace_begin(ctx, &k->ws, 0, err);
    if (rc == 0) {
        rc = announce(k, err);
        if (rc != 0)
            rc = mlo_workspace_end(&k->ws, rc, err);
    }
    if (rc != 0)
        mlo_runpod_strings_release(&k->earlier);
    return rc;
}

/* A refusal made nothing; other failures may have, and whoever undoes or recovers the run looks. */
static bool made_nothing(int result)
{
    return result == MLO_EUSAGE || result == MLO_EUNAVAIL || result == MLO_ENOTFOUND;
}

int mlo_creation_end(struct mlo_creation *k, int result, const char *id, struct mlo_err *err)
{
    struct mlo_err second = MLO_ERR_INIT;
    MLO_AUTOFREE char *note = NULL;
    int rc = 0;
    if (result == 0) {
        result = write_note(k, id, &note, err);
        if (result == 0)
            result = mlo_run_done_as(k->ws.run, k->ordinal, note, err);
    } else if (made_nothing(result)) {
        rc = mlo_run_reverted(k->ws.run, k->ordinal, &second);
    }
    mlo_runpod_strings_release(&k->earlier);
    if (rc != 0)
        mlo_warn(k->ws.ctx, "%s", second.msg);
    return mlo_workspace_end(&k->ws, result, err);
}

/* ---- removing ---- */

static int remove_announced(struct mlo_workspace *ws, struct mlo_runpod *c, const struct mlo_removal *gone,
                            int ordinal, bool *ret_there, struct mlo_err *err)
{
    struct mlo_err second = MLO_ERR_INIT;
    int rc = mlo_runpod_delete(c, gone->family, gone->id, ret_there, err);
    if (rc == 0)
        return *ret_there ? mlo_run_done_irreversible(ws->run, ordinal, err)
                          : mlo_run_reverted(ws->run, ordinal, err);
    if ((made_nothing(rc) || rc == MLO_ECONFLICT) && mlo_run_reverted(ws->run, ordinal, &second) != 0)
        mlo_warn(ws->ctx, "%s", second.msg);
    return rc;
}

static int remove_in_run(struct mlo_ctx *ctx, struct mlo_runpod *c, const struct mlo_removal *gone,
                         bool *ret_there, struct mlo_err *err)
{
    struct mlo_creation was = {.family = gone->family, .name = gone->name, .detail = gone->detail};
    struct mlo_workspace ws = {0};
    int ordinal = 0;
    MLO_AUTOFREE char *note = NULL;
    MLO_AUTOSTR struct mlo_str target;
    mlo_str_init(&target, MLO_STR_MAX);
    mlo_str_addf(&target, "%s [%s]", gone->name, gone->id);
    int rc = mlo_str_check(&target, err);
    if (rc == 0)
        rc = write_note(&was, gone->id, &note, err);
    if (rc == 0)
        rc = mlo_workspace_begin(ctx, &ws, 0, err);
    if (rc != 0)
        return rc;
    rc = mlo_run_intend(ws.run, mlo_runpod_kind(gone->family), target.ptr, note, NULL, &ordinal, err);
    if (rc == 0)
        rc = remove_announced(&ws, c, gone, ordinal, ret_there, err);
    return mlo_workspace_end(&ws, rc, err);
}

int mlo_runpod_remove(struct mlo_ctx *ctx, const struct mlo_removal *gone, const char *question,
                      struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    bool there = false;
    int rc = mlo_ctx_runpod(ctx, &c, err);
    if (rc == 0)
        rc = mlo_consent(ctx, question, err);
    if (rc == 0)
        rc = remove_in_run(ctx, c, gone, &there, err);
    if (rc == 0 && ctx->json) {
        mlo_report_text(ctx->report, "id", "id", gone->id);
        mlo_report_text(ctx->report, "name", "name", gone->name);
        mlo_report_bool(ctx->report, "removed", "removed", there);
    } else if (rc == 0) {
        mlo_report_say(ctx->report, there ? "removed %s %s '%s'%s%s" : "%s %s '%s' was gone already%s%s",
                       mlo_runpod_word(gone->family), gone->id, gone->name, *gone->detail ? ": " : "",
                       gone->detail);
    }
    return rc;
}

/* ---- guards ---- */

int mlo_guard_check(const struct mlo_guard *g, double price, struct mlo_err *err)
{
    struct mlo_runpod_limits l = {g->max_price, g->max_total, GUARD_FOR};
    bool limited = g->max_price > 0 || g->max_total > 0;
    if (!limited)
        return 0;
    if (!isnan(price))
        return mlo_runpod_afford(&l, price, err);
    (void)mlo_fail(err, MLO_EUNAVAIL, "its price is not known, so it may be above the limit");
    return mlo_hint(err, "without --max-price and --max-total it is not asked for");
}

int mlo_show_request(struct mlo_ctx *ctx, const char *method, const char *path, const cJSON *body,
                     double price, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *shown = NULL;
    int rc = mlo_runpod_body_shown(body, &shown, err);
    if (rc != 0)
        return rc;
    if (!ctx->json) {
        MLO_AUTOFREE char *pretty = cJSON_Print(shown);
        MLO_AUTOSTR struct mlo_str text;
        mlo_str_init(&text, MLO_STR_MAX);
        mlo_str_addf(&text, "%s %s\n%s\n", method, path, pretty ? pretty : "");
        mlo_report_raw(ctx->report, "request", text.ptr);
        return pretty ? mlo_str_check(&text, err) : mlo_fail_nomem(err);
    }
    mlo_report_text(ctx->report, "method", "method", method);
    mlo_report_text(ctx->report, "path", "path", path);
    mlo_report_json(ctx->report, "body", mlo_steal(&shown));
    mlo_report_double(ctx->report, "price_hour", "USD an hour", price);
    mlo_report_bool(ctx->report, "dry_run", "dry run", true);
    return 0;
}

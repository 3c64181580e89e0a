/* See pod_record.h. */
#include "pod_record.h"

#include <string.h>

#include "pod_wait.h"
#include "cmd/shared/workspace.h"

#define RECORD_MAX ((size_t)16 << 10)

void mlo_pod_record_release(struct mlo_pod_record *r)
{
    free(r->mark);
    free(r->name);
    free(r->id);
    free(r->detail);
    free(r->lease);
    *r = (struct mlo_pod_record){0};
}

void mlo_pod_records_release(struct mlo_pod_records *l)
{
    for (size_t i = 0; i < l->n; i++)
        mlo_pod_record_release(&l->items[i]);
    free(l->items);
    *l = (struct mlo_pod_records){0};
}

/* ---- text ---- */

static bool add_text(cJSON *doc, const char *key, const char *value)
{
    return !value || cJSON_AddStringToObject(doc, key, value);
}

int mlo_pod_record_format(const struct mlo_pod_record *r, struct mlo_str *out, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = cJSON_CreateObject();
    MLO_AUTOFREE char *text = NULL;
    size_t n;
    if (!doc || !add_text(doc, "mark", r->mark) || !add_text(doc, "name", r->name) ||
        !add_text(doc, "id", r->id) || !add_text(doc, "detail", r->detail) ||
        !mlo_json_add_double(doc, "cost", r->cost) || !add_text(doc, "lease", r->lease))
        return mlo_fail_nomem(err);
    if (mlo_json_print(doc, &text, &n, err))
        return err->code;
    mlo_str_addn(out, text, n);
    return mlo_str_check(out, err);
}

static int take_text(const cJSON *doc, const char *key, char **ret, struct mlo_err *err)
{
    const char *value = mlo_json_text(doc, key);
    *ret = value ? mlo_strdup(value, err) : NULL;
    return value && !*ret ? err->code : 0;
}

int mlo_pod_record_parse(const char *text, struct mlo_pod_record *ret, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = NULL;
    struct mlo_pod_record r = {0};
    if (mlo_json_parse(text, strlen(text), RECORD_MAX, &doc, err))
        return mlo_wrap(err, "ledger: a pod's effect");
    const cJSON *cost = cJSON_GetObjectItemCaseSensitive(doc, "cost");
    r.cost = cJSON_IsNumber(cost) ? cost->valuedouble : 0;
    if (take_text(doc, "mark", &r.mark, err) || take_text(doc, "name", &r.name, err) ||
        take_text(doc, "id", &r.id, err) || take_text(doc, "detail", &r.detail, err) ||
        take_text(doc, "lease", &r.lease, err)) {
        mlo_pod_record_release(&r);
        return err->code;
    }
    *ret = r;
    return 0;
}

struct mlo_pod_record mlo_pod_record_of(const struct mlo_runpod_pod *pod)
{
    return (struct mlo_pod_record){.mark = (char *)(uintptr_t)mlo_runpod_var(&pod->env, MLO_RUNPOD_MARK),
                                   .name = pod->name,
                                   .id = pod->id,
                                   .lease = (char *)(uintptr_t)mlo_runpod_var(&pod->env, MLO_RUNPOD_LEASE),
                                   .cost = pod->cost};
}

void mlo_pod_record_target(const struct mlo_pod_record *r, struct mlo_str *out)
{
    const char *name = r->name ? r->name : "";
    mlo_str_addn(out, name, mlo_runpod_lease_name_length(name));
    mlo_str_addf(out, " [%.8s]", r->mark ? r->mark : r->id ? r->id : "?");
}

/* ---- the ledger ---- */

static bool same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

struct reading {
    struct mlo_ledger *l;
    struct mlo_pod_records list;
    struct { /* targets that a newer effect says are gone */
        char **items;
        size_t n, cap;
    } gone;
};

static int note_gone(struct reading *r, const char *target, struct mlo_err *err)
{
    if (mlo_grow(&r->gone.items, &r->gone.cap, r->gone.n + 1, sizeof *r->gone.items, err))
        return err->code;
    char *copy = mlo_strdup(target, err);
    if (!copy)
        return err->code;
    r->gone.items[r->gone.n++] = copy;
    return 0;
}

static bool is_gone(const struct reading *r, const char *target)
{
    for (size_t i = 0; i < r->gone.n; i++)
        if (strcmp(r->gone.items[i], target) == 0)
            return true;
    return false;
}

static int note_running(void *ctx, const struct mlo_run_row *row, struct mlo_err *err)
{
    (void)err;
    *(bool *)ctx = strcmp(row->status, "running") == 0;
    return 0;
}

static int is_running(struct mlo_ledger *l, int64_t run, bool *ret, struct mlo_err *err)
{
    *ret = false;
    return mlo_run_each(l, &(struct mlo_run_filter){.id = run}, note_running, ret, err);
}

static int add_record(struct reading *r, const struct mlo_effect *e, struct mlo_err *err)
{
    struct mlo_pod_record record = {0};
    if (mlo_grow(&r->list.items, &r->list.cap, r->list.n + 1, sizeof record, err) ||
        mlo_pod_record_parse(e->after, &record, err))
        return err->code;
    record.run = e->run;
    record.gone = e->state != MLO_EFFECT_DONE || is_gone(r, e->target);
    r->list.items[r->list.n++] = record;
    return 0;
}

/* Newest first, so what became of a pod is known before the effect that made it comes. */
static int read_pod(void *ctx, const struct mlo_effect *e, struct mlo_err *err)
{
    struct reading *r = ctx;
    bool running = false;
    if (!e->after)
        return e->state == MLO_EFFECT_DONE || e->state == MLO_EFFECT_IRREVERSIBLE
                   ? note_gone(r, e->target, err)
                   : 0;
    if (e->state == MLO_EFFECT_INTENDED && is_running(r->l, e->run, &running, err))
        return err->code;
    return running ? 0 : add_record(r, e, err);
}

/* The newest lease is heard first, and replaces the one of the create. */
struct leases {
    struct mlo_pod_records *list;
    bool *known;
};

static int read_lease(void *ctx, const struct mlo_effect *e, struct mlo_err *err)
{
    struct leases *l = ctx;
    if (!e->after || e->state != MLO_EFFECT_DONE)
        return 0;
    for (size_t i = 0; i < l->list->n; i++)
        if (!l->known[i] && same(l->list->items[i].id, e->target)) {
            char *lease = mlo_strdup(e->after, err);
            if (!lease)
                return err->code;
            free(l->list->items[i].lease);
            l->list->items[i].lease = lease;
            l->known[i] = true;
        }
    return 0;
}

static int read_leases(struct mlo_ledger *l, struct mlo_pod_records *list, struct mlo_err *err)
{
    MLO_AUTOFREE bool *known = mlo_calloc(list->n + 1, sizeof *known, err);
    if (!known)
        return err->code;
    return mlo_effects_of(l, MLO_EFFECT_POD_LEASE, read_lease, &(struct leases){list, known}, err);
}

int mlo_pod_records_read(struct mlo_ledger *l, struct mlo_pod_records *ret, struct mlo_err *err)
{
    struct reading r = {.l = l};
    int rc = l ? mlo_effects_of(l, MLO_EFFECT_POD, read_pod, &r, err) : 0;
    if (rc == 0 && l)
        rc = read_leases(l, &r.list, err);
    for (size_t i = 0; i < r.gone.n; i++)
        free(r.gone.items[i]);
    free(r.gone.items);
    if (rc != 0)
        mlo_pod_records_release(&r.list);
    else
        *ret = r.list;
    return rc;
}

int mlo_pod_records_of(struct mlo_ctx *ctx, struct mlo_pod_records *ret, struct mlo_err *err)
{
    struct mlo_workspace ws;
    int rc = mlo_workspace_read(ctx, &ws, err);
    if (rc != 0)
        return rc;
    rc = mlo_pod_records_read(ws.ledger, ret, err);
    mlo_workspace_close(&ws);
    return rc;
}

const struct mlo_pod_record *mlo_pod_records_find(const struct mlo_pod_records *l,
                                                  const struct mlo_runpod_pod *pod)
{
    const char *mark = mlo_runpod_var(&pod->env, MLO_RUNPOD_MARK);
    for (size_t i = 0; i < l->n; i++)
        if (same(l->items[i].mark, mark) || same(l->items[i].id, pod->id))
            return &l->items[i];
    return NULL;
}

struct mlo_runpod_lease mlo_pod_lease(const struct mlo_pod_records *l, const struct mlo_runpod_pod *pod)
{
    const struct mlo_pod_record *r = mlo_pod_records_find(l, pod);
    struct mlo_runpod_lease lease = mlo_runpod_lease_of(pod, r ? r->lease : NULL);
    lease.marked = lease.marked || r;
    return lease;
}

/* ---- changes that several commands make ---- */

int mlo_pod_rename_lease(struct mlo_runpod *c, const struct mlo_runpod_pod *pod, int64_t end_ns,
                         struct mlo_err *err)
{
    struct mlo_runpod_pod now = {0};
    MLO_AUTOBODY cJSON *body = NULL;
    MLO_AUTOSTR struct mlo_str name;
    mlo_str_init(&name, MLO_STR_MAX);
    mlo_runpod_lease_name(&name, pod->name, end_ns);
    int rc = mlo_str_check(&name, err);
    if (rc == 0)
        rc = mlo_runpod_pod_body(&(struct mlo_runpod_pod_spec){.name = name.ptr}, true, &body, err);
    if (rc == 0)
        rc = mlo_runpod_pod_update(c, pod->id, body, &now, err);
    mlo_runpod_pod_release(&now);
    return rc;
}

void mlo_pod_loss(const struct mlo_runpod_pod *pod, struct mlo_str *out)
{
    char usd[MLO_USD_MAX];
    mlo_str_addf(out, "removes the pod '%.*s' (%s, %s, %s an hour)",
                 (int)mlo_runpod_lease_name_length(pod->name), pod->name, pod->id, pod->status_text,
                 mlo_usd(pod->cost, usd));
    if (pod->persistent_gb)
        mlo_str_addf(out, " with its disk of %llu GB at %s and all that is on it",
                     (unsigned long long)pod->persistent_gb,
                     pod->persistent_path ? pod->persistent_path : "?");
    else
        mlo_str_add(out, " with what is on its own disk");
    if (pod->volume)
        mlo_str_addf(out, "; the volume %s stays", pod->volume);
}

/* As the effect that made it, when that was here: so a rollback of the create sees what became of it. */
static int removal(const struct mlo_pod_records *records, const struct mlo_runpod_pod *pod,
                   struct mlo_str *target, struct mlo_str *text, struct mlo_err *err)
{
    const struct mlo_pod_record *known = mlo_pod_records_find(records, pod);
    struct mlo_pod_record r = known ? *known : mlo_pod_record_of(pod);
    r.id = pod->id;
    mlo_pod_record_target(&r, target);
    int rc = mlo_pod_record_format(&r, text, err);
    return rc != 0 ? rc : mlo_str_check(target, err);
}

int mlo_pod_end(struct mlo_workspace *ws, struct mlo_runpod *c, const struct mlo_pod_records *records,
                const struct mlo_runpod_pod *pod, struct mlo_err *err)
{
    struct mlo_err second = MLO_ERR_INIT;
    int ordinal = 0;
    MLO_AUTOSTR struct mlo_str target;
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&target, MLO_STR_MAX);
    mlo_str_init(&text, MLO_STR_MAX);
    int rc = removal(records, pod, &target, &text, err);
    if (rc == 0)
        rc = mlo_run_intend(ws->run, MLO_EFFECT_POD, target.ptr, text.ptr, NULL, &ordinal, err);
    if (rc != 0)
        return rc;
    rc = mlo_pod_remove(ws->ctx, c, pod->id, err);
    if (rc == 0)
        return mlo_run_done_irreversible(ws->run, ordinal, err);
    if ((rc == MLO_ECONFLICT || rc == MLO_EUSAGE) && mlo_run_reverted(ws->run, ordinal, &second) != 0)
        mlo_warn(ws->ctx, "%s", second.msg);
    return rc;
}

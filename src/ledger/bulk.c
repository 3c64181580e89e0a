/* Many finished runs in one transaction, with a chain like any other. */
#include "internal.h"

static int bulk_name(struct mlo_ledger *l, int64_t id, int64_t seq, const struct mlo_bulk_run *b,
                     struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str target, was;
    mlo_str_init(&target, MLO_STR_MAX);
    mlo_str_init(&was, MLO_STR_MAX);
    char text[MLO_DIGEST_TEXT];
    bool set = false;
    int64_t by;
    mlo_digest_text(&b->digest, text);
    mlo_str_addf(&target, "%s/%s", b->kind, b->name);
    int rc = mlo_str_check(&target, err);
    if (!rc)
        rc = mlo_present_value(l, "name", target.ptr, &was, &set, &by, err);
    if (!rc)
        rc = mlo_sql_run(l, MLO_SQL_EFFECT_INSERT, err, "iittttti", id, (int64_t)0, "name", target.ptr,
                         set ? was.ptr : (const char *)NULL, text, mlo_effect_state_name(MLO_EFFECT_DONE),
                         seq);
    return rc ? rc : mlo_sql_run(l, MLO_SQL_NAME_PUT, err, "ttti", b->kind, b->name, text, id);
}

static int bulk_one(struct mlo_ledger *l, const struct mlo_bulk_run *b, struct mlo_err *err)
{
    struct mlo_ledger_head head;
    int64_t id = 0;
    int rc = mlo_ledger_head(l, &head, err);
    if (!rc)
        rc = mlo_run_insert(l, &b->info, b->started_ns, &id, err);
    if (!rc && b->name)
        rc = bulk_name(l, id, head.seq + 1, b, err);
    if (!rc && b->metric)
        rc = mlo_sql_run(l, MLO_SQL_METRIC_PUT, err, "itd", id, b->metric, b->value);
    return rc ? rc : mlo_run_seal(l, id, "done", 0, b->ended_ns, err);
}

int mlo_ledger_bulk(struct mlo_ledger *l, uint64_t n,
                    int (*fill)(void *ctx, uint64_t i, struct mlo_bulk_run *ret, struct mlo_err *err),
                    void *ctx, struct mlo_err *err)
{
    struct mlo_ledger *tx MLO_AUTOTX = l;
    int rc = mlo_sql_exec(l->db, "PRAGMA cache_size = -262144", err); /* KiB: one large transaction */
    if (!rc)
        rc = mlo_tx_begin(l, err);
    for (uint64_t i = 0; !rc && i < n; i++) {
        struct mlo_bulk_run b = {.kind = NULL};
        rc = fill(ctx, i, &b, err);
        if (!rc)
            rc = bulk_one(l, &b, err);
    }
    return rc ? rc : mlo_tx_commit(tx, err);
}

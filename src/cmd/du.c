/*
 * mlopsctl du: where the store's bytes are. Blobs are shared between bundles, so a name has a total, the part
 * that only this name needs (removing the name can free it, once history is collected) and the part that
 * other names need too.
 */
#include <string.h>

#include "cmd/shared/live.h"

/* One blob as needed by one name. Sorted by digest, the uses of a blob stand together. */
struct use {
    struct mlo_digest digest;
    size_t name;
};
struct named {
    char *name;
    uint64_t total, unique;
};
struct usage {
    struct mlo_workspace *ws;
    struct named *names;
    size_t n_names, cap_names;
    struct use *uses;
    size_t n_uses, cap_uses;
    uint64_t named_bytes; /* each blob once */
};

static void usage_release(struct usage *u)
{
    for (size_t i = 0; i < u->n_names; i++)
        free(u->names[i].name);
    free(u->names);
    free(u->uses);
}

static int add_uses(struct usage *u, const struct mlo_digest_set *blobs, size_t name, struct mlo_err *err)
{
    int rc = mlo_grow(&u->uses, &u->cap_uses, u->n_uses + blobs->count, sizeof *u->uses, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < blobs->cap; i++)
        if (blobs->used[i])
            u->uses[u->n_uses++] = (struct use){blobs->slots[i], name};
    return 0;
}

/* A damaged bundle is counted as far as it can be read. */
static int add_name(void *ctx, const struct mlo_name_row *row, struct mlo_err *err)
{
    struct usage *u = ctx;
    struct mlo_digest_set blobs = {0};
    int rc = mlo_grow(&u->names, &u->cap_names, u->n_names + 1, sizeof *u->names, err);
    if (rc < 0)
        return rc;
    char *name = mlo_strdup(row->name, err);
    if (!name)
        return err->code;
    u->names[u->n_names++] = (struct named){.name = name};
    rc = mlo_bundle_reach(u->ws->store, &row->digest, &blobs, err);
    if (rc == MLO_ENOTFOUND || rc == MLO_EINVALID) {
        mlo_warn(u->ws->ctx, "'%s' is not counted in full: %s", row->name, err->msg);
        rc = 0;
    }
    if (rc == 0)
        rc = add_uses(u, &blobs, u->n_names - 1, err);
    mlo_digest_set_release(&blobs);
    return rc;
}

static int by_digest(const void *a, const void *b)
{
    const struct use *x = a, *y = b;
    return mlo_digest_cmp(&x->digest, &y->digest);
}

static void count_uses(struct usage *u)
{
    if (u->n_uses > 0)
        qsort(u->uses, u->n_uses, sizeof *u->uses, by_digest);
    for (size_t i = 0, next; i < u->n_uses; i = next) {
        uint64_t size = 0;
        mlo_store_has(u->ws->store, &u->uses[i].digest, &size);
        for (next = i; next < u->n_uses && mlo_digest_eq(&u->uses[next].digest, &u->uses[i].digest); next++)
            u->names[u->uses[next].name].total += size;
        if (next == i + 1)
            u->names[u->uses[i].name].unique += size;
        u->named_bytes += size;
    }
}

static const struct mlo_column columns[] = {
    {"name", "NAME", MLO_CELL_TEXT},
    {"total", "TOTAL", MLO_CELL_SIZE},
    {"unique", "UNIQUE", MLO_CELL_SIZE},
    {"shared", "SHARED", MLO_CELL_SIZE},
};

static void report_usage(struct mlo_report *r, const struct usage *u, const struct mlo_gc_stats *s)
{
    uint64_t history = s->kept_bytes > u->named_bytes ? s->kept_bytes - u->named_bytes : 0;
    mlo_report_table(r, "names", NULL, columns, MLO_COUNT(columns), "no names");
    for (size_t i = 0; i < u->n_names; i++) {
        const struct named *n = &u->names[i];
        mlo_cell_text(r, n->name);
        mlo_cell_u64(r, n->total);
        mlo_cell_u64(r, n->unique);
        mlo_cell_u64(r, n->total - n->unique);
    }
    mlo_report_u64(r, "blobs", "blobs in the store", s->kept + s->removed);
    mlo_report_size(r, "bytes", "bytes in the store", s->kept_bytes + s->removed_bytes);
    mlo_report_size(r, "named_bytes", "needed by names", u->named_bytes);
    mlo_report_size(r, "history_bytes", "kept for history and rollback", history);
    mlo_report_size(r, "unreferenced_bytes", "unreferenced (gc removes it)", s->removed_bytes);
}

static int measure(struct mlo_workspace *ws, int64_t since_ns, struct usage *u, struct mlo_gc_stats *stats,
                   struct mlo_err *err)
{
    struct mlo_digest_set live = {0};
    int rc = mlo_name_each(ws->ledger, "tag", add_name, u, err);
    if (rc == 0)
        rc = mlo_live_blobs(ws, since_ns, &live, err);
    if (rc == 0)
        rc = mlo_store_gc(ws->store, &live, true, stats, err);
    if (rc == 0)
        count_uses(u);
    mlo_digest_set_release(&live);
    return rc;
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct mlo_workspace ws;
    struct mlo_gc_stats stats = {0};
    int64_t since_ns;
    (void)options;
    int rc = mlo_live_since(ctx, NULL, &since_ns, err);
    if (rc == 0)
        rc = mlo_workspace_read(ctx, &ws, err);
    if (rc < 0)
        return rc;
    struct usage u = {.ws = &ws};
    if (ws.store)
        rc = measure(&ws, since_ns, &u, &stats, err);
    if (rc == 0)
        report_usage(ctx->report, &u, &stats);
    usage_release(&u);
    mlo_workspace_close(&ws);
    return rc;
}

static const struct mlo_example examples[] = {
    {"which bundle takes the room", "mlopsctl du"},
    {"how much gc would free", "mlopsctl du --json"},
    {0},
};

const struct mlo_command mlo_cmd_du = {
    .name = "du",
    .group = "bundles",
    .summary = "show how much room names take in the store",
    .synopsis = "",
    .description =
        "Shows for each name the bytes of all its blobs, of those that no other name needs, and of those "
        "shared with others,\n"
        "then the sums of the store: needed by names, kept for history and rollback, and removable by gc.",
    .examples = examples,
    .run = run,
};

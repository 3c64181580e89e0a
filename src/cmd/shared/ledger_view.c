/* How runs and effects are shown. */
#include "ledger_view.h"

#include "cmd/bench/bench.h"

#include <string.h>

#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>
#include <mlopsctl/remote.h>

#define SHORT_DIGEST   12 /* hex digits, as in the tables of other commands */
#define CHANGES_LISTED 3

/* The digest that a value is, or leads to: that of a remote ref. */
static bool digest_of(const char *value, struct mlo_digest *ret)
{
    struct mlo_err not_one = MLO_ERR_INIT;
    struct mlo_remote_ref ref;
    if (mlo_digest_parse(value, ret, &not_one) == 0)
        return true;
    if (*value != '{' || mlo_remote_ref_parse(value, strlen(value), &ref, &not_one) != 0)
        return false;
    *ret = ref.manifest;
    return true;
}

void mlo_view_value(const struct mlo_ctx *ctx, const char *value)
{
    struct mlo_digest d;
    char hex[MLO_DIGEST_HEX + 1];
    if (!value) {
        mlo_cell_none(ctx->report);
    } else if (!ctx->json && digest_of(value, &d)) {
        mlo_digest_hex(&d, hex)[SHORT_DIGEST] = '\0';
        mlo_cell_text(ctx->report, hex);
    } else {
        mlo_cell_text(ctx->report, value);
    }
}

int mlo_view_run_id(const char *text, int64_t *ret, struct mlo_err *err)
{
    uint64_t id = 0;
    int rc = mlo_parse_u64(text, 1, INT64_MAX, "RUN", &id, err);
    if (rc)
        return mlo_hint(err, "runs have numbers: see `mlopsctl log`");
    *ret = (int64_t)id;
    return 0;
}

int mlo_view_time(const char *text, const char *what, int64_t *ret_ns, struct mlo_err *err)
{
    char midnight[MLO_RFC3339_MAX];
    uint64_t ago = 0;
    struct mlo_err ignored;
    if (mlo_parse_duration(text, what, &ago, &ignored) == 0) {
        int64_t now = mlo_time_now();
        *ret_ns = ago < (uint64_t)now ? now - (int64_t)ago : 1;
        return 0;
    }
    if (strlen(text) == strlen("2026-11-21")) {
        snprintf(midnight, sizeof midnight, "%sT00:00:00Z", text);
        text = midnight;
    }
    if (mlo_time_parse(text, ret_ns, &ignored) == 0)
        return 0;
    (void)mlo_fail(err, MLO_EUSAGE, "%s: neither a time nor a duration", what);
    return mlo_hint(err, "like 2026-11-21, 2026-11-21T09:30:00Z, 90m or 7d");
}

const char *mlo_view_state(enum mlo_effect_state state)
{
    switch (state) {
    case MLO_EFFECT_INTENDED:
        return "intended";
    case MLO_EFFECT_DONE:
        return "done";
    case MLO_EFFECT_REVERTED:
        return "reverted";
    case MLO_EFFECT_IRREVERSIBLE:
        return "irreversible";
    }
    return "?";
}

static int take_verdict(void *ctx, const char *key, double value, struct mlo_err *err)
{
    int *verdict = ctx;
    (void)err;
    if (strcmp(key, MLO_BENCH_VERDICT) == 0)
        *verdict = (int)value;
    return 0;
}

int mlo_view_outcome(struct mlo_ledger *l, const struct mlo_run_row *row, const char **ret,
                     struct mlo_err *err)
{
    int verdict = -1;
    *ret = NULL;
    if (strcmp(row->command, "bench") != 0)
        return 0;
    int rc = mlo_metric_each(l, row->id, take_verdict, &verdict, err);
    if (rc == 0 && verdict >= 0)
        *ret = verdict == 0                       ? "pass"
               : verdict == 1                     ? "fail"
               : verdict == MLO_BENCH_INTERRUPTED ? "interrupted"
                                                  : "inconclusive";
    return rc;
}

struct changes {
    struct mlo_str *out;
    unsigned n;
};

static int add_change(void *ctx, const struct mlo_effect *e, struct mlo_err *err)
{
    struct changes *c = ctx;
    const char *slash = strchr(e->target, '/');
    (void)err;
    if (strcmp(e->kind, "run") == 0 || ++c->n > CHANGES_LISTED)
        return 0;
    if (c->n > 1)
        mlo_str_add(c->out, ", ");
    if (strcmp(e->kind, "name") == 0 && slash)
        mlo_str_addf(c->out, "%s%s", e->after ? "" : "-", slash + 1);
    else
        mlo_str_addf(c->out, "%s %s", e->kind, e->target);
    return 0;
}

int mlo_view_changes(struct mlo_ledger *l, int64_t run, struct mlo_str *out, struct mlo_err *err)
{
    struct changes c = {.out = out};
    int rc = mlo_effect_each(l, run, add_change, &c, err);
    if (!rc && c.n > CHANGES_LISTED)
        mlo_str_addf(out, " +%u", c.n - CHANGES_LISTED);
    return rc ? rc : mlo_str_check(out, err);
}

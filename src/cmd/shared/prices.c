#include "prices.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/json.h>
#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>

#include "network.h"

#define SCHEMA    1
#define CACHE     "cache/runpod-prices.json"
#define BYTES_MAX ((size_t)4 << 20)
#define GPUS_MAX  10000

void mlo_prices_release(struct mlo_prices *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->items[i].id);
    free(p->items);
    *p = (struct mlo_prices){0};
}

static int add(struct mlo_prices *p, const char *id, double per_hour, struct mlo_err *err)
{
    if (!id || !(per_hour > 0) || !isfinite(per_hour) || p->n == GPUS_MAX)
        return 0;
    int rc = mlo_grow(&p->items, &p->cap, p->n + 1, sizeof *p->items, err);
    char *copy = rc == 0 ? mlo_strdup(id, err) : NULL;
    if (!copy)
        return err->code;
    p->items[p->n++] = (struct mlo_price){copy, per_hour};
    return 0;
}

static int by_price(const void *x, const void *y)
{
    const struct mlo_price *a = x, *b = y;
    return a->per_hour != b->per_hour ? (a->per_hour > b->per_hour) - (a->per_hour < b->per_hour)
                                      : strcmp(a->id, b->id);
}

double mlo_prices_of(const struct mlo_prices *p, const char *device)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcasecmp(p->items[i].id, device) == 0)
            return p->items[i].per_hour;
    return NAN;
}

/* ---- the service ---- */

static int fetch(struct mlo_ctx *ctx, struct mlo_prices *p, struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    struct mlo_runpod_gpus gpus = {0};
    int rc = mlo_ctx_runpod(ctx, &c, err);
    if (rc == 0)
        rc = mlo_runpod_gpu_list(c, &(struct mlo_runpod_catalog){0}, &gpus, err);
    for (size_t i = 0; rc == 0 && i < gpus.n; i++) {
        const struct mlo_runpod_gpu *g = &gpus.items[i];
        rc = add(p, g->id, g->price_secure > 0 ? g->price_secure : g->price_community, err);
    }
    mlo_runpod_gpus_release(&gpus);
    p->time_ns = mlo_time_now();
    return rc;
}

/* ---- the copy beside the ledger ---- */

/* Not being able to keep it is no failure of the command. */
static void keep(const char *home, const struct mlo_prices *p)
{
    struct mlo_err why = MLO_ERR_INIT;
    MLO_AUTOJSON cJSON *doc = cJSON_CreateObject();
    MLO_AUTOFREE char *text = NULL;
    size_t n;
    mlo_json_add_u64(doc, "schema", SCHEMA);
    mlo_json_add_i64(doc, "time_ns", p->time_ns);
    cJSON *gpus = cJSON_AddObjectToObject(doc, "usd_per_hour");
    for (size_t i = 0; i < p->n; i++)
        mlo_json_add_double(gpus, p->items[i].id, p->items[i].per_hour);
    MLO_AUTOCLOSE int fd = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && mlo_json_print(doc, &text, &n, &why) == 0 && mlo_mkdirs_at(fd, "cache", 0700, &why) == 0 &&
        mlo_write_file_at(fd, CACHE, text, n, 0600, &why) != 0)
        return;
}

static int read_kept(const char *home, struct mlo_prices *p, struct mlo_err *err)
{
    struct mlo_err why = MLO_ERR_INIT;
    MLO_AUTOJSON cJSON *doc = NULL;
    MLO_AUTOFREE char *text = NULL;
    size_t n;
    MLO_AUTOCLOSE int fd = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || mlo_slurp_at(fd, CACHE, BYTES_MAX, &text, &n, &why) != 0 ||
        mlo_json_parse(text, n, BYTES_MAX, &doc, &why) != 0)
        return 0;
    const cJSON *time = cJSON_GetObjectItem(doc, "time_ns"), *gpus = cJSON_GetObjectItem(doc, "usd_per_hour"),
                *g;
    int rc = 0;
    cJSON_ArrayForEach(g, gpus)
    {
        if (rc == 0 && cJSON_IsNumber(g))
            rc = add(p, g->string, g->valuedouble, err);
    }
    p->time_ns = p->n > 0 && cJSON_IsNumber(time) ? (int64_t)time->valuedouble : 0;
    return rc;
}

static int fall_back(struct mlo_ctx *ctx, const char *home, const struct mlo_err *why, struct mlo_prices *p,
                     struct mlo_err *err)
{
    char age[MLO_HUMAN_MAX];
    mlo_prices_release(p);
    int rc = read_kept(home, p, err);
    if (rc == 0 && p->n > 0)
        mlo_warn(ctx, "prices of GPUs are %s old: %s",
                 mlo_human_duration((uint64_t)(mlo_time_now() - p->time_ns), age), why->msg);
    else if (rc == 0)
        mlo_warn(ctx, "no prices of GPUs: %s", why->msg);
    return rc;
}

int mlo_prices_get(struct mlo_ctx *ctx, struct mlo_prices *ret, struct mlo_err *err)
{
    struct mlo_prices p = {0};
    struct mlo_err why = MLO_ERR_INIT;
    MLO_AUTOFREE char *home = NULL;
    int rc = mlo_home_find(ctx, &home, err);
    if (rc != 0)
        return rc;
    if (fetch(ctx, &p, &why) == 0)
        keep(home, &p);
    else
        rc = fall_back(ctx, home, &why, &p, err);
    if (rc != 0) {
        mlo_prices_release(&p);
        return rc;
    }
    if (p.n > 1)
        qsort(p.items, p.n, sizeof *p.items, by_price);
    *ret = p;
    return 0;
}

/* mlopsctl runpod gpu: the catalog: which GPUs there are, what they cost, where they are in stock. */
#include <string.h>

#include "runpod.h"

struct opts {
    uint64_t min_vram, count;
    double max_price;
    const char *cloud, *sort, *manufacturer;
    struct mlo_strings dc;
    bool all, slices;
};

static const struct opts defaults = {.count = 1, .cloud = "secure", .sort = "price"};

static const struct mlo_opt opts_table[] = {
    {.name = "min-vram",
     .type = MLO_OPT_U64,
     .arg = "GB",
     .help = "memory that one GPU must have",
     .offset = offsetof(struct opts, min_vram),
     .max = 1u << 20},
    {.name = "max-price",
     .type = MLO_OPT_DOUBLE,
     .arg = "USD",
     .help = "the most that all GPUs together may cost an hour",
     .offset = offsetof(struct opts, max_price)},
    {.name = "count",
     .type = MLO_OPT_U64,
     .arg = "N",
     .help = "GPUs on one host",
     .offset = offsetof(struct opts, count),
     .min = 1,
     .max = MLO_GPU_COUNT_MAX},
    {.name = "cloud",
     .type = MLO_OPT_CHOICE,
     .arg = "CLOUD",
     .help = "data centres, or the cheaper hosts of others, which take no network volumes",
     .offset = offsetof(struct opts, cloud),
     .choices = "secure|community"},
    {.name = "dc",
     .type = MLO_OPT_LIST,
     .arg = "ID",
     .help = "in stock in this data centre",
     .offset = offsetof(struct opts, dc)},
    {.name = "sort",
     .type = MLO_OPT_CHOICE,
     .arg = "KEY",
     .help = "what comes first: the cheapest, the one with most memory, the one most in stock",
     .offset = offsetof(struct opts, sort),
     .choices = "price|vram|stock"},
    {.name = "manufacturer",
     .type = MLO_OPT_STRING,
     .arg = "NAME",
     .help = "AMD for instance, or `any`; when not given, NVIDIA and what is named",
     .offset = offsetof(struct opts, manufacturer)},
    {.name = "slices",
     .type = MLO_OPT_FLAG,
     .help = "parts of a GPU (MIG) too",
     .offset = offsetof(struct opts, slices)},
    {.name = "all",
     .letter = 'a',
     .type = MLO_OPT_FLAG,
     .help = "what is out of stock too",
     .offset = offsetof(struct opts, all)},
    {0},
};

static int more_memory(const void *a, const void *b)
{
    const struct mlo_runpod_candidate *x = a, *y = b;
    uint64_t m = x->gpu->memory_gb, n = y->gpu->memory_gb;
    if (m != n)
        return m > n ? -1 : 1;
    return x->price < y->price ? -1 : x->price > y->price;
}

static int more_stock(const void *a, const void *b)
{
    const struct mlo_runpod_candidate *x = a, *y = b;
    if (x->stock != y->stock)
        return x->stock > y->stock ? -1 : 1;
    return x->price < y->price ? -1 : x->price > y->price;
}

/* "EU-RO-1 US-KS-2": where it can be had. */
static void add_places(struct mlo_str *out, const struct mlo_runpod_gpu *g)
{
    for (size_t i = 0; i < g->data_centers.n; i++) {
        const struct mlo_runpod_place *p = &g->data_centers.items[i];
        if (p->id && p->stock > MLO_RUNPOD_STOCK_NONE)
            mlo_str_addf(out, "%s%s", out->len ? " " : "", p->id);
    }
}

static void text_row(struct mlo_report *r, const struct mlo_runpod_candidate *c, const char *places)
{
    char usd[MLO_USD_MAX];
    mlo_cell_text(r, c->gpu->id);
    mlo_cell_u64(r, c->gpu->memory_gb);
    mlo_cell_text(r, mlo_usd(c->price, usd));
    mlo_cell_text(r, mlo_runpod_stock_name(c->stock));
    mlo_cell_text(r, places);
}

static void json_row(struct mlo_report *r, const struct mlo_runpod_candidate *c, const char *places)
{
    const struct mlo_runpod_gpu *g = c->gpu;
    mlo_cell_text(r, g->id);
    mlo_cell_text(r, g->name);
    mlo_cell_text(r, g->manufacturer);
    mlo_cell_text(r, g->pool);
    mlo_cell_u64(r, g->memory_gb);
    mlo_cell_double(r, c->price);
    mlo_cell_double(r, g->price_secure);
    mlo_cell_double(r, g->price_community);
    mlo_cell_double(r, g->price_serverless);
    mlo_cell_u64(r, g->max_secure);
    mlo_cell_u64(r, g->max_community);
    mlo_cell_text(r, mlo_runpod_stock_name(c->stock));
    mlo_cell_text(r, places);
}

static const struct mlo_column text_columns[] = {
    {"id", "GPU", MLO_CELL_TEXT},      {"memory_gb", "GB", MLO_CELL_U64},     {"price", "$/H", MLO_CELL_TEXT},
    {"stock", "STOCK", MLO_CELL_TEXT}, {"data_centers", "IN", MLO_CELL_TEXT},
};
static const struct mlo_column json_columns[] = {
    {"id", "", MLO_CELL_TEXT},
    {"name", "", MLO_CELL_TEXT},
    {"manufacturer", "", MLO_CELL_TEXT},
    {"pool", "", MLO_CELL_TEXT},
    {"memory_gb", "", MLO_CELL_U64},
    {"price", "", MLO_CELL_DOUBLE}, /* USD per hour for `count` of them */
    {"price_secure", "", MLO_CELL_DOUBLE},
    {"price_community", "", MLO_CELL_DOUBLE},
    {"price_serverless", "", MLO_CELL_DOUBLE},
    {"max_secure", "", MLO_CELL_U64},
    {"max_community", "", MLO_CELL_U64},
    {"stock", "", MLO_CELL_TEXT},
    {"data_centers", "", MLO_CELL_TEXT},
};

static int show(struct mlo_ctx *ctx, const struct mlo_runpod_candidate *list, size_t n, struct mlo_err *err)
{
    struct mlo_report *r = ctx->report;
    MLO_AUTOSTR struct mlo_str places;
    mlo_str_init(&places, MLO_STR_MAX);
    if (ctx->json)
        mlo_report_table(r, "gpus", NULL, json_columns, MLO_COUNT(json_columns), NULL);
    else
        mlo_report_table(r, "gpus", NULL, text_columns, MLO_COUNT(text_columns), "no GPU is like that");
    for (size_t i = 0; i < n; i++) {
        mlo_str_clear(&places);
        add_places(&places, list[i].gpu);
        if (ctx->json)
            json_row(r, &list[i], places.ptr);
        else
            text_row(r, &list[i], places.ptr);
    }
    return mlo_str_check(&places, err);
}

static int list_gpus(struct mlo_ctx *ctx, const struct opts *o, struct mlo_runpod_gpus *ret,
                     struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    struct mlo_runpod_catalog q = {.product = "POD",
                                   .count = o->count,
                                   .cloud = strcmp(o->cloud, "community") == 0 ? "COMMUNITY" : "SECURE"};
    int rc = mlo_ctx_runpod(ctx, &c, err);
    return rc != 0 ? rc : mlo_runpod_gpu_list(c, &q, ret, err);
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct opts *o = options;
    struct mlo_runpod_gpus gpus = {0};
    struct mlo_runpod_candidate *list = NULL;
    size_t n = 0, dear = 0;
    bool any = o->manufacturer && strcmp(o->manufacturer, "any") == 0;
    struct mlo_runpod_need need = {.min_memory_gb = o->min_vram,
                                   .count = o->count,
                                   .community = strcmp(o->cloud, "community") == 0,
                                   .ids = {(const char *const *)ctx->args, ctx->n_args},
                                   .data_centers = {o->dc.items, o->dc.n},
                                   .manufacturer = any ? "" : o->manufacturer,
                                   .slices = o->slices,
                                   .out_of_stock = o->all,
                                   .max_price = o->max_price};
    int rc = list_gpus(ctx, o, &gpus, err);
    if (rc == 0)
        rc = mlo_runpod_choose(&gpus, &need, &list, &n, &dear, err);
    if (rc == 0 && n && strcmp(o->sort, "price") != 0)
        qsort(list, n, sizeof *list, strcmp(o->sort, "vram") == 0 ? more_memory : more_stock);
    if (rc == 0)
        rc = show(ctx, list, n, err);
    if (rc == 0 && dear)
        mlo_report_note(ctx->report, "%zu more cost above --max-price", dear);
    free(list);
    mlo_runpod_gpus_release(&gpus);
    return rc;
}

static const struct mlo_example examples[] = {
    {"Which GPUs have 48 GB and cost at most a dollar an hour?",
     "mlopsctl runpod gpu --min-vram 48 --max-price 1"},
    {"Two H100s on one host", "mlopsctl runpod gpu H100 --count 2"},
    {0},
};

const struct mlo_command mlo_cmd_runpod_gpu = {
    .name = "gpu",
    .summary = "list GPU types with price, memory and stock",
    .synopsis = "[TYPE...]",
    .description =
        "The catalog for pods, the cheapest first; prices are for all GPUs together, in USD an hour.\n"
        "TYPE is an id, a name or the last words of one: `H200`, `RTX 4090`.",
    .opts = opts_table,
    .opts_size = sizeof(struct opts),
    .defaults = &defaults,
    .args = {.max = 32},
    .examples = examples,
    .run = run,
};

/* Which GPU types would do, and in which order to try them. Pure. */
#include <string.h>

#include <mlopsctl/runpod.h>

/* Without regard to case: does `text` hold `word` as whole words? */
static bool has_words(const char *text, const char *word)
{
    size_t w = strlen(word);
    for (const char *p = text; w && p && *p; p = strchr(p, ' ') ? strchr(p, ' ') + 1 : NULL)
        if (strncasecmp(p, word, w) == 0 && (p[w] == ' ' || p[w] == '\0'))
            return true;
    return false;
}

bool mlo_runpod_gpu_is(const struct mlo_runpod_gpu *gpu, const char *word)
{
    return has_words(gpu->id, word) || has_words(gpu->name, word);
}

static bool is_exactly(const struct mlo_runpod_gpu *g, const char *word)
{
    return (g->id && strcasecmp(g->id, word) == 0) || (g->name && strcasecmp(g->name, word) == 0);
}

/* A word that is all of some type's id or name means that type, not those that have more words. */
static bool is_named(const struct mlo_runpod_gpus *gpus, const struct mlo_runpod_gpu *g, const char *word)
{
    for (size_t i = 0; i < gpus->n; i++)
        if (is_exactly(&gpus->items[i], word))
            return is_exactly(g, word);
    return mlo_runpod_gpu_is(g, word);
}

static bool is_slice(const struct mlo_runpod_gpu *g)
{
    return strstr(g->id, " MIG ") != NULL;
}

/* The place of the first word that names this type: the user's order. n: none does. */
static size_t place_among(const struct mlo_runpod_gpus *gpus, const struct mlo_runpod_gpu *g,
                          const struct mlo_runpod_words *ids)
{
    size_t i = 0;
    while (i < ids->n && !is_named(gpus, g, ids->items[i]))
        i++;
    return i;
}

static bool kind_fits(const struct mlo_runpod_gpu *g, const struct mlo_runpod_need *need, size_t place)
{
    const char *maker = need->manufacturer ? need->manufacturer : "NVIDIA";
    if (!g->id || strcmp(g->id, "unknown") == 0 || g->memory_gb < need->min_memory_gb)
        return false;
    if (need->ids.n && place == need->ids.n)
        return false;
    if (need->ids.n && !need->manufacturer)
        return true; /* named: neither its maker nor being a slice matters */
    if (*maker && (!g->manufacturer || strcasecmp(g->manufacturer, maker) != 0))
        return false;
    return need->slices || need->ids.n || !is_slice(g);
}

/* For one GPU; 0 when it is not offered so. */
static double price_of_one(const struct mlo_runpod_gpu *g, const struct mlo_runpod_need *need)
{
    if (need->serverless)
        return g->price_serverless;
    if (need->community)
        return g->community ? g->price_community : 0;
    return g->secure ? g->price_secure : 0;
}

static uint64_t largest_host(const struct mlo_runpod_gpu *g, const struct mlo_runpod_need *need)
{
    uint64_t more = g->max_secure > g->max_community ? g->max_secure : g->max_community;
    if (need->serverless)
        return more;
    return need->community ? g->max_community : g->max_secure;
}

static enum mlo_runpod_stock stock_of(const struct mlo_runpod_gpu *g, const struct mlo_runpod_words *centers)
{
    enum mlo_runpod_stock best = MLO_RUNPOD_STOCK_NONE;
    if (!centers->n || g->stock == MLO_RUNPOD_STOCK_UNKNOWN)
        return g->stock;
    for (size_t i = 0; i < g->data_centers.n; i++)
        for (size_t k = 0; k < centers->n; k++) {
            const struct mlo_runpod_place *p = &g->data_centers.items[i];
            if (p->id && p->stock > best && strcasecmp(p->id, centers->items[k]) == 0)
                best = p->stock;
        }
    return best;
}

struct ranked {
    struct mlo_runpod_candidate c;
    size_t place;
};

static int by_rank(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->place != y->place)
        return x->place < y->place ? -1 : 1;
    if (x->c.price < y->c.price || x->c.price > y->c.price)
        return x->c.price < y->c.price ? -1 : 1;
    if (x->c.stock != y->c.stock)
        return x->c.stock > y->c.stock ? -1 : 1;
    return strcmp(x->c.gpu->id, y->c.gpu->id);
}

static bool consider(const struct mlo_runpod_gpus *gpus, const struct mlo_runpod_gpu *g,
                     const struct mlo_runpod_need *need, struct ranked *ret, size_t *dear)
{
    uint64_t count = need->count ? need->count : 1;
    double price = price_of_one(g, need) * (double)count;
    enum mlo_runpod_stock stock = stock_of(g, &need->data_centers);
    size_t place = place_among(gpus, g, &need->ids);
    if (!kind_fits(g, need, place) || !(price > 0) || largest_host(g, need) < count)
        return false;
    if (stock == MLO_RUNPOD_STOCK_NONE && !need->out_of_stock)
        return false;
    if (need->max_price > 0 && price > need->max_price) {
        ++*dear;
        return false;
    }
    *ret = (struct ranked){.c = {.gpu = g, .price = price, .stock = stock}, .place = place};
    return true;
}

int mlo_runpod_choose(const struct mlo_runpod_gpus *gpus, const struct mlo_runpod_need *need,
                      struct mlo_runpod_candidate **ret, size_t *ret_n, size_t *ret_dear, struct mlo_err *err)
{
    size_t n = 0, dear = 0;
    MLO_AUTOFREE struct ranked *ranked = mlo_calloc(gpus->n + 1, sizeof *ranked, err);
    struct mlo_runpod_candidate *list = ranked ? mlo_calloc(gpus->n + 1, sizeof *list, err) : NULL;
    if (!list)
        return MLO_EIO;
    for (size_t i = 0; i < gpus->n; i++)
        n += consider(gpus, &gpus->items[i], need, &ranked[n], &dear);
    if (n)
        qsort(ranked, n, sizeof *ranked, by_rank);
    for (size_t i = 0; i < n; i++)
        list[i] = ranked[i].c;
    *ret = list;
    *ret_n = n;
    if (ret_dear)
        *ret_dear = dear;
    return 0;
}

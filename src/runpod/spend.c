/* Money: limits before it is spent, bills added up afterwards, what the month will come to. Pure. */
#include <math.h>
#include <string.h>
#include <time.h>

#include <mlopsctl/base/time.h>
#include <mlopsctl/runpod.h>

#define NS_PER_HOUR (3600.0 * (double)MLO_NS_PER_S)
#define NS_PER_DAY  (24 * 3600 * MLO_NS_PER_S)
#define STOPPED_GB_MONTH                                                                                     \
    0.20 /* USD, of a persistent mount; as mlo_runpod_volume_price a figure that may move */
#define CENT_FRACTION 0.00005 /* what an hourly price may differ by rounding */

/* ---- limits ---- */

int mlo_runpod_afford(const struct mlo_runpod_limits *l, double price, struct mlo_err *err)
{
    double hours = (double)l->lease_ns / NS_PER_HOUR;
    if (l->max_total > 0 && !l->lease_ns) {
        mlo_fail(err, MLO_EUSAGE, "--max-total needs a lease: without one there is no end to the cost");
        return mlo_hint(err, "say how long it may live with --lease 2h");
    }
    if (!isfinite(price) || price < 0)
        return mlo_fail(err, MLO_EINVALID, "the price is not a number");
    if (l->max_price > 0 && price > l->max_price + CENT_FRACTION)
        return mlo_fail(err, MLO_EUNAVAIL, "it costs %.2f USD an hour, above --max-price %.2f", price,
                        l->max_price);
    if (l->max_total > 0 && price * hours > l->max_total + CENT_FRACTION)
        return mlo_fail(err, MLO_EUNAVAIL, "%.1f hours at %.2f USD are %.2f USD, above --max-total %.2f",
                        hours, price, price * hours, l->max_total);
    return 0;
}

double mlo_runpod_stopped_price(const struct mlo_runpod_pod *pod)
{
    bool stopped = pod->status == MLO_RUNPOD_POD_EXITED || pod->status == MLO_RUNPOD_POD_ERROR;
    return stopped ? (double)pod->persistent_gb * STOPPED_GB_MONTH / MLO_RUNPOD_HOURS_A_MONTH : 0;
}

/* ---- bills ---- */

void mlo_runpod_spend_release(struct mlo_runpod_spend *s)
{
    for (size_t i = 0; i < s->n_resources; i++)
        free(s->resources[i].id);
    free(s->resources);
    free(s->days);
    *s = (struct mlo_runpod_spend){0};
}

static int add(struct mlo_runpod_spent **list, size_t *n, size_t *cap, struct mlo_runpod_spent row,
               struct mlo_err *err)
{
    if (mlo_grow(list, cap, *n + 1, sizeof **list, err))
        return err->code;
    (*list)[(*n)++] = row;
    return 0;
}

static int add_record(struct mlo_runpod_spend *s, enum mlo_runpod_bill family,
                      const struct mlo_runpod_record *r, struct mlo_err *err)
{
    struct mlo_runpod_spent day = {.day_ns = r->from_ns - r->from_ns % NS_PER_DAY, .usd = r->total};
    struct mlo_runpod_spent resource = {.family = family, .usd = r->total};
    if (!isfinite(r->total))
        return mlo_fail(err, MLO_EINVALID, "billing: an amount is not a number");
    if (add(&s->days, &s->n_days, &s->cap_days, day, err))
        return err->code;
    resource.id = mlo_strdup(r->id ? r->id : "", err);
    if (resource.id && add(&s->resources, &s->n_resources, &s->cap_resources, resource, err) == 0)
        return 0;
    free(resource.id);
    return err->code;
}

/* Beginning of the month of `ns`, `later` months on. */
static int64_t month_of(int64_t ns, int later)
{
    time_t t = (time_t)(ns / MLO_NS_PER_S);
    struct tm tm = {0};
    gmtime_r(&t, &tm);
    struct tm first = {.tm_year = tm.tm_year, .tm_mon = tm.tm_mon + later, .tm_mday = 1};
    return (int64_t)timegm(&first) * MLO_NS_PER_S;
}

int mlo_runpod_spend_add(struct mlo_runpod_spend *s, enum mlo_runpod_bill family,
                         const struct mlo_runpod_billing *bills, int64_t now_ns, struct mlo_err *err)
{
    int64_t month = month_of(now_ns, 0);
    for (size_t i = 0; i < bills->n; i++) {
        const struct mlo_runpod_record *r = &bills->items[i];
        if (add_record(s, family, r, err))
            return err->code;
        s->total += r->total;
        s->this_month += r->from_ns >= month ? r->total : 0;
    }
    return 0;
}

static int by_resource(const void *a, const void *b)
{
    const struct mlo_runpod_spent *x = a, *y = b;
    return x->family != y->family ? (x->family > y->family) - (x->family < y->family) : strcmp(x->id, y->id);
}

static int by_cost(const void *a, const void *b)
{
    const struct mlo_runpod_spent *x = a, *y = b;
    if (x->usd < y->usd || x->usd > y->usd)
        return x->usd > y->usd ? -1 : 1;
    return by_resource(a, b);
}

static int by_day(const void *a, const void *b)
{
    const struct mlo_runpod_spent *x = a, *y = b;
    return (x->day_ns > y->day_ns) - (x->day_ns < y->day_ns);
}

/* Rows that `cmp` holds for the same become one. */
static size_t merge(struct mlo_runpod_spent *list, size_t n, int (*cmp)(const void *, const void *))
{
    size_t kept = 0;
    if (n)
        qsort(list, n, sizeof *list, cmp);
    for (size_t i = 0; i < n; i++)
        if (kept && cmp(&list[kept - 1], &list[i]) == 0) {
            list[kept - 1].usd += list[i].usd;
            free(list[i].id);
        } else {
            list[kept++] = list[i];
        }
    return kept;
}

void mlo_runpod_spend_sum(struct mlo_runpod_spend *s)
{
    s->n_days = merge(s->days, s->n_days, by_day);
    s->n_resources = merge(s->resources, s->n_resources, by_resource);
    if (s->n_resources)
        qsort(s->resources, s->n_resources, sizeof *s->resources, by_cost);
}

double mlo_runpod_month_forecast(double spent_this_month, double rate, int64_t now_ns)
{
    return spent_this_month + rate * (double)(month_of(now_ns, 1) - now_ns) / NS_PER_HOUR;
}

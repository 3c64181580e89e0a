/* mlopsctl runpod cost: what was spent by day and by resource, what it will come to, and what of it is idle.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/time.h>

#include "runpod.h"

#define DAY_NS    (24 * 3600 * MLO_NS_PER_S)
#define DAYS_MAX  366
#define BAR_WIDTH 32

struct opts {
    uint64_t days;
    bool csv;
};
static const struct opts defaults = {.days = 30};

static const struct mlo_opt opts_table[] = {
    {.name = "days",
     .type = MLO_OPT_U64,
     .arg = "N",
     .help = "how far back",
     .offset = offsetof(struct opts, days),
     .min = 1,
     .max = DAYS_MAX},
    {.name = "csv",
     .type = MLO_OPT_FLAG,
     .help = "the bills as CSV: day, kind, id, USD",
     .offset = offsetof(struct opts, csv)},
    {0},
};

struct account {
    struct mlo_ctx *ctx;
    const struct opts *o;
    struct mlo_runpod *c;
    int64_t now, from;
    struct mlo_runpod_billing bills[3];
    struct mlo_runpod_pods pods;
    struct mlo_runpod_endpoints endpoints;
    struct mlo_runpod_volumes volumes;
    struct mlo_runpod_gpus gpus;
    struct mlo_runpod_cpus cpus;
    struct mlo_runpod_spend spend; /* of the last `days` */
    double this_month;             /* billed since its beginning */
    double rate;                   /* USD an hour now */
};
static const struct {
    enum mlo_runpod_bill bill;
    const char *word;
} families[] = {{MLO_RUNPOD_BILL_PODS, "pod"},
                {MLO_RUNPOD_BILL_ENDPOINTS, "endpoint"},
                {MLO_RUNPOD_BILL_VOLUMES, "volume"}};

static const char *word_of(enum mlo_runpod_bill f)
{
    size_t i = 0;
    while (i + 1 < MLO_COUNT(families) && families[i].bill != f)
        i++;
    return families[i].word;
}

/* ---- reading ---- */

static int read_bills(struct account *a, struct mlo_err *err)
{
    /* Enough for the month so far, whatever was asked for. */
    int64_t most = a->now - 31 * DAY_NS;
    struct mlo_runpod_billing_query q = {.from_ns = a->from < most ? a->from : most};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < MLO_COUNT(families); i++) {
        q.family = families[i].bill;
        rc = mlo_runpod_billing(a->c, &q, &a->bills[i], err);
    }
    return rc;
}

static int read_things(struct account *a, struct mlo_err *err)
{
    int rc = mlo_runpod_pod_list(a->c, &a->pods, err);
    if (rc == 0)
        rc = mlo_runpod_endpoint_list(a->c, &a->endpoints, err);
    if (rc == 0)
        rc = mlo_runpod_volume_list(a->c, &a->volumes, err);
    if (rc == 0 && a->endpoints.n)
        rc = mlo_runpod_gpu_list(a->c, &(struct mlo_runpod_catalog){0}, &a->gpus, err);
    if (rc == 0 && a->endpoints.n)
        rc = mlo_runpod_cpu_list(a->c, &(struct mlo_runpod_catalog){0}, &a->cpus, err);
    return rc;
}

/* Of the records, those from `from` on. */
static int add_since(struct mlo_runpod_spend *s, const struct account *a, size_t family, int64_t from,
                     struct mlo_err *err)
{
    struct mlo_runpod_record *first = a->bills[family].items;
    for (size_t i = 0; i < a->bills[family].n; i++)
        if (first[i].from_ns >= from &&
            mlo_runpod_spend_add(s, families[family].bill, &(struct mlo_runpod_billing){&first[i], 1}, a->now,
                                 err))
            return err->code;
    return 0;
}

static int add_up(struct account *a, struct mlo_err *err)
{
    struct mlo_runpod_spend all = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < MLO_COUNT(families); i++) {
        rc = add_since(&a->spend, a, i, a->from - a->from % DAY_NS, err);
        if (rc == 0)
            rc = add_since(&all, a, i, 0, err);
    }
    mlo_runpod_spend_sum(&a->spend);
    a->this_month = all.this_month;
    mlo_runpod_spend_release(&all);
    return rc;
}

static double always(const struct account *a, const struct mlo_runpod_endpoint *e)
{
    double usd = mlo_runpod_endpoint_price(e, &a->gpus, &a->cpus).always;
    return isnan(usd) ? 0 : usd;
}

static double volume_rate(const struct mlo_runpod_volume *v)
{
    double month = mlo_runpod_volume_price(v->size_gb, v->type);
    return isnan(month) ? 0 : month / MLO_RUNPOD_HOURS_A_MONTH;
}

static void present_rate(struct account *a)
{
    for (size_t i = 0; i < a->pods.n; i++)
        a->rate += a->pods.items[i].cost + mlo_runpod_stopped_price(&a->pods.items[i]);
    for (size_t i = 0; i < a->endpoints.n; i++)
        a->rate += always(a, &a->endpoints.items[i]);
    for (size_t i = 0; i < a->volumes.n; i++)
        a->rate += volume_rate(&a->volumes.items[i]);
}

/* ---- showing ---- */

static const char *name_of(const struct account *a, const struct mlo_runpod_spent *s)
{
    for (size_t i = 0; s->family == MLO_RUNPOD_BILL_PODS && i < a->pods.n; i++)
        if (strcmp(a->pods.items[i].id, s->id) == 0)
            return a->pods.items[i].name;
    for (size_t i = 0; s->family == MLO_RUNPOD_BILL_ENDPOINTS && i < a->endpoints.n; i++)
        if (strcmp(a->endpoints.items[i].id, s->id) == 0)
            return a->endpoints.items[i].name;
    for (size_t i = 0; s->family == MLO_RUNPOD_BILL_VOLUMES && i < a->volumes.n; i++)
        if (strcmp(a->volumes.items[i].id, s->id) == 0)
            return a->volumes.items[i].name;
    return NULL;
}

static void show_usd(struct mlo_report *r, const struct mlo_ctx *ctx, const char *key, const char *title,
                     double usd)
{
    char text[MLO_USD_MAX];
    if (ctx->json)
        mlo_report_double(r, key, title, usd);
    else
        mlo_report_text(r, key, title, mlo_usd(usd, text));
}

static void cell_usd(struct mlo_report *r, const struct mlo_ctx *ctx, double usd)
{
    char text[MLO_USD_MAX];
    if (ctx->json)
        mlo_cell_double(r, usd);
    else
        mlo_cell_text(r, mlo_usd(usd, text));
}

static const char *bar(double usd, double most, char buf[BAR_WIDTH + 1])
{
    int n = most > 0 && usd > 0 ? (int)ceil(usd / most * BAR_WIDTH) : 0;
    memset(buf, '#', (size_t)n);
    buf[n] = '\0';
    return buf;
}

static void show_days(const struct account *a)
{
    struct mlo_report *r = a->ctx->report;
    const struct mlo_column columns[] = {{"day", "DAY", MLO_CELL_TEXT},
                                         {"usd", "USD", a->ctx->json ? MLO_CELL_DOUBLE : MLO_CELL_TEXT},
                                         {"bar", "", MLO_CELL_TEXT}};
    double most = 0;
    for (size_t i = 0; i < a->spend.n_days; i++)
        most = fmax(most, a->spend.days[i].usd);
    mlo_report_table(r, "days", NULL, columns, a->ctx->json ? 2 : 3, "nothing was billed");
    for (size_t i = 0; i < a->spend.n_days; i++) {
        char day[MLO_RFC3339_MAX], text[BAR_WIDTH + 1];
        mlo_time_rfc3339(a->spend.days[i].day_ns, day);
        day[strcspn(day, "T")] = '\0';
        mlo_cell_text(r, day);
        cell_usd(r, a->ctx, a->spend.days[i].usd);
        if (!a->ctx->json)
            mlo_cell_text(r, bar(a->spend.days[i].usd, most, text));
    }
}

static void show_resources(const struct account *a)
{
    struct mlo_report *r = a->ctx->report;
    const struct mlo_column columns[] = {{"kind", "KIND", MLO_CELL_TEXT},
                                         {"id", "ID", MLO_CELL_TEXT},
                                         {"name", "NAME", MLO_CELL_TEXT},
                                         {"usd", "USD", a->ctx->json ? MLO_CELL_DOUBLE : MLO_CELL_TEXT}};
    mlo_report_table(r, "resources", NULL, columns, MLO_COUNT(columns), NULL);
    for (size_t i = 0; i < a->spend.n_resources; i++) {
        const struct mlo_runpod_spent *s = &a->spend.resources[i];
        const char *name = name_of(a, s);
        mlo_cell_text(r, word_of(s->family));
        mlo_cell_text(r, s->id);
        mlo_cell_text(r, name || a->ctx->json ? name : "(gone)");
        cell_usd(r, a->ctx, s->usd);
    }
}

/* ---- what is idle ---- */

static bool is_used(const struct account *a, const struct mlo_runpod_volume *v)
{
    for (size_t i = 0; i < a->pods.n; i++)
        if (a->pods.items[i].volume && strcmp(a->pods.items[i].volume, v->id) == 0)
            return true;
    for (size_t i = 0; i < a->endpoints.n; i++)
        for (size_t k = 0; k < a->endpoints.items[i].volumes.n; k++)
            if (strcmp(a->endpoints.items[i].volumes.items[k], v->id) == 0)
                return true;
    return false;
}

static void idle_row(const struct account *a, const char *kind, const char *id, const char *name,
                     const char *why, double rate)
{
    struct mlo_report *r = a->ctx->report;
    mlo_cell_text(r, kind);
    mlo_cell_text(r, id);
    mlo_cell_text(r, name);
    mlo_cell_text(r, why);
    cell_usd(r, a->ctx, rate * 24);
}

static void show_idle(const struct account *a)
{
    const struct mlo_column columns[] = {
        {"kind", "IDLE", MLO_CELL_TEXT},
        {"id", "ID", MLO_CELL_TEXT},
        {"name", "NAME", MLO_CELL_TEXT},
        {"why", "WHY", MLO_CELL_TEXT},
        {"usd_a_day", "USD/DAY", a->ctx->json ? MLO_CELL_DOUBLE : MLO_CELL_TEXT}};
    mlo_report_table(a->ctx->report, "idle", NULL, columns, MLO_COUNT(columns), NULL);
    for (size_t i = 0; i < a->pods.n; i++) {
        const struct mlo_runpod_pod *p = &a->pods.items[i];
        if (mlo_pod_is_idle(p))
            idle_row(a, "pod", p->id, p->name, p->gpu ? "its GPUs do nothing" : "its CPU does nothing",
                     p->cost);
        else if (mlo_runpod_stopped_price(p) > 0)
            idle_row(a, "pod", p->id, p->name, "stopped, its disk costs", mlo_runpod_stopped_price(p));
    }
    for (size_t i = 0; i < a->endpoints.n; i++) {
        const struct mlo_runpod_endpoint *e = &a->endpoints.items[i];
        if (e->workers_min)
            idle_row(a, "endpoint", e->id, e->name, "workers that always run", always(a, e));
    }
    for (size_t i = 0; i < a->volumes.n; i++)
        if (!is_used(a, &a->volumes.items[i]))
            idle_row(a, "volume", a->volumes.items[i].id, a->volumes.items[i].name, "nobody mounts it",
                     volume_rate(&a->volumes.items[i]));
}

static void show(const struct account *a)
{
    struct mlo_report *r = a->ctx->report;
    char title[32];
    snprintf(title, sizeof title, "last %llu days", (unsigned long long)a->o->days);
    show_usd(r, a->ctx, "spent", title, a->spend.total);
    show_usd(r, a->ctx, "this_month", "this month so far", a->this_month);
    show_usd(r, a->ctx, "month_forecast", "by the end of the month",
             mlo_runpod_month_forecast(a->this_month, a->rate, a->now));
    show_usd(r, a->ctx, "usd_an_hour", "now, an hour", a->rate);
    show_usd(r, a->ctx, "usd_a_day", "now, a day", a->rate * 24);
    show_days(a);
    show_resources(a);
    show_idle(a);
}

/* ---- CSV ---- */

static void csv_field(struct mlo_str *out, const char *text)
{
    mlo_str_addc(out, '"');
    for (; *text; text++)
        mlo_str_addf(out, *text == '"' ? "\"\"" : "%c", *text);
    mlo_str_addc(out, '"');
}

static int show_csv(const struct account *a, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str out;
    mlo_str_init(&out, MLO_STR_MAX);
    mlo_str_add(&out, "day,kind,id,usd\n");
    for (size_t f = 0; f < MLO_COUNT(families); f++)
        for (size_t i = 0; i < a->bills[f].n; i++) {
            const struct mlo_runpod_record *b = &a->bills[f].items[i];
            char day[MLO_RFC3339_MAX];
            if (b->from_ns < a->from - a->from % DAY_NS)
                continue;
            mlo_time_rfc3339(b->from_ns, day);
            mlo_str_addf(&out, "%.10s,%s,", day, families[f].word);
            csv_field(&out, b->id ? b->id : "");
            mlo_str_addf(&out, ",%.6f\n", b->total);
        }
    if (mlo_str_check(&out, err))
        return err->code;
    mlo_report_raw(a->ctx->report, "csv", out.ptr);
    return 0;
}

static void release(struct account *a)
{
    for (size_t i = 0; i < MLO_COUNT(a->bills); i++)
        mlo_runpod_billing_release(&a->bills[i]);
    mlo_runpod_pods_release(&a->pods);
    mlo_runpod_endpoints_release(&a->endpoints);
    mlo_runpod_volumes_release(&a->volumes);
    mlo_runpod_gpus_release(&a->gpus);
    mlo_runpod_cpus_release(&a->cpus);
    mlo_runpod_spend_release(&a->spend);
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct account a = {.ctx = ctx, .o = options};
    int rc = mlo_ctx_runpod(ctx, &a.c, err);
    if (rc == 0)
        rc = read_things(&a, err);
    if (rc == 0) {
        a.now = mlo_runpod_time(a.c);
        a.from = a.now - (int64_t)a.o->days * DAY_NS;
        rc = read_bills(&a, err);
    }
    if (rc == 0)
        rc = add_up(&a, err);
    if (rc == 0) {
        present_rate(&a);
        if (a.o->csv)
            rc = show_csv(&a, err);
        else
            show(&a);
    }
    release(&a);
    return rc;
}

static const struct mlo_example examples[] = {
    {"What was spent, what it will come to, what is idle", "mlopsctl runpod cost"},
    {"The bills of a week for a spreadsheet", "mlopsctl runpod cost --days 7 --csv"},
    {0},
};

const struct mlo_command mlo_cmd_runpod_cost = {
    .name = "cost",
    .summary = "show what was spent, the forecast, and what is idle",
    .synopsis = "",
    .description =
        "Bills by day and by resource, as RunPod gives them (UTC days, with some hours of delay). The "
        "forecast takes\n"
        "what the month was billed so far and what runs now until its end. Prices of stopped disks and "
        "volumes are\n"
        "those of RunPod's list; workers that come and go with requests are not in the present rate.",
    .opts = opts_table,
    .opts_size = sizeof(struct opts),
    .defaults = &defaults,
    .examples = examples,
    .run = run,
};

/* Limits on what may be spent, bills added up, the forecast. */
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/base/time.h>
#include <mlopsctl/runpod.h>

#define HOUR ((uint64_t)3600 * MLO_NS_PER_S)

static int64_t at(const char *text)
{
    int64_t ns = 0;
    struct mlo_err err = MLO_ERR_INIT;
    check_ok(mlo_time_parse(text, &ns, &err), &err);
    return ns;
}

static void limits_hold(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_runpod_limits l = {.max_price = 0.5, .max_total = 1, .lease_ns = 2 * HOUR};
    check_ok(mlo_runpod_afford(&l, 0.5, &err), &err);
    check_ok(mlo_runpod_afford(&l, 0.1 * 5, &err), &err);
    check_err(mlo_runpod_afford(&l, 0.51, &err), MLO_EUNAVAIL, &err, "above --max-price 0.50");
    l.lease_ns = 3 * HOUR;
    check_err(mlo_runpod_afford(&l, 0.4, &err), MLO_EUNAVAIL, &err, "are 1.20 USD, above --max-total 1.00");
    l.lease_ns = 0;
    check_err(mlo_runpod_afford(&l, 0.4, &err), MLO_EUSAGE, &err, "--max-total needs a lease");
    check_err(mlo_runpod_afford(&(struct mlo_runpod_limits){0}, NAN, &err), MLO_EINVALID, &err,
              "not a number");
    check_ok(mlo_runpod_afford(&(struct mlo_runpod_limits){0}, 1e6, &err), &err);
}

static void a_stopped_disk_costs(void)
{
    struct mlo_runpod_pod p = {.status = MLO_RUNPOD_POD_EXITED, .persistent_gb = 365};
    check(fabs(mlo_runpod_stopped_price(&p) - 0.1) < 1e-12, "0.20 USD a GB and month");
    p.status = MLO_RUNPOD_POD_RUNNING;
    check(mlo_runpod_stopped_price(&p) == 0, "running: in its cost");
}

static struct mlo_runpod_record record(const char *id, const char *from, double usd)
{
    return (struct mlo_runpod_record){.id = (char *)(uintptr_t)id, .from_ns = at(from), .total = usd};
}

static int add_and_sum(struct mlo_runpod_spend *s, struct mlo_err *err)
{
    struct mlo_runpod_record pods[] = {record("p1", "2026-10-31T00:00:00Z", 1),
                                       record("p2", "2026-11-01T00:00:00Z", 5),
                                       record("p1", "2026-11-01T12:00:00Z", 2)};
    struct mlo_runpod_record volumes[] = {record("p1", "2026-11-02T00:00:00Z", 0.5)};
    int rc = mlo_runpod_spend_add(s, MLO_RUNPOD_BILL_PODS, &(struct mlo_runpod_billing){pods, 3},
                                  at("2026-11-21T12:00:00Z"), err);
    if (rc == 0)
        rc = mlo_runpod_spend_add(s, MLO_RUNPOD_BILL_VOLUMES, &(struct mlo_runpod_billing){volumes, 1},
                                  at("2026-11-21T12:00:00Z"), err);
    if (rc == 0)
        mlo_runpod_spend_sum(s);
    return rc;
}

static void bills_become_rows(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_runpod_spend s = {0};
    check_ok(add_and_sum(&s, &err), &err);
    check(s.total == 8.5 && s.this_month == 7.5, "sums");
    if (check(s.n_resources == 3 && s.n_days == 3, "rows")) {
        check_str(s.resources[0].id, "p2");
        check(s.resources[1].usd == 3 && s.resources[1].family == MLO_RUNPOD_BILL_PODS, "p1 twice");
        check(s.resources[2].usd == 0.5 && s.resources[2].family == MLO_RUNPOD_BILL_VOLUMES,
              "a volume of that id");
        check(s.days[0].day_ns == at("2026-10-31T00:00:00Z") && s.days[1].usd == 7, "days");
    }
    mlo_runpod_spend_release(&s);
}

static void no_bills_are_no_rows(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_runpod_spend s = {0};
    struct mlo_runpod_record bad = record("p", "2026-11-01T00:00:00Z", INFINITY);
    mlo_runpod_spend_sum(&s);
    check(s.n_days == 0 && s.total == 0, "nothing");
    check_err(mlo_runpod_spend_add(&s, MLO_RUNPOD_BILL_PODS, &(struct mlo_runpod_billing){&bad, 1}, 0, &err),
              MLO_EINVALID, &err, "not a number");
    mlo_runpod_spend_release(&s);
}

static void the_month_goes_on_at_the_present_rate(void)
{
    check(fabs(mlo_runpod_month_forecast(10, 1, at("2026-11-30T22:00:00Z")) - 12) < 1e-9, "two hours");
    check(fabs(mlo_runpod_month_forecast(0, 2, at("2026-12-31T00:00:00Z")) - 48) < 1e-9,
          "into the next year");
    check(fabs(mlo_runpod_month_forecast(3, 0, at("2028-02-29T12:00:00Z")) - 3) < 1e-9, "nothing runs");
}

static int sum_once(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_runpod_spend s = {0};
    int rc = add_and_sum(&s, &err);
    mlo_runpod_spend_release(&s);
    return rc;
}

static void memory_may_run_out(void)
{
    check(each_alloc_failure(sum_once) >= 6, "allocations");
}

int main(void)
{
    run(limits_hold);
    run(a_stopped_disk_costs);
    run(bills_become_rows);
    run(no_bills_are_no_rows);
    run(the_month_goes_on_at_the_present_rate);
    run(memory_may_run_out);
    return done_testing();
}

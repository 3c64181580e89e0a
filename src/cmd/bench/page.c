/* bench --html: what was measured, or the history of it, as a page. */
#include <string.h>

#include "bench.h"
#include "cmd/shared/tables.h"

static const struct mlo_times *times_before(const struct mlo_bench *b, size_t batch)
{
    const struct mlo_bench_case *before = mlo_bench_result_find(b->has_kept ? &b->kept : &b->other, batch);
    return before ? &before->measured.times : NULL;
}

int mlo_bench_write_page(const struct mlo_bench *b, const struct mlo_compared *c, size_t n,
                         struct mlo_err *err)
{
    struct mlo_page_case cases[MLO_BENCH_BATCHES] = {0};
    struct mlo_bench_page page = {.result = &b->result,
                                  .against = b->args->against,
                                  .gate = b->gate,
                                  .limits = b->n_explained > b->n_on_device ? &b->limits : NULL,
                                  .device_limits = b->n_on_device > 0 ? &b->device_limits : NULL,
                                  .cases = cases,
                                  .n = b->result.n < MLO_BENCH_BATCHES ? b->result.n : MLO_BENCH_BATCHES};
    MLO_AUTOSTR struct mlo_str text;
    for (size_t i = 0; i < page.n; i++) {
        const struct mlo_bench_case *from = &b->result.cases[i];
        cases[i] = (struct mlo_page_case){.batch = from->batch,
                                          .measured = &from->measured,
                                          .before = i < n ? times_before(b, from->batch) : NULL,
                                          .compared = i < n ? &c[i] : NULL,
                                          .explained = i < b->n_explained ? &b->explained[i] : NULL};
    }
    mlo_str_init(&text, MLO_STR_MAX);
    int rc = mlo_bench_html(&page, &text, err);
    return rc == 0 ? mlo_result_write(b->args->html, &text, err) : rc;
}

int mlo_bench_write_history(const struct mlo_bench *b, const struct mlo_history_line *lines, size_t n,
                            struct mlo_err *err)
{
    struct mlo_history_page page = {&b->result, lines, n};
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    int rc = mlo_history_html(&page, &text, err);
    return rc == 0 ? mlo_result_write(b->args->html, &text, err) : rc;
}

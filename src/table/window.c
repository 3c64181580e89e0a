#include "window.h"

#include <string.h>

struct mlo_gathered { /* arrays of one column */
    uint8_t *cell;
    double *numbers;
    int64_t *times;
    struct mlo_slice *texts;
    uint32_t *codes;
    size_t cap_cell, cap_numbers, cap_times, cap_texts, cap_codes;
};

static bool is_within(const struct mlo_window *w, int64_t ns)
{
    return (w->from_ns == 0 || ns >= w->from_ns) && (w->to_ns == 0 || ns < w->to_ns);
}

/* Rows to keep, into mem->kept. */
static size_t choose(const struct mlo_window *w, struct mlo_window_worker *mem, const struct mlo_batch *in)
{
    const struct mlo_batch_column *time = &in->columns[w->column];
    size_t n = 0;
    int64_t t = 0;
    for (size_t r = 0; r < in->n_rows; r++) {
        if (!mlo_batch_time(time, r, &t))
            mem->undated++;
        else if (!is_within(w, t))
            mem->outside++;
        else
            mem->kept[n++] = r;
    }
    return n;
}

/* `from` at the kept rows, into the array *(void **)pto; *ret is it. An array that is not there stays away.
 */
static int gather(const struct mlo_window_worker *mem, size_t n, const void *from, size_t size, void *pto,
                  size_t *cap, const void *ret, struct mlo_err *err)
{
    if (!from)
        return 0;
    int rc = mlo_grow(pto, cap, n + 1, size, err);
    char *to = *(void **)pto;
    for (size_t i = 0; rc == 0 && i < n; i++)
        memcpy(to + i * size, (const char *)from + mem->kept[i] * size, size);
    if (rc == 0)
        *(const void **)(uintptr_t)ret = to;
    return rc;
}

static int gather_column(struct mlo_window_worker *mem, size_t n, const struct mlo_batch_column *from,
                         struct mlo_gathered *g, struct mlo_batch_column *ret, struct mlo_err *err)
{
    *ret = (struct mlo_batch_column){.dictionary = from->dictionary, .n_dictionary = from->n_dictionary};
    int rc = gather(mem, n, from->cell, sizeof *g->cell, &g->cell, &g->cap_cell, &ret->cell, err);
    if (rc == 0)
        rc = gather(mem, n, from->numbers, sizeof *g->numbers, &g->numbers, &g->cap_numbers, &ret->numbers,
                    err);
    if (rc == 0)
        rc = gather(mem, n, from->times, sizeof *g->times, &g->times, &g->cap_times, &ret->times, err);
    if (rc == 0)
        rc = gather(mem, n, from->texts, sizeof *g->texts, &g->texts, &g->cap_texts, &ret->texts, err);
    if (rc == 0)
        rc = gather(mem, n, from->codes, sizeof *g->codes, &g->codes, &g->cap_codes, &ret->codes, err);
    return rc;
}

static int make_columns(struct mlo_window_worker *mem, size_t n, struct mlo_err *err)
{
    mem->columns = mlo_calloc(n + 1, sizeof *mem->columns, err);
    mem->gathered = mlo_calloc(n + 1, sizeof *mem->gathered, err);
    mem->n_columns = mem->gathered ? n : 0;
    return mem->columns && mem->gathered ? 0 : MLO_EIO;
}

int mlo_window_rows(const struct mlo_window *w, struct mlo_window_worker *mem, const struct mlo_batch *in,
                    size_t n_columns, struct mlo_batch *ret, struct mlo_err *err)
{
    int rc = mem->columns ? 0 : make_columns(mem, n_columns, err);
    if (rc == 0)
        rc = mlo_grow(&mem->kept, &mem->cap_kept, in->n_rows + 1, sizeof *mem->kept, err);
    if (rc == 0)
        rc = mlo_grow(&mem->lines, &mem->cap_lines, in->n_rows + 1, sizeof *mem->lines, err);
    size_t n = rc == 0 ? choose(w, mem, in) : 0;
    for (size_t i = 0; rc == 0 && i < n; i++)
        mem->lines[i] = in->lines ? in->lines[mem->kept[i]] : mem->kept[i];
    for (size_t c = 0; rc == 0 && c < n_columns; c++)
        rc = gather_column(mem, n, &in->columns[c], &mem->gathered[c], &mem->columns[c], err);
    if (rc != 0)
        return rc;
    *ret = *in;
    ret->first_row = UINT64_MAX;
    ret->n_rows = n;
    ret->n_columns = n_columns;
    ret->columns = mem->columns;
    ret->lines = mem->lines;
    return 0;
}

void mlo_window_release(struct mlo_window_worker *mem)
{
    for (size_t c = 0; c < mem->n_columns; c++) {
        free(mem->gathered[c].cell);
        free(mem->gathered[c].numbers);
        free(mem->gathered[c].times);
        free(mem->gathered[c].texts);
        free(mem->gathered[c].codes);
    }
    free(mem->columns);
    free(mem->gathered);
    free(mem->kept);
    free(mem->lines);
    *mem = (struct mlo_window_worker){0};
}

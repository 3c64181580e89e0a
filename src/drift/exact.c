/*
 * The values of a table's number columns, for statistics without bins. Every worker fills a buffer of its own
 * for each column; full ones stay in memory up to MEMORY_MAX and are then written to one temporary file
 * without a name. A column is sorted when it is asked for: in memory, or, when it is longer than that, in
 * sorted runs on disk that are merged into a file which is mapped, so that the kernel keeps as much of it as
 * it has room for.
 */
#include "exact.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>

#define BUFFER_MAX   ((size_t)8192) /* values */
#define BUFFER_MIN   ((size_t)512)
#define BUFFERS_ALL  ((size_t)1 << 20) /* values in all buffers of a table, as far as BUFFER_MIN allows */
#define MEMORY_MAX   ((size_t)3 << 20) /* values of a table that stay in memory */
#define MERGE_BUFFER ((size_t)1 << 15)

struct chunk {
    double *values; /* NULL: in the file */
    uint64_t offset;
    size_t n;
};
struct part { /* of one column and worker */
    double *buffer;
    size_t filled;
    struct chunk *chunks;
    size_t n_chunks, cap_chunks;
};
struct mlo_exact {
    struct part *parts; /* worker * n_columns + column */
    bool *wanted;       /* of each column */
    size_t n_columns, workers, buffer;
    char *temporary;
    atomic_size_t held;             /* values in memory, of chunks */
    atomic_uint_least64_t file_end; /* bytes */
    pthread_mutex_t lock;           /* opening the file */
    atomic_int fd;
};

/* ---- making ---- */

static size_t buffer_size(size_t columns, size_t workers)
{
    size_t n = BUFFERS_ALL / (columns * workers + 1);
    return n > BUFFER_MAX ? BUFFER_MAX : n < BUFFER_MIN ? BUFFER_MIN : n;
}

int mlo_exact_new(const struct mlo_profile *p, unsigned workers, const char *temporary,
                  struct mlo_exact **ret, struct mlo_err *err)
{
    struct mlo_exact *e = mlo_calloc(1, sizeof *e, err);
    if (!e)
        return MLO_EIO;
    pthread_mutex_init(&e->lock, NULL);
    e->fd = -1;
    e->workers = workers;
    e->n_columns = p->n_columns;
    e->buffer = buffer_size(p->n_columns, workers);
    e->parts = mlo_calloc(workers * p->n_columns + 1, sizeof *e->parts, err);
    e->wanted = e->parts ? mlo_calloc(p->n_columns + 1, sizeof *e->wanted, err) : NULL;
    e->temporary = e->wanted ? mlo_strdup(temporary ? temporary : "/tmp", err) : NULL;
    if (!e->temporary) {
        mlo_exact_free(e);
        return MLO_EIO;
    }
    for (size_t i = 0; i < p->n_columns; i++)
        e->wanted[i] = p->columns[i].type == MLO_COLUMN_NUMBER && p->columns[i].role != MLO_ROLE_IGNORE;
    *ret = e;
    return 0;
}

void mlo_exact_free(struct mlo_exact *e)
{
    if (!e)
        return;
    for (size_t i = 0; e->parts && i < e->workers * e->n_columns; i++) {
        struct part *p = &e->parts[i];
        for (size_t c = 0; c < p->n_chunks; c++)
            free(p->chunks[c].values);
        free(p->chunks);
        free(p->buffer);
    }
    if (e->fd >= 0)
        close(e->fd);
    pthread_mutex_destroy(&e->lock);
    free(e->parts);
    free(e->wanted);
    free(e->temporary);
    free(e);
}

/* ---- temporary files ---- */

static int need_file(struct mlo_exact *e, struct mlo_err *err)
{
    int rc = 0, fd = -1;
    if (e->fd >= 0)
        return 0;
    pthread_mutex_lock(&e->lock);
    if (e->fd < 0) {
        rc = mlo_open_temporary(e->temporary, &fd, err);
        if (rc == 0)
            e->fd = fd;
    }
    pthread_mutex_unlock(&e->lock);
    return rc;
}

/* ---- filling ---- */

/* A full buffer becomes a chunk: kept as it is, or written and used again. */
static int flush(struct mlo_exact *e, struct part *p, struct mlo_err *err)
{
    struct chunk c = {.n = p->filled};
    int rc = mlo_grow(&p->chunks, &p->cap_chunks, p->n_chunks + 1, sizeof *p->chunks, err);
    if (rc == 0 && atomic_fetch_add(&e->held, c.n) + c.n <= MEMORY_MAX) {
        c.values = mlo_steal(&p->buffer);
    } else if (rc == 0) {
        atomic_fetch_sub(&e->held, c.n);
        rc = need_file(e, err);
        c.offset = atomic_fetch_add(&e->file_end, c.n * sizeof(double));
        if (rc == 0)
            rc = mlo_write_all_at(e->fd, p->buffer, c.n * sizeof(double), c.offset, err);
        if (rc != 0)
            return mlo_wrap(err, "values in a temporary file in '%s'", e->temporary);
    }
    if (rc == 0) {
        p->chunks[p->n_chunks++] = c;
        p->filled = 0;
    }
    return rc;
}

static int add_column(struct mlo_exact *e, struct part *p, const struct mlo_batch_column *b, size_t rows,
                      struct mlo_err *err)
{
    for (size_t r = 0; r < rows;) {
        int rc = p->filled == e->buffer ? flush(e, p, err) : 0;
        if (rc == 0 && !p->buffer)
            p->buffer = mlo_calloc(e->buffer, sizeof *p->buffer, err);
        if (rc != 0 || !p->buffer)
            return rc != 0 ? rc : MLO_EIO;
        for (; r < rows && p->filled < e->buffer; r++) {
            p->buffer[p->filled] = b->numbers[r];
            p->filled += !b->cell || b->cell[r] == MLO_CELL_OK;
        }
    }
    return 0;
}

int mlo_exact_add(struct mlo_exact *e, unsigned worker, const struct mlo_batch *b, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < e->n_columns; i++)
        if (e->wanted[i])
            rc = add_column(e, &e->parts[worker * e->n_columns + i], &b->columns[i], b->n_rows, err);
    return rc;
}

size_t mlo_exact_count(const struct mlo_exact *e, size_t column)
{
    size_t n = 0;
    for (size_t w = 0; w < e->workers; w++) {
        const struct part *p = &e->parts[w * e->n_columns + column];
        n += p->filled;
        for (size_t c = 0; c < p->n_chunks; c++)
            n += p->chunks[c].n;
    }
    return n;
}

/* ---- all values of a column, piece by piece ---- */

struct cursor {
    const struct mlo_exact *e;
    size_t column, worker, chunk; /* the buffer comes after the chunks */
    size_t at;                    /* within the chunk */
};

/* The next piece of at most max values; *ret_n 0 at the end. */
static int next_values(struct cursor *c, double *ret, size_t max, size_t *ret_n, struct mlo_err *err)
{
    *ret_n = 0;
    for (; c->worker < c->e->workers; c->worker++, c->chunk = 0) {
        const struct part *p = &c->e->parts[c->worker * c->e->n_columns + c->column];
        for (; c->chunk <= p->n_chunks; c->chunk++, c->at = 0) {
            struct chunk own = {.values = p->buffer, .n = p->filled};
            const struct chunk *k = c->chunk < p->n_chunks ? &p->chunks[c->chunk] : &own;
            size_t n = k->n - c->at < max ? k->n - c->at : max;
            if (n == 0)
                continue;
            *ret_n = n;
            c->at += n;
            if (!k->values)
                return mlo_read_exact_at(c->e->fd, ret, n * sizeof *ret,
                                         k->offset + (c->at - n) * sizeof *ret, err);
            memcpy(ret, k->values + c->at - n, n * sizeof *ret);
            return 0;
        }
    }
    return 0;
}

/* Exactly n of them, sorted; there are as many left. */
static int read_sorted(struct cursor *c, double *ret, double *scratch, size_t n, struct mlo_err *err)
{
    for (size_t at = 0, got; at < n; at += got) {
        int rc = next_values(c, ret + at, n - at, &got, err);
        if (rc != 0)
            return rc;
    }
    mlo_sort_doubles(ret, n, scratch);
    return 0;
}

/* ---- columns that are too long for memory ---- */

struct merge {
    const double **runs, **ends; /* of each run that has values left: a heap by their first */
    size_t n;
};

static void sink(struct merge *m, size_t i)
{
    for (size_t child; (child = 2 * i + 1) < m->n; i = child) {
        if (child + 1 < m->n && *m->runs[child + 1] < *m->runs[child])
            child++;
        if (*m->runs[i] <= *m->runs[child])
            return;
        const double *run = m->runs[i], *end = m->ends[i];
        m->runs[i] = m->runs[child];
        m->ends[i] = m->ends[child];
        m->runs[child] = run;
        m->ends[child] = end;
    }
}

static double pop(struct merge *m)
{
    double v = *m->runs[0]++;
    if (m->runs[0] == m->ends[0]) {
        m->n--;
        m->runs[0] = m->runs[m->n];
        m->ends[0] = m->ends[m->n];
    }
    sink(m, 0);
    return v;
}

static int write_merged(struct merge *m, size_t n, int fd, struct mlo_err *err)
{
    MLO_AUTOFREE double *out = mlo_calloc(MERGE_BUFFER, sizeof *out, err);
    int rc = out ? 0 : MLO_EIO;
    for (size_t at = 0; rc == 0 && at < n;) {
        size_t some = n - at < MERGE_BUFFER ? n - at : MERGE_BUFFER;
        for (size_t i = 0; i < some; i++)
            out[i] = pop(m);
        rc = mlo_write_all_at(fd, out, some * sizeof *out, at * sizeof *out, err);
        at += some;
    }
    return rc;
}

static int map_values(int fd, size_t n, const double **ret, struct mlo_err *err)
{
    void *p = mmap(NULL, n * sizeof(double), PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return mlo_fail_errno(err, "a temporary file of %zu values cannot be mapped", n);
    *ret = p;
    return 0;
}

static int write_runs(const struct mlo_exact *e, size_t column, size_t n, int fd, struct mlo_err *err)
{
    struct cursor c = {.e = e, .column = column};
    MLO_AUTOFREE double *values = mlo_calloc(2 * MLO_EXACT_RUN, sizeof *values, err);
    int rc = values ? 0 : MLO_EIO;
    for (size_t at = 0; rc == 0 && at < n;) {
        size_t some = n - at < MLO_EXACT_RUN ? n - at : MLO_EXACT_RUN;
        rc = read_sorted(&c, values, values + MLO_EXACT_RUN, some, err);
        if (rc == 0)
            rc = mlo_write_all_at(fd, values, some * sizeof *values, at * sizeof *values, err);
        at += some;
    }
    return rc;
}

static int merge_runs(const double *runs, size_t n, int fd, struct mlo_err *err)
{
    size_t k = (n + MLO_EXACT_RUN - 1) / MLO_EXACT_RUN;
    MLO_AUTOFREE const double **heap = mlo_calloc(2 * k, sizeof *heap, err);
    if (!heap)
        return MLO_EIO;
    struct merge m = {.runs = heap, .ends = heap + k, .n = k};
    for (size_t i = 0; i < k; i++) {
        m.runs[i] = runs + i * MLO_EXACT_RUN;
        m.ends[i] = i + 1 < k ? m.runs[i] + MLO_EXACT_RUN : runs + n;
    }
    for (size_t i = k; i-- > 0;)
        sink(&m, i);
    return write_merged(&m, n, fd, err);
}

static int sort_on_disk(const struct mlo_exact *e, size_t column, size_t n, struct mlo_sorted *ret,
                        struct mlo_err *err)
{
    MLO_AUTOCLOSE int runs_fd = -1;
    MLO_AUTOCLOSE int fd = -1;
    const double *runs = NULL, *sorted = NULL;
    int rc = mlo_open_temporary(e->temporary, &runs_fd, err);
    if (rc == 0)
        rc = write_runs(e, column, n, runs_fd, err);
    if (rc == 0)
        rc = map_values(runs_fd, n, &runs, err);
    if (rc == 0)
        rc = mlo_open_temporary(e->temporary, &fd, err);
    if (rc == 0)
        rc = merge_runs(runs, n, fd, err);
    if (runs)
        munmap((void *)(uintptr_t)runs, n * sizeof *runs);
    if (rc == 0)
        rc = map_values(fd, n, &sorted, err);
    if (rc == 0)
        *ret = (struct mlo_sorted){.values = sorted, .n = n, .mapped = true};
    return rc;
}

/* ---- sorted ---- */

void mlo_room_release(struct mlo_room *r)
{
    free(r->values);
    *r = (struct mlo_room){0};
}

/* For n values; what it held is lost. */
static int reserve(struct mlo_room *r, size_t n, struct mlo_err *err)
{
    if (n <= r->cap)
        return 0;
    mlo_room_release(r);
    r->values = mlo_calloc(n, sizeof *r->values, err);
    r->cap = r->values ? n : 0;
    return r->values ? 0 : MLO_EIO;
}

int mlo_exact_sorted(const struct mlo_exact *e, size_t column, struct mlo_room *room,
                     struct mlo_room *scratch, struct mlo_sorted *ret, struct mlo_err *err)
{
    size_t n = mlo_exact_count(e, column);
    struct cursor c = {.e = e, .column = column};
    if (n > 2 * MLO_EXACT_RUN)
        return sort_on_disk(e, column, n, ret, err);
    int rc = reserve(room, n + 1, err);
    if (rc == 0)
        rc = reserve(scratch, n + 1, err);
    if (rc == 0)
        rc = read_sorted(&c, room->values, scratch->values, n, err);
    if (rc == 0)
        *ret = (struct mlo_sorted){.values = room->values, .n = n};
    return rc;
}

void mlo_sorted_release(struct mlo_sorted *s)
{
    if (s->mapped)
        munmap((void *)(uintptr_t)s->values, s->n * sizeof *s->values);
    *s = (struct mlo_sorted){0};
}

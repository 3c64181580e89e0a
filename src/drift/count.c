/* Cells of a batch into the counts of a column: the part of a pass that grows with every value. */
#include "internal.h"

#include <string.h>

#include <mlopsctl/base/lanes.h>

#define CHUNK ((size_t)512) /* values at a time, in the first cache with all that is made of them */

/* ---- states ---- */

static void count_states(struct mlo_profile_column *c, const uint8_t *cell, size_t n)
{
    uint64_t states[MLO_CELL_BAD + 1] = {0};
    for (size_t i = 0; i < n; i++)
        states[cell[i]]++;
    c->missing += states[MLO_CELL_MISSING];
    c->nan += states[MLO_CELL_NAN];
    c->bad += states[MLO_CELL_BAD];
}

void mlo_count_states(struct mlo_profile_column *c, const struct mlo_batch_column *b, size_t rows)
{
    if (b->cell)
        count_states(c, b->cell, rows);
}

/* ---- numbers ---- */

/* What lies beyond the reference has no bins that could tell where. */
static void count_tails(struct mlo_profile_column *c, const double *v, size_t n)
{
    double first = c->bins.edges[0], last = c->bins.edges[c->bins.n_edges - 1];
    for (size_t i = 0; i < n; i++)
        if (v[i] < first)
            mlo_sketch_add(&c->below, v[i], 1);
        else if (v[i] >= last)
            mlo_sketch_add(&c->above, v[i], 1);
}

struct chunk { /* what is made of each value */
    double differences[CHUNK], squares[CHUNK];
    int32_t cells[CHUNK]; /* mlo_bins_cell */
};

MLO_FOR_LANES static void prepare(const struct mlo_profile_column *c, const double *v, size_t n,
                                  struct chunk *ret)
{
    const mlo_lanes centre = MLO_LANES_OF(c->centre), low = MLO_LANES_OF(c->bins.low);
    const mlo_lanes scale = MLO_LANES_OF(c->bins.scale), zero = {0},
                    top = MLO_LANES_OF((double)(MLO_BINS_CELLS - 1));
    for (size_t i = 0; i < n; i += MLO_LANES) {
        mlo_lanes x = zero;
        if (n - i >= MLO_LANES)
            memcpy(&x, v + i, sizeof x);
        else
            memcpy(&x, v + i, (n - i) * sizeof *v);
        mlo_lanes d = x - centre, square = d * d, t = (x - low) * scale;
        t = MLO_LANES_CHOOSE(t > zero, t, zero);
        t = MLO_LANES_CHOOSE(t < top, t, top);
        mlo_lane_ints cell = __builtin_convertvector(t, mlo_lane_ints);
        memcpy(ret->differences + i, &d, sizeof d);
        memcpy(ret->squares + i, &square, sizeof square);
        memcpy(ret->cells + i, &cell, sizeof cell);
    }
}

static inline __attribute__((always_inline)) void count_bins(const struct mlo_bins *b, size_t reach,
                                                             uint64_t *counts, const double *v,
                                                             const int32_t *cells, size_t n)
{
    const uint16_t *first = b->cells;
    const double *edges = b->edges;
    for (size_t i = 0; i < n; i++)
        counts[mlo_bins_step(edges, reach, first[cells[i]], v[i])]++;
}

/* The usual numbers of steps as constants: no loop is left of them. */
static void count_in_bins(const struct mlo_bins *b, uint64_t *counts, const double *v, const int32_t *cells,
                          size_t n)
{
    switch (b->reach) {
    case 1:
        count_bins(b, 1, counts, v, cells, n);
        break;
    case 2:
        count_bins(b, 2, counts, v, cells, n);
        break;
    case 4:
        count_bins(b, 4, counts, v, cells, n);
        break;
    default:
        count_bins(b, b->reach, counts, v, cells, n);
    }
}

static void count_chunk(struct mlo_profile_column *c, const double *v, size_t n)
{
    uint64_t *last = &c->counts[c->bins.n_edges], beyond = c->counts[0] + *last;
    struct chunk made;
    prepare(c, v, n, &made);
    count_in_bins(&c->bins, c->counts, v, made.cells, n);
    if (c->counts[0] + *last > beyond && c->type == MLO_COLUMN_NUMBER && c->bins.n_edges > 0)
        count_tails(c, v, n);
    mlo_exact_sum_add_all(&c->sum, made.differences, n);
    mlo_exact_sum_add_all(&c->squares, made.squares, n);
    mlo_extremes(v, n, &c->min, &c->max);
    c->n += n;
}

void mlo_count_values(struct mlo_profile_column *c, const double *v, size_t n)
{
    for (size_t i = 0; i < n; i += CHUNK)
        count_chunk(c, v + i, n - i < CHUNK ? n - i : CHUNK);
}

size_t mlo_batch_values(const struct mlo_batch_column *b, size_t from, size_t rows, double *ret)
{
    size_t n = 0;
    if (b->numbers && !b->cell) {
        memcpy(ret, b->numbers + from, rows * sizeof *ret);
        return rows;
    }
    for (size_t r = from; r < from + rows; r++) {
        ret[n] = b->numbers ? b->numbers[r] : (double)b->times[r];
        n += !b->cell || b->cell[r] == MLO_CELL_OK; /* no branch: nobody can foresee which are missing */
    }
    return n;
}

void mlo_count_pending(struct mlo_profile_column *c, struct mlo_pending *p)
{
    mlo_count_values(c, p->values, p->n);
    p->n = 0;
}

void mlo_count_numbers(struct mlo_profile_column *c, struct mlo_pending *p, const struct mlo_batch_column *b,
                       size_t rows)
{
    size_t whole = b->numbers && !b->cell ? rows / CHUNK * CHUNK : 0;
    mlo_count_states(c, b, rows);
    mlo_count_values(c, b->numbers, whole); /* where they are */
    for (size_t r = whole, n; r < rows; r += n) {
        n = MLO_PENDING_VALUES - p->n < rows - r ? MLO_PENDING_VALUES - p->n : rows - r;
        p->n += mlo_batch_values(b, r, n, p->values + p->n);
        if (p->n == MLO_PENDING_VALUES)
            mlo_count_pending(c, p);
    }
}

/* ---- texts ---- */

/* Up to eight bytes as a word that, with their number, tells them apart and can be taken back. */
static uint64_t pack(const char *s, size_t n)
{
    uint32_t low = 0, high = 0;
    if (n >= 4) {
        memcpy(&low, s, 4);
        memcpy(&high, s + n - 4, 4);
    } else if (n > 0) {
        low = (uint32_t)(unsigned char)s[0] | (uint32_t)(unsigned char)s[n / 2] << 8 |
              (uint32_t)(unsigned char)s[n - 1] << 16;
    }
    return low | (uint64_t)high << 32;
}

static void unpack(uint64_t word, size_t n, char *s)
{
    uint32_t low = (uint32_t)word, high = (uint32_t)(word >> 32);
    if (n >= 4) {
        memcpy(s, &low, 4);
        memcpy(s + n - 4, &high, 4);
    } else if (n > 0) {
        s[n / 2] = (char)(low >> 8);
        s[0] = (char)low;
        s[n - 1] = (char)(low >> 16);
    }
}

static size_t half_of(size_t n)
{
    return n < 8 ? n : 8;
}

static int pass_on(struct mlo_recent_text *t, struct mlo_categories *c, struct mlo_err *err)
{
    char text[MLO_RECENT_BYTES];
    size_t first = half_of(t->length);
    uint32_t count = t->count;
    t->count = 0;
    if (count == 0)
        return 0;
    unpack(t->first, first, text);
    unpack(t->last, half_of(t->length - first), text + first);
    return mlo_categories_add(c, text, t->length, count, err);
}

struct recent_key {
    uint64_t first, last;
    uint32_t length;
    uint8_t place; /* of the first of the two that it may be at */
};

/* s: of at most MLO_RECENT_BYTES. */
static struct recent_key key_of(struct mlo_slice s)
{
    size_t half = half_of(s.len);
    uint64_t first = pack(s.ptr, half), last = pack(s.ptr + half, s.len - half);
    uint64_t spread = (first ^ (last + s.len) * 0xd6e8feb86659fd93) * 0x9e3779b97f4a7c15;
    return (struct recent_key){first, last, (uint32_t)s.len,
                               (uint8_t)(spread >> 56) & (MLO_RECENT_TEXTS - 2)};
}

static bool is_of(const struct mlo_recent_text *t, const struct recent_key *k)
{
    return t->first == k->first && t->last == k->last && t->length == k->length && t->count < UINT32_MAX;
}

static int count_key(struct mlo_recent *r, struct mlo_categories *c, const struct recent_key *k,
                     struct mlo_err *err)
{
    struct mlo_recent_text *t = &r->texts[k->place];
    int rc = 0;
    if (!is_of(t, k) && is_of(t + 1, k)) {
        t++;
    } else if (!is_of(t, k)) {
        rc = pass_on(t + 1, c, err);
        t[1] = t[0];
        *t = (struct mlo_recent_text){.first = k->first, .last = k->last, .length = k->length};
    }
    t->count++;
    return rc;
}

int mlo_recent_add(struct mlo_recent *r, struct mlo_categories *c, struct mlo_slice s, struct mlo_err *err)
{
    if (s.len > MLO_RECENT_BYTES)
        return mlo_categories_add(c, s.ptr, s.len, 1, err);
    struct recent_key k = key_of(s);
    return count_key(r, c, &k, err);
}

int mlo_recent_flush(struct mlo_recent *r, struct mlo_categories *c, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < MLO_COUNT(r->texts); i++)
        rc = pass_on(&r->texts[i], c, err);
    return rc;
}

static int count_codes(struct mlo_profile_column *c, const struct mlo_batch_column *b, size_t rows,
                       struct mlo_err *err)
{
    MLO_AUTOFREE uint64_t *times = mlo_calloc(b->n_dictionary, sizeof *times, err);
    int rc = times ? 0 : MLO_EIO;
    for (size_t r = 0; rc == 0 && r < rows; r++)
        if (!b->cell || b->cell[r] == MLO_CELL_OK)
            times[b->codes[r]]++;
    for (size_t i = 0; rc == 0 && i < b->n_dictionary; i++)
        if (times[i] > 0) {
            rc = mlo_categories_add(&c->categories, b->dictionary[i].ptr, b->dictionary[i].len, times[i],
                                    err);
            c->n += times[i];
        }
    return rc;
}

#define AHEAD                                                                                                \
    ((size_t)32) /* texts whose places in memory are asked for at once: of many columns none is near */

static int count_some(struct mlo_profile_column *c, struct mlo_recent *recent,
                      const struct mlo_batch_column *b, size_t row, size_t n, struct mlo_err *err)
{
    struct recent_key keys[AHEAD];
    size_t n_keys = 0;
    int rc = 0;
    for (size_t r = row; rc == 0 && r < row + n; r++) {
        if (b->cell && b->cell[r] != MLO_CELL_OK)
            continue;
        struct mlo_slice s = mlo_batch_text(b, r);
        c->n++;
        if (s.len > MLO_RECENT_BYTES) {
            rc = mlo_categories_add(&c->categories, s.ptr, s.len, 1, err);
        } else {
            keys[n_keys] = key_of(s);
            __builtin_prefetch(&recent->texts[keys[n_keys].place], 1);
            __builtin_prefetch(&recent->texts[keys[n_keys++].place + 1], 1);
        }
    }
    for (size_t i = 0; rc == 0 && i < n_keys; i++)
        rc = count_key(recent, &c->categories, &keys[i], err);
    return rc;
}

int mlo_count_texts(struct mlo_profile_column *c, struct mlo_recent *recent, const struct mlo_batch_column *b,
                    size_t rows, struct mlo_err *err)
{
    int rc = 0;
    mlo_count_states(c, b, rows);
    if (b->codes && b->n_dictionary <= rows)
        return count_codes(c, b, rows, err);
    for (size_t r = 0; rc == 0 && r < rows; r += AHEAD)
        rc = count_some(c, recent, b, r, rows - r < AHEAD ? rows - r : AHEAD, err);
    return rc;
}

/* ---- values that stand several times ---- */

#define TIMES_FEW 4 /* then they are so many values: many at once are faster than one several times */

static void count_value(struct mlo_profile_column *c, double v, uint32_t times)
{
    size_t bin = mlo_bins_find(&c->bins, v);
    double d = v - c->centre;
    c->counts[bin] += times;
    if (c->type == MLO_COLUMN_NUMBER && c->bins.n_edges > 0 && (bin == 0 || bin == c->bins.n_edges))
        mlo_sketch_add(bin == 0 ? &c->below : &c->above, v, times);
    mlo_exact_sum_add_times(&c->sum, d, times);
    mlo_exact_sum_add_times(&c->squares, d * d, times);
    c->min = v < c->min ? v : c->min;
    c->max = v > c->max ? v : c->max;
    c->n += times;
}

static void count_state(struct mlo_profile_column *c, uint8_t cell, uint32_t times)
{
    c->missing += cell == MLO_CELL_MISSING ? times : 0;
    c->nan += cell == MLO_CELL_NAN ? times : 0;
    c->bad += cell == MLO_CELL_BAD ? times : 0;
}

static void count_number_times(struct mlo_profile_column *c, struct mlo_pending *p,
                               const struct mlo_column_cells *cells)
{
    const struct mlo_batch_column *b = &cells->cells;
    for (size_t i = 0; i < cells->n; i++) {
        uint32_t times = cells->times[i];
        if (b->cell && b->cell[i] != MLO_CELL_OK) {
            count_state(c, b->cell[i], times);
        } else if (times > TIMES_FEW) {
            count_value(c, b->numbers[i], times);
        } else { /* all of them, though fewer may stay: no branch */
            if (p->n > MLO_PENDING_VALUES - TIMES_FEW)
                mlo_count_pending(c, p);
            for (size_t k = 0; k < TIMES_FEW; k++)
                p->values[p->n + k] = b->numbers[i];
            p->n += times;
        }
    }
}

static int count_text_times(struct mlo_profile_column *c, const struct mlo_column_cells *cells,
                            struct mlo_err *err)
{
    const struct mlo_batch_column *b = &cells->cells;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < cells->n; i++) {
        if (b->cell && b->cell[i] != MLO_CELL_OK) {
            count_state(c, b->cell[i], cells->times[i]);
        } else if (cells->times[i] > 0) {
            struct mlo_slice s = mlo_batch_text(b, i);
            rc = mlo_categories_add(&c->categories, s.ptr, s.len, cells->times[i], err);
            c->n += cells->times[i];
        }
    }
    return rc;
}

int mlo_count_cells(struct mlo_profile_column *c, union mlo_waiting *w, const struct mlo_column_cells *cells,
                    struct mlo_err *err)
{
    bool text = c->type == MLO_COLUMN_TEXT;
    if (text)
        return cells->times ? count_text_times(c, cells, err)
                            : mlo_count_texts(c, &w->recent, &cells->cells, cells->n, err);
    if (cells->times)
        count_number_times(c, &w->pending, cells);
    else
        mlo_count_numbers(c, &w->pending, &cells->cells, cells->n);
    return 0;
}

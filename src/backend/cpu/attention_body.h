/*
 * Attention of one head: softmax(q k' * scale + mask) v. Included by vector_body.h, whose vectors it uses.
 *
 * Keys are transposed once, so that scores of ATTEND_ROWS queries and ATTEND_TILE keys stay in registers; the
 * scores of these queries lie in scratch, the weights are divided by their sum when the result is written.
 */
#define ATTEND_ROWS (LANES == 16 ? MLO_ATTEND_ROWS : 4) /* there are twice as many registers, too */
#define ATTEND_COLS 2                                   /* vectors */
#define ATTEND_EACH _Pragma("GCC unroll 8")
#define ATTEND_TILE ((size_t)ATTEND_COLS * LANES)

struct head {
    const struct mlo_attention *p;
    const float *q, *k, *v, *mask; /* of this head */
    float *y, *turned, *scores;    /* scores: room keys a row */
    size_t keys, room;             /* those that count; rounded up to vectors */
};

#define SQUARE ((size_t)4)
typedef float four __attribute__((vector_size(16)));

/* to[d][j] = from[j][d] */
INLINE void turn_square(const float *from, size_t step, float *to, size_t room)
{
    four a, b, c, d;
    memcpy(&a, from, sizeof a);
    memcpy(&b, from + step, sizeof b);
    memcpy(&c, from + 2 * step, sizeof c);
    memcpy(&d, from + 3 * step, sizeof d);
    four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    four upper = __builtin_shufflevector(a, b, 2, 6, 3, 7), lower = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    a = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
    b = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
    c = __builtin_shufflevector(upper, lower, 0, 1, 4, 5);
    d = __builtin_shufflevector(upper, lower, 2, 3, 6, 7);
    memcpy(to, &a, sizeof a);
    memcpy(to + room, &b, sizeof b);
    memcpy(to + 2 * room, &c, sizeof c);
    memcpy(to + 3 * room, &d, sizeof d);
}

/* Keys side by side: turned[size][room], 0 behind the last. */
INLINE void turn_keys(const struct head *h)
{
    size_t room = h->room, step = h->p->k_step.row, j = 0;
    for (; j + SQUARE <= h->keys; j += SQUARE) {
        size_t d = 0;
        for (; d + SQUARE <= h->p->size; d += SQUARE)
            turn_square(h->k + j * step + d, step, h->turned + d * room + j, room);
        for (; d < h->p->size; d++)
            for (size_t i = j; i < j + SQUARE; i++)
                h->turned[d * room + i] = h->k[i * step + d];
    }
    for (; j < room; j++)
        for (size_t d = 0; d < h->p->size; d++)
            h->turned[d * room + j] = j < h->keys ? h->k[j * step + d] : 0;
}

/* Scores of `rows` queries and `cols` vectors of keys; both are known where this is put in. */
INLINE void score_tile(const struct head *h, size_t row, size_t rows, size_t first, size_t cols)
{
    size_t step = h->p->q_step.row, size = h->p->size;
    const float *q = h->q + row * step, *k = h->turned + first;
    real sum[ATTEND_ROWS][ATTEND_COLS];
    ATTEND_EACH for (size_t r = 0; r < rows; r++) _Pragma("GCC unroll 2") for (size_t c = 0; c < cols; c++)
        sum[r][c] = splat(0);
    for (size_t d = 0; d < size; d++, k += h->room) {
        real x[ATTEND_COLS];
        _Pragma("GCC unroll 2") for (size_t c = 0; c < cols; c++) x[c] = load(k + c * LANES);
        ATTEND_EACH for (size_t r = 0; r < rows; r++)
        {
            real y = splat(q[r * step + d]);
            _Pragma("GCC unroll 2") for (size_t c = 0; c < cols; c++) sum[r][c] = mul_add(y, x[c], sum[r][c]);
        }
    }
    ATTEND_EACH for (size_t r = 0; r < rows; r++) _Pragma("GCC unroll 2") for (size_t c = 0; c < cols; c++)
        store(h->scores + r * h->room + first + c * LANES, sum[r][c] * h->p->scale);
}

/* Vector by vector: a vector is not read soon after parts of it were written. */
INLINE void add_mask(const struct head *h, const float *mask, float *s)
{
    size_t j = 0;
    for (; mask && h->p->mask_key == 1 && j + LANES <= h->keys; j += LANES)
        store(s + j, load(s + j) + load(mask + j));
    for (; mask && j < h->keys; j++)
        s[j] += mask[j * h->p->mask_key];
    if (h->keys < h->room) {
        float *last = s + h->room - LANES;
        store(last, load_some(last, h->keys % LANES, -INFINITY));
    }
}

/* Scores become e^(score + mask - greatest); returns their sum. */
INLINE float weigh_row(const struct head *h, size_t row, float *s)
{
    add_mask(h, h->mask ? h->mask + row * h->p->mask_step.row : NULL, s);
    float most = row_largest(s, h->room);
    real sum = splat(0);
    for (size_t j = 0; j < h->room; j += LANES) {
        real e = exp_of(load(s + j) - most);
        store(s + j, e);
        sum += e;
    }
    return add_up(sum);
}

INLINE void mix_columns(const struct head *h, size_t row, size_t rows, size_t d, size_t n, const float *by)
{
    real sum[ATTEND_ROWS];
    ATTEND_EACH for (size_t r = 0; r < rows; r++) sum[r] = splat(0);
    for (size_t j = 0; j < h->keys; j++) {
        const float *v = h->v + j * h->p->v_step.row + d;
        real x = n < LANES ? load_some(v, n, 0) : load(v);
        ATTEND_EACH for (size_t r = 0; r < rows; r++)
            sum[r] = mul_add(splat(h->scores[r * h->room + j]), x, sum[r]);
    }
    ATTEND_EACH for (size_t r = 0; r < rows; r++)
    {
        float *y = h->y + (row + r) * h->p->y_step.row + d;
        if (n < LANES)
            store_some(y, sum[r] * by[r], n);
        else
            store(y, sum[r] * by[r]);
    }
}

INLINE void attend_rows(const struct head *h, size_t row, size_t rows)
{
    float by[ATTEND_ROWS];
    size_t n = h->p->v_size;
    size_t j = 0;
    for (; j + ATTEND_TILE <= h->room; j += ATTEND_TILE)
        score_tile(h, row, rows, j, ATTEND_COLS);
    if (j < h->room)
        score_tile(h, row, rows, j, 1);
    for (size_t r = 0; r < rows; r++)
        by[r] = 1 / weigh_row(h, row + r, h->scores + r * h->room);
    for (size_t d = 0; d < n; d += LANES)
        mix_columns(h, row, rows, d, n - d < LANES ? n - d : LANES, by);
}

/* Trailing keys that a mask for all queries of the batch takes away: their weights would be 0. */
INLINE size_t counting_keys(const struct mlo_attention *p, const float *mask)
{
    size_t n = p->keys;
    if (!mask || p->mask_step.row || p->mask_step.head)
        return n;
    while (n > 0 && mask[(n - 1) * p->mask_key] <= MLO_ATTENTION_NEVER)
        n--;
    return n ? n : p->keys;
}

INLINE size_t place(const struct mlo_attention_step *s, size_t batch, size_t head)
{
    return batch * s->batch + head * s->head;
}

TARGET static void attend(const struct mlo_attention *p)
{
    for (size_t b = 0; b < p->batch; b++) {
        const float *mask = p->mask ? p->mask + b * p->mask_step.batch : NULL;
        struct head h = {.p = p, .keys = counting_keys(p, mask)};
        h.room = (h.keys + LANES - 1) / LANES * LANES;
        h.turned = p->scratch;
        h.scores = p->scratch + h.room * p->size;
        for (size_t head = 0; head < p->heads; head++) {
            h.q = p->q + place(&p->q_step, b, head);
            h.k = p->k + place(&p->k_step, b, head);
            h.v = p->v + place(&p->v_step, b, head);
            h.y = p->y + place(&p->y_step, b, head);
            h.mask = mask ? mask + head * p->mask_step.head : NULL;
            turn_keys(&h);
            size_t row = 0;
            for (; row + ATTEND_ROWS <= p->rows; row += ATTEND_ROWS)
                attend_rows(&h, row, ATTEND_ROWS);
            for (; row < p->rows; row++)
                attend_rows(&h, row, 1);
        }
    }
}

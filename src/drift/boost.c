/*
 * Gradient boosted trees of depth three on bytes: each split is found from sums over the codes of a feature.
 * Single-threaded and in fixed order, so equal data gives equal bits. Every row is scored by trees that did
 * not see it.
 */
#include <math.h>
#include <string.h>

#include "rows.h"

#define TREES      40
#define DEPTH      3
#define NODES      ((1 << DEPTH) - 1) /* that split */
#define LEAVES     (1 << DEPTH)
#define RATE       0.2
#define PENALTY    1.0 /* on the square of a leaf's value */
#define WEIGHT_MIN 5.0 /* of a leaf: sum of p (1 - p) */

struct sums {
    double g, h; /* gradient and curvature */
};
struct split {
    double gain;
    size_t feature; /* SIZE_MAX: none, all rows go left */
    uint8_t code;
};
struct tree {
    struct split nodes[NODES];
    double leaves[LEAVES];
};
struct fit {
    const struct mlo_boost_data *d;
    size_t fold;    /* left out */
    double *score;  /* of all rows, by this fold's trees */
    struct sums *s; /* of each row; nothing for rows left out */
    uint8_t *node;  /* that the row is in at this level */
    double *gain;
};

static double value_of(const struct sums *s)
{
    return s->g * s->g / (s->h + PENALTY);
}

static bool goes_right(const struct mlo_boost_data *d, const struct split *k, size_t row)
{
    if (k->feature == SIZE_MAX)
        return false;
    uint8_t code = d->codes[k->feature * d->n + row];
    return d->listed[k->feature] ? code == k->code : code > k->code;
}

/* The best split of one node by one feature. */
static void try_feature(const struct mlo_boost_data *d, size_t feature, const struct sums *codes,
                        const struct sums *all, struct split *best)
{
    struct sums left = {0};
    for (size_t c = 0; c + 1 < MLO_BOOST_CODES + (size_t)d->listed[feature]; c++) {
        struct sums a = codes[c];
        if (!d->listed[feature]) {
            left.g += a.g;
            left.h += a.h;
            a = left;
        }
        struct sums b = {all->g - a.g, all->h - a.h};
        double gain = value_of(&a) + value_of(&b) - value_of(all);
        if (a.h >= WEIGHT_MIN && b.h >= WEIGHT_MIN && gain > best->gain)
            *best = (struct split){gain, feature, (uint8_t)c};
    }
}

/* All nodes of a level at once: rows of a feature are walked once. */
static void find_splits(const struct fit *f, struct split *nodes, size_t n_nodes)
{
    const struct mlo_boost_data *d = f->d;
    struct sums codes[LEAVES / 2][MLO_BOOST_CODES], all[LEAVES / 2] = {0};
    for (size_t row = 0; row < d->n; row++) {
        all[f->node[row]].g += f->s[row].g;
        all[f->node[row]].h += f->s[row].h;
    }
    for (size_t i = 0; i < n_nodes; i++)
        nodes[i] = (struct split){1e-9, SIZE_MAX, 0};
    for (size_t feature = 0; feature < d->n_features; feature++) {
        const uint8_t *column = d->codes + feature * d->n;
        memset(codes, 0, sizeof codes);
        for (size_t row = 0; row < d->n; row++) {
            struct sums *s = &codes[f->node[row]][column[row]];
            s->g += f->s[row].g;
            s->h += f->s[row].h;
        }
        for (size_t i = 0; i < n_nodes; i++)
            try_feature(d, feature, codes[i], &all[i], &nodes[i]);
    }
}

static void find_slopes(const struct fit *f)
{
    const struct mlo_boost_data *d = f->d;
    for (size_t row = 0; row < d->n; row++) {
        double p = 1 / (1 + exp(-f->score[row]));
        f->s[row] = d->fold[row] == f->fold ? (struct sums){0} : (struct sums){d->y[row] - p, p * (1 - p)};
    }
}

static void grow(const struct fit *f, struct tree *t)
{
    const struct mlo_boost_data *d = f->d;
    struct sums leaves[LEAVES] = {0};
    memset(f->node, 0, d->n);
    for (unsigned level = 0, first = 0; level < DEPTH; level++) {
        size_t n = (size_t)1 << level;
        find_splits(f, t->nodes + first, n);
        for (size_t row = 0; row < d->n; row++)
            f->node[row] = (uint8_t)(2 * f->node[row] + goes_right(d, &t->nodes[first + f->node[row]], row));
        first += (unsigned)n;
    }
    for (size_t row = 0; row < d->n; row++) {
        leaves[f->node[row]].g += f->s[row].g;
        leaves[f->node[row]].h += f->s[row].h;
    }
    for (size_t i = 0; i < LEAVES; i++)
        t->leaves[i] = RATE * leaves[i].g / (leaves[i].h + PENALTY);
    for (size_t row = 0; row < d->n; row++) /* also of rows left out: that is the aim */
        f->score[row] += t->leaves[f->node[row]];
    for (size_t i = 0; i < NODES; i++)
        if (t->nodes[i].feature != SIZE_MAX)
            f->gain[t->nodes[i].feature] += t->nodes[i].gain;
}

static void fit_fold(const struct fit *f, double *score)
{
    const struct mlo_boost_data *d = f->d;
    double ones = 0, rows = 0;
    struct tree t;
    for (size_t row = 0; row < d->n; row++)
        if (d->fold[row] != f->fold) {
            ones += d->y[row];
            rows++;
        }
    for (size_t row = 0; row < d->n; row++)
        f->score[row] = log((ones + 0.5) / (rows - ones + 0.5));
    for (unsigned i = 0; i < TREES; i++) {
        find_slopes(f);
        grow(f, &t);
    }
    for (size_t row = 0; row < d->n; row++)
        if (d->fold[row] == f->fold)
            score[row] = f->score[row];
}

int mlo_boost(const struct mlo_boost_data *d, double *score, double *gain, struct mlo_err *err)
{
    MLO_AUTOFREE double *scores = mlo_calloc(d->n + 1, sizeof *scores, err);
    MLO_AUTOFREE struct sums *s = scores ? mlo_calloc(d->n + 1, sizeof *s, err) : NULL;
    MLO_AUTOFREE uint8_t *node = s ? mlo_calloc(d->n + 1, 1, err) : NULL;
    if (!node)
        return MLO_EIO;
    memset(gain, 0, d->n_features * sizeof *gain);
    for (size_t fold = 0; fold < d->folds; fold++) {
        const struct fit f = {.d = d, .fold = fold, .score = scores, .s = s, .node = node, .gain = gain};
        fit_fold(&f, score);
    }
    return 0;
}

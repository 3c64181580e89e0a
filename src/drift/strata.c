/*
 * Right and wrong at equal values of a column. A row counts in the fine bin or category that it falls in, so
 * that a change of how many rows there are of each kind (the case mix) is no change of what becomes of them:
 * Cochran (1954), Mantel and Haenszel (1959). Groups of strata tell where.
 */
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#include "facts.h"

#define TENTHS       ((size_t)10)
#define ALONE_MIN    ((uint64_t)20) /* rows of a category that is a group by itself */
#define VARIANCE_MIN 1.0            /* of a group's difference, for chi-square to hold */
#define NAME_SHOWN   ((size_t)60)

void mlo_strata_release(struct mlo_strata *s)
{
    free(s->list);
    *s = (struct mlo_strata){0};
}

/* ---- numbers ---- */

static uint64_t rows_of(const struct mlo_stratum *t)
{
    return t->right[0] + t->right[1] + t->wrong[0] + t->wrong[1];
}

/* Each group holds about a tenth of the reference's rows. */
static void group_bins(struct mlo_strata *s, size_t bins)
{
    double total = 0, sum = 0;
    for (size_t i = 0; i < bins; i++)
        total += (double)(s->list[i].right[0] + s->list[i].wrong[0]);
    for (size_t i = 0; i < bins; i++) {
        double n = (double)(s->list[i].right[0] + s->list[i].wrong[0]), middle = sum + n / 2;
        size_t g = total > 0 ? (size_t)(middle / total * (double)TENTHS) : 0;
        if (g >= TENTHS)
            g = TENTHS - 1;
        if (i == 0 || g > s->list[i - 1].group)
            s->named[g].from = i;
        s->named[g].to = i;
        s->list[i].group = g;
        sum += n;
    }
    s->groups = TENTHS;
}

static int room(struct mlo_strata *s, size_t n, struct mlo_err *err)
{
    s->list = mlo_calloc(n + 1, sizeof *s->list, err);
    s->n = s->list ? n : 0;
    return s->list ? 0 : MLO_EIO;
}

static void fill_bins(struct mlo_strata *s, size_t side, const uint64_t *right, const uint64_t *wrong,
                      size_t bins)
{
    for (size_t i = 0; i < bins; i++) {
        s->list[i].right[side] = right[i];
        s->list[i].wrong[side] = wrong[i];
    }
}

static void name_missing(struct mlo_strata *s, size_t at, const struct mlo_outcome_column *k,
                         const struct mlo_outcome_column *l)
{
    static const char missing[] = "(missing)";
    s->list[at] = (struct mlo_stratum){.right = {k->missing_right, l->missing_right},
                                       .wrong = {k->missing_wrong, l->missing_wrong},
                                       .group = s->groups};
    s->named[s->groups++].text = (struct mlo_slice){missing, sizeof missing - 1};
}

static int of_numbers(const struct mlo_profile_column *c, const struct mlo_outcome_column *k,
                      const struct mlo_outcome_column *l, struct mlo_strata *s, struct mlo_err *err)
{
    size_t bins = mlo_outcome_n_bins(c);
    int rc = room(s, bins + 1, err);
    if (rc != 0)
        return rc;
    fill_bins(s, 0, k->right, k->wrong, bins);
    fill_bins(s, 1, l->right, l->wrong, bins);
    group_bins(s, bins);
    name_missing(s, bins, k, l);
    return 0;
}

/* ---- texts ---- */

struct named_stratum {
    struct mlo_stratum t;
    const struct mlo_category *k;
};

static int by_rows(const void *a, const void *b)
{
    const struct named_stratum *x = a, *y = b;
    uint64_t m = rows_of(&x->t), n = rows_of(&y->t);
    if (m != n)
        return m < n ? 1 : -1;
    return (x->k->hash > y->k->hash) - (x->k->hash < y->k->hash);
}

static uint64_t count_of(const struct mlo_categories *c, const struct mlo_category *k)
{
    const struct mlo_category *found = mlo_categories_same(c, k);
    return found ? found->count : 0;
}

/* Every category that any of the four lists has, once. */
static int join(const struct mlo_categories *const lists[4], struct named_stratum **ret, size_t *ret_n,
                struct mlo_err *err)
{
    size_t most = 1, n = 0;
    for (size_t i = 0; i < 4; i++)
        most += lists[i]->count;
    struct named_stratum *all = mlo_calloc(most, sizeof *all, err);
    if (!all)
        return MLO_EIO;
    for (size_t i = 0; i < 4; i++)
        for (size_t at = 0; at < lists[i]->cap; at++) {
            const struct mlo_category *k = &lists[i]->slots[at];
            bool before = !k->text;
            for (size_t j = 0; j < i && !before; j++)
                before = mlo_categories_same(lists[j], k) != NULL;
            if (before)
                continue;
            all[n].k = k;
            for (size_t side = 0; side < 2; side++) {
                all[n].t.right[side] = count_of(lists[2 * side], k);
                all[n].t.wrong[side] = count_of(lists[2 * side + 1], k);
            }
            n++;
        }
    qsort(all, n, sizeof *all, by_rows);
    *ret = all;
    *ret_n = n;
    return 0;
}

static int of_texts(const struct mlo_outcome_column *k, const struct mlo_outcome_column *l,
                    struct mlo_strata *s, struct mlo_err *err)
{
    static const char other[] = "(other)";
    const struct mlo_categories *const lists[4] = {&k->rights, &k->wrongs, &l->rights, &l->wrongs};
    MLO_AUTOFREE struct named_stratum *all = NULL;
    size_t n = 0, alone = 0;
    for (size_t i = 0; i < 4; i++)
        if (lists[i]->overflowed) /* what was left out cannot be matched: no strata */
            return 0;
    int rc = join(lists, &all, &n, err);
    if (rc == 0)
        rc = room(s, n + 1, err);
    if (rc != 0)
        return rc;
    while (alone < n && alone < MLO_STRATA_GROUPS_MAX - 2 && rows_of(&all[alone].t) >= ALONE_MIN)
        alone++;
    for (size_t i = 0; i < n; i++) {
        s->list[i] = all[i].t;
        s->list[i].group = i < alone ? i : alone;
        if (i < alone)
            s->named[i].text = (struct mlo_slice){all[i].k->text, strlen(all[i].k->text)};
    }
    s->named[alone].text = (struct mlo_slice){other, sizeof other - 1};
    s->groups = alone + 1;
    name_missing(s, n, k, l);
    return 0;
}

/* ---- either ---- */

int mlo_strata_of(const struct mlo_facts *f, size_t i, struct mlo_strata *ret, struct mlo_err *err)
{
    const struct mlo_profile_column *c = &f->a->columns[i], *d = mlo_profile_find(f->b, c->name);
    *ret = (struct mlo_strata){0};
    if (!d || d->type != c->type || !mlo_bins_equal(&c->bins, &d->bins))
        return 0;
    const struct mlo_outcome_column *k = &f->x->columns[i], *l = &f->y->columns[d - f->b->columns];
    if (!k->counted || !l->counted)
        return 0;
    int rc = c->type == MLO_COLUMN_TEXT ? of_texts(k, l, ret, err) : of_numbers(c, k, l, ret, err);
    if (rc != 0)
        mlo_strata_release(ret);
    return rc;
}

int mlo_strata_of_score(const struct mlo_facts *f, struct mlo_strata *ret, struct mlo_err *err)
{
    size_t bins = mlo_outcome_n_bins(&f->a->columns[f->x->score]);
    *ret = (struct mlo_strata){0};
    int rc = room(ret, bins, err);
    if (rc != 0)
        return rc;
    fill_bins(ret, 0, f->x->bins.no, f->x->bins.yes, bins);
    fill_bins(ret, 1, f->y->bins.no, f->y->bins.yes, bins);
    group_bins(ret, bins);
    return 0;
}

/* ---- sums over strata ---- */

static struct mlo_shift shift_of(const struct mlo_stratum *t)
{
    double n = (double)(t->right[0] + t->wrong[0]), m = (double)(t->right[1] + t->wrong[1]), rows = n + m;
    double wrong = (double)(t->wrong[0] + t->wrong[1]), right = rows - wrong;
    if (n <= 0 || m <= 0)
        return (struct mlo_shift){0};
    return (struct mlo_shift){.difference = (double)t->wrong[1] - m * wrong / rows,
                              .variance = n * m * wrong * right / (rows * rows * (rows - 1)),
                              .weight = n * m / rows};
}

static void add(struct mlo_shift *to, const struct mlo_shift *s)
{
    to->difference += s->difference;
    to->variance += s->variance;
    to->weight += s->weight;
}

void mlo_strata_shifts(const struct mlo_strata *s, struct mlo_shifts *ret)
{
    struct mlo_stratum one = {0};
    *ret = (struct mlo_shifts){0};
    for (size_t i = 0; i < s->n; i++) {
        struct mlo_shift shift = shift_of(&s->list[i]);
        add(&ret->all, &shift);
        add(&ret->group[s->list[i].group], &shift);
        for (size_t side = 0; side < 2; side++) {
            one.right[side] += s->list[i].right[side];
            one.wrong[side] += s->list[i].wrong[side];
        }
    }
    struct mlo_shift whole = shift_of(&one);
    ret->overlap = whole.weight > 0 ? ret->all.weight / whole.weight : 0;
}

void mlo_shifts_test(const struct mlo_shifts *s, size_t groups, bool apart, struct mlo_test *ret)
{
    struct mlo_shift rest = {0}, used = {0};
    struct mlo_test t = {.p = 1, .why = MLO_STAT_NONE};
    for (size_t g = 0; g <= groups; g++) { /* those too small for chi-square together, at the end */
        const struct mlo_shift *k = g < groups ? &s->group[g] : &rest;
        if (k->variance >= VARIANCE_MIN) {
            t.statistic += k->difference * k->difference / k->variance;
            t.df++;
            add(&used, k);
        } else if (g < groups) {
            add(&rest, k);
        }
    }
    if (apart && used.variance > 0) {
        t.statistic = fmax(0, t.statistic - used.difference * used.difference / used.variance);
        t.df--;
    }
    if (t.df >= 1) {
        t.p = mlo_chi2_sf(t.statistic, t.df);
        t.why = MLO_STAT_OK;
    } else {
        t.statistic = 0;
    }
    *ret = t;
}

size_t mlo_shifts_worst(const struct mlo_shifts *s, size_t groups)
{
    size_t worst = 0;
    double most = -1;
    for (size_t g = 0; g < groups; g++) {
        const struct mlo_shift *k = &s->group[g];
        double z = k->variance >= VARIANCE_MIN ? k->difference / sqrt(k->variance) : -1;
        if (z > most) {
            most = z;
            worst = g;
        }
    }
    return worst;
}

/* ---- names ---- */

void mlo_strata_name(const struct mlo_facts *f, size_t i, const struct mlo_strata *s, size_t group, char *to,
                     size_t size)
{
    const struct mlo_profile_column *c = &f->a->columns[i];
    size_t from = s->named[group].from, last = s->named[group].to;
    struct mlo_slice text = s->named[group].text;
    MLO_AUTOSTR struct mlo_str shown;
    mlo_str_init(&shown, MLO_CATEGORY_TEXT_MAX * 8);
    if (text.ptr) {
        mlo_escape(&shown, text.ptr, text.len > NAME_SHOWN ? mlo_utf8_cut(text.ptr, NAME_SHOWN) : text.len);
        snprintf(to, size, "where it is %s", shown.ptr ? shown.ptr : "");
    } else if (from == 0 && last >= c->bins.n_edges) {
        snprintf(to, size, "everywhere");
    } else if (from == 0) {
        snprintf(to, size, "where it is below %.4g", c->bins.edges[last]);
    } else if (last >= c->bins.n_edges) {
        snprintf(to, size, "where it is %.4g or more", c->bins.edges[from - 1]);
    } else {
        snprintf(to, size, "where it is %.4g to %.4g", c->bins.edges[from - 1], c->bins.edges[last]);
    }
}

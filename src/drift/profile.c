/* What a profile is made of, merging, and what follows from its sums. */
#include "exact.h"
#include "outcome.h"
#include "rows.h"

#include <float.h>
#include <math.h>
#include <string.h>

void mlo_profile_free(struct mlo_profile *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n_columns; i++) {
        struct mlo_profile_column *c = &p->columns[i];
        free(c->name);
        free(c->counts);
        mlo_bins_release(&c->bins);
        mlo_sketch_release(&c->below);
        mlo_sketch_release(&c->above);
        mlo_categories_release(&c->categories);
    }
    mlo_exact_free(p->exact);
    free(p->columns);
    mlo_outcome_free(p->outcome);
    mlo_rows_free(p->sample);
    free(p);
}

/* What a request log says of its columns. */
static enum mlo_column_role role_of_log(const struct mlo_table_column *c)
{
    static const struct {
        const char *name;
        enum mlo_column_role role;
    } request[] = {{"time", MLO_ROLE_TIME},
                   {"status", MLO_ROLE_STATUS},
                   {"latency_ms", MLO_ROLE_LATENCY},
                   {"model", MLO_ROLE_IGNORE}};
    if (c->origin == MLO_ORIGIN_OUTPUT)
        return MLO_ROLE_PREDICTION;
    if (c->origin == MLO_ORIGIN_LABEL)
        return MLO_ROLE_LABEL;
    for (size_t i = 0; c->origin == MLO_ORIGIN_REQUEST && i < MLO_COUNT(request); i++)
        if (strcmp(request[i].name, c->name) == 0)
            return request[i].role;
    return MLO_ROLE_FEATURE;
}

int mlo_profile_new(const struct mlo_table_column *columns, size_t n, struct mlo_profile **ret,
                    struct mlo_err *err)
{
    struct mlo_profile *p = mlo_calloc(1, sizeof *p, err);
    if (!p)
        return MLO_EIO;
    p->columns = mlo_calloc(n, sizeof *p->columns, err);
    for (size_t i = 0; p->columns && i < n; i++) {
        struct mlo_profile_column *c = &p->columns[i];
        p->n_columns = i + 1;
        c->type = columns[i].type;
        c->integral = columns[i].integral;
        c->role = role_of_log(&columns[i]);
        c->min = INFINITY;
        c->max = -INFINITY;
        mlo_categories_init(&c->categories);
        c->name = mlo_strdup(columns[i].name, err);
        if (!c->name)
            break;
    }
    if (p->n_columns < n || (n > 0 && !p->columns[n - 1].name)) {
        mlo_profile_free(p);
        return MLO_EIO;
    }
    *ret = p;
    return 0;
}

int mlo_profile_set_bins(struct mlo_profile_column *c, const struct mlo_bins *bins, double centre,
                         struct mlo_err *err)
{
    c->counts = mlo_calloc(bins->n_edges + 1, sizeof *c->counts, err);
    if (!c->counts)
        return MLO_EIO;
    c->centre = centre;
    return mlo_bins_from_edges(bins->edges, bins->n_edges, bins->each_value, &c->bins, err);
}

const struct mlo_profile_column *mlo_profile_find(const struct mlo_profile *p, const char *name)
{
    for (size_t i = 0; i < p->n_columns; i++)
        if (strcmp(p->columns[i].name, name) == 0)
            return &p->columns[i];
    return NULL;
}

/* Bins of one value each have their ends full as a matter of course, and so has a column that is capped. */
static double share_beyond(const struct mlo_profile_column *c)
{
    size_t n = c->bins.n_edges;
    if (c->type == MLO_COLUMN_TEXT || n == 0 || c->bins.each_value || c->n == 0)
        return 0;
    uint64_t above = c->max > c->bins.edges[n - 1] ? c->counts[n] : 0;
    return (double)(c->counts[0] + above) / (double)c->n;
}

const char *mlo_profile_beyond(const struct mlo_profile *p, double *ret_share)
{
    const double tolerated = 0.2;
    const char *name = NULL;
    *ret_share = tolerated;
    for (size_t i = 0; i < p->n_columns; i++) {
        double share = share_beyond(&p->columns[i]);
        if (share > *ret_share) {
            *ret_share = share;
            name = p->columns[i].name;
        }
    }
    return name;
}

/* ---- roles ---- */

static const char *const role_words[] = {
    [MLO_ROLE_FEATURE] = "feature", [MLO_ROLE_PREDICTION] = "prediction",
    [MLO_ROLE_SCORE] = "score",     [MLO_ROLE_LABEL] = "label",
    [MLO_ROLE_TIME] = "time",       [MLO_ROLE_IGNORE] = "ignore",
    [MLO_ROLE_LATENCY] = "latency", [MLO_ROLE_STATUS] = "status",
};

const char *mlo_role_word(enum mlo_column_role r)
{
    return role_words[r];
}

bool mlo_role_parse(const char *word, enum mlo_column_role *ret)
{
    for (size_t i = 0; word && i < MLO_COUNT(role_words); i++)
        if (strcmp(role_words[i], word) == 0) {
            *ret = (enum mlo_column_role)i;
            return true;
        }
    return false;
}

const char *mlo_profile_column_of(const struct mlo_profile *p, enum mlo_column_role role)
{
    for (size_t i = 0; i < p->n_columns; i++)
        if (p->columns[i].role == role)
            return p->columns[i].name;
    return NULL;
}

int mlo_profile_set_roles(struct mlo_profile *p, const struct mlo_column_use *roles, size_t n,
                          struct mlo_err *err)
{
    for (size_t i = 0; i < n; i++) {
        struct mlo_profile_column *c = (struct mlo_profile_column *)(uintptr_t)mlo_profile_find(
            p, roles[i].name);
        if (!c && roles[i].optional)
            continue;
        if (!c)
            return mlo_fail(err, MLO_ENOTFOUND, "no column '%s', which is given as %s", roles[i].name,
                            mlo_role_word(roles[i].role));
        if (p->outcome && c->role != roles[i].role) {
            mlo_fail(err, MLO_EUSAGE, "the profile has column '%s' as %s, not as %s", c->name,
                     mlo_role_word(c->role), mlo_role_word(roles[i].role));
            return mlo_hint(err, "roles that judge predictions are given when the profile is made");
        }
        c->role = roles[i].role;
    }
    return 0;
}

void mlo_profile_facts(const struct mlo_profile *p, struct mlo_profile_facts *ret)
{
    *ret = (struct mlo_profile_facts){.rows = p->rows,
                                      .ragged = p->ragged,
                                      .outside = p->outside,
                                      .undated = p->undated,
                                      .columns = p->n_columns};
}

int mlo_profile_columns(const struct mlo_profile *p, struct mlo_table_column **ret, size_t *ret_n,
                        struct mlo_err *err)
{
    struct mlo_table_column *list = mlo_calloc(p->n_columns + 1, sizeof *list, err);
    if (!list)
        return MLO_EIO;
    for (size_t i = 0; i < p->n_columns; i++)
        list[i] = (struct mlo_table_column){
            .name = p->columns[i].name, .type = p->columns[i].type, .integral = p->columns[i].integral};
    *ret = list;
    *ret_n = p->n_columns;
    return 0;
}

int mlo_profile_uses(const struct mlo_profile *p, struct mlo_column_use **ret, size_t *ret_n,
                     const char **ret_positive, struct mlo_err *err)
{
    struct mlo_column_use *list = mlo_calloc(p->n_columns + 1, sizeof *list, err);
    size_t n = 0;
    if (!list)
        return MLO_EIO;
    for (size_t i = 0; i < p->n_columns; i++)
        if (p->columns[i].role != MLO_ROLE_FEATURE)
            list[n++] = (struct mlo_column_use){
                .name = p->columns[i].name, .role = p->columns[i].role, .optional = true};
    *ret = list;
    *ret_n = n;
    *ret_positive = p->outcome ? p->outcome->positive : NULL;
    return 0;
}

/* ---- merging ---- */

static int check_same(const struct mlo_profile *a, const struct mlo_profile *b, struct mlo_err *err)
{
    bool same = a->n_columns == b->n_columns;
    for (size_t i = 0; same && i < a->n_columns; i++) {
        const struct mlo_profile_column *x = &a->columns[i], *y = &b->columns[i];
        same = strcmp(x->name, y->name) == 0 && x->type == y->type && x->role == y->role &&
               x->centre == y->centre && !x->counts == !y->counts && mlo_bins_equal(&x->bins, &y->bins);
        if (!same) {
            mlo_fail(err, MLO_EUSAGE, "the profiles count column '%s' in different bins or roles", x->name);
            return mlo_hint(err, "make the profiles of all shards with --like the same reference profile");
        }
    }
    if (!same)
        return mlo_fail(err, MLO_EUSAGE, "the profiles have different columns");
    return mlo_outcome_same(a->outcome, b->outcome)
               ? 0
               : mlo_fail(err, MLO_EUSAGE, "the profiles judge predictions in different ways");
}

int mlo_profile_settle(struct mlo_profile_column *c, struct mlo_err *err)
{
    int rc = mlo_sketch_check(&c->below, err);
    if (rc == 0)
        rc = mlo_sketch_check(&c->above, err);
    return rc == 0 ? mlo_categories_settle(&c->categories, err) : rc;
}

static int merge_column(struct mlo_profile_column *to, const struct mlo_profile_column *from,
                        struct mlo_err *err)
{
    to->n += from->n;
    to->missing += from->missing;
    to->nan += from->nan;
    to->bad += from->bad;
    to->min = from->min < to->min ? from->min : to->min;
    to->max = from->max > to->max ? from->max : to->max;
    for (size_t i = 0; to->counts && i <= to->bins.n_edges; i++)
        to->counts[i] += from->counts[i];
    mlo_exact_sum_merge(&to->sum, &from->sum);
    mlo_exact_sum_merge(&to->squares, &from->squares);
    mlo_sketch_merge(&to->below, &from->below);
    mlo_sketch_merge(&to->above, &from->above);
    int rc = mlo_categories_merge(&to->categories, &from->categories, err);
    return rc != 0 ? rc : mlo_profile_settle(to, err);
}

int mlo_profile_merge(struct mlo_profile *into, const struct mlo_profile *other, struct mlo_err *err)
{
    int rc = check_same(into, other, err);
    for (size_t i = 0; rc == 0 && i < into->n_columns; i++)
        rc = merge_column(&into->columns[i], &other->columns[i], err);
    if (rc == 0)
        rc = mlo_outcome_merge(into, other, err);
    if (rc == 0 && into->sample && other->sample)
        rc = mlo_rows_merge(into->sample, other->sample, err);
    into->rows += rc == 0 ? other->rows : 0;
    into->ragged += rc == 0 ? other->ragged : 0;
    return rc;
}

void mlo_profile_moments(const struct mlo_profile_column *c, struct mlo_moments *ret)
{
    struct mlo_moments m = {.n = c->n, .min = c->min, .max = c->max};
    if (c->n > 0) {
        double n = (double)c->n, shift = mlo_exact_sum_value(&c->sum) / n;
        m.mean = c->centre + shift;
        m.variance = fmax(0, mlo_exact_sum_value(&c->squares) / n - shift * shift);
    }
    *ret = m;
}

/* ---- quantiles ---- */

static double bin_low(const struct mlo_profile_column *c, size_t i)
{
    return i == 0 ? c->min : c->bins.edges[i - 1] > c->min ? c->bins.edges[i - 1] : c->min;
}

static double bin_high(const struct mlo_profile_column *c, size_t i)
{
    return i == c->bins.n_edges ? c->max : c->bins.edges[i] < c->max ? c->bins.edges[i] : c->max;
}

const struct mlo_sketch *mlo_profile_tail(const struct mlo_profile_column *c, size_t bin)
{
    const struct mlo_sketch *s = bin == 0 ? &c->below : bin == c->bins.n_edges ? &c->above : NULL;
    return s && s->n > 0 && s->n == c->counts[bin] ? s : NULL;
}

static double value_in_bin(const struct mlo_profile_column *c, size_t bin, double rank)
{
    const struct mlo_sketch *tail = mlo_profile_tail(c, bin);
    double low = bin_low(c, bin), high = bin_high(c, bin);
    if (tail)
        return fmin(fmax(mlo_sketch_at(tail, rank), low), high);
    if (c->bins.each_value && bin > 0 && bin < c->bins.n_edges)
        return low;
    return low + (high - low) * ((rank + 0.5) / (double)c->counts[bin]);
}

double mlo_profile_quantile(const struct mlo_profile_column *c, double q)
{
    double rank = q * (double)(c->n > 0 ? c->n - 1 : 0), before = 0;
    for (size_t i = 0; i <= c->bins.n_edges; i++) {
        double n = (double)c->counts[i];
        if (n > 0 && rank < before + n)
            return value_in_bin(c, i, rank - before);
        before += n;
    }
    return c->max;
}

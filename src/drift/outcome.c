/* What became of the predictions: what it is made of, and merging. */
#include "outcome.h"

#include <string.h>

#include <mlopsctl/base/text.h>

#define FEW_CLASSES ((size_t)20) /* whole numbers that are no more different ones than this are classes */

static void release_column(struct mlo_outcome_column *c)
{
    free(c->right);
    free(c->wrong);
    mlo_categories_release(&c->rights);
    mlo_categories_release(&c->wrongs);
}

void mlo_outcome_forget_classes(struct mlo_outcome *o)
{
    for (size_t i = 0; i < o->n_classes; i++)
        free(o->classes[i]);
    o->n_classes = 0;
    o->many = true;
    if (o->confusion)
        memset(o->confusion, 0, MLO_OUTCOME_CLASSES_MAX * MLO_OUTCOME_CLASSES_MAX * sizeof *o->confusion);
}

void mlo_outcome_free(struct mlo_outcome *o)
{
    if (!o)
        return;
    mlo_outcome_forget_classes(o);
    for (size_t i = 0; o->columns && i < o->n_columns; i++)
        release_column(&o->columns[i]);
    free(o->columns);
    free(o->confusion);
    free(o->bins.yes);
    free(o->bins.no);
    free(o->bins.taken);
    free(o->bins.left);
    free(o->bins.sums);
    free(o->positive);
    free(o);
}

/* ---- how to judge ---- */

static size_t first_of(const struct mlo_profile *p, enum mlo_column_role role)
{
    for (size_t i = 0; i < p->n_columns; i++)
        if (p->columns[i].role == role)
            return i;
    return MLO_OUTCOME_NO_COLUMN;
}

bool mlo_outcome_is_wanted(const struct mlo_profile *p)
{
    return first_of(p, MLO_ROLE_LABEL) != MLO_OUTCOME_NO_COLUMN &&
           (first_of(p, MLO_ROLE_PREDICTION) != MLO_OUTCOME_NO_COLUMN ||
            first_of(p, MLO_ROLE_SCORE) != MLO_OUTCOME_NO_COLUMN);
}

static bool is_number(const struct mlo_profile_column *c)
{
    return c->type == MLO_COLUMN_NUMBER || c->type == MLO_COLUMN_BOOL;
}

/* Few different whole numbers, or no numbers at all. */
static bool are_classes(const struct mlo_profile_column *c)
{
    return c->type != MLO_COLUMN_NUMBER ||
           (c->integral && c->bins.each_value && c->bins.n_edges <= FEW_CLASSES + 1);
}

/* What the columns say; false: they do not fit together. */
static bool decide(const struct mlo_profile *p, struct mlo_outcome *o)
{
    const struct mlo_profile_column *label = &p->columns[o->label], *given = NULL;
    if (!o->by_score)
        given = &p->columns[o->prediction];
    if (label->type == MLO_COLUMN_TIME || (given && is_number(label) != is_number(given)))
        return false;
    bool classes = are_classes(label) && (!given || given->type != MLO_COLUMN_NUMBER || given->integral);
    o->kind = classes ? MLO_OUTCOME_CLASSES : MLO_OUTCOME_NUMBERS;
    return given || (classes && o->positive && is_number(&p->columns[o->score]));
}

static int own_way(const struct mlo_profile *p, const char *positive, struct mlo_outcome *o, bool *ret_fits,
                   struct mlo_err *err)
{
    o->label = first_of(p, MLO_ROLE_LABEL);
    o->prediction = first_of(p, MLO_ROLE_PREDICTION);
    o->score = first_of(p, MLO_ROLE_SCORE);
    o->by_score = o->prediction == MLO_OUTCOME_NO_COLUMN;
    if (!positive && is_number(&p->columns[o->label]))
        positive = "1";
    if (positive && !(o->positive = mlo_strdup(positive, err)))
        return MLO_EIO;
    *ret_fits = decide(p, o);
    return 0;
}

/* The column of the same name, when it is of the same type. */
static size_t place_of(const struct mlo_profile *p, const struct mlo_profile *like, size_t at)
{
    for (size_t i = 0; at != MLO_OUTCOME_NO_COLUMN && i < p->n_columns; i++)
        if (strcmp(p->columns[i].name, like->columns[at].name) == 0)
            return p->columns[i].type == like->columns[at].type ? i : MLO_OUTCOME_NO_COLUMN;
    return MLO_OUTCOME_NO_COLUMN;
}

static int same_way(const struct mlo_profile *p, const struct mlo_profile *like, struct mlo_outcome *o,
                    struct mlo_err *err)
{
    const struct mlo_outcome *l = like->outcome;
    o->label = place_of(p, like, l->label);
    o->prediction = place_of(p, like, l->prediction);
    o->score = place_of(p, like, l->score);
    o->by_score = l->by_score;
    o->kind = l->kind;
    o->large = l->large;
    return l->positive && !(o->positive = mlo_strdup(l->positive, err)) ? MLO_EIO : 0;
}

/* ---- room ---- */

static bool is_counted(const struct mlo_profile_column *c)
{
    return (c->role == MLO_ROLE_FEATURE || c->role == MLO_ROLE_SCORE) && c->type != MLO_COLUMN_TIME;
}

int mlo_outcome_room(struct mlo_outcome *o, const struct mlo_profile *p, size_t i, struct mlo_err *err)
{
    const struct mlo_profile_column *c = &p->columns[i];
    struct mlo_outcome_column *k = &o->columns[i];
    mlo_categories_init(&k->rights);
    mlo_categories_init(&k->wrongs);
    k->counted = is_counted(c);
    if (!k->counted || c->type == MLO_COLUMN_TEXT)
        return 0;
    k->right = mlo_calloc(mlo_outcome_n_bins(c), sizeof *k->right, err);
    k->wrong = mlo_calloc(mlo_outcome_n_bins(c), sizeof *k->wrong, err);
    return k->right && k->wrong ? 0 : MLO_EIO;
}

int mlo_outcome_bins_room(struct mlo_outcome *o, size_t bins, struct mlo_err *err)
{
    struct mlo_outcome_bins *b = &o->bins;
    b->yes = mlo_calloc(bins, sizeof *b->yes, err);
    b->no = mlo_calloc(bins, sizeof *b->no, err);
    b->taken = mlo_calloc(bins, sizeof *b->taken, err);
    b->left = mlo_calloc(bins, sizeof *b->left, err);
    b->sums = mlo_calloc(bins, sizeof *b->sums, err);
    return b->yes && b->no && b->taken && b->left && b->sums ? 0 : MLO_EIO;
}

static int make_room(struct mlo_outcome *o, const struct mlo_profile *p, struct mlo_err *err)
{
    int rc = 0;
    o->n_columns = p->n_columns;
    o->columns = mlo_calloc(p->n_columns + 1, sizeof *o->columns, err);
    if (!o->columns)
        return MLO_EIO;
    for (size_t i = 0; rc == 0 && i < p->n_columns; i++)
        rc = mlo_outcome_room(o, p, i, err);
    if (rc == 0 && o->kind == MLO_OUTCOME_CLASSES && o->positive && o->score != MLO_OUTCOME_NO_COLUMN &&
        is_number(&p->columns[o->score]))
        rc = mlo_outcome_bins_room(o, mlo_outcome_n_bins(&p->columns[o->score]), err);
    return rc;
}

int mlo_outcome_new(const struct mlo_profile *p, const struct mlo_profile *like, const char *positive,
                    struct mlo_outcome **ret, struct mlo_err *err)
{
    bool fits = true;
    struct mlo_outcome *o = mlo_calloc(1, sizeof *o, err);
    if (!o)
        return MLO_EIO;
    int rc = like ? same_way(p, like, o, err) : own_way(p, positive, o, &fits, err);
    if (rc == 0 && fits)
        rc = make_room(o, p, err);
    if (rc == 0 && fits)
        *ret = mlo_steal(&o);
    mlo_outcome_free(o);
    return rc;
}

/* ---- classes ---- */

static bool is_name(struct mlo_slice s)
{
    return s.len <= MLO_CATEGORY_TEXT_MAX && !memchr(s.ptr, '\0', s.len) && mlo_utf8_valid(s.ptr, s.len);
}

/* Index of a class, which may be new; the maximum with o->many set when there is no room. */
static int class_of(struct mlo_outcome *o, struct mlo_slice s, size_t *ret, struct mlo_err *err)
{
    *ret = MLO_OUTCOME_CLASSES_MAX;
    for (size_t i = 0; i < o->n_classes; i++)
        if (strlen(o->classes[i]) == s.len && memcmp(o->classes[i], s.ptr, s.len) == 0) {
            *ret = i;
            return 0;
        }
    if (o->n_classes == MLO_OUTCOME_CLASSES_MAX || !is_name(s)) {
        mlo_outcome_forget_classes(o);
        return 0;
    }
    char *copy = mlo_memdup0(s.ptr, s.len, err);
    if (!copy)
        return MLO_EIO;
    *ret = o->n_classes;
    o->classes[o->n_classes++] = copy;
    return 0;
}

int mlo_outcome_confuse(struct mlo_outcome *o, struct mlo_slice label, struct mlo_slice prediction,
                        uint64_t times, struct mlo_err *err)
{
    const size_t side = MLO_OUTCOME_CLASSES_MAX;
    size_t l = side, q = side;
    if (!o->many && !o->confusion) {
        o->confusion = mlo_calloc(side * side, sizeof *o->confusion, err);
        if (!o->confusion)
            return MLO_EIO;
    }
    int rc = o->many ? 0 : class_of(o, label, &l, err);
    if (rc == 0 && !o->many)
        rc = class_of(o, prediction, &q, err);
    if (rc == 0 && !o->many)
        o->confusion[l * side + q] += times;
    return rc;
}

/* ---- merging ---- */

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

bool mlo_outcome_same(const struct mlo_outcome *a, const struct mlo_outcome *b)
{
    if (!a || !b)
        return a == b;
    return a->kind == b->kind && a->label == b->label && a->prediction == b->prediction &&
           a->score == b->score && a->by_score == b->by_score && same_text(a->positive, b->positive) &&
           a->large >= b->large && a->large <= b->large && !a->bins.yes == !b->bins.yes;
}

static void add(uint64_t *to, const uint64_t *from, size_t n)
{
    for (size_t i = 0; to && i < n; i++)
        to[i] += from[i];
}

static int merge_classes(struct mlo_outcome *to, const struct mlo_outcome *from, struct mlo_err *err)
{
    const size_t side = MLO_OUTCOME_CLASSES_MAX;
    int rc = 0;
    if (from->many)
        mlo_outcome_forget_classes(to);
    for (size_t l = 0; rc == 0 && l < from->n_classes; l++)
        for (size_t q = 0; rc == 0 && q < from->n_classes; q++) {
            struct mlo_slice label = {from->classes[l], strlen(from->classes[l])},
                             prediction = {from->classes[q], strlen(from->classes[q])};
            uint64_t times = from->confusion[l * side + q];
            rc = times ? mlo_outcome_confuse(to, label, prediction, times, err) : 0;
        }
    return rc;
}

static void merge_sums(struct mlo_outcome *to, const struct mlo_outcome *from)
{
    to->measured += from->measured;
    mlo_exact_sum_merge(&to->error, &from->error);
    mlo_exact_sum_merge(&to->absolute, &from->absolute);
    mlo_exact_sum_merge(&to->squares, &from->squares);
    mlo_exact_sum_merge(&to->fourth, &from->fourth);
    to->scored += from->scored;
    mlo_exact_sum_merge(&to->brier, &from->brier);
    mlo_exact_sum_merge(&to->brier2, &from->brier2);
}

static void merge_bins(struct mlo_outcome_bins *to, const struct mlo_outcome_bins *from, size_t n)
{
    add(to->yes, from->yes, n);
    add(to->no, from->no, n);
    add(to->taken, from->taken, n);
    add(to->left, from->left, n);
    for (size_t i = 0; to->sums && i < n; i++)
        mlo_exact_sum_merge(&to->sums[i], &from->sums[i]);
}

static int merge_texts(struct mlo_categories *to, const struct mlo_categories *from, struct mlo_err *err)
{
    int rc = mlo_categories_merge(to, from, err);
    return rc != 0 ? rc : mlo_categories_settle(to, err);
}

static int merge_column(struct mlo_outcome_column *to, const struct mlo_outcome_column *from, size_t bins,
                        struct mlo_err *err)
{
    add(to->right, from->right, bins);
    add(to->wrong, from->wrong, bins);
    to->missing_right += from->missing_right;
    to->missing_wrong += from->missing_wrong;
    int rc = merge_texts(&to->rights, &from->rights, err);
    return rc != 0 ? rc : merge_texts(&to->wrongs, &from->wrongs, err);
}

int mlo_outcome_merge(struct mlo_profile *into, const struct mlo_profile *other, struct mlo_err *err)
{
    struct mlo_outcome *to = into->outcome;
    const struct mlo_outcome *from = other->outcome;
    int rc = to ? merge_classes(to, from, err) : 0;
    if (rc != 0 || !to)
        return rc;
    to->judged += from->judged;
    to->right += from->right;
    merge_sums(to, from);
    if (mlo_outcome_has_bins(to))
        merge_bins(&to->bins, &from->bins, mlo_outcome_n_bins(&into->columns[to->score]));
    for (size_t i = 0; rc == 0 && i < to->n_columns; i++)
        rc = merge_column(&to->columns[i], &from->columns[i], mlo_outcome_n_bins(&into->columns[i]), err);
    return rc;
}

/* Right or wrong, row by row: a batch of a table into the counts of an outcome. */
#include "outcome.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/number.h>

enum verdict { UNJUDGED, RIGHT, WRONG };

static bool is_there(const struct mlo_batch_column *b, size_t row)
{
    return !b->cell || b->cell[row] == MLO_CELL_OK;
}

static struct mlo_slice text_at(const struct mlo_batch_column *b, size_t row)
{
    return b->codes ? b->dictionary[b->codes[row]] : b->texts[row];
}

/* The column, or NULL when the table does not have it. */
static const struct mlo_batch_column *column_of(const struct mlo_batch *b, size_t at)
{
    return at < b->n_columns ? &b->columns[at] : NULL;
}

/* ---- rows ---- */

/* What is asked of the columns of a batch. */
struct rows {
    const struct mlo_outcome *o;
    const struct mlo_batch_column *label, *given, *score; /* NULL: not there */
    bool label_text, given_text;
    struct mlo_slice positive;
    double positive_number;
};

static struct rows rows_of(const struct mlo_outcome *o, const struct mlo_profile *p,
                           const struct mlo_batch *b)
{
    struct rows r = {.o = o};
    r.label = column_of(b, o->label);
    r.given = column_of(b, o->prediction);
    r.score = column_of(b, o->score);
    r.label_text = r.label && p->columns[o->label].type == MLO_COLUMN_TEXT;
    r.given_text = r.given && p->columns[o->prediction].type == MLO_COLUMN_TEXT;
    r.positive_number = NAN;
    if (o->positive) {
        char *end;
        r.positive = (struct mlo_slice){o->positive, strlen(o->positive)};
        double v = strtod(o->positive, &end);
        r.positive_number = *end == '\0' && end > o->positive ? v : NAN;
    }
    return r;
}

static bool same(struct mlo_slice a, struct mlo_slice b)
{
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

/* Is the cell the positive class? */
static bool is_positive(const struct rows *r, const struct mlo_batch_column *b, bool text, size_t row)
{
    if (text)
        return same(text_at(b, row), r->positive);
    return b->numbers[row] >= r->positive_number && b->numbers[row] <= r->positive_number;
}

static bool has_score(const struct rows *r, size_t row)
{
    return r->score && r->score->numbers && is_there(r->score, row);
}

/* Was the row answered, and is the answer the positive class? */
static bool is_answered(const struct rows *r, size_t row, bool *ret_taken)
{
    if (r->o->by_score ? !has_score(r, row) : !r->given || !is_there(r->given, row))
        return false;
    *ret_taken = r->o->by_score ? r->score->numbers[row] >= 0.5
                                : r->o->positive && is_positive(r, r->given, r->given_text, row);
    return true;
}

static enum verdict judge(const struct rows *r, size_t row)
{
    bool taken = false;
    if (!r->label || !is_there(r->label, row) || !is_answered(r, row, &taken))
        return UNJUDGED;
    if (r->o->by_score)
        return is_positive(r, r->label, r->label_text, row) == taken ? RIGHT : WRONG;
    if (r->label_text)
        return same(text_at(r->label, row), text_at(r->given, row)) ? RIGHT : WRONG;
    double miss = fabs(r->given->numbers[row] - r->label->numbers[row]);
    return miss <= (r->o->kind == MLO_OUTCOME_NUMBERS ? r->o->large : 0) ? RIGHT : WRONG;
}

/* ---- counts of one row ---- */

static struct mlo_slice class_text(const struct mlo_batch_column *b, bool text, size_t row,
                                   char buf[MLO_DOUBLE_TEXT])
{
    if (text)
        return text_at(b, row);
    double v = b->numbers[row];
    return (struct mlo_slice){buf, mlo_double_digits(v + 0.0, buf)}; /* -0.0 is 0 */
}

static int confuse(const struct rows *r, struct mlo_outcome *o, size_t row, struct mlo_err *err)
{
    char label[MLO_DOUBLE_TEXT], given[MLO_DOUBLE_TEXT];
    if (o->many)
        return 0;
    return mlo_outcome_confuse(o, class_text(r->label, r->label_text, row, label),
                               class_text(r->given, r->given_text, row, given), 1, err);
}

static void measure(const struct rows *r, struct mlo_outcome *o, size_t row)
{
    double e = r->given->numbers[row] - r->label->numbers[row], square = e * e;
    if (!isfinite(square * square))
        return;
    o->measured++;
    mlo_exact_sum_add(&o->error, e);
    mlo_exact_sum_add(&o->absolute, fabs(e));
    mlo_exact_sum_add(&o->squares, square);
    mlo_exact_sum_add(&o->fourth, square * square);
}

static void count_score(const struct rows *r, struct mlo_outcome *o, const struct mlo_bins *bins, size_t row)
{
    bool taken = false, yes;
    if (!has_score(r, row))
        return;
    double s = r->score->numbers[row];
    size_t bin = mlo_bins_find(bins, s);
    if (is_answered(r, row, &taken))
        (taken ? o->bins.taken : o->bins.left)[bin]++;
    if (!r->label || !is_there(r->label, row))
        return;
    yes = is_positive(r, r->label, r->label_text, row);
    (yes ? o->bins.yes : o->bins.no)[bin]++;
    mlo_exact_sum_add(&o->bins.sums[bin], s);
    if (s >= 0 && s <= 1) {
        double miss = (s - yes) * (s - yes);
        o->scored++;
        mlo_exact_sum_add(&o->brier, miss);
        mlo_exact_sum_add(&o->brier2, miss * miss);
    }
}

static int count_row(const struct rows *r, struct mlo_outcome *o, size_t row, enum verdict v,
                     struct mlo_err *err)
{
    o->judged++;
    o->right += v == RIGHT;
    if (o->kind == MLO_OUTCOME_NUMBERS) {
        measure(r, o, row);
        return 0;
    }
    return o->by_score ? 0 : confuse(r, o, row, err);
}

/* ---- counts of one column ---- */

static void count_numbers(struct mlo_outcome_column *k, const struct mlo_bins *bins,
                          const struct mlo_batch_column *b, const uint8_t *verdicts, size_t rows)
{
    for (size_t row = 0; row < rows; row++) {
        bool right = verdicts[row] == RIGHT;
        if (verdicts[row] == UNJUDGED)
            continue;
        if (is_there(b, row))
            (right ? k->right : k->wrong)[mlo_bins_find(bins, b->numbers[row])]++;
        else
            *(right ? &k->missing_right : &k->missing_wrong) += 1;
    }
}

static int count_texts(struct mlo_outcome_column *k, const struct mlo_batch_column *b,
                       const uint8_t *verdicts, size_t rows, struct mlo_err *err)
{
    int rc = 0;
    for (size_t row = 0; rc == 0 && row < rows; row++) {
        bool right = verdicts[row] == RIGHT;
        if (verdicts[row] == UNJUDGED)
            continue;
        if (is_there(b, row)) {
            struct mlo_slice s = text_at(b, row);
            rc = mlo_categories_add(right ? &k->rights : &k->wrongs, s.ptr, s.len, 1, err);
        } else {
            *(right ? &k->missing_right : &k->missing_wrong) += 1;
        }
    }
    return rc;
}

/* ---- a batch ---- */

static int judge_rows(const struct rows *r, struct mlo_outcome *o, const struct mlo_profile *p, size_t n,
                      uint8_t *verdicts, struct mlo_err *err)
{
    int rc = 0;
    for (size_t row = 0; rc == 0 && row < n; row++) {
        enum verdict v = judge(r, row);
        verdicts[row] = (uint8_t)v;
        if (mlo_outcome_has_bins(o))
            count_score(r, o, &p->columns[o->score].bins, row);
        if (v != UNJUDGED)
            rc = count_row(r, o, row, v, err);
    }
    return rc;
}

int mlo_outcome_count(struct mlo_outcome *o, const struct mlo_profile *p, const struct mlo_batch *b,
                      struct mlo_err *err)
{
    MLO_AUTOFREE uint8_t *verdicts = mlo_calloc(b->n_rows + 1, 1, err);
    struct rows r = rows_of(o, p, b);
    uint64_t before = o->judged;
    if (!verdicts)
        return MLO_EIO;
    int rc = judge_rows(&r, o, p, b->n_rows, verdicts, err);
    if (o->judged == before)
        return rc;
    for (size_t i = 0; rc == 0 && i < o->n_columns; i++) {
        struct mlo_outcome_column *k = &o->columns[i];
        if (!k->counted)
            continue;
        if (p->columns[i].type == MLO_COLUMN_TEXT)
            rc = count_texts(k, &b->columns[i], verdicts, b->n_rows, err);
        else
            count_numbers(k, &p->columns[i].bins, &b->columns[i], verdicts, b->n_rows);
    }
    return rc;
}

int mlo_outcome_errors(const struct mlo_outcome *o, const struct mlo_batch *b, double **list, size_t *n,
                       size_t *cap, struct mlo_err *err)
{
    const struct mlo_batch_column *label = column_of(b, o->label), *given = column_of(b, o->prediction);
    int rc = mlo_grow(list, cap, *n + b->n_rows, sizeof **list, err);
    for (size_t row = 0; rc == 0 && label && given && row < b->n_rows; row++)
        if (is_there(label, row) && is_there(given, row))
            (*list)[(*n)++] = fabs(given->numbers[row] - label->numbers[row]);
    return rc;
}

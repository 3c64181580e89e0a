/* Names of categories that a model carries: what pandas had as text, beside the numbers that trees compare.
 */
#include <string.h>

#include <mlopsctl/base/number.h>
#include <mlopsctl/base/text.h>

#include "internal.h"

/* Entries up to feature n - 1. XGBoost refuses names that it has not seen, pandas gives LightGBM nothing for
 * them. */
static int extend(struct mlo_booster *b, size_t n, struct mlo_err *err)
{
    if (n > MLO_BOOSTER_FEATURES_MAX)
        return mlo_fail(err, MLO_EINVALID, "categories of more than %zu features", MLO_BOOSTER_FEATURES_MAX);
    int rc = mlo_grow(&b->categories, &b->room.categories, n, sizeof *b->categories, err);
    for (; rc == 0 && b->n_categories < n; b->n_categories++)
        b->categories[b->n_categories] = (struct mlo_categories){.closed = b->trainer == MLO_TRAINER_XGBOOST};
    return rc;
}

int mlo_booster_add_category(struct mlo_booster *b, size_t feature, const struct mlo_slice *text,
                             double number, struct mlo_err *err)
{
    char digits[MLO_DOUBLE_TEXT];
    struct mlo_slice name = text ? *text : (struct mlo_slice){digits, mlo_double_digits(number, digits)};
    if (!mlo_utf8_valid(name.ptr, name.len) || (name.len && memchr(name.ptr, 0, name.len)))
        return mlo_fail(err, MLO_EINVALID, "a category of feature %zu whose name is no text", feature);
    int rc = feature < b->n_categories ? 0 : extend(b, feature + 1, err);
    struct mlo_categories *c = rc == 0 ? &b->categories[feature] : NULL;
    if (rc == 0)
        rc = mlo_grow(&c->names, &c->cap, c->n + 1, sizeof *c->names, err);
    if (rc != 0)
        return rc;
    c->names[c->n] = mlo_arena_strndup(&b->arena, name.len ? name.ptr : "", name.len, err);
    if (!c->names[c->n])
        return err->code;
    c->n++;
    c->numbers = !text;
    return 0;
}

int mlo_booster_end_categories(struct mlo_booster *b, struct mlo_err *err)
{
    if (b->n_categories > b->n_features)
        return mlo_fail(err, MLO_EINVALID, "categories of %zu features, not of %zu", b->n_categories,
                        b->n_features);
    int rc = b->n_categories ? extend(b, b->n_features, err) : 0;
    for (size_t i = 0; i < b->n_categories; i++)
        for (size_t k = 0; rc == 0 && k < b->categories[i].n; k++)
            rc = mlo_name_map_set(&b->categories[i].map, b->categories[i].names[k], k, err);
    return rc;
}

void mlo_booster_free_categories(struct mlo_booster *b)
{
    for (size_t i = 0; i < b->n_categories; i++) {
        mlo_name_map_release(&b->categories[i].map);
        free(b->categories[i].names);
    }
    free(b->categories);
}

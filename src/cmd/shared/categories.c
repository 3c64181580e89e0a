/* See categories.h. */
#include "categories.h"

#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/names.h>
#include <mlopsctl/base/number.h>
#include <mlopsctl/base/text.h>

#define NAMES_SHOWN 20 /* of a column, outside JSON */

static const struct mlo_column columns[] = {{"column", "COLUMN", MLO_CELL_TEXT},
                                            {"categories", "CATEGORIES", MLO_CELL_TEXT}};

/* A column without a name is known by its number. */
static const char *column_name(const struct mlo_graph_value *v, size_t i, char number[MLO_WHOLE_TEXT])
{
    if (v->columns)
        return v->columns[i];
    snprintf(number, MLO_WHOLE_TEXT, "%zu", i);
    return number;
}

static void put_row(struct mlo_report *r, const char *name, const struct mlo_categories *c)
{
    MLO_AUTOSTR struct mlo_str names;
    char shown[MLO_SHOWN];
    mlo_str_init(&names, 2 * NAMES_SHOWN * MLO_SHOWN);
    for (size_t k = 0; k < c->n && k < NAMES_SHOWN; k++)
        mlo_str_addf(&names, "%s%s", k ? ", " : "", mlo_shown(c->names[k], strlen(c->names[k]), shown));
    if (c->n > NAMES_SHOWN)
        mlo_str_addf(&names, " and %zu more", c->n - NAMES_SHOWN);
    mlo_cell_text(r, name);
    mlo_cell_text(r, names.ptr);
}

/* Bytes that are no UTF-8 become visible: JSON has no other text. */
static void add_name(struct mlo_str *out, const char *name)
{
    size_t n = strlen(name);
    if (mlo_utf8_valid(name, n))
        mlo_str_addn(out, name, n);
    else
        mlo_escape(out, name, n);
}

static int put_member(struct mlo_jb *b, cJSON *all, const char *name, const struct mlo_categories *c,
                      struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str joined, one;
    mlo_str_init(&joined, MLO_STR_MAX);
    mlo_str_init(&one, MLO_STR_MAX);
    cJSON *o = mlo_jb_object(b, all, NULL);
    mlo_jb_text(b, o, "column", name);
    cJSON *names = mlo_jb_array(b, o, "names");
    for (size_t k = 0; k < c->n; k++) {
        mlo_str_clear(&one);
        add_name(&one, c->names[k]);
        mlo_jb_text(b, names, NULL, one.ptr);
        mlo_str_addf(&joined, "%s%s", k ? ", " : "", one.ptr);
    }
    mlo_jb_text(b, o, "categories", joined.ptr);
    int rc = mlo_str_check(&one, err);
    return rc == 0 ? mlo_str_check(&joined, err) : rc;
}

/* The columns of a matrix that have names of categories; *pall becomes an array at the first, in JSON. */
static int put_value(const struct mlo_ctx *ctx, const struct mlo_graph_value *v, struct mlo_jb *b,
                     cJSON **pall, size_t *n, struct mlo_err *err)
{
    char number[MLO_WHOLE_TEXT];
    int rc = 0;
    if (!v->categories || v->rank != 2)
        return 0;
    for (size_t i = 0; rc == 0 && i < (size_t)v->dims[1].size; i++) {
        const struct mlo_categories *c = &v->categories[i];
        if (c->n == 0)
            continue;
        if ((*n)++ == 0 && ctx->json)
            *pall = mlo_jb_array(b, NULL, NULL);
        else if (*n == 1)
            mlo_report_table(ctx->report, "categories", NULL, columns, MLO_COUNT(columns), NULL);
        if (ctx->json)
            rc = put_member(b, *pall, column_name(v, i, number), c, err);
        else
            put_row(ctx->report, column_name(v, i, number), c);
    }
    return rc;
}

int mlo_put_categories(const struct mlo_ctx *ctx, const struct mlo_graph *g, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *all = NULL;
    struct mlo_jb b = {0};
    size_t n = 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < g->n_inputs; i++)
        rc = put_value(ctx, &g->values[g->inputs[i]], &b, &all, &n, err);
    if (rc == 0)
        rc = mlo_jb_check(&b, err);
    if (rc == 0 && all)
        mlo_report_json(ctx->report, "categories", mlo_steal(&all));
    return rc;
}

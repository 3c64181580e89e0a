/* What a model takes, column by column. */
#include <string.h>

#include <mlopsctl/base/json.h>
#include <mlopsctl/base/text.h>

#include "internal.h"

#define NAMES_BYTES ((size_t)64 << 20)

static int refuse(const struct mlo_port_type *p, const char *why, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    mlo_fail(err, MLO_EUNAVAIL, "input '%s' of the model %s", mlo_shown(p->name, strlen(p->name), shown),
             why);
    return mlo_hint(err, "`mlopsctl onnx inspect` shows what the model takes");
}

static int check_port(const struct mlo_port_type *p, struct mlo_err *err)
{
    if (p->kind != MLO_KIND_ARRAY && p->kind != MLO_KIND_UNKNOWN)
        return refuse(p, "is a map, a sequence or optional: columns do not make one", err);
    if (p->has_shape && p->rank == 0)
        return refuse(p, "is a single number, not one for each row", err);
    if (p->has_shape && (p->rank > MLO_RANK_MAX || (p->rank > 2 && p->dtype == MLO_DT_STRING)))
        return refuse(p, "has more dimensions than columns can make", err);
    if (p->dtype != MLO_DT_STRING && !mlo_element_is_number(p->dtype))
        return refuse(p, "is of a type that no column has", err);
    return 0;
}

static int add(struct mlo_features *f, size_t *cap, const struct mlo_feature *one, struct mlo_err *err)
{
    int rc = 0;
    if (f->n == MLO_FEATURES_MAX)
        return mlo_fail(err, MLO_EUNAVAIL, "the model takes more than %zu columns", MLO_FEATURES_MAX);
    if (f->n == *cap)
        rc = mlo_grow(&f->list, cap, f->n + 1, sizeof *f->list, err);
    if (rc == 0)
        f->list[f->n++] = *one;
    return rc;
}

/* Elements of a row; 0 when a dimension is not said. */
static size_t row_width(const struct mlo_port_type *p)
{
    uint64_t n = 1;
    for (unsigned i = 1; i < p->rank; i++)
        if (p->dims[i].size < 0 || !mlo_mul_u64(n, (uint64_t)p->dims[i].size, &n))
            return 0;
    return n <= MLO_CELL_ARRAY ? (size_t)n : 0;
}

/* [N], [N,1]: a column of the input's name. [N,F]: F columns. More dimensions: an array in each cell. */
static int add_port(struct mlo_features *f, size_t *cap, const struct mlo_port_type *p, size_t input,
                    struct mlo_err *err)
{
    size_t width = p->has_shape ? row_width(p) : 0;
    struct mlo_feature one = {.input = input, .width = 1, .dtype = p->dtype};
    if (p->has_shape && (p->rank == 1 || (p->rank == 2 && width == 1))) {
        one.name = p->name;
        return add(f, cap, &one, err);
    }
    if (p->has_shape && p->rank > 2) {
        one = (struct mlo_feature){p->name, input, 0, width, true, p->dtype, NULL};
        return add(f, cap, &one, err);
    }
    if (width == 0 && p->has_shape && p->dims[1].size == 0)
        return refuse(p, "has no columns", err);
    if (width == 0 && f->open != MLO_NO_VALUE)
        return refuse(p, "does not say how many columns it takes, and neither does another one", err);
    if (width == 0)
        f->open = input;
    int rc = 0;
    for (; rc == 0 && one.at < width; one.at++) {
        one.name = p->columns ? p->columns[one.at] : NULL;
        one.categories = p->categories && p->categories[one.at].n ? &p->categories[one.at] : NULL;
        rc = add(f, cap, &one, err);
    }
    return rc;
}

/* The number of rows that the model was made for, when it is fixed. */
static int see_rows(struct mlo_features *f, const struct mlo_port_type *p, struct mlo_err *err)
{
    int64_t rows = p->has_shape ? p->dims[0].size : -1;
    if (rows < 0)
        return 0;
    if (rows == 0 || (f->rows && f->rows != rows))
        return refuse(p, "takes another number of rows than the others", err);
    f->rows = rows;
    return 0;
}

/* ---- names ---- */

static const char *metadata(const struct mlo_onnx_model *m, const char *key)
{
    for (size_t i = 0; m && i < m->n_metadata; i++)
        if (strcmp(m->metadata[i].key, key) == 0)
            return m->metadata[i].value;
    return NULL;
}

static int set_name(struct mlo_features *f, size_t i, const char *name, struct mlo_err *err)
{
    f->list[i].name = mlo_arena_strndup(&f->arena, name, strlen(name), err);
    return f->list[i].name ? 0 : err->code;
}

/* A list of texts, as some converters keep it; anything else is not believed. */
static int names_of_metadata(struct mlo_features *f, struct mlo_err *err)
{
    const char *text = metadata(mlo_plan_model(f->plan), "feature_names");
    struct mlo_err ignored = MLO_ERR_INIT;
    MLO_AUTOJSON cJSON *list = NULL;
    size_t i = 0;
    int rc = 0;
    if (!text || mlo_json_parse(text, strlen(text), NAMES_BYTES, &list, &ignored) != 0 ||
        !cJSON_IsArray(list) || (size_t)cJSON_GetArraySize(list) != f->n)
        return 0;
    for (const cJSON *o = list->child; o; o = o->next)
        if (!cJSON_IsString(o))
            return 0;
    for (const cJSON *o = list->child; rc == 0 && o; o = o->next, i++)
        rc = f->list[i].name ? 0 : set_name(f, i, o->valuestring, err);
    return rc;
}

/* One matrix of any width: it becomes as wide as there are names. */
static int open_up(struct mlo_features *f, size_t *cap, size_t n_names, struct mlo_err *err)
{
    const struct mlo_port_type *p = mlo_plan_inputs(f->plan, &(size_t){0});
    struct mlo_feature one = {.input = f->open, .width = 1, .dtype = p[f->open].dtype};
    int rc = 0;
    for (; rc == 0 && f->n < n_names; one.at++)
        rc = add(f, cap, &one, err);
    f->open = MLO_NO_VALUE;
    return rc;
}

static int given_names(struct mlo_features *f, size_t *cap, const char *const *names, size_t n,
                       struct mlo_err *err)
{
    int rc = f->open != MLO_NO_VALUE && n > f->n ? open_up(f, cap, n, err) : 0;
    if (rc != 0)
        return rc;
    if (n != f->n)
        return mlo_fail(err, MLO_EUSAGE, "%zu names are given, but the model takes %zu columns", n, f->n);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = set_name(f, i, names[i], err);
    return rc;
}

/* ---- all ---- */

int mlo_features_find(const struct mlo_plan *p, const char *const *names, size_t n_names,
                      struct mlo_features *ret, struct mlo_err *err)
{
    struct mlo_features f = {.plan = p, .open = MLO_NO_VALUE};
    size_t n_ports, cap = 0;
    const struct mlo_port_type *ports = mlo_plan_inputs(p, &n_ports);
    int rc = n_ports ? 0 : mlo_fail(err, MLO_EUNAVAIL, "the model takes no input");
    mlo_arena_init(&f.arena, NAMES_BYTES);
    for (size_t i = 0; rc == 0 && i < n_ports; i++) {
        rc = check_port(&ports[i], err);
        if (rc == 0)
            rc = see_rows(&f, &ports[i], err);
        if (rc == 0)
            rc = add_port(&f, &cap, &ports[i], i, err);
    }
    if (rc == 0)
        rc = names ? given_names(&f, &cap, names, n_names, err) : names_of_metadata(&f, err);
    if (rc != 0)
        mlo_features_release(&f);
    else
        *ret = f;
    return rc;
}

void mlo_features_release(struct mlo_features *f)
{
    free(f->list);
    mlo_arena_release(&f->arena);
    *f = (struct mlo_features){0};
}

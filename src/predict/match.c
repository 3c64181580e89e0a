/*
 * A table's columns for a model's features: by name where the model names them, else by position. What does
 * not fit is collected, so that one message tells all of it.
 */
#include <stdarg.h>
#include <string.h>

#include <mlopsctl/base/decimal.h>
#include <mlopsctl/base/names.h>
#include <mlopsctl/base/text.h>

#include "internal.h"

struct matcher {
    struct mlo_features *f;
    const struct mlo_table_column *found;
    size_t n_found;
    const struct mlo_match_opts *opts;
    struct mlo_match *m;
    size_t *wanted; /* of each found column 1 + where it is among m->columns; 0: nowhere */
    struct mlo_str faults;
    size_t in_part; /* names since the part began */
    size_t n_lacking;
};

/* ---- telling ---- */

static void begin_part(struct matcher *w)
{
    w->in_part = 0;
}

/* "it lacks 'a', 'b'": the words stand before the first name of a part. */
static void tell(struct matcher *w, const char *words, const char *name)
{
    char shown[MLO_SHOWN];
    w->in_part++;
    if (w->in_part == MLO_LISTED_MAX + 1)
        mlo_str_add(&w->faults, ", and more");
    if (w->in_part > MLO_LISTED_MAX)
        return;
    if (w->in_part == 1)
        mlo_str_addf(&w->faults, "%s%s ", w->faults.len ? "; " : "", words);
    mlo_str_addf(&w->faults, "%s'%s'", w->in_part > 1 ? ", " : "", mlo_shown(name, strlen(name), shown));
}

/* ---- columns that are wanted ---- */

static enum mlo_column_type type_for(const struct mlo_feature *one, const struct mlo_table_column *found)
{
    if (one->dtype == MLO_DT_STRING || one->nested || (one->categories && found->type == MLO_COLUMN_TEXT))
        return MLO_COLUMN_TEXT;
    return found->type == MLO_COLUMN_BOOL ? MLO_COLUMN_BOOL : MLO_COLUMN_NUMBER;
}

static int want(struct matcher *w, size_t found, enum mlo_column_type type, size_t *ret, struct mlo_err *err)
{
    struct mlo_match *m = w->m;
    if (w->wanted[found] == 0) {
        struct mlo_table_column *c = &m->columns[m->n_columns];
        *c = w->found[found];
        c->type = type;
        c->name = mlo_strdup(w->found[found].name, err);
        if (!c->name)
            return MLO_EIO;
        w->wanted[found] = ++m->n_columns;
    } else if (type != MLO_COLUMN_TEXT) {
        m->columns[w->wanted[found] - 1].type = type; /* for two, one of them text: numbers are spelt again */
    }
    *ret = w->wanted[found] - 1;
    return 0;
}

/* ---- features ---- */

static bool is_mistyped(const struct mlo_feature *one, const struct mlo_table_column *c)
{
    return type_for(one, c) == MLO_COLUMN_NUMBER && !c->empty && c->type != MLO_COLUMN_NUMBER;
}

static size_t find(const struct mlo_name_map *names, const char *name)
{
    return mlo_name_map_get(names, name, strlen(name));
}

static int take_features(struct matcher *w, const size_t *column, struct mlo_err *err)
{
    struct mlo_match *m = w->m;
    int rc = 0;
    begin_part(w);
    for (size_t i = 0; i < m->n_features; i++)
        if (column[i] == MLO_NAME_NONE)
            tell(w, "it lacks", w->f->list[i].name);
    w->n_lacking = w->in_part;
    begin_part(w);
    for (size_t i = 0; w->faults.len > 0 && i < m->n_features;
         i++) /* alone, the cells tell it by their lines */
        if (column[i] != MLO_NAME_NONE && is_mistyped(&w->f->list[i], &w->found[column[i]]))
            tell(w, "not only numbers are in", w->found[column[i]].name);
    for (size_t i = 0; rc == 0 && w->faults.len == 0 && i < m->n_features; i++)
        rc = want(w, column[i], type_for(&w->f->list[i], &w->found[column[i]]), &m->feature[i], err);
    return rc;
}

static bool all_named(const struct mlo_features *f)
{
    size_t i = 0;
    while (i < f->n && f->list[i].name)
        i++;
    return i == f->n && f->open == MLO_NO_VALUE;
}

/* Without names only a table with just these columns can be meant. */
static int check_positions(struct matcher *w, struct mlo_err *err)
{
    size_t n = w->f->n;
    if (w->n_found < n) {
        mlo_fail(err, MLO_EINVALID, "the table has %zu columns, but the model takes %zu", w->n_found, n);
        return MLO_EINVALID;
    }
    if (w->n_found == n || w->opts->by_position)
        return 0;
    mlo_fail(err, MLO_EINVALID,
             "the table has %zu columns, but the model takes %zu and does not say how they are called",
             w->n_found, n);
    return mlo_hint(err,
                    "--features NAME,... says which columns in which order; --by-position takes the "
                    "first %zu",
                    n);
}

/* The input of any width takes what is left. */
static int open_up(struct matcher *w, struct mlo_err *err)
{
    struct mlo_features *f = w->f;
    size_t n_ports, left = w->n_found > f->n ? w->n_found - f->n : 0, keep = w->opts->n_keep;
    const struct mlo_port_type *ports = mlo_plan_inputs(f->plan, &n_ports);
    if (f->n > 0 || left <= keep)
        return mlo_fail(err, MLO_EUNAVAIL, "the model does not say how many columns it takes");
    f->list = mlo_calloc(left, sizeof *f->list, err);
    if (!f->list)
        return MLO_EIO;
    for (; f->n < left; f->n++)
        f->list[f->n] = (struct mlo_feature){
            .input = f->open, .at = f->n, .width = 1, .dtype = ports[f->open].dtype};
    f->open = MLO_NO_VALUE;
    return 0;
}

static int match_features(struct matcher *w, const struct mlo_name_map *names, struct mlo_err *err)
{
    bool named = all_named(w->f) && !w->opts->by_position;
    int rc = w->f->open != MLO_NO_VALUE ? open_up(w, err) : 0;
    if (rc == 0 && !named)
        rc = check_positions(w, err);
    MLO_AUTOFREE size_t *column = rc == 0 ? mlo_calloc(w->f->n + 1, sizeof *column, err) : NULL;
    w->m->feature = column ? mlo_calloc(w->f->n + 1, sizeof *w->m->feature, err) : NULL;
    if (!w->m->feature)
        return err->code;
    w->m->n_features = w->f->n;
    w->m->unnamed = !named;
    for (size_t i = 0; i < w->f->n; i++)
        column[i] = named ? find(names, w->f->list[i].name) : i;
    return take_features(w, column, err);
}

/* ---- the others ---- */

static enum mlo_dtype kept_type(const struct mlo_table_column *c)
{
    if (c->empty)
        return MLO_DT_STRING;
    return c->type == MLO_COLUMN_BOOL     ? MLO_DT_BOOL
           : c->type != MLO_COLUMN_NUMBER ? MLO_DT_STRING
           : c->integral                  ? MLO_DT_I64
                                          : MLO_DT_F64;
}

/* Whole numbers are read as text, since those beyond 2^53 are no doubles. */
static enum mlo_column_type read_kept(const struct mlo_table_column *c)
{
    enum mlo_dtype t = kept_type(c);
    return t == MLO_DT_F64 ? MLO_COLUMN_NUMBER : t == MLO_DT_BOOL ? MLO_COLUMN_BOOL : MLO_COLUMN_TEXT;
}

static int match_kept(struct matcher *w, const struct mlo_name_map *names, struct mlo_err *err)
{
    struct mlo_match *m = w->m;
    int rc = 0;
    begin_part(w);
    for (; rc == 0 && m->n_keep < w->opts->n_keep; m->n_keep++) {
        const char *name = w->opts->keep[m->n_keep];
        size_t at = find(names, name);
        if (at == MLO_NAME_NONE) {
            tell(w, "it has no column to keep called", name);
            continue;
        }
        const struct mlo_table_column *c = &w->found[at];
        m->keep_number[m->n_keep] = c->type == MLO_COLUMN_NUMBER || c->type == MLO_COLUMN_BOOL;
        m->keep_type[m->n_keep] = kept_type(c);
        rc = want(w, at, w->opts->typed ? read_kept(c) : MLO_COLUMN_TEXT, &m->keep[m->n_keep], err);
    }
    return rc;
}

static void list_extra(struct matcher *w)
{
    begin_part(w);
    for (size_t i = 0; i < w->n_found; i++) {
        if (w->wanted[i])
            continue;
        w->m->extra[w->m->n_extra++] = w->found[i].name;
        if (w->opts->strict)
            tell(w, "the model does not take", w->found[i].name);
    }
}

/* ---- all ---- */

/* A row where names should be. */
static bool starts_with_number(const struct matcher *w)
{
    for (size_t i = 0; i < w->n_found; i++) {
        const char *name = w->found[i].name, *end = name + strlen(name);
        double v;
        if (name < end && mlo_decimal_read(name, end, &v) == end)
            return true;
    }
    return false;
}

/* What there is: a name that is spelt in another way is seen, and a first row in the place of names. */
static int hint_columns(const struct matcher *w, struct mlo_err *err)
{
    enum { NAMED = 6 };
    char shown[MLO_SHOWN];
    MLO_AUTOSTR struct mlo_str has;
    mlo_str_init(&has, MLO_STR_MAX);
    for (size_t i = 0; i < w->n_found && i < NAMED; i++)
        mlo_str_addf(&has, "%s'%s'", i ? ", " : "",
                     mlo_shown(w->found[i].name, strlen(w->found[i].name), shown));
    if (w->f->n > 1 && w->n_lacking == w->f->n && starts_with_number(w))
        return mlo_hint(err, "the first line of a table names its columns; this one begins with %s", has.ptr);
    return mlo_hint(
        err,
        "the table has %s%s; `mlopsctl onnx inspect` shows what a model takes, `mlopsctl show` what "
        "a bundle does",
        has.ptr, w->n_found > NAMED ? ", and more" : "");
}

static int match(struct matcher *w, struct mlo_err *err)
{
    struct mlo_name_map names = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < w->n_found; i++)
        rc = mlo_name_map_set(&names, w->found[i].name, i, err);
    if (rc == 0)
        rc = match_features(w, &names, err);
    if (rc == 0)
        rc = match_kept(w, &names, err);
    mlo_name_map_release(&names);
    if (rc != 0)
        return rc;
    if (w->faults.len == 0)
        list_extra(w);
    rc = mlo_str_check(&w->faults, err);
    if (rc != 0 || w->faults.len == 0)
        return rc;
    mlo_fail(err, MLO_EINVALID, "the table does not fit the model: %s", w->faults.ptr);
    return hint_columns(w, err);
}

static int make_room(struct matcher *w, struct mlo_err *err)
{
    struct mlo_match *m = w->m;
    size_t keep = w->opts->n_keep;
    w->wanted = mlo_calloc(w->n_found + 1, sizeof *w->wanted, err);
    m->columns = mlo_calloc(w->n_found + 1, sizeof *m->columns, err);
    m->extra = mlo_calloc(w->n_found + 1, sizeof *m->extra, err);
    m->keep = mlo_calloc(keep + 1, sizeof *m->keep, err);
    m->keep_number = mlo_calloc(keep + 1, sizeof *m->keep_number, err);
    m->keep_type = mlo_calloc(keep + 1, sizeof *m->keep_type, err);
    return w->wanted && m->columns && m->extra && m->keep && m->keep_number && m->keep_type ? 0 : err->code;
}

int mlo_match_columns(struct mlo_features *f, const struct mlo_table_column *found, size_t n,
                      const struct mlo_match_opts *opts, struct mlo_match *ret, struct mlo_err *err)
{
    struct mlo_match m = {0};
    struct matcher w = {.f = f, .found = found, .n_found = n, .opts = opts, .m = &m};
    mlo_str_init(&w.faults, MLO_STR_MAX);
    int rc = make_room(&w, err);
    if (rc == 0)
        rc = match(&w, err);
    free(w.wanted);
    mlo_str_release(&w.faults);
    if (rc != 0)
        mlo_match_release(&m);
    else
        *ret = m;
    return rc;
}

void mlo_match_release(struct mlo_match *m)
{
    for (size_t i = 0; i < m->n_columns; i++)
        free(m->columns[i].name);
    free(m->columns);
    free(m->feature);
    free(m->keep);
    free(m->keep_number);
    free(m->keep_type);
    free(m->extra);
    *m = (struct mlo_match){0};
}

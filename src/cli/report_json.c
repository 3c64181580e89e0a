/* JSON of a report: one object with the schema number, or a line per row of a stream. */
#include <string.h>

#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>

#include "internal.h"

/* JSON is UTF-8: bytes that are not come out escaped as in text. */
static bool add_text(cJSON *obj, const char *key, const char *text)
{
    size_t len = strlen(text);
    if (mlo_utf8_valid(text, len))
        return cJSON_AddStringToObject(obj, key, text) != NULL;
    MLO_AUTOSTR struct mlo_str escaped;
    struct mlo_err err = MLO_ERR_INIT;
    mlo_str_init(&escaped, MLO_STR_MAX);
    mlo_escape(&escaped, text, len);
    return mlo_str_check(&escaped, &err) == 0 && cJSON_AddStringToObject(obj, key, escaped.ptr) != NULL;
}

bool mlo_value_json(const struct mlo_value *v, cJSON *obj, const char *key)
{
    char text[MLO_DIGEST_TEXT], when[MLO_RFC3339_MAX];
    if (v->none)
        return cJSON_AddNullToObject(obj, key) != NULL;
    switch (v->type) {
    case MLO_CELL_TEXT:
        return add_text(obj, key, v->text);
    case MLO_CELL_U64:
    case MLO_CELL_SIZE:
    case MLO_CELL_COUNT:
    case MLO_CELL_NS:
        return mlo_json_add_u64(obj, key, v->u) != NULL;
    case MLO_CELL_I64:
        return mlo_json_add_i64(obj, key, v->i) != NULL;
    case MLO_CELL_DOUBLE:
        return mlo_json_add_double(obj, key, v->d) != NULL;
    case MLO_CELL_DURATION:
        return mlo_json_add_double(obj, key, (double)v->u / (double)MLO_NS_PER_S) != NULL;
    case MLO_CELL_TIME:
        return cJSON_AddStringToObject(obj, key, mlo_time_rfc3339(v->i, when)) != NULL;
    case MLO_CELL_DIGEST:
        return cJSON_AddStringToObject(obj, key, mlo_digest_text(&v->digest, text)) != NULL;
    case MLO_CELL_BOOL:
        return cJSON_AddBoolToObject(obj, key, v->b) != NULL;
    }
    return false;
}

static bool add_row(const struct mlo_table *t, size_t row, cJSON *obj)
{
    bool ok = obj != NULL;
    for (size_t i = 0; ok && i < t->n_cols; i++)
        ok = mlo_value_json(&t->cells[row * t->n_cols + i], obj, t->cols[i].key);
    return ok;
}

static bool add_table(const struct mlo_item *item, cJSON *doc)
{
    const struct mlo_table *t = &item->table;
    cJSON *rows = cJSON_AddArrayToObject(doc, item->key);
    bool ok = rows != NULL;
    for (size_t row = 0; ok && row < t->n_cells / t->n_cols; row++) {
        cJSON *obj = cJSON_CreateObject();
        ok = obj && cJSON_AddItemToArray(rows, obj) && add_row(t, row, obj);
    }
    return ok;
}

static bool add_item(const struct mlo_item *item, cJSON *doc)
{
    switch (item->kind) {
    case MLO_ITEM_SAY:
    case MLO_ITEM_NOTE:
        return true;
    case MLO_ITEM_FACT:
    case MLO_ITEM_RAW:
        return mlo_value_json(&item->value, doc, item->key);
    case MLO_ITEM_TABLE:
        return add_table(item, doc);
    case MLO_ITEM_JSON:
        return cJSON_AddItemReferenceToObject(doc, item->key, item->json);
    }
    return false;
}

static int add_document(const cJSON *doc, struct mlo_str *out, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    size_t len = 0;
    int rc = mlo_json_print(doc, &text, &len, err);
    if (rc < 0)
        return rc;
    mlo_str_addn(out, text, len);
    mlo_str_addc(out, '\n');
    return mlo_str_check(out, err);
}

int mlo_report_json_render(const struct mlo_report *r, struct mlo_str *out, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = cJSON_CreateObject();
    const char *name = r->ctx->cmd_name ? r->ctx->cmd_name : "";
    bool ok = mlo_json_add_u64(doc, "schema", MLO_JSON_SCHEMA) &&
              cJSON_AddStringToObject(doc, "command", name);
    for (size_t i = 0; ok && i < r->n; i++)
        ok = add_item(&r->items[i], doc);
    return ok ? add_document(doc, out, err) : mlo_fail_nomem(err);
}

int mlo_table_json_lines(const struct mlo_table *t, struct mlo_str *out, struct mlo_err *err)
{
    int rc = 0;
    for (size_t row = 0; rc == 0 && row < t->n_cells / t->n_cols; row++) {
        MLO_AUTOJSON cJSON *obj = cJSON_CreateObject();
        if (!mlo_json_add_u64(obj, "schema", MLO_JSON_SCHEMA) || !add_row(t, row, obj))
            return mlo_fail_nomem(err);
        rc = add_document(obj, out, err);
    }
    return rc;
}

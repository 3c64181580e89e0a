/* cJSON behind a strict front door: what it lets pass (duplicates, trailing bytes, bad UTF-8, lone
 * surrogates) is refused here. */
#include <mlopsctl/base/json.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>
#include <mlopsctl/base/number.h>

#define EXACT_MAX 9007199254740992.0 /* 2^53: the largest whole number a double holds with all below it */

void mlo_json_cleanup(cJSON **doc)
{
    cJSON_Delete(*doc);
}

/* Grammar, UTF-8, depth and escapes, without building anything. */
static int check_text(const char *text, size_t n, struct mlo_err *err)
{
    struct mlo_jpull j;
    enum mlo_jtok tok;
    MLO_AUTOSTR struct mlo_str scratch;
    mlo_str_init(&scratch, n);
    mlo_jpull_init(&j, text, n);
    do {
        if (mlo_jpull_next(&j, &tok, err))
            return err->code;
        mlo_str_clear(&scratch);
        if ((tok == MLO_J_KEY || tok == MLO_J_STRING) && j.escaped && mlo_jpull_unescape(&j, &scratch, err))
            return err->code;
    } while (tok != MLO_J_END);
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int twice(const char *name, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str shown;
    mlo_str_init(&shown, sizeof err->msg);
    mlo_escape(&shown, name, strnlen(name, 100));
    return mlo_fail(err, MLO_EINVALID, "JSON: the name '%s' stands twice in one object", shown.ptr);
}

static int check_object(const cJSON *obj, struct mlo_err *err)
{
    size_t n = 0, i = 0;
    const cJSON *member;
    cJSON_ArrayForEach(member, obj) n++;
    if (n < 2)
        return 0;
    MLO_AUTOFREE const char **names = mlo_calloc(n, sizeof *names, err);
    if (!names)
        return err->code;
    cJSON_ArrayForEach(member, obj) names[i++] = member->string;
    qsort(names, n, sizeof *names, compare_names);
    for (i = 1; i < n; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            return twice(names[i], err);
    return 0;
}

/* Duplicate names and infinities ("1e999"). Recursion is bounded: check_text has refused what is deeper than
 * MLO_JSON_DEPTH. */
static int check_values(const cJSON *node, struct mlo_err *err)
{
    const cJSON *child;
    if (cJSON_IsObject(node) && check_object(node, err))
        return err->code;
    if (cJSON_IsNumber(node) && !isfinite(node->valuedouble))
        return mlo_fail(err, MLO_EINVALID, "JSON: a number is out of range");
    cJSON_ArrayForEach(child, node)
    {
        if (check_values(child, err))
            return err->code;
    }
    return 0;
}

int mlo_json_parse(const char *text, size_t n, size_t max, cJSON **ret, struct mlo_err *err)
{
    if (n > max)
        return mlo_fail(err, MLO_EINVALID, "JSON: %zu bytes, more than %zu", n, max);
    if (check_text(text, n, err))
        return err->code;
    MLO_AUTOJSON cJSON *doc = cJSON_ParseWithLength(text, n);
    if (!doc)
        return mlo_fail_nomem(err);
    if (check_values(doc, err))
        return err->code;
    *ret = mlo_steal(&doc);
    return 0;
}

const char *mlo_json_text(const cJSON *obj, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(obj, key));
}

int mlo_json_u64(const cJSON *obj, const char *key, uint64_t *ret, struct mlo_err *err)
{
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(obj, key);
    if (!cJSON_IsNumber(node))
        return mlo_fail(err, MLO_EINVALID, "'%s' is missing or no number", key);
    double v = node->valuedouble;
    if (!(v >= 0 && v <= EXACT_MAX) || v != floor(v))
        return mlo_fail(err, MLO_EINVALID, "'%s' is no whole number from 0 to 2^53", key);
    *ret = (uint64_t)v;
    return 0;
}

bool mlo_json_true(const cJSON *obj, const char *key)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(obj, key));
}

static cJSON *add_raw(cJSON *obj, const char *key, const char *text)
{
    return obj ? cJSON_AddRawToObject(obj, key, text) : NULL;
}

cJSON *mlo_json_add_u64(cJSON *obj, const char *key, uint64_t v)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)v);
    return add_raw(obj, key, text);
}

cJSON *mlo_json_add_i64(cJSON *obj, const char *key, int64_t v)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)v);
    return add_raw(obj, key, text);
}

cJSON *mlo_json_add_double(cJSON *obj, const char *key, double v)
{
    char text[MLO_DOUBLE_TEXT];
    return add_raw(obj, key, isfinite(v) ? mlo_double_text(v, text) : "null");
}

int mlo_json_print(const cJSON *doc, char **ret, size_t *ret_len, struct mlo_err *err)
{
    char *text = doc ? cJSON_PrintUnformatted(doc) : NULL;
    if (!text)
        return mlo_fail_nomem(err);
    *ret = text;
    if (ret_len)
        *ret_len = strlen(text);
    return 0;
}

void mlo_json_quote(struct mlo_str *out, const char *s, size_t n)
{
    static const char short_escapes[] = "\bb\ff\nn\rr\tt\"\"\\\\";
    mlo_str_addc(out, '"');
    for (size_t i = 0; i < n; i++) {
        const char *e = short_escapes;
        while (*e && *e != s[i])
            e += 2;
        if (*e) {
            mlo_str_addc(out, '\\');
            mlo_str_addc(out, e[1]);
        } else if ((uint8_t)s[i] < 0x20) {
            mlo_str_addf(out, "\\u%04x", (unsigned)(uint8_t)s[i]);
        } else {
            mlo_str_addc(out, s[i]);
        }
    }
    mlo_str_addc(out, '"');
}

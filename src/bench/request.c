/* Inputs as others want them: the body of an Open Inference Protocol v2 request (REST, "infer"). */
#include <math.h>
#include <string.h>

#include <mlopsctl/base/json.h>
#include <mlopsctl/base/number.h>
#include <mlopsctl/base/text.h>

#include "internal.h"

static const struct {
    enum mlo_dtype dtype;
    const char *name;
} datatypes[] = {
    {MLO_DT_BOOL, "BOOL"},  {MLO_DT_U8, "UINT8"},     {MLO_DT_U16, "UINT16"}, {MLO_DT_U32, "UINT32"},
    {MLO_DT_U64, "UINT64"}, {MLO_DT_I8, "INT8"},      {MLO_DT_I16, "INT16"},  {MLO_DT_I32, "INT32"},
    {MLO_DT_I64, "INT64"},  {MLO_DT_F16, "FP16"},     {MLO_DT_BF16, "BF16"},  {MLO_DT_F32, "FP32"},
    {MLO_DT_F64, "FP64"},   {MLO_DT_STRING, "BYTES"},
};

const char *mlo_infer_datatype(enum mlo_dtype t)
{
    for (size_t i = 0; i < MLO_COUNT(datatypes); i++)
        if (datatypes[i].dtype == t)
            return datatypes[i].name;
    return NULL;
}

/* False: JSON has no word for it. */
static bool add_number(struct mlo_str *out, const struct mlo_array *a, size_t i)
{
    char text[MLO_DOUBLE_TEXT];
    double v;
    if (a->dtype == MLO_DT_I64) {
        mlo_str_addn(out, text, mlo_i64_digits(((const int64_t *)a->data)[i], text));
        return true;
    }
    if (a->dtype == MLO_DT_U64) {
        mlo_str_addn(out, text, mlo_u64_digits(((const uint64_t *)a->data)[i], text));
        return true;
    }
    if (!mlo_dtype_to_double(a->dtype, a->data, i, &v) || !isfinite(v))
        return false;
    if (a->dtype == MLO_DT_BOOL)
        mlo_str_add(out, v != 0 ? "true" : "false");
    else if (mlo_dtype_is_float(a->dtype) && a->dtype != MLO_DT_F64)
        mlo_str_addn(out, text, mlo_float_digits((float)v, text));
    else
        mlo_str_addn(out, text, mlo_double_digits(v, text));
    return true;
}

static bool add_text(struct mlo_str *out, const struct mlo_array *a, size_t i)
{
    const struct mlo_slice *text = (const struct mlo_slice *)a->data + i;
    if (!mlo_utf8_valid(text->ptr, text->len))
        return false;
    mlo_json_quote(out, text->ptr, text->len);
    return true;
}

static int add_data(struct mlo_str *out, const char *name, const struct mlo_array *a, struct mlo_err *err)
{
    mlo_str_add(out, ",\"data\":[");
    for (size_t i = 0; i < a->n; i++) {
        if (i > 0)
            mlo_str_addc(out, ',');
        if (!(a->dtype == MLO_DT_STRING ? add_text(out, a, i) : add_number(out, a, i)))
            return mlo_fail(err, MLO_EUSAGE, "input '%s': JSON cannot say its element %zu", name, i);
    }
    mlo_str_add(out, "]}");
    return 0;
}

static int add_input(struct mlo_str *out, const char *name, const struct mlo_value *v, struct mlo_err *err)
{
    const char *type = v->kind == MLO_KIND_ARRAY ? mlo_infer_datatype(v->array.dtype) : NULL;
    if (!type)
        return mlo_fail(err, MLO_EUSAGE, "input '%s' is none that the inference protocol has a word for",
                        name);
    mlo_str_add(out, "{\"name\":");
    mlo_json_quote(out, name, strlen(name));
    mlo_str_addf(out, ",\"datatype\":\"%s\",\"shape\":[", type);
    for (unsigned i = 0; i < v->array.rank; i++)
        mlo_str_addf(out, i > 0 ? ",%lld" : "%lld", (long long)v->array.dims[i]);
    mlo_str_addc(out, ']');
    return add_data(out, name, &v->array, err);
}

int mlo_infer_request(const struct mlo_port_type *ports, const struct mlo_value *values, size_t n, char **ret,
                      struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str out;
    int rc = 0;
    mlo_str_init(&out, MLO_STR_MAX);
    mlo_str_add(&out, "{\"inputs\":[");
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (i > 0)
            mlo_str_addc(&out, ',');
        rc = add_input(&out, ports[i].name, &values[i], err);
    }
    mlo_str_add(&out, "]}");
    if (rc == 0)
        rc = mlo_str_check(&out, err);
    if (rc == 0)
        *ret = mlo_str_detach(&out, NULL);
    return rc;
}

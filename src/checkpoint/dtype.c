/* Element types as safetensors and GGUF name them. */
#include <string.h>

#include "internal.h"

/* ---- safetensors: in the reference writer's order, which is also the order of data (last first) ---- */

static const struct {
    const char *name;
    enum mlo_dtype dtype;
} safetensors_types[] = {
    {"BOOL", MLO_DT_BOOL},
    {"F4", MLO_DT_F4},
    {"F6_E2M3", MLO_DT_F6_E2M3},
    {"F6_E3M2", MLO_DT_F6_E3M2},
    {"U8", MLO_DT_U8},
    {"I8", MLO_DT_I8},
    {"F8_E5M2", MLO_DT_F8_E5M2},
    {"F8_E4M3", MLO_DT_F8_E4M3},
    {"F8_E8M0", MLO_DT_F8_E8M0},
    {"F8_E4M3FNUZ", MLO_DT_F8_E4M3FNUZ},
    {"F8_E5M2FNUZ", MLO_DT_F8_E5M2FNUZ},
    {"I16", MLO_DT_I16},
    {"U16", MLO_DT_U16},
    {"F16", MLO_DT_F16},
    {"BF16", MLO_DT_BF16},
    {"I32", MLO_DT_I32},
    {"U32", MLO_DT_U32},
    {"F32", MLO_DT_F32},
    {"C64", MLO_DT_C64},
    {"F64", MLO_DT_F64},
    {"I64", MLO_DT_I64},
    {"U64", MLO_DT_U64},
};

enum mlo_dtype mlo_dtype_from_safetensors(const char *s, size_t n)
{
    for (size_t i = 0; i < MLO_COUNT(safetensors_types); i++)
        if (strlen(safetensors_types[i].name) == n && memcmp(safetensors_types[i].name, s, n) == 0)
            return safetensors_types[i].dtype;
    return MLO_DT_UNKNOWN;
}

int mlo_dtype_safetensors_rank(enum mlo_dtype t)
{
    for (size_t i = 0; i < MLO_COUNT(safetensors_types); i++)
        if (safetensors_types[i].dtype == t)
            return (int)i;
    return -1;
}

const char *mlo_dtype_to_safetensors(enum mlo_dtype t)
{
    int rank = mlo_dtype_safetensors_rank(t);
    return rank < 0 ? NULL : safetensors_types[rank].name;
}

/* ---- ggml ---- */

static const struct mlo_ggml_type ggml_types[] = {
    {0, "float32", MLO_DT_F32, 1, 4},      {1, "float16", MLO_DT_F16, 1, 2},
    {2, "q4_0", MLO_DT_GGML, 32, 18},      {3, "q4_1", MLO_DT_GGML, 32, 20},
    {6, "q5_0", MLO_DT_GGML, 32, 22},      {7, "q5_1", MLO_DT_GGML, 32, 24},
    {8, "q8_0", MLO_DT_GGML, 32, 34},      {9, "q8_1", MLO_DT_GGML, 32, 36},
    {10, "q2_k", MLO_DT_GGML, 256, 84},    {11, "q3_k", MLO_DT_GGML, 256, 110},
    {12, "q4_k", MLO_DT_GGML, 256, 144},   {13, "q5_k", MLO_DT_GGML, 256, 176},
    {14, "q6_k", MLO_DT_GGML, 256, 210},   {15, "q8_k", MLO_DT_GGML, 256, 292},
    {16, "iq2_xxs", MLO_DT_GGML, 256, 66}, {17, "iq2_xs", MLO_DT_GGML, 256, 74},
    {18, "iq3_xxs", MLO_DT_GGML, 256, 98}, {19, "iq1_s", MLO_DT_GGML, 256, 50},
    {20, "iq4_nl", MLO_DT_GGML, 32, 18},   {21, "iq3_s", MLO_DT_GGML, 256, 110},
    {22, "iq2_s", MLO_DT_GGML, 256, 82},   {23, "iq4_xs", MLO_DT_GGML, 256, 136},
    {24, "int8", MLO_DT_I8, 1, 1},         {25, "int16", MLO_DT_I16, 1, 2},
    {26, "int32", MLO_DT_I32, 1, 4},       {27, "int64", MLO_DT_I64, 1, 8},
    {28, "float64", MLO_DT_F64, 1, 8},     {29, "iq1_m", MLO_DT_GGML, 256, 56},
    {30, "bfloat16", MLO_DT_BF16, 1, 2},   {34, "tq1_0", MLO_DT_GGML, 256, 54},
    {35, "tq2_0", MLO_DT_GGML, 256, 66},   {39, "mxfp4", MLO_DT_GGML, 32, 17},
    {40, "nvfp4", MLO_DT_GGML, 64, 36},    {41, "q1_0", MLO_DT_GGML, 128, 18},
    {42, "q2_0", MLO_DT_GGML, 64, 18},
};

const struct mlo_ggml_type *mlo_ggml_type(uint32_t id)
{
    for (size_t i = 0; i < MLO_COUNT(ggml_types); i++)
        if (ggml_types[i].id == id)
            return &ggml_types[i];
    return NULL;
}

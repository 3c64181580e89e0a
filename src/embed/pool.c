/* One vector a text out of one vector a token, as the Pooling and Normalize modules of sentence-transformers.
 */
#include <mlopsctl/embed.h>

#include <math.h>
#include <string.h>

#define NOTHING_MAX (-1e9f) /* what stands for a masked token when the largest is looked for */
#define LENGTH_MIN  1e-12

static const char *const names[] = {
    [MLO_POOL_NONE] = "none", [MLO_POOL_MEAN] = "mean", [MLO_POOL_CLS] = "cls", [MLO_POOL_MAX] = "max"};

bool mlo_pooling_parse(const char *name, enum mlo_pooling *ret)
{
    for (size_t i = 0; i < MLO_COUNT(names); i++)
        if (strcmp(names[i], name) == 0) {
            *ret = (enum mlo_pooling)i;
            return true;
        }
    return false;
}

const char *mlo_pooling_name(enum mlo_pooling p)
{
    return names[p];
}

static bool is_there(const int64_t *mask, size_t i)
{
    return !mask || mask[i];
}

static void pool_mean(const float *tokens, const int64_t *mask, size_t n, size_t width, float *ret)
{
    size_t there = 0;
    memset(ret, 0, width * sizeof *ret);
    for (size_t i = 0; i < n; i++) {
        if (!is_there(mask, i))
            continue;
        for (size_t k = 0; k < width; k++)
            ret[k] += tokens[i * width + k];
        there++;
    }
    for (size_t k = 0; there && k < width; k++)
        ret[k] /= (float)there;
}

static void pool_max(const float *tokens, const int64_t *mask, size_t n, size_t width, float *ret)
{
    for (size_t k = 0; k < width; k++)
        ret[k] = NOTHING_MAX;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; is_there(mask, i) && k < width; k++)
            if (tokens[i * width + k] > ret[k] || isnan(tokens[i * width + k]))
                ret[k] = tokens[i * width + k];
}

static void pool_cls(const float *tokens, const int64_t *mask, size_t n, size_t width, float *ret)
{
    size_t first = 0;
    while (first < n && !is_there(mask, first))
        first++;
    if (first < n)
        memcpy(ret, tokens + first * width, width * sizeof *ret);
    else
        memset(ret, 0, width * sizeof *ret);
}

void mlo_pool(enum mlo_pooling how, const float *tokens, const int64_t *mask, size_t n, size_t width,
              float *ret)
{
    if (how == MLO_POOL_CLS)
        pool_cls(tokens, mask, n, width, ret);
    else if (how == MLO_POOL_MAX)
        pool_max(tokens, mask, n, width, ret);
    else
        pool_mean(tokens, mask, n, width, ret);
}

void mlo_normalize(float *v, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)v[i] * v[i];
    double length = sqrt(sum);
    for (size_t i = 0; i < n; i++)
        v[i] = (float)(v[i] / (length > LENGTH_MIN || isnan(length) ? length : LENGTH_MIN));
}

/* Arrays: sizes and shapes. */
#include <mlopsctl/base/array.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int mlo_array_count(const int64_t *dims, unsigned rank, size_t *ret, struct mlo_err *err)
{
    uint64_t n = 1;
    bool empty = false, fits = true;
    for (unsigned i = 0; i < rank; i++) {
        if (dims[i] < 0)
            return mlo_fail(err, MLO_EINVALID, "dimension %u is negative: %" PRId64, i, dims[i]);
        empty = empty || dims[i] == 0;
        fits = fits && mlo_mul_u64(n, (uint64_t)dims[i] ? (uint64_t)dims[i] : 1, &n);
    }
    if (!fits || n > SIZE_MAX / 32) /* of the largest type */
        return mlo_fail(err, MLO_EINVALID, "the shape has more elements than any memory holds");
    *ret = empty ? 0 : (size_t)n;
    return 0;
}

bool mlo_array_bytes(enum mlo_dtype t, size_t n, size_t *ret)
{
    uint64_t bits = t == MLO_DT_STRING ? 8 * sizeof(struct mlo_slice) : mlo_dtype_bits(t), all;
    if (!mlo_mul_u64(n, bits, &all) || all > SIZE_MAX - 7)
        return false;
    *ret = (size_t)(all + 7) / 8;
    return true;
}

bool mlo_array_same_shape(const struct mlo_array *a, const struct mlo_array *b)
{
    return a->rank == b->rank && memcmp(a->dims, b->dims, a->rank * sizeof *a->dims) == 0;
}

char *mlo_array_text(const struct mlo_array *a, char buf[MLO_ARRAY_TEXT])
{
    size_t at = (size_t)snprintf(buf, MLO_ARRAY_TEXT, "%s[", mlo_dtype_name(a->dtype));
    for (unsigned i = 0; i < a->rank && at < MLO_ARRAY_TEXT - 24; i++)
        at += (size_t)snprintf(buf + at, MLO_ARRAY_TEXT - at, i ? ",%" PRId64 : "%" PRId64, a->dims[i]);
    snprintf(buf + at, MLO_ARRAY_TEXT - at, "]");
    return buf;
}

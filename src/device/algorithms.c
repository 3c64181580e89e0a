/*
 * Algorithms of products, kept between processes: text, a line each, with the device, driver and library that
 * they are of at the beginning and a sum of all bytes at the end.
 */
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/str.h>
#include <mlopsctl/device.h>

#define MAGIC "mlopsctl algorithms 1\n"
#define OF    "of "
#define END   "end "
#define WORDS (sizeof((struct mlo_device_algorithm *)NULL)->algorithm / sizeof(uint64_t))

/* FNV-1a: it finds what was cut off or spoilt, not what was made up. */
static uint64_t sum_of(const char *p, size_t n)
{
    uint64_t sum = 0xcbf29ce484222325;
    for (size_t i = 0; i < n; i++)
        sum = (sum ^ (unsigned char)p[i]) * 0x100000001b3;
    return sum;
}

void mlo_algorithms_file(const char *of, char ret[MLO_ALGORITHMS_FILE])
{
    snprintf(ret, MLO_ALGORITHMS_FILE, "algorithms-%016llx", (unsigned long long)sum_of(of, strlen(of)));
}

/* ---- writing ---- */

static void write_one(const struct mlo_device_algorithm *a, struct mlo_str *out)
{
    mlo_str_addf(out, "%u %u %u %u %u %u %u %u", a->m, a->n, a->k, a->from, a->to, a->epilogue, a->how,
                 (uint32_t)(a->us < 4e6F ? a->us * 1000 : 4e9F));
    for (size_t i = 0; i < WORDS; i++)
        mlo_str_addf(out, " %llx", (unsigned long long)a->algorithm[i]);
    mlo_str_addc(out, '\n');
}

int mlo_algorithms_write(const char *of, const struct mlo_device_algorithm *list, uint32_t n,
                         struct mlo_str *out, struct mlo_err *err)
{
    size_t from = out->len;
    mlo_str_addf(out, MAGIC OF "%s\n", of);
    for (uint32_t i = 0; i < n; i++)
        write_one(&list[i], out);
    uint64_t sum = out->failed ? 0 : sum_of(out->ptr + from, out->len - from);
    mlo_str_addf(out, END "%016llx\n", (unsigned long long)sum);
    return mlo_str_check(out, err);
}

/* ---- reading ---- */

struct reader {
    const char *at, *end;
};

static bool take_text(struct reader *r, const char *text)
{
    size_t n = strlen(text);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, text, n) != 0)
        return false;
    r->at += n;
    return true;
}

static int digit_of(char c, unsigned base)
{
    int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
    return v < (int)base ? v : -1;
}

/* A number, and the character after it. */
static bool take_number(struct reader *r, unsigned base, uint64_t most, char after, uint64_t *ret)
{
    uint64_t v = 0;
    const char *from = r->at;
    for (; r->at < r->end && digit_of(*r->at, base) >= 0; r->at++)
        if (__builtin_mul_overflow(v, (uint64_t)base, &v) ||
            __builtin_add_overflow(v, (uint64_t)digit_of(*r->at, base), &v) || v > most)
            return false;
    if (r->at == from || r->at == r->end || *r->at++ != after)
        return false;
    *ret = v;
    return true;
}

static bool take_one(struct reader *r, struct mlo_device_algorithm *a)
{
    static const uint64_t most[8] = {MLO_DEVICE_SIZE_MAX,
                                     MLO_DEVICE_SIZE_MAX,
                                     MLO_DEVICE_SIZE_MAX,
                                     MLO_DEVICE_TYPES - 1,
                                     MLO_DEVICE_TYPES - 1,
                                     UINT32_MAX,
                                     MLO_DEVICE_TF32 | MLO_DEVICE_SCALED,
                                     UINT32_MAX};
    uint64_t v[8];
    for (size_t i = 0; i < 8; i++)
        if (!take_number(r, 10, most[i], ' ', &v[i]) || (i < 3 && v[i] == 0))
            return false;
    *a = (struct mlo_device_algorithm){.m = (uint32_t)v[0],
                                       .n = (uint32_t)v[1],
                                       .k = (uint32_t)v[2],
                                       .from = (uint32_t)v[3],
                                       .to = (uint32_t)v[4],
                                       .epilogue = (uint32_t)v[5],
                                       .how = (uint32_t)v[6],
                                       .us = (float)v[7] / 1000};
    for (size_t i = 0; i < WORDS; i++)
        if (!take_number(r, 16, UINT64_MAX, i + 1 < WORDS ? ' ' : '\n', &a->algorithm[i]))
            return false;
    return true;
}

static int spoilt(struct mlo_err *err)
{
    return mlo_fail(err, MLO_EINVALID, "the file of algorithms is damaged");
}

static int take_all(struct reader *r, const char *text, struct mlo_device_algorithm **list, uint32_t *n,
                    struct mlo_err *err)
{
    size_t cap = 0;
    uint64_t sum;
    int rc = 0;
    while (rc == 0 && r->at < r->end && *r->at != *END) {
        if (*n == MLO_DEVICE_ALGORITHMS_MAX)
            return spoilt(err);
        rc = mlo_grow(list, &cap, *n + 1, sizeof **list, err);
        if (rc == 0 && !take_one(r, &(*list)[*n]))
            return spoilt(err);
        *n += rc == 0;
    }
    size_t summed = (size_t)(r->at - text);
    if (rc == 0 && (!take_text(r, END) || !take_number(r, 16, UINT64_MAX, '\n', &sum) || r->at != r->end ||
                    sum != sum_of(text, summed)))
        return spoilt(err);
    return rc;
}

int mlo_algorithms_read(const char *text, size_t n, const char *of, struct mlo_device_algorithm **ret,
                        uint32_t *ret_n, struct mlo_err *err)
{
    struct reader r = {text, text + n};
    struct mlo_device_algorithm *list = NULL;
    uint32_t count = 0;
    if (!take_text(&r, MAGIC))
        return mlo_fail(err, MLO_EINVALID, "the file of algorithms is of another version, or damaged");
    if (!take_text(&r, OF) || !take_text(&r, of) || !take_text(&r, "\n"))
        return mlo_fail(err, MLO_ENOTFOUND, "the file of algorithms is of another device, driver or library");
    int rc = take_all(&r, text, &list, &count, err);
    if (rc != 0) {
        free(list);
        return rc;
    }
    *ret = list;
    *ret_n = count;
    return 0;
}

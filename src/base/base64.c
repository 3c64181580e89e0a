/* Base64 (RFC 4648 section 4, padded) by libcrypto, written in place: the bytes may be secret, and no copy
 * stays behind. */
#include <openssl/evp.h>
#include <string.h>

#include <mlopsctl/base/text.h>

int mlo_base64_add(struct mlo_str *out, const void *p, size_t n, struct mlo_err *err)
{
    size_t at = out->len;
    if (n > INT32_MAX / 2)
        return mlo_fail(err, MLO_EINVALID, "too large for base64");
    mlo_str_fill(out, '=', (n + 2) / 3 * 4);
    int rc = mlo_str_check(out, err);
    if (rc == 0 && n > 0)
        EVP_EncodeBlock((unsigned char *)out->ptr + at, p, (int)n);
    return rc;
}

/* Digits, then nothing but the padding that their number asks for. */
static bool is_base64(const char *text, size_t n)
{
    size_t digits = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    return n <= INT32_MAX && n % 4 == 0 && n - digits <= 2 && strspn(text + digits, "=") == n - digits;
}

int mlo_base64_read(const char *text, size_t max, struct mlo_str *out, struct mlo_err *err)
{
    size_t n = strlen(text), at = out->len;
    if (n > max || !is_base64(text, n))
        return mlo_fail(err, MLO_EINVALID, "base64 is malformed");
    mlo_str_fill(out, '=', n / 4 * 3);
    int rc = mlo_str_check(out, err);
    if (rc != 0 || n == 0)
        return rc;
    EVP_DecodeBlock((unsigned char *)out->ptr + at, (const unsigned char *)text, (int)n);
    out->len -= (size_t)(text[n - 1] == '=') + (size_t)(text[n - 2] == '=');
    out->ptr[out->len] = '\0';
    return 0;
}

#include <mlopsctl/base/hash.h>

#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <mlopsctl/base/io.h>

#define READ_PIECE ((size_t)1 << 20)

int mlo_digest_cmp(const struct mlo_digest *a, const struct mlo_digest *b)
{
    return memcmp(a->b, b->b, MLO_DIGEST_SIZE);
}

char *mlo_digest_hex(const struct mlo_digest *d, char buf[MLO_DIGEST_HEX + 1])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < MLO_DIGEST_SIZE; i++) {
        buf[2 * i] = digits[d->b[i] >> 4];
        buf[2 * i + 1] = digits[d->b[i] & 15];
    }
    buf[MLO_DIGEST_HEX] = '\0';
    return buf;
}

char *mlo_digest_text(const struct mlo_digest *d, char buf[MLO_DIGEST_TEXT])
{
    memcpy(buf, "sha256:", 7);
    mlo_digest_hex(d, buf + 7);
    return buf;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int mlo_digest_from_hex(const char *hex, size_t n, struct mlo_digest *ret, struct mlo_err *err)
{
    struct mlo_digest d;
    if (n != MLO_DIGEST_HEX)
        return mlo_fail(err, MLO_EINVALID, "a digest has %d hex digits, not %zu", MLO_DIGEST_HEX, n);
    for (size_t i = 0; i < MLO_DIGEST_SIZE; i++) {
        int high = hex_value(hex[2 * i]), low = hex_value(hex[2 * i + 1]);
        if (high < 0 || low < 0)
            return mlo_fail(err, MLO_EINVALID, "a digest has lower-case hex digits only");
        d.b[i] = (uint8_t)(high << 4 | low);
    }
    *ret = d;
    return 0;
}

int mlo_digest_parse(const char *text, struct mlo_digest *ret, struct mlo_err *err)
{
    if (strncmp(text, "sha256:", 7) != 0)
        return mlo_fail(err, MLO_EINVALID, "a digest begins with 'sha256:'");
    return mlo_digest_from_hex(text + 7, strlen(text + 7), ret, err);
}

/* ---- SHA-256 ---- */

static EVP_MD *sha256;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Without openssl.cnf: no file of the system decides how a digest is computed, and the start is faster. */
static void fetch(void)
{
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

static int crypto_fail(struct mlo_err *err)
{
    return mlo_fail(err, MLO_EIO, "libcrypto cannot compute SHA-256");
}

int mlo_sha256_new(struct mlo_sha256 *h, struct mlo_err *err)
{
    pthread_once(&once, fetch);
    EVP_MD_CTX *ctx = sha256 ? EVP_MD_CTX_new() : NULL;
    if (!ctx)
        return crypto_fail(err);
    h->ctx = ctx;
    if (mlo_sha256_begin(h, err) == 0)
        return 0;
    mlo_sha256_free(h);
    return err->code;
}

void mlo_sha256_free(struct mlo_sha256 *h)
{
    EVP_MD_CTX_free(h->ctx);
    h->ctx = NULL;
}

int mlo_sha256_begin(struct mlo_sha256 *h, struct mlo_err *err)
{
    return EVP_DigestInit_ex2(h->ctx, sha256, NULL) ? 0 : crypto_fail(err);
}

int mlo_sha256_update(struct mlo_sha256 *h, const void *p, size_t n, struct mlo_err *err)
{
    return EVP_DigestUpdate(h->ctx, p, n) ? 0 : crypto_fail(err);
}

int mlo_sha256_end(struct mlo_sha256 *h, struct mlo_digest *ret, struct mlo_err *err)
{
    struct mlo_digest d;
    if (!EVP_DigestFinal_ex(h->ctx, d.b, NULL))
        return crypto_fail(err);
    *ret = d;
    return 0;
}

int mlo_sha256_copy(struct mlo_sha256 *to, const struct mlo_sha256 *from, struct mlo_err *err)
{
    return EVP_MD_CTX_copy_ex(to->ctx, from->ctx) ? 0 : crypto_fail(err);
}

int mlo_sha256(const void *p, size_t n, struct mlo_digest *ret, struct mlo_err *err)
{
    struct mlo_sha256 h;
    if (mlo_sha256_new(&h, err))
        return err->code;
    int rc = mlo_sha256_update(&h, p, n, err);
    if (!rc)
        rc = mlo_sha256_end(&h, ret, err);
    mlo_sha256_free(&h);
    return rc;
}

int mlo_sha256_fd(int fd, struct mlo_digest *ret, struct mlo_err *err)
{
    struct mlo_sha256 h;
    MLO_AUTOFREE char *buf = mlo_calloc(1, READ_PIECE, err);
    if (!buf || mlo_sha256_new(&h, err) < 0)
        return err->code;
    int rc = 0;
    size_t n = READ_PIECE;
    for (uint64_t off = 0; rc == 0 && n == READ_PIECE; off += n) {
        rc = mlo_read_at(fd, buf, READ_PIECE, off, &n, err);
        if (rc == 0)
            rc = mlo_sha256_update(&h, buf, n, err);
    }
    if (rc == 0)
        rc = mlo_sha256_end(&h, ret, err);
    mlo_sha256_free(&h);
    return rc;
}

/* ---- set ----
 * Digests also come from manifests that strangers wrote, and nothing makes a stranger's digest the hash of
 * anything. So the slot is a multiply-add hash under keys of this process: nobody outside can choose digests
 * that all land in one place.
 */

static uint64_t slot_keys[MLO_DIGEST_SIZE / sizeof(uint64_t)];
static pthread_once_t slot_keys_once = PTHREAD_ONCE_INIT;

static void choose_slot_keys(void)
{
    if (getrandom(slot_keys, sizeof slot_keys, GRND_NONBLOCK) != sizeof slot_keys)
        memcpy(slot_keys, "early at boot there may be none", sizeof slot_keys);
    for (size_t i = 0; i < MLO_COUNT(slot_keys); i++)
        slot_keys[i] |= 1;
}

uint64_t mlo_digest_spread(const struct mlo_digest *d)
{
    uint64_t words[MLO_COUNT(slot_keys)], h = 0;
    pthread_once(&slot_keys_once, choose_slot_keys);
    memcpy(words, d->b, sizeof words);
    for (size_t i = 0; i < MLO_COUNT(words); i++)
        h += words[i] * slot_keys[i];
    return h >> 32;
}

static size_t first_slot(const struct mlo_digest *d, size_t cap)
{
    return (size_t)mlo_digest_spread(d) & (cap - 1);
}

static void insert(struct mlo_digest *slots, uint8_t *used, size_t cap, const struct mlo_digest *d)
{
    size_t i = first_slot(d, cap);
    while (used[i])
        i = (i + 1) & (cap - 1);
    slots[i] = *d;
    used[i] = 1;
}

static int grow_set(struct mlo_digest_set *s, struct mlo_err *err)
{
    size_t cap = s->cap ? 2 * s->cap : 64;
    struct mlo_digest *slots = mlo_calloc(cap, sizeof *slots, err);
    uint8_t *used = slots ? mlo_calloc(cap, 1, err) : NULL;
    if (!used) {
        free(slots);
        return err->code;
    }
    for (size_t i = 0; i < s->cap; i++)
        if (s->used[i])
            insert(slots, used, cap, &s->slots[i]);
    free(s->slots);
    free(s->used);
    s->slots = slots;
    s->used = used;
    s->cap = cap;
    return 0;
}

void mlo_digest_set_release(struct mlo_digest_set *s)
{
    free(s->slots);
    free(s->used);
    *s = (struct mlo_digest_set){0};
}

bool mlo_digest_set_has(const struct mlo_digest_set *s, const struct mlo_digest *d)
{
    if (!s->cap)
        return false;
    for (size_t i = first_slot(d, s->cap); s->used[i]; i = (i + 1) & (s->cap - 1))
        if (mlo_digest_eq(&s->slots[i], d))
            return true;
    return false;
}

int mlo_digest_set_add(struct mlo_digest_set *s, const struct mlo_digest *d, bool *ret_new,
                       struct mlo_err *err)
{
    bool is_new = !mlo_digest_set_has(s, d);
    if (is_new) {
        if (2 * (s->count + 1) > s->cap && grow_set(s, err))
            return err->code;
        insert(s->slots, s->used, s->cap, d);
        s->count++;
    }
    if (ret_new)
        *ret_new = is_new;
    return 0;
}

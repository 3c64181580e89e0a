/* See ecdsa.h. */
#include "ecdsa.h"

#include <fcntl.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

#define KEY_FILE_MAX      ((size_t)64 << 10)
#define SIGNATURE_DER_MAX 80

static int crypto_fail(const char *what, struct mlo_err *err)
{
    unsigned long code = ERR_peek_last_error();
    char why[256] = "unknown reason";
    if (code != 0)
        ERR_error_string_n(code, why, sizeof why);
    ERR_clear_error();
    return mlo_fail(err, MLO_EIO, "%s: %s", what, why);
}

static int no_passphrase(char *buf, int size, int writing, void *ctx)
{
    (void)buf, (void)size, (void)writing;
    *(bool *)ctx = true;
    return -1;
}

static int parse_key(const char *pem, size_t n, bool is_private, mlo_key **ret, struct mlo_err *err)
{
    bool encrypted = false;
    char group[64] = "";
    BIO *bio = BIO_new_mem_buf(pem, (int)n);
    if (!bio)
        return mlo_fail_nomem(err);
    mlo_key *k = is_private ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &encrypted)
                            : PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, &encrypted);
    BIO_free(bio);
    ERR_clear_error();
    if (encrypted) {
        mlo_fail(err, MLO_EINVALID, "key is protected by a passphrase");
        return mlo_hint(err, "keep a key without one in a file that only you can read (mode 0600)");
    }
    if (!k)
        return mlo_fail(err, MLO_EINVALID, "holds no %s key in PEM form", is_private ? "private" : "public");
    if (EVP_PKEY_get_group_name(k, group, sizeof group, NULL) != 1 || strcmp(group, "prime256v1") != 0) {
        EVP_PKEY_free(k);
        ERR_clear_error();
        return mlo_fail(err, MLO_EINVALID, "key is not ECDSA on the curve P-256");
    }
    *ret = k;
    return 0;
}

int mlo_key_read(const char *path, bool is_private, mlo_key **ret, struct mlo_err *err)
{
    char *pem = NULL;
    size_t n = 0;
    int rc = mlo_slurp_at(AT_FDCWD, path, KEY_FILE_MAX, &pem, &n, err);
    if (rc != 0)
        return rc;
    rc = parse_key(pem, n, is_private, ret, err);
    OPENSSL_cleanse(pem, n);
    free(pem);
    if (rc == 0)
        return 0;
    MLO_AUTOSTR struct mlo_str name;
    mlo_str_init(&name, sizeof err->msg);
    mlo_escape(&name, path, strlen(path));
    return mlo_wrap(err, "'%s'", name.ptr);
}

int mlo_key_generate(mlo_key **ret, struct mlo_err *err)
{
    mlo_key *k = EVP_EC_gen("P-256");
    if (!k)
        return crypto_fail("cannot generate a key", err);
    *ret = k;
    return 0;
}

void mlo_key_free(mlo_key *k)
{
    EVP_PKEY_free(k);
}

int mlo_key_pem(mlo_key *k, bool is_private, struct mlo_str *out, struct mlo_err *err)
{
    char *text = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    int ok = bio && (is_private ? PEM_write_bio_PKCS8PrivateKey(bio, k, NULL, NULL, 0, NULL, NULL)
                                : PEM_write_bio_PUBKEY(bio, k));
    if (!ok) {
        BIO_free(bio);
        return crypto_fail("cannot write a key", err);
    }
    long n = BIO_get_mem_data(bio, &text);
    mlo_str_addn(out, text, (size_t)n);
    OPENSSL_cleanse(text, (size_t)n);
    BIO_free(bio);
    return mlo_str_check(out, err);
}

int mlo_key_hint(mlo_key *k, char ret[MLO_DIGEST_HEX + 1], struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str pem;
    struct mlo_digest d;
    mlo_str_init(&pem, KEY_FILE_MAX);
    int rc = mlo_key_pem(k, false, &pem, err);
    if (rc == 0)
        rc = mlo_sha256(pem.ptr, pem.len, &d, err);
    if (rc == 0)
        mlo_digest_hex(&d, ret);
    return rc;
}

int mlo_key_sign(mlo_key *k, const void *msg, size_t n, struct mlo_str *out, struct mlo_err *err)
{
    unsigned char sig[SIGNATURE_DER_MAX];
    size_t sig_n = sizeof sig;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, k) == 1 &&
              EVP_DigestSign(ctx, sig, &sig_n, msg, n) == 1;
    EVP_MD_CTX_free(ctx);
    if (!ok)
        return crypto_fail("cannot sign", err);
    mlo_str_addn(out, sig, sig_n);
    return mlo_str_check(out, err);
}

int mlo_key_verify(mlo_key *k, const void *msg, size_t n, const void *sig, size_t sig_n, struct mlo_err *err)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx || EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, k) != 1) {
        EVP_MD_CTX_free(ctx);
        return crypto_fail("cannot verify", err);
    }
    int good = EVP_DigestVerify(ctx, sig, sig_n, msg, n); /* negative for a signature that is no DER */
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return good == 1 ? 0 : mlo_fail(err, MLO_NO, "signature does not fit");
}

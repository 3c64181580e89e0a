/* ECDSA on P-256 with SHA-256 and PEM keys, by libcrypto. Keys with a passphrase are refused: nothing here
 * asks for one. */
#ifndef MLO_BUNDLE_ECDSA_H
#define MLO_BUNDLE_ECDSA_H

#include <mlopsctl/base/hash.h>
#include <mlopsctl/base/str.h>

typedef struct evp_pkey_st mlo_key;
int mlo_key_read(const char *path, bool is_private, mlo_key **ret, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_key_generate(mlo_key **ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_key_free(mlo_key *k);
/* PEM text, appended. */
int mlo_key_pem(mlo_key *k, bool is_private, struct mlo_str *out, struct mlo_err *err) MLO_MUST_CHECK;
/* SHA-256 of the public key's PEM text, in hex: how a signature says whose it is. */
int mlo_key_hint(mlo_key *k, char ret[MLO_DIGEST_HEX + 1], struct mlo_err *err) MLO_MUST_CHECK;
/* DER signature, appended. */
int mlo_key_sign(mlo_key *k, const void *msg, size_t n, struct mlo_str *out,
                 struct mlo_err *err) MLO_MUST_CHECK;
/* 0 or MLO_NO. */
int mlo_key_verify(mlo_key *k, const void *msg, size_t n, const void *sig, size_t sig_n,
                   struct mlo_err *err) MLO_MUST_CHECK;

#endif

/*
 * SHA-256 by libcrypto, and the digest as a value. Everything immutable in this program is named by one.
 */
#ifndef MLOPSCTL_BASE_HASH_H
#define MLOPSCTL_BASE_HASH_H

#include <mlopsctl/base/mem.h>

#define MLO_DIGEST_SIZE 32
#define MLO_DIGEST_HEX  (2 * MLO_DIGEST_SIZE) /* without terminator */
#define MLO_DIGEST_TEXT (MLO_DIGEST_HEX + 8)  /* "sha256:" + hex + NUL */

struct mlo_digest {
    uint8_t b[MLO_DIGEST_SIZE];
};

int mlo_digest_cmp(const struct mlo_digest *a, const struct mlo_digest *b);
static inline bool mlo_digest_eq(const struct mlo_digest *a, const struct mlo_digest *b)
{
    return mlo_digest_cmp(a, b) == 0;
}
/* 64 lower-case hex digits + NUL; returns buf. */
char *mlo_digest_hex(const struct mlo_digest *d, char buf[MLO_DIGEST_HEX + 1]);
/* "sha256:<hex>" + NUL; returns buf. */
char *mlo_digest_text(const struct mlo_digest *d, char buf[MLO_DIGEST_TEXT]);
/* Reads exactly 64 lower-case hex digits, or with mlo_digest_parse the "sha256:" form. Upper case is refused.
 */
int mlo_digest_from_hex(const char *hex, size_t n, struct mlo_digest *ret,
                        struct mlo_err *err) MLO_MUST_CHECK;
int mlo_digest_parse(const char *text, struct mlo_digest *ret, struct mlo_err *err) MLO_MUST_CHECK;

/* Streaming. One object serves many messages: begin restarts it. */
struct mlo_sha256 {
    void *ctx; /* EVP_MD_CTX */
};
int mlo_sha256_new(struct mlo_sha256 *h, struct mlo_err *err) MLO_MUST_CHECK; /* also begins */
void mlo_sha256_free(struct mlo_sha256 *h);
int mlo_sha256_begin(struct mlo_sha256 *h, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_sha256_update(struct mlo_sha256 *h, const void *p, size_t n, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_sha256_end(struct mlo_sha256 *h, struct mlo_digest *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* `to` goes on from where `from` is; both have been made by mlo_sha256_new. */
int mlo_sha256_copy(struct mlo_sha256 *to, const struct mlo_sha256 *from, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_sha256(const void *p, size_t n, struct mlo_digest *ret, struct mlo_err *err) MLO_MUST_CHECK;

/* Of a whole file, wherever it stands. */
int mlo_sha256_fd(int fd, struct mlo_digest *ret, struct mlo_err *err) MLO_MUST_CHECK;

/* A number to place the digest by in a table: nobody outside can choose digests that all get the same. */
uint64_t mlo_digest_spread(const struct mlo_digest *d);

/* A set of digests (open addressing); for reachability and deduplication. */
struct mlo_digest_set {
    struct mlo_digest *slots;
    uint8_t *used;
    size_t cap, count;
};
void mlo_digest_set_release(struct mlo_digest_set *s);
/* *ret_new may be NULL; true when the digest was not there before. */
int mlo_digest_set_add(struct mlo_digest_set *s, const struct mlo_digest *d, bool *ret_new,
                       struct mlo_err *err) MLO_MUST_CHECK;
bool mlo_digest_set_has(const struct mlo_digest_set *s, const struct mlo_digest *d);

#endif

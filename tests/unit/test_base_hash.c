/* SHA-256 against FIPS 180-2's examples, digests as text, sets of digests. */
#include "tap.h"

#include <string.h>

#include <mlopsctl/base/hash.h>
#include <mlopsctl/base/thread.h>
#include <mlopsctl/base/time.h>

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void known_answers(void)
{
    static const struct {
        const char *text, *hex;
    } known[] = {
        {"", EMPTY},
        {"abc", ABC},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_digest d;
    char hex[MLO_DIGEST_HEX + 1];
    for (size_t i = 0; i < MLO_COUNT(known); i++) {
        check_ok(mlo_sha256(known[i].text, strlen(known[i].text), &d, &err), &err);
        check_str(mlo_digest_hex(&d, hex), known[i].hex);
    }
}

static void a_million_times_a_in_uneven_pieces(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_sha256 h;
    struct mlo_digest d;
    char piece[997], hex[MLO_DIGEST_HEX + 1];
    memset(piece, 'a', sizeof piece);
    check_ok(mlo_sha256_new(&h, &err), &err);
    for (size_t left = 1000000, n; left; left -= n) {
        n = left < sizeof piece ? left : sizeof piece;
        check_ok(mlo_sha256_update(&h, piece, n, &err), &err);
    }
    check_ok(mlo_sha256_end(&h, &d, &err), &err);
    check_str(mlo_digest_hex(&d, hex), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    check_ok(mlo_sha256_begin(&h, &err), &err);
    check_ok(mlo_sha256_update(&h, "abc", 3, &err), &err);
    check_ok(mlo_sha256_end(&h, &d, &err), &err);
    check_str(mlo_digest_hex(&d, hex), ABC);
    mlo_sha256_free(&h);
    mlo_sha256_free(&h);
}

static int hash_abc(void *ctx, size_t i, struct mlo_err *err)
{
    struct mlo_digest *digests = ctx;
    return mlo_sha256("abc", 3, &digests[i], err);
}

static void threads_hash_beside_each_other(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_digest digests[64], want;
    check_ok(mlo_digest_from_hex(ABC, 64, &want, &err), &err);
    check_ok(mlo_parallel(MLO_COUNT(digests), 8, hash_abc, digests, &err), &err);
    for (size_t i = 0; i < MLO_COUNT(digests); i++)
        check(mlo_digest_eq(&digests[i], &want));
}

static void digest_text_goes_there_and_back(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_digest d, again;
    char text[MLO_DIGEST_TEXT];
    check_ok(mlo_digest_parse("sha256:" ABC, &d, &err), &err);
    check_int(d.b[0], 0xba);
    check_int(d.b[31], 0xad);
    check_str(mlo_digest_text(&d, text), "sha256:" ABC);
    check_ok(mlo_digest_from_hex(ABC, 64, &again, &err), &err);
    check(mlo_digest_eq(&d, &again));
    again.b[31]++;
    check(mlo_digest_cmp(&d, &again) < 0 && mlo_digest_cmp(&again, &d) > 0);
}

static void other_spellings_of_a_digest_are_refused(void)
{
    static const char *const bad[] = {
        "",
        "sha256:",
        ABC,
        "SHA256:" ABC,
        "sha512:" ABC,
        "sha256:" ABC "0",
        " sha256:" ABC,
        "sha256:BA7816BF",
        "sha256:Ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "sha256:ga7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a",
    };
    struct mlo_digest d;
    memset(&d, 0x5a, sizeof d);
    for (size_t i = 0; i < MLO_COUNT(bad); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        check_err(mlo_digest_parse(bad[i], &d, &err), MLO_EINVALID, &err, "digest");
    }
    check(d.b[0] == 0x5a && d.b[31] == 0x5a, "untouched on failure");
}

static struct mlo_digest numbered(uint32_t i)
{
    struct mlo_digest d = {{0}};
    memcpy(d.b + 28, &i, sizeof i);
    return d;
}

static void a_set_tells_old_from_new(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_digest_set s = {0};
    struct mlo_digest zero = {{0}};
    bool fresh = false;
    check(!mlo_digest_set_has(&s, &zero), "an empty set has nothing");
    for (uint32_t round = 0; round < 2; round++)
        for (uint32_t i = 0; i < 5000; i++) {
            struct mlo_digest d = numbered(i);
            check_ok(mlo_digest_set_add(&s, &d, &fresh, &err), &err);
            check_int(fresh, round == 0);
        }
    check_int(s.count, 5000);
    struct mlo_digest other = numbered(5000);
    check(mlo_digest_set_has(&s, &zero) && !mlo_digest_set_has(&s, &other));
    check_ok(mlo_digest_set_add(&s, &other, NULL, &err), &err);
    check(mlo_digest_set_has(&s, &other));
    mlo_digest_set_release(&s);
    check_int(s.count, 0);
}

/* All alike in their first 28 bytes: with slots taken from those, 50,000 of them cost a thousand million
 * steps. */
static void chosen_digests_cannot_slow_a_set_down(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_digest_set s = {0};
    int64_t begun = mlo_time_mono();
    for (uint32_t i = 0; i < 50000; i++) {
        struct mlo_digest d = numbered(i);
        check_ok(mlo_digest_set_add(&s, &d, NULL, &err), &err);
    }
    check((mlo_time_mono() - begun) / MLO_NS_PER_S < 2, "linear, not quadratic");
    mlo_digest_set_release(&s);
}

static int fill_a_set(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_digest_set s = {0};
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < 300; i++) {
        struct mlo_digest d = numbered(i);
        rc = mlo_digest_set_add(&s, &d, NULL, &err);
        if (rc < 0 && i > 0) {
            struct mlo_digest first = numbered(0);
            check(mlo_digest_set_has(&s, &first), "a set that cannot grow keeps what it has");
        }
    }
    mlo_digest_set_release(&s);
    return rc;
}

static void a_set_without_memory_is_an_ordinary_error(void)
{
    check(each_alloc_failure(fill_a_set) >= 4);
}

int main(void)
{
    run(known_answers);
    run(a_million_times_a_in_uneven_pieces);
    run(threads_hash_beside_each_other);
    run(digest_text_goes_there_and_back);
    run(other_spellings_of_a_digest_are_refused);
    run(a_set_tells_old_from_new);
    run(chosen_digests_cannot_slow_a_set_down);
    run(a_set_without_memory_is_an_ordinary_error);
    return done_testing();
}

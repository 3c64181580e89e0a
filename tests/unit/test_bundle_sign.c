/* Signatures: what fits, what does not, and that they cover everything. */
#include <mlopsctl/base/text.h>

#include "bench.h"

#include "../../src/bundle/ecdsa.h"

struct signer {
    struct bench b;
    struct mlo_digest manifest, referrer;
    char key[700], pub[700], hint[MLO_DIGEST_HEX + 1];
};

static void make_keys(struct signer *s, const char *name, char key[700], char pub[700])
{
    struct mlo_err err = MLO_ERR_INIT;
    snprintf(key, 700, "%s/%s.key", s->b.root, name);
    snprintf(pub, 700, "%s/%s.pub", s->b.root, name);
    check_ok(mlo_sign_keygen(key, pub, &err), &err);
}

static void set_up(struct signer *s)
{
    struct mlo_err err = MLO_ERR_INIT;
    bench_up(&s->b);
    bench_tiny(s->b.tree, "model.safetensors");
    bench_text(s->b.tree, "a/z.py", "1\n");
    bench_text(s->b.tree, "a.py", "2\n");
    check(bench_pack(&s->b, &s->manifest), "packed");
    make_keys(s, "one", s->key, s->pub);
    check_ok(mlo_sign(s->b.store, &s->manifest, s->key, &s->referrer, s->hint, &err), &err);
}

static int verify(struct signer *s, const struct mlo_digest *manifest, const struct mlo_digest *referrer,
                  const char *pub, struct mlo_err *err)
{
    return mlo_sign_verify(s->b.store, manifest, referrer, 1, pub, err);
}

static void a_signature_fits_its_bundle_and_key(void)
{
    struct signer s;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_digest subject;
    char hint[MLO_DIGEST_HEX + 1];
    set_up(&s);
    check_ok(verify(&s, &s.manifest, &s.referrer, s.pub, &err), &err);
    check_ok(mlo_sign_subject(s.b.store, &s.referrer, &subject, hint, &err), &err);
    check(mlo_digest_eq(&subject, &s.manifest), "subject");
    check_str(hint, s.hint);
    check_err(mlo_sign_subject(s.b.store, &s.manifest, &subject, hint, &err), MLO_ENOTFOUND, &err,
              "not a signature");
    check_err(mlo_sign_verify(s.b.store, &s.manifest, NULL, 0, s.pub, &err), MLO_NO, &err, "not signed");
    bench_down(&s.b);
}

static void another_key_is_a_no(void)
{
    struct signer s;
    struct mlo_err err = MLO_ERR_INIT;
    char key[700], pub[700];
    set_up(&s);
    make_keys(&s, "two", key, pub);
    check_err(verify(&s, &s.manifest, &s.referrer, pub, &err), MLO_NO, &err, "another key");
    bench_down(&s.b);
}

static void another_bundle_is_a_no(void)
{
    struct signer s;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_digest other;
    set_up(&s);
    bench_text(s.b.tree, "a.py", "3\n");
    check(bench_pack(&s.b, &other), "packed");
    check_err(verify(&s, &other, &s.referrer, s.pub, &err), MLO_NO, &err, "another manifest");
    bench_down(&s.b);
}

/* The Sigstore bundle with some text in it replaced, under a referrer of the same manifest. */
static struct mlo_digest forge(struct signer *s, const char *from, const char *to, bool in_payload)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOFREE char *text = NULL;
    MLO_AUTOSTR struct mlo_str payload;
    MLO_AUTOSTR struct mlo_str bent;
    MLO_AUTOSTR struct mlo_str doc;
    char manifest[2048], hex[MLO_DIGEST_HEX + 1], subject[MLO_DIGEST_HEX + 1];
    struct mlo_digest blob, ret = {0};
    size_t n = 0;
    mlo_str_init(&payload, 1 << 20);
    mlo_str_init(&bent, 1 << 20);
    mlo_str_init(&doc, 1 << 20);
    check_ok(mlo_sign_text(s->b.store, &s->referrer, &text, &n, &err), &err);
    char *start = strstr(text, "\"payload\":\"") + 11, *end = strchr(start, '"');
    *end = '\0';
    check_ok(mlo_base64_read(start, 1 << 20, &payload, &err), &err);
    char *at = in_payload ? strstr(payload.ptr, from) : NULL;
    mlo_str_addn(&bent, payload.ptr, at ? (size_t)(at - payload.ptr) : payload.len);
    if (at) {
        mlo_str_add(&bent, to);
        mlo_str_add(&bent, at + strlen(from));
    }
    mlo_str_addn(&doc, text, (size_t)(start - text));
    check_ok(mlo_base64_add(&doc, bent.ptr, bent.len, &err), &err);
    mlo_str_addc(&doc, '"');
    char *rest = end + 1, *hit = in_payload ? NULL : strstr(rest, from);
    mlo_str_addn(&doc, rest, hit ? (size_t)(hit - rest) : strlen(rest));
    if (hit) {
        mlo_str_add(&doc, to);
        mlo_str_add(&doc, hit + strlen(from));
    }
    check(at || hit, "'%s' occurs", from);
    check_ok(mlo_store_put(s->b.store, doc.ptr, doc.len, &blob, &err), &err);
    snprintf(manifest, sizeof manifest,
             "{\"schemaVersion\":2,\"artifactType\":\"" MLO_ARTIFACT_SIGNATURE
             "\",\"config\":{\"mediaType\":\"x\",\"digest\":\"sha256:"
             "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\",\"size\":2},\"layers\":[{"
             "\"mediaType\":\"x\","
             "\"digest\":\"sha256:%s\",\"size\":%zu}],\"subject\":{\"mediaType\":\"x\",\"digest\":\"sha256:%"
             "s\",\"size\":1}}",
             mlo_digest_hex(&blob, hex), doc.len, mlo_digest_hex(&s->manifest, subject));
    check_ok(mlo_store_put(s->b.store, manifest, strlen(manifest), &ret, &err), &err);
    return ret;
}

static void a_bent_signature_is_a_no(void)
{
    static const struct {
        const char *from, *to;
        bool in_payload;
    } cases[] = {
        {"a.py", "b.py", true},
        {"https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v2", true},
        {"\"sig\":\"", "\"sig\":\"AAAA", false},
        {"\"sig\":\"", "\"sig\":\"!", false},
        {"\"signatures\":[", "\"signatures\":[1,", false},
        {"in-toto+json", "in-toto+jsoN", false},
    };
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        struct signer s;
        struct mlo_err err = MLO_ERR_INIT;
        set_up(&s);
        struct mlo_digest forged = forge(&s, cases[i].from, cases[i].to, cases[i].in_payload);
        check_err(verify(&s, &s.manifest, &forged, s.pub, &err), MLO_NO, &err,
                  "no signature by this key holds");
        /* A good one beside it counts. */
        struct mlo_digest both[] = {forged, s.referrer};
        check_ok(mlo_sign_verify(s.b.store, &s.manifest, both, 2, s.pub, &err), &err);
        bench_down(&s.b);
    }
}

static void keys_are_private_and_never_overwritten(void)
{
    struct signer s;
    struct mlo_err err = MLO_ERR_INIT;
    struct stat st;
    set_up(&s);
    check(stat(s.key, &st) == 0 && (st.st_mode & 0777) == 0600, "private key is 0600");
    check_err(mlo_sign_keygen(s.key, s.pub, &err), MLO_ECONFLICT, &err, NULL);
    check_ok(verify(&s, &s.manifest, &s.referrer, s.pub, &err), &err);
    bench_down(&s.b);
}

static void other_keys_are_refused(void)
{
    static const char ed25519[] = "-----BEGIN PUBLIC KEY-----\n"
                                  "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
                                  "-----END PUBLIC KEY-----\n";
    struct signer s;
    struct mlo_err err = MLO_ERR_INIT;
    char path[700];
    set_up(&s);
    bench_text(s.b.root, "ed.pub", ed25519);
    bench_text(s.b.root, "junk.pub", "no key\n");
    snprintf(path, sizeof path, "%s/ed.pub", s.b.root);
    check_err(verify(&s, &s.manifest, &s.referrer, path, &err), MLO_EINVALID, &err, "P-256");
    snprintf(path, sizeof path, "%s/junk.pub", s.b.root);
    check_err(verify(&s, &s.manifest, &s.referrer, path, &err), MLO_EINVALID, &err, "no public key");
    check_err(verify(&s, &s.manifest, &s.referrer, s.key, &err), MLO_EINVALID, &err, "no public key");
    check_err(verify(&s, &s.manifest, &s.referrer, "/nowhere.pub", &err), MLO_ENOTFOUND, &err, NULL);
    bench_down(&s.b);
}

static void base64_knows_its_edges(void)
{
    static const struct {
        const char *text, *bytes;
        size_t n;
    } good[] = {{"", "", 0}, {"Zg==", "f", 1}, {"Zm8=", "fo", 2}, {"Zm9v", "foo", 3}, {"AAAA", "\0\0\0", 3}};
    static const char *const bad[] = {"Z", "Zg=", "Zg==\n", "Z g=", "!!!!", "Zm9vZ"};
    struct mlo_err err = MLO_ERR_INIT;
    for (size_t i = 0; i < MLO_COUNT(good); i++) {
        MLO_AUTOSTR struct mlo_str out;
        mlo_str_init(&out, 100);
        check_ok(mlo_base64_read(good[i].text, 100, &out, &err), &err);
        check(out.len == good[i].n && memcmp(out.ptr, good[i].bytes, good[i].n) == 0, "'%s'", good[i].text);
        mlo_str_clear(&out);
        check_ok(mlo_base64_add(&out, good[i].bytes, good[i].n, &err), &err);
        check_str(out.ptr, good[i].text);
    }
    for (size_t i = 0; i < MLO_COUNT(bad); i++) {
        MLO_AUTOSTR struct mlo_str out;
        mlo_str_init(&out, 100);
        check_err(mlo_base64_read(bad[i], 100, &out, &err), MLO_EINVALID, &err, "base64");
    }
}

int main(void)
{
    run(a_signature_fits_its_bundle_and_key);
    run(another_key_is_a_no);
    run(another_bundle_is_a_no);
    run(a_bent_signature_is_a_no);
    run(keys_are_private_and_never_overwritten);
    run(other_keys_are_refused);
    run(base64_knows_its_edges);
    return done_testing();
}

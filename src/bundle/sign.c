/*
 * Signatures in the form of OpenSSF model signing: an in-toto statement over the files' digests, in a DSSE
 * envelope, in a Sigstore bundle. Other tools verify it against the unpacked folder. The predicate carries
 * one member of ours, the manifest's digest, so that the same signature covers what is not a file:
 * configuration, metrics, provenance.
 *
 * Digests of files inside tar layers are computed from the bytes, never taken from the bundle's own words.
 */
#include <mlopsctl/base/text.h>
#include <mlopsctl/bundle.h>

#include <fcntl.h>
#include <string.h>

#include "ecdsa.h"
#include "oci.h"
#include "untar.h"

#define STATEMENT_TYPE "https://in-toto.io/Statement/v1"
#define PREDICATE_TYPE "https://model_signing/signature/v1.0"
#define PAYLOAD_TYPE   "application/vnd.in-toto+json"
#define OWN_MEMBER     "io.mlopsctl.manifest"

/* ---- what is signed: paths and digests ---- */

struct resource {
    char *path;
    struct mlo_digest digest;
};
struct resources {
    struct resource *list;
    size_t n, cap;
    struct mlo_sha256 hash; /* for files inside archives */
};

static void resources_release(struct resources *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->list[i].path);
    free(r->list);
    mlo_sha256_free(&r->hash);
}

static int add_resource(struct resources *r, const char *path, const struct mlo_digest *d,
                        struct mlo_err *err)
{
    int rc = mlo_grow(&r->list, &r->cap, r->n + 1, sizeof *r->list, err);
    if (rc != 0)
        return rc;
    char *copy = mlo_strdup(path, err);
    if (!copy)
        return MLO_EIO;
    r->list[r->n++] = (struct resource){copy, *d};
    return 0;
}

static int to_hash(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    return mlo_sha256_update(ctx, p, n, err);
}

static int add_tar_entry(void *ctx, struct mlo_untar *u, const struct mlo_untar_entry *e, struct mlo_err *err)
{
    struct resources *r = ctx;
    struct mlo_digest d;
    if (e->folder)
        return 0;
    int rc = mlo_sha256_begin(&r->hash, err);
    if (rc == 0)
        rc = mlo_untar_copy(u, to_hash, &r->hash, err);
    if (rc == 0)
        rc = mlo_sha256_end(&r->hash, &d, err);
    return rc != 0 ? rc : add_resource(r, e->path, &d, err);
}

static int add_layer(struct resources *r, struct mlo_store *s, const struct mlo_layer *layer,
                     struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = -1;
    struct mlo_digest got;
    if (layer->packing == MLO_PACKING_RAW) {
        if (!layer->path || strcmp(layer->path, MLO_EXTRA_PATH) == 0)
            return 0;
        return add_resource(r, layer->path, &layer->digest, err);
    }
    int rc = mlo_store_open_blob(s, &layer->digest, &fd, NULL, err);
    if (rc == 0)
        rc = mlo_untar(fd, layer->packing != MLO_PACKING_TAR, add_tar_entry, r, &got, err);
    if (rc == 0 && !mlo_digest_eq(&got, &layer->digest))
        rc = mlo_fail(err, MLO_EINVALID, "a layer of the bundle is damaged");
    return rc;
}

/* As Python orders paths: by their parts, so that "/" sorts before every other byte. */
static int resource_cmp(const void *a, const void *b)
{
    const unsigned char *x = (const unsigned char *)((const struct resource *)a)->path;
    const unsigned char *y = (const unsigned char *)((const struct resource *)b)->path;
    while (*x && *x == *y)
        x++, y++;
    int cx = *x == '/' ? 1 : *x ? *x + 1 : 0, cy = *y == '/' ? 1 : *y ? *y + 1 : 0;
    return cx - cy;
}

static int resources_load(struct resources *r, struct mlo_store *s, const struct mlo_bundle *b,
                          struct mlo_err *err)
{
    int rc = mlo_sha256_new(&r->hash, err);
    for (size_t i = 0; rc == 0 && i < b->n_layers; i++)
        rc = add_layer(r, s, &b->layers[i], err);
    if (rc == 0 && r->n > 1)
        qsort(r->list, r->n, sizeof *r->list, resource_cmp);
    return rc;
}

static int root_digest(struct resources *r, struct mlo_digest *ret, struct mlo_err *err)
{
    int rc = mlo_sha256_begin(&r->hash, err);
    for (size_t i = 0; rc == 0 && i < r->n; i++)
        rc = mlo_sha256_update(&r->hash, r->list[i].digest.b, MLO_DIGEST_SIZE, err);
    return rc != 0 ? rc : mlo_sha256_end(&r->hash, ret, err);
}

/* ---- statement, envelope, bundle ---- */

static void add_hex(struct mlo_jb *b, cJSON *node, const char *key, const struct mlo_digest *d)
{
    char hex[MLO_DIGEST_HEX + 1];
    mlo_jb_text(b, node, key, mlo_digest_hex(d, hex));
}

static const char *model_name(const struct mlo_bundle *b)
{
    const char *name = mlo_json_text(cJSON_GetObjectItemCaseSensitive(b->config, "descriptor"), "name");
    return name ? name : "model";
}

static void add_predicate(struct mlo_jb *b, cJSON *root, const struct resources *r,
                          const struct mlo_bundle *bundle)
{
    cJSON *predicate = mlo_jb_object(b, root, "predicate");
    cJSON *how = mlo_jb_object(b, predicate, "serialization");
    mlo_jb_text(b, how, "method", "files");
    mlo_jb_text(b, how, "hash_type", "sha256");
    mlo_jb_node(b, how, "allow_symlinks", cJSON_CreateFalse());
    mlo_jb_array(b, how, "ignore_paths");
    cJSON *list = mlo_jb_array(b, predicate, "resources");
    for (size_t i = 0; i < r->n; i++) {
        cJSON *node = mlo_jb_object(b, list, NULL);
        mlo_jb_text(b, node, "name", r->list[i].path);
        mlo_jb_text(b, node, "algorithm", "sha256");
        add_hex(b, node, "digest", &r->list[i].digest);
    }
    mlo_jb_digest(b, predicate, OWN_MEMBER, &bundle->digest);
}

static int statement_text(struct resources *r, const struct mlo_bundle *bundle, char **ret, size_t *ret_n,
                          struct mlo_err *err)
{
    struct mlo_digest root;
    int rc = root_digest(r, &root, err);
    if (rc != 0)
        return rc;
    struct mlo_jb b = {0};
    MLO_AUTOJSON cJSON *doc = mlo_jb_object(&b, NULL, NULL);
    mlo_jb_text(&b, doc, "_type", STATEMENT_TYPE);
    cJSON *subject = mlo_jb_object(&b, mlo_jb_array(&b, doc, "subject"), NULL);
    mlo_jb_text(&b, subject, "name", model_name(bundle));
    add_hex(&b, mlo_jb_object(&b, subject, "digest"), "sha256", &root);
    mlo_jb_text(&b, doc, "predicateType", PREDICATE_TYPE);
    add_predicate(&b, doc, r, bundle);
    rc = mlo_jb_check(&b, err);
    return rc != 0 ? rc : mlo_json_print(doc, ret, ret_n, err);
}

/* DSSE's pre-authentication encoding: what the signature is really over. */
static int pae(const char *payload, size_t n, struct mlo_str *out, struct mlo_err *err)
{
    mlo_str_addf(out, "DSSEv1 %zu " PAYLOAD_TYPE " %zu ", strlen(PAYLOAD_TYPE), n);
    mlo_str_addn(out, payload, n);
    return mlo_str_check(out, err);
}

static int sign_payload(mlo_key *k, const char *payload, size_t n, struct mlo_str *sig64, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str message;
    MLO_AUTOSTR struct mlo_str sig;
    mlo_str_init(&message, MLO_SIGNATURE_MAX);
    mlo_str_init(&sig, 1024);
    int rc = pae(payload, n, &message, err);
    if (rc == 0)
        rc = mlo_key_sign(k, message.ptr, message.len, &sig, err);
    return rc != 0 ? rc : mlo_base64_add(sig64, sig.ptr, sig.len, err);
}

static int bundle_text(mlo_key *k, const char *hint, const char *payload, size_t n, char **ret, size_t *ret_n,
                       struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str payload64;
    MLO_AUTOSTR struct mlo_str sig64;
    mlo_str_init(&payload64, MLO_SIGNATURE_MAX);
    mlo_str_init(&sig64, 1024);
    int rc = sign_payload(k, payload, n, &sig64, err);
    if (rc == 0)
        rc = mlo_base64_add(&payload64, payload, n, err);
    if (rc != 0)
        return rc;
    struct mlo_jb b = {0};
    MLO_AUTOJSON cJSON *doc = mlo_jb_object(&b, NULL, NULL);
    mlo_jb_text(&b, doc, "mediaType", MLO_ARTIFACT_SIGNATURE);
    cJSON *material = mlo_jb_object(&b, doc, "verificationMaterial");
    mlo_jb_text(&b, mlo_jb_object(&b, material, "publicKey"), "hint", hint);
    mlo_jb_array(&b, material, "tlogEntries");
    cJSON *envelope = mlo_jb_object(&b, doc, "dsseEnvelope");
    mlo_jb_text(&b, envelope, "payload", payload64.ptr);
    mlo_jb_text(&b, envelope, "payloadType", PAYLOAD_TYPE);
    cJSON *sig = mlo_jb_object(&b, mlo_jb_array(&b, envelope, "signatures"), NULL);
    mlo_jb_text(&b, sig, "sig", sig64.ptr);
    mlo_jb_text(&b, sig, "keyid", "");
    rc = mlo_jb_check(&b, err);
    return rc != 0 ? rc : mlo_json_print(doc, ret, ret_n, err);
}

/* ---- the referrer ---- */

static int put_referrer(struct mlo_store *s, const struct mlo_bundle *bundle, const char *text, size_t n,
                        struct mlo_digest *ret, struct mlo_err *err)
{
    MLO_AUTOFREE char *manifest = NULL;
    struct mlo_digest empty, blob;
    size_t len = 0;
    int rc = mlo_store_put(s, "{}", 2, &empty, err);
    if (rc == 0)
        rc = mlo_store_put(s, text, n, &blob, err);
    if (rc != 0)
        return rc;
    struct mlo_jb b = {0};
    MLO_AUTOJSON cJSON *doc = mlo_jb_object(&b, NULL, NULL);
    mlo_jb_u64(&b, doc, "schemaVersion", 2);
    mlo_jb_text(&b, doc, "mediaType", MLO_MEDIA_MANIFEST);
    mlo_jb_text(&b, doc, "artifactType", MLO_ARTIFACT_SIGNATURE);
    mlo_jb_descriptor(&b, doc, "config", MLO_MEDIA_EMPTY, &empty, 2);
    mlo_jb_descriptor(&b, mlo_jb_array(&b, doc, "layers"), NULL, MLO_ARTIFACT_SIGNATURE, &blob, n);
    mlo_jb_descriptor(&b, doc, "subject", MLO_MEDIA_MANIFEST, &bundle->digest, bundle->manifest_len);
    rc = mlo_jb_check(&b, err);
    if (rc == 0)
        rc = mlo_json_print(doc, &manifest, &len, err);
    return rc != 0 ? rc : mlo_store_put(s, manifest, len, ret, err);
}

/* A signature's manifest and blob, parsed but not verified. */
struct signature {
    struct mlo_descriptor subject;
    char *text;
    size_t n;
    cJSON *manifest, *doc;
    const char *hint;
};

static void signature_release(struct signature *sig)
{
    cJSON_Delete(sig->manifest);
    cJSON_Delete(sig->doc);
    free(sig->text);
}

static int signature_blob(struct mlo_store *s, struct signature *sig, struct mlo_err *err)
{
    struct mlo_descriptor layer;
    const cJSON *layers = cJSON_GetObjectItemCaseSensitive(sig->manifest, "layers");
    if (!cJSON_IsArray(layers) || cJSON_GetArraySize(layers) != 1)
        return mlo_fail(err, MLO_EINVALID, "signature manifest must have one layer");
    int rc = mlo_descriptor_read(layers->child, &layer, err);
    if (rc == 0)
        rc = mlo_store_read(s, &layer.digest, MLO_SIGNATURE_MAX, &sig->text, &sig->n, err);
    if (rc == 0)
        rc = mlo_json_parse(sig->text, sig->n, MLO_SIGNATURE_MAX, &sig->doc, err);
    if (rc != 0)
        return rc;
    const cJSON *material = cJSON_GetObjectItemCaseSensitive(sig->doc, "verificationMaterial");
    sig->hint = mlo_json_text(cJSON_GetObjectItemCaseSensitive(material, "publicKey"), "hint");
    if (!sig->hint || strlen(sig->hint) != MLO_DIGEST_HEX ||
        strspn(sig->hint, "0123456789abcdef") != MLO_DIGEST_HEX)
        return mlo_fail(err, MLO_EINVALID, "signature does not say by which key it was made");
    return 0;
}

static int signature_load(struct mlo_store *s, const struct mlo_digest *referrer, struct signature *sig,
                          struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    int rc = mlo_store_read(s, referrer, MLO_MANIFEST_MAX, &text, &n, err);
    if (rc == 0)
        rc = mlo_json_parse(text, n, MLO_MANIFEST_MAX, &sig->manifest, err);
    if (rc != 0)
        return rc;
    const char *type = mlo_json_text(sig->manifest, "artifactType");
    if (!type || strcmp(type, MLO_ARTIFACT_SIGNATURE) != 0)
        return mlo_fail(err, MLO_ENOTFOUND, "not a signature");
    rc = mlo_descriptor_read(cJSON_GetObjectItemCaseSensitive(sig->manifest, "subject"), &sig->subject, err);
    return rc != 0 ? rc : signature_blob(s, sig, err);
}

int mlo_sign_subject(struct mlo_store *s, const struct mlo_digest *referrer, struct mlo_digest *ret_manifest,
                     char ret_hint[MLO_DIGEST_HEX + 1], struct mlo_err *err)
{
    struct signature sig = {0};
    int rc = signature_load(s, referrer, &sig, err);
    if (rc == 0) {
        *ret_manifest = sig.subject.digest;
        memcpy(ret_hint, sig.hint, MLO_DIGEST_HEX + 1);
    }
    signature_release(&sig);
    return rc;
}

int mlo_sign_text(struct mlo_store *s, const struct mlo_digest *referrer, char **ret, size_t *ret_n,
                  struct mlo_err *err)
{
    struct signature sig = {0};
    int rc = signature_load(s, referrer, &sig, err);
    if (rc == 0) {
        *ret = mlo_steal(&sig.text);
        *ret_n = sig.n;
    }
    signature_release(&sig);
    return rc;
}

/* ---- signing ---- */

int mlo_sign_keygen(const char *private_path, const char *public_path, struct mlo_err *err)
{
    static const struct {
        bool is_private;
        mode_t mode;
    } kinds[] = {{true, 0600}, {false, 0644}};
    mlo_key *k = NULL;
    int rc = mlo_key_generate(&k, err);
    for (size_t i = 0; rc == 0 && i < MLO_COUNT(kinds); i++) {
        struct mlo_newfile f = MLO_NEWFILE_INIT;
        struct mlo_str pem;
        mlo_str_init(&pem, 4096);
        rc = mlo_key_pem(k, kinds[i].is_private, &pem, err);
        if (rc == 0)
            rc = mlo_newfile_begin(&f, AT_FDCWD, kinds[i].is_private ? private_path : public_path,
                                   kinds[i].mode, err);
        if (rc == 0)
            rc = mlo_write_all(f.fd, pem.ptr, pem.len, err);
        if (rc == 0)
            rc = mlo_newfile_commit_excl(&f, err);
        mlo_newfile_abort(&f);
        explicit_bzero(pem.ptr, pem.len);
        mlo_str_release(&pem);
    }
    mlo_key_free(k);
    return rc;
}

static int sign_bundle(struct mlo_store *s, const struct mlo_bundle *b, mlo_key *k, const char *hint,
                       struct mlo_digest *ret, struct mlo_err *err)
{
    struct resources r = {0};
    MLO_AUTOFREE char *payload = NULL;
    MLO_AUTOFREE char *text = NULL;
    size_t payload_n = 0, n = 0;
    int rc = resources_load(&r, s, b, err);
    if (rc == 0)
        rc = statement_text(&r, b, &payload, &payload_n, err);
    if (rc == 0)
        rc = bundle_text(k, hint, payload, payload_n, &text, &n, err);
    if (rc == 0)
        rc = put_referrer(s, b, text, n, ret, err);
    resources_release(&r);
    return rc;
}

int mlo_sign(struct mlo_store *s, const struct mlo_digest *manifest, const char *private_key_path,
             struct mlo_digest *ret_referrer, char ret_hint[MLO_DIGEST_HEX + 1], struct mlo_err *err)
{
    struct mlo_bundle b = {0};
    char hint[MLO_DIGEST_HEX + 1];
    mlo_key *k = NULL;
    int rc = mlo_key_read(private_key_path, true, &k, err);
    if (rc != 0)
        return rc;
    rc = mlo_key_hint(k, hint, err);
    if (rc == 0)
        rc = mlo_bundle_load(s, manifest, &b, err);
    if (rc == 0) {
        rc = sign_bundle(s, &b, k, hint, ret_referrer, err);
        mlo_bundle_release(&b);
    }
    if (rc == 0)
        memcpy(ret_hint, hint, sizeof hint);
    mlo_key_free(k);
    return rc;
}

/* ---- verifying ---- */

struct verifier {
    const struct mlo_bundle *bundle;
    struct resources resources;
    mlo_key *key;
    char hint[MLO_DIGEST_HEX + 1];
};

/* The envelope's payload, once its signature has proved good. */
static int open_envelope(struct verifier *v, const struct signature *sig, struct mlo_str *payload,
                         struct mlo_err *err)
{
    const cJSON *envelope = cJSON_GetObjectItemCaseSensitive(sig->doc, "dsseEnvelope");
    const cJSON *sigs = cJSON_GetObjectItemCaseSensitive(envelope, "signatures");
    const char *type = mlo_json_text(envelope, "payloadType"),
               *payload64 = mlo_json_text(envelope, "payload");
    const char *sig64 = cJSON_IsArray(sigs) && sigs->child ? mlo_json_text(sigs->child, "sig") : NULL;
    MLO_AUTOSTR struct mlo_str der;
    MLO_AUTOSTR struct mlo_str message;
    mlo_str_init(&der, 1024);
    mlo_str_init(&message, MLO_SIGNATURE_MAX);
    if (!type || strcmp(type, PAYLOAD_TYPE) != 0 || !payload64 || !sig64)
        return mlo_fail(err, MLO_EINVALID, "signature has no DSSE envelope");
    int rc = mlo_base64_read(payload64, MLO_SIGNATURE_MAX, payload, err);
    if (rc == 0)
        rc = mlo_base64_read(sig64, 1024, &der, err);
    if (rc == 0)
        rc = pae(payload->ptr, payload->len, &message, err);
    return rc != 0 ? rc : mlo_key_verify(v->key, message.ptr, message.len, der.ptr, der.len, err);
}

static bool text_is(const cJSON *node, const char *key, const char *want)
{
    const char *got = mlo_json_text(node, key);
    return got && strcmp(got, want) == 0;
}

static int check_resources(const struct verifier *v, const cJSON *list, struct mlo_err *err)
{
    size_t i = 0;
    if (!cJSON_IsArray(list))
        return mlo_fail(err, MLO_NO, "signature lists no files");
    for (const cJSON *node = list->child; node; node = node->next, i++) {
        char hex[MLO_DIGEST_HEX + 1];
        if (i >= v->resources.n)
            return mlo_fail(err, MLO_NO, "signature lists files that the bundle does not have");
        const struct resource *want = &v->resources.list[i];
        if (!text_is(node, "name", want->path) || !text_is(node, "algorithm", "sha256") ||
            !text_is(node, "digest", mlo_digest_hex(&want->digest, hex)))
            return mlo_fail(err, MLO_NO, "signature is over other files");
    }
    return i == v->resources.n ? 0 : mlo_fail(err, MLO_NO, "signature does not cover all files");
}

static int check_statement(const struct verifier *v, const struct mlo_str *payload, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = NULL;
    char text[MLO_DIGEST_TEXT];
    int rc = mlo_json_parse(payload->ptr, payload->len, MLO_SIGNATURE_MAX, &doc, err);
    if (rc != 0)
        return rc;
    const cJSON *predicate = cJSON_GetObjectItemCaseSensitive(doc, "predicate");
    if (!text_is(doc, "_type", STATEMENT_TYPE) || !text_is(doc, "predicateType", PREDICATE_TYPE))
        return mlo_fail(err, MLO_NO, "signature is not over a model");
    if (!text_is(predicate, OWN_MEMBER, mlo_digest_text(&v->bundle->digest, text)))
        return mlo_fail(err, MLO_NO, "signature is over another manifest");
    return check_resources(v, cJSON_GetObjectItemCaseSensitive(predicate, "resources"), err);
}

static int check_one(struct mlo_store *s, struct verifier *v, const struct mlo_digest *referrer,
                     struct mlo_err *err)
{
    struct signature sig = {0};
    MLO_AUTOSTR struct mlo_str payload;
    mlo_str_init(&payload, MLO_SIGNATURE_MAX);
    int rc = signature_load(s, referrer, &sig, err);
    if (rc == 0 && !mlo_digest_eq(&sig.subject.digest, &v->bundle->digest))
        rc = mlo_fail(err, MLO_NO, "signature refers to another manifest");
    if (rc == 0 && strcmp(sig.hint, v->hint) != 0)
        rc = mlo_fail(err, MLO_NO, "signature is by another key");
    if (rc == 0)
        rc = open_envelope(v, &sig, &payload, err);
    if (rc == 0)
        rc = check_statement(v, &payload, err);
    signature_release(&sig);
    return rc;
}

static int check_all(struct mlo_store *s, struct verifier *v, const struct mlo_digest *referrers, size_t n,
                     struct mlo_err *err)
{
    struct mlo_err last = MLO_ERR_INIT;
    int rc = resources_load(&v->resources, s, v->bundle, err);
    if (rc != 0)
        return rc;
    mlo_fail(&last, MLO_NO, "not signed");
    for (size_t i = 0; i < n; i++) {
        struct mlo_err one = MLO_ERR_INIT;
        rc = check_one(s, v, &referrers[i], &one);
        if (rc == 0)
            return 0;
        last = one;
        if (rc == MLO_EIO)
            break;
    }
    *err = last;
    return last.code == MLO_EIO ? MLO_EIO
                                : mlo_fail(err, MLO_NO, "no signature by this key holds: %.400s", last.msg);
}

int mlo_sign_verify(struct mlo_store *s, const struct mlo_digest *manifest,
                    const struct mlo_digest *referrers, size_t n, const char *public_key_path,
                    struct mlo_err *err)
{
    struct mlo_bundle b = {0};
    struct verifier v = {.bundle = &b};
    int rc = mlo_key_read(public_key_path, false, &v.key, err);
    if (rc != 0)
        return rc;
    rc = mlo_key_hint(v.key, v.hint, err);
    if (rc == 0)
        rc = mlo_bundle_load(s, manifest, &b, err);
    if (rc == 0) {
        rc = check_all(s, &v, referrers, n, err);
        mlo_bundle_release(&b);
    }
    resources_release(&v.resources);
    mlo_key_free(v.key);
    return rc;
}

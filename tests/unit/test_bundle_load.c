/* Reading manifests from outside: what is accepted, and that everything else is refused with a reason. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/bundle/internal.h"
#include "tap.h"

#define WEIGHTS "sha256:9c54a301d1883c1238adad7212e1c8b7a0ee5a828aa7b9a5fc5c4b58af05fe54"
#define OTHER   "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
#define NEW     "application/vnd.cncf.model."
#define OLD     "application/vnd.cnai.model."
#define MODEL                                                                                                \
    "{\"mediaType\":\"" NEW "weight.v1.raw\",\"digest\":\"" WEIGHTS                                          \
    "\",\"size\":72,\"annotations\":{\"org.cncf.model.filepath\":\"model.safetensors\"}}"

/* A bundle as text: parts are replaced by the tests. */
struct parts {
    const char *prefix, *layers, *config, *extra;
};

static struct parts good(void)
{
    return (struct parts){
        .prefix = NEW,
        .layers = MODEL,
        .config = "{\"descriptor\":{},\"config\":{},\"modelfs\":{\"type\":\"layers\",\"diffIds\":[\"" WEIGHTS
                  "\"]}}"};
}

static char *text_of(const char *fmt, ...)
{
    va_list ap;
    char *s = NULL;
    va_start(ap, fmt);
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    return n < 0 ? NULL : s;
}

static int parse(const struct parts *p, struct mlo_bundle *b, struct mlo_err *err)
{
    char digest[MLO_DIGEST_TEXT], extra_digest[MLO_DIGEST_TEXT];
    struct mlo_digest d;
    check_ok(mlo_sha256(p->config, strlen(p->config), &d, err), err);
    mlo_digest_text(&d, digest);
    MLO_AUTOFREE char *layers = NULL;
    if (p->extra) {
        check_ok(mlo_sha256(p->extra, strlen(p->extra), &d, err), err);
        layers = text_of("%s,{\"mediaType\":\"" MLO_MEDIA_EXTRA
                         "\",\"digest\":\"%s\",\"size\":%zu,\"annotations\":{\"org.cncf.model.filepath\":"
                         "\"mlopsctl.json\"}}",
                         p->layers, mlo_digest_text(&d, extra_digest), strlen(p->extra));
    }
    MLO_AUTOFREE char *manifest = text_of(
        "{\"schemaVersion\":2,\"mediaType\":\"" MLO_MEDIA_MANIFEST
        "\",\"artifactType\":\"%smanifest.v1+json\",\"config\":{\"mediaType\":"
        "\"%sconfig.v1+json\",\"digest\":\"%s\",\"size\":%zu},\"layers\":[%s]}",
        p->prefix, p->prefix, digest, strlen(p->config), layers ? layers : p->layers);
    return mlo_bundle_parse(manifest, strlen(manifest), p->config, strlen(p->config), p->extra,
                            p->extra ? strlen(p->extra) : 0, b, err);
}

static void check_parse_fails(const struct parts *p, int code, const char *text)
{
    struct mlo_bundle b = {0};
    struct mlo_err err = MLO_ERR_INIT;
    int rc = parse(p, &b, &err);
    if (!check_err(rc, code, &err, text) && rc == 0)
        mlo_bundle_release(&b);
}

static void a_plain_model_is_read(void)
{
    struct parts p = good();
    struct mlo_bundle b = {0};
    struct mlo_err err = MLO_ERR_INIT;
    if (!check_ok(parse(&p, &b, &err), &err))
        return;
    check_int(b.n_layers, 1);
    check_str(b.layers[0].kind, "weight");
    check_int(b.layers[0].packing, MLO_PACKING_RAW);
    check_int(b.layers[0].mode, 0644);
    check_int(b.n_files, 1);
    check_str(b.files[0].path, "model.safetensors");
    check_int(b.files[0].size, 72);
    check(!b.old_generation && !b.extra);
    mlo_bundle_release(&b);
}

static void the_old_generation_and_the_mixed_form_are_read(void)
{
    struct parts p = good();
    struct mlo_bundle b = {0};
    struct mlo_err err = MLO_ERR_INIT;
    p.prefix = OLD;
    p.layers = "{\"mediaType\":\"" OLD "weight.v1.raw\",\"digest\":\"" WEIGHTS
               "\",\"size\":72,\"annotations\":{\"org.cnai.model.filepath\":\"a\","
               "\"org.cnai.model.file.metadata+json\":\"{\\\"name\\\":\\\"a\\\",\\\"mode\\\":33261,"
               "\\\"size\\\":72,\\\"typeflag\\\":48}\"}}";
    p.config = "{\"descriptor\":{},\"config\":{},\"modelfs\":{\"type\":\"layers\",\"diff_ids\":[\"" WEIGHTS
               "\"]}}";
    if (check_ok(parse(&p, &b, &err), &err)) {
        check(b.old_generation);
        check_int(b.files[0].mode, 0755);
        mlo_bundle_release(&b);
    }
    p.prefix = NEW;
    p.layers = MODEL;
    if (check_ok(parse(&p, &b, &err), &err)) {
        check(!b.old_generation);
        mlo_bundle_release(&b);
    }
}

static void all_twenty_layer_types_are_known(void)
{
    static const char *const kinds[] = {"weight", "weight.config", "doc", "code", "dataset"};
    static const char *const packings[] = {"raw", "tar", "tar+gzip", "tar+zstd"};
    for (size_t k = 0; k < 5; k++) {
        for (size_t i = 0; i < 4; i++) {
            struct parts p = good();
            struct mlo_bundle b = {0};
            struct mlo_err err = MLO_ERR_INIT;
            MLO_AUTOFREE char *layer = text_of("{\"mediaType\":\"" NEW "%s.v1.%s\",\"digest\":\"" WEIGHTS
                                               "\",\"size\":72,\"annotations\":{"
                                               "\"org.cncf.model.filepath\":\"x\"}}",
                                               kinds[k], packings[i]);
            p.layers = layer;
            if (!check_ok(parse(&p, &b, &err), &err))
                continue;
            check_str(b.layers[0].kind, kinds[k]);
            check_int(b.layers[0].packing, i);
            mlo_bundle_release(&b);
        }
    }
}

static void compressed_layers_have_a_diff_id_of_their_own(void)
{
    struct parts p = good();
    struct mlo_bundle b = {0};
    struct mlo_err err = MLO_ERR_INIT;
    p.layers = "{\"mediaType\":\"" NEW "code.v1.tar+gzip\",\"digest\":\"" OTHER "\",\"size\":72}";
    if (check_ok(parse(&p, &b, &err), &err))
        mlo_bundle_release(&b);
    p.layers = "{\"mediaType\":\"" NEW "code.v1.tar\",\"digest\":\"" OTHER "\",\"size\":72}";
    check_parse_fails(&p, MLO_EINVALID, "diffId 0 is not its layer's digest");
}

static void unsafe_and_repeated_paths_are_refused(void)
{
    static const char *const paths[] = {"../x", "/etc/passwd", "a//b",     "a/./b",
                                        "",     "a\\\\b",      "a\\u0007", "a/../b"};
    for (size_t i = 0; i < MLO_COUNT(paths); i++) {
        struct parts p = good();
        MLO_AUTOFREE char *layer = text_of("{\"mediaType\":\"" NEW "weight.v1.raw\",\"digest\":\"" WEIGHTS
                                           "\",\"size\":72,\"annotations\":{"
                                           "\"org.cncf.model.filepath\":\"%s\"}}",
                                           paths[i]);
        p.layers = layer;
        check_parse_fails(&p, MLO_EINVALID, "file path");
    }
    struct parts p = good();
    p.layers = MODEL "," MODEL;
    p.config = "{\"descriptor\":{},\"config\":{},\"modelfs\":{\"type\":\"layers\",\"diffIds\":[\"" WEIGHTS
               "\",\"" WEIGHTS "\"]}}";
    check_parse_fails(&p, MLO_EINVALID, "two files have the path");
}

static void malformed_layers_are_refused(void)
{
    static const struct {
        const char *layer, *why;
    } cases[] = {
        {"", "no layers"},
        {"1", "layer 0: no media type"},
        {"{\"digest\":\"" WEIGHTS "\",\"size\":1}", "no media type"},
        {"{\"mediaType\":\"x\",\"size\":1}", "no digest"},
        {"{\"mediaType\":\"x\",\"digest\":\"sha256:AA\",\"size\":1}", "layer 0"},
        {"{\"mediaType\":\"x\",\"digest\":\"" WEIGHTS "\"}", "size"},
        {"{\"mediaType\":\"x\",\"digest\":\"" WEIGHTS "\",\"size\":-1}", "size"},
        {"{\"mediaType\":\"x\",\"digest\":\"" WEIGHTS "\",\"size\":1e300}", "size"},
        {"{\"mediaType\":\"" NEW "weight.v1.raw\",\"digest\":\"" WEIGHTS "\",\"size\":72}",
         "without file path"},
        {"{\"mediaType\":\"" NEW "weight.v1.raw\",\"digest\":\"" WEIGHTS
         "\",\"size\":72,\"annotations\":{\"org.cncf.model.filepath\":\"x\","
         "\"org.cncf.model.file.metadata+json\":\"{\\\"size\\\":71}\"}}",
         "size differs"},
        {"{\"mediaType\":\"" NEW "weight.v1.raw\",\"digest\":\"" WEIGHTS
         "\",\"size\":72,\"annotations\":{\"org.cncf.model.filepath\":\"x\","
         "\"org.cncf.model.file.metadata+json\":\"{\\\"typeflag\\\":2}\"}}",
         "not a regular file"},
        {"{\"mediaType\":\"" NEW "weight.v1.raw\",\"digest\":\"" WEIGHTS
         "\",\"size\":72,\"annotations\":{\"org.cncf.model.filepath\":\"x\","
         "\"org.cncf.model.file.metadata+json\":\"{\"}}",
         "file metadata"},
    };
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        struct parts p = good();
        p.layers = cases[i].layer;
        check_parse_fails(&p, MLO_EINVALID, cases[i].why);
    }
}

static void the_config_schema_is_closed(void)
{
#define FS "\"modelfs\":{\"type\":\"layers\",\"diffIds\":[\"" WEIGHTS "\"]}"
    static const struct {
        const char *config, *why;
    } cases[] = {
        {"[]", "not a JSON object"},
        {"{\"descriptor\":{},\"config\":{}}", "required"},
        {"{\"descriptor\":{},\"config\":{}," FS ",\"x\":1}", "not in the schema"},
        {"{\"descriptor\":{\"x\":1},\"config\":{}," FS "}", "member 'x' in descriptor is not in the schema"},
        {"{\"descriptor\":{\"name\":1},\"config\":{}," FS "}", "wrong type"},
        {"{\"descriptor\":{\"licenses\":[1]},\"config\":{}," FS "}", "wrong type"},
        {"{\"descriptor\":{},\"config\":{\"capabilities\":{\"reasoning\":\"yes\"}}," FS "}", "wrong type"},
        {"{\"descriptor\":{},\"config\":{},\"modelfs\":{\"type\":\"tar\",\"diffIds\":[\"" WEIGHTS "\"]}}",
         "not \"layers\""},
        {"{\"descriptor\":{},\"config\":{},\"modelfs\":{\"type\":\"layers\"}}", "no diffIds"},
        {"{\"descriptor\":{},\"config\":{},\"modelfs\":{\"type\":\"layers\",\"diffIds\":[]}}",
         "fewer diffIds"},
        {"{\"descriptor\":{},\"config\":{},\"modelfs\":{\"type\":\"layers\",\"diffIds\":[\"" WEIGHTS
         "\",\"" WEIGHTS "\"]}}",
         "more diffIds"},
        {"{\"descriptor\":{},\"config\":{},\"modelfs\":{\"type\":\"layers\",\"diffIds\":[\"" WEIGHTS
         "\"],\"diff_ids\":[]}}",
         "both"},
        {"{\"descriptor\":{},\"descriptor\":{},\"config\":{}," FS "}", "descriptor"},
    };
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        struct parts p = good();
        p.config = cases[i].config;
        check_parse_fails(&p, MLO_EINVALID, cases[i].why);
    }
}

static void what_is_no_model_is_refused(void)
{
    static const char *const bad[] = {
        "",
        "{",
        "null",
        "[]",
        "{}",
        "{\"schemaVersion\":1}",
        "{\"schemaVersion\":2}",
        "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/"
        "vnd.oci.image.config.v1+json\",\"digest\":\"" WEIGHTS "\",\"size\":2},\"layers\":[" MODEL "]}",
        "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[]}",
    };
    for (size_t i = 0; i < MLO_COUNT(bad); i++) {
        struct mlo_bundle b = {0};
        struct mlo_err err = MLO_ERR_INIT;
        int rc = mlo_bundle_parse(bad[i], strlen(bad[i]), "{}", 2, NULL, 0, &b, &err);
        check(rc == MLO_EINVALID, "case %zu gave %d", i, rc);
    }
}

static void config_and_extra_must_be_those_of_the_manifest(void)
{
    struct parts p = good();
    struct mlo_bundle b = {0}, other = {0};
    struct mlo_err err = MLO_ERR_INIT;
    if (!check_ok(parse(&p, &b, &err), &err))
        return;
    MLO_AUTOFREE char *config = strdup(p.config);
    config[2] ^= 1;
    check_err(
        mlo_bundle_parse(b.manifest_text, b.manifest_len, config, strlen(config), NULL, 0, &other, &err),
        MLO_EINVALID, &err, "digest");
    check_err(mlo_bundle_parse(b.manifest_text, b.manifest_len, p.config, 3, NULL, 0, &other, &err),
              MLO_EINVALID, &err, "3 bytes");
    check_err(
        mlo_bundle_parse(b.manifest_text, b.manifest_len, p.config, strlen(p.config), "{}", 2, &other, &err),
        MLO_EINVALID, &err, "no layer");
    mlo_bundle_release(&b);
}

/* ---- mlopsctl.json ---- */

#define TWO_IDS                                                                                              \
    "{\"descriptor\":{},\"config\":{},\"modelfs\":{\"type\":\"layers\",\"diffIds\":[\"" WEIGHTS "\",\"%s\"]" \
    "}}"
#define FILE_ENTRY                                                                                           \
    "{\"path\":\"model.safetensors\",\"kind\":\"weight\",\"format\":\"safetensors\",\"size\":72,\"digest\":" \
    "\"" WEIGHTS "\",\"layer\":0}"

static int parse_extra(const char *extra, struct mlo_bundle *b, struct mlo_err *err)
{
    struct parts p = good();
    struct mlo_digest d;
    char text[MLO_DIGEST_TEXT];
    check_ok(mlo_sha256(extra, strlen(extra), &d, err), err);
    MLO_AUTOFREE char *config = text_of(TWO_IDS, mlo_digest_text(&d, text));
    p.config = config;
    p.extra = extra;
    return parse(&p, b, err);
}

static int count_tensors(void *ctx, const struct mlo_bundle_tensor *t, struct mlo_err *err)
{
    (void)err;
    size_t *n = ctx;
    check_str(t->name, "w");
    check_int(t->rank, 2);
    check_int(t->shape[1], 3);
    check_int(t->dtype, *n == 0 ? MLO_DT_BF16 : MLO_DT_GGML);
    check_int(t->has_digest, *n == 0);
    ++*n;
    return 0;
}

static void tensors_are_given_one_by_one(void)
{
    struct mlo_bundle b = {0};
    struct mlo_err err = MLO_ERR_INIT;
    size_t n = 0;
    int rc = parse_extra(
        "{\"schema\":1,\"files\":[" FILE_ENTRY "],\"tensors\":["
        "{\"name\":\"w\",\"type\":\"bfloat16\",\"shape\":[2,3],\"bytes\":12,\"digest\":\"" OTHER
        "\",\"file\":\"model.safetensors\"},"
        "{\"name\":\"w\",\"type\":\"q4_k\",\"shape\":[2,3],\"bytes\":12,\"file\":\"model.safetensors\"}]}",
        &b, &err);
    if (!check_ok(rc, &err))
        return;
    check_int(b.n_files, 1);
    check_str(b.files[0].format, "safetensors");
    check_ok(mlo_bundle_tensor_each(&b, count_tensors, &n, &err), &err);
    check_int(n, 2);
    mlo_bundle_release(&b);
}

static int ignore_tensor(void *ctx, const struct mlo_bundle_tensor *t, struct mlo_err *err)
{
    (void)ctx, (void)t, (void)err;
    return 0;
}

static void malformed_tensors_are_refused(void)
{
    static const char *const bad[] = {
        "1",
        "{}",
        "{\"name\":\"w\",\"type\":\"x\",\"shape\":[-1],\"bytes\":1,\"file\":\"a\"}",
        "{\"name\":\"w\",\"type\":\"x\",\"shape\":[1.5],\"bytes\":1,\"file\":\"a\"}",
        "{\"name\":\"w\",\"type\":\"x\",\"shape\":[1e17],\"bytes\":1,\"file\":\"a\"}",
        "{\"name\":\"w\",\"type\":\"x\",\"shape\":[\"1\"],\"bytes\":1,\"file\":\"a\"}",
        "{\"name\":\"w\",\"type\":\"x\",\"shape\":[],\"file\":\"a\"}",
        "{\"name\":\"w\",\"type\":\"x\",\"shape\":[],\"bytes\":1,\"digest\":\"md5:1\",\"file\":\"a\"}",
        "{\"name\":\"w\",\"type\":\"x\",\"shape\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
        "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],\"bytes\":1,\"file\":"
        "\"a\"}",
    };
    for (size_t i = 0; i < MLO_COUNT(bad); i++) {
        struct mlo_bundle b = {0};
        struct mlo_err err = MLO_ERR_INIT;
        MLO_AUTOFREE char *extra = text_of("{\"schema\":1,\"files\":[" FILE_ENTRY "],\"tensors\":[%s]}",
                                           bad[i]);
        if (!check_ok(parse_extra(extra, &b, &err), &err))
            continue;
        check_err(mlo_bundle_tensor_each(&b, ignore_tensor, NULL, &err), MLO_EINVALID, &err, "tensor 0");
        mlo_bundle_release(&b);
    }
}

static void files_must_agree_with_their_layers(void)
{
    static const struct {
        const char *files, *why;
        int code;
    } cases[] = {
        {"{\"schema\":1}", "no files", MLO_EINVALID},
        {"{\"schema\":2,\"files\":[]}", "newer", MLO_EUNAVAIL},
        {"{\"files\":[]}", "schema", MLO_EINVALID},
        {"{\"schema\":1,\"files\":[]}", "do not match", MLO_EINVALID},
        {"{\"schema\":1,\"files\":[" FILE_ENTRY "," FILE_ENTRY "]}", "do not match", MLO_EINVALID},
        {"{\"schema\":1,\"files\":[{\"path\":\"../x\",\"kind\":\"weight\",\"size\":72,\"digest\":\"" WEIGHTS
         "\",\"layer\":0}]}",
         "safe path", MLO_EINVALID},
        {"{\"schema\":1,\"files\":[{\"path\":\"x\",\"kind\":\"weight\",\"size\":72,\"digest\":\"" WEIGHTS
         "\",\"layer\":0}]}",
         "differs", MLO_EINVALID},
        {"{\"schema\":1,\"files\":[{\"path\":\"model.safetensors\",\"kind\":\"weight\",\"size\":71,"
         "\"digest\":\"" WEIGHTS "\",\"layer\":0}]}",
         "differs", MLO_EINVALID},
        {"{\"schema\":1,\"files\":[{\"path\":\"model.safetensors\",\"kind\":\"weight\",\"size\":72,"
         "\"digest\":\"" OTHER "\",\"layer\":0}]}",
         "differs", MLO_EINVALID},
        {"{\"schema\":1,\"files\":[{\"path\":\"model.safetensors\",\"kind\":\"weight\",\"size\":72,"
         "\"digest\":\"" WEIGHTS "\",\"layer\":2}]}",
         "no such layer", MLO_EINVALID},
        {"{\"schema\":1,\"files\":[{\"path\":\"model.safetensors\",\"kind\":\"toy\",\"size\":72,\"digest\":"
         "\"" WEIGHTS "\",\"layer\":0}]}",
         "no kind", MLO_EINVALID},
        {"{\"schema\":1,\"files\":[{\"path\":\"model.safetensors\",\"kind\":\"weight\",\"mode\":4095,"
         "\"size\":72,\"digest\":\"" WEIGHTS "\",\"layer\":0}]}",
         "mode", MLO_EINVALID},
    };
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        struct mlo_bundle b = {0};
        struct mlo_err err = MLO_ERR_INIT;
        int rc = parse_extra(cases[i].files, &b, &err);
        if (!check_err(rc, cases[i].code, &err, cases[i].why) && rc == 0)
            mlo_bundle_release(&b);
    }
}

static void every_truncation_is_refused(void)
{
    struct parts p = good();
    struct mlo_bundle b = {0}, cut = {0};
    struct mlo_err err = MLO_ERR_INIT;
    if (!check_ok(parse(&p, &b, &err), &err))
        return;
    for (size_t n = 0; n < b.manifest_len; n++) {
        MLO_AUTOFREE char *part = malloc(n + 1); /* exact size, so that a read beyond is seen */
        memcpy(part, b.manifest_text, n);
        check(mlo_bundle_parse(part, n, p.config, strlen(p.config), NULL, 0, &cut, &err) == MLO_EINVALID,
              "length %zu", n);
    }
    mlo_bundle_release(&b);
}

int main(void)
{
    run(a_plain_model_is_read);
    run(the_old_generation_and_the_mixed_form_are_read);
    run(all_twenty_layer_types_are_known);
    run(compressed_layers_have_a_diff_id_of_their_own);
    run(unsafe_and_repeated_paths_are_refused);
    run(malformed_layers_are_refused);
    run(the_config_schema_is_closed);
    run(what_is_no_model_is_refused);
    run(config_and_extra_must_be_those_of_the_manifest);
    run(tensors_are_given_one_by_one);
    run(malformed_tensors_are_refused);
    run(files_must_agree_with_their_layers);
    run(every_truncation_is_refused);
    return done_testing();
}

/* Models in the artifacts of other tools: whose they are, and what each layer is. */
#include <string.h>

#include "../../src/bundle/oci.h"
#include "tap.h"

#define EMPTY  "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
#define OTHER  "sha256:9c54a301d1883c1238adad7212e1c8b7a0ee5a828aa7b9a5fc5c4b58af05fe54"
#define DOCKER "application/vnd.docker.ai."
#define OLLAMA "application/vnd.ollama.image."
#define KITOPS "application/vnd.kitops.modelkit."

#define MANIFEST(media, config, layers)                                                                      \
    "{\"schemaVersion\":2,\"mediaType\":\"" media "\",\"config\":{\"mediaType\":\"" config                   \
    "\",\"digest\":\"" EMPTY "\",\"size\":2},\"layers\":[" layers "]}"
#define LAYER(type) "{\"mediaType\":\"" type "\",\"digest\":\"" OTHER "\",\"size\":72}"
#define NOTED(type, key, at)                                                                                 \
    "{\"mediaType\":\"" type "\",\"digest\":\"" OTHER "\",\"size\":72,\"annotations\":{" key ":\"" at "\"}}"
#define TITLE "\"org.opencontainers.image.title\""

static const struct {
    const char *text;
    enum mlo_family family;
} whose[] = {
    {MANIFEST(MLO_MEDIA_MANIFEST, MLO_MEDIA_CONFIG, LAYER("x/y")), MLO_FAMILY_MODELPACK},
    {MANIFEST(MLO_MEDIA_MANIFEST, MLO_MEDIA_OLD_CONFIG, LAYER("x/y")), MLO_FAMILY_MODELPACK},
    {MANIFEST(MLO_MEDIA_MANIFEST, KITOPS "config.v1+json", LAYER(KITOPS "model.v1.tar")), MLO_FAMILY_KITOPS},
    {MANIFEST(MLO_MEDIA_MANIFEST, DOCKER "model.config.v0.1+json", LAYER(DOCKER "gguf.v3")),
     MLO_FAMILY_DOCKER_MODEL},
    {MANIFEST(MLO_MEDIA_DOCKER_MANIFEST, MLO_MEDIA_DOCKER_CONFIG, LAYER(OLLAMA "model")), MLO_FAMILY_OLLAMA},
    {MANIFEST(MLO_MEDIA_MANIFEST, MLO_MEDIA_EMPTY, NOTED("x/y", TITLE, "a.bin")), MLO_FAMILY_ARTIFACT},
    {MANIFEST(MLO_MEDIA_MANIFEST, MLO_MEDIA_IMAGE_CONFIG, NOTED("x/y", TITLE, "a.bin")), MLO_FAMILY_ARTIFACT},
    {MANIFEST(MLO_MEDIA_MANIFEST, MLO_MEDIA_IMAGE_CONFIG, NOTED("x/y", TITLE, "a.bin") "," LAYER("x/y")),
     MLO_FAMILY_NONE},
    {MANIFEST(MLO_MEDIA_DOCKER_MANIFEST, MLO_MEDIA_DOCKER_CONFIG,
              LAYER("application/vnd.docker.image.rootfs.diff.tar.gzip")),
     MLO_FAMILY_NONE},
    {MANIFEST(MLO_MEDIA_MANIFEST, MLO_MEDIA_EMPTY, LAYER("x/y")), MLO_FAMILY_NONE},
};

static void families_are_told_apart(void)
{
    for (size_t i = 0; i < MLO_COUNT(whose); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        struct mlo_oci o = {0};
        if (!check_ok(mlo_oci_parse(whose[i].text, strlen(whose[i].text), &o, &err), &err))
            continue;
        check(o.family == whose[i].family, "case %zu: %s", i, mlo_family_name(o.family));
        check(!o.is_index && o.n >= 2 && o.list[0].size == 2, "case %zu: config stands first", i);
        mlo_oci_release(&o);
    }
}

static void a_referrer_is_no_model(void)
{
    static const char text[] = "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"" MLO_MEDIA_EMPTY
                               "\",\"digest\":\"" EMPTY "\",\"size\":2},\"layers\":[" NOTED(
                                   "x/y", TITLE, "sbom.json") "],\"subject\":{\"mediaType\":\"m\","
                                                              "\"digest\":\"" OTHER "\",\"size\":9}}";
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_oci o = {0};
    check_ok(mlo_oci_parse(text, strlen(text), &o, &err), &err);
    check(o.family == MLO_FAMILY_NONE && o.has_subject && o.subject.size == 9, "its subject is read");
    check_str(o.media_type, MLO_MEDIA_MANIFEST);
    mlo_oci_release(&o);
}

static void an_index_lists_manifests(void)
{
    static const char text[] =
        "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"m\",\"artifactType\":\"a\","
        "\"digest\":\"" OTHER "\",\"size\":9}]}";
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_oci o = {0};
    check_ok(mlo_oci_parse(text, strlen(text), &o, &err), &err);
    check(o.is_index && o.n == 1, "one entry");
    check_str(o.list[0].artifact_type, "a");
    check_str(o.media_type, MLO_MEDIA_INDEX);
    mlo_oci_release(&o);
}

/* ---- layers ---- */

static bool load(const char *text, struct mlo_bundle *b)
{
    struct mlo_err err = MLO_ERR_INIT;
    return check_ok(mlo_bundle_parse(text, strlen(text), "{}", 2, NULL, 0, b, &err), &err);
}

static void kitops_layers_are_archives(void)
{
    struct mlo_bundle b = {0};
    if (!load(MANIFEST(MLO_MEDIA_MANIFEST, KITOPS "config.v1+json",
                       LAYER(KITOPS "model.v1.tar+gzip") "," LAYER(KITOPS "docs.v1.tar")),
              &b))
        return;
    check_str(b.layers[0].kind, "weight");
    check(b.layers[0].packing == MLO_PACKING_TAR_GZIP && !b.layers[0].has_diff_id, "compressed");
    check_str(b.layers[1].kind, "doc");
    check(b.layers[1].packing == MLO_PACKING_TAR && b.layers[1].has_diff_id, "plain");
    check_int(b.n_files, 0);
    mlo_bundle_release(&b);
}

static void files_without_a_name_get_one(void)
{
    struct mlo_bundle b = {0};
    if (!load(MANIFEST(MLO_MEDIA_MANIFEST, DOCKER "model.config.v0.1+json",
                       LAYER(DOCKER "safetensors") "," LAYER(DOCKER "license") "," LAYER(
                           DOCKER "safetensors") "," NOTED(DOCKER "model.file", "\"org.cncf.model.filepath\"",
                                                           "sub/tokenizer.json")),
              &b))
        return;
    check_str(b.layers[0].path, "model-00001-of-00002.safetensors");
    check_str(b.layers[1].path, "LICENSE");
    check_str(b.layers[2].path, "model-00002-of-00002.safetensors");
    check_str(b.layers[3].path, "sub/tokenizer.json");
    check_int(b.n_files, 4);
    mlo_bundle_release(&b);
}

static void ollama_layers_have_their_names(void)
{
    struct mlo_bundle b = {0};
    if (!load(MANIFEST(MLO_MEDIA_DOCKER_MANIFEST, MLO_MEDIA_DOCKER_CONFIG,
                       LAYER(OLLAMA "model") "," LAYER(OLLAMA "params") "," LAYER(OLLAMA "unheard")),
              &b))
        return;
    check_str(b.layers[0].path, "model.gguf");
    check_str(b.layers[1].path, "params.json");
    check(b.layers[2].path == NULL && *b.layers[2].kind == '\0', "what is not known is no file");
    mlo_bundle_release(&b);
}

static void titles_are_files_and_oras_folders_archives(void)
{
    struct mlo_bundle b = {0};
    if (!load(MANIFEST(MLO_MEDIA_MANIFEST, MLO_MEDIA_EMPTY,
                       NOTED("application/vnd.oci.image.layer.v1.tar", TITLE, "w/model.gguf") "," NOTED(
                           "x/y", TITLE,
                           "notes.txt") "," NOTED("x/z", "\"io.deis.oras.content.unpack\":\"true\"," TITLE,
                                                  "folder")),
              &b))
        return;
    check_str(b.layers[0].path, "w/model.gguf");
    check_str(b.layers[0].kind, "weight");
    check_str(b.layers[1].kind, "doc");
    check(b.layers[2].packing == MLO_PACKING_TAR_GZIP && !b.layers[2].path, "a folder");
    check_int(b.n_files, 2);
    mlo_bundle_release(&b);
}

static void unsafe_paths_are_refused_in_every_family(void)
{
    static const char *const bad[] = {
        MANIFEST(MLO_MEDIA_MANIFEST, MLO_MEDIA_EMPTY, NOTED("x/y", TITLE, "../a")),
        MANIFEST(MLO_MEDIA_MANIFEST, MLO_MEDIA_EMPTY, NOTED("x/y", TITLE, "/etc/a")),
        MANIFEST(MLO_MEDIA_MANIFEST, MLO_MEDIA_EMPTY,
                 NOTED("x/y", TITLE, "same") "," NOTED("x/y", TITLE, "same")),
        MANIFEST(MLO_MEDIA_MANIFEST, DOCKER "model.config.v0.2+json",
                 NOTED(DOCKER "model.file", "\"org.cncf.model.filepath\"", "a/../../b")),
    };
    for (size_t i = 0; i < MLO_COUNT(bad); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        struct mlo_bundle b = {0};
        check_err(mlo_bundle_parse(bad[i], strlen(bad[i]), "{}", 2, NULL, 0, &b, &err), MLO_EINVALID, &err,
                  "manifest");
    }
}

static void an_image_is_refused_by_name(void)
{
    static const char text[] = MANIFEST(MLO_MEDIA_MANIFEST, MLO_MEDIA_IMAGE_CONFIG, LAYER("x/y"));
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_bundle b = {0};
    check_err(mlo_bundle_parse(text, strlen(text), "{}", 2, NULL, 0, &b, &err), MLO_EINVALID, &err,
              "not a model");
}

static int parse_once(void)
{
    static const char text[] = MANIFEST(MLO_MEDIA_MANIFEST, DOCKER "model.config.v0.1+json",
                                        LAYER(DOCKER "gguf.v3"));
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_oci o = {0};
    struct mlo_bundle b = {0};
    int rc = mlo_oci_parse(text, strlen(text), &o, &err);
    mlo_oci_release(&o);
    if (rc == 0)
        rc = mlo_bundle_parse(text, strlen(text), "{}", 2, NULL, 0, &b, &err);
    mlo_bundle_release(&b);
    return rc;
}

static void memory_failure_is_an_ordinary_error(void)
{
    check(each_alloc_failure(parse_once) >= 3, "allocations were failed");
}

int main(void)
{
    run(families_are_told_apart);
    run(a_referrer_is_no_model);
    run(an_index_lists_manifests);
    run(kitops_layers_are_archives);
    run(files_without_a_name_get_one);
    run(ollama_layers_have_their_names);
    run(titles_are_files_and_oras_folders_archives);
    run(unsafe_paths_are_refused_in_every_family);
    run(an_image_is_refused_by_name);
    run(memory_failure_is_an_ordinary_error);
    return done_testing();
}

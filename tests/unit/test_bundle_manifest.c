/* Config and manifest: the worked example of the ModelPack fact sheet, byte for byte, and the corners around
 * it. */
#include <string.h>

#include "../../src/bundle/internal.h"
#include "tap.h"

#define WEIGHTS         "9c54a301d1883c1238adad7212e1c8b7a0ee5a828aa7b9a5fc5c4b58af05fe54"
#define CONFIG_DIGEST   "96a9a0b5b55970df37ae92172f922d31ec558bebfe2dfec8efd2fc312824ee42"
#define MANIFEST_DIGEST "c6bb9b4270ade1ef9cdf9260044225c9e126ad4f6ff97a463ce911b332063b39"

static struct mlo_digest digest_of(const char *hex)
{
    struct mlo_digest d;
    struct mlo_err err = MLO_ERR_INIT;
    check_ok(mlo_digest_from_hex(hex, MLO_DIGEST_HEX, &d, &err), &err);
    return d;
}

static void check_sha256(const char *text, size_t n, const char *hex)
{
    struct mlo_digest d;
    struct mlo_err err = MLO_ERR_INIT;
    char buf[MLO_DIGEST_HEX + 1];
    if (check_ok(mlo_sha256(text, n, &d, &err), &err))
        check_str(mlo_digest_hex(&d, buf), hex);
}

static struct mlo_layer_plan weights_layer(void)
{
    return (struct mlo_layer_plan){.kind = MLO_KIND_WEIGHT,
                                   .path = "model.safetensors",
                                   .mode = 0644,
                                   .size = 72,
                                   .digest = digest_of(WEIGHTS)};
}

static void the_worked_example_comes_out_byte_for_byte(void)
{
    struct mlo_layer_plan layer = weights_layer();
    struct mlo_config_facts facts = {
        .name = "tiny", .format = "safetensors", .precision = "float32", .parameters = 2};
    MLO_AUTOFREE char *config = NULL, *manifest = NULL;
    size_t n = 0;
    struct mlo_err err = MLO_ERR_INIT;
    if (!check_ok(mlo_config_build(&facts, &layer, 1, &config, &n, &err), &err))
        return;
    check_int(n, 200);
    check_sha256(config, n, CONFIG_DIGEST);
    check_str(config, "{\"descriptor\":{\"name\":\"tiny\"},\"config\":{\"format\":\"safetensors\","
                      "\"precision\":\"float32\"},"
                      "\"modelfs\":{\"type\":\"layers\",\"diffIds\":[\"sha256:" WEIGHTS "\"]}}");
    struct mlo_digest d = digest_of(CONFIG_DIGEST);
    if (!check_ok(mlo_manifest_build(&d, n, &layer, 1, &manifest, &n, &err), &err))
        return;
    check_int(n, 521);
    check_sha256(manifest, n, MANIFEST_DIGEST);
}

static void every_fact_has_its_place(void)
{
    struct mlo_layer_plan layer = weights_layer();
    struct mlo_config_facts facts = {.name = "credit",
                                     .version = "1.4.0",
                                     .revision = "abc",
                                     .license = "Apache-2.0",
                                     .description = "scores \"loans\"",
                                     .created_ns = 1767225600LL * 1000000000,
                                     .architecture = "llama",
                                     .format = "gguf",
                                     .precision = "float32",
                                     .quantization = "q4_k",
                                     .parameters = 109500000};
    MLO_AUTOFREE char *config = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    if (!check_ok(mlo_config_build(&facts, &layer, 1, &config, NULL, &err), &err))
        return;
    check(strstr(config,
                 "{\"descriptor\":{\"createdAt\":\"2026-01-01T00:00:00Z\",\"name\":\"credit\",\"version\":"
                 "\"1.4.0\",\"revision\":\"abc\","
                 "\"licenses\":[\"Apache-2.0\"],\"description\":\"scores "
                 "\\\"loans\\\"\"},\"config\":{\"architecture\":\"llama\",\"format\":\"gguf\","
                 "\"paramSize\":\"109.5M\",\"precision\":\"float32\",\"quantization\":\"q4_k\"},") == config,
          "got %s", config);
}

static void only_an_unusual_mode_is_annotated(void)
{
    struct mlo_layer_plan layers[2] = {
        weights_layer(), {.kind = MLO_KIND_CODE, .size = 2048, .digest = digest_of(CONFIG_DIGEST)}};
    layers[0].mode = 0755;
    layers[0].path = "a/b.bin";
    MLO_AUTOFREE char *manifest = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_digest d = digest_of(CONFIG_DIGEST);
    if (!check_ok(mlo_manifest_build(&d, 200, layers, 2, &manifest, NULL, &err), &err))
        return;
    check(
        strstr(
            manifest,
            "\"annotations\":{\"org.cncf.model.filepath\":\"a/b.bin\",\"org.cncf.model.file.metadata+json\":"
            "\"{\\\"name\\\":\\\"b.bin\\\",\\\"mode\\\":493,\\\"size\\\":72,\\\"typeflag\\\":0}\"}}") != NULL,
        "got %s", manifest);
    check(
        strstr(manifest,
               "{\"mediaType\":\"application/vnd.cncf.model.code.v1.tar\",\"digest\":\"sha256:" CONFIG_DIGEST
               "\",\"size\":2048}]}") != NULL);
}

static void parameter_counts_are_spelt_with_one_decimal_at_most(void)
{
    static const struct {
        uint64_t n;
        const char *want;
    } cases[] = {
        {0, ""},
        {999, ""},
        {1000, "1K"},
        {1049, "1K"},
        {1050, "1.1K"},
        {1500, "1.5K"},
        {999949, "999.9K"},
        {999950, "1M"},
        {109482240, "109.5M"},
        {7000000000, "7B"},
        {8030261248, "8B"},
        {671026419200, "671B"},
        {1000000000000, "1T"},
        {2500000000000000, "2.5Q"},
        {UINT64_MAX, "18446.7Q"},
    };
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        char buf[MLO_PARAM_SIZE_MAX];
        check_str(mlo_param_size(cases[i].n, buf), cases[i].want);
    }
}

static int build_both(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_layer_plan layer = {.kind = MLO_KIND_WEIGHT, .path = "m", .mode = 0755, .size = 1};
    struct mlo_config_facts facts = {.name = "tiny", .license = "MIT", .created_ns = 1, .parameters = 5000};
    MLO_AUTOFREE char *config = NULL, *manifest = NULL;
    size_t n = 0;
    int rc = mlo_config_build(&facts, &layer, 1, &config, &n, &err);
    return rc ? rc : mlo_manifest_build(&layer.digest, n, &layer, 1, &manifest, &n, &err);
}

/* cJSON allocates inside its own library, where the wrapper does not reach: lend it this program's allocator.
 */
static void *lent_malloc(size_t n)
{
    return malloc(n);
}

static void memory_failure_is_an_ordinary_error(void)
{
    cJSON_Hooks hooks = {lent_malloc, free};
    cJSON_InitHooks(&hooks);
    check(each_alloc_failure(build_both) > 50);
    cJSON_InitHooks(NULL);
}

int main(void)
{
    run(the_worked_example_comes_out_byte_for_byte);
    run(every_fact_has_its_place);
    run(only_an_unusual_mode_is_annotated);
    run(parameter_counts_are_spelt_with_one_decimal_at_most);
    run(memory_failure_is_an_ordinary_error);
    return done_testing();
}

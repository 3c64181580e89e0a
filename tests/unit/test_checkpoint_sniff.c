/* Formats are told from bytes; files that are two things at once are refused. */
#include "zip_help.h"

static enum mlo_format sniffed(const struct blob *b, struct mlo_err *err, int *ret_rc)
{
    enum mlo_format f = MLO_FMT_UNKNOWN;
    uint8_t *copy = malloc(b->n ? b->n : 1);
    if (b->n)
        memcpy(copy, b->p, b->n);
    struct mlo_mem mem = {copy};
    struct mlo_source src = mlo_source_mem(&mem, b->n);
    *ret_rc = mlo_checkpoint_sniff(&src, &f, err);
    free(copy);
    return f;
}

static void is(struct blob b, enum mlo_format want)
{
    struct mlo_err err = {0};
    int rc;
    enum mlo_format got = sniffed(&b, &err, &rc);
    check_ok(rc, &err);
    check(got == want, "got %s, want %s", mlo_format_name(got), mlo_format_name(want));
    blob_free(&b);
}

static void polyglot(struct blob b, const char *what)
{
    struct mlo_err err = {0};
    int rc;
    sniffed(&b, &err, &rc);
    check_err(rc, MLO_EINVALID, &err, "polyglot");
    check_err(rc, MLO_EINVALID, &err, what);
    struct mlo_checkpoint cp;
    check_int(read_bytes(b.p, b.n, &cp, &err), MLO_EINVALID);
    mlo_checkpoint_release(&cp);
    blob_free(&b);
}

static struct blob of(const char *p, size_t n)
{
    struct blob b = {0};
    blob_put(&b, p, n);
    return b;
}
#define BYTES(s) of(s, sizeof(s) - 1)

static struct blob safetensors_of(size_t header, size_t data)
{
    struct blob b = {0};
    blob_le(&b, header, 8);
    blob_text(&b, "{}");
    blob_fill(&b, ' ', header - 2);
    blob_fill(&b, 0, data);
    return b;
}

static void ordinary_files_are_nothing_special(void)
{
    is((struct blob){0}, MLO_FMT_UNKNOWN);
    is(BYTES("x"), MLO_FMT_UNKNOWN);
    is(BYTES("PK"), MLO_FMT_UNKNOWN);
    is(BYTES("GGU"), MLO_FMT_UNKNOWN);
    is(BYTES("{\"model_type\": \"bert\"}"), MLO_FMT_UNKNOWN);
    is(BYTES("var x = {\"a\": 1};"), MLO_FMT_UNKNOWN); /* byte 8 is a brace, but the length is text */
    is(BYTES("import os\nprint(1)\n"), MLO_FMT_UNKNOWN);
    is(BYTES("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), MLO_FMT_UNKNOWN);
}

static void each_format_is_known_by_its_bytes(void)
{
    is(blob_file(GOLDEN "numpy.safetensors"), MLO_FMT_SAFETENSORS);
    is(blob_file(GOLDEN "llama.gguf"), MLO_FMT_GGUF);
    is(blob_file(GOLDEN "f4.npy"), MLO_FMT_NPY);
    is(blob_file(GOLDEN "savez.npz"), MLO_FMT_NPZ);
    is(BYTES("\x89HDF\r\n\x1a\n........"), MLO_FMT_HDF5);
    is(BYTES("\x1f\x8b\x08\x00"), MLO_FMT_COMPRESSED);
    is(BYTES("\x28\xb5\x2f\xfd...."), MLO_FMT_COMPRESSED);
    is(BYTES("7z\xbc\xaf\x27\x1c"), MLO_FMT_COMPRESSED);
    is(BYTES("BZh91AY"), MLO_FMT_COMPRESSED);
    is(BYTES("\xfd"
             "7zXZ\0\0"),
       MLO_FMT_COMPRESSED);
    is(BYTES("\x80\x02}q\0."), MLO_FMT_PICKLE);
    is(BYTES("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e"), MLO_FMT_TORCH_LEGACY);
    is(zip_of(NULL, 0, false), MLO_FMT_ZIP);
    is(BYTES("{\"learner\":{\"attributes\":{}}}"), MLO_FMT_XGBOOST);
    is(BYTES("{ \n \"learner\" : {}}"), MLO_FMT_XGBOOST);
    is(BYTES("{L\0\0\0\0\0\0\0\7learner{L"), MLO_FMT_XGBOOST);
    is(BYTES("tree\nversion=v4\n"), MLO_FMT_LIGHTGBM);
    is(BYTES("tree\r\nversion=v4\r\n"), MLO_FMT_LIGHTGBM);
    is(BYTES("tree\nshaded=v4\n"), MLO_FMT_UNKNOWN);
}

static void safetensors_lengths_that_look_like_other_magics(void)
{
    is(safetensors_of(0x0280, 0), MLO_FMT_SAFETENSORS); /* pickle protocol 2 */
    is(safetensors_of(0x0480, 0), MLO_FMT_SAFETENSORS);
    is(safetensors_of(0x0708, 0), MLO_FMT_SAFETENSORS); /* ONNX ir_version 7 */
}

static void lying_safetensors_still_count_as_such(void)
{
    struct blob b = {0};
    blob_le(&b, UINT64_MAX, 8);
    blob_text(&b, "{\"a\":{}}");
    is(b, MLO_FMT_SAFETENSORS);
    b = (struct blob){0};
    blob_le(&b, 5000, 8); /* cut inside the header */
    blob_text(&b, "{\"a\":{\"dtype\"");
    is(b, MLO_FMT_SAFETENSORS);
}

static void zips_are_told_by_their_members(void)
{
    static const struct {
        const char *names[5];
        enum mlo_format want;
    } cases[] = {
        {{"m/data.pkl", "m/version"}, MLO_FMT_TORCH_ZIP},
        {{"m/version", "m/data/0", "m/data.pkl"}, MLO_FMT_TORCH_ZIP},
        {{"m/data.pkl", "m/.data/version"}, MLO_FMT_TORCH_ZIP},
        {{"m/data.pkl", "m/version", "m/constants.pkl"}, MLO_FMT_TORCHSCRIPT},
        {{"m/data.pkl", "m/version", "m/code/x.py"}, MLO_FMT_TORCHSCRIPT},
        {{"m/data.pkl"}, MLO_FMT_ZIP},
        {{"m/data.pkl", "n/version"}, MLO_FMT_ZIP},
        {{"a/m/data.pkl", "a/m/version"}, MLO_FMT_ZIP},
        {{"a.npy", "b.npy"}, MLO_FMT_NPZ},
        {{"a.npy", "b.txt"}, MLO_FMT_ZIP},
        {{"README"}, MLO_FMT_ZIP},
    };
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        struct zip_part parts[5] = {0};
        size_t n = 0;
        for (; n < 5 && cases[i].names[n]; n++)
            parts[n] = (struct zip_part){.name = cases[i].names[n], .data = "x", .n = 1};
        is(zip_of(parts, n, false), cases[i].want);
    }
}

static struct blob with_zip(struct blob b)
{
    struct zip_part part = {.name = "m/data.pkl", .data = "evil", .n = 4};
    struct blob zip = zip_of(&part, 1, false);
    blob_put(&b, zip.p, zip.n);
    blob_free(&zip);
    return b;
}

static void a_zip_behind_another_format_is_a_polyglot(void)
{
    polyglot(with_zip(blob_file(GOLDEN "numpy.safetensors")), "safetensors and zip");
    polyglot(with_zip(blob_file(GOLDEN "llama.gguf")), "gguf and zip");
    polyglot(with_zip(blob_file(GOLDEN "f4.npy")), "npy and zip");
    polyglot(with_zip(BYTES("\x80\x02}q\0.")), "pickle and zip");
    /* Also when the tensors' ranges cover the zip, so that safetensors' own rules hold. */
    struct blob b = {0};
    struct zip_part part = {.name = "m/data.pkl", .data = "evil", .n = 4};
    struct blob zip = zip_of(&part, 1, false);
    char header[128];
    int n = snprintf(header, sizeof header,
                     "{\"w\":{\"dtype\":\"U8\",\"shape\":[%zu],\"data_offsets\":[0,%zu]}}", zip.n, zip.n);
    blob_le(&b, (uint64_t)n, 8);
    blob_text(&b, header);
    blob_put(&b, zip.p, zip.n);
    blob_free(&zip);
    polyglot(b, "safetensors and zip");
}

static void a_zip_that_begins_like_safetensors_is_a_polyglot(void)
{
    struct zip_part part = {.name = "m/data.pkl", .data = "evil", .n = 4};
    struct blob b = zip_of(&part, 1, false);
    memset(b.p + 4, 0, 4); /* version and flags 0: the length is 67,324,752 */
    b.p[8] = '{';
    polyglot(b, "safetensors");
}

static void an_hdf5_signature_further_in_is_a_polyglot(void)
{
    struct blob b = safetensors_of(100, 2000);
    memcpy(b.p + 1024, "\x89HDF\r\n\x1a\n", 8);
    polyglot(b, "safetensors and hdf5");
}

/* A 512-byte header of an ustar archive, its checksum right; the name begins with what b holds. */
static void put_tar(struct blob *b, const char *name, unsigned size)
{
    uint8_t h[512] = {0};
    unsigned sum = 0;
    memcpy(h, name, strlen(name));
    snprintf((char *)h + 124, 12, "%011o", size);
    memcpy(h + 257, "ustar\00000", 8);
    memset(h + 148, ' ', 8);
    for (size_t i = 0; i < sizeof h; i++)
        sum += h[i];
    snprintf((char *)h + 148, 8, "%06o", sum);
    blob_put(b, h, sizeof h);
    blob_fill(b, 'x', size);
    blob_fill(b, 0, (512 - size % 512) % 512);
}

static void tars_are_pytorch_only_with_its_members(void)
{
    struct blob b = {0};
    put_tar(&b, "sys_info", 10);
    put_tar(&b, "pickle", 600);
    put_tar(&b, "storages", 0);
    is(of((const char *)b.p, b.n), MLO_FMT_UNKNOWN);
    put_tar(&b, "./tensors", 0);
    blob_fill(&b, 0, 1024);
    struct mlo_checkpoint cp;
    struct mlo_err err = {0};
    check_err(read_bytes(b.p, b.n, &cp, &err), MLO_EINVALID, &err, "convert it to safetensors");
    check(cp.verdict >= MLO_VERDICT_UNSCANNED, "verdict %s", mlo_verdict_name(cp.verdict));
    mlo_checkpoint_release(&cp);
    is(b, MLO_FMT_TORCH_TAR);
}

static void a_tar_that_begins_like_another_format_is_a_polyglot(void)
{
    struct blob b = {0};
    put_tar(&b, "GGUF\x03", 10);
    polyglot(b, "gguf and tar");
    b = (struct blob){0};
    put_tar(&b, "GGUF\x03", 10);
    b.p[200]++; /* checksum wrong: no tar */
    is(b, MLO_FMT_GGUF);
}

static void broken_zips_are_errors(void)
{
    struct mlo_err err = {0};
    int rc;
    struct zip_part part = {.name = "m/data.pkl", .data = "x", .n = 1};
    struct blob b = zip_of(&part, 1, false);
    b.n -= 3;
    sniffed(&b, &err, &rc);
    check_err(rc, MLO_EINVALID, &err, "truncated, or followed by other data");
    blob_free(&b);
}

static void names_of_formats_and_verdicts(void)
{
    check_str(mlo_format_name(MLO_FMT_SAFETENSORS), "safetensors");
    check_str(mlo_format_name(MLO_FMT_COMPRESSED), "compressed");
    check_str(mlo_format_name((enum mlo_format)99), "unknown");
    check_str(mlo_verdict_name(MLO_VERDICT_TENSOR_ONLY), "tensor-only");
    check_str(mlo_verdict_name(MLO_VERDICT_DANGEROUS), "dangerous");
}

int main(void)
{
    run(ordinary_files_are_nothing_special);
    run(each_format_is_known_by_its_bytes);
    run(safetensors_lengths_that_look_like_other_magics);
    run(lying_safetensors_still_count_as_such);
    run(zips_are_told_by_their_members);
    run(a_zip_behind_another_format_is_a_polyglot);
    run(a_zip_that_begins_like_safetensors_is_a_polyglot);
    run(an_hdf5_signature_further_in_is_a_polyglot);
    run(tars_are_pytorch_only_with_its_members);
    run(a_tar_that_begins_like_another_format_is_a_polyglot);
    run(broken_zips_are_errors);
    run(names_of_formats_and_verdicts);
    return done_testing();
}

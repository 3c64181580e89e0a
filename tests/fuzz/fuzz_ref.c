/* Any bytes as a remote ref: refused, or read and then written and read again to the same. And any text as a
 * model reference. */
#include <string.h>

#include <mlopsctl/remote.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_remote_ref(const char *text, size_t n)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_remote_ref ref, again;
    MLO_AUTOSTR struct mlo_str out;
    mlo_str_init(&out, MLO_STR_MAX);
    if (mlo_remote_ref_parse(text, n, &ref, &err) != 0)
        return;
    if (mlo_remote_ref_format(&ref, &out, &err) != 0)
        return; /* a year beyond what RFC 3339 can say */
    if (mlo_remote_ref_parse(out.ptr, out.len, &again, &err) != 0 ||
        !mlo_digest_eq(&ref.manifest, &again.manifest) || ref.size != again.size ||
        strcmp(ref.by, again.by) != 0)
        __builtin_trap();
}

static void try_name(const char *text)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_ref ref, again;
    char name[MLO_REF_TEXT];
    if (mlo_ref_parse(text, &ref, &err) != 0)
        return;
    if (mlo_ref_parse(mlo_ref_text(&ref, name), &again, &err) != 0 || strcmp(ref.name, again.name) != 0 ||
        strcmp(ref.tag, again.tag) != 0 || strstr(ref.name, "..") || ref.name[0] == '/')
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOFREE char *text = mlo_memdup0(data, size, &err);
    if (!text)
        return 0;
    try_remote_ref(text, size);
    try_name(text);
    return 0;
}

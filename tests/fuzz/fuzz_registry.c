/*
 * What registries and token servers say. The first byte chooses: a challenge, a token server's answer, Link
 * and Range, a list, a manifest.
 */
#include <string.h>

#include "../../src/remote/registry/registry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_challenge(const char *text)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_challenge c = {0};
    int rc = mlo_challenge_parse(text, &c, &err);
    if (rc == 0 && (c.scheme == MLO_AUTH_NONE || (c.scheme == MLO_AUTH_BEARER && !c.realm)))
        __builtin_trap();
    if (rc != 0 && (c.realm || c.service || c.scope || !*err.msg))
        __builtin_trap();
    mlo_challenge_release(&c);
}

static void try_token(const char *text, size_t n)
{
    struct mlo_err err = MLO_ERR_INIT;
    char *token = NULL;
    uint64_t seconds = 0;
    if (mlo_token_parse(text, n, &token, &seconds, &err) != 0)
        return;
    for (const char *p = token; *p; p++)
        if (*p <= ' ' || *p == 0x7f)
            __builtin_trap();
    mlo_secret_free(token);
}

static void try_headers(const char *text)
{
    struct mlo_err err = MLO_ERR_INIT;
    uint64_t n = 0;
    char *next = NULL;
    if (mlo_link_next(text, &next, &err) == 0 && !strstr(text, next))
        __builtin_trap();
    if (mlo_upload_range(text, &n) && n > MLO_BLOB_SIZE_MAX + 1)
        __builtin_trap();
    free(next);
}

static int take_name(void *ctx, const char *name, struct mlo_err *err)
{
    size_t *left = ctx;
    if (strlen(name) > *left)
        __builtin_trap();
    return mlo_repository_valid(name) && strstr(name, "..") ? mlo_fail(err, MLO_EINTERNAL, "dots") : 0;
}

static void try_list(const char *text, size_t n)
{
    struct mlo_err err = MLO_ERR_INIT;
    if (mlo_names_parse(text, n, "tags", take_name, &n, &err) == MLO_EINTERNAL)
        __builtin_trap();
}

static void try_manifest(const char *text, size_t n)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_registry_manifest m = {0};
    struct mlo_remote_ref ref;
    struct mlo_bundle b = {0};
    char *copy = mlo_memdup0(text, n, &err);
    if (!copy || mlo_registry_manifest_take(copy, n, &m, &err) != 0)
        return;
    if (mlo_registry_ref_of(&m, &ref, &err) == 0 && ref.size > MLO_BLOB_SIZE_MAX)
        __builtin_trap();
    if (!m.oci.is_index && mlo_bundle_parse(text, n, "{}", 2, NULL, 0, &b, &err) == 0)
        for (size_t i = 0; i < b.n_files; i++)
            if (b.files[i].path[0] == '/' || strcmp(b.files[i].path, "..") == 0)
                __builtin_trap();
    mlo_bundle_release(&b);
    mlo_registry_manifest_release(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOFREE char *text = size > 0 ? mlo_memdup0(data + 1, size - 1, &err) : NULL;
    if (!text)
        return 0;
    switch (data[0]) {
    case 'c':
        try_challenge(text);
        break;
    case 't':
        try_token(text, size - 1);
        break;
    case 'h':
        try_headers(text);
        break;
    case 'l':
        try_list(text, size - 1);
        break;
    case 'm':
        try_manifest(text, size - 1);
        break;
    default:
        break;
    }
    return 0;
}

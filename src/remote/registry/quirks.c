/*
 * What registries are known to do differently; docs/registries.md is the same table with its sources. Where
 * a registry is not listed the upload mode is found out: a refused whole blob is sent in chunks, a refused
 * chunk in smaller ones.
 */
#include "registry.h"

#include <string.h>

#define MIB             ((uint64_t)1 << 20)
#define WHOLE_MAX       (500 * MIB)
#define ALWAYS_WHOLE    UINT64_MAX
#define CHUNK_BYTES     (100 * MIB)
#define CLOUDFLARE_BODY (95 * MIB)

static const struct mlo_registry_quirks table[] = {
    {"docker.io", "registry-1.docker.io", WHOLE_MAX, CHUNK_BYTES, "its interface has another name"},
    {"index.docker.io", "registry-1.docker.io", WHOLE_MAX, CHUNK_BYTES, "its interface has another name"},
    {"ghcr.io", NULL, ALWAYS_WHOLE, CHUNK_BYTES, "chunks above 4 MiB are answered 416"},
    {"gcr.io", NULL, ALWAYS_WHOLE, CHUNK_BYTES, "chunked uploads fail"},
    {".gcr.io", NULL, ALWAYS_WHOLE, CHUNK_BYTES, "chunked uploads fail"},
    {".pkg.dev", NULL, ALWAYS_WHOLE, CHUNK_BYTES, "chunked uploads fail"},
    {".amazonaws.com", NULL, ALWAYS_WHOLE, CHUNK_BYTES, "chunks are answered with unusual statuses"},
    {"public.ecr.aws", NULL, ALWAYS_WHOLE, CHUNK_BYTES, "chunks are answered with unusual statuses"},
    {"registry.cloudflare.com", NULL, CLOUDFLARE_BODY, CLOUDFLARE_BODY, "larger bodies are refused"},
};
static const struct mlo_registry_quirks others = {NULL, NULL, WHOLE_MAX, CHUNK_BYTES, ""};

const struct mlo_registry_quirks *mlo_registry_quirks(const char *host)
{
    size_t n = strcspn(host, ":");
    for (size_t i = 0; i < MLO_COUNT(table); i++) {
        size_t length = strlen(table[i].host);
        bool is_end = table[i].host[0] == '.';
        if (n >= length && (is_end || n == length) &&
            strncasecmp(host + n - length, table[i].host, length) == 0)
            return &table[i];
    }
    return &others;
}

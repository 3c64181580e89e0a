/*
 * ledger-gen HOME N [NAMES]: appends N finished runs to the ledger of HOME, in one transaction and with a
 * valid chain, that move NAMES names (default 1000) in turn. For measuring; the same arguments give the same
 * rows but for the folder's own.
 */
#include "../../src/ledger/internal.h"

#include <inttypes.h>
#include <mlopsctl/base/text.h>
#include <string.h>

struct gen {
    uint64_t names;
    int64_t base_ns;
    char name[64], argv[160], commit[41];
};

static const char *const commands[] = {"pack", "tag", "tag", "bench", "push"};

static int fill(void *ctx, uint64_t i, struct mlo_bulk_run *b, struct mlo_err *err)
{
    struct gen *g = ctx;
    uint64_t x = i * UINT64_C(0x9e3779b97f4a7c15) + 1;
    snprintf(g->name, sizeof g->name, "model-%" PRIu64 ":latest", i % g->names);
    snprintf(g->argv, sizeof g->argv, "[\"mlopsctl\",\"%s\",\"model.safetensors\",\"-t\",\"%s\"]",
             commands[i % MLO_COUNT(commands)], g->name);
    snprintf(g->commit, sizeof g->commit, "%016" PRIx64 "%016" PRIx64 "%08x", x, ~x, (unsigned)(x >> 32));
    *b = (struct mlo_bulk_run){
        .info = {.command = commands[i % MLO_COUNT(commands)],
                 .argv_json = g->argv,
                 .cwd = "/home/somebody/models",
                 .user = "somebody",
                 .host = "workstation",
                 .tool_version = "0.1.0",
                 .git_commit = g->commit},
        .started_ns = g->base_ns + (int64_t)i * MLO_NS_PER_S,
        .ended_ns = g->base_ns + (int64_t)i * MLO_NS_PER_S + MLO_NS_PER_S / 2,
        .kind = "tag",
        .name = g->name,
        .metric = i % 4 == 0 ? "accuracy" : NULL,
        .value = (double)(x >> 40) / (1 << 24),
    };
    return mlo_sha256(&x, sizeof x, &b->digest, err);
}

static int generate(const char *home, uint64_t n, uint64_t names, struct mlo_err *err)
{
    struct gen g = {.names = names, .base_ns = INT64_C(1700000000) * MLO_NS_PER_S};
    struct mlo_ledger *l = NULL;
    int rc = mlo_ledger_open(home, MLO_LEDGER_WRITE, &l, err);
    if (!rc)
        rc = mlo_ledger_bulk(l, n, fill, &g, err);
    mlo_ledger_close(l);
    return rc;
}

int main(int argc, char **argv)
{
    struct mlo_err err = MLO_ERR_INIT;
    uint64_t n = 0, names = 1000;
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: ledger-gen HOME N [NAMES]\n");
        return 2;
    }
    int rc = mlo_parse_u64(argv[2], 1, UINT32_MAX, "N", &n, &err);
    if (!rc && argc == 4)
        rc = mlo_parse_u64(argv[3], 1, UINT32_MAX, "NAMES", &names, &err);
    if (!rc)
        rc = generate(argv[1], n, names, &err);
    if (rc)
        fprintf(stderr, "ledger-gen: %s\n", err.msg);
    return -rc;
}

/* Push and pull when memory runs out at any point: an ordinary failure that leaves nothing behind. */
#include "bench.h"

#include <mlopsctl/remote.h>

static struct bench scarce;
static struct mlo_digest scarce_bundle;
static char scarce_remote[700];

/* Into a new folder each time, so that every push has all to do. */
static int push_with_little_memory(void)
{
    static int serial;
    struct mlo_sync_stats st;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_ref ref = {.name = "m", .tag = "1"};
    struct mlo_sync_opts o = {.by = "test", .parallel = 1, .layout = serial % 2};
    struct mlo_remote *r = NULL;
    char folder[800];
    snprintf(folder, sizeof folder, "%s-%d", scarce_remote, serial++);
    int rc = mlo_remote_open(folder, &(struct mlo_remote_opts){.create = true}, &r, &err);
    if (rc == 0)
        rc = mlo_push(r, scarce.store, &scarce_bundle, &ref, &o, &st, &err);
    mlo_remote_close(r);
    return rc;
}

static int pull_with_little_memory(void)
{
    static int serial;
    struct mlo_sync_stats st;
    struct mlo_pulled got = {.n_referrers = 0};
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_ref ref = {.name = "m", .tag = "1"};
    struct mlo_sync_opts o = {.parallel = 1};
    struct mlo_remote *r = NULL;
    struct mlo_store *s = NULL;
    char home[800];
    snprintf(home, sizeof home, "%s/here-%d", scarce.root, serial++);
    int rc = mlo_remote_open(scarce_remote, &(struct mlo_remote_opts){.create = false}, &r, &err);
    if (rc == 0)
        rc = mlo_store_open(home, true, &s, &err);
    if (rc == 0) {
        mlo_store_set_tmp(s, home);
        rc = mlo_pull(r, s, &ref, &o, &got, &st, &err);
    }
    free(got.referrers);
    mlo_remote_close(r);
    mlo_store_close(s);
    return rc;
}

static void too_little_memory_is_an_ordinary_failure(void)
{
    char name[1000];
    bench_up(&scarce);
    bench_tiny(scarce.tree, "model.safetensors");
    bench_text(scarce.tree, "README.md", "# tiny\n");
    check(bench_pack(&scarce, &scarce_bundle), "packed");
    snprintf(scarce_remote, sizeof scarce_remote, "%s/remote", scarce.root);
    check(each_alloc_failure(push_with_little_memory) > 100, "many allocations");
    snprintf(name, sizeof name, "%s-0", scarce_remote);
    check(push_with_little_memory() == 0, "and with enough it works");
    for (int i = 9999; i >= 0; i--) { /* the last one */
        snprintf(name, sizeof name, "%s-%d", scarce_remote, i);
        if (access(name, F_OK) == 0)
            break;
    }
    check(rename(name, scarce_remote) == 0, "a remote to pull from");
    check(each_alloc_failure(pull_with_little_memory) > 50, "many allocations");
    bench_down(&scarce);
}

int main(void)
{
    run(too_little_memory_is_an_ordinary_failure);
    return done_testing();
}
